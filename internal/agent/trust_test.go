package agent_test

import (
	"encoding/pem"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"testing"

	"berth/internal/agent"
)

// The test server's certificate is for example.com and 127.0.0.1.
func TestTheAgentTrustsTheEndpointsAuthorityForTheNamesThatItCertifies(t *testing.T) {
	srv := httptest.NewTLSServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	defer srv.Close()
	ca := filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(ca, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: srv.Certificate().Raw}), 0o600); err != nil {
		t.Fatal(err)
	}
	_, port, err := net.SplitHostPort(srv.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		file, host string
		trusted    bool
	}{
		"by name":              {ca, "example.com", true},
		"by address":           {ca, "127.0.0.1", true},
		"of another name":      {ca, "example.org", false},
		"of another address":   {ca, "127.0.0.2", false},
		"of another authority": {"", "example.com", false},
	} {
		t.Run(name, func(t *testing.T) {
			dial, err := agent.DialTrusted(c.file, srv.Listener.Addr().String())
			if err != nil {
				t.Fatal(err)
			}
			for range 2 { // the second resumes the session of the first
				conn, err := dial(t.Context(), "tcp", net.JoinHostPort(c.host, port))
				if err == nil {
					_ = conn.Close()
				}
				if (err == nil) != c.trusted {
					t.Errorf("connect: %v", err)
				}
			}
		})
	}
}
