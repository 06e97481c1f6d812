package local

import (
	"cmp"
	"context"
	"errors"
	"flag"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"os"
	"os/signal"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"berth/internal/clock"
	"berth/internal/ident"
	"berth/internal/kernel"
	"berth/internal/kernel/cgroup"
)

// metadataAddress is where a machine finds its metadata service.
const metadataAddress = "169.254.169.254"

// restartPause is the least time between two starts of the agent.
const restartPause = time.Second

// InstanceMain is a machine's first process: it joins its control group, makes
// the machine's view of the file system, serves instance metadata, keeps the
// agent running and reaps what is left behind. Everything in the machine ends
// with it. It reports on file descriptor 3 once the machine is up, or why it
// is not.
func InstanceMain(ctx context.Context, args []string) error {
	fs := flag.NewFlagSet("instance", flag.ContinueOnError)
	dir := fs.String("dir", "", "the machine's folder")
	disk := fs.Bool("disk", false, "it has a data volume")
	if err := fs.Parse(args); err != nil {
		return err
	}
	ready := os.NewFile(3, "ready")
	if ready == nil || os.Getpid() != 1 {
		return errors.New("berth instance is started by the server only")
	}
	i := &initial{real: clock.Real(ctx)}
	if *disk {
		i.disk, i.volume = os.NewFile(4, "disk"), true
	}
	err := i.up(*dir)
	if err != nil {
		_, _ = ready.WriteString(err.Error())
		_ = ready.Close()
		return err
	}
	if _, err := ready.WriteString("ok"); err != nil {
		return fmt.Errorf("nobody waits for this machine: %w", err)
	}
	_ = ready.Close()
	return i.run(ctx)
}

// initial is the first process at work.
type initial struct {
	plan    plan
	real    clock.Clock
	disk    *os.File // device of the data volume, until it is mounted
	volume  bool     // it has one
	service net.Listener
	agent   int // process id, 0 while it does not run
}

// up brings the machine up, step by step.
func (i *initial) up(dir string) error {
	if err := read(filepath.Join(dir, planFile), &i.plan); err != nil {
		return fmt.Errorf("read the machine's plan: %w", err)
	}
	for _, step := range []struct {
		what string
		do   func() error
	}{
		{"join the control group", i.join},
		{"write down who it is", i.sign},
		{"arrange the file system", i.arrange},
		{"set the host name", func() error { return unix.Sethostname([]byte(hostName(i.plan.Spec.PrivateIP))) }},
		{"listen for metadata requests", i.listen},
	} {
		if err := step.do(); err != nil {
			return fmt.Errorf("%s: %w", step.what, err)
		}
	}
	return nil
}

// join must come before anything is started.
func (i *initial) join() error {
	g, err := cgroup.Open(i.plan.Cgroup + "/init")
	if err != nil {
		return err
	}
	return g.Add(0) // whoever writes it
}

// sign leaves the mark by which the driver finds the machine again. /proc is
// still the host's and shows the host's number of this process.
func (i *initial) sign() error {
	self, err := os.Readlink("/proc/self")
	if err != nil {
		return err
	}
	pid, err := strconv.Atoi(self)
	if err != nil {
		return err
	}
	p, err := whoIs(pid)
	if err != nil {
		return err
	}
	return remember(i.plan.Dir, p)
}

// arrange makes the root read-only but for the machine's own folder, the
// shared layers and the control groups, and gives it a /proc and a file system
// in memory of its own, and its data volume.
// Mounts that the host makes later (network namespaces) keep arriving.
func (i *initial) arrange() error {
	if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_SLAVE, ""); err != nil {
		return fmt.Errorf("part from the host's mounts: %w", err)
	}
	open := []string{i.plan.Dir, filepath.Join(i.plan.Data, "images")}
	for _, p := range open {
		if err := unix.Mount(p, p, "", unix.MS_BIND, ""); err != nil {
			return fmt.Errorf("bind %s: %w", p, err)
		}
	}
	groups, err := cgroupMounts()
	if err != nil {
		return err
	}
	if err := unix.MountSetattr(unix.AT_FDCWD, "/", unix.AT_RECURSIVE, &unix.MountAttr{Attr_set: unix.MOUNT_ATTR_RDONLY}); err != nil {
		return fmt.Errorf("make the root read-only (Linux 5.12 is needed): %w", err)
	}
	for _, p := range append(open, groups...) {
		if err := unix.MountSetattr(unix.AT_FDCWD, p, 0, &unix.MountAttr{Attr_clr: unix.MOUNT_ATTR_RDONLY}); err != nil {
			return fmt.Errorf("make %s writable: %w", p, err)
		}
	}
	if err := unix.Mount("proc", "/proc", "proc", unix.MS_NOSUID|unix.MS_NODEV|unix.MS_NOEXEC, ""); err != nil {
		return fmt.Errorf("mount /proc: %w", err)
	}
	memory := filepath.Join(i.plan.Dir, memoryDir)
	if err := unix.Mount("tmpfs", memory, "tmpfs", unix.MS_NOSUID|unix.MS_NODEV|unix.MS_NOEXEC, "mode=711"); err != nil {
		return fmt.Errorf("mount %s: %w", memory, err)
	}
	if i.disk == nil {
		return nil
	}
	return errors.Join(mountDisk(i.plan.Dir, i.disk), i.disk.Close())
}

// memoryDir is a folder in the machine's memory: what only lives as long as
// the machine costs no disk.
const memoryDir = "memory"

// cgroupMounts lists the mount points of control group hierarchies.
func cgroupMounts() ([]string, error) {
	b, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		return nil, err
	}
	var out []string
	for line := range strings.Lines(string(b)) {
		left, right, ok := strings.Cut(line, " - ")
		f := strings.Fields(left)
		if ok && len(f) > 4 && strings.HasPrefix(right, "cgroup") {
			out = append(out, f[4])
		}
	}
	return out, nil
}

func hostName(ip string) string { return "ip-" + strings.ReplaceAll(ip, ".", "-") }

// metadataPort is where IMDS is really served: port 80 is for tasks that use
// the machine's own network.
const metadataPort = 51677

// mostClients are the connections to the metadata service: who opens more does not
// take the files by which agents are started.
const mostClients = 512

func (i *initial) listen() error {
	at := netip.AddrPortFrom(netip.MustParseAddr(metadataAddress), 80)
	if err := kernel.ServeAt(at, metadataPort); err != nil {
		return err
	}
	var err error
	i.service, err = net.Listen("tcp", netip.AddrPortFrom(at.Addr(), metadataPort).String()) //nolint:noctx // for ever
	return err
}

// run serves metadata, keeps the agent running and reaps, until it is told to
// end. It must wait for no child in any other way: it is the parent of all.
func (i *initial) run(ctx context.Context) error {
	child, end := make(chan os.Signal, 16), make(chan os.Signal, 1)
	signal.Notify(child, syscall.SIGCHLD)
	signal.Notify(end, syscall.SIGTERM, syscall.SIGINT)
	serving := make(chan error, 1)
	go func() {
		srv := &http.Server{
			Handler: newMetadata(i.plan.Spec, filepath.Join(i.plan.Dir, keysFile), i.real, ident.Crypto()), ReadHeaderTimeout: patience,
			ReadTimeout: patience, WriteTimeout: 2 * patience, IdleTimeout: 2 * patience,
		}
		serving <- srv.Serve(kernel.AtMost(i.service, mostClients))
	}()
	again := clock.After(i.real, 0)
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-end:
			return nil // the kernel ends the rest
		case err := <-serving:
			return fmt.Errorf("serve metadata: %w", err)
		case <-child:
			if i.reap() {
				again = clock.After(i.real, restartPause)
			}
		case <-again:
			again = nil
			if err := i.startAgent(); err != nil {
				fmt.Fprintln(os.Stderr, "start agent:", err)
				again = clock.After(i.real, restartPause)
			}
		}
	}
}

// reap takes in every child that has ended; it tells whether the agent was
// among them.
func (i *initial) reap() (agent bool) {
	for {
		var st unix.WaitStatus
		pid, err := unix.Wait4(-1, &st, unix.WNOHANG, nil)
		if errors.Is(err, unix.EINTR) {
			continue
		}
		if err != nil || pid <= 0 {
			return agent
		}
		if pid == i.agent {
			i.agent, agent = 0, true
			fmt.Fprintf(os.Stderr, "agent ended: exit %d, signal %d\n", st.ExitStatus(), st.Signal())
		}
	}
}

// maxLog is the size at which the agent's log is begun anew.
const maxLog = 8 << 20

func (i *initial) startAgent() error {
	if len(i.plan.Agent) == 0 {
		return nil
	}
	p := i.plan
	path := filepath.Join(p.Dir, agentLog)
	if fi, err := os.Stat(path); err == nil && fi.Size() > maxLog {
		_ = os.Rename(path, path+".1")
	}
	log, err := os.OpenFile(path, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer log.Close()
	null, err := os.Open(os.DevNull)
	if err != nil {
		return err
	}
	defer null.Close()
	argv := append([]string{}, p.Agent...)
	argv = append(argv,
		"--dir", filepath.Join(p.Dir, agentDir), "--memory-dir", filepath.Join(p.Dir, memoryDir), "--images", filepath.Join(p.Data, "images"),
		"--netns", filepath.Join(p.Data, "run", "netns"),
		"--cgroup", p.Cgroup, "--cluster", cmp.Or(p.Spec.Cluster, "default"),
		"--region", p.Spec.Region, "--nameserver", p.Spec.Nameserver, "--ca",
		filepath.Join(p.Dir, bundleFile),
		"--cpus", strconv.FormatInt(p.Spec.VCPU, 10), "--memory", strconv.FormatInt(p.Spec.MemoryMiB, 10), "--reserve", strconv.FormatInt(
			p.Spec.ReservedMiB, 10,
		),
		"--users", strconv.Itoa(p.Users))
	if i.volume {
		argv = append(argv, "--volume")
	}
	if p.Spec.Own {
		argv = append(argv, "--own", "--report", filepath.Join(p.Dir, bootFile), "--console", filepath.Join(p.Dir, console))
	}
	if p.Spec.TaskNetwork {
		argv = append(argv, "--task-storage", strconv.FormatInt(p.Spec.StorageGiB, 10))
	}
	// ForkExec, not exec.Cmd: the loop above is the only one that waits.
	i.agent, err = syscall.ForkExec(argv[0], argv, &syscall.ProcAttr{
		// made by the driver
		Dir: "/", Env: os.Environ(), Files: []uintptr{null.Fd(), log.Fd(), log.Fd()}, Sys: &syscall.SysProcAttr{Setsid: true},
	})
	return err
}
