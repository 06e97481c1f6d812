// Package acs has the messages that an ECS agent and the control plane
// exchange over web sockets: ACS (work) and TCS (telemetry), as a stock
// amazon-ecs-agent speaks them, and their framing
// (docs/facts/agent-protocol.md A3, A4, A6).
//
// It is the vocabulary of two packages that may not know each other, agent and
// dispatch. It opens no connection, decides nothing and holds no state;
// everything in it is safe for concurrent use.
package acs

import (
	"bytes"
	"encoding/json"
	"fmt"
)

// Envelope is one frame.
type Envelope struct {
	Type    string          `json:"type"`
	Message json.RawMessage `json:"message"`
}

// Encode makes the frame of a message.
func Encode(kind string, message any) ([]byte, error) {
	m, err := json.Marshal(message)
	if err != nil {
		return nil, fmt.Errorf("encode %s: %w", kind, err)
	}
	return json.Marshal(Envelope{kind, m})
}

// EncodeSigned makes the frame of a telemetry message of an agent: header
// lines, an empty line, and the frame.
func EncodeSigned(headers [][2]string, kind string, message any) ([]byte, error) {
	b, err := Encode(kind, message)
	if err != nil {
		return nil, err
	}
	var out bytes.Buffer
	for _, h := range headers {
		fmt.Fprintf(&out, "%s: %s\r\n", h[0], h[1])
	}
	out.WriteString("\r\n")
	out.Write(b)
	return out.Bytes(), nil
}

// Decode reads a frame, with or without header lines before it.
func Decode(frame []byte) (Envelope, error) {
	if len(frame) > 0 && frame[0] != '{' {
		if _, rest, ok := bytes.Cut(frame, []byte("\r\n\r\n")); ok {
			frame = rest
		}
	}
	var e Envelope
	if err := json.Unmarshal(frame, &e); err != nil {
		return Envelope{}, fmt.Errorf("decode frame: %w", err)
	}
	if e.Type == "" {
		return Envelope{}, fmt.Errorf("decode frame: no type")
	}
	return e, nil
}

// The types of messages.
const (
	TypeHeartbeat          = "HeartbeatMessage"
	TypeHeartbeatAck       = "HeartbeatAckRequest"
	TypePayload            = "PayloadMessage"
	TypeAck                = "AckRequest"
	TypeNack               = "NackRequest"
	TypeCredentials        = "IAMRoleCredentialsMessage"
	TypeCredentialsAck     = "IAMRoleCredentialsAckRequest"
	TypeManifest           = "TaskManifestMessage"
	TypeStopVerification   = "TaskStopVerificationMessage"
	TypeStopAck            = "TaskStopVerificationAck"
	TypeError              = "ErrorMessage"
	TypeClose              = "CloseMessage"
	TypePublishMetrics     = "PublishMetricsRequest"
	TypePublishHealth      = "PublishHealthRequest"
	TypePublishStatus      = "PublishInstanceStatusRequest"
	TypeAckMetrics         = "AckPublishMetric"
	TypeAckHealth          = "AckPublishHealth"
	TypeAckStatus          = "AckPublishInstanceStatus"
	RoleApplication        = "TaskApplication"
	RoleExecution          = "TaskExecution"
	DesiredRunning         = "RUNNING"
	DesiredStopped         = "STOPPED"
	InactiveInstance       = "InactiveInstanceException"
	AccessDenied           = "AccessDeniedException"
	InvalidInstance        = "InvalidInstanceException"
	InvalidCluster         = "InvalidClusterException"
	LogsAuthExecutionRole  = "ExecutionRole"
	RegistryECR            = "ecr"
	RegistryASM            = "asm"
	VolumeTypeHost         = "host"
	HealthCheckDocker      = "docker"
	InterfaceTypeDefault   = "default"
	MetadataAddress        = "169.254.170.2"
	DockerConfigAPIVersion = "1.21"
)

// Heartbeat keeps a connection alive.
type Heartbeat struct {
	Healthy   bool   `json:"healthy"`
	MessageID string `json:"messageId,omitempty"`
	// PublishEvery, on the telemetry connection, is how often, in seconds of
	// real time, figures are wanted: a control plane whose clock runs fast has
	// short minutes. Berth's own addition; the stock agent passes over it.
	PublishEvery float64 `json:"berthPublishEvery,omitempty"`
}

// Ack answers a payload or a manifest.
type Ack struct {
	Cluster           string `json:"cluster,omitempty"`
	ContainerInstance string `json:"containerInstance,omitempty"`
	MessageID         string `json:"messageId"`
	Reason            string `json:"reason,omitempty"`
}

// Payload brings tasks to start and to stop.
type Payload struct {
	MessageID            string `json:"messageId"`
	ClusterARN           string `json:"clusterArn"`
	ContainerInstanceARN string `json:"containerInstanceArn"`
	GeneratedAt          int64  `json:"generatedAt"` // ms
	SeqNum               int64  `json:"seqNum"`
	Tasks                []Task `json:"tasks"`
}

// Task is one task of a payload.
type Task struct {
	ARN                  string           `json:"arn"`
	DesiredStatus        string           `json:"desiredStatus"`
	Family               string           `json:"family"`
	Version              string           `json:"version"`
	TaskClusterARN       string           `json:"taskClusterArn,omitempty"`
	Overrides            string           `json:"overrides,omitempty"`
	CPU                  float64          `json:"cpu,omitempty"`    // vCPU
	Memory               int64            `json:"memory,omitempty"` // MiB
	NetworkMode          string           `json:"networkMode,omitempty"`
	LaunchType           string           `json:"launchType,omitempty"`
	Group                string           `json:"group,omitempty"`
	ServiceName          string           `json:"serviceName,omitempty"`
	Zone                 string           `json:"zone,omitempty"`
	PidMode              string           `json:"pidMode,omitempty"`
	IpcMode              string           `json:"ipcMode,omitempty"`
	Containers           []Container      `json:"containers"`
	Volumes              []Volume         `json:"volumes,omitempty"`
	RoleCredentials      *RoleCredentials `json:"roleCredentials,omitempty"`
	ExecutionCredentials *RoleCredentials `json:"executionRoleCredentials,omitempty"`
	Interfaces           []Interface      `json:"elasticNetworkInterfaces,omitempty"`
}

// Volume is a volume of a task.
type Volume struct {
	Name string       `json:"name"`
	Type string       `json:"type,omitempty"`
	Host VolumeSource `json:"host"`
}

// VolumeSource says where on the machine a volume is; "" is an empty folder.
type VolumeSource struct {
	SourcePath string `json:"sourcePath,omitempty"`
}

// Container is one container of a task.
type Container struct {
	Name             string            `json:"name"`
	Image            string            `json:"image"`
	ContainerARN     string            `json:"containerArn,omitempty"`
	Essential        bool              `json:"essential"`
	CPU              int64             `json:"cpu,omitempty"`    // shares
	Memory           int64             `json:"memory,omitempty"` // MiB
	Command          []string          `json:"command,omitempty"`
	EntryPoint       []string          `json:"entryPoint,omitempty"`
	Environment      map[string]string `json:"environment,omitempty"`
	Secrets          []Secret          `json:"secrets,omitempty"`
	Overrides        string            `json:"overrides,omitempty"`
	PortMappings     []PortMapping     `json:"portMappings,omitempty"`
	Links            []string          `json:"links,omitempty"` // NAME or NAME:ALIAS
	MountPoints      []MountPoint      `json:"mountPoints,omitempty"`
	DependsOn        []DependsOn       `json:"dependsOn,omitempty"`
	StartTimeout     int64             `json:"startTimeout,omitempty"`
	StopTimeout      *int64            `json:"stopTimeout,omitempty"`
	HealthCheckType  string            `json:"healthCheckType,omitempty"`
	LogsAuthStrategy string            `json:"logsAuthStrategy,omitempty"`
	RegistryAuth     *RegistryAuth     `json:"registryAuthentication,omitempty"`
	RestartPolicy    *RestartPolicy    `json:"restartPolicy,omitempty"`
	Docker           DockerConfig      `json:"dockerConfig"`
}

// Secret is an environment variable whose value is elsewhere.
type Secret struct {
	Name      string `json:"name"`
	ValueFrom string `json:"valueFrom"`
	Provider  string `json:"provider"`
	Type      string `json:"type"`
	Target    string `json:"target"`
	Region    string `json:"region"`
}

// The kinds of secrets that are sent.
const (
	SecretASM         = "asm"
	SecretSSM         = "ssm"
	SecretVariable    = "ENVIRONMENT_VARIABLE"
	SecretOfContainer = "CONTAINER"
)

// PortMapping maps a port.
type PortMapping struct {
	ContainerPort int64  `json:"containerPort"`
	HostPort      int64  `json:"hostPort"`
	Protocol      string `json:"protocol,omitempty"`
}

// MountPoint mounts a volume.
type MountPoint struct {
	SourceVolume  string `json:"sourceVolume"`
	ContainerPath string `json:"containerPath"`
	ReadOnly      bool   `json:"readOnly,omitempty"`
}

// DependsOn orders containers.
type DependsOn struct {
	Container string `json:"containerName"`
	Condition string `json:"condition"`
}

// RegistryAuth says how the registry is asked.
type RegistryAuth struct {
	Type string   `json:"type"`
	ECR  *ECRAuth `json:"ecrAuthData,omitempty"`
	ASM  *ASMAuth `json:"asmAuthData,omitempty"`
}

// ASMAuth is the secret that has a private registry's login.
type ASMAuth struct {
	CredentialsParameter string `json:"credentialsParameter"`
	Region               string `json:"region"`
}

// ECRAuth is how ECR is asked.
type ECRAuth struct {
	RegistryID       string `json:"registryId"`
	Region           string `json:"region"`
	EndpointOverride string `json:"endpointOverride,omitempty"`
	UseExecutionRole bool   `json:"useExecutionRole"`
}

// RestartPolicy restarts a container in place; the period is in seconds.
type RestartPolicy struct {
	Enabled              bool    `json:"enabled"`
	IgnoredExitCodes     []int64 `json:"ignoredExitCodes,omitempty"`
	RestartAttemptPeriod int64   `json:"restartAttemptPeriod,omitempty"`
}

// DockerConfig carries what has no field of its own, as the JSON that
// Docker's API takes.
type DockerConfig struct {
	Version    string `json:"version,omitempty"`
	Config     string `json:"config,omitempty"`
	HostConfig string `json:"hostConfig,omitempty"`
}

// Config is Docker's Config, as far as ECS uses it.
type Config struct {
	User        string            `json:"User,omitempty"`
	WorkingDir  string            `json:"WorkingDir,omitempty"`
	Labels      map[string]string `json:"Labels,omitempty"`
	Healthcheck *Healthcheck      `json:"Healthcheck,omitempty"`
}

// Healthcheck is Docker's health check; durations in nanoseconds.
type Healthcheck struct {
	Test        []string `json:"Test,omitempty"`
	Interval    int64    `json:"Interval,omitempty"`
	Timeout     int64    `json:"Timeout,omitempty"`
	Retries     int64    `json:"Retries,omitempty"`
	StartPeriod int64    `json:"StartPeriod,omitempty"`
}

// HostConfig is Docker's HostConfig, as far as ECS uses it.
type HostConfig struct {
	LogConfig         *LogConfig        `json:"LogConfig,omitempty"`
	CapAdd            []string          `json:"CapAdd,omitempty"`
	CapDrop           []string          `json:"CapDrop,omitempty"`
	Privileged        bool              `json:"Privileged,omitempty"`
	ReadonlyRootfs    bool              `json:"ReadonlyRootfs,omitempty"`
	Init              *bool             `json:"Init,omitempty"`
	Ulimits           []Ulimit          `json:"Ulimits,omitempty"`
	MemoryReservation int64             `json:"MemoryReservation,omitempty"` // bytes
	Tmpfs             map[string]string `json:"Tmpfs,omitempty"`
}

// LogConfig names a log driver.
type LogConfig struct {
	Type   string            `json:"Type"`
	Config map[string]string `json:"Config,omitempty"`
}

// Ulimit is a resource limit.
type Ulimit struct {
	Name string `json:"Name"`
	Soft int64  `json:"Soft"`
	Hard int64  `json:"Hard"`
}

// RoleCredentials are the keys of a role session.
type RoleCredentials struct {
	CredentialsID   string `json:"credentialsId"`
	RoleARN         string `json:"roleArn"`
	AccessKeyID     string `json:"accessKeyId"`
	SecretAccessKey string `json:"secretAccessKey"`
	SessionToken    string `json:"sessionToken"`
	Expiration      string `json:"expiration"` // RFC 3339
}

// Interface is a task's network interface.
type Interface struct {
	EC2ID            string    `json:"ec2Id"`
	MACAddress       string    `json:"macAddress"`
	AttachmentARN    string    `json:"attachmentArn"`
	IPv4Addresses    []Address `json:"ipv4Addresses"`
	SubnetGateway    string    `json:"subnetGatewayIpv4Address"`
	Nameservers      []string  `json:"domainNameServers,omitempty"`
	SearchDomains    []string  `json:"domainName,omitempty"`
	PrivateDNSName   string    `json:"privateDnsName,omitempty"`
	AssociationProto string    `json:"interfaceAssociationProtocol,omitempty"`
}

// Address is one address of an interface.
type Address struct {
	PrivateAddress string `json:"privateAddress"`
	Primary        bool   `json:"primary"`
}

// Credentials replaces the keys of a task's role.
type Credentials struct {
	MessageID      string          `json:"messageId"`
	TaskARN        string          `json:"taskArn"`
	TaskClusterARN string          `json:"taskClusterArn,omitempty"`
	RoleType       string          `json:"roleType"`
	Role           RoleCredentials `json:"roleCredentials"`
}

// CredentialsAck answers Credentials, and those in a payload.
type CredentialsAck struct {
	MessageID     string `json:"messageId"`
	Expiration    string `json:"expiration"`
	CredentialsID string `json:"credentialsId"`
}

// Manifest lists every task that an instance should know.
type Manifest struct {
	MessageID            string         `json:"messageId"`
	ClusterARN           string         `json:"clusterArn"`
	ContainerInstanceARN string         `json:"containerInstanceArn"`
	GeneratedAt          int64          `json:"generatedAt"`
	Timeline             int64          `json:"timeline"`
	Tasks                []ManifestTask `json:"tasks"`
}

// ManifestTask is one task of a manifest.
type ManifestTask struct {
	TaskARN        string `json:"taskArn"`
	TaskClusterARN string `json:"taskClusterArn,omitempty"`
	DesiredStatus  string `json:"desiredStatus"`
}

// StopVerification asks whether tasks that the manifest lacks should stop.
type StopVerification struct {
	MessageID      string         `json:"messageId"`
	StopCandidates []ManifestTask `json:"stopCandidates"`
}

// StopAck names the tasks that should.
type StopAck struct {
	MessageID   string         `json:"messageId"`
	GeneratedAt int64          `json:"generatedAt"`
	StopTasks   []ManifestTask `json:"stopTasks"`
}
