package service_test

import (
	"context"
	"encoding/json"
	"log/slog"
	"strings"
	"testing"
	"time"

	apiecs "berth/internal/api/ecs"
	"berth/internal/clock"
	"berth/internal/control"
	"berth/internal/controllers/service"
	"berth/internal/fault"
	"berth/internal/front"
	"berth/internal/ident"
	"berth/internal/model"
	"berth/internal/state"
	"berth/internal/state/statetest"
	"berth/internal/store"
	"berth/internal/wire"
	"berth/internal/wire/shape/ecs"
	"berth/internal/wire/shape/elbv2"
	"berth/internal/wire/shape/lambda"
)

var place = ident.Place{Partition: "aws", Region: "ap-northeast-1", Account: "000000000000"}

const account = "arn:aws:iam::000000000000:role/"

// world is the loop with the real API, and drivers that do at once what the
// other loops take their time for.
type world struct {
	t      *testing.T
	db     *state.DB
	clock  *clock.Stepped
	engine *control.Engine
	front  *front.Front
	said   []string // calls of the loop, with who made them
	// answer is what the hook's function replies.
	answer func(payload hookPayload) (string, error)
	deny   string // operation that is denied
	fails  func(t model.Task) bool
}

type access struct{ w *world }

func (a access) Assume(_ store.Reader, by control.Assumption) (ident.Principal, error) {
	if by.Service != "ecs.amazonaws.com" || strings.HasSuffix(by.Role, "/untrusting") {
		return ident.Principal{}, fault.New(fault.Denied, "AccessDenied", "not trusted")
	}
	return ident.AsRole(by.Role, by.Session), nil
}

func (access) Allow(store.Reader, ident.Principal, string, string, map[string]string) error {
	return nil
}

// as is what the loop calls: load balancing on the tables, and a function.
func (w *world) as(p ident.Principal) wire.Caller {
	return wire.CallerFunc(func(ctx context.Context, op *wire.Operation, in any) (any, error) {
		w.said = append(w.said, p.ARN+" "+op.Service.Name+":"+op.Name)
		if op.Name == w.deny {
			return nil, fault.New(fault.Denied, "AccessDenied", "User: %s is not authorized to perform: %s:%s", p.ARN, op.Service.Name, op.Name)
		}
		switch in := in.(type) {
		case *elbv2.DescribeRulesInput:
			return &elbv2.DescribeRulesOutput{}, nil
		case *elbv2.ModifyRuleInput:
			return &elbv2.ModifyRuleOutput{}, w.modify(ctx, in)
		case *lambda.InvokeInput:
			var payload hookPayload
			if err := json.Unmarshal(in.Payload, &payload); err != nil {
				return nil, err
			}
			body, err := w.answer(payload)
			return &lambda.InvokeOutput{Payload: []byte(body)}, err
		}
		return nil, fault.New(fault.NotImplemented, "", "%s", op)
	})
}

// hookPayload is what a test reads of a hook's payload.
type hookPayload struct {
	Stage string `json:"lifecycleStage"`
}

func (w *world) modify(ctx context.Context, in *elbv2.ModifyRuleInput) error {
	return w.db.Update(ctx, "api/elbv2", func(tx *store.Tx) error {
		return state.ListenerRules.Edit(tx, *in.RuleArn, func(r *model.ListenerRule) error {
			var ts []model.WeightedTarget
			for _, g := range in.Actions[0].ForwardConfig.TargetGroups {
				ts = append(ts, model.WeightedTarget{TargetGroupARN: *g.TargetGroupArn, Weight: *g.Weight})
			}
			r.Actions = []model.Action{{Type: "forward", Targets: ts, StickySet: true}}
			return nil
		})
	})
}

func rule(n string) string { return place.ARN("elasticloadbalancing", "listener-rule/app/alb/1/2/"+n) }

func newWorld(t *testing.T) *world {
	t.Helper()
	db, err := state.Open(t.Context(), store.NewMemory(), true)
	if err != nil {
		t.Fatal(err)
	}
	w := &world{
		t: t, db: db, clock: clock.NewStepped(time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)), fails: func(model.Task) bool { return false },
	}
	w.answer = func(hookPayload) (string, error) { return `{"hookStatus":"SUCCEEDED"}`, nil }
	log := slog.New(slog.DiscardHandler)
	api := apiecs.New(apiecs.Deps{DB: db, Clock: w.clock, IDs: ident.Seeded(2), Place: place})
	if w.front, err = front.New(front.Deps{
		Services: []front.Service{{Meta: ecs.Meta, API: api, Fields: apiecs.Fields, Resources: apiecs.Resources, Finders: api.Finders()}},
		Place:    place, Clock: w.clock, IDs: ident.Seeded(3), Log: log,
	}); err != nil {
		t.Fatal(err)
	}
	w.engine = control.New(db, w.clock, log)
	w.engine.Begin(t.Context(), true)
	w.engine.Add(service.New(service.Deps{DB: db, IDs: ident.Seeded(4), As: w.as, Access: access{w}, Jobs: w.engine.Jobs()}))
	w.engine.Open()
	w.furnish()
	return w
}

func (w *world) write(writer string, fn func(*store.Tx) error) {
	w.t.Helper()
	if err := w.db.Update(w.t.Context(), writer, fn); err != nil {
		w.t.Fatal(err)
	}
}

// furnish makes what the service of the seed refers to.
func (w *world) furnish() {
	w.t.Helper()
	w.write("api/ec2", func(tx *store.Tx) error {
		if err := state.Subnets.Put(tx, model.Subnet{ID: "subnet-1", VPC: "vpc-1"}); err != nil {
			return err
		}
		return state.SecurityGroups.Put(tx, model.SecurityGroup{ID: "sg-1", VPC: "vpc-1"})
	})
	w.write("api/elbv2", func(tx *store.Tx) error {
		for g, r := range map[string]string{"tg/1": "prod", "tg/2": "test"} {
			if err := state.TargetGroups.Put(tx, model.TargetGroup{ARN: g, TargetType: "ip"}); err != nil {
				return err
			}
			if err := state.ListenerRules.Put(tx, model.ListenerRule{
				ARN: rule(r), Actions: []model.Action{{Type: "forward", Plain: true, Targets: []model.WeightedTarget{{TargetGroupARN: g, Weight: 1}}}},
			}); err != nil {
				return err
			}
		}
		return nil
	})
	w.write("api/ecs", func(tx *store.Tx) error {
		if err := state.Clusters.Put(tx, model.Cluster{
			Name: "c", Status: model.ClusterActive, CapacityProviders: []string{"mi"},
			DefaultStrategy: []model.StrategyItem{{Provider: "mi", Weight: 1}},
		}); err != nil {
			return err
		}
		return state.CapacityProviders.Put(tx, model.CapacityProvider{Name: "mi", Cluster: "c", Status: model.ProviderActive})
	})
	call(w, w.api().RegisterTaskDefinition, &ecs.RegisterTaskDefinitionInput{
		Family: wire.Ptr("f"), Cpu: wire.Ptr("256"), Memory: wire.Ptr("512"), NetworkMode: wire.Ptr("awsvpc"),
		RequiresCompatibilities: []string{"MANAGED_INSTANCES"},
		ContainerDefinitions: []ecs.ContainerDefinition{
			{Name: wire.Ptr("web"), Image: wire.Ptr("repo:latest"), PortMappings: []ecs.PortMapping{{ContainerPort: wire.Ptr(int64(80))}}},
		},
	})
}

// api is ECS, as its user has it.
func (w *world) api() ecs.Client { return ecs.Client{Caller: w.front.As(ident.Root(place))} }

func call[I, O any](w *world, operation func(context.Context, *I) (*O, error), in *I) *O {
	w.t.Helper()
	out, err := operation(w.t.Context(), in)
	if err != nil {
		w.t.Fatalf("%T: %v", in, err)
	}
	return out
}

func (w *world) create(stages ...string) {
	w.t.Helper()
	call(w, w.api().CreateService, &ecs.CreateServiceInput{
		Cluster: wire.Ptr("c"), ServiceName: wire.Ptr("s"), TaskDefinition: wire.Ptr("f"), DesiredCount: wire.Ptr(int64(2)),
		LoadBalancers: []ecs.LoadBalancer{{
			TargetGroupArn: wire.Ptr("tg/1"), ContainerName: wire.Ptr("web"), ContainerPort: wire.Ptr(int64(80)),
			AdvancedConfiguration: &ecs.AdvancedConfiguration{
				AlternateTargetGroupArn: wire.Ptr("tg/2"), ProductionListenerRule: wire.Ptr(rule("prod")), TestListenerRule: wire.Ptr(rule("test")),
				RoleArn: wire.Ptr(account + "lb"),
			},
		}},
		NetworkConfiguration: &ecs.NetworkConfiguration{
			AwsvpcConfiguration: &ecs.AwsVpcConfiguration{Subnets: []string{"subnet-1"}, SecurityGroups: []string{"sg-1"}},
		},
		DeploymentConfiguration: &ecs.DeploymentConfiguration{Strategy: wire.Ptr("BLUE_GREEN"), LifecycleHooks: []ecs.DeploymentLifecycleHook{{
			HookTargetArn: wire.Ptr("arn:aws:lambda:ap-northeast-1:000000000000:function:hook"), RoleArn: wire.Ptr(account + "hook"),
			LifecycleStages: stages,
		}}},
	})
}

// deploy makes a new deployment of the service as it is.
func (w *world) deploy() {
	w.t.Helper()
	call(w, w.api().UpdateService, &ecs.UpdateServiceInput{Cluster: wire.Ptr("c"), Service: wire.Ptr("s"), ForceNewDeployment: wire.Ptr(true)})
}

// settle runs the loop and the drivers until nothing moves, for a time.
func (w *world) settle(d time.Duration) {
	w.t.Helper()
	end := w.clock.Now().Add(d)
	for {
		for range 100 {
			n, err := w.engine.Settle(w.t.Context(), 1000)
			if err != nil {
				w.t.Fatal(err)
			}
			if !w.drivers() && n == 0 {
				break
			}
		}
		at, ok := w.engine.NextDue()
		if !ok || at.After(end) {
			w.clock.Advance(end.Sub(w.clock.Now()))
			return
		}
		w.clock.Advance(at.Sub(w.clock.Now()))
	}
}

// drivers moves every task on by one step, and reports whether one moved.
func (w *world) drivers() bool {
	moved := false
	for _, t := range state.Tasks.All(w.db.View()) {
		switch {
		case t.DesiredStatus == model.TaskStopped && t.LastStatus != model.TaskStopped:
			w.end(t)
		case t.DesiredStatus == model.TaskRunning && t.LastStatus != model.TaskRunning:
			w.begin(t)
		default:
			continue
		}
		moved = true
	}
	return moved
}

func (w *world) end(t model.Task) {
	w.write("controllers/traffic", func(tx *store.Tx) error {
		for _, g := range state.Targets.By(tx, "task", t.ARN) {
			if err := state.Targets.Delete(tx, state.TargetKey(g.Group, g.ID, g.Port)); err != nil {
				return err
			}
		}
		return nil
	})
	w.walk(t.ARN, model.TaskStopped)
}

func (w *world) walk(arn string, to model.TaskStatus) {
	w.t.Helper()
	if err := statetest.Walk(w.t.Context(), w.db, arn, to); err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) begin(t model.Task) {
	now := w.clock.Now()
	if w.fails(t) {
		w.write("dispatch", func(tx *store.Tx) error {
			return state.Tasks.Edit(tx, t.ARN, func(t *model.Task) error {
				t.DesiredStatus, t.StopCode, t.StoppedReason, t.StoppingAt = model.TaskStopped, "TaskFailedToStart", "CannotPullContainerError", now
				return nil
			})
		})
		return
	}
	w.write("dispatch", func(tx *store.Tx) error {
		return state.Tasks.Edit(tx, t.ARN, func(t *model.Task) error {
			t.StartedAt, t.Containers[0].ImageDigest = now, "sha256:abc"
			return nil
		})
	})
	w.walk(t.ARN, model.TaskRunning)
	w.write("controllers/traffic", func(tx *store.Tx) error {
		for _, g := range t.TargetGroups() {
			if err := state.Targets.Put(tx, model.Target{Group: g, ID: t.ID, Port: 80, Task: t.ARN, State: model.TargetHealthy}); err != nil {
				return err
			}
		}
		return nil
	})
}

func (w *world) deployments() []model.ServiceDeployment {
	return state.ServiceDeployments.All(w.db.View())
}

func (w *world) status() map[string]int {
	out := map[string]int{}
	for _, d := range w.deployments() {
		out[string(d.Status)]++
	}
	return out
}

func (w *world) weights(n string) string {
	r, _ := state.ListenerRules.Get(w.db.View(), rule(n))
	b, _ := json.Marshal(r.Actions[0].Targets)
	return string(b)
}

func (w *world) service() model.Service {
	s, _ := state.Services.One(w.db.View(), "name", "c/s")
	return s
}

// Proves: D13, D17, D19, D28
func TestBlueGreenFromTheAPI(t *testing.T) {
	w := newWorld(t)
	var payloads []hookPayload
	w.answer = func(p hookPayload) (string, error) {
		payloads = append(payloads, p)
		return `{"hookStatus":"SUCCEEDED"}`, nil
	}
	w.create("POST_TEST_TRAFFIC_SHIFT")
	w.settle(time.Minute)
	if w.status()["SUCCESSFUL"] != 1 {
		t.Fatalf("%+v\nevents %+v", w.deployments(), w.service().Events)
	}
	if got := w.weights("prod"); got != `[{"targetGroupArn":"tg/2","weight":100},{"targetGroupArn":"tg/1","weight":0}]` {
		t.Errorf("production %s", got)
	}
	if len(payloads) != 1 || payloads[0].Stage != "POST_TEST_TRAFFIC_SHIFT" {
		t.Errorf("payloads %v", payloads)
	}
	for _, want := range []string{
		"assumed-role/lb/ECSNetworkingWithELB elasticloadbalancing:DescribeRules",
		"assumed-role/lb/ECSNetworkingWithELB elasticloadbalancing:ModifyRule",
		"assumed-role/hook/ECS-Lambda-Execution lambda:Invoke",
	} {
		if !strings.Contains(strings.Join(w.said, "\n"), want) {
			t.Errorf("nobody called %s: %q", want, w.said)
		}
	}
	w.deploy()
	w.settle(20 * time.Minute)
	if w.status()["SUCCESSFUL"] != 2 || !strings.HasPrefix(w.weights("prod"), `[{"targetGroupArn":"tg/1","weight":100}`) {
		t.Errorf("%v, production %s", w.status(), w.weights("prod"))
	}
	s := call(w, w.api().DescribeServices, &ecs.DescribeServicesInput{Cluster: wire.Ptr("c"), Services: []string{"s"}}).Services[0]
	if n := len(s.Deployments); n != 1 {
		t.Errorf("%d deployments", n)
	}
	newest := *s.Events[0].Message
	if newest != "(service s) has reached a steady state." {
		t.Errorf("newest event %v", newest)
	}
}

func TestRefusedRuleRollsBack(t *testing.T) {
	w := newWorld(t)
	w.create("PRE_SCALE_UP")
	w.settle(time.Minute)
	w.deny = "ModifyRule"
	w.deploy()
	w.settle(time.Minute)
	if w.status()["ROLLBACK_SUCCESSFUL"] != 1 {
		t.Fatalf("%v", w.status())
	}
	for _, d := range w.deployments() {
		want := "Service deployment rolled back because of invalid networking configuration: ECS was unable to manage the ELB resources due " +
			"to missing permissions on ECS Infrastructure Role '" + account + "lb'."
		if d.Status == model.DeploymentRollbackSuccessful && d.StatusReason != want {
			t.Error(d.StatusReason)
		}
	}
}

func TestRefusedHookRollsBack(t *testing.T) {
	w := newWorld(t)
	w.create("PRE_SCALE_UP")
	w.settle(time.Minute)
	w.deny = "Invoke"
	w.deploy()
	w.settle(time.Minute)
	found := false
	for _, e := range w.service().Events {
		found = found ||
			strings.Contains(
				e.Message,
				"(service s) deployment failed: Service deployment rolled back because PRE_SCALE_UP lifecycle hook(s) failed. ECS was unable to "+
					"invoke hook target arn:aws:lambda:ap-northeast-1:000000000000:function:hook due to User: ",
			)
	}
	if !found || w.status()["ROLLBACK_SUCCESSFUL"] != 1 {
		t.Errorf("%v %+v", w.status(), w.service().Events)
	}
}

func TestPassingErrorOfAHookIsTriedAgain(t *testing.T) {
	w := newWorld(t)
	n := 0
	w.answer = func(hookPayload) (string, error) {
		if n++; n < 3 {
			return "", fault.New(fault.Throttled, "TooManyRequestsException", "Rate exceeded")
		}
		return `{"hookStatus":"SUCCEEDED"}`, nil
	}
	w.create("PRE_SCALE_UP")
	w.settle(2 * time.Minute)
	if n != 3 || w.status()["SUCCESSFUL"] != 1 {
		t.Errorf("called %d times, %v", n, w.status())
	}
}

func TestDeletedServiceEndsInactive(t *testing.T) {
	w := newWorld(t)
	w.create("PRE_SCALE_UP")
	w.settle(time.Minute)
	call(w, w.api().DeleteService, &ecs.DeleteServiceInput{Cluster: wire.Ptr("c"), Service: wire.Ptr("s"), Force: wire.Ptr(true)})
	w.settle(time.Minute)
	if s := w.service(); s.Status != model.ServiceInactive {
		t.Errorf("%s", s.Status)
	}
	for _, task := range state.Tasks.All(w.db.View()) {
		if task.StopCode != "ServiceSchedulerInitiated" ||
			!strings.HasPrefix(task.StoppedReason, "Scaling activity initiated by (deployment ecs-svc/") {
			t.Errorf("%s %s", task.StopCode, task.StoppedReason)
		}
	}
}

func TestTaskThatFailsToStartIsReported(t *testing.T) {
	w := newWorld(t)
	w.fails = func(model.Task) bool { return true }
	w.create("PRE_SCALE_UP")
	w.settle(10 * time.Minute)
	found := false
	for _, e := range w.service().Events {
		found = found || strings.Contains(e.Message, "(service s) is unable to consistently start tasks successfully.")
	}
	if !found {
		t.Errorf("%+v", w.service().Events)
	}
	if n := state.Tasks.Len(w.db.View()); n < 5 || n > 12 {
		t.Errorf("%d starts in ten minutes", n)
	}
}

func TestStoppedTaskIsReplaced(t *testing.T) {
	w := newWorld(t)
	w.create("PRE_SCALE_UP")
	w.settle(time.Minute)
	var one string
	for _, task := range state.Tasks.All(w.db.View()) {
		one = task.ARN
	}
	call(w, w.api().StopTask, &ecs.StopTaskInput{Cluster: wire.Ptr("c"), Task: &one})
	w.settle(time.Minute)
	out := call(w, w.api().ListTasks, &ecs.ListTasksInput{Cluster: wire.Ptr("c"), ServiceName: wire.Ptr("s")})
	if n := len(out.TaskArns); n != 2 {
		t.Errorf("%d tasks", n)
	}
}

func TestNothingHappensTwice(t *testing.T) {
	w := newWorld(t)
	w.create("PRE_SCALE_UP")
	w.settle(time.Minute)
	before := w.db.View().Revision()
	w.engine.Kick("controllers/service", w.service().ARN)
	w.settle(0)
	if after := w.db.View().Revision(); after != before {
		t.Errorf("a second look wrote %d transactions", after-before)
	}
}

// own is an instance of the user's own with an attribute.
func own(attribute string) *model.Instance {
	return &model.Instance{
		ARN: "i", Cluster: "c", Kind: model.KindEC2, Status: model.ContainerInstanceActive, Goal: model.GoalRun,
		Attributes: []model.Attribute{{Name: attribute}},
	}
}

// Records that do not name their service lead to it, and a look for their sake
// writes nothing where nothing is to be done.
func TestAliasesLeadToTheirServices(t *testing.T) {
	w := newWorld(t)
	w.create("PRE_SCALE_UP")
	w.settle(time.Minute)
	task := state.Tasks.By(w.db.View(), "service", w.service().ARN)[0]
	w.write("controllers/traffic", func(tx *store.Tx) error {
		return state.Targets.Put(tx, model.Target{Group: "g", ID: "10.0.0.1", Port: 80, Task: task.ARN, State: model.TargetHealthy})
	})
	w.settle(0)
	before := w.db.View().Revision()
	for _, key := range []string{"task|" + task.ARN, "group|g", "group|none", "instance|" + task.Instance, "rule|" + rule("r"), "alarm|x"} {
		w.engine.Kick("controllers/service", key)
	}
	w.settle(0)
	if after := w.db.View().Revision(); after != before {
		t.Errorf("looks for nothing wrote %d transactions", after-before)
	}
}

func TestWake(t *testing.T) {
	l := service.New(service.Deps{DB: &state.DB{}})
	for _, c := range []struct {
		change store.Change
		want   string
	}{
		{state.Services.Change(nil, &model.Service{ARN: "a"}), "a"},
		{state.ServiceDeployments.Change(nil, &model.ServiceDeployment{Service: "a"}), "a"},
		{state.Tasks.Change(&model.Task{Service: "a"}, nil), "a"},
		{state.Tasks.Change(nil, &model.Task{}), ""},
		{state.Tasks.Change(&model.Task{Service: "a"}, &model.Task{Service: "a", LastStatus: model.TaskPending, ENI: "eni"}), ""},
		{state.Tasks.Change(&model.Task{Service: "a"}, &model.Task{Service: "a", Instance: "i"}), "a"},
		{state.Targets.Change(nil, &model.Target{Task: "t", Group: "g"}), "group|g"},
		{state.Targets.Change(&model.Target{Task: "t", Group: "g"}, &model.Target{Task: "t", Group: "g", State: "healthy"}), "group|g"},
		{state.Targets.Change(&model.Target{Task: "t", Group: "g"}, &model.Target{Task: "t", Group: "g", StateAt: time.Unix(1, 0)}), ""},
		{state.Targets.Change(&model.Target{Task: "t", Group: "g"}, nil), "task|t"},
		{state.Targets.Change(nil, &model.Target{Group: "g"}), ""},
		{state.Alarms.Change(nil, &model.Alarm{Name: "x"}), "alarm|x"},
		{state.Instances.Change(&model.Instance{ARN: "i"}, &model.Instance{ARN: "i", Status: "DRAINING"}), "instance|i"},
		{state.Instances.Change(nil, &model.Instance{ARN: "i"}), ""},
		{state.Instances.Change(nil, &model.Instance{ARN: "i", Cluster: "c", Status: "ACTIVE"}), ""},
		{state.Instances.Change(nil, own("")), "cluster|c"},
		{state.Instances.Change(own(""), own("")), ""},
		{state.Instances.Change(own(""), own("a")), "cluster|c"},
		{state.Instances.Change(own(""), nil), "cluster|c"},
		{state.Clusters.Change(nil, &model.Cluster{}), ""},
	} {
		if got := strings.Join(l.Wake().Keys(c.change), " "); got != c.want {
			t.Errorf("%s: %q, want %q", c.change.Table, got, c.want)
		}
	}
}
