package handler

import (
	"context"
	"slices"

	"berth/internal/lang/template"
)

// Managed policies, and inline ones that a template keeps apart from roles.

func policyTypes() map[string]*Type {
	return map[string]*Type{
		"AWS::IAM::ManagedPolicy": managedPolicyType(), "AWS::IAM::Policy": inlinePolicyType(), "AWS::IAM::RolePolicy": rolePolicyType(),
	}
}

func managedPolicyType() *Type {
	policy := Args{"PolicyArn": policyARN}
	attachment := Args{"PolicyArn": self, "RoleName": item}
	return &Type{
		Service: iam, Name: Name{Property: "ManagedPolicyName", Limit: 128}, Lookup: byName(datedAt("CreateDate")),
		Convert: map[string]func(*Step, any) (any, error){"PolicyDocument": document},
		Make: Call{Operation: "CreatePolicy", Members: names("Path Description PolicyDocument"), With: Args{"PolicyName": named},
			Answer: "Policy"},
		ID:      at("Arn"),
		Changes: []Change{{Call: Call{Members: names("PolicyDocument")}, Do: newVersion}},
		Sets: []Set{{
			Property: "Roles", Emptied: true,
			Add:    Call{Operation: "AttachRolePolicy", With: attachment},
			Remove: Call{Operation: "DetachRolePolicy", With: attachment, Forgive: names("NoSuchEntity")},
		}},
		Read: Call{Operation: "GetPolicy", With: policy, Answer: "Policy"},
		Attributes: paths("PolicyArn=Arn PolicyId AttachmentCount CreateDate DefaultVersionId IsAttachable " +
			"PermissionsBoundaryUsageCount UpdateDate"),
		Before: func(ctx context.Context, s *Step) error { return dropVersions(ctx, s, 1) },
		Remove: Call{Operation: "DeletePolicy", With: policy},
		Tags:   Tagging{Plain: true},
	}
}

// policyARN is the policy's ARN, which is known before it is made.
func policyARN(s *Step) any {
	if s.id() != "" {
		return s.id()
	}
	path := s.text("Path")
	if path == "" {
		path = "/"
	}
	return s.Place.GlobalARN("iam", "policy"+path+s.kind.name(s))
}

// newVersion makes a new default version; IAM keeps five, so the oldest that
// is not the default goes.
func newVersion(ctx context.Context, s *Step) error {
	if err := dropVersions(ctx, s, 4); err != nil {
		return err
	}
	in, err := s.kind.members(s, Call{}, names("PolicyDocument"), true)
	if err != nil {
		return err
	}
	in["PolicyArn"], in["SetAsDefault"] = s.id(), true
	return s.do(ctx, iam, "CreatePolicyVersion", in)
}

// dropVersions deletes versions that are not the default until at most keep
// are left, the oldest first.
func dropVersions(ctx context.Context, s *Step, keep int) error {
	out, err := s.API.Call(ctx, iam, "ListPolicyVersions", map[string]any{"PolicyArn": s.id()})
	if err != nil {
		return err
	}
	versions := slices.Clone(list(out["Versions"]))
	for i := len(versions) - 1; i >= 0 && len(versions) > keep; i-- {
		if first, _ := dig(versions[i], "IsDefaultVersion").(bool); first {
			continue
		}
		in := map[string]any{"PolicyArn": s.id(), "VersionId": digText(versions[i], "VersionId")}
		if err := s.do(ctx, iam, "DeletePolicyVersion", in); err != nil {
			return err
		}
		versions = slices.Delete(versions, i, i+1)
	}
	return nil
}

func inlinePolicyType() *Type {
	return &Type{
		Service: iam, ID: generatedID(128), Attributes: map[string]Value{"Id": self}, Tags: Tagging{Plain: true},
		Changes: []Change{{When: names("Roles PolicyName PolicyDocument"), Do: putInline}},
		Before: func(ctx context.Context, s *Step) error {
			return dropInline(ctx, s, list(s.Record.Properties["Roles"]), s.Record.Properties["PolicyName"])
		},
	}
}

// putInline gives the policy to the roles that should have it, and takes it
// from those that had it.
func putInline(ctx context.Context, s *Step) error {
	doc, _ := document(s, s.Record.Properties["PolicyDocument"])
	for _, role := range list(s.Record.Properties["Roles"]) {
		in := map[string]any{"RoleName": role, "PolicyName": s.Record.Properties["PolicyName"], "PolicyDocument": doc}
		if err := s.do(ctx, iam, "PutRolePolicy", in); err != nil {
			return err
		}
	}
	stay := list(s.Record.Properties["Roles"])
	if s.changed("PolicyName") {
		stay = nil
	}
	return dropInline(ctx, s, missing(list(s.Record.Prior["Roles"]), stay), s.Record.Prior["PolicyName"])
}

func dropInline(ctx context.Context, s *Step, roles []any, policy any) error {
	for _, role := range roles {
		name, _ := template.Flat(role)
		if err := s.do(ctx, iam, "DeleteRolePolicy", map[string]any{"RoleName": name, "PolicyName": policy}); err != nil && !Absent(err) {
			return err
		}
	}
	return nil
}

// rolePolicyType is one policy of one role. Every call puts.
func rolePolicyType() *Type {
	role, name := property("RoleName"), property("PolicyName")
	this := Args{"RoleName": role, "PolicyName": name}
	put := Call{Operation: "PutRolePolicy", Members: names("PolicyDocument"), With: this, Carries: names("RoleName PolicyName")}
	return &Type{
		Service: iam, Make: put, ID: joined(name, role), Changes: []Change{{Call: put}}, Tags: Tagging{Plain: true},
		Convert: map[string]func(*Step, any) (any, error){"PolicyDocument": document},
		Remove:  Call{Operation: "DeleteRolePolicy", With: this},
	}
}
