package network

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	"berth/internal/control"
	"berth/internal/model"
	"berth/internal/state"
	"berth/internal/store"
	"berth/internal/vpc"
)

// drawn is a grant with the names that chance gives it.
type drawn struct {
	grant
	id, attachment string
}

// write carries a plan out in one transaction.
func (l *Controller) write(ctx context.Context, r control.Request, p plan) error {
	news := l.news(p.refusals)
	if !p.writes() && len(news) == 0 {
		return nil
	}
	grants := make([]drawn, len(p.grants))
	for i, g := range p.grants {
		grants[i] = drawn{g, g.request.id, l.IDs.UUID()}
		if g.request.id == "" {
			grants[i].id = l.IDs.EC2("eni")
		}
	}
	w := writer{r.Now, p}
	err := l.DB.Update(ctx, name, func(tx *store.Tx) error {
		for _, step := range []func(*store.Tx) error{w.drops, w.changes, w.moves, w.others} {
			if err := step(tx); err != nil {
				return err
			}
		}
		for _, g := range grants {
			if err := w.grant(tx, g); err != nil {
				return err
			}
		}
		for _, n := range news {
			if err := state.Note(tx, r.Now, model.Decision{By: name, Subject: n.owner, Verb: "refused", Reason: n.reason}); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("write network interfaces: %w", err)
	}
	for _, g := range grants {
		l.Log.InfoContext(ctx, "network interface made", "interface", g.id, "owner", short(g.owner), "address", g.ip.String())
	}
	return nil
}

// news are the refusals that were not recorded before.
func (l *Controller) news(rs []refusal) []refusal {
	now := map[string]string{}
	var out []refusal
	for _, r := range rs {
		now[r.owner] = r.reason
		if l.told[r.owner] != r.reason {
			out = append(out, r)
		}
	}
	l.told = now
	return out
}

type writer struct {
	now time.Time
	plan
}

func (w writer) drops(tx *store.Tx) error {
	for _, id := range w.plan.drops {
		if err := state.NetworkInterfaces.Delete(tx, id); err != nil {
			return err
		}
	}
	return nil
}

func (w writer) changes(tx *store.Tx) error {
	for _, id := range slices.Sorted(maps.Keys(w.regroups)) {
		if err := edit(tx, state.NetworkInterfaces, id, func(n *model.NetworkInterface) { n.SecurityGroups = w.regroups[id] }); err != nil {
			return err
		}
	}
	for _, id := range slices.Sorted(maps.Keys(w.elastics)) {
		if err := edit(tx, state.NetworkInterfaces, id, func(n *model.NetworkInterface) { n.PublicIP = w.elastics[id] }); err != nil {
			return err
		}
	}
	for _, id := range w.ready {
		if err := edit(tx, state.NetworkInterfaces, id, func(n *model.NetworkInterface) { n.State = model.InterfaceAvailable }); err != nil {
			return err
		}
	}
	return nil
}

// moves moves tasks, unless they moved since the look.
func (w writer) moves(tx *store.Tx) error {
	for _, m := range w.plan.moves {
		t, ok := state.Tasks.Get(tx, m.task)
		if !ok || t.LastStatus != m.from || m.to == model.TaskPending && t.DesiredStatus == model.TaskStopped {
			continue
		}
		if err := state.Tasks.Edit(tx, m.task, func(t *model.Task) error {
			t.LastStatus, t.StatusAt = m.to, w.now
			if m.to == model.TaskStopped {
				t.StoppedAt = w.now
			}
			t.Version++
			return nil
		}); err != nil {
			return err
		}
		if err := state.Note(tx, w.now, model.Decision{
			By: name, Subject: m.task, Verb: "state", Reason: reasons[m.to], Cluster: t.Cluster, Service: t.Service,
			Facts: map[string]string{"state": string(m.to), "interface": t.ENI},
		}); err != nil {
			return err
		}
	}
	return nil
}

var reasons = map[model.TaskStatus]string{
	model.TaskPending:        "PENDING: its network is ready",
	model.TaskDeprovisioning: "DEPROVISIONING: it was told to stop before it had a network",
	model.TaskStopped:        "STOPPED: its network interface is returned",
}

func (w writer) others(tx *store.Tx) error {
	for _, id := range slices.Sorted(maps.Keys(w.attach)) {
		n, ok := state.NetworkInterfaces.Get(tx, w.attach[id])
		if !ok {
			continue
		}
		if err := attach(tx, id, n); err != nil {
			return err
		}
	}
	for _, id := range slices.Sorted(maps.Keys(w.endpoints)) {
		if w.endpoints[id] == gone {
			if err := state.VPCEndpoints.Delete(tx, id); err != nil {
				return err
			}
			continue
		}
		if err := edit(tx, state.VPCEndpoints, id, func(e *model.VPCEndpoint) { e.State = model.EndpointState(w.endpoints[id]) }); err != nil {
			return err
		}
	}
	for _, id := range slices.Sorted(maps.Keys(w.nats)) {
		if err := edit(tx, state.NATGateways, id, func(n *model.NATGateway) { n.State = model.NATState(w.nats[id]) }); err != nil {
			return err
		}
	}
	return nil
}

func attach(tx *store.Tx, instance string, n model.NetworkInterface) error {
	return edit(tx, state.Instances, instance, func(i *model.Instance) {
		i.ENI, i.PrivateIP = n.ID, n.IP
		i.Version++
	})
}

// edit changes a record unless it went since the look.
func edit[T any](tx *store.Tx, t *store.Table[T], id string, fn func(*T)) error {
	if _, ok := t.Get(tx, id); !ok {
		return nil
	}
	return t.Edit(tx, id, func(v *T) error { fn(v); return nil })
}

// grant makes an interface and tells its owner.
func (w writer) grant(tx *store.Tx, g drawn) error {
	n := model.NetworkInterface{
		ID: g.id, Kind: g.kind, Owner: g.owner, VPC: g.vpc, Subnet: g.subnet, AvailabilityZone: g.zone, IP: g.ip.String(), MAC: vpc.MAC(g.id),
		PublicIP: g.publicIP, SecurityGroups: g.groups, Description: g.description, State: model.InterfacePending, CreatedAt: w.now,
	}
	switch g.kind {
	case vpc.KindTask:
		t, ok := state.Tasks.Get(tx, g.owner)
		if !ok || t.LastStatus != model.TaskProvisioning || t.ENI != "" {
			return nil
		}
		if err := state.Tasks.Edit(tx, g.owner, func(t *model.Task) error {
			t.ENI, t.AttachmentID = g.id, g.attachment
			t.Version++
			return nil
		}); err != nil {
			return err
		}
	case vpc.KindInstance, vpc.KindSlice:
		if _, ok := state.Instances.Get(tx, g.owner); !ok {
			return nil
		}
		if err := attach(tx, g.owner, n); err != nil {
			return err
		}
	}
	return state.NetworkInterfaces.Put(tx, n)
}
