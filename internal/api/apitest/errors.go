package apitest

import (
	"encoding/json"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"maps"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"berth/internal/fault"
	"berth/internal/ident"
)

// Errors holds the doc comments of an API package against what its operations
// answer: each code that an `Errors:` line lists is produced by a row, and each
// row's code is listed. A row is a line `Operation Code member=value …`; a
// value that is JSON is read as such, and as=ARN calls as a session of a role.
// A row whose code is - succeeds, for the rows after it. The test runs in the
// package's folder.
func Errors(t *testing.T, w *World, service, rows string) {
	t.Helper()
	listed := listedErrors(t)
	tried := map[string]bool{}
	for line := range strings.Lines(rows) {
		f := strings.Fields(line)
		if len(f) < 2 {
			continue
		}
		operation, code := f[0], strings.TrimPrefix(f[1], "-")
		tried[operation+" "+code] = true
		if code != "" && !slices.Contains(listed[operation], code) {
			t.Errorf("%s: its doc comment does not list %s", operation, code)
		}
		if err := w.row(service, operation, f[2:]); fault.CodeOf(err) != code || code == "" && err != nil {
			t.Errorf("%s answers %s %v", strings.TrimSpace(line), fault.CodeOf(err), err)
		}
	}
	for _, operation := range slices.Sorted(maps.Keys(listed)) {
		for _, code := range listed[operation] {
			if !tried[operation+" "+code] {
				t.Errorf("%s: its doc comment lists %s, and no row produces it", operation, code)
			}
		}
	}
}

func (w *World) row(service, operation string, members []string) error {
	in, who := In{}, ident.Principal{}
	for _, m := range members {
		key, text, _ := strings.Cut(m, "=")
		var v any
		if err := json.Unmarshal([]byte(text), &v); err != nil {
			v = text
		}
		if key == "as" {
			who = ident.AsRole(text, "session")
			continue
		}
		in[key] = v
	}
	if who.ARN != "" {
		_, err := w.InvokeAs(w.t.Context(), who, service, operation, in)
		return err
	}
	_, err := w.Invoke(w.t.Context(), service, operation, in)
	return err
}

var (
	errorsLine = regexp.MustCompile(`Errors:? ([^.]*(?:\.[^. ][^.]*)*)\.(?:\s|$)`)
	codeWord   = regexp.MustCompile(`^[A-Z][A-Za-z.]+$`)
)

// listedErrors reads the `Errors:` lines of the operations in this folder.
func listedErrors(t *testing.T) map[string][]string {
	t.Helper()
	files, err := os.ReadDir(".")
	if err != nil {
		t.Fatal(err)
	}
	out, as := map[string][]string{}, map[string]string{}
	for _, file := range files {
		if !strings.HasSuffix(file.Name(), ".go") || strings.HasSuffix(file.Name(), "_test.go") {
			continue
		}
		parsed, err := parser.ParseFile(token.NewFileSet(), file.Name(), nil, parser.ParseComments|parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		for _, d := range parsed.Decls {
			f, ok := d.(*ast.FuncDecl)
			if !ok || f.Recv == nil || !f.Name.IsExported() {
				continue
			}
			m := errorsLine.FindStringSubmatch(strings.Join(strings.Fields(f.Doc.Text()), " "))
			if m == nil {
				continue
			}
			if other, ok := strings.CutPrefix(m[1], "as "); ok {
				as[f.Name.Name] = other
				continue
			}
			for item := range strings.SplitSeq(m[1], ", ") {
				if code, _, _ := strings.Cut(item, " "); codeWord.MatchString(code) {
					out[f.Name.Name] = append(out[f.Name.Name], code)
				}
			}
		}
	}
	for operation, other := range as {
		out[operation] = out[other]
	}
	return out
}

// Tags are n tags as JSON, for a row; key and value are what the service's
// model calls a tag's members.
func Tags(n int, key, value string) string {
	var tags []map[string]string
	for i := range n {
		tags = append(tags, map[string]string{key: fmt.Sprint("k", i), value: ""})
	}
	text, _ := json.Marshal(tags)
	return string(text)
}

// TagMap is Tags for a service whose tags are a map.
func TagMap(n int) string {
	tags := map[string]string{}
	for i := range n {
		tags[fmt.Sprint("k", i)] = ""
	}
	text, _ := json.Marshal(tags)
	return string(text)
}
