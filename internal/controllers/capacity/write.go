package capacity

import (
	"context"
	"strconv"
	"strings"
	"time"

	"berth/internal/model"
	"berth/internal/plan/supply"
	"berth/internal/state"
	"berth/internal/store"
)

// carryOut writes a plan in one transaction. What a purchase or a change was
// decided for is looked at again there, since others write meanwhile.
func (l Controller) carryOut(ctx context.Context, now time.Time, view store.Reader, p model.CapacityProvider, plan supply.Plan) error {
	fresh := l.instances(now, p, plan.Buy)
	told := l.told(view, plan.Short)
	if len(fresh)+len(plan.Changes)+len(plan.Idle)+len(told) == 0 {
		return nil
	}
	err := l.DB.Update(ctx, name, func(tx *store.Tx) error {
		if q, ok := state.CapacityProviders.Get(tx, p.Name); !ok || q.Status != model.ProviderActive {
			fresh = nil
		}
		for k, i := range fresh {
			if err := launch(tx, now, i, plan.Buy[k]); err != nil {
				return err
			}
		}
		for _, c := range plan.Changes {
			if err := change(tx, now, p, c); err != nil {
				return err
			}
		}
		for _, x := range plan.Idle {
			if err := idle(tx, now, x); err != nil {
				return err
			}
		}
		for _, t := range told {
			if err := t.write(tx, now); err != nil {
				return err
			}
		}
		return nil
	})
	if err == nil {
		for _, i := range fresh {
			l.Log.Info("instance wanted", "cluster", i.Cluster, "instance", i.ID, "reason", i.Why)
		}
	}
	return err
}

// instances makes the records of what is bought. Ids are drawn here, outside
// the transaction.
func (l Controller) instances(now time.Time, p model.CapacityProvider, buy []supply.Purchase) []model.Instance {
	out := make([]model.Instance, len(buy))
	for k, b := range buy {
		fleet := "fleet-" + l.IDs.UUID()
		out[k] = model.Instance{
			ID: l.IDs.EC2("i"), ARN: l.Place.ARN("ecs", "container-instance/"+p.Cluster+"/"+l.IDs.Hex(32)), Cluster: p.Cluster,
			CapacityProvider: p.Name, Type: b.Type.Name, AvailabilityZone: b.Zone, Subnet: b.Subnet, SecurityGroups: p.SecurityGroups,
			ProfileARN: p.InstanceProfileARN, InfraRoleARN: p.InfrastructureRoleARN, CapacityOption: p.CapacityOption, StorageGiB: p.StorageSizeGiB,
			Monitoring: p.Monitoring, Tags: tags(p, fleet), Why: b.Why, WantedAt: now, For: b.Tasks, Expected: b.Expected, Goal: model.GoalRun,
			State: model.InstancePending, FleetID: fleet, Version: 1,
		}
	}
	return out
}

// tags are the provider's, if it hands them on, and those that AWS puts on
// every managed instance.
func tags(p model.CapacityProvider, fleet string) []model.Tag {
	var own []model.Tag
	if p.PropagateTags == "CAPACITY_PROVIDER" {
		own = p.Tags
	}
	return model.SetTags(own, []model.Tag{
		{Key: "AmazonECSManaged", Value: "true"},
		{Key: "aws:ec2:fleet-id", Value: fleet},
		{Key: "aws:ec2:managed-launch", Value: "ecs-managed-instances"},
	})
}

// launch asks for an instance, if one of the tasks that it is for still waits.
func launch(tx *store.Tx, now time.Time, i model.Instance, b supply.Purchase) error {
	waits := false
	for _, arn := range b.Tasks {
		if t, ok := state.Tasks.Get(tx, arn); ok && supply.Waiting(&t) {
			waits = true
		}
	}
	if !waits {
		return nil
	}
	if err := state.Instances.Put(tx, i); err != nil {
		return err
	}
	return state.Note(tx, now, model.Decision{
		By: name, Subject: i.ID, Verb: "wanted", Reason: i.Why, Cluster: i.Cluster,
		Facts: map[string]string{
			"type": i.Type, "zone": i.AvailabilityZone, "subnet": i.Subnet, "capacityProvider": i.CapacityProvider,
			"tasks": strconv.Itoa(len(b.Tasks)),
		},
	})
}

// change gives an instance a new goal.
func change(tx *store.Tx, now time.Time, p model.CapacityProvider, c supply.Change) error {
	i, ok := state.Instances.Get(tx, c.Instance)
	if !ok || i.Goal == model.GoalTerminate || c.Empty && busy(tx, i) {
		return nil
	}
	if err := aim(tx, now, c.Instance, c.Goal, c.Why); err != nil || !c.Failure {
		return err
	}
	return state.CapacityProviders.Edit(tx, p.Name, func(p *model.CapacityProvider) error {
		p.LastFailure, p.LastFailureAt, p.FailureCause = "instance "+c.Instance+": "+c.Why, now, model.Cause{}
		return nil
	})
}

func busy(tx *store.Tx, i model.Instance) bool {
	for _, t := range state.Tasks.By(tx, "instance", i.ARN) {
		if t.LastStatus != model.TaskStopped {
			return true
		}
	}
	return false
}

func aim(tx *store.Tx, now time.Time, id string, goal model.Goal, why string) error {
	verb := map[model.Goal]string{model.GoalDrain: "drained", model.GoalTerminate: "ended"}[goal]
	cluster := ""
	if err := state.Instances.Edit(tx, id, func(i *model.Instance) error {
		cluster = i.Cluster
		i.Goal, i.GoalReason, i.GoalAt = goal, why, now
		if goal == model.GoalDrain && i.Status == model.ContainerInstanceActive {
			i.Status, i.StatusReason = model.ContainerInstanceDraining, why
		}
		i.Version++
		return nil
	}); err != nil {
		return err
	}
	return state.Note(tx, now, model.Decision{By: name, Subject: id, Verb: verb, Reason: why, Cluster: cluster})
}

func idle(tx *store.Tx, now time.Time, x supply.Idle) error {
	i, ok := state.Instances.Get(tx, x.Instance)
	if !ok || !x.Since.IsZero() && busy(tx, i) {
		return nil
	}
	if err := state.Instances.Edit(tx, x.Instance, func(i *model.Instance) error {
		i.IdleAt = x.Since
		return nil
	}); err != nil {
		return err
	}
	return state.Note(tx, now, model.Decision{By: name, Subject: x.Instance, Verb: "kept", Reason: x.Why, Cluster: i.Cluster})
}

// telling is a shortage that a task, and its service if it has one, has not
// been told of.
type telling struct {
	task    model.Task
	why     string
	facts   map[string]string
	event   string
	eventID string
}

func (l Controller) told(view store.Reader, short []supply.Shortage) []telling {
	var out []telling
	services := map[string]bool{}
	for _, x := range short {
		t, ok := state.Tasks.Get(view, x.Task)
		if !ok || known(view, x) {
			continue
		}
		n := telling{task: t, why: x.Why, facts: map[string]string{model.FactLacks: x.Lacks}}
		if x.Lacks == model.LacksArchitecture {
			n.facts[model.FactRuns] = strings.Join(l.Architectures, ", ")
		}
		if s, ok := state.Services.Get(view, t.Service); ok && !services[s.ARN] {
			services[s.ARN] = true
			n.event, n.eventID = "(service "+s.Name+") was unable to place a task. Reason: "+x.Why+".", l.IDs.UUID()
		}
		out = append(out, n)
	}
	return out
}

// known reports whether the task's shortage is on record already.
func known(view store.Reader, x supply.Shortage) bool {
	for _, d := range state.Decisions.By(view, "subject", x.Task) {
		if d.By == name && d.Reason == x.Why {
			return true
		}
	}
	return false
}

func (t telling) write(tx *store.Tx, now time.Time) error {
	if t.event != "" {
		if _, ok := state.Services.Get(tx, t.task.Service); ok {
			if err := state.Services.Edit(tx, t.task.Service, func(s *model.Service) error {
				state.ServiceEvent(s, model.ServiceEvent{ID: t.eventID, At: now, Message: t.event})
				return nil
			}); err != nil {
				return err
			}
		}
	}
	return state.Note(tx, now, model.Decision{
		By: name, Subject: t.task.ARN, Verb: "refused", Reason: t.why, Cluster: t.task.Cluster, Service: t.task.Service,
		Facts: t.facts,
	})
}
