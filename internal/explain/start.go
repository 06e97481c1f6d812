package explain

import (
	"fmt"
	"strings"

	"berth/internal/model"
	"berth/internal/state"
	"berth/internal/store"
)

// instancePolicy is what the agent of an instance of the user's own needs.
const instancePolicy = "AmazonEC2ContainerServiceforEC2Role"

// Started adds to the explanation of an instance of the user's own what its agent
// says of its start on the machine: how its user data ended, which cluster it is to
// join, and why it has not. Answers about other things stay as they are.
func Started(v store.Reader, a *Answer, b model.Boot) {
	in, ok := state.Instances.Get(v, a.Subject)
	if !ok || a.Kind != "instance" || in.Kind != model.KindEC2 || in.State != model.InstanceRunning {
		return
	}
	for _, f := range b.Failures {
		a.say("its user data: %s", broke(f))
	}
	for _, t := range b.Trouble {
		a.say("its ecs.config: %s", t)
	}
	if in.Status != "" {
		a.say("its agent joined the cluster %s", in.Cluster)
		return
	}
	a.prefer(absence(v, in, b))
	if len(b.Failures) > 0 {
		a.say("berth logs %s has the output of its user data", in.ID)
		a.Log = in.ID
	}
}

func broke(f model.BootFailure) string {
	if f.Exit == 0 {
		return f.Last
	}
	return fmt.Sprintf("%s failed with exit %d%s", f.Part, f.Exit, first(prefixed("; the last that it wrote: ", f.Last), ""))
}

func prefixed(prefix, s string) string {
	if s == "" {
		return ""
	}
	return prefix + s
}

// absence says what lets an agent come that is not registered.
func absence(v store.Reader, in model.Instance, b model.Boot) (cure, log string) {
	_, there := state.Clusters.Get(v, b.Cluster)
	switch {
	case b.UserData == model.UserDataRuns:
		return "its user data still run, and its agent starts when they have ended: berth logs " + in.ID, in.ID
	case b.Held:
		return "its user data stopped the agent (stop ecs, systemctl disable ecs) and did not start it again: take that out of them", ""
	case in.ProfileARN == "":
		return "it has no instance profile, so its agent has no credentials: name one in the launch template, whose role has " + instancePolicy, ""
	case b.Cluster != "" && !there && b.RefusedCode != "" && !isDenial(b.RefusedCode):
		return fmt.Sprintf("there is no cluster %s, which its user data name: make it, or write the name of another into /etc/ecs/ecs.config",
			b.Cluster), ""
	case isDenial(b.RefusedCode):
		return fmt.Sprintf("its agent may not register (%s): attach %s to the role of its instance profile", b.Refused, instancePolicy), ""
	case b.Refused != "":
		return first(unreached(v, in, agentServices...), "its agent could not register: "+b.Refused), ""
	}
	return "", ""
}

// isDenial reports whether AWS's code says that a caller may not do it.
func isDenial(code string) bool {
	return strings.HasPrefix(code, "AccessDenied") || strings.HasPrefix(code, "UnrecognizedClient")
}
