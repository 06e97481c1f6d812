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
	apitest.Put(w.World, state.ScalingPolicies,
		model.ScalingPolicy{ARN: "p-steps", Name: "steps", Type: "StepScaling", Target: model.GroupTarget("g")},
		model.ScalingPolicy{ARN: "p-cool", Name: "cool", Type: "SimpleScaling", Target: model.GroupTarget("g"), LastOutAt: w.Clock.Now(),
			AdjustmentType: "ChangeInCapacity", Adjustment: 1, OwnCooldown: new(int64(60))},
		model.ScalingPolicy{ARN: "p-track", Name: "track", Type: "TargetTrackingScaling", Target: model.GroupTarget("g")},
		model.ScalingPolicy{ARN: "p-off", Name: "off", Type: "SimpleScaling", Disabled: true, Target: model.GroupTarget("g")})
	for n := range 125 {
		apitest.Put(w.World, state.ScheduledActions,
			model.ScheduledAction{ARN: fmt.Sprint("a", n), Name: fmt.Sprint(n), Target: model.GroupTarget("full")})
		apitest.Put(w.World, state.ScalingPolicies,
			model.ScalingPolicy{ARN: fmt.Sprint("p", n), Name: fmt.Sprint(n), Target: model.GroupTarget("full")})
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
		PutScalingPolicy ValidationError AutoScalingGroupName=g PolicyName=p PolicyType=Guess
		PutScalingPolicy ValidationError AutoScalingGroupName=g PolicyName=p PolicyType=PredictiveScaling
		PutScalingPolicy ValidationError AutoScalingGroupName=g PolicyName=p AdjustmentType=ChangeInCapacity
		PutScalingPolicy ValidationError AutoScalingGroupName=g PolicyName=p ScalingAdjustment=1
		PutScalingPolicy ValidationError AutoScalingGroupName=g PolicyName=p AdjustmentType=ExactCapacity ScalingAdjustment=-1
		PutScalingPolicy ValidationError AutoScalingGroupName=g PolicyName=p AdjustmentType=ChangeInCapacity ScalingAdjustment=1 MinAdjustmentMagnitude=2
		PutScalingPolicy ValidationError AutoScalingGroupName=g PolicyName=p AdjustmentType=ChangeInCapacity ScalingAdjustment=1 EstimatedInstanceWarmup=2
		PutScalingPolicy ValidationError AutoScalingGroupName=g PolicyName=p AdjustmentType=ChangeInCapacity ScalingAdjustment=1 Cooldown=-2
		PutScalingPolicy ValidationError AutoScalingGroupName=g PolicyName=p PolicyType=StepScaling AdjustmentType=ChangeInCapacity
		PutScalingPolicy ValidationError AutoScalingGroupName=g PolicyName=p PolicyType=StepScaling AdjustmentType=ChangeInCapacity ScalingAdjustment=1
		PutScalingPolicy ValidationError AutoScalingGroupName=g PolicyName=p PolicyType=StepScaling AdjustmentType=ChangeInCapacity MetricAggregationType=Median StepAdjustments=[{"MetricIntervalLowerBound":0,"ScalingAdjustment":1}]
		PutScalingPolicy ValidationError AutoScalingGroupName=g PolicyName=p PolicyType=TargetTrackingScaling
		PutScalingPolicy ValidationError AutoScalingGroupName=g PolicyName=p PolicyType=TargetTrackingScaling AdjustmentType=ChangeInCapacity TargetTrackingConfiguration={"TargetValue":1}
		PutScalingPolicy ValidationError AutoScalingGroupName=g PolicyName=p PolicyType=TargetTrackingScaling TargetTrackingConfiguration={"TargetValue":0}
		PutScalingPolicy ValidationError AutoScalingGroupName=g PolicyName=p PolicyType=TargetTrackingScaling TargetTrackingConfiguration={"TargetValue":1}
		PutScalingPolicy ValidationError AutoScalingGroupName=g PolicyName=p PolicyType=TargetTrackingScaling TargetTrackingConfiguration={"TargetValue":1,"PredefinedMetricSpecification":{"PredefinedMetricType":"ASGAverageNetworkIn"}}
		PutScalingPolicy ValidationError AutoScalingGroupName=g PolicyName=p PolicyType=TargetTrackingScaling TargetTrackingConfiguration={"TargetValue":1,"PredefinedMetricSpecification":{"PredefinedMetricType":"ASGAverageCPUUtilization","ResourceLabel":"a"}}
		PutScalingPolicy ValidationError AutoScalingGroupName=g PolicyName=p PolicyType=TargetTrackingScaling TargetTrackingConfiguration={"TargetValue":1,"PredefinedMetricSpecification":{"PredefinedMetricType":"ALBRequestCountPerTarget","ResourceLabel":"a"}}
		PutScalingPolicy ValidationError AutoScalingGroupName=g PolicyName=p PolicyType=TargetTrackingScaling TargetTrackingConfiguration={"TargetValue":1,"CustomizedMetricSpecification":{"MetricName":"a","Namespace":"b"}}
		PutScalingPolicy ValidationError AutoScalingGroupName=g PolicyName=steps AdjustmentType=ChangeInCapacity ScalingAdjustment=1
		PutScalingPolicy LimitExceeded AutoScalingGroupName=full PolicyName=p AdjustmentType=ChangeInCapacity ScalingAdjustment=1
		PutScalingPolicy ScalingActivityInProgress AutoScalingGroupName=leaving PolicyName=p AdjustmentType=ChangeInCapacity ScalingAdjustment=1
		DeletePolicy ValidationError AutoScalingGroupName=g PolicyName=nowhere
		DescribePolicies InvalidNextToken NextToken=made-up
		DescribePolicies ValidationError MaxRecords=101
		ExecutePolicy ValidationError AutoScalingGroupName=g PolicyName=nowhere
		ExecutePolicy ValidationError AutoScalingGroupName=g PolicyName=track
		ExecutePolicy ValidationError AutoScalingGroupName=g PolicyName=off
		ExecutePolicy ValidationError PolicyName=p-steps
		ExecutePolicy ScalingActivityInProgress AutoScalingGroupName=g PolicyName=cool HonorCooldown=true
		PutScheduledUpdateGroupAction ValidationError AutoScalingGroupName=g ScheduledActionName=a StartTime=2099-01-01T00:00:00Z
		PutScheduledUpdateGroupAction ValidationError AutoScalingGroupName=g ScheduledActionName=a MinSize=-1 StartTime=2099-01-01T00:00:00Z
		PutScheduledUpdateGroupAction ValidationError AutoScalingGroupName=g ScheduledActionName=a MinSize=2 MaxSize=1 StartTime=2099-01-01T00:00:00Z
		PutScheduledUpdateGroupAction ValidationError AutoScalingGroupName=g ScheduledActionName=a MinSize=1
		PutScheduledUpdateGroupAction ValidationError AutoScalingGroupName=g ScheduledActionName=a MinSize=1 StartTime=2001-01-01T00:00:00Z
		PutScheduledUpdateGroupAction ValidationError AutoScalingGroupName=g ScheduledActionName=a MinSize=1 EndTime=2098-01-01T00:00:00Z StartTime=2099-01-01T00:00:00Z
		PutScheduledUpdateGroupAction ValidationError AutoScalingGroupName=g ScheduledActionName=a MinSize=1 TimeZone=Moon StartTime=2099-01-01T00:00:00Z
		PutScheduledUpdateGroupAction ValidationError AutoScalingGroupName=g ScheduledActionName=a MinSize=1 Recurrence=99
		PutScheduledUpdateGroupAction LimitExceeded AutoScalingGroupName=full ScheduledActionName=a MinSize=0 StartTime=2099-01-01T00:00:00Z
		PutScheduledUpdateGroupAction ScalingActivityInProgress AutoScalingGroupName=leaving ScheduledActionName=a MinSize=0 StartTime=2099-01-01T00:00:00Z
		DeleteScheduledAction ValidationError AutoScalingGroupName=g ScheduledActionName=nowhere
		DeleteScheduledAction ScalingActivityInProgress AutoScalingGroupName=leaving ScheduledActionName=a
		DescribeScheduledActions InvalidNextToken NextToken=made-up
		DescribeScheduledActions ValidationError MaxRecords=101
		DeleteTags ValidationError Tags=[{"ResourceId":"nowhere","Key":"a"}]
		DeleteTags ScalingActivityInProgress Tags=[{"ResourceId":"leaving","Key":"a"}]
	`)
}
