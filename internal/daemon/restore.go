package daemon

import (
	"bytes"
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
	"regexp"

	"golang.org/x/sys/unix"

	"berth/internal/backup"
	"berth/internal/disk"
	"berth/internal/fault"
	"berth/internal/series"
	"berth/internal/state"
	"berth/internal/store"
	"berth/internal/store/pebble"
)

// Restore makes a data folder of a backup. The folder must be empty, or not be
// there; unless all that the backup has is written, nothing is.
func Restore(ctx context.Context, file, data string, progress func(done, total int64)) (backup.Header, error) {
	f, err := os.Open(file)
	if err != nil {
		return backup.Header{}, err
	}
	defer f.Close()
	b, need, err := whole(ctx, f, progress)
	if err != nil {
		return backup.Header{}, fmt.Errorf(
			"%s cannot be restored: %w\n  nothing was written; take another copy of it, or an older backup", file, err,
		)
	}
	if data, err = filepath.Abs(data); err != nil {
		return backup.Header{}, err
	}
	made, err := emptyFolder(data)
	if err != nil {
		return backup.Header{}, err
	}
	if err = roomFor(data, need); err == nil {
		err = fill(ctx, b, data, progress)
	}
	if err != nil {
		return backup.Header{}, errors.Join(fmt.Errorf("restore %s: %w", file, err), takeBack(data, made))
	}
	return b.Header, nil
}

// whole reads all of a backup and says how much space its parts take.
func whole(ctx context.Context, f *os.File, progress func(done, total int64)) (*backup.Backup, int64, error) {
	info, err := f.Stat()
	if err != nil {
		return nil, 0, err
	}
	if !info.Mode().IsRegular() {
		return nil, 0, fault.New(fault.Invalid, "", "it is no file")
	}
	b, err := backup.Open(f, info.Size(), nil)
	if err != nil {
		return nil, 0, err
	}
	if b.Header.State > state.Format {
		return nil, 0, fault.New(
			fault.Invalid, "", "its state has format %d and this berth reads formats up to %d: take the berth that wrote it (%s) or a newer one",
			b.Header.State, state.Format, b.Header.Version,
		)
	}
	var need int64
	err = b.Read(backup.Sink{
		Progress: progress,
		Pair: func(set string, key, value []byte) error {
			need += int64(len(key) + len(value))
			return errors.Join(ctx.Err(), knownPair(set, key))
		},
		File: func(name string, size int64, body io.Reader) error {
			need += size
			return errors.Join(ctx.Err(), checked(name, body, io.Discard))
		},
	})
	return b, need, err
}

func knownPair(set string, key []byte) error {
	if set == setSeries || set == setState && len(key) > 0 && key[0] != 0 {
		return nil
	}
	return fault.New(fault.Invalid, "", "it has a record %.200q of %s, which this berth does not know", key, set)
}

// restorable are the names of files that a backup may have.
var restorable = regexp.MustCompile(
	`^(registry/repos/[0-9]{12}/[a-z0-9][a-z0-9._/-]*/_(layers|manifests|tags)/[A-Za-z0-9_][A-Za-z0-9._-]{0,127}` +
		`|registry/blobs/[0-9a-f]{2}/[0-9a-f]{64}|functions/zip/[0-9a-f]{64}\.zip|ca/ca(-key)?\.pem)$`,
)

// checked copies a file's body, which must be what the name says.
func checked(name string, body io.Reader, to io.Writer) error {
	if !restorable.MatchString(name) {
		return fault.New(fault.Invalid, "", "it has a file %.200q, which this berth does not know", name)
	}
	sum := sha256.New()
	if _, err := io.Copy(io.MultiWriter(to, sum), body); err != nil {
		return err
	}
	if want, ok := named(name); ok && hex.EncodeToString(sum.Sum(nil)) != want {
		return fault.New(fault.Invalid, "", "%s in it is not what its name says", name)
	}
	return nil
}

// emptyFolder makes a folder if it is not there, and refuses one with anything in it.
func emptyFolder(data string) (made bool, err error) {
	err = os.Mkdir(data, 0o711)
	if err == nil || !errors.Is(err, fs.ErrExist) {
		if errors.Is(err, fs.ErrNotExist) {
			err = fmt.Errorf("--data %s: the folder around it is not there", data)
		}
		return err == nil, err
	}
	files, err := os.ReadDir(data)
	if err != nil {
		return false, fmt.Errorf("--data %s: %w", data, err)
	}
	if len(files) > 0 {
		return false, fmt.Errorf(
			"--data %s is not empty (%s is in it), and a backup is restored into an empty folder only\n  name another with --data, or remove what "+
				"is there: `berth stop --data %s` ends what runs from it and removes it", data, files[0].Name(), data,
		)
	}
	return false, nil
}

// roomFor refuses what would fill the disk.
func roomFor(data string, need int64) error {
	var st unix.Statfs_t
	if err := unix.Statfs(data, &st); err != nil {
		return err
	}
	if free := int64(st.Bavail) * st.Bsize; need > free {
		return fault.New(fault.Unavailable, "", "it takes %d MiB and %d are free on the disk of %s", need>>20, free>>20, data)
	}
	return nil
}

// takeBack removes what a restore wrote that did not come to its end.
func takeBack(data string, made bool) error {
	files, err := os.ReadDir(data)
	errs := []error{err}
	for _, f := range files {
		errs = append(errs, os.RemoveAll(filepath.Join(data, f.Name())))
	}
	if made {
		errs = append(errs, os.Remove(data))
	}
	return errors.Join(errs...)
}

// fill writes a backup into an empty folder. Its last file is the one without
// which no server takes the folder.
func fill(ctx context.Context, b *backup.Backup, data string, progress func(done, total int64)) (err error) {
	root, err := os.OpenRoot(data)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, root.Close()) }()
	for _, name := range folders {
		if err := root.Mkdir(name, 0o700); err != nil {
			return err
		}
	}
	if err := fillStores(ctx, b, data, root, progress); err != nil {
		return err
	}
	if err := errors.Join(keepPrivate(data), syncAll(data)); err != nil {
		return err
	}
	last, err := root.OpenFile("server.lock", os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	return errors.Join(last.Sync(), last.Close(), syncAll(data))
}

func syncAll(data string) error {
	d, err := os.Open(data)
	if err != nil {
		return err
	}
	return errors.Join(unix.Syncfs(int(d.Fd())), d.Close())
}

func fillStores(ctx context.Context, b *backup.Backup, data string, root *os.Root, progress func(done, total int64)) (err error) {
	d := disk.Open(data, func(string) {})
	kv, err := pebble.Open(filepath.Join(data, "state"), pebble.Options{Disk: d})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, kv.Close()) }()
	logs, err := series.Open(filepath.Join(data, "series"), series.Options{Disk: d})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, logs.Close()) }()
	records, events := &stateFiller{kv: kv, rev: b.Header.Revision}, logs.Fill()
	err = b.Read(backup.Sink{
		Progress: progress,
		Pair: func(set string, key, value []byte) error {
			if err := errors.Join(ctx.Err(), knownPair(set, key)); err != nil {
				return err
			}
			if set == setSeries {
				return events.Put(key, value)
			}
			return records.put(ctx, key, value)
		},
		File: func(name string, _ int64, body io.Reader) error {
			return errors.Join(ctx.Err(), place(root, name, body))
		},
	})
	if err := errors.Join(err, events.Close(), records.close(ctx)); err != nil {
		return err
	}
	// What was written is read as a server reads it.
	_, err = state.Open(ctx, kv, false)
	return err
}

// place writes a file below the data folder.
func place(root *os.Root, name string, body io.Reader) error {
	if !restorable.MatchString(name) {
		return fault.New(fault.Invalid, "", "a file %.200q", name)
	}
	if err := root.MkdirAll(path.Dir(name), 0o700); err != nil {
		return err
	}
	f, err := root.OpenFile(name, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	return errors.Join(checked(name, body, f), f.Close())
}

// stateFiller writes records of a state that is empty, many at once.
type stateFiller struct {
	kv    *pebble.KV
	rev   int64
	ops   []store.Op
	bytes int
}

const fillBytes = 1 << 20

func (f *stateFiller) put(ctx context.Context, key, value []byte) error {
	f.ops = append(f.ops, store.Op{Key: string(key), Value: bytes.Clone(value)})
	if f.bytes += len(key) + len(value); f.bytes < fillBytes {
		return nil
	}
	return f.close(ctx)
}

func (f *stateFiller) close(ctx context.Context) error {
	if err := f.kv.Writable(); err != nil {
		return err
	}
	err := f.kv.Commit(ctx, f.rev, f.ops)
	f.ops, f.bytes = nil, 0
	return err
}
