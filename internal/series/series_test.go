package series_test

import (
	"fmt"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"berth/internal/disk"
	"berth/internal/fault"
	"berth/internal/series"
)

var start = time.Date(2026, 8, 1, 0, 0, 0, 0, time.UTC)

func memory(t testing.TB) *series.Store {
	t.Helper()
	s, err := series.Memory()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return s
}

func at(seconds int) time.Time { return start.Add(time.Duration(seconds) * time.Second) }

func texts(es []series.Event) []string {
	out := []string{}
	for _, e := range es {
		out = append(out, e.Message)
	}
	return out
}

func fill(t *testing.T, s *series.Store, stream string, seconds ...int) {
	t.Helper()
	if err := s.CreateStream("g", stream, start); err != nil {
		t.Fatal(err)
	}
	for _, n := range seconds {
		if err := s.Append("g", stream, at(1000), []series.Event{{At: at(n), Message: fmt.Sprintf("%s%d", stream, n)}}); err != nil {
			t.Fatal(err)
		}
	}
}

func TestLogsAreReadInOrderOfTime(t *testing.T) {
	s := memory(t)
	fill(t, s, "a", 3, 1, 2, 2)
	read := func(w series.Window) []string {
		es, err := s.Read("g", "a", w)
		if err != nil {
			t.Fatal(err)
		}
		return texts(es)
	}
	for _, c := range []struct {
		w    series.Window
		want []string
	}{
		{series.Window{}, []string{"a1", "a2", "a2", "a3"}},
		{series.Window{Limit: 2}, []string{"a1", "a2"}},
		{series.Window{Limit: 2, Tail: true}, []string{"a2", "a3"}},
		{series.Window{From: at(2), To: at(3)}, []string{"a2", "a2"}},
		{series.Window{From: at(4)}, []string{}},
		{series.Window{Bytes: 60}, []string{"a1", "a2"}},
	} {
		if diff := cmp.Diff(c.want, read(c.w)); diff != "" {
			t.Errorf("%+v: %s", c.w, diff)
		}
	}
	es, _ := s.Read("g", "a", series.Window{Limit: 2})
	if diff := cmp.Diff([]string{"a2", "a3"}, read(series.Window{After: &es[1].Position})); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]string{"a1"}, read(series.Window{Before: &es[1].Position, Tail: true})); diff != "" {
		t.Error(diff)
	}
}

func TestStreamsAreMergedAndPaged(t *testing.T) {
	s := memory(t)
	fill(t, s, "a", 1, 3, 5, 5)
	fill(t, s, "b", 2, 3, 5)
	var all []string
	var cursor *series.Cursor
	for {
		n := 0
		err := s.Merge("g", []string{"a", "b"}, time.Time{}, time.Time{}, cursor, func(e series.Event) bool {
			all = append(all, e.Message)
			cursor = &series.Cursor{Stream: e.Stream, Milli: e.Position.Milli, Seq: e.Position.Seq}
			n++
			return n < 2
		})
		if err != nil {
			t.Fatal(err)
		}
		if n < 2 {
			break
		}
	}
	if diff := cmp.Diff([]string{"a1", "b2", "a3", "b3", "a5", "a5", "b5"}, all); diff != "" {
		t.Error(diff)
	}
}

func TestStreamsComeAndGo(t *testing.T) {
	s := memory(t)
	fill(t, s, "a", 1)
	if err := s.CreateStream("g", "a", start); !fault.Is(err, fault.Conflict) {
		t.Errorf("twice: %v", err)
	}
	if err := s.Append("g", "none", start, nil); !fault.Is(err, fault.NotFound) {
		t.Errorf("append to nothing: %v", err)
	}
	sts, err := s.Streams("g", "")
	if err != nil || len(sts) != 1 || sts[0].Bytes != 28 || !sts[0].First.Equal(at(1)) {
		t.Errorf("%+v, %v", sts, err)
	}
	if err := s.DeleteStream("g", "a"); err != nil {
		t.Fatal(err)
	}
	fill(t, s, "a", 7)
	es, _ := s.Read("g", "a", series.Window{})
	if diff := cmp.Diff([]string{"a7"}, texts(es)); diff != "" {
		t.Errorf("old events came back: %s", diff)
	}
	if err := s.DeleteGroup("g"); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Read("g", "a", series.Window{}); !fault.Is(err, fault.NotFound) {
		t.Errorf("after the group: %v", err)
	}
}

func TestWhatWasAppendedIsThereAfterReopening(t *testing.T) {
	dir := t.TempDir()
	s, err := series.Open(filepath.Join(dir, "series"), series.Options{Disk: disk.Open(dir, func(string) {})})
	if err != nil {
		t.Fatal(err)
	}
	fill(t, s, "a", 1, 2)
	m := series.Metric{Namespace: "N", Name: "m"}
	if err := s.Put(t.Context(), series.Datum{Metric: m, At: at(0), Set: series.Observed([]float64{5}, nil)}); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if s, err = series.Open(filepath.Join(dir, "series"), series.Options{Disk: disk.Open(dir, func(string) {})}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	if err := s.Append("g", "a", at(9), []series.Event{{At: at(2), Message: "again"}}); err != nil {
		t.Fatal(err)
	}
	es, _ := s.Read("g", "a", series.Window{})
	if diff := cmp.Diff([]string{"a1", "a2", "again"}, texts(es)); diff != "" {
		t.Error(diff)
	}
	ms, err := s.Metrics("")
	if diff := cmp.Diff([]series.Metric{m}, ms); diff != "" || err != nil {
		t.Error(diff, err)
	}
}

func TestMetricsAreJoinedByPeriod(t *testing.T) {
	s := memory(t)
	m := series.Metric{
		Namespace: "AWS/ECS", Name: "CPUUtilization",
		Dimensions: []series.Dimension{{Name: "ServiceName", Value: "web"}, {Name: "ClusterName", Value: "c"}},
	}
	other := series.Metric{Namespace: "AWS/ECS", Name: "CPUUtilization", Dimensions: []series.Dimension{{Name: "ClusterName", Value: "c"}}}
	for i := range 10 {
		d := series.Datum{Metric: m, At: at(i * 20), Unit: "Percent", Set: series.Observed([]float64{float64(i)}, nil)}
		if err := s.Put(t.Context(), d, series.Datum{
			Metric: other, At: at(i * 20), Unit: "Percent", Set: series.Observed([]float64{100}, nil),
		}); err != nil {
			t.Fatal(err)
		}
	}
	ps, err := s.Query(m, "Percent", at(0), at(120), time.Minute)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, p := range ps {
		avg, _ := p.Set.Statistic("Average")
		p50, _ := p.Set.Statistic("p50")
		got = append(got, fmt.Sprintf("%s avg %g max %g n %g p50 %g", p.At.Format("15:04"), avg, p.Set.Max, p.Set.Count, p50))
	}
	if diff := cmp.Diff([]string{"00:00 avg 1 max 2 n 3 p50 1", "00:01 avg 4 max 5 n 3 p50 4"}, got); diff != "" {
		t.Error(diff)
	}
	ms, _ := s.Metrics("AWS/ECS")
	if len(ms) != 2 {
		t.Errorf("%d metrics", len(ms))
	}
}

func TestOldDataIsKeptByTheHour(t *testing.T) {
	s := memory(t)
	m := series.Metric{Namespace: "N", Name: "m"}
	for i := range 120 {
		if err := s.Put(t.Context(), series.Datum{Metric: m, At: at(60 * i), Set: series.Observed([]float64{1}, nil)}); err != nil {
			t.Fatal(err)
		}
	}
	now := start.Add(16 * 24 * time.Hour)
	for range 2 {
		if err := s.Prune(now, series.Retention{}); err != nil {
			t.Fatal(err)
		}
		ps, _ := s.Query(m, "", start, start.Add(3*time.Hour), time.Minute)
		if len(ps) != 2 || ps[0].Set.Count != 60 {
			t.Fatalf("%+v", ps)
		}
	}
	if err := s.Prune(start.Add(500*24*time.Hour), series.Retention{}); err != nil {
		t.Fatal(err)
	}
	if ps, _ := s.Query(m, "", start, start.Add(3*time.Hour), time.Minute); len(ps) != 0 {
		t.Errorf("%+v", ps)
	}
}

func TestLogRetention(t *testing.T) {
	s := memory(t)
	fill(t, s, "a", 1, 2, 3)
	if err := s.Prune(at(3), series.Retention{Logs: map[string]time.Duration{"g": time.Second}}); err != nil {
		t.Fatal(err)
	}
	es, _ := s.Read("g", "a", series.Window{})
	if diff := cmp.Diff([]string{"a2", "a3"}, texts(es)); diff != "" {
		t.Error(diff)
	}
}

// TestSetsAddUp: whatever the order of additions, the figures are those of
// all values, and percentiles are near the true ones.
func TestSetsAddUp(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		vs := rapid.SliceOfN(rapid.Float64Range(0.001, 1e6), 1, 600).Draw(t, "values")
		k := rapid.IntRange(0, len(vs)).Draw(t, "cut")
		a, b := series.Observed(vs[:k], nil), series.Observed(vs[k:], nil)
		x, y := a.Add(b), b.Add(a)
		if x.Count != float64(len(vs)) || x.Min != y.Min || x.Max != y.Max {
			t.Fatalf("%+v, %+v", x, y)
		}
		below := 0
		p, ok := x.Statistic("p50")
		for _, v := range vs {
			if v <= p*1.06 {
				below++
			}
		}
		if !ok || below*2 < len(vs) {
			t.Fatalf("p50 %g has %d of %d below it", p, below, len(vs))
		}
	})
}
