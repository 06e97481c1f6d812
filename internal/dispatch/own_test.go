package dispatch_test

import (
	"encoding/json"
	"strings"
	"testing"

	"berth/internal/dispatch"
	"berth/internal/fault"
	"berth/internal/ident"
	"berth/internal/model"
	"berth/internal/state"
	"berth/internal/store"
)

const ownID = "i-0123456789abcde00"

// own is an EC2 instance of the user's own, and two clusters.
func (b *bench) own() {
	b.as("api/ec2", func(tx *store.Tx) error {
		return state.Instances.Put(tx, model.Instance{
			ID: ownID, Kind: model.KindEC2, Type: "t3.large", Goal: model.GoalRun, State: model.InstancePending,
			Launch: &model.Launch{ImageID: "ami-1"},
		})
	})
	for _, name := range []string{"default", "shop"} {
		b.as("api/ecs", func(tx *store.Tx) error {
			return state.Clusters.Put(tx, model.Cluster{Name: name, Status: model.ClusterActive})
		})
	}
}

func (b *bench) join(cluster, known string) (model.Instance, error) {
	doc, err := json.Marshal(map[string]string{"instanceId": ownID, "instanceType": "t3.large"})
	if err != nil {
		b.t.Fatal(err)
	}
	return b.gateway.Register(b.t.Context(), ident.AsRole("arn:aws:iam::000000000000:role/x", ownID), dispatch.Registration{
		Cluster: cluster, Instance: known, Document: string(doc), CPU: 2048, Memory: 7900,
	})
}

func TestAnOwnInstanceJoinsTheClusterThatItsAgentNames(t *testing.T) {
	b := newBench(t)
	b.own()
	if _, err := b.join("nowhere", ""); fault.CodeOf(err) != "ClientException" {
		t.Errorf("a cluster that is not there: %v", err)
	}
	i, err := b.join("shop", "")
	if err != nil || i.Cluster != "shop" || i.Status != model.ContainerInstanceActive || i.Registered.CPU != 2048 ||
		!strings.HasPrefix(i.ARN, place.ARN("ecs", "container-instance/shop/")) {
		t.Fatalf("%+v, %v", i, err)
	}
	again, err := b.join("shop", i.ARN)
	if err != nil || again.ARN != i.ARN || again.RegisteredAt != i.RegisteredAt {
		t.Errorf("again: %+v, %v", again, err)
	}
	if n := len(state.Instances.By(b.db.View(), "cluster", "shop")); n != 1 {
		t.Errorf("%d container instances", n)
	}
	other, err := b.join("", "")
	if err != nil || other.Cluster != "default" || other.ARN == i.ARN {
		t.Errorf("in another cluster: %+v, %v", other, err)
	}
}

func TestAnOwnInstanceThatWasDeregisteredJoinsAsANewOne(t *testing.T) {
	b := newBench(t)
	b.own()
	i, err := b.join("shop", "")
	if err != nil {
		t.Fatal(err)
	}
	b.as("api/ecs", func(tx *store.Tx) error {
		return state.Instances.Edit(tx, ownID, func(i *model.Instance) error { i.Status = model.ContainerInstanceInactive; return nil })
	})
	again, err := b.join("shop", "")
	if err != nil || again.ARN == i.ARN || again.Status != model.ContainerInstanceActive {
		t.Errorf("%+v, %v", again, err)
	}
}
