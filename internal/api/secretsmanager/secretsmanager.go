// Package secretsmanager is the API of Secrets Manager: secrets as records,
// with their versions and staging labels.
//
// It owns secrets, and starts nothing. A deleted one is as good as gone when its
// recovery window has passed, and is removed by the next write. KMS keys,
// rotation, replicas and resource policies are not built. Safe for concurrent
// use.
package secretsmanager

import (
	"bytes"
	"cmp"
	"context"
	_ "embed"
	"slices"
	"strings"
	"time"

	"berth/internal/clock"
	"berth/internal/fault"
	"berth/internal/ident"
	"berth/internal/model"
	"berth/internal/page"
	"berth/internal/state"
	"berth/internal/store"
	"berth/internal/wire"
	shape "berth/internal/wire/shape/secretsmanager"
)

// Fields says which request members are built.
//
//go:embed fields.txt
var Fields string

// Resources says which resources a call is about.
//
//go:embed resources.txt
var Resources string

const writer = "api/secretsmanager"

// Deps are what the API needs.
type Deps struct {
	DB    *state.DB
	Clock clock.Clock
	IDs   *ident.Source
	Place ident.Place
}

// API answers the operations.
type API struct {
	shape.Unimplemented
	Deps
}

var _ shape.Operations = (*API)(nil)

// New makes the API.
func New(d Deps) *API { return &API{Deps: d} }

// The staging labels that Secrets Manager moves, and its limits.
const (
	current     = "AWSCURRENT"
	previous    = "AWSPREVIOUS"
	suffix      = 6 // random characters at the end of an ARN
	maxVersions = 100
	maxTags     = 50
	minWindow   = 7
	maxWindow   = 30
)

func invalidParameter(text string) error {
	return fault.New(fault.Invalid, "InvalidParameterException", "%s", text)
}

func invalidRequest(text string) error {
	return fault.New(fault.Conflict, "InvalidRequestException", "%s", text)
}

func notFound(what string) error {
	return fault.New(fault.NotFound, "ResourceNotFoundException", "Secrets Manager can't find the specified secret%s.", what)
}

func (a *API) prefix() string { return a.Place.ARN("secretsmanager", "secret:") }

// find looks a secret up by its name, its ARN, or an ARN without the random
// characters.
func (a *API) find(r store.Reader, id *string) (model.Secret, error) {
	name, byARN := strings.CutPrefix(wire.Val(id), a.prefix())
	s, ok := state.Secrets.Get(r, name)
	if byARN && !ok && len(name) > suffix+1 {
		s, ok = state.Secrets.Get(r, name[:len(name)-suffix-1])
		ok = ok && s.ARN == wire.Val(id)
	}
	if !ok || ended(s, a.Clock.Now()) {
		return model.Secret{}, notFound("")
	}
	return s, nil
}

// alive is find for what cannot be done to a deleted secret.
func (a *API) alive(r store.Reader, id *string) (model.Secret, error) {
	s, err := a.find(r, id)
	if err == nil && !s.DeletedAt.IsZero() {
		err = invalidRequest("You can't perform this operation on the secret because it was marked for deletion.")
	}
	return s, err
}

func ended(s model.Secret, now time.Time) bool { return !s.DeletedAt.IsZero() && !now.Before(s.EndsAt) }

// Finders find what resources.txt names.
func (a *API) Finders() map[string]func(...string) string {
	return map[string]func(...string) string{"secret": func(v ...string) string {
		if s, err := a.find(a.DB.View(), &v[0]); err == nil {
			return s.ARN
		}
		if strings.HasPrefix(v[0], "arn:") {
			return v[0]
		}
		return a.prefix() + v[0]
	}}
}

// update changes secrets, and removes those whose time has come.
func (a *API) update(ctx context.Context, fn func(*store.Tx) error) error {
	return a.DB.Update(ctx, writer, func(tx *store.Tx) error {
		for _, s := range state.Secrets.By(tx, "deleted", "true") {
			if ended(s, a.Clock.Now()) {
				if err := state.Secrets.Delete(tx, s.Name); err != nil {
					return err
				}
			}
		}
		return fn(tx)
	})
}

// edit changes a secret that is not deleted.
func (a *API) edit(ctx context.Context, id *string, fn func(*model.Secret) error) (model.Secret, error) {
	var out model.Secret
	err := a.update(ctx, func(tx *store.Tx) error {
		s, err := a.alive(tx, id)
		if err != nil {
			return err
		}
		err = state.Secrets.Edit(tx, s.Name, fn)
		out, _ = state.Secrets.Get(tx, s.Name)
		return err
	})
	return out, err
}

// value is what a call gives as a version's.
func (a *API) value(token, text *string, data []byte) (model.SecretVersion, error) {
	if text != nil && data != nil {
		return model.SecretVersion{}, invalidParameter(
			"You can't specify both a binary secret value and a string secret value in the same secret.",
		)
	}
	v := model.SecretVersion{ID: wire.Val(token), Text: text, Bytes: data, CreatedAt: a.Clock.Now()}
	if v.ID == "" {
		v.ID = a.IDs.UUID()
	}
	return v, nil
}

func empty(v model.SecretVersion) bool { return v.Text == nil && v.Bytes == nil }

// add puts a version in, or finds that it is there, and gives it labels. The
// label AWSCURRENT leaves AWSPREVIOUS where it was.
func add(s *model.Secret, v model.SecretVersion, stages []string) error {
	i := slices.IndexFunc(s.Versions, func(o model.SecretVersion) bool { return o.ID == v.ID })
	if i >= 0 {
		old := s.Versions[i]
		if wire.Val(old.Text) != wire.Val(v.Text) || (old.Text == nil) != (v.Text == nil) || !bytes.Equal(old.Bytes, v.Bytes) {
			return fault.New(
				fault.Conflict, "ResourceExistsException",
				"You can't use ClientRequestToken %s because that value is already in use for a version of secret %s.", v.ID, s.ARN,
			)
		}
		return nil
	}
	if slices.Contains(stages, current) || len(s.Versions) == 0 {
		for j := range s.Versions {
			if slices.Contains(s.Versions[j].Stages, current) {
				take(s, previous)
				s.Versions[j].Stages = append(s.Versions[j].Stages, previous)
			}
		}
	}
	for _, stage := range stages {
		take(s, stage)
	}
	v.Stages = stages
	s.Versions = append(s.Versions, v)
	s.ChangedAt = v.CreatedAt
	for len(s.Versions) > maxVersions {
		old := slices.IndexFunc(s.Versions, func(o model.SecretVersion) bool { return len(o.Stages) == 0 })
		if old < 0 {
			return fault.New(fault.Conflict, "LimitExceededException", "The secret has %d versions with staging labels.", maxVersions)
		}
		s.Versions = slices.Delete(s.Versions, old, old+1)
	}
	return nil
}

// take removes a label from whichever version has it.
func take(s *model.Secret, stage string) {
	for i := range s.Versions {
		s.Versions[i].Stages = slices.DeleteFunc(slices.Clone(s.Versions[i].Stages), func(o string) bool { return o == stage })
	}
}

// CreateSecret makes a secret, with a first version if a value is given. The
// same call with the same token is one. Errors: InvalidParameterException,
// InvalidRequestException, ResourceExistsException, LimitExceededException.
func (a *API) CreateSecret(ctx context.Context, in *shape.CreateSecretInput) (*shape.CreateSecretOutput, error) {
	v, err := a.value(in.ClientRequestToken, in.SecretString, in.SecretBinary)
	if err != nil {
		return nil, err
	}
	name, now := wire.Val(in.Name), a.Clock.Now()
	if strings.Trim(name, "/_+=.@!-ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789") != "" {
		return nil, fault.New(
			fault.Invalid, "InvalidParameterException",
			"Invalid name. Must be a valid name containing alphanumeric characters, or any of the following: -/_+=.@!",
		)
	}
	var tags []model.Tag
	for _, t := range in.Tags {
		tags = append(tags, model.Tag{Key: wire.Val(t.Key), Value: wire.Val(t.Value)})
	}
	if tags = model.SetTags(nil, tags); len(tags) > maxTags {
		return nil, fault.New(fault.Conflict, "LimitExceededException", "A secret has at most %d tags.", maxTags)
	}
	made := model.Secret{
		Name: name, ARN: a.prefix() + name + "-" + a.letters(suffix), Description: wire.Val(in.Description), Tags: tags, CreatedAt: now,
		ChangedAt: now,
	}
	if !empty(v) {
		v.Stages = []string{current}
		made.Versions = []model.SecretVersion{v}
	}
	err = a.update(ctx, func(tx *store.Tx) error {
		old, ok := state.Secrets.Get(tx, name)
		switch {
		case !ok:
			return state.Secrets.Put(tx, made)
		case !old.DeletedAt.IsZero():
			return invalidRequest("You can't create this secret because a secret with this name is already scheduled for deletion.")
		case len(old.Versions) == 1 && !empty(v) && old.Versions[0].ID == v.ID && add(&old, v, nil) == nil:
			made = old
			return nil
		}
		return fault.New(fault.Conflict, "ResourceExistsException", "The operation failed because the secret %s already exists.", name)
	})
	if err != nil {
		return nil, err
	}
	out := &shape.CreateSecretOutput{ARN: wire.Ptr(made.ARN), Name: wire.Ptr(name)}
	if len(made.Versions) > 0 {
		out.VersionId = wire.Ptr(made.Versions[0].ID)
	}
	return out, nil
}

// letters are the random end of an ARN.
func (a *API) letters(n int) string {
	const all = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
	b := a.IDs.Bytes(n)
	for i := range b {
		b[i] = all[int(b[i])%len(all)]
	}
	return string(b)
}

// GetSecretValue shows a version: the one named, or that with a label, of
// itself AWSCURRENT. Errors: ResourceNotFoundException,
// InvalidRequestException.
func (a *API) GetSecretValue(_ context.Context, in *shape.GetSecretValueInput) (*shape.GetSecretValueOutput, error) {
	s, err := a.alive(a.DB.View(), in.SecretId)
	if err != nil {
		return nil, err
	}
	id, stage := wire.Val(in.VersionId), wire.Or(in.VersionStage, current)
	i := slices.IndexFunc(s.Versions, func(v model.SecretVersion) bool {
		if id != "" {
			return v.ID == id
		}
		return slices.Contains(v.Stages, stage)
	})
	if i < 0 && id != "" {
		return nil, notFound(" value for VersionId: " + id)
	}
	if i < 0 {
		return nil, notFound(" value for staging label: " + stage)
	}
	v := s.Versions[i]
	if in.VersionStage != nil && !slices.Contains(v.Stages, stage) {
		return nil, invalidRequest("You provided a VersionStage that is not associated to the provided VersionId.")
	}
	return &shape.GetSecretValueOutput{
		ARN: wire.Ptr(s.ARN), Name: wire.Ptr(s.Name), VersionId: wire.Ptr(v.ID), SecretString: v.Text, SecretBinary: v.Bytes,
		VersionStages: v.Stages, CreatedDate: wire.Ptr(v.CreatedAt),
	}, nil
}

// PutSecretValue adds a version, which becomes AWSCURRENT unless other labels are
// given. Errors: InvalidParameterException, InvalidRequestException,
// ResourceNotFoundException, ResourceExistsException, LimitExceededException.
func (a *API) PutSecretValue(ctx context.Context, in *shape.PutSecretValueInput) (*shape.PutSecretValueOutput, error) {
	v, err := a.value(in.ClientRequestToken, in.SecretString, in.SecretBinary)
	if err == nil && empty(v) {
		err = invalidRequest("You must provide either SecretString or SecretBinary.")
	}
	if err != nil {
		return nil, err
	}
	stages := in.VersionStages
	if len(stages) == 0 {
		stages = []string{current}
	}
	s, err := a.edit(ctx, in.SecretId, func(s *model.Secret) error { return add(s, v, stages) })
	if err != nil {
		return nil, err
	}
	return &shape.PutSecretValueOutput{
		ARN: wire.Ptr(s.ARN), Name: wire.Ptr(s.Name), VersionId: wire.Ptr(v.ID), VersionStages: stages,
	}, nil
}

// UpdateSecret changes the description, the value, or both. Errors:
// InvalidParameterException, InvalidRequestException,
// ResourceNotFoundException, ResourceExistsException, LimitExceededException.
func (a *API) UpdateSecret(ctx context.Context, in *shape.UpdateSecretInput) (*shape.UpdateSecretOutput, error) {
	v, err := a.value(in.ClientRequestToken, in.SecretString, in.SecretBinary)
	if err != nil {
		return nil, err
	}
	s, err := a.edit(ctx, in.SecretId, func(s *model.Secret) error {
		if in.Description != nil {
			s.Description, s.ChangedAt = *in.Description, a.Clock.Now()
		}
		if empty(v) {
			return nil
		}
		return add(s, v, []string{current})
	})
	if err != nil {
		return nil, err
	}
	out := &shape.UpdateSecretOutput{ARN: wire.Ptr(s.ARN), Name: wire.Ptr(s.Name)}
	if !empty(v) {
		out.VersionId = wire.Ptr(v.ID)
	}
	return out, nil
}

func tagsOf(s model.Secret) []shape.Tag {
	var out []shape.Tag
	for _, t := range s.Tags {
		out = append(out, shape.Tag{Key: wire.Ptr(t.Key), Value: wire.Ptr(t.Value)})
	}
	return out
}

func stagesOf(s model.Secret) map[string][]string {
	out := map[string][]string{}
	for _, v := range s.Versions {
		if len(v.Stages) > 0 {
			out[v.ID] = v.Stages
		}
	}
	return out
}

func when(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	return &t
}

func said(text string) *string {
	if text == "" {
		return nil
	}
	return &text
}

// DescribeSecret shows all of a secret but its values, also of a deleted one.
// Errors: ResourceNotFoundException.
func (a *API) DescribeSecret(_ context.Context, in *shape.DescribeSecretInput) (*shape.DescribeSecretOutput, error) {
	s, err := a.find(a.DB.View(), in.SecretId)
	if err != nil {
		return nil, err
	}
	return &shape.DescribeSecretOutput{
		ARN: wire.Ptr(s.ARN), Name: wire.Ptr(s.Name), Description: said(s.Description), Tags: tagsOf(s), VersionIdsToStages: stagesOf(s),
		CreatedDate: wire.Ptr(s.CreatedAt), LastChangedDate: wire.Ptr(s.ChangedAt), DeletedDate: when(s.DeletedAt),
	}, nil
}

// ListSecrets lists secrets, what was made last first unless asc is asked for,
// deleted ones if they are asked for. Errors: InvalidNextTokenException.
func (a *API) ListSecrets(_ context.Context, in *shape.ListSecretsInput) (*shape.ListSecretsOutput, error) {
	all := slices.DeleteFunc(state.Secrets.All(a.DB.View()), func(s model.Secret) bool {
		return ended(s, a.Clock.Now()) || !s.DeletedAt.IsZero() && !wire.Val(in.IncludePlannedDeletion)
	})
	key := func(s model.Secret) string {
		return s.CreatedAt.UTC().Format("2006-01-02T15:04:05.000000000") + " " + s.Name
	}
	slices.SortFunc(all, func(x, y model.Secret) int { return cmp.Compare(key(x), key(y)) })
	rules := pages
	if rules.Down = wire.Val(in.SortOrder) != "asc"; rules.Down {
		slices.Reverse(all)
	}
	all, next, err := page.Cut(rules, in, all, key)
	if err != nil {
		return nil, err
	}
	out := &shape.ListSecretsOutput{SecretList: []shape.SecretListEntry{}, NextToken: next}
	for _, s := range all {
		out.SecretList = append(out.SecretList, shape.SecretListEntry{
			ARN: wire.Ptr(s.ARN), Name: wire.Ptr(s.Name), Description: said(s.Description), Tags: tagsOf(s), SecretVersionsToStages: stagesOf(s),
			CreatedDate: wire.Ptr(s.CreatedAt), LastChangedDate: wire.Ptr(s.ChangedAt), DeletedDate: when(s.DeletedAt),
		})
	}
	return out, nil
}

// pages are the rules of this service's lists.
var pages = page.Rules{Usual: 100, SameCall: true, Refuse: func(string) error {
	return fault.New(fault.Invalid, "InvalidNextTokenException", "The NextToken value is invalid.")
}}

// DeleteSecret begins a secret's recovery window, or ends it at once, whether
// there is one or not (API reference, ForceDeleteWithoutRecovery). Errors:
// InvalidParameterException, ResourceNotFoundException,
// InvalidRequestException.
func (a *API) DeleteSecret(ctx context.Context, in *shape.DeleteSecretInput) (*shape.DeleteSecretOutput, error) {
	force, days, now := wire.Val(in.ForceDeleteWithoutRecovery), wire.Or(in.RecoveryWindowInDays, maxWindow), a.Clock.Now()
	switch {
	case force && in.RecoveryWindowInDays != nil:
		return nil, invalidParameter("You can't use ForceDeleteWithoutRecovery in conjunction with RecoveryWindowInDays.")
	case days < minWindow || days > maxWindow:
		return nil, invalidParameter("The RecoveryWindowInDays value must be between 7 and 30 days (inclusive).")
	}
	var s model.Secret
	err := a.update(ctx, func(tx *store.Tx) (err error) {
		if force {
			s, err = a.find(tx, in.SecretId)
			if fault.Is(err, fault.NotFound) {
				s = model.Secret{ARN: a.Finders()["secret"](wire.Val(in.SecretId)), Name: wire.Val(in.SecretId), EndsAt: now}
				return nil
			}
			if err != nil {
				return err
			}
			s.EndsAt = now
			return state.Secrets.Delete(tx, s.Name)
		}
		if s, err = a.alive(tx, in.SecretId); err != nil {
			return err
		}
		s.DeletedAt, s.EndsAt = now, now.AddDate(0, 0, int(days))
		return state.Secrets.Put(tx, s)
	})
	if err != nil {
		return nil, err
	}
	return &shape.DeleteSecretOutput{ARN: wire.Ptr(s.ARN), Name: wire.Ptr(s.Name), DeletionDate: wire.Ptr(s.EndsAt)}, nil
}

// RestoreSecret takes a deletion back. Errors: ResourceNotFoundException.
func (a *API) RestoreSecret(ctx context.Context, in *shape.RestoreSecretInput) (*shape.RestoreSecretOutput, error) {
	var s model.Secret
	err := a.update(ctx, func(tx *store.Tx) (err error) {
		if s, err = a.find(tx, in.SecretId); err != nil {
			return err
		}
		s.DeletedAt, s.EndsAt = time.Time{}, time.Time{}
		return state.Secrets.Put(tx, s)
	})
	if err != nil {
		return nil, err
	}
	return &shape.RestoreSecretOutput{ARN: wire.Ptr(s.ARN), Name: wire.Ptr(s.Name)}, nil
}
