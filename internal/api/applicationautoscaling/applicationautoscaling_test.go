package applicationautoscaling_test

import (
	"context"
	"log/slog"
	"regexp"
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
	"berth/internal/fault"
	"berth/internal/front"
	"berth/internal/ident"
	"berth/internal/model"
	"berth/internal/state"
	"berth/internal/store"
	"berth/internal/wire"
	shape "berth/internal/wire/shape/applicationautoscaling"
	scloudwatch "berth/internal/wire/shape/cloudwatch"
	secs "berth/internal/wire/shape/ecs"
)

var place = ident.Place{Partition: "aws", Region: "us-east-1", Account: "000000000000"}

const (
	resource = "service/c/web"
	dim      = "ecs:service:DesiredCount"
)

// world is the API with the real APIs of ECS and CloudWatch beside it.
type world struct {
	*testing.T
	api   *aas.API
	db    *state.DB
	clock *clock.Stepped
	front *front.Front
	// refuse makes calls of an operation fail.
	refuse map[string]error
	calls  []string
}

// as calls what the API calls.
func (w *world) as(p ident.Principal) wire.Caller {
	return wire.CallerFunc(func(ctx context.Context, op *wire.Operation, in any) (any, error) {
		w.calls = append(w.calls, p.ARN+" "+op.Name)
		if err := w.refuse[op.Name]; err != nil {
			return nil, err
		}
		return w.front.As(p).Call(ctx, op, in)
	})
}

// access allows everything but what it names.
type access struct{ denied string }

func (access) Assume(store.Reader, control.Assumption) (ident.Principal, error) {
	return ident.Principal{}, nil
}

func (a access) Allow(_ store.Reader, p ident.Principal, action, resource string, _ map[string]string) error {
	if action == a.denied {
		return fault.New(fault.Denied, "AccessDenied", "User: %s is not authorized to perform: %s on resource: %s", p.ARN, action, resource)
	}
	return nil
}

// Authorize implements front.Authorizer.
func (access) Authorize(context.Context, ident.Principal, string, []string, map[string]string) error {
	return nil
}

func newWorld(t *testing.T) *world {
	t.Helper()
	db, err := state.Open(t.Context(), store.NewMemory(), true)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	w := &world{T: t, db: db, clock: clock.NewStepped(time.Unix(1_800_000_000, 0)), refuse: map[string]error{}}
	ids := ident.Seeded(1)
	w.api = aas.New(aas.Deps{DB: db, Clock: w.clock, IDs: ids, Place: place, As: w.as, Access: access{}})
	w.front, err = front.New(front.Deps{
		Place: place, Clock: w.clock, IDs: ids, Auth: access{}, Log: slog.New(slog.DiscardHandler), Services: []front.Service{
			{Meta: secs.Meta, API: ecs.New(ecs.Deps{DB: db, Clock: w.clock, IDs: ids, Place: place}), Fields: ecs.Fields},
			{Meta: scloudwatch.Meta, API: cloudwatch.New(cloudwatch.Deps{DB: db, Clock: w.clock, Place: place}), Fields: cloudwatch.Fields},
			{Meta: shape.Meta, API: w.api, Fields: aas.Fields, Resources: aas.Resources, Finders: w.api.Finders()},
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	w.write("api/ecs", func(tx *store.Tx) error {
		_ = state.Clusters.Put(tx, model.Cluster{Name: "c", ARN: place.ARN("ecs", "cluster/c"), Status: model.ClusterActive})
		_ = state.TaskDefinitions.Put(tx, model.TaskDefinition{
			ARN: place.ARN("ecs", "task-definition/d:1"), Family: "d", Revision: 1, Status: model.DefinitionActive, NetworkMode: "host",
		})
		return state.Services.Put(tx, model.Service{
			ARN: place.ARN("ecs", "service/c/web"), Name: "web", Cluster: "c", Status: model.ServiceActive, DesiredCount: 1,
			TaskDefinition: place.ARN("ecs", "task-definition/d:1"),
			LoadBalancers:  []model.ServiceLoadBalancer{{TargetGroupARN: place.ARN("elasticloadbalancing", "targetgroup/tg/0a")}},
			Deployment:     model.DeploymentConfiguration{Strategy: model.StrategyRolling},
		})
	})
	return w
}

func (w *world) write(writer string, fn func(*store.Tx) error) {
	w.Helper()
	if err := w.db.Update(w.Context(), writer, fn); err != nil {
		w.Fatal(err)
	}
}

func (w *world) desired() int64 {
	s, _ := state.Services.Get(w.db.View(), place.ARN("ecs", "service/c/web"))
	return s.DesiredCount
}

// call goes through the front, as a client's call does.
func (w *world) call(op string, in map[string]any) (map[string]any, error) {
	if _, ok := in["ServiceNamespace"]; !ok {
		in["ServiceNamespace"] = "ecs"
	}
	if !strings.HasPrefix(op, "Describe") {
		for k, v := range map[string]any{"ResourceId": resource, "ScalableDimension": dim} {
			if _, ok := in[k]; !ok {
				in[k] = v
			}
		}
	}
	return w.front.Invoke(w.Context(), ident.Root(place), "application-autoscaling", op, in)
}

func (w *world) must(op string, in map[string]any) map[string]any {
	w.Helper()
	out, err := w.call(op, in)
	if err != nil {
		w.Fatalf("%s: %v", op, err)
	}
	return out
}

func (w *world) register(low, high int64) {
	w.Helper()
	w.must("RegisterScalableTarget", map[string]any{"MinCapacity": low, "MaxCapacity": high})
}

func (w *world) refused(err error, code, text string) {
	w.Helper()
	if fault.CodeOf(err) != code || text != "" && fault.MessageOf(err) != text {
		w.Errorf("got %s %q, want %s %q", fault.CodeOf(err), fault.MessageOf(err), code, text)
	}
}

func cpu(value float64) map[string]any {
	return map[string]any{"PolicyName": "p", "PolicyType": "TargetTrackingScaling", "TargetTrackingScalingPolicyConfiguration": map[string]any{
		"TargetValue": value, "ScaleInCooldown": 300, "ScaleOutCooldown": 300,
		"PredefinedMetricSpecification": map[string]any{"PredefinedMetricType": "ECSServiceAverageCPUUtilization"},
	}}
}

func steps(kind string, bounds ...[3]any) map[string]any {
	var all []any
	for _, b := range bounds {
		s := map[string]any{"ScalingAdjustment": b[2]}
		if b[0] != nil {
			s["MetricIntervalLowerBound"] = b[0]
		}
		if b[1] != nil {
			s["MetricIntervalUpperBound"] = b[1]
		}
		all = append(all, s)
	}
	return map[string]any{
		"PolicyName": "s", "PolicyType": "StepScaling",
		"StepScalingPolicyConfiguration": map[string]any{"AdjustmentType": kind, "StepAdjustments": all},
	}
}

func TestTargetsAreCheckedAsOnAWS(t *testing.T) {
	w := newWorld(t)
	for _, c := range []struct {
		name, code, text string
		in               map[string]any
	}{
		{"no minimum", "ValidationException", "Minimum capacity must be specified", map[string]any{"MaxCapacity": 3}},
		{"no maximum", "ValidationException", "Maximum capacity must be specified", map[string]any{"MinCapacity": 3}},
		{"negative", "ValidationException", "Minimum capacity cannot be less than 0", map[string]any{"MinCapacity": -1, "MaxCapacity": 3}},
		{
			"crossed", "ValidationException", "Maximum capacity cannot be less than minimum capacity",
			map[string]any{"MinCapacity": 4, "MaxCapacity": 3},
		},
		{
			"no such service", "ValidationException", "ECS service doesn't exist: service/c/no",
			map[string]any{"ResourceId": "service/c/no", "MinCapacity": 1, "MaxCapacity": 3},
		},
		{
			"no service at all", "ValidationException", "Unsupported service namespace, resource type or scalable dimension",
			map[string]any{"ResourceId": "table/x", "MinCapacity": 1, "MaxCapacity": 3},
		},
		{
			"another dimension", "ValidationException", "Unsupported service namespace, resource type or scalable dimension",
			map[string]any{"ScalableDimension": "dynamodb:table:ReadCapacityUnits", "MinCapacity": 1, "MaxCapacity": 3},
		},
		{"another namespace", "NotImplemented", "", map[string]any{"ServiceNamespace": "dynamodb", "MinCapacity": 1, "MaxCapacity": 3}},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := w.call("RegisterScalableTarget", c.in)
			w.refused(err, c.code, c.text)
		})
	}
	if n := state.ScalableTargets.Len(w.db.View()); n != 0 {
		t.Errorf("%d targets were made", n)
	}
	w.register(1, 4)
	_, err := w.call("RegisterScalableTarget", map[string]any{"Tags": map[string]any{"a": "b"}})
	w.refused(
		err, "ValidationException",
		"The scalable target that you tried to tag already exists. To update tags on an existing scalable target, use the TagResource API.",
	)
	_, err = w.call("DeregisterScalableTarget", map[string]any{"ResourceId": "service/c/other"})
	w.refused(
		err, "ObjectNotFoundException",
		"No scalable target registered for service namespace: ecs, resource ID: service/c/other, scalable dimension: ecs:service:DesiredCount",
	)
}

func TestATargetIsShownWithTheServiceLinkedRole(t *testing.T) {
	w := newWorld(t)
	out := w.must("RegisterScalableTarget", map[string]any{
		"MinCapacity": 1, "MaxCapacity": 4, "RoleARN": "arn:aws:iam::000000000000:role/mine", "Tags": map[string]any{"k": "v"},
	})
	arn := out["ScalableTargetARN"].(string)
	if !regexp.MustCompile(`^arn:aws:application-autoscaling:us-east-1:000000000000:scalable-target/[0-9a-z]{36}$`).MatchString(arn) {
		t.Errorf("ARN %s", arn)
	}
	w.must("RegisterScalableTarget", map[string]any{"SuspendedState": map[string]any{"DynamicScalingInSuspended": true}})
	got := w.must("DescribeScalableTargets", map[string]any{"ResourceIds": []any{resource}})["ScalableTargets"].([]any)
	want := []any{map[string]any{
		"ServiceNamespace": "ecs", "ResourceId": resource, "ScalableDimension": dim, "MinCapacity": int64(1), "MaxCapacity": int64(4),
		"ScalableTargetARN": arn,
		"RoleARN":           "arn:aws:iam::000000000000:role/aws-service-role/ecs.application-autoscaling.amazonaws.com/AWSServiceRoleForApplicationAutoScaling_ECSService",
		"CreationTime":      w.clock.Now(),
		"SuspendedState": map[string]any{
			"DynamicScalingInSuspended": true, "DynamicScalingOutSuspended": false, "ScheduledScalingSuspended": false,
		},
	}}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
	tags, err := w.api.ListTagsForResource(t.Context(), &shape.ListTagsForResourceInput{ResourceARN: &arn})
	if err != nil || tags.Tags["k"] != "v" {
		t.Errorf("%v, %v", tags, err)
	}
	if _, err := w.api.TagResource(t.Context(), &shape.TagResourceInput{ResourceARN: &arn, Tags: map[string]string{"l": "w"}}); err != nil {
		t.Fatal(err)
	}
	if _, err := w.api.UntagResource(t.Context(), &shape.UntagResourceInput{ResourceARN: &arn, TagKeys: []string{"k"}}); err != nil {
		t.Fatal(err)
	}
	if tags, _ = w.api.ListTagsForResource(t.Context(), &shape.ListTagsForResourceInput{
		ResourceARN: &arn,
	}); !cmp.Equal(tags.Tags, map[string]string{"l": "w"}) {
		t.Errorf("%v", tags.Tags)
	}
	_, err = w.api.ListTagsForResource(t.Context(), &shape.ListTagsForResourceInput{ResourceARN: wire.Ptr(arn + "x")})
	w.refused(err, "ResourceNotFoundException", "")
}

// Proves: D74
func TestBoundsAreEnforcedAtOnce(t *testing.T) {
	w := newWorld(t)
	w.register(2, 4)
	if w.desired() != 2 {
		t.Errorf("desired %d after a minimum of 2", w.desired())
	}
	w.write("api/ecs", func(tx *store.Tx) error {
		return state.Services.Edit(tx, place.ARN("ecs", "service/c/web"), func(s *model.Service) error { s.DesiredCount = 9; return nil })
	})
	w.clock.Advance(time.Minute)
	w.must("RegisterScalableTarget", map[string]any{})
	if w.desired() != 4 {
		t.Errorf("desired %d after a call without bounds, with a maximum of 4", w.desired())
	}
	w.clock.Advance(time.Minute)
	w.refuse["UpdateService"] = fault.New(fault.Invalid, "ClientException", "No.")
	w.register(5, 5)
	var got []string
	for _, a := range w.must("DescribeScalingActivities", map[string]any{})["ScalingActivities"].([]any) {
		x := a.(map[string]any)
		got = append(got, x["Description"].(string)+" | "+x["Cause"].(string)+" | "+x["StatusCode"].(string)+" | "+x["StatusMessage"].(string))
	}
	want := []string{
		"Setting desired count to 5. | minimum capacity was set to 5 | Failed | Failed to set desired count to 5. Reason: No.",
		"Setting desired count to 4. | maximum capacity was set to 4 | InProgress | Successfully set desired count to 4. Waiting for change " +
			"to be fulfilled by ecs.",
		"Setting desired count to 2. | minimum capacity was set to 2 | InProgress | Successfully set desired count to 2. Waiting for change " +
			"to be fulfilled by ecs.",
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
	if who := "arn:aws:sts::000000000000:assumed-role/AWSServiceRoleForApplicationAutoScaling_ECSService/AutoScaling-UpdateDesiredCapacity " +
		"UpdateService"; !slices.Contains(w.calls, who) {
		t.Errorf("ECS was called as %v", w.calls)
	}
}

// Proves: D75
func TestTargetTrackingHasTwoAlarms(t *testing.T) {
	w := newWorld(t)
	w.register(1, 4)
	out := w.must("PutScalingPolicy", cpu(70))
	arn := out["PolicyARN"].(string)
	if !regexp.MustCompile(
		`^arn:aws:autoscaling:us-east-1:000000000000:scalingPolicy:[0-9a-f-]{36}:resource/ecs/service/c/web:policyName/p$`,
	).MatchString(arn) {
		t.Errorf("ARN %s", arn)
	}
	if n := len(out["Alarms"].([]any)); n != 2 {
		t.Fatalf("%d alarms are told", n)
	}
	alarms := state.Alarms.All(w.db.View())
	if len(alarms) != 2 {
		t.Fatalf("%d alarms", len(alarms))
	}
	for i, want := range []model.Alarm{
		{Name: "High", Comparison: "GreaterThanThreshold", EvaluationPeriods: 3, Threshold: 70},
		{Name: "Low", Comparison: "LessThanThreshold", EvaluationPeriods: 15, Threshold: 63},
	} {
		x := alarms[i]
		if !regexp.MustCompile(`^TargetTracking-service/c/web-Alarm` + want.Name + `-[0-9a-f-]{36}$`).MatchString(x.Name) {
			t.Errorf("name %s", x.Name)
		}
		if !regexp.MustCompile(`^` + regexp.QuoteMeta(arn) + `:createdBy/[0-9a-f-]{36}$`).MatchString(x.AlarmActions[0]) {
			t.Errorf("action %s", x.AlarmActions[0])
		}
		if x.Description != "DO NOT EDIT OR DELETE. For TargetTrackingScaling policy "+x.AlarmActions[0]+"." {
			t.Errorf("description %s", x.Description)
		}
		got := model.Alarm{Name: want.Name, Comparison: x.Comparison, EvaluationPeriods: x.EvaluationPeriods, Threshold: x.Threshold}
		if d := cmp.Diff(want, got); d != "" {
			t.Error(d)
		}
		dims := []model.Dimension{{Name: "ClusterName", Value: "c"}, {Name: "ServiceName", Value: "web"}}
		if x.Namespace != "AWS/ECS" || x.Metric != "CPUUtilization" || x.Statistic != "Average" || x.Unit != "Percent" || x.Period != 60 ||
			x.TreatMissing != "missing" || !cmp.Equal(x.Dimensions, dims) {
			t.Errorf("it watches %+v", x)
		}
	}
	w.must("PutScalingPolicy", cpu(50))
	if now := state.Alarms.All(w.db.View()); len(now) != 2 || now[0].Name != alarms[0].Name || now[0].Threshold != 50 ||
		now[1].Threshold != 45 || now[0].AlarmActions[0] != alarms[0].AlarmActions[0] {
		t.Errorf("after a change: %+v", now)
	}
	w.must("DeleteScalingPolicy", map[string]any{"PolicyName": "p"})
	if n := state.Alarms.Len(w.db.View()) + state.ScalingPolicies.Len(w.db.View()); n != 0 {
		t.Errorf("%d alarms and policies are left", n)
	}
	_, err := w.call("DeleteScalingPolicy", map[string]any{"PolicyName": "p"})
	w.refused(
		err, "ObjectNotFoundException",
		"No scaling policy found for service namespace: ecs, resource ID: service/c/web, scalable dimension: ecs:service:DesiredCount, "+
			"policy name: p",
	)
}

func TestScaleInCanBeDisabled(t *testing.T) {
	w := newWorld(t)
	w.register(1, 4)
	in := cpu(70)
	w.must("PutScalingPolicy", in)
	in["TargetTrackingScalingPolicyConfiguration"].(map[string]any)["DisableScaleIn"] = true
	out := w.must("PutScalingPolicy", in)
	if a := state.Alarms.All(w.db.View()); len(a) != 1 || !strings.Contains(a[0].Name, "AlarmHigh") || len(out["Alarms"].([]any)) != 1 {
		t.Errorf("%+v", a)
	}
	in["TargetTrackingScalingPolicyConfiguration"].(map[string]any)["DisableScaleIn"] = false
	w.must("PutScalingPolicy", in)
	if n := state.Alarms.Len(w.db.View()); n != 2 {
		t.Errorf("%d alarms", n)
	}
}

func TestAFailedPolicyLeavesNothing(t *testing.T) {
	w := newWorld(t)
	w.register(1, 4)
	calls := 0
	w.api.As = func(p ident.Principal) wire.Caller {
		return wire.CallerFunc(func(ctx context.Context, op *wire.Operation, in any) (any, error) {
			if calls++; op.Name == "PutMetricAlarm" && calls == 2 {
				return nil, fault.New(fault.Unavailable, "", "not now")
			}
			return w.as(p).Call(ctx, op, in)
		})
	}
	if _, err := w.call("PutScalingPolicy", cpu(70)); err == nil {
		t.Error("the policy was taken")
	}
	if n := state.Alarms.Len(w.db.View()) + state.ScalingPolicies.Len(w.db.View()); n != 0 {
		t.Errorf("%d alarms and policies are left", n)
	}
}

func TestPoliciesAreCheckedAsOnAWS(t *testing.T) {
	w := newWorld(t)
	_, err := w.call("PutScalingPolicy", cpu(70))
	w.refused(
		err, "ObjectNotFoundException",
		"No scalable target registered for service namespace: ecs, resource ID: service/c/web, scalable dimension: ecs:service:DesiredCount",
	)
	w.register(1, 4)
	tracking := func(edit func(map[string]any)) map[string]any {
		in := cpu(70)
		edit(in["TargetTrackingScalingPolicyConfiguration"].(map[string]any))
		return in
	}
	metric := func(kind, label string) map[string]any {
		return tracking(func(c map[string]any) {
			m := map[string]any{"PredefinedMetricType": kind}
			if label != "" {
				m["ResourceLabel"] = label
			}
			c["PredefinedMetricSpecification"] = m
		})
	}
	for _, c := range []struct {
		name, code, text string
		in               map[string]any
	}{
		{"no target value", "ValidationException", "Target value must be greater than 0", cpu(0)},
		{
			"negative cooldown", "ValidationException", "Cooldown cannot be negative",
			tracking(func(c map[string]any) { c["ScaleInCooldown"] = -1 }),
		},
		{
			"a metric of others", "ValidationException",
			"Predefined metric type DynamoDBReadCapacityUtilization is not supported for scalable dimension ecs:service:DesiredCount",
			metric("DynamoDBReadCapacityUtilization", ""),
		},
		{
			"requests without label", "ValidationException",
			"Resource label should be specified for predefined metric type ALBRequestCountPerTarget", metric("ALBRequestCountPerTarget", ""),
		},
		{
			"requests with a bad label", "ValidationException",
			"Invalid resource label 'app/x/targetgroup/y' for predefined metric type ALBRequestCountPerTarget",
			metric("ALBRequestCountPerTarget", "app/x/targetgroup/y"),
		},
		{
			"requests of a strange group", "ValidationException", "Target group targetgroup/other/0b is not attached to resource service/c/web",
			metric("ALBRequestCountPerTarget", "app/x/01/targetgroup/other/0b"),
		},
		{
			"no metric", "ValidationException", "Either PredefinedMetricSpecification or CustomizedMetricSpecification must be specified",
			tracking(func(c map[string]any) { delete(c, "PredefinedMetricSpecification") }),
		},
		{"metric math", "NotImplemented", "", tracking(func(c map[string]any) {
			delete(c, "PredefinedMetricSpecification")
			c["CustomizedMetricSpecification"] = map[string]any{"Metrics": []any{map[string]any{"Id": "m1"}}}
		})},
		{"predictive", "NotImplemented", "", map[string]any{"PolicyName": "p", "PolicyType": "PredictiveScaling"}},
		{
			"gap", "ValidationException", "Step adjustment intervals can't have gaps between them",
			steps("ChangeInCapacity", [3]any{0, 10, 1}, [3]any{20, nil, 2}),
		},
		{
			"overlap", "ValidationException", "Step adjustment intervals can't overlap",
			steps("ChangeInCapacity", [3]any{0, 10, 1}, [3]any{5, nil, 2}),
		},
		{
			"no open end", "ValidationException",
			"There must be a step adjustment with an unspecified upper bound if one has a positive upper bound",
			steps("ChangeInCapacity", [3]any{0, 10, 1}),
		},
		{
			"no open start", "ValidationException",
			"There must be a step adjustment with an unspecified lower bound if one has a negative lower bound",
			steps("ChangeInCapacity", [3]any{-10, 0, -1}),
		},
		{"no steps", "ValidationException", "At least one step adjustment must be specified", steps("ChangeInCapacity")},
		{
			"negative exact", "ValidationException", "The scaling adjustment of adjustment type ExactCapacity cannot be negative",
			steps("ExactCapacity", [3]any{0, nil, -1}),
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := w.call("PutScalingPolicy", c.in)
			w.refused(err, c.code, c.text)
		})
	}
	if n := state.Alarms.Len(w.db.View()) + state.ScalingPolicies.Len(w.db.View()); n != 0 {
		t.Errorf("%d alarms and policies were made", n)
	}
	w.must("PutScalingPolicy", cpu(70))
	again := cpu(60)
	again["PolicyName"] = "q"
	_, err = w.call("PutScalingPolicy", again)
	w.refused(err, "ValidationException", "Only one TargetTrackingScaling policy for a given metric specification is allowed.")
	change := steps("ChangeInCapacity", [3]any{0, nil, 1})
	change["PolicyName"] = "p"
	_, err = w.call("PutScalingPolicy", change)
	w.refused(err, "ValidationException", "")
	w.must("PutScalingPolicy", func() map[string]any {
		in := metric("ALBRequestCountPerTarget", "app/x/01/targetgroup/tg/0a")
		in["PolicyName"] = "requests"
		return in
	}())
	for _, a := range state.Alarms.All(w.db.View()) {
		if a.Metric == "RequestCountPerTarget" &&
			(a.Statistic != "Sum" || !cmp.Equal(a.Dimensions, []model.Dimension{{Name: "TargetGroup", Value: "targetgroup/tg/0a"}})) {
			t.Errorf("%+v", a)
		}
	}
}

func TestAStepPolicyShowsTheAlarmsThatUsersGiveIt(t *testing.T) {
	w := newWorld(t)
	w.register(1, 4)
	arn := w.must("PutScalingPolicy", steps("PercentChangeInCapacity", [3]any{0, 10, 10}, [3]any{10, nil, 30}))["PolicyARN"].(string)
	_, err := w.front.Invoke(t.Context(), ident.Root(place), "monitoring", "PutMetricAlarm", map[string]any{
		"AlarmName": "mine", "AlarmActions": []any{arn}, "Namespace": "N", "MetricName": "M", "Statistic": "Average", "Period": 60,
		"EvaluationPeriods": 1,
		"Threshold":         50, "ComparisonOperator": "GreaterThanThreshold",
	})
	if err != nil {
		t.Fatal(err)
	}
	got := w.must("DescribeScalingPolicies", map[string]any{})["ScalingPolicies"].([]any)
	want := []any{map[string]any{
		"PolicyARN": arn, "PolicyName": "s", "PolicyType": "StepScaling", "ServiceNamespace": "ecs", "ResourceId": resource,
		"ScalableDimension": dim, "CreationTime": w.clock.Now(),
		"Alarms": []any{map[string]any{"AlarmName": "mine", "AlarmARN": "arn:aws:cloudwatch:us-east-1:000000000000:alarm:mine"}},
		"StepScalingPolicyConfiguration": map[string]any{
			"AdjustmentType": "PercentChangeInCapacity", "Cooldown": int64(300), "MetricAggregationType": "Average", "StepAdjustments": []any{
				map[string]any{"MetricIntervalLowerBound": 0.0, "MetricIntervalUpperBound": 10.0, "ScalingAdjustment": int64(10)},
				map[string]any{"MetricIntervalLowerBound": 10.0, "ScalingAdjustment": int64(30)},
			},
		},
	}}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
	w.must("DeleteScalingPolicy", map[string]any{"PolicyName": "s"})
	if n := state.Alarms.Len(w.db.View()); n != 1 {
		t.Error("the user's own alarm went with the policy")
	}
}

func TestATargetTakesItsPoliciesAlong(t *testing.T) {
	w := newWorld(t)
	w.register(1, 4)
	w.must("PutScalingPolicy", cpu(70))
	w.must("DeregisterScalableTarget", map[string]any{})
	v := w.db.View()
	if n := state.Alarms.Len(v) + state.ScalingPolicies.Len(v) + state.ScalableTargets.Len(v); n != 0 {
		t.Errorf("%d records are left", n)
	}
}

func TestACallerMayNotScaleWhatItMayNotChange(t *testing.T) {
	w := newWorld(t)
	who := ident.AsRole("arn:aws:iam::000000000000:role/dev", "s")
	w.api.Access = access{denied: "ecs:UpdateService"}
	in := map[string]any{"ServiceNamespace": "ecs", "ResourceId": resource, "ScalableDimension": dim, "MinCapacity": 1, "MaxCapacity": 2}
	_, err := w.front.Invoke(t.Context(), who, "application-autoscaling", "RegisterScalableTarget", in)
	w.refused(
		err, "ValidationException",
		"User: "+who.ARN+" is not authorized to perform: ecs:UpdateService on resource: arn:aws:ecs:us-east-1:000000000000:service/c/web",
	)
}

func TestScheduledActions(t *testing.T) {
	w := newWorld(t)
	action := func(edit ...func(map[string]any)) map[string]any {
		in := map[string]any{
			"ScheduledActionName": "a", "Schedule": "cron(0 8 ? * MON-FRI *)",
			"ScalableTargetAction": map[string]any{"MinCapacity": 2, "MaxCapacity": 4},
		}
		for _, f := range edit {
			f(in)
		}
		return in
	}
	_, err := w.call("PutScheduledAction", action())
	w.refused(
		err, "ObjectNotFoundException",
		"No scalable target registered for service namespace: ecs, resource ID: service/c/web, scalable dimension: ecs:service:DesiredCount",
	)
	w.register(1, 4)
	for name, c := range map[string]struct {
		text string
		edit func(map[string]any)
	}{
		"no schedule": {"Schedule must be specified", func(in map[string]any) { delete(in, "Schedule") }},
		"nonsense":    {"", func(in map[string]any) { in["Schedule"] = "every day" }},
		"no bounds": {
			"At least one of MinCapacity and MaxCapacity must be specified", func(in map[string]any) { delete(in, "ScalableTargetAction") },
		},
		"crossed": {"Maximum capacity cannot be less than minimum capacity", func(in map[string]any) {
			in["ScalableTargetAction"] = map[string]any{"MinCapacity": 5, "MaxCapacity": 4}
		}},
		"no such zone": {"time zone Mars/Phobos is not known", func(in map[string]any) { in["Timezone"] = "Mars/Phobos" }},
		"a bad name":   {"", func(in map[string]any) { in["ScheduledActionName"] = "a:b" }},
		"ends early": {
			"The end time must be after the start time", func(in map[string]any) { in["StartTime"], in["EndTime"] = w.clock.Now(), w.clock.Now() },
		},
	} {
		_, err := w.call("PutScheduledAction", action(c.edit))
		if fault.CodeOf(err) != "ValidationException" || c.text != "" && fault.MessageOf(err) != c.text {
			t.Errorf("%s: %v", name, err)
		}
	}
	start := w.clock.Now().Add(time.Hour)
	w.must("PutScheduledAction", action(func(in map[string]any) { in["StartTime"], in["Timezone"] = start, "Asia/Tokyo" }))
	show := func() map[string]any {
		all := w.must("DescribeScheduledActions", map[string]any{
			"ResourceId": resource, "ScheduledActionNames": []any{"a"},
		})["ScheduledActions"].([]any)
		if len(all) != 1 {
			t.Fatalf("%v", all)
		}
		return all[0].(map[string]any)
	}
	got := show()
	if arn := got["ScheduledActionARN"].(string); !regexp.MustCompile(
		`^arn:aws:autoscaling:us-east-1:000000000000:scheduledAction:[0-9a-f-]{36}:resource/ecs/service/c/web:scheduledActionName/a$`,
	).MatchString(arn) {
		t.Errorf("ARN %s", arn)
	}
	delete(got, "ScheduledActionARN")
	want := map[string]any{
		"ScheduledActionName": "a", "ServiceNamespace": "ecs", "ResourceId": resource, "ScalableDimension": dim,
		"Schedule": "cron(0 8 ? * MON-FRI *)", "Timezone": "Asia/Tokyo",
		"CreationTime": w.clock.Now(), "StartTime": start,
		"ScalableTargetAction": map[string]any{"MinCapacity": int64(2), "MaxCapacity": int64(4)},
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
	w.must("PutScheduledAction", map[string]any{"ScheduledActionName": "a", "Schedule": "rate(1 hour)"}) // start and end go, the rest stays
	delete(want, "StartTime")
	want["Schedule"] = "rate(1 hour)"
	got = show()
	delete(got, "ScheduledActionARN")
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
	w.must("DeleteScheduledAction", map[string]any{"ScheduledActionName": "a"})
	_, err = w.call("DeleteScheduledAction", map[string]any{"ScheduledActionName": "a"})
	w.refused(err, "ObjectNotFoundException", "")
	w.must("PutScheduledAction", action())
	w.must("DeregisterScalableTarget", map[string]any{})
	if n := state.ScheduledActions.Len(w.db.View()); n != 0 {
		t.Error("an action is left of a target that is gone")
	}
}

func TestListsArePaged(t *testing.T) {
	w := newWorld(t)
	w.write("api/applicationautoscaling", func(tx *store.Tx) error {
		for _, n := range []string{"a", "b", "c"} {
			if err := state.ScalableTargets.Put(tx, model.ScalableTarget{
				Namespace: "ecs", ResourceID: "service/c/" + n, Dimension: dim,
			}); err != nil {
				return err
			}
		}
		return nil
	})
	var got []string
	in := map[string]any{"MaxResults": 2}
	for {
		out := w.must("DescribeScalableTargets", in)
		for _, x := range out["ScalableTargets"].([]any) {
			got = append(got, x.(map[string]any)["ResourceId"].(string))
		}
		if out["NextToken"] == nil {
			break
		}
		in["NextToken"] = out["NextToken"]
	}
	if !cmp.Equal(got, []string{"service/c/a", "service/c/b", "service/c/c"}) {
		t.Errorf("%v", got)
	}
	_, err := w.call("DescribeScalableTargets", map[string]any{"NextToken": "nonsense"})
	w.refused(err, "InvalidNextTokenException", "")
	_, err = w.call("DescribeScalableTargets", map[string]any{"MaxResults": 51})
	w.refused(err, "ValidationException", "MaxResults must be between 1 and 50")
	_, err = w.call("DescribeScalingPolicies", map[string]any{"ScalableDimension": dim})
	w.refused(err, "ValidationException", "")
}
