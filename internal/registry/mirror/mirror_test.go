package mirror_test

import (
	"cmp"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log"
	"log/slog"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-containerregistry/pkg/authn"
	"github.com/google/go-containerregistry/pkg/name"
	public "github.com/google/go-containerregistry/pkg/registry"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/random"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
	"github.com/google/go-containerregistry/pkg/v1/types"

	"berth/internal/clock"
	"berth/internal/fault"
	"berth/internal/ident"
	"berth/internal/lang/reference"
	"berth/internal/registry"
	"berth/internal/registry/mirror"
)

// hub plays the registries of the Internet: one on TLS, with tokens, that
// answers to every name.
type hub struct {
	*httptest.Server
	asked  atomic.Int64 // manifests that were got whole
	down   atomic.Bool
	around func(w http.ResponseWriter, r *http.Request) bool // answers instead, if it is true
}

func newHub(t *testing.T) *hub {
	t.Helper()
	h := &hub{}
	images := public.New(public.Logger(log.New(io.Discard, "", 0)))
	h.Server = httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case h.down.Load():
			w.WriteHeader(http.StatusBadGateway)
		case h.around != nil && h.around(w, r):
		case r.URL.Path == "/token":
			user, password, _ := r.BasicAuth()
			fmt.Fprintf(w, `{"token":%q}`, base64.RawURLEncoding.EncodeToString([]byte(user+":"+password)))
		case r.Header.Get("Authorization") == "" && r.Method != http.MethodPut:
			w.Header().Set("WWW-Authenticate", fmt.Sprintf("Bearer realm=\"https://%s/token\",service=\"hub\"", r.Host))
			w.WriteHeader(http.StatusUnauthorized)
		case strings.HasPrefix(r.URL.Path, "/v2/private/") && r.Header.Get("Authorization") != bearer("me:secret"):
			w.WriteHeader(http.StatusUnauthorized)
			fmt.Fprint(w, `{"errors":[{"code":"UNAUTHORIZED","message":"authentication required"}]}`)
		default:
			if r.Method == http.MethodGet && strings.Contains(r.URL.Path, "/manifests/") {
				h.asked.Add(1)
			}
			images.ServeHTTP(w, r)
		}
	}))
	h.Config.ErrorLog = log.New(io.Discard, "", 0)
	h.TLS = &tls.Config{Certificates: []tls.Certificate{certificate(t)}}
	h.StartTLS()
	t.Cleanup(h.Close)
	return h
}

// certificate is one for all names that are used here.
func certificate(t *testing.T) tls.Certificate {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	c := &x509.Certificate{
		SerialNumber: big.NewInt(1), NotBefore: time.Unix(0, 0), NotAfter: time.Unix(1<<33, 0), IsCA: true, BasicConstraintsValid: true,
		DNSNames: []string{"index.docker.io", "ghcr.io", "near.example"},
	}
	der, err := x509.CreateCertificate(rand.Reader, c, c, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
}

func bearer(s string) string { return "Bearer " + base64.RawURLEncoding.EncodeToString([]byte(s)) }

// dial leads every name to the hub.
func (h *hub) dial(ctx context.Context, network, _ string) (net.Conn, error) {
	var d net.Dialer
	return d.DialContext(ctx, network, h.Listener.Addr().String())
}

// transport trusts the hub, under whatever name.
func (h *hub) transport() *http.Transport {
	tr := h.Client().Transport.(*http.Transport).Clone()
	tr.DialContext = h.dial
	return tr
}

// put makes an image with so many bytes a layer and pushes it to the hub.
func (h *hub) put(t *testing.T, ref string, bytes int64) v1.Image {
	t.Helper()
	img, err := random.Image(bytes, 2)
	if err == nil {
		img, err = mutate.ConfigFile(img, &v1.ConfigFile{OS: "linux", Architecture: runtime.GOARCH})
	}
	if err != nil {
		t.Fatal(err)
	}
	h.write(t, ref, func(n name.Reference, o ...remote.Option) error { return remote.Write(n, img, o...) })
	return img
}

func (h *hub) write(t *testing.T, ref string, put func(name.Reference, ...remote.Option) error) {
	t.Helper()
	n, err := name.ParseReference(ref)
	if err != nil {
		t.Fatal(err)
	}
	tr := h.transport()
	defer tr.CloseIdleConnections()
	login := authn.FromConfig(authn.AuthConfig{Username: "me", Password: "secret"})
	if err := put(n, remote.WithTransport(tr), remote.WithAuth(login)); err != nil {
		t.Fatal(err)
	}
}

// keys is a keychain with one login.
type keys struct{ user, password string }

func (k keys) Resolve(authn.Resource) (authn.Authenticator, error) {
	if k.user == "" {
		return authn.Anonymous, nil
	}
	return authn.FromConfig(authn.AuthConfig{Username: k.user, Password: k.password}), nil
}

// world is a mirror whose Internet is a hub.
type world struct {
	t     *testing.T
	hub   *hub
	clock *clock.Stepped
	dir   string
}

func newWorld(t *testing.T) *world {
	t.Helper()
	return &world{t: t, hub: newHub(t), clock: clock.NewStepped(time.Date(2050, 1, 1, 0, 0, 0, 0, time.UTC)), dir: t.TempDir()}
}

func (w *world) open(change func(*mirror.Deps)) *mirror.Mirror {
	w.t.Helper()
	roots := x509.NewCertPool()
	roots.AddCert(w.hub.Certificate())
	d := mirror.Deps{
		Dir: w.dir, Real: w.clock, IDs: ident.Seeded(1), Keychain: keys{}, Roots: roots, Dial: w.hub.dial,
	}
	if change != nil {
		change(&d)
	}
	m, err := mirror.Open(w.t.Context(), d)
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(func() { _ = m.Close() })
	return m
}

// agent serves a mirror and is how an agent reaches it.
type agent struct {
	t   *testing.T
	srv *httptest.Server
	of  string // whose images; "" is the host's of each request

	login string // the header's
}

func (w *world) agent(m *mirror.Mirror) agent {
	w.t.Helper()
	srv := httptest.NewServer(m)
	w.t.Cleanup(srv.Close)
	return agent{t: w.t, srv: srv}
}

// RoundTrip implements http.RoundTripper.
func (a agent) RoundTrip(r *http.Request) (*http.Response, error) {
	at, err := url.Parse(a.srv.URL)
	if err != nil {
		return nil, err
	}
	r = r.Clone(r.Context())
	q := r.URL.Query()
	q.Set(mirror.Registry, cmp.Or(a.of, strings.Replace(r.URL.Host, "index.docker.io", "docker.io", 1)))
	r.URL.Scheme, r.URL.Host, r.URL.RawQuery = "http", at.Host, q.Encode()
	if a.login != "" {
		r.Header.Set(mirror.LoginHeader, a.login)
	}
	return a.srv.Client().Transport.RoundTrip(r)
}

// with is the agent with a login of a task's own.
func (a agent) with(user, password string) agent {
	a.login = base64.URLEncoding.EncodeToString(fmt.Appendf(nil, `{"username":%q,"password":%q}`, user, password))
	return a
}

// pull gets an image and reads all of its layers.
func (a agent) pull(ref string) (digest string, err error) {
	n, err := name.ParseReference(ref)
	if err != nil {
		return "", err
	}
	img, err := remote.Image(
		n, remote.WithTransport(a), remote.WithContext(a.t.Context()),
		remote.WithPlatform(v1.Platform{OS: "linux", Architecture: runtime.GOARCH}),
		remote.WithRetryPredicate(func(error) bool { return false }), remote.WithRetryStatusCodes(),
	)
	if err != nil {
		return "", err
	}
	layers, err := img.Layers()
	if err != nil {
		return "", err
	}
	for _, l := range layers {
		in, err := l.Compressed()
		if err != nil {
			return "", err
		}
		_, err = io.Copy(io.Discard, in)
		_ = in.Close()
		if err != nil {
			return "", err
		}
	}
	h, err := img.Digest()
	return h.String(), err
}

func parse(t *testing.T, s string) reference.Ref {
	t.Helper()
	r, err := reference.Parse(s)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func digest(t *testing.T, img v1.Image) string {
	t.Helper()
	h, err := img.Digest()
	if err != nil {
		t.Fatal(err)
	}
	return h.String()
}

func TestWhatWasPulledOnceNeedsNoNetwork(t *testing.T) {
	w := newWorld(t)
	want := digest(t, w.hub.put(t, "index.docker.io/library/nginx:latest", 1000))
	a := w.agent(w.open(nil))
	for range 2 {
		if got, err := a.pull("nginx"); err != nil || got != want {
			t.Fatalf("%s, %v; want %s", got, err, want)
		}
	}
	if n := w.hub.asked.Load(); n != 1 {
		t.Errorf("the registry was asked %d times", n)
	}
	w.clock.Advance(time.Hour)
	if _, err := a.pull("nginx"); err != nil || w.hub.asked.Load() != 1 {
		t.Errorf("a tag that has not moved was got again: %d, %v", w.hub.asked.Load(), err)
	}
	moved := digest(t, w.hub.put(t, "index.docker.io/library/nginx:latest", 900))
	w.clock.Advance(time.Hour)
	if got, err := a.pull("nginx"); err != nil || got != moved {
		t.Errorf("a tag that has moved: %s, %v", got, err)
	}
	w.hub.down.Store(true)
	w.clock.Advance(time.Hour)
	for _, ref := range []string{"nginx", "docker.io/library/nginx@" + moved} {
		if got, err := a.pull(ref); err != nil || got != moved {
			t.Errorf("without the registry, %s: %s, %v", ref, got, err)
		}
	}
	off := w.agent(w.open(func(d *mirror.Deps) { d.Offline = true }))
	if got, err := off.pull("nginx"); err != nil || got != moved {
		t.Errorf("another server without a network: %s, %v", got, err)
	}
	missing := "docker.io/library/redis:latest is not in the image cache, and this server keeps off the network (--internet off)"
	if _, err := off.pull("redis"); err == nil || !strings.Contains(err.Error(), missing) {
		t.Errorf("what is not there: %v", err)
	}
	if _, err := a.pull("redis"); err == nil || !strings.Contains(err.Error(), "502") {
		t.Errorf("a registry that is down: %v", err)
	}
}

// gone is a client that reads the head of an answer and no more.
type gone struct{ http.ResponseWriter }

func (gone) Write([]byte) (int, error) { return 0, io.ErrClosedPipe }

func TestAnAgentThatGoesIsNoNews(t *testing.T) {
	w := newWorld(t)
	w.hub.put(t, "index.docker.io/library/nginx:latest", 100)
	layers, err := w.hub.put(t, "index.docker.io/library/nginx:latest", 100).Layers()
	if err != nil {
		t.Fatal(err)
	}
	layer, err := layers[0].Digest()
	if err != nil {
		t.Fatal(err)
	}
	var said strings.Builder
	m := w.open(func(d *mirror.Deps) { d.Log = slog.New(slog.NewTextHandler(&said, nil)) })
	if _, err := w.agent(m).pull("nginx"); err != nil {
		t.Fatal(err)
	}
	r := httptest.NewRequest(http.MethodGet, "/v2/library/nginx/blobs/"+layer.String()+"?"+mirror.Registry+"=docker.io", nil)
	func() {
		defer func() {
			if err, _ := recover().(error); !errors.Is(err, http.ErrAbortHandler) {
				t.Errorf("the connection is not broken: %v", err)
			}
		}()
		m.ServeHTTP(gone{httptest.NewRecorder()}, r)
	}()
	if said.Len() > 0 {
		t.Error(said.String())
	}
}

func TestManyAskOnce(t *testing.T) {
	w := newWorld(t)
	w.hub.put(t, "ghcr.io/a/b:v1", 1000)
	a := w.agent(w.open(nil))
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			if _, err := a.pull("ghcr.io/a/b:v1"); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if n := w.hub.asked.Load(); n != 1 {
		t.Errorf("the registry was asked %d times", n)
	}
}

func TestCredentialsAreTheUsers(t *testing.T) {
	w := newWorld(t)
	want := digest(t, w.hub.put(t, "ghcr.io/private/app:v1", 100))
	refusal := "pull access denied, repository does not exist or may require authorization"
	if _, err := w.agent(w.open(nil)).pull("ghcr.io/private/app:v1"); err == nil || !strings.Contains(err.Error(), refusal) {
		t.Errorf("without: %v", err)
	}
	with := w.open(func(d *mirror.Deps) { d.Keychain = keys{"me", "secret"} })
	if got, err := w.agent(with).pull("ghcr.io/private/app:v1"); err != nil || got != want {
		t.Errorf("with: %s, %v", got, err)
	}
}

// What came with a task's own login is for that login alone, in the cache too.
func TestALoginOfATasksOwnIsForItsImagesAlone(t *testing.T) {
	const ref, refusal = "ghcr.io/private/app:v1", "pull access denied, repository does not exist or may require authorization"
	w := newWorld(t)
	want := digest(t, w.hub.put(t, ref, 100))
	m := w.open(nil)
	a := w.agent(m)
	for range 2 {
		if got, err := a.with("me", "secret").pull(ref); err != nil || got != want {
			t.Fatalf("with the login: %s, %v", got, err)
		}
	}
	byDigest := "ghcr.io/private/app@" + want
	for why, other := range map[string]agent{"without": a, "another's": a.with("me", "guess")} {
		for _, ref := range []string{ref, byDigest} {
			if _, err := other.pull(ref); err == nil || !strings.Contains(err.Error(), refusal) {
				t.Errorf("%s: %s: %v", why, ref, err)
			}
		}
	}
	w.hub.down.Store(true)
	w.clock.Advance(time.Hour)
	if got, err := a.with("me", "secret").pull(ref); err != nil || got != want {
		t.Errorf("with the registry gone: %s, %v", got, err)
	}
	if _, err := w.agent(w.open(func(d *mirror.Deps) { d.Offline = true })).pull(ref); err == nil {
		t.Error("another server served it without a login")
	}
	entries, _, err := m.List()
	if err != nil || len(entries) != 1 || !entries[0].Login {
		t.Errorf("%+v, %v", entries, err)
	}
	for _, e := range entries {
		if err := m.Remove(t.Context(), parse(t, e.Ref)); err != nil {
			t.Fatal(err)
		}
	}
	if entries, bytes, err := m.List(); err != nil || len(entries) != 0 || bytes != 0 {
		t.Errorf("after removal: %+v, %d bytes, %v", entries, bytes, err)
	}
	bad := a
	bad.login = "%"
	if _, err := bad.pull(ref); err == nil || !strings.Contains(err.Error(), "cannot be read") {
		t.Errorf("a header that is none: %v", err)
	}
}

// What the user put into the cache is for every task.
func TestALoginIsNotNeededForWhatTheUserPutHere(t *testing.T) {
	w := newWorld(t)
	want := digest(t, w.hub.put(t, "ghcr.io/a/b:v1", 100))
	if _, err := w.open(nil).Pull(t.Context(), parse(t, "ghcr.io/a/b:v1"), func(int64, int64) {}); err != nil {
		t.Fatal(err)
	}
	off := w.agent(w.open(func(d *mirror.Deps) { d.Offline = true })).with("any", "one")
	if got, err := off.pull("ghcr.io/a/b:v1"); err != nil || got != want {
		t.Errorf("%s, %v", got, err)
	}
}

func TestARegistryMirrorIsAskedFirst(t *testing.T) {
	w := newWorld(t)
	want := digest(t, w.hub.put(t, "near.example/library/nginx:latest", 100))
	other := digest(t, w.hub.put(t, "ghcr.io/a/b:v1", 100))
	a := w.agent(w.open(func(d *mirror.Deps) {
		d.Mirrors = map[string]string{"docker.io": "https://near.example", "ghcr.io": "https://none.example"}
		d.Dial = func(ctx context.Context, network, address string) (net.Conn, error) {
			if strings.HasPrefix(address, "none.") || strings.HasPrefix(address, "index.docker.io") {
				return nil, fault.New(fault.Unavailable, "", "%s is not there", address)
			}
			return w.hub.dial(ctx, network, address)
		}
	}))
	if got, err := a.pull("nginx"); err != nil || got != want {
		t.Errorf("%s, %v", got, err)
	}
	if got, err := a.pull("ghcr.io/a/b:v1"); err != nil || got != other {
		t.Errorf("a mirror that is down: %s, %v", got, err)
	}
}

func TestWhatIsPushedIsServed(t *testing.T) {
	w := newWorld(t)
	w.hub.put(t, "index.docker.io/library/nginx:latest", 100)
	m := w.open(nil)
	srv := httptest.NewServer(http.HandlerFunc(m.Push))
	t.Cleanup(srv.Close)
	img, err := random.Image(500, 1)
	if err != nil {
		t.Fatal(err)
	}
	saved := filepath.Join(t.TempDir(), "nginx.tar")
	n, err := name.NewTag("nginx:latest")
	if err == nil {
		err = tarball.WriteToFile(saved, n, img)
	}
	if err != nil {
		t.Fatal(err)
	}
	pushed, err := registry.Push(t.Context(), registry.PushOptions{
		Endpoint: srv.URL, Registry: "docker.io", Repo: "library/nginx", Source: saved,
	})
	if err != nil {
		t.Fatal(err)
	}
	w.clock.Advance(time.Hour)
	if got, err := w.agent(m).pull("nginx"); err != nil || got != pushed.Digest {
		t.Errorf("%s, %v; pushed was %s", got, err, pushed.Digest)
	}
	if out, err := m.Shrink(t.Context(), 0); err != nil || len(out.Removed) != 0 {
		t.Errorf("what was pushed does not go by itself: %+v, %v", out, err)
	}
	entries, _, err := m.List()
	if err != nil || len(entries) != 1 || !entries[0].Pushed || entries[0].Ref != "docker.io/library/nginx:latest" {
		t.Errorf("%+v, %v", entries, err)
	}
	if err := m.Remove(t.Context(), parse(t, "nginx")); err != nil {
		t.Fatal(err)
	}
	if got, err := w.agent(m).pull("nginx"); err != nil || got == pushed.Digest {
		t.Errorf("after it was removed the registry's is served: %s, %v", got, err)
	}
	resp, err := http.Post(srv.URL+"/v2/nginx/blobs/uploads/?ns=docker.io", "", nil)
	if err != nil || resp.StatusCode != http.StatusBadRequest {
		t.Errorf("a short name: %v, %v", resp, err)
	}
	_ = resp.Body.Close()
}

func TestTheCacheIsBounded(t *testing.T) {
	w := newWorld(t)
	for _, n := range []string{"a", "b", "c"} {
		w.hub.put(t, "ghcr.io/x/"+n+":v1", 10_000)
	}
	w.hub.put(t, "ghcr.io/x/large:v1", 30_000)
	m := w.open(func(d *mirror.Deps) { d.Bound = 50_000 })
	a := w.agent(m)
	for _, n := range []string{"a", "b", "a", "c"} {
		w.clock.Advance(time.Hour)
		if _, err := a.pull("ghcr.io/x/" + n + ":v1"); err != nil {
			t.Fatal(err)
		}
	}
	entries, bytes, err := m.List()
	if err != nil || len(entries) != 2 || entries[0].Ref != "ghcr.io/x/c:v1" || entries[1].Ref != "ghcr.io/x/a:v1" {
		t.Fatalf("%+v, %v", entries, err)
	}
	if bytes > 50_000 || bytes < entries[0].Bytes+entries[1].Bytes || entries[0].Bytes < 20_000 {
		t.Errorf("%d bytes, entries %+v", bytes, entries)
	}
	if _, err := a.pull("ghcr.io/x/large:v1"); err == nil || !strings.Contains(err.Error(), "more than the image cache") {
		t.Errorf("an image larger than the cache: %v", err)
	}
	if err := m.Remove(t.Context(), parse(t, "ghcr.io/x/c:v1")); err != nil {
		t.Fatal(err)
	}
	if err := m.Remove(t.Context(), parse(t, "ghcr.io/x/c:v1")); !fault.Is(err, fault.NotFound) {
		t.Errorf("again: %v", err)
	}
	out, err := m.Shrink(t.Context(), 0)
	if err != nil || len(out.Removed) != 1 || out.After != 0 {
		t.Errorf("%+v, %v", out, err)
	}
}

func TestListsByPlatform(t *testing.T) {
	w := newWorld(t)
	mine := w.hub.put(t, "ghcr.io/x/mine:v1", 100)
	other, err := random.Image(100, 1)
	if err != nil {
		t.Fatal(err)
	}
	list := mutate.AppendManifests(
		mutate.IndexMediaType(empty.Index, types.OCIImageIndex),
		mutate.IndexAddendum{Add: other, Descriptor: v1.Descriptor{Platform: &v1.Platform{OS: "linux", Architecture: "s390x"}}},
		mutate.IndexAddendum{Add: mine, Descriptor: v1.Descriptor{Platform: &v1.Platform{OS: "linux", Architecture: runtime.GOARCH}}},
	)
	w.hub.write(t, "ghcr.io/x/list:v1", func(n name.Reference, o ...remote.Option) error { return remote.WriteIndex(n, list, o...) })
	m := w.open(nil)
	var last, most int64
	if _, err := m.Pull(t.Context(), parse(t, "ghcr.io/x/list:v1"), func(done, total int64) {
		last, most = max(last, done), total
	}); err != nil || last != most || most == 0 {
		t.Fatalf("%d of %d, %v", last, most, err)
	}
	w.hub.down.Store(true)
	if got, err := w.agent(m).pull("ghcr.io/x/list:v1"); err != nil || got != digest(t, mine) {
		t.Errorf("filled ahead: %s, %v", got, err)
	}
	entries, _, err := m.List()
	if err != nil || len(entries) != 1 {
		t.Errorf("%+v, %v", entries, err)
	}
}

// TestAnImageIsImportedIntoAnotherStore brings what a pull through cache rule
// leads to: a list as it is, then its image with the layers.
func TestAnImageIsImportedIntoAnotherStore(t *testing.T) {
	w := newWorld(t)
	img := w.hub.put(t, "ghcr.io/x/one:v1", 100)
	list := mutate.AppendManifests(
		mutate.IndexMediaType(empty.Index, types.OCIImageIndex),
		mutate.IndexAddendum{Add: img, Descriptor: v1.Descriptor{Platform: &v1.Platform{OS: "linux", Architecture: runtime.GOARCH}}},
	)
	w.hub.write(t, "ghcr.io/x/list:v1", func(n name.Reference, o ...remote.Option) error { return remote.WriteIndex(n, list, o...) })
	m := w.open(nil)
	to, err := registry.Open(registry.Deps{Dir: t.TempDir(), Clock: w.clock, IDs: ident.Seeded(2)})
	if err != nil {
		t.Fatal(err)
	}
	as := registry.Repo{Account: "123456789012", Name: "pub/x/list"}
	if err := m.Import(t.Context(), "ghcr.io/x/list:v1", registry.Login{}, to, as, "v1"); err != nil {
		t.Fatal(err)
	}
	if got, err := to.Manifest(as, "v1"); err != nil || got.MediaType != registry.OCIIndex {
		t.Errorf("%+v, %v", got, err)
	}
	if err := m.Import(t.Context(), "ghcr.io/x/list@"+digest(t, img), registry.Login{}, to, as, ""); err != nil {
		t.Fatal(err)
	}
	got, err := to.Manifest(as, digest(t, img))
	if err != nil {
		t.Fatal(err)
	}
	parts, err := got.Read()
	if err != nil || len(parts.Blobs) == 0 {
		t.Fatalf("%+v, %v", parts, err)
	}
	for _, b := range parts.Blobs {
		if n, ok := to.HasBlob(as, b.Digest); !ok || n != b.Size {
			t.Errorf("%s has %d bytes, want %d", b.Digest, n, b.Size)
		}
	}
	for _, bad := range []string{"ghcr.io/x/none:v1", "ghcr.io/X"} {
		if err := m.Import(t.Context(), bad, registry.Login{}, to, as, "v1"); err == nil {
			t.Errorf("%s was imported", bad)
		}
	}
}

// hostile registries: each answer is refused, and nothing of it is kept.
func TestHostileRegistries(t *testing.T) {
	const layerType = "application/vnd.docker.image.rootfs"
	layer := `{"mediaType":"%s","digest":"sha256:` + strings.Repeat("0a", 32) + `","size":%d%s}`
	manifest := func(media string, size int64, more string) string {
		one := fmt.Sprintf(layer, media, size, more)
		return `{"schemaVersion":2,"mediaType":"application/vnd.oci.image.manifest.v1+json","config":` + one + `,"layers":[` + one + `]}`
	}
	for _, c := range []struct{ why, body, want string }{
		{"a foreign layer", manifest(layerType+".foreign.diff.tar.gzip", 5, ""), "foreign layers are not built in Berth"},
		{"addresses elsewhere", manifest(layerType+".diff.tar.gzip", 5, `,"urls":["http://x"]`), "foreign layers are not built"},
		{"a layer without end", manifest("application/vnd.oci.image.layer.v1.tar", 1<<60, ""), "which is not taken"},
		{"a size below nothing", manifest("application/vnd.oci.image.layer.v1.tar", -1, ""), "which is not taken"},
		{"a manifest without end", `{"schemaVersion":2,"x":"` + strings.Repeat("x", 5<<20) + `"}`, "larger than"},
		{"no manifest", `[]`, "Invalid"},
		{"too many layers", `{"schemaVersion":2,"layers":[` + strings.Repeat(`{"digest":"a"},`, 300) + `{}]}`, "layers, more than"},
	} {
		w := newWorld(t)
		w.hub.around = func(rw http.ResponseWriter, r *http.Request) bool {
			if !strings.Contains(r.URL.Path, "/manifests/") {
				return false
			}
			rw.Header().Set("Content-Type", "application/vnd.oci.image.manifest.v1+json")
			_, _ = io.WriteString(rw, c.body)
			return true
		}
		m := w.open(nil)
		_, err := w.agent(m).pull("ghcr.io/x/bad:v1")
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v", c.why, err)
		}
		if entries, _, err := m.List(); err != nil || len(entries) != 0 {
			t.Errorf("%s: kept %+v, %v", c.why, entries, err)
		}
	}
}

// TestRedirectsToThisMachineAreRefused has a registry on loopback that the user
// named, which may be there, and which sends its layers elsewhere.
func TestRedirectsToThisMachineAreRefused(t *testing.T) {
	images := public.New(public.Logger(log.New(io.Discard, "", 0)))
	var elsewhere atomic.Pointer[string]
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if to := elsewhere.Load(); to != nil && strings.Contains(r.URL.Path, "/blobs/") {
			http.Redirect(w, r, *to+r.URL.Path, http.StatusTemporaryRedirect)
			return
		}
		images.ServeHTTP(w, r)
	}))
	t.Cleanup(srv.Close)
	at := strings.TrimPrefix(srv.URL, "http://")
	img, err := random.Image(100, 1)
	if err != nil {
		t.Fatal(err)
	}
	n, err := name.ParseReference(at + "/web:v1")
	if err == nil {
		err = remote.Write(n, img)
	}
	if err != nil {
		t.Fatal(err)
	}
	secret := httptest.NewTLSServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { t.Error("it was asked") }))
	t.Cleanup(secret.Close)
	_, port, err := net.SplitHostPort(secret.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	for to, want := range map[string]string{
		"https://localhost:" + port:    "which is this machine or its link",
		"https://169.254.169.254":      "link-local",
		"https://[::1]:" + port:        "link-local",
		"http://registry.example:8080": "which is not HTTPS",
	} {
		elsewhere.Store(&to)
		m := newWorld(t).open(func(d *mirror.Deps) { d.Dial = nil })
		nobody := func(_, _ int64) {}
		if _, err := m.Pull(t.Context(), parse(t, at+"/web:v1"), nobody); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", to, err)
		}
		elsewhere.Store(nil)
		m = newWorld(t).open(func(d *mirror.Deps) { d.Dial = nil })
		if _, err := m.Pull(t.Context(), parse(t, at+"/web:v1"), nobody); err != nil {
			t.Errorf("the registry itself: %v", err)
		}
	}
}

func TestAgentsAreToldWhatIsNotServed(t *testing.T) {
	w := newWorld(t)
	a := w.agent(w.open(nil))
	for _, c := range []struct {
		method, path string
		status       int
	}{
		{http.MethodGet, "/v2/?ns=docker.io", http.StatusOK},
		{http.MethodPost, "/v2/library/nginx/blobs/uploads/?ns=docker.io", http.StatusMethodNotAllowed},
		{http.MethodGet, "/v2/library/nginx/tags/list?ns=docker.io", http.StatusNotFound},
		{http.MethodGet, "/v2/library/nginx/manifests/latest", http.StatusBadRequest},
		{http.MethodGet, "/v2/../../x/manifests/latest?ns=..", http.StatusBadRequest},
		{http.MethodGet, "/v2/library/nginx/blobs/sha256:" + strings.Repeat("0a", 32) + "?ns=docker.io", http.StatusNotFound},
		{http.MethodGet, "/v2/library/nginx/blobs/x?ns=docker.io", http.StatusNotFound},
	} {
		r, err := http.NewRequestWithContext(t.Context(), c.method, a.srv.URL+c.path, nil)
		if err != nil {
			t.Fatal(err)
		}
		resp, err := a.srv.Client().Do(r)
		if err != nil {
			t.Fatal(err)
		}
		var said struct {
			Errors []struct{ Code, Message string } `json:"errors"`
		}
		_ = json.NewDecoder(resp.Body).Decode(&said)
		_ = resp.Body.Close()
		if resp.StatusCode != c.status {
			t.Errorf("%s %s: %s %+v", c.method, c.path, resp.Status, said)
		}
	}
}
