package disk

import (
	"os"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"

	"berth/internal/fault"
)

// small is a file system of a size that a test sets.
type small struct {
	vfs.FS
	total, free atomic.Uint64
}

func (s *small) GetDiskUsage(string) (vfs.DiskUsage, error) {
	return vfs.DiskUsage{AvailBytes: s.free.Load(), TotalBytes: s.total.Load()}, nil
}

// Create fails for want of space once nothing is free but the ballast.
func (s *small) Create(name string, c vfs.DiskWriteCategory) (vfs.File, error) {
	if _, err := s.FS.Stat("/data/ballast"); err == nil && s.free.Load() == 0 {
		return nil, &os.PathError{Op: "open", Path: name, Err: syscall.ENOSPC}
	}
	return poor{s.FS}.Create(name, c)
}

// poor is a file system that sets nothing aside.
type poor struct{ vfs.FS }

type poorFile struct{ vfs.File }

func (p poor) Create(name string, c vfs.DiskWriteCategory) (vfs.File, error) {
	f, err := p.FS.Create(name, c)
	return poorFile{f}, err
}

func (poorFile) Preallocate(int64, int64) error { return syscall.EOPNOTSUPP }

func newSmall(t *testing.T, total, free uint64) (*small, *Disk, *[]string) {
	t.Helper()
	s := &small{FS: vfs.NewMem()}
	s.total.Store(total)
	s.free.Store(free)
	if err := s.FS.MkdirAll("/data", 0o755); err != nil {
		t.Fatal(err)
	}
	told := &[]string{}
	return s, open("/data", s, func(text string) { *told = append(*told, text) }), told
}

func has(s *small) bool {
	_, err := s.FS.Stat("/data/ballast")
	return err == nil
}

func TestWritesAreRefusedBeforeTheDiskIsFull(t *testing.T) {
	t.Parallel()
	s, d, told := newSmall(t, 100<<30, 50<<30)
	steps := []struct {
		free uint64
		ok   bool
		told string
	}{
		{50 << 30, true, ""},
		{300 << 20, true, ""},
		{200 << 20, true, "nearly full: 200 MiB are free; writes are refused below 64"},
		{100 << 20, true, ""},
		{63 << 20, false, "is full: 63 MiB are free; writes are refused until there are 64"},
		{1 << 20, false, ""},
		{70 << 20, true, "has space again: 70 MiB are free"},
		{10 << 30, true, ""},
	}
	for _, step := range steps {
		*told = nil
		s.free.Store(step.free)
		err := d.Writable()
		if (err == nil) != step.ok || err != nil && fault.ClassOf(err) != fault.Unavailable {
			t.Errorf("%d MiB free: %v", step.free>>20, err)
		}
		if got := strings.Join(*told, "; "); !strings.Contains(got, step.told) || (step.told == "") != (got == "") {
			t.Errorf("%d MiB free: told %q, want %q", step.free>>20, got, step.told)
		}
	}
}

func TestASmallDiskKeepsATenth(t *testing.T) {
	t.Parallel()
	s, d, _ := newSmall(t, 100<<20, 50<<20)
	if err := d.Writable(); err != nil {
		t.Error(err)
	}
	s.free.Store(9 << 20)
	if err := d.Writable(); err == nil {
		t.Error("9 of 100 MiB are enough")
	}
}

// Somebody else may take the last byte between the look and the write.
func TestTheBallastIsGivenForAWriteThatFoundNoSpace(t *testing.T) {
	t.Parallel()
	s, d, told := newSmall(t, 100<<30, 50<<30)
	if !has(s) {
		t.Fatal("there is no ballast")
	}
	s.free.Store(0)
	f, err := d.FS().Create("/data/000001.log", vfs.WriteCategoryUnspecified)
	if err != nil {
		t.Fatalf("the write failed: %v", err)
	}
	if err := f.Close(); err != nil {
		t.Error(err)
	}
	if has(s) || len(*told) != 1 {
		t.Errorf("ballast %v, told %q", has(s), *told)
	}
	if err := d.Writable(); err == nil {
		t.Error("the next write is taken")
	}
	s.free.Store(50 << 30)
	if err := d.Writable(); err != nil || !has(s) {
		t.Errorf("with space again: %v, ballast %v", err, has(s))
	}
}

// However its space is taken, it is taken once and whole: a file with holes
// would give nothing away.
func TestTheBallastHasNoHoles(t *testing.T) {
	t.Parallel()
	for name, fs := range map[string]vfs.FS{"set aside": vfs.Default, "written": poor{vfs.Default}} {
		dir := t.TempDir()
		first := look(t, open(dir, fs, func(string) {}))
		taken := first.Sys().(*syscall.Stat_t).Blocks * 512
		if name == "written" {
			taken = ballast // once the file system gets to it
		}
		if first.Size() != ballast || taken < ballast {
			t.Errorf("%s: %d bytes, of which %d are taken", name, first.Size(), taken)
		}
		if again := look(t, open(dir, fs, func(string) {})); !again.ModTime().Equal(first.ModTime()) {
			t.Errorf("%s: taken twice", name)
		}
	}
}

func look(t *testing.T, d *Disk) os.FileInfo {
	t.Helper()
	info, err := os.Stat(d.ballast())
	if err != nil {
		t.Fatal(err)
	}
	return info
}
