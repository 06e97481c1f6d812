package stack_test

import (
	"context"

	"berth/internal/fault"
	"berth/internal/ident"
	"berth/internal/wire"
	aasshape "berth/internal/wire/shape/autoscaling"
	cwshape "berth/internal/wire/shape/cloudwatch"
	ecrshape "berth/internal/wire/shape/ecr"
	lambdashape "berth/internal/wire/shape/lambda"
	logsshape "berth/internal/wire/shape/logs"
)

// Toys answer the few operations that stacks need of services whose rooms
// would bring hands along.

func toys(h *house) map[string]room {
	return map[string]room{
		"lambda":                  {lambdashape.Meta, &toyLambda{h: h, m: map[string]*lambdashape.CreateFunctionInput{}}},
		"logs":                    {logsshape.Meta, &toyLogs{m: map[string]map[string]string{}}},
		"application-autoscaling": {aasshape.Meta, &toyScaling{}},
		"ecr":                     {ecrshape.Meta, &toyECR{m: map[string][]ecrshape.Tag{}}},
		"monitoring":              {cwshape.Meta, &toyAlarms{m: map[string]bool{}}},
	}
}

type toyLambda struct {
	lambdashape.Unimplemented
	h *house
	m map[string]*lambdashape.CreateFunctionInput
}

func missing(code, what string) error { return fault.New(fault.NotFound, code, "%s not found", what) }

func (l *toyLambda) CreateFunction(_ context.Context, in *lambdashape.CreateFunctionInput) (*lambdashape.CreateFunctionOutput, error) {
	name := *in.FunctionName
	if l.m[name] != nil {
		return nil, fault.New(fault.Conflict, "ResourceConflictException", "Function already exist: %s", name)
	}
	l.m[name] = in
	return &lambdashape.CreateFunctionOutput{FunctionName: in.FunctionName, FunctionArn: wire.Ptr(place.ARN("lambda", "function:"+name))}, nil
}

func (l *toyLambda) GetFunction(_ context.Context, in *lambdashape.GetFunctionInput) (*lambdashape.GetFunctionOutput, error) {
	f := l.m[*in.FunctionName]
	if f == nil {
		return nil, missing("ResourceNotFoundException", *in.FunctionName)
	}
	c := &lambdashape.FunctionConfiguration{FunctionName: in.FunctionName, FunctionArn: wire.Ptr(place.ARN("lambda", "function:"+*in.FunctionName))}
	return &lambdashape.GetFunctionOutput{Configuration: c, Tags: f.Tags}, nil
}

func (l *toyLambda) GetFunctionConfiguration(_ context.Context, in *lambdashape.GetFunctionConfigurationInput) (*lambdashape.GetFunctionConfigurationOutput, error) {
	if l.m[*in.FunctionName] == nil {
		return nil, missing("ResourceNotFoundException", *in.FunctionName)
	}
	return &lambdashape.GetFunctionConfigurationOutput{State: wire.Ptr("Active"), LastUpdateStatus: wire.Ptr("Successful")}, nil
}

func (l *toyLambda) UpdateFunctionConfiguration(_ context.Context, in *lambdashape.UpdateFunctionConfigurationInput) (*lambdashape.UpdateFunctionConfigurationOutput, error) {
	f := l.m[*in.FunctionName]
	if f == nil {
		return nil, missing("ResourceNotFoundException", *in.FunctionName)
	}
	f.Timeout, f.Environment = in.Timeout, in.Environment
	return &lambdashape.UpdateFunctionConfigurationOutput{}, nil
}

func (l *toyLambda) UpdateFunctionCode(_ context.Context, in *lambdashape.UpdateFunctionCodeInput) (*lambdashape.UpdateFunctionCodeOutput, error) {
	f := l.m[*in.FunctionName]
	if f == nil {
		return nil, missing("ResourceNotFoundException", *in.FunctionName)
	}
	f.Code.ZipFile = in.ZipFile
	return &lambdashape.UpdateFunctionCodeOutput{}, nil
}

func (l *toyLambda) DeleteFunction(_ context.Context, in *lambdashape.DeleteFunctionInput) (*lambdashape.DeleteFunctionOutput, error) {
	if l.m[*in.FunctionName] == nil {
		return nil, missing("ResourceNotFoundException", *in.FunctionName)
	}
	delete(l.m, *in.FunctionName)
	return &lambdashape.DeleteFunctionOutput{}, nil
}

func (l *toyLambda) TagResource(context.Context, *lambdashape.TagResourceInput) (*lambdashape.TagResourceOutput, error) {
	return &lambdashape.TagResourceOutput{}, nil
}

type toyLogs struct {
	logsshape.Unimplemented
	m map[string]map[string]string
}

func (l *toyLogs) CreateLogGroup(_ context.Context, in *logsshape.CreateLogGroupInput) (*logsshape.CreateLogGroupOutput, error) {
	if l.m[*in.LogGroupName] != nil {
		return nil, fault.New(fault.Conflict, "ResourceAlreadyExistsException", "The specified log group already exists")
	}
	l.m[*in.LogGroupName] = in.Tags
	return &logsshape.CreateLogGroupOutput{}, nil
}

func (l *toyLogs) PutRetentionPolicy(_ context.Context, in *logsshape.PutRetentionPolicyInput) (*logsshape.PutRetentionPolicyOutput, error) {
	if l.m[*in.LogGroupName] == nil {
		return nil, missing("ResourceNotFoundException", *in.LogGroupName)
	}
	return &logsshape.PutRetentionPolicyOutput{}, nil
}

func (l *toyLogs) DeleteRetentionPolicy(context.Context, *logsshape.DeleteRetentionPolicyInput) (*logsshape.DeleteRetentionPolicyOutput, error) {
	return &logsshape.DeleteRetentionPolicyOutput{}, nil
}

func (l *toyLogs) ListTagsForResource(_ context.Context, in *logsshape.ListTagsForResourceInput) (*logsshape.ListTagsForResourceOutput, error) {
	a, _ := ident.ParseARN(*in.ResourceArn)
	tags := l.m[a.Resource[len("log-group:"):]]
	if tags == nil {
		return nil, missing("ResourceNotFoundException", *in.ResourceArn)
	}
	return &logsshape.ListTagsForResourceOutput{Tags: tags}, nil
}

func (l *toyLogs) TagResource(context.Context, *logsshape.TagResourceInput) (*logsshape.TagResourceOutput, error) {
	return &logsshape.TagResourceOutput{}, nil
}

func (l *toyLogs) UntagResource(context.Context, *logsshape.UntagResourceInput) (*logsshape.UntagResourceOutput, error) {
	return &logsshape.UntagResourceOutput{}, nil
}

func (l *toyLogs) DeleteLogGroup(_ context.Context, in *logsshape.DeleteLogGroupInput) (*logsshape.DeleteLogGroupOutput, error) {
	if l.m[*in.LogGroupName] == nil {
		return nil, missing("ResourceNotFoundException", *in.LogGroupName)
	}
	delete(l.m, *in.LogGroupName)
	return &logsshape.DeleteLogGroupOutput{}, nil
}

type toyScaling struct{ aasshape.Unimplemented }

func (*toyScaling) RegisterScalableTarget(context.Context, *aasshape.RegisterScalableTargetInput) (*aasshape.RegisterScalableTargetOutput, error) {
	return &aasshape.RegisterScalableTargetOutput{}, nil
}

func (*toyScaling) DeregisterScalableTarget(context.Context, *aasshape.DeregisterScalableTargetInput) (*aasshape.DeregisterScalableTargetOutput, error) {
	return &aasshape.DeregisterScalableTargetOutput{}, nil
}

func (*toyScaling) PutScalingPolicy(_ context.Context, in *aasshape.PutScalingPolicyInput) (*aasshape.PutScalingPolicyOutput, error) {
	return &aasshape.PutScalingPolicyOutput{PolicyARN: wire.Ptr(place.ARN("autoscaling", "scalingPolicy:1:resource/ecs/"+*in.ResourceId+":policyName/"+*in.PolicyName))}, nil
}

func (*toyScaling) DeleteScalingPolicy(context.Context, *aasshape.DeleteScalingPolicyInput) (*aasshape.DeleteScalingPolicyOutput, error) {
	return &aasshape.DeleteScalingPolicyOutput{}, nil
}

type toyECR struct {
	ecrshape.Unimplemented
	m map[string][]ecrshape.Tag
}

func (e *toyECR) CreateRepository(_ context.Context, in *ecrshape.CreateRepositoryInput) (*ecrshape.CreateRepositoryOutput, error) {
	e.m[*in.RepositoryName] = in.Tags
	return &ecrshape.CreateRepositoryOutput{Repository: &ecrshape.Repository{RepositoryName: in.RepositoryName, RepositoryArn: in.RepositoryName, RepositoryUri: in.RepositoryName}}, nil
}

func (e *toyECR) DeleteRepository(context.Context, *ecrshape.DeleteRepositoryInput) (*ecrshape.DeleteRepositoryOutput, error) {
	return &ecrshape.DeleteRepositoryOutput{}, nil
}

type toyAlarms struct {
	cwshape.Unimplemented
	m map[string]bool
}

func (c *toyAlarms) PutMetricAlarm(_ context.Context, in *cwshape.PutMetricAlarmInput) (*cwshape.PutMetricAlarmOutput, error) {
	c.m[*in.AlarmName] = true
	return &cwshape.PutMetricAlarmOutput{}, nil
}

func (c *toyAlarms) DeleteAlarms(_ context.Context, in *cwshape.DeleteAlarmsInput) (*cwshape.DeleteAlarmsOutput, error) {
	for _, n := range in.AlarmNames {
		delete(c.m, n)
	}
	return &cwshape.DeleteAlarmsOutput{}, nil
}
