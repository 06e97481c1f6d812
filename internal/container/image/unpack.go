package image

import (
	"archive/tar"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"golang.org/x/sys/unix"

	"berth/internal/fault"
)

const (
	whiteout = ".wh."
	opaque   = ".wh..wh..opq"
	paxXattr = "SCHILY.xattr."
)

// unpackInto unpacks beside dir and renames when all is there and is what the
// configuration promised. The caller holds the layer's lock.
func (s *Store) unpackInto(ctx context.Context, r io.Reader, id v1.Hash, dir string) error {
	tmp := dir + ".new"
	if err := os.RemoveAll(tmp); err != nil {
		return fmt.Errorf("clear what an earlier pull left: %w", err)
	}
	if err := os.Mkdir(tmp, 0o755); err != nil {
		return fmt.Errorf("make folder of layer: %w", err)
	}
	sum, m := sha256.New(), &meter{charge: s.charge, layer: id.Hex}
	err := noSpace(s.unpack(ctx, io.TeeReader(s.Spare(r), sum), tmp, m.take), id.Hex)
	if err == nil {
		err = s.writeSize(id.Hex, m.taken)
	}
	if err == nil {
		_, err = io.Copy(sum, r) // what follows the archive's end counts, too
	}
	if err == nil && hex.EncodeToString(sum.Sum(nil)) != id.Hex {
		err = fault.New(fault.Invalid, PullCode, "failed to copy: layer does not have the digest %s that the image's configuration gives", id)
	}
	if err == nil {
		err = os.Rename(tmp, dir)
	}
	if err != nil {
		return errors.Join(err, os.RemoveAll(tmp))
	}
	return nil
}

// Unpack writes a layer's archive into dir as overlayfs wants its lower
// layers: deleted names as devices 0/0, opaque folders by attribute. Nothing
// is ever written outside of dir. Owners and devices need root; without it
// owners are left and devices are an error.
func Unpack(ctx context.Context, r io.Reader, dir string) error {
	s := Store{Deps: Deps{Spare: func(r io.Reader) io.Reader { return r }}}
	return s.unpack(ctx, r, dir, func(int64) error { return nil })
}

// unpack is Unpack. take is asked before anything takes so many bytes.
func (s *Store) unpack(ctx context.Context, r io.Reader, dir string, take func(int64) error) error {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return fmt.Errorf("open folder of layer: %w", err)
	}
	defer func() { _ = root.Close() }()
	u := unpacker{root: root, asRoot: os.Geteuid() == 0, found: map[string]string{}, take: take}
	tr := tar.NewReader(r)
	// A sparse file is a thousand times its archive: what it unpacks to is looked at too.
	content := s.Spare(tr)
	for {
		if err := ctx.Err(); err != nil {
			return err
		}
		h, err := tr.Next()
		if errors.Is(err, io.EOF) {
			return u.finish()
		}
		if err != nil {
			return fmt.Errorf("failed to copy: %w", err)
		}
		if err := u.entry(h, content); err != nil {
			return fmt.Errorf("failed to extract layer: %w", &fs.PathError{Op: "extract", Path: h.Name, Err: err})
		}
	}
}

type unpacker struct {
	root   *os.Root
	asRoot bool
	take   func(int64) error // asked for bytes before they are written
	dirs   []*tar.Header     // their times are set last
	found  map[string]string // by name, folders that entries were put into
}

func (u *unpacker) entry(h *tar.Header, r io.Reader) error {
	h.Name = strings.TrimPrefix(path.Clean("/"+h.Name), "/")
	if h.Name == "" {
		if h.Typeflag == tar.TypeDir {
			return u.root.Chmod(".", mode(h))
		}
		return nil
	}
	if len(h.Name) >= unix.PathMax {
		return unix.ENAMETOOLONG // each part of a name costs the walk to it
	}
	dir, base := path.Split(h.Name)
	dir, err := u.folder(path.Clean(dir))
	if err == nil {
		err = u.take(perFile)
	}
	if err != nil {
		return err
	}
	h.Name = path.Join(dir, base)
	switch {
	case base == opaque:
		return u.at(dir, u.setOpaque)
	case strings.HasPrefix(base, whiteout):
		return u.at(dir, func(fd int) error { return replace(fd, base[len(whiteout):], unix.S_IFCHR, 0) })
	}
	if err := u.write(h, dir, base, r); err != nil {
		return err
	}
	return u.attributes(h)
}

// maxLinks on the way to a folder, as the kernel has it.
const maxLinks = 40

// folder finds the folder of that name, or makes it, and says where it is: the
// layer's links lead from the layer's own root, as they do in the container.
func (u *unpacker) folder(name string) (string, error) {
	if at, ok := u.found[name]; ok {
		return at, nil
	}
	at, rest := ".", strings.Split(name, "/")
	for links := 0; len(rest) > 0; {
		to, err := u.step(at, rest[0])
		if err != nil {
			return "", err
		}
		rest = rest[1:]
		if to.link == "" {
			at = to.dir
			continue
		}
		if links++; links > maxLinks {
			return "", &fs.PathError{Op: "open", Path: name, Err: unix.ELOOP}
		}
		if path.IsAbs(to.link) {
			at = "."
		}
		rest = append(strings.Split(to.link, "/"), rest...)
	}
	u.found[name] = at
	return at, nil
}

// step is one part of a path: a folder, or where a link leads.
type step struct{ dir, link string }

func (u *unpacker) step(at, part string) (step, error) {
	if part == ".." {
		return step{dir: path.Dir(at)}, nil
	}
	next := path.Join(at, part)
	info, err := u.root.Lstat(next)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		if err := u.take(perFile); err != nil {
			return step{}, err
		}
		return step{dir: next}, u.root.Mkdir(next, 0o755)
	case err != nil:
		return step{}, err
	case info.Mode()&fs.ModeSymlink != 0:
		to, err := u.root.Readlink(next)
		return step{link: to}, err
	case !info.IsDir():
		return step{}, &fs.PathError{Op: "mkdir", Path: next, Err: unix.ENOTDIR}
	}
	return step{dir: next}, nil
}

func (u *unpacker) write(h *tar.Header, dir, base string, r io.Reader) error {
	if h.Typeflag != tar.TypeDir {
		if err := u.clear(h.Name); err != nil {
			return err
		}
	}
	switch h.Typeflag {
	case tar.TypeDir:
		u.dirs = append(u.dirs, h)
		info, err := u.root.Lstat(h.Name)
		if err == nil && info.IsDir() {
			return nil
		}
		if err == nil {
			if err := u.clear(h.Name); err != nil {
				return err
			}
		}
		return u.root.Mkdir(h.Name, 0o755)
	case tar.TypeReg:
		f, err := u.root.OpenFile(h.Name, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
		if err != nil {
			return err
		}
		n, err := io.Copy(f, taking{r, u.take})
		if err == nil {
			err = u.take(padding(n))
		}
		return errors.Join(err, f.Close())
	case tar.TypeSymlink:
		return u.root.Symlink(h.Linkname, h.Name)
	case tar.TypeLink:
		to, of := path.Split(strings.TrimPrefix(path.Clean("/"+h.Linkname), "/"))
		to, err := u.folder(path.Clean(to))
		if err != nil {
			return err
		}
		return u.root.Link(path.Join(to, of), h.Name)
	case tar.TypeChar, tar.TypeBlock, tar.TypeFifo:
		kind := map[byte]uint32{tar.TypeChar: unix.S_IFCHR, tar.TypeBlock: unix.S_IFBLK, tar.TypeFifo: unix.S_IFIFO}[h.Typeflag]
		return u.at(dir, func(fd int) error {
			return unix.Mknodat(fd, base, kind|0o600, int(unix.Mkdev(uint32(h.Devmajor), uint32(h.Devminor))))
		})
	default:
		return fault.New(fault.Invalid, PullCode, "entry of type %q is not supported", h.Typeflag)
	}
}

// taking asks for what it reads.
type taking struct {
	r    io.Reader
	take func(int64) error
}

// Read implements io.Reader.
func (t taking) Read(p []byte) (int, error) {
	n, err := t.r.Read(p)
	if refused := t.take(int64(n)); refused != nil {
		return 0, refused
	}
	return n, err
}

// clear makes way for an entry that the archive names again.
func (u *unpacker) clear(name string) error {
	if _, err := u.root.Lstat(name); errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	clear(u.found) // what is removed may have been on the way
	return u.root.RemoveAll(name)
}

// at calls f with a folder's descriptor, for what os.Root has no verb for.
func (u *unpacker) at(dir string, f func(fd int) error) error {
	d, err := u.root.Open(dir)
	if err != nil {
		return err
	}
	defer func() { _ = d.Close() }()
	return f(int(d.Fd()))
}

// replace makes a node in place of whatever has the name.
func replace(fd int, name string, kind uint32, dev int) error {
	if name == "" || name == "." || name == ".." {
		return fault.New(fault.Invalid, PullCode, "a whiteout of nothing")
	}
	err := unix.Mknodat(fd, name, kind, dev)
	if errors.Is(err, unix.EEXIST) {
		return nil // what the same layer has wins over a whiteout
	}
	return err
}

func (u *unpacker) setOpaque(fd int) error {
	name := "trusted.overlay.opaque"
	if !u.asRoot {
		name = "user.overlay.opaque"
	}
	return unix.Fsetxattr(fd, name, []byte("y"), 0)
}

// attributes come after the content: writing takes set-user-id and file
// capabilities away, and so does a change of owner.
func (u *unpacker) attributes(h *tar.Header) error {
	if h.Typeflag == tar.TypeLink {
		return nil
	}
	if u.asRoot {
		if err := u.root.Lchown(h.Name, h.Uid, h.Gid); err != nil {
			return err
		}
	}
	if h.Typeflag == tar.TypeSymlink {
		return nil
	}
	if err := u.root.Chmod(h.Name, mode(h)); err != nil {
		return err
	}
	if err := u.xattrs(h); err != nil {
		return err
	}
	if h.Typeflag == tar.TypeDir {
		return nil
	}
	return u.root.Chtimes(h.Name, h.ModTime, h.ModTime)
}

// xattrs sets those that programs depend on (file capabilities, user data);
// others, such as labels of a security module that this host may not have,
// are left out, as they are by other engines.
func (u *unpacker) xattrs(h *tar.Header) error {
	if h.Typeflag != tar.TypeReg && h.Typeflag != tar.TypeDir {
		return nil
	}
	for key, value := range h.PAXRecords {
		name, ok := strings.CutPrefix(key, paxXattr)
		if !ok || name != "security.capability" && !strings.HasPrefix(name, "user.") || !u.asRoot {
			continue
		}
		f, err := u.root.Open(h.Name)
		if err != nil {
			return err
		}
		err = unix.Fsetxattr(int(f.Fd()), name, []byte(value), 0)
		_ = f.Close()
		if err != nil && !errors.Is(err, unix.ENOTSUP) && !errors.Is(err, unix.EPERM) {
			return err
		}
	}
	return nil
}

func (u *unpacker) finish() error {
	for _, h := range slices.Backward(u.dirs) {
		if info, err := u.root.Lstat(h.Name); err == nil && !info.IsDir() {
			continue // something else has the name now
		}
		if err := u.root.Chtimes(h.Name, h.ModTime, h.ModTime); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	return nil
}

func mode(h *tar.Header) fs.FileMode {
	m := fs.FileMode(h.Mode) & fs.ModePerm
	for bit, flag := range map[int64]fs.FileMode{0o4000: fs.ModeSetuid, 0o2000: fs.ModeSetgid, 0o1000: fs.ModeSticky} {
		if h.Mode&bit != 0 {
			m |= flag
		}
	}
	return m
}

// archive makes a layer's tar from files; equal files give equal bytes.
func archive(w io.Writer, files []file) error {
	tw := tar.NewWriter(w)
	for _, f := range files {
		h := &tar.Header{
			Name: f.name, Mode: f.mode, ModTime: time.Unix(0, 0), Format: tar.FormatPAX, Typeflag: tar.TypeReg, Size: int64(len(f.data)),
		}
		switch {
		case f.dir:
			h.Typeflag, h.Size, h.Name = tar.TypeDir, 0, f.name+"/"
		case f.link != "":
			h.Typeflag, h.Linkname, h.Size = tar.TypeSymlink, f.link, 0
		}
		if err := tw.WriteHeader(h); err != nil {
			return fmt.Errorf("archive %s: %w", f.name, err)
		}
		if _, err := tw.Write(f.data); err != nil && !f.dir {
			return fmt.Errorf("archive %s: %w", f.name, err)
		}
	}
	return tw.Close()
}

type file struct {
	name string
	mode int64
	data []byte
	dir  bool
	link string
}

// readTree collects a folder's files for an archive, in order.
func readTree(dir string) ([]file, error) {
	var out []file
	err := filepath.WalkDir(dir, func(p string, d fs.DirEntry, err error) error {
		if err != nil || p == dir {
			return err
		}
		rel, err := filepath.Rel(dir, p)
		if err != nil {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		f := file{name: filepath.ToSlash(rel), mode: int64(info.Mode().Perm())}
		switch {
		case d.IsDir():
			f.dir = true
		case info.Mode()&fs.ModeSymlink != 0:
			f.link, err = os.Readlink(p)
		case info.Mode().IsRegular():
			f.data, err = os.ReadFile(p)
		default:
			return nil
		}
		out = append(out, f)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", dir, err)
	}
	return out, nil
}
