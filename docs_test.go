package berth_test

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// numbered finds where a page of docs/facts gives a fact its number: a row of a
// table, or a heading.
var numbered = regexp.MustCompile(`(?m)^(?:\| |#{2,3} )((?:MI|FG|D|E|A)\d+)\b`)

// reference finds a page of facts that a text points at, and the numbers behind it.
var reference = regexp.MustCompile(`(docs/)?\bfacts/([a-z0-9-]+)(\.md)?((?:[\s,#/]|and\b|\b(?:MI|FG|D|E|A)\d+\b|-)*)`)

// TestSourcesCanBeOpened reads all code, stories and pages: whoever points at a
// fact names a page of docs/facts and numbers that stand on it.
func TestSourcesCanBeOpened(t *testing.T) {
	known := facts(t)
	for _, file := range texts(t, "internal", "cmd", "docs") {
		if slices.ContainsFunc([]string{"docs/facts/", "docs/fidelity/", "internal/gen/fidelity/"}, func(p string) bool { return strings.HasPrefix(file, p) }) {
			continue
		}
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range reference.FindAllStringSubmatch(string(text), -1) {
			page := m[2]
			if m[1] == "" || m[3] == "" || known[page] == nil {
				t.Errorf("%s points at %q: write docs/facts/PAGE.md and a number, as in docs/facts/deployments.md D41", file, strings.TrimSpace(m[0]))
				continue
			}
			numbers := regexp.MustCompile(`[A-Z]+\d+`).FindAllString(m[4], -1)
			if len(numbers) == 0 {
				t.Errorf("%s points at docs/facts/%s.md without a number: which fact is it?", file, page)
			}
			for _, n := range numbers {
				if !slices.Contains(known[page], n) {
					t.Errorf("%s points at docs/facts/%s.md %s, which is not there", file, page, n)
				}
			}
		}
	}
}

// facts are the numbers on each page of docs/facts, which stand there once.
func facts(t *testing.T) map[string][]string {
	t.Helper()
	pages, err := filepath.Glob("docs/facts/*.md")
	if err != nil || len(pages) == 0 {
		t.Fatal("no pages in docs/facts", err)
	}
	all := map[string][]string{}
	for _, page := range pages {
		text, err := os.ReadFile(page)
		if err != nil {
			t.Fatal(err)
		}
		name := strings.TrimSuffix(filepath.Base(page), ".md")
		for _, m := range numbered.FindAllStringSubmatch(string(text), -1) {
			if slices.Contains(all[name], m[1]) {
				t.Errorf("%s has %s twice", page, m[1])
			}
			all[name] = append(all[name], m[1])
		}
	}
	return all
}

// texts are the files under some folders that people write.
func texts(t *testing.T, folders ...string) []string {
	t.Helper()
	var out []string
	for _, folder := range folders {
		err := filepath.WalkDir(folder, func(file string, d fs.DirEntry, err error) error {
			if err != nil {
				return err
			}
			if slices.Contains([]string{".go", ".txtar", ".md", ".txt"}, filepath.Ext(file)) && !strings.HasPrefix(d.Name(), "zz_") {
				out = append(out, filepath.ToSlash(file))
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	return out
}

// named finds the name of a test in a page.
var named = regexp.MustCompile("`((?:Test|Fuzz)[A-Z0-9]\\w*)`")

// TestTestsThatPagesNameExist reads all pages but those that are generated from the
// tests: a page that says what holds it names a test that is there. In SECURITY.md
// each row of a table with a column of tests names one.
func TestTestsThatPagesNameExist(t *testing.T) {
	known := map[string]bool{}
	for _, file := range texts(t, "internal", "cmd", "tools") {
		if strings.HasSuffix(file, "_test.go") {
			addTests(t, file, known)
		}
	}
	files, err := filepath.Glob("*_test.go")
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		addTests(t, file, known)
	}
	for _, file := range append(texts(t, "docs"), "README.md", "ARCHITECTURE.md", "SCOPE.md", "AGENTS.md") {
		if strings.HasPrefix(file, "docs/fidelity/") {
			continue
		}
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range named.FindAllStringSubmatch(string(text), -1) {
			if !known[m[1]] {
				t.Errorf("%s names %s, which is no test", file, m[1])
			}
		}
		if file == "docs/SECURITY.md" {
			rowsNameTests(t, string(text))
		}
	}
}

var aTest = regexp.MustCompile(`(?m)^func ((?:Test|Fuzz)\w+)\(`)

func addTests(t *testing.T, file string, known map[string]bool) {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range aTest.FindAllStringSubmatch(string(text), -1) {
		known[m[1]] = true
	}
}

// rowsNameTests holds that the last cell of each row names a test, in tables whose
// last column is of tests.
func rowsNameTests(t *testing.T, page string) {
	t.Helper()
	tests := false
	for line := range strings.Lines(page) {
		line = strings.TrimSpace(line)
		switch {
		case !strings.HasPrefix(line, "|"):
			tests = false
		case strings.HasSuffix(line, "| test |"):
			tests = true
		case tests && !strings.HasPrefix(line, "|---"):
			cells := strings.Split(strings.Trim(line, "|"), "|")
			if last := cells[len(cells)-1]; !named.MatchString(last) {
				t.Errorf("docs/SECURITY.md: no test in the row of %.60q", line)
			}
		}
	}
}
