package runc

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"berth/internal/container"
	"berth/internal/fault"
	"berth/internal/kernel"
)

// config is what the runtime is told of a container. Whether it has a user
// namespace says its network: without rights over that it would have fewer.
func (d *Driver) config(b bundle, s container.Spec) (*specs.Spec, error) {
	out, err := ociSpec(d.Deps, s)
	if err != nil || d.Users == 0 {
		return out, err
	}
	users, err := kernel.NetnsOwner(s.Netns)
	if err != nil || users == nil {
		return out, err
	}
	_ = users.Close()
	if out.Root.Path, err = d.publicRoot(); err != nil {
		return nil, err
	}
	d.mapUsers(b, s, out)
	return out, nil
}

// mapUsers puts the container into the user namespace of its network.
func (d Deps) mapUsers(b bundle, s container.Spec, out *specs.Spec) {
	ids := []specs.LinuxIDMapping{{HostID: uint32(d.Users), Size: kernel.UserIDs}}
	out.Linux.UIDMappings, out.Linux.GIDMappings = ids, ids
	out.Linux.Namespaces = append(out.Linux.Namespaces, specs.LinuxNamespace{Type: specs.UserNamespace, Path: b.users()})
	if out.Linux.Sysctl != nil {
		out.Linux.Sysctl["net.ipv4.ping_group_range"] = fmt.Sprintf("0 %d", kernel.UserIDs-1)
	}
	for i, m := range out.Mounts {
		if slices.Contains(m.Options, "ro") && m.Type == "bind" {
			out.Mounts[i].Options = append(m.Options, locked(m.Source)...)
		}
	}
	if !s.Privileged {
		return
	}
	// Its mounts are its own: nothing that it can mount lets it reach what is the
	// host's root's.
	out.Linux.Seccomp.Syscalls[0].Names = slices.DeleteFunc(out.Linux.Seccomp.Syscalls[0].Names, func(call string) bool {
		return slices.Contains(mounting, call)
	})
	out.Linux.Devices = nil // it may make none: those that giveTo makes are mounted
	for name, path := range ownDevices {
		out.Mounts = append(out.Mounts, specs.Mount{Destination: path, Type: "bind", Source: b.device(name), Options: []string{"bind"}})
	}
	out.Linux.Resources.Devices = append(out.Linux.Resources.Devices, specs.LinuxDeviceCgroup{
		Allow: true, Type: "c", Major: &fuseMajor, Minor: &fuseMinor, Access: "rwm",
	})
}

// mounting are the forbidden calls that a privileged container may make in a user
// namespace.
var mounting = strings.Fields(`fsconfig fsmount fsopen fspick mount mount_setattr move_mount open_tree open_tree_attr pivot_root umount
	umount2`)

// The device by which a program is a file system, in the mounts of its own.
var fuseMajor, fuseMinor = int64(10), int64(229)

// ownDevices are the devices of a privileged container in a user namespace, by
// the names of their nodes in the bundle.
var ownDevices = map[string]string{"tun": "/dev/net/tun", "fuse": "/dev/fuse"}

func (b bundle) device(name string) string { return filepath.Join(b.disk, name) }

// makeDevices makes their nodes.
func (b bundle) makeDevices() error {
	tun, fuse := unix.Mkdev(uint32(tunMajor), uint32(tunMinor)), unix.Mkdev(uint32(fuseMajor), uint32(fuseMinor))
	var errs []error
	for name, number := range map[string]uint64{"tun": tun, "fuse": fuse} {
		errs = append(errs, unix.Mknod(b.device(name), unix.S_IFCHR, int(number)), os.Chmod(b.device(name), 0o666))
	}
	return errors.Join(errs...)
}

// locked are the options of the mount that a source is on, which whoever mounts it
// anew in a user namespace may not leave out.
func locked(source string) (options []string) {
	var st unix.Statfs_t
	if unix.Statfs(source, &st) != nil {
		return nil // the runtime says why
	}
	for _, o := range []struct {
		flag int64
		name string
	}{{unix.ST_NOSUID, "nosuid"}, {unix.ST_NODEV, "nodev"}, {unix.ST_NOEXEC, "noexec"}} {
		if st.Flags&o.flag != 0 {
			options = append(options, o.name)
		}
	}
	return options
}

// publicRoots are folders that hosts have and everybody may enter.
var publicRoots = []string{"/mnt", "/media", "/srv", "/opt", "/run"}

// publicRoot is where the root of a container in a user namespace is mounted, in
// the mount namespace of its start: its user 0 may enter no folder of the host's
// root's, where rootfs is. Nothing that a start needs is below it.
func (d Deps) publicRoot() (string, error) {
	for _, p := range publicRoots {
		info, err := os.Lstat(p)
		if err == nil && info.IsDir() && info.Mode().Perm()&0o1 != 0 && !slices.ContainsFunc(
			[]string{d.Dir, d.Memory, d.Self, d.RuntimePath}, func(needed string) bool { return strings.HasPrefix(needed, p+"/") }) {
			return p, nil
		}
	}
	return "", fault.New(fault.Unavailable, "", "no folder for the roots of containers: one of %s", strings.Join(publicRoots, ", "))
}

// giveTo makes what the container has for itself its user 0's, and the place where
// its user namespace is mounted. What is mounted is as the caller gives it: a
// driver that gave folders away would give the host's, if it was told to mount it.
func (b bundle) giveTo(user int, root string, privileged bool) error {
	errs := []error{os.WriteFile(b.users(), []byte(root), 0o600), os.Chown(filepath.Join(b.disk, "upper"), user, user)}
	if privileged {
		errs = append(errs, b.makeDevices())
	}
	return errors.Join(errs...)
}

// userRoot is where the root of a container in a user namespace is mounted; "" is
// that it has none.
func (b bundle) userRoot() (string, error) {
	root, err := os.ReadFile(b.users())
	if errors.Is(err, fs.ErrNotExist) {
		return "", nil
	}
	return string(root), err
}

// giveOutputs lets the container's user 0 open its outputs anew (/dev/stdout).
func (c *child) giveOutputs(p pipes) error {
	for _, fd := range p {
		if err := unix.Fchown(fd, c.user, c.user); err != nil {
			p.close()
			return fmt.Errorf("give the container its outputs: %w", err)
		}
	}
	return nil
}

// enterUsers mounts the user namespace where the runtime looks for it, and gives
// what the container sees the owners that it has there.
func (c *child) enterUsers(spec container.Spec, d Deps) error {
	users, err := kernel.NetnsOwner(spec.Netns)
	if err == nil && users == nil {
		err = errors.New("its network belongs to none")
	}
	if err != nil {
		return fmt.Errorf("find the user namespace: %w", err)
	}
	defer func() { _ = users.Close() }()
	err = unix.Mount(fmt.Sprintf("/proc/thread-self/fd/%d", users.Fd()), c.b.users(), "", unix.MS_BIND, "")
	if err != nil {
		return fmt.Errorf("mount the user namespace: %w", err)
	}
	for _, layer := range append([]string{d.base()}, slices.Compact(slices.Sorted(slices.Values(spec.Layers)))...) {
		if err := kernel.MapUsers(layer, users); err != nil {
			return fmt.Errorf("give layer %s to the container's users: %w", filepath.Base(layer), err)
		}
	}
	return nil
}
