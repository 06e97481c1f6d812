// Command lint is Berth's linter: staticcheck and six more, as one tool for
// `go vet -vettool`, which keeps each package's findings in the build cache.
//
// A finding is accepted on its line with `//nolint:name // why`, where name is
// one of ours; what is accepted everywhere stands below, with its reason.
package main

import (
	"go/ast"
	"path/filepath"
	"slices"
	"strings"

	"github.com/gostaticanalysis/nilerr"
	"github.com/kisielk/errcheck/errcheck"
	"github.com/nishanths/exhaustive/passes/exhaustive"
	"github.com/polyfloyd/go-errorlint/errorlint"
	"github.com/sonatard/noctx"
	"go-simpler.org/sloglint"
	"golang.org/x/tools/go/analysis"
	"golang.org/x/tools/go/analysis/unitchecker"
	"honnef.co/go/tools/analysis/lint"
	"honnef.co/go/tools/simple"
	"honnef.co/go/tools/staticcheck"
	"honnef.co/go/tools/stylecheck"
	"honnef.co/go/tools/unused"
)

// nothingToDo are calls whose error says nothing that anybody could act on.
var nothingToDo = []string{
	"(io.Closer).Close", // of what was read, or of a socket: it is closed either way
	"(io.ReadCloser).Close",
	"(io/fs.File).Close",
	"(*os.File).Close",
	"(net.Conn).Close",
	"(net.Listener).Close",
	"(net.PacketConn).Close",
	"(*github.com/coder/websocket.Conn).CloseNow",
	"golang.org/x/sys/unix.Close",
	"(*berth/internal/kernel.Netns).Close",
	"fmt.Fprint", // to a terminal, a response, a buffer: who reads has gone, or the writer keeps the error
	"fmt.Fprintf",
	"fmt.Fprintln",
}

func main() {
	errcheck.DefaultExcludedSymbols = append(errcheck.DefaultExcludedSymbols, nothingToDo...)
	all := []*analysis.Analyzer{
		errcheck.Analyzer,
		errorlint.NewAnalyzer(),
		nilerr.Analyzer,
		notInTests(noctx.Analyzer), // a test's context is its deadline
		exhaustive.Analyzer,
		sloglint.New(&sloglint.Options{NoMixedArguments: true, StaticMessage: true, KeyNamingCase: "snake"}),
		unusedCode,
	}
	set(exhaustive.Analyzer, "check", "switch")
	set(exhaustive.Analyzer, "d", "true") // a default says what all others get
	for _, group := range [][]*lint.Analyzer{staticcheck.Analyzers, simple.Analyzers, stylecheck.Analyzers} {
		for _, a := range group {
			if !a.Doc.NonDefault { // those that staticcheck leaves out by itself
				all = append(all, a.Analyzer)
			}
		}
	}
	for _, a := range all {
		heedNolint(a)
	}
	unitchecker.Main(all...)
}

func set(a *analysis.Analyzer, flag, value string) {
	if err := a.Flags.Set(flag, value); err != nil {
		panic(err)
	}
}

// unusedCode reports what staticcheck's own command reports as U1000. Files of
// a package with tests inside it are judged together with those tests.
var unusedCode = &analysis.Analyzer{
	Name:     "U1000",
	Doc:      "unused code",
	Requires: []*analysis.Analyzer{unused.Analyzer.Analyzer},
	Run: func(pass *analysis.Pass) (any, error) {
		if testsInside(pass) {
			return nil, nil
		}
		for _, o := range pass.ResultOf[unused.Analyzer.Analyzer].(unused.Result).Unused {
			for _, f := range pass.Files {
				if tf := pass.Fset.File(f.Pos()); tf.Name() == o.Position.Filename {
					pass.Reportf(tf.Pos(o.Position.Offset), "%s %s is unused", o.Kind, o.Name)
				}
			}
		}
		return nil, nil
	},
}

// testsInside reports whether the package has test files that this pass, over
// the package as it is built, does not see.
func testsInside(pass *analysis.Pass) bool {
	if len(pass.Files) == 0 || slices.ContainsFunc(pass.Files, func(f *ast.File) bool { return isTest(pass, f) }) {
		return false
	}
	files, _ := filepath.Glob(filepath.Join(filepath.Dir(pass.Fset.File(pass.Files[0].Pos()).Name()), "*_test.go"))
	return len(files) > 0
}

func isTest(pass *analysis.Pass, f *ast.File) bool {
	return strings.HasSuffix(pass.Fset.File(f.Pos()).Name(), "_test.go")
}

func notInTests(a *analysis.Analyzer) *analysis.Analyzer {
	filter(a, func(pass *analysis.Pass, d analysis.Diagnostic) bool {
		return !strings.HasSuffix(pass.Fset.Position(d.Pos).Filename, "_test.go")
	})
	return a
}

// heedNolint drops an analyzer's findings on lines that say //nolint:name.
func heedNolint(a *analysis.Analyzer) {
	filter(a, func(pass *analysis.Pass, d analysis.Diagnostic) bool {
		at := pass.Fset.Position(d.Pos)
		for _, f := range pass.Files {
			if pass.Fset.File(f.Pos()).Name() != at.Filename {
				continue
			}
			for _, group := range f.Comments {
				for _, c := range group.List {
					names, ok := strings.CutPrefix(c.Text, "//nolint:")
					names, _, _ = strings.Cut(names, " ")
					if ok && pass.Fset.Position(c.Pos()).Line == at.Line && slices.Contains(strings.Split(names, ","), a.Name) {
						return false
					}
				}
			}
		}
		return true
	})
}

// filter has an analyzer report only what keep says.
func filter(a *analysis.Analyzer, keep func(*analysis.Pass, analysis.Diagnostic) bool) {
	run := a.Run
	a.Run = func(pass *analysis.Pass) (any, error) {
		inner := *pass
		inner.Report = func(d analysis.Diagnostic) {
			if keep(pass, d) {
				pass.Report(d)
			}
		}
		return run(&inner)
	}
}
