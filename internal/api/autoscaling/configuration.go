package autoscaling

import (
	"context"
	"encoding/json"
	"slices"

	"berth/internal/fault"
	"berth/internal/model"
	"berth/internal/page"
	"berth/internal/state"
	"berth/internal/store"
	"berth/internal/wire"
	shape "berth/internal/wire/shape/autoscaling"
)

// CreateLaunchConfiguration makes a launch configuration, which never changes.
// Errors: AlreadyExists, ValidationError.
func (a *API) CreateLaunchConfiguration(
	ctx context.Context, in *shape.CreateLaunchConfigurationInput,
) (*shape.CreateLaunchConfigurationOutput, error) {
	name := wire.Val(in.LaunchConfigurationName)
	switch {
	case in.ImageId == nil:
		return nil, invalid("Valid requests must contain either the InstanceID parameter or both the ImageId and InstanceType parameters.")
	case in.InstanceType == nil:
		return nil, invalid("Valid requests must contain either the InstanceID parameter or both the ImageId and InstanceType parameters.")
	}
	data, err := json.Marshal(in)
	if err != nil {
		return nil, err
	}
	c := model.LaunchConfiguration{
		Name: name, CreatedAt: a.Clock.Now(), Data: string(data),
		ARN: a.Place.ARN("autoscaling", "launchConfiguration:"+a.IDs.UUID()+":launchConfigurationName/"+name),
	}
	err = a.update(ctx, func(tx *store.Tx) error {
		if _, ok := state.LaunchConfigurations.Get(tx, name); ok {
			return fault.New(fault.Conflict, "AlreadyExists", "Launch Configuration by this name already exists - "+
				"A launch configuration already exists with the name %s", name)
		}
		return state.LaunchConfigurations.Put(tx, c)
	})
	return nil, err
}

// DescribeLaunchConfigurations lists launch configurations. Errors:
// InvalidNextToken, ValidationError.
func (a *API) DescribeLaunchConfigurations(
	_ context.Context, in *shape.DescribeLaunchConfigurationsInput,
) (*shape.DescribeLaunchConfigurationsOutput, error) {
	name := func(c model.LaunchConfiguration) string { return c.Name }
	all := slices.DeleteFunc(state.LaunchConfigurations.All(a.DB.View()), func(c model.LaunchConfiguration) bool {
		return !wanted(in.LaunchConfigurationNames, c.Name)
	})
	slices.SortFunc(all, byName(name))
	all, next, err := page.Cut(pages, in, all, name)
	if err != nil {
		return nil, err
	}
	out := &shape.DescribeLaunchConfigurationsOutput{NextToken: next, LaunchConfigurations: []shape.LaunchConfiguration{}}
	for _, c := range all {
		var shown shape.LaunchConfiguration
		if err := json.Unmarshal([]byte(c.Data), &shown); err != nil {
			return nil, fault.Wrap(fault.Internal, err, "read launch configuration %s", c.Name)
		}
		shown.LaunchConfigurationName, shown.LaunchConfigurationARN, shown.CreatedTime = &c.Name, &c.ARN, &c.CreatedAt
		if shown.InstanceMonitoring == nil {
			shown.InstanceMonitoring = &shape.InstanceMonitoring{Enabled: wire.Ptr(true)}
		}
		out.LaunchConfigurations = append(out.LaunchConfigurations, shown)
	}
	return out, nil
}

// DeleteLaunchConfiguration deletes one that no group has. Errors:
// ResourceInUse, ValidationError.
func (a *API) DeleteLaunchConfiguration(
	ctx context.Context, in *shape.DeleteLaunchConfigurationInput,
) (*shape.DeleteLaunchConfigurationOutput, error) {
	name := wire.Val(in.LaunchConfigurationName)
	return nil, a.update(ctx, func(tx *store.Tx) error {
		if _, ok := state.LaunchConfigurations.Get(tx, name); !ok {
			return absent("Launch configuration name not found - Launch configuration %s not found", name)
		}
		for _, g := range state.AutoScalingGroups.All(tx) {
			if g.LaunchConfiguration == name {
				return fault.New(fault.Conflict, "ResourceInUse",
					"Cannot delete launch configuration %s because it is attached to AutoScalingGroup %s",
					name, g.Name)
			}
		}
		return state.LaunchConfigurations.Delete(tx, name)
	})
}
