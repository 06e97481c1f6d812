package daemon

import (
	"context"
	"log/slog"
	"net"
	"net/http"

	"golang.org/x/sync/errgroup"

	"berth/internal/balancer"
	"berth/internal/ident"
	"berth/internal/state"
)

// InSession puts a handler behind the token of a new session of a data folder.
func InSession(data string, h http.Handler) (http.Handler, error) {
	session, err := newSession(data, ident.Crypto())
	return (&own{cfg: Config{Data: data}, session: session}).inSession(h.ServeHTTP), err
}

// Answer answers on a listener as the server of a data folder does, until ctx
// ends.
func Answer(ctx context.Context, data string, l net.Listener, h http.Handler) error {
	s := &server{cfg: Config{Data: data}, log: slog.New(slog.DiscardHandler)}
	g, ctx := errgroup.WithContext(ctx)
	if err := s.answer(ctx, g, l, h); err != nil {
		return err
	}
	return g.Wait()
}

// KeepPrivate is keepPrivate, and Check check, for tests.
var (
	KeepPrivate = keepPrivate
	Check       = check
)

// Listeners answers what a state and the edge's last report say of where load
// balancers answer.
func Listeners(db *state.DB, publish []string, r balancer.Report) http.HandlerFunc {
	o := &own{cfg: Config{Publish: publish}, db: db, report: func() (balancer.Report, bool, bool) { return r, true, true }}
	return o.listeners
}

// Registries gives what is said to a registry to our own or to another's, where
// passwords name principals.
func Registries(host string, own, others http.Handler, open bool, who func(password string) (ident.Principal, bool)) http.Handler {
	return registries{
		host: host, own: own, others: others, open: func(*http.Request) bool { return open },
		who: func(r *http.Request) (ident.Principal, bool) {
			_, password, _ := r.BasicAuth()
			return who(password)
		},
	}
}
