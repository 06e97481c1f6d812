package ecs_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	shape "berth/internal/wire/shape/ecs"
)

// fargateDefinition is one that Fargate runs.
func fargateDefinition() *shape.RegisterTaskDefinitionInput {
	return &shape.RegisterTaskDefinitionInput{
		Family: p("f"), Cpu: p("256"), Memory: p("512"), NetworkMode: p("awsvpc"), RequiresCompatibilities: []string{"FARGATE"},
		ExecutionRoleArn: p("arn:aws:iam::000000000000:role/exec"), EphemeralStorage: &shape.EphemeralStorage{SizeInGiB: p[int64](21)},
		ContainerDefinitions: []shape.ContainerDefinition{{
			Name: p("web"), Image: p("000000000000.dkr.ecr.ap-northeast-1.amazonaws.com/web:1"),
			LogConfiguration: &shape.LogConfiguration{
				LogDriver: p("awslogs"), Options: map[string]string{"awslogs-group": "g", "awslogs-region": "ap-northeast-1"},
			},
		}},
	}
}

// Proves: FG2, FG3, FG4, FG5, FG6
func TestFargateDefinitionIsChecked(t *testing.T) {
	type in = *shape.RegisterTaskDefinitionInput
	linux := func(l shape.LinuxParameters) func(in) {
		return func(i in) { i.ContainerDefinitions[0].LinuxParameters = &l }
	}
	storage := func(gib int64) func(in) {
		return func(i in) { i.EphemeralStorage = &shape.EphemeralStorage{SizeInGiB: &gib} }
	}
	const unknown = "Fargate compatible task definitions do not support "
	for _, c := range []struct {
		name, code, part string
		change           func(in)
	}{
		{"size", "ClientException", "No Fargate configuration exists for given values: 256 CPU, 4096 memory", func(i in) {
			i.Memory = p("4096")
		}},
		{"no cpu", "ClientException", "Fargate requires that 'cpu' be defined at the task level.", func(i in) { i.Cpu = nil }},
		{"no memory", "ClientException", "Fargate requires that 'memory' be defined at the task level.", func(i in) { i.Memory = nil }},
		{"no mode", "ClientException", "Fargate only supports network mode ‘awsvpc’.", func(i in) { i.NetworkMode = nil }},
		{"bridge", "ClientException", "Fargate only supports network mode ‘awsvpc’.", func(i in) { i.NetworkMode = p("bridge") }},
		{"ipc", "ClientException", "do not support ipcMode.", func(i in) { i.IpcMode = p("host") }},
		{"pid", "ClientException", "do not support pidMode 'host'", func(i in) { i.PidMode = p("host") }},
		{"devices", "ClientException", unknown + "devices", linux(shape.LinuxParameters{Devices: []shape.Device{{HostPath: p("/dev/fuse")}}})},
		{"shared memory", "ClientException", unknown + "sharedMemorySize", linux(shape.LinuxParameters{SharedMemorySize: p[int64](64)})},
		{"swap", "ClientException", unknown + "maxSwap", linux(shape.LinuxParameters{MaxSwap: p[int64](1)})},
		{"swappiness", "ClientException", unknown + "swappiness", linux(shape.LinuxParameters{Swappiness: p[int64](1)})},
		{"capability", "ClientException", "NET_ADMIN is not allowed on Fargate.", linux(shape.LinuxParameters{
			Capabilities: &shape.KernelCapabilities{Add: []string{"NET_ADMIN"}},
		})},
		{"links", "ClientException", unknown + "links", func(i in) { i.ContainerDefinitions[0].Links = []string{"b"} }},
		{"hosts", "ClientException", unknown + "extraHosts", func(i in) {
			i.ContainerDefinitions[0].ExtraHosts = []shape.HostEntry{{Hostname: p("h"), IpAddress: p("10.0.0.1")}}
		}},
		{"gpu", "ClientException", unknown + "gpu", func(i in) {
			i.ContainerDefinitions[0].ResourceRequirements = []shape.ResourceRequirement{{Type: p("GPU"), Value: p("1")}}
		}},
		{"constraints", "ClientException", unknown + "constraints", func(i in) {
			i.PlacementConstraints = []shape.TaskDefinitionPlacementConstraint{{Type: p("memberOf"), Expression: p("x == y")}}
		}},
		{"host path", "ClientException", unknown + "sourcePath", func(i in) {
			i.Volumes = []shape.Volume{{Name: p("v"), Host: &shape.HostVolumeProperties{SourcePath: p("/var/x")}}}
		}},
		{"privileged", "ClientException", "'privileged' setting be 'false'", func(i in) { i.ContainerDefinitions[0].Privileged = p(true) }},
		{"logs", "ClientException", "execution role ARN to support log driver awslogs", func(i in) { i.ExecutionRoleArn = nil }},
		{"image", "ClientException", "execution role ARN to support ECR images", func(i in) {
			i.ExecutionRoleArn, i.ContainerDefinitions[0].LogConfiguration = nil, nil
		}},
		{"driver", "ClientException", "Log driver json-file disallowed for 'FARGATE'.", func(i in) {
			i.ContainerDefinitions[0].LogConfiguration.LogDriver = p("json-file")
		}},
		{"little storage", "ClientException", "between 21 and 200 GiB", storage(20)},
		{"much storage", "ClientException", "between 21 and 200 GiB", storage(201)},
		{"stop timeout", "ClientException", "120 seconds on Fargate", func(i in) { i.ContainerDefinitions[0].StopTimeout = p[int64](121) }},
		{"windows", "NotImplemented", "WINDOWS_SERVER_2022_CORE", func(i in) {
			i.RuntimePlatform = &shape.RuntimePlatform{OperatingSystemFamily: p("WINDOWS_SERVER_2022_CORE")}
		}},
		{"storage of managed instances", "ClientException", "'ephemeralStorage' is not supported for Managed Instances", func(i in) {
			i.RequiresCompatibilities = []string{"FARGATE", "MANAGED_INSTANCES"}
		}},
		{"devices elsewhere", "NotImplemented", "containerDefinitions.linuxParameters.devices", func(i in) {
			i.RequiresCompatibilities, i.EphemeralStorage = nil, nil
			linux(shape.LinuxParameters{Devices: []shape.Device{{HostPath: p("/dev/fuse")}}})(i)
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			h := newFixture(t)
			i := fargateDefinition()
			c.change(i)
			_, err := h.api.RegisterTaskDefinition(h.ctx, i)
			h.refused(err, c.code, c.part)
		})
	}
}

// Proves: FG7
func TestCompatibilities(t *testing.T) {
	type in = *shape.RegisterTaskDefinitionInput
	for _, c := range []struct {
		name   string
		want   []string
		change func(in)
	}{
		{"storage", []string{"EC2", "FARGATE"}, func(in) {}},
		{"all", []string{"EC2", "FARGATE", "MANAGED_INSTANCES"}, func(i in) { i.EphemeralStorage = nil }},
		{"no size", []string{"EC2", "MANAGED_INSTANCES"}, func(i in) {
			i.Cpu, i.EphemeralStorage, i.RequiresCompatibilities = p("300"), nil, []string{"MANAGED_INSTANCES"}
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			h := newFixture(t)
			i := fargateDefinition()
			c.change(i)
			out, err := h.api.RegisterTaskDefinition(h.ctx, i)
			d := must(h, out, err).TaskDefinition
			if diff := cmp.Diff(c.want, d.Compatibilities); diff != "" {
				t.Error(diff)
			}
			if diff := cmp.Diff(i.EphemeralStorage, d.EphemeralStorage); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// A task for another CPU architecture than the machine's is refused when it is
// asked for, since no slice can run it.
func TestFargateRefusesAForeignArchitecture(t *testing.T) {
	h := newFixture(t)
	h.api.Architectures = []string{"x86_64"}
	for family, arch := range map[string]*string{"own": p("X86_64"), "foreign": p("ARM64"), "any": nil} {
		i := fargateDefinition()
		if i.Family = &family; arch != nil {
			i.RuntimePlatform = &shape.RuntimePlatform{CpuArchitecture: arch}
		}
		out, err := h.api.RegisterTaskDefinition(h.ctx, i)
		must(h, out, err)
	}
	cluster, err := h.api.CreateCluster(h.ctx, &shape.CreateClusterInput{ClusterName: p("slices")})
	must(h, cluster, err)
	network := &shape.NetworkConfiguration{AwsvpcConfiguration: &shape.AwsVpcConfiguration{Subnets: []string{"subnet-1"}}}
	run := func(family string) error {
		_, err := h.api.RunTask(h.ctx, &shape.RunTaskInput{
			Cluster: p("slices"), TaskDefinition: &family, LaunchType: p("FARGATE"), NetworkConfiguration: network,
		})
		return err
	}
	create := func(family string) error {
		_, err := h.api.CreateService(h.ctx, &shape.CreateServiceInput{
			Cluster: p("slices"), ServiceName: &family, TaskDefinition: &family, LaunchType: p("FARGATE"), NetworkConfiguration: network,
		})
		return err
	}
	for _, call := range []func(string) error{run, create} {
		for _, family := range []string{"own", "any"} {
			if err := call(family); err != nil {
				t.Errorf("%s: %v", family, err)
			}
		}
		h.refused(call("foreign"), "NotImplemented", "architecture ARM64 cannot run here: this machine runs X86_64")
	}
	_, err = h.api.UpdateService(h.ctx, &shape.UpdateServiceInput{Cluster: p("slices"), Service: p("own"), TaskDefinition: p("foreign")})
	h.refused(err, "NotImplemented", "ARM64")
}
