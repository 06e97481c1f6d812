package endpoint_test

import (
	"bytes"
	"crypto/x509"
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
