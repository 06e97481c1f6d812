// Package cloudmap says which instances a service of Cloud Map has, and by which
// names they are asked for. It is arithmetic on records and keeps nothing.
package cloudmap

import (
	"slices"
	"strings"

	"berth/internal/model"
	"berth/internal/state"
	"berth/internal/store"
)

// The attributes of instances that Cloud Map reads (Cloud Map API reference,
// RegisterInstance).
const (
	IPv4 = "AWS_INSTANCE_IPV4"
	Port = "AWS_INSTANCE_PORT"
	Init = "AWS_INIT_HEALTH_STATUS"
)

// Instances are the instances of a service, in order of their ids.
func Instances(r store.Reader, s model.DiscoveryService) []model.DiscoveryInstance {
	out := state.DiscoveryInstances.By(r, "service", s.ID)
	slices.SortFunc(out, func(a, b model.DiscoveryInstance) int { return strings.Compare(a.ID, b.ID) })
	return out
}

// Serving are the instances that questions are answered with: the healthy ones,
// and all if none is, as Route 53 does (Route 53 developer guide, "How Amazon
// Route 53 chooses records when health checking is configured").
func Serving(all []model.DiscoveryInstance) []model.DiscoveryInstance {
	healthy := slices.DeleteFunc(slices.Clone(all), func(i model.DiscoveryInstance) bool { return i.Unhealthy })
	if len(healthy) == 0 {
		return all
	}
	return healthy
}

// Name is the name of a service's records; the service "." has its namespace's.
func Name(n model.Namespace, s model.DiscoveryService) string {
	if s.Name == "." {
		return n.Name
	}
	return s.Name + "." + n.Name
}

// Has reports whether a service's instances have records of a type.
func Has(s model.DiscoveryService, kind string) bool {
	return slices.ContainsFunc(s.Records, func(r model.DiscoveryRecord) bool { return r.Type == kind })
}
