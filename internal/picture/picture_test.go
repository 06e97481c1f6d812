package main

import (
	"strings"
	"testing"
)

// shown is what a screen of 10 by 3 shows after some output, without the
// spaces at the ends.
func shown(out string) string {
	s := newScreen(10, 3)
	for _, b := range []byte(out) { // in the smallest pieces
		_, _ = s.Write([]byte{b})
	}
	return strings.TrimRight(s.text(), "\n")
}

func TestScreen(t *testing.T) {
	for _, c := range []struct{ name, out, want string }{
		{"lines", "one\r\ntwo", "one\ntwo"},
		{"scrolls", "1\r\n2\r\n3\r\n4", "2\n3\n4"},
		{"wraps", "0123456789ab", "0123456789\nab"},
		{"a full line and its end", "0123456789\r\nab", "0123456789\nab"},
		{"again", "⠋ busy\r\x1b[Kdone", "done"},
		{"home and cut", "one\r\ntwo\r\nthree\x1b[H1\x1b[K\r\n\x1b[J", "1"},
		{"colours", "\x1b[32m✓\x1b[0m ok", "✓ ok"},
		{"second screen", "before\x1b[?1049h\x1b[?25lwatch", "watch"},
		{"and back", "one\x1b[?1049h\x1b[?25lwatch\x1b[?25h\x1b[?1049l two", "one two"},
		{"unknown", "a\x1b[5nb\x1b7c", "abc"},
	} {
		if got := shown(c.out); got != c.want {
			t.Errorf("%s: %q shows\n%s\nwant\n%s", c.name, c.out, got, c.want)
		}
	}
}

func TestDraw(t *testing.T) {
	s := newScreen(20, 4)
	_, _ = s.Write([]byte("\x1b[1mhello\x1b[0m  \x1b[32m<ok>\x1b[0m\r\n"))
	var b strings.Builder
	if err := draw(&b, "berth up", s); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		`width="192" height="64"`,
		`<text x="32" y="29" fill="#e6edf3" font-weight="bold" xml:space="preserve" textLength="40" lengthAdjust="spacingAndGlyphs">berth</text>`,
		`<text x="16" y="47" fill="#e6edf3" font-weight="bold" xml:space="preserve" textLength="40" lengthAdjust="spacingAndGlyphs">hello</text>`,
		`<text x="72" y="47" fill="#7ee787" xml:space="preserve" textLength="32" lengthAdjust="spacingAndGlyphs">&lt;ok&gt;</text>`,
	} {
		if !strings.Contains(b.String(), want) {
			t.Errorf("no %s in\n%s", want, b.String())
		}
	}
}

// A command has a terminal of the size that was asked for.
func TestShow(t *testing.T) {
	s := newScreen(42, 5)
	if _, err := show(s, []string{"sh", "-c", "test -t 1 && stty size"}, func() bool { return false }); err != nil {
		t.Skip(err) // no pseudo terminals here
	}
	if got := strings.TrimSpace(s.text()); got != "5 42" {
		t.Errorf("the terminal is %q", got)
	}
	seen, err := show(s, []string{"sh", "-c", "sleep 1000 & echo ready; wait"}, func() bool { return strings.Contains(s.text(), "ready") })
	if err != nil || !seen {
		t.Errorf("seen %v, %v", seen, err)
	}
}
