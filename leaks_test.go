package berth_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path/filepath"
	"strings"
	"testing"
)

// TestGoroutinesAreWatched holds that a package that starts a goroutine
// and has tests watches for leaks: its TestMain calls leaktest.Main.
func TestGoroutinesAreWatched(t *testing.T) {
	type has struct{ start, tests, watch bool }
	packages := map[string]*has{}
	err := filepath.WalkDir("internal", func(file string, d fs.DirEntry, err error) error {
		if err != nil || !strings.HasSuffix(file, ".go") {
			return err
		}
		f, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.SkipObjectResolution)
		if err != nil {
			return err
		}
		p := packages[filepath.Dir(file)]
		if p == nil {
			p = &has{}
			packages[filepath.Dir(file)] = p
		}
		if strings.HasSuffix(file, "_test.go") {
			p.tests = true
			p.watch = p.watch || calls(f, "leaktest", "Main")
			return nil
		}
		p.start = p.start || starts(f)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	for dir, p := range packages {
		if p.start && p.tests && !p.watch {
			t.Errorf("%s starts goroutines: its tests want a TestMain with leaktest.Main(m)", dir)
		}
	}
}

// starts reports whether a file starts a goroutine: by a go statement, in an
// errgroup or a wait group, or at a time.
func starts(f *ast.File) bool {
	found := false
	ast.Inspect(f, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.GoStmt:
			found = true
		case *ast.SelectorExpr:
			found = found || n.Sel.Name == "Go" || n.Sel.Name == "AfterFunc"
		}
		return !found
	})
	return found
}

// calls reports whether a file names a function of a package.
func calls(f *ast.File, pkg, name string) bool {
	found := false
	ast.Inspect(f, func(n ast.Node) bool {
		if s, ok := n.(*ast.SelectorExpr); ok && s.Sel.Name == name {
			x, ok := s.X.(*ast.Ident)
			found = found || ok && x.Name == pkg
		}
		return !found
	})
	return found
}
