package vpc

import (
	"fmt"
	"slices"
	"strings"

	"berth/internal/model"
)

// RegistriesHost is the name under which an instance's agent finds, in the
// Internet and nowhere else, the registries of images that are not ECR.
const RegistriesHost = "registries.localhost"

// registries is the offset of their address in ServicePool.
const registries = firstService - 1

// Registries are the registries of images that are not ECR, as networks see
// them: something in the Internet for which there is no endpoint.
func Registries() Service {
	return Service{Name: "registries", Public: []string{RegistriesHost}, Address: Offset(ServicePool, registries)}
}

// Internet lists all that answers in the Internet: the services of a Region,
// and the registries.
func Internet(region string) []Service { return append(Services(region), Registries()) }

// Way is an interface's way to the Internet.
type Way struct {
	Path
	// Hops are the gateways that it leads through: nat-… and igw-….
	Hops []string
	// Lacks says what is missing and what would mend it; "" of an open one.
	Lacks string
}

// WayOut says whether an interface reaches the Internet by TCP 443, through
// which gateways, and what it lacks if it does not.
func WayOut(s Snapshot, from string) Way {
	h := Compile(s)
	src, _ := h.find(func(i Interface) bool { return i.ID == from })
	var w Way
	if r := h.router(src.VPC); src.VPC != "" && !r.DNS {
		w.stopFor(NoDNS, src.VPC, "VPC %s has DNS support off, so no name means anything there", src.VPC)
	} else {
		w.Path = h.Reach(from, Registries().Address, Flow{Protocol: 6, Port: 443})
	}
	for _, step := range w.Steps {
		if step.Hop != "" {
			w.Hops = append(w.Hops, s.owner(step.Hop))
		}
	}
	if !w.Open {
		w.Lacks = s.lacks(w, src)
	}
	return w
}

// owner is the NAT gateway whose interface it is, or the hop itself.
func (s Snapshot) owner(hop string) string {
	for _, n := range s.Interfaces {
		if n.ID == hop && n.Owner != "" {
			return n.Owner
		}
	}
	return hop
}

// lacks words what stops a way, and the cure.
func (s Snapshot) lacks(w Way, src Interface) string {
	last := w.Steps[len(w.Steps)-1]
	switch last.Code {
	case NoDNS:
		return last.Text + ": turn on enableDnsSupport"
	case NoEgress:
		return last.Text + ": let it out to tcp 443"
	case NoRoute:
		return s.noRoute(w, src, last.Subject)
	case NoPublic:
		return last.Text + ": let it have a public address (MapPublicIpOnLaunch of its subnet, assignPublicIp), or send 0.0.0.0/0 of its " +
			"route table to a NAT gateway"
	case Blackhole:
		return last.Text + ": replace the route by one to an internet gateway or a NAT gateway that exists"
	default:
		return last.Text
	}
}

func (s Snapshot) noRoute(w Way, src Interface, table string) string {
	if table != src.Table && len(w.Hops) > 0 {
		return fmt.Sprintf(
			"%s is in a subnet whose route table %s has no route to the Internet: add 0.0.0.0/0 to an internet gateway there, or make the "+
				"NAT gateway in a public subnet", w.Hops[len(w.Hops)-1], table,
		)
	}
	text := fmt.Sprintf("route table %s has no route 0.0.0.0/0: add one to a NAT gateway", table)
	if src.Public.IsValid() {
		text = fmt.Sprintf("route table %s has no route 0.0.0.0/0: add one to an internet gateway", table)
	}
	if !slices.ContainsFunc(s.Gateways, func(g model.InternetGateway) bool { return g.VPC == src.VPC }) {
		text += fmt.Sprintf("; VPC %s has no internet gateway either", src.VPC)
	}
	return text
}

// String says the way in one line.
func (w Way) String() string {
	if !w.Open {
		return "it has no way to the Internet: " + w.Lacks
	}
	return "it reaches the Internet through " + strings.Join(w.Hops, " and ")
}
