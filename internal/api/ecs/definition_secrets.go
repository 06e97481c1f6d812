package ecs

import (
	"strings"

	"berth/internal/ident"
	"berth/internal/model"
)

// isSecret says that an ARN is that of a secret or of a parameter.
func isSecret(arn ident.ARN) bool {
	return arn.Service == "secretsmanager" && strings.HasPrefix(arn.Resource, "secret:") ||
		arn.Service == "ssm" && strings.HasPrefix(arn.Resource, "parameter/")
}

// checkSecrets holds what a container's secrets are called and where they are,
// and who gets them.
func checkSecrets(d model.TaskDefinition, c model.ContainerDefinition) error {
	if c.Credentials != "" && d.ExecutionRoleARN == "" {
		return client("When you are specifying container repositoryCredentials, you must also specify a value for 'executionRoleArn'.")
	}
	taken := map[string]bool{}
	for _, e := range c.Environment {
		taken[e.Name] = true
	}
	for _, s := range c.Secrets {
		arn, ok := ident.ParseARN(s.Value)
		switch {
		case s.Name == "" || s.Value == "":
			return client("Container secrets: name and valueFrom should not be null or empty.")
		case taken[s.Name]:
			return client(
				"The secret name must be unique and not shared with any new or existing environment variables set on the container, such as '%s'.", s.Name,
			)
		case ok && !isSecret(arn):
			return client("Invalid 'valueFrom' in container secrets: %s is neither a secret nor a parameter.", s.Value)
		case d.ExecutionRoleARN == "":
			return client("When you are specifying container secrets, you must also specify a value for 'executionRoleArn'.")
		}
		taken[s.Name] = true
	}
	return nil
}
