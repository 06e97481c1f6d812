package pebble_test

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/anishathalye/porcupine"

	"berth/internal/await"
	"berth/internal/store"
	"berth/internal/store/pebble"
)

// Writers and registers of the process that is killed.
const (
	writers   = 64
	registers = 8
	victim    = "BERTH_VICTIM" // its database's folder
)

// TestMain is the victim if it is told so; else it runs the tests.
func TestMain(m *testing.M) {
	if dir := os.Getenv(victim); dir != "" {
		fmt.Fprintln(os.Stderr, suffer(dir))
		return
	}
	m.Run() // of a database that does not open Pebble leaves a goroutine
}

// register is what each writer replaces the value of.
type register struct{ Name, Value string }

var table = store.NewTable("register", func(r register) register { return r }, func(r register) string { return r.Name })

// suffer lets writers replace values until the process is killed. It says of each
// register what it finds, then of each write when it begins and when it has
// returned; each line is one write to the pipe, so that they are in order.
func suffer(dir string) error {
	kv, err := pebble.Open(dir, pebble.Small(pebble.Options{}))
	if err != nil {
		return err
	}
	db, err := store.Open(context.Background(), kv, table)
	if err != nil {
		return err
	}
	say := func(format string, args ...any) { _, _ = os.Stdout.WriteString(fmt.Sprintf(format+"\n", args...)) }
	for i := range registers {
		r, _ := table.Get(db.View(), fmt.Sprint(i))
		say("found %d %s", i, r.Value)
	}
	var all sync.WaitGroup
	failed := make(chan error, writers)
	for w := range writers {
		all.Go(func() {
			for n := 0; ; n++ {
				name, value := fmt.Sprint((w+n)%registers), fmt.Sprintf("%d-%d-%d", os.Getpid(), w, n)
				say("begin %d %s %s", w, name, value)
				var old register
				_, err := db.Update(context.Background(), nil, func(tx *store.Tx) error {
					old, _ = table.Get(tx, name)
					return table.Put(tx, register{name, value + strings.Repeat(" ", 200)})
				})
				if err != nil {
					failed <- err
					return
				}
				say("end %d %s", w, strings.TrimSpace(old.Value))
			}
		})
	}
	all.Wait()
	return <-failed
}

// write replaces a register's value; what was there is known if it was
// acknowledged.
type write struct {
	name, value string
	read        bool // it only looked
}

type outcome struct {
	old   string
	known bool
}

// model of a register that writers replace the value of. What was under way when
// the process was killed has happened, or not.
var model = (&porcupine.NondeterministicModel{
	Partition: func(history []porcupine.Operation) [][]porcupine.Operation {
		parts := make([][]porcupine.Operation, registers)
		for _, op := range history {
			i, _ := strconv.Atoi(op.Input.(write).name)
			parts[i] = append(parts[i], op)
		}
		return parts
	},
	Init: func() []any { return []any{""} },
	Step: func(state, input, output any) []any {
		in, out := input.(write), output.(outcome)
		switch {
		case out.known && out.old != state:
			return nil
		case in.read:
			return []any{state}
		case out.known:
			return []any{in.value}
		default:
			return []any{state, in.value}
		}
	},
}).ToModel()

// history is what was seen of one victim after the other.
type history struct {
	ops     []porcupine.Operation
	pending map[int]porcupine.Operation // by writer
	now     int64
	acked   int
}

// line takes in what a victim says.
func (h *history) line(text string) error {
	f := strings.Fields(text)
	h.now++
	client, err := strconv.Atoi(f[1])
	if err != nil {
		return err
	}
	last := func() string { return strings.Join(f[2:], "") }
	switch f[0] {
	case "found":
		h.ops = append(h.ops, porcupine.Operation{
			ClientId: writers, Input: write{name: f[1], read: true}, Output: outcome{last(), true}, Call: h.now, Return: h.now,
		})
	case "begin":
		h.pending[client] = porcupine.Operation{ClientId: client, Input: write{name: f[2], value: f[3]}, Call: h.now}
	case "end":
		op := h.pending[client]
		delete(h.pending, client)
		op.Output, op.Return = outcome{last(), true}, h.now
		h.ops = append(h.ops, op)
		h.acked++
	default:
		return errors.New(text)
	}
	return nil
}

// killed says that what is under way never comes back: it has happened by now, or
// never will.
func (h *history) killed() {
	h.now++
	for client, op := range h.pending {
		op.Output, op.Return = outcome{}, h.now
		h.ops = append(h.ops, op)
		delete(h.pending, client)
	}
}

// check fails unless the history is linearizable.
func (h *history) check(t *testing.T) {
	t.Helper()
	if !porcupine.CheckOperations(model, h.ops) {
		t.Fatalf("the history of %d operations is not linearizable", len(h.ops))
	}
}

// TestKilledDuringWrites kills a process with kill -9 while 64 writers are at it,
// again and again (20 times, or KILLS): nothing that was acknowledged is lost, and
// the history over all kills is linearizable.
func TestKilledDuringWrites(t *testing.T) {
	t.Parallel()
	kills := 20
	if n, err := strconv.Atoi(os.Getenv("KILLS")); err == nil {
		kills = n
	}
	dir := filepath.Join(t.TempDir(), "state")
	h := &history{pending: map[int]porcupine.Operation{}}
	chance := rand.New(rand.NewPCG(1, uint64(kills)))
	for range kills {
		h.suffers(t, dir, h.acked+1+chance.IntN(400))
		h.killed()
	}
	h.suffers(t, dir, h.acked) // what is found in the end
	h.check(t)
	t.Logf("%d kills, %d writes acknowledged, %d operations in the history", kills, h.acked, len(h.ops))
}

// suffers runs a victim until so many writes were acknowledged in all.
func (h *history) suffers(t *testing.T, dir string, until int) {
	t.Helper()
	cmd := exec.CommandContext(await.Context(t), os.Args[0])
	cmd.Env = append(os.Environ(), victim+"="+dir)
	var trouble bytes.Buffer
	cmd.Stderr = &trouble
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	found := 0
	for lines := bufio.NewScanner(out); lines.Scan(); {
		if err := h.line(lines.Text()); err != nil {
			t.Fatal(err)
		}
		if strings.HasPrefix(lines.Text(), "found") {
			found++
		}
		if found == registers && h.acked >= until {
			_ = cmd.Process.Signal(syscall.SIGKILL) // again and again until the pipe has ended
		}
	}
	_ = cmd.Wait() // it was killed
	if found != registers || trouble.Len() > 0 {
		t.Fatalf("after %d acknowledged writes: %s", h.acked, &trouble)
	}
}
