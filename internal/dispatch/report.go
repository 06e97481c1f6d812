package dispatch

import (
	"time"

	"berth/internal/model"
)

// Registration is what an agent says of its machine when it signs in
// (RegisterContainerInstance).
type Registration struct {
	Cluster string // name or ARN; "" is default
	// Instance is the container instance ARN that an agent remembers from an
	// earlier registration, or "".
	Instance string
	// Document is the instance identity document, as JSON text.
	Document       string
	CPU            int64    // units
	Memory         int64    // MiB, less what the agent holds back
	Ports          []string // reserved TCP ports
	PortsUDP       []string
	Attributes     []model.Attribute
	AgentVersion   string // "" if the agent does not say
	RuntimeVersion string
}

// Endpoints is the answer of DiscoverPollEndpoint.
type Endpoints struct {
	Agent          string // ACS
	Telemetry      string // TCS
	ServiceConnect string
	SystemLogs     string
}

// ContainerReport is what an agent says of one container.
type ContainerReport struct {
	Name        string
	Status      string // PENDING, RUNNING, STOPPED; "" says nothing
	RuntimeID   string
	ExitCode    *int64
	Reason      string
	ImageDigest string
	// Health is HEALTHY, UNHEALTHY, UNKNOWN or "" for no news.
	Health string
	// Bindings are the ports of the machine that lead to it; nil is no news.
	Bindings []model.NetworkBinding
}

// TaskReport is what an agent says of a task (SubmitTaskStateChange). Times
// are real time, as the agent's machine tells it; the gateway translates them
// into the control plane's.
type TaskReport struct {
	Cluster            string // name or ARN
	Task               string // ARN
	Status             string // PENDING, RUNNING, STOPPED
	Reason             string
	Containers         []ContainerReport
	Attachments        []AttachmentReport
	PullStartedAt      time.Time
	PullStoppedAt      time.Time
	ExecutionStoppedAt time.Time
}

// AttachmentReport is what an agent says of an interface
// (SubmitAttachmentStateChanges).
type AttachmentReport struct {
	Attachment string // ARN
	Status     string // ATTACHED, …
}

// Sample is one task's figures over one telemetry interval of 20 seconds.
type Sample struct {
	Instance   model.Instance
	Task       model.Task
	Containers []ContainerSample
	At         time.Time // the control plane's time
}

// ContainerSample is one container's part of a Sample. CPU in percent of one
// core, memory in MiB.
type ContainerSample struct {
	Name           string
	CPU            Figures
	Memory         Figures
	RxBytes        uint64 // in the interval
	TxBytes        uint64
	RxBytesPerSec  float64
	TxBytesPerSec  float64
	ReadBytes      uint64
	WriteBytes     uint64
	RestartedTimes int64
}

// Figures summarise the observations of one interval.
type Figures struct {
	Min, Max, Sum float64
	Count         int64
}
