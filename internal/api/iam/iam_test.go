package iam_test

import (
	"errors"
	"log/slog"
	"net/http/httptest"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"berth/internal/access"
	"berth/internal/api/iam"
	"berth/internal/api/sts"
	"berth/internal/clock"
	"berth/internal/fault"
	"berth/internal/front"
	"berth/internal/ident"
	"berth/internal/state"
	"berth/internal/store"
	iamshape "berth/internal/wire/shape/iam"
	stsshape "berth/internal/wire/shape/sts"
)

var start = time.Date(2026, 11, 23, 7, 0, 0, 0, time.UTC)

var place = ident.Place{Partition: "aws", Region: "ap-northeast-1", Account: "000000000000"}

const (
	trust    = `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Service":"ecs.amazonaws.com","AWS":"000000000000"},"Action":"sts:AssumeRole"}]}`
	allow    = `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":["iam:GetRole","iam:ListRoles"],"Resource":"*"}]}`
	readonly = "arn:aws:iam::aws:policy/service-role/AmazonECSTaskExecutionRolePolicy"
)

type in = map[string]any

type world struct {
	*front.Front
	t  *testing.T
	db *state.DB
}

func newWorld(t *testing.T) world {
	t.Helper()
	db, err := state.Open(t.Context(), store.NewMemory(), true)
	if err != nil {
		t.Fatal(err)
	}
	c, ids := clock.NewStepped(start), ident.Seeded(1)
	ac := access.New(access.Deps{DB: db, Clock: c, IDs: ids, Place: place})
	api := iam.New(iam.Deps{DB: db, Clock: c, IDs: ids, Place: place, Access: ac})
	tokens := sts.New(sts.Deps{DB: db, Clock: c, Place: place, Access: ac})
	f, err := front.New(front.Deps{
		Place: place, Clock: c, IDs: ids, Keys: ac, Auth: ac, Log: slog.New(slog.DiscardHandler),
		Services: []front.Service{
			{Meta: iamshape.Meta, API: api, Fields: iam.Fields, Resources: iam.Resources, Finders: api.Finders()},
			{Meta: stsshape.Meta, API: tokens, Fields: sts.Fields, Resources: sts.Resources, Open: sts.Open},
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	return world{f, t, db}
}

// call calls as the root and returns the answer or "Code: text".
func (w world) call(op string, args in) (in, string) {
	w.t.Helper()
	out, err := w.Invoke(w.t.Context(), ident.Root(place), "iam", op, args)
	if err != nil {
		return nil, fault.CodeOf(err) + ": " + fault.MessageOf(err)
	}
	return out, ""
}

// must calls and wants no error.
func (w world) must(op string, args in) in {
	w.t.Helper()
	out, err := w.call(op, args)
	if err != "" {
		w.t.Fatalf("%s %v: %s", op, args, err)
	}
	return out
}

func TestRefusals(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.must("CreateRole", in{"RoleName": "r", "AssumeRolePolicyDocument": trust, "Description": "d"})
	w.must("CreateInstanceProfile", in{"InstanceProfileName": "p"})
	w.must("AddRoleToInstanceProfile", in{"InstanceProfileName": "p", "RoleName": "r"})
	w.must("AttachRolePolicy", in{"RoleName": "r", "PolicyArn": readonly})
	w.must("AttachRolePolicy", in{"RoleName": "r", "PolicyArn": readonly})
	w.must("PutRolePolicy", in{"RoleName": "r", "PolicyName": "i", "PolicyDocument": allow})
	local := w.must("CreatePolicy", in{"PolicyName": "mine", "PolicyDocument": allow})["Policy"].(in)["Arn"]
	w.must("AttachRolePolicy", in{"RoleName": "r", "PolicyArn": local})
	w.must("CreateServiceLinkedRole", in{"AWSServiceName": "ecs.amazonaws.com"})
	tests := []struct {
		op   string
		args in
		want string
	}{
		{"CreateRole", in{"RoleName": "R", "AssumeRolePolicyDocument": trust}, "EntityAlreadyExists: Role with name R already exists."},
		{"CreateRole", in{"RoleName": "x", "AssumeRolePolicyDocument": "{"}, "MalformedPolicyDocument: Syntax errors in policy."},
		{"CreateRole", in{"RoleName": "x", "AssumeRolePolicyDocument": allow}, "MalformedPolicyDocument: Has prohibited field Resource"},
		{
			"CreateRole", in{"RoleName": "x", "AssumeRolePolicyDocument": strings.Replace(trust, "ecs.", strings.Repeat("a", 2048)+".", 1)},
			"LimitExceeded: Cannot exceed quota for ACLSizePerRole: 2048",
		},
		{
			"CreateRole", in{"RoleName": "x y", "AssumeRolePolicyDocument": trust},
			"ValidationError: 1 validation error detected: Value 'x y' at 'roleName' failed to satisfy constraint: Member must satisfy regular " +
				"expression pattern: [\\w+=,.@-]+",
		},
		{
			"CreateRole", in{"RoleName": "x", "AssumeRolePolicyDocument": trust, "MaxSessionDuration": 60},
			"ValidationError: 1 validation error detected: Value '60' at 'maxSessionDuration' failed to satisfy constraint: Member must have " +
				"value greater than or equal to 3600",
		},
		{
			"CreateRole",
			in{"RoleName": "x", "AssumeRolePolicyDocument": trust, "Tags": []any{in{"Key": "a", "Value": "1"}, in{"Key": "A", "Value": "2"}}},
			"InvalidInput: Duplicate tag keys found. Please note that Tag keys are case insensitive.",
		},
		{
			"CreateRole", in{"RoleName": "x", "AssumeRolePolicyDocument": trust, "PermissionsBoundary": "arn:aws:iam::aws:policy/Nope"},
			"NoSuchEntity: Policy arn:aws:iam::aws:policy/Nope does not exist or is not attachable.",
		},
		{"GetRole", in{"RoleName": "none"}, "NoSuchEntity: The role with name none cannot be found."},
		{"DeleteRole", in{"RoleName": "none"}, "NoSuchEntity: The role with name none cannot be found."},
		{"DeleteRole", in{"RoleName": "r"}, "DeleteConflict: Cannot delete entity, must remove roles from instance profile first."},
		{
			"DeleteRole", in{"RoleName": "AWSServiceRoleForECS"},
			"UnmodifiableEntity: Cannot perform the operation on the protected role 'AWSServiceRoleForECS' - this role is only modifiable by AWS",
		},
		{
			"CreateServiceLinkedRole", in{"AWSServiceName": "ecs.amazonaws.com"},
			"InvalidInput: Service role name AWSServiceRoleForECS has been taken in this account, please try a different suffix.",
		},
		{
			"AttachRolePolicy", in{"RoleName": "r", "PolicyArn": "arn:aws:iam::aws:policy/AmazonECSInfrastructureRolePolicyForManagedinstances"},
			"NoSuchEntity: Policy arn:aws:iam::aws:policy/AmazonECSInfrastructureRolePolicyForManagedinstances does not exist or is not attachable.",
		},
		{
			"AttachRolePolicy", in{"RoleName": "r", "PolicyArn": "not-an-arn-but-long-enough"},
			"ValidationError: ARN not-an-arn-but-long-enough is not valid.",
		},
		{
			"DetachRolePolicy", in{"RoleName": "r", "PolicyArn": "arn:aws:iam::aws:policy/ReadOnlyAccess"},
			"NoSuchEntity: Policy arn:aws:iam::aws:policy/ReadOnlyAccess was not found.",
		},
		{"DeleteRolePolicy", in{"RoleName": "r", "PolicyName": "none"}, "NoSuchEntity: The role policy with name none cannot be found."},
		{
			"PutRolePolicy", in{"RoleName": "r", "PolicyName": "i", "PolicyDocument": trust},
			"MalformedPolicyDocument: Policy document should not specify a principal.",
		},
		{
			"PutRolePolicy",
			in{"RoleName": "r", "PolicyName": "big", "PolicyDocument": strings.Replace(allow, "iam:GetRole", "iam:"+strings.Repeat("a", 10240), 1)},
			"LimitExceeded: Maximum policy size of 10240 bytes exceeded for role r",
		},
		{"CreateInstanceProfile", in{"InstanceProfileName": "p"}, "EntityAlreadyExists: Instance Profile p already exists."},
		{
			"DeleteInstanceProfile", in{"InstanceProfileName": "p"},
			"DeleteConflict: Cannot delete entity, must remove roles from instance profile first.",
		},
		{
			"AddRoleToInstanceProfile", in{"InstanceProfileName": "p", "RoleName": "r"},
			"LimitExceeded: Cannot exceed quota for InstanceSessionsPerInstanceProfile: 1",
		},
		{"GetInstanceProfile", in{"InstanceProfileName": "none"}, "NoSuchEntity: Instance Profile none cannot be found."},
		{
			"CreatePolicy", in{"PolicyName": "mine", "PolicyDocument": allow},
			"EntityAlreadyExists: A policy called mine already exists. Duplicate names are not allowed.",
		},
		{"DeletePolicy", in{"PolicyArn": local}, "DeleteConflict: Cannot delete a policy attached to entities."},
		{"DeletePolicyVersion", in{"PolicyArn": local, "VersionId": "v1"}, "DeleteConflict: Cannot delete the default version of a policy."},
		{
			"GetPolicyVersion", in{"PolicyArn": local, "VersionId": "v9"},
			"NoSuchEntity: Policy " + local.(string) + " version v9 does not exist or is not attachable.",
		},
		{
			"CreatePolicyVersion", in{"PolicyArn": readonly, "PolicyDocument": allow},
			"AccessDenied: Policy " + readonly + " is managed by AWS and cannot be changed.",
		},
		{"GetUser", in{"UserName": "u"}, "NoSuchEntity: The user with name u cannot be found."},
		{"GetAccountAuthorizationDetails", nil, "InvalidAction: The operation GetAccountAuthorizationDetails of iam is not implemented by Berth; docs/COMPATIBILITY.md lists what is built."},
		{"UpdateRole", in{"RoleName": "none"}, "NoSuchEntity: The role with name none cannot be found."},
	}
	before := w.db.View().Revision()
	for _, tt := range tests {
		if _, got := w.call(tt.op, tt.args); got != tt.want {
			t.Errorf("%s %v:\n got %s\nwant %s", tt.op, tt.args, got, tt.want)
		}
	}
	if after := w.db.View().Revision(); after != before {
		t.Errorf("refused calls wrote: revision %d, then %d", before, after)
	}
}

// A role is deleted as CloudFormation does it: profile, attached, inline.
func TestDeletionOrder(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.must("CreateRole", in{"RoleName": "r", "AssumeRolePolicyDocument": trust})
	w.must("CreateInstanceProfile", in{"InstanceProfileName": "p"})
	w.must("AddRoleToInstanceProfile", in{"InstanceProfileName": "p", "RoleName": "r"})
	w.must("AttachRolePolicy", in{"RoleName": "r", "PolicyArn": readonly})
	w.must("PutRolePolicy", in{"RoleName": "r", "PolicyName": "i", "PolicyDocument": allow})
	for _, step := range []struct {
		why, op string
		args    in
	}{
		{"must remove roles from instance profile first", "RemoveRoleFromInstanceProfile", in{"InstanceProfileName": "p", "RoleName": "r"}},
		{"must detach all policies first", "DetachRolePolicy", in{"RoleName": "r", "PolicyArn": readonly}},
		{"must delete policies first", "DeleteRolePolicy", in{"RoleName": "r", "PolicyName": "i"}},
	} {
		if _, err := w.call("DeleteRole", in{"RoleName": "r"}); !strings.Contains(err, step.why) {
			t.Errorf("%q, want %q", err, step.why)
		}
		w.must(step.op, step.args)
	}
	w.must("DeleteRole", in{"RoleName": "r"})
	w.must("DeleteInstanceProfile", in{"InstanceProfileName": "p"})
}

func TestRoleIsShown(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.must("CreateRole", in{
		"RoleName": "r", "Path": "/a/", "AssumeRolePolicyDocument": trust, "PermissionsBoundary": readonly,
		"Tags": []any{in{"Key": "k", "Value": "v"}},
	})
	w.must("UpdateRole", in{"RoleName": "r", "Description": "new", "MaxSessionDuration": 7200})
	r := w.must("GetRole", in{"RoleName": "r"})["Role"].(in)
	if r["Arn"] != "arn:aws:iam::000000000000:role/a/r" || r["Description"] != "new" || r["MaxSessionDuration"] != int64(7200) ||
		!strings.HasPrefix(r["RoleId"].(string), "AROA") || len(r["RoleId"].(string)) != 21 {
		t.Errorf("%v", r)
	}
	if doc := r["AssumeRolePolicyDocument"].(string); !strings.HasPrefix(doc, "%7B%22Version%22%3A%222012-10-17%22") {
		t.Errorf("not encoded: %s", doc)
	}
	if r["PermissionsBoundary"].(in)["PermissionsBoundaryArn"] != readonly || len(r["Tags"].([]any)) != 1 {
		t.Errorf("%v", r)
	}
	w.must("TagRole", in{"RoleName": "r", "Tags": []any{in{"Key": "k", "Value": "w"}, in{"Key": "l", "Value": ""}}})
	w.must("UntagRole", in{"RoleName": "r", "TagKeys": []string{"k"}})
	if tags := w.must("ListRoleTags", in{"RoleName": "r"})["Tags"].([]any); len(tags) != 1 || tags[0].(in)["Key"] != "l" {
		t.Errorf("%v", tags)
	}
}

func TestPages(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for _, n := range []string{"c", "a", "b", "e", "d"} {
		w.must("CreateRole", in{"RoleName": n, "AssumeRolePolicyDocument": trust})
	}
	var names []string
	args := in{"MaxItems": 2}
	for range 5 {
		out := w.must("ListRoles", args)
		for _, r := range out["Roles"].([]any) {
			names = append(names, r.(in)["RoleName"].(string))
		}
		if out["IsTruncated"] == false {
			break
		}
		args["Marker"] = out["Marker"]
	}
	if strings.Join(names, "") != "abcde" {
		t.Error(names)
	}
	if n := len(w.must("ListPolicies", in{"Scope": "AWS", "MaxItems": 1000})["Policies"].([]any)); n != 1000 {
		t.Error(n)
	}
}

func TestVersions(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	arn := w.must("CreatePolicy", in{"PolicyName": "p", "PolicyDocument": allow})["Policy"].(in)["Arn"]
	for range 4 {
		w.must("CreatePolicyVersion", in{"PolicyArn": arn, "PolicyDocument": allow, "SetAsDefault": true})
	}
	if _, err := w.call("CreatePolicyVersion", in{
		"PolicyArn": arn, "PolicyDocument": allow,
	}); !strings.HasPrefix(err, "LimitExceeded: A managed policy can have up to 5 versions.") {
		t.Error(err)
	}
	w.must("SetDefaultPolicyVersion", in{"PolicyArn": arn, "VersionId": "v2"})
	w.must("DeletePolicyVersion", in{"PolicyArn": arn, "VersionId": "v5"})
	if p := w.must("GetPolicy", in{"PolicyArn": arn})["Policy"].(in); p["DefaultVersionId"] != "v2" || p["AttachmentCount"] != int64(0) {
		t.Error(p)
	}
	if _, err := w.call("DeletePolicy", in{"PolicyArn": arn}); !strings.Contains(err, "more than one version") {
		t.Error(err)
	}
}

// A session of a role may do what its policies say and nothing else.
func TestSessionThroughTheFront(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.must("CreateRole", in{"RoleName": "r", "AssumeRolePolicyDocument": trust})
	w.must("PutRolePolicy", in{"RoleName": "r", "PolicyName": "i", "PolicyDocument": allow})
	me := ident.AsRole(place.GlobalARN("iam", "role/r"), "s")
	if _, err := w.Invoke(t.Context(), me, "iam", "GetRole", in{"RoleName": "r"}); err != nil {
		t.Error(err)
	}
	_, err := w.Invoke(t.Context(), me, "iam", "DeleteRole", in{"RoleName": "r"})
	want := "User: arn:aws:sts::000000000000:assumed-role/r/s is not authorized to perform: iam:DeleteRole on resource: " +
		"arn:aws:iam::000000000000:role/r because no identity-based policy allows the iam:DeleteRole action"
	if fault.MessageOf(err) != want {
		t.Error(err)
	}
	who, err := w.Invoke(t.Context(), me, "sts", "GetCallerIdentity", nil)
	if err != nil || who["Arn"] != me.ARN || !strings.HasSuffix(who["UserId"].(string), ":s") {
		t.Error(who, err)
	}
	if _, err := w.Invoke(t.Context(), me, "sts", "AssumeRole", in{
		"RoleArn": me.Role, "RoleSessionName": "tt",
	}); !fault.Is(err, fault.Denied) {
		t.Error("assumed without permission:", err)
	}
	if _, err := w.Invoke(t.Context(), ident.Root(place), "sts", "AssumeRole", in{
		"RoleArn": me.Role, "RoleSessionName": "tt", "DurationSeconds": 7200,
	}); err == nil || !strings.Contains(err.Error(), "MaxSessionDuration") {
		t.Error(err)
	}
	sim := w.must("SimulatePrincipalPolicy", in{
		"PolicySourceArn": me.Role, "ActionNames": []string{"iam:GetRole", "iam:DeleteRole"},
	})["EvaluationResults"].([]any)
	if sim[0].(in)["EvalDecision"] != "allowed" || sim[1].(in)["EvalDecision"] != "implicitDeny" {
		t.Error(sim)
	}
}

// TestAWSCLI assumes a role and acts as it with the stock AWS CLI.
func TestAWSCLI(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("short: the AWS CLI takes seconds")
	}
	if _, err := exec.LookPath("aws"); err != nil {
		t.Skip("no AWS CLI in PATH")
	}
	w := newWorld(t)
	srv := httptest.NewServer(w.Handler(front.Listener{}))
	t.Cleanup(srv.Close)
	run := func(key, secret, token, args string) string {
		cmd := exec.CommandContext(t.Context(), "aws", strings.Fields(args)...)
		cmd.Env = append(os.Environ(), "AWS_ENDPOINT_URL="+srv.URL, "AWS_ACCESS_KEY_ID="+key, "AWS_SECRET_ACCESS_KEY="+secret,
			"AWS_SESSION_TOKEN="+token,
			"AWS_DEFAULT_REGION="+place.Region, "AWS_MAX_ATTEMPTS=1", "AWS_PAGER=", "AWS_CONFIG_FILE=/dev/null")
		out, err := cmd.CombinedOutput()
		var exit *exec.ExitError
		if err != nil && !errors.As(err, &exit) {
			t.Fatal(err)
		}
		return strings.TrimSpace(string(out))
	}
	run("a", "b", "", "iam create-role --role-name r --assume-role-policy-document "+trust)
	run("a", "b", "", "iam put-role-policy --role-name r --policy-name i --policy-document "+allow)
	keys := strings.Fields(
		run(
			"a", "b", "",
			"sts assume-role --role-arn arn:aws:iam::000000000000:role/r --role-session-name cli --query "+
				"Credentials.[AccessKeyId,SecretAccessKey,SessionToken] --output text",
		),
	)
	if len(keys) != 3 {
		t.Fatal(keys)
	}
	for args, want := range map[string]string{
		"sts get-caller-identity --query Arn":                                                  `"arn:aws:sts::000000000000:assumed-role/r/cli"`,
		"iam get-role --role-name r --query Role.AssumeRolePolicyDocument.Statement[0].Effect": `"Allow"`,
		"iam delete-role --role-name r": "An error occurred (AccessDenied) when " +
			"calling the DeleteRole operation: User: arn:aws:sts::000000000000:assumed-role/r/cli is not authorized",
	} {
		if got := run(keys[0], keys[1], keys[2], args); !strings.Contains(got, want) {
			t.Errorf("%s: %s", args, got)
		}
	}
	if got := run(keys[0], "wrong", keys[2], "iam list-roles"); !strings.Contains(got, "(SignatureDoesNotMatch)") {
		t.Error(got)
	}
}
