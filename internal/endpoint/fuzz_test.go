package endpoint_test

import (
	"crypto/tls"
	"net"
	"strings"
	"testing"

	"berth/internal/clock"
	"berth/internal/endpoint"
)

// FuzzServerName: whatever name a client asks for, it gets a certificate that
// holds for it, or none.
func FuzzServerName(f *testing.F) {
	for _, n := range []string{
		"ecs.eu-west-3.amazonaws.com", "EXAMPLE.com", "127.0.0.1", "", ".amazonaws.com", "a..amazonaws.com", "*.amazonaws.com",
		"x\x00.amazonaws.com", "é.amazonaws.com",
	} {
		f.Add(n)
	}
	ca, err := endpoint.OpenCA(f.TempDir(), clock.Real(f.Context()))
	if err != nil {
		f.Fatal(err)
	}
	get := ca.TLS().GetCertificate
	f.Fuzz(func(t *testing.T, name string) {
		c, err := get(&tls.ClientHelloInfo{ServerName: name})
		if err != nil {
			return
		}
		host := strings.ToLower(strings.TrimSuffix(name, "."))
		if ip := net.ParseIP(host); ip != nil {
			host = ip.String()
		}
		if err := c.Leaf.VerifyHostname(host); err != nil {
			t.Errorf("%q: %v", name, err)
		}
	})
}
