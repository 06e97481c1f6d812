package cli_test

import (
	"testing"

	"berth/internal/cli"
)

// A line is cut to a terminal's columns; colours take none and end with it.
func TestFit(t *testing.T) {
	for _, c := range []struct{ line, want string }{
		{"0123456789", "0123456789"},
		{"0123456789a", "012345678…"},
		{"\x1b[32m0123456789\x1b[0m", "\x1b[32m0123456789\x1b[0m"},
		{"01234\x1b[32m56789abc\x1b[0m", "01234\x1b[32m5678…\x1b[0m"},
		{"██████████", "██████████"},
		{"", ""},
	} {
		if got := cli.Fit(c.line, 10); got != c.want {
			t.Errorf("%q in 10 columns is %q, want %q", c.line, got, c.want)
		}
	}
}

func TestParagraphs(t *testing.T) {
	got := cli.Paragraphs("one two three four five six\n  seven eight nine ten eleven\nsh ort", 24)
	if want := "one two three four five\nsix\n  seven eight nine ten\n    eleven\nsh ort"; got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}
