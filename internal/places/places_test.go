package places

import (
	"sync"
	"testing"
)

// As many are connected as there are places but an eighth, which is left for
// those who are served.
func TestWhoWaitsLeavesPlacesForWhoIsServed(t *testing.T) {
	p := New(16)
	here := 0
	for p.Connect() {
		here++
	}
	served := 0
	for p.Serve() {
		served++
	}
	if here != 14 || served != 2 {
		t.Errorf("%d are connected and %d served", here, served)
	}
	p.Leave()
	if !p.Serve() || p.Serve() || p.Connect() {
		t.Error("who has left leaves not just one place")
	}
	for range 3 {
		p.Served()
	}
	if !p.Connect() || p.Connect() {
		t.Error("who is no longer served leaves no place, or who is connected more than theirs")
	}
}

// When all are served, half of the places are for their connections.
func TestEverybodyIsServed(t *testing.T) {
	p := New(100)
	n := 0
	for p.Connect() && p.Serve() {
		n++
	}
	if n != 50 {
		t.Errorf("%d are served", n)
	}
}

// The common bar of open files, 20,000, holds the crowd of ten thousand who say
// nothing and a thousand who are slow, beside others, on the edge and on a
// server that keeps a quarter for the networks.
func TestTheCrowdFits(t *testing.T) {
	const files, idle, slow, others = 20_000, 10_000, 1_000, 100
	for name, p := range map[string]*Places{"edge": Of(files, 0), "server": Of(files, files/4)} {
		for i := range idle + slow + others {
			if !p.Connect() || i >= idle && !p.Serve() {
				t.Fatalf("%s: no place for number %d", name, i)
			}
		}
	}
}

func TestFewFilesAndNoBound(t *testing.T) {
	for _, p := range []*Places{Of(0, 0), New(-1), New(2)} {
		if !p.Connect() || p.Connect() || !p.Serve() || p.Serve() {
			t.Errorf("%+v", p)
		}
	}
	var none *Places
	if !none.Connect() || !none.Serve() {
		t.Error("what has no bound refuses")
	}
	none.Leave()
	none.Served()
}

func TestPlacesAreReturnedByAll(t *testing.T) {
	p := New(64)
	var g sync.WaitGroup
	for range 8 {
		g.Go(func() {
			for range 1000 {
				if p.Connect() {
					if p.Serve() {
						p.Served()
					}
					p.Leave()
				}
			}
		})
	}
	g.Wait()
	if p.taken != 0 || p.here != 0 {
		t.Errorf("%+v", p)
	}
}
