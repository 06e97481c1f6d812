//go:build root

package e2e_test

import (
	"fmt"
	"maps"
	"net/http"
	"os"
	"path/filepath"
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
			h.await("the new version is served", func() bool {
				code, body := page(t, h.url)
				return code == 200 && strings.Contains(body, c.version)
			})
			traffic.endWithout(t, "kill -9 of the server in "+c.stage)
			if len(lost) > 0 {
				t.Errorf("tasks lost their processes: %v", lost)
			}
			h.stack("UPDATE_COMPLETE")
			t.Logf(
				"the server answered %v after it was started again; %+v; stages since %v", answered.Round(time.Millisecond), all[0], stages[all[0].arn],
			)
		})
	}
	t.Run("at rest", func(t *testing.T) {
		before, traffic := h.pages(), underLoad(t, h.url)
		pid := h.pid()
		began := time.Now()
		if err := syscall.Kill(pid, syscall.SIGTERM); err != nil {
			t.Fatal(err)
		}
		h.await("the server has gone", func() bool { return len(h.ours("server")) == 0 })
		gone := time.Since(began)
		answered := h.serve()
		if after := h.pages(); !maps.Equal(before, after) || len(after) == 0 {
			t.Errorf("processes were %v and are %v", before, after)
		}
		// A third task needs the agents, the network and the load balancer.
		h.desire(3)
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
	h.await("the deployment is "+status, func() bool {
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
	h.await("the stack is "+status, func() bool {
		out, err := callStack(h.addr)
		return err == nil && strings.Contains(out, "<StackStatus>"+status+"</StackStatus>")
	})
}

// rests waits until so many tasks run and are healthy targets, so that the load
// balancer has no need of a target that does not listen yet, and all instances are
// connected.
func (h *hello) rests(tasks int) picture {
	h.t.Helper()
	return h.until(fmt.Sprintf("%d tasks run on connected instances", tasks), func(p picture) bool {
		if len(p.Clusters) != 1 || p.Clusters[0].Services[0].Running != tasks || p.Clusters[0].Services[0].Desired != tasks {
			return false
		}
		for _, i := range p.Clusters[0].Instances {
			if !i.Connected || i.Status != "ACTIVE" {
				return false
			}
		}
		return len(h.pages()) == tasks && h.healthy() == tasks
	})
}

// healthy is how many targets of all target groups are.
func (h *hello) healthy() (n int) {
	h.t.Helper()
	_, groups, _ := strings.Cut(h.query(versionELB, "DescribeTargetGroups"), "<TargetGroupArn>")
	for _, group := range strings.Split(groups, "<TargetGroupArn>") {
		arn, _, _ := strings.Cut(group, "<")
		n += strings.Count(h.query(versionELB, "DescribeTargetHealth", "TargetGroupArn", arn), "<State>healthy</State>")
	}
	return n
}

// TestRootAnInstanceIsKilled kills the first process of one of two instances:
// its task is replaced and the other one serves meanwhile.
func TestRootAnInstanceIsKilled(t *testing.T) {
	h := deployed(t, "DesiredCount=2", "BakeMinutes=0", apart)
	p := h.rests(2)
	if len(p.Clusters[0].Instances) < 2 {
		t.Fatalf("two tasks in two zones are on %+v", p.Clusters[0].Instances)
	}
	lost := h.busy(p.Clusters[0].Instances)
	var victim proc
	for _, in := range h.ours("instance") {
		if in.mentions(lost.ID) {
			victim = in
		}
	}
	traffic := underLoad(t, h.url)
	began := time.Now()
	kill9(t, victim.pid)
	p = h.until("the lost task runs elsewhere", func(p picture) bool {
		return len(p.Clusters[0].Instances) > 0 && p.Clusters[0].Services[0].Running == 2 && len(h.pages()) == 2 &&
			!slices.ContainsFunc(p.Clusters[0].Instances, func(i instance) bool { return i.ID == lost.ID })
	})
	took := time.Since(began)
	// As on AWS a request that a dead target refuses is answered with 502,
	// until the control plane has taken the target away; others are answered.
	traffic.endWithout(t, "kill -9 of an instance", within(began, time.Second))
	// Who connects to an address that is nobody's waits until the target is
	// taken away; health checks alone would take two timeouts for that.
	if gap := traffic.longestSilence(); gap > soonerThanHealthChecks {
		t.Errorf("for %v nobody had an answer", gap)
	}
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

// busy is an instance that has a task, and logs why there are others.
func (h *hello) busy(all []instance) (found instance) {
	h.t.Helper()
	for _, i := range all {
		if len(i.Tasks) > 0 {
			found = i
		} else {
			h.t.Logf("an instance without a task: %s", h.run("explain", i.ID))
		}
	}
	if found.ID == "" {
		h.t.Fatalf("no instance has a task: %+v", all)
	}
	return found
}

// soonerThanHealthChecks is less than what the load balancer would need to
// find out by itself that a target is silent, however busy this machine is.
const soonerThanHealthChecks = 3 * time.Second

// within excuses failures of requests that began in a span of time.
func within(began time.Time, d time.Duration) func(failure) bool {
	return func(f failure) bool { return !f.at.Before(began.Add(-time.Second)) && f.at.Before(began.Add(d)) }
}

// soon is how long a process may take to be there again: a second, or the time
// in which a machine as busy as this one is now starts this program five times.
func (h *hello) soon() time.Duration {
	h.t.Helper()
	began := time.Now()
	h.run("--version")
	return max(time.Second, 5*time.Since(began))
}

// TestRootTheEdgeIsKilledAndReplaced kills the load balancer's process: it is
// back soon. Then it starts a server of another build: that
// replaces the process, and no request notices.
func TestRootTheEdgeIsKilledAndReplaced(t *testing.T) {
	h := deployed(t, "DesiredCount=2", "BakeMinutes=0")
	h.rests(2)
	t.Run("killed", func(t *testing.T) {
		traffic := underLoad(t, h.url)
		var excuses []func(failure) bool
		for range 3 {
			soon := h.soon()
			began := time.Now()
			kill9(t, h.ours("edge")[0].pid)
			excuses = append(excuses, within(began, soon))
			h.await("the page is there again", func() bool { code, _ := page(t, h.url); return code == 200 })
			took := time.Since(began)
			t.Logf("kill -9 of the edge: it serves after %v", took.Round(time.Millisecond))
			if took > soon {
				t.Errorf("it took %v, which should be less than %v", took, soon)
			}
			h.rests(2)
		}
		traffic.endWithout(t, "kill -9 of the edge, three times", excuses...)
	})
	t.Run("killed without a server", func(t *testing.T) {
		if err := syscall.Kill(h.pid(), syscall.SIGTERM); err != nil {
			t.Fatal(err)
		}
		h.await("the server has gone", func() bool { return len(h.ours("server")) == 0 })
		kill9(t, h.ours("edge")[0].pid)
		began := time.Now()
		h.serve()
		h.await("the page is there again", func() bool { code, _ := page(t, h.url); return code == 200 })
		t.Logf("the page is there %v after the server's start", time.Since(began).Round(time.Millisecond))
		h.rests(2)
	})
	t.Run("replaced", func(t *testing.T) {
		traffic := underLoad(t, h.url)
		was := h.ours("edge")[0].pid
		kill9(t, h.pid())
		h.another()
		answered := h.serve()
		// The old one waits for those that are connected and do not ask.
		http.DefaultClient.CloseIdleConnections()
		h.await("a new edge serves alone", func() bool {
			all := h.ours("edge")
			return len(all) == 1 && all[0].pid != was
		})
		h.rests(2)
		traffic.endWithout(t, "the edge replaced by one of another build")
		t.Logf("the server answered after %v", answered.Round(time.Millisecond))
	})
	h.finish()
}

// another makes this server's program a copy, which is another build to those
// who look. It lies beside the data folder, and as long as that.
func (h *hello) another() {
	h.t.Helper()
	raw, err := os.ReadFile(h.bin)
	if err != nil {
		h.t.Fatal(err)
	}
	path := filepath.Join(filepath.Dir(h.data), filepath.Base(h.bin))
	if err := os.WriteFile(path, raw, 0o700); err != nil {
		h.t.Fatal(err)
	}
	h.bin = path
}

// parents are the parents of the instances' containers.
func (h *hello) parents() []proc {
	h.t.Helper()
	return slices.DeleteFunc(h.ours("shim"), func(p proc) bool { return !p.mentions("/instances/") })
}

// adopted waits until every instance has another parent of its containers.
func (h *hello) adopted(killed []proc) {
	h.t.Helper()
	h.await("the containers have new parents", func() bool {
		now := h.parents()
		return len(now) == len(killed) && !slices.ContainsFunc(now, func(p proc) bool {
			return slices.ContainsFunc(killed, func(k proc) bool { return k.pid == p.pid })
		})
	})
}

// desire sets how many tasks the service wants.
func (h *hello) desire(tasks int) {
	h.t.Helper()
	h.ecs("UpdateService", map[string]any{"cluster": "hello", "service": "hello", "desiredCount": tasks})
}

// inMidStart scales the service until kill had something to kill: it is called with
// every runtime that is seen at a start, which may be over before anybody looks. It
// returns what ran before that start, and how often it killed.
func (h *hello) inMidStart(from, to int, kill func(proc) bool) (running map[string]int, killed int) {
	h.t.Helper()
	for {
		running = h.pages()
		h.desire(to)
		h.await("a start is seen, or all have started", func() bool {
			for _, p := range everything(h.t) {
				if p.has("run", "--detach") && kill(p) {
					killed++
				}
			}
			return killed > 0 || len(h.pages()) == to
		})
		if killed > 0 {
			return running, killed
		}
		h.desire(from)
		h.rests(from)
	}
}

// whyStopped counts the stopped tasks by what is said of them.
func (h *hello) whyStopped() map[string]int {
	h.t.Helper()
	why := map[string]int{}
	arns := h.ecs("ListTasks", map[string]any{"cluster": "hello", "desiredStatus": "STOPPED"})["taskArns"]
	for _, task := range list(h.ecs("DescribeTasks", map[string]any{"cluster": "hello", "tasks": arns})["tasks"]) {
		why[text(task["stopCode"])+": "+text(task["stoppedReason"])]++
	}
	return why
}

// TestRootPartsOfAnInstanceAreKilled kills the agent, the containers' parent
// and the runtime in the middle of a start.
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
		h.await("agents run again", func() bool { return len(h.ours("agent")) == instances })
		h.rests(2)
		traffic.endWithout(t, "kill -9 of the agents")
		if after := h.pages(); !maps.Equal(before, after) {
			t.Errorf("processes were %v and are %v", before, after)
		}
	})
	t.Run("shim", func(t *testing.T) {
		before, traffic := h.pages(), underLoad(t, h.url)
		parents := h.parents()
		for _, p := range parents {
			kill9(t, p.pid)
		}
		h.adopted(parents)
		// What they write still arrives, and so does their end.
		h.rests(2)
		traffic.endWithout(t, "kill -9 of the containers' parents")
		if after := h.pages(); !maps.Equal(before, after) {
			t.Errorf("processes were %v and are %v", before, after)
		}
	})
	t.Run("shim and agent", func(t *testing.T) {
		before, traffic := h.pages(), underLoad(t, h.url)
		parents := h.parents()
		for _, p := range append(h.ours("agent"), parents...) {
			kill9(t, p.pid)
		}
		h.adopted(parents)
		h.rests(2)
		traffic.endWithout(t, "kill -9 of agents and parents at once")
		if after := h.pages(); !maps.Equal(before, after) {
			t.Errorf("processes were %v and are %v", before, after)
		}
		for id := range before {
			task, _, _ := strings.Cut(id, "-")
			h.ecs("StopTask", map[string]any{"cluster": "hello", "task": task, "reason": "to see its end"})
			var found []map[string]any
			h.await("the adopted task has stopped", func() bool {
				found = list(h.ecs("DescribeTasks", map[string]any{"cluster": "hello", "tasks": []any{task}})["tasks"])
				return len(found) == 1 && text(found[0]["lastStatus"]) == "STOPPED"
			})
			for _, c := range list(found[0]["containers"]) {
				if text(c["exitCode"]) != "0" {
					t.Errorf("the container ended with %v %v", c["exitCode"], c["reason"])
				}
			}
			if out := h.run("logs", "/ecs/hello"); !strings.Contains(out, "page is done") {
				t.Errorf("the last line of the container is missing:\n%s", last(out, 5))
			}
		}
		h.rests(2)
	})
	t.Run("runtime in mid-start", func(t *testing.T) {
		traffic := underLoad(t, h.url)
		why := map[string]int{}
		for killed := 0; !strings.Contains(fmt.Sprint(why), "TaskFailedToStart: CannotStartContainerError"); {
			if killed > 0 { // the runtime was done when it was killed
				h.desire(2)
				h.rests(2)
			}
			_, n := h.inMidStart(2, 4, func(p proc) bool {
				return p.mentions(h.data) && syscall.Kill(p.pid, syscall.SIGKILL) == nil
			})
			killed += n
			h.rests(4)
			why = h.whyStopped()
			t.Logf("killed %d, stopped tasks: %v", killed, why)
		}
		traffic.endWithout(t, "kill -9 of the runtime in mid-start")
	})
	t.Run("parent in mid-start", func(t *testing.T) {
		traffic := underLoad(t, h.url)
		parents := h.parents()
		running, _ := h.inMidStart(4, 6, func(r proc) bool {
			return slices.ContainsFunc(parents, func(p proc) bool {
				return r.mentions(p.args[3]) && syscall.Kill(p.pid, syscall.SIGKILL) == nil
			})
		})
		h.rests(6)
		traffic.endWithout(t, "kill -9 of a parent in mid-start")
		after := h.pages()
		for id, pid := range running {
			if after[id] != pid {
				t.Errorf("the process of %s was %d and is %d", id, pid, after[id])
			}
		}
	})
	h.finish()
}
