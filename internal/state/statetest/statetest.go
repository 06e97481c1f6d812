// Package statetest helps tests to bring records where they need them without
// a way around the guard.
package statetest

import (
	"context"
	"fmt"
	"slices"

	"berth/internal/model"
	"berth/internal/state"
	"berth/internal/store"
)

// Walk brings a task to a state by the shortest way of model.TaskMoves, each
// move written by its writer.
func Walk(ctx context.Context, db *state.DB, arn string, to model.TaskStatus) error {
	t, ok := state.Tasks.Get(db.View(), arn)
	if !ok {
		return fmt.Errorf("there is no task %s", arn)
	}
	way := shortest(t, to)
	if way == nil && t.LastStatus != to {
		return fmt.Errorf("nothing leads from %s to %s", t.LastStatus, to)
	}
	for _, m := range way {
		err := db.Update(ctx, m.By, func(tx *store.Tx) error {
			return state.Tasks.Edit(tx, arn, func(t *model.Task) error { t.LastStatus = m.To; return nil })
		})
		if err != nil {
			return err
		}
	}
	return nil
}

type step = model.Move[model.TaskStatus, *model.Task]

// shortest is the way with the fewest moves that are open to the task.
func shortest(t model.Task, to model.TaskStatus) []step {
	ways := [][]step{nil}
	for len(ways) > 0 {
		way := ways[0]
		at := t.LastStatus
		if len(way) > 0 {
			at = way[len(way)-1].To
		}
		if at == to {
			return way
		}
		ways = ways[1:]
		for _, m := range model.TaskMoves {
			if m.From == at && m.By == model.TaskMoves.By(m.From, m.To, &t) {
				ways = append(ways, append(slices.Clone(way), m))
			}
		}
	}
	return nil
}
