package apitest_test

import (
	"fmt"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"berth/internal/api/apitest"
	"berth/internal/wire"
)

// known are members that must name something that is there, so that a call
// gets past that to its lists; fill makes what they name.
var known = in{
	"cluster": "c", "service": "s000", "taskDefinition": "a:1", "family": "a", "RoleName": "r000", "UserName": "u000", "GroupName": "g000",
	"PolicyArn": "arn:aws:iam::123456789012:policy/p000", "InstanceProfileName": "i000", "VpcId": "vpc-011", "SubnetId": "subnet-000",
	"GroupId": "sg-000", "RouteTableId": "rtb-000", "AutoScalingGroupName": "g000", "LaunchTemplateId": "lt-000", "FunctionName": "f000",
	"Resource": "arn:aws:lambda:us-east-1:123456789012:function:f000", "logGroupName": "g", "logStreamName": "s0", "AlarmName": "a000",
	"repositoryName": "images", "LoadBalancerArn": elb + "loadbalancer/app/l000/0", "TargetGroupArn": elb + "targetgroup/t000/0",
	"ListenerArn": elb + "listener/app/l000/0/000", "RuleArn": elb + "listener-rule/app/l000/0/011/000", "ServiceNamespace": "ecs",
	"ResourceId": "service/c/s000", "ScalableDimension": "ecs:service:DesiredCount", "StackName": "s000", "MetricName": "m0",
	"Namespace": "Test", "PolicyDocument": `{"Version":"2012-10-17","Statement":[]}`, "ImageId": "ami-0abcdef1234567890",
	"ResourceType": "instance", "name": "web", "image": "nginx",
}

// again are lists whose elements may all name the same thing that is there.
var again = in{
	"tasks": "000", "containerInstances": "000", "services": "s000", "clusters": "c", "VpcIds": "vpc-011", "SubnetIds": "subnet-000",
	"subnets": "subnet-000", "GroupIds": "sg-000", "securityGroups": "sg-000", "InstanceIds": "i-000", "AutoScalingGroupNames": "g000",
	"AlarmNames": "a000", "Resources": "vpc-011", "ResourceArns": elb + "loadbalancer/app/l000/0", "Names": "l000",
	"LoadBalancerArns": elb + "loadbalancer/app/l000/0", "TargetGroupArns": elb + "targetgroup/t000/0",
	"RuleArns": elb + "listener-rule/app/l000/0/011/000", "NetworkInterfaceIds": "eni-000", "RouteTableIds": "rtb-000",
	"LaunchTemplateIds": "lt-000", "serviceDeploymentArns": prefix + "service-deployment/c/s000/000", "taskDefinitions": "a:1",
	"LaunchTemplateNames": "t000", "capacityProviders": "p000", "InstanceTypes": "m5.large", "Versions": "1", "VpcEndpointIds": "vpce-000",
	"SecurityGroupRuleIds": "sgr-000", "LaunchConfigurationNames": "l000", "ActivityIds": "a000", "repositoryNames": "r000",
	"NatGatewayIds": "nat-000", "InternetGatewayIds": "igw-000", "AllocationIds": "eipalloc-000",
}

// maker makes values that a model allows, each another.
type maker struct{ made int }

// deepest is how deep a made value goes.
const deepest = 4

func (m *maker) value(s *wire.Shape, depth int) any {
	switch s.Kind {
	case wire.Structure:
		return m.structure(s, depth)
	case wire.List:
		if depth > deepest {
			return []any{}
		}
		return []any{m.value(s.Elem.Shape, depth+1)}
	case wire.Map:
		return in{}
	case wire.String:
		return m.text(s)
	case wire.Integer, wire.Float:
		if s.Min != nil {
			return int64(*s.Min)
		}
		return int64(1)
	case wire.Timestamp:
		return time.Unix(1_700_000_000, 0)
	case wire.Blob:
		return []byte("x")
	default:
		return true
	}
}

func (m *maker) structure(s *wire.Shape, depth int) in {
	out := in{}
	if depth > deepest {
		return out
	}
	for _, r := range s.Required {
		out[r] = m.value(s.Member(r).Shape, depth+1)
	}
	if len(out) == 0 && len(s.Members) > 0 {
		out[s.Members[0].Name] = m.value(s.Members[0].Shape, depth+1)
	}
	return out
}

func (m *maker) text(s *wire.Shape) string {
	if len(s.Enum) > 0 {
		return s.Enum[0]
	}
	m.made++
	t := fmt.Sprint("x", m.made)
	if s.Min != nil && *s.Min < 100 {
		t += strings.Repeat("x", max(0, int(*s.Min)-len(t)))
	}
	if s.Max != nil {
		t = t[:min(len(t), int(*s.Max))]
	}
	return t
}

// with is an input that has a value at a path, and of the rest what is needed.
func (m *maker) with(s *wire.Shape, path []string, v any) any {
	switch {
	case len(path) == 0:
		return v
	case path[0] == "[]":
		return []any{m.with(s.Elem.Shape, path[1:], v)}
	}
	out := m.structure(s, 0)
	for name, there := range known {
		if out[name] != nil || name == "cluster" && s.Member(name) != nil {
			out[name] = there
		}
	}
	out[path[0]] = m.with(s.Member(path[0]).Shape, path[1:], v)
	return out
}

// wide finds the lists and maps of an input, not deeper than two levels.
func wide(s *wire.Shape, path []string, do func(path []string, s *wire.Shape)) {
	into := func(name string, to *wire.Shape) {
		p := append(path[:len(path):len(path)], name)
		if to.Kind == wire.List || to.Kind == wire.Map {
			do(p, to)
		}
		wide(to, p, do)
	}
	switch {
	case len(path) > 2:
	case s.Kind == wire.List:
		into("[]", s.Elem.Shape)
	case s.Kind == wire.Structure:
		for i := range s.Members {
			into(s.Members[i].Name, s.Members[i].Shape)
		}
	}
}

// many is a list or map with n elements.
func (m *maker) many(s *wire.Shape, n int) any {
	if s.Kind == wire.List {
		out := make([]any, n)
		for i := range out {
			out[i] = m.value(s.Elem.Shape, deepest-1)
		}
		return out
	}
	out := in{}
	for i := range n {
		out[fmt.Sprint("k", i)] = m.value(s.Value.Shape, deepest-1)
	}
	return out
}

// spent is what f costs the process: CPU time, and bytes that were allocated.
func spent(f func()) (cpu time.Duration, bytes uint64) {
	var before, after syscall.Rusage
	var had, has runtime.MemStats
	runtime.ReadMemStats(&had)
	_ = syscall.Getrusage(syscall.RUSAGE_SELF, &before)
	f()
	_ = syscall.Getrusage(syscall.RUSAGE_SELF, &after)
	runtime.ReadMemStats(&has)
	return time.Duration(after.Utime.Nano() - before.Utime.Nano()), has.TotalAlloc - had.TotalAlloc
}

// What a call with a list of six thousand elements may cost. A body of 1 MiB holds
// some ten times as many, for ten times the cost: what costs an element the walk over
// all others costs a hundred times as much.
const (
	elements = 6_000
	mostCPU  = 200 * time.Millisecond
	mostRAM  = 80 << 20
)

// TestTheWorstListsAreBounded calls every operation with each list and map of its
// input far too long: of things that are all different, and of one that is there.
func TestTheWorstListsAreBounded(t *testing.T) { // alone: it measures the process
	w := apitest.NewWorld(t)
	fill(t, w)
	n := elements
	if raced {
		n /= 10
	}
	for _, s := range apitest.Services {
		for _, name := range s.Operations() {
			op := s.Operation(name)
			if !op.Built() {
				continue
			}
			m := &maker{}
			wide(op.Input(), nil, func(path []string, at *wire.Shape) {
				bounded(t, w, op, path, n, func(n int) any { return m.with(op.Input(), path, m.many(at, n)) })
				if there := again[path[len(path)-1]]; there != nil {
					bounded(t, w, op, path, n, func(n int) any {
						return m.with(op.Input(), path, slices.Repeat([]any{there}, n))
					})
				}
			})
		}
	}
}

// bounded holds a call with n elements to its cost. What is dear only because
// the machine is slow or busy costs four times what a quarter of the elements
// does; a walk over all others for each costs sixteen times.
func bounded(t *testing.T, w *apitest.World, op *wire.Operation, path []string, n int, ask func(n int) any) {
	t.Helper()
	var err error
	call := func(n int) (cpu time.Duration, bytes uint64) {
		with := ask(n).(in)
		return spent(func() { _, err = w.Invoke(t.Context(), op.Service.Name, op.Name, with) })
	}
	var cpu time.Duration
	var bytes uint64
	dear := func() bool {
		cpu, bytes = call(n)
		if cpu <= mostCPU || raced {
			return false
		}
		part, _ := call(n / 4)
		return cpu > 8*part
	}
	tries := 0
	for tries < 3 && dear() {
		tries++
	}
	if tries == 3 || bytes > mostRAM {
		t.Errorf("%s %s %s: %v, %d MiB: %.100v", op.Service.Name, op.Name, strings.Join(path, "."), cpu, bytes>>20, err)
	}
}
