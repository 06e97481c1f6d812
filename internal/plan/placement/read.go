package placement

import (
	"cmp"
	"slices"
	"strconv"
	"strings"

	"berth/internal/lang/constraint"
	"berth/internal/model"
)

// Facts are one cluster at one moment. What they point to is only read.
type Facts struct {
	Instances []*model.Instance
	// Slices are those of Fargate.
	Slices []*model.Instance
	// Tasks are all of the cluster; where Known is given they may be left out.
	Tasks []*model.Task
	Known *Known
	// Definition finds a task definition by its ARN; nil is none.
	Definition func(arn string) *model.TaskDefinition
	// Zone is the zone of a subnet, "" if the subnet is unknown.
	Zone func(subnet string) string
	// Default is the cluster's default capacity provider strategy.
	Default []model.StrategyItem
}

// Why a node takes no task, for the whole of it.
const (
	BlockedDraining     = "is draining"
	BlockedUnregistered = "has not registered yet"
	BlockedAgent        = `encountered error "AGENT"`
)

// Now returns the instances as they are: only those that have registered,
// are connected and are not being drained take tasks.
func (f Facts) Now() []Node {
	return f.nodes(func(i *model.Instance) (string, model.Resources) {
		switch {
		case i.Goal != model.GoalRun || i.Status == model.ContainerInstanceDraining || i.Status == model.ContainerInstanceDeregistering ||
			i.Status == model.ContainerInstanceInactive:
			return BlockedDraining, i.Registered
		case i.Status != model.ContainerInstanceActive:
			return BlockedUnregistered, i.Registered
		case !i.Connected:
			return BlockedAgent, i.Registered
		}
		return "", i.Registered
	})
}

// Soon returns the instances as they will be when all that are on their way
// have registered with the resources that are expected of them.
func (f Facts) Soon() []Node {
	return f.nodes(func(i *model.Instance) (string, model.Resources) {
		switch {
		case i.Goal != model.GoalRun || i.Status == model.ContainerInstanceDraining || i.Status == model.ContainerInstanceDeregistering ||
			i.Status == model.ContainerInstanceInactive:
			return BlockedDraining, i.Registered
		case i.Status == "" || i.Registered.CPU == 0:
			return "", i.Expected
		}
		return "", i.Registered
	})
}

func (f Facts) nodes(as func(*model.Instance) (string, model.Resources)) []Node {
	k := f.Learn()
	out := make([]Node, 0, len(f.Instances))
	for _, i := range f.Instances {
		if i.State == model.InstanceTerminated || i.State == model.InstanceShuttingDown || i.Goal == model.GoalTerminate {
			continue
		}
		blocked, has := as(i)
		n := Node{
			ID: i.ID, ARN: i.ARN, Provider: i.CapacityProvider, EC2: i.Kind == model.KindEC2, Zone: i.AvailabilityZone, Free: has, Blocked: blocked,
			For: i.For, Instance: i, Architecture: architecture(i),
		}
		n.carry(k.Load(i.ARN))
		out = append(out, n)
	}
	return out
}

// carry takes what the node's tasks need from what is free.
func (n *Node) carry(l *Load) {
	n.Tasks, n.Groups = l.Tasks, l.Groups
	n.Free.CPU -= l.Need.CPU
	n.Free.Memory -= l.Need.Memory
	n.Free.ENIs -= l.Need.ENIs
	if len(l.Need.Ports) > 0 {
		n.Free.Ports = slices.Concat(n.Free.Ports, l.Need.Ports)
	}
}

func architecture(i *model.Instance) string {
	for _, a := range slices.Backward(i.Attributes) {
		if a.Name == "ecs.cpu-architecture" {
			return a.Value
		}
	}
	return ""
}

// values are the subjects of placement expressions. What the agent reports
// wins over what we know of the machine ourselves.
func values(i *model.Instance, tasks int) map[string]string {
	v := map[string]string{
		"attribute:ecs.availability-zone": i.AvailabilityZone,
		"attribute:ecs.subnet-id":         i.Subnet,
		"attribute:ecs.instance-type":     i.Type,
		"ec2InstanceId":                   i.ID,
		"agentConnected":                  strconv.FormatBool(i.Connected),
		"runningTasksCount":               strconv.Itoa(tasks),
	}
	if i.AgentVersion != "" {
		v["agentVersion"] = i.AgentVersion
	}
	if !i.RegisteredAt.IsZero() {
		v["registeredAt"] = i.RegisteredAt.Format("2006-01-02T15:04:05-07:00")
	}
	for _, a := range i.Attributes {
		v["attribute:"+a.Name] = a.Value
	}
	return v
}

// need is what a task takes of an instance.
func (f Facts) need(t *model.Task) (model.Resources, *model.TaskDefinition) {
	r := model.Resources{CPU: t.CPU, Memory: t.Memory}
	d := f.Definition(t.TaskDefinition)
	if d == nil {
		return r, &model.TaskDefinition{}
	}
	r.CPU, r.Memory = cmp.Or(r.CPU, d.CPUUnits()), cmp.Or(r.Memory, d.MemoryMiB())
	switch d.NetworkMode {
	case model.NetworkHost, model.NetworkBridge:
		r.Ports = hostPorts(d)
	case model.NetworkNone:
	default:
		r.ENIs = 1
	}
	return r, d
}

// hostPorts are the ports of the instance that a definition names. In bridge
// mode a port that is not named is found when the container starts.
func hostPorts(d *model.TaskDefinition) []string {
	var out []string
	for _, c := range d.Containers {
		for _, p := range c.PortMappings {
			port := p.HostPort
			if d.NetworkMode == model.NetworkHost {
				port = cmp.Or(port, p.ContainerPort)
			}
			if port != 0 {
				out = append(out, strconv.FormatInt(port, 10)+"/"+cmp.Or(p.Protocol, "tcp"))
			}
		}
	}
	return out
}

// Waiting reports whether a task is to be placed.
func Waiting(t *model.Task) bool {
	return t.LastStatus == model.TaskProvisioning && t.DesiredStatus == model.TaskRunning && t.Instance == ""
}

// Asks returns the tasks that wait: the largest first, as First Fit Decreasing
// wants it, and among equals the oldest. Supply counts in the same order, so
// that what it bought for a batch holds the batch. A task without a capacity
// provider gets one by its strategy. The answer is only read.
func (f Facts) Asks() []Ask {
	k := f.Learn()
	var open []int
	for i := range k.Asks {
		if k.Asks[i].Provider == "" && !k.Asks[i].EC2 {
			open = append(open, i)
		}
	}
	if len(open) == 0 {
		return k.Asks // and who has a provider need not be counted
	}
	out := slices.Clone(k.Asks)
	f.assign(k, out, open)
	return out
}

// zoner finds the zones of tasks' subnets; tasks with the same share one map.
type zoner struct {
	zone  func(subnet string) string
	known map[string]map[string]string
}

func (z zoner) of(subnets []string) map[string]string {
	key := strings.Join(subnets, " ")
	out, ok := z.known[key]
	if !ok {
		out = map[string]string{}
		for _, s := range slices.Backward(subnets) {
			if zone := z.zone(s); zone != "" {
				out[zone] = s
			}
		}
		z.known[key] = out
	}
	return out
}

// Asker makes asks of tasks one by one.
type Asker struct {
	f     Facts
	zones zoner
	forms map[form]*form
}

// Asker makes one that reads the definitions and zones of the facts.
func (f Facts) Asker() *Asker {
	return &Asker{f, zoner{f.Zone, map[string]map[string]string{}}, map[form]*form{}}
}

// Ask is what a waiting task asks for, with the provider that it has.
func (k *Asker) Ask(t *model.Task) Ask {
	need, d := k.f.need(t)
	a := Ask{
		Record: t, Task: t.ARN, Group: t.Group, Provider: t.CapacityProvider, Need: need, Architecture: d.CPUArchitecture,
		EC2: t.LaunchType == model.LaunchEC2, Host: t.Host, Strategy: t.Placement,
	}
	if len(a.Strategy) == 0 && (a.EC2 || len(t.Strategy) > 0 && t.Strategy[0].EC2) {
		a.Strategy = evenly
	}
	if d.ARN == "" {
		a.Impossible = "cannot run a task whose task definition " + t.TaskDefinition + " does not exist"
	}
	if need.ENIs > 0 {
		a.Subnets = k.zones.of(t.Network.Subnets)
	}
	for _, c := range slices.Concat(d.PlacementConstraints, t.Constraints) {
		if strings.EqualFold(c.Type, "distinctInstance") {
			a.Distinct = true
			continue
		}
		e, err := constraint.Parse(c.Expression)
		if err != nil {
			a.Impossible = "cannot be matched: " + err.Error()
			continue
		}
		a.Member = append(a.Member, e)
	}
	a.form = intern(k.forms, &a)
	return a
}

// assign spreads open asks over the providers of their strategies, the oldest
// first: each provider's base, then by weight, counting the tasks of the same
// group that have a provider already.
func (f Facts) assign(k *Known, asks []Ask, open []int) {
	count := map[string]map[string]int64{}
	book := func(group, provider string, n int) {
		if count[group] == nil {
			count[group] = map[string]int64{}
		}
		count[group][provider] += int64(n)
	}
	for _, l := range k.Loads {
		for of, n := range l.Wanted {
			book(of.Group, of.Provider, n)
		}
	}
	for i := range asks {
		if a := &asks[i]; a.Provider != "" {
			book(a.Group, a.Provider, 1)
		}
	}
	slices.SortFunc(open, func(x, y int) int { return older(asks[x].Record, asks[y].Record) })
	for _, i := range open {
		a := &asks[i]
		strategy := a.Record.Strategy
		if len(strategy) == 0 {
			strategy = f.Default
		}
		a.form = nil
		if a.Provider = pick(strategy, count[a.Group]); a.Provider != "" {
			book(a.Group, a.Provider, 1)
		} else if a.Impossible == "" {
			a.Impossible = "cannot be chosen: the task has no capacity provider strategy and its cluster has no default one"
		}
	}
}

func older(a, b *model.Task) int {
	return cmp.Or(a.CreatedAt.Compare(b.CreatedAt), strings.Compare(a.ARN, b.ARN))
}

func pick(strategy []model.StrategyItem, count map[string]int64) string {
	for _, s := range strategy {
		if count[s.Provider] < s.Base {
			return s.Provider
		}
	}
	best := -1
	for i, s := range strategy {
		if s.Weight > 0 && (best < 0 || load(s, count) < load(strategy[best], count)) {
			best = i
		}
	}
	if best < 0 {
		return ""
	}
	return strategy[best].Provider
}

// load is how full a provider is for its weight, beyond its base.
func load(s model.StrategyItem, count map[string]int64) float64 {
	return float64(count[s.Provider]-s.Base) / float64(s.Weight)
}

// Matches reports whether an instance satisfies the expressions of placement
// constraints, whatever it has free.
func Matches(i *model.Instance, cs []model.PlacementConstraint) bool {
	n := Node{Instance: i}
	for _, c := range cs {
		if strings.EqualFold(c.Type, "distinctInstance") {
			continue
		}
		if e, err := constraint.Parse(c.Expression); err != nil || !e.Match(n.look) {
			return false
		}
	}
	return true
}
