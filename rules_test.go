package berth_test

import (
	"bufio"
	"encoding/json"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// TestImportsFollowTheMap holds every import between our own packages against
// the layout block of ARCHITECTURE.md.
func TestImportsFollowTheMap(t *testing.T) {
	allowed := readLayout(t, "ARCHITECTURE.md")
	out, err := exec.Command("go", "list", "-f", `{{.ImportPath}} {{join .Imports " "}}`, "./internal/...").Output()
	if err != nil {
		t.Fatal(err)
	}
	const prefix = "berth/internal/"
	for line := range strings.Lines(string(out)) {
		f := strings.Fields(line)
		pkg := strings.TrimPrefix(f[0], prefix)
		if allowed[pkg] == nil && allowed[path.Dir(pkg)+"/*"] == nil {
			t.Errorf("%s: not on the map: give it a line in ARCHITECTURE.md", pkg)
			continue
		}
		may := slices.Concat(allowed[pkg], allowed[path.Dir(pkg)+"/*"])
		for _, imp := range f[1:] {
			if to, ours := strings.CutPrefix(imp, prefix); ours && !covers(may, to) {
				t.Errorf("%s may not import %s (it may: %s)", pkg, to, strings.Join(may, " "))
			}
		}
	}
}

// covers reports whether an allow-list names the package itself, its folder with
// /*, or everything with *.
func covers(may []string, pkg string) bool {
	return slices.Contains(may, pkg) || slices.Contains(may, path.Dir(pkg)+"/*") || slices.Contains(may, "*")
}

func readLayout(t *testing.T, file string) map[string][]string {
	t.Helper()
	f, err := os.Open(file)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	m, in := map[string][]string{}, false
	for s := bufio.NewScanner(f); s.Scan(); {
		line := strings.TrimSpace(s.Text())
		switch {
		case line == "```layout":
			in = true
		case line == "```":
			in = false
		case in && line != "" && line[0] != '#':
			pkg, may, _ := strings.Cut(line, ":")
			m[strings.TrimSpace(pkg)] = append([]string{}, strings.Fields(may)...)
		}
	}
	return m
}

// outside says which foreign modules only some packages may import, and why.
var outside = []struct{ prefix, packages, why string }{
	{"github.com/cockroachdb/pebble", "store/pebble series disk", "the durable KV, and logs and metrics"},
	{"github.com/vishvananda/netlink", "kernel", "only kernel speaks to the kernel"},
	{"github.com/google/nftables", "kernel", "only kernel speaks to the kernel"},
	{"github.com/miekg/dns", "resolver", "DNS has one package"},
	{"github.com/google/go-containerregistry", "container/image registry agent", "images have one package"},
	{"go.yaml.in/yaml", "lang/template", "only templates are YAML"},
	{"github.com/dlclark/regexp2", "lang/javaregexp", "backtracking is bounded in one place"},
	{"github.com/spf13/cobra", "cli", "commands have one package"},
	{"go.etcd.io", "store/etcd", "only store/etcd speaks to etcd"},
	{"github.com/sirupsen/logrus", "", "use log/slog"},
	{"github.com/stretchr/testify", "", "use testing and go-cmp"},
	{"github.com/pkg/errors", "", "use errors and fmt.Errorf with %w"},
}

// banned calls, with what to do instead.
var banned = map[string]string{
	"time.Now":   "take a clock.Clock (drivers, controllers' Request.Now) or a now time.Time (calculations)",
	"time.Since": "as time.Now", "time.Until": "as time.Now",
	"time.Tick": "use a clock", "time.AfterFunc": "use a clock",
	"fmt.Print": "log through slog, or write to an io.Writer you were given", "fmt.Println": "as fmt.Print", "fmt.Printf": "as fmt.Print",
	"os.Exit":  "only package main exits",
	"rand.Int": "draw from ident.Source", "rand.IntN": "draw from ident.Source", "rand.Float64": "draw from ident.Source",
}

// sleeps are banned in tests too: who waits for a while waits for nothing.
var sleeps = map[string]string{
	"time.Sleep": "wait for what happens: await.True in a test, a clock elsewhere",
	"time.After": "as time.Sleep; what gives up after a while takes await.Context, or a context with a deadline",
}

// exempt packages may call what their work is made of.
var exempt = map[string][]string{
	"clock": {"time.Now", "time.Since"},
	"await": {"time.Now", "time.Until"},
	"cli":   {"time.Now", "time.Since", "time.Until"},
	"gen":   {"fmt.Print", "fmt.Println", "fmt.Printf", "os.Exit"},
}

// TestRules reads every Go file of ours: one doc comment a package, no init, no
// banned call, foreign modules only in the packages that may import them.
func TestRules(t *testing.T) {
	docs := map[string]int{}
	err := filepath.WalkDir("internal", func(file string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			if d != nil && d.Name() == "testdata" {
				return fs.SkipDir
			}
			return err
		}
		if !strings.HasSuffix(file, ".go") {
			return nil
		}
		fset := token.NewFileSet()
		f, err := parser.ParseFile(fset, file, nil, parser.ParseComments|parser.SkipObjectResolution)
		if err != nil {
			return err
		}
		pkg := strings.TrimPrefix(filepath.ToSlash(filepath.Dir(file)), "internal/")
		test := strings.HasSuffix(file, "_test.go")
		if !test {
			docs[pkg] += 0
			if f.Doc != nil && strings.HasPrefix(f.Doc.Text(), "Package "+f.Name.Name) || f.Doc != nil && f.Name.Name == "main" {
				docs[pkg]++
			}
		}
		checkImports(t, f, file, pkg, test)
		if !test && !strings.HasPrefix(filepath.Base(file), "zz_") {
			checkCalls(t, fset, f, pkg)
		}
		if pkg != "clock" {
			checkSleeps(t, fset, f)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	for pkg, n := range docs {
		if n != 1 {
			t.Errorf("%s has %d package comments, want one that begins \"Package …\"", pkg, n)
		}
	}
}

func checkImports(t *testing.T, f *ast.File, file, pkg string, test bool) {
	t.Helper()
	for _, imp := range f.Imports {
		p := strings.Trim(imp.Path.Value, `"`)
		for _, o := range outside {
			if !strings.HasPrefix(p, o.prefix) {
				continue
			}
			may := strings.Fields(o.packages)
			inside := slices.ContainsFunc(may, func(m string) bool { return pkg == m || strings.HasPrefix(pkg, m+"/") })
			if !inside && !(test && len(may) > 0) {
				t.Errorf("%s imports %s: %s", file, p, o.why)
			}
		}
	}
}

func checkCalls(t *testing.T, fset *token.FileSet, f *ast.File, pkg string) {
	t.Helper()
	for _, d := range f.Decls {
		if fn, ok := d.(*ast.FuncDecl); ok && fn.Name.Name == "init" && fn.Recv == nil {
			t.Errorf("%s: no init functions: say it in a constructor", fset.Position(fn.Pos()))
		}
	}
	selected(f, func(x *ast.Ident, name string) {
		why, bad := banned[name]
		if bad && f.Name.Name != "main" && !slices.Contains(exempt[pkg], name) {
			t.Errorf("%s: %s: %s", fset.Position(x.Pos()), name, why)
		}
	})
}

func checkSleeps(t *testing.T, fset *token.FileSet, f *ast.File) {
	t.Helper()
	selected(f, func(x *ast.Ident, name string) {
		if why, bad := sleeps[name]; bad {
			t.Errorf("%s: %s: %s", fset.Position(x.Pos()), name, why)
		}
	})
}

// selected calls see with each name that a file takes from a package.
func selected(f *ast.File, see func(x *ast.Ident, name string)) {
	ast.Inspect(f, func(n ast.Node) bool {
		sel, ok := n.(*ast.SelectorExpr)
		if !ok {
			return true
		}
		if x, ok := sel.X.(*ast.Ident); ok && imports(f, x.Name) {
			see(x, x.Name+"."+sel.Sel.Name)
		}
		return true
	})
}

func imports(f *ast.File, name string) bool {
	return slices.ContainsFunc(f.Imports, func(i *ast.ImportSpec) bool {
		p := strings.Trim(i.Path.Value, `"`)
		if i.Name != nil {
			return i.Name.Name == name
		}
		return path.Base(p) == name && p != "crypto/rand" || name == "rand" && strings.HasPrefix(p, "math/rand")
	})
}

// TestDocsDependencies holds docs/DEPENDENCIES.md together with go.mod and the
// imports: every module that we import has a row with just the packages
// that import it, or is named as one of the tests', and go.mod calls it direct.
func TestDocsDependencies(t *testing.T) {
	doc, err := os.ReadFile("docs/DEPENDENCIES.md")
	if err != nil {
		t.Fatal(err)
	}
	rows := map[string]string{}
	tests := ""
	for line := range strings.Lines(string(doc)) {
		if f := strings.Split(line, "|"); len(f) == 6 && strings.Contains(f[1], ".") {
			rows[strings.TrimSpace(f[1])] = strings.TrimSpace(f[3])
		}
		if rest, ok := strings.CutPrefix(line, "Tests only: "); ok {
			tests = rest
		}
	}
	direct := directModules(t)
	for m, packages := range importers(t, direct) {
		want := strings.Join(packages, ", ")
		switch row, ok := rows[m]; {
		case len(packages) == 0 && !strings.Contains(tests, m+" ("):
			t.Errorf("only tests import %s: name it behind \"Tests only:\" in docs/DEPENDENCIES.md, or drop it with go mod tidy", m)
		case len(packages) > 0 && !ok:
			t.Errorf("%s has no row in docs/DEPENDENCIES.md: licence, packages (%s), why", m, want)
		case len(packages) > 0 && row != want:
			t.Errorf("docs/DEPENDENCIES.md says that %s is imported by %s; it is imported by %s", m, row, want)
		}
	}
	for m := range rows {
		if !slices.Contains(direct, m) {
			t.Errorf("docs/DEPENDENCIES.md has %s; go.mod does not require it directly", m)
		}
	}
}

// directModules are the modules that go.mod requires without "// indirect".
func directModules(t *testing.T) []string {
	t.Helper()
	out, err := exec.Command("go", "mod", "edit", "-json").Output()
	if err != nil {
		t.Fatal(err)
	}
	var mod struct {
		Require []struct {
			Path     string
			Indirect bool
		}
	}
	if err := json.Unmarshal(out, &mod); err != nil {
		t.Fatal(err)
	}
	var direct []string
	for _, r := range mod.Require {
		if !r.Indirect {
			direct = append(direct, r.Path)
		}
	}
	return direct
}

// importers says which packages import each module in what is built.
func importers(t *testing.T, modules []string) map[string][]string {
	t.Helper()
	out, err := exec.Command("go", "list", "-f", `{{.ImportPath}} {{join .Imports " "}}`, "./internal/...", "./cmd/...").Output()
	if err != nil {
		t.Fatal(err)
	}
	by := map[string][]string{}
	for _, m := range modules {
		by[m] = nil
	}
	for line := range strings.Lines(string(out)) {
		f := strings.Fields(line)
		for _, m := range modules {
			if slices.ContainsFunc(f[1:], func(p string) bool { return p == m || strings.HasPrefix(p, m+"/") }) {
				by[m] = append(by[m], strings.TrimPrefix(f[0], "berth/internal/"))
			}
		}
	}
	return by
}
