package model_test

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"berth/internal/model"
)

func TestCloneSharesNothing(t *testing.T) {
	code := int64(3)
	a := model.Task{
		ARN: "a", Tags: []model.Tag{{Key: "k", Value: "v"}}, CreatedAt: time.Unix(5, 0),
		Network:    model.NetworkConfiguration{Subnets: []string{"s"}},
		Containers: []model.TaskContainer{{Name: "c", ExitCode: &code}},
	}
	b := model.Clone(a)
	if d := cmp.Diff(a, b); d != "" {
		t.Fatal(d)
	}
	b.Tags[0].Value = "other"
	b.Network.Subnets[0] = "other"
	*b.Containers[0].ExitCode = 4
	if a.Tags[0].Value != "v" || a.Network.Subnets[0] != "s" || *a.Containers[0].ExitCode != 3 {
		t.Errorf("the original changed: %+v", a)
	}
	r := model.StackResource{Properties: map[string]any{"list": []any{map[string]any{"x": 1}}}}
	c := model.Clone(r)
	c.Properties["list"].([]any)[0].(map[string]any)["x"] = 2
	if r.Properties["list"].([]any)[0].(map[string]any)["x"] != 1 {
		t.Error("documents are shared")
	}
}

// tree has every kind of what values share, and itself.
type tree struct {
	Name   string
	At     time.Time
	Up     *tree
	Sides  []tree
	ByName map[string]tree
	Lists  map[string][]int
	Words  []string
	Any    any
	Deep   *[]*int
	hidden []int
}

func TestCloneOfEveryKindSharesNothing(t *testing.T) {
	made := func() tree {
		n := 1
		leaf := tree{Name: "leaf", At: time.Unix(7, 0), Words: []string{"a"}, Any: map[string]any{"k": []any{"v", nil}}, Deep: &[]*int{&n, nil}}
		return tree{
			Up: &leaf, Sides: []tree{leaf, {}}, ByName: map[string]tree{"x": leaf}, Lists: map[string][]int{"l": {1}, "nil": nil},
			Any: tree{Words: []string{"b"}}, Words: []string{}, hidden: []int{1},
		}
	}
	a, b := made(), model.Clone(made())
	same := cmp.AllowUnexported(tree{})
	if d := cmp.Diff(a, b, same); d != "" {
		t.Fatal(d)
	}
	c := model.Clone(b)
	c.Up.Words[0], c.Sides[0].Words[0], c.ByName["x"].Words[0], c.Lists["l"][0] = "!", "!", "!", 2
	c.Any.(tree).Words[0], c.Up.Any.(map[string]any)["k"].([]any)[0], *(*c.Up.Deep)[0], (*c.Up.Deep)[1] = "!", "!", 2, new(int)
	if d := cmp.Diff(a, b, same); d != "" {
		t.Error("the original changed: " + d)
	}
}

func TestReservedFiguresOfATask(t *testing.T) {
	d := model.TaskDefinition{Containers: []model.ContainerDefinition{{CPU: 100, Memory: 64}, {CPU: 50, Memory: 128, MemoryReservation: 96}}}
	if d.CPUUnits() != 150 || d.MemoryMiB() != 160 {
		t.Errorf("cpu %d memory %d", d.CPUUnits(), d.MemoryMiB())
	}
	d.CPU, d.Memory = 256, 512
	if d.CPUUnits() != 256 || d.MemoryMiB() != 512 {
		t.Errorf("cpu %d memory %d", d.CPUUnits(), d.MemoryMiB())
	}
}

// Proves: D2
func TestBakeDefaultsToFifteenMinutesBeyondRolling(t *testing.T) {
	zero := int64(0)
	for _, c := range []struct {
		conf model.DeploymentConfiguration
		want time.Duration
	}{
		{model.DeploymentConfiguration{Strategy: model.StrategyRolling}, 0},
		{model.DeploymentConfiguration{Strategy: model.StrategyBlueGreen}, 15 * time.Minute},
		{model.DeploymentConfiguration{Strategy: model.StrategyCanary}, 15 * time.Minute},
		{model.DeploymentConfiguration{Strategy: model.StrategyBlueGreen, BakeMinutes: &zero}, 0},
	} {
		if got := c.conf.Bake(); got != c.want {
			t.Errorf("%+v bakes %v, want %v", c.conf, got, c.want)
		}
	}
}

func TestTagsMerge(t *testing.T) {
	got := model.SetTags([]model.Tag{{Key: "b", Value: "1"}, {Key: "a", Value: "1"}}, []model.Tag{{Key: "b", Value: "2"}})
	if d := cmp.Diff([]model.Tag{{Key: "a", Value: "1"}, {Key: "b", Value: "2"}}, got); d != "" {
		t.Error(d)
	}
	if got := model.DropTags(got, []string{"a"}); len(got) != 1 || got[0].Key != "b" {
		t.Errorf("%v", got)
	}
}

func TestTheVersionOfALaunchTemplate(t *testing.T) {
	lt := model.LaunchTemplate{Default: 2, Latest: 5}
	for which, want := range map[string]int64{"": 2, "$Default": 2, "$Latest": 5, "3": 3, "$Newest": 0} {
		if got := lt.Version(which); got != want {
			t.Errorf("%q: %d, want %d", which, got, want)
		}
	}
}

func TestTagsAreFoundAndRepeatedOnesTold(t *testing.T) {
	tags := []model.Tag{{Key: "a", Value: "1"}, {Key: "b", Value: "2"}}
	if model.TagValue(tags, "b") != "2" || model.TagValue(tags, "c") != "" {
		t.Error(model.TagValue(tags, "b"), model.TagValue(tags, "c"))
	}
	if key, repeated := model.RepeatedTag(tags); repeated {
		t.Error(key)
	}
	if key, repeated := model.RepeatedTag(append(tags, model.Tag{Key: "a"})); !repeated || key != "a" {
		t.Error(key, repeated)
	}
}

func TestWhoDoesNotTellALaunchedMachineFromARunningOne(t *testing.T) {
	for s, want := range map[model.InstanceState]model.InstanceState{
		model.InstancePending: "", model.InstanceRunning: "", model.InstanceShuttingDown: model.InstanceShuttingDown,
		model.InstanceTerminated: model.InstanceTerminated,
	} {
		if got := s.End(); got != want {
			t.Errorf("%s: %q", s, got)
		}
	}
}
