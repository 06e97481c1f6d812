// Package dispatch is the gateway where agents sign in: registrations, the web
// sockets over which instances get their tasks and send their figures, the
// keys of task roles, and the reports by which tasks move on.
//
// It owns an instance's registration and connection, and a task's containers,
// health and times; it moves tasks PENDING → ACTIVATING, STOPPING →
// DEPROVISIONING, and out of any state when their containers or their machine
// have ended. Assignments are derived from the state at every change and told
// again after a reconnect: the gateway remembers nothing that a restart may not
// forget. It places nothing, launches nothing, and refuses a caller that
// speaks for another instance. api/ecs calls Gateway's methods, daemon mounts
// Handler and runs Run and Controller. A Gateway is safe for concurrent use; its mutex
// guards the table of sessions only and is never held across I/O.
package dispatch

import (
	"context"
	"encoding/json"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"berth/internal/clock"
	"berth/internal/control"
	"berth/internal/fault"
	"berth/internal/ident"
	"berth/internal/model"
	"berth/internal/state"
	"berth/internal/store"
)

// writer is the name under which this package writes.
const writer = "dispatch"

// Minter makes keys for a role session and records them.
type Minter interface {
	// Mint makes a key of role for subject (an instance id or a task ARN)
	// that is valid for ttl of the control plane's time.
	Mint(ctx context.Context, role, session, subject string, ttl time.Duration) (model.Credential, error)
}

// Metrics takes the figures of tasks.
type Metrics interface {
	Put(ctx context.Context, s Sample) error
}

// Deps are what a Gateway needs.
type Deps struct {
	DB    *state.DB
	Clock clock.Clock // the control plane's time
	// Real is real time: agents live in it, whatever the control plane's
	// clock does.
	Real    clock.Clock
	IDs     *ident.Source
	Place   ident.Place
	Minter  Minter
	Access  control.Access
	Metrics Metrics // nil where nobody wants figures
	// Authenticate finds who signed a web socket's handshake.
	Authenticate func(*http.Request) (ident.Principal, error)
	Log          *slog.Logger
}

// Gateway answers agents.
type Gateway struct {
	Deps
	mu       sync.Mutex
	sessions map[string]*session // by container instance ARN
	attended map[string]int      // open ACS connections seen since the start, by instance id
	seq      int64               // last number given to a payload or manifest
}

// New returns a Gateway; it serves at once, and forgets lost agents while Run
// runs.
func New(d Deps) *Gateway {
	d.Log = d.Log.With("writer", writer)
	return &Gateway{Deps: d, sessions: map[string]*session{}, attended: map[string]int{}}
}

// document is the part of an instance identity document that is read.
type document struct {
	InstanceID   string `json:"instanceId"`
	InstanceType string `json:"instanceType"`
	Architecture string `json:"architecture"`
	ImageID      string `json:"imageId"`
}

// Register signs an agent's machine in. Errors: ClientException (no such
// cluster, an unknown machine), InvalidParameterException (no or another
// machine's document), AccessDeniedException (somebody else's machine).
func (d *Gateway) Register(ctx context.Context, p ident.Principal, r Registration) (model.Instance, error) {
	var doc document
	if err := json.Unmarshal([]byte(r.Document), &doc); err != nil || doc.InstanceID == "" {
		return model.Instance{}, fault.New(
			fault.Invalid, "InvalidParameterException", "The instance identity document is missing or cannot be read.",
		)
	}
	now, fresh := d.Clock.Now(), ""
	if i, _ := state.Instances.Get(d.DB.View(), doc.InstanceID); i.Kind == model.KindEC2 {
		fresh = d.Place.ARN("ecs", "container-instance/"+clusterName(r.Cluster)+"/"+d.IDs.Hex(32))
	}
	var out model.Instance
	err := d.DB.Update(ctx, writer, func(tx *store.Tx) error {
		inst, ok := state.Instances.Get(tx, doc.InstanceID)
		if !ok {
			return fault.New(fault.Invalid, "ClientException", "The EC2 instance %s is not one of this account's instances.", doc.InstanceID)
		}
		if err := admissible(tx, p, inst, r, doc); err != nil {
			return err
		}
		if err := state.Instances.Edit(tx, inst.ID, func(i *model.Instance) error {
			join(i, clusterName(r.Cluster), fresh)
			register(i, r, now)
			i.Attributes = attributes(tx, *i, r.Attributes, doc)
			return nil
		}); err != nil {
			return err
		}
		out, _ = state.Instances.Get(tx, inst.ID)
		return state.Note(tx, now, model.Decision{
			By: writer, Subject: out.ID, Cluster: out.Cluster, Verb: "registered", Reason: "The agent registered the container instance.",
			Facts: map[string]string{"containerInstance": out.ARN, "type": out.Type},
		})
	})
	return out, err
}

// join makes an instance of the user's own a container instance of the cluster
// that its agent names, unless it is one already: one that was deregistered, or
// whose agent names another cluster, becomes a new one.
func join(i *model.Instance, cluster, fresh string) {
	if i.Kind != model.KindEC2 || i.ARN != "" && i.Cluster == cluster && i.Status != model.ContainerInstanceInactive {
		return
	}
	i.Cluster, i.ARN = cluster, fresh
	i.Status, i.StatusReason, i.RegisteredAt = "", "", time.Time{}
}

// joins tells whether an instance may register in a cluster: a managed one only
// in its provider's.
func joins(r store.Reader, i model.Instance, cluster string) bool {
	if i.Kind != model.KindEC2 {
		return cluster == i.Cluster
	}
	c, ok := state.Clusters.Get(r, cluster)
	return ok && c.Status == model.ClusterActive
}

func admissible(view store.Reader, p ident.Principal, i model.Instance, r Registration, doc document) error {
	if err := speaks(p, i); err != nil {
		return err
	}
	switch {
	case !joins(view, i, clusterName(r.Cluster)):
		return fault.New(fault.Invalid, "ClientException", "Cluster not found.")
	case r.Instance != "" && r.Instance != i.ARN:
		return fault.New(fault.Invalid, "ClientException", "Container instance %s does not belong to EC2 instance %s.", r.Instance, i.ID)
	case doc.InstanceType != i.Type:
		return fault.New(
			fault.Invalid, "ClientException",
			"Container instance type changes are not supported. Container instance %s was previously registered as %s.", ident.Last(i.ARN), i.Type,
		)
	case i.Goal == model.GoalTerminate || i.State == model.InstanceTerminated || i.State == model.InstanceShuttingDown:
		return fault.New(fault.Invalid, "ClientException", "The EC2 instance %s is being terminated.", i.ID)
	}
	return nil
}

// speaks checks that p is the machine's own role session, whose name EC2
// makes the instance id, or the account's root.
func speaks(p ident.Principal, i model.Instance) error {
	if p.Root || p.Role != "" && p.Session == i.ID {
		return nil
	}
	return fault.New(
		fault.Denied, "AccessDeniedException",
		"User: %s is not authorized to speak for container instance %s because it is not a session of that instance's role.", p.ARN, i.ARN,
	)
}

func register(i *model.Instance, r Registration, now time.Time) {
	if i.Status == "" || i.Status == model.ContainerInstanceRegistering || i.Status == model.ContainerInstanceRegistrationFailed {
		i.Status, i.StatusReason = model.ContainerInstanceActive, ""
	}
	if i.RegisteredAt.IsZero() {
		i.RegisteredAt = now
	}
	ports := slices.Clone(r.Ports)
	for _, u := range r.PortsUDP {
		ports = append(ports, u+"/udp")
	}
	i.Registered = model.Resources{CPU: r.CPU, Memory: r.Memory, ENIs: i.Expected.ENIs, Ports: ports}
	if r.AgentVersion != "" {
		i.AgentVersion = r.AgentVersion
	}
	if r.RuntimeVersion != "" {
		i.RuntimeVersion = r.RuntimeVersion
	}
	i.LastSeenAt = now
	i.Version++
}

// attributes joins what the agent sent with what only the control plane
// knows. What was sent must come back with the same value
// (docs/facts/agent-protocol.md A2).
func attributes(r store.Reader, i model.Instance, sent []model.Attribute, doc document) []model.Attribute {
	subnet, _ := state.Subnets.Get(r, i.Subnet)
	own := []model.Attribute{
		{Name: "ecs.ami-id", Value: doc.ImageID},
		{Name: "ecs.availability-zone", Value: i.AvailabilityZone},
		{Name: "ecs.cpu-architecture", Value: doc.Architecture},
		{Name: "ecs.instance-lifecycle", Value: lifecycle(i.CapacityOption)},
		{Name: "ecs.instance-type", Value: i.Type},
		{Name: "ecs.os-type", Value: "linux"},
		{Name: "ecs.subnet-id", Value: i.Subnet},
		{Name: "ecs.vpc-id", Value: subnet.VPC},
	}
	out := slices.Clone(sent)
	for _, a := range slices.Concat(own, custom(i.Attributes)) {
		if !slices.ContainsFunc(sent, func(s model.Attribute) bool { return s.Name == a.Name }) {
			out = append(out, a)
		}
	}
	slices.SortFunc(out, func(a, b model.Attribute) int { return strings.Compare(a.Name, b.Name) })
	return out
}

// custom are the attributes that are not ECS's own: they stay when an agent
// registers again.
func custom(have []model.Attribute) []model.Attribute {
	return slices.DeleteFunc(slices.Clone(have), func(a model.Attribute) bool {
		return strings.HasPrefix(a.Name, "ecs.") || strings.HasPrefix(a.Name, "com.amazonaws.ecs.")
	})
}

func lifecycle(option string) string {
	if option == "SPOT" {
		return "spot"
	}
	return "on-demand"
}

func clusterName(s string) string {
	if s == "" {
		return "default"
	}
	return ident.Last(s)
}

// find looks up the container instance that a caller names and may speak for.
func (d *Gateway) find(r store.Reader, p ident.Principal, cluster, instance string) (model.Instance, error) {
	i, ok := state.Instances.One(r, "arn", instance)
	if !ok {
		for _, c := range state.Instances.By(r, "cluster", clusterName(cluster)) {
			if ident.Last(c.ARN) == instance {
				i, ok = c, true
			}
		}
	}
	if !ok {
		return i, fault.New(fault.Invalid, "InvalidParameterException", "Container instance %s does not exist.", instance)
	}
	return i, speaks(p, i)
}

// PollEndpoint says where an agent gets its work (DiscoverPollEndpoint).
// Errors: InvalidParameterException, AccessDeniedException.
func (d *Gateway) PollEndpoint(_ context.Context, p ident.Principal, cluster, instance string) (Endpoints, error) {
	if instance != "" {
		if _, err := d.find(d.DB.View(), p, cluster, instance); err != nil {
			return Endpoints{}, err
		}
	}
	host := func(label string) string { return "https://" + label + "." + d.Place.Region + ".amazonaws.com/" }
	return Endpoints{Agent: host("ecs-a"), Telemetry: host("ecs-t"), ServiceConnect: host("ecs-sc"), SystemLogs: host("ecs-a")}, nil
}

// clockTime translates a moment of an agent's past, in real time, into the
// control plane's: on a clock that runs N times faster it is N times as long
// ago.
func (d *Gateway) clockTime(real time.Time) time.Time {
	if real.IsZero() {
		return time.Time{}
	}
	ago := max(0, d.Real.Now().Sub(real))
	return d.Clock.Now().Add(-time.Duration(float64(ago) * d.speed()))
}

// realTime translates a moment of the control plane's time to come into real
// time, as agents and SDKs read it.
func (d *Gateway) realTime(at time.Time) time.Time {
	return d.Real.Now().Add(time.Duration(float64(at.Sub(d.Clock.Now())) / d.speed()))
}

// speed is how fast the control plane's clock runs; one that stands still or
// is stepped counts as real.
func (d *Gateway) speed() float64 {
	if c, ok := d.Clock.(interface{ Speed() float64 }); ok && c.Speed() > 0 {
		return c.Speed()
	}
	return 1
}

// number gives payloads and manifests one ever growing count: an agent drops
// what does not grow, also across restarts of the gateway.
func (d *Gateway) number() int64 {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.seq = max(d.seq+1, d.Real.Now().UnixMilli())
	return d.seq
}
