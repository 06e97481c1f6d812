package servicediscovery

import (
	"cmp"
	"context"
	"fmt"
	"hash/fnv"
	"maps"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"berth/internal/cloudmap"
	"berth/internal/fault"
	"berth/internal/model"
	"berth/internal/page"
	"berth/internal/state"
	"berth/internal/store"
	"berth/internal/wire"
	shape "berth/internal/wire/shape/servicediscovery"
)

func noInstance(id string) error {
	return fault.New(fault.NotFound, "InstanceNotFound", "Instance %s was not found.", id)
}

// attributes checks what is said of an instance (API reference, RegisterInstance).
func attributes(s model.DiscoveryService, in map[string]string) error {
	for _, k := range slices.Sorted(maps.Keys(in)) {
		if !strings.HasPrefix(k, "AWS_") || k == cloudmap.IPv4 || k == cloudmap.Port || k == cloudmap.Init {
			continue
		}
		if slices.Contains([]string{"AWS_ALIAS_DNS_NAME", "AWS_EC2_INSTANCE_ID", "AWS_INSTANCE_CNAME", "AWS_INSTANCE_IPV6"}, k) {
			return invalid("Berth does not build the attribute %s: use %s.", k, cloudmap.IPv4)
		}
	}
	ip, hasIP := in[cloudmap.IPv4]
	if a, err := netip.ParseAddr(ip); hasIP && (err != nil || !a.Is4()) {
		return invalid("The value %s of %s is not an IPv4 address.", ip, cloudmap.IPv4)
	}
	port, hasPort := in[cloudmap.Port]
	if n, err := strconv.ParseUint(port, 10, 16); hasPort && (err != nil || n == 0) {
		return invalid("The value %s of %s is not a port.", port, cloudmap.Port)
	}
	status, hasStatus := in[cloudmap.Init]
	switch {
	case !hasIP && len(s.Records) > 0:
		return invalid("The attribute %s is required for a service with A or SRV records.", cloudmap.IPv4)
	case !hasPort && cloudmap.Has(s, model.RecordSRV):
		return invalid("The attribute %s is required for a service with SRV records.", cloudmap.Port)
	case hasStatus && !s.CustomHealth:
		return invalid("%s is only supported for services with a HealthCheckCustomConfig.", cloudmap.Init)
	case hasStatus && model.Health(status) != model.Healthy && model.Health(status) != model.Unhealthy:
		return invalid("The value %s of %s is not HEALTHY or UNHEALTHY.", status, cloudmap.Init)
	}
	return nil
}

// RegisterInstance registers an instance, or says other things of one. Errors:
// InvalidInput, ServiceNotFound.
func (a *API) RegisterInstance(ctx context.Context, in *shape.RegisterInstanceInput) (*shape.RegisterInstanceOutput, error) {
	o := a.operation("REGISTER_INSTANCE")
	i := model.DiscoveryInstance{ID: wire.Val(in.InstanceId), Attributes: maps.Clone(in.Attributes), Token: wire.Val(in.CreatorRequestId)}
	i.Unhealthy = model.Health(i.Attributes[cloudmap.Init]) == model.Unhealthy
	err := a.DB.Update(ctx, writer, func(tx *store.Tx) error {
		s, err := a.service(tx, in.ServiceId)
		if err != nil {
			return err
		}
		if err := attributes(s, in.Attributes); err != nil {
			return err
		}
		if len(i.ID) > 63 && cloudmap.Has(s, model.RecordSRV) || strings.Contains(i.ID, ".") && cloudmap.Has(s, model.RecordSRV) {
			return invalid("The instance ID %s is not a label of a DNS name, which an SRV record needs.", i.ID)
		}
		delete(i.Attributes, cloudmap.Init)
		i.Service = s.ID
		o.Service, o.Instance = s.ID, i.ID
		if err := a.done(tx, o); err != nil {
			return err
		}
		return state.DiscoveryInstances.Put(tx, i)
	})
	return &shape.RegisterInstanceOutput{OperationId: wire.Ptr(o.ID)}, err
}

// instance finds an instance of a service.
func (a *API) instance(r store.Reader, service, id *string) (model.DiscoveryService, model.DiscoveryInstance, error) {
	s, err := a.service(r, service)
	if err != nil {
		return s, model.DiscoveryInstance{}, err
	}
	for _, i := range cloudmap.Instances(r, s) {
		if i.ID == wire.Val(id) {
			return s, i, nil
		}
	}
	return s, model.DiscoveryInstance{}, noInstance(wire.Val(id))
}

// DeregisterInstance takes an instance away. Errors: InstanceNotFound,
// ServiceNotFound.
func (a *API) DeregisterInstance(ctx context.Context, in *shape.DeregisterInstanceInput) (*shape.DeregisterInstanceOutput, error) {
	o := a.operation("DEREGISTER_INSTANCE")
	err := a.DB.Update(ctx, writer, func(tx *store.Tx) error {
		s, i, err := a.instance(tx, in.ServiceId, in.InstanceId)
		if err != nil {
			return err
		}
		o.Service, o.Instance = s.ID, i.ID
		if err := a.done(tx, o); err != nil {
			return err
		}
		return state.DiscoveryInstances.Delete(tx, state.DiscoveryInstanceKey(s.ID, i.ID))
	})
	return &shape.DeregisterInstanceOutput{OperationId: wire.Ptr(o.ID)}, err
}

// UpdateInstanceCustomHealthStatus says whether an instance is healthy. Errors:
// CustomHealthNotFound, InstanceNotFound, ServiceNotFound.
func (a *API) UpdateInstanceCustomHealthStatus(
	ctx context.Context, in *shape.UpdateInstanceCustomHealthStatusInput,
) (*shape.UpdateInstanceCustomHealthStatusOutput, error) {
	return &shape.UpdateInstanceCustomHealthStatusOutput{}, a.DB.Update(ctx, writer, func(tx *store.Tx) error {
		s, err := a.service(tx, in.ServiceId)
		if err == nil && !s.CustomHealth {
			err = fault.New(fault.NotFound, "CustomHealthNotFound", "The service %s has no HealthCheckCustomConfig.", s.ID)
		}
		if err != nil {
			return err
		}
		_, i, err := a.instance(tx, in.ServiceId, in.InstanceId)
		if err != nil {
			return err
		}
		i.Unhealthy = model.Health(wire.Val(in.Status)) == model.Unhealthy
		return state.DiscoveryInstances.Put(tx, i)
	})
}

// GetInstance shows an instance. Errors: InstanceNotFound, ServiceNotFound.
func (a *API) GetInstance(_ context.Context, in *shape.GetInstanceInput) (*shape.GetInstanceOutput, error) {
	_, i, err := a.instance(a.DB.View(), in.ServiceId, in.InstanceId)
	if err != nil {
		return nil, err
	}
	return &shape.GetInstanceOutput{ResourceOwner: wire.Ptr(a.Place.Account), Instance: &shape.Instance{
		Id: wire.Ptr(i.ID), Attributes: i.Attributes, CreatorRequestId: said(i.Token), CreatedByAccount: wire.Ptr(a.Place.Account),
	}}, nil
}

func idOf(i model.DiscoveryInstance) string { return i.ID }

// ListInstances lists a service's instances. Errors: InvalidInput,
// ServiceNotFound.
func (a *API) ListInstances(_ context.Context, in *shape.ListInstancesInput) (*shape.ListInstancesOutput, error) {
	v := a.DB.View()
	s, err := a.service(v, in.ServiceId)
	if err != nil {
		return nil, err
	}
	all, next, err := page.Cut(pages, in, cloudmap.Instances(v, s), idOf)
	if err != nil {
		return nil, err
	}
	out := &shape.ListInstancesOutput{
		ResourceOwner: wire.Ptr(a.Place.Account), Instances: []shape.InstanceSummary{}, NextToken: next,
	}
	for _, i := range all {
		out.Instances = append(out.Instances, shape.InstanceSummary{
			Id: wire.Ptr(i.ID), Attributes: i.Attributes, CreatedByAccount: wire.Ptr(a.Place.Account),
		})
	}
	return out, nil
}

// health is what is known of an instance: nothing where its service has no health
// check.
func health(s model.DiscoveryService, i model.DiscoveryInstance) model.Health {
	if !s.CustomHealth {
		return model.HealthUnknown
	}
	return i.Health()
}

// GetInstancesHealthStatus shows the health of a service's instances, or of those
// named. Errors: InstanceNotFound, InvalidInput, ServiceNotFound.
func (a *API) GetInstancesHealthStatus(
	_ context.Context, in *shape.GetInstancesHealthStatusInput,
) (*shape.GetInstancesHealthStatusOutput, error) {
	v := a.DB.View()
	s, err := a.service(v, in.ServiceId)
	if err != nil {
		return nil, err
	}
	all := cloudmap.Instances(v, s)
	for _, id := range in.Instances {
		if !slices.ContainsFunc(all, func(i model.DiscoveryInstance) bool { return i.ID == id }) {
			return nil, noInstance(id)
		}
	}
	if len(in.Instances) > 0 {
		all = slices.DeleteFunc(all, func(i model.DiscoveryInstance) bool { return !slices.Contains(in.Instances, i.ID) })
	}
	all, next, err := page.Cut(pages, in, all, idOf)
	if err != nil {
		return nil, err
	}
	out := &shape.GetInstancesHealthStatusOutput{Status: map[string]string{}, NextToken: next}
	for _, i := range all {
		out.Status[i.ID] = string(health(s, i))
	}
	return out, nil
}

// named finds a service by its name and that of its namespace.
func (a *API) named(r store.Reader, namespace, service *string) (model.Namespace, model.DiscoveryService, error) {
	for _, n := range state.Namespaces.All(r) {
		if n.HTTPName != wire.Val(namespace) {
			continue
		}
		for _, s := range state.DiscoveryServices.By(r, "namespace", n.ID) {
			if s.Name == wire.Val(service) {
				return n, s, nil
			}
		}
		return n, model.DiscoveryService{}, fault.New(fault.NotFound, "ServiceNotFound", "Service %s was not found.", wire.Val(service))
	}
	return model.Namespace{}, model.DiscoveryService{}, fault.New(
		fault.NotFound, "NamespaceNotFound", "Namespace %s was not found.", wire.Val(namespace),
	)
}

// DiscoverInstances shows the instances that a program may use: those with all
// attributes asked for, with the optional ones where some have them, and healthy
// ones unless others are asked for or none is. Errors: NamespaceNotFound,
// ServiceNotFound.
func (a *API) DiscoverInstances(_ context.Context, in *shape.DiscoverInstancesInput) (*shape.DiscoverInstancesOutput, error) {
	v := a.DB.View()
	n, s, err := a.named(v, in.NamespaceName, in.ServiceName)
	if err != nil {
		return nil, err
	}
	all := cloudmap.Instances(v, s)
	out := &shape.DiscoverInstancesOutput{Instances: []shape.HttpInstanceSummary{}, InstancesRevision: wire.Ptr(a.revision(s, all))}
	all = having(all, in.QueryParameters)
	if some := having(all, in.OptionalParameters); len(some) > 0 {
		all = some
	}
	switch cmp.Or(wire.Val(in.HealthStatus), "HEALTHY_OR_ELSE_ALL") {
	case "ALL":
	case string(model.Healthy):
		all = slices.DeleteFunc(all, func(i model.DiscoveryInstance) bool { return i.Unhealthy })
	case string(model.Unhealthy):
		all = slices.DeleteFunc(all, func(i model.DiscoveryInstance) bool { return !i.Unhealthy })
	default:
		all = cloudmap.Serving(all)
	}
	for _, i := range all[:min(len(all), int(wire.Or(in.MaxResults, usual)))] {
		out.Instances = append(out.Instances, shape.HttpInstanceSummary{
			InstanceId: wire.Ptr(i.ID), NamespaceName: wire.Ptr(n.HTTPName), ServiceName: wire.Ptr(s.Name),
			HealthStatus: wire.Ptr(string(health(s, i))), Attributes: i.Attributes,
		})
	}
	return out, nil
}

// having are the instances with all of the attributes.
func having(all []model.DiscoveryInstance, want map[string]string) []model.DiscoveryInstance {
	return slices.DeleteFunc(slices.Clone(all), func(i model.DiscoveryInstance) bool {
		for k, v := range want {
			if got, ok := i.Attributes[k]; !ok || got != v {
				return true
			}
		}
		return false
	})
}

// DiscoverInstancesRevision is the number of a service's list of instances, which
// grows when the list changes. Errors: NamespaceNotFound, ServiceNotFound.
func (a *API) DiscoverInstancesRevision(
	_ context.Context, in *shape.DiscoverInstancesRevisionInput,
) (*shape.DiscoverInstancesRevisionOutput, error) {
	v := a.DB.View()
	_, s, err := a.named(v, in.NamespaceName, in.ServiceName)
	if err != nil {
		return nil, err
	}
	return &shape.DiscoverInstancesRevisionOutput{InstancesRevision: wire.Ptr(a.revision(s, cloudmap.Instances(v, s)))}, nil
}

// revision is the number of a list, and what the list was.
type revision struct {
	number int64
	list   uint64
}

// revision numbers the list of a service's instances: by the time at which it was
// first seen, so that numbers grow over a restart as well. Health does not count.
func (a *API) revision(s model.DiscoveryService, all []model.DiscoveryInstance) int64 {
	h := fnv.New64a()
	for _, i := range all {
		_, _ = fmt.Fprintf(h, "%q %q\n", i.ID, i.Attributes) // a map is printed in order of its keys
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	was := a.revisions[s.ID]
	if was.number == 0 || was.list != h.Sum64() {
		was = revision{max(a.Clock.Now().UnixNano(), was.number+1), h.Sum64()}
		a.revisions[s.ID] = was
	}
	return was.number
}
