package handler

import (
	"context"

	"berth/internal/fault"
	"berth/internal/lang/template"
)

// What instances are launched from, and instances themselves.

func launchTypes() map[string]*Type {
	return map[string]*Type{
		"AWS::EC2::LaunchTemplate": launchTemplateType(), "AWS::EC2::Instance": instanceType(),
		"AWS::AutoScaling::LaunchConfiguration": launchConfigurationType(),
	}
}

// launchTemplateType: an update makes a new version, and the first stays the
// default one, as on AWS.
func launchTemplateType() *Type {
	return &Type{
		Service: ec2, Name: Name{Property: "LaunchTemplateName", Limit: 128}, Lookup: byTemplateName, Tags: Tagging{Plain: true},
		Make: Call{
			Operation: "CreateLaunchTemplate", Members: names("LaunchTemplateData TagSpecifications VersionDescription"),
			With: Args{"LaunchTemplateName": named, "ClientToken": token}, Answer: "LaunchTemplate",
		},
		ID: at("LaunchTemplateId"),
		Changes: []Change{
			{Call: Call{
				Operation: "CreateLaunchTemplateVersion", Members: names("LaunchTemplateData VersionDescription"),
				With: Args{"LaunchTemplateId": self, "ClientToken": token},
			}},
			{Call: Call{Members: names("TagSpecifications")}, Do: retagTemplate},
		},
		Read: Call{Operation: "DescribeLaunchTemplates", With: Args{"LaunchTemplateIds": listOf(self)}, Answer: "LaunchTemplates.0"},
		Attributes: map[string]Value{
			"LaunchTemplateId": self, "LatestVersionNumber": textAt("LatestVersionNumber"), "DefaultVersionNumber": textAt("DefaultVersionNumber"),
		},
		Remove: Call{Operation: "DeleteLaunchTemplate", With: Args{"LaunchTemplateId": self}},
	}
}

// textAt is a number at a path of the object, as text.
func textAt(path string) Value {
	return func(s *Step) any {
		v := dig(s.object, path)
		if v == nil {
			return nil
		}
		text, _ := template.Flat(v)
		return text
	}
}

// byTemplateName looks for the template of our name that we made.
func byTemplateName(ctx context.Context, s *Step) (string, any, error) {
	out, err := s.API.Call(ctx, ec2, "DescribeLaunchTemplates", map[string]any{"LaunchTemplateNames": []any{named(s)}})
	object := dig(out, "LaunchTemplates.0")
	if err != nil || object == nil {
		return "", nil, err
	}
	return checked(ctx, s, object, datedAt("CreateTime"))
}

// retagTemplate makes the tags of the template itself those of its
// TagSpecifications.
func retagTemplate(ctx context.Context, s *Step) error {
	was, want := templateTags(s.Record.Prior), templateTags(s.Record.Properties)
	if drop := missing(was, want); len(drop) > 0 {
		if err := s.do(ctx, ec2, "DeleteTags", map[string]any{"Resources": []any{s.id()}, "Tags": drop}); err != nil {
			return err
		}
	}
	if len(want) == 0 {
		return nil
	}
	return s.do(ctx, ec2, "CreateTags", map[string]any{"Resources": []any{s.id()}, "Tags": want})
}

func templateTags(props map[string]any) []any {
	var out []any
	for _, spec := range list(props["TagSpecifications"]) {
		out = append(out, list(dig(spec, "Tags"))...)
	}
	return out
}

func launchConfigurationType() *Type {
	return &Type{
		Service: autoscalingGroups, Name: Name{Property: "LaunchConfigurationName", Limit: 255}, Lookup: byName(datedAt("CreatedTime")),
		Tags: Tagging{Plain: true}, Lingers: true,
		Make: Call{
			Operation: "CreateLaunchConfiguration",
			Members: names("AssociatePublicIpAddress BlockDeviceMappings EbsOptimized IamInstanceProfile ImageId InstanceMonitoring InstanceType " +
				"KeyName MetadataOptions PlacementTenancy SecurityGroups UserData"),
			With: Args{"LaunchConfigurationName": named},
		},
		Convert: map[string]func(*Step, any) (any, error){"InstanceMonitoring": enabledOf},
		ID:      named,
		Read: Call{
			Operation: "DescribeLaunchConfigurations", With: Args{"LaunchConfigurationNames": listOf(self)}, Answer: "LaunchConfigurations.0",
		},
		Remove: Call{Operation: "DeleteLaunchConfiguration", With: Args{"LaunchConfigurationName": self}},
	}
}

// enabledOf is a truth as the APIs say it of monitoring.
func enabledOf(_ *Step, v any) (any, error) { return map[string]any{"Enabled": v}, nil }

func instanceType() *Type {
	attributes := paths("PrivateIp=PrivateIpAddress PublicIp=PublicIpAddress PrivateDnsName PublicDnsName VpcId State " +
		"AvailabilityZone=Placement.AvailabilityZone SubnetId")
	attributes["InstanceId"] = self
	return &Type{
		Service: ec2, Tags: ec2Tags("instance", self), Lookup: byEC2Tag("instance"), Lingers: true,
		Make: Call{
			Operation: "RunInstances",
			Members: names("BlockDeviceMappings DisableApiTermination EbsOptimized IamInstanceProfile ImageId InstanceType KeyName LaunchTemplate " +
				"MetadataOptions Monitoring NetworkInterfaces SecurityGroupIds SubnetId UserData"),
			With:   Args{"MinCount": constant(int64(1)), "MaxCount": constant(int64(1)), "ClientToken": token},
			Answer: "Instances.0",
		},
		Convert: map[string]func(*Step, any) (any, error){
			"Monitoring": enabledOf, "NetworkInterfaces": interfacesOf,
			"IamInstanceProfile": func(_ *Step, v any) (any, error) { return map[string]any{"Name": v}, nil },
		},
		ID: at("InstanceId"),
		Refuse: unchangeable("BlockDeviceMappings DisableApiTermination EbsOptimized IamInstanceProfile InstanceType MetadataOptions Monitoring " +
			"SecurityGroupIds UserData"),
		Read:       Call{Operation: "DescribeInstances", With: Args{"InstanceIds": listOf(self)}, Answer: "Reservations.0.Instances.0"},
		Attributes: attributes,
		Status: []Status{{
			Path: "State.Name", Ready: names("running"), Failed: names("shutting-down terminated"), Absent: names("terminated"),
			Ending: names("shutting-down"), Reason: "StateReason.Message", Text: "Instance {id} is {state}: {why}",
		}},
		Remove: Call{Operation: "TerminateInstances", With: Args{"InstanceIds": listOf(self)}},
	}
}

// unchangeable refuses changes of what EC2 changes in an instance, at rest or
// running, and Berth does not.
func unchangeable(properties string) map[string]func(*Step) error {
	out := map[string]func(*Step) error{}
	for _, p := range names(properties) {
		out[p] = refusing(fault.NotImplemented, "NotImplemented", "Changing "+p+" of an instance is not built in Berth")
	}
	return out
}

// interfacesOf writes network interfaces as the API does.
func interfacesOf(_ *Step, v any) (any, error) {
	var out []any
	for _, it := range list(v) {
		m := map[string]any{}
		for k, p := range it.(map[string]any) {
			switch k {
			case "GroupSet":
				m["Groups"] = p
			case "DeviceIndex":
				n, err := whole(nil, p)
				if err != nil {
					return nil, err
				}
				m[k] = n
			default:
				m[k] = p
			}
		}
		out = append(out, m)
	}
	return out, nil
}
