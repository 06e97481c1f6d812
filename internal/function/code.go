package function

import (
	"archive/zip"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"berth/internal/fault"
)

// maxUnzipped is Lambda's limit for an unpacked package.
const maxUnzipped = 262144000

// Store keeps deployment packages as files named by their digest.
type Store struct {
	dir string     // "" keeps nothing
	mu  sync.Mutex // one unpacking at a time
}

// OpenStore opens the folder.
func OpenStore(dir string) (*Store, error) {
	abs, err := filepath.Abs(dir)
	if err != nil {
		return nil, fmt.Errorf("resolve %s: %w", dir, err)
	}
	for _, d := range []string{"zip", "code"} {
		if err := os.MkdirAll(filepath.Join(abs, d), 0o755); err != nil {
			return nil, fmt.Errorf("make folder of functions: %w", err)
		}
	}
	return StoreAt(abs), nil
}

// StoreAt is the store of a folder that is there.
func StoreAt(abs string) *Store { return &Store{dir: abs} }

// Nowhere is a store that looks at what it is given and keeps nothing: for calls
// that are only tried.
func Nowhere() *Store { return &Store{} }

// Digest is how a package is called: base64 of its SHA-256.
func Digest(pkg []byte) string {
	sum := sha256.Sum256(pkg)
	return base64.StdEncoding.EncodeToString(sum[:])
}

func (s *Store) zip(digest string) (string, error) {
	sum, err := base64.StdEncoding.DecodeString(digest)
	if err != nil || len(sum) != sha256.Size {
		return "", fault.New(fault.NotFound, "", "no package %q", digest)
	}
	return filepath.Join(s.dir, "zip", hex.EncodeToString(sum)+".zip"), nil
}

// Check says whether data is a package that can be unpacked.
func Check(data []byte) error {
	r, err := zip.NewReader(bytes.NewReader(data), int64(len(data)))
	if err != nil {
		return fault.New(
			fault.Invalid, "InvalidParameterValueException", "Could not unzip uploaded file. Please check your file, then try to upload again.",
		)
	}
	var size uint64
	for _, f := range r.File {
		size += f.UncompressedSize64
	}
	if size > maxUnzipped {
		return fault.New(fault.Invalid, "InvalidParameterValueException", "Unzipped size must be smaller than %d bytes", maxUnzipped)
	}
	return nil
}

// Put keeps a package, on disk when it returns.
func (s *Store) Put(data []byte) (digest string, err error) {
	if err := Check(data); err != nil {
		return "", err
	}
	digest = Digest(data)
	if s.dir == "" {
		return digest, nil
	}
	to, err := s.zip(digest)
	if err != nil {
		return "", err
	}
	// Written again if it is there: that makes it young, and Keep spares it.
	f, err := os.CreateTemp(filepath.Dir(to), ".new-*")
	if err != nil {
		return "", fmt.Errorf("keep package: %w", err)
	}
	_, err = f.Write(data)
	err = errors.Join(err, f.Sync(), f.Close())
	if err == nil {
		err = os.Rename(f.Name(), to)
	}
	if err != nil {
		_ = os.Remove(f.Name())
		return "", fmt.Errorf("keep package: %w", err)
	}
	return digest, nil
}

// Open opens a package.
func (s *Store) Open(digest string) (*os.File, error) {
	p, err := s.zip(digest)
	if err != nil {
		return nil, err
	}
	f, err := os.Open(p)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fault.New(fault.NotFound, "", "no package %q", digest)
	}
	if err != nil {
		return nil, fmt.Errorf("open package: %w", err)
	}
	return f, nil
}

// Verify says whether a package is there and what it was.
func (s *Store) Verify(digest string) error {
	f, err := s.Open(digest)
	if err != nil {
		return err
	}
	sum := sha256.New()
	_, err = io.Copy(sum, f)
	if err := errors.Join(err, f.Close()); err != nil {
		return fmt.Errorf("read package: %w", err)
	}
	if base64.StdEncoding.EncodeToString(sum.Sum(nil)) != digest {
		return fault.New(fault.Internal, "", "the package in %s is damaged: it is not what its name says; upload the function again", f.Name())
	}
	return nil
}

// Unpacked is the folder of a package, unpacked when it is first asked for.
func (s *Store) Unpacked(ctx context.Context, digest string) (string, error) {
	p, err := s.zip(digest)
	if err != nil {
		return "", err
	}
	dir := filepath.Join(s.dir, "code", strings.TrimSuffix(filepath.Base(p), ".zip"))
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, err := os.Stat(dir); err == nil {
		return dir, nil
	}
	if err := s.Verify(digest); err != nil {
		return "", err
	}
	tmp := dir + ".new"
	if err := os.RemoveAll(tmp); err != nil {
		return "", fmt.Errorf("clear what an earlier try left: %w", err)
	}
	if err := os.Mkdir(tmp, 0o755); err != nil {
		return "", fmt.Errorf("unpack code: %w", err)
	}
	if err := unzip(ctx, p, tmp); err != nil {
		return "", errors.Join(fmt.Errorf("unpack code: %w", err), os.RemoveAll(tmp))
	}
	if err := os.Rename(tmp, dir); err != nil {
		return "", fmt.Errorf("unpack code: %w", err)
	}
	return dir, nil
}

// Keep removes packages and folders whose digests are not in used and that
// were made before a moment: a function may be about to be made of the others.
func (s *Store) Keep(used []string, before time.Time) error {
	keep := map[string]bool{}
	for _, d := range used {
		if p, err := s.zip(d); err == nil {
			keep[strings.TrimSuffix(filepath.Base(p), ".zip")] = true
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, sub := range []string{"zip", "code"} {
		entries, err := os.ReadDir(filepath.Join(s.dir, sub))
		if err != nil {
			return fmt.Errorf("list functions' code: %w", err)
		}
		for _, e := range entries {
			info, err := e.Info()
			if err != nil || keep[strings.TrimSuffix(e.Name(), ".zip")] || info.ModTime().After(before) {
				continue
			}
			if err := os.RemoveAll(filepath.Join(s.dir, sub, e.Name())); err != nil {
				return fmt.Errorf("remove code: %w", err)
			}
		}
	}
	return nil
}

// unzip writes the package's files, never outside of dir, and readable for
// the function's user.
func unzip(ctx context.Context, from, dir string) error {
	r, err := zip.OpenReader(from)
	if err != nil {
		return err
	}
	defer func() { _ = r.Close() }()
	root, err := os.OpenRoot(dir)
	if err != nil {
		return err
	}
	defer func() { _ = root.Close() }()
	left := int64(maxUnzipped)
	for _, f := range r.File {
		if err := ctx.Err(); err != nil {
			return err
		}
		n, err := unzipOne(root, f, left)
		if err != nil {
			return fmt.Errorf("%s: %w", f.Name, err)
		}
		left -= n
	}
	return nil
}

func unzipOne(root *os.Root, f *zip.File, limit int64) (int64, error) {
	name := strings.TrimPrefix(path.Clean("/"+strings.ReplaceAll(f.Name, `\`, "/")), "/")
	if name == "" {
		return 0, nil
	}
	if f.FileInfo().IsDir() {
		return 0, root.MkdirAll(name, 0o755)
	}
	if d := path.Dir(name); d != "." {
		if err := root.MkdirAll(d, 0o755); err != nil {
			return 0, err
		}
	}
	in, err := f.Open()
	if err != nil {
		return 0, err
	}
	defer func() { _ = in.Close() }()
	if f.Mode()&fs.ModeSymlink != 0 {
		target, err := io.ReadAll(io.LimitReader(in, 4096))
		if err != nil {
			return 0, err
		}
		return 0, root.Symlink(string(target), name)
	}
	out, err := root.OpenFile(name, os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o644)
	if err != nil {
		return 0, err
	}
	n, err := io.Copy(out, io.LimitReader(in, limit+1))
	if n > limit {
		err = errors.Join(err, fmt.Errorf("unpacks to more than %d bytes", maxUnzipped))
	}
	mode := fs.FileMode(0o644)
	if f.Mode()&0o111 != 0 {
		mode = 0o755
	}
	return n, errors.Join(err, out.Chmod(mode), out.Close())
}
