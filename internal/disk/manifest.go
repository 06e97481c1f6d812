package disk

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"

	"berth/internal/fault"
)

// witness remembers what the database's manifest was: the list of its tables.
// Pebble takes a manifest that was cut, or changed in its middle, for one that
// ends there, and goes on without the tables that came later.
//
// It is written after the manifest, in a file beside the database, so that of a
// process that was killed it may only be behind.
type witness struct {
	dir  string
	what string // that is in it

	mu   sync.Mutex
	name string    // of the manifest
	size int64     // that was read
	sum  hash.Hash // of these bytes
}

// witnessOf is where the witness of a database's folder is.
func witnessOf(dir string) string { return filepath.Clean(dir) + ".manifest" }

// current is the manifest that Pebble will read: that of the highest marker.
func current(dir string) (name string, err error) {
	names, err := filepath.Glob(filepath.Join(dir, "marker.manifest.*.MANIFEST-*"))
	if err != nil || len(names) == 0 {
		return "", err
	}
	_, name, _ = strings.Cut(filepath.Base(names[len(names)-1]), ".MANIFEST-")
	return "MANIFEST-" + name, nil
}

// check holds the manifest of a database that is not open against what the
// witness saw. The error is fault.Invalid with advice.
func (w *witness) check() error {
	b, err := os.ReadFile(witnessOf(w.dir))
	var name, want string
	var size int64
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	} else if _, bad := fmt.Sscan(string(b), &name, &size, &want); err != nil || bad != nil {
		return err // one that was torn saw nothing
	}
	now, err := current(w.dir)
	switch {
	case err != nil:
		return err
	case now > name: // a process was killed before it could look
		return nil
	case now < name:
		return w.damaged(fmt.Sprintf("%s is missing", name))
	}
	f, err := os.Open(filepath.Join(w.dir, name))
	if err != nil {
		return w.damaged(err.Error())
	}
	defer f.Close()
	sum := sha256.New()
	if n, err := io.CopyN(sum, f, size); err != nil {
		return w.damaged(fmt.Sprintf("%s was cut after %d of %d bytes", name, n, size))
	}
	if hex.EncodeToString(sum.Sum(nil)) != want {
		return w.damaged(fmt.Sprintf("%s was changed", name))
	}
	return nil
}

func (w *witness) damaged(what string) error { return damaged(w.dir, w.what, what) }

// damaged says what was found before anything was opened.
func damaged(dir, what, found string) error {
	return fault.New(
		fault.Invalid, "", "%s in %s %s damaged: %s\n  restore a backup into another folder, or go on with what is left of it with --recover; nothing was "+
			"changed", what, dir, are(what), found,
	)
}

// look reads what the manifest has more than before, and notes it. What cannot
// be noted makes the witness blind for a while, and nothing else.
func (w *witness) look(name string) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if name != "" && name != w.name {
		w.name, w.size, w.sum = name, 0, sha256.New()
	}
	if w.name == "" {
		return nil
	}
	f, err := os.Open(filepath.Join(w.dir, w.name))
	if err != nil {
		return err
	}
	defer f.Close()
	if _, err := f.Seek(w.size, io.SeekStart); err != nil {
		return err
	}
	n, err := io.Copy(w.sum, f)
	w.size += n
	if err != nil {
		return err
	}
	note := fmt.Sprintf("%s %d %x\n", w.name, w.size, w.sum.Sum(nil))
	return replace(witnessOf(w.dir), note)
}

// replace writes a small file anew, whole or not at all.
func replace(path, text string) error {
	if err := os.WriteFile(path+".new", []byte(text), 0o600); err != nil {
		return err
	}
	return os.Rename(path+".new", path)
}
