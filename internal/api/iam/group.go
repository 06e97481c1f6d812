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

// maxGroups is IAM's quota on the groups of a user.
const maxGroups = 10

func noGroup(name string) error { return noEntity("The group with name %s cannot be found.", name) }

// group finds a group to show.
func (a *API) group(name *string) (model.Group, error) {
	g, ok := state.Groups.Get(a.DB.View(), wire.Val(name))
	if !ok {
		return g, noGroup(wire.Val(name))
	}
	return g, nil
}

// members are the users of a group, by name.
func members(r store.Reader, group string) []model.User {
	return slices.DeleteFunc(state.Users.All(r), func(u model.User) bool { return !slices.Contains(u.Groups, group) })
}

// CreateGroup makes a group. Errors: EntityAlreadyExists, ValidationError.
func (a *API) CreateGroup(ctx context.Context, in *shape.CreateGroupInput) (*shape.CreateGroupOutput, error) {
	name, at := wire.Val(in.GroupName), path(wire.Val(in.Path))
	if err := checkPath(at); err != nil {
		return nil, err
	}
	g := model.Group{
		Name: name, ARN: a.Place.GlobalARN("iam", "group"+at+name), ID: "AGPA" + a.IDs.Upper(17), Path: at, CreatedAt: a.Clock.Now(),
	}
	if err := a.update(ctx, func(tx *store.Tx) error { return putNewGroup(tx, g) }); err != nil {
		return nil, err
	}
	return &shape.CreateGroupOutput{Group: shownGroup(g)}, nil
}

func putNewGroup(tx *store.Tx, g model.Group) error {
	for _, other := range state.Groups.All(tx) {
		if strings.EqualFold(other.Name, g.Name) {
			return exists("Group with name %s already exists.", g.Name)
		}
	}
	return state.Groups.Put(tx, g)
}

func shownGroup(g model.Group) *shape.Group {
	return &shape.Group{
		Path: wire.Ptr(g.Path), GroupName: wire.Ptr(g.Name), GroupId: wire.Ptr(g.ID), Arn: wire.Ptr(g.ARN), CreateDate: wire.Ptr(g.CreatedAt),
	}
}

func shownGroups(list []model.Group) []shape.Group {
	out := []shape.Group{}
	for _, g := range list {
		out = append(out, *shownGroup(g))
	}
	return out
}

func groupName(g model.Group) string { return g.Name }

// GetGroup shows a group and its users. Errors: NoSuchEntity, ValidationError.
func (a *API) GetGroup(_ context.Context, in *shape.GetGroupInput) (*shape.GetGroupOutput, error) {
	g, err := a.group(in.GroupName)
	if err != nil {
		return nil, err
	}
	list, more, next, err := cut(in, members(a.DB.View(), g.Name), func(u model.User) string { return u.Name })
	return &shape.GetGroupOutput{Group: shownGroup(g), Users: listedUsers(list), IsTruncated: more, Marker: next}, err
}

// ListGroups lists groups below a path. Errors: ValidationError.
func (a *API) ListGroups(_ context.Context, in *shape.ListGroupsInput) (*shape.ListGroupsOutput, error) {
	all := state.Groups.All(a.DB.View())
	all = slices.DeleteFunc(all, func(g model.Group) bool { return !strings.HasPrefix(g.Path, path(wire.Val(in.PathPrefix))) })
	list, more, next, err := cut(in, all, groupName)
	return &shape.ListGroupsOutput{Groups: shownGroups(list), IsTruncated: more, Marker: next}, err
}

// ListGroupsForUser lists the groups of a user. Errors: NoSuchEntity,
// ValidationError.
func (a *API) ListGroupsForUser(_ context.Context, in *shape.ListGroupsForUserInput) (*shape.ListGroupsForUserOutput, error) {
	u, err := a.user(in.UserName)
	if err != nil {
		return nil, err
	}
	all := state.Groups.All(a.DB.View())
	all = slices.DeleteFunc(all, func(g model.Group) bool { return !slices.Contains(u.Groups, g.Name) })
	list, more, next, err := cut(in, all, groupName)
	return &shape.ListGroupsForUserOutput{Groups: shownGroups(list), IsTruncated: more, Marker: next}, err
}

// DeleteGroup removes a group that nobody is in. Errors: NoSuchEntity,
// DeleteConflict.
func (a *API) DeleteGroup(ctx context.Context, in *shape.DeleteGroupInput) (*shape.DeleteGroupOutput, error) {
	name := wire.Val(in.GroupName)
	return &shape.DeleteGroupOutput{}, a.update(ctx, func(tx *store.Tx) error {
		g, ok := state.Groups.Get(tx, name)
		switch {
		case !ok:
			return noGroup(name)
		case len(members(tx, name)) > 0:
			return inUse("Cannot delete entity, must remove users from group first.")
		}
		if err := ofGroup(&g).unused(); err != nil {
			return err
		}
		return state.Groups.Delete(tx, name)
	})
}

// UpdateGroup moves a group to another path or gives it another name, which
// changes the ARN: its users and policies stay. Errors: NoSuchEntity,
// EntityAlreadyExists, ValidationError.
func (a *API) UpdateGroup(ctx context.Context, in *shape.UpdateGroupInput) (*shape.UpdateGroupOutput, error) {
	return &shape.UpdateGroupOutput{}, a.update(ctx, func(tx *store.Tx) error {
		old := wire.Val(in.GroupName)
		g, ok := state.Groups.Get(tx, old)
		if !ok {
			return noGroup(old)
		}
		g.Name, g.Path = wire.Or(in.NewGroupName, g.Name), wire.Or(in.NewPath, g.Path)
		g.ARN = a.Place.GlobalARN("iam", "group"+g.Path+g.Name)
		if err := checkPath(g.Path); err != nil {
			return err
		}
		if g.Name == old {
			return state.Groups.Put(tx, g)
		}
		return renameGroup(tx, old, g)
	})
}

// renameGroup puts a group under its new name, with its users.
func renameGroup(tx *store.Tx, old string, g model.Group) error {
	users := members(tx, old)
	if err := state.Groups.Delete(tx, old); err != nil {
		return err
	}
	if err := putNewGroup(tx, g); err != nil {
		return err
	}
	for _, u := range users {
		err := state.Users.Edit(tx, u.Name, func(u *model.User) error {
			u.Groups = slices.DeleteFunc(u.Groups, func(name string) bool { return name == old })
			u.Groups = append(u.Groups, g.Name)
			slices.Sort(u.Groups)
			return nil
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// AddUserToGroup puts a user into a group; again is success. Errors:
// NoSuchEntity, LimitExceeded.
func (a *API) AddUserToGroup(ctx context.Context, in *shape.AddUserToGroupInput) (*shape.AddUserToGroupOutput, error) {
	name := wire.Val(in.GroupName)
	return &shape.AddUserToGroupOutput{}, a.editUser(ctx, in.UserName, func(tx *store.Tx, u *model.User) error {
		if _, ok := state.Groups.Get(tx, name); !ok {
			return noGroup(name)
		}
		if slices.Contains(u.Groups, name) {
			return nil
		}
		if len(u.Groups) >= maxGroups {
			return tooMany("Cannot exceed quota for GroupsPerUser: %d", maxGroups)
		}
		u.Groups = append(u.Groups, name)
		slices.Sort(u.Groups)
		return nil
	})
}

// RemoveUserFromGroup takes a user out of a group. Errors: NoSuchEntity.
func (a *API) RemoveUserFromGroup(ctx context.Context, in *shape.RemoveUserFromGroupInput) (*shape.RemoveUserFromGroupOutput, error) {
	name := wire.Val(in.GroupName)
	return &shape.RemoveUserFromGroupOutput{}, a.editUser(ctx, in.UserName, func(tx *store.Tx, u *model.User) error {
		if _, ok := state.Groups.Get(tx, name); !ok {
			return noGroup(name)
		}
		u.Groups = slices.DeleteFunc(u.Groups, func(g string) bool { return g == name })
		return nil
	})
}

func (a *API) editGroup(ctx context.Context, name *string, fn func(*store.Tx, *model.Group) error) error {
	return a.update(ctx, func(tx *store.Tx) error {
		if _, ok := state.Groups.Get(tx, wire.Val(name)); !ok {
			return noGroup(wire.Val(name))
		}
		return state.Groups.Edit(tx, wire.Val(name), func(g *model.Group) error { return fn(tx, g) })
	})
}

// PutGroupPolicy embeds a policy in a group, or replaces it. Errors:
// NoSuchEntity, MalformedPolicyDocument, LimitExceeded.
func (a *API) PutGroupPolicy(ctx context.Context, in *shape.PutGroupPolicyInput) (*shape.PutGroupPolicyOutput, error) {
	if _, err := policy.Check(policy.Identity, wire.Val(in.PolicyDocument)); err != nil {
		return nil, err
	}
	return &shape.PutGroupPolicyOutput{}, a.editGroup(ctx, in.GroupName, func(_ *store.Tx, g *model.Group) error {
		return ofGroup(g).embed(wire.Val(in.PolicyName), wire.Val(in.PolicyDocument))
	})
}

// GetGroupPolicy shows an embedded policy. Errors: NoSuchEntity.
func (a *API) GetGroupPolicy(_ context.Context, in *shape.GetGroupPolicyInput) (*shape.GetGroupPolicyOutput, error) {
	g, err := a.group(in.GroupName)
	if err != nil {
		return nil, err
	}
	p, err := ofGroup(&g).embedded(wire.Val(in.PolicyName))
	return &shape.GetGroupPolicyOutput{GroupName: wire.Ptr(g.Name), PolicyName: wire.Ptr(p.Name), PolicyDocument: encoded(p.Document)}, err
}

// DeleteGroupPolicy removes an embedded policy. Errors: NoSuchEntity.
func (a *API) DeleteGroupPolicy(ctx context.Context, in *shape.DeleteGroupPolicyInput) (*shape.DeleteGroupPolicyOutput, error) {
	return &shape.DeleteGroupPolicyOutput{}, a.editGroup(ctx, in.GroupName, func(_ *store.Tx, g *model.Group) error {
		return ofGroup(g).remove(wire.Val(in.PolicyName))
	})
}

// ListGroupPolicies lists the names of embedded policies. Errors:
// NoSuchEntity, ValidationError.
func (a *API) ListGroupPolicies(_ context.Context, in *shape.ListGroupPoliciesInput) (*shape.ListGroupPoliciesOutput, error) {
	g, err := a.group(in.GroupName)
	if err != nil {
		return nil, err
	}
	list, more, next, err := cut(in, ofGroup(&g).names(), page.Self)
	return &shape.ListGroupPoliciesOutput{PolicyNames: append([]string{}, list...), IsTruncated: more, Marker: next}, err
}

// AttachGroupPolicy attaches a managed policy; again is success. Errors:
// NoSuchEntity, LimitExceeded.
func (a *API) AttachGroupPolicy(ctx context.Context, in *shape.AttachGroupPolicyInput) (*shape.AttachGroupPolicyOutput, error) {
	return &shape.AttachGroupPolicyOutput{}, a.editGroup(ctx, in.GroupName, func(tx *store.Tx, g *model.Group) error {
		return ofGroup(g).attach(tx, wire.Val(in.PolicyArn))
	})
}

// DetachGroupPolicy detaches a managed policy. Errors: NoSuchEntity.
func (a *API) DetachGroupPolicy(ctx context.Context, in *shape.DetachGroupPolicyInput) (*shape.DetachGroupPolicyOutput, error) {
	return &shape.DetachGroupPolicyOutput{}, a.editGroup(ctx, in.GroupName, func(_ *store.Tx, g *model.Group) error {
		return ofGroup(g).detach(wire.Val(in.PolicyArn))
	})
}

// ListAttachedGroupPolicies lists attached policies below a path. Errors:
// NoSuchEntity, ValidationError.
func (a *API) ListAttachedGroupPolicies(
	_ context.Context, in *shape.ListAttachedGroupPoliciesInput,
) (*shape.ListAttachedGroupPoliciesOutput, error) {
	g, err := a.group(in.GroupName)
	if err != nil {
		return nil, err
	}
	list, more, next, err := cut(in, ofGroup(&g).below(in.PathPrefix), page.Self)
	return &shape.ListAttachedGroupPoliciesOutput{AttachedPolicies: shownAttached(list), IsTruncated: more, Marker: next}, err
}
