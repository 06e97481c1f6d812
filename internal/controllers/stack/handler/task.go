package handler

import (
	"context"

	"berth/internal/lang/template"
)

// Task definitions: every change is a new revision.

func taskDefinitionTypes() map[string]*Type {
	this := Args{"taskDefinition": self}
	return map[string]*Type{
		"AWS::ECS::TaskDefinition": {
			Service: ecs, Style: ecsStyle, Tags: ecsTags(self), Lookup: findRevision, Lingers: true,
			Make: Call{
				Operation: "RegisterTaskDefinition", With: Args{"family": family}, Carries: names("Family"), Answer: "taskDefinition",
				Members: names("ContainerDefinitions Cpu EphemeralStorage ExecutionRoleArn IpcMode Memory NetworkMode PidMode" +
					" PlacementConstraints ProxyConfiguration RequiresCompatibilities RuntimePlatform TaskRoleArn Volumes"),
			},
			ID:         at("taskDefinitionArn"),
			Read:       Call{Operation: "DescribeTaskDefinition", With: this, Answer: "taskDefinition"},
			Attributes: map[string]Value{"TaskDefinitionArn": self},
			Status:     []Status{{Path: "status", Absent: names("INACTIVE DELETE_IN_PROGRESS")}},
			Remove:     Call{Operation: "DeregisterTaskDefinition", With: this},
		},
	}
}

// family is the template's, or a name made from the stack's.
func family(s *Step) any {
	if f := s.text("Family"); f != "" {
		return f
	}
	return s.generated(255)
}

// findRevision looks for a revision that an interrupted step registered: the
// newest of the family with our tags that no record knows.
func findRevision(ctx context.Context, s *Step) (string, any, error) {
	out, err := s.API.Call(ctx, ecs, "ListTaskDefinitions", map[string]any{"familyPrefix": family(s), "sort": "DESC", "maxResults": int64(1)})
	if err != nil {
		return "", nil, err
	}
	arn, _ := template.Flat(dig(out, "taskDefinitionArns.0"))
	if arn == "" || s.Taken(arn) {
		return "", nil, nil
	}
	def, err := s.API.Call(ctx, ecs, "DescribeTaskDefinition", map[string]any{"taskDefinition": arn, "include": []any{"TAGS"}})
	if err != nil || !s.mine(def["tags"]) {
		return "", nil, err
	}
	return arn, def["taskDefinition"], nil
}
