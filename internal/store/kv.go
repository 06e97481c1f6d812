package store

import (
	"context"
	"maps"
	"slices"
	"sync"
)

// Op is one change of a batch: a new value, or a deletion.
type Op struct {
	Key    string
	Value  []byte
	Delete bool
}

// KV keeps bytes. It is shaped so that etcd can stand behind it: a batch is
// atomic and carries the revision that it makes. All implementations pass
// storetest.
type KV interface {
	// Load calls fn for every key in order and returns the last revision.
	// Bytes handed to fn are only valid during the call.
	Load(ctx context.Context, fn func(key string, value []byte) error) (rev int64, err error)
	// Commit applies the ops as one, durably: when it returns nil they
	// survive kill -9 and loss of power. Calls come one at a time, with
	// growing revisions.
	Commit(ctx context.Context, rev int64, ops []Op) error
	// Close releases the KV.
	Close() error
}

// Limited is a KV that may have no space for now.
type Limited interface {
	// Writable refuses a write that would not be durable. It is asked before
	// anything is changed, so that later ones go on.
	Writable() error
}

// Memory is a KV that forgets when the process ends; tests and the simulator
// use it.
type Memory struct {
	mu  sync.Mutex
	rev int64
	m   map[string][]byte
	// Fail, if set, is asked before each commit; its error is returned and
	// nothing is changed.
	Fail func(rev int64) error
}

// NewMemory returns an empty Memory.
func NewMemory() *Memory { return &Memory{m: map[string][]byte{}} }

// Load implements KV.
func (k *Memory) Load(_ context.Context, fn func(string, []byte) error) (int64, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	for _, key := range slices.Sorted(maps.Keys(k.m)) {
		if err := fn(key, k.m[key]); err != nil {
			return 0, err
		}
	}
	return k.rev, nil
}

// Commit implements KV.
func (k *Memory) Commit(_ context.Context, rev int64, ops []Op) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.Fail != nil {
		if err := k.Fail(rev); err != nil {
			return err
		}
	}
	for _, op := range ops {
		if op.Delete {
			delete(k.m, op.Key)
		} else {
			k.m[op.Key] = op.Value
		}
	}
	k.rev = rev
	return nil
}

// Close implements KV.
func (k *Memory) Close() error { return nil }
