package explain_test

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"berth/internal/explain"
	"berth/internal/model"
	"berth/internal/state"
	"berth/internal/store"
)

// town has one of everything that can be asked for.
func town(t *testing.T) *state.DB {
	return world(t, []string{"ecs", "ecs-agent", "ecs-telemetry"},
		put(state.Clusters, model.Cluster{Name: "town", ARN: "arn:aws:ecs:r:1:cluster/town", Status: model.ClusterActive}),
		put(state.CapacityProviders, model.CapacityProvider{
			Name: "machines", ARN: "arn:aws:ecs:r:1:capacity-provider/machines", Cluster: "town", Status: model.ProviderActive,
			InfrastructureRoleARN: "arn:aws:iam::1:role/infra",
			LastFailure: "User: arn:aws:sts::1:assumed-role/infra/x is not authorized to perform: iam:PassRole on resource: " +
				"arn:aws:iam::1:role/foo because no policy",
			FailureCause:  model.Cause{Facts: map[string]string{model.FactAction: "iam:PassRole", model.FactResource: "arn:aws:iam::1:role/foo"}},
			LastFailureAt: now.Add(-time.Minute),
		}),
		put(state.Instances, model.Instance{
			ID: "i-9", ARN: "arn:aws:ecs:r:1:container-instance/town/0123456789abcdef0123456789abcdef", Cluster: "town", CapacityProvider: "old",
			State: model.InstanceRunning, Goal: model.GoalRun, Status: model.ContainerInstanceActive, Connected: true, Type: "c6a.large",
		}),
		put(state.Services, model.Service{
			ARN: "arn:aws:ecs:r:1:service/town/web", Name: "web", Cluster: "town", Status: model.ServiceActive, DesiredCount: 1,
			CreatedAt: now.Add(-2 * time.Hour),
		}),
		put(state.Tasks, model.Task{
			ARN: "arn:aws:ecs:r:1:task/town/aabbccdd00000000", ID: "aabbccdd00000000", Cluster: "town", Service: "arn:aws:ecs:r:1:service/town/web",
			LastStatus: model.TaskProvisioning, DesiredStatus: model.TaskRunning, StatusAt: now.Add(-5 * time.Minute),
			CreatedAt: now.Add(-5 * time.Minute),
		}),
		put(state.Tasks, model.Task{
			ARN: "arn:aws:ecs:r:1:task/town/aabbccee00000000", ID: "aabbccee00000000", Cluster: "town", LastStatus: model.TaskStopped,
			DesiredStatus: model.TaskStopped,
		}),
		put(state.ServiceDeployments, model.ServiceDeployment{
			ARN: "arn:aws:ecs:r:1:service-deployment/town/web/OLD", RolloutID: "ecs-svc/1", Service: "arn:aws:ecs:r:1:service/town/web",
			Status: model.DeploymentSuccessful, Stage: model.StageCleanUp, CreatedAt: now.Add(-time.Hour), FinishedAt: now.Add(-50 * time.Minute),
		}),
		put(state.ServiceDeployments, model.ServiceDeployment{
			ARN: "arn:aws:ecs:r:1:service-deployment/town/web/NEW", RolloutID: "ecs-svc/2", Service: "arn:aws:ecs:r:1:service/town/web",
			Status: model.DeploymentInProgress, Stage: model.StageScaleUp, StageAt: now.Add(-5 * time.Minute), CreatedAt: now.Add(-5 * time.Minute),
		}),
		put(state.Stacks, model.Stack{ID: "arn:aws:cloudformation:r:1:stack/web/1", Name: "web", Status: model.StackRollbackComplete}),
		put(state.Stacks, model.Stack{ID: "arn:aws:cloudformation:r:1:stack/gone/1", Name: "gone", Status: model.StackRollbackComplete}),
		put(state.Services, model.Service{
			ARN: "arn:aws:ecs:r:1:service/town/gone", Name: "gone", Cluster: "town", Status: model.ServiceInactive,
		}),
		put(state.Services, model.Service{
			ARN: "arn:aws:ecs:r:1:service/town/alone", Name: "alone", Cluster: "town", Status: model.ServiceInactive,
		}),
		put(state.TargetGroups, model.TargetGroup{
			ARN: "arn:tg/targetgroup/blue/1", Name: "blue", HealthPath: "/healthz", Matcher: "200", HealthTimeout: 3,
		}),
		put(state.Targets, model.Target{
			Group: "arn:tg/targetgroup/blue/1", ID: "10.0.0.9", Port: 80, Task: "arn:aws:ecs:r:1:task/town/aabbccdd00000000",
			State: model.TargetUnhealthy, Reason: "Target.Timeout", Description: "Request timed out",
		}),
		put(state.LoadBalancers, model.LoadBalancer{
			ARN: "arn:lb/app/front/1", Name: "front", DNSName: "front-1.elb.localhost", Scheme: "internet-facing",
		}),
		put(state.Listeners, model.Listener{
			ARN: "arn:li", LoadBalancer: "arn:lb/app/front/1", Port: 80, Protocol: "HTTP", Trouble: "port 80 is taken: port 10080 answers instead",
		}),
	)
}

// Whatever a user copies from a screen is found, and has its cause and cure.
func TestWhatCanBeAskedFor(t *testing.T) {
	v := town(t).View()
	for _, c := range []struct{ id, kind, says, cure string }{
		{"machines", "capacity provider", "could not launch 1m0s ago", "may not pass the instance role foo"},
		{
			"arn:aws:ecs:r:1:capacity-provider/machines", "capacity provider",
			"1 task waits for an instance in its cluster, the longest aabbccdd for 5m0s", "rename the instance role",
		},
		{"0123456789abcdef0123456789abcdef", "instance", "c6a.large", ""},
		{"aabbccdd", "task", "it waits for an instance", "may not pass the instance role foo"},
		{"NEW", "deployment", "deployment NEW is IN_PROGRESS, stage SCALE_UP for 5m0s", "may not pass the instance role foo"},
		{"ecs-svc/2", "deployment", "SCALE_UP", "may not pass"},
		{"arn:aws:ecs:r:1:service-deployment/town/web/OLD", "deployment", "deployment OLD has been SUCCESSFUL for 50m0s", ""},
		{"10.0.0.9", "target", "unhealthy (Target.Timeout: Request timed out)", "asks for /healthz"},
		{"10.0.0.9:80", "target", "it is task aabbccdd00000000", "asks for /healthz"},
		{"blue", "target group", "1 target", "asks for /healthz"},
		{"front", "load balancer", "port 10080 answers instead", ""},
		{"front-1.elb.localhost", "load balancer", "internet-facing", ""},
		{"stack/web", "stack", "ROLLBACK_COMPLETE", ""},
		{"web", "service", "ACTIVE, desired 1", "may not pass"},
		{"gone", "stack", "ROLLBACK_COMPLETE", ""},
		{"alone", "service", "INACTIVE", ""},
		{"town", "cluster", "service web, desired 1: 1 PROVISIONING", "may not pass the instance role foo"},
	} {
		a, ok := explain.Find(v, c.id, now)
		if !ok {
			t.Errorf("%s: not found", c.id)
			continue
		}
		if all := strings.Join(a.Say, "\n"); a.Kind != c.kind || !strings.Contains(all, c.says) || !strings.Contains(a.Cure, c.cure) ||
			c.cure == "" && a.Cure != "" {
			t.Errorf("%s: got a %s\n%s\n→ %s\nwant a %s with %q → %q", c.id, a.Kind, all, a.Cure, c.kind, c.says, c.cure)
		}
	}
}

// A time that is not there is not printed as one: a rolling deployment has no
// stage.
func TestNoZeroTimeIsTold(t *testing.T) {
	db := town(t)
	if err := db.Update(t.Context(), "test", func(tx *store.Tx) error {
		return errors.Join(
			state.ServiceDeployments.Put(tx, model.ServiceDeployment{
				ARN: "arn:aws:ecs:r:1:service-deployment/town/web/ROLL", RolloutID: "ecs-svc/3", Service: "arn:aws:ecs:r:1:service/town/web",
				Status: model.DeploymentInProgress, CreatedAt: now.Add(-2 * time.Minute),
			}),
			state.Instances.Put(tx, model.Instance{ID: "i-7", ARN: "ci-7", Cluster: "town", State: model.InstancePending, Goal: model.GoalRun}),
		)
	}); err != nil {
		t.Fatal(err)
	}
	for id, want := range map[string]string{
		"ROLL": "deployment ROLL is IN_PROGRESS for 2m0s", "i-7": "wanted for an unknown time", "web": "ACTIVE",
	} {
		a, _ := explain.Find(db.View(), id, now)
		all := strings.Join(a.Say, "\n")
		if !strings.Contains(all, want) || strings.Contains(all, "stage none") || strings.Contains(all, "2562047h") {
			t.Errorf("%s: want %q in\n%s", id, want, all)
		}
	}
}

// A failure to launch before the last launch is over.
func TestAnOldFailureIsOver(t *testing.T) {
	db := town(t)
	err := db.Update(t.Context(), "test", func(tx *store.Tx) error {
		return state.Instances.Put(tx, model.Instance{
			ID: "i-8", ARN: "ci-8", Cluster: "town", CapacityProvider: "machines", State: model.InstanceRunning, Goal: model.GoalRun,
			Status: model.ContainerInstanceActive, Connected: true, Type: "c6a.large", LaunchedAt: now,
		})
	})
	if err != nil {
		t.Fatal(err)
	}
	a, _ := explain.Find(db.View(), "machines", now)
	if all := strings.Join(a.Say, "\n"); strings.Contains(all, "could not launch") || !strings.Contains(all, "it has 1 c6a.large") {
		t.Errorf("%s", all)
	}
}

func TestNearNames(t *testing.T) {
	v := town(t).View()
	for id, want := range map[string]string{
		"aabbcc": "aabbccdd00000000 aabbccee00000000", "machine": "machines", "wbe": "web", "arn:aws:ecs:r:1:service/town/wob": "web",
		"zzzzzz": "",
	} {
		got := explain.Near(v, id)
		slices.Sort(got)
		if strings.Join(got, " ") != want {
			t.Errorf("%s: near are %q, want %q", id, got, want)
		}
	}
}
