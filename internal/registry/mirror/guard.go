package mirror

import (
	"context"
	"crypto/tls"
	"io"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"sync"
	"syscall"
	"time"

	"berth/internal/fault"
)

// guard is what stands between a registry and this machine: a registry that
// the user named may be anywhere, but where it sends to (tokens, layers) may
// be neither this host nor its link, nor without TLS; and nothing but a layer
// is longer than a manifest.
type guard struct {
	next  http.RoundTripper
	named string // HOST or HOST:PORT
}

// RoundTrip implements http.RoundTripper.
func (g guard) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.URL.Scheme != "https" && r.URL.Host != g.named {
		return nil, fault.New(fault.Invalid, "", "%s sends to %s, which is not HTTPS", g.named, r.URL.Host)
	}
	resp, err := g.next.RoundTrip(r)
	if err != nil {
		return nil, err
	}
	if strings.Contains(r.URL.Path, "/manifests/") {
		resp.Body = &bounded{ReadCloser: resp.Body, left: maxManifest, what: "a manifest of " + g.named}
	}
	return resp, nil
}

// bounded ends with an error after so many bytes.
type bounded struct {
	io.ReadCloser
	left int64
	what string
}

// Read implements io.Reader.
func (b *bounded) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	if b.left -= int64(n); b.left < 0 {
		return 0, fault.New(fault.Invalid, "", "%s is larger than %d bytes", b.what, maxManifest)
	}
	return n, err
}

// Patience with a registry: for a connection, and for the next byte.
const (
	dialPatience = 15 * time.Second
	readPatience = time.Minute
)

// transport reaches a registry that the user named, through the proxy of this
// machine's environment if there is one. There is one a registry, so that no
// connection that one may have is used for another.
func (m *Mirror) transport(named string) *http.Transport {
	d := &dialer{real: m.Real.Now, dial: m.Dial, allowed: map[string]bool{hostOf(named): true}}
	return &http.Transport{
		Proxy: d.proxy, DialContext: d.connect, TLSClientConfig: &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: m.Roots},
		ForceAttemptHTTP2: true, TLSHandshakeTimeout: dialPatience, ResponseHeaderTimeout: readPatience, IdleConnTimeout: readPatience,
		MaxResponseHeaderBytes: 1 << 20,
	}
}

func hostOf(hostport string) string {
	if h, _, err := net.SplitHostPort(hostport); err == nil {
		return h
	}
	return hostport
}

// dialer connects to the allowed hosts wherever they are, and to others unless
// they are this machine or its link.
type dialer struct {
	real func() time.Time
	dial func(ctx context.Context, network, address string) (net.Conn, error)

	mu      sync.Mutex
	allowed map[string]bool
}

// proxy is that of the environment, which is the user's word too.
func (d *dialer) proxy(r *http.Request) (*url.URL, error) {
	u, err := http.ProxyFromEnvironment(r)
	if u != nil {
		if a, bad := netip.ParseAddr(r.URL.Hostname()); bad == nil && near(a) {
			return nil, fault.New(fault.Invalid, "", "%s is not asked through a proxy", r.URL.Host)
		}
		d.mu.Lock()
		d.allowed[u.Hostname()] = true
		d.mu.Unlock()
	}
	return u, err
}

func (d *dialer) connect(ctx context.Context, network, address string) (net.Conn, error) {
	if d.dial != nil {
		return d.dial(ctx, network, address)
	}
	d.mu.Lock()
	anywhere := d.allowed[hostOf(address)]
	d.mu.Unlock()
	plain := net.Dialer{Timeout: dialPatience}
	if !anywhere {
		plain.Control = func(_, to string, _ syscall.RawConn) error { return refuseNear(address, to) }
	}
	c, err := plain.DialContext(ctx, network, address)
	if err != nil {
		return nil, err
	}
	return patient{c, d.real}, nil
}

// refuseNear refuses this machine and its link, by the address that a name has
// at the moment of the connection.
func refuseNear(name, to string) error {
	a, err := netip.ParseAddrPort(to)
	if err == nil && !near(a.Addr()) {
		return nil
	}
	return fault.New(fault.Invalid, "", "a registry sends to %s (%s), which is this machine or its link", name, to)
}

func near(a netip.Addr) bool {
	a = a.Unmap()
	return a.IsLoopback() || a.IsLinkLocalUnicast() || a.IsUnspecified() || a.IsMulticast()
}

// patient is a connection on which the next byte must come within readPatience.
type patient struct {
	net.Conn
	now func() time.Time
}

// Read implements net.Conn.
func (c patient) Read(p []byte) (int, error) {
	if err := c.SetReadDeadline(c.now().Add(readPatience)); err != nil {
		return 0, err
	}
	return c.Conn.Read(p)
}
