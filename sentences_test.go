package berth_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// readers are the functions that look for a text in another.
var readers = []string{
	"Contains", "HasPrefix", "HasSuffix", "Index", "LastIndex", "Cut", "CutPrefix", "CutSuffix", "TrimPrefix", "TrimSuffix", "Split", "SplitN",
	"EqualFold", "MustCompile", "Compile",
}

// others are files that may read sentences, with whose they are.
var others = map[string]string{
	"internal/agent/logs.go":                          "a separator that is written and taken off in one expression",
	"internal/api/apitest/errors.go":                  "comments of our API packages, held against what they answer",
	"internal/api/applicationautoscaling/schedule.go": "names, which may not begin or end with a space",
	"internal/api/ec2/group.go":                       "descriptions of security groups, whose characters AWS limits",
	"internal/balancer/sim/sim.go":                    "errors of net, which has no code for them",
	"internal/bench/table.go":                         "files of /proc",
	"internal/dispatch/session.go":                    "the version in a query of the agent protocol",
	"internal/registry/serve_upload.go":               "the Content-Range header",
	"internal/sim/table.go":                           "ARNs, which end at a space",
	"internal/wire/validate.go":                       "constraints in the words of the generated schema",
	"internal/bench/load.go":                          "the status line of HTTP",
	"internal/cli/cli.go":                             "/proc/PID/stat of the kernel",
	"internal/cli/deploy.go":                          "CloudFormation's words for an empty change set: its API has no code, and AWS's own CLI reads them too",
	"internal/cli/follow.go":                          "CloudFormation's frame round a handler's message, and Lambda's round a log: their APIs have no codes",
	"internal/cli/image.go":                           "errors of the go command and of net",
	"internal/cli/template.go":                        "CloudFormation's refusals of a template: its API has one code for all",
	"internal/cli/usage.go":                           "errors of cobra and strconv, and the examples of our help",
	"internal/container/runc/cgroup.go":               "files of the kernel",
	"internal/dispatch/simagent/userdata.go":          "scripts of users, which nobody runs in a simulated machine",
	"internal/explain/agent.go":                       "what agents report: their protocol has no codes",
	"internal/gen/cfntypes/main.go":                   "the facts about resource types",
	"internal/gen/fidelity/read.go":                   "docs/facts and comments of tests",
	"internal/kernel/cgroup/cgroup.go":                "/proc/self/mountinfo of the kernel",
	"internal/kernel/cgroup/stats.go":                 "files of the kernel",
	"internal/kernel/filter_linux.go":                 "sets of nftables",
	"internal/lang/template/read.go":                  "errors of the YAML library",
	"internal/machine/local/init.go":                  "/proc/self/mountinfo of the kernel",
	"internal/sim/fate.go":                            "the language of our stories",
	"internal/sim/script.go":                          "the language of our stories",
	"internal/soak/proc.go":                           "/proc/PID/stat of the kernel",
	"internal/wire/schema.go":                         "the table that gen writes",
	"internal/wire/sigv4.go":                          "the Authorization header",
}

// TestNobodyReadsOurSentences finds code that takes a sentence apart: what a
// program needs travels as codes and fields, and sentences are made where
// people read them.
func TestNobodyReadsOurSentences(t *testing.T) {
	used := map[string]bool{}
	err := filepath.WalkDir("internal", func(file string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || !strings.HasSuffix(file, ".go") || strings.HasSuffix(file, "_test.go") ||
			strings.HasPrefix(filepath.Base(file), "zz_") {
			return err
		}
		fset := token.NewFileSet()
		f, err := parser.ParseFile(fset, file, nil, parser.SkipObjectResolution)
		if err != nil {
			return err
		}
		name := filepath.ToSlash(file)
		for _, l := range readFor(f) {
			if used[name] = true; others[name] == "" {
				t.Errorf("%s: %s is looked for in a text: let a code or a field say it, or name whose text it is in others", fset.Position(l.Pos()), l.Value)
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	for file := range others {
		if !used[file] {
			t.Errorf("%s reads no sentence any more: take it off the list", file)
		}
	}
}

// readFor are the literals with a space in them that a file looks for.
func readFor(f *ast.File) []*ast.BasicLit {
	var out []*ast.BasicLit
	ast.Inspect(f, func(n ast.Node) bool {
		call, ok := n.(*ast.CallExpr)
		if !ok {
			return true
		}
		fn, ok := call.Fun.(*ast.SelectorExpr)
		if !ok || !slices.Contains(readers, fn.Sel.Name) {
			return true
		}
		from, ok := fn.X.(*ast.Ident)
		if !ok || !slices.Contains([]string{"strings", "bytes", "regexp"}, from.Name) {
			return true
		}
		sought := call.Args[1:]
		if from.Name == "regexp" {
			sought = call.Args
		}
		for _, a := range sought {
			ast.Inspect(a, func(n ast.Node) bool {
				if l, ok := n.(*ast.BasicLit); ok && l.Kind == token.STRING {
					if text, err := strconv.Unquote(l.Value); err == nil && strings.Contains(text, " ") {
						out = append(out, l)
					}
				}
				return true
			})
		}
		return true
	})
	return out
}
