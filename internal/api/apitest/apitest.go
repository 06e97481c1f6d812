// Package apitest tests the API services in one world: all of them on one
// memory store, called in process through the front. Only tests import it.
package apitest

import (
	"context"
	"testing"

	"berth/internal/sim"
	"berth/internal/store"
	"berth/internal/wire"
	aas "berth/internal/wire/shape/applicationautoscaling"
	"berth/internal/wire/shape/autoscaling"
	"berth/internal/wire/shape/cloudformation"
	"berth/internal/wire/shape/cloudtrail"
	"berth/internal/wire/shape/cloudwatch"
	"berth/internal/wire/shape/ec2"
	"berth/internal/wire/shape/ecr"
	"berth/internal/wire/shape/ecs"
	"berth/internal/wire/shape/elbv2"
	"berth/internal/wire/shape/iam"
	"berth/internal/wire/shape/lambda"
	"berth/internal/wire/shape/logs"
	"berth/internal/wire/shape/secretsmanager"
	"berth/internal/wire/shape/servicediscovery"
	"berth/internal/wire/shape/ssm"
	"berth/internal/wire/shape/sts"
)

// Services are the services that Berth answers for.
var Services = []*wire.Service{
	aas.Meta, autoscaling.Meta, cloudformation.Meta, cloudtrail.Meta, cloudwatch.Meta, ec2.Meta, ecr.Meta, ecs.Meta, elbv2.Meta, iam.Meta,
	lambda.Meta, logs.Meta, secretsmanager.Meta, servicediscovery.Meta, ssm.Meta, sts.Meta,
}

// In is the input of a call, by the model's member names.
type In = map[string]any

// World is a world for one test.
type World struct {
	*sim.World
	t testing.TB
}

// NewWorld makes a world. Records may be put into its state as they are.
func NewWorld(t testing.TB) *World {
	t.Helper()
	w, err := sim.New(t.Context(), sim.Options{Seed: 1, Region: "us-east-1", Dir: t.TempDir(), Lax: true})
	if err != nil {
		t.Fatal(err)
	}
	return &World{w, t}
}

// Must calls an operation that has to succeed.
func (w *World) Must(service, operation string, in In) In {
	w.t.Helper()
	out, err := w.Invoke(context.WithoutCancel(w.t.Context()), service, operation, in)
	if err != nil {
		w.t.Fatalf("%s %s %v: %v", service, operation, in, err)
	}
	return out
}

// Put writes records as they are.
func Put[T any](w *World, table *store.Table[T], records ...T) {
	w.t.Helper()
	w.Write(func(tx *store.Tx) error {
		for _, r := range records {
			if err := table.Put(tx, r); err != nil {
				return err
			}
		}
		return nil
	})
}

// Write changes the state in one transaction.
func (w *World) Write(fn func(*store.Tx) error) {
	w.t.Helper()
	if err := w.DB.Update(w.t.Context(), "a test", fn); err != nil {
		w.t.Fatal(err)
	}
}
