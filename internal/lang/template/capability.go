package template

import (
	"slices"
	"strings"

	"berth/internal/fault"
)

// The capabilities that a caller must acknowledge.
const (
	CapabilityIAM        = "CAPABILITY_IAM"
	CapabilityNamedIAM   = "CAPABILITY_NAMED_IAM"
	CapabilityAutoExpand = "CAPABILITY_AUTO_EXPAND"
)

// iamNames are the types that need a capability, and the property that names
// one: with it CAPABILITY_NAMED_IAM is needed.
var iamNames = map[string]string{
	"AWS::IAM::AccessKey":           "",
	"AWS::IAM::Group":               "GroupName",
	"AWS::IAM::InstanceProfile":     "InstanceProfileName",
	"AWS::IAM::ManagedPolicy":       "ManagedPolicyName",
	"AWS::IAM::Policy":              "",
	"AWS::IAM::Role":                "RoleName",
	"AWS::IAM::User":                "UserName",
	"AWS::IAM::UserToGroupAddition": "",
	"AWS::IAM::RolePolicy":          "",
	"AWS::IAM::UserPolicy":          "",
	"AWS::IAM::GroupPolicy":         "",
}

// Capabilities lists what the template needs acknowledged, and why.
func (t *Template) Capabilities() (need []string, reason string) {
	var types []string
	named := false
	for _, r := range t.Resources {
		name, iam := iamNames[r.Type]
		if !iam {
			continue
		}
		if !slices.Contains(types, r.Type) {
			types = append(types, r.Type)
		}
		named = named || name != "" && r.properties.Get(name) != nil
	}
	if len(types) > 0 {
		need = append(need, CapabilityIAM)
		if named {
			need[0] = CapabilityNamedIAM
		}
		slices.Sort(types)
		reason = "The following resource(s) require capabilities: [" + strings.Join(types, ", ") + "]"
	}
	if len(t.Transforms) > 0 {
		need = append(need, CapabilityAutoExpand)
		if reason != "" {
			reason += "; "
		}
		reason += "The following transform(s) require capabilities: [" + strings.Join(t.Transforms, ", ") + "]"
	}
	return need, reason
}

// Acknowledged refuses a template whose capabilities were not all given.
// expand asks for CAPABILITY_AUTO_EXPAND too, as calls other than
// CreateChangeSet do.
func (t *Template) Acknowledged(given []string, expand bool) error {
	need, _ := t.Capabilities()
	var missing []string
	for _, c := range need {
		ok := slices.Contains(given, c) || c == CapabilityIAM && slices.Contains(given, CapabilityNamedIAM) ||
			c == CapabilityAutoExpand && !expand
		if !ok {
			missing = append(missing, c)
		}
	}
	if len(missing) == 0 {
		return nil
	}
	return fault.New(fault.Invalid, "InsufficientCapabilitiesException", "Requires capabilities : [%s]", strings.Join(missing, ", "))
}
