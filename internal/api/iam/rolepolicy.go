package iam

import (
	"context"

	"berth/internal/lang/policy"
	"berth/internal/model"
	"berth/internal/page"
	"berth/internal/state"
	"berth/internal/store"
	"berth/internal/wire"
	shape "berth/internal/wire/shape/iam"
)

// role finds a role to show.
func (a *API) role(name *string) (model.Role, error) {
	r, ok := state.Roles.Get(a.DB.View(), wire.Val(name))
	if !ok {
		return r, noRole(wire.Val(name))
	}
	return r, nil
}

// PutRolePolicy embeds a policy in a role, or replaces it. Errors:
// NoSuchEntity, MalformedPolicyDocument, LimitExceeded, UnmodifiableEntity.
func (a *API) PutRolePolicy(ctx context.Context, in *shape.PutRolePolicyInput) (*shape.PutRolePolicyOutput, error) {
	if _, err := policy.Check(policy.Identity, wire.Val(in.PolicyDocument)); err != nil {
		return nil, err
	}
	return &shape.PutRolePolicyOutput{}, a.edit(ctx, wire.Val(in.RoleName), func(_ *store.Tx, r *model.Role) error {
		return ofRole(r).embed(wire.Val(in.PolicyName), wire.Val(in.PolicyDocument))
	})
}

// GetRolePolicy shows an embedded policy. Errors: NoSuchEntity.
func (a *API) GetRolePolicy(_ context.Context, in *shape.GetRolePolicyInput) (*shape.GetRolePolicyOutput, error) {
	r, err := a.role(in.RoleName)
	if err != nil {
		return nil, err
	}
	p, err := ofRole(&r).embedded(wire.Val(in.PolicyName))
	return &shape.GetRolePolicyOutput{RoleName: wire.Ptr(r.Name), PolicyName: wire.Ptr(p.Name), PolicyDocument: encoded(p.Document)}, err
}

// DeleteRolePolicy removes an embedded policy. Errors: NoSuchEntity,
// UnmodifiableEntity.
func (a *API) DeleteRolePolicy(ctx context.Context, in *shape.DeleteRolePolicyInput) (*shape.DeleteRolePolicyOutput, error) {
	return &shape.DeleteRolePolicyOutput{}, a.edit(ctx, wire.Val(in.RoleName), func(_ *store.Tx, r *model.Role) error {
		return ofRole(r).remove(wire.Val(in.PolicyName))
	})
}

// ListRolePolicies lists the names of embedded policies. Errors: NoSuchEntity,
// ValidationError.
func (a *API) ListRolePolicies(_ context.Context, in *shape.ListRolePoliciesInput) (*shape.ListRolePoliciesOutput, error) {
	r, err := a.role(in.RoleName)
	if err != nil {
		return nil, err
	}
	list, more, next, err := cut(in, ofRole(&r).names(), page.Self)
	return &shape.ListRolePoliciesOutput{PolicyNames: append([]string{}, list...), IsTruncated: more, Marker: next}, err
}

// AttachRolePolicy attaches a managed policy; again is success. Errors:
// NoSuchEntity, LimitExceeded, UnmodifiableEntity.
func (a *API) AttachRolePolicy(ctx context.Context, in *shape.AttachRolePolicyInput) (*shape.AttachRolePolicyOutput, error) {
	return &shape.AttachRolePolicyOutput{}, a.edit(ctx, wire.Val(in.RoleName), func(tx *store.Tx, r *model.Role) error {
		return ofRole(r).attach(tx, wire.Val(in.PolicyArn))
	})
}

// DetachRolePolicy detaches a managed policy. Errors: NoSuchEntity,
// UnmodifiableEntity.
func (a *API) DetachRolePolicy(ctx context.Context, in *shape.DetachRolePolicyInput) (*shape.DetachRolePolicyOutput, error) {
	return &shape.DetachRolePolicyOutput{}, a.edit(ctx, wire.Val(in.RoleName), func(_ *store.Tx, r *model.Role) error {
		return ofRole(r).detach(wire.Val(in.PolicyArn))
	})
}

// ListAttachedRolePolicies lists attached policies below a path. Errors:
// NoSuchEntity, ValidationError.
func (a *API) ListAttachedRolePolicies(
	_ context.Context, in *shape.ListAttachedRolePoliciesInput,
) (*shape.ListAttachedRolePoliciesOutput, error) {
	r, err := a.role(in.RoleName)
	if err != nil {
		return nil, err
	}
	list, more, next, err := cut(in, ofRole(&r).below(in.PathPrefix), page.Self)
	return &shape.ListAttachedRolePoliciesOutput{AttachedPolicies: shownAttached(list), IsTruncated: more, Marker: next}, err
}
