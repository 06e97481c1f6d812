package inroot_test

import (
	"os"
	"syscall"
	"testing"

	"berth/internal/kernel/inroot"
)

// A folder of root's is given once; whom it was given to keeps it.
func TestAFolderIsGivenOnce(t *testing.T) {
	path := t.TempDir()
	dir, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = dir.Close() }()
	owner := func() int {
		t.Helper()
		info, err := os.Stat(path)
		if err != nil {
			t.Fatal(err)
		}
		return int(info.Sys().(*syscall.Stat_t).Uid)
	}
	first := owner()
	for _, user := range []int{0, 4321, 4322} {
		if err := inroot.Give(dir, user); err != nil {
			t.Fatal(err)
		}
		if user == 0 && owner() != first {
			t.Error("given to nobody")
		}
	}
	if want := map[bool]int{true: 4321, false: first}[first == 0]; owner() != want {
		t.Errorf("it belongs to %d, want %d", owner(), want)
	}
	if err := dir.Close(); err != nil {
		t.Fatal(err)
	}
	if err := inroot.Give(dir, 1); err == nil {
		t.Error("a closed folder was given")
	}
}
