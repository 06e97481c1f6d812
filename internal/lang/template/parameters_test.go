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

func TestWhatIsCertain(t *testing.T) {
	t.Parallel()
	parsed, err := template.Parse(`
Parameters: {Days: {Type: Number, Default: 7}}
Conditions: {Always: !Equals [a, a]}
Resources:
  Plain: {Type: AWS::ECS::Cluster}
  Behind: {Type: AWS::Logs::LogGroup, Properties: {LogGroupName: !Ref Plain}}
  Given: {Type: AWS::Logs::LogGroup, Properties: {RetentionInDays: !Ref Days}}
  BehindGiven: {Type: AWS::Logs::LogGroup, Properties: {LogGroupName: !Sub "${Given}-2"}}
  Perhaps: {Type: AWS::ECS::Cluster, Condition: Always}
  Chosen: {Type: AWS::Logs::LogGroup, Properties: {LogGroupName: !If [Always, a, b]}}
`)
	if err != nil {
		t.Fatal(err)
	}
	b, err := parsed.Bind(template.Inputs{})
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]bool{"Plain": true, "Behind": true, "Given": false, "BehindGiven": false, "Perhaps": false, "Chosen": false}
	if diff := cmp.Diff(want, b.Certain()); diff != "" {
		t.Errorf("certain (-want +got):\n%s", diff)
	}
}

func TestExamplesOfParameters(t *testing.T) {
	t.Parallel()
	parsed, err := template.Parse(`
Parameters:
  Said: {Type: String, Default: x}
  Listed: {Type: String, AllowedValues: [y, z]}
  Number: {Type: Number, MinValue: 7}
  Long: {Type: String, MinLength: 3}
  Range: {Type: String, AllowedPattern: "[0-9./]{9,18}"}
  Free: {Type: String}
  Hard: {Type: String, AllowedPattern: "zebra[0-9]+"}
Resources: {R: {Type: AWS::ECS::Cluster}}
`)
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]string{}
	for _, p := range parsed.Parameters {
		v, ok := p.Example()
		if got[p.Name] = v; !ok {
			got[p.Name] = "none"
		}
	}
	want := map[string]string{"Said": "x", "Listed": "y", "Number": "7", "Long": "aaa", "Range": "10.0.0.0/16", "Free": "a", "Hard": "none"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("examples (-want +got):\n%s", diff)
	}
}
