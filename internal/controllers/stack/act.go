package stack

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"berth/internal/fault"
	"berth/internal/lang/template"
	"berth/internal/model"
)

// What a resource's record remembers between steps.
const (
	memoSuffix  = "suffix"  // random end of a generated name
	memoMade    = "made"    // creating is done, but for settling
	memoStep    = "step"    // how far an update got
	memoRefused = "refused" // the API refused to make it: nothing to look for
	stepChanged = "changed" // the update was made and only has to settle
)

// kind is the code behind one resource type. Every function may be called
// again after it was interrupted at any point.
type kind struct {
	// name is the property that names the resource, if it has one: while that
	// is kept a resource cannot be replaced.
	name string
	// create makes the resource and sets its physical id and attributes.
	create func(context.Context, *act) error
	// update changes it in place from a.old to a.props.
	update func(context.Context, *act) error
	// settle says whether the resource is ready; nil: at once.
	settle func(context.Context, *act) (bool, error)
	// remove deletes it; gone says that nothing is left. It is called until
	// then. An error of class NotFound means gone.
	remove func(context.Context, *act) (gone bool, err error)
	// find looks for what an interrupted create made, and sets the physical
	// id if it is ours.
	find func(context.Context, *act) (bool, error)
}

// act is one step with one resource.
type act struct {
	*run
	rec   *model.StackResource
	props map[string]any
	old   map[string]any // before an update
	tags  []model.Tag    // all that the resource should carry
	again bool           // an earlier step may have been interrupted
}

func (r *run) newAct(rec *model.StackResource) *act {
	if rec.Memo == nil {
		rec.Memo = map[string]string{}
	}
	if rec.Attributes == nil {
		rec.Attributes = map[string]any{}
	}
	return &act{run: r, rec: rec, props: rec.Properties, old: rec.Prior, tags: r.tagsOf(rec, rec.Properties)}
}

// tagsOf lists the tags a resource should carry: CloudFormation's own, the
// stack's, and above these its own.
func (r *run) tagsOf(rec *model.StackResource, props map[string]any) []model.Tag {
	stack := r.stack.Tags
	if strings.HasPrefix(r.stack.Status, "UPDATE_ROLLBACK") {
		stack = r.stack.PreviousTags
	}
	tags := model.SetTags(nil, stack)
	if t, ok := template.TypeOf(rec.Type); ok && t.Taggable() {
		tags = model.SetTags(tags, tagList(props[t.TagProperty]))
	}
	if strings.HasPrefix(rec.Type, "AWS::IAM::") {
		return tags // IAM's resource types take no tags of CloudFormation's own
	}
	return model.SetTags(tags, []model.Tag{
		{Key: "aws:cloudformation:stack-name", Value: r.stack.Name},
		{Key: "aws:cloudformation:stack-id", Value: r.stack.ID},
		{Key: "aws:cloudformation:logical-id", Value: rec.LogicalID},
	})
}

// tagList reads tags in any of the forms that properties and answers have.
func tagList(v any) []model.Tag {
	var out []model.Tag
	switch v := v.(type) {
	case []any:
		for _, it := range v {
			m, _ := it.(map[string]any)
			out = append(out, model.Tag{Key: either(m, "Key", "key", "TagKey"), Value: either(m, "Value", "value", "TagValue")})
		}
	case map[string]any:
		for _, k := range sortedKeys(v) {
			s, _ := template.Flat(v[k])
			out = append(out, model.Tag{Key: k, Value: s})
		}
	}
	return out
}

func either(m map[string]any, keys ...string) string {
	for _, k := range keys {
		if s, ok := m[k].(string); ok {
			return s
		}
	}
	return ""
}

func sameTags(a, b []model.Tag) bool {
	return slices.Equal(model.SetTags(nil, a), model.SetTags(nil, b))
}

// call calls an API as the stack.
func (a *act) call(ctx context.Context, service, operation string, in map[string]any) (map[string]any, error) {
	for k, v := range in {
		if v == nil {
			delete(in, k)
		}
	}
	return a.Invoke.Invoke(ctx, a.as, service, operation, in)
}

// do is call without the answer.
func (a *act) do(ctx context.Context, service, operation string, in map[string]any) error {
	_, err := a.call(ctx, service, operation, in)
	return err
}

func (a *act) id() string { return a.rec.PhysicalID }

func (a *act) made(id string, attributes map[string]any) {
	a.rec.PhysicalID = id
	for k, v := range attributes {
		a.rec.Attributes[k] = v
	}
}

func (a *act) remember(k, v string) { a.rec.Memo[k] = v }

// str is a property's text.
func (a *act) str(name string) string { s, _ := a.props[name].(string); return s }

// changed reports whether an update changes any of some properties.
func (a *act) changed(names ...string) bool {
	return slices.ContainsFunc(names, func(n string) bool { return text(a.old[n]) != text(a.props[n]) })
}

// updatable are the properties without what no update can change.
func (a *act) updatable() map[string]any {
	t, _ := template.TypeOf(a.rec.Type)
	out := map[string]any{}
	for name, v := range a.props {
		if v, ok := t.Updatable(name, v); ok {
			out[name] = v
		}
	}
	return out
}

// text is a value as JSON, to compare by.
func text(v any) string {
	b, err := json.Marshal(v)
	if err != nil {
		return ""
	}
	return string(b)
}

// pick copies properties that are set.
func pick(props map[string]any, names ...string) map[string]any {
	out := map[string]any{}
	for _, n := range names {
		if v, ok := props[n]; ok {
			out[n] = v
		}
	}
	return out
}

// physical is the resource's name: what the template says, or one made from
// the stack's name, the logical id and a random end, within max characters.
func (a *act) physical(property string, limit int) string {
	if s := a.str(property); s != "" {
		return s
	}
	return generated(a.stack.Name, a.rec.LogicalID, a.rec.Memo[memoSuffix], limit)
}

func generated(stack, logical, suffix string, limit int) string {
	room := limit - len(suffix) - 2
	if len(stack)+len(logical) > room {
		stack = stack[:min(len(stack), max(room/2, room-len(logical)))]
		logical = logical[:min(len(logical), room-len(stack))]
	}
	return strings.Trim(stack, "-") + "-" + logical + "-" + suffix
}

// mine reports whether tags say that this very resource made something.
func (a *act) mine(tags any) bool {
	list := tagList(tags)
	return model.TagValue(list, "aws:cloudformation:stack-id") == a.stack.ID &&
		model.TagValue(list, "aws:cloudformation:logical-id") == a.rec.LogicalID
}

// pairs are tags as most APIs want them.
func pairs(tags []model.Tag) []any {
	out := make([]any, len(tags))
	for i, t := range tags {
		out[i] = map[string]any{"Key": t.Key, "Value": t.Value}
	}
	return out
}

// lowPairs are tags as ECS wants them.
func lowPairs(tags []model.Tag) []any {
	out := make([]any, len(tags))
	for i, t := range tags {
		out[i] = map[string]any{"key": t.Key, "value": t.Value}
	}
	return out
}

func tagMap(tags []model.Tag) map[string]any {
	out := map[string]any{}
	for _, t := range tags {
		out[t.Key] = t.Value
	}
	return out
}

// dropped lists tag keys that the resource carries and should not.
func (a *act) dropped() []any {
	out := []any{}
	for _, t := range a.rec.Tags {
		if !slices.ContainsFunc(a.tags, func(n model.Tag) bool { return n.Key == t.Key }) {
			out = append(out, t.Key)
		}
	}
	return out
}

// document is a policy as JSON text, whether it came as text or as a tree.
func document(v any) any {
	switch v := v.(type) {
	case nil:
		return nil
	case string:
		return v
	default:
		return text(v)
	}
}

// dig follows keys and list indexes into an answer.
func dig(v any, path ...any) any {
	for _, p := range path {
		switch p := p.(type) {
		case string:
			m, _ := v.(map[string]any)
			v = m[p]
		case int:
			l, _ := v.([]any)
			if p >= len(l) {
				return nil
			}
			v = l[p]
		}
	}
	return v
}

func digs(v any, path ...any) string { s, _ := dig(v, path...).(string); return s }

func list(v any) []any { l, _ := v.([]any); return l }

// strs reads a list of strings.
func strs(v any) []string {
	var out []string
	for _, it := range list(v) {
		if s, ok := it.(string); ok {
			out = append(out, s)
		}
	}
	return out
}

// less lists what is in a and not in b.
func less(a, b []string) []any {
	out := []any{}
	for _, s := range a {
		if !slices.Contains(b, s) {
			out = append(out, s)
		}
	}
	return out
}

// orNil makes an empty list absent.
func orNil(l []any) any {
	if len(l) == 0 {
		return nil
	}
	return l
}

// handlerFault is a failure that a resource's own code found, with
// CloudFormation's code for it.
type handlerFault struct{ code, message string }

// Error implements error.
func (e *handlerFault) Error() string { return e.message }

func notStabilized(format string, args ...any) error {
	return &handlerFault{"NotStabilized", fmt.Sprintf(format, args...)}
}

func general(format string, args ...any) error {
	return &handlerFault{"GeneralServiceException", fmt.Sprintf(format, args...)}
}

// handlerText words a failure as CloudFormation does.
func handlerText(err error, token string) string {
	code := "GeneralServiceException"
	var h *handlerFault
	if errors.As(err, &h) {
		code = h.code
	} else if c, ok := handlerCodes[fault.ClassOf(err)]; ok {
		code = c
	}
	if aws := fault.CodeOf(err); strings.Contains(aws, "AlreadyExists") || strings.Contains(aws, "Duplicate") {
		code = "AlreadyExists"
	}
	return fmt.Sprintf("Resource handler returned message: \"%s\" (RequestToken: %s, HandlerErrorCode: %s)", fault.MessageOf(err), token, code)
}

var handlerCodes = map[fault.Class]string{
	fault.Internal: "InternalFailure", fault.Unavailable: "ServiceInternalError", fault.Throttled: "Throttling", fault.Conflict: "ResourceConflict",
	fault.NotFound: "NotFound", fault.Invalid: "InvalidRequest", fault.Denied: "AccessDenied", fault.NotImplemented: "InvalidRequest",
}

func absent(err error) bool {
	if err == nil {
		return false
	}
	code := fault.CodeOf(err)
	return fault.Is(err, fault.NotFound) || strings.Contains(code, "NotFound") || strings.Contains(code, "NoSuchEntity")
}

func exists(err error) bool {
	code := fault.CodeOf(err)
	return strings.Contains(code, "AlreadyExists") || strings.Contains(code, "Duplicate") || code == "ResourceConflictException" || code == "EntityAlreadyExists"
}

// passing reports whether trying again later may help a create or an update.
func passing(err error) bool {
	switch fault.CodeOf(err) {
	case "UpdateInProgressException", "ServiceNotActiveException", "ConcurrentUpdateException":
		return true
	case "ResourceConflictException":
		return strings.Contains(fault.MessageOf(err), "in progress")
	}
	return fault.Is(err, fault.Unavailable) || fault.Is(err, fault.Throttled) || errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded)
}

// holding reports whether a delete failed only because something still uses
// the resource, so that waiting may help.
func holding(err error) bool {
	code := fault.CodeOf(err)
	for _, part := range []string{"InUse", "DependencyViolation", "DeleteConflict", "ClusterContains", "UpdateInProgress", "ResourceConflict", "OperationAborted", "TargetNotConnected"} {
		if strings.Contains(code, part) {
			return true
		}
	}
	return passing(err) || fault.Is(err, fault.Conflict) || strings.Contains(fault.MessageOf(err), "in use")
}
