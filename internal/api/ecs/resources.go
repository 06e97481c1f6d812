package ecs

import "berth/internal/ident"

func (a *API) definitionARN(given string) string {
	if d, ok := definition(a.view(), given); ok {
		return d.ARN
	}
	return a.whole("task-definition", "", ident.Last(given))
}

// Finders find what resources.txt names.
func (a *API) Finders() map[string]func(...string) string {
	return map[string]func(...string) string{
		"name":       func(v ...string) string { return ident.Last(v[0]) },
		"definition": func(v ...string) string { return a.definitionARN(v[0]) },
	}
}
