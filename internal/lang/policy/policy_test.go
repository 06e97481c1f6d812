package policy_test

import (
	"fmt"
	"regexp"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"berth/internal/fault"
	"berth/internal/lang/policy"
)

const role = "arn:aws:iam::000000000000:role/r"

var session = policy.Principal{ARN: "arn:aws:sts::000000000000:assumed-role/r/s", Role: role, Account: "000000000000"}

func parse(t testing.TB, text string) policy.Named {
	t.Helper()
	d, err := policy.Parse(text)
	if err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	return policy.Named{Name: "p", Document: d}
}

func statement(body string) string {
	return `{"Version":"2012-10-17","Statement":[{` + body + `}]}`
}

func TestStatements(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name, body, action, resource string
		keys                         map[string][]string
		want                         bool
	}{
		{"exact", `"Effect":"Allow","Action":"ecs:RunTask","Resource":"*"`, "ecs:RunTask", "x", nil, true},
		{"case of actions", `"Effect":"Allow","Action":"ECS:runtask","Resource":"*"`, "ecs:RunTask", "x", nil, true},
		{"wildcard", `"Effect":"Allow","Action":["ecs:Run*","s3:?et"],"Resource":"*"`, "s3:Get", "x", nil, true},
		{"other action", `"Effect":"Allow","Action":"ecs:Run","Resource":"*"`, "ecs:RunTask", "x", nil, false},
		{"not action", `"Effect":"Allow","NotAction":"iam:*","Resource":"*"`, "ecs:RunTask", "x", nil, true},
		{"not action, excluded", `"Effect":"Allow","NotAction":"iam:*","Resource":"*"`, "iam:PassRole", "x", nil, false},
		{
			"resource", `"Effect":"Allow","Action":"iam:PassRole","Resource":"arn:aws:iam::*:role/ecsInstanceRole*"`, "iam:PassRole",
			"arn:aws:iam::1:role/ecsInstanceRole-dev", nil, true,
		},
		{
			"resource case", `"Effect":"Allow","Action":"iam:PassRole","Resource":"arn:aws:iam::*:role/ecsInstanceRole*"`, "iam:PassRole",
			"arn:aws:iam::1:role/ECSInstanceRole", nil, false,
		},
		{"not resource", `"Effect":"Allow","Action":"*","NotResource":"arn:a"`, "a:b", "arn:b", nil, true},
		{"variable", `"Effect":"Allow","Action":"*","Resource":"arn:${aws:x}/*"`, "a:b", "arn:q/1", map[string][]string{"aws:X": {"q"}}, true},
		{
			"variable is literal", `"Effect":"Allow","Action":"*","Resource":"arn:${aws:x}"`, "a:b", "arn:anything",
			map[string][]string{"aws:x": {"*"}}, false,
		},
		{"variable missing", `"Effect":"Allow","Action":"*","Resource":["arn:${aws:x}","no"]`, "a:b", "arn:${aws:x}", nil, false},
		{"variable default", `"Effect":"Allow","Action":"*","Resource":"arn:${aws:x, 'd'}"`, "a:b", "arn:d", nil, true},
		{"escaped star", `"Effect":"Allow","Action":"*","Resource":"a${*}b"`, "a:b", "a*b", nil, true},
		{"escaped star is no wildcard", `"Effect":"Allow","Action":"*","Resource":"a${*}b"`, "a:b", "axb", nil, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			d := policy.Evaluate(&policy.Request{Principal: session, Action: tt.action, Resource: tt.resource, Keys: tt.keys}, policy.Set{
				Identity: []policy.Named{parse(t, statement(tt.body))},
			})
			if d.Allowed != tt.want {
				t.Errorf("%v: %v", tt.want, d)
			}
		})
	}
}

func TestConditions(t *testing.T) {
	t.Parallel()
	keys := map[string][]string{
		"aws:one": {"a"}, "aws:many": {"a", "b"}, "aws:n": {"5"}, "aws:ip": {"10.1.2.3"}, "aws:date": {"2026-11-23T07:00:00Z"},
		"aws:arn": {"arn:aws:iam::1:role/x"}, "aws:true": {"true"}, "iam:PassedToService": {"ec2.amazonaws.com"}, "aws:six": {"2001:db8::1"},
		"aws:bin": {"AQI="},
	}
	tests := map[string]bool{
		`{"StringEquals":{"AWS:One":"a"}}`:                            true,
		`{"StringEquals":{"aws:one":["x","a"]}}`:                      true,
		`{"StringEquals":{"aws:one":"A"}}`:                            false,
		`{"StringEquals":{"aws:none":"a"}}`:                           false,
		`{"StringEqualsIfExists":{"aws:none":"a"}}`:                   true,
		`{"StringNotEquals":{"aws:one":["x","a"]}}`:                   false,
		`{"StringNotEquals":{"aws:none":"a"}}`:                        true,
		`{"StringEqualsIgnoreCase":{"aws:one":"A"}}`:                  true,
		`{"StringNotEqualsIgnoreCase":{"aws:one":"A"}}`:               false,
		`{"StringLike":{"iam:PassedToService":"ec2.*"}}`:              true,
		`{"StringNotLike":{"iam:PassedToService":"ec2.*"}}`:           false,
		`{"StringEquals":{"aws:one":"a","aws:n":"6"}}`:                false,
		`{"StringEquals":{"aws:one":"${aws:one}"}}`:                   true,
		`{"StringEquals":{"aws:one":"${aws:none}"}}`:                  false,
		`{"ForAnyValue:StringEquals":{"aws:many":["b","c"]}}`:         true,
		`{"ForAllValues:StringEquals":{"aws:many":["b","c"]}}`:        false,
		`{"ForAllValues:StringEquals":{"aws:many":["a","b","c"]}}`:    true,
		`{"ForAllValues:StringEquals":{"aws:none":"a"}}`:              true,
		`{"ForAnyValue:StringEquals":{"aws:none":"a"}}`:               false,
		`{"ForAnyValue:StringNotEquals":{"aws:many":"a"}}`:            true,
		`{"ForAllValues:StringNotEquals":{"aws:many":"a"}}`:           false,
		`{"NumericLessThan":{"aws:n":6}}`:                             true,
		`{"NumericLessThanEquals":{"aws:n":"5"}}`:                     true,
		`{"NumericGreaterThan":{"aws:n":5}}`:                          false,
		`{"NumericGreaterThanEquals":{"aws:n":5.0}}`:                  true,
		`{"NumericEquals":{"aws:n":"5.0"}}`:                           true,
		`{"NumericNotEquals":{"aws:n":"5.0"}}`:                        false,
		`{"NumericEquals":{"aws:one":1}}`:                             false,
		`{"DateGreaterThan":{"aws:date":"2026-11-22"}}`:               true,
		`{"DateLessThan":{"aws:date":"2026-11-23T07:00:00Z"}}`:        false,
		`{"DateLessThanEquals":{"aws:date":"1795417200"}}`:            true,
		`{"DateEquals":{"aws:date":"2026-11-23T08:00:00+01:00"}}`:     true,
		`{"DateNotEquals":{"aws:date":"2026-11-23T08:00:00+01:00"}}`:  false,
		`{"DateGreaterThanEquals":{"aws:date":"2027"}}`:               false,
		`{"Bool":{"aws:true":true}}`:                                  true,
		`{"Bool":{"aws:true":"FALSE"}}`:                               false,
		`{"BinaryEquals":{"aws:bin":"AQI="}}`:                         true,
		`{"IpAddress":{"aws:ip":"10.1.0.0/16"}}`:                      true,
		`{"IpAddress":{"aws:ip":["192.168.0.1","10.1.2.3"]}}`:         true,
		`{"NotIpAddress":{"aws:ip":"10.1.0.0/16"}}`:                   false,
		`{"IpAddress":{"aws:six":"2001:db8::/32"}}`:                   true,
		`{"ArnLike":{"aws:arn":"arn:aws:iam::*:role/*"}}`:             true,
		`{"ArnEquals":{"aws:arn":"arn:aws:*:role/x"}}`:                false,
		`{"ArnNotLike":{"aws:arn":"arn:aws:iam::*:role/*"}}`:          false,
		`{"ArnNotEquals":{"aws:arn":"arn:aws:iam::2:role/x"}}`:        true,
		`{"Null":{"aws:none":"true"}}`:                                true,
		`{"Null":{"aws:one":"true"}}`:                                 false,
		`{"Null":{"aws:one":"false"}}`:                                true,
		`{"Null":{"aws:none":"true"},"StringEquals":{"aws:one":"a"}}`: true,
	}
	for cond, want := range tests {
		p := parse(t, statement(`"Effect":"Allow","Action":"*","Resource":"*","Condition":`+cond))
		d := policy.Evaluate(&policy.Request{Principal: session, Action: "a:b", Resource: "r", Keys: keys}, policy.Set{
			Identity: []policy.Named{p},
		})
		if d.Allowed != want {
			t.Errorf("%s: %v, want %v", cond, d.Allowed, want)
		}
	}
}

func TestLayers(t *testing.T) {
	t.Parallel()
	allow := parse(t, statement(`"Effect":"Allow","Action":"ecs:*","Resource":"*"`))
	deny := parse(t, statement(`"Sid":"no","Effect":"Deny","Action":"ecs:RunTask","Resource":"*"`))
	other := parse(t, statement(`"Effect":"Allow","Action":"s3:*","Resource":"*"`))
	forRole := parse(t, statement(`"Effect":"Allow","Principal":{"AWS":"`+role+`"},"Action":"ecs:*","Resource":"*"`))
	forAccount := parse(t, statement(`"Effect":"Allow","Principal":{"AWS":"000000000000"},"Action":"ecs:*","Resource":"*"`))
	tests := []struct {
		name string
		set  policy.Set
		want string
	}{
		{"nothing", policy.Set{}, "no identity-based policy allows it"},
		{"allowed", policy.Set{Identity: []policy.Named{other, allow}}, "allowed by statement 1 of policy p"},
		{"denied wins", policy.Set{Identity: []policy.Named{allow, deny}}, "denied by statement 1 (no) of policy p"},
		{"boundary limits", policy.Set{Identity: []policy.Named{allow}, Boundary: &other}, "no permissions boundary allows it"},
		{"boundary gives nothing", policy.Set{Boundary: &allow}, "no identity-based policy allows it"},
		{"boundary denies", policy.Set{Identity: []policy.Named{allow}, Boundary: &deny}, "denied by statement 1 (no) of policy p"},
		{"resource names the role", policy.Set{Resource: &forRole}, "allowed by statement 1 of policy p"},
		{"resource names the account", policy.Set{Resource: &forAccount}, "no identity-based policy allows it"},
		{"deny beats the resource", policy.Set{Identity: []policy.Named{deny}, Resource: &forRole}, "denied by statement 1 (no) of policy p"},
	}
	for _, tt := range tests {
		d := policy.Evaluate(&policy.Request{Principal: session, Action: "ecs:RunTask", Resource: "*"}, tt.set)
		if d.String() != tt.want {
			t.Errorf("%s: %s, want %s", tt.name, d, tt.want)
		}
	}
}

func TestTrust(t *testing.T) {
	t.Parallel()
	ecs := policy.Principal{Service: "ecs.amazonaws.com"}
	tests := []struct {
		principal           string
		who                 policy.Principal
		allowed, delegation bool
	}{
		{`{"Service":"ecs.amazonaws.com"}`, ecs, true, false},
		{`{"Service":["ec2.amazonaws.com","ecs.amazonaws.com"]}`, ecs, true, false},
		{`{"Service":"ecs-tasks.amazonaws.com"}`, ecs, false, false},
		{`{"AWS":"000000000000"}`, ecs, false, false},
		{`{"AWS":"000000000000"}`, session, true, true},
		{`{"AWS":"arn:aws:iam::000000000000:root"}`, session, true, true},
		{`{"AWS":"` + role + `"}`, session, true, false},
		{`{"AWS":"` + session.ARN + `"}`, session, true, false},
		{`{"AWS":"111111111111"}`, session, false, false},
		{`"*"`, session, true, false},
		{`{"AWS":"000000000000"}`, policy.Principal{Root: true, Account: "000000000000"}, true, false},
	}
	for _, tt := range tests {
		p := parse(t, statement(`"Effect":"Allow","Principal":`+tt.principal+`,"Action":"sts:AssumeRole"`))
		d, delegated := policy.Trusts(&policy.Request{Principal: tt.who, Action: "sts:AssumeRole", Resource: role}, p)
		if d.Allowed != tt.allowed || delegated != tt.delegation {
			t.Errorf("%s, %+v: %v %v", tt.principal, tt.who, d.Allowed, delegated)
		}
	}
	not := parse(t, statement(`"Effect":"Deny","NotPrincipal":{"AWS":"`+role+`"},"Action":"*","Resource":"*"`))
	all := parse(t, statement(`"Effect":"Allow","Action":"*","Resource":"*"`))
	if d := policy.Evaluate(&policy.Request{Principal: session, Action: "a:b", Resource: "x"}, policy.Set{
		Identity: []policy.Named{all}, Resource: &not,
	}); !d.Allowed {
		t.Error("NotPrincipal caught the one it excepts:", d)
	}
}

func TestForm(t *testing.T) {
	t.Parallel()
	tests := []struct {
		kind       policy.Kind
		text, want string
	}{
		{policy.Identity, statement(`"Effect":"Allow","Action":"ecs:*","Resource":"*"`), ""},
		{policy.Identity, `{"Statement":{"Effect":"Allow","Action":"*","Resource":"arn:aws:s3:::b/*"}}`, ""},
		{policy.Identity, `{`, "Syntax errors in policy."},
		{policy.Identity, `{} x`, "Syntax errors in policy."},
		{policy.Identity, `{"Version":"2012-10-17"}`, "Syntax errors in policy."},
		{policy.Identity, `{"Version":"2012-10-18","Statement":[]}`, "Policy document must be version 2012-10-17 or greater."},
		{policy.Identity, statement(`"Effect":"Maybe","Action":"*","Resource":"*"`), "Syntax errors in policy."},
		{policy.Identity, statement(`"Effect":"Allow","Action":"*","Resource":"*","Colour":"red"`), "Syntax errors in policy."},
		{policy.Identity, statement(`"Effect":"Allow","Effect":"Deny","Action":"*","Resource":"*"`), "Syntax errors in policy."},
		{policy.Identity, statement(`"Effect":"Allow","Resource":"*"`), "Policy statement must contain actions."},
		{policy.Identity, statement(`"Effect":"Allow","Action":"*"`), "Policy statement must contain resources."},
		{
			policy.Identity, statement(`"Effect":"Allow","Action":"RunTask","Resource":"*"`),
			"Actions/Conditions must be prefaced by a vendor, e.g., iam, sdb, ec2, etc.",
		},
		{policy.Identity, statement(`"Effect":"Allow","Action":"a:b:c","Resource":"*"`), "Actions/Condition can contain only one colon."},
		{policy.Identity, statement(`"Effect":"Allow","Action":"*","Resource":"bucket"`), `Resource bucket must be in ARN format or "*".`},
		{
			policy.Identity, statement(`"Effect":"Allow","Action":"*","Resource":"arn:moon:s3:::b"`),
			`Partition "moon" is not valid for resource "arn:moon:s3:::b".`,
		},
		{
			policy.Identity, statement(`"Effect":"Allow","Principal":"*","Action":"*","Resource":"*"`),
			"Policy document should not specify a principal.",
		},
		{
			policy.Identity, statement(`"Effect":"Allow","Action":"*","Resource":"*","Condition":{"Sounds":{"a":"b"}}`),
			"Invalid Condition type : Sounds.",
		},
		{
			policy.Identity,
			`{"Statement":[{"Sid":"a","Effect":"Allow","Action":"*","Resource":"*"},{"Sid":"a","Effect":"Allow","Action":"*","Resource":"*"}]}`,
			"Statement IDs (SID) in a single policy must be unique.",
		},
		{policy.Trust, statement(`"Effect":"Allow","Principal":{"Service":"ecs.amazonaws.com"},"Action":"sts:AssumeRole"`), ""},
		{
			policy.Trust, statement(`"Effect":"Allow","Principal":{"Service":"ecs"},"Action":"sts:AssumeRole"`),
			`Invalid principal in policy: "SERVICE":"ecs"`,
		},
		{
			policy.Trust, statement(`"Effect":"Allow","Principal":{"AWS":"somebody"},"Action":"sts:AssumeRole"`),
			`Invalid principal in policy: "AWS":"somebody"`,
		},
		{policy.Trust, statement(`"Effect":"Allow","Action":"sts:AssumeRole"`), "Missing required field Principal cannot be empty!"},
		{policy.Trust, statement(`"Effect":"Allow","Principal":"*","Action":"sts:AssumeRole","Resource":"*"`), "Has prohibited field Resource"},
		{
			policy.Trust, statement(`"Effect":"Allow","Principal":"*","Action":"ecs:RunTask"`),
			"AssumeRole policy may only specify STS AssumeRole actions.",
		},
		{policy.Resource, statement(`"Effect":"Allow","Action":"*","Resource":"*"`), "Policy statement must contain principals."},
	}
	for _, tt := range tests {
		_, err := policy.Check(tt.kind, tt.text)
		got := ""
		if err != nil {
			got = fault.MessageOf(err)
		}
		if got != tt.want || err != nil && fault.CodeOf(err) != "MalformedPolicyDocument" {
			t.Errorf("%s: %q, want %q", tt.text, got, tt.want)
		}
	}
}

// A pattern matches what the regular expression of the same meaning matches.
func TestPatternsAreTheirRegexps(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		p := rapid.StringOfN(rapid.RuneFrom([]rune("ab*?:é")), 0, 12, -1).Draw(t, "pattern")
		s := rapid.StringOfN(rapid.RuneFrom([]rune("ab:é")), 0, 12, -1).Draw(t, "text")
		re := regexp.MustCompile("^(?s:" + strings.NewReplacer(`\*`, ".*", `\?`, ".").Replace(regexp.QuoteMeta(p)) + ")$")
		if got, want := policy.MatchAction(p, s), re.MatchString(s); got != want {
			t.Fatalf("%q %q: %v", p, s, got)
		}
	})
}

func drawPolicy(t *rapid.T, name string) policy.Named {
	effect := rapid.SampledFrom([]string{"Allow", "Deny"})
	action := rapid.SampledFrom([]string{"*", "a:*", "a:x", "b:y", "a:?"})
	resource := rapid.SampledFrom([]string{"*", "arn:one", "arn:*"})
	var parts []string
	for i := range rapid.IntRange(1, 3).Draw(t, name+" statements") {
		n := fmt.Sprintf("%s %d", name, i)
		parts = append(
			parts,
			fmt.Sprintf(
				`{"Effect":%q,"Action":%q,"Resource":%q}`, effect.Draw(t, n+" effect"), action.Draw(t, n+" action"), resource.Draw(t, n+" resource"),
			),
		)
	}
	d, err := policy.Parse(`{"Version":"2012-10-17","Statement":[` + strings.Join(parts, ",") + `]}`)
	if err != nil {
		t.Fatal(err)
	}
	return policy.Named{Name: name, Document: d}
}

// The laws of evaluation: the order of policies does not matter; adding a
// deny never allows; adding an allow never denies; a boundary never gives.
func TestLaws(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		a, b := drawPolicy(t, "a"), drawPolicy(t, "b")
		r := &policy.Request{
			Principal: session, Action: rapid.SampledFrom([]string{"a:x", "b:y", "c:z"}).Draw(t, "action"),
			Resource: rapid.SampledFrom([]string{"arn:one", "arn:two"}).Draw(t, "resource"),
		}
		eval := func(ps ...policy.Named) bool { return policy.Evaluate(r, policy.Set{Identity: ps}).Allowed }
		if eval(a, b) != eval(b, a) {
			t.Fatal("order matters")
		}
		all, _ := policy.Parse(statement(`"Effect":"Allow","Action":"*","Resource":"*"`))
		none, _ := policy.Parse(statement(`"Effect":"Deny","Action":"*","Resource":"*"`))
		if eval(a) && !eval(a, policy.Named{Document: all}) {
			t.Fatal("an allow took something away")
		}
		if eval(a, policy.Named{Document: none}) {
			t.Fatal("a deny did not hold")
		}
		if bounded := policy.Evaluate(r, policy.Set{Identity: []policy.Named{a}, Boundary: &b}).Allowed; bounded && !eval(a) {
			t.Fatal("a boundary gave something")
		}
	})
}

func FuzzParse(f *testing.F) {
	f.Add(
		statement(
			`"Effect":"Allow","Principal":{"AWS":["1"]},"Action":["a:*"],"Resource":"arn:${aws:x,'d'}*","Condition":{"ForAnyValue:ArnLikeIfExists":{"k":["a:b:c:d:e:f:g",1,true]}}`,
		),
		"a:b", "arn:aws:x:y:z:w",
	)
	f.Add(`{"Statement":[{"Effect":"Deny","NotPrincipal":"*","NotAction":"*","NotResource":"${"}]}`, "", "${")
	f.Fuzz(func(_ *testing.T, text, action, value string) {
		for _, k := range []policy.Kind{policy.Identity, policy.Trust, policy.Resource} {
			_, _ = policy.Check(k, text)
		}
		d, err := policy.Parse(text)
		if err != nil {
			return
		}
		n := policy.Named{Name: "n", Document: d}
		r := &policy.Request{Principal: session, Action: action, Resource: value, Keys: map[string][]string{"k": {value}, "aws:x": {value}}}
		_ = policy.Evaluate(r, policy.Set{Identity: []policy.Named{n}, Boundary: &n, Resource: &n}).String()
		policy.Trusts(r, n)
	})
}
