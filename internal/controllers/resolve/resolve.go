// Package resolve is the controller that says what names mean and where the APIs
// are reached, in every VPC and in the Internet: it compiles the records into
// the resolver's Config and the endpoints' listeners and sets both.
//
// It writes no record. There is one key, the host; only what stands on an
// available interface is served. Only the control engine calls it.
package resolve

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"reflect"

	"berth/internal/control"
	"berth/internal/endpoint"
	"berth/internal/ident"
	"berth/internal/model"
	"berth/internal/resolver"
	"berth/internal/state"
	"berth/internal/store"
	"berth/internal/vpc"
)

const (
	name = "controllers/resolve"
	key  = "host"
	job  = "set names and endpoints"
)

// Names is the DNS data plane; Endpoints are the listeners of the VPC endpoints.
type (
	// Names is resolver.Resolver.
	Names interface {
		Set(ctx context.Context, c resolver.Config) error
	}
	// Endpoints is endpoint.Server.
	Endpoints interface {
		Set(ctx context.Context, ls []endpoint.Listener) error
	}
)

// Deps are what the controller needs.
type Deps struct {
	DB        *state.DB
	Place     ident.Place
	Jobs      control.Jobs
	Names     Names
	Endpoints Endpoints
	Log       *slog.Logger
}

// Controller implements control.Controller.
type Controller struct {
	Deps
	set *Served // what is in force; the engine never runs one controller twice at once
}

// Served is what is answered and where.
type Served struct {
	Names     resolver.Config
	Endpoints []endpoint.Listener
}

var _ control.Controller = (*Controller)(nil)

// New returns the controller.
func New(d Deps) *Controller { return &Controller{Deps: d} }

// Name implements control.Controller.
func (*Controller) Name() string { return name }

// Wake implements control.Controller.
func (*Controller) Wake() store.Rules {
	return store.Rules{
		store.OnAny(state.VPCs, key, func(*model.VPC) string { return key }),
		store.OnAny(state.VPCEndpoints, key, func(*model.VPCEndpoint) string { return key }),
		store.OnPart(state.NetworkInterfaces, key, partOf, func(p part) []string { return store.Key(p.key) }),
		store.OnAny(state.LoadBalancers, key, func(*model.LoadBalancer) string { return key }),
		store.OnAny(state.Namespaces, key, func(*model.Namespace) string { return key }),
		store.OnAny(state.DiscoveryServices, key, func(*model.DiscoveryService) string { return key }),
		store.OnAny(state.DiscoveryInstances, key, func(*model.DiscoveryInstance) string { return key }),
	}
}

// part is what is served of an interface: a task's or an instance's only asks.
type part struct{ key, id, owner, ip, public, vpc, zone string }

func partOf(n *model.NetworkInterface) part {
	switch {
	case n.State == model.InterfacePending:
		return part{}
	case n.Kind == vpc.KindLoadBalancer || n.Kind == vpc.KindEndpoint:
		return part{key, n.ID, n.Owner, n.IP, n.PublicIP, n.VPC, n.AvailabilityZone}
	}
	return part{key: key, vpc: n.VPC}
}

// Reconcile implements control.Controller.
func (l *Controller) Reconcile(context.Context, control.Request) (control.Result, error) {
	result, err, running, done := l.Jobs.Take(job)
	switch {
	case running:
		return control.Result{}, nil // its end wakes us
	case done && err != nil:
		return control.Result{}, err
	case done:
		s := result.(Served)
		l.set = &s
	}
	want := Compile(l.DB.View(), l.Place.Region)
	if l.set != nil && reflect.DeepEqual(*l.set, want) {
		return control.Result{}, nil
	}
	l.Jobs.Start(name, key, job, func(ctx context.Context) (any, error) {
		if err := errors.Join(l.Names.Set(ctx, want.Names), l.Endpoints.Set(ctx, want.Endpoints)); err != nil {
			return nil, fmt.Errorf("set names and endpoints: %w", err)
		}
		return want, nil
	})
	return control.Result{}, nil
}
