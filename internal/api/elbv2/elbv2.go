// Package elbv2 is the API of Elastic Load Balancing v2, for application load
// balancers: it defaults and validates as AWS does, and writes what is desired.
//
// It owns the specification of load balancers, listeners, rules, target
// groups and the registration of targets; controllers/traffic makes them true
// and writes states and health back. It starts nothing and waits for nothing.
// What is not built (network and gateway load balancers, HTTPS listeners,
// target groups that speak HTTPS, HTTP/2 or gRPC, authentication, transforms)
// is refused by name. Every operation refuses what is no ARN of the kind that
// it looks for (ValidationError). Safe for concurrent use.
package elbv2

import (
	"cmp"
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
	shape "berth/internal/wire/shape/elbv2"
)

// Fields says which request members are built.
//
//go:embed fields.txt
var Fields string

// Resources says which resources a call is about.
//
//go:embed resources.txt
var Resources string

const writer = "api/elbv2"

// Deps are what the API needs.
type Deps struct {
	DB    *state.DB
	Clock clock.Clock
	IDs   *ident.Source
	Place ident.Place
}

// API answers the operations.
type API struct {
	shape.Unimplemented
	Deps
}

var _ shape.Operations = (*API)(nil)

// New makes the API.
func New(d Deps) *API { return &API{Deps: d} }

func (a *API) arn(resource string) string { return a.Place.ARN("elasticloadbalancing", resource) }

func (a *API) update(ctx context.Context, fn func(*store.Tx) error) error {
	return a.DB.Update(ctx, writer, fn)
}

func invalid(format string, args ...any) error {
	return fault.New(fault.Invalid, "ValidationError", format, args...)
}

func unbuilt(format string, args ...any) error {
	return fault.New(
		fault.NotImplemented, "NotImplemented", format+" is not implemented by Berth; docs/COMPATIBILITY.md lists what is built.", args...,
	)
}

// kind is a kind of resource: what AWS calls it, how the resource part of its
// ARN begins, and in how many more parts it goes on.
type kind struct {
	called, begin string
	parts         int
}

var (
	balancers = kind{"load balancer", "loadbalancer/", 3}
	groups    = kind{"target group", "targetgroup/", 2}
	listeners = kind{"listener", "listener/", 4}
	rules     = kind{"listener rule", "listener-rule/", 5}
)

// check refuses what is no ARN of the kind.
func (k kind) check(arns ...string) error {
	for _, arn := range arns {
		a, ok := ident.ParseARN(arn)
		rest, named := strings.CutPrefix(a.Resource, k.begin)
		parts := strings.Split(rest, "/")
		if !ok || !named || a.Service != "elasticloadbalancing" || len(parts) != k.parts || slices.Contains(parts, "") {
			return invalid("'%s' is not a valid %s ARN", arn, k.called)
		}
	}
	return nil
}

// absent is the error for an ARN that names nothing: what is none of the kind
// is refused as that.
func (k kind) absent(arn, code, format string, args ...any) error {
	return cmp.Or[error](k.check(arn), fault.New(fault.NotFound, code, format, args...))
}

func noLoadBalancer(arn string) error {
	return balancers.absent(arn, "LoadBalancerNotFound", "Load balancer '%s' not found", arn)
}

const noGroups = "One or more target groups not found"

func noGroup(arn string) error {
	return groups.absent(arn, "TargetGroupNotFound", noGroups)
}

func noListener(arn string) error {
	return listeners.absent(arn, "ListenerNotFound", "One or more listeners not found")
}

func noRule(arn string) error {
	return rules.absent(arn, "RuleNotFound", "One or more rules not found")
}

// fullName is the end of an ARN that metrics have as dimension: app/NAME/HEX
// of a load balancer.
func fullName(arn string) string {
	a, _ := ident.ParseARN(arn)
	return strings.TrimPrefix(a.Resource, "loadbalancer/")
}

// pages are the rules of this service's lists.
var pages = page.Rules{Usual: 400, Refuse: func(token string) error { return invalid("The marker '%s' is not valid", token) }}

func readTags(in []shape.Tag) ([]model.Tag, error) {
	var out []model.Tag
	for _, t := range in {
		out = append(out, model.Tag{Key: wire.Val(t.Key), Value: wire.Val(t.Value)})
	}
	if k, twice := model.RepeatedTag(out); twice {
		return nil, fault.New(fault.Invalid, "DuplicateTagKeys", "The same tag key '%s' was specified more than once", k)
	}
	if len(out) > 50 {
		return nil, fault.New(fault.Invalid, "TooManyTags", "The maximum number of tags has been reached")
	}
	return model.SetTags(nil, out), nil
}

func showTags(in []model.Tag) []shape.Tag {
	out := make([]shape.Tag, 0, len(in))
	for _, t := range in {
		out = append(out, shape.Tag{Key: wire.Ptr(t.Key), Value: wire.Ptr(t.Value)})
	}
	return out
}

// checkName holds a name against the rules that load balancers and target
// groups share.
func checkName(what, name string) error {
	switch {
	case name == "":
		return invalid("%s name cannot be empty", what)
	case len(name) > 32:
		return invalid("%s name '%s' cannot be longer than '32' characters", what, name)
	case strings.Trim(name, "-") != name:
		return invalid("%s name '%s' cannot begin or end with '-'", what, name)
	}
	for _, c := range name {
		if c != '-' && (c < '0' || c > '9') && (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') {
			return invalid("%s name '%s' can only contain characters that are alphanumeric characters and hyphens(-)", what, name)
		}
	}
	return nil
}
