package scaling

import (
	"context"
	"strconv"
	"time"

	"berth/internal/fault"
	"berth/internal/model"
	plan "berth/internal/plan/scaling"
	"berth/internal/state"
	"berth/internal/store"
	"berth/internal/wire/shape/ecs"
)

const (
	// kept is how long AWS shows activities.
	kept = 6 * 7 * 24 * time.Hour
	// patience is how long a change may take until it counts as not fulfilled;
	// AWS does not say.
	patience = time.Hour
)

func cause(a model.Alarm, p model.ScalingPolicy) string {
	return "monitor alarm " + a.Name + " in state " + string(a.State) + " triggered policy " + p.Name
}

func count(n int64) string { return strconv.FormatInt(n, 10) }

// setting is the activity of a new desired count, before anybody was asked.
func (l *Controller) setting(t model.ScalableTarget, n int64, why string, now time.Time) model.ScalingActivity {
	return model.ScalingActivity{
		ID: l.IDs.UUID(), Target: t.Key(), To: n, StartedAt: now, Status: model.ActivityPending,
		Description: "Setting desired count to " + count(n) + ".", Cause: why,
	}
}

// scale changes the desired count. The activity is there before ECS is asked,
// so that a change is never without one.
func (l *Controller) scale(ctx context.Context, w plan.World, s model.Service, to plan.Scale) error {
	x := l.setting(w.Target, to.To, cause(to.Alarm, to.Policy), w.Now)
	x.Policy = to.Policy.ARN
	if err := l.put(ctx, x); err != nil {
		return err
	}
	_, err := ecs.Client{Caller: l.As(l.linked())}.UpdateService(ctx, &ecs.UpdateServiceInput{
		Cluster: &s.Cluster, Service: &s.Name, DesiredCount: &to.To,
	})
	asked(&x, err, w.Now)
	return l.DB.Update(ctx, name, func(tx *store.Tx) error {
		if err := state.ScalingActivities.Put(tx, x); err != nil {
			return err
		}
		if err := acted(tx, w); err != nil || x.Status == model.ActivityFailed {
			return err
		}
		if err := cool(tx, w, to); err != nil {
			return err
		}
		return state.Note(tx, w.Now, model.Decision{
			By: name, Subject: s.ARN, Verb: "scaled", Cluster: s.Cluster, Service: s.ARN,
			Reason: "Desired count set from " + count(s.DesiredCount) + " to " + count(to.To) + ": " + to.Why + ".",
			Facts:  map[string]string{"cause": x.Cause, "policy": to.Policy.Name, "alarm": to.Alarm.Name},
		})
	})
}

// asked writes what ECS answered.
func asked(x *model.ScalingActivity, err error, now time.Time) {
	if err != nil {
		x.Status, x.EndedAt = model.ActivityFailed, now
		x.Message = "Failed to set desired count to " + count(x.To) + ". Reason: " + fault.MessageOf(err)
		return
	}
	x.Status, x.Message = model.ActivityInProgress,
		"Successfully set desired count to "+count(x.To)+". Waiting for change to be fulfilled by ecs."
}

// acted notes that the alarms have had their say for this minute.
func acted(tx *store.Tx, w plan.World) error {
	for _, p := range w.Policies {
		for _, s := range p.Signals {
			if _, ok := state.Alarms.Get(tx, s.Alarm.Name); !ok {
				continue
			}
			if err := state.Alarms.Edit(tx, s.Alarm.Name, func(a *model.Alarm) error { a.ActedAt = w.Now; return nil }); err != nil {
				return err
			}
		}
	}
	return nil
}

// cool begins the cooldown of a policy that has scaled; a scale-out ends that
// of every scale-in.
func cool(tx *store.Tx, w plan.World, to plan.Scale) error {
	for _, p := range state.ScalingPolicies.By(tx, "target", w.Target.Key()) {
		own := p.ARN == to.Policy.ARN
		err := state.ScalingPolicies.Edit(tx, p.ARN, func(p *model.ScalingPolicy) error {
			switch {
			case to.Out && own:
				p.LastInAt, p.LastOutAt, p.LastOutFrom = time.Time{}, w.Now, to.From
			case to.Out:
				p.LastInAt = time.Time{}
			case own:
				p.LastInAt = w.Now
			}
			return nil
		})
		if err != nil {
			return err
		}
	}
	return nil
}

func (l *Controller) put(ctx context.Context, x model.ScalingActivity) error {
	return l.DB.Update(ctx, name, func(tx *store.Tx) error { return state.ScalingActivities.Put(tx, x) })
}

// refuse records the signals of which nothing came, where AWS has a reason for
// it: once, until something else happens to the target.
func (l *Controller) refuse(ctx context.Context, t model.ScalableTarget, s model.Service, all []plan.Kept, now time.Time) error {
	for _, k := range all {
		if k.Code == "" || l.told(t, k) {
			continue
		}
		x := model.ScalingActivity{
			ID: l.IDs.UUID(), Target: t.Key(), StartedAt: now, EndedAt: now, Status: model.ActivityFailed, Policy: k.Policy.ARN,
			Cause: cause(k.Alarm, k.Policy), Description: "Attempting to scale due to alarm triggered", NotScaled: []string{k.Code}, Max: k.Max,
			Min: k.Min, Current: k.Current,
		}
		err := l.DB.Update(ctx, name, func(tx *store.Tx) error {
			if err := state.ScalingActivities.Put(tx, x); err != nil {
				return err
			}
			return state.Note(tx, now, model.Decision{
				By: name, Subject: s.ARN, Verb: "kept", Cluster: s.Cluster, Service: s.ARN,
				Reason: "Desired count stays " + count(s.DesiredCount) + " (" + k.Code + "): " + k.Why + ".",
				Facts:  map[string]string{"cause": x.Cause, "policy": k.Policy.Name, "alarm": k.Alarm.Name},
			})
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// told reports whether the newest that is recorded of a policy says the same.
func (l *Controller) told(t model.ScalableTarget, k plan.Kept) bool {
	var last model.ScalingActivity
	for _, x := range state.ScalingActivities.By(l.DB.View(), "target", t.Key()) {
		own := x.Policy == k.Policy.ARN && len(x.NotScaled) > 0
		if own && !x.StartedAt.Before(last.StartedAt) || len(x.NotScaled) == 0 && x.StartedAt.After(last.StartedAt) {
			last = x
		}
	}
	return len(last.NotScaled) == 1 && last.NotScaled[0] == k.Code
}

func ended(x model.ScalingActivity) bool {
	return x.Status != model.ActivityPending && x.Status != model.ActivityInProgress
}

// open reports whether an activity of a target has not ended.
func open(r store.Reader, key string) bool {
	for _, x := range state.ScalingActivities.By(r, "target", key) {
		if !ended(x) {
			return true
		}
	}
	return false
}

// conclude ends what has come true, was changed by others, or takes too long,
// and forgets what is old.
func (l *Controller) conclude(ctx context.Context, t model.ScalableTarget, s model.Service, now time.Time) error {
	view := l.DB.View()
	var done []model.ScalingActivity
	var old []string
	for _, x := range state.ScalingActivities.By(view, "target", t.Key()) {
		switch {
		case now.Sub(x.StartedAt) > kept:
			old = append(old, x.ID)
		case !ended(x) && concluded(&x, s, running(view, s), now):
			done = append(done, x)
		}
	}
	if len(done)+len(old) == 0 {
		return nil
	}
	return l.DB.Update(ctx, name, func(tx *store.Tx) error {
		for _, x := range done {
			if err := state.ScalingActivities.Put(tx, x); err != nil {
				return err
			}
		}
		for _, id := range old {
			if err := state.ScalingActivities.Delete(tx, id); err != nil {
				return err
			}
		}
		return nil
	})
}

// concluded says how an activity stands; it reports whether that is news. One
// that is pending when the controller looks was cut off while ECS was asked.
func concluded(x *model.ScalingActivity, s model.Service, running int64, now time.Time) bool {
	set := "Successfully set desired count to " + count(x.To) + ". "
	switch {
	case x.Status == model.ActivityPending && s.DesiredCount != x.To:
		x.Status, x.Message = model.ActivityFailed, "Failed to set desired count to "+count(x.To)+"."
	case s.DesiredCount != x.To:
		x.Status, x.Message = model.ActivityOverridden, set+"Found it was later changed to "+count(s.DesiredCount)+"."
	case running == x.To || s.CurrentDeployment != "" && running > x.To:
		x.Status, x.Message = model.ActivitySuccessful, set+"Change successfully fulfilled by ecs."
	case now.Sub(x.StartedAt) >= patience:
		x.Status, x.Message = model.ActivityUnfulfilled, set+"Change was not fulfilled by ecs within "+patience.String()+"."
	case x.Status == model.ActivityPending:
		asked(x, nil, now)
		return true
	default:
		return false
	}
	x.EndedAt = now
	return true
}
