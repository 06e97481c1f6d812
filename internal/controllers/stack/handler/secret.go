package handler

import (
	"context"
	"encoding/json"
	"maps"
	"strings"
)

// Secrets of Secrets Manager. A stack's are deleted without a recovery window.

func secretTypes() map[string]*Type {
	this := Args{"SecretId": self}
	return map[string]*Type{
		"AWS::SecretsManager::Secret": {
			Service: secrets, Name: Name{Property: "Name", Limit: 512},
			Make: Call{
				Operation: "CreateSecret", Members: names("Description SecretString"), With: Args{"Name": named, "ClientRequestToken": token},
				Carries: names("GenerateSecretString"), Ask: generate,
			},
			ID:     at("ARN"),
			Lookup: byName(tagged("Tags")),
			Changes: []Change{{
				Call: Call{
					Operation: "UpdateSecret", Members: names("Description SecretString"),
					With: Args{"SecretId": self, "ClientRequestToken": token}, Ask: generate, Prepare: noVersion,
					Forgive: names("ResourceExistsException"), // an act that was interrupted has generated one
				},
				When: names("GenerateSecretString"), Usual: map[string]any{"Description": ""},
			}},
			Read:       Call{Operation: "DescribeSecret", With: this},
			Attributes: map[string]Value{"Id": at("ARN")},
			Remove: Call{
				Operation: "DeleteSecret", With: Args{"SecretId": self, "ForceDeleteWithoutRecovery": constant(true)},
			},
			Tags: Tagging{Member: "Tags", Form: pairs, Add: "TagResource", Remove: "UntagResource", Of: this, Keys: "TagKeys"},
		},
	}
}

// Parameters of Systems Manager.

func parameterTypes() map[string]*Type {
	all := names("AllowedPattern DataType Description Tier Type Value")
	this := Args{"ResourceType": constant("Parameter"), "ResourceId": self}
	return map[string]*Type{
		"AWS::SSM::Parameter": {
			Service: parameters, Name: Name{Property: "Name", Limit: 1011},
			Make:   Call{Operation: "PutParameter", Members: all, With: Args{"Name": named}},
			ID:     named,
			Lookup: byTags(Call{Operation: "ListTagsForResource", With: this, Answer: "TagList"}),
			Changes: []Change{{
				Call: Call{Operation: "PutParameter", Members: all, With: Args{"Name": self, "Overwrite": constant(true)}},
			}},
			Remove: Call{Operation: "DeleteParameter", With: Args{"Name": self}},
			Tags: Tagging{
				Member: "Tags", Form: pairs, Add: "AddTagsToResource", Remove: "RemoveTagsFromResource", Of: this, Keys: "TagKeys",
			},
		},
	}
}

// noVersion leaves a value out that has not changed: each would be a version.
func noVersion(s *Step, in map[string]any) error {
	if !s.changed("SecretString", "GenerateSecretString") {
		delete(in, "SecretString")
		delete(in, "ClientRequestToken")
	}
	return nil
}

// generate adds the value that GenerateSecretString asks for (User Guide,
// AWS::SecretsManager::Secret GenerateSecretString).
func generate(ctx context.Context, s *Step, in map[string]any) error {
	want, ok := s.Record.Properties["GenerateSecretString"].(map[string]any)
	if !ok || !s.changed("GenerateSecretString") {
		return nil
	}
	if s.Record.Properties["SecretString"] != nil {
		return general("You can specify SecretString or GenerateSecretString, but not both.")
	}
	kinds := maps.Clone(want)
	frame, _ := kinds["SecretStringTemplate"].(string)
	key, _ := kinds["GenerateStringKey"].(string)
	delete(kinds, "SecretStringTemplate")
	delete(kinds, "GenerateStringKey")
	if (frame == "") != (key == "") {
		return general("SecretStringTemplate and GenerateStringKey must be given together.")
	}
	out, err := s.API.Call(ctx, secrets, "GetRandomPassword", kinds)
	if err != nil {
		return err
	}
	password := digText(out, "RandomPassword")
	if frame != "" {
		if password, err = framed(frame, key, password); err != nil {
			return err
		}
	}
	in["SecretString"] = password
	return nil
}

// framed is a JSON object with one member more, which comes last.
func framed(frame, key, value string) (string, error) {
	var members map[string]json.RawMessage
	if err := json.Unmarshal([]byte(frame), &members); err != nil || members == nil {
		return "", general("Could not parse SecretStringTemplate JSON.")
	}
	if _, had := members[key]; had {
		members[key] = json.RawMessage(asJSON(value))
		return asJSON(members), nil
	}
	open := strings.TrimRight(strings.TrimSuffix(strings.TrimSpace(frame), "}"), " \t\r\n")
	if len(members) > 0 {
		open += ","
	}
	return open + asJSON(key) + ":" + asJSON(value) + "}", nil
}
