package daemon

import (
	"net/http"

	"berth/internal/fault"
	"berth/internal/ident"
	"berth/internal/registry"
	"berth/internal/registry/mirror"
)

// registries gives what is said to a registry to the one that it is said to.
type registries struct {
	host   string // of our own
	own    http.Handler
	others http.Handler // takes what is pushed under another registry's name
	// open says who needs no password, and who whom one names; ok is false for
	// none, and for one that is not ours.
	open func(*http.Request) bool
	who  func(*http.Request) (p ident.Principal, ok bool)
}

// ServeHTTP implements http.Handler. A push under another registry's name changes
// what every task of that image gets: it is the root's, whose requests need no
// password, and of no one whom a password names otherwise. It is never taken for a
// push to a repository of ours.
func (g registries) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if ns := r.URL.Query().Get(mirror.Registry); ns == "" || ns == g.host {
		g.own.ServeHTTP(w, r)
		return
	}
	if p, ok := g.who(r); !g.open(r) || ok && !p.Root {
		const why = "images of other registries are pushed by root on the server's own machine: berth image push"
		registry.Refuse(w, fault.New(fault.Denied, "", "%s", why))
		return
	}
	g.others.ServeHTTP(w, r)
}

// whose reads whom a request's password names.
func (s *server) whose(r *http.Request) (ident.Principal, bool) {
	_, password, ok := r.BasicAuth()
	if !ok {
		return ident.Principal{}, false
	}
	p, err := s.sys.Registry.Tokens.Check(password, s.sys.Clock.Now())
	return p, err == nil
}
