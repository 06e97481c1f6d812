package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"berth/internal/store"
	"berth/internal/store/pebble"
)

// record is a value of about 1 KiB.
type record struct{ Key, Value string }

var value = strings.Repeat("v", 1000)

// writers is how many write at once; each waits until its write is on disk.
const writers = 64

// stores compares durable writes of our tables on Pebble with a file that is
// synced for every write, the least that any store without group commit does.
func stores(ctx context.Context, b *bench) error {
	var ours, file, cpu []float64
	for i := range b.rounds {
		rate, each, err := ourStore(ctx, filepath.Join(b.dir, fmt.Sprintf("store-%d", i)))
		if err != nil {
			return err
		}
		ours, cpu = append(ours, rate), append(cpu, each)
		if rate, err = syncedFile(filepath.Join(b.dir, fmt.Sprintf("file-%d", i))); err != nil {
			return err
		}
		file = append(file, rate)
	}
	work := "durable store writes, 64 writers, 1 KiB"
	b.table.add(work, "berth (tables on Pebble)", "writes per second", ours, atLeast(10_000, "≥ 10,000"))
	b.table.add(work, "berth (tables on Pebble)", "CPU µs per write", cpu, nil)
	b.table.add(work, "a file, fsync each", "writes per second", file, nil)
	return nil
}

func ourStore(ctx context.Context, dir string) (perSecond, cpuEach float64, err error) {
	kv, err := pebble.Open(dir, pebble.Options{})
	if err != nil {
		return 0, 0, err
	}
	records := store.NewTable("record", func(r record) record { return r }, func(r record) string { return r.Key })
	db, err := store.Open(ctx, kv, records)
	if err != nil {
		return 0, 0, err
	}
	defer func() { _ = db.Close() }()
	began := self()
	perSecond, n, err := load(func(writer, i int) error {
		_, err := db.Update(ctx, nil, func(tx *store.Tx) error {
			return records.Put(tx, record{fmt.Sprintf("writer-%02d-key-%09d", writer, i), value})
		})
		return err
	})
	return perSecond, float64((self() - began).Microseconds()) / float64(n), err
}

func syncedFile(name string) (float64, error) {
	f, err := os.Create(name)
	if err != nil {
		return 0, err
	}
	defer f.Close()
	var mu sync.Mutex
	perSecond, _, err := load(func(int, int) error {
		mu.Lock()
		defer mu.Unlock()
		if _, err := f.WriteString(value); err != nil {
			return err
		}
		return f.Sync()
	})
	return perSecond, err
}

// load lets all writers write for a while.
func load(write func(writer, i int) error) (perSecond float64, n int64, err error) {
	var done atomic.Int64
	errs := make(chan error, writers)
	began := time.Now()
	for w := range writers {
		go func() {
			for i := 0; time.Since(began) < 1500*time.Millisecond; i++ {
				if err := write(w, i); err != nil {
					errs <- err
					return
				}
				done.Add(1)
			}
			errs <- nil
		}()
	}
	for range writers {
		if e := <-errs; e != nil {
			err = e
		}
	}
	return float64(done.Load()) / time.Since(began).Seconds(), done.Load(), err
}
