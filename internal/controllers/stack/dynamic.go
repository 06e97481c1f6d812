package stack

import (
	"context"
	"encoding/json"
	"regexp"
	"strings"

	"berth/internal/controllers/stack/handler"
	"berth/internal/fault"
	"berth/internal/lang/template"
)

// reference is a dynamic reference to what the account keeps (CloudFormation
// user guide, "Get values stored in other services using dynamic references").
var reference = regexp.MustCompile(`\{\{resolve:(ssm|secretsmanager):([^{}]*)\}\}`)

// resolved is a call's input with its dynamic references resolved, as the stack.
// They are resolved nowhere else: the stack's records, events and answers have
// them as the template has.
func (c caller) resolved(ctx context.Context, in map[string]any) (map[string]any, error) {
	out, err := c.resolve(ctx, in)
	if err != nil {
		return nil, err
	}
	m, _ := out.(map[string]any)
	return m, nil
}

func (c caller) resolve(ctx context.Context, v any) (any, error) {
	switch v := v.(type) {
	case string:
		return c.resolveText(ctx, v)
	case []any:
		out := make([]any, len(v))
		for i := range v {
			var err error
			if out[i], err = c.resolve(ctx, v[i]); err != nil {
				return nil, err
			}
		}
		return out, nil
	case map[string]any:
		out := make(map[string]any, len(v))
		for k := range v {
			var err error
			if out[k], err = c.resolve(ctx, v[k]); err != nil {
				return nil, err
			}
		}
		return out, nil
	default:
		return v, nil
	}
}

func (c caller) resolveText(ctx context.Context, text string) (string, error) {
	if !template.Dynamic(text) {
		return text, nil
	}
	var failed error
	out := reference.ReplaceAllStringFunc(text, func(ref string) string {
		parts := reference.FindStringSubmatch(ref)
		get := c.parameter
		if parts[1] == "secretsmanager" {
			get = c.secret
		}
		v, err := get(ctx, parts[2])
		if err != nil && failed == nil {
			failed = err
		}
		return v
	})
	return out, failed
}

// parameter is what ssm:NAME or ssm:NAME:VERSION refers to.
func (c caller) parameter(ctx context.Context, name string) (string, error) {
	out, err := c.Invoke.Invoke(ctx, c.as, "ssm", "GetParameters", map[string]any{"Names": []any{name}})
	if err != nil {
		return "", unresolvable(err, "AWSSimpleSystemsManagement")
	}
	found, _ := out["Parameters"].([]any)
	if len(found) == 0 {
		return "", handler.Unheard("Parameters: [ssm:%s] cannot be found.", name)
	}
	p, _ := found[0].(map[string]any)
	if p["Type"] == "SecureString" {
		return "", handler.Unheard("Non-secure ssm prefix was used for secure parameter: [%s]", name)
	}
	v, _ := p["Value"].(string)
	return v, nil
}

// secret is what secretsmanager:SECRET[:SecretString[:KEY[:STAGE[:VERSION]]]]
// refers to.
func (c caller) secret(ctx context.Context, ref string) (string, error) {
	of := 1
	if strings.HasPrefix(ref, "arn:") {
		of = 7
	}
	f := strings.Split(ref, ":")
	in := map[string]any{"SecretId": strings.Join(f[:min(of, len(f))], ":")}
	rest := append(f[min(of, len(f)):], "", "", "", "")
	if rest[0] != "" && rest[0] != "SecretString" {
		return "", handler.Unheard("The dynamic reference to the secret %s must name SecretString.", in["SecretId"])
	}
	for member, said := range map[string]string{"VersionStage": rest[2], "VersionId": rest[3]} {
		if said != "" {
			in[member] = said
		}
	}
	out, err := c.Invoke.Invoke(ctx, c.as, "secretsmanager", "GetSecretValue", in)
	if err != nil {
		return "", unresolvable(err, "AWSSecretsManager")
	}
	text, _ := out["SecretString"].(string)
	if rest[1] == "" {
		return text, nil
	}
	var members map[string]any
	if err := json.Unmarshal([]byte(text), &members); err != nil {
		return "", handler.Unheard("Could not parse SecretString JSON")
	}
	v, ok := members[rest[1]]
	if !ok {
		return "", handler.Unheard("Could not find a value associated with JSONKey in SecretString")
	}
	if s, ok := v.(string); ok {
		return s, nil
	}
	b, err := json.Marshal(v)
	return string(b), err
}

// unresolvable words what a service answers, but for what may pass.
func unresolvable(err error, service string) error {
	if fault.CodeOf(err) == "" || handler.Passing(err) {
		return err
	}
	return handler.Unheard("%s (Service: %s; Status Code: 400; Error Code: %s)", fault.MessageOf(err), service, fault.CodeOf(err))
}
