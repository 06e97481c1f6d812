package template

import (
	"strings"
)

// publicNames begin the names of Systems Manager's public parameters, and
// publicReference a dynamic reference to one.
const (
	publicNames     = "/aws/service/"
	publicReference = "{{resolve:ssm:" + publicNames
)

// resolve is the value of a parameter whose name in Systems Manager is given;
// of all others it is what is given.
func (in Inputs) resolve(p Parameter, given string) (string, error) {
	if _, named := p.stored(); !named {
		return given, nil
	}
	if v, ok := in.public(given); ok {
		return v, nil
	}
	if strings.HasPrefix(given, publicNames) {
		return "", invalid("Parameter '%s': the public parameter %s is not built in Berth: those of ECS-optimized images of Amazon Linux are", p.Name, given)
	}
	return "", invalid("Unable to fetch parameters [%s] from parameter store for this account.", given)
}

// public finds a public parameter; a version is that of the only one.
func (in Inputs) public(name string) (string, bool) {
	if in.Public == nil {
		return "", false
	}
	return in.Public(strings.TrimSuffix(name, ":1"))
}

// dynamic is a text with its references to public parameters resolved; there
// are no others.
func (in Inputs) dynamic(text string) (string, error) {
	before, rest, found := strings.Cut(text, "{{resolve:")
	if !found {
		return text, nil
	}
	ref, after, closed := strings.Cut(rest, "}}")
	name, ssm := strings.CutPrefix(ref, "ssm:")
	v, ok := in.public(name)
	if !closed || !ssm || !ok {
		return "", broken("the dynamic reference in '%s' is not built in Berth", text)
	}
	after, err := in.dynamic(after)
	return before + v + after, err
}
