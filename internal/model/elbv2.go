package model

import "time"

// LoadBalancerState is where a load balancer is in its life.
type LoadBalancerState string

// The states of a load balancer.
const (
	LoadBalancerProvisioning LoadBalancerState = "provisioning"
	LoadBalancerActive       LoadBalancerState = "active"
	LoadBalancerFailed       LoadBalancerState = "failed"
)

// LoadBalancer is an application load balancer. Key: ARN.
type LoadBalancer struct {
	ARN            string            `json:"arn" w:"api/elbv2"`
	Name           string            `json:"name" w:"api/elbv2"`
	DNSName        string            `json:"dnsName" w:"api/elbv2"`
	Scheme         string            `json:"scheme" w:"api/elbv2"` // internet-facing, internal
	Type           string            `json:"type" w:"api/elbv2"`   // application
	IPAddressType  string            `json:"ipAddressType" w:"api/elbv2"`
	VPC            string            `json:"vpc" w:"api/elbv2"`
	Subnets        []string          `json:"subnets" w:"api/elbv2"`
	SecurityGroups []string          `json:"securityGroups" w:"api/elbv2"`
	Attributes     map[string]string `json:"attributes" w:"api/elbv2"`
	Tags           []Tag             `json:"tags,omitempty" w:"api/elbv2"`
	CreatedAt      time.Time         `json:"createdAt" w:"api/elbv2"`
	State          LoadBalancerState `json:"state" w:"api/elbv2,controllers/traffic"`
	StateReason    string            `json:"stateReason,omitempty" w:"api/elbv2,controllers/traffic"`
	// HostAddress is a loopback address of this host, 127.x.y.z, that is this load
	// balancer's alone; an internal one has none.
	HostAddress string `json:"hostAddress,omitempty" w:"controllers/traffic"`
}

// WeightedTarget is one target group of a forward action.
type WeightedTarget struct {
	TargetGroupARN string `json:"targetGroupArn"`
	Weight         int64  `json:"weight"`
}

// Action is one action of a rule.
type Action struct {
	Type  string `json:"type"` // forward, fixed-response, redirect
	Order int64  `json:"order,omitempty"`
	// Forward
	Targets       []WeightedTarget `json:"targets,omitempty"`
	Plain         bool             `json:"plain,omitempty"` // given as a single TargetGroupArn
	StickyEnabled bool             `json:"stickyEnabled,omitempty"`
	StickySeconds int64            `json:"stickySeconds,omitempty"`
	StickySet     bool             `json:"stickySet,omitempty"`
	// Fixed response
	StatusCode  string `json:"statusCode,omitempty"` // also of a redirect: HTTP_301, HTTP_302
	ContentType string `json:"contentType,omitempty"`
	Body        string `json:"body,omitempty"`
	// Redirect
	Protocol string `json:"protocol,omitempty"`
	Host     string `json:"host,omitempty"`
	Port     string `json:"port,omitempty"`
	Path     string `json:"path,omitempty"`
	Query    string `json:"query,omitempty"`
}

// Condition is one condition of a rule.
type Condition struct {
	Field      string   `json:"field"` // path-pattern, host-header, http-header, http-request-method, query-string, source-ip
	Values     []string `json:"values,omitempty"`
	HeaderName string   `json:"headerName,omitempty"`
	// Query holds query-string pairs; Name may be "".
	Query []KeyValue `json:"query,omitempty"`
	Regex []string   `json:"regex,omitempty"`
}

// Listener listens on one port of a load balancer. Key: ARN.
type Listener struct {
	ARN          string `json:"arn" w:"api/elbv2"`
	LoadBalancer string `json:"loadBalancer" w:"api/elbv2"` // ARN
	Port         int64  `json:"port" w:"api/elbv2"`
	Protocol     string `json:"protocol" w:"api/elbv2"` // HTTP, HTTPS
	Tags         []Tag  `json:"tags,omitempty" w:"api/elbv2"`
	// Trouble is why the listener does not answer on this host, for example
	// that its port is taken.
	Trouble string `json:"trouble,omitempty" w:"controllers/traffic"`
	// AnswersOn is the host's port that answers instead of the listener's.
	AnswersOn int64 `json:"answersOn,omitempty" w:"controllers/traffic"`
}

// ListenerRule is a rule of a listener; the default rule has Priority 0 and
// Default set. Key: ARN.
type ListenerRule struct {
	ARN        string      `json:"arn" w:"api/elbv2"`
	Listener   string      `json:"listener" w:"api/elbv2"` // ARN
	Priority   int64       `json:"priority" w:"api/elbv2"`
	Default    bool        `json:"default,omitempty" w:"api/elbv2"`
	Conditions []Condition `json:"conditions,omitempty" w:"api/elbv2"`
	Actions    []Action    `json:"actions" w:"api/elbv2"`
	Tags       []Tag       `json:"tags,omitempty" w:"api/elbv2"`
	Changes    int64       `json:"changes,omitempty" w:"api/elbv2"`          // how often Actions changed
	Served     int64       `json:"served,omitempty" w:"controllers/traffic"` // the Changes that the data plane acts on
}

// InForce reports whether the data plane acts on the rule as it is.
func (r ListenerRule) InForce() bool { return r.Served >= r.Changes }

// TargetGroup is a target group. Key: ARN. Times in seconds.
type TargetGroup struct {
	ARN                string            `json:"arn" w:"api/elbv2"`
	Name               string            `json:"name" w:"api/elbv2"`
	Protocol           string            `json:"protocol" w:"api/elbv2"`
	ProtocolVersion    string            `json:"protocolVersion" w:"api/elbv2"` // HTTP1, HTTP2, GRPC
	Port               int64             `json:"port" w:"api/elbv2"`
	VPC                string            `json:"vpc" w:"api/elbv2"`
	TargetType         string            `json:"targetType" w:"api/elbv2"` // ip, instance
	IPAddressType      string            `json:"ipAddressType" w:"api/elbv2"`
	HealthEnabled      bool              `json:"healthEnabled" w:"api/elbv2"`
	HealthPath         string            `json:"healthPath" w:"api/elbv2"`
	HealthPort         string            `json:"healthPort" w:"api/elbv2"` // traffic-port or a number
	HealthProtocol     string            `json:"healthProtocol" w:"api/elbv2"`
	HealthInterval     int64             `json:"healthInterval" w:"api/elbv2"`
	HealthTimeout      int64             `json:"healthTimeout" w:"api/elbv2"`
	HealthyThreshold   int64             `json:"healthyThreshold" w:"api/elbv2"`
	UnhealthyThreshold int64             `json:"unhealthyThreshold" w:"api/elbv2"`
	Matcher            string            `json:"matcher" w:"api/elbv2"`
	Attributes         map[string]string `json:"attributes" w:"api/elbv2"`
	Tags               []Tag             `json:"tags,omitempty" w:"api/elbv2"`
	CreatedAt          time.Time         `json:"createdAt" w:"api/elbv2"`
}

// TargetState is what a load balancer thinks of a target.
type TargetState string

// The states of a target.
const (
	TargetInitial     TargetState = "initial"
	TargetHealthy     TargetState = "healthy"
	TargetUnhealthy   TargetState = "unhealthy"
	TargetUnused      TargetState = "unused"
	TargetDraining    TargetState = "draining"
	TargetUnavailable TargetState = "unavailable"
)

// Target is a registered target. Key: group ARN + "|" + id + "|" + port.
type Target struct {
	Group        string    `json:"group" w:"api/elbv2,controllers/traffic"`
	ID           string    `json:"id" w:"api/elbv2,controllers/traffic"` // IP address
	Port         int64     `json:"port" w:"api/elbv2,controllers/traffic"`
	Zone         string    `json:"zone,omitempty" w:"api/elbv2,controllers/traffic"`
	Task         string    `json:"task,omitempty" w:"controllers/traffic"` // task ARN when ECS registered it
	RegisteredAt time.Time `json:"registeredAt" w:"api/elbv2,controllers/traffic"`
	// DrainingAt is when deregistration was asked; zero while registered.
	DrainingAt  time.Time   `json:"drainingAt,omitzero" w:"api/elbv2,controllers/traffic"`
	State       TargetState `json:"state" w:"controllers/traffic"`
	Reason      string      `json:"reason,omitempty" w:"controllers/traffic"` // Elb.RegistrationInProgress, …
	Description string      `json:"description,omitempty" w:"controllers/traffic"`
	StateAt     time.Time   `json:"stateAt,omitzero" w:"controllers/traffic"`
}
