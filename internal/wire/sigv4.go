package wire

import (
	"crypto/hmac"
	"encoding/hex"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"berth/internal/fault"
	"berth/internal/ident"
)

const (
	algorithm  = "AWS4-HMAC-SHA256"
	amzTime    = "20060102T150405Z"
	unsigned   = "UNSIGNED-PAYLOAD"
	emptyHash  = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
	tokenParam = "X-Amz-Security-Token"
)

// Signature is what a signed request says of itself, not yet verified.
type Signature struct {
	AccessKey string
	Date      string // of the credential scope
	Region    string
	Service   string
	Token     string // session token
	At        time.Time
	Presigned bool
	Expires   time.Duration // of a presigned request

	headers []string
	sum     string
}

// ReadSignature reads the signature of a request from its header or its query
// string. It is nil without an error if the request is not signed.
func ReadSignature(r *http.Request) (*Signature, error) {
	if auth := r.Header.Get("Authorization"); auth != "" {
		return readHeaderSignature(r, auth)
	}
	q := r.URL.Query()
	if q.Get("X-Amz-Algorithm") == "" {
		return nil, nil
	}
	return readQuerySignature(q)
}

func incomplete(format string, args ...any) error {
	return fault.New(fault.Invalid, "IncompleteSignature", format, args...)
}

func readHeaderSignature(r *http.Request, auth string) (*Signature, error) {
	rest, ok := strings.CutPrefix(auth, algorithm)
	if !ok {
		return nil, incomplete("Unsupported AWS 'algorithm': '%s'.", strings.SplitN(auth, " ", 2)[0])
	}
	s := &Signature{Token: r.Header.Get(tokenParam)}
	var scope string
	for f := range strings.SplitSeq(rest, ",") {
		k, v, _ := strings.Cut(strings.TrimSpace(f), "=")
		switch k {
		case "Credential":
			scope = v
		case "SignedHeaders":
			s.headers = strings.Split(v, ";")
		case "Signature":
			s.sum = v
		}
	}
	at := r.Header.Get("X-Amz-Date")
	if at == "" {
		if t, err := http.ParseTime(r.Header.Get("Date")); err == nil {
			at = t.UTC().Format(amzTime)
		}
	}
	return s.complete(scope, at)
}

func readQuerySignature(q url.Values) (*Signature, error) {
	if a := q.Get("X-Amz-Algorithm"); a != algorithm {
		return nil, incomplete("Unsupported AWS 'algorithm': '%s'.", a)
	}
	s := &Signature{
		Token: q.Get(tokenParam), Presigned: true, sum: q.Get("X-Amz-Signature"), headers: strings.Split(q.Get("X-Amz-SignedHeaders"), ";"),
	}
	if e := q.Get("X-Amz-Expires"); e != "" {
		d, err := time.ParseDuration(e + "s")
		if err != nil || d < 0 || d > 7*24*time.Hour {
			return nil, incomplete("X-Amz-Expires must be a number of seconds of at most a week.")
		}
		s.Expires = d
	}
	return s.complete(q.Get("X-Amz-Credential"), q.Get("X-Amz-Date"))
}

func (s *Signature) complete(scope, at string) (*Signature, error) {
	f := strings.Split(scope, "/")
	if len(f) < 5 || f[len(f)-1] != "aws4_request" {
		return nil, incomplete("Credential must have exactly 5 slash-delimited elements, e.g. keyid/date/region/service/term, got '%s'", scope)
	}
	n := len(f)
	s.AccessKey, s.Date, s.Region, s.Service = strings.Join(f[:n-4], "/"), f[n-4], f[n-3], f[n-2]
	if s.sum == "" || len(s.headers) == 0 || s.headers[0] == "" {
		return nil, incomplete("Authorization header requires 'Signature' and 'SignedHeaders' parameters.")
	}
	t, err := time.Parse(amzTime, at)
	if err != nil {
		return nil, incomplete("Date must be in ISO-8601 'basic format'. Got '%s'.", at)
	}
	s.At = t
	if !strings.HasPrefix(at, s.Date) {
		return nil, fault.New(
			fault.Denied, "SignatureDoesNotMatch",
			"Date in Credential scope does not match YYYYMMDD from ISO-8601 version of date from HTTP: '%s' != '%s', from '%s'.", s.Date, at[:8], at,
		)
	}
	return s, nil
}

// Verify holds the signature against the secret key. It looks at no clock:
// whether the time of the signature is near enough is the caller's question.
func (s *Signature) Verify(r *http.Request, body []byte, secret string) error {
	if !slices.Contains(s.headers, "host") {
		return fault.New(fault.Denied, "SignatureDoesNotMatch", "'Host' or ':authority' must be a 'SignedHeader' in the AWS Authorization.")
	}
	if r.Header.Get("X-Amz-Target") != "" && !slices.Contains(s.headers, "x-amz-target") { // it names the operation
		return fault.New(fault.Denied, "SignatureDoesNotMatch", "'x-amz-target' must be a 'SignedHeader' in the AWS Authorization.")
	}
	hash, err := s.payloadHash(r, body)
	if err != nil {
		return err
	}
	want := s.calculate(r, hash, secret)
	if !hmac.Equal([]byte(want), []byte(s.sum)) {
		return fault.New(fault.Denied, "SignatureDoesNotMatch",
			"The request signature we calculated does not match the signature you provided. Check your AWS Secret Access Key and signing method. "+
				"Consult the service documentation for details.")
	}
	return nil
}

func (s *Signature) payloadHash(r *http.Request, body []byte) (string, error) {
	said := r.Header.Get("X-Amz-Content-Sha256")
	switch {
	case said == "" && s.Presigned && s.Service == "s3":
		return unsigned, nil
	case said == "":
		return hash(body), nil
	case said == unsigned, strings.HasPrefix(said, "STREAMING-"):
		return said, nil
	case said != hash(body):
		return "", fault.New(
			fault.Denied, "SignatureDoesNotMatch", "The provided 'x-amz-content-sha256' header does not match what was computed.",
		)
	default:
		return said, nil
	}
}

func (s *Signature) calculate(r *http.Request, bodyHash, secret string) string {
	scope := strings.Join([]string{s.Date, s.Region, s.Service, "aws4_request"}, "/")
	text := strings.Join([]string{algorithm, s.At.Format(amzTime), scope, hash([]byte(s.canonical(r, bodyHash)))}, "\n")
	key := mac([]byte("AWS4"+secret), s.Date)
	for _, part := range []string{s.Region, s.Service, "aws4_request"} {
		key = mac(key, part)
	}
	return hex.EncodeToString(mac(key, text))
}

// Sign puts a signature into a request's headers. The body must be what will
// be sent.
func Sign(r *http.Request, body []byte, k ident.Key, region, service string, at time.Time) {
	r.Header.Set("X-Amz-Date", at.UTC().Format(amzTime))
	if k.Token != "" {
		r.Header.Set(tokenParam, k.Token)
	}
	s := &Signature{
		AccessKey: k.ID, Date: at.UTC().Format("20060102"), Region: region, Service: service, At: at.UTC(), headers: []string{"host"},
	}
	for h := range r.Header {
		if l := strings.ToLower(h); l == "content-type" || strings.HasPrefix(l, "x-amz-") {
			s.headers = append(s.headers, l)
		}
	}
	slices.Sort(s.headers)
	bodyHash := hash(body)
	if h := r.Header.Get("X-Amz-Content-Sha256"); h != "" {
		bodyHash = h
	}
	r.Header.Set("Authorization", fmt.Sprintf("%s Credential=%s/%s/%s/%s/aws4_request, SignedHeaders=%s, Signature=%s",
		algorithm, k.ID, s.Date, region, service, strings.Join(s.headers, ";"), s.calculate(r, bodyHash, k.Secret)))
}
