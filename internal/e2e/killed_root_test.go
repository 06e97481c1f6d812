//go:build root

package e2e_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"strconv"
	"sync"
	"testing"

	"github.com/anishathalye/porcupine"

	"berth/internal/await"
)

// Clients of the server that is killed, and the families of task definitions that
// they register revisions of.
const (
	clients  = 64
	families = 8
)

// revision is what a family has: its newest number and the image in it.
type revision struct {
	number int64
	image  string
}

// registration is a call of a client: it adds a revision, or it looks.
type registration struct {
	family int
	image  string // "": it looks
}

// answered is what came back; known is whether anything did.
type answered struct {
	revision
	known bool
}

// registrations is the model of a family: each registration takes the next number.
var registrations = porcupine.Model{
	Partition: func(history []porcupine.Operation) [][]porcupine.Operation {
		parts := make([][]porcupine.Operation, families)
		for _, op := range history {
			i := op.Input.(registration).family
			parts[i] = append(parts[i], op)
		}
		return parts
	},
	Init: func() any { return revision{} },
	Step: func(state, input, output any) (bool, any) {
		was, in, out := state.(revision), input.(registration), output.(answered).revision
		if in.image == "" {
			return out == was, was
		}
		return out == revision{was.number + 1, in.image}, out
	},
}

// killing is a server that is killed while clients call it, and what they saw.
type killing struct {
	*hello
	mu    sync.Mutex
	ops   []porcupine.Operation
	now   int64
	acked map[string]int64 // the number by the image
}

// call makes a call and notes when it began and ended, and what came of it.
func (k *killing) call(client int, in registration, make func() (answered, error)) error {
	k.mu.Lock()
	k.now++
	op := porcupine.Operation{ClientId: client, Input: in, Call: k.now}
	k.mu.Unlock()
	out, err := make()
	k.mu.Lock()
	defer k.mu.Unlock()
	k.now++
	op.Output, op.Return = out, k.now
	k.ops = append(k.ops, op)
	if out.known && in.image != "" {
		k.acked[in.image] = out.number
	}
	return err
}

func (k *killing) count() int {
	k.mu.Lock()
	defer k.mu.Unlock()
	return len(k.acked)
}

// register adds a revision.
func (k *killing) register(ctx context.Context, in registration) (answered, error) {
	out, err := callECS(ctx, k.addr, "RegisterTaskDefinition", map[string]any{
		"family":               family(in.family),
		"containerDefinitions": []any{map[string]any{"name": "c", "image": in.image, "memory": 128}},
	})
	if err != nil {
		return answered{}, err
	}
	return answered{shown(out), true}, nil
}

func family(i int) string { return fmt.Sprint("family-", i) }

// shown reads a revision out of an answer.
func shown(out map[string]any) revision {
	def, _ := out["taskDefinition"].(map[string]any)
	number, _ := def["revision"].(float64)
	containers := list(def["containerDefinitions"])
	if len(containers) == 0 {
		return revision{}
	}
	return revision{int64(number), text(containers[0]["image"])}
}

// look notes what each family has; one that is not there has nothing.
func (k *killing) look() {
	k.t.Helper()
	for i := range families {
		_ = k.call(clients, registration{family: i}, func() (answered, error) {
			out, err := callECS(await.Context(k.t), k.addr, "DescribeTaskDefinition", map[string]any{"taskDefinition": family(i)})
			if err != nil {
				return answered{known: true}, nil //nolint:nilerr // there is none yet, which the model holds
			}
			return answered{shown(out), true}, nil
		})
	}
}

// round starts the server, lets the clients write until so many writes were
// acknowledged in all, and kills it.
func (k *killing) round(n, until int) {
	k.t.Helper()
	k.serve()
	k.look()
	ctx, cancel := context.WithCancel(await.Context(k.t))
	defer cancel()
	var all sync.WaitGroup
	for c := range clients {
		all.Go(func() {
			for i := 0; ctx.Err() == nil; i++ {
				in := registration{family: (c + i) % families, image: fmt.Sprintf("r%d-c%d-i%d", n, c, i)}
				if k.call(c, in, func() (answered, error) { return k.register(ctx, in) }) != nil {
					return
				}
			}
		})
	}
	k.await("enough is acknowledged", func() bool { return k.count() >= until })
	kill9(k.t, k.pid())
	all.Wait() // nobody answers them
}

// TestRootKilledWhileClientsWrite kills the server with kill -9 while 64 clients
// write over HTTP, again and again (20 times, or KILLS): each write that was
// acknowledged is there in the end, and all that was seen is linearizable.
func TestRootKilledWhileClientsWrite(t *testing.T) {
	kills := 20
	if n, err := strconv.Atoi(os.Getenv("KILLS")); err == nil {
		kills = n
	}
	k := &killing{hello: &hello{berth: start(t)}, acked: map[string]int64{}}
	if err := os.MkdirAll(k.data, 0o700); err != nil {
		t.Fatal(err)
	}
	chance := rand.New(rand.NewPCG(1, uint64(kills)))
	for n := range kills {
		k.round(n, k.count()+1+chance.IntN(200))
	}
	k.serve()
	k.look()
	history := k.history(k.allThere())
	if !porcupine.CheckOperations(registrations, history) {
		t.Errorf("the history of %d operations is not linearizable", len(history))
	}
	t.Logf("%d kills, %d writes acknowledged, %d operations in the history", kills, len(k.acked), len(history))
	k.finish()
}

// allThere reads every revision of every family, and misses none that was
// acknowledged. It returns their numbers by their images.
func (k *killing) allThere() map[string]int64 {
	k.t.Helper()
	there := map[string]int64{}
	for i := range families {
		for n := int64(1); ; n++ {
			name := family(i) + ":" + strconv.FormatInt(n, 10)
			got, err := callECS(await.Context(k.t), k.addr, "DescribeTaskDefinition", map[string]any{"taskDefinition": name})
			if err != nil {
				break // the last one was before it: numbers have no holes, which the model holds
			}
			there[shown(got).image] = n
		}
	}
	for image, n := range k.acked {
		if there[image] != n {
			k.t.Errorf("%s was acknowledged as revision %d, and is %d", image, n, there[image])
		}
	}
	return there
}

// history is what was seen, with what came of the writes that were not answered:
// they are there, or have never happened, since nothing removes a revision.
func (k *killing) history(there map[string]int64) (out []porcupine.Operation) {
	for _, op := range k.ops {
		in, got := op.Input.(registration), op.Output.(answered)
		if n := there[in.image]; !got.known && n > 0 {
			op.Output = answered{revision{n, in.image}, true}
		} else if !got.known {
			continue
		}
		out = append(out, op)
	}
	return out
}
