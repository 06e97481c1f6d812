package front

import (
	"cmp"
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
	by := cmp.Or(as.Service, as.Via)
	c := wire.Call{
		Principal: as, Service: service, Operation: operation, RequestID: f.IDs.UUID(), At: f.Clock.Now(), Source: as.Service, By: by,
		Secure: true,
	}
	a := answered{call: c}
	f.invoke(wire.WithCall(ctx, c), &a, input)
	a.code = "200"
	status := http.StatusOK
	if a.err != nil {
		a.code, status = fault.CodeOf(a.err), http.StatusBadRequest
		if fault.Is(a.err, fault.Internal) {
			status = http.StatusInternalServerError
		}
	}
	f.note(ctx, c, a.code, status, a.err)
	if a.err != nil && a.op != nil {
		a.code = a.op.Service.CodeOf(a.op.Service.Protocol(), a.err)
	}
	f.record(&a)
	return a.out, a.err
}

// invoke finds the operation and calls it.
func (f *Front) invoke(ctx context.Context, a *answered, input func(*wire.Operation) (any, error)) {
	service, operation := a.call.Service, a.call.Operation
	defer func() {
		if p := recover(); p != nil {
			a.err = fault.Wrap(fault.Internal, fmt.Errorf("panic: %v\n%s", p, debug.Stack()), "call %s %s", service, operation)
		}
	}()
	if a.served = f.services[service]; a.served == nil {
		a.err = fault.New(fault.NotImplemented, "NotImplemented", "%s is not implemented by Berth: it has no service %s", operation, service)
		return
	}
	meta := a.served.Meta
	switch a.op = meta.Operation(operation); {
	case a.op == nil:
		a.err = fault.New(fault.Invalid, "InvalidAction", "Could not find operation %s for version %s", operation, meta.Version)
	case !a.op.Built():
		a.err = wire.NotBuilt(service, operation)
	default:
		var in any
		if in, a.err = input(a.op); a.err == nil {
			a.in = in
			a.out, a.err = f.answer(ctx, a.served, a.op, in)
		}
	}
}
