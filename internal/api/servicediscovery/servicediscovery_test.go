package servicediscovery_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"berth/internal/api/apitest"
	"berth/internal/api/servicediscovery"
	"berth/internal/clock"
	"berth/internal/ident"
	"berth/internal/model"
	"berth/internal/state"
	"berth/internal/store"
	"berth/internal/wire"
	shape "berth/internal/wire/shape/servicediscovery"
)

var place = ident.Place{Partition: "aws", Region: "eu-west-3", Account: "123456789012"}

type world struct {
	*servicediscovery.API
	t     *testing.T
	clock *clock.Stepped
	db    *state.DB
}

func newWorld(t *testing.T) world {
	t.Helper()
	db, err := state.Open(t.Context(), store.NewMemory(), true)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	err = db.Update(t.Context(), "api/ec2", func(tx *store.Tx) error {
		return state.VPCs.Put(tx, model.VPC{ID: "vpc-1", CIDR: "10.0.0.0/16"})
	})
	if err != nil {
		t.Fatal(err)
	}
	c := clock.NewStepped(time.Unix(1_800_000_000, 0))
	return world{servicediscovery.New(servicediscovery.Deps{DB: db, Clock: c, IDs: ident.Seeded(1), Place: place}), t, c, db}
}

// must is the answer of a call that succeeds.
func must[T any](t *testing.T) func(T, error) T {
	return func(v T, err error) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

// target is what an operation was about.
func (w world) target(operation *string, kind string) string {
	w.t.Helper()
	out := must[*shape.GetOperationOutput](w.t)(w.GetOperation(w.t.Context(), &shape.GetOperationInput{OperationId: operation}))
	if *out.Operation.Status != "SUCCESS" {
		w.t.Errorf("%s", *out.Operation.Status)
	}
	return out.Operation.Targets[kind]
}

func (w world) private(name string) string {
	w.t.Helper()
	return w.target(must[*shape.CreatePrivateDnsNamespaceOutput](w.t)(w.CreatePrivateDnsNamespace(
		w.t.Context(), &shape.CreatePrivateDnsNamespaceInput{Name: &name, Vpc: wire.Ptr("vpc-1")},
	)).OperationId, "NAMESPACE")
}

// service makes a service with A records and a health of the user's own.
func (w world) service(namespace, name string) string {
	w.t.Helper()
	return *must[*shape.CreateServiceOutput](w.t)(w.CreateService(w.t.Context(), &shape.CreateServiceInput{
		Name: &name, NamespaceId: &namespace, HealthCheckCustomConfig: &shape.HealthCheckCustomConfig{},
		DnsConfig: &shape.DnsConfig{DnsRecords: []shape.DnsRecord{{Type: wire.Ptr("A"), TTL: wire.Ptr(int64(60))}}},
	})).Service.Id
}

func (w world) register(service, id string, attributes ...string) {
	w.t.Helper()
	in := &shape.RegisterInstanceInput{
		ServiceId: &service, InstanceId: &id, Attributes: map[string]string{"AWS_INSTANCE_IPV4": "10.0.0.9"},
	}
	for _, a := range attributes {
		k, v, _ := strings.Cut(a, "=")
		in.Attributes[k] = v
	}
	out := must[*shape.RegisterInstanceOutput](w.t)(w.RegisterInstance(w.t.Context(), in))
	if got := w.target(out.OperationId, "INSTANCE"); got != id {
		w.t.Errorf("the operation is about %s", got)
	}
}

// discover is the ids of what is found; status is "" for none asked for.
func (w world) discover(status string, in shape.DiscoverInstancesInput) string {
	w.t.Helper()
	in.NamespaceName, in.ServiceName = wire.Ptr("shop.local"), wire.Ptr("web")
	if status != "" {
		in.HealthStatus = &status
	}
	var ids []string
	for _, i := range must[*shape.DiscoverInstancesOutput](w.t)(w.DiscoverInstances(w.t.Context(), &in)).Instances {
		ids = append(ids, *i.InstanceId)
	}
	return strings.Join(ids, " ")
}

// Proves: CM1
func TestNamesOfNamespaces(t *testing.T) {
	w, ctx := newWorld(t), t.Context()
	id := w.private("Shop.Local")
	n := must[*shape.GetNamespaceOutput](t)(w.GetNamespace(ctx, &shape.GetNamespaceInput{Id: &id})).Namespace
	if !strings.HasPrefix(id, "ns-") || len(id) != 19 || *n.Name != "shop.local" || *n.Type != "DNS_PRIVATE" ||
		*n.Arn != "arn:aws:servicediscovery:eu-west-3:123456789012:namespace/"+id || *n.Properties.HttpProperties.HttpName != "shop.local" ||
		!strings.HasPrefix(*n.Properties.DnsProperties.HostedZoneId, "Z") {
		t.Errorf("%+v", n)
	}
	token := &shape.CreateHttpNamespaceInput{Name: wire.Ptr("shop.local"), CreatorRequestId: wire.Ptr("once")}
	first := must[*shape.CreateHttpNamespaceOutput](t)(w.CreateHttpNamespace(ctx, token))
	if again := must[*shape.CreateHttpNamespaceOutput](t)(w.CreateHttpNamespace(ctx, token)); *again.OperationId != *first.OperationId {
		t.Errorf("the same call made another one")
	}
	http := w.target(first.OperationId, "NAMESPACE")
	n = must[*shape.GetNamespaceOutput](t)(w.GetNamespace(ctx, &shape.GetNamespaceInput{Id: &http})).Namespace
	if !strings.HasPrefix(*n.Properties.HttpProperties.HttpName, "shop.local-") || n.Properties.DnsProperties != nil {
		t.Errorf("a name that is used again: %+v", n.Properties)
	}
	must[*shape.UpdateHttpNamespaceOutput](t)(w.UpdateHttpNamespace(ctx, &shape.UpdateHttpNamespaceInput{
		Id: n.Arn, Namespace: &shape.HttpNamespaceChange{Description: wire.Ptr("new")},
	}))
	must[*shape.UpdatePrivateDnsNamespaceOutput](t)(w.UpdatePrivateDnsNamespace(ctx, &shape.UpdatePrivateDnsNamespaceInput{
		Id: &id, Namespace: &shape.PrivateDnsNamespaceChange{Description: wire.Ptr("newer")},
	}))
	all := must[*shape.ListNamespacesOutput](t)(w.ListNamespaces(ctx, &shape.ListNamespacesInput{Filters: []shape.NamespaceFilter{
		{Name: wire.Ptr("TYPE"), Values: []string{"HTTP", "DNS_PRIVATE"}, Condition: wire.Ptr("IN")},
		{Name: wire.Ptr("HTTP_NAME"), Values: []string{"shop.local-"}, Condition: wire.Ptr("BEGINS_WITH")},
	}}))
	if len(all.Namespaces) != 1 || *all.Namespaces[0].Id != http || *all.Namespaces[0].Description != "new" {
		t.Errorf("%+v", all)
	}
	must[*shape.DeleteNamespaceOutput](t)(w.DeleteNamespace(ctx, &shape.DeleteNamespaceInput{Id: &http}))
	must[*shape.DeleteNamespaceOutput](t)(w.DeleteNamespace(ctx, &shape.DeleteNamespaceInput{Id: &id}))
	ops := must[*shape.ListOperationsOutput](t)(w.ListOperations(ctx, &shape.ListOperationsInput{Filters: []shape.OperationFilter{
		{Name: wire.Ptr("TYPE"), Values: []string{"DELETE_NAMESPACE"}},
		{Name: wire.Ptr("UPDATE_DATE"), Values: []string{"1800000000", "1800000001"}, Condition: wire.Ptr("BETWEEN")},
	}}))
	if len(ops.Operations) != 2 {
		t.Errorf("%+v", ops)
	}
	w.clock.Advance(25 * time.Hour)
	w.private("other")
	if left := state.DiscoveryOperations.All(w.db.View()); len(left) != 1 {
		t.Errorf("%d operations are remembered", len(left))
	}
}

// Proves: CM2
func TestWhoIsDiscovered(t *testing.T) {
	w, ctx := newWorld(t), t.Context()
	s := w.service(w.private("shop.local"), "web")
	number := func() int64 {
		return *must[*shape.DiscoverInstancesRevisionOutput](t)(w.DiscoverInstancesRevision(ctx, &shape.DiscoverInstancesRevisionInput{
			NamespaceName: wire.Ptr("shop.local"), ServiceName: wire.Ptr("web"),
		})).InstancesRevision
	}
	before := number()
	w.register(s, "a", "color=red", "size=1")
	w.register(s, "b", "color=red", "AWS_INIT_HEALTH_STATUS=UNHEALTHY")
	w.register(s, "c", "color=blue")
	after := number()
	if after <= before || number() != after {
		t.Errorf("revisions %d, %d, %d", before, after, number())
	}
	for _, c := range []struct {
		status string
		in     shape.DiscoverInstancesInput
		want   string
	}{
		{"", shape.DiscoverInstancesInput{}, "a c"}, {"ALL", shape.DiscoverInstancesInput{}, "a b c"},
		{"HEALTHY", shape.DiscoverInstancesInput{}, "a c"}, {"UNHEALTHY", shape.DiscoverInstancesInput{}, "b"},
		{"ALL", shape.DiscoverInstancesInput{MaxResults: wire.Ptr(int64(1))}, "a"},
		{"ALL", shape.DiscoverInstancesInput{QueryParameters: map[string]string{"color": "red"}}, "a b"},
		{"ALL", shape.DiscoverInstancesInput{
			QueryParameters: map[string]string{"color": "red"}, OptionalParameters: map[string]string{"size": "1"},
		}, "a"},
		{"ALL", shape.DiscoverInstancesInput{OptionalParameters: map[string]string{"size": "9"}}, "a b c"},
	} {
		if got := w.discover(c.status, c.in); got != c.want {
			t.Errorf("%s %+v: %s, want %s", c.status, c.in, got, c.want)
		}
	}
	for _, id := range []string{"a", "c"} {
		must[*shape.UpdateInstanceCustomHealthStatusOutput](t)(w.UpdateInstanceCustomHealthStatus(
			ctx, &shape.UpdateInstanceCustomHealthStatusInput{ServiceId: &s, InstanceId: &id, Status: wire.Ptr("UNHEALTHY")},
		))
	}
	if got := w.discover("", shape.DiscoverInstancesInput{}); got != "a b c" {
		t.Errorf("when none is healthy: %s", got)
	}
	if number() != after {
		t.Error("health changed the revision")
	}
	status := must[*shape.GetInstancesHealthStatusOutput](t)(w.GetInstancesHealthStatus(ctx, &shape.GetInstancesHealthStatusInput{
		ServiceId: &s, Instances: []string{"a"},
	})).Status
	if fmt.Sprint(status) != "map[a:UNHEALTHY]" {
		t.Errorf("%v", status)
	}
	page := &shape.GetInstancesHealthStatusInput{ServiceId: &s, MaxResults: wire.Ptr(int64(2))}
	first := must[*shape.GetInstancesHealthStatusOutput](t)(w.GetInstancesHealthStatus(ctx, page))
	page.NextToken = first.NextToken
	rest := must[*shape.GetInstancesHealthStatusOutput](t)(w.GetInstancesHealthStatus(ctx, page))
	if len(first.Status) != 2 || len(rest.Status) != 1 || rest.Status["c"] == "" || rest.NextToken != nil {
		t.Errorf("two pages: %v, %v", first.Status, rest.Status)
	}
	got := must[*shape.GetInstanceOutput](t)(w.GetInstance(ctx, &shape.GetInstanceInput{ServiceId: &s, InstanceId: wire.Ptr("b")})).Instance
	if fmt.Sprint(got.Attributes) != "map[AWS_INSTANCE_IPV4:10.0.0.9 color:red]" {
		t.Errorf("%v", got.Attributes)
	}
	for _, id := range []string{"a", "b", "c"} {
		must[*shape.DeregisterInstanceOutput](t)(w.DeregisterInstance(ctx, &shape.DeregisterInstanceInput{ServiceId: &s, InstanceId: &id}))
	}
	must[*shape.DeleteServiceOutput](t)(w.DeleteService(ctx, &shape.DeleteServiceInput{Id: &s}))
}

func TestServicesAreMadeOnceAndChanged(t *testing.T) {
	w, ctx := newWorld(t), t.Context()
	ns := w.private("shop.local")
	in := &shape.CreateServiceInput{
		Name: wire.Ptr("web"), CreatorRequestId: wire.Ptr("once"), Tags: []shape.Tag{{Key: wire.Ptr("k"), Value: wire.Ptr("v")}},
		DnsConfig: &shape.DnsConfig{
			NamespaceId: &ns, RoutingPolicy: wire.Ptr("WEIGHTED"), DnsRecords: []shape.DnsRecord{{Type: wire.Ptr("SRV"), TTL: wire.Ptr(int64(5))}},
		},
	}
	s := must[*shape.CreateServiceOutput](t)(w.CreateService(ctx, in)).Service
	if again := must[*shape.CreateServiceOutput](t)(w.CreateService(ctx, in)).Service; *again.Id != *s.Id {
		t.Error("the same call made another one")
	}
	must[*shape.UpdateServiceOutput](t)(w.UpdateService(ctx, &shape.UpdateServiceInput{Id: s.Arn, Service: &shape.ServiceChange{
		Description: wire.Ptr("d"),
		DnsConfig:   &shape.DnsConfigChange{DnsRecords: []shape.DnsRecord{{Type: wire.Ptr("A"), TTL: wire.Ptr(int64(9))}}},
	}}))
	s = must[*shape.GetServiceOutput](t)(w.GetService(ctx, &shape.GetServiceInput{Id: s.Id})).Service
	if d := s.DnsConfig; *s.Description != "d" || *s.Type != "DNS_HTTP" || *d.RoutingPolicy != "WEIGHTED" || *d.DnsRecords[0].TTL != 9 {
		t.Errorf("%+v %+v", s, d)
	}
	plain := must[*shape.CreateServiceOutput](t)(w.CreateService(ctx, &shape.CreateServiceInput{
		Name: wire.Ptr("plain"), NamespaceId: &ns, Type: wire.Ptr("HTTP"),
	})).Service
	w.register(*plain.Id, "x", "AWS_INSTANCE_PORT=80")
	status := must[*shape.GetInstancesHealthStatusOutput](t)(w.GetInstancesHealthStatus(ctx, &shape.GetInstancesHealthStatusInput{
		ServiceId: plain.Id,
	})).Status
	if *plain.Type != "HTTP" || fmt.Sprint(status) != "map[x:UNKNOWN]" {
		t.Errorf("%s, %v", *plain.Type, status)
	}
	all := must[*shape.ListServicesOutput](t)(w.ListServices(ctx, &shape.ListServicesInput{Filters: []shape.ServiceFilter{
		{Name: wire.Ptr("NAMESPACE_ID"), Values: []string{ns}},
	}}))
	if len(all.Services) != 2 {
		t.Errorf("%+v", all)
	}
	list := must[*shape.ListInstancesOutput](t)(w.ListInstances(ctx, &shape.ListInstancesInput{ServiceId: plain.Id}))
	if len(list.Instances) != 1 || *list.Instances[0].Id != "x" {
		t.Errorf("%+v", list)
	}
	for _, arn := range []*string{s.Arn, wire.Ptr(place.ARN("servicediscovery", "namespace/"+ns))} {
		must[*shape.TagResourceOutput](t)(w.TagResource(ctx, &shape.TagResourceInput{ResourceARN: arn, Tags: []shape.Tag{
			{Key: wire.Ptr("a"), Value: wire.Ptr("1")}, {Key: wire.Ptr("b"), Value: wire.Ptr("2")},
		}}))
		must[*shape.UntagResourceOutput](t)(w.UntagResource(ctx, &shape.UntagResourceInput{ResourceARN: arn, TagKeys: []string{"a", "k"}}))
		tags := must[*shape.ListTagsForResourceOutput](t)(w.ListTagsForResource(ctx, &shape.ListTagsForResourceInput{ResourceARN: arn})).Tags
		if len(tags) != 1 || *tags[0].Key != "b" {
			t.Errorf("%+v", tags)
		}
	}
}

func TestWhatACallIsAbout(t *testing.T) {
	f := newWorld(t).Finders()
	for kind, want := range map[string]string{
		"namespace": place.ARN("servicediscovery", "namespace/x"), "service": place.ARN("servicediscovery", "service/x"), "arn": "x",
	} {
		if got := f[kind]("x"); got != want {
			t.Errorf("%s: %s", kind, got)
		}
	}
	if got := f["service"]("arn:x"); got != "arn:x" {
		t.Error(got)
	}
}

// Proves: CM3, CM4
func TestErrorsAreAsListed(t *testing.T) {
	w := apitest.NewWorld(t)
	w.Write(func(tx *store.Tx) error {
		var tags []model.Tag
		for i := range 50 {
			tags = append(tags, model.Tag{Key: fmt.Sprint(i)})
		}
		a := []model.DiscoveryRecord{{Type: "A", TTL: 60}}
		return errors.Join(
			state.VPCs.Put(tx, model.VPC{ID: "vpc-9", CIDR: "10.9.0.0/16"}),
			state.Namespaces.Put(tx, model.Namespace{ID: "ns-1", Name: "one.local", HTTPName: "one.local", Kind: "DNS_PRIVATE", VPC: "vpc-9",
				ARN: "arn:aws:servicediscovery:us-east-1:123456789012:namespace/ns-1", Tags: tags}),
			state.Namespaces.Put(tx, model.Namespace{ID: "ns-2", Name: "two", HTTPName: "two", Kind: "HTTP"}),
			state.DiscoveryServices.Put(tx, model.DiscoveryService{ID: "srv-1", Name: "web", Namespace: "ns-1", Records: a, CustomHealth: true}),
			state.DiscoveryServices.Put(tx, model.DiscoveryService{ID: "srv-2", Name: "plain", Namespace: "ns-1"}),
			state.DiscoveryServices.Put(tx, model.DiscoveryService{ID: "srv-3", Name: "srv", Namespace: "ns-1",
				Records: []model.DiscoveryRecord{{Type: "SRV"}}}),
			state.DiscoveryInstances.Put(tx, model.DiscoveryInstance{Service: "srv-1", ID: "i"}),
		)
	})
	const (
		a    = `DnsConfig={"DnsRecords":[{"Type":"A","TTL":1}]}`
		long = "InstanceId=0123456789012345678901234567890123456789012345678901234567890123"
	)
	var tags []string
	for i := range 51 {
		tags = append(tags, fmt.Sprintf(`{"Key":"k%d","Value":""}`, i))
	}
	many := "Tags=[" + strings.Join(tags, ",") + "]"
	apitest.Errors(t, w, "servicediscovery", `
		CreatePrivateDnsNamespace TooManyTagsException Name=x Vpc=vpc-9 `+many+`
		CreateHttpNamespace TooManyTagsException Name=x `+many+`
		CreateHttpNamespace InvalidInput Name=x Tags=[{"Key":"a","Value":""},{"Key":"a","Value":""}]
		CreateService TooManyTagsException Name=x NamespaceId=ns-1 `+many+` `+a+`
		TagResource InvalidInput ResourceARN=arn:x Tags=[{"Key":"a","Value":""},{"Key":"a","Value":""}]
		UpdateHttpNamespace NamespaceNotFound Id=ns-none Namespace={"Description":""}
		ListInstances InvalidInput ServiceId=srv-1 NextToken=made-up
		GetInstancesHealthStatus InvalidInput ServiceId=srv-1 NextToken=made-up
		CreatePrivateDnsNamespace InvalidInput Name=new.local Vpc=vpc-none
		CreatePrivateDnsNamespace InvalidInput Name=a..b Vpc=vpc-9
		CreatePrivateDnsNamespace NamespaceAlreadyExists Name=one.local Vpc=vpc-9
		CreatePrivateDnsNamespace InvalidInput Name=x Vpc=vpc-9 Tags=[{"Key":"a","Value":""},{"Key":"a","Value":""}]
		CreateHttpNamespace NamespaceAlreadyExists Name=two
		GetNamespace NamespaceNotFound Id=ns-none
		GetNamespace NamespaceNotFound Id=arn:aws:servicediscovery:us-east-1:123456789012:namespace/ns-2
		UpdatePrivateDnsNamespace NamespaceNotFound Id=ns-none Namespace={}
		UpdatePrivateDnsNamespace InvalidInput Id=ns-2 Namespace={}
		UpdateHttpNamespace InvalidInput Id=ns-1 Namespace={"Description":""}
		DeleteNamespace NamespaceNotFound Id=ns-none
		DeleteNamespace ResourceInUse Id=ns-1
		ListNamespaces InvalidInput Filters=[{"Name":"TYPE","Values":["HTTP"],"Condition":"BETWEEN"}]
		ListNamespaces InvalidInput Filters=[{"Name":"NAME","Values":["a","b"]}]
		ListOperations InvalidInput Filters=[{"Name":"UPDATE_DATE","Values":["a","b"],"Condition":"BETWEEN"}]
		ListServices InvalidInput Filters=[{"Name":"NAMESPACE_ID","Values":["a"],"Condition":"IN"}]
		GetOperation OperationNotFound OperationId=none
		CreateService InvalidInput Name=x `+a+`
		CreateService NamespaceNotFound Name=x NamespaceId=ns-none `+a+`
		CreateService ServiceAlreadyExists Name=WEB NamespaceId=ns-1 `+a+`
		CreateService InvalidInput Name=x NamespaceId=ns-1
		CreateService InvalidInput Name=x NamespaceId=ns-2 `+a+`
		CreateService InvalidInput Name=x NamespaceId=ns-1 Type=HTTP `+a+`
		CreateService InvalidInput Name=x NamespaceId=ns-1 HealthCheckConfig={"Type":"TCP"} `+a+`
		CreateService InvalidInput Name=x NamespaceId=ns-1 DnsConfig={"DnsRecords":[]}
		CreateService InvalidInput Name=x NamespaceId=ns-1 DnsConfig={"DnsRecords":[{"Type":"CNAME","TTL":1}]}
		CreateService InvalidInput Name=x NamespaceId=ns-1 DnsConfig={"DnsRecords":[{"Type":"A","TTL":1},{"Type":"A","TTL":1}]}
		GetService ServiceNotFound Id=srv-none
		UpdateService ServiceNotFound Id=srv-none Service={}
		UpdateService InvalidInput Id=srv-2 Service={"DnsConfig":{"DnsRecords":[{"Type":"A","TTL":1}]}}
		UpdateService InvalidInput Id=srv-1 Service={"DnsConfig":{"DnsRecords":[{"Type":"AAAA","TTL":1}]}}
		DeleteService ServiceNotFound Id=srv-none
		DeleteService ResourceInUse Id=srv-1
		RegisterInstance ServiceNotFound ServiceId=srv-none InstanceId=x Attributes={"a":"b"}
		RegisterInstance InvalidInput ServiceId=srv-1 InstanceId=x Attributes={"a":"b"}
		RegisterInstance InvalidInput ServiceId=srv-1 InstanceId=x Attributes={"AWS_INSTANCE_IPV4":"::1"}
		RegisterInstance InvalidInput ServiceId=srv-1 InstanceId=x Attributes={"AWS_INSTANCE_IPV4":"10.0.0.1","AWS_INSTANCE_PORT":"0"}
		RegisterInstance InvalidInput ServiceId=srv-1 InstanceId=x Attributes={"AWS_INSTANCE_IPV4":"10.0.0.1","AWS_INIT_HEALTH_STATUS":"FINE"}
		RegisterInstance InvalidInput ServiceId=srv-2 InstanceId=x Attributes={"AWS_INIT_HEALTH_STATUS":"HEALTHY"}
		RegisterInstance InvalidInput ServiceId=srv-2 InstanceId=x Attributes={"AWS_ALIAS_DNS_NAME":"x"}
		RegisterInstance InvalidInput ServiceId=srv-3 InstanceId=x Attributes={"AWS_INSTANCE_IPV4":"10.0.0.1"}
		RegisterInstance InvalidInput ServiceId=srv-3 `+long+` Attributes={"AWS_INSTANCE_IPV4":"10.0.0.1","AWS_INSTANCE_PORT":"1"}
		DeregisterInstance ServiceNotFound ServiceId=srv-none InstanceId=i
		DeregisterInstance InstanceNotFound ServiceId=srv-1 InstanceId=none
		UpdateInstanceCustomHealthStatus ServiceNotFound ServiceId=srv-none InstanceId=i Status=HEALTHY
		UpdateInstanceCustomHealthStatus CustomHealthNotFound ServiceId=srv-2 InstanceId=i Status=HEALTHY
		UpdateInstanceCustomHealthStatus InstanceNotFound ServiceId=srv-1 InstanceId=none Status=HEALTHY
		GetInstance ServiceNotFound ServiceId=srv-none InstanceId=i
		GetInstance InstanceNotFound ServiceId=srv-1 InstanceId=none
		ListInstances ServiceNotFound ServiceId=srv-none
		GetInstancesHealthStatus ServiceNotFound ServiceId=srv-none
		GetInstancesHealthStatus InstanceNotFound ServiceId=srv-1 Instances=["none"]
		DiscoverInstances NamespaceNotFound NamespaceName=none ServiceName=web
		DiscoverInstances ServiceNotFound NamespaceName=one.local ServiceName=none
		DiscoverInstancesRevision NamespaceNotFound NamespaceName=none ServiceName=web
		DiscoverInstancesRevision ServiceNotFound NamespaceName=one.local ServiceName=none
		TagResource ResourceNotFoundException ResourceARN=arn:none Tags=[{"Key":"a","Value":""}]
		TagResource TooManyTagsException ResourceARN=arn:aws:servicediscovery:us-east-1:123456789012:namespace/ns-1 Tags=[{"Key":"a","Value":""}]
		UntagResource ResourceNotFoundException ResourceARN=arn:none TagKeys=["a"]
		ListTagsForResource ResourceNotFoundException ResourceARN=arn:none
	`)
}
