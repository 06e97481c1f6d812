package berth_test

import (
	"os"
	"os/exec"
	"regexp"
	"strings"
	"testing"
)

// TestNothingKeepsDeadCode: what looks methods up by name at run time keeps
// every exported method of everything in the program, 5 MB of it
// (docs/adr/0008-pebble.md).
func TestNothingKeepsDeadCode(t *testing.T) {
	out, err := exec.Command("go", "list", "-deps", "./cmd/berth").Output()
	if err != nil {
		t.Fatal(err)
	}
	for pkg := range strings.Lines(string(out)) {
		if pkg = strings.TrimSpace(pkg); strings.HasPrefix(pkg, "google.golang.org/protobuf/") || strings.HasPrefix(pkg, "html/template") {
			t.Errorf("the program links %s", pkg)
		}
	}
	template := regexp.MustCompile(`\.Set(Usage|Help|Version)Template\(`)
	for _, file := range texts(t, "internal/cli", "cmd") {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if m := template.Find(text); m != nil {
			t.Errorf("%s calls %s: give cobra a function, a template links text/template", file, m)
		}
	}
}
