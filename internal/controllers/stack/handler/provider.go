package handler

import (
	"maps"
	"strings"
)

// ECS capacity providers.

func providerTypes() map[string]*Type {
	const inProgress = "CREATE_IN_PROGRESS UPDATE_IN_PROGRESS DELETE_IN_PROGRESS"
	cluster := property("ClusterName")
	return map[string]*Type{
		"AWS::ECS::CapacityProvider": {
			Service: ecs, Style: ecsStyle, Name: Name{Property: "Name", Limit: 255}, Tags: ecsTags(providerARN), Lookup: byName(tagged("tags")),
			Lingers: true,
			Make: Call{
				Operation: "CreateCapacityProvider", Members: names("AutoScalingGroupProvider ManagedInstancesProvider"), Carries: names("ClusterName"),
				With: Args{"name": named, "cluster": cluster}, Answer: "capacityProvider",
			},
			ID: at("name"),
			Changes: []Change{
				{Call: Call{Operation: "UpdateCapacityProvider", Members: names("AutoScalingGroupProvider ManagedInstancesProvider"),
					With: Args{"name": self, "cluster": cluster}, Prepare: sameGroup}},
			},
			Read: Call{
				Operation: "DescribeCapacityProviders", With: Args{"capacityProviders": listOf(self), "include": constant([]any{"TAGS"})},
				Answer: "capacityProviders.0",
			},
			Attributes: paths("Arn=capacityProviderArn"),
			Status: []Status{
				{
					Path: "updateStatus", Busy: names(inProgress), Failed: names(strings.ReplaceAll(inProgress, "IN_PROGRESS", "FAILED")),
					Ending: names("DELETE_IN_PROGRESS"), Reason: "updateStatusReason", Text: "Capacity provider {id}: {state} {why}",
				},
				{Path: "status", Ready: names("ACTIVE"), Absent: names("INACTIVE"), Ending: names("DEPROVISIONING")},
			},
			Remove: Call{Operation: "DeleteCapacityProvider", With: Args{"capacityProvider": self, "cluster": cluster}},
		},
	}
}

// sameGroup leaves out the group, which cannot change, and says in full what
// the template does not: an update changes what it names only.
func sameGroup(_ *Step, in map[string]any) error {
	g, ok := in["autoScalingGroupProvider"].(map[string]any)
	if !ok {
		return nil
	}
	g = maps.Clone(g)
	delete(g, "autoScalingGroupArn")
	usual := map[string]any{
		"status": "DISABLED", "targetCapacity": int64(100), "minimumScalingStepSize": int64(1), "maximumScalingStepSize": int64(10000),
		"instanceWarmupPeriod": int64(300),
	}
	if given, ok := g["managedScaling"].(map[string]any); ok {
		maps.Copy(usual, given)
	}
	g["managedScaling"] = usual
	for member, value := range map[string]any{"managedTerminationProtection": "DISABLED", "managedDraining": "ENABLED"} {
		if g[member] == nil {
			g[member] = value
		}
	}
	in["autoScalingGroupProvider"] = g
	return nil
}

// providerARN is the provider's ARN; records of older versions have it in
// their memo.
func providerARN(s *Step) any {
	if arn := s.Record.Attributes["Arn"]; arn != nil {
		return arn
	}
	return s.Record.Memo["arn"]
}
