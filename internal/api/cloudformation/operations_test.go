package cloudformation_test

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"berth/internal/model"
	"berth/internal/state"
	"berth/internal/store"
	shape "berth/internal/wire/shape/cloudformation"
)

// deployed is a fixture with a stack "s" that is complete, has an output that
// the stack "user" imports, and a change set "c".
func deployed(t *testing.T) *fixture {
	t.Helper()
	h := newFixture(t)
	for _, name := range []string{"s", "user"} {
		if err := h.create(name, logs); err != nil {
			t.Fatal(err)
		}
		h.rest(name, "CREATE_COMPLETE")
	}
	if err := h.change("s", "c", "UPDATE", strings.Replace(logs, "7", "14", 1)); err != nil {
		t.Fatal(err)
	}
	h.edit("s", func(tx *store.Tx, s *model.Stack) error {
		s.Outputs = []model.StackOutput{{Key: "Out", Value: "v", Description: "what", Export: "x"}}
		s.Parameters = []model.StackParameter{{Key: "Secret", Value: "hidden", NoEcho: true}}
		s.TimeoutMinutes = 5
		return state.Exports.Put(tx, model.Export{Name: "x", Value: "v", Stack: s.ID})
	})
	h.edit("user", func(_ *store.Tx, s *model.Stack) error { s.Imports = []string{"x"}; return nil })
	return h
}

// edit changes a stack as it stands in the state store.
func (h *fixture) edit(name string, change func(*store.Tx, *model.Stack) error) {
	h.t.Helper()
	_, err := h.db.DB.Update(h.t.Context(), nil, func(tx *store.Tx) error {
		for _, s := range state.Stacks.By(tx, "name", name) {
			s = model.Clone(s)
			if err := change(tx, &s); err != nil {
				return err
			}
			if err := state.Stacks.Put(tx, s); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		h.t.Fatal(err)
	}
}

func (h *fixture) status(name string) model.StackStatus {
	h.t.Helper()
	return state.Stacks.By(h.db.View(), "name", name)[0].Status
}

// asText is an answer as JSON.
func asText(t *testing.T, v any) string {
	t.Helper()
	b, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// ask is one call and what its answer holds, or how it is refused.
type ask struct {
	name string
	call func(*fixture) (any, error)
	code string
	want []string
}

func as[O any](out O, err error) (any, error) { return out, err }

func p[T any](v T) *T { return &v }

func TestWhatStacksShow(t *testing.T) {
	t.Parallel()
	for _, c := range []ask{
		{"all stacks", func(h *fixture) (any, error) { return as(h.DescribeStacks(h.ctx(), &shape.DescribeStacksInput{})) }, "", []string{
			`"StackName":"user"`, `"StackName":"s"`, `"ParameterValue":"****"`, `"ExportName":"x"`, `"TimeoutInMinutes":5`,
		}},
		{"one stack", func(h *fixture) (any, error) {
			return as(h.DescribeStacks(h.ctx(), &shape.DescribeStacksInput{StackName: p("s")}))
		}, "", []string{`"StackStatus":"CREATE_COMPLETE"`, `"OutputValue":"v"`}},
		{"no stack", func(h *fixture) (any, error) {
			return as(h.DescribeStacks(h.ctx(), &shape.DescribeStacksInput{StackName: p("no")}))
		}, "ValidationError", []string{"Stack with id no does not exist"}},
		{"listed", func(h *fixture) (any, error) { return as(h.ListStacks(h.ctx(), &shape.ListStacksInput{})) }, "",
			[]string{`"StackName":"s"`, `"NOT_CHECKED"`}},
		{"listed by status", func(h *fixture) (any, error) {
			return as(h.ListStacks(h.ctx(), &shape.ListStacksInput{StackStatusFilter: []string{"DELETE_COMPLETE"}}))
		}, "", []string{"{}"}},
		{"a made-up token", func(h *fixture) (any, error) {
			return as(h.ListStacks(h.ctx(), &shape.ListStacksInput{NextToken: p("made up")}))
		}, "ValidationError", []string{"NextToken"}},
		{"resource", func(h *fixture) (any, error) {
			return as(h.DescribeStackResource(h.ctx(), &shape.DescribeStackResourceInput{StackName: p("s"), LogicalResourceId: p("G")}))
		}, "", []string{`"PhysicalResourceId":"g"`, `"ResourceType":"AWS::Logs::LogGroup"`}},
		{"no resource", func(h *fixture) (any, error) {
			return as(h.DescribeStackResource(h.ctx(), &shape.DescribeStackResourceInput{StackName: p("s"), LogicalResourceId: p("H")}))
		}, "ValidationError", []string{"Resource H does not exist for stack s"}},
		{"resource of no stack", func(h *fixture) (any, error) {
			return as(h.DescribeStackResource(h.ctx(), &shape.DescribeStackResourceInput{StackName: p("no"), LogicalResourceId: p("G")}))
		}, "ValidationError", []string{"Stack 'no' does not exist"}},
		{"resources", func(h *fixture) (any, error) {
			return as(h.DescribeStackResources(h.ctx(), &shape.DescribeStackResourcesInput{StackName: p("s"), LogicalResourceId: p("G")}))
		}, "", []string{`"LogicalResourceId":"G"`}},
		{"resources by physical id", func(h *fixture) (any, error) {
			return as(h.DescribeStackResources(h.ctx(), &shape.DescribeStackResourcesInput{PhysicalResourceId: p("g")}))
		}, "", []string{`"LogicalResourceId":"G"`}},
		{"resources by an unknown physical id", func(h *fixture) (any, error) {
			return as(h.DescribeStackResources(h.ctx(), &shape.DescribeStackResourcesInput{PhysicalResourceId: p("x")}))
		}, "ValidationError", []string{"Stack for x does not exist"}},
		{"resources of nothing", func(h *fixture) (any, error) {
			return as(h.DescribeStackResources(h.ctx(), &shape.DescribeStackResourcesInput{}))
		}, "ValidationError", []string{"Either stackName or physicalResourceId must be specified"}},
		{"resources listed", func(h *fixture) (any, error) {
			return as(h.ListStackResources(h.ctx(), &shape.ListStackResourcesInput{StackName: p("s")}))
		}, "", []string{`"LogicalResourceId":"G"`}},
		{"change sets", func(h *fixture) (any, error) {
			return as(h.ListChangeSets(h.ctx(), &shape.ListChangeSetsInput{StackName: p("s")}))
		}, "", []string{`"ChangeSetName":"c"`, `"ExecutionStatus":"AVAILABLE"`}},
		{"hooks", func(h *fixture) (any, error) {
			return as(h.DescribeChangeSetHooks(h.ctx(), &shape.DescribeChangeSetHooksInput{StackName: p("s"), ChangeSetName: p("c")}))
		}, "", []string{`"Status":"PLANNED"`}},
		{"exports", func(h *fixture) (any, error) { return as(h.ListExports(h.ctx(), &shape.ListExportsInput{})) }, "",
			[]string{`"Name":"x"`, `"Value":"v"`}},
		{"imports", func(h *fixture) (any, error) {
			return as(h.ListImports(h.ctx(), &shape.ListImportsInput{ExportName: p("x")}))
		}, "", []string{`"user"`}},
		{"imports of nothing", func(h *fixture) (any, error) {
			return as(h.ListImports(h.ctx(), &shape.ListImportsInput{ExportName: p("y")}))
		}, "ValidationError", []string{"Export 'y' does not exist."}},
		{"events of a change set", func(h *fixture) (any, error) {
			return as(h.DescribeEvents(h.ctx(), &shape.DescribeEventsInput{ChangeSetName: h.changeSetID("s", "c")}))
		}, "", []string{`"ResourceStatusReason":"User Initiated"`, `"EventType":"STACK_EVENT"`}},
		{"template", func(h *fixture) (any, error) {
			return as(h.GetTemplate(h.ctx(), &shape.GetTemplateInput{StackName: p("s")}))
		}, "", []string{"RetentionInDays: 7"}},
		{"template of a change set", func(h *fixture) (any, error) {
			return as(h.GetTemplate(h.ctx(), &shape.GetTemplateInput{StackName: p("s"), ChangeSetName: p("c")}))
		}, "", []string{"RetentionInDays: 14"}},
		{"template of nothing", func(h *fixture) (any, error) {
			return as(h.GetTemplate(h.ctx(), &shape.GetTemplateInput{StackName: p("no")}))
		}, "ValidationError", []string{"Stack with id no does not exist"}},
		{"summary of a stack", func(h *fixture) (any, error) {
			return as(h.GetTemplateSummary(h.ctx(), &shape.GetTemplateSummaryInput{StackName: p("s")}))
		}, "", []string{`"ResourceTypes":["AWS::Logs::LogGroup"]`}},
		{"summary of nothing", func(h *fixture) (any, error) {
			return as(h.GetTemplateSummary(h.ctx(), &shape.GetTemplateSummaryInput{}))
		}, "ValidationError", []string{"Either Template URL or Template Body must be specified."}},
		{"policy", func(h *fixture) (any, error) {
			return as(h.GetStackPolicy(h.ctx(), &shape.GetStackPolicyInput{StackName: p("s")}))
		}, "", []string{"{}"}},
		{"policy of nothing", func(h *fixture) (any, error) {
			return as(h.GetStackPolicy(h.ctx(), &shape.GetStackPolicyInput{StackName: p("no")}))
		}, "ValidationError", []string{"Stack [no] does not exist"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			h := deployed(t)
			before := h.db.View().Revision()
			out, err := c.call(h)
			if c.code != "" {
				check(t, err, c.code, c.want[0])
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			text := asText(t, out)
			for _, want := range c.want {
				if !strings.Contains(text, want) {
					t.Errorf("no %s in %s", want, text)
				}
			}
			if h.db.View().Revision() != before {
				t.Error("reading wrote something")
			}
		})
	}
}

func (h *fixture) changeSetID(stack, name string) *string {
	h.t.Helper()
	id := state.Stacks.By(h.db.View(), "name", stack)[0].ID
	for _, c := range state.ChangeSets.By(h.db.View(), "stack", id) {
		if c.Name == name {
			return &c.ID
		}
	}
	h.t.Fatalf("no change set %s of %s", name, stack)
	return nil
}

func TestADeletedStacksNewestFirst(t *testing.T) {
	t.Parallel()
	h := newFixture(t)
	for i, name := range []string{"a", "b", "c"} {
		if err := h.create(name, logs); err != nil {
			t.Fatal(err)
		}
		h.edit(name, func(_ *store.Tx, s *model.Stack) error {
			s.CreatedAt = s.CreatedAt.Add(time.Duration(i) * time.Hour)
			if name == "b" {
				s.Status = "DELETE_COMPLETE"
			}
			return nil
		})
	}
	var shown, listed []string
	out, err := h.DescribeStacks(h.ctx(), &shape.DescribeStacksInput{})
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range out.Stacks {
		shown = append(shown, *s.StackName)
	}
	list, err := h.ListStacks(h.ctx(), &shape.ListStacksInput{})
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range list.StackSummaries {
		listed = append(listed, *s.StackName)
	}
	if diff := cmp.Diff([][]string{{"c", "a"}, {"c", "b", "a"}}, [][]string{shown, listed}); diff != "" {
		t.Error(diff)
	}
}

// Each operation takes a stack from one status to the next, and is refused in
// others without changing anything.
func TestOperationsByStatus(t *testing.T) {
	t.Parallel()
	cancel := func(h *fixture) (any, error) {
		return as(h.CancelUpdateStack(h.ctx(), &shape.CancelUpdateStackInput{StackName: p("s")}))
	}
	rollback := func(h *fixture) (any, error) {
		return as(h.RollbackStack(h.ctx(), &shape.RollbackStackInput{StackName: p("s")}))
	}
	carryOn := func(skip ...string) func(h *fixture) (any, error) {
		return func(h *fixture) (any, error) {
			return as(h.ContinueUpdateRollback(h.ctx(), &shape.ContinueUpdateRollbackInput{StackName: p("s"), ResourcesToSkip: skip}))
		}
	}
	remove := func(keep ...string) func(h *fixture) (any, error) {
		return func(h *fixture) (any, error) {
			return as(h.DeleteStack(h.ctx(), &shape.DeleteStackInput{StackName: p("s"), RetainResources: keep}))
		}
	}
	for _, c := range []struct {
		name     string
		status   model.StackStatus
		resource model.ResourceStatus
		call     func(*fixture) (any, error)
		next     model.StackStatus
		refused  string
	}{
		{"cancel", "UPDATE_IN_PROGRESS", "", cancel, "UPDATE_ROLLBACK_IN_PROGRESS", ""},
		{"cancel nothing", "CREATE_COMPLETE", "", cancel, "", "CancelUpdateStack cannot be called from current stack status"},
		{"roll a create back", "CREATE_FAILED", "", rollback, "ROLLBACK_IN_PROGRESS", ""},
		{"roll an update back", "UPDATE_FAILED", "", rollback, "UPDATE_ROLLBACK_IN_PROGRESS", ""},
		{"roll nothing back", "CREATE_COMPLETE", "", rollback, "", "can not be rolled back"},
		{"continue", "UPDATE_ROLLBACK_FAILED", "UPDATE_FAILED", carryOn("G"), "UPDATE_ROLLBACK_IN_PROGRESS", ""},
		{"continue nothing", "CREATE_COMPLETE", "", carryOn(), "", "can not be continued with its rollback"},
		{"skip the unknown", "UPDATE_ROLLBACK_FAILED", "", carryOn("H"), "", "that do not exist in the stack: [H]"},
		{"skip what works", "UPDATE_ROLLBACK_FAILED", "UPDATE_COMPLETE", carryOn("G"), "", "must be in the UPDATE_FAILED state: [G]"},
		{"delete", "CREATE_COMPLETE", "", remove(), "DELETE_IN_PROGRESS", ""},
		{"delete while it is made", "CREATE_IN_PROGRESS", "", remove(), "DELETE_IN_PROGRESS", ""},
		{"delete while it is rolled back", "ROLLBACK_IN_PROGRESS", "", remove(), "DELETE_IN_PROGRESS", ""},
		{"delete while it is updated", "UPDATE_IN_PROGRESS", "", remove(), "", "] cannot be deleted while in status UPDATE_IN_PROGRESS"},
		{
			"delete while it is cleaned up", "UPDATE_COMPLETE_CLEANUP_IN_PROGRESS", "", remove(), "",
			"] cannot be deleted while in status UPDATE_COMPLETE_CLEANUP_IN_PROGRESS",
		},
		{
			"delete while its update is rolled back", "UPDATE_ROLLBACK_IN_PROGRESS", "", remove(), "",
			"] cannot be deleted while in status UPDATE_ROLLBACK_IN_PROGRESS",
		},
		{
			"delete while it is cleaned up after that", "UPDATE_ROLLBACK_COMPLETE_CLEANUP_IN_PROGRESS", "", remove(), "",
			"] cannot be deleted while in status UPDATE_ROLLBACK_COMPLETE_CLEANUP_IN_PROGRESS",
		},
		{"delete twice", "DELETE_IN_PROGRESS", "", remove(), "DELETE_IN_PROGRESS", ""},
		{"retain", "DELETE_FAILED", "DELETE_FAILED", remove("G"), "DELETE_IN_PROGRESS", ""},
		{"retain too early", "CREATE_COMPLETE", "", remove("G"), "", "only when the stack is in the DELETE_FAILED state"},
		{"retain what is fine", "DELETE_FAILED", "CREATE_COMPLETE", remove("G"), "", "not in the DELETE_FAILED state: [G]"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			h := deployed(t)
			h.edit("s", func(tx *store.Tx, s *model.Stack) error {
				s.Status = c.status
				return state.StackResources.Edit(tx, s.ID+"|G", func(r *model.StackResource) error {
					if c.resource != "" {
						r.Status = c.resource
					}
					return nil
				})
			})
			before := h.db.View().Revision()
			_, err := c.call(h)
			if c.refused != "" {
				check(t, err, "ValidationError", c.refused)
				if h.db.View().Revision() != before {
					t.Error("something was written")
				}
				return
			}
			if err != nil || h.status("s") != c.next {
				t.Errorf("%s %v", h.status("s"), err)
			}
		})
	}
}

func TestOperationsOnNoStack(t *testing.T) {
	t.Parallel()
	for name, call := range map[string]func(*fixture) (any, error){
		"cancel": func(h *fixture) (any, error) {
			return as(h.CancelUpdateStack(h.ctx(), &shape.CancelUpdateStackInput{StackName: p("no")}))
		},
		"continue": func(h *fixture) (any, error) {
			return as(h.ContinueUpdateRollback(h.ctx(), &shape.ContinueUpdateRollbackInput{StackName: p("no")}))
		},
		"roll back": func(h *fixture) (any, error) {
			return as(h.RollbackStack(h.ctx(), &shape.RollbackStackInput{StackName: p("no")}))
		},
		"protect": func(h *fixture) (any, error) {
			return as(h.UpdateTerminationProtection(h.ctx(),
				&shape.UpdateTerminationProtectionInput{StackName: p("no"), EnableTerminationProtection: p(true)}))
		},
		"events": func(h *fixture) (any, error) {
			return as(h.DescribeEvents(h.ctx(), &shape.DescribeEventsInput{StackName: p("no")}))
		},
	} {
		_, err := call(newFixture(t))
		t.Run(name, func(t *testing.T) { check(t, err, "ValidationError", "Stack [no] does not exist") })
	}
	h := newFixture(t)
	if _, err := h.DeleteStack(h.ctx(), &shape.DeleteStackInput{StackName: p("no")}); err != nil {
		t.Errorf("deleting what is absent: %v", err)
	}
}

func TestAProtectedStackStays(t *testing.T) {
	t.Parallel()
	h := deployed(t)
	protect := func(on bool) {
		in := &shape.UpdateTerminationProtectionInput{StackName: p("s"), EnableTerminationProtection: &on}
		if _, err := h.UpdateTerminationProtection(h.ctx(), in); err != nil {
			t.Fatal(err)
		}
	}
	protect(true)
	_, err := h.DeleteStack(h.ctx(), &shape.DeleteStackInput{StackName: p("s")})
	check(t, err, "ValidationError", "Stack [s] cannot be deleted while TerminationProtection is enabled")
	protect(false)
	if _, err := h.DeleteStack(h.ctx(), &shape.DeleteStackInput{StackName: p("s")}); err != nil || h.status("s") != "DELETE_IN_PROGRESS" {
		t.Errorf("%s %v", h.status("s"), err)
	}
	_, err = h.UpdateTerminationProtection(h.ctx(),
		&shape.UpdateTerminationProtectionInput{StackName: p("s"), EnableTerminationProtection: p(true)})
	check(t, err, "ValidationError", "can not change its termination protection")
}

func TestAChangeSetIsForgotten(t *testing.T) {
	t.Parallel()
	h := deployed(t)
	for range 2 { // deleting what is absent succeeds
		if _, err := h.DeleteChangeSet(h.ctx(), &shape.DeleteChangeSetInput{StackName: p("s"), ChangeSetName: p("c")}); err != nil {
			t.Fatal(err)
		}
	}
	_, err := h.DescribeChangeSet(h.ctx(), &shape.DescribeChangeSetInput{StackName: p("s"), ChangeSetName: p("c")})
	check(t, err, "ChangeSetNotFound", "ChangeSet [c] does not exist")
	_, err = h.DeleteChangeSet(h.ctx(), &shape.DeleteChangeSetInput{StackName: p("no"), ChangeSetName: p("c")})
	if err == nil {
		t.Error("a change set of no stack was deleted")
	}
}
