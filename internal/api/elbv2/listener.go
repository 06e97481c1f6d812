package elbv2

import (
	"context"
	"reflect"
	"strings"

	"berth/internal/fault"
	"berth/internal/model"
	"berth/internal/page"
	"berth/internal/state"
	"berth/internal/store"
	"berth/internal/wire"
	shape "berth/internal/wire/shape/elbv2"
)

// CreateListener makes a listener and its default rule. Errors:
// LoadBalancerNotFound, TargetGroupNotFound, DuplicateListener,
// TargetGroupAssociationLimit, InvalidLoadBalancerAction, TooManyListeners,
// InvalidConfigurationRequest, TooManyUniqueTargetGroupsPerLoadBalancer,
// UnsupportedProtocol, ValidationError, DuplicateTagKeys, TooManyTags,
// NotImplemented.
func (a *API) CreateListener(ctx context.Context, in *shape.CreateListenerInput) (*shape.CreateListenerOutput, error) {
	lb := wire.Val(in.LoadBalancerArn)
	if err := checkProtocol(in.Protocol, in.Port, len(in.Certificates) > 0); err != nil {
		return nil, err
	}
	actions, err := readActions(in.DefaultActions)
	if err != nil {
		return nil, err
	}
	tags, err := readTags(in.Tags)
	if err != nil {
		return nil, err
	}
	l := model.Listener{
		ARN: a.arn("listener/" + fullName(lb) + "/" + a.IDs.Hex(16)), LoadBalancer: lb, Port: wire.Val(in.Port), Protocol: wire.Val(in.Protocol),
		Tags: tags,
	}
	rule := model.ListenerRule{ARN: ruleARN(l.ARN, a.IDs.Hex(16)), Listener: l.ARN, Default: true, Actions: actions, Changes: 1}
	var out shape.Listener
	err = a.update(ctx, func(tx *store.Tx) error {
		if _, ok := state.LoadBalancers.Get(tx, lb); !ok {
			return noLoadBalancer(lb)
		}
		others := state.Listeners.By(tx, "loadbalancer", lb)
		for _, o := range others {
			if o.Port != l.Port {
				continue
			}
			if d, ok := defaultRule(tx, o.ARN); ok && o.Protocol == l.Protocol && reflect.DeepEqual(d.Actions, rule.Actions) &&
				reflect.DeepEqual(o.Tags, l.Tags) {
				out = showListener(tx, o)
				return nil
			}
			return duplicateListener(lb)
		}
		if len(others) >= 50 {
			return fault.New(fault.Invalid, "TooManyListeners", "The maximum number of listeners has been reached for load balancer '%s'", lb)
		}
		if err := checkTargets(tx, lb, "", actions); err != nil {
			return err
		}
		if err := state.Listeners.Put(tx, l); err != nil {
			return err
		}
		if err := state.ListenerRules.Put(tx, rule); err != nil {
			return err
		}
		out = showListener(tx, l)
		return nil
	})
	if err != nil {
		return nil, err
	}
	return &shape.CreateListenerOutput{Listeners: []shape.Listener{out}}, nil
}

func duplicateListener(lb string) error {
	return fault.New(fault.Conflict, "DuplicateListener", "A listener already exists on this port for this load balancer '%s'", lb)
}

func checkProtocol(protocol *string, port *int64, certificates bool) error {
	switch p := wire.Val(protocol); {
	case p == "":
		return invalid("A listener protocol must be specified")
	case port == nil:
		return invalid("A listener port must be specified")
	case p == "HTTPS":
		return unbuilt("A listener with protocol 'HTTPS'")
	case p != "HTTP":
		return fault.New(fault.Invalid, "UnsupportedProtocol", "The protocol '%s' is not supported by load balancers with type 'application'", p)
	case certificates:
		return invalid("A certificate cannot be specified for HTTP listeners")
	}
	return nil
}

// ruleARN makes a rule's ARN from its listener's.
func ruleARN(listener, hex string) string {
	return strings.Replace(listener, ":listener/", ":listener-rule/", 1) + "/" + hex
}

func defaultRule(r store.Reader, listener string) (model.ListenerRule, bool) {
	for _, x := range state.ListenerRules.By(r, "listener", listener) {
		if x.Default {
			return x, true
		}
	}
	return model.ListenerRule{}, false
}

func showListener(r store.Reader, l model.Listener) shape.Listener {
	d, _ := defaultRule(r, l.ARN)
	return shape.Listener{
		ListenerArn: wire.Ptr(l.ARN), LoadBalancerArn: wire.Ptr(l.LoadBalancer), Port: wire.Ptr(l.Port), Protocol: wire.Ptr(l.Protocol),
		DefaultActions: showActions(d.Actions),
	}
}

// DescribeListeners lists the listeners of a load balancer, or those named.
// Errors: ListenerNotFound, LoadBalancerNotFound, ValidationError.
func (a *API) DescribeListeners(_ context.Context, in *shape.DescribeListenersInput) (*shape.DescribeListenersOutput, error) {
	v := a.DB.View()
	var all []model.Listener
	switch lb := wire.Val(in.LoadBalancerArn); {
	case lb != "":
		if _, ok := state.LoadBalancers.Get(v, lb); !ok {
			return nil, noLoadBalancer(lb)
		}
		all = state.Listeners.By(v, "loadbalancer", lb)
	case len(in.ListenerArns) == 0:
		return nil, invalid("You must specify either listener ARNs or a load balancer ARN")
	}
	for _, arn := range in.ListenerArns {
		l, ok := state.Listeners.Get(v, arn)
		if !ok {
			return nil, noListener(arn)
		}
		all = append(all, l)
	}
	all, next, err := page.Cut(pages, in, all, func(l model.Listener) string { return l.ARN })
	if err != nil {
		return nil, err
	}
	out := &shape.DescribeListenersOutput{NextMarker: next, Listeners: []shape.Listener{}}
	for _, l := range all {
		out.Listeners = append(out.Listeners, showListener(v, l))
	}
	return out, nil
}

// ModifyListener changes a listener or its default actions. Errors:
// ListenerNotFound, DuplicateListener, TargetGroupNotFound,
// TargetGroupAssociationLimit, InvalidLoadBalancerAction,
// InvalidConfigurationRequest, TooManyUniqueTargetGroupsPerLoadBalancer,
// UnsupportedProtocol, ValidationError, NotImplemented.
func (a *API) ModifyListener(ctx context.Context, in *shape.ModifyListenerInput) (*shape.ModifyListenerOutput, error) {
	arn := wire.Val(in.ListenerArn)
	actions, err := readActions(in.DefaultActions)
	if len(in.DefaultActions) > 0 && err != nil {
		return nil, err
	}
	var out shape.Listener
	err = a.update(ctx, func(tx *store.Tx) error {
		l, ok := state.Listeners.Get(tx, arn)
		if !ok {
			return noListener(arn)
		}
		l.Port, l.Protocol = wire.Or(in.Port, l.Port), wire.Or(in.Protocol, l.Protocol)
		if err := checkProtocol(&l.Protocol, &l.Port, len(in.Certificates) > 0); err != nil {
			return err
		}
		for _, o := range state.Listeners.By(tx, "loadbalancer", l.LoadBalancer) {
			if o.ARN != arn && o.Port == l.Port {
				return duplicateListener(l.LoadBalancer)
			}
		}
		if err := state.Listeners.Put(tx, model.Clone(l)); err != nil {
			return err
		}
		if len(actions) > 0 {
			d, _ := defaultRule(tx, arn)
			if err := checkTargets(tx, l.LoadBalancer, d.ARN, actions); err != nil {
				return err
			}
			if err := state.ListenerRules.Edit(tx, d.ARN, func(r *model.ListenerRule) error {
				r.Actions = actions
				r.Changes++
				return nil
			}); err != nil {
				return err
			}
		}
		out = showListener(tx, l)
		return nil
	})
	if err != nil {
		return nil, err
	}
	return &shape.ModifyListenerOutput{Listeners: []shape.Listener{out}}, nil
}

// DeleteListener removes a listener and its rules. Errors: ListenerNotFound.
func (a *API) DeleteListener(ctx context.Context, in *shape.DeleteListenerInput) (*shape.DeleteListenerOutput, error) {
	return &shape.DeleteListenerOutput{}, a.update(ctx, func(tx *store.Tx) error {
		if _, ok := state.Listeners.Get(tx, wire.Val(in.ListenerArn)); !ok {
			return noListener(wire.Val(in.ListenerArn))
		}
		return deleteListener(tx, wire.Val(in.ListenerArn))
	})
}

func deleteListener(tx *store.Tx, arn string) error {
	for _, r := range state.ListenerRules.By(tx, "listener", arn) {
		if err := state.ListenerRules.Delete(tx, r.ARN); err != nil {
			return err
		}
	}
	return state.Listeners.Delete(tx, arn)
}

// DescribeListenerCertificates lists none: HTTP listeners have none. Errors:
// ListenerNotFound, ValidationError.
func (a *API) DescribeListenerCertificates(
	_ context.Context, in *shape.DescribeListenerCertificatesInput,
) (*shape.DescribeListenerCertificatesOutput, error) {
	if _, ok := state.Listeners.Get(a.DB.View(), wire.Val(in.ListenerArn)); !ok {
		return nil, noListener(wire.Val(in.ListenerArn))
	}
	if _, err := page.After(pages, in); err != nil {
		return nil, err
	}
	return &shape.DescribeListenerCertificatesOutput{Certificates: []shape.Certificate{}}, nil
}
