package ecs_test

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"berth/internal/api/apitest"
	"berth/internal/model"
	"berth/internal/state"
	"berth/internal/store"
	shape "berth/internal/wire/shape/ecs"
)

// Proves: MI3, MI4, MI5, MI7, MI8, MI22
func TestProviderLife(t *testing.T) {
	h := newFixture(t)
	h.cluster()
	out, err := h.api.CreateCapacityProvider(h.ctx, provider())
	must(h, out, err)
	if c := out.CapacityProvider; *c.Status != "PROVISIONING" || *c.UpdateStatus != "CREATE_IN_PROGRESS" || *c.Type != "MANAGED_INSTANCES" ||
		*c.ManagedInstancesProvider.InstanceLaunchTemplate.CapacityOptionType != "ON_DEMAND" {
		t.Errorf("%+v", c)
	}
	clusters, err := h.api.DescribeClusters(h.ctx, &shape.DescribeClustersInput{Clusters: []string{"c"}})
	if must(h, clusters, err); !cmp.Equal(clusters.Clusters[0].CapacityProviders, []string{"mi"}) ||
		len(clusters.Clusters[0].DefaultCapacityProviderStrategy) != 0 {
		t.Errorf("cluster %+v", clusters.Clusters[0])
	}
	put := &shape.PutClusterCapacityProvidersInput{Cluster: p("c"), CapacityProviders: []string{"mi"}}
	_, err = h.api.PutClusterCapacityProviders(h.ctx, put)
	h.refused(
		err, "InvalidParameterException",
		"The specified capacity provider 'mi' is not in an ACTIVE state. Specify a valid capacity provider and try again.",
	)
	h.activate()
	_, err = h.api.PutClusterCapacityProviders(h.ctx, put)
	must(h, 0, err)
	// As the CDK does: the provider in the strategy, not in the list.
	put.CapacityProviders = []string{"FARGATE"}
	put.DefaultCapacityProviderStrategy = []shape.CapacityProviderStrategyItem{{CapacityProvider: p("mi")}}
	kept, err := h.api.PutClusterCapacityProviders(h.ctx, put)
	if must(h, kept, err); !cmp.Equal(kept.Cluster.CapacityProviders, []string{"FARGATE", "mi"}) ||
		*kept.Cluster.DefaultCapacityProviderStrategy[0].CapacityProvider != "mi" {
		t.Errorf("%+v", kept.Cluster)
	}
	put.CapacityProviders, put.DefaultCapacityProviderStrategy = []string{}, []shape.CapacityProviderStrategyItem{}
	kept, err = h.api.PutClusterCapacityProviders(h.ctx, put)
	if must(h, kept, err); !cmp.Equal(kept.Cluster.CapacityProviders, []string{"mi"}) {
		t.Errorf("%+v", kept.Cluster)
	}
	_, err = h.api.DeleteCluster(h.ctx, &shape.DeleteClusterInput{Cluster: p("c")})
	h.refused(err, "ClusterContainsCapacityProviderException", "")
	del, err := h.api.DeleteCapacityProvider(h.ctx, &shape.DeleteCapacityProviderInput{CapacityProvider: p("mi"), Cluster: p("c")})
	if must(h, del, err); *del.CapacityProvider.Status != "DEPROVISIONING" || *del.CapacityProvider.UpdateStatus != "DELETE_IN_PROGRESS" {
		t.Errorf("%+v", del.CapacityProvider)
	}
	_, err = h.api.DescribeCapacityProviders(h.ctx, &shape.DescribeCapacityProvidersInput{CapacityProviders: []string{"mi"}, Cluster: p("c")})
	h.refused(err, "InvalidParameterException", "Cannot specify both capacity providers and cluster in the same request")
	_, err = h.api.DescribeCapacityProviders(h.ctx, &shape.DescribeCapacityProvidersInput{MaxResults: p[int64](11)})
	h.refused(err, "InvalidParameterException", "maxResults")
}

// Proves: MI1, MI2, MI9, MI10, MI11, MI12, MI20
func TestProviderIsCheckedAsOnAWS(t *testing.T) {
	type in = *shape.CreateCapacityProviderInput
	for _, c := range []struct {
		name, code, part string
		change           func(in)
	}{
		{"forbidden name", "InvalidParameterException", "cannot begin with", func(i in) { i.Name = p("awsome") }},
		{"bad name", "InvalidParameterException", "Up to 255 characters", func(i in) { i.Name = p("a b") }},
		{"long name", "InvalidParameterException", "Up to 255 characters", func(i in) { i.Name = p(strings.Repeat("a", 256)) }},
		{"no cluster", "InvalidParameterException", "cluster", func(i in) { i.Cluster = nil }},
		{"other cluster", "ClusterNotFoundException", "Cluster not found.", func(i in) { i.Cluster = p("x") }},
		{"two kinds", "InvalidParameterException", "Exactly one", func(i in) { i.AutoScalingGroupProvider = &shape.AutoScalingGroupProvider{} }},
		{"auto scaling group", "InvalidParameterException", "autoScalingGroupArn is required", func(i in) {
			i.AutoScalingGroupProvider, i.ManagedInstancesProvider, i.Cluster = &shape.AutoScalingGroupProvider{}, nil, nil
		}},
		{"small disk", "InvalidParameterException", "storageSizeGiB", func(i in) {
			i.ManagedInstancesProvider.InstanceLaunchTemplate.StorageConfiguration.StorageSizeGiB = p[int64](29)
		}},
		{"wait too long", "InvalidParameterException", "scaleInAfter", func(i in) {
			i.ManagedInstancesProvider.InfrastructureOptimization.ScaleInAfter = p[int64](3601)
		}},
		{"wait too short", "InvalidParameterException", "scaleInAfter", func(i in) {
			i.ManagedInstancesProvider.InfrastructureOptimization.ScaleInAfter = p[int64](-2)
		}},
		{"fips", "ClientException", "Managed Instances Provider does not support FIPS in this region", func(i in) {
			i.ManagedInstancesProvider.InstanceLaunchTemplate.FipsEnabled = p(true)
		}},
		{"no type", "ClientException", "No instance types satisfy the instance requirements specified in the Managed Instances capacity provider.", func(i in) {
			i.ManagedInstancesProvider.InstanceLaunchTemplate.InstanceRequirements.AllowedInstanceTypes = []string{"c6a.lagre"}
		}},
		{"allowed and excluded", "InvalidParameterException", "cannot be specified together", func(i in) {
			q := i.ManagedInstancesProvider.InstanceLaunchTemplate.InstanceRequirements
			q.AllowedInstanceTypes, q.ExcludedInstanceTypes = []string{"c6a.*"}, []string{"m5.*"}
		}},
		{"no groups", "InvalidParameterException", "securityGroups", func(i in) {
			i.ManagedInstancesProvider.InstanceLaunchTemplate.NetworkConfiguration.SecurityGroups = nil
		}},
		{"no such subnet", "InvalidParameterException", "The subnet ID 'subnet-9' does not exist", func(i in) {
			i.ManagedInstancesProvider.InstanceLaunchTemplate.NetworkConfiguration.Subnets = []string{"subnet-9"}
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			h := newFixture(t)
			h.cluster()
			i := provider()
			c.change(i)
			_, err := h.api.CreateCapacityProvider(h.ctx, i)
			h.refused(err, c.code, c.part)
			if n := state.CapacityProviders.Len(h.db.View()); n != 0 {
				t.Errorf("%d providers", n)
			}
		})
	}
}

// Proves: MI11, MI18
func TestUpdateKeepsWhatWasRefused(t *testing.T) {
	h := newFixture(t)
	h.ready()
	update := func(q *shape.InstanceRequirementsRequest) error {
		_, err := h.api.UpdateCapacityProvider(h.ctx,
			&shape.UpdateCapacityProviderInput{Name: p("mi"), Cluster: p("c"),
				ManagedInstancesProvider: &shape.UpdateManagedInstancesProviderConfiguration{
					InfrastructureRoleArn:  p("arn:aws:iam::000000000000:role/infra"),
					InstanceLaunchTemplate: &shape.InstanceLaunchTemplateUpdate{InstanceRequirements: q},
				}})
		return err
	}
	q := func(types ...string) *shape.InstanceRequirementsRequest {
		return &shape.InstanceRequirementsRequest{
			VCpuCount: &shape.VCpuCountRangeRequest{Min: p[int64](1)}, MemoryMiB: &shape.MemoryMiBRequest{Min: p[int64](1)},
			AllowedInstanceTypes: types,
		}
	}
	h.refused(update(q("t3.medium")), "ClientException", "No instance types satisfy")
	before, _ := state.CapacityProviders.Get(h.db.View(), "mi")
	if before.Requirements.BurstablePerformance != "included" {
		t.Errorf("%+v", before.Requirements)
	}
	must(h, 0, update(q("c6a.*")))
	after, _ := state.CapacityProviders.Get(h.db.View(), "mi")
	if after.UpdateStatus != model.ProviderUpdateInProgress {
		t.Error(after.UpdateStatus)
	}
	h.refused(update(q("c6a.*")), "UpdateInProgressException", "update in progress")
	if after.CapacityOption != "ON_DEMAND" || after.StorageSizeGiB != 30 ||
		!cmp.Equal(after.Requirements.AllowedInstanceTypes, []string{"c6a.*"}) {
		t.Errorf("%+v", after)
	}
}

func TestDefinitionDefaultsAndRevisions(t *testing.T) {
	h := newFixture(t)
	h.define()
	in := seedDefinition()
	in.Cpu, in.Memory, in.NetworkMode = p("1 vCPU"), p("2 GB"), nil
	out, err := h.api.RegisterTaskDefinition(h.ctx, in)
	d := must(h, out, err).TaskDefinition
	if *d.Revision != 2 || *d.Cpu != "1024" || *d.Memory != "2048" || *d.NetworkMode != "awsvpc" ||
		*d.ExecutionRoleArn != "arn:aws:iam::000000000000:role/exec" {
		t.Errorf("%+v", d)
	}
	if m := d.ContainerDefinitions[0].PortMappings[0]; *m.HostPort != 80 || *m.Protocol != "tcp" {
		t.Errorf("%+v", m)
	}
	_, err = h.api.DeregisterTaskDefinition(h.ctx, &shape.DeregisterTaskDefinitionInput{TaskDefinition: p("f:2")})
	must(h, 0, err)
	got, err := h.api.DescribeTaskDefinition(h.ctx, &shape.DescribeTaskDefinitionInput{TaskDefinition: p("f")})
	if *must(h, got, err).TaskDefinition.Revision != 1 {
		t.Errorf("latest is %d", *got.TaskDefinition.Revision)
	}
	list, err := h.api.ListTaskDefinitions(h.ctx, &shape.ListTaskDefinitionsInput{})
	if must(h, list, err); len(list.TaskDefinitionArns) != 1 {
		t.Errorf("%v", list.TaskDefinitionArns)
	}
}

// Proves: MI25, MI26, MI27, MI28, MI29, MI31
func TestDefinitionIsChecked(t *testing.T) {
	type in = *shape.RegisterTaskDefinitionInput
	hostPath := func(path string) func(in) {
		return func(i in) {
			i.Volumes = []shape.Volume{{Name: p("v"), Host: &shape.HostVolumeProperties{SourcePath: &path}}}
		}
	}
	for _, c := range []struct {
		name, code, part string
		change           func(in)
	}{
		{"no memory", "ClientException", "At least one of 'memory' or 'memoryReservation' must be specified.", func(i in) { i.Memory = nil }},
		{"bridge", "ClientException", "network modes", func(i in) { i.NetworkMode = p("bridge") }},
		{
			"journald", "ClientException", "Log driver journald disallowed",
			func(i in) { i.ContainerDefinitions[0].LogConfiguration.LogDriver = p("journald") },
		},
		{"splunk", "NotImplemented", "splunk", func(i in) { i.ContainerDefinitions[0].LogConfiguration.LogDriver = p("splunk") }},
		{"hostname", "ClientException", "'hostname'", func(i in) { i.ContainerDefinitions[0].Hostname = p("x") }},
		{
			"swap", "ClientException", "'maxSwap'",
			func(i in) { i.ContainerDefinitions[0].LinuxParameters = &shape.LinuxParameters{MaxSwap: p[int64](1)} },
		},
		{"storage", "ClientException", "'ephemeralStorage'", func(i in) { i.EphemeralStorage = &shape.EphemeralStorage{} }},
		{"windows", "ClientException", "LINUX", func(i in) {
			i.RuntimePlatform = &shape.RuntimePlatform{OperatingSystemFamily: p("WINDOWS_SERVER_2019_CORE")}
		}},
		{"no essential", "ClientException", "essential", func(i in) { i.ContainerDefinitions[0].Essential = p(false) }},
		{"little cpu", "ClientException", "cpu", func(i in) { i.Cpu = p("64") }},
		{"odd cpu", "ClientException", "cpu", func(i in) { i.Cpu = p("many") }},
		{"stop timeout", "ClientException", "stopTimeout", func(i in) { i.ContainerDefinitions[0].StopTimeout = p[int64](86401) }},
		{"ports", "ClientException", "must match", func(i in) { i.ContainerDefinitions[0].PortMappings[0].HostPort = p[int64](81) }},
		{"soft over hard", "ClientException", "The soft limit 5000 of the ulimit nofile is greater than its hard limit 1000.", func(i in) {
			i.ContainerDefinitions[0].Ulimits = []shape.Ulimit{{Name: p("nofile"), SoftLimit: p[int64](5000), HardLimit: p[int64](1000)}}
		}},
		{"unknown volume", "ClientException", "Unknown volume", func(i in) {
			i.ContainerDefinitions[0].MountPoints = []shape.MountPoint{{SourceVolume: p("v"), ContainerPath: p("/v")}}
		}},
		{"path of the host", "ClientException", "only paths under /var and /tmp are writable", hostPath("/etc")},
		{"path beside /var", "ClientException", "Invalid host path /varfoo", hostPath("/varfoo")},
		{"path out of /var", "ClientException", "Invalid host path /var/../etc", hostPath("/var/../etc")},
		{"path to the root", "ClientException", "Invalid host path /tmp/../", hostPath("/tmp/../")},
		{"relative path", "ClientException", "Invalid host path var/x", hostPath("var/x")},
		{"attribute", "InvalidParameterException", "ecs.ami-id", func(i in) {
			i.PlacementConstraints = []shape.TaskDefinitionPlacementConstraint{{Type: p("memberOf"), Expression: p("attribute:ecs.ami-id == x")}}
		}},
		{"circle", "ClientException", "cycle", func(i in) {
			i.ContainerDefinitions[0].DependsOn = []shape.ContainerDependency{{ContainerName: p("web"), Condition: p("START")}}
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			h := newFixture(t)
			i := seedDefinition()
			c.change(i)
			_, err := h.api.RegisterTaskDefinition(h.ctx, i)
			h.refused(err, c.code, c.part)
		})
	}
	h := newFixture(t)
	i := seedDefinition()
	i.Cpu, i.Memory = p("300"), p("700")
	i.PlacementConstraints = []shape.TaskDefinitionPlacementConstraint{
		{Type: p("memberOf"), Expression: p("attribute:ecs.instance-type =~ c6.*")},
	}
	_, err := h.api.RegisterTaskDefinition(h.ctx, i)
	must(h, 0, err)
}

// Proves: D1, D2, D3, D5, D6
func TestCreateServiceWritesRevisionAndDeployment(t *testing.T) {
	h := newFixture(t)
	h.ready()
	out, err := h.api.CreateService(h.ctx, seedService())
	s := must(h, out, err).Service
	c := s.DeploymentConfiguration
	if *c.MaximumPercent != 200 || *c.MinimumHealthyPercent != 100 || *c.BakeTimeInMinutes != 15 || *c.DeploymentCircuitBreaker.Enable ||
		*c.LifecycleHooks[0].TimeoutConfiguration.TimeoutInMinutes != 1440 {
		t.Errorf("%+v", c)
	}
	if len(s.Deployments) != 1 || *s.Deployments[0].Status != "PRIMARY" || *s.Deployments[0].RolloutState != "IN_PROGRESS" ||
		*s.CapacityProviderStrategy[0].CapacityProvider != "mi" {
		t.Errorf("%+v", s.Deployments)
	}
	list, err := h.api.ListServiceDeployments(h.ctx, &shape.ListServiceDeploymentsInput{Cluster: p("c"), Service: p("s")})
	must(h, list, err)
	arn := *list.ServiceDeployments[0].ServiceDeploymentArn
	if id := arn[strings.LastIndexByte(arn, '/')+1:]; len(id) != 21 || arn != *s.CurrentServiceDeployment ||
		!strings.HasPrefix(arn, "arn:aws:ecs:ap-northeast-1:000000000000:service-deployment/c/s/") {
		t.Errorf("%s", arn)
	}
	desc, err := h.api.DescribeServiceDeployments(h.ctx, &shape.DescribeServiceDeploymentsInput{ServiceDeploymentArns: []string{arn, "x"}})
	if must(h, desc, err); *desc.ServiceDeployments[0].Status != "PENDING" || len(desc.Failures) != 1 {
		t.Errorf("%+v", desc)
	}
	if r := desc.ServiceDeployments[0].TargetServiceRevision; *r.RequestedProductionTrafficWeight != 0 || *r.RequestedTestTrafficWeight != 0 {
		t.Errorf("weights of a first revision before any shift: %v, %v", *r.RequestedProductionTrafficWeight, *r.RequestedTestTrafficWeight)
	}
	_, err = h.api.CreateService(h.ctx, seedService())
	h.refused(err, "InvalidParameterException", "Creation of service was not idempotent.")
}

// Until a deployment shifts, all traffic is asked for the source.
func TestWeightsBeforeAShift(t *testing.T) {
	h := newFixture(t)
	h.ready()
	out, err := h.api.CreateService(h.ctx, seedService())
	first := *must(h, out, err).Service.CurrentServiceDeployment
	err = h.db.Update(h.ctx, "controllers/service", func(tx *store.Tx) error {
		d, _ := state.ServiceDeployments.Get(tx, first)
		d = model.Clone(d)
		d.Status, d.Sources = model.DeploymentInProgress, []string{"revision/0"}
		return state.ServiceDeployments.Put(tx, d)
	})
	if err != nil {
		t.Fatal(err)
	}
	desc, err := h.api.DescribeServiceDeployments(h.ctx, &shape.DescribeServiceDeploymentsInput{ServiceDeploymentArns: []string{first}})
	d := must(h, desc, err).ServiceDeployments[0]
	source, target := d.SourceServiceRevisions[0], d.TargetServiceRevision
	if *source.RequestedProductionTrafficWeight != 100 || *target.RequestedProductionTrafficWeight != 0 ||
		*source.RequestedTestTrafficWeight != 100 || *target.RequestedTestTrafficWeight != 0 {
		t.Errorf("source %+v target %+v", source, *target)
	}
}

// Proves: D39
func TestServiceIsCheckedAsOnAWS(t *testing.T) {
	type in = *shape.CreateServiceInput
	for _, c := range []struct {
		name, code, part string
		change           func(in)
	}{
		{
			"no advanced", "InvalidParameterException",
			"advancedConfiguration field is required for all loadBalancers when using a non-ROLLING deployment strategy",
			func(i in) { i.LoadBalancers[0].AdvancedConfiguration = nil },
		},
		{"rule form", "InvalidParameterException", "productionListenerRule has an invalid ARN format. Must be RuleArn for ALB or ListenerArn " +
			"for NLB. Got: x", func(i in) {
			i.LoadBalancers[0].AdvancedConfiguration.ProductionListenerRule = p("x")
		}},
		{"same rule", "InvalidParameterException", "The following rules cannot be used as both production and test listener rules: " +
			rule("prod"), func(i in) {
			i.LoadBalancers[0].AdvancedConfiguration.TestListenerRule = p(rule("prod"))
		}},
		{"duplicate group", "InvalidParameterException", "Duplicate targetGroupArn found: tg/blue", func(i in) {
			i.LoadBalancers[0].AdvancedConfiguration.AlternateTargetGroupArn = p("tg/blue")
		}},
		{
			"both kinds", "InvalidParameterException", "All loadBalancers must be strictly either ELBv1",
			func(i in) { i.LoadBalancers[0].LoadBalancerName = p("x") },
		},
		{"some advanced", "InvalidParameterException", "Either all or none", func(i in) {
			i.LoadBalancers = append(i.LoadBalancers, shape.LoadBalancer{
				TargetGroupArn: p("tg/x"), ContainerName: p("web"), ContainerPort: p[int64](80),
			})
		}},
		{
			"no container", "InvalidParameterException", "The container nope does not exist in the task definition.",
			func(i in) { i.LoadBalancers[0].ContainerName = p("nope") },
		},
		{
			"no port", "InvalidParameterException", "did not have a container port 81 defined",
			func(i in) { i.LoadBalancers[0].ContainerPort = p[int64](81) },
		},
		{"launch type", "InvalidParameterException", "MANAGED_INSTANCES", func(i in) { i.LaunchType = p("MANAGED_INSTANCES") }},
		{"a machine of one's own", "NotImplemented", "EXTERNAL", func(i in) { i.LaunchType = p("EXTERNAL") }},
		{"both", "InvalidParameterException", "both a launch type and capacity provider strategy", func(i in) {
			i.LaunchType, i.CapacityProviderStrategy = p("EC2"), []shape.CapacityProviderStrategyItem{{CapacityProvider: p("mi")}}
		}},
		{
			"no network", "InvalidParameterException", "Network Configuration must be provided when networkMode 'awsvpc' is specified.",
			func(i in) { i.NetworkConfiguration = nil },
		},
		{
			"no subnet", "InvalidParameterException", "The subnet ID 'subnet-9' does not exist",
			func(i in) { i.NetworkConfiguration.AwsvpcConfiguration.Subnets = []string{"subnet-9"} },
		},
		{"no definition", "ClientException", "TaskDefinition not found.", func(i in) { i.TaskDefinition = p("g") }},
		{"pause stage", "InvalidParameterException", "Invalid lifecycle stage provided for Pause Hook", func(i in) {
			i.DeploymentConfiguration.LifecycleHooks = []shape.DeploymentLifecycleHook{
				{TargetType: p("PAUSE"), LifecycleStages: []string{"TEST_TRAFFIC_SHIFT"}},
			}
		}},
		{
			"target type", "InvalidParameterException", "Invalid targetType. Valid values are: AWS_LAMBDA, PAUSE",
			func(i in) { i.DeploymentConfiguration.LifecycleHooks[0].TargetType = p("X") },
		},
		{"hook timeout", "InvalidParameterException", "between 1 and 1440", func(i in) {
			i.DeploymentConfiguration.LifecycleHooks[0].TimeoutConfiguration = &shape.DeploymentLifecycleHookTimeoutConfiguration{
				TimeoutInMinutes: p[int64](1441),
			}
		}},
		{"bake", "InvalidParameterException", "bakeTimeInMinutes", func(i in) { i.DeploymentConfiguration.BakeTimeInMinutes = p[int64](1441) }},
		{"canary", "InvalidParameterException", "canaryPercent", func(i in) {
			i.DeploymentConfiguration.Strategy, i.DeploymentConfiguration.CanaryConfiguration = p("CANARY"), &shape.CanaryConfiguration{
				CanaryPercent: p(0.05),
			}
		}},
		{"linear", "InvalidParameterException", "stepPercent", func(i in) {
			i.DeploymentConfiguration.Strategy, i.DeploymentConfiguration.LinearConfiguration = p("LINEAR"), &shape.LinearConfiguration{
				StepPercent: p(2.9),
			}
		}},
		{"daemon", "InvalidParameterException", "DAEMON", func(i in) { i.SchedulingStrategy, i.DesiredCount = p("DAEMON"), nil }},
		{"controller", "NotImplemented", "CODE_DEPLOY", func(i in) { i.DeploymentController.Type = p("CODE_DEPLOY") }},
		{"cluster", "ClusterNotFoundException", "Cluster not found.", func(i in) { i.Cluster = p("x") }},
	} {
		t.Run(c.name, func(t *testing.T) {
			h := newFixture(t)
			h.ready()
			i := seedService()
			c.change(i)
			_, err := h.api.CreateService(h.ctx, i)
			h.refused(err, c.code, c.part)
			if v := h.db.View(); state.Services.Len(v)+state.ServiceRevisions.Len(v)+state.ServiceDeployments.Len(v) != 0 {
				t.Error("something was written")
			}
		})
	}
}

// Proves: E100
func TestNoStrategyAndNoDefaultIsEC2(t *testing.T) {
	h := newFixture(t)
	h.cluster()
	h.define()
	out, err := h.api.CreateService(h.ctx, seedService())
	s := must(h, out, err).Service
	if *s.LaunchType != "EC2" || s.CapacityProviderStrategy != nil {
		t.Errorf("launch type %s, strategy %+v", *s.LaunchType, s.CapacityProviderStrategy)
	}
}

// A service that has a strategy, in a cluster that has none, keeps it.
func TestAStrategyCannotBeTakenAwayWithoutADefault(t *testing.T) {
	h := newFixture(t)
	h.ready()
	_, err := h.api.CreateService(h.ctx, seedService())
	must(h, 0, err)
	h.write("api/ecs", func(tx *store.Tx) error {
		return state.Clusters.Edit(tx, "c", func(c *model.Cluster) error { c.DefaultStrategy = nil; return nil })
	})
	_, err = h.api.UpdateService(h.ctx, &shape.UpdateServiceInput{
		Cluster: p("c"), Service: p("s"), CapacityProviderStrategy: []shape.CapacityProviderStrategyItem{},
	})
	h.refused(err, "InvalidParameterException", "No launch type to fall back to for empty capacity provider strategy.")
}

// Proves: D4
func TestCanaryDefaults(t *testing.T) {
	h := newFixture(t)
	h.ready()
	i := seedService()
	i.DeploymentConfiguration.Strategy = p("CANARY")
	out, err := h.api.CreateService(h.ctx, i)
	if c := must(h, out, err).Service.DeploymentConfiguration.CanaryConfiguration; *c.CanaryPercent != 5 || *c.CanaryBakeTimeInMinutes != 10 {
		t.Errorf("%+v", c)
	}
}

// TestWhatStartsADeployment: docs/facts/deployments.md D102.
//
// Proves: D5, D37, D47
func TestWhatStartsADeployment(t *testing.T) {
	type in = *shape.UpdateServiceInput
	for _, c := range []struct {
		name   string
		starts bool
		change func(in)
	}{
		{"desired count", false, func(i in) { i.DesiredCount = p[int64](3) }},
		{"deployment configuration", false, func(i in) {
			i.DeploymentConfiguration = &shape.DeploymentConfiguration{BakeTimeInMinutes: p[int64](1)}
		}},
		{"grace period", false, func(i in) { i.HealthCheckGracePeriodSeconds = p[int64](9) }},
		{"rebalancing", false, func(i in) { i.AvailabilityZoneRebalancing = p("DISABLED") }},
		{"tags", false, func(i in) { i.PropagateTags = p("SERVICE") }},
		{"the same task definition", false, func(i in) { i.TaskDefinition = p("f:1") }},
		{"force", true, func(i in) { i.ForceNewDeployment = p(true) }},
		{"task definition", true, func(i in) { i.TaskDefinition = p("f:2") }},
		{"network", true, func(i in) {
			i.NetworkConfiguration = &shape.NetworkConfiguration{AwsvpcConfiguration: &shape.AwsVpcConfiguration{Subnets: []string{"subnet-2"}}}
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			h := newFixture(t)
			h.ready()
			out, err := h.api.CreateService(h.ctx, seedService())
			first := *must(h, out, err).Service.CurrentServiceDeployment
			h.define()
			i := &shape.UpdateServiceInput{Cluster: p("c"), Service: p("s")}
			c.change(i)
			up, err := h.api.UpdateService(h.ctx, i)
			now := *must(h, up, err).Service.CurrentServiceDeployment
			if (now != first) != c.starts {
				t.Errorf("started %t, want %t", now != first, c.starts)
			}
			old, _ := state.ServiceDeployments.Get(h.db.View(), first)
			if c.starts &&
				(old.Status != model.DeploymentStopRequested || len(up.Service.Deployments) != 2 || *up.Service.Deployments[1].Status != "ACTIVE") {
				t.Errorf("the first is %s; %+v", old.Status, up.Service.Deployments)
			}
		})
	}
}

// Proves: MI24
func TestStrategyChangeMustBeForced(t *testing.T) {
	h := newFixture(t)
	h.ready()
	_, err := h.api.CreateService(h.ctx, seedService())
	must(h, 0, err)
	before, _ := state.Services.One(h.db.View(), "name", "c/s")
	_, err = h.api.UpdateService(h.ctx, &shape.UpdateServiceInput{
		Cluster: p("c"), Service: p("s"), DesiredCount: p[int64](5),
		CapacityProviderStrategy: []shape.CapacityProviderStrategyItem{{CapacityProvider: p("mi"), Weight: p[int64](2)}},
	})
	h.refused(err, "InvalidParameterException", "you must force a new deployment.")
	if after, _ := state.Services.One(h.db.View(), "name", "c/s"); !cmp.Equal(before, after) {
		t.Error("something changed")
	}
}

func TestDeleteService(t *testing.T) {
	h := newFixture(t)
	h.ready()
	_, err := h.api.CreateService(h.ctx, seedService())
	must(h, 0, err)
	_, err = h.api.DeleteService(h.ctx, &shape.DeleteServiceInput{Cluster: p("c"), Service: p("s")})
	h.refused(err, "InvalidParameterException", "The service cannot be stopped while it is scaled above 0.")
	_, err = h.api.DeleteCapacityProvider(h.ctx, &shape.DeleteCapacityProviderInput{CapacityProvider: p("mi")})
	h.refused(err, "ClientException", "in use")
	out, err := h.api.DeleteService(h.ctx, &shape.DeleteServiceInput{Cluster: p("c"), Service: p("s"), Force: p(true)})
	if *must(h, out, err).Service.Status != "DRAINING" {
		t.Error(*out.Service.Status)
	}
	_, err = h.api.CreateService(h.ctx, seedService())
	h.refused(err, "InvalidParameterException", "Unable to Start a service that is still Draining.")
	_, err = h.api.UpdateService(h.ctx, &shape.UpdateServiceInput{Cluster: p("c"), Service: p("s")})
	h.refused(err, "ServiceNotActiveException", "Service was not ACTIVE.")
	// When it is INACTIVE, the name is free again and its history is gone.
	h.write("controllers/service", func(tx *store.Tx) error {
		s, _ := state.Services.One(tx, "name", "c/s")
		return state.Services.Edit(tx, s.ARN, func(s *model.Service) error { s.Status = model.ServiceInactive; return nil })
	})
	_, err = h.api.CreateService(h.ctx, seedService())
	must(h, 0, err)
	if n := state.ServiceRevisions.Len(h.db.View()); n != 1 {
		t.Errorf("%d revisions", n)
	}
}

// Proves: D30, D36
func TestStopAndContinueDeployment(t *testing.T) {
	h := newFixture(t)
	h.ready()
	out, err := h.api.CreateService(h.ctx, seedService())
	arn := must(h, out, err).Service.CurrentServiceDeployment
	_, err = h.api.ContinueServiceDeployment(h.ctx, &shape.ContinueServiceDeploymentInput{ServiceDeploymentArn: arn, HookId: p("x")})
	h.refused(err, "InvalidParameterException", "Invalid hookId: hookId must follow the format: ecs-{hookType}-{id}")
	_, err = h.api.ContinueServiceDeployment(h.ctx, &shape.ContinueServiceDeploymentInput{ServiceDeploymentArn: arn, HookId: p("ecs-pause-1")})
	h.refused(
		err, "InvalidParameterException", "Provided hookId is either completed, unavailable, or not associated with the given Resource ARN",
	)
	for range 2 {
		_, err = h.api.StopServiceDeployment(h.ctx, &shape.StopServiceDeploymentInput{ServiceDeploymentArn: arn})
		must(h, 0, err)
	}
	d, _ := state.ServiceDeployments.Get(h.db.View(), *arn)
	if d.Status != model.DeploymentRollbackRequested {
		t.Error(d.Status)
	}
	h.write("controllers/service", func(tx *store.Tx) error {
		return state.ServiceDeployments.Edit(tx, *arn, func(d *model.ServiceDeployment) error {
			d.Status = model.DeploymentRollbackFailed
			return nil
		})
	})
	_, err = h.api.StopServiceDeployment(h.ctx, &shape.StopServiceDeploymentInput{ServiceDeploymentArn: arn})
	h.refused(err, "ConflictException", "terminal")
	_, err = h.api.ContinueServiceDeployment(h.ctx, &shape.ContinueServiceDeploymentInput{ServiceDeploymentArn: arn, HookId: p("ecs-pause-1")})
	h.refused(err, "InvalidParameterException", "Continuing a service deployment is not allowed for service deployment in terminal states.")
	_, err = h.api.StopServiceDeployment(h.ctx, &shape.StopServiceDeploymentInput{ServiceDeploymentArn: p("x")})
	h.refused(err, "ServiceDeploymentNotFoundException", "The service deployment does not exist.")
}

// Proves: MI64, D54
func TestRunAndStopTask(t *testing.T) {
	h := newFixture(t)
	h.ready()
	run := &shape.RunTaskInput{Cluster: p("c"), TaskDefinition: p("f"), Count: p[int64](2), ClientToken: p("once"),
		NetworkConfiguration: seedService().NetworkConfiguration,
		Overrides:            &shape.TaskOverride{ContainerOverrides: []shape.ContainerOverride{{Name: p("web"), Command: []string{"x"}}}}}
	out, err := h.api.RunTask(h.ctx, run)
	ts := must(h, out, err).Tasks
	if len(ts) != 2 || *ts[0].LastStatus != "PROVISIONING" || *ts[0].LaunchType != "MANAGED_INSTANCES" || *ts[0].Group != "family:f" ||
		*ts[0].CapacityProviderName != "mi" || len(*ts[0].TaskArn) != len("arn:aws:ecs:ap-northeast-1:000000000000:task/c/")+32 {
		t.Errorf("%+v", ts[0])
	}
	again, err := h.api.RunTask(h.ctx, run)
	if must(h, again, err); len(again.Tasks) != 2 || state.Tasks.Len(h.db.View()) != 2 {
		t.Errorf("%d tasks after the same token", state.Tasks.Len(h.db.View()))
	}
	stop, err := h.api.StopTask(h.ctx, &shape.StopTaskInput{Cluster: p("c"), Task: ts[0].TaskArn})
	if must(h, stop, err); *stop.Task.StopCode != "UserInitiated" || *stop.Task.StoppedReason != "Task stopped by user" {
		t.Errorf("%+v", stop.Task)
	}
	for status, want := range map[string]int{"": 1, "RUNNING": 1, "STOPPED": 1, "PENDING": 0} {
		in := &shape.ListTasksInput{Cluster: p("c")}
		if status != "" {
			in.DesiredStatus = &status
		}
		list, err := h.api.ListTasks(h.ctx, in)
		if must(h, list, err); len(list.TaskArns) != want {
			t.Errorf("%q: %d tasks, want %d", status, len(list.TaskArns), want)
		}
	}
	_, err = h.api.StopTask(h.ctx, &shape.StopTaskInput{Cluster: p("c"), Task: p("0")})
	h.refused(err, "InvalidParameterException", "The referenced task was not found.")
}

func TestPagesFollowEachOther(t *testing.T) {
	h := newFixture(t)
	h.ready()
	for _, n := range []string{"a", "b", "d"} {
		i := seedService()
		i.ServiceName = p(n)
		_, err := h.api.CreateService(h.ctx, i)
		must(h, 0, err)
	}
	var got []string
	in := &shape.ListServicesInput{Cluster: p("c"), MaxResults: p[int64](2)}
	for {
		out, err := h.api.ListServices(h.ctx, in)
		must(h, 0, err)
		got = append(got, out.ServiceArns...)
		if in.NextToken = out.NextToken; in.NextToken == nil {
			break
		}
	}
	if len(got) != 3 {
		t.Errorf("%v", got)
	}
	_, err := h.api.ListServices(h.ctx, &shape.ListServicesInput{Cluster: p("c"), NextToken: p("!")})
	h.refused(err, "InvalidParameterException", "Invalid token.")
}

// Proves: MI40, MI59, MI67
func TestContainerInstancesShowWhatIsLeft(t *testing.T) {
	h := newFixture(t)
	h.ready()
	arn := place.ARN("ecs", "container-instance/c/1")
	h.write("controllers/capacity", func(tx *store.Tx) error {
		return state.Instances.Put(tx, model.Instance{
			ID: "i-1", ARN: arn, Cluster: "c", CapacityProvider: "mi", Goal: model.GoalRun, State: model.InstancePending,
		})
	})
	h.write("dispatch", func(tx *store.Tx) error {
		return state.Instances.Edit(tx, "i-1", func(i *model.Instance) error {
			i.Status, i.Registered, i.Connected = model.ContainerInstanceActive, model.Resources{
				CPU: 2048, Memory: 3800, Ports: []string{"22", "51678/udp"},
			}, true
			i.Attributes = []model.Attribute{{Name: "ecs.instance-type", Value: "c6a.large"}}
			return nil
		})
	})
	out, err := h.api.RunTask(h.ctx, &shape.RunTaskInput{
		Cluster: p("c"), TaskDefinition: p("f"), NetworkConfiguration: seedService().NetworkConfiguration,
	})
	task := *must(h, out, err).Tasks[0].TaskArn
	h.write("controllers/task", func(tx *store.Tx) error {
		return state.Tasks.Edit(tx, task, func(t *model.Task) error { t.Instance = arn; return nil })
	})
	got, err := h.api.DescribeContainerInstances(h.ctx, &shape.DescribeContainerInstancesInput{
		Cluster: p("c"), ContainerInstances: []string{"1"}, Include: []string{"CONTAINER_INSTANCE_HEALTH"},
	})
	i := must(h, got, err).ContainerInstances[0]
	if *i.RemainingResources[0].IntegerValue != 1792 || *i.RemainingResources[1].IntegerValue != 3288 ||
		*i.RegisteredResources[1].IntegerValue != 3800 || *i.PendingTasksCount != 1 || *i.HealthStatus.OverallStatus != "OK" {
		t.Errorf("%+v", i)
	}
	for filter, want := range map[string]int{
		"": 1, "attribute:ecs.instance-type == c6a.large": 1, "attribute:ecs.instance-type == m5.large": 0,
	} {
		list, err := h.api.ListContainerInstances(h.ctx, &shape.ListContainerInstancesInput{Cluster: p("c"), Filter: &filter})
		if must(h, list, err); len(list.ContainerInstanceArns) != want {
			t.Errorf("%q: %v", filter, list.ContainerInstanceArns)
		}
	}
	drain, err := h.api.UpdateContainerInstancesState(h.ctx, &shape.UpdateContainerInstancesStateInput{
		Cluster: p("c"), ContainerInstances: []string{arn}, Status: p("DRAINING"),
	})
	if *must(h, drain, err).ContainerInstances[0].Status != "DRAINING" {
		t.Errorf("%+v", drain)
	}
	_, err = h.api.DeregisterContainerInstance(h.ctx, &shape.DeregisterContainerInstanceInput{Cluster: p("c"), ContainerInstance: p("1")})
	h.refused(err, "InvalidParameterException", "Found running tasks on the instance.")
	_, err = h.api.DeregisterContainerInstance(h.ctx, &shape.DeregisterContainerInstanceInput{
		Cluster: p("c"), ContainerInstance: p("1"), Force: p(true),
	})
	must(h, 0, err)
}

func TestTags(t *testing.T) {
	h := newFixture(t)
	h.ready()
	arn := p(place.ARN("ecs", "cluster/c"))
	_, err := h.api.TagResource(h.ctx, &shape.TagResourceInput{
		ResourceArn: arn, Tags: []shape.Tag{{Key: p("b"), Value: p("2")}, {Key: p("a"), Value: p("1")}},
	})
	must(h, 0, err)
	_, err = h.api.UntagResource(h.ctx, &shape.UntagResourceInput{ResourceArn: arn, TagKeys: []string{"b"}})
	must(h, 0, err)
	out, err := h.api.ListTagsForResource(h.ctx, &shape.ListTagsForResourceInput{ResourceArn: arn})
	if must(h, out, err); len(out.Tags) != 1 || *out.Tags[0].Key != "a" {
		t.Errorf("%+v", out.Tags)
	}
	_, err = h.api.TagResource(h.ctx, &shape.TagResourceInput{ResourceArn: p("arn:aws:ecs:r:0:cluster/zz"), Tags: []shape.Tag{{Key: p("a")}}})
	h.refused(err, "InvalidParameterException", "was not found")
}

func TestClusterIsIdempotentAndEnds(t *testing.T) {
	h := newFixture(t)
	h.cluster()
	h.clock.Advance(time.Hour)
	h.cluster()
	if c, _ := state.Clusters.Get(h.db.View(), "c"); !c.CreatedAt.Equal(h.clock.Now().Add(-time.Hour)) {
		t.Error("the cluster was made again")
	}
	out, err := h.api.DeleteCluster(h.ctx, &shape.DeleteClusterInput{Cluster: p(place.ARN("ecs", "cluster/c"))})
	if *must(h, out, err).Cluster.Status != "INACTIVE" {
		t.Error(*out.Cluster.Status)
	}
	_, err = h.api.ListServices(h.ctx, &shape.ListServicesInput{Cluster: p("c")})
	h.refused(err, "ClusterNotFoundException", "Cluster not found.")
}

// TestListsAreThereWhenEmpty: ECS's answers carry their lists, so that a client
// can go over them.
func TestListsAreThereWhenEmpty(t *testing.T) {
	w := apitest.NewWorld(t)
	w.Must("ecs", "CreateCluster", apitest.In{"clusterName": "c"})
	const cluster = "arn:aws:ecs:us-east-1:123456789012:cluster/c"
	for _, c := range []struct {
		operation, lists string
		in               apitest.In
	}{
		{"DescribeClusters", "failures", apitest.In{"clusters": []any{"c"}}},
		{"DescribeClusters", "clusters", apitest.In{"clusters": []any{"lost"}}},
		{"DescribeServices", "services", apitest.In{"cluster": "c", "services": []any{"lost"}}},
		{"DescribeTasks", "tasks", apitest.In{"cluster": "c", "tasks": []any{"lost"}}},
		{"DescribeContainerInstances", "containerInstances", apitest.In{"cluster": "c", "containerInstances": []any{"lost"}}},
		{"DescribeCapacityProviders", "capacityProviders failures", apitest.In{"cluster": "c"}},
		{"DescribeServiceDeployments", "serviceDeployments", apitest.In{"serviceDeploymentArns": []any{"lost"}}},
		{"DescribeServiceRevisions", "serviceRevisions", apitest.In{"serviceRevisionArns": []any{"lost"}}},
		{"DeleteTaskDefinitions", "taskDefinitions", apitest.In{"taskDefinitions": []any{"lost:1"}}},
		{"UpdateContainerInstancesState", "containerInstances", apitest.In{
			"cluster": "c", "containerInstances": []any{"lost"}, "status": "DRAINING",
		}},
		{"ListAttributes", "attributes", apitest.In{"cluster": "c", "targetType": "container-instance"}},
		{"ListContainerInstances", "containerInstanceArns", apitest.In{"cluster": "c"}},
		{"ListServices", "serviceArns", apitest.In{"cluster": "c"}},
		{"ListTasks", "taskArns", apitest.In{"cluster": "c"}},
		{"ListTaskDefinitions", "taskDefinitionArns", nil},
		{"ListTaskDefinitionFamilies", "families", nil},
		{"ListAccountSettings", "settings", nil},
		{"ListTagsForResource", "tags", apitest.In{"resourceArn": cluster}},
	} {
		out := w.Must("ecs", c.operation, c.in)
		for name := range strings.FieldsSeq(c.lists) {
			if list, ok := out[name].([]any); !ok || len(list) != 0 {
				t.Errorf("%s %v: %s is %v", c.operation, c.in, name, out[name])
			}
		}
	}
}
