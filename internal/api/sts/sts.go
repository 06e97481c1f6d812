// Package sts is the API of the Security Token Service: who am I, and keys
// of a role.
//
// It owns no records: package access makes and keeps the keys, and decides
// who may assume what. Safe for concurrent use.
package sts

import (
	"context"
	_ "embed"
	"strings"
	"time"

	"berth/internal/access"
	"berth/internal/clock"
	"berth/internal/fault"
	"berth/internal/ident"
	"berth/internal/model"
	"berth/internal/state"
	"berth/internal/wire"
	shape "berth/internal/wire/shape/sts"
)

// Fields says which request members are built.
//
//go:embed fields.txt
var Fields string

// Resources says which resources a call is about.
//
//go:embed resources.txt
var Resources string

// Open lists the operations that need no permission, or that ask the role's
// trust policy themselves.
var Open = []string{"GetCallerIdentity", "GetSessionToken", "AssumeRole", "GetAccessKeyInfo"}

// Deps are what the API needs.
type Deps struct {
	DB     *state.DB
	Clock  clock.Clock
	Place  ident.Place
	Access *access.Access
}

// API answers the operations.
type API struct {
	shape.Unimplemented
	Deps
}

var _ shape.Operations = (*API)(nil)

// New makes the API.
func New(d Deps) *API { return &API{Deps: d} }

// GetCallerIdentity says who calls. It needs no permission.
func (a *API) GetCallerIdentity(ctx context.Context, _ *shape.GetCallerIdentityInput) (*shape.GetCallerIdentityOutput, error) {
	who := wire.CallFrom(ctx).Principal
	id := who.Account
	view := a.DB.View()
	if role, ok := state.Roles.One(view, "arn", who.Role); ok {
		id = role.ID + ":" + who.Session
	}
	if user, ok := state.Users.One(view, "arn", who.ARN); ok {
		id = user.ID
	}
	return &shape.GetCallerIdentityOutput{UserId: wire.Ptr(id), Account: wire.Ptr(who.Account), Arn: wire.Ptr(who.ARN)}, nil
}

// GetAccessKeyInfo names the account of a key.
func (a *API) GetAccessKeyInfo(context.Context, *shape.GetAccessKeyInfoInput) (*shape.GetAccessKeyInfoOutput, error) {
	return &shape.GetAccessKeyInfoOutput{Account: wire.Ptr(a.Place.Account)}, nil
}

// chained is the longest session of a role that another role's session
// assumes.
const chained = 3600

// AssumeRole makes a session of a role. Errors: AccessDenied,
// ValidationError.
func (a *API) AssumeRole(ctx context.Context, in *shape.AssumeRoleInput) (*shape.AssumeRoleOutput, error) {
	view, call := a.DB.View(), wire.CallFrom(ctx)
	arn, session := wire.Val(in.RoleArn), wire.Val(in.RoleSessionName)
	if p, ok := ident.ParseARN(arn); !ok || p.Service != "iam" || !strings.HasPrefix(p.Resource, "role/") {
		return nil, shape.Meta.Refuse("%s is invalid", arn)
	}
	keys := map[string]string{"sts:RoleSessionName": session}
	if in.ExternalId != nil {
		keys["sts:ExternalId"] = *in.ExternalId
	}
	who, err := a.Access.AssumeBy(view, call.Principal, arn, session, keys)
	if err != nil {
		return nil, err
	}
	role, _ := state.Roles.One(view, "arn", arn)
	life := wire.Or(in.DurationSeconds, 3600)
	switch {
	case life > role.MaxSessionDuration && in.DurationSeconds != nil:
		return nil, shape.Meta.Refuse("The requested DurationSeconds exceeds the MaxSessionDuration set for this role.")
	case life > chained && call.Principal.Role != "":
		return nil, shape.Meta.Refuse("The requested DurationSeconds exceeds the 1 hour session limit for roles assumed by role chaining.")
	}
	c, err := a.Access.Mint(ctx, arn, session, call.Principal.ARN, time.Duration(life)*time.Second)
	if err != nil {
		return nil, err
	}
	return &shape.AssumeRoleOutput{
		Credentials: shown(c), AssumedRoleUser: &shape.AssumedRoleUser{AssumedRoleId: wire.Ptr(role.ID + ":" + session), Arn: wire.Ptr(who.ARN)},
	}, nil
}

// GetSessionToken makes temporary keys of the caller: of the root for up to an
// hour, of a user for up to a day and a half, half a day if nothing is said.
// Errors: AccessDenied for a role session.
func (a *API) GetSessionToken(ctx context.Context, in *shape.GetSessionTokenInput) (*shape.GetSessionTokenOutput, error) {
	who := wire.CallFrom(ctx).Principal
	life, user := wire.Or(in.DurationSeconds, 43_200), who.ARN
	switch {
	case who.Root:
		life, user = min(life, 3600), ""
	case who.UserName() == "":
		return nil, fault.New(fault.Denied, "AccessDenied", "Cannot call GetSessionToken with session credentials")
	}
	c, err := a.Access.MintUser(ctx, user, who.ARN, time.Duration(life)*time.Second)
	if err != nil {
		return nil, err
	}
	return &shape.GetSessionTokenOutput{Credentials: shown(c)}, nil
}

func shown(c model.Credential) *shape.Credentials {
	return &shape.Credentials{
		AccessKeyId: wire.Ptr(c.AccessKeyID), SecretAccessKey: wire.Ptr(c.Secret), SessionToken: wire.Ptr(c.Token),
		Expiration: wire.Ptr(c.Expires),
	}
}
