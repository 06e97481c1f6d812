package template_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"berth/internal/lang/template"
)

// Proves: D140
func TestPropertiesOfCustomResourcesAreTexts(t *testing.T) {
	t.Parallel()
	const token = "arn:aws:lambda:us-east-1:123456789012:function:f"
	for _, name := range []string{"Custom::A_thing-1@b", "AWS::CloudFormation::CustomResource"} {
		typ, ok := template.TypeOf(name)
		if !ok || !template.IsCustom(name) || typ.Name != name || !typ.HasAttribute("Whatever") || typ.Taggable() {
			t.Errorf("%s: %v", name, typ)
		}
	}
	for _, name := range []string{"Custom::", "Custom::a b", "Custom::" + strings.Repeat("a", 53), "AWS::CloudFormation::Macro"} {
		if _, ok := template.TypeOf(name); ok || template.IsCustom(name) {
			t.Errorf("%s is a type", name)
		}
	}
	typ, _ := template.TypeOf("Custom::A")
	got, problems := typ.Coerce(map[string]any{
		"ServiceToken": token, "ServiceTimeout": "30", "On": true, "List": []any{int64(1), template.Unknown{Of: []string{"B"}}},
		"Deep": map[string]any{"N": 2.5},
	})
	want := map[string]any{
		"ServiceToken": token, "ServiceTimeout": int64(30), "On": "true", "List": []any{"1", template.Unknown{Of: []string{"B"}}},
		"Deep": map[string]any{"N": "2.5"},
	}
	if diff := cmp.Diff(want, got); diff != "" || problems != nil {
		t.Errorf("%v %s", problems, diff)
	}
	for _, c := range []struct {
		props map[string]any
		want  string
	}{
		{map[string]any{}, "#: required key [ServiceToken] not found"},
		{map[string]any{"ServiceToken": "x"}, "Invalid service token."},
		{map[string]any{"ServiceToken": "arn:aws:sns:us-east-1:123456789012:t"}, "SNS topic are not built in Berth"},
		{map[string]any{"ServiceToken": token, "ServiceTimeout": "0"}, "0 is not greater or equal to 1"},
		{map[string]any{"ServiceToken": token, "ServiceTimeout": "3601"}, "3601 is not less or equal to 3600"},
		{map[string]any{"ServiceToken": token, "A": []any{map[string]any{"B": "{{resolve:ssm:/a}}"}}}, "dynamic references"},
	} {
		if _, problems := typ.Coerce(c.props); !strings.Contains(strings.Join(problems, "\n"), c.want) {
			t.Errorf("%v: %v lacks %s", c.props, problems, c.want)
		}
	}
	changes := typ.Changes(map[string]any{"A": "1", "ServiceTimeout": int64(1)}, map[string]any{"A": "2", "ServiceTimeout": int64(2)})
	if len(changes) != 2 || changes[0].Recreation != template.Conditionally || changes[1].Recreation != template.Never {
		t.Errorf("%v", changes)
	}
}
