package model_test

import (
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"berth/internal/model"
)

// TestMovesGoForwardToAnEnd holds what every table of moves must have: no
// step back, a way on from every state but the last, a writer that the
// state's field knows.
func TestMovesGoForwardToAnEnd(t *testing.T) {
	forward(t, model.TaskMoves, model.TaskStates, writers[model.Task](t, "LastStatus"))
	forward(t, model.InstanceMoves, []model.InstanceState{
		model.InstancePending, model.InstanceRunning, model.InstanceShuttingDown, model.InstanceTerminated,
	}, writers[model.Instance](t, "State"))
}

func forward[S ~string, R any](t *testing.T, ms model.Moves[S, R], order []S, writers []string) {
	t.Helper()
	on := map[S]bool{}
	for _, m := range ms {
		if from := slices.Index(order, m.From); from < 0 || slices.Index(order, m.To) <= from {
			t.Errorf("%s to %s goes back, or is between states that are not there", m.From, m.To)
		}
		if !slices.Contains(writers, m.By) {
			t.Errorf("%s to %s is written by %s, which may not write the field", m.From, m.To, m.By)
		}
		if m.When == "" {
			t.Errorf("%s to %s does not say when", m.From, m.To)
		}
		on[m.From] = true
	}
	for _, s := range order[:len(order)-1] {
		if !on[s] {
			t.Errorf("nothing leads on from %s", s)
		}
	}
}

func writers[R any](t *testing.T, field string) []string {
	t.Helper()
	f, ok := reflect.TypeFor[R]().FieldByName(field)
	if !ok {
		t.Fatalf("no field %s", field)
	}
	return strings.Split(f.Tag.Get("w"), ",")
}

// TestEveryMoveHasOneWriter looks at each move of each kind of task: no two
// lines of the table may hold for the same one.
func TestEveryMoveHasOneWriter(t *testing.T) {
	at := time.Unix(1, 0)
	kinds := map[string]*model.Task{
		"not placed":                 {},
		"placed":                     {Instance: "i"},
		"placed, its containers end": {Instance: "i", ExecutionStoppedAt: at},
	}
	for name, task := range kinds {
		for _, m := range model.TaskMoves {
			n := 0
			for _, o := range model.TaskMoves {
				if o.From == m.From && o.To == m.To && (o.If == nil || o.If(task)) {
					n++
				}
			}
			if n > 1 {
				t.Errorf("%s to %s of a task that is %s has %d writers", m.From, m.To, name, n)
			}
		}
	}
	for _, c := range []struct {
		kind     string
		from, to model.TaskStatus
		by       string
	}{
		{"not placed", model.TaskProvisioning, model.TaskDeprovisioning, "controllers/task"},
		{"placed", model.TaskProvisioning, model.TaskDeprovisioning, "controllers/network"},
		{"placed, its containers end", model.TaskProvisioning, model.TaskDeprovisioning, "dispatch"},
		{"placed", model.TaskRunning, model.TaskDeactivating, "controllers/traffic"},
		{"placed, its containers end", model.TaskRunning, model.TaskDeactivating, "dispatch"},
		{"placed", model.TaskProvisioning, model.TaskRunning, ""},
		{"placed", model.TaskRunning, model.TaskPending, ""},
		{"placed", model.TaskStopped, model.TaskProvisioning, ""},
	} {
		if by := model.TaskMoves.By(c.from, c.to, kinds[c.kind]); by != c.by {
			t.Errorf("a task that is %s goes from %s to %s by %q, want %q", c.kind, c.from, c.to, by, c.by)
		}
	}
}
