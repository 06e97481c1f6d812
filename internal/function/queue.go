package function

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"berth/internal/clock"
	"berth/internal/model"
)

// retryAfter are Lambda's pauses before an asynchronous call is made again.
var retryAfter = []time.Duration{time.Minute, 2 * time.Minute}

// Queue makes asynchronous calls, and makes them again when they fail, twice
// at most. It keeps them in memory only.
type Queue struct {
	Driver Driver
	Clock  clock.Clock
	Log    *slog.Logger

	going sync.WaitGroup
}

// Put takes a call on and returns. The call is made whatever becomes of ctx's
// end; its values stay.
func (q *Queue) Put(ctx context.Context, fn model.Function, in Invocation) {
	ctx = context.WithoutCancel(ctx)
	q.going.Go(func() { q.run(ctx, fn, in) })
}

func (q *Queue) run(ctx context.Context, fn model.Function, in Invocation) {
	for _, pause := range append(retryAfter, -1) {
		res, err := q.Driver.Invoke(ctx, fn, in)
		if err == nil && res.FunctionError == "" {
			return
		}
		if pause < 0 {
			break
		}
		<-clock.After(q.Clock, pause)
	}
	if q.Log != nil {
		q.Log.WarnContext(ctx, "event of an asynchronous call is dropped", "function", fn.Name, "request_id", in.RequestID)
	}
}

// Wait blocks until all calls are done.
func (q *Queue) Wait() { q.going.Wait() }
