package autoscaling_test

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"berth/internal/api/autoscaling"
	"berth/internal/clock"
	"berth/internal/fault"
	"berth/internal/front"
	"berth/internal/ident"
	"berth/internal/model"
	"berth/internal/state"
	"berth/internal/store"
	"berth/internal/wire"
	shape "berth/internal/wire/shape/autoscaling"
)

func newAPI(t *testing.T) (*autoscaling.API, *state.DB) {
	t.Helper()
	db, err := state.Open(t.Context(), store.NewMemory(), true)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	if err := db.Update(t.Context(), "api/ecs", func(tx *store.Tx) error {
		return state.Services.Put(tx, model.Service{ARN: "arn:s", Name: "web", Cluster: "c", Status: "ACTIVE", DesiredCount: 1})
	}); err != nil {
		t.Fatal(err)
	}
	return autoscaling.New(autoscaling.Deps{
		DB: db, Clock: clock.NewStepped(time.Unix(1_800_000_000, 0)), IDs: ident.Seeded(1), Place: ident.Place{Partition: "aws", Region: "us-east-1", Account: "000000000000"},
	}), db
}

var ns, id, dim = wire.Ptr("ecs"), wire.Ptr("service/c/web"), wire.Ptr("ecs:service:DesiredCount")

func register(t *testing.T, a *autoscaling.API, lo, hi *int64) error {
	t.Helper()
	_, err := a.RegisterScalableTarget(t.Context(), &shape.RegisterScalableTargetInput{
		ServiceNamespace: ns, ResourceId: id, ScalableDimension: dim, MinCapacity: lo, MaxCapacity: hi, RoleARN: wire.Ptr("arn:aws:iam::000000000000:role/mine"),
	})
	return err
}

func refused(t *testing.T, err error, code, text string) {
	t.Helper()
	if fault.CodeOf(err) != code || !strings.Contains(fault.MessageOf(err), text) {
		t.Errorf("got %v (%s), want %s: %s", err, fault.CodeOf(err), code, text)
	}
}

func TestFieldsFitTheModel(t *testing.T) {
	if _, err := front.New(front.Deps{Rooms: []front.Room{{Meta: shape.Meta, API: &autoscaling.API{}, Fields: autoscaling.Fields}}}); err != nil {
		t.Fatal(err)
	}
}

func TestTargets(t *testing.T) {
	a, db := newAPI(t)
	refused(t, register(t, a, wire.Ptr[int64](1), nil), "ValidationException", "Both MinCapacity and MaxCapacity are required")
	refused(t, register(t, a, wire.Ptr[int64](5), wire.Ptr[int64](4)), "ValidationException", "")
	_, err := a.RegisterScalableTarget(t.Context(), &shape.RegisterScalableTargetInput{ServiceNamespace: ns, ResourceId: wire.Ptr("service/c/no"), ScalableDimension: dim, MinCapacity: wire.Ptr[int64](1), MaxCapacity: wire.Ptr[int64](2)})
	refused(t, err, "ValidationException", "ECS service doesn't exist: service/c/no")
	_, err = a.RegisterScalableTarget(t.Context(), &shape.RegisterScalableTargetInput{ServiceNamespace: wire.Ptr("dynamodb"), ResourceId: id, ScalableDimension: wire.Ptr("dynamodb:table:ReadCapacityUnits")})
	refused(t, err, "NotImplemented", "")
	if err := register(t, a, wire.Ptr[int64](1), wire.Ptr[int64](4)); err != nil {
		t.Fatal(err)
	}
	if err := register(t, a, nil, wire.Ptr[int64](6)); err != nil {
		t.Fatal(err)
	}
	out, err := a.DescribeScalableTargets(t.Context(), &shape.DescribeScalableTargetsInput{ServiceNamespace: ns})
	if err != nil || len(out.ScalableTargets) != 1 || *out.ScalableTargets[0].MinCapacity != 1 || *out.ScalableTargets[0].MaxCapacity != 6 {
		t.Fatalf("%+v, %v", out, err)
	}
	if r := *out.ScalableTargets[0].RoleARN; !strings.HasSuffix(r, "AWSServiceRoleForApplicationAutoScaling_ECSService") {
		t.Errorf("role %s", r)
	}
	if x, _ := state.ScalableTargets.Get(db.View(), "ecs|service/c/web|ecs:service:DesiredCount"); !x.Clamp {
		t.Error("nobody is asked to bring the count between the bounds")
	}
}

func TestTargetTrackingMakesTwoAlarms(t *testing.T) {
	a, db := newAPI(t)
	put := func(target float64) (*shape.PutScalingPolicyOutput, error) {
		return a.PutScalingPolicy(t.Context(), &shape.PutScalingPolicyInput{
			PolicyName: wire.Ptr("cpu"), ServiceNamespace: ns, ResourceId: id, ScalableDimension: dim, PolicyType: wire.Ptr("TargetTrackingScaling"),
			TargetTrackingScalingPolicyConfiguration: &shape.TargetTrackingScalingPolicyConfiguration{
				TargetValue: &target, PredefinedMetricSpecification: &shape.PredefinedMetricSpecification{PredefinedMetricType: wire.Ptr("ECSServiceAverageCPUUtilization")},
			},
		})
	}
	_, err := put(70)
	refused(t, err, "ObjectNotFoundException", "No scalable target registered for service namespace: ecs, resource ID: service/c/web, scalable dimension: ecs:service:DesiredCount")
	if err := register(t, a, wire.Ptr[int64](1), wire.Ptr[int64](4)); err != nil {
		t.Fatal(err)
	}
	out, err := put(70)
	if err != nil {
		t.Fatal(err)
	}
	type seen struct {
		prefix, metric, comparison string
		periods                    int64
		threshold                  float64
	}
	var got []seen
	for _, x := range out.Alarms {
		r, _ := state.Alarms.Get(db.View(), *x.AlarmName)
		got = append(got, seen{r.Name[:len(r.Name)-36], r.Metric, r.Comparison, r.EvaluationPeriods, r.Threshold})
		if r.Description != "DO NOT EDIT OR DELETE. For TargetTrackingScaling policy "+*out.PolicyARN+"." || !strings.HasPrefix(r.AlarmActions[0], *out.PolicyARN+":createdBy/") {
			t.Errorf("%+v", r)
		}
	}
	want := []seen{
		{"TargetTracking-service/c/web-AlarmHigh-", "CPUUtilization", "GreaterThanThreshold", 3, 70},
		{"TargetTracking-service/c/web-AlarmLow-", "CPUUtilization", "LessThanThreshold", 15, 63},
	}
	if diff := cmp.Diff(want, got, cmp.AllowUnexported(seen{})); diff != "" {
		t.Error(diff)
	}
	again, err := put(50)
	if err != nil || *again.PolicyARN != *out.PolicyARN || *again.Alarms[0].AlarmName != *out.Alarms[0].AlarmName {
		t.Errorf("replaced: %+v, %v", again, err)
	}
	if r, _ := state.Alarms.Get(db.View(), *out.Alarms[1].AlarmName); r.Threshold != 45 {
		t.Errorf("low threshold %g", r.Threshold)
	}
	if _, err := a.DeregisterScalableTarget(t.Context(), &shape.DeregisterScalableTargetInput{ServiceNamespace: ns, ResourceId: id, ScalableDimension: dim}); err != nil {
		t.Fatal(err)
	}
	if n := state.Alarms.Len(db.View()) + state.ScalingPolicies.Len(db.View()); n != 0 {
		t.Errorf("%d records left", n)
	}
}

func TestStepPolicies(t *testing.T) {
	a, _ := newAPI(t)
	if err := register(t, a, wire.Ptr[int64](1), wire.Ptr[int64](4)); err != nil {
		t.Fatal(err)
	}
	put := func(steps ...shape.StepAdjustment) error {
		_, err := a.PutScalingPolicy(t.Context(), &shape.PutScalingPolicyInput{
			PolicyName: wire.Ptr("step"), ServiceNamespace: ns, ResourceId: id, ScalableDimension: dim, PolicyType: wire.Ptr("StepScaling"),
			StepScalingPolicyConfiguration: &shape.StepScalingPolicyConfiguration{AdjustmentType: wire.Ptr("ChangeInCapacity"), StepAdjustments: steps},
		})
		return err
	}
	step := func(lo, hi *float64, n int64) shape.StepAdjustment {
		return shape.StepAdjustment{MetricIntervalLowerBound: lo, MetricIntervalUpperBound: hi, ScalingAdjustment: &n}
	}
	f := func(v float64) *float64 { return &v }
	refused(t, put(), "ValidationException", "At least one")
	refused(t, put(step(f(0), f(10), 1), step(f(20), nil, 2)), "ValidationException", "gaps")
	refused(t, put(step(f(0), f(10), 1), step(f(5), nil, 2)), "ValidationException", "overlap")
	if err := put(step(f(10), nil, 2), step(f(0), f(10), 1)); err != nil {
		t.Error(err)
	}
	_, err := a.PutScheduledAction(t.Context(), &shape.PutScheduledActionInput{})
	if err == nil {
		t.Error("a scheduled action was accepted")
	}
}
