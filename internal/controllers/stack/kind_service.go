package stack

import (
	"context"
	"encoding/json"
	"strings"
	"time"

	"berth/internal/fault"
	"berth/internal/lang/template"
)

// ECS services. One is ready when its deployment has succeeded: with
// blue/green that is after hooks, shift and bake (docs/facts/deployments.md D136).

const serviceType = "AWS::ECS::Service"

func serviceKinds() map[string]kind {
	return map[string]kind{
		serviceType: {name: "ServiceName", create: createService, update: updateService, settle: settleService, remove: removeService, find: findService},
	}
}

var (
	// serviceMembers are sent on creation and, when they change, on update.
	serviceMembers = []string{
		"AvailabilityZoneRebalancing", "CapacityProviderStrategy", "DeploymentConfiguration", "DeploymentController", "EnableECSManagedTags",
		"EnableExecuteCommand", "HealthCheckGracePeriodSeconds", "LoadBalancers", "NetworkConfiguration", "PlacementConstraints",
		"PlacementStrategies", "PlatformVersion", "PropagateTags", "ServiceConnectConfiguration", "ServiceRegistries", "TaskDefinition",
		"VolumeConfigurations",
	}
	onlyCreate = []string{"LaunchType", "Role", "SchedulingStrategy"}
	// triggers start a deployment when they change (docs/facts/deployments.md D102).
	triggers = []string{
		"TaskDefinition", "NetworkConfiguration", "PlatformVersion", "ForceNewDeployment", "LoadBalancers", "ServiceRegistries",
		"ServiceConnectConfiguration", "VolumeConfigurations",
	}
)

// serviceCall turns properties into members of CreateService or UpdateService.
func serviceCall(props map[string]any, names ...string) (map[string]any, error) {
	in := lowPick(props, names...)
	for _, h := range list(dig(in, "deploymentConfiguration", "lifecycleHooks")) {
		hook, _ := h.(map[string]any)
		if s, ok := hook["hookDetails"].(string); ok {
			var doc any
			if err := json.Unmarshal([]byte(s), &doc); err != nil {
				return nil, fault.New(fault.Invalid, "InvalidParameterException", "HookDetails must be a JSON object as a string: %s", err)
			}
			hook["hookDetails"] = doc
		}
	}
	return in, nil
}

func createService(ctx context.Context, a *act) error {
	return a.once(ctx, findService, func() error {
		in, err := serviceCall(a.props, append(serviceMembers, onlyCreate...)...)
		if err != nil {
			return err
		}
		in["cluster"], in["serviceName"], in["tags"], in["clientToken"] = a.props["Cluster"], a.physical("ServiceName", 255), lowPairs(a.tags), a.rec.Token[:32]
		if a.props["SchedulingStrategy"] != "DAEMON" {
			in["desiredCount"] = int64(1)
			if v, ok := a.props["DesiredCount"]; ok {
				in["desiredCount"] = v
			}
		}
		out, err := a.call(ctx, ecs, "CreateService", in)
		if err != nil {
			return err
		}
		a.service(out["service"])
		return nil
	})
}

func (a *act) service(s any) {
	a.made(digs(s, "serviceArn"), map[string]any{"ServiceArn": digs(s, "serviceArn"), "Name": digs(s, "serviceName")})
}

func describeService(ctx context.Context, a *act, name string) (map[string]any, error) {
	out, err := a.call(ctx, ecs, "DescribeServices", map[string]any{"cluster": a.props["Cluster"], "services": []any{name}, "include": []any{"TAGS"}})
	s, _ := dig(out, "services", 0).(map[string]any)
	return s, err
}

func findService(ctx context.Context, a *act) (bool, error) {
	s, err := describeService(ctx, a, a.physical("ServiceName", 255))
	if err != nil || digs(s, "status") != "ACTIVE" || !a.mine(s["tags"]) {
		return false, err
	}
	a.service(s)
	return true, nil
}

// updateService sends what changed. DesiredCount goes along whenever the
// template has it, as CloudFormation does: that resets an autoscaled count.
func updateService(ctx context.Context, a *act) error {
	if a.changed("LaunchType") {
		return fault.New(fault.NotImplemented, "NotImplemented", "Changing LaunchType of a service is not built in Berth")
	}
	var names []string
	for _, n := range serviceMembers {
		if a.changed(n) {
			names = append(names, n)
		}
	}
	in, err := serviceCall(a.props, names...)
	if err != nil {
		return err
	}
	for _, n := range names {
		// Removing a list needs an explicit empty one.
		if _, was := a.old[n].([]any); was && a.props[n] == nil {
			in[lowName(n)] = []any{}
		}
	}
	if a.changed("ForceNewDeployment") && dig(a.props, "ForceNewDeployment", "EnableForceNewDeployment") == true {
		in["forceNewDeployment"] = true
	}
	if len(in) > 0 || a.changed("DesiredCount") {
		if v, ok := a.props["DesiredCount"]; ok {
			in["desiredCount"] = v
		}
		before, err := describeService(ctx, a, a.id())
		if err != nil {
			return err
		}
		in["cluster"], in["service"] = a.props["Cluster"], a.id()
		out, err := a.call(ctx, ecs, "UpdateService", in)
		if err != nil {
			return err
		}
		a.remember("deployment", digs(out, "service", "currentServiceDeployment"))
		a.remember("before", "")
		if a.changed(triggers...) {
			a.remember("before", digs(before, "deployments", 0, "id"))
		}
	}
	return retagECS(ctx, a, a.id())
}

// settleService follows the newest service deployment to its end.
func settleService(ctx context.Context, a *act) (bool, error) {
	s, err := describeService(ctx, a, a.id())
	if err != nil {
		return false, err
	}
	if status := digs(s, "status"); status != "ACTIVE" {
		return false, notStabilized("Service %s did not stabilize: it is %s.", a.id(), status)
	}
	arn, err := deploymentOf(ctx, a, s)
	if err != nil {
		return false, err
	}
	// A deployment that was asked for shows a moment later.
	if old := a.rec.Memo["before"]; old != "" && digs(s, "deployments", 0, "id") == old && a.now.Sub(a.rec.Started) < time.Minute {
		return false, nil
	}
	if arn == "" {
		return rolledOut(s)
	}
	out, err := a.call(ctx, ecs, "DescribeServiceDeployments", map[string]any{"serviceDeploymentArns": []any{arn}})
	if err != nil {
		return false, err
	}
	return a.deployed(s, dig(out, "serviceDeployments", 0))
}

// deploymentOf finds the deployment that the act under way has begun.
func deploymentOf(ctx context.Context, a *act, s map[string]any) (string, error) {
	if now := digs(s, "currentServiceDeployment"); now != "" {
		a.remember("deployment", now)
		return now, nil
	}
	if arn := a.rec.Memo["deployment"]; arn != "" {
		return arn, nil
	}
	if a.rec.Prior != nil {
		return "", nil // nothing that starts a deployment has changed
	}
	out, err := a.call(ctx, ecs, "ListServiceDeployments", map[string]any{"service": a.id(), "cluster": a.props["Cluster"]})
	return digs(out, "serviceDeployments", 0, "serviceDeploymentArn"), err
}

// deployed judges a service deployment.
func (a *act) deployed(s map[string]any, d any) (bool, error) {
	why := digs(d, "statusReason")
	switch digs(d, "status") {
	case "SUCCESSFUL":
		return rolledOut(s)
	case "STOPPED", "ROLLBACK_SUCCESSFUL", "ROLLBACK_FAILED":
		if digs(d, "deploymentCircuitBreaker", "status") == "TRIGGERED" {
			return false, general("Error occurred during operation 'ECS Deployment Circuit Breaker was triggered'.")
		}
		if why == "" {
			why = "Service deployment " + strings.ToLower(strings.ReplaceAll(digs(d, "status"), "_", " ")) + "."
		}
		return false, general("Error occurred during operation 'ECS Deployment': %s", why)
	default:
		return false, nil
	}
}

// rolledOut reports whether a service is steady: one deployment, complete,
// with all its tasks.
func rolledOut(s map[string]any) (bool, error) {
	deployments := list(s["deployments"])
	if len(deployments) != 1 {
		return false, nil
	}
	d := deployments[0]
	if digs(d, "rolloutState") == "FAILED" {
		return false, general("Error occurred during operation 'ECS Deployment': %s", digs(d, "rolloutStateReason"))
	}
	if state := digs(d, "rolloutState"); state != "" && state != "COMPLETED" {
		return false, nil
	}
	want, _ := template.Flat(s["desiredCount"])
	runs, _ := template.Flat(s["runningCount"])
	return want == runs, nil
}

// removeService deletes by force and waits until the tasks are gone too.
func removeService(ctx context.Context, a *act) (bool, error) {
	s, err := describeService(ctx, a, a.id())
	if err != nil {
		return false, err
	}
	switch digs(s, "status") {
	case "", "INACTIVE":
		return true, nil
	case "DRAINING":
		return false, nil
	}
	return false, a.do(ctx, ecs, "DeleteService", map[string]any{"cluster": a.props["Cluster"], "service": a.id(), "force": true})
}
