// Package front is the house's front door: HTTP in, one fixed chain, HTTP out.
//
//	id → recover → log → authenticate → resolve → fields → validate → authorise → call → encode
//
// It knows bytes and principals and no service: the services are Rooms that
// daemon plugs in. What a room has not built is refused here by name, so that
// nothing is accepted and ignored. As and Invoke are the same chain without
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

	"berth/internal/clock"
	"berth/internal/ident"
	"berth/internal/wire"
)

// Room is one API room: a service and what answers for it.
type Room struct {
	Meta *wire.Service
	// API implements the generated interface of Meta's package.
	API any
	// Fields is the room's fields.txt: which request members are built.
	Fields string
	// Resources names the ARNs that a call is about, for IAM; nil or an empty
	// answer means "*".
	Resources func(operation string, in any) []string
	// Open lists operations that need no permission here, because they need
	// none at all or because the room asks itself.
	Open []string
}

// Keys finds access keys.
type Keys interface {
	// Key returns what is known of an access key; ok is false if it is not
	// ours. The error is for keys that were ours and no longer hold.
	Key(ctx context.Context, accessKey, token string) (k ident.Key, ok bool, err error)
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
	Rooms []Room
	Place ident.Place
	Clock clock.Clock
	IDs   *ident.Source
	Keys  Keys
	Auth  Authorizer
	Log   *slog.Logger
	// Fallback answers GET requests that are no API call; nil: 404.
	Fallback http.Handler
}

// Front is the front door.
type Front struct {
	Deps

	rooms  map[string]*room // by service name
	extra  []mount
	counts counts
}

// room is a Room with its fields read.
type room struct {
	Room
	fields map[string]func() (fields, error) // by operation
}

type mount struct {
	prefix  string
	handler http.Handler
}

// New makes a Front. It fails on a fields.txt with operations that the model
// has not; one with members that it has not is found by Compatibility, and by
// the call.
func New(d Deps) (*Front, error) {
	f := &Front{Deps: d, rooms: map[string]*room{}}
	for _, r := range d.Rooms {
		parsed, err := readFields(r.Meta, r.Fields)
		if err != nil {
			return nil, fmt.Errorf("fields of %s: %w", r.Meta.Name, err)
		}
		f.rooms[r.Meta.Name] = &room{r, parsed}
	}
	f.counts.m = map[countKey]int64{}
	return f, nil
}

// Handle gives all paths with a prefix to another handler: the registry, the
// console, the agents' sockets. The longest prefix wins. It must be called
// before serving.
func (f *Front) Handle(prefix string, h http.Handler) {
	f.extra = append(f.extra, mount{prefix, h})
	slices.SortStableFunc(f.extra, func(a, b mount) int { return len(b.prefix) - len(a.prefix) })
}

// Listener is one way in.
type Listener struct {
	// Restricted listeners serve only Services and Prefixes: VPC endpoints.
	Restricted bool
	Services   []string // as wire.Service.Name
	Prefixes   []string // of Handle
	VPC        string   // VPC of the endpoint
	Endpoint   string   // id of the endpoint
	Secure     bool     // TLS
	// Strict listeners want a valid signature of a key of ours. Loopback is
	// not strict: whoever may connect there is the account's root.
	Strict bool
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
		for _, m := range f.extra {
			if strings.HasPrefix(r.URL.Path, m.prefix) && l.mounts(m.prefix) {
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
		RequestID: f.IDs.UUID(), At: f.Clock.Now(), Source: host(r.RemoteAddr), VPC: l.VPC, Endpoint: l.Endpoint,
		Secure: l.Secure || r.TLS != nil, Agent: r.UserAgent(),
	}
}
