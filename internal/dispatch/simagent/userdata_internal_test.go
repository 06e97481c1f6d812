package simagent

import (
	"encoding/base64"
	"testing"

	"github.com/google/go-cmp/cmp"

	"berth/internal/model"
)

func TestSignalsOfUserData(t *testing.T) {
	t.Parallel()
	for script, want := range map[string]map[string]any{
		"#!/bin/sh\necho ECS_CLUSTER=c >> /etc/ecs/ecs.config\n": nil,
		"cfn-init --stack s\n/opt/aws/bin/cfn-signal -e $? --stack s --resource G --region r\n": {
			"StackName": "s", "LogicalResourceId": "G", "UniqueId": "i-1", "Status": "SUCCESS",
		},
		"cfn-signal --exit-code=1 --stack='s' --resource=\"G\"": {
			"StackName": "s", "LogicalResourceId": "G", "UniqueId": "i-1", "Status": "FAILURE",
		},
	} {
		i := model.Instance{ID: "i-1", Launch: &model.Launch{UserData: base64.StdEncoding.EncodeToString([]byte(script))}}
		if d := cmp.Diff(want, signalOf(i)); d != "" {
			t.Errorf("%s: %s", script, d)
		}
	}
	if signalOf(model.Instance{Launch: &model.Launch{UserData: "%"}}) != nil || signalOf(model.Instance{}) != nil {
		t.Error("signals of no script")
	}
}
