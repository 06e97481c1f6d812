package cloudformation

import (
	"context"
	"slices"
	"strings"

	"berth/internal/control"
	"berth/internal/lang/template"
	"berth/internal/model"
	"berth/internal/model/catalog"
	"berth/internal/state"
	"berth/internal/store"
	"berth/internal/wire"
	shape "berth/internal/wire/shape/cloudformation"
)

// request is what the operations that take a template have in common.
type request struct {
	body         *string
	previous     bool // use the stack's own template
	parameters   []shape.Parameter
	capabilities []string
	expand       bool // transforms must be acknowledged
	roleARN      *string
}

// prepared is a request that was found good.
type prepared struct {
	body       string
	bound      *template.Bound
	parameters []model.StackParameter
	imports    []string
}

// prepare checks all of a request. stack is the one to create or to update.
func (a *API) prepare(ctx context.Context, r store.Reader, stack model.Stack, q request) (prepared, error) {
	var p prepared
	body, err := chooseBody(stack, q)
	if err != nil {
		return p, err
	}
	p.body = body
	tpl, err := template.Parse(body)
	if err != nil {
		return p, err
	}
	if err := tpl.Built(); err != nil {
		return p, err
	}
	values, err := given(tpl, stack, q.parameters)
	if err != nil {
		return p, err
	}
	p.bound, err = tpl.Bind(template.Inputs{
		Place: a.place(), StackName: stack.Name, StackID: stack.ID, Parameters: values, Public: a.public,
		Stored: func(name string) (string, error) { return a.stored(ctx, r, name) },
		Import: func(name string) (string, bool) {
			e, ok := state.Exports.Get(r, name)
			if ok && e.Stack == stack.ID {
				return "", false
			}
			if ok && !slices.Contains(p.imports, name) {
				p.imports = append(p.imports, name)
			}
			return e.Value, ok
		},
	})
	if err != nil {
		return p, err
	}
	if err := p.bound.Validate(); err != nil {
		return p, err
	}
	if err := exist(r, a.Place.Region, a.Zones, p.bound); err != nil {
		return p, err
	}
	for _, d := range tpl.Parameters {
		p.parameters = append(p.parameters, parameter(p.bound, d))
	}
	if err := p.bound.Acknowledged(q.capabilities, q.expand); err != nil {
		return p, err
	}
	return p, a.mayPass(ctx, r, stack.ID, wire.Val(q.roleARN))
}

// parameter is one as the stack keeps it: as given, and resolved if it is the
// name of what Systems Manager keeps.
func parameter(b *template.Bound, d template.Parameter) model.StackParameter {
	p := model.StackParameter{Key: d.Name, Value: b.Value(d.Name), NoEcho: d.NoEcho}
	if named := b.Given(d.Name); strings.HasPrefix(d.Type, "AWS::SSM::Parameter::") {
		p.Value, p.Resolved = named, p.Value
	}
	return p
}

func (a *API) public(name string) (string, bool) { return catalog.Public(a.Place.Region, name) }

// stored is a parameter of the account's own, which the caller has to be allowed to
// get.
func (a *API) stored(ctx context.Context, r store.Reader, name string) (string, error) {
	if a.Access != nil {
		arn := a.Place.ARN("ssm", "parameter"+model.ParameterPath(name))
		if err := a.Access.Allow(r, wire.CallFrom(ctx).Principal, "ssm:GetParameters", arn, nil); err != nil {
			return "", err
		}
	}
	p, ok := state.Parameters.Get(r, name)
	switch {
	case !ok:
		return "", template.Unfetched(name)
	case p.Newest().Type == model.ParameterSecure:
		return "", template.Unfit(name)
	}
	return p.Newest().Value, nil
}

func chooseBody(stack model.Stack, q request) (string, error) {
	switch {
	case q.body != nil && q.previous:
		return "", invalid("You cannot specify both usePreviousTemplate and Template Body/Template URL.")
	case q.previous && stack.Template == "":
		return "", invalid("Cannot use previous template: the stack %s has none", stack.Name)
	case q.previous:
		return stack.Template, nil
	case q.body == nil:
		return "", invalid("Either Template URL or Template Body must be specified.")
	default:
		return *q.body, inline(*q.body)
	}
}

// maxInline is how many bytes a template in a request may have. The model does
// not say so, CloudFormation's quotas do; larger ones come from S3 only.
const maxInline = 51_200

func inline(body string) error {
	if len(body) <= maxInline {
		return nil
	}
	return invalid(
		"1 validation error detected: Value '%s' at 'templateBody' failed to satisfy constraint: Member must have length less than or equal to %d",
		body, maxInline,
	)
}

// given gathers parameter values, previous ones included.
func given(tpl *template.Template, stack model.Stack, params []shape.Parameter) (map[string]string, error) {
	out := map[string]string{}
	for _, p := range params {
		key := wire.Val(p.ParameterKey)
		if _, twice := out[key]; twice {
			return nil, invalid("Duplicate parameter keys found: [%s]", key)
		}
		if !wire.Val(p.UsePreviousValue) {
			out[key] = wire.Val(p.ParameterValue)
			continue
		}
		if wire.Val(p.ParameterValue) != "" {
			return nil, invalid(
				"Invalid input for parameter key %s. Cannot specify usePreviousValue as true and non empty value for a parameter", key,
			)
		}
		i := slices.IndexFunc(stack.Parameters, func(s model.StackParameter) bool { return s.Key == key })
		if i < 0 {
			return nil, invalid(
				"Invalid input for parameter key %s. Cannot specify usePreviousValue as true for a parameter key not in the previous template", key,
			)
		}
		if slices.ContainsFunc(tpl.Parameters, func(d template.Parameter) bool { return d.Name == key }) {
			out[key] = stack.Parameters[i].Value
		}
	}
	return out, nil
}

// exist checks values of AWS-specific parameter types against what there is.
func exist(r store.Reader, region string, zones []string, b *template.Bound) error {
	for _, p := range b.Template.Parameters {
		there := finder(r, region, zones, p.Element())
		if there == nil {
			continue
		}
		values := []string{b.Value(p.Name)}
		if p.List() {
			values = strings.Split(values[0], ",")
		}
		for _, v := range values {
			if !there(v) {
				return invalid("Parameter validation failed: parameter value %s for parameter name %s does not exist", v, p.Name)
			}
		}
	}
	return nil
}

// finder tells what exists of an AWS-specific type; nil for ordinary types.
func finder(r store.Reader, region string, zones []string, kind string) func(string) bool {
	switch kind {
	case "AWS::EC2::VPC::Id":
		return func(v string) bool { _, ok := state.VPCs.Get(r, v); return ok }
	case "AWS::EC2::Subnet::Id":
		return func(v string) bool { _, ok := state.Subnets.Get(r, v); return ok }
	case "AWS::EC2::SecurityGroup::Id":
		return func(v string) bool { _, ok := state.SecurityGroups.Get(r, v); return ok }
	case "AWS::EC2::SecurityGroup::GroupName":
		return func(v string) bool {
			return slices.ContainsFunc(state.SecurityGroups.All(r), func(g model.SecurityGroup) bool { return g.Name == v })
		}
	case "AWS::EC2::AvailabilityZone::Name":
		return func(v string) bool { return slices.Contains(zones, v) }
	case "AWS::EC2::Image::Id":
		return func(v string) bool { _, ok := catalog.ImageOf(region, v); return ok }
	case "AWS::EC2::Instance::Id":
		return func(v string) bool { _, ok := state.Instances.Get(r, v); return ok }
	}
	if strings.HasPrefix(kind, "AWS::") {
		return func(string) bool { return false }
	}
	return nil
}

// mayPass asks IAM whether the caller may give CloudFormation the role for a
// stack.
func (a *API) mayPass(ctx context.Context, r store.Reader, stack, roleARN string) error {
	if roleARN == "" || a.Access == nil {
		return nil
	}
	who := wire.CallFrom(ctx).Principal
	if err := a.Access.Allow(r, who, "iam:PassRole", roleARN,
		map[string]string{"iam:PassedToService": "cloudformation.amazonaws.com"}); err != nil {
		return err
	}
	_, err := a.Access.Assume(r, control.Assumption{
		Service: "cloudformation.amazonaws.com", Role: roleARN, Session: "AWSCloudFormation", For: stack,
	})
	if err != nil {
		return invalid("Role %s is invalid or cannot be assumed", roleARN)
	}
	return nil
}
