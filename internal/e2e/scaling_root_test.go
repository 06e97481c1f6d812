//go:build root

package e2e_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"
)

const versionCloudWatch = "2010-08-01"

// TestRootLoadScalesOutAndItsEndScalesIn keeps the page's CPUs busy until the
// target tracking policy has added tasks, then lets go until they are gone.
func TestRootLoadScalesOutAndItsEndScalesIn(t *testing.T) {
	h := deployed(t, "DesiredCount=1", "BakeMinutes=0", scales)
	h.rests(1)
	rest := busy(t, h.url)
	began := time.Now()
	var most int
	desired := func(p picture) int {
		n := p.Clusters[0].Services[0].Desired
		most = max(most, n)
		return n
	}
	h.until("the load has made at least three tasks", func(p picture) bool { return desired(p) >= 3 })
	out := time.Since(began)
	rest()
	began = time.Now()
	h.until("one task is left", func(p picture) bool { return desired(p) == 1 && p.Clusters[0].Services[0].Running == 1 })
	if most > 8 {
		t.Errorf("%d tasks were desired, the maximum is 8", most)
	}
	t.Logf("three tasks after %.1f s, one again %.1f s after the load's end, at most %d", out.Seconds(), time.Since(began).Seconds(), most)

	did := h.json("AnyScaleFrontendService.DescribeScalingActivities", map[string]any{"ServiceNamespace": "ecs"})
	var said []string
	for _, a := range list(did["ScalingActivities"]) {
		said = append(said, text(a["StatusCode"])+" "+text(a["Description"])+" "+text(a["Cause"]))
	}
	for _, want := range []string{
		"Successful Setting desired count to 1. monitor alarm TargetTracking-service/hello/hello-AlarmLow-", "-AlarmHigh-",
	} {
		if !strings.Contains(strings.Join(said, "\n"), want) {
			t.Errorf("no activity says %q:\n%s", want, strings.Join(said, "\n"))
		}
	}
	alarms := h.query(versionCloudWatch, "DescribeAlarms", "AlarmNamePrefix", "TargetTracking-service/hello/hello-")
	for _, want := range []string{"-AlarmHigh-", "-AlarmLow-", "CPUUtilization"} {
		if !strings.Contains(alarms, want) {
			t.Errorf("the alarms have no %s:\n%s", want, alarms)
		}
	}
	// In percent of what is reserved. A minute is a second here, and the quota
	// is given in tenths of it: a second may have more than its share.
	if highest := h.cpu(); highest <= 60 || highest > 200 {
		t.Errorf("the highest CPUUtilization was %v", highest)
	}
	h.finish()
}

// busy asks for work of the CPUs until rest is called.
func busy(t *testing.T, url string) (rest func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	host, target := hostOf(url)
	var work sync.WaitGroup
	for range 4 {
		work.Go(func() {
			for ctx.Err() == nil {
				req, err := http.NewRequestWithContext(ctx, http.MethodGet, target+"/busy?ms=100", nil)
				if err != nil {
					return
				}
				req.Host = host
				if res, err := http.DefaultClient.Do(req); err == nil {
					_, _ = io.Copy(io.Discard, res.Body)
					_ = res.Body.Close()
				}
			}
		})
	}
	t.Cleanup(func() { cancel(); work.Wait() })
	return func() { cancel(); work.Wait() }
}

// cpu is the highest CPUUtilization of the service in the last hours.
func (h *hello) cpu() (highest float64) {
	h.t.Helper()
	out := h.query(versionCloudWatch, "GetMetricStatistics", "Namespace", "AWS/ECS", "MetricName", "CPUUtilization", "Period", "60",
		"Statistics.member.1", "Average",
		"Dimensions.member.1.Name", "ClusterName", "Dimensions.member.1.Value", "hello", "Dimensions.member.2.Name", "ServiceName",
		"Dimensions.member.2.Value", "hello",
		"StartTime", h.now().Add(-4*time.Hour).Format(time.RFC3339), "EndTime", h.now().Format(time.RFC3339))
	for _, point := range strings.Split(out, "<Average>")[1:] {
		var v float64
		if _, err := fmt.Sscanf(point, "%g", &v); err != nil {
			h.t.Fatalf("a data point reads %.40q", point)
		}
		highest = max(highest, v)
	}
	return highest
}

// now is the time of the control plane's clock.
func (h *hello) now() time.Time {
	h.t.Helper()
	word, _, _ := strings.Cut(h.run("clock"), " ")
	at, err := time.Parse(time.RFC3339, word)
	if err != nil {
		h.t.Fatal(err)
	}
	return at
}
