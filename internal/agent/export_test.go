package agent

import "berth/internal/container/image"

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
