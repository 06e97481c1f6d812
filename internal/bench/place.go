package main

import (
	"context"
	"fmt"
	"syscall"
	"time"

	"berth/internal/model"
	"berth/internal/plan/placement"
)

// placements places a batch of a thousand with zone spread on instances that
// are half full.
func placements(_ context.Context, b *bench) error {
	for _, n := range []int{1000, 10_000} {
		nodes, asks := fleet(n)
		var perSecond []float64
		for range b.rounds {
			var placed int
			began := self()
			for self()-began < 500*time.Millisecond {
				placed += len(placement.Place(nodes, asks).Placed)
			}
			perSecond = append(perSecond, float64(placed)/(self()-began).Seconds())
		}
		var limit *bar
		if n == 10_000 {
			limit = atLeast(50_000, "≥ 50,000 at 10,000")
		}
		b.table.add("placement with zone spread", fmt.Sprintf("berth, %d instances", n), "placements per CPU second", perSecond, limit)
	}
	return nil
}

// self is the CPU time of this process.
func self() time.Duration {
	var u syscall.Rusage
	_ = syscall.Getrusage(syscall.RUSAGE_SELF, &u)
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

func fleet(n int) ([]placement.Node, []placement.Ask) {
	zones := []string{"a", "c", "d"}
	var nodes []placement.Node
	for i := range n {
		nodes = append(nodes, placement.Node{
			ID: fmt.Sprintf("i%05d", i), ARN: fmt.Sprintf("arn:x/c/i%05d", i), Provider: "p", Zone: zones[i%3], Groups: map[string]int{},
			Free: model.Resources{CPU: int64(512 + i*37%2048), Memory: int64(512 + i*101%3700), ENIs: int64(1 + i%11)},
		})
	}
	var asks []placement.Ask
	for i := range 1000 {
		asks = append(asks, placement.Ask{
			Task: fmt.Sprintf("t%04d", i), Group: fmt.Sprintf("service:%d", i%20), Provider: "p",
			Need:    model.Resources{CPU: int64(128 + i*64%512), Memory: int64(128 + i*64%512), ENIs: 1},
			Subnets: map[string]string{"a": "1", "c": "2", "d": "3"},
		})
	}
	return nodes, asks
}
