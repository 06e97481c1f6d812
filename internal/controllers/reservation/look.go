package reservation

import (
	"encoding/json"
	"slices"
	"strings"
	"time"

	"berth/internal/model"
	"berth/internal/model/catalog"
	"berth/internal/plan/placement"
	plan "berth/internal/plan/reservation"
	"berth/internal/state"
	"berth/internal/store"
)

// look collects what the plan needs.
func (l *Controller) look(view *store.View, now time.Time, p model.CapacityProvider, g *model.AutoScalingGroup) plan.Facts {
	f := plan.Facts{Now: now, Scaling: p.Group.Scaling, Group: g, LowSince: p.LowSince}
	known := l.facts.Of(view, p.Cluster)
	there := map[string]placement.Node{}
	for _, n := range known.Soon() {
		there[n.ID] = n
	}
	daemons := map[string]bool{}
	for s := range state.Services.Each(view, "cluster", p.Cluster) {
		daemons[s.ARN] = s.SchedulingStrategy == model.SchedulingDaemon
	}
	for i := range state.Instances.Each(view, "group", g.Name) {
		if i.Goal == model.GoalTerminate || i.State.Ending() || ends(view, i) {
			continue
		}
		n, ok := there[i.ID]
		if !ok { // it is on its way
			n = placement.Node{ID: i.ID, EC2: true, Zone: i.AvailabilityZone, Free: i.Expected}
		}
		n.Provider = p.Name
		f.Hosts = append(f.Hosts, plan.Host{Node: n, Launched: i.LaunchedAt, Busy: slices.ContainsFunc(known.Known.On(i.ARN),
			func(t *model.Task) bool { return i.ARN != "" && !daemons[t.Service] })})
	}
	slices.SortFunc(f.Hosts, func(x, y plan.Host) int { return strings.Compare(x.ID, y.ID) })
	for _, a := range known.Asks() {
		if a.Provider == p.Name {
			f.Asks = append(f.Asks, a)
		}
	}
	f.New = fresh(view, p, g)
	return f
}

// ends reports whether the group is about to end an instance.
func ends(r store.Reader, i *model.Instance) bool {
	return slices.ContainsFunc(state.GroupActivities.By(r, "group", i.Group), func(a model.GroupActivity) bool {
		return !a.Launch && a.Instance == i.ID && a.EndAt.IsZero()
	})
}

// fresh is what another instance of the group would be, in each of its zones.
func fresh(r store.Reader, p model.CapacityProvider, g *model.AutoScalingGroup) []placement.Node {
	t, ok := catalog.Lookup(typeOf(r, g))
	if !ok {
		return nil
	}
	var out []placement.Node
	for _, id := range g.Subnets {
		if s, ok := state.Subnets.Get(r, id); ok {
			out = append(out, placement.Node{
				ID: "i-new", Provider: p.Name, EC2: true, Zone: s.AvailabilityZone, Architecture: t.Architecture(), Free: catalog.Registered(t),
			})
		}
	}
	return out
}

// typeOf is the instance type that a group launches.
func typeOf(r store.Reader, g *model.AutoScalingGroup) string {
	data := ""
	if c, ok := state.LaunchConfigurations.Get(r, g.LaunchConfiguration); ok {
		data = c.Data
	}
	if t, ok := state.LaunchTemplates.Get(r, g.Template); ok {
		n := t.Version(g.TemplateVersion)
		for _, v := range t.Versions {
			if v.Number == n {
				data = v.Data
			}
		}
	}
	var said struct{ InstanceType string }
	_ = json.Unmarshal([]byte(data), &said) // what cannot be read says none
	return said.InstanceType
}
