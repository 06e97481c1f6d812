package instance

import (
	"context"
	"time"

	"berth/internal/fault"
	"berth/internal/machine"
	"berth/internal/model"
	"berth/internal/state"
	"berth/internal/store"
	"berth/internal/vpc"
)

// What a slice has beside its task's size, for the agent and the containers'
// parent: the task's own control group holds the size.
const (
	sliceReserveMiB = 128
	sliceReserveCPU = 1
)

// sliceSpec is the machine of a task of Fargate: of the task's size, outside of
// every VPC.
func (l Controller) sliceSpec(r store.Reader, i model.Instance, eni model.NetworkInterface, role model.Role) (machine.Spec, error) {
	t, ok := firstTask(r, i)
	if !ok {
		return machine.Spec{}, fault.New(fault.Invalid, "InvalidParameterValue", "The task of slice %s is gone.", i.ID)
	}
	d, _ := state.TaskDefinitions.Get(r, t.TaskDefinition)
	return machine.Spec{
		ID: i.ID, Type: i.Type, VCPU: (i.Expected.CPU+1023)/1024 + sliceReserveCPU, MemoryMiB: i.Expected.Memory + sliceReserveMiB,
		ReservedMiB: sliceReserveMiB, StorageGiB: i.StorageGiB, Architecture: architectureOf(d), Interface: eni.ID, MAC: eni.MAC,
		PrivateIP: eni.IP, Zone: i.AvailabilityZone, Region: l.Place.Region, Account: l.Place.Account, Cluster: i.Cluster, RoleName: role.Name,
		CABundle: l.CABundle, Nameserver: vpc.Resolver.String(), ContainerInstanceARN: i.ARN, TaskNetwork: true,
	}, nil
}

// architectureOf is a definition's architecture as EC2 names it; that of
// Fargate's tasks is x86_64 unless they say otherwise.
func architectureOf(d model.TaskDefinition) string {
	if d.CPUArchitecture == "ARM64" {
		return "arm64"
	}
	return "x86_64"
}

func firstTask(r store.Reader, i model.Instance) (model.Task, bool) {
	if len(i.For) == 0 {
		return model.Task{}, false
	}
	return state.Tasks.Get(r, i.For[0])
}

// What tasks and services are told of a slice that could not be had, as AWS
// words it (docs/facts/fargate.md FG13).
const (
	noCapacity = "Capacity is unavailable at this time. Please try again later or in a different availability zone"
	moreOn     = ". For more information, see the Troubleshooting section of the Amazon ECS Developer Guide."
)

// refuseSlice ends a slice that never ran; its task ends with it, and its
// service is told. Why this host has not got it is for explain.
func (l Controller) refuseSlice(ctx context.Context, now time.Time, i model.Instance, cause model.Cause, err error) error {
	message := fault.MessageOf(err)
	reason := "ResourceInitializationError: " + message
	if fault.Is(err, fault.Capacity) {
		reason = noCapacity
	}
	event := l.IDs.UUID()
	return l.DB.Update(ctx, name, func(tx *store.Tx) error {
		if err := end(tx, i.ID, now, cause.Code, message); err != nil {
			return err
		}
		if err := state.Instances.Edit(tx, i.ID, func(i *model.Instance) error { i.StateReason = reason; return nil }); err != nil {
			return err
		}
		t, _ := firstTask(tx, i)
		if _, ok := state.Services.Get(tx, t.Service); ok {
			if err := state.Services.Edit(tx, t.Service, func(s *model.Service) error {
				state.ServiceEvent(s, model.ServiceEvent{
					ID: event, At: now, Message: "(service " + s.Name + ") was unable to place a task. Reason: " + reason + moreOn, Cause: cause,
				})
				return nil
			}); err != nil {
				return err
			}
		}
		return state.Note(tx, now, model.Decision{
			By: name, Subject: t.ARN, Cluster: i.Cluster, Service: t.Service, Verb: "refused",
			Reason: cause.Code + ": " + message, Facts: cause.Facts,
		})
	})
}
