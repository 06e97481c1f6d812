// Package function runs Lambda functions: python and nodejs on the host's own
// interpreters, and provided.* runtimes, in sandboxes that speak the Lambda
// Runtime API.
//
// A Runner keeps warm environments, one invocation at a time in each, kills
// what runs past its timeout, and writes the log lines that Lambda writes. A
// Store keeps deployment packages by digest. Sim is the simulated twin. The
// package decides nothing about who may invoke what, and reads no state: the
// network, the logs and the credentials of a function come through
// interfaces. All is safe for concurrent use.
//
// What differs from AWS: the interpreter is the host's, whatever version the
// runtime's name asks for (INIT_START says which it is); where the host has no
// urllib3, a small stand-in for urllib3.PoolManager is importable; CPU is not
// limited in proportion to memory; an idle environment is not frozen; events
// of asynchronous invocations are kept in memory only.
package function

import (
	"context"
	"fmt"
	"time"

	"berth/internal/fault"
	"berth/internal/model"
)

// Invocation is one call of a function.
type Invocation struct {
	RequestID     string // "" draws one
	Payload       []byte
	ClientContext string
	Trace         string
}

// Result is what a call gave.
type Result struct {
	RequestID string
	Payload   []byte
	// FunctionError is "Unhandled" if the function failed; Payload then says how.
	FunctionError string
	// LogTail are the last 4 KiB of the call's log lines.
	LogTail string
}

// Driver runs functions; Runner and Sim are its implementations.
type Driver interface {
	// Invoke calls the function and waits for its result. An error of the
	// function is a Result; errors are fault.Throttled when it runs as often
	// as it may, and fault.Unavailable when it could not be run at all.
	Invoke(ctx context.Context, fn model.Function, in Invocation) (Result, error)
	// Ready says whether this machine can run the function; the error is for
	// the user.
	Ready(fn model.Function) error
	// Retire ends the function's idle environments whose revision is not the
	// given one; those at work end after their call.
	Retire(name, revision string)
}

// LogEvent is one line of a function's log.
type LogEvent struct {
	At      time.Time
	Message string
}

// Logs keeps the log lines. Whether the function's role may write them is for
// the implementation to say.
type Logs interface {
	Append(ctx context.Context, fn model.Function, group, stream string, events []LogEvent) error
}

// Attachment is the network of one environment.
type Attachment struct {
	Netns      string // path of a namespace; environments may share one
	Nameserver string // address of a resolver that can be reached from there
	Release    func()
}

// Network gives environments their network.
type Network interface {
	Acquire(ctx context.Context, fn model.Function) (Attachment, error)
}

// Credentials are those of the function's role.
type Credentials struct {
	AccessKeyID, Secret, Token string
	Expires                    time.Time
}

// Identity gives environments their credentials.
type Identity interface {
	Credentials(ctx context.Context, fn model.Function) (Credentials, error)
}

const unhandled = "Unhandled"

// throttled is Lambda's answer to a call above the reserved concurrency.
func throttled() error {
	return fault.New(fault.Throttled, "TooManyRequestsException", "Rate Exceeded.")
}

// unavailable is Lambda's answer when a function could not be run.
func unavailable(cause error, format string, args ...any) error {
	return &fault.Error{Class: fault.Unavailable, Code: "ServiceException", Message: fmt.Sprintf(format, args...), Cause: cause}
}

// LogGroup is where a function logs.
func LogGroup(fn model.Function) string {
	if fn.LogGroup != "" {
		return fn.LogGroup
	}
	return "/aws/lambda/" + fn.Name
}
