package placement

import (
	"cmp"
	"hash/fnv"
	"strings"

	"berth/internal/model"
)

// evenly is how tasks of the launch type EC2 are placed that say nothing
// (docs/facts/ec2-launch-type.md E110).
var evenly = []model.PlacementStrategy{
	{Type: "spread", Field: "attribute:ecs.availability-zone"}, {Type: "spread", Field: "instanceId"},
}

// tally counts tasks by group and by the value of a field of their nodes.
type tally map[string]map[string]int

func (t tally) add(group, value string, n int) { add(t, group, value, n) }

// prefer finds the node that fits and comes first by the ask's strategies:
// the first decides, the next among equals, and the id at last.
func (w *world) prefer(a *Ask) *Node {
	var best *Node
	for i := range w.nodes {
		if n := &w.nodes[i]; Fits(n, a) == "" && (best == nil || w.compare(n, best, a) < 0) {
			best = n
		}
	}
	return best
}

func (w *world) compare(x, y *Node, a *Ask) int {
	for _, s := range a.Strategy {
		if c := w.by(s, x, y, a); c != 0 {
			return c
		}
	}
	return strings.Compare(x.ID, y.ID)
}

func (w *world) by(s model.PlacementStrategy, x, y *Node, a *Ask) int {
	switch {
	case s.Type == "random":
		return cmp.Compare(draw(a.Task, x.ID), draw(a.Task, y.ID))
	case s.Type == "binpack" && strings.EqualFold(s.Field, "cpu"):
		return cmp.Compare(x.Free.CPU, y.Free.CPU)
	case s.Type == "binpack":
		return cmp.Compare(x.Free.Memory, y.Free.Memory)
	case onInstance(s.Field):
		return cmp.Compare(x.Groups[a.Group], y.Groups[a.Group])
	}
	count := w.spreadOver(s.Field)[a.Group]
	return cmp.Compare(count[x.value(s.Field)], count[y.value(s.Field)])
}

// draw is a number of a task and a node: chance that is the same each time.
func draw(task, node string) uint64 {
	h := fnv.New64a()
	_, _ = h.Write([]byte(task + "\x00" + node))
	return h.Sum64()
}

// onInstance reports whether a field tells every instance apart.
func onInstance(field string) bool {
	return strings.EqualFold(field, "instanceId") || strings.EqualFold(field, "host")
}

// spreadOver is how the tasks of each group are spread over a field's values.
func (w *world) spreadOver(field string) tally {
	t, ok := w.even[field]
	if !ok {
		t = tally{}
		for i := range w.nodes {
			for g, c := range w.nodes[i].Groups {
				t.add(g, w.nodes[i].value(field), c)
			}
		}
		w.even[field] = t
	}
	return t
}

// value is a node's value of a field, "" if it has none.
func (n *Node) value(field string) string {
	if field == "attribute:ecs.availability-zone" {
		return n.Zone
	}
	if v := n.look(field); len(v) > 0 {
		return v[0]
	}
	return ""
}
