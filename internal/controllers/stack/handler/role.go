package handler

// Roles, instance profiles.

func roleTypes() map[string]*Type {
	return map[string]*Type{"AWS::IAM::Role": roleType(), "AWS::IAM::InstanceProfile": profileType()}
}

func roleType() *Type {
	role := Args{"RoleName": self}
	attachment := Args{"RoleName": self, "PolicyArn": item}
	return &Type{
		Service: iam, Name: Name{Property: "RoleName", Limit: 64}, Lookup: byName(datedAt("CreateDate")),
		Convert: map[string]func(*Step, any) (any, error){"AssumeRolePolicyDocument": document},
		Make: Call{
			Operation: "CreateRole", Members: names("Path Description MaxSessionDuration PermissionsBoundary AssumeRolePolicyDocument"),
			With: Args{"RoleName": named}, Answer: "Role",
		},
		ID: at("RoleName"),
		Changes: []Change{
			{Call: Call{
				Operation: "UpdateAssumeRolePolicy", Members: names("AssumeRolePolicyDocument"),
				As: map[string]string{"AssumeRolePolicyDocument": "PolicyDocument"}, With: role,
			}},
			{
				Call:  Call{Operation: "UpdateRole", Members: names("Description MaxSessionDuration"), With: role},
				Usual: map[string]any{"Description": "", "MaxSessionDuration": int64(3600)},
			},
			{
				Call:    Call{Operation: "PutRolePermissionsBoundary", Members: names("PermissionsBoundary"), With: role},
				Without: &Call{Operation: "DeleteRolePermissionsBoundary", With: role, Forgive: names("NoSuchEntity")},
			},
			inlineOf("Role"),
		},
		Sets: []Set{{
			Property: "ManagedPolicyArns", Emptied: true,
			Add:    Call{Operation: "AttachRolePolicy", With: attachment},
			Remove: Call{Operation: "DetachRolePolicy", With: attachment, Forgive: names("NoSuchEntity")},
		}},
		Read:       Call{Operation: "GetRole", With: role, Answer: "Role"},
		Attributes: paths("Arn RoleId"),
		Before:     withoutInline("Role"),
		Remove:     Call{Operation: "DeleteRole", With: role},
		Tags:       Tagging{Member: "Tags", Form: pairs, Add: "TagRole", Remove: "UntagRole", Of: role, Keys: "TagKeys", Plain: true},
	}
}

func profileType() *Type {
	profile := Args{"InstanceProfileName": self}
	role := Args{"InstanceProfileName": self, "RoleName": item}
	return &Type{
		Service: iam, Name: Name{Property: "InstanceProfileName", Limit: 128}, Lookup: byName(datedAt("CreateDate")),
		Make: Call{Operation: "CreateInstanceProfile", Members: names("Path"), With: Args{"InstanceProfileName": named},
			Answer: "InstanceProfile"},
		ID: at("InstanceProfileName"),
		Sets: []Set{{
			Property: "Roles", Has: "Roles.*.RoleName", Emptied: true,
			Add: Call{Operation: "AddRoleToInstanceProfile", With: role}, Remove: Call{Operation: "RemoveRoleFromInstanceProfile", With: role},
		}},
		Read:       Call{Operation: "GetInstanceProfile", With: profile, Answer: "InstanceProfile"},
		Attributes: paths("Arn"),
		Remove:     Call{Operation: "DeleteInstanceProfile", With: profile},
		Tags:       Tagging{Plain: true},
	}
}
