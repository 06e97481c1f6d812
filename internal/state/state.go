// Package state is the state store: our tables over store, and what guards
// them. It refuses states that go back and, when strict (tests and
// the simulator), writes by a package that does not own the field or the move.
// It decides nothing, waits for nothing and calls nobody.
//
// DB is safe for concurrent use.
package state

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"time"

	"berth/internal/fault"
	"berth/internal/model"
	"berth/internal/store"
)

// DB is the state.
type DB struct {
	*store.DB
	strict bool
}

// Format is the number of the data's format: it grows when the bytes of a
// record change in a way that an older berth, or this one, would misread.
const Format = 9

// format has the steps from each older format. Folders of format 0 are those
// from before there was a number; their records are the same. Format 2 has
// causes beside sentences; what has none is told of without a cure. Format 3
// has what Fargate needs; who has none of it is not on Fargate. Format 4 has
// users, groups and their keys, format 5 the slices of Fargate, format 6 EC2
// instances of the user's own, format 7 how tasks are placed on them, format 8
// launch templates and Auto Scaling groups, format 9 their policies, schedules
// and hooks, and parameters.
var format = store.Format{Number: Format, Steps: make([]store.Step, Format)}

// Open reads the state from kv. A strict DB refuses writes to fields that
// their model tags give to other packages, and moves that model.TaskMoves and
// model.InstanceMoves do not give to the writer.
func Open(ctx context.Context, kv store.KV, strict bool) (*DB, error) {
	db, err := store.OpenFormat(ctx, kv, format, defs()...)
	if err != nil {
		return nil, err
	}
	return &DB{db, strict}, nil
}

// Update runs fn as one durable transaction of the package named writer, for
// example "controllers/task". fn must not block, draw random numbers or tell
// the time: draw ids and take now before.
func (db *DB) Update(ctx context.Context, writer string, fn func(*store.Tx) error) error {
	_, err := db.DB.Update(ctx, func(table string, old, updated any) error {
		if err := moves(old, updated); err != nil {
			return fmt.Errorf("%s writes %s: %w", writer, table, err)
		}
		if db.strict {
			if err := errors.Join(owned(writer, old, updated), moved(writer, old, updated)); err != nil {
				return fmt.Errorf("%s writes %s: %w", writer, table, err)
			}
		}
		return nil
	}, fn)
	return err
}

// Note records a decision at the given time.
func Note(tx *store.Tx, at time.Time, d model.Decision) error {
	last, _ := Decisions.Last(tx)
	d.Seq, d.At = last.Seq+1, at
	return Decisions.Put(tx, d)
}

// MaxServiceEvents is how many events a service keeps (docs/facts/deployments.md D111).
const MaxServiceEvents = 100

// CauseOf is what a record keeps of an error beside its sentence.
func CauseOf(err error) model.Cause {
	return model.Cause{Code: fault.CodeOf(err), Facts: fault.FactsOf(err)}
}

// ServiceEvent adds an event to a service, newest first, and drops it if it
// repeats the newest one.
func ServiceEvent(s *model.Service, e model.ServiceEvent) {
	if len(s.Events) > 0 && s.Events[0].Message == e.Message {
		return
	}
	s.Events = append([]model.ServiceEvent{e}, s.Events...)
	if len(s.Events) > MaxServiceEvents {
		s.Events = s.Events[:MaxServiceEvents]
	}
}

var goals = []model.Goal{model.GoalRun, model.GoalDrain, model.GoalTerminate}
var machines = []model.InstanceState{model.InstancePending, model.InstanceRunning, model.InstanceShuttingDown, model.InstanceTerminated}

// moves refuses a state that goes backwards.
func moves(old, updated any) error {
	switch n := updated.(type) {
	case *model.Task:
		o, _ := old.(*model.Task)
		if o == nil {
			return nil
		}
		if n.LastStatus.Before(o.LastStatus) {
			return fault.New(fault.Internal, "", "task %s moves backwards from %s to %s", n.ID, o.LastStatus, n.LastStatus)
		}
		if o.DesiredStatus == model.TaskStopped && n.DesiredStatus != model.TaskStopped {
			return fault.New(fault.Internal, "", "task %s is asked to run again", n.ID)
		}
		if o.Instance != "" && n.Instance != o.Instance {
			return fault.New(fault.Internal, "", "task %s changes its instance", n.ID)
		}
	case *model.Instance:
		o, _ := old.(*model.Instance)
		if o == nil {
			return nil
		}
		if slices.Index(goals, n.Goal) < slices.Index(goals, o.Goal) && (o.Goal != model.GoalDrain || n.Goal != model.GoalRun) {
			return fault.New(fault.Internal, "", "instance %s goes back from %s to %s", n.ID, o.Goal, n.Goal)
		}
		if slices.Index(machines, n.State) < slices.Index(machines, o.State) {
			return fault.New(fault.Internal, "", "instance %s goes back from %s to %s", n.ID, o.State, n.State)
		}
	}
	return nil
}

// moved refuses a move that is not the writer's.
func moved(writer string, old, updated any) error {
	switch n := updated.(type) {
	case *model.Task:
		if o, ok := old.(*model.Task); ok {
			return mayMove(model.TaskMoves, writer, o.LastStatus, n.LastStatus, n)
		}
	case *model.Instance:
		if o, ok := old.(*model.Instance); ok {
			return mayMove(model.InstanceMoves, writer, o.State, n.State, n)
		}
	}
	return nil
}

func mayMove[S ~string, R any](ms model.Moves[S, R], writer string, from, to S, r R) error {
	if from == to {
		return nil
	}
	switch by := ms.By(from, to, r); by {
	case writer:
		return nil
	case "":
		return fault.New(fault.Internal, "", "there is no move from %s to %s", from, to)
	default:
		return fault.New(fault.Internal, "", "the move from %s to %s belongs to %s", from, to, by)
	}
}

// owned compares the tagged fields of two records.
func owned(writer string, old, updated any) error {
	if updated == nil {
		return nil
	}
	v, o := reflect.ValueOf(updated).Elem(), reflect.Value{}
	if old != nil {
		o = reflect.ValueOf(old).Elem()
	}
	for i := range v.NumField() {
		f := v.Type().Field(i)
		who := f.Tag.Get("w")
		if who == "" || slices.Contains(strings.Split(who, ","), writer) {
			continue
		}
		if o.IsValid() {
			if !reflect.DeepEqual(o.Field(i).Interface(), v.Field(i).Interface()) {
				return fault.New(fault.Internal, "", "%s.%s belongs to %s", v.Type().Name(), f.Name, who)
			}
		} else if !v.Field(i).IsZero() && !empty(v.Field(i)) {
			return fault.New(fault.Internal, "", "%s.%s belongs to %s", v.Type().Name(), f.Name, who)
		}
	}
	return nil
}

func empty(v reflect.Value) bool {
	switch v.Kind() {
	case reflect.Slice, reflect.Map:
		return v.Len() == 0
	default:
		return false
	}
}

// Fork is a state of its own that begins with what this one has, and is kept
// nowhere: for trying out what calls would come to.
func (db *DB) Fork() *DB { return &DB{db.DB.Fork(), db.strict} }
