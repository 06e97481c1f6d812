//go:build root

package soak_test

import (
	"fmt"
	"path/filepath"
	"slices"
	"sync"
	"syscall"
	"time"

	"berth/internal/soak"
)

// excused is for how long requests may fail after something that served them
// was killed.
const (
	edgeIsBack = 1500 * time.Millisecond
	taskIsLost = 3 * time.Second // a port that refuses
	hostIsLost = 8 * time.Second // silence: two health checks have to time out, in real time
	taskIsBack = time.Minute     // at the latest, when none was left
)

// hits is what a victim looks like among the processes.
var hits = map[soak.Victim]func(soak.Proc) bool{
	soak.Server:     func(p soak.Proc) bool { return p.Kind == "server" },
	soak.ServerStop: func(p soak.Proc) bool { return p.Kind == "server" },
	soak.Edge:       func(p soak.Proc) bool { return p.Kind == "edge" },
	soak.Instance:   func(p soak.Proc) bool { return p.Kind == "instance" },
	soak.Agent:      func(p soak.Proc) bool { return p.Kind == "agent" },
	soak.Shim:       func(p soak.Proc) bool { return p.Kind == "shim" && p.Instance != "" },
	soak.Page:       func(p soak.Proc) bool { return p.Kind == "" && p.Task != "" },
	soak.Sandbox:    func(p soak.Proc) bool { return p.Kind == "" && p.Function != "" },
	soak.Runtime:    func(p soak.Proc) bool { return p.Kind == "runc" },
}

// kills counts blows that met somebody.
type kills struct {
	mu sync.Mutex
	n  map[soak.Victim]int
}

// strike deals the blows of a round in their order; deed began at that time.
func (w *world) strike(r soak.Round, began time.Time, k *kills) (dealt []string) {
	blows := slices.SortedFunc(slices.Values(r.Blows), func(a, b soak.Blow) int { return int(a.After - b.After) })
	for _, b := range blows {
		w.idle(time.Until(began.Add(b.After)))
		if what := w.hit(b); what != "" {
			dealt = append(dealt, fmt.Sprintf("%s at %.1f s", what, time.Since(began).Seconds()))
			k.mu.Lock()
			k.n[b.Victim]++
			k.mu.Unlock()
		}
	}
	return dealt
}

// hit deals one blow; "" is that nobody was there.
func (w *world) hit(b soak.Blow) string {
	victims := soak.Processes(w.data)
	victims = slices.DeleteFunc(victims, func(p soak.Proc) bool { return !hits[b.Victim](p) })
	if len(victims) == 0 {
		return ""
	}
	p := victims[b.Chance%uint64(len(victims))]
	now := time.Now()
	what := fmt.Sprintf("%s %d", b.Victim, p.PID)
	switch b.Victim {
	case soak.Server, soak.ServerStop:
		return w.fell(p.PID, b)
	case soak.Edge:
		o := w.outages.Begin("the edge was killed", now)
		kill(p.PID)
		o.Close(now.Add(edgeIsBack))
		return what
	case soak.Instance:
		w.outages.Lost("instance was killed", now, hostIsLost, taskIsBack)
	case soak.Shim, soak.Page:
		w.outages.Lost(string(b.Victim)+" was killed", now, taskIsLost, taskIsBack)
	default: // no request notices
	}
	kill(p.PID)
	return what
}

func kill(pid int) { _ = syscall.Kill(pid, syscall.SIGKILL) }

// fell takes the server away for a while and starts it again.
func (w *world) fell(pid int, b soak.Blow) string {
	var edge *soak.Outage
	if w.edgeAnswers() != nil { // nobody starts an edge meanwhile
		edge = w.outages.Begin("the edge was killed, then the server", time.Now())
	}
	if b.Victim == soak.Server {
		kill(pid)
	} else {
		_ = syscall.Kill(pid, syscall.SIGTERM)
		_ = await(20*time.Second, 10*time.Millisecond, func() error {
			if filepathExists(fmt.Sprintf("/proc/%d/fd/0", pid)) {
				return fmt.Errorf("the server %d does not go", pid)
			}
			return nil
		})
	}
	w.idle(b.Down)
	took := w.serve()
	if edge != nil {
		edge.Close(time.Now().Add(edgeIsBack))
	}
	return fmt.Sprintf("%s %d (away %d ms, back in %d ms)", b.Victim, pid, b.Down.Milliseconds(), took.Milliseconds())
}

func filepathExists(path string) bool {
	m, err := filepath.Glob(path)
	return err == nil && len(m) > 0
}
