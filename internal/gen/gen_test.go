package main

import (
	"os"
	"path/filepath"
	"testing"
)

// What is committed is what the generator makes of the models.
func TestGeneratedIsCurrent(t *testing.T) {
	t.Parallel()
	out := t.TempDir()
	if err := run("..", out); err != nil {
		t.Fatal(err)
	}
	made, err := filepath.Glob(filepath.Join(out, "*", "zz_*.go"))
	if err != nil || len(made) != 4*len(targets) {
		t.Fatal(len(made), err)
	}
	for _, file := range made {
		want, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		name := filepath.Join("..", "wire", "shape", filepath.Base(filepath.Dir(file)), filepath.Base(file))
		if got, err := os.ReadFile(name); err != nil || string(got) != string(want) {
			t.Errorf("%s is not what the generator makes: go run ./internal/gen (%v)", name, err)
		}
	}
}
