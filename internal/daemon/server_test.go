package daemon_test

import (
	"context"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"testing"

	"berth/internal/await"
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
