package stack

import (
	"context"
	"time"

	"berth/internal/lang/template"
)

// Roles and instance profiles.

func iamKinds() map[string]kind {
	return map[string]kind{
		"AWS::IAM::Role":            {name: "RoleName", create: createRole, update: updateRole, remove: removeRole, find: findRole},
		"AWS::IAM::InstanceProfile": {name: "InstanceProfileName", create: createProfile, update: updateProfile, remove: removeProfile, find: findProfile},
	}
}

func createRole(ctx context.Context, a *act) error {
	err := a.once(ctx, findRole, func() error {
		in := pick(a.props, "Path", "Description", "MaxSessionDuration", "PermissionsBoundary")
		in["RoleName"], in["AssumeRolePolicyDocument"], in["Tags"] = a.physical("RoleName", 64), document(a.props["AssumeRolePolicyDocument"]), orNil(pairs(a.tags))
		out, err := a.call(ctx, iam, "CreateRole", in)
		if err != nil {
			return err
		}
		a.made(digs(out, "Role", "RoleName"), map[string]any{"Arn": digs(out, "Role", "Arn"), "RoleId": digs(out, "Role", "RoleId")})
		return nil
	})
	if err != nil {
		return err
	}
	return rolePolicies(ctx, a, nil)
}

func findRole(ctx context.Context, a *act) (bool, error) {
	out, err := a.call(ctx, iam, "GetRole", map[string]any{"RoleName": a.physical("RoleName", 64)})
	if absent(err) {
		return false, nil
	}
	if err != nil || !a.since(dig(out, "Role", "CreateDate")) {
		return false, err
	}
	a.made(digs(out, "Role", "RoleName"), map[string]any{"Arn": digs(out, "Role", "Arn"), "RoleId": digs(out, "Role", "RoleId")})
	return true, nil
}

// since reports whether something was made after we said that we would: what
// carries no tags of ours and yet has our name is ours then.
func (a *act) since(created any) bool {
	t, ok := created.(time.Time)
	return ok && !t.Before(a.rec.Started.Truncate(time.Second))
}

// inline reads the Policies property: name to document.
func inline(v any) map[string]string {
	out := map[string]string{}
	for _, p := range list(v) {
		s, _ := template.Flat(document(dig(p, "PolicyDocument")))
		out[digs(p, "PolicyName")] = s
	}
	return out
}

// rolePolicies makes attached and inline policies those of a.props, where old
// has what they were.
func rolePolicies(ctx context.Context, a *act, old map[string]any) error {
	was, want := strs(old["ManagedPolicyArns"]), strs(a.props["ManagedPolicyArns"])
	for _, arn := range less(want, was) {
		if err := a.do(ctx, iam, "AttachRolePolicy", map[string]any{"RoleName": a.id(), "PolicyArn": arn}); err != nil {
			return err
		}
	}
	for _, arn := range less(was, want) {
		if err := a.do(ctx, iam, "DetachRolePolicy", map[string]any{"RoleName": a.id(), "PolicyArn": arn}); err != nil && !absent(err) {
			return err
		}
	}
	had, have := inline(old["Policies"]), inline(a.props["Policies"])
	for _, name := range sortedKeys(have) {
		if had[name] == have[name] {
			continue
		}
		if err := a.do(ctx, iam, "PutRolePolicy", map[string]any{"RoleName": a.id(), "PolicyName": name, "PolicyDocument": have[name]}); err != nil {
			return err
		}
	}
	for _, name := range sortedKeys(had) {
		if _, stays := have[name]; stays {
			continue
		}
		if err := a.do(ctx, iam, "DeleteRolePolicy", map[string]any{"RoleName": a.id(), "PolicyName": name}); err != nil && !absent(err) {
			return err
		}
	}
	return nil
}

func updateRole(ctx context.Context, a *act) error {
	if a.changed("AssumeRolePolicyDocument") {
		if err := a.do(ctx, iam, "UpdateAssumeRolePolicy", map[string]any{"RoleName": a.id(), "PolicyDocument": document(a.props["AssumeRolePolicyDocument"])}); err != nil {
			return err
		}
	}
	if a.changed("Description", "MaxSessionDuration") {
		in := map[string]any{"RoleName": a.id(), "Description": a.str("Description"), "MaxSessionDuration": int64(3600)}
		if v, ok := a.props["MaxSessionDuration"]; ok {
			in["MaxSessionDuration"] = v
		}
		if err := a.do(ctx, iam, "UpdateRole", in); err != nil {
			return err
		}
	}
	if a.changed("PermissionsBoundary") {
		in, op := map[string]any{"RoleName": a.id()}, "DeleteRolePermissionsBoundary"
		if v, ok := a.props["PermissionsBoundary"]; ok {
			in["PermissionsBoundary"], op = v, "PutRolePermissionsBoundary"
		}
		if err := a.do(ctx, iam, op, in); err != nil {
			return err
		}
	}
	if err := rolePolicies(ctx, a, a.old); err != nil {
		return err
	}
	return retagNamed(ctx, a, iam, "TagRole", "UntagRole", "RoleName")
}

// retagNamed makes the tags of an IAM resource those it should have.
func retagNamed(ctx context.Context, a *act, service, tag, untag, member string) error {
	if gone := a.dropped(); len(gone) > 0 {
		if err := a.do(ctx, service, untag, map[string]any{member: a.id(), "TagKeys": gone}); err != nil {
			return err
		}
	}
	if sameTags(a.rec.Tags, a.tags) {
		return nil
	}
	return a.do(ctx, service, tag, map[string]any{member: a.id(), "Tags": pairs(a.tags)})
}

func removeRole(ctx context.Context, a *act) (bool, error) {
	gone := &act{run: a.run, rec: a.rec, props: map[string]any{}}
	if err := rolePolicies(ctx, gone, a.props); err != nil {
		return false, err
	}
	err := a.do(ctx, iam, "DeleteRole", map[string]any{"RoleName": a.id()})
	return err == nil, err
}

func createProfile(ctx context.Context, a *act) error {
	err := a.once(ctx, findProfile, func() error {
		in := pick(a.props, "Path")
		in["InstanceProfileName"] = a.physical("InstanceProfileName", 128)
		out, err := a.call(ctx, iam, "CreateInstanceProfile", in)
		if err != nil {
			return err
		}
		a.made(digs(out, "InstanceProfile", "InstanceProfileName"), map[string]any{"Arn": digs(out, "InstanceProfile", "Arn")})
		return nil
	})
	if err != nil {
		return err
	}
	return profileRoles(ctx, a, strs(a.props["Roles"]))
}

func findProfile(ctx context.Context, a *act) (bool, error) {
	out, err := a.call(ctx, iam, "GetInstanceProfile", map[string]any{"InstanceProfileName": a.physical("InstanceProfileName", 128)})
	if absent(err) {
		return false, nil
	}
	if err != nil || !a.since(dig(out, "InstanceProfile", "CreateDate")) {
		return false, err
	}
	a.made(digs(out, "InstanceProfile", "InstanceProfileName"), map[string]any{"Arn": digs(out, "InstanceProfile", "Arn")})
	return true, nil
}

// profileRoles makes the profile's roles the given ones.
func profileRoles(ctx context.Context, a *act, want []string) error {
	out, err := a.call(ctx, iam, "GetInstanceProfile", map[string]any{"InstanceProfileName": a.id()})
	if err != nil {
		return err
	}
	var has []string
	for _, r := range list(dig(out, "InstanceProfile", "Roles")) {
		has = append(has, digs(r, "RoleName"))
	}
	for _, r := range less(has, want) {
		if err := a.do(ctx, iam, "RemoveRoleFromInstanceProfile", map[string]any{"InstanceProfileName": a.id(), "RoleName": r}); err != nil {
			return err
		}
	}
	for _, r := range less(want, has) {
		if err := a.do(ctx, iam, "AddRoleToInstanceProfile", map[string]any{"InstanceProfileName": a.id(), "RoleName": r}); err != nil {
			return err
		}
	}
	return nil
}

func updateProfile(ctx context.Context, a *act) error {
	return profileRoles(ctx, a, strs(a.props["Roles"]))
}

func removeProfile(ctx context.Context, a *act) (bool, error) {
	if err := profileRoles(ctx, a, nil); err != nil {
		return false, err
	}
	err := a.do(ctx, iam, "DeleteInstanceProfile", map[string]any{"InstanceProfileName": a.id()})
	return err == nil, err
}
