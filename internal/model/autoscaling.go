package model

import (
	"strconv"
	"time"
)

// LaunchTemplate is a launch template of EC2 with its versions. Key: ID (lt-…).
type LaunchTemplate struct {
	ID        string                  `json:"id" w:"api/ec2"`
	Name      string                  `json:"name" w:"api/ec2"`
	CreatedBy string                  `json:"createdBy" w:"api/ec2"`
	CreatedAt time.Time               `json:"createdAt" w:"api/ec2"`
	Default   int64                   `json:"default" w:"api/ec2"`
	Latest    int64                   `json:"latest" w:"api/ec2"`
	Versions  []LaunchTemplateVersion `json:"versions" w:"api/ec2"`
	Tags      []Tag                   `json:"tags,omitempty" w:"api/ec2"`
}

// Version is the number of the version that is meant by $Latest, $Default, "" or
// a number; 0 is none.
func (t LaunchTemplate) Version(which string) int64 {
	switch which {
	case "$Latest":
		return t.Latest
	case "", "$Default":
		return t.Default
	}
	n, _ := strconv.ParseInt(which, 10, 64)
	return n
}

// LaunchTemplateVersion is one version of a launch template.
type LaunchTemplateVersion struct {
	Number      int64     `json:"number"`
	Description string    `json:"description,omitempty"`
	CreatedBy   string    `json:"createdBy"`
	CreatedAt   time.Time `json:"createdAt"`
	// Data is the request's LaunchTemplateData as JSON: it is shown as it was
	// given, and read when an instance is launched.
	Data string `json:"data"`
}

// LaunchConfiguration is a launch configuration of EC2 Auto Scaling. Key: Name.
type LaunchConfiguration struct {
	Name      string    `json:"name" w:"api/autoscaling"`
	ARN       string    `json:"arn" w:"api/autoscaling"`
	CreatedAt time.Time `json:"createdAt" w:"api/autoscaling"`
	// Data is the request as JSON.
	Data string `json:"data" w:"api/autoscaling"`
}

// GroupTag is a tag of an Auto Scaling group.
type GroupTag struct {
	Key       string `json:"key"`
	Value     string `json:"value"`
	Propagate bool   `json:"propagate,omitempty"` // to instances, at launch
}

// GroupTraffic is a target group in which a group's instances are registered.
type GroupTraffic struct {
	TargetGroup string `json:"targetGroup"` // ARN
	Removing    bool   `json:"removing,omitempty"`
}

// AutoScalingGroup is an Auto Scaling group. Key: Name. Its instances are those
// that name it.
type AutoScalingGroup struct {
	Name                string     `json:"name" w:"api/autoscaling"`
	ARN                 string     `json:"arn" w:"api/autoscaling"`
	Min                 int64      `json:"min" w:"api/autoscaling,controllers/scaling"`
	Max                 int64      `json:"max" w:"api/autoscaling,controllers/scaling"`
	Desired             int64      `json:"desired" w:"api/autoscaling,controllers/scaling"`
	Cooldown            int64      `json:"cooldown" w:"api/autoscaling"` // seconds
	LaunchConfiguration string     `json:"launchConfiguration,omitempty" w:"api/autoscaling"`
	Template            string     `json:"template,omitempty" w:"api/autoscaling"` // launch template id
	TemplateVersion     string     `json:"templateVersion,omitempty" w:"api/autoscaling"`
	Subnets             []string   `json:"subnets" w:"api/autoscaling"`
	TerminationPolicies []string   `json:"terminationPolicies,omitempty" w:"api/autoscaling"`
	Suspended           []string   `json:"suspended,omitempty" w:"api/autoscaling"` // processes
	NewProtected        bool       `json:"newProtected,omitempty" w:"api/autoscaling"`
	HealthCheckGrace    int64      `json:"healthCheckGrace,omitempty" w:"api/autoscaling"` // seconds
	Tags                []GroupTag `json:"tags,omitempty" w:"api/autoscaling"`
	CreatedAt           time.Time  `json:"createdAt" w:"api/autoscaling"`
	Deleting            bool       `json:"deleting,omitempty" w:"api/autoscaling"`
	// Protected are its instances that scaling in spares, Unhealthy those that
	// SetInstanceHealth called so.
	Protected []string `json:"protected,omitempty" w:"api/autoscaling,controllers/group"`
	Unhealthy []string `json:"unhealthy,omitempty" w:"api/autoscaling"`
	// Metrics are those of the group that are published once a minute.
	Metrics []string `json:"metrics,omitempty" w:"api/autoscaling"`
	// Traffic are the target groups in which instances are registered while
	// they are in service.
	Traffic []GroupTraffic `json:"traffic,omitempty" w:"api/autoscaling,controllers/group"`
	// HealthByTraffic is whether a target group's health checks count
	// (HealthCheckType ELB), and Sick are the instances that failed them.
	HealthByTraffic bool     `json:"healthByTraffic,omitempty" w:"api/autoscaling"`
	Sick            []string `json:"sick,omitempty" w:"controllers/group"`
	// Leaving are instances that TerminateInstanceInAutoScalingGroup named.
	Leaving []string `json:"leaving,omitempty" w:"api/autoscaling"`
	// Warmup is how long a new instance is not counted on by policies; nil is
	// as long as the cooldown. Why tells why the desired capacity is what it
	// is, until the group has it.
	Warmup *int64 `json:"warmup,omitempty" w:"api/autoscaling"`
	Why    string `json:"why,omitempty" w:"api/autoscaling,controllers/group,controllers/scaling"`
	// NextTryAt is not before when launches are tried again after one failed.
	NextTryAt time.Time `json:"nextTryAt,omitzero" w:"controllers/group"`
	Failures  int64     `json:"failures,omitempty" w:"controllers/group"` // in a row
}

// GroupTarget is the key under which the scaling policies and scheduled actions
// of a group are kept, among those of Application Auto Scaling's targets.
func GroupTarget(group string) string {
	return ScalableTarget{Namespace: "autoscaling", ResourceID: group, Dimension: "autoScalingGroup"}.Key()
}

// GroupActivity is an activity of an Auto Scaling group. Key: ID, which is also
// the client token of the launch. What is under way has no end.
type GroupActivity struct {
	ID          string         `json:"id" w:"controllers/group"`
	Group       string         `json:"group" w:"controllers/group"`
	Instance    string         `json:"instance,omitempty" w:"controllers/group"`
	Launch      bool           `json:"launch,omitempty" w:"controllers/group"`
	Subnet      string         `json:"subnet,omitempty" w:"controllers/group"`
	Zone        string         `json:"zone,omitempty" w:"controllers/group"`
	Cause       string         `json:"cause" w:"controllers/group"`
	Description string         `json:"description" w:"controllers/group"`
	Status      ActivityStatus `json:"status" w:"controllers/group"`
	Message     string         `json:"message,omitempty" w:"controllers/group"`
	StartAt     time.Time      `json:"startAt" w:"controllers/group"`
	EndAt       time.Time      `json:"endAt,omitzero" w:"controllers/group"`
}
