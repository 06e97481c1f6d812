package iam

import (
	"context"
	"slices"
	"strings"

	"berth/internal/access"
	"berth/internal/model"
	"berth/internal/state"
	"berth/internal/store"
	"berth/internal/wire"
	shape "berth/internal/wire/shape/iam"
)

// maxKeys is IAM's quota on the access keys of a user.
const maxKeys = 2

// Statuses of an access key.
const (
	active   = "Active"
	inactive = "Inactive"
)

// whose names the user whose keys a call is about: the one that it names, else
// the caller; "" is the root.
func whose(ctx context.Context, name *string) (string, error) {
	who := wire.CallFrom(ctx).Principal
	user := wire.Or(name, who.UserName())
	if user == "" && !who.Root {
		return "", wireInvalid("Must specify userName when calling with non-User credentials")
	}
	return user, nil
}

// CreateAccessKey makes a key of a user, or of the caller; its secret is
// answered this once. Errors: NoSuchEntity, LimitExceeded, ValidationError.
func (a *API) CreateAccessKey(ctx context.Context, in *shape.CreateAccessKeyInput) (*shape.CreateAccessKeyOutput, error) {
	user, err := whose(ctx, in.UserName)
	if err != nil {
		return nil, err
	}
	k := access.DrawKey(a.IDs, user, a.Clock.Now())
	err = a.update(ctx, func(tx *store.Tx) error {
		if _, ok := state.Users.Get(tx, user); !ok && user != "" {
			return noUser(user)
		}
		if len(state.AccessKeys.By(tx, "user", model.KeyOwner(user))) >= maxKeys {
			return tooMany("Cannot exceed quota for AccessKeysPerUser: %d", maxKeys)
		}
		return state.AccessKeys.Put(tx, k)
	})
	if err != nil {
		return nil, err
	}
	return &shape.CreateAccessKeyOutput{AccessKey: &shape.AccessKey{
		UserName: named(user), AccessKeyId: wire.Ptr(k.ID), SecretAccessKey: wire.Ptr(k.Secret), Status: wire.Ptr(active),
		CreateDate: wire.Ptr(k.CreatedAt),
	}}, nil
}

// ListAccessKeys lists the keys of a user, or of the caller. Errors:
// NoSuchEntity, ValidationError.
func (a *API) ListAccessKeys(ctx context.Context, in *shape.ListAccessKeysInput) (*shape.ListAccessKeysOutput, error) {
	user, err := whose(ctx, in.UserName)
	if err != nil {
		return nil, err
	}
	view := a.DB.View()
	if _, ok := state.Users.Get(view, user); !ok && user != "" {
		return nil, noUser(user)
	}
	keys := state.AccessKeys.By(view, "user", model.KeyOwner(user))
	slices.SortFunc(keys, func(a, b model.AccessKey) int { return strings.Compare(a.ID, b.ID) })
	list, more, next, err := cut(in, keys, func(k model.AccessKey) string { return k.ID })
	out := &shape.ListAccessKeysOutput{AccessKeyMetadata: []shape.AccessKeyMetadata{}, IsTruncated: more, Marker: next}
	for _, k := range list {
		out.AccessKeyMetadata = append(out.AccessKeyMetadata, shape.AccessKeyMetadata{
			UserName: named(k.User), AccessKeyId: wire.Ptr(k.ID), Status: wire.Ptr(status(k)), CreateDate: wire.Ptr(k.CreatedAt),
		})
	}
	return out, err
}

// named is the name of a key's user; the root has none.
func named(user string) *string {
	if user == "" {
		return nil
	}
	return &user
}

func status(k model.AccessKey) string {
	if k.Inactive {
		return inactive
	}
	return active
}

// key finds a key of a user in a transaction.
func key(tx *store.Tx, user, id string) error {
	if _, ok := state.Users.Get(tx, user); !ok && user != "" {
		return noUser(user)
	}
	if k, ok := state.AccessKeys.Get(tx, id); !ok || k.User != user {
		return noEntity("The Access Key with id %s cannot be found.", id)
	}
	return nil
}

// UpdateAccessKey makes a key inactive, or active again. Errors: NoSuchEntity,
// ValidationError.
func (a *API) UpdateAccessKey(ctx context.Context, in *shape.UpdateAccessKeyInput) (*shape.UpdateAccessKeyOutput, error) {
	user, err := whose(ctx, in.UserName)
	if err != nil {
		return nil, err
	}
	if s := wire.Val(in.Status); s != active && s != inactive {
		return nil, wireInvalid("Status " + s + " cannot be set: give Active or Inactive.")
	}
	return &shape.UpdateAccessKeyOutput{}, a.update(ctx, func(tx *store.Tx) error {
		if err := key(tx, user, wire.Val(in.AccessKeyId)); err != nil {
			return err
		}
		return state.AccessKeys.Edit(tx, wire.Val(in.AccessKeyId), func(k *model.AccessKey) error {
			k.Inactive = wire.Val(in.Status) == inactive
			return nil
		})
	})
}

// unused is what IAM says of a key that was never used.
const unused = "N/A"

// GetAccessKeyLastUsed tells when a key last signed a call, to the minute, and of
// which service and Region: within a minute, of its first call (IAM API Reference,
// AccessKeyLastUsed). Errors: NoSuchEntity.
func (a *API) GetAccessKeyLastUsed(
	_ context.Context, in *shape.GetAccessKeyLastUsedInput,
) (*shape.GetAccessKeyLastUsedOutput, error) {
	id := wire.Val(in.AccessKeyId)
	k, ok := state.AccessKeys.Get(a.DB.View(), id)
	if !ok {
		return nil, noEntity("The Access Key with id %s cannot be found.", id)
	}
	last := shape.AccessKeyLastUsed{ServiceName: wire.Ptr(unused), Region: wire.Ptr(unused)}
	if !k.UsedAt.IsZero() {
		last = shape.AccessKeyLastUsed{LastUsedDate: &k.UsedAt, ServiceName: wire.Ptr(k.UsedService), Region: wire.Ptr(k.UsedRegion)}
	}
	return &shape.GetAccessKeyLastUsedOutput{UserName: named(k.User), AccessKeyLastUsed: &last}, nil
}

// DeleteAccessKey removes a key. Errors: NoSuchEntity, ValidationError.
func (a *API) DeleteAccessKey(ctx context.Context, in *shape.DeleteAccessKeyInput) (*shape.DeleteAccessKeyOutput, error) {
	user, err := whose(ctx, in.UserName)
	if err != nil {
		return nil, err
	}
	return &shape.DeleteAccessKeyOutput{}, a.update(ctx, func(tx *store.Tx) error {
		if err := key(tx, user, wire.Val(in.AccessKeyId)); err != nil {
			return err
		}
		return state.AccessKeys.Delete(tx, wire.Val(in.AccessKeyId))
	})
}
