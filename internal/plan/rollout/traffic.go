package rollout

import (
	"fmt"
	"math"
	"slices"

	"berth/internal/model"
)

const badNetworking = "Service deployment rolled back because of invalid networking configuration: "

// advanced reports whether a load balancer entry has rules to be shifted.
func advanced(lb model.ServiceLoadBalancer) bool { return lb.AlternateTargetGroupARN != "" }

// forward are the weighted targets of a rule; none if it does not forward.
func forward(r model.ListenerRule) []model.WeightedTarget {
	for _, a := range r.Actions {
		if a.Type == "forward" {
			return a.Targets
		}
	}
	return nil
}

// serving are the target groups that a rule sends traffic to. A forward to
// one group alone serves it, whatever its weight says.
func serving(r model.ListenerRule) []string {
	ts := forward(r)
	if len(ts) == 1 {
		return []string{ts[0].TargetGroupARN}
	}
	var out []string
	for _, t := range ts {
		if t.Weight > 0 {
			out = append(out, t.TargetGroupARN)
		}
	}
	return out
}

// mostly is the group that a rule sends most of its traffic to.
func mostly(r model.ListenerRule) string {
	best := model.WeightedTarget{Weight: -1}
	for _, t := range forward(r) {
		if t.Weight > best.Weight {
			best = t
		}
	}
	return best.TargetGroupARN
}

func names(r model.ListenerRule, group string) bool {
	return slices.ContainsFunc(forward(r), func(t model.WeightedTarget) bool { return t.TargetGroupARN == group })
}

// groups chooses the target group of each load balancer for a new revision:
// the one that the production rule does not serve (1.9).
func (p *pass) groups(rev model.ServiceRevision, shifting bool) []string {
	var out []string
	for _, lb := range rev.LoadBalancers {
		group := lb.TargetGroupARN
		if advanced(lb) {
			live := mostly(p.w.Rules[lb.ProductionListenerRule])
			switch {
			case shifting && live == lb.TargetGroupARN:
				group = lb.AlternateTargetGroupARN
			case !shifting && live == lb.AlternateTargetGroupARN:
				group = lb.AlternateTargetGroupARN
			}
		}
		out = append(out, group)
	}
	return out
}

// settleGroups writes into a revision which target groups it uses, once.
func (p *pass) settleGroups(arn string, shifting bool) {
	rev := p.rev(arn)
	if len(rev.LoadBalancers) == 0 || len(rev.Groups) > 0 || rev.ARN == "" {
		return
	}
	rev = model.Clone(rev)
	rev.Groups = p.groups(rev, shifting)
	rev.TargetGroupARN = rev.Groups[0]
	p.revs[arn] = rev
	if r := p.rollout(arn); r != nil {
		r.TargetGroupARN = rev.TargetGroupARN
	}
}

// networking checks what AWS checks before it touches a rule (1.10). The
// answer is the reason to roll back, or "".
func (p *pass) networking() string {
	for _, lb := range p.rev(p.d.Target).LoadBalancers {
		if !advanced(lb) {
			continue
		}
		if why := p.networkingOf(lb); why != "" {
			return badNetworking + why
		}
	}
	return ""
}

func (p *pass) networkingOf(lb model.ServiceLoadBalancer) string {
	prod, ok := p.w.Rules[lb.ProductionListenerRule]
	if !ok {
		return "productionListenerRule " + lb.ProductionListenerRule + " was not found"
	}
	test, ok := p.w.Rules[lb.TestListenerRule]
	if !ok && lb.TestListenerRule != "" {
		return "testListenerRule " + lb.TestListenerRule + " was not found"
	}
	for _, t := range forward(prod) {
		if t.TargetGroupARN != lb.TargetGroupARN && t.TargetGroupARN != lb.AlternateTargetGroupARN {
			return fmt.Sprintf("Production listener rule is forwarding traffic to unexpected target group %s. Expected traffic to be forwarded "+
				"to either targetGroupArn: %s or alternateTargetGroupArn: %s",
				t.TargetGroupARN, lb.TargetGroupARN, lb.AlternateTargetGroupARN)
		}
	}
	if n := len(serving(prod)); n != 1 {
		return fmt.Sprintf(
			"productionListenerRule %s should have exactly one target group serving traffic but found %d target groups which are serving traffic",
			lb.ProductionListenerRule, n,
		)
	}
	for _, g := range []string{lb.TargetGroupARN, lb.AlternateTargetGroupARN} {
		// Without a test rule ECS attaches the missing group itself (8).
		if lb.TestListenerRule != "" && !names(prod, g) && !names(test, g) {
			return fmt.Sprintf("Target group %s is not associated with either productionListenerRule or testListenerRule.", g)
		}
	}
	return ""
}

// attach makes sure that the groups of green are behind some rule, since the
// targets of a group without one are never checked. It reports whether they are.
func (p *pass) attach() bool {
	done := true
	rev := p.rev(p.d.Target)
	for i, lb := range rev.LoadBalancers {
		if !advanced(lb) {
			continue
		}
		prod := p.w.Rules[lb.ProductionListenerRule]
		if names(prod, rev.Groups[i]) || names(p.w.Rules[lb.TestListenerRule], rev.Groups[i]) {
			continue
		}
		live := serving(prod)[0]
		done = p.shiftTo(lb, lb.ProductionListenerRule, live, rev.Groups[i], 100, "attach "+lastPart(rev.Groups[i])) && done
	}
	return done
}

// shiftTo compares a rule with the wanted weights (percent to the first group)
// and plans the change if they differ. It reports whether traffic goes by
// them. The order is first, then second; the
// rule becomes a forward to two groups with stickiness disabled (1.10).
func (p *pass) shiftTo(lb model.ServiceLoadBalancer, rule, first, second string, percent float64, why string) bool {
	live, ok := p.w.Rules[rule]
	if !ok {
		return true
	}
	want := weights(first, second, percent)
	// On the way back a rule that was never touched is left alone.
	if same(forward(live), want) || percent == 0 && slices.Equal(serving(live), []string{second}) {
		return live.InForce() // what follows counts on the traffic, not on the record
	}
	p.plan.Shifts = append(p.plan.Shifts, Shift{
		Rule: rule, Role: lb.RoleARN, Default: live.Default, Listener: live.Listener, Targets: want, Why: why,
	})
	return false
}

// weights are in percent; a fraction of a percent is expressed in tenths,
// which the 0 to 999 of a weight can hold only as parts of 999.
func weights(first, second string, percent float64) []model.WeightedTarget {
	a, b := int64(percent), int64(100-percent)
	if percent != math.Trunc(percent) {
		a = int64(math.Round(percent * 9.99))
		b = 999 - a
	}
	return []model.WeightedTarget{{TargetGroupARN: first, Weight: a}, {TargetGroupARN: second, Weight: b}}
}

// same compares weights regardless of order.
func same(a, b []model.WeightedTarget) bool {
	if len(a) != len(b) {
		return false
	}
	for _, t := range a {
		if !slices.Contains(b, t) {
			return false
		}
	}
	return true
}

// other is the second of the two groups of a load balancer.
func other(lb model.ServiceLoadBalancer, group string) string {
	if group == lb.TargetGroupARN {
		return lb.AlternateTargetGroupARN
	}
	return lb.TargetGroupARN
}

// shift moves the production or the test rules so that green gets percent of
// the traffic. It reports whether they are there.
func (p *pass) shift(test bool, percent float64, why string) bool {
	done := true
	rev := p.rev(p.d.Target)
	for i, lb := range rev.LoadBalancers {
		rule := lb.ProductionListenerRule
		if test {
			rule = lb.TestListenerRule
		}
		if !advanced(lb) || rule == "" || i >= len(rev.Groups) {
			continue
		}
		done = p.shiftTo(lb, rule, rev.Groups[i], other(lb, rev.Groups[i]), percent, why) && done
	}
	return done
}

// percents are weights by service revision, as hooks and answers show them.
func (p *pass) percents(green float64) map[string]float64 {
	out := map[string]float64{p.d.Target: green}
	if b := p.blue(); b != "" {
		out[b] = 100 - green
	}
	return out
}
