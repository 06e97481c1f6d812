package agent

import (
	"context"
	"net"
	"net/http"
	"syscall"

	"berth/internal/kernel"
)

// outside makes the calls that the agent makes for a task: through the
// machine's interface, or on Fargate, as its platform 1.4.0 does, through the
// task's own.
func (t *task) outside() (*api, error) {
	a := t.agent
	if a.TaskTransport == nil || t.netns() == "" {
		return a.api, nil
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.way == nil {
		d := a.Deps
		var err error
		if d.Transport, err = a.TaskTransport(t.netns()); err != nil {
			return nil, err
		}
		t.way = newAPI(d)
	}
	return t.way, nil
}

// taskTransport is newTransport in the namespace mounted at path.
func taskTransport(c Config, path string) (http.RoundTripper, error) {
	return transportOver(c, func(ctx context.Context, network, address string) (net.Conn, error) {
		ns, err := kernel.OpenNetns(path)
		if err != nil {
			return nil, err
		}
		defer func() { _ = ns.Close() }()
		return ns.DialContext(ctx, network, address)
	})
}

// ephemeral is what a task of Fargate has of the disk and what is taken, in
// MiB, nil if that is not held.
func (a *Agent) ephemeral() map[string]int64 {
	var s syscall.Statfs_t
	if a.StorageGiB == 0 || syscall.Statfs(a.Dir, &s) != nil {
		return nil
	}
	return map[string]int64{"Utilized": int64(s.Blocks-s.Bfree) * s.Bsize >> 20, "Reserved": a.StorageGiB << 10}
}
