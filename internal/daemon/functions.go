package daemon

import (
	"context"
	"slices"
	"time"

	"berth/internal/control"
	"berth/internal/controllers/network"
	"berth/internal/fault"
	"berth/internal/function"
	"berth/internal/ident"
	"berth/internal/model"
	"berth/internal/series"
	"berth/internal/state"
	"berth/internal/wire/shape/logs"
)

// legs is the network of functions, as the runner asks for it.
type legs struct{ *network.Legs }

// Acquire implements function.Network.
func (l legs) Acquire(ctx context.Context, fn model.Function) (function.Attachment, error) {
	leg, err := l.Legs.Acquire(ctx, fn.Name)
	if err != nil {
		return function.Attachment{}, err
	}
	return function.Attachment{Netns: leg.Netns, Nameserver: leg.Nameserver.String(), Release: leg.Release}, nil
}

// functionRole is what a function may do with its role: log, and call AWS.
type functionRole struct {
	s *server
}

// credentialsLife is how long the credentials of an environment hold.
const credentialsLife = 12 * time.Hour

// Credentials implements function.Identity.
func (f functionRole) Credentials(ctx context.Context, fn model.Function) (function.Credentials, error) {
	h := f.s.sys
	if _, err := h.Access.Assume(h.DB.View(), control.Assumption{
		Service: "lambda.amazonaws.com", Role: fn.RoleARN, Session: fn.Name, For: fn.ARN,
	}); err != nil {
		return function.Credentials{}, err
	}
	c, err := h.Access.Mint(ctx, fn.RoleARN, fn.Name, fn.ARN, credentialsLife)
	if err != nil {
		return function.Credentials{}, err
	}
	return function.Credentials{AccessKeyID: c.AccessKeyID, Secret: c.Secret, Token: c.Token, Expires: c.Expires}, nil
}

// Append implements function.Logs: lines are kept if the function's role may
// write them, and the group is made if the role may do that.
func (f functionRole) Append(ctx context.Context, fn model.Function, group, stream string, events []function.LogEvent) error {
	h := f.s.sys
	p := ident.AsRole(fn.RoleARN, fn.Name)
	p.Via = "lambda.amazonaws.com"
	view := h.DB.View()
	if _, ok := state.LogGroups.Get(view, group); !ok {
		_, err := logs.Client{Caller: h.Front.As(p)}.CreateLogGroup(ctx, &logs.CreateLogGroupInput{LogGroupName: &group})
		if err != nil && fault.CodeOf(err) != "ResourceAlreadyExistsException" {
			return err
		}
	}
	arn := h.Place.ARN("logs", "log-group:"+group+":log-stream:"+stream)
	for _, action := range []string{"logs:CreateLogStream", "logs:PutLogEvents"} {
		if err := h.Access.Allow(view, p, action, arn, nil); err != nil {
			return err
		}
	}
	now := h.Clock.Now()
	streams, err := f.s.series.Streams(group, stream)
	if err != nil {
		return err
	}
	if !slices.ContainsFunc(streams, func(s series.Stream) bool { return s.Name == stream }) {
		if err := f.s.series.CreateStream(group, stream, now); err != nil && !fault.Is(err, fault.Conflict) {
			return err
		}
	}
	lines := make([]series.Event, len(events))
	for i, e := range events {
		lines[i] = series.Event{At: e.At, Message: e.Message}
	}
	return f.s.series.Append(group, stream, now, lines)
}
