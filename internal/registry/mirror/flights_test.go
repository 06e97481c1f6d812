package mirror

import (
	"context"
	"errors"
	"testing"
)

// Work goes on while one waits for it, ends with the last who leaves, and is
// begun anew for who comes then.
func TestWorkEndsWithTheLastWhoWaits(t *testing.T) {
	var f flights
	began, ended := make(chan struct{}), make(chan struct{})
	work := func(ctx context.Context) (any, error) {
		close(began)
		<-ctx.Done()
		close(ended)
		return nil, ctx.Err()
	}
	first, leaveFirst := context.WithCancel(t.Context())
	second, leaveSecond := context.WithCancel(t.Context())
	out := make(chan error, 2)
	ask := func(ctx context.Context) {
		_, err := f.once(ctx, t.Context(), "key", work)
		out <- err
	}
	go ask(first)
	<-began
	fl := f.m["key"]
	f.join(t.Context(), "key", work) // the second, before the first leaves
	go func() {
		<-second.Done()
		f.leave("key", fl)
	}()
	leaveFirst()
	if err := <-out; !errors.Is(err, context.Canceled) {
		t.Errorf("who leaves is told %v", err)
	}
	select {
	case <-ended:
		t.Error("work ended although one waits")
	default:
	}
	leaveSecond()
	<-ended
	<-fl.done
	again := func(context.Context) (any, error) { return 7, nil }
	if v, err := f.once(t.Context(), t.Context(), "key", again); v != 7 || err != nil {
		t.Errorf("anew: %v, %v", v, err)
	}
}
