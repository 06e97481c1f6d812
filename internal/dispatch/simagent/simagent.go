// Package simagent is the agent of simulated machines: it signs in at the
// gateway when its machine runs, and moves tasks by reports as a real agent
// would, after pull and start times drawn from a seed. It skips the wire, and
// nothing else.
//
// It is a controller like the others, driven by state and by the control
// plane's clock; chance is drawn from the seed and the task's or machine's
// id, never from the order of events. It owns no field: everything it knows
// goes through dispatch.Gateway. Only simulations run it.
package simagent

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"strings"
	"time"

	"berth/internal/acs"
	"berth/internal/control"
	"berth/internal/dispatch"
	"berth/internal/ident"
	"berth/internal/model"
	"berth/internal/model/catalog"
	"berth/internal/state"
	"berth/internal/store"
)

const name = "dispatch/simagent"

// Config says how simulated agents behave; zero is at once, and never a
// failure.
type Config struct {
	Seed uint64
	// Between a machine that runs and its agent's registration.
	BootMin, BootMax time.Duration
	// Between a payload and RUNNING: the first task of an image on a machine
	// pulls it, the others only start.
	PullMin, PullMax   time.Duration
	StartMin, StartMax time.Duration
	// Between the word to stop and STOPPED.
	StopMin, StopMax time.Duration
	// Crash is the share of tasks, 0 to 1, whose essential container ends by
	// itself within CrashWithin of RUNNING.
	Crash       float64
	CrashWithin time.Duration
	// Faults, if set, decides for single tasks what they do instead.
	Faults Faults
	// Signal, if set, is CloudFormation's SignalResource, which the cfn-signal of
	// user data calls with the instance's identity: no role has to allow it.
	Signal func(ctx context.Context, in map[string]any) error
}

// Faults scripts what tasks do. Its methods may be called at any time and
// must answer the same for the same task while nothing was changed.
type Faults interface {
	// Pull returns a reason for which the task's image cannot be pulled, or "".
	Pull(t model.Task) string
	// Exit returns the code with which the task's essential container ends
	// once it runs, and whether it does.
	Exit(t model.Task) (code int64, ends bool)
	// Health is HEALTHY or UNHEALTHY for containers with a health check.
	Health(t model.Task) string
	// Silent says that an instance's agent is cut off.
	Silent(i model.Instance) bool
}

// Controller implements control.Controller.
type Controller struct {
	DB      *state.DB
	Gateway *dispatch.Gateway
	Config  Config
}

var _ control.Controller = Controller{}

// Name implements control.Controller.
func (Controller) Name() string { return name }

// Wake implements control.Controller.
func (Controller) Wake() store.Rules {
	return store.Rules{
		store.On(state.Instances, "the instance, while it runs", func(_, i *model.Instance) []string {
			if i == nil || i.State != model.InstanceRunning && !i.Connected {
				return nil
			}
			return []string{i.ID}
		}),
		store.On(state.Tasks, "the task, while it is on an instance", func(_, t *model.Task) []string {
			if t == nil || t.Instance == "" || !t.LastStatus.Before(model.TaskDeprovisioning) {
				return nil
			}
			return []string{t.ARN}
		}),
	}
}

// Reconcile implements control.Controller.
func (l Controller) Reconcile(ctx context.Context, r control.Request) (control.Result, error) {
	view := l.DB.View()
	if strings.HasPrefix(r.Key, "i-") {
		i, _ := state.Instances.Get(view, r.Key)
		return l.machine(ctx, r, i)
	}
	t, ok := state.Tasks.Get(view, r.Key)
	if !ok {
		return control.Result{}, nil
	}
	i, ok := state.Instances.One(view, "arn", t.Instance)
	if !ok || i.State != model.InstanceRunning || !i.Connected || l.silent(i) {
		return control.Result{}, nil
	}
	return l.task(ctx, r, view, i, t)
}

func (l Controller) silent(i model.Instance) bool {
	return l.Config.Faults != nil && l.Config.Faults.Silent(i)
}

// who is the principal of a machine's own session.
func who(i model.Instance) ident.Principal {
	role := i.ProfileARN
	if i.Kind == model.KindSlice { // it speaks for ECS
		a, _ := ident.ParseARN(i.ARN)
		role = "arn:" + a.Partition + ":iam::" + a.Account + ":" + model.ServiceRole
	}
	p := ident.AsRole(role, i.ID)
	p.Session = i.ID
	return p
}

// machine signs a running machine in, and out when it has ended.
func (l Controller) machine(ctx context.Context, r control.Request, i model.Instance) (control.Result, error) {
	switch {
	case i.ID == "":
		return control.Result{}, nil
	case i.State != model.InstanceRunning || l.silent(i):
		return control.Result{}, l.Gateway.Lose(ctx, i.ID, "The agent's connection ended.")
	case i.Connected && i.Kind == model.KindSlice:
		return l.beginTasks(ctx, r, i) // its task was there before it
	case i.Connected:
		return control.Result{}, nil
	}
	if up := i.LaunchedAt.Add(l.between(i.ID, "boot", l.Config.BootMin, l.Config.BootMax)); r.Now.Before(up) {
		return control.Result{After: up.Sub(r.Now)}, nil
	}
	if i.Goal == model.GoalTerminate {
		return control.Result{}, nil
	}
	if err := l.register(ctx, i); err != nil {
		return control.Result{}, err
	}
	if err := l.Gateway.Attend(ctx, i.ID, "1.105.1", "simulated"); err != nil {
		return control.Result{}, err
	}
	l.signal(ctx, i)
	return l.beginTasks(ctx, r, i)
}

// signal does what a script's cfn-signal does: nobody hears of it if that is
// refused.
func (l Controller) signal(ctx context.Context, i model.Instance) {
	if in := signalOf(i); in != nil && l.Config.Signal != nil {
		_ = l.Config.Signal(ctx, in)
	}
}

func (l Controller) register(ctx context.Context, i model.Instance) error {
	arch, res := "x86_64", i.Expected
	if t, ok := catalog.Lookup(i.Type); ok {
		arch, res = t.Architecture(), catalog.Registered(t)
	}
	doc, err := json.Marshal(map[string]string{"instanceId": i.ID, "instanceType": i.Type, "architecture": arch})
	if err != nil {
		return err
	}
	_, err = l.Gateway.Register(ctx, who(i), dispatch.Registration{
		Cluster: clusterOf(i), Instance: knownARN(i), Document: string(doc), CPU: res.CPU, Memory: res.Memory, Ports: catalog.ReservedPorts(),
		AgentVersion: "1.105.1", RuntimeVersion: "simulated",
	})
	return err
}

func knownARN(i model.Instance) string {
	if i.RegisteredAt.IsZero() {
		return ""
	}
	return i.ARN
}

// beginTasks looks at what waited for the agent, and says when to look again.
func (l Controller) beginTasks(ctx context.Context, r control.Request, i model.Instance) (control.Result, error) {
	var soonest control.Result
	view := l.DB.View()
	i, _ = state.Instances.Get(view, i.ID)
	for _, t := range state.Tasks.By(view, "instance", i.ARN) {
		res, err := l.task(ctx, control.Request{Key: t.ARN, Now: r.Now}, view, i, t)
		if err != nil {
			return soonest, err
		}
		if soonest.After == 0 || res.After != 0 && res.After < soonest.After {
			soonest = res
		}
	}
	return soonest, nil
}

// task moves one task on by a report, if it is time.
func (l Controller) task(
	ctx context.Context, r control.Request, view store.Reader, i model.Instance, t model.Task,
) (control.Result, error) {
	switch t.LastStatus {
	case model.TaskPending:
		if t.DesiredStatus == model.TaskStopped {
			return control.Result{}, nil
		}
		return l.begin(ctx, r, view, i, t)
	case model.TaskActivating, model.TaskRunning:
		return l.live(ctx, r, view, i, t)
	case model.TaskStopping:
		if !t.ExecutionStoppedAt.IsZero() {
			return control.Result{}, nil
		}
		return l.finish(ctx, r, i, t)
	default:
		return control.Result{}, nil
	}
}

// begin pulls and starts.
func (l Controller) begin(
	ctx context.Context, r control.Request, view store.Reader, i model.Instance, t model.Task,
) (control.Result, error) {
	pull := l.between(t.ARN, "pull", l.Config.PullMin, l.Config.PullMax)
	if l.cached(view, t) {
		pull = 0
	}
	pulled := t.StatusAt.Add(pull)
	if r.Now.Before(pulled) {
		return control.Result{After: pulled.Sub(r.Now)}, nil
	}
	if f := l.Config.Faults; f != nil {
		if reason := f.Pull(t); reason != "" {
			_, err := l.Gateway.SubmitTask(ctx, who(i), dispatch.TaskReport{
				Task: t.ARN, Status: "STOPPED", Reason: reason, Containers: l.containers(view, t, "STOPPED", nil, reason),
			})
			return control.Result{}, err
		}
	}
	started := pulled.Add(l.between(t.ARN, "start", l.Config.StartMin, l.Config.StartMax))
	if r.Now.Before(started) {
		return control.Result{After: started.Sub(r.Now)}, nil
	}
	report := dispatch.TaskReport{Task: t.ARN, Status: "RUNNING", Containers: l.containers(view, t, "RUNNING", nil, "")}
	bind(l.DB.View(), t, report.Containers)
	if _, err := l.Gateway.SubmitTask(ctx, who(i), report); err != nil {
		return control.Result{}, err
	}
	return control.Result{}, l.health(ctx, view, i, t)
}

// cached says that another task of the definition has run on the machine.
func (l Controller) cached(r store.Reader, t model.Task) bool {
	for o := range state.Tasks.Each(r, "instance", t.Instance) {
		if o.ARN != t.ARN && o.TaskDefinition == t.TaskDefinition && !o.StartedAt.IsZero() {
			return true
		}
	}
	return false
}

// containers words what the agent sees of each container.
func (l Controller) containers(r store.Reader, t model.Task, status string, exit *int64, reason string) []dispatch.ContainerReport {
	var out []dispatch.ContainerReport
	for _, c := range t.Containers {
		h := sha256.Sum256([]byte(c.Image))
		k := dispatch.ContainerReport{Name: c.Name, Status: status, Reason: reason, ExitCode: exit}
		if reason == "" {
			k.ImageDigest = "sha256:" + hex.EncodeToString(h[:])
			id := sha256.Sum256([]byte(t.ARN + c.Name))
			k.RuntimeID = t.ID + "-" + hex.EncodeToString(id[:5])
		}
		out = append(out, k)
	}
	return out
}

// health reports containers with a health check.
func (l Controller) health(ctx context.Context, r store.Reader, i model.Instance, t model.Task) error {
	def, _ := state.TaskDefinitions.Get(r, t.TaskDefinition)
	status := "HEALTHY"
	if f := l.Config.Faults; f != nil {
		status = f.Health(t)
	}
	h := acs.TaskHealth{TaskARN: t.ARN}
	for _, c := range def.Containers {
		if c.HealthCheck == nil {
			continue
		}
		for _, k := range t.Containers {
			if k.Name == c.Name && k.Health != model.Health(status) {
				h.Containers = append(h.Containers, acs.ContainerHealth{Name: c.Name, Status: status})
			}
		}
	}
	if len(h.Containers) == 0 {
		return nil
	}
	return l.Gateway.Health(ctx, i, []acs.TaskHealth{h})
}

// live lets a task crash, if chance or the script says so.
func (l Controller) live(
	ctx context.Context, r control.Request, view store.Reader, i model.Instance, t model.Task,
) (control.Result, error) {
	if err := l.health(ctx, view, i, t); err != nil {
		return control.Result{}, err
	}
	code, ends := int64(1), l.Config.Crash > 0 && l.chance(t.ARN, "crash") < l.Config.Crash
	at := t.StartedAt.Add(l.between(t.ARN, "life", 0, l.Config.CrashWithin))
	if f := l.Config.Faults; f != nil {
		if c, e := f.Exit(t); e {
			code, ends, at = c, true, r.Now
		}
	}
	if !ends {
		return control.Result{}, nil
	}
	if r.Now.Before(at) {
		return control.Result{After: at.Sub(r.Now)}, nil
	}
	_, err := l.Gateway.SubmitTask(ctx, who(i), dispatch.TaskReport{
		Task: t.ARN, Status: "STOPPED", Containers: l.containers(view, t, "STOPPED", &code, ""),
	})
	return control.Result{}, err
}

// finish stops a task that is to stop.
func (l Controller) finish(ctx context.Context, r control.Request, i model.Instance, t model.Task) (control.Result, error) {
	at := t.StatusAt.Add(l.between(t.ARN, "stop", l.Config.StopMin, l.Config.StopMax))
	if r.Now.Before(at) {
		return control.Result{After: at.Sub(r.Now)}, nil
	}
	code := int64(143)
	report := dispatch.TaskReport{Task: t.ARN, Status: "STOPPED"}
	if !t.StartedAt.IsZero() {
		report.Containers = l.containers(l.DB.View(), t, "STOPPED", &code, "")
	}
	_, err := l.Gateway.SubmitTask(ctx, who(i), report)
	return control.Result{}, err
}

// chance draws a number in [0,1) for a subject and a purpose.
func (l Controller) chance(subject, purpose string) float64 {
	var seed [8]byte
	binary.LittleEndian.PutUint64(seed[:], l.Config.Seed)
	h := sha256.Sum256(append(seed[:], subject+"\x00"+purpose...))
	return float64(binary.LittleEndian.Uint64(h[:8])>>11) / (1 << 53)
}

func (l Controller) between(subject, purpose string, least, most time.Duration) time.Duration {
	return least + time.Duration(l.chance(subject, purpose)*float64(max(0, most-least)))
}
