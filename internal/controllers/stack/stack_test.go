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
	"vpc": 1, "subnet": 3, "gateway": 1, "endpoint": 1, "balancer": 1, "listener": 1, "group": 2, "role": 3, "profile": 1, "function": 1, "logs": 1,
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
		"Service CREATE_FAILED (Resource handler returned message: \"Error occurred during operation 'ECS Deployment': Service deployment rolled back because POST_TEST_TRAFFIC_SHIFT lifecycle hook(s) failed.\" (RequestToken: ",
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
		"  End: {Type: AWS::EC2::VPCEndpoint, Properties: {VpcId: !Ref Net, VpcEndpointType: Interface, ServiceName: com.amazonaws.ap-northeast-1.ecs, PrivateDnsEnabled: false, SubnetIds: [!Ref Sub]}}\n" +
		"  Sub: {Type: AWS::EC2::Subnet, Properties: {VpcId: !Ref Net, CidrBlock: 10.0.0.0/24}}\n" +
		"  Logs: {Type: AWS::Logs::LogGroup, DependsOn: Sub}\n"
	if err := h.create("s", body); err != nil {
		t.Fatal(err)
	}
	h.settle("s")
	story := h.story("s")
	for _, want := range []string{"End CREATE_FAILED (Resource creation cancelled)", "failed to create: [End, Logs]. Rollback requested by user.", "HandlerErrorCode: InvalidRequest", "s ROLLBACK_COMPLETE"} {
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
	for onFailure, want := range map[string]string{"DO_NOTHING": "CREATE_FAILED", "DELETE": "DELETE_COMPLETE", "ROLLBACK": "ROLLBACK_COMPLETE"} {
		t.Run(onFailure, func(t *testing.T) {
			t.Parallel()
			h := newFixture(t)
			h.before = refuse("logs", "CreateLogGroup", "no")
			body := "Resources:\n  A: {Type: AWS::EC2::InternetGateway}\n  B: {Type: AWS::Logs::LogGroup, DependsOn: A}\n"
			if _, err := h.cfn.CreateStack(h.ctx(), &shape.CreateStackInput{StackName: wire.Ptr("s"), TemplateBody: &body, OnFailure: &onFailure}); err != nil {
				t.Fatal(err)
			}
			if s := h.settle("s"); s.Status != model.StackStatus(want) {
				t.Errorf("%s\n%s", s.Status, h.story("s"))
			}
		})
	}
}

const plain = `
Resources:
  Net: {Type: AWS::EC2::VPC, Properties: {CidrBlock: 10.0.0.0/16}}
  Sub: {Type: AWS::EC2::Subnet, Properties: {VpcId: !Ref Net, CidrBlock: 10.0.0.0/24}}
  Logs: {Type: AWS::Logs::LogGroup, Properties: {RetentionInDays: 7}}
  Named: {Type: AWS::IAM::Role, Properties: {RoleName: named, Path: /, AssumeRolePolicyDocument: {Statement: [{Effect: Allow, Principal: {Service: ecs.amazonaws.com}, Action: "sts:AssumeRole"}]}}}
`

func edited(pairs ...string) string { return strings.NewReplacer(pairs...).Replace(plain) }

func made(t *testing.T) *fixture {
	t.Helper()
	h := newFixture(t)
	if err := h.create("s", plain); err != nil {
		t.Fatal(err)
	}
	if s := h.settle("s"); s.Status != "CREATE_COMPLETE" {
		t.Fatalf("%s\n%s", s.Status, h.story("s"))
	}
	return h
}

func (h *fixture) since(mark string) string {
	_, after, _ := strings.Cut(h.story("s"), "\n"+mark)
	return after
}

// Proves: D90
func TestUpdatesInPlace(t *testing.T) {
	t.Parallel()
	h := made(t)
	if err := h.update("s", edited("RetentionInDays: 7", "RetentionInDays: 14")); err != nil {
		t.Fatal(err)
	}
	h.settle("s")
	want := "\ns UPDATE_IN_PROGRESS (User Initiated)\nLogs UPDATE_IN_PROGRESS\nLogs UPDATE_COMPLETE\ns UPDATE_COMPLETE_CLEANUP_IN_PROGRESS\ns UPDATE_COMPLETE\n"
	if diff := cmp.Diff(want, h.since("s CREATE_COMPLETE")); diff != "" {
		t.Error(diff)
	}
}

// Proves: D90
func TestAReplacementMovesWhatRefersToIt(t *testing.T) {
	t.Parallel()
	h := made(t)
	before := h.stock()
	if err := h.update("s", edited("CidrBlock: 10.0.0.0/16", "CidrBlock: 10.0.0.0/20")); err != nil {
		t.Fatal(err)
	}
	if s := h.settle("s"); s.Status != "UPDATE_COMPLETE" {
		t.Fatalf("%s\n%s", s.Status, h.story("s"))
	}
	story := h.since("s CREATE_COMPLETE")
	const replaced = " UPDATE_IN_PROGRESS (Requested update requires the creation of a new physical resource; hence creating one.)"
	for _, want := range []string{"Net" + replaced, "Sub" + replaced, "Sub DELETE_COMPLETE", "Net DELETE_COMPLETE"} {
		if !strings.Contains(story, want) {
			t.Errorf("no %q in\n%s", want, story)
		}
	}
	if diff := cmp.Diff(before, h.stock()); diff != "" {
		t.Error(diff)
	}
	subnet := state.Subnets.All(h.db.View())[0]
	if subnet.ID != h.resource("s", "Sub").PhysicalID || subnet.VPC != h.resource("s", "Net").PhysicalID {
		t.Errorf("subnet %s of %s", subnet.ID, subnet.VPC)
	}
}

// Proves: D91
func TestAFailedUpdateGoesBack(t *testing.T) {
	t.Parallel()
	h := made(t)
	before, net := h.stock(), h.resource("s", "Net").PhysicalID
	h.before = func(service, operation string, in map[string]any) error {
		if operation == "PutRetentionPolicy" && fmt.Sprint(in["retentionInDays"]) == "14" {
			return fault.New(fault.Invalid, "InvalidParameterException", "not that")
		}
		return nil
	}
	body := edited("CidrBlock: 10.0.0.0/16", "CidrBlock: 10.0.0.0/20", "RetentionInDays: 7", "RetentionInDays: 14", "Logs: {", "New: {Type: AWS::EC2::InternetGateway}\n  Logs: {DependsOn: [Sub, New], ")
	if err := h.update("s", body); err != nil {
		t.Fatal(err)
	}
	if s := h.settle("s"); s.Status != "UPDATE_ROLLBACK_COMPLETE" || s.Template != plain {
		t.Fatalf("%s\n%s", s.Status, h.story("s"))
	}
	if diff := cmp.Diff(before, h.stock()); diff != "" {
		t.Errorf("%s\n%s", diff, h.story("s"))
	}
	if got := h.resource("s", "Net").PhysicalID; got != net {
		t.Errorf("the VPC is %s and was %s", got, net)
	}
	story := h.since("s CREATE_COMPLETE")
	for _, want := range []string{
		"Logs UPDATE_FAILED", "s UPDATE_ROLLBACK_IN_PROGRESS (The following resource(s) failed to update: [Logs]. )", "Logs UPDATE_COMPLETE",
		"s UPDATE_ROLLBACK_COMPLETE_CLEANUP_IN_PROGRESS", "New DELETE_COMPLETE", "Net DELETE_COMPLETE",
	} {
		if !strings.Contains(story, want) {
			t.Errorf("no %q in\n%s", want, story)
		}
	}
	if err := h.update("s", plain); err == nil || err.Error() != "No updates are to be performed." {
		t.Errorf("after the rollback the template differs from what is: %v", err)
	}
}

// Proves: MI73
func TestACustomNameCannotBeReplaced(t *testing.T) {
	t.Parallel()
	h := made(t)
	if err := h.update("s", edited("Path: /", "Path: /other/")); err != nil {
		t.Fatal(err)
	}
	if s := h.settle("s"); s.Status != "UPDATE_ROLLBACK_COMPLETE" {
		t.Errorf("%s\n%s", s.Status, h.story("s"))
	}
	if want := "Named UPDATE_FAILED (CloudFormation cannot update a stack when a custom-named resource requires replacing. Rename named and update the stack again.)"; !strings.Contains(h.story("s"), want) {
		t.Errorf("no %q in\n%s", want, h.story("s"))
	}
}

func TestARollbackThatFailsCanBeContinued(t *testing.T) {
	t.Parallel()
	h := made(t)
	h.before = refuse("logs", "PutRetentionPolicy", "not now")
	if err := h.update("s", edited("RetentionInDays: 7", "RetentionInDays: 14")); err != nil {
		t.Fatal(err)
	}
	if s := h.settle("s"); s.Status != "UPDATE_ROLLBACK_FAILED" {
		t.Fatalf("%s\n%s", s.Status, h.story("s"))
	}
	h.before = nil
	if _, err := h.cfn.ContinueUpdateRollback(h.ctx(), &shape.ContinueUpdateRollbackInput{StackName: wire.Ptr("s")}); err != nil {
		t.Fatal(err)
	}
	if s := h.settle("s"); s.Status != "UPDATE_ROLLBACK_COMPLETE" {
		t.Errorf("%s\n%s", s.Status, h.story("s"))
	}
}

func TestAnUpdateCanBeCancelled(t *testing.T) {
	t.Parallel()
	h := newFixture(t)
	if err := h.create("s", page(t)); err != nil {
		t.Fatal(err)
	}
	h.settle("s")
	h.hold = true
	if err := h.update("s", strings.Replace(page(t), "Cpu: 256", "Cpu: 512", 1)); err != nil {
		t.Fatal(err)
	}
	if _, err := h.engine.Settle(t.Context(), 10000); err != nil {
		t.Fatal(err)
	}
	h.others()
	if _, err := h.cfn.CancelUpdateStack(h.ctx(), &shape.CancelUpdateStackInput{StackName: wire.Ptr("s")}); err != nil {
		t.Fatal(err)
	}
	h.hold = false
	if s := h.settle("s"); s.Status != "UPDATE_ROLLBACK_COMPLETE" {
		t.Fatalf("%s\n%s", s.Status, h.story("s"))
	}
	if diff := cmp.Diff(whole, h.stock()); diff != "" {
		t.Error(diff)
	}
}

func TestRetainedResourcesStay(t *testing.T) {
	t.Parallel()
	h := newFixture(t)
	body := "Resources:\n  A: {Type: AWS::Logs::LogGroup, DeletionPolicy: Retain}\n  B: {Type: AWS::Logs::LogGroup}\n"
	if err := h.create("s", body); err != nil {
		t.Fatal(err)
	}
	h.settle("s")
	h.del("s")
	h.settle("s")
	if h.stock()["logs"] != 1 || !strings.Contains(h.story("s"), "A DELETE_SKIPPED") {
		t.Errorf("%v\n%s", h.stock(), h.story("s"))
	}
}

// Proves: D95
func TestDeletingWaitsForWhatHoldsAResource(t *testing.T) {
	t.Parallel()
	h := made(t)
	tries := 0
	h.before = func(_, operation string, _ map[string]any) error {
		if operation == "DeleteSubnet" && tries < 5 {
			tries++
			return fault.New(fault.Conflict, "DependencyViolation", "The subnet has dependencies and cannot be deleted.")
		}
		return nil
	}
	h.del("s")
	if s := h.settle("s"); s.Status != "DELETE_COMPLETE" || tries != 5 {
		t.Errorf("%s after %d tries", s.Status, tries)
	}
}

func TestADeleteThatFailsSaysWhy(t *testing.T) {
	t.Parallel()
	h := made(t)
	h.before = refuse("ec2", "DeleteSubnet", "never")
	h.del("s")
	s := h.settle("s")
	if s.Status != "DELETE_FAILED" || s.StatusReason != "The following resource(s) failed to delete: [Sub]. " {
		t.Errorf("%s %q", s.Status, s.StatusReason)
	}
	if _, err := h.cfn.DeleteStack(h.ctx(), &shape.DeleteStackInput{StackName: wire.Ptr("s"), RetainResources: []string{"Sub"}}); err != nil {
		t.Fatal(err)
	}
	h.before = refuse("ec2", "DeleteVpc", "The vpc has dependencies")
	if s := h.settle("s"); s.Status != "DELETE_FAILED" || !strings.Contains(h.story("s"), "Sub DELETE_SKIPPED") {
		t.Errorf("%s\n%s", s.Status, h.story("s"))
	}
}

func TestExportsInUseHoldTheirStack(t *testing.T) {
	t.Parallel()
	h := newFixture(t)
	const from = "Resources:\n  A: {Type: AWS::Logs::LogGroup}\nOutputs:\n  Name: {Value: !Ref A, Export: {Name: the-name}}\n"
	const to = "Resources:\n  B: {Type: AWS::Logs::LogGroup, Properties: {LogGroupName: !Sub ['${n}-b', {n: !ImportValue the-name}]}}\n"
	if err := h.create("user", to); err == nil || err.Error() != "No export named the-name found." {
		t.Errorf("got %v", err)
	}
	for name, body := range map[string]string{"s": from} {
		if err := h.create(name, body); err != nil {
			t.Fatal(err)
		}
		h.settle(name)
	}
	if err := h.create("user", to); err != nil {
		t.Fatal(err)
	}
	h.settle("user")
	if got := h.resource("user", "B").PhysicalID; got != h.resource("s", "A").PhysicalID+"-b" {
		t.Errorf("imported %s", got)
	}
	if err := h.create("twin", from); err != nil {
		t.Fatal(err)
	}
	if s := h.settle("twin"); s.Status != "ROLLBACK_COMPLETE" || !strings.Contains(h.story("twin"), "Export with name the-name is already exported by stack s.") {
		t.Errorf("%s\n%s", s.Status, h.story("twin"))
	}
	h.del("s")
	if s := h.settle("s"); s.Status != "DELETE_FAILED" || s.StatusReason != "Export the-name cannot be deleted as it is in use by user" {
		t.Errorf("%s %s", s.Status, s.StatusReason)
	}
	h.del("user")
	h.settle("user")
	h.del("s")
	if s := h.settle("s"); s.Status != "DELETE_COMPLETE" {
		t.Errorf("%s %s", s.Status, s.StatusReason)
	}
}

func TestDeletingInTheMiddleOfCreating(t *testing.T) {
	t.Parallel()
	h := newFixture(t)
	empty := h.stock()
	h.hold = true
	if err := h.create("s", page(t)); err != nil {
		t.Fatal(err)
	}
	for range 4 {
		if _, err := h.engine.Settle(t.Context(), 10000); err != nil {
			t.Fatal(err)
		}
		h.others()
		h.clock.Advance(5e9)
	}
	if h.stack("s").Status != "CREATE_IN_PROGRESS" {
		t.Fatalf("%s\n%s", h.stack("s").Status, h.story("s"))
	}
	h.del("s")
	if s := h.settle("s"); s.Status != "DELETE_COMPLETE" {
		t.Fatalf("%s\n%s", s.Status, h.story("s"))
	}
	if diff := cmp.Diff(empty, h.stock()); diff != "" {
		t.Error(diff)
	}
}

// Proves: D93
func TestGeneratedNamesAndTags(t *testing.T) {
	t.Parallel()
	h := newFixture(t)
	body := "Resources:\n  Web: {Type: AWS::EC2::VPC, Properties: {CidrBlock: 10.0.0.0/16, Tags: [{Key: team, Value: own}]}}\n  L: {Type: AWS::Logs::LogGroup}\n"
	if _, err := h.cfn.CreateStack(h.ctx(), &shape.CreateStackInput{
		StackName: wire.Ptr("s"), TemplateBody: &body,
		Tags: []shape.Tag{{Key: wire.Ptr("team"), Value: wire.Ptr("stack")}, {Key: wire.Ptr("cost"), Value: wire.Ptr("7")}},
	}); err != nil {
		t.Fatal(err)
	}
	s := h.settle("s")
	tags := state.VPCs.All(h.db.View())[0].Tags
	want := []model.Tag{
		{Key: "aws:cloudformation:logical-id", Value: "Web"}, {Key: "aws:cloudformation:stack-id", Value: s.ID}, {Key: "aws:cloudformation:stack-name", Value: "s"},
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
	for status, want := range map[string]bool{"CREATE_IN_PROGRESS": true, "CREATE_COMPLETE": false, "REVIEW_IN_PROGRESS": false, "DELETE_IN_PROGRESS": true} {
		got := l.Wake().Keys(state.Stacks.Change(nil, &model.Stack{ID: "k", Status: model.StackStatus(status)}))
		if slices.Equal(got, []string{"k"}) != want {
			t.Errorf("%s wakes %v", status, got)
		}
	}
}

// What only CreateCapacityProvider takes stays out of UpdateCapacityProvider,
// and a change of it is a replacement, which a named provider refuses.
func TestCreateOnlyPartsNeverReachAnUpdate(t *testing.T) {
	t.Parallel()
	const option = "StorageConfiguration: {StorageSizeGiB: 30}"
	body := strings.Replace(page(t), option, option+"\n          CapacityOptionType: SPOT\n          FipsEnabled: false", 1)
	h := newFixture(t)
	if err := h.create("s", body); err != nil {
		t.Fatal(err)
	}
	h.settle("s")
	if err := h.update("s", strings.Replace(body, "StorageSizeGiB: 30", "StorageSizeGiB: 40", 1)); err != nil {
		t.Fatal(err)
	}
	if s := h.settle("s"); s.Status != "UPDATE_COMPLETE" {
		t.Fatalf("%s\n%s", s.Status, h.story("s"))
	}
	if err := h.update("s", strings.Replace(body, "CapacityOptionType: SPOT", "CapacityOptionType: ON_DEMAND", 1)); err != nil {
		t.Fatal(err)
	}
	const want = "CloudFormation cannot update a stack when a custom-named resource requires replacing. Rename test-machines and update the stack again."
	if s := h.settle("s"); s.Status != "UPDATE_ROLLBACK_COMPLETE" || !strings.Contains(h.story("s"), want) {
		t.Errorf("%s\n%s", s.Status, h.story("s"))
	}
}
