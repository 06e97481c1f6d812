package control_test

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"time"

	"berth/internal/clock"
	"berth/internal/control"
	"berth/internal/store"
)

type rec struct {
	ID string
	N  int
}

var recs = store.NewTable("rec", func(r rec) rec { return r }, func(r rec) string { return r.ID })

type loop struct {
	name string
	ran  []string
	do   func(control.Request) (control.Result, error)
}

func (l *loop) Name() string { return l.name }

func (l *loop) Wake() store.Rules {
	return store.Rules{store.OnAny(recs, "the record", func(r *rec) string { return r.ID })}
}

func (l *loop) Reconcile(_ context.Context, r control.Request) (control.Result, error) {
	l.ran = append(l.ran, r.Key)
	return l.do(r)
}

func world(t *testing.T, ls ...control.Controller) (*store.DB, *clock.Stepped, *control.Engine) {
	t.Helper()
	db, err := store.Open(t.Context(), store.NewMemory(), recs)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := db.Update(t.Context(), nil, func(tx *store.Tx) error { return recs.Put(tx, rec{ID: "old"}) }); err != nil {
		t.Fatal(err)
	}
	c := clock.NewStepped(time.Unix(1_000_000, 0))
	e := control.New(db, c, slog.New(slog.DiscardHandler), ls...)
	e.Begin(t.Context(), true)
	e.Open()
	return db, c, e
}

func settle(t *testing.T, e *control.Engine) int {
	t.Helper()
	n, err := e.Settle(t.Context(), 1000)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func TestARecordThatIsThereWakesItsLoopOnce(t *testing.T) {
	l := &loop{name: "l", do: func(control.Request) (control.Result, error) { return control.Result{}, nil }}
	_, _, e := world(t, l)
	settle(t, e)
	if !slices.Equal(l.ran, []string{"old"}) {
		t.Errorf("ran %v", l.ran)
	}
	if n := settle(t, e); n != 0 {
		t.Errorf("settled twice, and %d keys ran again", n)
	}
}

func TestAfterLooksAgainAtItsMomentAndNotBefore(t *testing.T) {
	l := &loop{name: "l", do: func(control.Request) (control.Result, error) { return control.Result{After: time.Minute}, nil }}
	_, c, e := world(t, l)
	settle(t, e)
	c.Advance(59 * time.Second)
	if settle(t, e); len(l.ran) != 1 {
		t.Fatalf("ran %d times within the minute", len(l.ran))
	}
	c.Advance(time.Second)
	if settle(t, e); len(l.ran) != 2 {
		t.Fatalf("ran %d times after the minute", len(l.ran))
	}
}

func TestAFailureIsTriedAgainAndAConflictAtOnce(t *testing.T) {
	fails := 3
	l := &loop{name: "l", do: func(control.Request) (control.Result, error) {
		if fails--; fails >= 0 {
			return control.Result{}, errors.New("not yet")
		}
		return control.Result{}, nil
	}}
	_, c, e := world(t, l)
	for range 10 {
		settle(t, e)
		c.Advance(10 * time.Second)
	}
	if len(l.ran) != 4 {
		t.Errorf("ran %d times, want three failures and a success", len(l.ran))
	}
}

func TestAFailureIsLoggedWhenItBeginsWhenItChangesAndWhenItEnds(t *testing.T) {
	var log strings.Builder
	causes := []string{"dark", "dark", "cold", "cold", "cold", ""}
	l := &loop{name: "l", do: func(control.Request) (control.Result, error) {
		cause := causes[0]
		if causes = causes[1:]; cause == "" {
			return control.Result{}, nil
		}
		return control.Result{}, errors.New(cause)
	}}
	db, c, _ := world(t)
	e := control.New(db, c, slog.New(slog.NewTextHandler(&log, nil)), l)
	e.Begin(t.Context(), true)
	e.Open()
	for range 6 {
		settle(t, e)
		c.Advance(30 * time.Second)
	}
	var got []string
	for line := range strings.Lines(log.String()) {
		_, line, _ = strings.Cut(line, "msg=")
		got = append(got, strings.TrimSpace(line))
	}
	want := []string{
		`"reconcile failed" controller=l key=old fails=1 retry_in=500ms error=dark`,
		`"reconcile failed" controller=l key=old fails=3 retry_in=2s error=cold`,
		`"reconcile works again" controller=l key=old fails=5`,
	}
	if !slices.Equal(got, want) {
		t.Errorf("logged %q", got)
	}
}

// A try whose job is out has not worked yet: the wait goes on growing.
func TestAJobThatFailsAgainAndAgainWaitsLonger(t *testing.T) {
	var e *control.Engine
	l := &loop{name: "l"}
	l.do = func(r control.Request) (control.Result, error) {
		if _, err, _, done := e.Jobs().Take("job"); done && err != nil {
			return control.Result{}, err
		}
		e.Jobs().Start("l", r.Key, "job", func(context.Context) (any, error) { return nil, errors.New("no") })
		return control.Result{}, nil
	}
	_, c, e2 := world(t)
	e = e2
	e.Add(l)
	e.Kick("l", "k")
	settle(t, e)
	for range 8 {
		next, _ := e.NextDue()
		c.Advance(next.Sub(c.Now()))
		settle(t, e)
	}
	if next, _ := e.NextDue(); next.Sub(c.Now()) != 30*time.Second {
		t.Errorf("after nine failures it waits %v", next.Sub(c.Now()))
	}
}

func TestAJobWakesItsLoopWithTheResult(t *testing.T) {
	var e *control.Engine
	var got any
	l := &loop{name: "l"}
	l.do = func(r control.Request) (control.Result, error) {
		j := e.Jobs()
		if res, err, running, ok := j.Take("job"); ok {
			got = res
			return control.Result{}, err
		} else if !running && got == nil {
			j.Start("l", r.Key, "job", func(context.Context) (any, error) { return 42, nil })
		}
		return control.Result{}, nil
	}
	_, _, e = world(t, l)
	settle(t, e)
	if got != 42 {
		t.Errorf("the loop saw %v", got)
	}
}

func TestAPanicIsAFailureOfOneKey(t *testing.T) {
	l := &loop{name: "l", do: func(control.Request) (control.Result, error) { panic("broken") }}
	_, _, e := world(t, l)
	settle(t, e)
	if len(l.ran) != 1 {
		t.Errorf("ran %v", l.ran)
	}
}
