package autoscaling_test

import (
	"fmt"
	"testing"

	"berth/internal/api/apitest"
	"berth/internal/model"
	"berth/internal/state"
)

// small is a world with a group g of one instance, one that is being deleted and
// one that is full of tags.
type small struct {
	*apitest.World
	subnet, member, leaving string
}

func world(t *testing.T) small {
	w := small{apitest.NewWorld(t), "subnet-0123456789abcdef0", "i-00000000000000001", "i-00000000000000002"}
	apitest.Put(w.World, state.Subnets, model.Subnet{ID: w.subnet, VPC: "vpc-1", AvailabilityZone: "us-east-1a"})
	apitest.Put(w.World, state.LaunchConfigurations, model.LaunchConfiguration{Name: "lc", Data: "{}"})
	var tags []model.GroupTag
	for n := range 50 {
		tags = append(tags, model.GroupTag{Key: fmt.Sprint(n)})
	}
	apitest.Put(w.World, state.TargetGroups,
		model.TargetGroup{ARN: "tg-ip", TargetType: "ip", VPC: "vpc-1"}, model.TargetGroup{ARN: "tg-far", TargetType: "instance", VPC: "vpc-2"})
	suspended := []string{"Launch", "Terminate"}
	apitest.Put(w.World, state.Instances,
		model.Instance{ID: w.member, Kind: model.KindEC2, Group: "g", State: model.InstanceRunning, Launch: &model.Launch{}},
		model.Instance{ID: w.leaving, Kind: model.KindEC2, Group: "leaving", State: model.InstanceRunning, Launch: &model.Launch{}})
	apitest.Put(w.World, state.AutoScalingGroups,
		model.AutoScalingGroup{Name: "g", Max: 1, Desired: 1, LaunchConfiguration: "lc", Subnets: []string{w.subnet}, Suspended: suspended},
		model.AutoScalingGroup{Name: "leaving", Deleting: true, Suspended: suspended},
		model.AutoScalingGroup{Name: "full", Subnets: []string{w.subnet}, Tags: tags})
	return w
}

func TestErrorsAreAsListed(t *testing.T) {
	t.Parallel()
	w := world(t)
	apitest.Errors(t, w.World, "autoscaling", `
		CreateLaunchConfiguration ValidationError LaunchConfigurationName=x ImageId=ami-1
		CreateLaunchConfiguration AlreadyExists LaunchConfigurationName=lc ImageId=ami-1 InstanceType=t3.large
		DescribeLaunchConfigurations InvalidNextToken NextToken=made-up
		DescribeLaunchConfigurations ValidationError MaxRecords=101
		DeleteLaunchConfiguration ResourceInUse LaunchConfigurationName=lc
		DeleteLaunchConfiguration ValidationError LaunchConfigurationName=nowhere
		CreateAutoScalingGroup AlreadyExists AutoScalingGroupName=g MinSize=0 MaxSize=0
		CreateAutoScalingGroup ValidationError AutoScalingGroupName=h MinSize=0 MaxSize=0
		CreateAutoScalingGroup ValidationError AutoScalingGroupName=h MinSize=0 MaxSize=0 LaunchConfigurationName=lc
		CreateAutoScalingGroup ValidationError AutoScalingGroupName=h MinSize=2 MaxSize=1 LaunchConfigurationName=lc VPCZoneIdentifier=`+w.subnet+`
		CreateAutoScalingGroup ValidationError AutoScalingGroupName=h MinSize=0 MaxSize=1 LaunchConfigurationName=lc VPCZoneIdentifier=subnet-1
		UpdateAutoScalingGroup ValidationError AutoScalingGroupName=nowhere
		UpdateAutoScalingGroup ValidationError AutoScalingGroupName=g TerminationPolicies=["AllocationStrategy"]
		UpdateAutoScalingGroup ScalingActivityInProgress AutoScalingGroupName=leaving
		DeleteAutoScalingGroup ValidationError AutoScalingGroupName=nowhere
		DeleteAutoScalingGroup ResourceInUse AutoScalingGroupName=g
		DeleteAutoScalingGroup ScalingActivityInProgress AutoScalingGroupName=leaving
		DescribeAutoScalingGroups InvalidNextToken NextToken=made-up
		DescribeAutoScalingGroups ValidationError MaxRecords=101
		SetDesiredCapacity ValidationError AutoScalingGroupName=g DesiredCapacity=9
		SetDesiredCapacity ScalingActivityInProgress AutoScalingGroupName=leaving DesiredCapacity=0
		DescribeAutoScalingInstances InvalidNextToken NextToken=made-up
		DescribeAutoScalingInstances ValidationError MaxRecords=101
		DescribeScalingActivities InvalidNextToken NextToken=made-up
		DescribeScalingActivities ValidationError AutoScalingGroupName=nowhere
		TerminateInstanceInAutoScalingGroup ValidationError InstanceId=i-1 ShouldDecrementDesiredCapacity=false
		TerminateInstanceInAutoScalingGroup ScalingActivityInProgress InstanceId=`+w.leaving+` ShouldDecrementDesiredCapacity=false
		SetInstanceProtection ValidationError AutoScalingGroupName=g InstanceIds=["i-1"] ProtectedFromScaleIn=true
		SetInstanceProtection ScalingActivityInProgress AutoScalingGroupName=leaving InstanceIds=[] ProtectedFromScaleIn=true
		SetInstanceHealth ValidationError InstanceId=i-1 HealthStatus=Unhealthy
		SetInstanceHealth ValidationError InstanceId=`+w.member+` HealthStatus=Ill
		SetInstanceHealth ScalingActivityInProgress InstanceId=`+w.leaving+` HealthStatus=Unhealthy
		SuspendProcesses ValidationError AutoScalingGroupName=g ScalingProcesses=["Sleep"]
		SuspendProcesses ScalingActivityInProgress AutoScalingGroupName=leaving
		ResumeProcesses ValidationError AutoScalingGroupName=g ScalingProcesses=["Sleep"]
		ResumeProcesses ScalingActivityInProgress AutoScalingGroupName=leaving
		EnableMetricsCollection ValidationError AutoScalingGroupName=g Granularity=5Minute
		EnableMetricsCollection ValidationError AutoScalingGroupName=g Granularity=1Minute Metrics=["WarmPoolMinSize"]
		EnableMetricsCollection ScalingActivityInProgress AutoScalingGroupName=leaving Granularity=1Minute
		DisableMetricsCollection ValidationError AutoScalingGroupName=g Metrics=["Size"]
		DisableMetricsCollection ScalingActivityInProgress AutoScalingGroupName=leaving
		CreateOrUpdateTags ValidationError Tags=[{"ResourceId":"g","Key":""}]
		CreateOrUpdateTags LimitExceeded Tags=[{"ResourceId":"full","Key":"more"}]
		CreateOrUpdateTags ScalingActivityInProgress Tags=[{"ResourceId":"leaving","Key":"a"}]
		CreateAutoScalingGroup ValidationError AutoScalingGroupName=h MinSize=0 MaxSize=1 LaunchConfigurationName=lc VPCZoneIdentifier=`+w.subnet+` TargetGroupARNs=["nowhere"]
		CreateAutoScalingGroup ValidationError AutoScalingGroupName=h MinSize=0 MaxSize=1 LaunchConfigurationName=lc VPCZoneIdentifier=`+w.subnet+` TrafficSources=[{"Identifier":"a","Type":"vpc-lattice"}]
		CreateAutoScalingGroup ValidationError AutoScalingGroupName=h MinSize=0 MaxSize=1 LaunchConfigurationName=lc VPCZoneIdentifier=`+w.subnet+` HealthCheckType=EBS
		UpdateAutoScalingGroup ValidationError AutoScalingGroupName=g HealthCheckType=Doctor
		AttachLoadBalancerTargetGroups ValidationError AutoScalingGroupName=g TargetGroupARNs=["tg-ip"]
		AttachLoadBalancerTargetGroups ValidationError AutoScalingGroupName=g TargetGroupARNs=["tg-far"]
		AttachLoadBalancerTargetGroups ScalingActivityInProgress AutoScalingGroupName=leaving TargetGroupARNs=["tg-ip"]
		DetachLoadBalancerTargetGroups ValidationError AutoScalingGroupName=g TargetGroupARNs=["tg-ip"]
		DetachLoadBalancerTargetGroups ScalingActivityInProgress AutoScalingGroupName=leaving TargetGroupARNs=["tg-ip"]
		AttachTrafficSources ValidationError AutoScalingGroupName=g TrafficSources=[{"Identifier":"a","Type":"elb"}]
		AttachTrafficSources ScalingActivityInProgress AutoScalingGroupName=leaving TrafficSources=[{"Identifier":"tg-ip"}]
		DetachTrafficSources ValidationError AutoScalingGroupName=g TrafficSources=[{"Identifier":"a","Type":"elb"}]
		DetachTrafficSources ScalingActivityInProgress AutoScalingGroupName=leaving TrafficSources=[{"Identifier":"tg-ip"}]
		DescribeLoadBalancerTargetGroups InvalidNextToken AutoScalingGroupName=g NextToken=made-up
		DescribeLoadBalancerTargetGroups ValidationError AutoScalingGroupName=nowhere
		DescribeLoadBalancerTargetGroups ScalingActivityInProgress AutoScalingGroupName=leaving
		DescribeTrafficSources InvalidNextToken AutoScalingGroupName=g NextToken=made-up
		DescribeTrafficSources ValidationError AutoScalingGroupName=nowhere
		DescribeTrafficSources ScalingActivityInProgress AutoScalingGroupName=leaving
		DeleteTags ValidationError Tags=[{"ResourceId":"nowhere","Key":"a"}]
		DeleteTags ScalingActivityInProgress Tags=[{"ResourceId":"leaving","Key":"a"}]
	`)
}
