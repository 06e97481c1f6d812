package ecs

import (
	"strconv"
	"strings"

	"berth/internal/fault"
	"berth/internal/ident"
	"berth/internal/model"
	"berth/internal/state"
	"berth/internal/store"
	"berth/internal/wire"
	shape "berth/internal/wire/shape/ecs"
)

// isName reports whether something may be called s: 1 to 255 letters, digits,
// underscores and hyphens. Written out, since every process of the program
// would compile such a pattern when it starts.
func isName(s string) bool {
	return s != "" && len(s) <= 255 && strings.IndexFunc(s, func(r rune) bool {
		return (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && (r < '0' || r > '9') && r != '_' && r != '-'
	}) < 0
}

// clusterName reads a cluster's name or ARN; nothing means default.
func clusterName(given *string) string {
	if wire.Val(given) == "" {
		return "default"
	}
	return ident.Last(*given)
}

// cluster finds an active cluster. Errors: ClusterNotFoundException.
func cluster(r store.Reader, given *string) (model.Cluster, error) {
	c, ok := state.Clusters.Get(r, clusterName(given))
	if !ok || c.Status == model.ClusterInactive {
		return c, fault.New(fault.NotFound, "ClusterNotFoundException", "Cluster not found.")
	}
	return c, nil
}

// service finds a service by name or ARN. Errors: ServiceNotFoundException.
func service(r store.Reader, c model.Cluster, given *string) (model.Service, error) {
	s, ok := state.Services.One(r, "name", c.Name+"/"+ident.Last(wire.Val(given)))
	if !ok {
		return s, fault.New(fault.NotFound, "ServiceNotFoundException", "Service not found.")
	}
	return s, nil
}

// task finds a task of a cluster by id or ARN.
func task(r store.Reader, c model.Cluster, given string) (model.Task, bool) {
	if t, ok := state.Tasks.Get(r, given); ok {
		return t, t.Cluster == c.Name
	}
	t, ok := state.Tasks.One(r, "id", ident.Last(given))
	return t, ok && t.Cluster == c.Name
}

// instance finds a registered container instance of a cluster by id or ARN.
func instance(r store.Reader, c model.Cluster, given string) (model.Instance, bool) {
	for _, i := range state.Instances.By(r, "cluster", c.Name) {
		if i.Status != "" && (i.ARN == given || ident.Last(i.ARN) == given) {
			return i, true
		}
	}
	return model.Instance{}, false
}

// definition finds a task definition by family (the latest active revision),
// family:revision or ARN.
func definition(r store.Reader, given string) (model.TaskDefinition, bool) {
	name := given
	if a, ok := ident.ParseARN(given); ok {
		name = strings.TrimPrefix(a.Resource, "task-definition/")
	}
	family, rev, numbered := strings.Cut(name, ":")
	n, err := strconv.ParseInt(rev, 10, 64)
	if numbered && err != nil {
		return model.TaskDefinition{}, false
	}
	if numbered {
		return state.TaskDefinitions.One(r, "revision", state.RevisionOf(family, n))
	}
	var latest model.TaskDefinition
	state.TaskDefinitions.Backward(r, "revision", family+":", func(d model.TaskDefinition) bool {
		if d.Status == model.DefinitionActive {
			latest = d
		}
		return latest.ARN == ""
	})
	return latest, latest.ARN != ""
}

// usable finds a task definition that tasks may be started from. Errors:
// ClientException.
func usable(r store.Reader, given string) (model.TaskDefinition, error) {
	d, ok := definition(r, given)
	switch {
	case !ok:
		return d, client("TaskDefinition not found.")
	case d.Status != model.DefinitionActive:
		return d, client("TaskDefinition is inactive")
	}
	return d, nil
}

func missing(arn string) shape.Failure {
	return shape.Failure{Arn: &arn, Reason: wire.Ptr("MISSING")}
}

// whole makes an ARN of what may be given as an id.
func (a *API) whole(kind, within, given string) string {
	if strings.HasPrefix(given, "arn:") {
		return given
	}
	if within == "" {
		return a.arn(kind + "/" + given)
	}
	return a.arn(kind + "/" + within + "/" + given)
}
