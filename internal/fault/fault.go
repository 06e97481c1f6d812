// Package fault gives every error of Berth a class, and optionally the code
// and text that AWS would answer with.
//
// The class decides policy: the engine of controllers tries again soon after
// Conflict and backs off longer after any other; a controller writes a refusal
// that lasts into its record. The wire maps class and code to a status line in
// one place. The package knows no HTTP.
package fault

import (
	"errors"
	"fmt"
)

// Class says what kind of failure an error is.
type Class int

// The classes, from least to most specific to a caller's mistake.
const (
	Internal       Class = iota // a broken promise of our own
	Unavailable                 // try again later
	Throttled                   // try again more slowly
	Conflict                    // somebody else changed it, or it exists already
	NotFound                    // absent
	Invalid                     // the request can never succeed as it stands
	Denied                      // not permitted
	NotImplemented              // understood, and not built
	Capacity                    // no machine of the wanted shape can be had
)

var names = [...]string{"internal", "unavailable", "throttled", "conflict", "not found", "invalid", "denied", "not implemented", "capacity"}

// String names the class in plain words.
func (c Class) String() string {
	if c < 0 || int(c) >= len(names) {
		return fmt.Sprintf("class %d", int(c))
	}
	return names[c]
}

// Error is a classified error. Message is written for the user, as AWS words
// it; Cause is for the operator and never leaves the process.
type Error struct {
	Class   Class
	Code    string // AWS error code, for example ClusterNotFoundException; may be empty
	Message string
	Cause   error
	// Facts are what the message names, for programs: an action that was
	// refused, to whom, on what. Keys are model's Fact constants.
	Facts map[string]string
}

// Error joins the message and the cause.
func (e *Error) Error() string {
	s := e.Message
	if s == "" {
		s = e.Class.String()
	}
	if e.Cause != nil {
		s += ": " + e.Cause.Error()
	}
	return s
}

// Unwrap returns the operator's cause.
func (e *Error) Unwrap() error { return e.Cause }

// New makes a classified error with an AWS code and the user's message.
func New(c Class, code, format string, args ...any) *Error {
	return &Error{Class: c, Code: code, Message: fmt.Sprintf(format, args...)}
}

// With adds what the message names.
func (e *Error) With(facts map[string]string) *Error {
	e.Facts = facts
	return e
}

// Wrap adds a class and what was attempted to a cause.
func Wrap(c Class, cause error, format string, args ...any) *Error {
	return &Error{Class: c, Message: fmt.Sprintf(format, args...), Cause: cause}
}

// ClassOf finds the class of an error; one without a class is Internal.
func ClassOf(err error) Class {
	var e *Error
	if errors.As(err, &e) {
		return e.Class
	}
	return Internal
}

// CodeOf finds the AWS code of an error, or "".
func CodeOf(err error) string {
	var e *Error
	for errors.As(err, &e) {
		if e.Code != "" {
			return e.Code
		}
		err = e.Cause
	}
	return ""
}

// FactsOf finds what an error's message names, or nil.
func FactsOf(err error) map[string]string {
	var e *Error
	for errors.As(err, &e) {
		if e.Facts != nil {
			return e.Facts
		}
		err = e.Cause
	}
	return nil
}

// MessageOf finds the user's message of an error: that of the outermost
// classified error, or the whole text.
func MessageOf(err error) string {
	var e *Error
	if errors.As(err, &e) && e.Message != "" {
		return e.Message
	}
	return err.Error()
}

// Is reports whether err is of class c.
func Is(err error, c Class) bool { return err != nil && ClassOf(err) == c }
