package ecs

import (
	"regexp"
	"slices"
	"strconv"
	"strings"

	"berth/internal/model"
	"berth/internal/wire"
	shape "berth/internal/wire/shape/ecs"
)

// readDefinition reads a task definition and its defaults from a request.
func (a *API) readDefinition(in *shape.RegisterTaskDefinitionInput) (model.TaskDefinition, error) {
	d := model.TaskDefinition{
		Family: wire.Val(in.Family), Status: model.DefinitionActive, NetworkMode: networkMode(in), RegisteredAt: a.Clock.Now(),
		TaskRoleARN: a.role(in.TaskRoleArn), ExecutionRoleARN: a.role(in.ExecutionRoleArn),
		RequiresCompatibilities: slices.Clone(in.RequiresCompatibilities),
		PidMode:                 wire.Val(in.PidMode), IpcMode: wire.Val(in.IpcMode),
	}
	if p := in.RuntimePlatform; p != nil {
		d.CPUArchitecture, d.OSFamily = wire.Val(p.CpuArchitecture), wire.Val(p.OperatingSystemFamily)
	}
	if e := in.EphemeralStorage; e != nil {
		d.StorageGiB = wire.Val(e.SizeInGiB)
	}
	var err error
	if d.CPU, err = readUnits(in.Cpu, "cpu", "vcpu", 1024); err != nil {
		return d, err
	}
	if d.Memory, err = readUnits(in.Memory, "memory", "gb", 1024); err != nil {
		return d, err
	}
	if d.Tags, err = readTags(in.Tags); err != nil {
		return d, err
	}
	for _, c := range in.PlacementConstraints {
		d.PlacementConstraints = append(d.PlacementConstraints, model.PlacementConstraint{
			Type: wire.Val(c.Type), Expression: wire.Val(c.Expression),
		})
	}
	for _, v := range in.Volumes {
		n := model.Volume{Name: wire.Val(v.Name)}
		if v.Host != nil {
			n.HostPath = wire.Val(v.Host.SourcePath)
		}
		d.Volumes = append(d.Volumes, n)
	}
	for _, c := range in.ContainerDefinitions {
		d.Containers = append(d.Containers, readContainer(c, d.NetworkMode))
	}
	return d, nil
}

// networkMode is the one given; else bridge, or awsvpc where managed instances
// are required, which have no bridge.
func networkMode(in *shape.RegisterTaskDefinitionInput) string {
	if slices.Contains(in.RequiresCompatibilities, launchManaged) {
		return wire.Or(in.NetworkMode, model.NetworkAwsvpc)
	}
	return wire.Or(in.NetworkMode, model.NetworkBridge)
}

// role makes an ARN of a role that may be given by its name.
func (a *API) role(given *string) string {
	r := wire.Val(given)
	if r == "" || strings.HasPrefix(r, "arn:") {
		return r
	}
	return a.Place.GlobalARN("iam", "role/"+r)
}

var unitForm = regexp.MustCompile(`(?i)^\s*([0-9]*\.?[0-9]+)\s*(vcpus?|gb|)\s*$`)

// readUnits reads "256", ".25 vCPU", "512" or "1 GB".
func readUnits(given *string, what, unit string, factor float64) (int64, error) {
	if wire.Val(given) == "" {
		return 0, nil
	}
	m := unitForm.FindStringSubmatch(*given)
	bad := client("Invalid '%s' setting for task.", what)
	if m == nil {
		return 0, bad
	}
	n, err := strconv.ParseFloat(m[1], 64)
	u := strings.TrimSuffix(strings.ToLower(m[2]), "s")
	switch {
	case err != nil || u != "" && u != unit:
		return 0, bad
	case u == "":
		factor = 1
	}
	if n*factor != float64(int64(n*factor)) {
		return 0, bad
	}
	return int64(n * factor), nil
}

func readContainer(c shape.ContainerDefinition, mode string) model.ContainerDefinition {
	out := model.ContainerDefinition{
		Name: wire.Val(c.Name), Image: wire.Val(c.Image), CPU: wire.Val(c.Cpu), Memory: wire.Val(c.Memory),
		MemoryReservation: wire.Val(c.MemoryReservation), Essential: wire.Or(c.Essential, true), Command: slices.Clone(c.Command),
		EntryPoint: slices.Clone(c.EntryPoint), User: wire.Val(c.User), WorkingDirectory: wire.Val(c.WorkingDirectory),
		ReadonlyRootFilesystem: wire.Val(c.ReadonlyRootFilesystem), Privileged: wire.Val(c.Privileged), DockerLabels: c.DockerLabels,
		StartTimeout: wire.Val(c.StartTimeout), StopTimeout: c.StopTimeout,
		VersionConsistency: wire.Val(c.VersionConsistency), Links: slices.Clone(c.Links),
	}
	for _, e := range c.Environment {
		out.Environment = append(out.Environment, model.KeyValue{Name: wire.Val(e.Name), Value: wire.Val(e.Value)})
	}
	if c.RepositoryCredentials != nil {
		out.Credentials = wire.Val(c.RepositoryCredentials.CredentialsParameter)
	}
	for _, s := range c.Secrets {
		out.Secrets = append(out.Secrets, model.KeyValue{Name: wire.Val(s.Name), Value: wire.Val(s.ValueFrom)})
	}
	for _, p := range c.PortMappings {
		m := model.PortMapping{
			Name: wire.Val(p.Name), ContainerPort: wire.Val(p.ContainerPort), HostPort: wire.Val(p.HostPort), Protocol: wire.Or(p.Protocol, "tcp"),
			AppProtocol: wire.Val(p.AppProtocol),
		}
		if m.HostPort == 0 && mode != model.NetworkBridge {
			m.HostPort = m.ContainerPort // in bridge mode, 0 is a port that is free
		}
		out.PortMappings = append(out.PortMappings, m)
	}
	for _, m := range c.MountPoints {
		out.MountPoints = append(out.MountPoints, model.MountPoint{
			SourceVolume: wire.Val(m.SourceVolume), ContainerPath: wire.Val(m.ContainerPath), ReadOnly: wire.Val(m.ReadOnly),
		})
	}
	for _, d := range c.DependsOn {
		out.DependsOn = append(out.DependsOn, model.Dependency{Container: wire.Val(d.ContainerName), Condition: wire.Val(d.Condition)})
	}
	for _, u := range c.Ulimits {
		out.Ulimits = append(out.Ulimits, model.Ulimit{Name: wire.Val(u.Name), Soft: wire.Val(u.SoftLimit), Hard: wire.Val(u.HardLimit)})
	}
	if h := c.HealthCheck; h != nil {
		out.HealthCheck = &model.HealthCheck{
			Command: slices.Clone(h.Command), Interval: wire.Or(h.Interval, 30), Timeout: wire.Or(h.Timeout, 5),
			Retries: wire.Or(h.Retries, 3), StartPeriod: wire.Val(h.StartPeriod),
		}
	}
	if l := c.LogConfiguration; l != nil {
		out.LogDriver, out.LogOptions = wire.Val(l.LogDriver), l.Options
	}
	if r := c.RestartPolicy; r != nil {
		out.RestartPolicy = &model.RestartPolicy{
			Enabled: wire.Val(r.Enabled), IgnoredExitCodes: slices.Clone(r.IgnoredExitCodes), AttemptPeriod: wire.Or(r.RestartAttemptPeriod, 300),
		}
	}
	if l := c.LinuxParameters; l != nil {
		out.InitProcess = wire.Val(l.InitProcessEnabled)
		if l.Capabilities != nil {
			out.CapAdd, out.CapDrop = slices.Clone(l.Capabilities.Add), slices.Clone(l.Capabilities.Drop)
		}
	}
	return out
}
