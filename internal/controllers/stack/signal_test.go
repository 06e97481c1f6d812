package stack_test

import (
	"fmt"
	"strings"
	"testing"

	"berth/internal/fault"
	"berth/internal/model"
	"berth/internal/state"
	"berth/internal/store"
	shape "berth/internal/wire/shape/cloudformation"
)

// waiting is a stack whose endpoint is ready only when the fixture says so.
const waiting = `Resources:
  V: {Type: AWS::EC2::VPC, Properties: {CidrBlock: 10.0.0.0/16, EnableDnsHostnames: true, EnableDnsSupport: true}}
  N: {Type: AWS::EC2::Subnet, Properties: {VpcId: !Ref V, CidrBlock: 10.0.0.0/24}}
  E:
    Type: AWS::EC2::VPCEndpoint
    Properties: {VpcId: !Ref V, ServiceName: com.amazonaws.ap-northeast-1.ecs, VpcEndpointType: Interface, SubnetIds: [!Ref N]}
`

func (h *fixture) signal(stack, resource, id, status string) error {
	_, err := h.cfn.SignalResource(h.ctx(), &shape.SignalResourceInput{
		StackName: &stack, LogicalResourceId: &resource, UniqueId: &id, Status: &status,
	})
	return err
}

// settleOnce runs the controller until it has nothing to do now.
func (h *fixture) settleOnce() {
	h.t.Helper()
	if _, err := h.engine.Settle(h.t.Context(), 10000); err != nil {
		h.t.Fatal(err)
	}
}

// Proves: E200
func TestASignalIsToldOnceAndForgottenAtTheEnd(t *testing.T) {
	t.Parallel()
	h := newFixture(t)
	if err := h.create("s", waiting); err != nil {
		t.Fatal(err)
	}
	h.settleOnce()
	for range 2 {
		if err := h.signal("s", "E", "i-1", "SUCCESS"); err != nil {
			t.Fatal(err)
		}
		h.settleOnce()
	}
	const told = "E CREATE_IN_PROGRESS (Received SUCCESS signal with UniqueId i-1)"
	if n := strings.Count(h.story("s"), told); n != 1 {
		t.Errorf("told %d times:\n%s", n, h.story("s"))
	}
	if err := h.signal("s", "V", "i-1", "SUCCESS"); err == nil ||
		!strings.Contains(err.Error(), "Resource V is in CREATE_COMPLETE state and cannot be signaled") {
		t.Errorf("a resource at rest: %v", err)
	}
	h.settle("s")
	if left := state.StackSignals.All(h.db.View()); len(left) > 0 {
		t.Errorf("signals stay: %v", left)
	}
	want := "Stack " + h.stack("s").ID + " is in CREATE_COMPLETE state and cannot be signaled"
	if err := h.signal("s", "E", "i-2", "SUCCESS"); err == nil || fault.MessageOf(err) != want {
		t.Errorf("a stack at rest: %v", err)
	}
}

// Proves: E201
func TestACreationPolicyWaits(t *testing.T) {
	t.Parallel()
	const group = `{Type: AWS::AutoScaling::AutoScalingGroup, Properties: {MinSize: "0", MaxSize: "2", ` +
		`VPCZoneIdentifier: [!Ref N], LaunchConfigurationName: !Ref C}, `
	for name, c := range map[string]struct {
		resource, signals, status, why string
	}{
		"in time": {"{Type: AWS::CloudFormation::WaitCondition, CreationPolicy: {ResourceSignal: {Count: 2}}}", "SUCCESS SUCCESS",
			"CREATE_COMPLETE", "",
		},
		"a failure": {"{Type: AWS::CloudFormation::WaitCondition, CreationPolicy: {ResourceSignal: {Count: 2}}}", "SUCCESS FAILURE",
			"ROLLBACK_COMPLETE", "(Received FAILURE signal with UniqueId i-1)"},
		"too late": {"{Type: AWS::CloudFormation::WaitCondition, CreationPolicy: {ResourceSignal: {Count: 2, Timeout: PT1M}}}", "SUCCESS",
			"ROLLBACK_COMPLETE", "(Failed to receive 1 resource signal(s) within the specified duration)"},
		"half of a group": {group + "CreationPolicy: {ResourceSignal: {Count: 2, Timeout: PT1M}, " +
			"AutoScalingCreationPolicy: {MinSuccessfulInstancesPercent: 50}}}", "SUCCESS", "CREATE_COMPLETE", ""},
		"too little of a group": {group + "CreationPolicy: {ResourceSignal: {Count: 2, Timeout: PT1M}}}", "SUCCESS", "ROLLBACK_COMPLETE",
			"(Received 1 SUCCESS signal(s) out of 2. Unable to satisfy 100% MinSuccessfulInstancesPercent requirement)"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := newFixture(t)
			if err := h.create("s", launched+"  W: "+c.resource+"\n"); err != nil {
				t.Fatal(err)
			}
			h.settleOnce()
			for i, status := range strings.Fields(c.signals) {
				if err := h.signal("s", "W", fmt.Sprintf("i-%d", i), status); err != nil {
					t.Fatal(err)
				}
			}
			if s := h.settle("s"); string(s.Status) != c.status || !strings.Contains(h.story("s"), c.why) {
				t.Errorf("%s\n%s", s.Status, h.story("s"))
			}
		})
	}
}

// launched is what a group needs.
const launched = `Parameters:
  Ami: {Type: "AWS::SSM::Parameter::Value<AWS::EC2::Image::Id>", Default: /aws/service/ecs/optimized-ami/amazon-linux-2/recommended/image_id}
  Kind: {Type: String, Default: t3.large}
Resources:
  V: {Type: AWS::EC2::VPC, Properties: {CidrBlock: 10.0.0.0/16}}
  N: {Type: AWS::EC2::Subnet, Properties: {VpcId: !Ref V, CidrBlock: 10.0.0.0/24}}
  C: {Type: AWS::AutoScaling::LaunchConfiguration, Properties: {ImageId: !Ref Ami, InstanceType: !Ref Kind}}
`

// Proves: E205
func TestAGroupIsReplacedAndItsSizesAreKept(t *testing.T) {
	t.Parallel()
	h := newFixture(t)
	body := launched + `  G:
    Type: AWS::AutoScaling::AutoScalingGroup
    Properties: {MinSize: "0", MaxSize: "5", DesiredCapacity: "0", VPCZoneIdentifier: [!Ref N], LaunchConfigurationName: !Ref C, Cooldown: "COOL"}
    UpdatePolicy: {AutoScalingReplacingUpdate: {WillReplace: true}, AutoScalingScheduledAction: {IgnoreUnmodifiedGroupSizeProperties: true}}
`
	cool := func(s string) string { return strings.Replace(body, "COOL", s, 1) }
	if err := h.create("s", cool("60")); err != nil {
		t.Fatal(err)
	}
	h.settle("s")
	name := h.resource("s", "G").PhysicalID
	h.do("", func(tx *store.Tx) error {
		return state.AutoScalingGroups.Edit(tx, name, func(g *model.AutoScalingGroup) error { g.Max = 9; return nil })
	})
	if err := h.update("s", cool("90")); err != nil {
		t.Fatal(err)
	}
	h.settle("s")
	if g, _ := state.AutoScalingGroups.Get(h.db.View(), name); g.Max != 9 || g.Cooldown != 90 {
		t.Errorf("sizes are not kept: %+v", g)
	}
	if err := h.update("s", cool("90"), "Kind=t3.xlarge"); err != nil {
		t.Fatal(err)
	}
	if s := h.settle("s"); s.Status != "UPDATE_COMPLETE" || h.resource("s", "G").PhysicalID == name {
		t.Errorf("not replaced: %s\n%s", s.Status, h.story("s"))
	}
}

// Proves: E206
func TestALaunchTemplateGetsANewVersion(t *testing.T) {
	t.Parallel()
	h := newFixture(t)
	const body = launched + `  L: {Type: AWS::EC2::LaunchTemplate, Properties: {LaunchTemplateData: {ImageId: !Ref Ami, InstanceType: !Ref Kind}}}
Outputs:
  Latest: {Value: !GetAtt L.LatestVersionNumber}
  Default: {Value: !GetAtt L.DefaultVersionNumber}
`
	if err := h.create("s", body); err != nil {
		t.Fatal(err)
	}
	h.settle("s")
	if err := h.update("s", body, "Kind=t3.xlarge"); err != nil {
		t.Fatal(err)
	}
	s := h.settle("s")
	if len(s.Outputs) != 2 || s.Outputs[0].Value != "2" || s.Outputs[1].Value != "1" {
		t.Errorf("%v\n%s", s.Outputs, h.story("s"))
	}
}
