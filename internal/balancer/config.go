package balancer

import (
	"net/netip"
	"slices"
	"time"

	"berth/internal/balancer/http1"
)

// Config is everything that a data plane serves: it is handed over whole and
// may be stored as JSON.
type Config struct {
	// HostAddress is where every listener also listens on the host itself,
	// for example 127.0.0.1; "" is nowhere.
	HostAddress string `json:"hostAddress,omitempty"`
	// Guarded says that clients of the host are clients on the Internet: they
	// reach public load balancers alone, and whom those let in. Otherwise every
	// load balancer answers them.
	Guarded bool `json:"guarded,omitempty"`
	// Published are more addresses of the host, where public load balancers
	// answer to whom they let in.
	Published     []string       `json:"published,omitempty"`
	LoadBalancers []LoadBalancer `json:"loadBalancers"`
	Groups        []Group        `json:"groups"`
}

// LoadBalancer is one application load balancer.
type LoadBalancer struct {
	ID string `json:"id"` // ARN
	// Name is the full name of metric dimensions: app/NAME/HEX.
	Name string `json:"name"`
	// Host is the DNS name; it tells load balancers apart that share a port
	// of the host.
	Host      string     `json:"host"`
	Nodes     []Node     `json:"nodes"`
	Listeners []Listener `json:"listeners"`
	// IdleTimeout is how long a connection may be silent, in real time.
	IdleTimeout time.Duration `json:"idleTimeout"`
	// KeepAlive is how long a client's connection may live, in real time.
	KeepAlive time.Duration `json:"keepAlive"`
	// ForwardedFor is append, preserve or remove.
	ForwardedFor string `json:"forwardedFor"`
	// ClientPort adds the client's port to X-Forwarded-For.
	ClientPort bool `json:"clientPort,omitempty"`
	// PreserveHost leaves the Host header as the client sent it.
	PreserveHost bool `json:"preserveHost,omitempty"`
	// DropInvalidHeaders removes header fields with names that are not
	// letters, digits and hyphens.
	DropInvalidHeaders bool `json:"dropInvalidHeaders,omitempty"`
	// Address is one of the host's loopback addresses that is this load
	// balancer's alone; "" is none.
	Address string `json:"address,omitempty"`
	// Public load balancers answer at addresses of the host, to clients that
	// one of Sources has.
	Public  bool     `json:"public,omitempty"`
	Sources []Source `json:"sources,omitempty"`
	// Desync says what becomes of requests that are not compliant.
	Desync Desync `json:"desync,omitempty"`
	// HTTP2 offers HTTP/2 on TLS listeners.
	HTTP2 bool `json:"http2"`
}

// Source is who may connect to a range of ports.
type Source struct {
	Prefix netip.Prefix `json:"prefix"`
	From   int          `json:"from"`
	To     int          `json:"to"`
}

// Admits reports whether a client on the Internet may connect to a port.
func (lb *LoadBalancer) Admits(client netip.Addr, port int) bool {
	return slices.ContainsFunc(lb.Sources, func(s Source) bool { return s.From <= port && port <= s.To && s.Prefix.Contains(client) })
}

// Desync is a mode of desync mitigation.
type Desync string

// The modes; defensive is the default.
const (
	Monitor   Desync = "monitor"
	Defensive Desync = "defensive"
	Strictest Desync = "strictest"
)

// verdict says whether a request of a class is blocked, and if it is not,
// whether its connections end with it. What is severe has connections of its
// own in every mode that lets it through.
func (d Desync) verdict(c http1.Class) (blocked, alone bool) {
	switch d {
	case Monitor:
		return false, c == http1.Severe
	case Strictest:
		return c > http1.Compliant, false
	default:
		return c == http1.Severe, c == http1.Ambiguous
	}
}

// Node is a place where a load balancer stands: it listens there and dials
// its targets from there.
type Node struct {
	ID   string `json:"id"`   // what Deps.Open understands, an eni-…
	Zone string `json:"zone"` // availability zone
	IP   string `json:"ip"`
}

// Listener is one port of a load balancer.
type Listener struct {
	ID   string `json:"id"`
	Port int    `json:"port"`
	// Certificates make the listener HTTPS; the first one is the default.
	Certificates []Certificate `json:"certificates,omitempty"`
	// Rules in the order of evaluation; the last has no conditions.
	Rules []Rule `json:"rules"`
}

// Certificate is a chain and its key, PEM.
type Certificate struct {
	Chain string `json:"chain"`
	Key   string `json:"key"`
}

// Rule says what happens to a request that meets all conditions.
type Rule struct {
	ID         string      `json:"id"`
	Conditions []Condition `json:"conditions,omitempty"`
	Action     Action      `json:"action"`
}

// Condition is one condition; any of its values will do.
type Condition struct {
	// Field: host-header, path-pattern, http-request-method, source-ip,
	// http-header, query-string.
	Field  string   `json:"field"`
	Header string   `json:"header,omitempty"`
	Values []string `json:"values,omitempty"` // with * and ?
	Regex  []string `json:"regex,omitempty"`
	Query  []Pair   `json:"query,omitempty"` // Key may be ""
}

// Pair is a key and a value of a query string.
type Pair struct {
	Key   string `json:"key,omitempty"`
	Value string `json:"value"`
}

// Action is exactly one of its three kinds.
type Action struct {
	Forward  *Forward  `json:"forward,omitempty"`
	Fixed    *Fixed    `json:"fixed,omitempty"`
	Redirect *Redirect `json:"redirect,omitempty"`
}

// Forward sends the request to one of several groups by weight.
type Forward struct {
	Groups []Weight `json:"groups"`
	// Sticky keeps a client with its group for that long; 0 is off.
	Sticky time.Duration `json:"sticky,omitempty"`
}

// Weight is a group's share.
type Weight struct {
	Group  string `json:"group"`
	Weight int    `json:"weight"`
}

// Fixed answers by itself.
type Fixed struct {
	Status      int    `json:"status"`
	ContentType string `json:"contentType,omitempty"`
	Body        string `json:"body,omitempty"`
}

// Redirect answers with another address; the parts may hold #{protocol},
// #{host}, #{port}, #{path} and #{query}.
type Redirect struct {
	Status   int    `json:"status"`
	Protocol string `json:"protocol"`
	Host     string `json:"host"`
	Port     string `json:"port"`
	Path     string `json:"path"`
	Query    string `json:"query"`
}

// Group is a target group.
type Group struct {
	ID string `json:"id"` // ARN
	// Name is the full name of metric dimensions: targetgroup/NAME/HEX.
	Name string `json:"name"`
	// Version is HTTP1, HTTP2 or GRPC.
	Version string   `json:"version"`
	Targets []Target `json:"targets"`
	Health  Health   `json:"health"`
	// Algorithm is round_robin, least_outstanding_requests or
	// weighted_random.
	Algorithm string `json:"algorithm"`
	// Cookie is lb_cookie, app_cookie, or "" without stickiness.
	Cookie       string        `json:"cookie,omitempty"`
	CookieName   string        `json:"cookieName,omitempty"` // of an app_cookie
	CookieFor    time.Duration `json:"cookieFor,omitempty"`
	SlowStart    time.Duration `json:"slowStart,omitempty"`
	MinHealthy   int           `json:"minHealthy"`             // fewer: traffic goes to all
	MinHealthyPC int           `json:"minHealthyPc,omitempty"` // the same in percent; 0 is off
}

// Target is one registered target.
type Target struct {
	ID   string `json:"id"` // as registered
	IP   string `json:"ip"`
	Port int    `json:"port"`
	Zone string `json:"zone,omitempty"`
	// Since tells one registration from the next of the same address.
	Since time.Time `json:"since"`
	// Draining targets get no new requests and may finish what they have.
	Draining bool `json:"draining,omitempty"`
}

// Health is a group's health check.
type Health struct {
	Enabled bool   `json:"enabled"`
	Path    string `json:"path"`
	Port    int    `json:"port,omitempty"` // 0 is the traffic port
	TLS     bool   `json:"tls,omitempty"`
	// Interval is on the control plane's clock, Timeout is real time.
	Interval  time.Duration `json:"interval"`
	Timeout   time.Duration `json:"timeout"`
	Healthy   int           `json:"healthy"`   // passes that heal an unhealthy target
	Unhealthy int           `json:"unhealthy"` // failures in a row that make one unhealthy
	Matcher   string        `json:"matcher"`   // "200", "200,202", "200-299"; gRPC codes for GRPC
}

// Report is what a data plane has to say.
type Report struct {
	// LoadBalancers are the ids of those that are served.
	LoadBalancers []string         `json:"loadBalancers,omitempty"`
	Targets       []TargetReport   `json:"targets,omitempty"`
	Listeners     []ListenerReport `json:"listeners,omitempty"`
}

// TargetReport is one target's health as AWS words it, and its work.
type TargetReport struct {
	Group       string    `json:"group"`
	ID          string    `json:"id"`
	Port        int       `json:"port"`
	Since       time.Time `json:"since"`
	State       string    `json:"state"`
	Reason      string    `json:"reason,omitempty"`
	Description string    `json:"description,omitempty"`
	InFlight    int       `json:"inFlight,omitempty"`
}

// ListenerReport tells why a listener does not listen somewhere; an empty
// Trouble is a listener that is up everywhere but at published addresses and its
// load balancer's own.
type ListenerReport struct {
	ID      string `json:"id"`
	Trouble string `json:"trouble,omitempty"`
	// AnswersOn is the port of this host that answers instead, 0 if none.
	AnswersOn int `json:"answersOn,omitempty"`
	// OwnTrouble is why it does not listen at its load balancer's own address,
	// and OwnAnswersOn the port there that answers instead, 0 if none.
	OwnTrouble   string `json:"ownTrouble,omitempty"`
	OwnAnswersOn int    `json:"ownAnswersOn,omitempty"`
	// Unpublished are the published addresses that it does not answer at, and
	// why.
	Unpublished map[string]string `json:"unpublished,omitempty"`
}
