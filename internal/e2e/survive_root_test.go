//go:build root

package e2e_test

import (
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"
)

// TestRootTheServerIsKilledInMidDeployment kills the server at several stages
// of a deployment, under constant traffic: no request fails, the tasks keep
// their processes, and the deployment goes on to its end. Then it stops the
// server as an administrator would, at rest.
func TestRootTheServerIsKilledInMidDeployment(t *testing.T) {
	h := deployed(t, "DesiredCount=2", "BakeMinutes=4")
	for _, c := range []struct{ stage, version string }{
		{"SCALE_UP", "v2"},
		{"POST_TEST_TRAFFIC_SHIFT", "slow3"},
		{"BAKE_TIME", "v4"},
	} {
		t.Run(c.stage, func(t *testing.T) {
			known, before, traffic := h.known(), h.pages(), underLoad(t, h.url)
			pid, again, answered := h.pid(), make(chan struct{}), time.Duration(0)
			var lost []string
			stages, _, _ := h.follow(known, h.update("Version="+c.version, "DesiredCount=2", "BakeMinutes=4"), func(d deployment) {
				if d.stage != c.stage || answered > 0 {
					return
				}
				kill9(t, pid)
				close(again)
				after := h.pages()
				for name, p := range before {
					if after[name] != p {
						lost = append(lost, fmt.Sprintf("%s was %d and is %d", name, p, after[name]))
					}
				}
				answered = h.serve()
			})
			select {
			case <-again:
			default:
				t.Fatalf("stage %s was not seen: %v", c.stage, stages)
			}
			h.settled(known, "SUCCESSFUL")
			all, err := h.deployments()
			if err != nil {
				t.Fatal(err)
			}
			h.await(20*time.Second, "the new version is served", func() bool {
				code, body := page(t, h.url)
				return code == 200 && strings.Contains(body, c.version)
			})
			traffic.endWithout(t, "kill -9 of the server in "+c.stage)
			if len(lost) > 0 {
				t.Errorf("tasks lost their processes: %v", lost)
			}
			h.stack("UPDATE_COMPLETE")
			t.Logf("the server answered %v after it was started again; %+v; stages since %v", answered.Round(time.Millisecond), all[0], stages[all[0].arn])
		})
	}
	t.Run("at rest", func(t *testing.T) {
		before, traffic := h.pages(), underLoad(t, h.url)
		pid := h.pid()
		began := time.Now()
		if err := syscall.Kill(pid, syscall.SIGTERM); err != nil {
			t.Fatal(err)
		}
		h.await(20*time.Second, "the server has gone", func() bool { return len(h.ours("server")) == 0 })
		gone := time.Since(began)
		answered := h.serve()
		if after := h.pages(); !maps.Equal(before, after) || len(after) == 0 {
			t.Errorf("processes were %v and are %v", before, after)
		}
		// A third task needs the agents, the network and the load balancer.
		h.ecs("UpdateService", map[string]any{"cluster": "hello", "service": "hello", "desiredCount": 3})
		h.rests(3)
		traffic.endWithout(t, "SIGTERM of the server, its start, and a third task")
		t.Logf("it went in %v and answered %v after its start", gone.Round(time.Millisecond), answered.Round(time.Millisecond))
	})
	h.finish()
}

// settled waits until every new deployment has that end.
func (h *hello) settled(known map[string]bool, status string) {
	h.t.Helper()
	var last []deployment
	h.t.Cleanup(func() {
		if h.t.Failed() {
			h.t.Logf("deployments: %+v", last)
		}
	})
	h.await(90*time.Second, "the deployment is "+status, func() bool {
		all, err := h.deployments()
		if err != nil {
			return false
		}
		last = all
		return !known[all[0].arn] && all[0].status == status
	})
}

// stack waits for the stack's status.
func (h *hello) stack(status string) {
	h.t.Helper()
	h.await(60*time.Second, "the stack is "+status, func() bool {
		out, err := callStack(h.addr)
		return err == nil && strings.Contains(out, "<StackStatus>"+status+"</StackStatus>")
	})
}

// rests waits until so many tasks run, all instances are connected, and the
// service has one deployment that is complete.
func (h *hello) rests(tasks int) picture {
	h.t.Helper()
	return h.until(time.Minute, fmt.Sprintf("%d tasks run on connected instances", tasks), func(p picture) bool {
		if len(p.Clusters) != 1 || p.Clusters[0].Services[0].Running != tasks || p.Clusters[0].Services[0].Desired != tasks {
			return false
		}
		for _, i := range p.Clusters[0].Instances {
			if !i.Connected || i.Status != "ACTIVE" {
				return false
			}
		}
		return len(h.pages()) == tasks
	})
}

// TestRootAnInstanceIsKilled kills the first process of one of two instances:
// its task is replaced and the other one serves meanwhile.
func TestRootAnInstanceIsKilled(t *testing.T) {
	h := deployed(t, "DesiredCount=2", "BakeMinutes=0", apart)
	p := h.rests(2)
	if len(p.Clusters[0].Instances) < 2 {
		t.Fatalf("two tasks in two zones are on %+v", p.Clusters[0].Instances)
	}
	var victim proc
	for _, in := range h.ours("instance") {
		if in.mentions(p.Clusters[0].Instances[0].ID) {
			victim = in
		}
	}
	lost := p.Clusters[0].Instances[0]
	traffic := underLoad(t, h.url)
	began := time.Now()
	kill9(t, victim.pid)
	p = h.until(time.Minute, "the lost task runs elsewhere", func(p picture) bool {
		return len(p.Clusters[0].Instances) > 0 && p.Clusters[0].Services[0].Running == 2 && len(h.pages()) == 2 &&
			!slices.ContainsFunc(p.Clusters[0].Instances, func(i instance) bool { return i.ID == lost.ID })
	})
	took := time.Since(began)
	// Those that were on their way to the lost task, or sent there before its
	// health check failed, are lost with it, as on AWS.
	traffic.endWithout(t, "kill -9 of an instance", within(began, 3*time.Second))
	t.Logf("the task was replaced after %.1f s", took.Seconds())
	tasks := h.ecs("DescribeTasks", map[string]any{"cluster": "hello", "tasks": []any{lost.Tasks[0].ID}})
	for _, task := range list(tasks["tasks"]) {
		t.Logf("the lost task: %v %v %v", task["lastStatus"], task["stopCode"], task["stoppedReason"])
		if text(task["stoppedReason"]) == "" || text(task["stopCode"]) == "" {
			t.Errorf("the lost task does not say why: %v", task)
		}
	}
	h.finish()
}

// within excuses failures of requests that began in a span of time.
func within(began time.Time, d time.Duration) func(failure) bool {
	return func(f failure) bool { return !f.at.Before(began.Add(-time.Second)) && f.at.Before(began.Add(d)) }
}

// TestRootTheEdgeIsKilled kills the load balancer's process: it is back within
// a second.
func TestRootTheEdgeIsKilled(t *testing.T) {
	h := deployed(t, "DesiredCount=2", "BakeMinutes=0")
	h.rests(2)
	traffic := underLoad(t, h.url)
	for range 3 {
		began := time.Now()
		kill9(t, h.ours("edge")[0].pid)
		h.await(10*time.Second, "the page is there again", func() bool { code, _ := page(t, h.url); return code == 200 })
		t.Logf("kill -9 of the edge: it serves after %v", time.Since(began).Round(time.Millisecond))
		if took := time.Since(began); took > time.Second {
			t.Errorf("it took %v", took)
		}
		h.rests(2)
	}
	traffic.end()
	t.Logf("kill -9 of the edge, three times: %v", traffic)
	h.finish()
}

// TestRootPartsOfAnInstanceAreKilled kills the agent, a container's parent and
// the runtime in the middle of a start.
func TestRootPartsOfAnInstanceAreKilled(t *testing.T) {
	h := deployed(t, "DesiredCount=2", "BakeMinutes=0")
	h.rests(2)
	t.Run("agent", func(t *testing.T) {
		before, traffic := h.pages(), underLoad(t, h.url)
		agents := h.ours("agent")
		instances := len(agents)
		for _, a := range agents {
			kill9(t, a.pid)
		}
		h.await(10*time.Second, "agents run again", func() bool { return len(h.ours("agent")) == instances })
		h.rests(2)
		traffic.endWithout(t, "kill -9 of the agents")
		if after := h.pages(); !maps.Equal(before, after) {
			t.Errorf("processes were %v and are %v", before, after)
		}
	})
	t.Run("shim", func(t *testing.T) {
		before, traffic := h.pages(), underLoad(t, h.url)
		var id string
		for _, s := range h.ours("shim") {
			if s.mentions("/instances/") {
				id = s.args[len(s.args)-1]
				kill9(t, s.pid)
				break
			}
		}
		began := time.Now()
		h.await(30*time.Second, "the task is replaced", func() bool {
			now := h.pages()
			_, there := now[id]
			return !there && len(now) == 2
		})
		h.rests(2)
		traffic.endWithout(t, "kill -9 of a container's parent", within(began, 3*time.Second))
		out := h.ecs("DescribeTasks", map[string]any{"cluster": "hello", "tasks": []any{strings.Split(id, "-")[0]}})
		for _, task := range list(out["tasks"]) {
			for _, c := range list(task["containers"]) {
				t.Logf("task %v %v %v, container exit %v %v", task["lastStatus"], task["stopCode"], task["stoppedReason"], c["exitCode"], c["reason"])
			}
		}
		if _, err := os.Stat(fmt.Sprintf("/proc/%d", before[id])); err == nil {
			t.Errorf("the container's process %d is still there", before[id])
		}
	})
	h.finish()
}
