package function

import (
	"context"
	"errors"
	"fmt"
	"math"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"berth/internal/clock"
	"berth/internal/container"
	"berth/internal/container/hostroot"
	"berth/internal/fault"
	"berth/internal/model"
)

const (
	apiAddress = "127.0.0.1:9001"
	user       = "993:990"
	// initTime is Lambda's limit for loading a function, beyond which the
	// function's own timeout counts.
	initTime = 10 * time.Second
	// lookEvery is how often the output of a running call is read.
	lookEvery = 100 * time.Millisecond
	// lastWords bounds the wait for a call's last lines.
	lastWords = 300 * time.Millisecond
	mebibyte  = 1 << 20
)

// environment is one sandbox with one runtime in it.
type environment struct {
	r       *Runner
	id      string
	dir     string
	fn      model.Function
	stream  string
	api     *runtimeAPI
	server  *http.Server
	net     Attachment
	out     *output
	expires time.Time // of its credentials; zero: never
	born    time.Time
	initFor time.Duration // told in the first REPORT
	exited  chan struct{}
	exit    container.State
	idle    *clock.Timer
	marks   bool // its bootstrap is ours

	endOnce sync.Once
	tail    []string // of the call under way
	peak    uint64
}

// start makes the sandbox and waits until its runtime asks for work. The
// answer is non-nil when the function could not be loaded.
func (r *Runner) start(ctx context.Context, fn model.Function, callID string) (*environment, *answer, error) {
	e := &environment{r: r, fn: fn, api: newRuntimeAPI(), born: r.Real.Now(), exited: make(chan struct{})}
	e.id = "fn-" + r.IDs.Hex(16)
	e.dir = filepath.Join(r.Dir, "env", e.id)
	e.stream = r.Clock.Now().UTC().Format("2006/01/02") + "/[$LATEST]" + r.IDs.Hex(32)
	program, err := r.entry(ctx, fn)
	if err != nil {
		return nil, &answer{
			payload: errorPayload("Runtime.InvalidEntrypoint", "RequestId: "+callID+" Error: "+fault.MessageOf(err)), failed: true,
			kind: "Runtime.InvalidEntrypoint",
		}, nil
	}
	e.marks = !strings.HasPrefix(fn.Runtime, "provided")
	if err := e.open(ctx, program); err != nil {
		e.end()
		return nil, nil, unavailable(err, "start an environment of function %s", fn.Name)
	}
	e.log("INIT_START Runtime Version: " + program.version)
	if a := e.await(callID); a != nil {
		e.end()
		return nil, a, nil
	}
	e.initFor = r.Real.Now().Sub(e.born)
	return e, nil, nil
}

func (e *environment) open(ctx context.Context, program entry) error {
	code, err := e.r.Code.Unpacked(ctx, e.fn.CodeSHA256)
	if err != nil {
		return err
	}
	if e.net, err = e.r.Network.Acquire(ctx, e.fn); err != nil {
		return fmt.Errorf("get a network: %w", err)
	}
	ln, err := e.r.Listen(ctx, e.net.Netns)
	if err != nil {
		return fmt.Errorf("listen for the runtime: %w", err)
	}
	e.server = &http.Server{Handler: e.api, ReadHeaderTimeout: time.Minute}
	go func() { _ = e.server.Serve(ln) }()
	if err := os.MkdirAll(e.dir, 0o755); err != nil {
		return fmt.Errorf("make folder of environment: %w", err)
	}
	spec, err := e.spec(ctx, program, code, ln.Addr())
	if err != nil {
		return err
	}
	if err := e.r.Containers.Create(ctx, spec); err != nil {
		return err
	}
	if err := e.r.Containers.Start(ctx, e.id); err != nil {
		return err
	}
	st, err := e.r.Containers.State(ctx, e.id)
	if err != nil {
		return err
	}
	e.out = newOutput(st.LogPath)
	go e.watch(context.WithoutCancel(ctx))
	return nil
}

// watch waits for the sandbox's end; one that nobody uses goes at once.
func (e *environment) watch(ctx context.Context) {
	st, err := e.r.Containers.Wait(ctx, e.id)
	if err != nil {
		st = container.State{ExitCode: 137}
	}
	e.exit = st
	close(e.exited)
	e.r.drop(e)
}

func (e *environment) spec(ctx context.Context, program entry, code string, addr net.Addr) (container.Spec, error) {
	env, err := e.variables(ctx, addr)
	if err != nil {
		return container.Spec{}, err
	}
	resolv := filepath.Join(e.dir, "resolv.conf")
	if err := os.WriteFile(resolv, []byte("nameserver "+e.net.Nameserver+"\noptions timeout:2 attempts:2\n"), 0o644); err != nil {
		return container.Spec{}, fmt.Errorf("write resolv.conf: %w", err)
	}
	s := container.Spec{
		ID: e.id, Layers: []string{e.r.skeleton}, Args: program.args, Env: env, Cwd: taskRoot, User: user, Netns: e.net.Netns,
		Hostname: "localhost", CgroupParent: e.r.CgroupParent, MemoryBytes: e.fn.MemorySize * mebibyte, PidsLimit: 1024,
		ReadonlyRoot: true, NoNewPrivileges: true, CapDrop: []string{"ALL"},
		Ulimits: []container.Ulimit{{Name: "nofile", Soft: 1024, Hard: 1024}},
		Labels:  map[string]string{"function": e.fn.Name},
		Mounts: []container.Mount{
			{Source: code, Destination: taskRoot, ReadOnly: true},
			{Source: resolv, Destination: "/etc/resolv.conf", ReadOnly: true},
			{Destination: "/tmp", Tmpfs: true, SizeBytes: e.fn.EphemeralMB * mebibyte},
		},
	}
	s.Mounts = append(s.Mounts, hostroot.Mounts()...)
	if e.r.bundle != "" {
		s.Mounts = append(s.Mounts, container.Mount{Source: e.r.bundle, Destination: runtimeDir + "/ca.pem", ReadOnly: true})
	}
	return s, nil
}

// variables are those that Lambda reserves, then the function's own.
func (e *environment) variables(ctx context.Context, addr net.Addr) ([]string, error) {
	c, err := e.r.Identity.Credentials(ctx, e.fn)
	if err != nil {
		return nil, fmt.Errorf("get credentials: %w", err)
	}
	e.expires = c.Expires
	env := []string{
		"AWS_EXECUTION_ENV=AWS_Lambda_" + e.fn.Runtime, "AWS_REGION=" + e.r.Place.Region, "AWS_DEFAULT_REGION=" + e.r.Place.Region,
		"AWS_LAMBDA_FUNCTION_NAME=" + e.fn.Name, "AWS_LAMBDA_FUNCTION_VERSION=$LATEST",
		"AWS_LAMBDA_FUNCTION_MEMORY_SIZE=" + strconv.FormatInt(e.fn.MemorySize, 10),
		"AWS_LAMBDA_INITIALIZATION_TYPE=on-demand", "AWS_LAMBDA_LOG_GROUP_NAME=" + LogGroup(e.fn), "AWS_LAMBDA_LOG_STREAM_NAME=" + e.stream,
		"AWS_LAMBDA_RUNTIME_API=" + addr.String(), "LAMBDA_TASK_ROOT=" + taskRoot, "LAMBDA_RUNTIME_DIR=" + runtimeDir, "_HANDLER=" + e.fn.Handler,
		"AWS_ACCESS_KEY_ID=" + c.AccessKeyID, "AWS_SECRET_ACCESS_KEY=" + c.Secret, "AWS_SESSION_TOKEN=" + c.Token,
		"LANG=en_US.UTF-8", "TZ=:UTC", "PATH=/var/lang/bin:/usr/local/bin:/usr/bin/:/bin:/opt/bin", "LD_LIBRARY_PATH=" + libPath,
		"PYTHONPATH=" + runtimeDir, "PYTHONIOENCODING=utf-8", "PYTHONDONTWRITEBYTECODE=1",
		"NODE_PATH=/opt/nodejs/node_modules:" + runtimeDir + "/node_modules:" + runtimeDir + ":" + taskRoot +
			hostModules,
	}
	if e.r.bundle != "" {
		for _, k := range []string{"AWS_CA_BUNDLE", "SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "NODE_EXTRA_CA_CERTS"} {
			env = append(env, k+"="+runtimeDir+"/ca.pem")
		}
	}
	for _, k := range sortedKeys(e.fn.Environment) {
		env = append(env, k+"="+e.fn.Environment[k])
	}
	return env, nil
}

func sortedKeys(m map[string]string) []string {
	var keys []string
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}

// await waits for the runtime's first question; an answer is a failure.
func (e *environment) await(callID string) *answer {
	limit := initTime + time.Duration(e.fn.Timeout)*time.Second
	timeout, stop := after(e.r.Real, limit)
	defer stop()
	tick := clock.After(e.r.Real, lookEvery)
	for {
		select {
		case <-e.api.ready:
			return nil
		case body := <-e.api.initFailed:
			e.flush("")
			e.log(fmt.Sprintf("INIT_REPORT Init Duration: %s ms\tPhase: init\tStatus: error\tError Type: %s", millis(e.age()), kindOf(body)))
			return &answer{payload: body, failed: true, kind: kindOf(body)}
		case <-e.exited:
			select { // it may have said why before it went
			case body := <-e.api.initFailed:
				e.api.initFailed <- body
				continue
			default:
			}
			e.flush("")
			a := e.crash(callID)
			e.log(fmt.Sprintf("INIT_REPORT Init Duration: %s ms\tPhase: init\tStatus: error\tError Type: %s", millis(e.age()), a.kind))
			return &a
		case <-timeout:
			e.flush("")
			e.log(fmt.Sprintf("INIT_REPORT Init Duration: %s ms\tPhase: init\tStatus: timeout", millis(e.age())))
			return timedOut(callID, limit)
		case <-tick:
			e.logAll(e.out.lines())
			tick = clock.After(e.r.Real, lookEvery)
		}
	}
}

// after is clock.After that can be called off.
func after(c clock.Clock, d time.Duration) (due <-chan struct{}, stop func()) {
	ch := make(chan struct{})
	t := c.AfterFunc(d, func() { close(ch) })
	return ch, func() { t.Stop() }
}

func (e *environment) age() time.Duration { return e.r.Real.Now().Sub(e.born) }

func timedOut(id string, limit time.Duration) *answer {
	message := fmt.Sprintf("RequestId: %s Error: Task timed out after %.2f seconds", id, limit.Seconds())
	return &answer{payload: errorPayload("Sandbox.Timedout", message), failed: true, kind: "Sandbox.Timedout"}
}

// crash describes the end of a runtime that gave no answer.
func (e *environment) crash(id string) answer {
	kind, how := "Runtime.ExitError", fmt.Sprintf("exit status %d", e.exit.ExitCode)
	switch {
	case e.exit.OOMKilled:
		kind, how = "Runtime.OutOfMemory", "signal: killed"
	case e.exit.ExitCode == 137:
		how = "signal: killed"
	case e.exit.ExitCode == 139:
		how = "signal: segmentation fault"
	}
	message := "RequestId: " + id + " Error: Runtime exited with error: " + how
	if e.exit.ExitCode == 0 {
		message = "RequestId: " + id + " Error: Runtime exited without providing a reason"
	}
	e.log(message, kind)
	return answer{payload: errorPayload(kind, message), failed: true, kind: kind}
}

// run makes one call. alive is false when the environment ended with it.
func (e *environment) run(c *call, limit time.Duration) (a answer, alive bool) {
	e.tail = nil
	e.log("START RequestId: " + c.id + " Version: $LATEST")
	began := e.r.Real.Now()
	timeout, stop := after(e.r.Real, limit)
	defer stop()
	tick := clock.After(e.r.Real, lookEvery)
	e.api.work <- c
	status := ""
	for waiting := true; waiting; {
		select {
		case a = <-c.done:
			waiting, alive = false, true
		case <-e.exited:
			select { // its answer may have come just before its end
			case a = <-c.done:
			default:
				e.flush("")
				a = e.crash(c.id)
				status = "\tStatus: error\tError Type: " + a.kind
			}
			waiting = false
		case <-timeout:
			a, waiting, status = *timedOut(c.id, limit), false, "\tStatus: timeout"
		case <-tick:
			e.logAll(e.out.lines())
			e.look()
			tick = clock.After(e.r.Real, lookEvery)
		}
	}
	took := e.r.Real.Now().Sub(began)
	if alive {
		e.look()
		e.flush(c.id)
	} else if status == "\tStatus: timeout" {
		took = limit
		e.flush("")
		e.log(
			fmt.Sprintf("%s %s Task timed out after %.2f seconds", e.r.Clock.Now().UTC().Format("2006-01-02T15:04:05.000Z"), c.id, limit.Seconds()),
		)
	}
	e.log("END RequestId: " + c.id)
	e.log(e.report(c.id, took) + status)
	return a, alive
}

// report is the line with a call's figures.
func (e *environment) report(id string, took time.Duration) string {
	line := fmt.Sprintf("REPORT RequestId: %s\tDuration: %s ms\tBilled Duration: %d ms\tMemory Size: %d MB\tMax Memory Used: %d MB\t",
		id, millis(took), int64(math.Ceil(float64(took)/float64(time.Millisecond))), e.fn.MemorySize, (e.peak+mebibyte-1)/mebibyte)
	if e.initFor > 0 {
		line += fmt.Sprintf("Init Duration: %s ms\t", millis(e.initFor))
		e.initFor = 0
	}
	return line
}

func millis(d time.Duration) string {
	return strconv.FormatFloat(float64(d)/float64(time.Millisecond), 'f', 2, 64)
}

// look keeps the highest memory figure seen.
func (e *environment) look() {
	ctx, cancel := context.WithTimeout(e.r.base, time.Second)
	defer cancel()
	if s, err := e.r.Containers.Stats(ctx, e.id); err == nil {
		e.peak = max(e.peak, s.MemoryBytes)
	}
}

// flush logs what the call has written, and waits a moment for the rest: the
// lines take another way than the answer.
func (e *environment) flush(id string) {
	end := e.r.Real.Now().Add(lastWords)
	quiet := 0
	for {
		lines := e.out.lines()
		e.logAll(lines)
		if len(lines) > 0 {
			quiet = 0
		} else {
			quiet++
		}
		if id != "" && e.marks && e.out.complete(id) || !(id != "" && e.marks) && quiet > 10 || e.r.Real.Now().After(end) {
			return
		}
		<-clock.After(e.r.Real, 2*time.Millisecond)
	}
}

func (e *environment) log(lines ...string) { e.logAll(lines) }

// logAll sends lines on, and keeps the end of them for the caller.
func (e *environment) logAll(lines []string) {
	if len(lines) == 0 {
		return
	}
	now := e.r.Clock.Now()
	events := make([]LogEvent, len(lines))
	for i, l := range lines {
		events[i] = LogEvent{now, l}
	}
	e.tail = append(e.tail, lines...)
	if err := e.r.Logs.Append(e.r.base, e.fn, LogGroup(e.fn), e.stream, events); err != nil && !fault.Is(err, fault.Denied) &&
		!errors.Is(err, context.Canceled) {
		e.r.Log.WarnContext(e.r.base, "function log lines are lost", "function", e.fn.Name, "error", err)
	}
}

// logTail are the last 4 KiB of the call's lines.
func (e *environment) logTail() string {
	text := strings.Join(e.tail, "\n") + "\n"
	return text[max(0, len(text)-4096):]
}

// end kills the sandbox and gives everything back; it may be called twice.
func (e *environment) end() {
	e.endOnce.Do(func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(e.r.base), time.Minute)
		defer cancel()
		if err := e.r.Containers.Remove(ctx, e.id); err != nil {
			e.r.Log.WarnContext(ctx, "function sandbox stays", "function", e.fn.Name, "error", err)
		}
		if e.server != nil {
			_ = e.server.Close()
		}
		if e.net.Release != nil {
			e.net.Release()
		}
		if e.out != nil {
			e.out.close()
		}
		_ = os.RemoveAll(e.dir)
	})
}
