package wire_test

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"
	"time"

	"berth/internal/fault"
	"berth/internal/ident"
	"berth/internal/wire"
)

const secret = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"

// vector is a request as botocore 1.43.11 signed it (testdata/sigv4.json).
type vector struct {
	Name, Method, URL, Body string
	Headers                 map[string]string
}

func (v vector) request() *http.Request {
	r := httptest.NewRequest(v.Method, v.URL, strings.NewReader(v.Body))
	for k, val := range v.Headers {
		r.Header.Set(k, val)
	}
	return r
}

func TestSignaturesOfBotocore(t *testing.T) {
	t.Parallel()
	b, err := os.ReadFile("testdata/sigv4.json")
	if err != nil {
		t.Fatal(err)
	}
	var vectors []vector
	if err := json.Unmarshal(b, &vectors); err != nil {
		t.Fatal(err)
	}
	for _, v := range vectors {
		t.Run(v.Name, func(t *testing.T) {
			t.Parallel()
			s, err := wire.ReadSignature(v.request())
			if err != nil || s == nil || s.AccessKey != "AKIDEXAMPLE" {
				t.Fatal(s, err)
			}
			if err := s.Verify(v.request(), []byte(v.Body), secret); err != nil {
				t.Error(err)
			}
			if err := s.Verify(v.request(), []byte(v.Body), secret+"x"); fault.CodeOf(err) != "SignatureDoesNotMatch" {
				t.Errorf("wrong key: %v", err)
			}
			if err := s.Verify(v.request(), []byte(v.Body+"x"), secret); fault.CodeOf(err) != "SignatureDoesNotMatch" {
				t.Errorf("changed body: %v", err)
			}
			other := v.request()
			other.URL.Path += "x"
			other.URL.RawPath = ""
			if err := s.Verify(other, []byte(v.Body), secret); err == nil {
				t.Error("changed path: verified")
			}
		})
	}
}

func TestSignVerifies(t *testing.T) {
	t.Parallel()
	body := []byte(`{"a":1}`)
	r := httptest.NewRequest(http.MethodPost, "https://ecs.eu-west-1.amazonaws.com/?b=2&a=1%2F", strings.NewReader(string(body)))
	r.Header.Set("X-Amz-Target", "X.Y")
	wire.Sign(r, body, ident.Key{ID: "ASIA", Secret: "s", Token: "t"}, "eu-west-1", "ecs", time.Date(2026, 11, 23, 7, 0, 0, 0, time.UTC))
	s, err := wire.ReadSignature(r)
	if err != nil || s.Token != "t" || s.Region != "eu-west-1" {
		t.Fatal(s, err)
	}
	if err := s.Verify(r, body, "s"); err != nil {
		t.Error(err)
	}
}

func TestSignaturesThatAreNone(t *testing.T) {
	t.Parallel()
	for auth, code := range map[string]string{
		"Bearer x":         "IncompleteSignature",
		"AWS4-HMAC-SHA256": "IncompleteSignature",
		// no date
		"AWS4-HMAC-SHA256 Credential=a/20261123/r/s/aws4_request, SignedHeaders=host, Signature=00":                    "IncompleteSignature",
		"AWS4-HMAC-SHA256 Credential=a/20261123/r/s/nonsense, SignedHeaders=host, Signature=00":                        "IncompleteSignature",
		"AWS4-HMAC-SHA256 Credential=a/b/c/20261123/r/s/aws4_request/, SignedHeaders=host;x-amz-date, Signature=,,,,=": "IncompleteSignature",
	} {
		r := httptest.NewRequest(http.MethodPost, "/", nil)
		r.Header.Set("Authorization", auth)
		if _, err := wire.ReadSignature(r); fault.CodeOf(err) != code {
			t.Errorf("%q: %v", auth, err)
		}
	}
	if s, err := wire.ReadSignature(httptest.NewRequest(http.MethodGet, "/", nil)); s != nil || err != nil {
		t.Error(s, err)
	}
}
