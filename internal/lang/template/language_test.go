package template_test

import (
	"strings"
	"testing"

	"berth/internal/lang/template"
)

// try binds a template whose G has a property made by some text, under some
// head, and returns the error's text.
func try(t *testing.T, head, value string) string {
	t.Helper()
	if _, err := bind(head+group(value), nil); err != nil {
		return err.Error()
	}
	return ""
}

func wants(t *testing.T, got, want string) {
	t.Helper()
	if want == "" && got != "" || !strings.Contains(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestRules(t *testing.T) {
	t.Parallel()
	const params = "Parameters:\n  Env: {Type: String, Default: prod}\n  Zones: {Type: CommaDelimitedList, Default: 'a,b'}\n"
	rule := func(condition, assert string) string {
		out := params + "Rules:\n  R:\n"
		if condition != "" {
			out += "    RuleCondition: " + condition + "\n"
		}
		return out + "    Assertions:\n      - Assert: " + assert + "\n        AssertDescription: so it is\n"
	}
	const broken = "Template validation error: Rule R failed to validate: so it is"
	for name, c := range map[string][2]string{
		"holds":                 {rule("", "!Equals [!Ref Env, prod]"), ""},
		"does not":              {rule("", "!Equals [!Ref Env, test]"), broken},
		"does not apply":        {rule("!Equals [!Ref Env, test]", "!Equals [a, b]"), ""},
		"contains":              {rule("", "{'Fn::Contains': [[prod, test], !Ref Env]}"), ""},
		"contains not":          {rule("", "{'Fn::Contains': [[test], !Ref Env]}"), broken},
		"each equals":           {rule("", "{'Fn::EachMemberEquals': [[prod, prod], !Ref Env]}"), ""},
		"each equals not":       {rule("", "{'Fn::EachMemberEquals': [!Ref Zones, a]}"), broken},
		"each in":               {rule("", "{'Fn::EachMemberIn': [!Ref Zones, [a, b, c]]}"), ""},
		"each in not":           {rule("", "{'Fn::EachMemberIn': [!Ref Zones, [a]]}"), broken},
		"not":                   {rule("", "!Not [{'Fn::Contains': [[test], !Ref Env]}]"), ""},
		"and":                   {rule("", "!And [{'Fn::Contains': [[prod], !Ref Env]}, !Equals [a, a]]"), ""},
		"and not":               {rule("", "!And [{'Fn::Contains': [[prod], !Ref Env]}, !Equals [a, b]]"), broken},
		"or":                    {rule("", "!Or [{'Fn::Contains': [[test], !Ref Env]}, !Equals [a, a]]"), ""},
		"or of one":             {rule("", "!Or [!Equals [a, a]]"), "requires a list of at least 2"},
		"membership of no list": {rule("", "{'Fn::Contains': [a, b]}"), "every Fn::Contains object requires a list as its first parameter"},
		"in no list":            {rule("", "{'Fn::EachMemberIn': [[a], b]}"), "every Fn::EachMemberIn object requires two lists"},
		"one operand":           {rule("", "{'Fn::Contains': [[a]]}"), "every Fn::Contains object requires two parameters"},
		"not built":             {rule("", "{'Fn::RefAll': 'AWS::EC2::VPC::Id'}"), "the rule function Fn::RefAll is not built in Berth"},
		"no assertion":          {params + "Rules:\n  R:\n    Assertions:\n      - AssertDescription: x\n", "must contain an Assert"},
		"no list":               {params + "Rules:\n  R:\n    Assertions: x\n", "Rule R must have a list of Assertions"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			wants(t, try(t, c[0], "x"), c[1])
		})
	}
}

func TestFunctionsSayWhatTheyLack(t *testing.T) {
	t.Parallel()
	const ext = "Transform: AWS::LanguageExtensions\nParameters:\n  L: {Type: CommaDelimitedList, Default: 'a,b'}\n"
	for name, c := range map[string][3]string{
		"base64 of a list":      {"", "!Base64 [a]", "Fn::Base64"},
		"if of two":             {"Conditions: {C: !Equals [a, b]}\n", "!If [C, a]", "Fn::If"},
		"if without condition":  {"", "!If [Nope, a, b]", "Unresolved condition dependency Nope"},
		"import of a reference": {"", "!ImportValue {Ref: G}", "ImportValue"},
		"length of text":        {ext, "!Sub ['${n}', {n: {'Fn::Length': x}}]", "every Fn::Length object requires a list"},
		"length":                {ext, "!Sub ['n${n}', {n: {'Fn::Length': !Ref L}}]", ""},
		"json of text":          {ext, "{'Fn::ToJsonString': x}", "every Fn::ToJsonString object requires an object or an array"},
		"select of text":        {"", "!Select [a, [b]]", "Fn::Select"},
		"split of a list":       {"", "!Select [0, !Split [',', [a]]]", "Fn::Split"},
		"getatt of one":         {"", "!GetAtt [G]", "every Fn::GetAtt object requires two non-empty parameters"},
		"sub of a number":       {"", "!Sub {a: b}", "Fn::Sub"},
		"sub unclosed":          {"", "!Sub 'a${b'", "[pattern]"},
		"account":               {"", "!Sub '${AWS::AccountId}-${AWS::Region}-${AWS::Partition}-${AWS::URLSuffix}-${AWS::StackName}'", ""},
		"condition operand":     {"Conditions: {C: !Equals [a]}\n", "x", "every Fn::Equals object requires a list of 2 string parameters"},
		"condition of a map":    {"Conditions: {C: {a: b}}\n", "x", "Conditions can only be boolean operations"},
		"not of two": {"Conditions: {C: !Not [!Equals [a, b], !Equals [a, b]]}\n", "x",
			"Fn::Not requires a list argument with one parameter"},
		"and of one":          {"Conditions: {C: !And [!Equals [a, b]]}\n", "x", "requires a list of at least 2"},
		"join in a condition": {"Conditions: {C: !Join ['', [a]]}\n", "x", "Conditions can only be boolean operations"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			wants(t, try(t, c[0], c[1]), c[2])
		})
	}
}

func TestLoopsSayWhatTheyLack(t *testing.T) {
	t.Parallel()
	loop := func(parts string) string {
		return "Transform: AWS::LanguageExtensions\nParameters:\n  L: {Type: CommaDelimitedList, Default: 'a,b'}\n  T: {Type: String, " +
			"Default: c}\n" +
			"Resources:\n  Fn::ForEach::X: " + parts + "\n"
	}
	for name, c := range map[string][2]string{
		"good":              {"[N, !Ref L, {'G${N}': {Type: 'AWS::Logs::LogGroup'}}]", ""},
		"of a text":         {"[N, [!Ref T, d], {'G${N}': {Type: 'AWS::Logs::LogGroup'}}]", ""},
		"of a list in one":  {"[N, [!Ref L, d], {'G${N}': {Type: 'AWS::Logs::LogGroup'}}]", ""},
		"two parts":         {"[N, [a]]", "requires a list of three"},
		"no identifier":     {"[[N], [a], {}]", "requires an identifier as its first parameter"},
		"of no list":        {"[N, !Ref T, {'G${N}': {}}]", "T is not a list parameter"},
		"of a map":          {"[N, {a: b}, {'G${N}': {}}]", "requires a list as its second parameter"},
		"of no parameter":   {"[N, [!Ref Nope], {'G${N}': {}}]", "Nope is not a parameter"},
		"of maps":           {"[N, [{a: b}], {'G${N}': {}}]", "requires a list of strings as its second parameter"},
		"the same twice":    {"[N, [a, b], {G: {Type: 'AWS::Logs::LogGroup'}}]", "makes the key G twice"},
		"without the words": {"[N, ['a.b'], {'G&{N}': {Type: 'AWS::Logs::LogGroup'}}]", ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := bind(loop(c[0]), nil)
			got := ""
			if err != nil {
				got = err.Error()
			}
			wants(t, got, c[1])
		})
	}
}

func TestPolicies(t *testing.T) {
	t.Parallel()
	resource := func(head, policy string) string {
		return head + "Resources:\n  G:\n    Type: AWS::Logs::LogGroup\n    DeletionPolicy: " + policy + "\n"
	}
	const ext = "Transform: AWS::LanguageExtensions\nParameters: {P: {Type: String, Default: Retain}, Q: {Type: String, Default: Perhaps}}\n"
	for name, c := range map[string][3]string{
		"given":         {"", "RetainExceptOnCreate", ""},
		"unknown":       {"", "Perhaps", "Unrecognized DeletionPolicy Perhaps for resource G"},
		"snapshot":      {"", "Snapshot", "DeletionPolicy Snapshot is not supported for resource G of type AWS::Logs::LogGroup"},
		"list":          {"", "[Retain]", "Every DeletionPolicy member must be a string."},
		"by reference":  {ext, "!Ref P", ""},
		"by a bad one":  {ext, "!Ref Q", "Perhaps"},
		"no extensions": {"Parameters: {P: {Type: String, Default: Retain}}\n", "!Ref P", "Every DeletionPolicy member must be a string."},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b, err := bind(resource(c[0], c[1]), nil)
			if c[2] != "" {
				if err == nil {
					t.Fatal("accepted")
				}
				wants(t, err.Error(), c[2])
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if r, _ := b.Find("G"); !strings.HasPrefix(r.DeletionPolicy, "Retain") {
				t.Errorf("policy %q", r.DeletionPolicy)
			}
		})
	}
}

// What the schema says of values is held, at any depth.
func TestSchemaIsHeld(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		of    string
		props map[string]any
		want  string
	}{
		"boolean for a number": {"AWS::Logs::LogGroup", map[string]any{"RetentionInDays": true},
			"#/RetentionInDays: expected type: Integer, found: Boolean"},
		"number for a list": {"AWS::IAM::InstanceProfile", map[string]any{"Roles": int64(1)},
			"#/Roles: expected type: JSONArray, found: Number"},
		"map for text": {"AWS::Logs::LogGroup", map[string]any{"LogGroupName": map[string]any{"a": "b"}},
			"#/LogGroupName: expected type: String, found: JSONObject"},
		"too long": {"AWS::Logs::LogGroup", map[string]any{"LogGroupName": strings.Repeat("a", 513)},
			"#/LogGroupName: expected maxLength: 512, actual: 513"},
		"too short": {"AWS::Logs::LogGroup", map[string]any{"LogGroupName": ""}, "#/LogGroupName: expected minLength: 1, actual: 0"},
		"not by the pattern": {"AWS::Logs::LogGroup", map[string]any{"LogGroupName": "a b"},
			"#/LogGroupName: failed validation constraint for keyword [pattern]"},
		"half a number": {"AWS::Logs::LogGroup", map[string]any{"RetentionInDays": 1.5},
			"#/RetentionInDays: expected type: Integer, found: Number"},
		"too large": {
			"AWS::ElasticLoadBalancingV2::TargetGroup", map[string]any{"HealthCheckIntervalSeconds": "x"},
			"#/HealthCheckIntervalSeconds: expected type: Integer, found: String",
		},
		"refused part": {
			"AWS::ECS::TaskDefinition",
			map[string]any{"Volumes": []any{map[string]any{"EFSVolumeConfiguration": map[string]any{"FilesystemId": "fs"}}}},
			"#/Volumes/EFSVolumeConfiguration: the property Volumes.EFSVolumeConfiguration of AWS::ECS::TaskDefinition is not built in Berth",
		},
		"items alike": {
			"AWS::IAM::Role", map[string]any{"AssumeRolePolicyDocument": map[string]any{}, "ManagedPolicyArns": []any{"a", "a"}},
			"#/ManagedPolicyArns: array items are not unique",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			kind, _ := template.TypeOf(c.of)
			_, problems := kind.Coerce(c.props)
			wants(t, strings.Join(problems, "\n"), c.want)
		})
	}
}

func TestWhatATypeHas(t *testing.T) {
	t.Parallel()
	provider, _ := template.TypeOf("AWS::ECS::CapacityProvider")
	for path, built := range map[string]bool{
		"ManagedInstancesProvider": true, "AutoScalingGroupProvider": true, "ManagedInstancesProvider.AutoRepairConfiguration": false,
		"ManagedInstancesProvider.InstanceLaunchTemplate.Monitoring": true,
	} {
		if provider.IsBuilt(path) != built {
			t.Errorf("%s is built: %t", path, !built)
		}
	}
	for path, updatable := range map[string]bool{
		"ManagedInstancesProvider": true, "ClusterName": false, "ManagedInstancesProvider.InstanceLaunchTemplate.FipsEnabled": false,
	} {
		if provider.IsUpdatable(path) != updatable {
			t.Errorf("%s may be updated: %t", path, !updatable)
		}
	}
	if !provider.Taggable() || len(provider.Built()) != 5 {
		t.Errorf("tags %t, built %v", provider.Taggable(), provider.Built())
	}
	group, _ := template.TypeOf("AWS::EC2::SecurityGroup")
	rules := []any{map[string]any{"SourceSecurityGroupName": "a", "IpProtocol": "tcp"}}
	if v, ok := group.Updatable("SecurityGroupIngress", rules); !ok || v == nil {
		t.Errorf("rules: %v %t", v, ok)
	}
}
