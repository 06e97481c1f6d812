package iam

import (
	"context"
	"slices"
	"strconv"
	"strings"

	"berth/internal/access"
	"berth/internal/fault"
	"berth/internal/lang/policy"
	"berth/internal/model"
	"berth/internal/page"
	"berth/internal/state"
	"berth/internal/store"
	"berth/internal/wire"
	shape "berth/internal/wire/shape/iam"
)

// Quotas of IAM on managed policies.
const (
	maxPolicy   = 6144
	maxVersions = 5
)

func noPolicy(arn string) error { return noEntity("Policy %s was not found.", arn) }

func checkManaged(document string) error {
	if _, err := policy.Check(policy.Identity, document); err != nil {
		return err
	}
	if compactLen(document) > maxPolicy {
		return tooMany("Cannot exceed quota for PolicySize: %d", maxPolicy)
	}
	return nil
}

// CreatePolicy makes a customer managed policy. Errors: EntityAlreadyExists,
// MalformedPolicyDocument, LimitExceeded, InvalidInput.
func (a *API) CreatePolicy(ctx context.Context, in *shape.CreatePolicyInput) (*shape.CreatePolicyOutput, error) {
	tags, err := tagsOf(in.Tags)
	if err != nil {
		return nil, err
	}
	if err := checkManaged(wire.Val(in.PolicyDocument)); err != nil {
		return nil, err
	}
	name, at, now := wire.Val(in.PolicyName), path(wire.Val(in.Path)), a.Clock.Now()
	if err := checkPath(at); err != nil {
		return nil, err
	}
	p := model.Policy{
		ARN: a.Place.GlobalARN("iam", "policy"+at+name), Name: name, ID: "ANPA" + a.IDs.Upper(17), Path: at,
		Description: wire.Val(in.Description),
		Versions:    []model.PolicyVersion{{ID: "v1", Document: wire.Val(in.PolicyDocument), Default: true, CreatedAt: now}}, Tags: tags,
		CreatedAt: now, UpdatedAt: now,
	}
	err = a.update(ctx, func(tx *store.Tx) error {
		for _, other := range state.Policies.All(tx) {
			if strings.EqualFold(other.Name, name) {
				return exists("A policy called %s already exists. Duplicate names are not allowed.", name)
			}
		}
		return state.Policies.Put(tx, p)
	})
	if err != nil {
		return nil, err
	}
	return &shape.CreatePolicyOutput{Policy: shownPolicy(a.DB.View(), p)}, nil
}

// entity is a role, user or group as a policy's users.
type entity struct{ kind, name, id, path string }

func (e entity) key() string { return e.kind + "/" + e.name }

// users are the entities that have a policy attached or as their boundary, by
// kind and name.
func users(r store.Reader, arn string) (attached, bounded []entity) {
	add := func(e entity, list []string, boundary string) {
		if slices.Contains(list, arn) {
			attached = append(attached, e)
		}
		if boundary == arn {
			bounded = append(bounded, e)
		}
	}
	for _, g := range state.Groups.All(r) {
		add(entity{"Group", g.Name, g.ID, g.Path}, g.Attached, "")
	}
	for _, role := range state.Roles.All(r) {
		add(entity{"Role", role.Name, role.ID, role.Path}, role.Attached, role.Boundary)
	}
	for _, u := range state.Users.All(r) {
		add(entity{"User", u.Name, u.ID, u.Path}, u.Attached, u.Boundary)
	}
	return attached, bounded
}

func defaultVersion(p model.Policy) model.PolicyVersion {
	i := slices.IndexFunc(p.Versions, func(v model.PolicyVersion) bool { return v.Default })
	if i < 0 {
		return model.PolicyVersion{}
	}
	return p.Versions[i]
}

func shownPolicy(r store.Reader, p model.Policy) *shape.Policy {
	attached, bounded := users(r, p.ARN)
	s := &shape.Policy{
		PolicyName: wire.Ptr(p.Name), PolicyId: wire.Ptr(p.ID), Arn: wire.Ptr(p.ARN), Path: wire.Ptr(p.Path),
		DefaultVersionId: wire.Ptr(defaultVersion(p).ID), AttachmentCount: wire.Ptr(int64(len(attached))),
		PermissionsBoundaryUsageCount: wire.Ptr(int64(len(bounded))), IsAttachable: wire.Ptr(true), CreateDate: wire.Ptr(p.CreatedAt),
		UpdateDate: wire.Ptr(p.UpdatedAt), Tags: shownTags(p.Tags),
	}
	if p.Description != "" {
		s.Description = wire.Ptr(p.Description)
	}
	return s
}

// asRecord is one of AWS's policies as if it were a customer's.
func asRecord(m access.ManagedPolicy) model.Policy {
	return model.Policy{
		ARN: m.ARN, Name: m.Name, ID: "ANPA" + strings.ToUpper(base32Name(m.Name)), Path: m.Path, CreatedAt: m.Created, UpdatedAt: m.Updated,
		Versions: []model.PolicyVersion{{ID: m.Version, Document: m.Document, Default: true, CreatedAt: m.Updated}},
	}
}

// base32Name makes the 17 characters of an id of a name: AWS's own ids are
// not in the data.
func base32Name(name string) string {
	const set = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"
	h := uint64(14695981039346656037)
	for i := range len(name) {
		h = (h ^ uint64(name[i])) * 1099511628211
	}
	out := make([]byte, 17)
	for i := range out {
		out[i] = set[h%32]
		h = h/32*0x9E3779B97F4A7C15 + uint64(i)
	}
	return string(out)
}

// find finds a policy, the customer's or AWS's.
func find(r store.Reader, arn string) (model.Policy, error) {
	if p, ok := state.Policies.Get(r, arn); ok {
		return p, nil
	}
	if m, ok := access.Managed(arn); ok {
		return asRecord(m), nil
	}
	return model.Policy{}, noPolicy(arn)
}

// GetPolicy shows a policy. Errors: NoSuchEntity.
func (a *API) GetPolicy(_ context.Context, in *shape.GetPolicyInput) (*shape.GetPolicyOutput, error) {
	view := a.DB.View()
	p, err := find(view, wire.Val(in.PolicyArn))
	if err != nil {
		return nil, err
	}
	return &shape.GetPolicyOutput{Policy: shownPolicy(view, p)}, nil
}

// ListPolicies lists the customer's policies, AWS's or both. Errors:
// ValidationError.
func (a *API) ListPolicies(_ context.Context, in *shape.ListPoliciesInput) (*shape.ListPoliciesOutput, error) {
	view := a.DB.View()
	var all []model.Policy
	if scope := wire.Or(in.Scope, "All"); scope != "AWS" {
		all = state.Policies.All(view)
	}
	if scope := wire.Or(in.Scope, "All"); scope != "Local" {
		managed, err := access.ManagedPolicies()
		if err != nil {
			return nil, fault.Wrap(fault.Internal, err, "list managed policies")
		}
		for _, m := range managed {
			all = append(all, asRecord(m))
		}
	}
	all = slices.DeleteFunc(all, func(p model.Policy) bool { return !wantedPolicy(view, in, p) })
	slices.SortFunc(all, func(a, b model.Policy) int { return strings.Compare(a.ARN, b.ARN) })
	list, more, next, err := cut(in, all, func(p model.Policy) string { return p.ARN })
	if err != nil {
		return nil, err
	}
	out := &shape.ListPoliciesOutput{Policies: []shape.Policy{}, IsTruncated: more, Marker: next}
	for _, p := range list {
		s := shownPolicy(view, p)
		s.Tags, s.Description = nil, nil
		out.Policies = append(out.Policies, *s)
	}
	return out, nil
}

func wantedPolicy(r store.Reader, in *shape.ListPoliciesInput, p model.Policy) bool {
	if !strings.HasPrefix(p.Path, path(wire.Val(in.PathPrefix))) {
		return false
	}
	if !wire.Val(in.OnlyAttached) && in.PolicyUsageFilter == nil {
		return true
	}
	attached, bounded := users(r, p.ARN)
	switch wire.Val(in.PolicyUsageFilter) {
	case "PermissionsBoundary":
		return len(bounded) > 0
	case "PermissionsPolicy":
		return len(attached) > 0 || !wire.Val(in.OnlyAttached)
	default:
		return len(attached)+len(bounded) > 0
	}
}

// editPolicy changes a customer's policy; AWS's cannot be changed.
func (a *API) editPolicy(ctx context.Context, arn string, fn func(*store.Tx, *model.Policy) error) error {
	return a.update(ctx, func(tx *store.Tx) error {
		if _, ok := state.Policies.Get(tx, arn); !ok {
			if _, ok := access.Managed(arn); ok {
				return fault.New(fault.Denied, "AccessDenied", "Policy %s is managed by AWS and cannot be changed.", arn)
			}
			return noPolicy(arn)
		}
		return state.Policies.Edit(tx, arn, func(p *model.Policy) error { return fn(tx, p) })
	})
}

// DeletePolicy removes a policy that nothing uses. Errors: NoSuchEntity,
// DeleteConflict.
func (a *API) DeletePolicy(ctx context.Context, in *shape.DeletePolicyInput) (*shape.DeletePolicyOutput, error) {
	arn := wire.Val(in.PolicyArn)
	return &shape.DeletePolicyOutput{}, a.update(ctx, func(tx *store.Tx) error {
		p, ok := state.Policies.Get(tx, arn)
		if !ok {
			return noPolicy(arn)
		}
		if attached, bounded := users(tx, arn); len(attached)+len(bounded) > 0 {
			return inUse("Cannot delete a policy attached to entities.")
		}
		if len(p.Versions) > 1 {
			return inUse(
				"This policy has more than one version. Before you delete a policy, you must delete the policy's versions. The default version is " +
					"deleted with the policy.",
			)
		}
		return state.Policies.Delete(tx, arn)
	})
}

// CreatePolicyVersion adds a version. Errors: NoSuchEntity,
// MalformedPolicyDocument, LimitExceeded.
func (a *API) CreatePolicyVersion(ctx context.Context, in *shape.CreatePolicyVersionInput) (*shape.CreatePolicyVersionOutput, error) {
	if err := checkManaged(wire.Val(in.PolicyDocument)); err != nil {
		return nil, err
	}
	v := model.PolicyVersion{Document: wire.Val(in.PolicyDocument), Default: wire.Val(in.SetAsDefault), CreatedAt: a.Clock.Now()}
	err := a.editPolicy(ctx, wire.Val(in.PolicyArn), func(_ *store.Tx, p *model.Policy) error {
		if len(p.Versions) >= maxVersions {
			return tooMany(
				"A managed policy can have up to %d versions. Before you create a new version, you must delete an existing version.", maxVersions,
			)
		}
		last, _ := strconv.Atoi(strings.TrimPrefix(p.Versions[len(p.Versions)-1].ID, "v"))
		v.ID = "v" + strconv.Itoa(last+1)
		for i := range p.Versions {
			p.Versions[i].Default = p.Versions[i].Default && !v.Default
		}
		p.Versions, p.UpdatedAt = append(p.Versions, v), v.CreatedAt
		return nil
	})
	if err != nil {
		return nil, err
	}
	return &shape.CreatePolicyVersionOutput{PolicyVersion: wire.Ptr(listedVersion(v))}, nil
}

func noVersion(arn, id string) error {
	return noEntity("Policy %s version %s does not exist or is not attachable.", arn, id)
}

func listedVersion(v model.PolicyVersion) shape.PolicyVersion {
	return shape.PolicyVersion{VersionId: wire.Ptr(v.ID), IsDefaultVersion: wire.Ptr(v.Default), CreateDate: wire.Ptr(v.CreatedAt)}
}

// DeletePolicyVersion removes a version that is not the default. Errors:
// NoSuchEntity, DeleteConflict.
func (a *API) DeletePolicyVersion(ctx context.Context, in *shape.DeletePolicyVersionInput) (*shape.DeletePolicyVersionOutput, error) {
	id := wire.Val(in.VersionId)
	return &shape.DeletePolicyVersionOutput{}, a.editPolicy(ctx, wire.Val(in.PolicyArn), func(_ *store.Tx, p *model.Policy) error {
		i := slices.IndexFunc(p.Versions, func(v model.PolicyVersion) bool { return v.ID == id })
		switch {
		case i < 0:
			return noVersion(p.ARN, id)
		case p.Versions[i].Default:
			return inUse("Cannot delete the default version of a policy.")
		}
		p.Versions = slices.Delete(p.Versions, i, i+1)
		return nil
	})
}

// GetPolicyVersion shows a version with its document. Errors: NoSuchEntity,
// NotImplemented for the policies of AWS whose documents Berth does not have.
func (a *API) GetPolicyVersion(_ context.Context, in *shape.GetPolicyVersionInput) (*shape.GetPolicyVersionOutput, error) {
	p, err := find(a.DB.View(), wire.Val(in.PolicyArn))
	if err != nil {
		return nil, err
	}
	for _, v := range p.Versions {
		if v.ID != wire.Val(in.VersionId) {
			continue
		}
		if v.Document == "" {
			return nil, fault.New(fault.NotImplemented, "NotImplemented", "Berth does not have the document of %s", p.ARN)
		}
		s := listedVersion(v)
		s.Document = encoded(v.Document)
		return &shape.GetPolicyVersionOutput{PolicyVersion: &s}, nil
	}
	return nil, noVersion(p.ARN, wire.Val(in.VersionId))
}

// ListPolicyVersions lists versions, newest first. Errors: NoSuchEntity,
// ValidationError.
func (a *API) ListPolicyVersions(_ context.Context, in *shape.ListPolicyVersionsInput) (*shape.ListPolicyVersionsOutput, error) {
	p, err := find(a.DB.View(), wire.Val(in.PolicyArn))
	if err != nil {
		return nil, err
	}
	versions := slices.Clone(p.Versions)
	slices.Reverse(versions)
	versions, next, err := page.Cut(pages.Descending(true), in, versions, versionKey)
	if err != nil {
		return nil, err
	}
	out := &shape.ListPolicyVersionsOutput{Versions: []shape.PolicyVersion{}, IsTruncated: wire.Ptr(next != nil), Marker: next}
	for _, v := range versions {
		out.Versions = append(out.Versions, listedVersion(v))
	}
	return out, nil
}

// versionKey is in the order of versions: they are called v1, v2 and so on.
func versionKey(v model.PolicyVersion) string {
	n, err := strconv.ParseInt(strings.TrimPrefix(v.ID, "v"), 10, 64)
	if err != nil {
		return v.ID
	}
	return page.Number(n)
}

// SetDefaultPolicyVersion makes a version the one that counts. Errors:
// NoSuchEntity.
func (a *API) SetDefaultPolicyVersion(
	ctx context.Context, in *shape.SetDefaultPolicyVersionInput,
) (*shape.SetDefaultPolicyVersionOutput, error) {
	id, now := wire.Val(in.VersionId), a.Clock.Now()
	return &shape.SetDefaultPolicyVersionOutput{}, a.editPolicy(ctx, wire.Val(in.PolicyArn), func(_ *store.Tx, p *model.Policy) error {
		if !slices.ContainsFunc(p.Versions, func(v model.PolicyVersion) bool { return v.ID == id }) {
			return noVersion(p.ARN, id)
		}
		for i := range p.Versions {
			p.Versions[i].Default = p.Versions[i].ID == id
		}
		p.UpdatedAt = now
		return nil
	})
}

// ListEntitiesForPolicy lists the groups, roles and users that use a policy.
// Errors: NoSuchEntity, ValidationError.
func (a *API) ListEntitiesForPolicy(_ context.Context, in *shape.ListEntitiesForPolicyInput) (*shape.ListEntitiesForPolicyOutput, error) {
	view := a.DB.View()
	if _, err := find(view, wire.Val(in.PolicyArn)); err != nil {
		return nil, err
	}
	list, more, next, err := cut(in, wantedEntities(view, in), entity.key)
	if err != nil {
		return nil, err
	}
	out := &shape.ListEntitiesForPolicyOutput{
		PolicyGroups: []shape.PolicyGroup{}, PolicyUsers: []shape.PolicyUser{}, PolicyRoles: []shape.PolicyRole{}, IsTruncated: more,
		Marker: next,
	}
	for _, e := range list {
		switch name, id := wire.Ptr(e.name), wire.Ptr(e.id); e.kind {
		case "Group":
			out.PolicyGroups = append(out.PolicyGroups, shape.PolicyGroup{GroupName: name, GroupId: id})
		case "Role":
			out.PolicyRoles = append(out.PolicyRoles, shape.PolicyRole{RoleName: name, RoleId: id})
		default:
			out.PolicyUsers = append(out.PolicyUsers, shape.PolicyUser{UserName: name, UserId: id})
		}
	}
	return out, nil
}

// wantedEntities are the users of a policy that are asked for.
func wantedEntities(r store.Reader, in *shape.ListEntitiesForPolicyInput) []entity {
	attached, bounded := users(r, wire.Val(in.PolicyArn))
	usage, kind := wire.Val(in.PolicyUsageFilter), wire.Val(in.EntityFilter)
	var all []entity
	if usage != "PermissionsBoundary" {
		all = append(all, attached...)
	}
	if usage == "PermissionsBoundary" || kind == "" && usage == "" {
		all = append(all, bounded...)
	}
	all = slices.DeleteFunc(all, func(e entity) bool {
		return kind != "" && kind != e.kind || !strings.HasPrefix(e.path, path(wire.Val(in.PathPrefix)))
	})
	slices.SortFunc(all, func(a, b entity) int { return strings.Compare(a.key(), b.key()) })
	return slices.Compact(all)
}

// TagPolicy adds tags. Errors: NoSuchEntity, InvalidInput, LimitExceeded.
func (a *API) TagPolicy(ctx context.Context, in *shape.TagPolicyInput) (*shape.TagPolicyOutput, error) {
	return &shape.TagPolicyOutput{}, a.editPolicy(ctx, wire.Val(in.PolicyArn), func(_ *store.Tx, p *model.Policy) (err error) {
		p.Tags, err = merged(p.Tags, in.Tags)
		return err
	})
}

// UntagPolicy removes tags. Errors: NoSuchEntity.
func (a *API) UntagPolicy(ctx context.Context, in *shape.UntagPolicyInput) (*shape.UntagPolicyOutput, error) {
	return &shape.UntagPolicyOutput{}, a.editPolicy(ctx, wire.Val(in.PolicyArn), func(_ *store.Tx, p *model.Policy) error {
		p.Tags = model.DropTags(p.Tags, in.TagKeys)
		return nil
	})
}

// ListPolicyTags lists a policy's tags. Errors: NoSuchEntity, ValidationError.
func (a *API) ListPolicyTags(_ context.Context, in *shape.ListPolicyTagsInput) (*shape.ListPolicyTagsOutput, error) {
	p, err := find(a.DB.View(), wire.Val(in.PolicyArn))
	if err != nil {
		return nil, err
	}
	tags, more, next, err := cut(in, p.Tags, tagKey)
	if err != nil {
		return nil, err
	}
	return &shape.ListPolicyTagsOutput{Tags: shownTags(tags), IsTruncated: more, Marker: next}, nil
}
