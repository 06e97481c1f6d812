package cloudmap_test

import (
	"testing"

	"berth/internal/cloudmap"
	"berth/internal/model"
	"berth/internal/state"
	"berth/internal/store"
)

func TestInstancesAreInOrder(t *testing.T) {
	db, err := state.Open(t.Context(), store.NewMemory(), false)
	if err != nil {
		t.Fatal(err)
	}
	err = db.Update(t.Context(), "test", func(tx *store.Tx) error {
		for _, i := range []model.DiscoveryInstance{{Service: "s", ID: "b"}, {Service: "s", ID: "a"}, {Service: "other", ID: "c"}} {
			if err := state.DiscoveryInstances.Put(tx, i); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	got := cloudmap.Instances(db.View(), model.DiscoveryService{ID: "s"})
	if len(got) != 2 || got[0].ID != "a" || got[1].ID != "b" {
		t.Errorf("%+v", got)
	}
}

func TestUnhealthyInstancesServeOnlyWhenAllAre(t *testing.T) {
	well, sick := model.DiscoveryInstance{ID: "a"}, model.DiscoveryInstance{ID: "b", Unhealthy: true}
	if got := cloudmap.Serving([]model.DiscoveryInstance{well, sick}); len(got) != 1 || got[0].ID != "a" {
		t.Errorf("%v", got)
	}
	if got := cloudmap.Serving([]model.DiscoveryInstance{sick, sick}); len(got) != 2 {
		t.Errorf("%v", got)
	}
}

func TestNames(t *testing.T) {
	n := model.Namespace{Name: "shop.local"}
	for service, want := range map[string]string{"web": "web.shop.local", ".": "shop.local"} {
		if got := cloudmap.Name(n, model.DiscoveryService{Name: service}); got != want {
			t.Errorf("%s: %s", service, got)
		}
	}
	s := model.DiscoveryService{Records: []model.DiscoveryRecord{{Type: model.RecordA}}}
	if !cloudmap.Has(s, model.RecordA) || cloudmap.Has(s, model.RecordSRV) {
		t.Error("it has A, and no SRV")
	}
}
