package front

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"runtime/debug"
	"strconv"

	"berth/internal/fault"
	"berth/internal/wire"
)

// exchange is one request on its way along the chain.
type exchange struct {
	f    *Front
	l    Listener
	r    *http.Request
	body []byte
	call wire.Call
	to   target
	in   any // what was decoded
	out  any // what the operation returned
}

// serve runs the chain and writes what comes of it.
func (f *Front) serve(l Listener, w http.ResponseWriter, r *http.Request) {
	x := &exchange{f: f, l: l, r: r, call: f.bareCall(l, r)}
	x.to = fallbackTarget(r)
	answer, err := x.run()
	if f.Fallback != nil && x.to.none && r.Method == http.MethodGet {
		f.Fallback.ServeHTTP(w, r)
		return
	}
	code := "200"
	if err != nil {
		answer, code = x.to.service.EncodeError(x.to.protocol, err, x.call.RequestID)
	}
	f.note(r.Context(), x.call, code, answer.Status, err)
	x.record(code, err)
	write(w, r, answer)
}

// refuse answers a request of which nothing was looked at.
func (f *Front) refuse(l Listener, w http.ResponseWriter, r *http.Request, err error) {
	c, to := f.bareCall(l, r), fallbackTarget(r)
	answer, code := to.service.EncodeError(to.protocol, err, c.RequestID)
	f.note(r.Context(), c, code, answer.Status, err)
	write(w, r, answer)
}

// run is the chain from recover to encode.
func (x *exchange) run() (answer *wire.Response, err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fault.Wrap(fault.Internal, fmt.Errorf("panic: %v\n%s", p, debug.Stack()), "")
		}
	}()
	release, err := x.admit()
	defer release()
	if err != nil {
		return nil, err
	}
	in, err := x.decode()
	if err != nil {
		return nil, err
	}
	x.in = in
	out, err := x.f.answer(wire.WithCall(x.r.Context(), x.call), x.to.served, x.to.op, in)
	if err != nil {
		return nil, err
	}
	x.out = out
	return x.to.op.Encode(x.to.protocol, out, x.call.RequestID)
}

// admit says who calls what. Before the caller is known, no more of the request
// is read than that needs: its head, and the bytes that the signature covers. A
// stranger takes nothing out of the account's buckets.
func (x *exchange) admit() (release func(), err error) {
	release = func() {}
	sig, err := wire.ReadSignature(x.r)
	if err != nil {
		return release, err
	}
	resolved := x.resolve(sig, x.findHead)
	key, err := x.identify(sig)
	if err != nil {
		return release, err
	}
	if release, err = x.readBody(); err != nil {
		return release, err
	}
	if err := x.verify(sig, key); err != nil {
		return release, err
	}
	if x.to.inForm {
		resolved = x.resolve(sig, x.findForm)
	}
	if resolved == nil && x.l.Limited {
		return release, x.f.rates.admit(x.to.op, x.to.protocol, x.f.Real.Now())
	}
	return release, resolved
}

func (x *exchange) decode() (any, error) {
	if !x.to.op.Built() {
		return nil, wire.NotBuilt(x.to.service.Name, x.to.op.Name)
	}
	body, err := x.plainBody()
	if err != nil {
		return nil, err
	}
	in, unknown, err := x.to.op.Decode(x.to.protocol, &wire.Request{
		Body: body, Form: x.to.form, Labels: x.to.labels, Query: x.r.URL.Query(), Header: x.r.Header,
	})
	if err != nil {
		return nil, err
	}
	if len(unknown) > 0 {
		return nil, x.to.service.Unknown(unknown)
	}
	return in, nil
}

// answer is the part of the chain that calls in process share: fields →
// validate → authorise → call.
func (f *Front) answer(ctx context.Context, r *served, op *wire.Operation, in any) (any, error) {
	if err := gone(ctx); err != nil {
		return nil, err
	}
	if err := r.refuseUnbuilt(op, in); err != nil {
		return nil, err
	}
	if err := op.Validate(in); err != nil {
		return nil, err
	}
	if err := f.authorize(ctx, r, op, in); err != nil {
		return nil, err
	}
	return op.Call(ctx, r.API, in)
}

// gone says that nobody waits for an answer any more: nothing is begun for who
// has gone. What an operation does that may be long looks at its context.
func gone(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return fault.Wrap(fault.Unavailable, err, "the caller has gone")
	}
	return nil
}

// note logs and counts a call, once.
func (f *Front) note(ctx context.Context, c wire.Call, code string, status int, err error) {
	f.counts.add(c.Service, c.Operation, code)
	level := slog.LevelDebug
	attrs := []slog.Attr{
		slog.String("request_id", c.RequestID), slog.String("service", c.Service), slog.String("operation", c.Operation),
		slog.String("principal", c.Principal.ARN), slog.String("code", code),
	}
	if err != nil {
		attrs = append(attrs, slog.Any("error", err))
	}
	if status == http.StatusInternalServerError {
		level = slog.LevelError
	}
	f.Log.LogAttrs(ctx, level, "call answered", attrs...)
}

func write(w http.ResponseWriter, r *http.Request, a *wire.Response) {
	h := w.Header()
	for k, v := range a.Header {
		h[k] = v
	}
	if a.Status != http.StatusNoContent {
		h.Set("Content-Length", strconv.Itoa(len(a.Body)))
	}
	w.WriteHeader(a.Status)
	if r.Method != http.MethodHead {
		_, _ = w.Write(a.Body) // the caller has gone: nothing to tell anybody
	}
}
