// Package javaregexp has the regular expressions of java.util.regex, in which
// AWS writes the patterns of template parameters and of schemas
// (CloudFormation User Guide, "Parameters": AllowedPattern).
//
// What Go's regexp understands is matched by it, in linear time. Look-around,
// possessive quantifiers, atomic groups and back references are matched by a
// backtracking library, for at most Patience. Intersections of character
// classes are not built and refused. Everything is safe for concurrent use.
package javaregexp

import (
	"fmt"
	"regexp"
	"time"

	"github.com/dlclark/regexp2/v2"
)

// Patience is how long a backtracking match may take.
const Patience = time.Second

// Regexp is a compiled expression.
type Regexp struct {
	linear *regexp.Regexp
	back   *regexp2.Regexp
}

// Compile reads an expression. Errors say what is wrong in it or not built.
func Compile(expr string) (*Regexp, error) {
	expr, err := translate(expr)
	if err != nil {
		return nil, err
	}
	linear, err := regexp.Compile(expr)
	if err == nil {
		return &Regexp{linear: linear}, nil
	}
	back, backErr := regexp2.Compile(expr, regexp2.RE2, regexp2.OptionMaxBacktrackingStackSize(1<<20))
	if backErr != nil {
		return nil, backErr
	}
	back.MatchTimeout = Patience
	return &Regexp{back: back}, nil
}

// CompileWhole reads an expression that must match the whole of a text.
func CompileWhole(expr string) (*Regexp, error) {
	if _, err := Compile(expr); err != nil { // a stray parenthesis would end the group
		return nil, err
	}
	return Compile(`^(?:` + expr + `)$`)
}

// Match reports whether the expression matches somewhere in a text. An error
// says that it could not be found out within Patience.
func (r *Regexp) Match(text string) (bool, error) {
	if r.linear != nil {
		return r.linear.MatchString(text), nil
	}
	ok, err := r.back.MatchString(text)
	if err != nil {
		return false, fmt.Errorf("the pattern takes too long to match: %w", err)
	}
	return ok, nil
}
