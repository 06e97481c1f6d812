package sts_test

import (
	"testing"
	"time"

	"berth/internal/access"
	"berth/internal/api/sts"
	"berth/internal/clock"
	"berth/internal/fault"
	"berth/internal/ident"
	"berth/internal/model"
	"berth/internal/state"
	"berth/internal/store"
	"berth/internal/wire"
	shape "berth/internal/wire/shape/sts"
)

var start = time.Date(2026, 11, 23, 7, 0, 0, 0, time.UTC)

var place = ident.Place{Partition: "aws", Region: "ap-northeast-1", Account: "000000000000"}

func newAPI(t *testing.T) (*sts.API, *access.Access) {
	t.Helper()
	db, err := state.Open(t.Context(), store.NewMemory(), true)
	if err != nil {
		t.Fatal(err)
	}
	c := clock.NewStepped(start)
	err = db.Update(t.Context(), "api/iam", func(tx *store.Tx) error {
		return state.Roles.Put(tx, model.Role{
			Name: "r", ARN: place.GlobalARN("iam", "role/r"), ID: "AROAX", Path: "/", MaxSessionDuration: 7200,
			Trust: `{"Statement":{"Effect":"Allow","Principal":{"AWS":"*"},"Action":"sts:AssumeRole","Condition":{"StringEquals":{"sts:ExternalId":"e"}}}}`,
		})
	})
	if err != nil {
		t.Fatal(err)
	}
	a := access.New(access.Deps{DB: db, Clock: c, IDs: ident.Seeded(1), Place: place})
	return sts.New(sts.Deps{DB: db, Clock: c, Place: place, Access: a}), a
}

func TestAssumeRole(t *testing.T) {
	t.Parallel()
	api, keys := newAPI(t)
	root := wire.WithCall(t.Context(), wire.Call{Principal: ident.Root(place)})
	session := wire.WithCall(t.Context(), wire.Call{Principal: ident.AsRole(place.GlobalARN("iam", "role/r"), "s")})
	arn := wire.Ptr(place.GlobalARN("iam", "role/r"))
	out, err := api.AssumeRole(root, &shape.AssumeRoleInput{
		RoleArn: arn, RoleSessionName: wire.Ptr("me"), ExternalId: wire.Ptr("e"), DurationSeconds: wire.Ptr[int64](7200),
	})
	if err != nil {
		t.Fatal(err)
	}
	k, ok, err := keys.Key(t.Context(), wire.Val(out.Credentials.AccessKeyId), wire.Val(out.Credentials.SessionToken))
	if err != nil || !ok || k.Principal.ARN != wire.Val(out.AssumedRoleUser.Arn) || !k.Expires.Equal(start.Add(2*time.Hour)) ||
		wire.Val(out.AssumedRoleUser.AssumedRoleId) != "AROAX:me" {
		t.Errorf("%+v %v %v", k, ok, err)
	}
	for name, tt := range map[string]struct {
		ctx  int
		in   shape.AssumeRoleInput
		code string
	}{
		"no external id": {0, shape.AssumeRoleInput{RoleArn: arn, RoleSessionName: wire.Ptr("me")}, "AccessDenied"},
		"no such role":   {0, shape.AssumeRoleInput{RoleArn: wire.Ptr(*arn + "x"), RoleSessionName: wire.Ptr("me")}, "AccessDenied"},
		"no role at all": {
			0, shape.AssumeRoleInput{RoleArn: wire.Ptr("arn:aws:s3:::bucket/x"), RoleSessionName: wire.Ptr("me")}, "ValidationError",
		},
		"too long": {
			0,
			shape.AssumeRoleInput{RoleArn: arn, RoleSessionName: wire.Ptr("me"), ExternalId: wire.Ptr("e"), DurationSeconds: wire.Ptr[int64](7201)},
			"ValidationError",
		},
		"chained": {
			1,
			shape.AssumeRoleInput{RoleArn: arn, RoleSessionName: wire.Ptr("me"), ExternalId: wire.Ptr("e"), DurationSeconds: wire.Ptr[int64](3601)},
			"ValidationError",
		},
	} {
		ctx := root
		if tt.ctx == 1 {
			ctx = session
		}
		if _, err := api.AssumeRole(ctx, &tt.in); fault.CodeOf(err) != tt.code {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestWhoAmI(t *testing.T) {
	t.Parallel()
	api, keys := newAPI(t)
	root := wire.WithCall(t.Context(), wire.Call{Principal: ident.Root(place)})
	me, err := api.GetCallerIdentity(root, nil)
	if err != nil || *me.Arn != "arn:aws:iam::000000000000:root" || *me.UserId != place.Account {
		t.Error(me, err)
	}
	out, err := api.GetSessionToken(root, &shape.GetSessionTokenInput{DurationSeconds: wire.Ptr[int64](43200)})
	if err != nil || !out.Credentials.Expiration.Equal(start.Add(time.Hour)) {
		t.Fatal(out, err)
	}
	if k, ok, err := keys.Key(t.Context(), *out.Credentials.AccessKeyId, *out.Credentials.SessionToken); err != nil || !ok ||
		!k.Principal.Root {
		t.Error(k, err)
	}
	role := wire.WithCall(t.Context(), wire.Call{Principal: ident.AsRole(place.GlobalARN("iam", "role/r"), "s")})
	if me, err := api.GetCallerIdentity(role, nil); err != nil || *me.UserId != "AROAX:s" {
		t.Error(me, err)
	}
	if _, err := api.GetSessionToken(role, &shape.GetSessionTokenInput{}); !fault.Is(err, fault.Denied) {
		t.Error(err)
	}
}
