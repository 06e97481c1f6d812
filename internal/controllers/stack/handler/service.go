package handler

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"berth/internal/fault"
	"berth/internal/lang/template"
	"berth/internal/model"
)

// ECS services. One is ready when its deployment has succeeded: with
// blue/green that is after hooks, shift and bake.

const (
	// shiftWait is what CloudFormation gives a deployment that shifts traffic or
	// bakes (docs/facts/deployments.md D136).
	shiftWait = 36 * time.Hour

	// What a service's memo holds: the deployment that the act under way has
	// begun, and the newest rollout before it.
	memoDeployment = "deployment"
	memoBefore     = "before"
)

var (
	// serviceMembers are sent on creation and, when they change, on update.
	serviceMembers = names("AvailabilityZoneRebalancing CapacityProviderStrategy DeploymentConfiguration DeploymentController " +
		"EnableECSManagedTags EnableExecuteCommand HealthCheckGracePeriodSeconds LoadBalancers NetworkConfiguration PlacementConstraints " +
		"PlacementStrategies PlatformVersion PropagateTags TaskDefinition")
	// triggers start a deployment when they change (docs/facts/deployments.md
	// D102).
	triggers = names("TaskDefinition NetworkConfiguration ForceNewDeployment LoadBalancers PlatformVersion")
)

// serviceUsual is what members go back to when they are given no more.
var serviceUsual = map[string]any{
	"EnableECSManagedTags": false, "EnableExecuteCommand": false, "PropagateTags": "NONE", "HealthCheckGracePeriodSeconds": int64(0),
	"PlatformVersion": "LATEST",
}

// serviceWait is how long a service's deployment may take.
func serviceWait(s *Step) time.Duration {
	c := dig(s.Record.Properties, "DeploymentConfiguration")
	bake := fmt.Sprint(dig(c, "BakeTimeInMinutes"))
	strategy := model.Strategy(digText(c, "Strategy"))
	if strategy.Staged() || bake != "0" && bake != "<nil>" {
		return shiftWait
	}
	return usualWait
}

func serviceTypes() map[string]*Type {
	cluster := property("Cluster")
	return map[string]*Type{
		"AWS::ECS::Service": {
			Service: ecs, Style: ecsStyle, Name: Name{Property: "ServiceName", Limit: 255}, Tags: ecsTags(self), Wait: serviceWait, Lingers: true,
			Convert: map[string]func(*Step, any) (any, error){"DeploymentConfiguration": hookDetails},
			Make: Call{
				Operation: "CreateService", Members: slices.Concat(serviceMembers, names("LaunchType Role SchedulingStrategy")),
				Carries: names("Cluster DesiredCount ForceNewDeployment"), Prepare: firstCount, Answer: "service",
				With: Args{"cluster": cluster, "serviceName": named, "clientToken": func(s *Step) any { return s.Record.Token[:32] }},
			},
			ID:      at("serviceArn"),
			Lookup:  byName(ownActive),
			Changes: []Change{{When: append(names("DesiredCount ForceNewDeployment"), serviceMembers...), Do: updateService}},
			Read: Call{
				Operation: "DescribeServices", With: Args{"cluster": cluster, "services": listOf(self), "include": constant([]any{"TAGS"})},
				Answer: "services.0",
			},
			Attributes: paths("ServiceArn=serviceArn Name=serviceName"),
			Status:     []Status{{Path: "status", Absent: names("INACTIVE"), Ending: names("DRAINING")}},
			Settle:     settleService,
			Remove:     Call{Operation: "DeleteService", With: Args{"cluster": cluster, "service": self, "force": constant(true)}},
		},
	}
}

// hookDetails reads the JSON text that lifecycle hooks carry.
func hookDetails(_ *Step, v any) (any, error) {
	for _, h := range list(dig(v, "lifecycleHooks")) {
		hook, _ := h.(map[string]any)
		text, ok := hook["hookDetails"].(string)
		if !ok {
			continue
		}
		var doc any
		if err := json.Unmarshal([]byte(text), &doc); err != nil {
			return nil, fault.New(fault.Invalid, "InvalidParameterException", "HookDetails must be a JSON object as a string: %s", err)
		}
		hook["hookDetails"] = doc
	}
	return v, nil
}

// firstCount is how many tasks a new service has: one, if nothing is said.
func firstCount(s *Step, in map[string]any) error {
	if s.Record.Properties["SchedulingStrategy"] == "DAEMON" {
		return nil
	}
	in["desiredCount"] = int64(1)
	if v, ok := s.Record.Properties["DesiredCount"]; ok {
		in["desiredCount"] = v
	}
	return nil
}

func ownActive(_ context.Context, s *Step, service any) (bool, error) {
	return digText(service, "status") == string(model.ServiceActive) && s.mine(dig(service, "tags")), nil
}

// updateService sends what changed. DesiredCount goes along whenever the
// template has it, as CloudFormation does: that resets an autoscaled count.
func updateService(ctx context.Context, s *Step) error {
	in, err := serviceChanges(s)
	if err != nil || len(in) == 0 && !s.changed("DesiredCount") {
		return err
	}
	if v, ok := s.Record.Properties["DesiredCount"]; ok {
		in["desiredCount"] = v
	}
	before, err := s.kind.read(ctx, s)
	if err != nil {
		return err
	}
	in["cluster"], in["service"] = s.Record.Properties["Cluster"], s.id()
	out, err := s.API.Call(ctx, ecs, "UpdateService", in)
	if err != nil {
		return err
	}
	s.remember(memoDeployment, digText(out, "service.currentServiceDeployment"))
	s.remember(memoBefore, "")
	if s.changed(triggers...) {
		s.remember(memoBefore, digText(before, "deployments.0.id"))
	}
	return nil
}

// serviceChanges are the members that changed. Removing a list needs an
// explicit empty one.
func serviceChanges(s *Step) (map[string]any, error) {
	changed := slices.DeleteFunc(slices.Clone(serviceMembers), func(n string) bool { return !s.changed(n) })
	in, err := s.kind.members(s, Call{}, changed, true)
	if err != nil {
		return nil, err
	}
	for _, n := range changed {
		if s.Record.Properties[n] != nil {
			continue
		}
		if _, was := s.Record.Prior[n].([]any); was {
			in[s.kind.Style.Member(n)] = []any{}
		} else if usual, ok := serviceUsual[n]; ok {
			in[s.kind.Style.Member(n)] = usual
		}
	}
	if s.changed("ForceNewDeployment") && dig(s.Record.Properties, "ForceNewDeployment.EnableForceNewDeployment") == true {
		in["forceNewDeployment"] = true
	}
	return in, nil
}

// settleService follows the newest service deployment to its end.
func settleService(ctx context.Context, s *Step) (bool, error) {
	service := s.object
	if status := digText(service, "status"); status != string(model.ServiceActive) {
		return false, NotStabilized("Service %s did not stabilize: it is %s.", s.id(), status)
	}
	arn, err := deploymentOf(ctx, s, service)
	if err != nil {
		return false, err
	}
	// A deployment that was asked for shows a moment later.
	if old := s.Record.Memo[memoBefore]; old != "" && digText(service, "deployments.0.id") == old &&
		s.Now.Sub(s.Record.Started) < time.Minute {
		return false, nil
	}
	if arn == "" {
		return rolledOut(service)
	}
	out, err := s.API.Call(ctx, ecs, "DescribeServiceDeployments", map[string]any{"serviceDeploymentArns": []any{arn}})
	if err != nil {
		return false, err
	}
	return deployed(service, dig(out, "serviceDeployments.0"))
}

// deploymentOf finds the deployment that the act under way has begun.
func deploymentOf(ctx context.Context, s *Step, service any) (string, error) {
	if now := digText(service, "currentServiceDeployment"); now != "" {
		s.remember(memoDeployment, now)
		return now, nil
	}
	if arn := s.Record.Memo[memoDeployment]; arn != "" {
		return arn, nil
	}
	if s.Record.Prior != nil {
		return "", nil // nothing that starts a deployment has changed
	}
	out, err := s.API.Call(ctx, ecs, "ListServiceDeployments", map[string]any{"service": s.id(), "cluster": s.Record.Properties["Cluster"]})
	return digText(out, "serviceDeployments.0.serviceDeploymentArn"), err
}

// deployed says what a service deployment came to.
func deployed(service, d any) (bool, error) {
	why := digText(d, "statusReason")
	switch status := model.DeploymentStatus(digText(d, "status")); status {
	case model.DeploymentSuccessful:
		return rolledOut(service)
	case model.DeploymentStopped, model.DeploymentRollbackSuccessful, model.DeploymentRollbackFailed:
		if digText(d, "deploymentCircuitBreaker.status") == string(model.MonitorTriggered) {
			return false, general("Error occurred during operation 'ECS Deployment Circuit Breaker was triggered'.")
		}
		if why == "" {
			why = "Service deployment " + strings.ToLower(strings.ReplaceAll(string(status), "_", " ")) + "."
		}
		return false, general("Error occurred during operation 'ECS Deployment': %s", why)
	default:
		return false, nil
	}
}

// rolledOut reports whether a service is steady: one deployment, complete,
// with all its tasks.
func rolledOut(service any) (bool, error) {
	deployments := list(dig(service, "deployments"))
	if len(deployments) != 1 {
		return false, nil
	}
	d := deployments[0]
	switch state := model.RolloutState(digText(d, "rolloutState")); state {
	case model.RolloutFailed:
		return false, general("Error occurred during operation 'ECS Deployment': %s", digText(d, "rolloutStateReason"))
	case "", model.RolloutCompleted:
		want, _ := template.Flat(dig(service, "desiredCount"))
		runs, _ := template.Flat(dig(service, "runningCount"))
		return want == runs, nil
	default:
		return false, nil
	}
}
