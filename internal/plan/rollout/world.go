package rollout

import (
	"time"

	"berth/internal/model"
)

// Options are the choices that AWS does not document.
type Options struct {
	// BakeFirst waits for the bake time on a service's first deployment too.
	// There is nothing to go back to then, so the default is to skip it.
	BakeFirst bool
	// SteadyEvery is how often a steady service says so again; zero means the
	// six hours observed on AWS.
	SteadyEvery time.Duration
}

// TargetKey finds the registered target of a task in a target group.
type TargetKey struct{ Group, Task string }

// World is all that a decision is taken on. Nothing in it is written to.
type World struct {
	Now     time.Time
	Service model.Service
	// Deployments are those of the service that are not in a final state.
	Deployments []model.ServiceDeployment
	// Revisions and Definitions by ARN: those that the service, its rollouts
	// and its tasks name.
	Revisions   map[string]model.ServiceRevision
	Definitions map[string]model.TaskDefinition
	// Tasks are the service's tasks that are not gone yet, and those that
	// stopped and are still remembered.
	Tasks   []*model.Task
	Targets map[TargetKey]model.Target
	// Rules are the live listener rules by ARN; one that is absent does not
	// exist.
	Rules map[string]model.ListenerRule
	// Alarms holds the state of each alarm by name.
	Alarms map[string]model.AlarmState
	// Zones are the zones of the subnets that its tasks may use.
	Zones map[string]string
	// Draining names the container instances that are being emptied.
	Draining map[string]bool
	// Hosts are the container instances, in order, on each of which a daemon has
	// a task; of other services there are none.
	Hosts []string
	// Calling names the hook runs whose function is being called now, and
	// Replies holds what the others answered since the last look.
	Calling map[string]bool
	Replies map[string]Reply
	// Refusal is why the last desired rule change could not be made, "" if it
	// could.
	Refusal string
	// RefusalCause is model.CauseNotPermitted where the role may not.
	RefusalCause string
	// IDs draws fresh task ids: 32 hexadecimal digits.
	IDs     func() string
	Options Options
}

// Stop is a task to stop.
type Stop struct {
	Task, Code, Reason string
	Cause              string // model.CauseScaling, model.CauseUnhealthy or ""
}

// Shift is a desired set of weights for a rule, to be made as Role.
type Shift struct {
	Rule, Role string
	Default    bool   // a default rule: change its listener
	Listener   string // of the rule
	Targets    []model.WeightedTarget
	Why        string
}

// Call is a hook to be called.
type Call struct {
	Hook, Function, Role string
	Payload              map[string]any
}

// Note is a decision worth recording: a verb and a sentence.
type Note struct {
	Subject, Verb, Reason string
	Facts                 map[string]string // of the decision
}

// Plan is what should be done. Service, Deployments and Revisions are whole
// records as they should be; Deployments and Revisions hold changed ones only.
type Plan struct {
	Service     model.Service
	Deployments []model.ServiceDeployment
	Revisions   []model.ServiceRevision
	Start       []model.Task
	Stop        []Stop
	// Noted and Proven are tasks whose failure, or first health, was counted.
	Noted, Proven []string
	Events        []model.ServiceEvent // without id and time
	// Steady says that the last event repeats an earlier one on purpose.
	Steady bool
	Shifts []Shift
	Calls  []Call
	Notes  []Note
	// At is the next moment at which time alone may change the answer; zero if
	// there is none.
	At time.Time
}
