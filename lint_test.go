package berth_test

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// accepted is how a finding is accepted: by the name of a linter that
// tools/lint runs, and with the reason.
var accepted = regexp.MustCompile(`//nolint:(errcheck|errorlint|nilerr|noctx|exhaustive|sloglint|U1000|(SA|S|ST)[0-9]{4}) // .`)

// TestFindingsAreAcceptedByName reads every nolint comment.
func TestFindingsAreAcceptedByName(t *testing.T) {
	err := filepath.WalkDir("internal", func(file string, d fs.DirEntry, err error) error {
		if err != nil || !strings.HasSuffix(file, ".go") {
			return err
		}
		b, err := os.ReadFile(file)
		if err != nil {
			return err
		}
		n := 0
		for line := range strings.Lines(string(b)) {
			n++
			if strings.Contains(line, "//nolint") && !accepted.MatchString(line) {
				t.Errorf("%s:%d: want //nolint:name // why, with a name that tools/lint runs", file, n)
			}
			if strings.Contains(line, "//lint:ignore") {
				t.Errorf("%s:%d: want //nolint:name // why, which all linters heed", file, n)
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}
