package berth_test

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
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

// widest is how long a line of Go may be, and longest how long a piece of text
// in it that is not broken up: JSON, an address, a message that is compared.
const widest, longest = 140, 100

// inQuotes is a text in a line, or the part of one that goes over several.
var inQuotes = regexp.MustCompile("\"(?:[^\"\\\\]|\\\\.)*\"|`[^`]*`?")

// TestLinesAreShort holds lines of Go that have no long piece of text to a
// length that can be read beside another file.
func TestLinesAreShort(t *testing.T) {
	for _, file := range texts(t, "internal", "cmd") {
		if filepath.Ext(file) != ".go" {
			continue
		}
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		n, raw := 0, false
		for line := range strings.Lines(string(text)) {
			n++
			began := raw
			if strings.Count(line, "`")%2 == 1 {
				raw = !raw
			}
			long := utf8.RuneCountInString(strings.TrimRight(line, "\n")) > widest
			if long && !began && !slices.ContainsFunc(inQuotes.FindAllString(line, -1), func(s string) bool { return len(s) > longest }) {
				t.Errorf("%s:%d is longer than %d characters", file, n, widest)
			}
		}
	}
}
