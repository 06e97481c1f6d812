package daemon

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"time"

	"berth/internal/api/logs"
	"berth/internal/clock"
	"berth/internal/container/image"
	"berth/internal/series"
	"berth/internal/state"
)

// sweepEvery is how often old log events and metric data are removed, on the
// control plane's clock.
const sweepEvery = time.Hour

// forget removes what is older than its retention until ctx ends.
func (s *server) forget(ctx context.Context) error {
	for {
		if err := clock.Sleep(ctx, s.clock, sweepEvery); err != nil {
			return err
		}
		if err := s.series.Prune(s.clock.Now(), series.Retention{Logs: logs.Retention(s.sys.DB.View())}); err != nil {
			s.log.Warn("old logs and metrics stay", "error", err)
		}
		if err := s.collect(ctx); err != nil {
			s.log.Warn("unused images or code stay", "error", err)
		}
	}
}

// imagesDir is where instances unpack images; they share the layers.
func (s *server) imagesDir() string { return filepath.Join(s.cfg.Data, "images") }

// collect removes the files that nothing has any more: blobs of deleted
// images, layers of instances that are gone, code of deleted functions. While a
// backup is made it leaves them for the next time.
func (s *server) collect(ctx context.Context) error {
	if !s.copying.TryLock() {
		return nil
	}
	defer s.copying.Unlock()
	_, rerr := s.images.Collect(ctx)
	var ierr error
	if _, err := os.Stat(filepath.Join(s.imagesDir(), "locks")); err == nil {
		_, ierr = image.Collect(ctx, s.imagesDir(), s.sys.Real)
	}
	used := s.functions.Using()
	for _, fn := range state.Functions.All(s.sys.DB.View()) {
		used = append(used, fn.CodeSHA256)
	}
	return errors.Join(rerr, ierr, s.code.Keep(used, s.sys.Real.Now().Add(-sweepEvery)))
}
