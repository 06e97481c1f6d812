package model

import (
	"fmt"
	"slices"
	"strings"
)

// Move is a step that a record of type R may take from one state to another,
// and the only package that writes it.
type Move[S ~string, R any] struct {
	From, To S
	By       string // the writer
	When     string // in words, for the documents
	// If tells apart moves between the same states that have different
	// writers; nil is always. It sees the record as it is to be.
	If func(R) bool
}

// Moves are all steps of a kind of record.
type Moves[S ~string, R any] []Move[S, R]

// TaskMoves are the steps of a task. State refuses every other one in tests
// and in the simulator.
var TaskMoves = Moves[TaskStatus, *Task]{
	{TaskProvisioning, TaskPending, "controllers/network", "it is on an instance and its network is ready", nil},
	{TaskProvisioning, TaskDeprovisioning, "controllers/task", "told to stop, or given up, before it was placed", unplaced},
	{TaskProvisioning, TaskDeprovisioning, "controllers/network", "told to stop before its network was ready", placed},
	{TaskProvisioning, TaskDeprovisioning, "dispatch", "its instance is gone", ranOut},
	{TaskPending, TaskActivating, "dispatch", "the agent reports its containers running", nil},
	{TaskPending, TaskStopping, "controllers/traffic", "told to stop", nil},
	{TaskPending, TaskDeprovisioning, "dispatch", "the agent reports that it did not start, or its instance is gone", nil},
	{TaskActivating, TaskRunning, "controllers/traffic", "registered, or nothing to register", nil},
	{TaskActivating, TaskStopping, "controllers/traffic", "told to stop", nil},
	{TaskActivating, TaskDeprovisioning, "dispatch", "its containers or its instance are gone", nil},
	{TaskRunning, TaskDeactivating, "controllers/traffic", "told to stop, and registered", running},
	{TaskRunning, TaskDeactivating, "dispatch", "its containers or its instance are gone, and it is registered", ranOut},
	{TaskRunning, TaskStopping, "controllers/traffic", "told to stop, and not registered", nil},
	{TaskRunning, TaskDeprovisioning, "dispatch", "its containers or its instance are gone, and it is not registered", nil},
	{TaskDeactivating, TaskStopping, "controllers/traffic", "deregistered and drained", nil},
	{TaskDeactivating, TaskDeprovisioning, "dispatch", "its containers or its instance are gone, and its target groups too", nil},
	{TaskStopping, TaskDeprovisioning, "dispatch", "the agent reports its containers gone, or its instance is", nil},
	{TaskDeprovisioning, TaskStopped, "controllers/network", "its interface is returned, if it had one", nil},
}

func unplaced(t *Task) bool { return t.Instance == "" }
func placed(t *Task) bool   { return t.Instance != "" && running(t) }
func running(t *Task) bool  { return t.ExecutionStoppedAt.IsZero() }
func ranOut(t *Task) bool   { return t.Instance != "" && !running(t) }

// InstanceMoves are the steps of an EC2 instance.
var InstanceMoves = Moves[InstanceState, *Instance]{
	{InstancePending, InstanceRunning, "controllers/instance", "its machine runs", nil},
	{InstancePending, InstanceShuttingDown, "controllers/instance", "it is to end before its machine runs", nil},
	{InstancePending, InstanceTerminated, "controllers/instance", "its machine could not be launched", nil},
	{InstanceRunning, InstanceShuttingDown, "controllers/instance", "it is to end", nil},
	{InstanceRunning, InstanceTerminated, "controllers/instance", "its machine ended by itself", nil},
	{InstanceShuttingDown, InstanceTerminated, "controllers/instance", "its machine is gone", nil},
}

// By is the only package that may move the record from one state to another;
// "" if there is no such move.
func (ms Moves[S, R]) By(from, to S, r R) string {
	i := slices.IndexFunc(ms, func(m Move[S, R]) bool { return m.From == from && m.To == to && (m.If == nil || m.If(r)) })
	if i < 0 {
		return ""
	}
	return ms[i].By
}

// Table is the moves as a table in Markdown.
func (ms Moves[S, R]) Table() string {
	var b strings.Builder
	b.WriteString("| from | to | by | when |\n|---|---|---|---|\n")
	for _, m := range ms {
		fmt.Fprintf(&b, "| %s | %s | `%s` | %s |\n", m.From, m.To, m.By, m.When)
	}
	return b.String()
}
