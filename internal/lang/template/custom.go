package template

import "regexp"

// Custom resources: their types are the template's own, and their properties are
// for whoever provides them (CloudFormation user guide, "Create custom
// provisioning logic with custom resources").

// customResource is the name that custom resources without one of their own have.
const customResource = "AWS::CloudFormation::CustomResource"

var customName = regexp.MustCompile(`^Custom::[0-9A-Za-z_@-]{1,52}$`)

// IsCustom reports whether a resource type is that of custom resources.
func IsCustom(name string) bool { return name == customResource || customName.MatchString(name) }

// Properties of custom resources that are CloudFormation's.
const (
	serviceToken   = "ServiceToken"
	serviceTimeout = "ServiceTimeout"
)

var (
	customProperties = func() map[string]*Schema {
		first, last := 1.0, 3600.0
		return map[string]*Schema{
			serviceToken: {Type: Kinds{"string"}}, serviceTimeout: {Type: Kinds{"integer"}, Minimum: &first, Maximum: &last},
		}
	}()
	customBuilt = map[string]bool{serviceToken: true, serviceTimeout: true}
)

// customType is the type of custom resources of a name.
func customType(name string) *Type {
	return &Type{Name: name, Properties: customProperties, Required: []string{serviceToken}, built: customBuilt, open: true}
}

var (
	functionARN = regexp.MustCompile(`^arn:aws[a-z-]*:lambda:[a-z0-9-]+:\d{12}:function:[\w-]+(:[\w$-]+)?$`)
	topicARN    = regexp.MustCompile(`^arn:aws[a-z-]*:sns:`)
)

// custom refuses what CloudFormation cannot do with a custom resource, and what
// is not built.
func (c *coercer) custom(props map[string]any) {
	token, known := props[serviceToken].(string)
	switch {
	case !known || functionARN.MatchString(token):
	case topicARN.MatchString(token):
		c.complain("#/"+serviceToken, "custom resources that are provided through an SNS topic are not built in Berth")
	default:
		c.complain("#/"+serviceToken, "Invalid service token.")
	}
	if dynamicIn(props) {
		c.complain("#", "dynamic references in the properties of custom resources are not built in Berth")
	}
}

// dynamicIn reports whether a value has a dynamic reference.
func dynamicIn(v any) bool {
	switch v := v.(type) {
	case string:
		return Dynamic(v)
	case []any:
		for _, it := range v {
			if dynamicIn(it) {
				return true
			}
		}
	case map[string]any:
		for _, it := range v {
			if dynamicIn(it) {
				return true
			}
		}
	}
	return false
}

// Texts is a value with every scalar as text, as custom resources are sent it.
func Texts(v any) any {
	switch v := v.(type) {
	case map[string]any:
		out := make(map[string]any, len(v))
		for k, it := range v {
			out[k] = Texts(it)
		}
		return out
	case []any:
		out := make([]any, len(v))
		for i := range v {
			out[i] = Texts(v[i])
		}
		return out
	default:
		if s, ok := Flat(v); ok {
			return s
		}
		return v
	}
}
