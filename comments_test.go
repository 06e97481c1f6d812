package berth_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// TestComments holds the first word of a doc comment to the name that it stands
// at: at an exported name always, also behind "A", "An" or "The"; at others and
// at fields when the comment begins with a name. The comment of a test says
// what the test proves.
func TestComments(t *testing.T) {
	for _, root := range []string{"internal", "cmd", "tools"} {
		err := filepath.WalkDir(root, func(file string, d fs.DirEntry, err error) error {
			if err != nil || !strings.HasSuffix(file, ".go") || strings.HasPrefix(filepath.Base(file), "zz_") {
				return err
			}
			fset := token.NewFileSet()
			f, err := parser.ParseFile(fset, file, nil, parser.ParseComments|parser.SkipObjectResolution)
			if err != nil {
				return err
			}
			for _, c := range documented(f) {
				if !c.named() {
					t.Errorf("%s: the comment of %s begins with %q", fset.Position(c.at), c.names[0], c.first())
				}
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
}

// docComment is a comment and the names it stands at.
type docComment struct {
	names []string
	text  string
	at    token.Pos
	// free says that the comment need not begin with the name: that of a
	// field, or of one constant of several.
	free bool
}

func (c docComment) words() []string { return strings.Fields(c.text) }

func (c docComment) first() string {
	w := c.words()[0]
	return strings.TrimRight(w, ".,:;'’")
}

// named reports whether the comment begins as one at these names should.
func (c docComment) named() bool {
	w := c.words()
	if slices.Contains(c.names, c.first()) || c.first() == "Deprecated" {
		return true
	}
	if slices.Contains([]string{"A", "An", "The"}, w[0]) && len(w) > 1 && slices.Contains(c.names, strings.TrimRight(w[1], ".,:;")) {
		return true
	}
	if !c.free && ast.IsExported(c.names[0]) {
		return false
	}
	return !c.foreign()
}

// foreign reports whether the comment begins with some other name: a word
// in capitals that is said to be or do something, or one that begins no
// sentence.
func (c docComment) foreign() bool {
	w, name := c.words(), c.first()
	if !token.IsIdentifier(name) {
		return false
	}
	if !ast.IsExported(name) {
		return !c.free
	}
	return len(w) > 1 && slices.Contains(verbs, w[1])
}

// verbs follow a name in a comment that says what it is or does.
var verbs = strings.Fields("is are was says tells holds has have returns reports does makes keeps counts serves yields lists")

// documented are the doc comments of a file.
func documented(f *ast.File) (all []docComment) {
	add := func(doc *ast.CommentGroup, free bool, ids ...*ast.Ident) {
		if doc == nil || strings.TrimSpace(doc.Text()) == "" || len(ids) == 0 {
			return
		}
		c := docComment{text: doc.Text(), at: doc.Pos(), free: free}
		for _, id := range ids {
			c.names = append(c.names, id.Name)
		}
		all = append(all, c)
	}
	for _, d := range f.Decls {
		switch d := d.(type) {
		case *ast.FuncDecl:
			if !isTest(d) {
				add(d.Doc, false, d.Name)
			}
		case *ast.GenDecl:
			for _, s := range d.Specs {
				switch s := s.(type) {
				case *ast.TypeSpec:
					if len(d.Specs) == 1 {
						add(d.Doc, false, s.Name)
					}
					add(s.Doc, false, s.Name)
				case *ast.ValueSpec:
					if len(d.Specs) == 1 {
						add(d.Doc, false, s.Names...)
					}
					add(s.Doc, true, s.Names...)
				}
			}
		}
	}
	ast.Inspect(f, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.StructType:
			for _, fd := range n.Fields.List {
				add(fd.Doc, true, fd.Names...)
				add(fd.Comment, true, fd.Names...)
			}
		case *ast.InterfaceType:
			for _, fd := range n.Methods.List {
				add(fd.Doc, true, fd.Names...)
			}
		}
		return true
	})
	return all
}

// isTest reports whether a function is called by go test.
func isTest(d *ast.FuncDecl) bool {
	return d.Recv == nil && slices.ContainsFunc([]string{"Test", "Benchmark", "Fuzz"}, func(p string) bool {
		return strings.HasPrefix(d.Name.Name, p)
	})
}
