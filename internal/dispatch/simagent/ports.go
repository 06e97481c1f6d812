package simagent

import (
	"berth/internal/dispatch"
	"berth/internal/model"
	"berth/internal/state"
	"berth/internal/store"
)

// firstPort is where ports begin that nobody asked for.
const firstPort = 32768

// bind gives the containers of a task in bridge or host mode their ports: those
// that the definition names, else the first that nobody on the machine has.
func bind(r store.Reader, t model.Task, containers []dispatch.ContainerReport) {
	def := state.TaskDefinitions.Ref(r, t.TaskDefinition)
	i, _ := state.Instances.One(r, "arn", t.Instance)
	if def == nil || i.Kind != model.KindEC2 || def.NetworkMode != model.NetworkBridge && def.NetworkMode != model.NetworkHost {
		return
	}
	taken := map[int64]bool{}
	for o := range state.Tasks.Each(r, "instance", t.Instance) {
		for _, c := range o.Containers {
			for _, b := range c.Bindings {
				taken[b.HostPort] = taken[b.HostPort] || o.LastStatus != model.TaskStopped
			}
		}
	}
	for i := range containers {
		for _, p := range portsOf(def, containers[i].Name) {
			port := p.HostPort
			for n := int64(firstPort); port == 0; n++ {
				if !taken[n] {
					port = n
				}
			}
			taken[port] = true
			containers[i].Bindings = append(containers[i].Bindings, model.NetworkBinding{
				BindIP: "0.0.0.0", ContainerPort: p.ContainerPort, HostPort: port, Protocol: p.Protocol,
			})
		}
	}
}

func portsOf(def *model.TaskDefinition, container string) []model.PortMapping {
	for _, c := range def.Containers {
		if c.Name == container {
			return c.PortMappings
		}
	}
	return nil
}
