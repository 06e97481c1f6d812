package disktest

import (
	"slices"
	"strings"
	"sync"
)

// Warnings are what a database warned of, which it does from whatever goroutine
// finds the damage, and until it is closed.
type Warnings struct {
	mu  sync.Mutex
	all []string
}

// Add takes a warning.
func (w *Warnings) Add(text string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.all = append(w.all, text)
}

// All is what was warned of so far.
func (w *Warnings) All() []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.Clone(w.all)
}

// Text is All, a line each.
func (w *Warnings) Text() string { return strings.Join(w.All(), "\n") }
