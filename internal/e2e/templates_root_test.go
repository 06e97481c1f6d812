//go:build root

package e2e_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// templates are deployed as they are: of each, the paths that serve.
var templates = []struct {
	name  string
	paths []string
}{
	{"fargate-public", []string{""}},
	{"fargate-private", []string{""}},
	{"fargate-spot", []string{""}},
	{"ec2-bridge", []string{""}},
	{"ec2-classic", []string{""}},
	{"all-three", []string{"", "/fargate", "/own"}},
}

// TestRootPublishedTemplatesServe deploys templates in the manner of published
// collections, unchanged, one after the other on one server, with nginx from
// the names that they have for it: each serves, follows another release, and
// leaves nothing. The same templates are told as stories on virtual time
// (internal/sim/testdata/script/template_*.txtar).
func TestRootPublishedTemplatesServe(t *testing.T) {
	h := &hello{berth: start(t)}
	if err := os.MkdirAll(h.data, 0o700); err != nil {
		t.Fatal(err)
	}
	h.serve()
	// Public names mean from now on what is pushed: nothing is asked of the Internet.
	for _, name := range []string{"docker.io/nginx", "public.ecr.aws/nginx/nginx:latest"} {
		h.run("image", "push", name, "../example/page")
	}
	for _, x := range templates {
		t.Run(x.name, func(t *testing.T) {
			h := &hello{berth: &berth{t: t, bin: h.bin, data: h.data, addr: h.addr}}
			file := filepath.Join("../sim/testdata/templates", x.name+".yaml")
			for _, release := range []string{"v1", "v2"} {
				began := time.Now()
				h.run("up", file, "--stack", "hello", "-p", "Release="+release)
				t.Logf("%s serves after %.1f s", release, time.Since(began).Seconds())
				url := h.outputs("hello")["ExternalUrl"]
				for _, path := range x.paths {
					if code, body := page(t, url+path); code != 200 || !strings.Contains(body, release) {
						t.Errorf("%s%s: %d %s", url, path, code, body)
					}
				}
			}
			h.run("down", "hello")
			h.poll(50*time.Millisecond, func() bool { return len(h.left()) == 0 }, func() string {
				return "still left: " + strings.Join(h.left(), ", ")
			})
		})
	}
	h.finish()
}

// left are the kinds of what there still is of stacks, and the instances'
// processes.
func (h *hello) left() (kinds []string) {
	h.t.Helper()
	for _, x := range []struct{ version, action, member string }{
		{versionEC2, "DescribeVpcs", "<vpcId>"},
		{versionEC2, "DescribeNetworkInterfaces", "<networkInterfaceId>"},
		{versionEC2, "DescribeAddresses", "<allocationId>"},
		{versionEC2, "DescribeLaunchTemplates", "<launchTemplateId>"},
		{versionEC2, "DescribeInternetGateways", "<internetGatewayId>"},
		{versionAutoScaling, "DescribeAutoScalingGroups", "<AutoScalingGroupName>"},
		{versionAutoScaling, "DescribeLaunchConfigurations", "<LaunchConfigurationName>"},
		{versionELB, "DescribeLoadBalancers", "<LoadBalancerArn>"},
		{versionELB, "DescribeTargetGroups", "<TargetGroupArn>"},
		{versionIAM, "ListInstanceProfiles", "<InstanceProfileName>"},
	} {
		if strings.Contains(h.query(x.version, x.action), x.member) {
			kinds = append(kinds, x.action)
		}
	}
	if len(list(h.json("Logs_20140328.DescribeLogGroups", map[string]any{})["logGroups"])) > 0 {
		kinds = append(kinds, "DescribeLogGroups")
	}
	for _, p := range append(h.ours("instance"), h.ours("agent")...) {
		kinds = append(kinds, strings.Join(p.args, " "))
	}
	if len(h.status().Clusters) > 0 {
		kinds = append(kinds, "clusters")
	}
	return kinds
}
