// Package prometheus stands in for the package of that name that Pebble counts
// the latency of its syncs and of a shared cache with. Berth reads none of
// these figures, and the real one brings Protocol Buffers along and, by what
// they look up by name at run time, keeps every exported method of everything
// in the program (docs/adr/0008-pebble.md). Only what Pebble names is here; it
// counts nothing.
package prometheus

// Histogram takes observations.
type Histogram interface{ Observe(float64) }

// HistogramOpts are what Pebble says of a histogram.
type HistogramOpts struct {
	Namespace, Subsystem, Name, Help string
	Buckets                          []float64
}

type deaf struct{}

func (deaf) Observe(float64) {}

// NewHistogram returns a histogram that forgets what it observes.
func NewHistogram(HistogramOpts) Histogram { return deaf{} }

// LinearBuckets returns no bounds, since nothing is counted.
func LinearBuckets(_, _ float64, _ int) []float64 { return nil }

// ExponentialBucketsRange returns no bounds, since nothing is counted.
func ExponentialBucketsRange(_, _ float64, _ int) []float64 { return nil }
