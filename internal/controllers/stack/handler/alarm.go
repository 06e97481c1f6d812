package handler

// Alarms.

func alarmTypes() map[string]*Type {
	put := Call{
		Operation: "PutMetricAlarm", With: Args{"AlarmName": self},
		Members: names("ActionsEnabled AlarmActions AlarmDescription ComparisonOperator DatapointsToAlarm Dimensions EvaluationPeriods " +
			"ExtendedStatistic InsufficientDataActions MetricName Namespace OKActions Period Statistic Threshold TreatMissingData Unit"),
	}
	return map[string]*Type{
		"AWS::CloudWatch::Alarm": {
			Service: metrics, Name: Name{Property: "AlarmName", Limit: 255}, Make: put, ID: named, Changes: []Change{{Call: put}},
			Attributes: map[string]Value{"Arn": arn("cloudwatch", "alarm:", "")},
			Remove:     Call{Operation: "DeleteAlarms", With: Args{"AlarmNames": listOf(self)}},
			Tags: Tagging{
				Member: "Tags", Form: pairs, Add: "TagResource", Remove: "UntagResource", Of: Args{"ResourceARN": attribute("Arn")}, Keys: "TagKeys",
			},
		},
	}
}
