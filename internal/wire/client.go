package wire

import (
	"bytes"
	"context"
	"net/http"
	"reflect"

	"berth/internal/fault"
)

// Caller carries a call to whatever answers it. The clients of the generated
// packages stand on it, so that a call looks the same in process (front) and
// over HTTP (the agent).
type Caller interface {
	// Call calls a built operation with its generated input and returns its
	// generated output, both as pointers. The input belongs to the answerer
	// from then on. Errors are *fault.Error with AWS's code and message.
	Call(ctx context.Context, o *Operation, in any) (any, error)
}

// CallerFunc is a function as a Caller.
type CallerFunc func(ctx context.Context, o *Operation, in any) (any, error)

// Call calls the function.
func (f CallerFunc) Call(ctx context.Context, o *Operation, in any) (any, error) {
	return f(ctx, o, in)
}

// Invoke calls an operation whose output is an O: what a generated client's
// method is made of.
func Invoke[O any](ctx context.Context, c Caller, s *Service, operation string, in any) (*O, error) {
	out, err := c.Call(ctx, s.Operation(operation), in)
	if err != nil {
		return nil, err
	}
	return out.(*O), nil
}

// NewRequest makes the HTTP request of a call in the JSON protocol, unsigned,
// and returns its body too.
func (o *Operation) NewRequest(ctx context.Context, url string, in any) (*http.Request, []byte, error) {
	body := appendJSON(nil, o.Input(), reflect.ValueOf(in), "", false)
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, url, bytes.NewReader(body))
	if err != nil {
		return nil, nil, err
	}
	r.Header.Set("Content-Type", "application/x-amz-json-"+o.Service.jsonVersion())
	r.Header.Set("X-Amz-Target", o.Service.TargetPrefix+"."+o.Name)
	return r, body, nil
}

// ReadOutput reads the body of a JSON protocol's answer. Members that the
// model does not have are passed over: the service may be newer.
func (o *Operation) ReadOutput(body []byte) (any, error) {
	out := o.NewOutput()
	if len(bytes.TrimSpace(body)) == 0 {
		return out, nil
	}
	tree, err := readJSON(body)
	if err != nil {
		return nil, fault.Wrap(fault.Unavailable, err, "read the answer of %s", o.Name)
	}
	f := &filler{op: o, protocol: JSON}
	if err := f.fill(o.Output(), reflect.ValueOf(out), tree, "", ""); err != nil {
		return nil, fault.Wrap(fault.Unavailable, err, "read the answer of %s", o.Name)
	}
	return out, nil
}
