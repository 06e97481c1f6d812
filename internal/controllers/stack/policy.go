package stack

import (
	"slices"
	"time"

	"berth/internal/controllers/stack/handler"
	"berth/internal/lang/template"
	"berth/internal/model"
)

// updatePolicy is what the template says of how a resource follows updates.
func (r *run) updatePolicy(id string) *template.UpdatePolicy {
	if r.bound == nil {
		return nil
	}
	res, _ := r.bound.Find(id)
	return res.UpdatePolicy
}

// creationPolicy is what a resource that is being made waits for; nil of one
// that is changed in place.
func (r *run) creationPolicy(rec *model.StackResource) *template.CreationPolicy {
	if r.bound == nil || rec.Prior != nil {
		return nil
	}
	res, _ := r.bound.Find(rec.LogicalID)
	return res.CreationPolicy
}

// replacesGroup reports whether a group is to be replaced since it launches
// from something else.
func (r *run) replacesGroup(id string, changes []template.PropertyChange) bool {
	p := r.updatePolicy(id)
	return p != nil && p.WillReplace &&
		slices.ContainsFunc(changes, func(c template.PropertyChange) bool { return slices.Contains(handler.LaunchProperties, c.Name) })
}

// heard says whether a new resource has the signals that its policy wants; of
// a group a share of them is enough.
func heard(p *template.CreationPolicy, rec *model.StackResource, signals []model.StackSignal, now time.Time, ready bool) (bool, error) {
	var good, bad int64
	for _, s := range signals {
		if s.Status == model.SignalSuccess {
			good++
		} else {
			bad++
		}
	}
	late := now.Sub(rec.Started) >= p.Timeout
	if rec.Type != "AWS::AutoScaling::AutoScalingGroup" {
		return ready && good >= p.Count, alone(p, signals, good, late)
	}
	if late && good+bad < p.Count {
		bad = p.Count - good
	}
	if bad*100 > p.Count*(100-p.MinSuccessful) {
		return false, handler.Unheard(
			"Received %d SUCCESS signal(s) out of %d. Unable to satisfy %d%% MinSuccessfulInstancesPercent requirement",
			good, p.Count, p.MinSuccessful)
	}
	return ready && good+bad >= p.Count, nil
}

// alone is why a resource that is no group fails: any failure, or too few
// successes in time.
func alone(p *template.CreationPolicy, signals []model.StackSignal, good int64, late bool) error {
	i := slices.IndexFunc(signals, func(s model.StackSignal) bool { return s.Status == model.SignalFailure })
	switch {
	case i >= 0:
		return handler.Unheard("Received FAILURE signal with UniqueId %s", signals[i].UniqueID)
	case late && good < p.Count:
		return handler.Unheard("Failed to receive %d resource signal(s) within the specified duration", p.Count-good)
	}
	return nil
}
