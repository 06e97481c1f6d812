//go:build root

package function_test

import (
	"context"
	"fmt"

	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"berth/internal/await"
	"berth/internal/clock"
	"berth/internal/container/runc"
	"berth/internal/fault"
	"berth/internal/function"
	"berth/internal/ident"
	"berth/internal/kernel"
	"berth/internal/model"
)

type netns struct {
	t    *testing.T
	dir  string
	made atomic.Int64
	open atomic.Int64
}

func (n *netns) Acquire(context.Context, model.Function) (function.Attachment, error) {
	path := filepath.Join(n.dir, fmt.Sprintf("ns-%d", n.made.Add(1)))
	ns, err := kernel.CreateNetns(path)
	if err != nil {
		return function.Attachment{}, err
	}
	n.open.Add(1)
	// A page for functions to ask for.
	ln, err := ns.Listen(context.Background(), "tcp", "127.0.0.1:8080")
	if err != nil {
		return function.Attachment{}, err
	}
	srv := &http.Server{
		ReadHeaderTimeout: time.Minute,
		Handler:           http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("page")) }),
	}
	go func() { _ = srv.Serve(ln) }()
	return function.Attachment{Netns: path, Nameserver: "127.0.0.1", Release: func() {
		_ = srv.Close()
		_ = ns.Close()
		if err := kernel.DeleteNetns(path); err != nil {
			n.t.Error(err)
		}
		n.open.Add(-1)
	}}, nil
}

type lab struct {
	t      *testing.T
	runner *function.Runner
	logs   *logs
	code   *function.Store
	netns  *netns
}

func newLab(t *testing.T) *lab {
	t.Helper()
	if os.Getuid() != 0 {
		t.Skip("skipped: needs root")
	}
	if _, err := exec.LookPath("runc"); err != nil {
		t.Skip("skipped: needs runc in PATH")
	}
	dir := t.TempDir()
	if err := os.Chmod(filepath.Dir(dir), 0o755); err != nil { // the function's user must get to its code
		t.Fatal(err)
	}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	real := clock.Real(t.Context())
	driver, err := runc.New(runc.Deps{Dir: filepath.Join(dir, "ctr"), Self: self})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = driver.Close() })
	code, err := function.OpenStore(filepath.Join(dir, "code"))
	if err != nil {
		t.Fatal(err)
	}
	group := fmt.Sprintf("/berth-test-fn-%d", os.Getpid())
	l := &lab{t: t, logs: &logs{}, code: code, netns: &netns{t: t, dir: dir}}
	l.runner, err = function.New(t.Context(), function.Deps{
		Dir: filepath.Join(dir, "fn"), Code: code, Containers: driver, Network: l.netns, Logs: l.logs, Identity: identity{},
		Clock: real, Real: real, IDs: ident.Crypto(), CgroupParent: group,
		Place: ident.Place{Partition: "aws", Region: "eu-west-3", Account: "000000000000"},
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := l.runner.Close(context.WithoutCancel(t.Context())); err != nil {
			t.Error(err)
		}
		if n := l.netns.open.Load(); n != 0 {
			t.Errorf("%d networks were not given back", n)
		}
		dirs, _ := filepath.Glob("/sys/fs/cgroup/*" + group)
		for _, d := range append(dirs, "/sys/fs/cgroup"+group) {
			_ = os.Remove(d)
		}
	})
	return l
}

func (l *lab) function(runtime, handler string, files map[string]string) model.Function {
	l.t.Helper()
	digest, err := l.code.Put(pack(l.t, files))
	if err != nil {
		l.t.Fatal(err)
	}
	return model.Function{
		Name: "hook", ARN: "arn:aws:lambda:eu-west-3:000000000000:function:hook", Runtime: runtime, Handler: handler, CodeSHA256: digest,
		Timeout: 10, MemorySize: 128, EphemeralMB: 512, RevisionID: digest, Environment: map[string]string{"APP_URL": "127.0.0.1"},
	}
}

func (l *lab) invoke(fn model.Function, payload string) function.Result {
	l.t.Helper()
	res, err := l.runner.Invoke(l.t.Context(), fn, function.Invocation{Payload: []byte(payload)})
	if err != nil {
		l.t.Fatal(err)
	}
	return res
}

const hook = `
import json, logging, os, urllib3
logger = logging.getLogger()
logger.setLevel(logging.DEBUG)
http = urllib3.PoolManager()
count = 0

def lambda_handler(event, context):
    global count
    count += 1
    logger.info(f"Event: {json.dumps(event)}")
    logger.info(f"Context: {context}")
    print("plain line")
    response = http.request('GET', "http://" + os.getenv("APP_URL") + ":8080")
    return {"hookStatus": "SUCCEEDED" if response.status == 200 else "FAILED", "count": count, "body": response.data.decode(),
            "uid": os.getuid(), "tmp": open("/tmp/x", "w").write("ä"), "left": context.get_remaining_time_in_millis() > 5000, "text": "grün"}
`

// Proves: D82, D83, D84
func TestThePythonHookOfADeployment(t *testing.T) {
	l := newLab(t)
	fn := l.function("python3.13", "index.lambda_handler", map[string]string{"index.py": hook})
	res := l.invoke(fn, `{"lifecycleStage":"POST_TEST_TRAFFIC_SHIFT"}`)
	if res.FunctionError != "" {
		t.Fatalf("result: %s %s\n%s", res.FunctionError, res.Payload, l.logs.text())
	}
	contains(
		t, "answer", string(res.Payload), `"hookStatus": "SUCCEEDED"`, `"body": "page"`, `"uid": 993`, `"left": true`, `"grün"`, `"count": 1`,
	)
	text := l.logs.text()
	contains(t, "log", text, "INIT_START Runtime Version: python3.", "START RequestId: "+res.RequestID+" Version: $LATEST",
		"[INFO]\t", `Event: {"lifecycleStage": "POST_TEST_TRAFFIC_SHIFT"}`,
		"LambdaContext([aws_request_id="+res.RequestID+",log_group_name=/aws/lambda/hook,",
		"identity=CognitoIdentity([cognito_identity_id=None,cognito_identity_pool_id=None]),tenant_id=None])", "plain line", "[DEBUG]\t",
		"Starting new HTTP connection (1): 127.0.0.1:8080",
		`http://127.0.0.1:8080 "GET / HTTP/1.1" 200`, "END RequestId: "+res.RequestID)
	report := regexp.MustCompile(
		`REPORT RequestId: ` + res.RequestID +
			`\tDuration: [\d.]+ ms\tBilled Duration: \d+ ms\tMemory Size: 128 MB\tMax Memory Used: [1-9]\d* MB\tInit Duration: [\d.]+ ms\t`,
	)
	if !report.MatchString(text) {
		t.Errorf("no report line:\n%s", text)
	}
	for i, order := 0, []string{"INIT_START", "START RequestId", "Event:", "plain line", "END RequestId", "REPORT"}; i+1 < len(order); i++ {
		if strings.Index(text, order[i]) > strings.Index(text, order[i+1]) {
			t.Errorf("%s comes after %s:\n%s", order[i], order[i+1], text)
		}
	}
	if l.logs.group != "/aws/lambda/hook" || !strings.Contains(res.LogTail, "REPORT RequestId") {
		t.Errorf("group %s, tail %s", l.logs.group, res.LogTail)
	}

	began := time.Now()
	second := l.invoke(fn, `{}`)
	contains(t, "second answer", string(second.Payload), `"count": 2`)
	t.Logf("warm call: %v", time.Since(began))
	if strings.Count(l.logs.text(), "INIT_START") != 1 || l.runner.Warm("hook") != 1 {
		t.Errorf("the environment was not used again")
	}
	fn.RevisionID = "new"
	l.runner.Retire("hook", "new")
	if third := l.invoke(fn, `{}`); !strings.Contains(string(third.Payload), `"count": 1`) {
		t.Errorf("a new revision ran in an old environment: %s", third.Payload)
	}
}

// Proves: D82
func TestFailuresAreToldAsLambdaTellsThem(t *testing.T) {
	l := newLab(t)
	python := func(body string) model.Function {
		return l.function("python3.13", "index.handler", map[string]string{"index.py": body})
	}
	for name, c := range map[string]struct {
		fn   model.Function
		want []string
		log  []string
	}{
		"exception": {python("def inner():\n    raise ValueError('no')\ndef handler(e, c):\n    inner()\n"),
			[]string{
				`"errorMessage": "no"`, `"errorType": "ValueError"`, `"stackTrace": ["  File \"/var/task/index.py\", line 4, in handler`,
			}, []string{"[ERROR] ValueError: no\rTraceback (most recent call last):\r"}},
		"syntax": {
			python("def handler(:\n"), []string{`"errorType": "Runtime.UserCodeSyntaxError"`, `Syntax error in module 'index'`},
			[]string{"INIT_REPORT Init Duration", "Error Type: Runtime.UserCodeSyntaxError"},
		},
		"import": {
			python("import nothing_like_it\n"),
			[]string{`"errorType": "Runtime.ImportModuleError"`, `Unable to import module 'index': No module named 'nothing_like_it'`}, nil,
		},
		"no handler": {
			python("x = 1\n"), []string{`"errorType": "Runtime.HandlerNotFound"`, `Handler 'handler' missing on module 'index'`}, nil,
		},
		"not json": {
			python("def handler(e, c):\n    return object()\n"),
			[]string{`"errorType": "Runtime.MarshalError"`, `Unable to marshal response: Object of type object is not JSON serializable`}, nil,
		},
		"exit": {
			python("import os\ndef handler(e, c):\n    os._exit(3)\n"),
			[]string{`"errorType":"Runtime.ExitError"`, `Error: Runtime exited with error: exit status 3`},
			[]string{"Status: error\tError Type: Runtime.ExitError"},
		},
		"memory": {
			python("def handler(e, c):\n    x = bytearray(400 << 20)\n    return len(x)\n"),
			[]string{`"errorType":"Runtime.OutOfMemory"`, "signal: killed"}, nil,
		},
		"no bootstrap": {
			l.function("provided.al2023", "x", map[string]string{"other": ""}),
			[]string{`"errorType":"Runtime.InvalidEntrypoint"`, "Couldn't find valid bootstrap(s)"}, nil,
		},
	} {
		t.Run(name, func(t *testing.T) {
			l.logs.events = nil
			c.fn.Name = "f-" + strings.ReplaceAll(name, " ", "-")
			res := l.invoke(c.fn, `{}`)
			if res.FunctionError != "Unhandled" {
				t.Errorf("function error %q", res.FunctionError)
			}
			contains(t, "payload", string(res.Payload), c.want...)
			contains(t, "log", l.logs.text(), c.log...)
		})
	}
}

func TestAnIdleSandboxThatEndsIsTakenAway(t *testing.T) {
	l := newLab(t)
	fn := l.function("python3.13", "index.handler", map[string]string{"index.py": "import os, threading\n" +
		"def handler(e, c):\n    threading.Timer(0.3, lambda: os._exit(1)).start()\n    return 1\n"})
	if res := l.invoke(fn, `{}`); res.FunctionError != "" {
		t.Fatalf("%s", res.Payload)
	}
	await.Value(t, "no environment, no network", func() ([2]int, bool) {
		left := [2]int{l.runner.Warm(fn.Name), int(l.netns.open.Load())}
		return left, left == [2]int{}
	})
}

// Proves: D85
func TestATimeoutKills(t *testing.T) {
	l := newLab(t)
	fn := l.function("python3.13", "index.handler", map[string]string{
		"index.py": "import time\ndef handler(e, c):\n    print('begin')\n    time.sleep(60)\n",
	})
	fn.Timeout = 1
	began := time.Now()
	res := l.invoke(fn, `{}`)
	want := `{"errorType":"Sandbox.Timedout","errorMessage":"RequestId: ` + res.RequestID + ` Error: Task timed out after 1.00 seconds"}`
	if string(res.Payload) != want || res.FunctionError != "Unhandled" {
		t.Errorf("payload %s", res.Payload)
	}
	if took := time.Since(began); took > 30*time.Second {
		t.Errorf("took %v", took)
	}
	contains(
		t, "log", l.logs.text(), "begin", res.RequestID+" Task timed out after 1.00 seconds", "Duration: 1000.00 ms\tBilled Duration: 1000 ms",
		"Status: timeout",
	)
	if l.runner.Warm(fn.Name) != 0 {
		t.Error("the environment was kept")
	}
}

func TestNodeAndProvidedRuntimes(t *testing.T) {
	l := newLab(t)
	dir := t.TempDir()
	source := `package main
import ("bytes";"fmt";"io";"net/http";"os")
func main() { for { base := "http://" + os.Getenv("AWS_LAMBDA_RUNTIME_API") + "/2018-06-01/runtime/invocation/"
 r, err := http.Get(base + "next"); if err != nil { os.Exit(1) }
 body, _ := io.ReadAll(r.Body); id := r.Header.Get("Lambda-Runtime-Aws-Request-Id"); fmt.Println("go says", string(body))
 http.Post(base+id+"/response", "application/json", bytes.NewReader([]byte("{\"from\":\"go\"}"))) } }`
	if err := os.WriteFile(filepath.Join(dir, "main.go"), []byte(source), 0o600); err != nil {
		t.Fatal(err)
	}
	build := exec.CommandContext(t.Context(), "go", "build", "-o", filepath.Join(dir, "bootstrap"), filepath.Join(dir, "main.go"))
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	program, err := os.ReadFile(filepath.Join(dir, "bootstrap"))
	if err != nil {
		t.Fatal(err)
	}
	fn := l.function("provided.al2023", "x", map[string]string{"bootstrap": string(program)})
	if res := l.invoke(fn, `{"a":1}`); string(res.Payload) != `{"from":"go"}` {
		t.Errorf("provided: %s", res.Payload)
	}
	contains(t, "log", l.logs.text(), `go says {"a":1}`)

	if _, err := os.Stat("/usr/bin/node"); err != nil {
		t.Skip("skipped: this host has no /usr/bin/node")
	}
	for file, code := range map[string]string{
		"index.js":  "exports.handler = async (event) => { console.log('hello', event.a); return { from: 'js' } }",
		"index.mjs": "export const handler = (event, context, callback) => { console.log('hello', event.a); callback(null, { from: 'js' }) }",
	} {
		fn := l.function("nodejs22.x", "index.handler", map[string]string{file: code})
		fn.Name, fn.MemorySize = "js-"+filepath.Ext(file)[1:], 256
		res := l.invoke(fn, `{"a":1}`)
		if string(res.Payload) != `{"from":"js"}` {
			t.Errorf("%s: %s\n%s", file, res.Payload, l.logs.text())
		}
		contains(t, "log", l.logs.text(), res.RequestID+"\tINFO\thello 1")
	}
	bad := l.function("nodejs22.x", "index.handler", map[string]string{
		"index.js": "exports.handler = async () => { throw new TypeError('oh') }",
	})
	bad.Name, bad.MemorySize = "js-bad", 256
	res := l.invoke(bad, `{}`)
	contains(t, "payload", string(res.Payload), `"errorType":"TypeError"`, `"errorMessage":"oh"`, `"trace":["TypeError: oh"`)
}

func TestTheSandboxSeesLittle(t *testing.T) {
	l := newLab(t)
	fn := l.function("python3.13", "index.handler", map[string]string{"index.py": `
import os
def handler(e, c):
    def can(path, mode="w"):
        try:
            open(path, mode).close()
            return True
        except OSError:
            return False
    return {"root": sorted(os.listdir("/")), "write": [p for p in ("/x", "/var/task/x", "/usr/x", "/etc/x", "/var/runtime/x") if can(p)],
            "procs": [p for p in os.listdir("/proc") if p.isdigit()], "nics": sorted(os.listdir("/sys/class/net")), "tmp": can("/tmp/x"),
            "caps": [l.split()[1] for l in open("/proc/self/status") if l.startswith(("CapEff", "CapBnd", "NoNewPrivs"))]}
`})
	res := l.invoke(fn, `{}`)
	contains(
		t, "answer", string(res.Payload), `"write": []`, `"procs": ["1"]`, `"nics": ["lo"]`, `"tmp": true`,
		`"caps": ["0000000000000000", "0000000000000000", "1"]`,
	)
	for _, hidden := range []string{`"root"]`, `"home"`, `"root", "run"`} {
		if strings.Contains(string(res.Payload), hidden) {
			t.Errorf("the sandbox shows %s: %s", hidden, res.Payload)
		}
	}
}

func TestConcurrencyIsReserved(t *testing.T) {
	l := newLab(t)
	fn := l.function("python3.13", "index.handler", map[string]string{
		"index.py": "import time\ndef handler(e, c):\n    time.sleep(1)\n    return 1\n",
	})
	one := int64(1)
	fn.Concurrency = &one
	done := make(chan error, 1)
	go func() {
		_, err := l.runner.Invoke(context.WithoutCancel(t.Context()), fn, function.Invocation{})
		done <- err
	}()
	await.True(t, "the first call has started", func() bool { return strings.Contains(l.logs.text(), "START RequestId") })
	if _, err := l.runner.Invoke(t.Context(), fn, function.Invocation{}); fault.CodeOf(err) != "TooManyRequestsException" {
		t.Errorf("second call: %v", err)
	}
	if err := <-done; err != nil {
		t.Error(err)
	}
}
