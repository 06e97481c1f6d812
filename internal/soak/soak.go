// Package soak keeps a server busy for a long time: it creates, scales,
// deploys, fails and deletes the example in rounds, kills what it can find at
// random moments, and reads the page all along. After each round it counts
// what is left over.
//
// The package itself holds what can be judged without a server: which round
// does what (Story), which failed requests are excused (Outages), what a
// picture of the machine holds that should not be there (Survey), and whether
// figures stay flat (Growth). It reads /proc and /sys and changes nothing; the
// root test beside it does the deeds. Only Outages may be used concurrently.
package soak

import (
	"math/rand/v2"
	"time"
)

// Deed is what a round wants of the stack.
type Deed string

// The deeds.
const (
	Scale    Deed = "scale"         // out to some tasks, then in again
	Deploy   Deed = "deploy"        // a version that the hook takes
	Slow     Deed = "deploy-slow"   // a version about which the hook thinks
	Refused  Deed = "deploy-bad"    // a version that the hook refuses
	Crashing Deed = "deploy-crash"  // an image that ends at once
	Forced   Deed = "deploy-forced" // two new deployments, the second while the first goes on
	Settings Deed = "settings"      // a stack update that changes no task
	StopTask Deed = "stop-task"
	Drain    Deed = "drain"    // an instance
	Recreate Deed = "recreate" // delete the stack, create it
	Abandon  Deed = "abandon"  // delete the stack in mid-deployment, create it
	Nothing  Deed = "rest"
)

// Victim is what a blow hits.
type Victim string

// The victims; all but ServerStop by SIGKILL.
const (
	Server     Victim = "server"
	ServerStop Victim = "server(TERM)"
	Edge       Victim = "edge"
	Instance   Victim = "instance"
	Agent      Victim = "agent"
	Shim       Victim = "shim"
	Page       Victim = "container"
	Sandbox    Victim = "function"
	Runtime    Victim = "runc" // if one is at work at that moment
)

// Blow is one kill of a round.
type Blow struct {
	Victim Victim
	After  time.Duration // since the deed began
	Down   time.Duration // how long a server stays away
	Chance uint64        // chooses among several victims
}

// Round is one turn of the soak.
type Round struct {
	Number int
	Deed   Deed
	Tasks  int // for Scale
	Blows  []Blow
}

// Story tells the rounds of a seed.
type Story struct {
	chance *rand.Rand
	number int
}

// NewStory begins one; equal seeds tell equal stories.
func NewStory(seed uint64) *Story { return &Story{chance: rand.New(rand.NewPCG(seed, 0x50ac))} }

// pick draws one of a list in which what should come more often is repeated.
func pick[T any](s *Story, of ...T) T { return of[s.chance.IntN(len(of))] }

// Of every cycle of rounds, those after the stormy ones leave the server and
// the edge alive: only then can their figures be compared.
const cycle, stormy = 30, 14

// Next is the next round.
func (s *Story) Next() Round {
	s.number++
	r := Round{Number: s.number, Tasks: 1 + s.chance.IntN(8)}
	r.Deed = pick(
		s, Scale, Scale, Deploy, Deploy, Deploy, Slow, Refused, Refused, Crashing, Forced, Settings, StopTask, Drain, Recreate, Recreate, Abandon,
		Nothing,
	)
	victims := []Victim{Server, Server, ServerStop, Edge, Edge, Instance, Instance, Agent, Agent, Shim, Page, Sandbox, Runtime}
	if s.number%cycle > stormy {
		victims = []Victim{Instance, Agent, Shim, Page, Sandbox, Runtime}
	}
	for range pick(s, 0, 1, 1, 1, 2, 2) {
		r.Blows = append(r.Blows, Blow{
			Victim: pick(s, victims...), After: s.within(4 * time.Second), Down: s.within(1500 * time.Millisecond), Chance: s.chance.Uint64(),
		})
	}
	return r
}

func (s *Story) within(d time.Duration) time.Duration {
	return time.Duration(s.chance.Int64N(int64(d)))
}
