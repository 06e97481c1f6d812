package ec2

import (
	"context"
	"fmt"
	"slices"
	"time"

	"berth/internal/model"
	"berth/internal/model/catalog"
	"berth/internal/wire"
	shape "berth/internal/wire/shape/ec2"
)

var typeNoun = noun[catalog.Type]{
	id: func(t catalog.Type) string { return t.Name }, absent: "InvalidInstanceType", called: "instance type",
	filters: map[string]func(catalog.Type) []string{
		"instance-type":                           one(func(t catalog.Type) string { return t.Name }),
		"current-generation":                      flag(func(t catalog.Type) bool { return t.Current }),
		"bare-metal":                              flag(func(t catalog.Type) bool { return t.BareMetal }),
		"burstable-performance-supported":         flag(func(t catalog.Type) bool { return t.Burstable }),
		"free-tier-eligible":                      flag(func(t catalog.Type) bool { return t.FreeTier }),
		"hibernation-supported":                   flag(func(t catalog.Type) bool { return t.Hibernation }),
		"hypervisor":                              one(func(t catalog.Type) string { return t.Hypervisor }),
		"instance-storage-supported":              flag(func(t catalog.Type) bool { return t.LocalStorage != nil }),
		"memory-info.size-in-mib":                 one(func(t catalog.Type) string { return number(t.MemoryMiB) }),
		"processor-info.supported-architecture":   func(t catalog.Type) []string { return t.Architectures },
		"vcpu-info.default-vcpus":                 one(func(t catalog.Type) string { return number(t.VCPU) }),
		"vcpu-info.default-cores":                 one(func(t catalog.Type) string { return number(t.Cores) }),
		"supported-usage-class":                   usage,
		"supported-virtualization-type":           func(t catalog.Type) []string { return t.Virtualization },
		"supported-root-device-type":              func(t catalog.Type) []string { return t.RootDevices },
		"supported-boot-mode":                     func(t catalog.Type) []string { return t.BootModes },
		"network-info.maximum-network-interfaces": one(func(t catalog.Type) string { return number(t.ENIs) }),
		"network-info.ena-support":                one(func(t catalog.Type) string { return t.ENA }),
		"network-info.efa-supported":              flag(func(t catalog.Type) bool { return t.EFA }),
		"ebs-info.ebs-optimized-support":          one(func(t catalog.Type) string { return t.EBSOptimized }),
		"ebs-info.nvme-support":                   one(func(t catalog.Type) string { return t.EBSNVMe }),
	},
}

func usage(t catalog.Type) []string {
	out := []string{}
	if t.OnDemand {
		out = append(out, "on-demand")
	}
	if t.Spot {
		out = append(out, "spot")
	}
	if t.CapacityBlock {
		out = append(out, "capacity-block")
	}
	return out
}

// DescribeInstanceTypes lists what the Region sells. Errors:
// InvalidInstanceType, InvalidParameterValue.
func (a *API) DescribeInstanceTypes(_ context.Context, in *shape.DescribeInstanceTypesInput) (*shape.DescribeInstanceTypesOutput, error) {
	if _, err := a.look(in.DryRun); err != nil {
		return nil, err
	}
	all := catalog.Types(a.Place.Region)
	for _, n := range in.InstanceTypes {
		if !slices.ContainsFunc(all, func(t catalog.Type) bool { return t.Name == n }) {
			return nil, bad("InvalidInstanceType", "The following supplied instance types do not exist: [%s]", n)
		}
	}
	usual := int64(100)
	if len(in.InstanceTypes) > 0 {
		usual = 0 // all that are named
	}
	all, next, err := typeNoun.list(all, a.query(in, in.InstanceTypes, in.Filters).usual(usual))
	return &shape.DescribeInstanceTypesOutput{NextToken: next, InstanceTypes: each(all, showType)}, err
}

func showType(t catalog.Type) shape.InstanceTypeInfo {
	out := shape.InstanceTypeInfo{
		InstanceType: &t.Name, CurrentGeneration: &t.Current, FreeTierEligible: &t.FreeTier, SupportedUsageClasses: usage(t),
		SupportedRootDeviceTypes: t.RootDevices, SupportedVirtualizationTypes: t.Virtualization, BareMetal: &t.BareMetal,
		Hypervisor: text(t.Hypervisor),
		ProcessorInfo: &shape.ProcessorInfo{
			SupportedArchitectures: t.Architectures, SustainedClockSpeedInGhz: &t.ClockGHz, Manufacturer: wire.Ptr(maker(t.Manufacturer)),
		},
		VCpuInfo:                 &shape.VCpuInfo{DefaultVCpus: &t.VCPU, DefaultCores: &t.Cores, DefaultThreadsPerCore: &t.ThreadsPerCore},
		MemoryInfo:               &shape.MemoryInfo{SizeInMiB: &t.MemoryMiB},
		InstanceStorageSupported: wire.Ptr(t.LocalStorage != nil), HibernationSupported: &t.Hibernation,
		BurstablePerformanceSupported: &t.Burstable, DedicatedHostsSupported: &t.DedicatedHosts, AutoRecoverySupported: &t.AutoRecovery,
		SupportedBootModes:   t.BootModes,
		PlacementGroupInfo:   &shape.PlacementGroupInfo{SupportedStrategies: t.PlacementGroups},
		NitroEnclavesSupport: wire.Ptr(supported(t.NitroEnclaves)), NitroTpmSupport: wire.Ptr(supported(t.NitroTPM)),
		NetworkInfo: network(t), EbsInfo: disks(t),
	}
	if s := t.LocalStorage; s != nil {
		out.InstanceStorageInfo = &shape.InstanceStorageInfo{TotalSizeInGB: &s.TotalGB, NvmeSupport: text(s.NVMe)}
		for _, d := range s.Disks {
			out.InstanceStorageInfo.Disks = append(out.InstanceStorageInfo.Disks, shape.DiskInfo{
				Count: whole(d[0]), SizeInGB: whole(d[1]), Type: wire.Ptr(fmt.Sprint(d[2])),
			})
		}
	}
	if gpus := gpus(t); len(gpus) > 0 {
		out.GpuInfo = &shape.GpuInfo{Gpus: gpus, TotalGpuMemoryInMiB: &t.AcceleratorMemory}
	}
	return out
}

func whole(v any) *int64 {
	f, _ := v.(float64)
	return wire.Ptr(int64(f))
}

func maker(m string) string {
	if s, ok := map[string]string{"intel": "Intel", "amd": "AMD", "amazon-web-services": "AWS", "apple": "Apple"}[m]; ok {
		return s
	}
	return m
}

func supported(yes bool) string {
	if yes {
		return "supported"
	}
	return "unsupported"
}

func gpus(t catalog.Type) []shape.GpuDeviceInfo {
	var out []shape.GpuDeviceInfo
	for _, x := range t.Accelerators {
		if x.Type == "gpu" {
			out = append(out, shape.GpuDeviceInfo{
				Name: &x.Name, Manufacturer: &x.Manufacturer, Count: &x.Count, MemoryInfo: &shape.GpuDeviceMemoryInfo{SizeInMiB: &x.MemoryMiB},
			})
		}
	}
	return out
}

func network(t catalog.Type) *shape.NetworkInfo {
	return &shape.NetworkInfo{
		NetworkPerformance: &t.Network, MaximumNetworkInterfaces: &t.ENIs, MaximumNetworkCards: &t.NetworkCards,
		DefaultNetworkCardIndex: wire.Ptr(int64(0)), Ipv4AddressesPerInterface: &t.IPv4PerENI, Ipv6AddressesPerInterface: &t.IPv6PerENI,
		Ipv6Supported: &t.IPv6, EnaSupport: text(t.ENA), EfaSupported: &t.EFA,
		EncryptionInTransitSupported: &t.Transit,
		NetworkCards: []shape.NetworkCardInfo{{
			NetworkCardIndex: wire.Ptr(int64(0)), NetworkPerformance: &t.Network, MaximumNetworkInterfaces: &t.ENIs,
			BaselineBandwidthInGbps: &t.NetworkBaseline, PeakBandwidthInGbps: &t.NetworkPeak,
		}},
	}
}

func disks(t catalog.Type) *shape.EbsInfo {
	out := &shape.EbsInfo{EbsOptimizedSupport: text(t.EBSOptimized), EncryptionSupport: wire.Ptr("supported"), NvmeSupport: text(t.EBSNVMe)}
	if t.EBSMaxMbps > 0 {
		out.EbsOptimizedInfo = &shape.EbsOptimizedInfo{
			BaselineBandwidthInMbps: &t.EBSBaselineMbps, BaselineThroughputInMBps: &t.EBSBaselineMBs, BaselineIops: &t.EBSBaselineIOPS,
			MaximumBandwidthInMbps: &t.EBSMaxMbps, MaximumThroughputInMBps: &t.EBSMaxMBs, MaximumIops: &t.EBSMaxIOPS,
		}
	}
	return out
}

// sale is a type at a place.
type sale struct{ name, at string }

// DescribeInstanceTypeOfferings lists where types are sold: the Region, or its
// zones by name or id. Errors: InvalidParameterValue.
func (a *API) DescribeInstanceTypeOfferings(
	_ context.Context, in *shape.DescribeInstanceTypeOfferingsInput,
) (*shape.DescribeInstanceTypeOfferingsOutput, error) {
	if _, err := a.look(in.DryRun); err != nil {
		return nil, err
	}
	kind := wire.Or(in.LocationType, "region")
	var all []sale
	switch kind {
	case "region":
		all = each(catalog.Types(a.Place.Region), func(t catalog.Type) sale { return sale{t.Name, a.Place.Region} })
	case "availability-zone", "availability-zone-id":
		for _, z := range a.zones() {
			at := z.Name
			if kind == "availability-zone-id" {
				at = z.ID
			}
			all = append(all, each(catalog.Offered(a.Place.Region, z.Name), func(t catalog.Type) sale { return sale{t.Name, at} })...)
		}
	default:
		return nil, value("Value (%s) for parameter locationType is invalid.", kind)
	}
	n := noun[sale]{id: func(s sale) string { return s.name + " " + s.at }, filters: map[string]func(sale) []string{
		"instance-type": one(func(s sale) string { return s.name }),
		"location":      one(func(s sale) string { return s.at }),
	}}
	all, next, err := n.list(all, a.query(in, nil, in.Filters).usual(1000))
	return &shape.DescribeInstanceTypeOfferingsOutput{NextToken: next,
		InstanceTypeOfferings: each(all, func(s sale) shape.InstanceTypeOffering {
			return shape.InstanceTypeOffering{InstanceType: &s.name, Location: &s.at, LocationType: &kind}
		})}, err
}

// GetInstanceTypesFromInstanceRequirements lists the types that meet
// requirements, by EC2's rules alone. Errors: MissingParameter,
// InvalidParameterCombination, InvalidParameterValue.
func (a *API) GetInstanceTypesFromInstanceRequirements(
	_ context.Context, in *shape.GetInstanceTypesFromInstanceRequirementsInput,
) (*shape.GetInstanceTypesFromInstanceRequirementsOutput, error) {
	if _, err := a.look(in.DryRun); err != nil {
		return nil, err
	}
	if in.InstanceRequirements == nil {
		return nil, lacking("InstanceRequirements")
	}
	q, err := requirements(*in.InstanceRequirements)
	if err != nil {
		return nil, err
	}
	all := slices.DeleteFunc(catalog.MatchAll(a.Place.Region, q), func(t catalog.Type) bool {
		return !t.Runs(in.ArchitectureTypes...) ||
			len(in.VirtualizationTypes) > 0 &&
				!slices.ContainsFunc(t.Virtualization, func(v string) bool { return slices.Contains(in.VirtualizationTypes, v) })
	})
	all, next, err := typeNoun.list(all, a.query(in, nil, nil).usual(1000))
	return &shape.GetInstanceTypesFromInstanceRequirementsOutput{NextToken: next,
		InstanceTypes: each(all, func(t catalog.Type) shape.InstanceTypeInfoFromInstanceRequirements {
			return shape.InstanceTypeInfoFromInstanceRequirements{InstanceType: &t.Name}
		})}, err
}

func requirements(in shape.InstanceRequirementsRequest) (model.InstanceRequirements, error) {
	if in.VCpuCount == nil || in.VCpuCount.Min == nil || in.MemoryMiB == nil || in.MemoryMiB.Min == nil {
		return model.InstanceRequirements{}, bad("MissingParameter", "The request must contain the parameters VCpuCount.Min and MemoryMiB.Min")
	}
	if len(in.AllowedInstanceTypes) > 0 && len(in.ExcludedInstanceTypes) > 0 {
		return model.InstanceRequirements{}, bad(
			"InvalidParameterCombination", "AllowedInstanceTypes and ExcludedInstanceTypes cannot be specified together.",
		)
	}
	q := model.InstanceRequirements{
		VCpuCount: *span(in.VCpuCount.Min, in.VCpuCount.Max), MemoryMiB: *span(in.MemoryMiB.Min, in.MemoryMiB.Max),
		CpuManufacturers: in.CpuManufacturers, ExcludedInstanceTypes: in.ExcludedInstanceTypes, AllowedInstanceTypes: in.AllowedInstanceTypes,
		InstanceGenerations: in.InstanceGenerations, SpotMaxPricePercentageOverLowestPrice: in.SpotMaxPricePercentageOverLowestPrice,
		MaxSpotPriceAsPercentageOfOptimalOnDemandPrice: in.MaxSpotPriceAsPercentageOfOptimalOnDemandPrice,
		OnDemandMaxPricePercentageOverLowestPrice:      in.OnDemandMaxPricePercentageOverLowestPrice,
		BareMetal: wire.Val(in.BareMetal), BurstablePerformance: wire.Val(in.BurstablePerformance),
		RequireHibernateSupport: wire.Val(in.RequireHibernateSupport), LocalStorage: wire.Val(in.LocalStorage),
		LocalStorageTypes: in.LocalStorageTypes, AcceleratorTypes: in.AcceleratorTypes, AcceleratorManufacturers: in.AcceleratorManufacturers,
		AcceleratorNames: in.AcceleratorNames,
	}
	if r := in.MemoryGiBPerVCpu; r != nil {
		q.MemoryGiBPerVCpu = &model.Range{Min: r.Min, Max: r.Max}
	}
	if r := in.TotalLocalStorageGB; r != nil {
		q.TotalLocalStorageGB = &model.Range{Min: r.Min, Max: r.Max}
	}
	if r := in.NetworkBandwidthGbps; r != nil {
		q.NetworkBandwidthGbps = &model.Range{Min: r.Min, Max: r.Max}
	}
	if r := in.NetworkInterfaceCount; r != nil {
		q.NetworkInterfaceCount = span(r.Min, r.Max)
	}
	if r := in.BaselineEbsBandwidthMbps; r != nil {
		q.BaselineEbsBandwidthMbps = span(r.Min, r.Max)
	}
	if r := in.AcceleratorCount; r != nil {
		q.AcceleratorCount = span(r.Min, r.Max)
	}
	if r := in.AcceleratorTotalMemoryMiB; r != nil {
		q.AcceleratorTotalMemoryMiB = span(r.Min, r.Max)
	}
	return q, nil
}

func span(low, high *int64) *model.Range {
	r := &model.Range{}
	if low != nil {
		r.Min = wire.Ptr(float64(*low))
	}
	if high != nil {
		r.Max = wire.Ptr(float64(*high))
	}
	return r
}

// DescribeSpotPriceHistory lists one price for each type and zone: the average
// on record, since there is no market here. Errors: InvalidParameterValue.
func (a *API) DescribeSpotPriceHistory(
	_ context.Context, in *shape.DescribeSpotPriceHistoryInput,
) (*shape.DescribeSpotPriceHistoryOutput, error) {
	if _, err := a.look(in.DryRun); err != nil {
		return nil, err
	}
	var all []sale
	for _, z := range a.zones() {
		if in.AvailabilityZone != nil && *in.AvailabilityZone != z.Name {
			continue
		}
		for _, t := range catalog.Offered(a.Place.Region, z.Name) {
			if p, ok := catalog.PriceOf(a.Place.Region, t.Name); ok && t.Spot && p.Spot > 0 &&
				(len(in.InstanceTypes) == 0 || slices.Contains(in.InstanceTypes, t.Name)) {
				all = append(all, sale{t.Name, z.Name})
			}
		}
	}
	n := noun[sale]{id: func(s sale) string { return s.name + " " + s.at }, filters: map[string]func(sale) []string{
		"instance-type":       one(func(s sale) string { return s.name }),
		"availability-zone":   one(func(s sale) string { return s.at }),
		"product-description": fixed[sale]("Linux/UNIX"),
	}}
	all, next, err := n.list(all, a.query(in, nil, in.Filters).usual(1000))
	now := a.Clock.Now().Truncate(time.Hour)
	return &shape.DescribeSpotPriceHistoryOutput{NextToken: next, SpotPriceHistory: each(all, func(s sale) shape.SpotPrice {
		p, _ := catalog.PriceOf(a.Place.Region, s.name)
		return shape.SpotPrice{
			InstanceType: &s.name, AvailabilityZone: &s.at, ProductDescription: wire.Ptr("Linux/UNIX"),
			SpotPrice: wire.Ptr(fmt.Sprintf("%.6f", p.Spot)), Timestamp: &now,
		}
	})}, err
}
