package ssm

import (
	"slices"
	"strings"

	"berth/internal/fault"
	"berth/internal/model"
	"berth/internal/wire"
	shape "berth/internal/wire/shape/ssm"
)

// filterOptions are the options of each key, the usual one first (API reference,
// ParameterStringFilter).
var filterOptions = map[string][]string{
	"Name": {"Equals", "BeginsWith", "Contains"}, "Path": {"OneLevel", "Recursive"}, "Type": {"Equals", "BeginsWith"},
	"KeyId": {"Equals", "BeginsWith"}, "Label": {"Equals"}, "Tier": {"Equals"}, "DataType": {"Equals"}, "tag:": {"Equals"},
}

// pathKeys are those that GetParametersByPath knows.
var pathKeys = []string{"Type", "KeyId", "Label"}

// filterKey is a filter's key without a tag's name.
func filterKey(f shape.ParameterStringFilter) string {
	if strings.HasPrefix(wire.Val(f.Key), "tag:") {
		return "tag:"
	}
	return wire.Val(f.Key)
}

// checkFilters refuses filters that are none.
func checkFilters(all []shape.ParameterStringFilter, known []string) error {
	for _, f := range all {
		options, ok := filterOptions[filterKey(f)]
		option := wire.Val(f.Option)
		switch {
		case !ok || known != nil && !slices.Contains(known, filterKey(f)):
			return fault.New(fault.Invalid, "InvalidFilterKey", "The following filter key is not valid: %s.", wire.Val(f.Key))
		case option != "" && !slices.Contains(options, option):
			return fault.New(
				fault.Invalid, "InvalidFilterOption", "The following filter option is not valid: %s. Valid options include: [%s]", option,
				strings.Join(options, ", "),
			)
		case len(f.Values) == 0 && filterKey(f) != "tag:":
			return fault.New(fault.Invalid, "InvalidFilterValue", "The filter %s needs values.", wire.Val(f.Key))
		}
	}
	return nil
}

// passes reports whether a parameter passes all filters.
func passes(p model.Parameter, all []shape.ParameterStringFilter) bool {
	return !slices.ContainsFunc(all, func(f shape.ParameterStringFilter) bool {
		options := filterOptions[filterKey(f)]
		return !passesOne(p, f, wire.Or(f.Option, options[0]))
	})
}

func passesOne(p model.Parameter, f shape.ParameterStringFilter, option string) bool {
	has := values(p, f)
	if len(f.Values) == 0 {
		return len(has) > 0 // a tag with any value
	}
	return slices.ContainsFunc(f.Values, func(want string) bool {
		return slices.ContainsFunc(has, func(v string) bool { return fits(v, want, option) })
	})
}

func fits(v, want, option string) bool {
	switch option {
	case "BeginsWith":
		return strings.HasPrefix(v, want)
	case "Contains":
		return strings.Contains(v, want)
	case "Recursive", "OneLevel":
		rest, below := strings.CutPrefix(v, strings.TrimSuffix(want, "/")+"/")
		return below && (option == "Recursive" || !strings.Contains(rest, "/"))
	default:
		return v == want
	}
}

// values are what a parameter has for a filter.
func values(p model.Parameter, f shape.ParameterStringFilter) []string {
	v := p.Newest()
	switch filterKey(f) {
	case "Name":
		return []string{p.Name, strings.TrimPrefix(p.Name, "/")}
	case "Path":
		return []string{p.Name}
	case "Type":
		return []string{v.Type}
	case "KeyId":
		if v.Type == model.ParameterSecure {
			return []string{usualKey}
		}
		return nil
	case "Label":
		var out []string
		for _, v := range p.Versions {
			out = append(out, v.Labels...)
		}
		return out
	case "Tier":
		return []string{v.Tier}
	case "DataType":
		return []string{v.DataType}
	default:
		var out []string
		for _, t := range p.Tags {
			if t.Key == strings.TrimPrefix(wire.Val(f.Key), "tag:") {
				out = append(out, t.Value)
			}
		}
		return out
	}
}
