package daemon

import (
	"context"
	"log/slog"
	"net"
	"net/http"

	"golang.org/x/sync/errgroup"
)

// Answer answers on a listener as the server of a data folder does, until ctx
// ends.
func Answer(ctx context.Context, data string, l net.Listener, h http.Handler) error {
	s := &server{cfg: Config{Data: data}, log: slog.New(slog.DiscardHandler)}
	g, ctx := errgroup.WithContext(ctx)
	if err := s.answer(ctx, g, l, h); err != nil {
		return err
	}
	return g.Wait()
}

// KeepPrivate is keepPrivate, and Check check, for tests.
var (
	KeepPrivate = keepPrivate
	Check       = check
)
