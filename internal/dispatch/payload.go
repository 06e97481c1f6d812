package dispatch

import (
	"cmp"
	"encoding/json"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"berth/internal/acs"
	"berth/internal/fault"
	"berth/internal/ident"
	"berth/internal/lang/reference"
	"berth/internal/model"
	"berth/internal/state"
	"berth/internal/store"
)

// assignment is what an instance's agent should be told of one task.
type assignment struct {
	task    model.Task
	desired string
}

// assignments derives from the state what the agent of an instance should
// know: every task that has reached it and has not yet left, oldest first.
// Tasks to stop come before tasks to start.
func assignments(r store.Reader, instance string) []assignment {
	var out []assignment
	for _, t := range state.Tasks.By(r, "instance", instance) {
		rank := t.LastStatus.Rank()
		if rank < model.TaskPending.Rank() || rank >= model.TaskDeprovisioning.Rank() {
			continue
		}
		desired := acs.DesiredRunning
		if rank >= model.TaskStopping.Rank() || interrupted(t) {
			desired = acs.DesiredStopped
		}
		out = append(out, assignment{t, desired})
	}
	slices.SortStableFunc(out, func(a, b assignment) int {
		if c := strings.Compare(b.desired, a.desired); c != 0 {
			return c // STOPPED before RUNNING
		}
		return cmp.Or(a.task.CreatedAt.Compare(b.task.CreatedAt), strings.Compare(a.task.ARN, b.task.ARN))
	})
	return out
}

// interrupted says that a task's capacity is taken away: its containers are told
// at once, while its targets drain.
func interrupted(t model.Task) bool {
	return t.StopCode == "SpotInterruption" && !t.LastStatus.Before(model.TaskDeactivating)
}

// news says whether an agent has to be told of an assignment at all: it knows
// tasks that it has reported as running.
func (a assignment) news() bool {
	return a.desired == acs.DesiredStopped || a.task.LastStatus == model.TaskPending && a.task.DesiredStatus != model.TaskStopped
}

// wireTask words a task for an agent.
func wireTask(r store.Reader, a assignment, p ident.Place) (acs.Task, error) {
	t := a.task
	def, ok := state.TaskDefinitions.Get(r, t.TaskDefinition)
	if !ok {
		return acs.Task{}, fault.New(fault.NotFound, "", "task %s: no task definition %s", t.ID, t.TaskDefinition)
	}
	out := acs.Task{
		ARN: t.ARN, DesiredStatus: a.desired, Family: def.Family, Version: strconv.FormatInt(def.Revision, 10),
		TaskClusterARN: p.ARN("ecs", "cluster/"+t.Cluster), Overrides: "{}", NetworkMode: def.NetworkMode,
		LaunchType: launchType(r, t), Group: t.Group, Zone: t.AvailabilityZone, PidMode: def.PidMode, IpcMode: def.IpcMode,
	}
	if name, ok := strings.CutPrefix(t.Group, "service:"); ok {
		out.ServiceName = name
	}
	if def.CPU > 0 {
		out.CPU = float64(cmp.Or(t.CPU, def.CPU)) / 1024
	}
	if def.Memory > 0 {
		out.Memory = cmp.Or(t.Memory, def.Memory)
	}
	for _, v := range def.Volumes {
		out.Volumes = append(out.Volumes, acs.Volume{Name: v.Name, Type: acs.VolumeTypeHost, Host: acs.VolumeSource{SourcePath: v.HostPath}})
	}
	rev, _ := state.ServiceRevisions.Get(r, t.Revision)
	for _, c := range def.Containers {
		w, err := wireContainer(t, c, rev.Images[c.Name], p)
		if err != nil {
			return acs.Task{}, err
		}
		out.Containers = append(out.Containers, w)
	}
	if def.Awsvpc() {
		eni, err := wireInterface(r, t, p)
		if err != nil {
			return acs.Task{}, err
		}
		out.Interfaces = []acs.Interface{eni}
	}
	return out, nil
}

func launchType(r store.Reader, t model.Task) string {
	if model.IsFargate(t.CapacityProvider) {
		return model.LaunchFargate
	}
	if i, ok := state.Instances.One(r, "arn", t.Instance); ok && i.Kind == model.KindEC2 {
		return model.LaunchEC2
	}
	return "MANAGED_INSTANCES"
}

func wireContainer(t model.Task, c model.ContainerDefinition, digest string, p ident.Place) (acs.Container, error) {
	docker, err := dockerConfig(t, c)
	if err != nil {
		return acs.Container{}, fault.Wrap(fault.Internal, err, "word container %s of task %s", c.Name, t.ID)
	}
	out := acs.Container{
		Name: c.Name, Image: pinned(c, digest), Essential: c.Essential, CPU: c.CPU, Memory: c.Memory,
		Command: c.Command, EntryPoint: c.EntryPoint, Environment: map[string]string{}, Overrides: "{}",
		StartTimeout: c.StartTimeout, StopTimeout: c.StopTimeout, Docker: docker, RegistryAuth: registryAuth(c, p), Links: c.Links,
		Secrets: wireSecrets(c, p),
	}
	for _, e := range c.Environment {
		out.Environment[e.Name] = e.Value
	}
	for _, m := range c.PortMappings {
		out.PortMappings = append(out.PortMappings, acs.PortMapping{ContainerPort: m.ContainerPort, HostPort: m.HostPort, Protocol: m.Protocol})
	}
	for _, m := range c.MountPoints {
		out.MountPoints = append(out.MountPoints, acs.MountPoint(m))
	}
	for _, m := range c.DependsOn {
		out.DependsOn = append(out.DependsOn, acs.DependsOn(m))
	}
	for _, k := range t.Containers {
		if k.Name == c.Name {
			out.ContainerARN = k.ARN
		}
	}
	if c.HealthCheck != nil {
		out.HealthCheckType = acs.HealthCheckDocker
	}
	if c.LogDriver == "awslogs" {
		out.LogsAuthStrategy = acs.LogsAuthExecutionRole
	}
	if c.RestartPolicy != nil {
		out.RestartPolicy = &acs.RestartPolicy{
			Enabled: c.RestartPolicy.Enabled, IgnoredExitCodes: c.RestartPolicy.IgnoredExitCodes,
			RestartAttemptPeriod: c.RestartPolicy.AttemptPeriod,
		}
	}
	override(&out, t.Overrides)
	return out, nil
}

// wireSecrets are the variables whose values the agent gets from Secrets Manager
// or Systems Manager, where one may be named without an ARN.
func wireSecrets(c model.ContainerDefinition, p ident.Place) (out []acs.Secret) {
	for _, s := range c.Secrets {
		provider, region := acs.SecretSSM, p.Region
		if arn, ok := ident.ParseARN(s.Value); ok {
			region = arn.Region
			if arn.Service == "secretsmanager" {
				provider = acs.SecretASM
			}
		}
		out = append(out, acs.Secret{
			Name: s.Name, ValueFrom: s.Value, Provider: provider, Type: acs.SecretVariable, Target: acs.SecretOfContainer, Region: region,
		})
	}
	return out
}

// override works RunTask's overrides in: an agent gets what shall run.
func override(c *acs.Container, all []model.ContainerOverride) {
	for _, o := range all {
		if o.Name != c.Name {
			continue
		}
		if len(o.Command) > 0 {
			c.Command = o.Command
		}
		for _, e := range o.Environment {
			c.Environment[e.Name] = e.Value
		}
		c.CPU, c.Memory = cmp.Or(o.CPU, c.CPU), cmp.Or(o.Memory, c.Memory)
	}
}

// pinned is the image by the digest that the revision's first task resolved.
func pinned(c model.ContainerDefinition, digest string) string {
	if digest == "" || c.VersionConsistency == "disabled" || strings.Contains(c.Image, "@") {
		return c.Image
	}
	repo := c.Image
	if i := strings.LastIndexByte(repo, ':'); i > strings.LastIndexByte(repo, '/') {
		repo = repo[:i]
	}
	return repo + "@" + digest
}

// registryAuth is how an image of ECR, or one with a login, is asked for; others
// need nothing.
func registryAuth(c model.ContainerDefinition, p ident.Place) *acs.RegistryAuth {
	if c.Credentials != "" {
		region := p.Region
		if arn, ok := ident.ParseARN(c.Credentials); ok {
			region = arn.Region
		}
		return &acs.RegistryAuth{Type: acs.RegistryASM, ASM: &acs.ASMAuth{CredentialsParameter: c.Credentials, Region: region}}
	}
	r, err := reference.Parse(c.Image)
	if err != nil {
		return nil // the agent says so
	}
	account, region, ok := r.ECR()
	if !ok {
		return nil
	}
	return &acs.RegistryAuth{Type: acs.RegistryECR, ECR: &acs.ECRAuth{RegistryID: account, Region: region, UseExecutionRole: true}}
}

func dockerConfig(t model.Task, c model.ContainerDefinition) (acs.DockerConfig, error) {
	conf := acs.Config{User: c.User, WorkingDir: c.WorkingDirectory, Labels: c.DockerLabels}
	if h := c.HealthCheck; h != nil {
		const second = 1_000_000_000
		conf.Healthcheck = &acs.Healthcheck{
			Test: h.Command, Interval: h.Interval * second, Timeout: h.Timeout * second, Retries: h.Retries, StartPeriod: h.StartPeriod * second,
		}
	}
	host := acs.HostConfig{
		CapAdd: c.CapAdd, CapDrop: c.CapDrop, Privileged: c.Privileged, ReadonlyRootfs: c.ReadonlyRootFilesystem,
		MemoryReservation: c.MemoryReservation << 20,
	}
	if c.InitProcess {
		host.Init = &c.InitProcess
	}
	for _, u := range c.Ulimits {
		host.Ulimits = append(host.Ulimits, acs.Ulimit(u))
	}
	if c.LogDriver != "" {
		host.LogConfig = &acs.LogConfig{Type: c.LogDriver, Config: logOptions(t, c)}
	}
	a, err := json.Marshal(conf)
	if err != nil {
		return acs.DockerConfig{}, err
	}
	b, err := json.Marshal(host)
	return acs.DockerConfig{Version: acs.DockerConfigAPIVersion, Config: string(a), HostConfig: string(b)}, err
}

// logOptions names the stream: PREFIX/CONTAINER/TASK-ID.
func logOptions(t model.Task, c model.ContainerDefinition) map[string]string {
	out := map[string]string{}
	for k, v := range c.LogOptions {
		out[k] = v
	}
	if c.LogDriver == "awslogs" && out["awslogs-stream-prefix"] != "" {
		out["awslogs-stream"] = out["awslogs-stream-prefix"] + "/" + c.Name + "/" + t.ID
	}
	return out
}

func wireInterface(r store.Reader, t model.Task, p ident.Place) (acs.Interface, error) {
	eni, ok := state.NetworkInterfaces.Get(r, t.ENI)
	if !ok {
		return acs.Interface{}, fault.New(fault.NotFound, "", "task %s: no network interface %q", t.ID, t.ENI)
	}
	subnet, _ := state.Subnets.Get(r, eni.Subnet)
	vpc, _ := state.VPCs.Get(r, eni.VPC)
	gateway, bits, err := nth(subnet.CIDR, 1)
	if err != nil {
		return acs.Interface{}, err
	}
	resolver, _, err := nth(vpc.CIDR, 2)
	if err != nil {
		return acs.Interface{}, err
	}
	return acs.Interface{
		EC2ID: eni.ID, MACAddress: eni.MAC, AttachmentARN: p.ARN("ecs", "attachment/"+t.AttachmentID),
		IPv4Addresses: []acs.Address{{PrivateAddress: eni.IP, Primary: true}},
		SubnetGateway: gateway.String() + "/" + strconv.Itoa(bits), Nameservers: []string{resolver.String()},
		SearchDomains:    []string{p.Region + ".compute.internal"},
		PrivateDNSName:   "ip-" + strings.ReplaceAll(eni.IP, ".", "-") + "." + p.Region + ".compute.internal",
		AssociationProto: acs.InterfaceTypeDefault,
	}, nil
}

// nth is the nth address of a network, with the network's prefix length.
func nth(cidr string, n int) (netip.Addr, int, error) {
	p, err := netip.ParsePrefix(cidr)
	if err != nil {
		return netip.Addr{}, 0, fault.Wrap(fault.Internal, err, "read network %q", cidr)
	}
	a := p.Masked().Addr()
	for range n {
		a = a.Next()
	}
	return a, p.Bits(), nil
}
