package function

import (
	"bytes"
	"encoding/json"
	"os"
	"strings"
	"sync"
)

// mark begins a line that our bootstraps write on both streams when a call's
// output is complete.
const mark = "\x1e"

// maxMarks are kept at most: an environment has one call at a time, and those
// of calls that were given up may be there still.
const maxMarks = 64

// output reads the lines that an environment's container has written.
type output struct {
	mu    sync.Mutex
	path  string
	f     *os.File
	rest  []byte
	marks map[string]int // of a request id: streams that were complete
}

func newOutput(path string) *output { return &output{path: path, marks: map[string]int{}} }

// lines returns what has come since the last time.
func (o *output) lines() []string {
	o.mu.Lock()
	defer o.mu.Unlock()
	var out []string
	for {
		if o.f == nil {
			f, err := os.Open(o.path)
			if err != nil {
				return out
			}
			o.f = f
		}
		out = append(out, o.read()...)
		if !o.rotated() {
			return out
		}
		out = append(out, o.read()...) // what came between the two looks
		_ = o.f.Close()
		o.f, o.rest = nil, nil
	}
}

// rotated reports whether the path has become another file.
func (o *output) rotated() bool {
	mine, err := o.f.Stat()
	if err != nil {
		return false
	}
	now, err := os.Stat(o.path)
	return err == nil && !os.SameFile(mine, now)
}

func (o *output) read() []string {
	var out []string
	buf := make([]byte, 32<<10)
	for {
		n, err := o.f.Read(buf)
		o.rest = append(o.rest, buf[:n]...)
		for {
			i := bytes.IndexByte(o.rest, '\n')
			if i < 0 {
				break
			}
			if text, ok := o.text(o.rest[:i]); ok {
				out = append(out, text)
			}
			o.rest = o.rest[i+1:]
		}
		if err != nil || n == 0 {
			return out
		}
	}
}

// text is a log line's message; marks are counted and taken out.
func (o *output) text(line []byte) (string, bool) {
	var l struct{ M string }
	if json.Unmarshal(line, &l) != nil {
		return "", false
	}
	text, id, marked := strings.Cut(l.M, mark)
	if marked {
		if o.marks[id]++; len(o.marks) > maxMarks {
			o.marks = map[string]int{id: o.marks[id]} // a function that writes marks of its own harms itself
		}
	}
	return text, !marked || text != ""
}

// complete reports whether both streams have said that a call is over.
func (o *output) complete(id string) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.marks[id] < 2 {
		return false
	}
	clear(o.marks) // what others there are is of calls that were given up
	return true
}

func (o *output) close() {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.f != nil {
		_ = o.f.Close()
		o.f = nil
	}
}
