package series_test

import (
	"maps"
	"testing"

	"berth/internal/fault"
	"berth/internal/series"
)

// A store that is filled with another's snapshot has what it had then.
func TestAFilledStoreIsAsTheOther(t *testing.T) {
	from, to := memory(t), memory(t)
	fill(t, from, "a", 1, 2)
	m := series.Metric{Namespace: "N", Name: "m", Dimensions: []series.Dimension{{Name: "D", Value: "v"}}}
	if err := from.Put(t.Context(), series.Datum{Metric: m, At: at(0), Set: series.Observed([]float64{5}, nil)}); err != nil {
		t.Fatal(err)
	}
	snap := from.Snapshot()
	want := pairs(t, snap)
	fill(t, from, "later", 3)
	if got := pairs(t, snap); !maps.Equal(got, want) || len(got) != 5 {
		t.Errorf("a snapshot changed: %q", got)
	}
	f := to.Fill()
	if err := snap.Each(f.Put); err != nil {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	if err := snap.Close(); err != nil {
		t.Fatal(err)
	}
	after := to.Snapshot()
	if got := pairs(t, after); !maps.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
	if err := after.Close(); err != nil {
		t.Fatal(err)
	}
	for _, key := range []string{"", "s", "s\x00g", "x\x00g\x00s", "e\x00g\x00s\x00short", "m\x00N", "d\x00N\x00m\x00\x00at"} {
		if err := to.Fill().Put([]byte(key), []byte("v")); !fault.Is(err, fault.Invalid) {
			t.Errorf("%q: %v", key, err)
		}
	}
}

func pairs(t *testing.T, s *series.Snapshot) map[string]string {
	t.Helper()
	out := map[string]string{}
	if err := s.Each(func(k, v []byte) error { out[string(k)] = string(v); return nil }); err != nil {
		t.Fatal(err)
	}
	return out
}
