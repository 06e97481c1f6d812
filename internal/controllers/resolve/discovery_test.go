package resolve_test

import (
	"fmt"
	"testing"

	"berth/internal/model"
	"berth/internal/state"
	"berth/internal/store"
)

// Proves: CM5
func TestANamespaceIsAnsweredInItsVPC(t *testing.T) {
	db := world(t, nil)
	instance := func(service, id, ip string, unhealthy bool) model.DiscoveryInstance {
		return model.DiscoveryInstance{
			Service: service, ID: id, Unhealthy: unhealthy,
			Attributes: map[string]string{"AWS_INSTANCE_IPV4": ip, "AWS_INSTANCE_PORT": "8080"},
		}
	}
	err := db.Update(t.Context(), "test", func(tx *store.Tx) error {
		a, srv := []model.DiscoveryRecord{{Type: "A", TTL: 60}}, []model.DiscoveryRecord{{Type: "SRV", TTL: 10}}
		for _, err := range []error{
			state.VPCs.Put(tx, model.VPC{ID: "vpc-2", CIDR: "10.1.0.0/16", DNSSupport: true}),
			state.NetworkInterfaces.Put(tx, model.NetworkInterface{ID: "eni-9", VPC: "vpc-2", IP: "10.1.0.4", State: model.InterfaceAvailable}),
			state.Namespaces.Put(tx, model.Namespace{ID: "ns-1", Name: "shop.local", Kind: model.NamespacePrivate, VPC: "vpc-1"}),
			state.DiscoveryServices.Put(tx, model.DiscoveryService{ID: "srv-1", Name: "web", Namespace: "ns-1", Records: a}),
			state.DiscoveryServices.Put(tx, model.DiscoveryService{ID: "srv-2", Name: "API", Namespace: "ns-1", Records: srv, Weighted: true}),
			state.DiscoveryServices.Put(tx, model.DiscoveryService{ID: "srv-3", Name: ".", Namespace: "ns-1", Records: a}),
			state.DiscoveryServices.Put(tx, model.DiscoveryService{ID: "srv-4", Name: "plain", Namespace: "ns-1"}),
			state.DiscoveryInstances.Put(tx, instance("srv-1", "one", "10.0.1.1", false)),
			state.DiscoveryInstances.Put(tx, instance("srv-1", "two", "10.0.1.2", true)),
			state.DiscoveryInstances.Put(tx, instance("srv-1", "odd", "", false)),
			state.DiscoveryInstances.Put(tx, instance("srv-2", "I1", "10.0.1.3", false)),
			state.DiscoveryInstances.Put(tx, instance("srv-3", "sick", "10.0.1.4", true)),
		} {
			if err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	z := zone(t, db, "vpc-1")
	for name, want := range map[string]string{
		"web.shop.local":    "{[10.0.1.1] 60 [] 0 8}",
		"api.shop.local":    "{[] 0 [{i1.api.shop.local 8080}] 10 1}",
		"i1.api.shop.local": "{[10.0.1.3] 10 [] 0 1}",
		"shop.local":        "{[10.0.1.4] 60 [] 0 8}",
	} {
		if got := fmt.Sprint(z.Records[name]); got != want {
			t.Errorf("%s: %s, want %s", name, got, want)
		}
	}
	if len(z.Records) != 4 || fmt.Sprint(z.Domains) != "[shop.local]" {
		t.Errorf("%v, %v", z.Records, z.Domains)
	}
	if z := zone(t, db, "vpc-2"); z.Namespace != "vpc-2" || len(z.Records) != 0 || len(z.Domains) != 0 {
		t.Errorf("another VPC is told %v, %v", z.Records, z.Domains)
	}
}
