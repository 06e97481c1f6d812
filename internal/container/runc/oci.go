package runc

import (
	"cmp"
	"os"
	"path"
	"slices"
	"strconv"
	"strings"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"berth/internal/container"
	"berth/internal/fault"
	"berth/internal/kernel/cgroup"
)

const (
	defaultPath  = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
	defaultGroup = "/berth-containers" // cgroup of a container without a parent
	initPath     = "/dev/.berth-init"  // this program, as first process of a container
	quotaPeriod  = 100_000             // microseconds
)

// ociSpec says to the runtime what the container is. Defaults are those that
// Docker's documentation gives: fourteen capabilities, a read-only /sys, the
// masked paths.
func ociSpec(d Deps, s container.Spec) (*specs.Spec, error) {
	if len(s.Args) == 0 {
		return nil, fault.New(fault.Invalid, "", "no command specified")
	}
	user, err := lookupUser(s.User, inLayers(s.Layers))
	if err != nil {
		return nil, err
	}
	caps, err := capabilities(s.Privileged, s.CapAdd, s.CapDrop)
	if err != nil {
		return nil, err
	}
	limits, err := rlimits(s.Ulimits)
	if err != nil {
		return nil, err
	}
	mounts, err := mounts(d, s)
	if err != nil {
		return nil, err
	}
	out := &specs.Spec{
		Version:  "1.0.2",
		Hostname: s.Hostname,
		Root:     &specs.Root{Path: d.rootfs(), Readonly: s.ReadonlyRoot},
		Process: &specs.Process{
			User: user, Args: command(s), Env: environment(s), Cwd: cwd(s.Cwd),
			Capabilities: caps, Rlimits: limits, NoNewPrivileges: s.NoNewPrivileges,
		},
		Mounts: mounts,
		Linux: &specs.Linux{
			CgroupsPath: path.Join(groupOf(s), s.ID),
			Namespaces:  namespaces(s),
			Resources:   resources(s),
			Sysctl:      sysctls(s),
		},
	}
	out.Linux.MaskedPaths = slices.Clone(maskedPaths)
	out.Linux.ReadonlyPaths = slices.Clone(readonlyPaths)
	out.Linux.Seccomp = seccomp(caps.Bounding)
	if s.Privileged {
		out.Linux.Devices, out.Linux.Seccomp = privilegedDevices(), privilegedSeccomp()
		out.Linux.ReadonlyPaths, err = settingsOfTheHost()
	}
	return out, err
}

// groupOf is the cgroup above the container's own.
func groupOf(s container.Spec) string { return cmp.Or(s.CgroupParent, defaultGroup) }

func command(s container.Spec) []string {
	if !s.Init {
		return s.Args
	}
	return append([]string{initPath, "shim", initMode}, s.Args...)
}

// environment keeps the last of equal names, and adds what Docker adds.
func environment(s container.Spec) []string {
	var env []string
	for i, e := range s.Env {
		key, _, _ := strings.Cut(e, "=")
		later := func(o string) bool { return strings.HasPrefix(o, key+"=") }
		if !slices.ContainsFunc(s.Env[i+1:], later) {
			env = append(env, e)
		}
	}
	has := func(key string) bool {
		return slices.ContainsFunc(env, func(e string) bool { return strings.HasPrefix(e, key+"=") })
	}
	if !has("PATH") {
		env = append(env, defaultPath)
	}
	if s.Hostname != "" && !has("HOSTNAME") {
		env = append(env, "HOSTNAME="+s.Hostname)
	}
	return env
}

func cwd(dir string) string {
	if dir == "" {
		return "/"
	}
	return path.Join("/", dir)
}

func namespaces(s container.Spec) []specs.LinuxNamespace {
	ns := []specs.LinuxNamespace{
		{Type: specs.PIDNamespace}, {Type: specs.MountNamespace}, {Type: specs.IPCNamespace},
		{Type: specs.UTSNamespace}, {Type: specs.CgroupNamespace},
	}
	if s.Netns != "" {
		ns = append(ns, specs.LinuxNamespace{Type: specs.NetworkNamespace, Path: s.Netns})
	}
	return ns
}

// sysctls lets an unprivileged user listen on port 80 and send pings, as
// Docker does, where the network is the container's own.
func sysctls(s container.Spec) map[string]string {
	if s.Netns == "" {
		return nil
	}
	return map[string]string{"net.ipv4.ip_unprivileged_port_start": "0", "net.ipv4.ping_group_range": "0 2147483647"}
}

func resources(s container.Spec) *specs.LinuxResources {
	r := &specs.LinuxResources{Devices: deviceRules(s.Privileged), CPU: &specs.LinuxCPU{}}
	if s.CPUShares > 0 {
		shares := max(s.CPUShares, 2)
		r.CPU.Shares = &shares
	}
	if s.CPUQuota > 0 {
		period, quota := uint64(quotaPeriod), max(int64(s.CPUQuota*quotaPeriod), 1000)
		r.CPU.Period, r.CPU.Quota = &period, &quota
	}
	if s.MemoryBytes > 0 {
		limit := s.MemoryBytes
		r.Memory = &specs.LinuxMemory{Limit: &limit}
		if cgroup.CountsSwap() {
			r.Memory.Swap = &limit // both together
		}
	}
	if s.MemoryReserved > 0 {
		if r.Memory == nil {
			r.Memory = &specs.LinuxMemory{}
		}
		reserved := s.MemoryReserved
		r.Memory.Reservation = &reserved
	}
	if s.PidsLimit > 0 {
		limit := s.PidsLimit
		r.Pids = &specs.LinuxPids{Limit: &limit}
	}
	return r
}

// rlimits reads ulimits. What lies above our own hard limit would need a
// capability that we may not have; it is cut to what can be given.
func rlimits(limits []container.Ulimit) ([]specs.POSIXRlimit, error) {
	var out []specs.POSIXRlimit
	for _, l := range limits {
		n, ok := rlimitNames[strings.ToLower(l.Name)]
		if !ok {
			return nil, fault.New(fault.Invalid, "", "ulimit %q is not known", l.Name)
		}
		var own unix.Rlimit
		if err := unix.Getrlimit(n, &own); err != nil {
			return nil, fault.Wrap(fault.Internal, err, "read limit %s", l.Name)
		}
		hard := l.Hard
		if hard > own.Max && !hasCapability("CAP_SYS_RESOURCE") {
			hard = own.Max
		}
		out = append(out, specs.POSIXRlimit{Type: "RLIMIT_" + strings.ToUpper(l.Name), Hard: hard, Soft: min(l.Soft, hard)})
	}
	return out, nil
}

var rlimitNames = map[string]int{
	"as": unix.RLIMIT_AS, "core": unix.RLIMIT_CORE, "cpu": unix.RLIMIT_CPU, "data": unix.RLIMIT_DATA,
	"fsize": unix.RLIMIT_FSIZE, "locks": unix.RLIMIT_LOCKS, "memlock": unix.RLIMIT_MEMLOCK,
	"msgqueue": unix.RLIMIT_MSGQUEUE, "nice": unix.RLIMIT_NICE, "nofile": unix.RLIMIT_NOFILE,
	"nproc": unix.RLIMIT_NPROC, "rss": unix.RLIMIT_RSS, "rtprio": unix.RLIMIT_RTPRIO,
	"rttime": unix.RLIMIT_RTTIME, "sigpending": unix.RLIMIT_SIGPENDING, "stack": unix.RLIMIT_STACK,
}

// mounts are what every container has, then those of the specification, whose
// sources below a root of their own are found by mountBelow at the start.
func mounts(d Deps, s container.Spec) ([]specs.Mount, error) {
	sys := []string{"nosuid", "noexec", "nodev", "ro"}
	out := []specs.Mount{
		{Destination: "/proc", Type: "proc", Source: "proc", Options: []string{"nosuid", "noexec", "nodev"}},
		{Destination: "/dev", Type: "tmpfs", Source: "tmpfs", Options: []string{"nosuid", "strictatime", "mode=755", "size=65536k"}},
		{
			Destination: "/dev/pts", Type: "devpts", Source: "devpts",
			Options: []string{"nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620", "gid=5"},
		},
		{Destination: "/dev/shm", Type: "tmpfs", Source: "shm", Options: []string{"nosuid", "noexec", "nodev", "mode=1777", "size=65536k"}},
		{Destination: "/dev/mqueue", Type: "mqueue", Source: "mqueue", Options: []string{"nosuid", "noexec", "nodev"}},
		{Destination: "/sys", Type: "sysfs", Source: "sysfs", Options: sys},
		{Destination: "/sys/fs/cgroup", Type: "cgroup", Source: "cgroup", Options: sys},
	}
	for i, m := range s.Mounts {
		if !path.IsAbs(m.Destination) {
			return nil, fault.New(fault.Invalid, "", "mount path %q is not absolute", m.Destination)
		}
		if m.Root != "" {
			m.Source = d.bundleOf(s.ID).source(i)
		}
		out = slices.DeleteFunc(out, func(o specs.Mount) bool { return o.Destination == path.Clean(m.Destination) })
		out = append(out, mount(m))
	}
	if s.Init {
		out = append(out, specs.Mount{Destination: initPath, Type: "bind", Source: d.Self, Options: []string{"bind", "ro", "nosuid", "nodev"}})
	}
	return out, nil
}

func mount(m container.Mount) specs.Mount {
	mode := "rw"
	if m.ReadOnly {
		mode = "ro"
	}
	if !m.Tmpfs {
		return specs.Mount{Destination: path.Clean(m.Destination), Type: "bind", Source: m.Source, Options: []string{"rbind", "rprivate", mode}}
	}
	options := []string{"nosuid", "nodev", "mode=1777", mode}
	if m.SizeBytes > 0 {
		options = append(options, "size="+strconv.FormatInt(m.SizeBytes, 10))
	}
	return specs.Mount{Destination: path.Clean(m.Destination), Type: "tmpfs", Source: "tmpfs", Options: options}
}

// deviceRules: everything is forbidden, then what every container has is
// allowed (a runtime adds its default devices itself), and what a privileged
// one has besides.
func deviceRules(privileged bool) []specs.LinuxDeviceCgroup {
	out := []specs.LinuxDeviceCgroup{{Allow: false, Access: "rwm"}}
	if privileged {
		out = append(out, specs.LinuxDeviceCgroup{Allow: true, Type: "c", Major: &tunMajor, Minor: &tunMinor, Access: "rwm"})
	}
	return out
}

// The device by which a program is a network interface, in the network of its
// own.
var tunMajor, tunMinor = int64(10), int64(200)

// privilegedDevices are those of a privileged container besides everybody's:
// none by which it would reach the disks, the memory or the log of the host.
func privilegedDevices() []specs.LinuxDevice {
	mode := os.FileMode(0o666)
	return []specs.LinuxDevice{{Path: "/dev/net/tun", Type: "c", Major: tunMajor, Minor: tunMinor, FileMode: &mode}}
}

// settingsOfTheHost are the paths that a privileged container only reads: as
// everybody, but the settings of its network are its own.
func settingsOfTheHost() ([]string, error) {
	const settings = "/proc/sys"
	out := slices.DeleteFunc(slices.Clone(readonlyPaths), func(p string) bool { return p == settings })
	entries, err := os.ReadDir(settings)
	if err != nil {
		return nil, fault.Wrap(fault.Internal, err, "list the kernel's settings")
	}
	for _, e := range entries {
		if e.Name() != "net" {
			out = append(out, settings+"/"+e.Name())
		}
	}
	return out, nil
}
