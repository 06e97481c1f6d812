package agent

import (
	"context"
	"encoding/json"
	"net"
	"net/http"
	"time"

	"berth/internal/container"
	"berth/internal/container/image"
)

// Arguments is arguments, for tests.
var Arguments = arguments

// Via is how an agent reaches an image's registry.
func Via(a *Agent, image, user, password string) http.RoundTripper {
	return a.via(image, a.Transport, login{user, password})
}

// ImageConfig is a short name for tests.
type ImageConfig = image.Config

// Tail reads a log file for tests.
type Tail struct{ t tail }

// NewTail reads path from an offset on.
func NewTail(path string, at int64) *Tail { return &Tail{tail{path: path, at: at}} }

// Lines returns what has come.
func (t *Tail) Lines() ([]string, error) {
	events, next, err := t.t.read()
	t.t.at = next
	var out []string
	for _, e := range events {
		out = append(out, *e.Message)
	}
	return out, err
}

// Close closes the file.
func (t *Tail) Close() { t.t.close() }

// Taken is a reading of a container's counter of CPU time, and when it began and
// ended.
type Taken struct {
	From, To time.Time
	CPUNanos uint64
}

// HighestCPU is the highest percentage of a CPU that readings come to.
func HighestCPU(all ...Taken) float64 {
	m := &meter{last: map[string]reading{}, sets: map[string]*samples{}}
	for _, t := range all {
		m.add("c", reading{from: t.From, to: t.To, stats: container.Stats{CPUNanos: t.CPUNanos}})
	}
	return m.sets["c"].cpu.Max
}

// NoTasks is the metadata service of a machine without tasks.
func NoTasks() http.Handler { return taskService{func(string) *task { return nil }} }

// DialTrusted connects as the agent does, to the address at whatever it is
// asked for.
func DialTrusted(caFile, at string) (func(ctx context.Context, network, address string) (net.Conn, error), error) {
	t, err := newTrust(caFile)
	return t.dialer(func(ctx context.Context, network, _ string) (net.Conn, error) {
		var d net.Dialer
		return d.DialContext(ctx, network, at)
	}), err
}

// Settings shows what a configuration file of the agent says, and whether it
// leaves a capability.
func Settings(text []byte) (shown string, has func(capability string) bool) {
	s := readSettings(text)
	b, _ := json.Marshal(s) // of strings, numbers and booleans
	return string(b), s.has
}
