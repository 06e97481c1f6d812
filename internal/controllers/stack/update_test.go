package stack_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"berth/internal/fault"
	"berth/internal/model"
	"berth/internal/state"
	"berth/internal/store"
	"berth/internal/wire"
	shape "berth/internal/wire/shape/cloudformation"
)

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
	want := "\ns UPDATE_IN_PROGRESS (User Initiated)\nLogs UPDATE_IN_PROGRESS\nLogs UPDATE_COMPLETE\ns " +
		"UPDATE_COMPLETE_CLEANUP_IN_PROGRESS\ns UPDATE_COMPLETE\n"
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
	body := edited(
		"CidrBlock: 10.0.0.0/16", "CidrBlock: 10.0.0.0/20", "RetentionInDays: 7", "RetentionInDays: 14", "Logs: {",
		"New: {Type: AWS::EC2::InternetGateway}\n  Logs: {DependsOn: [Sub, New], ",
	)
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
	if want := "Named UPDATE_FAILED (CloudFormation cannot update a stack when a custom-named resource requires replacing. Rename named " +
		"and update the stack again.)"; !strings.Contains(h.story("s"), want) {
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
	const want = "CloudFormation cannot update a stack when a custom-named resource requires replacing. Rename test-machines and update " +
		"the stack again."
	if s := h.settle("s"); s.Status != "UPDATE_ROLLBACK_COMPLETE" || !strings.Contains(h.story("s"), want) {
		t.Errorf("%s\n%s", s.Status, h.story("s"))
	}
}

// A service that was deleted behind the stack's back ends the update with ECS's
// reason, and so its rollback, until it is skipped.
func TestAServiceThatIsGoneEndsTheUpdate(t *testing.T) {
	t.Parallel()
	h := newFixture(t)
	body := func(count int) string {
		return fmt.Sprintf(`Resources:
  Cluster: {Type: AWS::ECS::Cluster}
  Task:
    Type: AWS::ECS::TaskDefinition
    Properties: {RequiresCompatibilities: [EC2], ContainerDefinitions: [{Name: app, Image: "app:1", Memory: 64}]}
  Web:
    Type: AWS::ECS::Service
    Properties: {Cluster: !Ref Cluster, LaunchType: EC2, TaskDefinition: !Ref Task, DesiredCount: %d}
`, count)
	}
	if err := h.create("s", body(1)); err != nil {
		t.Fatal(err)
	}
	if s := h.settle("s"); s.Status != "CREATE_COMPLETE" {
		t.Fatalf("%s\n%s", s.Status, h.story("s"))
	}
	h.do("api/ecs", func(tx *store.Tx) error {
		return state.Services.Edit(tx, h.resource("s", "Web").PhysicalID, func(s *model.Service) error {
			s.Status = model.ServiceInactive
			return nil
		})
	})
	if err := h.update("s", body(2)); err != nil {
		t.Fatal(err)
	}
	if s := h.settle("s"); s.Status != "UPDATE_ROLLBACK_FAILED" || !strings.Contains(h.story("s"), "Service was not ACTIVE.") {
		t.Fatalf("%s\n%s", s.Status, h.story("s"))
	}
	if _, err := h.cfn.ContinueUpdateRollback(h.ctx(), &shape.ContinueUpdateRollbackInput{
		StackName: wire.Ptr("s"), ResourcesToSkip: []string{"Web"},
	}); err != nil {
		t.Fatal(err)
	}
	if s := h.settle("s"); s.Status != "UPDATE_ROLLBACK_COMPLETE" {
		t.Errorf("%s\n%s", s.Status, h.story("s"))
	}
}
