package model

// Cause says to programs why something is as it is; the sentence beside it
// says so to people. Who wants to know reads the cause, never the sentence.
type Cause struct {
	Code string `json:"code,omitempty"` // an error code of AWS, or one of the Cause constants
	// Facts are what the sentence names: Fact constants and their values.
	Facts map[string]string `json:"facts,omitempty"`
}

// Codes of causes for which AWS has none.
const (
	CauseStarted      = "Started"          // tasks were started
	CauseUnbalanced   = "Unbalanced"       // zones have unlike numbers of tasks
	CauseBalanced     = "Balanced"         // they have like numbers again
	CauseNotPermitted = "NotPermitted"     // a role may not do what it is for
	CauseRegister     = "RegisterTargets"  // targets could not be registered
	CauseAssumeRole   = "AssumeRole"       // a role could not be assumed
	CauseInvoke       = "Invoke"           // a function could not be called
	CauseNoFunction   = "FunctionNotFound" // there is no such function
	CauseCancelled    = "Cancelled"        // another resource failed first
	CauseScaling      = "Scaling"          // fewer tasks are desired
	CauseUnhealthy    = "Unhealthy"        // the load balancer's health checks failed
)

// Names of facts, in causes and decisions.
const (
	FactPrincipal = "principal" // ARN of who was refused, or a service
	FactAction    = "action"    // what was refused
	FactResource  = "resource"  // ARN of what it was refused on
	FactHost      = "host"      // memory of this host in MiB, where it is too small
	FactProfile   = "profile"   // ARN of an instance profile that cannot be used
	FactLacks     = "lacks"     // what no instance type or subnet has: one of the Lacks
	FactRuns      = "runs"      // the CPU architectures that this host runs
	FactEnded     = "ended"     // with which error a function ended
	FactHook      = "hook"      // target of a lifecycle hook
	FactWhy       = "why"       // why it failed
	FactStatus    = "status"    // what it is
)

// What no instance that could be bought has (FactLacks).
const (
	LacksTypes        = "types"
	LacksConstraints  = "constraints"
	LacksArchitecture = "architecture"
	LacksSubnets      = "subnets"
	LacksSize         = "size"
)
