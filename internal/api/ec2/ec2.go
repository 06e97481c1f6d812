// Package ec2 is the API of Amazon EC2, as far as an ECS stack needs it: VPCs
// and what is in them, security groups, endpoints, addresses, tags, and the
// instances, types and zones to look at. It defaults and validates as AWS
// does and writes what is desired.
//
// It owns VPCs, subnets, gateways, addresses, route tables, security groups
// and the specification of endpoints; controllers/network makes interfaces for
// them and moves NAT gateways and interface endpoints through their states. It
// owns launch templates, and writes down the instances that RunInstances asks
// for, of ECS-optimized images only. It starts nothing and waits for nothing.
// Instances that ECS manages it does not end; stopping any is refused, and so
// is what is not built (IPv6, network ACLs of one's own, peering). Every operation
// refuses an id that is none of the kind that it looks for (InvalidVpcID.Malformed
// and the like). Safe for concurrent use.
package ec2

import (
	"context"
	"crypto/sha256"
	_ "embed"
	"encoding/hex"
	"strings"

	"berth/internal/clock"
	"berth/internal/control"
	"berth/internal/fault"
	"berth/internal/ident"
	"berth/internal/state"
	"berth/internal/store"
	"berth/internal/wire"
	shape "berth/internal/wire/shape/ec2"
)

// Fields says which request members are built.
//
//go:embed fields.txt
var Fields string

// Resources says which resources a call is about.
//
//go:embed resources.txt
var Resources string

const writer = "api/ec2"

// Deps are what the API needs.
type Deps struct {
	DB    *state.DB
	Clock clock.Clock
	IDs   *ident.Source
	Place ident.Place
	// Access answers whether a caller may pass an instance's role.
	Access control.Access
	// Consoles has the output of instances; nil has none.
	Consoles Consoles
}

// Consoles has what instances wrote to their consoles.
type Consoles interface {
	// Console returns the end of it; fault.NotFound of a machine that is gone.
	Console(ctx context.Context, id string) ([]byte, error)
}

// API answers the operations.
type API struct {
	shape.Unimplemented
	Deps
}

var _ shape.Operations = (*API)(nil)

// New makes the API.
func New(d Deps) *API { return &API{Deps: d} }

// update runs fn as a transaction. With DryRun nothing is written, and the
// answer is EC2's error that says it would have worked.
func (a *API) update(ctx context.Context, dry *bool, fn func(*store.Tx) error) error {
	return a.DB.Update(ctx, writer, func(tx *store.Tx) error {
		if err := fn(tx); err != nil {
			return err
		}
		return rehearsed(dry)
	})
}

// look opens a view for a call that only reads.
func (a *API) look(dry *bool) (store.Reader, error) { return a.DB.View(), rehearsed(dry) }

func rehearsed(dry *bool) error {
	if wire.Val(dry) {
		return fault.New(fault.Invalid, "DryRunOperation", "Request would have succeeded, but DryRun flag is set.")
	}
	return nil
}

func bad(code, format string, args ...any) error {
	return fault.New(fault.Invalid, code, format, args...)
}

func value(format string, args ...any) error { return bad("InvalidParameterValue", format, args...) }

func lacking(parameter string) error {
	return bad("MissingParameter", "The request must contain the parameter %s", parameter)
}

func depended(kind, id string) error {
	return fault.New(fault.Conflict, "DependencyViolation", "The %s '%s' has dependencies and cannot be deleted.", kind, id)
}

// derived makes an id that follows from others, for parts of a record that
// have an id on the wire and need none in the state.
func derived(prefix string, of ...string) string {
	h := sha256.Sum256([]byte(prefix + "\x00" + strings.Join(of, "\x00")))
	return prefix + "-0" + hex.EncodeToString(h[:])[:16]
}

// id draws an id. A client token gives the same id again, so that a call that
// is repeated finds what it made.
func (a *API) id(prefix string, token *string) string {
	if wire.Val(token) == "" {
		return a.IDs.EC2(prefix)
	}
	return derived(prefix, a.Place.Account, *token)
}

func (a *API) arn(resource string) string { return a.Place.ARN("ec2", resource) }

var yes = wire.Ptr(true)
