package local_test

import (
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"berth/internal/clock"
	"berth/internal/ident"
	"berth/internal/machine"
	"berth/internal/machine/local"
)

func ask(h http.Handler, method, path string, headers ...string) (int, string) {
	r := httptest.NewRequest(method, path, nil)
	for i := 0; i+1 < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w.Code, w.Body.String()
}

func TestMetadataVersionTwoOnly(t *testing.T) {
	c := clock.NewStepped(time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC))
	keys := filepath.Join(t.TempDir(), "credentials.json")
	h := local.NewMetadata(machine.Spec{
		ID: "i-1", Type: "c6a.large", MAC: "02:00:00:00:00:01", VPC: "vpc-1", RoleName: "ecsInstanceRole",
		Tags: map[string]string{"Name": "x", "a/b": "y"},
	}, keys, c, ident.Seeded(1))
	if code, _ := ask(h, "GET", "/latest/meta-data/instance-id"); code != 401 {
		t.Errorf("version 1 answered %d", code)
	}
	for _, bad := range []string{"", "0", "21601", "x"} {
		if code, _ := ask(h, "PUT", "/latest/api/token", "X-aws-ec2-metadata-token-ttl-seconds", bad); code != 400 {
			t.Errorf("ttl %q answered %d", bad, code)
		}
	}
	if code, _ := ask(h, "PUT", "/latest/api/token", "X-aws-ec2-metadata-token-ttl-seconds", "60", "X-Forwarded-For", "1.2.3.4"); code != 403 {
		t.Errorf("a proxy got %d", code)
	}
	_, token := ask(h, "PUT", "/latest/api/token", "X-aws-ec2-metadata-token-ttl-seconds", "60")
	get := func(path string) (int, string) { return ask(h, "GET", path, "X-aws-ec2-metadata-token", token) }
	for path, want := range map[string]string{
		"/latest/meta-data/instance-id":                                      "i-1",
		"/latest/meta-data/network/interfaces/macs/02:00:00:00:00:01/vpc-id": "vpc-1",
		"/latest/meta-data/network/interfaces/macs/":                         "02:00:00:00:00:01/",
		"/latest/meta-data/tags/instance/":                                   "Name",
		"/latest/meta-data/placement/":                                       "availability-zone\navailability-zone-id\nregion",
	} {
		if code, body := get(path); code != 200 || body != want {
			t.Errorf("%s: %d %q, want %q", path, code, body, want)
		}
	}
	for _, path := range []string{
		"/latest/user-data", "/latest/meta-data/iam/security-credentials/", "/latest/meta-data/outpost-arn", "/", "/1.0",
	} {
		if code, _ := get(path); code != 404 {
			t.Errorf("%s: %d", path, code)
		}
	}
	if err := os.WriteFile(keys, []byte(`{"AccessKeyId":"ASIA1"}`), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, body := get("/latest/meta-data/iam/security-credentials/"); body != "ecsInstanceRole" {
		t.Errorf("role is %q", body)
	}
	if _, body := get("/latest/meta-data/iam/security-credentials/ecsInstanceRole"); !strings.Contains(body, "ASIA1") {
		t.Errorf("credentials are %q", body)
	}
	if _, body := get("/latest/dynamic/instance-identity/document"); !strings.Contains(body, `"instanceType": "c6a.large"`) {
		t.Errorf("document is %s", body)
	}
	c.Advance(time.Minute)
	if code, _ := get("/latest/meta-data/instance-id"); code != 401 {
		t.Errorf("an old token answered %d", code)
	}
}

// FuzzMetadata holds that whatever a container asks of its machine's metadata,
// the fault is never ours.
func FuzzMetadata(f *testing.F) {
	f.Add("GET", "/latest/meta-data/", "")
	f.Add("PUT", "/latest/api/token", "60")
	f.Add("GET", "/latest/dynamic/instance-identity/document", "")
	c := clock.NewStepped(time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC))
	h := local.NewMetadata(
		machine.Spec{ID: "i-1", Tags: map[string]string{"a/b": "y"}}, filepath.Join(f.TempDir(), "none"), c, ident.Seeded(1),
	)
	_, token := ask(h, "PUT", "/latest/api/token", "X-aws-ec2-metadata-token-ttl-seconds", "21600")
	f.Fuzz(func(t *testing.T, method, path, ttl string) {
		r := httptest.NewRequest(http.MethodGet, "/", nil)
		r.Method, r.URL.Path = method, path
		r.Header.Set("X-aws-ec2-metadata-token", token)
		r.Header.Set("X-aws-ec2-metadata-token-ttl-seconds", ttl)
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		if w.Code >= 500 {
			t.Errorf("%s %q: %d %s", method, path, w.Code, w.Body)
		}
	})
}
