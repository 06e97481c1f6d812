package handler

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"berth/internal/model"
)

// Rolling updates of Auto Scaling groups: the instances that were there when
// the group began to launch from something else are replaced batch by batch.
// What is about to be done is in the memo before it is done.

// MemoRoll holds how far a rolling update is, as JSON.
const MemoRoll = "roll"

// LaunchProperties are those whose change makes instances obsolete.
var LaunchProperties = names("LaunchConfigurationName LaunchTemplate VPCZoneIdentifier")

// roll is how far a rolling update is.
type roll struct {
	Obsolete []string  `json:"obsolete"`
	Min      int64     `json:"min"` // the sizes to go back to
	Desired  int64     `json:"desired"`
	Batch    []string  `json:"batch,omitempty"` // being ended
	Fewer    int       `json:"fewer,omitempty"` // of the batch, without a replacement
	New      int       `json:"new,omitempty"`   // instances that the batch waits for
	Since    time.Time `json:"since,omitzero"`  // when these were all in service
	Awaited  int       `json:"awaited,omitempty"`
	Missed   int       `json:"missed,omitempty"` // signals that did not come in time
	Ending   bool      `json:"ending,omitempty"` // only the sizes go back
}

// rolls reports whether the update under way replaces instances.
func rolls(s *Step) bool {
	return s.Record.Prior != nil && s.Update != nil && s.Update.Rolling != nil && s.changed(LaunchProperties...)
}

func (s *Step) rolling() (*roll, bool) {
	var st roll
	if json.Unmarshal([]byte(s.Record.Memo[MemoRoll]), &st) != nil {
		return &roll{}, false
	}
	return &st, true
}

func (s *Step) keepRoll(st *roll) { s.remember(MemoRoll, asJSON(st)) }

// rollGroup takes one step; done says that all instances are new ones.
func rollGroup(ctx context.Context, s *Step) (done bool, err error) {
	st, begun := s.rolling()
	if !begun {
		return beginRoll(ctx, s)
	}
	defer func() { s.keepRoll(st) }()
	if calm, err := st.endBatch(ctx, s); err != nil || !calm {
		return false, err
	}
	if st.Ending {
		return inService(s.object) == st.Desired, nil
	}
	if heard, err := st.hear(s); err != nil || !heard {
		return false, err
	}
	if old := st.old(s.object); len(old) > 0 {
		st.next(s, old)
		return false, nil
	}
	st.Ending = true
	return false, st.restore(ctx, s)
}

// beginRoll tells what is going to happen, and raises the sizes if there must be
// more instances than the group wants.
func beginRoll(ctx context.Context, s *Step) (done bool, err error) {
	p, g := s.Update.Rolling, s.object
	least, _ := dig(g, "MinSize").(int64)
	most, _ := dig(g, "MaxSize").(int64)
	st := &roll{Obsolete: idsIn(g, "InService", "Pending"), Min: least, Desired: groupSize(g)}
	if len(st.Obsolete) == 0 {
		return true, nil
	}
	if p.MinInService >= most {
		return false, Unheard("MinInstancesInService must be less than the autoscaling group's MaxSize")
	}
	batch := min(p.MaxBatchSize, int64(len(st.Obsolete)))
	st.tellBegin(s, batch)
	if size := min(p.MinInService+batch, most); size > st.Desired {
		s.Note(fmt.Sprintf("Temporarily setting autoscaling group MinSize and DesiredCapacity to %d.", size))
		st.New = int(size - st.Desired)
		err = st.resize(ctx, s, size, size)
	}
	if err == nil && len(p.SuspendProcesses) > 0 {
		err = s.do(ctx, autoscalingGroups, "SuspendProcesses", processesOf(s))
	}
	if err == nil {
		s.keepRoll(st)
	}
	return false, err
}

func (st *roll) tellBegin(s *Step, batch int64) {
	p := s.Update.Rolling
	text := fmt.Sprintf("Rolling update initiated. Terminating %d obsolete instance(s) in batches of %d, "+
		"while keeping at least %d instance(s) in service.", len(st.Obsolete), batch, p.MinInService)
	if p.WaitOnSignals {
		text += " Waiting on resource signals with a timeout of " + isoText(p.PauseTime) +
			" when new instances are added to the autoscaling group."
	}
	s.Note(text)
}

func (st *roll) resize(ctx context.Context, s *Step, least, desired int64) error {
	return s.do(ctx, autoscalingGroups, "UpdateAutoScalingGroup",
		map[string]any{"AutoScalingGroupName": s.id(), "MinSize": least, "DesiredCapacity": desired})
}

func processesOf(s *Step) map[string]any {
	processes := make([]any, len(s.Update.Rolling.SuspendProcesses))
	for i, p := range s.Update.Rolling.SuspendProcesses {
		processes[i] = p
	}
	return map[string]any{"AutoScalingGroupName": s.id(), "ScalingProcesses": processes}
}

// restore gives the group its sizes and processes back.
func (st *roll) restore(ctx context.Context, s *Step) error {
	if err := st.resize(ctx, s, st.Min, st.Desired); err != nil || len(s.Update.Rolling.SuspendProcesses) == 0 {
		return err
	}
	return s.do(ctx, autoscalingGroups, "ResumeProcesses", processesOf(s))
}

// endBatch ends the instances of the batch; calm says that they are gone and
// that the group has as many in service as it should.
func (st *roll) endBatch(ctx context.Context, s *Step) (calm bool, err error) {
	live := idsIn(s.object, "InService", "Pending")
	for i, id := range st.Batch {
		if !slices.Contains(live, id) {
			continue
		}
		fewer := i < st.Fewer
		if fewer {
			// A group does not get smaller than its least size.
			if err := st.resize(ctx, s, st.Min, groupSize(s.object)); err != nil {
				return false, err
			}
		}
		return false, s.do(ctx, autoscalingGroups, "TerminateInstanceInAutoScalingGroup",
			map[string]any{"InstanceId": id, "ShouldDecrementDesiredCapacity": fewer})
	}
	left := slices.ContainsFunc(idsIn(s.object, "Terminating", "Terminating:Wait"), func(id string) bool {
		return slices.Contains(st.Batch, id)
	})
	return !left && inService(s.object) >= groupSize(s.object), nil
}

// hear waits for the signals of the batch's new instances, or pauses.
func (st *roll) hear(s *Step) (bool, error) {
	p := s.Update.Rolling
	if st.Since.IsZero() && len(st.Batch)+st.New > 0 {
		st.Since = s.Now
		st.Awaited += st.New
		st.tellEnded(s)
	}
	waited := s.Now.Sub(st.Since)
	if !p.WaitOnSignals {
		return st.New == 0 || waited >= p.PauseTime, nil
	}
	good, bad := s.heard()
	if missing := st.Awaited - st.Missed - good - bad; missing > 0 && waited >= p.PauseTime {
		st.Missed += missing
		s.Note(fmt.Sprintf("Failed to receive %d resource signal(s) for the current batch.  "+
			"Each resource signal timeout is counted as a FAILURE.", missing))
	}
	if failed := bad + st.Missed; int64(failed*100) > int64(len(st.Obsolete))*(100-p.MinSuccessful) {
		return false, Unheard("Received %d FAILURE signal(s) out of %d. Unable to satisfy %d%% MinSuccessfulInstancesPercent requirement",
			failed, st.Awaited, p.MinSuccessful)
	}
	return good+bad+st.Missed >= st.Awaited, nil
}

// tellEnded tells what came of the batch's old instances and is awaited of its
// new ones.
func (st *roll) tellEnded(s *Step) {
	if len(st.Batch) > 0 {
		gone := len(st.Obsolete) - len(st.old(s.object))
		s.Note(fmt.Sprintf("Successfully terminated instance(s) [%s] (Progress %d%%).", strings.Join(st.Batch, ","), gone*100/len(st.Obsolete)))
	}
	if s.Update.Rolling.WaitOnSignals && st.New > 0 {
		s.Note(fmt.Sprintf("New instance(s) added to autoscaling group - Waiting on %d resource signal(s) with a timeout of %s.",
			st.New, isoText(s.Update.Rolling.PauseTime)))
	}
}

// next chooses which instances go now.
func (st *roll) next(s *Step, old []string) {
	p, now := s.Update.Rolling, inService(s.object)
	n := min(p.MaxBatchSize, int64(len(old)), max(now-p.MinInService, 1))
	made := now - int64(len(old))
	replaced := min(max(st.Desired-made, 0), n)
	st.Batch, st.Fewer, st.New, st.Since = old[:n], int(n-replaced), int(replaced), time.Time{}
	s.Note(fmt.Sprintf("Terminating instance(s) [%s]; replacing with %d new instance(s).", strings.Join(st.Batch, ","), replaced))
}

// old are the obsolete instances that are still in a group.
func (st *roll) old(group any) []string {
	live := idsIn(group, "InService", "Pending", "Terminating", "Terminating:Wait")
	return slices.DeleteFunc(slices.Clone(st.Obsolete), func(id string) bool { return !slices.Contains(live, id) })
}

// idsIn are a group's instances in one of some states.
func idsIn(group any, states ...string) []string {
	var out []string
	for _, i := range list(dig(group, "Instances")) {
		if slices.Contains(states, digText(i, "LifecycleState")) {
			out = append(out, digText(i, "InstanceId"))
		}
	}
	return out
}

// heard counts the signals of the act under way.
func (s *Step) heard() (good, bad int) {
	for _, sig := range s.Signals {
		if sig.Status == model.SignalSuccess {
			good++
		} else {
			bad++
		}
	}
	return good, bad
}

// isoText is a duration as templates write it: PT1H5M.
func isoText(d time.Duration) string {
	text := "PT"
	for _, u := range []struct {
		name string
		of   time.Duration
	}{{"H", time.Hour}, {"M", time.Minute}, {"S", time.Second}} {
		if n := d / u.of; n > 0 {
			text += fmt.Sprintf("%d%s", n, u.name)
			d -= n * u.of
		}
	}
	if text == "PT" {
		return "PT0S"
	}
	return text
}
