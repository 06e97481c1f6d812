package task

import (
	"cmp"
	"time"

	"berth/internal/model"
	"berth/internal/model/catalog"
	"berth/internal/plan/placement"
	"berth/internal/state"
	"berth/internal/store"
)

// instances makes the records of slices. Ids are drawn here, outside the
// transaction.
func (l Controller) instances(now time.Time, w *world) []model.Instance {
	out := make([]model.Instance, len(w.slices))
	for n, s := range w.slices {
		storage := int64(0)
		if d := w.facts.Definition(s.Record.TaskDefinition); d != nil {
			storage = d.StorageGiB
		}
		out[n] = model.Instance{
			ID: l.IDs.EC2("i"), ARN: l.Place.ARN("ecs", "container-instance/"+w.cluster+"/"+l.IDs.Hex(32)), Cluster: w.cluster,
			Kind: model.KindSlice, CapacityProvider: s.Provider, Type: "fargate", AvailabilityZone: s.Zone, CapacityOption: option(s.Provider),
			StorageGiB: cmp.Or(storage, catalog.FargateStorage), Why: s.Why(), WantedAt: now, For: []string{s.Task},
			Expected: model.Resources{CPU: s.Need.CPU, Memory: s.Need.Memory, ENIs: 1}, Goal: model.GoalRun, State: model.InstancePending,
			Version: 1,
		}
	}
	return out
}

func option(provider string) string {
	if provider == model.ProviderFargateSpot {
		return "SPOT"
	}
	return "ON_DEMAND"
}

// slice writes a slice and its task's placement, unless the task has changed
// its mind since the look.
func slice(tx *store.Tx, now time.Time, i model.Instance, s placement.Slice) error {
	t, ok := state.Tasks.Get(tx, s.Task)
	if !ok || !placement.Waiting(&t) {
		return nil
	}
	if err := state.Instances.Put(tx, i); err != nil {
		return err
	}
	if err := state.Tasks.Edit(tx, s.Task, func(t *model.Task) error {
		t.Instance, t.AvailabilityZone, t.Subnet, t.PlacedAt = i.ARN, s.Zone, s.Subnet, now
		t.CapacityProvider, t.Refusal = s.Provider, ""
		t.Version++
		return nil
	}); err != nil {
		return err
	}
	return state.Note(tx, now, model.Decision{
		By: name, Subject: s.Task, Verb: "placed", Reason: s.Why(), Cluster: t.Cluster, Service: t.Service,
		Facts: map[string]string{"zone": s.Zone, "subnet": s.Subnet, "capacityProvider": s.Provider},
	})
}
