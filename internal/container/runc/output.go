package runc

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"berth/internal/clock"
)

const (
	maxLine = 256 << 10 // a longer line becomes several
	maxFile = 16 << 20  // then the log is renamed to .1, replacing the last
)

// line is one line of the log.
type line struct {
	Time   string `json:"t"`
	Stream string `json:"s"`
	Text   string `json:"m"`
}

// pipes are the container's ends of its stdout and stderr.
type pipes [2]int

func (p pipes) close() {
	for _, fd := range p {
		if fd > 0 {
			_ = unix.Close(fd)
		}
	}
}

// streams are the names of a container's outputs, as descriptors 1 and 2.
var streams = [2]string{"stdout", "stderr"}

// outputs opens the log and starts to pump.
func (c *child) outputs(k clock.Clock) (pipes, error) {
	if err := c.log.open(); err != nil {
		return pipes{}, err
	}
	var p pipes
	for i, name := range streams {
		r, w, err := pipe()
		if err != nil {
			p.close()
			return pipes{}, fmt.Errorf("make pipe: %w", err)
		}
		p[i] = w
		c.pump(r, name, k)
		var st unix.Stat_t
		if err := unix.Fstat(w, &st); err != nil {
			p.close()
			return pipes{}, fmt.Errorf("look at pipe: %w", err)
		}
		c.status.Pipes[i] = st.Ino
	}
	return p, nil
}

func (c *child) pump(r *os.File, stream string, k clock.Clock) {
	c.outs = append(c.outs, r)
	c.logs.Go(func() { pump(r, stream, &c.log, k) })
}

// closeOutputs ends what is read, and the log.
func (c *child) closeOutputs() {
	for _, r := range c.outs {
		_ = r.Close()
	}
	c.logs.Wait()
	if c.log.f != nil {
		_ = c.log.f.Close()
	}
}

// pipe makes a pipe whose writer's end could be read from, too. So a container
// is not killed for writing while it has no parent: to the kernel there is a
// reader, and a new parent finds what was written.
func pipe() (r *os.File, w int, err error) {
	var fds [2]int
	if err := unix.Pipe2(fds[:], unix.O_CLOEXEC|unix.O_NONBLOCK); err != nil {
		return nil, 0, err
	}
	defer func() { _ = unix.Close(fds[1]) }()
	w, err = unix.Open("/proc/self/fd/"+strconv.Itoa(fds[1]), unix.O_RDWR|unix.O_CLOEXEC, 0)
	if err != nil {
		_ = unix.Close(fds[0])
		return nil, 0, err
	}
	return os.NewFile(uintptr(fds[0]), "output"), w, nil
}

// pump reads lines until the last writer has gone. It never stops reading: a
// full pipe would block the container.
func pump(r io.Reader, stream string, log *logFile, c clock.Clock) {
	buf := bufio.NewReaderSize(r, 16<<10)
	var text []byte
	flush := func() {
		log.write(line{c.Now().Format(time.RFC3339Nano), stream, string(text)})
		text = text[:0]
	}
	for {
		part, err := buf.ReadSlice('\n')
		text = append(text, part...)
		if n := len(text); n > 0 && text[n-1] == '\n' {
			text = text[:n-1]
			flush()
			continue
		}
		for len(text) > maxLine {
			rest := append([]byte(nil), text[maxLine:]...)
			text = text[:maxLine]
			flush()
			text = append(text, rest...)
		}
		if err != nil && !errors.Is(err, bufio.ErrBufferFull) {
			if len(text) > 0 {
				flush()
			}
			return
		}
	}
}

// logFile is the log of both streams: at most two files of maxFile. A line
// that cannot be written (the disk is full) is lost; the container goes on.
type logFile struct {
	mu   sync.Mutex
	path string
	f    *os.File
	size int64
}

func (l *logFile) open() error {
	f, err := os.OpenFile(l.path, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return fmt.Errorf("open log: %w", err)
	}
	info, err := f.Stat()
	if err != nil {
		_ = f.Close()
		return fmt.Errorf("open log: %w", err)
	}
	l.f, l.size = f, info.Size()
	return nil
}

func (l *logFile) write(e line) {
	data, err := json.Marshal(e)
	if err != nil {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.size > maxFile && os.Rename(l.path, l.path+".1") == nil {
		_ = l.f.Close()
		if l.open() != nil {
			return
		}
	}
	n, _ := l.f.Write(append(data, '\n'))
	l.size += int64(n)
}
