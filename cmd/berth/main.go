// Command berth is Amazon ECS with Managed Instances, on your own machines.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"berth/internal/agent"
	"berth/internal/cli"
	"berth/internal/container/runc"
	"berth/internal/daemon"
	"berth/internal/edge"
	"berth/internal/machine/local"
	"berth/internal/userland"
)

// processes are the parts of Berth that run as processes of their own: the
// same program under another first argument.
var processes = map[string]func(context.Context, []string) error{
	"edge":     edge.Main,
	"instance": local.InstanceMain,
	"agent":    agent.Main,
	"shim":     runc.ShimMain,
	"userland": userland.Main,
}

func main() {
	if len(os.Args) > 1 {
		if run := processes[os.Args[1]]; run != nil {
			if err := run(context.Background(), os.Args[2:]); err != nil {
				var exit runc.ExitError
				if errors.As(err, &exit) { // the first process of a container ends as its command did
					os.Exit(exit.ExitCode())
				}
				var said userland.ExitError
				if errors.As(err, &said) {
					os.Exit(said.ExitCode())
				}
				fmt.Fprintf(os.Stderr, "berth %s: %v\n", os.Args[1], err)
				os.Exit(1)
			}
			return
		}
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	hooks := cli.Hooks{
		Server: daemon.Serve, Sweep: daemon.Sweep, Backup: daemon.Backup, Restore: daemon.Restore,
		Examine: daemon.Examine, Machine: daemon.Machine, Compatibility: daemon.Compatibility,
		Version: daemon.Version,
	}
	code := cli.Main(ctx, hooks, os.Args[1:], os.Stdout, os.Stderr)
	stop()
	os.Exit(code)
}
