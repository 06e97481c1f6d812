package ec2

import (
	"context"
	"slices"

	"berth/internal/fault"
	"berth/internal/model/catalog"
	"berth/internal/state"
	"berth/internal/wire"
	shape "berth/internal/wire/shape/ec2"
)

// DescribeAvailabilityZones lists the Region's zones. Errors:
// InvalidParameterValue, NotImplemented.
func (a *API) DescribeAvailabilityZones(
	_ context.Context, in *shape.DescribeAvailabilityZonesInput,
) (*shape.DescribeAvailabilityZonesOutput, error) {
	if _, err := a.look(in.DryRun); err != nil {
		return nil, err
	}
	if wire.Val(in.AllAvailabilityZones) {
		return nil, fault.New(
			fault.NotImplemented, "NotImplemented", "Berth has no Local Zones or Wavelength Zones; leave AllAvailabilityZones out.",
		)
	}
	all := a.zones()
	for _, n := range in.ZoneNames {
		if !slices.ContainsFunc(all, func(z catalog.Zone) bool { return z.Name == n }) {
			return nil, value("Invalid availability zone: [%s]", n)
		}
	}
	for _, id := range in.ZoneIds {
		if !slices.ContainsFunc(all, func(z catalog.Zone) bool { return z.ID == id }) {
			return nil, value("Invalid availability zone-id: [%s]", id)
		}
	}
	n := noun[catalog.Zone]{id: func(z catalog.Zone) string { return z.Name }, filters: map[string]func(catalog.Zone) []string{
		"zone-name":     one(func(z catalog.Zone) string { return z.Name }),
		"zone-id":       one(func(z catalog.Zone) string { return z.ID }),
		"zone-type":     fixed[catalog.Zone]("availability-zone"),
		"state":         fixed[catalog.Zone]("available"),
		"region-name":   fixed[catalog.Zone](a.Place.Region),
		"opt-in-status": fixed[catalog.Zone]("opt-in-not-required"),
		"group-name":    fixed[catalog.Zone](a.Place.Region + "-zg-1"),
	}}
	all = slices.DeleteFunc(slices.Clone(all), func(z catalog.Zone) bool {
		return len(in.ZoneNames) > 0 && !slices.Contains(in.ZoneNames, z.Name) || len(in.ZoneIds) > 0 && !slices.Contains(in.ZoneIds, z.ID)
	})
	all, _, err := n.list(all, a.query(in, nil, in.Filters))
	return &shape.DescribeAvailabilityZonesOutput{AvailabilityZones: each(all, func(z catalog.Zone) shape.AvailabilityZone {
		return shape.AvailabilityZone{
			ZoneName: &z.Name, ZoneId: &z.ID, RegionName: &a.Place.Region, State: wire.Ptr("available"), ZoneType: wire.Ptr("availability-zone"),
			OptInStatus: wire.Ptr("opt-in-not-required"), GroupName: wire.Ptr(a.Place.Region + "-zg-1"), NetworkBorderGroup: &a.Place.Region,
			Messages: []shape.AvailabilityZoneMessage{},
		}
	})}, err
}

// DescribeRegions lists the Regions of the partition that are enabled, or all.
// Errors: InvalidParameterValue.
func (a *API) DescribeRegions(_ context.Context, in *shape.DescribeRegionsInput) (*shape.DescribeRegionsOutput, error) {
	if _, err := a.look(in.DryRun); err != nil {
		return nil, err
	}
	status := func(r catalog.Region) string {
		switch {
		case r.OptIn == "default":
			return "opt-in-not-required"
		case r.Name == a.Place.Region:
			return "opted-in"
		}
		return "not-opted-in"
	}
	all := slices.DeleteFunc(slices.Clone(catalog.Regions()), func(r catalog.Region) bool {
		if len(in.RegionNames) > 0 {
			return !slices.Contains(in.RegionNames, r.Name)
		}
		return r.Partition != a.Place.Partition || !wire.Val(in.AllRegions) && status(r) == "not-opted-in"
	})
	if len(all) < len(in.RegionNames) {
		return nil, value("Invalid region provided: [%s]", in.RegionNames[0])
	}
	n := noun[catalog.Region]{id: func(r catalog.Region) string { return r.Name }, filters: map[string]func(catalog.Region) []string{
		"region-name":   one(func(r catalog.Region) string { return r.Name }),
		"endpoint":      one(func(r catalog.Region) string { return "ec2." + r.Name + "." + r.DNSSuffix }),
		"opt-in-status": one(status),
	}}
	all, _, err := n.list(all, a.query(in, nil, in.Filters))
	return &shape.DescribeRegionsOutput{Regions: each(all, func(r catalog.Region) shape.Region {
		return shape.Region{RegionName: &r.Name, Endpoint: wire.Ptr("ec2." + r.Name + "." + r.DNSSuffix), OptInStatus: wire.Ptr(status(r))}
	})}, err
}

// DescribeAccountAttributes shows EC2's settings of the account. Errors:
// InvalidParameterValue.
func (a *API) DescribeAccountAttributes(
	_ context.Context, in *shape.DescribeAccountAttributesInput,
) (*shape.DescribeAccountAttributesOutput, error) {
	view, err := a.look(in.DryRun)
	if err != nil {
		return nil, err
	}
	standard := "none"
	for _, v := range state.VPCs.All(view) {
		if v.Default {
			standard = v.ID
		}
	}
	out := &shape.DescribeAccountAttributesOutput{}
	for _, x := range []struct{ name, value string }{
		{"supported-platforms", "VPC"}, {"vpc-max-security-groups-per-interface", "5"}, {"max-elastic-ips", "5"},
		{"max-instances", "20"}, {"vpc-max-elastic-ips", "5"}, {"default-vpc", standard},
	} {
		if len(in.AttributeNames) == 0 || slices.Contains(in.AttributeNames, x.name) {
			out.AccountAttributes = append(out.AccountAttributes, shape.AccountAttribute{
				AttributeName: &x.name, AttributeValues: []shape.AccountAttributeValue{{AttributeValue: &x.value}},
			})
		}
	}
	if len(in.AttributeNames) > 0 && len(out.AccountAttributes) < len(in.AttributeNames) {
		return nil, fault.New(fault.Invalid, "InvalidParameterValue", "Value (%s) for parameter attributeName is invalid.", in.AttributeNames[0])
	}
	return out, nil
}
