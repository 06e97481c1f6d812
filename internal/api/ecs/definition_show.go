package ecs

import (
	"strconv"

	"berth/internal/ident"
	"berth/internal/model"
	"berth/internal/wire"
	shape "berth/internal/wire/shape/ecs"
)

func number(n int64) *string {
	if n == 0 {
		return nil
	}
	return wire.Ptr(strconv.FormatInt(n, 10))
}

func positive(n int64) *int64 {
	if n == 0 {
		return nil
	}
	return &n
}

func yes(b bool) *bool {
	if !b {
		return nil
	}
	return &b
}

// showDefinition shapes a task definition as DescribeTaskDefinition does.
func showDefinition(d model.TaskDefinition) shape.TaskDefinition {
	out := shape.TaskDefinition{
		TaskDefinitionArn: &d.ARN, Family: &d.Family, Revision: &d.Revision, Status: wire.Ptr(string(d.Status)), NetworkMode: &d.NetworkMode,
		TaskRoleArn: text(d.TaskRoleARN), ExecutionRoleArn: text(d.ExecutionRoleARN), Cpu: number(d.CPU), Memory: number(d.Memory),
		PidMode: text(d.PidMode), IpcMode: text(d.IpcMode), Compatibilities: d.Compatibilities,
		RequiresCompatibilities: d.RequiresCompatibilities, RegisteredAt: at(d.RegisteredAt), RegisteredBy: text(d.RegisteredBy),
		DeregisteredAt: at(d.DeregisteredAt), Volumes: []shape.Volume{}, PlacementConstraints: []shape.TaskDefinitionPlacementConstraint{},
	}
	if d.CPUArchitecture != "" || d.OSFamily != "" {
		out.RuntimePlatform = &shape.RuntimePlatform{CpuArchitecture: text(d.CPUArchitecture), OperatingSystemFamily: text(d.OSFamily)}
	}
	if d.StorageGiB != 0 {
		out.EphemeralStorage = &shape.EphemeralStorage{SizeInGiB: &d.StorageGiB}
	}
	for _, v := range d.Volumes {
		out.Volumes = append(out.Volumes, shape.Volume{Name: wire.Ptr(v.Name), Host: &shape.HostVolumeProperties{SourcePath: text(v.HostPath)}})
	}
	for _, c := range d.PlacementConstraints {
		out.PlacementConstraints = append(out.PlacementConstraints, shape.TaskDefinitionPlacementConstraint{
			Type: wire.Ptr(c.Type), Expression: text(c.Expression),
		})
	}
	for _, name := range requires(d) {
		out.RequiresAttributes = append(out.RequiresAttributes, shape.Attribute{Name: wire.Ptr(name)})
	}
	for _, c := range d.Containers {
		out.ContainerDefinitions = append(out.ContainerDefinitions, showContainerDefinition(c))
	}
	return out
}

// requires are the capabilities that an agent needs for a definition.
func requires(d model.TaskDefinition) []string {
	out := []string{"com.amazonaws.ecs.capability.docker-remote-api.1.18"}
	if d.Awsvpc() {
		out = append(out, "ecs.capability.task-eni")
	}
	if d.TaskRoleARN != "" {
		out = append(out, "com.amazonaws.ecs.capability.task-iam-role")
	}
	logs, secrets, parameters, private := false, false, false, false
	for _, c := range d.Containers {
		logs, private = logs || c.LogDriver == "awslogs", private || c.Credentials != ""
		for _, s := range c.Secrets {
			arn, _ := ident.ParseARN(s.Value)
			secrets, parameters = secrets || arn.Service == "secretsmanager", parameters || arn.Service != "secretsmanager"
		}
	}
	if secrets {
		out = append(out, "ecs.capability.secrets.asm.environment-variables")
	}
	if parameters {
		out = append(out, "ecs.capability.secrets.ssm.environment-variables")
	}
	if private {
		out = append(out, "ecs.capability.private-registry-authentication.secretsmanager")
	}
	if logs {
		out = append(out, "com.amazonaws.ecs.capability.logging-driver.awslogs")
		if d.ExecutionRoleARN != "" {
			out = append(out, "ecs.capability.execution-role-awslogs")
		}
	}
	if d.ExecutionRoleARN != "" {
		out = append(out, "ecs.capability.execution-role-ecr-pull")
	}
	return out
}

func showContainerDefinition(c model.ContainerDefinition) shape.ContainerDefinition {
	out := shape.ContainerDefinition{
		Name: &c.Name, Image: &c.Image, Cpu: &c.CPU, Memory: positive(c.Memory), MemoryReservation: positive(c.MemoryReservation),
		Essential: &c.Essential, Command: c.Command, EntryPoint: c.EntryPoint, User: text(c.User), WorkingDirectory: text(c.WorkingDirectory),
		ReadonlyRootFilesystem: yes(c.ReadonlyRootFilesystem), Privileged: yes(c.Privileged), DockerLabels: c.DockerLabels,
		StartTimeout: positive(c.StartTimeout), StopTimeout: c.StopTimeout, VersionConsistency: text(c.VersionConsistency),
		PortMappings: []shape.PortMapping{}, Environment: []shape.KeyValuePair{}, MountPoints: []shape.MountPoint{},
		VolumesFrom: []shape.VolumeFrom{}, SystemControls: []shape.SystemControl{}, Links: c.Links,
	}
	if c.Credentials != "" {
		out.RepositoryCredentials = &shape.RepositoryCredentials{CredentialsParameter: wire.Ptr(c.Credentials)}
	}
	for _, s := range c.Secrets {
		out.Secrets = append(out.Secrets, shape.Secret{Name: wire.Ptr(s.Name), ValueFrom: wire.Ptr(s.Value)})
	}
	for _, e := range c.Environment {
		out.Environment = append(out.Environment, shape.KeyValuePair{Name: wire.Ptr(e.Name), Value: wire.Ptr(e.Value)})
	}
	for _, p := range c.PortMappings {
		out.PortMappings = append(out.PortMappings, shape.PortMapping{
			ContainerPort: wire.Ptr(p.ContainerPort), HostPort: wire.Ptr(p.HostPort), Protocol: wire.Ptr(p.Protocol), Name: text(p.Name),
			AppProtocol: text(p.AppProtocol),
		})
	}
	for _, m := range c.MountPoints {
		out.MountPoints = append(out.MountPoints, shape.MountPoint{
			SourceVolume: wire.Ptr(m.SourceVolume), ContainerPath: wire.Ptr(m.ContainerPath), ReadOnly: yes(m.ReadOnly),
		})
	}
	for _, d := range c.DependsOn {
		out.DependsOn = append(out.DependsOn, shape.ContainerDependency{ContainerName: wire.Ptr(d.Container), Condition: wire.Ptr(d.Condition)})
	}
	for _, u := range c.Ulimits {
		out.Ulimits = append(out.Ulimits, shape.Ulimit{Name: wire.Ptr(u.Name), SoftLimit: wire.Ptr(u.Soft), HardLimit: wire.Ptr(u.Hard)})
	}
	if h := c.HealthCheck; h != nil {
		out.HealthCheck = &shape.HealthCheck{
			Command: h.Command, Interval: &h.Interval, Timeout: &h.Timeout, Retries: &h.Retries, StartPeriod: positive(h.StartPeriod),
		}
	}
	if c.LogDriver != "" {
		out.LogConfiguration = &shape.LogConfiguration{LogDriver: &c.LogDriver, Options: c.LogOptions, SecretOptions: []shape.Secret{}}
	}
	if r := c.RestartPolicy; r != nil {
		out.RestartPolicy = &shape.ContainerRestartPolicy{
			Enabled: &r.Enabled, IgnoredExitCodes: r.IgnoredExitCodes, RestartAttemptPeriod: &r.AttemptPeriod,
		}
	}
	if c.InitProcess || len(c.CapAdd)+len(c.CapDrop) > 0 {
		out.LinuxParameters = &shape.LinuxParameters{InitProcessEnabled: yes(c.InitProcess)}
		if len(c.CapAdd)+len(c.CapDrop) > 0 {
			out.LinuxParameters.Capabilities = &shape.KernelCapabilities{Add: c.CapAdd, Drop: c.CapDrop}
		}
	}
	return out
}
