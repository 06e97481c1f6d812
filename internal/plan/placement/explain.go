package placement

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"berth/internal/ident"
)

const met = "no container instance met all of its requirements"

// closeness orders causes from the least to the most promising: the last one
// that occurs names the closest instance.
var closeness = []string{
	CauseProvider, CauseHost, CauseZone, CauseArchitecture, CauseMember, CauseDistinct, CausePort, CauseENI, CauseCPU, CauseMemory,
}

// codes are the causes in the words of RunTask's failures.
var codes = map[string]string{
	CauseZone: "LOCATION", CauseArchitecture: "ATTRIBUTE", CauseMember: "MemberOf placement constraint unsatisfied.",
	CauseDistinct: "DistinctInstance placement constraint unsatisfied.", CausePort: "RESOURCE:PORTS", CauseENI: "RESOURCE:ENI",
	CauseCPU: "RESOURCE:CPU", CauseMemory: "RESOURCE:MEMORY", BlockedAgent: "AGENT",
}

func (w *world) explain(a *Ask) *Reason {
	counts := map[string]int{}
	var near *Node
	rank, of := -2, 0
	for i := range w.nodes {
		n := &w.nodes[i]
		cause := Fits(n, a)
		if cause == CauseProvider {
			continue
		}
		of++
		counts[cause]++
		if cause == BlockedUnregistered {
			continue // to AWS it is not there before it has registered
		}
		if r := slices.Index(closeness, cause); r > rank || r == rank && n.ID < near.ID {
			near, rank = n, r
		}
	}
	out := nowhere(a)
	out.Counts = counts
	if of > 0 {
		out.Why = fmt.Sprintf("%s: of %s, %s; the task needs %s", met, instances(of), list(counts), w.need(a))
	}
	if near != nil {
		out.Near = near.ARN
		out.Event = fmt.Sprintf("%s. The closest matching container-instance %s %s.", met, ident.Last(near.ARN), Fits(near, a))
		if a.EC2 {
			out.Event = fmt.Sprintf("%s. The closest matching (container-instance %s) %s.%s", met, ident.Last(near.ARN), Fits(near, a), more)
		}
		out.Code = cmp.Or(codes[Fits(near, a)], out.Code)
	}
	return out
}

// NoInstances is what ECS says of a cluster without container instances.
const NoInstances = "No Container Instances were found in your cluster."

// more is how ECS ends what it tells a service on EC2.
const more = " For more information, see the Troubleshooting section of the Amazon ECS Developer Guide."

// nowhere is the reason while there is no instance at all.
func nowhere(a *Ask) *Reason {
	if a.EC2 {
		return &Reason{
			Why:   met + ": the cluster has no instance of launch type EC2",
			Event: met + ". Reason: " + NoInstances + more, Code: NoInstances,
		}
	}
	return &Reason{
		Provider: a.Provider, Why: met + ": capacity provider " + a.Provider + " has no instance",
		Event: met + ". Reason: No Container Instances were found in your capacity provider.", Code: "EMPTY CAPACITY PROVIDER",
	}
}

func instances(n int) string {
	if n == 1 {
		return "1 instance"
	}
	return strconv.Itoa(n) + " instances"
}

func (w *world) need(a *Ask) string {
	s := fmt.Sprintf("%d CPU units and %d MiB", a.Need.CPU, a.Need.Memory)
	if a.Need.ENIs > 0 {
		s += " and an interface"
	}
	if len(a.Need.Ports) > 0 {
		s += " and host ports " + strings.Join(a.Need.Ports, " ")
	}
	return s
}

// list writes counts by cause, the commonest first.
func list(counts map[string]int) string {
	causes := make([]string, 0, len(counts))
	for c := range counts {
		causes = append(causes, c)
	}
	slices.SortFunc(causes, func(a, b string) int {
		if counts[a] != counts[b] {
			return counts[b] - counts[a]
		}
		return strings.Compare(a, b)
	})
	for i, c := range causes {
		causes[i] = fmt.Sprintf("%d %s", counts[c], c)
	}
	return strings.Join(causes, ", ")
}
