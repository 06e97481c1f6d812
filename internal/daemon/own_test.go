package daemon_test

import (
	"math"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"berth/internal/cli"
	"berth/internal/daemon"
)

// The clock is set by who can read the data folder, and by nobody else.
func TestTheClockWantsTheSession(t *testing.T) {
	t.Parallel()
	data := t.TempDir()
	h, err := daemon.InSession(data, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusAccepted) }))
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(data, cli.SessionFile)
	info, err := os.Stat(file)
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Fatalf("%v, mode %v", err, info.Mode())
	}
	token, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	right := strings.TrimSpace(string(token))
	for sent, want := range map[string]int{
		right: http.StatusAccepted, "": http.StatusForbidden, "x": http.StatusForbidden,
		right[1:]: http.StatusForbidden, right + "0": http.StatusForbidden,
	} {
		r, w := httptest.NewRequest(http.MethodPost, "/_berth/clock", nil), httptest.NewRecorder()
		r.Header.Set(cli.SessionHeader, sent)
		h.ServeHTTP(w, r)
		if w.Code != want {
			t.Errorf("%q: %d %s", sent, w.Code, w.Body)
		}
		if want == http.StatusForbidden && !strings.Contains(w.Body.String(), file) {
			t.Errorf("%q: the answer does not say where the token is: %s", sent, w.Body)
		}
	}
}

// What the command line says is checked before anything is made.
func TestConfigurations(t *testing.T) {
	t.Parallel()
	good := func() cli.ServerConfig {
		return cli.ServerConfig{Data: "/x", Listen: "127.0.0.1:4566", Region: "us-east-1", Account: "000000000000", Speed: 1}
	}
	allow := func(network string) func(*cli.ServerConfig) {
		return func(c *cli.ServerConfig) { c.Internet, c.InternetAllow = "on", []string{network} }
	}
	tests := map[string]struct {
		set  func(*cli.ServerConfig)
		want string
	}{
		"no port":          {func(c *cli.ServerConfig) { c.Listen = "127.0.0.1" }, "--listen 127.0.0.1: "},
		"account":          {func(c *cli.ServerConfig) { c.Account = "12" }, "twelve digits"},
		"Region":           {func(c *cli.ServerConfig) { c.Region = "moon-1" }, "no such AWS Region"},
		"speed 0":          {func(c *cli.ServerConfig) { c.Speed = 0 }, "--speed 0"},
		"speed NaN":        {func(c *cli.ServerConfig) { c.Speed = math.NaN() }, "--speed NaN"},
		"runtime":          {func(c *cli.ServerConfig) { c.Runtime = "/no/such" }, "--runtime /no/such: no such program"},
		"host with port":   {func(c *cli.ServerConfig) { c.Hosts = []string{"a:80"} }, "--allow-host a:80"},
		"any host":         {func(c *cli.ServerConfig) { c.Hosts = []string{"*"} }, "--allow-host *"},
		"origin is a name": {func(c *cli.ServerConfig) { c.Origins = []string{"localhost"} }, "--allow-origin localhost"},
		"origin has path":  {func(c *cli.ServerConfig) { c.Origins = []string{"http://a/b"} }, "--allow-origin http://a/b"},
		"a way of none":    {func(c *cli.ServerConfig) { c.Internet = "maybe" }, "--internet maybe: give off, images or on"},
		"allowed in vain":  {func(c *cli.ServerConfig) { c.InternetAllow = []string{"10.0.0.0/8"} }, "--internet-allow: it is for --internet on"},
		"allowed name":     {allow("lan"), "--internet-allow lan: give an IPv4"},
		"allowed loopback": {allow("127.0.0.1/32"), "lead nowhere from here"},
		"cache below 0":    {func(c *cli.ServerConfig) { c.ImageCache = -1 }, "--image-cache -1"},
		"mirror is a name": {func(c *cli.ServerConfig) { c.RegistryMirrors = []string{"mirror.lan"} }, "--registry-mirror mirror.lan: give"},
		"mirror has path":  {func(c *cli.ServerConfig) { c.RegistryMirrors = []string{"ghcr.io=https://a/b"} }, "without a path"},
		"any origin":       {func(c *cli.ServerConfig) { c.Origins = []string{"*"} }, "--allow-origin *"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := good()
			tt.set(&c)
			if _, err := daemon.Check(c); err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("%v, want %s", err, tt.want)
			}
		})
	}
	c := good()
	c.Hosts, c.Origins = []string{"berth.lan"}, []string{"http://localhost:3000"}
	c.Internet, c.InternetAllow = "on", []string{"192.168.7.0/24"}
	if _, err := daemon.Check(c); err != nil && !strings.Contains(err.Error(), "must run as root") {
		t.Error(err)
	}
	c.InternetAllow = nil
	c.Internet, c.ImageCache, c.RegistryMirrors = "off", 1, []string{"https://mirror.lan:5000", "ghcr.io=http://mirror.lan"}
	if _, err := daemon.Check(c); err != nil && !strings.Contains(err.Error(), "must run as root") {
		t.Error(err)
	}
}
