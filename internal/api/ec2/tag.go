package ec2

import (
	"context"
	"slices"
	"strings"

	"berth/internal/model"
	"berth/internal/state"
	"berth/internal/store"
	"berth/internal/wire"
	shape "berth/internal/wire/shape/ec2"
)

// maxTags is how many tags a resource may have.
const maxTags = 50

// specified reads the TagSpecifications of a call that makes one kind.
func specified(ctx context.Context, specs []shape.TagSpecification, kind string) ([]model.Tag, error) {
	var out []model.Tag
	for _, s := range specs {
		if t := wire.Val(s.ResourceType); t != kind {
			return nil, value("'%s' is not a valid taggable resource type for this operation.", t)
		}
		tags, err := readTags(ctx, s.Tags)
		if err != nil {
			return nil, err
		}
		out = model.SetTags(out, tags)
	}
	return out, nil
}

func readTags(ctx context.Context, in []shape.Tag) ([]model.Tag, error) {
	var out []model.Tag
	for _, t := range in {
		k, v := wire.Val(t.Key), wire.Val(t.Value)
		switch {
		case k == "":
			return nil, value("Tag key cannot be empty.")
		case len(k) > 128:
			return nil, value("Tag key exceeds the maximum length of 128 characters")
		case len(v) > 256:
			return nil, value("Tag value exceeds the maximum length of 256 characters")
		case strings.HasPrefix(strings.ToLower(k), "aws:") && !ofService(ctx):
			return nil, value("Tag keys starting with 'aws:' are reserved for internal use")
		}
		out = append(out, model.Tag{Key: k, Value: v})
	}
	if k, twice := model.RepeatedTag(out); twice {
		return nil, value("Duplicate tag key '%s' specified.", k)
	}
	if len(out) > maxTags {
		return nil, bad("TagLimitExceeded", "More than %d tags specified", maxTags)
	}
	return out, nil
}

// ofService reports whether an AWS service calls for itself: CloudFormation
// puts tags of its own on what it makes.
func ofService(ctx context.Context) bool {
	c := wire.CallFrom(ctx)
	return c.Principal.Service != "" || c.By != "" || strings.HasSuffix(c.Source, ".amazonaws.com")
}

func showTags(tags []model.Tag) []shape.Tag {
	return each(tags, func(t model.Tag) shape.Tag { return shape.Tag{Key: wire.Ptr(t.Key), Value: wire.Ptr(t.Value)} })
}

// tagged is one kind of resource that has tags.
type tagged struct {
	prefix, kind   string
	absent, called string
	tags           func(store.Reader, string) ([]model.Tag, bool)
	edit           func(*store.Tx, string, func([]model.Tag) []model.Tag) error
	all            func(store.Reader) map[string][]model.Tag
}

func tagging[T any](prefix, kind, absent, called string, t *store.Table[T], at func(*T) *[]model.Tag) tagged {
	return tagged{
		prefix: prefix, kind: kind, absent: absent, called: called,
		tags: func(r store.Reader, id string) ([]model.Tag, bool) {
			v, ok := t.Get(r, id)
			return *at(&v), ok
		},
		edit: func(tx *store.Tx, id string, f func([]model.Tag) []model.Tag) error {
			return t.Edit(tx, id, func(v *T) error { *at(v) = f(*at(v)); return nil })
		},
		all: func(r store.Reader) map[string][]model.Tag {
			out := map[string][]model.Tag{}
			for _, v := range t.All(r) {
				out[t.Key(v)] = *at(&v)
			}
			return out
		},
	}
}

// kinds are the resources with tags, by the prefix of their ids.
var kinds = []tagged{
	tagging("vpc", "vpc", nouns.vpc.absent, nouns.vpc.called, state.VPCs, func(v *model.VPC) *[]model.Tag { return &v.Tags }),
	tagging("subnet", "subnet", nouns.subnet.absent, nouns.subnet.called, state.Subnets, func(v *model.Subnet) *[]model.Tag {
		return &v.Tags
	}),
	tagging(
		"igw", "internet-gateway", nouns.gateway.absent, nouns.gateway.called, state.InternetGateways,
		func(v *model.InternetGateway) *[]model.Tag { return &v.Tags },
	),
	tagging("nat", "natgateway", nouns.nat.absent, nouns.nat.called, state.NATGateways, func(v *model.NATGateway) *[]model.Tag {
		return &v.Tags
	}),
	tagging("eipalloc", "elastic-ip", nouns.address.absent, nouns.address.called, state.Addresses, func(v *model.Address) *[]model.Tag {
		return &v.Tags
	}),
	tagging("rtb", "route-table", nouns.table.absent, nouns.table.called, state.RouteTables, func(v *model.RouteTable) *[]model.Tag {
		return &v.Tags
	}),
	tagging("sg", "security-group", nouns.group.absent, nouns.group.called, state.SecurityGroups, func(v *model.SecurityGroup) *[]model.Tag {
		return &v.Tags
	}),
	tagging("vpce", "vpc-endpoint", nouns.endpoint.absent, nouns.endpoint.called, state.VPCEndpoints, func(v *model.VPCEndpoint) *[]model.Tag {
		return &v.Tags
	}),
	tagging("i", "instance", "InvalidInstanceID.NotFound", "instance ID", state.Instances, func(v *model.Instance) *[]model.Tag {
		return &v.Tags
	}),
	tagging("lt", "launch-template", "InvalidLaunchTemplateId.NotFound", "launchTemplate ID", state.LaunchTemplates,
		func(v *model.LaunchTemplate) *[]model.Tag { return &v.Tags }),
	ruleTagging,
}

func kindOf(id string) (tagged, error) {
	prefix, _, _ := strings.Cut(id, "-")
	for _, k := range kinds {
		if k.prefix == prefix {
			return k, nil
		}
	}
	return tagged{}, noID(id)
}

func noID(id string) error { return bad("InvalidID", "The ID '%s' is not valid", id) }

// CreateTags adds or replaces tags. Errors: InvalidVpcID.NotFound (and the like
// for each kind), InvalidID, InvalidParameterValue, TagLimitExceeded,
// MissingParameter.
func (a *API) CreateTags(ctx context.Context, in *shape.CreateTagsInput) (*shape.CreateTagsOutput, error) {
	tags, err := readTags(ctx, in.Tags)
	if err != nil {
		return nil, err
	}
	if len(tags) == 0 {
		return nil, lacking("Tag")
	}
	return nil, a.retag(ctx, in.DryRun, in.Resources, func(old []model.Tag) []model.Tag { return model.SetTags(old, tags) })
}

// DeleteTags removes tags: by key, or by key and value where one is given.
// Without tags it removes all that are not AWS's. Errors: InvalidVpcID.NotFound
// (and the like for each kind), InvalidID, MissingParameter.
func (a *API) DeleteTags(ctx context.Context, in *shape.DeleteTagsInput) (*shape.DeleteTagsOutput, error) {
	drop := func(t model.Tag) bool {
		if len(in.Tags) == 0 {
			return !strings.HasPrefix(t.Key, "aws:")
		}
		return slices.ContainsFunc(in.Tags, func(x shape.Tag) bool {
			return wire.Val(x.Key) == t.Key && (x.Value == nil || *x.Value == t.Value)
		})
	}
	return nil, a.retag(ctx, in.DryRun, in.Resources, func(old []model.Tag) []model.Tag {
		return slices.DeleteFunc(slices.Clone(old), drop)
	})
}

func (a *API) retag(ctx context.Context, dry *bool, ids []string, f func([]model.Tag) []model.Tag) error {
	if len(ids) == 0 {
		return lacking("ResourceId")
	}
	return a.update(ctx, dry, func(tx *store.Tx) error {
		for _, id := range ids {
			k, err := kindOf(id)
			if err != nil {
				return err
			}
			old, ok := k.tags(tx, id)
			if !ok {
				if f := forms[k.absent]; f.prefix != "" && !f.has(id) {
					return noID(id)
				}
				return bad(k.absent, "The %s '%s' does not exist", k.called, id)
			}
			if len(f(old)) > maxTags {
				return bad("TagLimitExceeded", "The maximum number of Tags for a resource has been reached.")
			}
			if err := k.edit(tx, id, f); err != nil {
				return err
			}
		}
		return nil
	})
}

type tagRow struct{ id, kind, key, value string }

var tagRows = noun[tagRow]{
	id: func(r tagRow) string { return r.id + "\x00" + r.key },
	filters: map[string]func(tagRow) []string{
		"resource-id":   one(func(r tagRow) string { return r.id }),
		"resource-type": one(func(r tagRow) string { return r.kind }),
		"key":           one(func(r tagRow) string { return r.key }),
		"value":         one(func(r tagRow) string { return r.value }),
	},
}

// DescribeTags lists tags of all resources. Errors: InvalidParameterValue.
func (a *API) DescribeTags(_ context.Context, in *shape.DescribeTagsInput) (*shape.DescribeTagsOutput, error) {
	view, err := a.look(in.DryRun)
	if err != nil {
		return nil, err
	}
	var rows []tagRow
	for _, k := range kinds {
		for id, tags := range k.all(view) {
			for _, t := range tags {
				rows = append(rows, tagRow{id, k.kind, t.Key, t.Value})
			}
		}
	}
	slices.SortFunc(rows, func(x, y tagRow) int { return strings.Compare(tagRows.id(x), tagRows.id(y)) })
	rows, next, err := tagRows.list(rows, a.query(in, nil, in.Filters))
	return &shape.DescribeTagsOutput{NextToken: next, Tags: each(rows, func(r tagRow) shape.TagDescription {
		return shape.TagDescription{Key: &r.key, Value: &r.value, ResourceId: &r.id, ResourceType: &r.kind}
	})}, err
}
