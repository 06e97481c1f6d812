// Package reservation is the controller of capacity providers of Auto Scaling
// groups: it says which container instances are a provider's, publishes
// CapacityProviderReservation once a minute, and has EC2 Auto Scaling resize the
// group and protect its instances, as plan/reservation decides.
//
// Keys: NAME is a provider; "group|NAME" is the provider of that group. It owns
// CapacityProvider of the user's own instances and LowSince of providers. It
// launches and ends nothing (controllers/group does) and places nothing. Only the
// control engine calls it.
package reservation

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"time"

	"berth/internal/control"
	"berth/internal/controllers/facts"
	"berth/internal/fault"
	"berth/internal/ident"
	"berth/internal/model"
	plan "berth/internal/plan/reservation"
	"berth/internal/series"
	"berth/internal/state"
	"berth/internal/store"
	"berth/internal/wire"
	"berth/internal/wire/shape/autoscaling"
)

const (
	name = "controllers/reservation"
	// namespace and metric are where ECS publishes what it scales by.
	namespace = "AWS/ECS/ManagedScaling"
	metric    = "CapacityProviderReservation"
)

// Metrics takes metric data; *series.Store is one.
type Metrics interface {
	Put(ctx context.Context, data ...series.Datum) error
}

// Deps are what the controller needs.
type Deps struct {
	DB     *state.DB
	Place  ident.Place
	Series Metrics
	// As calls EC2 Auto Scaling as ECS's service-linked role.
	As  func(ident.Principal) wire.Caller
	Log *slog.Logger
}

// Controller implements control.Controller.
type Controller struct {
	Deps
	facts *facts.Keeper
	// minutes are the last ones that were measured, by provider.
	minutes map[string]time.Time
}

var _ control.Controller = (*Controller)(nil)

// New makes the controller.
func New(d Deps) *Controller { return &Controller{d, facts.New(d.DB), map[string]time.Time{}} }

// Name implements control.Controller.
func (*Controller) Name() string { return name }

// Wake implements control.Controller.
func (*Controller) Wake() store.Rules {
	return store.Rules{
		store.On(state.CapacityProviders, "the provider, if it is of a group", wakeProvider),
		store.OnPart(state.Instances, "group|NAME of the instance's group", hostPart, func(p instancePart) []string { return keyOf(p.group) }),
		store.OnAny(state.AutoScalingGroups, "group|NAME", func(g *model.AutoScalingGroup) string { return "group|" + g.Name }),
		store.OnPart(state.Tasks, "the task's provider", neededPart, func(p taskPart) []string { return store.Key(p.provider) }),
	}
}

func keyOf(group string) []string {
	if group == "" {
		return nil
	}
	return []string{"group|" + group}
}

func wakeProvider(old, n *model.CapacityProvider) []string {
	if n == nil {
		n = old
	}
	if n.Group == nil {
		return nil
	}
	return []string{n.Name}
}

// instancePart and taskPart are what managed scaling sees of records.
type (
	instancePart struct {
		group, cluster, provider string
		goal                     model.Goal
		state                    model.InstanceState
		status                   model.ContainerInstanceStatus
	}
	taskPart struct {
		provider, instance string
		stopped            bool
	}
)

func hostPart(i *model.Instance) instancePart {
	return instancePart{i.Group, i.Cluster, i.CapacityProvider, i.Goal, i.State, i.Status}
}

func neededPart(t *model.Task) taskPart {
	return taskPart{t.CapacityProvider, t.Instance, t.LastStatus == model.TaskStopped}
}

// Reconcile implements control.Controller.
func (l *Controller) Reconcile(ctx context.Context, r control.Request) (control.Result, error) {
	view := l.DB.View()
	p, ok := find(view, r.Key)
	if !ok || p.Group == nil {
		return control.Result{}, nil
	}
	if p.Status == model.ProviderInactive {
		p.Cluster = "" // its instances are nobody's
	}
	if err := l.adopt(ctx, view, p); err != nil || p.Cluster == "" {
		return control.Result{}, err
	}
	view = l.DB.View()
	g, ok := state.AutoScalingGroups.Get(view, p.Group.Name)
	if !ok || g.Deleting {
		return control.Result{}, nil
	}
	f := l.look(view, r.Now, p, &g)
	if err := l.protect(ctx, p, f); err != nil {
		return control.Result{}, err
	}
	if !p.Group.Scaling.Enabled {
		return control.Result{}, nil
	}
	minute := r.Now.Truncate(time.Minute)
	if minute.After(l.minutes[p.Name]) {
		if err := l.scale(ctx, minute, p, f); err != nil {
			return control.Result{}, err
		}
		l.minutes[p.Name] = minute
	}
	return control.Result{After: minute.Add(time.Minute).Sub(r.Now)}, nil
}

// find is the provider that a key is about.
func find(r store.Reader, key string) (model.CapacityProvider, bool) {
	group, of := strings.CutPrefix(key, "group|")
	if !of {
		return state.CapacityProviders.Get(r, key)
	}
	for _, p := range state.CapacityProviders.All(r) {
		if p.Group != nil && p.Group.Name == group && p.Status != model.ProviderInactive {
			return p, true
		}
	}
	return model.CapacityProvider{}, false
}

// adopt writes down at the group's container instances whose they are: the
// provider's, if they are in its cluster.
func (l *Controller) adopt(ctx context.Context, r store.Reader, p model.CapacityProvider) error {
	of := map[string]string{}
	for i := range state.Instances.Each(r, "group", p.Group.Name) {
		want := ""
		if i.Cluster != "" && i.Cluster == p.Cluster {
			want = p.Name
		}
		if i.CapacityProvider != want && i.State != model.InstanceTerminated && (want != "" || i.CapacityProvider == p.Name) {
			of[i.ID] = want
		}
	}
	if len(of) == 0 {
		return nil
	}
	return l.DB.Update(ctx, name, func(tx *store.Tx) error {
		for id, want := range of {
			if err := state.Instances.Edit(tx, id, func(i *model.Instance) error {
				i.CapacityProvider = want
				i.Version++
				return nil
			}); err != nil {
				return err
			}
		}
		return nil
	})
}

// protect has Auto Scaling spare what has tasks, and let go of what has none.
func (l *Controller) protect(ctx context.Context, p model.CapacityProvider, f plan.Facts) error {
	if !p.Group.Protects {
		return nil
	}
	add, drop := plan.Protection(f)
	for _, c := range []struct {
		ids []string
		on  bool
	}{{add, true}, {drop, false}} {
		for ids := range slices.Chunk(c.ids, 50) {
			_, err := l.groups().SetInstanceProtection(ctx, &autoscaling.SetInstanceProtectionInput{
				AutoScalingGroupName: &p.Group.Name, InstanceIds: ids, ProtectedFromScaleIn: &c.on,
			})
			if err != nil && !fault.Is(err, fault.NotFound) { // one may have ended meanwhile
				return err
			}
		}
	}
	return nil
}

func (l *Controller) groups() autoscaling.Client {
	return autoscaling.Client{Caller: l.As(ident.AsService(l.Place, "ecs.amazonaws.com", "AWSServiceRoleForECS", "ECS"))}
}

// scale publishes what was measured and resizes the group.
func (l *Controller) scale(ctx context.Context, minute time.Time, p model.CapacityProvider, f plan.Facts) error {
	d := plan.Decide(f)
	if err := l.Series.Put(ctx, series.Datum{
		Metric: series.Metric{Namespace: namespace, Name: metric, Dimensions: []series.Dimension{
			{Name: "CapacityProviderName", Value: p.Name}, {Name: "ClusterName", Value: p.Cluster},
		}},
		At: minute, Unit: "Percent", Set: series.Set{Sum: d.Percent, Count: 1, Min: d.Percent, Max: d.Percent},
	}); err != nil {
		return err
	}
	suspended := slices.Contains(f.Group.Suspended, "AlarmNotification")
	if d.Why != "" && !suspended {
		if _, err := l.groups().SetDesiredCapacity(ctx, &autoscaling.SetDesiredCapacityInput{
			AutoScalingGroupName: &p.Group.Name, DesiredCapacity: &d.Desired,
		}); err != nil {
			return err
		}
		l.Log.Info("group resized", "cluster", p.Cluster, "provider", p.Name, "reason", d.Why)
	}
	if d.LowSince.Equal(p.LowSince) && d.Why == "" {
		return nil
	}
	return l.DB.Update(ctx, name, func(tx *store.Tx) error {
		if !d.LowSince.Equal(p.LowSince) {
			if err := state.CapacityProviders.Edit(tx, p.Name, func(p *model.CapacityProvider) error {
				p.LowSince = d.LowSince
				return nil
			}); err != nil {
				return err
			}
		}
		if d.Why == "" || suspended {
			return nil
		}
		return state.Note(tx, f.Now, model.Decision{
			By: name, Subject: p.Name, Verb: "scaled", Reason: d.Why, Cluster: p.Cluster,
			Facts: map[string]string{"group": p.Group.Name, "desired": fmt.Sprint(d.Desired)},
		})
	})
}
