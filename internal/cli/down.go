package cli

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"berth/internal/example"
	"berth/internal/ident"
)

func (a *app) down() *cobra.Command {
	return &cobra.Command{
		Use:   "down [STACK]",
		Short: "Delete a stack",
		Long: "Deletes a stack with all that it made, and waits for its end; the server goes on. Without STACK it deletes the " +
			"example's, hello.",
		Example: "  berth down\n  berth down web",
		RunE: func(cmd *cobra.Command, args []string) error {
			c, err := a.client(cmd.Context())
			if err != nil {
				return err
			}
			stack := example.Stack
			if len(args) == 1 {
				stack = args[0]
			}
			if err := a.deleteStack(cmd.Context(), c, stack); err != nil {
				return err
			}
			if a.asJSON {
				return a.print(map[string]string{"stack": stack, "status": "DELETE_COMPLETE"})
			}
			return nil
		},
	}
}

// stack finds a stack by its name or id, nil if there is none.
func (c *client) stack(ctx context.Context, name string) (map[string]any, error) {
	in := map[string]any{}
	for {
		out, err := c.call(ctx, "cloudformation", "DescribeStacks", in)
		if err != nil {
			return nil, err
		}
		for _, st := range list(out, "Stacks") {
			if str(st, "StackName") == name || str(st, "StackId") == name {
				return st, nil
			}
		}
		if in["NextToken"] = str(out, "NextToken"); in["NextToken"] == "" {
			return nil, nil
		}
	}
}

func (a *app) deleteStack(ctx context.Context, c *client, stack string) error {
	began := time.Now()
	st, err := c.stack(ctx, stack)
	if err != nil {
		return err
	}
	if st == nil {
		return a.noStack(ctx, c, stack)
	}
	id := str(st, "StackId")
	if _, err := c.call(ctx, "cloudformation", "DeleteStack", map[string]any{"StackName": stack}); err != nil {
		return err
	}
	fmt.Fprintf(a.note, "  deleting stack %s\n", tint(a.note, "bold", stack))
	err = a.follow(ctx, c, stack, id, "deleting", began)
	if errors.Is(err, context.Canceled) {
		fmt.Fprintf(a.note, "the deletion of %s goes on without you: `berth status -w%s` shows it\n", stack, a.folder())
	}
	return err
}

// noStack says which stacks there are.
func (a *app) noStack(ctx context.Context, c *client, stack string) error {
	out, err := c.call(ctx, "cloudformation", "DescribeStacks", map[string]any{})
	if err != nil {
		return err
	}
	var names []string
	for _, s := range list(out, "Stacks") {
		names = append(names, str(s, "StackName"))
	}
	if len(names) == 0 {
		return fmt.Errorf("there is no stack %s, nor any other", stack)
	}
	return fmt.Errorf("there is no stack %s%s\n  there are: %s", stack, maybe(ident.Near(stack, names)), strings.Join(names, ", "))
}
