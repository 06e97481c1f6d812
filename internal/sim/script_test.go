package sim_test

import (
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"berth/internal/sim"
)

var update = flag.Bool("update", false, "rewrite the tables of the stories; commit the change only if you understand it")

// TestScript tells every story of testdata/script in a world of its own.
func TestScript(t *testing.T) {
	files, err := filepath.Glob("testdata/script/*.txtar")
	if err != nil || len(files) == 0 {
		t.Fatalf("no stories: %v", err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txtar"), func(t *testing.T) {
			t.Parallel()
			s, err := sim.Read(file)
			if err != nil {
				t.Fatal(err)
			}
			w, err := sim.New(t.Context(), sim.Options{Seed: 1, Dir: t.TempDir()})
			if err != nil {
				t.Fatal(err)
			}
			if err := s.Run(t.Context(), w, *update); err != nil {
				t.Fatal(err)
			}
			if *update {
				if err := os.WriteFile(file, s.Bytes(), 0o644); err != nil {
					t.Fatal(err)
				}
			}
		})
	}
}
