package main

import (
	"fmt"
	"os"
	"syscall"

	"golang.org/x/sys/unix"
)

// escape takes what it can of the host's, whose file system is at /host.
func escape(secret string) {
	for _, path := range []string{secret, "/host/etc/shadow", "/host/proc/1/environ", "/host/dev/kmsg"} {
		if _, err := os.ReadFile(path); err == nil {
			fmt.Println("READ", path)
		}
	}
	_ = unix.Mount("", "/host", "", unix.MS_BIND|unix.MS_REMOUNT, "")
	for _, path := range []string{"/host/etc/passwd", "/host/proc/sys/kernel/core_pattern", "/host/usr/bin/env"} {
		if f, err := os.OpenFile(path, os.O_WRONLY, 0); err == nil {
			_ = f.Close()
			fmt.Println("WROTE", path)
		}
	}
	for _, path := range []string{"/host/root/x", "/host/x", "/host/etc/x", "/host/usr/x"} {
		if err := os.Mkdir(path, 0o700); err == nil {
			_ = os.Remove(path)
			fmt.Println("WROTE", path)
		}
	}
	if os.Chown(secret, 0, 0) == nil || os.Chmod(secret, 0o600) == nil || os.Chown("/host", 0, 0) == nil {
		fmt.Println("CHANGED", secret)
	}
	// A file system of the kernel's, mounted anew.
	_ = os.Mkdir("/own", 0o700)
	for _, kind := range []string{"proc", "sysfs"} {
		if unix.Mount(kind, "/own", kind, 0, "") == nil {
			for _, path := range []string{"/own/sys/kernel/core_pattern", "/own/kernel/uevent_helper", "/own/sysrq-trigger"} {
				if f, err := os.OpenFile(path, os.O_WRONLY, 0); err == nil {
					_ = f.Close()
					fmt.Println("WROTE", path)
				}
			}
			_ = unix.Unmount("/own", 0)
		}
	}
	fmt.Println("done")
}

// own uses what a container has for itself.
func own(files []string) {
	var st syscall.Stat_t
	_ = syscall.Stat("/", &st)
	fmt.Println("user", st.Uid, st.Gid)
	for _, path := range files {
		if err := os.WriteFile(path, []byte("x"), 0o644); err != nil {
			fmt.Println("FAILED", err)
		}
		if err := os.Chown(path, 1001, 1002); err != nil {
			fmt.Println("FAILED", err)
		}
	}
	f, err := os.OpenFile("/dev/stdout", os.O_WRONLY, 0)
	fmt.Println("stdout", err)
	_ = f.Close()
	s, err := unix.Socket(unix.AF_INET, unix.SOCK_RAW, unix.IPPROTO_ICMP)
	_ = unix.Close(s)
	if err != nil {
		fmt.Println("FAILED raw socket", err)
	}
	q, err := unix.NewIfreq("lo")
	if err == nil {
		s, _ = unix.Socket(unix.AF_INET, unix.SOCK_DGRAM, 0)
		q.SetUint16(unix.IFF_UP | unix.IFF_RUNNING)
		err = unix.IoctlIfreq(s, unix.SIOCSIFFLAGS, q)
	}
	fmt.Println("network", err)
	_ = os.Mkdir("/own", 0o700)
	fmt.Println("mount", unix.Mount("tmpfs", "/own", "tmpfs", 0, ""))
	n, err := os.OpenFile("/proc/sys/net/ipv4/ip_forward", os.O_WRONLY, 0)
	fmt.Println("settings", err)
	_ = n.Close()
	fmt.Println("done")
}
