// Package machine defines the driver of machines: launch, look, terminate. A
// driver chooses nothing; it makes a machine of the shape it is told. Drivers
// are machine/local (a slice of this host) and machine/sim (simulated, from a
// seed); both pass the suite in machinetest.
package machine

import (
	"context"
	"time"

	"berth/internal/model"
)

// Spec is the machine that is wanted. It is complete: a driver looks nothing up.
type Spec struct {
	ID             string // i-…; launching the same ID twice is one machine
	Type           string // EC2 instance type, for the metadata service
	VCPU           int64
	MemoryMiB      int64
	ReservedMiB    int64 // of the memory, held back for the agent
	StorageGiB     int64
	Architecture   string // x86_64, arm64
	Interface      string // ENI id: the network namespace that the machine lives in
	MAC            string
	PrivateIP      string
	SubnetCIDR     string
	Subnet         string
	VPC            string
	Zone           string
	ZoneID         string
	Region         string
	Account        string
	Cluster        string // ECS cluster name that its agent joins
	ImageID        string // AMI id, for the metadata service
	ProfileARN     string // instance profile
	RoleName       string // the role in it, for the metadata service
	Tags           map[string]string
	SecurityGroups []string
	// CABundle is the PEM of the authority that signs the endpoints' certificates.
	CABundle []byte
	// Nameserver is the VPC's resolver.
	Nameserver string
	// TaskNetwork says that the agent fetches images and sends logs through its
	// task's interface, not through the machine's own.
	TaskNetwork bool
	// ContainerInstanceARN is what the registration of its agent is to yield.
	ContainerInstanceARN string
	// Own says that the machine is an instance of the user's own: its user data
	// are run before its agent, which joins the cluster that they name.
	Own bool
	// UserData are base64, as the metadata service's owner gave them.
	UserData string
	// OpenMetadata says that the metadata service answers without a token too.
	OpenMetadata bool
}

// Credentials are what the metadata service gives out for the machine's role.
type Credentials struct {
	AccessKeyID string    `json:"AccessKeyId"`
	Secret      string    `json:"SecretAccessKey"`
	Token       string    `json:"Token"`
	Expires     time.Time `json:"Expiration"`
}

// State of a machine.
type State string

// The states of a machine, as EC2 names them.
const (
	Pending    State = "pending"
	Running    State = "running"
	Terminated State = "terminated"
)

// Machine is what a driver knows of a machine.
type Machine struct {
	ID         string
	State      State
	PID        int // of its first process; 0 for a simulated one
	LaunchedAt time.Time
	Reason     string // why it ended, if the driver knows
	// Boot is what the agent of an instance of the user's own says of its start.
	Boot model.Boot
}

// Driver launches and ends machines. All methods may be called concurrently
// and again after a crash of the caller.
type Driver interface {
	// Launch starts a machine. A machine of that ID that runs already is
	// returned as it is. Errors: fault.Capacity when the host has no free capacity,
	// fault.Invalid for an impossible spec, fault.Unavailable otherwise.
	Launch(ctx context.Context, spec Spec) (Machine, error)
	// SetCredentials replaces the role credentials in the metadata service.
	SetCredentials(ctx context.Context, id string, c Credentials) error
	// Get returns one machine; fault.NotFound if it never was or is forgotten.
	Get(ctx context.Context, id string) (Machine, error)
	// Console returns the end of what the user data of a machine wrote, at most
	// 64 KiB; fault.NotFound as Get.
	Console(ctx context.Context, id string) ([]byte, error)
	// List returns all machines of this driver that are not terminated, and
	// those that ended by themselves and were not yet Terminated.
	List(ctx context.Context) ([]Machine, error)
	// Terminate ends a machine with everything in it and forgets it. An
	// absent machine is success.
	Terminate(ctx context.Context, id string) error
}
