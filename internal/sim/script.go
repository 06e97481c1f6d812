package sim

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"time"

	"berth/internal/fault"
)

// Script is a story: commands, and the files that they use and are held
// against. Files follow the commands, each after a line `-- NAME --`.
type Script struct {
	Name     string
	Commands []string
	Files    map[string]string
	order    []string
}

var fileLine = regexp.MustCompile(`^-- (\S+) --$`)

// ParseScript reads a story.
func ParseScript(name string, text []byte) *Script {
	s := &Script{Name: name, Files: map[string]string{}}
	at := ""
	for line := range strings.Lines(string(text)) {
		if m := fileLine.FindStringSubmatch(strings.TrimRight(line, "\n")); m != nil {
			at = m[1]
			s.order = append(s.order, at)
			s.Files[at] = ""
			continue
		}
		if at == "" {
			s.Commands = append(s.Commands, strings.TrimRight(line, "\n"))
		} else {
			s.Files[at] += line
		}
	}
	return s
}

// Bytes writes the story again, with its files as they are now.
func (s *Script) Bytes() []byte {
	var b bytes.Buffer
	for _, c := range s.Commands {
		fmt.Fprintln(&b, c)
	}
	for _, f := range s.order {
		fmt.Fprintf(&b, "-- %s --\n%s", f, s.Files[f])
	}
	return b.Bytes()
}

// run is a story being told.
type run struct {
	w      *World
	s      *Script
	update bool
	out    string
	err    error
	vars   map[string]string
}

// Run tells the story in the world and returns the first thing that is not as
// written. With update, files that tables are compared with are rewritten.
//
// Commands: `aws SERVICE OPERATION KEY=VALUE… | JSON`, `settle`, `advance D`,
// `table NAME` (into the output), `cmp NAME FILE`, `stdout RE`, `stderr RE`,
// `set NAME PATH` (from the last answer), `let NAME VALUE`, `find NAME KIND N` (the identity of
// the n-th task, instance, deployment, revision or hook), `until D TABLE RE`,
// `never D TABLE RE`, `kill INSTANCE|ZONE`, `interrupt TASK`, `fail WHAT WHOM [HOW]` (see Fail),
// `hook FUNCTION ANSWER…` (see Say), `load SERVICE CPU-UNITS`, `include NAME`.
// A command after `!` must fail.
func (s *Script) Run(ctx context.Context, w *World, update bool) error {
	r := &run{w: w, s: s, update: update, vars: map[string]string{}}
	if err := r.tell(ctx); err != nil {
		return err
	}
	if bad := w.Troubles(); len(bad) > 0 {
		return fmt.Errorf("%s: a controller failed %d times, first: %s", s.Name, len(bad), bad[0])
	}
	return nil
}

func (r *run) tell(ctx context.Context) error {
	s := r.s
	for i := 0; i < len(s.Commands); i++ {
		line := strings.TrimSpace(s.Commands[i])
		for strings.HasSuffix(line, `\`) && i+1 < len(s.Commands) {
			i++
			line = strings.TrimSuffix(line, `\`) + " " + strings.TrimSpace(s.Commands[i])
		}
		if line == "" || line[0] == '#' {
			continue
		}
		if err := r.step(ctx, line); err != nil {
			return fmt.Errorf("%s:%d: %s: %w", s.Name, i+1, line, err)
		}
	}
	return nil
}

func (r *run) step(ctx context.Context, line string) error {
	must := true
	if rest, ok := strings.CutPrefix(line, "! "); ok {
		must, line = false, rest
	}
	args := words(r.expand(line))
	switch args[0] {
	case "stdout", "stderr":
		text := r.out
		if args[0] == "stderr" {
			text = fmt.Sprint(r.err)
		}
		re, err := regexp.Compile(args[1])
		if err != nil {
			return err
		}
		if re.MatchString(text) != must {
			return fmt.Errorf("matching is %v in:\n%s", !must, text)
		}
		return nil
	}
	out, err := r.do(ctx, args)
	r.err = err
	if err == nil {
		r.out = out
	}
	switch {
	case must && err != nil:
		if c := fault.CodeOf(err); c != "" {
			return fmt.Errorf("%s: %w", c, err)
		}
		return err
	case !must && err == nil:
		return fmt.Errorf("it should have failed; it answered:\n%s", out)
	}
	return nil
}

func (r *run) expand(s string) string {
	return os.Expand(s, func(k string) string {
		if v, ok := r.vars[k]; ok {
			return v
		}
		return "${" + k + "}"
	})
}

func (r *run) do(ctx context.Context, args []string) (string, error) {
	switch args[0] {
	case "aws":
		return r.aws(ctx, args[1:])
	case "include":
		return "", r.include(ctx, args[1])
	case "settle":
		return "", r.w.Settle(ctx)
	case "advance":
		d, err := time.ParseDuration(args[1])
		if err != nil {
			return "", err
		}
		return "", r.w.Advance(ctx, d)
	case "until":
		return r.until(ctx, args[1:])
	case "table":
		return r.w.Table(args[1], args[2:]...)
	case "cmp":
		return r.cmp(args[1], args[2])
	case "set":
		return "", r.set(args[1], args[2])
	case "let":
		r.vars[args[1]] = args[2]
		return "", nil
	case "kill":
		return "", r.w.Kill(ctx, args[1])
	case "interrupt":
		return "", r.w.Interrupt(ctx, args[1])
	case "fail":
		return "", r.w.Fail(ctx, args[1], args[2], args[3:]...)
	case "hook":
		r.w.Say(args[1], args[2:]...)
		return "", nil
	case "load":
		units, err := strconv.ParseFloat(args[2], 64)
		if err != nil {
			return "", err
		}
		return "", r.w.Load(ctx, args[1], units)
	case "find":
		n, err := strconv.Atoi(args[3])
		if err != nil {
			return "", err
		}
		r.vars[args[1]], err = r.w.Find(args[2], n)
		return "", err
	case "never":
		return r.never(ctx, args[1:])
	default:
		return "", fmt.Errorf("no command %q", args[0])
	}
}

// include tells another story first: include/NAME.txtar beside this one. What
// it sets stays set, and its files are not taken over.
func (r *run) include(ctx context.Context, name string) error {
	dir := filepath.Dir(r.s.Name)
	if filepath.Base(dir) != "include" {
		dir = filepath.Join(dir, "include")
	}
	other, err := Read(filepath.Join(dir, name+".txtar"))
	if err != nil {
		return err
	}
	inner := &run{w: r.w, s: other, vars: r.vars}
	return inner.tell(ctx)
}

// until advances the clock in small steps until a table shows what is waited
// for, and fails when the time is over.
func (r *run) until(ctx context.Context, args []string) (string, error) {
	limit, err := time.ParseDuration(args[0])
	if err != nil {
		return "", err
	}
	re, err := regexp.Compile("(?m)" + args[len(args)-1])
	if err != nil {
		return "", err
	}
	out := ""
	for d := time.Duration(0); d <= limit; d += time.Second {
		if out, err = r.w.Table(args[1], args[2:len(args)-1]...); err != nil {
			return "", err
		}
		if re.MatchString(out) {
			return out, nil
		}
		if err := r.w.Advance(ctx, time.Second); err != nil {
			return "", err
		}
	}
	return "", fmt.Errorf("after %v it still is:\n%s", limit, out)
}

// never advances the clock in small steps and fails if a table shows what must
// not be.
func (r *run) never(ctx context.Context, args []string) (string, error) {
	limit, err := time.ParseDuration(args[0])
	if err != nil {
		return "", err
	}
	re, err := regexp.Compile("(?m)" + args[len(args)-1])
	if err != nil {
		return "", err
	}
	for d := time.Duration(0); d < limit; d += time.Second {
		if err := r.w.Advance(ctx, time.Second); err != nil {
			return "", err
		}
		out, err := r.w.Table(args[1], args[2:len(args)-1]...)
		if err != nil {
			return "", err
		}
		if re.MatchString(out) {
			return "", fmt.Errorf("after %v it is:\n%s", d+time.Second, out)
		}
	}
	return "", nil
}

func (r *run) cmp(name, file string) (string, error) {
	got := r.out
	if name != "stdout" {
		var err error
		if got, err = r.w.Table(name); err != nil {
			return "", err
		}
	}
	want, ok := r.s.Files[file]
	if r.update {
		if !ok {
			r.s.order = append(r.s.order, file)
		}
		r.s.Files[file] = got
		return got, nil
	}
	if !ok {
		return "", fmt.Errorf("the story has no file %s (run with -update)", file)
	}
	if got != want {
		return "", fmt.Errorf("%s is not as in %s\n--- got\n%s--- want\n%s", name, file, got, want)
	}
	return got, nil
}

// aws calls an operation: KEY=VALUE pairs, a JSON object, or @FILE with one.
func (r *run) aws(ctx context.Context, args []string) (string, error) {
	if len(args) < 2 {
		return "", fmt.Errorf("aws SERVICE OPERATION …")
	}
	in := map[string]any{}
	for _, a := range args[2:] {
		switch {
		case a[0] == '{':
			if err := json.Unmarshal([]byte(a), &in); err != nil {
				return "", err
			}
		case a[0] == '@':
			if err := json.Unmarshal([]byte(r.expand(r.s.Files[a[1:]])), &in); err != nil {
				return "", fmt.Errorf("%s: %w", a[1:], err)
			}
		default:
			k, v, ok := strings.Cut(a, "=")
			if !ok {
				return "", fmt.Errorf("%s: write KEY=VALUE", a)
			}
			in[k] = r.value(v)
		}
	}
	out, err := r.w.Invoke(ctx, args[0], args[1], in)
	if err != nil {
		return "", err
	}
	b, err := json.MarshalIndent(out, "", "  ")
	return string(b) + "\n", err
}

// value reads a number, true, false, JSON, @FILE's text, or a string. A file
// that the story has not is one of the templates beside it, which tests of the
// built program deploy too.
func (r *run) value(v string) any {
	if f, ok := strings.CutPrefix(v, "@"); ok {
		if text, ok := r.s.Files[f]; ok {
			return text
		}
		if text, err := os.ReadFile(filepath.Join(filepath.Dir(r.s.Name), "../templates", f)); err == nil {
			return string(text)
		}
	}
	var x any
	if v != "" && strings.ContainsRune(`[{"`, rune(v[0])) && json.Unmarshal([]byte(v), &x) == nil {
		return x
	}
	if n, err := strconv.ParseInt(v, 10, 64); err == nil {
		return n
	}
	if v == "true" || v == "false" {
		return v == "true"
	}
	return v
}

// set keeps a part of the last answer: services.0.serviceArn.
func (r *run) set(name, path string) error {
	var x any
	if err := json.Unmarshal([]byte(r.out), &x); err != nil {
		return err
	}
	for _, p := range strings.Split(path, ".") {
		switch y := x.(type) {
		case map[string]any:
			x = y[p]
		case []any:
			i, err := strconv.Atoi(p)
			if err != nil || i >= len(y) {
				return fmt.Errorf("no %s in a list of %d", p, len(y))
			}
			x = y[i]
		default:
			return fmt.Errorf("no %s", p)
		}
	}
	r.vars[name] = fmt.Sprint(x)
	return nil
}

// words splits a line at spaces. Single quotes hold words together and are
// taken off; braces, brackets and double quotes hold together and stay.
func words(s string) []string {
	var out []string
	var b strings.Builder
	single, double, in := false, false, false
	depth := 0
	for _, c := range s {
		switch {
		case single:
			if c == '\'' {
				single = false
				continue
			}
		case c == '\'' && depth == 0:
			single, in = true, true
			continue
		case c == '"':
			double = !double
		case double:
		case c == '{' || c == '[':
			depth++
		case c == '}' || c == ']':
			depth--
		case c == ' ' && depth == 0:
			if in {
				out = append(out, b.String())
				b.Reset()
				in = false
			}
			continue
		}
		in = true
		b.WriteRune(c)
	}
	if in {
		out = append(out, b.String())
	}
	return out
}
