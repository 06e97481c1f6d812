package sim

import (
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"regexp"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"berth/internal/model"
	"berth/internal/state"
	"berth/internal/store"
)

// tables are what stories look at. Each row is written with tabs.
var tables = map[string]func(w *World, t io.Writer, v store.Reader, args []string){
	"activities":        activities,
	"alarms":            alarms,
	"calls":             calls,
	"capacityproviders": capacityProviders,
	"deployments":       deployments,
	"events":            events,
	"hooks":             hooks,
	"instances":         instances,
	"rollouts":          rollouts,
	"rules":             rules,
	"services":          services,
	"stackevents":       stackEvents,
	"stackresources":    stackResources,
	"stacks":            stacks,
	"stopped":           stopped,
	"targets":           targets,
	"tasks":             tasks,
	"time":              func(w *World, t io.Writer, _ store.Reader, _ []string) { fmt.Fprintln(t, w.since(w.Clock.Now())) },
}

// Table renders one of the tables for people.
func (w *World) Table(name string, args ...string) (string, error) {
	fill := tables[name]
	if fill == nil {
		return "", fmt.Errorf("no table %q; there are %s", name, strings.Join(slices.Sorted(maps.Keys(tables)), ", "))
	}
	var b strings.Builder
	t := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	fill(w, t, w.DB.View(), args)
	if err := t.Flush(); err != nil {
		return "", err
	}
	return b.String(), nil
}

func (w *World) since(t time.Time) time.Duration { return t.Sub(w.start) }

// by sorts a copy by a time, then by a name.
func by[T any](all []T, at func(T) time.Time, name func(T) string) []T {
	slices.SortStableFunc(all, func(a, b T) int {
		return cmp.Or(at(a).Compare(at(b)), strings.Compare(name(a), name(b)))
	})
	return all
}

func launched(v store.Reader) []model.Instance {
	return by(state.Instances.All(v), func(i model.Instance) time.Time { return i.WantedAt }, func(i model.Instance) string { return i.ID })
}

func created(v store.Reader) []model.Task {
	return by(state.Tasks.All(v), func(t model.Task) time.Time { return t.CreatedAt }, func(t model.Task) string { return t.ID })
}

func deployed(v store.Reader) []model.ServiceDeployment {
	return by(state.ServiceDeployments.All(v), func(d model.ServiceDeployment) time.Time { return d.CreatedAt }, func(d model.ServiceDeployment) string { return d.ARN })
}

func revised(v store.Reader) []model.ServiceRevision {
	return by(state.ServiceRevisions.All(v), func(r model.ServiceRevision) time.Time { return r.CreatedAt }, func(r model.ServiceRevision) string { return r.ARN })
}

var (
	groupARN = regexp.MustCompile(`arn:aws:elasticloadbalancing:[^ )]*:targetgroup/([^/ )]+)/[0-9a-f]+`)
	anyUUID  = regexp.MustCompile(`[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}`)
)

// plain puts numbers in order of creation in the place of identities, so that
// a text says the same whatever chance drew.
func plain(v store.Reader, text string) string {
	var pairs []string
	for i, t := range created(v) {
		pairs = append(pairs, t.ID, fmt.Sprint(i+1))
	}
	for i, in := range launched(v) {
		pairs = append(pairs, in.ID, fmt.Sprintf("i-%d", i+1), in.ARN[strings.LastIndexByte(in.ARN, '/')+1:], fmt.Sprintf("instance-%d", i+1))
	}
	for i, d := range deployed(v) {
		pairs = append(pairs, d.RolloutID, fmt.Sprintf("ecs-svc/%d", i+1), d.ARN, fmt.Sprintf("deployment-%d", i+1))
	}
	for i, r := range revised(v) {
		pairs = append(pairs, r.ARN, fmt.Sprintf("revision-%d", i+1))
	}
	text = groupARN.ReplaceAllString(text, "targetgroup/$1/")
	return anyUUID.ReplaceAllString(strings.NewReplacer(pairs...).Replace(text), "UUID")
}

func instances(_ *World, t io.Writer, v store.Reader, _ []string) {
	for i, in := range launched(v) {
		fmt.Fprintf(t, "%d\t%s\t%s\t%s\t%s\t%s\n", i+1, in.Type, in.AvailabilityZone, in.State, dash(in.Status), in.Goal)
	}
}

func capacityProviders(_ *World, t io.Writer, v store.Reader, _ []string) {
	for _, c := range state.CapacityProviders.All(v) {
		fmt.Fprintf(t, "%s\t%s\t%s\n", c.Name, c.Status, c.UpdateStatus)
	}
}

func services(_ *World, t io.Writer, v store.Reader, _ []string) {
	for _, s := range state.Services.All(v) {
		fmt.Fprintf(t, "%s\t%s\t%d\n", s.Name, s.Status, s.DesiredCount)
	}
}

// rollouts are what DescribeServices lists as deployments.
func rollouts(_ *World, t io.Writer, v store.Reader, _ []string) {
	for _, s := range state.Services.All(v) {
		for _, r := range s.Rollouts {
			fmt.Fprintf(t, "%s\t%s\t%s\tfailed %d\t%s\n", s.Name, r.Status, r.State, r.FailedTasks, plain(v, dash(r.Reason)))
		}
	}
}

func deployments(_ *World, t io.Writer, v store.Reader, _ []string) {
	for i, d := range deployed(v) {
		fmt.Fprintf(t, "%d\t%s\t%s\t%s\n", i+1, d.Status, dash(d.Stage), plain(v, dash(d.StatusReason)))
	}
}

func hooks(_ *World, t io.Writer, v store.Reader, _ []string) {
	for i, d := range deployed(v) {
		for _, h := range d.Hooks {
			target := "-"
			if h.TargetARN != "" {
				target = h.TargetARN[strings.LastIndexByte(h.TargetARN, ':')+1:]
			}
			fmt.Fprintf(t, "%d\t%s\t%s\t%s\t%s\n", i+1, h.Stage, h.TargetType, target, h.Status)
		}
	}
}

// calls are those that were made of functions: when, whose, at what stage,
// with what weights and details.
func calls(w *World, t io.Writer, v store.Reader, _ []string) {
	w.hands.fate.mu.Lock()
	made := slices.Clone(w.hands.fate.calls)
	w.hands.fate.mu.Unlock()
	for _, c := range made {
		var in struct {
			LifecycleStage   string
			ExecutionDetails struct{ TestTrafficWeights, ProductionTrafficWeights map[string]float64 }
			HookDetails      any
		}
		_ = json.Unmarshal(c.payload, &in)
		fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%s\t%s\n", w.since(c.at), c.function, dash(in.LifecycleStage),
			asJSON(v, in.ExecutionDetails.TestTrafficWeights), asJSON(v, in.ExecutionDetails.ProductionTrafficWeights), asJSON(v, in.HookDetails))
	}
}

// asJSON is a value as JSON, with numbers for identities.
func asJSON(v store.Reader, x any) string {
	b, _ := json.Marshal(x)
	return plain(v, string(b))
}

func targets(_ *World, t io.Writer, v store.Reader, _ []string) {
	number := map[string]int{}
	for i, x := range created(v) {
		number[x.ARN] = i + 1
	}
	for _, x := range state.Targets.All(v) {
		who := x.ID
		if n := number[x.Task]; n > 0 {
			who = fmt.Sprintf("task %d", n)
		}
		fmt.Fprintf(t, "%s\t%s\t%d\t%s\t%s\n", groupName(x.Group), who, x.Port, x.State, dash(x.Reason))
	}
}

func rules(_ *World, t io.Writer, v store.Reader, _ []string) {
	for _, r := range state.ListenerRules.All(v) {
		if r.Default {
			continue
		}
		l, _ := state.Listeners.Get(v, r.Listener)
		for _, a := range r.Actions {
			for _, x := range a.Targets {
				fmt.Fprintf(t, "%d\t%s\t%d\n", l.Port, groupName(x.TargetGroupARN), x.Weight)
			}
		}
	}
}

func groupName(arn string) string {
	f := strings.Split(arn, "/")
	if len(f) < 2 {
		return arn
	}
	return f[len(f)-2]
}

func stacks(_ *World, t io.Writer, v store.Reader, _ []string) {
	for _, s := range state.Stacks.All(v) {
		fmt.Fprintf(t, "%s\t%s\t%s\n", s.Name, s.Status, dash(s.StatusReason))
	}
}

func stackResources(_ *World, t io.Writer, v store.Reader, _ []string) {
	for _, r := range state.StackResources.All(v) {
		fmt.Fprintf(t, "%s\t%s\t%s\n", r.LogicalID, r.Type, r.Status)
	}
}

func stackEvents(_ *World, t io.Writer, v store.Reader, _ []string) {
	for _, e := range state.StackEvents.All(v) {
		fmt.Fprintf(t, "%s\t%s\t%s\n", e.LogicalID, e.Status, plain(v, dash(e.Reason)))
	}
}

func events(w *World, t io.Writer, v store.Reader, args []string) {
	for _, s := range state.Services.All(v) {
		if len(args) > 0 && s.Name != args[0] {
			continue
		}
		for _, e := range slices.Backward(s.Events) {
			fmt.Fprintf(t, "%s\t%s\n", w.since(e.At), plain(v, e.Message))
		}
	}
}

// tasks are those that are not yet STOPPED.
func tasks(_ *World, t io.Writer, v store.Reader, _ []string) {
	number := map[string]int{}
	for i, in := range launched(v) {
		number[in.ARN] = i + 1
	}
	for n, x := range created(v) {
		if x.LastStatus == model.TaskStopped {
			continue
		}
		on := "-"
		if x.Instance != "" {
			on = fmt.Sprint(number[x.Instance])
		}
		fmt.Fprintf(t, "%d\t%s\t%s\tinstance %s\t%s\n", n+1, x.LastStatus, x.DesiredStatus, on, plain(v, dash(x.Refusal)))
	}
}

func stopped(_ *World, t io.Writer, v store.Reader, _ []string) {
	for n, x := range created(v) {
		if x.DesiredStatus != "STOPPED" {
			continue
		}
		code := "-"
		if len(x.Containers) > 0 && x.Containers[0].ExitCode != nil {
			code = fmt.Sprint(*x.Containers[0].ExitCode)
		}
		fmt.Fprintf(t, "%d\t%s\t%s\texit %s\t%s\n", n+1, x.LastStatus, dash(x.StopCode), code, plain(v, dash(x.StoppedReason)))
	}
}

func activities(w *World, t io.Writer, v store.Reader, _ []string) {
	all := by(state.ScalingActivities.All(v), func(a model.ScalingActivity) time.Time { return a.StartedAt }, func(a model.ScalingActivity) string { return a.ID })
	for _, a := range all {
		fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%s\n", w.since(a.StartedAt), a.Status, dash(a.Description), plain(v, dash(a.Cause)), dash(strings.Join(a.NotScaled, " ")))
	}
}

func alarms(_ *World, t io.Writer, v store.Reader, _ []string) {
	for _, a := range state.Alarms.All(v) {
		fmt.Fprintf(t, "%s\t%s\t%g\t%d of %ds\t%s\n", plain(v, a.Name), a.Comparison, a.Threshold, a.EvaluationPeriods, a.Period, a.State)
	}
}

func dash(s string) string {
	if s == "" {
		return "-"
	}
	return s
}
