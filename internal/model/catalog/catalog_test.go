package catalog_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"berth/internal/model"
	"berth/internal/model/catalog"
)

const tokyo = "ap-northeast-1"

func span(low, high float64) model.Range { return model.Range{Min: &low, Max: &high} }

func seed() model.InstanceRequirements {
	return model.InstanceRequirements{
		VCpuCount: span(1, 5), MemoryMiB: span(1024, 5120),
		CpuManufacturers: []string{"intel", "amd"}, BurstablePerformance: "included",
	}
}

func names(ts []catalog.Type) []string {
	var out []string
	for _, t := range ts {
		out = append(out, t.Name)
	}
	return out
}

func num(n int64) *int64 { return &n }

func TestSeedRequirementsMatchLargeAndBurstableTypes(t *testing.T) {
	want := []string{"c5.large", "c5a.large", "c6a.large", "c6i.large", "c7i-flex.large", "c7i.large", "c8i-flex.large",
		"t3.medium", "t3.small", "t3a.medium", "t3a.small"}
	if diff := cmp.Diff(want, names(catalog.Match(tokyo, seed()))); diff != "" {
		t.Error(diff)
	}
}

// Proves: MI12, MI13, MI14, MI15, MI17
func TestEachAttributeKeepsTypesOut(t *testing.T) {
	unlimited := func(q model.InstanceRequirements) model.InstanceRequirements {
		q.OnDemandMaxPricePercentageOverLowestPrice = num(999999)
		return q
	}
	tests := []struct {
		name     string
		q        model.InstanceRequirements
		has, not string // comma-separated
	}{
		{"burstable is excluded by default", model.InstanceRequirements{AllowedInstanceTypes: []string{"t3.medium"}}, "", "t3.medium"},
		{
			"burstable may be included", model.InstanceRequirements{AllowedInstanceTypes: []string{"t3.medium"}, BurstablePerformance: "included"},
			"t3.medium", "",
		},
		{
			"burstable may be required", unlimited(model.InstanceRequirements{BurstablePerformance: "required"}), "t3.large",
			"c6a.large,t3.micro,t3.nano",
		},
		{
			"bare metal is excluded by default", unlimited(model.InstanceRequirements{AllowedInstanceTypes: []string{"c6i.*"}}), "c6i.large",
			"c6i.metal",
		},
		{"bare metal may be required", unlimited(model.InstanceRequirements{BareMetal: "required"}), "c6i.metal", "c6i.large"},
		{"one vCPU is never launched", unlimited(model.InstanceRequirements{}), "c6a.large", "c7a.medium,m7a.medium"},
		{
			"Xen families are not launched", unlimited(model.InstanceRequirements{BurstablePerformance: "included"}), "t3.large",
			"t2.large,m4.large",
		},
		{
			"a wildcard covers a family's variants", unlimited(model.InstanceRequirements{AllowedInstanceTypes: []string{"c5*"}}),
			"c5.large,c5a.large,c5n.large", "c6a.large",
		},
		{"m5a.* is not m5n", unlimited(model.InstanceRequirements{AllowedInstanceTypes: []string{"m5a.*"}}), "m5a.large", "m5n.large,m5.large"},
		{
			"a wildcard in the middle",
			unlimited(model.InstanceRequirements{ExcludedInstanceTypes: []string{"*3*"}, BurstablePerformance: "included"}), "c6a.large",
			"t3.large,i3en.large",
		},
		{"generations", unlimited(model.InstanceRequirements{InstanceGenerations: []string{"previous"}}), "c5.large", "c6a.large"},
		{"makers", unlimited(model.InstanceRequirements{CpuManufacturers: []string{"amazon-web-services"}}), "c7g.large", "c6a.large"},
		{
			"no accelerators", unlimited(model.InstanceRequirements{AcceleratorCount: &model.Range{Max: new(float64)}}), "c6a.large",
			"g6.xlarge,g5.xlarge",
		},
		{"accelerator names", unlimited(model.InstanceRequirements{AcceleratorNames: []string{"t4"}}), "g4dn.xlarge", "g5.xlarge,c6a.large"},
		{
			"accelerator makers and types",
			unlimited(model.InstanceRequirements{AcceleratorManufacturers: []string{"nvidia"}, AcceleratorTypes: []string{"gpu"}}), "g5.xlarge",
			"c6a.large",
		},
		{"local storage is included by default", unlimited(model.InstanceRequirements{}), "c6id.large,c6i.large", ""},
		{"local storage required", unlimited(model.InstanceRequirements{LocalStorage: "required"}), "c6id.large", "c6i.large"},
		{"local storage excluded", unlimited(model.InstanceRequirements{LocalStorage: "excluded"}), "c6i.large", "c6id.large"},
		{
			"hard disks", unlimited(model.InstanceRequirements{LocalStorage: "required", LocalStorageTypes: []string{"hdd"}}), "d3.xlarge",
			"c6id.large",
		},
		{
			"local storage size", unlimited(model.InstanceRequirements{TotalLocalStorageGB: &model.Range{Min: ptr(200)}}), "i3.large",
			"c6id.large,c6i.large",
		},
		{"GiB for each vCPU", unlimited(model.InstanceRequirements{MemoryGiBPerVCpu: ptrTo(span(4, 4))}), "m6a.large", "c6a.large,r6a.large"},
		{"interfaces", unlimited(model.InstanceRequirements{NetworkInterfaceCount: &model.Range{Min: ptr(4)}}), "c6a.2xlarge", "c6a.large"},
		{
			"disk bandwidth", unlimited(model.InstanceRequirements{BaselineEbsBandwidthMbps: &model.Range{Min: ptr(651)}}), "c6a.xlarge",
			"c6a.large",
		},
		{"network bandwidth", unlimited(model.InstanceRequirements{NetworkBandwidthGbps: &model.Range{Min: ptr(1)}}), "c6a.xlarge", "c6a.large"},
		{
			"accelerator memory", unlimited(model.InstanceRequirements{AcceleratorTotalMemoryMiB: &model.Range{Min: ptr(22000)}}), "g5.xlarge",
			"g4dn.xlarge",
		},
		{"hibernation", unlimited(model.InstanceRequirements{RequireHibernateSupport: true}), "c6a.large", "g5.xlarge"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got := names(catalog.Match(tokyo, tt.q))
			for _, n := range split(tt.has) {
				if !slices.Contains(got, n) {
					t.Errorf("%s is missing", n)
				}
			}
			for _, n := range split(tt.not) {
				if slices.Contains(got, n) {
					t.Errorf("%s should not be there", n)
				}
			}
		})
	}
}

func split(s string) []string {
	if s == "" {
		return nil
	}
	return strings.Split(s, ",")
}

func ptr(v float64) *float64           { return &v }
func ptrTo(r model.Range) *model.Range { return &r }

// Proves: MI16
func TestPriceProtection(t *testing.T) {
	dear := func(q model.InstanceRequirements) bool {
		return slices.Contains(names(catalog.Match(tokyo, q)), "c6in.large")
	}
	q := seed()
	if dear(q) {
		t.Error("c6in.large costs 48 % more than the cheapest and should be refused by default")
	}
	q.OnDemandMaxPricePercentageOverLowestPrice = num(999999)
	if !dear(q) {
		t.Error("999999 should turn price protection off")
	}
	q.OnDemandMaxPricePercentageOverLowestPrice = num(50)
	if !dear(q) {
		t.Error("50 % should let c6in.large in")
	}
}

// Proves: MI11
func TestNoTypeForContradictoryRequirements(t *testing.T) {
	q := model.InstanceRequirements{VCpuCount: span(2, 2), MemoryMiB: span(1, 10)}
	if got := catalog.Match(tokyo, q); len(got) != 0 {
		t.Error(names(got))
	}
	if got := catalog.Match("nowhere-1", seed()); len(got) != 0 {
		t.Error(names(got))
	}
}

// Proves: MI38, MI40
func TestSevenSeedTasksFitOneInstance(t *testing.T) {
	c6a, _ := catalog.Lookup("c6a.large")
	r := catalog.Registered(c6a)
	if r.CPU != 2048 || r.Memory < 7*512 || r.Memory >= 8*512 || r.ENIs != 10 {
		t.Errorf("c6a.large registers %+v", r)
	}
	r5a, _ := catalog.Lookup("r5a.large")
	if r := catalog.Registered(r5a); r.Memory < 15<<10 {
		t.Errorf("r5a.large registers %d MiB, 15,360 are needed", r.Memory)
	}
	t3, _ := catalog.Lookup("t3.medium")
	if t3.Tasks() != 2 || t3.SustainedCPU() != 409 {
		t.Errorf("t3.medium: %d tasks, %d units", t3.Tasks(), t3.SustainedCPU())
	}
}

func TestHoldBackLeavesSomethingAndGrows(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		m := rapid.Int64Range(512, 32<<20).Draw(t, "memory")
		h := catalog.HoldBack(m)
		if h <= 0 || h >= m || catalog.HoldBack(m+1) < h {
			t.Fatalf("%d MiB holds back %d", m, h)
		}
	})
}

func TestZonesOfTokyo(t *testing.T) {
	want := []catalog.Zone{{"ap-northeast-1a", "apne1-az4"}, {"ap-northeast-1c", "apne1-az1"}, {"ap-northeast-1d", "apne1-az2"}}
	if diff := cmp.Diff(want, catalog.Zones(tokyo)); diff != "" {
		t.Error(diff)
	}
	if catalog.Sells(tokyo, "ap-northeast-1d", "c5a.large") || !catalog.Sells(tokyo, "ap-northeast-1a", "c5a.large") {
		t.Error("c5a.large is sold in a and c only")
	}
	if len(catalog.Zones("nowhere-1")) != 0 {
		t.Error("an unknown Region has zones")
	}
}

// Proves: MI78
func TestEveryRegionLoads(t *testing.T) {
	for _, r := range catalog.Regions() {
		if len(catalog.Types(r.Name)) == 0 && r.Name != "eusc-de-east-1" {
			t.Errorf("%s offers nothing", r.Name)
		}
	}
	if p, ok := catalog.PriceOf(tokyo, "c6a.large"); !ok || p.PerHour != 0.0963 || p.Fee != 0.011556 {
		t.Errorf("c6a.large costs %+v", p)
	}
}

// Laws: a narrower range never lets more in; what matches is offered.
func TestNarrowerRequirementsMatchFewer(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		q := model.InstanceRequirements{OnDemandMaxPricePercentageOverLowestPrice: num(999999)}
		q.VCpuCount = span(float64(rapid.IntRange(0, 8).Draw(t, "min")), float64(rapid.IntRange(2, 192).Draw(t, "max")))
		wide := names(catalog.Match("us-east-1", q))
		*q.VCpuCount.Max /= 2
		for _, n := range names(catalog.Match("us-east-1", q)) {
			if !slices.Contains(wide, n) {
				t.Fatalf("%s came in by narrowing", n)
			}
		}
	})
}

func BenchmarkMatch(b *testing.B) {
	q := seed()
	for b.Loop() {
		catalog.Match(tokyo, q)
	}
}

// What each part costs to decode; the budget of the whole is 100 ms.
func BenchmarkFirstUse(b *testing.B) {
	for _, r := range catalog.Regions() {
		catalog.Zones(r.Name)
	}
	b.Run("zones", func(b *testing.B) { first(b, func(r string) { catalog.Zones(r) }) })
	b.Run("types", func(b *testing.B) { first(b, func(r string) { catalog.Types(r) }) })
	b.Run("prices", func(b *testing.B) { first(b, func(r string) { catalog.PriceOf(r, "c6a.large") }) })
}

// first uses each Region once, since the tables are decoded only once.
func first(b *testing.B, use func(string)) {
	for _, r := range catalog.Regions()[:1] {
		use(r.Name)
	}
	n := 0
	for _, r := range catalog.Regions()[1:] {
		use(r.Name)
		n++
	}
	b.ReportMetric(float64(b.Elapsed().Microseconds())/float64(n), "µs/Region")
}
