package traffic

import (
	"slices"

	"berth/internal/balancer"
	"berth/internal/model"
	"berth/internal/state"
	"berth/internal/store"
)

// plane is what the controller knows of the data plane and of the records
// that it is made of, kept by what changes.
type plane struct {
	config   *config
	told     bool                                // the data plane has been configured
	draining *store.Derived[model.Target]        // the targets that drain
	reports  map[reportKey]balancer.TargetReport // the last report
	last     []balancer.TargetReport             // the same in its order
}

// reportKey is what a report names a target by.
type reportKey struct {
	group, id string
	port      int
}

func keyOfReport(t balancer.TargetReport) reportKey { return reportKey{t.Group, t.ID, t.Port} }

func (k reportKey) target() string { return state.TargetKey(k.group, k.id, int64(k.port)) }

func newPlane(db *store.DB, hostAddress string) *plane {
	rules := store.Rules{store.OnAny(state.Targets, "the target", func(t *model.Target) string { return state.Targets.Key(*t) })}
	return &plane{
		config: newConfig(db, hostAddress), reports: map[reportKey]balancer.TargetReport{},
		draining: store.NewDerived(db, rules, func(r store.Reader, key string) (model.Target, bool) {
			t, ok := state.Targets.Get(r, key)
			return t, ok && !t.DrainingAt.IsZero()
		}),
	}
}

// configure brings the configuration to a view; it reports whether the data
// plane has to be told.
func (p *plane) configure(v *store.View) bool {
	changed := p.config.to(v) || !p.told
	p.told = true
	return changed
}

// forget makes the next look compare every target.
func (p *plane) forget() {
	p.draining.Forget()
	p.last, p.reports = nil, map[reportKey]balancer.TargetReport{}
}

// news takes a report and returns the keys of the targets that have changed
// since the last look, in the records or in the report.
func (p *plane) news(v *store.View, report []balancer.TargetReport) map[string]bool {
	out := map[string]bool{}
	for _, key := range p.draining.To(v) {
		out[key] = true
	}
	switch {
	case same(report, p.last):
	case p.alike(report):
		for i, t := range report {
			if p.last[i] != t {
				k := keyOfReport(t)
				p.reports[k], out[k.target()] = t, true
			}
		}
	default:
		p.compare(report, out)
	}
	p.last = report
	return out
}

// alike says that a report is of the same targets as the last, each at its
// place and each once.
func (p *plane) alike(report []balancer.TargetReport) bool {
	return len(p.reports) == len(report) && slices.EqualFunc(p.last, report, func(a, b balancer.TargetReport) bool {
		return keyOfReport(a) == keyOfReport(b)
	})
}

// compare takes a report of other targets.
func (p *plane) compare(report []balancer.TargetReport, out map[string]bool) {
	was := p.reports
	p.reports = make(map[reportKey]balancer.TargetReport, len(report))
	for _, t := range report {
		k := keyOfReport(t)
		p.reports[k] = t
		if was[k] != t {
			out[k.target()] = true
		}
	}
}

// same reports whether two slices are one, without looking into it.
func same[T any](a, b []T) bool {
	return len(a) == len(b) && (len(a) == 0 || &a[0] == &b[0])
}
