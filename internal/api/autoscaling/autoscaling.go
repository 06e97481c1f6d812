// Package autoscaling is the API of EC2 Auto Scaling: launch configurations,
// and groups of EC2 instances with their activities. It defaults and validates
// as AWS does and writes what is desired.
//
// It owns launch configurations and groups; controllers/group launches and ends
// instances, registers them in the groups' target groups and writes activities.
// Policies and scheduled actions are kept with those of Application Auto Scaling,
// and controllers/scaling acts on both. Lifecycle hooks, mixed instances, classic
// load balancers and instance refresh are not built and refused by name. Safe for concurrent use.
package autoscaling

import (
	"context"
	_ "embed"
	"slices"
	"strings"

	"berth/internal/clock"
	"berth/internal/fault"
	"berth/internal/ident"
	"berth/internal/model"
	"berth/internal/page"
	"berth/internal/state"
	"berth/internal/store"
	"berth/internal/wire"
	shape "berth/internal/wire/shape/autoscaling"
)

// Fields says which request members are built.
//
//go:embed fields.txt
var Fields string

// Resources says which resources a call is about.
//
//go:embed resources.txt
var Resources string

const writer = "api/autoscaling"

// Deps are what the API needs.
type Deps struct {
	DB    *state.DB
	Clock clock.Clock
	IDs   *ident.Source
	Place ident.Place
	// As calls CloudWatch as Auto Scaling's service-linked role.
	As func(ident.Principal) wire.Caller
}

// API answers the operations.
type API struct {
	shape.Unimplemented
	Deps
}

var _ shape.Operations = (*API)(nil)

// New makes the API.
func New(d Deps) *API { return &API{Deps: d} }

func (a *API) update(ctx context.Context, fn func(*store.Tx) error) error {
	return a.DB.Update(ctx, writer, fn)
}

func invalid(format string, args ...any) error {
	return fault.New(fault.Invalid, "ValidationError", format, args...)
}

// absent refuses what names something that is not there: the code is that of
// any other mistake, the class says more to who deletes it.
func absent(format string, args ...any) error {
	return fault.New(fault.NotFound, "ValidationError", format, args...)
}

// pages are the rules of this service's lists.
var pages = page.Rules{
	Usual: 50,
	Refuse: func(string) error {
		return fault.New(fault.Invalid, "InvalidNextToken", "The specified next token is invalid")
	},
	Size: func(n int64) error {
		if n < 1 || n > 100 {
			return invalid("MaxRecords must be between 1 and 100")
		}
		return nil
	},
}

// group finds a group that is not being deleted.
func group(r store.Reader, name *string) (model.AutoScalingGroup, error) {
	g, ok := state.AutoScalingGroups.Get(r, wire.Val(name))
	switch {
	case !ok:
		return g, absent("AutoScalingGroup name not found - AutoScalingGroup '%s' not found", wire.Val(name))
	case g.Deleting:
		return g, fault.New(fault.Conflict, "ScalingActivityInProgress", "AutoScalingGroup '%s' is pending delete", g.Name)
	}
	return g, nil
}

// edit changes one group.
func (a *API) edit(ctx context.Context, name *string, fn func(*store.Tx, *model.AutoScalingGroup) error) error {
	return a.update(ctx, func(tx *store.Tx) error {
		g, err := group(tx, name)
		if err != nil {
			return err
		}
		return state.AutoScalingGroups.Edit(tx, g.Name, func(g *model.AutoScalingGroup) error { return fn(tx, g) })
	})
}

func each[T, U any](in []T, f func(T) U) []U {
	out := make([]U, len(in))
	for n, v := range in {
		out[n] = f(v)
	}
	return out
}

// wanted is whether a name is asked for; no names are all.
func wanted(names []string, name string) bool { return len(names) == 0 || slices.Contains(names, name) }

func text(s string) *string {
	if s == "" {
		return nil
	}
	return &s
}

func byName[T any](name func(T) string) func(T, T) int {
	return func(x, y T) int { return strings.Compare(name(x), name(y)) }
}
