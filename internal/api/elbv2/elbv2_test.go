package elbv2_test

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"berth/internal/api/elbv2"
	"berth/internal/clock"
	"berth/internal/fault"
	"berth/internal/front"
	"berth/internal/ident"
	"berth/internal/model"
	"berth/internal/state"
	"berth/internal/store"
	"berth/internal/wire"
	shape "berth/internal/wire/shape/elbv2"
)

var place = ident.Place{Partition: "aws", Region: "us-east-1", Account: "000000000000"}

func newAPI(t *testing.T) (*elbv2.API, *state.DB) {
	t.Helper()
	db, err := state.Open(t.Context(), store.NewMemory(), true)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	err = db.Update(t.Context(), "api/ec2", func(tx *store.Tx) error {
		_ = state.VPCs.Put(tx, model.VPC{ID: "vpc-1", CIDR: "10.0.0.0/16", DefaultGroup: "sg-d"})
		_ = state.Subnets.Put(tx, model.Subnet{ID: "s-a", VPC: "vpc-1", CIDR: "10.0.0.0/24", AvailabilityZone: "us-east-1a"})
		_ = state.Subnets.Put(tx, model.Subnet{ID: "s-b", VPC: "vpc-1", CIDR: "10.0.1.0/24", AvailabilityZone: "us-east-1b"})
		_ = state.SecurityGroups.Put(tx, model.SecurityGroup{ID: "sg-1", VPC: "vpc-1"})
		return state.SecurityGroups.Put(tx, model.SecurityGroup{ID: "sg-d", VPC: "vpc-1"})
	})
	if err != nil {
		t.Fatal(err)
	}
	return elbv2.New(elbv2.Deps{DB: db, Clock: clock.NewStepped(time.Unix(1_800_000_000, 0)), IDs: ident.Seeded(1), Place: place}), db
}

func gateway(t *testing.T, db *state.DB) {
	t.Helper()
	if err := db.Update(t.Context(), "api/ec2", func(tx *store.Tx) error {
		return state.InternetGateways.Put(tx, model.InternetGateway{ID: "igw-1", VPC: "vpc-1"})
	}); err != nil {
		t.Fatal(err)
	}
}

func balancer(t *testing.T, a *elbv2.API, name string) string {
	t.Helper()
	out, err := a.CreateLoadBalancer(t.Context(), &shape.CreateLoadBalancerInput{
		Name: wire.Ptr(name), Subnets: []string{"s-a", "s-b"}, SecurityGroups: []string{"sg-1"},
	})
	if err != nil {
		t.Fatal(err)
	}
	return *out.LoadBalancers[0].LoadBalancerArn
}

func group(t *testing.T, a *elbv2.API, name string) string {
	t.Helper()
	out, err := a.CreateTargetGroup(t.Context(), &shape.CreateTargetGroupInput{
		Name: wire.Ptr(name), Protocol: wire.Ptr("HTTP"), Port: wire.Ptr[int64](80), VpcId: wire.Ptr("vpc-1"), TargetType: wire.Ptr("ip"),
	})
	if err != nil {
		t.Fatal(err)
	}
	return *out.TargetGroups[0].TargetGroupArn
}

func forward(groups ...string) []shape.Action {
	if len(groups) == 1 {
		return []shape.Action{{Type: wire.Ptr("forward"), TargetGroupArn: wire.Ptr(groups[0])}}
	}
	c := &shape.ForwardActionConfig{}
	for i, g := range groups {
		c.TargetGroups = append(c.TargetGroups, shape.TargetGroupTuple{TargetGroupArn: wire.Ptr(g), Weight: wire.Ptr(int64(100 - 100*i))})
	}
	return []shape.Action{{Type: wire.Ptr("forward"), ForwardConfig: c}}
}

func path(p string) []shape.RuleCondition {
	return []shape.RuleCondition{{Field: wire.Ptr("path-pattern"), PathPatternConfig: &shape.PathPatternConditionConfig{Values: []string{p}}}}
}

func refused(t *testing.T, err error, code, text string) {
	t.Helper()
	if fault.CodeOf(err) != code || text != "" && fault.MessageOf(err) != text {
		t.Errorf("got %s %q, want %s %q", fault.CodeOf(err), fault.MessageOf(err), code, text)
	}
}

func TestFieldsFitTheModel(t *testing.T) {
	if _, err := front.New(front.Deps{
		Services: []front.Service{{Meta: shape.Meta, API: &elbv2.API{}, Fields: elbv2.Fields, Resources: elbv2.Resources}},
	}); err != nil {
		t.Fatal(err)
	}
}

func TestLoadBalancersAreCheckedAsOnAWS(t *testing.T) {
	a, db := newAPI(t)
	try := func(edit func(*shape.CreateLoadBalancerInput)) error {
		in := &shape.CreateLoadBalancerInput{Name: wire.Ptr("web"), Subnets: []string{"s-a", "s-b"}, SecurityGroups: []string{"sg-1"}}
		edit(in)
		_, err := a.CreateLoadBalancer(t.Context(), in)
		return err
	}
	refused(t, try(func(*shape.CreateLoadBalancerInput) {}), "InvalidSubnet", "VPC vpc-1 has no internet gateway")
	if err := try(func(in *shape.CreateLoadBalancerInput) { in.Scheme, in.Name = wire.Ptr("internal"), wire.Ptr("inner") }); err != nil {
		t.Errorf("an internal one needs no gateway: %v", err)
	}
	gateway(t, db)
	refused(
		t, try(func(in *shape.CreateLoadBalancerInput) { in.Subnets = in.Subnets[:1] }), "ValidationError",
		"At least two subnets in two different Availability Zones must be specified",
	)
	refused(
		t, try(func(in *shape.CreateLoadBalancerInput) { in.Subnets = []string{"s-a", "s-x"} }), "SubnetNotFound",
		"The subnet ID 's-x' does not exist",
	)
	refused(t, try(func(in *shape.CreateLoadBalancerInput) { in.SecurityGroups = []string{"sg-x"} }), "InvalidSecurityGroup", "")
	refused(
		t, try(func(in *shape.CreateLoadBalancerInput) { in.Name = wire.Ptr("-web") }), "ValidationError",
		"Load balancer name '-web' cannot begin or end with '-'",
	)
	refused(t, try(func(in *shape.CreateLoadBalancerInput) { in.Type = wire.Ptr("network") }), "NotImplemented", "")
	arn := balancer(t, a, "web")
	if again := balancer(t, a, "web"); again != arn {
		t.Errorf("equal settings made another one: %s", again)
	}
	refused(
		t, try(func(in *shape.CreateLoadBalancerInput) { in.Scheme = wire.Ptr("internal") }), "DuplicateLoadBalancerName",
		"A load balancer with the same name 'web' exists, but with different settings",
	)
	out, err := a.DescribeLoadBalancers(t.Context(), &shape.DescribeLoadBalancersInput{Names: []string{"web"}})
	if err != nil || *out.LoadBalancers[0].State.Code != "provisioning" || len(out.LoadBalancers[0].AvailabilityZones) != 2 {
		t.Errorf("%+v, %v", out, err)
	}
	_, err = a.DescribeLoadBalancers(t.Context(), &shape.DescribeLoadBalancersInput{Names: []string{"no"}})
	refused(t, err, "LoadBalancerNotFound", "Load balancers '[no]' not found")
	_, err = a.ModifyLoadBalancerAttributes(t.Context(), &shape.ModifyLoadBalancerAttributesInput{
		LoadBalancerArn: &arn, Attributes: []shape.LoadBalancerAttribute{{Key: wire.Ptr("deletion_protection.enabled"), Value: wire.Ptr("true")}},
	})
	if err != nil {
		t.Fatal(err)
	}
	_, err = a.DeleteLoadBalancer(t.Context(), &shape.DeleteLoadBalancerInput{LoadBalancerArn: &arn})
	refused(t, err, "OperationNotPermitted", "Load balancer '"+arn+"' cannot be deleted because deletion protection is enabled")
	_, err = a.ModifyLoadBalancerAttributes(t.Context(), &shape.ModifyLoadBalancerAttributesInput{
		LoadBalancerArn: &arn, Attributes: []shape.LoadBalancerAttribute{{Key: wire.Ptr("access_logs.s3.enabled"), Value: wire.Ptr("true")}},
	})
	refused(t, err, "NotImplemented", "")
	_, err = a.ModifyLoadBalancerAttributes(t.Context(), &shape.ModifyLoadBalancerAttributesInput{
		LoadBalancerArn: &arn, Attributes: []shape.LoadBalancerAttribute{{Key: wire.Ptr("nonsense"), Value: wire.Ptr("true")}},
	})
	refused(t, err, "ValidationError", "Load balancer attribute key 'nonsense' is not recognized")
}

// Proves: D13, D69
func TestRulesListenersAndGroupsHoldEachOther(t *testing.T) {
	a, db := newAPI(t)
	gateway(t, db)
	lb, lb2 := balancer(t, a, "web"), balancer(t, a, "api")
	g1, g2 := group(t, a, "tg-1"), group(t, a, "tg-2")
	listen := func(lb string, port int64, actions []shape.Action) (string, error) {
		out, err := a.CreateListener(t.Context(), &shape.CreateListenerInput{
			LoadBalancerArn: &lb, Port: &port, Protocol: wire.Ptr("HTTP"), DefaultActions: actions,
		})
		if err != nil {
			return "", err
		}
		return *out.Listeners[0].ListenerArn, nil
	}
	fixed := []shape.Action{
		{Type: wire.Ptr("fixed-response"), FixedResponseConfig: &shape.FixedResponseActionConfig{StatusCode: wire.Ptr("403")}},
	}
	l, err := listen(lb, 80, fixed)
	if err != nil {
		t.Fatal(err)
	}
	if again, err := listen(lb, 80, fixed); err != nil || again != l {
		t.Errorf("equal listener: %s, %v", again, err)
	}
	_, err = listen(lb, 80, forward(g1))
	refused(t, err, "DuplicateListener", "A listener already exists on this port for this load balancer '"+lb+"'")
	rule, err := a.CreateRule(t.Context(), &shape.CreateRuleInput{
		ListenerArn: &l, Priority: wire.Ptr[int64](1), Conditions: path("/*"), Actions: forward(g1),
	})
	if err != nil {
		t.Fatal(err)
	}
	arn := *rule.Rules[0].RuleArn
	_, err = a.CreateRule(t.Context(), &shape.CreateRuleInput{
		ListenerArn: &l, Priority: wire.Ptr[int64](1), Conditions: path("/*"), Actions: forward(g1),
	})
	refused(t, err, "PriorityInUse", "Priority '1' is currently in use")
	_, err = listen(lb2, 80, forward(g1))
	refused(t, err, "TargetGroupAssociationLimit", "The following target groups cannot be associated with more than one load balancer: "+g1)
	_, err = a.DeleteTargetGroup(t.Context(), &shape.DeleteTargetGroupInput{TargetGroupArn: &g1})
	refused(t, err, "ResourceInUse", "Target group '"+g1+"' is currently in use by a listener or a rule")
	if _, err := a.ModifyRule(t.Context(), &shape.ModifyRuleInput{RuleArn: &arn, Actions: forward(g2, g1)}); err != nil {
		t.Fatal(err)
	}
	out, err := a.DescribeRules(t.Context(), &shape.DescribeRulesInput{ListenerArn: &l})
	if err != nil || len(out.Rules) != 2 {
		t.Fatal(out, err)
	}
	want := shape.Rule{
		RuleArn: &arn, Priority: wire.Ptr("1"), IsDefault: wire.Ptr(false),
		Conditions: []shape.RuleCondition{
			{Field: wire.Ptr("path-pattern"), Values: []string{"/*"}, PathPatternConfig: &shape.PathPatternConditionConfig{Values: []string{"/*"}}},
		},
		Actions: []shape.Action{{Type: wire.Ptr("forward"), ForwardConfig: &shape.ForwardActionConfig{
			TargetGroups: []shape.TargetGroupTuple{
				{TargetGroupArn: &g2, Weight: wire.Ptr[int64](100)}, {TargetGroupArn: &g1, Weight: wire.Ptr[int64](0)},
			},
			TargetGroupStickinessConfig: &shape.TargetGroupStickinessConfig{Enabled: wire.Ptr(false)},
		}}},
	}
	if diff := cmp.Diff(want, out.Rules[0]); diff != "" {
		t.Error(diff)
	}
	if *out.Rules[1].Priority != "default" || *out.Rules[1].Actions[0].FixedResponseConfig.StatusCode != "403" {
		t.Errorf("default rule: %+v", out.Rules[1])
	}
	_, err = a.DeleteRule(t.Context(), &shape.DeleteRuleInput{RuleArn: out.Rules[1].RuleArn})
	refused(t, err, "OperationNotPermitted", "")
	gs, err := a.DescribeTargetGroups(t.Context(), &shape.DescribeTargetGroupsInput{LoadBalancerArn: &lb})
	if err != nil || len(gs.TargetGroups) != 2 {
		t.Errorf("groups of the load balancer: %+v, %v", gs, err)
	}
	if _, err := a.DeleteLoadBalancer(t.Context(), &shape.DeleteLoadBalancerInput{LoadBalancerArn: &lb}); err != nil {
		t.Fatal(err)
	}
	for _, g := range []string{g1, g2} {
		if _, err := a.DeleteTargetGroup(t.Context(), &shape.DeleteTargetGroupInput{TargetGroupArn: &g}); err != nil {
			t.Error(err)
		}
	}
	if n := state.ListenerRules.Len(db.View()) + state.Listeners.Len(db.View()) + state.TargetGroups.Len(db.View()); n != 0 {
		t.Errorf("%d records left", n)
	}
}

// Proves: D64
func TestTargets(t *testing.T) {
	a, _ := newAPI(t)
	g := group(t, a, "tg")
	reg := func(ip string) error {
		_, err := a.RegisterTargets(t.Context(), &shape.RegisterTargetsInput{TargetGroupArn: &g, Targets: []shape.TargetDescription{{Id: &ip}}})
		return err
	}
	refused(t, reg("8.8.8.8"), "InvalidTarget", "")
	refused(t, reg("nonsense"), "ValidationError", "The IP address 'nonsense' is not a valid IPv4 address")
	if err := reg("10.0.1.7"); err != nil {
		t.Fatal(err)
	}
	health := func(ts ...shape.TargetDescription) []string {
		out, err := a.DescribeTargetHealth(t.Context(), &shape.DescribeTargetHealthInput{TargetGroupArn: &g, Targets: ts})
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, h := range out.TargetHealthDescriptions {
			got = append(got, *h.Target.Id+" "+wire.Val(h.Target.AvailabilityZone)+" "+*h.TargetHealth.State+" "+wire.Val(h.TargetHealth.Reason))
		}
		return got
	}
	if diff := cmp.Diff([]string{"10.0.1.7 us-east-1b unused Target.NotInUse"}, health()); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff(
		[]string{"10.0.0.9  unused Target.NotRegistered"}, health(shape.TargetDescription{Id: wire.Ptr("10.0.0.9")}),
	); diff != "" {
		t.Error(diff)
	}
	if _, err := a.DeregisterTargets(t.Context(), &shape.DeregisterTargetsInput{
		TargetGroupArn: &g, Targets: []shape.TargetDescription{{Id: wire.Ptr("10.0.1.7")}},
	}); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"10.0.1.7 us-east-1b draining Target.DeregistrationInProgress"}, health()); diff != "" {
		t.Error(diff)
	}
}

func TestHealthCheckSettings(t *testing.T) {
	a, _ := newAPI(t)
	try := func(edit func(*shape.CreateTargetGroupInput)) error {
		in := &shape.CreateTargetGroupInput{
			Name: wire.Ptr("x"), Protocol: wire.Ptr("HTTP"), Port: wire.Ptr[int64](80), VpcId: wire.Ptr("vpc-1"), TargetType: wire.Ptr("ip"),
		}
		edit(in)
		_, err := a.CreateTargetGroup(t.Context(), in)
		return err
	}
	refused(
		t, try(func(in *shape.CreateTargetGroupInput) { in.HealthCheckIntervalSeconds = wire.Ptr[int64](4) }), "ValidationError",
		"Health check interval '4' must be between '5' and '300' inclusive",
	)
	refused(t, try(func(in *shape.CreateTargetGroupInput) {
		in.HealthCheckIntervalSeconds, in.HealthCheckTimeoutSeconds = wire.Ptr[int64](10), wire.Ptr[int64](10)
	}), "ValidationError", "Health check interval must be greater than the timeout.")
	refused(
		t, try(func(in *shape.CreateTargetGroupInput) { in.Matcher = &shape.Matcher{HttpCode: wire.Ptr("200-600")} }), "ValidationError", "",
	)
	refused(t, try(func(in *shape.CreateTargetGroupInput) { in.Protocol = wire.Ptr("TCP") }), "NotImplemented", "")
	refused(
		t, try(func(in *shape.CreateTargetGroupInput) { in.VpcId = wire.Ptr("vpc-x") }), "ValidationError", "The VPC ID 'vpc-x' is not found",
	)
	g := group(t, a, "tg")
	out, err := a.DescribeTargetGroupAttributes(t.Context(), &shape.DescribeTargetGroupAttributesInput{TargetGroupArn: &g})
	if err != nil || len(out.Attributes) != 14 {
		t.Errorf("%d attributes, %v", len(out.Attributes), err)
	}
}
