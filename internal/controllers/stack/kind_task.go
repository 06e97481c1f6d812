package stack

import (
	"context"
	"strings"

	"berth/internal/fault"
	"berth/internal/lang/template"
)

// Task definitions: every change is a new revision.

func taskKinds() map[string]kind {
	return map[string]kind{
		"AWS::ECS::TaskDefinition": {create: registerTask, update: retagTask, remove: deregisterTask, find: findTask},
	}
}

var taskMembers = []string{
	"ContainerDefinitions", "Cpu", "EnableFaultInjection", "EphemeralStorage", "ExecutionRoleArn", "IpcMode", "Memory", "NetworkMode", "PidMode",
	"PlacementConstraints", "ProxyConfiguration", "RequiresCompatibilities", "RuntimePlatform", "TaskRoleArn", "Volumes",
}

// family is the template's, or a name made from the stack's.
func family(a *act) string {
	if f := a.str("Family"); f != "" {
		return f
	}
	return generated(a.stack.Name, a.rec.LogicalID, a.rec.Memo[memoSuffix], 255)
}

func registerTask(ctx context.Context, a *act) error {
	err := a.once(ctx, findTask, func() error {
		in := lowPick(a.props, taskMembers...)
		in["family"], in["tags"] = family(a), lowPairs(a.tags)
		if proxy, ok := in["proxyConfiguration"].(map[string]any); ok {
			if v, ok := proxy["proxyConfigurationProperties"]; ok {
				delete(proxy, "proxyConfigurationProperties")
				proxy["properties"] = v
			}
		}
		out, err := a.call(ctx, ecs, "RegisterTaskDefinition", in)
		a.made(digs(out, "taskDefinition", "taskDefinitionArn"), nil)
		return err
	})
	a.rec.Attributes["TaskDefinitionArn"] = a.id()
	return err
}

// findTask looks for a revision that an interrupted step registered: the
// newest of the family with our tags that no record knows.
func findTask(ctx context.Context, a *act) (bool, error) {
	out, err := a.call(ctx, ecs, "ListTaskDefinitions", map[string]any{"familyPrefix": family(a), "sort": "DESC", "maxResults": int64(1)})
	if err != nil {
		return false, err
	}
	arn, _ := template.Flat(dig(out, "taskDefinitionArns", 0))
	if arn == "" || a.known(arn) {
		return false, nil
	}
	def, err := a.call(ctx, ecs, "DescribeTaskDefinition", map[string]any{"taskDefinition": arn, "include": []any{"TAGS"}})
	if err != nil || !a.mine(def["tags"]) {
		return false, err
	}
	a.made(arn, nil)
	return true, nil
}

func retagTask(ctx context.Context, a *act) error { return retagECS(ctx, a, a.id()) }

func deregisterTask(ctx context.Context, a *act) (bool, error) {
	out, err := a.call(ctx, ecs, "DescribeTaskDefinition", map[string]any{"taskDefinition": a.id()})
	if err != nil {
		// ECS says "Unable to describe task definition." of what it lacks.
		return strings.Contains(fault.MessageOf(err), "Unable to describe"), gone(err)
	}
	if digs(out, "taskDefinition", "status") != "ACTIVE" {
		return true, nil
	}
	err = a.do(ctx, ecs, "DeregisterTaskDefinition", map[string]any{"taskDefinition": a.id()})
	return err == nil, err
}

// gone forgives an error that says that there is nothing.
func gone(err error) error {
	if strings.Contains(fault.MessageOf(err), "Unable to describe") {
		return nil
	}
	return err
}
