package placement_test

import (
	"strings"
	"testing"

	"berth/internal/model"
	"berth/internal/plan/placement"
)

// Proves: FG11
func TestFargatesTasksAreSpreadAndOthersLeft(t *testing.T) {
	zones := map[string]string{"a": "subnet-a", "c": "subnet-c"}
	f := placement.Facts{
		Definition: func(string) *model.TaskDefinition { return &model.TaskDefinition{ARN: "td", CPU: 256, Memory: 512} },
		Zone:       func(s string) string { return strings.TrimPrefix(s, "subnet-") },
		Slices:     []*model.Instance{{ARN: "slice", AvailabilityZone: "a"}},
		Tasks: []*model.Task{{
			ARN: "t0", Group: "g", TaskDefinition: "td", Instance: "slice", LastStatus: model.TaskRunning, DesiredStatus: model.TaskRunning,
		}},
	}
	asks := []placement.Ask{
		{Task: "managed", Provider: "cp", Subnets: zones},
		{Task: "t1", Group: "g", Provider: model.ProviderFargate, Subnets: zones},
		{Task: "never", Provider: model.ProviderFargate, Subnets: zones, Impossible: "too large"},
		{Task: "t2", Group: "g", Provider: model.ProviderFargateSpot, Subnets: zones},
		{Task: "nowhere", Provider: model.ProviderFargate},
	}
	granted, rest := f.Apart(asks)
	var got []string
	for _, s := range granted {
		got = append(got, s.Task+" "+s.Provider+" "+s.Zone+" "+s.Subnet)
	}
	for _, a := range rest {
		got = append(got, "rest "+a.Task)
	}
	want := "t1 FARGATE c subnet-c, t2 FARGATE_SPOT a subnet-a, rest managed, rest never, rest nowhere"
	if s := strings.Join(got, ", "); s != want {
		t.Errorf("%s, want %s", s, want)
	}
	if why := granted[1].Why(); !strings.Contains(why, "its zone a runs 1 of g") {
		t.Error(why)
	}
	if none, rest := f.Apart(asks[:1]); none != nil || len(rest) != 1 {
		t.Errorf("%v and %v of a task of a managed instance", none, rest)
	}
}
