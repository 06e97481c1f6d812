package apitest_test

import (
	"encoding/json"
	"testing"

	"berth/internal/api/apitest"
	"berth/internal/fault"
	"berth/internal/wire"
)

// FuzzCall holds that whatever is asked of an operation of any service, with
// its real checks and its languages behind it, the fault is never ours. The
// body is by the model's member names.
func FuzzCall(f *testing.F) {
	var ops []*wire.Operation
	number := map[string]int{}
	for _, s := range apitest.Services {
		for _, name := range s.Operations() {
			if op := s.Operation(name); op.Built() {
				number[s.Name+" "+name] = len(ops)
				ops = append(ops, op)
			}
		}
	}
	for call, body := range map[string]string{
		"ecs ListContainerInstances": `{"filter":"attribute:a =~ b* and not (ec2InstanceId in [i-1])"}`,
		"ecs RegisterTaskDefinition": `{"family":"f","networkMode":"bridge","containerDefinitions":[
			{"name":"a","links":["b:c"],"portMappings":[{"containerPortRange":"80-90"}]}]}`,
		"ecs PutAttributes":                 `{"attributes":[{"name":"a","value":"b","targetId":"000"}]}`,
		"ec2 CreateLaunchTemplate":          `{"LaunchTemplateName":"n","LaunchTemplateData":{"UserData":"IyEvYmluL3No"}}`,
		"ec2 CreateLaunchTemplateVersion":   `{"LaunchTemplateId":"lt-many","SourceVersion":"1","LaunchTemplateData":{}}`,
		"ec2 RunInstances":                  `{"LaunchTemplate":{"LaunchTemplateId":"lt-many","Version":"$Latest"},"MinCount":1}`,
		"ec2 DescribeInstances":             `{"Filters":[{"Name":"tag:a","Values":["*?\\"]}]}`,
		"ec2 AuthorizeSecurityGroupIngress": `{"GroupId":"sg-000","IpPermissions":[{"IpProtocol":"tcp","IpRanges":[{"CidrIp":"::/0"}]}]}`,
		"autoscaling CreateAutoScalingGroup": `{"AutoScalingGroupName":"n","VPCZoneIdentifier":"subnet-000,",
			"LaunchTemplate":{"LaunchTemplateName":"many"}}`,
		"autoscaling SetDesiredCapacity": `{"AutoScalingGroupName":"g000","DesiredCapacity":1}`,
		"ssm GetParameters":              `{"Names":["/aws/service/ecs/optimized-ami/amazon-linux-2023/recommended/image_id"]}`,
		"ssm GetParametersByPath":        `{"Path":"/aws/service/","Recursive":true}`,
		"application-autoscaling PutScheduledAction": `{"ResourceId":"service/c/s000","Schedule":"cron(0 1 ? * MON#2 *)",
			"Timezone":"Europe/Paris"}`,
		"cloudformation ValidateTemplate": `{"TemplateBody":"Resources: {A: {Type: AWS::ECS::Cluster}}"}`,
		"elasticloadbalancing CreateRule": `{"ListenerArn":"x","Priority":1,"Conditions":[{"Field":"path-pattern"}],"Actions":[]}`,
	} {
		n, ok := number[call]
		if !ok {
			f.Fatal(call, "is no operation")
		}
		f.Add(uint16(n), []byte(body))
	}
	w := apitest.NewWorld(f)
	fillECS(w)
	fillEC2(w)
	fillBalancers(w)
	fillStacks(w)
	f.Fuzz(func(t *testing.T, which uint16, body []byte) {
		var ask in
		if json.Unmarshal(body, &ask) != nil {
			return
		}
		op := ops[int(which)%len(ops)]
		_, err := w.Invoke(t.Context(), op.Service.Name, op.Name, ask)
		if err != nil && fault.ClassOf(err) == fault.Internal {
			t.Errorf("%s %s %s: %v", op.Service.Name, op.Name, body, err)
		}
	})
}
