package ecs

import (
	"slices"

	"berth/internal/model"
	"berth/internal/wire"
	shape "berth/internal/wire/shape/ecs"
)

// wholeRange reads a range of whole numbers; the model keeps every range in
// float64.
func wholeRange(low, high *int64) *model.Range {
	var r model.Range
	if low != nil {
		r.Min = wire.Ptr(float64(*low))
	}
	if high != nil {
		r.Max = wire.Ptr(float64(*high))
	}
	return &r
}

func ends(r *model.Range) (low, high *int64) {
	if r.Min != nil {
		low = wire.Ptr(int64(*r.Min))
	}
	if r.Max != nil {
		high = wire.Ptr(int64(*r.Max))
	}
	return low, high
}

// readRequirements reads instance requirements from a request.
func readRequirements(in shape.InstanceRequirementsRequest) model.InstanceRequirements {
	out := model.InstanceRequirements{
		CpuManufacturers: slices.Clone(in.CpuManufacturers), ExcludedInstanceTypes: slices.Clone(in.ExcludedInstanceTypes),
		AllowedInstanceTypes: slices.Clone(in.AllowedInstanceTypes), InstanceGenerations: slices.Clone(in.InstanceGenerations),
		SpotMaxPricePercentageOverLowestPrice:          in.SpotMaxPricePercentageOverLowestPrice,
		MaxSpotPriceAsPercentageOfOptimalOnDemandPrice: in.MaxSpotPriceAsPercentageOfOptimalOnDemandPrice,
		OnDemandMaxPricePercentageOverLowestPrice:      in.OnDemandMaxPricePercentageOverLowestPrice,
		BareMetal: wire.Val(in.BareMetal), BurstablePerformance: wire.Val(in.BurstablePerformance),
		RequireHibernateSupport: wire.Val(in.RequireHibernateSupport), LocalStorage: wire.Val(in.LocalStorage),
		LocalStorageTypes: slices.Clone(in.LocalStorageTypes), AcceleratorTypes: slices.Clone(in.AcceleratorTypes),
		AcceleratorManufacturers: slices.Clone(in.AcceleratorManufacturers), AcceleratorNames: slices.Clone(in.AcceleratorNames),
	}
	if r := in.VCpuCount; r != nil {
		out.VCpuCount = *wholeRange(r.Min, r.Max)
	}
	if r := in.MemoryMiB; r != nil {
		out.MemoryMiB = *wholeRange(r.Min, r.Max)
	}
	if r := in.NetworkInterfaceCount; r != nil {
		out.NetworkInterfaceCount = wholeRange(r.Min, r.Max)
	}
	if r := in.BaselineEbsBandwidthMbps; r != nil {
		out.BaselineEbsBandwidthMbps = wholeRange(r.Min, r.Max)
	}
	if r := in.AcceleratorCount; r != nil {
		out.AcceleratorCount = wholeRange(r.Min, r.Max)
	}
	if r := in.AcceleratorTotalMemoryMiB; r != nil {
		out.AcceleratorTotalMemoryMiB = wholeRange(r.Min, r.Max)
	}
	if r := in.MemoryGiBPerVCpu; r != nil {
		out.MemoryGiBPerVCpu = &model.Range{Min: r.Min, Max: r.Max}
	}
	if r := in.TotalLocalStorageGB; r != nil {
		out.TotalLocalStorageGB = &model.Range{Min: r.Min, Max: r.Max}
	}
	if r := in.NetworkBandwidthGbps; r != nil {
		out.NetworkBandwidthGbps = &model.Range{Min: r.Min, Max: r.Max}
	}
	return out
}

// showRequirements is the reverse of readRequirements.
func showRequirements(q model.InstanceRequirements) shape.InstanceRequirementsRequest {
	out := shape.InstanceRequirementsRequest{
		CpuManufacturers: q.CpuManufacturers, ExcludedInstanceTypes: q.ExcludedInstanceTypes, AllowedInstanceTypes: q.AllowedInstanceTypes,
		InstanceGenerations:                            q.InstanceGenerations,
		SpotMaxPricePercentageOverLowestPrice:          q.SpotMaxPricePercentageOverLowestPrice,
		MaxSpotPriceAsPercentageOfOptimalOnDemandPrice: q.MaxSpotPriceAsPercentageOfOptimalOnDemandPrice,
		OnDemandMaxPricePercentageOverLowestPrice:      q.OnDemandMaxPricePercentageOverLowestPrice,
		BareMetal: text(q.BareMetal), BurstablePerformance: text(q.BurstablePerformance), LocalStorage: text(q.LocalStorage),
		LocalStorageTypes: q.LocalStorageTypes, AcceleratorTypes: q.AcceleratorTypes,
		AcceleratorManufacturers: q.AcceleratorManufacturers, AcceleratorNames: q.AcceleratorNames,
	}
	if q.RequireHibernateSupport {
		out.RequireHibernateSupport = wire.Ptr(true)
	}
	out.VCpuCount, out.MemoryMiB = &shape.VCpuCountRangeRequest{}, &shape.MemoryMiBRequest{}
	out.VCpuCount.Min, out.VCpuCount.Max = ends(&q.VCpuCount)
	out.MemoryMiB.Min, out.MemoryMiB.Max = ends(&q.MemoryMiB)
	if q.NetworkInterfaceCount != nil {
		out.NetworkInterfaceCount = &shape.NetworkInterfaceCountRequest{}
		out.NetworkInterfaceCount.Min, out.NetworkInterfaceCount.Max = ends(q.NetworkInterfaceCount)
	}
	if q.BaselineEbsBandwidthMbps != nil {
		out.BaselineEbsBandwidthMbps = &shape.BaselineEbsBandwidthMbpsRequest{}
		out.BaselineEbsBandwidthMbps.Min, out.BaselineEbsBandwidthMbps.Max = ends(q.BaselineEbsBandwidthMbps)
	}
	if q.AcceleratorCount != nil {
		out.AcceleratorCount = &shape.AcceleratorCountRequest{}
		out.AcceleratorCount.Min, out.AcceleratorCount.Max = ends(q.AcceleratorCount)
	}
	if q.AcceleratorTotalMemoryMiB != nil {
		out.AcceleratorTotalMemoryMiB = &shape.AcceleratorTotalMemoryMiBRequest{}
		out.AcceleratorTotalMemoryMiB.Min, out.AcceleratorTotalMemoryMiB.Max = ends(q.AcceleratorTotalMemoryMiB)
	}
	if r := q.MemoryGiBPerVCpu; r != nil {
		out.MemoryGiBPerVCpu = &shape.MemoryGiBPerVCpuRequest{Min: r.Min, Max: r.Max}
	}
	if r := q.TotalLocalStorageGB; r != nil {
		out.TotalLocalStorageGB = &shape.TotalLocalStorageGBRequest{Min: r.Min, Max: r.Max}
	}
	if r := q.NetworkBandwidthGbps; r != nil {
		out.NetworkBandwidthGbps = &shape.NetworkBandwidthGbpsRequest{Min: r.Min, Max: r.Max}
	}
	return out
}
