package stack

import (
	"context"
	"strings"
	"unicode"
	"unicode/utf8"
)

// ECS clusters and capacity providers.

func clusterKinds() map[string]kind {
	return map[string]kind{
		"AWS::ECS::Cluster": {name: "ClusterName", create: createCluster, update: updateCluster, remove: removeCluster, find: findCluster},
		"AWS::ECS::CapacityProvider": {
			name: "Name", create: createProvider, update: updateProvider, settle: settleProvider, remove: removeProvider, find: findProvider,
		},
		"AWS::ECS::ClusterCapacityProviderAssociations": {create: putProviders, update: putProviders, settle: settleProviders, remove: removeProviders},
	}
}

// free are properties whose keys are the user's and stay as they are.
var free = map[string]bool{"Options": true, "DockerLabels": true, "DriverOpts": true, "Labels": true}

// unusual are members that do not follow from the property's name.
var unusual = map[string]string{
	"EFSVolumeConfiguration": "efsVolumeConfiguration", "FSxWindowsFileServerVolumeConfiguration": "fsxWindowsFileServerVolumeConfiguration",
	"FilesystemId": "fileSystemId", "IAM": "iam", "VCpuCount": "vCpuCount", "EBSVolumes": "ebsVolumes", "PlacementStrategies": "placementStrategy",
	"S3BucketName": "s3BucketName", "S3EncryptionEnabled": "s3EncryptionEnabled", "S3KeyPrefix": "s3KeyPrefix",
}

// low turns properties into ECS's members: the first letter small.
func low(v any) any {
	switch v := v.(type) {
	case map[string]any:
		out := make(map[string]any, len(v))
		for k, it := range v {
			if free[k] {
				out[lowName(k)] = it
			} else {
				out[lowName(k)] = low(it)
			}
		}
		return out
	case []any:
		out := make([]any, len(v))
		for i := range v {
			out[i] = low(v[i])
		}
		return out
	default:
		return v
	}
}

func lowName(s string) string {
	if m, ok := unusual[s]; ok {
		return m
	}
	r, n := utf8.DecodeRuneInString(s)
	return string(unicode.ToLower(r)) + s[n:]
}

// lowPick picks properties as members.
func lowPick(props map[string]any, names ...string) map[string]any {
	m, _ := low(pick(props, names...)).(map[string]any)
	return m
}

func createCluster(ctx context.Context, a *act) error {
	return a.once(ctx, findCluster, func() error {
		in := lowPick(a.props, "CapacityProviders", "Configuration", "DefaultCapacityProviderStrategy")
		in["clusterName"], in["tags"] = a.physical("ClusterName", 255), lowPairs(a.tags)
		in["settings"] = orNil(list(low(a.props["ClusterSettings"])))
		out, err := a.call(ctx, ecs, "CreateCluster", in)
		a.made(digs(out, "cluster", "clusterName"), map[string]any{"Arn": digs(out, "cluster", "clusterArn")})
		return err
	})
}

func describeCluster(ctx context.Context, a *act, name string) (map[string]any, error) {
	out, err := a.call(ctx, ecs, "DescribeClusters", map[string]any{"clusters": []any{name}, "include": []any{"TAGS", "ATTACHMENTS"}})
	c, _ := dig(out, "clusters", 0).(map[string]any)
	return c, err
}

func findCluster(ctx context.Context, a *act) (bool, error) {
	c, err := describeCluster(ctx, a, a.physical("ClusterName", 255))
	if err != nil || digs(c, "status") == "INACTIVE" || !a.mine(c["tags"]) {
		return false, err
	}
	a.made(digs(c, "clusterName"), map[string]any{"Arn": digs(c, "clusterArn")})
	return true, nil
}

func updateCluster(ctx context.Context, a *act) error {
	if a.changed("ClusterSettings", "Configuration") {
		in := lowPick(a.props, "Configuration")
		in["cluster"], in["settings"] = a.id(), orNil(list(low(a.props["ClusterSettings"])))
		if err := a.do(ctx, ecs, "UpdateCluster", in); err != nil {
			return err
		}
	}
	if a.changed("CapacityProviders", "DefaultCapacityProviderStrategy") {
		if err := a.do(ctx, ecs, "PutClusterCapacityProviders", associations(a.id(), a.props)); err != nil {
			return err
		}
	}
	arn, _ := a.rec.Attributes["Arn"].(string)
	return retagECS(ctx, a, arn)
}

func retagECS(ctx context.Context, a *act, arn string) error {
	if gone := a.dropped(); len(gone) > 0 {
		if err := a.do(ctx, ecs, "UntagResource", map[string]any{"resourceArn": arn, "tagKeys": gone}); err != nil {
			return err
		}
	}
	if sameTags(a.rec.Tags, a.tags) {
		return nil
	}
	return a.do(ctx, ecs, "TagResource", map[string]any{"resourceArn": arn, "tags": lowPairs(a.tags)})
}

func removeCluster(ctx context.Context, a *act) (bool, error) {
	c, err := describeCluster(ctx, a, a.id())
	if err != nil {
		return false, err
	}
	if len(c) == 0 || digs(c, "status") == "INACTIVE" {
		return true, nil
	}
	err = a.do(ctx, ecs, "DeleteCluster", map[string]any{"cluster": a.id()})
	return err == nil, err
}

var providerMembers = []string{"AutoScalingGroupProvider", "ManagedInstancesProvider"}

func createProvider(ctx context.Context, a *act) error {
	return a.once(ctx, findProvider, func() error {
		in := lowPick(a.props, providerMembers...)
		in["name"], in["cluster"], in["tags"] = a.physical("Name", 255), a.props["ClusterName"], lowPairs(a.tags)
		out, err := a.call(ctx, ecs, "CreateCapacityProvider", in)
		if err != nil {
			return err
		}
		a.made(digs(out, "capacityProvider", "name"), nil)
		a.remember("arn", digs(out, "capacityProvider", "capacityProviderArn"))
		return nil
	})
}

func describeProvider(ctx context.Context, a *act, name string) (map[string]any, error) {
	in := map[string]any{"capacityProviders": []any{name}, "include": []any{"TAGS"}}
	out, err := a.call(ctx, ecs, "DescribeCapacityProviders", in)
	c, _ := dig(out, "capacityProviders", 0).(map[string]any)
	return c, err
}

func findProvider(ctx context.Context, a *act) (bool, error) {
	c, err := describeProvider(ctx, a, a.physical("Name", 255))
	if err != nil || digs(c, "status") == "INACTIVE" || !a.mine(c["tags"]) {
		return false, err
	}
	a.made(digs(c, "name"), nil)
	a.remember("arn", digs(c, "capacityProviderArn"))
	return true, nil
}

func settleProvider(ctx context.Context, a *act) (bool, error) {
	c, err := describeProvider(ctx, a, a.id())
	if err != nil {
		return false, err
	}
	why := digs(c, "updateStatusReason")
	switch {
	case strings.HasSuffix(digs(c, "updateStatus"), "_FAILED"):
		return false, notStabilized("Capacity provider %s: %s %s", a.id(), digs(c, "updateStatus"), why)
	case strings.HasSuffix(digs(c, "updateStatus"), "_IN_PROGRESS"):
		return false, nil
	default:
		return digs(c, "status") == "ACTIVE", nil
	}
}

func updateProvider(ctx context.Context, a *act) error {
	if a.changed(providerMembers...) {
		in := lowPick(a.updatable(), providerMembers...)
		in["name"], in["cluster"] = a.id(), a.props["ClusterName"]
		if err := a.do(ctx, ecs, "UpdateCapacityProvider", in); err != nil {
			return err
		}
	}
	return retagECS(ctx, a, a.rec.Memo["arn"])
}

func removeProvider(ctx context.Context, a *act) (bool, error) {
	c, err := describeProvider(ctx, a, a.id())
	switch {
	case err != nil:
		return false, err
	case len(c) == 0 || digs(c, "status") == "INACTIVE":
		return true, nil
	case digs(c, "updateStatus") == "DELETE_IN_PROGRESS" || digs(c, "status") == "DEPROVISIONING":
		return false, nil
	}
	err = a.do(ctx, ecs, "DeleteCapacityProvider", map[string]any{"capacityProvider": a.id(), "cluster": a.props["ClusterName"]})
	return false, err
}

// associations is what PutClusterCapacityProviders takes; both lists must be
// there, even empty.
func associations(cluster any, props map[string]any) map[string]any {
	in := map[string]any{"cluster": cluster, "capacityProviders": []any{}, "defaultCapacityProviderStrategy": []any{}}
	if v, ok := props["CapacityProviders"].([]any); ok {
		in["capacityProviders"] = v
	}
	if v, ok := low(props["DefaultCapacityProviderStrategy"]).([]any); ok {
		in["defaultCapacityProviderStrategy"] = v
	}
	return in
}

func putProviders(ctx context.Context, a *act) error {
	if err := a.do(ctx, ecs, "PutClusterCapacityProviders", associations(a.props["Cluster"], a.props)); err != nil {
		return err
	}
	a.made(a.str("Cluster"), nil)
	return nil
}

func settleProviders(ctx context.Context, a *act) (bool, error) {
	c, err := describeCluster(ctx, a, a.str("Cluster"))
	if err != nil {
		return false, err
	}
	switch digs(c, "attachmentsStatus") {
	case "UPDATE_IN_PROGRESS":
		return false, nil
	case "UPDATE_FAILED":
		return false, notStabilized("The capacity providers of cluster %s could not be attached.", a.str("Cluster"))
	default:
		return true, nil
	}
}

func removeProviders(ctx context.Context, a *act) (bool, error) {
	c, err := describeCluster(ctx, a, a.str("Cluster"))
	if err != nil {
		return false, err
	}
	if len(c) == 0 || digs(c, "status") == "INACTIVE" {
		return true, nil
	}
	if len(list(c["capacityProviders"])) > 0 || len(list(c["defaultCapacityProviderStrategy"])) > 0 {
		if err := a.do(ctx, ecs, "PutClusterCapacityProviders", associations(a.props["Cluster"], nil)); err != nil {
			return false, err
		}
	}
	return settleProviders(ctx, a)
}
