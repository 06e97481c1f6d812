package elbv2

import (
	"net/netip"
	"regexp"
	"strings"

	"berth/internal/model"
	"berth/internal/wire"
	shape "berth/internal/wire/shape/elbv2"
)

// readConditions reads and checks the conditions of a rule.
func readConditions(in []shape.RuleCondition) ([]model.Condition, error) {
	if len(in) == 0 {
		return nil, invalid("A condition must be specified")
	}
	var out []model.Condition
	values, wild, seen := 0, 0, map[string]bool{}
	for _, c := range in {
		x, err := readCondition(c)
		if err != nil {
			return nil, err
		}
		switch x.Field {
		case "http-header", "query-string":
		default:
			if seen[x.Field] {
				return nil, invalid("A rule can only have one '%s' condition", x.Field)
			}
			seen[x.Field] = true
		}
		for _, v := range x.Values {
			wild += strings.Count(v, "*") + strings.Count(v, "?")
		}
		for _, q := range x.Query {
			wild += strings.Count(q.Name+q.Value, "*") + strings.Count(q.Name+q.Value, "?")
		}
		values += len(x.Values) + len(x.Query) + len(x.Regex)
		out = append(out, x)
	}
	if values > 5 {
		return nil, invalid("A rule can only have '5' condition values")
	}
	if wild > 5 {
		return nil, invalid("A rule can only have '5' wildcards")
	}
	return out, nil
}

func readCondition(c shape.RuleCondition) (model.Condition, error) {
	x := model.Condition{Field: wire.Val(c.Field)}
	var inner, regex []string
	switch x.Field {
	case "path-pattern":
		if c.PathPatternConfig != nil {
			inner, regex = c.PathPatternConfig.Values, c.PathPatternConfig.RegexValues
		}
	case "host-header":
		if c.HostHeaderConfig != nil {
			inner, regex = c.HostHeaderConfig.Values, c.HostHeaderConfig.RegexValues
		}
	case "http-header":
		if c.HttpHeaderConfig == nil {
			return x, invalid("An HTTP header configuration must be specified for conditions of field 'http-header'")
		}
		x.HeaderName, inner, regex = wire.Val(c.HttpHeaderConfig.HttpHeaderName), c.HttpHeaderConfig.Values, c.HttpHeaderConfig.RegexValues
	case "http-request-method":
		if c.HttpRequestMethodConfig != nil {
			inner = c.HttpRequestMethodConfig.Values
		}
	case "source-ip":
		if c.SourceIpConfig != nil {
			inner = c.SourceIpConfig.Values
		}
	case "query-string":
		return readQuery(c, x)
	default:
		return x, invalid(
			"Condition field '%s' must be one of '[path-pattern, host-header, http-header, http-request-method, query-string, source-ip]'", x.Field,
		)
	}
	if len(c.Values) > 0 && len(inner) > 0 {
		return x, invalid("You cannot specify both 'Values' and the configuration of the condition field '%s'", x.Field)
	}
	x.Values = append(append(x.Values, c.Values...), inner...)
	x.Regex = append(append(x.Regex, c.RegexValues...), regex...)
	return x, checkValues(x)
}

func readQuery(c shape.RuleCondition, x model.Condition) (model.Condition, error) {
	if c.QueryStringConfig == nil || len(c.QueryStringConfig.Values) == 0 {
		return x, invalid("A query string configuration must be specified for conditions of field 'query-string'")
	}
	for _, q := range c.QueryStringConfig.Values {
		if wire.Val(q.Value) == "" {
			return x, invalid("A query string value must be specified")
		}
		x.Query = append(x.Query, model.KeyValue{Name: wire.Val(q.Key), Value: wire.Val(q.Value)})
	}
	return x, nil
}

func checkValues(x model.Condition) error {
	if len(x.Values)+len(x.Regex) == 0 {
		return invalid("A condition value must be specified")
	}
	for _, v := range x.Values {
		switch {
		case v == "":
			return invalid("A condition value must be specified")
		case len(v) > 128:
			return invalid("Condition value '%s' cannot be longer than '128' characters", v)
		case x.Field == "source-ip":
			if _, err := netip.ParsePrefix(v); err != nil {
				return invalid("The source IP address '%s' must be in CIDR format", v)
			}
		case x.Field == "http-request-method" && strings.Trim(v, "ABCDEFGHIJKLMNOPQRSTUVWXYZ-_") != "":
			return invalid("The HTTP request method '%s' can only contain the characters A-Z, hyphen (-) and underscore (_)", v)
		}
	}
	for _, v := range x.Regex {
		if _, err := regexp.Compile(v); err != nil {
			return invalid("The regular expression '%s' is not valid", v)
		}
	}
	return nil
}

func showConditions(in []model.Condition) []shape.RuleCondition {
	out := make([]shape.RuleCondition, 0, len(in))
	for _, x := range in {
		out = append(out, showCondition(x))
	}
	return out
}

// showCondition writes a condition; paths and hosts are told twice, as AWS
// does (docs/facts/deployments.md D125).
func showCondition(x model.Condition) shape.RuleCondition {
	c := shape.RuleCondition{Field: wire.Ptr(x.Field)}
	switch x.Field {
	case "path-pattern":
		c.Values, c.RegexValues = x.Values, x.Regex
		c.PathPatternConfig = &shape.PathPatternConditionConfig{Values: x.Values, RegexValues: x.Regex}
	case "host-header":
		c.Values, c.RegexValues = x.Values, x.Regex
		c.HostHeaderConfig = &shape.HostHeaderConditionConfig{Values: x.Values, RegexValues: x.Regex}
	case "http-header":
		c.HttpHeaderConfig = &shape.HttpHeaderConditionConfig{HttpHeaderName: wire.Ptr(x.HeaderName), Values: x.Values, RegexValues: x.Regex}
	case "http-request-method":
		c.HttpRequestMethodConfig = &shape.HttpRequestMethodConditionConfig{Values: x.Values}
	case "source-ip":
		c.SourceIpConfig = &shape.SourceIpConditionConfig{Values: x.Values}
	case "query-string":
		c.QueryStringConfig = &shape.QueryStringConditionConfig{}
		for _, q := range x.Query {
			p := shape.QueryStringKeyValuePair{Value: wire.Ptr(q.Value)}
			if q.Name != "" {
				p.Key = wire.Ptr(q.Name)
			}
			c.QueryStringConfig.Values = append(c.QueryStringConfig.Values, p)
		}
	}
	return c
}
