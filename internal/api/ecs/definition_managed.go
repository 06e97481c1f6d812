package ecs

import (
	"slices"

	shape "berth/internal/wire/shape/ecs"
)

// unmanaged names the first parameter that managed instances do not know
// (docs/facts/managed-instances.md MI111), "" if there is none.
func unmanaged(in *shape.RegisterTaskDefinitionInput) string {
	switch {
	case in.EphemeralStorage != nil:
		return "ephemeralStorage"
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
	return ""
}

func unmanagedContainer(c shape.ContainerDefinition) string {
	switch {
	case c.DisableNetworking != nil:
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

// checkManaged refuses parameters that cannot be honoured. Errors:
// ClientException when the definition asks for managed instances,
// NotImplemented when it is for launch types that are not built.
func checkManaged(in *shape.RegisterTaskDefinitionInput) error {
	p := unmanaged(in)
	switch {
	case p == "":
		return nil
	case slices.Contains(in.RequiresCompatibilities, "MANAGED_INSTANCES"):
		return client("The parameter '%s' is not supported for Managed Instances.", p)
	default:
		return unbuilt("The parameter %s of RegisterTaskDefinition", p)
	}
}
