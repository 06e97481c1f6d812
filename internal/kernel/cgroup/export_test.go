package cgroup

// NewHost reads lines of mountinfo, for tests.
func NewHost(lines ...string) *Host {
	h := &Host{v1: map[string]string{}}
	for _, l := range lines {
		h.addMount(l)
	}
	return h
}

// Points is points, for tests.
func (h *Host) Points() []string { return h.points() }

// Keyed, BlockBytes and IOBytes are the parsers of counters, for tests.
var (
	Keyed      = keyed
	BlockBytes = blockBytes
	IOBytes    = ioBytes
)
