package ident_test

import (
	"regexp"
	"testing"

	"berth/internal/ident"
)

func TestASeedRepeatsItself(t *testing.T) {
	a, b := ident.Seeded(7), ident.Seeded(7)
	for range 100 {
		if x, y := a.UUID(), b.UUID(); x != y {
			t.Fatalf("%s and %s", x, y)
		}
	}
	if ident.Seeded(7).Hex(8) == ident.Seeded(8).Hex(8) {
		t.Error("two seeds give the same")
	}
}

func TestNamesHaveTheirShapes(t *testing.T) {
	s := ident.Seeded(1)
	for _, c := range []struct{ got, want string }{
		{s.EC2("vpc"), `^vpc-0[0-9a-f]{16}$`},
		{s.UUID(), `^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$`},
		{s.URLSafe(21), `^[A-Za-z0-9_-]{21}$`},
		{s.Upper(12), `^[A-Z0-9]{12}$`},
		{s.Digits(9), `^[1-9][0-9]{8}$`},
		{s.Decimal(), `^[1-9][0-9]{18}$`},
	} {
		if !regexp.MustCompile(c.want).MatchString(c.got) {
			t.Errorf("%q is not %s", c.got, c.want)
		}
	}
}

func TestARoleSessionIsNamedAsSTSNamesIt(t *testing.T) {
	p := ident.AsRole("arn:aws:iam::123456789012:role/path/web", "s1")
	if p.ARN != "arn:aws:sts::123456789012:assumed-role/web/s1" || p.Account != "123456789012" || p.Root {
		t.Errorf("%+v", p)
	}
	if _, ok := ident.ParseARN("arn:aws:ecs:r:a:"); ok {
		t.Error("an ARN without a resource was taken")
	}
}

// Principals are worded as AWS words them, and only users have names.
func TestPrincipals(t *testing.T) {
	t.Parallel()
	place := ident.Place{Partition: "aws", Region: "eu-west-1", Account: "000000000000"}
	for _, c := range []struct {
		p         ident.Principal
		arn, name string
	}{
		{ident.Root(place), "arn:aws:iam::000000000000:root", ""},
		{ident.AsUser("arn:aws:iam::000000000000:user/team/alice"), "arn:aws:iam::000000000000:user/team/alice", "alice"},
		{ident.AsRole("arn:aws:iam::000000000000:role/x/deploy", "ci"), "arn:aws:sts::000000000000:assumed-role/deploy/ci", ""},
		{
			ident.AsService(place, "ecs.amazonaws.com", "AWSServiceRoleForECS", "s"),
			"arn:aws:sts::000000000000:assumed-role/AWSServiceRoleForECS/s", "",
		},
	} {
		if c.p.ARN != c.arn || c.p.UserName() != c.name || c.p.Account != place.Account {
			t.Errorf("%+v is called %q, want %s %q", c.p, c.p.UserName(), c.arn, c.name)
		}
	}
	if got := place.ARN("ecs", "cluster/c"); got != "arn:aws:ecs:eu-west-1:000000000000:cluster/c" {
		t.Error(got)
	}
	if a, b := ident.Crypto().Bytes(16), ident.Crypto().Bytes(16); string(a) == string(b) {
		t.Error("chance repeats itself")
	}
}
