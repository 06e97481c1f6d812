//go:build root

package e2e_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// A custom resource in each language, by the module that comes with inline code;
// the one of Python says how the function is called, too.
const customResources = `
Parameters: {Release: {Type: String, Default: v1}}
Resources:
  Role:
    Type: AWS::IAM::Role
    Properties:
      AssumeRolePolicyDocument:
        Version: '2012-10-17'
        Statement: [{Effect: Allow, Principal: {Service: lambda.amazonaws.com}, Action: 'sts:AssumeRole'}]
      ManagedPolicyArns: ['arn:aws:iam::aws:policy/service-role/AWSLambdaBasicExecutionRole']
  PythonFunction:
    Type: AWS::Lambda::Function
    Properties:
      FunctionName: python
      Runtime: python3.13
      Handler: index.handler
      Role: !GetAtt Role.Arn
      Timeout: 30
      Code:
        ZipFile: |
          import cfnresponse
          def handler(event, context):
              name = event["ResourceProperties"]["Release"]
              if name == "bad":
                  cfnresponse.send(event, context, cfnresponse.FAILED, {}, event["PhysicalResourceId"], reason="it is bad")
              else:
                  cfnresponse.send(event, context, cfnresponse.SUCCESS, {"Said": event["RequestType"] + " " + name}, "python")
  NodeFunction:
    Type: AWS::Lambda::Function
    Properties:
      FunctionName: node
      Runtime: nodejs22.x
      Handler: index.handler
      Role: !GetAtt Role.Arn
      Timeout: 30
      Code:
        ZipFile: |
          const response = require('cfn-response');
          exports.handler = function(event, context) {
            response.send(event, context, response.SUCCESS, { Said: event.RequestType }, event.ResourceProperties.Release);
          };
  Python:
    Type: Custom::Python
    Properties: {ServiceToken: !GetAtt PythonFunction.Arn, Release: !Ref Release}
  Node:
    Type: AWS::CloudFormation::CustomResource
    Properties: {ServiceToken: !GetAtt NodeFunction.Arn, Release: !Ref Release}
Outputs:
  Python: {Value: !GetAtt Python.Said}
  Node: {Value: !Sub '${Node} ${Node.Said}'}
`

// TestRootCustomResourcesAnswer has functions in real sandboxes answer at the
// address that they are told, over TLS, without a VPC of the user's.
//
// Proves: D140, D143
func TestRootCustomResourcesAnswer(t *testing.T) {
	h := &hello{berth: start(t)}
	if err := os.MkdirAll(h.data, 0o700); err != nil {
		t.Fatal(err)
	}
	h.serve()
	file := filepath.Join(t.TempDir(), "custom.yaml")
	if err := os.WriteFile(file, []byte(customResources), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, x := range []struct{ release, python, node string }{
		{"v1", "Create v1", "v1 Create"}, {"v2", "Update v2", "v2 Update"},
	} {
		began := time.Now()
		h.run("up", file, "--stack", "custom", "-p", "Release="+x.release)
		t.Logf("%s after %.1f s", x.release, time.Since(began).Seconds())
		if got := h.outputs("custom"); got["Python"] != x.python || got["Node"] != x.node {
			t.Errorf("%s: %v", x.release, got)
		}
	}
	out, err := h.try("up", file, "--stack", "custom", "-p", "Release=bad")
	if err == nil || !strings.Contains(out+err.Error(), "Message returned: it is bad") {
		t.Errorf("%v\n%s", err, out)
	}
	if got := h.outputs("custom"); got["Python"] != "Update v2" {
		t.Errorf("after a failure: %v", got)
	}
	h.run("down", "custom")
	h.finish()
}
