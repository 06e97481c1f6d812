package lambda

import (
	"context"
	"slices"
	"strings"

	"berth/internal/fault"
	"berth/internal/function"
	"berth/internal/model"
	"berth/internal/page"
	"berth/internal/state"
	"berth/internal/store"
	"berth/internal/wire"
	shape "berth/internal/wire/shape/lambda"
)

const (
	defaultTimeout = 3
	defaultMemory  = 128
	defaultStorage = 512
)

// CreateFunction keeps a new function; it is Pending until its controller has seen
// it. Errors: ResourceConflictException, InvalidParameterValueException,
// ValidationException, NotImplemented.
func (a *API) CreateFunction(ctx context.Context, in *shape.CreateFunctionInput) (*shape.CreateFunctionOutput, error) {
	name, _, err := a.name(wire.Val(in.FunctionName), nil)
	if err != nil {
		return nil, err
	}
	if wire.Or(in.PackageType, "Zip") != "Zip" {
		return nil, unbuilt("PackageType " + *in.PackageType)
	}
	if in.Runtime == nil || in.Handler == nil {
		return nil, invalid("Handler and Runtime parameters are mandatory for functions created with deployment packages.")
	}
	if in.Code == nil || len(in.Code.ZipFile) == 0 {
		return nil, invalid("Please provide a source for function code.")
	}
	if _, ok := state.Functions.Get(a.DB.View(), name); ok {
		return nil, conflict("Function already exist: %s", name)
	}
	fn := model.Function{
		Name: name, ARN: a.arn(name), RoleARN: wire.Val(in.Role), Description: wire.Val(in.Description),
		Timeout: wire.Or(in.Timeout, defaultTimeout), MemorySize: wire.Or(in.MemorySize, defaultMemory), EphemeralMB: defaultStorage,
		Architecture: a.Architecture, LogGroup: "/aws/lambda/" + name, RevisionID: a.IDs.UUID(), ModifiedAt: a.Clock.Now(),
		State: pending, StateReason: "", UpdateStatus: inProgress,
	}
	if fn.Environment, err = environment(in.Environment); err != nil {
		return nil, err
	}
	if err := a.apply(&fn, settings{
		in.Runtime, in.Handler, in.LoggingConfig, in.TracingConfig, in.Architectures, in.EphemeralStorage,
	}); err != nil {
		return nil, err
	}
	if fn.Tags, err = addTags(nil, in.Tags); err != nil {
		return nil, err
	}
	if err := a.role(ctx, fn.RoleARN, fn.ARN); err != nil {
		return nil, err
	}
	if fn.CodeSHA256, err = a.Code.Put(in.Code.ZipFile); err != nil {
		return nil, err
	}
	fn.CodeSize = int64(len(in.Code.ZipFile))
	err = a.update(ctx, func(tx *store.Tx) error {
		if _, ok := state.Functions.Get(tx, name); ok {
			return conflict("Function already exist: %s", name)
		}
		return state.Functions.Put(tx, fn)
	})
	if err != nil {
		return nil, err
	}
	out := a.config(fn)
	out.StateReason, out.StateReasonCode = wire.Ptr("The function is being created."), wire.Ptr("Creating")
	return out, nil
}

// UpdateFunctionCode replaces the code. Errors: ResourceNotFoundException,
// ResourceConflictException, PreconditionFailedException,
// InvalidParameterValueException, NotImplemented.
func (a *API) UpdateFunctionCode(ctx context.Context, in *shape.UpdateFunctionCodeInput) (*shape.UpdateFunctionCodeOutput, error) {
	fn, err := a.find(a.DB.View(), in.FunctionName, nil)
	if err != nil {
		return nil, err
	}
	if len(in.ZipFile) == 0 {
		return nil, invalid("Please provide a source for function code.")
	}
	if err := a.apply(&fn, settings{architectures: in.Architectures}); err != nil {
		return nil, err
	}
	if wire.Val(in.DryRun) {
		if err := function.Check(in.ZipFile); err != nil {
			return nil, err
		}
		fn.CodeSHA256, fn.CodeSize = function.Digest(in.ZipFile), int64(len(in.ZipFile))
		return a.config(fn), nil
	}
	digest, err := a.Code.Put(in.ZipFile)
	if err != nil {
		return nil, err
	}
	fn, err = a.edit(ctx, in.FunctionName, in.RevisionId, func(fn *model.Function) error {
		if err := settled(fn); err != nil {
			return err
		}
		fn.CodeSHA256, fn.CodeSize, fn.UpdateStatus = digest, int64(len(in.ZipFile)), inProgress
		return nil
	})
	if err != nil {
		return nil, err
	}
	return a.config(fn), nil
}

// UpdateFunctionConfiguration changes what is given. Errors: as
// UpdateFunctionCode.
func (a *API) UpdateFunctionConfiguration(
	ctx context.Context, in *shape.UpdateFunctionConfigurationInput,
) (*shape.UpdateFunctionConfigurationOutput, error) {
	env, err := environment(in.Environment)
	if err != nil {
		return nil, err
	}
	if in.Role != nil {
		fn, err := a.find(a.DB.View(), in.FunctionName, nil)
		if err != nil {
			return nil, err
		}
		if err := a.role(ctx, *in.Role, fn.ARN); err != nil {
			return nil, err
		}
	}
	fn, err := a.edit(ctx, in.FunctionName, in.RevisionId, func(fn *model.Function) error {
		if err := settled(fn); err != nil {
			return err
		}
		if err := a.apply(fn, settings{in.Runtime, in.Handler, in.LoggingConfig, in.TracingConfig, nil, in.EphemeralStorage}); err != nil {
			return err
		}
		fn.RoleARN, fn.Description = wire.Or(in.Role, fn.RoleARN), wire.Or(in.Description, fn.Description)
		fn.Timeout, fn.MemorySize = wire.Or(in.Timeout, fn.Timeout), wire.Or(in.MemorySize, fn.MemorySize)
		if in.Environment != nil {
			fn.Environment = env
		}
		fn.UpdateStatus = inProgress
		return nil
	})
	if err != nil {
		return nil, err
	}
	return a.config(fn), nil
}

// DeleteFunction removes a function. Errors: ResourceNotFoundException,
// InvalidParameterValueException.
func (a *API) DeleteFunction(ctx context.Context, in *shape.DeleteFunctionInput) (*shape.DeleteFunctionOutput, error) {
	err := a.update(ctx, func(tx *store.Tx) error {
		fn, err := a.find(tx, in.FunctionName, in.Qualifier)
		if err != nil {
			return err
		}
		if in.Qualifier != nil {
			return invalid("$LATEST version cannot be deleted without deleting the function.")
		}
		return state.Functions.Delete(tx, fn.Name)
	})
	return &shape.DeleteFunctionOutput{}, err
}

// GetFunction shows a function with where its code is. Errors:
// ResourceNotFoundException.
func (a *API) GetFunction(_ context.Context, in *shape.GetFunctionInput) (*shape.GetFunctionOutput, error) {
	fn, err := a.find(a.DB.View(), in.FunctionName, in.Qualifier)
	if err != nil {
		return nil, err
	}
	out := &shape.GetFunctionOutput{Configuration: a.config(fn), Code: &shape.FunctionCodeLocation{RepositoryType: wire.Ptr("S3")}}
	if a.CodeURL != nil {
		out.Code.Location = wire.Ptr(a.CodeURL(fn.CodeSHA256))
	}
	if len(fn.Tags) > 0 {
		out.Tags = tagMap(fn.Tags)
	}
	if fn.Concurrency != nil {
		out.Concurrency = &shape.Concurrency{ReservedConcurrentExecutions: fn.Concurrency}
	}
	return out, nil
}

// GetFunctionConfiguration shows a function. Errors:
// ResourceNotFoundException.
func (a *API) GetFunctionConfiguration(
	_ context.Context, in *shape.GetFunctionConfigurationInput,
) (*shape.GetFunctionConfigurationOutput, error) {
	fn, err := a.find(a.DB.View(), in.FunctionName, in.Qualifier)
	if err != nil {
		return nil, err
	}
	return a.config(fn), nil
}

// pages are the rules of this service's lists: it gives 50 functions at most,
// whatever is asked.
var pages = page.Rules{Usual: 50, Most: 50, Refuse: func(string) error {
	return fault.New(fault.Invalid, "InvalidParameterValueException", "Invalid Marker.")
}}

// ListFunctions lists functions in the order of their names. Errors:
// InvalidParameterValueException.
func (a *API) ListFunctions(_ context.Context, in *shape.ListFunctionsInput) (*shape.ListFunctionsOutput, error) {
	all := state.Functions.All(a.DB.View())
	slices.SortFunc(all, func(x, y model.Function) int { return strings.Compare(x.Name, y.Name) })
	all, next, err := page.Cut(pages, in, all, func(f model.Function) string { return f.Name })
	if err != nil {
		return nil, err
	}
	out := &shape.ListFunctionsOutput{Functions: []shape.FunctionConfiguration{}, NextMarker: next}
	for _, f := range all {
		out.Functions = append(out.Functions, *a.config(f))
	}
	return out, nil
}

// ListVersionsByFunction shows the one version that there is. Errors:
// ResourceNotFoundException, InvalidParameterValueException.
func (a *API) ListVersionsByFunction(
	_ context.Context, in *shape.ListVersionsByFunctionInput,
) (*shape.ListVersionsByFunctionOutput, error) {
	fn, err := a.find(a.DB.View(), in.FunctionName, nil)
	if err != nil {
		return nil, err
	}
	if _, err := page.After(pages, in); err != nil {
		return nil, err
	}
	c := a.config(fn)
	c.FunctionArn = wire.Ptr(fn.ARN + ":" + latest)
	return &shape.ListVersionsByFunctionOutput{Versions: []shape.FunctionConfiguration{*c}}, nil
}

// ListAliases shows that there are none. Errors: ResourceNotFoundException,
// InvalidParameterValueException.
func (a *API) ListAliases(_ context.Context, in *shape.ListAliasesInput) (*shape.ListAliasesOutput, error) {
	_, err := a.find(a.DB.View(), in.FunctionName, nil)
	if err != nil {
		return nil, err
	}
	_, err = page.After(pages, in)
	return &shape.ListAliasesOutput{Aliases: []shape.AliasConfiguration{}}, err
}

// GetFunctionCodeSigningConfig shows that code is not signed. Errors:
// ResourceNotFoundException.
func (a *API) GetFunctionCodeSigningConfig(
	_ context.Context, in *shape.GetFunctionCodeSigningConfigInput,
) (*shape.GetFunctionCodeSigningConfigOutput, error) {
	fn, err := a.find(a.DB.View(), in.FunctionName, nil)
	return &shape.GetFunctionCodeSigningConfigOutput{FunctionName: wire.Ptr(fn.Name)}, err
}

// GetFunctionRecursionConfig shows Lambda's default. Errors:
// ResourceNotFoundException.
func (a *API) GetFunctionRecursionConfig(
	_ context.Context, in *shape.GetFunctionRecursionConfigInput,
) (*shape.GetFunctionRecursionConfigOutput, error) {
	_, err := a.find(a.DB.View(), in.FunctionName, nil)
	return &shape.GetFunctionRecursionConfigOutput{RecursiveLoop: wire.Ptr("Terminate")}, err
}

// GetRuntimeManagementConfig shows Lambda's default. Errors:
// ResourceNotFoundException.
func (a *API) GetRuntimeManagementConfig(
	_ context.Context, in *shape.GetRuntimeManagementConfigInput,
) (*shape.GetRuntimeManagementConfigOutput, error) {
	fn, err := a.find(a.DB.View(), in.FunctionName, in.Qualifier)
	return &shape.GetRuntimeManagementConfigOutput{UpdateRuntimeOn: wire.Ptr("Auto"), FunctionArn: wire.Ptr(fn.ARN)}, err
}

// The account's limits: those of a new AWS account.
const (
	accountConcurrency = 1000
	leastUnreserved    = 100
)

// GetAccountSettings shows limits and use.
func (a *API) GetAccountSettings(context.Context, *shape.GetAccountSettingsInput) (*shape.GetAccountSettingsOutput, error) {
	all := state.Functions.All(a.DB.View())
	var size int64
	for _, f := range all {
		size += f.CodeSize
	}
	return &shape.GetAccountSettingsOutput{
		AccountLimit: &shape.AccountLimit{
			TotalCodeSize: wire.Ptr(int64(80530636800)), CodeSizeUnzipped: wire.Ptr(int64(262144000)), CodeSizeZipped: wire.Ptr(int64(52428800)),
			ConcurrentExecutions:           wire.Ptr(int64(accountConcurrency)),
			UnreservedConcurrentExecutions: wire.Ptr(accountConcurrency - reservedBy(all, "")),
		},
		AccountUsage: &shape.AccountUsage{TotalCodeSize: wire.Ptr(size), FunctionCount: wire.Ptr(int64(len(all)))},
	}, nil
}

// reservedBy adds up what all functions but one have reserved.
func reservedBy(all []model.Function, but string) int64 {
	var n int64
	for _, f := range all {
		if f.Concurrency != nil && f.Name != but {
			n += *f.Concurrency
		}
	}
	return n
}

// PutFunctionConcurrency reserves concurrency. Errors:
// ResourceNotFoundException, InvalidParameterValueException.
func (a *API) PutFunctionConcurrency(
	ctx context.Context, in *shape.PutFunctionConcurrencyInput,
) (*shape.PutFunctionConcurrencyOutput, error) {
	n := wire.Val(in.ReservedConcurrentExecutions)
	view := a.DB.View()
	fn, err := a.find(view, in.FunctionName, nil)
	if err != nil {
		return nil, err
	}
	if accountConcurrency-reservedBy(state.Functions.All(view), fn.Name)-n < leastUnreserved {
		return nil, invalid(
			"Specified ReservedConcurrentExecutions for function decreases account's UnreservedConcurrentExecution below its minimum value of [%d].",
			leastUnreserved,
		)
	}
	if err := a.setConcurrency(ctx, fn.Name, &n); err != nil {
		return nil, err
	}
	return &shape.PutFunctionConcurrencyOutput{ReservedConcurrentExecutions: &n}, nil
}

// setConcurrency leaves the revision: environments stay warm.
func (a *API) setConcurrency(ctx context.Context, name string, n *int64) error {
	return a.update(ctx, func(tx *store.Tx) error {
		if _, err := a.find(tx, &name, nil); err != nil {
			return err
		}
		return state.Functions.Edit(tx, name, func(fn *model.Function) error {
			fn.Concurrency = n
			return nil
		})
	})
}

// DeleteFunctionConcurrency gives reserved concurrency back. Errors:
// ResourceNotFoundException.
func (a *API) DeleteFunctionConcurrency(
	ctx context.Context, in *shape.DeleteFunctionConcurrencyInput,
) (*shape.DeleteFunctionConcurrencyOutput, error) {
	fn, err := a.find(a.DB.View(), in.FunctionName, nil)
	if err != nil {
		return nil, err
	}
	return &shape.DeleteFunctionConcurrencyOutput{}, a.setConcurrency(ctx, fn.Name, nil)
}

// GetFunctionConcurrency shows reserved concurrency. Errors:
// ResourceNotFoundException.
func (a *API) GetFunctionConcurrency(
	_ context.Context, in *shape.GetFunctionConcurrencyInput,
) (*shape.GetFunctionConcurrencyOutput, error) {
	fn, err := a.find(a.DB.View(), in.FunctionName, nil)
	return &shape.GetFunctionConcurrencyOutput{ReservedConcurrentExecutions: fn.Concurrency}, err
}

func tagMap(tags []model.Tag) map[string]string {
	out := map[string]string{}
	for _, t := range tags {
		out[t.Key] = t.Value
	}
	return out
}

// ListTags shows a function's tags. Errors: ResourceNotFoundException.
func (a *API) ListTags(_ context.Context, in *shape.ListTagsInput) (*shape.ListTagsOutput, error) {
	fn, err := a.find(a.DB.View(), in.Resource, nil)
	return &shape.ListTagsOutput{Tags: tagMap(fn.Tags)}, err
}

// maxTags is how many tags a function may have
// (https://docs.aws.amazon.com/lambda/latest/dg/configuration-tags.html).
const maxTags = 50

func addTags(old []model.Tag, in map[string]string) ([]model.Tag, error) {
	var more []model.Tag
	for k, v := range in {
		more = append(more, model.Tag{Key: k, Value: v})
	}
	out := model.SetTags(old, more)
	if len(out) > maxTags {
		return nil, fault.New(fault.Invalid, "InvalidParameterValueException", "A function can have at most %d tags.", maxTags)
	}
	return out, nil
}

// TagResource adds tags. Errors: ResourceNotFoundException,
// InvalidParameterValueException.
func (a *API) TagResource(ctx context.Context, in *shape.TagResourceInput) (*shape.TagResourceOutput, error) {
	return &shape.TagResourceOutput{}, a.retag(ctx, in.Resource, func(tags []model.Tag) ([]model.Tag, error) {
		return addTags(tags, in.Tags)
	})
}

// UntagResource takes tags away. Errors: ResourceNotFoundException.
func (a *API) UntagResource(ctx context.Context, in *shape.UntagResourceInput) (*shape.UntagResourceOutput, error) {
	return &shape.UntagResourceOutput{}, a.retag(ctx, in.Resource, func(tags []model.Tag) ([]model.Tag, error) {
		return model.DropTags(tags, in.TagKeys), nil
	})
}

func (a *API) retag(ctx context.Context, resource *string, f func([]model.Tag) ([]model.Tag, error)) error {
	return a.update(ctx, func(tx *store.Tx) error {
		fn, err := a.find(tx, resource, nil)
		if err != nil {
			return err
		}
		return state.Functions.Edit(tx, fn.Name, func(fn *model.Function) (err error) {
			fn.Tags, err = f(fn.Tags)
			return err
		})
	})
}
