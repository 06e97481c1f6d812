package ecs

import (
	"context"
	"slices"
	"strings"

	"berth/internal/model"
	"berth/internal/plan/placement"
	"berth/internal/state"
	"berth/internal/store"
	"berth/internal/wire"
	shape "berth/internal/wire/shape/ecs"
)

func readPlacement(in []shape.PlacementStrategy) []model.PlacementStrategy {
	var out []model.PlacementStrategy
	for _, s := range in {
		out = append(out, model.PlacementStrategy{Type: wire.Val(s.Type), Field: wire.Val(s.Field)})
	}
	return out
}

// checkPlacement checks placement strategies. Errors:
// InvalidParameterException.
func checkPlacement(ss []model.PlacementStrategy) error {
	if len(ss) > 5 {
		return invalid("A maximum of 5 placement strategies is allowed.")
	}
	for _, s := range ss {
		ok := false
		switch s.Type {
		case "random":
			ok = s.Field == ""
		case "binpack":
			ok = strings.EqualFold(s.Field, "cpu") || strings.EqualFold(s.Field, "memory")
		case "spread":
			ok = strings.EqualFold(s.Field, "instanceId") || strings.EqualFold(s.Field, "host") ||
				strings.HasPrefix(s.Field, "attribute:") && s.Field != "attribute:"
		default:
			return invalid("Invalid placement strategy type: %s", s.Type)
		}
		if !ok {
			return invalid("Invalid field %q for placement strategy type %s.", s.Field, s.Type)
		}
	}
	return nil
}

func checkPlaces(cs []model.PlacementConstraint, ss []model.PlacementStrategy) error {
	if err := checkConstraints(cs, true); err != nil {
		return err
	}
	return checkPlacement(ss)
}

// ownFacts are the facts of a cluster's instances of launch type EC2, with new
// tasks beside those that there are.
func ownFacts(r store.Reader, c model.Cluster, fresh []model.Task) placement.Facts {
	f := placement.Facts{
		Instances:  slices.Collect(state.Instances.Each(r, "cluster", c.Name)),
		Tasks:      slices.Collect(state.Tasks.Each(r, "cluster", c.Name)),
		Definition: func(arn string) *model.TaskDefinition { return state.TaskDefinitions.Ref(r, arn) },
		Zone: func(id string) string {
			s, _ := state.Subnets.Get(r, id)
			return s.AvailabilityZone
		},
		Default: c.DefaultStrategy,
	}
	for i := range fresh {
		f.Tasks = append(f.Tasks, &fresh[i])
	}
	return f
}

// placeable parts new tasks into those for which an instance has capacity and
// failures, as RunTask answers at once on EC2: nothing is bought for them
// (docs/facts/ec2-launch-type.md E118). Which instance they get is decided by
// controllers/task. Errors: InvalidParameterException.
func placeable(r store.Reader, c model.Cluster, ts []model.Task) ([]model.Task, []shape.Failure, error) {
	f := ownFacts(r, c, ts)
	nodes := slices.DeleteFunc(f.Now(), func(n placement.Node) bool { return !n.EC2 || n.Blocked == placement.BlockedUnregistered })
	if len(nodes) == 0 {
		return nil, nil, invalid(placement.NoInstances)
	}
	asks := slices.DeleteFunc(slices.Clone(f.Asks()), func(a placement.Ask) bool { return !a.EC2 })
	fresh := func(a placement.Ask) int {
		if slices.ContainsFunc(ts, func(t model.Task) bool { return t.ARN == a.Task }) {
			return 1
		}
		return 0
	}
	slices.SortStableFunc(asks, func(x, y placement.Ask) int { return fresh(x) - fresh(y) }) // who waits comes first
	refused := map[string]placement.Refused{}
	for _, x := range placement.Place(nodes, asks).Refused {
		refused[x.Task] = x
	}
	failed := []shape.Failure{}
	ts = slices.DeleteFunc(ts, func(t model.Task) bool {
		x, no := refused[t.ARN]
		if no {
			failed = append(failed, shape.Failure{Arn: text(x.Near), Reason: text(x.Code)})
		}
		return no
	})
	return ts, failed, nil
}

// StartTask starts a task on each of the container instances named. Errors:
// ClusterNotFoundException, InvalidParameterException, ClientException.
func (a *API) StartTask(ctx context.Context, in *shape.StartTaskInput) (*shape.StartTaskOutput, error) {
	if n := len(in.ContainerInstances); n == 0 || n > maxCount {
		return nil, invalid("Container instances must have between 1 and %d items.", maxCount)
	}
	run := &shape.RunTaskInput{
		Cluster: in.Cluster, TaskDefinition: in.TaskDefinition, NetworkConfiguration: in.NetworkConfiguration, Overrides: in.Overrides,
		PropagateTags: in.PropagateTags, EnableECSManagedTags: in.EnableECSManagedTags, LaunchType: wire.Ptr(model.LaunchEC2),
		StartedBy: in.StartedBy, Group: in.Group, Tags: in.Tags,
	}
	base, err := a.base(run)
	if err != nil {
		return nil, err
	}
	draws := a.draw(len(in.ContainerInstances))
	out := &shape.StartTaskOutput{Tasks: []shape.Task{}, Failures: []shape.Failure{}}
	err = a.update(ctx, func(tx *store.Tx) error {
		c, err := cluster(tx, in.Cluster)
		if err != nil {
			return err
		}
		for k, name := range in.ContainerInstances {
			i, ok := instance(tx, c, name)
			if !ok {
				out.Failures = append(out.Failures, missing(a.whole("container-instance", c.Name, name)))
				continue
			}
			t := model.Clone(base)
			t.Host = i.ARN
			ts, failed, err := a.runTasks(tx, run, t, draws[k:k+1])
			if err != nil {
				return err
			}
			out.Tasks, out.Failures = append(out.Tasks, a.showTasks(tx, ts)...), append(out.Failures, failed...)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return out, nil
}
