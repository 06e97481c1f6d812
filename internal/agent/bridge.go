package agent

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"os"
	"path/filepath"
	"strings"

	"berth/internal/acs"
	"berth/internal/bridge"
	"berth/internal/fault"
	"berth/internal/model"
	"berth/internal/wire"
	"berth/internal/wire/shape/ecs"
)

// bridged and lonely report whether the task's containers have a namespace
// each: on the bridge, or without a network.
func (t *task) bridged() bool { return t.def.NetworkMode == model.NetworkBridge }
func (t *task) lonely() bool  { return t.def.NetworkMode == model.NetworkNone }

// keepEnds tells the bridge of the containers that an earlier agent put there.
func (a *Agent) keepEnds() {
	for _, t := range a.tasks {
		for _, c := range t.rec.Containers {
			if c.End != nil && !t.rec.Over && c.Status != string(model.ContainerStopped) {
				a.Bridge.Keep(*c.End)
			}
		}
	}
}

// join gives the container the network that its task's mode says; those of
// awsvpc and host have it.
func (r *run) join() error {
	t := r.task
	if t.lonely() {
		if err := t.agent.Bridge.Alone(r.id); err != nil {
			return fault.New(fault.ClassOf(err), "CannotStartContainerError", "%s", err)
		}
	}
	if !t.bridged() {
		return nil
	}
	var ports []bridge.Port
	for _, p := range r.def.PortMappings {
		ports = append(ports, bridge.Port{Container: p.ContainerPort, Host: p.HostPort, Protocol: p.Protocol})
	}
	end, err := t.agent.Bridge.Attach(r.id, ports)
	if err != nil {
		return fault.New(fault.ClassOf(err), "CannotStartContainerError", "driver failed programming external connectivity on endpoint %s: %s",
			r.def.Name, err)
	}
	t.container(r.def.Name, func(c *containerRecord) { c.End = &end })
	return r.writeHosts(end)
}

// leave gives a network of the container's own back.
func (r *run) leave() {
	t := r.task
	if !t.bridged() && !t.lonely() {
		return
	}
	if err := t.agent.Bridge.Detach(r.id); err != nil {
		t.agent.Log.Warn("network of a container not removed", "container", r.id, "error", err)
	}
}

// netns is where the container lives; "" is the machine's own.
func (r *run) netns() string {
	if r.task.bridged() || r.task.lonely() {
		return r.task.agent.Bridge.Path(r.id)
	}
	return r.task.netns()
}

// hostname is that of the task's interface; a container with a network of its
// own has a short form of its id, as Docker gives it.
func (r *run) hostname() string {
	if r.task.bridged() || r.task.lonely() {
		h := sha256.Sum256([]byte(r.id))
		return hex.EncodeToString(h[:6])
	}
	return hostOf(r.task.def)
}

// hostsFile names the file of the container's hosts in the task's folder.
func (r *run) hostsFile() string {
	if r.task.bridged() {
		return "hosts-" + r.id
	}
	return "hosts"
}

// writeHosts writes what the container's /etc/hosts says: itself, and those
// that it is linked to.
func (r *run) writeHosts(end bridge.End) error {
	t := r.task
	var b strings.Builder
	b.WriteString("127.0.0.1\tlocalhost\n::1\tlocalhost ip6-localhost ip6-loopback\n")
	b.WriteString(end.Address.String() + "\t" + r.hostname() + "\n")
	for _, l := range r.def.Links {
		name, alias, _ := strings.Cut(l, ":")
		o := t.runs[name]
		if o == nil {
			continue // it is refused before
		}
		if e := t.look(name).End; e != nil {
			b.WriteString(e.Address.String() + "\t" + strings.TrimSpace(alias+" "+o.hostname()+" "+name) + "\n")
		}
	}
	path := filepath.Join(t.dir, r.hostsFile())
	err := os.WriteFile(path, []byte(b.String()), 0o644) // containers of any user read it
	if err == nil {
		err = t.agent.give(path)
	}
	if err != nil {
		return fault.New(fault.Internal, "CannotStartContainerError", "write its hosts: %s", err)
	}
	return nil
}

// awaitLinks waits until the containers that this one is linked to run: before
// that they have no address.
func (r *run) awaitLinks(ctx context.Context) error {
	for _, l := range r.def.Links {
		name, _, _ := strings.Cut(l, ":")
		o := r.task.runs[name]
		if o == nil {
			return fault.New(fault.Invalid, "CannotCreateContainerError", "container %s is linked to %s, which the task has not", r.def.Name, name)
		}
		if err := r.awaitOne(ctx, o, "START"); err != nil {
			return err
		}
	}
	return nil
}

// bindings are the ports of the machine that lead to a container, as they are
// reported and shown; nil is none.
func bindings(w *acs.Task, c *acs.Container, end *bridge.End) []ecs.NetworkBinding {
	var out []ecs.NetworkBinding
	add := func(container, host int64, protocol string) {
		out = append(out, ecs.NetworkBinding{
			BindIP: wire.Ptr("0.0.0.0"), ContainerPort: &container, HostPort: &host, Protocol: orNil(protocol),
		})
	}
	switch {
	case end != nil:
		for _, p := range end.Ports {
			add(p.Container, p.Host, p.Protocol)
		}
	case w.NetworkMode == model.NetworkHost && w.LaunchType == model.LaunchEC2:
		for _, p := range c.PortMappings {
			add(p.ContainerPort, p.ContainerPort, p.Protocol)
		}
	}
	return out
}

// ports are the container's as metadata shows them.
func (r *run) ports() []map[string]any {
	var out []map[string]any
	for _, b := range bindings(&r.task.def, r.def, r.task.look(r.def.Name).End) {
		out = append(out, map[string]any{
			"ContainerPort": *b.ContainerPort, "HostPort": *b.HostPort, "Protocol": wire.Val(b.Protocol), "HostIp": *b.BindIP,
		})
	}
	return out
}

// networks are the container's as metadata shows them.
func (r *run) networks() []map[string]any {
	if !r.task.bridged() && !r.task.lonely() {
		return r.task.networks()
	}
	ips := []string{}
	if e := r.task.look(r.def.Name).End; e != nil {
		ips = append(ips, e.Address.String())
	}
	return []map[string]any{{"NetworkMode": r.task.def.NetworkMode, "IPv4Addresses": ips}}
}
