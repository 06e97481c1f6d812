// Package doctor says what of a machine Berth needs and does not find, each with
// its cure. Look reads the machine and changes nothing; Judge is arithmetic on what
// was read, so that a machine may be made up. It knows nothing of a data folder.
package doctor

import (
	"fmt"
	"strings"
	"time"
)

// Status says how bad a finding is.
type Status string

// A machine with a Bad finding cannot run a server or its tasks; one with a Warn
// does without something.
const (
	OK   Status = "ok"
	Warn Status = "warn"
	Bad  Status = "bad"
)

// Finding is what came of one check.
type Finding struct {
	Check  string `json:"check"`
	Status Status `json:"status"`
	Says   string `json:"says"`
	Cure   string `json:"cure,omitempty"` // what to do
}

// Machine is what was read of a machine.
type Machine struct {
	Root   bool
	Kernel string // as in 6.12.5-amd64
	// Cgroup is "v1", "v2", or "" for none; Missing are controllers that are
	// needed and not there.
	Cgroup  string
	Missing []string
	// Programs are the paths of those that were found, by their names.
	Programs map[string]string
	// Modules are what failed when it was tried: netfilter, overlay, loop.
	Modules map[string]error
	// MemoryMiB are those of memory that there are, FreeMiB those of the disk.
	MemoryMiB, FreeMiB int64
	// Ports are those that somebody else has.
	Ports []int
	// Now is the machine's time, Built when the program was.
	Now, Built time.Time
}

// Judge says what of a machine is as Berth needs it, and what is not.
func Judge(m Machine) []Finding {
	return []Finding{
		root(m), kernelOf(m), cgroups(m), runtime(m), netfilter(m), overlay(m), volumes(m), functions(m), memory(m), space(m), ports(m), clock(m),
	}
}

func judged(check string, ok bool, otherwise Status, good, bad, cure string) Finding {
	if ok {
		return Finding{Check: check, Status: OK, Says: good}
	}
	return Finding{Check: check, Status: otherwise, Says: bad, Cure: cure}
}

func root(m Machine) Finding {
	return judged("root", m.Root, Warn, "this user may make namespaces and containers", "this user is not root; a server must be",
		"run it with sudo")
}

// Versions of Linux: without the first nothing runs; before the second a killed
// containers' parent loses exit codes.
var needs, better = [2]int{5, 12}, [2]int{6, 15}

func kernelOf(m Machine) Finding {
	var v [2]int
	if _, err := fmt.Sscanf(m.Kernel, "%d.%d", &v[0], &v[1]); err != nil {
		return Finding{"kernel", Warn, fmt.Sprintf("%q is no version that is known", m.Kernel), "use Linux 5.12 or newer"}
	}
	before := func(than [2]int) bool { return v[0] < than[0] || v[0] == than[0] && v[1] < than[1] }
	switch {
	case before(needs):
		return Finding{"kernel", Bad, "Linux " + m.Kernel + " has no openat2 with mounts of its own tree", "use Linux 5.12 or newer"}
	case before(better):
		return Finding{"kernel", OK, "Linux " + m.Kernel + "; before 6.15 containers whose parent is killed report exit code 137", ""}
	default:
		return Finding{"kernel", OK, "Linux " + m.Kernel, ""}
	}
}

func cgroups(m Machine) Finding {
	switch {
	case m.Cgroup == "":
		return Finding{"cgroups", Bad, "no control groups are mounted", "mount -t cgroup2 none /sys/fs/cgroup"}
	case len(m.Missing) > 0:
		return Finding{
			"cgroups", Bad, fmt.Sprintf("%s without %s", m.Cgroup, strings.Join(m.Missing, ", ")),
			"in a container, run it privileged and with the host's control groups (--cgroupns=host); else boot with cgroup_enable=memory",
		}
	default:
		return Finding{"cgroups", OK, m.Cgroup, ""}
	}
}

func runtime(m Machine) Finding {
	path := m.Programs["runc"]
	return judged("runtime", path != "", Bad, path, "runc is not in PATH", "apt-get install runc, or name another OCI runtime with --runtime")
}

func netfilter(m Machine) Finding {
	err := m.Modules["netfilter"]
	return judged("nftables", err == nil, Bad, "the kernel filters", fmt.Sprintf("the kernel does not filter: %v", err),
		"modprobe nf_tables; in a container load it on the host")
}

func overlay(m Machine) Finding {
	err := m.Modules["overlay"]
	return judged("overlay", err == nil, Bad, "the data folder takes overlay mounts", fmt.Sprintf("no overlay mounts: %v", err),
		"modprobe overlay; in a container put --data on a volume, since an overlay cannot lie on another")
}

func volumes(m Machine) Finding {
	loop := m.Modules["loop"]
	return judged("disks", m.Programs["mkfs.ext4"] != "" && loop == nil, Warn, "instances get data volumes of their own",
		"instances share the host's disk, since there is no mkfs.ext4 or loop device", "apt-get install e2fsprogs; modprobe loop")
}

func functions(m Machine) Finding {
	return judged("functions", m.Programs["/usr/bin/python3"] != "", Warn, "Python functions run",
		"there is no /usr/bin/python3: Lambda functions in Python, such as the example's hook, do not run",
		"apt-get install python3 python3-urllib3")
}

// leastMemory is what the smallest instance type of the example takes.
const leastMemory = 3900

func memory(m Machine) Finding {
	return judged("memory", m.MemoryMiB >= leastMemory, Warn, fmt.Sprintf("%d MiB", m.MemoryMiB),
		fmt.Sprintf("%d MiB are less than most instance types have", m.MemoryMiB), "start the server with --overcommit")
}

// leastSpace is what a server, its images and a ballast take at least.
const leastSpace = 256

func space(m Machine) Finding {
	return judged("space", m.FreeMiB >= leastSpace, Warn, fmt.Sprintf("%d MiB are free for the data folder", m.FreeMiB),
		fmt.Sprintf("only %d MiB are free for the data folder; below 64 writes are refused", m.FreeMiB),
		"free some, or name another folder with --data")
}

func ports(m Machine) Finding {
	var taken []string
	for _, p := range m.Ports {
		taken = append(taken, fmt.Sprint(p))
	}
	return judged("ports", len(taken) == 0, Warn, "the API's port and 80 are free, or Berth's",
		"another program has port "+strings.Join(taken, " and "), "give the API another with --listen; load balancers answer 10,000 higher")
}

func clock(m Machine) Finding {
	return judged("clock", !m.Now.Before(m.Built), Bad, m.Now.UTC().Format(time.DateTime)+" UTC",
		fmt.Sprintf("it is %s here, before this program was made: certificates are not valid yet", m.Now.UTC().Format(time.DateTime)),
		"set the clock")
}
