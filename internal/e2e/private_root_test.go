//go:build root

package e2e_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// login makes a secret with a registry's user and password.
func (h *hello) login(name, text string) (arn string) {
	h.t.Helper()
	arn, _ = h.json("secretsmanager.CreateSecret", map[string]any{"Name": name, "SecretString": text})["ARN"].(string)
	return arn
}

// TestRootAPrivateRegistryIsAskedWithATasksOwnLogin has a registry of the
// Internet that wants a login which nobody has but the tasks: each names a secret
// with one, and one of them is wrong. The tasks read a secret and a parameter of
// Systems Manager by the same way.
//
// Proves: IR11, IR13
func TestRootAPrivateRegistryIsAskedWithATasksOwnLogin(t *testing.T) {
	h := &hello{berth: start(t)}
	internet := outside(t)
	want := internet.put(elsewhere + "/team/page:v1")
	internet.file("config.json", "{}") // the user of this machine is nobody there
	h.env = internet.environment()
	template := filepath.Join(t.TempDir(), "ways.yaml")
	if err := os.WriteFile(template, []byte(ways), 0o600); err != nil {
		t.Fatal(err)
	}
	h.run("up", template, "--stack", "ways", "--listen", h.addr)
	out := h.outputs("ways")
	role := h.member(h.iam(
		"CreateRole", "RoleName", "exec", "AssumeRolePolicyDocument",
		`{"Statement":[{"Effect":"Allow","Principal":{"Service":"ecs-tasks.amazonaws.com"},"Action":"sts:AssumeRole"}]}`,
	), "Arn")
	right := h.login("hub", `{"username":"me","password":"secret"}`)
	wrong := h.login("guess", `{"username":"me","password":"guess"}`)
	allow := func(resource string) {
		h.iam("PutRolePolicy", "RoleName", "exec", "PolicyName", "login", "PolicyDocument",
			`{"Statement":[{"Effect":"Allow","Action":"secretsmanager:GetSecretValue","Resource":"`+resource+`"},`+
				`{"Effect":"Allow","Action":"ssm:GetParameters","Resource":"arn:aws:ssm:*:*:parameter/team/*"}]}`)
	}
	h.json("AmazonSSM.PutParameter", map[string]any{"Name": "/team/key", "Type": "SecureString", "Value": "hush"})
	allow(right)
	key := "/team/key"
	runs := func(secret string) map[string]any {
		h.ecs("RegisterTaskDefinition", map[string]any{
			"family": "page", "cpu": "256", "memory": "512", "networkMode": "awsvpc", "requiresCompatibilities": []any{"FARGATE"},
			"executionRoleArn": role, "containerDefinitions": []any{map[string]any{
				"name": "page", "image": elsewhere + "/team/page:v1", "repositoryCredentials": map[string]any{"credentialsParameter": secret},
				"secrets": []any{
					map[string]any{"name": "USER", "valueFrom": right + ":username::"}, map[string]any{"name": "KEY", "valueFrom": key},
				},
			}},
		})
		return h.comesTo(h.task(out["Behind"], "DISABLED"))
	}
	refused := func(got map[string]any, words ...string) {
		for _, w := range words {
			if reason := text(got["stoppedReason"]); got["lastStatus"] != "STOPPED" || !strings.Contains(reason, w) {
				t.Errorf("%v: no %q in %q", got["lastStatus"], w, reason)
			}
		}
	}
	got := runs(right)
	if c := list(got["containers"])[0]; got["lastStatus"] != "RUNNING" || c["imageDigest"] != want {
		t.Errorf("with its login: %v %v, %v; want %s", got["lastStatus"], got["stoppedReason"], c, want)
	}
	refused(runs(wrong), "ResourceInitializationError: unable to pull secrets or registry auth", "AccessDeniedException", "not authorized")
	allow("*")
	refused(runs(wrong), "CannotPullContainerError", "pull access denied, repository does not exist or may require authorization")
	key = "/other/key"
	refused(runs(right), "unable to retrieve secrets from ssm", "AccessDeniedException", "ssm:GetParameters")
	h.finish()
}
