package logs_test

import (
	"testing"

	"berth/internal/api/apitest"
)

func TestErrorsAreAsListed(t *testing.T) {
	w := apitest.NewWorld(t)
	w.Must("logs", "CreateLogGroup", apitest.In{"logGroupName": "g"})
	w.Must("logs", "CreateLogStream", apitest.In{"logGroupName": "g", "logStreamName": "s"})
	const lost = "arn:aws:logs:us-east-1:123456789012:log-group:lost"
	fifty := apitest.TagMap(50) // as many as a call may have; the group has one more
	apitest.Errors(t, w, "logs", `
		CreateLogGroup ResourceAlreadyExistsException logGroupName=g
		CreateLogGroup InvalidParameterException logGroupName=a*b
		DeleteLogGroup ResourceNotFoundException logGroupName=lost
		PutRetentionPolicy ResourceNotFoundException logGroupName=lost retentionInDays=7
		PutRetentionPolicy InvalidParameterException logGroupName=g retentionInDays=8
		DeleteRetentionPolicy ResourceNotFoundException logGroupName=lost
		DescribeLogGroups InvalidParameterException logGroupNamePrefix=a logGroupNamePattern=b
		ListLogGroups InvalidParameterException nextToken=made-up
		TagLogGroup ResourceNotFoundException logGroupName=lost tags={"a":"b"}
		TagLogGroup - logGroupName=g tags={"own":"x"}
		TagLogGroup InvalidParameterException logGroupName=g tags=`+fifty+`
		UntagLogGroup ResourceNotFoundException logGroupName=lost tags=["a"]
		ListTagsLogGroup ResourceNotFoundException logGroupName=lost
		TagResource ResourceNotFoundException tags={"a":"b"} resourceArn=`+lost+`
		TagResource TooManyTagsException tags=`+fifty+` resourceArn=arn:aws:logs:us-east-1:123456789012:log-group:g
		UntagResource ResourceNotFoundException tagKeys=["a"] resourceArn=`+lost+`
		ListTagsForResource ResourceNotFoundException resourceArn=`+lost+`
		DescribeSubscriptionFilters ResourceNotFoundException logGroupName=lost
		GetDataProtectionPolicy ResourceNotFoundException logGroupIdentifier=lost
		CreateLogStream ResourceNotFoundException logGroupName=lost logStreamName=s
		CreateLogStream ResourceAlreadyExistsException logGroupName=g logStreamName=s
		CreateLogStream InvalidParameterException logGroupName=g logStreamName=a*b
		DeleteLogStream ResourceNotFoundException logGroupName=g logStreamName=lost
		DescribeLogStreams ResourceNotFoundException logGroupName=lost
		DescribeLogStreams InvalidParameterException logGroupName=g orderBy=LastEventTime logStreamNamePrefix=a
		PutLogEvents ResourceNotFoundException logGroupName=g logStreamName=lost logEvents=[{"timestamp":1767225600000,"message":"x"}]
		PutLogEvents InvalidParameterException logGroupName=g logStreamName=s logEvents=[]
		GetLogEvents ResourceNotFoundException logGroupName=g logStreamName=lost
		GetLogEvents InvalidParameterException logGroupName=g logStreamName=s nextToken=made-up
		FilterLogEvents ResourceNotFoundException logGroupName=lost
		FilterLogEvents InvalidParameterException logGroupName=g nextToken=made-up
	`)
}
