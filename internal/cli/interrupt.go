package cli

import (
	"fmt"
	"net/http"
	"time"

	"github.com/spf13/cobra"
)

// interrupt is what Fargate Spot does to a task when it wants its capacity
// back; Berth only does it when it is told.
func (a *app) interrupt() *cobra.Command {
	return &cobra.Command{
		Use: "interrupt TASK", Short: "Take the capacity of a task on Fargate Spot away, as AWS does",
		Long: "Tells a task on FARGATE_SPOT that it is interrupted: its containers get SIGTERM at once, and two minutes later, on the control " +
			"plane's clock, what is left of it is ended. TASK is its id or ARN.",
		Example: "  berth interrupt 4f2c9d0e8b7a4c6d9e1f3a5b7c9d1e3f", Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			c, err := a.client(cmd.Context())
			if err != nil {
				return err
			}
			var out struct {
				Task        string    `json:"task"`
				TakenAwayAt time.Time `json:"takenAwayAt"`
			}
			if err := c.own(cmd.Context(), http.MethodPost, "/_berth/interrupt", map[string]any{"task": args[0]}, &out); err != nil {
				return err
			}
			if a.asJSON {
				return a.print(out)
			}
			fmt.Fprintf(a.out, "Task %s is interrupted; its slice is taken away at %s.\n", out.Task, out.TakenAwayAt.Format(time.RFC3339))
			return nil
		},
	}
}
