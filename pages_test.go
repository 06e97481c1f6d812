package berth_test

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

var (
	quoted   = regexp.MustCompile("`([^`\n]+)`")
	place    = regexp.MustCompile(`^(?:\./)?((?:internal|cmd|docs|scripts|standin|tools)(?:/[\w.*-]+)*)(?::(\w+))?$`)
	proof    = regexp.MustCompile(`^(?:Test|Fuzz|Benchmark)[A-Z]\w+$`)
	link     = regexp.MustCompile(`\]\(([^)#:]+)(?:#[^)]*)?\)`)
	stubs    = regexp.MustCompile(`\b(?:NAME|SERVICE|TYPE|NNNN)\b`) // in checklists
	declared = regexp.MustCompile(`(?m)^func (?:\([^)]*\) )?(\w+)[\[(]`)
)

// TestPagesNameWhatIsThere reads all pages that people write: every file,
// folder, function (`file.go:function`) and test that they name exists, and so
// does every page that they link to.
func TestPagesNameWhatIsThere(t *testing.T) {
	tests := map[string]bool{}
	for _, file := range texts(t, "internal") {
		if strings.HasSuffix(file, "_test.go") {
			for _, name := range functions(t, file) {
				tests[name] = true
			}
		}
	}
	for _, file := range []string{"rules_test.go", "docs_test.go", "lean_test.go", "pages_test.go", "parsers_test.go"} {
		for _, name := range functions(t, file) {
			tests[name] = true
		}
	}
	for _, page := range pages(t) {
		text, err := os.ReadFile(page)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range quoted.FindAllStringSubmatch(string(text), -1) {
			switch p := place.FindStringSubmatch(m[1]); {
			case p != nil && !stubs.MatchString(m[1]):
				checkPlace(t, page, p[1], p[2])
			case proof.MatchString(m[1]) && !tests[m[1]]:
				t.Errorf("%s names %s, and there is no such test", page, m[1])
			}
		}
		for _, m := range link.FindAllStringSubmatch(string(text), -1) {
			if _, err := os.Stat(filepath.Join(filepath.Dir(page), m[1])); err != nil {
				t.Errorf("%s links to %s, which is not there", page, m[1])
			}
		}
	}
}

// checkPlace checks that a file or folder is there, and a function in it; a
// file may have moved to a folder below, and a function to a file beside it.
func checkPlace(t *testing.T, page, path, function string) {
	t.Helper()
	found, err := filepath.Glob(path)
	if err != nil {
		t.Fatal(err)
	}
	around := below(t, filepath.Dir(path))
	moved := slices.ContainsFunc(around, func(f string) bool { return filepath.Base(f) == filepath.Base(path) })
	if len(found) == 0 && !moved {
		t.Errorf("%s names %s, which is not there", page, path)
		return
	}
	has := func(f string) bool { return slices.Contains(functions(t, f), function) }
	if function != "" && !slices.ContainsFunc(around, has) {
		t.Errorf("%s names %s:%s, and there is no such function", page, path, function)
	}
}

// below are the Go files of a folder and of those below it; none if it is not
// there.
func below(t *testing.T, folder string) []string {
	t.Helper()
	if _, err := os.Stat(folder); err != nil {
		return nil
	}
	return slices.DeleteFunc(texts(t, folder), func(f string) bool { return filepath.Ext(f) != ".go" })
}

// functions are the names of the functions and methods that a file declares.
func functions(t *testing.T, file string) []string {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	for _, m := range declared.FindAllStringSubmatch(string(text), -1) {
		out = append(out, m[1])
	}
	return out
}

// pages are the documents that people write.
func pages(t *testing.T) []string {
	t.Helper()
	out := []string{"README.md", "ARCHITECTURE.md", "AGENTS.md", "SCOPE.md"}
	for _, file := range texts(t, "docs") {
		made := strings.HasPrefix(file, "docs/fidelity/") || file == "docs/COMPATIBILITY.md"
		if filepath.Ext(file) == ".md" && !made && !strings.HasPrefix(file, "docs/facts/") {
			out = append(out, file)
		}
	}
	return out
}
