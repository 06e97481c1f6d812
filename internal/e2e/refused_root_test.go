//go:build root

package e2e_test

import (
	"maps"
	"slices"
	"strings"
	"testing"
	"time"
)

// breakage is one thing that somebody gets wrong in a template, done to a
// system that runs: one more task is desired, waits or fails, and `berth
// explain` says why. When it is mended, nothing else needs to be done.
type breakage struct {
	name   string
	spoil  func(h *hello)
	says   []string // in what `berth explain` says of the service
	events []string // in a service event or a stopped task's reason, as on AWS
	mend   func(h *hello)
}

// TestRootWhatIsWrongIsSaidAndHealsWhenMended goes through what AWS users
// get wrong most often.
//
// Proves: MI43, MI69, MI70
func TestRootWhatIsWrongIsSaidAndHealsWhenMended(t *testing.T) {
	h := deployed(t, "DesiredCount=1", "BakeMinutes=0", apart)
	tasks := 1
	for _, b := range breakages(h.https()) {
		ok := t.Run(b.name, func(t *testing.T) {
			h.berth.t = t
			b.spoil(h)
			tasks++
			h.desire(tasks)
			var said, events string
			h.poll(200*time.Millisecond, func() bool {
				said = h.run("explain", "hello")
				events = h.reasons()
				return holds(said, b.says) && holds(events, b.events)
			}, func() string { return "it still says:\n" + said + events })
			t.Log(cures(said))
			began := time.Now()
			b.mend(h)
			h.rests(tasks)
			t.Logf("mended, it ran after %.1f s", time.Since(began).Seconds())
		})
		if h.berth.t = t; !ok {
			return // the next one would meet what this one left
		}
	}
	// What can be seen to be impossible is refused at once, and nothing changes.
	managed := h.managed(func(template map[string]any) {
		template["instanceRequirements"] = map[string]any{
			"vCpuCount": map[string]any{"min": 1, "max": 1}, "memoryMiB": map[string]any{"min": 65536},
		}
	})
	if _, err := h.call("UpdateCapacityProvider", managed); err == nil ||
		!strings.Contains(err.Error(), "No instance types satisfy the instance requirements specified") {
		t.Errorf("requirements that nothing meets: %v", err)
	}
	h.rests(tasks)
	h.finish()
}

// breakages are in an order in which each one leaves nothing to the next.
func breakages(https []string) []breakage {
	return []breakage{
		{
			name:  "no endpoint for the agent",
			spoil: func(h *hello) { h.ec2("DeleteVpcEndpoints", "VpcEndpointId.1", h.endpoint("ecs-agent")) },
			says: []string{
				"does not reach ecs-agent because the VPC has no endpoint for it", "create the interface endpoint com.amazonaws.us-east-1.ecs-agent",
			},
			mend: func(h *hello) {
				h.ec2(
					"CreateVpcEndpoint",
					append(
						[]string{"VpcEndpointType", "Interface", "PrivateDnsEnabled", "true", "ServiceName", "com.amazonaws.us-east-1.ecs-agent"},
						h.place()...,
					)...,
				)
			},
		},
		{
			name:  "the endpoints' security group is closed",
			spoil: func(h *hello) { h.ec2("RevokeSecurityGroupIngress", https...) },
			says:  []string{"no ingress rule of sg-", "lets tcp 443 in from 10.20.", "let the endpoint's group admit tcp 443"},
			mend:  func(h *hello) { h.ec2("AuthorizeSecurityGroupIngress", https...) },
		},
		{
			name: "an instance role that is not named ecsInstanceRole",
			spoil: func(h *hello) {
				h.iam(
					"CreateRole", "RoleName", "foo", "AssumeRolePolicyDocument",
					`{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Service":"ec2.amazonaws.com"},"Action":"sts:AssumeRole"}]}`,
				)
				h.iam("AttachRolePolicy", "RoleName", "foo", "PolicyArn", "arn:aws:iam::aws:policy/AmazonECSInstanceRolePolicyForManagedInstances")
				h.iam("CreateInstanceProfile", "InstanceProfileName", "foo")
				h.iam("AddRoleToInstanceProfile", "InstanceProfileName", "foo", "RoleName", "foo")
				h.provider(func(template map[string]any) {
					template["ec2InstanceProfileArn"] = "arn:aws:iam::000000000000:instance-profile/foo"
				})
			},
			says: []string{"may not pass the instance role foo", "rename the instance role"},
			mend: func(h *hello) {
				h.provider(func(template map[string]any) {
					template["ec2InstanceProfileArn"] = "arn:aws:iam::000000000000:instance-profile/ecsInstanceRole-hello"
				})
			},
		},
		{
			name: "an instance role without its policy",
			spoil: func(h *hello) {
				h.iam(
					"DetachRolePolicy", "RoleName", "ecsInstanceRole-hello", "PolicyArn",
					"arn:aws:iam::aws:policy/AmazonECSInstanceRolePolicyForManagedInstances",
				)
			},
			says: []string{"the instance role ecsInstanceRole-hello may not ecs:RegisterContainerInstance: attach"},
			mend: func(h *hello) {
				h.iam(
					"AttachRolePolicy", "RoleName", "ecsInstanceRole-hello", "PolicyArn",
					"arn:aws:iam::aws:policy/AmazonECSInstanceRolePolicyForManagedInstances",
				)
			},
		},
		{
			name: "an image that is not there",
			spoil: func(h *hello) {
				h.revise(func(def map[string]any, c map[string]any) {
					c["image"] = "000000000000.dkr.ecr.us-east-1.amazonaws.com/hello:nope"
				})
			},
			says:   []string{"CannotPullContainerError", "berth image push hello:nope"},
			events: []string{"CannotPullContainerError"},
			mend: func(h *hello) {
				h.run("image", "push", "hello:nope", "../example/page")
			},
		},
		{
			name: "a task that is larger than every type",
			spoil: func(h *hello) {
				h.revise(func(def map[string]any, c map[string]any) { def["cpu"], def["memory"] = "16384", "65536" })
			},
			says: []string{"16384 CPU units", "65536 MiB", "→ raise vCpuCount and memoryMiB"},
			mend: func(h *hello) {
				h.revise(func(def map[string]any, c map[string]any) { def["cpu"], def["memory"] = "256", "512" })
			},
		},
	}
}

func holds(text string, all []string) bool {
	return !slices.ContainsFunc(all, func(s string) bool { return !strings.Contains(text, s) })
}

// cures are the lines of an explanation that say what to do.
func cures(said string) string {
	var out []string
	for line := range strings.Lines(said) {
		if strings.Contains(line, "→") {
			out = append(out, strings.TrimSpace(line))
		}
	}
	return strings.Join(out, "\n")
}

// reasons are the service's events and the reasons of its stopped tasks.
func (h *hello) reasons() string {
	h.t.Helper()
	var out []string
	for _, s := range list(h.ecs("DescribeServices", map[string]any{"cluster": "hello", "services": []any{"hello"}})["services"]) {
		for _, e := range list(s["events"]) {
			out = append(out, text(e["message"]))
		}
	}
	arns, _ := h.ecs("ListTasks", map[string]any{"cluster": "hello", "desiredStatus": "STOPPED"})["taskArns"].([]any)
	if len(arns) > 0 {
		for _, t := range list(h.ecs("DescribeTasks", map[string]any{"cluster": "hello", "tasks": arns})["tasks"]) {
			out = append(out, text(t["stoppedReason"]))
		}
	}
	return strings.Join(out, "\n")
}

// endpoint is the id of the VPC endpoint of a service.
func (h *hello) endpoint(service string) string {
	h.t.Helper()
	out := h.ec2("DescribeVpcEndpoints", "Filter.1.Name", "service-name", "Filter.1.Value.1", "com.amazonaws.us-east-1."+service)
	return h.member(out, "vpcEndpointId")
}

// place is where the stack's interface endpoints stand, as arguments.
func (h *hello) place() []string {
	h.t.Helper()
	out := h.ec2("DescribeVpcEndpoints", "Filter.1.Name", "service-name", "Filter.1.Value.1", "com.amazonaws.us-east-1.logs")
	_, subnets, _ := strings.Cut(out, "<subnetIdSet>")
	first, second, _ := strings.Cut(subnets, "</item>")
	return []string{
		"VpcId", h.member(out, "vpcId"), "SubnetId.1", h.member(first+"</item>", "item"), "SubnetId.2", h.member(second, "item"),
		"SecurityGroupId.1", h.member(out, "groupId"),
	}
}

// https is the rule by which the endpoints' security group lets tasks and
// instances in.
func (h *hello) https() []string {
	h.t.Helper()
	group := h.member(
		h.ec2("DescribeVpcEndpoints", "Filter.1.Name", "service-name", "Filter.1.Value.1", "com.amazonaws.us-east-1.logs"), "groupId",
	)
	tasks := h.member(
		h.ec2("DescribeSecurityGroups", "Filter.1.Name", "description", "Filter.1.Value.1", "only the load balancer may reach the tasks"),
		"groupId",
	)
	return []string{
		"GroupId", group, "IpPermissions.1.IpProtocol", "tcp", "IpPermissions.1.FromPort", "443", "IpPermissions.1.ToPort", "443",
		"IpPermissions.1.Groups.1.GroupId", tasks,
	}
}

// member is the first element of that name.
func (h *hello) member(xml, name string) string {
	h.t.Helper()
	_, rest, ok := strings.Cut(xml, "<"+name+">")
	value, _, ended := strings.Cut(rest, "</"+name+">")
	if !ok || !ended {
		h.t.Fatalf("no %s in %s", name, xml)
	}
	return value
}

// provider changes the launch template of the capacity provider, when the
// change before it is done.
func (h *hello) provider(change func(template map[string]any)) {
	h.t.Helper()
	h.await("the capacity provider may be changed", func() bool {
		_, err := h.call("UpdateCapacityProvider", h.managed(change))
		if err != nil && !strings.Contains(err.Error(), "UpdateInProgressException") {
			h.t.Fatal(err)
		}
		return err == nil
	})
}

// managed is the capacity provider as it is, with another launch template.
func (h *hello) managed(change func(template map[string]any)) map[string]any {
	h.t.Helper()
	found := list(h.ecs("DescribeCapacityProviders", map[string]any{"capacityProviders": []any{"hello-machines"}})["capacityProviders"])
	if len(found) != 1 {
		h.t.Fatalf("capacity providers: %v", found)
	}
	managed, _ := found[0]["managedInstancesProvider"].(map[string]any)
	template, _ := managed["instanceLaunchTemplate"].(map[string]any)
	delete(template, "capacityOptionType") // which may only be said when it is created
	change(template)
	return map[string]any{"name": "hello-machines", "cluster": "hello", "managedInstancesProvider": managed}
}

// revise registers another revision of the task definition and deploys it.
func (h *hello) revise(change func(def, container map[string]any)) {
	h.t.Helper()
	old, _ := h.ecs("DescribeTaskDefinition", map[string]any{"taskDefinition": "hello"})["taskDefinition"].(map[string]any)
	def := map[string]any{}
	for _, k := range []string{
		"family", "networkMode", "cpu", "memory", "executionRoleArn", "requiresCompatibilities", "containerDefinitions",
	} {
		def[k] = old[k]
	}
	change(def, list(def["containerDefinitions"])[0])
	made, _ := h.ecs("RegisterTaskDefinition", maps.Clone(def))["taskDefinition"].(map[string]any)
	h.ecs("UpdateService", map[string]any{"cluster": "hello", "service": "hello", "taskDefinition": made["taskDefinitionArn"]})
}
