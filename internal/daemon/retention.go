package daemon

import (
	"context"
	"time"

	"berth/internal/api/logs"
	"berth/internal/clock"
	"berth/internal/series"
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
		if err := s.series.Prune(s.clock.Now(), series.Retention{Logs: logs.Retention(s.house.DB.View())}); err != nil {
			s.log.Warn("old logs and metrics stay", "error", err)
		}
	}
}
