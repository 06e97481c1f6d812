// Package container defines the driver of the containers on one instance: create, start,
// stop, look, exec, remove, and find again what runs after a restart. It does
// not know tasks. Drivers are container/runc (an OCI runtime, with one small
// parent of all containers that owns their exit statuses and their logs) and
// container/sim; both pass the suite in containertest. Images are the
// business of container/image.
package container

import (
	"context"
	"io"
	"time"
)

// Mount binds a host path into the container.
type Mount struct {
	Source string
	// Root, if set, is a folder in which others may write. Source is a folder
	// below it and is looked up as if Root were the root of the file system:
	// no link leads out of it.
	Root        string
	Destination string
	ReadOnly    bool
	// Tmpfs mounts an empty tmpfs of SizeBytes instead of Source.
	Tmpfs     bool
	SizeBytes int64
}

// Ulimit is one resource limit.
type Ulimit struct {
	Name       string // nofile, nproc, …
	Soft, Hard uint64
}

// Spec is a container, complete. Paths are those of the caller's mount namespace.
type Spec struct {
	ID     string   // unique on the instance; [a-zA-Z0-9_.-]{1,128}
	Layers []string // unpacked layer folders, lowest first
	// Root, if set, is the folder that is the root file system, in place of layers:
	// what the container writes stays in it. With a user namespace it belongs to
	// user 0 of that. It is not removed with the container.
	Root string
	Args []string
	Env  []string // KEY=VALUE
	Cwd  string
	User string // "", uid, uid:gid, name, name:group (looked up in the image)
	// Netns is the path of a network namespace to join; "" is the caller's own.
	Netns    string
	Hostname string
	// CgroupParent is a cgroup path (as in /proc/self/cgroup) below which the
	// container's own group is made.
	CgroupParent string
	CPUShares    uint64  // relative weight; 0 is the default
	CPUQuota     float64 // CPUs; 0 is no limit
	MemoryBytes  int64   // 0 is no limit
	// MemoryReserved is what is left to the container, in bytes, when others want
	// memory: above it, the kernel takes from it first. 0 is nothing.
	MemoryReserved int64
	PidsLimit      int64
	Mounts         []Mount
	ReadonlyRoot   bool
	Privileged     bool
	// NoNewPrivileges keeps set-user-id programs from gaining anything.
	NoNewPrivileges bool
	CapAdd          []string // without CAP_
	CapDrop         []string
	Ulimits         []Ulimit
	Init            bool // run an init process as pid 1
	StopSignal      string
	// Labels are kept and given back by List.
	Labels map[string]string
}

// Status of a container.
type Status string

// The states of a container.
const (
	Created Status = "created"
	Running Status = "running"
	Stopped Status = "stopped"
)

// State is what is known of a container.
type State struct {
	ID         string
	Status     Status
	PID        int
	ExitCode   int
	OOMKilled  bool
	StartedAt  time.Time
	FinishedAt time.Time
	Labels     map[string]string
	// LogPath is the file of the container's output: JSON lines
	// {"t":"RFC3339Nano","s":"stdout|stderr","m":"text without newline"}.
	LogPath string
}

// Stats are counters of a container since its start.
type Stats struct {
	PID         int // of its first process, as in State
	CPUNanos    uint64
	MemoryBytes uint64 // working set: usage less inactive file pages
	MemoryLimit uint64
	Pids        uint64
	ReadBytes   uint64
	WriteBytes  uint64
}

// ExecSpec is a command to run in a running container.
type ExecSpec struct {
	Args   []string
	Env    []string
	Cwd    string
	User   string
	TTY    bool
	Stdin  io.Reader
	Stdout io.Writer
	Stderr io.Writer
}

// Driver runs containers. Everything may be called twice; an absent container
// is success for Stop and Remove and fault.NotFound otherwise. A container,
// its exit status and its log outlive the caller: a new Driver on the same
// folder finds them with List.
type Driver interface {
	// Create prepares root file system and configuration; nothing runs yet.
	Create(ctx context.Context, spec Spec) error
	// Start runs the container's process.
	Start(ctx context.Context, id string) error
	// Signal sends a signal ("SIGTERM") to the first process.
	Signal(ctx context.Context, id, signal string) error
	// Wait blocks until the container has stopped, also when it was started
	// by an earlier Driver, or until ctx ends.
	Wait(ctx context.Context, id string) (State, error)
	// Stop sends the stop signal, waits up to grace, then kills, and waits.
	Stop(ctx context.Context, id string, grace time.Duration) error
	// State looks at one container.
	State(ctx context.Context, id string) (State, error)
	// List looks at all containers of this folder.
	List(ctx context.Context) ([]State, error)
	// Stats reads the counters of a running container.
	Stats(ctx context.Context, id string) (Stats, error)
	// Exec runs a command in the container and returns its exit code.
	Exec(ctx context.Context, id string, e ExecSpec) (int, error)
	// Remove takes away a stopped container with its root file system; a
	// running one is killed first.
	Remove(ctx context.Context, id string) error
}
