// Package access answers who may do what: it assumes roles for services and
// callers, evaluates IAM over the roles and policies in the state and AWS's
// own managed policies, and makes temporary keys and finds them again.
//
// It implements control.Access for the controllers and, for front, the
// look-up of keys and the authorisation of calls. It owns the record of keys
// it makes and notes the calls it denies; roles and policies belong to
// api/iam. It is safe for concurrent use.
package access

import (
	"context"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"berth/internal/clock"
	"berth/internal/control"
	"berth/internal/fault"
	"berth/internal/ident"
	"berth/internal/lang/policy"
	"berth/internal/model"
	"berth/internal/state"
	"berth/internal/store"
)

// writer is the name under which this package writes.
const writer = "access"

// Deps is what Access is made of.
type Deps struct {
	DB    *state.DB
	Clock clock.Clock
	IDs   *ident.Source
	Place ident.Place
}

// Access answers what roles may do.
type Access struct {
	Deps
	mu     sync.Mutex
	parsed map[string]*policy.Document // by text
}

var _ control.Access = (*Access)(nil)

// New makes an Access.
func New(d Deps) *Access { return &Access{Deps: d, parsed: map[string]*policy.Document{}} }

// Assume checks that a role exists and trusts a service, and returns the
// session. See control.Access.
func (a *Access) Assume(r store.Reader, by control.Assumption) (ident.Principal, error) {
	role, ok := state.Roles.One(r, "arn", by.Role)
	if !ok {
		return ident.Principal{}, refusedAssume(by.Service, by.Role)
	}
	d, _, err := a.trusts(role, policy.Principal{Service: by.Service}, a.sourceKeys(by.For))
	if err != nil {
		return ident.Principal{}, err
	}
	if !d.Allowed {
		return ident.Principal{}, refusedAssume(by.Service, by.Role)
	}
	return ident.AsRole(by.Role, by.Session), nil
}

// sourceKeys are the condition keys of a service that acts for a resource.
func (a *Access) sourceKeys(arn string) map[string][]string {
	keys := map[string][]string{"aws:RequestedRegion": {a.Place.Region}}
	if arn != "" {
		keys["aws:SourceArn"], keys["aws:SourceAccount"] = []string{arn}, []string{a.Place.Account}
	}
	return keys
}

// AssumeBy is Assume for a caller: the role's trust policy must name it, or
// name its account and the caller's own policies allow it. keys are condition
// keys such as sts:ExternalId.
func (a *Access) AssumeBy(r store.Reader, p ident.Principal, roleARN, session string, keys map[string]string) (ident.Principal, error) {
	role, ok := state.Roles.One(r, "arn", roleARN)
	if !ok {
		return ident.Principal{}, refusedAssume(p.ARN, roleARN)
	}
	d, delegated, err := a.trusts(role, asPolicy(p), a.keys(r, p, keys))
	switch {
	case err != nil:
		return ident.Principal{}, err
	case !d.Allowed:
		return ident.Principal{}, refusedAssume(p.ARN, roleARN)
	case delegated && !p.Root:
		if err := a.Allow(r, p, "sts:AssumeRole", roleARN, keys); err != nil {
			return ident.Principal{}, err
		}
	}
	return ident.AsRole(roleARN, session), nil
}

func (a *Access) trusts(role model.Role, who policy.Principal, keys map[string][]string) (policy.Decision, bool, error) {
	doc, err := a.parse(role.Trust)
	if err != nil {
		return policy.Decision{}, false, fault.Wrap(fault.Internal, err, "read the trust policy of %s", role.ARN)
	}
	r := &policy.Request{Principal: who, Action: "sts:AssumeRole", Resource: role.ARN, Keys: keys}
	d, delegated := policy.Trusts(r, policy.Named{Name: "trust policy of " + role.Name, Document: doc})
	return d, delegated, nil
}

func refusedAssume(who, roleARN string) error {
	return fault.New(fault.Denied, "AccessDenied", "User: %s is not authorized to perform: sts:AssumeRole on resource: %s", who, roleARN).
		With(map[string]string{model.FactPrincipal: who, model.FactAction: "sts:AssumeRole", model.FactResource: roleARN})
}

// Allow evaluates IAM. See control.Access.
func (a *Access) Allow(r store.Reader, p ident.Principal, action, resource string, keys map[string]string) error {
	d, err := a.Decide(r, p, action, resource, keys)
	if err != nil || d.Allowed {
		return err
	}
	return a.denied(r, p, action, resource, d)
}

// Decide evaluates IAM and returns what decided. Root and a service that acts
// for itself, by the service-linked role that AWS gives it, may do anything.
func (a *Access) Decide(r store.Reader, p ident.Principal, action, resource string, keys map[string]string) (policy.Decision, error) {
	if p.Root || p.Service != "" && p.Role == "" || identified(r, p, action) {
		return policy.Decision{Allowed: true}, nil
	}
	set, err := a.Policies(r, p)
	if err != nil {
		return policy.Decision{}, err
	}
	if set.Resource, err = a.ofResource(r, resource); err != nil {
		return policy.Decision{}, err
	}
	if set.Endpoint, err = a.ofEndpoint(r, keys["aws:SourceVpce"]); err != nil {
		return policy.Decision{}, err
	}
	return policy.Evaluate(&policy.Request{Principal: asPolicy(p), Action: action, Resource: resource, Keys: a.keys(r, p, keys)}, set), nil
}

// identified reports whether an EC2 instance of the user's own makes one of the
// calls of CloudFormation's helper scripts. On AWS they are signed by the
// instance's identity document, whatever its role may do; here by the session of
// its profile's role, which has the instance's id. Who assumes another role may
// call its session what they like.
func identified(r store.Reader, p ident.Principal, action string) bool {
	if action != "cloudformation:SignalResource" && action != "cloudformation:DescribeStackResource" {
		return false
	}
	i, ok := state.Instances.Get(r, p.Session)
	if !ok || i.Kind != model.KindEC2 || i.State.Ending() || p.Role == "" {
		return false
	}
	profile, ok := state.InstanceProfiles.One(r, "arn", i.ProfileARN)
	return ok && slices.ContainsFunc(profile.Roles, func(name string) bool {
		role, ok := state.Roles.Get(r, name)
		return ok && role.ARN == p.Role
	})
}

// agentPolicy is what an agent may do: those of Fargate have no role of the
// user's, and may not do more than those of managed instances.
const agentPolicy = "arn:aws:iam::aws:policy/AmazonECSInstanceRolePolicyForManagedInstances"

// Policies gathers what applies to a principal: the policies of its role, or
// of the user and the user's groups.
func (a *Access) Policies(r store.Reader, p ident.Principal) (policy.Set, error) {
	var set policy.Set
	if p.Role != "" && p.Role == a.Place.GlobalARN("iam", model.ServiceRole) {
		err := a.addManaged(r, &set.Identity, agentPolicy)
		return set, err
	}
	h, ok := holderOf(r, p)
	if !ok {
		return policy.Set{}, nil
	}
	for _, in := range h.inline {
		if err := a.add(&set.Identity, in.Name, in.Document); err != nil {
			return set, err
		}
	}
	for _, arn := range h.attached {
		if err := a.addManaged(r, &set.Identity, arn); err != nil {
			return set, err
		}
	}
	if h.boundary == "" {
		return set, nil
	}
	// A boundary without a document would bind nothing: it allows nothing.
	bound := []policy.Named{}
	if err := a.addManaged(r, &bound, h.boundary); err != nil {
		return set, err
	}
	set.Boundary = &policy.Named{Name: h.boundary, Document: &policy.Document{}}
	if len(bound) > 0 {
		set.Boundary = &bound[0]
	}
	return set, nil
}

func (a *Access) addManaged(r store.Reader, to *[]policy.Named, arn string) error {
	if text, ok := a.document(r, arn); ok {
		return a.add(to, arn, text)
	}
	return nil
}

// ofResource is the policy of a function or a repository; nil if it has none.
func (a *Access) ofResource(r store.Reader, arn string) (*policy.Named, error) {
	x, ok := ident.ParseARN(arn)
	if !ok {
		return nil, nil
	}
	text := ""
	switch x.Service {
	case "lambda":
		fn, _ := state.Functions.One(r, "arn", arn)
		text = fn.Policy
	case "ecr":
		repo, _ := state.Repositories.Get(r, strings.TrimPrefix(x.Resource, "repository/"))
		text = repo.Policy
	}
	return a.named(arn, text)
}

// ofEndpoint is the policy of a VPC endpoint.
func (a *Access) ofEndpoint(r store.Reader, id string) (*policy.Named, error) {
	e, _ := state.VPCEndpoints.Get(r, id)
	return a.named(id, e.Policy)
}

// named is a parsed policy; nil if there is no text.
func (a *Access) named(name, text string) (*policy.Named, error) {
	if text == "" {
		return nil, nil
	}
	var list []policy.Named
	if err := a.add(&list, name, text); err != nil {
		return nil, err
	}
	return &list[0], nil
}

// document finds the default version of a managed policy.
func (a *Access) document(r store.Reader, arn string) (string, bool) {
	if p, ok := state.Policies.Get(r, arn); ok {
		for _, v := range p.Versions {
			if v.Default {
				return v.Document, true
			}
		}
		return "", false
	}
	m, ok := Managed(arn)
	return m.Document, ok && m.Document != ""
}

func (a *Access) add(to *[]policy.Named, name, text string) error {
	doc, err := a.parse(text)
	if err != nil {
		return fault.Wrap(fault.Internal, err, "read policy %s", name)
	}
	*to = append(*to, policy.Named{Name: name, Document: doc})
	return nil
}

// maxParsed bounds the memory for parsed documents.
const maxParsed = 2048

func (a *Access) parse(text string) (*policy.Document, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if d := a.parsed[text]; d != nil {
		return d, nil
	}
	d, err := policy.Parse(text)
	if err != nil {
		return nil, err
	}
	if len(a.parsed) >= maxParsed {
		clear(a.parsed)
	}
	a.parsed[text] = d
	return d, nil
}

func asPolicy(p ident.Principal) policy.Principal {
	out := policy.Principal{ARN: p.ARN, Role: p.Role, Account: p.Account, Root: p.Root}
	if p.Role == "" && !p.Root {
		out.Service = p.Service
	}
	return out
}

// keys adds what every request has to the keys of a call.
func (a *Access) keys(r store.Reader, p ident.Principal, more map[string]string) map[string][]string {
	now := a.Clock.Now()
	k := map[string][]string{
		"aws:PrincipalArn":     {p.ARN},
		"aws:PrincipalAccount": {p.Account},
		"aws:ResourceAccount":  {a.Place.Account},
		"aws:RequestedRegion":  {a.Place.Region},
		"aws:CurrentTime":      {now.UTC().Format(time.RFC3339)},
		"aws:EpochTime":        {strconv.FormatInt(now.Unix(), 10)},
	}
	if p.Role != "" {
		k["aws:PrincipalArn"], k["aws:PrincipalType"] = []string{p.Role}, []string{"AssumedRole"}
	}
	if h, ok := holderOf(r, p); ok {
		k["aws:userid"] = []string{h.id}
		if name := p.UserName(); name != "" {
			k["aws:username"], k["aws:PrincipalType"] = []string{name}, []string{"User"}
		}
		for _, t := range h.tags {
			k["aws:PrincipalTag/"+t.Key] = []string{t.Value}
		}
	}
	for key, v := range more {
		k[key] = []string{v}
	}
	return k
}

// namesAll are the services that name the resource also when it is any; the
// others leave it out.
var namesAll = []string{"ecs", "ecr", "lambda"}

// denied words a refusal as AWS does.
func (a *Access) denied(r store.Reader, p ident.Principal, action, resource string, d policy.Decision) error {
	text := "User: " + p.ARN + " is not authorized to perform: " + action
	if service, _, _ := strings.Cut(action, ":"); resource != "*" || slices.Contains(namesAll, service) {
		text += " on resource: " + resource
	}
	out := fault.New(fault.Denied, "AccessDenied", "%s because no %s allows the %s action%s", text, d.Source, action, a.unread(r, p))
	if d.Explicit {
		out = fault.New(fault.Denied, "AccessDenied", "%s with an explicit deny in %s %s", text, article(d.Source), d.Source)
	}
	return out.With(map[string]string{model.FactPrincipal: p.ARN, model.FactAction: action, model.FactResource: resource})
}

func article(s policy.Source) string {
	if s == policy.ByIdentity {
		return "an"
	}
	return "a"
}

// unread names attached policies of AWS whose documents Berth does not have:
// they allow nothing here, and a denial must not hide that.
func (a *Access) unread(r store.Reader, p ident.Principal) string {
	h, _ := holderOf(r, p)
	var names []string
	for _, arn := range h.attached {
		if _, ok := a.document(r, arn); !ok {
			names = append(names, arn)
		}
	}
	if names == nil {
		return ""
	}
	return " (Berth does not have the document of " + strings.Join(names, ", ") + ")"
}

// Authorize evaluates IAM for an action on every resource and notes a denial.
// See front.Authorizer.
func (a *Access) Authorize(ctx context.Context, p ident.Principal, action string, resources []string, keys map[string]string) error {
	view := a.DB.View()
	for _, res := range resources {
		d, err := a.Decide(view, p, action, res, keys)
		if err != nil {
			return err
		}
		if !d.Allowed {
			refusal := a.denied(view, p, action, res, d)
			return a.note(ctx, p, action, res, d, refusal)
		}
	}
	return nil
}

func (a *Access) note(ctx context.Context, p ident.Principal, action, resource string, d policy.Decision, refusal error) error {
	now := a.Clock.Now()
	subject := p.Role
	if subject == "" {
		subject = p.ARN
	}
	err := a.DB.Update(ctx, writer, func(tx *store.Tx) error {
		return state.Note(tx, now, model.Decision{
			By: writer, Subject: subject, Verb: "denied", Reason: action + " on " + resource + ": " + d.String(),
			Facts: map[string]string{"principal": p.ARN, "action": action, "resource": resource, "policy": d.Policy},
		})
	})
	if err != nil {
		return fault.Wrap(fault.Unavailable, err, "record a denied call")
	}
	return refusal
}
