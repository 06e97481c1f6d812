package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// Every behaviour has a test or a reason, no mark names what is not there, and
// the pages are what the marks make.
func TestThePagesAreCurrent(t *testing.T) {
	t.Parallel()
	root := filepath.Join("..", "..", "..")
	out := t.TempDir()
	if err := run(root, out); err != nil {
		t.Fatal(err)
	}
	for _, p := range pages {
		want, err := os.ReadFile(filepath.Join(out, p.name+".md"))
		if err != nil {
			t.Fatal(err)
		}
		got, err := os.ReadFile(filepath.Join(root, "docs", "fidelity", p.name+".md"))
		if err != nil || string(got) != string(want) {
			t.Errorf("docs/fidelity/%s.md is not what the marks make: go run ./internal/gen/fidelity (%v)", p.name, err)
		}
	}
}

func TestWhatIsRefused(t *testing.T) {
	t.Parallel()
	const (
		facts = "| D1 | one | x |\n| D2 | two | x |\n"
		test  = "package p\n\nimport \"testing\"\n\n"
		one   = test + "// Proves: D1, FG1, MI1, E1, IR1, CM1\nfunc TestA(t *testing.T) {}\n"
		both  = test + "// Proves: D1, D2, FG1, MI1, E1, IR1, CM1\nfunc TestA(t *testing.T) {}\n"
	)
	for name, c := range map[string]struct{ test, gaps, want string }{
		"nothing is wrong":      {strings.Replace(one, "{}", "{\n\t// Proves: D2\n}", 1), "", ""},
		"neither":               {one, "", "D2 has no test"},
		"a reason":              {one, "D2 not built: nobody asked\n", ""},
		"both":                  {both, "D2 not built: nobody asked\n", "D2 is said not to be built and has a test"},
		"a part":                {both, "D2 lacks: the rest\n", ""},
		"a part of nothing":     {one, "D2 lacks: the rest\n", "D2 is said to be proved in part and has no test"},
		"an unknown number":     {strings.Replace(both, "D2", "D2, D3", 1), "", "proves D3, which no page"},
		"an unknown gap":        {both, "D3 not built: x\n", "gaps.txt has D3"},
		"a mark at no test":     {test + "// Proves: D1, D2, FG1, MI1, E1, IR1, CM1\nfunc helper(t *testing.T) {}\n", "", "stands at no test"},
		"a range":               {strings.Replace(one, "D1", "D1-D2", 1), "", "is not a list of numbers"},
		"twice":                 {test + "// Proves: D1, D1\nfunc TestA(t *testing.T) {}\n", "", "says twice that it proves D1"},
		"a gap without a word":  {test, "D1: because\n", "cannot read"},
		"a gap that came twice": {test, "D1 lacks: a\nD1 lacks: b\n", "has D1 twice"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			root := t.TempDir()
			for file, text := range map[string]string{
				"docs/facts/deployments.md": facts, "docs/facts/managed-instances.md": "| MI1 | one | x |\n",
				"docs/facts/fargate.md": "| FG1 | one | x |\n", "docs/facts/ec2-launch-type.md": "| E1 | one | x |\n",
				"docs/facts/images.md": "| IR1 | one | x |\n",
				"docs/facts/names.md":  "| CM1 | one | x |\n",
				"internal/p/a_test.go": c.test, "internal/gen/fidelity/gaps.txt": c.gaps,
			} {
				path := filepath.Join(root, file)
				if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
					t.Fatal(err)
				}
				if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			err := run(root, filepath.Join(root, "out"))
			if c.want == "" && err != nil || c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)) {
				t.Errorf("got %v, want %q", err, c.want)
			}
		})
	}
}
