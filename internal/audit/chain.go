package audit

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"hash/crc32"
	"os"
	"path/filepath"
	"slices"
	"strconv"
)

// A line of a file is the sum of what is before it and of its event, and the
// event: so a line that was changed is told, and one that is missing, of all but
// the newest. Lines of servers that wrote no sums have none.

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// sumAfter is the sum of a line with an event, after a line with the sum last.
func sumAfter(last string, event []byte) string {
	sum := crc32.Update(crc32.Checksum([]byte(last), castagnoli), castagnoli, event)
	return fmt.Sprintf("%08x", sum)
}

// split parts a line into its sum, if it has one, and its event.
func split(line []byte) (sum string, event []byte) {
	const size = 8
	if len(line) > size && line[size] == ' ' {
		if _, err := strconv.ParseUint(string(line[:size]), 16, 32); err == nil {
			return string(line[:size]), line[size+1:]
		}
	}
	return "", line
}

// lastSum is the sum that the next line goes on from: that of the last whole
// line.
func lastSum(text []byte) (sum string) {
	for line := range bytes.Lines(text) {
		if s, event := split(bytes.TrimSuffix(line, []byte{'\n'})); s != "" && json.Valid(event) {
			sum = s
		}
	}
	return sum
}

// Verify calls fn with a sentence for what of a folder's log was changed or is
// missing, and returns how many events there are. Nothing tells that the newest
// lines or the newest file were removed, or that the oldest line was changed after
// those before it were removed for their age.
func Verify(ctx context.Context, dir string, fn func(problem string)) (events int, err error) {
	names, err := filepath.Glob(filepath.Join(dir, "*.jsonl"))
	if err != nil {
		return 0, err
	}
	slices.Sort(names)
	if len(names) > 0 && len(names) < mostFiles && filepath.Base(names[0]) != nameOf(1) {
		fn("files before " + names[0] + " are missing")
	}
	c := checker{fn: fn, begun: len(names) > 0 && filepath.Base(names[0]) == nameOf(1)}
	for _, name := range names {
		b, err := os.ReadFile(name)
		if err == nil {
			err = ctx.Err()
		}
		if err != nil {
			return c.events, err
		}
		for line := range bytes.Lines(b) {
			c.line(name, line)
		}
	}
	c.flush()
	return c.events, nil
}

// checker goes over lines.
type checker struct {
	fn     func(string)
	events int
	begun  bool   // it is known what the next line goes on from
	last   string // the sum of that; "": there is none before
	odd    string // what is to be said of a line that does not go on from it
	oddSum string // and its own
}

func (c *checker) line(name string, line []byte) {
	whole := bytes.HasSuffix(line, []byte{'\n'})
	sum, event := split(bytes.TrimSuffix(line, []byte{'\n'}))
	valid := json.Valid(event)
	switch {
	case len(event) == 0:
		return
	case sum == "" && valid && c.last == "", sum != "" && valid && (!c.begun || sum == sumAfter(c.last, event)):
		c.odd = "" // a line before that a killed process left unfinished
	case c.odd != "" && sum != "" && sum == sumAfter(c.oddSum, event):
		c.fn(c.odd)
		c.odd = ""
	case !whole:
		return // as a killed process leaves it
	default:
		c.flush()
		c.odd, c.oddSum = fmt.Sprintf("%s: the line %.60q was changed, or lines before it are missing", name, line), sum
		return
	}
	c.events++
	if sum != "" {
		c.begun, c.last = true, sum
	}
}

func (c *checker) flush() {
	if c.odd != "" {
		c.fn(c.odd)
		c.last, c.odd = c.oddSum, ""
	}
}

func nameOf(n int) string { return fmt.Sprintf("%010d.jsonl", n) }
