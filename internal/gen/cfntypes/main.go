// Command cfntypes packs the facts about the CloudFormation resource types
// that built.txt of internal/lang/template names into the file embedded
// there. Its input is the file of facts drawn from the registry schemas that
// cfn-lint ships (MIT-0). Run it from the repository's root:
//
//	go run ./internal/gen/cfntypes FACTS.json [NAMES.txt]
//
// NAMES.txt, a type a line, are the names of all types that CloudFormation has
// in any Region, drawn from the same schemas.
//
// It is no part of the program.
package main

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"encoding/json"
	"log"
	"os"
	"strings"
)

const folder = "internal/lang/template/"

// kept are the keys of a type that the program reads.
var kept = []string{"properties", "definitions", "required", "create_only", "conditional_create_only", "read_only", "write_only",
	"getatt", "ref", "tag_property", "tag_format", "constraints"}

func main() {
	if len(os.Args) < 2 {
		log.Fatal("usage: cfntypes FACTS.json [NAMES.txt]")
	}
	if len(os.Args) > 2 {
		names, err := os.ReadFile(os.Args[2])
		if err != nil {
			log.Fatal(err)
		}
		if err := pack("names.txt.gz", names); err != nil {
			log.Fatal(err)
		}
	}
	raw, err := os.ReadFile(os.Args[1])
	if err != nil {
		log.Fatal(err)
	}
	var all map[string]map[string]json.RawMessage
	if err := json.Unmarshal(raw, &all); err != nil {
		log.Fatal(err)
	}
	all["AWS::CDK::Metadata"] = metadata
	all["AWS::AutoScaling::LaunchConfiguration"] = launchConfiguration
	all["AWS::AutoScaling::ScheduledAction"] = scheduledAction
	all["AWS::IAM::UserToGroupAddition"] = userToGroupAddition
	all["AWS::IAM::GroupPolicy"] = ofGroup(all["AWS::IAM::UserPolicy"])
	names, err := built()
	if err != nil {
		log.Fatal(err)
	}
	out := map[string]map[string]json.RawMessage{}
	for _, n := range names {
		if all[n] == nil {
			log.Fatalf("no facts about %s", n)
		}
		out[n] = map[string]json.RawMessage{}
		for _, k := range kept {
			if v, ok := all[n][k]; ok {
				out[n][k] = v
			}
		}
	}
	if raw, err = json.Marshal(out); err != nil {
		log.Fatal(err)
	}
	if err := pack("types.json.gz", raw); err != nil {
		log.Fatal(err)
	}
}

// metadata are the facts about the resource with which the CDK says by which
// constructs a template was made; it is in no registry (CDK Developer Guide,
// "Usage data reporting").
var metadata = map[string]json.RawMessage{
	"properties": json.RawMessage(`{"Analytics":{"type":"string"}}`),
	"ref":        json.RawMessage(`"Id"`),
}

// launchConfiguration are the facts about launch configurations, which the
// file of facts lacks (User Guide, AWS::AutoScaling::LaunchConfiguration).
var launchConfiguration = map[string]json.RawMessage{
	"properties": json.RawMessage(`{"AssociatePublicIpAddress":{"type":"boolean"},
		"BlockDeviceMappings":{"type":"array","items":{"ref":"BlockDeviceMapping"}},
		"ClassicLinkVPCId":{"type":"string"},"ClassicLinkVPCSecurityGroups":{"type":"array","items":{"type":"string"}},
		"EbsOptimized":{"type":"boolean"},"IamInstanceProfile":{"type":"string"},"ImageId":{"type":"string"},"InstanceId":{"type":"string"},
		"InstanceMonitoring":{"type":"boolean"},"InstanceType":{"type":"string"},"KernelId":{"type":"string"},"KeyName":{"type":"string"},
		"LaunchConfigurationName":{"type":"string"},"MetadataOptions":{"ref":"MetadataOptions"},
		"PlacementTenancy":{"type":"string"},"RamDiskId":{"type":"string"},"SecurityGroups":{"type":"array","items":{"type":"string"}},
		"SpotPrice":{"type":"string"},"UserData":{"type":"string"}}`),
	"definitions": json.RawMessage(`{"BlockDevice":{"type":"object","properties":{"DeleteOnTermination":{"type":"boolean"},
		"Encrypted":{"type":"boolean"},"Iops":{"type":"integer"},"SnapshotId":{"type":"string"},"Throughput":{"type":"integer"},
		"VolumeSize":{"type":"integer"},"VolumeType":{"type":"string"}}},
		"BlockDeviceMapping":{"type":"object","required":["DeviceName"],"properties":{"DeviceName":{"type":"string"},
		"Ebs":{"ref":"BlockDevice"},"NoDevice":{"type":"boolean"},"VirtualName":{"type":"string"}}},
		"MetadataOptions":{"type":"object","properties":{"HttpEndpoint":{"type":"string"},"HttpPutResponseHopLimit":{"type":"integer"},
		"HttpTokens":{"type":"string"}}}}`),
	"required": json.RawMessage(`["ImageId","InstanceType"]`),
	"create_only": json.RawMessage(`["AssociatePublicIpAddress","BlockDeviceMappings","ClassicLinkVPCId","ClassicLinkVPCSecurityGroups",
		"EbsOptimized","IamInstanceProfile","ImageId","InstanceId","InstanceMonitoring","InstanceType","KernelId","KeyName",
		"LaunchConfigurationName","MetadataOptions","PlacementTenancy","RamDiskId","SecurityGroups","SpotPrice","UserData"]`),
	"ref": json.RawMessage(`"{LaunchConfigurationName}"`),
}

// scheduledAction are the facts about scheduled actions of Auto Scaling groups,
// which the file of facts lacks (User Guide, AWS::AutoScaling::ScheduledAction).
var scheduledAction = map[string]json.RawMessage{
	"properties": json.RawMessage(`{"AutoScalingGroupName":{"type":"string"},"DesiredCapacity":{"type":"integer"},"EndTime":{"type":"string"},
		"MaxSize":{"type":"integer"},"MinSize":{"type":"integer"},"Recurrence":{"type":"string"},"ScheduledActionName":{"type":"string"},
		"StartTime":{"type":"string"},"TimeZone":{"type":"string"}}`),
	"required":    json.RawMessage(`["AutoScalingGroupName"]`),
	"create_only": json.RawMessage(`["AutoScalingGroupName"]`),
	"read_only":   json.RawMessage(`["ScheduledActionName"]`),
	"getatt":      json.RawMessage(`["ScheduledActionName"]`),
	"ref":         json.RawMessage(`"{ScheduledActionName}"`),
}

// userToGroupAddition are the facts about users that are put into a group, which
// the file of facts lacks (User Guide, AWS::IAM::UserToGroupAddition).
var userToGroupAddition = map[string]json.RawMessage{
	"properties": json.RawMessage(`{"GroupName":{"type":"string","minLength":1,"maxLength":128,"pattern":"^[\\w+=,.@-]+$"},
		"Users":{"type":"array","items":{"type":"string"}},"Id":{"type":"string"}}`),
	"required":  json.RawMessage(`["GroupName","Users"]`),
	"read_only": json.RawMessage(`["Id"]`),
	"getatt":    json.RawMessage(`["Id"]`),
	"ref":       json.RawMessage(`"{Id}"`),
}

// ofGroup are the facts about a group's policy, which the file of facts lacks: they
// are those of a user's, by another name (User Guide, AWS::IAM::GroupPolicy).
func ofGroup(user map[string]json.RawMessage) map[string]json.RawMessage {
	out := map[string]json.RawMessage{}
	for k, v := range user {
		out[k] = bytes.ReplaceAll(v, []byte("UserName"), []byte("GroupName"))
	}
	return out
}

// built lists the types that built.txt names.
func built() ([]string, error) {
	f, err := os.Open(folder + "built.txt")
	if err != nil {
		return nil, err
	}
	defer f.Close()
	var names []string
	for s := bufio.NewScanner(f); s.Scan(); {
		if name, _, ok := strings.Cut(s.Text()+" ", ": "); ok && !strings.HasPrefix(name, "#") {
			names = append(names, name)
		}
	}
	return names, nil
}

// pack writes an embedded file. The header has no time in it.
func pack(name string, raw []byte) error {
	var b bytes.Buffer
	z, err := gzip.NewWriterLevel(&b, gzip.BestCompression)
	if err != nil {
		return err
	}
	if _, err := z.Write(raw); err != nil {
		return err
	}
	if err := z.Close(); err != nil {
		return err
	}
	return os.WriteFile(folder+name, b.Bytes(), 0o644)
}
