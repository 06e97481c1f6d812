package cloudformation

import (
	"context"
	"encoding/json"
	"slices"
	"strings"

	"berth/internal/fault"
	"berth/internal/lang/template"
	"berth/internal/model"
	"berth/internal/state"
	"berth/internal/store"
	"berth/internal/wire"
	shape "berth/internal/wire/shape/cloudformation"
)

// CloudFormation's words for a change set that changes nothing; the AWS CLI
// looks for them.
const noChanges = "The submitted information didn't contain changes. Submit different information to create a change set."

// CreateChangeSet computes what a template would change. Errors:
// AlreadyExistsException, InsufficientCapabilitiesException, ValidationError,
// NotImplemented.
func (a *API) CreateChangeSet(ctx context.Context, in *shape.CreateChangeSetInput) (*shape.CreateChangeSetOutput, error) {
	now, eventID := a.now(ctx), a.IDs.UUID()
	kind := wire.Or(in.ChangeSetType, "UPDATE")
	if kind == "IMPORT" {
		return nil, fault.New(fault.NotImplemented, "NotImplemented", "The change set type IMPORT is not implemented by Berth")
	}
	fresh := a.blank(ctx, wire.Val(in.StackName))
	fresh.CreatedAt, fresh.Status = now, model.StackReviewInProgress
	c := model.ChangeSet{
		ID: a.Place.ARN("cloudformation", "changeSet/"+wire.Val(in.ChangeSetName)+"/"+a.IDs.UUID()), Name: wire.Val(in.ChangeSetName),
		Type: kind, Description: wire.Val(in.Description), Capabilities: in.Capabilities, RoleARN: wire.Val(in.RoleARN),
		OnStackFailure: wire.Val(in.OnStackFailure), CreatedAt: now,
		Token: wire.Val(in.ClientToken), Nested: wire.Val(in.IncludeNestedStacks),
	}
	if err := a.rehearseChangeSet(ctx, in, fresh, kind); err != nil {
		return nil, err
	}
	err := a.DB.Update(ctx, writer, func(tx *store.Tx) error {
		s, isNew, err := subject(tx, in, fresh, kind)
		if err != nil {
			return err
		}
		if old, ok := named(tx, s, c.Name); ok {
			if c.Token == "" || old.Token != c.Token {
				return fault.New(fault.Conflict, "AlreadyExistsException", "ChangeSet [%s] already exists", old.ID)
			}
			c = old // the same request again
			return nil
		}
		c.Stack, c.StackName, c.Tags = s.ID, s.Name, s.Tags
		if in.Tags != nil {
			c.Tags = stackTags(in.Tags)
		}
		if err := a.compute(ctx, tx, in, s, &c); err != nil {
			return err
		}
		if isNew {
			if err := event(tx, &s, eventID, s.Status, "User Initiated", now); err != nil {
				return err
			}
			s.StatusReason = "User Initiated"
			if err := state.Stacks.Put(tx, s); err != nil {
				return err
			}
		}
		return state.ChangeSets.Put(tx, c)
	})
	if err != nil {
		return nil, err
	}
	return &shape.CreateChangeSetOutput{Id: &c.ID, StackId: &c.Stack}, nil
}

// subject is the stack that a change set is about.
func subject(r store.Reader, in *shape.CreateChangeSetInput, fresh model.Stack, kind string) (s model.Stack, isNew bool, err error) {
	s, ok := find(r, wire.Val(in.StackName))
	if kind == "CREATE" {
		if ok && s.Status != model.StackReviewInProgress {
			return s, false, invalid("Stack [%s] already exists and cannot be created again with the changeSet [%s].", s.Name,
				wire.Val(in.ChangeSetName))
		}
		if !ok && strings.HasPrefix(wire.Val(in.StackName), "arn:") {
			return s, false, invalid("Stack [%s] does not exist", wire.Val(in.StackName))
		}
		if !ok {
			return fresh, true, nil
		}
	} else {
		if !ok {
			return s, false, invalid("Stack [%s] does not exist", wire.Val(in.StackName))
		}
		if err := canUpdate(s); err != nil {
			return s, false, err
		}
	}
	return s, false, nil
}

// named finds a stack's change set by its name.
func named(r store.Reader, s model.Stack, name string) (model.ChangeSet, bool) {
	for _, c := range state.ChangeSets.By(r, "stack", s.ID) {
		if c.Name == name {
			return c, true
		}
	}
	return model.ChangeSet{}, false
}

// compute fills in what the change set changes, and whether it may be executed.
func (a *API) compute(ctx context.Context, tx *store.Tx, in *shape.CreateChangeSetInput, s model.Stack, c *model.ChangeSet) error {
	p, err := a.prepare(ctx, tx, s, changeSetRequest(in))
	if err != nil {
		return err
	}
	c.Template, c.Parameters = p.body, p.parameters
	changes, err := differences(tx, s, p.bound, !sameTags(c.Tags, s.Tags))
	if err != nil {
		return err
	}
	for _, ch := range changes {
		c.Changes = append(c.Changes, recorded(ch, changedParameters(p, s), secrets(p, s)))
	}
	c.Status, c.ExecutionStatus = model.ChangeSetCreateComplete, model.ExecutionAvailable
	if len(changes) == 0 && !retrying(s) {
		c.Status, c.StatusReason, c.ExecutionStatus = model.ChangeSetFailed, noChanges, model.ExecutionUnavailable
	}
	return nil
}

func changeSetRequest(in *shape.CreateChangeSetInput) request {
	return request{
		body: in.TemplateBody, previous: wire.Val(in.UsePreviousTemplate), parameters: in.Parameters,
		capabilities: in.Capabilities, roleARN: in.RoleARN,
	}
}

// changedParameters answers which of the parameters that a property is written
// with have another value than the stack has.
func changedParameters(p prepared, s model.Stack) func(id, property string) []string {
	was := map[string]string{}
	for _, x := range s.Parameters {
		was[x.Key] = x.Value + "\x00" + x.Resolved
	}
	changed := map[string]bool{}
	for _, x := range p.parameters {
		old, had := was[x.Key]
		changed[x.Key] = had && old != x.Value+"\x00"+x.Resolved
	}
	return func(id, property string) []string {
		return slices.DeleteFunc(p.bound.ParametersOf(id, property), func(name string) bool { return !changed[name] })
	}
}

// secrets answers whether a property's value is not to be seen: one that is
// written with a NoEcho parameter, or holds the value of one.
func secrets(p prepared, s model.Stack) func(id, property string, v any) bool {
	names, values := map[string]bool{}, map[string]bool{}
	for _, x := range slices.Concat(s.Parameters, p.parameters) {
		if x.NoEcho && x.Value != "" {
			names[x.Key], values[strings.Trim(asJSON(x.Value), `"`)] = true, true
		}
	}
	return func(id, property string, v any) bool {
		for _, name := range p.bound.ParametersOf(id, property) {
			if names[name] {
				return true
			}
		}
		text := value(v)
		for secret := range values {
			if strings.Contains(text, secret) {
				return true
			}
		}
		return false
	}
}

// What CloudFormation shows in place of a value that it does not know yet, and
// of one that is not to be seen.
const (
	knownAfterApply = "{{changeSet:KNOWN_AFTER_APPLY}}"
	masked          = "****"
)

// value is a property's value as change sets show it.
func value(v any) string {
	if v == nil {
		return ""
	}
	if s, ok := template.Known(v, knownAfterApply).(string); ok {
		return s
	}
	return asJSON(template.Known(v, knownAfterApply))
}

// asJSON writes what came out of a template.
func asJSON(v any) string {
	raw, err := json.Marshal(v)
	if err != nil {
		return ""
	}
	return string(raw)
}

// surroundings are all that a resource has, or will have.
func surroundings(id string, props map[string]any, secret func(id, property string, v any) bool) string {
	if props == nil {
		return ""
	}
	out := make(map[string]any, len(props))
	for name, v := range props {
		out[name] = template.Known(v, knownAfterApply)
		if secret(id, name, v) {
			out[name] = masked
		}
	}
	return asJSON(map[string]any{"Properties": out})
}

// recorded turns a difference into the record that is kept. parameters names
// the changed parameters behind a property.
func recorded(
	ch template.Change, parameters func(id, property string) []string, secret func(id, property string, v any) bool,
) model.ResourceChange {
	out := model.ResourceChange{
		Action: ch.Action, LogicalID: ch.ID, PhysicalID: ch.PhysicalID, Type: ch.Type,
		Before: surroundings(ch.ID, ch.Before, secret), After: surroundings(ch.ID, ch.After, secret),
	}
	if ch.Action != "Modify" {
		return out
	}
	out.Replacement = ch.Replacement
	for _, p := range ch.Properties {
		out.Properties = append(out.Properties, p.Name)
		if secret(ch.ID, p.Name, p.Old) || secret(ch.ID, p.Name, p.New) {
			p.Old, p.New = hidden(p.Old), hidden(p.New)
		}
		out.Details = append(out.Details, details(ch, p, parameters(ch.ID, p.Name))...)
	}
	if ch.Tags && !slices.Contains(out.Properties, "Tags") {
		out.Details = append(out.Details,
			model.ChangeDetail{Attribute: "Tags", Recreation: "Never", Evaluation: "Static", Source: "DirectModification"})
	}
	return out
}

func hidden(v any) any {
	if v == nil {
		return nil
	}
	return masked
}

func details(ch template.Change, p template.PropertyChange, parameters []string) []model.ChangeDetail {
	d := model.ChangeDetail{Attribute: "Properties", Name: p.Name, Recreation: string(p.Recreation), Evaluation: "Static",
		Source: "DirectModification", Before: value(p.Old), After: value(p.New)}
	if t, ok := template.TypeOf(ch.Type); ok && p.Name == t.TagProperty {
		d.Attribute, d.Name = "Tags", ""
	}
	var out []model.ChangeDetail
	for _, name := range parameters {
		e := d
		e.Source, e.Causing = "ParameterReference", name
		out = append(out, e)
	}
	if p.Unknown == nil {
		if len(parameters) > 0 {
			d.Evaluation = "Dynamic" // as CloudFormation marks what a parameter may have changed
		}
		return append(out, d)
	}
	for _, att := range p.Unknown.Attributes {
		e := d
		e.Evaluation, e.Source, e.Causing = "Dynamic", "ResourceReference", att
		if strings.Contains(att, ".") {
			e.Source = "ResourceAttribute"
		}
		out = append(out, e)
	}
	return out
}

// changeSet finds a change set by its id, or by its name and a stack.
func changeSet(r store.Reader, name, stack *string) (model.ChangeSet, error) {
	if strings.HasPrefix(wire.Val(name), "arn:") {
		if c, ok := state.ChangeSets.Get(r, *name); ok {
			return c, nil
		}
		return model.ChangeSet{}, fault.New(fault.NotFound, "ChangeSetNotFound", "ChangeSet [%s] does not exist", *name)
	}
	if stack == nil {
		return model.ChangeSet{}, invalid("StackName must be specified if ChangeSetName is not specified as an ARN.")
	}
	s, err := bracketed(r, stack)
	if err != nil {
		return model.ChangeSet{}, err
	}
	for _, c := range state.ChangeSets.By(r, "stack", s.ID) {
		if c.Name == wire.Val(name) {
			return c, nil
		}
	}
	return model.ChangeSet{}, fault.New(fault.NotFound, "ChangeSetNotFound", "ChangeSet [%s] does not exist", wire.Val(name))
}

// ExecuteChangeSet asks for what a change set says; the stack's other
// change sets go. Errors: ChangeSetNotFound, InvalidChangeSetStatus,
// ValidationError.
func (a *API) ExecuteChangeSet(ctx context.Context, in *shape.ExecuteChangeSetInput) (*shape.ExecuteChangeSetOutput, error) {
	now, eventID := a.now(ctx), a.IDs.UUID()
	err := a.DB.Update(ctx, writer, func(tx *store.Tx) error {
		c, err := changeSet(tx, in.ChangeSetName, in.StackName)
		if err != nil {
			return err
		}
		if c.Status != model.ChangeSetCreateComplete || c.ExecutionStatus != model.ExecutionAvailable {
			status := string(c.Status)
			if c.Status == model.ChangeSetCreateComplete {
				status = string(c.ExecutionStatus)
			}
			return fault.New(fault.Invalid, "InvalidChangeSetStatus", "ChangeSet [%s] cannot be executed in its current status of [%s]", c.ID,
				status)
		}
		return a.execute(ctx, tx, c, in, now, eventID)
	})
	return &shape.ExecuteChangeSetOutput{}, err
}
