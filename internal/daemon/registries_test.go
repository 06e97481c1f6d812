package daemon_test

import (
	"net/http"
	"net/http/httptest"
	"testing"

	"berth/internal/daemon"
	"berth/internal/ident"
)

// A push under another registry's name is the root's alone, and reaches no
// repository of ours: neither for who has a password of another, nor for who has
// none where one is wanted.
func TestWhoPushesUnderAnotherRegistrysName(t *testing.T) {
	t.Parallel()
	place := ident.Place{Partition: "aws", Region: "ap-northeast-1", Account: "000000000000"}
	const ours = "000000000000.dkr.ecr.ap-northeast-1.amazonaws.com"
	said := func(name string) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte(name)) })
	}
	passwords := map[string]ident.Principal{
		"root": ident.Root(place), "user": ident.AsUser(place.GlobalARN("iam", "user/ann")),
		"task": ident.AsRole(place.GlobalARN("iam", "role/task"), "t-1"),
	}
	const refused = `{"errors":[{"code":"DENIED","message":"images of other registries are pushed by root on the server's own machine: ` +
		`berth image push"}]}` + "\n"
	for _, c := range []struct {
		what, query, password string
		open                  bool
		want                  string
	}{
		{"ours", "", "user", false, "own"},
		{"ours by name", "?ns=" + ours, "user", false, "own"},
		{"root on this machine", "?ns=docker.io", "", true, "others"},
		{"with the root's password", "?ns=docker.io", "root", true, "others"},
		{"with what is no password of ours", "?ns=docker.io", "made up", true, "others"},
		{"with a user's password", "?ns=docker.io", "user", true, refused},
		{"with a task's password", "?ns=docker.io", "task", true, refused},
		{"from elsewhere", "?ns=docker.io", "", false, refused},
		{"from elsewhere with the root's password", "?ns=docker.io", "root", false, refused},
		{"from elsewhere with a user's password", "?ns=docker.io", "user", false, refused},
		{"named twice", "?ns=docker.io&ns=" + ours, "user", false, refused},
	} {
		h := daemon.Registries(ours, said("own"), said("others"), c.open, func(password string) (ident.Principal, bool) {
			p, ok := passwords[password]
			return p, ok
		})
		r := httptest.NewRequest(http.MethodPut, "/v2/library/nginx/manifests/latest"+c.query, nil)
		if c.password != "" {
			r.SetBasicAuth("AWS", c.password)
		}
		rec := httptest.NewRecorder()
		h.ServeHTTP(rec, r)
		if got := rec.Body.String(); got != c.want || (rec.Code == http.StatusForbidden) != (c.want == refused) {
			t.Errorf("%s: %d %s, want %s", c.what, rec.Code, got, c.want)
		}
	}
}
