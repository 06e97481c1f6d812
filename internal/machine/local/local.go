// Package local makes machines of slices of this host: a process that is the
// first of its own PID, mount, UTS and IPC namespaces, lives in the network
// namespace of its interface, and is held by a control group with the CPUs
// and the memory of its type.
//
// It owns the folders <data>/instances/<id>, the control groups below
// CgroupRoot, and the processes in them. Machines survive the death of the
// caller and are found again by process id and start time. It refuses a type
// with more memory than the host has, unless over-commit is allowed; CPUs are
// over-committed always. It makes no network: the interface's namespace must
// be there. controllers/instance calls the Driver; cmd calls InstanceMain in
// the process that becomes a machine. A Driver is safe for concurrent use;
// calls for one machine wait for each other.
package local

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"berth/internal/clock"
	"berth/internal/fault"
	"berth/internal/kernel"
	"berth/internal/kernel/cgroup"
	"berth/internal/machine"
	"berth/internal/model"
)

// Deps are what a Driver needs.
type Deps struct {
	Data string // the server's data folder, absolute
	// Instance is the command that runs InstanceMain, which launches need;
	// Agent the one that the machine runs in turn, empty runs none.
	Instance []string
	Agent    []string
	// Clock is the control plane's, which credentials expire on; Real is
	// the one that machines live in.
	Clock clock.Clock
	Real  clock.Clock
	// Users is user 0 of containers on this host; 0 gives them no user namespaces.
	Users int
	// Overcommit allows types with more memory than the host has.
	Overcommit bool
	// Forget, if set, drops what other packages keep of a machine that is gone,
	// such as its images. It may be called twice.
	Forget func(id string) error
	Log    *slog.Logger
}

// Driver is a machine.Driver on this host.
type Driver struct {
	Deps
	root string // cgroup
	mu   sync.Mutex
	busy map[string]*sync.Mutex // by machine id
}

var _ machine.Driver = (*Driver)(nil)

// New returns the driver of a data folder. Without an instance command it can
// look and terminate, and launches nothing.
func New(d Deps) (*Driver, error) {
	if !filepath.IsAbs(d.Data) {
		return nil, fault.New(fault.Invalid, "", "a driver needs an absolute data folder")
	}
	if _, err := cgroup.Detect(); err != nil {
		return nil, err
	}
	return &Driver{Deps: d, root: CgroupRoot(d.Data), busy: map[string]*sync.Mutex{}}, nil
}

// CgroupRoot is the control group that holds everything of a data folder.
func CgroupRoot(data string) string {
	h := sha256.Sum256([]byte(filepath.Clean(data)))
	return "/berth-" + hex.EncodeToString(h[:4])
}

// plan is what a machine's first process reads from its folder.
type plan struct {
	Spec   machine.Spec `json:"spec"`
	Dir    string       `json:"dir"`
	Data   string       `json:"data"`
	Cgroup string       `json:"cgroup"`
	Agent  []string     `json:"agent"`
	Users  int          `json:"users"`
	At     time.Time    `json:"at"` // real time of the launch
}

const (
	planFile   = "plan.json"
	processIs  = "process.json"
	keysFile   = "credentials.json"
	bundleFile = "ca.pem"
	initLog    = "init.log"
	agentLog   = "agent.log"
	bootFile   = "boot.json"
	console    = "console.log"
)

func (d *Driver) machines() string { return filepath.Join(d.Data, "instances") }

func (d *Driver) dir(id string) string { return filepath.Join(d.machines(), id) }

// hold makes calls for one machine wait for each other.
func (d *Driver) hold(id string) (release func()) {
	d.mu.Lock()
	m := d.busy[id]
	if m == nil {
		m = &sync.Mutex{}
		d.busy[id] = m
	}
	d.mu.Unlock()
	m.Lock()
	return m.Unlock
}

func check(id string) error {
	if !strings.HasPrefix(id, "i-") || strings.ContainsAny(id, "/.\x00") || len(id) > 64 {
		return fault.New(fault.Invalid, "", "%q is not a machine's id", id)
	}
	return nil
}

// Launch implements machine.Driver.
func (d *Driver) Launch(ctx context.Context, spec machine.Spec) (machine.Machine, error) {
	if err := d.possible(spec); err != nil {
		return machine.Machine{}, err
	}
	defer d.hold(spec.ID)()
	if m, err := d.look(spec.ID); err == nil {
		return m, nil
	} else if !fault.Is(err, fault.NotFound) {
		return m, err
	}
	// What is there without a first process is the rest of a launch that was
	// cut short.
	if err := d.sweep(spec.ID); err != nil {
		return machine.Machine{}, err
	}
	if err := d.launch(ctx, spec); err != nil {
		return machine.Machine{}, errors.Join(err, d.sweep(spec.ID))
	}
	return d.look(spec.ID)
}

func (d *Driver) possible(s machine.Spec) error {
	if err := check(s.ID); err != nil {
		return err
	}
	if len(d.Instance) == 0 {
		return fault.New(fault.Invalid, "", "machine %s: this driver has no command to launch it with", s.ID)
	}
	if d.Users != 0 && usersOfOthers("/proc", d.Data)[d.Users] {
		return fault.New(fault.Capacity, "InsufficientInstanceCapacity",
			"Containers of another data folder on this host are the users from %d on, as this one's would be: restart the server, which takes others.",
			d.Users)
	}
	if s.VCPU <= 0 || s.MemoryMiB <= 0 || s.Interface == "" || strings.Contains(s.Interface, "/") {
		return fault.New(fault.Invalid, "", "machine %s: %d vCPU, %d MiB, interface %q", s.ID, s.VCPU, s.MemoryMiB, s.Interface)
	}
	if s.Architecture != "" && s.Architecture != architecture() {
		return fault.New(
			fault.Capacity, "Unsupported",
			"The requested configuration is currently not supported: %s is a type of the architecture %s and this host is %s.", s.Type,
			s.Architecture, architecture(),
		).With(map[string]string{model.FactRuns: architecture()})
	}
	have, err := hostMemoryMiB()
	if err != nil {
		return err
	}
	if s.MemoryMiB > have && !d.Overcommit {
		return fault.New(fault.Capacity, "InsufficientInstanceCapacity",
			"We currently do not have sufficient %s capacity: it has %d MiB of memory and this host has %d MiB. Allow over-commit to launch it "+
				"all the same.", s.Type, s.MemoryMiB, have).With(map[string]string{model.FactHost: strconv.FormatInt(have, 10)})
	}
	return nil
}

// architecture of this host as EC2 names it.
func architecture() string {
	if runtime.GOARCH == "amd64" {
		return "x86_64"
	}
	return runtime.GOARCH
}

func (d *Driver) launch(ctx context.Context, spec machine.Spec) error {
	ns, err := kernel.OpenNetns(filepath.Join(d.Data, "run", "netns", spec.Interface))
	if err != nil {
		return fault.Wrap(fault.Unavailable, err, "launch machine %s: its interface %s is not there", spec.ID, spec.Interface)
	}
	defer ns.Close()
	p := plan{
		Spec: spec, Dir: d.dir(spec.ID), Data: d.Data, Cgroup: d.root + "/" + spec.ID, Agent: d.Agent, Users: d.Users, At: d.Real.Now(),
	}
	if err := d.writeFiles(p); err != nil {
		return fmt.Errorf("launch machine %s: %w", spec.ID, err)
	}
	if err := d.writeDisk(ctx, p); err != nil {
		return fmt.Errorf("launch machine %s: %w", spec.ID, err)
	}
	memory := spec.MemoryMiB << 20
	limits := cgroup.Limits{CPUs: float64(spec.VCPU), MemoryBytes: memory, Pids: cgroup.PidsOf(memory)}
	if _, err := cgroup.Create(p.Cgroup, limits); err != nil {
		return fmt.Errorf("launch machine %s: %w", spec.ID, err)
	}
	// The first process lives in a leaf: v2 wants no processes beside
	// groups.
	if _, err := cgroup.Create(p.Cgroup+"/init", cgroup.Limits{}); err != nil {
		return fmt.Errorf("launch machine %s: %w", spec.ID, err)
	}
	return d.start(ctx, ns, p)
}

// writeFiles writes the machine's folder.
func (d *Driver) writeFiles(p plan) error {
	for _, dir := range []string{
		p.Dir, filepath.Join(p.Dir, agentDir), filepath.Join(p.Dir, "tmp"), filepath.Join(p.Dir, memoryDir), filepath.Join(d.Data, "images"),
	} {
		if err := os.MkdirAll(dir, 0o711); err != nil {
			return err
		}
	}
	b, err := json.Marshal(p)
	if err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(p.Dir, bundleFile), p.Spec.CABundle, 0o644); err != nil {
		return err
	}
	return replace(filepath.Join(p.Dir, planFile), b, 0o600)
}

// writeDisk makes the machine's data volume, where the host can.
func (d *Driver) writeDisk(ctx context.Context, p plan) error {
	if p.Spec.StorageGiB <= 0 {
		return nil
	}
	err := makeDisk(ctx, filepath.Join(p.Dir, diskFile), p.Spec.StorageGiB)
	if d.withoutDisk(p, err) {
		return nil
	}
	return err
}

// withoutDisk tells whether the error is that the host cannot make volumes, which
// is said and does not keep the machine from being launched.
func (d *Driver) withoutDisk(p plan, err error) bool {
	if !errors.Is(err, errNoDisk) {
		return false
	}
	d.Log.Warn("machine without a data volume of its own", "machine", p.Spec.ID, "error", err)
	return true
}

// replace puts a whole new file in the place of an old one.
func replace(path string, b []byte, mode fs.FileMode) error {
	tmp := path + ".new"
	if err := os.WriteFile(tmp, b, mode); err != nil {
		return err
	}
	return os.Rename(tmp, path)
}

// keys is the file of role credentials, as the metadata service shows them.
type keys struct {
	Code            string
	LastUpdated     time.Time
	Type            string
	AccessKeyId     string // the metadata service's name
	SecretAccessKey string
	Token           string
	Expiration      time.Time
}

// left is how much real time there is until a moment on the control plane's
// clock, which may run faster.
func (d *Driver) left(at time.Time) time.Duration {
	left := at.Sub(d.Clock.Now())
	if c, ok := d.Clock.(interface{ Speed() float64 }); ok && c.Speed() > 0 {
		left = time.Duration(float64(left) / c.Speed())
	}
	return left
}

// SetCredentials implements machine.Driver. The machine reads them in real
// time, so the moment at which they end is translated.
func (d *Driver) SetCredentials(_ context.Context, id string, c machine.Credentials) error {
	if err := check(id); err != nil {
		return err
	}
	defer d.hold(id)()
	if _, err := d.look(id); err != nil {
		return err
	}
	now := d.Real.Now().UTC().Truncate(time.Second)
	b, err := json.MarshalIndent(keys{
		Code: "Success", LastUpdated: now, Type: "AWS-HMAC", AccessKeyId: c.AccessKeyID, SecretAccessKey: c.Secret, Token: c.Token,
		Expiration: now.Add(d.left(c.Expires)).Truncate(time.Second),
	}, "", "  ")
	if err != nil {
		return err
	}
	if err := replace(filepath.Join(d.dir(id), keysFile), b, 0o600); err != nil {
		return fmt.Errorf("set credentials of machine %s: %w", id, err)
	}
	return nil
}

// Get implements machine.Driver.
func (d *Driver) Get(_ context.Context, id string) (machine.Machine, error) {
	if err := check(id); err != nil {
		return machine.Machine{}, err
	}
	return d.look(id)
}

// List implements machine.Driver.
func (d *Driver) List(context.Context) ([]machine.Machine, error) {
	entries, err := os.ReadDir(d.machines())
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("list machines: %w", err)
	}
	var out []machine.Machine
	for _, e := range entries {
		if m, err := d.look(e.Name()); err == nil {
			out = append(out, m)
		} else if !fault.Is(err, fault.NotFound) {
			return nil, err
		}
	}
	slices.SortFunc(out, func(a, b machine.Machine) int { return strings.Compare(a.ID, b.ID) })
	return out, nil
}

// look reads what is known of a machine; one whose first process never came
// up is fault.NotFound.
func (d *Driver) look(id string) (machine.Machine, error) {
	var p plan
	var proc process
	err := errors.Join(read(filepath.Join(d.dir(id), planFile), &p), read(filepath.Join(d.dir(id), processIs), &proc))
	if errors.Is(err, fs.ErrNotExist) {
		return machine.Machine{}, fault.New(fault.NotFound, "InvalidInstanceID.NotFound", "The instance ID '%s' does not exist", id)
	}
	if err != nil {
		// What cannot be read cannot go on: it is ended by its control group.
		lost := machine.Machine{ID: id, State: machine.Terminated, Reason: "the machine's record is damaged: " + err.Error()}
		return lost, nil //nolint:nilerr // it is said in the reason
	}
	m := machine.Machine{ID: id, State: machine.Running, PID: proc.PID, LaunchedAt: p.At}
	if !proc.alive() {
		m.State, m.PID, m.Reason = machine.Terminated, 0, "the machine's first process ended"
	}
	if p.Spec.Own {
		_ = read(filepath.Join(d.dir(id), bootFile), &m.Boot) // its agent has not begun, or is just writing it
	}
	return m, nil
}

// Console implements machine.Driver.
func (d *Driver) Console(_ context.Context, id string) ([]byte, error) {
	if err := check(id); err != nil {
		return nil, err
	}
	if _, err := d.look(id); err != nil {
		return nil, err
	}
	b, err := os.ReadFile(filepath.Join(d.dir(id), console))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	return b, err
}

func read(path string, into any) error {
	b, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	return json.Unmarshal(b, into)
}

// Terminate implements machine.Driver.
func (d *Driver) Terminate(_ context.Context, id string) error {
	if err := check(id); err != nil {
		return err
	}
	defer d.hold(id)()
	if err := d.sweep(id); err != nil {
		return err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	delete(d.busy, id)
	return nil
}

// sweep ends and forgets everything of a machine.
func (d *Driver) sweep(id string) error {
	var proc process
	if read(filepath.Join(d.dir(id), processIs), &proc) == nil {
		if err := proc.end(); err != nil {
			return fmt.Errorf("terminate machine %s: %w", id, err)
		}
	}
	if g, err := cgroup.Open(d.root + "/" + id); err == nil {
		// The rest of a launch without a process file, if any.
		if err := errors.Join(g.Kill(), g.Remove()); err != nil {
			return fmt.Errorf("terminate machine %s: %w", id, err)
		}
	} else if !fault.Is(err, fault.NotFound) {
		return err
	}
	// Nothing is mounted below in this namespace unless something outside put
	// it there: a recursive removal must not follow it.
	if err := kernel.UnmountBelow(d.dir(id)); err != nil {
		return err
	}
	if err := os.RemoveAll(d.dir(id)); err != nil {
		return fmt.Errorf("forget machine %s: %w", id, err)
	}
	d.removeLoops() // its own may take the kernel a moment longer
	if d.Forget == nil {
		return nil
	}
	if err := d.Forget(id); err != nil {
		return fmt.Errorf("forget machine %s: %w", id, err)
	}
	return nil
}

// Close ends whatever is left in the control group of the data folder, such as
// a machine whose folder was taken away, and removes the group. It waits for the
// kernel to write what the data volumes had to keep and to be done with their
// devices.
func (d *Driver) Close() error {
	g, err := cgroup.Open(d.root)
	switch {
	case fault.Is(err, fault.NotFound):
		err = nil
	case err == nil:
		err = errors.Join(g.Kill(), g.Remove())
	}
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	for d.removeLoops() > 0 {
		if clock.Sleep(ctx, clock.Real(ctx), 20*time.Millisecond) != nil {
			return errors.Join(err, fault.New(fault.Unavailable, "", "the kernel still holds data volumes of %s", d.Data))
		}
	}
	return err
}
