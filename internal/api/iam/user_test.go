package iam_test

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"berth/internal/front"
	"berth/internal/ident"
	"berth/internal/state"
	"berth/internal/wire"
)

// as calls over HTTP with a key, on a listener that wants one.
func (w world) as(k ident.Key, service, action string) string {
	w.t.Helper()
	body := "Action=" + action + "&Version=" + map[string]string{"iam": "2010-05-08", "sts": "2011-06-15"}[service]
	r := httptest.NewRequest(http.MethodPost, "https://berth.test/", strings.NewReader(body))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	wire.Sign(r, []byte(body), k, place.Region, service, start)
	rec := httptest.NewRecorder()
	w.Handler(front.Listener{Strict: true}).ServeHTTP(rec, r)
	b, err := io.ReadAll(rec.Body)
	if err != nil {
		w.t.Fatal(err)
	}
	return string(b)
}

// key makes a key of a user; "" is the root's.
func (w world) key(user string) ident.Key {
	w.t.Helper()
	args := in{}
	if user != "" {
		args["UserName"] = user
	}
	k := w.must("CreateAccessKey", args)["AccessKey"].(in)
	return ident.Key{ID: k["AccessKeyId"].(string), Secret: k["SecretAccessKey"].(string)}
}

// A user may do what its own and its groups' policies say, with its keys and
// with temporary ones, as long as they are active.
func TestAUserThroughTheFront(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.must("CreateUser", in{"UserName": "ann", "Path": "/dev/"})
	w.must("CreateGroup", in{"GroupName": "readers"})
	w.must("PutGroupPolicy", in{"GroupName": "readers", "PolicyName": "read", "PolicyDocument": allow})
	k := w.key("ann")
	has := func(answer string, want ...string) {
		t.Helper()
		for _, text := range want {
			if !strings.Contains(answer, text) {
				t.Errorf("%s\nwant %s", answer, text)
			}
		}
	}
	const denied = "User: arn:aws:iam::000000000000:user/dev/ann is not authorized to perform: iam:ListRoles because no identity-based policy allows " +
		"the iam:ListRoles action"
	has(w.as(k, "iam", "ListRoles"), "<Code>AccessDenied</Code>", denied)
	w.must("AddUserToGroup", in{"UserName": "ann", "GroupName": "readers"})
	has(w.as(k, "iam", "ListRoles"), "<ListRolesResult>")
	user, _ := state.Users.Get(w.db.View(), "ann")
	has(w.as(k, "sts", "GetCallerIdentity"), "<Arn>arn:aws:iam::000000000000:user/dev/ann</Arn>", "<UserId>"+user.ID+"</UserId>")

	session := w.as(k, "sts", "GetSessionToken")
	part := func(name string) string {
		_, rest, _ := strings.Cut(session, "<"+name+">")
		text, _, _ := strings.Cut(rest, "<")
		return text
	}
	temporary := ident.Key{ID: part("AccessKeyId"), Secret: part("SecretAccessKey"), Token: part("SessionToken")}
	has(w.as(temporary, "iam", "ListRoles"), "<ListRolesResult>")
	temporary.Token = ""
	has(w.as(temporary, "iam", "ListRoles"), "<Code>InvalidClientTokenId</Code>")

	w.must("UpdateAccessKey", in{"UserName": "ann", "AccessKeyId": k.ID, "Status": "Inactive"})
	has(w.as(k, "iam", "ListRoles"), "<Code>InvalidClientTokenId</Code>")
	w.must("UpdateAccessKey", in{"UserName": "ann", "AccessKeyId": k.ID, "Status": "Active"})
	has(w.as(k, "iam", "ListRoles"), "<ListRolesResult>")
	w.must("DeleteAccessKey", in{"UserName": "ann", "AccessKeyId": k.ID})
	has(w.as(k, "iam", "ListRoles"), "<Code>InvalidClientTokenId</Code>")

	root := w.key("")
	has(w.as(root, "iam", "DeleteAccountAlias"), "InvalidAction")
	has(w.as(root, "sts", "GetCallerIdentity"), "<Arn>arn:aws:iam::000000000000:root</Arn>")
}

// What a user has goes before it.
func TestAUserGoesLast(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.must("CreateUser", in{"UserName": "ann"})
	w.must("CreateGroup", in{"GroupName": "g"})
	w.must("AddUserToGroup", in{"UserName": "ann", "GroupName": "g"})
	w.must("AttachUserPolicy", in{"UserName": "ann", "PolicyArn": readonly})
	w.must("PutUserPolicy", in{"UserName": "ann", "PolicyName": "p", "PolicyDocument": allow})
	k := w.key("ann")
	for _, step := range []struct {
		lacks, op string
		args      in
	}{
		{"must delete access keys first", "DeleteAccessKey", in{"UserName": "ann", "AccessKeyId": k.ID}},
		{"must remove users from group first", "RemoveUserFromGroup", in{"UserName": "ann", "GroupName": "g"}},
		{"must detach all policies first", "DetachUserPolicy", in{"UserName": "ann", "PolicyArn": readonly}},
		{"must delete policies first", "DeleteUserPolicy", in{"UserName": "ann", "PolicyName": "p"}},
	} {
		if _, err := w.call("DeleteUser", in{"UserName": "ann"}); !strings.Contains(err, step.lacks) {
			t.Errorf("%s, want %s", err, step.lacks)
		}
		w.must(step.op, step.args)
	}
	w.must("DeleteUser", in{"UserName": "ann"})
	w.must("DeleteGroup", in{"GroupName": "g"})
}

// A user may look after its own keys without naming itself, by a policy for
// ${aws:username}, and goes on with them under another name.
func TestAUserOfAnotherName(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.must("CreateUser", in{"UserName": "ann"})
	w.must("CreateUser", in{"UserName": "ben"})
	w.must("PutUserPolicy", in{"UserName": "ann", "PolicyName": "own", "PolicyDocument": `{"Version":"2012-10-17","Statement":[` +
		`{"Effect":"Allow","Action":"iam:*AccessKey*","Resource":"arn:aws:iam::*:user/${aws:username}"}]}`})
	w.must("PutUserPolicy", in{"UserName": "ben", "PolicyName": "none", "PolicyDocument": `{"Version":"2012-10-17","Statement":[` +
		`{"Effect":"Allow","Action":"iam:*AccessKey*","Resource":"arn:aws:iam::*:user/other"}]}`})
	ann, ben := w.key("ann"), w.key("ben")
	own := func(k ident.Key, want string) {
		t.Helper()
		if got := w.as(k, "iam", "ListAccessKeys"); !strings.Contains(got, want) {
			t.Errorf("%s\nwant %s", got, want)
		}
	}
	own(ann, "<UserName>ann</UserName>")
	own(ben, "not authorized to perform: iam:ListAccessKeys on resource: arn:aws:iam::000000000000:user/ben")
	if _, err := w.call("UpdateUser", in{"UserName": "ann", "NewUserName": "BEN"}); !strings.HasPrefix(err, "EntityAlreadyExists") {
		t.Error(err)
	}
	own(ann, "<UserName>ann</UserName>") // nothing has changed
	w.must("UpdateUser", in{"UserName": "ann", "NewUserName": "anna"})
	own(ann, "<UserName>anna</UserName>")
	w.must("UpdateUser", in{"UserName": "anna", "NewPath": "/dev/"})
	if _, err := w.call("GetUser", in{"UserName": "ann"}); !strings.HasPrefix(err, "NoSuchEntity") {
		t.Error(err)
	}
	if got := w.must("GetUser", in{"UserName": "anna"})["User"].(in)["Arn"]; got != "arn:aws:iam::000000000000:user/dev/anna" {
		t.Error(got)
	}
}

// What a key last signed is told to who may ask about its user, whether the call
// was allowed or not.
func TestWhatAKeyWasLastUsedFor(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.must("CreateUser", in{"UserName": "ann"})
	k := w.key("ann")
	last := func() string {
		t.Helper()
		out := w.must("GetAccessKeyLastUsed", in{"AccessKeyId": k.ID})
		use := out["AccessKeyLastUsed"].(in)
		return fmt.Sprint(out["UserName"], " ", use["ServiceName"], " ", use["Region"], " ", use["LastUsedDate"])
	}
	if got, want := last(), "ann N/A N/A <nil>"; got != want {
		t.Errorf("never used: %s, want %s", got, want)
	}
	if got := w.as(k, "iam", "ListRoles"); !strings.Contains(got, "<Code>AccessDenied</Code>") {
		t.Errorf("%s", got)
	}
	if got, want := last(), fmt.Sprint("ann iam ", place.Region, " ", start.Truncate(time.Minute)); got != want {
		t.Errorf("used: %s, want %s", got, want)
	}
	ask := "GetAccessKeyLastUsed&AccessKeyId=" + k.ID
	const denied = "iam:GetAccessKeyLastUsed on resource: arn:aws:iam::000000000000:user/ann "
	if got := w.as(k, "iam", ask); !strings.Contains(got, denied) {
		t.Errorf("%s\nwant %s", got, denied)
	}
	const mayAsk = `{"Statement":{"Effect":"Allow","Action":"iam:GetAccessKeyLastUsed","Resource":"arn:aws:iam::*:user/ann"}}`
	w.must("PutUserPolicy", in{"UserName": "ann", "PolicyName": "ask", "PolicyDocument": mayAsk})
	if got := w.as(k, "iam", ask); !strings.Contains(got, "<ServiceName>iam</ServiceName>") {
		t.Errorf("%s", got)
	}
}

// A group under another name and path has its users and policies still.
func TestAGroupOfAnotherName(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.must("CreateUser", in{"UserName": "ann"})
	for _, g := range []string{"readers", "writers", "b"} {
		w.must("CreateGroup", in{"GroupName": g})
	}
	w.must("PutGroupPolicy", in{"GroupName": "readers", "PolicyName": "read", "PolicyDocument": allow})
	w.must("AddUserToGroup", in{"UserName": "ann", "GroupName": "readers"})
	w.must("AddUserToGroup", in{"UserName": "ann", "GroupName": "b"})
	k := w.key("ann")
	if _, err := w.call("UpdateGroup", in{"GroupName": "readers", "NewGroupName": "WRITERS"}); !strings.HasPrefix(err, "EntityAlreadyExists") {
		t.Error(err)
	}
	w.must("UpdateGroup", in{"GroupName": "readers", "NewGroupName": "all", "NewPath": "/dev/"})
	if got := w.must("GetGroup", in{"GroupName": "all"})["Group"].(in)["Arn"]; got != "arn:aws:iam::000000000000:group/dev/all" {
		t.Error(got)
	}
	if got := w.as(k, "iam", "ListRoles"); !strings.Contains(got, "<ListRolesResult>") {
		t.Errorf("%s", got)
	}
	if u, _ := state.Users.Get(w.db.View(), "ann"); !slices.Equal(u.Groups, []string{"all", "b"}) {
		t.Errorf("ann is in %v", u.Groups)
	}
	if _, err := w.call("GetGroup", in{"GroupName": "readers"}); !strings.HasPrefix(err, "NoSuchEntity") {
		t.Error(err)
	}
}
