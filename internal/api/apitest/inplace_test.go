package apitest_test

import (
	"encoding/json"
	"maps"
	"testing"

	"github.com/google/go-cmp/cmp"

	"berth/internal/api/apitest"
	"berth/internal/model"
	"berth/internal/state"
	"berth/internal/store"
)

// shrinking are operations that take something out of a list of a record.
var shrinking = []struct {
	service, operation string
	in                 apitest.In
}{
	{"ec2", "DeleteLaunchTemplateVersions", apitest.In{"LaunchTemplateId": "lt-0000000000000000a", "Versions": []any{"1", "3"}}},
	{"ec2", "ModifyLaunchTemplate", apitest.In{"LaunchTemplateId": "lt-0000000000000000a", "DefaultVersion": "3"}},
	{"ec2", "DeleteTags", apitest.In{"Resources": []any{"lt-0000000000000000a"}, "Tags": []any{apitest.In{"Key": "a"}}}},
	{"ec2", "CreateTags", apitest.In{"Resources": []any{"lt-0000000000000000a"}, "Tags": []any{apitest.In{"Key": "a", "Value": "other"}}}},
	{"autoscaling", "ResumeProcesses", apitest.In{"AutoScalingGroupName": "g", "ScalingProcesses": []any{"Launch"}}},
	{"autoscaling", "SuspendProcesses", apitest.In{"AutoScalingGroupName": "g", "ScalingProcesses": []any{"AZRebalance"}}},
	{"autoscaling", "DeleteTags", apitest.In{"Tags": []any{apitest.In{"ResourceId": "g", "Key": "a"}}}},
	{"autoscaling", "CreateOrUpdateTags", apitest.In{"Tags": []any{apitest.In{"ResourceId": "g", "Key": "a", "Value": "other"}}}},
	{"autoscaling", "SetInstanceProtection", apitest.In{
		"AutoScalingGroupName": "g", "InstanceIds": []any{"i-00000000000000001"}, "ProtectedFromScaleIn": false,
	}},
}

// What was read from the state before a call is the same after it: records
// are not changed in place.
func TestRecordsAreNotChangedInPlace(t *testing.T) {
	t.Parallel()
	for _, c := range shrinking {
		t.Run(c.service+" "+c.operation, func(t *testing.T) {
			t.Parallel()
			w := apitest.NewWorld(t)
			putLists(w)
			view := w.DB.View()
			before := records(t, w, view)
			w.Must(c.service, c.operation, maps.Clone(c.in))
			if d := cmp.Diff(before, records(t, w, view)); d != "" {
				t.Errorf("an older view has changed:\n%s", d)
			}
			if cmp.Equal(before, records(t, w, w.DB.View())) {
				t.Error("the call has changed nothing")
			}
		})
	}
}

// putLists puts records whose lists have several items.
func putLists(w *apitest.World) {
	pairs := []model.Tag{{Key: "a", Value: "1"}, {Key: "b", Value: "2"}, {Key: "c", Value: "3"}}
	apitest.Put(w, state.LaunchTemplates, model.LaunchTemplate{
		ID: "lt-0000000000000000a", Name: "lt", Default: 2, Latest: 4, Tags: pairs,
		Versions: []model.LaunchTemplateVersion{{Number: 1}, {Number: 2}, {Number: 3}, {Number: 4}},
	})
	apitest.Put(w, state.Instances, model.Instance{
		ID: "i-00000000000000001", Kind: model.KindEC2, Group: "g", State: model.InstanceRunning, Launch: &model.Launch{},
	})
	apitest.Put(w, state.AutoScalingGroups, model.AutoScalingGroup{
		Name: "g", Suspended: []string{"Launch", "Terminate", "HealthCheck"}, Protected: []string{"i-00000000000000001", "i-00000000000000002"},
		Tags: []model.GroupTag{{Key: "a", Value: "1"}, {Key: "b", Value: "2"}, {Key: "c", Value: "3"}},
	})
}

// records are all records of a view, as JSON by table and key.
func records(t *testing.T, w *apitest.World, view *store.View) map[string]string {
	t.Helper()
	out := map[string]string{}
	w.DB.Records(view, func(c store.Change) {
		b, err := json.Marshal(c.New)
		if err != nil {
			t.Fatal(err)
		}
		out[c.Table+" "+c.Key] = string(b)
	})
	return out
}
