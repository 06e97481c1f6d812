package catalog

import "berth/internal/model"

// HoldBack is the memory, in MiB, that an instance keeps for its system and
// its agent. AWS publishes no figures. Ours are 192 MiB, and 5 % of the first
// 16 GiB and 2 % of the rest. The two observations on record bound it: a
// c6a.large of 4,096 MiB carried seven tasks of 512 MiB, so at most 512 MiB
// were held back there, and an r5a.large of 16 GiB carried 15 GiB of tasks, so
// at most 1,024 MiB there (docs/facts/managed-instances.md MI108 and MI109).
func HoldBack(memoryMiB int64) int64 {
	const knee = 16 << 10
	return 192 + min(memoryMiB, knee)*5/100 + max(memoryMiB-knee, 0)*2/100
}

// ReservedPorts are the host ports that every instance keeps for itself.
func ReservedPorts() []string { return []string{"22", "2375", "2376", "51678", "51679"} }

// Registered is what an instance of the type offers to tasks. Ports are those
// that are taken from the start.
func Registered(t Type) model.Resources {
	return model.Resources{
		CPU:    t.VCPU * 1024,
		Memory: max(t.MemoryMiB-HoldBack(t.MemoryMiB), 0),
		ENIs:   t.Tasks(),
		Ports:  ReservedPorts(),
	}
}
