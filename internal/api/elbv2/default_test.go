package elbv2_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"berth/internal/wire"
	shape "berth/internal/wire/shape/elbv2"
)

// What nobody has set reads as it was seen on AWS (docs/facts/deployments.md D126).
//
// Proves: D72
func TestAttributesHaveTheDefaultsThatAWSShows(t *testing.T) {
	a, db := newAPI(t)
	gateway(t, db)
	lb, tg := balancer(t, a, "web"), group(t, a, "tg")
	balancers, err := a.DescribeLoadBalancerAttributes(t.Context(), &shape.DescribeLoadBalancerAttributesInput{LoadBalancerArn: &lb})
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]string{}
	for _, x := range balancers.Attributes {
		got[*x.Key] = wire.Val(x.Value)
	}
	want := map[string]string{
		"access_logs.s3.enabled": "false", "access_logs.s3.bucket": "", "access_logs.s3.prefix": "",
		"connection_logs.s3.enabled": "false", "connection_logs.s3.bucket": "", "connection_logs.s3.prefix": "",
		"health_check_logs.s3.enabled": "false", "health_check_logs.s3.bucket": "", "health_check_logs.s3.prefix": "",
		"deletion_protection.enabled": "false", "idle_timeout.timeout_seconds": "60", "client_keep_alive.seconds": "3600",
		"routing.http2.enabled": "true", "routing.http.drop_invalid_header_fields.enabled": "false",
		"routing.http.desync_mitigation_mode": "defensive", "routing.http.preserve_host_header.enabled": "false",
		"routing.http.xff_header_processing.mode": "append", "routing.http.xff_client_port.enabled": "false",
		"routing.http.x_amzn_tls_version_and_cipher_suite.enabled": "false", "load_balancing.cross_zone.enabled": "true",
		"waf.fail_open.enabled": "false", "zonal_shift.config.enabled": "false",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("load balancer: %s", diff)
	}
	groups, err := a.DescribeTargetGroupAttributes(t.Context(), &shape.DescribeTargetGroupAttributesInput{TargetGroupArn: &tg})
	if err != nil {
		t.Fatal(err)
	}
	clear(got)
	for _, x := range groups.Attributes {
		got[*x.Key] = wire.Val(x.Value)
	}
	want = map[string]string{
		"stickiness.enabled": "false", "stickiness.type": "lb_cookie", "stickiness.lb_cookie.duration_seconds": "86400",
		"stickiness.app_cookie.duration_seconds": "86400", "stickiness.app_cookie.cookie_name": "",
		"deregistration_delay.timeout_seconds": "300", "slow_start.duration_seconds": "0",
		"load_balancing.algorithm.type": "round_robin", "load_balancing.algorithm.anomaly_mitigation": "off",
		"load_balancing.cross_zone.enabled":                                              "use_load_balancer_configuration",
		"target_group_health.dns_failover.minimum_healthy_targets.count":                 "1",
		"target_group_health.dns_failover.minimum_healthy_targets.percentage":            "off",
		"target_group_health.unhealthy_state_routing.minimum_healthy_targets.count":      "1",
		"target_group_health.unhealthy_state_routing.minimum_healthy_targets.percentage": "off",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("target group: %s", diff)
	}
}
