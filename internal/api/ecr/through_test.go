package ecr_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/random"
	"github.com/google/go-containerregistry/pkg/v1/remote"

	"berth/internal/api/ecr"
	"berth/internal/clock"
	"berth/internal/control"
	"berth/internal/fault"
	"berth/internal/ident"
	"berth/internal/registry"
	"berth/internal/store"
	"berth/internal/wire"
	shape "berth/internal/wire/shape/ecr"
)

// internet plays all other registries: one image under every name but absent's.
type internet struct {
	t     *testing.T
	image v1.Image
	asked []string
	down  bool
}

func (i *internet) Import(_ context.Context, from string, _ registry.Login, to *registry.Store, as registry.Repo, tag string) error {
	i.asked = append(i.asked, from)
	switch {
	case i.down:
		return fault.New(fault.Unavailable, "", "%s: nobody answers", from)
	case strings.Contains(from, "absent"):
		return fault.New(fault.NotFound, "", "%s: manifest unknown", from)
	}
	srv := httptest.NewServer(registry.NewServer(registry.ServerDeps{
		Store: to, Place: place, Clock: clock.NewStepped(time.Unix(1_800_000_000, 0)), Directory: every{},
		Open: func(*http.Request) bool { return true },
	}))
	defer srv.Close()
	n, err := name.NewTag(strings.TrimPrefix(srv.URL, "http://")+"/"+as.Name+":"+tag, name.Insecure)
	if err == nil {
		err = remote.Write(n, i.image)
	}
	return err
}

type every struct{}

func (every) Repository(context.Context, registry.Repo) (registry.Settings, error) {
	return registry.Settings{}, nil
}

func (every) Allow(context.Context, ident.Principal, string, registry.Repo) error { return nil }

func rule(t *testing.T, a *ecr.API, prefix, url, upstreamPrefix string) {
	t.Helper()
	in := &shape.CreatePullThroughCacheRuleInput{EcrRepositoryPrefix: wire.Ptr(prefix), UpstreamRegistryUrl: wire.Ptr(url)}
	if upstreamPrefix != "" {
		in.UpstreamRepositoryPrefix = wire.Ptr(upstreamPrefix)
	}
	if _, err := a.CreatePullThroughCacheRule(t.Context(), in); err != nil {
		t.Fatal(err)
	}
}

// Proves: IR3, IR7
func TestRulesAreListedAndEnded(t *testing.T) {
	a, _ := newAPI(t)
	rule(t, a, "ecr-public", "public.ecr.aws", "")
	rule(t, a, "kube", "registry.k8s.io", "")
	rule(t, a, "team/quay", "https://quay.io", "org")
	out, err := a.DescribePullThroughCacheRules(t.Context(), &shape.DescribePullThroughCacheRulesInput{MaxResults: wire.Ptr(int64(2))})
	if err != nil || len(out.PullThroughCacheRules) != 2 || out.NextToken == nil {
		t.Fatalf("%+v, %v", out, err)
	}
	if r := out.PullThroughCacheRules[0]; *r.EcrRepositoryPrefix != "ecr-public" || *r.UpstreamRegistry != "ecr-public" ||
		*r.UpstreamRegistryUrl != "public.ecr.aws" || *r.UpstreamRepositoryPrefix != "ROOT" || *r.RegistryId != place.Account {
		t.Errorf("%+v", r)
	}
	out, err = a.DescribePullThroughCacheRules(t.Context(), &shape.DescribePullThroughCacheRulesInput{NextToken: out.NextToken})
	if err != nil || len(out.PullThroughCacheRules) != 1 || *out.PullThroughCacheRules[0].UpstreamRepositoryPrefix != "org" {
		t.Errorf("%+v, %v", out, err)
	}
	valid, err := a.ValidatePullThroughCacheRule(t.Context(), &shape.ValidatePullThroughCacheRuleInput{EcrRepositoryPrefix: wire.Ptr("kube")})
	if err != nil || !*valid.IsValid {
		t.Errorf("%+v, %v", valid, err)
	}
	if _, err := a.DeletePullThroughCacheRule(
		t.Context(), &shape.DeletePullThroughCacheRuleInput{EcrRepositoryPrefix: wire.Ptr("kube")},
	); err != nil {
		t.Error(err)
	}
	_, err = a.DescribePullThroughCacheRules(t.Context(), &shape.DescribePullThroughCacheRulesInput{EcrRepositoryPrefixes: []string{"kube"}})
	wantCode(t, "an ended one", err, "PullThroughCacheRuleNotFoundException")
}

// TestAPullBelowARulesPrefixMakesTheRepository pulls as an agent does.
//
// Proves: IR4, IR5
func TestAPullBelowARulesPrefixMakesTheRepository(t *testing.T) {
	img, err := random.Image(500, 2)
	if err != nil {
		t.Fatal(err)
	}
	out := &internet{t: t, image: img}
	a, db := newAPI(t)
	a.Upstream = out
	srv := httptest.NewServer(registry.NewServer(registry.ServerDeps{
		Store: a.Images, Tokens: a.Tokens, Place: place, Clock: a.Clock, Directory: ecr.Directory{DB: db, Place: place}, Through: a.Through,
	}))
	t.Cleanup(srv.Close)
	pull := func(ref string) (v1.Image, error) {
		t.Helper()
		n, err := name.ParseReference(strings.TrimPrefix(srv.URL, "http://")+"/"+ref, name.Insecure)
		if err != nil {
			t.Fatal(err)
		}
		return remote.Image(n, remote.WithRetryStatusCodes())
	}
	if _, err := pull("pub/docker/library/nginx:1"); err == nil || len(out.asked) != 0 {
		t.Errorf("without a rule: %v, asked %v", err, out.asked)
	}
	rule(t, a, "pub", "public.ecr.aws", "")
	rule(t, a, "pub/quay", "quay.io", "org")
	for ref, from := range map[string]string{
		"pub/docker/library/nginx:1": "public.ecr.aws/docker/library/nginx:1", "pub/quay/tool:v2": "quay.io/org/tool:v2",
	} {
		got, err := pull(ref)
		if err != nil || !slices.Contains(out.asked, from) {
			t.Fatalf("%s: %v, asked %v", ref, err, out.asked)
		}
		if h, want := must(got.Digest()), must(img.Digest()); h != want {
			t.Errorf("%s: %s, want %s", ref, h, want)
		}
	}
	repos, err := a.DescribeRepositories(t.Context(), &shape.DescribeRepositoriesInput{})
	if err != nil || len(repos.Repositories) != 2 || *repos.Repositories[0].RepositoryName != "pub/docker/library/nginx" {
		t.Errorf("%+v, %v", repos, err)
	}
	asked := len(out.asked)
	if _, err := pull("pub/quay/tool:v2"); err != nil || len(out.asked) != asked {
		t.Errorf("again: %v, asked %v", err, out.asked[asked:])
	}
	a.Clock.(*clock.Stepped).Advance(25 * time.Hour)
	out.down = true
	if _, err := pull("pub/quay/tool:v2"); err != nil || len(out.asked) != asked+1 {
		t.Errorf("a day later, with the registry away: %v, asked %v", err, out.asked[asked:])
	}
	if _, err := pull("pub/quay/other:v2"); err == nil || !strings.Contains(err.Error(), "nobody answers") {
		t.Errorf("another, with the registry away: %v", err)
	}
	out.down = false
	const nowhere = "MANIFEST_UNKNOWN: public.ecr.aws/absent:v2: manifest unknown"
	if _, err := pull("pub/absent:v2"); err == nil || !strings.Contains(err.Error(), nowhere) {
		t.Errorf("an image that is nowhere: %v", err)
	}
	if repos, err := a.DescribeRepositories(t.Context(), &shape.DescribeRepositoriesInput{}); err != nil || len(repos.Repositories) != 2 {
		t.Errorf("%+v, %v", repos, err)
	}
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

// refusing lets nobody do one action.
type refusing struct {
	control.Access
	action string
}

func (r refusing) Allow(_ store.Reader, _ ident.Principal, action, _ string, _ map[string]string) error {
	if action == r.action {
		return fault.New(fault.Denied, "AccessDeniedException", "not authorized to perform: %s", action)
	}
	return nil
}

// Proves: IR6
func TestWhoPullsThroughNeedsThePermissions(t *testing.T) {
	img, err := random.Image(500, 1)
	if err != nil {
		t.Fatal(err)
	}
	a, _ := newAPI(t)
	a.Upstream = &internet{t: t, image: img}
	rule(t, a, "pub", "public.ecr.aws", "")
	who, repo := ident.Principal{ARN: "role"}, registry.Repo{Account: place.Account, Name: "pub/a/b"}
	for _, action := range []string{"ecr:BatchImportUpstreamImage", "ecr:CreateRepository"} {
		a.Access = refusing{action: action}
		if err := a.Through(t.Context(), who, repo, "v1"); !fault.Is(err, fault.Denied) || !strings.Contains(err.Error(), action) {
			t.Errorf("without %s: %v", action, err)
		}
	}
	a.Access = refusing{}
	if err := a.Through(t.Context(), who, repo, "v1"); err != nil {
		t.Error(err)
	}
	a.Access = refusing{action: "ecr:CreateRepository"}
	if err := a.Through(t.Context(), who, repo, "v2"); err != nil {
		t.Errorf("the repository is there: %v", err)
	}
}
