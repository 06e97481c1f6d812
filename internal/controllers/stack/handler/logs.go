package handler

import "berth/internal/fault"

// Log groups and streams.

func logTypes() map[string]*Type {
	style := Style{Lower: true}
	group := Args{"logGroupName": self}
	groupARN := func(s *Step) any { return s.Place.ARN("logs", "log-group:"+self(s).(string)) }
	return map[string]*Type{
		"AWS::Logs::LogGroup": {
			Service: logs, Style: style, Name: Name{Property: "LogGroupName", Limit: 512},
			Make:   Call{Operation: "CreateLogGroup", Members: names("LogGroupClass"), With: Args{"logGroupName": named}},
			ID:     named,
			Lookup: byTags(Call{Operation: "ListTagsForResource", With: Args{"resourceArn": groupARN}, Answer: "tags"}),
			Changes: []Change{{
				Call:    Call{Operation: "PutRetentionPolicy", Members: names("RetentionInDays"), With: group},
				Without: &Call{Operation: "DeleteRetentionPolicy", With: group},
			}},
			Refuse: map[string]func(*Step) error{"LogGroupClass": func(s *Step) error {
				return fault.New(fault.Invalid, "InvalidRequest", "The class of log group %s cannot be changed", s.id())
			}},
			Attributes: map[string]Value{"Arn": arn("logs", "log-group:", ":*")},
			Remove:     Call{Operation: "DeleteLogGroup", With: group},
			Tags: Tagging{
				Member: "tags", Form: tagMap, Add: "TagResource", Remove: "UntagResource", Of: Args{"resourceArn": groupARN}, Keys: "tagKeys",
			},
		},
		"AWS::Logs::LogStream": {
			Service: logs, Style: style, Name: Name{Property: "LogStreamName", Limit: 512}, Exists: accept,
			Make:   Call{Operation: "CreateLogStream", Members: names("LogGroupName"), With: Args{"logStreamName": named}},
			ID:     joined(property("LogGroupName"), named),
			Remove: Call{Operation: "DeleteLogStream", Members: names("LogGroupName"), With: Args{"logStreamName": named}},
		},
	}
}
