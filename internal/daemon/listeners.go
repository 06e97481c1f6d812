package daemon

import (
	"cmp"
	"fmt"
	"net/http"
	"net/netip"
	"slices"
	"strings"

	"berth/internal/balancer"
	"berth/internal/controllers/traffic"
	"berth/internal/model"
	"berth/internal/state"
	"berth/internal/store"
)

// row says how a listener is reached.
type row struct {
	LoadBalancer string `json:"loadBalancer"` // ARN
	Host         string `json:"host"`
	Port         int64  `json:"port"`     // of the listener
	HostPort     int64  `json:"hostPort"` // on 127.0.0.1; 0 if nowhere
	Protocol     string `json:"protocol"`
	Trouble      string `json:"trouble,omitempty"`
	// Internal is why clients of this machine do not come here: it is not on the
	// Internet.
	Internal string `json:"internal,omitempty"`
	// Closed is why clients of this machine are not let in.
	Closed string `json:"closed,omitempty"`
	// Address is the load balancer's own, and AddressPort the port there, 0 if it
	// does not answer.
	Address     string `json:"address,omitempty"`
	AddressPort int64  `json:"addressPort,omitempty"`
	// Names are hosts that rules of the listener ask for, one a rule.
	Names     []string `json:"names,omitempty"`
	Published []at     `json:"published,omitempty"`
}

// listeners says where each load balancer answers on this machine.
func (o *own) listeners(w http.ResponseWriter, _ *http.Request) {
	v := o.db.View()
	rows, published, reported := []row{}, o.published(v), o.reported()
	for _, l := range state.Listeners.All(v) {
		lb, ok := state.LoadBalancers.Get(v, l.LoadBalancer)
		if !ok {
			continue
		}
		x := row{LoadBalancer: lb.ARN, Host: lb.DNSName, Port: l.Port, Protocol: l.Protocol, Published: published[l.ARN], Names: names(v, l)}
		x.reach(v, lb, l, reported[l.ARN])
		rows = append(rows, x)
	}
	slices.SortFunc(rows, func(a, b row) int { return cmp.Or(strings.Compare(a.Host, b.Host), int(a.Port-b.Port)) })
	answer(w, rows)
}

// reach says what clients of this machine find.
func (x *row) reach(v store.Reader, lb model.LoadBalancer, l model.Listener, r balancer.ListenerReport) {
	if lb.Scheme != "internet-facing" {
		x.Internal = fmt.Sprintf("it is internal: clients in %s reach it at %s", lb.VPC, strings.Join(addresses(v, lb), " and "))
		return
	}
	x.HostPort, x.Trouble = l.Port, l.Trouble
	if l.Trouble != "" {
		x.HostPort = l.AnswersOn
	}
	x.Address, x.AddressPort = lb.HostAddress, l.Port
	if r.OwnTrouble != "" {
		x.AddressPort = int64(r.OwnAnswersOn)
	}
	if !traffic.Admits(v, lb, hostClient, l.Port) {
		x.Closed = fmt.Sprintf("no rule of %s lets %s in to port %d", strings.Join(lb.SecurityGroups, ", "), hostClient, l.Port)
	}
}

// hostClient is the address that clients of this machine come from.
var hostClient = netip.AddrFrom4([4]byte{127, 0, 0, 1})

// addresses are a load balancer's in its VPC.
func addresses(v store.Reader, lb model.LoadBalancer) []string {
	var out []string
	for _, n := range traffic.Nodes(v, lb) {
		out = append(out, n.IP)
	}
	slices.Sort(out)
	return out
}

// names are hosts that meet the listener's rules about hosts: what stands for
// anything there is replaced by something.
func names(v store.Reader, l model.Listener) []string {
	var out []string
	for _, rule := range state.ListenerRules.By(v, "listener", l.ARN) {
		for _, c := range rule.Conditions {
			if c.Field == "host-header" && len(c.Values) > 0 {
				out = append(out, strings.NewReplacer("*", "any", "?", "x").Replace(c.Values[0]))
			}
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// reported is what the edge said last of each listener.
func (o *own) reported() map[string]balancer.ListenerReport {
	rep, _, _ := o.report()
	out := map[string]balancer.ListenerReport{}
	for _, l := range rep.Listeners {
		out[l.ID] = l
	}
	return out
}

// at is a published address where a listener answers, or why it does not.
type at struct {
	Address string `json:"address"`
	Shared  bool   `json:"shared,omitempty"` // with others: they are told apart by their names
	Trouble string `json:"trouble,omitempty"`
}

// published says where listeners answer beyond this machine, by ARN.
func (o *own) published(v store.Reader) map[string][]at {
	if len(o.cfg.Publish) == 0 {
		return nil
	}
	reported := o.reported()
	sharing := map[int64]int{}
	var open []model.Listener
	for _, l := range state.Listeners.All(v) {
		if lb, ok := state.LoadBalancers.Get(v, l.LoadBalancer); ok && lb.Scheme == "internet-facing" {
			open = append(open, l)
			sharing[l.Port]++
		}
	}
	out := map[string][]at{}
	for _, l := range open {
		for _, a := range o.cfg.Publish {
			out[l.ARN] = append(out[l.ARN], at{Address: a, Shared: sharing[l.Port] > 1, Trouble: reported[l.ARN].Unpublished[a]})
		}
	}
	return out
}
