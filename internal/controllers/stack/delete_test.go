package stack_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"berth/internal/fault"
	"berth/internal/wire"
	shape "berth/internal/wire/shape/cloudformation"
)

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
	if s := h.settle("twin"); s.Status != "ROLLBACK_COMPLETE" ||
		!strings.Contains(h.story("twin"), "Export with name the-name is already exported by stack s.") {
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
