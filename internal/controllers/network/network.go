// Package network is the loop that gives tasks, instances, load balancers,
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
	"reflect"
	"slices"
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

// Deps are what the loop needs.
type Deps struct {
	DB     *state.DB
	IDs    *ident.Source
	Place  ident.Place
	Jobs   control.Jobs
	Driver Driver
	Log    *slog.Logger
}

// Loop implements control.Loop.
type Loop struct {
	Deps

	mu  sync.Mutex
	set *vpc.HostNetwork // what the host has; nil until the first job ended well
	// told are the refusals that were already recorded, by owner.
	told map[string]string
	// left are the records that the last network was told to do without.
	left []string
}

var (
	_ control.Loop    = (*Loop)(nil)
	_ control.Starter = (*Loop)(nil)
)

// New returns the loop.
func New(d Deps) *Loop { return &Loop{Deps: d, told: map[string]string{}} }

// Name implements control.Loop.
func (*Loop) Name() string { return name }

// Start implements control.Starter: the host is looked at even if nothing is
// recorded, to take away what a former life has left.
func (*Loop) Start(store.Reader) []string { return []string{key} }

// Wake implements control.Loop.
func (*Loop) Wake(c store.Change) []string {
	if concerns(c) {
		return []string{key}
	}
	return nil
}

func concerns(c store.Change) bool {
	v := c.New
	if v == nil {
		v = c.Old
	}
	switch n := v.(type) {
	case model.VPC, model.Subnet, model.InternetGateway, model.NATGateway, model.Address, model.RouteTable, model.SecurityGroup, model.VPCEndpoint, model.NetworkInterface:
		return true
	case model.LoadBalancer:
		o, ok := c.Old.(model.LoadBalancer)
		return !ok || c.New == nil || !reflect.DeepEqual([]any{o.Subnets, o.SecurityGroups, o.Scheme}, []any{n.Subnets, n.SecurityGroups, n.Scheme})
	case model.Function:
		o, ok := c.Old.(model.Function)
		return !ok || c.New == nil || !reflect.DeepEqual([]any{o.Subnets, o.SecurityGroups, o.Interfaces}, []any{n.Subnets, n.SecurityGroups, n.Interfaces})
	case model.Instance:
		o, ok := c.Old.(model.Instance)
		return !ok || c.New == nil || o.State != n.State || o.ENI != n.ENI
	case model.Task:
		o, ok := c.Old.(model.Task)
		if ok && c.New != nil && o.LastStatus == n.LastStatus && o.Instance == n.Instance && o.ENI == n.ENI && o.DesiredStatus == n.DesiredStatus {
			return false
		}
		// In between, a task is others' business.
		return c.New == nil && n.ENI != "" || c.New != nil && (n.LastStatus == model.TaskProvisioning && n.Instance != "" || n.LastStatus == model.TaskDeprovisioning)
	}
	return false
}

// Reconcile implements control.Loop.
func (l *Loop) Reconcile(ctx context.Context, r control.Request) (control.Result, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	result, err, running, done := l.Jobs.Take(job)
	switch {
	case done && err != nil:
		return control.Result{}, err
	case done:
		h := result.(vpc.HostNetwork)
		l.set = &h
	}
	view := l.DB.View()
	p := decide(world{Reader: view, set: l.present()})
	if err := l.write(ctx, r, p); err != nil {
		return control.Result{}, err
	}
	if running || p.writes() {
		return control.Result{}, nil // the job's end, or our own write, wakes us
	}
	want := vpc.Compile(Snapshot(view, l.Place.Region))
	if l.set != nil && l.set.Equal(want) {
		return control.Result{}, nil
	}
	l.warn(ctx, want.Problems)
	l.Jobs.Start(name, key, job, func(ctx context.Context) (any, error) {
		if err := l.Driver.Set(ctx, want); err != nil {
			return nil, fmt.Errorf("set the host's network: %w", err)
		}
		return want, nil
	})
	return control.Result{}, nil
}

// warn tells of records that the network does without, once each.
func (l *Loop) warn(ctx context.Context, problems []string) {
	for _, p := range problems {
		if !slices.Contains(l.left, p) {
			l.Log.WarnContext(ctx, "a record is left out of the network", "reason", p)
		}
	}
	l.left = problems
}

// present are the interfaces that the host has; nil if nothing is known.
func (l *Loop) present() map[string]vpc.Interface {
	if l.set == nil {
		return nil
	}
	out := make(map[string]vpc.Interface, len(l.set.Interfaces))
	for _, i := range l.set.Interfaces {
		out[i.ID] = i
	}
	return out
}

// Snapshot is what the network of a Region is compiled from.
func Snapshot(r store.Reader, region string) vpc.Snapshot {
	return vpc.Snapshot{
		Region: region, VPCs: state.VPCs.All(r), Subnets: state.Subnets.All(r), RouteTables: state.RouteTables.All(r), Gateways: state.InternetGateways.All(r),
		NATs: state.NATGateways.All(r), Groups: state.SecurityGroups.All(r), Endpoints: state.VPCEndpoints.All(r), Addresses: state.Addresses.All(r),
		Interfaces: state.NetworkInterfaces.All(r),
	}
}
