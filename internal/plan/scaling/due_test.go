package scaling_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"berth/internal/model"
	"berth/internal/plan/scaling"
)

func TestDue(t *testing.T) {
	day := time.Date(2026, 8, 3, 0, 0, 0, 0, time.UTC) // a Monday
	action := func(name, schedule string, edit ...func(*model.ScheduledAction)) model.ScheduledAction {
		a := model.ScheduledAction{Name: name, Schedule: schedule, CreatedAt: day}
		for _, f := range edit {
			f(&a)
		}
		return a
	}
	starts := func(h int) func(*model.ScheduledAction) {
		return func(a *model.ScheduledAction) { a.StartAt = day.Add(time.Duration(h) * time.Hour) }
	}
	ends := func(h int) func(*model.ScheduledAction) {
		return func(a *model.ScheduledAction) { a.EndAt = day.Add(time.Duration(h) * time.Hour) }
	}
	last := func(h int) func(*model.ScheduledAction) {
		return func(a *model.ScheduledAction) { a.LastAt = day.Add(time.Duration(h) * time.Hour) }
	}
	up, down := action("up", "cron(0 8 ? * MON-FRI *)"), action("down", "cron(0 18 ? * MON-FRI *)")
	for name, c := range map[string]struct {
		actions []model.ScheduledAction
		after   time.Duration
		runs    []string
		next    string
	}{
		"before the first": {[]model.ScheduledAction{up, down}, 7 * time.Hour, nil, "Mon 08:00"},
		"at the moment":    {[]model.ScheduledAction{up, down}, 8 * time.Hour, []string{"up Mon 08:00"}, "Mon 18:00"},
		"both were missed, in order": {
			[]model.ScheduledAction{down, up}, 20 * time.Hour, []string{"up Mon 08:00", "down Mon 18:00"}, "Tue 08:00",
		},
		"a fortnight was jumped over": {
			[]model.ScheduledAction{up, down}, 14*24*time.Hour + 9*time.Hour, []string{"down Fri 18:00", "up Mon 08:00"}, "Mon 18:00",
		},
		"it has run": {
			[]model.ScheduledAction{action("up", "cron(0 8 ? * MON-FRI *)", last(8))}, 9 * time.Hour, nil, "Tue 08:00",
		},
		"once": {
			[]model.ScheduledAction{action("at", "at(2026-08-03T08:00:00)")}, 9 * time.Hour, []string{"at Mon 08:00"}, "",
		},
		"once, and it has run": {[]model.ScheduledAction{action("at", "at(2026-08-03T08:00:00)", last(8))}, 9 * time.Hour, nil, ""},
		"a rate from its creation": {
			[]model.ScheduledAction{action("r", "rate(6 hours)")}, 7 * time.Hour, []string{"r Mon 06:00"}, "Mon 12:00",
		},
		"a rate with a start": {
			[]model.ScheduledAction{action("r", "rate(6 hours)", starts(5))}, 5 * time.Hour, []string{"r Mon 05:00"}, "Mon 11:00",
		},
		"a start comes first": {
			[]model.ScheduledAction{action("s", "cron(0 8 ? * MON-FRI *)", starts(3))}, 4 * time.Hour, []string{"s Mon 03:00"}, "Mon 08:00",
		},
		"an end": {
			[]model.ScheduledAction{action("e", "cron(0 8 ? * MON-FRI *)", ends(24))}, 20 * time.Hour, []string{"e Mon 08:00"}, "",
		},
		"every second, for a year": {
			[]model.ScheduledAction{action("x", "cron(* * * * * ? *)")}, 365 * 24 * time.Hour, []string{"x Tue 00:00"}, "Tue 00:00",
		},
	} {
		runs, next, ok := scaling.Due(c.actions, day.Add(c.after))
		var got []string
		for _, r := range runs {
			got = append(got, fmt.Sprint(r.Action.Name, " ", r.At.Format("Mon 15:04")))
		}
		if d := cmp.Diff(c.runs, got); d != "" {
			t.Errorf("%s: %s", name, d)
		}
		if ok != (c.next != "") || ok && next.Format("Mon 15:04") != c.next {
			t.Errorf("%s: next %s, %t", name, next, ok)
		}
	}
}
