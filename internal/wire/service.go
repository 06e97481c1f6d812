package wire

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"

	"berth/internal/fault"
)

// Description is what the generator writes about a service.
type Description struct {
	Name            string   // as the program calls it, for example elasticloadbalancing
	ID              string   // the model's service id, for example Elastic Load Balancing v2
	Title           string   // full name
	Version         string   // API version, a date
	EndpointPrefix  string   // first label of the service's host
	SigningName     string   // service in a credential scope
	JSONVersion     string   // 1.0 or 1.1
	TargetPrefix    string   // before the dot in X-Amz-Target
	Namespace       string   // XML namespace of answers
	GlobalEndpoint  string   // host, for services without Regions
	Protocols       []string // the model's names, preferred first
	QueryCompatible bool     // errors carry the older query code in a header

	Table  string  // operations, one a line
	Errors string  // errors, one a line
	Schema string  // shapes, one a line
	Built  []Built // operations with types
}

// Built ties an operation's name to its types and its method.
type Built struct {
	Name   string
	input  func() any
	output func() any
	call   func(implementation any, ctx context.Context, in any) (any, error)
}

// Build makes a Built from a method expression of a generated interface.
func Build[S, I, O any](name string, call func(S, context.Context, *I) (*O, error)) Built {
	return Built{
		Name:   name,
		input:  func() any { return new(I) },
		output: func() any { return new(O) },
		call: func(impl any, ctx context.Context, in any) (any, error) {
			s, ok := impl.(S)
			if !ok {
				return nil, fault.New(fault.Internal, "InternalFailure", "%T does not implement %s", impl, name)
			}
			out, err := call(s, ctx, in.(*I))
			if err != nil {
				return nil, err
			}
			if out == nil {
				out = new(O)
			}
			return out, nil
		},
	}
}

// Operation is one operation of a service, whether built or only known by name.
type Operation struct {
	Service *Service
	Name    string
	Method  string // HTTP, for the REST protocols
	Path    string // with {labels}, for the REST protocols
	Status  int    // of a success, for the REST protocols
	Wrapper string // element around a query result
	Errors  []string

	built         *Built
	input, output string // shape names
}

// Built reports whether the operation has types.
func (o *Operation) Built() bool { return o.built != nil }

// New returns a new, empty input.
func (o *Operation) New() any { return o.built.input() }

// NewOutput returns a new, empty output.
func (o *Operation) NewOutput() any { return o.built.output() }

// Call calls the operation's method on an implementation of the service's
// generated interface. in is what New returned.
func (o *Operation) Call(ctx context.Context, implementation, in any) (any, error) {
	return o.built.call(implementation, ctx, in)
}

// Input is the shape of the operation's input.
func (o *Operation) Input() *Shape { return o.Service.shape(o.input) }

// Output is the shape of the operation's output.
func (o *Operation) Output() *Shape { return o.Service.shape(o.output) }

// ErrorShape is what a model says about one of its errors.
type ErrorShape struct {
	Shape   string
	Code    string
	Status  int
	Sender  bool
	Message string // member with the text
}

// Service is a service's description, ready to be asked. It is immutable but
// for a cache of shapes behind a lock, and safe for concurrent use.
type Service struct {
	Description

	once       sync.Once
	operations map[string]*Operation
	names      []string
	errors     map[string]ErrorShape

	mu     sync.Mutex
	lines  map[string]string
	shapes map[string]*Shape
}

// NewService takes a description. Its tables are read when first asked for,
// so that a process that serves nothing pays nothing.
func NewService(d Description) *Service { return &Service{Description: d} }

// read reads the tables, once. It panics on one that the generator cannot
// have written.
func (s *Service) read() {
	s.once.Do(func() {
		s.operations, s.errors, s.shapes = map[string]*Operation{}, map[string]ErrorShape{}, map[string]*Shape{}
		for line := range strings.Lines(s.Table) {
			if f := strings.Fields(line); len(f) == 8 {
				s.addOperation(f)
			}
		}
		for i := range s.Description.Built {
			o := s.operations[s.Description.Built[i].Name]
			if o == nil {
				panic("wire: " + s.Name + " has no operation " + s.Description.Built[i].Name)
			}
			o.built = &s.Description.Built[i]
		}
		for line := range strings.Lines(s.Description.Errors) {
			if f := strings.Fields(line); len(f) == 5 {
				s.addError(f)
			}
		}
	})
}

func (s *Service) addOperation(f []string) {
	status, _ := strconv.Atoi(f[3])
	o := &Operation{
		Service: s, Name: f[0], Method: f[1], Path: f[2], Status: status, input: dash(f[4]), output: dash(f[5]), Wrapper: dash(f[6]),
	}
	if e := dash(f[7]); e != "" {
		o.Errors = strings.Split(e, ",")
	}
	s.operations[o.Name] = o
	s.names = append(s.names, o.Name)
}

func (s *Service) addError(f []string) {
	status, _ := strconv.Atoi(f[2])
	e := ErrorShape{Shape: f[0], Code: f[1], Status: status, Sender: f[3] == "sender", Message: f[4]}
	s.errors[e.Shape] = e
	if _, ok := s.errors[e.Code]; !ok {
		s.errors[e.Code] = e
	}
}

func dash(s string) string {
	if s == "-" {
		return ""
	}
	return s
}

// Operation finds an operation by its name, or nil.
func (s *Service) Operation(name string) *Operation {
	s.read()
	return s.operations[name]
}

// Operations lists the names of all operations of the model, sorted.
func (s *Service) Operations() []string {
	s.read()
	return slices.Clone(s.names)
}

// Error finds what the model says about an error, by its code or shape name.
func (s *Service) Error(code string) (ErrorShape, bool) {
	s.read()
	e, ok := s.errors[code]
	return e, ok
}

// NotBuilt is the refusal of an operation that Berth does not have, under the
// code that AWS has for operations that a service does not know.
func NotBuilt(service, operation string) error {
	return fault.New(
		fault.NotImplemented, "InvalidAction",
		"The operation %s of %s is not implemented by Berth; docs/COMPATIBILITY.md lists what is built.", operation, service,
	)
}

// String names the operation as service:Operation.
func (o *Operation) String() string { return fmt.Sprintf("%s:%s", o.Service.SigningName, o.Name) }
