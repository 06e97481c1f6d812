package image

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"

	"golang.org/x/sys/unix"

	"berth/internal/fault"
)

// charge has an owner's volume filled by the owner's layers, although they are
// not on it: all owners of a data folder share one copy, and on EC2 each
// instance has its own. A file of each layer's size is set aside there, once
// however many of its images have the layer; the file is never written, so that
// the host's disk holds nothing of it.
type charge struct {
	dir      string // on the owner's volume; "" charges nothing
	allocate func(f *os.File, size int64) error
	mu       sync.Mutex
	pulls    map[string]int // by layer, pulls that are under way
}

func newCharge(dir string) (*charge, error) {
	c := &charge{dir: dir, allocate: allocate, pulls: map[string]int{}}
	if dir == "" {
		return c, nil
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("make folder of set aside space: %w", err)
	}
	return c, nil
}

func allocate(f *os.File, size int64) error {
	for {
		err := unix.Fallocate(int(f.Fd()), 0, 0, size)
		if !errors.Is(err, unix.EINTR) {
			return err
		}
	}
}

// take sets aside at least size bytes for a layer. No space is ENOSPC.
func (c *charge) take(layer string, size int64) error {
	return c.open(layer, func(f *os.File, has int64) error {
		if has >= size {
			return nil
		}
		return c.allocate(f, size)
	})
}

// settle sets aside exactly size bytes for a layer.
func (c *charge) settle(layer string, size int64) error {
	return c.open(layer, func(f *os.File, has int64) error {
		if has < size {
			return c.allocate(f, size)
		}
		return f.Truncate(size)
	})
}

func (c *charge) open(layer string, do func(f *os.File, has int64) error) error {
	if c.dir == "" {
		return nil
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	f, err := os.OpenFile(filepath.Join(c.dir, layer), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return fmt.Errorf("set space aside: %w", err)
	}
	info, err := f.Stat()
	if err == nil {
		err = do(f, info.Size())
	}
	if err = errors.Join(err, f.Close()); err != nil {
		return fmt.Errorf("set space aside: %w", err)
	}
	return nil
}

// held are the layers of one pull: what is set aside for them stays until it
// ends, whoever removes an image meanwhile.
type held struct {
	charge *charge
	layers []string
}

func (h *held) hold(layer string) {
	h.charge.mu.Lock()
	defer h.charge.mu.Unlock()
	h.layers = append(h.layers, layer)
	h.charge.pulls[layer]++
}

// release gives back what no image has now.
func (h *held) release(mine func() (map[string]bool, error)) {
	h.charge.mu.Lock()
	for _, l := range h.layers {
		h.charge.pulls[l]--
	}
	h.charge.mu.Unlock()
	if has, err := mine(); err == nil { // else the next start does
		h.charge.drop(h.layers, has)
	}
}

// drop gives back what is set aside for those of the layers that nobody has.
func (c *charge) drop(layers []string, mine map[string]bool) {
	if c.dir == "" {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, l := range layers {
		name := filepath.Base(l)
		if c.pulls[name] > 0 {
			continue
		}
		delete(c.pulls, name)
		if !mine[name] {
			_ = os.Remove(filepath.Join(c.dir, name)) // else the next start does
		}
	}
}

// begin makes what is set aside that of the images which the owner has: an
// earlier process may have ended in the middle of a pull.
func (s *Store) begin() error {
	if s.charge.dir == "" {
		return nil
	}
	mine, err := s.mine()
	if err != nil {
		return err
	}
	found, err := filepath.Glob(filepath.Join(s.charge.dir, "*"))
	if err != nil {
		return err
	}
	s.charge.drop(found, mine)
	for name := range mine {
		if err := s.chargeFor(name); err != nil {
			s.Log.Warn("an image is not counted against the disk", "layer", name, "error", err)
		}
	}
	return nil
}

// chargeFor sets a layer's size aside that is there.
func (s *Store) chargeFor(name string) error {
	if s.charge.dir == "" {
		return nil
	}
	size, err := s.size(name)
	if err != nil {
		return err
	}
	return noSpace(s.charge.settle(name, size), name)
}

// noSpace words a volume that is full as containerd does for ECS. It is no
// better a moment later, so that it is not tried again.
func noSpace(err error, layer string) error {
	if !errors.Is(err, unix.ENOSPC) {
		return err
	}
	file, at := "", (*fs.PathError)(nil)
	if errors.As(err, &at) {
		file = " /" + at.Path
	}
	return fault.New(fault.Invalid, PullCode, "failed to extract layer sha256:%s: write%s: no space left on device: unknown", layer, file)
}

// size of a layer as a file system counts it, in bytes. It was written down
// when the layer was unpacked; of one that an older version unpacked it is
// looked up.
func (s *Store) size(name string) (int64, error) {
	if b, err := os.ReadFile(s.sizeFile(name)); err == nil {
		if n, err := strconv.ParseInt(strings.TrimSpace(string(b)), 10, 64); err == nil && n >= 0 {
			return n, nil
		}
	}
	n, err := measure(filepath.Join(s.layers(), name))
	if err != nil {
		return 0, fmt.Errorf("measure a layer: %w", err)
	}
	return n, s.writeSize(name, n)
}

func (s *Store) sizes() string { return filepath.Join(s.Dir, "sizes") }

func (s *Store) sizeFile(name string) string { return filepath.Join(s.sizes(), name) }

func (s *Store) writeSize(name string, n int64) error {
	if err := os.WriteFile(s.sizeFile(name), []byte(strconv.FormatInt(n, 10)), 0o600); err != nil {
		return fmt.Errorf("write a layer's size: %w", err)
	}
	return nil
}

// What a file takes beside its content, and what its content is rounded up to,
// in bytes, about as ext4 does.
const (
	perFile = 512
	block   = 4096
)

// weigh is what a file of that many bytes takes.
func weigh(size int64) int64 { return perFile + size + padding(size) }

func padding(size int64) int64 { return (block - size%block) % block }

func measure(dir string) (n int64, err error) {
	seen := map[uint64]bool{}
	err = filepath.WalkDir(dir, func(_ string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		if st, ok := info.Sys().(*syscall.Stat_t); ok && st.Nlink > 1 && info.Mode().IsRegular() {
			if seen[st.Ino] {
				return nil
			}
			seen[st.Ino] = true
		}
		if !info.Mode().IsRegular() {
			n += perFile
			return nil
		}
		n += weigh(info.Size())
		return nil
	})
	return n, err
}

// atOnce is how much is set aside at once while a layer is unpacked, in bytes.
const atOnce = 1 << 20

// meter sets aside what is unpacked as it comes, so that a layer beyond the
// volume ends where a copy of it would.
type meter struct {
	charge     *charge
	layer      string
	taken, has int64
}

func (m *meter) take(n int64) error {
	m.taken += n
	if m.taken <= m.has {
		return nil
	}
	m.has = (m.taken + atOnce - 1) / atOnce * atOnce
	return m.charge.take(m.layer, m.has)
}
