package handler

import (
	"context"

	"berth/internal/model"
)

// ECS clusters and the capacity providers that they use.

// ecsStyle is how ECS writes members.
var ecsStyle = Style{Lower: true, Names: map[string]string{
	"EFSVolumeConfiguration": "efsVolumeConfiguration", "FSxWindowsFileServerVolumeConfiguration": "fsxWindowsFileServerVolumeConfiguration",
	"FilesystemId": "fileSystemId", "IAM": "iam", "VCpuCount": "vCpuCount", "EBSVolumes": "ebsVolumes",
	"PlacementStrategies":          "placementStrategy",
	"ProxyConfigurationProperties": "properties", "ClusterSettings": "settings",
}}

func ecsTags(arn Value) Tagging {
	return Tagging{
		Member: "tags", Form: lowerPairs, Add: "TagResource", Remove: "UntagResource", Of: Args{"resourceArn": arn}, Keys: "tagKeys",
	}
}

func clusterTypes() map[string]*Type {
	return map[string]*Type{"AWS::ECS::Cluster": clusterType(), "AWS::ECS::ClusterCapacityProviderAssociations": providersType()}
}

func clusterType() *Type {
	return &Type{
		Service: ecs, Style: ecsStyle, Name: Name{Property: "ClusterName", Limit: 255}, Tags: ecsTags(attribute("Arn")),
		Lookup: byName(tagged("tags")), Lingers: true,
		Make: Call{
			Operation: "CreateCluster", Members: names("CapacityProviders ClusterSettings DefaultCapacityProviderStrategy"),
			With: Args{"clusterName": named}, Answer: "cluster",
		},
		ID: at("clusterName"),
		Changes: []Change{
			{Call: Call{Operation: "UpdateCluster", Members: names("ClusterSettings"), With: Args{"cluster": self}}},
			{Call: putProviders(self)},
		},
		Read:       describeCluster(self),
		Attributes: paths("Arn=clusterArn"),
		Status:     []Status{{Path: "status", Absent: names("INACTIVE")}},
		Remove:     Call{Operation: "DeleteCluster", With: Args{"cluster": self}},
	}
}

func describeCluster(cluster Value) Call {
	return Call{
		Operation: "DescribeClusters", With: Args{"clusters": listOf(cluster), "include": constant([]any{"TAGS", "ATTACHMENTS"})},
		Answer: "clusters.0",
	}
}

// putProviders says which providers a cluster has; both lists must be there,
// even empty.
func putProviders(cluster Value) Call {
	return Call{
		Operation: "PutClusterCapacityProviders", Members: names("CapacityProviders DefaultCapacityProviderStrategy"),
		With: Args{"cluster": cluster},
		Prepare: func(_ *Step, in map[string]any) error {
			for _, member := range []string{"capacityProviders", "defaultCapacityProviderStrategy"} {
				if in[member] == nil {
					in[member] = []any{}
				}
			}
			return nil
		},
	}
}

func providersType() *Type {
	cluster := property("Cluster")
	put := putProviders(cluster)
	put.Carries = names("Cluster")
	return &Type{
		Service: ecs, Style: ecsStyle, Make: put, ID: cluster, Changes: []Change{{Call: putProviders(cluster)}},
		Read: describeCluster(cluster),
		Status: []Status{{
			Path: "attachmentsStatus", Busy: names("UPDATE_IN_PROGRESS"), Failed: names("UPDATE_FAILED"),
			Text: "The capacity providers of cluster {id} could not be attached.",
		}},
		End: removeProviders,
	}
}

// removeProviders leaves a cluster without providers; a cluster that is gone
// has none.
func removeProviders(ctx context.Context, s *Step) (bool, error) {
	c, err := s.kind.read(ctx, s)
	if err != nil || c == nil || digText(c, "status") == string(model.ClusterInactive) {
		return err == nil, err
	}
	if len(list(dig(c, "capacityProviders")))+len(list(dig(c, "defaultCapacityProviderStrategy"))) > 0 {
		if _, err := s.kind.call(ctx, s, putProviders(property("Cluster")), map[string]any{}); err != nil {
			return false, err
		}
	}
	return s.kind.Ready(ctx, s)
}
