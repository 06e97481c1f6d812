package agent

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/coder/websocket"

	"berth/internal/acs"
	"berth/internal/clock"
	"berth/internal/wire"
)

// Waits between connections, and the silence after which one is given up:
// the server beats every half minute.
const (
	reconnectFirst = 250 * time.Millisecond
	reconnectMost  = 10 * time.Second
	readSilence    = 100 * time.Second
	maxFrame       = 8 << 20
)

// keep runs a connection again and again until ctx ends; one that lived a
// while is made anew at once.
func (a *Agent) keep(ctx context.Context, what string, connect func(context.Context) error) error {
	wait := reconnectFirst
	for {
		began := a.Clock.Now()
		err := connect(ctx)
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if a.Clock.Now().Sub(began) > reconnectMost {
			wait = reconnectFirst
		}
		a.Log.Info("connection ended", "what", what, "retry_in", wait.String(), "error", err)
		if err := clock.Sleep(ctx, a.Clock, wait); err != nil {
			return err
		}
		wait = min(wait*2, reconnectMost)
	}
}

// dial makes a signed web socket connection.
func (a *Agent) dial(ctx context.Context, endpoint string, query url.Values) (*websocket.Conn, error) {
	k, err := a.api.own(ctx)
	if err != nil {
		return nil, err
	}
	u := strings.TrimSuffix(endpoint, "/") + "/ws?" + query.Encode()
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, u, nil)
	if err != nil {
		return nil, err
	}
	wire.Sign(r, nil, k, a.Region, "ecs", a.Clock.Now())
	dctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	conn, resp, err := websocket.Dial(dctx, u, &websocket.DialOptions{HTTPClient: &http.Client{Transport: a.Transport}, HTTPHeader: r.Header})
	if err != nil {
		if resp != nil && resp.StatusCode == http.StatusForbidden {
			a.api.stale()
		}
		return nil, err
	}
	conn.SetReadLimit(maxFrame)
	return conn, nil
}

func send(ctx context.Context, conn *websocket.Conn, kind string, message any) error {
	b, err := acs.Encode(kind, message)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	return conn.Write(ctx, websocket.MessageText, b)
}

// work takes tasks over ACS until ctx ends.
func (a *Agent) work(ctx context.Context) error {
	return a.keep(ctx, "acs", func(ctx context.Context) error {
		endpoint, _, err := a.discover(ctx)
		if err != nil {
			return err
		}
		a.mu.Lock()
		first := a.first
		a.mu.Unlock()
		conn, err := a.dial(ctx, endpoint, url.Values{
			"clusterArn": {a.Cluster}, "containerInstanceArn": {a.instanceARN()}, "agentHash": {"berth"}, "agentVersion": {Version},
			"dockerVersion": {"DockerVersion: berth"}, "protocolVersion": {"2"}, "seqNum": {"1"}, "sendCredentials": {strconv.FormatBool(first)},
		})
		if err != nil {
			return err
		}
		defer conn.CloseNow()
		a.mu.Lock()
		a.first = false
		a.mu.Unlock()
		a.Log.Info("connected", "what", "acs")
		for {
			e, err := receive(ctx, conn)
			if err != nil {
				return err
			}
			if err := a.handle(ctx, conn, e); err != nil {
				return err
			}
		}
	})
}

// receive reads one frame; a silent server is given up.
func receive(ctx context.Context, conn *websocket.Conn) (acs.Envelope, error) {
	ctx, cancel := context.WithTimeout(ctx, readSilence)
	defer cancel()
	_, b, err := conn.Read(ctx)
	if err != nil {
		return acs.Envelope{}, err
	}
	return acs.Decode(b)
}

// handle works one message of the server in.
func (a *Agent) handle(ctx context.Context, conn *websocket.Conn, e acs.Envelope) error {
	switch e.Type {
	case acs.TypeHeartbeat:
		var m acs.Heartbeat
		if err := json.Unmarshal(e.Message, &m); err != nil {
			return err
		}
		return send(ctx, conn, acs.TypeHeartbeatAck, acs.Heartbeat{MessageID: m.MessageID})
	case acs.TypePayload:
		return handleAs(e, func(m acs.Payload) error { return a.payload(ctx, conn, m) })
	case acs.TypeCredentials:
		return handleAs(e, func(m acs.Credentials) error {
			a.renew(m.TaskARN, m.RoleType, m.Role)
			return send(ctx, conn, acs.TypeCredentialsAck, acs.CredentialsAck{
				MessageID: m.MessageID, Expiration: m.Role.Expiration, CredentialsID: m.Role.CredentialsID,
			})
		})
	case acs.TypeManifest:
		return handleAs(e, func(m acs.Manifest) error { return a.manifest(ctx, conn, m) })
	case acs.TypeStopAck:
		return handleAs(e, func(m acs.StopAck) error { a.stopAll(m); return nil })
	case acs.TypeClose:
		return errors.New("the server closes the connection")
	default:
		a.Log.Debug("message not understood", "type", e.Type)
		return nil
	}
}

func handleAs[T any](e acs.Envelope, do func(T) error) error {
	var m T
	if err := json.Unmarshal(e.Message, &m); err != nil {
		return fmt.Errorf("read %s: %w", e.Type, err)
	}
	return do(m)
}

// payload takes tasks, those to stop first, then says so.
func (a *Agent) payload(ctx context.Context, conn *websocket.Conn, m acs.Payload) error {
	for _, stopping := range []bool{true, false} {
		for _, t := range m.Tasks {
			if (t.DesiredStatus == acs.DesiredStopped) == stopping {
				a.accept(t)
			}
		}
	}
	for _, t := range m.Tasks {
		for _, k := range []*acs.RoleCredentials{t.RoleCredentials, t.ExecutionCredentials} {
			if k == nil {
				continue
			}
			if err := send(ctx, conn, acs.TypeCredentialsAck, acs.CredentialsAck{
				MessageID: m.MessageID, Expiration: k.Expiration, CredentialsID: k.CredentialsID,
			}); err != nil {
				return err
			}
		}
	}
	if err := a.counted(m.SeqNum); err != nil {
		return err
	}
	return send(ctx, conn, acs.TypeAck, acs.Ack{Cluster: m.ClusterARN, ContainerInstance: m.ContainerInstanceARN, MessageID: m.MessageID})
}

// counted remembers the highest number seen.
func (a *Agent) counted(n int64) error {
	a.mu.Lock()
	a.seen = max(a.seen, n)
	a.mu.Unlock()
	return a.remember()
}

// manifest is the whole of what should be here. What should stop stops; what
// it does not know is asked about first.
func (a *Agent) manifest(ctx context.Context, conn *websocket.Conn, m acs.Manifest) error {
	a.mu.Lock()
	old := m.Timeline <= a.seen
	a.mu.Unlock()
	if old {
		return nil
	}
	listed := map[string]string{}
	for _, t := range m.Tasks {
		listed[t.TaskARN] = t.DesiredStatus
	}
	ask := acs.StopVerification{MessageID: m.MessageID, StopCandidates: []acs.ManifestTask{}}
	for _, t := range a.all() {
		switch desired, ok := listed[t.arn()]; {
		case !ok && !t.over():
			ask.StopCandidates = append(ask.StopCandidates, acs.ManifestTask{
				TaskARN: t.arn(), TaskClusterARN: m.ClusterARN, DesiredStatus: acs.DesiredStopped,
			})
		case desired == acs.DesiredStopped:
			t.halt()
		}
	}
	a.reportUnknown(listed)
	if err := a.counted(m.Timeline); err != nil {
		return err
	}
	if err := send(ctx, conn, acs.TypeAck, acs.Ack{
		Cluster: m.ClusterARN, ContainerInstance: m.ContainerInstanceARN, MessageID: m.MessageID,
	}); err != nil {
		return err
	}
	if len(ask.StopCandidates) == 0 {
		return nil
	}
	return send(ctx, conn, acs.TypeStopVerification, ask)
}

// reportUnknown reports tasks that should run here and of which nothing is known:
// their records were lost, and nobody else can say that they do not run.
// Payloads come before the manifest on a connection, so none is just new.
func (a *Agent) reportUnknown(listed map[string]string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for arn, desired := range listed {
		if a.tasks[arn] != nil || desired != acs.DesiredRunning {
			continue
		}
		t := newTask(a, record{Task: acs.Task{ARN: arn, DesiredStatus: acs.DesiredStopped}, Containers: map[string]*containerRecord{}})
		t.save()
		a.tasks[arn] = t
		a.begin(t)
	}
}

func (a *Agent) stopAll(m acs.StopAck) {
	for _, s := range m.StopTasks {
		a.mu.Lock()
		t := a.tasks[s.TaskARN]
		a.mu.Unlock()
		if t != nil {
			t.halt()
		}
	}
}
