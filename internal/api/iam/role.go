package iam

import (
	"context"
	"strings"

	"berth/internal/fault"
	"berth/internal/lang/policy"
	"berth/internal/model"
	"berth/internal/state"
	"berth/internal/store"
	"berth/internal/wire"
	shape "berth/internal/wire/shape/iam"
)

// Quotas of IAM on a role.
const (
	maxTrust    = 2048
	maxInline   = 10240
	maxAttached = 10
)

func noRole(name string) error { return noEntity("The role with name %s cannot be found.", name) }

// servicePath is where service-linked roles live; only their service may
// change them.
const servicePath = "/aws-service-role/"

func linked(r model.Role) error {
	if strings.HasPrefix(r.Path, servicePath) {
		return fault.New(
			fault.Invalid, "UnmodifiableEntity", "Cannot perform the operation on the protected role '%s' - this role is only modifiable by AWS",
			r.Name,
		)
	}
	return nil
}

// CreateRole makes a role. Errors: EntityAlreadyExists, MalformedPolicyDocument,
// LimitExceeded, InvalidInput, NoSuchEntity (boundary).
func (a *API) CreateRole(ctx context.Context, in *shape.CreateRoleInput) (*shape.CreateRoleOutput, error) {
	tags, err := tagsOf(in.Tags)
	if err != nil {
		return nil, err
	}
	name, at := wire.Val(in.RoleName), path(wire.Val(in.Path))
	if err := checkPath(at); err != nil {
		return nil, err
	}
	if strings.HasPrefix(at, servicePath) {
		return nil, badInput("Path %s is reserved for service-linked roles.", servicePath)
	}
	if err := checkTrust(wire.Val(in.AssumeRolePolicyDocument)); err != nil {
		return nil, err
	}
	r := model.Role{
		Name: name, ARN: a.Place.GlobalARN("iam", "role"+at+name), ID: "AROA" + a.IDs.Upper(17), Path: at,
		Trust: wire.Val(in.AssumeRolePolicyDocument), Description: wire.Val(in.Description),
		MaxSessionDuration: wire.Or(in.MaxSessionDuration, 3600), Boundary: wire.Val(in.PermissionsBoundary), Tags: tags,
		CreatedAt: a.Clock.Now(),
	}
	err = a.update(ctx, func(tx *store.Tx) error { return a.putNewRole(tx, r) })
	if err != nil {
		return nil, err
	}
	return &shape.CreateRoleOutput{Role: shown(r)}, nil
}

func (a *API) putNewRole(tx *store.Tx, r model.Role) error {
	for _, other := range state.Roles.All(tx) {
		if strings.EqualFold(other.Name, r.Name) {
			return exists("Role with name %s already exists.", r.Name)
		}
	}
	if r.Boundary != "" {
		if err := attachable(tx, r.Boundary); err != nil {
			return err
		}
	}
	return state.Roles.Put(tx, r)
}

func checkPath(p string) error {
	if !strings.HasPrefix(p, "/") || !strings.HasSuffix(p, "/") {
		return fault.New(
			fault.Invalid, "ValidationError",
			"The specified value for path is invalid. It must begin and end with / and contain only alphanumeric characters and/or / characters.",
		)
	}
	return nil
}

func checkTrust(document string) error {
	if _, err := policy.Check(policy.Trust, document); err != nil {
		return err
	}
	if compactLen(document) > maxTrust {
		return tooMany("Cannot exceed quota for ACLSizePerRole: %d", maxTrust)
	}
	return nil
}

// compactLen is the size that quotas count: white space is free.
func compactLen(document string) int {
	n := 0
	for _, c := range document {
		if c != ' ' && c != '\n' && c != '\t' && c != '\r' {
			n++
		}
	}
	return n
}

// DeleteRole removes a role that nothing uses. Errors: NoSuchEntity,
// DeleteConflict, UnmodifiableEntity.
func (a *API) DeleteRole(ctx context.Context, in *shape.DeleteRoleInput) (*shape.DeleteRoleOutput, error) {
	name := wire.Val(in.RoleName)
	return &shape.DeleteRoleOutput{}, a.update(ctx, func(tx *store.Tx) error {
		r, ok := state.Roles.Get(tx, name)
		if !ok {
			return noRole(name)
		}
		if err := linked(r); err != nil {
			return err
		}
		if len(profilesOf(tx, name)) > 0 {
			return inUse("Cannot delete entity, must remove roles from instance profile first.")
		}
		if err := ofRole(&r).unused(); err != nil {
			return err
		}
		return state.Roles.Delete(tx, name)
	})
}

// GetRole shows a role. Errors: NoSuchEntity.
func (a *API) GetRole(_ context.Context, in *shape.GetRoleInput) (*shape.GetRoleOutput, error) {
	r, ok := state.Roles.Get(a.DB.View(), wire.Val(in.RoleName))
	if !ok {
		return nil, noRole(wire.Val(in.RoleName))
	}
	return &shape.GetRoleOutput{Role: shown(r)}, nil
}

func shown(r model.Role) *shape.Role {
	s := listed(r)
	s.RoleLastUsed = &shape.RoleLastUsed{}
	if len(r.Tags) > 0 {
		s.Tags = shownTags(r.Tags)
	}
	if r.Boundary != "" {
		s.PermissionsBoundary = &shape.AttachedPermissionsBoundary{
			PermissionsBoundaryType: wire.Ptr("Policy"), PermissionsBoundaryArn: wire.Ptr(r.Boundary),
		}
	}
	return &s
}

// listed is a role as lists show it: without tags and boundary.
func listed(r model.Role) shape.Role {
	s := shape.Role{
		Path: wire.Ptr(r.Path), RoleName: wire.Ptr(r.Name), RoleId: wire.Ptr(r.ID), Arn: wire.Ptr(r.ARN), CreateDate: wire.Ptr(r.CreatedAt),
		AssumeRolePolicyDocument: encoded(r.Trust), MaxSessionDuration: wire.Ptr(r.MaxSessionDuration),
	}
	if r.Description != "" {
		s.Description = wire.Ptr(r.Description)
	}
	return s
}

// ListRoles lists roles below a path. Errors: ValidationError.
func (a *API) ListRoles(_ context.Context, in *shape.ListRolesInput) (*shape.ListRolesOutput, error) {
	var all []model.Role
	for _, r := range state.Roles.All(a.DB.View()) {
		if strings.HasPrefix(r.Path, path(wire.Val(in.PathPrefix))) {
			all = append(all, r)
		}
	}
	roles, more, next, err := cut(in, all, func(r model.Role) string { return r.Name })
	if err != nil {
		return nil, err
	}
	out := &shape.ListRolesOutput{Roles: []shape.Role{}, IsTruncated: more, Marker: next}
	for _, r := range roles {
		out.Roles = append(out.Roles, listed(r))
	}
	return out, nil
}

// edit changes a role that is no service's.
func (a *API) edit(ctx context.Context, name string, fn func(*store.Tx, *model.Role) error) error {
	return a.update(ctx, func(tx *store.Tx) error {
		r, ok := state.Roles.Get(tx, name)
		if !ok {
			return noRole(name)
		}
		if err := linked(r); err != nil {
			return err
		}
		return state.Roles.Edit(tx, name, func(r *model.Role) error { return fn(tx, r) })
	})
}

// UpdateRole changes description and longest session. Errors: NoSuchEntity,
// UnmodifiableEntity.
func (a *API) UpdateRole(ctx context.Context, in *shape.UpdateRoleInput) (*shape.UpdateRoleOutput, error) {
	return &shape.UpdateRoleOutput{}, a.edit(ctx, wire.Val(in.RoleName), func(_ *store.Tx, r *model.Role) error {
		r.Description = wire.Or(in.Description, r.Description)
		r.MaxSessionDuration = wire.Or(in.MaxSessionDuration, r.MaxSessionDuration)
		return nil
	})
}

// UpdateRoleDescription changes the description. Errors: as UpdateRole.
func (a *API) UpdateRoleDescription(ctx context.Context, in *shape.UpdateRoleDescriptionInput) (*shape.UpdateRoleDescriptionOutput, error) {
	var after model.Role
	err := a.edit(ctx, wire.Val(in.RoleName), func(_ *store.Tx, r *model.Role) error {
		r.Description = wire.Val(in.Description)
		after = *r
		return nil
	})
	if err != nil {
		return nil, err
	}
	return &shape.UpdateRoleDescriptionOutput{Role: shown(after)}, nil
}

// UpdateAssumeRolePolicy replaces the trust policy. Errors: NoSuchEntity,
// MalformedPolicyDocument, LimitExceeded, UnmodifiableEntity.
func (a *API) UpdateAssumeRolePolicy(
	ctx context.Context, in *shape.UpdateAssumeRolePolicyInput,
) (*shape.UpdateAssumeRolePolicyOutput, error) {
	name := wire.Val(in.RoleName)
	if err := checkTrust(wire.Val(in.PolicyDocument)); err != nil {
		return nil, err
	}
	return &shape.UpdateAssumeRolePolicyOutput{}, a.edit(ctx, name, func(_ *store.Tx, r *model.Role) error {
		r.Trust = wire.Val(in.PolicyDocument)
		return nil
	})
}

// PutRolePermissionsBoundary sets the boundary. Errors: NoSuchEntity.
func (a *API) PutRolePermissionsBoundary(
	ctx context.Context, in *shape.PutRolePermissionsBoundaryInput,
) (*shape.PutRolePermissionsBoundaryOutput, error) {
	return &shape.PutRolePermissionsBoundaryOutput{}, a.edit(ctx, wire.Val(in.RoleName), func(tx *store.Tx, r *model.Role) error {
		r.Boundary = wire.Val(in.PermissionsBoundary)
		return attachable(tx, r.Boundary)
	})
}

// DeleteRolePermissionsBoundary removes the boundary. Errors: NoSuchEntity.
func (a *API) DeleteRolePermissionsBoundary(
	ctx context.Context, in *shape.DeleteRolePermissionsBoundaryInput,
) (*shape.DeleteRolePermissionsBoundaryOutput, error) {
	name := wire.Val(in.RoleName)
	return &shape.DeleteRolePermissionsBoundaryOutput{}, a.edit(ctx, name, func(_ *store.Tx, r *model.Role) error {
		if r.Boundary == "" {
			return noEntity("Role %s does not have a permission boundary", name)
		}
		r.Boundary = ""
		return nil
	})
}

// TagRole adds tags. Errors: NoSuchEntity, InvalidInput, LimitExceeded.
func (a *API) TagRole(ctx context.Context, in *shape.TagRoleInput) (*shape.TagRoleOutput, error) {
	return &shape.TagRoleOutput{}, a.edit(ctx, wire.Val(in.RoleName), func(_ *store.Tx, r *model.Role) (err error) {
		r.Tags, err = merged(r.Tags, in.Tags)
		return err
	})
}

// UntagRole removes tags. Errors: NoSuchEntity.
func (a *API) UntagRole(ctx context.Context, in *shape.UntagRoleInput) (*shape.UntagRoleOutput, error) {
	return &shape.UntagRoleOutput{}, a.edit(ctx, wire.Val(in.RoleName), func(_ *store.Tx, r *model.Role) error {
		r.Tags = model.DropTags(r.Tags, in.TagKeys)
		return nil
	})
}

// ListRoleTags lists a role's tags. Errors: NoSuchEntity, ValidationError.
func (a *API) ListRoleTags(_ context.Context, in *shape.ListRoleTagsInput) (*shape.ListRoleTagsOutput, error) {
	r, ok := state.Roles.Get(a.DB.View(), wire.Val(in.RoleName))
	if !ok {
		return nil, noRole(wire.Val(in.RoleName))
	}
	tags, more, next, err := cut(in, r.Tags, tagKey)
	if err != nil {
		return nil, err
	}
	return &shape.ListRoleTagsOutput{Tags: shownTags(tags), IsTruncated: more, Marker: next}, nil
}
