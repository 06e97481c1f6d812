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
	c := a.NewKey(role, session, subject, ttl)
	err := a.DB.Update(ctx, writer, func(tx *store.Tx) error { return state.Credentials.Put(tx, c) })
	if err != nil {
		return model.Credential{}, fault.Wrap(fault.Unavailable, err, "record a key of %s", role)
	}
	return c, nil
}

// Key finds a key that Berth made. See front.Keys.
func (a *Access) Key(_ context.Context, accessKey, token string) (ident.Key, bool, error) {
	c, ok := state.Credentials.Get(a.DB.View(), accessKey)
	if !ok {
		if strings.HasPrefix(token, tokenMark) {
			return ident.Key{}, false, fault.New(fault.Denied, "ExpiredToken", "The security token included in the request is expired")
		}
		return ident.Key{}, false, nil
	}
	k := ident.Key{ID: c.AccessKeyID, Secret: c.Secret, Token: c.Token, Expires: c.Expires, Principal: ident.AsRole(c.Role, c.Session)}
	if c.Role == "" {
		k.Principal = ident.Root(a.Place)
	}
	return k, true, nil
}
