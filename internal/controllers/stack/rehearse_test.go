package stack_test

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"berth/internal/access"
	cfnapi "berth/internal/api/cloudformation"
	"berth/internal/control"
	"berth/internal/controllers/stack"
	"berth/internal/ident"
	"berth/internal/model"
	"berth/internal/state"
	shape "berth/internal/wire/shape/cloudformation"
)

// fork is a world of its own that begins as this one is.
func (h *fixture) fork() *fixture {
	f := &fixture{t: h.t, db: h.db.Fork(), clock: h.clock, ids: ident.Seeded(9)}
	acc := access.New(access.Deps{DB: f.db, Clock: f.clock, IDs: f.ids, Place: place})
	f.cfn = cfnapi.New(cfnapi.Deps{DB: f.db, Clock: f.clock, IDs: f.ids, Place: place, Zones: zones, Access: acc})
	f.services = services(f, acc)
	return f
}

// rehearse says what of a template would be refused.
func (h *fixture) rehearse(s model.Stack, fixed bool) []model.StackRefusal {
	h.t.Helper()
	f := h.fork()
	out, err := stack.New(stack.Deps{DB: f.db, Invoke: f, IDs: f.ids, Place: place, Zones: zones}).
		Rehearse(h.t.Context(), h.clock.Now(), s, fixed)
	if err != nil {
		h.t.Fatal(err)
	}
	return out
}

// asked is a stack that somebody has asked for.
func asked(body string) model.Stack {
	return model.Stack{
		ID: place.ARN("cloudformation", "stack/x/1"), Name: "x", Template: body, Status: model.StackCreateInProgress, Operation: 1,
		Principal: "arn:aws:iam::" + place.Account + ":root",
	}
}

// What a rehearsal refuses is refused, in the same words, when the stack is
// made; and it refuses nothing of what can be made. The samples of all types
// are tried as they are and with values in them that nobody should write.
func TestWhatARehearsalRefusesIsRefused(t *testing.T) {
	t.Parallel()
	h := newFixture(t)
	if err := h.create("world", worldTemplate); err != nil {
		t.Fatal(err)
	}
	h.settle("world")
	names := map[string]string{"PrefixList": "pl-1"}
	for _, r := range state.StackResources.By(h.db.View(), "stack", h.stack("world").ID) {
		names[r.LogicalID] = r.PhysicalID
	}
	for _, o := range h.stack("world").Outputs {
		names[o.Key] = o.Value
	}
	refused := 0
	for _, s := range samples(t) {
		l := &lab{fixture: h, t: t, sample: s, names: names}
		l.holds(t, "")
		for _, property := range slices.Sorted(maps.Keys(s.base)) {
			for _, wrong := range []string{"-7", "nonsense", "99999"} {
				refused += l.holds(t, property+"="+wrong)
			}
		}
	}
	if refused == 0 {
		t.Error("nothing was refused: the test tries nothing")
	}
}

// holds tries the sample with a change both ways.
func (l *lab) holds(t *testing.T, change string) (refused int) {
	t.Helper()
	body, name := l.body(change), "x"
	create := &shape.CreateStackInput{StackName: &name, TemplateBody: &body, Capabilities: []string{"CAPABILITY_NAMED_IAM"}}
	real := l.fork()
	if _, err := real.cfn.CreateStack(real.ctx(), create); err != nil {
		return 0 // the schema has it
	}
	refusals := l.rehearse(asked(body), false)
	if len(refusals) == 0 {
		return 0
	}
	real.boot()
	made := real.settle("x")
	story := real.story("x")
	if made.Status != model.StackRollbackComplete || !strings.Contains(story, refusals[0].Reason) {
		t.Errorf("%s %s: a rehearsal refuses %v, and in truth:\n%s", l.sample.of, change, refusals, story)
	}
	return 1
}

const askedTooMuch = `
Parameters: {Seconds: {Type: Number, Default: 5}}
Conditions: {Never: !Equals [a, b]}
Resources:
  Cluster: {Type: AWS::ECS::Cluster}
  Given:
    Type: AWS::ElasticLoadBalancingV2::TargetGroup
    Properties: {Protocol: HTTP, Port: 80, VpcId: !Ref Vpc, HealthCheckIntervalSeconds: !Ref Seconds}
  Small:
    Type: AWS::ECS::TaskDefinition
    Properties:
      Cpu: 300
      Memory: 512
      NetworkMode: awsvpc
      RequiresCompatibilities: [FARGATE]
      ContainerDefinitions: [{Name: a, Image: b}]
  Bridge:
    Type: AWS::ECS::TaskDefinition
    Properties:
      Memory: 512
      NetworkMode: bridge
      ContainerDefinitions: [{Name: a, Image: b}]
  Service:
    Type: AWS::ECS::Service
    Properties: {Cluster: !Ref Cluster, TaskDefinition: !Ref Bridge, LaunchType: FARGATE}
  Behind:
    Type: AWS::ECS::Service
    Properties: {Cluster: !Ref Cluster, TaskDefinition: !Ref Small, LaunchType: FARGATE}
  Group:
    Type: AWS::ElasticLoadBalancingV2::TargetGroup
    Properties: {Protocol: HTTP, Port: 80, VpcId: !Ref Vpc, HealthCheckIntervalSeconds: 8, HealthCheckTimeoutSeconds: 10}
  Vpc: {Type: AWS::EC2::VPC, Properties: {CidrBlock: 10.0.0.0/16}}
  Off: {Type: AWS::ECS::Cluster, Condition: Never}
`

// A rehearsal tells all that is refused, each with where it stands; not what
// only hangs on that, nor what a parameter may change when it is asked for
// what is fixed.
func TestARehearsalTellsAll(t *testing.T) {
	t.Parallel()
	h := newFixture(t)
	got := map[string]string{}
	for _, r := range h.rehearse(asked(askedTooMuch), false) {
		got[strings.Join(r.Paths, " ")] = r.Reason
	}
	root := "/Resources/"
	want := map[string]string{
		root + "Given/Properties/HealthCheckIntervalSeconds": "Health check interval must be greater than the timeout.",
		root + "Small/Properties/Cpu " + root + "Small/Properties/Memory " + root + "Small/Properties/RequiresCompatibilities/0": "No Fargate " +
			"configuration exists for given values: 300 CPU, 512 memory. See the Amazon ECS documentation for the valid values.",
		root + "Service/Properties/LaunchType " + root + "Service/Properties/TaskDefinition": "Task definition does not support launch_type " +
			"FARGATE.",
		root + "Group/Properties/HealthCheckIntervalSeconds " + root + "Group/Properties/HealthCheckTimeoutSeconds": "Health check interval " +
			"must be greater than the timeout.",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("refusals (-want +got):\n%s", diff)
	}
	fixed := 0
	for _, r := range h.rehearse(asked(askedTooMuch), true) {
		if fixed++; r.Resource == "Given" {
			t.Errorf("a parameter may change it: %v", r)
		}
	}
	if fixed != len(want)-1 {
		t.Errorf("%d refusals hang on no parameter, want %d", fixed, len(want)-1)
	}
	if n := len(state.VPCs.All(h.db.View())); n != 0 || len(h.calls) > 0 {
		t.Errorf("%d VPCs are left, calls %v", n, h.calls)
	}
}

// An update is tried on what there is: what stays is not made again, what is
// replaced is, and a change that is refused says so.
func TestARehearsalOfAnUpdate(t *testing.T) {
	t.Parallel()
	h := newFixture(t)
	body := func(days, interval int) string {
		return fmt.Sprintf(`
Resources:
  Vpc: {Type: AWS::EC2::VPC, Properties: {CidrBlock: 10.0.0.0/16}}
  Logs: {Type: AWS::Logs::LogGroup, Properties: {LogGroupName: mine, RetentionInDays: %d}}
  Group:
    Type: AWS::ElasticLoadBalancingV2::TargetGroup
    Properties: {Protocol: HTTP, Port: 80, VpcId: !Ref Vpc, HealthCheckIntervalSeconds: %d, HealthCheckTimeoutSeconds: 10}
`, days, interval)
	}
	if err := h.create("x", body(7, 30)); err != nil {
		t.Fatal(err)
	}
	s := h.settle("x")
	s = model.Clone(s)
	s.Operation++
	s.Status = model.StackUpdateInProgress
	if s.Template = body(14, 60); len(h.rehearse(s, false)) > 0 {
		t.Errorf("refused: %v", h.rehearse(s, false))
	}
	s.Template = body(14, 6)
	got := h.rehearse(s, false)
	if len(got) != 1 || got[0].Resource != "Group" {
		t.Errorf("refusals: %v", got)
	}
	if g := h.resource("x", "Logs"); g.Properties["RetentionInDays"] != int64(7) {
		t.Errorf("the stack has changed: %v", g.Properties)
	}
}

var _ control.Invoker = (*fixture)(nil)
