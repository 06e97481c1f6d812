package agent_test

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"net/http"
	"net/netip"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"berth/internal/await"
	"berth/internal/bridge"
	"berth/internal/container"
	csim "berth/internal/container/sim"
	"berth/internal/kernel"
	"berth/internal/model"
	"berth/internal/state"
	"berth/internal/store"
)

// bridged gives the world's agents a bridge in a kernel of its own.
func (w *world) bridged() *kernel.Fake {
	w.t.Helper()
	k := kernel.NewFake()
	own, err := k.Create("machine", false)
	if err == nil {
		err = own.AddAddress(kernel.Address{Dev: "lo", Prefix: netip.MustParsePrefix("127.0.0.1/8")})
	}
	other, _ := k.Create("other", false)
	if err == nil {
		err = own.AddLink(kernel.Link{Name: "eth0"}, other, kernel.Link{Name: "o0"})
	}
	if err == nil {
		err = own.AddAddress(kernel.Address{Dev: "eth0", Prefix: netip.MustParsePrefix("10.0.0.5/24")})
	}
	if err != nil {
		w.t.Fatal(err)
	}
	w.bridge = func() *bridge.Net {
		return bridge.New(bridge.Deps{Dir: "/bridge", Spaces: k, Own: own, Busy: func(int64, string) bool { return false }})
	}
	w.mode = model.NetworkBridge
	return k
}

// own makes the machine one of the user's own, once it is known.
func (w *world) own() {
	w.t.Helper()
	await.Value(w.t, "registered", func() (model.Instance, bool) {
		i, _ := state.Instances.Get(w.db.View(), instanceID)
		return i, i.Connected
	})
	w.as("api/ec2", func(tx *store.Tx) error {
		return state.Instances.Edit(tx, instanceID, func(i *model.Instance) error { i.Kind = model.KindEC2; return nil })
	})
}

func linked() []model.ContainerDefinition {
	web, db := app("web"), app("db")
	web.Links, web.PortMappings = []string{"db:store"}, []model.PortMapping{{ContainerPort: 80, Protocol: "tcp"}}
	db.Name = "db"
	return []model.ContainerDefinition{web, db}
}

func bound(t model.Task) string {
	var out []string
	for _, c := range t.Containers {
		for _, b := range c.Bindings {
			out = append(out, fmt.Sprintf("%s %s:%d>%d/%s", c.Name, b.BindIP, b.HostPort, b.ContainerPort, b.Protocol))
		}
	}
	return strings.Join(out, ", ")
}

// Proves: E104, E119, E121
func TestATaskInBridgeMode(t *testing.T) {
	w := newWorld(t)
	k := w.bridged()
	specs := make(chan container.Spec, 8)
	w.program = func(s container.Spec) csim.Program { specs <- s; return csim.Program{} }
	w.start()
	arn := w.task("t1", linked()...)
	got := w.reaches(arn, model.TaskActivating)
	if d := cmp.Diff("app 0.0.0.0:32768>80/tcp", bound(got)); d != "" {
		t.Error(d)
	}
	var own, keys string
	for range 2 {
		s := <-specs
		if s.Netns != "/bridge/"+s.ID || len(s.Hostname) != 12 {
			t.Errorf("%s is in %q as %q", s.ID, s.Netns, s.Hostname)
		}
		if s.ID != got.Containers[0].RuntimeID {
			continue
		}
		own, keys = variable(s.Env, "ECS_CONTAINER_METADATA_URI_V4"), variable(s.Env, "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI")
		hosts := ""
		for _, m := range s.Mounts {
			if m.Destination == "/etc/hosts" {
				b, err := os.ReadFile(m.Source)
				hosts = string(b)
				if err != nil {
					t.Error(err)
				}
			}
		}
		if !strings.Contains(hosts, "172.17.0.2\tstore ") || !strings.Contains(hosts, "172.17.0.3\t"+s.Hostname) {
			t.Errorf("hosts: %s", hosts)
		}
	}
	doc := w.metadataAt("", strings.TrimPrefix(own, "http://169.254.170.2"))
	if s := fmt.Sprint(doc["Networks"], doc["Ports"]); !strings.Contains(s, "172.17.0.3") || !strings.Contains(s, "32768") {
		t.Errorf("metadata: %s", s)
	}
	if doc := w.metadataAt("", keys); doc["AccessKeyId"] != "ASIAtask" {
		t.Errorf("keys at %q: %v", keys, doc)
	}
	w.stop() // the containers go on
	w.start()
	second := w.reaches(w.task("t2", linked()...), model.TaskActivating)
	if d := cmp.Diff("app 0.0.0.0:32769>80/tcp", bound(second)); d != "" {
		t.Errorf("what ran before lost its port: %s", d)
	}
	w.halt(arn)
	w.halt(second.ARN)
	w.reaches(arn, model.TaskDeprovisioning)
	await.Value(t, "cleaned", func() ([]string, bool) {
		names, err := k.Names()
		left, _ := filepath.Glob(filepath.Join(w.conf.Dir, "tasks", "*"))
		return append(names, left...), err == nil && len(names) == 2 && len(left) == 0
	})
}

// Proves: E116
func TestAPortThatIsTaken(t *testing.T) {
	w := newWorld(t)
	w.bridged()
	w.start()
	c := app("web")
	c.PortMappings = []model.PortMapping{{ContainerPort: 80, HostPort: 8080, Protocol: "tcp"}}
	w.reaches(w.task("t1", c), model.TaskActivating)
	got := w.reaches(w.task("t2", c), model.TaskDeprovisioning)
	if got.StopCode != "TaskFailedToStart" || !strings.Contains(got.StoppedReason, "CannotStartContainerError") ||
		!strings.Contains(got.StoppedReason, "Bind for 0.0.0.0:8080 failed: port is already allocated") {
		t.Errorf("%s: %s", got.StopCode, got.StoppedReason)
	}
}

// Proves: E102
func TestTasksOfTheHostsNetworkAndOfNone(t *testing.T) {
	w := newWorld(t)
	k := w.bridged()
	specs := make(chan container.Spec, 8)
	w.program = func(s container.Spec) csim.Program { specs <- s; return csim.Program{} }
	w.start()
	w.own()
	w.mode = model.NetworkHost
	c := app("web")
	c.PortMappings = []model.PortMapping{{ContainerPort: 80, HostPort: 80, Protocol: "tcp"}}
	if got := bound(w.reaches(w.task("t1", c), model.TaskActivating)); got != "app 0.0.0.0:80>80/tcp" {
		t.Error(got)
	}
	if s := <-specs; s.Netns != "" {
		t.Errorf("in %q", s.Netns)
	}
	w.mode = model.NetworkNone
	w.reaches(w.task("t2", app("web")), model.TaskActivating)
	s := <-specs
	space, err := k.Open(s.ID)
	if err != nil || s.Netns != "/bridge/"+s.ID {
		t.Fatalf("in %q: %v", s.Netns, err)
	}
	if p, err := space.Look(); err != nil || len(p.Links)+len(p.Addresses) > 0 {
		t.Errorf("it has a network: %s%v", p, err)
	}
}

func variable(env []string, name string) string {
	for _, e := range env {
		if v, ok := strings.CutPrefix(e, name+"="); ok {
			return v
		}
	}
	return ""
}

// Tasks that share a metadata service find there what is theirs by names that
// nobody can know: what the APIs tell of a task, and what follows from it, leads
// to nothing.
func TestATaskFindsNothingOfOthers(t *testing.T) {
	for _, mode := range []string{model.NetworkBridge, model.NetworkHost} {
		t.Run(mode, func(t *testing.T) {
			w := newWorld(t)
			w.bridged()
			w.mode = mode
			specs := make(chan container.Spec, 2)
			w.program = func(s container.Spec) csim.Program { specs <- s; return csim.Program{} }
			w.start()
			got := w.reaches(w.task("t1", app("x:1")), model.TaskActivating)
			env := (<-specs).Env
			own, keys := variable(env, "ECS_CONTAINER_METADATA_URI_V4"), variable(env, "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI")
			if doc := w.metadataAt("", keys); doc["AccessKeyId"] != "ASIAtask" {
				t.Fatalf("its own keys at %q: %v", keys, doc)
			}
			known := []string{"t1", got.ARN, url.PathEscape(got.ARN), got.Containers[0].RuntimeID, got.Containers[0].ARN, "", "app"}
			for _, kind := range []string{"TaskApplication", "TaskExecution"} {
				h := sha256.Sum256([]byte("credentials|" + got.ARN + "|" + kind))
				x := hex.EncodeToString(h[:16])
				known = append(known, x, x[:8]+"-"+x[8:12]+"-"+x[12:16]+"-"+x[16:20]+"-"+x[20:])
			}
			for _, id := range known {
				for _, path := range []string{"/v2/credentials/" + id, "/v4/" + id, "/v4/" + id + "/task", "/v3/" + id + "/stats"} {
					resp, err := http.Get("http://" + w.net.address("") + path)
					if err != nil {
						t.Fatal(err)
					}
					if err := resp.Body.Close(); err != nil || resp.StatusCode < http.StatusBadRequest {
						t.Errorf("%s answers %d, %v", path, resp.StatusCode, err)
					}
				}
				if id != "" && strings.Contains(own+keys, id) && id != "t1" {
					t.Errorf("%q is in %s or %s", id, own, keys)
				}
			}
		})
	}
}
