package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"syscall"
	"time"
)

// The crowd: clients that say nothing, and clients in the middle of a request.
const (
	idleClients = 10_000
	slowClients = 1_000
	// crowdFiles is what this process and those under test may have open.
	crowdFiles = 65_536
)

// crowds holds 10,000 idle and 1,000 slow connections open on the API and on the
// edge while eight others are served: what the crowd holds and what it costs
// those others. Where the machine allows fewer files, fewer are idle.
func crowds(ctx context.Context, b *bench) error {
	idle := min(idleClients, files()*56/100-slowClients-100) // the API's share: see places.Of
	if idle < 1 {
		return fmt.Errorf("this machine allows %d open files, which is too few", files())
	}
	return errors.Join(b.crowdOfAPI(ctx, idle), b.crowdOfEdge(ctx, idle))
}

// files raises what this process and its children may have open; it returns how
// many that is.
func files() int {
	l := syscall.Rlimit{Cur: crowdFiles, Max: crowdFiles}
	if syscall.Setrlimit(syscall.RLIMIT_NOFILE, &l) == nil {
		return crowdFiles
	}
	if syscall.Getrlimit(syscall.RLIMIT_NOFILE, &l) != nil {
		return 0
	}
	l.Cur = l.Max
	_ = syscall.Setrlimit(syscall.RLIMIT_NOFILE, &l) // to the children, too
	return int(l.Cur)
}

func (b *bench) crowdOfAPI(ctx context.Context, idle int) (err error) {
	l, err := b.server(ctx, "crowd", "1")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, l.stop()) }()
	const head = "POST / HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/x-amz-json-1.1\r\n" +
		"X-Amz-Target: AmazonEC2ContainerServiceV20141113.ListClusters\r\n"
	return b.crowd(ctx, idle, place{
		"API", b.listen, l.cmd.Process.Pid, []byte(head + "Content-Length: 2\r\n\r\n{}"), [2]string{head, head + "Content-Length: 100\r\n\r\n{"},
	})
}

func (b *bench) crowdOfEdge(ctx context.Context, idle int) error {
	backend, stop, err := target(ctx)
	if err != nil {
		return err
	}
	defer stop()
	p, err := b.edge(ctx, backend)
	if err != nil {
		return err
	}
	defer p.over()
	pids, err := p.group.Procs()
	if err != nil || len(pids) == 0 {
		return fmt.Errorf("the edge's process: %w", err)
	}
	const head = "GET /index.html HTTP/1.1\r\nHost: bench.elb.localhost\r\n"
	whole := []byte(head + "\r\n")
	if err := until(ctx, 10*time.Second, 20*time.Millisecond, "the edge answers", func() (bool, error) {
		n, err := ask(ctx, p.address, [][]byte{whole}, 1, 100*time.Millisecond)
		return n > 0, err
	}); err != nil {
		return err
	}
	const body = "POST /index.html HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\nhi"
	return b.crowd(ctx, idle, place{"edge", p.address, pids[0], whole, [2]string{head, body}})
}

// place is what a crowd comes to.
type place struct {
	name, address string
	pid           int
	whole         []byte    // a request
	halves        [2]string // of requests, in the middle of a head and of a body
}

// crowd measures a process without and with the crowd.
func (b *bench) crowd(ctx context.Context, idle int, p place) error {
	quiet, err := b.busy(ctx, p)
	if err != nil {
		return err
	}
	before, _, err := memory(p.pid)
	if err != nil {
		return err
	}
	var all []net.Conn
	defer func() {
		for _, c := range all {
			_ = c.Close()
		}
	}()
	for i := range idle + slowClients {
		c, err := (&net.Dialer{}).DialContext(ctx, "tcp", p.address)
		if err != nil {
			return fmt.Errorf("connection %d to the %s: %w", i, p.name, err)
		}
		all = append(all, c)
		if i >= idle {
			if _, err := c.Write([]byte(p.halves[i%2])); err != nil {
				return err
			}
		}
	}
	if err := rest(ctx, time.Second); err != nil {
		return err
	}
	spent := usedBy(p.pid)
	if err := rest(ctx, 5*time.Second); err != nil {
		return err
	}
	spent = usedBy(p.pid) - spent
	after, _, err := memory(p.pid)
	if err != nil {
		return err
	}
	crowded, err := b.busy(ctx, p)
	if err != nil {
		return err
	}
	work := fmt.Sprintf("%d idle and %d slow connections", idle, slowClients)
	b.table.add(work, p.name, "KiB resident per connection", []float64{(after - before) * 1024 / float64(idle+slowClients)}, nil)
	b.table.add(work, p.name, "CPU ms per second for them alone", []float64{float64(spent.Milliseconds()) / 5}, nil)
	b.table.add("the others beside them", p.name, "CPU µs per call, without", quiet, nil)
	b.table.add("the others beside them", p.name, "CPU µs per call, with", crowded, nil)
	return nil
}

// busy is what each of a number of calls costs the process.
func (b *bench) busy(ctx context.Context, p place) (micros []float64, err error) {
	for range b.rounds {
		before := usedBy(p.pid)
		n, err := ask(ctx, p.address, [][]byte{p.whole}, 8, time.Second)
		if err != nil || n == 0 {
			return nil, fmt.Errorf("%d calls of the %s: %w", n, p.name, err)
		}
		micros = append(micros, float64((usedBy(p.pid)-before).Microseconds())/float64(n))
	}
	return micros, nil
}
