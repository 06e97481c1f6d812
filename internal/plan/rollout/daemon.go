package rollout

import (
	"slices"

	"berth/internal/model"
)

// daemon reports whether the service has a task on each of its hosts, instead
// of so many tasks.
func (p *pass) daemon() bool { return p.w.Service.SchedulingStrategy == model.SchedulingDaemon }

// astray stops a daemon's tasks on instances that are none of its hosts any
// more.
func (p *pass) astray() {
	if !p.daemon() {
		return
	}
	var out []*member
	for _, m := range p.tasks {
		if m.wanted && !m.taken && !slices.Contains(p.w.Hosts, m.t.Host) {
			out = append(out, m)
		}
	}
	p.stopOld(out, scaling)
}

// vacant are a daemon's hosts on which no task of it is left.
func (p *pass) vacant() []string {
	return slices.DeleteFunc(slices.Clone(p.w.Hosts), func(host string) bool {
		return slices.ContainsFunc(p.tasks, func(m *member) bool { return m.t.Host == host && m.t.LastStatus != model.TaskStopped })
	})
}
