package front

import (
	"cmp"
	"slices"
	"sync"
)

// Count is how often an operation ended with a code; "200" is success.
type Count struct {
	Service, Operation, Code string
	Calls                    int64
}

type countKey struct{ service, operation, code string }

type counts struct {
	mu sync.Mutex
	m  map[countKey]int64
}

func (c *counts) add(service, operation, code string) {
	c.mu.Lock()
	c.m[countKey{service, operation, code}]++
	c.mu.Unlock()
}

// Counts lists the counters in order of service, operation and code.
func (f *Front) Counts() []Count {
	f.counts.mu.Lock()
	defer f.counts.mu.Unlock()
	out := make([]Count, 0, len(f.counts.m))
	for k, n := range f.counts.m {
		out = append(out, Count{k.service, k.operation, k.code, n})
	}
	slices.SortFunc(out, func(a, b Count) int {
		return cmp.Or(cmp.Compare(a.Service, b.Service), cmp.Compare(a.Operation, b.Operation), cmp.Compare(a.Code, b.Code))
	})
	return out
}
