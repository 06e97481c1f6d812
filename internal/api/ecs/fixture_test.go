package ecs_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"berth/internal/api/ecs"
	"berth/internal/clock"
	"berth/internal/dispatch"
	"berth/internal/fault"
	"berth/internal/ident"
	"berth/internal/model"
	"berth/internal/state"
	"berth/internal/store"
	"berth/internal/wire"
	shape "berth/internal/wire/shape/ecs"
)

var place = ident.Place{Partition: "aws", Region: "ap-northeast-1", Account: "000000000000"}

// fixture is an API over an empty, strict state with a VPC, two target groups
// and their rules.
type fixture struct {
	t     *testing.T
	db    *state.DB
	clock *clock.Stepped
	api   *ecs.API
	ctx   context.Context
}

type gateway struct{ ecs.Gateway }

func (gateway) PollEndpoint(context.Context, ident.Principal, string, string) (dispatch.Endpoints, error) {
	return dispatch.Endpoints{Agent: "https://a/", Telemetry: "https://t/"}, nil
}

func newFixture(t *testing.T) *fixture {
	t.Helper()
	db, err := state.Open(t.Context(), store.NewMemory(), true)
	if err != nil {
		t.Fatal(err)
	}
	h := &fixture{t: t, db: db, clock: clock.NewStepped(time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC))}
	h.api = ecs.New(ecs.Deps{DB: db, Clock: h.clock, IDs: ident.Seeded(1), Place: place, Gateway: gateway{}})
	h.ctx = wire.WithCall(t.Context(), wire.Call{Principal: ident.Root(place)})
	h.write("api/ec2", func(tx *store.Tx) error {
		for _, s := range []model.Subnet{
			{ID: "subnet-1", VPC: "vpc-1", AvailabilityZone: "ap-northeast-1a"}, {ID: "subnet-2", VPC: "vpc-1", AvailabilityZone: "ap-northeast-1c"},
		} {
			if err := state.Subnets.Put(tx, s); err != nil {
				return err
			}
		}
		if err := state.VPCs.Put(tx, model.VPC{ID: "vpc-1", DefaultGroup: "sg-0", DNSHostnames: true}); err != nil {
			return err
		}
		return state.SecurityGroups.Put(tx, model.SecurityGroup{ID: "sg-1", VPC: "vpc-1"})
	})
	h.write("api/elbv2", func(tx *store.Tx) error {
		for i, g := range []string{"tg/blue", "tg/green"} {
			if err := state.TargetGroups.Put(tx, model.TargetGroup{ARN: g, TargetType: "ip", Name: g}); err != nil {
				return err
			}
			rule := model.ListenerRule{
				ARN:     rule([]string{"prod", "test"}[i]),
				Actions: []model.Action{{Type: "forward", Targets: []model.WeightedTarget{{TargetGroupARN: g, Weight: 1}}}},
			}
			if err := state.ListenerRules.Put(tx, rule); err != nil {
				return err
			}
		}
		return nil
	})
	return h
}

func rule(n string) string { return place.ARN("elasticloadbalancing", "listener-rule/app/alb/1/2/"+n) }

func (h *fixture) write(writer string, fn func(*store.Tx) error) {
	h.t.Helper()
	if err := h.db.Update(h.ctx, writer, fn); err != nil {
		h.t.Fatal(err)
	}
}

// refused checks an error's AWS code and a part of its text.
func (h *fixture) refused(err error, code, part string) {
	h.t.Helper()
	if err == nil || fault.CodeOf(err) != code || !strings.Contains(fault.MessageOf(err), part) {
		h.t.Errorf("got %s %q, want %s %q", fault.CodeOf(err), err, code, part)
	}
}

func must[T any](h *fixture, v T, err error) T {
	h.t.Helper()
	if err != nil {
		h.t.Fatal(err)
	}
	return v
}

func p[T any](v T) *T { return &v }

func (h *fixture) cluster() {
	h.t.Helper()
	must(h, p(0), func() error {
		_, err := h.api.CreateCluster(h.ctx, &shape.CreateClusterInput{ClusterName: p("c")})
		return err
	}())
}

func provider() *shape.CreateCapacityProviderInput {
	return &shape.CreateCapacityProviderInput{
		Name: p("mi"), Cluster: p("c"), ManagedInstancesProvider: &shape.CreateManagedInstancesProviderConfiguration{
			InfrastructureRoleArn: p("arn:aws:iam::000000000000:role/infra"), PropagateTags: p("CAPACITY_PROVIDER"),
			InstanceLaunchTemplate: &shape.InstanceLaunchTemplate{
				Ec2InstanceProfileArn: p("arn:aws:iam::000000000000:instance-profile/ecsInstanceRole"),
				NetworkConfiguration: &shape.ManagedInstancesNetworkConfiguration{
					Subnets: []string{"subnet-1", "subnet-2"}, SecurityGroups: []string{"sg-1"},
				},
				StorageConfiguration: &shape.ManagedInstancesStorageConfiguration{StorageSizeGiB: p[int64](30)},
				Monitoring:           p("DETAILED"),
				InstanceRequirements: &shape.InstanceRequirementsRequest{
					VCpuCount: &shape.VCpuCountRangeRequest{Min: p[int64](1), Max: p[int64](5)},
					MemoryMiB: &shape.MemoryMiBRequest{Min: p[int64](1024), Max: p[int64](5120)}, CpuManufacturers: []string{"intel", "amd"},
					BurstablePerformance: p("included"),
				},
			},
			InfrastructureOptimization: &shape.InfrastructureOptimization{ScaleInAfter: p[int64](1800)},
		},
	}
}

// ready makes a cluster with an active provider as its default, and a task
// definition.
func (h *fixture) ready() {
	h.t.Helper()
	h.cluster()
	_, err := h.api.CreateCapacityProvider(h.ctx, provider())
	must(h, 0, err)
	h.activate()
	_, err = h.api.PutClusterCapacityProviders(h.ctx, &shape.PutClusterCapacityProvidersInput{
		Cluster: p("c"), CapacityProviders: []string{"mi"},
		DefaultCapacityProviderStrategy: []shape.CapacityProviderStrategyItem{{CapacityProvider: p("mi"), Weight: p[int64](1)}},
	})
	must(h, 0, err)
	h.define()
}

func (h *fixture) activate() {
	h.t.Helper()
	h.write("controllers/capacity", func(tx *store.Tx) error {
		return state.CapacityProviders.Edit(tx, "mi", func(c *model.CapacityProvider) error {
			c.Status, c.UpdateStatus = model.ProviderActive, model.ProviderCreateComplete
			return nil
		})
	})
}

func seedDefinition() *shape.RegisterTaskDefinitionInput {
	return &shape.RegisterTaskDefinitionInput{
		Family: p("f"), Cpu: p("256"), Memory: p("512"), NetworkMode: p("awsvpc"), RequiresCompatibilities: []string{"MANAGED_INSTANCES"},
		ExecutionRoleArn: p("exec"),
		ContainerDefinitions: []shape.ContainerDefinition{{
			Name: p("web"), Image: p("repo:latest"), PortMappings: []shape.PortMapping{{ContainerPort: p[int64](80)}},
			LogConfiguration: &shape.LogConfiguration{
				LogDriver: p("awslogs"), Options: map[string]string{"awslogs-group": "g", "awslogs-region": "r", "awslogs-stream-prefix": "p"},
			},
		}},
	}
}

func (h *fixture) define() {
	h.t.Helper()
	_, err := h.api.RegisterTaskDefinition(h.ctx, seedDefinition())
	must(h, 0, err)
}

func seedService() *shape.CreateServiceInput {
	return &shape.CreateServiceInput{
		Cluster: p("c"), ServiceName: p("s"), TaskDefinition: p("f"), DesiredCount: p[int64](1),
		DeploymentController: &shape.DeploymentController{Type: p("ECS")},
		LoadBalancers: []shape.LoadBalancer{{
			TargetGroupArn: p("tg/blue"), ContainerName: p("web"), ContainerPort: p[int64](80),
			AdvancedConfiguration: &shape.AdvancedConfiguration{
				AlternateTargetGroupArn: p("tg/green"), ProductionListenerRule: p(rule("prod")), TestListenerRule: p(rule("test")),
				RoleArn: p("arn:aws:iam::000000000000:role/lb"),
			},
		}},
		NetworkConfiguration: &shape.NetworkConfiguration{
			AwsvpcConfiguration: &shape.AwsVpcConfiguration{Subnets: []string{"subnet-1"}, SecurityGroups: []string{"sg-1"}},
		},
		DeploymentConfiguration: &shape.DeploymentConfiguration{Strategy: p("BLUE_GREEN"), LifecycleHooks: []shape.DeploymentLifecycleHook{{
			HookTargetArn: p("arn:aws:lambda:ap-northeast-1:000000000000:function:hook"), RoleArn: p("arn:aws:iam::000000000000:role/hook"),
			LifecycleStages: []string{"POST_TEST_TRAFFIC_SHIFT"},
		}}},
	}
}
