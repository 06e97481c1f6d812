//go:build root

package e2e_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptrace"
	"strings"
	"sync"
	"testing"
	"time"
)

// load is constant traffic at one URL: readers with connections of their own
// that they keep, and readers that connect afresh for every request.
type load struct {
	stop context.CancelFunc
	work sync.WaitGroup

	mu       sync.Mutex
	began    time.Time
	took     time.Duration
	requests int
	again    int // requests that went out twice: their kept connection had been closed
	failures []failure
	slowest  time.Duration
	answered time.Time     // the last good answer
	silence  time.Duration // the longest time without one
	versions map[string]int
}

type failure struct {
	at  time.Time
	why string
}

const (
	readersThatKeep  = 8
	readersThatDial  = 4
	requestsASecond  = 20 // of each reader: 240 in all
	answerWithin     = 20 * time.Second
	leastRate        = 200
	failuresReported = 5
)

// underLoad starts traffic at a load balancer's URL.
func underLoad(t *testing.T, url string) *load {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	l := &load{stop: cancel, began: time.Now(), versions: map[string]int{}}
	host, target := hostOf(url)
	for i := range readersThatKeep + readersThatDial {
		c := &http.Client{Timeout: answerWithin, Transport: &http.Transport{
			DisableKeepAlives: i >= readersThatKeep, DialContext: (&net.Dialer{Timeout: answerWithin}).DialContext,
		}}
		l.work.Go(func() {
			defer c.CloseIdleConnections()
			l.read(ctx, c, host, target+"/json", time.Duration(i)*time.Second/requestsASecond/(readersThatKeep+readersThatDial))
		})
	}
	t.Cleanup(func() { cancel(); l.work.Wait() })
	return l
}

// hostOf splits a load balancer's URL into its Host and where it is answered.
func hostOf(url string) (host, target string) {
	host, _, _ = strings.Cut(strings.TrimPrefix(url, "http://"), "/")
	port := "80"
	if _, p, ok := strings.Cut(host, ":"); ok {
		port = p
	}
	return host, "http://127.0.0.1:" + port
}

// read asks at a constant rate. A slow answer makes the reader late; it makes
// up for that as soon as it can.
func (l *load) read(ctx context.Context, c *http.Client, host, url string, phase time.Duration) {
	next := time.NewTimer(phase)
	defer next.Stop()
	due := time.Now().Add(phase)
	for {
		select {
		case <-ctx.Done():
			return
		case <-next.C:
		}
		began := time.Now()
		version, tries, err := ask(c, host, url)
		l.note(began, time.Since(began), version, tries, err)
		due = due.Add(time.Second / requestsASecond)
		next.Reset(time.Until(due))
	}
}

func ask(c *http.Client, host, url string) (version string, tries int, err error) {
	ctx := httptrace.WithClientTrace(context.Background(), &httptrace.ClientTrace{GotConn: func(httptrace.GotConnInfo) { tries++ }})
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return "", 0, err
	}
	req.Host = host
	res, err := c.Do(req)
	if err != nil {
		return "", tries, err
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		return "", tries, err
	}
	var page struct{ Version string }
	if res.StatusCode != http.StatusOK || json.Unmarshal(body, &page) != nil {
		return "", tries, fmt.Errorf("%s: %.200s", res.Status, body)
	}
	return page.Version, tries, nil
}

func (l *load) note(began time.Time, took time.Duration, version string, tries int, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.requests++
	if tries > 1 {
		l.again++
	}
	l.slowest = max(l.slowest, took)
	if err != nil {
		l.failures = append(l.failures, failure{began, err.Error()})
		return
	}
	l.versions[version]++
	now := began.Add(took)
	if !l.answered.IsZero() {
		l.silence = max(l.silence, now.Sub(l.answered))
	}
	l.answered = now
}

// longestSilence is the longest time in which no request had a good answer.
func (l *load) longestSilence() time.Duration {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.silence
}

// end stops the traffic.
func (l *load) end() {
	l.stop()
	l.work.Wait()
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.took == 0 {
		l.took = time.Since(l.began)
	}
}

func (l *load) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return fmt.Sprintf("%d requests in %.1f s (%.0f a second), %d failed, %d sent again, slowest %v, longest time without a good answer "+
		"%v, by version %v",
		l.requests, l.took.Seconds(), float64(l.requests)/l.took.Seconds(), len(l.failures), l.again, l.slowest.Round(time.Millisecond),
		l.silence.Round(time.Millisecond), l.versions)
}

// endWithout stops the traffic and wants no failure, but those within a while
// of a moment.
func (l *load) endWithout(t *testing.T, what string, but ...func(failure) bool) {
	t.Helper()
	l.end()
	t.Logf("%s: %v", what, l)
	var bad []string
	for _, f := range l.failures {
		excused := false
		for _, ok := range but {
			excused = excused || ok(f)
		}
		if !excused {
			bad = append(bad, fmt.Sprintf("at %.3f s: %s", f.at.Sub(l.began).Seconds(), f.why))
		}
	}
	if n := len(l.failures); n > 0 {
		t.Logf(
			"%s: failures from %.3f s to %.3f s, the first: %s", what, l.failures[0].at.Sub(l.began).Seconds(),
			l.failures[n-1].at.Sub(l.began).Seconds(), l.failures[0].why,
		)
	}
	if len(bad) > 0 {
		t.Errorf(
			"%s: %d requests failed that should not have, among them\n%s", what, len(bad), strings.Join(bad[:min(len(bad), failuresReported)], "\n"),
		)
	}
	if rate := float64(l.requests) / l.took.Seconds(); rate < leastRate {
		t.Logf("%s: this machine was too busy for %d requests a second: %.0f", what, leastRate, rate)
	}
}
