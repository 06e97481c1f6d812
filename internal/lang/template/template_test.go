package template_test

import (
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"berth/internal/fault"
	"berth/internal/lang/template"
)

var place = template.Place{
	Partition: "aws", Region: "eu-west-1", Account: "000000000000", URLSuffix: "amazonaws.com",
	Zones: []string{"eu-west-1a", "eu-west-1b", "eu-west-1c"},
}

func inputs(params map[string]string) template.Inputs {
	return template.Inputs{
		Place: place, StackName: "s", StackID: "arn:aws:cloudformation:eu-west-1:000000000000:stack/s/1", Parameters: params,
	}
}

func bind(body string, params map[string]string) (*template.Bound, error) {
	t, err := template.Parse(body)
	if err != nil {
		return nil, err
	}
	b, err := t.Bind(inputs(params))
	if err != nil {
		return nil, err
	}
	return b, b.Validate()
}

func fixture(t *testing.T) string {
	t.Helper()
	b, err := os.ReadFile("testdata/page.yaml")
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// group is a template whose only resource has one property.
func group(value string) string {
	return "Resources:\n  G:\n    Type: AWS::Logs::LogGroup\n    Properties:\n      LogGroupName: " + value + "\n"
}

func TestTheFixtureIsValidAndOrdered(t *testing.T) {
	t.Parallel()
	b, err := bind(fixture(t), nil)
	if err != nil {
		t.Fatal(err)
	}
	seen := map[string]bool{}
	for _, id := range b.Order() {
		for _, d := range b.DependsOn(id) {
			if !seen[d] {
				t.Errorf("%s comes before %s, which it needs", id, d)
			}
		}
		seen[id] = true
	}
	if len(seen) != len(b.Active()) {
		t.Errorf("%d of %d resources ordered", len(seen), len(b.Active()))
	}
	need, _ := b.Capabilities()
	if diff := cmp.Diff([]string{"CAPABILITY_NAMED_IAM"}, need); diff != "" {
		t.Error(diff)
	}
}

// Proves: E204
func TestMetadataAreEvaluated(t *testing.T) {
	t.Parallel()
	b, err := bind(`
Parameters: {Release: {Type: String, Default: v1}}
Conditions: {Never: !Equals [a, b]}
Resources:
  Host:
    Type: AWS::Logs::LogGroup
    Metadata:
      Nothing: null
      Number: 7
      List: [{"Fn::Sub": "${Cluster}-${Release}"}, !If [Never, x, !Ref "AWS::NoValue"], {Kept: ["1", 2, true]}]
      Chosen: !If [Never, 1, {Deep: [3, !Ref Cluster]}]
  Cluster: {Type: AWS::ECS::Cluster}
  Plain: {Type: AWS::ECS::Cluster}
`, nil)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"Cluster"}, b.DependsOn("Host")); diff != "" {
		t.Errorf("what metadata name comes first: %s", diff)
	}
	got, err := b.Metadata("Host", func(string, string) (any, bool) { return "shop", true })
	want := map[string]any{
		"Nothing": nil, "Number": int64(7), "Chosen": map[string]any{"Deep": []any{int64(3), "shop"}},
		"List": []any{"shop-v1", map[string]any{"Kept": []any{"1", int64(2), true}}},
	}
	if diff := cmp.Diff(want, got); diff != "" || err != nil {
		t.Error(err, diff)
	}
	if got, err := b.Metadata("Plain", template.Nothing); got != nil || err != nil {
		t.Errorf("without metadata: %v, %v", got, err)
	}
	for _, value := range []string{"!Ref Missing", "!Ref Host", "{In: [!Sub \"${Missing}\"]}"} {
		if _, err := bind("Resources:\n  Host:\n    Type: AWS::Logs::LogGroup\n    Metadata: {A: "+value+"}\n", nil); err == nil {
			t.Errorf("metadata with %s are accepted", value)
		}
	}
}

func TestRefusals(t *testing.T) {
	t.Parallel()
	cases := []struct{ name, body, want string }{
		{"empty", "", "Template format error: unsupported structure."},
		{"scalar", "hello", "Template format error: unsupported structure."},
		{"bad yaml", "Resources:\n  A:\n   - b\n  c: [", "Template format error: YAML not well-formed. (line"},
		{
			"dedent", "Resources:\n  A:\n    Type: T\n   Properties:\n      P: 1\n",
			"Template format error: YAML not well-formed. (line 4, column 4)",
		},
		{
			"key among items", "Resources:\n\n  A:\n    - x\n    y: 1\n  B: {}\n", "Template format error: YAML not well-formed. (line 5, column 5)",
		},
		{"no colon", "Resources:\n  A: 1\n  B\n  C: 2\n", "Template format error: YAML not well-formed. (line 3, column 3)"},
		{"open bracket", "Resources:\n  A: [1, 2\n  B: 3\n", "Template format error: YAML not well-formed. (line"},
		{"tab", "Resources:\n\tA: b", "Template format error: YAML not well-formed. (line 2,"},
		{"bad json", "{\"Resources\": {,}}", "Template format error: JSON not well-formed. (line 1, column"},
		{"alias", "Resources:\n  A: &x\n    Type: AWS::Logs::LogGroup\n  B: *x\n", "YAML aliases are not allowed in CloudFormation templates"},
		{"no resources", "Description: x\n", "Template format error: At least one Resources member must be defined."},
		{"section", "Resource:\n  A: {Type: x}\n", "Invalid template property or properties [Resource]"},
		{"attribute", "Resources:\n  A:\n    Type: AWS::Logs::LogGroup\n    Propertys: {}\n", "Invalid template resource property 'Propertys'"},
		{"no type", "Resources:\n  A:\n    Properties: {}\n", "[/Resources/A] Every Resources object must contain a Type member."},
		{
			"bad id", "Resources:\n  my-group:\n    Type: AWS::Logs::LogGroup\n",
			"Template format error: Resource name my-group is non alphanumeric.",
		},
		{
			"unknown type", "Resources:\n  A:\n    Type: AWS::Logs::Group\n",
			"Template format error: Unrecognized resource types: [AWS::Logs::Group]",
		},
		{
			"null", "Resources:\n  A:\n    Type: AWS::Logs::LogGroup\n    Properties:\n      LogGroupName:\n",
			"[/Resources/A/Properties/LogGroupName] 'null' values are not allowed in templates",
		},
		{
			"unknown property", "Resources:\n  A:\n    Type: AWS::Logs::LogGroup\n    Properties:\n      Name: x\n",
			"Properties validation failed for resource A with message:\n#: extraneous key [Name] is not permitted",
		},
		{
			"nested unknown",
			"Resources:\n  A:\n    Type: AWS::EC2::VPC\n    Properties:\n      CidrBlock: 10.0.0.0/16\n      Tags: [{Key: a, Valu: b}]\n",
			"#/Tags/0: extraneous key [Valu] is not permitted",
		},
		{
			"wrong type", "Resources:\n  A:\n    Type: AWS::Logs::LogGroup\n    Properties:\n      LogGroupName: [a]\n",
			"#/LogGroupName: expected type: String, found: JSONArray",
		},
		{
			"not a number", "Resources:\n  A:\n    Type: AWS::Logs::LogGroup\n    Properties:\n      RetentionInDays: soon\n",
			"#/RetentionInDays: expected type: Integer, found: String",
		},
		{
			"enum", "Resources:\n  A:\n    Type: AWS::Logs::LogGroup\n    Properties:\n      RetentionInDays: 2\n",
			"#/RetentionInDays: 2 is not a valid enum value",
		},
		{"required", "Resources:\n  A:\n    Type: AWS::EC2::RouteTable\n", "#: required key [VpcId] not found"},
		{
			"unbuilt",
			"Resources:\n  A:\n    Type: AWS::Logs::LogGroup\n    Properties:\n      KmsKeyId: arn:aws:kms:eu-west-1:000000000000:key/a\n",
			"not built in Berth:\n- the property KmsKeyId of AWS::Logs::LogGroup (A)",
		},
		{
			"read only", "Resources:\n  A:\n    Type: AWS::EC2::VPC\n    Properties:\n      CidrBlock: 10.0.0.0/16\n      VpcId: x\n",
			"#: extraneous key [VpcId] is not permitted",
		},
		{
			"ref", group("!Ref Nowhere"), "Template format error: Unresolved resource dependencies [Nowhere] in the Resources block of the template",
		},
		{
			"sub", group("!Sub a-${Nowhere}"),
			"Template format error: Unresolved resource dependencies [Nowhere] in the Resources block of the template",
		},
		{
			"depends on", "Resources:\n  A:\n    Type: AWS::Logs::LogGroup\n    DependsOn: B\n",
			"Template format error: Unresolved resource dependencies [B] in the Resources block of the template",
		},
		{"getatt", group("!GetAtt Nowhere.Arn"), "Template error: instance of Fn::GetAtt references undefined resource Nowhere"},
		{"attribute of getatt", group("!GetAtt G.Colour"), "Template error: resource G does not support attribute type Colour in Fn::GetAtt"},
		{"itself", group("!GetAtt G.Arn"), "Circular dependency between resources: [G]"},
		{
			"circle",
			"Resources:\n  A:\n    Type: AWS::Logs::LogGroup\n    DependsOn: B\n  B:\n    Type: AWS::Logs::LogGroup\n    Properties: " +
				"{LogGroupName: !Sub 'x${C}'}\n  C:\n    Type: AWS::Logs::LogGroup\n    DependsOn: A\n  D:\n    Type: AWS::Logs::LogGroup\n    " +
				"DependsOn: A\n",
			"Circular dependency between resources: [A, B, C]",
		},
		{
			"output ref", group("x") + "Outputs:\n  O: {Value: !Ref Nowhere}\n",
			"Template format error: Unresolved resource dependencies [Nowhere] in the Outputs block of the template",
		},
		{
			"condition ref", "Conditions:\n  C: !Equals [!Ref G, a]\n" + group("x"),
			"Cannot reference resources in the Conditions block of the template",
		},
		{
			"condition name", "Resources:\n  A:\n    Type: AWS::Logs::LogGroup\n    Condition: Nope\n",
			"Template format error: Unresolved condition dependency Nope in the Resources block of the template",
		},
		{
			"condition circle", "Conditions:\n  A: !Not [!Condition B]\n  B: !Not [!Condition A]\n" + group("x"),
			"Found circular condition dependency between A and B and A",
		},
		{"missing parameter", "Parameters:\n  A: {Type: String}\n  B: {Type: Number}\n" + group("!Ref A"), "Parameters: [A, B] must have values"},
		{"parameter type", "Parameters:\n  A: {Type: Text}\n" + group("x"), "Template format error: Unrecognized parameter type: Text"},
		{"function", group("!Sum [1, 2]"), "YAML tag !Sum is not supported"},
		{"long function", group("{'Fn::Sum': [1]}"), "Encountered unsupported function: Fn::Sum Supported functions are:"},
		{"length", group("!Length [a]"), "Encountered unsupported function: Fn::Length"},
		{"join", group("!Join [',']"), "every Fn::Join object requires two parameters"},
		{"select", group("!Select [3, [a, b]]"), "Template error: Fn::Select cannot select nonexistent value at index 3"},
		{"map", "Mappings:\n  M:\n    a: {b: c}\n" + group("!FindInMap [M, a, x]"), "Template error: Unable to get mapping for M::a::x"},
		{"no map", group("!FindInMap [M, a, x]"), "Mapping named 'M' is not present"},
		{
			"sub name", group("!Sub 'a-${b c}'"),
			"variable names in Fn::Sub syntax must contain only alphanumeric characters, underscores, periods, and colons",
		},
		{"transform", "Transform: AWS::Serverless-2016-10-31\n" + group("x"), "not built in Berth:\n- the transform AWS::Serverless-2016-10-31"},
		{"dynamic", group("'{{resolve:ssm-secure:/a:1}}'"), "is not built in Berth"},
		{
			"rule",
			"Parameters:\n  A: {Type: String, Default: x}\nRules:\n  R:\n    Assertions:\n      - Assert: !Equals [!Ref A, y]\n        " +
				"AssertDescription: A must be y\n" + group("x"),
			"Rule R failed to validate: A must be y",
		},
		{"snapshot", "Resources:\n  A:\n    Type: AWS::Logs::LogGroup\n    DeletionPolicy: Snapshot\n", "Snapshot is not supported"},
		{
			"xor", "Resources:\n  A:\n    Type: AWS::ElasticLoadBalancingV2::LoadBalancer\n", "exactly one of [Subnets, SubnetMappings] is required",
		},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			_, err := bind(c.body, nil)
			if err == nil {
				t.Fatalf("accepted; want %q", c.want)
			}
			if !strings.Contains(err.Error(), c.want) {
				t.Errorf("got  %q\nwant %q", err, c.want)
			}
			if fault.ClassOf(err) != fault.Invalid || fault.CodeOf(err) != "ValidationError" {
				t.Errorf("class %v, code %q", fault.ClassOf(err), fault.CodeOf(err))
			}
		})
	}
}

func TestParameterConstraints(t *testing.T) {
	t.Parallel()
	cases := []struct{ name, declare, value, want string }{
		{"allowed", "Type: String, AllowedValues: [a, b]", "c", "Parameter 'P' must be one of AllowedValues"},
		{"allowed ok", "Type: String, AllowedValues: [a, b]", "b", ""},
		{"pattern", "Type: String, AllowedPattern: '[a-z]+'", "A", "Parameter 'P' must match pattern [a-z]+"},
		{"whole pattern", "Type: String, AllowedPattern: '[a-z]+'", "abC", "Parameter 'P' must match pattern [a-z]+"},
		{
			"described", "Type: String, AllowedPattern: '[a-z]+', ConstraintDescription: small letters", "A",
			"Parameter 'P' failed to satisfy constraint: small letters",
		},
		{"short", "Type: String, MinLength: 3", "ab", "Parameter 'P' must contain at least 3 characters"},
		{"long", "Type: String, MaxLength: 3", "abcd", "Parameter 'P' must contain at most 3 characters"},
		{"number", "Type: Number", "x", "Parameter 'P' must be a number"},
		{"least", "Type: Number, MinValue: 2", "1", "Parameter 'P' must be a number not less than 2"},
		{"most", "Type: Number, MaxValue: 2", "3", "Parameter 'P' must be a number not greater than 2"},
		{"list", "Type: CommaDelimitedList, AllowedValues: [a, b]", "a, b", ""},
		{"list bad", "Type: CommaDelimitedList, AllowedValues: [a, b]", "a,c", "Parameter 'P' must be one of AllowedValues"},
		{"vpc list", "Type: 'List<AWS::EC2::Subnet::Id>'", "subnet-1,subnet-2", ""},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			_, err := bind("Parameters:\n  P: {"+c.declare+"}\n"+group("x"), map[string]string{"P": c.value})
			got := ""
			if err != nil {
				got = err.Error()
			}
			if got != c.want {
				t.Errorf("got %q, want %q", got, c.want)
			}
		})
	}
	_, err := bind(group("x"), map[string]string{"Q": "1"})
	if err == nil || err.Error() != "Parameters: [Q] do not exist in the template" {
		t.Errorf("got %v", err)
	}
}

// Proves: D88
func TestCoercionFollowsTheSchema(t *testing.T) {
	t.Parallel()
	b, err := bind(fixture(t), nil)
	if err != nil {
		t.Fatal(err)
	}
	get := func(id string) map[string]any {
		props, err := b.Properties(id, func(id, att string) (any, bool) { return id + "." + att, true })
		if err != nil {
			t.Fatal(err)
		}
		r, _ := b.Find(id)
		kind, _ := template.TypeOf(r.Type)
		out, problems := kind.Coerce(props)
		if len(problems) > 0 {
			t.Fatal(id, problems)
		}
		return out
	}
	want := map[string]any{"Key": "deletion_protection.enabled", "Value": "false"}
	if diff := cmp.Diff(want, get("Balancer")["LoadBalancerAttributes"].([]any)[0]); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff(map[string]any{"HttpCode": "200"}, get("Blue")["Matcher"]); diff != "" {
		t.Error(diff)
	}
	if got := get("Task")["Cpu"]; got != "256" {
		t.Errorf("Cpu is %#v", got)
	}
	if got := get("Blue")["HealthCheckIntervalSeconds"]; got != int64(30) {
		t.Errorf("interval is %#v", got)
	}
	doc, _ := get("HookRole")["AssumeRolePolicyDocument"].(map[string]any)
	if doc["Version"] != "2012-10-17" {
		t.Errorf("version is %#v", doc["Version"])
	}
}

// Proves: D87
func TestAcknowledged(t *testing.T) {
	t.Parallel()
	role := "Resources:\n  R:\n    Type: AWS::IAM::Role\n    Properties:\n      AssumeRolePolicyDocument: {}\n"
	cases := []struct {
		body  string
		given []string
		want  string
	}{
		{group("x"), nil, ""},
		{role, nil, "Requires capabilities : [CAPABILITY_IAM]"},
		{role, []string{"CAPABILITY_IAM"}, ""},
		{role, []string{"CAPABILITY_NAMED_IAM"}, ""},
		{role + "      RoleName: r\n", []string{"CAPABILITY_IAM"}, "Requires capabilities : [CAPABILITY_NAMED_IAM]"},
		{role + "      RoleName: r\n", []string{"CAPABILITY_NAMED_IAM"}, ""},
	}
	for _, c := range cases {
		tpl, err := template.Parse(c.body)
		if err != nil {
			t.Fatal(err)
		}
		err = tpl.Acknowledged(c.given, true)
		if got := errText(err); got != c.want {
			t.Errorf("%v: got %q, want %q", c.given, got, c.want)
		}
	}
}

func errText(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}

func TestJSONAndYAMLSayTheSame(t *testing.T) {
	t.Parallel()
	y := group("!Join ['-', [!Ref 'AWS::Region', 7]]")
	j := `{"Resources": {"G": {"Type": "AWS::Logs::LogGroup", "Properties": {"LogGroupName": {"Fn::Join": ["-", [{"Ref": "AWS::Region"}, 7]]}}}}}`
	var got [2]any
	for i, body := range []string{y, j} {
		b, err := bind(body, nil)
		if err != nil {
			t.Fatal(err)
		}
		if got[i], err = b.Properties("G", template.Nothing); err != nil {
			t.Fatal(err)
		}
	}
	if diff := cmp.Diff(got[0], got[1]); diff != "" {
		t.Error(diff)
	}
}
