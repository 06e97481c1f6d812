package agent

import (
	"context"
	"net"

	"berth/internal/container/image"
)

// Arguments is arguments, for tests.
var Arguments = arguments

// ImageConfig is a short name for tests.
type ImageConfig = image.Config

// Tail reads a log file for tests.
type Tail struct{ t tail }

// NewTail reads path from an offset on.
func NewTail(path string, at int64) *Tail { return &Tail{tail{path: path, at: at}} }

// Lines returns what has come.
func (t *Tail) Lines() ([]string, error) {
	events, next, err := t.t.read()
	t.t.at = next
	var out []string
	for _, e := range events {
		out = append(out, *e.Message)
	}
	return out, err
}

// Close closes the file.
func (t *Tail) Close() { t.t.close() }

// DialTrusted connects as the agent does, to the address at whatever it is
// asked for.
func DialTrusted(caFile, at string) (func(ctx context.Context, network, address string) (net.Conn, error), error) {
	t, err := newTrust(caFile)
	return t.dialer(func(ctx context.Context, network, _ string) (net.Conn, error) {
		var d net.Dialer
		return d.DialContext(ctx, network, at)
	}), err
}
