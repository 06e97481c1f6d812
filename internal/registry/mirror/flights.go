package mirror

import (
	"context"
	"sync"
)

// flights is work that is done once for all who ask meanwhile.
type flights struct {
	mu sync.Mutex
	m  map[string]*flight
}

// flight is one such work. It ends when nobody waits for it any more.
type flight struct {
	waiting int
	end     context.CancelFunc
	done    chan struct{}
	val     any
	err     error
}

// once does work as part of working, or waits for who does it already. It goes
// on for the others when one of them leaves, and ends with the last.
func (f *flights) once(ctx, working context.Context, key string, do func(context.Context) (any, error)) (any, error) {
	fl := f.join(working, key, do)
	select {
	case <-fl.done:
		return fl.val, fl.err
	case <-ctx.Done():
		f.leave(key, fl)
		return nil, ctx.Err()
	}
}

func (f *flights) join(working context.Context, key string, do func(context.Context) (any, error)) *flight {
	f.mu.Lock()
	defer f.mu.Unlock()
	if fl := f.m[key]; fl != nil {
		fl.waiting++
		return fl
	}
	ctx, end := context.WithCancel(working)
	fl := &flight{waiting: 1, end: end, done: make(chan struct{})}
	if f.m == nil {
		f.m = map[string]*flight{}
	}
	f.m[key] = fl
	go func() {
		defer end()
		fl.val, fl.err = do(ctx)
		f.drop(key, fl)
		close(fl.done)
	}()
	return fl
}

// leave takes one who waited away. Who comes after the last begins anew.
func (f *flights) leave(key string, fl *flight) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if fl.waiting--; fl.waiting > 0 {
		return
	}
	fl.end()
	if f.m[key] == fl {
		delete(f.m, key)
	}
}

func (f *flights) drop(key string, fl *flight) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.m[key] == fl {
		delete(f.m, key)
	}
}
