package mirror_test

import (
	"cmp"
	"encoding/base64"
	"encoding/pem"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"berth/internal/clock"
	"berth/internal/ident"
	"berth/internal/lang/reference"
	"berth/internal/registry/mirror"
)

// pulls names, in the environment, what a process of the test is to pull: Go
// reads the host's certificates and its proxy once a process.
const pulls = "BERTH_TEST_PULLS"

// pullAsTheUser pulls an image with what the environment says and nothing else,
// as a server does, and prints its digest or what went wrong.
func pullAsTheUser(t *testing.T, image string) {
	t.Helper()
	ref, err := reference.Parse(image)
	if err != nil {
		t.Fatal(err)
	}
	m, err := mirror.Open(t.Context(), mirror.Deps{
		Dir: t.TempDir(), Real: clock.NewStepped(time.Date(2050, 1, 1, 0, 0, 0, 0, time.UTC)), IDs: ident.Seeded(1),
	})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = m.Close() }()
	got, err := m.Pull(t.Context(), ref, func(_, _ int64) {})
	fmt.Printf("pulled %s, %v\n", got.Digest, err)
}

// proxy takes CONNECT, whatever host it names, to the hub.
func (h *hub) proxy(t *testing.T) (url string, asked func() []string) {
	t.Helper()
	var (
		mu    sync.Mutex
		hosts []string
		done  sync.WaitGroup
	)
	srv := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		user, password, _ := (&http.Request{Header: http.Header{"Authorization": r.Header["Proxy-Authorization"]}}).BasicAuth()
		if r.Method != http.MethodConnect || user != "office" || password != "pass" {
			w.WriteHeader(http.StatusProxyAuthRequired)
			return
		}
		mu.Lock()
		hosts = append(hosts, r.Host)
		mu.Unlock()
		there, err := net.Dial("tcp", h.Listener.Addr().String())
		if err != nil {
			w.WriteHeader(http.StatusBadGateway)
			return
		}
		here, rest, err := http.NewResponseController(w).Hijack()
		if err != nil {
			_ = there.Close()
			t.Error(err)
			return
		}
		_, _ = io.WriteString(here, "HTTP/1.1 200 OK\r\n\r\n")
		done.Go(func() {
			_, _ = io.Copy(there, rest)
			_ = there.Close()
		})
		_, _ = io.Copy(here, there)
		_ = here.Close()
	}))
	srv.Config.ErrorLog = log.New(io.Discard, "", 0)
	srv.Start()
	t.Cleanup(func() {
		srv.CloseClientConnections()
		srv.Close()
		done.Wait()
	})
	return strings.Replace(srv.URL, "http://", "http://office:pass@", 1), func() []string {
		mu.Lock()
		defer mu.Unlock()
		return hosts
	}
}

// TestTheHostsSettingsAreHonoured pulls as a server does that knows of the
// outside what its environment says: the proxy with its login, the bundle of
// certificates, the user's docker configuration with passwords or a helper.
func TestTheHostsSettingsAreHonoured(t *testing.T) {
	if image := os.Getenv(pulls); image != "" {
		pullAsTheUser(t, image)
		return
	}
	h := newHub(t)
	want := digest(t, h.put(t, "near.example/private/app:v1", 100))
	proxy, asked := h.proxy(t)
	dir := t.TempDir()
	put := func(name, text string, mode os.FileMode) string {
		t.Helper()
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), mode); err != nil {
			t.Fatal(err)
		}
		return path
	}
	bundle := put("bundle.pem", string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: h.Certificate().Raw})), 0o600)
	nothing := put("none.pem", "", 0o600)
	login := base64.StdEncoding.EncodeToString([]byte("me:secret"))
	put("login/config.json", `{"auths":{"near.example":{"auth":"`+login+`"}}}`, 0o600)
	put("home/.docker/config.json", `{"auths":{"https://near.example/v2/":{"auth":"`+login+`"}}}`, 0o600)
	put("helper/config.json", `{"credHelpers":{"near.example":"standin"}}`, 0o600)
	put("helper/docker-credential-standin", "#!/bin/sh\nread host\necho '{\"ServerURL\":\"'$host'\",\"Username\":\"me\",\"Secret\":\"secret\"}'\n", 0o700)
	put("nobody/config.json", `{}`, 0o600)
	for _, c := range []struct{ why, bundle, config, proxy, want string }{
		{why: "all of it", config: "login", want: want},
		{why: "~/.docker", want: want},
		{why: "a credential helper", config: "helper", want: want},
		{why: "no login", config: "nobody", want: "pull access denied, repository does not exist or may require authorization"},
		{why: "no certificate", config: "login", bundle: nothing, want: "certificate signed by unknown authority"},
		{why: "no word for the proxy", config: "login", proxy: strings.Replace(proxy, "pass", "word", 1), want: "Proxy Authentication Required"},
	} {
		cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestTheHostsSettingsAreHonoured$")
		cmd.Env = []string{
			pulls + "=near.example/private/app:v1", "SSL_CERT_FILE=" + cmp.Or(c.bundle, bundle), "SSL_CERT_DIR=" + filepath.Join(dir, "none"),
			"HTTPS_PROXY=" + cmp.Or(c.proxy, proxy), "HOME=" + filepath.Join(dir, "home"), "TMPDIR=" + dir,
			"PATH=" + filepath.Join(dir, "helper") + ":/usr/bin:/bin",
		}
		if c.config != "" {
			cmd.Env = append(cmd.Env, "DOCKER_CONFIG="+filepath.Join(dir, c.config))
		}
		out, err := cmd.CombinedOutput()
		if err != nil || !strings.Contains(string(out), c.want) {
			t.Errorf("%s: %v: %s; want %s", c.why, err, out, c.want)
		}
	}
	if hosts := slices.Compact(asked()); !slices.Equal(hosts, []string{"near.example:443"}) {
		t.Errorf("the proxy was asked for %v", hosts)
	}
}
