//go:build root

package e2e_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"berth/internal/await"
)

// hello is the example's stack on a server of its own. Its hook refuses a
// version named "bad" and thinks for a while about one named "slow…".
type hello struct {
	*berth
	template string
	url      string
}

// tempo is how much faster than real the clock of these tests runs.
const tempo = 60

// Among the parameters, apart puts every task on an instance of its own,
// rolling makes the service's deployments rolling ones with a circuit breaker,
// fargate has its tasks on Fargate, and scales leaves its scaling policy in force.
const (
	apart   = "distinctInstance"
	rolling = "ROLLING"
	fargate = "FARGATE"
	scales  = "scales"
)

// changes of the example's template; one that is named is made when asked for.
var changes = []struct{ name, from, to string }{
	{"", `return {"hookStatus": "SUCCEEDED" if whole else "FAILED"}`, `names = [json.loads(a.data)["Version"] for a in answers]
              if names[0].startswith("slow"):
                  import time
                  time.sleep(3)
              return {"hookStatus": "SUCCEEDED" if whole and "bad" not in names else "FAILED"}`},
	// The service's ten minutes of patience with its zones are ten seconds here.
	{"", "      TaskDefinition: !Ref Page\n", "      TaskDefinition: !Ref Page\n      AvailabilityZoneRebalancing: DISABLED\n"},
	{apart, "      TaskDefinition: !Ref Page\n", "      TaskDefinition: !Ref Page\n      PlacementConstraints: [{Type: distinctInstance}]\n"},
	{fargate, "[MANAGED_INSTANCES]", "[FARGATE]"},
	{fargate, "      TaskDefinition: !Ref Page\n", "      TaskDefinition: !Ref Page\n      LaunchType: FARGATE\n"},
	{rolling, `        Strategy: BLUE_GREEN
        BakeTimeInMinutes: !If [Bakes, !Ref BakeMinutes, 0]
        LifecycleHooks:
          - HookTargetArn: !GetAtt Hook.Arn
            RoleArn: !GetAtt HookCallerRole.Arn
            LifecycleStages: [POST_TEST_TRAFFIC_SHIFT]
`, `        Strategy: ROLLING
        DeploymentCircuitBreaker: {Enable: true, Rollback: true}
`},
	{rolling, `          AdvancedConfiguration:
            AlternateTargetGroupArn: !Ref Green
            ProductionListenerRule: !Ref ProductionRule
            TestListenerRule: !Ref TestRule
            RoleArn: !GetAtt BalancerRole.Arn
`, ""},
}

// deployed makes the stack; KEY=VALUE are parameters of the template.
func deployed(t *testing.T, parameters ...string) *hello {
	t.Helper()
	h := &hello{berth: start(t)}
	text, err := os.ReadFile("../example/template.yaml")
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range changes {
		if c.name != "" && !slices.Contains(parameters, c.name) {
			continue
		}
		if !bytes.Contains(text, []byte(c.from)) {
			t.Fatalf("the template has no %q any more", c.from)
		}
		text = bytes.Replace(text, []byte(c.from), []byte(c.to), 1)
	}
	h.template = filepath.Join(t.TempDir(), "hello.yaml")
	if err := os.WriteFile(h.template, text, 0o600); err != nil {
		t.Fatal(err)
	}
	began := time.Now()
	args := []string{"up", h.template, "--image", "hello:latest=../example/page", "--listen", h.addr, "--speed", strconv.Itoa(tempo)}
	for _, p := range parameters {
		if strings.Contains(p, "=") {
			args = append(args, "-p", p)
		}
	}
	out := h.run(args...)
	t.Logf("the stack took %.1f s", time.Since(began).Seconds())
	p := h.status()
	if len(p.Clusters) != 1 || len(p.Clusters[0].Services) != 1 || len(p.Clusters[0].Services[0].URLs) == 0 {
		t.Fatalf("no service that answers: %+v\n%s", p, out)
	}
	h.url = p.Clusters[0].Services[0].URLs[0]
	if !slices.Contains(parameters, scales) { // or an idle service would lose the tasks that a test asks for
		h.json("AnyScaleFrontendService.DeregisterScalableTarget", map[string]any{
			"ServiceNamespace": "ecs", "ResourceId": "service/hello/hello", "ScalableDimension": "ecs:service:DesiredCount",
		})
	}
	return h
}

// outcome is how a change of the stack ended.
type outcome struct {
	out string
	err error
}

// update changes the stack's parameters, in the background.
func (h *hello) update(parameters ...string) <-chan outcome {
	args := []string{"up", h.template}
	for _, p := range parameters {
		args = append(args, "-p", p)
	}
	end := make(chan outcome, 1)
	go func() {
		out, err := h.try(args...)
		end <- outcome{out, err}
	}()
	return end
}

// deployment is the newest of the service, as DescribeServiceDeployments has
// it.
type deployment struct{ arn, stage, status, reason string }

// deployments are the service's, the newest first. An error is that of a
// server that is not there.
func (h *hello) deployments() ([]deployment, error) {
	out, err := h.call("ListServiceDeployments", map[string]any{"cluster": "hello", "service": "hello"})
	if err != nil {
		return nil, err
	}
	var arns []string
	for _, d := range list(out["serviceDeployments"]) {
		arns = append(arns, text(d["serviceDeploymentArn"]))
	}
	if out, err = h.call("DescribeServiceDeployments", map[string]any{"serviceDeploymentArns": arns}); err != nil {
		return nil, err
	}
	all := list(out["serviceDeployments"])
	slices.SortStableFunc(all, func(a, b map[string]any) int {
		return slices.Index(arns, text(a["serviceDeploymentArn"])) - slices.Index(arns, text(b["serviceDeploymentArn"]))
	})
	var found []deployment
	for _, d := range all {
		found = append(found, deployment{text(d["serviceDeploymentArn"]), text(d["lifecycleStage"]), text(d["status"]), text(d["statusReason"])})
	}
	return found, nil
}

func list(v any) []map[string]any {
	var out []map[string]any
	l, _ := v.([]any)
	for _, x := range l {
		if m, ok := x.(map[string]any); ok {
			out = append(out, m)
		}
	}
	return out
}

func text(v any) string {
	if v == nil {
		return ""
	}
	return fmt.Sprint(v)
}

// call is ecs for a server that may be away.
func (b *berth) call(op string, in map[string]any) (map[string]any, error) {
	return callECS(context.Background(), b.addr, op, in)
}

// callStack describes the stack, in XML; the server may be away.
func callStack(addr string) (string, error) {
	return callQuery(context.Background(), addr, url.Values{
		"Action": {"DescribeStacks"}, "Version": {versionCloudFormation}, "StackName": {"hello"},
	})
}

// follow looks at deployments newer than those known until the stack's update
// has ended; see hears of every look. It returns the stages that were seen of
// each new deployment, in order.
func (h *hello) follow(
	known map[string]bool, end <-chan outcome, see func(deployment),
) (stages map[string][]string, last []deployment, how outcome) {
	h.t.Helper()
	stages = map[string][]string{}
	limit := time.NewTimer(await.Limit(h.t))
	defer limit.Stop()
	tick := time.NewTicker(15 * time.Millisecond)
	defer tick.Stop()
	for {
		all, err := h.deployments()
		for _, d := range all {
			if known[d.arn] {
				continue
			}
			if s := stages[d.arn]; d.stage != "" && (len(s) == 0 || s[len(s)-1] != d.stage) {
				stages[d.arn] = append(s, d.stage)
			}
			see(d)
		}
		if err == nil {
			last = all
		}
		select {
		case how = <-end:
			if all, err := h.deployments(); err == nil {
				last = all
			}
			return stages, last, how
		case <-limit.C:
			h.t.Fatalf("the deployment does not end: %+v", last)
		case <-tick.C:
		}
	}
}

// known are the deployments that there are.
func (h *hello) known() map[string]bool {
	h.t.Helper()
	all, err := h.deployments()
	if err != nil {
		h.t.Fatal(err)
	}
	known := map[string]bool{}
	for _, d := range all {
		known[d.arn] = true
	}
	return known
}

// order is how a deployment goes when nothing is in its way.
var order = []string{
	"RECONCILE_SERVICE", "PRE_SCALE_UP", "SCALE_UP", "POST_SCALE_UP", "TEST_TRAFFIC_SHIFT", "POST_TEST_TRAFFIC_SHIFT",
	"PRODUCTION_TRAFFIC_SHIFT", "POST_PRODUCTION_TRAFFIC_SHIFT", "BAKE_TIME", "CLEAN_UP",
}

// inOrder wants the stages that were seen in the order they have.
func inOrder(t *testing.T, seen []string) {
	t.Helper()
	at := -1
	for _, s := range seen {
		n := slices.Index(order, s)
		if n <= at {
			t.Errorf("stages came as %v", seen)
			return
		}
		at = n
	}
	for _, must := range []string{"SCALE_UP", "POST_TEST_TRAFFIC_SHIFT", "BAKE_TIME"} {
		if !slices.Contains(seen, must) {
			t.Errorf("stage %s was not seen: %v", must, seen)
		}
	}
}

// pid of the server, from its own word.
func (h *hello) pid() int {
	h.t.Helper()
	for _, p := range processes(h.t, "server") {
		if p.has("--data", h.data) {
			return p.pid
		}
	}
	h.t.Fatal("no server runs")
	return 0
}

// proc is a process of ours.
type proc struct {
	pid  int
	args []string
}

func (p proc) has(args ...string) bool {
	return strings.Contains("\x00"+strings.Join(p.args, "\x00")+"\x00", "\x00"+strings.Join(args, "\x00")+"\x00")
}

func (p proc) mentions(text string) bool { return strings.Contains(strings.Join(p.args, "\x00"), text) }

// processes are those of this program with that first argument; a zombie has
// no arguments and is none.
func processes(t *testing.T, kind string) []proc {
	t.Helper()
	var out []proc
	for _, p := range everything(t) {
		if len(p.args) > 1 && p.args[1] == kind && filepath.Base(p.args[0]) == filepath.Base(os.Getenv("BERTH_BIN")) {
			out = append(out, p)
		}
	}
	return out
}

func everything(t *testing.T) []proc {
	t.Helper()
	dirs, err := filepath.Glob("/proc/[0-9]*")
	if err != nil {
		t.Fatal(err)
	}
	var out []proc
	for _, dir := range dirs {
		pid, err := strconv.Atoi(filepath.Base(dir))
		if err != nil {
			continue
		}
		if line, err := os.ReadFile(filepath.Join(dir, "cmdline")); err == nil && len(line) > 0 {
			out = append(out, proc{pid, strings.Split(strings.TrimSuffix(string(line), "\x00"), "\x00")})
		}
	}
	return out
}

// ours are the processes of that kind that name this test's folder.
func (h *hello) ours(kind string) []proc {
	h.t.Helper()
	return slices.DeleteFunc(processes(h.t, kind), func(p proc) bool { return !p.mentions(h.data) })
}

// pages are the processes of the tasks' containers by the container's id, as
// their control groups have them: one for each container of the example.
func (h *hello) pages() map[string]int {
	h.t.Helper()
	group := fmt.Sprintf("/berth-%x", sha256.Sum256([]byte(h.data)))[:len("/berth-")+8] + "/"
	all, err := filepath.Glob("/proc/[0-9]*/cgroup")
	if err != nil {
		h.t.Fatal(err)
	}
	out := map[string]int{}
	for _, f := range all {
		lines, err := os.ReadFile(f)
		if err != nil {
			continue
		}
		_, rest, ok := strings.Cut(string(lines), group)
		path, _, _ := strings.Cut(rest, "\n")
		if _, task, in := strings.Cut(path, "/ecs/"); ok && in {
			if pid, err := strconv.Atoi(filepath.Base(filepath.Dir(f))); err == nil {
				out[filepath.Base(task)] = pid
			}
		}
	}
	return out
}

func kill9(t *testing.T, pid int) {
	t.Helper()
	if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
		t.Fatalf("kill -9 %d: %v", pid, err)
	}
}

// serve starts the server again and returns how long it took to answer.
func (h *hello) serve() time.Duration {
	h.t.Helper()
	if err := os.MkdirAll(h.data, 0o755); err != nil {
		h.t.Fatal(err)
	}
	log, err := os.OpenFile(filepath.Join(h.data, "server.log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		h.t.Fatal(err)
	}
	defer log.Close()
	began := time.Now()
	cmd := exec.Command(h.bin, "server", "--data", h.data, "--listen", h.addr, "--speed", strconv.Itoa(tempo)) // it outlives this call
	cmd.Stdout, cmd.Stderr = log, log
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if err := cmd.Start(); err != nil {
		h.t.Fatal(err)
	}
	go func() { _ = cmd.Wait() }()
	h.await("the server answers", func() bool {
		res, err := http.Get("http://" + h.addr + "/_berth/health") // bounded by await
		if err != nil {
			return false
		}
		_ = res.Body.Close()
		return res.StatusCode == http.StatusOK
	})
	return time.Since(began)
}

// await polls a condition.
func (h *hello) await(what string, ok func() bool) {
	h.t.Helper()
	h.poll(5*time.Millisecond, ok, func() string { return "still not: " + what })
}

// finish stops everything and looks whether anything is left.
func (h *hello) finish() {
	h.t.Helper()
	h.run("stop")
	nothingLeft(h.t, h.data)
}
