//go:build root

package soak_test

import (
	"errors"
	"fmt"
	"maps"
	"net"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"berth/internal/soak"
)

// edgeAnswers is nil when the edge does.
func (w *world) edgeAnswers() error {
	c, err := net.DialTimeout("unix", filepath.Join(w.data, "edge", "edge.sock"), time.Second)
	if err != nil {
		return err
	}
	return c.Close()
}

var stackStatus = regexp.MustCompile(`<StackStatus>(\w+)</StackStatus>`)

// stack waits until the stack rests, in one of the statuses; "" is gone.
func (w *world) stack(limit time.Duration, may ...string) (status string, err error) {
	err = await(limit, 100*time.Millisecond, func() error {
		out, err := w.query(cloudformation, "DescribeStacks", "StackName", "hello")
		switch m := stackStatus.FindStringSubmatch(out); {
		case err != nil && strings.Contains(err.Error(), "does not exist"):
			status = ""
		case err != nil:
			return err
		case m == nil:
			return fmt.Errorf("no status in %s", out)
		default:
			status = m[1]
		}
		if strings.HasSuffix(status, "IN_PROGRESS") {
			return fmt.Errorf("the stack is %s", status)
		}
		return nil
	})
	if err == nil && !slices.Contains(may, status) {
		err = fmt.Errorf("the stack is %q, not one of %v; events:\n%s", status, may, w.failures())
	}
	return status, err
}

var stackEvent = regexp.MustCompile(`(?s)<member>.*?</member>`)

// failures are the last events of the stack that tell of a failure.
func (w *world) failures() string {
	out, err := w.query(cloudformation, "DescribeStackEvents", "StackName", "hello")
	if err != nil {
		return err.Error()
	}
	var lines []string
	for _, e := range stackEvent.FindAllString(out, 60) {
		if strings.Contains(e, "FAILED") || strings.Contains(e, "ROLLBACK") {
			lines = append(lines, regexp.MustCompile(`<[^>]+>`).ReplaceAllString(e, " "))
		}
	}
	return strings.Join(lines[:min(len(lines), 4)], "\n")
}

// send creates or updates the stack with other parameters, and keeps them if
// they are taken.
func (w *world) send(action string, change map[string]string) error {
	want := maps.Clone(w.params)
	maps.Copy(want, change)
	kv := []string{
		"StackName", "hello", "TemplateBody", w.template, "Capabilities.member.1", "CAPABILITY_IAM", "Capabilities.member.2",
		"CAPABILITY_NAMED_IAM",
	}
	for i, k := range slices.Sorted(maps.Keys(want)) {
		n := "Parameters.member." + strconv.Itoa(i+1)
		kv = append(kv, n+".ParameterKey", k, n+".ParameterValue", want[k])
	}
	_, err := w.query(cloudformation, action, kv...)
	switch {
	case err == nil:
		return nil
	case strings.Contains(err.Error(), "No updates"):
		return errNothing
	case strings.Contains(err.Error(), "IN_PROGRESS"), strings.Contains(err.Error(), "AlreadyExists"):
		return nil // the server may have died after it took the call
	default:
		return err
	}
}

// errNothing is that the stack is already as the update asks for: its status is that of
// some round before.
var errNothing = errors.New("there is nothing to update")

// deploy updates the stack and wants one of two ends.
func (w *world) deploy(change map[string]string, may ...string) error {
	switch err := w.send("UpdateStack", change); {
	case errors.Is(err, errNothing):
		maps.Copy(w.params, change)
		return nil
	case err != nil:
		return err
	}
	status, err := w.stack(3*time.Minute, may...)
	if status == "UPDATE_COMPLETE" {
		maps.Copy(w.params, change)
	}
	return err
}

const created, undone = "CREATE_COMPLETE", "ROLLBACK_COMPLETE"

// create makes the stack. A hook may refuse a first deployment whose page or
// load balancer is hit while it looks: on AWS such a stack has to be deleted
// before it can be created again.
func (w *world) create(may ...string) error {
	if err := w.send("CreateStack", nil); err != nil {
		return err
	}
	status, err := w.stack(3*time.Minute, may...)
	if err != nil {
		return err
	}
	if status == undone {
		if err := w.remove(); err != nil {
			return err
		}
		return w.create(created)
	}
	return await(20*time.Second, 20*time.Millisecond, func() error { return ask(api) })
}

func (w *world) remove() error {
	if _, err := w.query(cloudformation, "DeleteStack", "StackName", "hello"); err != nil {
		return err
	}
	_, err := w.stack(3*time.Minute, "", "DELETE_COMPLETE")
	return err
}

func (w *world) service(change map[string]any) error {
	in := map[string]any{"cluster": "hello", "service": "hello"}
	maps.Copy(in, change)
	_, err := w.ecs("UpdateService", in)
	return err
}

const taken, rolledBack = "UPDATE_COMPLETE", "UPDATE_ROLLBACK_COMPLETE"

// gentle is whether a round's blows leave alone what a hook looks at: a
// deployment whose page, hook or load balancer is hit meanwhile may be
// refused.
func gentle(r soak.Round) bool {
	return !slices.ContainsFunc(r.Blows, func(b soak.Blow) bool {
		return b.Victim != soak.Server && b.Victim != soak.ServerStop && b.Victim != soak.Agent
	})
}

// ends are the ends that a good deployment may have.
func ends(r soak.Round) []string {
	if gentle(r) {
		return []string{taken}
	}
	return []string{taken, rolledBack}
}

// do does the deed of a round.
func (w *world) do(r soak.Round) error {
	version := strconv.Itoa(r.Number)
	switch r.Deed {
	case soak.Scale:
		return w.scale(r.Tasks)
	case soak.Deploy:
		return w.deploy(map[string]string{"Version": "v" + version}, ends(r)...)
	case soak.Slow:
		return w.deploy(map[string]string{"Version": "slow" + version}, ends(r)...)
	case soak.Refused:
		return w.deploy(map[string]string{"Version": "bad" + version}, rolledBack)
	case soak.Crashing:
		return w.deploy(map[string]string{"Image": "hello:crash"}, rolledBack)
	case soak.Settings:
		return w.deploy(map[string]string{"BakeMinutes": strconv.Itoa(r.Number % 3)}, ends(r)...)
	case soak.Forced:
		if err := w.service(map[string]any{"forceNewDeployment": true}); err != nil {
			return err
		}
		w.idle(time.Duration(r.Tasks) * 200 * time.Millisecond)
		return w.service(map[string]any{"forceNewDeployment": true})
	case soak.StopTask:
		return w.stopTask(r.Tasks)
	case soak.Drain:
		return w.drain(r.Tasks)
	case soak.Recreate:
		return w.again(r, 0)
	case soak.Abandon:
		if err := w.service(map[string]any{"forceNewDeployment": true}); err != nil {
			return err
		}
		return w.again(r, time.Duration(r.Tasks)*300*time.Millisecond)
	default:
		return nil
	}
}

func (w *world) scale(n int) error {
	if err := w.service(map[string]any{"desiredCount": n}); err != nil {
		return err
	}
	err := await(time.Minute, 300*time.Millisecond, func() error {
		p, err := w.status()
		if err != nil {
			return err
		}
		if len(p.Clusters) != 1 || len(p.Clusters[0].Services) != 1 {
			return errors.New("no service")
		}
		// The scaling policy may take some away meanwhile.
		if s := p.Clusters[0].Services[0]; s.Running != s.Desired {
			return fmt.Errorf("%d of %d tasks run, %d are desired", s.Running, s.Desired, n)
		}
		return nil
	})
	return errors.Join(err, w.service(map[string]any{"desiredCount": 2}))
}

func (w *world) stopTask(n int) error {
	out, err := w.ecs("ListTasks", map[string]any{"cluster": "hello"})
	if err != nil {
		return err
	}
	arns, _ := out["taskArns"].([]any)
	if len(arns) == 0 {
		return nil
	}
	_, err = w.ecs("StopTask", map[string]any{"cluster": "hello", "task": arns[n%len(arns)], "reason": "soak"})
	return err
}

func (w *world) drain(n int) error {
	out, err := w.ecs("ListContainerInstances", map[string]any{"cluster": "hello"})
	if err != nil {
		return err
	}
	arns, _ := out["containerInstanceArns"].([]any)
	if len(arns) == 0 {
		return nil
	}
	_, err = w.ecs("UpdateContainerInstancesState", map[string]any{
		"cluster": "hello", "containerInstances": []any{arns[n%len(arns)]}, "status": "DRAINING",
	})
	return err
}

// again deletes the stack after a while, looks whether anything is left, and
// creates it.
func (w *world) again(r soak.Round, after time.Duration) error {
	w.idle(after)
	gone := w.outages.Begin("the stack is not there", time.Now())
	defer func() { gone.Close(time.Now()) }()
	if err := w.remove(); err != nil {
		return err
	}
	if _, _, strays := w.strays(); len(strays) > 0 {
		w.leak(strays)
	}
	w.weigh("no stack")
	if gentle(r) {
		return w.create(created)
	}
	return w.create(created, undone)
}
