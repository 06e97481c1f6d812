package ecs

import (
	"context"
	"maps"
	"slices"

	"berth/internal/fault"
	"berth/internal/model"
	"berth/internal/state"
	"berth/internal/store"
	"berth/internal/wire"
	shape "berth/internal/wire/shape/ecs"
)

const notActive = "The specified capacity provider '%s' is not in an ACTIVE state. Specify a valid capacity provider and try again."

const mixed = "The specified capacity provider strategy cannot contain a mix of Fargate and other capacity providers. Specify capacity " +
	"providers of one kind and try again."

// readStrategy reads a capacity provider strategy whose providers must be of
// the cluster's list. Errors: InvalidParameterException.
func readStrategy(
	r store.Reader, cluster model.Cluster, providers []string, in []shape.CapacityProviderStrategyItem,
) ([]model.StrategyItem, error) {
	var out []model.StrategyItem
	bases, weights := 0, int64(0)
	for _, s := range in {
		item := model.StrategyItem{Provider: wire.Val(s.CapacityProvider), Weight: wire.Val(s.Weight), Base: wire.Val(s.Base)}
		if err := checkItem(r, cluster, providers, item); err != nil {
			return nil, err
		}
		p, _ := state.CapacityProviders.Get(r, item.Provider)
		item.EC2 = p.Group != nil
		if slices.ContainsFunc(out, func(o model.StrategyItem) bool { return o.Provider == item.Provider }) {
			return nil, invalid(
				"The specified capacity provider strategy contains duplicate capacity providers. Remove the duplicates and try again.",
			)
		}
		if len(out) > 0 && kindOf(out, "") != kindOf([]model.StrategyItem{item}, "") {
			return nil, invalid(mixed)
		}
		if item.Base > 0 {
			bases++
		}
		weights += item.Weight
		out = append(out, item)
	}
	switch {
	case len(out) > 20:
		return nil, invalid("A capacity provider strategy can contain a maximum of 20 capacity providers.")
	case bases > 1:
		return nil, invalid("Only one capacity provider in a capacity provider strategy can have a base defined.")
	case len(out) == 1 && in[0].Weight == nil:
		// A lone provider without a weight gets all tasks.
		out[0].Weight = 1
	case len(out) > 0 && weights == 0 && bases == 0:
		return nil, invalid(
			"The specified capacity provider strategy must contain at least one capacity provider with a weight greater than zero.",
		)
	}
	return out, nil
}

func checkItem(r store.Reader, cluster model.Cluster, providers []string, item model.StrategyItem) error {
	if item.Weight < 0 || item.Weight > 1000 || item.Base < 0 || item.Base > 100000 {
		return invalid("Invalid weight or base for capacity provider %s.", item.Provider)
	}
	p, ok := state.CapacityProviders.Get(r, item.Provider)
	if model.IsFargate(item.Provider) {
		p, ok = fargateProvider(item.Provider, cluster.Name), true
	}
	switch {
	case p.Group != nil && p.Status != model.ProviderInactive && p.Cluster != "" && p.Cluster != cluster.Name:
		return unbuilt("Capacity provider %s of an Auto Scaling group in two clusters (it is in %s)", p.Name, p.Cluster)
	case !ok || p.Group == nil && p.Cluster != cluster.Name || p.Status == model.ProviderInactive:
		return invalid("The specified capacity provider '%s' was not found. Specify a valid capacity provider and try again.", item.Provider)
	case !slices.Contains(providers, item.Provider):
		return invalid(
			"The specified capacity provider strategy cannot contain a capacity provider that is not associated with the cluster. Associate the " +
				"capacity provider with the cluster and try again.",
		)
	case p.Status != model.ProviderActive:
		return invalid(notActive, item.Provider)
	}
	return nil
}

func showStrategy(items []model.StrategyItem) []shape.CapacityProviderStrategyItem {
	var out []shape.CapacityProviderStrategyItem
	for _, i := range items {
		out = append(out, shape.CapacityProviderStrategyItem{
			CapacityProvider: wire.Ptr(i.Provider), Weight: wire.Ptr(i.Weight), Base: wire.Ptr(i.Base),
		})
	}
	return out
}

// compute decides where tasks of a service or of RunTask go: the launch type or
// the strategy given, else the cluster's strategy, else EC2
// (docs/facts/ec2-launch-type.md E100). Errors: InvalidParameterException,
// NotImplemented.
func compute(
	r store.Reader, c model.Cluster, launchType *string, in []shape.CapacityProviderStrategyItem,
) (strategy []model.StrategyItem, launch string, err error) {
	lt := wire.Val(launchType)
	switch {
	case lt != "" && len(in) > 0:
		return nil, "", invalid("Specifying both a launch type and capacity provider strategy is not supported. Remove one and try again.")
	case lt != "":
		strategy, err = launchOn(lt)
		return strategy, lt, err
	case len(in) > 0:
		strategy, err = readStrategy(r, c, c.CapacityProviders, in)
		return strategy, "", err
	case len(c.DefaultStrategy) > 0:
		return slices.Clone(c.DefaultStrategy), "", nil
	}
	return nil, model.LaunchEC2, nil
}

// launchOn is the strategy behind a launch type; EC2 has none.
func launchOn(lt string) ([]model.StrategyItem, error) {
	switch lt {
	case model.LaunchEC2:
		return nil, nil
	case model.LaunchFargate:
		return []model.StrategyItem{{Provider: model.ProviderFargate, Weight: 1}}, nil
	case launchManaged:
		return nil, invalid(
			"Launch type MANAGED_INSTANCES cannot be specified. Use a capacity provider strategy with a Managed Instances capacity " +
				"provider instead.",
		)
	}
	if lt == launchExternal {
		return nil, external("launchType")
	}
	return nil, unbuilt("Launch type %s (Berth runs tasks on EC2 and Fargate, and on Managed Instances through a capacity provider "+
		"strategy)", lt)
}

// PutClusterCapacityProviders replaces a cluster's providers and default
// strategy. Errors: ClusterNotFoundException, InvalidParameterException,
// ResourceInUseException.
func (a *API) PutClusterCapacityProviders(
	ctx context.Context, in *shape.PutClusterCapacityProvidersInput,
) (*shape.PutClusterCapacityProvidersOutput, error) {
	var out shape.Cluster
	err := a.update(ctx, func(tx *store.Tx) error {
		c, err := cluster(tx, in.Cluster)
		if err != nil {
			return err
		}
		// A Managed Instances provider is its cluster's from its creation on: to
		// leave it out does not take it away (docs/facts/managed-instances.md
		// MI9, and what the CDK synthesizes).
		all := slices.DeleteFunc(slices.Clone(c.CapacityProviders), func(name string) bool {
			p, _ := state.CapacityProviders.Get(tx, name)
			return model.IsFargate(name) || p.Group != nil
		})
		all = slices.Compact(slices.Sorted(slices.Values(append(all, in.CapacityProviders...))))
		if err := associable(tx, c, in.CapacityProviders, all); err != nil {
			return err
		}
		next := model.Clone(c)
		next.CapacityProviders = all
		if next.DefaultStrategy, err = readStrategy(tx, c, next.CapacityProviders, in.DefaultCapacityProviderStrategy); err != nil {
			return err
		}
		if err := associate(tx, next); err != nil {
			return err
		}
		out = a.showCluster(tx, next, []string{"ATTACHMENTS", "SETTINGS", "TAGS"})
		return state.Clusters.Put(tx, next)
	})
	if err != nil {
		return nil, err
	}
	return &shape.PutClusterCapacityProvidersOutput{Cluster: &out}, nil
}

// associable checks the providers that are named against those that exist, and
// those left out of all against the services that use them.
func associable(r store.Reader, c model.Cluster, names, all []string) error {
	for _, n := range names {
		if err := checkItem(r, c, all, model.StrategyItem{Provider: n}); err != nil {
			return err
		}
	}
	for _, old := range c.CapacityProviders {
		if !slices.Contains(all, old) && inUse(r, c.Name, old) {
			return fault.New(fault.Invalid, "ResourceInUseException", "The specified capacity provider is in use and cannot be removed.")
		}
	}
	return nil
}

// associate writes down at the providers of Auto Scaling groups whether they
// are the cluster's.
func associate(tx *store.Tx, c model.Cluster) error {
	of := map[string]string{}
	for _, p := range state.CapacityProviders.By(tx, "cluster", c.Name) {
		if p.Group != nil {
			of[p.Name] = ""
		}
	}
	for _, n := range c.CapacityProviders {
		if p, ok := state.CapacityProviders.Get(tx, n); ok && p.Group != nil {
			of[n] = c.Name
		}
	}
	for _, n := range slices.Sorted(maps.Keys(of)) {
		if err := state.CapacityProviders.Edit(tx, n, func(p *model.CapacityProvider) error {
			p.Cluster = of[n]
			return nil
		}); err != nil {
			return err
		}
	}
	return nil
}

// inUse reports whether a service's strategy names a provider.
func inUse(r store.Reader, cluster, provider string) bool {
	return slices.ContainsFunc(state.Services.By(r, "cluster", cluster), func(s model.Service) bool {
		return s.Status != model.ServiceInactive &&
			slices.ContainsFunc(s.Strategy, func(i model.StrategyItem) bool { return i.Provider == provider })
	})
}
