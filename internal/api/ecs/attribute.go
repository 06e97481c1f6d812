package ecs

import (
	"context"
	"slices"
	"strings"

	"berth/internal/fault"
	"berth/internal/model"
	"berth/internal/page"
	"berth/internal/state"
	"berth/internal/store"
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

// mostAttributes is how many custom attributes a container instance may have.
const mostAttributes = 10

// reserved reports whether an attribute is ECS's own to set.
func reserved(name string) bool {
	return strings.HasPrefix(name, "ecs.") || strings.HasPrefix(name, "com.amazonaws.ecs.")
}

// targetOf finds the container instance of an attribute. Errors:
// InvalidParameterException, TargetNotFoundException.
func targetOf(r store.Reader, c model.Cluster, at shape.Attribute) (model.Instance, error) {
	name := wire.Val(at.Name)
	switch {
	case wire.Or(at.TargetType, "container-instance") != "container-instance":
		return model.Instance{}, invalid("Invalid target type: %s", *at.TargetType)
	case name == "" || len(name) > 128 || len(wire.Val(at.Value)) > 128:
		return model.Instance{}, invalid("Attribute names have 1 to 128 characters, and values up to 128.")
	case reserved(name):
		return model.Instance{}, invalid("The attribute %s is reserved.", name)
	}
	i, ok := instance(r, c, wire.Val(at.TargetId))
	if !ok || i.Status == model.ContainerInstanceInactive {
		return i, fault.New(fault.NotFound, "TargetNotFoundException", "The specified target wasn't found.")
	}
	if i.Kind != model.KindEC2 {
		return i, invalid("Attributes of the managed container instance %s cannot be changed.", i.ARN)
	}
	return i, nil
}

// PutAttributes sets attributes of container instances. Errors:
// ClusterNotFoundException, InvalidParameterException,
// TargetNotFoundException, AttributeLimitExceededException.
func (a *API) PutAttributes(ctx context.Context, in *shape.PutAttributesInput) (*shape.PutAttributesOutput, error) {
	out, err := a.editAttributes(ctx, in.Cluster, in.Attributes, func(have []model.Attribute, at model.Attribute) ([]model.Attribute, error) {
		k := slices.IndexFunc(have, func(o model.Attribute) bool { return o.Name == at.Name })
		if k >= 0 {
			have[k].Value = at.Value
			return have, nil
		}
		have = append(have, at)
		n := 0
		for _, o := range have {
			if !reserved(o.Name) {
				n++
			}
		}
		if n > mostAttributes {
			return nil, fault.New(fault.Invalid, "AttributeLimitExceededException", "You can apply up to %d custom attributes for each resource.",
				mostAttributes)
		}
		return have, nil
	})
	return &shape.PutAttributesOutput{Attributes: out}, err
}

// DeleteAttributes removes attributes of container instances; those that are
// not there are removed. Errors: ClusterNotFoundException,
// InvalidParameterException, TargetNotFoundException.
func (a *API) DeleteAttributes(ctx context.Context, in *shape.DeleteAttributesInput) (*shape.DeleteAttributesOutput, error) {
	out, err := a.editAttributes(ctx, in.Cluster, in.Attributes, func(have []model.Attribute, at model.Attribute) ([]model.Attribute, error) {
		return slices.DeleteFunc(have, func(o model.Attribute) bool { return o.Name == at.Name }), nil
	})
	return &shape.DeleteAttributesOutput{Attributes: out}, err
}

// editAttributes changes instances attribute by attribute, in one transaction.
func (a *API) editAttributes(
	ctx context.Context, name *string, given []shape.Attribute, edit func([]model.Attribute, model.Attribute) ([]model.Attribute, error),
) ([]shape.Attribute, error) {
	if len(given) == 0 || len(given) > mostAttributes {
		return nil, invalid("attributes must have between 1 and %d items.", mostAttributes)
	}
	out := []shape.Attribute{}
	err := a.update(ctx, func(tx *store.Tx) error {
		c, err := cluster(tx, name)
		if err != nil {
			return err
		}
		for _, at := range given {
			i, err := targetOf(tx, c, at)
			if err != nil {
				return err
			}
			if err := state.Instances.Edit(tx, i.ID, func(i *model.Instance) error {
				var err error
				i.Attributes, err = edit(slices.Clone(i.Attributes), model.Attribute{Name: *at.Name, Value: wire.Val(at.Value)})
				i.Version++
				return err
			}); err != nil {
				return err
			}
			out = append(out, shape.Attribute{
				Name: at.Name, Value: at.Value, TargetType: wire.Ptr("container-instance"), TargetId: wire.Ptr(i.ARN),
			})
		}
		return nil
	})
	return out, err
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
