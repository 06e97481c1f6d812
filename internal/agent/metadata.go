package agent

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"maps"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"berth/internal/acs"
	"berth/internal/container"
	"berth/internal/kernel"
)

// credentialsPath is where a container asks for its role's keys.
const credentialsPath = "/v2/credentials/"

// mostClients are the connections to one metadata service: containers that open
// more do not take the agent's files.
const mostClients = 256

// service is a server of containers, whose clients have a time for everything.
func service(h http.Handler) *http.Server {
	return &http.Server{
		Handler: h, ReadHeaderTimeout: callTimeout, ReadTimeout: callTimeout, WriteTimeout: 2 * callTimeout, IdleTimeout: 2 * callTimeout,
	}
}

// serveTask serves metadata and credentials in the task's namespace until
// close is called. In the machine's own namespace one service is for all
// tasks that use the host's network.
func (a *Agent) serveTask(ctx context.Context, t *task) (closeService func(), err error) {
	ns := t.netns()
	if ns == "" {
		return nil, a.serveHost(ctx)
	}
	l, err := a.Network.Listen(ctx, ns, acs.MetadataAddress+":80")
	if err != nil {
		return nil, err
	}
	srv := service(taskService{func(string) *task { return t }})
	var wg sync.WaitGroup
	wg.Go(func() { _ = srv.Serve(kernel.AtMost(l, mostClients)) })
	return func() { _ = srv.Close(); wg.Wait() }, nil
}

// serveHost serves the tasks of the machine's own namespace, once.
func (a *Agent) serveHost(ctx context.Context) error {
	a.hostOnce.Lock()
	defer a.hostOnce.Unlock()
	if a.hostServed {
		return nil
	}
	l, err := a.Network.Listen(ctx, "", acs.MetadataAddress+":80")
	if err != nil {
		return err
	}
	srv := service(taskService{a.hostTask})
	context.AfterFunc(a.context, func() { _ = srv.Close() })
	a.group.Go(func() error { _ = srv.Serve(kernel.AtMost(l, mostClients)); return nil })
	a.hostServed = true
	return nil
}

// secret is the path of the task's keys: what a stock agent takes for it, the
// control plane's id of them, follows from the task's ARN here, which others know.
func (t *task) secret(k *acs.RoleCredentials) string { return cmp.Or(t.rec.Secret, k.CredentialsID) }

// endpoint names the container to the metadata service. Where tasks share one it is
// nothing that others know, as the container's id is.
func (r *run) endpoint() string {
	t := r.task
	if t.netns() != "" || t.rec.Secret == "" {
		return r.id
	}
	h := sha256.Sum256([]byte(t.rec.Secret + "|" + r.def.Name))
	return hex.EncodeToString(h[:16])
}

// hostTask finds the task of the host's network to which the name of a container
// or of keys belongs.
func (a *Agent) hostTask(id string) *task {
	for _, t := range a.all() {
		if t.netns() != "" {
			continue
		}
		if k := t.keys(acs.RoleApplication); k != nil && t.secret(k) == id || t.at(id) != nil {
			return t
		}
	}
	return nil
}

// taskService answers the containers of one namespace.
type taskService struct {
	find func(id string) *task // by the name of a container or of keys
}

// ServeHTTP implements http.Handler.
func (s taskService) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodGet {
		http.Error(w, "method not allowed", http.StatusMethodNotAllowed)
		return
	}
	if id, ok := strings.CutPrefix(r.URL.Path, credentialsPath); ok {
		s.credentials(w, id)
		return
	}
	parts := strings.SplitN(strings.Trim(r.URL.Path, "/"), "/", 3)
	if len(parts) < 2 || parts[0] != "v4" && parts[0] != "v3" {
		http.NotFound(w, r)
		return
	}
	t := s.find(parts[1])
	run := t.at(parts[1])
	if run == nil {
		http.Error(w, "V4 container metadata handler: unable to get task: container "+parts[1]+" not found", http.StatusNotFound)
		return
	}
	what := ""
	if len(parts) == 3 {
		what = parts[2]
	}
	switch what {
	case "":
		answer(w, run.document())
	case "task", "taskWithTags":
		answer(w, t.document())
	case "stats":
		answer(w, run.stats(r.Context()))
	case "task/stats":
		all := map[string]any{}
		for _, o := range t.runs {
			all[o.id] = o.stats(r.Context())
		}
		answer(w, all)
	default:
		http.NotFound(w, r)
	}
}

func answer(w http.ResponseWriter, v any) {
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(v)
}

func (s taskService) credentials(w http.ResponseWriter, id string) {
	t := s.find(id)
	if t != nil {
		if k := t.keys(acs.RoleApplication); k != nil && t.secret(k) == id {
			answer(w, map[string]string{
				"RoleArn": k.RoleARN, "AccessKeyId": k.AccessKeyID, "SecretAccessKey": k.SecretAccessKey, "Token": k.SessionToken,
				"Expiration": k.Expiration,
			})
			return
		}
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(http.StatusBadRequest)
	_ = json.NewEncoder(w).Encode(map[string]any{
		"code": "InvalidIdInRequest", "message": "CredentialsV2Request: Credentials not found", "HTTPErrorCode": http.StatusBadRequest,
	})
}

// at finds a container by its endpoint.
func (t *task) at(endpoint string) *run {
	if t == nil {
		return nil
	}
	for _, r := range t.runs {
		if r.endpoint() == endpoint {
			return r
		}
	}
	return nil
}

// document describes the container as metadata version 4 does.
func (r *run) document() map[string]any {
	t := r.task
	c := t.look(r.def.Name)
	desired, known := "RUNNING", c.Status
	if t.halted() {
		desired = "STOPPED"
	}
	switch {
	case known == "" && c.ImageID == "":
		known = "NONE"
	case known == "":
		known = "PULLED"
	}
	out := map[string]any{
		"DockerId": r.id, "Name": r.def.Name,
		"DockerName": "ecs-" + t.def.Family + "-" + t.def.Version + "-" + r.def.Name + "-" + r.id[len(r.id)-10:],
		"Image":      r.def.Image, "ImageID": c.ImageID, "Labels": r.labels(), "DesiredStatus": desired, "KnownStatus": known, "Type": "NORMAL",
		"Limits": map[string]any{"CPU": r.def.CPU, "Memory": r.def.Memory}, "ContainerARN": r.def.ContainerARN, "Networks": r.networks(),
		"Snapshotter": "overlayfs",
	}
	if ports := r.ports(); len(ports) > 0 {
		out["Ports"] = ports
	}
	if l := r.host.LogConfig; l != nil {
		out["LogDriver"], out["LogOptions"] = l.Type, maps.Clone(l.Config)
	}
	if t.agent.StorageGiB > 0 {
		out["DockerName"] = r.def.Name // as Fargate shows it
	}
	stamp(out, "CreatedAt", c.Created)
	stamp(out, "StartedAt", c.Started)
	stamp(out, "FinishedAt", c.Ended)
	if c.Exit != nil {
		out["ExitCode"] = *c.Exit
	}
	if c.Health != "" {
		out["Health"] = map[string]any{"status": c.Health, "statusSince": c.HealthAt}
	}
	if r.def.RestartPolicy != nil && r.def.RestartPolicy.Enabled {
		out["RestartCount"] = c.Restarts
	}
	return out
}

func stamp(out map[string]any, name string, at time.Time) {
	if !at.IsZero() {
		out[name] = at.UTC().Format(time.RFC3339Nano)
	}
}

func (t *task) networks() []map[string]any {
	if len(t.def.Interfaces) == 0 {
		return []map[string]any{{"NetworkMode": "host", "IPv4Addresses": []string{}}}
	}
	var out []map[string]any
	for n, i := range t.def.Interfaces {
		ips := []string{}
		for _, ip := range i.IPv4Addresses {
			ips = append(ips, ip.PrivateAddress)
		}
		out = append(out, map[string]any{
			"NetworkMode": "awsvpc", "IPv4Addresses": ips, "AttachmentIndex": n, "MACAddress": i.MACAddress, "PrivateDNSName": i.PrivateDNSName,
			"SubnetGatewayIpv4Address": i.SubnetGateway, "IPv4SubnetCIDRBlock": network(i.SubnetGateway), "DomainNameServers": i.Nameservers,
			"DomainNameSearchList": i.SearchDomains,
		})
	}
	return out
}

// document describes the task.
func (t *task) document() map[string]any {
	t.mu.Lock()
	start, stop, known := t.rec.PullStart, t.rec.PullStop, "PENDING"
	if slices.Contains(t.rec.Told, "RUNNING") {
		known = "RUNNING"
	}
	if t.rec.Over {
		known = "STOPPED"
	}
	t.mu.Unlock()
	var containers []map[string]any
	for _, c := range t.def.Containers {
		containers = append(containers, t.runs[c.Name].document())
	}
	desired := "RUNNING"
	if t.halted() {
		desired = "STOPPED"
	}
	out := map[string]any{
		"Cluster": t.def.TaskClusterARN, "TaskARN": t.def.ARN, "Family": t.def.Family, "Revision": t.def.Version, "DesiredStatus": desired,
		"KnownStatus":      known,
		"AvailabilityZone": t.def.Zone, "LaunchType": t.def.LaunchType, "Containers": containers,
	}
	if t.def.ServiceName != "" {
		out["ServiceName"] = t.def.ServiceName
	}
	if e := t.agent.ephemeral(); e != nil {
		out["EphemeralStorageMetrics"] = e
	}
	if t.def.CPU > 0 || t.def.Memory > 0 {
		limits := map[string]any{}
		if t.def.CPU > 0 {
			limits["CPU"] = t.def.CPU
		}
		if t.def.Memory > 0 {
			limits["Memory"] = t.def.Memory
		}
		out["Limits"] = limits
	}
	stamp(out, "PullStartedAt", start)
	stamp(out, "PullStoppedAt", stop)
	return out
}

// stats are the container's counters as Docker shows them; nothing while it
// does not run.
func (r *run) stats(ctx context.Context) any {
	s, err := r.task.agent.Driver.Stats(ctx, r.id)
	if err != nil {
		return nil
	}
	return dockerStats(r.id, r.task.agent.Clock.Now(), s)
}

func dockerStats(id string, at time.Time, s container.Stats) map[string]any {
	return map[string]any{
		"id": id, "read": at.UTC().Format(time.RFC3339Nano),
		"cpu_stats":    map[string]any{"cpu_usage": map[string]any{"total_usage": s.CPUNanos}},
		"memory_stats": map[string]any{"usage": s.MemoryBytes, "limit": s.MemoryLimit},
		"pids_stats":   map[string]any{"current": s.Pids},
		"blkio_stats": map[string]any{"io_service_bytes_recursive": []map[string]any{
			{"op": "read", "value": s.ReadBytes}, {"op": "write", "value": s.WriteBytes},
		}},
	}
}
