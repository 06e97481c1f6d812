package access

import (
	"context"
	"strings"
	"time"

	"berth/internal/fault"
	"berth/internal/ident"
	"berth/internal/model"
	"berth/internal/state"
	"berth/internal/store"
)

// tokenMark begins every session token that Berth makes. A key that was
// removed after its end is still known to have been ours by it: it must not
// pass for a stranger's, who is root on loopback.
const tokenMark = "IQoJBERTH"

// NewKey draws a key for a role session that ends after ttl. It is not
// recorded.
func (a *Access) NewKey(role, session, subject string, ttl time.Duration) model.Credential {
	return model.Credential{
		AccessKeyID: "ASIA" + a.IDs.Upper(16), Secret: a.IDs.URLSafe(40), Token: tokenMark + a.IDs.URLSafe(160),
		Role: role, Session: session, For: subject, Expires: a.Clock.Now().Add(ttl),
	}
}

// Mint makes a key of a role for subject (an instance id, a task or function
// ARN, a caller) and records it. It does not ask whether the role may be
// assumed: Assume does.
func (a *Access) Mint(ctx context.Context, role, session, subject string, ttl time.Duration) (model.Credential, error) {
	return a.record(ctx, a.NewKey(role, session, subject, ttl), role)
}

// MintUser is Mint for a user who asks for temporary keys; "" is the root.
func (a *Access) MintUser(ctx context.Context, user, subject string, ttl time.Duration) (model.Credential, error) {
	c := a.NewKey("", "", subject, ttl)
	c.User = user
	return a.record(ctx, c, subject)
}

func (a *Access) record(ctx context.Context, c model.Credential, of string) (model.Credential, error) {
	err := a.DB.Update(ctx, writer, func(tx *store.Tx) error { return state.Credentials.Put(tx, c) })
	if err != nil {
		return model.Credential{}, fault.Wrap(fault.Unavailable, err, "record a key of %s", of)
	}
	return c, nil
}

// DrawKey draws a key without an end for a user; "" is the root. It is not
// recorded.
func DrawKey(ids *ident.Source, user string, now time.Time) model.AccessKey {
	return model.AccessKey{ID: "AKIA" + ids.Upper(16), Secret: ids.URLSafe(40), User: user, CreatedAt: now}
}

// RootKey makes the account's root a key if it has none; made is false if it
// has one, whose secret is not told again.
func (a *Access) RootKey(ctx context.Context) (k model.AccessKey, made bool, err error) {
	k = DrawKey(a.IDs, "", a.Clock.Now())
	err = a.DB.Update(ctx, writer, func(tx *store.Tx) error {
		if made = len(state.AccessKeys.By(tx, "user", model.KeyOwner(""))) == 0; made {
			return state.AccessKeys.Put(tx, k)
		}
		return nil
	})
	if err != nil {
		return k, false, fault.Wrap(fault.Unavailable, err, "record a key of the root")
	}
	return k, made, nil
}

// Used notes that a key without an end signed a call, once a minute at most: IAM
// tells the last use to the minute, and a call should cost no write. See
// front.Keys.
func (a *Access) Used(ctx context.Context, accessKey string, at time.Time, service, region string) {
	at = at.UTC().Truncate(time.Minute)
	if k, ok := state.AccessKeys.Get(a.DB.View(), accessKey); !ok || !k.UsedAt.Before(at) {
		return
	}
	// What cannot be written, as on a full disk, is noted by a later call.
	_ = a.DB.Update(ctx, writer, func(tx *store.Tx) error {
		if k, ok := state.AccessKeys.Get(tx, accessKey); !ok || !k.UsedAt.Before(at) {
			return nil
		}
		return state.AccessKeys.Edit(tx, accessKey, func(k *model.AccessKey) error {
			k.UsedAt, k.UsedService, k.UsedRegion = at, service, region
			return nil
		})
	})
}

// Key finds a key that Berth made. See front.Keys.
func (a *Access) Key(_ context.Context, accessKey, token string) (ident.Key, bool, error) {
	view := a.DB.View()
	if k, ok := state.AccessKeys.Get(view, accessKey); ok {
		return a.lasting(view, k)
	}
	c, ok := state.Credentials.Get(view, accessKey)
	if !ok {
		if strings.HasPrefix(token, tokenMark) {
			return ident.Key{}, false, fault.New(fault.Denied, "ExpiredToken", "The security token included in the request is expired")
		}
		return ident.Key{}, false, nil
	}
	k := ident.Key{ID: c.AccessKeyID, Secret: c.Secret, Token: c.Token, Expires: c.Expires, Principal: ident.AsRole(c.Role, c.Session)}
	switch {
	case c.User != "":
		k.Principal = ident.AsUser(c.User)
	case c.Role == "":
		k.Principal = ident.Root(a.Place)
	}
	return k, true, nil
}

// lasting is a key without an end. One that was made inactive is refused by
// name, also on loopback: it must not pass for a stranger's.
func (a *Access) lasting(r store.Reader, k model.AccessKey) (ident.Key, bool, error) {
	if k.Inactive {
		return ident.Key{}, false, fault.New(fault.Denied, "InvalidClientTokenId", "The security token included in the request is invalid.")
	}
	who := ident.Root(a.Place)
	if k.User != "" {
		u, _ := state.Users.Get(r, k.User)
		who = ident.AsUser(u.ARN)
	}
	return ident.Key{ID: k.ID, Secret: k.Secret, Principal: who}, true, nil
}
