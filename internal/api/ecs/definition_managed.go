package ecs

import (
	"slices"

	"berth/internal/model"
	"berth/internal/wire"
	shape "berth/internal/wire/shape/ecs"
)

// The launch types that no constant of the model names: nobody asks a task
// for them.
const (
	launchManaged  = "MANAGED_INSTANCES"
	launchExternal = "EXTERNAL"
)

// external refuses the launch type of machines that are nowhere in AWS: they
// join by an activation of Systems Manager, which is not built
// (https://docs.aws.amazon.com/AmazonECS/latest/developerguide/ecs-anywhere.html).
func external(member string) error {
	return unbuilt("%s EXTERNAL (machines of one's own join by an activation of Systems Manager)", member)
}

// unmanaged names the first parameter that managed instances do not know
// (docs/facts/managed-instances.md MI111), "" if there is none.
func unmanaged(in *shape.RegisterTaskDefinitionInput) string {
	switch {
	case len(in.InferenceAccelerators) > 0:
		return "inferenceAccelerators"
	case in.ProxyConfiguration != nil:
		return "proxyConfiguration"
	}
	for _, v := range in.Volumes {
		switch {
		case v.DockerVolumeConfiguration != nil:
			return "dockerVolumeConfiguration"
		case v.FsxWindowsFileServerVolumeConfiguration != nil:
			return "fsxWindowsFileServerVolumeConfiguration"
		}
	}
	for _, c := range in.ContainerDefinitions {
		if p := unmanagedContainer(c); p != "" {
			return p
		}
	}
	if in.EphemeralStorage != nil {
		return "ephemeralStorage" // the last: Fargate has it
	}
	return ""
}

func unmanagedContainer(c shape.ContainerDefinition) string {
	switch {
	case wire.Val(c.DisableNetworking):
		return "disableNetworking"
	case len(c.DnsSearchDomains) > 0:
		return "dnsSearchDomains"
	case len(c.DnsServers) > 0:
		return "dnsServers"
	case len(c.DockerSecurityOptions) > 0:
		return "dockerSecurityOptions"
	case c.Hostname != nil:
		return "hostname"
	case len(c.Links) > 0:
		return "links"
	case c.LinuxParameters == nil:
		return ""
	case c.LinuxParameters.MaxSwap != nil:
		return "maxSwap"
	case c.LinuxParameters.SharedMemorySize != nil:
		return "sharedMemorySize"
	case c.LinuxParameters.Swappiness != nil:
		return "swappiness"
	}
	return ""
}

// checkParameters refuses parameters that cannot be honoured. Errors:
// ClientException when the definition asks for a launch type that does not
// know them, NotImplemented when it is for launch types that are not built.
func checkParameters(in *shape.RegisterTaskDefinitionInput, d model.TaskDefinition) error {
	fargate := slices.Contains(in.RequiresCompatibilities, model.LaunchFargate)
	if fargate {
		if err := checkFargate(in, d); err != nil {
			return err
		}
	}
	if p := unmanaged(in); p != "" && slices.Contains(in.RequiresCompatibilities, launchManaged) {
		return client("The parameter '%s' is not supported for Managed Instances.", p)
	}
	if p := unmanaged(unlinked(in)); p != "" && !(fargate && p == "ephemeralStorage") {
		return unbuilt("The parameter %s of RegisterTaskDefinition", p)
	}
	if p := unbuiltContainer(in.ContainerDefinitions); p != "" {
		return unbuilt("The parameter containerDefinitions.%s of RegisterTaskDefinition", p)
	}
	return nil
}

// unlinked is a definition without its links, which instances of the user's
// own have.
func unlinked(in *shape.RegisterTaskDefinitionInput) *shape.RegisterTaskDefinitionInput {
	out := *in
	out.ContainerDefinitions = slices.Clone(in.ContainerDefinitions)
	for i := range out.ContainerDefinitions {
		out.ContainerDefinitions[i].Links = nil
	}
	return &out
}

// checkManaged refuses what managed instances cannot run of a definition that
// is right otherwise. Errors: ClientException, InvalidParameterException.
func checkManaged(d model.TaskDefinition) error {
	switch {
	case !d.Awsvpc() && d.NetworkMode != model.NetworkHost:
		return client("Managed Instances only supports network modes 'awsvpc' and 'host'.")
	case d.OSFamily != "" && d.OSFamily != "LINUX":
		return client("Managed Instances only supports the operating system family LINUX.")
	}
	for _, v := range d.Volumes {
		if v.HostPath != "" && !writable(v.HostPath) {
			return client(
				"Invalid host path %s for volume %s: on Managed Instances only paths under /var and /tmp are writable.", v.HostPath, v.Name,
			)
		}
	}
	for _, c := range d.Containers {
		if !slices.Contains([]string{"", "awslogs", "splunk", "awsfirelens"}, c.LogDriver) {
			return client("Log driver %s disallowed for 'MANAGED_INSTANCES'.", c.LogDriver)
		}
	}
	return checkSubjects(d.PlacementConstraints)
}

// unbuiltContainer names the first parameter that some launch type has and
// that is not built, "" if there is none.
func unbuiltContainer(cs []shape.ContainerDefinition) string {
	for _, c := range cs {
		switch {
		case len(c.ExtraHosts) > 0:
			return "extraHosts"
		case len(c.ResourceRequirements) > 0:
			return "resourceRequirements"
		case c.LinuxParameters != nil && len(c.LinuxParameters.Devices) > 0:
			return "linuxParameters.devices"
		}
	}
	return ""
}
