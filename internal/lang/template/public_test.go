package template_test

import (
	"strings"
	"testing"

	"berth/internal/lang/template"
)

const imagePath = "/aws/service/ecs/optimized-ami/amazon-linux-2/recommended/image_id"

func public(name string) (string, bool) {
	if name == imagePath {
		return "ami-0123456789abcdef0", true
	}
	return "", false
}

// Proves: E3
func TestPublicParametersAreResolved(t *testing.T) {
	t.Parallel()
	tpl, err := template.Parse(`
Parameters:
  Ami: {Type: 'AWS::SSM::Parameter::Value<AWS::EC2::Image::Id>', Default: ` + imagePath + `}
  Several: {Type: 'AWS::SSM::Parameter::Value<List<String>>', Default: ` + imagePath + `}
Resources:
  Logs:
    Type: AWS::Logs::LogGroup
    Properties:
      LogGroupName: !Ref Ami
      Tags:
        - {Key: a, Value: '{{resolve:ssm:` + imagePath + `}}'}
        - {Key: b, Value: !Sub 'x {{resolve:ssm:` + imagePath + `:1}} ${AWS::Region}'}
        - {Key: c, Value: !Join ['', !Ref Several]}
`)
	if err != nil {
		t.Fatal(err)
	}
	if err := tpl.Built(); err != nil {
		t.Fatal(err)
	}
	b, err := tpl.Bind(template.Inputs{Place: template.Place{Region: "eu-west-1"}, Public: public})
	if err != nil {
		t.Fatal(err)
	}
	p, err := b.Properties("Logs", template.Nothing)
	if err != nil {
		t.Fatal(err)
	}
	const id = "ami-0123456789abcdef0"
	var tags []string
	for _, it := range p["Tags"].([]any) {
		tags = append(tags, it.(map[string]any)["Value"].(string))
	}
	if got := strings.Join(tags, "|"); p["LogGroupName"] != id || got != id+"|x "+id+" eu-west-1|"+id {
		t.Errorf("%v", p)
	}
	if b.Given("Ami") != imagePath || b.Value("Ami") != id {
		t.Errorf("given %s, came to %s", b.Given("Ami"), b.Value("Ami"))
	}
}

// Proves: IR16
//
// What a dynamic reference to the account's own comes to is not known before a
// resource is made, and no schema is asked about it.
func TestDynamicReferencesStayAsTheyAre(t *testing.T) {
	t.Parallel()
	tpl, err := template.Parse(`
Parameters: {Days: {Type: String, Default: '{{resolve:ssm:/days}}'}}
Resources:
  Logs:
    Type: AWS::Logs::LogGroup
    Properties:
      LogGroupName: !Join ['', ['{{resolve:secretsmanager:', !Ref 'AWS::StackName', ':SecretString:name}}']]
      RetentionInDays: !Ref Days
      LogGroupClass: '{{resolve:ssm:/class:3}}'
`)
	if err != nil {
		t.Fatal(err)
	}
	b, err := tpl.Bind(template.Inputs{StackName: "web", Public: public})
	if err != nil {
		t.Fatal(err)
	}
	if err := b.Validate(); err != nil {
		t.Error(err)
	}
	p, err := b.Properties("Logs", template.Nothing)
	if err != nil || p["RetentionInDays"] != "{{resolve:ssm:/days}}" ||
		p["LogGroupName"] != "{{resolve:secretsmanager:web:SecretString:name}}" {
		t.Errorf("%v, %v", p, err)
	}
}

func TestParametersThatSystemsManagerHasNotAreRefused(t *testing.T) {
	t.Parallel()
	tpl, err := template.Parse(`
Parameters: {Ami: {Type: 'AWS::SSM::Parameter::Value<AWS::EC2::Image::Id>'}}
Resources: {Logs: {Type: AWS::Logs::LogGroup, Properties: {LogGroupName: !Ref Ami}}}
`)
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{
		"/mine": "Unable to fetch parameters [/mine] from parameter store for this account.",
		"/aws/service/bottlerocket/aws-ecs-1/x86_64/latest/image_id": "is not built in Berth: those of ECS-optimized images",
	} {
		_, err := tpl.Bind(template.Inputs{Public: public, Parameters: map[string]string{"Ami": name}})
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// Proves: IR21
func TestTheAccountsOwnParametersAreResolved(t *testing.T) {
	t.Parallel()
	tpl, err := template.Parse(`
Parameters:
  Name: {Type: 'AWS::SSM::Parameter::Name'}
  Group: {Type: 'AWS::SSM::Parameter::Value<String>'}
  Days: {Type: 'AWS::SSM::Parameter::Value<List<String>>', Default: /days}
Resources:
  Logs:
    Type: AWS::Logs::LogGroup
    Properties: {LogGroupName: !Sub '${Group}${Name}', RetentionInDays: !Select [1, !Ref Days]}
`)
	if err != nil {
		t.Fatal(err)
	}
	if err := tpl.Built(); err != nil {
		t.Fatal(err)
	}
	bind := func(name string) (*template.Bound, error) {
		return tpl.Bind(template.Inputs{
			Public: public, Parameters: map[string]string{"Name": name, "Group": "/group"},
			Stored: func(name string) (string, error) {
				kept := map[string]string{"/group": "web", "/days": "5,7", "/name": "x"}[name]
				if kept == "" {
					return "", template.Unfetched(name)
				}
				return kept, nil
			},
		})
	}
	b, err := bind("/name")
	if err != nil {
		t.Fatal(err)
	}
	p, err := b.Properties("Logs", template.Nothing)
	if got, _ := template.Flat(p["RetentionInDays"]); err != nil || p["LogGroupName"] != "web/name" || got != "7" {
		t.Errorf("%v, %v", p, err)
	}
	const want = "Unable to fetch parameters [/none] from parameter store for this account."
	if _, err := bind("/none"); err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("a name that is not kept: %v", err)
	}
}
