package traffic

import (
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

func newPlane(db *store.DB, hostAddress string, published []string) *plane {
	rules := store.Rules{store.OnAny(state.Targets, "the target", func(t *model.Target) string { return state.Targets.Key(*t) })}
	return &plane{
		config: newConfig(db, hostAddress, published), reports: map[reportKey]balancer.TargetReport{},
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
	if !same(report, p.last) && !p.follow(report, out) {
		p.compare(report, out)
	}
	p.last = report
	return out
}

// follow takes a report whose targets are in the order of the last, with some
// new and some gone, by one walk over both; false is that it is not such a
// report, and has to be compared.
func (p *plane) follow(report []balancer.TargetReport, out map[string]bool) bool {
	if len(p.reports) != len(p.last) {
		return false
	}
	take := func(t balancer.TargetReport) {
		k := keyOfReport(t)
		p.reports[k], out[k.target()] = t, true
	}
	i := 0
	for _, t := range report {
		k := keyOfReport(t)
		if i == len(p.last) || keyOfReport(p.last[i]) != k {
			if _, known := p.reports[k]; !known {
				take(t)
				continue
			}
		}
		for ; i < len(p.last) && keyOfReport(p.last[i]) != k; i++ {
			delete(p.reports, keyOfReport(p.last[i]))
		}
		if i == len(p.last) {
			return false
		}
		if p.last[i] != t {
			take(t)
		}
		i++
	}
	for _, t := range p.last[i:] {
		delete(p.reports, keyOfReport(t))
	}
	return len(p.reports) == len(report)
}

// compare takes any report.
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
