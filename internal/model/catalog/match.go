package catalog

import (
	"math"
	"slices"
	"strings"

	"berth/internal/model"
)

// Options of buying, as a capacity provider names them.
const (
	OnDemand = "ON_DEMAND"
	Spot     = "SPOT"
	Reserved = "RESERVED"
)

// Match lists the types of a Region that meet the requirements, by name: EC2's
// attribute rules with their defaults, EC2's protection against dear types,
// and Managed Instances' own rules. Zero requirements are the widest ones.
func Match(region string, q model.InstanceRequirements) []Type {
	return MatchFor(region, q, OnDemand)
}

// MatchFor is Match for a way of buying: SPOT compares Spot prices.
func MatchFor(region string, q model.InstanceRequirements, option string) []Type {
	var out []Type
	for _, t := range Types(region) {
		if Refusal(t, q, option) == "" {
			out = append(out, t)
		}
	}
	return affordable(region, out, q, option)
}

// General lists what may be chosen when a capacity provider has no
// requirements: general-purpose capacity of the classes C, M and R, of any
// architecture, that is neither burstable nor bare metal (facts §2, "Default
// selection").
func General(region, option string) []Type {
	q := model.InstanceRequirements{AcceleratorCount: &model.Range{Max: new(float64)}}
	var out []Type
	for _, t := range Types(region) {
		if cmr(t) && Refusal(t, q, option) == "" {
			out = append(out, t)
		}
	}
	return out
}

type rule struct {
	attribute string
	ok        func(t Type, q *model.InstanceRequirements) bool
}

// rules are the attributes in the order in which EC2 documents them.
var rules = []rule{
	{"vCpuCount", func(t Type, q *model.InstanceRequirements) bool { return within(&q.VCpuCount, float64(t.VCPU)) }},
	{"memoryMiB", func(t Type, q *model.InstanceRequirements) bool { return within(&q.MemoryMiB, float64(t.MemoryMiB)) }},
	{"cpuManufacturers", func(t Type, q *model.InstanceRequirements) bool { return among(q.CpuManufacturers, t.Manufacturer) }},
	{"memoryGiBPerVCpu", func(t Type, q *model.InstanceRequirements) bool {
		return within(q.MemoryGiBPerVCpu, float64(t.MemoryMiB)/1024/float64(max(t.VCPU, 1)))
	}},
	{"excludedInstanceTypes", func(t Type, q *model.InstanceRequirements) bool { return !globs(q.ExcludedInstanceTypes, t.Name) }},
	{"allowedInstanceTypes", func(t Type, q *model.InstanceRequirements) bool {
		return len(q.AllowedInstanceTypes) == 0 || globs(q.AllowedInstanceTypes, t.Name)
	}},
	{"instanceGenerations", func(t Type, q *model.InstanceRequirements) bool {
		if t.Current {
			return among(q.InstanceGenerations, "current")
		}
		return among(q.InstanceGenerations, "previous")
	}},
	{"bareMetal", func(t Type, q *model.InstanceRequirements) bool { return trait(q.BareMetal, "excluded", t.BareMetal) }},
	{"burstablePerformance", func(t Type, q *model.InstanceRequirements) bool {
		return trait(q.BurstablePerformance, "excluded", t.Burstable)
	}},
	{"requireHibernateSupport", func(t Type, q *model.InstanceRequirements) bool {
		return !q.RequireHibernateSupport || t.Hibernation
	}},
	{"networkInterfaceCount", func(t Type, q *model.InstanceRequirements) bool {
		return within(q.NetworkInterfaceCount, float64(t.ENIs))
	}},
	{"localStorage", func(t Type, q *model.InstanceRequirements) bool {
		return trait(q.LocalStorage, "included", t.LocalStorage != nil)
	}},
	{"localStorageTypes", func(t Type, q *model.InstanceRequirements) bool {
		return t.LocalStorage == nil || among(q.LocalStorageTypes, t.LocalStorage.Type)
	}},
	{"totalLocalStorageGB", func(t Type, q *model.InstanceRequirements) bool {
		var gb int64
		if t.LocalStorage != nil {
			gb = t.LocalStorage.TotalGB
		}
		return within(q.TotalLocalStorageGB, float64(gb))
	}},
	{"baselineEbsBandwidthMbps", func(t Type, q *model.InstanceRequirements) bool {
		return within(q.BaselineEbsBandwidthMbps, float64(t.EBSBaselineMbps))
	}},
	{"acceleratorTypes", func(t Type, q *model.InstanceRequirements) bool {
		return carries(t, q.AcceleratorTypes, func(a Accelerator) string { return a.Type })
	}},
	{"acceleratorCount", func(t Type, q *model.InstanceRequirements) bool {
		return within(q.AcceleratorCount, float64(devices(t)))
	}},
	{"acceleratorManufacturers", func(t Type, q *model.InstanceRequirements) bool {
		return carries(t, q.AcceleratorManufacturers, func(a Accelerator) string { return a.Manufacturer })
	}},
	{"acceleratorNames", func(t Type, q *model.InstanceRequirements) bool {
		return carries(t, q.AcceleratorNames, func(a Accelerator) string { return a.Name })
	}},
	{"acceleratorTotalMemoryMiB", func(t Type, q *model.InstanceRequirements) bool {
		return within(q.AcceleratorTotalMemoryMiB, float64(t.AcceleratorMemory))
	}},
	{"networkBandwidthGbps", func(t Type, q *model.InstanceRequirements) bool {
		return within(q.NetworkBandwidthGbps, t.NetworkBaseline)
	}},
}

// Refusal names the first attribute that keeps a type out, or "" if none
// does. Prices are judged among the matching types, so not here.
func Refusal(t Type, q model.InstanceRequirements, option string) string {
	switch {
	case !t.Managed():
		return "not launched by ECS Managed Instances"
	case option == Spot && !t.Spot:
		return "not sold as Spot"
	case option != Spot && !t.OnDemand:
		return "not sold on demand"
	}
	for _, r := range rules {
		if !r.ok(t, &q) {
			return r.attribute
		}
	}
	return ""
}

// MatchAll is EC2's own selection, without the rules of Managed Instances: for
// GetInstanceTypesFromInstanceRequirements.
func MatchAll(region string, q model.InstanceRequirements) []Type {
	var out []Type
	for _, t := range Types(region) {
		if !slices.ContainsFunc(rules, func(r rule) bool { return !r.ok(t, &q) }) {
			out = append(out, t)
		}
	}
	return affordable(region, out, q, OnDemand)
}

func within(r *model.Range, v float64) bool {
	return r == nil || (r.Min == nil || v >= *r.Min) && (r.Max == nil || v <= *r.Max)
}

// among reports whether a value is in a list; an empty list has everything.
func among(list []string, v string) bool {
	return len(list) == 0 || slices.ContainsFunc(list, func(s string) bool { return strings.EqualFold(s, v) })
}

// trait judges an included/required/excluded attribute.
func trait(wanted, otherwise string, has bool) bool {
	if wanted == "" {
		wanted = otherwise
	}
	switch strings.ToLower(wanted) {
	case "required":
		return has
	case "excluded":
		return !has
	default:
		return true
	}
}

func carries(t Type, list []string, of func(Accelerator) string) bool {
	return len(list) == 0 || slices.ContainsFunc(t.Accelerators, func(a Accelerator) bool { return among(list, of(a)) })
}

// devices counts accelerators; a type with a part of one counts as having it.
func devices(t Type) int64 {
	if t.AcceleratorCount == 0 && len(t.Accelerators) > 0 {
		return 1
	}
	return t.AcceleratorCount
}

func globs(patterns []string, name string) bool {
	return slices.ContainsFunc(patterns, func(p string) bool { return glob(strings.ToLower(p), name) })
}

// glob matches a pattern in which * stands for any characters, dots too: c5*
// covers c5.large, c5a.large and c5n.large.
func glob(pattern, s string) bool {
	head, rest, star := strings.Cut(pattern, "*")
	if !star {
		return pattern == s
	}
	if !strings.HasPrefix(s, head) {
		return false
	}
	for s = s[len(head):]; ; s = s[1:] {
		if glob(rest, s) {
			return true
		}
		if s == "" {
			return false
		}
	}
}

func cmr(t Type) bool { return t.Class == "c" || t.Class == "m" || t.Class == "r" }

// off is the percentage from which EC2 takes price protection as turned off.
const off = 999999

// protection is a limit on prices: cost may be factor times the lowest
// reference.
type protection struct {
	factor          float64
	cost, reference func(Type) float64
}

// affordable drops the types that cost too much more than the cheapest of the
// current C, M and R types that match (failing those, the cheapest current,
// then any). EC2 compares prices of instances, or of vCPUs or GiB where
// capacity is wanted in units. ECS buys units of either kind, so a type that
// is within the limit by any of the three measures stays.
func affordable(region string, match []Type, q model.InstanceRequirements, option string) []Type {
	p := protect(region, q, option)
	if math.IsInf(p.factor, 1) {
		return match
	}
	per := []func(Type) float64{
		func(Type) float64 { return 1 },
		func(t Type) float64 { return float64(t.VCPU) },
		func(t Type) float64 { return float64(t.MemoryMiB) },
	}
	base := basis(match, p.reference)
	low := make([]float64, len(per))
	for i, unit := range per {
		low[i] = math.Inf(1)
		for _, t := range base {
			low[i] = min(low[i], p.reference(t)/unit(t))
		}
	}
	return slices.DeleteFunc(slices.Clone(match), func(t Type) bool {
		for i, unit := range per {
			if p.cost(t)/unit(t) <= p.factor*low[i]*(1+1e-9) {
				return false
			}
		}
		return true
	})
}

func protect(region string, q model.InstanceRequirements, option string) protection {
	demand := func(t Type) float64 { return HourlyCost(region, t.Name, OnDemand) }
	spot := func(t Type) float64 { return HourlyCost(region, t.Name, Spot) }
	switch {
	case option != Spot:
		return protection{1 + percent(q.OnDemandMaxPricePercentageOverLowestPrice, 20)/100, demand, demand}
	case q.MaxSpotPriceAsPercentageOfOptimalOnDemandPrice != nil && q.SpotMaxPricePercentageOverLowestPrice == nil:
		return protection{percent(q.MaxSpotPriceAsPercentageOfOptimalOnDemandPrice, 0) / 100, spot, demand}
	default:
		return protection{1 + percent(q.SpotMaxPricePercentageOverLowestPrice, 100)/100, spot, spot}
	}
}

// HourlyCost is the price of an hour bought in a way, without the fee: the
// Spot price where there is one, for SPOT. 0 is unknown.
func HourlyCost(region, name, option string) float64 {
	p, _ := PriceOf(region, name)
	if option == Spot && p.Spot > 0 {
		return p.Spot
	}
	return p.PerHour
}

// percent turns off what says 999999 or more.
func percent(p *int64, otherwise int64) float64 {
	switch {
	case p == nil:
		return float64(otherwise)
	case *p >= off:
		return math.Inf(1)
	}
	return float64(*p)
}

// basis are the types whose prices count: of the best class that there is.
func basis(match []Type, cost func(Type) float64) []Type {
	for _, keep := range []func(Type) bool{
		func(t Type) bool { return t.Current && cmr(t) },
		func(t Type) bool { return t.Current },
		func(Type) bool { return true },
	} {
		if some := slices.DeleteFunc(slices.Clone(match), func(t Type) bool { return cost(t) <= 0 || !keep(t) }); len(some) > 0 {
			return some
		}
	}
	return nil
}
