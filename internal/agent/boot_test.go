package agent_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"berth/internal/agent"
	"berth/internal/await"
	"berth/internal/container"
	csim "berth/internal/container/sim"
	"berth/internal/model"
	"berth/internal/state"
	"berth/internal/userland"
)

// What an agent knows of its configuration has its effect; the rest is said.
func TestSettingsOfAnAgent(t *testing.T) {
	for text, want := range map[string]string{
		"": `{}`,
		"# x\nECS_CLUSTER=a\nECS_CLUSTER=\"b\"\n":                 `{"cluster":"b"}`,
		`ECS_INSTANCE_ATTRIBUTES={"a":"b"}`:                       `{"attributes":{"a":"b"}}`,
		"ECS_RESERVED_MEMORY=256":                                 `{"reserveMiB":256}`,
		"ECS_RESERVED_PORTS=[22,80]\nECS_RESERVED_PORTS_UDP=[53]": `{"ports":[22,80],"portsUdp":[53]}`,
		`ECS_AVAILABLE_LOGGING_DRIVERS=["awslogs","syslog"]`:      `{"drivers":["awslogs","syslog"],"trouble":["ECS_AVAILABLE_LOGGING_DRIVERS names drivers that Berth has not: syslog"]}`,
		"ECS_DISABLE_PRIVILEGED=true\nECS_ENABLE_TASK_ENI=true":   `{"without":["com.amazonaws.ecs.capability.privileged-container"]}`,
		"ECS_RESERVED_MEMORY=-1\nECS_INSTANCE_ATTRIBUTES=x":       `{"trouble":["ECS_INSTANCE_ATTRIBUTES cannot be read and has no effect","ECS_RESERVED_MEMORY cannot be read and has no effect"]}`,
		"ECS_LOGLEVEL=debug\nECS_WHATEVER=1\nno assignment\n":     `{"trouble":["ECS_LOGLEVEL is not built in Berth and has no effect","ECS_WHATEVER is not known to Berth's agent and has no effect"]}`,
		"ECS_ENABLE_TASK_IAM_ROLE_NETWORK_HOST=false":             `{"without":["com.amazonaws.ecs.capability.task-iam-role-network-host"]}`,
	} {
		if got, _ := agent.Settings([]byte(text)); got != want {
			t.Errorf("%q:\n%s\nwant\n%s", text, got, want)
		}
	}
	_, has := agent.Settings([]byte("ECS_AVAILABLE_LOGGING_DRIVERS=[\"json-file\"]\nECS_ENABLE_TASK_IAM_ROLE=false\n"))
	for name, want := range map[string]bool{
		"logging-driver.awslogs": false, "logging-driver.none": true, "task-iam-role": false, "ecr-auth": true,
	} {
		if has("com.amazonaws.ecs.capability."+name) != want {
			t.Errorf("%s: want %v", name, want)
		}
	}
}

// FuzzSettings holds that whatever user data write there, the agent goes on with
// memory that is not more than it had.
func FuzzSettings(f *testing.F) {
	f.Add([]byte("ECS_CLUSTER=x\nECS_RESERVED_MEMORY=5\n"))
	f.Add([]byte("ECS_INSTANCE_ATTRIBUTES={\"a\":1}\nECS_RESERVED_PORTS=[1e9]"))
	f.Fuzz(func(t *testing.T, b []byte) {
		if shown, _ := agent.Settings(b); strings.Contains(shown, `"reserveMiB":-`) {
			t.Error(shown)
		}
	})
}

// ownWorld is a world whose machine is an instance of the user's own; its user data
// do what program does to its files.
func ownWorld(t *testing.T, program func(root string) csim.Program) *world {
	w := newWorld(t)
	dir := t.TempDir()
	w.data, w.conf.Own, w.conf.Self = "#!/bin/sh\n", true, "/nowhere"
	w.conf.Report, w.conf.Console = filepath.Join(dir, "boot.json"), filepath.Join(dir, "console.log")
	w.program = func(s container.Spec) csim.Program {
		if s.Root == "" {
			return csim.Program{}
		}
		return program(s.Root)
	}
	return w
}

// booted is what the agent told of the start.
func (w *world) booted() (b model.Boot) {
	if text, err := os.ReadFile(w.conf.Report); err == nil {
		_ = json.Unmarshal(text, &b)
	}
	return b
}

func put(t *testing.T, root string, files map[string]string) {
	for name, text := range files {
		if err := os.WriteFile(filepath.Join(root, name), []byte(text), 0o600); err != nil {
			t.Error(err)
		}
	}
}

// An agent runs the user data once, however often it is killed, and joins by what
// they wrote.
func TestUserDataRunOnceAndAreHeard(t *testing.T) {
	var runs atomic.Int64
	w := ownWorld(t, func(root string) csim.Program {
		runs.Add(1)
		put(t, root, map[string]string{
			userland.ConfigFile: "ECS_CLUSTER=c\nECS_INSTANCE_ATTRIBUTES={\"purpose\":\"web\"}\nECS_RESERVED_MEMORY=100\nECS_NEW=1\n",
			userland.OutputFile: "said\n", userland.ResultFile: `{"failures":[{"part":"part-001","exit":3,"last":"why"}]}`,
		})
		return csim.Program{}
	})
	for range 2 {
		w.start()
		i := await.Value(t, "the machine is registered", func() (model.Instance, bool) {
			i, _ := state.Instances.Get(w.db.View(), instanceID)
			return i, i.Status == model.ContainerInstanceActive && i.Connected
		})
		if i.Registered.Memory != 4096-256-100 || !slices.Contains(i.Attributes, model.Attribute{Name: "purpose", Value: "web"}) {
			t.Errorf("%+v", i)
		}
		w.stop()
		await.True(t, "the agent is gone", func() bool {
			i, _ := state.Instances.Get(w.db.View(), instanceID)
			return !i.Connected
		})
	}
	b := w.booted()
	if runs.Load() != 1 || b.UserData != model.UserDataEnded || b.Cluster != "c" || b.Refused != "" || len(b.Trouble) != 1 {
		t.Errorf("%d runs, %+v", runs.Load(), b)
	}
	if text, err := os.ReadFile(w.conf.Console); err != nil || string(text) != "said\n" {
		t.Errorf("console: %q, %v", text, err)
	}
}

// Why an agent is not registered is told: it is held, its user data could not be
// run, or its call is refused.
func TestWhatKeepsAnAgentIsTold(t *testing.T) {
	for name, c := range map[string]struct {
		program func(root string) csim.Program
		told    func(b model.Boot) bool
	}{
		"held": {
			func(root string) csim.Program {
				put(t, root, map[string]string{userland.HeldFile: "", userland.ResultFile: "{}"})
				return csim.Program{}
			},
			func(b model.Boot) bool { return b.Held && b.UserData == model.UserDataEnded },
		},
		"killed": {
			func(string) csim.Program { return csim.Program{ExitCode: 137, Runs: time.Millisecond} },
			func(b model.Boot) bool {
				return len(b.Failures) == 1 && b.Failures[0].Exit == 137 && b.RefusedCode == "AccessDeniedException"
			},
		},
	} {
		t.Run(name, func(t *testing.T) {
			w := ownWorld(t, c.program)
			w.deny = map[string]string{"RegisterContainerInstance": "AccessDeniedException"}
			w.start()
			await.True(t, "it is told", func() bool { return c.told(w.booted()) })
		})
	}
}

// Links that lead out, pipes and files without end in place of what the agent reads
// of user data give it nothing of the host, do not make it wait, and cost no more
// than the end of a console.
func TestUserDataLeadTheAgentNowhere(t *testing.T) {
	secret := filepath.Join(t.TempDir(), "secret")
	if err := os.WriteFile(secret, []byte("ECS_CLUSTER=stolen\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	pipe := func(path string) error { return syscall.Mkfifo(path, 0o600) }
	out := func(path string) error { return os.Symlink(secret, path) }
	long := func(path string) error { return os.WriteFile(path, bytes.Repeat([]byte("x"), 1<<20), 0o600) }
	for name, c := range map[string]struct {
		plant   func(path string) error
		console int
	}{"links": {out, 0}, "pipes": {pipe, 0}, "long files": {long, 64 << 10}} {
		t.Run(name, func(t *testing.T) {
			w := ownWorld(t, func(root string) csim.Program {
				for _, file := range []string{userland.ConfigFile, userland.OutputFile, userland.ResultFile} {
					path := filepath.Join(root, file)
					if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
						t.Error(err)
					}
					if err := c.plant(path); err != nil {
						t.Error(err)
					}
				}
				return csim.Program{Runs: time.Millisecond}
			})
			w.start()
			await.True(t, "the machine is registered", func() bool {
				i, _ := state.Instances.Get(w.db.View(), instanceID)
				return i.Status == model.ContainerInstanceActive && i.Connected && i.Cluster == "c"
			})
			text, err := os.ReadFile(w.conf.Console)
			if err != nil && !errors.Is(err, fs.ErrNotExist) || len(text) != c.console || bytes.Contains(text, []byte("stolen")) {
				t.Errorf("console: %d bytes, %v", len(text), err)
			}
			if b := w.booted(); b.Cluster != "c" || len(b.Failures) != 1 || len(b.Failures[0].Last) > 100 {
				t.Errorf("%+v", b)
			}
		})
	}
}
