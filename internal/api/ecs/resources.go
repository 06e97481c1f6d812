package ecs

import (
	"berth/internal/ident"
	"berth/internal/wire"
	shape "berth/internal/wire/shape/ecs"
)

// Resources names the ARNs that a call is about, for IAM; none means "*".
func (a *API) Resources(_ string, in any) []string {
	switch i := in.(type) {
	case *shape.RegisterContainerInstanceInput:
		return a.clusterARN(i.Cluster)
	case *shape.SubmitTaskStateChangeInput:
		return a.clusterARN(i.Cluster)
	case *shape.SubmitContainerStateChangeInput:
		return a.clusterARN(i.Cluster)
	case *shape.SubmitAttachmentStateChangesInput:
		return a.clusterARN(i.Cluster)
	case *shape.UpdateClusterInput:
		return a.clusterARN(i.Cluster)
	case *shape.UpdateClusterSettingsInput:
		return a.clusterARN(i.Cluster)
	case *shape.PutClusterCapacityProvidersInput:
		return a.clusterARN(i.Cluster)
	case *shape.DeleteClusterInput:
		return a.clusterARN(i.Cluster)
	case *shape.DescribeClustersInput:
		return each(i.Clusters, func(n string) string { return a.whole("cluster", "", n) })
	case *shape.DeregisterContainerInstanceInput:
		return a.clusterARN(i.Cluster)
	case *shape.DescribeContainerInstancesInput:
		return each(i.ContainerInstances, a.in("container-instance", i.Cluster))
	case *shape.UpdateContainerInstancesStateInput:
		return each(i.ContainerInstances, a.in("container-instance", i.Cluster))
	case *shape.CreateServiceInput:
		return []string{a.in("service", i.Cluster)(wire.Val(i.ServiceName))}
	case *shape.UpdateServiceInput:
		return []string{a.in("service", i.Cluster)(wire.Val(i.Service))}
	case *shape.DeleteServiceInput:
		return []string{a.in("service", i.Cluster)(wire.Val(i.Service))}
	case *shape.DescribeServicesInput:
		return each(i.Services, a.in("service", i.Cluster))
	case *shape.ListServiceDeploymentsInput:
		return []string{a.in("service", i.Cluster)(wire.Val(i.Service))}
	case *shape.DescribeServiceDeploymentsInput:
		return i.ServiceDeploymentArns
	case *shape.StopServiceDeploymentInput:
		return []string{wire.Val(i.ServiceDeploymentArn)}
	case *shape.ContinueServiceDeploymentInput:
		return []string{wire.Val(i.ServiceDeploymentArn)}
	case *shape.DescribeServiceRevisionsInput:
		return i.ServiceRevisionArns
	case *shape.RunTaskInput:
		return []string{a.definitionARN(wire.Val(i.TaskDefinition))}
	case *shape.StopTaskInput:
		return []string{a.in("task", i.Cluster)(wire.Val(i.Task))}
	case *shape.DescribeTasksInput:
		return each(i.Tasks, a.in("task", i.Cluster))
	case *shape.RegisterTaskDefinitionInput:
		return []string{a.arn("task-definition/" + wire.Val(i.Family) + ":*")}
	case *shape.DeleteTaskDefinitionsInput:
		return each(i.TaskDefinitions, a.definitionARN)
	case *shape.CreateCapacityProviderInput:
		return []string{a.arn("capacity-provider/" + wire.Val(i.Name))}
	case *shape.UpdateCapacityProviderInput:
		return []string{a.whole("capacity-provider", "", wire.Val(i.Name))}
	case *shape.DeleteCapacityProviderInput:
		return []string{a.whole("capacity-provider", "", wire.Val(i.CapacityProvider))}
	case *shape.DescribeCapacityProvidersInput:
		return each(i.CapacityProviders, func(n string) string { return a.whole("capacity-provider", "", n) })
	case *shape.TagResourceInput:
		return []string{wire.Val(i.ResourceArn)}
	case *shape.UntagResourceInput:
		return []string{wire.Val(i.ResourceArn)}
	case *shape.ListTagsForResourceInput:
		return []string{wire.Val(i.ResourceArn)}
	default:
		return nil
	}
}

func (a *API) clusterARN(given *string) []string {
	return []string{a.arn("cluster/" + clusterName(given))}
}

// in makes ARNs of what is named within a cluster.
func (a *API) in(kind string, cluster *string) func(string) string {
	return func(n string) string { return a.whole(kind, clusterName(cluster), n) }
}

func (a *API) definitionARN(given string) string {
	if d, ok := definition(a.view(), given); ok {
		return d.ARN
	}
	return a.whole("task-definition", "", ident.Last(given))
}

func each(names []string, arn func(string) string) []string {
	var out []string
	for _, n := range names {
		out = append(out, arn(n))
	}
	return out
}
