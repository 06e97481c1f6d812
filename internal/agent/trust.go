package agent

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net"
	"os"
	"sync"
	"time"
)

// trust is whose certificates the agent accepts: those of the endpoints'
// authority, and of the host's. The host's are read when somebody shows
// another's: to read them takes longer than all else that an agent does until
// its machine is registered, and registries outside are rare.
type trust struct {
	endpoints *x509.CertPool
	host      func() *x509.CertPool
	sessions  tls.ClientSessionCache
}

// newTrust reads the endpoints' authority; "" is none.
func newTrust(file string) (trust, error) {
	t := trust{endpoints: x509.NewCertPool(), host: sync.OnceValue(hostAuthorities), sessions: tls.NewLRUClientSessionCache(0)}
	if file == "" {
		return t, nil
	}
	pem, err := os.ReadFile(file)
	if err != nil {
		return t, fmt.Errorf("read the endpoints' authority: %w", err)
	}
	t.endpoints.AppendCertsFromPEM(pem)
	return t, nil
}

func hostAuthorities() *x509.CertPool {
	pool, err := x509.SystemCertPool()
	if err != nil {
		return x509.NewCertPool()
	}
	return pool
}

// dialer makes connections of TLS over those of plain. The host's name is that
// of the address, which a handshake does not tell if it is a number.
func (t trust) dialer(plain dialFunc) dialFunc {
	return func(ctx context.Context, network, address string) (net.Conn, error) {
		host, _, err := net.SplitHostPort(address)
		if err != nil {
			return nil, err
		}
		conn, err := plain(ctx, network, address)
		if err != nil {
			return nil, err
		}
		ctx, cancel := context.WithTimeout(ctx, handshakeTimeout)
		defer cancel()
		secure := tls.Client(conn, t.config(host))
		if err := secure.HandshakeContext(ctx); err != nil {
			_ = conn.Close()
			return nil, err
		}
		return secure, nil
	}
}

type dialFunc = func(ctx context.Context, network, address string) (net.Conn, error)

const handshakeTimeout = 10 * time.Second

// config is a client's. The check of the standard library is replaced by the
// same one against either pool; it is made of a resumed session, too.
func (t trust) config(host string) *tls.Config {
	return &tls.Config{
		ServerName: host, MinVersion: tls.VersionTLS12, ClientSessionCache: t.sessions,
		InsecureSkipVerify: true, // verified by the next line
		VerifyConnection:   func(s tls.ConnectionState) error { return t.verify(host, s.PeerCertificates) },
	}
}

// verify checks a chain as the standard library does.
func (t trust) verify(host string, chain []*x509.Certificate) error {
	if len(chain) == 0 {
		return fmt.Errorf("%s shows no certificate", host)
	}
	between := x509.NewCertPool()
	for _, c := range chain[1:] {
		between.AddCert(c)
	}
	check := func(roots *x509.CertPool) error {
		_, err := chain[0].Verify(x509.VerifyOptions{DNSName: host, Roots: roots, Intermediates: between})
		return err
	}
	if check(t.endpoints) == nil {
		return nil
	}
	return check(t.host())
}
