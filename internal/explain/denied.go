package explain

import (
	"berth/internal/model"
	"berth/internal/state"
	"berth/internal/store"
)

// mostDenied is how many denied calls are told of.
const mostDenied = 20

// deniedCalls tells of the last calls that IAM denied, the newest first, each with
// the statement that decided, or that there was none.
func deniedCalls(v store.Reader) Answer {
	out := Answer{Subject: "calls", Kind: "denied"}
	all := state.Decisions.All(v)
	for i := len(all) - 1; i >= 0 && len(out.Say) < mostDenied; i-- {
		if d := all[i]; d.By == "access" && d.Verb == "denied" {
			out.say("%s  %s: %s", d.At.UTC().Format("2006-01-02 15:04:05"), first(d.Facts[model.FactPrincipal], d.Subject), d.Reason)
		}
	}
	if len(out.Say) == 0 {
		out.say("IAM has denied no call that is still remembered")
		return out
	}
	out.heal("allow the action in a policy of the user, of one of its groups or of the role: aws iam put-user-policy, put-group-policy, "+
		"put-role-policy; a statement that denies must go itself", "")
	return out
}
