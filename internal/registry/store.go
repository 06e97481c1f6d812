// Package registry is the data plane of ECR: repositories of images on disk,
// behind the OCI distribution API, and the client that pushes into it.
//
// A Store keeps blobs once by digest, and for each repository which of them it
// has, its manifests and its tags; everything is synced and renamed into
// place, so that a kill at any moment loses nothing that was acknowledged, and
// an upload goes on where it stopped after a restart. Which repositories exist
// is the ECR API's business and asked through Directory. A Server speaks HTTP.
// All is safe for concurrent use by one process.
package registry

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"berth/internal/clock"
	"berth/internal/fault"
	"berth/internal/ident"
)

// Deps are what a Store is made of.
type Deps struct {
	Dir   string
	Clock clock.Clock // dates images
	// Real is the time that files are dated by; nil is Clock.
	Real clock.Clock
	IDs  *ident.Source
	// Spare, if set, passes on what uploads bring as long as the disk has space for it.
	Spare func(io.Reader) io.Reader
}

// Store holds blobs, manifests and tags.
type Store struct {
	Deps
	mu         sync.RWMutex // guards the links, manifests and tags of all repositories
	unfinished unfinished
}

// Repo names a repository.
type Repo struct{ Account, Name string }

// Open opens the folder.
func Open(d Deps) (*Store, error) {
	if d.Real == nil {
		d.Real = d.Clock
	}
	if d.Spare == nil {
		d.Spare = func(r io.Reader) io.Reader { return r }
	}
	s := &Store{Deps: d}
	for _, p := range []string{s.blobs(), s.uploads(), filepath.Join(d.Dir, "repos")} {
		if err := os.MkdirAll(p, 0o755); err != nil {
			return nil, fmt.Errorf("make folder of registry: %w", err)
		}
	}
	return s, s.count()
}

func (s *Store) blobs() string   { return filepath.Join(s.Dir, "blobs") }
func (s *Store) uploads() string { return filepath.Join(s.Dir, "uploads") }

func (s *Store) repo(r Repo, elem ...string) string {
	return filepath.Join(append([]string{s.Dir, "repos", r.Account, filepath.FromSlash(r.Name)}, elem...)...)
}

func (s *Store) blob(digest string) string {
	h := strings.TrimPrefix(digest, "sha256:")
	return filepath.Join(s.blobs(), h[:2], h)
}

func (s *Store) link(r Repo, digest string) string {
	return s.repo(r, "_layers", strings.TrimPrefix(digest, "sha256:"))
}

// Blob opens a blob that the repository has.
func (s *Store) Blob(r Repo, digest string) (*os.File, int64, error) {
	if !isDigest(digest) {
		return nil, 0, fault.New(fault.Invalid, "", "digest %q is not valid", digest)
	}
	if _, err := os.Stat(s.link(r, digest)); err != nil {
		return nil, 0, fault.New(fault.NotFound, "", "blob %s is not in repository %s", digest, r.Name)
	}
	f, err := os.Open(s.blob(digest))
	if err != nil {
		return nil, 0, fmt.Errorf("open blob: %w", err)
	}
	info, err := f.Stat()
	if err != nil {
		return nil, 0, errors.Join(fmt.Errorf("open blob: %w", err), f.Close())
	}
	return f, info.Size(), nil
}

// HasBlob reports whether the repository has the blob, and its size.
func (s *Store) HasBlob(r Repo, digest string) (int64, bool) {
	f, size, err := s.Blob(r, digest)
	if err != nil {
		return 0, false
	}
	_ = f.Close()
	return size, true
}

// Mount gives a repository a blob that another of the same account has.
func (s *Store) Mount(from, to Repo, digest string) bool {
	if from.Account != to.Account || !CheckName(from.Name) {
		return false
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, ok := s.HasBlob(from, digest); !ok {
		return false
	}
	return s.addLink(to, digest) == nil
}

func (s *Store) addLink(r Repo, digest string) error {
	if err := os.MkdirAll(s.repo(r, "_layers"), 0o755); err != nil {
		return fmt.Errorf("make folder of repository: %w", err)
	}
	return write(s.link(r, digest), nil)
}

// Forget drops a repository with all that it has. Blobs go with Collect.
func (s *Store) Forget(r Repo) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, d := range []string{"_layers", "_manifests", "_tags"} {
		if err := os.RemoveAll(s.repo(r, d)); err != nil {
			return fmt.Errorf("drop repository %s: %w", r.Name, err)
		}
	}
	_ = os.Remove(s.repo(r)) // stays if another repository's name begins with this one's
	return nil
}

// unusedAfter is how long an upload or a blob that no manifest has is kept.
const unusedAfter = 24 * time.Hour

// Collect removes uploads that nobody goes on with, and blobs that no
// manifest has had for a day. It returns how many files went.
func (s *Store) Collect(ctx context.Context) (int, error) {
	return s.CollectBefore(ctx, s.Real.Now().Add(-unusedAfter))
}

// CollectBefore is Collect for blobs that have not been written since a moment.
func (s *Store) CollectBefore(ctx context.Context, old time.Time) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	removed := 0
	drop := func(p string, d fs.DirEntry) error {
		info, err := d.Info()
		if err != nil || info.ModTime().After(old) {
			return nil //nolint:nilerr // it has gone meanwhile
		}
		removed++
		if filepath.Dir(p) == s.uploads() && isUpload(d.Name()) {
			s.unfinished.ends(info.Size())
		}
		return os.Remove(p)
	}
	used, linked := map[string]map[string]bool{}, map[string]bool{}
	err := filepath.WalkDir(filepath.Join(s.Dir, "repos"), func(p string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || filepath.Base(filepath.Dir(p)) != "_layers" {
			return errors.Join(err, ctx.Err())
		}
		repo := filepath.Dir(filepath.Dir(p))
		if used[repo] == nil {
			if used[repo], err = s.usedIn(repo); err != nil {
				return err
			}
		}
		if !used[repo][d.Name()] {
			if err := drop(p, d); err != nil {
				return err
			}
		}
		if _, err := os.Stat(p); err == nil {
			linked[d.Name()] = true
		}
		return nil
	})
	if err != nil {
		return removed, fmt.Errorf("collect blobs: %w", err)
	}
	for _, dir := range []string{s.blobs(), s.uploads()} {
		if dir == s.uploads() {
			old = s.Real.Now().Add(-unusedAfter) // one goes on while it is written
		}
		err = filepath.WalkDir(dir, func(p string, d fs.DirEntry, err error) error {
			if err != nil || d.IsDir() || linked[d.Name()] {
				return err
			}
			return drop(p, d)
		})
		if err != nil {
			return removed, fmt.Errorf("collect blobs: %w", err)
		}
	}
	return removed, nil
}

// usedIn are the blobs that the manifests of a repository's folder name,
// by their hexadecimal digests.
func (s *Store) usedIn(repo string) (map[string]bool, error) {
	used := map[string]bool{}
	names, err := filepath.Glob(filepath.Join(repo, "_manifests", "*"))
	if err != nil {
		return nil, err
	}
	for _, n := range names {
		h := filepath.Base(n)
		used[h] = true
		body, err := os.ReadFile(s.blob("sha256:" + h))
		if err != nil {
			return nil, err
		}
		var d document
		if err := json.Unmarshal(body, &d); err != nil {
			return nil, err
		}
		for _, ref := range append(d.Layers, d.Config) {
			used[strings.TrimPrefix(ref.Digest, "sha256:")] = true
		}
	}
	return used, nil
}

// Repos lists the repositories that have manifests.
func (s *Store) Repos() ([]Repo, error) {
	var out []Repo
	root := filepath.Join(s.Dir, "repos")
	err := filepath.WalkDir(root, func(p string, d fs.DirEntry, err error) error {
		if err != nil || !d.IsDir() || d.Name() != "_manifests" {
			return err
		}
		rel, err := filepath.Rel(root, filepath.Dir(p))
		if err != nil {
			return err
		}
		account, name, _ := strings.Cut(filepath.ToSlash(rel), "/")
		out = append(out, Repo{account, name})
		return fs.SkipDir
	})
	if err != nil {
		return nil, fmt.Errorf("list repositories: %w", err)
	}
	return out, nil
}

// Bytes is how much the blobs take.
func (s *Store) Bytes() (int64, error) {
	var n int64
	err := filepath.WalkDir(s.blobs(), func(_ string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		if info, err := d.Info(); err == nil { // else it has gone meanwhile
			n += info.Size()
		}
		return nil
	})
	if err != nil {
		return 0, fmt.Errorf("weigh blobs: %w", err)
	}
	return n, nil
}

// During reads from r until ctx ends.
func During(ctx context.Context, r io.Reader) io.Reader { return during{ctx, r} }

type during struct {
	ctx context.Context
	r   io.Reader
}

// Read implements io.Reader.
func (d during) Read(p []byte) (int, error) {
	if err := d.ctx.Err(); err != nil {
		return 0, err
	}
	return d.r.Read(p)
}

func syncAndSum(ctx context.Context, path string) (string, error) {
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		return "", fmt.Errorf("read upload: %w", err)
	}
	h := sha256.New()
	if _, err = io.Copy(h, During(ctx, f)); err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err != nil {
		return "", fmt.Errorf("read upload: %w", err)
	}
	return "sha256:" + hex.EncodeToString(h.Sum(nil)), nil
}

// WriteFile replaces a file durably.
func WriteFile(path string, data []byte) error { return write(path, data) }

// write replaces a file durably.
func write(path string, data []byte) error {
	f, err := os.CreateTemp(filepath.Dir(path), ".new-*")
	if err != nil {
		return fmt.Errorf("write %s: %w", filepath.Base(path), err)
	}
	_, err = f.Write(data)
	err = errors.Join(err, f.Chmod(0o644), f.Sync(), f.Close())
	if err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		_ = os.Remove(f.Name())
		return fmt.Errorf("write %s: %w", filepath.Base(path), err)
	}
	return syncDir(filepath.Dir(path))
}

func syncDir(path string) error {
	d, err := os.Open(path)
	if err != nil {
		return fmt.Errorf("sync folder: %w", err)
	}
	if err := errors.Join(d.Sync(), d.Close()); err != nil {
		return fmt.Errorf("sync folder: %w", err)
	}
	return nil
}

func list(dir string) ([]string, error) {
	entries, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("list %s: %w", filepath.Base(dir), err)
	}
	var out []string
	for _, e := range entries {
		if !strings.HasPrefix(e.Name(), ".") {
			out = append(out, e.Name())
		}
	}
	slices.Sort(out)
	return out, nil
}
