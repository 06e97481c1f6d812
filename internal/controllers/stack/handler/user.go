package handler

import (
	"context"

	"berth/internal/lang/template"
)

// Users, groups, who is in which, and users' keys.

func userTypes() map[string]*Type {
	return map[string]*Type{
		"AWS::IAM::User": userType(), "AWS::IAM::Group": groupOfUsersType(), "AWS::IAM::AccessKey": accessKeyType(),
		"AWS::IAM::UserToGroupAddition": additionType(),
	}
}

func userType() *Type {
	user := Args{"UserName": self}
	attachment := Args{"UserName": self, "PolicyArn": item}
	membership := Args{"UserName": self, "GroupName": item}
	return &Type{
		Service: iam, Name: Name{Property: "UserName", Limit: 64}, Lookup: byName(datedAt("CreateDate")),
		Make: Call{
			Operation: "CreateUser", Members: names("Path PermissionsBoundary"), With: Args{"UserName": named}, Answer: "User",
		},
		ID: at("UserName"),
		Changes: []Change{
			{
				Call:  Call{Operation: "UpdateUser", Members: names("Path"), As: map[string]string{"Path": "NewPath"}, With: user},
				Usual: map[string]any{"Path": "/"},
			},
			{
				Call:    Call{Operation: "PutUserPermissionsBoundary", Members: names("PermissionsBoundary"), With: user},
				Without: &Call{Operation: "DeleteUserPermissionsBoundary", With: user, Forgive: names("NoSuchEntity")},
			},
			inlineOf("User"),
		},
		Sets: []Set{
			{
				Property: "ManagedPolicyArns", Emptied: true,
				Add:    Call{Operation: "AttachUserPolicy", With: attachment},
				Remove: Call{Operation: "DetachUserPolicy", With: attachment, Forgive: names("NoSuchEntity")},
			},
			{
				Property: "Groups", Emptied: true,
				Add:    Call{Operation: "AddUserToGroup", With: membership},
				Remove: Call{Operation: "RemoveUserFromGroup", With: membership, Forgive: names("NoSuchEntity")},
			},
		},
		Read: Call{Operation: "GetUser", With: user, Answer: "User"}, Attributes: paths("Arn"),
		Before: withoutInline("User"),
		Remove: Call{Operation: "DeleteUser", With: user},
		Tags:   Tagging{Member: "Tags", Form: pairs, Add: "TagUser", Remove: "UntagUser", Of: user, Keys: "TagKeys", Plain: true},
	}
}

func groupOfUsersType() *Type {
	group := Args{"GroupName": self}
	attachment := Args{"GroupName": self, "PolicyArn": item}
	return &Type{
		Service: iam, Name: Name{Property: "GroupName", Limit: 128}, Lookup: byName(datedAt("CreateDate")),
		Make: Call{Operation: "CreateGroup", Members: names("Path"), With: Args{"GroupName": named}, Answer: "Group"},
		ID:   at("GroupName"),
		Changes: []Change{
			{
				Call:  Call{Operation: "UpdateGroup", Members: names("Path"), As: map[string]string{"Path": "NewPath"}, With: group},
				Usual: map[string]any{"Path": "/"},
			},
			inlineOf("Group"),
		},
		Sets: []Set{{
			Property: "ManagedPolicyArns", Emptied: true,
			Add:    Call{Operation: "AttachGroupPolicy", With: attachment},
			Remove: Call{Operation: "DetachGroupPolicy", With: attachment, Forgive: names("NoSuchEntity")},
		}},
		Read: Call{Operation: "GetGroup", With: group, Answer: "Group"}, Attributes: paths("Arn"),
		Before: withoutInline("Group"),
		Remove: Call{Operation: "DeleteGroup", With: group},
		Tags:   Tagging{Plain: true},
	}
}

// accessKeyType: a new Serial is a new key. The secret is answered once, so that a
// key whose answer was lost is of no use to anybody: it goes, and another is made.
func accessKeyType() *Type {
	user := property("UserName")
	this := Args{"UserName": user, "AccessKeyId": self}
	return &Type{
		Service: iam, Lookup: dropUnheardKey, Tags: Tagging{Plain: true},
		Make: Call{
			Operation: "CreateAccessKey", With: Args{"UserName": user}, Carries: names("UserName Serial"), Answer: "AccessKey",
		},
		ID: at("AccessKeyId"),
		Changes: []Change{{
			Call: Call{Operation: "UpdateAccessKey", Members: names("Status"), With: this}, Usual: map[string]any{"Status": "Active"},
		}},
		Attributes: map[string]Value{"Id": self, "SecretAccessKey": at("SecretAccessKey")},
		Remove:     Call{Operation: "DeleteAccessKey", With: this},
	}
}

// dropUnheardKey deletes the key that an interrupted Make left: made since, no
// other resource's, and never used. It finds nothing, so that one is made.
func dropUnheardKey(ctx context.Context, s *Step) (string, any, error) {
	user := s.Record.Properties["UserName"]
	out, err := s.API.Call(ctx, iam, "ListAccessKeys", map[string]any{"UserName": user})
	if err != nil {
		return "", nil, err
	}
	for _, k := range list(out["AccessKeyMetadata"]) {
		id := digText(k, "AccessKeyId")
		if s.Taken(id) || !s.since(dig(k, "CreateDate")) {
			continue
		}
		last, err := s.API.Call(ctx, iam, "GetAccessKeyLastUsed", map[string]any{"AccessKeyId": id})
		if err != nil {
			return "", nil, err
		}
		if dig(last, "AccessKeyLastUsed.LastUsedDate") != nil {
			continue
		}
		if err := s.do(ctx, iam, "DeleteAccessKey", map[string]any{"UserName": user, "AccessKeyId": id}); err != nil {
			return "", nil, err
		}
	}
	return "", nil, nil
}

// additionType puts users into a group, and takes out those that it put in.
func additionType() *Type {
	return &Type{
		Service: iam, ID: generatedID(128), Attributes: map[string]Value{"Id": self}, Tags: Tagging{Plain: true},
		Changes: []Change{{When: names("GroupName Users"), Do: func(ctx context.Context, s *Step) error {
			group, users := s.Record.Properties["GroupName"], list(s.Record.Properties["Users"])
			for _, u := range users {
				if err := s.do(ctx, iam, "AddUserToGroup", map[string]any{"GroupName": group, "UserName": u}); err != nil {
					return err
				}
			}
			if s.changed("GroupName") {
				users = nil
			}
			return takeOut(ctx, s, missing(list(s.Record.Prior["Users"]), users), s.Record.Prior["GroupName"])
		}}},
		Before: func(ctx context.Context, s *Step) error {
			return takeOut(ctx, s, list(s.Record.Properties["Users"]), s.Record.Properties["GroupName"])
		},
	}
}

func takeOut(ctx context.Context, s *Step, users []any, group any) error {
	for _, u := range users {
		err := s.do(ctx, iam, "RemoveUserFromGroup", map[string]any{"GroupName": group, "UserName": u})
		if err != nil && !Absent(err) {
			return err
		}
	}
	return nil
}

// inlineOf is the change of the Policies property of a Role, User or Group.
func inlineOf(holder string) Change {
	return Change{When: names("Policies"), Do: func(ctx context.Context, s *Step) error {
		return inlinePolicies(ctx, s, holder, s.Record.Prior["Policies"], s.Record.Properties["Policies"])
	}}
}

func withoutInline(holder string) func(context.Context, *Step) error {
	return func(ctx context.Context, s *Step) error {
		return inlinePolicies(ctx, s, holder, s.Record.Properties["Policies"], nil)
	}
}

// inlinePolicies makes the inline policies of a Role, User or Group those of
// want, where was has what they were.
func inlinePolicies(ctx context.Context, s *Step, holder string, was, want any) error {
	had, have := inline(was), inline(want)
	for _, name := range sortedKeys(have) {
		if had[name] == have[name] {
			continue
		}
		in := map[string]any{holder + "Name": s.id(), "PolicyName": name, "PolicyDocument": have[name]}
		if err := s.do(ctx, iam, "Put"+holder+"Policy", in); err != nil {
			return err
		}
	}
	for _, name := range sortedKeys(had) {
		if _, stays := have[name]; stays {
			continue
		}
		in := map[string]any{holder + "Name": s.id(), "PolicyName": name}
		if err := s.do(ctx, iam, "Delete"+holder+"Policy", in); err != nil && !Absent(err) {
			return err
		}
	}
	return nil
}

// inline reads the Policies property: name to document.
func inline(v any) map[string]string {
	out := map[string]string{}
	for _, p := range list(v) {
		doc, _ := document(nil, dig(p, "PolicyDocument"))
		out[digText(p, "PolicyName")], _ = template.Flat(doc)
	}
	return out
}
