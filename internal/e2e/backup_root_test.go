//go:build root

package e2e_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

// makers are clients that make clusters, each one after the other.
type makers struct {
	mu   sync.Mutex
	made []int // by maker: how many were acknowledged
	stop context.CancelFunc
	work sync.WaitGroup
}

func (h *hello) makers(n int) *makers {
	ctx, cancel := context.WithCancel(context.Background())
	m := &makers{made: make([]int, n), stop: cancel}
	for i := range n {
		m.work.Go(func() {
			for j := 0; ctx.Err() == nil; j++ {
				if _, err := callECS(ctx, h.addr, "CreateCluster", map[string]any{"clusterName": fmt.Sprintf("made-%d-%d", i, j)}); err != nil {
					return
				}
				m.mu.Lock()
				m.made[i] = j + 1
				m.mu.Unlock()
			}
		})
	}
	h.t.Cleanup(m.end)
	return m
}

func (m *makers) acknowledged() []int {
	m.mu.Lock()
	defer m.mu.Unlock()
	return append([]int(nil), m.made...)
}

func (m *makers) end() {
	m.stop()
	m.work.Wait()
}

// clusters are those that a maker made and that are there now.
func (h *hello) clusters() map[string]bool {
	h.t.Helper()
	out, in := map[string]bool{}, map[string]any{}
	for {
		page := h.ecs("ListClusters", in)
		arns, _ := page["clusterArns"].([]any)
		for _, arn := range arns {
			_, name, _ := strings.Cut(text(arn), "cluster/")
			out[name] = strings.HasPrefix(name, "made-")
		}
		if in["nextToken"] = page["nextToken"]; text(page["nextToken"]) == "" {
			return out
		}
	}
}

// TestRootABackupUnderLoadServesAgain makes a backup while clients write and the
// page is read, ends everything, and has another folder of the backup serve the
// page again: with all that was acknowledged before it began, and of what came
// meanwhile no later write without the one before.
func TestRootABackupUnderLoadServesAgain(t *testing.T) {
	h := deployed(t, "DesiredCount=2", "BakeMinutes=0")
	h.rests(2)
	file := filepath.Join(t.TempDir(), "backup")
	traffic, m := underLoad(t, h.url), h.makers(8)
	h.await("every client has written", func() bool {
		for _, n := range m.acknowledged() {
			if n < 3 {
				return false
			}
		}
		return true
	})
	before, began := m.acknowledged(), time.Now()
	out := h.run("backup", file)
	took, during := time.Since(began), m.acknowledged()
	m.end()
	traffic.endWithout(t, "a backup")
	info, err := os.Stat(file)
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Fatalf("%v: %v\n%s", info, err, out)
	}
	t.Logf("%d bytes in %v; acknowledged before %v, at its end %v", info.Size(), took.Round(time.Millisecond), before, during)

	was := h.data
	h.run("stop")
	nothingLeft(t, was)
	h.data = filepath.Join(t.TempDir(), "again")
	t.Logf("%s", h.run("restore", file))
	began = time.Now()
	h.serve()
	h.await("the page is there again", func() bool { code, _ := page(t, h.url); return code == 200 })
	t.Logf("the page is there %v after the start", time.Since(began).Round(time.Millisecond))
	h.until("the service has its tasks again", func(p picture) bool {
		return p.Clusters[0].Services[0].Running == 2 && len(p.Clusters[0].Instances) > 0 && len(h.pages()) == 2
	})
	there := h.clusters()
	for i, n := range before {
		j := 0
		for ; there[fmt.Sprintf("made-%d-%d", i, j)]; j++ {
			delete(there, fmt.Sprintf("made-%d-%d", i, j))
		}
		if j < n || j > during[i]+1 {
			t.Errorf("client %d: %d clusters are there, %d were acknowledged before, %d at the end", i, j, n, during[i])
		}
	}
	for name, made := range there {
		if made {
			t.Errorf("%s is there without one before it", name)
		}
	}
	h.stack("CREATE_COMPLETE")
	h.finish()
}
