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

type region struct {
	types  []Type  // by name
	offers []offer // of the same index
	prices map[string]Price
	zones  []Zone
}

// sells reports whether the i-th type is offered in a zone. Where only the
// Region's list is known, every zone has the type.
func (r *region) sells(i int, zone string) bool {
	if !slices.ContainsFunc(r.zones, func(z Zone) bool { return z.Name == zone }) {
		return false
	}
	l := r.offers[i].letters
	return l == "" || strings.Contains(l, zone[len(zone)-1:])
}

var loaded sync.Map // Region name → func() *region; filled once each, never changed

func in(name string) *region {
	f, ok := loaded.Load(name)
	if !ok {
		f, _ = loaded.LoadOrStore(name, sync.OnceValue(func() *region { return load(name) }))
	}
	return f.(func() *region)()
}

func load(name string) *region {
	r := &region{prices: map[string]Price{}}
	for f := range rows("zones.csv", name) {
		r.zones = append(r.zones, Zone{Name: f[1], ID: f[2]})
	}
	for f := range rows("offerings.csv.gz", name) {
		if t, ok := Lookup(f[1]); ok {
			r.types, r.offers = append(r.types, t), append(r.offers, offer{f[2]})
		}
	}
	for f := range rows("prices.csv.gz", name) {
		r.prices[f[1]] = price(f)
	}
	for f := range rows("spot.csv.gz", name) {
		p := r.prices[f[1]]
		p.Spot = spot(p.PerHour, f)
		r.prices[f[1]] = p
	}
	return r
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
	p, ok := in(regionName).prices[name]
	return p, ok && p.PerHour > 0
}

// Zones lists a Region's zones by name; none for a Region that is unknown.
func Zones(regionName string) []Zone { return in(regionName).zones }

// ZoneID is the id of a zone, or "".
func ZoneID(regionName, zone string) string {
	for _, z := range Zones(regionName) {
		if z.Name == zone {
			return z.ID
		}
	}
	return ""
}

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
