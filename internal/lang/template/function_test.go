package template_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"berth/internal/lang/template"
)

// name evaluates one value as the name of a log group.
func name(t *testing.T, head, value string, params map[string]string) string {
	t.Helper()
	tpl, err := template.Parse(head + group(value))
	if err != nil {
		t.Fatal(err)
	}
	b, err := tpl.Bind(inputs(params))
	if err != nil {
		t.Fatal(err)
	}
	props, err := b.Properties("G", template.Nothing)
	if err != nil {
		t.Fatal(err)
	}
	text, ok := template.Flat(props["LogGroupName"])
	if !ok {
		t.Fatalf("%#v is no text", props["LogGroupName"])
	}
	return text
}

// Proves: D88, D89
func TestFunctions(t *testing.T) {
	t.Parallel()
	const ext = "Transform: AWS::LanguageExtensions\n"
	cases := []struct{ head, value, want string }{
		{"", "plain", "plain"},
		{"", "2012-10-17", "2012-10-17"},
		{"", "012345678901", "012345678901"},
		{"", "0x1F", "0x1F"},
		{"", "1.0", "1.0"},
		{"", "1e3", "1e3"},
		{"", "yes", "yes"},
		{"", "True", "true"},
		{"", "12:30:45", "12:30:45"},
		{"", "80", "80"},
		{"", "!Sub '${AWS::StackName}-${AWS::Region}-${AWS::AccountId}-${!Kept}'", "s-eu-west-1-000000000000-${Kept}"},
		{"", "!Sub ['${a}-${b}', {a: 1, b: !Ref 'AWS::Partition'}]", "1-aws"},
		{"", "!Sub 'a.${AWS::URLSuffix}'", "a.amazonaws.com"},
		{"", "!Join ['-', [a, !Ref 'AWS::Region', 7]]", "a-eu-west-1-7"},
		{"", "!Select [1, !GetAZs '']", "eu-west-1b"},
		{"", "!Select [0, !GetAZs {Ref: 'AWS::Region'}]", "eu-west-1a"},
		{"", "!Select [2, !Split ['|', 'a|b|c']]", "c"},
		{"", "!Join [' ', !Cidr ['10.0.0.0/16', 3, 8]]", "10.0.0.0/24 10.0.1.0/24 10.0.2.0/24"},
		{"", "!Select [1, !Cidr ['2001:db8::/48', 2, 64]]", "2001:db8:0:1::/64"},
		{"", "!Base64 hello", "aGVsbG8="},
		{"", "{'Fn::Join': ['', [a, b]]}", "ab"},
		{"Mappings:\n  M:\n    eu-west-1: {size: big, '07': x}\n", "!FindInMap [M, !Ref 'AWS::Region', size]", "big"},
		{"Mappings:\n  M:\n    012345678901: {07: x}\n", "!FindInMap [M, '012345678901', '07']", "x"},
		{"Parameters:\n  P: {Type: CommaDelimitedList, Default: 'a, b'}\n", "!Join ['+', !Ref P]", "a+b"},
		{"Parameters:\n  P: {Type: Number, Default: 07}\n", "!Ref P", "07"},
		{
			"Parameters:\n  P: {Type: String, Default: prod}\nConditions:\n  Prod: !Equals [!Ref P, prod]\n", "!If [Prod, yes-it-is, no]",
			"yes-it-is",
		},
		{
			"Conditions:\n  A: !Equals [a, a]\n  B: !And [!Condition A, !Not [!Equals [x, y]]]\n  C: !Or [!Equals [1, 2], {Condition: B}]\n",
			"!If [C, both, none]", "both",
		},
		{"Conditions:\n  A: !Equals [true, 'true']\n", "!If [A, same, other]", "same"},
		{ext, "!Sub ['${n}', {n: !Length [a, b, c]}]", "3"},
		{ext, "!ToJsonString {a: 1, b: [x, true]}", `{"a":1,"b":["x",true]}`},
		{ext + "Mappings:\n  M:\n    a: {b: c}\n", "!FindInMap [M, z, b, {DefaultValue: d}]", "d"},
	}
	for _, c := range cases {
		t.Run(c.value, func(t *testing.T) {
			t.Parallel()
			if got := name(t, c.head, c.value, nil); got != c.want {
				t.Errorf("got %#v, want %q", got, c.want)
			}
		})
	}
}

func TestImportValue(t *testing.T) {
	t.Parallel()
	tpl, err := template.Parse(group("!ImportValue net-name"))
	if err != nil {
		t.Fatal(err)
	}
	in := inputs(nil)
	in.Import = func(n string) (string, bool) { return "value-of-" + n, n == "net-name" }
	b, err := tpl.Bind(in)
	if err != nil {
		t.Fatal(err)
	}
	props, err := b.Properties("G", template.Nothing)
	if err != nil || props["LogGroupName"] != "value-of-net-name" {
		t.Errorf("got %v, %v", props, err)
	}
	in.Import = func(string) (string, bool) { return "", false }
	if _, err = tpl.Bind(in); err == nil || err.Error() != "No export named net-name found." {
		t.Errorf("got %v", err)
	}
}

func TestConditionsLeaveResourcesAndValuesOut(t *testing.T) {
	t.Parallel()
	b, err := bind(`
Parameters:
  P: {Type: String, Default: dev}
Conditions:
  Prod: !Equals [!Ref P, prod]
Resources:
  A:
    Type: AWS::Logs::LogGroup
    Condition: Prod
  B:
    Type: AWS::Logs::LogGroup
    DependsOn: A
    Properties:
      LogGroupName: !If [Prod, !Ref A, fixed]
      RetentionInDays: !If [Prod, 7, !Ref AWS::NoValue]
Outputs:
  A: {Condition: Prod, Value: !Ref A}
  B: {Value: !Ref B, Export: {Name: !Sub "${AWS::StackName}-b"}}
`, nil)
	if err != nil {
		t.Fatal(err)
	}
	if len(b.Active()) != 1 || len(b.DependsOn("B")) != 0 {
		t.Errorf("active %v, B waits for %v", b.Active(), b.DependsOn("B"))
	}
	props, err := b.Properties("B", template.Nothing)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(map[string]any{"LogGroupName": "fixed"}, props); diff != "" {
		t.Error(diff)
	}
	outs, err := b.OutputValues(func(id, _ string) (any, bool) { return "phys-" + id, true })
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]template.OutputValue{{ID: "B", Value: "phys-B", Export: "s-b"}}, outs); diff != "" {
		t.Error(diff)
	}
}

func TestForEach(t *testing.T) {
	t.Parallel()
	b, err := bind(`
Transform: AWS::LanguageExtensions
Parameters:
  Names: {Type: CommaDelimitedList, Default: 'alpha,be-ta'}
Resources:
  Fn::ForEach::Groups:
    - Name
    - !Ref Names
    - Group&{Name}:
        Type: AWS::Logs::LogGroup
        Properties:
          LogGroupName: !Sub "/x/${Name}"
          RetentionInDays: 7
`, nil)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"Groupalpha", "Groupbeta"}, b.Order()); diff != "" {
		t.Error(diff)
	}
	props, err := b.Properties("Groupbeta", template.Nothing)
	if err != nil || props["LogGroupName"] != "/x/be-ta" {
		t.Errorf("%v, %v", props, err)
	}
}
