package instance_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"berth/internal/fault"
	"berth/internal/model"
	"berth/internal/state"
	"berth/internal/store"
)

const sliceID = "i-00000000000000051"

// slice adds the slice of task t1, with its interface.
func (w *world) slice() {
	w.as("controllers/task", func(tx *store.Tx) error {
		return state.Instances.Put(tx, model.Instance{
			ID: sliceID, ARN: place.ARN("ecs", "container-instance/c/slice"), Cluster: "c", Kind: model.KindSlice,
			CapacityProvider: model.ProviderFargate, Type: "fargate", AvailabilityZone: "ap-northeast-1a", CapacityOption: "ON_DEMAND",
			StorageGiB: 20, For: []string{"arn:aws:ecs:ap-northeast-1:000000000000:task/c/t1"},
			Expected: model.Resources{CPU: 256, Memory: 512, ENIs: 1}, Goal: model.GoalRun, State: model.InstancePending,
		})
	})
	w.as("controllers/network", func(tx *store.Tx) error {
		return errors.Join(
			state.NetworkInterfaces.Put(tx, model.NetworkInterface{
				ID: "eni-2", Kind: "slice", Owner: sliceID, IP: "100.64.0.1", MAC: "02:00:00:00:00:02", State: model.InterfaceAvailable,
			}),
			state.Instances.Edit(tx, sliceID, func(i *model.Instance) error { i.ENI, i.PrivateIP = "eni-2", "100.64.0.1"; return nil }))
	})
}

func TestASliceRunsWithoutRolesOfTheUser(t *testing.T) {
	w := newWorld(t)
	w.access.deny["iam:PassRole"] = true
	w.slice()
	w.advance(20 * time.Second)
	if i, _ := state.Instances.Get(w.db.View(), sliceID); i.State != model.InstanceRunning {
		t.Errorf("%+v", i)
	}
}

// Proves: FG13
func TestASliceWithoutCapacityIsToldAsOnAWS(t *testing.T) {
	w := newWorld(t)
	w.driver.RefuseIn("", fault.New(fault.Capacity, "InsufficientInstanceCapacity", "the host is full"))
	w.slice()
	w.advance(20 * time.Second)
	const want = "Capacity is unavailable at this time. Please try again later or in a different availability zone"
	if i, _ := state.Instances.Get(w.db.View(), sliceID); i.State != model.InstanceTerminated || i.StateReason != want {
		t.Errorf("%+v", i)
	}
	events := state.Services.All(w.db.View())[0].Events
	if len(events) != 1 || !strings.HasPrefix(events[0].Message, "(service web) was unable to place a task. Reason: "+want+". For more") {
		t.Errorf("%+v", events)
	}
}
