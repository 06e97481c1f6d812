package ecs_test

import (
	"testing"

	"berth/internal/model"
	"berth/internal/state"
	"berth/internal/store"
	shape "berth/internal/wire/shape/ecs"
)

// grouped makes a capacity provider hosts of an Auto Scaling group hosts.
func (h *fixture) grouped() {
	h.t.Helper()
	h.write("api/autoscaling", func(tx *store.Tx) error {
		return state.AutoScalingGroups.Put(tx, model.AutoScalingGroup{
			Name: "hosts", ARN: "arn:aws:autoscaling:r:0:autoScalingGroup:x:autoScalingGroupName/hosts", NewProtected: true,
		})
	})
	_, err := h.api.CreateCapacityProvider(h.ctx, &shape.CreateCapacityProviderInput{
		Name: p("hosts"), AutoScalingGroupProvider: &shape.AutoScalingGroupProvider{
			AutoScalingGroupArn: p("arn:aws:autoscaling:r:0:autoScalingGroup:x:autoScalingGroupName/hosts"),
			ManagedScaling:      &shape.ManagedScaling{Status: p("ENABLED"), TargetCapacity: p(int64(80))},
		},
	})
	must(h, 0, err)
}

func (h *fixture) described(name string) shape.CapacityProvider {
	h.t.Helper()
	out, err := h.api.DescribeCapacityProviders(h.ctx, &shape.DescribeCapacityProvidersInput{CapacityProviders: []string{name}})
	return must(h, out, err).CapacityProviders[0]
}

// Proves: E300
func TestProviderOfAGroup(t *testing.T) {
	h := newFixture(t)
	h.grouped()
	g := h.described("hosts").AutoScalingGroupProvider
	if s := g.ManagedScaling; *s.TargetCapacity != 80 || *s.MinimumScalingStepSize != 1 || *s.MaximumScalingStepSize != 10000 ||
		*s.InstanceWarmupPeriod != 300 || *s.Status != "ENABLED" ||
		*g.ManagedDraining != "ENABLED" || *g.ManagedTerminationProtection != "DISABLED" {
		t.Errorf("%+v %+v", g, s)
	}
	_, err := h.api.UpdateCapacityProvider(h.ctx, &shape.UpdateCapacityProviderInput{
		Name: p("hosts"), AutoScalingGroupProvider: &shape.AutoScalingGroupProviderUpdate{
			ManagedTerminationProtection: p("ENABLED"), ManagedDraining: p("DISABLED"),
			ManagedScaling: &shape.ManagedScaling{MinimumScalingStepSize: p(int64(2))},
		},
	})
	must(h, 0, err)
	g = h.described("hosts").AutoScalingGroupProvider
	if s := g.ManagedScaling; *s.TargetCapacity != 80 || *s.MinimumScalingStepSize != 2 || *g.ManagedDraining != "DISABLED" ||
		*g.ManagedTerminationProtection != "ENABLED" {
		t.Errorf("after an update %+v %+v", g, s)
	}
}

// TestAGroupsProviderIsAClustersWhileItIsNamed: it comes and goes with the
// cluster's list, and with the cluster.
//
// Proves: E301
func TestAGroupsProviderIsAClustersWhileItIsNamed(t *testing.T) {
	h := newFixture(t)
	h.grouped()
	of := func(want string) {
		t.Helper()
		if p, _ := state.CapacityProviders.Get(h.db.View(), "hosts"); p.Cluster != want {
			t.Errorf("it is of cluster %q, want %q", p.Cluster, want)
		}
	}
	of("")
	strategy := []shape.CapacityProviderStrategyItem{{CapacityProvider: p("hosts"), Weight: p(int64(1))}}
	out, err := h.api.CreateCluster(h.ctx, &shape.CreateClusterInput{
		ClusterName: p("c"), CapacityProviders: []string{"hosts"}, DefaultCapacityProviderStrategy: strategy,
	})
	must(h, out, err)
	of("c")
	_, err = h.api.CreateCluster(h.ctx, &shape.CreateClusterInput{ClusterName: p("d"), CapacityProviders: []string{"hosts"}})
	h.refused(err, "NotImplemented", "in two clusters")
	_, err = h.api.DeleteCapacityProvider(h.ctx, &shape.DeleteCapacityProviderInput{CapacityProvider: p("hosts")})
	h.refused(err, "ClientException", "in use")
	h.define()
	bridge, err := h.api.RegisterTaskDefinition(h.ctx, &shape.RegisterTaskDefinitionInput{
		Family: p("b"), ContainerDefinitions: []shape.ContainerDefinition{{Name: p("web"), Image: p("x"), Memory: p(int64(64))}},
	})
	must(h, bridge, err)
	_, err = h.api.CreateService(h.ctx, &shape.CreateServiceInput{Cluster: p("c"), ServiceName: p("s"), TaskDefinition: p("f"),
		CapacityProviderStrategy: []shape.CapacityProviderStrategyItem{{CapacityProvider: p("hosts")}, {CapacityProvider: p("FARGATE")}}})
	h.refused(err, "InvalidParameterException", "not associated with the cluster")
	// A task of such a strategy waits, where one of launch type EC2 is refused at once.
	run, err := h.api.RunTask(h.ctx, &shape.RunTaskInput{Cluster: p("c"), TaskDefinition: p("b")})
	must(h, run, err)
	if got := run.Tasks[0]; *got.LaunchType != "EC2" || *got.CapacityProviderName != "hosts" || *got.LastStatus != "PROVISIONING" {
		t.Errorf("%s of %s is %s", *got.LaunchType, *got.CapacityProviderName, *got.LastStatus)
	}
	_, err = h.api.PutClusterCapacityProviders(h.ctx, &shape.PutClusterCapacityProvidersInput{Cluster: p("c")})
	must(h, 0, err)
	of("")
	_, err = h.api.PutClusterCapacityProviders(h.ctx, &shape.PutClusterCapacityProvidersInput{
		Cluster: p("c"), CapacityProviders: []string{"hosts"}, DefaultCapacityProviderStrategy: strategy,
	})
	must(h, 0, err)
	of("c")
}
