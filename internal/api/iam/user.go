package iam

import (
	"context"
	"slices"
	"strings"

	"berth/internal/lang/policy"
	"berth/internal/model"
	"berth/internal/page"
	"berth/internal/state"
	"berth/internal/store"
	"berth/internal/wire"
	shape "berth/internal/wire/shape/iam"
)

func noUser(name string) error { return noEntity("The user with name %s cannot be found.", name) }

// user finds a user to show.
func (a *API) user(name *string) (model.User, error) {
	u, ok := state.Users.Get(a.DB.View(), wire.Val(name))
	if !ok {
		return u, noUser(wire.Val(name))
	}
	return u, nil
}

// caller is the name of the user who calls; "" if the caller is no user.
func caller(ctx context.Context) string { return wire.CallFrom(ctx).Principal.UserName() }

// CreateUser makes a user, who may do nothing yet. Errors:
// EntityAlreadyExists, InvalidInput, NoSuchEntity (boundary), ValidationError.
func (a *API) CreateUser(ctx context.Context, in *shape.CreateUserInput) (*shape.CreateUserOutput, error) {
	tags, err := tagsOf(in.Tags)
	if err != nil {
		return nil, err
	}
	name, at := wire.Val(in.UserName), path(wire.Val(in.Path))
	if err := checkPath(at); err != nil {
		return nil, err
	}
	u := model.User{
		Name: name, ARN: a.Place.GlobalARN("iam", "user"+at+name), ID: "AIDA" + a.IDs.Upper(17), Path: at,
		Boundary: wire.Val(in.PermissionsBoundary), Tags: tags, CreatedAt: a.Clock.Now(),
	}
	if err := a.update(ctx, func(tx *store.Tx) error { return putNewUser(tx, u) }); err != nil {
		return nil, err
	}
	return &shape.CreateUserOutput{User: shownUser(u)}, nil
}

func putNewUser(tx *store.Tx, u model.User) error {
	for _, other := range state.Users.All(tx) {
		if strings.EqualFold(other.Name, u.Name) {
			return exists("User with name %s already exists.", u.Name)
		}
	}
	if u.Boundary != "" {
		if err := attachable(tx, u.Boundary); err != nil {
			return err
		}
	}
	return state.Users.Put(tx, u)
}

func shownUser(u model.User) *shape.User {
	s := listedUser(u)
	if len(u.Tags) > 0 {
		s.Tags = shownTags(u.Tags)
	}
	if u.Boundary != "" {
		s.PermissionsBoundary = &shape.AttachedPermissionsBoundary{
			PermissionsBoundaryType: wire.Ptr("Policy"), PermissionsBoundaryArn: wire.Ptr(u.Boundary),
		}
	}
	return &s
}

// listedUser is a user as lists show it: without tags and boundary.
func listedUser(u model.User) shape.User {
	return shape.User{
		Path: wire.Ptr(u.Path), UserName: wire.Ptr(u.Name), UserId: wire.Ptr(u.ID), Arn: wire.Ptr(u.ARN), CreateDate: wire.Ptr(u.CreatedAt),
	}
}

// GetUser shows a user, or without a name the caller. Errors: NoSuchEntity,
// ValidationError for a role session.
func (a *API) GetUser(ctx context.Context, in *shape.GetUserInput) (*shape.GetUserOutput, error) {
	who := wire.CallFrom(ctx).Principal
	name := wire.Or(in.UserName, who.UserName())
	switch {
	case name == "" && who.Root:
		return &shape.GetUserOutput{User: &shape.User{UserId: wire.Ptr(a.Place.Account), Arn: wire.Ptr(who.ARN)}}, nil
	case name == "":
		return nil, wireInvalid("Must specify userName when calling with non-User credentials")
	}
	u, err := a.user(&name)
	return &shape.GetUserOutput{User: shownUser(u)}, err
}

// ListUsers lists users below a path. Errors: ValidationError.
func (a *API) ListUsers(_ context.Context, in *shape.ListUsersInput) (*shape.ListUsersOutput, error) {
	all := state.Users.All(a.DB.View())
	all = slices.DeleteFunc(all, func(u model.User) bool { return !strings.HasPrefix(u.Path, path(wire.Val(in.PathPrefix))) })
	list, more, next, err := cut(in, all, func(u model.User) string { return u.Name })
	return &shape.ListUsersOutput{Users: listedUsers(list), IsTruncated: more, Marker: next}, err
}

func listedUsers(list []model.User) []shape.User {
	out := []shape.User{}
	for _, u := range list {
		out = append(out, listedUser(u))
	}
	return out
}

// DeleteUser removes a user who has nothing left. Errors: NoSuchEntity,
// DeleteConflict.
func (a *API) DeleteUser(ctx context.Context, in *shape.DeleteUserInput) (*shape.DeleteUserOutput, error) {
	name := wire.Val(in.UserName)
	return &shape.DeleteUserOutput{}, a.update(ctx, func(tx *store.Tx) error {
		u, ok := state.Users.Get(tx, name)
		switch {
		case !ok:
			return noUser(name)
		case len(state.AccessKeys.By(tx, "user", model.KeyOwner(name))) > 0:
			return inUse("Cannot delete entity, must delete access keys first.")
		case len(u.Groups) > 0:
			return inUse("Cannot delete entity, must remove users from group first.")
		}
		if err := ofUser(&u).unused(); err != nil {
			return err
		}
		return state.Users.Delete(tx, name)
	})
}

func (a *API) editUser(ctx context.Context, name *string, fn func(*store.Tx, *model.User) error) error {
	return a.update(ctx, func(tx *store.Tx) error {
		if _, ok := state.Users.Get(tx, wire.Val(name)); !ok {
			return noUser(wire.Val(name))
		}
		return state.Users.Edit(tx, wire.Val(name), func(u *model.User) error { return fn(tx, u) })
	})
}

// UpdateUser moves a user to another path or gives it another name, which changes
// the ARN: its keys, groups and policies stay; temporary keys that were made before
// are of the old ARN, and may do nothing. Errors: NoSuchEntity,
// EntityAlreadyExists, ValidationError.
func (a *API) UpdateUser(ctx context.Context, in *shape.UpdateUserInput) (*shape.UpdateUserOutput, error) {
	return &shape.UpdateUserOutput{}, a.update(ctx, func(tx *store.Tx) error {
		old := wire.Val(in.UserName)
		u, ok := state.Users.Get(tx, old)
		if !ok {
			return noUser(old)
		}
		u.Name, u.Path = wire.Or(in.NewUserName, u.Name), wire.Or(in.NewPath, u.Path)
		u.ARN = a.Place.GlobalARN("iam", "user"+u.Path+u.Name)
		if err := checkPath(u.Path); err != nil {
			return err
		}
		if u.Name == old {
			return state.Users.Put(tx, u)
		}
		return rename(tx, old, u)
	})
}

// rename puts a user under its new name, with its keys.
func rename(tx *store.Tx, old string, u model.User) error {
	if err := state.Users.Delete(tx, old); err != nil {
		return err
	}
	if err := putNewUser(tx, u); err != nil {
		return err
	}
	for _, k := range state.AccessKeys.By(tx, "user", model.KeyOwner(old)) {
		if err := state.AccessKeys.Edit(tx, k.ID, func(k *model.AccessKey) error { k.User = u.Name; return nil }); err != nil {
			return err
		}
	}
	return nil
}

// TagUser adds tags. Errors: NoSuchEntity, InvalidInput, LimitExceeded.
func (a *API) TagUser(ctx context.Context, in *shape.TagUserInput) (*shape.TagUserOutput, error) {
	return &shape.TagUserOutput{}, a.editUser(ctx, in.UserName, func(_ *store.Tx, u *model.User) (err error) {
		u.Tags, err = merged(u.Tags, in.Tags)
		return err
	})
}

// UntagUser removes tags. Errors: NoSuchEntity.
func (a *API) UntagUser(ctx context.Context, in *shape.UntagUserInput) (*shape.UntagUserOutput, error) {
	return &shape.UntagUserOutput{}, a.editUser(ctx, in.UserName, func(_ *store.Tx, u *model.User) error {
		u.Tags = model.DropTags(u.Tags, in.TagKeys)
		return nil
	})
}

// ListUserTags lists a user's tags. Errors: NoSuchEntity, ValidationError.
func (a *API) ListUserTags(_ context.Context, in *shape.ListUserTagsInput) (*shape.ListUserTagsOutput, error) {
	u, err := a.user(in.UserName)
	if err != nil {
		return nil, err
	}
	tags, more, next, err := cut(in, u.Tags, tagKey)
	return &shape.ListUserTagsOutput{Tags: shownTags(tags), IsTruncated: more, Marker: next}, err
}

// PutUserPermissionsBoundary sets the boundary. Errors: NoSuchEntity.
func (a *API) PutUserPermissionsBoundary(
	ctx context.Context, in *shape.PutUserPermissionsBoundaryInput,
) (*shape.PutUserPermissionsBoundaryOutput, error) {
	return &shape.PutUserPermissionsBoundaryOutput{}, a.editUser(ctx, in.UserName, func(tx *store.Tx, u *model.User) error {
		u.Boundary = wire.Val(in.PermissionsBoundary)
		return attachable(tx, u.Boundary)
	})
}

// DeleteUserPermissionsBoundary removes the boundary. Errors: NoSuchEntity.
func (a *API) DeleteUserPermissionsBoundary(
	ctx context.Context, in *shape.DeleteUserPermissionsBoundaryInput,
) (*shape.DeleteUserPermissionsBoundaryOutput, error) {
	return &shape.DeleteUserPermissionsBoundaryOutput{}, a.editUser(ctx, in.UserName, func(_ *store.Tx, u *model.User) error {
		if u.Boundary == "" {
			return noEntity("User %s does not have a permission boundary", u.Name)
		}
		u.Boundary = ""
		return nil
	})
}

// PutUserPolicy embeds a policy in a user, or replaces it. Errors:
// NoSuchEntity, MalformedPolicyDocument, LimitExceeded.
func (a *API) PutUserPolicy(ctx context.Context, in *shape.PutUserPolicyInput) (*shape.PutUserPolicyOutput, error) {
	if _, err := policy.Check(policy.Identity, wire.Val(in.PolicyDocument)); err != nil {
		return nil, err
	}
	return &shape.PutUserPolicyOutput{}, a.editUser(ctx, in.UserName, func(_ *store.Tx, u *model.User) error {
		return ofUser(u).embed(wire.Val(in.PolicyName), wire.Val(in.PolicyDocument))
	})
}

// GetUserPolicy shows an embedded policy. Errors: NoSuchEntity.
func (a *API) GetUserPolicy(_ context.Context, in *shape.GetUserPolicyInput) (*shape.GetUserPolicyOutput, error) {
	u, err := a.user(in.UserName)
	if err != nil {
		return nil, err
	}
	p, err := ofUser(&u).embedded(wire.Val(in.PolicyName))
	return &shape.GetUserPolicyOutput{UserName: wire.Ptr(u.Name), PolicyName: wire.Ptr(p.Name), PolicyDocument: encoded(p.Document)}, err
}

// DeleteUserPolicy removes an embedded policy. Errors: NoSuchEntity.
func (a *API) DeleteUserPolicy(ctx context.Context, in *shape.DeleteUserPolicyInput) (*shape.DeleteUserPolicyOutput, error) {
	return &shape.DeleteUserPolicyOutput{}, a.editUser(ctx, in.UserName, func(_ *store.Tx, u *model.User) error {
		return ofUser(u).remove(wire.Val(in.PolicyName))
	})
}

// ListUserPolicies lists the names of embedded policies. Errors: NoSuchEntity,
// ValidationError.
func (a *API) ListUserPolicies(_ context.Context, in *shape.ListUserPoliciesInput) (*shape.ListUserPoliciesOutput, error) {
	u, err := a.user(in.UserName)
	if err != nil {
		return nil, err
	}
	list, more, next, err := cut(in, ofUser(&u).names(), page.Self)
	return &shape.ListUserPoliciesOutput{PolicyNames: append([]string{}, list...), IsTruncated: more, Marker: next}, err
}

// AttachUserPolicy attaches a managed policy; again is success. Errors:
// NoSuchEntity, LimitExceeded.
func (a *API) AttachUserPolicy(ctx context.Context, in *shape.AttachUserPolicyInput) (*shape.AttachUserPolicyOutput, error) {
	return &shape.AttachUserPolicyOutput{}, a.editUser(ctx, in.UserName, func(tx *store.Tx, u *model.User) error {
		return ofUser(u).attach(tx, wire.Val(in.PolicyArn))
	})
}

// DetachUserPolicy detaches a managed policy. Errors: NoSuchEntity.
func (a *API) DetachUserPolicy(ctx context.Context, in *shape.DetachUserPolicyInput) (*shape.DetachUserPolicyOutput, error) {
	return &shape.DetachUserPolicyOutput{}, a.editUser(ctx, in.UserName, func(_ *store.Tx, u *model.User) error {
		return ofUser(u).detach(wire.Val(in.PolicyArn))
	})
}

// ListAttachedUserPolicies lists attached policies below a path. Errors:
// NoSuchEntity, ValidationError.
func (a *API) ListAttachedUserPolicies(
	_ context.Context, in *shape.ListAttachedUserPoliciesInput,
) (*shape.ListAttachedUserPoliciesOutput, error) {
	u, err := a.user(in.UserName)
	if err != nil {
		return nil, err
	}
	list, more, next, err := cut(in, ofUser(&u).below(in.PathPrefix), page.Self)
	return &shape.ListAttachedUserPoliciesOutput{AttachedPolicies: shownAttached(list), IsTruncated: more, Marker: next}, err
}
