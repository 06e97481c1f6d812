// Package applicationautoscaling is the API of Application Auto Scaling for ECS services:
// scalable targets, target tracking and step scaling policies with their
// alarms, scheduled actions, scaling activities and tags.
//
// It owns the records of targets, policies and scheduled actions. The alarms
// of a target tracking policy are made and deleted through CloudWatch's own
// API, and a target's bounds are enforced at once through ECS's, both as the
// service-linked role that AWS uses for it; everything that happens later is
// the work of controllers/scaling. A RoleARN is accepted and, as on AWS, the
// service-linked role is what is used and shown. Other namespaces than ecs,
// predictive scaling, metric math and high-resolution metrics are refused by
// name. Safe for concurrent use.
package applicationautoscaling

import (
	"context"
	_ "embed"
	"strings"

	"berth/internal/clock"
	"berth/internal/control"
	"berth/internal/fault"
	"berth/internal/ident"
	"berth/internal/model"
	"berth/internal/page"
	"berth/internal/state"
	"berth/internal/store"
	"berth/internal/wire"
	shape "berth/internal/wire/shape/applicationautoscaling"
)

// Fields says which request members are built.
//
//go:embed fields.txt
var Fields string

// Resources says which resources a call is about.
//
//go:embed resources.txt
var Resources string

const (
	writer    = "api/applicationautoscaling"
	namespace = "ecs"
	dimension = "ecs:service:DesiredCount"
)

// Deps are what the API needs.
type Deps struct {
	DB    *state.DB
	Clock clock.Clock
	IDs   *ident.Source
	Place ident.Place
	// As calls ECS and CloudWatch as a principal.
	As func(ident.Principal) wire.Caller
	// Access answers whether a caller may do to the service and its alarms
	// what the target or policy will do.
	Access control.Access
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
	return fault.New(fault.Invalid, "ValidationException", format, args...)
}

func unbuilt(what string) error {
	return fault.New(
		fault.NotImplemented, "NotImplemented", "%s is not implemented by Berth; docs/COMPATIBILITY.md lists what is built.", what,
	)
}

// place is where a target stands: the three names that every call gives.
type place struct{ resource, cluster, service string }

// key is that of the target's record.
func (p place) key() string { return namespace + "|" + p.resource + "|" + dimension }

// where reads the three names.
func where(ns, resource, dim *string) (place, error) {
	if err := known(wire.Val(ns), wire.Val(dim)); err != nil {
		return place{}, err
	}
	return parse(wire.Val(resource))
}

// known refuses namespaces and dimensions that are not built; "" is any.
func known(ns, dim string) error {
	switch {
	case ns != namespace:
		return unbuilt("ServiceNamespace " + ns)
	case dim != "" && dim != dimension:
		return invalid("Unsupported service namespace, resource type or scalable dimension")
	}
	return nil
}

func parse(resource string) (place, error) {
	f := strings.Split(resource, "/")
	if len(f) != 3 || f[0] != "service" || f[1] == "" || f[2] == "" {
		return place{}, invalid("Unsupported service namespace, resource type or scalable dimension")
	}
	return place{resource, f[1], f[2]}, nil
}

// find finds the ECS service; one that is gone is none.
func (p place) find(r store.Reader) (model.Service, bool) {
	s, ok := state.Services.One(r, "name", p.cluster+"/"+p.service)
	return s, ok && s.Status != model.ServiceInactive
}

func (p place) noTarget() error {
	return fault.New(fault.NotFound, "ObjectNotFoundException",
		"No scalable target registered for service namespace: %s, resource ID: %s, scalable dimension: %s", namespace, p.resource, dimension)
}

// linked is the service-linked role's session, by which AWS changes counts and
// keeps alarms.
func (a *API) linked(session string) ident.Principal {
	return ident.AsService(a.Place, "application-autoscaling.amazonaws.com", linkedRole, session)
}

const linkedRole = "AWSServiceRoleForApplicationAutoScaling_ECSService"

func (a *API) linkedARN() string {
	return a.Place.GlobalARN("iam", "role/aws-service-role/ecs.application-autoscaling.amazonaws.com/"+linkedRole)
}

// permitted checks that the caller may do what is going to be done for it, as
// AWS does before it takes a target or a policy.
func (a *API) permitted(ctx context.Context, r store.Reader, resource string, actions ...string) error {
	who := wire.CallFrom(ctx).Principal
	if who.Root || who.ARN == "" {
		return nil
	}
	for _, action := range actions {
		if err := a.Access.Allow(r, who, action, resource, nil); err != nil {
			return invalid("%s", fault.MessageOf(err))
		}
	}
	return nil
}

// pages are the rules of this service's lists.
var pages = page.Rules{
	Usual: 50,
	Refuse: func(string) error {
		return fault.New(fault.Invalid, "InvalidNextTokenException", "The specified next token is invalid")
	},
	Size: func(n int64) error {
		if n < 1 || n > 50 {
			return invalid("MaxResults must be between 1 and 50")
		}
		return nil
	},
}

// Finders find what resources.txt names.
func (a *API) Finders() map[string]func(...string) string {
	return map[string]func(...string) string{"target": func(v ...string) string {
		p, err := where(&v[0], &v[1], &v[2])
		if err != nil {
			return ""
		}
		t, _ := state.ScalableTargets.Get(a.DB.View(), p.key())
		return t.ARN
	}}
}
