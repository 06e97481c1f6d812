package disk_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/cockroachdb/pebble/v2"

	"berth/internal/disk"
	"berth/internal/disk/disktest"
	"berth/internal/fault"
)

const records = 60

func key(i int) []byte { return fmt.Appendf(nil, "%03d", i) }

// made is a database of several tables that was closed.
func made(t *testing.T) (dir string) {
	t.Helper()
	dir = filepath.Join(t.TempDir(), "data", "things")
	if err := os.MkdirAll(filepath.Dir(dir), 0o700); err != nil {
		t.Fatal(err)
	}
	f, _, err := opened(t, dir, disk.FolderOptions{})
	if err != nil {
		t.Fatal(err)
	}
	for i := range records {
		if err := f.DB.Set(key(i), []byte(strings.Repeat("x", 1000)), pebble.Sync); err != nil {
			t.Fatal(err)
		}
		if i%20 == 19 {
			if err := f.DB.Flush(); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := f.Mark(records); err != nil {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	return dir
}

// opened opens a database and says what it warned of.
func opened(t *testing.T, dir string, o disk.FolderOptions) (f *disk.Folder, told *disktest.Warnings, err error) {
	t.Helper()
	told = &disktest.Warnings{}
	o.What, o.Pebble, o.Warn = "the things", &pebble.Options{}, told.Add
	f, err = disk.OpenFolder(dir, o)
	return f, told, err
}

// counted is how many records can be read; an error ends it.
func counted(f *disk.Folder) (n int, err error) {
	it, err := f.DB.NewIter(nil)
	if err != nil {
		return 0, f.Damaged(err)
	}
	for it.First(); it.Valid(); it.Next() {
		n++
	}
	if err := it.Error(); err != nil {
		_ = it.Close()
		return n, f.Damaged(err)
	}
	return n, it.Close()
}

// look opens a database, reads all and holds it against its mark; silent says
// that nothing was said of it.
func look(t *testing.T, dir string, goOn bool) (n int, silent bool) {
	t.Helper()
	f, told, err := opened(t, dir, disk.FolderOptions{Recover: goOn, ReadOnly: !goOn})
	if err != nil {
		return 0, false
	}
	n, err = counted(f)
	if err == nil {
		err = f.Compare(int64(n))
	}
	if closed := f.Close(); err == nil {
		err = closed
	}
	return n, err == nil && told.Text() == ""
}

func TestAFolderIsReadAsItWasWritten(t *testing.T) {
	t.Parallel()
	dir := made(t)
	for _, goOn := range []bool{false, true, false} {
		if n, silent := look(t, dir, goOn); n != records || !silent {
			t.Errorf("%d records, silent %v", n, silent)
		}
	}
}

// Whatever happens to a file, something is said or nothing is lost.
func TestDamageOfAFolderIsSaid(t *testing.T) {
	t.Parallel()
	dir := made(t)
	takes := func(name string) bool { return !strings.HasSuffix(name, "LOCK") }
	disktest.Each(t, filepath.Dir(dir), takes, func(what, _, copied string) {
		for _, goOn := range []bool{false, true} {
			if n, silent := look(t, filepath.Join(copied, "things"), goOn); silent && n != records {
				t.Errorf("%s: %d records of %d, and nothing is said", what, n, records)
			}
		}
	})
}

func TestWhatIsLostIsCounted(t *testing.T) {
	t.Parallel()
	dir := made(t)
	f, _, err := opened(t, dir, disk.FolderOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if err := f.Compare(records - 3); !fault.Is(err, fault.Invalid) || !strings.Contains(err.Error(), "the last 3 changes of the things") {
		t.Errorf("%v", err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	f, told, err := opened(t, dir, disk.FolderOptions{Recover: true})
	if err != nil {
		t.Fatal(err)
	}
	err = f.Compare(records - 3)
	if got := told.Text(); err != nil || !strings.Contains(got, "going on without the last 3 changes of the things") {
		t.Errorf("%v, told %q", err, got)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
}

// The disk of an ordinary folder lets writes through.
func TestADiskWithSpace(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	d := disk.Open(dir, func(text string) { t.Log(text) })
	if d.FS() == nil {
		t.Fatal("no file system")
	}
	if err := d.Writable(); err != nil && !fault.Is(err, fault.Unavailable) {
		t.Error(err)
	}
	buf := make([]byte, 4)
	if n, err := disk.Spare(dir)(strings.NewReader("text")).Read(buf); err == nil && string(buf[:n]) != "text" {
		t.Errorf("%q", buf[:n])
	}
}

// The ballast is no one else's to read, as no file of the folder is.
func TestTheBallastIsItsOwnersAlone(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	disk.Open(dir, func(text string) { t.Error(text) })
	info, err := os.Stat(filepath.Join(dir, "ballast"))
	if err == nil && info.Mode().Perm() != 0o600 {
		t.Error(info.Mode())
	}
}
