package agent

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"time"

	"berth/internal/acs"
	"berth/internal/bridge"
	"berth/internal/fault"
	"berth/internal/ident"
)

const recordFile = "task.jsonl"

// record is what is kept of a task on disk.
type record struct {
	Task       acs.Task                    `json:"task"`
	Halt       bool                        `json:"halt,omitempty"` // told to stop
	Over       bool                        `json:"over,omitempty"` // nothing of it runs any more
	Reason     string                      `json:"reason,omitempty"`
	Containers map[string]*containerRecord `json:"containers"`
	// Secret is what nobody but the task's containers is told: by it they find
	// what is theirs at an address that they share with other tasks. It is drawn
	// when the task comes; records of older agents have none.
	Secret    string    `json:"secret,omitempty"`
	PullStart time.Time `json:"pullStart,omitzero"`
	PullStop  time.Time `json:"pullStop,omitzero"`
	Ended     time.Time `json:"ended,omitzero"`
	// Told are the states that were ever put into Unsent; Unsent is what the
	// control plane has not yet heard, in order.
	Told   []string `json:"told,omitempty"`
	Unsent []string `json:"unsent,omitempty"`
}

// containerRecord is what is kept of a container.
type containerRecord struct {
	Status   string    `json:"status"` // "", RUNNING, STOPPED
	Image    string    `json:"image,omitempty"`
	Digest   string    `json:"digest,omitempty"`
	ImageID  string    `json:"imageId,omitempty"`
	Exit     *int64    `json:"exit,omitempty"`
	Reason   string    `json:"reason,omitempty"`
	Created  time.Time `json:"created,omitzero"`
	Started  time.Time `json:"started,omitzero"` // last start
	Ended    time.Time `json:"ended,omitzero"`
	Restarts int64     `json:"restarts,omitempty"`
	LogAt    int64     `json:"logAt,omitempty"` // offset in the log file up to which lines were sent
	Health   string    `json:"health,omitempty"`
	HealthAt time.Time `json:"healthAt,omitzero"`
	// End is the container's place on the bridge.
	End *bridge.End `json:"end,omitempty"`
}

// task is one task at work.
type task struct {
	agent *Agent
	def   acs.Task // as it came; its keys are in rec
	dir   string
	runs  map[string]*run // by container name; fixed at the start

	mu   sync.Mutex
	way  *api // made when it is first asked for
	rec  record
	stop chan struct{} // closed when all containers have to end
	sent chan struct{} // poked when Unsent grew
}

func newTask(a *Agent, r record) *task {
	t := &task{
		agent: a, def: r.Task, rec: r, dir: filepath.Join(a.Memory, "tasks", ident.Last(r.Task.ARN)), runs: map[string]*run{},
		stop: make(chan struct{}), sent: make(chan struct{}, 1),
	}
	for i := range t.def.Containers {
		c := &t.def.Containers[i]
		if t.rec.Containers[c.Name] == nil {
			t.rec.Containers[c.Name] = &containerRecord{}
		}
		t.runs[c.Name] = newRun(t, c)
	}
	if r.Halt || r.Task.DesiredStatus == acs.DesiredStopped {
		t.rec.Halt = true
		close(t.stop)
	}
	return t
}

// volumes is the folder of the task's own volumes.
func (t *task) volumes() string { return filepath.Join(t.agent.volumes(), t.id()) }

func (t *task) arn() string { return t.def.ARN }

func (t *task) id() string { return ident.Last(t.arn()) }

// edit changes the record and puts it on disk.
func (t *task) edit(f func(*record)) {
	t.note(f)
	t.save()
}

// note changes the record, which gets onto the disk with the next edit: what
// another agent would find out anew, or may tell twice.
func (t *task) note(f func(*record)) {
	t.mu.Lock()
	defer t.mu.Unlock()
	f(&t.rec)
}

func (t *task) save() {
	t.mu.Lock()
	defer t.mu.Unlock()
	path := filepath.Join(t.dir, recordFile)
	err := writeRecord(path, t.rec)
	if errors.Is(err, fs.ErrNotExist) { // the first
		if err = os.MkdirAll(t.dir, 0o711); err == nil {
			err = writeRecord(path, t.rec)
		}
	}
	if err != nil {
		t.agent.Log.Error("record of a task not written", "task", t.id(), "error", err)
	}
}

// container edits one container's record.
func (t *task) container(name string, f func(*containerRecord)) {
	t.edit(func(r *record) { f(r.Containers[name]) })
}

// look reads one container's record.
func (t *task) look(name string) containerRecord {
	t.mu.Lock()
	defer t.mu.Unlock()
	return *t.rec.Containers[name]
}

// update works a payload of a known task in.
func (t *task) update(w acs.Task) {
	for kind, k := range map[string]*acs.RoleCredentials{acs.RoleApplication: w.RoleCredentials, acs.RoleExecution: w.ExecutionCredentials} {
		if k != nil {
			t.setKeys(kind, *k)
		}
	}
	if w.DesiredStatus == acs.DesiredStopped {
		t.halt()
	}
}

// halt tells the task to stop, once. One that is over says so again: the
// control plane asks because it has not heard.
func (t *task) halt() {
	t.mu.Lock()
	first, over := !t.rec.Halt, t.rec.Over
	t.rec.Halt = true
	if first {
		select {
		case <-t.stop:
		default:
			close(t.stop)
		}
	}
	t.mu.Unlock()
	if first {
		t.save()
	}
	if over {
		t.poke()
	}
}

// end makes all containers stop because one has ended.
func (t *task) end() {
	t.mu.Lock()
	defer t.mu.Unlock()
	select {
	case <-t.stop:
	default:
		close(t.stop)
	}
}

func (t *task) over() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.rec.Over
}

func (t *task) setKeys(kind string, k acs.RoleCredentials) {
	t.edit(func(r *record) {
		if kind == acs.RoleExecution {
			r.Task.ExecutionCredentials = &k
		} else {
			r.Task.RoleCredentials = &k
		}
	})
}

// keys of the task's role, or nil.
func (t *task) keys(kind string) *acs.RoleCredentials {
	t.mu.Lock()
	defer t.mu.Unlock()
	if kind == acs.RoleExecution {
		return t.rec.Task.ExecutionCredentials
	}
	return t.rec.Task.RoleCredentials
}

// images that the task needs while it is not over.
func (t *task) images() []string {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.rec.Over {
		return nil
	}
	var out []string
	for _, c := range t.def.Containers {
		out = append(out, c.Image)
	}
	return out
}

// netns is where the task's containers live; "" is the machine's own.
func (t *task) netns() string {
	if len(t.def.Interfaces) == 0 {
		return ""
	}
	return filepath.Join(t.agent.Netns, t.def.Interfaces[0].EC2ID)
}

func (t *task) cgroup() string {
	if t.agent.Cgroup == "" {
		return ""
	}
	return t.agent.Cgroup + "/ecs/" + t.id() // "tasks" is a file of v1
}

// run takes the task from where its record says to its end. When ctx ends it
// returns and leaves what runs: another run takes it up.
func (t *task) run(ctx context.Context) {
	var wg sync.WaitGroup
	defer wg.Wait()
	heard := make(chan bool, 1)
	wg.Go(func() { heard <- t.report(ctx) })
	t.poke()
	if !t.over() {
		closeService, err := t.live(ctx, &wg)
		if closeService != nil {
			defer closeService()
		}
		if ctx.Err() != nil {
			return
		}
		t.conclude(err)
	}
	t.queueReport("STOPPED") // also for a run that was killed before it could
	if <-heard {
		t.clean(ctx)
	}
}

// live is everything between a payload and the end of the last container.
func (t *task) live(ctx context.Context, wg *sync.WaitGroup) (closeService func(), err error) {
	if t.halted() && !t.anyStarted() {
		return nil, nil // stopped before it began
	}
	closeService, err = t.prepare(ctx)
	if err != nil {
		return closeService, err
	}
	if err := t.bringSecrets(ctx); err != nil {
		return closeService, err
	}
	t.pull(ctx)
	for _, r := range t.runs {
		wg.Go(func() { r.live(ctx) })
	}
	return closeService, t.await(ctx)
}

func (t *task) halted() bool {
	select {
	case <-t.stop:
		return true
	default:
		return false
	}
}

func (t *task) anyStarted() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, c := range t.rec.Containers {
		if !c.Started.IsZero() {
			return true
		}
	}
	return false
}

// await reports RUNNING when every container has started, and ends when all
// have ended. An essential one's end ends the rest.
func (t *task) await(ctx context.Context) error {
	allStarted := true
	for _, r := range t.runs {
		select {
		case <-r.started:
		case <-r.done:
			allStarted = allStarted && (r.ran() || !r.def.Essential)
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	if allStarted {
		t.queueReport("RUNNING")
	}
	for _, r := range t.runs {
		select {
		case <-r.done:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return nil
}

// conclude records the end of the task.
func (t *task) conclude(err error) {
	t.note(func(r *record) {
		r.Over, r.Ended = true, t.agent.Clock.Now()
		if err != nil && !r.Halt {
			r.Reason = reasonOf(err)
		}
		for _, c := range r.Containers {
			c.Status = "STOPPED"
		}
	})
}

// reasonOf turns an error into a stopped reason: its AWS code, then its text.
func reasonOf(err error) string {
	if code := fault.CodeOf(err); code != "" {
		return code + ": " + fault.MessageOf(err)
	}
	return err.Error()
}
