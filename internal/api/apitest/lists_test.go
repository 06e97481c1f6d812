package apitest_test

import (
	"encoding/json"
	"fmt"
	"testing"
	"time"

	"berth/internal/api/apitest"
	"berth/internal/ident"
	"berth/internal/model"
	"berth/internal/sim"
	"berth/internal/state"
	"berth/internal/store"
)

// by deletes the record of a table that an item's member names, itself or at
// the end of its ARN; "" is the item itself.
func by[T any](table *store.Table[T], member string) func(*apitest.World, any) {
	return func(w *apitest.World, item any) {
		key, _ := item.(string)
		if m, ok := item.(map[string]any); ok {
			key, _ = m[member].(string)
		}
		w.Write(func(tx *store.Tx) error {
			if _, ok := table.Get(tx, key); !ok {
				key = ident.Last(key)
			}
			if _, ok := table.Get(tx, key); !ok {
				return fmt.Errorf("no record %s", key)
			}
			return table.Delete(tx, key)
		})
	}
}

// ownProvider deletes a capacity provider; Fargate's are every account's.
func ownProvider(w *apitest.World, item any) {
	if name, _ := item.(map[string]any)["name"].(string); !model.IsFargate(name) {
		by(state.CapacityProviders, "name")(w, item)
	}
}

// where deletes the records of a table that belong to an item's member.
func where[T any](table *store.Table[T], member string, is func(T, string) bool, key func(T) string) func(*apitest.World, any) {
	return func(w *apitest.World, item any) {
		name, _ := item.(string)
		if m, ok := item.(map[string]any); ok {
			name, _ = m[member].(string)
		}
		w.Write(func(tx *store.Tx) error {
			for _, v := range table.All(tx) {
				if is(v, name) {
					if err := table.Delete(tx, key(v)); err != nil {
						return err
					}
				}
			}
			return nil
		})
	}
}

// calls removes an item by an operation, of which one member is the item's.
func calls(service, operation string, ask in, member, from string, several bool) func(*apitest.World, any) {
	return func(w *apitest.World, item any) {
		v := item
		if m, ok := item.(map[string]any); ok {
			v = m[from]
		}
		if several {
			v = []any{v}
		}
		full := in{member: v}
		for k, x := range ask {
			full[k] = x
		}
		w.Must(service, operation, full)
	}
}

const (
	prefix  = "arn:aws:ecs:us-east-1:123456789012:"
	elb     = "arn:aws:elasticloadbalancing:us-east-1:123456789012:"
	aPolicy = "arn:aws:iam::123456789012:policy/p000"
	aStack  = "arn:aws:cloudformation:us-east-1:123456789012:stack/s000/0"
	aChange = "arn:aws:cloudformation:us-east-1:123456789012:changeSet/c000/0"
	target  = "ecs|service/c/s000|ecs:service:DesiredCount"
)

// lists are all list calls. The records that they list are made by fill.
var lists = []list{
	{service: "ecs", operation: "ListClusters", items: "clusterArns", drop: by(state.Clusters, "")},
	{service: "ecs", operation: "DescribeCapacityProviders", items: "capacityProviders", drop: ownProvider},
	{service: "ecs", operation: "ListTaskDefinitions", items: "taskDefinitionArns", drop: by(state.TaskDefinitions, "")},
	{
		service: "ecs", operation: "ListTaskDefinitions", items: "taskDefinitionArns", ask: in{"sort": "DESC"},
		drop: by(state.TaskDefinitions, ""),
	},
	{
		service: "ecs", operation: "ListTaskDefinitionFamilies", items: "families",
		drop: where(
			state.TaskDefinitions, "", func(d model.TaskDefinition, f string) bool { return d.Family == f },
			func(d model.TaskDefinition) string { return d.ARN },
		),
	},
	{service: "ecs", operation: "ListServices", items: "serviceArns", ask: in{"cluster": "c"}, drop: by(state.Services, "")},
	{
		service: "ecs", operation: "ListServiceDeployments", items: "serviceDeployments", ask: in{"cluster": "c", "service": "s000"},
		drop: by(state.ServiceDeployments, "serviceDeploymentArn"),
	},
	{service: "ecs", operation: "ListTasks", items: "taskArns", ask: in{"cluster": "c"}, drop: by(state.Tasks, "")},
	{
		service: "ecs", operation: "ListContainerInstances", items: "containerInstanceArns", ask: in{"cluster": "c"},
		drop: where(state.Instances, "", func(i model.Instance, arn string) bool { return i.ARN == arn }, instanceID),
	},
	{
		service: "ecs", operation: "ListAttributes", items: "attributes", ask: in{"cluster": "c", "targetType": "container-instance"},
		drop: where(state.Instances, "targetId", func(i model.Instance, arn string) bool { return i.ARN == arn }, instanceID),
	},
	{service: "ecs", operation: "ListAccountSettings", items: "settings", ask: in{"effectiveSettings": true}},

	{
		service: "elasticloadbalancing", operation: "DescribeLoadBalancers", items: "LoadBalancers",
		drop: by(state.LoadBalancers, "LoadBalancerArn"),
	},
	{
		service: "elasticloadbalancing", operation: "DescribeListeners", items: "Listeners",
		ask: in{"LoadBalancerArn": elb + "loadbalancer/app/l000/0"}, drop: by(state.Listeners, "ListenerArn"),
	},
	{
		service: "elasticloadbalancing", operation: "DescribeListenerCertificates", items: "Certificates",
		ask: in{"ListenerArn": elb + "listener/app/l000/0/011"}, short: true,
	},
	{
		service: "elasticloadbalancing", operation: "DescribeRules", items: "Rules", ask: in{"ListenerArn": elb +
			"listener/app/l000/0/011"},
		drop: by(state.ListenerRules, "RuleArn"),
	},
	{
		service: "elasticloadbalancing", operation: "DescribeTargetGroups", items: "TargetGroups", drop: by(state.TargetGroups,
			"TargetGroupArn"),
	},
	{service: "elasticloadbalancing", operation: "DescribeAccountLimits", items: "Limits"},

	{service: "ec2", operation: "DescribeVpcs", items: "Vpcs", drop: by(state.VPCs, "VpcId")},
	{service: "ec2", operation: "DescribeSubnets", items: "Subnets", drop: by(state.Subnets, "SubnetId")},
	{service: "ec2", operation: "DescribeInternetGateways", items: "InternetGateways", drop: by(state.InternetGateways,
		"InternetGatewayId")},
	{service: "ec2", operation: "DescribeNatGateways", items: "NatGateways", drop: by(state.NATGateways, "NatGatewayId")},
	{service: "ec2", operation: "DescribeAddressesAttribute", items: "Addresses", drop: by(state.Addresses, "AllocationId")},
	{service: "ec2", operation: "DescribeRouteTables", items: "RouteTables", drop: by(state.RouteTables, "RouteTableId")},
	{service: "ec2", operation: "DescribeSecurityGroups", items: "SecurityGroups", drop: by(state.SecurityGroups, "GroupId")},
	{
		service: "ec2", operation: "DescribeSecurityGroupRules", items: "SecurityGroupRules",
		drop: where(
			state.SecurityGroups, "GroupId", func(g model.SecurityGroup, id string) bool { return g.ID == id },
			func(g model.SecurityGroup) string { return g.ID },
		),
	},
	{
		service: "ec2", operation: "GetSecurityGroupsForVpc", items: "SecurityGroupForVpcs", ask: in{"VpcId": "vpc-011"},
		drop: by(state.SecurityGroups, "GroupId"),
	},
	{service: "ec2", operation: "DescribeStaleSecurityGroups", items: "StaleSecurityGroupSet", ask: in{"VpcId": "vpc-011"}, short: true},
	{
		service: "ec2", operation: "DescribeNetworkAcls", items: "NetworkAcls",
		drop: where(state.VPCs, "NetworkAclId", func(v model.VPC, acl string) bool { return v.DefaultACL == acl },
			func(v model.VPC) string {
				return v.ID
			}),
	},
	{
		service: "ec2", operation: "DescribeTags", items: "Tags", ask: in{"Filters": []any{in{"Name": "resource-type",
			"Values": []any{"vpc"}}}},
		drop: by(state.VPCs, "ResourceId"),
	},
	{
		service: "ec2", operation: "DescribeNetworkInterfaces", items: "NetworkInterfaces",
		drop: by(state.NetworkInterfaces, "NetworkInterfaceId"),
	},
	{service: "ec2", operation: "DescribeVpcEndpoints", items: "VpcEndpoints", drop: by(state.VPCEndpoints, "VpcEndpointId")},
	{service: "ec2", operation: "DescribeVpcEndpointServices", items: "ServiceDetails"},
	{service: "ec2", operation: "DescribeInstances", items: "Reservations", ask: in{
		"IncludeManagedResources": true,
	}, drop: func(w *apitest.World, item any) {
		instances, _ := item.(map[string]any)["Instances"].([]any)
		by(state.Instances, "InstanceId")(w, instances[0])
	}},
	{
		service: "ec2", operation: "DescribeInstanceStatus", items: "InstanceStatuses", ask: in{"IncludeManagedResources": true},
		drop: by(state.Instances, "InstanceId"),
	},
	{
		service: "ec2", operation: "DescribeIamInstanceProfileAssociations", items: "IamInstanceProfileAssociations",
		drop: by(state.Instances, "InstanceId"),
	},
	{service: "ec2", operation: "DescribeInstanceTypes", items: "InstanceTypes"},
	{service: "ec2", operation: "DescribeInstanceTypeOfferings", items: "InstanceTypeOfferings"},
	{
		service: "ec2", operation: "DescribeSpotPriceHistory", items: "SpotPriceHistory",
		ask: in{"InstanceTypes": []any{"m5.large", "c5.large"}},
	},
	{
		service: "ec2", operation: "GetInstanceTypesFromInstanceRequirements", items: "InstanceTypes",
		ask: in{
			"ArchitectureTypes": []any{"x86_64"}, "VirtualizationTypes": []any{"hvm"},
			"InstanceRequirements": in{"VCpuCount": in{"Min": 2, "Max": 2}, "MemoryMiB": in{"Min": 4096}},
		},
	},
	{service: "ec2", operation: "DescribeDhcpOptions", items: "DhcpOptions", short: true},
	{service: "ec2", operation: "DescribePrefixLists", items: "PrefixLists", short: true},
	{service: "ec2", operation: "DescribeManagedPrefixLists", items: "PrefixLists", short: true},
	{service: "ec2", operation: "DescribeVpcPeeringConnections", items: "VpcPeeringConnections", short: true},
	{service: "ec2", operation: "DescribeEgressOnlyInternetGateways", items: "EgressOnlyInternetGateways", short: true},

	{service: "iam", operation: "ListRoles", items: "Roles", drop: by(state.Roles, "RoleName")},
	{
		service: "iam", operation: "ListRoleTags", items: "Tags", ask: in{"RoleName": "r000"},
		drop: calls("iam", "UntagRole", in{"RoleName": "r000"}, "TagKeys", "Key", true),
	},
	{
		service: "iam", operation: "ListRolePolicies", items: "PolicyNames", ask: in{"RoleName": "r000"},
		drop: calls("iam", "DeleteRolePolicy", in{"RoleName": "r000"}, "PolicyName", "", false),
	},
	{
		service: "iam", operation: "ListAttachedRolePolicies", items: "AttachedPolicies", ask: in{"RoleName": "r000"},
		drop: calls("iam", "DetachRolePolicy", in{"RoleName": "r000"}, "PolicyArn", "PolicyArn", false),
	},
	{service: "iam", operation: "ListInstanceProfiles", items: "InstanceProfiles", drop: by(state.InstanceProfiles,
		"InstanceProfileName")},
	{
		service: "iam", operation: "ListInstanceProfilesForRole", items: "InstanceProfiles", ask: in{"RoleName": "r000"},
		drop: by(state.InstanceProfiles, "InstanceProfileName"),
	},
	{
		service: "iam", operation: "ListInstanceProfileTags", items: "Tags", ask: in{"InstanceProfileName": "i000"},
		drop: calls("iam", "UntagInstanceProfile", in{"InstanceProfileName": "i000"}, "TagKeys", "Key", true),
	},
	{service: "iam", operation: "ListPolicies", items: "Policies", ask: in{"Scope": "Local"}, drop: by(state.Policies, "Arn")},
	{
		service: "iam", operation: "ListPolicyVersions", items: "Versions", ask: in{"PolicyArn": aPolicy},
		drop: calls("iam", "DeletePolicyVersion", in{"PolicyArn": aPolicy}, "VersionId", "VersionId", false),
	},
	{
		service: "iam", operation: "ListEntitiesForPolicy", items: "PolicyRoles", ask: in{"PolicyArn": aPolicy, "EntityFilter": "Role"},
		drop: by(state.Roles, "RoleName"),
	},
	{
		service: "iam", operation: "ListPolicyTags", items: "Tags", ask: in{"PolicyArn": aPolicy},
		drop: calls("iam", "UntagPolicy", in{"PolicyArn": aPolicy}, "TagKeys", "Key", true),
	},
	{
		service: "iam", operation: "ListUserTags", items: "Tags", ask: in{"UserName": "u000"},
		drop: calls("iam", "UntagUser", in{"UserName": "u000"}, "TagKeys", "Key", true),
	},
	{
		service: "iam", operation: "ListUserPolicies", items: "PolicyNames", ask: in{"UserName": "u000"},
		drop: calls("iam", "DeleteUserPolicy", in{"UserName": "u000"}, "PolicyName", "", false),
	},
	{
		service: "iam", operation: "ListAttachedUserPolicies", items: "AttachedPolicies", ask: in{"UserName": "u000"},
		drop: calls("iam", "DetachUserPolicy", in{"UserName": "u000"}, "PolicyArn", "PolicyArn", false),
	},
	{
		service: "iam", operation: "ListGroupPolicies", items: "PolicyNames", ask: in{"GroupName": "g000"},
		drop: calls("iam", "DeleteGroupPolicy", in{"GroupName": "g000"}, "PolicyName", "", false),
	},
	{
		service: "iam", operation: "ListAttachedGroupPolicies", items: "AttachedPolicies", ask: in{"GroupName": "g000"},
		drop: calls("iam", "DetachGroupPolicy", in{"GroupName": "g000"}, "PolicyArn", "PolicyArn", false),
	},
	{
		service: "iam", operation: "ListGroupsForUser", items: "Groups", ask: in{"UserName": "u000"},
		drop: calls("iam", "RemoveUserFromGroup", in{"UserName": "u000"}, "GroupName", "GroupName", false),
	},
	{
		service: "iam", operation: "GetGroup", items: "Users", ask: in{"GroupName": "g000"},
		drop: calls("iam", "RemoveUserFromGroup", in{"GroupName": "g000"}, "UserName", "UserName", false),
	},
	{
		service: "iam", operation: "ListAccessKeys", items: "AccessKeyMetadata", ask: in{"UserName": "u000"},
		drop: by(state.AccessKeys, "AccessKeyId"),
	},
	{service: "iam", operation: "ListUsers", items: "Users", drop: by(state.Users, "UserName")},
	{service: "iam", operation: "ListGroups", items: "Groups", drop: by(state.Groups, "GroupName")},
	{service: "iam", operation: "ListAccountAliases", items: "AccountAliases", short: true},

	{service: "cloudtrail", operation: "LookupEvents", items: "Events", short: true},
	{service: "autoscaling", operation: "DescribeAutoScalingGroups", items: "AutoScalingGroups", drop: by(state.AutoScalingGroups,
		"AutoScalingGroupName")},
	{
		service: "autoscaling", operation: "DescribeAutoScalingInstances", items: "AutoScalingInstances",
		drop: by(state.Instances, "InstanceId"),
	},
	{
		service: "autoscaling", operation: "DescribeLoadBalancerTargetGroups", items: "LoadBalancerTargetGroups",
		ask: in{"AutoScalingGroupName": "g000"},
	},
	{
		service: "autoscaling", operation: "DescribeTrafficSources", items: "TrafficSources",
		ask: in{"AutoScalingGroupName": "g000"},
	},
	{
		service: "autoscaling", operation: "DescribePolicies", items: "ScalingPolicies", ask: in{"AutoScalingGroupName": "g001"},
		drop: by(state.ScalingPolicies, "PolicyARN"),
	},
	{
		service: "autoscaling", operation: "DescribeScheduledActions", items: "ScheduledUpdateGroupActions",
		ask: in{"AutoScalingGroupName": "g001"}, drop: by(state.ScheduledActions, "ScheduledActionARN"),
	},
	{
		service: "autoscaling", operation: "DescribeLaunchConfigurations", items: "LaunchConfigurations",
		drop: by(state.LaunchConfigurations, "LaunchConfigurationName"),
	},
	{service: "autoscaling", operation: "DescribeScalingActivities", items: "Activities", drop: by(state.GroupActivities, "ActivityId")},
	{service: "ec2", operation: "DescribeImages", items: "Images"},
	{service: "ec2", operation: "DescribeLaunchTemplates", items: "LaunchTemplates", drop: by(state.LaunchTemplates, "LaunchTemplateId")},
	{service: "ec2", operation: "DescribeLaunchTemplateVersions", items: "LaunchTemplateVersions", ask: in{"LaunchTemplateName": "many"}},
	{service: "ecr", operation: "DescribePullThroughCacheRules", items: "pullThroughCacheRules",
		drop: by(state.PullThroughRules, "ecrRepositoryPrefix")},
	{service: "secretsmanager", operation: "ListSecretVersionIds", items: "Versions", ask: in{"SecretId": "s000", "IncludeDeprecated": true}},
	{service: "secretsmanager", operation: "ListSecrets", items: "SecretList", drop: by(state.Secrets, "Name")},
	{service: "servicediscovery", operation: "ListNamespaces", items: "Namespaces", drop: by(state.Namespaces, "Id")},
	{service: "servicediscovery", operation: "ListServices", items: "Services", drop: by(state.DiscoveryServices, "Id")},
	{
		service: "servicediscovery", operation: "ListInstances", items: "Instances", ask: in{"ServiceId": "s000"},
		drop: where(state.DiscoveryInstances, "Id", func(i model.DiscoveryInstance, id string) bool { return i.ID == id }, instanceKey),
	},
	{service: "servicediscovery", operation: "GetInstancesHealthStatus", items: "Status", ask: in{"ServiceId": "s000"}, short: true},
	{service: "servicediscovery", operation: "ListOperations", items: "Operations", drop: by(state.DiscoveryOperations, "Id")},
	{service: "ssm", operation: "GetParameterHistory", items: "Parameters", ask: in{"Name": "p000"}},
	{service: "ssm", operation: "DescribeParameters", items: "Parameters", drop: by(state.Parameters, "Name")},
	{service: "ssm", operation: "GetParametersByPath", items: "Parameters", ask: in{"Path": "/aws", "Recursive": true}},

	{service: "cloudformation", operation: "DescribeStacks", items: "Stacks", drop: by(state.Stacks, "StackId")},
	{service: "cloudformation", operation: "ListStacks", items: "StackSummaries", drop: by(state.Stacks, "StackId")},
	{
		service: "cloudformation", operation: "DescribeStackEvents", items: "StackEvents", ask: in{"StackName": "s000"},
		drop: where(state.StackEvents, "EventId", func(e model.StackEvent, id string) bool { return e.ID == id }, eventKey),
	},
	{
		service: "cloudformation", operation: "DescribeEvents", items: "OperationEvents", ask: in{"StackName": "s000"},
		drop: where(state.StackEvents, "EventId", func(e model.StackEvent, id string) bool { return e.ID == id }, eventKey),
	},
	{
		service: "cloudformation", operation: "ListStackResources", items: "StackResourceSummaries", ask: in{"StackName": "s000"},
		drop: where(
			state.StackResources, "LogicalResourceId", func(r model.StackResource, id string) bool { return r.LogicalID == id },
			func(r model.StackResource) string { return r.Stack + "|" + r.LogicalID },
		),
	},
	{service: "cloudformation", operation: "DescribeChangeSet", items: "Changes", ask: in{"ChangeSetName": aChange}},
	{
		service: "cloudformation", operation: "ListChangeSets", items: "Summaries", ask: in{"StackName": "s000"},
		drop: by(state.ChangeSets, "ChangeSetId"),
	},
	{service: "cloudformation", operation: "ListExports", items: "Exports", drop: by(state.Exports, "Name")},
	{
		service: "cloudformation", operation: "ListImports", items: "Imports", ask: in{"ExportName": "e000"},
		drop: where(state.Stacks, "", func(s model.Stack, name string) bool { return s.Name == name }, func(s model.Stack) string {
			return s.ID
		}),
	},

	{service: "monitoring", operation: "ListMetrics", items: "Metrics", ask: in{"Namespace": "Test"}},
	{service: "monitoring", operation: "DescribeAlarms", items: "MetricAlarms", drop: by(state.Alarms, "AlarmName")},
	{service: "monitoring", operation: "DescribeAlarmHistory", items: "AlarmHistoryItems", drop: newestDecision},
	{service: "monitoring", operation: "DescribeAlarmHistory", items: "AlarmHistoryItems", ask: in{"ScanBy": "TimestampAscending"}},

	{service: "application-autoscaling", operation: "DescribeScalableTargets", items: "ScalableTargets", ask: in{
		"ServiceNamespace": "ecs",
	}, drop: func(
		w *apitest.World, item any,
	) {
		id, _ := item.(map[string]any)["ResourceId"].(string)
		w.Write(func(tx *store.Tx) error {
			return state.ScalableTargets.Delete(
				tx, model.ScalableTarget{Namespace: "ecs", ResourceID: id, Dimension: "ecs:service:DesiredCount"}.Key(),
			)
		})
	}},
	{
		service: "application-autoscaling", operation: "DescribeScalingPolicies", items: "ScalingPolicies",
		ask:  in{"ServiceNamespace": "ecs"},
		drop: by(state.ScalingPolicies, "PolicyARN"),
	},
	{
		service: "application-autoscaling", operation: "DescribeScheduledActions", items: "ScheduledActions",
		ask:  in{"ServiceNamespace": "ecs"},
		drop: by(state.ScheduledActions, "ScheduledActionARN"),
	},
	{
		service: "application-autoscaling", operation: "DescribeScalingActivities", items: "ScalingActivities",
		ask: in{"ServiceNamespace": "ecs"}, drop: by(state.ScalingActivities, "ActivityId"),
	},

	{service: "ecr", operation: "DescribeRepositories", items: "repositories", drop: by(state.Repositories, "repositoryName")},
	{service: "ecr", operation: "ListImages", items: "imageIds", ask: in{"repositoryName": "images"}, drop: dropImage},
	{service: "ecr", operation: "DescribeImages", items: "imageDetails", ask: in{"repositoryName": "images"}, drop: dropImage},

	{service: "lambda", operation: "ListFunctions", items: "Functions", drop: by(state.Functions, "FunctionName")},
	{service: "lambda", operation: "ListAliases", items: "Aliases", ask: in{"FunctionName": "f003"}, short: true},
	{service: "lambda", operation: "ListVersionsByFunction", items: "Versions", ask: in{"FunctionName": "f003"}, short: true},

	{service: "logs", operation: "DescribeLogGroups", items: "logGroups", drop: by(state.LogGroups, "logGroupName")},
	{service: "logs", operation: "ListLogGroups", items: "logGroups", drop: by(state.LogGroups, "logGroupName")},
	{service: "logs", operation: "DescribeLogStreams", items: "logStreams", ask: in{"logGroupName": "g"}, drop: dropStream},
	{
		service: "logs", operation: "DescribeLogStreams", items: "logStreams",
		ask: in{"logGroupName": "g", "orderBy": "LastEventTime", "descending": true}, drop: dropStream,
	},
	{service: "logs", operation: "FilterLogEvents", items: "events", ask: in{"logGroupName": "g"}},
}

func instanceID(i model.Instance) string { return i.ID }

func eventKey(e model.StackEvent) string { return fmt.Sprintf("%s|%010d", e.Stack, e.Seq) }

func dropImage(w *apitest.World, item any) {
	digest := item.(map[string]any)["imageDigest"]
	w.Must("ecr", "BatchDeleteImage", in{"repositoryName": "images", "imageIds": []any{in{"imageDigest": digest}}})
}

func dropStream(w *apitest.World, item any) {
	w.Must("logs", "DeleteLogStream", in{"logGroupName": "g", "logStreamName": item.(map[string]any)["logStreamName"]})
}

// newestDecision removes the second newest decision, the last of a page of two.
func newestDecision(w *apitest.World, _ any) {
	w.Write(func(tx *store.Tx) error {
		last, _ := state.Decisions.Last(tx)
		return state.Decisions.Delete(tx, fmt.Sprintf("%016d", last.Seq-1))
	})
}

func fill(t *testing.T, w *apitest.World) {
	t.Helper()
	fillECS(w)
	fillEC2(w)
	fillBalancers(w)
	fillIAM(w)
	fillStacks(w)
	fillRest(t, w)
}

func fillECS(w *apitest.World) {
	apitest.Put(w, state.Clusters, many(5, func(_ int, n string) model.Cluster {
		return model.Cluster{Name: "c" + n[:len(n)-3] + n, ARN: prefix + "cluster/c" + n, Status: "ACTIVE"}
	})...)
	apitest.Put(w, state.Clusters, model.Cluster{Name: "c", ARN: prefix + "cluster/c", Status: "ACTIVE"})
	apitest.Put(w, state.CapacityProviders, many(5, func(_ int, n string) model.CapacityProvider {
		return model.CapacityProvider{Name: "p" + n, ARN: prefix + "capacity-provider/p" + n, Cluster: "c", Status: "ACTIVE"}
	})...)
	for _, family := range []string{"a", "a-b", "b", "c", "d"} {
		apitest.Put(w, state.TaskDefinitions, many(11, func(i int, _ string) model.TaskDefinition {
			return model.TaskDefinition{
				ARN: fmt.Sprintf("%stask-definition/%s:%d", prefix, family, i+1), Family: family, Revision: int64(i + 1), Status: "ACTIVE",
			}
		})...)
	}
	apitest.Put(w, state.Services, many(5, func(_ int, n string) model.Service {
		return model.Service{ARN: prefix + "service/c/s" + n, Name: "s" + n, Cluster: "c", Status: "ACTIVE", SchedulingStrategy: "REPLICA"}
	})...)
	apitest.Put(w, state.ServiceDeployments, many(5, func(i int, n string) model.ServiceDeployment {
		return model.ServiceDeployment{
			ARN: prefix + "service-deployment/c/s000/" + n, Service: prefix + "service/c/s000", Cluster: "c", Status: "SUCCESSFUL",
			CreatedAt: sim.Start.Add(-time.Duration(i/2) * time.Hour),
		}
	})...)
	apitest.Put(w, state.Tasks, many(5, func(_ int, n string) model.Task {
		return model.Task{ARN: prefix + "task/c/" + n, ID: n, Cluster: "c", LastStatus: "RUNNING", DesiredStatus: "RUNNING"}
	})...)
	apitest.Put(w, state.Instances, many(40, func(_ int, n string) model.Instance {
		return model.Instance{
			ID: "i-" + n, ARN: prefix + "container-instance/c/" + n, Cluster: "c", Status: "ACTIVE", State: "running", Type: "m5.large",
			AvailabilityZone: "us-east-1a", ProfileARN: "arn:aws:iam::123456789012:instance-profile/i000",
			Attributes: []model.Attribute{{Name: "a"}, {Name: "b", Value: "1"}},
		}
	})...)
}

// fillSecrets puts secrets that were made one after another.
func fillSecrets(w *apitest.World) {
	apitest.Put(w, state.Secrets, many(5, func(i int, n string) model.Secret {
		return model.Secret{
			Name: "s" + n, CreatedAt: sim.Start.Add(-time.Duration(i/2) * time.Hour),
			Versions: many(5, func(_ int, v string) model.SecretVersion { return model.SecretVersion{ID: v} }),
		}
	})...)
}

func instanceKey(i model.DiscoveryInstance) string {
	return state.DiscoveryInstanceKey(i.Service, i.ID)
}

// fillDiscovery puts namespaces, services, and instances of the first.
func fillDiscovery(w *apitest.World) {
	apitest.Put(w, state.Namespaces, many(5, func(_ int, n string) model.Namespace { return model.Namespace{ID: "n" + n, Name: "n" + n} })...)
	apitest.Put(w, state.DiscoveryServices, many(5, func(_ int, n string) model.DiscoveryService {
		return model.DiscoveryService{ID: "s" + n, Name: "s" + n, Namespace: "n000"}
	})...)
	apitest.Put(w, state.DiscoveryInstances, many(5, func(_ int, n string) model.DiscoveryInstance {
		return model.DiscoveryInstance{Service: "s000", ID: "i" + n}
	})...)
	apitest.Put(w, state.DiscoveryOperations, many(5, func(i int, n string) model.DiscoveryOperation {
		return model.DiscoveryOperation{ID: "o" + n, CreatedAt: sim.Start.Add(-time.Duration(i/2) * time.Minute)}
	})...)
}

// fillGroups puts launch templates, and groups that keep still.
func fillGroups(w *apitest.World) {
	apitest.Put(w, state.LaunchTemplates, many(12, func(_ int, n string) model.LaunchTemplate {
		return model.LaunchTemplate{ID: "lt-" + n, Name: "t" + n}
	})...)
	apitest.Put(w, state.LaunchTemplates, model.LaunchTemplate{ID: "lt-many", Name: "many", Versions: many(12, func(i int,
		_ string) model.LaunchTemplateVersion {
		return model.LaunchTemplateVersion{Number: int64(i + 1), Data: "{}"}
	})})
	apitest.Put(w, state.LaunchConfigurations, many(5, func(_ int, n string) model.LaunchConfiguration {
		return model.LaunchConfiguration{Name: "l" + n, Data: "{}"}
	})...)
	apitest.Put(w, state.Instances, many(5, func(_ int, n string) model.Instance {
		return model.Instance{ID: "i-g" + n, Kind: model.KindEC2, Group: "g000", State: model.InstanceRunning, Launch: &model.Launch{}}
	})...)
	apitest.Put(w, state.GroupActivities, many(5, func(_ int, n string) model.GroupActivity {
		return model.GroupActivity{ID: "a" + n, Group: "g000", EndAt: sim.Start}
	})...)
	of := model.GroupTarget("g001")
	apitest.Put(w, state.ScalingPolicies, many(5, func(_ int, n string) model.ScalingPolicy {
		return model.ScalingPolicy{ARN: "arn:policy:g" + n, Name: "p" + n, Target: of, Type: "SimpleScaling"}
	})...)
	apitest.Put(w, state.ScheduledActions, many(5, func(_ int, n string) model.ScheduledAction {
		return model.ScheduledAction{ARN: "arn:action:g" + n, Name: "a" + n, Target: of, CreatedAt: sim.Start, Schedule: "0 0 1 1 *"}
	})...)
	apitest.Put(w, state.AutoScalingGroups, many(5, func(_ int, n string) model.AutoScalingGroup {
		attached := many(5, func(_ int, n string) model.GroupTraffic { return model.GroupTraffic{TargetGroup: "t" + n} })
		return model.AutoScalingGroup{Name: "g" + n, Traffic: attached, Suspended: []string{"Launch", "Terminate"}}
	})...)
}

func fillEC2(w *apitest.World) {
	fillGroups(w)
	apitest.Put(w, state.VPCs, many(30, func(_ int, n string) model.VPC {
		return model.VPC{ID: "vpc-" + n, CIDR: "10.0.0.0/16", DefaultACL: "acl-" + n, Tags: []model.Tag{{Key: "a", Value: n}}}
	})...)
	apitest.Put(w, state.Subnets, many(12, func(_ int, n string) model.Subnet {
		return model.Subnet{ID: "subnet-" + n, VPC: "vpc-011", CIDR: "10.0.0.0/24", AvailabilityZone: "us-east-1a"}
	})...)
	apitest.Put(w, state.InternetGateways, many(12, func(_ int, n string) model.InternetGateway {
		return model.InternetGateway{ID: "igw-" + n}
	})...)
	apitest.Put(w, state.NATGateways, many(12, func(_ int, n string) model.NATGateway {
		return model.NATGateway{ID: "nat-" + n, VPC: "vpc-011", Subnet: "subnet-000", State: "available"}
	})...)
	apitest.Put(w, state.Addresses, many(12, func(_ int,
		n string) model.Address {
		return model.Address{AllocationID: "eipalloc-" + n}
	})...)
	apitest.Put(w, state.RouteTables, many(12, func(_ int, n string) model.RouteTable {
		return model.RouteTable{ID: "rtb-" + n, VPC: "vpc-011"}
	})...)
	apitest.Put(w, state.SecurityGroups, many(40, func(_ int, n string) model.SecurityGroup {
		return model.SecurityGroup{
			ID: "sg-" + n, Name: n, VPC: "vpc-011", Rules: []model.SecurityRule{{ID: "sgr-" + n, Protocol: "-1", CIDR: "0.0.0.0/0"}},
		}
	})...)
	apitest.Put(w, state.NetworkInterfaces, many(12, func(_ int, n string) model.NetworkInterface {
		return model.NetworkInterface{ID: "eni-" + n, VPC: "vpc-011", Subnet: "subnet-011", State: "in-use", Kind: "endpoint"}
	})...)
	apitest.Put(w, state.VPCEndpoints, many(12, func(_ int, n string) model.VPCEndpoint {
		return model.VPCEndpoint{
			ID: "vpce-" + n, VPC: "vpc-011", Type: "Interface", ServiceName: "com.amazonaws.us-east-1.ecs", State: "available",
		}
	})...)
}

func fillBalancers(w *apitest.World) {
	apitest.Put(w, state.LoadBalancers, many(5, func(_ int, n string) model.LoadBalancer {
		return model.LoadBalancer{ARN: elb + "loadbalancer/app/l" + n + "/0", Name: "l" + n, State: "active"}
	})...)
	apitest.Put(w, state.Listeners, many(12, func(i int, n string) model.Listener {
		return model.Listener{
			ARN: elb + "listener/app/l000/0/" + n, LoadBalancer: elb + "loadbalancer/app/l000/0", Port: int64(i + 1), Protocol: "HTTP",
		}
	})...)
	apitest.Put(w, state.ListenerRules, many(12, func(i int, n string) model.ListenerRule {
		return model.ListenerRule{
			ARN: elb + "listener-rule/app/l000/0/011/" + n, Listener: elb + "listener/app/l000/0/011", Priority: int64(12 - i),
		}
	})...)
	apitest.Put(w, state.ListenerRules, model.ListenerRule{
		ARN: elb + "listener-rule/app/l000/0/011/a", Listener: elb + "listener/app/l000/0/011", Default: true,
	})
	apitest.Put(w, state.TargetGroups, many(5, func(_ int, n string) model.TargetGroup {
		return model.TargetGroup{ARN: elb + "targetgroup/t" + n + "/0", Name: "t" + n, TargetType: "ip"}
	})...)
}

func fillIAM(w *apitest.World) {
	tags := many(5, func(_ int, n string) model.Tag { return model.Tag{Key: "k" + n} })
	attached := many(5, func(i int, _ string) string { return fmt.Sprintf("arn:aws:iam::123456789012:policy/p%03d", (i+2)%5) })
	inline := many(5, func(i int, _ string) model.InlinePolicy {
		return model.InlinePolicy{Name: fmt.Sprintf("n%03d", (i+2)%5), Document: "{}"}
	})
	apitest.Put(w, state.Roles, many(7, func(_ int, n string) model.Role {
		return model.Role{
			Name: "r" + n, ARN: "arn:aws:iam::123456789012:role/r" + n, Path: "/", Trust: "{}", Tags: tags, Attached: attached,
			Inline: inline,
		}
	})...)
	groups := many(5, func(_ int, n string) string { return "g" + n })
	apitest.Put(w, state.Users, many(7, func(_ int, n string) model.User {
		return model.User{
			Name: "u" + n, ARN: "arn:aws:iam::123456789012:user/u" + n, Path: "/", Tags: tags, Attached: attached, Inline: inline,
			Groups: groups,
		}
	})...)
	apitest.Put(w, state.Groups, many(5, func(_ int, n string) model.Group {
		return model.Group{Name: "g" + n, ARN: "arn:aws:iam::123456789012:group/g" + n, Path: "/", Attached: attached, Inline: inline}
	})...)
	apitest.Put(w, state.AccessKeys, many(5, func(_ int, n string) model.AccessKey {
		return model.AccessKey{ID: "AKIA0000000000000" + n, User: "u000"}
	})...)
	apitest.Put(w, state.InstanceProfiles, many(7, func(_ int, n string) model.InstanceProfile {
		return model.InstanceProfile{
			Name: "i" + n, ARN: "arn:aws:iam::123456789012:instance-profile/i" + n, Path: "/", Roles: []string{"r000"}, Tags: tags,
		}
	})...)
	versions := many(11, func(i int, _ string) model.PolicyVersion {
		return model.PolicyVersion{ID: fmt.Sprintf("v%d", i+1), Document: "{}", Default: i == 0}
	})
	apitest.Put(w, state.Policies, many(5, func(_ int, n string) model.Policy {
		return model.Policy{ARN: "arn:aws:iam::123456789012:policy/p" + n, Name: "p" + n, Path: "/", Versions: versions, Tags: tags}
	})...)
}

func fillStacks(w *apitest.World) {
	const n = 106
	apitest.Put(w, state.Stacks, many(n, func(i int, x string) model.Stack {
		return model.Stack{
			ID: "arn:aws:cloudformation:us-east-1:123456789012:stack/s" + x + "/0", Name: "s" + x, Status: "CREATE_COMPLETE",
			Imports:   []string{"e000"},
			CreatedAt: sim.Start.Add(time.Duration(-i/2) * time.Minute),
		}
	})...)
	apitest.Put(w, state.StackEvents, many(n, func(i int, x string) model.StackEvent {
		return model.StackEvent{Stack: aStack, Seq: int64(i), ID: "event-" + x, Status: "CREATE_COMPLETE", At: sim.Start}
	})...)
	apitest.Put(w, state.StackResources, many(n, func(_ int, x string) model.StackResource {
		return model.StackResource{Stack: aStack, LogicalID: "R" + x, Status: "CREATE_COMPLETE", UpdatedAt: sim.Start}
	})...)
	changes := many(n, func(i int, _ string) model.ResourceChange {
		return model.ResourceChange{Action: "Add", LogicalID: fmt.Sprintf("R%d", n-i)}
	})
	apitest.Put(w, state.ChangeSets, many(n, func(_ int, x string) model.ChangeSet {
		return model.ChangeSet{
			ID: "arn:aws:cloudformation:us-east-1:123456789012:changeSet/c" + x + "/0", Name: "c" + x, Stack: aStack, StackName: "s000",
			Changes: changes,
		}
	})...)
	apitest.Put(w, state.Exports, many(n, func(_ int, x string) model.Export { return model.Export{Name: "e" + x, Stack: aStack} })...)
}

func fillRest(t *testing.T, w *apitest.World) {
	t.Helper()
	fillSecrets(w)
	fillDiscovery(w)
	apitest.Put(w, state.Parameters, many(5, func(_ int, n string) model.Parameter {
		return model.Parameter{Name: "p" + n, Versions: many(5, func(i int, _ string) model.ParameterVersion {
			return model.ParameterVersion{Number: int64(i + 1)}
		})}
	})...)
	apitest.Put(w, state.PullThroughRules, many(5, func(_ int, n string) model.PullThroughRule {
		return model.PullThroughRule{Prefix: "r" + n}
	})...)
	apitest.Put(w, state.Functions, many(5, func(_ int, n string) model.Function {
		return model.Function{Name: "f" + n, ARN: "arn:aws:lambda:us-east-1:123456789012:function:f" + n, State: "Active"}
	})...)
	apitest.Put(w, state.Alarms, many(5, func(_ int, n string) model.Alarm {
		return model.Alarm{Name: "a" + n, ARN: "arn:aws:cloudwatch:us-east-1:123456789012:alarm:a" + n, State: "OK"}
	})...)
	w.Write(func(tx *store.Tx) error {
		for range 12 {
			if err := state.Note(tx, sim.Start, model.Decision{
				Verb: "alarm", Subject: "arn:aws:cloudwatch:us-east-1:123456789012:alarm:a004", Reason: "OK",
			}); err != nil {
				return err
			}
		}
		return nil
	})
	apitest.Put(w, state.ScalableTargets, many(5, func(_ int, n string) model.ScalableTarget {
		return model.ScalableTarget{Namespace: "ecs", ResourceID: "service/c/s" + n, Dimension: "ecs:service:DesiredCount"}
	})...)
	apitest.Put(w, state.ScalingPolicies, many(5, func(_ int, n string) model.ScalingPolicy {
		return model.ScalingPolicy{ARN: "arn:policy:p" + n, Name: "p" + n, Target: target, Type: "StepScaling"}
	})...)
	apitest.Put(w, state.ScheduledActions, many(5, func(_ int, n string) model.ScheduledAction {
		return model.ScheduledAction{ARN: "arn:action:a" + n, Name: "a" + n, Target: target}
	})...)
	apitest.Put(w, state.ScalingActivities, many(5, func(i int, n string) model.ScalingActivity {
		return model.ScalingActivity{ID: n, Target: target, StartedAt: sim.Start.Add(time.Duration(-i/2) * time.Minute)}
	})...)
	fillSeries(w)
	fillImages(t, w)
}

func fillSeries(w *apitest.World) {
	apitest.Put(w, state.LogGroups, many(5, func(_ int, n string) model.LogGroup {
		return model.LogGroup{Name: "/" + n, ARN: "arn:group:" + n, Class: "STANDARD"}
	})...)
	apitest.Put(w, state.LogGroups, model.LogGroup{Name: "g", ARN: "arn:group:g", Class: "STANDARD"})
	for i := range 9 {
		name := fmt.Sprintf("s%d", i)
		w.Must("logs", "CreateLogStream", in{"logGroupName": "g", "logStreamName": name})
		events := []any{}
		for n := range 3 {
			events = append(events, in{"timestamp": sim.Start.UnixMilli() + int64((9-i)/2*10+n), "message": fmt.Sprint(name, n)})
		}
		w.Must("logs", "PutLogEvents", in{"logGroupName": "g", "logStreamName": name, "logEvents": events})
	}
	data := []any{}
	for i := range 510 {
		data = append(data, in{"MetricName": fmt.Sprintf("m%d", i), "Value": 1.0})
	}
	w.Must("monitoring", "PutMetricData", in{"Namespace": "Test", "MetricData": data})
}

func fillImages(t *testing.T, w *apitest.World) {
	t.Helper()
	apitest.Put(w, state.Repositories, many(5, func(_ int, n string) model.Repository {
		return model.Repository{Name: "r" + n, ARN: "arn:repository:r" + n}
	})...)
	w.Must("ecr", "CreateRepository", in{"repositoryName": "images"})
	for i := range 8 {
		m, err := json.Marshal(map[string]any{
			"schemaVersion": 2, "mediaType": "application/vnd.oci.image.index.v1+json", "manifests": []any{},
			"annotations": map[string]string{"n": fmt.Sprint(i)},
		})
		if err != nil {
			t.Fatal(err)
		}
		w.Must("ecr", "PutImage", in{"repositoryName": "images", "imageManifest": string(m), "imageTag": fmt.Sprintf("t%d", 9-i)})
		if i%2 == 0 {
			w.Clock.Advance(time.Second)
		}
	}
}
