package ecs

import (
	"slices"
	"strings"

	"berth/internal/fault"
	"berth/internal/model"
	"berth/internal/model/catalog"
	"berth/internal/wire"
	shape "berth/internal/wire/shape/ecs"
)

// The platform of Fargate: LATEST is its only version (docs/facts/fargate.md FG12).
const (
	platformLatest  = "LATEST"
	platformVersion = "1.4.0"
	platformFamily  = "Linux"
)

// onFargate reports whether tasks with a strategy get slices: it has providers
// of one kind only.
func onFargate(strategy []model.StrategyItem) bool {
	return len(strategy) > 0 && model.IsFargate(strategy[0].Provider)
}

// fits checks that a task definition may run where a strategy leads. A slice of
// Fargate is of this machine and no other, so one that could not run is refused
// here and is not tried again and again. Errors: InvalidParameterException,
// NotImplemented.
func (a *API) fits(d model.TaskDefinition, strategy []model.StrategyItem, launchType string) error {
	kind := kindOf(strategy, launchType)
	may := slices.Contains(d.Compatibilities, kind)
	switch kind {
	case model.LaunchEC2:
		may = may && d.StorageGiB == 0
	case launchManaged:
		may = may && (len(d.RequiresCompatibilities) == 0 || slices.Contains(d.RequiresCompatibilities, kind))
	}
	switch {
	case may && kind == model.LaunchFargate:
		return a.runs(d)
	case may:
		return nil
	case launchType != "":
		return invalid("Task definition does not support launch_type %s.", launchType)
	}
	return invalid("The selected task definition is not compatible with the selected compute strategy.")
}

// runs refuses a definition whose CPU architecture no host has.
func (a *API) runs(d model.TaskDefinition) error {
	wants := d.CPUArchitecture
	if wants == "" || len(a.Architectures) == 0 || slices.Contains(a.Architectures, strings.ToLower(wants)) {
		return nil
	}
	has := strings.ToUpper(strings.Join(a.Architectures, ", "))
	return fault.New(fault.NotImplemented, "NotImplemented",
		"Fargate tasks of the CPU architecture %s cannot run here: this machine runs %s. Set runtimePlatform.cpuArchitecture of the task "+
			"definition to that, with an image of it, or run Berth on a machine of the other architecture.", wants, has,
	).With(map[string]string{model.FactRuns: strings.Join(a.Architectures, ", "), model.FactLacks: model.LacksArchitecture})
}

// kindOf is the launch type that a strategy or a launch type comes to.
func kindOf(strategy []model.StrategyItem, launchType string) string {
	switch {
	case onFargate(strategy):
		return model.LaunchFargate
	case launchType == model.LaunchEC2, len(strategy) > 0 && strategy[0].EC2:
		return model.LaunchEC2
	}
	return launchManaged
}

// wants is what a service or a call asks of where its tasks go.
type wants struct {
	launch      string // kindOf
	network     model.NetworkConfiguration
	constraints []model.PlacementConstraint
	placement   []model.PlacementStrategy
}

// suits checks what a launch type does not have: placement is Fargate's own,
// and public addresses and platform versions are only Fargate's; placement
// strategies are EC2's. Errors: InvalidParameterException,
// PlatformUnknownException.
func suits(w wants, platform *string) error {
	version := wire.Or(platform, platformLatest)
	fargate := w.launch == model.LaunchFargate
	switch {
	case fargate && len(w.constraints) > 0:
		return invalid("Placement constraints are not supported with FARGATE launch type.")
	case fargate && len(w.placement) > 0:
		return invalid("Placement strategies are not supported with FARGATE launch type.")
	case w.launch == launchManaged && len(w.placement) > 0:
		return invalid("Placement strategies are not supported for Managed Instances.")
	case fargate && version != platformLatest && version != platformVersion:
		return fault.New(fault.Invalid, "PlatformUnknownException", "The specified platform version %s does not exist.", version)
	case !fargate && version != platformLatest:
		return invalid("The platform version must be null when specifying an EC2 launch type.")
	case !fargate && w.network.AssignPublicIP:
		return invalid("Assign public IP is not supported for this launch type.")
	case w.launch == launchManaged:
		return checkSubjects(w.constraints)
	}
	return nil
}

// fargateProvider is one of the providers that every account has.
func fargateProvider(name, cluster string) model.CapacityProvider {
	return model.CapacityProvider{Name: name, Cluster: cluster, Status: model.ProviderActive}
}

// showFargateProvider shapes a provider of Fargate as DescribeCapacityProviders
// does.
func (a *API) showFargateProvider(name string) shape.CapacityProvider {
	return shape.CapacityProvider{
		CapacityProviderArn: wire.Ptr(a.arn("capacity-provider/" + name)), Name: &name, Status: wire.Ptr(string(model.ProviderActive)),
		Type: &name, Tags: []shape.Tag{},
	}
}

// showOnFargate adds what only tasks of Fargate show, and hides their slices.
func showOnFargate(out *shape.Task, t model.Task, d model.TaskDefinition) {
	out.LaunchType, out.ContainerInstanceArn = wire.Ptr(model.LaunchFargate), nil
	out.PlatformVersion, out.PlatformFamily = wire.Ptr(platformVersion), wire.Ptr(platformFamily)
	out.EphemeralStorage = &shape.EphemeralStorage{SizeInGiB: wire.Ptr(max(d.StorageGiB, catalog.FargateStorage))}
	if t.LaunchType != "" {
		out.CapacityProviderName = nil
	}
	if len(out.Attributes) == 0 {
		arch := strings.ToLower(d.CPUArchitecture)
		if arch == "" {
			arch = "x86_64"
		}
		out.Attributes = append(out.Attributes, shape.Attribute{Name: wire.Ptr("ecs.cpu-architecture"), Value: &arch})
	}
}

// shownStrategy is a strategy as it was given: who gave a launch type gave
// none.
func shownStrategy(launchType string, items []model.StrategyItem) []shape.CapacityProviderStrategyItem {
	if launchType != "" {
		return nil
	}
	return showStrategy(items)
}

// platform is the version and family that a service or revision shows.
func platform(strategy []model.StrategyItem, version string) (*string, *string) {
	if !onFargate(strategy) {
		return nil, nil
	}
	return wire.Ptr(wire.Or(text(version), platformLatest)), wire.Ptr(platformFamily)
}
