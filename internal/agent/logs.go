package agent

import (
	"bufio"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"io"
	"io/fs"
	"os"
	"strings"
	"time"

	"berth/internal/clock"
	"berth/internal/fault"
	"berth/internal/wire/shape/logs"
)

// How often a container's log is looked at, how much goes into one call, and
// for how long after its end the rest may still be sent.
const (
	logEvery     = 500 * time.Millisecond
	logBatch     = 1000
	logBatchSize = 900 << 10 // bytes; a call takes 1 MiB
	logEventOver = 26        // bytes that an event counts beside its text
	logLinger    = 10 * time.Second
)

// destination of a container's log.
type destination struct{ group, stream, region string }

// logTo is where the container's log goes; ok is false if nowhere.
func (r *run) logTo() (d destination, ok bool) {
	l := r.host.LogConfig
	if l == nil || l.Type != "awslogs" {
		return d, false
	}
	return destination{l.Config["awslogs-group"], l.Config["awslogs-stream"], cmp.Or(l.Config["awslogs-region"], r.task.agent.Region)}, true
}

// logOptions that are built. Lines are read from a file, so that neither mode
// can block the container: both keep their promise.
var logOptions = map[string]bool{
	"awslogs-group": true, "awslogs-stream": true, "awslogs-region": true, "awslogs-stream-prefix": true, "awslogs-create-group": true,
	"mode": true, "max-buffer-size": true,
}

// openLog makes the container's log stream. A group that is missing keeps the
// container from starting, as on AWS.
func (r *run) openLog(ctx context.Context) error {
	l := r.host.LogConfig
	if l == nil || l.Type == "none" {
		return nil
	}
	if l.Type != "awslogs" {
		return fault.New(fault.NotImplemented, "CannotStartContainerError", "failed to initialize logging driver: %s is not built", l.Type)
	}
	for o := range l.Config {
		if !logOptions[o] {
			return fault.New(fault.NotImplemented, "CannotStartContainerError", "failed to initialize logging driver: option %s is not built", o)
		}
	}
	d, _ := r.logTo()
	if d.stream == "" {
		d.stream = r.id
		l.Config["awslogs-stream"] = r.id
	}
	err := r.createStream(ctx, d)
	if fault.CodeOf(err) == "ResourceNotFoundException" && l.Config["awslogs-create-group"] == "true" {
		if err = r.createGroup(ctx, d); err == nil || exists(err) {
			err = r.createStream(ctx, d)
		}
	}
	switch {
	case err == nil:
		return nil
	case fault.CodeOf(err) == "ResourceNotFoundException":
		return fault.New(
			fault.NotFound, "ResourceInitializationError",
			"failed to validate logger args: The task cannot find the Amazon CloudWatch log group defined in the task definition. There is a "+
				"connection issue between the task and Amazon CloudWatch. Check your network configuration. : ResourceNotFoundException: The "+
				"specified log group does not exist.",
		)
	default:
		return fault.New(
			fault.ClassOf(err), "ResourceInitializationError", "failed to initialize logging driver: failed to create Cloudwatch log stream: %s",
			strings.TrimPrefix(reasonOf(err), ": "),
		)
	}
}

func exists(err error) bool { return fault.CodeOf(err) == "ResourceAlreadyExistsException" }

func (r *run) createGroup(ctx context.Context, d destination) error {
	return r.callLogs(ctx, d, func(api logs.Client) error {
		_, err := api.CreateLogGroup(ctx, &logs.CreateLogGroupInput{LogGroupName: &d.group})
		return err
	})
}

func (r *run) createStream(ctx context.Context, d destination) error {
	err := r.callLogs(ctx, d, func(api logs.Client) error {
		_, err := api.CreateLogStream(ctx, &logs.CreateLogStreamInput{LogGroupName: &d.group, LogStreamName: &d.stream})
		return err
	})
	if exists(err) {
		return nil
	}
	return err
}

// callLogs makes a call with the task's keys, up to three times.
func (r *run) callLogs(ctx context.Context, d destination, call func(logs.Client) error) error {
	a := r.task.agent
	return a.retry(ctx, 3, func() error {
		k, err := r.serviceKeys(ctx)
		if err != nil {
			return err
		}
		way, err := r.task.outside()
		if err != nil {
			return err
		}
		return call(logs.Client{Caller: way.as(d.region, k)})
	})
}

// ship sends the container's log, line by line, until some time after it has
// ended.
func (r *run) ship(ctx context.Context, ended <-chan struct{}) {
	d, ok := r.logTo()
	if !ok {
		return
	}
	a := r.task.agent
	st, err := a.Driver.State(ctx, r.id)
	if err != nil || st.LogPath == "" {
		return
	}
	tail := &tail{path: st.LogPath, at: r.task.look(r.def.Name).LogAt}
	defer tail.close()
	var late <-chan struct{}
	for {
		over := isClosedRead(ended) // before reading: nothing is written after it
		n, err := r.shipOnce(ctx, d, tail)
		if err != nil {
			a.Log.Warn("log not sent", "task", r.task.id(), "container", r.def.Name, "error", err)
		}
		if over && err == nil && n == 0 {
			return
		}
		if n > 0 && err == nil {
			continue
		}
		if over && late == nil {
			late = clock.After(a.Clock, logLinger)
		}
		wake := ended
		if over {
			wake = nil
		}
		select {
		case <-ctx.Done():
			return
		case <-late:
			return
		case <-wake:
		case <-clock.After(a.Clock, logEvery):
		}
	}
}

func isClosedRead(c <-chan struct{}) bool {
	select {
	case <-c:
		return true
	default:
		return false
	}
}

// shipOnce sends what has come since the last time, at most one call of it.
func (r *run) shipOnce(ctx context.Context, d destination, t *tail) (int, error) {
	events, next, err := t.read()
	if err != nil {
		return 0, err
	}
	if len(events) == 0 {
		t.at = next // past empty lines
		return 0, nil
	}
	err = r.callLogs(ctx, d, func(api logs.Client) error {
		_, err := api.PutLogEvents(ctx, &logs.PutLogEventsInput{LogGroupName: &d.group, LogStreamName: &d.stream, LogEvents: events})
		return err
	})
	if fault.CodeOf(err) == "ResourceNotFoundException" {
		// Somebody deleted the stream while the container runs.
		if err := r.createStream(ctx, d); err != nil {
			return 0, err
		}
		return 0, err
	}
	if err != nil && !fault.Is(err, fault.Invalid) {
		return 0, err
	}
	t.at = next // what is refused for good must not hold up the rest
	r.task.container(r.def.Name, func(c *containerRecord) { c.LogAt = next })
	return len(events), err
}

// tail reads a log file from an offset on, across its rotation: the old file
// is read to its end first.
type tail struct {
	path string
	at   int64
	file *os.File
}

func (t *tail) close() {
	if t.file != nil {
		_ = t.file.Close()
	}
}

// read returns the whole lines behind the offset, up to a batch, and the
// offset behind them.
func (t *tail) read() ([]logs.InputLogEvent, int64, error) {
	if t.file == nil {
		f, err := os.Open(t.path)
		if errors.Is(err, fs.ErrNotExist) {
			return nil, t.at, nil
		}
		if err != nil {
			return nil, t.at, err
		}
		t.file = f
		if info, err := f.Stat(); err == nil && info.Size() < t.at {
			t.at = 0 // rotated while nobody read
		}
	}
	events, next, err := lines(t.file, t.at)
	if len(events) == 0 && err == nil && t.rotated() {
		t.close()
		t.file, t.at = nil, 0
		return t.read()
	}
	return events, next, err
}

// rotated tells whether the path names another file now.
func (t *tail) rotated() bool {
	now, err := os.Stat(t.path)
	if err != nil {
		return false
	}
	mine, err := t.file.Stat()
	return err == nil && !os.SameFile(now, mine)
}

func lines(f *os.File, at int64) ([]logs.InputLogEvent, int64, error) {
	if _, err := f.Seek(at, io.SeekStart); err != nil {
		return nil, at, err
	}
	in := bufio.NewReaderSize(f, 64<<10)
	var out []logs.InputLogEvent
	for size := 0; len(out) < logBatch && size < logBatchSize; {
		b, err := in.ReadBytes('\n')
		if errors.Is(err, io.EOF) {
			break // half a line, or none: it will be whole the next time
		}
		if err != nil {
			return nil, at, err
		}
		at += int64(len(b))
		var l struct {
			At   time.Time `json:"t"`
			Text string    `json:"m"`
		}
		if json.Unmarshal(b, &l) != nil || l.Text == "" {
			continue // CloudWatch Logs takes no empty messages
		}
		sent := l.At.UnixMilli()
		if last := len(out) - 1; last >= 0 {
			sent = max(sent, *out[last].Timestamp) // in order, as the call demands
		}
		out = append(out, logs.InputLogEvent{Timestamp: &sent, Message: &l.Text})
		size += len(l.Text) + logEventOver
	}
	return out, at, nil
}
