//go:build root

package runc_test

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"berth/internal/container"
)

// cpu is what this process, its children that ended, and the containers'
// parent with its own have used.
func cpu(b *testing.B) time.Duration {
	b.Helper()
	var sum time.Duration
	for _, who := range []int{syscall.RUSAGE_SELF, syscall.RUSAGE_CHILDREN} {
		var r syscall.Rusage
		if err := syscall.Getrusage(who, &r); err != nil {
			b.Fatal(err)
		}
		sum += time.Duration(r.Utime.Nano() + r.Stime.Nano())
	}
	stats, err := filepath.Glob("/proc/[0-9]*/stat")
	if err != nil {
		b.Fatal(err)
	}
	for _, path := range stats {
		data, _ := os.ReadFile(path)
		f := strings.Fields(string(data[bytes.LastIndexByte(data, ')')+1:]))
		if len(f) < 15 || f[1] != strconv.Itoa(os.Getpid()) {
			continue // of another parent, or gone
		}
		for _, ticks := range f[11:15] {
			n, _ := strconv.Atoi(ticks)
			sum += time.Duration(n) * 10 * time.Millisecond
		}
	}
	return sum
}

// lives runs containers that end at once, one after another.
func lives(b *testing.B, l lab) {
	b.Helper()
	d := l.driver(b)
	if self := os.Getenv("BERTH_BENCH_SELF"); self != "" {
		d.Self = self // the whole program as the parent, instead of the test's
	}
	start := cpu(b)
	for i := 0; b.Loop(); i++ {
		s := benched(l, i)
		if err := d.Create(b.Context(), s); err != nil {
			b.Fatal(err)
		}
		if err := d.Start(b.Context(), s.ID); err != nil {
			b.Fatal(err)
		}
		if _, err := d.Wait(b.Context(), s.ID); err != nil {
			b.Fatal(err)
		}
		if err := d.Remove(b.Context(), s.ID); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64((cpu(b)-start).Microseconds())/float64(b.N)/1000, "cpu-ms/op")
}

func benched(l lab, i int) container.Spec {
	s := l.spec(fmt.Sprintf("bench-%d", i), "exit", "0")
	s.MemoryBytes, s.CPUShares = 256<<20, 256
	return s
}

// BenchmarkStart compares the life of a container that ends at once, without and
// with a user namespace, with the bare runtime on the same bundle. Budget: 1.3
// times its CPU. The parent is this test's program, or the one that
// BERTH_BENCH_SELF names.
func BenchmarkStart(b *testing.B) {
	b.Run("driver", func(b *testing.B) { lives(b, setUp(b)) })
	b.Run("users", func(b *testing.B) { lives(b, mapped(b)) })
	b.Run("bare", func(b *testing.B) {
		l := setUp(b)
		d := l.driver(b)
		if err := d.Create(b.Context(), benched(l, 0)); err != nil {
			b.Fatal(err)
		}
		bundle := filepath.Join(l.dir, "run/c/bench-0")
		config, err := os.ReadFile(filepath.Join(bundle, "config.json"))
		if err != nil {
			b.Fatal(err)
		}
		config = []byte(strings.ReplaceAll(string(config), filepath.Join(l.dir, "run/rootfs"), l.layer))
		if err := os.WriteFile(filepath.Join(bundle, "config.json"), config, 0o600); err != nil {
			b.Fatal(err)
		}
		start := cpu(b)
		for b.Loop() {
			if out, err := exec.Command(
				"runc", "--root", filepath.Join(l.dir, "bare"), "run", "--bundle", bundle, "bare",
			).CombinedOutput(); err != nil {
				b.Fatalf("%v: %s", err, out)
			}
		}
		b.ReportMetric(float64((cpu(b)-start).Microseconds())/float64(b.N)/1000, "cpu-ms/op")
		if err := d.Remove(b.Context(), "bench-0"); err != nil {
			b.Fatal(err)
		}
	})
}
