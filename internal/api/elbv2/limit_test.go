package elbv2_test

import (
	"strings"
	"testing"

	"berth/internal/wire"
	shape "berth/internal/wire/shape/elbv2"
)

// Proves: D68
func TestARuleHasFewValuesAndWildcards(t *testing.T) {
	a, db := newAPI(t)
	gateway(t, db)
	lb, tg := balancer(t, a, "web"), group(t, a, "tg")
	out, err := a.CreateListener(t.Context(), &shape.CreateListenerInput{
		LoadBalancerArn: &lb, Port: wire.Ptr[int64](80), Protocol: wire.Ptr("HTTP"), DefaultActions: forward(tg),
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name, code string
		values     string
	}{
		{"five values", "", "/a /b /c /d /e"},
		{"six values", "ValidationError", "/a /b /c /d /e /f"},
		{"five wildcards", "", "/a/*/*/b?/* /c*"},
		{"six wildcards", "ValidationError", "/a/*/*/b?/* /c*/*"},
	} {
		_, err := a.CreateRule(t.Context(), &shape.CreateRuleInput{
			ListenerArn: out.Listeners[0].ListenerArn, Priority: wire.Ptr(int64(1 + len(c.values)*10 + len(c.name))), Actions: forward(tg),
			Conditions: []shape.RuleCondition{{
				Field: wire.Ptr("path-pattern"), PathPatternConfig: &shape.PathPatternConditionConfig{Values: strings.Fields(c.values)},
			}},
		})
		if c.code == "" && err != nil {
			t.Errorf("%s: %v", c.name, err)
		}
		if c.code != "" {
			refused(t, err, c.code, "")
		}
	}
}
