package disk

import (
	"errors"
	"fmt"
	"hash/crc32"
	"io/fs"
	"os"
	"path/filepath"
)

// mark is a file beside the database that holds the last revision that was
// acknowledged. Pebble opens what is left of a database whose log was cut or
// removed without a word; a revision that the mark has and the database has not
// is one that was lost.
//
// It is written after the database, and not synced: a process that is killed
// leaves it in the kernel's cache, and after a loss of power it may only be
// older than the database.
type mark struct {
	f *os.File // nil if it is only read
	// rev is what it holds; known is false if there was none that could be
	// read.
	rev   int64
	known bool
}

// markLine is the mark's only line: every one is as long as any other, so that
// one write replaces another whole.
const markLine = "%020d %08x\n"

func lineOf(rev int64) []byte {
	n := fmt.Appendf(nil, "%020d", rev)
	return fmt.Appendf(nil, markLine, rev, crc32.ChecksumIEEE(n))
}

// markOf is where the mark of a database's folder is: not in it, since it is
// there to tell that the folder is gone.
func markOf(dir string) string { return filepath.Clean(dir) + ".mark" }

func openMark(dir string, readOnly bool) (*mark, error) {
	b, err := os.ReadFile(markOf(dir))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	m := &mark{}
	var sum uint32
	if _, err := fmt.Sscanf(string(b), "%d %x", &m.rev, &sum); err == nil && string(lineOf(m.rev)) == string(b) {
		m.known = true
	} else {
		m.rev = 0
	}
	if readOnly {
		return m, nil
	}
	m.f, err = os.OpenFile(markOf(dir), os.O_CREATE|os.O_RDWR, 0o600)
	return m, err
}

// set notes that a revision was acknowledged.
func (m *mark) set(rev int64) error {
	if m.f == nil {
		return nil
	}
	_, err := m.f.WriteAt(lineOf(rev), 0)
	return err
}

func (m *mark) close() error {
	if m.f == nil {
		return nil
	}
	return errors.Join(m.f.Sync(), m.f.Close())
}
