package lambda_test

import (
	"testing"
	"time"

	"berth/internal/control"
	"berth/internal/controllers/lambda"
	"berth/internal/fault"
	"berth/internal/function"
	"berth/internal/model"
	"berth/internal/state"
	"berth/internal/store"
)

// runner says whether functions can run, and remembers what was retired.
type runner struct {
	function.Sim
	obstacle error
	retired  []string
}

func (h *runner) Ready(model.Function) error { return h.obstacle }

func (h *runner) Retire(name, revision string) { h.retired = append(h.retired, name+"@"+revision) }

func TestAFunctionIsBroughtIntoServiceOrFails(t *testing.T) {
	missing := fault.New(fault.Invalid, "", "no python3 here")
	for name, c := range map[string]struct {
		state, update string
		obstacle      error
		wantState     string
		wantUpdate    string
		wantReason    string
	}{
		"new":                  {"Pending", "InProgress", nil, "Active", "Successful", ""},
		"new, cannot run":      {"Pending", "InProgress", missing, "Failed", "Failed", "no python3 here"},
		"updated":              {"Active", "InProgress", nil, "Active", "Successful", ""},
		"updated, cannot run":  {"Active", "InProgress", missing, "Active", "Failed", "no python3 here"},
		"failed, can run now":  {"Failed", "Failed", nil, "Active", "Successful", ""},
		"settled":              {"Active", "Successful", nil, "Active", "Successful", ""},
		"settled, cannot run":  {"Active", "Successful", missing, "Active", "Successful", ""},
		"failed, still cannot": {"Failed", "Failed", missing, "Failed", "Failed", ""},
	} {
		t.Run(name, func(t *testing.T) {
			db, err := state.Open(t.Context(), store.NewMemory(), true)
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = db.Close() }()
			if err := db.Update(t.Context(), "api/lambda", func(tx *store.Tx) error {
				return state.Functions.Put(tx, model.Function{
					Name: "f", ARN: "arn", RevisionID: "1", State: model.FunctionState(c.state), UpdateStatus: model.FunctionUpdate(c.update),
				})
			}); err != nil {
				t.Fatal(err)
			}
			h := &runner{obstacle: c.obstacle}
			l := lambda.New(lambda.Deps{DB: db, Functions: h})
			for range 2 { // the second look finds nothing to do
				if _, err := l.Reconcile(t.Context(), control.Request{Key: "f", Now: time.Unix(0, 0)}); err != nil {
					t.Fatal(err)
				}
			}
			fn, _ := state.Functions.Get(db.View(), "f")
			if fn.State != model.FunctionState(c.wantState) || fn.UpdateStatus != model.FunctionUpdate(c.wantUpdate) ||
				fn.StateReason != c.wantReason {
				t.Errorf("%s %s %q", fn.State, fn.UpdateStatus, fn.StateReason)
			}
			if n := state.Decisions.Len(db.View()); n > 1 {
				t.Errorf("%d decisions", n)
			}
			if h.retired[0] != "f@1" {
				t.Errorf("retired %v", h.retired)
			}
		})
	}
}

func TestWakeAndTheFunctionThatIsGone(t *testing.T) {
	db, err := state.Open(t.Context(), store.NewMemory(), true)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = db.Close() }()
	h := &runner{}
	l := lambda.New(lambda.Deps{DB: db, Functions: h})
	if got := l.Wake().Keys(state.Functions.Change(nil, &model.Function{Name: "f"})); len(got) != 1 || got[0] != "f" {
		t.Errorf("wake: %v", got)
	}
	if got := l.Wake().Keys(state.Tasks.Change(nil, &model.Task{ARN: "f"})); got != nil {
		t.Errorf("wake for a task: %v", got)
	}
	if _, err := l.Reconcile(t.Context(), control.Request{Key: "f"}); err != nil || len(h.retired) != 1 || h.retired[0] != "f@" {
		t.Errorf("gone: %v, %v", h.retired, err)
	}
}
