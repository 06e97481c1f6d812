package edge

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"berth/internal/balancer"
	"berth/internal/fault"
)

// Descriptors that a process inherits from the one that it replaces; listening
// sockets follow in the order of the legacy.
const (
	wordFD = 3 + iota // says "ok" when it serves
	lockFD            // of the data folder
	controlFD
	firstFD
)

// takeOverWithin is how long a new process may take until it serves, and
// leaveWithin how long clients that are connected to the old one may take to
// ask once more.
const (
	takeOverWithin = 10 * time.Second
	leaveWithin    = 30 * time.Second
)

// replacement is what the control socket's POST /replace takes.
type replacement struct {
	Self  string `json:"self"` // the program of the new process
	Clock Moment `json:"clock"`
}

// program names the file of a program, so that another build is told apart.
// "/proc/self/exe" is this one, even if its file was replaced.
func program(path string) string {
	var st unix.Stat_t
	if err := unix.Stat(path, &st); err != nil {
		return ""
	}
	return fmt.Sprintf("%d:%d:%d:%d", st.Dev, st.Ino, st.Size, st.Mtim.Nano())
}

func (p *process) legacyFile() string { return filepath.Join(p.data, "edge", "legacy.json") }

// replace starts a new process on the sockets of this one and leaves. If the
// new one does not come up, this one goes on.
func (p *process) replace(w http.ResponseWriter, r *http.Request) {
	var o replacement
	if err := json.NewDecoder(r.Body).Decode(&o); err != nil || o.Self == "" {
		http.Error(w, "a replacement names its program", http.StatusBadRequest)
		return
	}
	p.set.Lock() // the configuration stays as it is from here on
	defer p.set.Unlock()
	if err := p.handOver(r.Context(), o); err != nil {
		p.log.Error("hand over to another process", "error", err)
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	reply(w, struct{}{})
	_ = http.NewResponseController(w).Flush()
	p.left = true
	p.quit()
}

// handOver starts the new process and waits until it serves.
func (p *process) handOver(ctx context.Context, o replacement) error {
	legacy, sockets, err := p.b.HandOver()
	if err != nil {
		return err
	}
	defer closeAll(sockets)
	if err := writeWhole(p.legacyFile(), legacy); err != nil {
		return err
	}
	control, err := balancer.Duplicate(p.control)
	if err != nil {
		return err
	}
	defer closeAll([]int{control})
	word, tell, err := os.Pipe()
	if err != nil {
		return err
	}
	defer word.Close()
	defer tell.Close()
	pid, err := p.fork(o, append([]int{int(tell.Fd()), p.lock, control}, sockets...))
	if err != nil {
		return fmt.Errorf("start %s: %w", o.Self, err)
	}
	_ = tell.Close()
	go reap(pid)
	if err := await(ctx, word); err != nil {
		_ = syscall.Kill(pid, syscall.SIGKILL)
		return fmt.Errorf("start %s: %w", o.Self, err)
	}
	p.log.Info("another process goes on", "pid", pid)
	return nil
}

func closeAll(fds []int) {
	for _, fd := range fds {
		_ = unix.Close(fd)
	}
}

// fork starts the program with descriptors from wordFD on.
func (p *process) fork(o replacement, fds []int) (int, error) {
	out, err := os.OpenFile(filepath.Join(p.data, "edge", "edge.log"), os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		return 0, err
	}
	defer out.Close()
	null, err := os.Open(os.DevNull)
	if err != nil {
		return 0, err
	}
	defer null.Close()
	files := []uintptr{null.Fd(), out.Fd(), out.Fd()}
	for _, fd := range fds {
		files = append(files, uintptr(fd))
	}
	argv := []string{o.Self, "edge", "--data", p.data, "--inherit", strconv.Itoa(len(fds) - (firstFD - wordFD)),
		"--now", o.Clock.Now.Format(time.RFC3339Nano), "--speed", strconv.FormatFloat(o.Clock.Speed, 'g', -1, 64)}
	// the environment of this process
	return syscall.ForkExec(o.Self, argv, &syscall.ProcAttr{
		Dir: "/", Env: os.Environ(), Files: files, Sys: &syscall.SysProcAttr{Setsid: true},
	})
}

// reap keeps a new process that ends before us from being a zombie.
func reap(pid int) {
	var ws unix.WaitStatus
	for {
		if _, err := unix.Wait4(pid, &ws, 0, nil); !errors.Is(err, unix.EINTR) {
			return
		}
	}
}

// await reads the new process's word.
func await(ctx context.Context, word *os.File) error {
	ctx, cancel := context.WithTimeout(ctx, takeOverWithin)
	defer cancel()
	stop := context.AfterFunc(ctx, func() { _ = word.SetReadDeadline(time.Unix(1, 0)) })
	defer stop()
	b, err := io.ReadAll(io.LimitReader(word, 16))
	if err != nil {
		return errors.Join(err, ctx.Err())
	}
	if string(b) != "ok" {
		return errors.New("it ended without a word; see edge.log")
	}
	return nil
}

// inherit takes over what the process before this one left: n listening
// sockets.
func (p *process) inherit(n int) error {
	p.before = os.Getppid()
	p.lock = lockFD
	unix.CloseOnExec(wordFD)
	unix.CloseOnExec(lockFD)
	var legacy balancer.Legacy
	raw, err := os.ReadFile(p.legacyFile())
	if err == nil {
		err = json.Unmarshal(raw, &legacy)
	}
	if err != nil {
		return fmt.Errorf("edge: read what the process before left: %w", err)
	}
	if len(legacy.Sockets) != n {
		return fmt.Errorf("edge: %d sockets were handed over and %d announced", n, len(legacy.Sockets))
	}
	if p.control, err = listenerOf(controlFD); err != nil {
		return err
	}
	var all []net.Listener
	for i := range n {
		l, err := listenerOf(firstFD + i)
		if err != nil {
			return err
		}
		all = append(all, l)
	}
	p.b.Inherit(legacy, all)
	return os.Remove(p.legacyFile())
}

// listenerOf makes a listener of an inherited descriptor, which it closes.
func listenerOf(fd int) (net.Listener, error) {
	f := os.NewFile(uintptr(fd), "inherited")
	defer f.Close()
	l, err := net.FileListener(f)
	if err != nil {
		return nil, fmt.Errorf("edge: descriptor %d: %w", fd, err)
	}
	return l, nil
}

// announce tells the process before this one that it may leave.
func announce() error {
	f := os.NewFile(wordFD, "word")
	_, err := f.WriteString("ok")
	return errors.Join(err, f.Close())
}

// endBefore ends the process before this one, should it still wait for
// clients. While it lives it is our parent, so that the number is its own.
func (p *process) endBefore() {
	if p.before > 1 && os.Getppid() == p.before {
		_ = syscall.Kill(p.before, syscall.SIGTERM)
	}
}

// replaceBy has the process replaced by one of another program.
func (c *Client) replaceBy(ctx context.Context, self string) error {
	body, err := json.Marshal(replacement{Self: self, Clock: c.o.Time()})
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, takeOverWithin+5*time.Second)
	defer cancel()
	if err := c.call(ctx, http.MethodPost, "/replace", body, nil); err != nil {
		return fault.Wrap(fault.Unavailable, err, "replace the edge")
	}
	c.http.CloseIdleConnections()
	return nil
}

// renew replaces a process of another program than ours, so that a new
// version of Berth has an edge of its own; requests do not notice.
func (c *Client) renew(ctx context.Context) error {
	mine := program(c.o.Self)
	if s, ok := c.State(); !ok || mine == "" || s.Program == mine || s.Program == "" {
		return nil
	}
	if err := c.replaceBy(ctx, c.o.Self); err != nil {
		return err
	}
	return c.ensure(ctx)
}
