package agent_test

import (
	"encoding/base64"
	"io"
	"net/http"
	"strings"
	"testing"

	"berth/internal/agent"
	"berth/internal/clock"
)

type trip func(*http.Request) (*http.Response, error)

func (t trip) RoundTrip(r *http.Request) (*http.Response, error) { return t(r) }

func said(r *http.Request, text string) *http.Response {
	return &http.Response{StatusCode: http.StatusOK, Header: http.Header{}, Body: io.NopCloser(strings.NewReader(text)), Request: r}
}

func TestOtherRegistriesAreReachedByTheMachinesOwnWay(t *testing.T) {
	var asked []*http.Request
	transport := trip(func(r *http.Request) (*http.Response, error) {
		switch {
		case strings.HasSuffix(r.URL.Path, "/api/token"):
			return said(r, "token"), nil
		case strings.HasSuffix(r.URL.Path, "/security-credentials/"):
			return said(r, "role"), nil
		case strings.HasSuffix(r.URL.Path, "/role"):
			return said(r, `{"AccessKeyId":"ASIA1","SecretAccessKey":"s","Token":"t","Expiration":"2050-01-01T00:00:00Z"}`), nil
		}
		asked = append(asked, r)
		return said(r, "{}"), nil
	})
	a, err := agent.New(agent.Deps{
		Config: agent.Config{Dir: t.TempDir(), Region: "eu-west-1", Metadata: "http://169.254.169.254"}, Transport: transport,
		Clock: clock.Real(t.Context()),
	})
	if err != nil {
		t.Fatal(err)
	}
	for image, want := range map[string]string{
		"nginx":            "https://registries.localhost/v2/x/manifests/y?ns=docker.io",
		"ghcr.io/a/b@bad":  "http://somewhere:5000/v2/x/manifests/y",
		"localhost:5000/a": "https://registries.localhost/v2/x/manifests/y?ns=localhost%3A5000",
		"123456789012.dkr.ecr.eu-west-1.amazonaws.com/a": "http://somewhere:5000/v2/x/manifests/y",
	} {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://somewhere:5000/v2/x/manifests/y", nil)
		if err != nil {
			t.Fatal(err)
		}
		resp, err := agent.Via(a, image, "me", "secret").RoundTrip(r)
		if err != nil || resp.Request.URL.Host != "somewhere:5000" {
			t.Fatalf("%s: %v, %v", image, resp, err)
		}
		_ = resp.Body.Close()
		last := asked[len(asked)-1]
		signed := strings.Contains(last.Header.Get("Authorization"), "Credential=ASIA1/")
		if last.URL.String() != want || signed != strings.Contains(want, "registries") {
			t.Errorf("%s is asked for at %s, signed %v", image, last.URL, signed)
		}
		login, _ := base64.URLEncoding.DecodeString(last.Header.Get("X-Registry-Auth"))
		if signed != (string(login) == `{"password":"secret","username":"me"}`) {
			t.Errorf("%s is asked for as %s", image, login)
		}
	}
}
