package access_test

import (
	"strings"
	"testing"
	"time"

	"berth/internal/access"
	"berth/internal/clock"
	"berth/internal/control"
	"berth/internal/fault"
	"berth/internal/ident"
	"berth/internal/lang/policy"
	"berth/internal/model"
	"berth/internal/state"
	"berth/internal/store"
)

var start = time.Date(2026, 11, 23, 7, 0, 0, 0, time.UTC)

var place = ident.Place{Partition: "aws", Region: "ap-northeast-1", Account: "000000000000"}

const (
	infraPolicy    = "arn:aws:iam::aws:policy/AmazonECSInfrastructureRolePolicyForManagedInstances"
	instancePolicy = "arn:aws:iam::aws:policy/AmazonECSInstanceRolePolicyForManagedInstances"
	allowAll       = `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"*","Resource":"*"}]}`
)

func trust(principal string) string {
	return `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":` + principal + `,"Action":"sts:AssumeRole"}]}`
}

func role(name, trustPolicy string) model.Role {
	return model.Role{Name: name, ARN: place.GlobalARN("iam", "role/"+name), ID: "AROA" + name, Path: "/", Trust: trustPolicy}
}

func newAccess(t *testing.T, roles ...model.Role) (*access.Access, *state.DB) {
	t.Helper()
	db, err := state.Open(t.Context(), store.NewMemory(), true)
	if err != nil {
		t.Fatal(err)
	}
	err = db.Update(t.Context(), "api/iam", func(tx *store.Tx) error {
		for _, r := range roles {
			if err := state.Roles.Put(tx, r); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return access.New(access.Deps{DB: db, Clock: clock.NewStepped(start), IDs: ident.Seeded(1), Place: place}), db
}

func TestAssumeByAService(t *testing.T) {
	t.Parallel()
	r := role("infra", trust(`{"Service":"ecs.amazonaws.com"}`))
	a, db := newAccess(t, r)
	p, err := a.Assume(db.View(), control.Assumption{Service: "ecs.amazonaws.com", Role: r.ARN, Session: "ECSManagedInstances"})
	if err != nil || p.ARN != "arn:aws:sts::000000000000:assumed-role/infra/ECSManagedInstances" || p.Role != r.ARN {
		t.Error(p, err)
	}
	for service, arn := range map[string]string{"ecs-tasks.amazonaws.com": r.ARN, "ecs.amazonaws.com": r.ARN + "x"} {
		_, err := a.Assume(db.View(), control.Assumption{Service: service, Role: arn, Session: "s"})
		want := "User: " + service + " is not authorized to perform: sts:AssumeRole on resource: " + arn
		if !fault.Is(err, fault.Denied) || fault.MessageOf(err) != want {
			t.Error(err)
		}
	}
}

// A trust policy may name the account and the resource that the service acts
// for, as AWS's guides advise against a confused deputy; another's account or
// resource is refused, and so is a service that names none.
func TestAssumeForAResource(t *testing.T) {
	t.Parallel()
	conditions := func(text string) string {
		return `{"Version":"2012-10-17","Statement":{"Effect":"Allow","Principal":{"Service":"ecs-tasks.amazonaws.com"},
			"Action":"sts:AssumeRole","Condition":` + text + `}}`
	}
	const task = "arn:aws:ecs:us-east-1:000000000000:task/c/1"
	for name, c := range map[string]struct {
		trust, source string
		refused       bool
	}{
		"the guide's":          {`{"ArnLike":{"aws:SourceArn":"arn:aws:ecs:us-east-1:000000000000:*"},"StringEquals":{"aws:SourceAccount":"000000000000"}}`, task, false},
		"its account":          {`{"StringEquals":{"AWS:sourceaccount":"000000000000"}}`, task, false},
		"another account":      {`{"StringEquals":{"aws:SourceAccount":"111122223333"}}`, task, true},
		"another's resource":   {`{"ArnLike":{"aws:SourceArn":"arn:aws:ecs:us-east-1:111122223333:*"}}`, task, true},
		"a Region":             {`{"StringEquals":{"aws:RequestedRegion":"ap-northeast-1"}}`, task, false},
		"who names no account": {`{"StringEquals":{"aws:SourceAccount":"000000000000"}}`, "", true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := role("r", conditions(c.trust))
			a, db := newAccess(t, r)
			_, err := a.Assume(db.View(), control.Assumption{Service: "ecs-tasks.amazonaws.com", Role: r.ARN, Session: "s", For: c.source})
			if fault.Is(err, fault.Denied) != c.refused || err != nil && !c.refused {
				t.Error(err)
			}
		})
	}
}

// The infrastructure role may pass only roles called ecsInstanceRole…:
// docs/facts/managed-instances.md MI110 has the text that AWS answers otherwise.
//
// Proves: MI43, MI44
func TestPassRoleOfTheInfrastructureRole(t *testing.T) {
	t.Parallel()
	r := role("infra", trust(`{"Service":"ecs.amazonaws.com"}`))
	r.Attached = []string{infraPolicy}
	a, db := newAccess(t, r)
	p := ident.AsRole(r.ARN, "ECSManagedInstances")
	keys := map[string]string{"iam:PassedToService": "ec2.amazonaws.com"}
	if err := a.Allow(db.View(), p, "iam:PassRole", place.GlobalARN("iam", "role/ecsInstanceRole-dev"), keys); err != nil {
		t.Error(err)
	}
	for _, name := range []string{"ecsInstancerole-dev", "instance", "x/ecsInstanceRole"} {
		arn := place.GlobalARN("iam", "role/"+name)
		err := a.Allow(db.View(), p, "iam:PassRole", arn, keys)
		want := "User: arn:aws:sts::000000000000:assumed-role/infra/ECSManagedInstances is not authorized to perform: iam:PassRole on resource: " + arn +
			" because no identity-based policy allows the iam:PassRole action"
		if fault.MessageOf(err) != want {
			t.Errorf("%v\nwant %s", err, want)
		}
	}
	if err := a.Allow(db.View(), p, "iam:PassRole", place.GlobalARN("iam", "role/ecsInstanceRole"), map[string]string{
		"iam:PassedToService": "ecs.amazonaws.com",
	}); err == nil {
		t.Error("passed to another service")
	}
}

func TestInstanceRoleMayRegister(t *testing.T) {
	t.Parallel()
	r := role("ecsInstanceRole-dev", trust(`{"Service":"ec2.amazonaws.com"}`))
	r.Attached = []string{instancePolicy}
	a, db := newAccess(t, r)
	p := ident.AsRole(r.ARN, "i-1")
	for action, resource := range map[string]string{
		"ecs:DiscoverPollEndpoint": "*", "ecs:RegisterContainerInstance": place.ARN("ecs", "cluster/c"),
		"ecs:Poll":                  place.ARN("ecs", "container-instance/c/1"),
		"ecs:StartTelemetrySession": place.ARN("ecs", "container-instance/c/1"), "ecs:SubmitTaskStateChange": place.ARN("ecs", "cluster/c"),
	} {
		if err := a.Allow(db.View(), p, action, resource, nil); err != nil {
			t.Error(err)
		}
	}
	if err := a.Allow(db.View(), p, "ecs:RunTask", "*", nil); err == nil {
		t.Error("RunTask allowed")
	}
}

// An instance of the user's own may signal, whatever its role may do, as long as it
// lives; others of that role may not.
func TestAnInstanceMaySignal(t *testing.T) {
	t.Parallel()
	r, other := role("web", trust(`{"Service":"ec2.amazonaws.com"}`)), role("other", trust(`"*"`))
	a, db := newAccess(t, r, other)
	profile := model.InstanceProfile{Name: "p", ARN: "arn:aws:iam::000000000000:instance-profile/p", Roles: []string{"web"}}
	if err := db.Update(t.Context(), "api/iam", func(tx *store.Tx) error { return state.InstanceProfiles.Put(tx, profile) }); err != nil {
		t.Fatal(err)
	}
	for id, i := range map[string]model.Instance{
		"i-1": {Kind: model.KindEC2, State: model.InstanceRunning}, "i-2": {State: model.InstanceRunning},
		"i-3": {Kind: model.KindEC2, State: model.InstanceTerminated},
	} {
		i.ID, i.ProfileARN = id, profile.ARN
		if err := db.Update(t.Context(), "api/ec2", func(tx *store.Tx) error { return state.Instances.Put(tx, i) }); err != nil {
			t.Fatal(err)
		}
	}
	for _, c := range []struct {
		session, action string
		may             bool
	}{
		{"i-1", "cloudformation:SignalResource", true}, {"i-1", "cloudformation:DescribeStackResource", true},
		{"i-1", "cloudformation:DeleteStack", false}, {"i-2", "cloudformation:SignalResource", false},
		{"i-3", "cloudformation:SignalResource", false}, {"me", "cloudformation:SignalResource", false},
	} {
		if err := a.Allow(db.View(), ident.AsRole(r.ARN, c.session), c.action, "*", nil); (err == nil) != c.may {
			t.Errorf("%s %s: %v", c.session, c.action, err)
		}
	}
	if a.Allow(db.View(), ident.AsRole(other.ARN, "i-1"), "cloudformation:SignalResource", "*", nil) == nil {
		t.Error("a session of another role, called as an instance, may signal")
	}
}

func TestDenials(t *testing.T) {
	t.Parallel()
	deny := role("deny", trust(`"*"`))
	deny.Inline = []model.InlinePolicy{
		{Name: "a", Document: allowAll},
		{Name: "d", Document: `{"Statement":{"Sid":"no","Effect":"Deny","Action":"ecs:RunTask","Resource":"*"}}`},
	}
	bound := role("bound", trust(`"*"`))
	bound.Inline, bound.Boundary = deny.Inline[:1], instancePolicy
	nameOnly := role("names", trust(`"*"`))
	nameOnly.Attached = []string{"arn:aws:iam::aws:policy/AIDevOpsAgentFullAccess"}
	a, db := newAccess(t, deny, bound, nameOnly)
	for r, want := range map[string]string{
		deny.ARN: "User: arn:aws:sts::000000000000:assumed-role/deny/s is not authorized to perform: ecs:RunTask on resource: * with an " +
			"explicit deny in an identity-based policy",
		bound.ARN: "User: arn:aws:sts::000000000000:assumed-role/bound/s is not authorized to perform: ecs:RunTask on resource: * because " +
			"no permissions boundary allows the ecs:RunTask action",
		nameOnly.ARN: "User: arn:aws:sts::000000000000:assumed-role/names/s is not authorized to perform: ecs:RunTask on resource: * because " +
			"no identity-based policy allows the ecs:RunTask action (Berth does not have the document of " +
			"arn:aws:iam::aws:policy/AIDevOpsAgentFullAccess)",
	} {
		err := a.Authorize(t.Context(), ident.AsRole(r, "s"), "ecs:RunTask", []string{"*"}, nil)
		if !fault.Is(err, fault.Denied) || fault.MessageOf(err) != want {
			t.Errorf("%v\nwant %s", err, want)
		}
	}
	notes := state.Decisions.By(db.View(), "subject", deny.ARN)
	if len(notes) != 1 || notes[0].Reason != "ecs:RunTask on *: denied by statement 1 (no) of policy d" {
		t.Errorf("%+v", notes)
	}
	if err := a.Allow(db.View(), ident.AsRole(deny.ARN, "s"), "ecs:StopTask", "*", nil); err != nil {
		t.Error(err)
	}
	if err := a.Allow(db.View(), ident.Root(place), "x:y", "*", nil); err != nil {
		t.Error(err)
	}
	if err := a.Allow(db.View(), ident.AsRole(place.GlobalARN("iam", "role/gone"), "s"), "x:y", "*", nil); !fault.Is(err, fault.Denied) {
		t.Error("a role that is gone may act:", err)
	}
}

// The policy of a repository or a function lets in whom it names, and keeps
// out whom it denies; the policy of a VPC endpoint bounds what comes through.
func TestPoliciesOfResourcesAndEndpoints(t *testing.T) {
	t.Parallel()
	may := role("may", trust(`"*"`))
	may.Inline = []model.InlinePolicy{{Name: "a", Document: allowAll}}
	bare := role("bare", trust(`"*"`))
	a, db := newAccess(t, may, bare)
	web, hook := place.ARN("ecr", "repository/web"), place.ARN("lambda", "function:hook")
	write := func(writer string, f func(tx *store.Tx) error) {
		t.Helper()
		if err := db.Update(t.Context(), writer, f); err != nil {
			t.Fatal(err)
		}
	}
	write("api/ecr", func(tx *store.Tx) error {
		return state.Repositories.Put(tx, model.Repository{
			Name: "web", ARN: web,
			Policy: `{"Statement":[{"Effect":"Deny","Principal":"*","Action":"ecr:PutImage"},{"Effect":"Allow","Principal":{"AWS":"` + bare.ARN +
				`"},"Action":"ecr:BatchGetImage"}]}`,
		})
	})
	write("api/lambda", func(tx *store.Tx) error {
		return state.Functions.Put(tx, model.Function{
			Name: "hook", ARN: hook,
			Policy: `{"Version":"2012-10-17","Statement":[{"Sid":"s","Effect":"Allow","Principal":{"AWS":"` + bare.ARN +
				`"},"Action":"lambda:InvokeFunction","Resource":"` + hook + `"}]}`,
		})
	})
	write("api/ec2", func(tx *store.Tx) error {
		return state.VPCEndpoints.Put(tx, model.VPCEndpoint{
			ID: "vpce-1", Policy: `{"Statement":{"Effect":"Allow","Principal":"*","Action":"ecr:*","Resource":"*"}}`,
		})
	})
	through := map[string]string{"aws:SourceVpce": "vpce-1"}
	for _, c := range []struct {
		role, action, resource string
		keys                   map[string]string
		want                   string // end of the refusal; "" is allowed
	}{
		{may.ARN, "ecr:BatchGetImage", web, nil, ""},
		{may.ARN, "ecr:PutImage", web, nil, "on resource: " + web + " with an explicit deny in a resource-based policy"},
		{may.ARN, "ecr:PutImage", place.ARN("ecr", "repository/other"), nil, ""},
		{bare.ARN, "ecr:BatchGetImage", web, nil, ""},
		{bare.ARN, "ecr:ListImages", web, nil, "because no identity-based policy allows the ecr:ListImages action"},
		{bare.ARN, "lambda:InvokeFunction", hook, nil, ""},
		{bare.ARN, "lambda:InvokeFunction", hook + "2", nil, "because no identity-based policy allows the lambda:InvokeFunction action"},
		{may.ARN, "ecr:BatchGetImage", web, through, ""},
		{may.ARN, "ecs:RunTask", "*", through, "because no VPC endpoint policy allows the ecs:RunTask action"},
		{bare.ARN, "ecr:ListImages", web, through, "because no identity-based policy allows the ecr:ListImages action"},
	} {
		err := a.Allow(db.View(), ident.AsRole(c.role, "s"), c.action, c.resource, c.keys)
		if (err == nil) != (c.want == "") || err != nil && !strings.HasSuffix(fault.MessageOf(err), c.want) {
			t.Errorf("%s on %s by %s: %v, want %q", c.action, c.resource, c.role, err, c.want)
		}
	}
}

func TestAssumeByACaller(t *testing.T) {
	t.Parallel()
	caller := role("caller", trust(`"*"`))
	caller.Inline = []model.InlinePolicy{
		{
			Name:     "a",
			Document: `{"Statement":{"Effect":"Allow","Action":"sts:AssumeRole","Resource":"` + place.GlobalARN("iam", "role/byaccount") + `"}}`,
		},
	}
	byAccount := role("byaccount", trust(`{"AWS":"000000000000"}`))
	other := role("other", trust(`{"AWS":"000000000000"}`))
	byName := role("byname", trust(`{"AWS":"`+caller.ARN+`"}`))
	external := role(
		"external",
		`{"Statement":{"Effect":"Allow","Principal":{"AWS":"`+caller.ARN+`"},"Action":"sts:AssumeRole",`+
			`"Condition":{"StringEquals":{"sts:ExternalId":"e"}}}}`,
	)
	a, db := newAccess(t, caller, byAccount, other, byName, external)
	me := ident.AsRole(caller.ARN, "s")
	for arn, allowed := range map[string]bool{byAccount.ARN: true, other.ARN: false, byName.ARN: true, external.ARN: false} {
		if _, err := a.AssumeBy(db.View(), me, arn, "n", nil); (err == nil) != allowed {
			t.Errorf("%s: %v", arn, err)
		}
	}
	if _, err := a.AssumeBy(db.View(), me, external.ARN, "n", map[string]string{"sts:ExternalId": "e"}); err != nil {
		t.Error(err)
	}
	if _, err := a.AssumeBy(db.View(), ident.Root(place), other.ARN, "n", nil); err != nil {
		t.Error(err)
	}
}

func TestKeys(t *testing.T) {
	t.Parallel()
	a, db := newAccess(t)
	arn := place.GlobalARN("iam", "role/r")
	c, err := a.Mint(t.Context(), arn, "s", "i-1", time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	k, ok, err := a.Key(t.Context(), c.AccessKeyID, c.Token)
	if err != nil || !ok || k.Secret != c.Secret || k.Principal.Role != arn || !k.Expires.Equal(start.Add(time.Hour)) {
		t.Error(k, ok, err)
	}
	if _, ok, err := a.Key(t.Context(), "AKIASTRANGER", ""); ok || err != nil {
		t.Error(ok, err)
	}
	if err := db.Update(t.Context(), "access", func(tx *store.Tx) error { return state.Credentials.Delete(tx, c.AccessKeyID) }); err != nil {
		t.Fatal(err)
	}
	if _, _, err := a.Key(t.Context(), c.AccessKeyID, c.Token); fault.CodeOf(err) != "ExpiredToken" {
		t.Error("a removed key passes for a stranger's:", err)
	}
}

func TestManaged(t *testing.T) {
	t.Parallel()
	all, err := access.ManagedPolicies()
	if err != nil || len(all) < 1400 {
		t.Fatal(len(all), err)
	}
	p, ok := access.Managed("arn:aws-cn:iam::aws:policy/AmazonECSInfrastructureRolePolicyForManagedInstances")
	if !ok || p.Version != "v11" || p.Path != "/" || p.Document == "" {
		t.Error(p.Version, p.Path, ok)
	}
	if p, _ := access.Managed("arn:aws:iam::aws:policy/service-role/AmazonECSTaskExecutionRolePolicy"); p.Path != "/service-role/" {
		t.Errorf("%+v", p)
	}
	if _, ok := access.Managed("arn:aws:iam::aws:policy/AmazonECSInfrastructureRolePolicyForManagedinstances"); ok {
		t.Error("a wrong name was found")
	}
}

// Every document that is shipped can be read by our own language.
func TestManagedDocumentsParse(t *testing.T) {
	t.Parallel()
	all, err := access.ManagedPolicies()
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	for _, p := range all {
		if p.Document == "" {
			continue
		}
		n++
		if _, err := policy.Check(policy.Identity, p.Document); err != nil {
			t.Errorf("%s: %v", p.Name, err)
		}
	}
	if n < 140 {
		t.Errorf("%d documents", n)
	}
}
