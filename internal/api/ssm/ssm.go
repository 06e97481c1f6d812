// Package ssm is the API of Systems Manager's parameters, as far as public
// ones go: those under /aws/service/ that tell of ECS-optimized images.
//
// It owns no records: what it answers is in model/catalog. Parameters of the
// account's own are not built: their operations are refused by name, and their
// names are not found. Safe for concurrent use.
package ssm

import (
	"context"
	_ "embed"
	"slices"
	"strings"

	"berth/internal/fault"
	"berth/internal/ident"
	"berth/internal/model/catalog"
	"berth/internal/page"
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
type Deps struct{ Place ident.Place }

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

var pages = page.Rules{
	Usual: maxNames,
	Refuse: func(string) error {
		return fault.New(fault.Invalid, "InvalidNextToken", "The specified token isn't valid.")
	},
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

// find is a parameter by its name or ARN, which may end with a version.
func (a *API) find(name string) (shape.Parameter, error) {
	if r, ok := strings.CutPrefix(name, a.arn("")); ok {
		name = r
	}
	name, version, selected := strings.Cut(name, ":")
	v, ok := catalog.Public(a.Place.Region, name)
	switch {
	case !ok:
		return shape.Parameter{}, fault.New(fault.NotFound, "ParameterNotFound", "Parameter %s not found.", name)
	case selected && version != "1":
		return shape.Parameter{}, fault.New(
			fault.NotFound, "ParameterVersionNotFound", "Systems Manager could not find version %s of %s. Verify the version and try again.",
			version, name,
		)
	}
	out := a.show(catalog.PublicParameter{Name: name, Value: v})
	if selected {
		out.Selector = wire.Ptr(":" + version)
	}
	return out, nil
}

func (a *API) arn(name string) string {
	return "arn:" + a.Place.Partition + ":ssm:" + a.Place.Region + "::parameter" + name
}

// Finders find what resources.txt names.
func (a *API) Finders() map[string]func(...string) string {
	return map[string]func(...string) string{"public": func(v ...string) string {
		if v[0] == "" || strings.HasPrefix(v[0], "arn:") {
			return v[0]
		}
		return a.arn(v[0])
	}}
}

func (a *API) show(p catalog.PublicParameter) shape.Parameter {
	return shape.Parameter{
		Name: &p.Name, Value: &p.Value, Type: wire.Ptr("String"), Version: wire.Ptr(int64(1)), DataType: wire.Ptr("text"),
		ARN: wire.Ptr(a.arn(p.Name)), LastModifiedDate: wire.Ptr(catalog.Images(a.Place.Region)[0].CreatedAt),
	}
}

// GetParameter shows a public parameter. Errors: ParameterNotFound,
// ParameterVersionNotFound.
func (a *API) GetParameter(_ context.Context, in *shape.GetParameterInput) (*shape.GetParameterOutput, error) {
	p, err := a.find(wire.Val(in.Name))
	if err != nil {
		return nil, err
	}
	return &shape.GetParameterOutput{Parameter: &p}, nil
}

// GetParameters shows public parameters, and names those that are none. Errors:
// ValidationException.
func (a *API) GetParameters(_ context.Context, in *shape.GetParametersInput) (*shape.GetParametersOutput, error) {
	if n := len(in.Names); n > maxNames {
		return nil, invalid("1 validation error detected: Value at 'names' failed to satisfy constraint: "+
			"Member must have length less than or equal to %d", maxNames)
	}
	out := &shape.GetParametersOutput{Parameters: []shape.Parameter{}, InvalidParameters: []string{}}
	for _, name := range in.Names {
		p, err := a.find(name)
		if err != nil {
			out.InvalidParameters = append(out.InvalidParameters, name)
			continue
		}
		out.Parameters = append(out.Parameters, p)
	}
	return out, nil
}

// GetParametersByPath lists the public parameters below a path. Errors:
// ValidationException, InvalidNextToken.
func (a *API) GetParametersByPath(
	_ context.Context, in *shape.GetParametersByPathInput,
) (*shape.GetParametersByPathOutput, error) {
	path := strings.TrimSuffix(wire.Val(in.Path), "/") + "/"
	if !strings.HasPrefix(path, "/") {
		return nil, invalid("The parameter doesn't meet the parameter name requirements. The parameter name must begin with a forward slash \"/\".")
	}
	all := slices.DeleteFunc(catalog.PublicParameters(a.Place.Region), func(p catalog.PublicParameter) bool {
		rest, below := strings.CutPrefix(p.Name, path)
		return !below || !wire.Val(in.Recursive) && strings.Contains(rest, "/")
	})
	all, next, err := page.Cut(pages, in, all, func(p catalog.PublicParameter) string { return p.Name })
	if err != nil {
		return nil, err
	}
	out := &shape.GetParametersByPathOutput{Parameters: []shape.Parameter{}, NextToken: next}
	for _, p := range all {
		out.Parameters = append(out.Parameters, a.show(p))
	}
	return out, nil
}
