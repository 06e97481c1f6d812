package front_test

import (
	"strconv"
	"strings"
	"testing"
	"time"

	"berth/internal/front"
)

// A bucket lets a burst through, then as many calls as flow in, and holds no
// more than its burst.
func TestTheRateOfCalls(t *testing.T) {
	t.Parallel()
	f, _, c := newFront(t)
	h := f.Handler(front.Listener{Limited: true})
	passed := func() (n int) {
		for range 200 {
			status, got := do(h, target(`{"clusterName":"c"}`, "CreateCluster"))
			if status == 200 {
				n++
			} else if status != 400 || !strings.Contains(got, "ThrottlingException") || !strings.Contains(got, "Rate exceeded") {
				t.Fatal(status, got)
			}
		}
		return n
	}
	for _, step := range []struct {
		wait time.Duration
		want int
	}{{0, 20}, {0, 0}, {time.Second, 1}, {3 * time.Second, 3}, {time.Hour, 20}} {
		c.Advance(step.wait)
		if got := passed(); got != step.want {
			t.Errorf("after %v %d calls passed, want %d", step.wait, got, step.want)
		}
	}
	if status, _ := do(h, target(`{"cluster":"other"}`, "DeleteCluster")); status != 400 {
		t.Error("operations of one line have two buckets")
	}
	if status, got := do(h, form("Action=GetRole&Version=2010-05-08&RoleName=r")); status != 200 {
		t.Error("another service was held up:", got)
	}
	if status, _ := do(f.Handler(front.Listener{}), target(`{"clusterName":"c"}`, "CreateCluster")); status != 200 {
		t.Error("a listener without limits was held up")
	}
}

// Each family of protocols has its own word for it.
func TestHowThrottlingIsSaid(t *testing.T) {
	t.Parallel()
	f, _, _ := newFront(t)
	h := f.Handler(front.Listener{Limited: true})
	for text, want := range map[string]string{
		"Action=GetRole&Version=2010-05-08&RoleName=r": "400 <Code>Throttling</Code>",
		"Action=DescribeVpcs&Version=2016-11-15":       "503 <Code>RequestLimitExceeded</Code>",
	} {
		status, got := 0, ""
		for range 101 {
			status, got = do(h, form(text))
		}
		if code, part, _ := strings.Cut(want, " "); code != strconv.Itoa(status) || !strings.Contains(got, part) {
			t.Errorf("%s: %d %s, want %s", text, status, got, want)
		}
	}
}
