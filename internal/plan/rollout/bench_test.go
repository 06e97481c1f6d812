package rollout_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"berth/internal/model"
	"berth/internal/plan/rollout"
)

const (
	account = "arn:aws:ecs:ap-northeast-1:000000000000:"
	svcARN  = account + "service/c/s"
	tg1     = "tg/blue"
	tg2     = "tg/green"
	prod    = "rule/prod"
	test    = "rule/test"
)

var t0 = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)

// bench is a small world in which plans are carried out at once.
type bench struct {
	t     *testing.T
	w     rollout.World
	all   []model.ServiceDeployment
	log   []string // service events
	calls []rollout.Call
	ids   int
	// answer is what a hook replies; nil leaves it unanswered.
	answer func(c rollout.Call) *rollout.Reply
	// refuse is why rule changes are refused, "" if they are made.
	refuse string
	// start says what becomes of a new task: "healthy", "fail", "ill", "slow".
	start func(t model.Task) string
	// place gives a task its zone, "" if it finds none.
	place  func(t model.Task) string
	nth    int
	stages []model.Stage
	digest bool
}

func newBench(t *testing.T, c model.DeploymentConfiguration, desired int64, lb bool) *bench {
	b := &bench{t: t, start: func(model.Task) string { return "healthy" }, digest: true}
	if c.MaximumPercent == 0 {
		c.MinimumHealthyPercent, c.MaximumPercent = 100, 200
	}
	b.w = rollout.World{
		Now:         t0,
		Service:     model.Service{ARN: svcARN, Name: "s", Cluster: "c", Status: model.ServiceActive, DesiredCount: desired, Deployment: c},
		Revisions:   map[string]model.ServiceRevision{},
		Definitions: map[string]model.TaskDefinition{},
		Targets:     map[rollout.TargetKey]model.Target{},
		Rules: map[string]model.ListenerRule{
			prod: {
				ARN: prod, Listener: "l80",
				Actions: []model.Action{{Type: "forward", Targets: []model.WeightedTarget{{TargetGroupARN: tg1, Weight: 1}}}},
			},
			test: {
				ARN: test, Listener: "l8080",
				Actions: []model.Action{{Type: "forward", Targets: []model.WeightedTarget{{TargetGroupARN: tg2, Weight: 1}}}},
			},
		},
		Alarms: map[string]model.AlarmState{}, Draining: map[string]bool{}, Calling: map[string]bool{},
	}
	if lb {
		b.w.Service.LoadBalancers = []model.ServiceLoadBalancer{{
			TargetGroupARN: tg1, AlternateTargetGroupARN: tg2, ProductionListenerRule: prod, TestListenerRule: test,
			RoleARN: "role/lb", ContainerName: "web", ContainerPort: 80,
		}}
	}
	b.w.IDs = func() string { b.ids++; return fmt.Sprintf("%032x", b.ids) }
	return b
}

// deploy does what the API does on CreateService and UpdateService.
func (b *bench) deploy() *model.ServiceDeployment {
	b.nth++
	n := fmt.Sprint(b.nth)
	s := &b.w.Service
	def := account + "task-definition/f:" + n
	b.w.Definitions[def] = model.TaskDefinition{
		ARN: def, CPU: 256, Memory: 512, Containers: []model.ContainerDefinition{{Name: "web", Image: "repo:latest", Essential: true}},
	}
	rev := model.ServiceRevision{ARN: "rev" + n, Service: svcARN, TaskDefinition: def, LoadBalancers: s.LoadBalancers}
	b.w.Revisions[rev.ARN] = rev
	var sources []string
	for i := range s.Rollouts {
		s.Rollouts[i].Status = model.RolloutActive
		sources = append(sources, s.Rollouts[i].Revision)
	}
	for i := range b.w.Deployments {
		b.w.Deployments[i].Status = model.DeploymentStopRequested
	}
	d := model.ServiceDeployment{
		ARN: "dep" + n, Service: svcARN, RolloutID: "ecs-svc/" + n, Target: rev.ARN, Sources: sources, Status: model.DeploymentPending,
		Config: s.Deployment, CreatedAt: b.w.Now,
	}
	s.Rollouts = append(
		[]model.Rollout{
			{
				ID: d.RolloutID, Status: model.RolloutPrimary, Revision: rev.ARN, TaskDefinition: def, State: model.RolloutInProgress,
				CreatedAt: b.w.Now,
			},
		},
		s.Rollouts...,
	)
	s.Revision, s.TaskDefinition, s.CurrentDeployment = rev.ARN, def, d.ARN
	b.w.Deployments = append(b.w.Deployments, d)
	return &d
}

// look decides once and carries the plan out. What Seen leaves out of tasks is
// never a reason for another plan.
func (b *bench) look() rollout.Plan {
	b.blind()
	p := rollout.Decide(b.w)
	b.apply(p)
	return p
}

func (b *bench) apply(p rollout.Plan) {
	b.w.Replies, b.w.Refusal = nil, ""
	b.w.Service = p.Service
	for _, e := range p.Events {
		b.log = append(b.log, e.Message)
		b.w.Service.Events = []model.ServiceEvent{e}
	}
	for _, d := range p.Deployments {
		if d.ARN == "dep"+fmt.Sprint(b.nth) && (len(b.stages) == 0 || b.stages[len(b.stages)-1] != d.Stage) && d.Stage != "" {
			b.stages = append(b.stages, d.Stage)
		}
		b.keepDeployment(d)
	}
	for _, r := range p.Revisions {
		b.w.Revisions[r.ARN] = r
	}
	for i := range b.w.Tasks {
		t := b.w.Tasks[i]
		t.Noted = t.Noted || slices.Contains(p.Noted, t.ARN)
		t.Proven = t.Proven || slices.Contains(p.Proven, t.ARN)
		for _, s := range p.Stop {
			if s.Task == t.ARN {
				t.DesiredStatus, t.StopCode, t.StoppedReason, t.StoppingAt = model.TaskStopped, s.Code, s.Reason, b.w.Now
			}
		}
	}
	for _, t := range p.Start {
		b.w.Tasks = append(b.w.Tasks, &t)
	}
	for _, s := range p.Shifts {
		if b.refuse != "" {
			b.w.Refusal = b.refuse
			break
		}
		r := model.Clone(b.w.Rules[s.Rule])
		r.Actions = []model.Action{{Type: "forward", Targets: s.Targets}}
		b.w.Rules[s.Rule] = r
	}
	for _, c := range p.Calls {
		b.calls = append(b.calls, c)
		if b.answer == nil {
			b.w.Calling[c.Hook] = true
			continue
		}
		if r := b.answer(c); r != nil {
			if b.w.Replies == nil {
				b.w.Replies = map[string]rollout.Reply{}
			}
			b.w.Replies[c.Hook] = *r
		} else {
			b.w.Calling[c.Hook] = true
		}
	}
}

func (b *bench) keepDeployment(d model.ServiceDeployment) {
	i := slices.IndexFunc(b.w.Deployments, func(o model.ServiceDeployment) bool { return o.ARN == d.ARN })
	switch {
	case d.Status.Final():
		b.w.Deployments = slices.Delete(b.w.Deployments, i, i+1)
		b.all = append(b.all, d)
	default:
		b.w.Deployments[i] = d
	}
}

// run lets tasks live one step: new ones start, old ones go.
func (b *bench) run() {
	kept := b.w.Tasks[:0]
	for i := range b.w.Tasks {
		t := b.w.Tasks[i]
		if t.DesiredStatus == model.TaskStopped {
			if t.LastStatus == model.TaskStopped {
				if t.Balancing && b.w.Now.Sub(t.StoppingAt) < time.Hour {
					kept = append(kept, t)
				}
				continue
			}
			t.LastStatus = model.TaskStopped
			for _, lb := range t.LoadBalancers {
				delete(b.w.Targets, rollout.TargetKey{Group: lb.TargetGroupARN, Task: t.ARN})
			}
			kept = append(kept, t)
			continue
		}
		if t.LastStatus != model.TaskRunning {
			b.begin(t)
		}
		kept = append(kept, t)
	}
	b.w.Tasks = kept
}

func (b *bench) begin(t *model.Task) {
	how := b.start(*t)
	if b.place != nil {
		if t.AvailabilityZone = b.place(*t); t.AvailabilityZone == "" {
			return
		}
		t.Instance = "i-" + t.AvailabilityZone
	}
	switch how {
	case "slow":
		return
	case "fail":
		t.DesiredStatus, t.StopCode, t.StoppedReason, t.StoppingAt = model.TaskStopped, "TaskFailedToStart", "CannotPullContainerError", b.w.Now
		return
	}
	t.LastStatus, t.StartedAt = model.TaskRunning, b.w.Now
	if how == "crash" {
		t.DesiredStatus, t.StopCode, t.StoppedReason, t.StoppingAt = model.TaskStopped, "EssentialContainerExited",
			"Essential container in task exited", b.w.Now
		return
	}
	if b.digest {
		for i := range t.Containers {
			t.Containers[i].ImageDigest = "sha256:abc"
		}
	}
	for _, lb := range t.LoadBalancers {
		state := "healthy"
		if how == "ill" {
			state = "unhealthy"
		}
		b.w.Targets[rollout.TargetKey{Group: lb.TargetGroupARN, Task: t.ARN}] = model.Target{
			Group: lb.TargetGroupARN, Task: t.ARN, State: model.TargetState(state), Description: "Health checks failed with these codes: [503]",
		}
	}
}

// settle looks and lives until nothing changes, moving time by at most one
// limit in all; it checks the laws after every look.
func (b *bench) settle(limit time.Duration) {
	end := b.w.Now.Add(limit)
	for range 4000 {
		before := model.Clone(b.w.Tasks)
		p := b.look()
		b.run()
		if b.busy(p) || !cmp.Equal(before, b.w.Tasks) {
			continue
		}
		if p.At.IsZero() || p.At.After(end) {
			b.w.Now = end
			b.look()
			return
		}
		b.w.Now = p.At
	}
	b.t.Fatal("the world does not come to rest")
}

func (b *bench) busy(p rollout.Plan) bool {
	return len(p.Start)+len(p.Stop)+len(p.Shifts)+len(p.Noted)+len(p.Proven)+len(p.Deployments)+len(p.Revisions)+len(b.w.Replies) > 0
}

func (b *bench) last() model.ServiceDeployment {
	if len(b.all) == 0 {
		b.t.Fatalf("no deployment ended; now %+v", b.w.Deployments)
	}
	return b.all[len(b.all)-1]
}

func (b *bench) running(revision string) (n int) {
	for _, t := range b.w.Tasks {
		if t.Revision == revision && t.DesiredStatus == model.TaskRunning && t.LastStatus == model.TaskRunning {
			n++
		}
	}
	return n
}

func (b *bench) weights(rule string) string {
	var out []string
	for _, a := range b.w.Rules[rule].Actions {
		for _, t := range a.Targets {
			out = append(out, fmt.Sprintf("%s=%d", t.TargetGroupARN, t.Weight))
		}
	}
	return strings.Join(out, " ")
}

func (b *bench) said(part string) bool {
	return slices.ContainsFunc(b.log, func(s string) bool { return strings.Contains(s, part) })
}

func reply(s string) *rollout.Reply { return &rollout.Reply{Payload: []byte(s)} }

func minutes(n int64) *int64 { return &n }
