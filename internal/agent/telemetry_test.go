package agent_test

import (
	"testing"
	"time"

	"berth/internal/agent"
)

// A container that uses a quarter of a CPU is not told to use more of it, whenever
// the agent was held up around its readings.
func TestAnAgentThatIsHeldUpTellsNoHigherRate(t *testing.T) {
	start := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	at := func(ms int) time.Time { return start.Add(time.Duration(ms) * time.Millisecond) }
	used := func(ms int) uint64 { return uint64(ms) * 250_000 } // nanoseconds until then
	for name, readings := range map[string][]agent.Taken{
		"never":          {{at(0), at(0), 0}, {at(100), at(100), used(100)}, {at(200), at(200), used(200)}},
		"after reading":  {{at(0), at(90), 0}, {at(100), at(100), used(100)}, {at(200), at(200), used(200)}},
		"before reading": {{at(0), at(0), 0}, {at(100), at(190), used(190)}, {at(200), at(200), used(200)}},
		"in between":     {{at(0), at(95), used(50)}, {at(100), at(100), used(100)}, {at(110), at(300), used(300)}},
	} {
		if got := agent.HighestCPU(readings...); got <= 0 || got > 25 {
			t.Errorf("%s: %v %%", name, got)
		}
	}
}
