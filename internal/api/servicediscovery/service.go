package servicediscovery

import (
	"context"
	"slices"
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

// records reads the records of a service, of which A and SRV are built.
func records(in []shape.DnsRecord) ([]model.DiscoveryRecord, error) {
	var out []model.DiscoveryRecord
	for _, r := range in {
		kind := wire.Val(r.Type)
		switch {
		case kind != model.RecordA && kind != model.RecordSRV:
			return nil, fault.New(fault.Invalid, "InvalidInput", "Berth does not build DNS records of the type %s: use A or SRV.", kind)
		case slices.ContainsFunc(out, func(o model.DiscoveryRecord) bool { return o.Type == kind }):
			return nil, invalid("The record type %s is given twice.", kind)
		}
		out = append(out, model.DiscoveryRecord{Type: kind, TTL: wire.Val(r.TTL)})
	}
	if len(out) == 0 {
		return nil, invalid("A DnsConfig has at least one DnsRecord.")
	}
	return out, nil
}

// readService reads a service that is to be, of a namespace.
func (a *API) readService(in *shape.CreateServiceInput, n model.Namespace) (s model.DiscoveryService, err error) {
	s = model.DiscoveryService{
		Name: wire.Val(in.Name), Namespace: n.ID, Description: wire.Val(in.Description), CustomHealth: in.HealthCheckCustomConfig != nil,
		Token: wire.Val(in.CreatorRequestId),
	}
	private := n.Kind == model.NamespacePrivate
	switch {
	case in.HealthCheckConfig != nil:
		return s, invalid("Route 53 health checks are only supported for services of public DNS namespaces.")
	case in.DnsConfig != nil && !private:
		return s, invalid("DnsConfig is only supported for services of DNS namespaces.")
	case in.DnsConfig != nil && in.Type != nil:
		return s, invalid("DnsConfig is not supported for services of the type HTTP.")
	case in.DnsConfig == nil && private && in.Type == nil:
		return s, invalid("A service of a DNS namespace needs a DnsConfig, or the type HTTP.")
	case in.DnsConfig == nil:
		return s, nil
	}
	s.Weighted = wire.Val(in.DnsConfig.RoutingPolicy) == "WEIGHTED"
	s.Records, err = records(in.DnsConfig.DnsRecords)
	if err == nil && !isDomain(strings.ToLower(cloudmap.Name(n, s))) {
		err = invalid("The service name %s is not a valid DNS name.", s.Name)
	}
	return s, err
}

// CreateService makes a service in a namespace; the same call with the same token
// is one. Errors: InvalidInput, NamespaceNotFound, ServiceAlreadyExists,
// TooManyTagsException.
func (a *API) CreateService(ctx context.Context, in *shape.CreateServiceInput) (*shape.CreateServiceOutput, error) {
	tags, err := tagsOf(in.Tags)
	if err != nil {
		return nil, err
	}
	id, now := a.id("srv"), a.Clock.Now()
	var s model.DiscoveryService
	err = a.DB.Update(ctx, writer, func(tx *store.Tx) error {
		where := in.NamespaceId
		if where == nil && in.DnsConfig != nil {
			where = in.DnsConfig.NamespaceId
		}
		if where == nil {
			return invalid("NamespaceId is required.")
		}
		n, err := a.namespace(tx, where)
		if err != nil {
			return err
		}
		if s, err = a.readService(in, n); err != nil {
			return err
		}
		for _, old := range state.DiscoveryServices.By(tx, "namespace", n.ID) {
			if !strings.EqualFold(old.Name, s.Name) {
				continue
			}
			if s.Token != "" && old.Token == s.Token && slices.Equal(old.Records, s.Records) {
				s = old
				return nil
			}
			return fault.New(fault.Conflict, "ServiceAlreadyExists", "Service %s already exists: %s.", s.Name, old.ID)
		}
		s.ID, s.ARN, s.CreatedAt, s.Tags = id, a.Place.ARN("servicediscovery", "service/"+id), now, tags
		return state.DiscoveryServices.Put(tx, s)
	})
	if err != nil {
		return nil, err
	}
	return &shape.CreateServiceOutput{Service: a.show(a.DB.View(), s)}, nil
}

func (a *API) show(r store.Reader, s model.DiscoveryService) *shape.Service {
	x := a.summary(r, s)
	return &shape.Service{
		Id: x.Id, Arn: x.Arn, ResourceOwner: x.ResourceOwner, Name: x.Name, NamespaceId: wire.Ptr(s.Namespace), Description: x.Description,
		InstanceCount: x.InstanceCount, DnsConfig: x.DnsConfig, Type: x.Type, HealthCheckCustomConfig: x.HealthCheckCustomConfig,
		CreateDate: x.CreateDate, CreatorRequestId: said(s.Token), CreatedByAccount: x.CreatedByAccount,
	}
}

func (a *API) summary(r store.Reader, s model.DiscoveryService) shape.ServiceSummary {
	out := shape.ServiceSummary{
		Id: wire.Ptr(s.ID), Arn: wire.Ptr(s.ARN), ResourceOwner: wire.Ptr(a.Place.Account), Name: wire.Ptr(s.Name), Type: wire.Ptr("HTTP"),
		Description: said(s.Description), InstanceCount: wire.Ptr(int64(len(cloudmap.Instances(r, s)))), CreateDate: wire.Ptr(s.CreatedAt),
		CreatedByAccount: wire.Ptr(a.Place.Account),
	}
	if s.CustomHealth {
		out.HealthCheckCustomConfig = &shape.HealthCheckCustomConfig{FailureThreshold: wire.Ptr(int64(1))}
	}
	if len(s.Records) > 0 {
		policy := "MULTIVALUE"
		if s.Weighted {
			policy = "WEIGHTED"
		}
		out.Type = wire.Ptr("DNS_HTTP")
		out.DnsConfig = &shape.DnsConfig{NamespaceId: wire.Ptr(s.Namespace), RoutingPolicy: &policy}
		for _, d := range s.Records {
			out.DnsConfig.DnsRecords = append(out.DnsConfig.DnsRecords, shape.DnsRecord{Type: wire.Ptr(d.Type), TTL: wire.Ptr(d.TTL)})
		}
	}
	return out
}

// GetService shows a service. Errors: ServiceNotFound.
func (a *API) GetService(_ context.Context, in *shape.GetServiceInput) (*shape.GetServiceOutput, error) {
	v := a.DB.View()
	s, err := a.service(v, in.Id)
	if err != nil {
		return nil, err
	}
	return &shape.GetServiceOutput{Service: a.show(v, s)}, nil
}

// ListServices lists services that pass all filters. Errors: InvalidInput.
func (a *API) ListServices(_ context.Context, in *shape.ListServicesInput) (*shape.ListServicesOutput, error) {
	v := a.DB.View()
	var fs []filter
	for _, f := range in.Filters {
		fs = append(fs, asFilter(f.Name, f.Condition, f.Values))
	}
	all, err := keep(state.DiscoveryServices.All(v), fs, func(s model.DiscoveryService, name string) string {
		return map[string]string{"NAMESPACE_ID": s.Namespace, "RESOURCE_OWNER": "SELF"}[name]
	})
	if err != nil {
		return nil, err
	}
	all, next, err := page.Cut(pages, in, all, func(s model.DiscoveryService) string { return s.ID })
	if err != nil {
		return nil, err
	}
	out := &shape.ListServicesOutput{Services: []shape.ServiceSummary{}, NextToken: next}
	for _, s := range all {
		out.Services = append(out.Services, a.summary(v, s))
	}
	return out, nil
}

// UpdateService changes a service's description and its records. A record that is
// left out is gone; records can be given to a service that has some. Errors:
// InvalidInput, ServiceNotFound.
func (a *API) UpdateService(ctx context.Context, in *shape.UpdateServiceInput) (*shape.UpdateServiceOutput, error) {
	o := a.operation("UPDATE_SERVICE")
	err := a.DB.Update(ctx, writer, func(tx *store.Tx) error {
		s, err := a.service(tx, in.Id)
		if err != nil {
			return err
		}
		if in.Service.Description != nil {
			s.Description = *in.Service.Description
		}
		if c := in.Service.DnsConfig; c != nil {
			if len(s.Records) == 0 {
				return invalid("The service %s has no DnsConfig to change.", s.ID)
			}
			if s.Records, err = records(c.DnsRecords); err != nil {
				return err
			}
		}
		o.Service = s.ID
		if err := a.done(tx, o); err != nil {
			return err
		}
		return state.DiscoveryServices.Put(tx, s)
	})
	return &shape.UpdateServiceOutput{OperationId: wire.Ptr(o.ID)}, err
}

// DeleteService deletes a service without instances. Errors: ServiceNotFound,
// ResourceInUse.
func (a *API) DeleteService(ctx context.Context, in *shape.DeleteServiceInput) (*shape.DeleteServiceOutput, error) {
	return &shape.DeleteServiceOutput{}, a.DB.Update(ctx, writer, func(tx *store.Tx) error {
		s, err := a.service(tx, in.Id)
		if err != nil {
			return err
		}
		if len(cloudmap.Instances(tx, s)) > 0 {
			return fault.New(
				fault.Conflict, "ResourceInUse", "Service contains registered instances; delete the instances before deleting the service",
			)
		}
		return state.DiscoveryServices.Delete(tx, s.ID)
	})
}
