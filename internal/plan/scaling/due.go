package scaling

import (
	"cmp"
	"slices"
	"time"

	"berth/internal/lang/schedule"
	"berth/internal/model"
)

// Run is a scheduled action that is due.
type Run struct {
	Action model.ScheduledAction
	At     time.Time // when it fell due
}

// Due finds the actions of one target that have fallen due, in the order in
// which they did, and when the next one will; ok is false if none will. An
// action that fell due several times since its last run runs once.
func Due(actions []model.ScheduledAction, now time.Time) (runs []Run, next time.Time, ok bool) {
	for _, a := range actions {
		last, after, more := occurrences(a, now)
		if !last.IsZero() {
			runs = append(runs, Run{a, last})
		}
		if more && (!ok || after.Before(next)) {
			next, ok = after, true
		}
	}
	slices.SortFunc(runs, func(x, y Run) int {
		return cmp.Or(x.At.Compare(y.At), x.Action.CreatedAt.Compare(y.Action.CreatedAt), cmp.Compare(x.Action.Name, y.Action.Name))
	})
	return runs, next, ok
}

// occurrences finds the last moment up to now at which an action fell due and
// has not run, and the first one after now.
func occurrences(a model.ScheduledAction, now time.Time) (last, next time.Time, more bool) {
	zone, err := schedule.Zone(a.Timezone)
	if err != nil {
		return last, next, false
	}
	s, err := parse(a, zone)
	if err != nil {
		return last, next, false // the API took it, so it was a schedule then
	}
	from := a.CreatedAt
	if a.LastAt.After(from) {
		from = a.LastAt
	}
	// Of a schedule that is due every second, a jump of a year has millions of
	// moments: the last is looked for near the end first.
	for _, back := range []time.Duration{time.Hour, 24 * time.Hour, 31 * 24 * time.Hour, now.Sub(from)} {
		start := from
		if near := now.Add(-back); near.After(from) {
			start = near
		}
		if last, next, more = walk(a, s, start, now); !last.IsZero() {
			break
		}
	}
	return last, next, more
}

// parse reads an action's schedule.
func parse(a model.ScheduledAction, zone *time.Location) (schedule.Schedule, error) {
	switch {
	case a.Once():
		return schedule.At(a.StartAt), nil
	case a.OfGroup():
		return schedule.Recurrence(a.Schedule, zone)
	}
	return schedule.Parse(a.Schedule, zone)
}

// Next is when an action is due next; ok is false if it never is.
func Next(a model.ScheduledAction, now time.Time) (next time.Time, ok bool) {
	_, next, ok = occurrences(a, now)
	return next, ok
}

// walk is occurrences from a moment on.
func walk(a model.ScheduledAction, s schedule.Schedule, from, now time.Time) (last, next time.Time, more bool) {
	for {
		at, ok := occurrence(a, s, from)
		if !ok || !a.EndAt.IsZero() && at.After(a.EndAt) {
			return last, next, false
		}
		if at.After(now) {
			return last, at, true
		}
		last, from = at, at
	}
}

// occurrence is the first moment after another at which an action is due. An
// action with a start is due at its start, and by its schedule thereafter.
func occurrence(a model.ScheduledAction, s schedule.Schedule, after time.Time) (time.Time, bool) {
	anchor := a.CreatedAt
	if !a.StartAt.IsZero() && !s.Once() {
		if a.StartAt.After(after) {
			return a.StartAt, true
		}
		anchor = a.StartAt
	}
	return s.Next(after, anchor)
}
