package ecs

import (
	"context"
	"errors"
	"slices"

	"berth/internal/fault"
	"berth/internal/model"
	"berth/internal/page"
	"berth/internal/state"
	"berth/internal/store"
	"berth/internal/wire"
	shape "berth/internal/wire/shape/ecs"
)

// readSettings reads cluster settings over the defaults.
func readSettings(have map[string]string, in []shape.ClusterSetting) (map[string]string, error) {
	out := map[string]string{model.SettingInsights: model.InsightsDisabled}
	for k, v := range have {
		out[k] = v
	}
	for _, s := range in {
		if wire.Val(s.Name) != model.SettingInsights {
			return nil, invalid("Invalid cluster setting name: %s", wire.Val(s.Name))
		}
		if wire.Val(s.Value) == "enhanced" {
			return nil, unbuilt("The cluster setting containerInsights enhanced (enabled is)")
		}
		if !slices.Contains([]string{model.InsightsEnabled, model.InsightsDisabled}, wire.Val(s.Value)) {
			return nil, invalid("Invalid cluster setting value: %s", wire.Val(s.Value))
		}
		out[model.SettingInsights] = *s.Value
	}
	return out, nil
}

// CreateCluster makes a cluster; one that is there already is answered as it
// is. Errors: InvalidParameterException, NotImplemented.
func (a *API) CreateCluster(ctx context.Context, in *shape.CreateClusterInput) (*shape.CreateClusterOutput, error) {
	name := wire.Or(in.ClusterName, "default")
	if !isName(name) {
		return nil, invalid("Invalid cluster name. Up to 255 letters (uppercase and lowercase), numbers, underscores, and hyphens are allowed.")
	}
	settings, err := readSettings(nil, in.Settings)
	if err != nil {
		return nil, err
	}
	tags, err := readTags(in.Tags)
	if err != nil {
		return nil, err
	}
	c := model.Cluster{
		Name: name, ARN: a.arn("cluster/" + name), Status: model.ClusterActive, Settings: settings, Tags: tags, CreatedAt: a.Clock.Now(),
		CapacityProviders: slices.Compact(slices.Sorted(slices.Values(in.CapacityProviders))),
	}
	err = a.update(ctx, func(tx *store.Tx) error {
		if old, ok := state.Clusters.Get(tx, name); ok && old.Status == model.ClusterActive {
			c = old
			return nil
		}
		if err := associable(tx, c, c.CapacityProviders, c.CapacityProviders); err != nil {
			return err
		}
		if c.DefaultStrategy, err = readStrategy(tx, c, c.CapacityProviders, in.DefaultCapacityProviderStrategy); err != nil {
			return err
		}
		return errors.Join(associate(tx, c), state.Clusters.Put(tx, c))
	})
	if err != nil {
		return nil, err
	}
	out := a.showCluster(a.view(), c, []string{"SETTINGS", "TAGS"})
	return &shape.CreateClusterOutput{Cluster: &out}, nil
}

// UpdateCluster changes a cluster's settings. Errors:
// ClusterNotFoundException, InvalidParameterException.
func (a *API) UpdateCluster(ctx context.Context, in *shape.UpdateClusterInput) (*shape.UpdateClusterOutput, error) {
	c, err := a.setCluster(ctx, in.Cluster, in.Settings)
	if err != nil {
		return nil, err
	}
	return &shape.UpdateClusterOutput{Cluster: c}, nil
}

// UpdateClusterSettings changes a cluster's settings. Errors:
// ClusterNotFoundException, InvalidParameterException.
func (a *API) UpdateClusterSettings(ctx context.Context, in *shape.UpdateClusterSettingsInput) (*shape.UpdateClusterSettingsOutput, error) {
	c, err := a.setCluster(ctx, in.Cluster, in.Settings)
	if err != nil {
		return nil, err
	}
	return &shape.UpdateClusterSettingsOutput{Cluster: c}, nil
}

func (a *API) setCluster(ctx context.Context, given *string, in []shape.ClusterSetting) (*shape.Cluster, error) {
	var out shape.Cluster
	err := a.update(ctx, func(tx *store.Tx) error {
		c, err := cluster(tx, given)
		if err != nil {
			return err
		}
		if c.Settings, err = readSettings(c.Settings, in); err != nil {
			return err
		}
		out = a.showCluster(tx, c, []string{"SETTINGS", "TAGS"})
		return state.Clusters.Put(tx, c)
	})
	return &out, err
}

// DeleteCluster ends a cluster that nothing is in. Errors:
// ClusterNotFoundException, ClusterContainsServicesException,
// ClusterContainsTasksException, ClusterContainsContainerInstancesException,
// ClusterContainsCapacityProviderException.
func (a *API) DeleteCluster(ctx context.Context, in *shape.DeleteClusterInput) (*shape.DeleteClusterOutput, error) {
	var out shape.Cluster
	err := a.update(ctx, func(tx *store.Tx) error {
		c, err := cluster(tx, in.Cluster)
		if err != nil {
			return err
		}
		if err := empty(tx, c); err != nil {
			return err
		}
		c = model.Clone(c)
		c.Status, c.CapacityProviders, c.DefaultStrategy = model.ClusterInactive, nil, nil
		out = a.showCluster(tx, c, nil)
		return errors.Join(associate(tx, c), state.Clusters.Put(tx, c))
	})
	if err != nil {
		return nil, err
	}
	return &shape.DeleteClusterOutput{Cluster: &out}, nil
}

// empty says why a cluster may not be deleted.
func empty(r store.Reader, c model.Cluster) error {
	holds := func(code, what string) error {
		return fault.New(fault.Invalid, code, "The Cluster cannot be deleted while %s.", what)
	}
	for _, s := range state.Services.By(r, "cluster", c.Name) {
		if s.Status != model.ServiceInactive {
			return holds("ClusterContainsServicesException", "Services are active")
		}
	}
	for _, t := range state.Tasks.By(r, "cluster", c.Name) {
		if t.LastStatus != model.TaskStopped {
			return holds("ClusterContainsTasksException", "Tasks are active")
		}
	}
	for _, p := range state.CapacityProviders.By(r, "cluster", c.Name) {
		if p.Status != model.ProviderInactive && p.Group == nil {
			return holds("ClusterContainsCapacityProviderException", "it contains capacity providers")
		}
	}
	for _, i := range state.Instances.By(r, "cluster", c.Name) {
		if i.State != model.InstanceTerminated {
			return holds("ClusterContainsContainerInstancesException", "Container Instances are active or draining")
		}
	}
	return nil
}

// DescribeClusters describes clusters, all parts that include asks for.
// Errors: InvalidParameterException.
func (a *API) DescribeClusters(_ context.Context, in *shape.DescribeClustersInput) (*shape.DescribeClustersOutput, error) {
	names := in.Clusters
	if len(names) == 0 {
		names = []string{"default"}
	}
	if len(names) > 100 {
		return nil, invalid("clusters can have at most 100 items.")
	}
	out, v := &shape.DescribeClustersOutput{Clusters: []shape.Cluster{}, Failures: []shape.Failure{}}, a.view()
	for _, n := range names {
		c, ok := state.Clusters.Get(v, clusterName(&n))
		if !ok {
			out.Failures = append(out.Failures, missing(a.whole("cluster", "", n)))
			continue
		}
		out.Clusters = append(out.Clusters, a.showCluster(v, c, in.Include))
	}
	return out, nil
}

// ListClusters lists the ARNs of active clusters. Errors:
// InvalidParameterException.
func (a *API) ListClusters(_ context.Context, in *shape.ListClustersInput) (*shape.ListClustersOutput, error) {
	arns := []string{}
	for _, c := range state.Clusters.All(a.view()) {
		if c.Status == model.ClusterActive {
			arns = append(arns, c.ARN)
		}
	}
	arns, next, err := page.Cut(pages(100, 100), in, arns, page.Self)
	if err != nil {
		return nil, err
	}
	return &shape.ListClustersOutput{ClusterArns: arns, NextToken: next}, nil
}

func (a *API) showCluster(r store.Reader, c model.Cluster, include []string) shape.Cluster {
	n := count(r, c.Name)
	out := shape.Cluster{
		ClusterArn: &c.ARN, ClusterName: &c.Name, Status: wire.Ptr(string(c.Status)), RegisteredContainerInstancesCount: &n.instances,
		RunningTasksCount: &n.running, PendingTasksCount: &n.pending, ActiveServicesCount: &n.services, CapacityProviders: c.CapacityProviders,
		DefaultCapacityProviderStrategy: showStrategy(c.DefaultStrategy),
	}
	for _, part := range include {
		switch part {
		case "TAGS":
			out.Tags = showTags(c.Tags)
		case "SETTINGS":
			for _, k := range []string{"containerInsights"} {
				out.Settings = append(out.Settings, shape.ClusterSetting{Name: wire.Ptr(k), Value: wire.Ptr(c.Settings[k])})
			}
		case "STATISTICS":
			out.Statistics = n.statistics()
		case "ATTACHMENTS":
			a.attachments(r, c, &out)
		}
	}
	return out
}

// attachments shows the providers of a cluster as what is attached to it.
func (a *API) attachments(r store.Reader, c model.Cluster, out *shape.Cluster) {
	out.AttachmentsStatus = wire.Ptr("UPDATE_COMPLETE")
	for _, name := range c.CapacityProviders {
		if model.IsFargate(name) {
			continue // there is nothing to attach
		}
		p, _ := state.CapacityProviders.Get(r, name)
		if p.Group != nil {
			out.Attachments = append(out.Attachments, groupAttachments(p)...)
			continue
		}
		status := "CREATED"
		if p.Status != model.ProviderActive {
			status = "PRECREATED"
			out.AttachmentsStatus = wire.Ptr("UPDATE_IN_PROGRESS")
		}
		out.Attachments = append(out.Attachments, shape.Attachment{
			Id: wire.Ptr(name), Type: wire.Ptr("managed_instances"), Status: &status,
			Details: []shape.KeyValuePair{{Name: wire.Ptr("capacityProviderName"), Value: wire.Ptr(name)}},
		})
	}
}
