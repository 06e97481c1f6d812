package berth_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// parses are the packages that read bytes which come from outside: of clients,
// containers, functions, agents, images, templates and registries. Each has a
// fuzz target.
var parses = strings.Fields(`
	acs agent api/logs backup balancer balancer/http1 container/image endpoint front function ident lang/constraint lang/policy lang/schedule
	lang/template machine/local page registry resolver store userland vpc wire
`)

// readsOurs are packages that decode, and need none: what they read is ours,
// or another package's target reads it.
var readsOurs = map[string]string{
	"access":                    "managed policies that are built in",
	"api/apitest":               "rows of tests",
	"api/autoscaling":           "our own records, and their texts",
	"api/ec2":                   "our own records; user data are decoded, and read by nobody here",
	"controllers/group":         "our own records",
	"controllers/reservation":   "our own records",
	"api/ecr":                   "passwords are written here and read in registry; encoding/json alone reads policies before lang/policy does",
	"api/ecs":                   "encoding/json alone, of one text of a request, which is bounded",
	"api/ssm":                   "cipher text is only written",
	"api/lambda":                "encoding/json alone, of policies that lang/policy has read; packages are read in function",
	"bench":                     "answers of programs that it starts",
	"cli":                       "answers of our own server, and files of its own folder",
	"container/runc":            "our own processes' messages over 0600 sockets, and what the OCI runtime writes to its log",
	"controllers/stack":         "encoding/json alone, of one secret's text, which is bounded",
	"controllers/stack/handler": "one text of a template, which lang/template has read",
	"daemon":                    "our own files, and a body of 4 KiB of who holds the session's token, by encoding/json alone",
	"dispatch":                  "messages by encoding/json alone; acs reads their frames, and a library that is fuzzed itself the web socket's",
	"dispatch/simagent":         "user data of stories",
	"edge":                      "the server's messages over a 0600 socket, and our own files",
	"example/page":              "the example's own metadata",
	"gen":                       "models that are in the tree",
	"gen/cfntypes":              "facts that are in the tree",
	"model/catalog":             "facts that are built in",
	"plan/rollout":              "a hook's answer, by encoding/json alone, which Lambda bounds",
	"registry/mirror":           "manifests by encoding/json alone, which are bounded as they come; layers are read in container/image",
	"audit":                     "our own log",
	"series":                    "our own database",
	"sim":                       "stories of tests",
}

// decoders are what reads a form; a name that ends with a point is all of a
// package.
var decoders = regexp.MustCompile(`^(json\.(Unmarshal|NewDecoder)|xml\.(Unmarshal|NewDecoder)|yaml\.(Unmarshal|NewDecoder)|tar\.NewReader|` +
	`gzip\.NewReader|zip\.(NewReader|OpenReader)|zstd\.NewReader|pem\.Decode|x509\.Parse\w+|http\.Read\w+|url\.ParseQuery|` +
	`base64\.\w+Encoding|websocket\.(Accept|Dial)|dnsmessage\.\w+|cbor\.Unmarshal)$`)

// TestParsersOfOutsideBytesAreFuzzed holds that every package which decodes has
// a fuzz target, or a line that says why it needs none.
func TestParsersOfOutsideBytesAreFuzzed(t *testing.T) {
	decodes, fuzzed := map[string]string{}, map[string]bool{}
	for _, file := range goFiles(t) {
		fset := token.NewFileSet()
		f, err := parser.ParseFile(fset, file, nil, parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		pkg := strings.TrimPrefix(filepath.ToSlash(filepath.Dir(file)), "internal/")
		if strings.HasSuffix(file, "_test.go") {
			fuzzed[pkg] = fuzzed[pkg] || slices.ContainsFunc(f.Decls, func(d ast.Decl) bool {
				fn, ok := d.(*ast.FuncDecl)
				return ok && strings.HasPrefix(fn.Name.Name, "Fuzz")
			})
			continue
		}
		selected(f, func(x *ast.Ident, name string) {
			if decoders.MatchString(name) {
				decodes[pkg] = fset.Position(x.Pos()).String()
			}
		})
	}
	for _, pkg := range parses {
		if !fuzzed[pkg] {
			t.Errorf("%s reads bytes from outside and has no fuzz target", pkg)
		}
	}
	for _, pkg := range slices.Sorted(maps.Keys(decodes)) {
		if !slices.Contains(parses, pkg) && readsOurs[pkg] == "" {
			t.Errorf("%s: %s decodes and is in neither list: write a fuzz target, or say why it needs none", decodes[pkg], pkg)
		}
	}
	for pkg := range readsOurs {
		if decodes[pkg] == "" || slices.Contains(parses, pkg) {
			t.Errorf("%s decodes nothing, or has a fuzz target: its line is not needed", pkg)
		}
	}
}

func goFiles(t *testing.T) []string {
	t.Helper()
	var out []string
	err := filepath.WalkDir("internal", func(file string, d os.DirEntry, err error) error {
		if err == nil && d.Name() == "testdata" {
			return filepath.SkipDir
		}
		if err == nil && !d.IsDir() && strings.HasSuffix(file, ".go") {
			out = append(out, file)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}
