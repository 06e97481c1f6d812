package endpoint_test

import (
	"bytes"
	"crypto/x509"
	"net"
	"os"
	"path/filepath"
	"testing"
	"time"

	"berth/internal/clock"
	"berth/internal/endpoint"
	"berth/internal/fault"
)

func open(t *testing.T, dir string, c clock.Clock) *endpoint.CA {
	t.Helper()
	ca, err := endpoint.OpenCA(dir, c)
	if err != nil {
		t.Fatal(err)
	}
	return ca
}

func TestTheAuthoritySignsAWSNamesAndNoOthers(t *testing.T) {
	now := clock.NewStepped(time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC))
	dir := filepath.Join(t.TempDir(), "ca")
	ca := open(t, dir, now)
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(ca.Bundle())
	for _, name := range []string{
		"ecs.ap-northeast-1.amazonaws.com", "000000000000.dkr.ecr.ap-northeast-1.amazonaws.com", "web-1.ap-northeast-1.elb.localhost", "10.0.0.1",
	} {
		c, err := ca.Certificate(name)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if _, err := c.Leaf.Verify(x509.VerifyOptions{DNSName: name, Roots: pool, CurrentTime: now.Now()}); err != nil {
			t.Errorf("%s does not verify: %v", name, err)
		}
	}
	for _, name := range []string{"example.com", "amazonaws.com.evil.test", "xamazonaws.com", ""} {
		if _, err := ca.Certificate(name); !fault.Is(err, fault.Denied) {
			t.Errorf("%q: %v", name, err)
		}
	}
}

func TestTheAuthoritySurvivesAndCertificatesAreRenewed(t *testing.T) {
	now := clock.NewStepped(time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC))
	dir := t.TempDir()
	ca := open(t, dir, now)
	again := open(t, dir, now)
	if !bytes.Equal(ca.Bundle(), again.Bundle()) {
		t.Error("a second start made another authority")
	}
	if st, err := os.Stat(filepath.Join(dir, "ca-key.pem")); err != nil || st.Mode().Perm() != 0o600 {
		t.Errorf("key file: %v %v", st, err)
	}
	a, _ := ca.Certificate("sts.amazonaws.com")
	b, _ := ca.Certificate("sts.amazonaws.com")
	if a != b {
		t.Error("a certificate is made anew at each question")
	}
	now.Advance(90 * 24 * time.Hour)
	if c, err := ca.Certificate("sts.amazonaws.com"); err != nil || c == a {
		t.Errorf("a certificate that ends is still handed out (%v)", err)
	}
}

// What the authority may sign for beside AWS's names is in its certificate,
// and who trusted it before goes on with the names that it had.
func TestTheAuthorityIsPermittedNames(t *testing.T) {
	now := clock.NewStepped(time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC))
	dir := t.TempDir()
	ca := open(t, dir, now)
	before := x509.NewCertPool()
	before.AppendCertsFromPEM(ca.Bundle())
	mark := ca.Fingerprint()
	if err := ca.Permit([]string{"berth.example.com", "192.0.2.7"}); err != nil || ca.Fingerprint() == mark {
		t.Fatal(err, ca.Fingerprint())
	}
	again := open(t, dir, now)
	if err := again.Permit([]string{"berth.example.com"}); err != nil || again.Fingerprint() != ca.Fingerprint() {
		t.Errorf("certified anew for nothing: %v", err)
	}
	after := x509.NewCertPool()
	after.AppendCertsFromPEM(again.Bundle())
	for _, c := range []struct {
		ca         *endpoint.CA
		ask, check string
		roots      *x509.CertPool
		ok         bool
	}{
		{ca, "berth.example.com", "berth.example.com", after, true}, {ca, "berth.example.com", "berth.example.com", before, false},
		{ca, "sts.amazonaws.com", "sts.amazonaws.com", before, true}, {ca, "10.0.0.1", "192.0.2.7", after, true},
	} {
		leaf, err := c.ca.Certificate(c.ask)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := leaf.Leaf.Verify(x509.VerifyOptions{DNSName: c.check, Roots: c.roots, CurrentTime: now.Now()}); (err == nil) != c.ok {
			t.Errorf("%s as %s: %v", c.ask, c.check, err)
		}
		if cn := leaf.Leaf.Subject.CommonName; cn != "" && net.ParseIP(cn) != nil {
			t.Errorf("the common name %s is in no permitted domain: OpenSSL refuses the certificate", cn)
		}
	}
}
