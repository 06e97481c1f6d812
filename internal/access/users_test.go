package access_test

import (
	"strings"
	"testing"
	"time"

	"berth/internal/access"
	"berth/internal/fault"
	"berth/internal/ident"
	"berth/internal/model"
	"berth/internal/state"
	"berth/internal/store"
)

const (
	mayList   = `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"ecs:List*","Resource":"*"}]}`
	mayOwn    = `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"iam:*","Resource":"arn:aws:iam::*:user/${aws:username}"}]}`
	mayTagged = `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"logs:*","Resource":"*",` +
		`"Condition":{"StringEquals":{"aws:PrincipalTag/team":"web"}}}]}`
)

// withUsers has alice, who may list by her own policy and read log groups by
// her group's, and the boundary that is given.
func withUsers(t *testing.T, boundary string) (*access.Access, *state.DB, ident.Principal) {
	t.Helper()
	a, db := newAccess(t)
	alice := model.User{
		Name: "alice", ARN: place.GlobalARN("iam", "user/alice"), ID: "AIDAALICE", Groups: []string{"readers"}, Boundary: boundary,
		Inline: []model.InlinePolicy{{Name: "list", Document: mayList}, {Name: "own", Document: mayOwn}},
		Tags:   []model.Tag{{Key: "team", Value: "web"}},
	}
	readers := model.Group{
		Name: "readers", ARN: place.GlobalARN("iam", "group/readers"),
		Inline: []model.InlinePolicy{{Name: "logs", Document: mayTagged}}, Attached: []string{place.GlobalARN("iam", "policy/ours")},
	}
	ours := model.Policy{ARN: place.GlobalARN("iam", "policy/ours"), Name: "ours", Versions: []model.PolicyVersion{
		{ID: "v1", Document: allowAll}, {ID: "v2", Default: true, Document: strings.ReplaceAll(mayList, "ecs:List", "ec2:Describe")},
	}}
	bare := model.Policy{ARN: place.GlobalARN("iam", "policy/bare"), Name: "bare"}
	if err := db.Update(t.Context(), "api/iam", func(tx *store.Tx) error {
		for _, put := range []func() error{
			func() error { return state.Users.Put(tx, alice) }, func() error { return state.Groups.Put(tx, readers) },
			func() error { return state.Policies.Put(tx, ours) }, func() error { return state.Policies.Put(tx, bare) },
		} {
			if err := put(); err != nil {
				return err
			}
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	return a, db, ident.AsUser(alice.ARN)
}

// A user may do what its policies and its groups' allow, within its boundary.
func TestWhatAUserMayDo(t *testing.T) {
	t.Parallel()
	me, other := place.GlobalARN("iam", "user/alice"), place.GlobalARN("iam", "user/bob")
	for _, c := range []struct {
		boundary, action, resource string
		may                        bool
	}{
		{"", "ecs:ListClusters", "*", true}, {"", "ecs:CreateCluster", "*", false},
		{"", "iam:CreateAccessKey", me, true}, {"", "iam:CreateAccessKey", other, false},
		{"", "logs:DescribeLogGroups", "*", true}, {"", "ec2:DescribeVpcs", "*", true}, {"", "ec2:CreateVpc", "*", false},
		{place.GlobalARN("iam", "policy/ours"), "ec2:DescribeVpcs", "*", true},
		{place.GlobalARN("iam", "policy/ours"), "ecs:ListClusters", "*", false},
		{place.GlobalARN("iam", "policy/bare"), "ecs:ListClusters", "*", false},
		{place.GlobalARN("iam", "policy/none"), "ecs:ListClusters", "*", false},
	} {
		a, db, alice := withUsers(t, c.boundary)
		if err := a.Allow(db.View(), alice, c.action, c.resource, nil); (err == nil) != c.may {
			t.Errorf("%+v: %v", c, err)
		}
	}
}

// Services that do not name the resource when it is any leave it out of a
// refusal, and a denial is noted for who asks why.
func TestADenialIsWordedAndNoted(t *testing.T) {
	t.Parallel()
	a, db, alice := withUsers(t, "")
	for action, want := range map[string]string{
		"ecs:CreateCluster": "ecs:CreateCluster on resource: * because no identity-based policy allows the ecs:CreateCluster action",
		"ec2:CreateVpc":     "ec2:CreateVpc because no identity-based policy allows the ec2:CreateVpc action",
	} {
		err := a.Authorize(t.Context(), alice, action, []string{"*"}, nil)
		if want = "User: " + alice.ARN + " is not authorized to perform: " + want; fault.MessageOf(err) != want {
			t.Errorf("got %v, want %s", err, want)
		}
	}
	noted := 0
	for _, d := range state.Decisions.All(db.View()) {
		if d.Verb == "denied" && d.Subject == alice.ARN {
			noted++
		}
	}
	if noted != 2 {
		t.Errorf("%d denials are noted, want 2", noted)
	}
	if err := a.Authorize(t.Context(), alice, "ecs:ListClusters", []string{"*", "*"}, nil); err != nil {
		t.Error(err)
	}
}

// Who is nobody here may do nothing, and an agent of Fargate what those of
// managed instances may.
func TestStrangersAndAgents(t *testing.T) {
	t.Parallel()
	a, db, _ := withUsers(t, "")
	gone := ident.AsUser(place.GlobalARN("iam", "user/gone"))
	if err := a.Allow(db.View(), gone, "ecs:ListClusters", "*", nil); err == nil {
		t.Error("a user that is gone may list")
	}
	agent := ident.AsRole(place.GlobalARN("iam", model.ServiceRole), "i-1")
	if err := a.Allow(db.View(), agent, "ecs:DiscoverPollEndpoint", "*", nil); err != nil {
		t.Error(err)
	}
	if err := a.Allow(db.View(), agent, "ecs:DeleteCluster", "*", nil); err == nil {
		t.Error("an agent may delete clusters")
	}
}

// Keys tell whose they are; those of users are without an end until they are
// made inactive.
func TestKeysOfUsersAndTheRoot(t *testing.T) {
	t.Parallel()
	a, db, alice := withUsers(t, "")
	root, made, err := a.RootKey(t.Context())
	if err != nil || !made || !strings.HasPrefix(root.ID, "AKIA") {
		t.Fatalf("%+v, %v, %v", root, made, err)
	}
	if _, made, err := a.RootKey(t.Context()); made || err != nil {
		t.Errorf("a second key: %v, %v", made, err)
	}
	own := access.DrawKey(a.IDs, "alice", start)
	put := func(k model.AccessKey) {
		t.Helper()
		if err := db.Update(t.Context(), "api/iam", func(tx *store.Tx) error { return state.AccessKeys.Put(tx, k) }); err != nil {
			t.Fatal(err)
		}
	}
	put(own)
	forHour, err := a.MintUser(t.Context(), alice.ARN, alice.ARN, time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	ofRoot, err := a.MintUser(t.Context(), "", "root", time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		id, token, arn string
	}{
		{root.ID, "", ident.Root(place).ARN}, {own.ID, "", alice.ARN}, {forHour.AccessKeyID, forHour.Token, alice.ARN},
		{ofRoot.AccessKeyID, ofRoot.Token, ident.Root(place).ARN},
	} {
		k, ok, err := a.Key(t.Context(), c.id, c.token)
		if err != nil || !ok || k.Principal.ARN != c.arn {
			t.Errorf("%s is %+v, %v, %v; want %s", c.id, k.Principal, ok, err, c.arn)
		}
	}
	own.Inactive = true
	put(own)
	if _, _, err := a.Key(t.Context(), own.ID, ""); fault.CodeOf(err) != "InvalidClientTokenId" {
		t.Errorf("an inactive key: %v", err)
	}
}

// The last use of a key is told to the minute, and written once in it; what is no
// key without an end is not noted.
func TestTheLastUseOfAKey(t *testing.T) {
	t.Parallel()
	a, db, alice := withUsers(t, "")
	root, _, err := a.RootKey(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	temporary, err := a.MintUser(t.Context(), alice.ARN, alice.ARN, time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	minute := start.Truncate(time.Minute)
	for i, c := range []struct {
		at      time.Duration
		service string
		want    model.AccessKey
	}{
		{10 * time.Second, "ecs", model.AccessKey{UsedAt: minute, UsedService: "ecs"}},
		{50 * time.Second, "iam", model.AccessKey{UsedAt: minute, UsedService: "ecs"}},
		{61 * time.Second, "iam", model.AccessKey{UsedAt: minute.Add(time.Minute), UsedService: "iam"}},
		{30 * time.Second, "ec2", model.AccessKey{UsedAt: minute.Add(time.Minute), UsedService: "iam"}},
	} {
		a.Used(t.Context(), root.ID, minute.Add(c.at), c.service, place.Region)
		a.Used(t.Context(), temporary.AccessKeyID, minute.Add(c.at), c.service, place.Region)
		got, _ := state.AccessKeys.Get(db.View(), root.ID)
		if !got.UsedAt.Equal(c.want.UsedAt) || got.UsedService != c.want.UsedService || got.UsedRegion != place.Region {
			t.Errorf("after call %d: %+v, want %+v", i, got, c.want)
		}
	}
	if n := len(state.AccessKeys.All(db.View())); n != 1 {
		t.Errorf("%d keys, want 1", n)
	}
}
