package clock_test

import (
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"berth/internal/clock"
)

func TestASteppedClockFiresInOrderAndAtItsOwnMoment(t *testing.T) {
	c := clock.NewStepped(time.Unix(0, 0))
	var got []time.Duration
	note := func() { got = append(got, c.Now().Sub(time.Unix(0, 0))) }
	c.AfterFunc(3*time.Second, note)
	c.AfterFunc(time.Second, func() { note(); c.AfterFunc(time.Second, note) })
	stopped := c.AfterFunc(2*time.Second, note)
	stopped.Stop()
	c.Advance(10 * time.Second)
	if want := []time.Duration{time.Second, 2 * time.Second, 3 * time.Second}; !slices.Equal(got, want) {
		t.Errorf("fired at %v, want %v", got, want)
	}
}

func TestARunningClockRunsAtItsSpeed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		start := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
		c := clock.NewRunning(t.Context(), start, 60)
		before := time.Now()
		if err := clock.Sleep(t.Context(), c, time.Hour); err != nil {
			t.Fatal(err)
		}
		if real := time.Since(before).Round(time.Second); real != time.Minute {
			t.Errorf("an hour at 60 times took %v", real)
		}
		c.SetSpeed(1)
		at := c.Now()
		time.Sleep(time.Second)
		if d := c.Now().Sub(at).Round(time.Millisecond); d != time.Second {
			t.Errorf("at speed 1 a second is %v", d)
		}
	})
}

func TestAdvanceRunsWhatFallsDueInBetween(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		start := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
		c := clock.NewRunning(t.Context(), start, 1)
		var days []int
		var daily func()
		daily = func() {
			days = append(days, int(c.Now().Sub(start).Hours()/24+0.5))
			c.AfterFunc(24*time.Hour, daily)
		}
		c.AfterFunc(24*time.Hour, daily)
		c.Advance(14*24*time.Hour+time.Minute, func(time.Time) { synctest.Wait() })
		synctest.Wait()
		if len(days) != 14 || days[13] != 14 {
			t.Errorf("fired on days %v", days)
		}
	})
}
