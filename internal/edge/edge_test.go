package edge_test

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"os"
	"os/signal"
	"path/filepath"
	"strconv"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"

	"berth/internal/await"
	"berth/internal/balancer"
	"berth/internal/clock"
	"berth/internal/edge"
	"berth/internal/leaktest"
	"berth/internal/testport"
)

// TestMain lets the test binary play the program: started as "edge …" it is
// the process. No goroutine outlives the tests.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 && os.Args[1] == "edge" {
		ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
		defer stop()
		if err := edge.Main(ctx, os.Args[2:]); err != nil {
			_, _ = io.WriteString(os.Stderr, err.Error()+"\n")
			os.Exit(1)
		}
		return
	}
	leaktest.Main(m)
}

func config(port int, body string) balancer.Config {
	return balancer.Config{HostAddress: "127.0.0.1", LoadBalancers: []balancer.LoadBalancer{{
		ID: "lb", Name: "app/web/1", Host: "web.elb.localhost",
		Listeners: []balancer.Listener{
			{ID: "l", Port: port, Rules: []balancer.Rule{{ID: "d", Action: balancer.Action{Fixed: &balancer.Fixed{Status: 200, Body: body}}}}},
		},
	}}}
}

// server is the server's end, with its own life.
func server(t *testing.T, data string) (*edge.Client, context.CancelFunc) {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	return serverOf(t, data, self)
}

// serverOf is the server's end of that program.
func serverOf(t *testing.T, data, self string) (*edge.Client, context.CancelFunc) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	real := clock.Real(ctx)
	c, err := edge.Ensure(ctx, edge.Options{
		Data: data, Self: self, Real: real, Log: slog.New(slog.NewTextHandler(io.Discard, nil)),
		Time: func() edge.Moment { return edge.Moment{Now: real.Now(), Speed: 1} },
	})
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() { defer close(done); _ = c.Run(ctx) }()
	end := func() { cancel(); <-done }
	t.Cleanup(func() {
		end() // it would start the process again
		if err := c.Stop(await.Context(t)); err != nil {
			t.Errorf("stop the edge: %v", err)
		}
		http.DefaultClient.CloseIdleConnections() // it waits for who is connected
	})
	return c, end
}

func answer(url string) string {
	res, err := http.Get(url)
	if err != nil {
		return err.Error()
	}
	defer res.Body.Close()
	b, _ := io.ReadAll(res.Body)
	return string(b)
}

// Who ends the server while the process comes up can tell it to stop.
func TestAStartIsNotBrokenOff(t *testing.T) {
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	c := edge.New(edge.Options{
		Data: t.TempDir(), Self: self, Log: slog.New(slog.DiscardHandler), Time: func() edge.Moment { return edge.Moment{Speed: 1} },
	})
	if err := c.Follow(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("it told the time to nobody: %v", err)
	}
	err = c.Connect(ctx)
	if _, ok := c.State(); err != nil || !ok {
		t.Errorf("not connected: %v", err)
	}
	if err := c.Follow(await.Context(t)); err != nil {
		t.Error(err)
	}
	if err := c.Stop(await.Context(t)); err != nil {
		t.Error(err)
	}
}

// A process whose data folder was removed while it came up makes none.
func TestAnEdgeMakesNoFolder(t *testing.T) {
	data := filepath.Join(t.TempDir(), "gone")
	if err := edge.Main(await.Context(t), []string{"--data", data}); err == nil {
		t.Error("it served")
	}
	if _, err := os.Stat(data); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the folder is there again: %v", err)
	}
}

func TestTheEdgeOutlivesTheServerAndItself(t *testing.T) {
	data, port := t.TempDir(), testport.Free(t)
	url := "http://127.0.0.1:" + strconv.Itoa(port) + "/"
	t.Cleanup(func() { await.True(t, "stopped", func() bool { return answer(url) != "two" && answer(url) != "one" }) })
	c, end := server(t, data)
	c.Set(config(port, "one"))
	await.True(t, "first answer", func() bool { return answer(url) == "one" })
	var s edge.State
	await.True(t, "the configuration is kept", func() bool {
		s, _ = c.State()
		return s.Applied == edge.Digest(config(port, "one"))
	})
	end() // the server is gone
	if got := answer(url); got != "one" {
		t.Fatalf("without a server: %q", got)
	}
	_ = syscall.Kill(s.PID, syscall.SIGKILL)
	c2, _ := server(t, data)
	await.True(t, "from its own memory", func() bool { return answer(url) == "one" })
	s2, _ := c2.State()
	if s2.PID == s.PID || s2.Epoch == s.Epoch {
		t.Errorf("the same process: %+v", s2)
	}
	c2.Set(config(port, "two"))
	await.True(t, "second configuration", func() bool { return answer(url) == "two" })
	// Killed while a server is there, it comes back by itself.
	s2, _ = c2.State()
	_ = syscall.Kill(s2.PID, syscall.SIGKILL)
	await.True(t, "restarted", func() bool {
		s, ok := c2.State()
		return ok && s.PID != s2.PID && answer(url) == "two"
	})
	epoch, all, err := c2.Counters(t.Context())
	if err != nil || len(all) != 1 || epoch == "" {
		t.Errorf("counters %+v of %q, %v", all, epoch, err)
	}
}

func TestARefusedConfigurationLeavesTheOldOne(t *testing.T) {
	data, port := t.TempDir(), testport.Free(t)
	url := "http://127.0.0.1:" + strconv.Itoa(port) + "/"
	c, _ := server(t, data)
	c.Set(config(port, "one"))
	await.True(t, "first answer", func() bool { return answer(url) == "one" })
	bad := config(port, "two")
	bad.LoadBalancers[0].Listeners[0].Rules[0].Action = balancer.Action{
		Forward: &balancer.Forward{Groups: []balancer.Weight{{Group: "none", Weight: 1}}},
	}
	c.Set(bad)
	c.Set(config(port, "three"))
	await.True(t, "a good one after a bad one", func() bool { return answer(url) == "three" })
}

func TestTheEdgeEndsWithItsFolder(t *testing.T) {
	data, port := t.TempDir(), testport.Free(t)
	url := "http://127.0.0.1:" + strconv.Itoa(port) + "/"
	c, end := server(t, data)
	c.Set(config(port, "one"))
	await.True(t, "first answer", func() bool { return answer(url) == "one" })
	end()
	if err := os.RemoveAll(filepath.Join(data, "edge")); err != nil {
		t.Fatal(err)
	}
	await.True(t, "the end", func() bool { return answer(url) != "one" })
}

func TestAnEdgeIsReplacedWithoutAFailedRequest(t *testing.T) {
	data, port := t.TempDir(), testport.Free(t)
	url := "http://127.0.0.1:" + strconv.Itoa(port) + "/"
	c, end := server(t, data)
	c.Set(config(port, "one"))
	await.True(t, "first answer", func() bool { return answer(url) == "one" })
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	var work sync.WaitGroup
	var asked, failed atomic.Int64
	for i := range 8 {
		client := &http.Client{Transport: &http.Transport{DisableKeepAlives: i%2 == 0}}
		work.Go(func() {
			defer client.CloseIdleConnections()
			for ctx.Err() == nil {
				asked.Add(1)
				res, err := client.Get(url)
				if err != nil {
					failed.Add(1)
					t.Log(err)
					continue
				}
				if b, err := io.ReadAll(res.Body); err != nil || string(b) != "one" {
					failed.Add(1)
					t.Logf("%q %v", b, err)
				}
				_ = res.Body.Close()
			}
		})
	}
	// It answers before the client has heard that it does.
	await.True(t, "the configuration is known to be in force", func() bool { s, ok := c.State(); return ok && s.Applied != "" })
	// Another build of the program, as an upgrade brings it.
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	raw, err := os.ReadFile(self)
	if err != nil {
		t.Fatal(err)
	}
	for i := range 3 {
		was, _ := c.State()
		end()
		other := filepath.Join(t.TempDir(), "edge"+strconv.Itoa(i)+".test")
		if err := os.WriteFile(other, raw, 0o700); err != nil {
			t.Fatal(err)
		}
		c, end = serverOf(t, data, other)
		now, ok := c.State()
		if !ok || now.PID == was.PID || now.Program == was.Program || now.Applied != was.Applied {
			t.Fatalf("the process was %+v and is %+v, %v", was, now, ok)
		}
	}
	before := asked.Load()
	await.True(t, "more requests", func() bool { return asked.Load() > before+50 })
	stop()
	work.Wait()
	if failed.Load() > 0 {
		t.Errorf("%d of %d requests failed", failed.Load(), asked.Load())
	}
	t.Logf("%d requests while the process was replaced three times", asked.Load())
}
