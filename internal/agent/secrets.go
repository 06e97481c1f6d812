package agent

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"

	"berth/internal/acs"
	"berth/internal/fault"
	"berth/internal/wire"
	"berth/internal/wire/shape/secretsmanager"
	"berth/internal/wire/shape/ssm"
)

// secretTries is how often a secret is asked for.
const secretTries = 3

// bringSecrets gets the values of all containers' secrets, and the logins of
// private registries, as the execution
// role, by the task's way. Without one of them the task does not start; those of
// containers that have started are for the next time that they do.
func (t *task) bringSecrets(ctx context.Context) error {
	for _, r := range t.runs {
		if err := r.bringLogin(ctx); err != nil {
			return err
		}
		if len(r.def.Secrets) == 0 {
			continue
		}
		values := map[string]string{}
		for _, s := range r.def.Secrets {
			v, err := r.secret(ctx, s)
			if err != nil && r.ran() {
				t.agent.Log.Warn("no secret", "task", t.id(), "container", r.def.Name, "name", s.Name, "error", err)
				continue
			}
			if err != nil {
				return err
			}
			values[s.Name] = v
		}
		r.secrets = values
	}
	return nil
}

// secretOf reads what valueFrom names: ARN[:KEY:STAGE:VERSION], each of the three
// may be empty.
func secretOf(valueFrom string) (in secretsmanager.GetSecretValueInput, key string) {
	const parts = 7 // of the ARN
	f := strings.Split(valueFrom, ":")
	in.SecretId = wire.Ptr(strings.Join(f[:min(parts, len(f))], ":"))
	more := append(f[min(parts, len(f)):], "", "", "")
	if more[1] != "" {
		in.VersionStage = &more[1]
	}
	if more[2] != "" {
		in.VersionId = &more[2]
	}
	return in, more[0]
}

func (r *run) secret(ctx context.Context, s acs.Secret) (string, error) {
	if s.Provider == acs.SecretSSM {
		return r.parameter(ctx, s)
	}
	in, key := secretOf(s.ValueFrom)
	text, err := r.ask(ctx, s.Region, &in)
	if fault.CodeOf(err) == unreached {
		return "", err
	}
	if err != nil {
		return "", noSecret(
			fault.ClassOf(err), "service call has been retried 1 time(s): failed to fetch secret %s from secrets manager: %s: %s", *in.SecretId,
			fault.CodeOf(err), fault.MessageOf(err),
		)
	}
	return pick(text, key)
}

// unreached is the code of what the task's resources lack.
const unreached = "ResourceInitializationError"

// parameter gets the value of a parameter of Systems Manager, decrypted, with the
// execution role.
func (r *run) parameter(ctx context.Context, s acs.Secret) (string, error) {
	a := r.task.agent
	k, err := r.serviceKeys(ctx)
	if err != nil {
		return "", err
	}
	way, err := r.task.outside()
	if err != nil {
		return "", err
	}
	in := &ssm.GetParametersInput{Names: []string{s.ValueFrom}, WithDecryption: wire.Ptr(true)}
	var out *ssm.GetParametersOutput
	err = a.retry(ctx, secretTries, func() (err error) {
		out, err = ssm.Client{Caller: way.as(s.Region, k)}.GetParameters(ctx, in)
		return err
	})
	switch {
	case err != nil && fault.CodeOf(err) == "":
		a.Log.Warn("no parameter", "task", r.task.id(), "name", s.Name, "error", err)
		return "", fault.New(
			fault.Unavailable, unreached,
			"The task can't pull secrets from AWS Systems Manager. There is a connection issue between the task and AWS Systems Manager Parameter "+
				"Store. Check your task network configuration.",
		)
	case err != nil:
		return "", noParameter(
			fault.ClassOf(err), "service call has been retried 1 time(s): %s: %s", fault.CodeOf(err), fault.MessageOf(err),
		)
	case len(out.Parameters) == 0:
		return "", noParameter(fault.NotFound, "invalid parameters: %s", s.ValueFrom)
	}
	return wire.Val(out.Parameters[0].Value), nil
}

func noParameter(class fault.Class, format string, args ...any) error {
	return fault.New(
		class, unreached,
		"unable to pull secrets or registry auth: execution resource retrieval failed: unable to retrieve secrets from ssm: %s",
		fmt.Sprintf(format, args...),
	)
}

// ask gets a secret's value with the execution role.
func (r *run) ask(ctx context.Context, region string, in *secretsmanager.GetSecretValueInput) (string, error) {
	a := r.task.agent
	k, err := r.serviceKeys(ctx)
	if err != nil {
		return "", err
	}
	way, err := r.task.outside()
	if err != nil {
		return "", err
	}
	var out *secretsmanager.GetSecretValueOutput
	err = a.retry(ctx, secretTries, func() (err error) {
		out, err = secretsmanager.Client{Caller: way.as(region, k)}.GetSecretValue(ctx, in)
		return err
	})
	if err != nil && fault.CodeOf(err) == "" {
		a.Log.Warn("no secret", "task", r.task.id(), "container", r.def.Name, "error", err)
		err = fault.New(
			fault.Unavailable, unreached,
			"The task can't pull secrets from AWS Secrets Manager. There is a connection issue between the task and AWS Secrets Manager. Check "+
				"your task network configuration.",
		)
	}
	if err != nil {
		return "", err
	}
	return wire.Val(out.SecretString), nil
}

// bringLogin gets the login of a container's private registry. The sentences are
// those of the stock agent's agent/asm, which reads the same JSON.
func (r *run) bringLogin(ctx context.Context) error {
	auth := r.def.RegistryAuth
	if auth == nil || auth.Type != acs.RegistryASM || auth.ASM == nil || r.ran() {
		return nil
	}
	of := auth.ASM.CredentialsParameter
	text, err := r.ask(ctx, auth.ASM.Region, &secretsmanager.GetSecretValueInput{SecretId: &of})
	if fault.CodeOf(err) == unreached {
		return err
	}
	if err != nil {
		return noLogin(
			fault.ClassOf(err), "service call has been retried 1 time(s): asm fetching secret from the service for %s: %s: %s", of,
			fault.CodeOf(err), fault.MessageOf(err),
		)
	}
	var said struct{ Username, Password string }
	switch err := json.Unmarshal([]byte(text), &said); {
	case text == "":
		return noLogin(fault.Invalid, "asm fetching authorization data: empty secrets string")
	case err != nil:
		return noLogin(fault.Invalid, "asm fetching authorization data: unable to unmarshal secret value, invalid schema")
	case said.Username == "":
		return noLogin(fault.Invalid, "asm fetching username: AuthorizationData is malformed, empty field")
	case said.Password == "":
		return noLogin(fault.Invalid, "asm fetching password: AuthorizationData is malformed, empty field")
	}
	r.auth = login{user: said.Username, password: said.Password}
	return nil
}

func noLogin(class fault.Class, format string, args ...any) error {
	return fault.New(
		class, unreached,
		"unable to pull secrets or registry auth: execution resource retrieval failed: unable to get registry auth from asm: %s",
		fmt.Sprintf(format, args...),
	)
}

// pick is a secret's text, or the member of that name of what it says in JSON.
func pick(text, key string) (string, error) {
	if key == "" {
		return text, nil
	}
	var members map[string]json.RawMessage
	if err := json.Unmarshal([]byte(text), &members); err != nil {
		return "", noSecret(fault.Invalid, "retrieved secret from Secrets Manager is not JSON, and json key %s was asked for", key)
	}
	v, ok := members[key]
	if !ok {
		return "", noSecret(fault.NotFound, "retrieved secret from Secrets Manager did not contain json key %s", key)
	}
	var s string
	if json.Unmarshal(v, &s) == nil {
		return s, nil
	}
	return string(v), nil // a number, as it is written
}

func noSecret(class fault.Class, format string, args ...any) error {
	return fault.New(
		class, unreached,
		"unable to pull secrets or registry auth: execution resource retrieval failed: unable to retrieve secret from asm: %s",
		fmt.Sprintf(format, args...),
	)
}
