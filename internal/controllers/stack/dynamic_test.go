package stack_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"berth/internal/model"
	"berth/internal/state"
)

// Proves: IR16, IR17
func TestReferencesToSecretsAreResolvedWhenAResourceIsMade(t *testing.T) {
	t.Parallel()
	h := newFixture(t)
	const body = `
Resources:
  Login:
    Type: AWS::SecretsManager::Secret
    Properties:
      Name: login
      GenerateSecretString: {SecretStringTemplate: '{"user": "me", "days": 7}', GenerateStringKey: password, PasswordLength: 12, ExcludePunctuation: true}
  Logs:
    Type: AWS::Logs::LogGroup
    Properties:
      LogGroupName: !Sub '/x/{{resolve:secretsmanager:${Login}:SecretString:user}}'
      RetentionInDays: '{{resolve:secretsmanager:login:SecretString:days::}}'
      Tags: [{Key: all, Value: !Join ['', ['{{resolve:secretsmanager:', !Ref Login, '}}']]}]
    DependsOn: Login
Outputs: {Group: {Value: !Ref Logs}}
`
	if err := h.create("web", body); err != nil {
		t.Fatal(err)
	}
	if s := h.settle("web"); s.Status != model.StackCreateComplete || s.Outputs[0].Value != "/x/me" {
		t.Fatalf("%s %s %v", s.Status, s.StatusReason, s.Outputs)
	}
	g, _ := state.LogGroups.Get(h.db.View(), "/x/me")
	value := func() string {
		s, _ := state.Secrets.Get(h.db.View(), "login")
		return *s.Versions[len(s.Versions)-1].Text
	}
	first := value()
	var members struct{ User, Password string }
	err := json.Unmarshal([]byte(first), &members)
	if err != nil || len(members.Password) != 12 || !strings.HasPrefix(first, `{"user": "me"`) {
		t.Errorf("generated %s, %v", first, err)
	}
	if g.RetentionDays != 7 || model.TagValue(g.Tags, "all") != first {
		t.Errorf("the group is %+v", g)
	}
	kept := fmt.Sprint(h.resource("web", "Logs").Properties)
	if strings.Contains(kept, members.Password) || !strings.Contains(kept, "{{resolve:") {
		t.Errorf("the stack keeps %s", kept)
	}
	if err := h.update("web", strings.Replace(body, "PasswordLength: 12", "PasswordLength: 20", 1)); err != nil {
		t.Fatal(err)
	}
	if s := h.settle("web"); s.Status != model.StackUpdateComplete || len(value()) != len(first)+8 {
		t.Errorf("%s %s: %s", s.Status, s.StatusReason, value())
	}
	h.del("web")
	h.settle("web")
	if all := state.Secrets.All(h.db.View()); len(all) != 0 {
		t.Errorf("left: %v", all)
	}
}

func TestReferencesToWhatIsNotThereFailTheResource(t *testing.T) {
	t.Parallel()
	for ref, want := range map[string]string{
		"secretsmanager:none:SecretString:user": "Secrets Manager can't find the specified secret. (Service: AWSSecretsManager; Status Code: " +
			"400; Error Code: ResourceNotFoundException)",
		"secretsmanager:${S}:SecretString:none": "Could not find a value associated with JSONKey in SecretString",
		"secretsmanager:${P}:SecretString:user": "Could not parse SecretString JSON",
		"secretsmanager:${S}:SecretBinary":      "must name SecretString",
		"secretsmanager:${S}:SecretString::old": "Secrets Manager can't find the specified secret value for staging label: old",
		"ssm:/none:3":                           "Parameters: [ssm:/none:3] cannot be found.",
	} {
		h := newFixture(t)
		err := h.create("web", `
Resources:
  S: {Type: AWS::SecretsManager::Secret, Properties: {SecretString: '{"user": "me"}'}}
  P: {Type: AWS::SecretsManager::Secret, Properties: {SecretString: hush}}
  Logs: {Type: AWS::Logs::LogGroup, DependsOn: [S, P], Properties: {LogGroupName: !Sub '{{resolve:`+ref+`}}'}}
`)
		if err != nil {
			t.Fatal(err)
		}
		h.settle("web")
		if story := h.story("web"); !strings.Contains(story, want) {
			t.Errorf("%s: no %q in\n%s", ref, want, story)
		}
	}
}

func TestSecretsThatCannotBeGeneratedAreRefused(t *testing.T) {
	t.Parallel()
	for given, want := range map[string]string{
		"SecretString: x, GenerateSecretString: {PasswordLength: 9}":                       "SecretString or GenerateSecretString, but not both",
		"GenerateSecretString: {GenerateStringKey: a}":                                     "must be given together",
		"GenerateSecretString: {GenerateStringKey: a, SecretStringTemplate: '[1]'}":        "Could not parse SecretStringTemplate JSON.",
		"GenerateSecretString: {PasswordLength: 2}":                                        "too short to have a character of each included type",
		"GenerateSecretString: {GenerateStringKey: a, SecretStringTemplate: '{\"a\": 1}'}": "CREATE_COMPLETE",
		"GenerateSecretString: {GenerateStringKey: a, SecretStringTemplate: '{}'}":         "CREATE_COMPLETE",
	} {
		h := newFixture(t)
		if err := h.create("web", "Resources: {S: {Type: AWS::SecretsManager::Secret, Properties: {"+given+"}}}"); err != nil {
			t.Fatal(err)
		}
		h.settle("web")
		if story := h.story("web"); !strings.Contains(story, want) {
			t.Errorf("%s: no %q in\n%s", given, want, story)
		}
	}
}

// Proves: IR21
func TestParametersOfSystemsManagerAreAStacks(t *testing.T) {
	t.Parallel()
	h := newFixture(t)
	const kept = `
Resources:
  Name: {Type: AWS::SSM::Parameter, Properties: {Name: /app/name, Type: String, Value: web, Tags: {team: a}}}
  Days: {Type: AWS::SSM::Parameter, Properties: {Name: /app/days, Type: StringList, Value: '5,7'}}
  Logs:
    Type: AWS::Logs::LogGroup
    DependsOn: Days
    Properties: {LogGroupName: !Sub '{{resolve:ssm:${Name}:1}}-first', RetentionInDays: 7}
`
	if err := h.create("kept", kept); err != nil {
		t.Fatal(err)
	}
	if s := h.settle("kept"); s.Status != model.StackCreateComplete {
		t.Fatalf("%s\n%s", s.Status, h.story("kept"))
	}
	const body = `
Parameters:
  Name: {Type: 'AWS::SSM::Parameter::Value<String>', Default: /app/name}
  Days: {Type: 'AWS::SSM::Parameter::Value<List<String>>', Default: /app/days}
Resources: {Logs: {Type: AWS::Logs::LogGroup, Properties: {LogGroupName: !Ref Name, RetentionInDays: !Select [0, !Ref Days]}}}
`
	if err := h.create("uses", body); err != nil {
		t.Fatal(err)
	}
	h.settle("uses")
	if err := h.update("kept", strings.Replace(kept, "Value: '5,7'", "Value: '14'", 1)); err != nil {
		t.Fatal(err)
	}
	h.settle("kept")
	if err := h.update("uses", body); err != nil {
		t.Fatal(err)
	}
	h.settle("uses")
	first, _ := state.LogGroups.Get(h.db.View(), "web-first")
	g, _ := state.LogGroups.Get(h.db.View(), "web")
	if first.RetentionDays != 7 || g.RetentionDays != 14 {
		t.Errorf("%+v, %+v\n%s", first, g, h.story("uses"))
	}
	h.del("uses")
	h.settle("uses")
	h.del("kept")
	h.settle("kept")
	if left := state.Parameters.All(h.db.View()); len(left) != 0 {
		t.Errorf("left: %v", left)
	}
	if err := h.create("uses", body); err == nil || !strings.Contains(err.Error(), "Unable to fetch parameters [/app/name]") {
		t.Errorf("without them: %v", err)
	}
}
