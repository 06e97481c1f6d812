package iam

import (
	"context"
	"slices"
	"strings"

	"berth/internal/access"
	"berth/internal/fault"
	"berth/internal/ident"
	"berth/internal/lang/policy"
	"berth/internal/model"
	"berth/internal/page"
	"berth/internal/state"
	"berth/internal/store"
	"berth/internal/wire"
	shape "berth/internal/wire/shape/iam"
)

// PutRolePolicy embeds a policy in a role, or replaces it. Errors:
// NoSuchEntity, MalformedPolicyDocument, LimitExceeded, UnmodifiableEntity.
func (a *API) PutRolePolicy(ctx context.Context, in *shape.PutRolePolicyInput) (*shape.PutRolePolicyOutput, error) {
	if _, err := policy.Check(policy.Identity, wire.Val(in.PolicyDocument)); err != nil {
		return nil, err
	}
	p := model.InlinePolicy{Name: wire.Val(in.PolicyName), Document: wire.Val(in.PolicyDocument)}
	return &shape.PutRolePolicyOutput{}, a.edit(ctx, wire.Val(in.RoleName), func(_ *store.Tx, r *model.Role) error {
		r.Inline = slices.DeleteFunc(r.Inline, func(o model.InlinePolicy) bool { return o.Name == p.Name })
		r.Inline = append(r.Inline, p)
		slices.SortFunc(r.Inline, func(a, b model.InlinePolicy) int { return strings.Compare(a.Name, b.Name) })
		size := 0
		for _, o := range r.Inline {
			size += compactLen(o.Document)
		}
		if size > maxInline {
			return tooMany("Maximum policy size of %d bytes exceeded for role %s", maxInline, r.Name)
		}
		return nil
	})
}

func noInline(name string) error {
	return noEntity("The role policy with name %s cannot be found.", name)
}

// GetRolePolicy shows an embedded policy. Errors: NoSuchEntity.
func (a *API) GetRolePolicy(_ context.Context, in *shape.GetRolePolicyInput) (*shape.GetRolePolicyOutput, error) {
	r, ok := state.Roles.Get(a.DB.View(), wire.Val(in.RoleName))
	if !ok {
		return nil, noRole(wire.Val(in.RoleName))
	}
	for _, p := range r.Inline {
		if p.Name == wire.Val(in.PolicyName) {
			return &shape.GetRolePolicyOutput{RoleName: wire.Ptr(r.Name), PolicyName: wire.Ptr(p.Name), PolicyDocument: encoded(p.Document)}, nil
		}
	}
	return nil, noInline(wire.Val(in.PolicyName))
}

// DeleteRolePolicy removes an embedded policy. Errors: NoSuchEntity,
// UnmodifiableEntity.
func (a *API) DeleteRolePolicy(ctx context.Context, in *shape.DeleteRolePolicyInput) (*shape.DeleteRolePolicyOutput, error) {
	name := wire.Val(in.PolicyName)
	return &shape.DeleteRolePolicyOutput{}, a.edit(ctx, wire.Val(in.RoleName), func(_ *store.Tx, r *model.Role) error {
		n := len(r.Inline)
		r.Inline = slices.DeleteFunc(r.Inline, func(o model.InlinePolicy) bool { return o.Name == name })
		if len(r.Inline) == n {
			return noInline(name)
		}
		return nil
	})
}

// ListRolePolicies lists the names of embedded policies. Errors: NoSuchEntity,
// ValidationError.
func (a *API) ListRolePolicies(_ context.Context, in *shape.ListRolePoliciesInput) (*shape.ListRolePoliciesOutput, error) {
	r, ok := state.Roles.Get(a.DB.View(), wire.Val(in.RoleName))
	if !ok {
		return nil, noRole(wire.Val(in.RoleName))
	}
	var all []string
	for _, p := range r.Inline {
		all = append(all, p.Name)
	}
	slices.Sort(all)
	list, more, next, err := cut(in, all, page.Self)
	if err != nil {
		return nil, err
	}
	return &shape.ListRolePoliciesOutput{PolicyNames: append([]string{}, list...), IsTruncated: more, Marker: next}, nil
}

// attachable checks that a managed policy exists, the customer's or AWS's.
func attachable(r store.Reader, arn string) error {
	if a, ok := ident.ParseARN(arn); !ok || a.Service != "iam" || !strings.HasPrefix(a.Resource, "policy/") {
		return fault.New(fault.Invalid, "ValidationError", "ARN %s is not valid.", arn)
	}
	if _, ok := state.Policies.Get(r, arn); ok {
		return nil
	}
	if _, ok := access.Managed(arn); ok {
		return nil
	}
	return noEntity("Policy %s does not exist or is not attachable.", arn)
}

// AttachRolePolicy attaches a managed policy; again is success. Errors:
// NoSuchEntity, LimitExceeded, UnmodifiableEntity.
func (a *API) AttachRolePolicy(ctx context.Context, in *shape.AttachRolePolicyInput) (*shape.AttachRolePolicyOutput, error) {
	arn := wire.Val(in.PolicyArn)
	return &shape.AttachRolePolicyOutput{}, a.edit(ctx, wire.Val(in.RoleName), func(tx *store.Tx, r *model.Role) error {
		if err := attachable(tx, arn); err != nil {
			return err
		}
		if slices.Contains(r.Attached, arn) {
			return nil
		}
		if len(r.Attached) >= maxAttached {
			return tooMany("Cannot exceed quota for PoliciesPerRole: %d", maxAttached)
		}
		r.Attached = append(r.Attached, arn)
		slices.Sort(r.Attached)
		return nil
	})
}

// DetachRolePolicy detaches a managed policy. Errors: NoSuchEntity,
// UnmodifiableEntity.
func (a *API) DetachRolePolicy(ctx context.Context, in *shape.DetachRolePolicyInput) (*shape.DetachRolePolicyOutput, error) {
	arn := wire.Val(in.PolicyArn)
	return &shape.DetachRolePolicyOutput{}, a.edit(ctx, wire.Val(in.RoleName), func(_ *store.Tx, r *model.Role) error {
		if !slices.Contains(r.Attached, arn) {
			return noEntity("Policy %s was not found.", arn)
		}
		r.Attached = slices.DeleteFunc(r.Attached, func(o string) bool { return o == arn })
		return nil
	})
}

// ListAttachedRolePolicies lists attached policies below a path. Errors:
// NoSuchEntity, ValidationError.
func (a *API) ListAttachedRolePolicies(
	_ context.Context, in *shape.ListAttachedRolePoliciesInput,
) (*shape.ListAttachedRolePoliciesOutput, error) {
	r, ok := state.Roles.Get(a.DB.View(), wire.Val(in.RoleName))
	if !ok {
		return nil, noRole(wire.Val(in.RoleName))
	}
	var all []string
	for _, arn := range r.Attached {
		if strings.HasPrefix(arn[strings.Index(arn, ":policy")+len(":policy"):], path(wire.Val(in.PathPrefix))) {
			all = append(all, arn)
		}
	}
	slices.Sort(all)
	list, more, next, err := cut(in, all, page.Self)
	if err != nil {
		return nil, err
	}
	out := &shape.ListAttachedRolePoliciesOutput{AttachedPolicies: []shape.AttachedPolicy{}, IsTruncated: more, Marker: next}
	for _, arn := range list {
		out.AttachedPolicies = append(out.AttachedPolicies, shape.AttachedPolicy{PolicyName: wire.Ptr(ident.Last(arn)), PolicyArn: wire.Ptr(arn)})
	}
	return out, nil
}
