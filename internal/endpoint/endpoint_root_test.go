//go:build root

package endpoint_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"os"
	"path/filepath"
	"testing"

	"berth/internal/clock"
	"berth/internal/endpoint"
	"berth/internal/kernel"
)

func TestRequestsCarryTheWayTheyCame(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("skipped: needs root for network namespaces")
	}
	dir := t.TempDir()
	path := filepath.Join(dir, "eni-1")
	ns, err := kernel.CreateNetns(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = ns.Close(); _ = kernel.DeleteNetns(path) })
	ca := open(t, t.TempDir(), clock.Real(t.Context()))
	s := endpoint.New(dir, ca, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		v, _ := endpoint.From(r.Context())
		fmt.Fprintf(w, "%s %s %s", v.Service, v.Endpoint, r.Host)
	}), slog.New(slog.DiscardHandler))
	at := netip.MustParseAddrPort("127.0.0.9:443")
	plain := netip.MustParseAddrPort("127.0.0.9:80")
	ls := []endpoint.Listener{
		{Namespace: "eni-1", Address: at, TLS: true, Via: endpoint.Via{Service: "ecs", Endpoint: "vpce-1"}},
		{
			Namespace: "eni-1", Address: plain, Via: endpoint.Via{Service: "s3"},
			Sources: map[netip.Addr]endpoint.Via{netip.MustParseAddr("127.0.0.1"): {Service: "s3", Endpoint: "vpce-2"}},
		},
	}
	if err := s.Set(t.Context(), ls); err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(ca.Bundle())
	client := &http.Client{Transport: &http.Transport{
		TLSClientConfig: &tls.Config{RootCAs: pool},
		DialContext: func(ctx context.Context, network, addr string) (net.Conn, error) {
			_, port, _ := net.SplitHostPort(addr)
			return ns.DialContext(ctx, network, "127.0.0.9:"+port)
		},
		ForceAttemptHTTP2: true, DisableKeepAlives: true,
	}}
	get := func(url string) string {
		r, err := client.Get(url)
		if err != nil {
			return err.Error()
		}
		defer r.Body.Close()
		b, _ := io.ReadAll(r.Body)
		return string(b)
	}
	if got := get("https://ecs.ap-northeast-1.amazonaws.com/"); got != "ecs vpce-1 ecs.ap-northeast-1.amazonaws.com" {
		t.Error(got)
	}
	ls[0].Via.Service = "logs"
	if err := s.Set(t.Context(), ls); err != nil {
		t.Fatal(err)
	}
	if got := get("https://logs.ap-northeast-1.amazonaws.com/"); got != "logs vpce-1 logs.ap-northeast-1.amazonaws.com" {
		t.Error(got)
	}
	if got := get("http://s3.ap-northeast-1.amazonaws.com/"); got != "s3 vpce-2 s3.ap-northeast-1.amazonaws.com" {
		t.Error(got)
	}
	if got := get("https://example.com/"); got == "" || got[:3] == "ecs" {
		t.Errorf("a certificate for a foreign name: %s", got)
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
	if c, err := ns.DialContext(t.Context(), "tcp", at.String()); err == nil {
		_ = c.Close()
		t.Error("still listens after Close")
	}
}
