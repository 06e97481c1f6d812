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

// checkDefinition refuses what ECS refuses at registration for whatever launch
// type. Errors: ClientException, InvalidParameterException,
// NotImplemented.
func checkDefinition(d model.TaskDefinition) error {
	switch {
	case !isName(d.Family):
		return client(
			"Family contains invalid characters. Up to 255 letters (uppercase and lowercase), numbers, hyphens, and underscores are allowed.",
		)
	case len(d.Containers) == 0:
		return client("Container list cannot be empty.")
	case d.CPU != 0 && d.CPU < 128:
		return client("Invalid 'cpu' setting for task. The value must be at least 128 CPU units (.125 vCPU).")
	case d.CPU > 196608:
		return client("Invalid 'cpu' setting for task.")
	case d.CPUArchitecture != "" && d.CPUArchitecture != "X86_64" && d.CPUArchitecture != "ARM64":
		return client("Invalid CPU architecture %s.", d.CPUArchitecture)
	case d.IpcMode != "" && d.IpcMode != "none":
		return unbuilt("ipcMode %s", d.IpcMode)
	case d.PidMode != "":
		return unbuilt("pidMode %s", d.PidMode)
	case slices.Contains(d.RequiresCompatibilities, launchExternal):
		return external("requiresCompatibilities")
	}
	for _, v := range d.Volumes {
		if !isName(v.Name) {
			return client("Volume name is invalid: %s", v.Name)
		}
		if v.HostPath != "" && (!path.IsAbs(v.HostPath) || strings.Contains(v.HostPath, "\x00")) {
			return client("Invalid host path %s for volume %s.", v.HostPath, v.Name)
		}
	}
	if err := checkConstraints(d.PlacementConstraints, false); err != nil {
		return err
	}
	if slices.Contains(d.RequiresCompatibilities, launchManaged) {
		if err := checkManaged(d); err != nil {
			return err
		}
	}
	if d.OSFamily != "" && d.OSFamily != "LINUX" {
		return unbuilt("operatingSystemFamily %s", d.OSFamily)
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
		if err := checkSecrets(d, c); err != nil {
			return err
		}
	}
	if !essential {
		return client("Invalid setting for task definition. At least one container must be marked as essential.")
	}
	if err := checkLinks(d); err != nil {
		return err
	}
	return checkDependencies(d)
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
		if _, err := constraint.Parse(c.Expression); err != nil {
			return invalid("Invalid placement constraint expression %q: %s", c.Expression, err)
		}
	}
	return nil
}

// checkSubjects refuses expressions on attributes that managed instances do
// not have. Errors: InvalidParameterException.
func checkSubjects(cs []model.PlacementConstraint) error {
	for _, c := range cs {
		e, err := constraint.Parse(c.Expression)
		if err != nil {
			continue // checkConstraints has refused it, or it has none
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
		return unbuiltDriver(c)
	}
	if err := checkLogs(c, bad); err != nil {
		return err
	}
	for _, p := range c.PortMappings {
		switch {
		case p.ContainerPort < 1 || p.ContainerPort > 65535:
			return bad("The container port %d is not between 1 and 65535.", p.ContainerPort)
		case p.HostPort < 0 || p.HostPort > 65535:
			return bad("The host port %d is not between 0 and 65535.", p.HostPort)
		case d.NetworkMode == model.NetworkNone:
			return client("Port mappings are not supported when networkMode=none.")
		case d.NetworkMode != model.NetworkBridge && p.HostPort != p.ContainerPort:
			return client("When networkMode=%s, the host ports and container ports in port mappings must match.", d.NetworkMode)
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

// unbuiltDriver refuses the log drivers that an instance of the user's own has
// and Berth has not; json-file without options is what a container has that
// names none.
func unbuiltDriver(c model.ContainerDefinition) error {
	if c.LogDriver == "json-file" && len(c.LogOptions) == 0 {
		return nil
	}
	return unbuilt("Log driver %s", c.LogDriver)
}

// checkLinks checks links: in bridge mode only, of known containers, no circle.
func checkLinks(d model.TaskDefinition) error {
	to := map[string][]string{}
	for _, c := range d.Containers {
		for _, l := range c.Links {
			name, _, _ := strings.Cut(l, ":")
			switch {
			case d.NetworkMode != model.NetworkBridge:
				return client("Links are only supported when networkMode=bridge.")
			case !slices.ContainsFunc(d.Containers, func(o model.ContainerDefinition) bool { return o.Name == name }):
				return client("Invalid setting for container '%s'. The linked container '%s' does not exist.", c.Name, name)
			}
			to[c.Name] = append(to[c.Name], name)
		}
	}
	for _, c := range d.Containers {
		if reaches(to, c.Name, c.Name, map[string]bool{}) {
			return client("Container links should not have a cycle")
		}
	}
	return nil
}

// reaches reports whether one may come to target by following edges.
func reaches(to map[string][]string, from, target string, seen map[string]bool) bool {
	for _, next := range to[from] {
		if next == target || !seen[next] && reaches(to, next, target, mark(seen, next)) {
			return true
		}
	}
	return false
}

func mark(seen map[string]bool, name string) map[string]bool {
	seen[name] = true
	return seen
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
	by, to := map[string]model.ContainerDefinition{}, map[string][]string{}
	for _, c := range d.Containers {
		by[c.Name] = c
		for _, dep := range c.DependsOn {
			to[c.Name] = append(to[c.Name], dep.Container)
		}
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
		if reaches(to, c.Name, c.Name, map[string]bool{}) {
			return client("Invalid setting for container '%s'. The dependsOn parameters form a cycle.", c.Name)
		}
	}
	return nil
}
