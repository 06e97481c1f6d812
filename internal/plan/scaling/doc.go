// Package scaling answers how many tasks a service should have, and in which
// state an alarm is: arithmetic on what is handed in, with reasons.
//
// It knows CloudWatch's evaluation of alarms (facts/deployments 3.2) and
// Application Auto Scaling's target tracking and step policies, their
// cooldowns and their reasons not to scale. It sees no store and no clock, and
// may be called by anybody, concurrently.
package scaling
