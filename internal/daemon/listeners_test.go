package daemon_test

import (
	"net/http/httptest"
	"strings"
	"testing"

	"berth/internal/balancer"
	"berth/internal/daemon"
	"berth/internal/model"
	"berth/internal/state"
	"berth/internal/store"
)

// A client of this machine is one on the Internet: it is told which load
// balancers let it in and at which addresses, which are closed to it, and which are
// inside of their VPC only.
func TestWhereLoadBalancersAnswerOnThisMachine(t *testing.T) {
	t.Parallel()
	db, err := state.Open(t.Context(), store.NewMemory(), true)
	if err != nil {
		t.Fatal(err)
	}
	put := func(by string, f func(*store.Tx) error) {
		t.Helper()
		if err := db.Update(t.Context(), by, f); err != nil {
			t.Fatal(err)
		}
	}
	put("api/ec2", func(tx *store.Tx) error {
		return state.SecurityGroups.Put(tx, model.SecurityGroup{ID: "sg-1", Rules: []model.SecurityRule{
			{Protocol: "tcp", FromPort: 80, ToPort: 81, CIDR: "0.0.0.0/0"},
		}})
	})
	put("api/elbv2", func(tx *store.Tx) error {
		for name, scheme := range map[string]string{"a": "internet-facing", "i": "internal"} {
			if err := state.LoadBalancers.Put(tx, model.LoadBalancer{
				ARN: "lb-" + name, DNSName: name + ".test", Scheme: scheme, SecurityGroups: []string{"sg-1"}, VPC: "vpc-1", Subnets: []string{"s"},
			}); err != nil {
				return err
			}
		}
		for i, lb := range []string{"lb-a", "lb-a", "lb-a", "lb-i"} {
			l := model.Listener{ARN: "l-" + string(rune('0'+i)), LoadBalancer: lb, Port: int64(80 + i), Protocol: "HTTP"}
			if err := state.Listeners.Put(tx, l); err != nil {
				return err
			}
		}
		return state.ListenerRules.Put(tx, model.ListenerRule{
			ARN: "r", Listener: "l-0", Priority: 1, Conditions: []model.Condition{{Field: "host-header", Values: []string{"*.api.test"}}},
		})
	})
	put("controllers/traffic", func(tx *store.Tx) error {
		return state.LoadBalancers.Edit(tx, "lb-a", func(lb *model.LoadBalancer) error { lb.HostAddress = "127.64.0.1"; return nil })
	})
	put("controllers/network", func(tx *store.Tx) error {
		return state.NetworkInterfaces.Put(tx, model.NetworkInterface{
			ID: "eni-1", Kind: "loadbalancer", Owner: "lb-i", Subnet: "s", IP: "10.0.0.9", State: model.InterfaceAvailable,
		})
	})
	w := httptest.NewRecorder()
	daemon.Listeners(db, []string{"192.0.2.1"}, balancer.Report{Listeners: []balancer.ListenerReport{
		{ID: "l-1", OwnTrouble: "taken", OwnAnswersOn: 10081, Unpublished: map[string]string{"192.0.2.1": "taken"}},
	}})(w, httptest.NewRequest("GET", "/", nil))
	want := `[{"loadBalancer":"lb-a","host":"a.test","port":80,"hostPort":80,"protocol":"HTTP","address":"127.64.0.1","addressPort":80,` +
		`"names":["any.api.test"],"published":[{"address":"192.0.2.1"}]},` +
		`{"loadBalancer":"lb-a","host":"a.test","port":81,"hostPort":81,"protocol":"HTTP","address":"127.64.0.1","addressPort":10081,` +
		`"published":[{"address":"192.0.2.1","trouble":"taken"}]},` +
		`{"loadBalancer":"lb-a","host":"a.test","port":82,"hostPort":82,"protocol":"HTTP","closed":"no rule of sg-1 lets 127.0.0.1 in to port 82",` +
		`"address":"127.64.0.1","addressPort":82,"published":[{"address":"192.0.2.1"}]},` +
		`{"loadBalancer":"lb-i","host":"i.test","port":83,"hostPort":0,"protocol":"HTTP",` +
		`"internal":"it is internal: clients in vpc-1 reach it at 10.0.0.9"}]`
	if got := strings.TrimSpace(w.Body.String()); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}
