package front

import (
	"context"
	"fmt"
	"net/http"
	"runtime/debug"

	"berth/internal/control"
	"berth/internal/fault"
	"berth/internal/ident"
	"berth/internal/wire"
)

var _ control.Invoker = (*Front)(nil)

// Invoke calls an operation in process, through the same fields, validation
// and permissions as a call from outside. See control.Invoker.
func (f *Front) Invoke(ctx context.Context, as ident.Principal, service, operation string, in map[string]any) (map[string]any, error) {
	c := wire.Call{
		Principal: as, Service: service, Operation: operation, RequestID: f.IDs.UUID(), At: f.Clock.Now(), Source: as.Service, Secure: true,
	}
	out, err := f.invoke(wire.WithCall(ctx, c), service, operation, in)
	code, status := "200", http.StatusOK
	if err != nil {
		code, status = fault.CodeOf(err), http.StatusBadRequest
		if fault.Is(err, fault.Internal) {
			status = http.StatusInternalServerError
		}
	}
	f.note(ctx, c, code, status, err)
	return out, err
}

func (f *Front) invoke(ctx context.Context, service, operation string, in map[string]any) (out map[string]any, err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fault.Wrap(fault.Internal, fmt.Errorf("panic: %v\n%s", p, debug.Stack()), "call %s %s", service, operation)
		}
	}()
	r := f.rooms[service]
	if r == nil {
		return nil, fault.New(fault.NotImplemented, "NotImplemented", "%s is not implemented by Berth: it has no service %s", operation, service)
	}
	op := r.Meta.Operation(operation)
	if op == nil {
		return nil, fault.New(fault.Invalid, "InvalidAction", "Could not find operation %s for version %s", operation, r.Meta.Version)
	}
	if !op.Built() {
		return nil, wire.NotBuilt(service, operation)
	}
	input, err := op.FromMap(in)
	if err != nil {
		return nil, err
	}
	answer, err := f.answer(ctx, r, op, input)
	if err != nil {
		return nil, err
	}
	return op.ToMap(answer), nil
}
