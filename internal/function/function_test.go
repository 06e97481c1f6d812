package function_test

import (
	"bytes"
	"context"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"berth/internal/clock"
	"berth/internal/container"
	"berth/internal/container/sim"
	"berth/internal/fault"
	"berth/internal/function"
	"berth/internal/ident"
	"berth/internal/model"
)

func TestAStoreNowhereKeepsNothing(t *testing.T) {
	s, data := function.Nowhere(), pack(t, map[string]string{"index.py": "x = 1"})
	if digest, err := s.Put(data); err != nil || digest != function.Digest(data) {
		t.Errorf("put: %s, %v", digest, err)
	}
	if _, err := s.Put([]byte("no archive")); err == nil {
		t.Error("what cannot be unpacked was taken")
	}
}

func TestPackagesAreKeptByDigestAndUnpackedInside(t *testing.T) {
	dir := t.TempDir()
	s, err := function.OpenStore(dir)
	if err != nil {
		t.Fatal(err)
	}
	data := pack(t, map[string]string{"index.py": "x = 1", "lib/a.py": "y", "../../evil": "z", "/abs": "z", "bootstrap": "#!"})
	digest, err := s.Put(data)
	if err != nil || digest != function.Digest(data) {
		t.Fatalf("put: %s, %v", digest, err)
	}
	if again, err := s.Put(data); err != nil || again != digest {
		t.Errorf("put again: %s, %v", again, err)
	}
	code, err := s.Unpacked(t.Context(), digest)
	if err != nil {
		t.Fatal(err)
	}
	for name, mode := range map[string]os.FileMode{"index.py": 0o644, "lib/a.py": 0o644, "evil": 0o644, "abs": 0o644, "bootstrap": 0o755} {
		if info, err := os.Stat(filepath.Join(code, name)); err != nil || info.Mode() != mode {
			t.Errorf("%s: %v, %v", name, info, err)
		}
	}
	if _, err := os.Stat(filepath.Join(dir, "evil")); err == nil {
		t.Error("wrote outside")
	}
	f, err := s.Open(digest)
	if err != nil {
		t.Fatal(err)
	}
	got, _ := io.ReadAll(f)
	_ = f.Close()
	if !bytes.Equal(got, data) {
		t.Error("the package changed")
	}
	if _, err := s.Put([]byte("no zip")); fault.CodeOf(err) != "InvalidParameterValueException" {
		t.Errorf("no zip: %v", err)
	}
	if _, err := s.Open("../../etc/passwd"); !fault.Is(err, fault.NotFound) {
		t.Errorf("a bad digest: %v", err)
	}
	if err := s.Keep(nil, time.Now().Add(-time.Hour)); err != nil {
		t.Fatal(err)
	}
	if f, err := s.Open(digest); err != nil {
		t.Errorf("a young package went: %v", err)
	} else {
		_ = f.Close()
	}
	if err := s.Keep(nil, time.Now().Add(time.Hour)); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Open(digest); !fault.Is(err, fault.NotFound) {
		t.Errorf("after Keep: %v", err)
	}
}

func FuzzCheck(f *testing.F) {
	f.Add([]byte("PK\x03\x04"))
	f.Fuzz(func(_ *testing.T, data []byte) { _ = function.Check(data) })
}

// fakeDriver is a driver whose containers are goroutines that speak the Runtime
// API: what a bootstrap does, without a sandbox.
type fakeDriver struct {
	*sim.Driver
	dir   string
	serve func(event string) (answer, errorType string, log string)
	wg    sync.WaitGroup
	mu    sync.Mutex
	specs map[string]container.Spec
	stops map[string]context.CancelFunc
}

func (h *fakeDriver) Create(ctx context.Context, s container.Spec) error {
	h.mu.Lock()
	h.specs[s.ID] = s
	h.mu.Unlock()
	return h.Driver.Create(ctx, s)
}

func (h *fakeDriver) Start(ctx context.Context, id string) error {
	if err := h.Driver.Start(ctx, id); err != nil {
		return err
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	run, stop := context.WithCancel(context.WithoutCancel(ctx))
	h.stops[id] = stop
	spec := h.specs[id]
	h.wg.Go(func() { h.run(run, spec) })
	return nil
}

func (h *fakeDriver) Remove(ctx context.Context, id string) error {
	h.mu.Lock()
	if stop := h.stops[id]; stop != nil {
		stop()
	}
	h.mu.Unlock()
	return h.Driver.Remove(ctx, id)
}

func (h *fakeDriver) run(ctx context.Context, spec container.Spec) {
	base := ""
	for _, e := range spec.Env {
		if v, ok := strings.CutPrefix(e, "AWS_LAMBDA_RUNTIME_API="); ok {
			base = "http://" + v + "/2018-06-01/runtime/invocation/"
		}
	}
	do := func(method, path, body, kind string) (*http.Response, []byte) {
		req, _ := http.NewRequestWithContext(ctx, method, base+path, strings.NewReader(body))
		req.Header.Set("Lambda-Runtime-Function-Error-Type", kind)
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			return nil, nil
		}
		defer func() { _ = resp.Body.Close() }()
		data, _ := io.ReadAll(resp.Body)
		return resp, data
	}
	for {
		resp, event := do("GET", "next", "", "")
		if resp == nil {
			return
		}
		answer, kind, line := h.serve(string(event))
		if answer == "" {
			h.Kill(spec.ID, 1, false)
			return
		}
		id, end := resp.Header.Get("Lambda-Runtime-Aws-Request-Id"), "response"
		if kind != "" {
			end = "error"
		}
		f, _ := os.OpenFile(filepath.Join(h.dir, spec.ID+".log"), os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
		for _, text := range []string{line, `\u001e` + id, `\u001e` + id} {
			_, _ = io.WriteString(f, `{"s":"stdout","m":"`+text+`"}`+"\n")
		}
		_ = f.Close()
		do("POST", id+"/"+end, answer, kind)
	}
}

type loopback struct{}

func (loopback) Acquire(context.Context, model.Function) (function.Attachment, error) {
	return function.Attachment{Netns: "none", Nameserver: "127.0.0.1", Release: func() {}}, nil
}

func newRunner(t *testing.T, serve func(string) (string, string, string)) (*function.Runner, *logs, model.Function) {
	t.Helper()
	if _, err := os.Stat("/usr/bin/python3"); err != nil {
		if _, err := os.Stat("/usr/local/bin/python3"); err != nil {
			t.Skip("skipped: this host has no python3")
		}
	}
	dir, real := t.TempDir(), clock.Real(t.Context())
	h := &fakeDriver{
		Driver: sim.New(sim.Deps{Clock: real, Dir: dir}), dir: dir, serve: serve, specs: map[string]container.Spec{},
		stops: map[string]context.CancelFunc{},
	}
	code, err := function.OpenStore(filepath.Join(dir, "code"))
	if err != nil {
		t.Fatal(err)
	}
	digest, err := code.Put(pack(t, map[string]string{"index.py": ""}))
	if err != nil {
		t.Fatal(err)
	}
	l := &logs{}
	r, err := function.New(t.Context(), function.Deps{
		Dir: filepath.Join(dir, "fn"), Code: code, Containers: h, Network: loopback{}, Logs: l, Identity: identity{},
		Clock: real, Real: real, IDs: ident.Seeded(7), IdleAfter: time.Hour,
		Listen: func(ctx context.Context, _ string) (net.Listener, error) {
			return (&net.ListenConfig{}).Listen(ctx, "tcp", "127.0.0.1:0")
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := r.Close(context.WithoutCancel(t.Context())); err != nil {
			t.Error(err)
		}
		h.wg.Wait()
	})
	return r, l, model.Function{
		Name: "f", Runtime: "python3.13", Handler: "index.handler", CodeSHA256: digest, Timeout: 5, MemorySize: 128, RevisionID: "1",
	}
}

func TestARunnerKeepsEnvironmentsWarm(t *testing.T) {
	r, l, fn := newRunner(t, func(event string) (string, string, string) {
		return `{"echo":` + event + `}`, "", "said " + strings.Trim(event, "{}")
	})
	for i := range 3 {
		res, err := r.Invoke(t.Context(), fn, function.Invocation{Payload: []byte("{}")})
		if err != nil || string(res.Payload) != `{"echo":{}}` || res.FunctionError != "" {
			t.Fatalf("call %d: %+v, %v", i, res, err)
		}
	}
	if n := strings.Count(l.text(), "INIT_START"); n != 1 || strings.Count(l.text(), "REPORT") != 3 ||
		strings.Count(l.text(), "Init Duration") != 1 {
		t.Errorf("log:\n%s", l.text())
	}
	r.Retire("f", "2")
	if r.Warm("f") != 0 {
		t.Error("an environment of an old revision stays")
	}
}

func TestAnEnvironmentAtWorkEndsAfterItsCallWhenItsFunctionIsGone(t *testing.T) {
	for _, revision := range []string{"", "2"} { // deleted, updated
		var r *function.Runner
		made, _, fn := newRunner(t, func(string) (string, string, string) {
			r.Retire("f", revision)
			return "{}", "", ""
		})
		r = made
		if _, err := r.Invoke(t.Context(), fn, function.Invocation{}); err != nil {
			t.Fatal(err)
		}
		if n := r.Warm("f"); n != 0 {
			t.Errorf("with %q as the revision %d environments stay", revision, n)
		}
	}
}

func TestARunnerTellsErrorsFromCrashes(t *testing.T) {
	r, l, fn := newRunner(t, func(event string) (string, string, string) {
		if strings.Contains(event, "crash") {
			return "", "", ""
		}
		return `{"errorType":"E","errorMessage":"m"}`, "E", "oh"
	})
	res, err := r.Invoke(t.Context(), fn, function.Invocation{})
	if err != nil || res.FunctionError != "Unhandled" || !strings.Contains(string(res.Payload), `"errorType":"E"`) {
		t.Errorf("error: %+v, %v", res, err)
	}
	res, err = r.Invoke(t.Context(), fn, function.Invocation{Payload: []byte(`"crash"`)})
	if err != nil || !strings.Contains(string(res.Payload), "Runtime exited with error: exit status 1") || r.Warm("f") != 0 {
		t.Errorf("crash: %s, %v", res.Payload, err)
	}
	contains(t, "log", l.text(), "oh", "Runtime.ExitError", "Status: error")
	zero := int64(0)
	fn.Concurrency = &zero
	if _, err := r.Invoke(t.Context(), fn, function.Invocation{}); !fault.Is(err, fault.Throttled) {
		t.Errorf("no concurrency: %v", err)
	}
}

func TestReadyNamesWhatIsMissing(t *testing.T) {
	r, _, fn := newRunner(t, nil)
	if err := r.Ready(fn); err != nil {
		t.Error(err)
	}
	fn.Runtime = "java21"
	if err := r.Ready(fn); !fault.Is(err, fault.NotImplemented) {
		t.Errorf("java: %v", err)
	}
}

func TestTheSimulatedRunnerAnswersAndRemembers(t *testing.T) {
	s := &function.Sim{IDs: ident.Seeded(1)}
	res, err := s.Invoke(t.Context(), model.Function{Name: "hook"}, function.Invocation{Payload: []byte("{}")})
	if err != nil || string(res.Payload) != `{"hookStatus":"SUCCEEDED"}` || len(s.Calls()) != 1 {
		t.Errorf("%+v, %v, %v", res, err, s.Calls())
	}
}
