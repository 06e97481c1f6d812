package runc

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"time"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"berth/internal/container"
	"berth/internal/kernel"
)

// bundle is a container's two folders: that of its records, and that of its
// disk.
type bundle struct{ dir, disk string }

func (d Deps) bundleOf(id string) bundle {
	return bundle{filepath.Join(d.containers(), id), filepath.Join(d.disks(), id)}
}

func (b bundle) file(name string) string { return filepath.Join(b.dir, name) }
func (b bundle) spec() string            { return b.file("spec.json") }
func (b bundle) statusFile() string      { return b.file("status.jsonl") }
func (b bundle) pidFile() string         { return b.file("pid") }
func (b bundle) users() string           { return b.file("users") } // is there if it has a user namespace
func (b bundle) runtimeLog() string      { return b.file("runtime.log") }

// log is the file of the container's output.
func (b bundle) log() string { return filepath.Join(b.disk, "output.log") }

// source is where the n-th mount's folder is for the runtime, if it has a root
// of its own.
func (b bundle) source(n int) string { return filepath.Join(b.disk, "source-"+strconv.Itoa(n)) }

// phases of status.jsonl. A folder without it was created and not started, or
// its start is under way or was broken off.
const (
	phaseRunning = "running"
	phaseStopped = "stopped"
)

// unseen is the exit code of a container whose end nobody saw, because its
// parent or the whole machine ended first: that of a killed process.
const unseen = 137

// status is what the parent records; each record replaces those before it.
type status struct {
	Phase      string    `json:"phase"`
	Parent     process   `json:"parent"`
	Container  process   `json:"container"`
	Cgroups    []string  `json:"cgroups,omitempty"` // lines of /proc/PID/cgroup
	Pipes      [2]uint64 `json:"pipes"`             // inodes of its stdout and stderr
	ExitCode   int       `json:"exitCode"`
	OOMKilled  bool      `json:"oomKilled,omitempty"`
	StartedAt  time.Time `json:"startedAt"`
	FinishedAt time.Time `json:"finishedAt,omitzero"`
}

// remove takes both folders away; the records last, so that whoever is killed
// in between can be asked again.
func (b bundle) remove() error {
	return errors.Join(os.RemoveAll(b.disk), os.RemoveAll(b.dir))
}

// make writes the folders; spec.json comes last and makes it count. Every file
// less is a task's start that is cheaper: making an inode is dear on ext4
// while many have just been removed.
func (b bundle) make(spec container.Spec, config *specs.Spec) error {
	dirs := []string{b.dir, b.disk, filepath.Join(b.disk, "upper"), filepath.Join(b.disk, "work")}
	for i, m := range spec.Mounts {
		if m.Root != "" {
			dirs = append(dirs, b.source(i))
		}
	}
	for _, dir := range dirs {
		if err := os.Mkdir(dir, 0o755); err != nil { // containers of any user have their root below it
			return fmt.Errorf("make folder: %w", err)
		}
	}
	data, err := json.Marshal(config)
	if err == nil && len(config.Linux.UIDMappings) > 0 {
		err = b.giveTo(int(config.Linux.UIDMappings[0].HostID), config.Root.Path, spec.Privileged)
	}
	if err == nil {
		err = os.WriteFile(b.file("config.json"), data, 0o600)
	}
	if err != nil {
		return fmt.Errorf("write config.json: %w", err)
	}
	return writeJSON(b.spec(), spec)
}

// linkLayer gives a layer a short name in the driver's folder: the options of
// an overlay of 127 layers must fit into one page.
func (d Deps) linkLayer(layer string) error {
	name := filepath.Join(d.layers(), layerName(layer))
	if to, err := os.Readlink(name); err == nil && to == layer {
		return nil
	}
	err := os.Symlink(layer, name)
	if errors.Is(err, fs.ErrExist) {
		if to, rerr := os.Readlink(name); rerr == nil && to == layer {
			return nil // somebody else was quicker
		}
	}
	if err != nil {
		return fmt.Errorf("link layer: %w", err)
	}
	return nil
}

func layerName(layer string) string {
	h := sha256.Sum256([]byte(layer))
	return hex.EncodeToString(h[:6])
}

func (b bundle) readSpec() (container.Spec, error) {
	var s container.Spec
	data, err := os.ReadFile(b.spec())
	if err == nil {
		err = json.Unmarshal(data, &s)
	}
	if err != nil {
		return s, fmt.Errorf("read container's specification: %w", err)
	}
	return s, nil
}

// status reads the record; the zero value means never started.
func (b bundle) status() status {
	var s status
	if data, err := kernel.LastRecord(b.statusFile()); err == nil {
		_ = json.Unmarshal(data, &s)
	}
	return s
}

func (b bundle) record(s status) error {
	data, err := json.Marshal(s)
	if err == nil {
		err = kernel.AppendRecord(b.statusFile(), data)
	}
	if err != nil {
		return fmt.Errorf("record a container's state: %w", err)
	}
	return nil
}

// look reads the record and holds it against what really runs.
func (b bundle) look() (status, container.Status) {
	st := b.status()
	if st.Phase == "" {
		return st, container.Created
	}
	if st.Phase == phaseRunning && (st.Parent.alive() || st.Container.alive()) {
		return st, container.Running
	}
	if st.Phase == phaseRunning {
		// The parent records the end before it goes, so look once more.
		st = b.status()
	}
	if st.Phase == phaseRunning {
		st.ExitCode = unseen
	}
	return st, container.Stopped
}

// state is all that can be said of the container.
func (b bundle) state(id string) container.State {
	st, is := b.look()
	out := container.State{ID: id, Status: is, StartedAt: st.StartedAt, LogPath: b.log()}
	if spec, err := b.readSpec(); err == nil {
		out.Labels = spec.Labels
	}
	switch is {
	case container.Running:
		out.PID = st.Container.PID
	case container.Stopped:
		out.ExitCode, out.OOMKilled, out.FinishedAt = st.ExitCode, st.OOMKilled, st.FinishedAt
	case container.Created:
	}
	return out
}

// end records how a container ended.
func (b bundle) end(st status, ws unix.WaitStatus, at time.Time) error {
	st.Phase, st.FinishedAt, st.ExitCode = phaseStopped, at, ws.ExitStatus()
	if ws.Signaled() {
		st.ExitCode = 128 + int(ws.Signal())
		st.OOMKilled = ws.Signal() == unix.SIGKILL && oomKilled(st.Cgroups)
	}
	return b.record(st)
}

// writeJSON replaces a file whole.
func writeJSON(path string, v any) error {
	data, err := json.Marshal(v)
	if err != nil {
		return fmt.Errorf("encode %s: %w", filepath.Base(path), err)
	}
	f, err := os.CreateTemp(filepath.Dir(path), filepath.Base(path)+".*")
	if err != nil {
		return fmt.Errorf("write %s: %w", filepath.Base(path), err)
	}
	_, err = f.Write(data)
	if err = errors.Join(err, f.Close()); err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		_ = os.Remove(f.Name())
		return fmt.Errorf("write %s: %w", filepath.Base(path), err)
	}
	return nil
}
