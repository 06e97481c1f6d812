package model_test

import (
	"slices"
	"strings"
	"testing"

	"berth/internal/model"
)

// Every state of a stack is exactly one of: under way, ended whole, ended
// badly; a stack that waits for its first change set is none.
func TestStatesOfAStack(t *testing.T) {
	for _, c := range []struct {
		s                           model.StackStatus
		underWay, whole, bad, taken bool
	}{
		{model.StackCreateInProgress, true, false, false, false},
		{model.StackCreateComplete, false, true, false, false},
		{model.StackCreateFailed, false, false, true, false},
		{model.StackRollbackInProgress, true, false, false, false},
		{model.StackRollbackComplete, false, true, false, false},
		{model.StackRollbackFailed, false, false, true, false},
		{model.StackDeleteInProgress, true, false, false, false},
		{model.StackDeleteComplete, false, true, false, false},
		{model.StackDeleteFailed, false, false, true, false},
		{model.StackUpdateInProgress, true, false, false, false},
		{model.StackUpdateCompleteCleanupInProgress, true, false, false, false},
		{model.StackUpdateComplete, false, true, false, false},
		{model.StackUpdateFailed, false, false, true, false},
		{model.StackUpdateRollbackInProgress, true, false, false, true},
		{model.StackUpdateRollbackCompleteCleanupInProgress, true, false, false, true},
		{model.StackUpdateRollbackComplete, false, true, false, true},
		{model.StackUpdateRollbackFailed, false, false, true, true},
		{model.StackReviewInProgress, false, false, false, false},
	} {
		got := [4]bool{c.s.InProgress(), c.s.Complete(), c.s.Failed(), c.s.UpdateRollback()}
		if got != [4]bool{c.underWay, c.whole, c.bad, c.taken} {
			t.Errorf("%s: in progress, complete, failed, update rollback: %v", c.s, got)
		}
	}
}

// A stack is updating from the update's beginning to the end of its roll-back.
func TestAStackIsUpdating(t *testing.T) {
	for s, want := range map[model.StackStatus]bool{
		model.StackUpdateInProgress: true, model.StackUpdateRollbackFailed: true, model.StackUpdateComplete: true,
		model.StackCreateComplete: false, model.StackRollbackInProgress: false, model.StackDeleteInProgress: false,
	} {
		if s.Updating() != want {
			t.Errorf("%s: updating %v", s, s.Updating())
		}
	}
}

// The root has keys and no name, and no user can have the one that it has here.
func TestWhoseAKeyIs(t *testing.T) {
	if a, b := model.KeyOwner("root"), model.KeyOwner(""); a != "root" || b == a || b == "" {
		t.Errorf("of a user called root: %q, of the root: %q", a, b)
	}
}

func TestProvidersOfFargate(t *testing.T) {
	for name, want := range map[string]bool{"FARGATE": true, "FARGATE_SPOT": true, "fargate": false, "machines": false, "": false} {
		if model.IsFargate(name) != want {
			t.Errorf("%q: Fargate's %v", name, model.IsFargate(name))
		}
	}
}

func TestStatesOfAResource(t *testing.T) {
	for s, want := range map[model.ResourceStatus][3]bool{
		model.ResourceCreateInProgress: {true, false, false}, model.ResourceCreateComplete: {false, true, false},
		model.ResourceCreateFailed: {false, false, true}, model.ResourceUpdateInProgress: {true, false, false},
		model.ResourceUpdateComplete: {false, true, false}, model.ResourceUpdateFailed: {false, false, true},
		model.ResourceDeleteInProgress: {true, false, false}, model.ResourceDeleteComplete: {false, true, false},
		model.ResourceDeleteFailed: {false, false, true}, model.ResourceDeleteSkipped: {false, false, false},
	} {
		if got := [3]bool{s.InProgress(), s.Complete(), s.Failed()}; got != want {
			t.Errorf("%s: in progress, complete, failed: %v", s, got)
		}
	}
}

func TestADeploymentGoesForwardToOneOfFourEnds(t *testing.T) {
	for i, s := range model.Stages {
		if s.Rank() != i {
			t.Errorf("%s has rank %d, want %d", s, s.Rank(), i)
		}
	}
	if r := model.Stage("").Rank(); r != -1 {
		t.Errorf("before the first stage: rank %d", r)
	}
	for s, want := range map[model.DeploymentStatus]bool{
		model.DeploymentPending: false, model.DeploymentInProgress: false, model.DeploymentSuccessful: true,
		model.DeploymentStopRequested: false, model.DeploymentStopped: true, model.DeploymentRollbackRequested: false,
		model.DeploymentRollbackInProgress: false, model.DeploymentRollbackSuccessful: true, model.DeploymentRollbackFailed: true,
	} {
		if s.Final() != want {
			t.Errorf("%s: final %v", s, s.Final())
		}
	}
}

// An alarm acts by what it says now, and its policies are found in any of its
// actions, whoever made them.
func TestAnAlarmsActions(t *testing.T) {
	const policy = "arn:aws:autoscaling:eu-west-1:1:scalingPolicy:7:resource/ecs/service/c/s:policyName/p"
	a := model.Alarm{
		AlarmActions: []string{policy + ":createdBy/8", "arn:aws:sns:eu-west-1:1:topic"}, OKActions: []string{policy},
		InsufficientActions: []string{"arn:aws:sns:eu-west-1:1:other"},
	}
	for state, want := range map[model.AlarmState][]string{
		model.AlarmFiring: a.AlarmActions, model.AlarmOK: a.OKActions, model.AlarmInsufficientData: a.InsufficientActions,
	} {
		if a.State = state; !slices.Equal(a.Actions(), want) {
			t.Errorf("%s: %v", state, a.Actions())
		}
	}
	if got := a.Policies(); !slices.Equal(got, []string{policy}) {
		t.Errorf("policies: %v", got)
	}
}

// The data plane acts on a rule when it has seen its last change.
func TestARuleIsInForce(t *testing.T) {
	for changes, served := range map[int64]int64{0: 0, 3: 3} {
		if r := (model.ListenerRule{Changes: changes, Served: served}); !r.InForce() {
			t.Errorf("%+v is not in force", r)
		}
	}
	if r := (model.ListenerRule{Changes: 3, Served: 2}); r.InForce() {
		t.Error("a rule whose last change was not seen is in force")
	}
}

// The table that ARCHITECTURE.md shows has a line a move, and By tells nobody
// else may make it.
func TestMovesOfATask(t *testing.T) {
	table := model.TaskMoves.Table()
	if n := strings.Count(table, "\n"); n != len(model.TaskMoves)+2 {
		t.Errorf("%d lines for %d moves", n, len(model.TaskMoves))
	}
	for _, m := range model.TaskMoves {
		if !m.From.Before(m.To) && m.From != m.To {
			t.Errorf("%s to %s goes backwards", m.From, m.To)
		}
	}
	if by := model.TaskMoves.By(model.TaskStopped, model.TaskRunning, &model.Task{}); by != "" {
		t.Errorf("%s may start a stopped task again", by)
	}
}

// A service whose tasks are tied to zones, or that may not run one more, is
// not balanced between zones.
func TestAServiceIsBalancedBetweenZones(t *testing.T) {
	zone := []model.PlacementConstraint{{Type: "memberOf", Expression: "attribute:ecs.availability-zone == eu-west-1a"}}
	for _, c := range []struct {
		most int64
		on   []model.PlacementConstraint
		want bool
	}{{200, nil, true}, {100, nil, false}, {200, zone, false}} {
		s := model.Service{Deployment: model.DeploymentConfiguration{MaximumPercent: c.most}, Constraints: c.on}
		if s.Balanceable() != c.want {
			t.Errorf("maximum %d, constraints %v: balanced %v", c.most, c.on, s.Balanceable())
		}
	}
}

func TestAnInstanceEnds(t *testing.T) {
	for s, want := range map[model.InstanceState]bool{
		model.InstancePending: false, model.InstanceRunning: false, model.InstanceShuttingDown: true, model.InstanceTerminated: true,
	} {
		if s.Ending() != want {
			t.Errorf("%s: ending %v", s, s.Ending())
		}
	}
}

func TestATaskRegistersWhereItHasATargetGroup(t *testing.T) {
	task := model.Task{LoadBalancers: []model.ServiceLoadBalancer{{TargetGroupARN: "a"}, {}, {TargetGroupARN: "b"}}}
	if got := task.TargetGroups(); !slices.Equal(got, []string{"a", "b"}) {
		t.Errorf("%v", got)
	}
}
