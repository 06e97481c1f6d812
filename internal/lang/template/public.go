package template

import (
	"strings"
)

// publicNames begin the names of Systems Manager's public parameters.
const publicNames = "/aws/service/"

// resolve is the value of a parameter whose name in Systems Manager is given;
// of all others it is what is given.
func (in Inputs) resolve(p Parameter, given string) (string, error) {
	_, named := p.stored()
	if !named && p.Type != ssmParameter+"Name" {
		return given, nil
	}
	v, err := in.keeps(p, given)
	if !named {
		v = given // it is only asked whether there is one
	}
	return v, err
}

// keeps is what Systems Manager keeps under a name.
func (in Inputs) keeps(p Parameter, given string) (string, error) {
	if v, ok := in.public(given); ok {
		return v, nil
	}
	if strings.HasPrefix(given, publicNames) {
		return "", invalid("Parameter '%s': the public parameter %s is not built in Berth: those of ECS-optimized images of Amazon Linux are", p.Name, given)
	}
	if in.Stored == nil {
		return "", Unfetched(given)
	}
	return in.Stored(given)
}

// Unfetched says that Systems Manager does not keep a parameter.
func Unfetched(name string) error {
	return invalid("Unable to fetch parameters [%s] from parameter store for this account.", name)
}

// Unfit says that a parameter is of a type that templates cannot name.
func Unfit(name string) error {
	return invalid("Parameters [%s] referenced by template have types not supported by CloudFormation.", name)
}

// public finds a public parameter; a version is that of the only one.
func (in Inputs) public(name string) (string, bool) {
	if in.Public == nil {
		return "", false
	}
	return in.Public(strings.TrimSuffix(name, ":1"))
}

// dynamic is a text with its references to public parameters resolved. Those to
// what the account keeps stay as they are until a resource needs them: what they
// refer to may be made by the same stack, and what is secret is nowhere else.
func (in Inputs) dynamic(text string) (string, error) {
	before, rest, found := strings.Cut(text, resolving)
	if !found {
		return text, nil
	}
	ref, after, closed := strings.Cut(rest, "}}")
	if !closed {
		return text, nil // the rest is joined to it
	}
	name, _ := strings.CutPrefix(ref, "ssm:")
	v, ok := in.public(name)
	if !ok {
		v = resolving + ref + "}}"
	}
	if lacking := unresolved(v); lacking != "" {
		return "", broken("the dynamic reference %s is not built in Berth", lacking)
	}
	after, err := in.dynamic(after)
	return before + v + after, err
}

// resolving begins a dynamic reference.
const resolving = "{{resolve:"

// Dynamic reports whether a text has dynamic references that are resolved when
// its resource is made.
func Dynamic(text string) bool { return strings.Contains(text, resolving) }

// unresolved is the first dynamic reference of a text to a service that is not
// built. A public parameter's may only be to one that there is.
func unresolved(text string) string {
	for {
		_, rest, found := strings.Cut(text, resolving)
		if !found {
			return ""
		}
		ref, after, _ := strings.Cut(rest, "}}")
		service, name, _ := strings.Cut(ref, ":")
		if service != "ssm" && service != "secretsmanager" {
			return resolving + ref + "}}"
		}
		if service == "ssm" && strings.HasPrefix(name, publicNames) {
			return resolving + ref + "}}"
		}
		text = after
	}
}
