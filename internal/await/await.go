// Package await waits in tests for what other goroutines and processes do in
// their own time. How long is no guess at a machine's speed but a share of the
// time that the whole run has (go test -timeout), so that a test fails for what
// did not happen and not for what took long. It belongs to tests and holds
// nothing.
package await

import (
	"context"
	"testing"
	"time"
)

const (
	// share of the time left that one wait may take: a run that is stuck says
	// so in several tests before it is ended.
	share = 8
	// endless is for runs without an end (-timeout 0) and benchmarks.
	endless = 5 * time.Minute
	// pause between two looks.
	pause = 2 * time.Millisecond
)

// Limit is how long one wait may take. It bounds nothing but a failure.
func Limit(tb testing.TB) time.Duration {
	if t, ok := tb.(interface{ Deadline() (time.Time, bool) }); ok {
		if end, ok := t.Deadline(); ok {
			return time.Until(end) / share
		}
	}
	return endless
}

// Deadline is the moment at which a wait that begins now has failed, for
// connections that want one.
func Deadline(tb testing.TB) time.Time { return time.Now().Add(Limit(tb)) }

// Context ends with the test, or when a wait that begins now has failed. In a
// cleanup, where the test's own context has ended, it is the wait alone.
func Context(tb testing.TB) context.Context {
	tb.Helper()
	parent := tb.Context()
	if parent.Err() != nil {
		parent = context.WithoutCancel(parent)
	}
	ctx, cancel := context.WithTimeout(parent, Limit(tb))
	tb.Cleanup(cancel)
	return ctx
}

// True looks again and again until ok reports true.
func True(tb testing.TB, what string, ok func() bool) {
	tb.Helper()
	Value(tb, what, func() (struct{}, bool) { return struct{}{}, ok() })
}

// Value looks again and again until look reports true, and returns what it saw
// then. A wait that fails tells what it saw last.
func Value[T any](tb testing.TB, what string, look func() (T, bool)) T {
	tb.Helper()
	limit, again := time.NewTimer(Limit(tb)), time.NewTicker(pause)
	defer limit.Stop()
	defer again.Stop()
	for {
		v, ok := look()
		if ok {
			return v
		}
		select {
		case <-again.C:
		case <-limit.C:
			tb.Fatalf("never %s; at last: %+v", what, v)
		}
	}
}
