package handler

import (
	"archive/zip"
	"bytes"
	"context"
	"embed"
	"fmt"
	"strings"
	"time"

	"berth/internal/fault"
)

// Lambda functions and their permissions.

func functionTypes() map[string]*Type {
	return map[string]*Type{"AWS::Lambda::Function": functionType(), "AWS::Lambda::Permission": permissionType()}
}

func functionType() *Type {
	settings := "Description Environment EphemeralStorage Handler LoggingConfig MemorySize Role Runtime Timeout VpcConfig"
	this := Args{"FunctionName": self}
	return &Type{
		Service: lambda, Name: Name{Property: "FunctionName", Limit: 64}, Lookup: findFunction,
		Convert: map[string]func(*Step, any) (any, error){"Code": code},
		Make: Call{
			Operation: "CreateFunction", Members: names(settings + " Architectures PackageType Code"), With: Args{"FunctionName": named},
		},
		ID: at("FunctionName"),
		Changes: []Change{
			// Lambda refuses a change while an earlier one is in progress.
			{
				Call: Call{
					Operation: "UpdateFunctionCode", Members: names("Code Architectures"), With: this, Busy: names("ResourceConflictException"),
					Prepare: flatCode,
				},
				When: names("Runtime"),
			},
			{
				Call: Call{Operation: "UpdateFunctionConfiguration", Members: names(settings), With: this, Busy: names("ResourceConflictException")},
				Usual: map[string]any{
					"Description": "", "Environment": map[string]any{"Variables": map[string]any{}}, "MemorySize": int64(128), "Timeout": int64(3),
				},
			},
			{
				Call:    Call{Operation: "PutFunctionConcurrency", Members: names("ReservedConcurrentExecutions"), With: this},
				Without: &Call{Operation: "DeleteFunctionConcurrency", With: this},
			},
		},
		Read:       Call{Operation: "GetFunctionConfiguration", With: this},
		Attributes: paths("Arn=FunctionArn"),
		Status: []Status{
			{Path: "State", Ready: names("Active Inactive"), Failed: names("Failed"), Reason: "StateReason", Text: "Function {id} failed: {why}"},
			{
				Path: "LastUpdateStatus", Busy: names("InProgress"), Failed: names("Failed"), Reason: "LastUpdateStatusReason",
				Text: "Function {id} failed to update: {why}",
			},
		},
		Remove: Call{Operation: "DeleteFunction", With: this},
		Tags: Tagging{
			Member: "Tags", Form: tagMap, Add: "TagResource", Remove: "UntagResource", Of: Args{"Resource": attribute("Arn")}, Keys: "TagKeys",
		},
	}
}

// flatCode moves what Code holds up, as UpdateFunctionCode has it.
func flatCode(_ *Step, in map[string]any) error {
	code, _ := in["Code"].(map[string]any)
	delete(in, "Code")
	for k, v := range code {
		in[k] = v
	}
	return nil
}

// code is the Code member: a ZipFile property is source text, which
// CloudFormation packs as index.py or index.js.
func code(s *Step, v any) (any, error) {
	src, ok := dig(v, "ZipFile").(string)
	if !ok {
		out := map[string]any{}
		for _, k := range []string{"S3Bucket", "S3Key", "S3ObjectVersion"} {
			out[k] = dig(v, k)
		}
		return out, nil
	}
	name, module, to := "index.py", "cfnresponse.py", "cfnresponse.py"
	switch runtime := s.text("Runtime"); {
	case strings.HasPrefix(runtime, "nodejs"):
		name, module, to = "index.js", "cfn-response.js", "node_modules/cfn-response/index.js"
	case !strings.HasPrefix(runtime, "python"):
		return nil, fault.New(fault.Invalid, "InvalidParameterValueException",
			"ZipFile can only be used when Runtime is set to either of nodejs or python, not %s", runtime)
	}
	packed := []packedFile{{name, src}}
	if strings.Contains(src, strings.TrimSuffix(strings.TrimSuffix(module, ".py"), ".js")) {
		text, err := modules.ReadFile("inline/" + module)
		if err != nil {
			return nil, fmt.Errorf("read the module %s: %w", module, err)
		}
		packed = append(packed, packedFile{to, string(text)})
	}
	data, err := pack(packed)
	return map[string]any{"ZipFile": data}, err
}

// modules are those that answer a custom resource's request; they come
// with source text that names them, and with no other package (CloudFormation
// user guide, "cfn-response module").
//
//go:embed inline
var modules embed.FS

type packedFile struct{ name, text string }

// pack makes an archive of files, the same for the same texts.
func pack(files []packedFile) ([]byte, error) {
	var b bytes.Buffer
	z := zip.NewWriter(&b)
	for _, f := range files {
		h := &zip.FileHeader{Name: f.name, Method: zip.Deflate, Modified: time.Unix(315532800, 0).UTC()}
		h.SetMode(0o644)
		w, err := z.CreateHeader(h)
		if err != nil {
			return nil, err
		}
		if _, err := w.Write([]byte(f.text)); err != nil {
			return nil, err
		}
	}
	err := z.Close()
	return b.Bytes(), err
}

func findFunction(ctx context.Context, s *Step) (string, any, error) {
	out, err := s.API.Call(ctx, lambda, "GetFunction", map[string]any{"FunctionName": named(s)})
	if err != nil || !s.mine(out["Tags"]) {
		return "", nil, err
	}
	return digText(out, "Configuration.FunctionName"), out["Configuration"], nil
}

func permissionType() *Type {
	return &Type{
		Service: lambda, ID: generatedID(100), Exists: accept, Attributes: map[string]Value{"Id": self},
		Make: Call{
			Operation: "AddPermission", Members: names("Action FunctionName Principal SourceAccount SourceArn"),
			With: Args{"StatementId": generatedID(100)},
		},
		Remove: Call{Operation: "RemovePermission", With: Args{"FunctionName": property("FunctionName"), "StatementId": self}},
	}
}
