package handler

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"berth/internal/fault"
)

// Failure is a failure that a handler found, with CloudFormation's code for
// it; without a code it is told as it is.
type Failure struct{ Code, Message string }

// Error implements error.
func (e *Failure) Error() string { return e.Message }

// Refuses reports whether the failure is what a handler says of what it is
// asked for, and not of what became of the resource.
func (e *Failure) Refuses() bool { return e.Code == generalCode }

const generalCode = "GeneralServiceException"

// NotStabilized is the failure of what does not become ready.
func NotStabilized(format string, args ...any) error {
	return &Failure{"NotStabilized", fmt.Sprintf(format, args...)}
}

// Unheard is the failure of what a policy of the template waits for, which
// CloudFormation itself tells.
func Unheard(format string, args ...any) error {
	return &Failure{"", fmt.Sprintf(format, args...)}
}

// general is a failure that has no code of its own.
func general(format string, args ...any) error {
	return &Failure{generalCode, fmt.Sprintf(format, args...)}
}

// busyError says that a call may be tried again later.
type busyError struct{ error }

// Unwrap returns the API's error.
func (e busyError) Unwrap() error { return e.error }

// failureCodes are CloudFormation's codes for classes of errors.
var failureCodes = map[fault.Class]string{
	fault.Internal: "InternalFailure", fault.Unavailable: "ServiceInternalError", fault.Throttled: "Throttling",
	fault.Conflict: "ResourceConflict",
	fault.NotFound: "NotFound", fault.Invalid: "InvalidRequest", fault.Denied: "AccessDenied", fault.NotImplemented: "InvalidRequest",
}

// Describe words a failure as CloudFormation does.
func Describe(err error, token string) string {
	code := generalCode
	var f *Failure
	if errors.As(err, &f) {
		if code = f.Code; code == "" {
			return f.Message
		}
	} else if c, ok := failureCodes[fault.ClassOf(err)]; ok {
		code = c
	}
	if aws := fault.CodeOf(err); strings.Contains(aws, "AlreadyExists") || strings.Contains(aws, "Duplicate") {
		code = "AlreadyExists"
	}
	return fmt.Sprintf("Resource handler returned message: \"%s\" (RequestToken: %s, HandlerErrorCode: %s)", fault.MessageOf(err), token, code)
}

// Absent reports whether an error says that there is no such resource.
func Absent(err error) bool {
	if err == nil {
		return false
	}
	code := fault.CodeOf(err)
	return fault.Is(err, fault.NotFound) || strings.Contains(code, "NotFound") || strings.Contains(code, "NoSuchEntity")
}

// exists reports whether an error says that there is one already.
func exists(err error) bool {
	code := fault.CodeOf(err)
	return code == "ResourceConflictException" ||
		slices.ContainsFunc([]string{"AlreadyExists", "AlreadyAssociated", "Duplicate"},
			func(part string) bool { return strings.Contains(code, part) })
}

func hasCode(err error, codes []string) bool { return slices.Contains(codes, fault.CodeOf(err)) }

// Passing reports whether trying again later may help a create or an update.
func Passing(err error) bool {
	if busy := (busyError{}); errors.As(err, &busy) ||
		hasCode(err, []string{"UpdateInProgressException", "ConcurrentUpdateException"}) {
		return true
	}
	return fault.Is(err, fault.Unavailable) || fault.Is(err, fault.Throttled) || errors.Is(err, context.Canceled) ||
		errors.Is(err, context.DeadlineExceeded)
}

// holdingCodes are parts of codes that say that something still uses a
// resource.
var holdingCodes = []string{
	"InUse", "DependencyViolation", "DeleteConflict", "ClusterContains", "UpdateInProgress", "ResourceConflict", "OperationAborted",
	"TargetNotConnected",
}

// Holding reports whether a delete failed only because something still uses
// the resource, so that waiting may help.
func Holding(err error) bool {
	code := fault.CodeOf(err)
	return slices.ContainsFunc(holdingCodes, func(part string) bool { return strings.Contains(code, part) }) ||
		Passing(err) || fault.Is(err, fault.Conflict)
}
