// Package ssm is the API of Systems Manager's Parameter Store: the account's
// parameters as records, with their versions and labels, and of the public ones
// those under /aws/service/ that tell of ECS-optimized images.
//
// It owns parameters, and starts nothing. Keys of KMS and parameter policies are
// not built. Safe for concurrent use.
package ssm

import (
	"context"
	_ "embed"
	"slices"
	"strconv"
	"strings"

	"berth/internal/clock"
	"berth/internal/fault"
	"berth/internal/ident"
	"berth/internal/model"
	"berth/internal/model/catalog"
	"berth/internal/page"
	"berth/internal/state"
	"berth/internal/store"
	"berth/internal/wire"
	shape "berth/internal/wire/shape/ssm"
)

// Fields says which request members are built.
//
//go:embed fields.txt
var Fields string

// Resources says which resources a call is about.
//
//go:embed resources.txt
var Resources string

// Deps are what the API needs.
type Deps struct {
	DB    *state.DB
	Clock clock.Clock
	IDs   *ident.Source
	Place ident.Place
}

// API answers the operations.
type API struct {
	shape.Unimplemented
	Deps
}

var _ shape.Operations = (*API)(nil)

// New makes the API.
func New(d Deps) *API { return &API{Deps: d} }

// maxNames is how many names one call may give, and how many parameters a page
// has at most.
const maxNames = 10

func badToken(string) error {
	return fault.New(fault.Invalid, "InvalidNextToken", "The specified token isn't valid.")
}

// longPages are those of lists that tell more at once.
var longPages = page.Rules{Usual: 50, Refuse: badToken, SameCall: true}

var pages = page.Rules{
	Usual: maxNames, Refuse: badToken, SameCall: true,
	Size: func(n int64) error {
		if n < 1 || n > maxNames {
			return invalid("1 validation error detected: Value '%d' at 'maxResults' failed to satisfy constraint: "+
				"Member must have value between 1 and %d", n, maxNames)
		}
		return nil
	},
}

func invalid(format string, args ...any) error {
	return fault.New(fault.Invalid, "ValidationException", format, args...)
}

// find is a parameter by its name or ARN, which may end with a version or a
// label.
func (a *API) find(r store.Reader, id string, decrypted bool) (shape.Parameter, error) {
	name, selector, selected := strings.Cut(a.nameOf(r, id), ":")
	if p, ok := state.Parameters.Get(r, name); ok {
		v := p.Newest()
		if selected {
			i := slices.IndexFunc(p.Versions, func(v model.ParameterVersion) bool {
				return strconv.FormatInt(v.Number, 10) == selector || slices.Contains(v.Labels, selector)
			})
			if i < 0 {
				return shape.Parameter{}, noVersion(selector, name)
			}
			v = p.Versions[i]
		}
		return a.show(p.Name, v, selector, decrypted), nil
	}
	value, ok := catalog.Public(a.Place.Region, name)
	switch {
	case !ok:
		return shape.Parameter{}, notFound(name)
	case selected && selector != "1":
		return shape.Parameter{}, noVersion(selector, name)
	}
	return a.show(name, a.public(value), selector, true), nil
}

// public is a public parameter's only version.
func (a *API) public(value string) model.ParameterVersion {
	return model.ParameterVersion{
		Number: 1, Type: "String", Value: value, DataType: usualDataType, At: catalog.Images(a.Place.Region)[0].CreatedAt,
	}
}

// own finds one of the account's.
func (a *API) own(r store.Reader, id string) (model.Parameter, bool) {
	return state.Parameters.Get(r, a.nameOf(r, id))
}

// nameOf is what an ARN ends with, or the name as it is. A name that is no path
// has its ARN as if it began with a slash, so both are tried.
func (a *API) nameOf(r store.Reader, id string) string {
	if name, ok := strings.CutPrefix(id, a.publicARN("")); ok {
		return name
	}
	path, ok := strings.CutPrefix(id, a.Place.ARN("ssm", "parameter"))
	if !ok {
		return id
	}
	bare, _, _ := strings.Cut(path[min(1, len(path)):], ":")
	if _, flat := state.Parameters.Get(r, bare); flat {
		return path[1:]
	}
	return path
}

func (a *API) publicARN(name string) string {
	return "arn:" + a.Place.Partition + ":ssm:" + a.Place.Region + "::parameter" + name
}

func (a *API) arn(name string) string {
	if strings.HasPrefix(name+"/", "/aws/") {
		return a.publicARN(name)
	}
	return a.Place.ARN("ssm", "parameter"+model.ParameterPath(name))
}

// Finders find what resources.txt names.
func (a *API) Finders() map[string]func(...string) string {
	return map[string]func(...string) string{"parameter": func(v ...string) string {
		if v[0] == "" {
			return ""
		}
		name, _, _ := strings.Cut(a.nameOf(a.DB.View(), v[0]), ":")
		if strings.HasPrefix(name, "arn") {
			return v[0] // of another account, or none
		}
		return a.arn(name)
	}}
}

func (a *API) show(name string, v model.ParameterVersion, selector string, decrypted bool) shape.Parameter {
	out := shape.Parameter{
		Name: &name, Value: wire.Ptr(told(v, decrypted)), Type: &v.Type, Version: &v.Number, DataType: &v.DataType, ARN: wire.Ptr(a.arn(name)),
		LastModifiedDate: &v.At,
	}
	if selector != "" {
		out.Selector = wire.Ptr(":" + selector)
	}
	return out
}

// told is a value as it is shown to who does not ask to have it decrypted.
func told(v model.ParameterVersion, decrypted bool) string {
	if v.Type == model.ParameterSecure && !decrypted {
		return v.Sealed
	}
	return v.Value
}

func key(v model.ParameterVersion) *string {
	if v.Type != model.ParameterSecure {
		return nil
	}
	return wire.Ptr(usualKey)
}

func said(text string) *string {
	if text == "" {
		return nil
	}
	return &text
}

// GetParameter shows a parameter. Errors: ParameterNotFound,
// ParameterVersionNotFound.
func (a *API) GetParameter(_ context.Context, in *shape.GetParameterInput) (*shape.GetParameterOutput, error) {
	p, err := a.find(a.DB.View(), wire.Val(in.Name), wire.Val(in.WithDecryption))
	if err != nil {
		return nil, err
	}
	return &shape.GetParameterOutput{Parameter: &p}, nil
}

// GetParameters shows parameters, and names those that are none. Errors:
// ValidationException.
func (a *API) GetParameters(_ context.Context, in *shape.GetParametersInput) (*shape.GetParametersOutput, error) {
	if n := len(in.Names); n > maxNames {
		return nil, invalid("1 validation error detected: Value at 'names' failed to satisfy constraint: "+
			"Member must have length less than or equal to %d", maxNames)
	}
	out := &shape.GetParametersOutput{Parameters: []shape.Parameter{}, InvalidParameters: []string{}}
	view := a.DB.View()
	for _, name := range in.Names {
		p, err := a.find(view, name, wire.Val(in.WithDecryption))
		if err != nil {
			out.InvalidParameters = append(out.InvalidParameters, name)
			continue
		}
		out.Parameters = append(out.Parameters, p)
	}
	return out, nil
}

// GetParametersByPath lists the parameters below a path, public ones if it is
// theirs. Errors: ValidationException, InvalidNextToken, InvalidFilterKey,
// InvalidFilterOption, InvalidFilterValue.
func (a *API) GetParametersByPath(
	_ context.Context, in *shape.GetParametersByPathInput,
) (*shape.GetParametersByPathOutput, error) {
	path := strings.TrimSuffix(wire.Val(in.Path), "/")
	if !strings.HasPrefix(wire.Val(in.Path), "/") {
		return nil, invalid("The parameter doesn't meet the parameter name requirements. The parameter name must begin with a forward slash \"/\".")
	}
	if err := checkFilters(in.ParameterFilters, pathKeys); err != nil {
		return nil, err
	}
	option := "OneLevel"
	if wire.Val(in.Recursive) {
		option = "Recursive"
	}
	all := state.Parameters.All(a.DB.View())
	if strings.HasPrefix(path+"/", "/aws/") {
		for _, p := range catalog.PublicParameters(a.Place.Region) {
			all = append(all, model.Parameter{Name: p.Name, Versions: []model.ParameterVersion{a.public(p.Value)}})
		}
	}
	all = slices.DeleteFunc(all, func(p model.Parameter) bool { return !fits(p.Name, path, option) || !passes(p, in.ParameterFilters) })
	slices.SortFunc(all, func(x, y model.Parameter) int { return strings.Compare(x.Name, y.Name) })
	all, next, err := page.Cut(pages, in, all, func(p model.Parameter) string { return p.Name })
	if err != nil {
		return nil, err
	}
	out := &shape.GetParametersByPathOutput{Parameters: []shape.Parameter{}, NextToken: next}
	for _, p := range all {
		out.Parameters = append(out.Parameters, a.show(p.Name, p.Newest(), "", wire.Val(in.WithDecryption)))
	}
	return out, nil
}

// DescribeParameters lists the account's parameters without their values. Errors:
// InvalidFilterOption, InvalidFilterValue, InvalidNextToken.
func (a *API) DescribeParameters(_ context.Context, in *shape.DescribeParametersInput) (*shape.DescribeParametersOutput, error) {
	if err := checkFilters(in.ParameterFilters, nil); err != nil {
		return nil, err
	}
	all := slices.DeleteFunc(state.Parameters.All(a.DB.View()), func(p model.Parameter) bool { return !passes(p, in.ParameterFilters) })
	slices.SortFunc(all, func(x, y model.Parameter) int { return strings.Compare(x.Name, y.Name) })
	all, next, err := page.Cut(longPages, in, all, func(p model.Parameter) string { return p.Name })
	if err != nil {
		return nil, err
	}
	out := &shape.DescribeParametersOutput{Parameters: []shape.ParameterMetadata{}, NextToken: next}
	for _, p := range all {
		v := p.Newest()
		out.Parameters = append(out.Parameters, shape.ParameterMetadata{
			Name: &p.Name, ARN: wire.Ptr(a.arn(p.Name)), Type: &v.Type, KeyId: key(v), LastModifiedDate: &v.At, LastModifiedUser: &v.By,
			Description: said(v.Description), AllowedPattern: said(v.AllowedPattern), Version: &v.Number, Tier: &v.Tier,
			Policies: []shape.ParameterInlinePolicy{}, DataType: &v.DataType,
		})
	}
	return out, nil
}
