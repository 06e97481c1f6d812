package doctor

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"berth/internal/kernel"
	"berth/internal/kernel/cgroup"
)

// Question is what Look is asked.
type Question struct {
	// Data is a data folder, which need not be there.
	Data string
	// Ports are to be free, but of those that are Ours.
	Ports, Ours []int
	// Runtime is the OCI runtime; "" is runc.
	Runtime string
	Now     time.Time
}

// Look reads the machine. It changes nothing.
func Look(ctx context.Context, q Question) Machine {
	m := Machine{Root: os.Geteuid() == 0, Programs: map[string]string{}, Modules: map[string]error{}, Now: q.Now}
	var u unix.Utsname
	if unix.Uname(&u) == nil {
		m.Kernel = unix.ByteSliceToString(u.Release[:])
	}
	m.Cgroup, m.Missing = cgroup.Describe()
	for name, program := range map[string]string{"runc": q.Runtime, "mkfs.ext4": "", "/usr/bin/python3": ""} {
		if program == "" {
			program = name
		}
		if path, err := exec.LookPath(program); err == nil {
			m.Programs[name] = path
		}
	}
	m.Modules["netfilter"] = kernel.Filters()
	m.Modules["overlay"] = overlays(existing(q.Data))
	_, m.Modules["loop"] = os.Stat("/dev/loop-control")
	m.MemoryMiB = memoryMiB()
	var st unix.Statfs_t
	if unix.Statfs(existing(q.Data), &st) == nil {
		m.FreeMiB = int64(st.Bavail) * st.Bsize >> 20
	}
	for _, p := range q.Ports {
		if !contains(q.Ours, p) && answers(ctx, p) {
			m.Ports = append(m.Ports, p)
		}
	}
	if self, err := os.Executable(); err == nil {
		if info, err := os.Stat(self); err == nil {
			m.Built = info.ModTime().Add(-24 * time.Hour) // time zones of who unpacked it
		}
	}
	return m
}

// existing is the folder itself, or the one around it that is there.
func existing(dir string) string {
	for ; ; dir = filepath.Dir(dir) {
		if _, err := os.Stat(dir); err == nil || dir == filepath.Dir(dir) {
			return dir
		}
	}
}

// Magic numbers of file systems that an overlay cannot lie on.
const (
	magicOverlay = 0x794c7630
	magicNFS     = 0x6969
)

func overlays(dir string) error {
	known, err := os.ReadFile("/proc/filesystems")
	if err != nil {
		return err
	}
	if !strings.Contains(string(known), "\toverlay\n") {
		return errors.New("the kernel has no overlay file system loaded")
	}
	var st unix.Statfs_t
	if err := unix.Statfs(dir, &st); err != nil {
		return err
	}
	switch st.Type {
	case magicOverlay:
		return fmt.Errorf("%s is on an overlay itself", dir)
	case magicNFS:
		return fmt.Errorf("%s is on a network file system", dir)
	}
	return nil
}

func memoryMiB() int64 {
	b, err := os.ReadFile("/proc/meminfo")
	if err != nil {
		return 0
	}
	_, rest, _ := strings.Cut(string(b), "MemTotal:")
	f := strings.Fields(rest)
	if len(f) == 0 {
		return 0
	}
	kib, _ := strconv.ParseInt(f[0], 10, 64) // 0 is what cannot be told
	return kib >> 10
}

func contains(all []int, x int) bool {
	for _, v := range all {
		if v == x {
			return true
		}
	}
	return false
}

// answers says whether somebody listens on a port of loopback.
func answers(ctx context.Context, port int) bool {
	ctx, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	c, err := (&net.Dialer{}).DialContext(ctx, "tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(port)))
	if err != nil {
		return false
	}
	_ = c.Close()
	return true
}
