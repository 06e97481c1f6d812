package iam

import (
	"slices"
	"strings"

	"berth/internal/access"
	"berth/internal/fault"
	"berth/internal/ident"
	"berth/internal/model"
	"berth/internal/state"
	"berth/internal/store"
	"berth/internal/wire"
	shape "berth/internal/wire/shape/iam"
)

// holder is what a role, a user and a group have alike: policies embedded in
// it, and managed policies attached to it.
type holder struct {
	kind, name string
	inline     *[]model.InlinePolicy
	attached   *[]string
	most       int    // bytes of all that are embedded
	quota      string // IAM's name for that on attached ones
}

// Quotas of IAM on embedded policies of users and groups.
const (
	maxInlineUser  = 2048
	maxInlineGroup = 5120
)

func ofRole(r *model.Role) holder {
	return holder{"role", r.Name, &r.Inline, &r.Attached, maxInline, "PoliciesPerRole"}
}

func ofUser(u *model.User) holder {
	return holder{"user", u.Name, &u.Inline, &u.Attached, maxInlineUser, "PoliciesPerUser"}
}

func ofGroup(g *model.Group) holder {
	return holder{"group", g.Name, &g.Inline, &g.Attached, maxInlineGroup, "PoliciesPerGroup"}
}

// embed embeds a policy, or replaces it.
func (h holder) embed(name, document string) error {
	list := slices.DeleteFunc(*h.inline, func(o model.InlinePolicy) bool { return o.Name == name })
	list = append(list, model.InlinePolicy{Name: name, Document: document})
	slices.SortFunc(list, func(a, b model.InlinePolicy) int { return strings.Compare(a.Name, b.Name) })
	size := 0
	for _, o := range list {
		size += compactLen(o.Document)
	}
	if size > h.most {
		return tooMany("Maximum policy size of %d bytes exceeded for %s %s", h.most, h.kind, h.name)
	}
	*h.inline = list
	return nil
}

func (h holder) noInline(name string) error {
	return noEntity("The %s policy with name %s cannot be found.", h.kind, name)
}

// embedded finds an embedded policy.
func (h holder) embedded(name string) (model.InlinePolicy, error) {
	for _, p := range *h.inline {
		if p.Name == name {
			return p, nil
		}
	}
	return model.InlinePolicy{}, h.noInline(name)
}

// remove removes an embedded policy.
func (h holder) remove(name string) error {
	n := len(*h.inline)
	*h.inline = slices.DeleteFunc(*h.inline, func(o model.InlinePolicy) bool { return o.Name == name })
	if len(*h.inline) == n {
		return h.noInline(name)
	}
	return nil
}

// names are those of the embedded policies, in order.
func (h holder) names() []string {
	var out []string
	for _, p := range *h.inline {
		out = append(out, p.Name)
	}
	slices.Sort(out)
	return out
}

// unused refuses to delete one that has policies.
func (h holder) unused() error {
	switch {
	case len(*h.attached) > 0:
		return inUse("Cannot delete entity, must detach all policies first.")
	case len(*h.inline) > 0:
		return inUse("Cannot delete entity, must delete policies first.")
	}
	return nil
}

// attachable checks that a managed policy exists, the customer's or AWS's.
func attachable(r store.Reader, arn string) error {
	if a, ok := ident.ParseARN(arn); !ok || a.Service != "iam" || !strings.HasPrefix(a.Resource, "policy/") {
		return fault.New(fault.Invalid, "ValidationError", "ARN %s is not valid.", arn)
	}
	if _, ok := state.Policies.Get(r, arn); ok {
		return nil
	}
	if _, ok := access.Managed(arn); ok {
		return nil
	}
	return noEntity("Policy %s does not exist or is not attachable.", arn)
}

// attach attaches a managed policy; again is success.
func (h holder) attach(r store.Reader, arn string) error {
	if err := attachable(r, arn); err != nil {
		return err
	}
	if slices.Contains(*h.attached, arn) {
		return nil
	}
	if len(*h.attached) >= maxAttached {
		return tooMany("Cannot exceed quota for %s: %d", h.quota, maxAttached)
	}
	*h.attached = append(*h.attached, arn)
	slices.Sort(*h.attached)
	return nil
}

// detach detaches a managed policy.
func (h holder) detach(arn string) error {
	if !slices.Contains(*h.attached, arn) {
		return noEntity("Policy %s was not found.", arn)
	}
	*h.attached = slices.DeleteFunc(*h.attached, func(o string) bool { return o == arn })
	return nil
}

// below are the attached policies below a path, in order.
func (h holder) below(prefix *string) []string {
	var out []string
	for _, arn := range *h.attached {
		if strings.HasPrefix(arn[strings.Index(arn, ":policy")+len(":policy"):], path(wire.Val(prefix))) {
			out = append(out, arn)
		}
	}
	slices.Sort(out)
	return out
}

func shownAttached(arns []string) []shape.AttachedPolicy {
	out := []shape.AttachedPolicy{}
	for _, arn := range arns {
		out = append(out, shape.AttachedPolicy{PolicyName: wire.Ptr(ident.Last(arn)), PolicyArn: wire.Ptr(arn)})
	}
	return out
}
