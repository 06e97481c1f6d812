//go:build root

package e2e_test

import (
	"maps"
	"strings"
	"syscall"
	"testing"
)

// TestRootFargateServesThrough has a service of Fargate, deployed blue/green,
// lose every process around its tasks, a task, a slice, and follow another
// version, under load.
func TestRootFargateServesThrough(t *testing.T) {
	h := deployed(t, "DesiredCount=2", "BakeMinutes=0", fargate)
	h.rests(2)
	h.survives(2)
	h.startsAfresh(2)
	h.losesATask()
	h.stopsATask()
	h.losesASlice()
	t.Run("scale in and out", func(t *testing.T) {
		traffic := underLoad(t, h.url)
		h.desire(5)
		h.rests(5)
		h.desire(2)
		h.rests(2)
		traffic.endWithout(t, "5 tasks of Fargate, and 2 again")
	})
	t.Run("another version", func(t *testing.T) {
		known, traffic := h.known(), underLoad(t, h.url)
		stages, _, how := h.follow(known, h.update("Version=v2", "DesiredCount=2"), func(deployment) {})
		if how.err != nil {
			t.Fatal(how.err, how.out)
		}
		for _, seen := range stages {
			inOrder(t, seen)
		}
		h.rests(2)
		traffic.endWithout(t, "another version on Fargate")
		if traffic.versions["v2"] == 0 {
			t.Errorf("versions %v were served", traffic.versions)
		}
	})
	h.finish()
}

// survives kills, under load, what is not a task: the server, the agents, the
// containers' parents. No request fails, and the tasks stay.
func (h *hello) survives(tasks int) {
	h.t.Helper()
	for _, x := range []struct {
		what string
		kill func()
	}{
		{"the server", func() {
			kill9(h.t, h.pid())
			h.serve()
		}},
		{"the agents", func() {
			agents := h.ours("agent")
			for _, a := range agents {
				kill9(h.t, a.pid)
			}
			h.await("agents run again", func() bool { return len(h.ours("agent")) == len(agents) })
		}},
		{"the containers' parents", func() {
			parents := h.parents()
			for _, p := range parents {
				kill9(h.t, p.pid)
			}
			h.adopted(parents)
		}},
	} {
		before, traffic := h.pages(), underLoad(h.t, h.url)
		x.kill()
		h.rests(tasks)
		traffic.endWithout(h.t, "kill -9 of "+x.what)
		if after := h.pages(); !maps.Equal(before, after) {
			h.t.Errorf("kill -9 of %s: processes were %v and are %v", x.what, before, after)
		}
	}
}

// refused excuses what ALB answers for a target that refuses a connection, until
// its target is taken away; nothing else fails for want of one.
func refused(f failure) bool { return strings.HasPrefix(f.why, "502 ") }

// losesASlice kills the first process of a slice, as when a machine loses power.
func (h *hello) losesASlice() {
	h.t.Helper()
	before := h.ours("instance")
	traffic := underLoad(h.t, h.url)
	kill9(h.t, before[0].pid)
	h.await("another slice runs", func() bool {
		return len(h.ours("instance")) == len(before) && syscall.Kill(before[0].pid, 0) != nil
	})
	h.rests(len(before))
	traffic.endWithout(h.t, "kill -9 of a slice", refused)
}

// startsAfresh has every task of the service replaced under load.
func (h *hello) startsAfresh(tasks int) {
	h.t.Helper()
	before, traffic := h.pages(), underLoad(h.t, h.url)
	h.ecs("UpdateService", map[string]any{"cluster": "hello", "service": "hello", "forceNewDeployment": true})
	h.await("all tasks are others", func() bool {
		now := h.pages()
		for id := range before {
			if now[id] != 0 {
				return false
			}
		}
		return len(now) == tasks
	})
	h.rests(tasks)
	traffic.endWithout(h.t, "a deployment of the same")
}
