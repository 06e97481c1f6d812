package daemon

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/sync/errgroup"

	"berth/internal/front"
)

// checkTLS refuses a certificate that cannot be served.
func checkTLS(c Config) error {
	switch {
	case c.Cert == "" && c.Key == "":
		return nil
	case c.Cert == "" || c.Key == "":
		return errors.New("--tls-cert and --tls-key go together: give both, or neither for a certificate of the server's own authority")
	case !c.Public:
		return fmt.Errorf("--tls-cert: on loopback (%s) the API has no TLS; give an address of the network, as in --listen 0.0.0.0:4566", c.Listen)
	}
	if _, err := tls.LoadX509KeyPair(c.Cert, c.Key); err != nil {
		return fmt.Errorf("--tls-cert %s --tls-key %s: %w\n  give files of PEM: a certificate with its chain, and its key", c.Cert, c.Key, err)
	}
	return nil
}

// url is where the API is called at an address; from this machine, if it
// listens at all of them.
func (c Config) url(addr string) string {
	if host, port, err := net.SplitHostPort(addr); err == nil && net.ParseIP(host).IsUnspecified() {
		addr = net.JoinHostPort("localhost", port)
	}
	if c.Public {
		return "https://" + addr
	}
	return "http://" + addr
}

// socket is where the API is called without a key by who may open it: root.
func (c Config) socket() string { return filepath.Join(c.Data, "run", "api.sock") }

// idle is how long a connection may say nothing.
func (c Config) idle() time.Duration {
	if c.Public {
		return 2 * time.Minute
	}
	return 10 * time.Minute
}

// mostHead bounds the head of a request; 0 is net/http's own bound.
func (c Config) mostHead() int {
	if c.Public {
		return 64 << 10
	}
	return 0
}

// answerAll answers by TLS on the network, and on a socket for root of this
// machine, which is there before server.json names it.
func (s *server) answerAll(ctx context.Context, g *errgroup.Group, l net.Listener, h http.Handler) error {
	conf, err := s.tls()
	if err == nil {
		err = s.introduce(ctx)
	}
	if err != nil {
		return errors.Join(err, l.Close())
	}
	own, err := s.openSocket(ctx)
	if err != nil {
		return errors.Join(err, l.Close())
	}
	s.serve(ctx, g, own, s.sys.Front.Handler(front.Listener{Audited: true}), nil) // whatever strangers hold
	return s.answer(ctx, g, tls.NewListener(l, conf), h)
}

// tls is how the API is served on the network.
func (s *server) tls() (*tls.Config, error) {
	if s.cfg.Cert == "" {
		return s.ca.TLS(), nil
	}
	pair, err := tls.LoadX509KeyPair(s.cfg.Cert, s.cfg.Key)
	if err != nil {
		return nil, fmt.Errorf("--tls-cert %s: %w", s.cfg.Cert, err)
	}
	return &tls.Config{MinVersion: tls.VersionTLS12, Certificates: []tls.Certificate{pair}}, nil
}

// openSocket makes the socket, in a folder that only root may enter.
func (s *server) openSocket(ctx context.Context) (net.Listener, error) {
	path := s.cfg.socket()
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	l, err := (&net.ListenConfig{}).Listen(ctx, "unix", path)
	if err != nil {
		return nil, fmt.Errorf(
			"--data %s: the API's socket in it: %w\n  a shorter --data may help: a socket's path has at most 107 bytes", s.cfg.Data, err,
		)
	}
	return l, os.Chmod(path, 0o600)
}

// fromSocket reports whether a request came by a socket, and so from root.
func fromSocket(r *http.Request) bool { return r.RemoteAddr == "" || r.RemoteAddr == "@" }

// introduce makes the root's key at the first start off loopback, and says what
// callers need.
func (s *server) introduce(ctx context.Context) error {
	k, made, err := s.sys.Access.RootKey(ctx)
	if err != nil {
		return err
	}
	if made {
		s.notice += fmt.Sprintf("\n  root's key, shown this once: AWS_ACCESS_KEY_ID=%s AWS_SECRET_ACCESS_KEY=%s", k.ID, k.Secret)
	}
	if s.cfg.Cert == "" {
		s.notice += "\n  its certificates are of its own authority, SHA-256 " + s.ca.Fingerprint()
	}
	return nil
}
