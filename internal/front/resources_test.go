package front

import (
	"slices"
	"strings"
	"testing"

	"berth/internal/ident"
	"berth/internal/wire"
	"berth/internal/wire/shape/ecs"
	"berth/internal/wire/shape/elbv2"
)

func TestResources(t *testing.T) {
	t.Parallel()
	place := ident.Place{Partition: "aws", Region: "us-east-1", Account: "000000000000"}
	finders := map[string]Finder{
		"last": func(v ...string) string { return ident.Last(v[0]) },
		"both": func(v ...string) string { return strings.Join(v, "+") },
		"none": func(...string) string { return "" },
	}
	const arn = "arn:aws:ecs:us-east-1:000000000000:"
	const other = "arn:aws:ecs:eu-west-1:111111111111:cluster/far"
	for name, tt := range map[string]struct {
		line string
		in   any
		want []string
	}{
		"no line": {"", &ecs.ListClustersInput{}, []string{"*"}},
		"a name": {
			"DeleteCluster: cluster/{cluster}", &ecs.DeleteClusterInput{Cluster: wire.Ptr("a")}, []string{arn + "cluster/a"},
		},
		"an ARN":                   {"DeleteCluster: cluster/{cluster?arn}", &ecs.DeleteClusterInput{Cluster: wire.Ptr(other)}, []string{other}},
		"a member that is not set": {"DeleteCluster: cluster/{cluster}", &ecs.DeleteClusterInput{}, []string{"*"}},
		"what stands for it":       {"DeleteCluster: cluster/{cluster|default}", &ecs.DeleteClusterInput{}, []string{arn + "cluster/default"}},
		"found, or what stands": {
			"DeleteCluster: cluster/{none(cluster)|default}", &ecs.DeleteClusterInput{Cluster: wire.Ptr("a")}, []string{arn + "cluster/default"},
		},
		"a caller's own": {
			"DeleteCluster: {none(cluster)|@caller}", &ecs.DeleteClusterInput{}, []string{"arn:aws:iam::000000000000:user/ann"},
		},
		"a role has no user": {"DeleteCluster: {none(cluster)|@caller}", &ecs.DeleteClusterInput{}, []string{"*"}},
		"nothing found":      {"DeleteCluster: {none(cluster)}", &ecs.DeleteClusterInput{Cluster: wire.Ptr("a")}, []string{"*"}},
		"a list, in order, once": {
			"DescribeClusters: cluster/{clusters}", &ecs.DescribeClustersInput{Clusters: []string{"b", "a", "b"}},
			[]string{arn + "cluster/a", arn + "cluster/b"},
		},
		"an ARN is its name within": {
			"DescribeTasks: task/{last(cluster)|default}/{tasks?arn}",
			&ecs.DescribeTasksInput{Cluster: wire.Ptr(other), Tasks: []string{"1", arn + "task/x/2"}},
			[]string{arn + "task/far/1", arn + "task/x/2"},
		},
		"text at the end": {
			"RegisterTaskDefinition: task-definition/{family}:*", &ecs.RegisterTaskDefinitionInput{Family: wire.Ptr("f")},
			[]string{arn + "task-definition/f:*"},
		},
		"two templates": {
			"CreateService: cluster/{cluster} service/{serviceName}", &ecs.CreateServiceInput{Cluster: wire.Ptr("a"), ServiceName: wire.Ptr("s")},
			[]string{arn + "cluster/a", arn + "service/s"},
		},
		"found by two": {"CreateService: {both(cluster,serviceName)}", &ecs.CreateServiceInput{ServiceName: wire.Ptr("s")}, []string{"+s"}},
		"below a list": {
			"SetRulePriorities: {RulePriorities.RuleArn}",
			&elbv2.SetRulePrioritiesInput{RulePriorities: []elbv2.RulePriorityPair{{RuleArn: wire.Ptr("r2")}, {}, {RuleArn: wire.Ptr("r1")}}},
			[]string{"r1", "r2"},
		},
	} {
		meta := ecs.Meta
		if strings.HasPrefix(tt.line, "SetRule") {
			meta = elbv2.Meta
		}
		read, err := readResources(meta, tt.line, finders)
		if err != nil {
			t.Fatal(name, err)
		}
		operation, _, _ := strings.Cut(tt.line, ":")
		if operation == "" {
			operation = "ListClusters"
		}
		r := &served{Service: Service{Meta: meta}, templates: read}
		who := ident.AsUser("arn:aws:iam::000000000000:user/ann")
		if strings.HasPrefix(name, "a role") {
			who = ident.AsRole("arn:aws:iam::000000000000:role/r", "s")
		}
		if got, err := r.resources(place, who, meta.Operation(operation), tt.in); err != nil || !slices.Equal(got, tt.want) {
			t.Errorf("%s: %q %v, want %q", name, got, err, tt.want)
		}
	}
}

func TestResourcesThatDoNotFit(t *testing.T) {
	t.Parallel()
	for _, line := range []string{"MakeCoffee: cup/{size}", "DeleteCluster cluster/{cluster}"} {
		if _, err := readResources(ecs.Meta, line, nil); err == nil {
			t.Errorf("%q was read", line)
		}
	}
	for _, line := range []string{
		"DeleteCluster: cluster/{name}", "DeleteCluster: cluster/{cluster", "DeleteCluster: {lost(cluster)}", "DeleteCluster: {}",
	} {
		read, err := readResources(ecs.Meta, line, nil)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := read["DeleteCluster"](); err == nil {
			t.Errorf("%q was read", line)
		}
	}
}
