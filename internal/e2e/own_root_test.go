//go:build root

package e2e_test

import (
	"bytes"
	"encoding/base64"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"
)

// own is the example on EC2 instances of the user's own: its template without its
// service, which tests make on instances of an Auto Scaling group.
var own = []struct{ from, to string }{
	{"RequiresCompatibilities: [MANAGED_INSTANCES]", "RequiresCompatibilities: [EC2]"},
	{"      NetworkMode: awsvpc\n", "      NetworkMode: bridge\n"},
	{"TargetType: ip", "TargetType: instance"},
	{"- {IpProtocol: tcp, FromPort: 80, ToPort: 80, SourceSecurityGroupId: !Ref BalancerGroup}",
		"- {IpProtocol: tcp, FromPort: 80, ToPort: 65535, SourceSecurityGroupId: !Ref BalancerGroup}"},
	{":iam::aws:policy/AmazonECSInstanceRolePolicyForManagedInstances", ":iam::aws:policy/service-role/AmazonEC2ContainerServiceforEC2Role"},
	{"    Properties: {ClusterName: !Ref Name}", `    Metadata:
      AWS::CloudFormation::Init:
        config:
          packages: {yum: {aws-cfn-bootstrap: []}}
          files: {/etc/motd: {content: "made by cfn-init\n"}}
          commands: {01_join: {command: "echo ECS_CLUSTER=hello >> /etc/ecs/ecs.config"}}
          services: {sysvinit: {ecs: {enabled: true, ensureRunning: true}}}
    Properties: {ClusterName: !Ref Name}`},
	{"  LogsEndpoint:\n", `  CloudFormationEndpoint:
    Type: AWS::EC2::VPCEndpoint
    Properties:
      VpcId: !Ref Vpc
      VpcEndpointType: Interface
      PrivateDnsEnabled: true
      ServiceName: !Sub com.amazonaws.${AWS::Region}.cloudformation
      SubnetIds: [!Ref PrivateA, !Ref PrivateB]
      SecurityGroupIds: [!Ref EndpointGroup]
  LogsEndpoint:
`},
	{"Outputs:\n", `Outputs:
  Targets:
    Value: !Ref Blue
  Subnets:
    Value: !Sub "${PrivateA},${PrivateB}"
  Group:
    Value: !Ref TaskGroup
  Definition:
    Value: !Ref Page
`},
}

// joins is user data as templates have them.
const joins = `#!/bin/bash -xe
yum install -y aws-cfn-bootstrap
/opt/aws/bin/cfn-init -v --stack hello --resource Cluster --region us-east-1
cat /etc/motd
ec2-metadata --instance-id
id -u > /data
echo 'ECS_INSTANCE_ATTRIBUTES={"purpose":"web"}' >> /etc/ecs/ecs.config
systemctl enable --now --no-block ecs
`

// ownStack makes the stack, and returns its outputs.
func ownStack(t *testing.T) (*hello, map[string]string) {
	t.Helper()
	h := &hello{berth: start(t)}
	text, err := os.ReadFile("../example/template.yaml")
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range own {
		if !bytes.Contains(text, []byte(c.from)) {
			t.Fatalf("the template has no %q any more", c.from)
		}
		text = bytes.ReplaceAll(text, []byte(c.from), []byte(c.to))
	}
	head, rest, ok := bytes.Cut(text, []byte("  Service:\n"))
	_, outputs, found := bytes.Cut(rest, []byte("Outputs:\n"))
	if !ok || !found {
		t.Fatal("the template has no service, or no outputs")
	}
	h.template = filepath.Join(t.TempDir(), "own.yaml")
	if err := os.WriteFile(h.template, append(append(head, "Outputs:\n"...), outputs...), 0o600); err != nil {
		t.Fatal(err)
	}
	h.run("up", h.template, "--stack", "hello", "--image", "hello:latest=../example/page", "--listen", h.addr, "--speed", strconv.Itoa(tempo))
	return h, h.outputs("hello")
}

// outputs are a stack's.
func (h *hello) outputs(stack string) map[string]string {
	h.t.Helper()
	described := h.query(versionCloudFormation, "DescribeStacks", "StackName", stack)
	out := map[string]string{}
	for _, member := range strings.Split(described, "<OutputKey>")[1:] {
		key, _, _ := strings.Cut(member, "</OutputKey>")
		out[key] = h.member(member, "OutputValue")
	}
	return out
}

// group makes an Auto Scaling group of a launch template with user data.
func (h *hello) group(out map[string]string, name, profile, data string, n int) {
	h.t.Helper()
	image := text(h.json("AmazonSSM.GetParameter", map[string]any{
		"Name": "/aws/service/ecs/optimized-ami/amazon-linux-2023/recommended/image_id",
	})["Parameter"].(map[string]any)["Value"])
	in := []string{
		"LaunchTemplateName", name, "LaunchTemplateData.ImageId", image, "LaunchTemplateData.InstanceType", "t3.medium",
		"LaunchTemplateData.SecurityGroupId.1", out["Group"], "LaunchTemplateData.UserData", base64.StdEncoding.EncodeToString([]byte(data)),
	}
	if profile != "" {
		in = append(in, "LaunchTemplateData.IamInstanceProfile.Name", profile)
	}
	h.ec2("CreateLaunchTemplate", in...)
	h.query(versionAutoScaling, "CreateAutoScalingGroup", "AutoScalingGroupName", name, "LaunchTemplate.LaunchTemplateName", name,
		"MinSize", "0", "MaxSize", "4", "DesiredCapacity", strconv.Itoa(n), "VPCZoneIdentifier", out["Subnets"])
}

// members are the instances of a group, as EC2 has them.
func (h *hello) members(group string) []string {
	h.t.Helper()
	var ids []string
	all := h.query(versionAutoScaling, "DescribeAutoScalingGroups", "AutoScalingGroupNames.member.1", group)
	for _, m := range strings.Split(all, "<InstanceId>")[1:] {
		id, _, _ := strings.Cut(m, "</InstanceId>")
		ids = append(ids, id)
	}
	return ids
}

// console is what an instance wrote.
func (h *hello) console(id string) string {
	h.t.Helper()
	_, rest, _ := strings.Cut(h.ec2("GetConsoleOutput", "InstanceId", id), "<output>")
	encoded, _, _ := strings.Cut(rest, "</output>")
	b, err := base64.StdEncoding.DecodeString(strings.TrimSpace(encoded))
	if err != nil {
		h.t.Fatal(err)
	}
	return string(b)
}

// ended deletes a group and waits until its instances are gone.
func (h *hello) ended(group string) {
	h.t.Helper()
	h.query(versionAutoScaling, "DeleteAutoScalingGroup", "AutoScalingGroupName", group, "ForceDelete", "true")
	h.poll(200*time.Millisecond, func() bool { return len(h.members(group)) == 0 }, func() string { return "the group is still there" })
}

// TestRootInstancesOfOnesOwnServe has an Auto Scaling group's user data join the
// cluster as published templates do, and a service on its instances, in bridge
// mode behind a target group of instances, lose a task and then an instance while
// it is under load.
//
// Proves: E20, E22, E119, E120, E122, E123
func TestRootInstancesOfOnesOwnServe(t *testing.T) {
	h, out := ownStack(t)
	began := time.Now()
	h.group(out, "hosts", "ecsInstanceRole-hello", joins, 2)
	both := func(p picture) bool {
		n := 0
		for _, c := range p.Clusters {
			for _, i := range c.Instances {
				if i.Connected && i.Status == "ACTIVE" {
					n++
				}
			}
		}
		return n == 2
	}
	h.until("two instances have joined", both)
	t.Logf("two instances joined after %.1f s", time.Since(began).Seconds())
	for _, id := range h.members("hosts") {
		said := h.console(id)
		for _, want := range []string{"Package aws-cfn-bootstrap already installed", "made by cfn-init", "instance-id: " + id} {
			if !strings.Contains(said, want) {
				t.Errorf("the console of %s does not say %q:\n%s", id, want, said)
			}
		}
	}
	h.ecs("CreateService", map[string]any{
		"cluster": "hello", "serviceName": "hello", "taskDefinition": out["Definition"], "desiredCount": 2, "launchType": "EC2",
		"loadBalancers": []any{map[string]any{"targetGroupArn": out["Targets"], "containerName": "page", "containerPort": 80}},
	})
	h.rests(2)
	h.url = out["Url"]
	h.survives(2)
	h.startsAfresh(2)
	h.losesATask()
	h.stopsATask()
	h.drains()
	h.daemons(out)
	h.alone(out)
	h.absent(out)
	h.ecs("DeleteService", map[string]any{"cluster": "hello", "service": "hello", "force": true})
	h.ecs("DeleteService", map[string]any{"cluster": "hello", "service": "daemon", "force": true})
	h.ended("hosts")
	h.finish()
}

// losesATask kills a task's page under load: the other serves meanwhile. As on
// AWS a request that the dead one's port refuses is answered with 502, until its
// target is taken away, in whatever network mode.
func (h *hello) losesATask() {
	h.t.Helper()
	before := h.pages()
	traffic := underLoad(h.t, h.url)
	for _, pid := range before {
		kill9(h.t, pid)
		break
	}
	h.await("another task runs", func() bool {
		now := h.pages()
		for id := range before {
			if now[id] == 0 {
				return len(now) == len(before)
			}
		}
		return false
	})
	h.rests(len(before))
	traffic.endWithout(h.t, "kill -9 of a task", refused)
}

// stopsATask has a task stopped under load, as an operator does: nobody notices.
func (h *hello) stopsATask() {
	h.t.Helper()
	before := h.pages()
	traffic := underLoad(h.t, h.url)
	arns, _ := h.ecs("ListTasks", map[string]any{"cluster": "hello", "serviceName": "hello"})["taskArns"].([]any)
	h.ecs("StopTask", map[string]any{"cluster": "hello", "task": arns[0]})
	h.await("another task runs", func() bool {
		now := h.pages()
		for id := range before {
			if now[id] == 0 {
				return len(now) == len(before)
			}
		}
		return false
	})
	h.rests(len(before))
	traffic.endWithout(h.t, "stop of a task")
}

// alone runs a task with an interface of its own on an instance of the user's own.
func (h *hello) alone(out map[string]string) {
	h.t.Helper()
	described := h.ecs("DescribeTaskDefinition", map[string]any{"taskDefinition": out["Definition"]})["taskDefinition"].(map[string]any)
	h.ecs("RegisterTaskDefinition", map[string]any{
		"family": "alone", "networkMode": "awsvpc", "requiresCompatibilities": []any{"EC2"}, "executionRoleArn": described["executionRoleArn"],
		"containerDefinitions": []any{map[string]any{
			"name": "page", "image": list(described["containerDefinitions"])[0]["image"], "memory": 128,
		}},
	})
	started := h.ecs("RunTask", map[string]any{
		"cluster": "hello", "taskDefinition": "alone", "launchType": "EC2", "networkConfiguration": map[string]any{
			"awsvpcConfiguration": map[string]any{"subnets": strings.Split(out["Subnets"], ","), "securityGroups": []any{out["Group"]}},
		},
	})
	arn := text(list(started["tasks"])[0]["taskArn"])
	h.poll(100*time.Millisecond, func() bool {
		task := list(h.ecs("DescribeTasks", map[string]any{"cluster": "hello", "tasks": []any{arn}})["tasks"])[0]
		return text(task["lastStatus"]) == "RUNNING" && len(list(task["attachments"])) == 1
	}, func() string { return "the task with an interface of its own does not run:\n" + h.run("explain", arn) })
	h.ecs("StopTask", map[string]any{"cluster": "hello", "task": arn})
}

// absent has instances that do not join, and their explanations say why.
func (h *hello) absent(out map[string]string) {
	h.t.Helper()
	for name, c := range map[string]struct{ profile, data, says string }{
		"poor": {"", joins, "it has no instance profile"},
		"broken": {
			"ecsInstanceRole-hello", "#!/bin/bash -xe\nstop ecs\nls /nowhere\n", "part-001 failed with exit 2; the last that it wrote: ls: ",
		},
		"held": {"ecsInstanceRole-hello", "#!/bin/sh\nstop ecs\n", "its user data stopped the agent"},
		"lost": {"ecsInstanceRole-hello", "#!/bin/sh\necho ECS_CLUSTER=lost >> /etc/ecs/ecs.config\n", "there is no cluster lost"},
	} {
		h.group(out, name, c.profile, c.data, 1)
		h.poll(200*time.Millisecond, func() bool {
			ids := h.members(name)
			if len(ids) == 0 {
				return false
			}
			said, err := h.try("explain", ids[0])
			return err == nil && strings.Contains(said, c.says)
		}, func() string { return name + " is not explained:\n" + h.run("explain", h.members(name)[0]) })
		h.ended(name)
	}
}

// drains empties one of the two instances under load.
func (h *hello) drains() {
	h.t.Helper()
	traffic := underLoad(h.t, h.url)
	var leaves string
	for _, i := range h.status().Clusters[0].Instances {
		leaves = i.ID
	}
	h.ecs("UpdateContainerInstancesState", map[string]any{
		"cluster": "hello", "containerInstances": []any{h.instanceARN(leaves)}, "status": "DRAINING",
	})
	h.until("both tasks run on the other instance", func(p picture) bool {
		for _, i := range p.Clusters[0].Instances {
			if i.ID == leaves && len(i.Tasks) > 0 {
				return false
			}
		}
		return p.Clusters[0].Services[0].Running == 2 && len(h.pages()) == 2
	})
	traffic.endWithout(h.t, "drain of an instance of one's own")
	h.ecs("UpdateContainerInstancesState", map[string]any{
		"cluster": "hello", "containerInstances": []any{h.instanceARN(leaves)}, "status": "ACTIVE",
	})
}

// daemons has a task of host mode on each instance, which sees what the user data
// wrote there.
func (h *hello) daemons(out map[string]string) {
	h.t.Helper()
	described := h.ecs("DescribeTaskDefinition", map[string]any{"taskDefinition": out["Definition"]})["taskDefinition"].(map[string]any)
	image := list(described["containerDefinitions"])[0]["image"]
	h.ecs("RegisterTaskDefinition", map[string]any{
		"family": "daemon", "networkMode": "host", "requiresCompatibilities": []any{"EC2"},
		"executionRoleArn": described["executionRoleArn"],
		"volumes":          []any{map[string]any{"name": "root", "host": map[string]any{"sourcePath": "/etc/ecs"}}},
		"containerDefinitions": []any{map[string]any{
			"name": "page", "image": image, "memory": 128, "portMappings": []any{map[string]any{"containerPort": 8088}},
			"environment": []any{map[string]any{"name": "PORT", "value": "8088"}},
			"mountPoints": []any{map[string]any{"sourceVolume": "root", "containerPath": "/host"}},
		}},
		"placementConstraints": []any{map[string]any{"type": "memberOf", "expression": "attribute:purpose == web"}},
	})
	h.ecs("CreateService", map[string]any{
		"cluster": "hello", "serviceName": "daemon", "taskDefinition": "daemon", "schedulingStrategy": "DAEMON", "launchType": "EC2",
	})
	h.until("a daemon runs on each instance", func(p picture) bool {
		for _, s := range p.Clusters[0].Services {
			if s.Name == "daemon" {
				return s.Running == 2
			}
		}
		return false
	})
}
