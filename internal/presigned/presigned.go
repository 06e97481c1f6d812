// Package presigned has the addresses at which CloudFormation hears from those
// who have no credentials: a name below S3's, the key of what is told of, a
// moment until which the address holds, and a signature.
//
// A signature is a random text that whoever made the address keeps and compares
// (Address.Signed). The package keeps nothing. Source: AWS CloudFormation User
// Guide, "Custom resource request and response reference" and "VPC endpoint
// restrictions for CloudFormation" (the buckets' names).
package presigned

import (
	"crypto/subtle"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
)

// Responses is the bucket of custom resources' responses, without the Region.
const Responses = "cloudformation-custom-resource-response-"

// Address is one address.
type Address struct {
	// Bucket is the bucket's name without the Region.
	Bucket string
	// Stack, LogicalID and Act say what is told of.
	Stack, LogicalID, Act string
	Signature             string
	Expires               time.Time
}

// URL is the address in a Region.
func (a Address) URL(region string) string {
	q := url.Values{"Expires": {strconv.FormatInt(a.Expires.Unix(), 10)}, "Signature": {a.Signature}}
	return "https://" + a.Bucket + strings.ReplaceAll(region, "-", "") + ".s3." + region + ".amazonaws.com/" +
		url.PathEscape(a.Stack+"|"+a.LogicalID+"|"+a.Act) + "?" + q.Encode()
}

// Parse reads the address that a request is for; ok is false if it is for
// another name.
func Parse(r *http.Request, region string) (a Address, ok bool) {
	host := r.Host
	if h, _, err := net.SplitHostPort(host); err == nil {
		host = h
	}
	bucket, rest, _ := strings.Cut(strings.ToLower(host), ".")
	a.Bucket, ok = strings.CutSuffix(bucket, strings.ReplaceAll(region, "-", ""))
	if !ok || a.Bucket != Responses || rest != "s3."+region+".amazonaws.com" && rest != "s3.amazonaws.com" {
		return Address{}, false
	}
	parts := strings.Split(strings.TrimPrefix(r.URL.Path, "/"), "|")
	if len(parts) == 3 {
		a.Stack, a.LogicalID, a.Act = parts[0], parts[1], parts[2]
	}
	q := r.URL.Query()
	a.Signature = q.Get("Signature")
	if at, err := strconv.ParseInt(q.Get("Expires"), 10, 64); err == nil {
		a.Expires = time.Unix(at, 0)
	}
	return a, true
}

// Signed reports whether the address has a signature, in constant time.
func (a Address) Signed(signature string) bool {
	return signature != "" && subtle.ConstantTimeCompare([]byte(a.Signature), []byte(signature)) == 1
}
