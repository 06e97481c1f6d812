package simagent

import (
	"encoding/base64"
	"testing"

	"github.com/google/go-cmp/cmp"

	"berth/internal/dispatch"
	"berth/internal/model"
	"berth/internal/state"
	"berth/internal/store"
)

func TestWhichClusterAnAgentJoins(t *testing.T) {
	own := func(text string) model.Instance {
		return model.Instance{Kind: model.KindEC2, Launch: &model.Launch{UserData: base64.StdEncoding.EncodeToString([]byte(text))}}
	}
	broken := own("")
	broken.Launch.UserData = "%"
	for want, i := range map[string]model.Instance{
		"managed": {Cluster: "managed"},
		"shop":    own("#!/bin/bash\necho ECS_CLUSTER=shop >> /etc/ecs/ecs.config\n"),
		"quoted":  own("cat <<E > /etc/ecs/ecs.config\nECS_CLUSTER='quoted'\nE\n"),
	} {
		if got := clusterOf(i); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
	for _, i := range []model.Instance{own("#!/bin/sh\n"), broken, {Kind: model.KindEC2}} {
		if got := clusterOf(i); got != "" {
			t.Errorf("%q", got)
		}
	}
}

// Containers get the host ports that are named, and others the first that no
// task of the instance has; those of a task that stopped are free again.
func TestHostPorts(t *testing.T) {
	db, err := state.Open(t.Context(), store.NewMemory(), false)
	if err != nil {
		t.Fatal(err)
	}
	has := func(status model.TaskStatus, port int64) model.Task {
		return model.Task{
			ARN: string(status), Instance: "i", LastStatus: status,
			Containers: []model.TaskContainer{{Name: "app", Bindings: []model.NetworkBinding{{HostPort: port}}}},
		}
	}
	if err := db.Update(t.Context(), "test", func(tx *store.Tx) error {
		for _, old := range []model.Task{has(model.TaskRunning, firstPort), has(model.TaskStopped, firstPort+1)} {
			if err := state.Tasks.Put(tx, old); err != nil {
				return err
			}
		}
		for arn, kind := range map[string]model.InstanceKind{"i": model.KindEC2, "managed": ""} {
			if err := state.Instances.Put(tx, model.Instance{ID: arn, ARN: arn, Kind: kind}); err != nil {
				return err
			}
		}
		return state.TaskDefinitions.Put(tx, model.TaskDefinition{
			ARN: "td", NetworkMode: model.NetworkBridge, Containers: []model.ContainerDefinition{
				{Name: "app", PortMappings: []model.PortMapping{{ContainerPort: 80, HostPort: 8080, Protocol: "tcp"}, {ContainerPort: 81}}},
				{Name: "other", PortMappings: []model.PortMapping{{ContainerPort: 82}}}, {Name: "none"},
			},
		})
	}); err != nil {
		t.Fatal(err)
	}
	task := model.Task{TaskDefinition: "td", LaunchType: model.LaunchEC2, Instance: "i"}
	reports := []dispatch.ContainerReport{{Name: "app"}, {Name: "other"}, {Name: "none"}, {Name: "unknown"}}
	bind(db.View(), task, reports)
	var got []int64
	for _, r := range reports {
		for _, b := range r.Bindings {
			got = append(got, b.ContainerPort, b.HostPort)
		}
	}
	if diff := cmp.Diff([]int64{80, 8080, 81, firstPort + 1, 82, firstPort + 2}, got); diff != "" {
		t.Error(diff)
	}
	task.Instance = "managed"
	managed := []dispatch.ContainerReport{{Name: "app"}}
	bind(db.View(), task, managed)
	if len(managed[0].Bindings) > 0 {
		t.Errorf("a task in awsvpc mode has %+v", managed[0].Bindings)
	}
}
