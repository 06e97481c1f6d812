// Package front is the entrance of the API: HTTP in, one fixed chain, HTTP out.
//
//	id → recover → log → resolve → authenticate → fields → validate → authorise → call → encode
//
// It knows bytes and principals and no service: daemon plugs the Services in.
// What a service has not built is refused here by name, so that nothing is
// accepted and ignored. As and Invoke are the same chain without
// HTTP.
//
// Front owns its counters and nothing else. It is safe for concurrent use once
// serving; Handle and the fields of Deps belong to the time before.
package front

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"time"

	"golang.org/x/sync/semaphore"

	"berth/internal/audit"
	"berth/internal/clock"
	"berth/internal/ident"
	"berth/internal/wire"
)

// Service is one API service and what answers for it.
type Service struct {
	Meta *wire.Service
	// API implements the generated interface of Meta's package.
	API any
	// Fields is the fields.txt of its package: which request members are built.
	Fields string
	// Resources is the resources.txt of its package: which ARNs a call is
	// about, for IAM. Finders are what it calls by name.
	Resources string
	Finders   map[string]Finder
	// Open lists operations that need no permission here, because they need
	// none at all or because the service asks itself.
	Open []string
}

// Keys finds access keys.
type Keys interface {
	// Key returns what is known of an access key; ok is false if it is not
	// ours. The error is for keys that were ours and no longer hold.
	Key(ctx context.Context, accessKey, token string) (k ident.Key, ok bool, err error)
	// Used is told of each verified call that a key without an end signed.
	Used(ctx context.Context, accessKey string, at time.Time, service, region string)
}

// Authorizer decides whether a principal may do something. It is not asked
// about root principals.
type Authorizer interface {
	// Authorize evaluates IAM for an action on every resource. The error is
	// fault.Denied with AWS's text.
	Authorize(ctx context.Context, p ident.Principal, action string, resources []string, keys map[string]string) error
}

// Deps is what a Front is made of.
type Deps struct {
	Services []Service
	Place    ident.Place
	Clock    clock.Clock
	// Real is the machine's time, by which callers date their signatures.
	Real clock.Clock
	IDs  *ident.Source
	Keys Keys
	Auth Authorizer
	Log  *slog.Logger
	// Audit keeps the calls of audited listeners; nil: none is kept.
	Audit *audit.Log
	// Fallback answers GET requests that are no API call; nil: 404.
	Fallback http.Handler
}

// Front is the chain that every call goes through.
type Front struct {
	Deps

	services map[string]*served // by service name
	extra    []mount
	counts   counts
	large    *semaphore.Weighted // bytes of large bodies
	rates    *throttle
}

// served is a Service with its fields read.
type served struct {
	Service
	fields    map[string]func() (fields, error)     // by operation
	templates map[string]func() ([]template, error) // by operation
}

type mount struct {
	prefix  string
	action  string // that strict listeners ask IAM about; "": the handler asks itself
	handler http.Handler
}

// New makes a Front. It fails on a fields.txt with operations that the model
// has not; one with members that it has not is found by Compatibility, and by
// the call.
func New(d Deps) (*Front, error) {
	f := &Front{Deps: d, services: map[string]*served{}, large: semaphore.NewWeighted(together)}
	var err error
	if f.rates, err = newThrottle(); err != nil {
		return nil, err
	}
	for _, r := range d.Services {
		parsed, err := readFields(r.Meta, r.Fields)
		if err != nil {
			return nil, fmt.Errorf("fields of %s: %w", r.Meta.Name, err)
		}
		templates, err := readResources(r.Meta, r.Resources, r.Finders)
		if err != nil {
			return nil, fmt.Errorf("resources of %s: %w", r.Meta.Name, err)
		}
		f.services[r.Meta.Name] = &served{r, parsed, templates}
	}
	f.counts.m = map[countKey]int64{}
	return f, nil
}

// Handle gives all paths with a prefix to another handler: the registry, the
// console, the agents' sockets. The longest prefix wins. It must be called
// before serving.
func (f *Front) Handle(prefix string, h http.Handler) { f.HandleAs(prefix, "", h) }

// HandleAs is Handle for paths that know no callers: a strict listener serves
// them to whom IAM allows the action, and only to be read.
func (f *Front) HandleAs(prefix, action string, h http.Handler) {
	f.extra = append(f.extra, mount{prefix, action, h})
	slices.SortStableFunc(f.extra, func(a, b mount) int { return len(b.prefix) - len(a.prefix) })
}

// RegionHeader tells who is refused on a path of HandleAs which Region this
// is: who logs in knows the address alone.
const RegionHeader = "Berth-Region"

// Listener is one way in.
type Listener struct {
	// Restricted listeners serve only Services and Prefixes: VPC endpoints.
	Restricted bool
	Services   []string // as wire.Service.Name
	Prefixes   []string // of Handle
	VPC        string   // VPC of the endpoint
	Endpoint   string   // id of the endpoint
	Secure     bool     // TLS
	// Guard keeps web pages out; nil: the listener is where no browser is.
	Guard *Guard
	// Strict listeners want a valid signature of a key of ours. Loopback is
	// not strict: whoever may connect there is the account's root.
	Strict bool
	// Dated listeners want signatures of these five minutes by the real
	// clock: they are where strangers may listen and send again.
	Dated bool
	// Audited listeners have their callers' calls in the audit log.
	Audited bool
	// Limited listeners let calls through no faster than AWS does.
	Limited bool
}

func (l Listener) serves(service string) bool {
	return !l.Restricted || slices.Contains(l.Services, service)
}

func (l Listener) mounts(prefix string) bool {
	return !l.Restricted || slices.Contains(l.Prefixes, prefix)
}

// Handler is the chain as seen from one listener.
func (f *Front) Handler(l Listener) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if err := l.Guard.check(r); err != nil {
			f.refuse(l, w, r, err)
			return
		}
		if l.Guard.allow(w, r) {
			return
		}
		for _, m := range f.extra {
			if strings.HasPrefix(r.URL.Path, m.prefix) && l.mounts(m.prefix) {
				if m.action != "" && l.Strict {
					if err := f.admitTo(l, r, m.action); err != nil {
						w.Header().Set(RegionHeader, f.Place.Region)
						f.refuse(l, w, r, err)
						return
					}
				}
				m.handler.ServeHTTP(w, r.WithContext(wire.WithCall(r.Context(), f.bareCall(l, r))))
				return
			}
		}
		f.serve(l, w, r)
	})
}

// bareCall is what is known before anybody was authenticated.
func (f *Front) bareCall(l Listener, r *http.Request) wire.Call {
	return wire.Call{
		RequestID: f.IDs.UUID(), At: f.Clock.Now(), Source: hostOf(r.RemoteAddr), VPC: l.VPC, Endpoint: l.Endpoint,
		Secure: l.Secure || r.TLS != nil, Agent: r.UserAgent(),
	}
}
