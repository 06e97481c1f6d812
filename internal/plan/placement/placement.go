// Package placement answers which instance for which task: a pure function
// from instances and waiting tasks to placements and refusals, each with its
// reason.
//
// It uses what is there: capacity that exists comes first, and buying is
// plan/supply's question, which asks this package "would it fit if…?". Where a
// task has a placement strategy it takes what that says. Else, among
// the zones with free capacity it takes the one that has the fewest tasks of the same
// group; in a zone it fills the fullest instance that fits. It sorts before it
// chooses, and ties break by id, so that equal inputs give equal plans. It
// sees no store and no clock. Controllers and supply call it; nothing is shared
// between calls.
package placement

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"berth/internal/lang/constraint"
	"berth/internal/model"
)

// Node is an instance, real or imagined, with what is left of it.
type Node struct {
	ID           string
	ARN          string // container instance ARN
	Provider     string // capacity provider
	EC2          bool   // an instance of the user's own
	Zone         string
	Architecture string // x86_64 or arm64, in any case; "" fits all
	// Free is what is left. Its Ports are those that are taken.
	Free model.Resources
	// Blocked is why the node takes no task now, "" if it does.
	Blocked string
	// Values are its subjects for placement expressions, by name; nil are
	// those of the instance behind it.
	Values map[string]string
	// Groups counts the tasks on it by group (service:web, family:batch).
	Groups map[string]int
	// For are the tasks that it was bought for. They get it before others do,
	// so that what was bought for a batch holds the batch.
	For []string

	// Instance is the one behind it, nil if it is imagined, and Tasks what it
	// runs: what Values are made from when they are asked for.
	Instance *model.Instance
	Tasks    int

	own   bool // whether Groups are the node's alone, since Take copied them
	took  int  // tasks, since the plan was begun
	index int  // among the nodes of the plan
}

// Ask is a task that wants an instance.
type Ask struct {
	Task     string
	Group    string
	Provider string
	// EC2 is the launch type: any instance of the user's own in the cluster.
	EC2 bool
	// Host is the ARN of the only container instance that may take it, or "".
	Host         string
	Need         model.Resources
	Architecture string
	// Subnets are the task's own, by zone; nil means any zone.
	Subnets map[string]string
	// Distinct keeps tasks of one group on instances of their own.
	Distinct bool
	// Member are the memberOf expressions, all of which must hold.
	Member []constraint.Expr
	// Strategy says which of the instances that fit is taken; nil is by zone,
	// then the fullest.
	Strategy []model.PlacementStrategy
	// Impossible is why no instance can ever take the task, "" if one may.
	Impossible string
	// Record is the task, nil if it is imagined.
	Record *model.Task

	form *form // shared by those that fit alike; made when it is asked for
}

// Placed is one placement.
type Placed struct {
	Task, Group, Node, Zone, Subnet, Provider string

	free   model.Resources // of the node, before the task took its share
	spread int             // tasks of the group in the zone, before it
}

// Refused is a task that fits nowhere, and which of the asks it was. Those
// that are refused alike share one reason.
type Refused struct {
	Task string
	Ask  int
	*Reason
}

// Reason is why tasks fit nowhere.
type Reason struct {
	// Provider is the capacity provider that they have.
	Provider string
	// Why is a sentence with counts.
	Why string
	// Event is the reason in the words of an ECS service event.
	Event string
	// Code is the reason in the words of RunTask's failures (RESOURCE:MEMORY).
	Code string
	// Counts says how many instances were refused for each cause.
	Counts map[string]int
	// Near is the ARN of the closest instance, "" if there is none.
	Near string
}

// Plan is the answer: every ask is in one of the two lists.
type Plan struct {
	Placed  []Placed
	Refused []Refused
}

// Causes of refusal, in the order in which they are found.
const (
	CauseProvider     = "belongs to another capacity provider"
	CauseHost         = "is not the instance that the task is for"
	CauseZone         = "is in a zone without a subnet of the task"
	CauseArchitecture = "has another CPU architecture"
	CauseMember       = "does not satisfy a placement expression"
	CauseCPU          = "has insufficient CPU units available"
	CauseMemory       = "has insufficient memory available"
	CauseENI          = "has no elastic network interface left"
	CausePort         = "is already using a port required by your task"
	CauseDistinct     = "runs a task of the same group"
)

// Fits says why a node cannot take a task, or "".
func Fits(n *Node, a *Ask) string {
	switch {
	case a.Impossible != "":
		return a.Impossible
	case a.Provider != "" && n.Provider != a.Provider, a.EC2 && !n.EC2:
		return CauseProvider
	case a.Host != "" && n.ARN != a.Host:
		return CauseHost
	case n.Blocked != "":
		return n.Blocked
	case a.Subnets != nil && a.Subnets[n.Zone] == "":
		return CauseZone
	case a.Architecture != "" && n.Architecture != "" && !strings.EqualFold(a.Architecture, n.Architecture):
		return CauseArchitecture
	case !member(n, a):
		return CauseMember
	}
	return lacks(n, a)
}

// lacks is the part of Fits that changes while tasks are placed.
func lacks(n *Node, a *Ask) string {
	switch {
	case n.Free.CPU < a.Need.CPU:
		return CauseCPU
	case n.Free.Memory < a.Need.Memory:
		return CauseMemory
	case n.Free.ENIs < a.Need.ENIs:
		return CauseENI
	case slices.ContainsFunc(a.Need.Ports, func(p string) bool { return taken(n.Free.Ports, p) }):
		return CausePort
	case a.Distinct && n.Groups[a.Group] > 0:
		return CauseDistinct
	}
	return ""
}

func member(n *Node, a *Ask) bool {
	for _, e := range a.Member {
		if !e.Match(n.look) {
			return false
		}
	}
	return true
}

// look gives a node's subjects to placement expressions.
func (n *Node) look(subject string) []string {
	if subject == "task:group" {
		return groups(n)
	}
	if n.Values == nil && n.Instance != nil {
		n.Values = values(n.Instance, n.Tasks) // few tasks ask for them
	}
	if v, ok := n.Values[subject]; ok {
		return []string{v}
	}
	return nil
}

func groups(n *Node) []string {
	var out []string
	for g, c := range n.Groups {
		if c > 0 {
			out = append(out, g)
		}
	}
	slices.Sort(out)
	return out
}

// taken compares ports, written 80, 80/tcp or 53/udp.
func taken(used []string, port string) bool {
	return slices.ContainsFunc(used, func(u string) bool { return plain(u) == plain(port) })
}

func plain(p string) string { return strings.TrimSuffix(p, "/tcp") }

// Take books a task on a node. What others have as Groups stays as it is; a
// copy of the node that is made afterwards has them in common with it.
func (n *Node) Take(a *Ask) {
	n.Free.CPU -= a.Need.CPU
	n.Free.Memory -= a.Need.Memory
	n.Free.ENIs -= a.Need.ENIs
	if len(a.Need.Ports) > 0 {
		n.Free.Ports = slices.Concat(n.Free.Ports, a.Need.Ports)
	}
	if !n.own {
		own := make(map[string]int, len(n.Groups)+1)
		maps.Copy(own, n.Groups)
		n.Groups, n.own = own, true
	}
	n.Groups[a.Group]++
	n.took++
}

// Took is how many tasks it took in Try.
func (n *Node) Took() int { return n.took }

// Place plans the asks in their order, those first for which an instance was
// bought that has capacity. It changes neither of its arguments.
func Place(nodes []Node, asks []Ask) Plan {
	w := newWorld(nodes, least(asks))
	var plan Plan
	left := w.place(asks, func(n *Node, a *Ask) {
		plan.Placed = append(plan.Placed, Placed{
			Task: a.Task, Group: a.Group, Node: n.ID, Zone: n.Zone, Subnet: a.Subnets[n.Zone], Provider: n.Provider,
			free: n.Free, spread: w.spread(a.Group)[w.zone(n)],
		})
	})
	plan.Refused = w.refuse(asks, left)
	return plan
}

// Try is Place for who only asks where there is capacity: it returns the nodes
// as they would be, in their order, and those asks that do not fit, by their
// position.
func Try(nodes []Node, asks []Ask) (then []Node, left []int) {
	w := newWorld(nodes, least(asks))
	left = w.place(asks, func(*Node, *Ask) {})
	return w.nodes, left
}

// place books what fits, and returns what does not.
func (w *world) place(asks []Ask, placed func(*Node, *Ask)) (left []int) {
	take := func(n *Node, a *Ask) {
		placed(n, a)
		w.take(n, a)
	}
	open := w.hand(asks, take)
	left = open[:0] // it is never ahead of what is read
	for _, i := range open {
		if n := w.search(&asks[i]); n != nil {
			take(n, &asks[i])
		} else {
			left = append(left, i)
		}
	}
	return left
}

// hand gives asks what was bought for them, and returns the others.
func (w *world) hand(asks []Ask, take func(*Node, *Ask)) (open []int) {
	for i := range asks {
		if n := w.meant[asks[i].Task]; n != nil && Fits(n, &asks[i]) == "" {
			take(n, &asks[i])
		} else {
			open = append(open, i)
		}
	}
	return open
}

// Why says in a sentence why the node was chosen.
func (p Placed) Why() string {
	return fmt.Sprintf("%s has capacity (%d CPU units, %d MiB and %d interfaces free) and its zone %s runs %d of %s",
		p.Node, p.free.CPU, p.free.Memory, p.free.ENIs, p.Zone, p.spread, p.Group)
}
