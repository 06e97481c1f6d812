package template

import (
	"regexp"
	"slices"
	"strconv"
	"time"
)

// CreationPolicy says when a new resource is complete.
type CreationPolicy struct {
	// Count is how many signals it waits for, at most Timeout.
	Count   int64
	Timeout time.Duration
	// MinSuccessful is what share of an Auto Scaling group's signals must be
	// successes, in percent.
	MinSuccessful int64
}

// UpdatePolicy says how the instances of an Auto Scaling group follow an
// update.
type UpdatePolicy struct {
	// Rolling replaces instances batch by batch; nil: they stay as they are.
	Rolling *RollingUpdate
	// WillReplace replaces the group.
	WillReplace bool
	// KeepSizes leaves sizes that the template does not change as they are.
	KeepSizes bool
}

// RollingUpdate is how instances are replaced.
type RollingUpdate struct {
	MaxBatchSize  int64
	MinInService  int64
	MinSuccessful int64 // percent
	// PauseTime is how long to wait after a batch; with WaitOnSignals how long
	// at most for a signal of each new instance.
	PauseTime        time.Duration
	WaitOnSignals    bool
	SuspendProcesses []string
}

// What CloudFormation takes when a template says nothing (User Guide,
// "CreationPolicy attribute" and "UpdatePolicy attribute").
const (
	usualSignalTimeout = 5 * time.Minute
	maxSignalTimeout   = 12 * time.Hour
	maxPause           = time.Hour
)

const groupType = "AWS::AutoScaling::AutoScalingGroup"

// waits are the types that take a CreationPolicy.
var waits = []string{groupType, "AWS::EC2::Instance", "AWS::CloudFormation::WaitCondition"}

// readPolicies keeps the policies that are built and notes the others.
func (r *Resource) readPolicies(n *Node) {
	for name, built := range map[string]bool{"CreationPolicy": slices.Contains(waits, r.Type), "UpdatePolicy": r.Type == groupType} {
		p := n.Get(name)
		switch {
		case p == nil || len(p.Items) == 0:
		case !built:
			r.unbuilt = append(r.unbuilt, "the attribute "+name)
		case name == "CreationPolicy":
			r.creation = p
		default:
			r.update = p
		}
	}
	slices.Sort(r.unbuilt)
}

// decidePolicies evaluates a resource's policies.
func (b *Bound) decidePolicies(r *Resource) error {
	for _, p := range []struct {
		name string
		node *Node
		read func(*policyReader, map[string]any)
	}{
		{"CreationPolicy", r.creation, func(p *policyReader, m map[string]any) { r.CreationPolicy = p.creation(m) }},
		{"UpdatePolicy", r.update, func(p *policyReader, m map[string]any) { r.UpdatePolicy = p.update(m) }},
	} {
		if p.node == nil {
			continue
		}
		v, err := b.eval(p.node, Nothing)
		if err != nil {
			return err
		}
		m, ok := v.(map[string]any)
		if !ok {
			return malformed("%s of resource %s must be an object.", p.name, r.ID)
		}
		reader := &policyReader{of: p.name + " of resource " + r.ID}
		if p.read(reader, m); reader.err != nil {
			return reader.err
		}
	}
	return nil
}

// policyReader reads a policy and remembers the first that is wrong with it.
type policyReader struct {
	of  string
	err error
}

func (p *policyReader) wrong(format string, args ...any) {
	if p.err == nil {
		p.err = malformed("Invalid "+p.of+": "+format, args...)
	}
}

// part is a member that is an object.
func (p *policyReader) part(m map[string]any, name string) map[string]any {
	v, ok := m[name].(map[string]any)
	if m[name] != nil && !ok {
		p.wrong("%s must be an object", name)
	}
	return v
}

// only refuses members of other names.
func (p *policyReader) only(m map[string]any, names ...string) {
	for _, k := range sortedNames(m) {
		if !slices.Contains(names, k) {
			p.wrong("Encountered unsupported property %s", k)
		}
	}
}

func (p *policyReader) number(m map[string]any, name string, usual, least, most int64) int64 {
	v, given := m[name]
	if !given {
		return usual
	}
	text, _ := Flat(v)
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil || n < least || n > most {
		p.wrong("%s must be a number from %d to %d, and is %q", name, least, most, text)
	}
	return n
}

func (p *policyReader) truth(m map[string]any, name string) bool {
	v, given := m[name]
	if !given {
		return false
	}
	text, _ := Flat(v)
	b, ok := boolean(text, true)
	if !ok {
		p.wrong("%s must be true or false, and is %q", name, text)
	}
	return b
}

func (p *policyReader) span(m map[string]any, name string, usual, most time.Duration) time.Duration {
	v, given := m[name]
	if !given {
		return usual
	}
	text, _ := Flat(v)
	d, ok := isoDuration(text)
	if !ok || d > most {
		p.wrong("%s must be an ISO 8601 duration of at most %s, as PT#H#M#S, and is %q", name, most, text)
	}
	return d
}

func (p *policyReader) creation(m map[string]any) *CreationPolicy {
	p.only(m, "ResourceSignal", "AutoScalingCreationPolicy")
	signal, group := p.part(m, "ResourceSignal"), p.part(m, "AutoScalingCreationPolicy")
	p.only(signal, "Count", "Timeout")
	p.only(group, "MinSuccessfulInstancesPercent")
	return &CreationPolicy{
		Count:         p.number(signal, "Count", 1, 0, 1000),
		Timeout:       p.span(signal, "Timeout", usualSignalTimeout, maxSignalTimeout),
		MinSuccessful: p.number(group, "MinSuccessfulInstancesPercent", 100, 0, 100),
	}
}

func (p *policyReader) update(m map[string]any) *UpdatePolicy {
	p.only(m, "AutoScalingRollingUpdate", "AutoScalingReplacingUpdate", "AutoScalingScheduledAction")
	replacing, scheduled := p.part(m, "AutoScalingReplacingUpdate"), p.part(m, "AutoScalingScheduledAction")
	p.only(replacing, "WillReplace")
	p.only(scheduled, "IgnoreUnmodifiedGroupSizeProperties")
	u := &UpdatePolicy{
		WillReplace: p.truth(replacing, "WillReplace"), KeepSizes: p.truth(scheduled, "IgnoreUnmodifiedGroupSizeProperties"),
	}
	if rolling := p.part(m, "AutoScalingRollingUpdate"); rolling != nil {
		u.Rolling = p.rolling(rolling)
	}
	return u
}

func (p *policyReader) rolling(m map[string]any) *RollingUpdate {
	p.only(m, "MaxBatchSize", "MinInstancesInService", "MinSuccessfulInstancesPercent", "PauseTime", "SuspendProcesses",
		"WaitOnResourceSignals")
	r := &RollingUpdate{
		MaxBatchSize: p.number(m, "MaxBatchSize", 1, 1, 100), MinInService: p.number(m, "MinInstancesInService", 0, 0, 1000),
		MinSuccessful: p.number(m, "MinSuccessfulInstancesPercent", 100, 0, 100), WaitOnSignals: p.truth(m, "WaitOnResourceSignals"),
	}
	usual := time.Duration(0)
	if r.WaitOnSignals {
		usual = usualSignalTimeout
	}
	r.PauseTime = p.span(m, "PauseTime", usual, maxPause)
	processes, _ := m["SuspendProcesses"].([]any)
	for _, it := range processes {
		text, _ := Flat(it)
		r.SuspendProcesses = append(r.SuspendProcesses, text)
	}
	return r
}

var isoForm = regexp.MustCompile(`^P(?:(\d{1,4})D)?T?(?:(\d{1,6})H)?(?:(\d{1,6})M)?(?:(\d{1,6})S)?$`)

// isoDuration reads a duration such as PT1H30M; months and years have no
// length and are none.
func isoDuration(text string) (time.Duration, bool) {
	m := isoForm.FindStringSubmatch(text)
	if m == nil || text == "P" || text == "PT" {
		return 0, false
	}
	var d time.Duration
	for i, unit := range []time.Duration{24 * time.Hour, time.Hour, time.Minute, time.Second} {
		n, _ := strconv.ParseInt("0"+m[i+1], 10, 64)
		d += time.Duration(n) * unit
	}
	return d, true
}

func sortedNames(m map[string]any) []string {
	names := make([]string, 0, len(m))
	for k := range m {
		names = append(names, k)
	}
	slices.Sort(names)
	return names
}
