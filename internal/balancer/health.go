package balancer

import (
	"bufio"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strconv"
	"strings"
	"time"
)

const (
	textNotInUse     = "Target group is not configured to receive traffic from the load balancer"
	textRegistration = "Target registration is in progress"
	textInitial      = "Initial health checks in progress"
	textDraining     = "Target deregistration is in progress"
	textDisabled     = "Health checks are disabled for this target"
)

// firstCheck is how long after its registration a target is checked first,
// on the control plane's clock. About a second was observed on AWS.
const firstCheck = time.Second

// matcher accepts status codes: "200", "200,202", "200-299".
type matcher [][2]int

func parseMatcher(s string) (matcher, error) {
	var m matcher
	for one := range strings.SplitSeq(s, ",") {
		lo, hi, isRange := strings.Cut(strings.TrimSpace(one), "-")
		a, err := strconv.Atoi(lo)
		if err != nil {
			return nil, fmt.Errorf("matcher %q: %w", s, err)
		}
		b := a
		if isRange {
			if b, err = strconv.Atoi(hi); err != nil {
				return nil, fmt.Errorf("matcher %q: %w", s, err)
			}
		}
		m = append(m, [2]int{a, b})
	}
	return m, nil
}

func (m matcher) accepts(code int) bool {
	for _, r := range m {
		if code >= r[0] && code <= r[1] {
			return true
		}
	}
	return false
}

// applyConfig brings a target's state and checks in line with a configuration.
func (b *Balancer) applyConfig(t *target, g *group, cfg Target) {
	t.group.Store(g)
	if !cfg.Draining {
		t.drains.Store(false)
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.cfg = cfg
	switch {
	case t.gone:
	case cfg.Draining:
		t.stopChecks()
		t.setState(StateDraining, "Target.DeregistrationInProgress", textDraining)
	case !g.used:
		t.stopChecks()
		t.setState(StateUnused, "Target.NotInUse", textNotInUse)
	case !g.cfg.Health.Enabled:
		t.stopChecks()
		t.setState(StateUnavailable, "Target.HealthCheckDisabled", textDisabled)
	case t.timer == nil:
		t.setState(StateInitial, "Elb.RegistrationInProgress", textRegistration)
		t.passes, t.fails = 0, 0
		b.plan(t, firstCheck)
	}
}

// stopChecks is called with the target's lock held.
func (t *target) stopChecks() {
	if t.timer != nil {
		t.timer.Stop()
		t.timer = nil
	}
	t.epoch++
}

// setState is called with the target's lock held.
func (t *target) setState(state, reason, text string) {
	t.state, t.reason, t.text = state, reason, text
}

// minCheckGap is what a check waits in real time when it is due already: on a
// clock that runs very fast checks would follow each other without a pause.
const minCheckGap = 50 * time.Millisecond

// plan is called with the target's lock held.
func (b *Balancer) plan(t *target, after time.Duration) {
	t.epoch++
	epoch := t.epoch
	c, check := b.deps.Clock, func() { b.check(t, epoch) }
	if after <= 0 {
		c, after = b.deps.Real, minCheckGap
	}
	t.timer = c.AfterFunc(after, check)
}

// check runs one health check. The next one is due one interval after this
// one began, or when it ends, if that is later.
func (b *Balancer) check(t *target, epoch int) {
	g := t.group.Load()
	t.mu.Lock()
	if t.gone || t.epoch != epoch {
		t.mu.Unlock()
		return
	}
	if t.state == StateInitial && t.reason == "Elb.RegistrationInProgress" {
		t.setState(StateInitial, "Elb.InitialHealthChecking", textInitial)
	}
	began := b.deps.Clock.Now()
	t.mu.Unlock()
	b.changed()
	b.work.Go(func() {
		reason, text := b.probe(g, t)
		b.conclude(t, epoch, began, reason, text)
	})
}

func (b *Balancer) conclude(t *target, epoch int, began time.Time, reason, text string) {
	g := t.group.Load()
	now := b.deps.Clock.Now()
	t.mu.Lock()
	if t.gone || t.epoch != epoch {
		t.mu.Unlock()
		return
	}
	changed := t.count(g.cfg.Health, reason, text)
	if changed && t.state == StateHealthy {
		t.healthy = now
	}
	b.plan(t, g.cfg.Health.Interval-now.Sub(began))
	t.mu.Unlock()
	if changed {
		g.refresh()
		b.changed()
	}
}

// count takes in the outcome of one check; it is called with the lock held. A
// new target is healthy after one pass; one that had failed needs as many as
// the threshold says (docs/facts/deployments.md D126).
func (t *target) count(h Health, reason, text string) bool {
	was, why := t.state, t.text
	if reason == "" {
		t.passes, t.fails = t.passes+1, 0
		if t.state == StateInitial || t.passes >= h.Healthy {
			t.setState(StateHealthy, "", "")
		}
	} else {
		t.passes, t.fails = 0, t.fails+1
		if t.state == StateUnhealthy || t.fails >= h.Unhealthy {
			t.setState(StateUnhealthy, reason, text)
		}
	}
	return t.state != was || t.text != why
}

// probe asks a target how it is; an empty reason is a pass.
func (b *Balancer) probe(g *group, t *target) (reason, text string) {
	ctx, cancel := context.WithTimeout(b.ctx, g.cfg.Health.Timeout)
	defer cancel()
	code, err := b.ask(ctx, g, t)
	var late net.Error
	switch {
	case err == nil && g.matcher.accepts(code):
		return "", ""
	case err == nil:
		return "Target.ResponseCodeMismatch", fmt.Sprintf("Health checks failed with these codes: [%d]", code)
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, os.ErrDeadlineExceeded), errors.As(err, &late) && late.Timeout():
		return "Target.Timeout", "Request timed out"
	default:
		return "Target.FailedHealthChecks", "Health checks failed"
	}
}

// ask makes one request on a connection of its own.
func (b *Balancer) ask(ctx context.Context, g *group, t *target) (int, error) {
	t.mu.Lock()
	cfg := t.cfg
	t.mu.Unlock()
	n := g.lb.nodeFor(cfg.Zone)
	if n == nil {
		return 0, errors.New("the load balancer has no node")
	}
	place, err := n.net()
	if err != nil {
		return 0, err
	}
	h := g.cfg.Health
	port := h.Port
	if port == 0 {
		port = cfg.Port
	}
	address := net.JoinHostPort(cfg.IP, strconv.Itoa(port))
	c, err := place.DialContext(ctx, "tcp", address)
	if err != nil {
		return 0, err
	}
	defer func() { _ = c.Close() }()
	if d, ok := ctx.Deadline(); ok {
		_ = c.SetDeadline(d)
	}
	if h.TLS {
		// ALB does not verify the certificates of targets.
		c = tls.Client(c, &tls.Config{InsecureSkipVerify: true}) // documented behavior of ALB
	}
	if _, err := io.WriteString(
		c,
		"GET "+h.Path+" HTTP/1.1\r\nHost: "+address+"\r\nConnection: close\r\nUser-Agent: ELB-HealthChecker/2.0\r\nAccept-Encoding: gzip, "+
			"compressed\r\n\r\n",
	); err != nil {
		return 0, err
	}
	res, err := http.ReadResponse(bufio.NewReader(c), nil)
	if err != nil {
		return 0, err
	}
	_ = res.Body.Close()
	return res.StatusCode, nil
}
