// Package ecr is the API of Elastic Container Registry: repositories as
// records, images by way of the registry's store.
//
// It owns repositories; what is in them belongs to package registry, which
// asks this one, through Directory, what there is and who may, and before a
// pull, by Through, to bring what a pull through cache rule leads to. Else it
// starts nothing and waits for nothing but the disk. Scanning, replication, KMS keys
// and the effects of lifecycle and repository policies are not built. Safe
// for concurrent use.
package ecr

import (
	"cmp"
	"context"
	_ "embed"
	"slices"
	"strings"
	"sync"
	"time"

	"berth/internal/clock"
	"berth/internal/control"
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

// Fields says which request members are built.
//
//go:embed fields.txt
var Fields string

// Resources says which resources a call is about.
//
//go:embed resources.txt
var Resources string

const writer = "api/ecr"

// Deps are what the API needs.
type Deps struct {
	DB     *state.DB
	Clock  clock.Clock
	IDs    *ident.Source
	Place  ident.Place
	Images *registry.Store
	Tokens *registry.Tokens
	// LayerURL is the signed address of a layer (registry.Server has it).
	LayerURL func(r registry.Repo, digest string) string
	// Access says who may pull through a rule, and Upstream brings what they
	// pull; nil is none.
	Access   control.Access
	Upstream Upstream
}

// API answers the operations.
type API struct {
	shape.Unimplemented
	Deps

	mu      sync.Mutex
	imports map[string]time.Time // when a tag was last brought from elsewhere
}

var _ shape.Operations = (*API)(nil)

// New makes the API.
func New(d Deps) *API { return &API{Deps: d, imports: map[string]time.Time{}} }

// Directory answers the registry's data plane from the same records.
type Directory struct {
	DB     *state.DB
	Place  ident.Place
	Access control.Access
}

var _ registry.Directory = Directory{}

// Repository finds a repository.
func (d Directory) Repository(_ context.Context, r registry.Repo) (registry.Settings, error) {
	rec, ok := state.Repositories.Get(d.DB.View(), r.Name)
	if !ok || r.Account != d.Place.Account {
		return registry.Settings{}, noRepository(r.Name, r.Account)
	}
	return registry.Settings{Immutable: rec.TagMutability == immutable}, nil
}

// Allow evaluates IAM for a principal.
func (d Directory) Allow(_ context.Context, p ident.Principal, action string, r registry.Repo) error {
	if p.Root {
		return nil
	}
	return d.Access.Allow(d.DB.View(), p, action, d.Place.ARN("ecr", "repository/"+r.Name), nil)
}

const (
	mutable   = "MUTABLE"
	immutable = "IMMUTABLE"
)

func (a *API) arn(name string) string { return a.Place.ARN("ecr", "repository/"+name) }

func (a *API) repo(name string) registry.Repo {
	return registry.Repo{Account: a.Place.Account, Name: name}
}

func (a *API) update(ctx context.Context, fn func(*store.Tx) error) error {
	return a.DB.Update(ctx, writer, fn)
}

func noRepository(name, account string) error {
	return fault.New(
		fault.NotFound, "RepositoryNotFoundException", "The repository with name '%s' does not exist in the registry with id '%s'", name, account,
	)
}

func invalid(member, why string) error {
	return fault.New(fault.Invalid, "InvalidParameterException", "Invalid parameter at '%s' failed to satisfy constraint: '%s'", member, why)
}

// find looks a repository up; another account's registry has none for us.
func (a *API) find(r store.Reader, registryID, name *string) (model.Repository, error) {
	if id := wire.Or(registryID, a.Place.Account); id != a.Place.Account {
		return model.Repository{}, noRepository(wire.Val(name), id)
	}
	rec, ok := state.Repositories.Get(r, wire.Val(name))
	if !ok {
		return rec, noRepository(wire.Val(name), a.Place.Account)
	}
	return rec, nil
}

// edit changes a repository.
func (a *API) edit(ctx context.Context, registryID, name *string, f func(*model.Repository) error) (model.Repository, error) {
	var out model.Repository
	err := a.update(ctx, func(tx *store.Tx) error {
		if _, err := a.find(tx, registryID, name); err != nil {
			return err
		}
		err := state.Repositories.Edit(tx, wire.Val(name), f)
		out, _ = state.Repositories.Get(tx, wire.Val(name))
		return err
	})
	return out, err
}

func (a *API) shapeOf(r model.Repository) *shape.Repository {
	return &shape.Repository{
		RepositoryArn: wire.Ptr(r.ARN), RegistryId: wire.Ptr(a.Place.Account), RepositoryName: wire.Ptr(r.Name),
		RepositoryUri: wire.Ptr(r.URI), CreatedAt: wire.Ptr(r.CreatedAt), ImageTagMutability: wire.Ptr(r.TagMutability),
		ImageScanningConfiguration: &shape.ImageScanningConfiguration{ScanOnPush: wire.Ptr(r.ScanOnPush)},
		EncryptionConfiguration:    &shape.EncryptionConfiguration{EncryptionType: wire.Ptr(r.Encryption)},
	}
}

// CreateRepository makes an empty repository. Errors:
// RepositoryAlreadyExistsException, InvalidParameterException,
// InvalidTagParameterException, TooManyTagsException, NotImplemented.
func (a *API) CreateRepository(ctx context.Context, in *shape.CreateRepositoryInput) (*shape.CreateRepositoryOutput, error) {
	name := wire.Val(in.RepositoryName)
	if !registry.CheckName(name) {
		return nil, invalid("repositoryName", "must satisfy regular expression '(?:[a-z0-9]+(?:[._-][a-z0-9]+)*/)*[a-z0-9]+(?:[._-][a-z0-9]+)*'")
	}
	if id := wire.Or(in.RegistryId, a.Place.Account); id != a.Place.Account {
		return nil, invalid("registryId", "must be the account's own, "+a.Place.Account)
	}
	mutability, err := mutabilityOf(in.ImageTagMutability)
	if err != nil {
		return nil, err
	}
	tags, err := addTags(nil, in.Tags)
	if err != nil {
		return nil, err
	}
	rec := model.Repository{
		Name: name, ARN: a.arn(name), URI: registry.Host(a.Place) + "/" + name, TagMutability: mutability,
		Encryption: "AES256", Tags: tags, CreatedAt: a.Clock.Now(),
	}
	if c := in.ImageScanningConfiguration; c != nil {
		rec.ScanOnPush = wire.Val(c.ScanOnPush)
	}
	if c := in.EncryptionConfiguration; c != nil && wire.Or(c.EncryptionType, "AES256") != "AES256" {
		return nil, fault.New(
			fault.NotImplemented, "NotImplemented", "CreateRepository: encryptionConfiguration.encryptionType %s is not implemented by Berth.",
			*c.EncryptionType,
		)
	}
	err = a.update(ctx, func(tx *store.Tx) error {
		if _, ok := state.Repositories.Get(tx, name); ok {
			return fault.New(
				fault.Conflict, "RepositoryAlreadyExistsException", "The repository with name '%s' already exists in the registry with id '%s'", name,
				a.Place.Account,
			)
		}
		return state.Repositories.Put(tx, rec)
	})
	if err != nil {
		return nil, err
	}
	return &shape.CreateRepositoryOutput{Repository: a.shapeOf(rec)}, nil
}

func mutabilityOf(p *string) (string, error) {
	switch m := wire.Or(p, mutable); m {
	case mutable, immutable:
		return m, nil
	default:
		return "", fault.New(fault.NotImplemented, "NotImplemented", "imageTagMutability %s is not implemented by Berth.", m)
	}
}

// DeleteRepository removes a repository, with its images if force is set.
// Errors: RepositoryNotFoundException, RepositoryNotEmptyException.
func (a *API) DeleteRepository(ctx context.Context, in *shape.DeleteRepositoryInput) (*shape.DeleteRepositoryOutput, error) {
	rec, err := a.find(a.DB.View(), in.RegistryId, in.RepositoryName)
	if err != nil {
		return nil, err
	}
	images, err := a.Images.Images(a.repo(rec.Name))
	if err != nil {
		return nil, err
	}
	if len(images) > 0 && !wire.Val(in.Force) {
		return nil, fault.New(
			fault.Conflict, "RepositoryNotEmptyException",
			"The repository with name '%s' in registry with id '%s' cannot be deleted because it still contains images", rec.Name, a.Place.Account,
		)
	}
	if err := a.update(ctx, func(tx *store.Tx) error { return state.Repositories.Delete(tx, rec.Name) }); err != nil {
		return nil, err
	}
	if err := a.Images.Forget(a.repo(rec.Name)); err != nil {
		return nil, err
	}
	return &shape.DeleteRepositoryOutput{Repository: a.shapeOf(rec)}, nil
}

// DescribeRepositories lists repositories in the order of their names.
// Errors: RepositoryNotFoundException, InvalidParameterException.
func (a *API) DescribeRepositories(_ context.Context, in *shape.DescribeRepositoriesInput) (*shape.DescribeRepositoriesOutput, error) {
	view := a.DB.View()
	all := state.Repositories.All(view)
	if len(in.RepositoryNames) > 0 {
		all = nil
		for _, n := range in.RepositoryNames {
			r, err := a.find(view, in.RegistryId, &n)
			if err != nil {
				return nil, err
			}
			all = append(all, r)
		}
	}
	slices.SortFunc(all, func(x, y model.Repository) int { return cmp.Compare(x.Name, y.Name) })
	all, next, err := page.Cut(pages, in, all, func(r model.Repository) string { return r.Name })
	if err != nil {
		return nil, err
	}
	out := &shape.DescribeRepositoriesOutput{Repositories: []shape.Repository{}, NextToken: next}
	for _, r := range all {
		out.Repositories = append(out.Repositories, *a.shapeOf(r))
	}
	return out, nil
}

// pages are the rules of this service's lists.
var pages = page.Rules{Usual: 100, Refuse: func(string) error {
	return fault.New(
		fault.Invalid, "InvalidParameterException", "Invalid parameter at 'nextToken' failed to satisfy constraint: 'Invalid token'",
	)
}}

// DescribeRegistry shows the registry, which replicates nowhere.
func (a *API) DescribeRegistry(context.Context, *shape.DescribeRegistryInput) (*shape.DescribeRegistryOutput, error) {
	return &shape.DescribeRegistryOutput{
		RegistryId:               wire.Ptr(a.Place.Account),
		ReplicationConfiguration: &shape.ReplicationConfiguration{Rules: []shape.ReplicationRule{}},
	}, nil
}

// PutImageTagMutability says whether tags may move. Errors:
// RepositoryNotFoundException, NotImplemented.
func (a *API) PutImageTagMutability(ctx context.Context, in *shape.PutImageTagMutabilityInput) (*shape.PutImageTagMutabilityOutput, error) {
	m, err := mutabilityOf(in.ImageTagMutability)
	if err != nil {
		return nil, err
	}
	rec, err := a.edit(ctx, in.RegistryId, in.RepositoryName, func(r *model.Repository) error {
		r.TagMutability = m
		return nil
	})
	if err != nil {
		return nil, err
	}
	return &shape.PutImageTagMutabilityOutput{
		RegistryId: wire.Ptr(a.Place.Account), RepositoryName: wire.Ptr(rec.Name), ImageTagMutability: wire.Ptr(m),
	}, nil
}

// PutImageScanningConfiguration keeps whether to scan. Errors:
// RepositoryNotFoundException.
func (a *API) PutImageScanningConfiguration(
	ctx context.Context, in *shape.PutImageScanningConfigurationInput,
) (*shape.PutImageScanningConfigurationOutput, error) {
	on := in.ImageScanningConfiguration != nil && wire.Val(in.ImageScanningConfiguration.ScanOnPush)
	rec, err := a.edit(ctx, in.RegistryId, in.RepositoryName, func(r *model.Repository) error {
		r.ScanOnPush = on
		return nil
	})
	if err != nil {
		return nil, err
	}
	return &shape.PutImageScanningConfigurationOutput{
		RegistryId: wire.Ptr(a.Place.Account), RepositoryName: wire.Ptr(rec.Name),
		ImageScanningConfiguration: &shape.ImageScanningConfiguration{ScanOnPush: wire.Ptr(on)},
	}, nil
}

// GetAuthorizationToken makes a password for the caller. Errors: none but
// those of every call.
func (a *API) GetAuthorizationToken(ctx context.Context, in *shape.GetAuthorizationTokenInput) (*shape.GetAuthorizationTokenOutput, error) {
	who := wire.CallFrom(ctx).Principal
	if who.ARN == "" {
		who = ident.Root(a.Place)
	}
	password, expires, err := a.Tokens.Issue(who, a.Clock.Now())
	if err != nil {
		return nil, err
	}
	ids := in.RegistryIds
	if len(ids) == 0 {
		ids = []string{a.Place.Account}
	}
	out := &shape.GetAuthorizationTokenOutput{}
	for _, id := range ids {
		place := a.Place
		place.Account = id
		out.AuthorizationData = append(out.AuthorizationData, shape.AuthorizationData{
			AuthorizationToken: wire.Ptr(encodeUser(password)), ExpiresAt: wire.Ptr(expires),
			ProxyEndpoint: wire.Ptr("https://" + registry.Host(place)),
		})
	}
	return out, nil
}

// ECR's limits of tags.
const (
	maxTags     = 50
	maxTagKey   = 128
	maxTagValue = 256
)

// addTags adds tags to those that a repository has.
func addTags(old []model.Tag, in []shape.Tag) ([]model.Tag, error) {
	var more []model.Tag
	for _, t := range in {
		k, v := wire.Val(t.Key), wire.Val(t.Value)
		if k == "" || len(k) > maxTagKey || len(v) > maxTagValue {
			return nil, fault.New(
				fault.Invalid, "InvalidTagParameterException", "A tag key has 1 to %d characters and a tag value at most %d; this is not so of '%s'.",
				maxTagKey, maxTagValue, k,
			)
		}
		more = append(more, model.Tag{Key: k, Value: v})
	}
	out := model.SetTags(old, more)
	if len(out) > maxTags {
		return nil, fault.New(
			fault.Invalid, "TooManyTagsException",
			"The list of tags on the repository is over the limit. The maximum number of tags is %d.", maxTags,
		)
	}
	return out, nil
}

// byARN finds the repository of an ARN.
func (a *API) byARN(arn *string) (string, error) {
	p, ok := ident.ParseARN(wire.Val(arn))
	name, isRepo := strings.CutPrefix(p.Resource, "repository/")
	if !ok || !isRepo {
		return "", invalid("resourceArn", "Invalid ARN")
	}
	return name, nil
}

// ListTagsForResource shows a repository's tags. Errors:
// InvalidParameterException, RepositoryNotFoundException.
func (a *API) ListTagsForResource(_ context.Context, in *shape.ListTagsForResourceInput) (*shape.ListTagsForResourceOutput, error) {
	name, err := a.byARN(in.ResourceArn)
	if err != nil {
		return nil, err
	}
	rec, err := a.find(a.DB.View(), nil, &name)
	if err != nil {
		return nil, err
	}
	out := &shape.ListTagsForResourceOutput{Tags: []shape.Tag{}}
	for _, t := range rec.Tags {
		out.Tags = append(out.Tags, shape.Tag{Key: wire.Ptr(t.Key), Value: wire.Ptr(t.Value)})
	}
	return out, nil
}

// TagResource adds tags to a repository. Errors: InvalidParameterException,
// RepositoryNotFoundException, InvalidTagParameterException,
// TooManyTagsException.
func (a *API) TagResource(ctx context.Context, in *shape.TagResourceInput) (*shape.TagResourceOutput, error) {
	name, err := a.byARN(in.ResourceArn)
	if err != nil {
		return nil, err
	}
	_, err = a.edit(ctx, nil, &name, func(r *model.Repository) (err error) {
		r.Tags, err = addTags(r.Tags, in.Tags)
		return err
	})
	return &shape.TagResourceOutput{}, err
}

// UntagResource takes tags away from a repository. Errors:
// InvalidParameterException, RepositoryNotFoundException.
func (a *API) UntagResource(ctx context.Context, in *shape.UntagResourceInput) (*shape.UntagResourceOutput, error) {
	name, err := a.byARN(in.ResourceArn)
	if err != nil {
		return nil, err
	}
	_, err = a.edit(ctx, nil, &name, func(r *model.Repository) error {
		r.Tags = model.DropTags(r.Tags, in.TagKeys)
		return nil
	})
	return &shape.UntagResourceOutput{}, err
}
