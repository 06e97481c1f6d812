package ecs

import (
	"regexp"
	"slices"
	"strings"

	"berth/internal/model"
	"berth/internal/state"
	"berth/internal/store"
	"berth/internal/wire"
	shape "berth/internal/wire/shape/ecs"
)

var (
	ruleForm     = regexp.MustCompile(`^arn:[^:]+:elasticloadbalancing:[^:]*:[^:]*:listener-rule/app/`)
	listenerForm = regexp.MustCompile(`^arn:[^:]+:elasticloadbalancing:[^:]*:[^:]*:listener/net/`)
)

// readBalancers reads the load balancers of a service and checks what ECS
// checks before it answers (docs/facts/deployments.md D110). Errors:
// InvalidParameterException, NotImplemented.
func readBalancers(in []shape.LoadBalancer, strategy model.Strategy) ([]model.ServiceLoadBalancer, error) {
	var out []model.ServiceLoadBalancer
	with := 0
	for _, l := range in {
		switch {
		case l.LoadBalancerName != nil && l.TargetGroupArn != nil:
			return nil, invalid("All loadBalancers must be strictly either ELBv1 (defining loadBalancerName) or ELBv2 (defining targetGroupArn)")
		case l.LoadBalancerName != nil && l.AdvancedConfiguration != nil:
			return nil, invalid("advancedConfiguration field is not allowed with ELBv1 loadBalancers")
		case l.LoadBalancerName != nil:
			return nil, unbuilt("loadBalancerName of a service (a Classic Load Balancer)")
		case wire.Val(l.TargetGroupArn) == "":
			return nil, invalid("loadBalancers must define targetGroupArn.")
		case wire.Val(l.ContainerName) == "" || l.ContainerPort == nil:
			return nil, invalid("Load balancer container name and port cannot be empty.")
		}
		b := model.ServiceLoadBalancer{TargetGroupARN: *l.TargetGroupArn, ContainerName: *l.ContainerName, ContainerPort: *l.ContainerPort}
		if c := l.AdvancedConfiguration; c != nil {
			with++
			b.AlternateTargetGroupARN, b.ProductionListenerRule = wire.Val(c.AlternateTargetGroupArn), wire.Val(c.ProductionListenerRule)
			b.TestListenerRule, b.RoleARN = wire.Val(c.TestListenerRule), wire.Val(c.RoleArn)
			if err := checkAdvanced(b); err != nil {
				return nil, err
			}
		}
		out = append(out, b)
	}
	switch {
	case with > 0 && with < len(out):
		return nil, invalid("Either all or none of the provided loadBalancers must have advancedConfiguration defined")
	case with == 0 && len(out) > 0 && strategy != model.StrategyRolling:
		return nil, invalid("advancedConfiguration field is required for all loadBalancers when using a non-ROLLING deployment strategy")
	case len(out) > 5:
		return nil, invalid("load balancers can have at most 5 items.")
	}
	return out, unique(out)
}

func checkAdvanced(b model.ServiceLoadBalancer) error {
	switch {
	case b.AlternateTargetGroupARN == "" || b.ProductionListenerRule == "" || b.RoleARN == "":
		return invalid("advancedConfiguration must define alternateTargetGroupArn, productionListenerRule and roleArn.")
	case b.ProductionListenerRule == b.TestListenerRule:
		return invalid("The following rules cannot be used as both production and test listener rules: %s", b.TestListenerRule)
	}
	for _, r := range []struct{ field, arn string }{
		{"productionListenerRule", b.ProductionListenerRule}, {"testListenerRule", b.TestListenerRule},
	} {
		switch {
		case r.arn == "" || ruleForm.MatchString(r.arn):
		case listenerForm.MatchString(r.arn):
			return unbuilt("A Network Load Balancer's listener as %s", r.field)
		default:
			return invalid("%s has an invalid ARN format. Must be RuleArn for ALB or ListenerArn for NLB. Got: %s", r.field, r.arn)
		}
	}
	return nil
}

// unique checks that no target group is named twice.
func unique(bs []model.ServiceLoadBalancer) error {
	var seen []string
	for _, b := range bs {
		for _, g := range []string{b.TargetGroupARN, b.AlternateTargetGroupARN} {
			if g == "" {
				continue
			}
			if slices.Contains(seen, g) {
				return invalid("Duplicate targetGroupArn found: %s", g)
			}
			seen = append(seen, g)
		}
	}
	return nil
}

// balanced checks load balancers against a task definition and against what
// exists.
func balanced(r store.Reader, d model.TaskDefinition, bs []model.ServiceLoadBalancer) error {
	for _, b := range bs {
		i := slices.IndexFunc(d.Containers, func(c model.ContainerDefinition) bool { return c.Name == b.ContainerName })
		if i < 0 {
			return invalid("The container %s does not exist in the task definition.", b.ContainerName)
		}
		if !slices.ContainsFunc(d.Containers[i].PortMappings, func(p model.PortMapping) bool { return p.ContainerPort == b.ContainerPort }) {
			return invalid("The container %s did not have a container port %d defined.", b.ContainerName, b.ContainerPort)
		}
		for _, arn := range []string{b.TargetGroupARN, b.AlternateTargetGroupARN} {
			if arn == "" {
				continue
			}
			if err := targetable(r, d, arn); err != nil {
				return err
			}
		}
		if b.AlternateTargetGroupARN == "" && !served(r, b.TargetGroupARN) {
			return invalid("The target group with targetGroupArn %s does not have an associated load balancer.", b.TargetGroupARN)
		}
	}
	return nil
}

func targetable(r store.Reader, d model.TaskDefinition, arn string) error {
	g, ok := state.TargetGroups.Get(r, arn)
	switch {
	case !ok:
		return invalid("The specified target group does not exist: %s", arn)
	case d.Awsvpc() && g.TargetType != "ip":
		return invalid(
			"The provided target group %s has target type %s, which is incompatible with the awsvpc network mode specified in the task definition.",
			arn, g.TargetType,
		)
	case !d.Awsvpc() && g.TargetType == "ip":
		return invalid(
			"The provided target group %s has target type ip, which is incompatible with the %s network mode specified in the task definition.",
			arn, d.NetworkMode,
		)
	}
	return nil
}

// served reports whether a rule of a listener forwards to a target group.
func served(r store.Reader, group string) bool {
	return slices.ContainsFunc(state.ListenerRules.All(r), func(rule model.ListenerRule) bool {
		return slices.ContainsFunc(rule.Actions, func(a model.Action) bool {
			return slices.ContainsFunc(a.Targets, func(t model.WeightedTarget) bool { return t.TargetGroupARN == group })
		})
	})
}

func showBalancers(bs []model.ServiceLoadBalancer) []shape.LoadBalancer {
	out := []shape.LoadBalancer{}
	for _, b := range bs {
		l := shape.LoadBalancer{
			TargetGroupArn: wire.Ptr(b.TargetGroupARN), ContainerName: wire.Ptr(b.ContainerName), ContainerPort: wire.Ptr(b.ContainerPort),
		}
		if b.AlternateTargetGroupARN != "" {
			l.AdvancedConfiguration = &shape.AdvancedConfiguration{
				AlternateTargetGroupArn: wire.Ptr(b.AlternateTargetGroupARN), ProductionListenerRule: wire.Ptr(b.ProductionListenerRule),
				TestListenerRule: text(b.TestListenerRule), RoleArn: wire.Ptr(b.RoleARN),
			}
		}
		out = append(out, l)
	}
	return out
}

// readNetwork reads an awsvpc configuration and checks it against the mode of
// a task definition and against what exists.
func readNetwork(r store.Reader, mode string, in *shape.NetworkConfiguration) (model.NetworkConfiguration, error) {
	var out model.NetworkConfiguration
	given := in != nil && in.AwsvpcConfiguration != nil
	switch {
	case mode == model.NetworkAwsvpc && !given:
		return out, invalid("Network Configuration must be provided when networkMode 'awsvpc' is specified.")
	case mode != model.NetworkAwsvpc && given:
		return out, invalid("Network Configuration is not valid for the given networkMode of this task definition.")
	case !given:
		return out, nil
	}
	v := in.AwsvpcConfiguration
	out.Subnets, out.SecurityGroups = slices.Clone(v.Subnets), slices.Clone(v.SecurityGroups)
	out.AssignPublicIP = strings.EqualFold(wire.Val(v.AssignPublicIp), "ENABLED")
	switch {
	case len(out.Subnets) == 0 || len(out.Subnets) > 16:
		return out, invalid("subnets must have between 1 and 16 items.")
	case len(out.SecurityGroups) > 5:
		return out, invalid("securityGroups can have at most 5 items.")
	}
	if err := inOneVPC(r, out.Subnets, out.SecurityGroups); err != nil {
		return out, err
	}
	if len(out.SecurityGroups) == 0 {
		s, _ := state.Subnets.Get(r, out.Subnets[0])
		vpc, _ := state.VPCs.Get(r, s.VPC)
		if vpc.DefaultGroup != "" {
			out.SecurityGroups = []string{vpc.DefaultGroup}
		}
	}
	return out, nil
}

func showNetwork(n model.NetworkConfiguration) *shape.NetworkConfiguration {
	if len(n.Subnets) == 0 {
		return nil
	}
	assign := "DISABLED"
	if n.AssignPublicIP {
		assign = "ENABLED"
	}
	return &shape.NetworkConfiguration{
		AwsvpcConfiguration: &shape.AwsVpcConfiguration{Subnets: n.Subnets, SecurityGroups: n.SecurityGroups, AssignPublicIp: &assign},
	}
}
