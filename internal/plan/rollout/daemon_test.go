package rollout_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"berth/internal/model"
)

func newDaemon(t *testing.T, minimum int64, hosts ...string) *bench {
	b := newBench(t, model.DeploymentConfiguration{MinimumHealthyPercent: minimum, MaximumPercent: 100}, 0, false)
	b.w.Service.SchedulingStrategy, b.w.Hosts = model.SchedulingDaemon, hosts
	return b
}

// on are the hosts of a revision's running tasks, in order.
func (b *bench) on(revision string) string {
	var out []string
	for _, t := range b.w.Tasks {
		if t.Revision == revision && t.DesiredStatus == model.TaskRunning && t.LastStatus == model.TaskRunning {
			out = append(out, t.Host)
		}
	}
	slices.Sort(out)
	return strings.Join(out, " ")
}

// Proves: E122
func TestADaemonHasOneTaskAHost(t *testing.T) {
	b := newDaemon(t, 0, "h1", "h2")
	b.deploy()
	b.settle(time.Hour)
	if d := cmp.Diff("h1 h2", b.on("rev1")); d != "" || b.last().Status != model.DeploymentSuccessful {
		t.Errorf("%s, deployment %s", d, b.last().Status)
	}
	if b.w.Service.DesiredCount != 0 || b.w.Service.Rollouts[0].Desired != 2 {
		t.Errorf("desired %d of the service, %d of its rollout", b.w.Service.DesiredCount, b.w.Service.Rollouts[0].Desired)
	}
	b.w.Hosts = []string{"h2", "h3", "h4"}
	b.settle(time.Hour)
	if d := cmp.Diff("h2 h3 h4", b.on("rev1")); d != "" {
		t.Error(d)
	}
	b.w.Hosts = nil
	b.settle(time.Hour)
	if got := b.on("rev1"); got != "" {
		t.Errorf("tasks on %s, which are no hosts", got)
	}
}

// Proves: E122
func TestADaemonStopsBeforeItStarts(t *testing.T) {
	for minimum, least := range map[int64]int{0: 0, 50: 2} {
		b := newDaemon(t, minimum, "h1", "h2", "h3", "h4")
		b.deploy()
		b.settle(time.Hour)
		b.deploy()
		fewest := 4
		for range 100 {
			b.look()
			b.run()
			fewest = min(fewest, b.running("rev1")+b.running("rev2"))
			if held := len(b.w.Tasks); held > 4+4 {
				t.Fatalf("%d tasks on four hosts", held)
			}
		}
		b.settle(time.Hour)
		if d := cmp.Diff("h1 h2 h3 h4", b.on("rev2")); d != "" || fewest != least {
			t.Errorf("minimum %d: %s, at worst %d ran, want %d", minimum, d, fewest, least)
		}
	}
}
