package daemon

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"time"

	"berth/internal/access"
	"berth/internal/clock"
	"berth/internal/edge"
	"berth/internal/front"
	"berth/internal/hostnet"
	"berth/internal/kernel"
	"berth/internal/machine/local"
)

// Sweep ends and removes whatever a server of that data folder left running:
// machines with all that is in them, the edge, the network. The server itself
// must not run any more. What is gone already is success.
func Sweep(ctx context.Context, data string, out io.Writer) error {
	data, err := filepath.Abs(data)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, 2*time.Minute)
	defer cancel()
	unlock, err := lock(ctx, data)
	if err != nil {
		return err
	}
	defer unlock()
	log := slog.New(slog.DiscardHandler)
	real := clock.Real(ctx)
	machines, err := local.New(local.Deps{Data: data, Clock: real, Real: real, Log: log})
	if err != nil {
		return err
	}
	all, err := machines.List(ctx)
	if err != nil {
		return err
	}
	for _, m := range all {
		if err := machines.Terminate(ctx, m.ID); err != nil {
			return fmt.Errorf("end instance %s: %w", m.ID, err)
		}
	}
	switch n := len(all); n {
	case 0:
	case 1:
		fmt.Fprintln(out, "ended the instance with all that ran in it")
	default:
		fmt.Fprintf(out, "ended %d instances with all that ran in them\n", n)
	}
	if err := edge.Stop(ctx, data); err != nil {
		return fmt.Errorf("stop the edge: %w", err)
	}
	if err := removeNetwork(ctx, data, log); err != nil {
		return err
	}
	return errors.Join(kernel.UnmountBelow(data), machines.Close())
}

func removeNetwork(ctx context.Context, data string, log *slog.Logger) error {
	if err := hostnet.ShutOut(data); err != nil {
		return fmt.Errorf("remove the way out: %w", err)
	}
	dir := filepath.Join(data, "run", "netns")
	if _, err := os.Stat(dir); errors.Is(err, os.ErrNotExist) {
		return nil
	}
	spaces, err := kernel.NewLinux(dir, 0)
	if err != nil {
		return err
	}
	if err := hostnet.New(spaces, log).Remove(ctx); err != nil {
		return fmt.Errorf("remove the network: %w", err)
	}
	return nil
}

// Compatibility writes what of AWS's APIs is built.
func Compatibility(out io.Writer) error {
	h := &System{Access: access.New(access.Deps{})}
	text, err := front.Compatibility(h.services(Drivers{}, nil, nil))
	if err != nil {
		return err
	}
	_, err = io.WriteString(out, text)
	return err
}
