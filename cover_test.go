package berth_test

import (
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestEveryTestedPackageHasAFloor holds docs/coverage.txt to the packages that
// have tests: make cover fails on one without a floor, but only make ci runs it.
func TestEveryTestedPackageHasAFloor(t *testing.T) {
	b, err := os.ReadFile("docs/coverage.txt")
	if err != nil {
		t.Fatal(err)
	}
	floors := map[string]bool{}
	for line := range strings.Lines(string(b)) {
		name, _, _ := strings.Cut(line, " ")
		floors[name] = true
	}
	err = filepath.WalkDir("internal", func(file string, d fs.DirEntry, err error) error {
		if err == nil && d.Name() == "testdata" {
			return fs.SkipDir
		}
		pkg := strings.TrimPrefix(filepath.ToSlash(filepath.Dir(file)), "internal/")
		if strings.HasSuffix(file, "_test.go") && !strings.HasSuffix(file, "_root_test.go") && !floors[pkg] {
			floors[pkg] = true // it is told once
			t.Errorf("%s has no floor of coverage: make cover UPDATE=1 PKGS=./internal/%[1]s", pkg)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}
