package ecs

import (
	"context"

	"berth/internal/dispatch"
	"berth/internal/model"
	"berth/internal/wire"
	shape "berth/internal/wire/shape/ecs"
)

// RegisterContainerInstance signs an agent's machine in. Errors:
// ClientException, InvalidParameterException, AccessDeniedException.
func (a *API) RegisterContainerInstance(
	ctx context.Context, in *shape.RegisterContainerInstanceInput,
) (*shape.RegisterContainerInstanceOutput, error) {
	r := dispatch.Registration{
		Cluster: wire.Val(in.Cluster), Instance: wire.Val(in.ContainerInstanceArn), Document: wire.Val(in.InstanceIdentityDocument),
	}
	for _, t := range in.TotalResources {
		switch wire.Val(t.Name) {
		case "CPU":
			r.CPU = wire.Val(t.IntegerValue)
		case "MEMORY":
			r.Memory = wire.Val(t.IntegerValue)
		case "PORTS":
			r.Ports = t.StringSetValue
		case "PORTS_UDP":
			r.PortsUDP = t.StringSetValue
		}
	}
	for _, at := range in.Attributes {
		r.Attributes = append(r.Attributes, model.Attribute{Name: wire.Val(at.Name), Value: wire.Val(at.Value)})
	}
	if v := in.VersionInfo; v != nil {
		r.AgentVersion, r.RuntimeVersion = wire.Val(v.AgentVersion), wire.Val(v.DockerVersion)
	}
	i, err := a.Gateway.Register(ctx, caller(ctx), r)
	if err != nil {
		return nil, err
	}
	out := showInstance(a.view(), i, []string{"TAGS"})
	return &shape.RegisterContainerInstanceOutput{ContainerInstance: &out}, nil
}

// DiscoverPollEndpoint says where an agent gets its work. Errors:
// InvalidParameterException, AccessDeniedException.
func (a *API) DiscoverPollEndpoint(ctx context.Context, in *shape.DiscoverPollEndpointInput) (*shape.DiscoverPollEndpointOutput, error) {
	e, err := a.Gateway.PollEndpoint(ctx, caller(ctx), wire.Val(in.Cluster), wire.Val(in.ContainerInstance))
	if err != nil {
		return nil, err
	}
	return &shape.DiscoverPollEndpointOutput{
		Endpoint: &e.Agent, TelemetryEndpoint: &e.Telemetry, ServiceConnectEndpoint: text(e.ServiceConnect),
	}, nil
}

// SubmitTaskStateChange takes an agent's report of a task. Errors:
// InvalidParameterException, AccessDeniedException.
func (a *API) SubmitTaskStateChange(ctx context.Context, in *shape.SubmitTaskStateChangeInput) (*shape.SubmitTaskStateChangeOutput, error) {
	r := dispatch.TaskReport{
		Cluster: wire.Val(in.Cluster), Task: wire.Val(in.Task), Status: wire.Val(in.Status), Reason: wire.Val(in.Reason),
		PullStartedAt: wire.Val(in.PullStartedAt), PullStoppedAt: wire.Val(in.PullStoppedAt), ExecutionStoppedAt: wire.Val(in.ExecutionStoppedAt),
		Attachments: reports(in.Attachments),
	}
	for _, c := range in.Containers {
		bound, err := readBindings(c.NetworkBindings)
		if err != nil {
			return nil, err
		}
		r.Containers = append(r.Containers, dispatch.ContainerReport{
			Name: wire.Val(c.ContainerName), Status: wire.Val(c.Status), RuntimeID: wire.Val(c.RuntimeId), ExitCode: c.ExitCode,
			Reason: wire.Val(c.Reason), ImageDigest: wire.Val(c.ImageDigest), Bindings: bound,
		})
	}
	ack, err := a.Gateway.SubmitTask(ctx, caller(ctx), r)
	return &shape.SubmitTaskStateChangeOutput{Acknowledgment: &ack}, err
}

// SubmitContainerStateChange takes an agent's report of one container. Errors:
// InvalidParameterException, AccessDeniedException.
func (a *API) SubmitContainerStateChange(
	ctx context.Context, in *shape.SubmitContainerStateChangeInput,
) (*shape.SubmitContainerStateChangeOutput, error) {
	bound, err := readBindings(in.NetworkBindings)
	if err != nil {
		return nil, err
	}
	ack, err := a.Gateway.SubmitTask(ctx, caller(ctx), dispatch.TaskReport{
		Cluster: wire.Val(in.Cluster), Task: wire.Val(in.Task),
		Containers: []dispatch.ContainerReport{
			{
				Name: wire.Val(in.ContainerName), Status: wire.Val(in.Status), RuntimeID: wire.Val(in.RuntimeId), ExitCode: in.ExitCode,
				Reason: wire.Val(in.Reason), Bindings: bound,
			},
		},
	})
	return &shape.SubmitContainerStateChangeOutput{Acknowledgment: &ack}, err
}

// mostBindings is how many ports of one container an agent may tell of: ECS
// lets a container have 100.
const mostBindings = 100

// readBindings reads the ports that an agent says lead to a container. Errors:
// InvalidParameterException.
func readBindings(in []shape.NetworkBinding) ([]model.NetworkBinding, error) {
	if len(in) > mostBindings {
		return nil, invalid("A container can have at most %d network bindings.", mostBindings)
	}
	var out []model.NetworkBinding
	for _, b := range in {
		n := model.NetworkBinding{
			BindIP: wire.Val(b.BindIP), ContainerPort: wire.Val(b.ContainerPort), HostPort: wire.Val(b.HostPort),
			Protocol: wire.Or(b.Protocol, "tcp"),
		}
		valid := func(port int64) bool { return port > 0 && port <= 65535 }
		if !valid(n.ContainerPort) || !valid(n.HostPort) || n.Protocol != "tcp" && n.Protocol != "udp" || len(n.BindIP) > 45 {
			return nil, invalid("Invalid network binding.")
		}
		out = append(out, n)
	}
	return out, nil
}

// SubmitAttachmentStateChanges takes an agent's report of interfaces. Errors:
// InvalidParameterException, AccessDeniedException.
func (a *API) SubmitAttachmentStateChanges(
	ctx context.Context, in *shape.SubmitAttachmentStateChangesInput,
) (*shape.SubmitAttachmentStateChangesOutput, error) {
	ack, err := a.Gateway.SubmitAttachments(ctx, caller(ctx), wire.Val(in.Cluster), reports(in.Attachments))
	return &shape.SubmitAttachmentStateChangesOutput{Acknowledgment: &ack}, err
}

func reports(in []shape.AttachmentStateChange) []dispatch.AttachmentReport {
	var out []dispatch.AttachmentReport
	for _, at := range in {
		out = append(out, dispatch.AttachmentReport{Attachment: wire.Val(at.AttachmentArn), Status: wire.Val(at.Status)})
	}
	return out
}
