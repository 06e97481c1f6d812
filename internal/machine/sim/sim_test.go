package sim_test

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"berth/internal/clock"
	"berth/internal/fault"
	"berth/internal/machine"
	"berth/internal/machine/machinetest"
	"berth/internal/machine/sim"
)

var start = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)

func spec(n int) machine.Spec {
	return machine.Spec{
		ID: fmt.Sprintf("i-%017x", n), Type: "c6a.large", VCPU: 2, MemoryMiB: 4096, Interface: fmt.Sprintf("eni-%017x", n), Zone: "z1",
	}
}

func TestConformance(t *testing.T) {
	machinetest.Run(t, func(*testing.T) machinetest.Bench {
		c := clock.NewStepped(start)
		d := sim.New(sim.Config{Clock: c, Seed: 1, BootMin: time.Second, BootMax: time.Minute})
		return machinetest.Bench{
			Driver: d, Spec: spec, Kill: func(id string) { d.Kill(id, "host failed") }, Wait: func() { c.Advance(time.Second) },
			Again: func() machine.Driver { return d },
		}
	})
}

func TestChanceComesFromTheSeed(t *testing.T) {
	outcome := func(seed uint64) string {
		c := clock.NewStepped(start)
		d := sim.New(sim.Config{Clock: c, Seed: seed, BootMax: time.Minute, Refuse: 0.5, LifeMean: time.Hour})
		s := ""
		for n := range 64 {
			_, err := d.Launch(t.Context(), spec(n))
			s += fmt.Sprint(err != nil)
			if err != nil && !fault.Is(err, fault.Capacity) {
				t.Fatal(err)
			}
		}
		c.Advance(time.Hour)
		all, _ := d.List(t.Context())
		return s + fmt.Sprint(all)
	}
	first := outcome(1)
	if again := outcome(1); again != first {
		t.Error("the same seed gave two worlds")
	}
	if outcome(2) == first {
		t.Error("two seeds gave the same world")
	}
}

func TestZonesAndTypesRefuse(t *testing.T) {
	d := sim.New(sim.Config{Clock: clock.NewStepped(start)})
	want := errors.New("no free capacity")
	d.RefuseIn("z1", want)
	if _, err := d.Launch(t.Context(), spec(1)); !errors.Is(err, want) {
		t.Errorf("launched: %v", err)
	}
	d.RefuseIn("z1", nil)
	d.RefuseIn(spec(1).Type, want)
	if _, err := d.Launch(t.Context(), spec(1)); !errors.Is(err, want) {
		t.Errorf("launched: %v", err)
	}
	d.RefuseIn(spec(1).Type, nil)
	if _, err := d.Launch(t.Context(), spec(1)); err != nil {
		t.Error(err)
	}
}
