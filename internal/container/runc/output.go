package runc

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"sync"
	"time"

	"berth/internal/clock"
)

const (
	maxLine = 256 << 10 // a longer line becomes several
	maxFile = 16 << 20  // then the log is renamed to .1, replacing the last
	// drainTime bounds the wait for output after the end, for the case that
	// a descriptor was handed out of the container.
	drainTime = 500 * time.Millisecond
)

// line is one line of the log.
type line struct {
	Time   string `json:"t"`
	Stream string `json:"s"`
	Text   string `json:"m"`
}

// pipes are the write ends for the container's stdout and stderr.
type pipes struct{ w [2]*os.File }

func (p pipes) close() {
	for _, f := range p.w {
		if f != nil {
			_ = f.Close()
		}
	}
}

// streams are the names of a container's outputs, as descriptors 1 and 2.
var streams = [2]string{"stdout", "stderr"}

// outputs opens the log and starts to pump.
func (s *shim) outputs() (pipes, error) {
	log := &logFile{path: s.b.log()}
	if err := log.open(); err != nil {
		return pipes{}, err
	}
	var p pipes
	for i, name := range streams {
		r, w, err := os.Pipe()
		if err != nil {
			p.close()
			return pipes{}, fmt.Errorf("make pipe: %w", err)
		}
		p.w[i] = w
		if s.status.Pipes[i], err = inode(fmt.Sprintf("/proc/self/fd/%d", w.Fd())); err != nil {
			p.close()
			return pipes{}, fmt.Errorf("look at pipe: %w", err)
		}
		s.logs.Go(func() { pump(r, name, log, s.clock) })
	}
	return p, nil
}

// drain waits for the last output.
func (s *shim) drain() {
	done := make(chan struct{})
	go func() { s.logs.Wait(); close(done) }()
	select {
	case <-done:
	case <-clock.After(s.clock, drainTime):
	}
}

// pump reads lines until the last writer has gone. It never stops reading: a
// full pipe would block the container.
func pump(r io.ReadCloser, stream string, log *logFile, c clock.Clock) {
	defer func() { _ = r.Close() }()
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
	f, err := os.OpenFile(l.path, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
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
