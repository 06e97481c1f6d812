package balancer

import (
	"math"
	"sync/atomic"
	"time"
)

// Counters are the figures of one load balancer, or of one of its groups,
// since the data plane started: a reader keeps the last ones it saw and takes
// the difference.
type Counters struct {
	LoadBalancer string `json:"loadBalancer"`    // full name
	Group        string `json:"group,omitempty"` // full name; "" for the load balancer itself
	// Values by CloudWatch metric name.
	Values map[string]uint64 `json:"values"`
	// Gauges are of this moment, by CloudWatch metric name.
	Gauges map[string]float64 `json:"gauges,omitempty"`
	// Times counts target response times by bucket (TimeBucket).
	Times []uint64 `json:"times,omitempty"`
	// Seconds is the sum of all response times.
	Seconds float64 `json:"seconds,omitempty"`
}

// timeBuckets span 10 µs to about 10 minutes in steps of 19 %.
const timeBuckets = 104

// TimeBucket is the middle of a bucket of Counters.Times, in seconds.
func TimeBucket(i int) float64 { return 10e-6 * math.Exp2((float64(i)+0.5)/4) }

func bucketOf(d time.Duration) int {
	s := d.Seconds() / 10e-6
	if s < 1 {
		return 0
	}
	return min(int(math.Log2(s)*4), timeBuckets-1)
}

type balancerStats struct {
	requests, fixed, redirects, bytes atomic.Uint64
	newConns, rejected, evaluations   atomic.Uint64
	active                            atomic.Int64
	elb3, elb4, elb5                  atomic.Uint64
	elb500, elb502, elb503, elb504    atomic.Uint64
	tlsErrors, dropped                atomic.Uint64
	ambiguous                         atomic.Uint64
}

// opened counts a connection: of a client, or to a target.
func (s *balancerStats) opened() {
	s.newConns.Add(1)
	s.active.Add(1)
}

func (s *balancerStats) closed() { s.active.Add(-1) }

// evaluated counts the rules that were held against a request until the one
// at an index met it; the default rule does not count.
func (s *balancerStats) evaluated(i int, r *rule) {
	if len(r.tests) > 0 {
		i++
	}
	s.evaluations.Add(uint64(i))
}

func (s *balancerStats) answered(code int) {
	switch code / 100 {
	case 3:
		s.elb3.Add(1)
	case 4:
		s.elb4.Add(1)
	case 5:
		s.elb5.Add(1)
		switch code {
		case 500:
			s.elb500.Add(1)
		case 502:
			s.elb502.Add(1)
		case 503:
			s.elb503.Add(1)
		case 504:
			s.elb504.Add(1)
		}
	}
}

func (s *balancerStats) counters(lb string) Counters {
	return Counters{
		LoadBalancer: lb,
		Values: map[string]uint64{
			"RequestCount":                                    s.requests.Load(),
			"HTTP_Fixed_Response_Count":                       s.fixed.Load(),
			"HTTP_Redirect_Count":                             s.redirects.Load(),
			"ProcessedBytes":                                  s.bytes.Load(),
			"NewConnectionCount":                              s.newConns.Load(),
			"RuleEvaluations":                                 s.evaluations.Load(),
			"HTTPCode_ELB_3XX_Count":                          s.elb3.Load(),
			"HTTPCode_ELB_4XX_Count":                          s.elb4.Load(),
			"HTTPCode_ELB_5XX_Count":                          s.elb5.Load(),
			"HTTPCode_ELB_500_Count":                          s.elb500.Load(),
			"HTTPCode_ELB_502_Count":                          s.elb502.Load(),
			"HTTPCode_ELB_503_Count":                          s.elb503.Load(),
			"HTTPCode_ELB_504_Count":                          s.elb504.Load(),
			"ClientTLSNegotiationErrorCount":                  s.tlsErrors.Load(),
			"RejectedConnectionCount":                         s.rejected.Load(),
			"DroppedInvalidHeaderRequestCount":                s.dropped.Load(),
			"DesyncMitigationMode_NonCompliant_Request_Count": s.ambiguous.Load(),
		},
		Gauges: map[string]float64{"ActiveConnectionCount": float64(s.active.Load())},
	}
}

type groupStats struct {
	requests, connErrors, unhealthyRouted atomic.Uint64
	codes                                 [6]atomic.Uint64 // by hundreds
	times                                 [timeBuckets]atomic.Uint64
	nanos                                 atomic.Int64
}

func (s *groupStats) answered(code int, took time.Duration) {
	if h := code / 100; h < len(s.codes) {
		s.codes[h].Add(1)
	}
	s.times[bucketOf(took)].Add(1)
	s.nanos.Add(int64(took))
}

func (s *groupStats) counters(lb string, g *group) Counters {
	c := Counters{
		LoadBalancer: lb, Group: g.cfg.Name,
		Values: map[string]uint64{
			"RequestCount":                 s.requests.Load(),
			"TargetConnectionErrorCount":   s.connErrors.Load(),
			"HTTPCode_Target_2XX_Count":    s.codes[2].Load(),
			"HTTPCode_Target_3XX_Count":    s.codes[3].Load(),
			"HTTPCode_Target_4XX_Count":    s.codes[4].Load(),
			"HTTPCode_Target_5XX_Count":    s.codes[5].Load(),
			"UnhealthyRoutingRequestCount": s.unhealthyRouted.Load(),
		},
		Times:   make([]uint64, timeBuckets),
		Seconds: time.Duration(s.nanos.Load()).Seconds(),
	}
	for i := range s.times {
		c.Times[i] = s.times[i].Load()
	}
	healthy, unhealthy := 0, 0
	for _, t := range g.targets {
		t.mu.Lock()
		switch t.state {
		case StateHealthy:
			healthy++
		case StateUnhealthy:
			unhealthy++
		}
		t.mu.Unlock()
	}
	c.Gauges = map[string]float64{"HealthyHostCount": float64(healthy), "UnHealthyHostCount": float64(unhealthy)}
	return c
}
