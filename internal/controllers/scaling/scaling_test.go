package scaling_test

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	aas "berth/internal/api/applicationautoscaling"
	"berth/internal/api/cloudwatch"
	"berth/internal/api/ecs"
	"berth/internal/clock"
	"berth/internal/control"
	"berth/internal/controllers/scaling"
	"berth/internal/fault"
	"berth/internal/front"
	"berth/internal/ident"
	"berth/internal/model"
	"berth/internal/series"
	"berth/internal/state"
	"berth/internal/store"
	"berth/internal/wire"
	saas "berth/internal/wire/shape/applicationautoscaling"
	scloudwatch "berth/internal/wire/shape/cloudwatch"
	secs "berth/internal/wire/shape/ecs"
)

const (
	svcARN   = "arn:aws:ecs:us-east-1:000000000000:service/c/web"
	resource = "service/c/web"
	dim      = "ecs:service:DesiredCount"
)

var (
	place = ident.Place{Partition: "aws", Region: "us-east-1", Account: "000000000000"}
	start = time.Date(2026, 8, 3, 0, 0, 0, 0, time.UTC) // a Monday
)

// world is a service behind the real APIs whose tasks run a minute after they
// are desired, with a given load that they share.
type world struct {
	*testing.T
	db     *state.DB
	clock  *clock.Stepped
	series *series.Store
	engine *control.Engine
	front  *front.Front
	load   float64 // percent of one task; negative: no figures come
	refuse error   // of UpdateService
	stuck  bool    // tasks do not follow
}

// as calls what the loop and the API call.
func (w *world) as(p ident.Principal) wire.Caller {
	return wire.CallerFunc(func(ctx context.Context, op *wire.Operation, in any) (any, error) {
		if op.Name == "UpdateService" && w.refuse != nil {
			return nil, w.refuse
		}
		if p.Root || p.Service != "application-autoscaling.amazonaws.com" {
			w.Errorf("%s is called by %+v", op, p)
		}
		return w.front.As(p).Call(ctx, op, in)
	})
}

// access allows everything.
type access struct{}

// Assume implements control.Access.
func (access) Assume(store.Reader, control.Assumption) (ident.Principal, error) {
	return ident.Principal{}, nil
}

// Allow implements control.Access.
func (access) Allow(store.Reader, ident.Principal, string, string, map[string]string) error {
	return nil
}

// Authorize implements front.Authorizer.
func (access) Authorize(context.Context, ident.Principal, string, []string, map[string]string) error {
	return nil
}

func newWorld(t *testing.T, desired int64) *world {
	t.Helper()
	db, err := state.Open(t.Context(), store.NewMemory(), true)
	if err != nil {
		t.Fatal(err)
	}
	data, err := series.Memory()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = data.Close(); _ = db.Close() })
	w := &world{T: t, db: db, clock: clock.NewStepped(start), series: data}
	ids := ident.Seeded(1)
	scale := aas.New(aas.Deps{DB: db, Clock: w.clock, IDs: ids, Place: place, As: w.as, Access: access{}})
	w.front, err = front.New(front.Deps{Place: place, Clock: w.clock, IDs: ids, Auth: access{}, Log: slog.New(
		slog.DiscardHandler,
	), Services: []front.Service{
		{Meta: secs.Meta, API: ecs.New(ecs.Deps{DB: db, Clock: w.clock, IDs: ids, Place: place}), Fields: ecs.Fields},
		{
			Meta: scloudwatch.Meta, API: cloudwatch.New(cloudwatch.Deps{DB: db, Clock: w.clock, Place: place, Series: data}),
			Fields: cloudwatch.Fields,
		},
		{Meta: saas.Meta, API: scale, Fields: aas.Fields, Resources: aas.Resources, Finders: scale.Finders()},
	}})
	if err != nil {
		t.Fatal(err)
	}
	loop := scaling.New(scaling.Deps{DB: db, Series: data, As: w.as, IDs: ids, Place: place})
	w.engine = control.New(db, w.clock, slog.New(slog.DiscardHandler), loop)
	w.engine.Begin(t.Context(), true)
	w.engine.Open()
	w.put("api/ecs", func(tx *store.Tx) error {
		_ = state.Clusters.Put(tx, model.Cluster{Name: "c", ARN: place.ARN("ecs", "cluster/c"), Status: model.ClusterActive})
		d := model.TaskDefinition{
			ARN: place.ARN("ecs", "task-definition/d:1"), Family: "d", Revision: 1, Status: model.DefinitionActive, NetworkMode: "host",
		}
		_ = state.TaskDefinitions.Put(tx, d)
		return state.Services.Put(tx, model.Service{
			ARN: svcARN, Name: "web", Cluster: "c", Status: model.ServiceActive, DesiredCount: desired, TaskDefinition: d.ARN,
			Deployment: model.DeploymentConfiguration{Strategy: model.StrategyRolling},
		})
	})
	w.follow()
	return w
}

// track registers the service and gives it a policy that tracks 50 % CPU.
func (w *world) track(low, high int64) {
	w.Helper()
	w.register(low, high)
	w.trackCPU(saas.TargetTrackingScalingPolicyConfiguration{})
	w.settle()
}

// root is Application Auto Scaling, as its user has it.
func (w *world) root() saas.Client {
	return saas.Client{Caller: w.front.As(ident.Root(place))}
}

// alarms is CloudWatch, as its user has it.
func (w *world) alarms() scloudwatch.Client {
	return scloudwatch.Client{Caller: w.front.As(ident.Root(place))}
}

func call[I, O any](w *world, operation func(context.Context, *I) (*O, error), in *I) *O {
	w.Helper()
	out, err := operation(w.Context(), in)
	if err != nil {
		w.Fatalf("%T: %v", in, err)
	}
	return out
}

func (w *world) register(low, high int64) {
	w.Helper()
	call(w, w.root().RegisterScalableTarget, &saas.RegisterScalableTargetInput{
		ServiceNamespace: wire.Ptr("ecs"), ResourceId: wire.Ptr(resource), ScalableDimension: wire.Ptr(dim), MinCapacity: &low,
		MaxCapacity: &high,
	})
}

// policy puts a policy of the service and returns its ARN.
func (w *world) policy(in saas.PutScalingPolicyInput) string {
	w.Helper()
	in.ServiceNamespace, in.ResourceId, in.ScalableDimension = wire.Ptr("ecs"), wire.Ptr(resource), wire.Ptr(dim)
	return *call(w, w.root().PutScalingPolicy, &in).PolicyARN
}

// trackCPU puts the policy that tracks 50 % CPU, with these cooldowns.
func (w *world) trackCPU(c saas.TargetTrackingScalingPolicyConfiguration) {
	w.Helper()
	c.TargetValue = wire.Ptr(50.0)
	c.PredefinedMetricSpecification = &saas.PredefinedMetricSpecification{
		PredefinedMetricType: wire.Ptr("ECSServiceAverageCPUUtilization"),
	}
	w.policy(saas.PutScalingPolicyInput{
		PolicyName: wire.Ptr("cpu"), PolicyType: wire.Ptr("TargetTrackingScaling"), TargetTrackingScalingPolicyConfiguration: &c,
	})
}

func (w *world) put(writer string, fn func(*store.Tx) error) {
	w.Helper()
	if err := w.db.Update(w.Context(), writer, fn); err != nil {
		w.Fatal(err)
	}
}

func (w *world) settle() {
	w.Helper()
	if _, err := w.engine.Settle(w.Context(), 2000); err != nil {
		w.Fatal(err)
	}
}

func (w *world) service(edit func(*model.Service)) {
	w.Helper()
	w.put("api/ecs", func(tx *store.Tx) error {
		return state.Services.Edit(tx, svcARN, func(s *model.Service) error { edit(s); return nil })
	})
	w.settle()
}

func (w *world) desired() int64 {
	s, _ := state.Services.Get(w.db.View(), svcARN)
	return s.DesiredCount
}

// follow lets tasks run as is desired.
func (w *world) follow() {
	w.Helper()
	want := w.desired()
	w.put("api/ecs", func(tx *store.Tx) error {
		for i := range max(want, int64(state.Tasks.Len(tx))) {
			arn := fmt.Sprintf("task-%03d", i)
			if i >= want {
				_ = state.Tasks.Delete(tx, arn)
				continue
			}
			_ = state.Tasks.Put(tx, model.Task{
				ARN: arn, ID: arn, Cluster: "c", Service: svcARN, LastStatus: model.TaskRunning, DesiredStatus: model.TaskRunning,
			})
		}
		return nil
	})
}

// minutes lets time pass, ten seconds at a time.
func (w *world) minutes(n int) {
	w.Helper()
	for range n {
		if running := int64(state.Tasks.Len(w.db.View())); w.load >= 0 && running > 0 {
			err := w.series.In("AWS/ECS").Count(w.Context(), w.clock.Now(), "CPUUtilization", "Percent", map[string]string{
				"ClusterName": "c", "ServiceName": "web",
			},
				[]float64{min(w.load/float64(running), 100)}, []float64{1})
			if err != nil {
				w.Fatal(err)
			}
		}
		for range 6 {
			w.clock.Advance(10 * time.Second)
			w.settle()
		}
		if !w.stuck {
			w.follow()
			w.settle()
		}
	}
}

func (w *world) alarm(side string) model.Alarm {
	w.Helper()
	for _, a := range state.Alarms.All(w.db.View()) {
		if strings.Contains(a.Name, side) {
			return a
		}
	}
	w.Fatalf("there is no alarm %s", side)
	return model.Alarm{}
}

func (w *world) isAlarm(side, want string) {
	w.Helper()
	if a := w.alarm(side); a.State != model.AlarmState(want) {
		w.Errorf("%s is %s (%s), want %s", side, a.State, a.StateReason, want)
	}
}

// activities are told oldest first, without the alarms' ids.
func (w *world) activities() []string {
	w.Helper()
	out := call(w, w.root().DescribeScalingActivities, &saas.DescribeScalingActivitiesInput{
		ServiceNamespace: wire.Ptr("ecs"), ResourceId: wire.Ptr(resource), ScalableDimension: wire.Ptr(dim),
		IncludeNotScaledActivities: wire.Ptr(true),
	})
	var all []string
	for _, x := range out.ScalingActivities {
		cause := *x.Cause
		for _, side := range []string{"High", "Low"} {
			if a := "TargetTracking-" + resource + "-Alarm" + side + "-"; strings.Contains(cause, a) {
				_, id, _ := strings.Cut(cause, a)
				cause = strings.Replace(cause, a+strings.Fields(id)[0], side, 1)
			}
		}
		text := *x.StatusCode + ": " + *x.Description + " " + cause
		if x.StatusMessage != nil {
			text += ". " + *x.StatusMessage
		}
		if len(x.NotScaledReasons) > 0 {
			text += " " + reason(x.NotScaledReasons[0])
		}
		all = append(all, text)
	}
	slices.Reverse(all)
	return all
}

// reason is a reason with the bound that it names.
func reason(r saas.NotScaledReason) string {
	if r.MinCapacity != nil {
		return fmt.Sprintf("%s (minimum %d)", *r.Code, *r.MinCapacity)
	}
	return *r.Code
}

func (w *world) same(want ...string) {
	w.Helper()
	if d := cmp.Diff(want, w.activities()); d != "" {
		w.Error(d)
	}
}

const (
	highCause = "monitor alarm High in state ALARM triggered policy cpu"
	lowCause  = "monitor alarm Low in state ALARM triggered policy cpu"
)

// Proves: D75, D77, D81
func TestLoadTriplesAndGoes(t *testing.T) {
	w := newWorld(t, 2)
	w.track(1, 8)
	w.load = 98 // two tasks at 49 %
	w.minutes(5)
	w.isAlarm("AlarmHigh", "OK")
	w.load = 192 // 96 %
	w.minutes(2)
	if w.desired() != 2 {
		t.Fatalf("desired %d after two minutes", w.desired())
	}
	w.minutes(2)
	if w.desired() != 4 {
		t.Errorf("desired %d after three minutes at 96 %%", w.desired())
	}
	w.minutes(10)
	if w.desired() != 4 {
		t.Errorf("desired %d: 48 %% is not too much", w.desired())
	}
	w.isAlarm("AlarmHigh", "OK")
	w.load = 20
	w.minutes(13)
	if w.desired() != 4 {
		t.Errorf("desired %d before fifteen quiet minutes", w.desired())
	}
	w.minutes(30)
	if w.desired() != 1 {
		t.Errorf("desired %d in the end", w.desired())
	}
	w.isAlarm("AlarmLow", "ALARM")
	done := func(n int, cause string) string {
		return fmt.Sprintf(
			"Successful: Setting desired count to %d. %s. Successfully set desired count to %d. Change successfully fulfilled by ecs.", n, cause, n,
		)
	}
	w.same(
		done(4, highCause), done(3, lowCause), done(2, lowCause), done(1, lowCause),
		"Failed: Attempting to scale due to alarm triggered "+lowCause+" AlreadyAtMinCapacity (minimum 1)",
	)
	if a := w.alarm("AlarmLow"); !strings.HasPrefix(a.StateReason, "Threshold Crossed: 15 out of the last 15 datapoints [") ||
		!strings.Contains(a.StateData, `"threshold":45.0`) {
		t.Errorf("%s %s", a.StateReason, a.StateData)
	}
}

// Proves: D76
func TestAnAlarmActsOnceAMinute(t *testing.T) {
	w := newWorld(t, 2)
	w.track(1, 100)
	w.trackCPU(saas.TargetTrackingScalingPolicyConfiguration{
		ScaleOutCooldown: wire.Ptr(int64(0)), ScaleInCooldown: wire.Ptr(int64(0)),
	})
	w.load = 1e6 // as many as there are, all are busy
	w.minutes(3)
	var got []int64
	for range 4 {
		w.minutes(1)
		got = append(got, w.desired())
	}
	if d := cmp.Diff([]int64{4, 8, 16, 32}, got); d != "" {
		t.Error(d)
	}
}

// Proves: D78
func TestTheCooldownHoldsUnlessTheNeedGrows(t *testing.T) {
	w := newWorld(t, 2)
	w.track(1, 100)
	w.load = 1e6
	w.minutes(8)
	if w.desired() != 4 {
		t.Errorf("desired %d during the cooldown", w.desired())
	}
	w.minutes(2)
	if w.desired() != 8 {
		t.Errorf("desired %d after it", w.desired())
	}
}

func TestNoDataScalesNothing(t *testing.T) {
	w := newWorld(t, 4)
	w.track(1, 8)
	w.load = -1
	w.minutes(30)
	if w.desired() != 4 {
		t.Errorf("desired %d", w.desired())
	}
	w.isAlarm("AlarmHigh", "INSUFFICIENT_DATA")
	w.load = 10
	w.minutes(3)
	w.isAlarm("AlarmHigh", "OK")
	w.isAlarm("AlarmLow", "INSUFFICIENT_DATA")
}

// Proves: D79, D81
func TestNoScalingInDuringADeployment(t *testing.T) {
	w := newWorld(t, 4)
	w.track(1, 8)
	w.service(func(s *model.Service) { s.CurrentDeployment = "d" })
	w.load = 4
	w.minutes(30)
	if w.desired() != 4 {
		t.Errorf("desired %d", w.desired())
	}
	w.same("Failed: Attempting to scale due to alarm triggered " + lowCause + " TargetServicePutResourceAsUnscalable")
	w.load = 396
	w.minutes(4)
	if w.desired() != 8 {
		t.Errorf("desired %d: a deployment keeps nothing from scaling out", w.desired())
	}
}

func TestAnActivityEndsWhenTheServiceRunsWhatWasAsked(t *testing.T) {
	w := newWorld(t, 2)
	w.track(1, 8)
	w.load, w.stuck = 192, true
	w.minutes(4)
	setting := ": Setting desired count to 4. " + highCause + ". Successfully set desired count to 4. "
	w.same("InProgress" + setting + "Waiting for change to be fulfilled by ecs.")
	w.stuck, w.load = false, 100
	w.minutes(1)
	w.same("Successful" + setting + "Change successfully fulfilled by ecs.")
}

func TestAnActivityIsOverriddenByHand(t *testing.T) {
	w := newWorld(t, 2)
	w.track(1, 8)
	w.load, w.stuck = 192, true
	w.minutes(4)
	w.service(func(s *model.Service) { s.DesiredCount = 6 })
	w.same("Overridden: Setting desired count to 4. " + highCause + ". Successfully set desired count to 4. Found it was later changed to 6.")
}

func TestAnActivityThatNeverComesTrueIsUnfulfilled(t *testing.T) {
	w := newWorld(t, 2)
	w.track(1, 8)
	w.load, w.stuck = 192, true
	w.minutes(70)
	if got := w.activities(); !strings.HasPrefix(got[0], "Unfulfilled: Setting desired count to 4.") {
		t.Errorf("%v", got)
	}
}

func TestARefusalByECSIsRecorded(t *testing.T) {
	w := newWorld(t, 2)
	w.track(1, 8)
	w.refuse = fault.New(fault.Invalid, "ClientException", "No.")
	w.load = 192
	w.minutes(4)
	if w.desired() != 2 {
		t.Errorf("desired %d", w.desired())
	}
	if got := w.activities(); len(got) == 0 ||
		got[0] != "Failed: Setting desired count to 4. "+highCause+". Failed to set desired count to 4. Reason: No." {
		t.Errorf("%v", got)
	}
	w.refuse = nil
	w.minutes(1)
	if w.desired() != 4 {
		t.Errorf("desired %d: it tries again a minute later", w.desired())
	}
}

func TestBoundsSetByHandEndTheirActivity(t *testing.T) {
	w := newWorld(t, 1)
	w.register(3, 8)
	w.minutes(1)
	w.same(
		"Successful: Setting desired count to 3. minimum capacity was set to 3. Successfully set desired count to 3. Change successfully " +
			"fulfilled by ecs.",
	)
}

func TestAUsersAlarmTriggersSteps(t *testing.T) {
	w := newWorld(t, 2)
	w.register(1, 8)
	arn := w.policy(saas.PutScalingPolicyInput{PolicyName: wire.Ptr("steps"), PolicyType: wire.Ptr("StepScaling"),
		StepScalingPolicyConfiguration: &saas.StepScalingPolicyConfiguration{
			AdjustmentType: wire.Ptr("ChangeInCapacity"), StepAdjustments: []saas.StepAdjustment{
				{MetricIntervalLowerBound: wire.Ptr(0.0), MetricIntervalUpperBound: wire.Ptr(20.0), ScalingAdjustment: wire.Ptr(int64(1))},
				{MetricIntervalLowerBound: wire.Ptr(20.0), ScalingAdjustment: wire.Ptr(int64(3))},
			},
		}})
	call(w, w.alarms().PutMetricAlarm, &scloudwatch.PutMetricAlarmInput{
		AlarmName: wire.Ptr("queue"), AlarmActions: []string{arn}, Namespace: wire.Ptr("N"), MetricName: wire.Ptr("M"),
		Statistic: wire.Ptr("Maximum"), Period: wire.Ptr(int64(300)), EvaluationPeriods: wire.Ptr(int64(1)), Threshold: wire.Ptr(100.0),
		ComparisonOperator: wire.Ptr("GreaterThanThreshold"),
	})
	w.settle()
	if err := w.series.In("N").Count(t.Context(), w.clock.Now(), "M", "", nil, []float64{130}, []float64{1}); err != nil {
		t.Fatal(err)
	}
	w.minutes(2) // a period of five minutes ends with each minute
	if w.desired() != 5 {
		t.Errorf("desired %d", w.desired())
	}
	w.minutes(2)
	if w.desired() != 5 {
		t.Errorf("desired %d during the cooldown", w.desired())
	}
}

func TestAStateSetByHandActsAtOnce(t *testing.T) {
	w := newWorld(t, 4)
	w.track(1, 8)
	w.load = 240 // 60 %, as yet for two minutes
	w.minutes(2)
	w.clock.Advance(10 * time.Second)
	w.settle()
	call(w, w.alarms().SetAlarmState, &scloudwatch.SetAlarmStateInput{
		AlarmName: wire.Ptr(w.alarm("AlarmHigh").Name), StateValue: wire.Ptr("ALARM"), StateReason: wire.Ptr("test"),
	})
	w.settle()
	if w.desired() != 5 {
		t.Errorf("desired %d", w.desired())
	}
}

func TestAlarmsWithoutActionsDoNothing(t *testing.T) {
	w := newWorld(t, 2)
	w.track(1, 8)
	call(w, w.alarms().DisableAlarmActions, &scloudwatch.DisableAlarmActionsInput{AlarmNames: []string{w.alarm("AlarmHigh").Name}})
	w.load = 192
	w.minutes(6)
	w.isAlarm("AlarmHigh", "ALARM")
	if w.desired() != 2 {
		t.Errorf("desired %d", w.desired())
	}
	call(w, w.alarms().EnableAlarmActions, &scloudwatch.EnableAlarmActionsInput{AlarmNames: []string{w.alarm("AlarmHigh").Name}})
	w.settle()
	if w.desired() != 4 {
		t.Errorf("desired %d", w.desired())
	}
}

func TestATargetGoesWithItsService(t *testing.T) {
	w := newWorld(t, 2)
	w.track(1, 8)
	w.service(func(s *model.Service) { s.Status = model.ServiceInactive })
	v := w.db.View()
	if n := state.ScalableTargets.Len(v) + state.ScalingPolicies.Len(v) + state.Alarms.Len(v); n != 0 {
		t.Errorf("%d records are left", n)
	}
}

func TestOldActivitiesAreForgotten(t *testing.T) {
	w := newWorld(t, 1)
	w.register(3, 8)
	w.minutes(1)
	w.clock.Advance(43 * 24 * time.Hour)
	w.service(func(s *model.Service) { s.DesiredCount = 4 })
	if n := state.ScalingActivities.Len(w.db.View()); n != 0 {
		t.Errorf("%d activities after six weeks", n)
	}
}

// TestAChangeIsNeverWithoutAnActivity: the server was ended while ECS was
// asked, and finds what was begun.
func TestAChangeIsNeverWithoutAnActivity(t *testing.T) {
	for _, c := range []struct {
		to   int64
		want string
	}{
		{2, "Successful: Setting desired count to 2. c. Successfully set desired count to 2. Change successfully fulfilled by ecs."},
		{5, "Failed: Setting desired count to 5. c. Failed to set desired count to 5."},
	} {
		w := newWorld(t, 2)
		w.register(1, 8)
		w.put("controllers/scaling", func(tx *store.Tx) error {
			return state.ScalingActivities.Put(tx, model.ScalingActivity{
				ID: "1", Target: "ecs|" + resource + "|" + dim, To: c.to, Status: model.ActivityPending,
				Description: fmt.Sprintf("Setting desired count to %d.", c.to), Cause: "c", StartedAt: start,
			})
		})
		w.settle()
		w.same(c.want)
	}
}

func TestNothingIsWrittenWhileNothingHappens(t *testing.T) {
	w := newWorld(t, 2)
	w.track(1, 8)
	w.load = 98
	w.minutes(20)
	before := w.db.View().Revision()
	for range 30 { // time passes, and tasks stay as they are
		if err := w.series.In("AWS/ECS").Count(
			t.Context(), w.clock.Now(), "CPUUtilization", "Percent", map[string]string{"ClusterName": "c", "ServiceName": "web"}, []float64{49},
			[]float64{1},
		); err != nil {
			t.Fatal(err)
		}
		w.clock.Advance(time.Minute)
		w.settle()
	}
	if after := w.db.View().Revision(); after != before {
		t.Errorf("%d transactions in half an hour", after-before)
	}
}

func TestScheduledActionsRunInOrder(t *testing.T) {
	w := newWorld(t, 1)
	w.register(1, 4)
	for name, c := range map[string]struct {
		schedule string
		lo, hi   int64
	}{"morning": {"cron(0 8 ? * MON-FRI *)", 3, 6}, "evening": {"cron(0 18 ? * MON-FRI *)", 1, 2}} {
		call(w, w.root().PutScheduledAction, &saas.PutScheduledActionInput{
			ServiceNamespace: wire.Ptr("ecs"), ResourceId: wire.Ptr(resource), ScalableDimension: wire.Ptr(dim), ScheduledActionName: &name,
			Schedule:             &c.schedule,
			ScalableTargetAction: &saas.ScalableTargetAction{MinCapacity: &c.lo, MaxCapacity: &c.hi},
		})
	}
	w.settle()
	w.clock.Advance(8*time.Hour - time.Second)
	w.settle()
	if w.desired() != 1 {
		t.Errorf("desired %d before eight", w.desired())
	}
	w.clock.Advance(time.Second)
	w.settle()
	w.follow()
	w.settle()
	if w.desired() != 3 {
		t.Errorf("desired %d at eight", w.desired())
	}
	want := []string{
		"Successful: Setting min capacity to 3 and max capacity to 6 scheduled action name morning was triggered. Successfully set min " +
			"capacity to 3 and max capacity to 6",
		"Successful: Setting desired count to 3. minimum capacity was set to 3. Successfully set desired count to 3. Change successfully " +
			"fulfilled by ecs.",
	}
	got := w.activities()
	slices.Sort(got) // both are of one moment
	slices.Sort(want)
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
	w.clock.Advance(14*24*time.Hour + 9*time.Hour) // a jump to a Monday at 17:00
	w.settle()
	target, _ := state.ScalableTargets.Get(w.db.View(), "ecs|"+resource+"|"+dim)
	if w.desired() != 3 || target.Max != 6 {
		t.Errorf("desired %d, maximum %d after a fortnight", w.desired(), target.Max)
	}
	call(w, w.root().RegisterScalableTarget, &saas.RegisterScalableTargetInput{
		ServiceNamespace: wire.Ptr("ecs"), ResourceId: wire.Ptr(resource), ScalableDimension: wire.Ptr(dim),
		SuspendedState: &saas.SuspendedState{ScheduledScalingSuspended: wire.Ptr(true)},
	})
	w.clock.Advance(2 * time.Hour)
	w.settle()
	if w.desired() != 3 {
		t.Errorf("desired %d although scheduled scaling is suspended", w.desired())
	}
}

func TestWake(t *testing.T) {
	loop := scaling.New(scaling.Deps{})
	alarm := model.Alarm{
		Name: "a", State: model.AlarmOK, ConfiguredAt: start,
		AlarmActions: []string{"arn:aws:autoscaling:r:a:scalingPolicy:id:resource/ecs/service/c/web:policyName/p:createdBy/x"},
	}
	turned := alarm
	turned.State = model.AlarmFiring
	acted := turned
	acted.ActedAt = start
	key := "ecs|service/c/web|ecs:service:DesiredCount"
	task := model.Task{Service: svcARN, LastStatus: model.TaskPending}
	ran := task
	ran.LastStatus = model.TaskRunning
	healthy := ran
	healthy.Health = model.Healthy
	for name, c := range map[string]struct {
		change store.Change
		want   []string
	}{
		"a new alarm":              {state.Alarms.Change(nil, &alarm), []string{"alarm|a", "target|" + key}},
		"an alarm's state":         {state.Alarms.Change(&alarm, &turned), []string{"target|" + key}},
		"an alarm that acted":      {state.Alarms.Change(&turned, &acted), nil},
		"a task that runs":         {state.Tasks.Change(&task, &ran), []string{"target|" + key}},
		"a task that is healthy":   {state.Tasks.Change(&ran, &healthy), nil},
		"a task without a service": {state.Tasks.Change(nil, &model.Task{LastStatus: "RUNNING"}), nil},
		"a service's events": {
			state.Services.Change(&model.Service{ARN: svcARN}, &model.Service{ARN: svcARN, Events: []model.ServiceEvent{{}}}), nil,
		},
		"a service's count": {
			state.Services.Change(&model.Service{ARN: svcARN}, &model.Service{ARN: svcARN, DesiredCount: 2}), []string{"target|" + key},
		},
		"something else": {state.Roles.Change(nil, &model.Role{}), nil},
	} {
		if d := cmp.Diff(c.want, loop.Wake().Keys(c.change)); d != "" {
			t.Errorf("%s: %s", name, d)
		}
	}
}
