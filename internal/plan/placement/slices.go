package placement

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"

	"berth/internal/model"
)

// Slice is a machine of its own for one task of Fargate, of the task's size.
type Slice struct {
	Task, Group, Provider, Zone, Subnet string
	Need                                model.Resources
	Record                              *model.Task

	spread int // tasks of the group in the zone, before it
}

// Why says in a sentence why the zone was chosen.
func (s Slice) Why() string {
	return fmt.Sprintf("on %s the task has a slice of its own of %d CPU units and %d MiB; its zone %s runs %d of %s", s.Provider, s.Need.CPU,
		s.Need.Memory, s.Zone, s.spread, s.Group)
}

// Apart takes the asks of Fargate's providers that can be granted out of asks,
// each with a zone: the one that has the fewest tasks of the group, of equals
// the first. It leaves asks as it is.
func (f Facts) Apart(asks []Ask) (slice []Slice, rest []Ask) {
	first := slices.IndexFunc(asks, apart)
	if first < 0 {
		return nil, asks
	}
	count := f.beside()
	rest = slices.Clone(asks[:first])
	for i := range asks[first:] {
		a := &asks[first+i]
		if !apart(*a) {
			rest = append(rest, *a)
			continue
		}
		zone := fewest(slices.Collect(maps.Keys(a.Subnets)), count[a.Group])
		slice = append(slice, Slice{a.Task, a.Group, a.Provider, zone, a.Subnets[zone], a.Need, a.Record, count[a.Group][zone]})
		add(count, a.Group, zone, 1)
	}
	return slice, rest
}

// apart reports whether an ask gets a slice; one that is impossible, or has no
// subnet any more, is refused like any other.
func apart(a Ask) bool {
	return model.IsFargate(a.Provider) && a.Impossible == "" && len(a.Subnets) > 0
}

// beside counts the tasks on slices by group and zone.
func (f Facts) beside() map[string]map[string]int {
	k, out := f.Learn(), map[string]map[string]int{}
	for _, i := range f.Slices {
		for g, n := range k.Load(i.ARN).Groups {
			add(out, g, i.AvailabilityZone, n)
		}
	}
	return out
}

func add(count map[string]map[string]int, group, zone string, n int) {
	if count[group] == nil {
		count[group] = map[string]int{}
	}
	count[group][zone] += n
}

func fewest(zones []string, count map[string]int) string {
	return slices.MinFunc(zones, func(a, b string) int { return cmp.Or(cmp.Compare(count[a], count[b]), strings.Compare(a, b)) })
}
