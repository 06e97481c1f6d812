package dispatch

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/coder/websocket"

	"berth/internal/acs"
	"berth/internal/clock"
	"berth/internal/fault"
	"berth/internal/model"
	"berth/internal/store"
)

// Handler serves the agents' web sockets: hosts ecs-a*.… (ACS) and ecs-t*.…
// (TCS), path …/ws.
func (d *Gateway) Handler() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case !strings.HasSuffix(r.URL.Path, "/ws"):
			refuse(w, fault.New(fault.NotFound, "BadRequestException", "There is nothing at %s.", r.URL.Path))
		case telemetry(r):
			d.serve(w, r, "cluster", "containerInstance", "ecs:StartTelemetrySession", d.tcs)
		default:
			d.serve(w, r, "clusterArn", "containerInstanceArn", "ecs:Poll", d.acs)
		}
	})
}

func telemetry(r *http.Request) bool {
	return strings.HasPrefix(r.Host, "ecs-t") || !strings.HasPrefix(r.Host, "ecs-a") && r.URL.Query().Has("containerInstance")
}

// serve checks a handshake, accepts it and hands the connection over.
func (d *Gateway) serve(
	w http.ResponseWriter, r *http.Request, clusterKey, instanceKey, action string,
	run func(context.Context, *websocket.Conn, model.Instance, *http.Request) error,
) {
	q := r.URL.Query()
	inst, err := d.admit(r, q.Get(clusterKey), q.Get(instanceKey), action)
	if err != nil {
		refuse(w, err)
		return
	}
	conn, err := websocket.Accept(w, r, &websocket.AcceptOptions{InsecureSkipVerify: true}) // agents send no Origin
	if err != nil {
		d.Log.Debug("web socket not accepted", "instance", inst.ID, "error", err)
		return
	}
	conn.SetReadLimit(maxFrame)
	defer conn.CloseNow()
	if err := run(r.Context(), conn, inst, r); err != nil {
		d.Log.Debug("agent's connection ended", "instance", inst.ID, "host", r.Host, "error", err)
	}
}

func (d *Gateway) admit(r *http.Request, cluster, instance, action string) (model.Instance, error) {
	p, err := d.Authenticate(r)
	if err != nil {
		return model.Instance{}, err
	}
	view := d.DB.View()
	inst, err := d.find(view, p, cluster, instance)
	if err != nil {
		return inst, err
	}
	if inst.Status == model.ContainerInstanceInactive || inst.Status == "" || inst.State == model.InstanceTerminated {
		return inst, fault.New(fault.Invalid, acs.InactiveInstance, "Container instance %s is not registered.", instance)
	}
	if p.Root {
		return inst, nil
	}
	return inst, d.Access.Allow(view, p, action, inst.ARN, map[string]string{"ecs:cluster": d.Place.ARN("ecs", "cluster/"+inst.Cluster)})
}

// refuse answers a handshake with an exception, as the agent reads it
// (docs/facts/agent-protocol.md A3).
func refuse(w http.ResponseWriter, err error) {
	status, code := http.StatusInternalServerError, "ServerException"
	switch fault.ClassOf(err) {
	case fault.Denied:
		status, code = http.StatusForbidden, acs.AccessDenied
	case fault.Invalid, fault.NotFound:
		status, code = http.StatusBadRequest, acs.InvalidInstance
	default: // the agent comes again
	}
	if c := fault.CodeOf(err); c == acs.InactiveInstance {
		code = c
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(map[string]any{"type": code, "message": map[string]string{"message": fault.MessageOf(err)}})
}

// session is one ACS connection. Its fields below the line belong to the
// goroutine of run.
type session struct {
	gateway *Gateway
	inst    model.Instance
	conn    *websocket.Conn
	poke    chan struct{}

	told    map[string]string    // desired status that the agent was told, by task ARN
	expires map[string]time.Time // end of the keys it was given, by task ARN and kind
}

func (d *Gateway) acs(ctx context.Context, conn *websocket.Conn, inst model.Instance, r *http.Request) error {
	s := &session{gateway: d, inst: inst, conn: conn, poke: make(chan struct{}, 1), told: map[string]string{}, expires: map[string]time.Time{}}
	q := r.URL.Query()
	if err := d.Attend(ctx, inst.ID, q.Get("agentVersion"), strings.TrimPrefix(q.Get("dockerVersion"), "DockerVersion: ")); err != nil {
		return err
	}
	d.enter(s)
	defer d.depart(context.WithoutCancel(ctx), s)
	return s.run(ctx, q.Get("sendCredentials") == "true")
}

func (s *session) wake() {
	select {
	case s.poke <- struct{}{}:
	default:
	}
}

// run tells the agent what changes until the connection ends.
func (s *session) run(ctx context.Context, credentials bool) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	ended := make(chan error, 1)
	go func() { ended <- s.read(ctx) }()
	if err := s.greet(ctx, credentials); err != nil {
		return err
	}
	beat := clock.After(s.gateway.Real, 0)
	refresh := clock.After(s.gateway.Clock, keyRefresh/2)
	for {
		var err error
		select {
		case err = <-ended:
			return err
		case <-ctx.Done():
			return ctx.Err()
		case <-s.poke:
			err = s.tell(ctx)
		case <-refresh:
			err = s.refresh(ctx)
			refresh = clock.After(s.gateway.Clock, keyRefresh/2)
		case <-beat:
			err = s.beat(ctx)
			beat = clock.After(s.gateway.Real, heartbeat)
		}
		if err != nil {
			return err
		}
	}
}

// greet sends what a new connection begins with: open work, the keys if they
// are asked for, and the list of everything that the agent should know.
func (s *session) greet(ctx context.Context, credentials bool) error {
	if err := s.tell(ctx); err != nil {
		return err
	}
	if credentials {
		if err := s.refresh(ctx); err != nil {
			return err
		}
	}
	return s.manifest(ctx)
}

func (s *session) send(ctx context.Context, kind string, message any) error {
	return write(ctx, s.conn, kind, message)
}

func (s *session) clusterARN() string { return s.gateway.Place.ARN("ecs", "cluster/"+s.inst.Cluster) }

// tell sends the tasks that the agent has not been told of on this
// connection.
func (s *session) tell(ctx context.Context) error {
	view := s.gateway.DB.View()
	var tasks []acs.Task
	for _, a := range assignments(view, s.inst.ARN) {
		if !a.news() || s.told[a.task.ARN] == a.desired {
			continue
		}
		t, err := s.word(ctx, view, a)
		if err != nil {
			if fault.Is(err, fault.Unavailable) || fault.Is(err, fault.Internal) && ctx.Err() != nil {
				return err
			}
			s.gateway.Log.Warn("task cannot be handed over", "instance", s.inst.ID, "task", a.task.ARN, "error", err)
			if err := s.gateway.fail(ctx, a.task, fault.MessageOf(err)); err != nil {
				return err
			}
			continue
		}
		s.told[a.task.ARN] = a.desired
		tasks = append(tasks, t)
	}
	if len(tasks) == 0 {
		return nil
	}
	return s.send(ctx, acs.TypePayload, acs.Payload{
		MessageID: s.gateway.IDs.UUID(), ClusterARN: s.clusterARN(), ContainerInstanceARN: s.inst.ARN,
		GeneratedAt: s.gateway.Real.Now().UnixMilli(), SeqNum: s.gateway.number(), Tasks: tasks,
	})
}

// word makes the message of one assignment, with keys if it shall start.
func (s *session) word(ctx context.Context, r store.Reader, a assignment) (acs.Task, error) {
	t, err := wireTask(r, a, s.gateway.Place)
	if err != nil || a.desired == acs.DesiredStopped {
		return t, err
	}
	all, err := s.gateway.grants(ctx, a.task)
	if err != nil {
		return t, err
	}
	for _, g := range all {
		s.expires[a.task.ARN+"|"+g.kind] = g.cred.Expires
		if g.kind == acs.RoleExecution {
			t.ExecutionCredentials = s.gateway.wireGrant(g)
		} else {
			t.RoleCredentials = s.gateway.wireGrant(g)
		}
	}
	return t, nil
}

// refresh sends new keys for tasks whose keys end soon, or were not sent on
// this connection.
func (s *session) refresh(ctx context.Context) error {
	now := s.gateway.Clock.Now()
	known := map[string]bool{}
	for _, a := range assignments(s.gateway.DB.View(), s.inst.ARN) {
		all, err := s.gateway.grants(ctx, a.task)
		if err != nil {
			s.gateway.Log.Warn("keys of a task not renewed", "task", a.task.ARN, "error", err)
			continue
		}
		for _, g := range all {
			key := a.task.ARN + "|" + g.kind
			known[key] = true
			if end := s.expires[key]; end.Sub(now) > keyRefresh {
				continue
			}
			s.expires[key] = g.cred.Expires
			if err := s.send(ctx, acs.TypeCredentials, acs.Credentials{
				MessageID: s.gateway.IDs.UUID(), TaskARN: a.task.ARN, TaskClusterARN: s.clusterARN(), RoleType: g.kind, Role: *s.gateway.wireGrant(g),
			}); err != nil {
				return err
			}
		}
	}
	for key := range s.expires {
		if !known[key] {
			delete(s.expires, key)
		}
	}
	return nil
}

// manifest lists everything that the agent should know; it stops the rest, and
// mourns what it does not know. A task that became its own since tell is left
// out: its payload is still to come. Payloads and manifests share one number
// that always grows (docs/facts/agent-protocol.md A4).
func (s *session) manifest(ctx context.Context) error {
	m := acs.Manifest{
		MessageID: s.gateway.IDs.UUID(), ClusterARN: s.clusterARN(), ContainerInstanceARN: s.inst.ARN,
		GeneratedAt: s.gateway.Real.Now().UnixMilli(), Timeline: s.gateway.number(), Tasks: []acs.ManifestTask{},
	}
	for _, a := range assignments(s.gateway.DB.View(), s.inst.ARN) {
		if a.news() && s.told[a.task.ARN] != a.desired {
			continue
		}
		m.Tasks = append(m.Tasks, acs.ManifestTask{TaskARN: a.task.ARN, TaskClusterARN: m.ClusterARN, DesiredStatus: a.desired})
	}
	return s.send(ctx, acs.TypeManifest, m)
}

// beat sends a heartbeat.
func (s *session) beat(ctx context.Context) error {
	if err := s.gateway.touch(ctx, s.inst.ID); err != nil {
		return err
	}
	return s.send(ctx, acs.TypeHeartbeat, acs.Heartbeat{Healthy: true, MessageID: s.gateway.IDs.UUID()})
}

func (s *session) read(ctx context.Context) error {
	for {
		b, err := read(ctx, s.conn)
		if err != nil {
			return err
		}
		e, err := acs.Decode(b)
		if err != nil {
			s.gateway.Log.Warn("frame of an agent not understood", "instance", s.inst.ID, "error", err)
			continue
		}
		if err := s.hear(ctx, e); err != nil {
			return err
		}
	}
}

func (s *session) hear(ctx context.Context, e acs.Envelope) error {
	switch e.Type {
	case acs.TypeStopVerification:
		var m acs.StopVerification
		if err := json.Unmarshal(e.Message, &m); err != nil {
			return fmt.Errorf("read %s: %w", e.Type, err)
		}
		return s.confirm(ctx, m)
	case acs.TypeNack:
		s.gateway.Log.Warn("agent refused a message", "instance", s.inst.ID, "message", string(e.Message))
	default: // acks: told is per connection, so nothing has to be kept
	}
	return nil
}

// confirm tells which tasks that the manifest lacked must really stop: those
// that are not the instance's any more.
func (s *session) confirm(ctx context.Context, m acs.StopVerification) error {
	mine := map[string]bool{}
	for _, a := range assignments(s.gateway.DB.View(), s.inst.ARN) {
		mine[a.task.ARN] = true
	}
	out := acs.StopAck{MessageID: m.MessageID, GeneratedAt: s.gateway.Real.Now().UnixMilli(), StopTasks: []acs.ManifestTask{}}
	for _, t := range m.StopCandidates {
		if !mine[t.TaskARN] {
			out.StopTasks = append(out.StopTasks, acs.ManifestTask{
				TaskARN: t.TaskARN, TaskClusterARN: t.TaskClusterARN, DesiredStatus: acs.DesiredStopped,
			})
		}
	}
	return s.send(ctx, acs.TypeStopAck, out)
}
