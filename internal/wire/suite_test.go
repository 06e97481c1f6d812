package wire_test

import (
	"bufio"
	"net/http"
	"strings"
	"testing"

	"berth/internal/wire"
)

// suite are cases of the test suite that AWS published for Signature Version 4,
// each as its request and the sum that signs it: key AKIDEXAMPLE, Region
// us-east-1, a service called service.
var suite = map[string]struct{ headers, body, sum string }{
	"GET / HTTP/1.1": {"", "", "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31"},
	"GET /?Param2=value2&Param1=value1 HTTP/1.1": {
		"", "", "b97d918cfa904a5beff61c982a1b6f458b799221646efd99d3219ec94cdf2500",
	},
	"GET /?Param1=value1 HTTP/1.1": {"", "", "a67d582fa61cc504c4bae71f336f98b97f1ea3c7a6bfe1b6e45aec72011b9aeb"},
	"GET /-._~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz HTTP/1.1": {
		"", "", "07ef7494c76fa4850883e2b006601f940f8a34d404d0cfa977f52a65bbf5f24f",
	},
	"GET / HTTP/1.0": {
		"My-Header1: value1\nMy-Header2: \"a   b   c\"\n", "", "acc3ed3afb60bb290fc8d2dd0098b9911fcaa05412b367055dee359757a9c736",
	},
	"POST / HTTP/1.1": {"", "", "5da7c1a2acd57cee7505fc6676e4e544621c30862966e37dddb68e92efbe5d6b"},
	"POST /?Param1=value1 HTTP/1.1": {
		"", "", "28038455d6de14eafc1f9222cf5aa6f1a96197d7deb8263271d420d138af7f11",
	},
	"POST / HTTP/1.0": {"My-Header1: value1\n", "", "c5410059b04c1ee005303aed430f6e6645f61f4dc9e1461ec8f8916fdf18852c"},
	"POST / HTTP/1.2": {
		"Content-Type: application/x-www-form-urlencoded\n", "Param1=value1", "ff11897932ad3f4e8b18135d722051e5ac45fc38421b1da7b9d196a0fe09473a",
	},
}

func TestTheSuiteOfAWS(t *testing.T) {
	t.Parallel()
	for line, c := range suite {
		names := []string{"host", "x-amz-date"}
		for h := range strings.Lines(c.headers) {
			name, _, _ := strings.Cut(strings.ToLower(h), ":")
			names = append(names, name)
		}
		sorted := map[int]string{2: "host;x-amz-date", 3: "host;my-header1;x-amz-date", 4: "host;my-header1;my-header2;x-amz-date"}[len(names)]
		if c.body != "" {
			sorted = "content-type;host;x-amz-date"
		}
		text := strings.NewReplacer("HTTP/1.2", "HTTP/1.1", "HTTP/1.0", "HTTP/1.1").Replace(line) + "\nHost:example.amazonaws.com\n" + c.headers +
			"X-Amz-Date:20150830T123600Z\nAuthorization: AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/us-east-1/service/aws4_request, " +
			"SignedHeaders=" + sorted + ", Signature=" + c.sum + "\n\n" + c.body
		r, err := http.ReadRequest(bufio.NewReader(strings.NewReader(strings.ReplaceAll(text, "\n", "\r\n"))))
		if err != nil {
			t.Fatal(line, err)
		}
		s, err := wire.ReadSignature(r)
		if err != nil {
			t.Fatal(line, err)
		}
		if err := s.Verify(r, []byte(c.body), secret); err != nil {
			t.Errorf("%s: %v", line, err)
		}
	}
}

// The operation of a JSON call stands in a header: it must be signed.
func TestTheTargetIsSigned(t *testing.T) {
	t.Parallel()
	r, err := http.ReadRequest(bufio.NewReader(strings.NewReader("POST / HTTP/1.1\r\nHost: h\r\nX-Amz-Target: A.B\r\n" +
		"X-Amz-Date: 20150830T123600Z\r\nAuthorization: AWS4-HMAC-SHA256 Credential=a/20150830/r/s/aws4_request, SignedHeaders=host;x-amz-date, Signature=0\r\n\r\n")))
	if err != nil {
		t.Fatal(err)
	}
	s, err := wire.ReadSignature(r)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Verify(r, nil, secret); err == nil || !strings.Contains(err.Error(), "x-amz-target") {
		t.Error(err)
	}
}
