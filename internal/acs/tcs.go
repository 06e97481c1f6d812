package acs

import (
	"math"
	"strconv"
	"time"
)

// Stamp is a moment as telemetry writes it: seconds with a fraction.
type Stamp time.Time

// MarshalJSON writes seconds since 1970.
func (s Stamp) MarshalJSON() ([]byte, error) {
	return strconv.AppendFloat(nil, float64(time.Time(s).UnixMilli())/1000, 'f', 3, 64), nil
}

// UnmarshalJSON reads seconds since 1970.
func (s *Stamp) UnmarshalJSON(b []byte) error {
	f, err := strconv.ParseFloat(string(b), 64)
	if err != nil || math.IsNaN(f) || math.Abs(f) > 1e12 {
		*s = Stamp{}
		return err
	}
	*s = Stamp(time.UnixMilli(int64(math.Round(f * 1000))).UTC())
	return nil
}

// TelemetryMetadata begins each telemetry message.
type TelemetryMetadata struct {
	Cluster           string `json:"cluster"`
	ContainerInstance string `json:"containerInstance"`
	MessageID         string `json:"messageId,omitempty"`
	RequestID         string `json:"requestId,omitempty"`
	Idle              bool   `json:"idle,omitempty"`
	Fin               bool   `json:"fin,omitempty"`
}

// PublishMetrics carries figures of tasks.
type PublishMetrics struct {
	Metadata    TelemetryMetadata `json:"metadata"`
	TaskMetrics []TaskMetric      `json:"taskMetrics"`
	Timestamp   Stamp             `json:"timestamp"`
}

// TaskMetric is one task's figures.
type TaskMetric struct {
	TaskARN    string            `json:"taskArn"`
	Family     string            `json:"taskDefinitionFamily"`
	Version    string            `json:"taskDefinitionVersion"`
	Containers []ContainerMetric `json:"containerMetrics"`
}

// ContainerMetric is one container's figures.
type ContainerMetric struct {
	Name    string        `json:"containerName"`
	CPU     *StatsSet     `json:"cpuStatsSet,omitempty"`
	Memory  *StatsSet     `json:"memoryStatsSet,omitempty"`
	Network *NetworkStats `json:"networkStatsSet,omitempty"`
	Storage *StorageStats `json:"storageStatsSet,omitempty"`
	Restart *RestartStats `json:"restartStatsSet,omitempty"`
}

// StatsSet summarises observations: CPU in percent of one core, memory in MiB.
type StatsSet struct {
	Min         float64 `json:"min"`
	Max         float64 `json:"max"`
	SampleCount int64   `json:"sampleCount"`
	Sum         float64 `json:"sum"`
}

// Sum is an observed counter over the interval.
type Sum struct {
	Min         int64 `json:"min"`
	Max         int64 `json:"max"`
	SampleCount int64 `json:"sampleCount"`
	Sum         int64 `json:"sum"`
}

// NetworkStats are the interface's counters.
type NetworkStats struct {
	RxBytes       *Sum      `json:"rxBytes,omitempty"`
	TxBytes       *Sum      `json:"txBytes,omitempty"`
	RxPackets     *Sum      `json:"rxPackets,omitempty"`
	TxPackets     *Sum      `json:"txPackets,omitempty"`
	RxBytesPerSec *StatsSet `json:"rxBytesPerSecond,omitempty"`
	TxBytesPerSec *StatsSet `json:"txBytesPerSecond,omitempty"`
}

// StorageStats are bytes read and written.
type StorageStats struct {
	ReadSizeBytes  *Sum `json:"readSizeBytes,omitempty"`
	WriteSizeBytes *Sum `json:"writeSizeBytes,omitempty"`
}

// RestartStats counts restarts in place.
type RestartStats struct {
	RestartCount int64 `json:"restartCount"`
}

// PublishHealth carries the health of containers with health checks.
type PublishHealth struct {
	Metadata  TelemetryMetadata `json:"metadata"`
	Tasks     []TaskHealth      `json:"tasks"`
	Timestamp Stamp             `json:"timestamp"`
}

// TaskHealth is one task's health.
type TaskHealth struct {
	TaskARN    string            `json:"taskArn"`
	ClusterARN string            `json:"clusterArn"`
	Family     string            `json:"taskDefinitionFamily"`
	Version    string            `json:"taskDefinitionVersion"`
	Containers []ContainerHealth `json:"containers"`
}

// ContainerHealth is one container's health.
type ContainerHealth struct {
	Name    string `json:"containerName"`
	Status  string `json:"healthStatus"` // HEALTHY, UNHEALTHY, UNKNOWN
	Since   Stamp  `json:"statusSince"`
	Message string `json:"statusMessage,omitempty"`
}

// PublishStatus carries the state of the machine itself.
type PublishStatus struct {
	Metadata  TelemetryMetadata `json:"metadata"`
	Statuses  []InstanceStatus  `json:"statuses"`
	Timestamp Stamp             `json:"timestamp"`
}

// InstanceStatus is one status of the machine.
type InstanceStatus struct {
	Type             string `json:"type"`   // ContainerRuntime
	Status           string `json:"status"` // OK, IMPAIRED, INSUFFICIENT_DATA, INITIALIZING
	LastUpdated      Stamp  `json:"lastUpdated"`
	LastStatusChange Stamp  `json:"lastStatusChange"`
}

// TelemetryAck answers each telemetry message.
type TelemetryAck struct {
	Message string `json:"message"`
}
