package template_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"berth/internal/lang/template"
)

const before = `
Resources:
  Net: {Type: AWS::EC2::VPC, Properties: {CidrBlock: 10.0.0.0/16, EnableDnsSupport: true}}
  Sub:
    Type: AWS::EC2::Subnet
    Properties: {VpcId: !Ref Net, CidrBlock: 10.0.0.0/24}
  Logs: {Type: AWS::Logs::LogGroup, Properties: {RetentionInDays: 7}}
`

// exists makes what deploying a body would have made.
func exists(t *testing.T, body string) map[string]template.Existing {
	t.Helper()
	b, err := bind(body, nil)
	if err != nil {
		t.Fatal(err)
	}
	out := map[string]template.Existing{}
	for _, r := range b.Active() {
		props, err := b.Properties(r.ID, func(id, att string) (any, bool) {
			if att == "" {
				return "phys-" + id, true
			}
			return id + "." + att, true
		})
		if err != nil {
			t.Fatal(err)
		}
		kind, _ := template.TypeOf(r.Type)
		coerced, _ := kind.Coerce(props)
		out[r.ID] = template.Existing{Type: r.Type, PhysicalID: "phys-" + r.ID, Properties: coerced, Attributes: map[string]any{}}
	}
	return out
}

// Proves: D90
func TestDifference(t *testing.T) {
	t.Parallel()
	cases := []struct {
		name     string
		from, to string
		want     []string
	}{
		{"nothing", "", "", nil},
		{"in place", "EnableDnsSupport: true", "EnableDnsSupport: false", []string{"Modify Net False EnableDnsSupport:Never"}},
		{"same in other words", "EnableDnsSupport: true", "EnableDnsSupport: 'true'", nil},
		{
			"replace spreads", "CidrBlock: 10.0.0.0/16", "CidrBlock: 10.1.0.0/16",
			[]string{"Modify Net True CidrBlock:Always", "Modify Sub Conditional VpcId:Always?Net"},
		},
		{"drop a property", "{RetentionInDays: 7}", "{}", []string{"Modify Logs False RetentionInDays:Never"}},
		{"remove", "  Logs: {Type: AWS::Logs::LogGroup, Properties: {RetentionInDays: 7}}\n", "", []string{"Remove Logs "}},
		{"add", "  Logs:", "  More: {Type: AWS::Logs::LogGroup}\n  Logs:", []string{"Add More "}},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			b, err := bind(strings.Replace(before, c.from, c.to, 1), nil)
			if err != nil {
				t.Fatal(err)
			}
			changes, err := template.Difference(b, exists(t, before), false)
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			for _, ch := range changes {
				got = append(got, render(ch))
			}
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func render(c template.Change) string {
	s := c.Action + " " + c.ID + " " + c.Replacement
	for _, p := range c.Properties {
		s += " " + p.Name + ":" + string(p.Recreation)
		if p.Unknown != nil {
			s += "?" + strings.Join(p.Unknown.Of, ",")
		}
	}
	return s
}

func TestTheTypeOfAResourceMayNotChange(t *testing.T) {
	t.Parallel()
	b, err := bind(
		strings.Replace(
			before, "Logs: {Type: AWS::Logs::LogGroup, Properties: {RetentionInDays: 7}}", "Logs: {Type: AWS::EC2::InternetGateway}", 1,
		),
		nil,
	)
	if err != nil {
		t.Fatal(err)
	}
	_, err = template.Difference(b, exists(t, before), false)
	if err == nil || !strings.Contains(err.Error(), "modifies resource type of the following resources: [Logs]") {
		t.Errorf("got %v", err)
	}
}

func TestATemplateDoesNotDifferFromWhatItMade(t *testing.T) {
	t.Parallel()
	body := fixture(t)
	b, err := bind(body, nil)
	if err != nil {
		t.Fatal(err)
	}
	made := exists(t, body)
	for id, e := range made {
		e.Attributes = map[string]any{"Arn": id + ".Arn", "DNSName": id + ".DNSName", "Name": id + ".Name"}
		made[id] = e
	}
	changes, err := template.Difference(b, made, false)
	if err != nil || len(changes) > 0 {
		t.Errorf("%v, %v", changes, err)
	}
}

// Whatever the edges, the order respects them, or a circle is named whose
// members all reach themselves.
func TestSortHoldsItsLaws(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(r *rapid.T) {
		ids := []string{"a", "b", "c", "d", "e", "f"}
		deps := map[string][]string{}
		for _, id := range ids {
			deps[id] = rapid.SliceOfDistinct(rapid.SampledFrom(ids), rapid.ID[string]).Draw(r, id)
			if len(deps[id]) > 2 {
				deps[id] = deps[id][:2]
			}
		}
		order, circle := template.Sort(ids, deps)
		at := map[string]int{}
		for i, id := range order {
			at[id] = i + 1
		}
		for _, id := range order {
			for _, d := range deps[id] {
				if at[d] == 0 || at[d] >= at[id] {
					r.Fatalf("%s at %d before %s at %d", id, at[id], d, at[d])
				}
			}
		}
		if (len(circle) == 0) != (len(order) == len(ids)) {
			r.Fatalf("order %v, circle %v", order, circle)
		}
		for _, id := range circle {
			if !template.Reaches(id, id, deps) {
				r.Fatalf("%s is in no circle", id)
			}
		}
	})
}

// Coercing twice changes nothing: what is stored compares equal to what is
// computed again.
func TestCoercionIsStable(t *testing.T) {
	t.Parallel()
	kind, _ := template.TypeOf("AWS::ElasticLoadBalancingV2::TargetGroup")
	rapid.Check(t, func(r *rapid.T) {
		props := map[string]any{
			"Port":     template.Scalar(rapid.StringMatching(`[1-9][0-9]{0,3}`).Draw(r, "port")),
			"Matcher":  map[string]any{"HttpCode": template.Scalar(rapid.StringMatching(`[0-9]{3}`).Draw(r, "code"))},
			"Protocol": "HTTP",
		}
		once, problems := kind.Coerce(props)
		if len(problems) > 0 {
			r.Fatal(problems)
		}
		twice, problems := kind.Coerce(once)
		if len(problems) > 0 || len(kind.Changes(once, twice)) > 0 {
			r.Fatalf("%v became %v (%v)", once, twice, problems)
		}
	})
}

func FuzzParse(f *testing.F) {
	f.Add(before)
	f.Add("{\"Resources\": {\"A\": {\"Type\": \"AWS::Logs::LogGroup\"}}}")
	f.Add(
		"Transform: AWS::LanguageExtensions\nResources:\n  Fn::ForEach::L:\n    - X\n    - [a, b]\n    - G${X}: {Type: AWS::Logs::LogGroup}\n",
	)
	f.Add(group("!Sub ['${a}', {a: !Select [0, !Cidr [10.0.0.0/8, 2, 8]]}]"))
	f.Fuzz(func(t *testing.T, body string) {
		b, err := bind(body, nil)
		if err != nil {
			return
		}
		if len(b.Order()) != len(b.Active()) {
			t.Errorf("%d ordered of %d", len(b.Order()), len(b.Active()))
		}
		if _, err := template.Difference(b, nil, true); err != nil {
			t.Errorf("a valid template has no difference: %v", err)
		}
	})
}

func TestEveryBuiltTypeHasFacts(t *testing.T) {
	t.Parallel()
	names := template.TypeNames()
	if len(names) < 24 {
		t.Fatalf("only %d types", len(names))
	}
	for _, n := range names {
		kind, ok := template.TypeOf(n)
		if !ok || kind.Ref == "" {
			t.Errorf("%s has no Ref", n)
		}
	}
}

func TestUpdatable(t *testing.T) {
	t.Parallel()
	provider, _ := template.TypeOf("AWS::ECS::CapacityProvider")
	launch := map[string]any{"Monitoring": "BASIC", "FipsEnabled": false, "CapacityOptionType": "SPOT"}
	got, ok := provider.Updatable("ManagedInstancesProvider", map[string]any{"InstanceLaunchTemplate": launch, "PropagateTags": "NONE"})
	want := map[string]any{"InstanceLaunchTemplate": map[string]any{"Monitoring": "BASIC"}, "PropagateTags": "NONE"}
	if diff := cmp.Diff(any(want), got); diff != "" || !ok {
		t.Error(diff, ok)
	}
	if len(launch) != 3 {
		t.Errorf("the value itself was changed: %v", launch)
	}
	if _, ok := provider.Updatable("ClusterName", "c"); ok {
		t.Error("a create-only property may be updated")
	}
	rule, _ := template.TypeOf("AWS::ElasticLoadBalancingV2::ListenerRule")
	if _, ok := rule.Updatable("RuleArn", "arn"); ok {
		t.Error("a read-only property may be updated")
	}
}

func TestCreateOnlyPartsReplace(t *testing.T) {
	t.Parallel()
	kind, _ := template.TypeOf("AWS::ECS::CapacityProvider")
	with := func(key string, v any) map[string]any {
		return map[string]any{"ManagedInstancesProvider": map[string]any{"InstanceLaunchTemplate": map[string]any{key: v}}}
	}
	for _, c := range []struct {
		key      string
		old, new any
		want     template.Recreation
	}{
		{"FipsEnabled", false, true, template.Always}, {"CapacityOptionType", "SPOT", "ON_DEMAND", template.Always},
		{"Monitoring", "BASIC", "DETAILED", template.Never},
	} {
		if got := kind.Changes(with(c.key, c.old), with(c.key, c.new)); len(got) != 1 || got[0].Recreation != c.want {
			t.Errorf("%s: %v", c.key, got)
		}
	}
}
