package state_test

import (
	"strings"
	"testing"
	"time"

	"berth/internal/fault"
	"berth/internal/model"
	"berth/internal/state"
	"berth/internal/store"
)

func open(t *testing.T, strict bool) *state.DB {
	t.Helper()
	db, err := state.Open(t.Context(), store.NewMemory(), strict)
	if err != nil {
		t.Fatal(err)
	}
	return db
}

func TestATaskNeverMovesBack(t *testing.T) {
	db := open(t, false)
	task := model.Task{ARN: "arn:t", ID: "t", LastStatus: model.TaskRunning, DesiredStatus: model.TaskRunning}
	put := func(v model.Task) error {
		return db.Update(t.Context(), "x", func(tx *store.Tx) error { return state.Tasks.Put(tx, v) })
	}
	if err := put(task); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name   string
		change func(*model.Task)
	}{
		{"to an earlier status", func(x *model.Task) { x.LastStatus = model.TaskPending }},
		{"to another instance", func(x *model.Task) { x.Instance = "a"; _ = put(*x); x.Instance = "b" }},
		{"to running after it was told to stop", func(x *model.Task) {
			x.Instance = "a"
			x.DesiredStatus = model.TaskStopped
			_ = put(*x)
			x.DesiredStatus = model.TaskRunning
		}},
	} {
		v := task
		c.change(&v)
		if err := put(v); !fault.Is(err, fault.Internal) {
			t.Errorf("a task moved %s: %v", c.name, err)
		}
	}
}

func TestAStrictStateKnowsTheOwnerOfEachField(t *testing.T) {
	db := open(t, true)
	c := model.Cluster{Name: "c", ARN: "arn:c", Status: model.ClusterActive}
	put := func(writer string, v model.Cluster) error {
		return db.Update(t.Context(), writer, func(tx *store.Tx) error { return state.Clusters.Put(tx, v) })
	}
	if err := put("controllers/task", c); err == nil || !strings.Contains(err.Error(), "belongs to api/ecs") {
		t.Errorf("a stranger made a cluster: %v", err)
	}
	if err := put("api/ecs", c); err != nil {
		t.Errorf("the owner may not: %v", err)
	}
	c.Status = model.ClusterInactive
	if err := put("controllers/task", c); err == nil {
		t.Error("a stranger changed a cluster")
	}
}

func TestAStrictStateKnowsTheWriterOfEachMove(t *testing.T) {
	db := open(t, true)
	err := db.Update(t.Context(), "controllers/service", func(tx *store.Tx) error {
		return state.Tasks.Put(tx, model.Task{ARN: "t", ID: "t", LastStatus: model.TaskProvisioning, DesiredStatus: model.TaskRunning})
	})
	if err != nil {
		t.Fatal(err)
	}
	move := func(writer string, to model.TaskStatus) string {
		err := db.Update(t.Context(), writer, func(tx *store.Tx) error {
			return state.Tasks.Edit(tx, "t", func(t *model.Task) error { t.LastStatus = to; return nil })
		})
		if err != nil {
			return err.Error()
		}
		return ""
	}
	for _, c := range []struct {
		writer string
		to     model.TaskStatus
		want   string
	}{
		{"controllers/traffic", model.TaskRunning, "no move from PROVISIONING to RUNNING"},
		{"controllers/traffic", model.TaskPending, "belongs to controllers/network"},
		{"controllers/network", model.TaskPending, ""},
		{"dispatch", model.TaskActivating, ""},
		{"dispatch", model.TaskRunning, "belongs to controllers/traffic"},
		{"controllers/traffic", model.TaskPending, "moves backwards"},
	} {
		if got := move(c.writer, c.to); c.want == "" && got != "" || !strings.Contains(got, c.want) {
			t.Errorf("%s moves a task to %s: %q, want %q", c.writer, c.to, got, c.want)
		}
	}
}

func TestDecisionsAreNumbered(t *testing.T) {
	db := open(t, false)
	at := time.Unix(1, 0).UTC()
	for range 3 {
		if err := db.Update(t.Context(), "x", func(tx *store.Tx) error {
			return state.Note(tx, at, model.Decision{Subject: "s", Verb: "placed"})
		}); err != nil {
			t.Fatal(err)
		}
	}
	ds := state.Decisions.By(db.View(), "subject", "s")
	if len(ds) != 3 || ds[0].Seq != 1 || ds[2].Seq != 3 || !ds[2].At.Equal(at) {
		t.Errorf("got %+v", ds)
	}
}

// Proves: D48
func TestServiceEventsAreNewestFirstAndNotRepeated(t *testing.T) {
	var s model.Service
	for i := range 150 {
		state.ServiceEvent(&s, model.ServiceEvent{ID: "id", At: time.Unix(int64(i), 0), Message: strings.Repeat("x", i/2+1)})
	}
	if len(s.Events) != 75 || len(s.Events[0].Message) != 75 {
		t.Errorf("%d events, the newest %q", len(s.Events), s.Events[0].Message)
	}
}
