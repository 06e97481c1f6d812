package ec2

import (
	"fmt"
	"slices"
	"strings"

	"berth/internal/fault"
	"berth/internal/model"
	"berth/internal/page"
	"berth/internal/wire"
	shape "berth/internal/wire/shape/ec2"
)

// noun describes how the records of one kind are listed: by id, by filters
// and in pages.
type noun[T any] struct {
	id func(T) string
	// key is what lists are in order of, if an id can belong to several.
	key func(T) string
	// absent is the error code for an id that is not there, and what EC2
	// calls the thing in its text.
	absent, called string
	tags           func(T) []model.Tag
	// filters give the values of a record that a filter is held against.
	filters map[string]func(T) []string
}

// query is what every Describe call has in common.
type query struct {
	in      any // the call's input, for its page
	pages   page.Rules
	ids     []string
	filters []shape.Filter
	account string
}

func (a *API) query(in any, ids []string, filters []shape.Filter) query {
	return query{in, pages, ids, filters, a.Place.Account}
}

// usual is the query with pages of a size when none is asked for.
func (q query) usual(n int64) query {
	q.pages.Usual = n
	return q
}

// list selects records. They come in order of ids; those asked for by id must
// all be there.
func (n noun[T]) list(all []T, q query) ([]T, *string, error) {
	if err := n.present(all, q.ids); err != nil {
		return nil, nil, err
	}
	n.filters = with(n.filters, "owner-id", fixed[T](q.account))
	if err := n.known(q.filters); err != nil {
		return nil, nil, err
	}
	var out []T
	for _, v := range all {
		if len(q.ids) > 0 && !slices.Contains(q.ids, n.id(v)) {
			continue
		}
		ok, err := n.match(v, q.filters)
		if err != nil {
			return nil, nil, err
		}
		if ok {
			out = append(out, v)
		}
	}
	key := n.key
	if key == nil {
		key = n.id
	}
	slices.SortFunc(out, func(x, y T) int { return strings.Compare(key(x), key(y)) })
	return page.Cut(q.pages, q.in, out, key)
}

func (n noun[T]) present(all []T, ids []string) error {
	var missing []string
	for _, id := range ids {
		if !slices.ContainsFunc(all, func(v T) bool { return n.id(v) == id }) {
			missing = append(missing, id)
		}
	}
	if len(missing) == 0 {
		return nil
	}
	return lost(n.absent, n.called, missing...)
}

// gone is the error for one id that is not there.
func (n noun[T]) gone(id string) error { return lost(n.absent, n.called, id) }

// unnamed is the error for a name that nothing has.
func (n noun[T]) unnamed(name string) error {
	return fault.New(fault.NotFound, n.absent, "The %s '%s' does not exist", n.called, name)
}

// form is how the ids of a kind begin, and the code for one of another form.
type form struct{ prefix, malformed string }

// forms are by the code for an id that is not there. EC2 spells them in two
// ways, and has none for some kinds: their ids are looked for whatever they
// look like.
var forms = map[string]form{
	"InvalidVpcID.NotFound":                       {"vpc", "InvalidVpcID.Malformed"},
	"InvalidSubnetID.NotFound":                    {"subnet", "InvalidSubnetID.Malformed"},
	"InvalidInternetGatewayID.NotFound":           {"igw", "InvalidInternetGatewayId.Malformed"},
	"NatGatewayNotFound":                          {"nat", "NatGatewayMalformed"},
	"InvalidNatGatewayID.NotFound":                {"nat", "NatGatewayMalformed"},
	"InvalidRouteTableID.NotFound":                {"rtb", "InvalidRouteTableId.Malformed"},
	"InvalidGroup.NotFound":                       {"sg", "InvalidGroupId.Malformed"},
	"InvalidSecurityGroupRuleId.NotFound":         {"sgr", "InvalidSecurityGroupRuleId.Malformed"},
	"InvalidVpcEndpointId.NotFound":               {"vpce", "InvalidVpcEndpointId.Malformed"},
	"InvalidNetworkAclID.NotFound":                {"acl", "InvalidNetworkAclId.Malformed"},
	"InvalidDhcpOptionID.NotFound":                {"dopt", "InvalidDhcpOptionsId.Malformed"},
	"InvalidNetworkInterfaceID.NotFound":          {"eni", "InvalidNetworkInterfaceId.Malformed"},
	"InvalidInstanceID.NotFound":                  {"i", "InvalidInstanceID.Malformed"},
	"InvalidAMIID.NotFound":                       {"ami", "InvalidAMIID.Malformed"},
	"InvalidLaunchTemplateId.NotFound":            {"lt", "InvalidLaunchTemplateId.Malformed"},
	"InvalidPrefixListID.NotFound":                {"pl", "InvalidPrefixListId.Malformed"},
	"InvalidVpcPeeringConnectionID.NotFound":      {"pcx", "InvalidVpcPeeringConnectionId.Malformed"},
	"InvalidEgressOnlyInternetGatewayId.NotFound": {"eigw", "InvalidEgressOnlyInternetGatewayId.Malformed"},
}

// has reports whether an id is of the form: the prefix, a hyphen, and eight or
// seventeen hexadecimal digits.
func (f form) has(id string) bool {
	digits, ok := strings.CutPrefix(id, f.prefix+"-")
	return ok && (len(digits) == 8 || len(digits) == 17) && strings.Trim(digits, "0123456789abcdef") == ""
}

// lost is the error for ids that are not there: one that is none of the kind
// is refused as that before any is looked for.
func lost(absent, called string, ids ...string) error {
	if f, ok := forms[absent]; ok {
		for _, id := range ids {
			if !f.has(id) {
				return fault.New(fault.Invalid, f.malformed, `Invalid id: "%s" (expecting "%s-...")`, id, f.prefix)
			}
		}
	}
	if len(ids) == 1 {
		return fault.New(fault.NotFound, absent, "The %s '%s' does not exist", called, ids[0])
	}
	return fault.New(fault.NotFound, absent, "The %ss '%s' do not exist", called, strings.Join(ids, ", "))
}

func (n noun[T]) known(filters []shape.Filter) error {
	for _, f := range filters {
		name := wire.Val(f.Name)
		if _, ok := n.filters[name]; !ok && (n.tags == nil || !tagFilter(name)) {
			return value("The filter '%s' is invalid", name)
		}
	}
	return nil
}

func tagFilter(name string) bool {
	return strings.HasPrefix(name, "tag:") || name == "tag-key" || name == "tag-value"
}

// match: every filter must hold; of a filter, one value.
func (n noun[T]) match(v T, filters []shape.Filter) (bool, error) {
	for _, f := range filters {
		name := wire.Val(f.Name)
		if len(f.Values) == 0 {
			return false, value("No values were given for the filter '%s'", name)
		}
		have := n.have(v, name)
		if !slices.ContainsFunc(have, func(h string) bool {
			return slices.ContainsFunc(f.Values, func(p string) bool { return wild(p, h) })
		}) {
			return false, nil
		}
	}
	return true, nil
}

func (n noun[T]) have(v T, name string) []string {
	if of, ok := n.filters[name]; ok {
		return of(v)
	}
	if n.tags == nil {
		return nil
	}
	var out []string
	for _, t := range n.tags(v) {
		switch {
		case name == "tag-key":
			out = append(out, t.Key)
		case name == "tag-value", name == "tag:"+t.Key:
			out = append(out, t.Value)
		}
	}
	return out
}

// wild matches EC2's filter patterns: * any characters, ? one, \ escapes. It
// goes back to the last star only, so that no pattern takes long.
func wild(pattern, s string) bool {
	p, i := 0, 0
	star, from := -1, 0
	for i < len(s) {
		switch step, ok := single(pattern, p, s[i]); {
		case p < len(pattern) && pattern[p] == '*':
			star, from = p, i
			p++
		case ok:
			p, i = p+step, i+1
		case star >= 0:
			from++
			p, i = star+1, from
		default:
			return false
		}
	}
	return strings.Trim(pattern[p:], "*") == ""
}

// single reports whether one element of a pattern, of the given length,
// matches a character.
func single(pattern string, p int, c byte) (int, bool) {
	switch {
	case p >= len(pattern):
		return 0, false
	case pattern[p] == '?':
		return 1, true
	case pattern[p] == '\\' && p+1 < len(pattern):
		return 2, pattern[p+1] == c
	}
	return 1, pattern[p] == c
}

// pages are the rules of this service's lists.
var pages = page.Rules{
	Refuse: func(token string) error {
		return value("Value ( %s ) for parameter NextToken is invalid. The token is invalid.", token)
	},
	Size: func(n int64) error {
		if n < 1 {
			return value("Value ( %d ) for parameter maxResults is invalid. Expecting a value greater than or equal to 5.", n)
		}
		return nil
	},
}

// one is a filter on a single value.
func one[T any](f func(T) string) func(T) []string {
	return func(v T) []string { return []string{f(v)} }
}

// flag is a filter on a truth.
func flag[T any](f func(T) bool) func(T) []string {
	return func(v T) []string { return []string{fmt.Sprint(f(v))} }
}

// fixed is a filter on what all records share.
func fixed[T any](s string) func(T) []string { return func(T) []string { return []string{s} } }

// each shapes a list.
func each[T, S any](in []T, f func(T) S) []S {
	out := make([]S, len(in))
	for i, v := range in {
		out[i] = f(v)
	}
	return out
}

// with adds a filter that needs more than the record.
func with[T any](filters map[string]func(T) []string, name string, f func(T) []string) map[string]func(T) []string {
	out := map[string]func(T) []string{name: f}
	for k, v := range filters {
		if k != name {
			out[k] = v
		}
	}
	return out
}

func number(n int64) string { return fmt.Sprint(n) }
