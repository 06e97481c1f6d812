package supply

import (
	"slices"
	"time"

	"berth/internal/model"
)

// lack is where EC2 has lately had no capacity: by zone, and by zone and type,
// until when it is left alone. It is read from the instances whose launch was
// refused for that, which stay on record for an hour; a change of the provider
// forgets it.
type lack map[string]time.Time

// shortOf reports whether an instance was refused for want of capacity in its
// zone. Refusals that hold for the account, such as quotas, are not.
func shortOf(i *model.Instance) bool {
	return i.State == model.InstanceTerminated && i.LaunchedAt.IsZero() && scarce(i.StateCode)
}

func scarce(code string) bool {
	return code == "InsufficientInstanceCapacity" || code == "UnfulfillableCapacity"
}

func (w *World) lack() lack {
	out := lack{}
	for _, i := range w.Facts.Instances {
		if i.CapacityProvider != w.Provider.Name || !shortOf(i) || !i.TerminatedAt.After(w.Provider.ChangedAt) {
			continue
		}
		out.until(i.AvailabilityZone, i.TerminatedAt.Add(Backoff), w.Now)
		out.until(i.AvailabilityZone+" "+i.Type, i.TerminatedAt.Add(Shun), w.Now)
	}
	return out
}

func (l lack) until(key string, end, now time.Time) {
	if end.After(now) && end.After(l[key]) {
		l[key] = end
	}
}

// zone reports whether nothing is bought in a zone for now.
func (l lack) zone(name string) bool { return !l[name].IsZero() }

// fresh leaves out the types that a zone lately did not have.
func (l lack) fresh(zone string, offers []*offer) []*offer {
	if len(l) == 0 {
		return offers
	}
	return slices.DeleteFunc(slices.Clone(offers), func(o *offer) bool { return !l[zone+" "+o.Name].IsZero() })
}
