// Package network is the controller that gives tasks, instances, load balancers,
// endpoints, NAT gateways and functions their network interfaces, makes this
// host's network equal to the records, and takes interfaces back.
//
// It alone makes, changes and removes model.NetworkInterface. An interface is
// pending until the host's network contains it, then available; only then a
// placed task moves from PROVISIONING to PENDING, and an endpoint or a NAT
// gateway becomes available. A task in DEPROVISIONING returns its interface
// and is STOPPED. A function has one interface for each of its environments
// (kind function, owner the function's ARN), in its VPC or in the Internet;
// Legs lends them out.
//
// There is one key, the host. Setting the network is a job, so that what
// changes meanwhile is set together. Only the control engine calls it.
package network

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"

	"berth/internal/control"
	"berth/internal/ident"
	"berth/internal/model"
	"berth/internal/state"
	"berth/internal/store"
	"berth/internal/vpc"
)

const (
	name = "controllers/network"
	key  = "host"
	job  = "set the host's network"
)

// Driver makes the host's network equal to a value: hostnet, or its twin.
type Driver interface {
	Set(ctx context.Context, h vpc.HostNetwork) error
}

// Deps are what the controller needs.
type Deps struct {
	DB     *state.DB
	IDs    *ident.Source
	Place  ident.Place
	Jobs   control.Jobs
	Driver Driver
	Log    *slog.Logger
}

// Controller implements control.Controller.
type Controller struct {
	Deps

	mu   sync.Mutex
	host *host            // the network that should be
	set  *vpc.HostNetwork // what the host has; nil until the first job ended well
	// moving are the owners about whom there is something to do.
	moving *store.Derived[struct{}]
	leases *leases
	// told are the refusals that were already recorded, by owner.
	told map[string]string
	// left are the records that the last network was told to do without.
	left []string
}

var (
	_ control.Controller = (*Controller)(nil)
	_ control.Starter    = (*Controller)(nil)
)

// New returns the controller.
func New(d Deps) *Controller {
	l := &Controller{Deps: d, told: map[string]string{}}
	if d.DB != nil {
		l.host, l.leases = newHost(d.DB.DB, d.Place.Region), newLeases(d.DB.DB)
		l.moving = store.NewDerived(d.DB.DB, ownerRules(), func(r store.Reader, owner string) (struct{}, bool) {
			return struct{}{}, world{Reader: r, has: func(string) bool { return false }}.unsettled(owner)
		})
	}
	return l
}

// Name implements control.Controller.
func (*Controller) Name() string { return name }

// Start implements control.Starter: the host is looked at even if nothing is
// recorded, to take away what a former life has left.
func (*Controller) Start(store.Reader) []string { return []string{key} }

// Wake implements control.Controller.
func (*Controller) Wake() store.Rules {
	return store.Rules{
		always(state.VPCs), always(state.Subnets), always(state.InternetGateways), always(state.NATGateways), always(state.Addresses),
		always(state.RouteTables), always(state.SecurityGroups), always(state.VPCEndpoints), always(state.NetworkInterfaces),
		part(state.LoadBalancers, func(lb *model.LoadBalancer) string { return fmt.Sprint(lb.Subnets, lb.SecurityGroups, lb.Scheme) }),
		part(state.Functions, func(f *model.Function) string { return fmt.Sprint(f.Subnets, f.SecurityGroups, f.Interfaces) }),
		part(state.Instances, func(i *model.Instance) [2]string { return [2]string{string(i.State), i.ENI} }),
		store.On(state.Tasks, key, wakeTask),
	}
}

func always[T any](t *store.Table[T]) store.Rule {
	return store.OnAny(t, key, func(*T) string { return key })
}

func part[T any, P comparable](t *store.Table[T], part func(*T) P) store.Rule {
	return store.OnPart(t, key, part, func(P) []string { return []string{key} })
}

// taskPart is what this controller sees of a task.
type taskPart struct {
	status, desired model.TaskStatus
	instance, eni   string
}

func partOf(t *model.Task) taskPart {
	return taskPart{t.LastStatus, t.DesiredStatus, t.Instance, t.ENI}
}

// namedPart is a task's part with its name.
type namedPart struct {
	arn string
	taskPart
}

// wakeTask wakes the host for tasks that get or return an interface, or have
// returned it; in between, a task is others' business.
func wakeTask(old, n *model.Task) []string {
	switch {
	case n == nil && old.ENI == "", old != nil && n != nil && partOf(old) == partOf(n):
		return nil
	case n == nil, n.LastStatus == model.TaskProvisioning && n.Instance != "", n.LastStatus == model.TaskDeprovisioning,
		old != nil && old.LastStatus == model.TaskDeprovisioning:
		return []string{key}
	}
	return nil
}

// Reconcile implements control.Controller.
func (l *Controller) Reconcile(ctx context.Context, r control.Request) (control.Result, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	result, err, running, done := l.Jobs.Take(job)
	switch {
	case done && err != nil:
		return control.Result{}, err
	case done:
		l.set = result.(*vpc.HostNetwork)
	}
	view := l.DB.View()
	p := l.decide(view)
	if err := l.write(ctx, r, p); err != nil {
		return control.Result{}, err
	}
	if running || p.writes() {
		return control.Result{}, nil // the job's end, or our own write, wakes us
	}
	want := l.host.to(view)
	if l.set == want || l.set != nil && l.set.Equal(*want) {
		l.set = want
		return control.Result{}, nil
	}
	l.warn(ctx, want.Problems)
	l.Jobs.Start(name, key, job, func(ctx context.Context) (any, error) {
		if err := l.Driver.Set(ctx, *want); err != nil {
			return nil, fmt.Errorf("set the host's network: %w", err)
		}
		return want, nil
	})
	return control.Result{}, nil
}

// warn tells of records that the network does without, once each.
func (l *Controller) warn(ctx context.Context, problems []string) {
	for _, p := range problems {
		if !slices.Contains(l.left, p) {
			l.Log.WarnContext(ctx, "a record is left out of the network", "reason", p)
		}
	}
	l.left = problems
}

// decide says what to write about the owners that are not settled.
func (l *Controller) decide(view *store.View) plan {
	l.moving.To(view)
	l.leases.to(view)
	owners := make([]string, 0, l.moving.Len())
	for owner := range l.moving.Parts() {
		owners = append(owners, owner)
	}
	return decide(world{Reader: view, has: l.has}, owners, l.leases)
}

// has reports whether the host has an interface; no, if nothing is known.
func (l *Controller) has(eni string) bool {
	if l.set == nil {
		return false
	}
	_, ok := slices.BinarySearchFunc(l.set.Interfaces, eni, func(i vpc.Interface, id string) int { return strings.Compare(i.ID, id) })
	return ok
}

// ownerRules name the owners whose interfaces may have to change.
func ownerRules() store.Rules {
	const means = "the owner"
	return store.Rules{
		store.OnPart(state.Tasks, means, func(t *model.Task) namedPart { return namedPart{t.ARN, partOf(t)} }, func(p namedPart) []string {
			return []string{p.arn}
		}),
		store.OnPart(state.Instances, means, func(i *model.Instance) [4]string {
			return [4]string{i.ID, string(i.State), i.ENI, i.Subnet}
		}, func(p [4]string) []string { return []string{p[0]} }),
		store.OnAny(state.LoadBalancers, means, func(lb *model.LoadBalancer) string { return lb.ARN }),
		store.OnAny(state.VPCEndpoints, means, func(e *model.VPCEndpoint) string { return e.ID }),
		store.OnAny(state.NATGateways, means, func(n *model.NATGateway) string { return n.ID }),
		store.OnAny(state.Functions, means, func(f *model.Function) string { return f.ARN }),
		store.OnAny(state.NetworkInterfaces, means, func(n *model.NetworkInterface) string { return n.Owner }),
		all(state.Subnets), all(state.VPCs), all(state.Addresses),
	}
}

// Snapshot is what the network of a Region is compiled from.
func Snapshot(r store.Reader, region string) vpc.Snapshot {
	return vpc.Snapshot{
		Region: region, VPCs: state.VPCs.All(r), Subnets: state.Subnets.All(r), RouteTables: state.RouteTables.All(r),
		Gateways: state.InternetGateways.All(r), NATs: state.NATGateways.All(r), Groups: state.SecurityGroups.All(r),
		Endpoints: state.VPCEndpoints.All(r), Addresses: state.Addresses.All(r),
		Interfaces: state.NetworkInterfaces.All(r),
	}
}
