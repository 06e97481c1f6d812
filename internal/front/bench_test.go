package front_test

import (
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"berth/internal/clock"
	"berth/internal/front"
	"berth/internal/ident"
	"berth/internal/wire/shape/ec2"
	"berth/internal/wire/shape/ecs"
)

// BenchmarkChain is the cost of front itself: the budget of a read
// is 200 µs, most of which belongs to the service behind it.
func BenchmarkChain(b *testing.B) {
	f, err := front.New(front.Deps{
		Place: place, Clock: clock.NewStepped(start), IDs: ident.Seeded(1), Keys: keys{}, Auth: &auth{}, Log: slog.New(slog.DiscardHandler),
		Services: []front.Service{
			{Meta: ecs.Meta, API: toyECS{}, Fields: "CreateCluster: clusterName"}, {Meta: ec2.Meta, API: toyEC2{}, Fields: "DescribeVpcs: VpcIds"},
		},
	})
	if err != nil {
		b.Fatal(err)
	}
	h := f.Handler(front.Listener{})
	b.Run("json", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			do(h, target(`{"clusterName":"c"}`, "CreateCluster"))
		}
	})
	b.Run("ec2", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			r := httptest.NewRequest(http.MethodPost, "/", strings.NewReader("Action=DescribeVpcs&Version=2016-11-15&VpcId.1=a"))
			r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
			do(h, r)
		}
	})
	b.Run("signed", func(b *testing.B) {
		b.ReportAllocs()
		body := `{"clusterName":"c"}`
		for b.Loop() {
			do(h, sign(target(body, "CreateCluster"), body, ident.Key{ID: "ASIAKNOWN", Secret: "s", Token: "t"}, place.Region))
		}
	})
}
