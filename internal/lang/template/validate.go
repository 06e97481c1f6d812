package template

import (
	"slices"
	"strings"
)

// Validate holds every active resource against the facts of its type, before
// anything exists. Errors are in CloudFormation's words.
func (b *Bound) Validate() error {
	if err := b.Template.KnownTypes(); err != nil {
		return err
	}
	for _, r := range b.active {
		props, err := b.Properties(r.ID, Nothing)
		if err != nil {
			return err
		}
		t, _ := TypeOf(r.Type)
		if _, problems := t.Coerce(props); len(problems) > 0 {
			return Problem(r.ID, problems)
		}
	}
	return nil
}

// KnownTypes refuses resource types that Berth does not build.
func (t *Template) KnownTypes() error {
	var unknown []string
	for _, r := range t.Resources {
		if _, ok := TypeOf(r.Type); !ok && !slices.Contains(unknown, r.Type) {
			unknown = append(unknown, r.Type)
		}
	}
	if len(unknown) == 0 {
		return nil
	}
	slices.Sort(unknown)
	return malformed("Unrecognized resource types: [%s]", strings.Join(unknown, ", "))
}
