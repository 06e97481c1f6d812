// Package rollout answers one question: which tasks of a service should exist
// now, and what should its deployment do next?
//
// Decide is a function from a World (the service, its deployments, revisions,
// tasks, the health of their targets, the live listener rules, alarms, and the
// moment) to a Plan: tasks to start and to stop with the reason for each,
// stage moves, rule weights desired, hooks to call, events to write, and when
// to look again. It owns the stages of BLUE_GREEN, LINEAR and CANARY, the
// limits of ROLLING, the circuit breaker, alarms, hooks, bake times, rollbacks
// and the texts of ECS. It reads no store and no clock, touches nothing, and
// never writes into the World. controllers/service is its one caller.
//
// Choices where AWS is silent are switches of Options or are said where they
// are made.
package rollout
