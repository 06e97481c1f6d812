package berth_test

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"unicode/utf8"
)

// private are words that once were ours alone, and what to say instead: AWS,
// Go or Kubernetes have a name for each of these things.
var private = []struct {
	word *regexp.Regexp
	say  string
}{
	{regexp.MustCompile(`\brooms?\b|Rooms?\b`), "package, API service, or free capacity"},
	{regexp.MustCompile(`\bhalls?\b|Halls?\b`), "state store"},
	{regexp.MustCompile(`\bdesks?\b|Desks?\b`), "agent gateway"},
	{regexp.MustCompile(`\b(?:real|simulated|own|other) hands\b|\bHands\b|\bhands?\.go\b|by the hand of`), "driver"},
	{regexp.MustCompile(`\b[Ww]ish(?:es|ed)?\b`), "desired, or asks for"},
	{regexp.MustCompile(`\bdoors?\b|Doors?\b`), "VPC endpoint, or interface"},
	{regexp.MustCompile(`\bhouses?\b|Houses?\b`), "what it is: world, program, rules"},
	{regexp.MustCompile(`\bcrews?\b|Crews?\b`), "task set"},
	{regexp.MustCompile(`\bLoop\b`), "Controller"},
	{regexp.MustCompile(`\bwear(?:y|iness)\b|\bfeels\b|\bown1\b|\bshift1\b|\bto1\b|\bclip8\b`), "a name that says what it does"},
}

// english are places where such a word is English, Go's or AWS's.
var english = []string{".Loop()", "warehouse", "Warehouse"}

// TestWordsAreTheFields looks for private words in code, comments, stories and
// pages.
func TestWordsAreTheFields(t *testing.T) {
	for _, file := range append(texts(t, "internal", "cmd", "docs", "scripts"), "README.md", "ARCHITECTURE.md", "AGENTS.md", "SCOPE.md") {
		if strings.HasPrefix(file, "docs/facts/") || strings.HasPrefix(file, "docs/fidelity/") {
			continue // AWS's sentences, and behaviours told with their words
		}
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		plain := string(text)
		for _, e := range english {
			plain = strings.ReplaceAll(plain, e, "")
		}
		for _, p := range private {
			if hits := p.word.FindAllString(plain, -1); len(hits) > 0 {
				t.Errorf("%s: %s (say %s)", file, strings.Join(hits, " "), p.say)
			}
		}
	}
}

// area is the package of a file with those below it, which code moves between:
// the first two folders.
func area(file string) string {
	parts := strings.Split(filepath.ToSlash(filepath.Dir(file)), "/")
	return strings.Join(parts[:min(2, len(parts))], "/")
}

// widest is how long a line of Go may be.
const widest = 140

// TestLinesAreShort counts lines of Go that are too long. An area may have as
// many as oldLines says, and a new one none: who breaks some lowers the number.
func TestLinesAreShort(t *testing.T) {
	found, first := map[string]int{}, map[string]string{}
	for _, file := range texts(t, "internal", "cmd") {
		if filepath.Ext(file) != ".go" {
			continue
		}
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		folder, n := area(file), 0
		for line := range strings.Lines(string(text)) {
			if n++; utf8.RuneCountInString(strings.TrimRight(line, "\n")) > widest {
				found[folder]++
				first[folder] = file
			}
		}
	}
	for folder, n := range found {
		if n > oldLines[folder] {
			t.Errorf("%s has %d lines over %d characters, and may have %d (one is in %s)", folder, n, widest, oldLines[folder], first[folder])
		}
	}
}
