package berth_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"
)

// mendedWithin is how long a test may be marked as unsteady.
const mendedWithin = 14 * 24 * time.Hour

// TestFlakyMarksAreYoung reads every flaky.Run. It counts to the day of
// the commit that is tested, not to today: what was built once can be built
// again, and whoever commits anything is told.
func TestFlakyMarksAreYoung(t *testing.T) {
	today := commitDay()
	err := filepath.WalkDir("internal", func(file string, d fs.DirEntry, err error) error {
		if err != nil || !strings.HasSuffix(file, "_test.go") || filepath.Dir(file) == "internal/flaky" {
			return err
		}
		fset := token.NewFileSet()
		f, err := parser.ParseFile(fset, file, nil, parser.SkipObjectResolution)
		if err != nil {
			return err
		}
		ast.Inspect(f, func(n ast.Node) bool {
			call, ok := n.(*ast.CallExpr)
			if !ok || !isFlaky(call) {
				return true
			}
			why, day := literal(call.Args[1]), literal(call.Args[2])
			since, err := time.Parse(time.DateOnly, day)
			switch at := fset.Position(call.Pos()); {
			case err != nil || why == "":
				t.Errorf("%s: want flaky.Run(t, \"why\", \"2006-01-02\", …), literally", at)
			case today.Sub(since) > mendedWithin:
				t.Errorf("%s: unsteady since %s (%s): mend it", at, day, why)
			}
			return true
		})
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

func isFlaky(call *ast.CallExpr) bool {
	s, ok := call.Fun.(*ast.SelectorExpr)
	if !ok || s.Sel.Name != "Run" || len(call.Args) != 4 {
		return false
	}
	x, ok := s.X.(*ast.Ident)
	return ok && x.Name == "flaky"
}

func literal(e ast.Expr) string {
	l, ok := e.(*ast.BasicLit)
	if !ok {
		return ""
	}
	s, _ := strconv.Unquote(l.Value)
	return s
}

// commitDay is when HEAD was committed; without git, now.
func commitDay() time.Time {
	out, err := exec.Command("git", "log", "-1", "--format=%ct").Output()
	s, bad := strconv.ParseInt(strings.TrimSpace(string(out)), 10, 64)
	if err != nil || bad != nil {
		return time.Now()
	}
	return time.Unix(s, 0)
}
