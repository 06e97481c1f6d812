package wire_test

import (
	"testing"

	"berth/internal/wire"
	aas "berth/internal/wire/shape/applicationautoscaling"
	"berth/internal/wire/shape/cloudformation"
	"berth/internal/wire/shape/cloudwatch"
	"berth/internal/wire/shape/ec2"
	"berth/internal/wire/shape/ecr"
	"berth/internal/wire/shape/ecs"
	"berth/internal/wire/shape/elbv2"
	"berth/internal/wire/shape/iam"
	"berth/internal/wire/shape/lambda"
	"berth/internal/wire/shape/logs"
	"berth/internal/wire/shape/sts"
)

var services = []*wire.Service{
	aas.Meta, cloudformation.Meta, cloudwatch.Meta, ec2.Meta, ecr.Meta, ecs.Meta, elbv2.Meta, iam.Meta, lambda.Meta, logs.Meta,
	sts.Meta,
}

// Every built operation's shapes resolve, and their members are the fields of
// the Go types in the same order: the codec relies on it.
func TestShapesMatchTypes(t *testing.T) {
	t.Parallel()
	for _, s := range services {
		n := 0
		for _, name := range s.Operations() {
			op := s.Operation(name)
			if !op.Built() {
				continue
			}
			n++
			if err := wire.Check(op.Input(), op.New()); err != nil {
				t.Errorf("%s input: %v", op, err)
			}
			if err := wire.Check(op.Output(), op.NewOutput()); err != nil {
				t.Errorf("%s output: %v", op, err)
			}
		}
		if n == 0 {
			t.Errorf("%s: nothing built", s.Name)
		}
	}
}
