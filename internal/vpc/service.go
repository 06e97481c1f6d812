package vpc

import (
	"crypto/sha256"
	"encoding/hex"
	"net/netip"
	"slices"
	"strings"
)

// Service is an AWS service as networks see it: the names that lead to it and
// the address that its public names have.
type Service struct {
	// Name is the last part of com.amazonaws.REGION.NAME.
	Name string
	// Private are the names that an interface endpoint with private DNS takes
	// over; a leading "*." stands for exactly one label, an asterisk within a
	// label for digits.
	Private []string
	// Public are all names that lead to the service from the Internet.
	Public []string
	// Address is the service's public address.
	Address netip.Addr
	// Gateway services may have gateway endpoints.
	Gateway bool
}

// entry is one row of the table of services. R stands for the Region. names
// are private and public; others are public only.
type entry struct {
	name    string
	names   []string
	others  []string
	gateway bool
}

// catalog has the services whose names differ from NAME.REGION.amazonaws.com,
// or that exist for our stacks; new ones go to the end, since the position is
// the address. Sources: "AWS services that integrate with AWS PrivateLink" and
// "Service endpoints" of the AWS documentation.
var catalog = []entry{
	{name: "ecs", names: []string{"ecs.R.amazonaws.com"}},
	{name: "ecs-agent", names: []string{"ecs-a.R.amazonaws.com", "ecs-a-*.R.amazonaws.com"}},
	{name: "ecs-telemetry", names: []string{"ecs-t.R.amazonaws.com", "ecs-t-*.R.amazonaws.com"}},
	{name: "ecr.api", names: []string{"api.ecr.R.amazonaws.com"}, others: []string{"ecr.R.amazonaws.com"}},
	{name: "ecr.dkr", names: []string{"*.dkr.ecr.R.amazonaws.com"}},
	{
		name: "s3", names: []string{"s3.R.amazonaws.com", "*.s3.R.amazonaws.com"}, others: []string{"s3.amazonaws.com", "*.s3.amazonaws.com"},
		gateway: true,
	},
	{name: "dynamodb", names: []string{"dynamodb.R.amazonaws.com"}, gateway: true},
	{name: "logs", names: []string{"logs.R.amazonaws.com"}},
	{name: "lambda", names: []string{"lambda.R.amazonaws.com"}},
	{name: "sts", names: []string{"sts.R.amazonaws.com"}, others: []string{"sts.amazonaws.com"}},
	{name: "iam", names: []string{"iam.amazonaws.com"}},
	{name: "ec2", names: []string{"ec2.R.amazonaws.com"}},
	{name: "monitoring", names: []string{"monitoring.R.amazonaws.com"}},
	{name: "elasticloadbalancing", names: []string{"elasticloadbalancing.R.amazonaws.com"}},
	{name: "cloudformation", names: []string{"cloudformation.R.amazonaws.com"}},
	{name: "autoscaling", names: []string{"autoscaling.R.amazonaws.com"}},
	{name: "application-autoscaling", names: []string{"application-autoscaling.R.amazonaws.com"}},
	{name: "secretsmanager", names: []string{"secretsmanager.R.amazonaws.com"}},
	{name: "ssm", names: []string{"ssm.R.amazonaws.com"}},
	{name: "ssmmessages", names: []string{"ssmmessages.R.amazonaws.com"}},
	{name: "ec2messages", names: []string{"ec2messages.R.amazonaws.com"}},
	{name: "kms", names: []string{"kms.R.amazonaws.com"}},
	{name: "events", names: []string{"events.R.amazonaws.com"}},
	{name: "servicediscovery", names: []string{"servicediscovery.R.amazonaws.com"}},
	{name: "data-servicediscovery", names: []string{"data-servicediscovery.R.amazonaws.com"}}, // DiscoverInstances, of itself
}

// firstService is the offset of the table's first service in ServicePool.
const firstService = 10

// Services lists the known services of a Region.
func Services(region string) []Service {
	out := make([]Service, len(catalog))
	for i, e := range catalog {
		names := regional(e.names, region)
		out[i] = Service{
			Name: e.name, Private: names, Gateway: e.gateway,
			Public:  append(slices.Clone(names), regional(e.others, region)...),
			Address: Offset(ServicePool, uint32(firstService+i)),
		}
	}
	return out
}

func regional(names []string, region string) []string {
	out := make([]string, len(names))
	for i, n := range names {
		out[i] = strings.ReplaceAll(n, ".R.", "."+region+".")
	}
	return out
}

// ServiceNamed finds a service by the name of its endpoint service,
// com.amazonaws.REGION.NAME (or NAME alone).
func ServiceNamed(region, endpointService string) (Service, bool) {
	name := strings.TrimPrefix(endpointService, "com.amazonaws."+region+".")
	for _, s := range Services(region) {
		if s.Name == name {
			return s, true
		}
	}
	return Service{}, false
}

// PrefixList is the id of the AWS-managed prefix list of a gateway service.
func PrefixList(region, service string) string {
	h := sha256.Sum256([]byte("prefix list " + region + " " + service))
	return "pl-" + hex.EncodeToString(h[:4])
}

// PrefixListService is the gateway service whose managed prefix list has the
// id, and its addresses.
func PrefixListService(region, id string) (Service, bool) {
	for _, s := range Services(region) {
		if s.Gateway && PrefixList(region, s.Name) == id {
			return s, true
		}
	}
	return Service{}, false
}

// Covers reports whether a name of the table covers a host name: equal, or
// "*." for one label, or "-*" for digits. Case does not count.
func Covers(pattern, host string) bool {
	host = strings.ToLower(strings.TrimSuffix(host, "."))
	if rest, ok := strings.CutPrefix(pattern, "*."); ok {
		label, tail, found := strings.Cut(host, ".")
		return found && label != "" && tail == rest
	}
	head, tail, ok := strings.Cut(pattern, "*")
	if !ok {
		return pattern == host
	}
	mid, found := strings.CutPrefix(host, head)
	mid, ends := strings.CutSuffix(mid, tail)
	return found && ends && mid != "" && strings.Trim(mid, "0123456789") == ""
}

// EndpointName is an interface endpoint's own DNS name, and that of its part
// in a zone if one is given.
func EndpointName(id, service, region, zone string) string {
	h := sha256.Sum256([]byte(id))
	name := id + "-" + hex.EncodeToString(h[:4])
	if zone != "" {
		name += "-" + zone
	}
	return name + "." + service + "." + region + ".vpce.amazonaws.com"
}

// HostSuffixes are the domains in which a Region's addresses have names. In
// us-east-1 the old one comes first.
func HostSuffixes(region string) []string {
	if region == "us-east-1" {
		return []string{"ec2.internal", "us-east-1.compute.internal"}
	}
	return []string{region + ".compute.internal"}
}
