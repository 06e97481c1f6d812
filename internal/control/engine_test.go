package control_test

import (
	"context"
	"errors"
	"log/slog"
	"slices"
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

func (l *loop) Wake(c store.Change) []string { return []string{c.Key} }

func (l *loop) Reconcile(_ context.Context, r control.Request) (control.Result, error) {
	l.ran = append(l.ran, r.Key)
	return l.do(r)
}

func world(t *testing.T, ls ...control.Loop) (*store.DB, *clock.Stepped, *control.Engine) {
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
