package ecs

import (
	"context"
	"slices"
	"strings"

	"berth/internal/fault"
	"berth/internal/model"
	"berth/internal/model/catalog"
	"berth/internal/page"
	"berth/internal/state"
	"berth/internal/store"
	"berth/internal/wire"
	shape "berth/internal/wire/shape/ecs"
)

const (
	minStorage, maxStorage, usualStorage = 30, 16384, 80
	noTypes                              = "No instance types satisfy the instance requirements specified in the Managed Instances " +
		"capacity provider."
)

func checkProviderName(name string) error {
	lower := strings.ToLower(name)
	for _, p := range []string{"aws", "ecs", "fargate"} {
		if strings.HasPrefix(lower, p) {
			return invalid(
				"The specified capacity provider name is invalid. Capacity provider names cannot begin with \"aws\", \"ecs\", or \"fargate\".",
			)
		}
	}
	if !isName(name) {
		return invalid(
			"The specified capacity provider name is invalid. Up to 255 characters are allowed, including letters (upper and lowercase), " +
				"numbers, underscores, and hyphens.",
		)
	}
	return nil
}

const alreadyThere = "The specified capacity provider already exists. To change the configuration of an existing capacity provider, " +
	"update the capacity provider."

// CreateCapacityProvider makes a Managed Instances capacity provider in a
// cluster, which is ACTIVE a little later, or one of an Auto Scaling group in
// none. Errors: InvalidParameterException,
// ClusterNotFoundException, ClientException, NotImplemented.
func (a *API) CreateCapacityProvider(
	ctx context.Context, in *shape.CreateCapacityProviderInput,
) (*shape.CreateCapacityProviderOutput, error) {
	p, err := a.newProvider(in)
	if err != nil {
		return nil, err
	}
	err = a.update(ctx, func(tx *store.Tx) error {
		if p.Group != nil {
			return newGroupProvider(tx, p)
		}
		c, err := cluster(tx, in.Cluster)
		if err != nil {
			return err
		}
		if old, ok := state.CapacityProviders.Get(tx, p.Name); ok && old.Status != model.ProviderInactive {
			return client(alreadyThere)
		}
		if err := a.placeable(tx, p); err != nil {
			return err
		}
		p.Cluster = c.Name
		if err := state.CapacityProviders.Put(tx, p); err != nil {
			return err
		}
		// It joins the cluster's list by itself, and no strategy.
		return state.Clusters.Edit(tx, c.Name, func(c *model.Cluster) error {
			if !slices.Contains(c.CapacityProviders, p.Name) {
				c.CapacityProviders = append(c.CapacityProviders, p.Name)
			}
			return nil
		})
	})
	if err != nil {
		return nil, err
	}
	out := a.showProvider(p, true)
	return &shape.CreateCapacityProviderOutput{CapacityProvider: &out}, nil
}

// newProvider reads a provider from its request.
func (a *API) newProvider(in *shape.CreateCapacityProviderInput) (model.CapacityProvider, error) {
	p := model.CapacityProvider{
		Name: wire.Val(in.Name), ARN: a.arn("capacity-provider/" + wire.Val(in.Name)), CreatedAt: a.Clock.Now(), ChangedAt: a.Clock.Now(),
		Status: model.ProviderProvisioning, UpdateStatus: model.ProviderCreateInProgress,
	}
	if err := checkProviderName(p.Name); err != nil {
		return p, err
	}
	mi := in.ManagedInstancesProvider
	switch {
	case mi != nil && in.AutoScalingGroupProvider != nil:
		return p, invalid("Exactly one of autoScalingGroupProvider and managedInstancesProvider must be specified.")
	case in.AutoScalingGroupProvider != nil && in.Cluster != nil:
		return p, invalid("A cluster cannot be specified for an Auto Scaling group capacity provider.")
	case mi == nil && in.AutoScalingGroupProvider == nil:
		return p, invalid("Exactly one of autoScalingGroupProvider and managedInstancesProvider must be specified.")
	case mi != nil && wire.Val(in.Cluster) == "":
		return p, invalid("A cluster must be specified for a Managed Instances capacity provider.")
	}
	var err error
	if p.Tags, err = readTags(in.Tags); err != nil {
		return p, err
	}
	if in.AutoScalingGroupProvider != nil {
		p.Status, p.UpdateStatus = model.ProviderActive, model.ProviderCreateComplete
		p.Group, err = readGroupProvider(in.AutoScalingGroupProvider)
		return p, err
	}
	t := mi.InstanceLaunchTemplate
	if t == nil {
		return p, invalid("instanceLaunchTemplate is required.")
	}
	p.CapacityOption = strings.ToUpper(wire.Or(t.CapacityOptionType, "ON_DEMAND"))
	if !slices.Contains([]string{"ON_DEMAND", "SPOT"}, p.CapacityOption) {
		return p, unbuilt("capacityOptionType %s", p.CapacityOption)
	}
	if wire.Val(t.FipsEnabled) && !strings.HasPrefix(a.Place.Region, "us-gov-") {
		return p, client("Managed Instances Provider does not support FIPS in this region")
	}
	if wire.Val(t.FipsEnabled) {
		return p, unbuilt("fipsEnabled")
	}
	p.PropagateTags, p.Monitoring, p.StorageSizeGiB = "NONE", "BASIC", usualStorage
	return p, a.configure(&p, providerConfig{
		role: mi.InfrastructureRoleArn, profile: t.Ec2InstanceProfileArn, network: t.NetworkConfiguration, storage: t.StorageConfiguration,
		monitoring: t.Monitoring, requirements: t.InstanceRequirements, tags: mi.PropagateTags, optimization: mi.InfrastructureOptimization,
	})
}

// providerConfig is what create and update have in common.
type providerConfig struct {
	role, profile, monitoring, tags *string
	network                         *shape.ManagedInstancesNetworkConfiguration
	storage                         *shape.ManagedInstancesStorageConfiguration
	requirements                    *shape.InstanceRequirementsRequest
	optimization                    *shape.InfrastructureOptimization
}

// configure writes what was given over what a provider has, and checks the
// whole.
func (a *API) configure(p *model.CapacityProvider, c providerConfig) error {
	p.InfrastructureRoleARN = wire.Or(c.role, p.InfrastructureRoleARN)
	p.InstanceProfileARN = wire.Or(c.profile, p.InstanceProfileARN)
	p.PropagateTags = strings.ToUpper(wire.Or(c.tags, p.PropagateTags))
	p.Monitoring = strings.ToUpper(wire.Or(c.monitoring, p.Monitoring))
	if c.network != nil {
		p.Subnets, p.SecurityGroups = slices.Clone(c.network.Subnets), slices.Clone(c.network.SecurityGroups)
	}
	if c.storage != nil {
		p.StorageSizeGiB = wire.Or(c.storage.StorageSizeGiB, p.StorageSizeGiB)
	}
	if c.optimization != nil {
		p.ScaleInAfter = c.optimization.ScaleInAfter
	}
	if c.requirements != nil {
		q := readRequirements(*c.requirements)
		p.Requirements = &q
	}
	return a.check(*p, c.requirements)
}

func (a *API) check(p model.CapacityProvider, q *shape.InstanceRequirementsRequest) error {
	switch {
	case p.InfrastructureRoleARN == "":
		return invalid("infrastructureRoleArn is required.")
	case p.InstanceProfileARN == "":
		return invalid("ec2InstanceProfileArn is required.")
	case len(p.Subnets) == 0:
		return invalid("networkConfiguration.subnets must contain at least one subnet.")
	case len(p.SecurityGroups) == 0:
		return invalid("networkConfiguration.securityGroups must contain at least one security group.")
	case p.StorageSizeGiB < minStorage || p.StorageSizeGiB > maxStorage:
		return invalid("storageSizeGiB must be between %d and %d.", minStorage, maxStorage)
	case p.ScaleInAfter != nil && (*p.ScaleInAfter < -1 || *p.ScaleInAfter > 3600):
		return invalid("scaleInAfter must be between -1 and 3600.")
	case p.PropagateTags != "NONE" && p.PropagateTags != "CAPACITY_PROVIDER":
		return invalid("propagateTags must be CAPACITY_PROVIDER or NONE.")
	case p.Monitoring != "BASIC" && p.Monitoring != "DETAILED":
		return invalid("monitoring must be BASIC or DETAILED.")
	}
	if q == nil {
		return nil
	}
	switch {
	case q.VCpuCount == nil || q.VCpuCount.Min == nil:
		return invalid("vCpuCount.min is required in instanceRequirements.")
	case q.MemoryMiB == nil || q.MemoryMiB.Min == nil:
		return invalid("memoryMiB.min is required in instanceRequirements.")
	case len(q.AllowedInstanceTypes) > 0 && len(q.ExcludedInstanceTypes) > 0:
		return invalid("allowedInstanceTypes and excludedInstanceTypes cannot be specified together.")
	case q.SpotMaxPricePercentageOverLowestPrice != nil && q.MaxSpotPriceAsPercentageOfOptimalOnDemandPrice != nil:
		return invalid("spotMaxPricePercentageOverLowestPrice and maxSpotPriceAsPercentageOfOptimalOnDemandPrice cannot be specified together.")
	case len(catalog.MatchFor(a.Place.Region, *p.Requirements, p.CapacityOption)) == 0:
		return client(noTypes).With(map[string]string{model.FactLacks: model.LacksTypes})
	}
	return nil
}

// placeable checks that the subnets and groups of a provider exist and are of
// one VPC.
func (a *API) placeable(r store.Reader, p model.CapacityProvider) error {
	return inOneVPC(r, p.Subnets, p.SecurityGroups)
}

// inOneVPC checks subnets and security groups as ECS words it.
func inOneVPC(r store.Reader, subnets, groups []string) error {
	vpc := ""
	for _, id := range subnets {
		s, ok := state.Subnets.Get(r, id)
		if !ok {
			return invalid(
				"Error retrieving subnet information for [%s]: The subnet ID '%s' does not exist (ErrorCode: InvalidSubnetID.NotFound)",
				strings.Join(subnets, ", "), id,
			)
		}
		if vpc != "" && vpc != s.VPC {
			return invalid("All subnets must be in the same VPC.")
		}
		vpc = s.VPC
	}
	for _, id := range groups {
		g, ok := state.SecurityGroups.Get(r, id)
		if !ok {
			return invalid(
				"Error retrieving security group information for [%s]: The security group '%s' does not exist (ErrorCode: InvalidGroup.NotFound)",
				strings.Join(groups, ", "), id,
			)
		}
		if g.VPC != vpc {
			return invalid("Security group %s does not appear to belong to the same VPC as the input subnets.", id)
		}
	}
	return nil
}

// UpdateCapacityProvider changes what later instances will be like. Errors:
// InvalidParameterException, ClientException, UpdateInProgressException.
func (a *API) UpdateCapacityProvider(
	ctx context.Context, in *shape.UpdateCapacityProviderInput,
) (*shape.UpdateCapacityProviderOutput, error) {
	mi := in.ManagedInstancesProvider
	switch {
	case in.AutoScalingGroupProvider != nil && mi == nil:
		return a.updateGroupProvider(ctx, in)
	case mi == nil || mi.InstanceLaunchTemplate == nil || wire.Val(mi.InfrastructureRoleArn) == "":
		return nil, invalid("managedInstancesProvider with infrastructureRoleArn and instanceLaunchTemplate is required.")
	}
	t, now := mi.InstanceLaunchTemplate, a.Clock.Now()
	var p model.CapacityProvider
	err := a.update(ctx, func(tx *store.Tx) error {
		var err error
		if p, err = provider(tx, wire.Val(in.Name), in.Cluster); err != nil {
			return err
		}
		if p.Group != nil {
			return invalid("The specified capacity provider is not a Managed Instances capacity provider.")
		}
		p = model.Clone(p)
		if err := a.configure(&p, providerConfig{
			role: mi.InfrastructureRoleArn, profile: t.Ec2InstanceProfileArn, network: t.NetworkConfiguration, storage: t.StorageConfiguration,
			monitoring: t.Monitoring, requirements: t.InstanceRequirements, tags: mi.PropagateTags, optimization: mi.InfrastructureOptimization,
		}); err != nil {
			return err
		}
		if err := a.placeable(tx, p); err != nil {
			return err
		}
		p.UpdateStatus, p.UpdateStatusReason, p.ChangedAt = model.ProviderUpdateInProgress, "", now
		return state.CapacityProviders.Put(tx, p)
	})
	if err != nil {
		return nil, err
	}
	out := a.showProvider(p, true)
	return &shape.UpdateCapacityProviderOutput{CapacityProvider: &out}, nil
}

// provider finds a provider that may be changed. Errors: ClientException,
// InvalidParameterException, UpdateInProgressException.
func provider(r store.Reader, name string, cluster *string) (model.CapacityProvider, error) {
	if i := strings.LastIndexByte(name, '/'); i >= 0 {
		name = name[i+1:]
	}
	p, ok := state.CapacityProviders.Get(r, name)
	switch {
	case !ok || p.Status == model.ProviderInactive:
		return p, client("The specified capacity provider does not exist. Specify a valid name or ARN and try again.")
	case wire.Val(cluster) != "" && clusterName(cluster) != p.Cluster:
		return p, invalid("The specified capacity provider is not in cluster %s.", clusterName(cluster))
	case p.Status != model.ProviderActive || p.UpdateStatus == model.ProviderUpdateInProgress:
		return p, fault.New(
			fault.Conflict, "UpdateInProgressException", "There's already a current update in progress for the capacity provider %s.", p.Name,
		)
	}
	return p, nil
}

// DeleteCapacityProvider ends a provider and its instances. Errors:
// ClientException, InvalidParameterException, UpdateInProgressException.
func (a *API) DeleteCapacityProvider(
	ctx context.Context, in *shape.DeleteCapacityProviderInput,
) (*shape.DeleteCapacityProviderOutput, error) {
	var p model.CapacityProvider
	now := a.Clock.Now()
	err := a.update(ctx, func(tx *store.Tx) error {
		var err error
		if p, err = provider(tx, wire.Val(in.CapacityProvider), in.Cluster); err != nil {
			return err
		}
		if inUse(tx, p.Cluster, p.Name) || p.Group != nil && p.Cluster != "" {
			return fault.New(fault.Conflict, "ClientException", "The specified capacity provider is in use and cannot be removed.")
		}
		p = model.Clone(p)
		p.Status, p.UpdateStatus, p.ChangedAt = model.ProviderDeprovisioning, model.ProviderDeleteInProgress, now
		if err := state.CapacityProviders.Put(tx, p); err != nil || p.Group != nil {
			return err
		}
		return state.Clusters.Edit(tx, p.Cluster, func(c *model.Cluster) error {
			c.CapacityProviders = slices.DeleteFunc(c.CapacityProviders, func(n string) bool { return n == p.Name })
			c.DefaultStrategy = slices.DeleteFunc(c.DefaultStrategy, func(i model.StrategyItem) bool { return i.Provider == p.Name })
			return nil
		})
	})
	if err != nil {
		return nil, err
	}
	out := a.showProvider(p, true)
	return &shape.DeleteCapacityProviderOutput{CapacityProvider: &out}, nil
}

// DescribeCapacityProviders describes providers by name or those of a
// cluster. Errors: InvalidParameterException.
func (a *API) DescribeCapacityProviders(
	_ context.Context, in *shape.DescribeCapacityProvidersInput,
) (*shape.DescribeCapacityProvidersOutput, error) {
	if len(in.CapacityProviders) > 0 && in.Cluster != nil {
		return nil, invalid("Cannot specify both capacity providers and cluster in the same request")
	}
	if len(in.CapacityProviders) > 100 {
		return nil, invalid("capacityProviders can have at most 100 items.")
	}
	out := &shape.DescribeCapacityProvidersOutput{CapacityProviders: []shape.CapacityProvider{}, Failures: []shape.Failure{}}
	v := a.view()
	var found []model.CapacityProvider
	for _, n := range in.CapacityProviders {
		n = n[strings.LastIndexByte(n, '/')+1:]
		p, ok := state.CapacityProviders.Get(v, n)
		if model.IsFargate(n) {
			p, ok = fargateProvider(n, ""), true
		}
		if !ok {
			out.Failures = append(out.Failures, missing(a.whole("capacity-provider", "", n)))
			continue
		}
		found = append(found, p)
	}
	if len(in.CapacityProviders) == 0 {
		found = fargateProviders(v, in.Cluster)
		for _, p := range state.CapacityProviders.All(v) {
			if p.Status != model.ProviderInactive && (in.Cluster == nil || p.Cluster == clusterName(in.Cluster)) {
				found = append(found, p)
			}
		}
	}
	usual := int64(10)
	if len(in.CapacityProviders) > 0 {
		usual = 100
	}
	found, next, err := page.Cut(pages(usual, 10), in, found, func(p model.CapacityProvider) string { return p.Name })
	if err != nil {
		return nil, err
	}
	for _, p := range found {
		out.CapacityProviders = append(out.CapacityProviders, a.showProvider(p, slices.Contains(in.Include, "TAGS")))
	}
	out.NextToken = next
	return out, nil
}

// fargateProviders are those of a cluster, or of the account.
func fargateProviders(r store.Reader, cluster *string) []model.CapacityProvider {
	names := []string{model.ProviderFargate, model.ProviderFargateSpot}
	if cluster != nil {
		c, _ := state.Clusters.Get(r, clusterName(cluster))
		names = slices.DeleteFunc(names, func(n string) bool { return !slices.Contains(c.CapacityProviders, n) })
	}
	var out []model.CapacityProvider
	for _, n := range names {
		out = append(out, fargateProvider(n, ""))
	}
	return out
}

func (a *API) showProvider(p model.CapacityProvider, tags bool) shape.CapacityProvider {
	if model.IsFargate(p.Name) {
		return a.showFargateProvider(p.Name)
	}
	if p.Group != nil {
		return showGroupProvider(p, tags)
	}
	out := shape.CapacityProvider{
		CapacityProviderArn: &p.ARN, Name: &p.Name, Cluster: wire.Ptr(a.arn("cluster/" + p.Cluster)), Status: wire.Ptr(string(p.Status)),
		UpdateStatus: wire.Ptr(string(p.UpdateStatus)), UpdateStatusReason: text(p.UpdateStatusReason), Type: wire.Ptr("MANAGED_INSTANCES"),
		ManagedInstancesProvider: &shape.ManagedInstancesProvider{
			InfrastructureRoleArn: &p.InfrastructureRoleARN, PropagateTags: &p.PropagateTags,
			InstanceLaunchTemplate: &shape.InstanceLaunchTemplate{
				Ec2InstanceProfileArn: &p.InstanceProfileARN,
				NetworkConfiguration:  &shape.ManagedInstancesNetworkConfiguration{Subnets: p.Subnets, SecurityGroups: p.SecurityGroups},
				StorageConfiguration:  &shape.ManagedInstancesStorageConfiguration{StorageSizeGiB: &p.StorageSizeGiB},
				Monitoring:            &p.Monitoring, CapacityOptionType: &p.CapacityOption,
			},
		},
	}
	if p.Requirements != nil {
		out.ManagedInstancesProvider.InstanceLaunchTemplate.InstanceRequirements = wire.Ptr(showRequirements(*p.Requirements))
	}
	if p.ScaleInAfter != nil {
		out.ManagedInstancesProvider.InfrastructureOptimization = &shape.InfrastructureOptimization{ScaleInAfter: p.ScaleInAfter}
	}
	if tags {
		out.Tags = showTags(p.Tags)
	}
	return out
}
