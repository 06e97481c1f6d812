package apitest_test

import (
	"fmt"
	"strings"
	"testing"

	"berth/internal/api/apitest"
	"berth/internal/ident"
	"berth/internal/model"
	"berth/internal/state"
)

// TestWhatCallsAreAbout asks as a role that may do nothing: the refusal names
// the action and the resource that IAM was asked about.
func TestWhatCallsAreAbout(t *testing.T) {
	t.Parallel()
	w := apitest.NewWorld(t)
	const here = ":us-east-1:123456789012:"
	const iam = "arn:aws:iam::123456789012:"
	apitest.Put(w, state.Roles, model.Role{Name: "nobody", ARN: iam + "role/nobody", Trust: "{}"}, model.Role{
		Name: "deep", ARN: iam + "role/a/b/deep", Path: "/a/b/", Trust: "{}",
	})
	apitest.Put(w, state.InstanceProfiles, model.InstanceProfile{Name: "deep", ARN: iam + "instance-profile/a/deep", Path: "/a/"})
	apitest.Put(w, state.Users, model.User{Name: "deep", ARN: iam + "user/a/deep", Path: "/a/"})
	apitest.Put(w, state.Stacks, model.Stack{ID: "arn:aws:cloudformation" + here + "stack/s/1", Name: "s", Status: "CREATE_COMPLETE"})
	apitest.Put(w, state.TaskDefinitions, model.TaskDefinition{
		ARN: "arn:aws:ecs" + here + "task-definition/f:7", Family: "f", Revision: 7, Status: "ACTIVE",
	})
	apitest.Put(w, state.ScalableTargets, model.ScalableTarget{
		ARN: "arn:target", Namespace: "ecs", ResourceID: "service/c/s", Dimension: "ecs:service:DesiredCount",
	})
	nobody := ident.AsRole(iam+"role/nobody", "session")

	for _, tt := range []struct {
		service, operation string
		ask                in
		about              string
	}{
		{"ecs", "ListClusters", nil, "*"},
		{"ecs", "DeleteCluster", in{"cluster": "c"}, "arn:aws:ecs" + here + "cluster/c"},
		{"ecs", "DeleteCluster", in{"cluster": "arn:aws:ecs:eu-west-1:1:cluster/c"}, "arn:aws:ecs" + here + "cluster/c"},
		{"ecs", "DescribeClusters", in{"clusters": []any{"b", "a"}}, "arn:aws:ecs" + here + "cluster/a"},
		{"ecs", "DescribeClusters", nil, "*"},
		{"ecs", "UpdateService", in{"service": "s"}, "arn:aws:ecs" + here + "service/default/s"},
		{"ecs", "UpdateService", in{"cluster": "c", "service": "s"}, "arn:aws:ecs" + here + "service/c/s"},
		{"ecs", "UpdateService", in{"service": "arn:aws:ecs" + here + "service/c/s"}, "arn:aws:ecs" + here + "service/c/s"},
		{"ecs", "StopTask", in{"cluster": "arn:aws:ecs" + here + "cluster/c", "task": "1"}, "arn:aws:ecs" + here + "task/c/1"},
		{"ecs", "RunTask", in{"taskDefinition": "f"}, "arn:aws:ecs" + here + "task-definition/f:7"},
		{"ecs", "RunTask", in{"taskDefinition": "g:1"}, "arn:aws:ecs" + here + "task-definition/g:1"},
		{"ecs", "RegisterTaskDefinition", in{"family": "f", "containerDefinitions": []any{}}, "arn:aws:ecs" + here + "task-definition/f:*"},
		{"ecs", "ListTasks", in{"cluster": "c"}, "*"},
		{"ecs", "RegisterContainerInstance", in{"cluster": "c"}, "arn:aws:ecs" + here + "cluster/c"},
		{"ecs", "SubmitTaskStateChange", in{"cluster": "arn:aws:ecs" + here + "cluster/c"}, "arn:aws:ecs" + here + "cluster/c"},
		{"ecs", "DiscoverPollEndpoint", nil, "*"},
		{"ec2", "DeleteVpc", in{"VpcId": "vpc-1"}, "arn:aws:ec2" + here + "vpc/vpc-1"},
		{"ec2", "DescribeVpcs", in{"VpcIds": []any{"vpc-1"}}, "*"},
		{"ec2", "AttachInternetGateway", in{"VpcId": "vpc-1", "InternetGatewayId": "igw-1"}, "arn:aws:ec2" + here + "internet-gateway/igw-1"},
		{"ec2", "TerminateInstances", in{"InstanceIds": []any{"i-2", "i-1"}}, "arn:aws:ec2" + here + "instance/i-1"},
		{"elasticloadbalancing", "DeleteRule", in{"RuleArn": "arn:rule"}, "arn:rule"},
		{"elasticloadbalancing", "DescribeLoadBalancers", nil, "*"},
		{
			"elasticloadbalancing", "SetRulePriorities",
			in{"RulePriorities": []any{in{"RuleArn": "arn:r2", "Priority": 1}, in{"RuleArn": "arn:r1", "Priority": 2}}}, "arn:r1",
		},
		{"iam", "GetRole", in{"RoleName": "deep"}, iam + "role/a/b/deep"},
		{"iam", "GetRole", in{"RoleName": "lost"}, iam + "role/lost"},
		{"iam", "CreateRole", in{"RoleName": "new", "Path": "/x/", "AssumeRolePolicyDocument": "{}"}, iam + "role/x/new"},
		{"iam", "AddRoleToInstanceProfile", in{"InstanceProfileName": "deep", "RoleName": "lost"}, iam + "instance-profile/a/deep"},
		{"iam", "DeleteUser", in{"UserName": "deep"}, iam + "user/a/deep"},
		{"iam", "CreateUser", in{"UserName": "new", "Path": "/x/"}, iam + "user/x/new"},
		{"iam", "CreateAccessKey", in{"UserName": "lost"}, iam + "user/lost"},
		{"iam", "AddUserToGroup", in{"UserName": "deep", "GroupName": "g"}, iam + "group/g"},
		{"iam", "CreatePolicy", in{"PolicyName": "p", "PolicyDocument": "{}"}, iam + "policy/p"},
		{"iam", "DeletePolicy", in{"PolicyArn": iam + "policy/x/p"}, iam + "policy/x/p"},
		{"sts", "AssumeRole", in{"RoleArn": iam + "role/a/b/deep", "RoleSessionName": "me"}, ""},
		{"cloudformation", "DeleteStack", in{"StackName": "s"}, "arn:aws:cloudformation" + here + "stack/s/1"},
		{
			"cloudformation", "DeleteStack", in{"StackName": "arn:aws:cloudformation" + here + "stack/s/0"},
			"arn:aws:cloudformation" + here + "stack/s/0",
		},
		{"cloudformation", "CreateStack", in{"StackName": "new", "TemplateBody": "{}"}, "arn:aws:cloudformation" + here + "stack/new/*"},
		{"cloudformation", "DescribeStacks", nil, "*"},
		{"monitoring", "DeleteAlarms", in{"AlarmNames": []any{"b", "a"}}, "arn:aws:cloudwatch" + here + "alarm:a"},
		{"monitoring", "ListMetrics", nil, "*"},
		{
			"application-autoscaling", "PutScalingPolicy",
			in{"PolicyName": "p", "ServiceNamespace": "ecs", "ResourceId": "service/c/s", "ScalableDimension": "ecs:service:DesiredCount"},
			"arn:target",
		},
		{
			"application-autoscaling", "PutScalingPolicy",
			in{"PolicyName": "p", "ServiceNamespace": "ecs", "ResourceId": "service/c/t", "ScalableDimension": "ecs:service:DesiredCount"}, "*",
		},
		{"ecr", "PutImage", in{"repositoryName": "a/b", "imageManifest": "{}"}, "arn:aws:ecr" + here + "repository/a/b"},
		{"ecr", "GetAuthorizationToken", nil, "*"},
		{"lambda", "Invoke", in{"FunctionName": "f"}, "arn:aws:lambda" + here + "function:f"},
		{"lambda", "Invoke", in{"FunctionName": "arn:aws:lambda" + here + "function:f:$LATEST"}, "arn:aws:lambda" + here + "function:f"},
		{"lambda", "ListFunctions", nil, "*"},
		{"logs", "CreateLogGroup", in{"logGroupName": "/g"}, "arn:aws:logs" + here + "log-group:/g:*"},
		{
			"logs", "PutLogEvents", in{"logGroupName": "/g", "logStreamName": "s", "logEvents": []any{in{"timestamp": 1, "message": "x"}}},
			"arn:aws:logs" + here + "log-group:/g:log-stream:s",
		},
		{
			"logs", "GetLogEvents", in{"logGroupIdentifier": "arn:aws:logs" + here + "log-group:/g", "logStreamName": "s"},
			"arn:aws:logs" + here + "log-group:/g:*",
		},
		{"logs", "DescribeLogGroups", nil, "*"},
	} {
		_, err := w.InvokeAs(t.Context(), nobody, tt.service, tt.operation, tt.ask)
		if tt.about == "" {
			continue // the role's trust policy decides
		}
		text := fmt.Sprint(err)
		all := tt.about == "*" && !strings.Contains(text, " on resource: ")
		if !strings.Contains(text, ":"+tt.operation) || !all && !strings.Contains(text, " on resource: "+tt.about+" because") {
			t.Errorf("%s %s %v: %v, want %s", tt.service, tt.operation, tt.ask, err, tt.about)
		}
	}
}
