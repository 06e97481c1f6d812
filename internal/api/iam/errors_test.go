package iam_test

import (
	"fmt"
	"strconv"
	"strings"
	"testing"

	"berth/internal/api/apitest"
	"berth/internal/model"
	"berth/internal/state"
	"berth/internal/store"
)

func TestErrorsAreAsListed(t *testing.T) {
	w := apitest.NewWorld(t)
	const (
		arn   = "arn:aws:iam::123456789012:"
		allow = `{"Version":"2012-10-17","Statement":[{"Sid":"SID","Effect":"Allow","Action":"*","Resource":"*"}]}`
		trust = `{"Version":"2012-10-17","Statement":[{"Sid":"SID","Effect":"Allow","Principal":{"Service":"ecs.amazonaws.com"},"Action":"sts:AssumeRole"}]}`
	)
	sized := func(doc string, n int) string {
		return strconv.Quote(strings.Replace(doc, "SID", strings.Repeat("a", n), 1))
	}
	tags, attached := []model.Tag{}, []string{}
	for i := range 50 {
		tags = append(tags, model.Tag{Key: fmt.Sprint("k", i)})
	}
	tenGroups := []string{}
	for i := range 10 {
		tenGroups = append(tenGroups, fmt.Sprint("g", i))
		attached = append(attached, fmt.Sprint(arn, "policy/a", i))
	}
	versions := []model.PolicyVersion{{ID: "v1", Document: allow, Default: true}, {ID: "v2"}, {ID: "v3"}, {ID: "v4"}, {ID: "v5"}}
	w.Write(func(tx *store.Tx) error {
		for _, r := range []model.Role{
			{Name: "r", Path: "/", Attached: []string{arn + "policy/p"}, Inline: []model.InlinePolicy{{Name: "all", Document: allow}}},
			{Name: "full", Path: "/", Attached: attached, Tags: tags}, {Name: "linked", Path: "/aws-service-role/ecs.amazonaws.com/"},
		} {
			r.ARN, r.Trust = arn+"role"+r.Path+r.Name, trust
			if err := state.Roles.Put(tx, r); err != nil {
				return err
			}
		}
		for _, p := range []model.Policy{{Name: "p", Versions: versions}, {Name: "full", Versions: versions[:1], Tags: tags}} {
			p.ARN, p.Path = arn+"policy/"+p.Name, "/"
			if err := state.Policies.Put(tx, p); err != nil {
				return err
			}
		}
		for _, u := range []model.User{
			{Name: "u", Attached: []string{arn + "policy/p"}, Groups: []string{"g"}},
			{Name: "other"},
			{Name: "full", Attached: attached, Tags: tags, Groups: tenGroups},
		} {
			u.ARN, u.Path = arn+"user/"+u.Name, "/"
			if err := state.Users.Put(tx, u); err != nil {
				return err
			}
		}
		for _, g := range []model.Group{{Name: "g"}, {Name: "full", Attached: attached}} {
			g.ARN, g.Path = arn+"group/"+g.Name, "/"
			if err := state.Groups.Put(tx, g); err != nil {
				return err
			}
		}
		for _, id := range []string{"AKIAFULL000000000001", "AKIAFULL000000000002"} {
			if err := state.AccessKeys.Put(tx, model.AccessKey{ID: id, User: "full"}); err != nil {
				return err
			}
		}
		return state.InstanceProfiles.Put(tx, model.InstanceProfile{
			Name: "full", ARN: arn + "instance-profile/full", Path: "/", Roles: []string{"r"}, Tags: tags,
		})
	})
	rows := `
		GetUser NoSuchEntity UserName=lost
		GetUser ValidationError as=ARNrole/r
		CreateUser EntityAlreadyExists UserName=U
		CreateUser ValidationError UserName=new Path=/x
		CreateUser InvalidInput UserName=new Tags=[{"Key":"aws:x","Value":""}]
		CreateUser NoSuchEntity UserName=new PermissionsBoundary=ARNpolicy/lost
		DeleteUser NoSuchEntity UserName=lost
		DeleteUser DeleteConflict UserName=full
		DeleteUser DeleteConflict UserName=u
		UpdateUser NoSuchEntity UserName=lost
		UpdateUser EntityAlreadyExists UserName=u NewUserName=OTHER
		UpdateUser ValidationError UserName=u NewPath=/x
		TagUser NoSuchEntity UserName=lost Tags=[{"Key":"a","Value":""}]
		TagUser InvalidInput UserName=u Tags=[{"Key":"aws:x","Value":""}]
		TagUser LimitExceeded UserName=full Tags=[{"Key":"a","Value":""}]
		UntagUser NoSuchEntity UserName=lost TagKeys=["a"]
		ListUserTags NoSuchEntity UserName=lost
		ListUserTags ValidationError UserName=u Marker=made-up
		PutUserPermissionsBoundary NoSuchEntity UserName=u PermissionsBoundary=ARNpolicy/lost
		DeleteUserPermissionsBoundary NoSuchEntity UserName=u
		CreateAccessKey NoSuchEntity UserName=lost
		CreateAccessKey LimitExceeded UserName=full
		CreateAccessKey ValidationError as=ARNrole/r
		ListAccessKeys NoSuchEntity UserName=lost
		ListAccessKeys ValidationError UserName=full Marker=made-up
		UpdateAccessKey NoSuchEntity UserName=u AccessKeyId=AKIAFULL000000000001 Status=Active
		UpdateAccessKey NoSuchEntity UserName=lost AccessKeyId=AKIAFULL000000000001 Status=Active
		UpdateAccessKey ValidationError UserName=full AccessKeyId=AKIAFULL000000000001 Status=Expired
		GetAccessKeyLastUsed NoSuchEntity AccessKeyId=AKIALOST000000000001
		DeleteAccessKey NoSuchEntity UserName=u AccessKeyId=AKIAFULL000000000001
		DeleteAccessKey ValidationError AccessKeyId=AKIAFULL000000000001 as=ARNrole/r
		CreateGroup EntityAlreadyExists GroupName=G
		CreateGroup ValidationError GroupName=new Path=/x
		GetGroup NoSuchEntity GroupName=lost
		GetGroup ValidationError GroupName=g Marker=made-up
		UpdateGroup NoSuchEntity GroupName=lost
		UpdateGroup EntityAlreadyExists GroupName=g NewGroupName=FULL
		UpdateGroup ValidationError GroupName=g NewPath=/x
		DeleteGroup NoSuchEntity GroupName=lost
		DeleteGroup DeleteConflict GroupName=full
		DeleteGroup DeleteConflict GroupName=g
		ListGroupsForUser NoSuchEntity UserName=lost
		ListGroupsForUser ValidationError UserName=u Marker=made-up
		AddUserToGroup NoSuchEntity UserName=u GroupName=lost
		AddUserToGroup LimitExceeded UserName=full GroupName=g
		RemoveUserFromGroup NoSuchEntity UserName=lost GroupName=g
		PutUserPolicy NoSuchEntity UserName=lost PolicyName=n PolicyDocument=ALLOW
		PutUserPolicy MalformedPolicyDocument UserName=u PolicyName=n PolicyDocument=x
		PutUserPolicy LimitExceeded UserName=u PolicyName=n PolicyDocument=LONG
		GetUserPolicy NoSuchEntity UserName=u PolicyName=lost
		DeleteUserPolicy NoSuchEntity UserName=u PolicyName=lost
		ListUserPolicies NoSuchEntity UserName=lost
		ListUserPolicies ValidationError UserName=u Marker=made-up
		AttachUserPolicy NoSuchEntity UserName=u PolicyArn=ARNpolicy/lost
		AttachUserPolicy LimitExceeded UserName=full PolicyArn=ARNpolicy/p
		DetachUserPolicy NoSuchEntity UserName=u PolicyArn=ARNpolicy/full
		ListAttachedUserPolicies NoSuchEntity UserName=lost
		ListAttachedUserPolicies ValidationError UserName=u Marker=made-up
		PutGroupPolicy NoSuchEntity GroupName=lost PolicyName=n PolicyDocument=ALLOW
		PutGroupPolicy MalformedPolicyDocument GroupName=g PolicyName=n PolicyDocument=x
		PutGroupPolicy LimitExceeded GroupName=g PolicyName=n PolicyDocument=LONG
		GetGroupPolicy NoSuchEntity GroupName=g PolicyName=lost
		DeleteGroupPolicy NoSuchEntity GroupName=g PolicyName=lost
		ListGroupPolicies NoSuchEntity GroupName=lost
		ListGroupPolicies ValidationError GroupName=g Marker=made-up
		AttachGroupPolicy NoSuchEntity GroupName=g PolicyArn=ARNpolicy/lost
		AttachGroupPolicy LimitExceeded GroupName=full PolicyArn=ARNpolicy/p
		DetachGroupPolicy NoSuchEntity GroupName=g PolicyArn=ARNpolicy/full
		ListAttachedGroupPolicies NoSuchEntity GroupName=lost
		ListAttachedGroupPolicies ValidationError GroupName=g Marker=made-up
		ListUsers ValidationError Marker=made-up
		ListGroups ValidationError Marker=made-up
		ListAccountAliases ValidationError Marker=made-up
		CreateServiceLinkedRole InvalidInput AWSServiceName=lost.amazonaws.com
		SimulatePrincipalPolicy NoSuchEntity PolicySourceArn=ARNrole/lost ActionNames=["ecs:RunTask"]
		SimulatePrincipalPolicy InvalidInput PolicySourceArn=ARNrole/r ActionNames=["ecs:RunTask"] PolicyInputList=["x"]
		SimulateCustomPolicy InvalidInput ActionNames=["ecs:RunTask"] PolicyInputList=["x"]
		CreatePolicy EntityAlreadyExists PolicyName=p PolicyDocument=ALLOW
		CreatePolicy MalformedPolicyDocument PolicyName=new PolicyDocument=x
		CreatePolicy LimitExceeded PolicyName=new PolicyDocument=LONG
		CreatePolicy InvalidInput PolicyName=new PolicyDocument=ALLOW Tags=[{"Key":"aws:x","Value":""}]
		GetPolicy NoSuchEntity PolicyArn=ARNpolicy/lost
		ListPolicies ValidationError Marker=made-up
		DeletePolicy NoSuchEntity PolicyArn=ARNpolicy/lost
		DeletePolicy DeleteConflict PolicyArn=ARNpolicy/p
		CreatePolicyVersion NoSuchEntity PolicyArn=ARNpolicy/lost PolicyDocument=ALLOW
		CreatePolicyVersion MalformedPolicyDocument PolicyArn=ARNpolicy/full PolicyDocument=x
		CreatePolicyVersion LimitExceeded PolicyArn=ARNpolicy/p PolicyDocument=ALLOW
		DeletePolicyVersion NoSuchEntity PolicyArn=ARNpolicy/p VersionId=v9
		DeletePolicyVersion DeleteConflict PolicyArn=ARNpolicy/p VersionId=v1
		GetPolicyVersion NoSuchEntity PolicyArn=ARNpolicy/p VersionId=v9
		GetPolicyVersion NotImplemented PolicyArn=arn:aws:iam::aws:policy/AIDevOpsAgentAccessPolicy VersionId=v2
		ListPolicyVersions NoSuchEntity PolicyArn=ARNpolicy/lost
		ListPolicyVersions ValidationError PolicyArn=ARNpolicy/p Marker=made-up
		SetDefaultPolicyVersion NoSuchEntity PolicyArn=ARNpolicy/p VersionId=v9
		ListEntitiesForPolicy NoSuchEntity PolicyArn=ARNpolicy/lost
		ListEntitiesForPolicy ValidationError PolicyArn=ARNpolicy/p Marker=made-up
		TagPolicy NoSuchEntity PolicyArn=ARNpolicy/lost Tags=[{"Key":"a","Value":""}]
		TagPolicy InvalidInput PolicyArn=ARNpolicy/p Tags=[{"Key":"aws:x","Value":""}]
		TagPolicy LimitExceeded PolicyArn=ARNpolicy/full Tags=[{"Key":"a","Value":""}]
		UntagPolicy NoSuchEntity PolicyArn=ARNpolicy/lost TagKeys=["a"]
		ListPolicyTags NoSuchEntity PolicyArn=ARNpolicy/lost
		ListPolicyTags ValidationError PolicyArn=ARNpolicy/p Marker=made-up
		CreateInstanceProfile EntityAlreadyExists InstanceProfileName=full
		CreateInstanceProfile InvalidInput InstanceProfileName=new Tags=[{"Key":"aws:x","Value":""}]
		DeleteInstanceProfile NoSuchEntity InstanceProfileName=lost
		DeleteInstanceProfile DeleteConflict InstanceProfileName=full
		GetInstanceProfile NoSuchEntity InstanceProfileName=lost
		ListInstanceProfiles ValidationError Marker=made-up
		ListInstanceProfilesForRole NoSuchEntity RoleName=lost
		ListInstanceProfilesForRole ValidationError RoleName=r Marker=made-up
		AddRoleToInstanceProfile NoSuchEntity InstanceProfileName=lost RoleName=r
		AddRoleToInstanceProfile LimitExceeded InstanceProfileName=full RoleName=full
		RemoveRoleFromInstanceProfile NoSuchEntity InstanceProfileName=full RoleName=full
		TagInstanceProfile NoSuchEntity InstanceProfileName=lost Tags=[{"Key":"a","Value":""}]
		TagInstanceProfile InvalidInput InstanceProfileName=full Tags=[{"Key":"aws:x","Value":""}]
		TagInstanceProfile LimitExceeded InstanceProfileName=full Tags=[{"Key":"a","Value":""}]
		UntagInstanceProfile NoSuchEntity InstanceProfileName=lost TagKeys=["a"]
		ListInstanceProfileTags NoSuchEntity InstanceProfileName=lost
		ListInstanceProfileTags ValidationError InstanceProfileName=full Marker=made-up
		CreateRole EntityAlreadyExists RoleName=r AssumeRolePolicyDocument=TRUST
		CreateRole MalformedPolicyDocument RoleName=new AssumeRolePolicyDocument=x
		CreateRole LimitExceeded RoleName=new AssumeRolePolicyDocument=FAITH
		CreateRole InvalidInput RoleName=new AssumeRolePolicyDocument=TRUST Path=/aws-service-role/x/
		CreateRole NoSuchEntity RoleName=new AssumeRolePolicyDocument=TRUST PermissionsBoundary=ARNpolicy/lost
		DeleteRole NoSuchEntity RoleName=lost
		DeleteRole DeleteConflict RoleName=r
		DeleteRole UnmodifiableEntity RoleName=linked
		GetRole NoSuchEntity RoleName=lost
		ListRoles ValidationError Marker=made-up
		UpdateRole NoSuchEntity RoleName=lost
		UpdateRole UnmodifiableEntity RoleName=linked
		UpdateRoleDescription NoSuchEntity RoleName=lost Description=x
		UpdateRoleDescription UnmodifiableEntity RoleName=linked Description=x
		UpdateAssumeRolePolicy NoSuchEntity RoleName=lost PolicyDocument=TRUST
		UpdateAssumeRolePolicy MalformedPolicyDocument RoleName=r PolicyDocument=x
		UpdateAssumeRolePolicy LimitExceeded RoleName=r PolicyDocument=FAITH
		UpdateAssumeRolePolicy UnmodifiableEntity RoleName=linked PolicyDocument=TRUST
		PutRolePermissionsBoundary NoSuchEntity RoleName=lost PermissionsBoundary=ARNpolicy/p
		DeleteRolePermissionsBoundary NoSuchEntity RoleName=lost
		TagRole NoSuchEntity RoleName=lost Tags=[{"Key":"a","Value":""}]
		TagRole InvalidInput RoleName=r Tags=[{"Key":"aws:x","Value":""}]
		TagRole LimitExceeded RoleName=full Tags=[{"Key":"a","Value":""}]
		UntagRole NoSuchEntity RoleName=lost TagKeys=["a"]
		ListRoleTags NoSuchEntity RoleName=lost
		ListRoleTags ValidationError RoleName=r Marker=made-up
		PutRolePolicy NoSuchEntity RoleName=lost PolicyName=n PolicyDocument=ALLOW
		PutRolePolicy MalformedPolicyDocument RoleName=r PolicyName=n PolicyDocument=x
		PutRolePolicy LimitExceeded RoleName=r PolicyName=n PolicyDocument=LONG
		PutRolePolicy UnmodifiableEntity RoleName=linked PolicyName=n PolicyDocument=ALLOW
		GetRolePolicy NoSuchEntity RoleName=r PolicyName=lost
		DeleteRolePolicy NoSuchEntity RoleName=r PolicyName=lost
		DeleteRolePolicy UnmodifiableEntity RoleName=linked PolicyName=lost
		ListRolePolicies NoSuchEntity RoleName=lost
		ListRolePolicies ValidationError RoleName=r Marker=made-up
		AttachRolePolicy NoSuchEntity RoleName=r PolicyArn=ARNpolicy/lost
		AttachRolePolicy LimitExceeded RoleName=full PolicyArn=ARNpolicy/p
		AttachRolePolicy UnmodifiableEntity RoleName=linked PolicyArn=ARNpolicy/p
		DetachRolePolicy NoSuchEntity RoleName=r PolicyArn=ARNpolicy/full
		DetachRolePolicy UnmodifiableEntity RoleName=linked PolicyArn=ARNpolicy/p
		ListAttachedRolePolicies NoSuchEntity RoleName=lost
		ListAttachedRolePolicies ValidationError RoleName=r Marker=made-up
	`
	for name, value := range map[string]string{
		"ARN": arn, "ALLOW": sized(allow, 1), "LONG": sized(allow, 11000), "TRUST": sized(trust, 1), "FAITH": sized(trust, 4200),
	} {
		rows = strings.ReplaceAll(rows, name, value)
	}
	apitest.Errors(t, w, "iam", rows)
}
