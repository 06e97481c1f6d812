package sim

import (
	"context"
	"fmt"
	"path/filepath"
	"time"

	"berth/internal/audit"
	balancer "berth/internal/balancer/sim"
	"berth/internal/clock"
	"berth/internal/control"
	"berth/internal/controllers/instance"
	"berth/internal/daemon"
	"berth/internal/dispatch/simagent"
	"berth/internal/fault"
	"berth/internal/function"
	hostnet "berth/internal/hostnet/sim"
	"berth/internal/ident"
	machine "berth/internal/machine/sim"
	"berth/internal/registry"
	"berth/internal/series"
)

// drivers are the simulated drivers of a world.
type drivers struct {
	machines  *machine.Driver
	network   *hostnet.Net
	edge      *balancer.Edge
	images    *registry.Store
	series    *series.Store
	functions *function.Sim
	code      *function.Store
	audit     *audit.Log
	tokens    *registry.Tokens
	fate      *fate
	seed      uint64
	root      ident.Principal // as whom an instance signals
	kick      func()
}

// The times that simulated drivers take, near those on record for AWS
// (docs/facts/managed-instances.md MI113).
const (
	bootMin, bootMax   = 8 * time.Second, 14 * time.Second
	joinMin, joinMax   = 6 * time.Second, 14 * time.Second
	pullMin, pullMax   = 4 * time.Second, 12 * time.Second
	startMin, startMax = time.Second, 3 * time.Second
	stopMin, stopMax   = 500 * time.Millisecond, 3 * time.Second
)

func newDrivers(o Options, c clock.Clock, ids *ident.Source, root ident.Principal) (*drivers, error) {
	h := &drivers{seed: o.Seed, root: root}
	h.machines = machine.New(machine.Config{Clock: c, Seed: o.Seed, BootMin: bootMin, BootMax: bootMax})
	h.network = hostnet.New()
	h.edge = balancer.New(c, func() {
		if h.kick != nil {
			h.kick()
		}
	})
	var err error
	if h.images, err = registry.Open(registry.Deps{Dir: filepath.Join(o.Dir, "registry"), Clock: c, IDs: ids}); err != nil {
		return nil, err
	}
	h.fate = newFate(c, h.edge)
	h.functions = &function.Sim{IDs: ids, Handle: h.fate.answer}
	if h.code, err = function.OpenStore(filepath.Join(o.Dir, "functions")); err != nil {
		return nil, err
	}
	if h.series, err = series.Memory(); err != nil {
		return nil, err
	}
	if h.audit, err = audit.Open(filepath.Join(o.Dir, "audit")); err != nil {
		return nil, err
	}
	h.tokens, err = registry.OpenTokens(filepath.Join(o.Dir, "registry"), ids)
	return h, err
}

func (h *drivers) daemon() daemon.Drivers {
	return daemon.Drivers{
		Machines: h.machines, Network: h.network, Edge: h.edge, Images: h.images, Tokens: h.tokens, Series: h.series, Functions: h.functions,
		Code: h.code, Audit: h.audit,
		More: func(sys *daemon.System) []control.Controller {
			h.kick, h.fate.sys = sys.WakeTraffic, sys
			h.machines.Watch(func(string) { sys.Engine.Kick("controllers/instance", instance.Census) })
			return []control.Controller{simagent.Controller{DB: sys.DB, Gateway: sys.Gateway, Config: simagent.Config{
				Seed: h.seed, BootMin: joinMin, BootMax: joinMax, PullMin: pullMin, PullMax: pullMax,
				StartMin: startMin, StartMax: startMax, StopMin: stopMin, StopMax: stopMax, Faults: h.fate,
				Signal: func(ctx context.Context, in map[string]any) error {
					_, err := sys.Front.Invoke(ctx, h.root, "cloudformation", "SignalResource", in)
					return err
				},
			}}, h.fate}
		},
	}
}

func (h *drivers) fail(what string, args ...string) error {
	switch {
	case what == "machines" && len(args) == 1:
		h.machines.RefuseIn(args[0], nil)
	case what == "machines" && len(args) == 2:
		h.machines.RefuseIn(args[0], fault.New(fault.Capacity, args[1], "We currently do not have sufficient capacity (%s).", args[0]))
	case what == "function" && len(args) == 1:
		h.functions.Refuse(args[0])
	case len(args) > 0:
		return h.fate.fail(what, args[0], args[1:])
	default:
		return fmt.Errorf("fail WHAT WHOM [HOW]")
	}
	return nil
}
