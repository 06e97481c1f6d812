package kernel_test

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"berth/internal/kernel"
)

func TestTheLastWholeRecordCounts(t *testing.T) {
	path := filepath.Join(t.TempDir(), "record")
	look := func(want string) {
		t.Helper()
		if got, err := kernel.LastRecord(path); err != nil || string(got) != want {
			t.Errorf("%.40q, %v; want %.40q", got, err, want)
		}
	}
	add := func(line string) {
		t.Helper()
		if err := kernel.AppendRecord(path, []byte(line)); err != nil {
			t.Fatal(err)
		}
	}
	tear := func(part string) {
		t.Helper()
		f, err := os.OpenFile(path, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := f.WriteString(part); err != nil {
			t.Fatal(err)
		}
		if err := f.Close(); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := kernel.LastRecord(path); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("no file: %v", err)
	}
	tear("\n{bro")
	if _, err := kernel.LastRecord(path); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a broken record: %v", err)
	}
	add(`{"a":1}`)
	look(`{"a":1}`)
	tear("\n{\"a\":2")
	look(`{"a":1}`)
	add(`{"a":3}`)
	look(`{"a":3}`)
	long := strings.Repeat("x", 30<<10)
	for range 5 {
		add(long)
	}
	look(long)
	if info, err := os.Stat(path); err != nil || info.Size() > 100<<10 {
		t.Errorf("size %d, %v", info.Size(), err)
	}
	add(`{"a":4}`)
	look(`{"a":4}`)
}
