package runc

import (
	"context"
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// adopt takes over the containers of a parent that was killed. To the kernel
// they are somebody else's children: of their ends we learn from descriptors
// of the processes.
func (p *parent) adopt(ctx context.Context) error {
	entries, err := os.ReadDir(p.containers())
	if err != nil {
		return fmt.Errorf("list containers: %w", err)
	}
	for _, e := range entries {
		if !goodID(e.Name()) {
			continue
		}
		c := p.newChild(e.Name())
		c.status = c.b.status()
		if c.status.Phase != phaseRunning || !c.status.Container.alive() {
			continue
		}
		c.status.Parent = p.self
		if c.takeOutput(p) != nil || c.b.record(c.status) != nil {
			c.closeOutputs() // its Driver waits for it without us
			continue
		}
		close(c.started)
		p.children[c.id] = c
		go func() {
			ws, known, err := c.status.Container.outcome(ctx)
			if err != nil || !known {
				ws = unseen << 8
			}
			p.finish(ctx, c, ws)
		}()
	}
	return nil
}

// takeOutput opens the other end of the container's pipes: the kernel lets
// them be opened anew through the process that writes into them. What the
// container has put in their place since is left alone.
func (c *child) takeOutput(p *parent) error {
	if err := c.log.open(); err != nil {
		return err
	}
	for i, name := range streams {
		path := fmt.Sprintf("/proc/%d/fd/%d", c.status.Container.PID, i+1)
		if ino, err := inode(path); err != nil || ino != c.status.Pipes[i] {
			continue
		}
		r, err := os.OpenFile(path, os.O_RDONLY|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
		if err != nil {
			return fmt.Errorf("take the output of container %s over: %w", c.id, err)
		}
		c.pump(r, name, p.clock)
	}
	return nil
}

func inode(path string) (uint64, error) {
	var st unix.Stat_t
	if err := unix.Stat(path, &st); err != nil {
		return 0, err
	}
	return st.Ino, nil
}
