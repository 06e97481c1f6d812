package registry_test

import (
	"bytes"
	"net/http"
	"net/http/httptest"
	"net/url"
	"testing"
	"time"

	"berth/internal/ident"
	"berth/internal/registry"
)

// FuzzRequest holds that whatever a client asks, the fault is never ours.
func FuzzRequest(f *testing.F) {
	f.Add("GET", "/v2/", "", []byte{})
	f.Add(
		"PUT", "/v2/web/manifests/v1", "application/vnd.oci.image.manifest.v1+json",
		[]byte(`{"schemaVersion":2,"config":{"digest":"sha256:00"},"layers":[{}]}`),
	)
	f.Add("POST", "/v2/team/api/blobs/uploads/?mount=sha256:00&from=web", "", []byte{})
	f.Add("PATCH", "/v2/web/blobs/uploads/0000", "application/octet-stream", []byte("bytes"))
	f.Add("GET", "/v2/web/tags/list?n=-1&last=x", "", []byte{})
	f.Add("GET", "/v2/web/referrers/sha256:00", "", []byte{})
	server := registry.NewServer(newLab(f, f.TempDir()).deps)
	f.Fuzz(func(t *testing.T, method, path, contentType string, body []byte) {
		u, err := url.Parse(path)
		if err != nil {
			return
		}
		r := httptest.NewRequest(http.MethodGet, "/", bytes.NewReader(body))
		r.Method, r.URL = method, u
		r.Header.Set("Content-Type", contentType)
		w := httptest.NewRecorder()
		server.ServeHTTP(w, r)
		if w.Code >= 500 {
			t.Errorf("%s %s: %d %s", method, path, w.Code, w.Body)
		}
	})
}

// FuzzToken holds that a password is taken only if it was given.
func FuzzToken(f *testing.F) {
	at := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	tokens, err := registry.OpenTokens(f.TempDir(), ident.Seeded(1))
	if err != nil {
		f.Fatal(err)
	}
	given, _, err := tokens.Issue(ident.AsRole("arn:aws:iam::000000000000:role/r", "s"), at)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(given)
	f.Add("." + given)
	f.Add("e30.e30")
	f.Fuzz(func(t *testing.T, password string) {
		if p, err := tokens.Check(password, at); (err == nil) != (password == given) {
			t.Errorf("%q is %v, %v", password, p, err)
		}
	})
}
