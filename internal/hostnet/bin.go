package hostnet

import (
	"log/slog"
	"sync"
)

// job takes one thing away; name is the namespace that goes, or "".
type job struct {
	name string
	run  func() error
}

// bin takes things away in the background, one by one: the kernel waits for
// its readers at each link, up to 40 ms.
type bin struct {
	mu    sync.Mutex
	jobs  []job
	names map[string]bool
	busy  bool
	// failed says that something stayed that should have gone.
	failed bool
	wg     sync.WaitGroup
}

func (b *bin) add(j job) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.jobs = append(b.jobs, j)
	if j.name != "" {
		b.names[j.name] = true
	}
}

// start empties the bin unless that is under way.
func (b *bin) start(log *slog.Logger) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.busy || len(b.jobs) == 0 {
		return
	}
	b.busy = true
	b.wg.Go(func() { b.run(log) })
}

func (b *bin) run(log *slog.Logger) {
	for {
		b.mu.Lock()
		if len(b.jobs) == 0 {
			b.busy = false
			b.mu.Unlock()
			return
		}
		// Namespaces first: the kernel takes their links along, many at once.
		next := 0
		for i, j := range b.jobs {
			if j.name != "" {
				next = i
				break
			}
		}
		j := b.jobs[next]
		b.jobs = append(b.jobs[:next], b.jobs[next+1:]...)
		b.mu.Unlock()
		err := j.run()
		if err != nil {
			log.Warn("taking a network away failed", "namespace", j.name, "error", err)
		}
		b.mu.Lock()
		delete(b.names, j.name)
		b.failed = b.failed || err != nil
		b.mu.Unlock()
	}
}

// takeFailed reports whether a job failed since the last question.
func (b *bin) takeFailed() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	failed := b.failed
	b.failed = false
	return failed
}

func (b *bin) wait() { b.wg.Wait() }

// waitFor waits if something that is wanted again is being taken away.
func (b *bin) waitFor(want map[string]*space) {
	b.mu.Lock()
	again := false
	for name := range b.names {
		again = again || want[name] != nil
	}
	b.mu.Unlock()
	if again {
		b.wait()
	}
}
