//go:build root

package hostnet_test

import (
	"fmt"
	"testing"
	"time"

	"berth/internal/hostnet/hostnettest"
	"berth/internal/model"
	"berth/internal/vpc"
)

// TestAHundredTasksAtOnce prints what a hundred interfaces cost; it fails only
// if they do not come about.
func TestAHundredTasksAtOnce(t *testing.T) {
	h := start(t)
	s := hostnettest.World()
	set(t, h.net, s)
	s.Subnets = append(s.Subnets, model.Subnet{ID: "subnet-a-big", VPC: "vpc-a", CIDR: "10.0.16.0/20"})
	for i := range 100 {
		n := hostnettest.ENI(fmt.Sprintf("eni-x-%d", i), vpc.KindTask, "a", "prv", "", "", "web")
		n.Subnet, n.IP = "subnet-a-big", fmt.Sprintf("10.0.16.%d", i+4)
		s.Interfaces = append(s.Interfaces, n)
	}
	began := time.Now()
	if err := h.net.Set(t.Context(), vpc.Compile(s)); err != nil {
		t.Fatal(err)
	}
	made := time.Since(began)
	began = time.Now()
	if err := h.net.Set(t.Context(), vpc.Compile(s)); err != nil {
		t.Fatal(err)
	}
	same := time.Since(began)
	began = time.Now()
	if err := h.net.Set(t.Context(), vpc.Compile(hostnettest.World())); err != nil {
		t.Fatal(err)
	}
	cut := time.Since(began)
	h.net.Wait()
	t.Logf("100 interfaces made in %v, confirmed in %v, cut off in %v, gone after %v", made, same, cut, time.Since(began))
}
