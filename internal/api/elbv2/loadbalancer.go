package elbv2

import (
	"cmp"
	"context"
	"slices"
	"strings"

	"berth/internal/fault"
	"berth/internal/model"
	"berth/internal/page"
	"berth/internal/state"
	"berth/internal/store"
	"berth/internal/wire"
	shape "berth/internal/wire/shape/elbv2"
)

// CreateLoadBalancer makes an application load balancer; it becomes active
// when controllers/traffic has it served. Errors: DuplicateLoadBalancerName,
// SubnetNotFound, InvalidSubnet, InvalidSecurityGroup,
// InvalidConfigurationRequest, TooManyLoadBalancers, ValidationError,
// DuplicateTagKeys, TooManyTags, NotImplemented.
func (a *API) CreateLoadBalancer(ctx context.Context, in *shape.CreateLoadBalancerInput) (*shape.CreateLoadBalancerOutput, error) {
	lb, err := a.newLoadBalancer(in)
	if err != nil {
		return nil, err
	}
	var out shape.LoadBalancer
	err = a.update(ctx, func(tx *store.Tx) error {
		if err := fillNetwork(tx, &lb); err != nil {
			return err
		}
		if old, ok := state.LoadBalancers.One(tx, "name", lb.Name); ok {
			if !sameSettings(old, lb) {
				return fault.New(
					fault.Conflict, "DuplicateLoadBalancerName", "A load balancer with the same name '%s' exists, but with different settings", lb.Name,
				)
			}
			out = showLoadBalancer(tx, old)
			return nil
		}
		if state.LoadBalancers.Len(tx) >= 50 {
			return fault.New(fault.Invalid, "TooManyLoadBalancers", "The maximum number of load balancers has been reached")
		}
		out = showLoadBalancer(tx, lb)
		return state.LoadBalancers.Put(tx, lb)
	})
	if err != nil {
		return nil, err
	}
	return &shape.CreateLoadBalancerOutput{LoadBalancers: []shape.LoadBalancer{out}}, nil
}

func (a *API) newLoadBalancer(in *shape.CreateLoadBalancerInput) (model.LoadBalancer, error) {
	var lb model.LoadBalancer
	name := wire.Val(in.Name)
	if err := checkName("Load balancer", name); err != nil {
		return lb, err
	}
	if strings.HasPrefix(name, "internal-") {
		return lb, invalid("Load balancer name '%s' cannot begin with 'internal-'", name)
	}
	if t := wire.Or(in.Type, "application"); t != "application" {
		return lb, unbuilt("A load balancer of type '%s'", t)
	}
	if t := wire.Or(in.IpAddressType, "ipv4"); t != "ipv4" {
		return lb, unbuilt("The IP address type '%s'", t)
	}
	tags, err := readTags(in.Tags)
	if err != nil {
		return lb, err
	}
	subnets, err := readSubnets(in.Subnets, in.SubnetMappings)
	if err != nil {
		return lb, err
	}
	scheme := wire.Or(in.Scheme, "internet-facing")
	dns := name + "-" + a.IDs.Digits(10) + "." + a.Place.Region + ".elb.localhost"
	if scheme == "internal" {
		dns = "internal-" + dns
	}
	return model.LoadBalancer{
		ARN: a.arn("loadbalancer/app/" + name + "/" + a.IDs.Hex(16)), Name: name, DNSName: strings.ToLower(dns), Scheme: scheme,
		Type: "application", IPAddressType: "ipv4", Subnets: subnets, SecurityGroups: slices.Clone(in.SecurityGroups),
		Attributes: defaults(balancerAttributes), Tags: tags, CreatedAt: a.Clock.Now(), State: model.LoadBalancerProvisioning,
	}, nil
}

func readSubnets(plain []string, mapped []shape.SubnetMapping) ([]string, error) {
	if len(plain) > 0 && len(mapped) > 0 {
		return nil, invalid("You must specify either subnets or subnet mappings, not both")
	}
	out := slices.Clone(plain)
	for _, m := range mapped {
		if m.AllocationId != nil || m.PrivateIPv4Address != nil || m.IPv6Address != nil || m.SourceNatIpv6Prefix != nil {
			return nil, invalid("Elastic IP addresses and private addresses are not supported for load balancers with type 'application'")
		}
		out = append(out, wire.Val(m.SubnetId))
	}
	return out, nil
}

// fillNetwork checks subnets and security groups and finds the VPC.
func fillNetwork(r store.Reader, lb *model.LoadBalancer) error {
	zones := map[string]bool{}
	for _, id := range lb.Subnets {
		s, ok := state.Subnets.Get(r, id)
		switch {
		case !ok:
			return fault.New(fault.NotFound, "SubnetNotFound", "The subnet ID '%s' does not exist", id)
		case lb.VPC != "" && lb.VPC != s.VPC:
			return fault.New(fault.Invalid, "InvalidConfigurationRequest", "All subnets must belong to the same VPC: '%s'", lb.VPC)
		case zones[s.AvailabilityZone]:
			return fault.New(
				fault.Invalid, "InvalidConfigurationRequest", "A load balancer cannot be attached to multiple subnets in the same Availability Zone",
			)
		}
		zones[s.AvailabilityZone], lb.VPC = true, s.VPC
	}
	if len(zones) < 2 {
		return invalid("At least two subnets in two different Availability Zones must be specified")
	}
	if lb.Scheme == "internet-facing" {
		if _, ok := state.InternetGateways.One(r, "vpc", lb.VPC); !ok {
			return fault.New(fault.Invalid, "InvalidSubnet", "VPC %s has no internet gateway", lb.VPC)
		}
	}
	return fillGroups(r, lb)
}

func fillGroups(r store.Reader, lb *model.LoadBalancer) error {
	if len(lb.SecurityGroups) == 0 {
		if v, ok := state.VPCs.Get(r, lb.VPC); ok && v.DefaultGroup != "" {
			lb.SecurityGroups = []string{v.DefaultGroup}
		}
	}
	for _, id := range lb.SecurityGroups {
		if g, ok := state.SecurityGroups.Get(r, id); !ok || g.VPC != lb.VPC {
			return fault.New(fault.Invalid, "InvalidSecurityGroup", "One or more security groups are invalid: '%s'", id)
		}
	}
	return nil
}

func sameSettings(a, b model.LoadBalancer) bool {
	sorted := func(s []string) []string { return slices.Sorted(slices.Values(s)) }
	return a.Scheme == b.Scheme && a.Type == b.Type && a.IPAddressType == b.IPAddressType &&
		slices.Equal(sorted(a.Subnets), sorted(b.Subnets)) && slices.Equal(sorted(a.SecurityGroups), sorted(b.SecurityGroups)) &&
		slices.Equal(a.Tags, b.Tags)
}

func showLoadBalancer(r store.Reader, lb model.LoadBalancer) shape.LoadBalancer {
	out := shape.LoadBalancer{
		LoadBalancerArn: wire.Ptr(lb.ARN), DNSName: wire.Ptr(lb.DNSName), CreatedTime: wire.Ptr(lb.CreatedAt),
		LoadBalancerName: wire.Ptr(lb.Name), Scheme: wire.Ptr(lb.Scheme), VpcId: wire.Ptr(lb.VPC), Type: wire.Ptr(lb.Type),
		SecurityGroups: lb.SecurityGroups, IpAddressType: wire.Ptr(lb.IPAddressType),
		State: &shape.LoadBalancerState{Code: wire.Ptr(string(lb.State))}, EnablePrefixForIpv6SourceNat: wire.Ptr("off"),
	}
	if lb.StateReason != "" {
		out.State.Reason = wire.Ptr(lb.StateReason)
	}
	if z := hostedZone(lb.ARN); z != "" {
		out.CanonicalHostedZoneId = wire.Ptr(z)
	}
	out.AvailabilityZones = showZones(r, lb)
	return out
}

func showZones(r store.Reader, lb model.LoadBalancer) []shape.AvailabilityZone {
	var out []shape.AvailabilityZone
	for _, id := range lb.Subnets {
		s, _ := state.Subnets.Get(r, id)
		out = append(out, shape.AvailabilityZone{
			ZoneName: wire.Ptr(s.AvailabilityZone), SubnetId: wire.Ptr(id), LoadBalancerAddresses: []shape.LoadBalancerAddress{},
		})
	}
	return out
}

// hostedZone is the Route 53 zone of a Region's load balancers, from AWS's
// list of service endpoints.
func hostedZone(arn string) string {
	f := strings.Split(arn, ":")
	if len(f) < 4 {
		return ""
	}
	switch f[3] {
	case "us-east-1":
		return "Z35SXDOTRQ7X7K"
	case "us-east-2":
		return "Z3AADJGX6KTTL2"
	case "us-west-1":
		return "Z368ELLRRE2KJ0"
	case "us-west-2":
		return "Z1H1FL5HABSF5"
	case "eu-west-1":
		return "Z32O12XQLNTSW2"
	case "eu-central-1":
		return "Z215JYRZR1TBD5"
	case "ap-northeast-1":
		return "Z14GRHDCWA56QT"
	case "ap-southeast-1":
		return "Z1LMS91P8CMLE5"
	case "ap-southeast-2":
		return "Z1GM3OXH4ZPM65"
	default:
		return ""
	}
}

// DescribeLoadBalancers lists load balancers. Errors: LoadBalancerNotFound,
// ValidationError.
func (a *API) DescribeLoadBalancers(_ context.Context, in *shape.DescribeLoadBalancersInput) (*shape.DescribeLoadBalancersOutput, error) {
	v := a.DB.View()
	all, missing := pick(state.LoadBalancers.All(v), in.LoadBalancerArns, in.Names,
		func(l model.LoadBalancer) string { return l.ARN }, func(l model.LoadBalancer) string { return l.Name })
	if len(missing) > 0 {
		return nil, cmp.Or[error](
			balancers.check(in.LoadBalancerArns...),
			fault.New(fault.NotFound, "LoadBalancerNotFound", "Load balancers '[%s]' not found", strings.Join(missing, ", ")),
		)
	}
	all, next, err := page.Cut(pages, in, all, func(l model.LoadBalancer) string { return l.ARN })
	if err != nil {
		return nil, err
	}
	out := &shape.DescribeLoadBalancersOutput{NextMarker: next, LoadBalancers: []shape.LoadBalancer{}}
	for _, l := range all {
		out.LoadBalancers = append(out.LoadBalancers, showLoadBalancer(v, l))
	}
	return out, nil
}

// pick chooses records by ARN or by name; without either it takes all.
func pick[T any](all []T, arns, names []string, arn, name func(T) string) (out []T, missing []string) {
	if len(arns) == 0 && len(names) == 0 {
		return all, nil
	}
	for _, w := range arns {
		i := slices.IndexFunc(all, func(v T) bool { return arn(v) == w })
		if i < 0 {
			missing = append(missing, w)
			continue
		}
		out = append(out, all[i])
	}
	for _, w := range names {
		i := slices.IndexFunc(all, func(v T) bool { return name(v) == w })
		if i < 0 {
			missing = append(missing, w)
			continue
		}
		out = append(out, all[i])
	}
	return out, missing
}

// DeleteLoadBalancer removes a load balancer with its listeners and rules; an
// absent one is success. Errors: OperationNotPermitted, ValidationError.
func (a *API) DeleteLoadBalancer(ctx context.Context, in *shape.DeleteLoadBalancerInput) (*shape.DeleteLoadBalancerOutput, error) {
	arn := wire.Val(in.LoadBalancerArn)
	err := a.update(ctx, func(tx *store.Tx) error {
		lb, ok := state.LoadBalancers.Get(tx, arn)
		if !ok {
			return balancers.check(arn)
		}
		if lb.Attributes["deletion_protection.enabled"] == "true" {
			return fault.New(
				fault.Invalid, "OperationNotPermitted", "Load balancer '%s' cannot be deleted because deletion protection is enabled", arn,
			)
		}
		for _, l := range state.Listeners.By(tx, "loadbalancer", arn) {
			if err := deleteListener(tx, l.ARN); err != nil {
				return err
			}
		}
		return state.LoadBalancers.Delete(tx, arn)
	})
	return &shape.DeleteLoadBalancerOutput{}, err
}

// edit changes one load balancer and returns it.
func (a *API) edit(ctx context.Context, arn string, fn func(*store.Tx, *model.LoadBalancer) error) error {
	return a.update(ctx, func(tx *store.Tx) error {
		if _, ok := state.LoadBalancers.Get(tx, arn); !ok {
			return noLoadBalancer(arn)
		}
		return state.LoadBalancers.Edit(tx, arn, func(l *model.LoadBalancer) error { return fn(tx, l) })
	})
}

// SetSecurityGroups replaces the security groups. Errors:
// LoadBalancerNotFound, InvalidSecurityGroup.
func (a *API) SetSecurityGroups(ctx context.Context, in *shape.SetSecurityGroupsInput) (*shape.SetSecurityGroupsOutput, error) {
	err := a.edit(ctx, wire.Val(in.LoadBalancerArn), func(tx *store.Tx, l *model.LoadBalancer) error {
		l.SecurityGroups = slices.Clone(in.SecurityGroups)
		return fillGroups(tx, l)
	})
	if err != nil {
		return nil, err
	}
	return &shape.SetSecurityGroupsOutput{SecurityGroupIds: in.SecurityGroups}, nil
}

// SetSubnets replaces the subnets. Errors: LoadBalancerNotFound,
// SubnetNotFound, InvalidSubnet, InvalidConfigurationRequest, ValidationError,
// NotImplemented.
func (a *API) SetSubnets(ctx context.Context, in *shape.SetSubnetsInput) (*shape.SetSubnetsOutput, error) {
	if t := wire.Or(in.IpAddressType, "ipv4"); t != "ipv4" {
		return nil, unbuilt("The IP address type '%s'", t)
	}
	subnets, err := readSubnets(in.Subnets, in.SubnetMappings)
	if err != nil {
		return nil, err
	}
	out := &shape.SetSubnetsOutput{IpAddressType: wire.Ptr("ipv4")}
	err = a.edit(ctx, wire.Val(in.LoadBalancerArn), func(tx *store.Tx, l *model.LoadBalancer) error {
		vpc := l.VPC
		l.Subnets = subnets
		if err := fillNetwork(tx, l); err != nil {
			return err
		}
		if l.VPC != vpc {
			return fault.New(fault.Invalid, "InvalidConfigurationRequest", "All subnets must belong to the same VPC: '%s'", vpc)
		}
		out.AvailabilityZones = showZones(tx, *l)
		return nil
	})
	if err != nil {
		return nil, err
	}
	return out, nil
}

// SetIpAddressType accepts ipv4, the only type there is. Errors:
// LoadBalancerNotFound, NotImplemented.
func (a *API) SetIpAddressType(_ context.Context, in *shape.SetIpAddressTypeInput) (*shape.SetIpAddressTypeOutput, error) {
	if _, ok := state.LoadBalancers.Get(a.DB.View(), wire.Val(in.LoadBalancerArn)); !ok {
		return nil, noLoadBalancer(wire.Val(in.LoadBalancerArn))
	}
	if t := wire.Val(in.IpAddressType); t != "ipv4" {
		return nil, unbuilt("The IP address type '%s'", t)
	}
	return &shape.SetIpAddressTypeOutput{IpAddressType: in.IpAddressType}, nil
}
