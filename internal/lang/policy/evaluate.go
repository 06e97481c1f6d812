package policy

import (
	"fmt"
	"slices"
	"strings"
)

// Principal is who asks.
type Principal struct {
	ARN     string // as a call shows it: a session's or the root's
	Role    string // the role's own ARN, of a role session
	Account string
	Service string // of a service principal, for example ecs.amazonaws.com
	Root    bool
}

// Request is what is asked.
type Request struct {
	Principal Principal
	Action    string // ecs:CreateService
	Resource  string // ARN, or *
	// Keys are the condition keys. Case of a key does not matter.
	Keys map[string][]string
}

func (r *Request) values(key string) ([]string, bool) {
	if v, ok := r.Keys[key]; ok {
		return v, true
	}
	for k, v := range r.Keys {
		if strings.EqualFold(k, key) {
			return v, true
		}
	}
	return nil, false
}

// variable is the value of a policy variable: a key with exactly one value.
func (r *Request) variable(key string) (string, bool) {
	if v, ok := r.values(key); ok && len(v) == 1 {
		return v[0], true
	}
	return "", false
}

// Named is a policy with what it is called.
type Named struct {
	Name string // ARN of a managed policy, name of an inline one
	*Document
}

// Set is all the policies that apply to a request.
type Set struct {
	Identity []Named
	Boundary *Named // permissions boundary; nil if there is none
	Resource *Named // policy of the resource; nil if it has none
	Endpoint *Named // policy of the VPC endpoint that the request came through; nil if it came otherwise
}

// Source is where a decision came from, as AWS words it.
type Source string

// The sources of a decision.
const (
	ByIdentity Source = "identity-based policy"
	ByBoundary Source = "permissions boundary"
	ByResource Source = "resource-based policy"
	ByEndpoint Source = "VPC endpoint policy"
	ByNothing  Source = ""
)

// Decision is the answer to a request.
type Decision struct {
	Allowed bool
	// Explicit says that a statement denied, rather than none allowed.
	Explicit bool
	// Source is the kind of policy that decided: the one that allowed, that
	// denied, or that would have had to allow.
	Source Source
	// Policy and Statement are what allowed or denied; nil if nothing did.
	Policy    string
	Statement *Statement
	Index     int // of the statement in its policy
}

// String says in words why: "allowed by statement 0 (Sid) of policy p".
func (d Decision) String() string {
	switch {
	case d.Statement == nil:
		return fmt.Sprintf("no %s allows it", d.Source)
	case d.Allowed:
		return "allowed by " + d.place()
	default:
		return "denied by " + d.place()
	}
}

func (d Decision) place() string {
	s := fmt.Sprintf("statement %d", d.Index+1)
	if d.Statement.Sid != "" {
		s += " (" + d.Statement.Sid + ")"
	}
	return s + " of policy " + d.Policy
}

// Evaluate decides a request of a principal of the resource's own account: a
// deny anywhere wins; else the VPC endpoint must let it through, and the
// identity's policies must allow, within the boundary, or the resource's
// policy must name the principal.
func Evaluate(r *Request, set Set) Decision {
	for _, p := range set.all() {
		if s, i := p.first(r, p.source, true); s != nil {
			return Decision{Explicit: true, Source: p.source, Policy: p.Name, Statement: s, Index: i}
		}
	}
	if set.Endpoint != nil {
		if s, _ := (sourced{*set.Endpoint, ByEndpoint}).first(r, ByEndpoint, false); s == nil {
			return Decision{Source: ByEndpoint}
		}
	}
	if set.Resource != nil {
		if s, i := set.Resource.direct(r); s != nil {
			return Decision{Allowed: true, Source: ByResource, Policy: set.Resource.Name, Statement: s, Index: i}
		}
	}
	return evaluateIdentity(r, set)
}

func evaluateIdentity(r *Request, set Set) Decision {
	for _, p := range set.Identity {
		s, i := sourced{p, ByIdentity}.first(r, ByIdentity, false)
		if s == nil {
			continue
		}
		if set.Boundary != nil {
			if b, _ := (sourced{*set.Boundary, ByBoundary}).first(r, ByBoundary, false); b == nil {
				return Decision{Source: ByBoundary}
			}
		}
		return Decision{Allowed: true, Source: ByIdentity, Policy: p.Name, Statement: s, Index: i}
	}
	return Decision{Source: ByIdentity}
}

// sourced is a policy with where it stands.
type sourced struct {
	Named
	source Source
}

func (s Set) all() []sourced {
	var out []sourced
	for _, p := range s.Identity {
		out = append(out, sourced{p, ByIdentity})
	}
	if s.Boundary != nil {
		out = append(out, sourced{*s.Boundary, ByBoundary})
	}
	if s.Resource != nil {
		out = append(out, sourced{*s.Resource, ByResource})
	}
	if s.Endpoint != nil {
		out = append(out, sourced{*s.Endpoint, ByEndpoint})
	}
	return out
}

// first finds the first statement of an effect that matches.
func (p sourced) first(r *Request, source Source, deny bool) (*Statement, int) {
	for i := range p.Statements {
		s := &p.Statements[i]
		if s.Deny != deny || (source == ByResource || source == ByEndpoint) && s.names(r.Principal) == nobody {
			continue
		}
		if s.matches(r) {
			return s, i
		}
	}
	return nil, -1
}

// direct finds a statement of a resource's policy that allows the principal
// by name, and not only its account.
func (n *Named) direct(r *Request) (*Statement, int) {
	for i := range n.Statements {
		s := &n.Statements[i]
		if !s.Deny && s.names(r.Principal) == itself && s.matches(r) {
			return s, i
		}
	}
	return nil, -1
}

// Trusts decides sts:AssumeRole on a role by its trust policy. A statement
// that names the principal allows by itself; one that names the whole account
// leaves it to the principal's own policies: then delegated is true.
func Trusts(r *Request, trust Named) (d Decision, delegated bool) {
	if s, i := (sourced{trust, ByResource}).first(r, ByResource, true); s != nil {
		return Decision{Explicit: true, Source: ByResource, Policy: trust.Name, Statement: s, Index: i}, false
	}
	if s, i := trust.direct(r); s != nil {
		return Decision{Allowed: true, Source: ByResource, Policy: trust.Name, Statement: s, Index: i}, false
	}
	if s, i := (sourced{trust, ByResource}).first(r, ByResource, false); s != nil {
		return Decision{Allowed: true, Source: ByResource, Policy: trust.Name, Statement: s, Index: i}, true
	}
	return Decision{Source: ByResource}, false
}

// matches holds action, resource and conditions of a statement against a
// request. A trust policy has no resource: it is about its role.
func (s *Statement) matches(r *Request) bool {
	if !s.matchesAction(r.Action) || !s.matchesResource(r) {
		return false
	}
	for i := range s.Conditions {
		if !s.Conditions[i].holds(r, s.variables) {
			return false
		}
	}
	return true
}

func (s *Statement) matchesAction(action string) bool {
	is := func(p string) bool { return MatchAction(p, action) }
	if s.NotActions != nil {
		return !slices.ContainsFunc(s.NotActions, is)
	}
	return slices.ContainsFunc(s.Actions, is)
}

func (s *Statement) matchesResource(r *Request) bool {
	is := func(p string) bool {
		t, ok := compile(p, s.variables, r.variable)
		return ok && glob(t, r.Resource)
	}
	switch {
	case s.NotResources != nil:
		return !slices.ContainsFunc(s.NotResources, is)
	case s.Resources == nil:
		return s.Principal != nil || s.NotPrincipal != nil
	default:
		return slices.ContainsFunc(s.Resources, is)
	}
}

// closeness is how a Principal element names a principal.
type closeness int

const (
	nobody  closeness = iota
	account           // its whole account
	itself            // the principal, its role, its service, or everybody
)

func (s *Statement) names(p Principal) closeness {
	if s.NotPrincipal != nil {
		if s.NotPrincipal.name(p) != nobody {
			return nobody
		}
		return itself
	}
	if s.Principal == nil {
		return nobody
	}
	return s.Principal.name(p)
}

func (ps *Principals) name(p Principal) closeness {
	if ps.Any {
		return itself
	}
	if p.Service != "" {
		if slices.Contains(ps.Services, p.Service) || slices.Contains(ps.AWS, "*") {
			return itself
		}
		return nobody
	}
	best := nobody
	for _, a := range ps.AWS {
		switch {
		case a == "*", a == p.ARN, p.Role != "" && a == p.Role:
			return itself
		case a == p.Account && a != "", isRootOf(a, p.Account):
			best = account
			if p.Root {
				return itself
			}
		}
	}
	return best
}

func isRootOf(arn, acct string) bool {
	f := strings.SplitN(arn, ":", 6)
	return len(f) == 6 && f[0] == "arn" && f[2] == "iam" && f[4] == acct && f[5] == "root" && acct != ""
}
