package catalog

import "slices"

// Accelerator is one kind of accelerator that a type carries.
type Accelerator struct {
	Type         string `json:"type"` // gpu, fpga, inference, media
	Manufacturer string `json:"manufacturer"`
	Name         string `json:"name"`
	Count        int64  `json:"count"`
	MemoryMiB    int64  `json:"memory_mib"` // of one
}

// LocalStorage are a type's instance-store disks.
type LocalStorage struct {
	TotalGB int64  `json:"total_gb"`
	Type    string `json:"type"` // hdd, ssd
	NVMe    string `json:"nvme"`
	// Disks are [count, GB, type].
	Disks [][3]any `json:"disks"`
}

// Credits are the CPU credits of a burstable type.
type Credits struct {
	Baseline float64 `json:"baseline_percent_per_vcpu"`
	PerHour  float64 `json:"credits_per_hour"`
	Most     float64 `json:"max_accrued"`
}

// Type is an EC2 instance type. A zero figure is an unknown one.
type Type struct {
	Name              string        `json:"name"`
	Family            string        `json:"family"`
	Size              string        `json:"size"`
	Class             string        `json:"class"` // c, m, r, t, …
	Generation        int64         `json:"generation"`
	Current           bool          `json:"current_generation"`
	Retired           bool          `json:"retired"`
	VCPU              int64         `json:"vcpu"`
	Cores             int64         `json:"cores"`
	ThreadsPerCore    int64         `json:"threads_per_core"`
	ClockGHz          float64       `json:"clock_ghz"`
	MemoryMiB         int64         `json:"memory_mib"`
	Manufacturer      string        `json:"cpu_manufacturer"` // intel, amd, amazon-web-services, apple
	Architectures     []string      `json:"architectures"`    // x86_64, arm64, i386
	Burstable         bool          `json:"burstable"`
	BareMetal         bool          `json:"bare_metal"`
	Hypervisor        string        `json:"hypervisor"` // nitro, xen
	Hibernation       bool          `json:"hibernation"`
	FreeTier          bool          `json:"free_tier"`
	OnDemand          bool          `json:"on_demand"`
	Spot              bool          `json:"spot"`
	CapacityBlock     bool          `json:"capacity_block"`
	AutoRecovery      bool          `json:"auto_recovery"`
	DedicatedHosts    bool          `json:"dedicated_hosts"`
	BootModes         []string      `json:"boot_modes"`
	RootDevices       []string      `json:"root_device_types"`
	Virtualization    []string      `json:"virtualization_types"`
	PlacementGroups   []string      `json:"placement_strategies"`
	EBSOptimized      string        `json:"ebs_optimized"`
	EBSNVMe           string        `json:"ebs_nvme"`
	EBSBaselineMbps   int64         `json:"ebs_baseline_mbps"`
	EBSMaxMbps        int64         `json:"ebs_max_mbps"`
	EBSBaselineIOPS   int64         `json:"ebs_baseline_iops"`
	EBSMaxIOPS        int64         `json:"ebs_max_iops"`
	EBSBaselineMBs    float64       `json:"ebs_baseline_mbs"`
	EBSMaxMBs         float64       `json:"ebs_max_mbs"`
	Network           string        `json:"network_performance"`
	NetworkBaseline   float64       `json:"network_baseline_gbps"`
	NetworkPeak       float64       `json:"network_peak_gbps"`
	NetworkCards      int64         `json:"network_cards"`
	ENIs              int64         `json:"max_enis"`
	IPv4PerENI        int64         `json:"ipv4_per_eni"`
	IPv6PerENI        int64         `json:"ipv6_per_eni"`
	IPv6              bool          `json:"ipv6"`
	ENA               string        `json:"ena"`
	EFA               bool          `json:"efa"`
	Transit           bool          `json:"encryption_in_transit"`
	Trunking          bool          `json:"trunking"`
	BranchENIs        int64         `json:"branch_enis"`
	TasksUntrunked    int64         `json:"awsvpc_tasks"`
	TasksTrunked      int64         `json:"awsvpc_tasks_trunked"`
	LocalStorage      *LocalStorage `json:"local_storage"`
	Accelerators      []Accelerator `json:"accelerators"`
	AcceleratorCount  int64         `json:"accelerator_count"`
	AcceleratorMemory int64         `json:"accelerator_memory_mib"`
	Credits           *Credits      `json:"cpu_credits"`
	// ManagedInstances: listed, not-listed or unknown (newer than the list).
	ManagedInstances string `json:"ecs_managed_instances"`
	NitroEnclaves    bool   `json:"nitro_enclaves"`
	NitroTPM         bool   `json:"nitro_tpm"`
}

// Tasks is how many awsvpc tasks an instance of the type carries: with ENI
// trunking where the type has it, since Managed Instances always trunks
// (docs/facts/managed-instances.md MI109), else one for each interface but the first.
func (t Type) Tasks() int64 {
	if t.Trunking && t.TasksTrunked > 0 {
		return t.TasksTrunked
	}
	return t.TasksUntrunked
}

// SustainedCPU is the CPU, in units, that the type gives for ever: all of it,
// or the baseline of a burstable type.
func (t Type) SustainedCPU() int64 {
	if t.Burstable && t.Credits != nil {
		return int64(float64(t.VCPU) * 1024 * t.Credits.Baseline / 100)
	}
	return t.VCPU * 1024
}

// Runs reports whether the type has one of the architectures, named as EC2
// does (x86_64, arm64); none means any.
func (t Type) Runs(architectures ...string) bool {
	return len(architectures) == 0 || slices.ContainsFunc(architectures, func(a string) bool {
		return slices.Contains(t.Architectures, a)
	})
}

// Architecture is the type's first 64-bit architecture.
func (t Type) Architecture() string {
	for _, a := range t.Architectures {
		if a != "i386" {
			return a
		}
	}
	return ""
}

// Managed reports whether ECS Managed Instances ever launches the type: more
// than one vCPU, no nano or micro size, and a family for which the service
// has a fee (docs/facts/managed-instances.md MI107). Types that are newer than the fee
// list are taken to be supported, Macs excepted.
func (t Type) Managed() bool {
	return t.VCPU > 1 && t.Size != "nano" && t.Size != "micro" &&
		t.ManagedInstances != "not-listed" && t.Class != "mac" && !t.Retired
}
