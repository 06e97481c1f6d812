package cli

import (
	"fmt"
	"sync"
	"time"
)

// spinner turns while something is under way.
var spinner = []rune("⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏")

// busy shows on a terminal that something is under way, from the first half
// second on, until it is told "": every other text replaces the first.
func (a *app) busy(text string) (say func(text string)) {
	if !terminal(a.note) {
		return func(string) {}
	}
	texts, gone := make(chan string), make(chan struct{})
	began := time.Now()
	go func() {
		defer close(gone)
		t := time.NewTicker(100 * time.Millisecond)
		defer t.Stop()
		for tick := 0; ; tick++ {
			select {
			case s := <-texts:
				if s == "" {
					a.clear()
					return
				}
				text = s
			case <-t.C:
				if time.Since(began) > 500*time.Millisecond {
					fmt.Fprint(a.note, "\r\x1b[K"+clip(fmt.Sprintf("%c %6s  %s", spinner[tick%len(spinner)], took(began), text), width(a.note)-1))
				}
			}
		}
	}()
	var once sync.Once
	return func(s string) {
		select {
		case <-gone:
		case texts <- s:
			if s == "" {
				once.Do(func() { <-gone })
			}
		}
	}
}

// clear takes away the line of what is under way.
func (a *app) clear() {
	if terminal(a.note) {
		fmt.Fprint(a.note, "\r\x1b[K")
	}
}
