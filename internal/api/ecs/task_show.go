package ecs

import (
	"slices"
	"strconv"

	"berth/internal/model"
	"berth/internal/state"
	"berth/internal/store"
	"berth/internal/wire"
	shape "berth/internal/wire/shape/ecs"
)

// showTask shapes a task as DescribeTasks does.
func (a *API) showTask(r store.Reader, t model.Task, include []string) shape.Task {
	out := shape.Task{
		TaskArn: &t.ARN, TaskDefinitionArn: &t.TaskDefinition, ClusterArn: wire.Ptr(a.arn("cluster/" + t.Cluster)),
		ContainerInstanceArn: text(t.Instance), AvailabilityZone: text(t.AvailabilityZone), CapacityProviderName: text(providerOf(t)),
		LaunchType: wire.Ptr(launchType(t)), Connectivity: text(string(t.Connectivity)), ConnectivityAt: at(t.ConnectivityAt),
		Cpu: wire.Ptr(strconv.FormatInt(t.CPU, 10)), Memory: wire.Ptr(strconv.FormatInt(t.Memory, 10)), CreatedAt: at(t.CreatedAt),
		DesiredStatus: wire.Ptr(string(t.DesiredStatus)), LastStatus: wire.Ptr(string(t.LastStatus)), HealthStatus: wire.Ptr(string(t.Health)),
		EnableExecuteCommand: &t.ExecuteCommand, ExecutionStoppedAt: at(t.ExecutionStoppedAt), Group: text(t.Group),
		PullStartedAt: at(t.PullStartedAt), PullStoppedAt: at(t.PullStoppedAt), StartedAt: at(t.StartedAt), StartedBy: text(t.StartedBy),
		StopCode: text(t.StopCode), StoppedAt: at(t.StoppedAt), StoppedReason: text(t.StoppedReason), StoppingAt: at(t.StoppingAt),
		Version: &t.Version, Overrides: showOverrides(t), Attachments: []shape.Attachment{}, Containers: []shape.Container{},
		Attributes: []shape.Attribute{}, InferenceAccelerators: []shape.InferenceAccelerator{}, Tags: []shape.Tag{},
	}
	if i, ok := state.Instances.One(r, "arn", t.Instance); ok && t.Instance != "" {
		if i.Kind == model.KindEC2 {
			out.LaunchType = wire.Ptr(model.LaunchEC2)
		}
		for _, at := range i.Attributes {
			if at.Name == "ecs.cpu-architecture" {
				out.Attributes = append(out.Attributes, shape.Attribute{Name: wire.Ptr(at.Name), Value: wire.Ptr(at.Value)})
			}
		}
	}
	if launchType(t) == model.LaunchFargate {
		d, _ := state.TaskDefinitions.Get(r, t.TaskDefinition)
		showOnFargate(&out, t, d)
	}
	eni, has := state.NetworkInterfaces.Get(r, t.ENI)
	if t.AttachmentID != "" {
		out.Attachments = append(out.Attachments, attachment(r, t, eni, has))
	}
	for _, c := range t.Containers {
		out.Containers = append(out.Containers, showContainer(t, c, eni, has))
	}
	if slices.Contains(include, "TAGS") {
		out.Tags = append(out.Tags, showTags(t.Tags)...)
	}
	return out
}

// launchType is that of the provider that a task is on, or will be on.
func launchType(t model.Task) string {
	if model.IsFargate(t.CapacityProvider) {
		return model.LaunchFargate
	}
	return kindOf(t.Strategy, t.LaunchType)
}

// providerOf is the provider that a task is on, or will be on.
func providerOf(t model.Task) string {
	if t.CapacityProvider == "" && len(t.Strategy) == 1 {
		return t.Strategy[0].Provider
	}
	return t.CapacityProvider
}

// attachment is the interface of an awsvpc task (docs/facts/deployments.md D116).
func attachment(r store.Reader, t model.Task, eni model.NetworkInterface, has bool) shape.Attachment {
	status := "PRECREATED"
	switch {
	case has && t.LastStatus == model.TaskProvisioning:
		status = "ATTACHING"
	case has && eni.State == model.InterfaceDeleting:
		status = "DETACHING"
	case has:
		status = "ATTACHED"
	case t.LastStatus == model.TaskStopped:
		status = "DELETED"
	}
	out := shape.Attachment{
		Id: wire.Ptr(t.AttachmentID), Type: wire.Ptr("ElasticNetworkInterface"), Status: &status, Details: []shape.KeyValuePair{},
	}
	add := func(name, value string) {
		if value != "" {
			out.Details = append(out.Details, shape.KeyValuePair{Name: &name, Value: &value})
		}
	}
	add("subnetId", t.Subnet)
	if has {
		add("networkInterfaceId", eni.ID)
		add("macAddress", eni.MAC)
		add("privateDnsName", privateName(r, eni))
		add("privateIPv4Address", eni.IP)
	}
	return out
}

// privateName is the interface's name in its VPC, if the VPC gives names.
func privateName(r store.Reader, eni model.NetworkInterface) string {
	v, ok := state.VPCs.Get(r, eni.VPC)
	if !ok || !v.DNSHostnames {
		return ""
	}
	zone := eni.AvailabilityZone
	if zone == "" {
		return ""
	}
	region := zone[:len(zone)-1]
	name := []byte("ip-" + eni.IP)
	for i := range name {
		if name[i] == '.' {
			name[i] = '-'
		}
	}
	if region == "us-east-1" {
		return string(name) + ".ec2.internal"
	}
	return string(name) + "." + region + ".compute.internal"
}

func showContainer(t model.Task, c model.TaskContainer, eni model.NetworkInterface, has bool) shape.Container {
	out := shape.Container{
		ContainerArn: wire.Ptr(c.ARN), TaskArn: wire.Ptr(t.ARN), Name: wire.Ptr(c.Name), Image: wire.Ptr(c.Image),
		ImageDigest: text(c.ImageDigest), RuntimeId: text(c.RuntimeID), LastStatus: wire.Ptr(string(c.LastStatus)), ExitCode: c.ExitCode,
		Reason: text(c.Reason), HealthStatus: wire.Ptr(string(c.Health)), Cpu: wire.Ptr(strconv.FormatInt(c.CPU, 10)), Memory: number(c.Memory),
		NetworkBindings: showBindings(c.Bindings), NetworkInterfaces: []shape.NetworkInterface{}, ManagedAgents: nil,
	}
	if has {
		out.NetworkInterfaces = append(out.NetworkInterfaces, shape.NetworkInterface{
			AttachmentId: text(t.AttachmentID), PrivateIpv4Address: text(eni.IP),
		})
	}
	return out
}

func showBindings(bs []model.NetworkBinding) []shape.NetworkBinding {
	out := []shape.NetworkBinding{}
	for _, b := range bs {
		out = append(out, shape.NetworkBinding{
			BindIP: text(b.BindIP), ContainerPort: wire.Ptr(b.ContainerPort), HostPort: wire.Ptr(b.HostPort), Protocol: wire.Ptr(b.Protocol),
		})
	}
	return out
}

func showOverrides(t model.Task) *shape.TaskOverride {
	out := &shape.TaskOverride{
		ContainerOverrides: []shape.ContainerOverride{}, InferenceAcceleratorOverrides: []shape.InferenceAcceleratorOverride{},
	}
	for _, c := range t.Containers {
		k := shape.ContainerOverride{Name: wire.Ptr(c.Name)}
		for _, o := range t.Overrides {
			if o.Name != c.Name {
				continue
			}
			k.Command, k.Cpu, k.Memory = o.Command, positive(o.CPU), positive(o.Memory)
			for _, e := range o.Environment {
				k.Environment = append(k.Environment, shape.KeyValuePair{Name: wire.Ptr(e.Name), Value: wire.Ptr(e.Value)})
			}
		}
		out.ContainerOverrides = append(out.ContainerOverrides, k)
	}
	return out
}
