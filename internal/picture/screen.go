package main

import (
	"strconv"
	"strings"
	"unicode/utf8"
)

// style is how a cell looks: a colour of the eight (30 to 37, 0 is the
// usual one), bold, dim.
type style struct {
	color     int
	bold, dim bool
}

type cell struct {
	r rune
	style
}

// screen is as much of a terminal as Berth's commands use: it scrolls, wraps,
// clears, moves home and to the beginning of the line, and has a second screen.
type screen struct {
	cols, rows int
	lines      [][]cell
	x, y       int
	pen        style
	wrapNext   bool // the last column is full
	rest       []byte
	main       *screen // while the second screen is shown
}

func newScreen(cols, rows int) *screen {
	return &screen{cols: cols, rows: rows, lines: make([][]cell, rows)}
}

// Write takes what a program prints.
func (s *screen) Write(p []byte) (int, error) {
	s.rest = append(s.rest, p...)
	for len(s.rest) > 0 {
		n := s.step(s.rest)
		if n == 0 {
			break // the rest of a letter or of a sequence is to come
		}
		s.rest = s.rest[n:]
	}
	return len(p), nil
}

// step takes one letter or sequence and returns its length, or 0 if it is not
// whole yet.
func (s *screen) step(b []byte) int {
	switch b[0] {
	case '\r':
		s.x, s.wrapNext = 0, false
		return 1
	case '\n':
		s.down()
		return 1
	case '\b':
		s.x = max(s.x-1, 0)
		return 1
	case '\x1b':
		return s.escape(b)
	}
	if !utf8.FullRune(b) {
		return 0
	}
	r, n := utf8.DecodeRune(b)
	if r >= ' ' {
		s.put(r)
	}
	return n
}

func (s *screen) down() {
	s.wrapNext = false
	if s.y++; s.y == s.rows {
		s.lines = append(s.lines[1:], nil)
		s.y--
	}
}

func (s *screen) put(r rune) {
	if s.wrapNext {
		s.down()
		s.x = 0
	}
	line := s.lines[s.y]
	for len(line) <= s.x {
		line = append(line, cell{r: ' '})
	}
	line[s.x] = cell{r, s.pen}
	s.lines[s.y] = line
	if s.x++; s.x == s.cols {
		s.x, s.wrapNext = s.cols-1, true
	}
}

// escape takes a control sequence: ESC [ parameters letter.
func (s *screen) escape(b []byte) int {
	if len(b) < 2 {
		return 0
	}
	if b[1] != '[' {
		return 2
	}
	for i := 2; i < len(b); i++ {
		if c := b[i]; c >= '@' && c <= '~' {
			s.control(c, string(b[2:i]))
			return i + 1
		}
	}
	return 0
}

func (s *screen) control(c byte, arg string) {
	switch {
	case c == 'm':
		s.paint(arg)
	case c == 'K':
		s.cutLine()
	case c == 'J' && arg == "2":
		s.lines = make([][]cell, s.rows)
	case c == 'J':
		s.cutLine()
		for y := s.y + 1; y < s.rows; y++ {
			s.lines[y] = nil
		}
	case c == 'H':
		s.x, s.y, s.wrapNext = 0, 0, false
	case c == 'h' && arg == "?1049":
		was := *s
		*s = *newScreen(s.cols, s.rows)
		s.main, s.rest = &was, was.rest
	case c == 'l' && arg == "?1049" && s.main != nil:
		rest := s.rest
		*s = *s.main
		s.rest = rest
	}
}

func (s *screen) cutLine() {
	s.lines[s.y] = s.lines[s.y][:min(len(s.lines[s.y]), s.x)]
}

func (s *screen) paint(arg string) {
	for _, a := range strings.Split(arg, ";") {
		switch n, _ := strconv.Atoi(a); { // nothing is 0, which is what it means
		case n == 0:
			s.pen = style{}
		case n == 1:
			s.pen.bold = true
		case n == 2:
			s.pen.dim = true
		case n >= 30 && n <= 37:
			s.pen.color = n
		}
	}
}

// text is what the screen shows, without its looks.
func (s *screen) text() string {
	var b strings.Builder
	for _, line := range s.lines {
		for _, c := range line {
			b.WriteRune(c.r)
		}
		b.WriteByte('\n')
	}
	return b.String()
}
