package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"runtime"
	"slices"
	"time"

	"berth/internal/model"
	"berth/internal/sim"
	"berth/internal/state"
	"berth/internal/store"
)

// perService is how many tasks a service of the growth has, perBalancer how
// many services are behind one load balancer.
const (
	perService  = 20
	perBalancer = 25
)

// growth brings N tasks from nothing to RUNNING, with the real API and the
// real controllers on simulated drivers and a stepped clock: what a task costs
// the control plane must not depend on how many there are. Half of the
// services are behind load balancers; one managed instances provider has the
// instances. It needs no root.
func growth(ctx context.Context, b *bench) error {
	for _, n := range b.sizes() {
		var cpu, bytes, records, transactions []float64
		for range max(1, min(b.rounds, 1000/n)) {
			c, err := grow(ctx, b.dir, n)
			if err != nil {
				return fmt.Errorf("%d tasks: %w", n, err)
			}
			cpu, bytes = append(cpu, c.cpu.Seconds()*1000/float64(n)), append(bytes, float64(c.bytes)/1024/float64(n))
			records, transactions = append(records, float64(c.records)/float64(n)), append(transactions, float64(c.transactions)/float64(n))
		}
		work := fmt.Sprintf("a task from nothing to RUNNING, %d at once", n)
		b.table.add(work, "control plane", "CPU ms", cpu, atMost(2, "≤ 2 ms"))
		b.table.add(work, "control plane", "KiB allocated", bytes, nil)
		b.table.add(work, "control plane", "records written", records, nil)
		b.table.add(work, "control plane", "transactions", transactions, nil)
	}
	return nil
}

// sizes are the numbers of tasks of the growth.
func (b *bench) sizes() []int {
	return slices.DeleteFunc([]int{100, 1000, 10_000}, func(n int) bool { return n < b.least || n > b.most })
}

// cost is what one growth took.
type cost struct {
	cpu                          time.Duration
	bytes, records, transactions int64
}

// counted is a KV that counts the records that are written.
type counted struct {
	*store.Memory
	records int64
}

// Commit implements store.KV.
func (k *counted) Commit(ctx context.Context, rev int64, ops []store.Op) error {
	k.records += int64(len(ops))
	return k.Memory.Commit(ctx, rev, ops)
}

func grow(ctx context.Context, dir string, n int) (cost, error) {
	dir, err := os.MkdirTemp(dir, "growth-")
	if err != nil {
		return cost{}, err
	}
	defer func() { _ = os.RemoveAll(dir) }()
	kv := &counted{Memory: store.NewMemory()}
	w, err := sim.New(ctx, sim.Options{Seed: 1, Dir: dir, KV: kv, Lax: true})
	if err != nil {
		return cost{}, err
	}
	g := &grower{ctx: ctx, w: w}
	g.ground()
	groups := g.balancers(n / perService / 2)
	if g.err != nil {
		return cost{}, g.err
	}
	runtime.GC()
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	began, records, revision := self(), kv.records, w.DB.View().Revision()
	for i := range n / perService {
		g.service(i, groups)
	}
	g.running(n)
	runtime.ReadMemStats(&after)
	return cost{self() - began, int64(after.TotalAlloc - before.TotalAlloc), kv.records - records, w.DB.View().Revision() - revision}, g.err
}

// grower tells a simulated world what to make; after an error it does nothing
// more.
type grower struct {
	ctx     context.Context
	w       *sim.World
	err     error
	vpc     string
	group   string
	subnets []string
	infra   string
}

// do calls an operation; args are JSON.
func (g *grower) do(service, operation, args string, values ...any) map[string]any {
	if g.err != nil {
		return nil
	}
	var in map[string]any
	if g.err = json.Unmarshal(fmt.Appendf(nil, args, values...), &in); g.err != nil {
		return nil
	}
	var out map[string]any
	if out, g.err = g.w.Invoke(g.ctx, service, operation, in); g.err != nil {
		g.err = fmt.Errorf("%s %s: %w", service, operation, g.err)
	}
	return out
}

func (g *grower) advance(d time.Duration) {
	if g.err == nil {
		g.err = g.w.Advance(g.ctx, d)
	}
}

// at is the string at a path of members and indexes of an answer.
func at(v any, path ...any) string {
	for _, p := range path {
		switch p := p.(type) {
		case string:
			m, _ := v.(map[string]any)
			v = m[p]
		case int:
			l, _ := v.([]any)
			if p >= len(l) {
				return ""
			}
			v = l[p]
		}
	}
	s, _ := v.(string)
	return s
}

func asJSON(v any) string {
	b, _ := json.Marshal(v)
	return string(b)
}

// ground makes the network, the roles, a cluster and its provider.
func (g *grower) ground() {
	g.vpc = at(g.do("ec2", "CreateVpc", `{"CidrBlock":"10.0.0.0/16"}`), "Vpc", "VpcId")
	for i, zone := range []string{"a", "c", "d"} {
		s := g.do("ec2", "CreateSubnet", `{"VpcId":%q,"CidrBlock":"10.0.%d.0/18","AvailabilityZone":"ap-northeast-1%s"}`, g.vpc, 64*i, zone)
		g.subnets = append(g.subnets, at(s, "Subnet", "SubnetId"))
	}
	g.group = at(g.do("ec2", "CreateSecurityGroup", `{"VpcId":%q,"GroupName":"g","Description":"g"}`, g.vpc), "GroupId")
	g.infra = g.role("infra", "ecs", "AmazonECSInfrastructureRolePolicyForManagedInstances")
	g.role("ecsInstanceRole", "ec2", "AmazonECSInstanceRolePolicyForManagedInstances")
	profile := at(g.do("iam", "CreateInstanceProfile", `{"InstanceProfileName":"ecsInstanceRole"}`), "InstanceProfile", "Arn")
	g.do("iam", "AddRoleToInstanceProfile", `{"RoleName":"ecsInstanceRole","InstanceProfileName":"ecsInstanceRole"}`)
	g.do("ecs", "CreateCluster", `{"clusterName":"c"}`)
	g.do("ecs", "CreateCapacityProvider", `{"name":"cp","cluster":"c","managedInstancesProvider":{"infrastructureRoleArn":%q,"instanceLaunchTemplate":{
		"ec2InstanceProfileArn":%q,"networkConfiguration":{"subnets":%s,"securityGroups":[%q]}}}}`, g.infra, profile, asJSON(g.subnets), g.group)
	g.do("ecs", "RegisterTaskDefinition", `{"family":"web","requiresCompatibilities":["MANAGED_INSTANCES"],"networkMode":"awsvpc","cpu":"256","memory":"512",
		"containerDefinitions":[{"name":"app","image":"web:1","portMappings":[{"containerPort":80}]}]}`)
	g.advance(time.Minute)
}

func (g *grower) role(name, service, policy string) string {
	trust := fmt.Sprintf(
		`{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Service":"%s.amazonaws.com"},"Action":"sts:AssumeRole"}]}`, service,
	)
	r := g.do("iam", "CreateRole", `{"RoleName":%q,"AssumeRolePolicyDocument":%s}`, name, asJSON(trust))
	g.do("iam", "AttachRolePolicy", `{"RoleName":%q,"PolicyArn":"arn:aws:iam::aws:policy/%s"}`, name, policy)
	return at(r, "Role", "Arn")
}

// balancers makes target groups for so many services, and listener rules that
// forward to them by path.
func (g *grower) balancers(services int) []string {
	igw := at(g.do("ec2", "CreateInternetGateway", `{}`), "InternetGateway", "InternetGatewayId")
	g.do("ec2", "AttachInternetGateway", `{"InternetGatewayId":%q,"VpcId":%q}`, igw, g.vpc)
	var groups []string
	listener := ""
	for i := range services {
		if i%perBalancer == 0 {
			lb := g.do(
				"elasticloadbalancing", "CreateLoadBalancer", `{"Name":"lb%d","Subnets":%s,"SecurityGroups":[%q]}`, i, asJSON(g.subnets), g.group,
			)
			l := g.do("elasticloadbalancing", "CreateListener", `{"LoadBalancerArn":%q,"Port":80,"Protocol":"HTTP",
				"DefaultActions":[{"Type":"fixed-response","FixedResponseConfig":{"StatusCode":"404"}}]}`, at(lb, "LoadBalancers", 0, "LoadBalancerArn"))
			listener = at(l, "Listeners", 0, "ListenerArn")
		}
		tg := at(
			g.do("elasticloadbalancing", "CreateTargetGroup", `{"Name":"tg%d","Protocol":"HTTP","Port":80,"VpcId":%q,"TargetType":"ip"}`, i, g.vpc),
			"TargetGroups", 0, "TargetGroupArn",
		)
		g.do("elasticloadbalancing", "CreateRule", `{"ListenerArn":%q,"Priority":%d,"Conditions":[{"Field":"path-pattern","Values":["/s%d/*"]}],
			"Actions":[{"Type":"forward","TargetGroupArn":%q}]}`, listener, i%perBalancer+1, i, tg)
		groups = append(groups, tg)
	}
	g.advance(time.Minute)
	return groups
}

// service makes the i-th service; those that have a group are behind it.
func (g *grower) service(i int, groups []string) {
	balanced := ""
	if i < len(groups) {
		balanced = fmt.Sprintf(`"loadBalancers":[{"targetGroupArn":%q,"containerName":"app","containerPort":80}],`, groups[i])
	}
	g.do("ecs", "CreateService", `{"cluster":"c","serviceName":"s%d","taskDefinition":"web","desiredCount":%d,%s
		"capacityProviderStrategy":[{"capacityProvider":"cp","weight":1}],
		"networkConfiguration":{"awsvpcConfiguration":{"subnets":%s,"securityGroups":[%q]}}}`, i, perService, balanced, asJSON(g.subnets), g.group)
}

// tick is how long the control plane gathers what happens: a server that
// starts thousands of tasks is busy, and sees changes in batches. It bounds how
// often each controller looks, not how much each look has to do.
const tick = 100 * time.Millisecond

// healthy reports whether n tasks run and all targets are healthy. It copies
// nothing: what it costs counts as the control plane's.
func healthy(view store.Reader, n int) bool {
	for range state.Tasks.Each(view, "status", string(model.TaskRunning)) {
		n--
	}
	if n != 0 {
		return false
	}
	for t := range state.Targets.Every(view) {
		if t.State != model.TargetHealthy {
			return false
		}
	}
	return true
}

// running waits until n tasks run and those that are targets are healthy.
func (g *grower) running(n int) {
	for range 10 * time.Minute / tick {
		if g.err == nil {
			g.err = g.w.Tick(g.ctx, tick)
		}
		if g.err != nil || healthy(g.w.DB.View(), n) {
			return
		}
	}
	if g.err == nil {
		g.err = fmt.Errorf("%d tasks do not run after ten minutes: %v", n, g.w.Troubles())
	}
}
