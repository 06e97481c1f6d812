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

	"berth/internal/api/cloudformation"
	"berth/internal/api/cloudwatch"
	"berth/internal/api/ec2"
	"berth/internal/api/ecr"
	"berth/internal/api/ecs"
	"berth/internal/api/elbv2"
	"berth/internal/api/iam"
	"berth/internal/api/lambda"
	"berth/internal/api/logs"
	"berth/internal/api/sts"
	"berth/internal/clock"
	"berth/internal/edge"
	"berth/internal/front"
	"berth/internal/hostnet"
	"berth/internal/kernel"
	"berth/internal/machine/local"
	scloudformation "berth/internal/wire/shape/cloudformation"
	scloudwatch "berth/internal/wire/shape/cloudwatch"
	sec2 "berth/internal/wire/shape/ec2"
	secr "berth/internal/wire/shape/ecr"
	secs "berth/internal/wire/shape/ecs"
	selbv2 "berth/internal/wire/shape/elbv2"
	siam "berth/internal/wire/shape/iam"
	slambda "berth/internal/wire/shape/lambda"
	slogs "berth/internal/wire/shape/logs"
	ssts "berth/internal/wire/shape/sts"
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
	unlock, err := lock(data)
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
	if len(all) > 0 {
		fmt.Fprintf(out, "ended %d instances with all that ran in them\n", len(all))
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
	dir := filepath.Join(data, "run", "netns")
	if _, err := os.Stat(dir); errors.Is(err, os.ErrNotExist) {
		return nil
	}
	spaces, err := kernel.NewLinux(dir)
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
	text, err := front.Compatibility([]front.Entry{
		{Meta: scloudformation.Meta, Fields: cloudformation.Fields},
		{Meta: scloudwatch.Meta, Fields: cloudwatch.Fields},
		{Meta: sec2.Meta, Fields: ec2.Fields},
		{Meta: secr.Meta, Fields: ecr.Fields},
		{Meta: secs.Meta, Fields: ecs.Fields},
		{Meta: selbv2.Meta, Fields: elbv2.Fields},
		{Meta: siam.Meta, Fields: iam.Fields},
		{Meta: slambda.Meta, Fields: lambda.Fields},
		{Meta: slogs.Meta, Fields: logs.Fields},
		{Meta: ssts.Meta, Fields: sts.Fields},
	})
	if err != nil {
		return err
	}
	_, err = io.WriteString(out, text)
	return err
}
