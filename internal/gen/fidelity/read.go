package main

import (
	"cmp"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
)

// fact is a behaviour that can be tested from outside.
type fact struct{ number, behaviour string }

var factRow = regexp.MustCompile(`(?m)^\| ([A-Z]+\d+) \| (.*) \| [^|]* \|$`)

// readFacts reads the numbered rows of a page of docs/facts.
func readFacts(text, prefix string) []fact {
	var out []fact
	for _, m := range factRow.FindAllStringSubmatch(text, -1) {
		if strings.TrimRight(m[1], "0123456789") == prefix {
			out = append(out, fact{m[1], m[2]})
		}
	}
	return out
}

// gap is what of a fact has no test, and why.
type gap struct {
	why    string
	partly bool // a part has one
}

var gapLine = regexp.MustCompile(`^([A-Z]+\d+) (not built|lacks): (.+)$`)

// readGaps reads a list of facts without a test: a number, "not built" or
// "lacks", and why, in a line each.
func readGaps(file string) (map[string]gap, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	out := map[string]gap{}
	for line := range strings.Lines(string(text)) {
		line = strings.TrimSpace(line)
		if line == "" || line[0] == '#' {
			continue
		}
		m := gapLine.FindStringSubmatch(line)
		if m == nil {
			return nil, fmt.Errorf("%s: cannot read %q", file, line)
		}
		if _, twice := out[m[1]]; twice {
			return nil, fmt.Errorf("%s has %s twice", file, m[1])
		}
		out[m[1]] = gap{m[3], m[2] == "lacks"}
	}
	return out, nil
}

// proof is a test that a mark stands at.
type proof struct{ name, file string }

// findProofs reads all tests and stories below root/internal: by number, the
// tests that say that they prove it.
func findProofs(root string) (map[string][]proof, error) {
	all := map[string][]proof{}
	err := filepath.WalkDir(filepath.Join(root, "internal"), func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		file, err := filepath.Rel(root, path)
		if err != nil {
			return err
		}
		file = filepath.ToSlash(file)
		switch {
		case strings.HasSuffix(file, ".txtar"):
			return readStory(path, file, all)
		case strings.HasSuffix(file, "_test.go"):
			return readTests(path, file, all)
		}
		return nil
	})
	for _, ps := range all {
		slices.SortFunc(ps, func(a, b proof) int { return cmp.Or(cmp.Compare(a.file, b.file), cmp.Compare(a.name, b.name)) })
	}
	return all, err
}

// readStory notes the marks of a story.
func readStory(path, file string, all map[string][]proof) error {
	text, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	name := "story " + strings.TrimSuffix(filepath.Base(file), ".txtar")
	for line := range strings.Lines(string(text)) {
		if err := note(strings.TrimPrefix(line, "#"), strings.HasPrefix(line, "#"), proof{name, file}, all); err != nil {
			return err
		}
	}
	return nil
}

// readTests notes the marks of a Go file: above a test or within it.
func readTests(path, file string, all map[string][]proof) error {
	fset := token.NewFileSet()
	f, err := parser.ParseFile(fset, path, nil, parser.ParseComments|parser.SkipObjectResolution)
	if err != nil {
		return err
	}
	for _, group := range f.Comments {
		for _, c := range group.List {
			test := testAt(f, c.Pos())
			name := "no test"
			if test != nil {
				name = strings.TrimPrefix(filepath.ToSlash(filepath.Dir(file)), "internal/") + " " + test.Name.Name
			}
			if err := note(strings.TrimPrefix(c.Text, "//"), test != nil, proof{name, file}, all); err != nil {
				return err
			}
		}
	}
	return nil
}

// testAt is the test whose comment or body has a position; nil if there is none.
func testAt(f *ast.File, at token.Pos) *ast.FuncDecl {
	for _, d := range f.Decls {
		fn, ok := d.(*ast.FuncDecl)
		if !ok || !strings.HasPrefix(fn.Name.Name, "Test") || fn.Recv != nil {
			continue
		}
		begin := fn.Pos()
		if fn.Doc != nil {
			begin = fn.Doc.Pos()
		}
		if begin <= at && at < fn.End() {
			return fn
		}
	}
	return nil
}

var numbers = regexp.MustCompile(`^(?:MI|FG|IR|CM|D|E)\d+(?:, (?:MI|FG|IR|CM|D|E)\d+)*$`)

// note reads a line of a comment; one that is a mark must stand at a test.
func note(comment string, placed bool, p proof, all map[string][]proof) error {
	list, ok := strings.CutPrefix(strings.TrimSpace(comment), "Proves: ")
	switch {
	case !ok:
		return nil
	case !placed:
		return fmt.Errorf("%s: the mark %q stands at no test", p.file, list)
	case !numbers.MatchString(list):
		return fmt.Errorf("%s: the mark %q is not a list of numbers, as in D41, MI12", p.file, list)
	}
	for _, n := range strings.Split(list, ", ") {
		if slices.Contains(all[n], p) {
			return fmt.Errorf("%s: %s says twice that it proves %s", p.file, p.name, n)
		}
		all[n] = append(all[n], p)
	}
	return nil
}
