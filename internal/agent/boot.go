package agent

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"berth/internal/clock"
	"berth/internal/container"
	"berth/internal/container/hostroot"
	"berth/internal/fault"
	"berth/internal/kernel/inroot"
	"berth/internal/model"
	"berth/internal/userland"
)

// userData is the id of the container in which user data run.
const userData = "user-data"

// booted is what an agent remembers of the start of an instance of the user's own.
type booted struct {
	Made     bool     `json:"made"`  // its file system is there
	Ended    bool     `json:"ended"` // its user data have
	Settings settings `json:"settings"`
}

func (a *Agent) bootFile() string { return filepath.Join(a.Memory, "boot.jsonl") }

// boot runs the user data of an instance of the user's own and waits for their
// end, as the agent of an ECS-optimized image starts after them. It is done once
// in the machine's life, whoever is killed in between: the container outlives its
// agent.
func (a *Agent) boot(ctx context.Context) error {
	if !a.Own {
		return nil
	}
	var b booted
	if err := readRecord(a.bootFile(), &b); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("read how the instance started: %w", err)
	}
	if !b.Ended {
		if err := a.runUserData(ctx, &b); err != nil {
			return err
		}
		text, err := a.read(userland.ConfigFile)
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			a.Log.Warn("configuration of the agent not read", "error", err)
		}
		b.Ended, b.Settings = true, readSettings(text)
		if err := writeRecord(a.bootFile(), b); err != nil {
			return err
		}
	}
	a.apply(b.Settings)
	return a.unheld(ctx)
}

// apply makes the settings the agent's.
func (a *Agent) apply(s settings) {
	a.settings = s
	a.ReserveMiB += s.ReserveMiB
	if s.Cluster != "" {
		a.Cluster = s.Cluster
	}
	for _, t := range s.Trouble {
		a.Log.Warn("a line of ecs.config has no effect", "why", t)
	}
	a.told(func(r *model.Boot) { r.Cluster, r.Trouble, r.UserData = a.Cluster, s.Trouble, model.UserDataEnded })
}

// told changes what the machine says of its start, and writes it down.
func (a *Agent) told(change func(*model.Boot)) {
	if a.Report == "" {
		return
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	change(&a.report)
	b, err := json.Marshal(a.report)
	if err == nil {
		err = os.WriteFile(a.Report+".new", b, 0o600)
	}
	if err == nil {
		err = os.Rename(a.Report+".new", a.Report)
	}
	if err != nil {
		a.Log.Warn("the start of the instance is not told", "error", err)
	}
}

// runUserData runs them until they have ended.
func (a *Agent) runUserData(ctx context.Context, b *booted) error {
	_, err := a.api.metadata(ctx, "/latest/user-data")
	if fault.Is(err, fault.NotFound) {
		return nil
	}
	if err == nil {
		err = a.startUserData(ctx, b)
	}
	if err != nil {
		a.told(func(r *model.Boot) {
			r.Failures = []model.BootFailure{{Part: "user data", Last: "they could not be run: " + fault.MessageOf(err)}}
		})
		a.Log.Warn("user data not run", "error", err)
		return ctx.Err() // the agent starts all the same, as it does after those that fail
	}
	a.told(func(r *model.Boot) { r.UserData = model.UserDataRuns })
	return a.awaitUserData(ctx)
}

// startUserData makes the file system once, and the container.
func (a *Agent) startUserData(ctx context.Context, b *booted) error {
	if !b.Made {
		if err := a.makeRoot(); err != nil {
			return fmt.Errorf("make the instance's file system: %w", err)
		}
		b.Made = true
		if err := writeRecord(a.bootFile(), *b); err != nil {
			return err
		}
	}
	st, err := a.Driver.State(ctx, userData)
	if err == nil && st.Status != container.Created {
		return nil
	}
	spec, err := a.userDataSpec(ctx)
	if err != nil {
		return err
	}
	if err := a.Driver.Create(ctx, spec); err != nil {
		return err
	}
	return a.Driver.Start(ctx, userData)
}

// makeRoot writes what the instance's file system begins with: tasks' volumes of
// the host are in it, too. Nobody has been in it before.
func (a *Agent) makeRoot() error {
	root := a.hostRoot()
	more := map[string]string{"etc/resolv.conf": fmt.Sprintf("nameserver %s\nsearch %s.compute.internal\n", a.Nameserver, a.Region)}
	if a.CAFile != "" {
		more[bundlePath] = ""
	}
	if err := hostroot.Make(root); err != nil {
		return err
	}
	if err := userland.Install(root, more); err != nil {
		return err
	}
	return filepath.WalkDir(root, func(path string, _ fs.DirEntry, err error) error {
		if err != nil || a.Users == 0 {
			return err
		}
		return os.Lchown(path, a.Users, a.Users)
	})
}

// userDataSpec is the container of the user data: root in the instance's network,
// on its file system, with the host's programs.
func (a *Agent) userDataSpec(ctx context.Context) (container.Spec, error) {
	host, err := a.api.metadata(ctx, "/latest/meta-data/local-hostname")
	if err != nil {
		return container.Spec{}, err
	}
	s := container.Spec{
		ID: userData, Root: a.hostRoot(), Args: []string{userland.Program, "userland", "boot"}, Hostname: host, CgroupParent: a.Cgroup,
		Env: []string{
			"PATH=" + userland.Path, "HOME=/root", "LANG=C.UTF-8",
		},
		Mounts: append(hostroot.Mounts(), container.Mount{Source: a.Self, Destination: userland.Program, ReadOnly: true}),
	}
	if a.CAFile != "" {
		s.Mounts = append(s.Mounts, container.Mount{Source: a.bundleFile(), Destination: bundlePath, ReadOnly: true})
		for _, name := range []string{"AWS_CA_BUNDLE", "SSL_CERT_FILE", "NODE_EXTRA_CA_CERTS", "REQUESTS_CA_BUNDLE"} {
			s.Env = append(s.Env, name+"="+bundlePath)
		}
	}
	return s, nil
}

// How often the agent looks at user data that run, and at what they began.
const (
	lookOften  = 100 * time.Millisecond
	lookSeldom = 5 * time.Second
)

// awaitUserData waits until they have said how they ended, and copies their output
// for as long as something of theirs runs.
func (a *Agent) awaitUserData(ctx context.Context) error {
	for {
		st, err := a.Driver.State(ctx, userData)
		a.copyOutput()
		if ended := err != nil || st.Status == container.Stopped; a.hear(st, ended) {
			if !ended {
				a.group.Go(func() error { return a.watchUserData(ctx) })
			}
			return nil
		}
		if err := clock.Sleep(ctx, a.Clock, lookOften); err != nil {
			return err
		}
	}
}

// hear reads how they ended, if they have.
func (a *Agent) hear(st container.State, ended bool) bool {
	var r userland.Result
	text, err := a.read(userland.ResultFile)
	if err == nil {
		err = json.Unmarshal(text, &r)
	}
	if err != nil && !ended {
		return false
	}
	if err != nil {
		r.Failures = []userland.Failure{{Part: "user data", Exit: st.ExitCode, Last: "their first process ended"}}
	}
	a.copyOutput()
	a.told(func(b *model.Boot) {
		for _, f := range r.Failures {
			b.Failures = append(b.Failures, model.BootFailure{Part: f.Part, Exit: f.Exit, Last: f.Last})
		}
	})
	return true
}

// watchUserData copies the output of what they left behind.
func (a *Agent) watchUserData(ctx context.Context) error {
	for {
		if err := clock.Sleep(ctx, a.Clock, lookSeldom); err != nil {
			return err
		}
		a.copyOutput()
		if st, err := a.Driver.State(ctx, userData); err != nil || st.Status == container.Stopped {
			return nil //nolint:nilerr // there is nothing to watch
		}
	}
}

// unheld waits while user data keep the agent from running, which something that
// they left behind may end.
func (a *Agent) unheld(ctx context.Context) error {
	for {
		if _, err := a.read(userland.HeldFile); err != nil {
			a.told(func(b *model.Boot) { b.Held = false })
			return nil //nolint:nilerr // nothing holds it
		}
		a.told(func(b *model.Boot) { b.Held = true })
		if err := clock.Sleep(ctx, a.Clock, lookSeldom); err != nil {
			return err
		}
	}
}

// mostConsole is what EC2 keeps of an instance's console.
const mostConsole = 64 << 10

// copyOutput puts the end of what user data wrote where the machine's driver
// finds it: their own file is on the machine's volume.
func (a *Agent) copyOutput() {
	text, err := a.read(userland.OutputFile)
	if err != nil || a.Console == "" || bytes.Equal(text, a.console) {
		return
	}
	if err = os.WriteFile(a.Console+".new", text, 0o600); err == nil {
		err = os.Rename(a.Console+".new", a.Console)
	}
	if err != nil {
		a.Log.Warn("console not written", "error", err)
		return
	}
	a.console = text
}

// read reads the end of a file of the instance's file system, in which others
// write.
func (a *Agent) read(name string) ([]byte, error) {
	f, err := inroot.OpenFile(a.hostRoot(), name)
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }()
	end, err := f.Seek(0, io.SeekEnd)
	if err != nil {
		return nil, err
	}
	b := make([]byte, min(end, mostConsole))
	n, err := f.ReadAt(b, end-int64(len(b)))
	if errors.Is(err, io.EOF) {
		err = nil
	}
	return b[:n], err
}
