package stack

import (
	"archive/zip"
	"bytes"
	"context"
	"strings"
	"time"

	"berth/internal/fault"
)

// Lambda functions and their permissions.

func functionKinds() map[string]kind {
	return map[string]kind{
		"AWS::Lambda::Function": {
			name: "FunctionName", create: createFunction, update: updateFunction, settle: settleFunction,
			remove: remover(lambda, "DeleteFunction", "FunctionName"), find: findFunction,
		},
		"AWS::Lambda::Permission": {create: addPermission, update: nothing, remove: removePermission},
	}
}

var functionMembers = []string{
	"Description", "Environment", "EphemeralStorage", "Handler", "LoggingConfig", "MemorySize", "Role", "Runtime", "Timeout", "VpcConfig",
}

// code is the Code member: a ZipFile property is source text, which
// CloudFormation packs as index.py or index.js.
func code(a *act) (map[string]any, error) {
	src, ok := dig(a.props, "Code", "ZipFile").(string)
	if !ok {
		in, _ := a.props["Code"].(map[string]any)
		return pick(in, "S3Bucket", "S3Key", "S3ObjectVersion"), nil
	}
	name := "index.py"
	switch runtime := a.str("Runtime"); {
	case strings.HasPrefix(runtime, "nodejs"):
		name = "index.js"
	case !strings.HasPrefix(runtime, "python"):
		return nil, fault.New(fault.Invalid, "InvalidParameterValueException", "ZipFile can only be used when Runtime is set to either of nodejs or python, not %s", runtime)
	}
	var b bytes.Buffer
	z := zip.NewWriter(&b)
	h := &zip.FileHeader{Name: name, Method: zip.Deflate, Modified: time.Unix(315532800, 0).UTC()}
	h.SetMode(0o644)
	w, err := z.CreateHeader(h)
	if err != nil {
		return nil, err
	}
	if _, err := w.Write([]byte(src)); err != nil {
		return nil, err
	}
	if err := z.Close(); err != nil {
		return nil, err
	}
	return map[string]any{"ZipFile": b.Bytes()}, nil
}

func createFunction(ctx context.Context, a *act) error {
	err := a.once(ctx, findFunction, func() error {
		c, err := code(a)
		if err != nil {
			return err
		}
		in := pick(a.props, append(functionMembers, "Architectures", "PackageType")...)
		in["FunctionName"], in["Code"], in["Tags"] = a.physical("FunctionName", 64), c, tagMap(a.tags)
		out, err := a.call(ctx, lambda, "CreateFunction", in)
		if err != nil {
			return err
		}
		a.made(digs(out, "FunctionName"), map[string]any{"Arn": digs(out, "FunctionArn")})
		return nil
	})
	if err != nil {
		return err
	}
	return reserve(ctx, a)
}

func findFunction(ctx context.Context, a *act) (bool, error) {
	out, err := a.call(ctx, lambda, "GetFunction", map[string]any{"FunctionName": a.physical("FunctionName", 64)})
	if absent(err) {
		return false, nil
	}
	if err != nil || !a.mine(out["Tags"]) {
		return false, err
	}
	a.made(digs(out, "Configuration", "FunctionName"), map[string]any{"Arn": digs(out, "Configuration", "FunctionArn")})
	return true, nil
}

// reserve sets or lifts the reserved concurrency.
func reserve(ctx context.Context, a *act) error {
	if !a.changed("ReservedConcurrentExecutions") {
		return nil
	}
	if v, ok := a.props["ReservedConcurrentExecutions"]; ok {
		return a.do(ctx, lambda, "PutFunctionConcurrency", map[string]any{"FunctionName": a.id(), "ReservedConcurrentExecutions": v})
	}
	return a.do(ctx, lambda, "DeleteFunctionConcurrency", map[string]any{"FunctionName": a.id()})
}

func settleFunction(ctx context.Context, a *act) (bool, error) {
	out, err := a.call(ctx, lambda, "GetFunctionConfiguration", map[string]any{"FunctionName": a.id()})
	if err != nil {
		return false, err
	}
	switch {
	case digs(out, "State") == "Failed":
		return false, notStabilized("Function %s failed: %s", a.id(), digs(out, "StateReason"))
	case digs(out, "LastUpdateStatus") == "Failed":
		return false, notStabilized("Function %s failed to update: %s", a.id(), digs(out, "LastUpdateStatusReason"))
	}
	state, update := digs(out, "State"), digs(out, "LastUpdateStatus")
	return (state == "Active" || state == "Inactive") && (update == "" || update == "Successful"), nil
}

// updateFunction changes code, then settings: Lambda refuses the second while
// the first is in progress, so it remembers how far it got.
func updateFunction(ctx context.Context, a *act) error {
	if a.changed("Code", "Architectures", "Runtime") && a.rec.Memo[memoStep] == "" {
		c, err := code(a)
		if err != nil {
			return err
		}
		c["FunctionName"] = a.id()
		if v, ok := a.props["Architectures"]; ok {
			c["Architectures"] = v
		}
		if err := a.do(ctx, lambda, "UpdateFunctionCode", c); err != nil {
			return err
		}
		a.remember(memoStep, "code")
	}
	if a.changed(functionMembers...) {
		in := pick(a.props, functionMembers...)
		in["FunctionName"] = a.id()
		for name, usual := range map[string]any{"Description": "", "Environment": map[string]any{"Variables": map[string]any{}}, "MemorySize": int64(128), "Timeout": int64(3)} {
			if _, ok := in[name]; !ok {
				in[name] = usual
			}
		}
		if err := a.do(ctx, lambda, "UpdateFunctionConfiguration", in); err != nil {
			return err
		}
	}
	if err := reserve(ctx, a); err != nil {
		return err
	}
	return retagFunction(ctx, a)
}

func retagFunction(ctx context.Context, a *act) error {
	arn := a.rec.Attributes["Arn"]
	if gone := a.dropped(); len(gone) > 0 {
		if err := a.do(ctx, lambda, "UntagResource", map[string]any{"Resource": arn, "TagKeys": gone}); err != nil {
			return err
		}
	}
	if sameTags(a.rec.Tags, a.tags) {
		return nil
	}
	return a.do(ctx, lambda, "TagResource", map[string]any{"Resource": arn, "Tags": tagMap(a.tags)})
}

func addPermission(ctx context.Context, a *act) error {
	id := generated(a.stack.Name, a.rec.LogicalID, a.rec.Memo[memoSuffix], 100)
	in := pick(a.props, "Action", "FunctionName", "Principal", "SourceAccount", "SourceArn")
	in["StatementId"] = id
	if err := a.do(ctx, lambda, "AddPermission", in); err != nil && (!a.again || !exists(err)) {
		return err
	}
	a.made(id, map[string]any{"Id": id})
	return nil
}

func removePermission(ctx context.Context, a *act) (bool, error) {
	err := a.do(ctx, lambda, "RemovePermission", map[string]any{"FunctionName": a.props["FunctionName"], "StatementId": a.id()})
	return err == nil, err
}
