package cli

import (
	"fmt"
	"io"
	"os"
	"strings"

	"golang.org/x/term"

	"berth/internal/model"
)

// terminal reports whether somebody watches a writer: lines may be drawn again
// and are fitted to its width.
func terminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	return ok && os.Getenv("TERM") != "dumb" && term.IsTerminal(int(f.Fd()))
}

// width of the terminal, 100 columns elsewhere.
func width(w io.Writer) int {
	cols, _ := size(w)
	return cols
}

// size is a terminal's columns and rows; elsewhere 100, and no rows.
func size(w io.Writer) (cols, rows int) {
	if f, ok := w.(*os.File); ok {
		if c, r, err := term.GetSize(int(f.Fd())); err == nil && c > 20 {
			return c, r
		}
	}
	return 100, 0
}

// tint colours text on a terminal whose user does not mind.
func tint(w io.Writer, color, s string) string {
	codes := map[string]string{"bold": "1", "dim": "2", "red": "31", "green": "32", "yellow": "33", "blue": "34", "cyan": "36"}
	if codes[color] == "" || s == "" || os.Getenv("NO_COLOR") != "" || !terminal(w) {
		return s
	}
	return "\x1b[" + codes[color] + "m" + s + "\x1b[0m"
}

// paint colours text of the output.
func (a *app) paint(color, s string) string { return tint(a.out, color, s) }

// calm and busy are the states that are told by their whole name; the others
// say by a part of it what they are.
var (
	calm = set(model.ServiceActive, model.TaskRunning, model.DeploymentSuccessful, model.TargetHealthy, model.Healthy)
	busy = set(model.TaskProvisioning, model.TaskActivating, model.ServiceDraining, model.TargetInitial, model.TargetDraining,
		model.ContainerInstanceRegistering, model.ContainerInstanceDeregistering)
)

// set has the texts of values, whatever their types.
func set(values ...any) map[string]bool {
	out := map[string]bool{}
	for _, v := range values {
		out[fmt.Sprint(v)] = true
	}
	return out
}

// mood is the colour of a status.
func mood(status string) string {
	has := func(part string) bool { return strings.Contains(status, part) }
	switch {
	case has("FAILED"), has("ROLLBACK"), strings.HasPrefix(strings.ToUpper(status), string(model.Unhealthy)):
		return "red"
	case has("PROGRESS"), has("PENDING"), busy[status]:
		return "yellow"
	case has("COMPLETE"), calm[status]:
		return "green"
	default:
		return ""
	}
}

// clip cuts text to n runes.
func clip(s string, n int) string {
	r := []rune(s)
	if n < 4 || len(r) <= n {
		return s
	}
	return string(r[:n-1]) + "…"
}

// fit cuts a line that may be coloured to n columns.
func fit(line string, n int) string {
	var b strings.Builder
	seen, escape, coloured := 0, false, false
	for _, r := range line {
		switch {
		case r == '\x1b':
			escape, coloured = true, true
		case escape:
			escape = r != 'm'
		case seen == n-1 && visible(line) > n:
			b.WriteRune('…')
			if coloured {
				b.WriteString("\x1b[0m")
			}
			return b.String()
		default:
			seen++
		}
		b.WriteRune(r)
	}
	return b.String()
}

// visible counts the runes of a line that take a column.
func visible(line string) int {
	n, escape := 0, false
	for _, r := range line {
		switch {
		case r == '\x1b':
			escape = true
		case escape:
			escape = r != 'm'
		default:
			n++
		}
	}
	return n
}

// wrap breaks text at spaces into lines of up to n runes; a longer word has a
// line of its own.
func wrap(text string, n int) []string {
	var lines []string
	line := ""
	for _, word := range strings.Fields(text) {
		switch {
		case line == "":
			line = word
		case len([]rune(line))+1+len([]rune(word)) <= n:
			line += " " + word
		default:
			lines = append(lines, line)
			line = word
		}
	}
	return append(lines, line)
}

// paragraphs wraps each line of a text that is wider than n under itself, the
// first one flush.
func paragraphs(text string, n int) string {
	var out []string
	for i, line := range strings.Split(text, "\n") {
		body := strings.TrimLeft(line, " ")
		indent := strings.Repeat(" ", len(line)-len(body))
		if len([]rune(line)) <= n {
			out = append(out, line)
			continue
		}
		hang := indent
		if indent != "" || i > 0 {
			hang += "  "
		}
		out = append(out, indent+strings.Join(wrap(body, max(n-len(hang), 20)), "\n"+hang))
	}
	return strings.Join(out, "\n")
}
