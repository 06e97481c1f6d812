package traffic_test

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"pgregory.net/rapid"

	"berth/internal/balancer"
	"berth/internal/controllers/traffic"
	"berth/internal/model"
	"berth/internal/state"
	"berth/internal/store"
)

// What the data plane is given by difference is what would be compiled from
// nothing, whatever changed before.
func TestTheDataPlaneIsGivenWhatCompiles(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		w := newWorld(t)
		for range rapid.IntRange(1, 12).Draw(r, "looks") {
			for range rapid.IntRange(1, 3).Draw(r, "changes") {
				w.put(anyChange(r))
			}
			w.settle()
			if diff := cmp.Diff(traffic.Compile(w.db.View(), "127.0.0.1"), w.edge.Config(), cmpopts.EquateComparable(netip.Prefix{})); diff != "" {
				r.Fatal(diff)
			}
		}
	})
}

// anyChange draws a change of a small world: who makes it, and what it is.
func anyChange(r *rapid.T) (string, func(*store.Tx) error) {
	n := rapid.IntRange(0, 2).Draw(r, "n")
	changes := map[string]func(*store.Tx) error{
		"api/elbv2 group": func(tx *store.Tx) error {
			kind := []string{"ip", "ip", "instance"}[n]
			return toggle(tx, state.TargetGroups, group(n), model.TargetGroup{ARN: group(n), Name: fmt.Sprint(n), TargetType: kind})
		},
		"api/elbv2 target": func(tx *store.Tx) error {
			id := []string{"10.0.0.1", "10.0.0.2", "i-1"}[n]
			return toggle(tx, state.Targets, state.TargetKey(group(n), id, 80), model.Target{Group: group(n), ID: id, Port: 80, RegisteredAt: start})
		},
		"api/elbv2 listener": func(tx *store.Tx) error {
			return toggle(tx, state.Listeners, lARN+fmt.Sprint(n), model.Listener{ARN: lARN + fmt.Sprint(n), LoadBalancer: lbARN, Port: int64(n)})
		},
		"api/elbv2 rule": func(tx *store.Tx) error {
			x := model.ListenerRule{ARN: ruleARN + fmt.Sprint(n), Listener: lARN, Priority: int64(9 - n)}
			x.Actions = []model.Action{{Type: "forward", Targets: []model.WeightedTarget{{TargetGroupARN: group(n), Weight: 1}}}}
			return toggle(tx, state.ListenerRules, x.ARN, x)
		},
		"api/elbv2 balancer": func(tx *store.Tx) error {
			arn := lbARN + fmt.Sprint(n)
			return toggle(tx, state.LoadBalancers, arn, model.LoadBalancer{
				ARN: arn, Subnets: []string{"s-a"}, State: model.LoadBalancerProvisioning, Scheme: "internet-facing",
				SecurityGroups: []string{"sg-0", "sg-1"},
			})
		},
		"api/ec2 rules": func(tx *store.Tx) error {
			id := fmt.Sprint("sg-", n)
			return toggle(tx, state.SecurityGroups, id, model.SecurityGroup{
				ID: id, Rules: []model.SecurityRule{{Protocol: "tcp", FromPort: 80, ToPort: 80, CIDR: "0.0.0.0/0"}},
			})
		},
		"controllers/network node": func(tx *store.Tx) error {
			id := fmt.Sprint("eni-", n)
			return toggle(tx, state.NetworkInterfaces, id, model.NetworkInterface{
				ID: id, Kind: "loadbalancer", Owner: lbARN + fmt.Sprint(n), Subnet: "s-a", IP: "10.0.0.9", State: model.InterfaceAvailable,
			})
		},
		"controllers/capacity instance": func(tx *store.Tx) error {
			return toggle(tx, state.Instances, "i-1", model.Instance{ID: "i-1", Goal: model.GoalRun, State: model.InstancePending})
		},
		"controllers/network address": func(tx *store.Tx) error {
			if _, ok := state.Instances.Get(tx, "i-1"); !ok {
				return nil
			}
			return state.Instances.Edit(tx, "i-1", func(i *model.Instance) error { i.PrivateIP = fmt.Sprint("10.0.1.", n); return nil })
		},
	}
	what := rapid.SampledFrom([]string{
		"api/elbv2 group", "api/elbv2 target", "api/elbv2 listener", "api/elbv2 rule", "api/elbv2 balancer", "api/ec2 rules",
		"controllers/network node", "controllers/capacity instance", "controllers/network address",
	}).Draw(r, "what")
	var writer string
	_, _ = fmt.Sscan(what, &writer)
	return writer, changes[what]
}

func group(n int) string { return tgARN + fmt.Sprint(n) }

// toggle removes a record, or puts it if there is none.
func toggle[T any](tx *store.Tx, table *store.Table[T], key string, v T) error {
	if _, ok := table.Get(tx, key); ok {
		return table.Delete(tx, key)
	}
	return table.Put(tx, v)
}

// A target more costs its group, however many groups and targets there are.
func TestATargetCostsItsGroupOnly(t *testing.T) {
	w := newWorld(t)
	put := func(g, ip int) {
		w.put("api/elbv2", func(tx *store.Tx) error {
			return state.Targets.Put(tx, model.Target{Group: fmt.Sprintf("%s%03d", tgARN, g), ID: fmt.Sprint("10.0.0.", ip), Port: 80})
		})
	}
	w.put("api/elbv2", func(tx *store.Tx) error {
		for g := range 100 {
			if err := state.TargetGroups.Put(tx, model.TargetGroup{ARN: fmt.Sprintf("%s%03d", tgARN, g), TargetType: "ip"}); err != nil {
				return err
			}
		}
		return nil
	})
	for g := range 100 {
		put(g, 1)
	}
	w.settle()
	before := w.loop.Compiled()
	put(7, 2)
	w.settle()
	if made := w.loop.Compiled() - before; made != 1 {
		t.Errorf("one target more made %d parts of the configuration", made)
	}
}

// However reports follow each other: the last is known whole, and every target
// that it tells something new of is looked at.
func TestReportsAreTakenWhateverTheirOrder(t *testing.T) {
	w := newWorld(t)
	rapid.Check(t, func(r *rapid.T) {
		all := rapid.SliceOfN(rapid.SliceOfN(rapid.Custom(func(r *rapid.T) balancer.TargetReport {
			return balancer.TargetReport{
				Group: "g", ID: rapid.SampledFrom([]string{"a", "b", "c", "d", "e"}).Draw(r, "id"), InFlight: rapid.IntRange(0, 1).Draw(r, "in flight"),
			}
		}), 0, 5), 1, 6).Draw(r, "reports")
		for _, one := range all {
			if rapid.Bool().Draw(r, "in order") {
				slices.SortFunc(one, func(a, b balancer.TargetReport) int { return strings.Compare(a.ID, b.ID) })
			}
		}
		known, changed := traffic.Reports(w.db.DB, all...)
		was := map[string]balancer.TargetReport{}
		for i, one := range all {
			now := map[string]balancer.TargetReport{}
			for _, x := range one {
				now[state.TargetKey(x.Group, x.ID, int64(x.Port))] = x
			}
			if diff := cmp.Diff(now, known[i]); diff != "" {
				r.Fatal(diff)
			}
			for key, x := range now {
				if before, ok := was[key]; (!ok || before != x) && !slices.Contains(changed[i], key) {
					r.Fatalf("%s was not looked at: %v", key, changed[i])
				}
			}
			was = now
		}
	})
}
