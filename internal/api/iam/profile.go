package iam

import (
	"context"
	"slices"
	"strings"

	"berth/internal/model"
	"berth/internal/state"
	"berth/internal/store"
	"berth/internal/wire"
	shape "berth/internal/wire/shape/iam"
)

func noProfile(name string) error { return noEntity("Instance Profile %s cannot be found.", name) }

// profilesOf finds the instance profiles that carry a role.
func profilesOf(r store.Reader, role string) []model.InstanceProfile {
	var out []model.InstanceProfile
	for _, p := range state.InstanceProfiles.All(r) {
		if slices.Contains(p.Roles, role) {
			out = append(out, p)
		}
	}
	return out
}

func shownProfile(r store.Reader, p model.InstanceProfile) *shape.InstanceProfile {
	s := &shape.InstanceProfile{
		Path: wire.Ptr(p.Path), InstanceProfileName: wire.Ptr(p.Name), InstanceProfileId: wire.Ptr(p.ID), Arn: wire.Ptr(p.ARN),
		CreateDate: wire.Ptr(p.CreatedAt), Roles: []shape.Role{}, Tags: shownTags(p.Tags),
	}
	for _, name := range p.Roles {
		if role, ok := state.Roles.Get(r, name); ok {
			s.Roles = append(s.Roles, listed(role))
		}
	}
	return s
}

// CreateInstanceProfile makes an empty profile. Errors: EntityAlreadyExists,
// InvalidInput.
func (a *API) CreateInstanceProfile(ctx context.Context, in *shape.CreateInstanceProfileInput) (*shape.CreateInstanceProfileOutput, error) {
	tags, err := tagsOf(in.Tags)
	if err != nil {
		return nil, err
	}
	name, at := wire.Val(in.InstanceProfileName), path(wire.Val(in.Path))
	if err := checkPath(at); err != nil {
		return nil, err
	}
	p := model.InstanceProfile{
		Name: name, ARN: a.Place.GlobalARN("iam", "instance-profile"+at+name), ID: "AIPA" + a.IDs.Upper(17), Path: at, Tags: tags,
		CreatedAt: a.Clock.Now(),
	}
	err = a.update(ctx, func(tx *store.Tx) error {
		for _, other := range state.InstanceProfiles.All(tx) {
			if strings.EqualFold(other.Name, name) {
				return exists("Instance Profile %s already exists.", name)
			}
		}
		return state.InstanceProfiles.Put(tx, p)
	})
	if err != nil {
		return nil, err
	}
	return &shape.CreateInstanceProfileOutput{InstanceProfile: shownProfile(a.DB.View(), p)}, nil
}

// DeleteInstanceProfile removes a profile without a role. Errors:
// NoSuchEntity, DeleteConflict.
func (a *API) DeleteInstanceProfile(ctx context.Context, in *shape.DeleteInstanceProfileInput) (*shape.DeleteInstanceProfileOutput, error) {
	name := wire.Val(in.InstanceProfileName)
	return &shape.DeleteInstanceProfileOutput{}, a.update(ctx, func(tx *store.Tx) error {
		p, ok := state.InstanceProfiles.Get(tx, name)
		if !ok {
			return noProfile(name)
		}
		if len(p.Roles) > 0 {
			return inUse("Cannot delete entity, must remove roles from instance profile first.")
		}
		return state.InstanceProfiles.Delete(tx, name)
	})
}

// GetInstanceProfile shows a profile. Errors: NoSuchEntity.
func (a *API) GetInstanceProfile(_ context.Context, in *shape.GetInstanceProfileInput) (*shape.GetInstanceProfileOutput, error) {
	view := a.DB.View()
	p, ok := state.InstanceProfiles.Get(view, wire.Val(in.InstanceProfileName))
	if !ok {
		return nil, noProfile(wire.Val(in.InstanceProfileName))
	}
	return &shape.GetInstanceProfileOutput{InstanceProfile: shownProfile(view, p)}, nil
}

func (a *API) profilePage(in any, all []model.InstanceProfile) (out []shape.InstanceProfile, more *bool, next *string, err error) {
	list, more, next, err := cut(in, all, func(p model.InstanceProfile) string { return p.Name })
	if err != nil {
		return nil, nil, nil, err
	}
	view := a.DB.View()
	out = []shape.InstanceProfile{}
	for _, p := range list {
		out = append(out, *shownProfile(view, p))
	}
	return out, more, next, nil
}

// ListInstanceProfiles lists profiles below a path. Errors: ValidationError.
func (a *API) ListInstanceProfiles(_ context.Context, in *shape.ListInstanceProfilesInput) (*shape.ListInstanceProfilesOutput, error) {
	var all []model.InstanceProfile
	for _, p := range state.InstanceProfiles.All(a.DB.View()) {
		if strings.HasPrefix(p.Path, path(wire.Val(in.PathPrefix))) {
			all = append(all, p)
		}
	}
	list, more, next, err := a.profilePage(in, all)
	return &shape.ListInstanceProfilesOutput{InstanceProfiles: list, IsTruncated: more, Marker: next}, err
}

// ListInstanceProfilesForRole lists the profiles that carry a role. Errors:
// NoSuchEntity, ValidationError.
func (a *API) ListInstanceProfilesForRole(
	_ context.Context, in *shape.ListInstanceProfilesForRoleInput,
) (*shape.ListInstanceProfilesForRoleOutput, error) {
	view := a.DB.View()
	if _, ok := state.Roles.Get(view, wire.Val(in.RoleName)); !ok {
		return nil, noRole(wire.Val(in.RoleName))
	}
	list, more, next, err := a.profilePage(in, profilesOf(view, wire.Val(in.RoleName)))
	return &shape.ListInstanceProfilesForRoleOutput{InstanceProfiles: list, IsTruncated: more, Marker: next}, err
}

func (a *API) editProfile(ctx context.Context, name string, fn func(*store.Tx, *model.InstanceProfile) error) error {
	return a.update(ctx, func(tx *store.Tx) error {
		if _, ok := state.InstanceProfiles.Get(tx, name); !ok {
			return noProfile(name)
		}
		return state.InstanceProfiles.Edit(tx, name, func(p *model.InstanceProfile) error { return fn(tx, p) })
	})
}

// AddRoleToInstanceProfile puts the one role into a profile. Errors:
// NoSuchEntity, LimitExceeded.
func (a *API) AddRoleToInstanceProfile(
	ctx context.Context, in *shape.AddRoleToInstanceProfileInput,
) (*shape.AddRoleToInstanceProfileOutput, error) {
	role := wire.Val(in.RoleName)
	return &shape.AddRoleToInstanceProfileOutput{}, a.editProfile(ctx, wire.Val(in.InstanceProfileName), func(
		tx *store.Tx, p *model.InstanceProfile,
	) error {
		if _, ok := state.Roles.Get(tx, role); !ok {
			return noRole(role)
		}
		if len(p.Roles) > 0 {
			return tooMany("Cannot exceed quota for InstanceSessionsPerInstanceProfile: 1")
		}
		p.Roles = []string{role}
		return nil
	})
}

// RemoveRoleFromInstanceProfile takes a role out of a profile. Errors:
// NoSuchEntity.
func (a *API) RemoveRoleFromInstanceProfile(
	ctx context.Context, in *shape.RemoveRoleFromInstanceProfileInput,
) (*shape.RemoveRoleFromInstanceProfileOutput, error) {
	role := wire.Val(in.RoleName)
	return &shape.RemoveRoleFromInstanceProfileOutput{}, a.editProfile(ctx, wire.Val(in.InstanceProfileName), func(
		_ *store.Tx, p *model.InstanceProfile,
	) error {
		if !slices.Contains(p.Roles, role) {
			return noRole(role)
		}
		p.Roles = slices.DeleteFunc(p.Roles, func(r string) bool { return r == role })
		return nil
	})
}

// TagInstanceProfile adds tags. Errors: NoSuchEntity, InvalidInput,
// LimitExceeded.
func (a *API) TagInstanceProfile(ctx context.Context, in *shape.TagInstanceProfileInput) (*shape.TagInstanceProfileOutput, error) {
	return &shape.TagInstanceProfileOutput{}, a.editProfile(ctx, wire.Val(in.InstanceProfileName), func(
		_ *store.Tx, p *model.InstanceProfile,
	) (err error) {
		p.Tags, err = merged(p.Tags, in.Tags)
		return err
	})
}

// UntagInstanceProfile removes tags. Errors: NoSuchEntity.
func (a *API) UntagInstanceProfile(ctx context.Context, in *shape.UntagInstanceProfileInput) (*shape.UntagInstanceProfileOutput, error) {
	return &shape.UntagInstanceProfileOutput{}, a.editProfile(ctx, wire.Val(in.InstanceProfileName), func(
		_ *store.Tx, p *model.InstanceProfile,
	) error {
		p.Tags = model.DropTags(p.Tags, in.TagKeys)
		return nil
	})
}

// ListInstanceProfileTags lists a profile's tags. Errors: NoSuchEntity,
// ValidationError.
func (a *API) ListInstanceProfileTags(
	_ context.Context, in *shape.ListInstanceProfileTagsInput,
) (*shape.ListInstanceProfileTagsOutput, error) {
	p, ok := state.InstanceProfiles.Get(a.DB.View(), wire.Val(in.InstanceProfileName))
	if !ok {
		return nil, noProfile(wire.Val(in.InstanceProfileName))
	}
	tags, more, next, err := cut(in, p.Tags, tagKey)
	if err != nil {
		return nil, err
	}
	return &shape.ListInstanceProfileTagsOutput{Tags: shownTags(tags), IsTruncated: more, Marker: next}, nil
}
