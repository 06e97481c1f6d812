//go:build root

package soak_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"berth/internal/kernel"
	"berth/internal/soak"
)

// crash is an image that ends at once.
const crash = "package main\n\nimport \"os\"\n\nfunc main() { println(\"this version crashes\"); os.Exit(7) }\n"

// ledger is what a soak has found.
type ledger struct {
	leaks   []string
	known   map[string]bool
	faults  []string
	samples []soak.Sample
}

// may is how much the figures of a process may grow in its life, between
// moments at which the same runs.
var may = map[string]soak.Allowance{
	"goroutines": {Absolute: 6},
	"fds":        {Absolute: 6},
	"threads":    {Absolute: 8},
	"heap KiB":   {Absolute: 4096, Part: 0.5},
	"rss KiB":    {Absolute: 24 << 10, Part: 0.3},
}

// TestRootSoak runs for SOAK_MINUTES with SOAK_SEED: make soak.
func TestRootSoak(t *testing.T) {
	minutes, err := strconv.ParseFloat(os.Getenv("SOAK_MINUTES"), 64)
	if err != nil {
		t.Skip("needs SOAK_MINUTES: run make soak MINUTES=15")
	}
	if os.Geteuid() != 0 || os.Getenv("BERTH_BIN") == "" {
		t.Skip("needs root and BERTH_BIN, the path of the program: run make soak")
	}
	seed, err := strconv.ParseUint(setting("SOAK_SEED", "1"), 10, 64)
	if err != nil {
		t.Fatal(err)
	}
	w := newWorld(t)
	t.Cleanup(func() { _, _ = w.run(time.Minute, "stop") })
	w.serve()
	w.publish()
	began := time.Now()
	if err := w.create(created); err != nil {
		t.Fatal(err)
	}
	r := w.read()
	t.Cleanup(func() { r.stop(); r.work.Wait() })
	story, k, rounds := soak.NewStory(seed), &kills{n: map[soak.Victim]int{}}, 0
	for time.Since(began).Minutes() < minutes {
		rounds++
		if !w.round(story.Next(), r, k) {
			break
		}
	}
	r.stop()
	r.work.Wait()
	w.finish()
	w.summary(seed, rounds, time.Since(began), r, k)
}

// publish pushes the images, once.
func (w *world) publish() {
	w.t.Helper()
	dir := w.t.TempDir()
	page := read(w.t, "../example/page/main.go")
	for name, text := range map[string]string{"latest": page, "crash": crash} {
		src := filepath.Join(dir, name)
		if err := errors.Join(os.MkdirAll(src, 0o700), os.WriteFile(filepath.Join(src, "main.go"), []byte(text), 0o600),
			os.WriteFile(filepath.Join(src, "go.mod"), []byte("module page\n\ngo 1.24\n"), 0o600)); err != nil {
			w.t.Fatal(err)
		}
		if _, err := w.run(3*time.Minute, "image", "push", "hello:"+name, src); err != nil {
			w.t.Fatal(err)
		}
	}
}

// round is one turn; it is false when the world is beyond repair.
func (w *world) round(r soak.Round, rd *reader, k *kills) bool {
	began := time.Now()
	dealt := make(chan []string, 1)
	go func() { dealt <- w.strike(r, began, k) }()
	err := w.do(r)
	blows := <-dealt
	if err != nil {
		w.fault(r, "%s: %v", r.Deed, err)
	}
	did := time.Since(began)
	rested := w.rest()
	if rested != nil {
		w.fault(r, "no rest: %v", rested)
	}
	survey, want, strays := w.strays()
	fresh := w.leak(strays)
	bad, excused, requests := rd.judge()
	for i, f := range bad {
		if i < 3 {
			w.fault(
				r, "a request failed at %.2f s of the round, after %d ms: %s", f.began.Sub(began).Seconds(), f.ended.Sub(f.began).Milliseconds(), f.why,
			)
		}
	}
	if len(bad) > 0 || rested != nil {
		w.tell(r)
	}
	figures := w.weigh(kind(want, survey))
	fmt.Printf("round %3d  %-13s %4.1f s + %4.1f s  %-7d requests, %d failed, %d excused  %s  %s\n",
		r.Number, r.Deed, did.Seconds(), (time.Since(began) - did).Seconds(), requests, len(bad), excused, figures, strings.Join(blows, ", "))
	for _, s := range fresh {
		fmt.Printf("           LEAK %s\n", s)
	}
	return rested == nil || len(w.faults) < 20
}

func (w *world) fault(r soak.Round, format string, args ...any) {
	text := fmt.Sprintf("round %d (%s): ", r.Number, r.Deed) + fmt.Sprintf(format, args...)
	w.faults = append(w.faults, text)
	fmt.Printf("           FAULT at %s: %s\n", time.Now().Format("15:04:05.000"), text)
}

// tell keeps what the server decided around a round that went wrong.
func (w *world) tell(r soak.Round) {
	events, err := w.run(time.Minute, "events")
	if err != nil {
		events += err.Error()
	}
	path := fmt.Sprintf("%s.round-%d", strings.TrimSuffix(w.log.Name(), ".log"), r.Number)
	if err := os.WriteFile(path, []byte(events), 0o600); err != nil {
		w.t.Error(err)
	}
	fmt.Printf("           what was decided is in %s\n", path)
}

// leak notes strays that were not known yet.
func (w *world) leak(strays []string) (fresh []string) {
	for _, s := range strays {
		if !w.known[s] {
			w.known[s] = true
			fresh = append(fresh, s)
			w.leaks = append(w.leaks, s)
		}
	}
	return fresh
}

// kind names what runs, for comparisons.
func kind(want soak.Wanted, s soak.Survey) string {
	tasks, functions := 0, map[string]bool{}
	for _, i := range want.Instances {
		tasks += len(i)
	}
	for _, p := range s.Procs {
		if p.Function != "" {
			functions[p.Function] = true
		}
	}
	return fmt.Sprintf("%d tasks on %d instances, %d functions", tasks, len(want.Instances), len(functions))
}

// weigh takes the figures of the processes that live long.
func (w *world) weigh(kind string) string {
	var f struct {
		Server, Edge kernel.Figures
		Trouble      string
	}
	if err := w.get("/_berth/debug?collect", &f); err != nil || f.Trouble != "" {
		return fmt.Sprintf("no figures: %v %s", err, f.Trouble)
	}
	for name, x := range map[string]kernel.Figures{"server": f.Server, "edge": f.Edge} {
		for figure, v := range map[string]float64{
			"goroutines": float64(x.Goroutines), "fds": float64(x.FDs), "threads": float64(x.Threads), "heap KiB": float64(x.Heap >> 10),
			"rss KiB": float64(x.RSS >> 10),
		} {
			w.samples = append(w.samples, soak.Sample{Process: fmt.Sprintf("%s %d", name, x.PID), Kind: kind, Figure: figure, Value: v})
		}
	}
	for _, p := range soak.Processes(w.data) {
		if p.Kind == "instance" || p.Kind == "agent" {
			w.samples = append(w.samples, soak.Sample{
				Process: fmt.Sprintf("%s %d", p.Kind, p.PID), Kind: kind, Figure: "fds", Value: float64(p.FDs),
			})
		}
	}
	short := func(x kernel.Figures) string {
		return fmt.Sprintf("%dg %dfd %.1f/%.0fMiB", x.Goroutines, x.FDs, float64(x.Heap)/(1<<20), float64(x.RSS)/(1<<20))
	}
	return "server " + short(f.Server) + ", edge " + short(f.Edge)
}

// rest waits until two tasks run on connected instances, none of which is
// idle, after a deployment that has ended.
func (w *world) rest() error {
	asked := time.Time{}
	return await(100*time.Second, 300*time.Millisecond, func() error {
		p, err := w.status()
		if err != nil {
			return err
		}
		if len(p.Clusters) != 1 || len(p.Clusters[0].Services) != 1 || len(p.Stacks) != 1 {
			return fmt.Errorf("no service: %+v", p)
		}
		s := p.Clusters[0].Services[0]
		if s.Desired != 2 && time.Since(asked) > 5*time.Second {
			asked = time.Now()
			if err := w.service(map[string]any{"desiredCount": 2}); err != nil {
				return err
			}
		}
		if s.Desired != 2 || s.Running != 2 || s.Pending != 0 || !slices.Contains([]string{"SUCCESSFUL", "ROLLBACK_SUCCESSFUL"}, s.Deployment) ||
			!strings.HasSuffix(p.Stacks[0].Status, "_COMPLETE") {
			return fmt.Errorf("%+v, %+v", s, p.Stacks)
		}
		for _, i := range p.Clusters[0].Instances {
			if i.Status != "ACTIVE" || !i.Connected || len(i.Tasks) == 0 {
				return fmt.Errorf("instance %+v", i)
			}
			for _, task := range i.Tasks {
				if task.Status != "RUNNING" || task.Desired != "RUNNING" {
					return fmt.Errorf("task %+v", task)
				}
			}
		}
		return ask(api)
	})
}

// finish deletes the stack and stops the server, and wants nothing to be left
// both times.
func (w *world) finish() {
	w.outages.Begin("the end", time.Now())
	end := soak.Round{Deed: "finish"}
	if err := w.remove(); err != nil {
		w.fault(end, "delete: %v", err)
	}
	_, _, strays := w.strays()
	w.leak(strays)
	w.weigh("no stack")
	if _, err := w.run(time.Minute, "stop"); err != nil {
		w.fault(end, "stop: %v", err)
	}
	s, err := soak.Look(w.data, links)
	if err != nil {
		w.fault(end, "survey: %v", err)
	}
	for _, p := range s.Procs {
		w.leak([]string{fmt.Sprintf("process: after the end %d %s", p.PID, p.Line)})
	}
	for _, left := range [][]string{s.Netns, s.Mounts, s.Cgroups} {
		for _, x := range left {
			w.leak([]string{"after the end: " + x})
		}
	}
	if _, err := os.Stat(w.data); !os.IsNotExist(err) {
		w.leak([]string{"after the end: the data folder"})
	}
}

// summary says it all, and fails the test if anything was found.
func (w *world) summary(seed uint64, rounds int, took time.Duration, r *reader, k *kills) {
	dealt := 0
	for _, n := range k.n {
		dealt += n
	}
	grown, judged := soak.Growth(w.samples, may)
	fmt.Printf("\nsoak, seed %d: %d rounds in %.1f minutes; %d kills %v\n", seed, rounds, took.Minutes(), dealt, k.n)
	fmt.Printf(
		"requests: %d, failed without excuse %d, excused %v, slowest %v\n", r.requests, r.failed, r.excused, r.slowest.Round(time.Millisecond),
	)
	fmt.Printf("leaks: %d; figures that grew: %d of %d series; other faults: %d\n", len(w.leaks), len(grown), judged, len(w.faults))
	for _, list := range [][]string{w.leaks, grown, w.faults} {
		for _, x := range list {
			fmt.Println("  " + x)
			w.t.Error(x)
		}
	}
	fmt.Printf("the server's log: %s\n", w.log.Name())
}
