package elbv2_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"

	"berth/internal/api/apitest"
	"berth/internal/fault"
	"berth/internal/model"
	"berth/internal/state"
	"berth/internal/store"
)

const elb = "arn:aws:elasticloadbalancing:us-east-1:123456789012:"

func TestErrorsAreAsListed(t *testing.T) {
	w := apitest.NewWorld(t)
	w.Write(putNetworks)
	w.Write(putBalancers)
	w.Write(putGroups)
	long := strings.TrimSuffix(strings.Repeat(`{"TargetGroupArn":"x"},`, 6), ",")
	rows := strings.NewReplacer(
		"LB/", elb+"loadbalancer/app/", "LISTENER/", elb+"listener/app/", "RULE/", elb+"listener-rule/app/", "GROUP/", elb+"targetgroup/",
		"MANY", apitest.Tags(51, "Key", "Value"), "TWICE", `[{"Key":"a"},{"Key":"a"}]`, "SIX", long,
		"FIXED", `[{"Type":"fixed-response","FixedResponseConfig":{"StatusCode":"200"}}]`,
		"PATH", `[{"Field":"path-pattern","Values":["/x"]}]`,
	).Replace(`
		CreateLoadBalancer DuplicateLoadBalancerName Name=l Subnets=["s-a","s-b"] Scheme=internal
		CreateLoadBalancer SubnetNotFound Name=new Subnets=["s-a","lost"]
		CreateLoadBalancer InvalidSubnet Name=new Subnets=["x-a","x-b"]
		CreateLoadBalancer InvalidSecurityGroup Name=new Subnets=["s-a","s-b"] SecurityGroups=["lost"]
		CreateLoadBalancer InvalidConfigurationRequest Name=new Subnets=["s-a","x-b"]
		CreateLoadBalancer InvalidConfigurationRequest Name=new Subnets=["s-a","s-c"]
		CreateLoadBalancer TooManyLoadBalancers Name=new Subnets=["s-a","s-b"]
		CreateLoadBalancer ValidationError Name=internal-x Subnets=["s-a","s-b"]
		CreateLoadBalancer ValidationError Name=new Subnets=["s-a"]
		CreateLoadBalancer ValidationError Name=new Subnets=["s-a"] SubnetMappings=[{"SubnetId":"s-b"}]
		CreateLoadBalancer ValidationError Name=new SubnetMappings=[{"SubnetId":"s-b","AllocationId":"eipalloc-1"}]
		CreateLoadBalancer DuplicateTagKeys Name=new Subnets=["s-a","s-b"] Tags=TWICE
		CreateLoadBalancer TooManyTags Name=new Subnets=["s-a","s-b"] Tags=MANY
		CreateLoadBalancer NotImplemented Name=new Subnets=["s-a","s-b"] Type=network
		CreateLoadBalancer NotImplemented Name=new Subnets=["s-a","s-b"] IpAddressType=dualstack
		DescribeLoadBalancers LoadBalancerNotFound Names=["lost"]
		DescribeLoadBalancers ValidationError Marker=made-up
		DeleteLoadBalancer OperationNotPermitted LoadBalancerArn=LB/kept/0
		SetSecurityGroups LoadBalancerNotFound LoadBalancerArn=LB/lost/0 SecurityGroups=["sg-1"]
		SetSecurityGroups InvalidSecurityGroup LoadBalancerArn=LB/l/0 SecurityGroups=["lost"]
		SetSubnets LoadBalancerNotFound LoadBalancerArn=LB/lost/0 Subnets=["s-a","s-b"]
		SetSubnets SubnetNotFound LoadBalancerArn=LB/l/0 Subnets=["lost"]
		SetSubnets InvalidSubnet LoadBalancerArn=LB/far/0 Subnets=["x-a","x-b"]
		SetSubnets InvalidConfigurationRequest LoadBalancerArn=LB/far/0 Subnets=["s-a","s-b"]
		SetSubnets ValidationError LoadBalancerArn=LB/l/0 Subnets=["s-a"]
		SetSubnets NotImplemented LoadBalancerArn=LB/l/0 Subnets=["s-a","s-b"] IpAddressType=dualstack
		SetIpAddressType LoadBalancerNotFound LoadBalancerArn=LB/lost/0 IpAddressType=ipv4
		SetIpAddressType NotImplemented LoadBalancerArn=LB/l/0 IpAddressType=dualstack
		DescribeLoadBalancerAttributes LoadBalancerNotFound LoadBalancerArn=LB/lost/0
		ModifyLoadBalancerAttributes LoadBalancerNotFound LoadBalancerArn=LB/lost/0 Attributes=[{"Key":"x","Value":"y"}]
		ModifyLoadBalancerAttributes ValidationError LoadBalancerArn=LB/l/0 Attributes=[{"Key":"lost","Value":"y"}]
		ModifyLoadBalancerAttributes ValidationError LoadBalancerArn=LB/l/0 Attributes=[{"Key":"idle_timeout.timeout_seconds","Value":"0"}]
		ModifyLoadBalancerAttributes ValidationError LoadBalancerArn=LB/l/0 Attributes=[{"Key":"routing.http.desync_mitigation_mode","Value":"lax"}]
		ModifyLoadBalancerAttributes NotImplemented LoadBalancerArn=LB/l/0 Attributes=[{"Key":"access_logs.s3.enabled","Value":"true"}]

		CreateListener LoadBalancerNotFound LoadBalancerArn=LB/lost/0 Protocol=HTTP Port=81 DefaultActions=FIXED
		CreateListener TargetGroupNotFound LoadBalancerArn=LB/l/0 Protocol=HTTP Port=81 DefaultActions=[{"Type":"forward","TargetGroupArn":"GROUP/lost/0"}]
		CreateListener DuplicateListener LoadBalancerArn=LB/l/0 Protocol=HTTP Port=80 DefaultActions=FIXED
		CreateListener TargetGroupAssociationLimit LoadBalancerArn=LB/kept/0 Protocol=HTTP Port=81 DefaultActions=[{"Type":"forward","TargetGroupArn":"GROUP/g/0"}]
		CreateListener InvalidConfigurationRequest LoadBalancerArn=LB/l/0 Protocol=HTTP Port=81 DefaultActions=[{"Type":"forward","TargetGroupArn":"GROUP/far/0"}]
		CreateListener InvalidLoadBalancerAction LoadBalancerArn=LB/l/0 Protocol=HTTP Port=81 DefaultActions=[{"Type":"forward"}]
		CreateListener TooManyUniqueTargetGroupsPerLoadBalancer LoadBalancerArn=LB/l/0 Protocol=HTTP Port=81 DefaultActions=[{"Type":"forward","ForwardConfig":{"TargetGroups":[SIX]}}]
		CreateListener TooManyListeners LoadBalancerArn=LB/full/0 Protocol=HTTP Port=99 DefaultActions=FIXED
		CreateListener UnsupportedProtocol LoadBalancerArn=LB/l/0 Protocol=TCP Port=81 DefaultActions=FIXED
		CreateListener ValidationError LoadBalancerArn=LB/l/0 Protocol=HTTP DefaultActions=FIXED
		CreateListener ValidationError LoadBalancerArn=LB/l/0 Port=81 DefaultActions=FIXED
		CreateListener DuplicateTagKeys LoadBalancerArn=LB/l/0 Protocol=HTTP Port=81 DefaultActions=FIXED Tags=TWICE
		CreateListener TooManyTags LoadBalancerArn=LB/l/0 Protocol=HTTP Port=81 DefaultActions=FIXED Tags=MANY
		CreateListener NotImplemented LoadBalancerArn=LB/l/0 Protocol=HTTPS Port=81 DefaultActions=FIXED
		DescribeListeners ListenerNotFound ListenerArns=["LISTENER/lost/0/0"]
		DescribeListeners LoadBalancerNotFound LoadBalancerArn=LB/lost/0
		DescribeListeners ValidationError Marker=made-up
		ModifyListener ListenerNotFound ListenerArn=LISTENER/lost/0/0 Port=81
		ModifyListener DuplicateListener ListenerArn=LISTENER/l/0/0 Port=90
		ModifyListener TargetGroupNotFound ListenerArn=LISTENER/l/0/0 DefaultActions=[{"Type":"forward","TargetGroupArn":"GROUP/lost/0"}]
		ModifyListener TargetGroupAssociationLimit ListenerArn=LISTENER/full/0/0 DefaultActions=[{"Type":"forward","TargetGroupArn":"GROUP/g/0"}]
		ModifyListener InvalidConfigurationRequest ListenerArn=LISTENER/l/0/0 DefaultActions=[{"Type":"forward","TargetGroupArn":"GROUP/far/0"}]
		ModifyListener InvalidLoadBalancerAction ListenerArn=LISTENER/l/0/0 DefaultActions=[{"Type":"redirect"}]
		ModifyListener TooManyUniqueTargetGroupsPerLoadBalancer ListenerArn=LISTENER/l/0/0 DefaultActions=[{"Type":"forward","ForwardConfig":{"TargetGroups":[SIX]}}]
		ModifyListener UnsupportedProtocol ListenerArn=LISTENER/l/0/0 Protocol=UDP
		ModifyListener ValidationError ListenerArn=LISTENER/l/0/0 DefaultActions=[{"Type":"forward","ForwardConfig":{"TargetGroups":[{"TargetGroupArn":"x","Weight":1000}]}}]
		ModifyListener NotImplemented ListenerArn=LISTENER/l/0/0 Protocol=HTTPS
		DeleteListener ListenerNotFound ListenerArn=LISTENER/lost/0/0
		DescribeListenerAttributes ListenerNotFound ListenerArn=LISTENER/lost/0/0
		ModifyListenerAttributes ListenerNotFound ListenerArn=LISTENER/lost/0/0 Attributes=[{"Key":"x","Value":"y"}]
		ModifyListenerAttributes ValidationError ListenerArn=LISTENER/l/0/0 Attributes=[{"Key":"lost","Value":"y"}]
		ModifyListenerAttributes NotImplemented ListenerArn=LISTENER/l/0/0 Attributes=[{"Key":"routing.http.response.server.enabled","Value":"false"}]
		DescribeListenerCertificates ListenerNotFound ListenerArn=LISTENER/lost/0/0
		DescribeListenerCertificates ValidationError ListenerArn=LISTENER/l/0/0 Marker=made-up

		CreateRule ListenerNotFound ListenerArn=LISTENER/lost/0/0 Priority=9 Conditions=PATH Actions=FIXED
		CreateRule PriorityInUse ListenerArn=LISTENER/l/0/0 Priority=1 Conditions=PATH Actions=FIXED
		CreateRule TargetGroupNotFound ListenerArn=LISTENER/l/0/0 Priority=9 Conditions=PATH Actions=[{"Type":"forward","TargetGroupArn":"GROUP/lost/0"}]
		CreateRule TargetGroupAssociationLimit ListenerArn=LISTENER/full/0/1 Priority=9 Conditions=PATH Actions=[{"Type":"forward","TargetGroupArn":"GROUP/g/0"}]
		CreateRule InvalidConfigurationRequest ListenerArn=LISTENER/l/0/0 Priority=9 Conditions=PATH Actions=[{"Type":"forward","TargetGroupArn":"GROUP/far/0"}]
		CreateRule InvalidLoadBalancerAction ListenerArn=LISTENER/l/0/0 Priority=9 Conditions=PATH Actions=[{"Type":"fixed-response"}]
		CreateRule TooManyUniqueTargetGroupsPerLoadBalancer ListenerArn=LISTENER/l/0/0 Priority=9 Conditions=PATH Actions=[{"Type":"forward","ForwardConfig":{"TargetGroups":[SIX]}}]
		CreateRule TooManyRules ListenerArn=LISTENER/full/0/0 Priority=999 Conditions=PATH Actions=FIXED
		CreateRule ValidationError ListenerArn=LISTENER/l/0/0 Priority=9 Conditions=[{"Field":"lost","Values":["x"]}] Actions=FIXED
		CreateRule ValidationError ListenerArn=LISTENER/l/0/0 Priority=9 Conditions=[{"Field":"source-ip","Values":["1.2.3.4"]}] Actions=FIXED
		CreateRule ValidationError ListenerArn=LISTENER/l/0/0 Priority=9 Conditions=[{"Field":"query-string"}] Actions=FIXED
		CreateRule ValidationError ListenerArn=LISTENER/l/0/0 Priority=9 Conditions=[{"Field":"http-header"}] Actions=FIXED
		CreateRule ValidationError ListenerArn=LISTENER/l/0/0 Priority=9 Conditions=[{"Field":"host-header","Values":["a*b*c*d*e*f*"]}] Actions=FIXED
		CreateRule DuplicateTagKeys ListenerArn=LISTENER/l/0/0 Priority=9 Conditions=PATH Actions=FIXED Tags=TWICE
		CreateRule TooManyTags ListenerArn=LISTENER/l/0/0 Priority=9 Conditions=PATH Actions=FIXED Tags=MANY
		CreateRule NotImplemented ListenerArn=LISTENER/l/0/0 Priority=9 Conditions=PATH Actions=[{"Type":"authenticate-oidc"},{"Type":"forward"}]
		DescribeRules ListenerNotFound ListenerArn=LISTENER/lost/0/0
		DescribeRules RuleNotFound RuleArns=["RULE/lost/0/0/0"]
		DescribeRules ValidationError ListenerArn=LISTENER/l/0/0 Marker=made-up
		ModifyRule RuleNotFound RuleArn=RULE/lost/0/0/0 Actions=FIXED
		ModifyRule OperationNotPermitted RuleArn=RULE/l/0/0/0 Actions=FIXED
		ModifyRule TargetGroupNotFound RuleArn=RULE/l/0/0/1 Actions=[{"Type":"forward","TargetGroupArn":"GROUP/lost/0"}]
		ModifyRule TargetGroupAssociationLimit RuleArn=RULE/full/0/0/1 Actions=[{"Type":"forward","TargetGroupArn":"GROUP/g/0"}]
		ModifyRule InvalidConfigurationRequest RuleArn=RULE/l/0/0/1 Actions=[{"Type":"forward","TargetGroupArn":"GROUP/far/0"}]
		ModifyRule InvalidLoadBalancerAction RuleArn=RULE/l/0/0/1 Actions=[{"Type":"forward"},{"Type":"forward"}]
		ModifyRule TooManyUniqueTargetGroupsPerLoadBalancer RuleArn=RULE/l/0/0/1 Actions=[{"Type":"forward","ForwardConfig":{"TargetGroups":[SIX]}}]
		ModifyRule ValidationError RuleArn=RULE/l/0/0/1 Conditions=[{"Field":"path-pattern"}]
		ModifyRule NotImplemented RuleArn=RULE/l/0/0/1 Actions=[{"Type":"authenticate-cognito"}]
		DeleteRule RuleNotFound RuleArn=RULE/lost/0/0/0
		DeleteRule OperationNotPermitted RuleArn=RULE/l/0/0/0
		SetRulePriorities RuleNotFound RulePriorities=[{"RuleArn":"RULE/lost/0/0/0","Priority":1}]
		SetRulePriorities PriorityInUse RulePriorities=[{"RuleArn":"RULE/l/0/0/1","Priority":2}]
		SetRulePriorities OperationNotPermitted RulePriorities=[{"RuleArn":"RULE/l/0/0/0","Priority":7}]
		SetRulePriorities ValidationError RulePriorities=[{"RuleArn":"RULE/l/0/0/1"}]

		CreateTargetGroup DuplicateTargetGroupName Name=g Protocol=HTTP Port=81 VpcId=v
		CreateTargetGroup TooManyTargetGroups Name=new Protocol=HTTP Port=80 VpcId=v
		CreateTargetGroup ValidationError Name=new Protocol=HTTP Port=80 VpcId=lost
		CreateTargetGroup ValidationError Name=new Port=80 VpcId=v
		CreateTargetGroup ValidationError Name=new Protocol=HTTP VpcId=v
		CreateTargetGroup ValidationError Name=new Protocol=HTTP Port=80
		CreateTargetGroup ValidationError Name=new Protocol=HTTP Port=80 VpcId=v Matcher={"HttpCode":"99"}
		CreateTargetGroup ValidationError Name=new Protocol=HTTP Port=80 VpcId=v Matcher={"GrpcCode":"0"}
		CreateTargetGroup DuplicateTagKeys Name=new Protocol=HTTP Port=80 VpcId=v Tags=TWICE
		CreateTargetGroup TooManyTags Name=new Protocol=HTTP Port=80 VpcId=v Tags=MANY
		CreateTargetGroup NotImplemented Name=new Protocol=TCP Port=80 VpcId=v
		CreateTargetGroup NotImplemented Name=new TargetType=lambda
		CreateTargetGroup NotImplemented Name=new Protocol=HTTP ProtocolVersion=HTTP2 Port=80 VpcId=v
		CreateTargetGroup NotImplemented Name=new Protocol=HTTP IpAddressType=ipv6 Port=80 VpcId=v
		DescribeTargetGroups TargetGroupNotFound Names=["lost"]
		DescribeTargetGroups LoadBalancerNotFound LoadBalancerArn=LB/lost/0
		DescribeTargetGroups ValidationError Marker=made-up
		ModifyTargetGroup TargetGroupNotFound TargetGroupArn=GROUP/lost/0
		ModifyTargetGroup ValidationError TargetGroupArn=GROUP/g/0 HealthCheckTimeoutSeconds=30
		ModifyTargetGroup ValidationError TargetGroupArn=GROUP/g/0 HealthCheckPort=lost
		ModifyTargetGroup ValidationError TargetGroupArn=GROUP/g/0 HealthCheckProtocol=TCP
		ModifyTargetGroup ValidationError TargetGroupArn=GROUP/g/0 HealthCheckPath=x
		DeleteLoadBalancer ValidationError LoadBalancerArn=lost
		DeleteTargetGroup ValidationError TargetGroupArn=LB/lost/0
		DeleteTargetGroup ResourceInUse TargetGroupArn=GROUP/g/0
		DescribeTargetGroupAttributes TargetGroupNotFound TargetGroupArn=GROUP/lost/0
		ModifyTargetGroupAttributes TargetGroupNotFound TargetGroupArn=GROUP/lost/0 Attributes=[{"Key":"x","Value":"y"}]
		ModifyTargetGroupAttributes ValidationError TargetGroupArn=GROUP/g/0 Attributes=[{"Key":"stickiness.enabled","Value":"true"},{"Key":"stickiness.type","Value":"app_cookie"}]
		ModifyTargetGroupAttributes NotImplemented TargetGroupArn=GROUP/g/0 Attributes=[{"Key":"load_balancing.algorithm.anomaly_mitigation","Value":"on"}]
		RegisterTargets TargetGroupNotFound TargetGroupArn=GROUP/lost/0 Targets=[{"Id":"10.0.0.9"}]
		RegisterTargets InvalidTarget TargetGroupArn=GROUP/g/0 Targets=[{"Id":"8.8.8.8"}]
		RegisterTargets InvalidTarget TargetGroupArn=GROUP/g/0 Targets=[{"Id":"192.168.0.1"}]
		RegisterTargets InvalidTarget TargetGroupArn=GROUP/machines/0 Targets=[{"Id":"i-lost"}]
		RegisterTargets TooManyTargets TargetGroupArn=GROUP/full/0 Targets=[{"Id":"10.0.2.254"}]
		RegisterTargets ValidationError TargetGroupArn=GROUP/g/0 Targets=[{"Id":"lost"}]
		DeregisterTargets TargetGroupNotFound TargetGroupArn=GROUP/lost/0 Targets=[{"Id":"10.0.0.9"}]
		DescribeTargetHealth TargetGroupNotFound TargetGroupArn=GROUP/lost/0

		AddTags LoadBalancerNotFound ResourceArns=["LB/lost/0"] Tags=[{"Key":"a"}]
		AddTags ListenerNotFound ResourceArns=["LISTENER/lost/0/0"] Tags=[{"Key":"a"}]
		AddTags RuleNotFound ResourceArns=["RULE/lost/0/0/0"] Tags=[{"Key":"a"}]
		AddTags TargetGroupNotFound ResourceArns=["GROUP/lost/0"] Tags=[{"Key":"a"}]
		AddTags TooManyTags ResourceArns=["GROUP/full/0"] Tags=[{"Key":"a"}]
		AddTags DuplicateTagKeys ResourceArns=["GROUP/g/0"] Tags=TWICE
		AddTags ValidationError ResourceArns=["lost"] Tags=[{"Key":"a"}]
		RemoveTags LoadBalancerNotFound ResourceArns=["LB/lost/0"] TagKeys=["a"]
		RemoveTags ListenerNotFound ResourceArns=["LISTENER/lost/0/0"] TagKeys=["a"]
		RemoveTags RuleNotFound ResourceArns=["RULE/lost/0/0/0"] TagKeys=["a"]
		RemoveTags TargetGroupNotFound ResourceArns=["GROUP/lost/0"] TagKeys=["a"]
		RemoveTags ValidationError ResourceArns=["lost"] TagKeys=["a"]
		DescribeTags LoadBalancerNotFound ResourceArns=["LB/lost/0"]
		DescribeTags ListenerNotFound ResourceArns=["LISTENER/lost/0/0"]
		DescribeTags RuleNotFound ResourceArns=["RULE/lost/0/0/0"]
		DescribeTags TargetGroupNotFound ResourceArns=["GROUP/lost/0"]
		DescribeTags ValidationError ResourceArns=["lost"]
		DescribeAccountLimits ValidationError Marker=made-up
	`)
	apitest.Errors(t, w, "elasticloadbalancing", rows)
}

// What is no ARN of the kind that is asked for is refused as that, in AWS's
// words, by every operation.
func TestOnlyAnARNOfTheKindIsLookedFor(t *testing.T) {
	w := apitest.NewWorld(t)
	fixed := `[{"Type":"fixed-response","FixedResponseConfig":{"StatusCode":"200"}}]`
	for kind, c := range map[string]struct{ arn, rows string }{
		"load balancer": {"loadbalancer/app/n/0", `
			DeleteLoadBalancer {"LoadBalancerArn":"ARN"}
			DescribeLoadBalancers {"LoadBalancerArns":["ARN"]}
			DescribeLoadBalancerAttributes {"LoadBalancerArn":"ARN"}
			ModifyLoadBalancerAttributes {"LoadBalancerArn":"ARN","Attributes":[{"Key":"x","Value":"y"}]}
			SetSecurityGroups {"LoadBalancerArn":"ARN","SecurityGroups":["sg-1"]}
			SetSubnets {"LoadBalancerArn":"ARN","Subnets":["s-a","s-b"]}
			SetIpAddressType {"LoadBalancerArn":"ARN","IpAddressType":"ipv4"}
			CreateListener {"LoadBalancerArn":"ARN","Protocol":"HTTP","Port":80,"DefaultActions":FIXED}
			DescribeListeners {"LoadBalancerArn":"ARN"}
			DescribeTargetGroups {"LoadBalancerArn":"ARN"}`},
		"target group": {"targetgroup/n/0", `
			DeleteTargetGroup {"TargetGroupArn":"ARN"}
			DescribeTargetGroups {"TargetGroupArns":["ARN"]}
			DescribeTargetGroupAttributes {"TargetGroupArn":"ARN"}
			ModifyTargetGroupAttributes {"TargetGroupArn":"ARN","Attributes":[{"Key":"x","Value":"y"}]}
			ModifyTargetGroup {"TargetGroupArn":"ARN"}
			RegisterTargets {"TargetGroupArn":"ARN","Targets":[{"Id":"10.0.0.9"}]}
			DeregisterTargets {"TargetGroupArn":"ARN","Targets":[{"Id":"10.0.0.9"}]}
			DescribeTargetHealth {"TargetGroupArn":"ARN"}`},
		"listener": {"listener/app/n/0/0", `
			DeleteListener {"ListenerArn":"ARN"}
			ModifyListener {"ListenerArn":"ARN"}
			DescribeListeners {"ListenerArns":["ARN"]}
			DescribeListenerAttributes {"ListenerArn":"ARN"}
			ModifyListenerAttributes {"ListenerArn":"ARN","Attributes":[{"Key":"x","Value":"y"}]}
			DescribeListenerCertificates {"ListenerArn":"ARN"}
			CreateRule {"ListenerArn":"ARN","Priority":1,"Actions":FIXED,"Conditions":[{"Field":"path-pattern","Values":["/"]}]}
			DescribeRules {"ListenerArn":"ARN"}`},
		"listener rule": {"listener-rule/app/n/0/0/0", `
			DeleteRule {"RuleArn":"ARN"}
			ModifyRule {"RuleArn":"ARN"}
			DescribeRules {"RuleArns":["ARN"]}
			SetRulePriorities {"RulePriorities":[{"RuleArn":"ARN","Priority":1}]}`},
	} {
		for _, arn := range []string{
			"lost", elb + "nothing/n/0", elb + c.arn + "/0", elb + c.arn + "/", c.arn, "arn:aws:ec2:us-east-1:1:" + c.arn,
		} {
			for row := range strings.Lines(strings.NewReplacer("ARN", arn, "FIXED", fixed).Replace(strings.TrimSpace(c.rows))) {
				operation, text, _ := strings.Cut(strings.TrimSpace(row), " ")
				var in apitest.In
				if err := json.Unmarshal([]byte(text), &in); err != nil {
					t.Fatal(row, err)
				}
				_, err := w.Invoke(t.Context(), "elasticloadbalancing", operation, in)
				if want := "'" + arn + "' is not a valid " + kind + " ARN"; fault.CodeOf(err) != "ValidationError" || fault.MessageOf(err) != want {
					t.Errorf("%s of %s: %v", operation, arn, err)
				}
			}
		}
	}
}

// putNetworks makes the VPC v, which has an internet gateway, and x, which
// has none.
func putNetworks(tx *store.Tx) error {
	subnet := func(id, vpc, cidr, zone string) error {
		return state.Subnets.Put(tx, model.Subnet{ID: id, VPC: vpc, CIDR: cidr, AvailabilityZone: "us-east-1" + zone})
	}
	return errors.Join(
		state.VPCs.Put(tx, model.VPC{ID: "v", CIDR: "10.0.0.0/16", DefaultGroup: "sg-1"}),
		state.VPCs.Put(tx, model.VPC{ID: "x", CIDR: "10.1.0.0/16"}),
		state.SecurityGroups.Put(tx, model.SecurityGroup{ID: "sg-1", VPC: "v"}),
		state.InternetGateways.Put(tx, model.InternetGateway{ID: "igw-1", VPC: "v"}),
		subnet("s-a", "v", "10.0.0.0/24", "a"), subnet("s-b", "v", "10.0.1.0/24", "b"), subnet("s-c", "v", "10.0.2.0/24", "a"),
		subnet("x-a", "x", "10.1.0.0/24", "a"), subnet("x-b", "x", "10.1.1.0/24", "b"),
	)
}

// putBalancers makes as many load balancers as there may be: l with two
// listeners, kept, which may not be deleted, far in VPC x, and full, which has
// as many listeners, and rules of one, as there may be.
func putBalancers(tx *store.Tx) error {
	var errs []error
	names := []string{"l", "kept", "far", "full"}
	for i := range 46 {
		names = append(names, fmt.Sprint("m", i))
	}
	for _, name := range names {
		b := model.LoadBalancer{
			ARN: elb + "loadbalancer/app/" + name + "/0", Name: name, VPC: "v", Subnets: []string{"s-a", "s-b"}, Scheme: "internet-facing",
			Type: "application", IPAddressType: "ipv4", SecurityGroups: []string{"sg-1"}, Attributes: map[string]string{},
		}
		switch name {
		case "far":
			b.VPC, b.Subnets, b.SecurityGroups = "x", []string{"x-a", "x-b"}, nil
		case "kept":
			b.Attributes["deletion_protection.enabled"] = "true"
		}
		errs = append(errs, state.LoadBalancers.Put(tx, b))
	}
	for i := range 2 {
		errs = append(errs, putListener(tx, "l", i, 2))
	}
	for i := range 50 {
		errs = append(errs, putListener(tx, "full", i, 100-99*min(i, 1)))
	}
	return errors.Join(errs...)
}

// putListener makes a listener and its rules; all of l forward to group g.
func putListener(tx *store.Tx, lb string, n, rules int) error {
	arn := fmt.Sprintf("%slistener/app/%s/0/%d", elb, lb, n)
	errs := []error{state.Listeners.Put(tx, model.Listener{
		ARN: arn, LoadBalancer: elb + "loadbalancer/app/" + lb + "/0", Port: int64(80 + 10*n), Protocol: "HTTP",
	})}
	action := model.Action{Type: "fixed-response", StatusCode: "200"}
	if lb == "l" {
		action = model.Action{Type: "forward", Targets: []model.WeightedTarget{{TargetGroupARN: elb + "targetgroup/g/0", Weight: 1}}}
	}
	for i := range rules + 1 {
		errs = append(errs, state.ListenerRules.Put(tx, model.ListenerRule{
			ARN: fmt.Sprintf("%slistener-rule/app/%s/0/%d/%d", elb, lb, n, i), Listener: arn, Priority: int64(i), Default: i == 0,
			Actions: []model.Action{action},
		}))
	}
	return errors.Join(errs...)
}

// putGroups makes as many target groups as there may be: g, machines for
// instances, far in VPC x, and full, which has as many targets and tags as
// there may be.
func putGroups(tx *store.Tx) error {
	var errs []error
	names := []string{"g", "machines", "far", "full"}
	for i := range 2996 {
		names = append(names, fmt.Sprint("m", i))
	}
	for _, name := range names {
		g := model.TargetGroup{
			ARN: elb + "targetgroup/" + name + "/0", Name: name, VPC: "v", Protocol: "HTTP", Port: 80, TargetType: "ip",
			HealthProtocol: "HTTP", HealthPort: "traffic-port", HealthPath: "/", HealthInterval: 30, HealthTimeout: 5, HealthyThreshold: 5,
			UnhealthyThreshold: 2, Matcher: "200", HealthEnabled: true, Attributes: map[string]string{},
		}
		switch name {
		case "far":
			g.VPC = "x"
		case "machines":
			g.TargetType = "instance"
		case "full":
			for i := range 50 {
				g.Tags = append(g.Tags, model.Tag{Key: fmt.Sprint("k", i)})
			}
		}
		errs = append(errs, state.TargetGroups.Put(tx, g))
	}
	for i := range 1000 {
		errs = append(errs, state.Targets.Put(tx, model.Target{
			Group: elb + "targetgroup/full/0", ID: fmt.Sprintf("10.0.%d.%d", i/250, 1+i%250), Port: 80,
		}))
	}
	return errors.Join(errs...)
}
