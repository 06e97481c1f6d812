package daemon

import (
	"context"
	"log/slog"
	"strings"
	"time"

	"berth/internal/access"
	"berth/internal/control"
	"berth/internal/controllers/stack"
	"berth/internal/front"
	"berth/internal/function"
	"berth/internal/ident"
	"berth/internal/model"
	"berth/internal/state"
)

// rehearse answers what of a stack will certainly be refused, by making it on
// a fork of the state: with the same services and the same code of resource
// types, and with no controllers and no drivers, so that nothing is begun and
// nothing is left.
func (sys *System) rehearse(h Drivers, zones []string) func(context.Context, time.Time, model.Stack, bool) ([]model.StackRefusal, error) {
	if sys.rehearsing {
		return nil
	}
	return func(ctx context.Context, now time.Time, s model.Stack, fixed bool) ([]model.StackRefusal, error) {
		c := sys.Core
		// Names that nobody will see: they must not use up those of a seed.
		c.DB, c.IDs, c.Log = sys.DB.Fork(), ident.Seeded(rehearsalSeed), slog.New(slog.DiscardHandler)
		stage := &System{Core: c, rehearsing: true}
		stage.Access = access.New(access.Deps{DB: c.DB, Clock: c.Clock, IDs: c.IDs, Place: c.Place})
		invoke, props := &later{}, h
		props.Code, props.Audit = function.Nowhere(), nil
		var err error
		if invoke.f, err = front.New(front.Deps{
			Services: stage.services(props, zones, invoke), Place: c.Place, Clock: c.Clock, Real: c.Real, IDs: c.IDs, Keys: stage.Access,
			Auth: stage.Access, Log: c.Log,
		}); err != nil {
			return nil, err
		}
		calls := settling{invoke, func(ctx context.Context) error { return stage.settle(ctx, now, h) }}
		tries := stack.New(stack.Deps{DB: c.DB, Invoke: calls, Access: stage.Access, IDs: c.IDs, Place: c.Place, Zones: zones, Log: c.Log})
		return tries.Rehearse(ctx, now, s, fixed)
	}
}

const rehearsalSeed = 1

// settling is a way to APIs after whose calls about capacity providers their
// controller has had its hour: what refers to a provider must find it ACTIVE.
// A stack waits for that.
type settling struct {
	control.Invoker
	settle func(context.Context) error
}

// Invoke implements control.Invoker.
func (s settling) Invoke(ctx context.Context, as ident.Principal, svc, op string, in map[string]any) (map[string]any, error) {
	out, err := s.Invoker.Invoke(ctx, as, svc, op, in)
	if err == nil && strings.HasSuffix(op, "CapacityProvider") {
		err = s.settle(ctx)
	}
	return out, err
}

func (sys *System) settle(ctx context.Context, now time.Time, h Drivers) error {
	settles := sys.capacity(h)
	for _, p := range state.CapacityProviders.All(sys.DB.View()) {
		if p.Status != model.ProviderActive || p.UpdateStatus == model.ProviderUpdateInProgress {
			if _, err := settles.Reconcile(ctx, control.Request{Key: p.Name, Now: now.Add(time.Hour)}); err != nil {
				return err
			}
		}
	}
	return nil
}
