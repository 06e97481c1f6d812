package main

import (
	"bufio"
	"fmt"
	"os"
	"unsafe"

	"golang.org/x/sys/unix"
)

// attack tries what would reach the host from a container. Each call is made
// so that it changes nothing where it is allowed: it fails with another error.
func attack() {
	bad := unsafe.Pointer(&unix.Timeval{Usec: -1})
	spec := unsafe.Pointer(&unix.Timespec{Nsec: -1})
	none := unsafe.Pointer(&[]byte("none\x00")[0])
	for name, call := range map[string][4]uintptr{
		"settimeofday": {unix.SYS_SETTIMEOFDAY, uintptr(bad)}, "clock_settime": {unix.SYS_CLOCK_SETTIME, 0, uintptr(spec)},
		"syslog": {unix.SYS_SYSLOG, 10}, "init_module": {unix.SYS_INIT_MODULE}, "finit_module": {unix.SYS_FINIT_MODULE, 1 << 30},
		"delete_module": {unix.SYS_DELETE_MODULE, uintptr(none)}, "kexec_load": {unix.SYS_KEXEC_LOAD, 0, 1 << 30},
		"bpf": {unix.SYS_BPF, 1 << 30}, "perf_event_open": {unix.SYS_PERF_EVENT_OPEN}, "swapoff": {unix.SYS_SWAPOFF, uintptr(none)},
		"open_by_handle_at": {unix.SYS_OPEN_BY_HANDLE_AT, 1 << 30}, "keyctl": {unix.SYS_KEYCTL, 0, ^uintptr(2)},
		"fanotify_init": {unix.SYS_FANOTIFY_INIT, 1 << 30}, "quotactl": {unix.SYS_QUOTACTL, 1 << 20, uintptr(none)},
		"mount": {unix.SYS_MOUNT, uintptr(none), uintptr(none), uintptr(none)}, "umount2": {unix.SYS_UMOUNT2, uintptr(none)},
		"fsopen": {unix.SYS_FSOPEN, uintptr(none)}, "open_tree": {unix.SYS_OPEN_TREE, ^uintptr(0), uintptr(none), 1},
		"mount_setattr": {unix.SYS_MOUNT_SETATTR, ^uintptr(0), uintptr(none)}, "pivot_root": {unix.SYS_PIVOT_ROOT, uintptr(none), uintptr(none)},
	} {
		if _, _, e := unix.Syscall(call[0], call[1], call[2], call[3]); e != unix.EPERM {
			fmt.Println("CALLED", name, e)
		}
	}
	for _, path := range append(disks(), "/dev/kmsg", "/dev/mem", "/proc/kcore", "/proc/kmsg", "/dev/rtc0") {
		if f, err := os.Open(path); err == nil {
			n, _ := f.Read(make([]byte, 1))
			_ = f.Close()
			if n > 0 {
				fmt.Println("READ", path)
			}
		}
	}
	for _, path := range []string{
		"/proc/sys/kernel/core_pattern", "/proc/sys/vm/overcommit_memory", "/proc/sys/fs/file-max", "/proc/sysrq-trigger",
		"/sys/kernel/uevent_helper", "/sys/power/state",
		"/sys/fs/cgroup/memory/memory.limit_in_bytes", "/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/devices/devices.allow",
	} {
		if f, err := os.OpenFile(path, os.O_WRONLY, 0); err == nil {
			_ = f.Close()
			fmt.Println("OPENED", path)
		}
	}
	host, err := os.Hostname()
	fmt.Println("name", unix.Sethostname([]byte(host)), err)
	tun, err := os.OpenFile("/dev/net/tun", os.O_RDWR, 0)
	fmt.Println("tun", err)
	_ = tun.Close()
	net, err := os.OpenFile("/proc/sys/net/ipv4/ip_forward", os.O_WRONLY, 0)
	fmt.Println("network", err)
	_ = net.Close()
	fmt.Println("done")
}

// disks makes a device node for each disk of the host that the kernel lists.
func disks() []string {
	f, err := os.Open("/proc/partitions")
	if err != nil {
		return nil
	}
	defer f.Close()
	var out []string
	for s := bufio.NewScanner(f); s.Scan(); {
		var major, minor uint32
		var blocks int
		var name string
		if _, err := fmt.Sscan(s.Text(), &major, &minor, &blocks, &name); err != nil {
			continue
		}
		path := "/dev/disk-" + name
		if unix.Mknod(path, unix.S_IFBLK|0o600, int(unix.Mkdev(major, minor))) == nil {
			out = append(out, path)
		}
	}
	return out
}
