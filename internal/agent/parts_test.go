package agent_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"

	"berth/internal/acs"
	"berth/internal/agent"
)

func TestEntryPointAndCommandJoinAsInDocker(t *testing.T) {
	img := agent.ImageConfig{Entrypoint: []string{"ie"}, Cmd: []string{"ic"}}
	for name, c := range map[string]struct {
		def  acs.Container
		want []string
	}{
		"image only":  {acs.Container{}, []string{"ie", "ic"}},
		"command":     {acs.Container{Command: []string{"c"}}, []string{"ie", "c"}},
		"entry point": {acs.Container{EntryPoint: []string{"e"}}, []string{"e"}},
		"both":        {acs.Container{EntryPoint: []string{"e"}, Command: []string{"c"}}, []string{"e", "c"}},
	} {
		if d := cmp.Diff(c.want, agent.Arguments(&c.def, img)); d != "" {
			t.Errorf("%s: %s", name, d)
		}
	}
}

func appendTo(t *testing.T, path, text string) {
	t.Helper()
	f, err := os.OpenFile(path, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if _, err := f.WriteString(text); err != nil {
		t.Fatal(err)
	}
}

func TestALogIsReadLineByLineAcrossItsRotation(t *testing.T) {
	path := filepath.Join(t.TempDir(), "output.log")
	tail := agent.NewTail(path, 0)
	defer tail.Close()
	expect := func(want ...string) {
		t.Helper()
		got, err := tail.Lines()
		if err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff(want, got); d != "" {
			t.Errorf("lines (-want +got): %s", d)
		}
	}
	line := func(s string) string { return `{"t":"2026-01-01T00:00:00Z","s":"stdout","m":"` + s + "\"}\n" }
	expect() // no file yet
	appendTo(t, path, line("a")+line("")+line("b")+`{"t":"2026-01-01T00:00:00Z"`)
	expect("a", "b")
	expect() // half a line
	appendTo(t, path, `,"m":"c"}`+"\n")
	expect("c")
	appendTo(t, path, line("d"))
	if err := os.Rename(path, path+".1"); err != nil {
		t.Fatal(err)
	}
	appendTo(t, path, line("e"))
	expect("d")
	expect("e")
	if got, err := agent.NewTail(path, 1<<20).Lines(); err != nil || len(got) != 1 {
		t.Errorf("an offset beyond the end of a new file: %v, %v", got, err)
	}
}
