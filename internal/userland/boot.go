package userland

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"

	"berth/internal/fault"
)

// Result is how user data ended. It is read from a file that their scripts may
// write, too.
type Result struct {
	Failures []Failure `json:"failures,omitempty"`
}

// Failure is a part of the user data that failed, or had no effect.
type Failure struct {
	Part string `json:"part"`
	Exit int    `json:"exit"` // exit status, 128 and more after a signal; 0 if it was not run
	Last string `json:"last"` // the last line that it wrote, or why it had no effect
}

// boot runs the user data once, says how they ended, and goes on as the first
// process for as long as something that they began runs.
func (w *world) boot(ctx context.Context) error {
	out, err := os.OpenFile(w.file(OutputFile), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		return err
	}
	defer func() { _ = out.Close() }()
	if err := w.record(w.runAll(ctx, out)); err != nil {
		return err
	}
	return reap()
}

// record says how they ended, whole.
func (w *world) record(r Result) error {
	b, err := json.Marshal(r)
	if err != nil {
		return err
	}
	path := w.file(ResultFile)
	if err := os.WriteFile(path+".new", b, 0o644); err != nil {
		return err
	}
	return os.Rename(path+".new", path)
}

// reap takes in whatever ends until nothing is left.
func reap() error {
	for {
		_, err := unix.Wait4(-1, nil, 0, nil)
		switch {
		case errors.Is(err, unix.ECHILD):
			return nil
		case err != nil && !errors.Is(err, unix.EINTR):
			return err
		}
	}
}

// runAll runs the parts one after the other: those for early in the boot first.
// One that fails keeps none of the others from being run.
func (w *world) runAll(ctx context.Context, out *os.File) Result {
	var r Result
	note := func(name string, code int, last string) {
		r.Failures = append(r.Failures, Failure{name, code, last})
	}
	data, err := w.ask(ctx, "/latest/user-data")
	if fault.Is(err, fault.NotFound) {
		return r
	}
	parts, perr := parse([]byte(data))
	if err = errors.Join(err, perr); err != nil {
		fmt.Fprintf(out, "cloud-init: Failed to read user data: %v\n", err)
		note("user data", 0, err.Error())
	}
	slices.SortStableFunc(parts, func(a, b part) int { return order(a) - order(b) })
	for _, p := range parts {
		if p.kind != kindScript && p.kind != kindBoothook {
			why := unhandled(p)
			fmt.Fprintln(out, "cloud-init: "+why)
			note(p.name, 0, why)
			continue
		}
		if code, last := w.script(ctx, p, out); code != 0 {
			fmt.Fprintf(out, "cloud-init: Failed running /%s/%s [%d]\n", scriptsDir, p.name, code)
			note(p.name, code, last)
		}
	}
	return r
}

func order(p part) int {
	if p.kind == kindBoothook {
		return 0
	}
	return 1
}

// unhandled says what of a part has no effect.
func unhandled(p part) string {
	first, _, _ := strings.Cut(string(bytes.TrimSpace(p.content)), "\n")
	if p.kind == kindUnknown {
		return fmt.Sprintf("Unhandled non-multipart (%s) userdata: '%.60s'", kindUnknown, first)
	}
	lacks := ""
	if p.kind == "text/cloud-config" {
		lacks = ": " + strings.Join(modules(p.content), ", ")
	}
	return fmt.Sprintf("%s is %s, which this instance does not have: it runs scripts only%s", p.name, p.kind, lacks)
}

// modules are the keys of a configuration for cloud-init.
func modules(config []byte) []string {
	var out []string
	for line := range strings.Lines(string(config)) {
		if key, _, ok := strings.Cut(line, ":"); ok && key != "" && !strings.ContainsAny(key[:1], " \t#-\"'{[") {
			out = append(out, key)
		}
	}
	return out
}

// Exit statuses of what could not be run, as shells have them.
const (
	notFound = 127
	notRun   = 126
)

// script runs one part; last is the last line that it wrote.
func (w *world) script(ctx context.Context, p part, out *os.File) (code int, last string) {
	path := filepath.Join(w.file(scriptsDir), p.name)
	content := p.content
	if p.kind == kindBoothook {
		_, content, _ = bytes.Cut(content, []byte("\n"))
	}
	if err := os.WriteFile(path, content, 0o700); err != nil {
		return notRun, err.Error()
	}
	began, _ := out.Seek(0, io.SeekEnd) // a log that cannot be sought has no last line
	cmd := exec.CommandContext(ctx, path)
	cmd.Dir, cmd.Stdout, cmd.Stderr = w.root, out, out
	err := cmd.Run()
	var exit *exec.ExitError
	switch {
	case errors.As(err, &exit):
		return status(exit), lastLine(out.Name(), began)
	case errors.Is(err, os.ErrNotExist):
		return notFound, err.Error()
	case err != nil:
		return notRun, err.Error()
	}
	return 0, ""
}

// status is how a process ended, as a shell says it.
func status(e *exec.ExitError) int {
	if ws, ok := e.Sys().(syscall.WaitStatus); ok && ws.Signaled() {
		return 128 + int(ws.Signal())
	}
	return e.ExitCode()
}

// tail is how much of an output is looked through for its last line.
const tail = 4 << 10

// lastLine is the last line of a file behind a place in it.
func lastLine(path string, began int64) string {
	f, err := os.Open(path)
	if err != nil {
		return ""
	}
	defer func() { _ = f.Close() }()
	end, err := f.Seek(0, io.SeekEnd)
	if err != nil {
		return ""
	}
	b := make([]byte, max(0, min(end-began, tail))) // a script may have cut the file
	n, _ := f.ReadAt(b, end-int64(len(b)))          // what was read of it
	lines := strings.Split(strings.TrimSpace(string(b[:n])), "\n")
	return lines[len(lines)-1]
}
