package disk

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"strings"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs"

	"berth/internal/fault"
)

// FolderOptions are how a Folder is opened.
type FolderOptions struct {
	// What is in it, for sentences: the state.
	What string
	// Disk is the file system; nil: the operating system's, as it is.
	Disk *Disk
	// Recover goes on without what was lost; Warn is told what that is. Else the
	// folder is not opened.
	Recover bool
	Warn    func(text string)
	// ReadOnly opens what is there and writes nothing.
	ReadOnly bool
	// Pebble are the sizes.
	Pebble *pebble.Options
}

// Folder is a Pebble database in a folder, whose damage is told and never passed
// over: Pebble's checksums find bits that changed, a mark beside the folder finds
// changes at the end that are missing (see mark), a note those before it (see
// logs), and a witness a list of tables that is (see witness).
type Folder struct {
	// DB is the database.
	DB *pebble.DB

	dir  string
	mark *mark
	o    FolderOptions
}

// OpenFolder opens or makes the database in dir. It fails while another process
// has it open, and with fault.Invalid and advice if it is damaged.
func OpenFolder(dir string, o FolderOptions) (*Folder, error) {
	m, err := openMark(dir, o.ReadOnly)
	if err != nil {
		return nil, fmt.Errorf("open %s in %s: %w", o.What, dir, err)
	}
	f := &Folder{dir: dir, mark: m, o: o}
	w := &witness{dir: dir, what: o.What}
	l, err := openLogs(dir, o.What, under(o.Disk))
	if err != nil {
		return nil, errors.Join(err, m.close())
	}
	if err := cmp.Or(w.check(), l.check()); err != nil {
		if !o.Recover {
			return nil, errors.Join(err, m.close())
		}
		f.warn("going on without what is lost: " + err.Error())
		l.setAsideAfterDamage()
	}
	options := *o.Pebble
	options.Logger, options.FormatMajorVersion, options.EventListener = quiet{}, pebble.FormatNewest, f.listener(w)
	options.ReadOnly, options.FS = o.ReadOnly, l
	if f.DB, err = f.open(&options, l); err != nil {
		return nil, errors.Join(f.Damaged(err), m.close())
	}
	return f, nil
}

// open opens the database. One that is to go on without what is lost does so without
// the last logs, as many as Pebble cannot read; if that does not help, all stay.
func (f *Folder) open(o *pebble.Options, l *logs) (*pebble.DB, error) {
	db, err := openDB(f.dir, o)
	for f.o.Recover && pebble.IsCorruptionError(err) && l.setAside() {
		f.warn(fmt.Sprintf("going on without the last log of %s: %v", f.o.What, err))
		db, err = openDB(f.dir, o)
	}
	if err != nil {
		l.putBack()
	}
	return db, err
}

func under(d *Disk) vfs.FS {
	if d == nil {
		return vfs.Default
	}
	return d.FS()
}

// listener has the witness look whenever the list of tables changed, and tells
// of damage that is found while the database is open: Pebble would end the
// process, and who reads has the error all the same.
func (f *Folder) listener(w *witness) *pebble.EventListener {
	warn := func(err error) {
		if err != nil {
			f.warn(err.Error())
		}
	}
	return &pebble.EventListener{
		DataCorruption: func(i pebble.DataCorruptionInfo) { warn(fmt.Errorf("%s is damaged: %w", i.Path, i.Details)) },
		ManifestCreated: func(i pebble.ManifestCreateInfo) {
			if i.Err == nil {
				warn(w.look(filepath.Base(i.Path)))
			}
		},
		FlushEnd:      func(pebble.FlushInfo) { warn(w.look("")) },
		CompactionEnd: func(pebble.CompactionInfo) { warn(w.look("")) },
	}
}

func (f *Folder) warn(text string) {
	if f.o.Warn != nil {
		f.o.Warn(text)
	}
}

// openDB opens a database; what Pebble panics of is an error too.
func openDB(dir string, o *pebble.Options) (db *pebble.DB, err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("%v", p)
		}
	}()
	return pebble.Open(dir, o)
}

// Damaged says what an error of the database means for who reads it.
func (f *Folder) Damaged(err error) error {
	if !pebble.IsCorruptionError(err) && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("open %s in %s: %w", f.o.What, f.dir, err)
	}
	return fault.New(
		fault.Invalid, "", "%s in %s %s damaged: %v\n  a file of it was removed, cut or changed; restore a backup into another folder, or remove this one "+
			"to begin anew without it", f.o.What, f.dir, are(f.o.What), err,
	)
}

// are is "is", or "are" of several.
func are(what string) string {
	if strings.HasSuffix(what, "s") {
		return "are"
	}
	return "is"
}

// Compare holds the last revision that the database has against the last one
// that was acknowledged.
func (f *Folder) Compare(rev int64) error {
	lost := f.mark.rev - rev
	switch {
	case !f.mark.known && rev > 0:
		f.warn(fmt.Sprintf(
			"%s is missing or damaged: whether anything of %s was lost cannot be told; it ends at revision %d", markOf(f.dir), f.o.What, rev,
		))
	case !f.mark.known || lost <= 0:
	case f.o.Recover:
		f.warn(fmt.Sprintf(
			"going on without the last %d changes of %s, which are lost: revision %d of %d", lost, f.o.What, rev, f.mark.rev,
		))
	default:
		return fault.New(
			fault.Invalid, "", "the last %d changes of %s in %s are lost: it ends at revision %d, and %d was acknowledged\n  a file of it was "+
				"removed, cut or changed; restore a backup into another folder, or go on without them with --recover", lost, f.o.What, f.dir, rev,
			f.mark.rev,
		)
	}
	return nil
}

// Mark notes that a revision was acknowledged.
func (f *Folder) Mark(rev int64) error { return f.mark.set(rev) }

// Close closes the database.
func (f *Folder) Close() error { return errors.Join(f.DB.Close(), f.mark.close()) }

// quiet drops Pebble's chatter; errors come back from the calls.
type quiet struct{}

func (quiet) Infof(string, ...any)  {}
func (quiet) Errorf(string, ...any) {}
func (quiet) Fatalf(format string, args ...any) {
	panic(fmt.Sprintf("pebble: "+format, args...))
}
