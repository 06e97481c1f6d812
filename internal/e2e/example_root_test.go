//go:build root

package e2e_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"berth/internal/await"
	"berth/internal/testport"
)

// berth is one server under test.
type berth struct {
	t    *testing.T
	bin  string
	data string
	addr string
	env  []string // of its processes, beside the test's own
}

func start(t *testing.T) *berth {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("needs root: network namespaces and containers")
	}
	bin := os.Getenv("BERTH_BIN")
	if bin == "" {
		t.Skip("needs BERTH_BIN, the path of the program: run make test-root")
	}
	addr := net.JoinHostPort("127.0.0.1", strconv.Itoa(testport.Free(t)))
	b := &berth{t: t, bin: bin, data: filepath.Join(t.TempDir(), "data"), addr: addr}
	t.Cleanup(func() {
		if t.Failed() {
			if log, err := os.ReadFile(filepath.Join(b.data, "server.log")); err == nil {
				t.Logf("server.log:\n%s", last(string(log), 80))
			}
		}
		_, _ = b.try("stop")
	})
	return b
}

func last(s string, n int) string {
	lines := strings.Split(s, "\n")
	return strings.Join(lines[max(0, len(lines)-n):], "\n")
}

// try runs a command of the program.
func (b *berth) try(args ...string) (string, error) {
	cmd := exec.CommandContext(await.Context(b.t), b.bin, append(args, "--data", b.data)...)
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr, cmd.Env = &out, &out, append(os.Environ(), b.env...)
	err := cmd.Run()
	return out.String(), err
}

func (b *berth) run(args ...string) string {
	b.t.Helper()
	out, err := b.try(args...)
	if err != nil {
		b.t.Fatalf("berth %s: %v\n%s", strings.Join(args, " "), err, out)
	}
	return out
}

// ecs calls the ECS API as an SDK would.
func (b *berth) ecs(op string, in map[string]any) map[string]any {
	b.t.Helper()
	out, err := callECS(b.t.Context(), b.addr, op, in)
	if err != nil {
		b.t.Fatal(err)
	}
	return out
}

func callECS(ctx context.Context, addr, op string, in map[string]any) (map[string]any, error) {
	return callJSON(ctx, addr, "AmazonEC2ContainerServiceV20141113."+op, in)
}

// json calls an API of protocol JSON 1.1 by its target.
func (b *berth) json(target string, in map[string]any) map[string]any {
	b.t.Helper()
	out, err := callJSON(b.t.Context(), b.addr, target, in)
	if err != nil {
		b.t.Fatal(err)
	}
	return out
}

// The versions by which query APIs are known.
const (
	versionEC2            = "2016-11-15"
	versionIAM            = "2010-05-08"
	versionCloudFormation = "2010-05-15"
	versionELB            = "2015-12-01"
	versionAutoScaling    = "2011-01-01"
)

func (b *berth) ec2(action string, kv ...string) string {
	b.t.Helper()
	return b.query(versionEC2, action, kv...)
}

func (b *berth) iam(action string, kv ...string) string {
	b.t.Helper()
	return b.query(versionIAM, action, kv...)
}

// query calls an API of protocol query; it returns the answer's XML.
func (b *berth) query(version, action string, kv ...string) string {
	b.t.Helper()
	form := url.Values{"Action": {action}, "Version": {version}}
	for i := 0; i < len(kv); i += 2 {
		form.Set(kv[i], kv[i+1])
	}
	out, err := callQuery(b.t.Context(), b.addr, form)
	if err != nil {
		b.t.Fatal(err)
	}
	return out
}

func callQuery(ctx context.Context, addr string, form url.Values) (string, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://"+addr+"/", strings.NewReader(form.Encode()))
	if err != nil {
		return "", err
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded; charset=utf-8")
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return "", err
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err == nil && res.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s: %s: %s", form.Get("Action"), res.Status, body)
	}
	return string(body), err
}

func callJSON(ctx context.Context, addr, target string, in map[string]any) (map[string]any, error) {
	body, err := json.Marshal(in)
	if err != nil {
		return nil, err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://"+addr+"/", bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	req.Header.Set("Content-Type", "application/x-amz-json-1.1")
	req.Header.Set("X-Amz-Target", target)
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return nil, err
	}
	defer res.Body.Close()
	out := map[string]any{}
	text, err := io.ReadAll(res.Body)
	if err != nil {
		return nil, err
	}
	if res.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("%s: %s: %s", target, res.Status, text)
	}
	return out, json.Unmarshal(text, &out)
}

// picture is the part of `berth status --json` that the tests read.
type picture struct {
	Clusters []struct {
		Name      string
		Instances []instance
		Services  []struct {
			Name             string
			Running, Desired int
			Deployment       string
			URLs             []string
		}
	}
}

type instance struct {
	ID, Type, Zone, Status string
	Connected              bool
	Tasks                  []struct{ ID, Status, Address string }
}

func (b *berth) status() picture {
	b.t.Helper()
	var p picture
	if err := json.Unmarshal([]byte(b.run("status", "--json")), &p); err != nil {
		b.t.Fatal(err)
	}
	return p
}

// until polls a condition of the picture.
func (b *berth) until(what string, ok func(picture) bool) picture {
	b.t.Helper()
	var p picture
	b.poll(200*time.Millisecond, func() bool {
		p = b.status()
		return ok(p)
	}, func() string { return "still not: " + what + "\n" + b.run("status") })
	return p
}

// poll looks until a condition holds, and says what else there is if it never
// does, after a share of the time that the run has.
func (b *berth) poll(every time.Duration, ok func() bool, otherwise func() string) {
	b.t.Helper()
	limit := await.Limit(b.t)
	deadline := time.NewTimer(limit)
	defer deadline.Stop()
	tick := time.NewTicker(every)
	defer tick.Stop()
	for !ok() {
		select {
		case <-deadline.C:
			b.t.Fatalf("after %v %s", limit, otherwise())
		case <-tick.C:
		}
	}
}

func page(t *testing.T, url string) (int, string) {
	t.Helper()
	host := strings.TrimPrefix(url, "http://")
	host, path, _ := strings.Cut(host, "/")
	port := "80"
	if h, p, ok := strings.Cut(host, ":"); ok {
		host, port = h, p
	}
	to := "127.0.0.1" // where all names lead
	if net.ParseIP(host) != nil {
		to = host
	}
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+to+":"+port+"/"+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Host = host
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return 0, err.Error()
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		return 0, err.Error()
	}
	return res.StatusCode, string(body)
}

// TestRootTheExampleLives is a user's first half hour: deploy, see the page,
// scale out and in, deploy a new version, delete, stop, and nothing is left.
//
// Proves: D73, D84
func TestRootTheExampleLives(t *testing.T) {
	b := start(t)
	began := time.Now()
	out := b.run("up", "--listen", b.addr, "--speed", "60")
	t.Logf("berth up took %v", time.Since(began).Round(100*time.Millisecond))
	p := b.status()
	if len(p.Clusters) != 1 || len(p.Clusters[0].Services) != 1 {
		t.Fatalf("want one cluster with one service, got %+v\n%s", p, out)
	}
	svc := p.Clusters[0].Services[0]
	if svc.Running != 2 || svc.Deployment != "SUCCESSFUL" {
		t.Errorf("service is %+v", svc)
	}
	// Two listeners, each by its name and at the load balancer's own address.
	if len(svc.URLs) != 4 || slices.ContainsFunc(svc.URLs, func(u string) bool { return !strings.Contains(out, u) }) {
		t.Fatalf("urls %v are not in the output:\n%s", svc.URLs, out)
	}
	for _, u := range svc.URLs {
		if code, body := page(t, u); code != 200 || !strings.Contains(body, "It runs") || !strings.Contains(body, "v1") {
			t.Errorf("%s: %d %s", u, code, body)
		}
	}
	if code, _ := page(t, "http://no-such-host.example/"); code != 200 {
		t.Errorf("an unknown host on a port with one load balancer got %d", code)
	}
	for _, in := range p.Clusters[0].Instances {
		if !in.Connected || in.Status != "ACTIVE" || strings.HasPrefix(in.Type, "t3") {
			t.Errorf("instance %+v", in)
		}
		for _, task := range in.Tasks {
			if !strings.HasPrefix(task.Address, "10.20.1") && !strings.HasPrefix(task.Address, "10.20.2") {
				t.Errorf("task %s has address %s, outside the private subnets", task.ID, task.Address)
			}
		}
	}
	// The example's own policy would scale a service in that nobody asks
	// anything of, on a slow machine before all tasks run.
	suspendScaling(b, true)
	zones := scale(b, 14, 2)
	if len(zones) < 2 {
		t.Errorf("fourteen tasks run in %v only", zones)
	}
	scale(b, 1, 1)
	suspendScaling(b, false)
	b.until("the spare instances are gone", func(p picture) bool { return len(p.Clusters[0].Instances) == 1 })

	deployUnderWatch(b, svc.URLs[0])

	b.run("down")
	if p := b.status(); len(p.Clusters) != 0 {
		t.Errorf("after down there still is %+v", p)
	}
	b.run("stop")
	nothingLeft(t, b.data)
}

// suspendScaling has the example's scaling policies act no more, or again.
func suspendScaling(b *berth, yes bool) {
	b.t.Helper()
	b.json("AnyScaleFrontendService.RegisterScalableTarget", map[string]any{
		"ServiceNamespace": "ecs", "ResourceId": "service/hello/hello", "ScalableDimension": "ecs:service:DesiredCount",
		"SuspendedState": map[string]any{"DynamicScalingInSuspended": yes, "DynamicScalingOutSuspended": yes},
	})
}

// scale sets the desired count and waits for it; it returns the zones in use.
func scale(b *berth, n, atLeast int) map[string]int {
	b.t.Helper()
	b.ecs("UpdateService", map[string]any{"cluster": "hello", "service": "hello", "desiredCount": n})
	p := b.until(fmt.Sprintf("%d tasks on %d instances", n, atLeast), func(p picture) bool {
		return p.Clusters[0].Services[0].Running == n && p.Clusters[0].Services[0].Desired == n && len(p.Clusters[0].Instances) >= atLeast
	})
	zones := map[string]int{}
	for _, in := range p.Clusters[0].Instances {
		zones[in.Zone]++
	}
	return zones
}

// deployUnderWatch deploys version 2 while somebody reads the page all along.
func deployUnderWatch(b *berth, url string) {
	b.t.Helper()
	stop, done := make(chan struct{}), make(chan struct{})
	var asked, failed int
	var why string
	go func() {
		defer close(done)
		for {
			select {
			case <-stop:
				return
			default:
			}
			asked++
			if code, body := page(b.t, url); code != 200 {
				failed++
				why = fmt.Sprintf("%d %s", code, body)
			}
		}
	}()
	b.run("up", "-p", "Version=v2", "-p", "DesiredCount=1")
	close(stop)
	<-done
	if failed > 0 || asked < 10 {
		b.t.Errorf("%d of %d requests failed while v2 was deployed, the last: %s", failed, asked, why)
	}
	b.t.Logf("%d requests while v2 was deployed, %d failed", asked, failed)
	if code, body := page(b.t, url); code != 200 || !strings.Contains(body, "v2") {
		b.t.Errorf("after the deployment: %d %s", code, body)
	}
	if out := b.run("logs", "Hook"); !strings.Contains(out, "POST_TEST_TRAFFIC_SHIFT") ||
		!strings.Contains(out, "REPORT RequestId") {
		b.t.Errorf("the hook's log:\n%s", out)
	}
}

// nothingLeft looks for what a server of that folder might have left behind.
func nothingLeft(t *testing.T, data string) {
	t.Helper()
	if _, err := os.Stat(data); !os.IsNotExist(err) {
		t.Errorf("%s is still there (%v)", data, err)
	}
	mounts, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(mounts)) {
		if strings.Contains(line, data) {
			t.Errorf("mount: %s", line)
		}
	}
	procs, err := filepath.Glob("/proc/[0-9]*/cmdline")
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range procs {
		if c, err := os.ReadFile(p); err == nil && strings.Contains(string(c), data) {
			t.Errorf("process %s: %q", p, c)
		}
	}
	group := fmt.Sprintf("berth-%x", sha256.Sum256([]byte(data)))[:len("berth-")+8]
	for _, dir := range []string{"/sys/fs/cgroup", "/sys/fs/cgroup/cpu", "/sys/fs/cgroup/memory", "/sys/fs/cgroup/pids"} {
		left, err := filepath.Glob(filepath.Join(dir, group))
		if err != nil {
			t.Fatal(err)
		}
		for _, l := range left {
			t.Errorf("cgroup: %s", l)
		}
	}
}
