package sim

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	balancer "berth/internal/balancer/sim"
	"berth/internal/clock"
	"berth/internal/control"
	"berth/internal/daemon"
	"berth/internal/dispatch"
	"berth/internal/dispatch/simagent"
	"berth/internal/function"
	"berth/internal/model"
	"berth/internal/state"
	"berth/internal/store"
)

// fate is what befalls tasks, agents, targets and hooks because a story says
// so. Tasks are meant by the image that they run, or one by one.
type fate struct {
	clock clock.Clock
	edge  *balancer.Edge
	sys   *daemon.System

	mu     sync.Mutex
	pulls  map[string]string  // by image: why it cannot be pulled
	exits  map[string]int64   // by image or task ARN: the code it ends with
	ill    map[string]bool    // by image or task ARN: its health check fails
	sick   map[string]string  // by image or task ARN: why its targets fail
	silent map[string]bool    // by instance id: the agent is cut off
	loads  map[string]float64 // by service name: CPU units that are asked of it
	broken map[string]bool    // addresses whose checks were broken here
	said   map[string][]string
	calls  []call
	born   map[string][]string // by kind: task ARNs and instance ids in order of birth
	number map[string]int
}

// call is a hook's call and when it was made.
type call struct {
	at       time.Time
	function string
	payload  []byte
}

var (
	_ simagent.Faults    = (*fate)(nil)
	_ control.Controller = (*fate)(nil)
)

func newFate(c clock.Clock, edge *balancer.Edge) *fate {
	return &fate{
		clock: c, edge: edge, pulls: map[string]string{}, exits: map[string]int64{}, ill: map[string]bool{}, sick: map[string]string{},
		silent: map[string]bool{}, loads: map[string]float64{}, broken: map[string]bool{}, said: map[string][]string{},
		born: map[string][]string{}, number: map[string]int{},
	}
}

// of finds what a story says of a task, or of an image of its definition.
func of[T any](f *fate, t model.Task, m map[string]T) (x T, ok bool) {
	if x, ok = m[t.ARN]; ok {
		return x, true
	}
	d := state.TaskDefinitions.Ref(f.sys.DB.View(), t.TaskDefinition)
	if d == nil || len(m) == 0 {
		return x, false
	}
	for _, c := range d.Containers {
		if x, ok = m[c.Image]; ok {
			return x, true
		}
	}
	return x, false
}

// Pull implements simagent.Faults.
func (f *fate) Pull(t model.Task) string {
	f.mu.Lock()
	defer f.mu.Unlock()
	why, _ := of(f, t, f.pulls)
	return why
}

// Exit implements simagent.Faults.
func (f *fate) Exit(t model.Task) (int64, bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return of(f, t, f.exits)
}

// Health implements simagent.Faults.
func (f *fate) Health(t model.Task) string {
	f.mu.Lock()
	defer f.mu.Unlock()
	if _, ill := of(f, t, f.ill); ill {
		return "UNHEALTHY"
	}
	return "HEALTHY"
}

// Silent implements simagent.Faults.
func (f *fate) Silent(i model.Instance) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.silent[i.ID]
}

// answer is what a function says: what the story lined up, the last again and
// again. An answer `error TEXT` is a function that raised.
func (f *fate) answer(fn model.Function, payload []byte) function.Result {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.calls = append(f.calls, call{f.clock.Now(), fn.Name, append([]byte(nil), payload...)})
	said := f.said[fn.Name]
	if len(said) > 0 && !strings.HasPrefix(said[0], "error ") && f.put(payload, said[0]) {
		if len(said) > 1 {
			f.said[fn.Name] = said[1:]
		}
		return function.Result{Payload: []byte("null")}
	}
	if len(said) == 0 {
		return function.Result{Payload: []byte(`{"hookStatus":"SUCCEEDED"}`)}
	}
	if len(said) > 1 {
		f.said[fn.Name] = said[1:]
	}
	if text, raised := strings.CutPrefix(said[0], "error "); raised {
		b, _ := json.Marshal(map[string]string{"errorMessage": text, "errorType": "Exception"})
		return function.Result{Payload: b, FunctionError: "Unhandled"}
	}
	return function.Result{Payload: []byte(said[0])}
}

// put has a custom resource's function answer its request, but for the answer
// `silence`; it reports whether the call was such a request.
func (f *fate) put(payload []byte, said string) bool {
	var event struct{ ResponseURL string }
	if json.Unmarshal(payload, &event) != nil || event.ResponseURL == "" {
		return false
	}
	if said != "silence" {
		r, err := http.NewRequestWithContext(context.Background(), http.MethodPut, event.ResponseURL, nil)
		if err != nil {
			return false
		}
		_ = f.sys.Answers.Put(r, []byte(said)) // a function whose request is over is refused
	}
	return true
}

// Name implements control.Controller.
func (f *fate) Name() string { return "sim/fate" }

// Wake implements control.Controller: a target that ECS registers is judged by
// the image behind it. It also numbers what is born, since records are
// forgotten.
func (f *fate) Wake() store.Rules {
	return store.Rules{
		store.On(state.Targets, "the target's task", func(_, t *model.Target) []string {
			if t == nil {
				return nil
			}
			return store.Key(t.Task)
		}),
		store.On(state.Tasks, "none", func(_, t *model.Task) []string {
			if t != nil {
				f.count("task", t.ARN)
			}
			return nil
		}),
		store.On(state.Instances, "none", func(_, i *model.Instance) []string {
			if i != nil {
				f.count("instance", i.ID)
			}
			return nil
		}),
	}
}

func (f *fate) count(kind, name string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.number[name] == 0 {
		f.born[kind] = append(f.born[kind], name)
		f.number[name] = len(f.born[kind])
	}
}

func (f *fate) children(kind string) []string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Clone(f.born[kind])
}

const loadKey = "load"

// Reconcile implements control.Controller.
func (f *fate) Reconcile(ctx context.Context, r control.Request) (control.Result, error) {
	if r.Key == loadKey {
		return f.load(ctx, r)
	}
	view := f.sys.DB.View()
	t, _ := state.Tasks.Get(view, r.Key)
	f.mu.Lock()
	defer f.mu.Unlock()
	why, sick := of(f, t, f.sick)
	for _, x := range state.Targets.By(view, "task", r.Key) {
		switch {
		case sick:
			f.edge.Break(x.ID, why)
			f.broken[x.ID] = true
		case f.broken[x.ID]:
			f.edge.Heal(x.ID)
			delete(f.broken, x.ID)
		}
	}
	return control.Result{}, nil
}

// load sends the figures of every task of a loaded service, as agents do every
// 20 seconds: what is asked of the service is shared by its running tasks, and
// none gets more than it has reserved.
func (f *fate) load(ctx context.Context, r control.Request) (control.Result, error) {
	view := f.sys.DB.View()
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, s := range state.Services.All(view) {
		asked, ok := f.loads[s.Name]
		if !ok {
			continue
		}
		var running []model.Task
		for _, t := range state.Tasks.By(view, "service", s.ARN) {
			if t.LastStatus == model.TaskRunning {
				running = append(running, t)
			}
		}
		for _, t := range running {
			units := min(asked/float64(len(running)), float64(t.CPU))
			sample := dispatch.Sample{Task: t, At: r.Now, Containers: []dispatch.ContainerSample{{
				Name: t.Containers[0].Name, CPU: steadily(units / 1024 * 100), Memory: steadily(float64(t.Memory) / 2),
			}}}
			if err := f.sys.Gateway.Metrics.Put(ctx, sample); err != nil {
				return control.Result{}, err
			}
		}
	}
	return control.Result{After: 20 * time.Second}, nil
}

func steadily(v float64) dispatch.Figures {
	return dispatch.Figures{Min: v, Max: v, Sum: v, Count: 1}
}

// fail makes something go wrong from now on, or, without the reason, go right
// again:
//
//	fail pull IMAGE [REASON]       fail exit IMAGE|TASK [CODE]
//	fail health IMAGE|TASK [yes]   fail target IMAGE|TASK [REASON]
//	fail agent INSTANCE [yes]      fail edge slow [yes]
//	fail host INSTANCE [REASON]    the health checks of an instance as a target
//
// Tasks and instances are meant by their number or ARN.
func (f *fate) fail(what, whom string, how []string) error {
	reason := strings.Join(how, " ")
	f.mu.Lock()
	defer f.mu.Unlock()
	switch what {
	case "pull":
		turn(f.pulls, whom, reason, len(how) > 0)
	case "health":
		turn(f.ill, whom, true, len(how) > 0)
	case "target":
		turn(f.sick, whom, reason, len(how) > 0)
	case "edge":
		if whom != "slow" {
			return fmt.Errorf("an edge cannot be %q", whom)
		}
		f.edge.Slow(len(how) > 0)
	case "host":
		i, _ := state.Instances.Get(f.sys.DB.View(), whom)
		if len(how) > 0 {
			f.edge.Break(i.PrivateIP, reason)
		} else {
			f.edge.Heal(i.PrivateIP)
		}
	case "agent":
		turn(f.silent, whom, true, len(how) > 0)
	case "exit":
		code, err := strconv.ParseInt(reason, 10, 64)
		if err != nil && len(how) > 0 {
			return err
		}
		turn(f.exits, whom, code, len(how) > 0)
	default:
		return fmt.Errorf("nothing called %q can fail", what)
	}
	return nil
}

func turn[T any](m map[string]T, key string, value T, on bool) {
	if on {
		m[key] = value
	} else {
		delete(m, key)
	}
}

// stir makes everybody look again after fate has changed.
func (f *fate) stir() {
	view := f.sys.DB.View()
	for _, t := range state.Tasks.All(view) {
		if t.LastStatus != model.TaskStopped {
			f.sys.Engine.Kick("dispatch/simagent", t.ARN)
			f.sys.Engine.Kick(f.Name(), t.ARN)
		}
	}
	for _, i := range state.Instances.All(view) {
		f.sys.Engine.Kick("dispatch/simagent", i.ID)
	}
}
