package explain_test

import (
	"strings"
	"testing"
	"time"

	"berth/internal/explain"
	"berth/internal/model"
	"berth/internal/state"
	"berth/internal/store"
)

// refusedTask is a world with a task of an architecture or size that this host has
// not, its service, and a decision about it.
func refusedTask(t *testing.T, task model.Task, d model.Decision) *state.DB {
	t.Helper()
	task.ARN, task.ID, task.Cluster, task.Service = "arn:aws:ecs:r:1:task/c/abcd1234", "abcd1234", "c", "svc"
	task.TaskDefinition, task.StatusAt, task.StoppingAt = "td", now.Add(-10*time.Second), now.Add(-10*time.Second)
	d.Subject, d.Verb = task.ARN, "refused"
	return world(t, nil, put(state.TaskDefinitions, model.TaskDefinition{ARN: "td", CPUArchitecture: "ARM64"}), put(state.Tasks, task),
		put(state.Services, model.Service{ARN: "svc", Name: "web", Cluster: "c", Status: model.ServiceActive, DesiredCount: 1}),
		func(tx *store.Tx) error { return state.Note(tx, now.Add(-time.Minute), d) })
}

// A task that this host cannot run is told by what it lacks, not by its size.
func TestWhatThisHostCannotRunIsNamed(t *testing.T) {
	stopped := model.Task{
		LastStatus: model.TaskStopped, DesiredStatus: model.TaskStopped, StopCode: "TaskFailedToStart",
		StoppedReason: "Capacity is unavailable at this time.",
	}
	for _, c := range []struct {
		task model.Task
		d    model.Decision
		want string
	}{
		{
			stopped, model.Decision{
				By: "controllers/instance", Reason: "Unsupported: this host is x86_64.", Facts: map[string]string{model.FactRuns: "x86_64"},
			}, "the task wants ARM64 and this machine runs x86_64",
		},
		{
			stopped, model.Decision{
				By: "controllers/instance", Reason: "InsufficientInstanceCapacity: small.", Facts: map[string]string{model.FactHost: "2000"},
			}, "start the server with --overcommit",
		},
		{
			model.Task{LastStatus: model.TaskProvisioning, DesiredStatus: model.TaskRunning}, model.Decision{
				By: "controllers/capacity", Reason: "No instance type has the task's CPU architecture ARM64",
				Facts: map[string]string{model.FactLacks: model.LacksArchitecture, model.FactRuns: "x86_64"},
			}, "the task wants ARM64 and this machine runs x86_64",
		},
		{
			model.Task{LastStatus: model.TaskProvisioning, DesiredStatus: model.TaskRunning}, model.Decision{
				By: "controllers/capacity", Reason: "No instance type has the task's CPU architecture ARM64",
				Facts: map[string]string{model.FactLacks: model.LacksArchitecture, model.FactRuns: "x86_64, arm64"},
			}, "allow types of that architecture",
		},
	} {
		db := refusedTask(t, c.task, c.d)
		a, _ := explain.Find(db.View(), "abcd1234", now)
		if all := strings.Join(a.Say, "\n"); !strings.Contains(a.Cure, c.want) || !strings.Contains(all, c.d.Reason) {
			t.Errorf("want %q in %q, and %q in\n%s", c.want, a.Cure, c.d.Reason, all)
		}
	}
	db := refusedTask(t, stopped, model.Decision{
		By: "controllers/instance", Reason: "Unsupported: this host is x86_64.", Facts: map[string]string{model.FactRuns: "x86_64"},
	})
	if got := cure(t, db, "web"); !strings.Contains(got, "the task wants ARM64") {
		t.Errorf("its service is healed by %q", got)
	}
}

// A service whose newest task is on its way tells of the last one that failed too.
func TestTheNewestFailureIsToldBesideATaskOnItsWay(t *testing.T) {
	const reason = "CannotPullContainerError: failed to resolve ref: NAME_UNKNOWN: The repository with name 'hello' does not exist"
	db := world(t, nil, instance("ACTIVE"),
		put(state.TaskDefinitions, model.TaskDefinition{ARN: "td", Containers: []model.ContainerDefinition{{
			Name: "web", Image: "1.dkr.ecr.r.amazonaws.com/hello:nope",
		}}}),
		put(state.Services, model.Service{ARN: "svc", Name: "web", Cluster: "c", Status: model.ServiceActive, DesiredCount: 1}),
		put(state.Tasks, model.Task{
			ARN: "arn:aws:ecs:r:1:task/c/aaaa0000", ID: "aaaa0000", Cluster: "c", Service: "svc", Instance: "ci-1", TaskDefinition: "td",
			LastStatus: model.TaskStopped, DesiredStatus: model.TaskStopped, StopCode: "TaskFailedToStart", StoppedReason: reason,
			StoppingAt: now.Add(-5 * time.Minute),
		}),
		put(state.Tasks, model.Task{
			ARN: "arn:aws:ecs:r:1:task/c/bbbb0000", ID: "bbbb0000", Cluster: "c", Service: "svc", TaskDefinition: "td",
			LastStatus: model.TaskActivating, DesiredStatus: model.TaskRunning, StatusAt: now.Add(-4 * time.Minute),
		}),
		put(state.Stacks, model.Stack{ID: "arn:aws:cloudformation:r:1:stack/web/1", Name: "web", Status: "CREATE_IN_PROGRESS"}),
		put(state.StackResources, model.StackResource{
			Stack: "arn:aws:cloudformation:r:1:stack/web/1", LogicalID: "Service", Type: "AWS::ECS::Service", PhysicalID: "svc",
			Status: model.ResourceCreateInProgress,
		}))
	for _, id := range []string{"svc", "stack/web"} {
		a, ok := explain.Find(db.View(), id, now)
		all := strings.Join(a.Say, "\n")
		if !ok || !strings.Contains(all, "task bbbb0000: ACTIVATING") || !strings.Contains(all, "the last task that ended, aaaa0000: "+reason) ||
			!strings.Contains(a.Cure, "berth image push hello:nope SOURCE") {
			t.Errorf("%s: %q for\n%s", id, a.Cure, all)
		}
	}
}
