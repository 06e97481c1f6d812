package explain

import (
	"regexp"
	"strings"

	"berth/internal/model"
)

// report is what an agent's sentences about a task say. The protocol of the
// ECS agent has no codes (docs/facts/agent-protocol.md A2): an error is its name,
// a colon, and the words of whoever failed, a registry, the kernel or an API.
// This is the only place that reads them.
type report struct {
	text                                                             string
	principal, action                                                string // whom IAM refused what
	assume, noLogGroup, noPull, noImage, full, late, memory, noStart bool
}

var unauthorized = regexp.MustCompile(`(\S+:assumed-role/\S+) is not authorized to perform: (\S+)`)

func agentSaid(t model.Task) report {
	all := t.StoppedReason
	for _, c := range t.Containers {
		all += " " + c.Reason
	}
	has := func(words ...string) bool {
		for _, w := range words {
			if strings.Contains(all, w) {
				return true
			}
		}
		return false
	}
	out := report{
		text: all, assume: has("unable to assume the role"), noLogGroup: has("log group does not exist"),
		noPull:  has("CannotPullContainer"),
		noImage: has("CannotPullContainer") && has("UNKNOWN", "not found"), full: has("no space left on device"),
		late:   has("timeout", "connection issue"),
		memory: has("OutOfMemory"), noStart: has("CannotStartContainer", "CannotCreateContainer"),
	}
	if m := unauthorized.FindStringSubmatch(all); m != nil {
		out.principal, out.action = m[1], m[2]
	}
	return out
}
