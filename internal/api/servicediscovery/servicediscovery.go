// Package servicediscovery is the API of Cloud Map: namespaces, their services,
// the instances of those, and who asks for them. What it writes is answered by
// the resolvers of the namespace's VPC (controllers/resolve).
//
// It owns namespaces, their services, instances that a call registers, and
// operations, which have ended when the call returns. Public namespaces, Route
// 53's health checks and records but A and SRV are refused. Safe for concurrent
// use.
package servicediscovery

import (
	"context"
	_ "embed"
	"slices"
	"strings"
	"sync"
	"time"

	"berth/internal/clock"
	"berth/internal/fault"
	"berth/internal/ident"
	"berth/internal/model"
	"berth/internal/page"
	"berth/internal/state"
	"berth/internal/store"
	"berth/internal/wire"
	shape "berth/internal/wire/shape/servicediscovery"
)

// Fields says which request members are built.
//
//go:embed fields.txt
var Fields string

// Resources says which resources a call is about.
//
//go:embed resources.txt
var Resources string

const writer = "api/servicediscovery"

// Limits of Cloud Map (API reference, TagResource), and how long operations are
// remembered.
const (
	maxTags  = 50
	remember = 24 * time.Hour
	usual    = 100 // items of a page
)

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

	mu        sync.Mutex
	revisions map[string]revision // by service
}

var _ shape.Operations = (*API)(nil)

// New makes the API.
func New(d Deps) *API { return &API{Deps: d, revisions: map[string]revision{}} }

func invalid(format string, args ...any) error {
	return fault.New(fault.Invalid, "InvalidInput", format, args...)
}

// pages are the rules of this service's lists.
var pages = page.Rules{Usual: usual, Most: usual, SameCall: true, Refuse: func(string) error {
	return invalid("The NextToken value is invalid.")
}}

// id draws an id as Cloud Map's: ns-… and srv-… with sixteen letters and digits.
func (a *API) id(prefix string) string { return prefix + "-" + strings.ToLower(a.IDs.Upper(16)) }

func (a *API) namespace(r store.Reader, id *string) (model.Namespace, error) {
	n, ok := state.Namespaces.Get(r, ident.Last(wire.Val(id)))
	if !ok || strings.HasPrefix(wire.Val(id), "arn:") && n.ARN != *id {
		return n, fault.New(fault.NotFound, "NamespaceNotFound", "Namespace %s was not found.", wire.Val(id))
	}
	return n, nil
}

func (a *API) service(r store.Reader, id *string) (model.DiscoveryService, error) {
	s, ok := state.DiscoveryServices.Get(r, ident.Last(wire.Val(id)))
	if !ok || strings.HasPrefix(wire.Val(id), "arn:") && s.ARN != *id {
		return s, fault.New(fault.NotFound, "ServiceNotFound", "Service %s was not found.", wire.Val(id))
	}
	return s, nil
}

// Finders find what resources.txt names.
func (a *API) Finders() map[string]func(...string) string {
	arn := func(kind string) func(...string) string {
		return func(v ...string) string {
			if strings.HasPrefix(v[0], "arn:") {
				return v[0]
			}
			return a.Place.ARN("servicediscovery", kind+"/"+v[0])
		}
	}
	return map[string]func(...string) string{
		"namespace": arn("namespace"), "service": arn("service"), "arn": func(v ...string) string { return v[0] },
	}
}

// operation is one that begins and ends with the call.
func (a *API) operation(kind string) model.DiscoveryOperation {
	id := strings.ToLower(a.IDs.Upper(32) + "-" + a.IDs.Upper(8))
	return model.DiscoveryOperation{ID: id, Kind: kind, CreatedAt: a.Clock.Now()}
}

// done writes an operation, and forgets those that are a day old.
func (a *API) done(tx *store.Tx, o model.DiscoveryOperation) error {
	for _, old := range state.DiscoveryOperations.All(tx) {
		if a.Clock.Now().Sub(old.CreatedAt) > remember {
			if err := state.DiscoveryOperations.Delete(tx, old.ID); err != nil {
				return err
			}
		}
	}
	return state.DiscoveryOperations.Put(tx, o)
}

func tagsOf(in []shape.Tag) ([]model.Tag, error) {
	var tags []model.Tag
	for _, t := range in {
		tags = append(tags, model.Tag{Key: wire.Val(t.Key), Value: wire.Val(t.Value)})
	}
	if key, twice := model.RepeatedTag(tags); twice {
		return nil, invalid("Duplicate tag key: %s", key)
	}
	return tags, few(tags)
}

func few(tags []model.Tag) error {
	if len(tags) > maxTags {
		return fault.New(fault.Invalid, "TooManyTagsException", "A resource has at most %d tags.", maxTags)
	}
	return nil
}

// retag changes the tags of a namespace or a service.
func (a *API) retag(ctx context.Context, arn *string, fn func([]model.Tag) ([]model.Tag, error)) error {
	return a.DB.Update(ctx, writer, func(tx *store.Tx) error {
		if n, err := a.namespace(tx, arn); err == nil && n.ARN == *arn {
			if n.Tags, err = fn(n.Tags); err != nil {
				return err
			}
			return state.Namespaces.Put(tx, n)
		}
		s, err := a.service(tx, arn)
		if err != nil || s.ARN != *arn {
			return noResource(arn)
		}
		if s.Tags, err = fn(s.Tags); err != nil {
			return err
		}
		return state.DiscoveryServices.Put(tx, s)
	})
}

func noResource(arn *string) error {
	return fault.New(fault.NotFound, "ResourceNotFoundException", "The resource %s was not found.", wire.Val(arn))
}

// TagResource gives a namespace or service tags, or other values of them. Errors:
// InvalidInput, ResourceNotFoundException, TooManyTagsException.
func (a *API) TagResource(ctx context.Context, in *shape.TagResourceInput) (*shape.TagResourceOutput, error) {
	more, err := tagsOf(in.Tags)
	if err != nil {
		return nil, err
	}
	return &shape.TagResourceOutput{}, a.retag(ctx, in.ResourceARN, func(tags []model.Tag) ([]model.Tag, error) {
		tags = model.SetTags(tags, more)
		return tags, few(tags)
	})
}

// UntagResource takes tags away. Errors: ResourceNotFoundException.
func (a *API) UntagResource(ctx context.Context, in *shape.UntagResourceInput) (*shape.UntagResourceOutput, error) {
	return &shape.UntagResourceOutput{}, a.retag(ctx, in.ResourceARN, func(tags []model.Tag) ([]model.Tag, error) {
		return slices.DeleteFunc(slices.Clone(tags), func(t model.Tag) bool { return slices.Contains(in.TagKeys, t.Key) }), nil
	})
}

// ListTagsForResource shows the tags of a namespace or service. Errors:
// ResourceNotFoundException.
func (a *API) ListTagsForResource(_ context.Context, in *shape.ListTagsForResourceInput) (*shape.ListTagsForResourceOutput, error) {
	v := a.DB.View()
	n, err := a.namespace(v, in.ResourceARN)
	tags, arn := n.Tags, n.ARN
	if err != nil {
		var s model.DiscoveryService
		s, err = a.service(v, in.ResourceARN)
		tags, arn = s.Tags, s.ARN
	}
	if err != nil || arn != *in.ResourceARN {
		return nil, noResource(in.ResourceARN)
	}
	out := &shape.ListTagsForResourceOutput{Tags: []shape.Tag{}}
	for _, t := range tags {
		out.Tags = append(out.Tags, shape.Tag{Key: wire.Ptr(t.Key), Value: wire.Ptr(t.Value)})
	}
	return out, nil
}

func said(text string) *string {
	if text == "" {
		return nil
	}
	return &text
}
