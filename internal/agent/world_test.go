package agent_test

import (
	"bytes"
	"cmp"
	"context"
	"crypto/tls"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"berth/internal/agent"
	"berth/internal/await"
	"berth/internal/bridge"
	"berth/internal/clock"
	"berth/internal/container"
	"berth/internal/container/image"
	csim "berth/internal/container/sim"
	"berth/internal/control"
	"berth/internal/dispatch"
	"berth/internal/fault"
	"berth/internal/ident"
	"berth/internal/kernel/cgroup"
	"berth/internal/model"
	"berth/internal/state"
	"berth/internal/store"
	"berth/internal/wire"
)

const (
	instanceID = "i-0123456789abcdef0"
	role       = "arn:aws:iam::000000000000:role/ecsInstanceRole"
	execRole   = "arn:aws:iam::000000000000:role/exec"
	taskRole   = "arn:aws:iam::000000000000:role/task"
	digest     = "sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
)

var (
	place       = ident.Place{Partition: "aws", Region: "ap-northeast-1", Account: "000000000000"}
	instanceARN = place.ARN("ecs", "container-instance/c/abc")
)

// world is a control plane of a real agent gateway behind a TLS server, and an agent
// with simulated containers in front of it.
type world struct {
	t       *testing.T
	db      *state.DB
	gateway *dispatch.Gateway
	real    clock.Clock
	conf    agent.Config
	driver  *csim.Driver
	images  *images
	net     *network
	server  *httptest.Server
	meta    *httptest.Server
	access  *access
	stop    func()
	ca      []byte         // PEM, where a test made one
	volumes []model.Volume // of the tasks' definitions
	mode    string         // of their networks; "" is awsvpc
	bridge  func() *bridge.Net
	data    string // user data

	mu       sync.Mutex
	program  func(container.Spec) csim.Program
	lines    []string          // PutLogEvents
	noGroup  bool              // the log group is missing
	deny     map[string]string // operation → error code
	samples  []dispatch.Sample
	reports  map[string][]string // statuses, by the task's ARN
	logins   int
	breaking bool // refuse all reports

	speed atomic.Int64 // of the server's clock, as it says; 0 is real
}

// racing is a clock that says that it runs fast.
type racing struct {
	clock.Clock
	speed *atomic.Int64
}

func (r racing) Speed() float64 { return float64(r.speed.Load()) }

type access struct{ deny map[string]bool }

func (a *access) Assume(_ store.Reader, by control.Assumption) (ident.Principal, error) {
	if a.deny[by.Role] {
		return ident.Principal{}, fault.New(fault.Denied, "AccessDenied", "no")
	}
	return ident.AsRole(by.Role, by.Session), nil
}

func (a *access) Allow(_ store.Reader, p ident.Principal, action, resource string, _ map[string]string) error {
	if a.deny[action] {
		return fault.New(fault.Denied, "AccessDenied", "User: %s is not authorized to perform: %s on resource: %s", p.ARN, action, resource)
	}
	return nil
}

// images has every image but those whose name begins with "missing".
type images struct {
	mu   sync.Mutex
	have map[string]image.Image
	log  []string
	// refused is a password that is not taken any more.
	refused string
}

func (i *images) Get(ref string) (image.Image, error) {
	i.mu.Lock()
	defer i.mu.Unlock()
	if img, ok := i.have[ref]; ok {
		return img, nil
	}
	return image.Image{}, fault.New(fault.NotFound, "", "no image %s", ref)
}

func (i *images) Pull(_ context.Context, ref string, o image.PullOptions) (image.Image, error) {
	i.mu.Lock()
	defer i.mu.Unlock()
	if strings.HasPrefix(ref, "missing") {
		return image.Image{}, fault.New(
			fault.NotFound, image.PullCode, "pull image manifest has been retried 1 time(s): failed to resolve ref %s: not found", ref,
		)
	}
	if o.Password != "" && o.Password == i.refused {
		return image.Image{}, fault.New(fault.Denied, image.PullCode, "your authorization token has expired")
	}
	i.log = append(i.log, ref+" as "+o.Username+":"+o.Password)
	img := image.Image{
		Ref: ref, Digest: digest, ID: "sha256:id", Layers: []string{"/l"},
		Config: image.Config{Cmd: []string{"serve"}, Env: []string{"FROM=image"}}, PulledAt: time.Now(),
	}
	i.have[ref] = img
	return img, nil
}

func (i *images) List() ([]image.Image, error) { return nil, nil }
func (i *images) Remove(string) error          { return nil }

// network listens on loopback and remembers where for which namespace.
type network struct {
	mu sync.Mutex
	at map[string]string
}

func (n *network) Listen(ctx context.Context, path, _ string) (net.Listener, error) {
	var c net.ListenConfig
	l, err := c.Listen(ctx, "tcp", "127.0.0.1:0")
	if err == nil {
		n.mu.Lock()
		n.at[path] = l.Addr().String()
		n.mu.Unlock()
	}
	return l, err
}

func (n *network) address(path string) string {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.at[path]
}

type groups struct{}

func (groups) Create(string, cgroup.Limits) error { return nil }
func (groups) Remove(string) error                { return nil }

func newWorld(t *testing.T) *world {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	real := clock.Real(ctx)
	db, err := state.Open(ctx, store.NewMemory(), true)
	if err != nil {
		t.Fatal(err)
	}
	log := slog.New(slog.DiscardHandler)
	w := &world{
		t: t, db: db, real: real, access: &access{deny: map[string]bool{}}, deny: map[string]string{}, reports: map[string][]string{},
		net: &network{at: map[string]string{}}, images: &images{have: map[string]image.Image{}},
	}
	w.gateway = dispatch.New(dispatch.Deps{
		DB: db, Clock: racing{real, &w.speed}, Real: real, IDs: ident.Crypto(), Place: place, Minter: w, Access: w.access, Metrics: w,
		Authenticate: w.authenticate, Log: log,
	})
	var wg sync.WaitGroup
	wg.Go(func() { _ = w.gateway.Run(ctx) })
	w.server = httptest.NewUnstartedServer(w)
	w.server.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, slog.LevelError)
	w.server.StartTLS()
	w.meta = httptest.NewServer(http.HandlerFunc(w.metadata))
	w.driver = csim.New(csim.Deps{Clock: real, Dir: t.TempDir(), Program: func(s container.Spec) csim.Program {
		w.mu.Lock()
		defer w.mu.Unlock()
		if w.program == nil {
			return csim.Program{Output: []string{"hello", "world"}, Stats: container.Stats{CPUNanos: 1e9, MemoryBytes: 1 << 20}}
		}
		return w.program(s)
	}})
	w.conf = agent.Config{
		Dir: t.TempDir(), Netns: "/netns", Cluster: "c", Region: place.Region, Metadata: w.meta.URL, CPUs: 2, MemoryMiB: 4096, ReserveMiB: 256,
	}
	t.Cleanup(func() {
		if w.stop != nil {
			w.stop()
		}
		cancel()
		wg.Wait()
		w.server.CloseClientConnections()
		w.server.Close()
		w.meta.Close()
	})
	w.writeFiles()
	return w
}

// writeFiles writes the records that the agent gateway reads.
func (w *world) writeFiles() {
	w.as("controllers/capacity", func(tx *store.Tx) error {
		return state.Instances.Put(tx, model.Instance{
			ID: instanceID, ARN: instanceARN, Cluster: "c", Type: "c6a.large", AvailabilityZone: "ap-northeast-1a", Subnet: "subnet-1",
			Goal: model.GoalRun, State: model.InstanceRunning,
		})
	})
	w.as("api/ec2", func(tx *store.Tx) error {
		return errors.Join(
			state.VPCs.Put(tx, model.VPC{ID: "vpc-1", CIDR: "192.168.0.0/16"}),
			state.Subnets.Put(tx, model.Subnet{ID: "subnet-1", VPC: "vpc-1", CIDR: "192.168.2.0/24"}))
	})
}

func (w *world) as(writer string, fn func(*store.Tx) error) {
	w.t.Helper()
	if err := w.db.Update(w.t.Context(), writer, fn); err != nil {
		w.t.Fatal(err)
	}
}

// start runs an agent; stop ends it, its containers go on.
func (w *world) start() {
	w.t.Helper()
	var b agent.Bridge
	if w.bridge != nil {
		b = w.bridge()
	}
	a, err := agent.New(agent.Deps{
		Bridge: b,
		Config: w.conf, Driver: w.driver, Images: w.images, Network: w.net, Groups: groups{}, Clock: w.real, IDs: ident.Crypto(),
		Transport: &http.Transport{
			DialContext: func(ctx context.Context, _, addr string) (net.Conn, error) {
				var d net.Dialer
				if strings.HasPrefix(addr, "127.") {
					return d.DialContext(ctx, "tcp", addr)
				}
				return d.DialContext(ctx, "tcp", w.server.Listener.Addr().String())
			},
			TLSClientConfig: &tls.Config{InsecureSkipVerify: true}, // a test server
		},
		Log: slog.New(slog.NewTextHandler(testWriter{w.t}, nil)),
	})
	if err != nil {
		w.t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(w.t.Context())
	done := make(chan struct{})
	go func() { defer close(done); _ = a.Run(ctx) }()
	w.stop = func() { cancel(); <-done }
}

type testWriter struct{ t *testing.T }

func (testWriter) Write(b []byte) (int, error) {
	if testing.Verbose() {
		fmt.Print(string(b))
	}
	return len(b), nil
}

func (w *world) Mint(ctx context.Context, role, session, subject string, ttl time.Duration) (model.Credential, error) {
	c := model.Credential{
		AccessKeyID: "ASIA" + ident.Last(role), Secret: "secret-" + ident.Last(role), Token: "t", Role: role, Session: session, For: subject,
		Expires: w.real.Now().Add(ttl),
	}
	return c, w.db.Update(ctx, "dispatch", func(tx *store.Tx) error { return state.Credentials.Put(tx, c) })
}

func (w *world) Put(_ context.Context, s dispatch.Sample) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.samples = append(w.samples, s)
	return nil
}

// authenticate checks signatures: keys are "ASIA<role>" with "secret-<role>".
func (w *world) authenticate(r *http.Request) (ident.Principal, error) {
	body, _ := io.ReadAll(r.Body)
	r.Body = io.NopCloser(bytes.NewReader(body))
	s, err := wire.ReadSignature(r)
	if err != nil || s == nil {
		return ident.Principal{}, fault.New(fault.Denied, "MissingAuthenticationToken", "not signed: %v", err)
	}
	name := strings.TrimPrefix(s.AccessKey, "ASIA")
	if err := s.Verify(r, body, "secret-"+name); err != nil {
		return ident.Principal{}, err
	}
	session := instanceID
	if name != "ecsInstanceRole" {
		session = "task"
	}
	return ident.AsRole("arn:aws:iam::000000000000:role/"+name, session), nil
}

func (w *world) metadata(rw http.ResponseWriter, r *http.Request) {
	if r.Method == http.MethodPut {
		fmt.Fprint(rw, "token")
		return
	}
	keys, _ := json.Marshal(map[string]any{
		"AccessKeyId": "ASIAecsInstanceRole", "SecretAccessKey": "secret-ecsInstanceRole", "Token": "t",
		"Expiration": w.real.Now().Add(time.Hour),
	})
	text, ok := map[string]string{
		"/latest/meta-data/mac": "02:00:00:00:00:01", "/latest/meta-data/local-hostname": "ip-192-168-2-4.compute.internal",
		"/latest/meta-data/network/interfaces/macs/02:00:00:00:00:01/vpc-id":    "vpc-1",
		"/latest/meta-data/network/interfaces/macs/02:00:00:00:00:01/subnet-id": "subnet-1",
		"/latest/meta-data/iam/security-credentials/":                           "ecsInstanceRole",
		"/latest/meta-data/iam/security-credentials/ecsInstanceRole":            string(keys),
		"/latest/dynamic/instance-identity/document": `{"instanceId":"` + instanceID +
			`","instanceType":"c6a.large","architecture":"x86_64","imageId":"ami-1"}`,
	}[r.URL.Path]
	if r.URL.Path == "/latest/user-data" && w.data != "" {
		text, ok = w.data, true
	}
	if !ok || r.Header.Get("X-aws-ec2-metadata-token") != "token" {
		http.Error(rw, "no", http.StatusNotFound)
		return
	}
	fmt.Fprint(rw, text)
}

// ServeHTTP is all of AWS that an agent talks to.
func (w *world) ServeHTTP(rw http.ResponseWriter, r *http.Request) {
	if strings.HasSuffix(r.URL.Path, "/ws") {
		w.gateway.Handler().ServeHTTP(rw, r)
		return
	}
	p, err := w.authenticate(r)
	if err != nil {
		w.fail(rw, err)
		return
	}
	var in map[string]any
	if err := json.NewDecoder(r.Body).Decode(&in); err != nil {
		w.fail(rw, err)
		return
	}
	_, operation, _ := strings.Cut(r.Header.Get("X-Amz-Target"), ".")
	w.mu.Lock()
	code := w.deny[operation]
	w.mu.Unlock()
	if code != "" {
		w.fail(rw, fault.New(fault.Denied, code, "denied"))
		return
	}
	out, err := w.call(r, p, operation, in)
	if err != nil {
		w.fail(rw, err)
		return
	}
	_ = json.NewEncoder(rw).Encode(out)
}

func (w *world) fail(rw http.ResponseWriter, err error) {
	rw.WriteHeader(http.StatusBadRequest)
	_ = json.NewEncoder(rw).Encode(map[string]string{"__type": fault.CodeOf(err), "message": fault.MessageOf(err)})
}

func text(v any) string { s, _ := v.(string); return s }

func list(v any) []map[string]any {
	var out []map[string]any
	all, _ := v.([]any)
	for _, e := range all {
		out = append(out, e.(map[string]any))
	}
	return out
}

func at(v any) time.Time {
	f, ok := v.(float64)
	if !ok {
		return time.Time{}
	}
	return time.UnixMilli(int64(f * 1000))
}

func (w *world) call(r *http.Request, p ident.Principal, operation string, in map[string]any) (any, error) {
	switch operation {
	case "RegisterContainerInstance":
		reg := dispatch.Registration{
			Cluster: text(in["cluster"]), Instance: text(in["containerInstanceArn"]), Document: text(in["instanceIdentityDocument"]),
		}
		for _, a := range list(in["attributes"]) {
			reg.Attributes = append(reg.Attributes, model.Attribute{Name: text(a["name"]), Value: text(a["value"])})
		}
		for _, res := range list(in["totalResources"]) {
			n, _ := res["integerValue"].(float64)
			switch text(res["name"]) {
			case "CPU":
				reg.CPU = int64(n)
			case "MEMORY":
				reg.Memory = int64(n)
			}
		}
		i, err := w.gateway.Register(r.Context(), p, reg)
		return map[string]any{"containerInstance": map[string]any{"containerInstanceArn": i.ARN, "attributes": i.Attributes}}, err
	case "DiscoverPollEndpoint":
		e, err := w.gateway.PollEndpoint(r.Context(), p, text(in["cluster"]), text(in["containerInstance"]))
		return map[string]any{"endpoint": e.Agent, "telemetryEndpoint": e.Telemetry}, err
	case "SubmitTaskStateChange":
		w.mu.Lock()
		breaking := w.breaking
		w.mu.Unlock()
		if breaking {
			return nil, fault.New(fault.Throttled, "ThrottlingException", "Rate exceeded")
		}
		return w.submit(r.Context(), p, in)
	case "GetAuthorizationToken":
		user := "AWS:for-" + ident.Last(p.Role)
		w.mu.Lock()
		if w.logins++; w.logins > 1 {
			user += fmt.Sprint("-", w.logins)
		}
		w.mu.Unlock()
		return map[string]any{"authorizationData": []map[string]any{{"authorizationToken": base64.StdEncoding.EncodeToString([]byte(user))}}}, nil
	case "GetSecretValue":
		return w.secret(p, in)
	case "GetParameters":
		return w.parameter(p, in)
	case "CreateLogStream":
		w.mu.Lock()
		defer w.mu.Unlock()
		if w.noGroup {
			return nil, fault.New(fault.NotFound, "ResourceNotFoundException", "The specified log group does not exist.")
		}
		return map[string]any{}, nil
	case "CreateLogGroup":
		w.mu.Lock()
		defer w.mu.Unlock()
		w.noGroup = false
		return map[string]any{}, nil
	case "PutLogEvents":
		w.mu.Lock()
		defer w.mu.Unlock()
		for _, e := range list(in["logEvents"]) {
			w.lines = append(w.lines, text(in["logGroupName"])+" "+text(in["logStreamName"])+" "+text(e["message"]))
		}
		return map[string]any{}, nil
	}
	return nil, fault.New(fault.NotImplemented, "UnknownOperationException", "%s", operation)
}

// reported are the states that a task was reported in.
func (w *world) reported(arn string) []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.Clone(w.reports[arn])
}

func (w *world) submit(ctx context.Context, p ident.Principal, in map[string]any) (any, error) {
	rep := dispatch.TaskReport{
		Cluster: text(in["cluster"]), Task: text(in["task"]), Status: text(in["status"]), Reason: text(in["reason"]),
		PullStartedAt: at(in["pullStartedAt"]), PullStoppedAt: at(in["pullStoppedAt"]), ExecutionStoppedAt: at(in["executionStoppedAt"]),
	}
	for _, c := range list(in["containers"]) {
		k := dispatch.ContainerReport{
			Name: text(c["containerName"]), Status: text(c["status"]), RuntimeID: text(c["runtimeId"]), Reason: text(c["reason"]),
			ImageDigest: text(c["imageDigest"]),
		}
		for _, b := range list(c["networkBindings"]) {
			host, _ := b["hostPort"].(float64)
			port, _ := b["containerPort"].(float64)
			k.Bindings = append(k.Bindings, model.NetworkBinding{
				BindIP: text(b["bindIP"]), HostPort: int64(host), ContainerPort: int64(port), Protocol: text(b["protocol"]),
			})
		}
		if code, ok := c["exitCode"].(float64); ok {
			n := int64(code)
			k.ExitCode = &n
		}
		rep.Containers = append(rep.Containers, k)
	}
	w.mu.Lock()
	w.reports[rep.Task] = append(w.reports[rep.Task], rep.Status)
	w.mu.Unlock()
	ack, err := w.gateway.SubmitTask(ctx, p, rep)
	return map[string]any{"acknowledgment": ack}, err
}

// secret answers as Secrets Manager, which has one secret, to the execution role.
func (w *world) secret(p ident.Principal, in map[string]any) (any, error) {
	if p.Role != execRole {
		return nil, fault.New(fault.Denied, "AccessDeniedException", "%s may not", p.ARN)
	}
	if text, ok := logins[text(in["SecretId"])]; ok {
		return map[string]any{"SecretString": text}, nil
	}
	if in["SecretId"] != secretARN {
		return nil, fault.New(fault.NotFound, "ResourceNotFoundException", "Secrets Manager can't find the specified secret.")
	}
	if in["VersionStage"] == "AWSPREVIOUS" {
		return map[string]any{"SecretString": "old"}, nil
	}
	return map[string]any{"SecretString": `{"user":"me","port":5432}`}, nil
}

// parameter knows two names, to the execution role.
func (w *world) parameter(p ident.Principal, in map[string]any) (any, error) {
	if p.Role != execRole {
		return nil, fault.New(fault.Denied, "AccessDeniedException", "%s may not", p.ARN)
	}
	names, _ := in["Names"].([]any)
	name, _ := names[0].(string)
	if decrypted, _ := in["WithDecryption"].(bool); !decrypted || !strings.HasSuffix(name, "/app/key") {
		return map[string]any{"InvalidParameters": names}, nil
	}
	return map[string]any{"Parameters": []map[string]any{{"Name": name, "Value": "of " + name}}}, nil
}

// secretARN is that of the secret with a user, and loginARN of a registry's login.
const (
	secretARN    = "arn:aws:secretsmanager:ap-northeast-1:000000000000:secret:db-AbCdEf"
	parameterARN = "arn:aws:ssm:ap-northeast-1:000000000000:parameter/app/key"

	loginARN = "arn:aws:secretsmanager:ap-northeast-1:000000000000:secret:hub-AbCdEf"
)

var logins = map[string]string{
	loginARN: `{"username":"robot","password":"hush"}`, loginARN + "-half": `{"username":"robot"}`, loginARN + "-plain": "hush",
	loginARN + "-empty": "",
}

// task puts a task of the containers on the instance, ready for its agent.
func (w *world) task(id string, containers ...model.ContainerDefinition) string {
	w.t.Helper()
	arn := place.ARN("ecs", "task/c/"+id)
	var known []model.TaskContainer
	for _, c := range containers {
		known = append(known, model.TaskContainer{Name: c.Name, Image: c.Image, LastStatus: model.ContainerPending, Health: model.HealthUnknown})
	}
	w.as("api/ecs", func(tx *store.Tx) error {
		return errors.Join(
			state.TaskDefinitions.Put(tx, model.TaskDefinition{
				ARN: "td-" + id, Family: "web", Revision: 3, NetworkMode: cmp.Or(w.mode, "awsvpc"),
				Containers: containers, TaskRoleARN: taskRole, Volumes: w.volumes,
				ExecutionRoleARN: execRole,
			}),
			state.Tasks.Put(tx, model.Task{
				ARN: arn, ID: id, Cluster: "c", TaskDefinition: "td-" + id, LastStatus: model.TaskProvisioning, DesiredStatus: model.TaskRunning,
				Containers: known, CreatedAt: w.real.Now(),
			}))
	})
	w.as("controllers/network", func(tx *store.Tx) error {
		return state.NetworkInterfaces.Put(tx, model.NetworkInterface{
			ID: "eni-" + id, Kind: "task", Owner: arn, VPC: "vpc-1", Subnet: "subnet-1", IP: "192.168.2.11", MAC: "02:00:00:00:00:02",
		})
	})
	w.edit("controllers/task", arn, func(t *model.Task) { t.Instance = instanceARN })
	w.edit("controllers/network", arn, func(t *model.Task) { t.ENI, t.LastStatus = "eni-"+id, model.TaskPending })
	return arn
}

func (w *world) edit(writer, arn string, f func(*model.Task)) {
	w.t.Helper()
	w.as(writer, func(tx *store.Tx) error {
		return state.Tasks.Edit(tx, arn, func(t *model.Task) error { f(t); return nil })
	})
}

// until waits until a task is as expected; watch out: in real time.
func (w *world) until(arn, what string, ok func(model.Task) bool) model.Task {
	w.t.Helper()
	return await.Value(w.t, what, func() (model.Task, bool) {
		t, _ := state.Tasks.Get(w.db.View(), arn)
		return t, ok(t)
	})
}

func (w *world) reaches(arn string, status model.TaskStatus) model.Task {
	w.t.Helper()
	return w.until(arn, string(status), func(t model.Task) bool { return t.LastStatus == status })
}

func (w *world) halt(arn string) {
	w.edit("api/ecs", arn, func(t *model.Task) {
		t.DesiredStatus, t.StopCode, t.StoppedReason = model.TaskStopped, "UserInitiated", "bye"
	})
	w.edit("controllers/traffic", arn, func(t *model.Task) { t.LastStatus = model.TaskStopping })
}

func (w *world) sent(line string) {
	w.t.Helper()
	await.Value(w.t, "logged "+line, func() ([]string, bool) {
		w.mu.Lock()
		defer w.mu.Unlock()
		return w.lines, slices.Contains(w.lines, line)
	})
}

func (w *world) metadataOf(id, path string) map[string]any {
	w.t.Helper()
	return w.metadataAt(filepath.Join("/netns", "eni-"+id), path)
}

// metadataAt asks in a namespace; "" is the machine's.
func (w *world) metadataAt(netns, path string) map[string]any {
	w.t.Helper()
	resp, err := http.Get("http://" + w.net.address(netns) + path)
	if err != nil {
		w.t.Fatal(err)
	}
	defer resp.Body.Close()
	var out map[string]any
	if err := json.NewDecoder(resp.Body).Decode(&out); err != nil {
		w.t.Fatalf("%s: %v", path, err)
	}
	return out
}
