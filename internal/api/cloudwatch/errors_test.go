package cloudwatch_test

import (
	"strings"
	"testing"

	"berth/internal/api/apitest"
	"berth/internal/fault"
)

// What AWS knows as a statistic is built or refused as not built; what it does
// not know is refused in its words, wherever a statistic may be named.
func TestStatisticsAreAWSs(t *testing.T) {
	w := apitest.NewWorld(t)
	calls := map[string]func(string) (apitest.In, string, string){
		"PutMetricAlarm": func(s string) (apitest.In, string, string) {
			return apitest.In{
				"AlarmName": "a", "Namespace": "N", "MetricName": "m", "ExtendedStatistic": s, "Period": 60, "EvaluationPeriods": 1, "Threshold": 1,
				"ComparisonOperator": "GreaterThanThreshold",
			}, "InvalidParameterValue", "The value " + s + " for parameter ExtendedStatistic is not supported."
		},
		"GetMetricStatistics": func(s string) (apitest.In, string, string) {
			return apitest.In{
				"Namespace": "N", "MetricName": "m", "Period": 60, "StartTime": 1767220000, "EndTime": 1767225600,
				"ExtendedStatistics": []any{"p50", s},
			}, "InvalidParameterValue", "The value " + s + " for parameter ExtendedStatistics.member.2 is not supported."
		},
		"GetMetricData": func(s string) (apitest.In, string, string) {
			q := func(s string) map[string]any {
				return map[string]any{"Id": "a", "MetricStat": map[string]any{
					"Metric": map[string]any{"Namespace": "N", "MetricName": "m"}, "Period": 60, "Stat": s,
				}}
			}
			return apitest.In{"StartTime": 1767220000, "EndTime": 1767225600, "MetricDataQueries": []any{q("Sum"), q(s)}}, "ValidationError",
				"The value for parameter MetricDataQueries.member.2.MetricStat.Stat is not a valid statistic."
		},
	}
	for want, names := range map[string]string{
		"built":   "p0 p0.0 p50 p99.9 p99.9999999999 p100 p100.0",
		"refused": "tm90 tc10.5 ts99 wm98 IQM TM(2%:98%) TM(150:1000) TC(:0.5) TS(80%:) WM(10%:90%) PR(:300) PR(100:2000) PR(-1:)",
		"unknown": "p p101 p100.1 p-1 p+5 p1e1 pInf pNaN p0x1 p1. p.5 P50 p1.12345678901 50 tm101 tm xx90 TM90 IQM1 TM() TM(:) TM(%:5%) " +
			"TM(2%:98) TM(2%:101%) PR(1%:2%) PR(a:b) PR(1:2 Sum(1:2)",
	} {
		for _, s := range strings.Fields(names) {
			for operation, call := range calls {
				in, code, text := call(s)
				_, err := w.Invoke(t.Context(), "monitoring", operation, in)
				is := "built"
				switch {
				case fault.CodeOf(err) == "NotImplemented":
					is = "refused"
				case fault.CodeOf(err) == code && fault.MessageOf(err) == text:
					is = "unknown"
				}
				if is != want || is == "built" && err != nil {
					t.Errorf("%s of %s is %s, %v", operation, s, is, err)
				}
			}
		}
	}
}

func TestErrorsAreAsListed(t *testing.T) {
	w := apitest.NewWorld(t)
	const lost = "arn:aws:cloudwatch:us-east-1:123456789012:alarm:lost"
	const alarm = "AlarmName=a EvaluationPeriods=1 ComparisonOperator=GreaterThanThreshold "
	const span = "StartTime=1767220000 EndTime=1767225600 "
	apitest.Errors(t, w, "monitoring", `
		PutMetricAlarm ValidationError `+alarm+`Namespace=N MetricName=m
		PutMetricAlarm NotImplemented `+alarm+`Metrics=[{"Id":"m"}]
		PutMetricAlarm InvalidParameterValue `+alarm+`Namespace=N MetricName=m Period=60 Threshold=1 ExtendedStatistic=p101
		GetMetricStatistics NotImplemented Namespace=N MetricName=m Period=60 ExtendedStatistics=["tm90"] `+span+`
		GetMetricData NotImplemented MetricDataQueries=[{"Id":"a","MetricStat":{"Metric":{"Namespace":"N","MetricName":"m"},"Period":60,"Stat":"IQM"}}] `+span+`
		DescribeAlarms InvalidNextToken NextToken=made-up
		DescribeAlarms InvalidParameterCombination AlarmNames=["a"] AlarmNamePrefix=a
		DeleteAlarms ResourceNotFound AlarmNames=["lost"]
		SetAlarmState ResourceNotFound AlarmName=lost StateValue=OK StateReason=x
		SetAlarmState InvalidFormat AlarmName=lost StateValue=OK StateReason=x StateReasonData=x
		DescribeAlarmHistory InvalidNextToken NextToken=made-up
		TagResource ResourceNotFoundException Tags=[{"Key":"a","Value":"b"}] ResourceARN=`+lost+`
		PutMetricAlarm - `+alarm+`Namespace=N MetricName=m Period=60 Threshold=1 Statistic=Sum
		TagResource InvalidParameterValue Tags=`+apitest.Tags(51, "Key", "Value")+` ResourceARN=arn:aws:cloudwatch:us-east-1:123456789012:alarm:a
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
