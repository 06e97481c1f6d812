package balancer_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"io"
	"math/big"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"berth/internal/balancer"
)

// certificate makes a self-signed certificate for a name.
func certificate(t *testing.T, name string) balancer.Certificate {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	tpl := &x509.Certificate{
		SerialNumber: big.NewInt(1), DNSNames: []string{name}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
	}
	der, err := x509.CreateCertificate(rand.Reader, tpl, tpl, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	raw, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	return balancer.Certificate{
		Chain: string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})),
		Key:   string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: raw})),
	}
}

func TestTLSListenersSharingAPortWithPlainOnes(t *testing.T) {
	r := newRig(t)
	a, _ := backend(t, "a")
	r.group("g", a)
	r.cfg.LoadBalancers[0].Listeners[0].Certificates = []balancer.Certificate{certificate(t, "web-1.test.elb.localhost")}
	r.rules(balancer.Rule{ID: "d", Action: to(balancer.Weight{Group: "g", Weight: 1})})
	plain := r.cfg.LoadBalancers[0]
	plain.ID, plain.Host, plain.Nodes = "lb2", "plain.test.elb.localhost", nil
	plain.Listeners = []balancer.Listener{{ID: "l2", Port: r.port, Rules: []balancer.Rule{{ID: "d", Action: fixed(200, "plain")}}}}
	r.cfg.LoadBalancers = append(r.cfg.LoadBalancers, plain)
	r.set()
	secure := &http.Client{Transport: &http.Transport{
		DisableKeepAlives: true,
		TLSClientConfig:   &tls.Config{ServerName: "web-1.test.elb.localhost", InsecureSkipVerify: true}, // self-signed
	}}
	req, _ := http.NewRequestWithContext(t.Context(), http.MethodGet, "https://127.0.0.1:"+strconv.Itoa(r.port)+"/big", nil)
	req.Host = "web-1.test.elb.localhost"
	res, err := secure.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil || len(body) != 300<<10 || res.Header.Get("Got-X-Forwarded-Proto") != "https" ||
		res.TLS.PeerCertificates[0].DNSNames[0] != "web-1.test.elb.localhost" {
		t.Errorf("%d bytes, %v, %v", len(body), err, res.Header)
	}
	if got := r.raw("GET / HTTP/1.1\r\nHost: plain.test.elb.localhost\r\nConnection: close\r\n\r\n"); !strings.HasSuffix(got, "plain") {
		t.Errorf("plain: %q", got)
	}
}
