package ec2

import (
	"context"
	"encoding/base64"

	"berth/internal/fault"
	"berth/internal/state"
	"berth/internal/wire"
	shape "berth/internal/wire/shape/ec2"
)

// GetConsoleOutput shows what an instance wrote to its console, up to this moment:
// the output of its user data. Errors: InvalidInstanceID.NotFound.
func (a *API) GetConsoleOutput(ctx context.Context, in *shape.GetConsoleOutputInput) (*shape.GetConsoleOutputOutput, error) {
	view, err := a.look(in.DryRun)
	if err != nil {
		return nil, err
	}
	i, err := get(view, instances, state.Instances, in.InstanceId, "instanceId")
	if err != nil {
		return nil, err
	}
	out := &shape.GetConsoleOutputOutput{InstanceId: &i.ID, Timestamp: wire.Ptr(a.Clock.Now())}
	if a.Consoles == nil {
		return out, nil
	}
	b, err := a.Consoles.Console(ctx, i.ID)
	if err != nil && !fault.Is(err, fault.NotFound) {
		return nil, err
	}
	if len(b) > 0 {
		out.Output = wire.Ptr(base64.StdEncoding.EncodeToString(b))
	}
	return out, nil
}
