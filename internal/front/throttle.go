package front

import (
	_ "embed"
	"fmt"
	"strings"
	"sync"
	"time"

	"berth/internal/fault"
	"berth/internal/wire"
)

//go:embed rates.txt
var ratesText string

// rate is how fast the calls of a bucket may come.
type rate struct {
	service    string // "*": any
	operations []string
	burst      float64
	refill     float64 // a second
}

// bucket is the name of the bucket that an operation takes from; ok is false
// if the rate is not the operation's.
func (r *rate) bucket(service, operation string) (name string, ok bool) {
	if r.service != service && r.service != "*" {
		return "", false
	}
	for _, o := range r.operations {
		start, open := strings.CutSuffix(o, "*")
		switch {
		case open && strings.HasPrefix(operation, start):
			return service + ":" + operation, true
		case o == operation:
			return service + ":" + r.operations[0], true
		}
	}
	return "", false
}

// readRates reads a rates.txt.
func readRates(text string) ([]rate, error) {
	var out []rate
	for line := range strings.Lines(text) {
		line, _, _ = strings.Cut(line, "#")
		if strings.TrimSpace(line) == "" {
			continue
		}
		service, rest, _ := strings.Cut(line, ":")
		r := rate{service: strings.TrimSpace(service)}
		f := strings.Fields(rest)
		if len(f) < 3 {
			return nil, fmt.Errorf("rates: %q lacks something", line)
		}
		if _, err := fmt.Sscan(f[0]+" "+f[1], &r.burst, &r.refill); err != nil || r.burst < 1 || r.refill <= 0 {
			return nil, fmt.Errorf("rates: %q: a burst and a rate come first", line)
		}
		r.operations = f[2:]
		out = append(out, r)
	}
	return out, nil
}

// level is how full a bucket was at a time.
type level struct {
	tokens float64
	at     time.Time
}

// take takes a call out of a bucket; ok is false if it is empty.
func (l level) take(r *rate, now time.Time) (after level, ok bool) {
	l.tokens = min(r.burst, l.tokens+r.refill*max(0, now.Sub(l.at).Seconds()))
	l.at = now
	if l.tokens < 1 {
		return l, false
	}
	l.tokens--
	return l, true
}

// throttle bounds how fast the account's calls come. It has no more buckets
// than there are operations. It is safe for concurrent use.
type throttle struct {
	rates []rate
	mu    sync.Mutex
	full  map[string]level
}

func newThrottle() (*throttle, error) {
	rates, err := readRates(ratesText)
	return &throttle{rates: rates, full: map[string]level{}}, err
}

// find finds the first rate that is an operation's: the last one is of all.
func (t *throttle) find(service, operation string) (r *rate, bucket string) {
	for i := range t.rates {
		r = &t.rates[i]
		if name, ok := r.bucket(service, operation); ok {
			bucket = name
			break
		}
	}
	return r, bucket
}

// admit refuses a call that comes too fast, in the words of its protocol.
func (t *throttle) admit(op *wire.Operation, p wire.Protocol, now time.Time) error {
	r, name := t.find(op.Service.Name, op.Name)
	t.mu.Lock()
	defer t.mu.Unlock()
	l, known := t.full[name]
	if !known {
		l = level{tokens: r.burst, at: now}
	}
	l, ok := l.take(r, now)
	t.full[name] = l
	switch {
	case ok:
		return nil
	case p == wire.EC2:
		return fault.New(fault.Throttled, "", "Request limit exceeded.")
	default:
		return fault.New(fault.Throttled, "", "Rate exceeded")
	}
}
