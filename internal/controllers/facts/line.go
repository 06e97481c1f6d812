package facts

import (
	"slices"

	"berth/internal/plan/placement"
)

// arrange brings the lines of asks to the parts that were made again.
func (k *Keeper) arrange(tasks []string) {
	out, in := map[string]bool{}, map[string][]placement.Ask{}
	for _, task := range tasks {
		a, waits := k.asks.Part(task)
		if waits && k.replace(a) {
			continue
		}
		if k.waits[task] {
			out[task] = true
		}
		delete(k.waits, task)
		if waits {
			k.waits[task] = true
			in[a.Record.Cluster] = append(in[a.Record.Cluster], a)
		}
	}
	k.remove(out)
	for cluster, asks := range in {
		slices.SortFunc(asks, placement.Compare)
		k.lines[cluster] = merge(k.lines[cluster], asks)
	}
}

// replace puts an ask in the place of the one that the task had, if that has
// not moved.
func (k *Keeper) replace(a placement.Ask) bool {
	line := k.lines[a.Record.Cluster]
	i, found := slices.BinarySearchFunc(line, a, placement.Compare)
	if found {
		line[i] = a
	}
	return found
}

func (k *Keeper) remove(tasks map[string]bool) {
	if len(tasks) == 0 {
		return
	}
	for cluster, line := range k.lines {
		line = slices.DeleteFunc(line, func(a placement.Ask) bool { return tasks[a.Task] })
		if k.lines[cluster] = line; len(line) == 0 {
			delete(k.lines, cluster)
		}
	}
}

// merge puts asks into a line, both in order. It works from the end, where new
// asks mostly belong, and moves no more than it has to.
func merge(line, asks []placement.Ask) []placement.Ask {
	i, k := len(line)-1, len(asks)-1
	line = append(line, asks...)
	for to := len(line) - 1; i >= 0 && k >= 0; to-- {
		if placement.Compare(line[i], asks[k]) > 0 {
			line[to], i = line[i], i-1
		} else {
			line[to], k = asks[k], k-1
		}
	}
	copy(line, asks[:k+1])
	return line
}
