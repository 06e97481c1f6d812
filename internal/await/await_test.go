package await_test

import (
	"context"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"berth/internal/await"
)

// limited is a test whose run has some time left, and that keeps its failure.
type limited struct {
	testing.TB
	left  time.Duration
	fatal string
}

func (l *limited) Deadline() (time.Time, bool) { return time.Now().Add(l.left), l.left > 0 }

func (l *limited) Fatalf(format string, args ...any) {
	l.fatal = fmt.Sprintf(format, args...)
	panic(l)
}

// fails runs what ends in Fatalf and returns what it said, and after how long.
func (l *limited) fails(run func()) (said string, after time.Duration) {
	began := time.Now()
	defer func() {
		_ = recover()
		said, after = l.fatal, time.Since(began)
	}()
	run()
	return "", 0
}

func TestAWaitEndsWithWhatItSaw(t *testing.T) {
	looks := 0
	got := await.Value(t, "three", func() (int, bool) { looks++; return looks, looks == 3 })
	if got != 3 {
		t.Errorf("saw %d", got)
	}
	await.True(t, "true", func() bool { return true })
}

func TestAWaitFailsAfterAShareOfTheRun(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for left, want := range map[time.Duration]time.Duration{10 * time.Minute: 75 * time.Second, 0: 5 * time.Minute} {
			l := &limited{TB: t, left: left}
			said, after := l.fails(func() { await.Value(l, "seven", func() (int, bool) { return 6, false }) })
			if said != "never seven; at last: 6" || after.Round(time.Second) != want {
				t.Errorf("with %v left: %q after %v, want %v", left, said, after, want)
			}
		}
	})
}

func TestAContextEndsWithItsTest(t *testing.T) {
	var first, last context.Context
	t.Run("test", func(t *testing.T) {
		t.Cleanup(func() {
			if last = await.Context(t); first.Err() == nil || last.Err() != nil {
				t.Errorf("in a cleanup: %v, a new one %v", first.Err(), last.Err())
			}
		})
		first = await.Context(t)
	})
	if last.Err() == nil {
		t.Error("a context outlives its test")
	}
}
