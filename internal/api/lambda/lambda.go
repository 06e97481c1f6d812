// Package lambda is the API of AWS Lambda: it defaults and validates as AWS
// does, keeps functions as records and their code as files, and hands calls
// to package function.
//
// It owns functions; controllers/lambda makes them Active. Invoke is, by its
// nature, a call that waits; no other operation does. Container images,
// versions, aliases, layers, event sources, VPC attachment and code in S3 are
// refused by name. Safe for concurrent use.
package lambda

import (
	"context"
	_ "embed"
	"fmt"
	"slices"
	"strings"

	"berth/internal/clock"
	"berth/internal/control"
	"berth/internal/fault"
	"berth/internal/function"
	"berth/internal/ident"
	"berth/internal/model"
	"berth/internal/state"
	"berth/internal/store"
	"berth/internal/wire"
	shape "berth/internal/wire/shape/lambda"
)

// Fields says which request members are built.
//
//go:embed fields.txt
var Fields string

// Resources says which resources a call is about.
//
//go:embed resources.txt
var Resources string

const (
	writer = "api/lambda"
	latest = "$LATEST"
	// service is the principal that a function's role must trust.
	service = "lambda.amazonaws.com"
)

// States of a function and of its last update.
const (
	pending    = "Pending"
	active     = "Active"
	inProgress = "InProgress"
	successful = "Successful"
)

// Deps are what the API needs.
type Deps struct {
	DB        *state.DB
	Clock     clock.Clock
	IDs       *ident.Source
	Place     ident.Place
	Access    control.Access
	Functions function.Driver
	Events    *function.Queue
	Code      *function.Store
	// Architecture is EC2's name for what functions run on (x86_64, arm64).
	Architecture string
	// CodeURL is where a package can be fetched (CodeHandler serves it); nil
	// leaves Code.Location out of GetFunction.
	CodeURL func(digest string) string
}

// API answers the operations.
type API struct {
	shape.Unimplemented
	Deps
}

var _ shape.Operations = (*API)(nil)

// New makes the API.
func New(d Deps) *API {
	if d.Architecture == "" {
		d.Architecture = "x86_64"
	}
	return &API{Deps: d}
}

func (a *API) arn(name string) string { return a.Place.ARN("lambda", "function:"+name) }

func (a *API) update(ctx context.Context, fn func(*store.Tx) error) error {
	return a.DB.Update(ctx, writer, fn)
}

func invalid(format string, args ...any) error {
	return fault.New(fault.Invalid, "InvalidParameterValueException", format, args...)
}

func conflict(format string, args ...any) error {
	return fault.New(fault.Conflict, "ResourceConflictException", format, args...)
}

func unbuilt(what string) error {
	return fault.New(
		fault.NotImplemented, "NotImplemented", "%s is not implemented by Berth; docs/COMPATIBILITY.md lists what is built.", what,
	)
}

// name reads a name, a partial ARN or an ARN, with or without a qualifier.
func (a *API) name(s string, qualifier *string) (name, qual string, err error) {
	parts := strings.Split(s, ":")
	switch {
	case len(parts) >= 7 && parts[0] == "arn" && parts[2] == "lambda" && parts[5] == "function":
		if parts[3] != a.Place.Region || parts[4] != a.Place.Account {
			return "", "", a.absent(s)
		}
		parts = parts[6:]
	case len(parts) >= 3 && parts[1] == "function":
		parts = parts[2:]
	}
	if len(parts) > 2 || parts[0] == "" || strings.ContainsAny(parts[0], "/ ") || len(parts[0]) > 64 {
		return "", "", fault.New(
			fault.Invalid, "ValidationException",
			"1 validation error detected: Value '%s' at 'functionName' failed to satisfy constraint: Member must satisfy regular expression "+
				"pattern: (arn:(aws[a-zA-Z-]*)?:lambda:)?([a-z]{2}((-gov)|(-iso([a-z]?)))?-[a-z]+-\\d{1}:)?(\\d{12}:)?(function:)?([a-zA-Z0-9-_]+)(:(\\$LATEST|[a-zA-Z0-9-_]+))?",
			s,
		)
	}
	qual = wire.Val(qualifier)
	if len(parts) == 2 {
		qual = parts[1]
	}
	return parts[0], qual, nil
}

func (a *API) absent(arn string) error {
	return fault.New(fault.NotFound, "ResourceNotFoundException", "Function not found: %s", arn)
}

// find looks a function up. Only $LATEST exists.
func (a *API) find(r store.Reader, nameOrARN, qualifier *string) (model.Function, error) {
	name, qual, err := a.name(wire.Val(nameOrARN), qualifier)
	if err != nil {
		return model.Function{}, err
	}
	fn, ok := state.Functions.Get(r, name)
	if !ok || qual != "" && qual != latest {
		arn := a.arn(name)
		if qual != "" {
			arn += ":" + qual
		}
		return fn, a.absent(arn)
	}
	return fn, nil
}

// edit changes a function and gives it a new revision.
func (a *API) edit(ctx context.Context, nameOrARN, revision *string, f func(*model.Function) error) (model.Function, error) {
	next, now := a.IDs.UUID(), a.Clock.Now()
	var out model.Function
	err := a.update(ctx, func(tx *store.Tx) error {
		fn, err := a.find(tx, nameOrARN, nil)
		if err != nil {
			return err
		}
		if r := wire.Val(revision); r != "" && r != fn.RevisionID {
			return fault.New(
				fault.Conflict, "PreconditionFailedException",
				"The RevisionId provided does not match the latest RevisionId. Call the GetFunction/GetAlias API to retrieve the latest Revision Id",
			)
		}
		err = state.Functions.Edit(tx, fn.Name, func(fn *model.Function) error {
			fn.RevisionID, fn.ModifiedAt = next, now
			return f(fn)
		})
		out, _ = state.Functions.Get(tx, fn.Name)
		return err
	})
	return out, err
}

// settled refuses a change while another is under way.
func settled(fn *model.Function) error {
	if fn.State == pending {
		return conflict("The operation cannot be performed at this time. The function is currently in the following state: Pending")
	}
	if fn.UpdateStatus == inProgress {
		return conflict("The operation cannot be performed at this time. An update is in progress for resource: %s", fn.ARN)
	}
	return nil
}

// role checks that Lambda may take the role, and that the caller may give it.
func (a *API) role(ctx context.Context, roleARN, function string) error {
	view := a.DB.View()
	if _, err := a.Access.Assume(view, control.Assumption{Service: service, Role: roleARN, Session: "lambda", For: function}); err != nil {
		return invalid("The role defined for the function cannot be assumed by Lambda.")
	}
	who := wire.CallFrom(ctx).Principal
	if who.ARN == "" || who.Root {
		return nil
	}
	return a.Access.Allow(view, who, "iam:PassRole", roleARN, map[string]string{"iam:PassedToService": service})
}

func (a *API) config(fn model.Function) *shape.FunctionConfiguration {
	c := &shape.FunctionConfiguration{
		FunctionName: wire.Ptr(fn.Name), FunctionArn: wire.Ptr(fn.ARN), Runtime: wire.Ptr(fn.Runtime), Role: wire.Ptr(fn.RoleARN),
		Handler: wire.Ptr(fn.Handler), CodeSize: wire.Ptr(fn.CodeSize), Description: wire.Ptr(fn.Description), Timeout: wire.Ptr(fn.Timeout),
		MemorySize: wire.Ptr(fn.MemorySize), LastModified: wire.Ptr(fn.ModifiedAt.UTC().Format("2006-01-02T15:04:05.000-0700")),
		CodeSha256: wire.Ptr(fn.CodeSHA256), Version: wire.Ptr(latest), RevisionId: wire.Ptr(fn.RevisionID), State: wire.Ptr(string(fn.State)),
		LastUpdateStatus: wire.Ptr(string(fn.UpdateStatus)), PackageType: wire.Ptr("Zip"), Architectures: []string{fn.Architecture},
		EphemeralStorage: &shape.EphemeralStorage{Size: wire.Ptr(fn.EphemeralMB)},
		TracingConfig:    &shape.TracingConfigResponse{Mode: wire.Ptr("PassThrough")},
		SnapStart:        &shape.SnapStartResponse{ApplyOn: wire.Ptr("None"), OptimizationStatus: wire.Ptr("Off")},
		LoggingConfig:    &shape.LoggingConfig{LogFormat: wire.Ptr("Text"), LogGroup: wire.Ptr(function.LogGroup(fn))},
	}
	if fn.StateReason != "" {
		c.StateReason, c.StateReasonCode = wire.Ptr(fn.StateReason), wire.Ptr(fn.StateCode)
	}
	if len(fn.Environment) > 0 {
		c.Environment = &shape.EnvironmentResponse{Variables: fn.Environment}
	}
	return c
}

// reserved environment variables cannot be set (docs/facts/deployments.md D129).
var reserved = strings.Fields(`_HANDLER _X_AMZN_TRACE_ID AWS_DEFAULT_REGION AWS_REGION AWS_EXECUTION_ENV AWS_LAMBDA_FUNCTION_NAME
	AWS_LAMBDA_FUNCTION_MEMORY_SIZE AWS_LAMBDA_FUNCTION_VERSION AWS_LAMBDA_INITIALIZATION_TYPE AWS_LAMBDA_LOG_GROUP_NAME
	AWS_LAMBDA_LOG_STREAM_NAME AWS_ACCESS_KEY AWS_ACCESS_KEY_ID AWS_SECRET_ACCESS_KEY AWS_SESSION_TOKEN AWS_LAMBDA_RUNTIME_API
	LAMBDA_TASK_ROOT LAMBDA_RUNTIME_DIR`)

const maxEnvironment = 4096

func environment(e *shape.Environment) (map[string]string, error) {
	if e == nil {
		return nil, nil
	}
	var bad []string
	size := 0
	for k, v := range e.Variables {
		size += len(k) + len(v)
		if slices.Contains(reserved, k) {
			bad = append(bad, k)
		}
	}
	if len(bad) > 0 {
		slices.Sort(bad)
		return nil, invalid(
			"Lambda was unable to configure your environment variables because the environment variables you have provided contains reserved "+
				"keys that are currently not supported for modification. Reserved keys used in this request: %s",
			strings.Join(bad, ", "),
		)
	}
	if size > maxEnvironment {
		return nil, invalid(
			"Lambda was unable to configure your environment variables because the environment variables you have provided exceeded the 4KB limit.",
		)
	}
	return e.Variables, nil
}

// settings are the members that creation and update share.
type settings struct {
	runtime, handler *string
	logging          *shape.LoggingConfig
	tracing          *shape.TracingConfig
	architectures    []string
	storage          *shape.EphemeralStorage
}

// apply validates and sets them.
func (a *API) apply(fn *model.Function, s settings) error {
	if s.runtime != nil {
		if !function.Supported(*s.runtime) {
			return unbuilt("Runtime " + *s.runtime)
		}
		fn.Runtime = *s.runtime
	}
	if s.handler != nil {
		fn.Handler = *s.handler
	}
	if s.storage != nil {
		fn.EphemeralMB = wire.Or(s.storage.Size, 512)
	}
	if s.tracing != nil && wire.Or(s.tracing.Mode, "PassThrough") != "PassThrough" {
		return unbuilt("TracingConfig.Mode " + *s.tracing.Mode)
	}
	if l := s.logging; l != nil {
		if wire.Or(l.LogFormat, "Text") != "Text" {
			return unbuilt("LoggingConfig.LogFormat " + *l.LogFormat)
		}
		fn.LogGroup = wire.Or(l.LogGroup, "/aws/lambda/"+fn.Name)
	}
	for _, arch := range s.architectures {
		if arch != a.Architecture {
			return unbuilt(fmt.Sprintf("Architecture %s on a host of %s", arch, a.Architecture))
		}
	}
	return nil
}

// Finders find what resources.txt names.
func (a *API) Finders() map[string]func(...string) string {
	return map[string]func(...string) string{"function": func(v ...string) string {
		name, _, err := a.name(v[0], nil)
		if err != nil {
			return ""
		}
		return a.arn(name)
	}}
}
