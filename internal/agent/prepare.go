package agent

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"berth/internal/fault"
	"berth/internal/kernel"
	"berth/internal/kernel/cgroup"
)

// prepare makes the task's folder, control group and metadata service.
func (t *task) prepare(ctx context.Context) (closeService func(), err error) {
	if err := t.writeFiles(); err != nil {
		return nil, &fault.Error{
			Class: fault.Internal, Code: "ResourceInitializationError", Message: "failed to prepare the task's files: " + err.Error(),
		}
	}
	if name := t.cgroup(); name != "" {
		if err := t.agent.Groups.Create(name, t.limits()); err != nil {
			return nil, &fault.Error{Class: fault.Internal, Code: "ResourceInitializationError", Message: "failed to create cgroup: " + err.Error()}
		}
	}
	closeService, err = t.agent.serveTask(ctx, t)
	if err != nil {
		return nil, &fault.Error{
			Class: fault.Unavailable, Code: "ResourceInitializationError", Message: "failed to set up the task's network namespace: " + err.Error(),
		}
	}
	return closeService, nil
}

// limits are the task's own, and half of the processes that the machine may
// have, as Linux gives each of its users (RLIMIT_NPROC): a task that has no
// end of them leaves the others theirs.
func (t *task) limits() cgroup.Limits {
	return cgroup.Limits{
		CPUs: t.def.CPU, CPUShares: t.shares(), MemoryBytes: t.def.Memory << 20, Pids: cgroup.PidsOf(t.agent.MemoryMiB<<20) / 2,
	}
}

// leastShares is the weight of what asks for no CPU, as ECS has it.
const leastShares = 2

// shares is the task's weight against the machine's other tasks: its own CPU
// units, else those of its containers.
func (t *task) shares() uint64 {
	units := int64(t.def.CPU * 1024)
	if units == 0 {
		for _, c := range t.def.Containers {
			units += c.CPU
		}
	}
	return uint64(max(leastShares, units))
}

// writeFiles writes the files that the task's containers share.
func (t *task) writeFiles() error {
	if err := os.MkdirAll(t.dir, 0o711); err != nil {
		return err
	}
	nameservers, search, hosts := []string{t.agent.Nameserver}, "", "127.0.0.1\tlocalhost\n::1\tlocalhost ip6-localhost ip6-loopback\n"
	for _, i := range t.def.Interfaces {
		nameservers = i.Nameservers
		if len(i.SearchDomains) > 0 {
			search = "search " + strings.Join(i.SearchDomains, " ") + "\n"
		}
		for _, ip := range i.IPv4Addresses {
			hosts += ip.PrivateAddress + "\t" + strings.TrimSpace(i.PrivateDNSName+" "+hostName(ip.PrivateAddress)) + "\n"
		}
	}
	resolv := ""
	for _, n := range nameservers {
		resolv += "nameserver " + n + "\n"
	}
	for name, text := range map[string]string{"resolv.conf": resolv + search, "hosts": hosts} {
		path := filepath.Join(t.dir, name)
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil { // containers of any user read them
			return err
		}
		if err := t.agent.give(path); err != nil {
			return err
		}
	}
	return nil
}

// give makes a file user 0's of the containers, if that is not this one.
func (c Config) give(path string) error {
	if c.Users == 0 {
		return nil
	}
	return os.Chown(path, c.Users, c.Users)
}

func hostName(ip string) string { return "ip-" + strings.ReplaceAll(ip, ".", "-") }

// bundleFile holds what writeBundle wrote, for all tasks; in memory, so that
// an agent starts again however full its disk is.
func (a *Agent) bundleFile() string { return filepath.Join(a.Memory, "ca-bundle.pem") }

// writeBundle joins the host's certificates and the endpoints' authority, for
// programs that know one bundle only.
func (a *Agent) writeBundle() error {
	if a.CAFile == "" {
		return nil
	}
	bundle, err := os.ReadFile(a.CAFile)
	if err != nil {
		return fmt.Errorf("read the endpoints' authority: %w", err)
	}
	bundle = slices.Concat(kernel.CertificateBundle(), []byte("\n"), bundle)
	// A new file: containers that run keep theirs.
	if err := os.WriteFile(a.bundleFile()+".new", bundle, 0o644); err != nil { // containers of any user read it
		return err
	}
	return os.Rename(a.bundleFile()+".new", a.bundleFile())
}

// clean takes everything of the task away, after its end was heard.
func (t *task) clean(ctx context.Context) {
	ctx = context.WithoutCancel(ctx)
	var errs []error
	for _, r := range t.runs {
		errs = append(errs, t.agent.Driver.Remove(ctx, r.id))
		r.leave()
	}
	if name := t.cgroup(); name != "" {
		errs = append(errs, t.agent.Groups.Remove(name))
	}
	if err := errors.Join(errs...); err != nil {
		t.agent.Log.Warn("task not cleaned whole", "task", t.id(), "error", err)
	}
	now := t.agent.Clock.Now()
	for _, c := range t.def.Containers {
		t.agent.touch(c.Image, now)
	}
	t.agent.drop(t)
	if err := errors.Join(os.RemoveAll(t.volumes()), os.RemoveAll(t.dir)); err != nil {
		t.agent.Log.Warn("folder of a task not removed", "task", t.id(), "error", err)
	}
}
