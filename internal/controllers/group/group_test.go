package group_test

import (
	"context"
	"log/slog"
	"testing"
	"time"

	"berth/internal/control"
	"berth/internal/controllers/group"
	"berth/internal/model"
	"berth/internal/series"
	"berth/internal/state"
	"berth/internal/store"
)

func TestWhatWakesTheController(t *testing.T) {
	for name, c := range map[string]struct {
		change store.Change
		want   int
	}{
		"a group":               {state.AutoScalingGroups.Change(nil, &model.AutoScalingGroup{Name: "g"}), 1},
		"an activity":           {state.GroupActivities.Change(nil, &model.GroupActivity{ID: "a", Group: "g"}), 1},
		"one of its instances":  {state.Instances.Change(nil, &model.Instance{ID: "i-1", Group: "g"}), 1},
		"an instance of no one": {state.Instances.Change(nil, &model.Instance{ID: "i-1"}), 0},
	} {
		if got := (group.Controller{}).Wake().Keys(c.change); len(got) != c.want || c.want == 1 && got[0] != "g" {
			t.Errorf("%s wakes %q", name, got)
		}
	}
}

// taken is a Metrics that remembers.
type taken []series.Datum

func (t *taken) Put(_ context.Context, data ...series.Datum) error {
	*t = append(*t, data...)
	return nil
}

// TestMetricsOnceAMinute: only those that the group collects.
//
// Proves: E8
func TestMetricsOnceAMinute(t *testing.T) {
	db, err := state.Open(t.Context(), store.NewMemory(), true)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = db.Close() }()
	if err := db.Update(t.Context(), "api/autoscaling", func(tx *store.Tx) error {
		return state.AutoScalingGroups.Put(tx, model.AutoScalingGroup{Name: "g", Max: 4, Metrics: []string{"GroupMaxSize"}})
	}); err != nil {
		t.Fatal(err)
	}
	var got taken
	l := group.New(group.Deps{DB: db, Series: &got, Log: slog.New(slog.DiscardHandler)})
	now := time.Date(2026, 1, 1, 0, 0, 10, 0, time.UTC)
	for _, c := range []struct{ after, want time.Duration }{
		{0, 50 * time.Second}, {20 * time.Second, 30 * time.Second}, {time.Minute, 30 * time.Second},
	} {
		now = now.Add(c.after)
		r, err := l.Reconcile(t.Context(), control.Request{Key: "g", Now: now})
		if err != nil || r.After != c.want {
			t.Errorf("at %s it looks again after %s: %v", now, r.After, err)
		}
	}
	if len(got) != 2 || got[0].Metric.Name != "GroupMaxSize" || got[0].Set.Sum != 4 {
		t.Errorf("%+v", got)
	}
}
