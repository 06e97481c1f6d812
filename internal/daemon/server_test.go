package daemon_test

import (
	"context"
	"io/fs"
	"math"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"berth/internal/await"
	"berth/internal/cli"
	"berth/internal/daemon"
)

// watched is a listener that looks before it lets the first one in.
type watched struct {
	net.Listener
	look func()
}

func (w watched) Accept() (net.Conn, error) {
	w.look()
	return w.Listener.Accept()
}

// A `berth up` just after another finds the server by its server.json: it is
// there before the first answer.
func TestAServerSaysWhereItIsBeforeItAnswers(t *testing.T) {
	data := t.TempDir()
	l, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(await.Context(t))
	err = daemon.Answer(ctx, data, watched{l, func() {
		if _, err := os.Stat(filepath.Join(data, "server.json")); err != nil {
			t.Errorf("it answers already: %v", err)
		}
		cancel()
	}}, http.NotFoundHandler())
	if err != nil {
		t.Error(err)
	}
}

// A server whose folder cannot be written to answers nobody.
func TestAServerThatCannotSayWhereItIsEnds(t *testing.T) {
	l, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	if err := daemon.Answer(await.Context(t), filepath.Join(t.TempDir(), "gone"), l, http.NotFoundHandler()); err == nil {
		t.Error("it went on")
	}
}

// modes of everything in a folder.
func modes(t *testing.T, data string) map[string]fs.FileMode {
	t.Helper()
	out := map[string]fs.FileMode{}
	entries, err := os.ReadDir(data)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		info, err := e.Info()
		if err != nil {
			t.Fatal(err)
		}
		out[e.Name()] = info.Mode().Perm()
	}
	return out
}

// TestOtherUsersSeeTheAddressOnly has a folder as older servers left it.
func TestOtherUsersSeeTheAddressOnly(t *testing.T) {
	data := t.TempDir()
	for _, name := range []string{"state", "images", "other"} {
		if err := os.Mkdir(filepath.Join(data, name), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	for _, name := range []string{"server.log", "server.json", "server.lock"} {
		if err := os.WriteFile(filepath.Join(data, name), nil, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	for range 2 {
		if err := daemon.KeepPrivate(data); err != nil {
			t.Fatal(err)
		}
	}
	got := modes(t, data)
	for name, mode := range got {
		if mode&0o077 != 0 && name != "server.json" {
			t.Errorf("%s is %o", name, mode)
		}
	}
	if info, err := os.Stat(data); err != nil || info.Mode().Perm() != 0o711 || got["server.json"] != 0o644 || got["series"] != 0o700 {
		t.Errorf("%v, %v, %v", info, err, got)
	}
}

func TestWhatCannotBeServedIsRefused(t *testing.T) {
	good := cli.ServerConfig{Data: t.TempDir(), Listen: "127.0.0.1:0", Region: "eu-west-1", Account: "000000000000", Speed: 1}
	for flag, change := range map[string]func(*cli.ServerConfig){
		"--speed NaN":                         func(c *cli.ServerConfig) { c.Speed = math.NaN() },
		"--speed +Inf":                        func(c *cli.ServerConfig) { c.Speed = math.Inf(1) },
		"--speed 0":                           func(c *cli.ServerConfig) { c.Speed = 0 },
		"--runtime /no/it":                    func(c *cli.ServerConfig) { c.Runtime = "/no/it" },
		"--listen nowhere":                    func(c *cli.ServerConfig) { c.Listen = "nowhere" },
		"--publish 0.0.0.0: this machine has": publish("0.0.0.0"),
		"--publish 127.0.0.1:":                publish("127.0.0.1"),
		"--publish lan:":                      publish("lan"),
		"--publish 192.0.2.77:":               publish("192.0.2.77"),
		"--tls-cert and":                      func(c *cli.ServerConfig) { c.Listen, c.Cert = "0.0.0.0:1", "cert.pem" },
		"--tls-cert:":                         func(c *cli.ServerConfig) { c.Cert, c.Key = "cert.pem", "key.pem" },
		"--tls-cert /no":                      func(c *cli.ServerConfig) { c.Listen, c.Cert, c.Key = "0.0.0.0:1", "/no", "/key" },
	} {
		c := good
		change(&c)
		if _, err := daemon.Check(c); err == nil || !strings.Contains(err.Error(), flag) {
			t.Errorf("%s: %v", flag, err)
		}
	}
}

// publish asks for load balancers at an address.
func publish(address string) func(*cli.ServerConfig) {
	return func(c *cli.ServerConfig) { c.Publish = []string{address} }
}
