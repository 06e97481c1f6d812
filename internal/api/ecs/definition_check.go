package ecs

import (
	"path"
	"slices"
	"strings"

	"berth/internal/lang/constraint"
	"berth/internal/model"
)

// placementSubjects are the only attributes that expressions may use on
// managed instances (docs/facts/managed-instances.md MI111).
var placementSubjects = []string{
	"attribute:ecs.availability-zone", "attribute:ecs.cpu-architecture", "attribute:ecs.instance-type", "attribute:ecs.subnet-id",
}

// checkDefinition refuses what ECS refuses at registration for managed
// instances. Errors: ClientException, InvalidParameterException,
// NotImplemented.
func checkDefinition(d model.TaskDefinition) error {
	switch {
	case !isName(d.Family):
		return client(
			"Family contains invalid characters. Up to 255 letters (uppercase and lowercase), numbers, hyphens, and underscores are allowed.",
		)
	case len(d.Containers) == 0:
		return client("Container list cannot be empty.")
	case d.NetworkMode != "awsvpc" && d.NetworkMode != "host":
		return client("Managed Instances only supports network modes 'awsvpc' and 'host'.")
	case d.CPU != 0 && d.CPU < 128:
		return client("Invalid 'cpu' setting for task. The value must be at least 128 CPU units (.125 vCPU).")
	case d.CPU > 196608:
		return client("Invalid 'cpu' setting for task.")
	case d.OSFamily != "" && d.OSFamily != "LINUX":
		return client("Managed Instances only supports the operating system family LINUX.")
	case d.CPUArchitecture != "" && d.CPUArchitecture != "X86_64" && d.CPUArchitecture != "ARM64":
		return client("Invalid CPU architecture %s.", d.CPUArchitecture)
	case d.IpcMode != "" && d.IpcMode != "none":
		return unbuilt("ipcMode %s", d.IpcMode)
	case slices.Contains(d.RequiresCompatibilities, "EXTERNAL"):
		return unbuilt("requiresCompatibilities EXTERNAL")
	}
	if err := checkVolumes(d); err != nil {
		return err
	}
	if err := checkConstraints(d.PlacementConstraints, false); err != nil {
		return err
	}
	essential := false
	for i, c := range d.Containers {
		if slices.ContainsFunc(d.Containers[:i], func(o model.ContainerDefinition) bool { return o.Name == c.Name }) {
			return client("Container names should be unique. Duplicate container name: %s", c.Name)
		}
		essential = essential || c.Essential
		if err := checkContainer(d, c); err != nil {
			return err
		}
	}
	if !essential {
		return client("Invalid setting for task definition. At least one container must be marked as essential.")
	}
	return checkDependencies(d)
}

func checkVolumes(d model.TaskDefinition) error {
	for _, v := range d.Volumes {
		switch {
		case !isName(v.Name):
			return client("Volume name is invalid: %s", v.Name)
		case v.HostPath != "" && !writable(v.HostPath):
			return client(
				"Invalid host path %s for volume %s: on Managed Instances only paths under /var and /tmp are writable.", v.HostPath, v.Name,
			)
		}
	}
	return nil
}

// writable tells whether a path of the instance is, as it will be opened, /var,
// /tmp or below one of them.
func writable(name string) bool {
	top, _, _ := strings.Cut(strings.TrimPrefix(path.Clean(name), "/"), "/")
	return path.IsAbs(name) && (top == "var" || top == "tmp") && !strings.Contains(name, "\x00")
}

// checkConstraints checks placement constraints; those of a task definition
// may only be memberOf.
func checkConstraints(cs []model.PlacementConstraint, service bool) error {
	if len(cs) > 10 {
		return invalid("A maximum of 10 placement constraints is allowed.")
	}
	for _, c := range cs {
		switch {
		case c.Type == "distinctInstance" && service && c.Expression == "":
			continue
		case c.Type != "memberOf":
			return invalid("Invalid placement constraint type: %s", c.Type)
		}
		e, err := constraint.Parse(c.Expression)
		if err != nil {
			return invalid("Invalid placement constraint expression %q: %s", c.Expression, err)
		}
		for _, s := range e.Subjects() {
			if !slices.Contains(placementSubjects, s) {
				return invalid("Invalid placement constraint expression %q: %s is not supported on Managed Instances.", c.Expression, s)
			}
		}
	}
	return nil
}

func checkContainer(d model.TaskDefinition, c model.ContainerDefinition) error {
	bad := func(format string, args ...any) error {
		return client("Invalid setting for container '"+c.Name+"'. "+format, args...)
	}
	switch {
	case !isName(c.Name):
		return client("Container name '%s' is invalid.", c.Name)
	case c.Image == "":
		return client("Container.image should not be null or empty.")
	case d.Memory == 0 && c.Memory == 0 && c.MemoryReservation == 0:
		return bad("At least one of 'memory' or 'memoryReservation' must be specified.")
	case c.Memory > 0 && c.MemoryReservation > c.Memory:
		return bad("The 'memory' value must be greater than 'memoryReservation'.")
	case c.Memory != 0 && c.Memory < 6 || c.MemoryReservation != 0 && c.MemoryReservation < 6:
		return bad("Memory must be at least 6 MiB.")
	case d.Memory > 0 && c.Memory > d.Memory:
		return bad("The 'memory' of a container cannot be greater than that of the task.")
	case c.StopTimeout != nil && (*c.StopTimeout < 0 || *c.StopTimeout > 86400):
		return bad("stopTimeout must be between 0 and 86400 seconds.")
	case c.StartTimeout < 0 || c.StartTimeout > 600:
		return bad("startTimeout must be between 0 and 600 seconds.")
	case c.VersionConsistency != "" && c.VersionConsistency != "enabled" && c.VersionConsistency != "disabled":
		return bad("versionConsistency must be enabled or disabled.")
	case c.LogDriver != "" && c.LogDriver != "awslogs":
		return checkDriver(c.LogDriver)
	}
	if err := checkLogs(c, bad); err != nil {
		return err
	}
	for _, p := range c.PortMappings {
		switch {
		case p.ContainerPort < 1 || p.ContainerPort > 65535:
			return bad("The container port %d is not between 1 and 65535.", p.ContainerPort)
		case d.NetworkMode == "awsvpc" && p.HostPort != p.ContainerPort:
			return client("When networkMode=awsvpc, the host ports and container ports in port mappings must match.")
		case p.HostPort != p.ContainerPort:
			return client("When networkMode=host, the host ports and container ports in port mappings must match.")
		}
	}
	for _, u := range c.Ulimits {
		if u.Soft > u.Hard && u.Hard >= 0 {
			return bad("The soft limit %d of the ulimit %s is greater than its hard limit %d.", u.Soft, u.Name, u.Hard)
		}
	}
	for _, m := range c.MountPoints {
		if !slices.ContainsFunc(d.Volumes, func(v model.Volume) bool { return v.Name == m.SourceVolume }) {
			return client("Unknown volume '%s'.", m.SourceVolume)
		}
	}
	return checkHealth(c, bad)
}

func checkDriver(driver string) error {
	if driver == "splunk" || driver == "awsfirelens" {
		return unbuilt("Log driver %s", driver)
	}
	return client("Log driver %s disallowed for 'MANAGED_INSTANCES'.", driver)
}

func checkLogs(c model.ContainerDefinition, bad func(string, ...any) error) error {
	if c.LogDriver != "awslogs" {
		return nil
	}
	for _, o := range []string{"awslogs-group", "awslogs-region"} {
		if c.LogOptions[o] == "" {
			return client("Log driver awslogs requires options: %s", o)
		}
	}
	for o := range c.LogOptions {
		if !slices.Contains(
			[]string{"awslogs-group", "awslogs-region", "awslogs-stream-prefix", "awslogs-create-group", "mode", "max-buffer-size"}, o,
		) {
			return bad("The log option %s is not implemented by Berth.", o)
		}
	}
	return nil
}

func checkHealth(c model.ContainerDefinition, bad func(string, ...any) error) error {
	if h := c.HealthCheck; h != nil {
		within := func(n, low, high int64) bool { return n >= low && n <= high }
		switch {
		case len(h.Command) == 0 || h.Command[0] != "CMD" && h.Command[0] != "CMD-SHELL" && h.Command[0] != "NONE" && len(h.Command) > 1:
			return bad("The health check command must start with CMD or CMD-SHELL.")
		case !within(h.Interval, 5, 300), !within(h.Timeout, 2, 60), !within(h.Retries, 1, 10), !within(h.StartPeriod, 0, 300):
			return bad(
				"The health check must have an interval of 5 to 300, a timeout of 2 to 60, retries of 1 to 10 and a start period of 0 to 300.",
			)
		}
	}
	if r := c.RestartPolicy; r != nil && (r.AttemptPeriod < 60 || r.AttemptPeriod > 1800 || len(r.IgnoredExitCodes) > 50) {
		return bad("The restart policy must have a restartAttemptPeriod of 60 to 1800 and at most 50 ignoredExitCodes.")
	}
	return nil
}

// checkDependencies checks dependsOn: known containers, conditions that can
// come true, no circle.
func checkDependencies(d model.TaskDefinition) error {
	by := map[string]model.ContainerDefinition{}
	for _, c := range d.Containers {
		by[c.Name] = c
	}
	for _, c := range d.Containers {
		for _, dep := range c.DependsOn {
			on, ok := by[dep.Container]
			switch {
			case !ok:
				return client("Invalid setting for container '%s'. The dependsOn container '%s' does not exist.", c.Name, dep.Container)
			case (dep.Condition == "COMPLETE" || dep.Condition == "SUCCESS") && on.Essential:
				return client("The condition %s cannot be used on the essential container '%s'.", dep.Condition, dep.Container)
			case dep.Condition == "HEALTHY" && on.HealthCheck == nil:
				return client("The condition HEALTHY cannot be used on container '%s', which has no health check.", dep.Container)
			}
		}
		if circular(by, c.Name, c.Name, map[string]bool{}) {
			return client("Invalid setting for container '%s'. The dependsOn parameters form a cycle.", c.Name)
		}
	}
	return nil
}

func circular(by map[string]model.ContainerDefinition, from, target string, seen map[string]bool) bool {
	for _, d := range by[from].DependsOn {
		if d.Container == target {
			return true
		}
		if !seen[d.Container] {
			seen[d.Container] = true
			if circular(by, d.Container, target, seen) {
				return true
			}
		}
	}
	return false
}
