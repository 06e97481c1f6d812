package sim

import (
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"

	"berth/internal/explain"
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
	"why":               why,
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

// taskRow and machineRow are records with their number in order of birth.
type (
	taskRow struct {
		model.Task
		n int
	}
	machineRow struct {
		model.Instance
		n int
	}
)

func (w *World) tasks(v store.Reader) (out []taskRow) {
	for i, arn := range w.drivers.fate.children("task") {
		if t, ok := state.Tasks.Get(v, arn); ok {
			out = append(out, taskRow{t, i + 1})
		}
	}
	return out
}

func (w *World) instances(v store.Reader) (out []machineRow) {
	for i, id := range w.drivers.fate.children("instance") {
		if in, ok := state.Instances.Get(v, id); ok {
			out = append(out, machineRow{in, i + 1})
		}
	}
	return out
}

func deployed(v store.Reader) []model.ServiceDeployment {
	return by(
		state.ServiceDeployments.All(v), func(d model.ServiceDeployment) time.Time { return d.CreatedAt },
		func(d model.ServiceDeployment) string { return d.ARN },
	)
}

func revised(v store.Reader) []model.ServiceRevision {
	return by(
		state.ServiceRevisions.All(v), func(r model.ServiceRevision) time.Time { return r.CreatedAt },
		func(r model.ServiceRevision) string { return r.ARN },
	)
}

var (
	groupARN = regexp.MustCompile(`arn:aws:elasticloadbalancing:[^ )]*:targetgroup/([^/ )]+)/[0-9a-f]+`)
	anyUUID  = regexp.MustCompile(`[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}`)
)

// plain puts numbers in order of creation in the place of identities, so that
// a text says the same whatever chance drew.
func (w *World) plain(v store.Reader, text string) string {
	var pairs []string
	for i, arn := range w.drivers.fate.children("task") {
		pairs = append(pairs, last(arn), fmt.Sprint(i+1))
	}
	for i, id := range w.drivers.fate.children("instance") {
		pairs = append(pairs, id, fmt.Sprintf("i-%d", i+1))
		if in, ok := state.Instances.Get(v, id); ok && in.ARN != "" {
			pairs = append(pairs, last(in.ARN), fmt.Sprintf("instance-%d", i+1))
		}
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

// last is what follows the last slash of an ARN.
func last(arn string) string { return arn[strings.LastIndexByte(arn, '/')+1:] }

func instances(w *World, t io.Writer, v store.Reader, _ []string) {
	for _, in := range w.instances(v) {
		fmt.Fprintf(t, "%d\t%s\t%s\t%s\t%s\t%s\n", in.n, in.Type, in.AvailabilityZone, in.State, dash(string(in.Status)), in.Goal)
	}
}

func capacityProviders(w *World, t io.Writer, v store.Reader, _ []string) {
	for _, c := range state.CapacityProviders.All(v) {
		fmt.Fprintf(t, "%s\t%s\t%s\n", c.Name, c.Status, c.UpdateStatus)
	}
}

func services(w *World, t io.Writer, v store.Reader, _ []string) {
	for _, s := range state.Services.All(v) {
		fmt.Fprintf(t, "%s\t%s\t%d\n", s.Name, s.Status, s.DesiredCount)
	}
}

// rollouts are what DescribeServices lists as deployments.
func rollouts(w *World, t io.Writer, v store.Reader, _ []string) {
	for _, s := range state.Services.All(v) {
		for _, r := range s.Rollouts {
			fmt.Fprintf(t, "%s\t%s\t%s\tfailed %d\t%s\n", s.Name, r.Status, r.State, r.FailedTasks, w.plain(v, dash(r.Reason)))
		}
	}
}

func deployments(w *World, t io.Writer, v store.Reader, _ []string) {
	for i, d := range deployed(v) {
		fmt.Fprintf(t, "%d\t%s\t%s\t%s\n", i+1, d.Status, dash(string(d.Stage)), w.plain(v, dash(d.StatusReason)))
	}
}

func hooks(w *World, t io.Writer, v store.Reader, _ []string) {
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
	w.drivers.fate.mu.Lock()
	made := slices.Clone(w.drivers.fate.calls)
	w.drivers.fate.mu.Unlock()
	for _, c := range made {
		var in struct {
			LifecycleStage   string
			ExecutionDetails struct{ TestTrafficWeights, ProductionTrafficWeights map[string]float64 }
			HookDetails      any

			RequestType, PhysicalResourceID           string
			ResourceProperties, OldResourceProperties map[string]any
		}
		_ = json.Unmarshal(c.payload, &in)
		if in.RequestType != "" {
			delete(in.ResourceProperties, "ServiceToken")
			fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%s\t%s\n", w.since(c.at), c.function, in.RequestType, dash(in.PhysicalResourceID),
				asJSON(in.ResourceProperties), dash(textOf(in.OldResourceProperties["Name"])))
			continue
		}
		fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%s\t%s\n", w.since(c.at), c.function, dash(in.LifecycleStage),
			w.weights(v, in.ExecutionDetails.TestTrafficWeights), w.weights(v, in.ExecutionDetails.ProductionTrafficWeights), asJSON(in.HookDetails))
	}
}

func textOf(v any) string {
	s, _ := v.(string)
	return s
}

func (w *World) weights(v store.Reader, m map[string]float64) string {
	out := map[string]float64{}
	for revision, percent := range m {
		out[w.plain(v, revision)] = percent
	}
	return asJSON(out)
}

func asJSON(x any) string {
	b, _ := json.Marshal(x)
	return string(b)
}

func targets(w *World, t io.Writer, v store.Reader, _ []string) {
	number := map[string]int{}
	for _, x := range w.tasks(v) {
		number[x.ARN] = x.n
	}
	for _, x := range state.Targets.All(v) {
		who := x.ID
		if n := number[x.Task]; n > 0 {
			who = fmt.Sprintf("task %d", n)
		}
		fmt.Fprintf(t, "%s\t%s\t%d\t%s\t%s\n", groupName(x.Group), who, x.Port, x.State, dash(x.Reason))
	}
}

func rules(w *World, t io.Writer, v store.Reader, _ []string) {
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

func stacks(w *World, t io.Writer, v store.Reader, _ []string) {
	for _, s := range state.Stacks.All(v) {
		fmt.Fprintf(t, "%s\t%s\t%s\n", s.Name, s.Status, dash(s.StatusReason))
	}
}

func stackResources(w *World, t io.Writer, v store.Reader, _ []string) {
	for _, r := range state.StackResources.All(v) {
		fmt.Fprintf(t, "%s\t%s\t%s\n", r.LogicalID, r.Type, r.Status)
	}
}

func stackEvents(w *World, t io.Writer, v store.Reader, _ []string) {
	for _, e := range state.StackEvents.All(v) {
		fmt.Fprintf(t, "%s\t%s\t%s\n", e.LogicalID, e.Status, w.plain(v, dash(e.Reason)))
	}
}

func events(w *World, t io.Writer, v store.Reader, args []string) {
	for _, s := range state.Services.All(v) {
		if len(args) > 0 && s.Name != args[0] {
			continue
		}
		for _, e := range slices.Backward(s.Events) {
			fmt.Fprintf(t, "%s\t%s\n", w.since(e.At), w.plain(v, e.Message))
		}
	}
}

// tasks are those that are not yet STOPPED.
func tasks(w *World, t io.Writer, v store.Reader, _ []string) {
	number := map[string]int{}
	for _, in := range w.instances(v) {
		number[in.ARN] = in.n
	}
	for _, x := range w.tasks(v) {
		if x.LastStatus == model.TaskStopped {
			continue
		}
		on := "-"
		if x.Instance != "" {
			on = fmt.Sprint(number[x.Instance])
		}
		fmt.Fprintf(t, "%d\t%s\t%s\tinstance %s\t%s\n", x.n, x.LastStatus, x.DesiredStatus, on, w.plain(v, dash(x.Refusal)))
	}
}

func stopped(w *World, t io.Writer, v store.Reader, _ []string) {
	for _, x := range w.tasks(v) {
		if x.DesiredStatus != model.TaskStopped {
			continue
		}
		code := "-"
		if len(x.Containers) > 0 && x.Containers[0].ExitCode != nil {
			code = fmt.Sprint(*x.Containers[0].ExitCode)
		}
		fmt.Fprintf(t, "%d\t%s\t%s\texit %s\t%s\n", x.n, x.LastStatus, dash(x.StopCode), code, w.plain(v, dash(x.StoppedReason)))
	}
}

func activities(w *World, t io.Writer, v store.Reader, _ []string) {
	all := by(
		state.ScalingActivities.All(v), func(a model.ScalingActivity) time.Time { return a.StartedAt },
		func(a model.ScalingActivity) string { return a.ID },
	)
	for _, a := range all {
		fmt.Fprintf(
			t, "%s\t%s\t%s\t%s\t%s\n", w.since(a.StartedAt), a.Status, dash(a.Description), w.plain(v, dash(a.Cause)),
			dash(strings.Join(a.NotScaled, " ")),
		)
	}
}

func alarms(w *World, t io.Writer, v store.Reader, _ []string) {
	for _, a := range state.Alarms.All(v) {
		fmt.Fprintf(t, "%s\t%s\t%g\t%d of %ds\t%s\n", w.plain(v, a.Name), a.Comparison, a.Threshold, a.EvaluationPeriods, a.Period, a.State)
	}
}

// why explains what its argument names: a task by its number, or anything by
// its name.
func why(w *World, t io.Writer, v store.Reader, args []string) {
	for _, id := range args {
		if n, err := strconv.Atoi(id); err == nil {
			id, _ = w.Find("task", n)
		}
		a, _ := explain.Find(v, id, w.Clock.Now())
		for _, s := range a.Say {
			fmt.Fprintln(t, w.plain(v, s))
		}
		fmt.Fprintf(t, "cure: %s\n", w.plain(v, dash(a.Cure)))
	}
}

func dash(s string) string {
	if s == "" {
		return "-"
	}
	return s
}
