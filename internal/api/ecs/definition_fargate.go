package ecs

import (
	"cmp"
	"slices"
	"strings"

	"berth/internal/model"
	"berth/internal/model/catalog"
	"berth/internal/wire"
	shape "berth/internal/wire/shape/ecs"
)

// compatible are the launch types that a definition can run on.
func compatible(in *shape.RegisterTaskDefinitionInput, d model.TaskDefinition) []string {
	out := []string{model.LaunchEC2}
	if !d.Awsvpc() {
		out = []string{launchExternal, model.LaunchEC2} // it has no VPC
	}
	if checkFargate(in, d) == nil {
		out = append(out, model.LaunchFargate)
	}
	if unmanaged(in) == "" && checkManaged(d) == nil {
		out = append(out, launchManaged)
	}
	return out
}

// checkFargate refuses what Fargate cannot run, in its words
// (docs/facts/fargate.md FG1 to FG6). Errors: ClientException.
func checkFargate(in *shape.RegisterTaskDefinitionInput, d model.TaskDefinition) error {
	switch {
	case wire.Val(in.NetworkMode) != "awsvpc":
		return client("Fargate only supports network mode ‘awsvpc’.")
	case d.CPU == 0:
		return client("Fargate requires that 'cpu' be defined at the task level.")
	case d.Memory == 0:
		return client("Fargate requires that 'memory' be defined at the task level.")
	case !catalog.IsFargateSize(d.CPU, d.Memory):
		return client("No Fargate configuration exists for given values: %d CPU, %d memory. See the Amazon ECS documentation for the valid "+
			"values.", d.CPU, d.Memory)
	case d.IpcMode != "":
		return client("Tasks using the Fargate launch type do not support ipcMode.")
	case d.PidMode != "" && d.PidMode != "task":
		return client("Tasks using the Fargate launch type do not support pidMode '%s'. The supported value for pidMode is 'task'.", d.PidMode)
	}
	if p := unFargate(in); p != "" {
		return client("Fargate compatible task definitions do not support %s", p)
	}
	if err := checkEphemeral(in); err != nil {
		return err
	}
	for _, c := range d.Containers {
		if err := checkFargateContainer(d, c); err != nil {
			return err
		}
	}
	return nil
}

func checkEphemeral(in *shape.RegisterTaskDefinitionInput) error {
	e := in.EphemeralStorage
	if e == nil {
		return nil
	}
	if n := wire.Val(e.SizeInGiB); n < catalog.FargateStorageLeast || n > catalog.FargateStorageMost {
		return client("Invalid value for ephemeralStorage. The size must be between %d and %d GiB.", catalog.FargateStorageLeast,
			catalog.FargateStorageMost)
	}
	return nil
}

func checkFargateContainer(d model.TaskDefinition, c model.ContainerDefinition) error {
	for _, add := range c.CapAdd {
		if add != "SYS_PTRACE" {
			return client("%s is not allowed on Fargate.", add)
		}
	}
	switch {
	case c.Privileged:
		return client("Fargate requires that the 'privileged' setting be 'false'")
	case c.LogDriver != "" && !slices.Contains([]string{"awslogs", "splunk", "awsfirelens"}, c.LogDriver):
		return client("Log driver %s disallowed for 'FARGATE'.", c.LogDriver)
	case c.StopTimeout != nil && *c.StopTimeout > 120:
		return client("Invalid setting for container '%s'. The stopTimeout cannot be greater than 120 seconds on Fargate.", c.Name)
	case d.ExecutionRoleARN == "" && c.LogDriver == "awslogs":
		return client("Fargate requires task definition to have execution role ARN to support log driver awslogs.")
	case d.ExecutionRoleARN == "" && strings.Contains(c.Image, ".dkr.ecr."):
		return client("Fargate requires task definition to have execution role ARN to support ECR images.")
	}
	return nil
}

// unFargate names the first parameter that Fargate does not know, "" if there
// is none.
func unFargate(in *shape.RegisterTaskDefinitionInput) string {
	switch {
	case len(in.PlacementConstraints) > 0:
		return "constraints"
	case len(in.InferenceAccelerators) > 0:
		return "inferenceAccelerators"
	}
	for _, v := range in.Volumes {
		switch {
		case v.Host != nil && wire.Val(v.Host.SourcePath) != "":
			return "sourcePath"
		case v.DockerVolumeConfiguration != nil:
			return "dockerVolumeConfiguration"
		case v.FsxWindowsFileServerVolumeConfiguration != nil:
			return "fsxWindowsFileServerVolumeConfiguration"
		}
	}
	for _, c := range in.ContainerDefinitions {
		if p := cmp.Or(unFargateContainer(c), unFargateLinux(c.LinuxParameters)); p != "" {
			return p
		}
	}
	return ""
}

func unFargateContainer(c shape.ContainerDefinition) string {
	switch {
	case wire.Val(c.DisableNetworking):
		return "disableNetworking"
	case len(c.DnsSearchDomains) > 0:
		return "dnsSearchDomains"
	case len(c.DnsServers) > 0:
		return "dnsServers"
	case len(c.DockerSecurityOptions) > 0:
		return "dockerSecurityOptions"
	case len(c.ExtraHosts) > 0:
		return "extraHosts"
	case len(c.Links) > 0:
		return "links"
	}
	for _, r := range c.ResourceRequirements {
		if wire.Val(r.Type) == "GPU" {
			return "gpu"
		}
	}
	return ""
}

func unFargateLinux(l *shape.LinuxParameters) string {
	switch {
	case l == nil:
		return ""
	case len(l.Devices) > 0:
		return "devices"
	case l.MaxSwap != nil:
		return "maxSwap"
	case l.SharedMemorySize != nil:
		return "sharedMemorySize"
	case l.Swappiness != nil:
		return "swappiness"
	}
	return ""
}
