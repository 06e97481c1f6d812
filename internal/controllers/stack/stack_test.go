package stack_test

import (
	"context"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"berth/internal/controllers/stack"
	"berth/internal/controllers/stack/handler"
	"berth/internal/fault"
	"berth/internal/lang/template"
	"berth/internal/model"
	"berth/internal/state"
	"berth/internal/wire"
	shape "berth/internal/wire/shape/cloudformation"
)

func page(t *testing.T) string {
	t.Helper()
	b, err := os.ReadFile("../../lang/template/testdata/page.yaml")
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// stock counts what exists, by kind.
func (h *fixture) stock() map[string]int {
	v := h.db.View()
	alive := func(s string) bool { return s != "INACTIVE" }
	out := map[string]int{
		"vpc": len(state.VPCs.All(v)), "subnet": len(state.Subnets.All(v)), "gateway": len(state.InternetGateways.All(v)),
		"endpoint": len(state.VPCEndpoints.All(v)), "balancer": len(state.LoadBalancers.All(v)), "listener": len(state.Listeners.All(v)),
		"group": len(state.TargetGroups.All(v)), "role": len(state.Roles.All(v)), "profile": len(state.InstanceProfiles.All(v)),
		"function": len(state.Functions.All(v)), "logs": len(state.LogGroups.All(v)),
	}
	for _, g := range state.SecurityGroups.All(v) {
		if g.Name != "default" {
			out["security group"]++
		}
	}
	for _, s := range state.Services.All(v) {
		if alive(string(s.Status)) {
			out["service"]++
		}
	}
	for _, c := range state.Clusters.All(v) {
		if alive(string(c.Status)) {
			out["cluster"]++
		}
	}
	for _, d := range state.TaskDefinitions.All(v) {
		if d.Status == "ACTIVE" {
			out["definition"]++
		}
	}
	for k, n := range out {
		if n == 0 {
			delete(out, k)
		}
	}
	return out
}

var whole = map[string]int{
	"vpc": 1, "subnet": 3, "gateway": 1, "endpoint": 1, "balancer": 1, "listener": 1, "group": 2, "role": 3, "profile": 1, "function": 1,
	"logs":           1,
	"security group": 2, "service": 1, "cluster": 1, "definition": 1,
}

func TestAStackComesAndGoes(t *testing.T) {
	t.Parallel()
	h := newFixture(t)
	empty := h.stock()
	if err := h.create("s", page(t)); err != nil {
		t.Fatal(err)
	}
	if s := h.settle("s"); s.Status != "CREATE_COMPLETE" {
		t.Fatalf("%s %s\n%s", s.Status, s.StatusReason, h.story("s"))
	}
	if diff := cmp.Diff(whole, h.stock()); diff != "" {
		t.Error(diff)
	}
	s := h.stack("s")
	if len(s.Outputs) != 1 || !strings.HasPrefix(s.Outputs[0].Value, "http://page-test-") {
		t.Errorf("outputs: %v", s.Outputs)
	}
	if e, ok := state.Exports.Get(h.db.View(), "s-url"); !ok || e.Stack != s.ID {
		t.Errorf("export: %v", e)
	}
	h.del("s")
	if s := h.settle("s"); s.Status != "DELETE_COMPLETE" {
		t.Fatalf("%s %s\n%s", s.Status, s.StatusReason, h.story("s"))
	}
	if diff := cmp.Diff(empty, h.stock()); diff != "" {
		t.Error(diff)
	}
	if n := len(state.Exports.All(h.db.View())); n != 0 {
		t.Errorf("%d exports stay", n)
	}
}

// Proves: D93
func TestEventsReadAsOnAWS(t *testing.T) {
	t.Parallel()
	h := newFixture(t)
	const body = "Resources:\n  A: {Type: AWS::Logs::LogGroup}\n  B: {Type: AWS::Logs::LogGroup, DependsOn: A}\n"
	if err := h.create("s", body); err != nil {
		t.Fatal(err)
	}
	h.settle("s")
	h.del("s")
	h.settle("s")
	want := `s CREATE_IN_PROGRESS (User Initiated)
A CREATE_IN_PROGRESS
A CREATE_IN_PROGRESS (Resource creation Initiated)
A CREATE_COMPLETE
B CREATE_IN_PROGRESS
B CREATE_IN_PROGRESS (Resource creation Initiated)
B CREATE_COMPLETE
s CREATE_COMPLETE
s DELETE_IN_PROGRESS (User Initiated)
B DELETE_IN_PROGRESS
B DELETE_COMPLETE
A DELETE_IN_PROGRESS
A DELETE_COMPLETE
s DELETE_COMPLETE
`
	if diff := cmp.Diff(want, h.story("s")); diff != "" {
		t.Error(diff)
	}
}

// Proves: MI72, D94, D95
func TestHiddenOrderings(t *testing.T) {
	t.Parallel()
	h := newFixture(t)
	if err := h.create("s", page(t)); err != nil {
		t.Fatal(err)
	}
	h.settle("s")
	story := h.story("s")
	for _, c := range [][2]string{
		{"Attachment CREATE_COMPLETE", "OpenRoute CREATE_IN_PROGRESS"},
		{"Attachment CREATE_COMPLETE", "Balancer CREATE_IN_PROGRESS"},
		{"Associations CREATE_COMPLETE", "Service CREATE_IN_PROGRESS"},
	} {
		if strings.Index(story, c[0]) > strings.Index(story, c[1]) {
			t.Errorf("%s after %s", c[0], c[1])
		}
	}
	h.del("s")
	h.settle("s")
	story = h.story("s")
	for _, c := range [][2]string{
		{"FrontRule DELETE_COMPLETE", "Green DELETE_IN_PROGRESS"},
		{"Service DELETE_COMPLETE", "AgentEndpoint DELETE_IN_PROGRESS"},
		{"Service DELETE_COMPLETE", "Associations DELETE_IN_PROGRESS"},
	} {
		if strings.Index(story, c[0]) > strings.Index(story, c[1]) {
			t.Errorf("%s after %s", c[0], c[1])
		}
	}
}

// The answer to any one call is lost, as when the process is killed between
// the call and writing down what came of it: nothing is made twice, nothing
// is left behind.
func TestNothingIsMadeTwice(t *testing.T) {
	t.Parallel()
	h := newFixture(t)
	if err := h.create("s", page(t)); err != nil {
		t.Fatal(err)
	}
	h.settle("s")
	total, step := len(h.calls), 1
	if testing.Short() {
		step = 7
	}
	for n := 1; n <= total; n += step {
		t.Run(fmt.Sprint(n), func(t *testing.T) {
			t.Parallel()
			h := newFixture(t)
			empty := h.stock()
			lost := ""
			h.after = func(call string, count int) error {
				if count != n {
					return nil
				}
				lost = call
				return fmt.Errorf("the process was killed: %w", context.Canceled)
			}
			if err := h.create("s", page(t)); err != nil {
				t.Fatal(err)
			}
			if s := h.settle("s"); s.Status != "CREATE_COMPLETE" {
				t.Fatalf("after losing %s: %s %s\n%s", lost, s.Status, s.StatusReason, h.story("s"))
			}
			if diff := cmp.Diff(whole, h.stock()); diff != "" {
				t.Errorf("after losing %s:\n%s", lost, diff)
			}
			h.del("s")
			h.settle("s")
			if diff := cmp.Diff(empty, h.stock()); diff != "" {
				t.Errorf("after losing %s, left behind:\n%s", lost, diff)
			}
		})
	}
}

// The process is killed after every single write, and begins anew.
func TestAnyReconcileMayBeTheFirst(t *testing.T) {
	t.Parallel()
	h := newFixture(t)
	if err := h.create("s", page(t)); err != nil {
		t.Fatal(err)
	}
	for range 300 {
		h.boot()
		if _, err := h.engine.Settle(t.Context(), 1); err != nil && !strings.Contains(err.Error(), "still busy") {
			t.Fatal(err)
		}
		h.others()
		h.clock.Advance(5e9)
		if s := h.stack("s"); !strings.HasSuffix(string(s.Status), "_IN_PROGRESS") {
			break
		}
	}
	if s := h.stack("s"); s.Status != "CREATE_COMPLETE" {
		t.Fatalf("%s %s", s.Status, s.StatusReason)
	}
	if diff := cmp.Diff(whole, h.stock()); diff != "" {
		t.Error(diff)
	}
}

func TestAFailedCreateRollsBack(t *testing.T) {
	t.Parallel()
	h := newFixture(t)
	empty := h.stock()
	h.broken = "Service deployment rolled back because POST_TEST_TRAFFIC_SHIFT lifecycle hook(s) failed."
	if err := h.create("s", page(t)); err != nil {
		t.Fatal(err)
	}
	if s := h.settle("s"); s.Status != "ROLLBACK_COMPLETE" {
		t.Fatalf("%s %s\n%s", s.Status, s.StatusReason, h.story("s"))
	}
	story := h.story("s")
	for _, want := range []string{
		"Service CREATE_FAILED (Resource handler returned message: \"Error occurred during operation 'ECS Deployment': Service deployment " +
			"rolled back because POST_TEST_TRAFFIC_SHIFT lifecycle hook(s) failed.\" (RequestToken: ",
		"HandlerErrorCode: GeneralServiceException))",
		"s ROLLBACK_IN_PROGRESS (The following resource(s) failed to create: [Service]. Rollback requested by user.)",
		"Service DELETE_COMPLETE", "s ROLLBACK_COMPLETE",
	} {
		if !strings.Contains(story, want) {
			t.Errorf("no %q in\n%s", want, story)
		}
	}
	if diff := cmp.Diff(empty, h.stock()); diff != "" {
		t.Error(diff)
	}
	if _, err := h.cfn.UpdateStack(h.ctx(), &shape.UpdateStackInput{StackName: wire.Ptr("s"), TemplateBody: wire.Ptr(page(t))}); err == nil {
		t.Error("a rolled back stack can be updated")
	}
}

func TestSiblingsOfAFailureAreCancelled(t *testing.T) {
	t.Parallel()
	h := newFixture(t)
	h.before = refuse("logs", "CreateLogGroup", "The log group cannot be made")
	const body = "Resources:\n  Net: {Type: AWS::EC2::VPC, Properties: {CidrBlock: 10.0.0.0/16}}\n" +
		"  End: {Type: AWS::EC2::VPCEndpoint, Properties: {VpcId: !Ref Net, VpcEndpointType: Interface, ServiceName: " +
		"com.amazonaws.ap-northeast-1.ecs, PrivateDnsEnabled: false, SubnetIds: [!Ref Sub]}}\n" +
		"  Sub: {Type: AWS::EC2::Subnet, Properties: {VpcId: !Ref Net, CidrBlock: 10.0.0.0/24}}\n" +
		"  Logs: {Type: AWS::Logs::LogGroup, DependsOn: Sub}\n"
	if err := h.create("s", body); err != nil {
		t.Fatal(err)
	}
	h.settle("s")
	story := h.story("s")
	for _, want := range []string{
		"End CREATE_FAILED (Resource creation cancelled)", "failed to create: [End, Logs]. Rollback requested by user.",
		"HandlerErrorCode: InvalidRequest", "s ROLLBACK_COMPLETE",
	} {
		if !strings.Contains(story, want) {
			t.Errorf("no %q in\n%s", want, story)
		}
	}
}

func refuse(service, operation, text string) func(string, string, map[string]any) error {
	return func(s, o string, _ map[string]any) error {
		if s == service && o == operation {
			return fault.New(fault.Invalid, "InvalidParameterException", "%s", text)
		}
		return nil
	}
}

func TestWhatToDoOnFailure(t *testing.T) {
	t.Parallel()
	for onFailure, want := range map[string]string{
		"DO_NOTHING": "CREATE_FAILED", "DELETE": "DELETE_COMPLETE", "ROLLBACK": "ROLLBACK_COMPLETE",
	} {
		t.Run(onFailure, func(t *testing.T) {
			t.Parallel()
			h := newFixture(t)
			h.before = refuse("logs", "CreateLogGroup", "no")
			body := "Resources:\n  A: {Type: AWS::EC2::InternetGateway}\n  B: {Type: AWS::Logs::LogGroup, DependsOn: A}\n"
			if _, err := h.cfn.CreateStack(h.ctx(), &shape.CreateStackInput{
				StackName: wire.Ptr("s"), TemplateBody: &body, OnFailure: &onFailure,
			}); err != nil {
				t.Fatal(err)
			}
			if s := h.settle("s"); s.Status != model.StackStatus(want) {
				t.Errorf("%s\n%s", s.Status, h.story("s"))
			}
		})
	}
}

// Proves: D93
func TestGeneratedNamesAndTags(t *testing.T) {
	t.Parallel()
	h := newFixture(t)
	body := "Resources:\n  Web: {Type: AWS::EC2::VPC, Properties: {CidrBlock: 10.0.0.0/16, Tags: [{Key: team, Value: own}]}}\n  L: {Type: " +
		"AWS::Logs::LogGroup}\n"
	if _, err := h.cfn.CreateStack(h.ctx(), &shape.CreateStackInput{
		StackName: wire.Ptr("s"), TemplateBody: &body,
		Tags: []shape.Tag{{Key: wire.Ptr("team"), Value: wire.Ptr("stack")}, {Key: wire.Ptr("cost"), Value: wire.Ptr("7")}},
	}); err != nil {
		t.Fatal(err)
	}
	s := h.settle("s")
	tags := state.VPCs.All(h.db.View())[0].Tags
	want := []model.Tag{
		{Key: "aws:cloudformation:logical-id", Value: "Web"}, {Key: "aws:cloudformation:stack-id", Value: s.ID},
		{Key: "aws:cloudformation:stack-name", Value: "s"},
		{Key: "cost", Value: "7"}, {Key: "team", Value: "own"},
	}
	if diff := cmp.Diff(want, model.SetTags(nil, tags)); diff != "" {
		t.Error(diff)
	}
	if id := h.resource("s", "L").PhysicalID; !strings.HasPrefix(id, "s-L-") || len(id) != len("s-L-")+12 {
		t.Errorf("generated %s", id)
	}
}

// Every type that templates may use has code, and the other way round.
func TestEveryBuiltTypeHasCode(t *testing.T) {
	t.Parallel()
	if diff := cmp.Diff(template.TypeNames(), slices.Sorted(maps.Keys(handler.Types()))); diff != "" {
		t.Error(diff)
	}
}

func TestWakeIsForStacksUnderWay(t *testing.T) {
	t.Parallel()
	l := stack.New(stack.Deps{})
	for status, want := range map[string]bool{
		"CREATE_IN_PROGRESS": true, "CREATE_COMPLETE": false, "REVIEW_IN_PROGRESS": false, "DELETE_IN_PROGRESS": true,
	} {
		got := l.Wake().Keys(state.Stacks.Change(nil, &model.Stack{ID: "k", Status: model.StackStatus(status)}))
		if slices.Equal(got, []string{"k"}) != want {
			t.Errorf("%s wakes %v", status, got)
		}
	}
}
