package stack

import (
	"context"
	"strings"

	"berth/internal/fault"
)

// Log groups, image repositories, alarms, and handles.

func otherKinds() map[string]kind {
	return map[string]kind{
		"AWS::Logs::LogGroup":                      {name: "LogGroupName", create: createLogs, update: updateLogs, remove: remover(logs, "DeleteLogGroup", "logGroupName"), find: findLogs},
		"AWS::ECR::Repository":                     {name: "RepositoryName", create: createRepository, update: updateRepository, remove: removeRepository, find: findRepository},
		"AWS::CloudWatch::Alarm":                   {name: "AlarmName", create: putAlarm, update: updateAlarm, remove: removeAlarm},
		"AWS::CloudFormation::WaitConditionHandle": {create: createHandle, update: nothing, remove: removeHandle},
	}
}

func createLogs(ctx context.Context, a *act) error {
	err := a.once(ctx, findLogs, func() error {
		name := a.physical("LogGroupName", 512)
		in := map[string]any{"logGroupName": name, "logGroupClass": a.props["LogGroupClass"], "tags": tagMap(a.tags)}
		if err := a.do(ctx, logs, "CreateLogGroup", in); err != nil {
			return err
		}
		a.logGroup(name)
		return nil
	})
	if err != nil {
		return err
	}
	return retention(ctx, a)
}

func (a *act) logGroup(name string) {
	a.made(name, map[string]any{"Arn": a.Place.ARN("logs", "log-group:"+name+":*")})
}

func findLogs(ctx context.Context, a *act) (bool, error) {
	name := a.physical("LogGroupName", 512)
	out, err := a.call(ctx, logs, "ListTagsForResource", map[string]any{"resourceArn": a.Place.ARN("logs", "log-group:"+name)})
	if absent(err) {
		return false, nil
	}
	if err != nil || !a.mine(out["tags"]) {
		return false, err
	}
	a.logGroup(name)
	return true, nil
}

func retention(ctx context.Context, a *act) error {
	if !a.changed("RetentionInDays") {
		return nil
	}
	if v, ok := a.props["RetentionInDays"]; ok {
		return a.do(ctx, logs, "PutRetentionPolicy", map[string]any{"logGroupName": a.id(), "retentionInDays": v})
	}
	return a.do(ctx, logs, "DeleteRetentionPolicy", map[string]any{"logGroupName": a.id()})
}

func updateLogs(ctx context.Context, a *act) error {
	if a.changed("LogGroupClass") {
		return fault.New(fault.Invalid, "InvalidRequest", "The class of log group %s cannot be changed", a.id())
	}
	if err := retention(ctx, a); err != nil {
		return err
	}
	arn := a.Place.ARN("logs", "log-group:"+a.id())
	if gone := a.dropped(); len(gone) > 0 {
		if err := a.do(ctx, logs, "UntagResource", map[string]any{"resourceArn": arn, "tagKeys": gone}); err != nil {
			return err
		}
	}
	if sameTags(a.rec.Tags, a.tags) {
		return nil
	}
	return a.do(ctx, logs, "TagResource", map[string]any{"resourceArn": arn, "tags": tagMap(a.tags)})
}

// repository is the name; ECR wants small letters.
func repository(a *act) string {
	if s := a.str("RepositoryName"); s != "" {
		return s
	}
	return strings.ToLower(a.physical("RepositoryName", 256))
}

func createRepository(ctx context.Context, a *act) error {
	err := a.once(ctx, findRepository, func() error {
		in := map[string]any{"repositoryName": repository(a), "tags": pairs(a.tags), "imageTagMutability": a.props["ImageTagMutability"]}
		if scan, ok := a.props["ImageScanningConfiguration"]; ok {
			in["imageScanningConfiguration"] = scanning(scan)
		}
		out, err := a.call(ctx, ecr, "CreateRepository", in)
		if err != nil {
			return err
		}
		a.repository(out["repository"])
		return nil
	})
	if err != nil {
		return err
	}
	return repositoryPolicies(ctx, a)
}

func scanning(v any) map[string]any {
	return map[string]any{"scanOnPush": dig(v, "ScanOnPush")}
}

func (a *act) repository(r any) {
	a.made(digs(r, "repositoryName"), map[string]any{"Arn": digs(r, "repositoryArn"), "RepositoryUri": digs(r, "repositoryUri")})
}

func findRepository(ctx context.Context, a *act) (bool, error) {
	out, err := a.call(ctx, ecr, "DescribeRepositories", map[string]any{"repositoryNames": []any{repository(a)}})
	if absent(err) {
		return false, nil
	}
	r := dig(out, "repositories", 0)
	if err != nil || r == nil {
		return false, err
	}
	tags, err := a.call(ctx, ecr, "ListTagsForResource", map[string]any{"resourceArn": digs(r, "repositoryArn")})
	if err != nil || !a.mine(tags["tags"]) {
		return false, err
	}
	a.repository(r)
	return true, nil
}

func repositoryPolicies(ctx context.Context, a *act) error {
	if a.changed("RepositoryPolicyText") {
		in, op := map[string]any{"repositoryName": a.id()}, "DeleteRepositoryPolicy"
		if v := document(a.props["RepositoryPolicyText"]); v != nil {
			in["policyText"], op = v, "SetRepositoryPolicy"
		}
		return a.do(ctx, ecr, op, in)
	}
	return nil
}

func updateRepository(ctx context.Context, a *act) error {
	if a.changed("ImageTagMutability") {
		v := a.props["ImageTagMutability"]
		if v == nil {
			v = "MUTABLE"
		}
		if err := a.do(ctx, ecr, "PutImageTagMutability", map[string]any{"repositoryName": a.id(), "imageTagMutability": v}); err != nil {
			return err
		}
	}
	if a.changed("ImageScanningConfiguration") {
		in := map[string]any{"repositoryName": a.id(), "imageScanningConfiguration": map[string]any{"scanOnPush": false}}
		if v, ok := a.props["ImageScanningConfiguration"]; ok {
			in["imageScanningConfiguration"] = scanning(v)
		}
		if err := a.do(ctx, ecr, "PutImageScanningConfiguration", in); err != nil {
			return err
		}
	}
	if err := repositoryPolicies(ctx, a); err != nil {
		return err
	}
	arn := a.rec.Attributes["Arn"]
	if gone := a.dropped(); len(gone) > 0 {
		if err := a.do(ctx, ecr, "UntagResource", map[string]any{"resourceArn": arn, "tagKeys": gone}); err != nil {
			return err
		}
	}
	if sameTags(a.rec.Tags, a.tags) {
		return nil
	}
	return a.do(ctx, ecr, "TagResource", map[string]any{"resourceArn": arn, "tags": pairs(a.tags)})
}

func removeRepository(ctx context.Context, a *act) (bool, error) {
	force, _ := a.props["EmptyOnDelete"].(bool)
	err := a.do(ctx, ecr, "DeleteRepository", map[string]any{"repositoryName": a.id(), "force": force})
	return err == nil, err
}

var alarmMembers = []string{
	"ActionsEnabled", "AlarmActions", "AlarmDescription", "ComparisonOperator", "DatapointsToAlarm", "Dimensions", "EvaluationPeriods",
	"ExtendedStatistic", "InsufficientDataActions", "MetricName", "Namespace", "OKActions", "Period", "Statistic", "Threshold", "TreatMissingData", "Unit",
}

func putAlarm(ctx context.Context, a *act) error {
	in := pick(a.props, alarmMembers...)
	name := a.physical("AlarmName", 255)
	in["AlarmName"], in["Tags"] = name, pairs(a.tags)
	if err := a.do(ctx, alarms, "PutMetricAlarm", in); err != nil {
		return err
	}
	a.made(name, map[string]any{"Arn": a.Place.ARN("cloudwatch", "alarm:"+name)})
	return nil
}

func updateAlarm(ctx context.Context, a *act) error {
	if a.changed(alarmMembers...) {
		in := pick(a.props, alarmMembers...)
		in["AlarmName"] = a.id()
		if err := a.do(ctx, alarms, "PutMetricAlarm", in); err != nil {
			return err
		}
	}
	arn := a.rec.Attributes["Arn"]
	if gone := a.dropped(); len(gone) > 0 {
		if err := a.do(ctx, alarms, "UntagResource", map[string]any{"ResourceARN": arn, "TagKeys": gone}); err != nil {
			return err
		}
	}
	if sameTags(a.rec.Tags, a.tags) {
		return nil
	}
	return a.do(ctx, alarms, "TagResource", map[string]any{"ResourceARN": arn, "Tags": pairs(a.tags)})
}

func removeAlarm(ctx context.Context, a *act) (bool, error) {
	err := a.do(ctx, alarms, "DeleteAlarms", map[string]any{"AlarmNames": []any{a.id()}})
	return err == nil, err
}

// createHandle only makes the handle's name: templates use one as a resource
// that does nothing. Signals to it are not built, nor is the wait condition
// that would listen.
func createHandle(_ context.Context, a *act) error {
	a.made("https://cloudformation-waitcondition-"+a.Place.Region+".s3.amazonaws.com/"+a.stack.Name+"/"+a.rec.LogicalID+"/"+a.rec.Token, nil)
	a.rec.Attributes["Id"] = a.id()
	return nil
}

func removeHandle(context.Context, *act) (bool, error) { return true, nil }
