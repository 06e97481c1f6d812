package elbv2

import (
	"context"
	"strings"

	"berth/internal/fault"
	"berth/internal/model"
	"berth/internal/page"
	"berth/internal/state"
	"berth/internal/store"
	"berth/internal/wire"
	shape "berth/internal/wire/shape/elbv2"
)

// retag changes the tags of whatever an ARN names.
func retag(tx *store.Tx, arn string, fn func([]model.Tag) ([]model.Tag, error)) error {
	var err error
	set := func(tags *[]model.Tag) error {
		*tags, err = fn(*tags)
		return err
	}
	switch {
	case strings.Contains(arn, ":loadbalancer/"):
		if _, ok := state.LoadBalancers.Get(tx, arn); !ok {
			return noLoadBalancer(arn)
		}
		return state.LoadBalancers.Edit(tx, arn, func(l *model.LoadBalancer) error { return set(&l.Tags) })
	case strings.Contains(arn, ":listener/"):
		if _, ok := state.Listeners.Get(tx, arn); !ok {
			return noListener(arn)
		}
		return state.Listeners.Edit(tx, arn, func(l *model.Listener) error { return set(&l.Tags) })
	case strings.Contains(arn, ":listener-rule/"):
		if _, ok := state.ListenerRules.Get(tx, arn); !ok {
			return noRule(arn)
		}
		return state.ListenerRules.Edit(tx, arn, func(r *model.ListenerRule) error { return set(&r.Tags) })
	case strings.Contains(arn, ":targetgroup/"):
		if _, ok := state.TargetGroups.Get(tx, arn); !ok {
			return noGroup(arn)
		}
		return state.TargetGroups.Edit(tx, arn, func(g *model.TargetGroup) error { return set(&g.Tags) })
	default:
		return invalid("'%s' is not a valid resource ARN", arn)
	}
}

// tagsOf finds the tags of whatever an ARN names.
func tagsOf(r store.Reader, arn string) ([]model.Tag, error) {
	if l, ok := state.LoadBalancers.Get(r, arn); ok {
		return l.Tags, nil
	}
	if l, ok := state.Listeners.Get(r, arn); ok {
		return l.Tags, nil
	}
	if x, ok := state.ListenerRules.Get(r, arn); ok {
		return x.Tags, nil
	}
	if g, ok := state.TargetGroups.Get(r, arn); ok {
		return g.Tags, nil
	}
	switch {
	case strings.Contains(arn, ":loadbalancer/"):
		return nil, noLoadBalancer(arn)
	case strings.Contains(arn, ":listener/"):
		return nil, noListener(arn)
	case strings.Contains(arn, ":listener-rule/"):
		return nil, noRule(arn)
	case strings.Contains(arn, ":targetgroup/"):
		return nil, noGroup(arn)
	default:
		return nil, invalid("'%s' is not a valid resource ARN", arn)
	}
}

// AddTags adds tags to resources. Errors: LoadBalancerNotFound,
// ListenerNotFound, RuleNotFound, TargetGroupNotFound, TooManyTags,
// DuplicateTagKeys, ValidationError.
func (a *API) AddTags(ctx context.Context, in *shape.AddTagsInput) (*shape.AddTagsOutput, error) {
	tags, err := readTags(in.Tags)
	if err != nil {
		return nil, err
	}
	return &shape.AddTagsOutput{}, a.update(ctx, func(tx *store.Tx) error {
		for _, arn := range in.ResourceArns {
			err := retag(tx, arn, func(old []model.Tag) ([]model.Tag, error) {
				all := model.SetTags(old, tags)
				if len(all) > 50 {
					return nil, fault.New(fault.Invalid, "TooManyTags", "The maximum number of tags has been reached on resource '%s'", arn)
				}
				return all, nil
			})
			if err != nil {
				return err
			}
		}
		return nil
	})
}

// RemoveTags removes tags from resources. Errors: ValidationError,
// LoadBalancerNotFound, ListenerNotFound, RuleNotFound, TargetGroupNotFound.
func (a *API) RemoveTags(ctx context.Context, in *shape.RemoveTagsInput) (*shape.RemoveTagsOutput, error) {
	return &shape.RemoveTagsOutput{}, a.update(ctx, func(tx *store.Tx) error {
		for _, arn := range in.ResourceArns {
			err := retag(tx, arn, func(old []model.Tag) ([]model.Tag, error) { return model.DropTags(old, in.TagKeys), nil })
			if err != nil {
				return err
			}
		}
		return nil
	})
}

// DescribeTags lists the tags of resources. Errors: ValidationError,
// LoadBalancerNotFound, ListenerNotFound, RuleNotFound, TargetGroupNotFound.
func (a *API) DescribeTags(_ context.Context, in *shape.DescribeTagsInput) (*shape.DescribeTagsOutput, error) {
	v := a.DB.View()
	out := &shape.DescribeTagsOutput{}
	for _, arn := range in.ResourceArns {
		tags, err := tagsOf(v, arn)
		if err != nil {
			return nil, err
		}
		out.TagDescriptions = append(out.TagDescriptions, shape.TagDescription{ResourceArn: wire.Ptr(arn), Tags: showTags(tags)})
	}
	return out, nil
}

// limits are AWS's default quotas (docs/facts/deployments.md D125).
var limits = [][2]string{
	{"application-load-balancers", "50"}, {"target-groups", "3000"}, {"targets-per-application-load-balancer", "1000"},
	{"listeners-per-application-load-balancer", "50"}, {"rules-per-application-load-balancer", "100"},
	{"certificates-per-application-load-balancer", "25"},
	{"target-groups-per-application-load-balancer", "100"}, {"target-groups-per-action-on-application-load-balancer", "5"},
	{"condition-values-per-alb-rule", "5"}, {"condition-wildcards-per-alb-rule", "5"},
}

// DescribeAccountLimits lists the quotas. Errors: ValidationError.
func (a *API) DescribeAccountLimits(_ context.Context, in *shape.DescribeAccountLimitsInput) (*shape.DescribeAccountLimitsOutput, error) {
	all, next, err := page.Cut(pages, in, limits, func(l [2]string) string { return l[0] })
	if err != nil {
		return nil, err
	}
	out := &shape.DescribeAccountLimitsOutput{NextMarker: next}
	for _, l := range all {
		out.Limits = append(out.Limits, shape.Limit{Name: wire.Ptr(l[0]), Max: wire.Ptr(l[1])})
	}
	return out, nil
}
