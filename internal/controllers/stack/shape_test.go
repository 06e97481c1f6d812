package stack_test

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"berth/internal/state"
	"berth/internal/store"
)

// shape says how much there is: of every record that is not deleted, how many
// values it holds.
func (l *lab) shape() map[string][]int {
	v, out := l.db.View(), map[string][]int{}
	add := func(table string, rows ...any) {
		for _, row := range rows {
			if n := leaves(l.t, row); n > 0 {
				out[table] = append(out[table], n)
			}
		}
		slices.Sort(out[table])
	}
	add("cluster", all(v, state.Clusters)...)
	add("provider", all(v, state.CapacityProviders)...)
	add("definition", all(v, state.TaskDefinitions)...)
	add("service", all(v, state.Services)...)
	add("vpc", all(v, state.VPCs)...)
	add("subnet", all(v, state.Subnets)...)
	add("gateway", all(v, state.InternetGateways)...)
	add("nat", all(v, state.NATGateways)...)
	add("address", all(v, state.Addresses)...)
	add("routes", all(v, state.RouteTables)...)
	add("group", all(v, state.SecurityGroups)...)
	add("endpoint", all(v, state.VPCEndpoints)...)
	add("balancer", all(v, state.LoadBalancers)...)
	add("listener", all(v, state.Listeners)...)
	add("rule", all(v, state.ListenerRules)...)
	add("target group", all(v, state.TargetGroups)...)
	add("target", all(v, state.Targets)...)
	add("role", all(v, state.Roles)...)
	add("user", all(v, state.Users)...)
	add("group of users", all(v, state.Groups)...)
	add("access key", all(v, state.AccessKeys)...)
	add("policy", all(v, state.Policies)...)
	add("profile", all(v, state.InstanceProfiles)...)
	add("function", all(v, state.Functions)...)
	add("scalable target", all(v, state.ScalableTargets)...)
	add("scaling policy", all(v, state.ScalingPolicies)...)
	add("log group", all(v, state.LogGroups)...)
	add("repository", all(v, state.Repositories)...)
	add("alarm", all(v, state.Alarms)...)
	add("launch template", all(v, state.LaunchTemplates)...)
	add("launch configuration", all(v, state.LaunchConfigurations)...)
	add("auto scaling group", all(v, state.AutoScalingGroups)...)
	add("instance", all(v, state.Instances)...)
	return out
}

func all[T any](v *store.View, t *store.Table[T]) []any {
	var out []any
	for _, row := range t.All(v) {
		out = append(out, row)
	}
	return out
}

// leaves counts the values in a record; 0 if it is deleted.
func leaves(t *testing.T, row any) int {
	t.Helper()
	b, err := json.Marshal(row)
	if err != nil {
		t.Fatal(err)
	}
	var tree map[string]any
	if err := json.Unmarshal(b, &tree); err != nil {
		t.Fatal(err)
	}
	for _, k := range []string{"status", "state"} {
		if s := tree[k]; s == "INACTIVE" || s == "deleted" || s == "terminated" {
			return 0
		}
	}
	if tree["drainingAt"] != nil {
		return 0
	}
	return count(tree)
}

// history is what records keep of what was.
var history = []string{"events", "versions", "stateReasonData", "rollouts", "deployments", "configuration", "history"}

func count(v any) int {
	n := 0
	switch v := v.(type) {
	case map[string]any:
		for k, it := range v {
			if !slices.Contains(history, k) && !strings.HasSuffix(k, "At") {
				n += count(it)
			}
		}
	case []any:
		for _, it := range v {
			n += count(it)
		}
	case nil, bool:
		// false is as good as absent; true counts.
		if v == true {
			n = 1
		}
	default:
		n = 1
	}
	return n
}
