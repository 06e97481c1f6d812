package service

import (
	"context"
	"encoding/json"
	"fmt"

	"berth/internal/control"
	"berth/internal/fault"
	"berth/internal/model"
	"berth/internal/plan/rollout"
	"berth/internal/state"
	"berth/internal/store"
	"berth/internal/wire"
	"berth/internal/wire/shape/elbv2"
	"berth/internal/wire/shape/lambda"
)

// The sessions that ECS opens (docs/facts/deployments.md D107).
const (
	principal     = "ecs.amazonaws.com"
	networking    = "ECSNetworkingWithELB"
	execution     = "ECS-Lambda-Execution"
	badNetworking = "Service deployment rolled back because of invalid networking configuration: "
)

// shift makes the rule changes that are asked for. The answer is why ECS may or can not,
// in AWS's words; an error is passing and worth another try.
func (l *Controller) shift(ctx context.Context, shifts []rollout.Shift, service string) (refusal, cause string, err error) {
	for _, s := range shifts {
		err := l.shiftRule(ctx, s, service)
		switch {
		case err == nil:
		case fault.Is(err, fault.Unavailable), fault.Is(err, fault.Throttled), fault.Is(err, fault.Internal), fault.Is(err, fault.Conflict):
			return "", "", fmt.Errorf("change rule %s: %w", s.Rule, err)
		case fault.Is(err, fault.Denied):
			return badNetworking + "ECS was unable to manage the ELB resources due to missing permissions on ECS Infrastructure Role '" + s.Role +
				"'.", model.CauseNotPermitted, nil
		default:
			return badNetworking + fault.MessageOf(err), "", nil
		}
	}
	return "", "", nil
}

func (l *Controller) shiftRule(ctx context.Context, s rollout.Shift, service string) error {
	p, err := l.Access.Assume(l.DB.View(), control.Assumption{Service: principal, Role: s.Role, Session: networking, For: service})
	if err != nil {
		return fault.New(fault.Denied, "", "%s", fault.MessageOf(err))
	}
	p.Via = principal
	api := elbv2.Client{Caller: l.As(p)}
	if _, err := api.DescribeRules(ctx, &elbv2.DescribeRulesInput{RuleArns: []string{s.Rule}}); err != nil {
		return err
	}
	actions := forward(s.Targets)
	if s.Default {
		_, err = api.ModifyListener(ctx, &elbv2.ModifyListenerInput{ListenerArn: &s.Listener, DefaultActions: actions})
	} else {
		_, err = api.ModifyRule(ctx, &elbv2.ModifyRuleInput{RuleArn: &s.Rule, Actions: actions})
	}
	return err
}

// forward is a rule's action: to these targets, without stickiness.
func forward(ts []model.WeightedTarget) []elbv2.Action {
	to := &elbv2.ForwardActionConfig{TargetGroupStickinessConfig: &elbv2.TargetGroupStickinessConfig{Enabled: wire.Ptr(false)}}
	for _, t := range ts {
		to.TargetGroups = append(to.TargetGroups, elbv2.TargetGroupTuple{TargetGroupArn: wire.Ptr(t.TargetGroupARN), Weight: wire.Ptr(t.Weight)})
	}
	return []elbv2.Action{{Type: wire.Ptr("forward"), ForwardConfig: to}}
}

func job(hook string) string { return name + " " + hook }

// answers collects what the hooks of a service's deployment gave since the
// last look, and which are still being called.
func (l *Controller) answers(v store.Reader, s model.Service) (map[string]bool, map[string]rollout.Reply) {
	calling, replies := map[string]bool{}, map[string]rollout.Reply{}
	d, ok := state.ServiceDeployments.Get(v, s.CurrentDeployment)
	if !ok {
		return calling, replies
	}
	for _, h := range d.Hooks {
		if h.CallingAt.IsZero() {
			continue
		}
		result, err, running, ended := l.Jobs.Take(job(h.ID))
		switch {
		case running:
			calling[h.ID] = true
		case ended && err != nil:
			replies[h.ID] = rollout.Reply{Retry: true}
		case ended:
			replies[h.ID] = result.(rollout.Reply)
		}
	}
	return calling, replies
}

// call starts the calls of a plan, each as a job that wakes the service.
func (l *Controller) call(calls []rollout.Call, service string) {
	for _, c := range calls {
		l.Jobs.Start(name, service, job(c.Hook), func(ctx context.Context) (any, error) { return l.invoke(ctx, c, service) })
	}
}

// invoke calls a hook's function and waits for its answer.
func (l *Controller) invoke(ctx context.Context, c rollout.Call, service string) (rollout.Reply, error) {
	p, err := l.Access.Assume(l.DB.View(), control.Assumption{Service: principal, Role: c.Role, Session: execution, For: service})
	if err != nil {
		return rollout.Reply{Assume: fault.MessageOf(err)}, nil
	}
	body, err := json.Marshal(c.Payload)
	if err != nil {
		return rollout.Reply{}, fmt.Errorf("write the payload of hook %s: %w", c.Hook, err)
	}
	p.Via = principal
	out, err := lambda.Client{Caller: l.As(p)}.Invoke(ctx, &lambda.InvokeInput{
		FunctionName: &c.Function, InvocationType: wire.Ptr("RequestResponse"), Payload: body,
	})
	switch {
	case ctx.Err() != nil:
		return rollout.Reply{}, ctx.Err()
	case fault.Is(err, fault.Unavailable), fault.Is(err, fault.Throttled), fault.Is(err, fault.Conflict):
		return rollout.Reply{Retry: true}, nil
	case err != nil:
		return rollout.Reply{Invoke: fault.MessageOf(err), InvokeCode: fault.CodeOf(err)}, nil
	}
	return rollout.Reply{Payload: out.Payload, Crashed: wire.Val(out.FunctionError) != ""}, nil
}
