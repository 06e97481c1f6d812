package catalog

// FargateSize is one row of Fargate's table of sizes: what memory a task with
// so many CPU units may have (docs/facts/fargate.md FG1).
type FargateSize struct {
	CPU int64 // units
	// Memory in MiB goes from Least to Most by Step, and may also be First.
	First, Least, Most, Step int64
}

// FargateSizes are the sizes of Fargate tasks on Linux.
var FargateSizes = []FargateSize{
	{256, 512, 1024, 2048, 1024},
	{512, 0, 1024, 4096, 1024},
	{1024, 0, 2048, 8192, 1024},
	{2048, 0, 4096, 16384, 1024},
	{4096, 0, 8192, 30720, 1024},
	{8192, 0, 16384, 61440, 4096},
	{16384, 0, 32768, 122880, 8192},
}

// The bounds of a Fargate task's ephemeral storage in GiB. What is not asked
// for is FargateStorage, which cannot be asked for.
const (
	FargateStorage      = 20
	FargateStorageLeast = 21
	FargateStorageMost  = 200
)

// IsFargateSize reports whether Fargate sells tasks of so many CPU units and
// MiB.
func IsFargateSize(cpu, memory int64) bool {
	for _, s := range FargateSizes {
		if s.CPU == cpu {
			return s.holds(memory)
		}
	}
	return false
}

func (s FargateSize) holds(memory int64) bool {
	return memory > 0 && memory == s.First || memory >= s.Least && memory <= s.Most && (memory-s.Least)%s.Step == 0
}
