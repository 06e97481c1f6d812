package control

import (
	"context"
	"fmt"
	"runtime/debug"
	"sync"
)

// job is one piece of slow work, for a key of a controller.
type job struct {
	key     string
	running bool
	result  any
	err     error
}

type jobs struct {
	e  *Engine
	mu sync.Mutex
	m  map[string]*job
	// outs counts the jobs of a key that run or were not taken.
	outs map[string]int
	wg   sync.WaitGroup
	// ctx ends the jobs; Begin makes it.
	ctx    context.Context
	cancel context.CancelFunc
	inline bool
}

// Start implements Jobs.
func (j *jobs) Start(controller, key, name string, fn func(context.Context) (any, error)) bool {
	j.mu.Lock()
	if j.m[name] != nil {
		j.mu.Unlock()
		return false
	}
	w := &job{key: controller + " " + key, running: true}
	j.m[name] = w
	j.outs[w.key]++
	j.mu.Unlock()
	work := func() {
		res, err := guarded(j.ctx, fn)
		j.mu.Lock()
		w.running, w.result, w.err = false, res, err
		j.mu.Unlock()
		j.e.Kick(controller, key)
	}
	if j.inline {
		work()
	} else {
		j.wg.Go(work)
	}
	return true
}

func guarded(ctx context.Context, fn func(context.Context) (any, error)) (res any, err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("panic: %v\n%s", p, debug.Stack())
		}
	}()
	return fn(ctx)
}

// out reports whether a job of a key runs or was not taken.
func (j *jobs) out(controller, key string) bool {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.outs[controller+" "+key] > 0
}

// Take implements Jobs.
func (j *jobs) Take(name string) (any, error, bool, bool) { //nolint:ST1008 // the error is the job's, a part of what it left
	j.mu.Lock()
	defer j.mu.Unlock()
	w := j.m[name]
	switch {
	case w == nil:
		return nil, nil, false, false
	case w.running:
		return nil, nil, true, false
	}
	delete(j.m, name)
	if j.outs[w.key]--; j.outs[w.key] == 0 {
		delete(j.outs, w.key)
	}
	return w.result, w.err, false, true
}

func (j *jobs) busy() bool {
	j.mu.Lock()
	defer j.mu.Unlock()
	for _, w := range j.m {
		if w.running {
			return true
		}
	}
	return false
}

func (j *jobs) wait() {
	if j.cancel != nil {
		j.cancel()
	}
	j.wg.Wait()
}
