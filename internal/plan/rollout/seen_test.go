package rollout_test

import (
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"berth/internal/model"
	"berth/internal/plan/rollout"
)

// fixed are the fields of a task that never change.
var fixed = []string{
	"ARN", "ID", "Cluster", "Service", "Revision", "Group", "StartedBy", "TaskDefinition", "Network", "Strategy",
	"LoadBalancers", "LaunchType",
	"Constraints", "Placement", "Host", "Overrides", "CPU", "Memory", "Tags", "ExecuteCommand", "ClientToken", "CreatedAt",
}

// blurred is a task that differs in all that Seen says does not matter.
func blurred(t *model.Task) *model.Task {
	out := model.Clone(*t)
	v := reflect.ValueOf(&out).Elem()
	for i := range v.NumField() {
		if slices.Contains(fixed, v.Type().Field(i).Name) {
			continue
		}
		before := reflect.New(v.Field(i).Type()).Elem()
		before.Set(v.Field(i))
		change(v.Field(i))
		if rollout.See(&out) != rollout.See(t) {
			v.Field(i).Set(before)
		}
	}
	return &out
}

// change makes a field another.
func change(v reflect.Value) {
	switch x := v.Addr().Interface().(type) {
	case *model.TaskStatus:
		*x = map[model.TaskStatus]model.TaskStatus{
			model.TaskProvisioning: model.TaskPending, model.TaskPending: model.TaskActivating, model.TaskActivating: model.TaskProvisioning,
			model.TaskStopping: model.TaskDeprovisioning, model.TaskDeprovisioning: model.TaskStopping,
		}[*x]
	case *time.Time:
		*x = x.Add(time.Hour)
	case *[]model.TaskContainer:
		for i := range *x {
			(*x)[i].LastStatus, (*x)[i].Reason = "?", "?"
			if strings.Contains((*x)[i].Image, "@") {
				(*x)[i].ImageDigest = "?"
			}
		}
	case *bool:
		*x = !*x
	case *int64:
		*x++
	default:
		v.SetString(v.String() + "?")
	}
}

// blind decides on a world and on one that differs in what Seen leaves out.
func (b *bench) blind() {
	decide := func(blur bool) rollout.Plan {
		w, n := b.w, 0
		w.IDs = func() string { n++; return fmt.Sprintf("%032d", n) }
		w.Tasks = slices.Clone(w.Tasks)
		for i, t := range w.Tasks {
			if blur {
				w.Tasks[i] = blurred(t)
			}
		}
		return rollout.Decide(w)
	}
	if sharp, blurred := decide(false), decide(true); !reflect.DeepEqual(sharp, blurred) {
		b.t.Fatal("what is not seen changes the plan: " + cmp.Diff(sharp, blurred))
	}
}

func TestSeenLeavesOutTheWayToRunning(t *testing.T) {
	a := &model.Task{ARN: "a", LastStatus: model.TaskProvisioning, Containers: []model.TaskContainer{{Name: "app"}}}
	b := blurred(a)
	for _, f := range []string{"LastStatus", "Refusal", "ENI", "Version", "CapacityProvider", "Containers", "StoppedAt"} {
		if reflect.DeepEqual(reflect.ValueOf(*a).FieldByName(f).Interface(), reflect.ValueOf(*b).FieldByName(f).Interface()) {
			t.Errorf("%s is seen", f)
		}
	}
	for _, f := range []string{"Instance", "DesiredStatus", "Health", "StartedAt", "Noted", "Proven"} {
		if !reflect.DeepEqual(reflect.ValueOf(*a).FieldByName(f).Interface(), reflect.ValueOf(*b).FieldByName(f).Interface()) {
			t.Errorf("%s is not seen", f)
		}
	}
}
