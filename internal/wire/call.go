package wire

import (
	"context"
	"time"

	"berth/internal/ident"
)

// Call is what is known of the call being answered.
type Call struct {
	Principal ident.Principal
	Service   string // as Service.Name
	Operation string
	RequestID string
	At        time.Time // the clock's time when the call came in
	AccessKey string    // id of the key that signed it, if any
	Source    string    // address of the caller; a service principal for calls in process
	VPC       string    // VPC that the call came through an endpoint of, or ""
	Endpoint  string    // id of that VPC endpoint, or ""
	Secure    bool      // came over TLS
	Agent     string    // User-Agent
	By        string    // AWS service that calls for the principal, in process
}

type callKey struct{}

// WithCall returns a context that carries the call.
func WithCall(ctx context.Context, c Call) context.Context {
	return context.WithValue(ctx, callKey{}, c)
}

// CallFrom finds the call being answered; the zero Call if there is none.
func CallFrom(ctx context.Context) Call {
	c, _ := ctx.Value(callKey{}).(Call)
	return c
}

// Ptr returns a pointer to a copy of v.
func Ptr[T any](v T) *T { return &v }

// Val returns what p points to, or the zero value.
func Val[T any](p *T) T {
	if p == nil {
		var zero T
		return zero
	}
	return *p
}

// Or returns what p points to, or other if p is nil.
func Or[T any](p *T, other T) T {
	if p == nil {
		return other
	}
	return *p
}
