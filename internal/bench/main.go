// Command bench measures Berth beside its peers on this machine and prints
// one table, or JSON: what `make bench` runs.
//
// It owns its data folders, its control groups and every process that it
// starts, and removes them. The stable figure is CPU time per unit of work,
// accounted over whole process trees by control group; figures are medians
// of rounds that alternate between Berth and its peers. A peer that is not in
// PATH is left out; nothing is installed. It needs root, but for
// the sections growth, placement and store.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"runtime/pprof"
	"slices"
	"strings"
	"syscall"
	"time"

	"berth/internal/kernel/cgroup"
)

// bench is one run.
type bench struct {
	bin      string // the program
	probe    string // source of the probe's image
	page     string // source of the example's page
	template string // another stack to deploy, with its image
	image    string
	listen   string
	rounds   int
	least    int // tasks in the growth
	most     int
	profile  string // where the profile of our own CPU goes, or ""
	heap     string // where the profile of what we allocated goes, or ""
	dir      string // everything temporary
	table    *table
}

// section is one part of the run. A detail repeats a part of another section
// and runs only when it is asked for.
type section struct {
	name   string
	run    func(context.Context, *bench) error
	detail bool
	anyone bool // it needs no root and no program
}

func sections() []section {
	return []section{
		{name: "growth", run: growth, anyone: true}, {name: "placement", run: placements, anyone: true},
		{name: "store", run: stores, anyone: true},
		{name: "edge", run: edges}, {name: "boot", run: boots}, {name: "tasks", run: tasks}, {name: "deploy", run: deploys},
		{name: "kinds", run: kinds},
		{name: "crowd", run: crowds, detail: true}, {name: "many", run: manyTasks, detail: true}, {name: "starts", run: taskStarts, detail: true},
	}
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context) error {
	b := &bench{table: &table{}}
	asJSON := flag.Bool("json", false, "print JSON")
	only := flag.String("only", "", "comma-separated sections: "+strings.Join(names(), ", "))
	flag.StringVar(&b.bin, "berth", "bin/berth", "the program")
	flag.StringVar(&b.probe, "probe", "internal/bench/probe", "source of the probe's image")
	flag.StringVar(&b.page, "page", "internal/example/page", "source of the example's page")
	flag.StringVar(&b.template, "template", "", "a second template for the section deploy")
	flag.StringVar(&b.image, "image", "", "the image of the second template, REPO:TAG; the example's page is put there")
	flag.StringVar(&b.listen, "listen", "127.0.0.1:4815", "address for the servers under test")
	flag.IntVar(&b.rounds, "rounds", 5, "rounds per figure")
	flag.IntVar(&b.most, "most", 10_000, "the most tasks of the section growth")
	flag.IntVar(&b.least, "least", 100, "the least tasks of the section growth")
	flag.StringVar(&b.profile, "cpuprofile", "", "write a CPU profile of this process (sections growth, placement, store) to the file")
	flag.StringVar(&b.heap, "memprofile", "", "write a profile of what this process allocated to the file")
	flag.Parse()
	chosen := choose(*only)
	if err := b.prepare(slices.ContainsFunc(chosen, func(s section) bool { return !s.anyone })); err != nil {
		return err
	}
	defer b.leave()
	err := errors.Join(b.profiled(func() error { return b.measure(ctx, chosen) }), b.allocated())
	if print := b.print(*asJSON); err == nil { // what was measured before an error is worth seeing, too
		err = print
	}
	return err
}

// choose is all sections but the details of others, or those that are named.
func choose(only string) []section {
	return slices.DeleteFunc(sections(), func(s section) bool {
		return only == "" && s.detail || only != "" && !slices.Contains(strings.Split(only, ","), s.name)
	})
}

func (b *bench) measure(ctx context.Context, chosen []section) error {
	for _, s := range chosen {
		began := time.Now()
		if err := s.run(ctx, b); err != nil {
			return fmt.Errorf("%s: %w", s.name, err)
		}
		fmt.Fprintf(os.Stderr, "bench: %s took %.0f s\n", s.name, time.Since(began).Seconds())
	}
	return nil
}

// profiled runs fn, and writes a profile of its CPU if one is asked for.
func (b *bench) profiled(fn func() error) error {
	if b.profile == "" {
		return fn()
	}
	f, err := os.Create(b.profile)
	if err != nil {
		return err
	}
	defer func() { _ = f.Close() }()
	if err := pprof.StartCPUProfile(f); err != nil {
		return err
	}
	err = fn()
	pprof.StopCPUProfile()
	return errors.Join(err, f.Close())
}

// allocated writes the profile of allocations, if one is asked for.
func (b *bench) allocated() error {
	if b.heap == "" {
		return nil
	}
	f, err := os.Create(b.heap)
	if err != nil {
		return err
	}
	return errors.Join(pprof.Lookup("allocs").WriteTo(f, 0), f.Close())
}

func (b *bench) print(asJSON bool) error {
	m, at := thisMachine(), time.Now().UTC().Truncate(time.Second)
	if asJSON {
		e := json.NewEncoder(os.Stdout)
		e.SetIndent("", "  ")
		return e.Encode(struct {
			At      time.Time `json:"at"`
			Machine machine   `json:"machine"`
			Rows    []row     `json:"rows"`
		}{at, m, b.table.rows})
	}
	fmt.Printf("%s, %s\n\n", at.Format(time.DateOnly), m)
	return b.table.print(os.Stdout)
}

// prepare makes the folder, and checks what sections need that run the program.
func (b *bench) prepare(program bool) error {
	var err error
	if b.dir, err = os.MkdirTemp("", "berth-bench-"); err != nil || !program {
		return err
	}
	if os.Geteuid() != 0 {
		return fmt.Errorf("needs root: control groups, namespaces and containers")
	}
	for _, p := range []*string{&b.bin, &b.probe, &b.page} {
		if *p, err = filepath.Abs(*p); err != nil {
			return err
		}
		if _, err = os.Stat(*p); err != nil {
			return err
		}
	}
	return nil
}

// leave removes what is left of the run: the folder, and the group that its
// groups stood in.
func (b *bench) leave() {
	_ = os.RemoveAll(b.dir)
	if os.Geteuid() != 0 {
		return
	}
	if g, err := cgroup.Open(home()); err == nil {
		_ = g.Remove()
	}
}

func names() []string {
	var out []string
	for _, s := range sections() {
		out = append(out, s.name)
	}
	return out
}
