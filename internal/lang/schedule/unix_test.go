package schedule_test

import (
	"testing"
	"time"

	"berth/internal/lang/schedule"
)

// Proves: E15
func TestRecurrence(t *testing.T) {
	after := time.Date(2026, 1, 1, 12, 30, 0, 0, time.UTC) // a Thursday
	for text, want := range map[string]string{
		"0 10 * * *":      "2026-01-02T10:00:00Z",
		"*/10 * * * *":    "2026-01-01T12:40:00Z",
		"0 9 * * MON-FRI": "2026-01-02T09:00:00Z",
		"0 9 * * 0":       "2026-01-04T09:00:00Z",
		"0 9 * * 7":       "2026-01-04T09:00:00Z",
		"0 9 15 * *":      "2026-01-15T09:00:00Z",
		"0 9 15 * SAT":    "2026-01-03T09:00:00Z",
		"0 0 1 6 *":       "2026-06-01T00:00:00Z",
	} {
		s, err := schedule.Recurrence(text, time.UTC)
		if err != nil {
			t.Errorf("%s: %v", text, err)
			continue
		}
		if next, ok := s.Next(after, after); !ok || next.Format(time.RFC3339) != want {
			t.Errorf("%s is due at %s, want %s", text, next.Format(time.RFC3339), want)
		}
	}
	for _, text := range []string{"", "0 10 * *", "60 * * * *", "0 0 ? * *", "0 0 * * 8", "cron(0 0 * * ? *)"} {
		if _, err := schedule.Recurrence(text, time.UTC); err == nil {
			t.Errorf("%q is taken", text)
		}
	}
	if next, ok := schedule.At(after).Next(after.Add(-time.Second), after); !ok || !next.Equal(after) {
		t.Errorf("a moment is due at %s", next)
	}
}
