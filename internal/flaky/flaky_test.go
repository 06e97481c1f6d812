package flaky_test

import (
	"os"
	"path/filepath"
	"testing"

	"berth/internal/flaky"
)

func TestAMarkedTestIsRunAgainAndNoted(t *testing.T) {
	dir := os.Getenv("FLAKY_TEST_DIR")
	if dir == "" {
		dir = t.TempDir()
		t.Setenv("FLAKY_TEST_DIR", dir)
		t.Setenv("BERTH_FLAKY", filepath.Join(dir, "notes"))
		if err := os.WriteFile(filepath.Join(dir, "notes"), nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	flaky.Run(t, "fails the first time", "2026-11-30", func(t *testing.T) {
		if err := os.Mkdir(filepath.Join(dir, "ran"), 0o700); err == nil {
			t.Fatal("the first run")
		}
	})
	if notes, err := os.ReadFile(filepath.Join(dir, "notes")); err != nil || string(notes) != t.Name()+"\n" {
		t.Errorf("noted %q, %v", notes, err)
	}
}
