package runc

import (
	"os"
	"slices"
	"strconv"
	"strings"

	specs "github.com/opencontainers/runtime-spec/specs-go"

	"berth/internal/fault"
)

// capNames in the order of their numbers (linux/capability.h).
var capNames = strings.Fields(`CHOWN DAC_OVERRIDE DAC_READ_SEARCH FOWNER FSETID KILL SETGID SETUID SETPCAP
	LINUX_IMMUTABLE NET_BIND_SERVICE NET_BROADCAST NET_ADMIN NET_RAW IPC_LOCK IPC_OWNER SYS_MODULE SYS_RAWIO
	SYS_CHROOT SYS_PTRACE SYS_PACCT SYS_ADMIN SYS_BOOT SYS_NICE SYS_RESOURCE SYS_TIME SYS_TTY_CONFIG MKNOD LEASE
	AUDIT_WRITE AUDIT_CONTROL SETFCAP MAC_OVERRIDE MAC_ADMIN SYSLOG WAKE_ALARM BLOCK_SUSPEND AUDIT_READ PERFMON BPF
	CHECKPOINT_RESTORE`)

// defaultCaps are the capabilities that Docker's documentation lists as
// granted by default.
var defaultCaps = strings.Fields(`CHOWN DAC_OVERRIDE FSETID FOWNER MKNOD NET_RAW SETGID SETUID SETFCAP SETPCAP
	NET_BIND_SERVICE SYS_CHROOT KILL AUDIT_WRITE`)

// hostCaps are capabilities over what all machines on a host have together:
// its kernel, its clock, its hardware, its audit. No container gets them.
var hostCaps = strings.Fields(`SYS_MODULE SYS_RAWIO SYS_TIME SYSLOG SYS_PACCT BPF PERFMON MAC_OVERRIDE MAC_ADMIN AUDIT_CONTROL AUDIT_READ
	WAKE_ALARM BLOCK_SUSPEND`)

// maskedPaths and readonlyPaths are those of Docker's default specification.
var (
	maskedPaths = strings.Fields(`/proc/acpi /proc/asound /proc/interrupts /proc/kcore /proc/keys /proc/latency_stats
		/proc/sched_debug /proc/scsi /proc/timer_list /proc/timer_stats /sys/devices/virtual/powercap /sys/firmware`)
	readonlyPaths = strings.Fields(`/proc/bus /proc/fs /proc/irq /proc/sys /proc/sysrq-trigger`)
)

// capabilities of the first process. A privileged container has all that this
// machine may give. As in Docker, nothing is inheritable or ambient, so a
// process that is not root has none.
func capabilities(privileged bool, add, drop []string) (*specs.LinuxCapabilities, error) {
	own := ownCapabilities()
	set := map[string]bool{}
	switch {
	case privileged:
		set = own
	default:
		dropped, err := capSet(drop)
		if err != nil {
			return nil, err
		}
		added, err := capSet(add)
		if err != nil {
			return nil, err
		}
		for _, c := range capNames {
			name := "CAP_" + c
			set[name] = added[name] || slices.Contains(defaultCaps, c) && !dropped[name]
			if added[name] && !slices.ContainsFunc(add, isAll) && !own[name] {
				return nil, fault.New(fault.Invalid, "", "capability %s cannot be added: this machine does not grant it", name)
			}
		}
	}
	var list []string
	for _, c := range capNames {
		if name := "CAP_" + c; set[name] && own[name] {
			list = append(list, name)
		}
	}
	return &specs.LinuxCapabilities{Bounding: list, Effective: list, Permitted: list}, nil
}

func isAll(name string) bool { return strings.EqualFold(name, "ALL") }

func capSet(names []string) (map[string]bool, error) {
	set := map[string]bool{}
	for _, n := range names {
		up := strings.TrimPrefix(strings.ToUpper(n), "CAP_")
		switch {
		case isAll(n):
			for _, c := range capNames {
				set["CAP_"+c] = true
			}
		case slices.Contains(capNames, up):
			set["CAP_"+up] = true
		default:
			return nil, fault.New(fault.Invalid, "", "capability %q is not known", n)
		}
	}
	return set, nil
}

func hasCapability(name string) bool { return ownCapabilities()[name] }

// ownCapabilities is what can be given to others: our bounding set less the
// capabilities of the host.
func ownCapabilities() map[string]bool {
	set := map[string]bool{}
	data, _ := os.ReadFile("/proc/self/status")
	_, rest, _ := strings.Cut(string(data), "CapBnd:")
	line, _, _ := strings.Cut(rest, "\n")
	bits, _ := strconv.ParseUint(strings.TrimSpace(line), 16, 64)
	for i, c := range capNames {
		set["CAP_"+c] = bits&(1<<i) != 0 && !slices.Contains(hostCaps, c)
	}
	return set
}
