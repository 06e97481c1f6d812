package lambda_test

import (
	"encoding/base64"
	"encoding/json"
	"strings"
	"testing"

	"berth/internal/api/apitest"
	"berth/internal/model"
	"berth/internal/state"
)

const lambdaTrust = `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Service":"lambda.amazonaws.com"},"Action":"sts:AssumeRole"}]}`

// functions are functions as they may stand: at work, being made, being
// updated, throttled, and with a policy that is as long as may be.
func functions() (all []model.Function) {
	for name, change := range map[string]func(*model.Function){
		"f":        func(*model.Function) {},
		"new":      func(fn *model.Function) { fn.State = "Pending" },
		"changing": func(fn *model.Function) { fn.UpdateStatus = "InProgress" },
		"idle":     func(fn *model.Function) { fn.Concurrency = new(int64) },
		"broken":   func(*model.Function) {},
		"full":     func(fn *model.Function) { fn.Policy = fullPolicy() },
	} {
		fn := model.Function{
			Name: name, ARN: "arn:aws:lambda:us-east-1:123456789012:function:" + name, State: "Active", UpdateStatus: "Successful",
			RevisionID: "now", Runtime: "python3.13", Handler: "index.handler",
		}
		change(&fn)
		all = append(all, fn)
	}
	return all
}

func fullPolicy() string {
	text, _ := json.Marshal(map[string]any{"Version": "2012-10-17", "Id": "default", "Statement": []any{
		map[string]any{"Sid": strings.Repeat("x", 20400)},
	}})
	return string(text)
}

func TestErrorsAreAsListed(t *testing.T) {
	w := apitest.NewWorld(t)
	w.Must("iam", "CreateRole", apitest.In{"RoleName": "r", "AssumeRolePolicyDocument": lambdaTrust})
	if err := w.Fail(t.Context(), "function", "broken"); err != nil {
		t.Fatal(err)
	}
	apitest.Put(w, state.Functions, functions()...) // no controller looks at them until the world settles
	w.Must("lambda", "AddPermission", apitest.In{
		"FunctionName": "f", "StatementId": "s", "Action": "lambda:InvokeFunction", "Principal": "123456789012",
	})
	zip := base64.StdEncoding.EncodeToString(pack(t, "x = 1"))
	large := base64.StdEncoding.EncodeToString([]byte(strings.Repeat(" ", 6<<20+1)))
	apitest.Errors(t, w, "lambda", strings.NewReplacer(
		"NEW", `FunctionName=g Role=arn:aws:iam::123456789012:role/r Handler=index.handler Code={"ZipFile":"`+zip+`"}`,
		"PACKAGE", "ZipFile="+zip, "LARGE", large, "MANY", apitest.TagMap(51),
		"ALLOW", "StatementId=s Action=lambda:InvokeFunction Principal=",
	).Replace(`
		CreateFunction ResourceConflictException FunctionName=f Runtime=python3.13 NEW FunctionName=f
		CreateFunction InvalidParameterValueException NEW
		CreateFunction InvalidParameterValueException NEW Runtime=python3.13 Role=arn:aws:iam::123456789012:role/lost
		CreateFunction InvalidParameterValueException NEW Runtime=python3.13 Code={"ZipFile":""}
		CreateFunction InvalidParameterValueException NEW Runtime=python3.13 Code={"ZipFile":"AAAA"}
		CreateFunction InvalidParameterValueException NEW Runtime=python3.13 Environment={"Variables":{"AWS_REGION":"x"}}
		CreateFunction ValidationException NEW Runtime=python3.13 FunctionName=a/b
		CreateFunction NotImplemented NEW Runtime=java21
		CreateFunction NotImplemented NEW Runtime=python3.13 PackageType=Image
		UpdateFunctionCode ResourceNotFoundException FunctionName=lost PACKAGE
		UpdateFunctionCode ResourceConflictException FunctionName=new PACKAGE
		UpdateFunctionCode ResourceConflictException FunctionName=changing PACKAGE
		UpdateFunctionCode PreconditionFailedException FunctionName=f PACKAGE RevisionId=then
		UpdateFunctionCode InvalidParameterValueException FunctionName=f
		UpdateFunctionCode InvalidParameterValueException FunctionName=f ZipFile=AAAA DryRun=true
		UpdateFunctionCode NotImplemented FunctionName=f PACKAGE Architectures=["arm64"]
		UpdateFunctionConfiguration ResourceNotFoundException FunctionName=lost
		UpdateFunctionConfiguration ResourceConflictException FunctionName=changing
		UpdateFunctionConfiguration PreconditionFailedException FunctionName=f RevisionId=then
		UpdateFunctionConfiguration InvalidParameterValueException FunctionName=f Role=arn:aws:iam::123456789012:role/lost
		UpdateFunctionConfiguration NotImplemented FunctionName=f TracingConfig={"Mode":"Active"}
		DeleteFunction ResourceNotFoundException FunctionName=lost
		DeleteFunction ResourceNotFoundException FunctionName=f Qualifier=7
		DeleteFunction InvalidParameterValueException FunctionName=f Qualifier=$LATEST
		GetFunction ResourceNotFoundException FunctionName=lost
		GetFunction ResourceNotFoundException FunctionName=arn:aws:lambda:eu-west-1:123456789012:function:f
		GetFunctionConfiguration ResourceNotFoundException FunctionName=f Qualifier=7
		ListFunctions InvalidParameterValueException Marker=made-up
		ListVersionsByFunction ResourceNotFoundException FunctionName=lost
		ListVersionsByFunction InvalidParameterValueException FunctionName=f Marker=made-up
		ListAliases ResourceNotFoundException FunctionName=lost
		ListAliases InvalidParameterValueException FunctionName=f Marker=made-up
		GetFunctionCodeSigningConfig ResourceNotFoundException FunctionName=lost
		GetFunctionRecursionConfig ResourceNotFoundException FunctionName=lost
		GetRuntimeManagementConfig ResourceNotFoundException FunctionName=lost
		PutFunctionConcurrency ResourceNotFoundException FunctionName=lost ReservedConcurrentExecutions=1
		PutFunctionConcurrency InvalidParameterValueException FunctionName=f ReservedConcurrentExecutions=901
		DeleteFunctionConcurrency ResourceNotFoundException FunctionName=lost
		GetFunctionConcurrency ResourceNotFoundException FunctionName=lost
		ListTags ResourceNotFoundException Resource=arn:aws:lambda:us-east-1:123456789012:function:lost
		TagResource InvalidParameterValueException Resource=arn:aws:lambda:us-east-1:123456789012:function:f Tags=MANY
		TagResource ResourceNotFoundException Resource=arn:aws:lambda:us-east-1:123456789012:function:lost Tags={"a":"b"}
		UntagResource ResourceNotFoundException Resource=arn:aws:lambda:us-east-1:123456789012:function:lost TagKeys=["a"]
		Invoke ResourceNotFoundException FunctionName=f Qualifier=7
		Invoke ResourceConflictException FunctionName=new
		Invoke InvalidRequestContentException FunctionName=f Payload=ew==
		Invoke InvalidRequestContentException FunctionName=f ClientContext=ew==
		Invoke RequestTooLargeException FunctionName=f Payload=LARGE
		Invoke TooManyRequestsException FunctionName=idle
		Invoke ServiceException FunctionName=broken
		AddPermission ResourceNotFoundException FunctionName=lost ALLOWevents.amazonaws.com
		AddPermission ResourceConflictException FunctionName=f ALLOWevents.amazonaws.com
		AddPermission PreconditionFailedException FunctionName=f ALLOWevents.amazonaws.com RevisionId=then
		AddPermission InvalidParameterValueException FunctionName=f ALLOWnobody
		AddPermission PolicyLengthExceededException FunctionName=full ALLOWevents.amazonaws.com
		RemovePermission ResourceNotFoundException FunctionName=f StatementId=lost
		RemovePermission PreconditionFailedException FunctionName=f StatementId=s RevisionId=then
		GetPolicy ResourceNotFoundException FunctionName=idle
	`))
}
