package ec2

import (
	"fmt"
	"net/netip"
	"strconv"
	"strings"

	"berth/internal/model"
	"berth/internal/state"
	"berth/internal/store"
	"berth/internal/vpc"
	"berth/internal/wire"
	shape "berth/internal/wire/shape/ec2"
)

// given is what a call says about rules: the list form, or the old one with
// members of its own.
type given struct {
	permissions []shape.IpPermission
	protocol    *string
	from, to    *int64
	cidr        *string
	sourceName  *string
	sourceOwner *string
	egress      bool
}

// rules reads what was given as rules without ids, one for each peer.
func (a *API) rules(r store.Reader, g model.SecurityGroup, v given) ([]model.SecurityRule, error) {
	list := v.permissions
	if len(list) == 0 {
		if v.protocol == nil {
			return nil, bad("MissingParameter", "The request must contain the parameter ipProtocol or ipPermissions")
		}
		p := shape.IpPermission{IpProtocol: v.protocol, FromPort: v.from, ToPort: v.to}
		if v.cidr != nil {
			p.IpRanges = []shape.IpRange{{CidrIp: v.cidr}}
		}
		if v.sourceName != nil {
			p.UserIdGroupPairs = []shape.UserIdGroupPair{{GroupName: v.sourceName, UserId: v.sourceOwner}}
		}
		list = []shape.IpPermission{p}
	}
	var out []model.SecurityRule
	for _, p := range list {
		rules, err := a.permission(r, g, p, v.egress)
		if err != nil {
			return nil, err
		}
		out = append(out, rules...)
	}
	return out, nil
}

func (a *API) permission(r store.Reader, g model.SecurityGroup, p shape.IpPermission, egress bool) ([]model.SecurityRule, error) {
	base, err := ports(p.IpProtocol, p.FromPort, p.ToPort)
	if err != nil {
		return nil, err
	}
	base.Egress = egress
	var out []model.SecurityRule
	add := func(description *string, set func(*model.SecurityRule)) {
		x := base
		x.Description = wire.Val(description)
		set(&x)
		out = append(out, x)
	}
	for _, ip := range p.IpRanges {
		cidr, err := peerCIDR(wire.Val(ip.CidrIp), false)
		if err != nil {
			return nil, err
		}
		add(ip.Description, func(x *model.SecurityRule) { x.CIDR = cidr })
	}
	for _, ip := range p.Ipv6Ranges {
		cidr, err := peerCIDR(wire.Val(ip.CidrIpv6), true)
		if err != nil {
			return nil, err
		}
		add(ip.Description, func(x *model.SecurityRule) { x.CIDR6 = cidr })
	}
	for _, l := range p.PrefixListIds {
		add(l.Description, func(x *model.SecurityRule) { x.PrefixList = wire.Val(l.PrefixListId) })
	}
	for _, pair := range p.UserIdGroupPairs {
		peer, err := a.peerGroup(r, g, pair)
		if err != nil {
			return nil, err
		}
		add(pair.Description, func(x *model.SecurityRule) { x.Group = peer })
	}
	if len(out) == 0 {
		return nil, bad("MissingParameter", "The request must specify a source or destination: a CIDR block, a prefix list or a security group")
	}
	return out, nil
}

// ports reads protocol and ports in EC2's canonical form.
func ports(protocol *string, from, to *int64) (model.SecurityRule, error) {
	if protocol == nil {
		return model.SecurityRule{}, bad("MissingParameter", "The request must contain the parameter ipProtocol")
	}
	n, err := vpc.ProtocolNumber(strings.ToLower(*protocol))
	if err != nil {
		return model.SecurityRule{}, value("Invalid value '%s' for IP protocol. Unknown protocol.", *protocol)
	}
	x := model.SecurityRule{Protocol: protocolName(n), FromPort: wire.Or(from, -1), ToPort: wire.Or(to, -1)}
	switch n {
	case 6, 17:
		switch {
		case from == nil || to == nil:
			return x, value("Invalid value 'Must specify both from and to ports with TCP/UDP.' for portRange.")
		case x.FromPort < 0 || x.FromPort > 65535:
			return x, value("Invalid value '%d' for fromPort. Must be between 0 and 65535.", x.FromPort)
		case x.ToPort < 0 || x.ToPort > 65535:
			return x, value("Invalid value '%d' for toPort. Must be between 0 and 65535.", x.ToPort)
		case x.FromPort > x.ToPort:
			return x, value("Invalid TCP/UDP port range (%d:%d)", x.FromPort, x.ToPort)
		}
	case 1, 58:
	default:
		x.FromPort, x.ToPort = -1, -1
	}
	return x, nil
}

func protocolName(n int) string {
	switch n {
	case vpc.AnyProtocol:
		return "-1"
	case 6:
		return "tcp"
	case 17:
		return "udp"
	case 1:
		return "icmp"
	case 58:
		return "icmpv6"
	}
	return strconv.Itoa(n)
}

func peerCIDR(s string, six bool) (string, error) {
	p, err := netip.ParsePrefix(s)
	if err != nil || p.Addr().Is4() == six {
		return "", value("CIDR block %s is malformed", s)
	}
	return p.Masked().String(), nil
}

func (a *API) peerGroup(r store.Reader, g model.SecurityGroup, pair shape.UserIdGroupPair) (string, error) {
	if owner := wire.Or(pair.UserId, a.Place.Account); owner != a.Place.Account {
		return "", bad(
			"InvalidGroup.NotFound", "The security group '%s/%s' does not exist", owner, wire.Or(pair.GroupId, wire.Val(pair.GroupName)),
		)
	}
	if pair.GroupId == nil && pair.GroupName != nil {
		for _, o := range state.SecurityGroups.By(r, "vpc", g.VPC) {
			if o.Name == *pair.GroupName {
				return o.ID, nil
			}
		}
		return "", nouns.group.unnamed(*pair.GroupName)
	}
	o, ok := state.SecurityGroups.Get(r, wire.Val(pair.GroupId))
	if !ok {
		return "", nouns.group.gone(wire.Val(pair.GroupId))
	}
	if o.VPC != g.VPC || wire.Or(pair.VpcId, o.VPC) != o.VPC {
		return "", bad("InvalidGroup.NotFound", "You have specified two resources that belong to different networks.")
	}
	return o.ID, nil
}

// equal compares two rules but for id, description and tags.
func equal(a, b model.SecurityRule) bool {
	a.ID, a.Description, a.Tags = b.ID, b.Description, nil
	b.Tags = nil
	return fmt.Sprint(a) == fmt.Sprint(b)
}

// worded writes a rule as EC2's errors do.
func worded(x model.SecurityRule) string {
	peer := x.CIDR + x.CIDR6 + x.PrefixList + x.Group
	switch x.Protocol {
	case "-1":
		return fmt.Sprintf("peer: %s, ALL, ALLOW", peer)
	case "tcp", "udp":
		return fmt.Sprintf("peer: %s, %s, from port: %d, to port: %d, ALLOW", peer, strings.ToUpper(x.Protocol), x.FromPort, x.ToPort)
	case "icmp", "icmpv6":
		return fmt.Sprintf("peer: %s, %s, type: %d, code: %d, ALLOW", peer, strings.ToUpper(x.Protocol), x.FromPort, x.ToPort)
	}
	return fmt.Sprintf("peer: %s, protocol: %s, ALLOW", peer, x.Protocol)
}

// permissions shows rules of one direction, those of the same protocol and
// ports together.
func (a *API) permissions(g model.SecurityGroup, egress bool) []shape.IpPermission {
	out := []shape.IpPermission{}
	at := map[string]int{}
	for _, x := range g.Rules {
		if x.Egress != egress {
			continue
		}
		key := fmt.Sprint(x.Protocol, x.FromPort, x.ToPort)
		i, ok := at[key]
		if !ok {
			i = len(out)
			at[key] = i
			p := shape.IpPermission{
				IpProtocol: &x.Protocol, IpRanges: []shape.IpRange{}, Ipv6Ranges: []shape.Ipv6Range{},
				PrefixListIds: []shape.PrefixListId{}, UserIdGroupPairs: []shape.UserIdGroupPair{},
			}
			if x.Protocol != "-1" {
				p.FromPort, p.ToPort = &x.FromPort, &x.ToPort
			}
			out = append(out, p)
		}
		a.peer(&out[i], x)
	}
	return out
}

func (a *API) peer(p *shape.IpPermission, x model.SecurityRule) {
	var description *string
	if x.Description != "" {
		description = &x.Description
	}
	switch {
	case x.CIDR != "":
		p.IpRanges = append(p.IpRanges, shape.IpRange{CidrIp: &x.CIDR, Description: description})
	case x.CIDR6 != "":
		p.Ipv6Ranges = append(p.Ipv6Ranges, shape.Ipv6Range{CidrIpv6: &x.CIDR6, Description: description})
	case x.PrefixList != "":
		p.PrefixListIds = append(p.PrefixListIds, shape.PrefixListId{PrefixListId: &x.PrefixList, Description: description})
	default:
		p.UserIdGroupPairs = append(p.UserIdGroupPairs, shape.UserIdGroupPair{
			GroupId: &x.Group, UserId: &a.Place.Account, Description: description,
		})
	}
}
