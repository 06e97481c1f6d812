package servicediscovery

import (
	"context"
	"slices"
	"strings"

	"berth/internal/fault"
	"berth/internal/model"
	"berth/internal/page"
	"berth/internal/state"
	"berth/internal/store"
	"berth/internal/wire"
	shape "berth/internal/wire/shape/servicediscovery"
)

// soaTTL is what Cloud Map gives the SOA record of a namespace's zone.
const soaTTL = 15

// CreatePrivateDnsNamespace makes a namespace whose names are answered inside of a
// VPC. Errors: InvalidInput, NamespaceAlreadyExists, TooManyTagsException.
func (a *API) CreatePrivateDnsNamespace(
	ctx context.Context, in *shape.CreatePrivateDnsNamespaceInput,
) (*shape.CreatePrivateDnsNamespaceOutput, error) {
	name := strings.ToLower(strings.TrimSuffix(wire.Val(in.Name), "."))
	if !isDomain(name) {
		return nil, invalid("The namespace name %s is not a valid DNS name.", wire.Val(in.Name))
	}
	id, err := a.createNamespace(ctx, model.Namespace{
		Name: name, Kind: model.NamespacePrivate, VPC: wire.Val(in.Vpc), Zone: "Z" + a.IDs.Upper(20), Description: wire.Val(in.Description),
		Token: wire.Val(in.CreatorRequestId),
	}, in.Tags)
	return &shape.CreatePrivateDnsNamespaceOutput{OperationId: &id}, err
}

// isDomain reports whether labels of a name can be asked for.
func isDomain(name string) bool {
	for label := range strings.SplitSeq(name, ".") {
		if label == "" || len(label) > 63 || strings.Trim(label, "-_abcdefghijklmnopqrstuvwxyz0123456789") != "" {
			return false
		}
	}
	return true
}

// CreateHttpNamespace makes a namespace that only DiscoverInstances answers.
// Errors: InvalidInput, NamespaceAlreadyExists, TooManyTagsException.
func (a *API) CreateHttpNamespace(
	ctx context.Context, in *shape.CreateHttpNamespaceInput,
) (*shape.CreateHttpNamespaceOutput, error) {
	id, err := a.createNamespace(ctx, model.Namespace{
		Name: wire.Val(in.Name), Kind: model.NamespaceHTTP, Description: wire.Val(in.Description), Token: wire.Val(in.CreatorRequestId),
	}, in.Tags)
	return &shape.CreateHttpNamespaceOutput{OperationId: &id}, err
}

// createNamespace writes a namespace; the same call with the same token is one. A
// name may be used again in another VPC, and is then told from the first by
// something behind it (API reference, DiscoverInstances).
func (a *API) createNamespace(ctx context.Context, n model.Namespace, tags []shape.Tag) (operation string, err error) {
	if n.Tags, err = tagsOf(tags); err != nil {
		return "", err
	}
	n.ID, n.CreatedAt, n.HTTPName = a.id("ns"), a.Clock.Now(), n.Name
	n.ARN = a.Place.ARN("servicediscovery", "namespace/"+n.ID)
	more := strings.ToLower(a.IDs.Upper(16))
	o := a.operation("CREATE_NAMESPACE")
	o.Namespace, n.Operation = n.ID, o.ID
	err = a.DB.Update(ctx, writer, func(tx *store.Tx) error {
		if _, ok := state.VPCs.Get(tx, n.VPC); !ok && n.Kind == model.NamespacePrivate {
			return invalid("The VPC that you chose, %s in region %s, was not found.", n.VPC, a.Place.Region)
		}
		for _, old := range state.Namespaces.All(tx) {
			switch {
			case n.Token != "" && old.Token == n.Token && old.Name == n.Name && old.Kind == n.Kind && old.VPC == n.VPC:
				o.ID = old.Operation
				return nil
			case old.Name == n.Name && old.Kind == n.Kind && old.VPC == n.VPC, n.Token != "" && old.Token == n.Token:
				return fault.New(fault.Conflict, "NamespaceAlreadyExists", "Namespace %s already exists: %s.", old.Name, old.ID)
			case old.HTTPName == n.Name:
				n.HTTPName = n.Name + "-" + more
			}
		}
		if err := a.done(tx, o); err != nil {
			return err
		}
		return state.Namespaces.Put(tx, n)
	})
	return o.ID, err
}

func (a *API) showProperties(n model.Namespace) *shape.NamespaceProperties {
	p := &shape.NamespaceProperties{HttpProperties: &shape.HttpProperties{HttpName: wire.Ptr(n.HTTPName)}}
	if n.Zone != "" {
		p.DnsProperties = &shape.DnsProperties{HostedZoneId: wire.Ptr(n.Zone), SOA: &shape.SOA{TTL: wire.Ptr(int64(soaTTL))}}
	}
	return p
}

// GetNamespace shows a namespace. Errors: NamespaceNotFound.
func (a *API) GetNamespace(_ context.Context, in *shape.GetNamespaceInput) (*shape.GetNamespaceOutput, error) {
	v := a.DB.View()
	n, err := a.namespace(v, in.Id)
	if err != nil {
		return nil, err
	}
	return &shape.GetNamespaceOutput{Namespace: &shape.Namespace{
		Id: wire.Ptr(n.ID), Arn: wire.Ptr(n.ARN), ResourceOwner: wire.Ptr(a.Place.Account), Name: wire.Ptr(n.Name), Type: wire.Ptr(n.Kind),
		Description: said(n.Description), ServiceCount: wire.Ptr(int64(len(state.DiscoveryServices.By(v, "namespace", n.ID)))),
		Properties: a.showProperties(n), CreateDate: wire.Ptr(n.CreatedAt), CreatorRequestId: said(n.Token),
	}}, nil
}

// ListNamespaces lists namespaces that pass all filters. Errors: InvalidInput.
func (a *API) ListNamespaces(_ context.Context, in *shape.ListNamespacesInput) (*shape.ListNamespacesOutput, error) {
	v := a.DB.View()
	var fs []filter
	for _, f := range in.Filters {
		fs = append(fs, asFilter(f.Name, f.Condition, f.Values))
	}
	all, err := keep(state.Namespaces.All(v), fs, func(n model.Namespace, name string) string {
		return map[string]string{"TYPE": n.Kind, "NAME": n.Name, "HTTP_NAME": n.HTTPName, "RESOURCE_OWNER": "SELF"}[name]
	})
	if err != nil {
		return nil, err
	}
	all, next, err := page.Cut(pages, in, all, func(n model.Namespace) string { return n.ID })
	if err != nil {
		return nil, err
	}
	out := &shape.ListNamespacesOutput{Namespaces: []shape.NamespaceSummary{}, NextToken: next}
	for _, n := range all {
		out.Namespaces = append(out.Namespaces, shape.NamespaceSummary{
			Id: wire.Ptr(n.ID), Arn: wire.Ptr(n.ARN), ResourceOwner: wire.Ptr(a.Place.Account), Name: wire.Ptr(n.Name), Type: wire.Ptr(n.Kind),
			Description: said(n.Description), ServiceCount: wire.Ptr(int64(len(state.DiscoveryServices.By(v, "namespace", n.ID)))),
			Properties: a.showProperties(n), CreateDate: wire.Ptr(n.CreatedAt),
		})
	}
	return out, nil
}

// describe changes a namespace's description.
func (a *API) describe(ctx context.Context, id, text *string, kind string) (operation string, err error) {
	o := a.operation("UPDATE_NAMESPACE")
	return o.ID, a.DB.Update(ctx, writer, func(tx *store.Tx) error {
		n, err := a.namespace(tx, id)
		if err == nil && n.Kind != kind {
			err = invalid("The namespace %s is of the type %s.", n.ID, n.Kind)
		}
		if err != nil {
			return err
		}
		if text != nil {
			n.Description = *text
		}
		o.Namespace = n.ID
		if err := a.done(tx, o); err != nil {
			return err
		}
		return state.Namespaces.Put(tx, n)
	})
}

// UpdatePrivateDnsNamespace changes a namespace's description. Errors:
// InvalidInput, NamespaceNotFound.
func (a *API) UpdatePrivateDnsNamespace(
	ctx context.Context, in *shape.UpdatePrivateDnsNamespaceInput,
) (*shape.UpdatePrivateDnsNamespaceOutput, error) {
	id, err := a.describe(ctx, in.Id, in.Namespace.Description, model.NamespacePrivate)
	return &shape.UpdatePrivateDnsNamespaceOutput{OperationId: &id}, err
}

// UpdateHttpNamespace changes a namespace's description. Errors: InvalidInput,
// NamespaceNotFound.
func (a *API) UpdateHttpNamespace(
	ctx context.Context, in *shape.UpdateHttpNamespaceInput,
) (*shape.UpdateHttpNamespaceOutput, error) {
	id, err := a.describe(ctx, in.Id, in.Namespace.Description, model.NamespaceHTTP)
	return &shape.UpdateHttpNamespaceOutput{OperationId: &id}, err
}

// DeleteNamespace deletes a namespace without services. Errors:
// NamespaceNotFound, ResourceInUse.
func (a *API) DeleteNamespace(ctx context.Context, in *shape.DeleteNamespaceInput) (*shape.DeleteNamespaceOutput, error) {
	o := a.operation("DELETE_NAMESPACE")
	err := a.DB.Update(ctx, writer, func(tx *store.Tx) error {
		n, err := a.namespace(tx, in.Id)
		if err != nil {
			return err
		}
		if len(state.DiscoveryServices.By(tx, "namespace", n.ID)) > 0 {
			return fault.New(
				fault.Conflict, "ResourceInUse", "Namespace has associated services; delete the services before deleting the namespace",
			)
		}
		o.Namespace = n.ID
		if err := a.done(tx, o); err != nil {
			return err
		}
		return state.Namespaces.Delete(tx, n.ID)
	})
	return &shape.DeleteNamespaceOutput{OperationId: wire.Ptr(o.ID)}, err
}

// GetOperation shows an operation of the last day. Errors: OperationNotFound.
func (a *API) GetOperation(_ context.Context, in *shape.GetOperationInput) (*shape.GetOperationOutput, error) {
	o, ok := state.DiscoveryOperations.Get(a.DB.View(), wire.Val(in.OperationId))
	if !ok {
		return nil, fault.New(fault.NotFound, "OperationNotFound", "Operation %s was not found.", wire.Val(in.OperationId))
	}
	targets := map[string]string{}
	for kind, id := range map[string]string{"NAMESPACE": o.Namespace, "SERVICE": o.Service, "INSTANCE": o.Instance} {
		if id != "" {
			targets[kind] = id
		}
	}
	return &shape.GetOperationOutput{Operation: &shape.Operation{
		Id: wire.Ptr(o.ID), OwnerAccount: wire.Ptr(a.Place.Account), Type: wire.Ptr(o.Kind), Status: wire.Ptr(succeeded),
		CreateDate: wire.Ptr(o.CreatedAt), UpdateDate: wire.Ptr(o.CreatedAt), Targets: targets,
	}}, nil
}

// succeeded is the state of every operation that is shown.
const succeeded = "SUCCESS"

// ListOperations lists the operations of the last day that pass all filters.
// Errors: InvalidInput.
func (a *API) ListOperations(_ context.Context, in *shape.ListOperationsInput) (*shape.ListOperationsOutput, error) {
	var fs []filter
	for _, f := range in.Filters {
		fs = append(fs, asFilter(f.Name, f.Condition, f.Values))
	}
	all, err := keep(state.DiscoveryOperations.All(a.DB.View()), fs, func(o model.DiscoveryOperation, name string) string {
		return map[string]string{
			"NAMESPACE_ID": o.Namespace, "SERVICE_ID": o.Service, "STATUS": succeeded, "TYPE": o.Kind, "UPDATE_DATE": seconds(o.CreatedAt),
		}[name]
	})
	if err != nil {
		return nil, err
	}
	key := func(o model.DiscoveryOperation) string {
		return o.CreatedAt.UTC().Format("2006-01-02T15:04:05.000000000") + " " + o.ID
	}
	slices.SortFunc(all, func(x, y model.DiscoveryOperation) int { return strings.Compare(key(x), key(y)) })
	all, next, err := page.Cut(pages, in, all, key)
	if err != nil {
		return nil, err
	}
	out := &shape.ListOperationsOutput{Operations: []shape.OperationSummary{}, NextToken: next}
	for _, o := range all {
		out.Operations = append(out.Operations, shape.OperationSummary{Id: wire.Ptr(o.ID), Status: wire.Ptr(succeeded)})
	}
	return out, nil
}
