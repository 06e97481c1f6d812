//go:build root

package soak_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"berth/internal/soak"
)

// reader asks for the page all along: some of its clients keep their
// connections, some connect afresh.
type reader struct {
	outages *soak.Outages
	stop    context.CancelFunc
	work    sync.WaitGroup

	mu       sync.Mutex
	requests int
	failures []failure // of this round
	excused  map[string]int
	failed   int
	slowest  time.Duration
}

type failure struct {
	began, ended time.Time
	why          string
}

const (
	readersThatKeep = 4
	readersThatDial = 4
	requestsASecond = 10 // of each
)

func (w *world) read() *reader {
	ctx, cancel := context.WithCancel(context.Background())
	r := &reader{outages: w.outages, stop: cancel, excused: map[string]int{}}
	for i := range readersThatKeep + readersThatDial {
		c := &http.Client{Timeout: 20 * time.Second, Transport: &http.Transport{DisableKeepAlives: i >= readersThatKeep}}
		r.work.Go(func() {
			defer c.CloseIdleConnections()
			tick := time.NewTicker(time.Second / requestsASecond)
			defer tick.Stop()
			for {
				select {
				case <-ctx.Done():
					return
				case <-tick.C:
				}
				look := func() {
					began := time.Now()
					err := ask(c)
					r.note(began, time.Now(), err)
				}
				if i < readersThatKeep {
					look()
				} else { // who connects afresh waits for nobody before him
					r.work.Go(look)
				}
			}
		})
	}
	r.work.Go(func() { w.watch(ctx) })
	return r
}

// ask wants a page of a version that may be seen.
func ask(c *http.Client) error {
	res, err := c.Get("http://127.0.0.1:" + pagePort + "/json")
	if err != nil {
		return err
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		return err
	}
	var page struct{ Version string }
	switch {
	case res.StatusCode != http.StatusOK || json.Unmarshal(body, &page) != nil:
		return fmt.Errorf("%s: %.200s", res.Status, body)
	case strings.HasPrefix(page.Version, "bad"):
		return fmt.Errorf("the refused version %s was served", page.Version)
	}
	return nil
}

func (r *reader) note(began, ended time.Time, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.requests++
	r.slowest = max(r.slowest, ended.Sub(began))
	if err != nil {
		r.failures = append(r.failures, failure{began, ended, err.Error()})
	}
}

// judge excuses the failures of the round; it returns those that nothing
// excuses.
func (r *reader) judge() (bad []failure, excused, requests int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, f := range r.failures {
		if why := r.outages.Excuse(f.began, f.ended); why != "" {
			r.excused[why]++
			excused++
			continue
		}
		r.failed++
		bad = append(bad, f)
	}
	r.failures = nil
	return bad, excused, r.requests
}

// watch notes when the edge knows no healthy target behind the page. It asks
// the edge itself: the server may be away.
func (w *world) watch(ctx context.Context) {
	socket := filepath.Join(w.data, "edge", "edge.sock")
	c := &http.Client{Timeout: time.Second, Transport: &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, "unix", socket)
	}}}
	defer c.CloseIdleConnections()
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	last := time.Now()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		began := time.Now()
		if n, err := w.healthy(c); err == nil && n == 0 {
			w.outages.Unhealthy(last, time.Now())
		}
		last = began
	}
}

// healthy counts the targets that the page's listener forwards to.
func (w *world) healthy(c *http.Client) (n int, err error) {
	var cfg struct {
		LoadBalancers []struct {
			Listeners []struct {
				Port  int
				Rules []struct {
					Action struct {
						Forward *struct {
							Groups []struct {
								Group  string
								Weight int
							}
						}
					}
				}
			}
		}
	}
	text, err := os.ReadFile(filepath.Join(w.data, "edge", "config.json"))
	if err != nil {
		return 0, err
	}
	if err := json.Unmarshal(text, &cfg); err != nil {
		return 0, err
	}
	serves := map[string]bool{}
	for _, lb := range cfg.LoadBalancers {
		for _, l := range lb.Listeners {
			for _, rule := range l.Rules {
				if fmt.Sprint(l.Port) != pagePort || rule.Action.Forward == nil {
					continue
				}
				for _, g := range rule.Action.Forward.Groups {
					serves[g.Group] = g.Weight > 0
				}
			}
		}
	}
	res, err := c.Get("http://edge/state")
	if err != nil {
		return 0, err
	}
	var state struct {
		Report struct {
			Targets []struct{ Group, State string }
		}
	}
	if err := decode(res, &state); err != nil {
		return 0, err
	}
	for _, x := range state.Report.Targets {
		if serves[x.Group] && x.State == "healthy" {
			n++
		}
	}
	return n, nil
}
