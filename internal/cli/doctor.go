package cli

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"berth/internal/doctor"
)

func (a *app) doctor() *cobra.Command {
	var runtime string
	cmd := &cobra.Command{
		Use:   "doctor",
		Short: "Say what is wrong with the data and the machine, and the cure",
		Long: "Reads every file of the data folder to its end, then looks what of this machine Berth needs: kernel, control groups, OCI runtime, " +
			"nftables, overlay, ports, memory, disk, clock. It changes nothing. A server goes on meanwhile. The exit code is 1 if something does " +
			"not work.",
		Example: "  berth doctor\n  berth doctor --data /srv/berth --json",
		RunE: func(cmd *cobra.Command, _ []string) error {
			return a.examine(cmd.Context(), runtime)
		},
	}
	cmd.Flags().StringVar(&runtime, "runtime", "", "OCI runtime to look for, a `program` (default: runc in PATH)")
	return cmd
}

func (a *app) examine(ctx context.Context, runtime string) error {
	say := a.busy("reading " + a.data)
	found, c, err := a.examineData(ctx)
	say("")
	if err != nil {
		return err
	}
	q := doctor.Question{Data: a.data, Runtime: runtime, Ports: []int{portOf(DefaultListen), 80}}
	if c != nil {
		q.Ports = []int{80}
		var rows []listening
		if err := c.own(ctx, http.MethodGet, "/_berth/listeners", nil, &rows); err != nil {
			return err
		}
		for _, l := range rows {
			q.Ours = append(q.Ours, l.HostPort)
		}
	}
	found = append(found, a.hooks.Machine(ctx, q)...)
	if a.asJSON {
		if err := a.print(found); err != nil {
			return err
		}
	} else {
		a.tell(found)
	}
	return verdict(found)
}

// examineData has the server read its folder, or reads one without a server.
func (a *app) examineData(ctx context.Context) ([]doctor.Finding, *client, error) {
	c, err := a.client(ctx)
	if err != nil {
		if r, ok := a.lookup(); a.endpoint != "" || ok && alive(r.PID) {
			return nil, nil, err
		}
		found, err := a.hooks.Examine(ctx, a.data)
		return found, nil, err
	}
	var found []doctor.Finding
	return found, c, c.own(ctx, http.MethodPost, "/_berth/examine", nil, &found)
}

func portOf(addr string) int {
	_, port, _ := net.SplitHostPort(addr)
	n, _ := strconv.Atoi(port) // of our own constant
	return n
}

// tell prints findings, the cure below what needs one.
func (a *app) tell(found []doctor.Finding) {
	signs := map[doctor.Status][2]string{doctor.OK: {"green", "✓"}, doctor.Warn: {"yellow", "!"}, doctor.Bad: {"red", "✗"}}
	for _, f := range found {
		sign := signs[f.Status]
		fmt.Fprintf(a.out, "%s %-17s %s\n", tint(a.out, sign[0], sign[1]), f.Check, f.Says)
		if f.Cure != "" {
			fmt.Fprintf(a.out, "  %-17s %s\n", "", strings.TrimSpace(f.Cure))
		}
	}
}

// verdict is an error if something does not work.
func verdict(found []doctor.Finding) error {
	bad := 0
	for _, f := range found {
		if f.Status == doctor.Bad {
			bad++
		}
	}
	switch bad {
	case 0:
		return nil
	case 1:
		return fmt.Errorf("one thing is wrong, and its cure is below it")
	default:
		return fmt.Errorf("%d things are wrong, and their cures are below them", bad)
	}
}

// lacks is what `berth doctor` finds of the machine that does not work, with the
// cures, for a server that did not start.
func (a *app) lacks(ctx context.Context, s ServerConfig) string {
	if a.hooks.Machine == nil {
		return ""
	}
	out := ""
	for _, f := range a.hooks.Machine(ctx, doctor.Question{Data: a.data, Runtime: s.Runtime, Ports: []int{portOf(s.Listen)}}) {
		if f.Status != doctor.Bad {
			continue
		}
		out += "\n  " + f.Check + ": " + f.Says
		if f.Cure != "" {
			out += "\n    " + strings.TrimSpace(f.Cure)
		}
	}
	if out != "" {
		out = "\n`berth doctor` finds:" + out
	}
	return out
}
