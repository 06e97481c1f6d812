package soak_test

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"berth/internal/soak"
)

func TestEqualSeedsTellEqualStories(t *testing.T) {
	a, b, other := soak.NewStory(7), soak.NewStory(7), soak.NewStory(8)
	differs := false
	for range 100 {
		x, y := a.Next(), b.Next()
		if diff := cmp.Diff(x, y); diff != "" {
			t.Fatal(diff)
		}
		differs = differs || !cmp.Equal(x, other.Next())
		for _, blow := range x.Blows {
			if x.Number%30 > 14 && (blow.Victim == soak.Server || blow.Victim == soak.ServerStop || blow.Victim == soak.Edge) {
				t.Errorf("round %d is calm and kills the %s", x.Number, blow.Victim)
			}
		}
	}
	if !differs {
		t.Error("another seed tells the same story")
	}
}

func TestOutagesExcuse(t *testing.T) {
	at := func(s float64) time.Time { return time.Unix(1000, 0).Add(time.Duration(s * float64(time.Second))) }
	var o soak.Outages
	o.Begin("edge", at(10)).Close(at(11.5))
	o.Lost("task", at(20), 3*time.Second, 60*time.Second)
	o.Unhealthy(at(30), at(31))
	o.Unhealthy(at(31), at(32))
	o.Unhealthy(at(90), at(91)) // long after anything was killed
	o.Begin("open", at(200))
	for _, c := range []struct {
		began, ended float64
		want         string
	}{
		{9, 9.9, ""}, {9, 10.1, "edge"}, {11.4, 30, "edge"}, {11.6, 12, ""},
		{19, 20, "task"}, {22.9, 25, "task"}, {24, 25, ""},
		{29, 29.6, ""}, {31.5, 31.6, "task, no healthy task"}, {32.2, 33, "task, no healthy task"}, {33, 34, ""},
		{90.5, 90.6, ""}, {300, 301, "open"},
	} {
		if got := o.Excuse(at(c.began), at(c.ended)); got != c.want {
			t.Errorf("from %v to %v: %q, want %q", c.began, c.ended, got, c.want)
		}
	}
}

func TestGrowthComparesOnlyLikeWithLike(t *testing.T) {
	may := map[string]soak.Allowance{"fds": {Absolute: 2}, "heap": {Part: 0.5}}
	series := func(process, kind, figure string, v ...float64) (out []soak.Sample) {
		for _, x := range v {
			out = append(out, soak.Sample{Process: process, Kind: kind, Figure: figure, Value: x})
		}
		return out
	}
	var all []soak.Sample
	all = append(all, series("server 1", "two", "fds", 10, 11, 10, 12, 11, 12)...) // within what it may
	all = append(all, series("server 1", "ten", "fds", 90, 91, 90, 92, 91, 92)...) // other work
	all = append(all, series("server 2", "two", "fds", 10, 11, 12, 13, 14, 15)...) // a leak
	all = append(all, series("server 3", "two", "fds", 10, 50, 90)...)             // too short a life
	all = append(all, series("edge 4", "two", "heap", 100, 100, 140, 140, 140, 149)...)
	all = append(all, series("edge 5", "two", "heap", 100, 100, 140, 140, 160, 160)...)
	grown, judged := soak.Growth(all, may)
	want := []string{
		"server 2, two: fds grew from 11 to 15 over 6 samples at rest",
		"edge 5, two: heap grew from 100 to 160 over 6 samples at rest",
	}
	if diff := cmp.Diff(want, grown); diff != "" || judged != 5 {
		t.Errorf("%d judged, %s", judged, diff)
	}
}

const (
	instance = "i-0123456789abcdef0"
	task     = "0123456789abcdef0123456789abcdef"
	other    = "ffffffffffffffffffffffffffffffff"
)

// whole is a machine on which everything is as it should be.
func whole() (soak.Survey, soak.Wanted) {
	return soak.Survey{
			Procs: []soak.Proc{
				{PID: 1, Kind: "server"}, {PID: 2, Kind: "edge"}, {PID: 3, Kind: "instance", Instance: instance},
				{PID: 4, Kind: "agent", Instance: instance},
				{PID: 5, Kind: "shim", Instance: instance}, {PID: 6, Instance: instance, Task: task}, {PID: 7, Kind: "shim"},
				{PID: 8, Function: "fn-1"},
			},
			Netns:   []string{"eni-1", "eni-2", "eni-fn", "internet", "vpc-1"},
			Links:   8,
			Mounts:  []string{"run/netns", "run/netns/eni-1", "run/netns/eni-2", "run/netns/eni-fn", "run/netns/internet", "run/netns/vpc-1"},
			Cgroups: []string{"functions", "functions/fn-1", instance, instance + "/ecs", instance + "/ecs/" + task, instance + "/init"},
		}, soak.Wanted{
			Instances: map[string][]string{instance: {task}}, Interfaces: []string{"eni-1", "eni-2"}, VPCs: []string{"vpc-1"}, Functions: 1,
		}
}

func TestStraysAreFound(t *testing.T) {
	for _, c := range []struct {
		name   string
		change func(*soak.Survey, *soak.Wanted)
		want   []string
	}{
		{"nothing", func(*soak.Survey, *soak.Wanted) {}, nil},
		{"a zombie", func(s *soak.Survey, _ *soak.Wanted) {
			s.Procs = append(s.Procs, soak.Proc{PID: 9, Parent: 1, Zombie: true})
		},
			[]string{"process: 9  zombie of 1: "}},
		{"two edges", func(s *soak.Survey, _ *soak.Wanted) { s.Procs = append(s.Procs, soak.Proc{PID: 9, Kind: "edge"}) },
			[]string{"process: 2 of edge "}},
		{"a container of a task that is gone", func(s *soak.Survey, _ *soak.Wanted) {
			s.Procs = append(s.Procs, soak.Proc{PID: 9, Instance: instance, Task: other, Line: "page"})
		}, []string{"process: 9  of task " + other + ", which is gone: page"}},
		{"a runtime", func(s *soak.Survey, _ *soak.Wanted) {
			s.Procs = append(s.Procs, soak.Proc{PID: 9, Kind: "runc", Line: "runc kill"})
		},
			[]string{"process: 9 runc still at work: runc kill"}},
		{"a lost agent", func(s *soak.Survey, _ *soak.Wanted) { s.Procs[3].Kind = "" },
			[]string{"process: instance " + instance + " has 1 first processes, 0 agents and 1 shims for 1 tasks"}},
		{"an interface of nothing", func(_ *soak.Survey, w *soak.Wanted) { w.Interfaces = w.Interfaces[:1] },
			[]string{"namespace: [eni-2 eni-fn] belong to nothing"}},
		{"an interface that is not there", func(_ *soak.Survey, w *soak.Wanted) { w.Interfaces = append(w.Interfaces, "eni-3") },
			[]string{"namespace: eni-3 is missing"}},
		{"a namespace that is held", func(s *soak.Survey, _ *soak.Wanted) { s.Hidden = map[string][]string{"net:[1]": {"server 1 (fd/9)"}} },
			[]string{"namespace: net:[1] has no name any more and is held by [server 1 (fd/9)]"}},
		{"half a pair", func(s *soak.Survey, _ *soak.Wanted) { s.Links++ }, []string{"veth: 9 devices in 5 namespaces, want 8"}},
		{"a mount twice, and another", func(s *soak.Survey, _ *soak.Wanted) { s.Mounts = append(s.Mounts, "run/netns/eni-1", "images/x") },
			[]string{"mount: run/netns/eni-1", "mount: images/x"}},
		{"cgroups", func(s *soak.Survey, _ *soak.Wanted) {
			s.Cgroups = append(s.Cgroups, "functions/fn-2", instance+"/ecs/"+other, "i-gone")
		}, []string{"cgroup: functions/fn-2", "cgroup: " + instance + "/ecs/" + other, "cgroup: i-gone"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			s, w := whole()
			c.change(&s, &w)
			if diff := cmp.Diff(c.want, s.Strays(w)); diff != "" {
				t.Error(diff)
			}
		})
	}
}
