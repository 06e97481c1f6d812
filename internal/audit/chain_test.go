package audit_test

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"berth/internal/audit"
	"berth/internal/disk/disktest"
)

// A line that was changed or removed is told; what goes without a word are the
// newest lines, together with all that came after.
func TestDamageOfTheLogIsTold(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	l := open(t, dir)
	audit.SetMost(l, 4000)
	for i := range 12 {
		if err := l.Append(event(i)); err != nil {
			t.Fatal(err)
		}
	}
	all := ids(t, l, 1000)
	slices.Reverse(all)
	if n, err := audit.Verify(t.Context(), dir, func(p string) { t.Error(p) }); err != nil || n != len(all) {
		t.Fatalf("undamaged: %d of %d events, %v", n, len(all), err)
	}
	told := 0
	disktest.Each(t, dir, func(string) bool { return true }, func(what, _, copied string) {
		var problems []string
		if _, err := audit.Verify(t.Context(), copied, func(p string) { problems = append(problems, p) }); err != nil {
			t.Errorf("%s: %v", what, err)
		}
		if told += len(problems); len(problems) > 0 {
			return
		}
		left := ids(t, open(t, copied), 1000)
		slices.Reverse(left)
		if len(left) > len(all) || !slices.Equal(left, all[:len(left)]) {
			t.Errorf("%s: nothing was said, and there is %v", what, left)
		}
	})
	if told == 0 {
		t.Error("nothing was ever said")
	}
}

// The log of a server that wrote no sums is read and gone on with, and so is one
// with a line that a killed process left unfinished.
func TestAnOlderLogGoesOn(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	l := open(t, dir)
	for i := range 2 {
		if err := l.Append(event(i)); err != nil {
			t.Fatal(err)
		}
	}
	name := filepath.Join(dir, "0000000001.jsonl")
	text, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	var older strings.Builder
	for line := range strings.Lines(string(text)) {
		_, event, _ := strings.Cut(line, " ")
		older.WriteString(event)
	}
	if err := os.WriteFile(name, []byte(older.String()+`{"eventVersion`), 0o600); err != nil {
		t.Fatal(err)
	}
	for i := range 2 { // each time by another process
		if err := open(t, dir).Append(event(2 + i)); err != nil {
			t.Fatal(err)
		}
	}
	if n, err := audit.Verify(t.Context(), dir, func(p string) { t.Error(p) }); err != nil || n != 4 {
		t.Errorf("%d events, %v", n, err)
	}
	if got := ids(t, open(t, dir), 10); !slices.Equal(got, []string{"e3", "e2", "e1", "e0"}) {
		t.Error(got)
	}
}
