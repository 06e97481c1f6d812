// Package scaling answers in which state an alarm is, how many tasks a
// service should have, and which scheduled actions are due: arithmetic on what
// is handed in, with reasons.
//
// It knows CloudWatch's evaluation of alarms, missing data included, and
// Application Auto Scaling's target tracking and step policies, their
// cooldowns, and its reasons not to scale (docs/facts/deployments.md D121, D123). It
// sees no store and no clock, and may be called by anybody, concurrently.
package scaling
