package ecs

import (
	"context"
	"slices"

	"berth/internal/model"
	"berth/internal/page"
	"berth/internal/state"
	"berth/internal/wire"
	shape "berth/internal/wire/shape/ecs"
)

// ListAttributes lists the attributes of container instances. Errors:
// ClusterNotFoundException, InvalidParameterException.
func (a *API) ListAttributes(_ context.Context, in *shape.ListAttributesInput) (*shape.ListAttributesOutput, error) {
	v := a.view()
	c, err := cluster(v, in.Cluster)
	if err != nil {
		return nil, err
	}
	if wire.Or(in.TargetType, "container-instance") != "container-instance" {
		return nil, invalid("Invalid target type: %s", *in.TargetType)
	}
	found := []shape.Attribute{}
	for _, i := range state.Instances.By(v, "cluster", c.Name) {
		if i.Status == "" || i.Status == model.ContainerInstanceInactive {
			continue
		}
		for _, at := range i.Attributes {
			if wire.Or(in.AttributeName, at.Name) == at.Name && wire.Or(in.AttributeValue, at.Value) == at.Value {
				found = append(found, shape.Attribute{
					Name: wire.Ptr(at.Name), Value: text(at.Value), TargetType: wire.Ptr("container-instance"), TargetId: wire.Ptr(i.ARN),
				})
			}
		}
	}
	found, next, err := page.Cut(pages(100, 100), in, found, attributeKey)
	if err != nil {
		return nil, err
	}
	return &shape.ListAttributesOutput{Attributes: found, NextToken: next}, nil
}

func attributeKey(a shape.Attribute) string {
	return page.Key(wire.Val(a.TargetId), wire.Val(a.Name), wire.Val(a.Value))
}

// settingDefaults are the account settings as a new account has them.
var settingDefaults = map[string]string{
	"awsvpcTrunking": "disabled", "containerInsights": "disabled", "containerInstanceLongArnFormat": "enabled",
	"defaultLogDriverMode": "non-blocking",
	"dualStackIPv6":        "enabled", "fargateFIPSMode": "disabled", "fargateTaskRetirementWaitPeriod": "7", "guardDutyActivate": "off",
	"serviceLongArnFormat": "enabled", "tagResourceAuthorization": "disabled", "taskLongArnFormat": "enabled",
}

// putSetting accepts a setting's own value: no other is built.
func (a *API) putSetting(name, value *string) (*shape.Setting, error) {
	have, ok := settingDefaults[wire.Val(name)]
	if !ok {
		return nil, invalid("Invalid setting name: %s", wire.Val(name))
	}
	if wire.Val(value) != have {
		return nil, unbuilt("The account setting %s with the value %s", *name, wire.Val(value))
	}
	return a.setting(*name), nil
}

func (a *API) setting(name string) *shape.Setting {
	kind := "user"
	if name == "guardDutyActivate" {
		kind = "aws_managed"
	}
	return &shape.Setting{
		Name: &name, Value: wire.Ptr(settingDefaults[name]), PrincipalArn: wire.Ptr(a.Place.GlobalARN("iam", "root")), Type: &kind,
	}
}

// PutAccountSetting accepts what is so already. Errors:
// InvalidParameterException, NotImplemented.
func (a *API) PutAccountSetting(_ context.Context, in *shape.PutAccountSettingInput) (*shape.PutAccountSettingOutput, error) {
	s, err := a.putSetting(in.Name, in.Value)
	return &shape.PutAccountSettingOutput{Setting: s}, err
}

// PutAccountSettingDefault accepts what is so already. Errors:
// InvalidParameterException, NotImplemented.
func (a *API) PutAccountSettingDefault(
	_ context.Context, in *shape.PutAccountSettingDefaultInput,
) (*shape.PutAccountSettingDefaultOutput, error) {
	s, err := a.putSetting(in.Name, in.Value)
	return &shape.PutAccountSettingDefaultOutput{Setting: s}, err
}

// ListAccountSettings lists the account's settings; without effectiveSettings
// only those that were set, and none can be. Errors: InvalidParameterException.
func (a *API) ListAccountSettings(_ context.Context, in *shape.ListAccountSettingsInput) (*shape.ListAccountSettingsOutput, error) {
	out := []shape.Setting{}
	for _, n := range names(settingDefaults) {
		if wire.Val(in.EffectiveSettings) && wire.Or(in.Name, n) == n && wire.Or(in.Value, settingDefaults[n]) == settingDefaults[n] {
			out = append(out, *a.setting(n))
		}
	}
	out, next, err := page.Cut(pages(10, 100), in, out, func(s shape.Setting) string { return *s.Name })
	if err != nil {
		return nil, err
	}
	return &shape.ListAccountSettingsOutput{Settings: out, NextToken: next}, nil
}

func names(m map[string]string) []string {
	var out []string
	for k := range m {
		out = append(out, k)
	}
	slices.Sort(out)
	return out
}
