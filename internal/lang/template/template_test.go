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
	return template.Inputs{Place: place, StackName: "s", StackID: "arn:aws:cloudformation:eu-west-1:000000000000:stack/s/1", Parameters: params}
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

func TestRefusals(t *testing.T) {
	t.Parallel()
	cases := []struct{ name, body, want string }{
		{"empty", "", "Template format error: unsupported structure."},
		{"scalar", "hello", "Template format error: unsupported structure."},
		{"bad yaml", "Resources:\n  A:\n   - b\n  c: [", "Template format error: YAML not well-formed. (line"},
		{"dedent", "Resources:\n  A:\n    Type: T\n   Properties:\n      P: 1\n", "Template format error: YAML not well-formed. (line 4, column 4)"},
		{"key among items", "Resources:\n\n  A:\n    - x\n    y: 1\n  B: {}\n", "Template format error: YAML not well-formed. (line 5, column 5)"},
		{"no colon", "Resources:\n  A: 1\n  B\n  C: 2\n", "Template format error: YAML not well-formed. (line 3, column 3)"},
		{"open bracket", "Resources:\n  A: [1, 2\n  B: 3\n", "Template format error: YAML not well-formed. (line"},
		{"tab", "Resources:\n\tA: b", "Template format error: YAML not well-formed. (line 2,"},
		{"bad json", "{\"Resources\": {,}}", "Template format error: JSON not well-formed. (line 1, column"},
		{"alias", "Resources:\n  A: &x\n    Type: AWS::Logs::LogGroup\n  B: *x\n", "YAML aliases are not allowed in CloudFormation templates"},
		{"no resources", "Description: x\n", "Template format error: At least one Resources member must be defined."},
		{"section", "Resource:\n  A: {Type: x}\n", "Invalid template property or properties [Resource]"},
		{"attribute", "Resources:\n  A:\n    Type: AWS::Logs::LogGroup\n    Propertys: {}\n", "Invalid template resource property 'Propertys'"},
		{"no type", "Resources:\n  A:\n    Properties: {}\n", "[/Resources/A] Every Resources object must contain a Type member."},
		{"bad id", "Resources:\n  my-group:\n    Type: AWS::Logs::LogGroup\n", "Template format error: Resource name my-group is non alphanumeric."},
		{"unknown type", "Resources:\n  A:\n    Type: AWS::Logs::Group\n", "Template format error: Unrecognized resource types: [AWS::Logs::Group]"},
		{"null", "Resources:\n  A:\n    Type: AWS::Logs::LogGroup\n    Properties:\n      LogGroupName:\n", "[/Resources/A/Properties/LogGroupName] 'null' values are not allowed in templates"},
		{"unknown property", "Resources:\n  A:\n    Type: AWS::Logs::LogGroup\n    Properties:\n      Name: x\n", "Properties validation failed for resource A with message:\n#: extraneous key [Name] is not permitted"},
		{"nested unknown", "Resources:\n  A:\n    Type: AWS::EC2::VPC\n    Properties:\n      CidrBlock: 10.0.0.0/16\n      Tags: [{Key: a, Valu: b}]\n", "#/Tags/0: extraneous key [Valu] is not permitted"},
		{"wrong type", "Resources:\n  A:\n    Type: AWS::Logs::LogGroup\n    Properties:\n      LogGroupName: [a]\n", "#/LogGroupName: expected type: String, found: JSONArray"},
		{"not a number", "Resources:\n  A:\n    Type: AWS::Logs::LogGroup\n    Properties:\n      RetentionInDays: soon\n", "#/RetentionInDays: expected type: Integer, found: String"},
		{"enum", "Resources:\n  A:\n    Type: AWS::Logs::LogGroup\n    Properties:\n      RetentionInDays: 2\n", "#/RetentionInDays: 2 is not a valid enum value"},
		{"required", "Resources:\n  A:\n    Type: AWS::EC2::RouteTable\n", "#: required key [VpcId] not found"},
		{"unbuilt", "Resources:\n  A:\n    Type: AWS::Logs::LogGroup\n    Properties:\n      KmsKeyId: arn:aws:kms:eu-west-1:000000000000:key/a\n", "#/KmsKeyId: the property KmsKeyId of AWS::Logs::LogGroup is not built in Berth"},
		{"read only", "Resources:\n  A:\n    Type: AWS::EC2::VPC\n    Properties:\n      CidrBlock: 10.0.0.0/16\n      VpcId: x\n", "#: extraneous key [VpcId] is not permitted"},
		{"ref", group("!Ref Nowhere"), "Template format error: Unresolved resource dependencies [Nowhere] in the Resources block of the template"},
		{"sub", group("!Sub a-${Nowhere}"), "Template format error: Unresolved resource dependencies [Nowhere] in the Resources block of the template"},
		{"depends on", "Resources:\n  A:\n    Type: AWS::Logs::LogGroup\n    DependsOn: B\n", "Template format error: Unresolved resource dependencies [B] in the Resources block of the template"},
		{"getatt", group("!GetAtt Nowhere.Arn"), "Template error: instance of Fn::GetAtt references undefined resource Nowhere"},
		{"attribute of getatt", group("!GetAtt G.Colour"), "Template error: resource G does not support attribute type Colour in Fn::GetAtt"},
		{"itself", group("!GetAtt G.Arn"), "Circular dependency between resources: [G]"},
		{"circle", "Resources:\n  A:\n    Type: AWS::Logs::LogGroup\n    DependsOn: B\n  B:\n    Type: AWS::Logs::LogGroup\n    Properties: {LogGroupName: !Sub 'x${C}'}\n  C:\n    Type: AWS::Logs::LogGroup\n    DependsOn: A\n  D:\n    Type: AWS::Logs::LogGroup\n    DependsOn: A\n", "Circular dependency between resources: [A, B, C]"},
		{"output ref", group("x") + "Outputs:\n  O: {Value: !Ref Nowhere}\n", "Template format error: Unresolved resource dependencies [Nowhere] in the Outputs block of the template"},
		{"condition ref", "Conditions:\n  C: !Equals [!Ref G, a]\n" + group("x"), "Cannot reference resources in the Conditions block of the template"},
		{"condition name", "Resources:\n  A:\n    Type: AWS::Logs::LogGroup\n    Condition: Nope\n", "Template format error: Unresolved condition dependency Nope in the Resources block of the template"},
		{"condition circle", "Conditions:\n  A: !Not [!Condition B]\n  B: !Not [!Condition A]\n" + group("x"), "Found circular condition dependency between A and B and A"},
		{"missing parameter", "Parameters:\n  A: {Type: String}\n  B: {Type: Number}\n" + group("!Ref A"), "Parameters: [A, B] must have values"},
		{"parameter type", "Parameters:\n  A: {Type: Text}\n" + group("x"), "Template format error: Unrecognized parameter type: Text"},
		{"function", group("!Sum [1, 2]"), "YAML tag !Sum is not supported"},
		{"long function", group("{'Fn::Sum': [1]}"), "Encountered unsupported function: Fn::Sum Supported functions are:"},
		{"length", group("!Length [a]"), "Encountered unsupported function: Fn::Length"},
		{"join", group("!Join [',']"), "every Fn::Join object requires two parameters"},
		{"select", group("!Select [3, [a, b]]"), "Template error: Fn::Select cannot select nonexistent value at index 3"},
		{"map", "Mappings:\n  M:\n    a: {b: c}\n" + group("!FindInMap [M, a, x]"), "Template error: Unable to get mapping for M::a::x"},
		{"no map", group("!FindInMap [M, a, x]"), "Mapping named 'M' is not present"},
		{"sub name", group("!Sub 'a-${b c}'"), "variable names in Fn::Sub syntax must contain only alphanumeric characters, underscores, periods, and colons"},
		{"transform", "Transform: AWS::Serverless-2016-10-31\n" + group("x"), "the transform AWS::Serverless-2016-10-31 is not built in Berth"},
		{"dynamic", group("'{{resolve:ssm:/a:1}}'"), "is not built in Berth"},
		{"rule", "Parameters:\n  A: {Type: String, Default: x}\nRules:\n  R:\n    Assertions:\n      - Assert: !Equals [!Ref A, y]\n        AssertDescription: A must be y\n" + group("x"), "Rule R failed to validate: A must be y"},
		{"snapshot", "Resources:\n  A:\n    Type: AWS::Logs::LogGroup\n    DeletionPolicy: Snapshot\n", "Snapshot is not supported"},
		{"xor", "Resources:\n  A:\n    Type: AWS::ElasticLoadBalancingV2::LoadBalancer\n", "exactly one of [Subnets, SubnetMappings] is required"},
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
		{"described", "Type: String, AllowedPattern: '[a-z]+', ConstraintDescription: small letters", "A", "Parameter 'P' failed to satisfy constraint: small letters"},
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
		{"Parameters:\n  P: {Type: String, Default: prod}\nConditions:\n  Prod: !Equals [!Ref P, prod]\n", "!If [Prod, yes-it-is, no]", "yes-it-is"},
		{"Conditions:\n  A: !Equals [a, a]\n  B: !And [!Condition A, !Not [!Equals [x, y]]]\n  C: !Or [!Equals [1, 2], {Condition: B}]\n", "!If [C, both, none]", "both"},
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
