package main

import (
	"encoding/xml"
	"fmt"
	"io"
	"slices"
	"strings"
)

// The size of a cell, and of the frame around all.
const (
	cellWidth  = 8.0
	lineHeight = 18
	frame      = 16
)

var colours = map[int]string{31: "#ff7b72", 32: "#7ee787", 33: "#e3b341", 34: "#79c0ff", 36: "#76e3ea"}

// draw writes the screen as an SVG picture below a prompt with the command.
// Each run of letters is told its width, so that any monospaced font fits.
func draw(w io.Writer, command string, s *screen) error {
	lines := s.lines
	for len(lines) > 0 && blank(lines[len(lines)-1]) {
		lines = lines[:len(lines)-1]
	}
	prompt := []cell{{r: '$'}, {r: ' '}}
	for _, r := range command {
		prompt = append(prompt, cell{r, style{bold: true}})
	}
	all := append([][]cell{prompt}, lines...)
	var b strings.Builder
	const fonts = "ui-monospace,SFMono-Regular,Menlo,Consolas,DejaVu Sans Mono,monospace"
	fmt.Fprintf(&b, `<svg xmlns="http://www.w3.org/2000/svg" width="%g" height="%d" font-family="`+fonts+`" font-size="13">`+"\n",
		float64(s.cols)*cellWidth+2*frame, len(all)*lineHeight+2*frame-4)
	b.WriteString(`<rect width="100%" height="100%" rx="8" fill="#0d1117"/>` + "\n")
	for y, line := range all {
		for x := 0; x < len(line); {
			n := run(line[x:])
			if text := letters(line[x : x+n]); strings.TrimSpace(text) != "" {
				fmt.Fprintf(&b, `<text x="%g" y="%d"%s xml:space="preserve" textLength="%g" lengthAdjust="spacingAndGlyphs">%s</text>`+"\n",
					frame+float64(x)*cellWidth, frame+13+y*lineHeight, look(line[x].style), float64(n)*cellWidth, escaped(text))
			}
			x += n
		}
	}
	b.WriteString("</svg>\n")
	_, err := io.WriteString(w, b.String())
	return err
}

func blank(line []cell) bool {
	return !slices.ContainsFunc(line, func(c cell) bool { return c.r != ' ' })
}

// run is how many cells from the first on look alike and belong together: one
// or more spaces end it, so that no renderer may squeeze them.
func run(line []cell) int {
	n := 1
	for n < len(line) && line[n].style == line[0].style && (line[n].r != ' ') == (line[0].r != ' ') {
		n++
	}
	return n
}

func letters(line []cell) string {
	var b strings.Builder
	for _, c := range line {
		b.WriteRune(c.r)
	}
	return b.String()
}

func look(s style) string {
	fill := colours[s.color]
	switch {
	case fill != "":
	case s.dim:
		fill = "#8b949e"
	default:
		fill = "#e6edf3"
	}
	out := ` fill="` + fill + `"`
	if s.bold {
		out += ` font-weight="bold"`
	}
	return out
}

func escaped(text string) string {
	var b strings.Builder
	_ = xml.EscapeText(&b, []byte(text)) // a builder takes anything
	return b.String()
}
