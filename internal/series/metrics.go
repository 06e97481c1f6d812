package series

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"math"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/cockroachdb/pebble/v2"
)

// Dimension is a name and a value of a metric.
type Dimension struct{ Name, Value string }

// Metric names one series of data.
type Metric struct {
	Namespace  string
	Name       string
	Dimensions []Dimension // in order of names
}

// identity is the metric's key without its kind.
func (m Metric) identity() string {
	parts := []string{m.Namespace, m.Name}
	for _, d := range m.Dimensions {
		parts = append(parts, d.Name, d.Value)
	}
	return joined(parts...)
}

func parseIdentity(id string) Metric {
	f := strings.Split(strings.TrimSuffix(id, "\x00"), "\x00")
	m := Metric{Namespace: f[0], Name: f[1]}
	for i := 2; i+1 < len(f); i += 2 {
		m.Dimensions = append(m.Dimensions, Dimension{f[i], f[i+1]})
	}
	return m
}

// Sorted returns the metric with its dimensions in order.
func (m Metric) Sorted() Metric {
	m.Dimensions = slices.SortedFunc(slices.Values(m.Dimensions), func(a, b Dimension) int { return cmp.Compare(a.Name, b.Name) })
	return m
}

// Set summarizes observations; Values with Counts is their distribution, as
// far as it is known.
type Set struct {
	Sum    float64   `json:"s"`
	Count  float64   `json:"n"`
	Min    float64   `json:"l"`
	Max    float64   `json:"h"`
	Values []float64 `json:"v,omitempty"` // ascending
	Counts []float64 `json:"c,omitempty"`
	// Blurred is set when a part came without its distribution: then there
	// are no percentiles.
	Blurred bool `json:"b,omitempty"`
}

// Observed makes a Set of values that were each seen counts[i] times, or once
// without counts.
func Observed(values, counts []float64) Set {
	var s Set
	for i, v := range values {
		n := 1.0
		if i < len(counts) {
			n = counts[i]
		}
		s = s.Add(Set{Sum: v * n, Count: n, Min: v, Max: v, Values: []float64{v}, Counts: []float64{n}})
	}
	return s
}

// maxValues is how many distinct values a distribution keeps exactly.
const maxValues = 200

// Add joins two sets.
func (s Set) Add(o Set) Set {
	switch {
	case s.Count == 0:
		return o
	case o.Count == 0:
		return s
	}
	out := Set{Sum: s.Sum + o.Sum, Count: s.Count + o.Count, Min: min(s.Min, o.Min), Max: max(s.Max, o.Max), Blurred: s.Blurred || o.Blurred}
	if out.Blurred {
		return out
	}
	all := map[float64]float64{}
	for i, v := range s.Values {
		all[v] += s.Counts[i]
	}
	for i, v := range o.Values {
		all[v] += o.Counts[i]
	}
	if len(all) > maxValues {
		all = coarser(all)
	}
	for _, v := range slices.Sorted(maps.Keys(all)) {
		out.Values, out.Counts = append(out.Values, v), append(out.Counts, all[v])
	}
	return out
}

// coarser puts values into buckets two per cent wide.
func coarser(all map[float64]float64) map[float64]float64 {
	out := map[float64]float64{}
	for v, n := range all {
		if v > 0 {
			v = math.Pow(1.02, math.Round(math.Log(v)/math.Log(1.02)))
		}
		out[v] += n
	}
	return out
}

// Statistic computes Average, Sum, Minimum, Maximum, SampleCount or a
// percentile such as p99 or p99.9; ok is false if it cannot be told.
func (s Set) Statistic(name string) (v float64, ok bool) {
	if s.Count == 0 {
		return 0, false
	}
	switch name {
	case "Average":
		return s.Sum / s.Count, true
	case "Sum":
		return s.Sum, true
	case "Minimum":
		return s.Min, true
	case "Maximum":
		return s.Max, true
	case "SampleCount":
		return s.Count, true
	}
	n, ok := Percentile(name)
	if !ok {
		return 0, false
	}
	return s.percentile(n / 100)
}

var percentile = regexp.MustCompile(`^p(\d{1,3}(?:\.\d{1,10})?)$`)

// Percentile reads the name of a percentile, p0 to p100 with up to ten decimal
// places.
func Percentile(name string) (n float64, ok bool) {
	m := percentile.FindStringSubmatch(name)
	if m == nil {
		return 0, false
	}
	n, err := strconv.ParseFloat(m[1], 64)
	return n, err == nil && n <= 100
}

// percentile is the smallest value that p of the observations do not exceed.
func (s Set) percentile(p float64) (float64, bool) {
	if s.Blurred || len(s.Values) == 0 {
		// One observation, or many equal ones, have every percentile.
		return s.Min, s.Min == s.Max
	}
	want, seen := p*s.Count, 0.0
	for i, v := range s.Values {
		if seen += s.Counts[i]; seen >= want {
			return v, true
		}
	}
	return s.Max, true
}

// Datum is one thing to store.
type Datum struct {
	Metric Metric
	At     time.Time
	Unit   string // "" is None
	Set    Set
	// Fine keeps the datum at one second rather than at one minute.
	Fine bool
}

// Point is what was observed in one period.
type Point struct {
	At   time.Time // when the period begins
	Unit string
	Set  Set
}

// Put stores data; what falls into the same minute is joined.
func (s *Store) Put(_ context.Context, data ...Datum) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	b := s.db.NewIndexedBatch()
	for _, d := range data {
		if err := s.add(b, d); err != nil {
			return err
		}
	}
	if err := s.commit(b); err != nil {
		return fmt.Errorf("store metric data: %w", err)
	}
	for _, d := range data {
		s.metrics[d.Metric.Sorted().identity()] = true
	}
	return nil
}

func (s *Store) add(b *pebble.Batch, d Datum) error {
	m := d.Metric.Sorted()
	if err := checkMetric(m); err != nil {
		return err
	}
	step := time.Minute
	if d.Fine {
		step = time.Second
	}
	if d.Unit == "" {
		d.Unit = "None"
	}
	key := pointKey(m, d.At.Truncate(step), d.Unit)
	var old Set
	if raw, closer, err := b.Get(key); err == nil {
		err = json.Unmarshal(raw, &old)
		if cerr := closer.Close(); err != nil || cerr != nil {
			return fmt.Errorf("read metric data: %w", cmp.Or(err, cerr))
		}
	}
	raw, err := json.Marshal(old.Add(d.Set))
	if err != nil {
		return fmt.Errorf("store metric data: %w", err)
	}
	if err := b.Set(key, raw, nil); err != nil {
		return err
	}
	if id := m.identity(); !s.metrics[id] {
		return b.Set([]byte(kindMetric+"\x00"+id), nil, nil)
	}
	return nil
}

func checkMetric(m Metric) error {
	if err := checkName("namespace", m.Namespace); err != nil {
		return err
	}
	if err := checkName("metric", m.Name); err != nil {
		return err
	}
	for _, d := range m.Dimensions {
		if err := checkName("dimension", d.Name); err != nil {
			return err
		}
		if err := checkName("dimension value", d.Value); err != nil {
			return err
		}
	}
	return nil
}

// pointKey puts a second NUL after the identity, so that the points of a
// metric are not among those of one with more dimensions.
func pointKey(m Metric, at time.Time, unit string) []byte {
	return append(appendTime(pointPrefix(m), at.Unix()), unit...)
}

func pointPrefix(m Metric) []byte { return []byte(kindPoint + "\x00" + m.identity() + "\x00") }

// Metrics lists the metrics of a namespace, or of all if it is "", in order.
func (s *Store) Metrics(namespace string) ([]Metric, error) {
	p := []byte(kindMetric + "\x00")
	if namespace != "" {
		p = append(p, namespace+"\x00"...)
	}
	var out []Metric
	err := s.scan(p, upper(p), func(key, _ []byte) bool {
		out = append(out, parseIdentity(string(key[len(kindMetric)+1:])))
		return true
	})
	return out, err
}

// Newest is when a metric was last written to; zero if never.
func (s *Store) Newest(m Metric) (time.Time, error) {
	var at time.Time
	p := pointPrefix(m.Sorted())
	err := s.scanBack(p, upper(p), func(key, _ []byte) bool {
		at = time.Unix(readTime(key[len(p):]), 0).UTC()
		return false
	})
	return at, err
}

// Query returns the points of a metric in [from, to), joined by periods that
// begin at multiples of period. Periods without data are left out. A unit of
// "" takes all units, each in points of its own.
func (s *Store) Query(m Metric, unit string, from, to time.Time, period time.Duration) ([]Point, error) {
	p := pointPrefix(m.Sorted())
	first := from.Truncate(period)
	type slot struct {
		at   int64
		unit string
	}
	sets := map[slot]Set{}
	var bad error
	err := s.scan(appendTime(slices.Clone(p), first.Unix()), appendTime(slices.Clone(p), to.Unix()), func(key, value []byte) bool {
		u := string(key[len(p)+8:])
		if unit != "" && u != unit {
			return true
		}
		var set Set
		if bad = json.Unmarshal(value, &set); bad != nil {
			return false
		}
		k := slot{time.Unix(readTime(key[len(p):]), 0).Truncate(period).Unix(), u}
		sets[k] = sets[k].Add(set)
		return true
	})
	if err = cmp.Or(err, bad); err != nil {
		return nil, fmt.Errorf("read metric data: %w", err)
	}
	out := make([]Point, 0, len(sets))
	for k, set := range sets {
		out = append(out, Point{time.Unix(k.at, 0).UTC(), k.unit, set})
	}
	slices.SortFunc(out, func(a, b Point) int { return cmp.Or(a.At.Compare(b.At), cmp.Compare(a.Unit, b.Unit)) })
	return out, nil
}

// pruneMetrics joins points that are older than fine into hours, and removes
// those older than coarse.
func (s *Store) pruneMetrics(fine, coarse time.Time) error {
	all, err := s.Metrics("")
	if err != nil {
		return err
	}
	fine, coarse = fine.Truncate(time.Hour), coarse.Truncate(time.Hour)
	for _, m := range all {
		if err := s.prune(m, fine, coarse); err != nil {
			return err
		}
	}
	return nil
}

func (s *Store) prune(m Metric, fine, coarse time.Time) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	p := pointPrefix(m)
	hours := map[string]Set{}
	rolled := false
	var bad error
	err := s.scan(appendTime(slices.Clone(p), coarse.Unix()), appendTime(slices.Clone(p), fine.Unix()), func(key, value []byte) bool {
		at := time.Unix(readTime(key[len(p):]), 0)
		rolled = rolled || !at.Truncate(time.Hour).Equal(at)
		var set Set
		if bad = json.Unmarshal(value, &set); bad != nil {
			return false
		}
		k := string(append(appendTime(slices.Clone(p), at.Truncate(time.Hour).Unix()), key[len(p)+8:]...))
		hours[k] = hours[k].Add(set)
		return true
	})
	if err = cmp.Or(err, bad); err != nil {
		return fmt.Errorf("prune metric data: %w", err)
	}
	b := s.db.NewBatch()
	end := coarse
	if rolled {
		end = fine
	}
	if err := b.DeleteRange(p, appendTime(slices.Clone(p), end.Unix()), nil); err != nil {
		return err
	}
	if rolled {
		for k, set := range hours {
			if err := put(b, k, set); err != nil {
				return err
			}
		}
	}
	return s.commit(b)
}

// Namespace writes into one namespace.
type Namespace struct {
	store *Store
	name  string
}

// In returns a writer into one namespace.
func (s *Store) In(namespace string) Namespace { return Namespace{s, namespace} }

// Count notes one figure: values[i] was seen counts[i] times in the minute of
// at.
func (n Namespace) Count(
	ctx context.Context, at time.Time, metric, unit string, dimensions map[string]string, values, counts []float64,
) error {
	m := Metric{Namespace: n.name, Name: metric}
	for _, k := range slices.Sorted(maps.Keys(dimensions)) {
		m.Dimensions = append(m.Dimensions, Dimension{k, dimensions[k]})
	}
	return n.store.Put(ctx, Datum{Metric: m, At: at, Unit: unit, Set: Observed(values, counts)})
}
