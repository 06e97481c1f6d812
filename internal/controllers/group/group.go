// Package group keeps Auto Scaling groups: it has EC2 launch and end instances
// until each group has those that plan/group decides on, and tells of it in
// activities.
//
// It owns activities, and when a group's launches are tried again. What is to be
// done stands in an activity before it is done, and the activity's id is the
// launch's client token: whoever finds it after a crash does it once. It makes
// no instances itself: api/ec2 does, as for everybody.
package group

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"slices"
	"time"

	"berth/internal/control"
	"berth/internal/fault"
	"berth/internal/ident"
	"berth/internal/model"
	plan "berth/internal/plan/group"
	"berth/internal/state"
	"berth/internal/store"
	"berth/internal/wire"
	"berth/internal/wire/shape/autoscaling"
	"berth/internal/wire/shape/ec2"
	"berth/internal/wire/shape/ecs"
)

const (
	name = "controllers/group"
	// After a launch that failed the next is tried later and later.
	retryFirst = 15 * time.Second
	retryMost  = 5 * time.Minute
	// lookAgain is how often it looks whether an instance that is emptied has
	// tasks left, and drainMost how long it waits for them.
	lookAgain = 5 * time.Second
	drainMost = 48 * time.Hour
	// kept is how many activities of a group are kept.
	kept = 100
)

// Deps are what the controller needs.
type Deps struct {
	DB    *state.DB
	IDs   *ident.Source
	Place ident.Place
	// Series takes what groups publish of themselves.
	Series Metrics
	// As calls EC2 as Auto Scaling's service-linked role.
	As  func(ident.Principal) wire.Caller
	Log *slog.Logger
}

// Controller implements control.Controller.
type Controller struct {
	Deps
	minutes map[string]time.Time // that were published last, by group
}

var _ control.Controller = Controller{}

// New makes the controller.
func New(d Deps) Controller { return Controller{d, map[string]time.Time{}} }

// Name implements control.Controller.
func (Controller) Name() string { return name }

// Wake implements control.Controller.
func (Controller) Wake() store.Rules {
	return store.Rules{
		store.OnAny(state.AutoScalingGroups, "the group", func(g *model.AutoScalingGroup) string { return g.Name }),
		store.OnAny(state.GroupActivities, "the activity's group", func(a *model.GroupActivity) string { return a.Group }),
		store.OnAny(state.Instances, "the instance's group", func(i *model.Instance) string { return i.Group }),
		store.OnPart(state.Targets, targetKey+"ID of an instance that is a target", targetOf, whose),
	}
}

// Reconcile implements control.Controller.
func (l Controller) Reconcile(ctx context.Context, r control.Request) (control.Result, error) {
	view := l.DB.View()
	g, ok := state.AutoScalingGroups.Get(view, groupOf(view, r.Key))
	if !ok {
		return control.Result{}, nil
	}
	for _, step := range []step{l.settle, l.direct, l.judgeTraffic, l.act, l.decide, l.conclude} {
		if err := step(ctx, r.Now, l.DB.View(), g); err != nil {
			return control.Result{}, err
		}
	}
	after := sooner(max(g.NextTryAt.Sub(r.Now), 0), graceLeft(l.DB.View(), g, r.Now))
	for _, a := range open(l.DB.View(), g.Name) {
		if i, _ := state.Instances.Get(l.DB.View(), a.Instance); !a.Launch && i.Goal == model.GoalDrain {
			after = sooner(after, lookAgain)
		}
	}
	next, err := l.publish(ctx, r.Now, g)
	return control.Result{After: sooner(after, next)}, err
}

// step does one part of what a group needs.
type step func(context.Context, time.Time, store.Reader, model.AutoScalingGroup) error

// sooner is the sooner of two times to look again; 0 is never.
func sooner(x, y time.Duration) time.Duration {
	if x == 0 || y != 0 && y < x {
		return y
	}
	return x
}

// open are a group's activities that are under way.
func open(r store.Reader, group string) []model.GroupActivity {
	return slices.DeleteFunc(state.GroupActivities.By(r, "group", group), func(a model.GroupActivity) bool { return !a.EndAt.IsZero() })
}

// settle ends the activities whose instances are where they should be.
func (l Controller) settle(ctx context.Context, now time.Time, r store.Reader, g model.AutoScalingGroup) error {
	var done []model.GroupActivity
	for _, a := range open(r, g.Name) {
		i, ok := state.Instances.Get(r, a.Instance)
		gone := !ok || i.State == model.InstanceTerminated
		switch {
		case a.Instance == "":
			continue
		case a.Launch && gone && i.Goal != model.GoalTerminate:
			a.Status, a.Message = model.ActivityFailed, cmp.Or(i.StateReason, "The instance is gone.")+" Launching EC2 instance failed."
		case a.Launch && !gone && i.State == model.InstancePending:
			continue
		case !a.Launch && !gone:
			continue
		default:
			a.Status = model.ActivitySuccessful
		}
		a.EndAt = now
		done = append(done, a)
	}
	return l.write(ctx, now, g.Name, done...)
}

// write records activities, and what they say of the group's launches.
func (l Controller) write(ctx context.Context, now time.Time, group string, all ...model.GroupActivity) error {
	if len(all) == 0 {
		return nil
	}
	return l.DB.Update(ctx, name, func(tx *store.Tx) error {
		for _, a := range all {
			if err := state.GroupActivities.Put(tx, a); err != nil {
				return err
			}
			if err := l.judge(tx, now, a); err != nil {
				return err
			}
			if err := protect(tx, a); err != nil {
				return err
			}
			if err := serve(tx, now, a); err != nil {
				return err
			}
		}
		return forget(tx, group)
	})
}

// protect spares a new instance from scaling in, where its group says so.
func protect(tx *store.Tx, a model.GroupActivity) error {
	g, ok := state.AutoScalingGroups.Get(tx, a.Group)
	if !ok || !g.NewProtected || !a.Launch || a.Instance == "" || !a.EndAt.IsZero() || slices.Contains(g.Protected, a.Instance) {
		return nil
	}
	return state.AutoScalingGroups.Edit(tx, a.Group, func(g *model.AutoScalingGroup) error {
		g.Protected = slices.Sorted(slices.Values(append(g.Protected, a.Instance)))
		return nil
	})
}

// judge puts the next launch off after one that failed.
func (Controller) judge(tx *store.Tx, now time.Time, a model.GroupActivity) error {
	g, ok := state.AutoScalingGroups.Get(tx, a.Group)
	if !ok || !a.Launch || a.EndAt.IsZero() || a.Status == model.ActivitySuccessful && g.Failures == 0 {
		return nil
	}
	if a.Status != model.ActivitySuccessful {
		if err := state.Note(tx, now, model.Decision{By: name, Subject: a.Group, Verb: "refused", Reason: a.Message}); err != nil {
			return err
		}
	}
	return state.AutoScalingGroups.Edit(tx, a.Group, func(g *model.AutoScalingGroup) error {
		if a.Status == model.ActivitySuccessful {
			g.Failures, g.NextTryAt = 0, time.Time{}
			return nil
		}
		g.NextTryAt = now.Add(min(retryFirst<<min(g.Failures, 10), retryMost))
		g.Failures++
		return nil
	})
}

// forget drops the oldest activities beyond those that are kept.
func forget(tx *store.Tx, group string) error {
	all := state.GroupActivities.By(tx, "group", group)
	if len(all) <= kept {
		return nil
	}
	slices.SortFunc(all, func(x, y model.GroupActivity) int { return x.StartAt.Compare(y.StartAt) })
	for _, a := range all[:len(all)-kept] {
		if a.EndAt.IsZero() {
			continue
		}
		if err := state.GroupActivities.Delete(tx, a.ID); err != nil {
			return err
		}
	}
	return nil
}

// act does what open activities say and is not yet done.
func (l Controller) act(ctx context.Context, now time.Time, r store.Reader, g model.AutoScalingGroup) error {
	for _, a := range open(r, g.Name) {
		i, _ := state.Instances.Get(r, a.Instance)
		var err error
		switch {
		case a.Launch && a.Instance == "":
			err = l.launch(ctx, now, r, g, a)
		case !a.Launch && i.ID != "" && i.Goal != model.GoalTerminate:
			err = l.end(ctx, now, r, g, a, i)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func (l Controller) ec2() ec2.Client {
	return ec2.Client{Caller: l.As(ident.AsService(l.Place, "autoscaling.amazonaws.com", "AWSServiceRoleForAutoScaling", "AutoScaling"))}
}

// end terminates an instance, after ECS has emptied it if a capacity provider of
// the group says so (managed draining).
func (l Controller) end(
	ctx context.Context, now time.Time, r store.Reader, g model.AutoScalingGroup, a model.GroupActivity, i model.Instance,
) error {
	if !g.Deleting && registered(r, g, i.ID) {
		return nil // its targets drain, and wake the group when they have
	}
	busy := slices.ContainsFunc(state.Tasks.By(r, "instance", i.ARN), func(t model.Task) bool { return t.LastStatus != model.TaskStopped })
	p, _ := state.CapacityProviders.Get(r, i.CapacityProvider)
	switch {
	case g.Deleting || i.ARN == "" || !busy || p.Group == nil || !p.Group.Drains || now.Sub(a.StartAt) >= drainMost:
		return l.terminate(ctx, i.ID)
	case i.Status != model.ContainerInstanceActive:
		return nil
	}
	c := ecs.Client{Caller: l.As(ident.AsService(l.Place, "ecs.amazonaws.com", "AWSServiceRoleForECS", "ECS"))}
	_, err := c.UpdateContainerInstancesState(ctx, &ecs.UpdateContainerInstancesStateInput{
		Cluster: &i.Cluster, ContainerInstances: []string{i.ARN}, Status: wire.Ptr(string(model.ContainerInstanceDraining)),
	})
	return err
}

func (l Controller) terminate(ctx context.Context, id string) error {
	_, err := l.ec2().TerminateInstances(ctx, &ec2.TerminateInstancesInput{InstanceIds: []string{id}})
	if fault.Is(err, fault.NotFound) {
		return nil
	}
	return err
}

// launch has EC2 launch an instance; the activity says what came of it.
func (l Controller) launch(ctx context.Context, now time.Time, r store.Reader, g model.AutoScalingGroup, a model.GroupActivity) error {
	in, err := request(r, g, a)
	if err == nil {
		var out *ec2.RunInstancesOutput
		if out, err = l.ec2().RunInstances(ctx, in); err == nil {
			a.Instance = wire.Val(out.Instances[0].InstanceId)
			a.Description = "Launching a new EC2 instance: " + a.Instance
			return l.write(ctx, now, g.Name, a)
		}
	}
	var known *fault.Error
	if !errors.As(err, &known) || known.Class == fault.Unavailable || known.Class == fault.Internal {
		return err // tried again
	}
	a.Status, a.EndAt = model.ActivityFailed, now
	a.Message = fault.MessageOf(err) + " Launching EC2 instance failed."
	return l.write(ctx, now, g.Name, a)
}

// request is the call that launches one instance of a group.
func request(r store.Reader, g model.AutoScalingGroup, a model.GroupActivity) (*ec2.RunInstancesInput, error) {
	in := &ec2.RunInstancesInput{}
	if g.Template != "" {
		in.LaunchTemplate = &ec2.LaunchTemplateSpecification{LaunchTemplateId: &g.Template, Version: &g.TemplateVersion}
	} else {
		c, ok := state.LaunchConfigurations.Get(r, g.LaunchConfiguration)
		if !ok {
			return nil, fault.New(fault.Invalid, "ValidationError", "Launch configuration %s does not exist.", g.LaunchConfiguration)
		}
		if err := configured(in, c); err != nil {
			return nil, err
		}
	}
	if len(in.NetworkInterfaces) > 0 {
		in.NetworkInterfaces[0].SubnetId = &a.Subnet
	}
	in.SubnetId, in.ClientToken, in.MinCount, in.MaxCount = &a.Subnet, &a.ID, wire.Ptr(int64(1)), wire.Ptr(int64(1))
	tags := []ec2.Tag{{Key: wire.Ptr("aws:autoscaling:groupName"), Value: &g.Name}}
	for _, t := range g.Tags {
		if t.Propagate {
			tags = append(tags, ec2.Tag{Key: &t.Key, Value: &t.Value})
		}
	}
	in.TagSpecifications = []ec2.TagSpecification{{ResourceType: wire.Ptr("instance"), Tags: tags}}
	return in, nil
}

// configured fills in what a launch configuration says.
func configured(in *ec2.RunInstancesInput, c model.LaunchConfiguration) error {
	var d autoscaling.CreateLaunchConfigurationInput
	if err := json.Unmarshal([]byte(c.Data), &d); err != nil {
		return fault.Wrap(fault.Internal, err, "read launch configuration %s", c.Name)
	}
	in.ImageId, in.InstanceType, in.KeyName, in.UserData, in.SecurityGroupIds = d.ImageId, d.InstanceType, d.KeyName, d.UserData,
		d.SecurityGroups
	if p := wire.Val(d.IamInstanceProfile); p != "" {
		in.IamInstanceProfile = &ec2.IamInstanceProfileSpecification{Name: &p}
		if _, ok := ident.ParseARN(p); ok {
			in.IamInstanceProfile = &ec2.IamInstanceProfileSpecification{Arn: &p}
		}
	}
	if d.AssociatePublicIpAddress != nil {
		in.SecurityGroupIds = nil
		in.NetworkInterfaces = []ec2.InstanceNetworkInterfaceSpecification{{
			DeviceIndex: wire.Ptr(int64(0)), AssociatePublicIpAddress: d.AssociatePublicIpAddress, Groups: d.SecurityGroups,
		}}
	}
	// A launch configuration's instances are monitored in detail unless it says
	// otherwise.
	in.Monitoring = &ec2.RunInstancesMonitoringEnabled{Enabled: wire.Ptr(d.InstanceMonitoring == nil ||
		wire.Or(d.InstanceMonitoring.Enabled, true))}
	if m := d.MetadataOptions; m != nil {
		in.MetadataOptions = &ec2.InstanceMetadataOptionsRequest{
			HttpTokens: m.HttpTokens, HttpPutResponseHopLimit: m.HttpPutResponseHopLimit, HttpEndpoint: m.HttpEndpoint,
		}
	}
	for _, b := range d.BlockDeviceMappings {
		v := ec2.BlockDeviceMapping{DeviceName: b.DeviceName}
		if b.Ebs != nil {
			v.Ebs = &ec2.EbsBlockDevice{VolumeSize: b.Ebs.VolumeSize, VolumeType: b.Ebs.VolumeType, Encrypted: b.Ebs.Encrypted}
		}
		in.BlockDeviceMappings = append(in.BlockDeviceMappings, v)
	}
	return nil
}

// decide writes down what is to be done; the activities wake the controller.
func (l Controller) decide(ctx context.Context, now time.Time, r store.Reader, g model.AutoScalingGroup) error {
	if fresh, ok := state.AutoScalingGroups.Get(r, g.Name); ok {
		g = fresh // a launch that failed puts the next off
	}
	p := plan.Decide(facts(r, g, now))
	all := make([]model.GroupActivity, 0, len(p.Launch)+len(p.End))
	for _, x := range p.Launch {
		all = append(all, model.GroupActivity{
			ID: l.IDs.UUID(), Group: g.Name, Launch: true, Subnet: x.Subnet, Zone: x.Zone, Cause: x.Cause, StartAt: now,
			Status: model.ActivityInProgress, Description: "Launching a new EC2 instance",
		})
	}
	for _, x := range p.End {
		all = append(all, model.GroupActivity{
			ID: l.IDs.UUID(), Group: g.Name, Instance: x.ID, Cause: x.Cause, StartAt: now, Status: model.ActivityInProgress,
			Description: "Terminating EC2 instance: " + x.ID,
		})
	}
	if len(all) == 0 && g.Why != "" && len(open(r, g.Name)) == 0 && g.NextTryAt.IsZero() {
		return l.attained(ctx, g)
	}
	return l.write(ctx, now, g.Name, all...)
}

// attained forgets why the group wanted the capacity that it has now.
func (l Controller) attained(ctx context.Context, was model.AutoScalingGroup) error {
	return l.DB.Update(ctx, name, func(tx *store.Tx) error {
		if g, ok := state.AutoScalingGroups.Get(tx, was.Name); !ok || g.Why != was.Why {
			return nil
		}
		return state.AutoScalingGroups.Edit(tx, was.Name, func(g *model.AutoScalingGroup) error { g.Why = ""; return nil })
	})
}

func facts(r store.Reader, g model.AutoScalingGroup, now time.Time) plan.Facts {
	f := plan.Facts{Group: &g, Now: now, Current: current(r, g)}
	for _, id := range g.Subnets {
		if s, ok := state.Subnets.Get(r, id); ok {
			f.Places = append(f.Places, plan.Place{Subnet: id, Zone: s.AvailabilityZone})
		}
	}
	ending := map[string]bool{}
	for _, a := range open(r, g.Name) {
		if a.Launch && a.Instance == "" {
			f.Launching++
		}
		ending[a.Instance] = ending[a.Instance] || !a.Launch
	}
	for i := range state.Instances.Each(r, "group", g.Name) {
		if !ending[i.ID] {
			f.Instances = append(f.Instances, i)
		}
	}
	return f
}

// current tells whether an instance is of the group's present template.
func current(r store.Reader, g model.AutoScalingGroup) func(*model.Instance) bool {
	t, _ := state.LaunchTemplates.Get(r, g.Template)
	want := t.Version(g.TemplateVersion)
	return func(i *model.Instance) bool {
		return g.Template == "" || i.Launch != nil && i.Launch.Template == g.Template && i.Launch.TemplateVersion == want
	}
}

// conclude forgets a group that is deleted once it has no instances.
func (l Controller) conclude(ctx context.Context, _ time.Time, r store.Reader, g model.AutoScalingGroup) error {
	if !g.Deleting || len(open(r, g.Name)) > 0 {
		return nil
	}
	for _, i := range state.Instances.By(r, "group", g.Name) {
		if i.State != model.InstanceTerminated {
			return nil
		}
	}
	return l.DB.Update(ctx, name, func(tx *store.Tx) error {
		for _, a := range state.GroupActivities.By(tx, "group", g.Name) {
			if err := state.GroupActivities.Delete(tx, a.ID); err != nil {
				return err
			}
		}
		return state.AutoScalingGroups.Delete(tx, g.Name)
	})
}
