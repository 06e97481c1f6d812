package disk

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs"

	"berth/internal/disk/disktest"
	"berth/internal/fault"
)

// held is a file system that makes no table before it is let go.
type held struct {
	vfs.FS
	gone chan struct{}
}

func (h held) Create(name string, c vfs.DiskWriteCategory) (vfs.File, error) {
	if filepath.Ext(name) == ".sst" {
		<-h.gone
	}
	return h.FS.Create(name, c)
}

func things(fs vfs.FS, o FolderOptions) FolderOptions {
	o.What, o.Pebble, o.Disk = "the things", &pebble.Options{MemTableSize: 64 << 10}, &Disk{fs: fs}
	return o
}

// twoLogs is a database as kill -9 leaves it while an earlier log is not in the
// tables yet, and how many records it has.
func twoLogs(t *testing.T) (dir string, records int) {
	t.Helper()
	live := filepath.Join(t.TempDir(), "data", "things")
	if err := os.MkdirAll(filepath.Dir(live), 0o700); err != nil {
		t.Fatal(err)
	}
	gone := make(chan struct{})
	f, err := OpenFolder(live, things(held{vfs.Default, gone}, FolderOptions{}))
	if err != nil {
		t.Fatal(err)
	}
	for logs := 0; logs < 2; records++ {
		if records == 1000 {
			t.Fatal("there is no second log")
		}
		if err := f.DB.Set(fmt.Appendf(nil, "%03d", records), bytes.Repeat([]byte("x"), 1000), pebble.Sync); err != nil {
			t.Fatal(err)
		}
		names, err := filepath.Glob(filepath.Join(live, "*.log"))
		if err != nil {
			t.Fatal(err)
		}
		logs = len(names)
	}
	if err := f.Mark(int64(records)); err != nil {
		t.Fatal(err)
	}
	dir = filepath.Join(t.TempDir(), "killed")
	if err := os.CopyFS(dir, os.DirFS(filepath.Dir(live))); err != nil {
		t.Fatal(err)
	}
	close(gone)
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	return dir, records
}

// left is how many records a database has, which are the first ones, and what it
// says: an error or a warning.
func left(t *testing.T, dir string, o FolderOptions) (n int, said string) {
	t.Helper()
	var told disktest.Warnings
	o.Warn = told.Add
	f, err := OpenFolder(dir, things(vfs.Default, o))
	if err != nil {
		if !fault.Is(err, fault.Invalid) {
			t.Error(err)
		}
		return 0, err.Error()
	}
	it, err := f.DB.NewIter(nil)
	if err != nil {
		t.Fatal(err)
	}
	for it.First(); it.Valid(); it.Next() {
		if want := fmt.Sprintf("%03d", n); string(it.Key()) != want {
			t.Errorf("there is %s, and not %s: a gap", it.Key(), want)
		}
		n++
	}
	if err := it.Close(); err != nil {
		t.Fatal(err)
	}
	if err := f.Compare(int64(n)); err != nil {
		said = err.Error()
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	return n, said + told.Text()
}

func TestAMissingLogBeforeTheLastIsSaid(t *testing.T) {
	t.Parallel()
	good, records := twoLogs(t)
	damaged := 0
	disktest.Each(t, good, func(name string) bool { return filepath.Ext(name) == ".log" }, func(what, _, copied string) {
		dir := filepath.Join(copied, "things")
		if n, on := left(t, disktest.CopyOf(t, dir), FolderOptions{Recover: true}); on == "" && n != records {
			t.Errorf("%s: going on: %d records of %d, and nothing is said", what, n, records)
		}
		n, said := left(t, dir, FolderOptions{})
		if said == "" && n != records {
			t.Errorf("%s: %d records of %d, and nothing is said", what, n, records)
		}
		if !strings.Contains(said, "with changes that are nowhere else") {
			return
		}
		damaged++
		if _, again := left(t, dir, FolderOptions{}); again != said {
			t.Errorf("%s: said %q, and then %q", what, said, again)
		}
		if _, on := left(t, dir, FolderOptions{Recover: true}); !strings.Contains(on, "going on without what is lost") {
			t.Errorf("%s: going on: %q", what, on)
		}
		if _, after := left(t, dir, FolderOptions{}); strings.Contains(after, "nowhere else") {
			t.Errorf("%s: afterwards: %q", what, after)
		}
	})
	if damaged == 0 {
		t.Error("no log was missed")
	}
}

// What a killed process leaves is whole, and so is what it leaves a second time.
func TestLogsOfAKilledProcessAreWhole(t *testing.T) {
	t.Parallel()
	good, records := twoLogs(t)
	for range 3 {
		for _, readOnly := range []bool{true, false} {
			if n, said := left(t, filepath.Join(good, "things"), FolderOptions{ReadOnly: readOnly}); n != records || said != "" {
				t.Errorf("%d records of %d, said %q", n, records, said)
			}
		}
	}
}

// A note that was torn, or is not ours, knows of no log.
func TestATornNoteKnowsNothing(t *testing.T) {
	t.Parallel()
	for _, text := range []string{"", "000002.log", "000002.log x\n", "../000002.log 5\n", "000002.sst 5\n"} {
		dir := filepath.Join(t.TempDir(), "things")
		if err := os.WriteFile(logsOf(dir), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if n, said := left(t, dir, FolderOptions{}); n != 0 || said != "" {
			t.Errorf("%q: %d records, said %q", text, n, said)
		}
	}
}
