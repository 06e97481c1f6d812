package berth_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// alike are literals that read like a state of model and are something else,
// by package: what they are.
var alike = map[string]map[string]string{
	"agent":        {`"HEALTHY"`: condition, `"SUCCESS"`: condition},
	"api/ecs":      {`"HEALTHY"`: condition, `"SUCCESS"`: condition},
	"balancer/sim": {`"initial"`: reported, `"healthy"`: reported, `"unhealthy"`: reported, `"draining"`: reported, `"unused"`: reported},
}

const condition = "the condition of a dependsOn"

const reported = "what the data plane reports, which knows nothing of model"

// TestStatesAreComparedByName finds literals that are a state's value in
// comparisons and switches outside model. A state's name is checked by the
// compiler; a literal with a letter too few compiles and is never true.
func TestStatesAreComparedByName(t *testing.T) {
	states := modelStates(t)
	err := filepath.WalkDir("internal", func(file string, d fs.DirEntry, err error) error {
		base := filepath.Base(file)
		if err != nil || d.IsDir() || !strings.HasSuffix(file, ".go") || strings.HasSuffix(file, "_test.go") || strings.HasPrefix(base, "zz_") {
			return err
		}
		pkg := strings.TrimPrefix(filepath.ToSlash(filepath.Dir(file)), "internal/")
		if pkg == "model" || pkg == "model/catalog" {
			return nil
		}
		fset := token.NewFileSet()
		f, err := parser.ParseFile(fset, file, nil, parser.SkipObjectResolution)
		if err != nil {
			return err
		}
		for _, l := range compared(f) {
			name, is := states[l.Value]
			if is && alike[pkg][l.Value] == "" {
				t.Errorf("%s: %s is compared as a literal: use model.%s", fset.Position(l.Pos()), l.Value, name)
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

// modelStates maps the value of each constant of a string type of model, in
// quotes, to the names that have it.
func modelStates(t *testing.T) map[string]string {
	t.Helper()
	files, err := filepath.Glob("internal/model/*.go")
	if err != nil || len(files) == 0 {
		t.Fatalf("no files of model: %v", err)
	}
	out := map[string]string{}
	for _, file := range files {
		src, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		f, err := parser.ParseFile(token.NewFileSet(), file, src, parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		for name, value := range typedStrings(f) {
			out[value] = strings.TrimPrefix(out[value]+" or "+name, " or ")
		}
	}
	return out
}

// typedStrings are a file's constants of named types, with their literals.
func typedStrings(f *ast.File) map[string]string {
	out := map[string]string{}
	for _, d := range f.Decls {
		g, ok := d.(*ast.GenDecl)
		if !ok || g.Tok != token.CONST {
			continue
		}
		for _, s := range g.Specs {
			v := s.(*ast.ValueSpec)
			if l, ok := first(v.Values).(*ast.BasicLit); ok && v.Type != nil && l.Kind == token.STRING {
				out[v.Names[0].Name] = l.Value
			}
		}
	}
	return out
}

func first(es []ast.Expr) ast.Expr {
	if len(es) == 0 {
		return nil
	}
	return es[0]
}

// compared are the literals that a file compares with == or != or has behind
// a case.
func compared(f *ast.File) []*ast.BasicLit {
	var out []*ast.BasicLit
	ast.Inspect(f, func(n ast.Node) bool {
		var es []ast.Expr
		switch n := n.(type) {
		case *ast.BinaryExpr:
			if slices.Contains([]token.Token{token.EQL, token.NEQ}, n.Op) {
				es = []ast.Expr{n.X, n.Y}
			}
		case *ast.CaseClause:
			es = n.List
		}
		for _, e := range es {
			if l, ok := e.(*ast.BasicLit); ok && l.Kind == token.STRING {
				out = append(out, l)
			}
		}
		return true
	})
	return out
}
