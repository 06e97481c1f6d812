package ecs

import (
	"context"
	"regexp"
	"slices"
	"strings"

	"berth/internal/fault"
	"berth/internal/ident"
	"berth/internal/model"
	"berth/internal/page"
	"berth/internal/state"
	"berth/internal/store"
	"berth/internal/wire"
	shape "berth/internal/wire/shape/ecs"
)

var hookForm = regexp.MustCompile(`^ecs-[a-z]+-.+$`)

func noDeployment() error {
	return fault.New(fault.NotFound, "ServiceDeploymentNotFoundException", "The service deployment does not exist.")
}

// DescribeServiceDeployments describes up to twenty deployments. Errors:
// InvalidParameterException.
func (a *API) DescribeServiceDeployments(
	_ context.Context, in *shape.DescribeServiceDeploymentsInput,
) (*shape.DescribeServiceDeploymentsOutput, error) {
	if n := len(in.ServiceDeploymentArns); n == 0 || n > 20 {
		return nil, invalid("serviceDeploymentArns must have between 1 and 20 items.")
	}
	out, v := &shape.DescribeServiceDeploymentsOutput{ServiceDeployments: []shape.ServiceDeployment{}, Failures: []shape.Failure{}}, a.view()
	for _, arn := range in.ServiceDeploymentArns {
		d, ok := state.ServiceDeployments.Get(v, arn)
		if !ok {
			out.Failures = append(out.Failures, missing(arn))
			continue
		}
		out.ServiceDeployments = append(out.ServiceDeployments, a.showServiceDeployment(v, d))
	}
	return out, nil
}

func (a *API) showServiceDeployment(r store.Reader, d model.ServiceDeployment) shape.ServiceDeployment {
	s, _ := state.Services.Get(r, d.Service)
	tasks := state.Tasks.By(r, "service", d.Service)
	out := shape.ServiceDeployment{
		ServiceDeploymentArn: &d.ARN, ServiceArn: &d.Service, ClusterArn: wire.Ptr(a.arn("cluster/" + d.Cluster)), CreatedAt: at(d.CreatedAt),
		StartedAt: at(d.StartedAt), FinishedAt: at(d.FinishedAt), StoppedAt: at(d.StoppedAt), UpdatedAt: at(d.UpdatedAt),
		Status: wire.Ptr(string(d.Status)), StatusReason: text(d.StatusReason), LifecycleStage: text(stage(d)),
		DeploymentConfiguration: showRollout(d.Config),
		SourceServiceRevisions:  []shape.ServiceRevisionSummary{},
		TargetServiceRevision:   wire.Ptr(summary(s, d, d.Target, tasks)),
		Alarms: &shape.ServiceDeploymentAlarms{
			Status: text(string(d.AlarmStatus)), AlarmNames: d.Config.Alarms, TriggeredAlarmNames: d.TriggeredAlarms,
		},
		DeploymentCircuitBreaker: &shape.ServiceDeploymentCircuitBreaker{
			Status: text(string(d.BreakerStatus)), FailureCount: wire.Ptr(d.FailureCount),
			Threshold: wire.Ptr(min(max((s.DesiredCount+1)/2, 3), 200)),
		},
	}
	for _, arn := range d.Sources {
		out.SourceServiceRevisions = append(out.SourceServiceRevisions, summary(s, d, arn, tasks))
	}
	for _, h := range d.Hooks {
		out.LifecycleHookDetails = append(out.LifecycleHookDetails, shape.DeploymentLifecycleHookDetail{
			HookId: wire.Ptr(h.ID), TargetType: wire.Ptr(h.TargetType), TargetArn: text(h.TargetARN), Status: wire.Ptr(string(h.Status)),
			ExpiresAt: at(h.ExpiresAt), TimeoutAction: text(h.TimeoutAction),
		})
	}
	if d.RollbackReason != "" {
		out.Rollback = &shape.Rollback{Reason: &d.RollbackReason, StartedAt: at(d.RollbackAt), ServiceRevisionArn: text(d.RollbackTo)}
	}
	return out
}

// stage is the stage to show: the answer's enumeration lacks
// PRE_PRODUCTION_TRAFFIC_SHIFT, and a rolling deployment has none.
func stage(d model.ServiceDeployment) string {
	switch {
	case d.Config.Strategy == model.StrategyRolling:
		return ""
	case d.Stage == model.StagePreProductionTrafficShift:
		return "PRODUCTION_TRAFFIC_SHIFT"
	default:
		return string(d.Stage)
	}
}

func summary(s model.Service, d model.ServiceDeployment, arn string, tasks []model.Task) shape.ServiceRevisionSummary {
	running, pending := tally(tasks, func(t model.Task) bool { return t.Revision == arn })
	out := shape.ServiceRevisionSummary{
		Arn: &arn, RunningTaskCount: &running, PendingTaskCount: &pending, RequestedTaskCount: wire.Ptr[int64](0),
	}
	for _, o := range s.Rollouts {
		if o.Revision == arn {
			out.RequestedTaskCount = wire.Ptr(o.Desired)
		}
	}
	for _, b := range s.LoadBalancers {
		if b.TestListenerRule != "" {
			out.RequestedTestTrafficWeight = weight(d, d.TestWeights, arn)
		}
		if b.ProductionListenerRule != "" {
			out.RequestedProductionTrafficWeight = weight(d, d.ProductionWeights, arn)
		}
	}
	return out
}

// weight is the share of traffic that is asked for a revision. Until a
// deployment shifts, all of it is the source's.
func weight(d model.ServiceDeployment, shifted map[string]float64, arn string) *float64 {
	if d.Config.Strategy == model.StrategyRolling {
		return nil
	}
	share := shifted[arn]
	if len(shifted) == 0 && slices.Contains(d.Sources, arn) {
		share = 100
	}
	return &share
}

// ListServiceDeployments lists a service's deployments, newest first. Errors:
// ClusterNotFoundException, ServiceNotFoundException,
// InvalidParameterException.
func (a *API) ListServiceDeployments(
	_ context.Context, in *shape.ListServiceDeploymentsInput,
) (*shape.ListServiceDeploymentsOutput, error) {
	v := a.view()
	c, err := cluster(v, serviceCluster(in.Cluster, in.Service))
	if err != nil {
		return nil, err
	}
	s, err := service(v, c, in.Service)
	if err != nil {
		return nil, err
	}
	oldest := a.Clock.Now().AddDate(0, 0, -90)
	var found []model.ServiceDeployment
	for _, d := range state.ServiceDeployments.By(v, "service", s.ARN) {
		in90 := !d.Status.Final() || d.CreatedAt.After(oldest)
		if in90 && (len(in.Status) == 0 || slices.Contains(in.Status, string(d.Status))) && createdWithin(d, in.CreatedAt) {
			found = append(found, d)
		}
	}
	newest := func(d model.ServiceDeployment) string { return page.Key(page.Time(d.CreatedAt), d.ARN) }
	slices.SortFunc(found, func(x, y model.ServiceDeployment) int { return strings.Compare(newest(y), newest(x)) })
	found, next, err := page.Cut(pages(20, 100).Descending(true), in, found, newest)
	if err != nil {
		return nil, err
	}
	out := &shape.ListServiceDeploymentsOutput{ServiceDeployments: []shape.ServiceDeploymentBrief{}, NextToken: next}
	for _, d := range found {
		out.ServiceDeployments = append(out.ServiceDeployments, shape.ServiceDeploymentBrief{
			ServiceDeploymentArn: wire.Ptr(d.ARN), ServiceArn: wire.Ptr(d.Service), ClusterArn: wire.Ptr(a.arn("cluster/" + d.Cluster)),
			StartedAt: at(d.StartedAt), CreatedAt: at(d.CreatedAt), FinishedAt: at(d.FinishedAt), TargetServiceRevisionArn: wire.Ptr(d.Target),
			Status: wire.Ptr(string(d.Status)), StatusReason: text(d.StatusReason),
		})
	}
	return out, nil
}

func createdWithin(d model.ServiceDeployment, c *shape.CreatedAt) bool {
	return c == nil || (c.Before == nil || d.CreatedAt.Before(*c.Before)) && (c.After == nil || d.CreatedAt.After(*c.After))
}

// serviceCluster is the cluster given, or the one that a service's ARN names.
func serviceCluster(given, service *string) *string {
	if wire.Val(given) != "" {
		return given
	}
	if p, ok := ident.ParseARN(wire.Val(service)); ok {
		if f := strings.Split(p.Resource, "/"); len(f) == 3 {
			return &f[1]
		}
	}
	return given
}

// DescribeServiceRevisions describes up to twenty revisions. Errors:
// InvalidParameterException.
func (a *API) DescribeServiceRevisions(
	_ context.Context, in *shape.DescribeServiceRevisionsInput,
) (*shape.DescribeServiceRevisionsOutput, error) {
	if n := len(in.ServiceRevisionArns); n == 0 || n > 20 {
		return nil, invalid("serviceRevisionArns must have between 1 and 20 items.")
	}
	out, v := &shape.DescribeServiceRevisionsOutput{ServiceRevisions: []shape.ServiceRevision{}, Failures: []shape.Failure{}}, a.view()
	for _, arn := range in.ServiceRevisionArns {
		r, ok := state.ServiceRevisions.Get(v, arn)
		if !ok {
			out.Failures = append(out.Failures, missing(arn))
			continue
		}
		out.ServiceRevisions = append(out.ServiceRevisions, a.showRevision(v, r))
	}
	return out, nil
}

func (a *API) showRevision(r store.Reader, rev model.ServiceRevision) shape.ServiceRevision {
	out := shape.ServiceRevision{
		ServiceRevisionArn: &rev.ARN, ServiceArn: &rev.Service, ClusterArn: wire.Ptr(a.arn("cluster/" + rev.Cluster)),
		TaskDefinition: &rev.TaskDefinition, LaunchType: text(rev.LaunchType),
		CapacityProviderStrategy: shownStrategy(rev.LaunchType, rev.Strategy),
		LoadBalancers:            showBalancers(rev.LoadBalancers), NetworkConfiguration: showNetwork(rev.Network), CreatedAt: at(rev.CreatedAt),
		GuardDutyEnabled: wire.Ptr(false), ContainerImages: []shape.ContainerImage{},
	}
	d, _ := state.TaskDefinitions.Get(r, rev.TaskDefinition)
	for _, c := range d.Containers {
		out.ContainerImages = append(out.ContainerImages, shape.ContainerImage{
			ContainerName: wire.Ptr(c.Name), Image: wire.Ptr(c.Image), ImageDigest: text(rev.Images[c.Name]),
		})
	}
	if len(rev.Groups) > 0 {
		out.ResolvedConfiguration = &shape.ResolvedConfiguration{}
		for i, g := range rev.Groups {
			out.ResolvedConfiguration.LoadBalancers = append(out.ResolvedConfiguration.LoadBalancers, shape.ServiceRevisionLoadBalancer{
				TargetGroupArn: wire.Ptr(g), ProductionListenerRule: text(rev.LoadBalancers[i].ProductionListenerRule),
			})
		}
	}
	return out
}

// StopServiceDeployment turns a deployment back. It may be asked again while
// it turns. Errors: ServiceDeploymentNotFoundException, ConflictException,
// NotImplemented.
func (a *API) StopServiceDeployment(ctx context.Context, in *shape.StopServiceDeploymentInput) (*shape.StopServiceDeploymentOutput, error) {
	if t := wire.Or(in.StopType, "ROLLBACK"); t != "ROLLBACK" {
		return nil, unbuilt("stopType %s", t)
	}
	now := a.Clock.Now()
	err := a.update(ctx, func(tx *store.Tx) error {
		d, ok := state.ServiceDeployments.Get(tx, wire.Val(in.ServiceDeploymentArn))
		switch {
		case !ok:
			return noDeployment()
		case d.Status.Final():
			return fault.New(
				fault.Conflict, "ConflictException", "The service deployment cannot be stopped because it is in the terminal state %s.", d.Status,
			)
		case d.Status != model.DeploymentPending && d.Status != model.DeploymentInProgress:
			return nil
		}
		d = model.Clone(d)
		d.Status, d.UpdatedAt, d.StoppedAt = model.DeploymentRollbackRequested, now, now
		return state.ServiceDeployments.Put(tx, d)
	})
	if err != nil {
		return nil, err
	}
	return &shape.StopServiceDeploymentOutput{ServiceDeploymentArn: in.ServiceDeploymentArn}, nil
}

// ContinueServiceDeployment answers a PAUSE hook (docs/facts/deployments.md D107).
// Errors: InvalidParameterException, ServiceDeploymentNotFoundException.
func (a *API) ContinueServiceDeployment(
	ctx context.Context, in *shape.ContinueServiceDeploymentInput,
) (*shape.ContinueServiceDeploymentOutput, error) {
	if !hookForm.MatchString(wire.Val(in.HookId)) {
		return nil, invalid("Invalid hookId: hookId must follow the format: ecs-{hookType}-{id}")
	}
	now := a.Clock.Now()
	err := a.update(ctx, func(tx *store.Tx) error {
		d, ok := state.ServiceDeployments.Get(tx, wire.Val(in.ServiceDeploymentArn))
		switch {
		case !ok:
			return noDeployment()
		case d.Status.Final():
			return invalid("Continuing a service deployment is not allowed for service deployment in terminal states.")
		}
		d = model.Clone(d)
		i := slices.IndexFunc(d.Hooks, func(h model.HookRun) bool { return h.ID == *in.HookId && h.Status == model.HookAwaitingAction })
		if i < 0 || d.Status != model.DeploymentInProgress {
			return invalid("Provided hookId is either completed, unavailable, or not associated with the given Resource ARN")
		}
		d.Hooks[i].Status = model.HookSucceeded
		if wire.Or(in.Action, "CONTINUE") == "ROLLBACK" {
			d.Hooks[i].Status = model.HookFailed
		}
		d.UpdatedAt = now
		return state.ServiceDeployments.Put(tx, d)
	})
	if err != nil {
		return nil, err
	}
	return &shape.ContinueServiceDeploymentOutput{ServiceDeploymentArn: in.ServiceDeploymentArn}, nil
}
