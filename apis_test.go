package berth_test

import (
	"go/parser"
	"go/token"
	"io/fs"
	"path/filepath"
	"strings"
	"testing"
)

// TestAPIsProduceTheirErrors: every API service, whose API embeds its shape's
// Unimplemented, holds the Errors: lines of its operations against a table.
func TestAPIsProduceTheirErrors(t *testing.T) {
	answers, held := map[string]bool{}, map[string]bool{}
	err := filepath.WalkDir("internal/api", func(file string, _ fs.DirEntry, err error) error {
		if err != nil || !strings.HasSuffix(file, ".go") {
			return err
		}
		f, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.SkipObjectResolution)
		if err != nil {
			return err
		}
		dir := filepath.Dir(file)
		answers[dir] = answers[dir] || calls(f, "shape", "Unimplemented")
		held[dir] = held[dir] || strings.HasSuffix(file, "_test.go") && calls(f, "apitest", "Errors")
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	for dir, is := range answers {
		if is && !held[dir] {
			t.Errorf("%s has operations: its tests want a table of their errors, with apitest.Errors", dir)
		}
	}
}
