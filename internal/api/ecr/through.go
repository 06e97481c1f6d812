package ecr

import (
	"cmp"
	"context"
	"slices"
	"strings"
	"time"

	"berth/internal/fault"
	"berth/internal/ident"
	"berth/internal/model"
	"berth/internal/page"
	"berth/internal/registry"
	"berth/internal/state"
	"berth/internal/store"
	"berth/internal/wire"
	shape "berth/internal/wire/shape/ecr"
)

// Upstream reaches the registries that pull through cache rules name.
type Upstream interface {
	// Import brings the image of a name into a repository, a list as it is,
	// an image with its layers, under a tag or none.
	Import(ctx context.Context, from string, login registry.Login, to *registry.Store, as registry.Repo, tag string) error
}

const (
	maxRules = 50 // pull through cache rules a registry, of ECR's quotas
	noPrefix = "ROOT"
	// importFresh is how long a tag that was pulled through is not asked for again:
	// ECR asks at least once in 24 hours.
	importFresh = 24 * time.Hour
	// maxImports bounds what is remembered of that.
	maxImports = 10_000
)

// upstreams are the registries of rules by their addresses, and what each is to
// an image's name. Others want a secret.
var upstreams = map[string]struct{ name, registry string }{
	"public.ecr.aws":  {"ecr-public", "public.ecr.aws"},
	"quay.io":         {"quay", "quay.io"},
	"registry.k8s.io": {"k8s", "registry.k8s.io"},
}

// secretive are the registries that ECR asks with a secret's login only.
var secretive = map[string]string{
	"registry-1.docker.io": "docker-hub", "ghcr.io": "github-container-registry", "registry.gitlab.com": "gitlab-container-registry",
	"cgr.dev": "chainguard",
}

func (a *API) ours(registryID *string) error {
	if id := wire.Or(registryID, a.Place.Account); id != a.Place.Account {
		return invalid("registryId", "must be the account's own, "+a.Place.Account)
	}
	return nil
}

// upstreamOf checks what a rule names.
func upstreamOf(in *shape.CreatePullThroughCacheRuleInput) (url, name string, err error) {
	url = strings.TrimSuffix(strings.TrimPrefix(wire.Val(in.UpstreamRegistryUrl), "https://"), "/")
	if wants := secretive[url]; wants != "" || strings.HasSuffix(url, ".azurecr.io") {
		return "", "", fault.New(
			fault.NotImplemented, "NotImplemented", "CreatePullThroughCacheRule: upstream registry %s is asked with the login of a credentialArn, "+
				"which is not implemented by Berth: berth image push %s/… keeps an image of it here.", url, url,
		)
	}
	known, ok := upstreams[url]
	if given := wire.Or(in.UpstreamRegistry, known.name); !ok || given != known.name {
		return "", "", fault.New(
			fault.Invalid, "UnsupportedUpstreamRegistryException", "The specified upstream registry '%s' isn't supported.",
			wire.Val(in.UpstreamRegistryUrl),
		)
	}
	return url, known.name, nil
}

// CreatePullThroughCacheRule says which repositories are another registry's.
// Errors: InvalidParameterException, UnsupportedUpstreamRegistryException,
// PullThroughCacheRuleAlreadyExistsException, LimitExceededException,
// NotImplemented.
func (a *API) CreatePullThroughCacheRule(
	ctx context.Context, in *shape.CreatePullThroughCacheRuleInput,
) (*shape.CreatePullThroughCacheRuleOutput, error) {
	url, name, err := upstreamOf(in)
	if err == nil {
		err = a.ours(in.RegistryId)
	}
	if err != nil {
		return nil, err
	}
	rule := model.PullThroughRule{
		Prefix: wire.Val(in.EcrRepositoryPrefix), URL: url, Upstream: name, UpstreamPrefix: wire.Or(in.UpstreamRepositoryPrefix, noPrefix),
		CreatedAt: a.Clock.Now(),
	}
	err = a.update(ctx, func(tx *store.Tx) error {
		if _, ok := state.PullThroughRules.Get(tx, rule.Prefix); ok {
			return fault.New(
				fault.Conflict, "PullThroughCacheRuleAlreadyExistsException",
				"A pull through cache rule with the prefix '%s' already exists in the registry with id '%s'", rule.Prefix, a.Place.Account,
			)
		}
		if len(state.PullThroughRules.All(tx)) >= maxRules {
			return fault.New(
				fault.Conflict, "LimitExceededException", "The registry with id '%s' has %d pull through cache rules, which is the limit",
				a.Place.Account, maxRules,
			)
		}
		return state.PullThroughRules.Put(tx, rule)
	})
	if err != nil {
		return nil, err
	}
	return &shape.CreatePullThroughCacheRuleOutput{
		EcrRepositoryPrefix: wire.Ptr(rule.Prefix), UpstreamRegistryUrl: wire.Ptr(rule.URL), UpstreamRegistry: wire.Ptr(rule.Upstream),
		UpstreamRepositoryPrefix: wire.Ptr(rule.UpstreamPrefix), CreatedAt: wire.Ptr(rule.CreatedAt), RegistryId: wire.Ptr(a.Place.Account),
	}, nil
}

func (a *API) rule(r store.Reader, registryID, prefix *string) (model.PullThroughRule, error) {
	if err := a.ours(registryID); err != nil {
		return model.PullThroughRule{}, err
	}
	rule, ok := state.PullThroughRules.Get(r, wire.Val(prefix))
	if !ok {
		return rule, fault.New(
			fault.NotFound, "PullThroughCacheRuleNotFoundException",
			"The pull through cache rule with the prefix '%s' does not exist in the registry with id '%s'", wire.Val(prefix), a.Place.Account,
		)
	}
	return rule, nil
}

// DescribePullThroughCacheRules lists rules in the order of their prefixes.
// Errors: InvalidParameterException, PullThroughCacheRuleNotFoundException.
func (a *API) DescribePullThroughCacheRules(
	_ context.Context, in *shape.DescribePullThroughCacheRulesInput,
) (*shape.DescribePullThroughCacheRulesOutput, error) {
	if err := a.ours(in.RegistryId); err != nil {
		return nil, err
	}
	view := a.DB.View()
	all := state.PullThroughRules.All(view)
	if len(in.EcrRepositoryPrefixes) > 0 {
		all = nil
		for _, p := range in.EcrRepositoryPrefixes {
			rule, err := a.rule(view, nil, &p)
			if err != nil {
				return nil, err
			}
			all = append(all, rule)
		}
	}
	slices.SortFunc(all, func(x, y model.PullThroughRule) int { return cmp.Compare(x.Prefix, y.Prefix) })
	all, next, err := page.Cut(pages, in, all, func(r model.PullThroughRule) string { return r.Prefix })
	if err != nil {
		return nil, err
	}
	out := &shape.DescribePullThroughCacheRulesOutput{PullThroughCacheRules: []shape.PullThroughCacheRule{}, NextToken: next}
	for _, r := range all {
		s := shape.PullThroughCacheRule{
			EcrRepositoryPrefix: wire.Ptr(r.Prefix), UpstreamRegistryUrl: wire.Ptr(r.URL), UpstreamRegistry: wire.Ptr(r.Upstream),
			UpstreamRepositoryPrefix: wire.Ptr(r.UpstreamPrefix), CreatedAt: wire.Ptr(r.CreatedAt), RegistryId: wire.Ptr(a.Place.Account),
		}
		out.PullThroughCacheRules = append(out.PullThroughCacheRules, s)
	}
	return out, nil
}

// DeletePullThroughCacheRule ends a rule; repositories that it made stay.
// Errors: InvalidParameterException, PullThroughCacheRuleNotFoundException.
func (a *API) DeletePullThroughCacheRule(
	ctx context.Context, in *shape.DeletePullThroughCacheRuleInput,
) (*shape.DeletePullThroughCacheRuleOutput, error) {
	var r model.PullThroughRule
	err := a.update(ctx, func(tx *store.Tx) (err error) {
		if r, err = a.rule(tx, in.RegistryId, in.EcrRepositoryPrefix); err != nil {
			return err
		}
		return state.PullThroughRules.Delete(tx, r.Prefix)
	})
	if err != nil {
		return nil, err
	}
	return &shape.DeletePullThroughCacheRuleOutput{
		EcrRepositoryPrefix: wire.Ptr(r.Prefix), UpstreamRegistryUrl: wire.Ptr(r.URL), UpstreamRepositoryPrefix: wire.Ptr(r.UpstreamPrefix),
		CreatedAt: wire.Ptr(r.CreatedAt), RegistryId: wire.Ptr(a.Place.Account),
	}, nil
}

// ValidatePullThroughCacheRule says that a rule is valid: those that are taken
// need no login. Errors: InvalidParameterException,
// PullThroughCacheRuleNotFoundException.
func (a *API) ValidatePullThroughCacheRule(
	_ context.Context, in *shape.ValidatePullThroughCacheRuleInput,
) (*shape.ValidatePullThroughCacheRuleOutput, error) {
	r, err := a.rule(a.DB.View(), in.RegistryId, in.EcrRepositoryPrefix)
	if err != nil {
		return nil, err
	}
	return &shape.ValidatePullThroughCacheRuleOutput{
		EcrRepositoryPrefix: wire.Ptr(r.Prefix), UpstreamRegistryUrl: wire.Ptr(r.URL), UpstreamRepositoryPrefix: wire.Ptr(r.UpstreamPrefix),
		RegistryId: wire.Ptr(a.Place.Account), IsValid: wire.Ptr(true),
	}, nil
}

// ruled finds the rule that a repository's name is below, and what it names
// there; the longest prefix counts.
func ruled(v store.Reader, name string) (rule model.PullThroughRule, upstream string, ok bool) {
	for _, r := range state.PullThroughRules.All(v) {
		rest, below := strings.CutPrefix(name, strings.TrimSuffix(r.Prefix, "/")+"/")
		if r.Prefix == noPrefix {
			rest, below = name, true
		}
		if !below || ok && (r.Prefix == noPrefix || rule.Prefix != noPrefix && len(r.Prefix) < len(rule.Prefix)) {
			continue
		}
		rule, upstream, ok = r, rest, true
	}
	if p := strings.TrimSuffix(rule.UpstreamPrefix, "/"); ok && p != noPrefix {
		upstream = p + "/" + upstream
	}
	return rule, upstream, ok
}

// Through brings an image that a pull asks for from the registry of a rule, if
// there is a rule and the image is not here or its tag was not asked for in a
// day; the repository is made with it. Who pulls needs the permissions of ECR's
// guide. An image that is here is served when its registry cannot be reached.
func (a *API) Through(ctx context.Context, who ident.Principal, r registry.Repo, ref string) error {
	view := a.DB.View()
	rule, upstream, ok := ruled(view, r.Name)
	if !ok || r.Account != a.Place.Account || a.Upstream == nil {
		return nil
	}
	_, err := a.Images.Manifest(r, ref)
	here := err == nil
	if here && !a.stale(r.Name+":"+ref) {
		return nil
	}
	_, made := state.Repositories.Get(view, r.Name)
	actions := []string{"ecr:BatchImportUpstreamImage"}
	if !made {
		actions = append(actions, "ecr:CreateRepository")
	}
	for _, action := range actions {
		if err := (Directory{a.DB, a.Place, a.Access}).Allow(ctx, who, action, r); err != nil {
			return unless(here, err)
		}
	}
	from, tag := upstreams[rule.URL].registry+"/"+upstream+"@"+ref, ""
	if !strings.Contains(ref, ":") {
		from, tag = upstreams[rule.URL].registry+"/"+upstream+":"+ref, ref
	}
	if err := a.Upstream.Import(ctx, from, registry.Login{}, a.Images, r, tag); err != nil {
		return unless(here, upstreamFailed(err))
	}
	a.fresh(r.Name + ":" + ref)
	if made {
		return nil
	}
	_, err = a.CreateRepository(ctx, &shape.CreateRepositoryInput{RepositoryName: wire.Ptr(r.Name)})
	if fault.CodeOf(err) == "RepositoryAlreadyExistsException" {
		return nil // another pull made it
	}
	return err
}

// unless is the error, but for what is here already.
func unless(here bool, err error) error {
	if here {
		return nil
	}
	return err
}

// upstreamFailed words what the other registry does not have as ECR's own.
func upstreamFailed(err error) error {
	if fault.Is(err, fault.NotFound) {
		return fault.New(fault.NotFound, "ImageNotFoundException", "%s", fault.MessageOf(err))
	}
	return err
}

// stale says that a tag is to be asked for again; a digest never is.
func (a *API) stale(key string) bool {
	if strings.Contains(key, "sha256:") {
		return false
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	at, ok := a.imports[key]
	return !ok || a.Clock.Now().Sub(at) >= importFresh
}

func (a *API) fresh(key string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if len(a.imports) >= maxImports {
		clear(a.imports)
	}
	a.imports[key] = a.Clock.Now()
}
