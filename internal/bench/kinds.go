package main

import (
	"context"
	"encoding/base64"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"berth/internal/example"
	"berth/internal/model/catalog"
	"berth/internal/wire"
	"berth/internal/wire/shape/ecs"
)

// kind is a way to run tasks: what of the example's template it changes, and
// how it asks for a task.
type kind struct {
	name    string
	changes []string // pairs: from, to
	launch  string
}

// hostType is the type of the instances of one's own.
const hostType = "t3.medium"

// allKinds are the three ways; the last one has instances of its own.
func allKinds() []kind {
	const definition, service = "[MANAGED_INSTANCES]", "      TaskDefinition: !Ref Page\n"
	return []kind{
		{name: "Managed Instances"},
		{name: "Fargate", launch: "FARGATE", changes: []string{
			definition, "[FARGATE]", service, service + "      LaunchType: FARGATE\n",
		}},
		{name: "EC2 instances of one's own", launch: "EC2", changes: []string{
			definition, "[EC2]", service, service + "      LaunchType: EC2\n",
			":iam::aws:policy/AmazonECSInstanceRolePolicyForManagedInstances", ":iam::aws:policy/service-role/AmazonEC2ContainerServiceforEC2Role",
			"DependsOn: [ProductionRule, TestRule,", "DependsOn: [Group, ProductionRule, TestRule,",
			"  Page:\n    Type: AWS::ECS::TaskDefinition\n", hosts + "  Page:\n    Type: AWS::ECS::TaskDefinition\n",
		}},
	}
}

// hosts are what instances of one's own need in the template.
const hosts = `  Hosts:
    Type: AWS::EC2::LaunchTemplate
    Properties:
      LaunchTemplateData:
        ImageId: "{{resolve:ssm:/aws/service/ecs/optimized-ami/amazon-linux-2023/recommended/image_id}}"
        InstanceType: ` + hostType + `
        IamInstanceProfile: {Arn: !GetAtt InstanceProfile.Arn}
        SecurityGroupIds: [!Ref TaskGroup]
        UserData: {"Fn::Base64": !Sub "#!/bin/bash\necho ECS_CLUSTER=${Cluster} >> /etc/ecs/ecs.config\n"}
  Group:
    Type: AWS::AutoScaling::AutoScalingGroup
    Properties:
      LaunchTemplate: {LaunchTemplateId: !Ref Hosts, Version: !GetAtt Hosts.LatestVersionNumber}
      VPCZoneIdentifier: [!Ref PrivateA, !Ref PrivateB]
      MinSize: "1"
      MaxSize: "2"
      DesiredCapacity: "1"
`

// kinds compares the three ways to run the same: the example's template with
// its launch type changed and nothing else, and the start of a task.
func kinds(ctx context.Context, b *bench) error {
	for _, k := range allKinds() {
		for i := range min(3, b.rounds) {
			if err := b.deployKind(ctx, k, i); err != nil {
				return fmt.Errorf("%s: %w", k.name, err)
			}
		}
	}
	return b.onCluster(ctx, (*cluster).startsOfKinds, (*cluster).manyOfFargate)
}

// deployKind deploys the example in one way, and says what it takes.
func (b *bench) deployKind(ctx context.Context, k kind, round int) error {
	text := example.Template
	for i := 0; i < len(k.changes); i += 2 {
		if !strings.Contains(text, k.changes[i]) {
			return fmt.Errorf("the template has no %q any more", k.changes[i])
		}
		text = strings.ReplaceAll(text, k.changes[i], k.changes[i+1])
	}
	file := filepath.Join(b.dir, "kind.yaml")
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		return err
	}
	l, err := b.server(ctx, fmt.Sprintf("kind-%s-%d", strings.Fields(k.name)[0], round), "1")
	if err != nil {
		return err
	}
	defer func() { _ = l.stop() }()
	_, production, _, err := l.deploy(ctx, stackCase{
		name: k.name, args: []string{file, "--stack", "hello", "--image", example.Image + "=" + b.page}, production: 80, test: 8080,
	})
	if err != nil {
		return err
	}
	return l.weigh(ctx, k, production)
}

// weigh adds what a deployed stack takes of this machine, and would cost.
func (l *lab) weigh(ctx context.Context, k kind, production float64) error {
	g, ok := l.slice()
	if !ok {
		return fmt.Errorf("there is no instance")
	}
	cpu := ms(used(g))
	s, err := g.Stats()
	if err != nil {
		return err
	}
	types, err := l.types(ctx)
	if err != nil {
		return err
	}
	var price float64
	for _, name := range types {
		p, _ := catalog.PriceOf(region, name)
		if price += p.PerHour; k.launch == "" {
			price += p.Fee
		}
	}
	if k.launch == "FARGATE" { // two tasks of the template's size
		price = 2 * catalog.FargatePrice(region, 256, 512)
	}
	work, t := "the example on "+k.name+" "+strings.Join(types, " "), l.b.table
	t.add(work, "first page on the production port, --speed 1", "seconds", []float64{production}, nil)
	t.add(work, "container instances", "", []float64{float64(len(types))}, nil)
	t.add(work, "instances, slices and tasks until then", "CPU ms", []float64{cpu}, nil)
	t.add(work, "instances, slices and tasks", "MiB", []float64{float64(s.MemoryBytes) / (1 << 20)}, nil)
	t.add(work, "price by the data, "+region, "US cents an hour", []float64{100 * price}, nil)
	return nil
}

// types are those of the container instances.
func (l *lab) types(ctx context.Context) ([]string, error) {
	out, err := l.ecs().ListContainerInstances(ctx, &ecs.ListContainerInstancesInput{Cluster: hello})
	if err != nil || len(out.ContainerInstanceArns) == 0 {
		return nil, err
	}
	all, err := l.ecs().DescribeContainerInstances(ctx, &ecs.DescribeContainerInstancesInput{
		Cluster: hello, ContainerInstances: out.ContainerInstanceArns,
	})
	if err != nil {
		return nil, err
	}
	var names []string
	for _, c := range all.ContainerInstances {
		for _, a := range c.Attributes {
			if wire.Val(a.Name) == "ecs.instance-type" {
				names = append(names, wire.Val(a.Value))
			}
		}
	}
	return names, nil
}

// define registers the probe for a launch type.
func (c *cluster) define(family, mode, launch string) error {
	image := "000000000000.dkr.ecr." + region + ".amazonaws.com/probe:latest"
	_, err := c.ecs().RegisterTaskDefinition(context.Background(), &ecs.RegisterTaskDefinitionInput{
		Family: &family, NetworkMode: &mode, Cpu: wire.Ptr("256"), Memory: wire.Ptr("512"),
		RequiresCompatibilities: []string{launch}, ExecutionRoleArn: wire.Ptr(c.role("ExecutionRole")),
		ContainerDefinitions: []ecs.ContainerDefinition{{Name: wire.Ptr("probe"), Image: &image, Command: []string{"wait"}}},
	})
	return err
}

// host adds an instance of one's own to the cluster, and waits for it.
func (c *cluster) host(ctx context.Context) error {
	id, ok := catalog.Public(region, "/aws/service/ecs/optimized-ami/amazon-linux-2023/recommended/image_id")
	if !ok {
		return fmt.Errorf("there is no image")
	}
	policy := "arn:aws:iam::aws:policy/service-role/AmazonEC2ContainerServiceforEC2Role"
	if err := c.query(nil, "2010-05-08", "AttachRolePolicy", "RoleName", c.resource("InstanceRole"), "PolicyArn", policy); err != nil {
		return err
	}
	before, err := c.types(ctx)
	if err != nil {
		return err
	}
	if err := c.query(
		nil, "2016-11-15", "RunInstances", "ImageId", id, "InstanceType", hostType, "MinCount", "1", "MaxCount", "1",
		"SubnetId", c.subnets[0], "SecurityGroupId.1", c.group, "IamInstanceProfile.Name", c.resource("InstanceProfile"),
		"UserData", base64.StdEncoding.EncodeToString([]byte("#!/bin/sh\necho ECS_CLUSTER=hello >> /etc/ecs/ecs.config\n")),
	); err != nil {
		return err
	}
	return until(ctx, 3*time.Minute, 50*time.Millisecond, "an instance of one's own has joined", func() (bool, error) {
		now, err := c.types(ctx)
		return len(now) > len(before), err
	})
}

// startsOfKinds is the time from RunTask to RUNNING, by the control plane's own
// times, of one task after the other.
func (c *cluster) startsOfKinds(ctx context.Context) error {
	if err := c.host(ctx); err != nil {
		return err
	}
	ways := []struct {
		who, family string
		in          ecs.RunTaskInput
		took        []float64
	}{
		{who: "on a running managed instance", family: "wait", in: ecs.RunTaskInput{NetworkConfiguration: c.network()}},
		{who: "on Fargate, with its slice", family: "wait-fargate", in: ecs.RunTaskInput{
			NetworkConfiguration: c.network(), LaunchType: wire.Ptr("FARGATE"),
		}},
		{who: "on an EC2 instance, awsvpc", family: "wait-ec2", in: ecs.RunTaskInput{
			NetworkConfiguration: c.network(), LaunchType: wire.Ptr("EC2"),
		}},
		{who: "on an EC2 instance, bridge", family: "wait-bridge", in: ecs.RunTaskInput{LaunchType: wire.Ptr("EC2")}},
	}
	for family, mode := range map[string][2]string{
		"wait-fargate": {"awsvpc", "FARGATE"}, "wait-ec2": {"awsvpc", "EC2"}, "wait-bridge": {"bridge", "EC2"},
	} {
		if err := c.define(family, mode[0], mode[1]); err != nil {
			return err
		}
	}
	var bare []float64
	for range c.b.rounds {
		for i := range ways {
			w := &ways[i]
			w.in.TaskDefinition = &w.family
			arns, err := c.runAs(&w.in, 1)
			if err != nil {
				return err
			}
			if err := c.reach(ctx, arns, 5*time.Millisecond, "RUNNING"); err != nil {
				return err
			}
			all, err := c.describe(arns)
			if err != nil {
				return err
			}
			w.took = append(w.took, ms(wire.Val(all[0].StartedAt).Sub(wire.Val(all[0].CreatedAt))))
			if i == 0 {
				if bare, err = c.bareTimes(bare, arns[0]); err != nil {
					return err
				}
			}
			if err := c.stopTasks(ctx, arns); err != nil {
				return err
			}
		}
	}
	const work = "start of a task, RunTask to RUNNING"
	t := c.b.table
	t.add(work, "runc run, bare, to its end", "ms", bare, nil)
	managed := t.add(work, ways[0].who, "ms", ways[0].took, nil)
	t.add(work, ways[1].who, "ms", ways[1].took, atMost(1.5*managed, "≤ 1.5 × managed = %.0f", 1.5*managed))
	for _, w := range ways[2:] {
		t.add(work, w.who, "ms", w.took, nil)
	}
	return nil
}

// bareTimes adds the wall time of the bare runtime on a task's bundle.
func (c *cluster) bareTimes(times []float64, arn string) ([]float64, error) {
	bare, err := c.bareBundle(arn[strings.LastIndexByte(arn, '/')+1:])
	if err != nil {
		return nil, err
	}
	_, wall, err := bare()
	return append(times, wall), err
}

// manyOfFargate runs a hundred tasks of Fargate at once, each in its slice.
func (c *cluster) manyOfFargate(ctx context.Context) error {
	b, err := c.burstAs(ctx, &ecs.RunTaskInput{
		TaskDefinition: wire.Ptr("wait-fargate"), NetworkConfiguration: c.network(), LaunchType: wire.Ptr("FARGATE"),
	})
	if err != nil {
		return err
	}
	const work = "100 tasks of Fargate at once, each with its slice and address"
	c.b.table.add(work, "berth", "seconds", []float64{b.seconds}, nil)
	c.b.table.add(work, "berth", "CPU ms per task, whole system", []float64{b.cpu}, nil)
	c.b.table.add(work, "server, edge, slices, agents, shims", "CPU ms per task", []float64{b.ours}, nil)
	return nil
}
