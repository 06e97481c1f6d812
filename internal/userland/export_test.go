package userland

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"

	"berth/internal/clock"
)

// Subject is a world of a test: a folder as root, and servers that play the metadata
// service and CloudFormation.
type Subject struct {
	Root, Metadata, Path string
	Client               *http.Client
}

// Run runs a command, and returns its exit status and what it wrote.
func (s Subject) Run(ctx context.Context, name string, args ...string) (code int, text string) {
	var out bytes.Buffer
	w := &world{root: s.Root, metadata: s.Metadata, out: &out, err: &out, http: s.Client, clock: clock.Real(ctx), path: s.Path}
	err := w.main(ctx, name, args)
	var exit ExitError
	switch {
	case errors.As(err, &exit):
		return exit.ExitCode(), out.String()
	case err != nil:
		return -1, err.Error()
	}
	return 0, out.String()
}

// UserData runs the user data that the metadata service has.
func (s Subject) UserData(ctx context.Context) (Result, string, error) {
	path := filepath.Join(s.Root, OutputFile)
	f, err := os.Create(path)
	if err != nil {
		return Result{}, "", err
	}
	w := &world{root: s.Root, metadata: s.Metadata, http: s.Client, clock: clock.Real(ctx), path: s.Path}
	r := w.runAll(ctx, f)
	text, err := os.ReadFile(path)
	return r, string(text), errors.Join(err, f.Close(), w.record(r))
}

// Kinds parses user data and shows the kinds of their parts.
func Kinds(data []byte) (string, error) {
	parts, err := parse(data)
	out := ""
	for _, p := range parts {
		out += fmt.Sprintf("%s %s %q;", p.name, p.kind, p.content)
	}
	return out, err
}
