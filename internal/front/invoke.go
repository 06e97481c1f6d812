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

// As makes typed calls in process as a principal, through the same fields,
// validation and permissions as calls from outside. Nothing is encoded: the
// input becomes the API's, the output the caller's.
func (f *Front) As(p ident.Principal) wire.Caller {
	return wire.CallerFunc(func(ctx context.Context, op *wire.Operation, in any) (any, error) {
		return f.inProcess(ctx, p, op.Service.Name, op.Name, func(*wire.Operation) (any, error) { return in, nil })
	})
}

// Invoke calls an operation in process by names, with maps by the model's
// member names. See control.Invoker.
func (f *Front) Invoke(ctx context.Context, as ident.Principal, service, operation string, in map[string]any) (map[string]any, error) {
	var op *wire.Operation
	out, err := f.inProcess(ctx, as, service, operation, func(o *wire.Operation) (any, error) {
		op = o
		return o.FromMap(in)
	})
	if err != nil {
		return nil, err
	}
	return op.ToMap(out), nil
}

// inProcess answers a call from inside, notes it, and holds a panic back.
func (f *Front) inProcess(
	ctx context.Context, as ident.Principal, service, operation string, input func(*wire.Operation) (any, error),
) (any, error) {
	c := wire.Call{
		Principal: as, Service: service, Operation: operation, RequestID: f.IDs.UUID(), At: f.Clock.Now(), Source: as.Service, Secure: true,
	}
	out, err := f.invoke(wire.WithCall(ctx, c), service, operation, input)
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

func (f *Front) invoke(ctx context.Context, service, operation string, input func(*wire.Operation) (any, error)) (out any, err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fault.Wrap(fault.Internal, fmt.Errorf("panic: %v\n%s", p, debug.Stack()), "call %s %s", service, operation)
		}
	}()
	r := f.services[service]
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
	in, err := input(op)
	if err != nil {
		return nil, err
	}
	return f.answer(ctx, r, op, in)
}
