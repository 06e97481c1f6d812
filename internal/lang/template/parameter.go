package template

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"berth/internal/lang/javaregexp"
)

// Parameter is a parameter as the template declares it.
type Parameter struct {
	Name, Type, Description string
	Default                 *string
	AllowedValues           []string
	AllowedPattern          string
	ConstraintDescription   string
	MinLength, MaxLength    *int64
	MinValue, MaxValue      *float64
	NoEcho                  bool

	pattern *javaregexp.Regexp
}

// List reports whether the parameter's value is a list.
func (p Parameter) List() bool {
	t, _ := p.stored()
	return t == "CommaDelimitedList" || strings.HasPrefix(t, "List<")
}

// Element is the type of a list's members, or the type itself: "AWS::EC2::VPC::Id".
func (p Parameter) Element() string {
	t, _ := p.stored()
	if e, ok := strings.CutPrefix(t, "List<"); ok {
		return strings.TrimSuffix(e, ">")
	}
	return t
}

// stored is the type of the parameter's value, and whether what is given is
// only the name under which Systems Manager keeps it.
func (p Parameter) stored() (string, bool) {
	if e, ok := strings.CutPrefix(p.Type, ssmParameter+"Value<"); ok {
		return strings.TrimSuffix(e, ">"), true
	}
	return p.Type, false
}

// awsTypes are the AWS-specific parameter types.
var awsTypes = []string{
	"AWS::EC2::AvailabilityZone::Name", "AWS::EC2::Image::Id", "AWS::EC2::Instance::Id", "AWS::EC2::KeyPair::KeyName",
	"AWS::EC2::SecurityGroup::GroupName", "AWS::EC2::SecurityGroup::Id", "AWS::EC2::Subnet::Id", "AWS::EC2::Volume::Id",
	"AWS::EC2::VPC::Id", "AWS::Route53::HostedZone::Id",
}

// ssmParameter begins the parameter types whose values are kept in Systems
// Manager.
const ssmParameter = "AWS::SSM::Parameter::"

func knownParameterType(s string) bool {
	if e, ok := strings.CutPrefix(s, ssmParameter+"Value<"); ok {
		return knownParameterType(strings.TrimSuffix(e, ">")) || s == ssmParameter+"Value<List<String>>"
	}
	if s == ssmParameter+"Name" {
		return true
	}
	if slices.Contains([]string{"String", "Number", "CommaDelimitedList", "List<Number>", "List<String>"}, s) {
		return true
	}
	if e, ok := strings.CutPrefix(s, "List<"); ok {
		e = strings.TrimSuffix(e, ">")
		return slices.Contains(awsTypes, e) && e != "AWS::EC2::KeyPair::KeyName"
	}
	return slices.Contains(awsTypes, s)
}

func (t *Template) parameters(n *Node) error {
	if n == nil {
		return nil
	}
	if n.Kind != Map {
		return malformed("Parameters must be an object.")
	}
	if len(n.Keys) > maxParameters {
		return malformed("Number of parameters, %d, is greater than maximum allowed, %d", len(n.Keys), maxParameters)
	}
	for i, k := range n.Keys {
		p, err := readParameter(k, n.Items[i])
		if err != nil {
			return err
		}
		t.Parameters = append(t.Parameters, p)
	}
	return nil
}

var parameterKeys = []string{
	"Type", "Default", "Description", "AllowedValues", "AllowedPattern", "ConstraintDescription", "MinLength", "MaxLength", "MinValue",
	"MaxValue", "NoEcho",
}

func readParameter(name string, n *Node) (Parameter, error) {
	p := Parameter{Name: name}
	if !alnum.MatchString(name) {
		return p, malformed("Parameter name %s is non alphanumeric.", name)
	}
	if n.Kind != Map {
		return p, malformed("Any Parameters member must be an object.")
	}
	for _, k := range n.Keys {
		if !slices.Contains(parameterKeys, k) {
			return p, invalid("Invalid template parameter property '%s'", k)
		}
	}
	p.Type, _ = n.Get("Type").string()
	if p.Type == "" {
		return p, malformed("Every Parameters object must contain a Type member.")
	}
	if !knownParameterType(p.Type) {
		return p, malformed("Unrecognized parameter type: %s", p.Type)
	}
	if err := p.fill(n); err != nil {
		return p, err
	}
	if p.Default != nil {
		if err := p.Check(*p.Default); err != nil {
			return p, malformed("%s", strings.TrimSuffix(defaultProblem(err, p), "."))
		}
	}
	return p, nil
}

func defaultProblem(err error, p Parameter) string {
	return fmt.Sprintf("Parameter '%s' has a Default that does not hold: %s", p.Name, err.Error())
}

func (p *Parameter) fill(n *Node) error {
	for i, k := range n.Keys {
		v := n.Items[i]
		if k == "AllowedValues" {
			if v.Kind != List {
				return malformed("Parameter '%s': AllowedValues must be a list", p.Name)
			}
			for _, it := range v.Items {
				p.AllowedValues = append(p.AllowedValues, scalarText(it))
			}
			continue
		}
		if v.Kind != Text {
			return malformed("Every %s member must be a string.", k)
		}
		if err := p.attribute(k, scalarText(v)); err != nil {
			return err
		}
	}
	return nil
}

func scalarText(n *Node) string {
	if n.Plain {
		return Scalar(n.Text).String()
	}
	return n.Text
}

func (p *Parameter) attribute(k, s string) (err error) {
	switch k {
	case "Default":
		p.Default = &s
	case "Description":
		p.Description = s
	case "ConstraintDescription":
		p.ConstraintDescription = s
	case "AllowedPattern":
		p.AllowedPattern = s
		if p.pattern, err = javaregexp.CompileWhole(s); err != nil {
			return malformed("Parameter '%s': AllowedPattern '%s' cannot be used: %s", p.Name, s, err)
		}
	case "NoEcho":
		p.NoEcho, _ = boolean(s, true)
	case "MinLength", "MaxLength":
		v, err := strconv.ParseInt(s, 10, 64)
		if err != nil {
			return malformed("Parameter '%s': %s must be a number", p.Name, k)
		}
		if k == "MinLength" {
			p.MinLength = &v
		} else {
			p.MaxLength = &v
		}
	case "MinValue", "MaxValue":
		v, err := strconv.ParseFloat(s, 64)
		if err != nil {
			return malformed("Parameter '%s': %s must be a number", p.Name, k)
		}
		if k == "MinValue" {
			p.MinValue = &v
		} else {
			p.MaxValue = &v
		}
	}
	return nil
}

// Check says whether a value may be given to the parameter.
func (p Parameter) Check(value string) error {
	values := []string{value}
	if _, named := p.stored(); p.List() && !named {
		values = p.split(value)
	}
	for _, v := range values {
		if why := p.check(v); why != "" {
			if p.ConstraintDescription != "" {
				return invalid("Parameter '%s' failed to satisfy constraint: %s", p.Name, p.ConstraintDescription)
			}
			return invalid("Parameter '%s' %s", p.Name, why)
		}
	}
	return nil
}

func (p Parameter) split(value string) []string {
	if value == "" {
		return nil
	}
	parts := strings.Split(value, ",")
	for i := range parts {
		parts[i] = strings.TrimSpace(parts[i])
	}
	return parts
}

func (p Parameter) check(v string) string {
	if len(p.AllowedValues) > 0 && !slices.Contains(p.AllowedValues, v) {
		return "must be one of AllowedValues"
	}
	if p.Element() == "Number" {
		f, err := strconv.ParseFloat(v, 64)
		switch {
		case err != nil:
			return "must be a number"
		case p.MinValue != nil && f < *p.MinValue:
			return fmt.Sprintf("must be a number not less than %s", trim(*p.MinValue))
		case p.MaxValue != nil && f > *p.MaxValue:
			return fmt.Sprintf("must be a number not greater than %s", trim(*p.MaxValue))
		}
		return ""
	}
	n := int64(len([]rune(v)))
	switch {
	case p.MinLength != nil && n < *p.MinLength:
		return fmt.Sprintf("must contain at least %d characters", *p.MinLength)
	case p.MaxLength != nil && n > *p.MaxLength:
		return fmt.Sprintf("must contain at most %d characters", *p.MaxLength)
	case p.pattern == nil:
		return ""
	}
	switch ok, err := p.pattern.Match(v); {
	case err != nil:
		return "cannot be held against pattern " + p.AllowedPattern + ": " + err.Error()
	case !ok:
		return "must match pattern " + p.AllowedPattern
	}
	return ""
}

func trim(f float64) string { return strconv.FormatFloat(f, 'f', -1, 64) }

// values settles what each parameter is worth. Given values win over
// defaults; all that is missing is named at once.
// values are what parameters come to, and what was given for them.
func (t *Template) values(in Inputs) (out map[string]any, as map[string]string, err error) {
	given := in.Parameters
	out, as = map[string]any{}, map[string]string{}
	var missing, unknown []string
	for _, p := range t.Parameters {
		v, ok := given[p.Name]
		if !ok && p.Default != nil {
			v, ok = *p.Default, true
		}
		if !ok {
			missing = append(missing, p.Name)
			continue
		}
		if err := p.Check(v); err != nil {
			return nil, nil, err
		}
		as[p.Name] = v
		if v, err = in.resolve(p, v); err != nil {
			return nil, nil, err
		}
		out[p.Name] = p.value(v)
	}
	for k := range given {
		if !slices.ContainsFunc(t.Parameters, func(p Parameter) bool { return p.Name == k }) {
			unknown = append(unknown, k)
		}
	}
	if len(unknown) > 0 {
		slices.Sort(unknown)
		return nil, nil, invalid("Parameters: [%s] do not exist in the template", strings.Join(unknown, ", "))
	}
	if len(missing) > 0 {
		return nil, nil, invalid("Parameters: [%s] must have values", strings.Join(missing, ", "))
	}
	return out, as, nil
}

func (p Parameter) value(v string) any {
	if !p.List() {
		return v
	}
	list := []any{}
	for _, s := range p.split(v) {
		list = append(list, s)
	}
	return list
}
