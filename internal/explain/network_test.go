package explain_test

import (
	"strings"
	"testing"
	"time"

	"berth/internal/explain"
	"berth/internal/model"
	"berth/internal/state"
	"berth/internal/store"
)

// Proves: MI69
func TestASubnetWithoutEndpointsIsExplained(t *testing.T) {
	db, err := state.Open(t.Context(), store.NewMemory(), false)
	if err != nil {
		t.Fatal(err)
	}
	err = db.Update(t.Context(), "test", func(tx *store.Tx) error {
		for _, err := range []error{
			state.VPCs.Put(tx, model.VPC{
				ID: "vpc-1", CIDR: "10.0.0.0/16", DNSSupport: true, DNSHostnames: true, MainRouteTable: "rtb-1", DefaultGroup: "sg-1",
			}),
			state.Subnets.Put(tx, model.Subnet{ID: "subnet-1", VPC: "vpc-1", CIDR: "10.0.0.0/24", AvailabilityZone: "ap-northeast-1a"}),
			state.RouteTables.Put(tx, model.RouteTable{ID: "rtb-1", VPC: "vpc-1"}),
			state.SecurityGroups.Put(tx, model.SecurityGroup{
				ID: "sg-1", VPC: "vpc-1",
				Rules: []model.SecurityRule{{ID: "sgr-1", Egress: true, Protocol: "-1", FromPort: -1, ToPort: -1, CIDR: "0.0.0.0/0"}},
			}),
			state.NetworkInterfaces.Put(tx, model.NetworkInterface{
				ID: "eni-1", Kind: "instance", Owner: "i-1", VPC: "vpc-1", Subnet: "subnet-1", AvailabilityZone: "ap-northeast-1a", IP: "10.0.0.4",
				SecurityGroups: []string{"sg-1"},
			}),
			state.Instances.Put(tx, model.Instance{
				ID: "i-1", ENI: "eni-1", Subnet: "subnet-1", AvailabilityZone: "ap-northeast-1a", State: model.InstanceRunning, Goal: model.GoalRun,
			}),
		} {
			if err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, id := range []string{"subnet-1", "eni-1", "i-1"} {
		a, ok := explain.Find(db.View(), id, time.Unix(0, 0))
		text := strings.Join(a.Say, "\n") + a.Cure
		for _, want := range []string{"not reach", "ecs-agent", "route table rtb-1 has no route"} {
			if !ok || !strings.Contains(text, want) {
				t.Errorf("%s: no %q in\n%s", id, want, text)
			}
		}
	}
}
