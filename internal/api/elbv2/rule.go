package elbv2

import (
	"context"
	"slices"
	"strconv"
	"strings"

	"berth/internal/fault"
	"berth/internal/model"
	"berth/internal/page"
	"berth/internal/state"
	"berth/internal/store"
	"berth/internal/wire"
	shape "berth/internal/wire/shape/elbv2"
)

func priorityInUse(p int64) error {
	return fault.New(fault.Conflict, "PriorityInUse", "Priority '%d' is currently in use", p)
}

// CreateRule makes a rule. Errors: ListenerNotFound, PriorityInUse,
// TargetGroupNotFound, TargetGroupAssociationLimit, InvalidLoadBalancerAction,
// TooManyRules, ValidationError, InvalidConfigurationRequest,
// TooManyUniqueTargetGroupsPerLoadBalancer, DuplicateTagKeys, TooManyTags,
// NotImplemented.
func (a *API) CreateRule(ctx context.Context, in *shape.CreateRuleInput) (*shape.CreateRuleOutput, error) {
	conditions, err := readConditions(in.Conditions)
	if err != nil {
		return nil, err
	}
	actions, err := readActions(in.Actions)
	if err != nil {
		return nil, err
	}
	tags, err := readTags(in.Tags)
	if err != nil {
		return nil, err
	}
	if err := checkPriority(wire.Val(in.Priority)); err != nil {
		return nil, err
	}
	r := model.ListenerRule{
		ARN: ruleARN(wire.Val(in.ListenerArn), a.IDs.Hex(16)), Listener: wire.Val(in.ListenerArn),
		Priority: wire.Val(in.Priority), Conditions: conditions, Actions: actions, Tags: tags, Changes: 1,
	}
	err = a.update(ctx, func(tx *store.Tx) error {
		l, ok := state.Listeners.Get(tx, r.Listener)
		if !ok {
			return noListener(r.Listener)
		}
		others := state.ListenerRules.By(tx, "listener", r.Listener)
		for _, o := range others {
			if !o.Default && o.Priority == r.Priority {
				return priorityInUse(r.Priority)
			}
		}
		if len(others) > 100 {
			return fault.New(fault.Invalid, "TooManyRules", "The maximum number of rules has been reached")
		}
		if err := checkTargets(tx, l.LoadBalancer, r.ARN, actions); err != nil {
			return err
		}
		return state.ListenerRules.Put(tx, r)
	})
	if err != nil {
		return nil, err
	}
	return &shape.CreateRuleOutput{Rules: []shape.Rule{showRule(r)}}, nil
}

func checkPriority(p int64) error {
	if p < 1 || p > 50000 {
		return invalid("Priority '%d' must be between '1' and '50000'", p)
	}
	return nil
}

func showRule(r model.ListenerRule) shape.Rule {
	p := "default"
	if !r.Default {
		p = strconv.FormatInt(r.Priority, 10)
	}
	return shape.Rule{
		RuleArn: wire.Ptr(r.ARN), Priority: wire.Ptr(p), IsDefault: wire.Ptr(r.Default),
		Conditions: showConditions(r.Conditions), Actions: showActions(r.Actions),
	}
}

// DescribeRules lists the rules of a listener in order of evaluation, or
// those named. Errors: ListenerNotFound, RuleNotFound, ValidationError.
func (a *API) DescribeRules(_ context.Context, in *shape.DescribeRulesInput) (*shape.DescribeRulesOutput, error) {
	v := a.DB.View()
	var all []model.ListenerRule
	switch l := wire.Val(in.ListenerArn); {
	case l != "" && len(in.RuleArns) > 0:
		return nil, invalid("You can only specify either a listener ARN or rule ARNs, not both")
	case l != "":
		if _, ok := state.Listeners.Get(v, l); !ok {
			return nil, noListener(l)
		}
		all = Ordered(state.ListenerRules.By(v, "listener", l))
	case len(in.RuleArns) == 0:
		return nil, invalid("You must specify either a listener ARN or rule ARNs")
	}
	for _, arn := range in.RuleArns {
		r, ok := state.ListenerRules.Get(v, arn)
		if !ok {
			return nil, noRule(arn)
		}
		all = append(all, r)
	}
	all, next, err := page.Cut(pages, in, all, ruleKey)
	if err != nil {
		return nil, err
	}
	out := &shape.DescribeRulesOutput{NextMarker: next, Rules: []shape.Rule{}}
	for _, r := range all {
		out.Rules = append(out.Rules, showRule(r))
	}
	return out, nil
}

// Ordered sorts rules as they are evaluated: by priority, the default last.
func Ordered(rules []model.ListenerRule) []model.ListenerRule {
	out := slices.Clone(rules)
	slices.SortFunc(out, func(x, y model.ListenerRule) int { return strings.Compare(ruleKey(x), ruleKey(y)) })
	return out
}

// ruleKey is in the order of evaluation: the default rule comes last.
func ruleKey(r model.ListenerRule) string {
	return page.Key(strconv.FormatBool(r.Default), page.Number(r.Priority), r.ARN)
}

// ModifyRule replaces the conditions or the actions of a rule. Errors:
// RuleNotFound, OperationNotPermitted, TargetGroupNotFound,
// TargetGroupAssociationLimit, InvalidLoadBalancerAction,
// InvalidConfigurationRequest, TooManyUniqueTargetGroupsPerLoadBalancer,
// ValidationError, NotImplemented.
func (a *API) ModifyRule(ctx context.Context, in *shape.ModifyRuleInput) (*shape.ModifyRuleOutput, error) {
	var conditions []model.Condition
	var actions []model.Action
	var err error
	if len(in.Conditions) > 0 {
		if conditions, err = readConditions(in.Conditions); err != nil {
			return nil, err
		}
	}
	if len(in.Actions) > 0 {
		if actions, err = readActions(in.Actions); err != nil {
			return nil, err
		}
	}
	arn := wire.Val(in.RuleArn)
	var out shape.Rule
	err = a.update(ctx, func(tx *store.Tx) error {
		r, ok := state.ListenerRules.Get(tx, arn)
		switch {
		case !ok:
			return noRule(arn)
		case r.Default:
			return fault.New(fault.Invalid, "OperationNotPermitted", "Default rule '%s' cannot be modified", arn)
		}
		l, _ := state.Listeners.Get(tx, r.Listener)
		if err := checkTargets(tx, l.LoadBalancer, arn, actions); err != nil {
			return err
		}
		err := state.ListenerRules.Edit(tx, arn, func(r *model.ListenerRule) error {
			if conditions != nil {
				r.Conditions = conditions
			}
			if actions != nil {
				r.Actions = actions
				r.Changes++
			}
			return nil
		})
		r, _ = state.ListenerRules.Get(tx, arn)
		out = showRule(r)
		return err
	})
	if err != nil {
		return nil, err
	}
	return &shape.ModifyRuleOutput{Rules: []shape.Rule{out}}, nil
}

// DeleteRule removes a rule. Errors: RuleNotFound, OperationNotPermitted.
func (a *API) DeleteRule(ctx context.Context, in *shape.DeleteRuleInput) (*shape.DeleteRuleOutput, error) {
	arn := wire.Val(in.RuleArn)
	return &shape.DeleteRuleOutput{}, a.update(ctx, func(tx *store.Tx) error {
		r, ok := state.ListenerRules.Get(tx, arn)
		switch {
		case !ok:
			return noRule(arn)
		case r.Default:
			return fault.New(fault.Invalid, "OperationNotPermitted", "Default rule '%s' cannot be deleted", arn)
		}
		return state.ListenerRules.Delete(tx, arn)
	})
}

// SetRulePriorities gives rules of one listener new priorities at once.
// Errors: RuleNotFound, PriorityInUse, OperationNotPermitted, ValidationError.
func (a *API) SetRulePriorities(ctx context.Context, in *shape.SetRulePrioritiesInput) (*shape.SetRulePrioritiesOutput, error) {
	priorities := map[string]int64{}
	for _, p := range in.RulePriorities {
		if err := checkPriority(wire.Val(p.Priority)); err != nil {
			return nil, err
		}
		priorities[wire.Val(p.RuleArn)] = wire.Val(p.Priority)
	}
	out := &shape.SetRulePrioritiesOutput{Rules: []shape.Rule{}}
	err := a.update(ctx, func(tx *store.Tx) error {
		for _, p := range in.RulePriorities {
			r, ok := state.ListenerRules.Get(tx, wire.Val(p.RuleArn))
			switch {
			case !ok:
				return noRule(wire.Val(p.RuleArn))
			case r.Default:
				return fault.New(fault.Invalid, "OperationNotPermitted", "The priority of default rule '%s' cannot be changed", r.ARN)
			}
			for _, o := range state.ListenerRules.By(tx, "listener", r.Listener) {
				now := o.Priority
				if w, ok := priorities[o.ARN]; ok {
					now = w
				}
				if o.ARN != r.ARN && !o.Default && now == priorities[r.ARN] {
					return priorityInUse(now)
				}
			}
			if err := state.ListenerRules.Edit(tx, r.ARN, func(x *model.ListenerRule) error {
				x.Priority = priorities[x.ARN]
				return nil
			}); err != nil {
				return err
			}
			r.Priority = priorities[r.ARN]
			out.Rules = append(out.Rules, showRule(r))
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return out, nil
}
