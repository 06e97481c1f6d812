package runc

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"berth/internal/fault"
)

// What a Driver asks of the parent of its containers, in lines of JSON. The
// answer comes when there is one, and carries the request's number; the first
// line has none and says that the Driver is heard.
const (
	doStart  = "start"  // answered when the container's process has been executed
	doSettle = "settle" // answered when no start of it is under way
	doWait   = "wait"   // answered when the parent has nothing more to do with it
)

type request struct {
	N  uint64 `json:"n"`
	Do string `json:"do"`
	ID string `json:"id"`
}

type answer struct {
	N     uint64 `json:"n"`
	Error string `json:"error,omitempty"`
}

func (d Deps) lockFile() string { return filepath.Join(d.Dir, "parent.lock") }

// socket is the path of the parent's socket, by a descriptor of the folder:
// the kernel takes no long ones.
func (d Deps) socket() (path string, folder int, err error) {
	folder, err = unix.Open(d.Dir, unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	return "/proc/self/fd/" + strconv.Itoa(folder) + "/parent.sock", folder, err
}

// listen must hold the folder's lock. The folder stays open: by it the
// listener takes the socket's name away when it is closed.
func (p *parent) listen() (net.Listener, error) {
	path, _, err := p.socket()
	if err != nil {
		return nil, err
	}
	_ = os.Remove(path) // of one that was killed
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: path, Net: "unix"})
	if err != nil {
		return nil, err
	}
	return l, os.Chmod(path, 0o600)
}

// errGone: the parent has ended.
var errGone = errors.New("the parent of the containers is gone")

// link is a Driver's connection to the parent.
type link struct {
	conn net.Conn
	gone chan struct{} // closed when the parent has ended

	mu   sync.Mutex // guards what follows, and writes
	last uint64
	open map[uint64]chan answer
}

// newLink waits for the parent's first answer.
func newLink(conn net.Conn) (*link, error) {
	in := json.NewDecoder(conn)
	var a answer
	err := in.Decode(&a)
	if err == nil && a.Error != "" {
		err = errors.New(a.Error)
	}
	if err != nil {
		_ = conn.Close()
		return nil, err
	}
	l := &link{conn: conn, gone: make(chan struct{}), open: map[uint64]chan answer{}}
	go l.read(in)
	return l, nil
}

func (l *link) read(in *json.Decoder) {
	for {
		var a answer
		if in.Decode(&a) != nil {
			break
		}
		l.mu.Lock()
		ch := l.open[a.N]
		delete(l.open, a.N)
		l.mu.Unlock()
		if ch != nil {
			ch <- a
		}
	}
	close(l.gone)
	_ = l.conn.Close()
}

// ask waits for the answer; errGone if the parent ends before.
func (l *link) ask(ctx context.Context, do, id string) error {
	ch := make(chan answer, 1)
	l.mu.Lock()
	l.last++
	n := l.last
	l.open[n] = ch
	_ = json.NewEncoder(l.conn).Encode(request{n, do, id}) // if it has gone, the reader says so
	l.mu.Unlock()
	select {
	case a := <-ch:
		return a.err()
	case <-l.gone:
		select {
		case a := <-ch: // its last answer
			return a.err()
		default:
			return errGone
		}
	case <-ctx.Done():
		l.mu.Lock()
		delete(l.open, n)
		l.mu.Unlock()
		return ctx.Err()
	}
}

func (a answer) err() error {
	if a.Error == "" {
		return nil
	}
	return fault.New(fault.Invalid, "", "%s", a.Error)
}

// parentTries and parentPause bound how long a Driver tries to reach a parent:
// one that has just been killed may hold the lock for a moment.
const (
	parentTries = 500
	parentPause = 10 * time.Millisecond
)

// parent connects to the parent of the containers, and starts one if there is
// none. A new one has taken over what runs before it is heard.
func (d *Driver) parent() (*link, error) {
	d.linking.Lock()
	defer d.linking.Unlock()
	again := time.NewTicker(parentPause) // real time: it is another process
	defer again.Stop()
	l, err := d.connect()
	for try := 1; err != nil; try++ {
		if l, err = d.spawn(); err == nil {
			break
		}
		if try == parentTries {
			return nil, fault.Wrap(fault.Internal, err, "reach the parent of the containers")
		}
		<-again.C
		l, err = d.connect()
	}
	d.link = l
	return l, nil
}

// Close leaves the parent, which ends by itself when nobody is connected and
// nothing runs. A later call connects again.
func (d *Driver) Close() error {
	d.linking.Lock()
	defer d.linking.Unlock()
	if d.link == nil {
		return nil
	}
	return d.link.conn.Close()
}

// anyParent is parent, but starts none.
func (d *Driver) anyParent() (*link, error) {
	d.linking.Lock()
	defer d.linking.Unlock()
	l, err := d.connect()
	if err == nil {
		d.link = l
	}
	return l, err
}

// connect is called with linking held.
func (d *Driver) connect() (*link, error) {
	if d.link != nil && !isClosed(d.link.gone) {
		return d.link, nil
	}
	path, folder, err := d.socket()
	if err != nil {
		return nil, err
	}
	defer func() { _ = unix.Close(folder) }()
	conn, err := net.DialUnix("unix", nil, &net.UnixAddr{Name: path, Net: "unix"})
	if err != nil {
		return nil, err
	}
	return newLink(conn)
}

// spawn starts "Self shim DIR MEMORY RUNTIME USERS" in a session of its own.
func (d *Driver) spawn() (*link, error) {
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
	if err != nil {
		return nil, fmt.Errorf("make socket: %w", err)
	}
	ours, theirs := os.NewFile(uintptr(fds[0]), "parent"), os.NewFile(uintptr(fds[1]), "ready")
	defer func() { _ = ours.Close() }()                                                        // FileConn makes a descriptor of its own
	cmd := exec.Command(d.Self, "shim", d.Dir, d.Memory, d.RuntimePath, strconv.Itoa(d.Users)) //nolint:noctx // it outlives the caller
	cmd.Dir = "/"
	cmd.Env = []string{"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "GOMAXPROCS=2"}
	cmd.ExtraFiles = []*os.File{theirs}
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	err = cmd.Start()
	_ = theirs.Close()
	if err != nil {
		return nil, fmt.Errorf("start the parent of the containers: %w", err)
	}
	go func() { _ = cmd.Wait() }() // reaps it if this process is still there
	conn, err := net.FileConn(ours)
	if err != nil {
		return nil, err
	}
	return newLink(conn)
}
