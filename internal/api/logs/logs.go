// Package logs is the API of CloudWatch Logs: groups are records of state,
// streams and events live in series. Writing and reading events are the two
// things here that touch series; nothing waits.
//
// Events come from processes that live in real time, while everything else
// has the control plane's clock: their times are shifted by the difference of
// the two when they arrive, so that a log reads on the same clock as the
// events around it. What is not built (metric and subscription filters, query
// language, data protection, KMS) is refused by name. Safe for concurrent use.
package logs

import (
	"context"
	_ "embed"
	"slices"
	"strings"
	"time"

	"berth/internal/clock"
	"berth/internal/fault"
	"berth/internal/ident"
	"berth/internal/model"
	"berth/internal/page"
	"berth/internal/series"
	"berth/internal/state"
	"berth/internal/store"
	"berth/internal/wire"
	shape "berth/internal/wire/shape/logs"
)

// Fields says which request members are built.
//
//go:embed fields.txt
var Fields string

// Resources says which resources a call is about.
//
//go:embed resources.txt
var Resources string

const writer = "api/logs"

// Deps are what the API needs.
type Deps struct {
	DB    *state.DB
	Clock clock.Clock
	// Real is the time in which writers of events live; nil is Clock.
	Real   clock.Clock
	Place  ident.Place
	Series *series.Store
}

// API answers the operations.
type API struct {
	shape.Unimplemented
	Deps
}

var _ shape.Operations = (*API)(nil)

// New makes the API.
func New(d Deps) *API {
	if d.Real == nil {
		d.Real = d.Clock
	}
	return &API{Deps: d}
}

func notFound(what string) error {
	return fault.New(fault.NotFound, "ResourceNotFoundException", "The specified log %s does not exist.", what)
}

func exists(what string) error {
	return fault.New(fault.Conflict, "ResourceAlreadyExistsException", "The specified log %s already exists", what)
}

func invalid(format string, args ...any) error {
	return fault.New(fault.Invalid, "InvalidParameterException", format, args...)
}

func (a *API) groupARN(name string) string { return a.Place.ARN("logs", "log-group:"+name) }

// isGroupName reports whether a log group may be called s; written out, since
// every process of the program would compile a pattern when it starts.
func isGroupName(s string) bool {
	return s != "" && len(s) <= 512 && strings.IndexFunc(s, func(r rune) bool {
		return (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && (r < '0' || r > '9') && !strings.ContainsRune(".-_/#", r)
	}) < 0
}

// CreateLogGroup makes a log group. Errors: ResourceAlreadyExistsException,
// InvalidParameterException.
func (a *API) CreateLogGroup(ctx context.Context, in *shape.CreateLogGroupInput) (*shape.CreateLogGroupOutput, error) {
	name := wire.Val(in.LogGroupName)
	if !isGroupName(name) {
		return nil, invalid(
			"1 validation error detected: Value '%s' at 'logGroupName' failed to satisfy constraint: Member must satisfy regular expression "+
				"pattern: [\\.\\-_/#A-Za-z0-9]+",
			name,
		)
	}
	g := model.LogGroup{
		Name: name, ARN: a.groupARN(name), Class: wire.Or(in.LogGroupClass, "STANDARD"), Tags: readTags(in.Tags), CreatedAt: a.Clock.Now(),
	}
	return &shape.CreateLogGroupOutput{}, a.DB.Update(ctx, writer, func(tx *store.Tx) error {
		if _, ok := state.LogGroups.Get(tx, name); ok {
			return exists("group")
		}
		return state.LogGroups.Put(tx, g)
	})
}

func readTags(in map[string]string) []model.Tag {
	var out []model.Tag
	for k, v := range in {
		out = append(out, model.Tag{Key: k, Value: v})
	}
	return model.SetTags(nil, out)
}

func showTags(in []model.Tag) map[string]string {
	out := map[string]string{}
	for _, t := range in {
		out[t.Key] = t.Value
	}
	return out
}

// DeleteLogGroup removes a group with all its streams. Errors:
// ResourceNotFoundException.
func (a *API) DeleteLogGroup(ctx context.Context, in *shape.DeleteLogGroupInput) (*shape.DeleteLogGroupOutput, error) {
	name := wire.Val(in.LogGroupName)
	err := a.DB.Update(ctx, writer, func(tx *store.Tx) error {
		if _, ok := state.LogGroups.Get(tx, name); !ok {
			return notFound("group")
		}
		return state.LogGroups.Delete(tx, name)
	})
	if err != nil {
		return nil, err
	}
	return &shape.DeleteLogGroupOutput{}, a.Series.DeleteGroup(name)
}

// maxTags is how many tags a group may have
// (https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_TagResource.html).
const maxTags = 50

// retag puts tags over a group's own; code is the refusal of too many.
func (a *API) retag(ctx context.Context, name string, in map[string]string, code string) error {
	return a.DB.Update(ctx, writer, func(tx *store.Tx) error {
		g, ok := state.LogGroups.Get(tx, name)
		if !ok {
			return notFound("group")
		}
		tags := model.SetTags(g.Tags, readTags(in))
		if len(tags) > maxTags {
			return fault.New(fault.Invalid, code, "A log group can have at most %d tags.", maxTags)
		}
		return state.LogGroups.Edit(tx, name, func(g *model.LogGroup) error { g.Tags = tags; return nil })
	})
}

// edit changes one group.
func (a *API) edit(ctx context.Context, name string, fn func(*model.LogGroup)) error {
	return a.DB.Update(ctx, writer, func(tx *store.Tx) error {
		if _, ok := state.LogGroups.Get(tx, name); !ok {
			return notFound("group")
		}
		return state.LogGroups.Edit(tx, name, func(g *model.LogGroup) error { fn(g); return nil })
	})
}

// retentions are the numbers of days that CloudWatch Logs accepts.
var retentions = []int64{1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288, 3653}

// PutRetentionPolicy says how long events are kept. Errors:
// ResourceNotFoundException, InvalidParameterException.
func (a *API) PutRetentionPolicy(ctx context.Context, in *shape.PutRetentionPolicyInput) (*shape.PutRetentionPolicyOutput, error) {
	days := wire.Val(in.RetentionInDays)
	if !slices.Contains(retentions, days) {
		return nil, invalid(
			"1 validation error detected: Value '%d' at 'retentionInDays' failed to satisfy constraint: Member must satisfy enum value set: [1, "+
				"3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288, 3653]",
			days,
		)
	}
	return &shape.PutRetentionPolicyOutput{}, a.edit(ctx, wire.Val(in.LogGroupName), func(g *model.LogGroup) { g.RetentionDays = days })
}

// DeleteRetentionPolicy keeps events for ever. Errors:
// ResourceNotFoundException.
func (a *API) DeleteRetentionPolicy(ctx context.Context, in *shape.DeleteRetentionPolicyInput) (*shape.DeleteRetentionPolicyOutput, error) {
	return &shape.DeleteRetentionPolicyOutput{}, a.edit(ctx, wire.Val(in.LogGroupName), func(g *model.LogGroup) { g.RetentionDays = 0 })
}

// groupName reads a group's name from a name or an identifier, which may be
// an ARN.
func groupName(name, identifier *string) string {
	s := wire.Or(name, wire.Val(identifier))
	if a, ok := ident.ParseARN(s); ok {
		s = strings.TrimSuffix(strings.TrimPrefix(a.Resource, "log-group:"), ":*")
	}
	return s
}

// need finds a group.
func (a *API) need(name string) (model.LogGroup, error) {
	g, ok := state.LogGroups.Get(a.DB.View(), name)
	if !ok {
		return g, notFound("group")
	}
	return g, nil
}

// DescribeLogGroups lists groups by prefix or by pattern, in order of names.
// Errors: InvalidParameterException.
func (a *API) DescribeLogGroups(_ context.Context, in *shape.DescribeLogGroupsInput) (*shape.DescribeLogGroupsOutput, error) {
	if in.LogGroupNamePrefix != nil && in.LogGroupNamePattern != nil {
		return nil, invalid("LogGroup name prefix and LogGroup name pattern are mutually exclusive parameters.")
	}
	var all []model.LogGroup
	for _, g := range state.LogGroups.All(a.DB.View()) {
		if a.matches(g, in) {
			all = append(all, g)
		}
	}
	all, next, err := page.Cut(pages, in, all, groupKey)
	if err != nil {
		return nil, err
	}
	out := &shape.DescribeLogGroupsOutput{NextToken: next, LogGroups: []shape.LogGroup{}}
	for _, g := range all {
		one, err := a.showGroup(g)
		if err != nil {
			return nil, err
		}
		out.LogGroups = append(out.LogGroups, one)
	}
	return out, nil
}

func (a *API) matches(g model.LogGroup, in *shape.DescribeLogGroupsInput) bool {
	if !strings.HasPrefix(g.Name, wire.Val(in.LogGroupNamePrefix)) ||
		!strings.Contains(strings.ToLower(g.Name), strings.ToLower(wire.Val(in.LogGroupNamePattern))) {
		return false
	}
	if in.LogGroupClass != nil && *in.LogGroupClass != g.Class {
		return false
	}
	return len(in.LogGroupIdentifiers) == 0 ||
		slices.ContainsFunc(in.LogGroupIdentifiers, func(id string) bool { return groupName(nil, &id) == g.Name })
}

func (a *API) showGroup(g model.LogGroup) (shape.LogGroup, error) {
	streams, err := a.Series.Streams(g.Name, "")
	if err != nil {
		return shape.LogGroup{}, err
	}
	var size int64
	for _, s := range streams {
		size += s.Bytes
	}
	out := shape.LogGroup{
		LogGroupName: wire.Ptr(g.Name), CreationTime: wire.Ptr(g.CreatedAt.UnixMilli()), MetricFilterCount: wire.Ptr[int64](0),
		Arn: wire.Ptr(g.ARN + ":*"), LogGroupArn: wire.Ptr(g.ARN), StoredBytes: wire.Ptr(size), LogGroupClass: wire.Ptr(g.Class),
		DeletionProtectionEnabled: wire.Ptr(false),
	}
	if g.RetentionDays > 0 {
		out.RetentionInDays = wire.Ptr(g.RetentionDays)
	}
	return out, nil
}

// pages are the rules of this service's lists.
var pages = page.Rules{Usual: 50, Refuse: func(string) error { return invalid("The specified nextToken is invalid.") }}

func groupKey(g model.LogGroup) string { return g.Name }

// ListLogGroups lists groups whose names hold a pattern. Errors:
// InvalidParameterException.
func (a *API) ListLogGroups(_ context.Context, in *shape.ListLogGroupsInput) (*shape.ListLogGroupsOutput, error) {
	var all []model.LogGroup
	for _, g := range state.LogGroups.All(a.DB.View()) {
		if strings.Contains(g.Name, strings.TrimPrefix(wire.Val(in.LogGroupNamePattern), "^")) &&
			(in.LogGroupClass == nil || *in.LogGroupClass == g.Class) {
			all = append(all, g)
		}
	}
	all, next, err := page.Cut(pages, in, all, groupKey)
	if err != nil {
		return nil, err
	}
	out := &shape.ListLogGroupsOutput{NextToken: next, LogGroups: []shape.LogGroupSummary{}}
	for _, g := range all {
		out.LogGroups = append(out.LogGroups, shape.LogGroupSummary{
			LogGroupName: wire.Ptr(g.Name), LogGroupArn: wire.Ptr(g.ARN), LogGroupClass: wire.Ptr(g.Class),
		})
	}
	return out, nil
}

// TagLogGroup adds tags. Errors: ResourceNotFoundException,
// InvalidParameterException.
func (a *API) TagLogGroup(ctx context.Context, in *shape.TagLogGroupInput) (*shape.TagLogGroupOutput, error) {
	return &shape.TagLogGroupOutput{}, a.retag(ctx, wire.Val(in.LogGroupName), in.Tags, "InvalidParameterException")
}

// UntagLogGroup removes tags. Errors: ResourceNotFoundException.
func (a *API) UntagLogGroup(ctx context.Context, in *shape.UntagLogGroupInput) (*shape.UntagLogGroupOutput, error) {
	return &shape.UntagLogGroupOutput{}, a.edit(ctx, wire.Val(in.LogGroupName), func(g *model.LogGroup) {
		g.Tags = model.DropTags(g.Tags, in.Tags)
	})
}

// ListTagsLogGroup lists tags. Errors: ResourceNotFoundException.
func (a *API) ListTagsLogGroup(_ context.Context, in *shape.ListTagsLogGroupInput) (*shape.ListTagsLogGroupOutput, error) {
	g, err := a.need(wire.Val(in.LogGroupName))
	if err != nil {
		return nil, err
	}
	return &shape.ListTagsLogGroupOutput{Tags: showTags(g.Tags)}, nil
}

// TagResource adds tags to a group. Errors: ResourceNotFoundException,
// TooManyTagsException.
func (a *API) TagResource(ctx context.Context, in *shape.TagResourceInput) (*shape.TagResourceOutput, error) {
	return &shape.TagResourceOutput{}, a.retag(ctx, groupName(in.ResourceArn, nil), in.Tags, "TooManyTagsException")
}

// UntagResource removes tags from a group. Errors: ResourceNotFoundException.
func (a *API) UntagResource(ctx context.Context, in *shape.UntagResourceInput) (*shape.UntagResourceOutput, error) {
	return &shape.UntagResourceOutput{}, a.edit(ctx, groupName(in.ResourceArn, nil), func(g *model.LogGroup) {
		g.Tags = model.DropTags(g.Tags, in.TagKeys)
	})
}

// ListTagsForResource lists a group's tags. Errors: ResourceNotFoundException.
func (a *API) ListTagsForResource(_ context.Context, in *shape.ListTagsForResourceInput) (*shape.ListTagsForResourceOutput, error) {
	g, err := a.need(groupName(in.ResourceArn, nil))
	if err != nil {
		return nil, err
	}
	return &shape.ListTagsForResourceOutput{Tags: showTags(g.Tags)}, nil
}

// DescribeSubscriptionFilters lists none: they are not built. Errors:
// ResourceNotFoundException.
func (a *API) DescribeSubscriptionFilters(
	_ context.Context, in *shape.DescribeSubscriptionFiltersInput,
) (*shape.DescribeSubscriptionFiltersOutput, error) {
	_, err := a.need(wire.Val(in.LogGroupName))
	return &shape.DescribeSubscriptionFiltersOutput{SubscriptionFilters: []shape.SubscriptionFilter{}}, err
}

// DescribeMetricFilters lists none: they are not built.
func (a *API) DescribeMetricFilters(context.Context, *shape.DescribeMetricFiltersInput) (*shape.DescribeMetricFiltersOutput, error) {
	return &shape.DescribeMetricFiltersOutput{MetricFilters: []shape.MetricFilter{}}, nil
}

// DescribeIndexPolicies lists none: they are not built.
func (a *API) DescribeIndexPolicies(context.Context, *shape.DescribeIndexPoliciesInput) (*shape.DescribeIndexPoliciesOutput, error) {
	return &shape.DescribeIndexPoliciesOutput{IndexPolicies: []shape.IndexPolicy{}}, nil
}

// DescribeResourcePolicies lists none: they are not built.
func (a *API) DescribeResourcePolicies(
	context.Context, *shape.DescribeResourcePoliciesInput,
) (*shape.DescribeResourcePoliciesOutput, error) {
	return &shape.DescribeResourcePoliciesOutput{ResourcePolicies: []shape.ResourcePolicy{}}, nil
}

// GetDataProtectionPolicy tells that there is none. Errors:
// ResourceNotFoundException.
func (a *API) GetDataProtectionPolicy(
	_ context.Context, in *shape.GetDataProtectionPolicyInput,
) (*shape.GetDataProtectionPolicyOutput, error) {
	g, err := a.need(groupName(nil, in.LogGroupIdentifier))
	if err != nil {
		return nil, err
	}
	return &shape.GetDataProtectionPolicyOutput{LogGroupIdentifier: wire.Ptr(g.Name)}, nil
}

// Retention collects how long each group's events are kept, for series.Prune.
func Retention(r store.Reader) map[string]time.Duration {
	out := map[string]time.Duration{}
	for _, g := range state.LogGroups.All(r) {
		if g.RetentionDays > 0 {
			out[g.Name] = time.Duration(g.RetentionDays) * 24 * time.Hour
		}
	}
	return out
}

// Finders find what resources.txt names.
func (a *API) Finders() map[string]func(...string) string {
	return map[string]func(...string) string{"group": func(v ...string) string {
		for _, given := range v {
			if given != "" {
				return groupName(&given, nil)
			}
		}
		return ""
	}}
}
