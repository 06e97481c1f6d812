package template_test

import (
	"fmt"
	"strings"
	"testing"

	"berth/internal/lang/template"
)

// Everything that a template needs and Berth lacks is in one answer, before
// and after its parameters are known.
func TestAllThatIsNotBuiltIsInOneAnswer(t *testing.T) {
	t.Parallel()
	const head = "Template format error: the template needs what is not built in Berth:\n"
	for _, c := range []struct{ name, body, want string }{
		{"all kinds", `
Transform: [AWS::Serverless-2016-10-31, MyMacro]
Globals: {Function: {Timeout: 3}}
Parameters:
  Ami: {Type: 'AWS::SSM::Parameter::Name', Default: /aws/x}
Resources:
  Queue: {Type: AWS::SQS::Queue}
  Dead: {Type: AWS::SQS::Queue}
  Function: {Type: AWS::Serverless::Function}
  Logs: {Type: AWS::Logs::LogGroup, UpdatePolicy: {UseOnlineResharding: true}, Properties: {KmsKeyId: !Ref Ami}}
  Other: {Type: AWS::Logs::LogGroup, Properties: {LogGroupName: '{{resolve:ssm-secure:/a:1}}'}}
`, head + `- the transform AWS::Serverless-2016-10-31
- the transform MyMacro
- the resource type AWS::SQS::Queue (Queue, Dead)
- the resource type AWS::Serverless::Function (Function)
- the attribute UpdatePolicy of AWS::Logs::LogGroup (Logs)
- the property KmsKeyId of AWS::Logs::LogGroup (Logs)
- the dynamic reference {{resolve:ssm-secure:/a:1}} (Other)`},
		{"what a transform may make is not looked for", `
Transform: AWS::Serverless-2016-10-31
Resources:
  Function: {Type: AWS::Serverless::Function}
  Logs: {Type: AWS::Logs::LogGroup, Properties: {LogGroupName: !Ref FunctionRole}}
`, head + "- the transform AWS::Serverless-2016-10-31"},
		{"what does not exist comes first", `
Resources:
  Typo: {Type: AWS::SQS::Quue}
  Function: {Type: AWS::Serverless::Function}
  Queue: {Type: AWS::SQS::Queue}
`, "Template format error: Unrecognized resource types: [AWS::SQS::Quue, AWS::Serverless::Function]\n" +
			"The template also needs what is not built in Berth:\n- the resource type AWS::SQS::Queue (Queue)"},
		{"below a list", `
Resources:
  Task:
    Type: AWS::ECS::TaskDefinition
    Properties: {Volumes: [{Name: a}, {Name: b, EFSVolumeConfiguration: {FilesystemId: fs-1}}]}
`, head + "- the property Volumes.EFSVolumeConfiguration of AWS::ECS::TaskDefinition (Task)"},
		{"by the condition that holds", `
Parameters: {Alert: {Type: String, Default: 'yes'}}
Conditions: {Alerts: !Equals [!Ref Alert, 'yes']}
Resources:
  Topic: {Type: AWS::SNS::Topic, Condition: Alerts}
  Logs: {Type: AWS::Logs::LogGroup, Properties: {KmsKeyId: !If [Alerts, key, !Ref 'AWS::NoValue']}}
`, head + "- the resource type AWS::SNS::Topic (Topic)\n- the property KmsKeyId of AWS::Logs::LogGroup (Logs)"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			tpl, err := template.Parse(c.body)
			if err == nil {
				err = tpl.Built()
			}
			if err == nil {
				_, err = bind(c.body, nil)
			}
			if err == nil || err.Error() != c.want {
				t.Errorf("got\n%v\nwant\n%s", err, c.want)
			}
		})
	}
}

// What hangs on a condition that does not hold is not needed.
func TestWhatIsNotNeededNeedNotBeBuilt(t *testing.T) {
	t.Parallel()
	if _, err := bind(`
Parameters: {Alert: {Type: String, Default: 'no'}}
Conditions: {Alerts: !Equals [!Ref Alert, 'yes']}
Resources:
  Topic: {Type: AWS::SNS::Topic, Condition: Alerts, UpdatePolicy: {AutoScalingReplacingUpdate: {WillReplace: true}}}
  Logs:
    Type: AWS::Logs::LogGroup
    Properties: {KmsKeyId: !If [Alerts, !Ref Topic, !Ref 'AWS::NoValue'], RetentionInDays: 7}
  Meta: {Type: AWS::CDK::Metadata, Properties: {Analytics: 'v2:deflate64:x'}}
Outputs:
  Topic: {Condition: Alerts, Value: !GetAtt Topic.TopicName}
`, nil); err != nil {
		t.Error(err)
	}
}

// An answer is bounded, however much is lacking.
func TestALongAnswerIsCut(t *testing.T) {
	t.Parallel()
	var b strings.Builder
	b.WriteString("Resources:\n")
	for i := range 60 {
		fmt.Fprintf(&b, "  R%d: {Type: AWS::Logs::LogGroup, Properties: {LogGroupName: '{{resolve:ssm-secure:/a:%d}}'}}\n", i, i)
	}
	tpl, err := template.Parse(b.String())
	if err != nil {
		t.Fatal(err)
	}
	if text := fmt.Sprint(tpl.Built()); strings.Count(text, "\n") != 51 || !strings.HasSuffix(text, "\n- and 10 more") {
		t.Errorf("%s", text)
	}
}
