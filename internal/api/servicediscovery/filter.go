package servicediscovery

import (
	"slices"
	"strconv"
	"strings"
	"time"

	"berth/internal/wire"
)

// filter is one of a list's, whatever the list.
type filter struct {
	name, condition string
	values          []string
}

func asFilter(name, condition *string, values []string) filter {
	return filter{wire.Val(name), wire.Or(condition, "EQ"), values}
}

// check refuses what a filter of the name does not know: each knows EQ, and those
// named here know others (API reference, NamespaceFilter, OperationFilter).
func (f filter) check() error {
	known := map[string]string{"TYPE": "IN", "STATUS": "IN", "NAME": "BEGINS_WITH", "HTTP_NAME": "BEGINS_WITH", "UPDATE_DATE": "BETWEEN"}
	if f.condition != known[f.name] && (f.condition != "EQ" || f.name == "UPDATE_DATE") {
		return invalid("The condition %s is not valid for the filter %s.", f.condition, f.name)
	}
	want := 1
	if f.condition == "BETWEEN" {
		want = 2
	}
	if f.condition != "IN" && len(f.values) != want || len(f.values) == 0 {
		return invalid("The filter %s with the condition %s takes %d values.", f.name, f.condition, want)
	}
	if f.condition == "BETWEEN" {
		for _, v := range f.values {
			if _, err := strconv.ParseInt(v, 10, 64); err != nil {
				return invalid("%s is not a time in seconds.", v)
			}
		}
	}
	return nil
}

// takes reports whether a value passes the filter.
func (f filter) takes(value string) bool {
	switch f.condition {
	case "BEGINS_WITH":
		return strings.HasPrefix(value, f.values[0])
	case "BETWEEN":
		return number(f.values[0]) <= number(value) && number(value) <= number(f.values[1])
	}
	return slices.Contains(f.values, value)
}

func number(s string) int64 {
	n, _ := strconv.ParseInt(s, 10, 64) // check has read it
	return n
}

func seconds(t time.Time) string { return strconv.FormatInt(t.Unix(), 10) }

// keep are the items that pass all filters; of says what a filter looks at.
func keep[T any](items []T, fs []filter, of func(item T, name string) string) ([]T, error) {
	for _, f := range fs {
		if err := f.check(); err != nil {
			return nil, err
		}
		items = slices.DeleteFunc(items, func(x T) bool { return !f.takes(of(x, f.name)) })
	}
	return items, nil
}
