package disk

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// logs is the file system of a database that remembers which write-ahead logs it
// still needs, and how long each was when it was left for the next. Pebble goes on
// without one that is missing or empty: if it is the last one, the mark tells; what
// was in an earlier one would be missing in the middle, without a word.
//
// The note is a file beside the database. A log is struck from it before it is
// removed or used again, so that the note of a process that was killed names no log
// that may rightly be gone; it may lack the newest.
type logs struct {
	vfs.FS
	dir  string
	what string // that is in it

	bad   []string // that check told of, the oldest first
	aside []string // paths of those that were renamed

	mu     sync.Mutex
	needed map[string]int64 // by name: bytes, or 0 while it is written
}

// asideEnd ends the names of logs that were set aside.
const asideEnd = ".damaged"

// logsOf is where the note of a database's folder is.
func logsOf(dir string) string { return filepath.Clean(dir) + ".logs" }

// openLogs reads the note of a database that is not open. One that was torn knows
// of no log.
func openLogs(dir, what string, under vfs.FS) (*logs, error) {
	l := &logs{FS: under, dir: filepath.Clean(dir), what: what, needed: map[string]int64{}}
	b, err := os.ReadFile(logsOf(dir))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	for line := range strings.Lines(string(b)) {
		var name string
		var size int64
		if n, err := fmt.Sscanf(line, "%s %d\n", &name, &size); err != nil || n != 2 || !l.isLog(filepath.Join(l.dir, name)) {
			return &logs{FS: under, dir: l.dir, what: what, needed: map[string]int64{}}, nil
		}
		l.needed[name] = size
	}
	return l, nil
}

func (l *logs) isLog(path string) bool {
	return filepath.Dir(path) == l.dir && filepath.Ext(path) == ".log"
}

// check holds the logs that are there against the note. The error is fault.Invalid
// with advice.
func (l *logs) check() error {
	var found []string
	for _, name := range slices.SortedFunc(maps.Keys(l.needed), older) {
		switch info, err := os.Stat(filepath.Join(l.dir, name)); {
		case errors.Is(err, fs.ErrNotExist):
			found = append(found, name+" is missing")
		case err != nil:
			return err
		case info.Size() < l.needed[name]:
			found = append(found, fmt.Sprintf("%s was cut after %d of %d bytes", name, info.Size(), l.needed[name]))
		default:
			continue
		}
		l.bad = append(l.bad, name)
	}
	if len(found) == 0 {
		return nil
	}
	return damaged(l.dir, l.what, strings.Join(found, ", ")+", with changes that are nowhere else")
}

// older orders logs by their numbers, which may have more digits than six.
func older(a, b string) int { return cmp.Or(cmp.Compare(len(a), len(b)), strings.Compare(a, b)) }

// setAsideAfterDamage leaves no log after the first that check told of, so that what
// is left is the database as it once was, and not one with a gap.
func (l *logs) setAsideAfterDamage() {
	for _, name := range l.bad {
		delete(l.needed, name)
	}
	for last := l.last(); len(l.bad) > 0 && last != "" && older(last, l.bad[0]) > 0; last = l.last() {
		if !l.setAside() {
			return
		}
	}
}

// last is the name of the newest log that is there; "": there is none.
func (l *logs) last() string {
	paths, _ := filepath.Glob(filepath.Join(l.dir, "*.log")) // the pattern is good
	last := ""
	for _, path := range paths {
		if name := filepath.Base(path); last == "" || older(name, last) > 0 {
			last = name
		}
	}
	return last
}

// setAside renames the last log, so that Pebble does not see it; false: it could not.
func (l *logs) setAside() bool {
	last := filepath.Join(l.dir, l.last())
	if !l.isLog(last) || os.Rename(last, last+asideEnd) != nil {
		return false
	}
	delete(l.needed, filepath.Base(last)) // noted once the database is open
	l.aside = append(l.aside, last)
	return true
}

// putBack undoes setAside.
func (l *logs) putBack() {
	for _, path := range l.aside {
		_ = os.Rename(path+asideEnd, path) // if not, it is there all the same
	}
	l.aside = nil
}

// Create implements vfs.FS.
func (l *logs) Create(name string, c vfs.DiskWriteCategory) (vfs.File, error) {
	f, err := l.FS.Create(name, c)
	return l.begun(name, f, err)
}

// ReuseForWrite implements vfs.FS.
func (l *logs) ReuseForWrite(from, name string, c vfs.DiskWriteCategory) (vfs.File, error) {
	l.strike(from)
	f, err := l.FS.ReuseForWrite(from, name, c)
	return l.begun(name, f, err)
}

// Remove implements vfs.FS.
func (l *logs) Remove(name string) error {
	l.strike(name)
	return l.FS.Remove(name)
}

// Unwrap implements vfs.FS.
func (l *logs) Unwrap() vfs.FS { return l.FS }

func (l *logs) begun(name string, f vfs.File, err error) (vfs.File, error) {
	if err != nil || !l.isLog(name) {
		return f, err
	}
	l.note(func() { l.needed[filepath.Base(name)] = 0 })
	return &written{f, func() { l.left(name) }}, nil
}

// left notes how long a log is that is written no more.
func (l *logs) left(name string) {
	if info, err := os.Stat(name); err == nil {
		l.note(func() { l.needed[filepath.Base(name)] = info.Size() })
	}
}

func (l *logs) strike(name string) {
	if l.isLog(name) {
		l.note(func() { delete(l.needed, filepath.Base(name)) })
	}
}

// note writes the note after a change of it. What cannot be noted makes it blind
// for a while, and nothing else: an old note would name logs that are gone.
func (l *logs) note(change func()) {
	l.mu.Lock()
	defer l.mu.Unlock()
	change()
	var b strings.Builder
	for _, name := range slices.SortedFunc(maps.Keys(l.needed), older) {
		fmt.Fprintf(&b, "%s %d\n", name, l.needed[name])
	}
	if err := replace(logsOf(l.dir), b.String()); err != nil {
		_ = os.Remove(logsOf(l.dir))
	}
}

// written is a log that is being written.
type written struct {
	vfs.File
	left func()
}

// Close implements vfs.File.
func (w *written) Close() error {
	err := w.File.Close()
	w.left()
	return err
}
