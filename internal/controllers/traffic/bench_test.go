package traffic_test

import (
	"fmt"
	"testing"

	"berth/internal/controllers/traffic"
	"berth/internal/model"
	"berth/internal/state"
	"berth/internal/store"
)

// BenchmarkCompile is what each look at the data plane costs with 10,000
// targets in 20 groups: the budget is 20 ms.
func BenchmarkCompile(b *testing.B) {
	db, err := state.Open(b.Context(), store.NewMemory(), false)
	if err != nil {
		b.Fatal(err)
	}
	defer func() { _ = db.Close() }()
	err = db.Update(b.Context(), "test", func(tx *store.Tx) error {
		for g := range 20 {
			arn := fmt.Sprintf("%s%02d", tgARN, g)
			_ = state.TargetGroups.Put(tx, model.TargetGroup{
				ARN: arn, Name: fmt.Sprint(g), TargetType: "ip", Attributes: map[string]string{"stickiness.enabled": "false"},
			})
			for t := range 500 {
				_ = state.Targets.Put(tx, model.Target{Group: arn, ID: fmt.Sprintf("10.0.%d.%d", t/250, t%250), Port: 80, State: model.TargetHealthy})
			}
		}
		return nil
	})
	if err != nil {
		b.Fatal(err)
	}
	view := db.View()
	b.ReportAllocs()
	b.ResetTimer()
	for range b.N {
		if c := traffic.Compile(view, "127.0.0.1"); len(c.Groups) != 20 {
			b.Fatal(len(c.Groups))
		}
	}
}
