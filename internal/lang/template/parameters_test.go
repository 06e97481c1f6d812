package template_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"berth/internal/lang/template"
)

func TestParametersOfAProperty(t *testing.T) {
	t.Parallel()
	parsed, err := template.Parse(`
Parameters: {A: {Type: String, Default: a}, B: {Type: String, Default: b}, C: {Type: String, Default: c}}
Resources:
  R:
    Type: AWS::Logs::LogGroup
    Properties:
      LogGroupName: !Join [/, [!Sub "${A}-${AWS::Region}-${!C}", !Sub ["${C}${x}", {C: 1, x: !Ref B}]]]
      RetentionInDays: 7
`)
	if err != nil {
		t.Fatal(err)
	}
	b, err := parsed.Bind(template.Inputs{})
	if err != nil {
		t.Fatal(err)
	}
	for property, want := range map[string][]string{"LogGroupName": {"A", "B"}, "RetentionInDays": nil, "Tags": nil} {
		if diff := cmp.Diff(want, b.ParametersOf("R", property)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", property, diff)
		}
	}
	if got := b.ParametersOf("Nobody", "x"); got != nil {
		t.Errorf("%q", got)
	}
}
