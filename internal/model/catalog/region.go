package catalog

import (
	"bytes"
	"iter"
	"slices"
	"strconv"
	"strings"
	"sync"
)

// Zone is an Availability Zone. AWS shuffles names per account; ours are
// those of the account that the data came from.
type Zone struct {
	Name string // ap-northeast-1a
	ID   string // apne1-az4
}

// Region is a Region of EC2.
type Region struct {
	Name      string
	Partition string // aws, aws-cn, aws-us-gov
	Location  string // Asia Pacific (Tokyo)
	DNSSuffix string
	OptIn     string // default, opt-in
}

// Price is what an hour of an instance costs: Linux, shared tenancy.
type Price struct {
	PerHour  float64
	Currency string
	// Source says where the figure is from; those that start with est- are
	// estimates.
	Source string
	// Fee is the Managed Instances fee per hour.
	Fee float64
	// Spot is the average Spot price per hour, 0 if unknown.
	Spot float64
}

// Total is the hourly price with the fee.
func (p Price) Total() float64 { return p.PerHour + p.Fee }

type offer struct{ letters string }

// region is one Region's part of the tables. Each part is decoded on its own
// when it is first asked for: a server that starts wants the zones, and should
// not wait for a thousand types.
type region struct {
	zones  func() []Zone
	sold   func() sold
	prices func() map[string]Price
}

type sold struct {
	types  []Type  // by name
	offers []offer // of the same index
}

// sells reports whether the i-th type is offered in a zone. Where only the
// Region's list is known, every zone has the type.
func (r *region) sells(i int, zone string) bool {
	if !slices.ContainsFunc(r.zones(), func(z Zone) bool { return z.Name == zone }) {
		return false
	}
	l := r.sold().offers[i].letters
	return l == "" || strings.Contains(l, zone[len(zone)-1:])
}

var loaded sync.Map // Region name → *region; filled once each, never changed

func in(name string) *region {
	r, ok := loaded.Load(name)
	if !ok {
		r, _ = loaded.LoadOrStore(name, &region{
			zones:  sync.OnceValue(func() []Zone { return readZones(name) }),
			sold:   sync.OnceValue(func() sold { return readSold(name) }),
			prices: sync.OnceValue(func() map[string]Price { return readPrices(name) }),
		})
	}
	return r.(*region)
}

func readZones(name string) []Zone {
	var out []Zone
	for f := range rows("zones.csv", name) {
		out = append(out, Zone{Name: f[1], ID: f[2]})
	}
	return out
}

func readSold(name string) sold {
	var out sold
	for f := range rows("offerings.csv.gz", name) {
		if t, ok := Lookup(f[1]); ok {
			out.types, out.offers = append(out.types, t), append(out.offers, offer{strings.Clone(f[2])})
		}
	}
	return sold{slices.Clone(out.types), slices.Clone(out.offers)} // without capacity to grow: they are kept for ever
}

func readPrices(name string) map[string]Price {
	out := map[string]Price{}
	for f := range rows("prices.csv.gz", name) {
		out[f[1]] = price(f)
	}
	for f := range rows("spot.csv.gz", name) {
		p := out[f[1]]
		p.Spot = spot(p.PerHour, f)
		out[f[1]] = p
	}
	return out
}

// rows walks the lines of a table that belong to a Region. The tables have no
// quoted commas in the columns that are read.
func rows(file, name string) iter.Seq[[]string] {
	return func(yield func([]string) bool) {
		prefix := []byte(name + ",")
		for line := range bytes.Lines(read(file)) {
			if bytes.HasPrefix(line, prefix) && !yield(strings.Split(strings.TrimSpace(string(line)), ",")) {
				return
			}
		}
	}
}

func price(f []string) Price {
	p := Price{Currency: f[3], Source: f[4]}
	p.PerHour, _ = strconv.ParseFloat(f[2], 64)
	if fee, err := strconv.ParseFloat(f[6], 64); err == nil {
		p.Fee = fee
	} else {
		p.Fee = float64(int64(p.PerHour*1e4+0.5)) / 1e4 * 0.12
	}
	return p
}

// spot is the average Spot price, or the advisor's saving on the price.
func spot(perHour float64, f []string) float64 {
	if v, err := strconv.ParseFloat(f[4], 64); err == nil && v > 0 {
		return v
	}
	saving, err := strconv.ParseFloat(f[2], 64)
	if err != nil {
		return 0
	}
	return perHour * (1 - saving/100)
}

// PriceOf returns the price of a type in a Region; false if none is known.
func PriceOf(regionName, name string) (Price, bool) {
	p, ok := in(regionName).prices()[name]
	return p, ok && p.PerHour > 0
}

// FargatePrice is what an hour of a Fargate task of so many CPU units and MiB
// costs: Linux, x86, with the ephemeral storage that every task has. It is 0
// for a Region that has no Fargate.
func FargatePrice(regionName string, cpu, memory int64) float64 {
	for f := range rows("fargate.csv", regionName) {
		core, _ := strconv.ParseFloat(f[1], 64)
		gib, _ := strconv.ParseFloat(f[2], 64)
		return float64(cpu)/1024*core + float64(memory)/1024*gib
	}
	return 0
}

// Zones lists a Region's zones by name; none for a Region that is unknown.
func Zones(regionName string) []Zone { return in(regionName).zones() }

// Regions lists all Regions by name.
var Regions = sync.OnceValue(func() []Region {
	var out []Region
	for line := range strings.Lines(string(read("regions.csv"))) {
		f := strings.Split(strings.TrimSpace(line), ",")
		if f[0] != "region" {
			out = append(out, Region{Name: f[0], Partition: f[1], Location: f[2], DNSSuffix: f[3], OptIn: f[4]})
		}
	}
	slices.SortFunc(out, func(a, b Region) int { return strings.Compare(a.Name, b.Name) })
	return out
})
