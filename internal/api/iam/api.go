// Package iam is the API of IAM: users, groups and access keys, roles, instance
// profiles, and policies, with IAM's own checks of form and its own refusals.
//
// It owns the records of all of these; AWS's managed policies are data of
// package access, which also evaluates them. It starts nothing and waits for nothing. Safe for concurrent use.
package iam

import (
	"context"
	_ "embed"
	"net/url"
	"slices"
	"strings"

	"berth/internal/access"
	"berth/internal/clock"
	"berth/internal/fault"
	"berth/internal/ident"
	"berth/internal/model"
	"berth/internal/page"
	"berth/internal/state"
	"berth/internal/store"
	"berth/internal/wire"
	shape "berth/internal/wire/shape/iam"
)

// Fields says which request members are built.
//
//go:embed fields.txt
var Fields string

// Resources says which resources a call is about.
//
//go:embed resources.txt
var Resources string

const writer = "api/iam"

// Deps are what the API needs.
type Deps struct {
	DB     *state.DB
	Clock  clock.Clock
	IDs    *ident.Source
	Place  ident.Place
	Access *access.Access
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

func path(p string) string {
	if p == "" {
		return "/"
	}
	return p
}

func noEntity(format string, args ...any) error {
	return fault.New(fault.NotFound, "NoSuchEntity", format, args...)
}

func exists(format string, args ...any) error {
	return fault.New(fault.Conflict, "EntityAlreadyExists", format, args...)
}

func inUse(format string, args ...any) error {
	return fault.New(fault.Conflict, "DeleteConflict", format, args...)
}

func tooMany(format string, args ...any) error {
	return fault.New(fault.Conflict, "LimitExceeded", format, args...)
}

func badInput(format string, args ...any) error {
	return fault.New(fault.Invalid, "InvalidInput", format, args...)
}

// encoded is a policy document as IAM answers it: percent-encoded.
func encoded(document string) *string {
	return wire.Ptr(strings.ReplaceAll(url.QueryEscape(document), "+", "%20"))
}

// maxTags is IAM's quota.
const maxTags = 50

func tagsOf(in []shape.Tag) ([]model.Tag, error) {
	out := make([]model.Tag, 0, len(in))
	for _, t := range in {
		key := wire.Val(t.Key)
		if strings.HasPrefix(strings.ToLower(key), "aws:") {
			return nil, badInput("Tag keys that begin with aws: are reserved.")
		}
		if slices.ContainsFunc(out, func(o model.Tag) bool { return strings.EqualFold(o.Key, key) }) {
			return nil, badInput("Duplicate tag keys found. Please note that Tag keys are case insensitive.")
		}
		out = append(out, model.Tag{Key: key, Value: wire.Val(t.Value)})
	}
	if len(out) > maxTags {
		return nil, tooMany("The number of tags has reached the maximum limit.")
	}
	return model.SetTags(nil, out), nil
}

// merged adds tags to those that are there, within the quota.
func merged(have []model.Tag, in []shape.Tag) ([]model.Tag, error) {
	more, err := tagsOf(in)
	if err != nil {
		return nil, err
	}
	out := model.SetTags(have, more)
	if len(out) > maxTags {
		return nil, tooMany("The number of tags has reached the maximum limit.")
	}
	return out, nil
}

func shownTags(tags []model.Tag) []shape.Tag {
	out := make([]shape.Tag, len(tags))
	for i, t := range tags {
		out[i] = shape.Tag{Key: wire.Ptr(t.Key), Value: wire.Ptr(t.Value)}
	}
	return out
}

// pages are the rules of this service's lists.
var pages = page.Rules{Usual: 100, Refuse: func(string) error { return fault.New(fault.Invalid, "ValidationError", "Invalid Marker.") }}

// cut is page.Cut, and whether there are more items.
func cut[T any](in any, items []T, key func(T) string) (out []T, more *bool, next *string, err error) {
	out, next, err = page.Cut(pages, in, items, key)
	return out, wire.Ptr(next != nil), next, err
}

func tagKey(t model.Tag) string { return t.Key }

// Finders find what resources.txt names: by its record, else by its path.
func (a *API) Finders() map[string]func(...string) string {
	return map[string]func(...string) string{
		"role": func(v ...string) string {
			if r, ok := state.Roles.Get(a.DB.View(), v[0]); ok {
				return r.ARN
			}
			return a.below("role", v)
		},
		"profile": func(v ...string) string {
			if p, ok := state.InstanceProfiles.Get(a.DB.View(), v[0]); ok {
				return p.ARN
			}
			return a.below("instance-profile", v)
		},
		"user": func(v ...string) string {
			if u, ok := state.Users.Get(a.DB.View(), v[0]); ok {
				return u.ARN
			}
			return a.below("user", v)
		},
		"group": func(v ...string) string {
			if g, ok := state.Groups.Get(a.DB.View(), v[0]); ok {
				return g.ARN
			}
			return a.below("group", v)
		},
		"keyholder": func(v ...string) string {
			k, _ := state.AccessKeys.Get(a.DB.View(), v[0])
			u, _ := state.Users.Get(a.DB.View(), k.User)
			return u.ARN
		},
		"policy": func(v ...string) string { return a.below("policy", v) },
	}
}

// below is the ARN of a name, and of a path if there is one.
func (a *API) below(kind string, v []string) string {
	switch {
	case v[0] == "":
		return ""
	case len(v) == 1:
		return a.Place.GlobalARN("iam", kind+"/"+v[0])
	default:
		return a.Place.GlobalARN("iam", kind+path(v[1])+v[0])
	}
}
