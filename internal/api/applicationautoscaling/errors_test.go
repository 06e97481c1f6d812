package applicationautoscaling_test

import (
	"fmt"
	"testing"

	"berth/internal/api/apitest"
	"berth/internal/model"
	"berth/internal/state"
	"berth/internal/store"
)

func TestErrorsAreAsListed(t *testing.T) {
	w := apitest.NewWorld(t)
	target := func(name string) model.ScalableTarget {
		return model.ScalableTarget{
			ARN: "arn:aws:application-autoscaling:us-east-1:123456789012:scalable-target/" + name, Namespace: "ecs", ResourceID: "service/c/" + name,
			Dimension: "ecs:service:DesiredCount",
		}
	}
	w.Write(func(tx *store.Tx) error {
		full := target("full")
		for i := range 200 {
			if err := state.ScalingPolicies.Put(tx, model.ScalingPolicy{
				ARN: fmt.Sprint("p", i), Name: fmt.Sprint("p", i), Type: "StepScaling", Target: full.Key(),
			}); err != nil {
				return err
			}
			if err := state.ScheduledActions.Put(tx, model.ScheduledAction{
				ARN: fmt.Sprint("a", i), Name: fmt.Sprint("a", i), Target: full.Key(),
			}); err != nil {
				return err
			}
		}
		if err := state.ScalableTargets.Put(tx, target("free")); err != nil {
			return err
		}
		return state.ScalableTargets.Put(tx, full)
	})
	tags := "{"
	for i := range 51 {
		tags += fmt.Sprintf(`"k%d":"",`, i)
	}
	tags = tags[:len(tags)-1] + "}"
	const (
		lost = "ServiceNamespace=ecs ScalableDimension=ecs:service:DesiredCount ResourceId=service/c/lost "
		full = "ServiceNamespace=ecs ScalableDimension=ecs:service:DesiredCount ResourceId=service/c/full "
		free = "ServiceNamespace=ecs ScalableDimension=ecs:service:DesiredCount ResourceId=service/c/free "
		arn  = "ResourceARN=arn:aws:application-autoscaling:us-east-1:123456789012:scalable-target/"
		step = `PolicyType=StepScaling StepScalingPolicyConfiguration={"AdjustmentType":"ChangeInCapacity","StepAdjustments":[{"MetricIntervalLowerBound":0,"ScalingAdjustment":1}]} `
	)
	apitest.Errors(t, w, "application-autoscaling", `
		RegisterScalableTarget ValidationException ServiceNamespace=ecs ScalableDimension=ecs:service:DesiredCount ResourceId=lost MinCapacity=1 MaxCapacity=2
		RegisterScalableTarget NotImplemented ServiceNamespace=dynamodb ScalableDimension=dynamodb:table:ReadCapacityUnits ResourceId=table/t MinCapacity=1 MaxCapacity=2
		DeregisterScalableTarget ObjectNotFoundException `+lost+`
		DescribeScalableTargets ValidationException ServiceNamespace=ecs MaxResults=0
		DescribeScalableTargets InvalidNextTokenException ServiceNamespace=ecs NextToken=made-up
		PutScalingPolicy ValidationException PolicyName=p PolicyType=StepScaling `+full+`
		PutScalingPolicy ObjectNotFoundException PolicyName=p `+step+lost+`
		PutScalingPolicy LimitExceededException PolicyName=new `+step+full+`
		PutScalingPolicy NotImplemented PolicyName=p PolicyType=PredictiveScaling `+full+`
		DeleteScalingPolicy ObjectNotFoundException PolicyName=lost `+full+`
		DescribeScalingPolicies ValidationException ServiceNamespace=ecs MaxResults=0
		DescribeScalingPolicies InvalidNextTokenException ServiceNamespace=ecs NextToken=made-up
		PutScheduledAction ValidationException ScheduledActionName=a Schedule=never `+free+`ScalableTargetAction={"MinCapacity":1}
		PutScheduledAction ObjectNotFoundException ScheduledActionName=a Schedule=rate(1day) `+lost+`ScalableTargetAction={"MinCapacity":1}
		PutScheduledAction LimitExceededException ScheduledActionName=new Schedule=at(2027-01-01T00:00:00) `+full+`ScalableTargetAction={"MinCapacity":1}
		DeleteScheduledAction ObjectNotFoundException ScheduledActionName=lost `+full+`
		DescribeScheduledActions ValidationException ServiceNamespace=ecs MaxResults=0
		DescribeScheduledActions InvalidNextTokenException ServiceNamespace=ecs NextToken=made-up
		DescribeScalingActivities ValidationException ServiceNamespace=ecs MaxResults=0
		DescribeScalingActivities InvalidNextTokenException ServiceNamespace=ecs NextToken=made-up
		TagResource ResourceNotFoundException Tags={"a":"b"} `+arn+`lost
		TagResource TooManyTagsException Tags=`+tags+` `+arn+`full
		UntagResource ResourceNotFoundException TagKeys=["a"] `+arn+`lost
		ListTagsForResource ResourceNotFoundException `+arn+`lost
	`)
}
