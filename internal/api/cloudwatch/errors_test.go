package cloudwatch_test

import (
	"testing"

	"berth/internal/api/apitest"
)

func TestErrorsAreAsListed(t *testing.T) {
	w := apitest.NewWorld(t)
	const lost = "arn:aws:cloudwatch:us-east-1:123456789012:alarm:lost"
	const alarm = "AlarmName=a EvaluationPeriods=1 ComparisonOperator=GreaterThanThreshold "
	const span = "StartTime=1767220000 EndTime=1767225600 "
	apitest.Errors(t, w, "monitoring", `
		PutMetricAlarm ValidationError `+alarm+`Namespace=N MetricName=m
		PutMetricAlarm NotImplemented `+alarm+`Metrics=[{"Id":"m"}]
		DescribeAlarms InvalidNextToken NextToken=made-up
		DescribeAlarms InvalidParameterCombination AlarmNames=["a"] AlarmNamePrefix=a
		DeleteAlarms ResourceNotFound AlarmNames=["lost"]
		SetAlarmState ResourceNotFound AlarmName=lost StateValue=OK StateReason=x
		SetAlarmState InvalidFormat AlarmName=lost StateValue=OK StateReason=x StateReasonData=x
		DescribeAlarmHistory InvalidNextToken NextToken=made-up
		TagResource ResourceNotFoundException Tags=[{"Key":"a","Value":"b"}] ResourceARN=`+lost+`
		UntagResource ResourceNotFoundException TagKeys=["a"] ResourceARN=`+lost+`
		ListTagsForResource ResourceNotFoundException ResourceARN=`+lost+`
		PutMetricData InvalidParameterValue Namespace=AWS/ECS MetricData=[{"MetricName":"m","Value":1}]
		PutMetricData InvalidParameterValue Namespace=N MetricData=[{"MetricName":"m","Value":"NaN"}]
		PutMetricData InvalidParameterValue Namespace=N MetricData=[{"MetricName":"m","Values":["-Infinity"]}]
		PutMetricData InvalidParameterValue Namespace=N MetricData=[{"MetricName":"m","StatisticValues":{"SampleCount":1,"Sum":"Infinity"}}]
		PutMetricData InvalidParameterCombination Namespace=N MetricData=[{"MetricName":"m","Value":1,"Values":[1]}]
		PutMetricData MissingParameter Namespace=N MetricData=[{"MetricName":"m"}]
		ListMetrics InvalidNextToken NextToken=made-up
		GetMetricStatistics InvalidParameterValue Namespace=N MetricName=m Period=7 Statistics=["Sum"] `+span+`
		GetMetricStatistics InvalidParameterCombination Namespace=N MetricName=m Period=60 Statistics=["Sum"] StartTime=1767000000 EndTime=1767225600
		GetMetricStatistics MissingParameter Namespace=N MetricName=m Period=60 `+span+`
		GetMetricData InvalidParameterValue MetricDataQueries=[{"Id":"a","MetricStat":{"Metric":{"Namespace":"N","MetricName":"m"},"Period":7,"Stat":"Sum"}}] `+span+`
		GetMetricData ValidationError MetricDataQueries=[{"Id":"a"}] `+span+`
	`)
}
