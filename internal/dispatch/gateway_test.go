package dispatch_test

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/coder/websocket"
	"github.com/google/go-cmp/cmp"

	"berth/internal/acs"
	"berth/internal/await"
	"berth/internal/clock"
	"berth/internal/control"
	"berth/internal/dispatch"
	"berth/internal/fault"
	"berth/internal/ident"
	"berth/internal/model"
	"berth/internal/state"
	"berth/internal/store"
)

var (
	place = ident.Place{Partition: "aws", Region: "ap-northeast-1", Account: "000000000000"}
	arn   = place.ARN("ecs", "container-instance/c/abc")
	start = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
)

const (
	id       = "i-0123456789abcdef0"
	taskRole = "arn:aws:iam::000000000000:role/task"
)

// bench is a gateway whose agents' world is real and whose own clock is stepped.
type bench struct {
	t       *testing.T
	db      *state.DB
	gateway *dispatch.Gateway
	clock   *clock.Stepped
	server  *httptest.Server
	mu      sync.Mutex
	who     ident.Principal
	minted  int
	samples []dispatch.Sample
}

func (b *bench) Assume(_ store.Reader, by control.Assumption) (ident.Principal, error) {
	return ident.AsRole(by.Role, by.Session), nil
}

func (b *bench) Allow(store.Reader, ident.Principal, string, string, map[string]string) error {
	return nil
}

func (b *bench) Mint(ctx context.Context, role, session, subject string, ttl time.Duration) (model.Credential, error) {
	b.mu.Lock()
	b.minted++
	key := "ASIA" + strings.Repeat("X", b.minted)
	b.mu.Unlock()
	c := model.Credential{AccessKeyID: key, Role: role, Session: session, For: subject, Expires: b.clock.Now().Add(ttl)}
	return c, b.db.Update(ctx, "dispatch", func(tx *store.Tx) error { return state.Credentials.Put(tx, c) })
}

func (b *bench) Put(_ context.Context, s dispatch.Sample) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.samples = append(b.samples, s)
	return nil
}

func newBench(t *testing.T) *bench {
	t.Helper()
	b := newGateway(t)
	b.server = httptest.NewServer(b.gateway.Handler())
	t.Cleanup(func() { b.server.CloseClientConnections(); b.server.Close() })
	return b
}

// newGateway is a bench that nobody can connect to.
func newGateway(t *testing.T) *bench {
	t.Helper()
	db, err := state.Open(t.Context(), store.NewMemory(), true)
	if err != nil {
		t.Fatal(err)
	}
	b := &bench{t: t, db: db, clock: clock.NewStepped(start), who: ident.AsRole("arn:aws:iam::000000000000:role/x", id)}
	ctx, cancel := context.WithCancel(t.Context())
	b.gateway = dispatch.New(dispatch.Deps{
		DB: db, Clock: b.clock, Real: clock.Real(ctx), IDs: ident.Crypto(), Place: place, Minter: b, Access: b, Metrics: b,
		Log: slog.New(slog.DiscardHandler),
		Authenticate: func(*http.Request) (ident.Principal, error) {
			b.mu.Lock()
			defer b.mu.Unlock()
			if b.who.ARN == "" {
				return b.who, fault.New(fault.Denied, "MissingAuthenticationToken", "who are you")
			}
			return b.who, nil
		},
	})
	done := make(chan struct{})
	go func() { defer close(done); _ = b.gateway.Run(ctx) }()
	t.Cleanup(func() { cancel(); <-done })
	b.as("controllers/capacity", func(tx *store.Tx) error {
		return state.Instances.Put(tx, model.Instance{
			ID: id, ARN: arn, Cluster: "c", Type: "c6a.large", Goal: model.GoalRun, State: model.InstanceRunning,
		})
	})
	b.as("dispatch", func(tx *store.Tx) error {
		return state.Instances.Edit(tx, id, func(i *model.Instance) error { i.Status = model.ContainerInstanceActive; return nil })
	})
	b.as("api/ec2", func(tx *store.Tx) error {
		return errors.Join(
			state.VPCs.Put(tx, model.VPC{ID: "vpc-1", CIDR: "192.168.0.0/16"}),
			state.Subnets.Put(tx, model.Subnet{ID: "subnet-1", VPC: "vpc-1", CIDR: "192.168.2.0/24"}),
		)
	})
	return b
}

func (b *bench) as(writer string, fn func(*store.Tx) error) {
	b.t.Helper()
	if err := b.db.Update(b.t.Context(), writer, fn); err != nil {
		b.t.Fatal(err)
	}
}

func (b *bench) task(name string, def model.ContainerDefinition, change func(*model.Task)) string {
	arnOf := place.ARN("ecs", "task/c/"+name)
	b.as("api/ecs", func(tx *store.Tx) error {
		t := model.Task{
			ARN: arnOf, ID: name, Cluster: "c", Group: "service:web", TaskDefinition: "td", LastStatus: model.TaskProvisioning,
			DesiredStatus: model.TaskRunning, CPU: 512, Containers: []model.TaskContainer{{Name: def.Name, ARN: "container-arn"}},
		}
		if change != nil {
			change(&t)
		}
		return errors.Join(
			state.TaskDefinitions.Put(tx, model.TaskDefinition{
				ARN: "td", Family: "web", Revision: 7, CPU: 256, Memory: 512, NetworkMode: "awsvpc", TaskRoleARN: taskRole,
				Containers: []model.ContainerDefinition{def},
			}),
			state.Tasks.Put(tx, t))
	})
	b.as("controllers/network", func(tx *store.Tx) error {
		return state.NetworkInterfaces.Put(tx, model.NetworkInterface{
			ID: "eni-" + name, VPC: "vpc-1", Subnet: "subnet-1", IP: "192.168.2.11", MAC: "02:00:00:00:00:02",
		})
	})
	b.as("controllers/task", func(tx *store.Tx) error {
		return state.Tasks.Edit(tx, arnOf, func(t *model.Task) error { t.Instance = arn; return nil })
	})
	b.as("controllers/network", func(tx *store.Tx) error {
		return state.Tasks.Edit(tx, arnOf, func(t *model.Task) error {
			t.ENI, t.AttachmentID, t.LastStatus = "eni-"+name, "att", model.TaskPending
			return nil
		})
	})
	return arnOf
}

const (
	acsQuery = "/ws?clusterArn=c&containerInstanceArn=arn:aws:ecs:ap-northeast-1:000000000000:container-instance/c/abc&agentVersion=1.2&sendCredentials=true&seqNum=1"
	tcsQuery = "/ws?cluster=c&containerInstance=arn:aws:ecs:ap-northeast-1:000000000000:container-instance/c/abc"
)

func (b *bench) dial(query string) *websocket.Conn {
	b.t.Helper()
	conn, _, err := websocket.Dial(b.t.Context(), b.server.URL+query, nil)
	if err != nil {
		b.t.Fatal(err)
	}
	b.t.Cleanup(func() { conn.CloseNow() })
	return conn
}

// next reads frames until one of the wanted type, and decodes it.
func next[T any](t *testing.T, conn *websocket.Conn, kind string) T {
	t.Helper()
	ctx := await.Context(t)
	for {
		_, frame, err := conn.Read(ctx)
		if err != nil {
			t.Fatalf("waiting for %s: %v", kind, err)
		}
		e, err := acs.Decode(frame)
		if err != nil {
			t.Fatal(err)
		}
		if e.Type != kind {
			continue
		}
		var out T
		if err := json.Unmarshal(e.Message, &out); err != nil {
			t.Fatal(err)
		}
		return out
	}
}

func send(t *testing.T, conn *websocket.Conn, frame []byte, err error) {
	t.Helper()
	if err == nil {
		err = conn.Write(t.Context(), websocket.MessageText, frame)
	}
	if err != nil {
		t.Fatal(err)
	}
}

func TestAPayloadSaysEverything(t *testing.T) {
	b := newBench(t)
	two := int64(2)
	name := b.task("t1", model.ContainerDefinition{
		Name: "app", Image: "000000000000.dkr.ecr.ap-northeast-1.amazonaws.com/web:1", Essential: true, CPU: 128, MemoryReservation: 64,
		Command: []string{"a"}, Environment: []model.KeyValue{{Name: "A", Value: "1"}, {Name: "B", Value: "2"}}, StopTimeout: &two,
		LogDriver: "awslogs", LogOptions: map[string]string{"awslogs-group": "g", "awslogs-stream-prefix": "p"}, User: "1000",
		Ulimits:     []model.Ulimit{{Name: "nofile", Soft: 1, Hard: 2}},
		HealthCheck: &model.HealthCheck{Command: []string{"CMD", "x"}, Interval: 30, Timeout: 5, Retries: 3},
	}, func(t *model.Task) {
		t.Overrides = []model.ContainerOverride{
			{Name: "app", Command: []string{"b"}, Environment: []model.KeyValue{{Name: "B", Value: "3"}}, Memory: 256},
		}
	})
	p := next[acs.Payload](t, b.dial(acsQuery), acs.TypePayload)
	if p.ContainerInstanceARN != arn || p.SeqNum == 0 || p.MessageID == "" || len(p.Tasks) != 1 {
		t.Fatalf("payload: %+v", p)
	}
	got := p.Tasks[0]
	if got.RoleCredentials == nil || got.RoleCredentials.RoleARN != taskRole || got.RoleCredentials.CredentialsID == "" {
		t.Errorf("credentials: %+v", got.RoleCredentials)
	}
	if exp, err := time.Parse(time.RFC3339, got.RoleCredentials.Expiration); err != nil || time.Until(exp) < 5*time.Hour {
		t.Errorf("expiration %s is not in the agent's time: %v", got.RoleCredentials.Expiration, err)
	}
	got.RoleCredentials = nil
	want := acs.Task{
		ARN: name, DesiredStatus: "RUNNING", Family: "web", Version: "7", TaskClusterARN: place.ARN("ecs", "cluster/c"), Overrides: "{}",
		CPU: 0.5, Memory: 512, NetworkMode: "awsvpc", LaunchType: "MANAGED_INSTANCES", Group: "service:web", ServiceName: "web",
		Interfaces: []acs.Interface{{
			EC2ID: "eni-t1", MACAddress: "02:00:00:00:00:02", AttachmentARN: place.ARN("ecs", "attachment/att"),
			IPv4Addresses: []acs.Address{{PrivateAddress: "192.168.2.11", Primary: true}}, SubnetGateway: "192.168.2.1/24",
			Nameservers: []string{"192.168.0.2"}, SearchDomains: []string{"ap-northeast-1.compute.internal"},
			PrivateDNSName: "ip-192-168-2-11.ap-northeast-1.compute.internal", AssociationProto: "default",
		}},
		Containers: []acs.Container{{
			Name: "app", Image: "000000000000.dkr.ecr.ap-northeast-1.amazonaws.com/web:1", ContainerARN: "container-arn", Essential: true, CPU: 128,
			Memory: 256, Command: []string{"b"}, Environment: map[string]string{"A": "1", "B": "3"}, Overrides: "{}", StopTimeout: &two,
			HealthCheckType: "docker", LogsAuthStrategy: "ExecutionRole",
			RegistryAuth: &acs.RegistryAuth{
				Type: "ecr", ECR: &acs.ECRAuth{RegistryID: "000000000000", Region: "ap-northeast-1", UseExecutionRole: true},
			},
			Docker: acs.DockerConfig{
				Version:    "1.21",
				Config:     `{"User":"1000","Healthcheck":{"Test":["CMD","x"],"Interval":30000000000,"Timeout":5000000000,"Retries":3}}`,
				HostConfig: `{"LogConfig":{"Type":"awslogs","Config":{"awslogs-group":"g","awslogs-stream":"p/app/t1","awslogs-stream-prefix":"p"}},"Ulimits":[{"Name":"nofile","Soft":1,"Hard":2}],"MemoryReservation":67108864}`,
			},
		}},
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("task (-want +got):\n%s", d)
	}
}

func TestTheRevisionsDigestIsPulled(t *testing.T) {
	for image, want := range map[string]string{
		"web:1": "web@sha256:d", "localhost:5000/web": "localhost:5000/web@sha256:d", "localhost:5000/web:2": "localhost:5000/web@sha256:d",
		"web@sha256:e": "web@sha256:e",
	} {
		b := newBench(t)
		b.as("controllers/service", func(tx *store.Tx) error {
			return state.ServiceRevisions.Put(tx, model.ServiceRevision{ARN: "rev", Images: map[string]string{"app": "sha256:d"}})
		})
		b.task("t1", model.ContainerDefinition{Name: "app", Image: image}, func(t *model.Task) { t.Revision = "rev" })
		if p := next[acs.Payload](t, b.dial(acsQuery), acs.TypePayload); p.Tasks[0].Containers[0].Image != want {
			t.Errorf("%s is pulled as %s, want %s", image, p.Tasks[0].Containers[0].Image, want)
		}
	}
}

func TestWorkIsToldAtOnceAndAgainAfterAReconnect(t *testing.T) {
	b := newBench(t)
	conn := b.dial(acsQuery)
	if m := next[acs.Manifest](t, conn, acs.TypeManifest); len(m.Tasks) != 0 {
		t.Errorf("manifest: %+v", m)
	}
	name := b.task("t1", model.ContainerDefinition{Name: "app", Image: "x"}, nil)
	first := next[acs.Payload](t, conn, acs.TypePayload)
	b.as("api/ecs", func(tx *store.Tx) error {
		return state.Tasks.Edit(tx, name, func(t *model.Task) error { t.DesiredStatus = model.TaskStopped; return nil })
	})
	b.as("controllers/traffic", func(tx *store.Tx) error {
		return state.Tasks.Edit(tx, name, func(t *model.Task) error { t.LastStatus = model.TaskStopping; return nil })
	})
	second := next[acs.Payload](t, conn, acs.TypePayload)
	if second.Tasks[0].DesiredStatus != "STOPPED" || second.SeqNum <= first.SeqNum {
		t.Errorf("after the stop: %+v", second)
	}
	again := b.dial(acsQuery)
	third := next[acs.Payload](t, again, acs.TypePayload)
	if third.Tasks[0].DesiredStatus != "STOPPED" || third.SeqNum <= second.SeqNum {
		t.Errorf("after the reconnect: %+v", third)
	}
	m := next[acs.Manifest](t, again, acs.TypeManifest)
	if len(m.Tasks) != 1 || m.Tasks[0].DesiredStatus != "STOPPED" || m.Timeline <= third.SeqNum {
		t.Errorf("manifest: %+v", m)
	}
	frame, err := acs.Encode(acs.TypeStopVerification, acs.StopVerification{
		MessageID: m.MessageID, StopCandidates: []acs.ManifestTask{{TaskARN: name}, {TaskARN: "other"}},
	})
	send(t, again, frame, err)
	if a := next[acs.StopAck](t, again, acs.TypeStopAck); len(a.StopTasks) != 1 || a.StopTasks[0].TaskARN != "other" ||
		a.MessageID != m.MessageID {
		t.Errorf("verified: %+v", a)
	}
}

func TestKeysAreRenewedBeforeTheyEnd(t *testing.T) {
	b := newBench(t)
	name := b.task("t1", model.ContainerDefinition{Name: "app", Image: "x"}, nil)
	conn := b.dial(acsQuery)
	p := next[acs.Payload](t, conn, acs.TypePayload)
	next[acs.Manifest](t, conn, acs.TypeManifest)
	next[acs.Heartbeat](t, conn, acs.TypeHeartbeat) // the session waits now
	stop := make(chan struct{})
	again := time.NewTicker(2 * time.Millisecond)
	defer again.Stop()
	go func() { // the session sets its next timer in its own time
		for {
			select {
			case <-stop:
				return
			case <-again.C:
				b.clock.Advance(time.Hour / 4)
			}
		}
	}()
	c := next[acs.Credentials](t, conn, acs.TypeCredentials)
	close(stop)
	if c.TaskARN != name || c.RoleType != acs.RoleApplication || c.Role.CredentialsID != p.Tasks[0].RoleCredentials.CredentialsID ||
		c.Role.AccessKeyID == p.Tasks[0].RoleCredentials.AccessKeyID {
		t.Errorf("renewed: %+v of %+v", c, p.Tasks[0].RoleCredentials)
	}
}

func TestARefusedHandshakeSaysWhy(t *testing.T) {
	b := newBench(t)
	ask := func() (int, string) {
		conn, resp, err := websocket.Dial(t.Context(), b.server.URL+acsQuery, nil)
		if err == nil {
			conn.CloseNow()
			return 101, ""
		}
		var e struct{ Type string }
		_ = json.NewDecoder(resp.Body).Decode(&e)
		return resp.StatusCode, e.Type
	}
	b.mu.Lock()
	b.who = ident.AsRole("arn:aws:iam::000000000000:role/x", "i-other")
	b.mu.Unlock()
	if code, kind := ask(); code != 403 || kind != "AccessDeniedException" {
		t.Errorf("a stranger got %d %s", code, kind)
	}
	b.mu.Lock()
	b.who = ident.Principal{}
	b.mu.Unlock()
	if code, _ := ask(); code != 403 {
		t.Errorf("nobody got %d", code)
	}
	b.mu.Lock()
	b.who = ident.AsRole("arn:aws:iam::000000000000:role/x", id)
	b.mu.Unlock()
	b.as("dispatch", func(tx *store.Tx) error {
		return state.Instances.Edit(tx, id, func(i *model.Instance) error { i.Status = model.ContainerInstanceInactive; return nil })
	})
	if code, kind := ask(); code != 400 || kind != "InactiveInstanceException" {
		t.Errorf("a deregistered instance got %d %s", code, kind)
	}
}

// Proves: D56
func TestTelemetryBecomesSamplesAndHealth(t *testing.T) {
	b := newBench(t)
	name := b.task("t1", model.ContainerDefinition{Name: "app", Image: "x", Essential: true}, nil)
	conn := b.dial(tcsQuery)
	head := [][2]string{{"Authorization", "x"}, {"Host", "ecs-t"}}
	frame, err := acs.EncodeSigned(head, acs.TypePublishMetrics, acs.PublishMetrics{TaskMetrics: []acs.TaskMetric{
		{
			TaskARN: name,
			Containers: []acs.ContainerMetric{
				{Name: "app", CPU: &acs.StatsSet{Min: 1, Max: 3, SampleCount: 2, Sum: 4}, Memory: &acs.StatsSet{Sum: 10, SampleCount: 1}},
			},
		},
		{TaskARN: "another instance's"},
	}, Timestamp: acs.Stamp(time.Now())})
	send(t, conn, frame, err)
	next[acs.TelemetryAck](t, conn, acs.TypeAckMetrics)
	if len(b.samples) != 1 || b.samples[0].Task.ARN != name ||
		b.samples[0].Containers[0].CPU != (dispatch.Figures{Min: 1, Max: 3, Sum: 4, Count: 2}) {
		t.Errorf("samples: %+v", b.samples)
	}
	if d := b.samples[0].At.Sub(start); d < -time.Minute || d > time.Minute {
		t.Errorf("at %s, which is not the control plane's time", b.samples[0].At)
	}
	frame, err = acs.EncodeSigned(head, acs.TypePublishHealth, acs.PublishHealth{
		Tasks: []acs.TaskHealth{{TaskARN: name, Containers: []acs.ContainerHealth{{Name: "app", Status: "UNHEALTHY"}}}},
	})
	send(t, conn, frame, err)
	next[acs.TelemetryAck](t, conn, acs.TypeAckHealth)
	if got, _ := state.Tasks.Get(b.db.View(), name); got.Health != model.Unhealthy || got.Containers[0].Health != model.Unhealthy {
		t.Errorf("task: %+v", got)
	}
}

// racing is a clock that says how fast it runs.
type racing struct {
	clock.Clock
	mu    sync.Mutex
	speed float64
}

func (r *racing) Speed() float64 {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.speed
}

func TestAFastClockWantsFiguresOnceAMinuteOfIts(t *testing.T) {
	b := newBench(t)
	c := &racing{Clock: b.clock, speed: 60}
	b.gateway.Clock = c
	conn := b.dial(tcsQuery)
	if m := next[acs.Heartbeat](t, conn, acs.TypeHeartbeat); m.PublishEvery != 1 {
		t.Errorf("at 60x figures are wanted every %v s", m.PublishEvery)
	}
	for _, x := range []struct{ speed, every float64 }{{1, 20}, {6, 10}, {10_000, 1}} {
		c.mu.Lock()
		c.speed = x.speed
		c.mu.Unlock()
		if m := next[acs.Heartbeat](t, conn, acs.TypeHeartbeat); m.PublishEvery != x.every {
			t.Errorf("at %vx figures are wanted every %v s, not %v", x.speed, m.PublishEvery, x.every)
		}
	}
}

func TestAClosedConnectionIsALostAgent(t *testing.T) {
	b := newBench(t)
	conn := b.dial(acsQuery)
	next[acs.Manifest](t, conn, acs.TypeManifest)
	if i, _ := state.Instances.Get(b.db.View(), id); !i.Connected || i.AgentVersion != "1.2" {
		t.Fatalf("instance: %+v", i)
	}
	conn.CloseNow()
	await.True(t, "the instance is not connected", func() bool { // the gateway notices in real time
		i, _ := state.Instances.Get(b.db.View(), id)
		return !i.Connected
	})
}
