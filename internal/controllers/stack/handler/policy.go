package handler

import (
	"context"
	"slices"

	"berth/internal/lang/template"
)

// Managed policies, and inline ones that a template keeps apart from whose they are.

func policyTypes() map[string]*Type {
	return map[string]*Type{
		"AWS::IAM::ManagedPolicy": managedPolicyType(), "AWS::IAM::Policy": inlinePolicyType(), "AWS::IAM::RolePolicy": ownPolicyType("Role"),
		"AWS::IAM::UserPolicy": ownPolicyType("User"), "AWS::IAM::GroupPolicy": ownPolicyType("Group"),
	}
}

func managedPolicyType() *Type {
	policy := Args{"PolicyArn": policyARN}
	return &Type{
		Service: iam, Name: Name{Property: "ManagedPolicyName", Limit: 128}, Lookup: byName(datedAt("CreateDate")),
		Convert: map[string]func(*Step, any) (any, error){"PolicyDocument": document},
		Make: Call{Operation: "CreatePolicy", Members: names("Path Description PolicyDocument"), With: Args{"PolicyName": named},
			Answer: "Policy"},
		ID:      at("Arn"),
		Changes: []Change{{Call: Call{Members: names("PolicyDocument")}, Do: newVersion}},
		Sets:    attached(),
		Read:    Call{Operation: "GetPolicy", With: policy, Answer: "Policy"},
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

// holders are what policies can be attached to and embedded in.
var holders = []string{"Role", "User", "Group"}

// attached are the sets of a managed policy's holders.
func attached() []Set {
	var out []Set
	for _, h := range holders {
		attachment := Args{"PolicyArn": self, h + "Name": item}
		out = append(out, Set{
			Property: h + "s", Emptied: true,
			Add:    Call{Operation: "Attach" + h + "Policy", With: attachment},
			Remove: Call{Operation: "Detach" + h + "Policy", With: attachment, Forgive: names("NoSuchEntity")},
		})
	}
	return out
}

func inlinePolicyType() *Type {
	return &Type{
		Service: iam, ID: generatedID(128), Attributes: map[string]Value{"Id": self}, Tags: Tagging{Plain: true},
		Changes: []Change{{When: names("Roles Users Groups PolicyName PolicyDocument"), Do: putInline}},
		Before: func(ctx context.Context, s *Step) error {
			for _, h := range holders {
				if err := dropInline(ctx, s, h, list(s.Record.Properties[h+"s"]), s.Record.Properties["PolicyName"]); err != nil {
					return err
				}
			}
			return nil
		},
	}
}

// putInline gives the policy to whom it should have, and takes it from whom had
// it.
func putInline(ctx context.Context, s *Step) error {
	doc, _ := document(s, s.Record.Properties["PolicyDocument"])
	for _, h := range holders {
		stay := list(s.Record.Properties[h+"s"])
		for _, of := range stay {
			in := map[string]any{h + "Name": of, "PolicyName": s.Record.Properties["PolicyName"], "PolicyDocument": doc}
			if err := s.do(ctx, iam, "Put"+h+"Policy", in); err != nil {
				return err
			}
		}
		if s.changed("PolicyName") {
			stay = nil
		}
		if err := dropInline(ctx, s, h, missing(list(s.Record.Prior[h+"s"]), stay), s.Record.Prior["PolicyName"]); err != nil {
			return err
		}
	}
	return nil
}

func dropInline(ctx context.Context, s *Step, holder string, of []any, policy any) error {
	for _, it := range of {
		name, _ := template.Flat(it)
		in := map[string]any{holder + "Name": name, "PolicyName": policy}
		if err := s.do(ctx, iam, "Delete"+holder+"Policy", in); err != nil && !Absent(err) {
			return err
		}
	}
	return nil
}

// ownPolicyType is one policy of one role, user or group. Every call puts.
func ownPolicyType(holder string) *Type {
	of, name := property(holder+"Name"), property("PolicyName")
	this := Args{holder + "Name": of, "PolicyName": name}
	put := Call{
		Operation: "Put" + holder + "Policy", Members: names("PolicyDocument"), With: this, Carries: []string{holder + "Name", "PolicyName"},
	}
	return &Type{
		Service: iam, Make: put, ID: joined(name, of), Changes: []Change{{Call: put}}, Tags: Tagging{Plain: true},
		Convert: map[string]func(*Step, any) (any, error){"PolicyDocument": document},
		Remove:  Call{Operation: "Delete" + holder + "Policy", With: this},
	}
}
