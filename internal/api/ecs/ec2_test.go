package ecs_test

import (
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"

	"berth/internal/model"
	"berth/internal/state"
	"berth/internal/store"
	shape "berth/internal/wire/shape/ecs"
)

// bridged is a definition for instances of the user's own.
func bridged() *shape.RegisterTaskDefinitionInput {
	return &shape.RegisterTaskDefinitionInput{
		Family: p("b"), ContainerDefinitions: []shape.ContainerDefinition{
			{
				Name: p("web"), Image: p("nginx"), Cpu: p[int64](100), Memory: p[int64](300), MemoryReservation: p[int64](200),
				PortMappings: []shape.PortMapping{{ContainerPort: p[int64](80)}}, Links: []string{"db:store"}, DisableNetworking: p(false),
			},
			{Name: p("db"), Image: p("redis"), Memory: p[int64](100), Essential: p(false)},
		},
	}
}

// Proves: E101, E102, E104
func TestADefinitionWithoutRequirementsIsEC2s(t *testing.T) {
	h := newFixture(t)
	out, err := h.api.RegisterTaskDefinition(h.ctx, bridged())
	d := must(h, out, err).TaskDefinition
	web := d.ContainerDefinitions[0]
	port := *web.PortMappings[0].HostPort
	got := fmt.Sprintln(*d.NetworkMode, d.Compatibilities, d.RequiresCompatibilities, d.Cpu, d.Memory, port, web.Links)
	if want := "bridge [EXTERNAL EC2] [] <nil> <nil> 0 [db:store]\n"; got != want {
		t.Errorf("%s, want %s", got, want)
	}
	stored, _ := state.TaskDefinitions.Get(h.db.View(), *d.TaskDefinitionArn)
	if stored.MemoryMiB() != 300 || stored.CPUUnits() != 100 {
		t.Errorf("it takes %d MiB and %d units", stored.MemoryMiB(), stored.CPUUnits())
	}
	again := *bridged()
	again.NetworkMode, again.ContainerDefinitions = d.NetworkMode, d.ContainerDefinitions
	if _, err := h.api.RegisterTaskDefinition(h.ctx, &again); err != nil {
		t.Errorf("what was described cannot be registered: %s", err)
	}
}

// Proves: E102, E103, E104
func TestEC2DefinitionIsChecked(t *testing.T) {
	type in = *shape.RegisterTaskDefinitionInput
	for _, c := range []struct {
		name, code, part string
		change           func(in)
	}{
		{"memory", "ClientException",
			"Invalid setting for container 'web'. At least one of 'memory' or 'memoryReservation' must be specified.", func(i in) {
				i.ContainerDefinitions[0].Memory, i.ContainerDefinitions[0].MemoryReservation = nil, nil
			}},
		{"reservation", "ClientException", "must be greater than 'memoryReservation'", func(i in) {
			i.ContainerDefinitions[0].MemoryReservation = p[int64](400)
		}},
		{"host", "ClientException", "When networkMode=host, the host ports and container ports in port mappings must match.", func(i in) {
			i.NetworkMode, i.ContainerDefinitions[0].Links = p("host"), nil
			i.ContainerDefinitions[0].PortMappings[0].HostPort = p[int64](8080)
		}},
		{"none", "ClientException", "Port mappings are not supported", func(i in) {
			i.NetworkMode, i.ContainerDefinitions[0].Links = p("none"), nil
		}},
		{"host port", "ClientException", "The host port 65536", func(i in) {
			i.ContainerDefinitions[0].PortMappings[0].HostPort = p[int64](65536)
		}},
		{"links elsewhere", "ClientException", "networkMode=bridge", func(i in) {
			i.NetworkMode, i.ContainerDefinitions[0].PortMappings = p("awsvpc"), nil
		}},
		{"link to nobody", "ClientException", "The linked container 'x' does not exist.", func(i in) {
			i.ContainerDefinitions[0].Links = []string{"x"}
		}},
		{"circle", "ClientException", "Container links should not have a cycle", func(i in) {
			i.ContainerDefinitions[1].Links = []string{"web"}
		}},
		{"driver", "NotImplemented", "Log driver syslog", func(i in) {
			i.ContainerDefinitions[0].LogConfiguration = &shape.LogConfiguration{LogDriver: p("syslog")}
		}},
		{"hostname", "NotImplemented", "hostname", func(i in) { i.ContainerDefinitions[0].Hostname = p("h") }},
		{"volume", "ClientException", "Invalid host path", func(i in) {
			i.Volumes = []shape.Volume{{Name: p("v"), Host: &shape.HostVolumeProperties{SourcePath: p("relative")}}}
		}},
		{"managed", "ClientException", "Managed Instances only supports network modes 'awsvpc' and 'host'.", func(i in) {
			i.NetworkMode, i.RequiresCompatibilities, i.ContainerDefinitions[0].Links = p("bridge"), []string{"MANAGED_INSTANCES"}, nil
		}},
		{"managed attribute", "InvalidParameterException", "attribute:rack is not supported on Managed Instances", func(i in) {
			i.RequiresCompatibilities, i.ContainerDefinitions[0].Links = []string{"MANAGED_INSTANCES"}, nil
			i.PlacementConstraints = []shape.TaskDefinitionPlacementConstraint{{Type: p("memberOf"), Expression: p("attribute:rack == a")}}
		}},
		{"external", "NotImplemented", "EXTERNAL", func(i in) { i.RequiresCompatibilities = []string{"EXTERNAL"} }},
	} {
		t.Run(c.name, func(t *testing.T) {
			h := newFixture(t)
			i := bridged()
			c.change(i)
			_, err := h.api.RegisterTaskDefinition(h.ctx, i)
			h.refused(err, c.code, c.part)
		})
	}
}

// own makes a cluster with instances of the user's own of so many MiB, and a
// definition.
func (h *fixture) own(memory ...int64) {
	h.t.Helper()
	h.cluster()
	_, err := h.api.RegisterTaskDefinition(h.ctx, bridged())
	must(h, 0, err)
	for n, m := range memory {
		id := fmt.Sprintf("i-%d", n)
		h.write("api/ec2", func(tx *store.Tx) error {
			return state.Instances.Put(tx, model.Instance{ID: id, Kind: model.KindEC2, Goal: model.GoalRun, State: model.InstancePending})
		})
		h.write("dispatch", func(tx *store.Tx) error {
			return state.Instances.Edit(tx, id, func(i *model.Instance) error {
				i.ARN, i.Cluster, i.Status, i.Connected = place.ARN("ecs", "container-instance/c/"+id), "c", model.ContainerInstanceActive, true
				i.Registered = model.Resources{CPU: 1024, Memory: m}
				return nil
			})
		})
	}
}

// Proves: E105, E118
func TestRunTaskOnEC2AnswersAtOnce(t *testing.T) {
	h := newFixture(t)
	h.own()
	run := &shape.RunTaskInput{Cluster: p("c"), TaskDefinition: p("b"), LaunchType: p("EC2"), Count: p[int64](4)}
	_, err := h.api.RunTask(h.ctx, run)
	h.refused(err, "InvalidParameterException", "No Container Instances were found in your cluster.")

	h = newFixture(t)
	h.own(650, 350)
	answer, err := h.api.RunTask(h.ctx, run)
	out := must(h, answer, err)
	if len(out.Tasks) != 3 || len(out.Failures) != 1 || *out.Failures[0].Reason != "RESOURCE:MEMORY" || out.Failures[0].Arn == nil {
		t.Errorf("%d tasks, failures %+v", len(out.Tasks), out.Failures)
	}
	for _, x := range out.Tasks {
		if *x.LaunchType != "EC2" || x.CapacityProviderName != nil || len(x.Containers[0].NetworkBindings) != 0 {
			t.Errorf("%+v", x)
		}
	}
	run.Count = nil
	answer, err = h.api.RunTask(h.ctx, run)
	if out = must(h, answer, err); len(out.Tasks) != 0 || len(out.Failures) != 1 {
		t.Errorf("the tasks that wait were not counted: %+v", out)
	}
}

// Proves: E107
func TestStartTaskNamesItsInstances(t *testing.T) {
	h := newFixture(t)
	h.own(350, 350)
	one := place.ARN("ecs", "container-instance/c/i-1")
	start := &shape.StartTaskInput{Cluster: p("c"), TaskDefinition: p("b"), ContainerInstances: []string{one, "lost", one}, StartedBy: p("me")}
	answer, err := h.api.StartTask(h.ctx, start)
	out := must(h, answer, err)
	var reasons []string
	for _, f := range out.Failures {
		reasons = append(reasons, *f.Reason)
	}
	if d := cmp.Diff([]string{"MISSING", "RESOURCE:MEMORY"}, reasons); d != "" || len(out.Tasks) != 1 {
		t.Fatalf("%d tasks, failures %s", len(out.Tasks), d)
	}
	if x, _ := state.Tasks.Get(h.db.View(), *out.Tasks[0].TaskArn); x.Host != one || x.LaunchType != "EC2" || x.StartedBy != "me" {
		t.Errorf("%+v", x)
	}
}

func ownService() *shape.CreateServiceInput {
	return &shape.CreateServiceInput{
		Cluster: p("c"), ServiceName: p("s"), TaskDefinition: p("b"), LaunchType: p("EC2"),
		PlacementStrategy: []shape.PlacementStrategy{
			{Type: p("spread"), Field: p("attribute:ecs.availability-zone")}, {Type: p("binpack"), Field: p("memory")},
		},
		PlacementConstraints: []shape.PlacementConstraint{{Type: p("memberOf"), Expression: p("attribute:rack == a")}},
	}
}

// Proves: E100, E106
func TestServiceOnEC2(t *testing.T) {
	h := newFixture(t)
	h.own()
	answer, err := h.api.CreateService(h.ctx, ownService())
	s := must(h, answer, err).Service
	if *s.LaunchType != "EC2" || len(s.PlacementStrategy) != 2 || *s.PlacementStrategy[1].Field != "memory" || s.PlatformVersion != nil {
		t.Errorf("%+v", s)
	}
	update, err := h.api.UpdateService(h.ctx, &shape.UpdateServiceInput{
		Cluster: p("c"), Service: p("s"), PlacementStrategy: []shape.PlacementStrategy{{Type: p("random")}},
	})
	if s := must(h, update, err).Service; len(s.PlacementStrategy) != 1 || len(s.Deployments) != 1 {
		t.Errorf("%+v", s)
	}
}

// Proves: E106
func TestServiceOnEC2IsChecked(t *testing.T) {
	type in = *shape.CreateServiceInput
	strategy := func(kind, field string) func(in) {
		return func(i in) { i.PlacementStrategy = []shape.PlacementStrategy{{Type: &kind, Field: &field}} }
	}
	for _, c := range []struct {
		name, part string
		change     func(in)
	}{
		{"type", "Invalid placement strategy type: even", strategy("even", "cpu")},
		{"field", "Invalid field \"disk\"", strategy("binpack", "disk")},
		{"spread", "Invalid field \"zone\"", strategy("spread", "zone")},
		{"random", "Invalid field \"cpu\"", strategy("random", "cpu")},
		{"many", "A maximum of 5", func(i in) { i.PlacementStrategy = make([]shape.PlacementStrategy, 6) }},
		{"platform", "The platform version must be null", func(i in) { i.PlatformVersion = p("1.4.0") }},
		{"network", "Network Configuration is not valid", func(i in) { i.NetworkConfiguration = seedService().NetworkConfiguration }},
		{"fargate", "does not support launch_type FARGATE", func(i in) { i.LaunchType = p("FARGATE") }},
		{"targets", "target type ip", func(i in) {
			i.LoadBalancers = []shape.LoadBalancer{{TargetGroupArn: p("tg/blue"), ContainerName: p("web"), ContainerPort: p[int64](80)}}
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			h := newFixture(t)
			h.own()
			i := ownService()
			c.change(i)
			_, err := h.api.CreateService(h.ctx, i)
			h.refused(err, "InvalidParameterException", c.part)
		})
	}
}

// Proves: E122
func TestDaemonService(t *testing.T) {
	h := newFixture(t)
	h.own(1024)
	daemon := func(change func(*shape.CreateServiceInput)) (*shape.CreateServiceOutput, error) {
		in := ownService()
		in.SchedulingStrategy, in.PlacementStrategy = p("DAEMON"), nil
		change(in)
		return h.api.CreateService(h.ctx, in)
	}
	for part, change := range map[string]func(*shape.CreateServiceInput){
		"does not support a desired count": func(i *shape.CreateServiceInput) { i.DesiredCount = p[int64](1) },
		"does not support placement strategies": func(i *shape.CreateServiceInput) {
			i.PlacementStrategy = []shape.PlacementStrategy{{Type: p("random")}}
		},
		"maximumPercent of 100": func(i *shape.CreateServiceInput) {
			i.DeploymentConfiguration = &shape.DeploymentConfiguration{MaximumPercent: p[int64](200)}
		},
	} {
		_, err := daemon(change)
		h.refused(err, "InvalidParameterException", part)
	}
	answer, err := daemon(func(*shape.CreateServiceInput) {})
	s := must(h, answer, err).Service
	c := s.DeploymentConfiguration
	if *s.SchedulingStrategy != "DAEMON" || *s.DesiredCount != 0 || *c.MinimumHealthyPercent != 0 || *c.MaximumPercent != 100 {
		t.Errorf("%+v", s)
	}
	_, err = h.api.UpdateService(h.ctx, &shape.UpdateServiceInput{Cluster: p("c"), Service: p("s"), DesiredCount: p[int64](2)})
	h.refused(err, "InvalidParameterException", "does not support a desired count")
}

// Proves: E123
func TestRoleOfAService(t *testing.T) {
	h := newFixture(t)
	h.own()
	h.define()
	h.write("api/elbv2", func(tx *store.Tx) error {
		g, _ := state.TargetGroups.Get(tx, "tg/blue")
		g.TargetType = "instance"
		return state.TargetGroups.Put(tx, g)
	})
	h.write("api/iam", func(tx *store.Tx) error {
		return state.Roles.Put(tx, model.Role{Name: "ecsServiceRole", ARN: place.GlobalARN("iam", "role/ecsServiceRole")})
	})
	create := func(role string, change func(*shape.CreateServiceInput)) (*shape.CreateServiceOutput, error) {
		in := ownService()
		in.Role = &role
		in.LoadBalancers = []shape.LoadBalancer{{TargetGroupArn: p("tg/blue"), ContainerName: p("web"), ContainerPort: p[int64](80)}}
		change(in)
		return h.api.CreateService(h.ctx, in)
	}
	_, err := create("ecsServiceRole", func(i *shape.CreateServiceInput) {
		i.TaskDefinition, i.NetworkConfiguration = p("f"), seedService().NetworkConfiguration
	})
	h.refused(err, "InvalidParameterException", "You cannot specify an IAM role for services that require a service linked role.")
	_, err = create("ecsServiceRole", func(i *shape.CreateServiceInput) { i.LoadBalancers = nil })
	h.refused(err, "InvalidParameterException", "only valid for services configured to use load balancers")
	_, err = create("lost", func(*shape.CreateServiceInput) {})
	h.refused(err, "InvalidParameterException", "Unable to assume role and validate the listeners configured on your load balancer.")
	answer, err := create("ecsServiceRole", func(*shape.CreateServiceInput) {})
	if s := must(h, answer, err).Service; *s.RoleArn != place.GlobalARN("iam", "role/ecsServiceRole") {
		t.Error(*s.RoleArn)
	}
}

// Proves: E125
func TestAttributesOfInstances(t *testing.T) {
	h := newFixture(t)
	h.own(1024)
	at := func(name, value string) []shape.Attribute {
		return []shape.Attribute{{Name: &name, Value: &value, TargetId: p("i-0"), TargetType: p("container-instance")}}
	}
	for _, value := range []string{"r1", "r2"} {
		_, err := h.api.PutAttributes(h.ctx, &shape.PutAttributesInput{Cluster: p("c"), Attributes: at("rack", value)})
		must(h, 0, err)
	}
	_, err := h.api.PutAttributes(h.ctx, &shape.PutAttributesInput{Cluster: p("c"), Attributes: at("ecs.instance-type", "x")})
	h.refused(err, "InvalidParameterException", "reserved")
	list := func() []shape.Attribute {
		out, err := h.api.ListAttributes(h.ctx, &shape.ListAttributesInput{
			Cluster: p("c"), TargetType: p("container-instance"), AttributeName: p("rack"),
		})
		return must(h, out, err).Attributes
	}
	if got := list(); len(got) != 1 || *got[0].Value != "r2" {
		t.Errorf("%+v", got)
	}
	out, err := h.api.ListContainerInstances(h.ctx, &shape.ListContainerInstancesInput{Cluster: p("c"), Filter: p("attribute:rack == r2")})
	if len(must(h, out, err).ContainerInstanceArns) != 1 {
		t.Error("the filter does not find it")
	}
	_, err = h.api.DeleteAttributes(h.ctx, &shape.DeleteAttributesInput{Cluster: p("c"), Attributes: at("rack", "")})
	if must(h, 0, err); len(list()) != 0 {
		t.Errorf("%+v", list())
	}
}

// Proves: E126
func TestDeregisteringLeavesTheInstance(t *testing.T) {
	h := newFixture(t)
	h.own(1024)
	answer, err := h.api.RunTask(h.ctx, &shape.RunTaskInput{Cluster: p("c"), TaskDefinition: p("b")})
	arn := *must(h, answer, err).Tasks[0].TaskArn
	h.write("controllers/task", func(tx *store.Tx) error {
		return state.Tasks.Edit(tx, arn, func(t *model.Task) error { t.Instance = place.ARN("ecs", "container-instance/c/i-0"); return nil })
	})
	show, err := h.api.DescribeTasks(h.ctx, &shape.DescribeTasksInput{Cluster: p("c"), Tasks: []string{arn}})
	if x := must(h, show, err).Tasks[0]; *x.LaunchType != "EC2" || x.CapacityProviderName != nil {
		t.Errorf("%+v", x)
	}
	in := &shape.DeregisterContainerInstanceInput{Cluster: p("c"), ContainerInstance: p("i-0")}
	_, err = h.api.DeregisterContainerInstance(h.ctx, in)
	h.refused(err, "InvalidParameterException", "Found running tasks on the instance.")
	in.Force = p(true)
	out, err := h.api.DeregisterContainerInstance(h.ctx, in)
	if i := must(h, out, err).ContainerInstance; *i.Status != "INACTIVE" || i.CapacityProviderName != nil {
		t.Errorf("%+v", i)
	}
	i, _ := state.Instances.Get(h.db.View(), "i-0")
	x, _ := state.Tasks.Get(h.db.View(), arn)
	why := "Container instance deregistration forced by user"
	if i.Goal != model.GoalRun || x.DesiredStatus != model.TaskStopped || x.StoppedReason != why {
		t.Errorf("goal %s, task %+v", i.Goal, x)
	}
}
