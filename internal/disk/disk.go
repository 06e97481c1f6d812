// Package disk is the file system under Pebble's folders. Pebble cannot go on
// after a write that found no space, so a Disk refuses writes before that, keeps
// a ballast to give away if somebody else took the rest meanwhile, and takes
// writes again by itself once there is space.
package disk

import (
	"fmt"
	"os"
	"path/filepath"
	"sync"

	"github.com/cockroachdb/pebble/v2/vfs"

	"berth/internal/fault"
)

// Sizes in bytes. On a small file system the reserve is a tenth of it.
const (
	reserve = 64 << 20 // with less than this free, writes are refused
	low     = 4        // times the reserve: with less than this free it is said
	ballast = 16 << 20
)

// Disk is the file system of a data folder. It is safe for concurrent use.
type Disk struct {
	dir  string
	real vfs.FS
	fs   vfs.FS
	warn func(text string)

	mu    sync.Mutex
	state state // that was told last
}

type state int

const (
	ample state = iota
	scarce
	full
)

// Open makes the Disk of a data folder, which must be there. warn is told, once
// a change, that space is low, gone or back.
func Open(dir string, warn func(text string)) *Disk { return open(dir, vfs.Default, warn) }

func open(dir string, real vfs.FS, warn func(text string)) *Disk {
	d := &Disk{dir: dir, real: real, warn: warn}
	d.fs = vfs.OnDiskFull(real, d.giveWay)
	if u, err := real.GetDiskUsage(dir); err == nil && u.AvailBytes > least(u)+ballast {
		d.load()
	}
	return d
}

// FS is the file system for Pebble.
func (d *Disk) FS() vfs.FS { return d.fs }

// Writable refuses a write while there is too little space. The error is
// fault.Unavailable: nothing was changed, and the same write is taken later.
func (d *Disk) Writable() error {
	u, err := d.real.GetDiskUsage(d.dir)
	if err != nil {
		return nil //nolint:nilerr // what cannot be told is no reason to refuse
	}
	now, keep := ample, least(u)
	switch {
	case u.AvailBytes < keep:
		now = full
	case u.AvailBytes < low*keep:
		now = scarce
	}
	d.tell(now, u.AvailBytes, keep)
	if now != full {
		return nil
	}
	return fault.New(
		fault.Unavailable, "", "The disk of %s is full: %d MiB are free, and nothing is written below %d MiB. What runs goes on; free some, and writes "+
			"are taken again by themselves.", d.dir, u.AvailBytes>>20, keep>>20,
	)
}

func least(u vfs.DiskUsage) uint64 { return min(reserve, u.TotalBytes/10) }

// tell says what changed, and takes the ballast again after the disk was full.
func (d *Disk) tell(now state, free, keep uint64) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.state == now {
		return
	}
	was := d.state
	d.state = now
	switch {
	case now == full:
		d.warn(fmt.Sprintf("the disk of %s is full: %d MiB are free; writes are refused until there are %d", d.dir, free>>20, keep>>20))
	case now == scarce && was == ample:
		d.warn(fmt.Sprintf("the disk of %s is nearly full: %d MiB are free; writes are refused below %d", d.dir, free>>20, keep>>20))
	case was == full:
		d.warn(fmt.Sprintf("the disk of %s has space again: %d MiB are free; writes are taken", d.dir, free>>20))
	}
	if now != full && free > keep+ballast {
		d.load()
	}
}

func (d *Disk) ballast() string { return filepath.Join(d.dir, "ballast") }

// load takes the ballast, if it is not there. Without one a full disk ends the
// process: what was acknowledged is kept all the same.
func (d *Disk) load() {
	if info, err := d.real.Stat(d.ballast()); err == nil && info.Size() >= ballast {
		return
	}
	f, err := d.real.Create(d.ballast(), vfs.WriteCategoryUnspecified)
	if err != nil {
		return
	}
	if fill(f) != nil {
		_ = d.real.Remove(d.ballast())
	}
	_ = f.Close() // it holds nothing
	if d.real == vfs.Default {
		_ = os.Chmod(d.ballast(), 0o600) // as all files of the folder are
	}
}

// fill takes the ballast's space. Where the file system can, it is set aside
// and not written: to write it would be a third of a first start's work.
func fill(f vfs.File) error {
	if f.Preallocate(0, ballast) == nil {
		_, err := f.WriteAt([]byte{0}, ballast-1) // so that its size is that of the whole
		return err
	}
	_, err := f.Write(make([]byte, ballast))
	return err
}

// giveWay gives the ballast away, for the write that found no space.
func (d *Disk) giveWay() {
	_ = d.real.Remove(d.ballast())
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.state != full {
		d.state = full
		d.warn(fmt.Sprintf("the disk of %s is full; writes are refused until there is space", d.dir))
	}
}
