package function

import (
	"context"
	"sync"

	"berth/internal/ident"
	"berth/internal/model"
)

// Sim is the simulated runner: a function's answer is what Handle says.
type Sim struct {
	IDs *ident.Source
	// Handle answers a call; nil answers {"hookStatus":"SUCCEEDED"}, which is
	// what a deployment's hook wants to hear.
	Handle func(fn model.Function, payload []byte) Result

	mu      sync.Mutex
	calls   []SimCall
	refused map[string]bool
}

// SimCall is a call that was made.
type SimCall struct {
	Function string
	Payload  string
}

var _ Driver = (*Sim)(nil)

// Invoke answers at once.
func (s *Sim) Invoke(_ context.Context, fn model.Function, in Invocation) (Result, error) {
	if fn.Concurrency != nil && *fn.Concurrency == 0 {
		return Result{}, throttled()
	}
	if !s.take(fn.Name, in.Payload) {
		return Result{}, unavailable(nil, "start an environment of function %s", fn.Name)
	}
	r := Result{Payload: []byte(`{"hookStatus":"SUCCEEDED"}`)}
	if s.Handle != nil {
		r = s.Handle(fn, in.Payload)
	}
	r.RequestID = in.RequestID
	if r.RequestID == "" {
		r.RequestID = s.IDs.UUID()
	}
	return r, nil
}

func (s *Sim) take(name string, payload []byte) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.refused[name] {
		return false
	}
	s.calls = append(s.calls, SimCall{name, string(payload)})
	return true
}

// Refuse has a function's environments fail to start from now on.
func (s *Sim) Refuse(name string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.refused == nil {
		s.refused = map[string]bool{}
	}
	s.refused[name] = true
}

// Ready is always true of a simulated machine.
func (s *Sim) Ready(model.Function) error { return nil }

// Retire has nothing to end.
func (s *Sim) Retire(string, string) {}

// Calls returns the calls so far.
func (s *Sim) Calls() []SimCall {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]SimCall(nil), s.calls...)
}
