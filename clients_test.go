package berth_test

import (
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestControllersCallTypedClients: only CloudFormation has members as data;
// every other controller, and its tests, call through the generated clients.
func TestControllersCallTypedClients(t *testing.T) {
	err := filepath.WalkDir("internal/controllers", func(file string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() && d.Name() == "stack" {
			return fs.SkipDir
		}
		if !strings.HasSuffix(file, ".go") {
			return nil
		}
		text, err := os.ReadFile(file)
		if err != nil {
			return err
		}
		for i, line := range strings.Split(string(text), "\n") {
			if strings.Contains(line, "map[string]any") {
				t.Errorf("%s:%d: map[string]any: call through wire/shape/*.Client", file, i+1)
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}
