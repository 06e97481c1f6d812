// Package ecs is the API of Amazon ECS: clusters, Managed Instances capacity
// providers, task definitions, services with their deployments and revisions,
// tasks, container instances, and the calls of agents.
//
// A call defaults and validates as AWS does, in AWS's words, writes one
// transaction of what is desired and shapes the answer; it starts nothing and
// waits for nothing. The package owns the specification of its nouns and the request that a
// task or an instance ends; controllers/service, /task and /capacity make it
// true. What agents say goes to dispatch's gateway. EXTERNAL, task sets and
// Express services are refused by name. Safe for concurrent use.
package ecs

import (
	"context"
	_ "embed"
	"time"

	"berth/internal/clock"
	"berth/internal/dispatch"
	"berth/internal/fault"
	"berth/internal/ident"
	"berth/internal/model"
	"berth/internal/state"
	"berth/internal/store"
	"berth/internal/wire"
	shape "berth/internal/wire/shape/ecs"
)

// Fields says which request members are built.
//
//go:embed fields.txt
var Fields string

// Resources says which resources a call is about.
//
//go:embed resources.txt
var Resources string

const writer = "api/ecs"

// Gateway is where agents sign in and report; dispatch.Gateway is one.
type Gateway interface {
	Register(ctx context.Context, p ident.Principal, r dispatch.Registration) (model.Instance, error)
	PollEndpoint(ctx context.Context, p ident.Principal, cluster, instance string) (dispatch.Endpoints, error)
	SubmitTask(ctx context.Context, p ident.Principal, r dispatch.TaskReport) (string, error)
	SubmitAttachments(ctx context.Context, p ident.Principal, cluster string, reports []dispatch.AttachmentReport) (string, error)
}

// Deps are what the API needs.
type Deps struct {
	DB      *state.DB
	Clock   clock.Clock
	IDs     *ident.Source
	Place   ident.Place
	Gateway Gateway
	// Architectures are those that the hosts run (x86_64, arm64); none is any.
	Architectures []string
}

// API answers the operations.
type API struct {
	shape.Unimplemented
	Deps
}

var _ shape.Operations = (*API)(nil)

// New makes the API.
func New(d Deps) *API { return &API{Deps: d} }

func (a *API) arn(resource string) string { return a.Place.ARN("ecs", resource) }

func (a *API) update(ctx context.Context, fn func(*store.Tx) error) error {
	return a.DB.Update(ctx, writer, fn)
}

func (a *API) view() *store.View { return a.DB.View() }

func caller(ctx context.Context) ident.Principal { return wire.CallFrom(ctx).Principal }

func invalid(format string, args ...any) error {
	return fault.New(fault.Invalid, "InvalidParameterException", format, args...)
}

func client(format string, args ...any) *fault.Error {
	return fault.New(fault.Invalid, "ClientException", format, args...)
}

func unbuilt(format string, args ...any) error {
	return fault.New(
		fault.NotImplemented, "NotImplemented", format+" is not implemented by Berth; docs/COMPATIBILITY.md lists what is built.", args...,
	)
}

// at is a moment for an answer, nil if it has not come.
func at(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	return &t
}

// text is a string for an answer, nil if empty.
func text(s string) *string {
	if s == "" {
		return nil
	}
	return &s
}
