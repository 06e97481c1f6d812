package ecs_test

import (
	"fmt"
	"strings"
	"testing"

	"berth/internal/api/apitest"
	"berth/internal/fault"
)

// TestSecretsOfADefinition registers containers whose variables are secrets.
//
// Proves: IR12
func TestSecretsOfADefinition(t *testing.T) {
	w := apitest.NewWorld(t)
	const arn = "arn:aws:secretsmanager:us-east-1:123456789012:secret:db-AbCdEf"
	type in = apitest.In
	one := func(name, from string) in { return in{"name": name, "valueFrom": from} }
	for _, role := range []string{"", "arn:aws:iam::123456789012:role/exec"} {
		def := in{"family": "f", "memory": "512", "requiresCompatibilities": []any{"MANAGED_INSTANCES"}, "containerDefinitions": []any{in{
			"name": "web", "image": "hub.example/x", "repositoryCredentials": in{"credentialsParameter": arn},
		}}}
		if role != "" {
			def["executionRoleArn"] = role
		}
		out, err := w.Invoke(t.Context(), "ecs", "RegisterTaskDefinition", def)
		if role == "" {
			const want = "When you are specifying container repositoryCredentials, you must also specify a value for 'executionRoleArn'."
			if fault.CodeOf(err) != "ClientException" || fault.MessageOf(err) != want {
				t.Errorf("without a role: %v", err)
			}
			continue
		}
		if shown := fmt.Sprint(out, err); !strings.Contains(shown, "repositoryCredentials:map[credentialsParameter:"+arn) ||
			!strings.Contains(shown, "ecs.capability.private-registry-authentication.secretsmanager") {
			t.Error(shown)
		}
	}
	for _, c := range []struct {
		role, code, text string
		secrets          []any
	}{
		{"arn:aws:iam::123456789012:role/exec", "", "", []any{one("A", arn), one("B", arn+":user:AWSCURRENT:")}},
		{"exec", "", "", []any{one("A", "/mine"), one("B", "arn:aws:ssm:us-east-1:123456789012:parameter/mine")}},
		{
			"", "ClientException", "When you are specifying container secrets, you must also specify a value for 'executionRoleArn'.",
			[]any{one("A", arn)},
		},
		{
			"exec", "ClientException", "The secret name must be unique and not shared with any new or existing environment variables set on the " +
				"container, such as 'PLAIN'.", []any{one("PLAIN", arn)},
		},
		{
			"exec", "ClientException", "The secret name must be unique and not shared with any new or existing environment variables set on the " +
				"container, such as 'A'.", []any{one("A", arn), one("A", arn)},
		},
		{"exec", "ClientException", "Container secrets: name and valueFrom should not be null or empty.", []any{one("", arn)}},
		{
			"exec", "ClientException", "Invalid 'valueFrom' in container secrets: arn:aws:s3:::b is neither a secret nor a parameter.",
			[]any{one("A", "arn:aws:s3:::b")},
		},
	} {
		def := in{
			"family": "f", "memory": "512", "requiresCompatibilities": []any{"MANAGED_INSTANCES"},
			"containerDefinitions": []any{in{
				"name": "web", "image": "x", "environment": []any{in{"name": "PLAIN", "value": "p"}}, "secrets": c.secrets,
			}},
		}
		if c.role != "" {
			def["executionRoleArn"] = c.role
		}
		out, err := w.Invoke(t.Context(), "ecs", "RegisterTaskDefinition", def)
		if fault.CodeOf(err) != c.code || c.code != "" && fault.MessageOf(err) != c.text {
			t.Errorf("%v: %v, want %s %s", c.secrets, err, c.code, c.text)
		}
		if c.code != "" {
			continue
		}
		made, _ := out["taskDefinition"].(map[string]any)
		all, _ := made["containerDefinitions"].([]any)
		if first, _ := all[0].(map[string]any); len(first["secrets"].([]any)) != 2 {
			t.Errorf("shown as %v", first)
		}
	}
}
