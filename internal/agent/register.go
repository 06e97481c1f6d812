package agent

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"path/filepath"
	"slices"
	"time"

	"berth/internal/clock"
	"berth/internal/fault"
	"berth/internal/kernel"
	"berth/internal/model"
	"berth/internal/wire"
	"berth/internal/wire/shape/ecs"
)

// identity is what an agent remembers of its registration.
type identity struct {
	Instance string `json:"instance"` // container instance ARN
	Seen     int64  `json:"seen"`     // highest number of a payload or manifest
}

func (a *Agent) identityFile() string { return filepath.Join(a.Memory, "identity.jsonl") }

func (a *Agent) remember() error {
	a.mu.Lock()
	id := identity{a.instance, a.seen}
	a.mu.Unlock()
	return writeRecord(a.identityFile(), id)
}

// load reads the folder of an earlier run.
func (a *Agent) load() error {
	var id identity
	if err := readRecord(a.identityFile(), &id); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("read the agent's identity: %w", err)
	}
	a.instance, a.seen = id.Instance, id.Seen
	files, err := filepath.Glob(filepath.Join(a.Memory, "tasks", "*", recordFile))
	if err != nil {
		return err
	}
	for _, f := range files {
		var r record
		if err := readRecord(f, &r); err != nil || r.Task.ARN == "" {
			a.Log.Warn("record of a task cannot be read", "file", f, "error", err)
			continue
		}
		a.tasks[r.Task.ARN] = newTask(a, r)
	}
	return nil
}

func readRecord(path string, into any) error {
	b, err := kernel.LastRecord(path)
	if err != nil {
		return err
	}
	return json.Unmarshal(b, into)
}

// writeRecord survives the agent, and ends with the machine.
func writeRecord(path string, v any) error {
	b, err := json.Marshal(v)
	if err != nil {
		return err
	}
	return kernel.AppendRecord(path, b)
}

// capabilities are the attributes of what this agent can do.
var capabilities = []string{
	"com.amazonaws.ecs.capability.privileged-container", "com.amazonaws.ecs.capability.logging-driver.awslogs",
	"com.amazonaws.ecs.capability.logging-driver.none",
	"com.amazonaws.ecs.capability.task-iam-role", "com.amazonaws.ecs.capability.task-iam-role-network-host",
	"com.amazonaws.ecs.capability.ecr-auth",
	"com.amazonaws.ecs.capability.docker-remote-api.1.44",
	"ecs.capability.execution-role-ecr-pull", "ecs.capability.execution-role-awslogs", "ecs.capability.container-health-check",
	"ecs.capability.container-ordering",
	"ecs.capability.full-sync", "ecs.capability.ecr-endpoint", "ecs.capability.container-restart-policy", "ecs.capability.task-cpu-mem-limit",
	"ecs.capability.increased-task-cpu-limit", "ecs.capability.task-eni", "ecs.capability.task-eni-trunking",
	"ecs.capability.task-eni-block-instance-metadata", "ecs.capability.secrets.asm.environment-variables",
	"ecs.capability.secrets.ssm.environment-variables",
	"ecs.capability.private-registry-authentication.secretsmanager",
}

// Registration is tried for as long as the machine lives: the endpoint, its
// security group or the role may be put right at any time.
const (
	registerFirst = time.Second
	registerMost  = 15 * time.Second
)

// register signs the machine in.
func (a *Agent) register(ctx context.Context) error {
	wait, said := registerFirst, ""
	for {
		err := a.registerOnce(ctx)
		a.told(func(b *model.Boot) { b.Refused, b.RefusedCode = refused(err) })
		if err == nil {
			return nil
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if err.Error() != said {
			said = err.Error()
			a.Log.Warn("not registered yet", "error", err)
		}
		if err := clock.Sleep(ctx, a.Clock, wait); err != nil {
			return err
		}
		wait = min(2*wait, registerMost)
	}
}

// refused is what an error of a registration is told as.
func refused(err error) (text, code string) {
	if err == nil {
		return "", ""
	}
	return fault.MessageOf(err), fault.CodeOf(err)
}

// makeDefault makes the cluster "default" where no cluster is configured and it is
// not there, as ECS's agent does (A1).
func (a *Agent) makeDefault(ctx context.Context, cause error) error {
	if !a.Own || a.settings.Cluster != "" || fault.CodeOf(cause) != "ClientException" && fault.CodeOf(cause) != "ClusterNotFoundException" {
		return cause
	}
	if _, err := a.api.ecs().CreateCluster(ctx, &ecs.CreateClusterInput{ClusterName: &a.Cluster}); err != nil {
		return err
	}
	return cause // the next try finds it
}

func (a *Agent) registerOnce(ctx context.Context) error {
	document, err := a.api.metadata(ctx, "/latest/dynamic/instance-identity/document")
	if err != nil {
		return err
	}
	sent, err := a.attributes(ctx)
	if err != nil {
		return err
	}
	a.mu.Lock()
	known := a.instance
	a.mu.Unlock()
	in := &ecs.RegisterContainerInstanceInput{
		Cluster: &a.Cluster, Attributes: sent, InstanceIdentityDocument: &document, InstanceIdentityDocumentSignature: wire.Ptr(""),
		TotalResources: a.resources(),
	}
	if known != "" {
		in.ContainerInstanceArn = &known
	}
	out, err := a.api.ecs().RegisterContainerInstance(ctx, in)
	if err != nil {
		return a.makeDefault(ctx, err)
	}
	got := wire.Val(out.ContainerInstance)
	for _, s := range sent {
		if !slices.ContainsFunc(got.Attributes, func(g ecs.Attribute) bool {
			return *g.Name == *s.Name && wire.Val(g.Value) == wire.Val(s.Value)
		}) {
			return fault.New(fault.Invalid, "", "attribute %s did not come back from registration", *s.Name)
		}
	}
	a.mu.Lock()
	a.instance = wire.Val(got.ContainerInstanceArn)
	for _, at := range got.Attributes {
		if *at.Name == "ecs.availability-zone" {
			a.zone = wire.Val(at.Value)
		}
	}
	a.mu.Unlock()
	a.Log.Info("registered", "container_instance", wire.Val(got.ContainerInstanceArn))
	return a.remember()
}

// resources are what the machine has for tasks.
func (a *Agent) resources() []ecs.Resource {
	integer := func(name string, n int64) ecs.Resource {
		return ecs.Resource{Name: &name, Type: wire.Ptr("INTEGER"), IntegerValue: &n}
	}
	set := func(name string, values ...string) ecs.Resource {
		return ecs.Resource{Name: &name, Type: wire.Ptr("STRINGSET"), StringSetValue: values}
	}
	return []ecs.Resource{
		integer("CPU", a.CPUs*1024), integer("MEMORY", a.MemoryMiB-a.ReserveMiB),
		set("PORTS", ports(a.settings.Ports, "22", "2375", "2376", "51678", "51679")...), set("PORTS_UDP", ports(a.settings.PortsUDP)...),
	}
}

// attributes are the capabilities, and where the machine is.
func (a *Agent) attributes(ctx context.Context) ([]ecs.Attribute, error) {
	values := map[string]string{"ecs.os-type": "linux", "ecs.os-family": "LINUX"}
	maps.Copy(values, a.settings.Attributes)
	for _, c := range capabilities {
		if a.settings.has(c) {
			values[c] = ""
		}
	}
	mac, err := a.api.metadata(ctx, "/latest/meta-data/mac")
	if err != nil {
		return nil, err
	}
	for name, leaf := range map[string]string{"ecs.vpc-id": "vpc-id", "ecs.subnet-id": "subnet-id"} {
		if values[name], err = a.api.metadata(ctx, "/latest/meta-data/network/interfaces/macs/"+mac+"/"+leaf); err != nil {
			return nil, err
		}
	}
	var out []ecs.Attribute
	for _, name := range slices.Sorted(maps.Keys(values)) {
		out = append(out, ecs.Attribute{Name: &name, Value: orNil(values[name])})
	}
	return out, nil
}

// discover asks where to connect to.
func (a *Agent) discover(ctx context.Context) (agent, telemetry string, err error) {
	arn := a.instanceARN()
	out, err := a.api.ecs().DiscoverPollEndpoint(ctx, &ecs.DiscoverPollEndpointInput{Cluster: &a.Cluster, ContainerInstance: &arn})
	if err != nil {
		return "", "", err
	}
	return wire.Val(out.Endpoint), wire.Val(out.TelemetryEndpoint), nil
}

func (a *Agent) instanceARN() string {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.instance
}
