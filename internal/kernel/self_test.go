package kernel_test

import (
	"os"
	"testing"

	"berth/internal/kernel"
)

func TestSelfCountsWhatThisProcessHolds(t *testing.T) {
	before := kernel.Self(true)
	stop, held := make(chan struct{}), make([]*os.File, 0, 10)
	for range cap(held) {
		f, err := os.Open("/proc/self/status")
		if err != nil {
			t.Fatal(err)
		}
		held = append(held, f)
		go func() { <-stop }()
	}
	during := kernel.Self(false)
	if during.FDs != before.FDs+10 || during.Goroutines != before.Goroutines+10 {
		t.Errorf("ten files and goroutines more: %+v, was %+v", during, before)
	}
	if during.PID != os.Getpid() || during.Heap == 0 || during.RSS == 0 || during.Threads == 0 {
		t.Errorf("nothing was weighed: %+v", during)
	}
	close(stop)
	for _, f := range held {
		_ = f.Close()
	}
	if after := kernel.Self(true); after.FDs != before.FDs {
		t.Errorf("files closed: %+v, was %+v", after, before)
	}
}
