package cli

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"berth/internal/ident"
	"berth/internal/model"
)

// deployment is a template on its way into a stack.
type deployment struct {
	stack, file, body string
	parameters        []any
	update, remains   bool // the stack is there; only what a rollback left is
}

// mostInline is how many bytes CloudFormation takes of a template in a request.
const mostInline = 51_200

// prepare finds what would keep a deployment from beginning: what the template
// is, what its parameters are, how the stack stands.
func (a *app) prepare(ctx context.Context, c *client, d *deployment, given map[string]string) error {
	if n := len(d.body); n > mostInline {
		return fmt.Errorf(
			"%s has %d bytes, and CloudFormation takes %d in a request; AWS takes larger ones from S3, which Berth has not\n  leave out comments, or "+
				"make two stacks of it", d.file, n, mostInline,
		)
	}
	out, err := c.call(ctx, "cloudformation", "GetTemplateSummary", map[string]any{"TemplateBody": d.body})
	if err != nil {
		return refused(*d, err)
	}
	st, err := c.stack(ctx, d.stack)
	if err != nil {
		return refused(*d, err)
	}
	if err := standing(d, model.StackStatus(str(st, "StackStatus"))); err != nil {
		return err
	}
	had := map[string]bool{}
	for _, p := range list(st, "Parameters") {
		had[str(p, "ParameterKey")] = d.update
	}
	return d.fill(list(out, "Parameters"), given, had)
}

// fill gives the template's parameters their values.
func (d *deployment) fill(declared []map[string]any, given map[string]string, had map[string]bool) error {
	var names, missing []string
	for _, p := range declared {
		name := str(p, "ParameterKey")
		names = append(names, name)
		value, ok := given[name]
		_, defaults := p["DefaultValue"]
		switch {
		case ok:
			d.parameters = append(d.parameters, map[string]any{"ParameterKey": name, "ParameterValue": value})
		case defaults:
		case had[name]:
			d.parameters = append(d.parameters, map[string]any{"ParameterKey": name, "UsePreviousValue": true})
		default:
			line := "-p " + name + "=" + strings.ToUpper(last(str(p, "ParameterType")))
			if s := str(p, "Description"); s != "" {
				line += "   " + s
			}
			missing = append(missing, line)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(given)) {
		if !slices.Contains(names, name) {
			return fmt.Errorf(
				"-p %s: the template has no such parameter%s\n  it has: %s", name, maybe(ident.Near(name, names)),
				first(strings.Join(names, ", "), "none"),
			)
		}
	}
	if len(missing) > 0 {
		return fmt.Errorf("the template wants a value for what has no default:\n  %s", strings.Join(missing, "\n  "))
	}
	return nil
}

// standing says whether a stack of that status may be deployed to.
func standing(d *deployment, status model.StackStatus) error {
	switch {
	case status == "" || status == model.StackReviewInProgress:
	case status == model.StackRollbackComplete:
		d.remains = true
	case status == model.StackUpdateInProgress:
		return fmt.Errorf(
			"stack %s is being updated already\n  `berth status -w` shows it, `berth explain %s` says what it waits for\n  `aws cloudformation "+
				"cancel-update-stack --stack-name %s` gives it up",
			d.stack, d.stack, d.stack,
		)
	case status == model.StackCreateInProgress:
		return fmt.Errorf(
			"stack %s is being created already\n  `berth status -w` shows it, `berth explain %s` says what it waits for\n  `berth down %s` "+
				"gives it up",
			d.stack, d.stack, d.stack,
		)
	case status.InProgress():
		return fmt.Errorf("stack %s is %s: wait for its end (`berth status -w`)", d.stack, status)
	case status == model.StackUpdateRollbackFailed:
		return fmt.Errorf(
			"stack %s is %s: `berth explain stack/%s` says why\n  then `aws cloudformation continue-update-rollback --stack-name %s`", d.stack,
			status, d.stack, d.stack,
		)
	case status == model.StackCreateFailed || status == model.StackRollbackFailed || status == model.StackDeleteFailed:
		return fmt.Errorf(
			"stack %s is %s and cannot be updated: `berth explain stack/%s` says why\n  `berth down %s` takes it away, then deploy again", d.stack,
			status, d.stack, d.stack,
		)
	default:
		d.update = true
	}
	return nil
}

// deploy creates or updates a stack by a change set, as `aws cloudformation
// deploy` does, and follows it to its end.
func (a *app) deploy(ctx context.Context, c *client, d deployment) error {
	if d.remains {
		fmt.Fprintf(a.note, "  an earlier create of %s was rolled back; deleting what is left\n", d.stack)
		if err := a.deleteStack(ctx, c, d.stack); err != nil {
			return err
		}
	}
	kind, verb := "CREATE", "creating"
	if d.update {
		kind, verb = "UPDATE", "updating"
	}
	began := time.Now()
	in := map[string]any{
		"StackName": d.stack, "ChangeSetName": fmt.Sprintf("berth-up-%d", began.UnixNano()), "ChangeSetType": kind, "TemplateBody": d.body,
		"Capabilities": []string{"CAPABILITY_IAM", "CAPABILITY_NAMED_IAM", "CAPABILITY_AUTO_EXPAND"}, "Description": "Created by berth up",
	}
	if len(d.parameters) > 0 {
		in["Parameters"] = d.parameters
	}
	out, err := c.call(ctx, "cloudformation", "CreateChangeSet", in)
	if err != nil {
		return refused(d, err)
	}
	id, stackID := str(out, "Id"), str(out, "StackId")
	if changes, err := a.computed(ctx, c, id); err != nil || !changes {
		if err == nil {
			fmt.Fprintf(a.note, "%s stack %s is up to date\n", tint(a.note, "green", "✓"), d.stack)
			_, err = c.call(ctx, "cloudformation", "DeleteChangeSet", map[string]any{"ChangeSetName": id})
		}
		return err
	}
	if _, err := c.call(ctx, "cloudformation", "ExecuteChangeSet", map[string]any{"ChangeSetName": id}); err != nil {
		return err
	}
	fmt.Fprintf(a.note, "  %s stack %s\n", verb, tint(a.note, "bold", d.stack))
	err = a.follow(ctx, c, d.stack, stackID, verb, began)
	if errors.Is(err, context.Canceled) {
		undo := "`berth down " + d.stack + a.folder() + "` gives it up"
		if d.update {
			undo = "`aws cloudformation cancel-update-stack --stack-name " + d.stack + "` takes it back"
		}
		fmt.Fprintf(
			a.note,
			"the deployment of %s goes on without you:\n  `berth status -w%s` shows it, `berth explain %s%s` says what it waits for,\n  %s\n",
			d.stack, a.folder(), d.stack, a.folder(), undo,
		)
	}
	return err
}

// computed waits for a change set and says whether it changes anything.
func (a *app) computed(ctx context.Context, c *client, id string) (bool, error) {
	for {
		out, err := c.call(ctx, "cloudformation", "DescribeChangeSet", map[string]any{"ChangeSetName": id})
		if err != nil {
			return false, err
		}
		reason := str(out, "StatusReason")
		switch status := model.ChangeSetStatus(str(out, "Status")); {
		case status == model.ChangeSetCreateComplete:
			return true, nil
		case status == model.ChangeSetFailed && (strings.Contains(reason, "didn't contain changes") || strings.Contains(reason, "No updates")):
			return false, nil
		case status == model.ChangeSetFailed:
			return false, errors.New(reason)
		}
		if err := pause(ctx, 50*time.Millisecond); err != nil {
			return false, err
		}
	}
}
