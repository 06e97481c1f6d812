package stack

import "context"

// Managed policies, and inline ones that a template keeps apart from roles.

func policyKinds() map[string]kind {
	return map[string]kind{
		"AWS::IAM::ManagedPolicy": {name: "ManagedPolicyName", create: createPolicy, update: updatePolicy, remove: removePolicy},
		"AWS::IAM::Policy":        {create: createInline, update: updateInline, remove: removeInline},
	}
}

func createPolicy(ctx context.Context, a *act) error {
	if a.id() == "" {
		in := pick(a.props, "Path", "Description")
		in["PolicyName"], in["PolicyDocument"] = a.physical("ManagedPolicyName", 128), document(a.props["PolicyDocument"])
		out, err := a.call(ctx, iam, "CreatePolicy", in)
		arn := digs(out, "Policy", "Arn")
		if err != nil && a.again && exists(err) {
			// Managed policies carry no tags of ours; the generated name is
			// proof enough, a given one is not.
			if a.str("ManagedPolicyName") != "" {
				return err
			}
			path := a.str("Path")
			if path == "" {
				path = "/"
			}
			arn, err = a.Place.GlobalARN("iam", "policy"+path+in["PolicyName"].(string)), nil
		}
		if err != nil {
			return err
		}
		a.made(arn, map[string]any{"PolicyArn": arn, "PolicyId": digs(out, "Policy", "PolicyId")})
	}
	return attachTo(ctx, a, nil)
}

func attachTo(ctx context.Context, a *act, was []string) error {
	want := strs(a.props["Roles"])
	for _, r := range less(want, was) {
		if err := a.do(ctx, iam, "AttachRolePolicy", map[string]any{"RoleName": r, "PolicyArn": a.id()}); err != nil {
			return err
		}
	}
	for _, r := range less(was, want) {
		if err := a.do(ctx, iam, "DetachRolePolicy", map[string]any{"RoleName": r, "PolicyArn": a.id()}); err != nil && !absent(err) {
			return err
		}
	}
	return nil
}

// updatePolicy makes a new default version; IAM keeps five, so the oldest
// that is not the default goes.
func updatePolicy(ctx context.Context, a *act) error {
	if a.changed("PolicyDocument") {
		if err := dropVersions(ctx, a, 4); err != nil {
			return err
		}
		in := map[string]any{"PolicyArn": a.id(), "PolicyDocument": document(a.props["PolicyDocument"]), "SetAsDefault": true}
		if err := a.do(ctx, iam, "CreatePolicyVersion", in); err != nil {
			return err
		}
	}
	return attachTo(ctx, a, strs(a.old["Roles"]))
}

// dropVersions deletes versions that are not the default until at most keep
// are left, the oldest first.
func dropVersions(ctx context.Context, a *act, keep int) error {
	out, err := a.call(ctx, iam, "ListPolicyVersions", map[string]any{"PolicyArn": a.id()})
	if err != nil {
		return err
	}
	versions := list(out["Versions"])
	for i := len(versions) - 1; i >= 0 && len(versions) > keep; i-- {
		if first, _ := dig(versions[i], "IsDefaultVersion").(bool); first {
			continue
		}
		if err := a.do(ctx, iam, "DeletePolicyVersion", map[string]any{"PolicyArn": a.id(), "VersionId": digs(versions[i], "VersionId")}); err != nil {
			return err
		}
		versions = append(versions[:i:i], versions[i+1:]...)
	}
	return nil
}

func removePolicy(ctx context.Context, a *act) (bool, error) {
	gone := &act{run: a.run, rec: a.rec, props: map[string]any{}}
	if err := attachTo(ctx, gone, strs(a.props["Roles"])); err != nil {
		return false, err
	}
	if err := dropVersions(ctx, a, 1); err != nil {
		return false, err
	}
	err := a.do(ctx, iam, "DeletePolicy", map[string]any{"PolicyArn": a.id()})
	return err == nil, err
}

func createInline(ctx context.Context, a *act) error {
	if err := putInline(ctx, a); err != nil {
		return err
	}
	id := generated(a.stack.Name, a.rec.LogicalID, a.rec.Memo[memoSuffix], 128)
	a.made(id, map[string]any{"Id": id})
	return nil
}

func putInline(ctx context.Context, a *act) error {
	for _, r := range strs(a.props["Roles"]) {
		in := map[string]any{"RoleName": r, "PolicyName": a.props["PolicyName"], "PolicyDocument": document(a.props["PolicyDocument"])}
		if err := a.do(ctx, iam, "PutRolePolicy", in); err != nil {
			return err
		}
	}
	return nil
}

func updateInline(ctx context.Context, a *act) error {
	if err := putInline(ctx, a); err != nil {
		return err
	}
	stay := strs(a.props["Roles"])
	if a.changed("PolicyName") {
		stay = nil
	}
	return dropInline(ctx, a, less(strs(a.old["Roles"]), stay), a.old["PolicyName"])
}

func dropInline(ctx context.Context, a *act, roles []any, name any) error {
	for _, r := range roles {
		if err := a.do(ctx, iam, "DeleteRolePolicy", map[string]any{"RoleName": r, "PolicyName": name}); err != nil && !absent(err) {
			return err
		}
	}
	return nil
}

func removeInline(ctx context.Context, a *act) (bool, error) {
	err := dropInline(ctx, a, less(strs(a.props["Roles"]), nil), a.props["PolicyName"])
	return err == nil, err
}
