package scaling_test

import (
	"context"
	"fmt"
	"log/slog"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"berth/internal/clock"
	"berth/internal/control"
	"berth/internal/controllers/scaling"
	"berth/internal/fault"
	"berth/internal/ident"
	"berth/internal/model"
	"berth/internal/series"
	"berth/internal/state"
	"berth/internal/store"
)

const (
	svcARN    = "arn:aws:ecs:us-east-1:000000000000:service/c/web"
	policyARN = "arn:aws:autoscaling:us-east-1:000000000000:scalingPolicy:p:resource/ecs/service/c/web:policyName/cpu"
	targetKey = "ecs|service/c/web|ecs:service:DesiredCount"
)

var start = time.Date(2026, 8, 1, 0, 0, 0, 0, time.UTC)

// world is a service whose tasks run at once, with a given load that they
// share.
type world struct {
	t      *testing.T
	db     *state.DB
	clock  *clock.Stepped
	series *series.Store
	engine *control.Engine
	load   float64 // percent of one task
	fail   bool
}

// Invoke is ECS's UpdateService.
func (w *world) Invoke(ctx context.Context, as ident.Principal, svc, op string, in map[string]any) (map[string]any, error) {
	if svc != "ecs" || op != "UpdateService" || !as.Root {
		return nil, fmt.Errorf("unexpected %s %s", svc, op)
	}
	if w.fail {
		return nil, fault.New(fault.Invalid, "ServiceNotActiveException", "Service was not ACTIVE.")
	}
	return nil, w.db.Update(ctx, "api/ecs", func(tx *store.Tx) error {
		return state.Services.Edit(tx, svcARN, func(s *model.Service) error { s.DesiredCount = in["desiredCount"].(int64); return nil })
	})
}

func newWorld(t *testing.T, lo, hi, desired int64) *world {
	t.Helper()
	db, err := state.Open(t.Context(), store.NewMemory(), true)
	if err != nil {
		t.Fatal(err)
	}
	s, err := series.Memory()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close(); _ = db.Close() })
	w := &world{t: t, db: db, clock: clock.NewStepped(start), series: s}
	loop := scaling.New(scaling.Deps{DB: db, Series: s, Invoker: w, IDs: ident.Seeded(1), Place: ident.Place{Partition: "aws", Region: "us-east-1", Account: "000000000000"}})
	w.engine = control.New(db, w.clock, slog.New(slog.DiscardHandler), loop)
	w.engine.Begin(t.Context(), true)
	w.engine.Open()
	w.put("api/ecs", func(tx *store.Tx) error {
		return state.Services.Put(tx, model.Service{ARN: svcARN, Name: "web", Cluster: "c", Status: "ACTIVE", DesiredCount: desired})
	})
	alarm := func(name, comparison string, periods int64, threshold float64) model.Alarm {
		return model.Alarm{
			Name: name, ARN: "arn:aws:cloudwatch:us-east-1:000000000000:alarm:" + name, Namespace: "AWS/ECS", Metric: "CPUUtilization", Statistic: "Average", Period: 60,
			EvaluationPeriods: periods, Threshold: threshold, Comparison: comparison, TreatMissing: "missing", ActionsEnabled: true, AlarmActions: []string{policyARN + ":createdBy/x"},
			State: "INSUFFICIENT_DATA", ConfiguredAt: start, StateAt: start, Dimensions: []model.Dimension{{Name: "ClusterName", Value: "c"}, {Name: "ServiceName", Value: "web"}},
		}
	}
	w.put("api/autoscaling", func(tx *store.Tx) error {
		_ = state.ScalableTargets.Put(tx, model.ScalableTarget{Namespace: "ecs", ResourceID: "service/c/web", Dimension: "ecs:service:DesiredCount", Min: lo, Max: hi})
		_ = state.Alarms.Put(tx, alarm("high", "GreaterThanThreshold", 3, 50))
		_ = state.Alarms.Put(tx, alarm("low", "LessThanThreshold", 15, 45))
		return state.ScalingPolicies.Put(tx, model.ScalingPolicy{ARN: policyARN, Name: "cpu", Type: "TargetTrackingScaling", Target: targetKey, TargetValue: 50, Alarms: []string{"high", "low"}})
	})
	w.settle()
	return w
}

func (w *world) put(writer string, fn func(*store.Tx) error) {
	w.t.Helper()
	if err := w.db.Update(w.t.Context(), writer, fn); err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) settle() {
	w.t.Helper()
	if _, err := w.engine.Settle(w.t.Context(), 1000); err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) desired() int64 {
	s, _ := state.Services.Get(w.db.View(), svcARN)
	return s.DesiredCount
}

// minutes lets time pass: tasks run as wished, and tell their load.
func (w *world) minutes(n int) {
	w.t.Helper()
	for range n {
		want := w.desired()
		w.put("api/ecs", func(tx *store.Tx) error {
			for i := range max(want, int64(state.Tasks.Len(tx))) {
				arn := fmt.Sprintf("task-%03d", i)
				if i >= want {
					_ = state.Tasks.Delete(tx, arn)
					continue
				}
				_ = state.Tasks.Put(tx, model.Task{ARN: arn, Service: svcARN, LastStatus: model.TaskRunning, DesiredStatus: model.TaskRunning})
			}
			return nil
		})
		if w.load >= 0 {
			err := w.series.In("AWS/ECS").Count(w.t.Context(), w.clock.Now(), "CPUUtilization", "Percent", map[string]string{"ClusterName": "c", "ServiceName": "web"},
				[]float64{min(w.load/float64(max(want, 1)), 100)}, []float64{1})
			if err != nil {
				w.t.Fatal(err)
			}
		}
		w.clock.Advance(time.Minute)
		w.settle()
	}
}

func (w *world) alarm(name, want string) {
	w.t.Helper()
	if a, _ := state.Alarms.Get(w.db.View(), name); a.State != want {
		w.t.Errorf("alarm %s is %s (%s), want %s", name, a.State, a.StateReason, want)
	}
}

func (w *world) activities() []string {
	var out []string
	for _, x := range state.ScalingActivities.All(w.db.View()) {
		out = append(out, x.Status+": "+x.Description+" "+x.Cause)
	}
	return out
}

func TestLoadTriplesAndGoes(t *testing.T) {
	w := newWorld(t, 1, 8, 2)
	w.load = 60 // two tasks at 30 %
	w.minutes(5)
	w.alarm("high", "OK")
	if w.desired() != 2 {
		t.Fatalf("desired %d without need", w.desired())
	}
	w.load = 190 // 95 %
	w.minutes(5)
	if w.desired() != 4 {
		t.Errorf("desired %d after three minutes at 95 %%", w.desired())
	}
	w.minutes(10)
	if w.desired() != 4 {
		t.Errorf("desired %d: 47.5 %% is not too much", w.desired())
	}
	w.alarm("high", "OK")
	w.load = 20
	w.minutes(14)
	if w.desired() != 4 {
		t.Errorf("desired %d before fifteen quiet minutes", w.desired())
	}
	w.minutes(40)
	if w.desired() != 1 {
		t.Errorf("desired %d in the end", w.desired())
	}
	w.alarm("low", "ALARM")
}

func TestNoDataScalesNothing(t *testing.T) {
	w := newWorld(t, 1, 8, 4)
	w.load = -1
	w.minutes(30)
	if w.desired() != 4 {
		t.Errorf("desired %d", w.desired())
	}
	w.alarm("high", "INSUFFICIENT_DATA")
}

func TestNoScalingInDuringADeployment(t *testing.T) {
	w := newWorld(t, 1, 8, 4)
	w.put("api/ecs", func(tx *store.Tx) error {
		return state.Services.Edit(tx, svcARN, func(s *model.Service) error { s.CurrentDeployment = "d"; return nil })
	})
	w.load = 4
	w.minutes(30)
	if w.desired() != 4 {
		t.Errorf("desired %d", w.desired())
	}
	want := []string{"Unfulfilled: Attempting to scale due to alarm triggered monitor alarm low in state ALARM triggered policy cpu"}
	if diff := cmp.Diff(want, w.activities()); diff != "" {
		t.Error(diff)
	}
}

func TestAnActivityEndsWhenTheServiceRunsWhatWasAsked(t *testing.T) {
	w := newWorld(t, 1, 8, 2)
	w.load = 190
	w.minutes(3)
	cause := " Setting desired count to 4. monitor alarm high in state ALARM triggered policy cpu"
	if diff := cmp.Diff([]string{"InProgress:" + cause}, w.activities()); diff != "" {
		t.Error(diff)
	}
	w.minutes(1)
	if diff := cmp.Diff([]string{"Successful:" + cause}, w.activities()); diff != "" {
		t.Error(diff)
	}
}

func TestAnActivityIsOverriddenByHand(t *testing.T) {
	w := newWorld(t, 1, 8, 2)
	w.load = 190
	w.minutes(3)
	w.put("api/ecs", func(tx *store.Tx) error {
		return state.Services.Edit(tx, svcARN, func(s *model.Service) error { s.DesiredCount = 6; return nil })
	})
	w.minutes(1)
	if got := w.activities(); got[0][:10] != "Overridden" {
		t.Errorf("%v", got)
	}
}

func TestAFailureIsRecorded(t *testing.T) {
	w := newWorld(t, 1, 8, 2)
	w.fail = true
	w.load = 190
	w.minutes(5)
	if w.desired() != 2 {
		t.Errorf("desired %d", w.desired())
	}
	if got := w.activities(); len(got) == 0 || got[0] != "Failed: Setting desired count to 4. monitor alarm high in state ALARM triggered policy cpu" {
		t.Errorf("%v", got)
	}
}
