package agent

import (
	"cmp"
	"context"
	"errors"
	"maps"
	"path/filepath"
	"slices"
	"strings"

	"berth/internal/acs"
	"berth/internal/container"
	"berth/internal/container/image"
	"berth/internal/fault"
	"berth/internal/kernel/inroot"
	"berth/internal/model"
)

// start creates and starts the container.
func (r *run) start(ctx context.Context) error {
	if err := r.openLog(ctx); err != nil {
		return err
	}
	img, err := r.task.agent.Images.Get(r.task.look(r.def.Name).Image)
	if err != nil {
		return fault.New(fault.Internal, "CannotCreateContainerError", "the image is not there any more: %s", err)
	}
	if err := r.join(); err != nil {
		return err
	}
	spec, err := r.spec(img)
	if err != nil {
		return err
	}
	d := r.task.agent.Driver
	if err := d.Create(ctx, spec); err != nil {
		return fault.New(fault.ClassOf(err), "CannotCreateContainerError", "%s", fault.MessageOf(err))
	}
	r.task.note(func(t *record) { t.Containers[r.def.Name].Created = r.task.agent.Clock.Now() })
	if err := d.Start(ctx, r.id); err != nil {
		return fault.New(fault.ClassOf(err), "CannotStartContainerError", "%s", fault.MessageOf(err))
	}
	r.task.container(r.def.Name, func(c *containerRecord) {
		c.Status, c.Started, c.Exit, c.Reason = "RUNNING", r.task.agent.Clock.Now(), nil, ""
	})
	return nil
}

// spec is the container for the driver, from the task, the image and what
// every container gets.
func (r *run) spec(img image.Image) (container.Spec, error) {
	t := r.task
	mounts, err := r.mounts()
	if err != nil {
		return container.Spec{}, err
	}
	s := container.Spec{
		ID: r.id, Layers: img.Layers, Args: arguments(r.def, img.Config), Env: r.environment(img.Config), Mounts: mounts,
		Cwd: cmp.Or(r.config.WorkingDir, img.Config.WorkingDir), User: cmp.Or(r.config.User, img.Config.User), StopSignal: img.Config.StopSignal,
		Netns: r.netns(), Hostname: r.hostname(), CgroupParent: t.cgroup(), CPUShares: uint64(max(leastShares, r.def.CPU)),
		MemoryBytes: r.def.Memory << 20, MemoryReserved: r.host.MemoryReservation,
		ReadonlyRoot: r.host.ReadonlyRootfs, Privileged: r.host.Privileged, CapAdd: r.host.CapAdd,
		CapDrop: r.host.CapDrop, Init: r.host.Init != nil && *r.host.Init, Labels: r.labels(),
	}
	if len(s.Args) == 0 {
		return s, fault.New(fault.Invalid, "CannotCreateContainerError", "No command specified")
	}
	for _, u := range r.host.Ulimits {
		s.Ulimits = append(s.Ulimits, container.Ulimit{Name: u.Name, Soft: uint64(u.Soft), Hard: uint64(u.Hard)})
	}
	return s, nil
}

// arguments joins entry point and command as Docker does: a given entry point
// drops the image's command.
func arguments(c *acs.Container, img image.Config) []string {
	if len(c.EntryPoint) > 0 {
		return slices.Concat(c.EntryPoint, c.Command)
	}
	if len(c.Command) > 0 {
		return slices.Concat(img.Entrypoint, c.Command)
	}
	return slices.Concat(img.Entrypoint, img.Cmd)
}

func hostOf(w acs.Task) string {
	for _, i := range w.Interfaces {
		if len(i.IPv4Addresses) == 0 {
			continue
		}
		return cmp.Or(i.PrivateDNSName, hostName(i.IPv4Addresses[0].PrivateAddress))
	}
	return ""
}

// bundlePath is where a container finds the authorities to trust.
const bundlePath = "/etc/berth/ca-bundle.pem"

// environment is the image's, then what ECS gives, then the task's own.
func (r *run) environment(img image.Config) []string {
	a := r.task.agent
	base := "http://" + acs.MetadataAddress
	at := r.endpoint()
	given := map[string]string{
		"ECS_CONTAINER_METADATA_URI": base + "/v3/" + at, "ECS_CONTAINER_METADATA_URI_V4": base + "/v4/" + at,
		"ECS_AGENT_URI":     base + "/api/" + at,
		"AWS_EXECUTION_ENV": execution(r.task.def.LaunchType), "AWS_REGION": a.Region, "AWS_DEFAULT_REGION": a.Region,
	}
	if k := r.task.keys(acs.RoleApplication); k != nil {
		given["AWS_CONTAINER_CREDENTIALS_RELATIVE_URI"] = credentialsPath + r.task.secret(k)
	}
	if a.CAFile != "" {
		for _, name := range []string{"AWS_CA_BUNDLE", "SSL_CERT_FILE", "NODE_EXTRA_CA_CERTS", "REQUESTS_CA_BUNDLE"} {
			given[name] = bundlePath
		}
	}
	own := maps.Clone(r.secrets)
	if own == nil {
		own = map[string]string{}
	}
	maps.Copy(own, r.def.Environment)
	var out []string
	for _, e := range img.Env {
		key, _, _ := strings.Cut(e, "=")
		delete(given, key)
		if _, ok := own[key]; !ok {
			out = append(out, e)
		}
	}
	for key := range own {
		delete(given, key)
	}
	for _, m := range []map[string]string{given, own} {
		for _, key := range slices.Sorted(maps.Keys(m)) {
			out = append(out, key+"="+m[key])
		}
	}
	return out
}

// execution is what containers are told of where they run.
func execution(launchType string) string {
	if launchType == model.LaunchEC2 {
		return "AWS_ECS_EC2"
	}
	return "AWS_ECS_MANAGED_INSTANCES"
}

// labels are ECS's and the definition's.
func (r *run) labels() map[string]string {
	w := r.task.def
	out := map[string]string{}
	maps.Copy(out, r.config.Labels)
	const p = "com.amazonaws.ecs."
	maps.Copy(out, map[string]string{
		p + "cluster": w.TaskClusterARN, p + "container-name": r.def.Name, p + "task-arn": w.ARN,
		p + "task-definition-family": w.Family, p + "task-definition-version": w.Version,
	})
	return out
}

// mounts are the files that every container gets, and the task's volumes.
func (r *run) mounts() ([]container.Mount, error) {
	t := r.task
	var out []container.Mount
	for name, at := range map[string]string{"resolv.conf": "/etc/resolv.conf", r.hostsFile(): "/etc/hosts"} {
		out = append(out, container.Mount{Source: filepath.Join(t.dir, name), Destination: at})
	}
	if t.agent.CAFile != "" {
		out = append(out, container.Mount{Source: t.agent.bundleFile(), Destination: bundlePath, ReadOnly: true})
	}
	slices.SortFunc(out, func(a, b container.Mount) int { return strings.Compare(a.Destination, b.Destination) })
	for at, options := range r.host.Tmpfs {
		if options != "" {
			return nil, fault.New(fault.NotImplemented, "CannotCreateContainerError", "options of tmpfs %s are not built", at)
		}
		out = append(out, container.Mount{Destination: at, Tmpfs: true})
	}
	for _, m := range r.def.MountPoints {
		v, err := t.volume(m.SourceVolume)
		if err != nil {
			return nil, err
		}
		v.Destination, v.ReadOnly = m.ContainerPath, m.ReadOnly
		out = append(out, v)
	}
	return out, nil
}

// volume finds, or makes, the folder of a volume. A path of the host is one
// of the machine's own: machines share no files. Tasks write below both roots,
// so nothing there is opened by its plain path.
func (t *task) volume(name string) (container.Mount, error) {
	for _, v := range t.def.Volumes {
		if v.Name != name {
			continue
		}
		m := container.Mount{Root: t.agent.volumes(), Source: filepath.Join(t.id(), name)}
		if v.Host.SourcePath != "" {
			m.Root, m.Source = t.agent.hostRoot(), v.Host.SourcePath
		}
		dir, err := inroot.MkdirAll(m.Root, m.Source, 0o755) // containers of any user use it
		if err != nil {
			return m, fault.New(fault.Internal, "CannotCreateVolumeError", "%s", err)
		}
		return m, errors.Join(inroot.Give(dir, t.agent.Users), dir.Close())
	}
	return container.Mount{}, fault.New(fault.Invalid, "CannotCreateContainerError", "volume %s is not defined", name)
}
