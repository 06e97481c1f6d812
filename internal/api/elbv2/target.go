package elbv2

import (
	"context"
	"net/netip"
	"slices"
	"strconv"

	"berth/internal/fault"
	"berth/internal/model"
	"berth/internal/state"
	"berth/internal/store"
	"berth/internal/wire"
	shape "berth/internal/wire/shape/elbv2"
)

func badTarget(format string, args ...any) error {
	return fault.New(fault.Invalid, "InvalidTarget", format, args...)
}

// RegisterTargets registers targets. One that drains is taken back. Errors:
// TargetGroupNotFound, InvalidTarget, TooManyTargets, ValidationError.
func (a *API) RegisterTargets(ctx context.Context, in *shape.RegisterTargetsInput) (*shape.RegisterTargetsOutput, error) {
	arn, now := wire.Val(in.TargetGroupArn), a.Clock.Now()
	return &shape.RegisterTargetsOutput{}, a.update(ctx, func(tx *store.Tx) error {
		g, ok := state.TargetGroups.Get(tx, arn)
		if !ok {
			return noGroup(arn)
		}
		for _, d := range in.Targets {
			t, err := readTarget(tx, g, d)
			if err != nil {
				return err
			}
			t.RegisteredAt = now
			if old, ok := state.Targets.Get(tx, state.TargetKey(t.Group, t.ID, t.Port)); ok {
				if old.DrainingAt.IsZero() {
					continue
				}
				t.State, t.Reason, t.Description, t.StateAt, t.Task = old.State, old.Reason, old.Description, old.StateAt, old.Task
			}
			if err := state.Targets.Put(tx, t); err != nil {
				return err
			}
		}
		if len(state.Targets.By(tx, "group", arn)) > 1000 {
			return fault.New(fault.Invalid, "TooManyTargets", "The maximum number of targets has been reached for target group '%s'", arn)
		}
		return nil
	})
}

// readTarget checks one target against its group.
func readTarget(r store.Reader, g model.TargetGroup, d shape.TargetDescription) (model.Target, error) {
	t := model.Target{Group: g.ARN, ID: wire.Val(d.Id), Port: wire.Or(d.Port, g.Port)}
	if g.TargetType == "instance" {
		i, ok := state.Instances.Get(r, t.ID)
		switch {
		case !ok:
			return t, badTarget("The following targets are not in a running state or do not exist: '%s'", t.ID)
		case i.State != model.InstanceRunning:
			return t, badTarget("The following targets are not in a running state and cannot be registered: '%s'", t.ID)
		}
		t.Zone = i.AvailabilityZone
		return t, nil
	}
	ip, err := netip.ParseAddr(t.ID)
	if err != nil || !ip.Is4() {
		return t, invalid("The IP address '%s' is not a valid IPv4 address", t.ID)
	}
	for _, s := range state.Subnets.By(r, "vpc", g.VPC) {
		if p, err := netip.ParsePrefix(s.CIDR); err == nil && p.Contains(ip) {
			t.Zone = s.AvailabilityZone
			return t, nil
		}
	}
	switch {
	case wire.Val(d.AvailabilityZone) == "all" && ip.IsPrivate():
		t.Zone = "all"
	case ip.IsPrivate():
		return t, badTarget("You must specify an Availability Zone for the target '%s', which is outside the target group VPC", t.ID)
	default:
		return t, badTarget(
			"The IP address '%s' is not valid: targets must be in the VPC's CIDR blocks or in 10.0.0.0/8, 100.64.0.0/10, 172.16.0.0/12 or "+
				"192.168.0.0/16",
			t.ID,
		)
	}
	return t, nil
}

// DeregisterTargets begins to drain targets; ones that are not registered are
// passed over. Errors: TargetGroupNotFound.
func (a *API) DeregisterTargets(ctx context.Context, in *shape.DeregisterTargetsInput) (*shape.DeregisterTargetsOutput, error) {
	arn, now := wire.Val(in.TargetGroupArn), a.Clock.Now()
	return &shape.DeregisterTargetsOutput{}, a.update(ctx, func(tx *store.Tx) error {
		if _, ok := state.TargetGroups.Get(tx, arn); !ok {
			return noGroup(arn)
		}
		for _, t := range state.Targets.By(tx, "group", arn) {
			if !t.DrainingAt.IsZero() || !named(in.Targets, t) {
				continue
			}
			err := state.Targets.Edit(tx, state.TargetKey(t.Group, t.ID, t.Port), func(t *model.Target) error { t.DrainingAt = now; return nil })
			if err != nil {
				return err
			}
		}
		return nil
	})
}

// named reports whether a call names a target; without a port it names every
// port.
func named(ds []shape.TargetDescription, t model.Target) bool {
	return slices.ContainsFunc(ds, func(d shape.TargetDescription) bool {
		return wire.Val(d.Id) == t.ID && (d.Port == nil || *d.Port == t.Port)
	})
}

// DescribeTargetHealth tells the health of all targets or of those named.
// Errors: TargetGroupNotFound.
func (a *API) DescribeTargetHealth(_ context.Context, in *shape.DescribeTargetHealthInput) (*shape.DescribeTargetHealthOutput, error) {
	v := a.DB.View()
	g, ok := state.TargetGroups.Get(v, wire.Val(in.TargetGroupArn))
	if !ok {
		return nil, noGroup(wire.Val(in.TargetGroupArn))
	}
	used := len(balancersOf(v, g.ARN, "")) > 0
	out := &shape.DescribeTargetHealthOutput{TargetHealthDescriptions: []shape.TargetHealthDescription{}}
	all := state.Targets.By(v, "group", g.ARN)
	for _, t := range all {
		if len(in.Targets) == 0 || named(in.Targets, t) {
			out.TargetHealthDescriptions = append(out.TargetHealthDescriptions, showHealth(g, t, used))
		}
	}
	for _, d := range in.Targets {
		if !slices.ContainsFunc(all, func(t model.Target) bool { return named([]shape.TargetDescription{d}, t) }) {
			out.TargetHealthDescriptions = append(out.TargetHealthDescriptions, shape.TargetHealthDescription{
				Target:       &shape.TargetDescription{Id: d.Id, Port: wire.Ptr(wire.Or(d.Port, g.Port))},
				TargetHealth: showState("unused", "Target.NotRegistered", "Target is not registered to the target group"),
			})
		}
	}
	return out, nil
}

func showHealth(g model.TargetGroup, t model.Target, used bool) shape.TargetHealthDescription {
	port := g.HealthPort
	if port == "traffic-port" {
		port = strconv.FormatInt(t.Port, 10)
	}
	d := shape.TargetHealthDescription{
		Target:          &shape.TargetDescription{Id: wire.Ptr(t.ID), Port: wire.Ptr(t.Port)},
		HealthCheckPort: wire.Ptr(port),
	}
	if t.Zone != "" {
		d.Target.AvailabilityZone = wire.Ptr(t.Zone)
	}
	switch {
	case !t.DrainingAt.IsZero():
		d.TargetHealth = showState("draining", "Target.DeregistrationInProgress", "Target deregistration is in progress")
	case t.State == "" && !used:
		d.TargetHealth = showState("unused", "Target.NotInUse", "Target group is not configured to receive traffic from the load balancer")
	case t.State == "" || t.State == model.TargetDraining:
		d.TargetHealth = showState("initial", "Elb.RegistrationInProgress", "Target registration is in progress")
	default:
		d.TargetHealth = showState(string(t.State), t.Reason, t.Description)
	}
	return d
}

func showState(state, reason, text string) *shape.TargetHealth {
	h := &shape.TargetHealth{State: wire.Ptr(state)}
	if reason != "" {
		h.Reason = wire.Ptr(reason)
	}
	if text != "" {
		h.Description = wire.Ptr(text)
	}
	return h
}
