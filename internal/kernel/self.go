package kernel

import (
	"os"
	"runtime"
	"strconv"
	"strings"
)

// Figures are what a process of ours holds at a moment: what must stay flat
// while it goes on.
type Figures struct {
	PID        int    `json:"pid"`
	Goroutines int    `json:"goroutines"`
	Threads    int    `json:"threads"`
	FDs        int    `json:"fds"`
	Heap       uint64 `json:"heap"` // bytes of live and not yet collected objects
	RSS        uint64 `json:"rss"`  // bytes
}

// Self weighs this process. With collect it collects garbage first, so that
// two figures can be compared; that costs milliseconds.
func Self(collect bool) Figures {
	if collect {
		runtime.GC()
	}
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	f := Figures{PID: os.Getpid(), Goroutines: runtime.NumGoroutine(), Heap: m.HeapAlloc}
	if fds, err := os.ReadDir("/proc/self/fd"); err == nil {
		f.FDs = len(fds) - 1 // one was ours, for reading
	}
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return f
	}
	for line := range strings.Lines(string(status)) {
		words := strings.Fields(line)
		if len(words) < 2 {
			continue
		}
		n, err := strconv.ParseUint(words[1], 10, 64)
		switch {
		case err != nil:
		case words[0] == "Threads:":
			f.Threads = int(n)
		case words[0] == "VmRSS:":
			f.RSS = n << 10
		}
	}
	return f
}
