package handler

import (
	"maps"
	"strings"
)

// Namespaces of Cloud Map and their services. What makes a namespace answers an
// operation, which tells what it made.

func discoveryTypes() map[string]*Type {
	this := Args{"Id": self}
	tags := Tagging{
		Member: "Tags", Form: pairs, Add: "TagResource", Remove: "UntagResource", Of: Args{"ResourceARN": attribute("Arn")}, Keys: "TagKeys",
	}
	ours := taggedBy(Call{Operation: "ListTagsForResource", With: Args{"ResourceARN": at("Arn")}, Answer: "Tags"})
	namespace := func(kind, properties string) *Type {
		return &Type{
			Service: discovery,
			Make:    Call{Operation: "Create" + kind, Members: names(properties)},
			Then:    Call{Operation: "GetOperation", With: Args{"OperationId": at("OperationId")}},
			ID:      firstAt("Operation.Targets.NAMESPACE", "Id"),
			Lookup:  among(Call{Operation: "ListNamespaces", With: Args{"Filters": sameName}, Answer: "Namespaces"}, ours),
			Changes: []Change{{
				Call: Call{Operation: "Update" + kind, Carries: names("Description"), With: this, Prepare: within("Namespace")},
				When: names("Description"),
			}},
			Read:       Call{Operation: "GetNamespace", With: this, Answer: "Namespace"},
			Attributes: paths("Arn Id"),
			Remove:     Call{Operation: "DeleteNamespace", With: this},
			Tags:       tags,
		}
	}
	out := map[string]*Type{
		"AWS::ServiceDiscovery::HttpNamespace":       namespace("HttpNamespace", "Description Name"),
		"AWS::ServiceDiscovery::PrivateDnsNamespace": namespace("PrivateDnsNamespace", "Description Name Vpc"),
		"AWS::ServiceDiscovery::Service": {
			Service: discovery,
			Make: Call{
				Operation: "CreateService", Members: names("Description DnsConfig HealthCheckCustomConfig Name NamespaceId Type"),
				With: Args{"CreatorRequestId": token}, Answer: "Service",
			},
			ID: at("Id"),
			Changes: []Change{{
				Call: Call{Operation: "UpdateService", Carries: names("Description DnsConfig"), With: this, Prepare: changeService},
				When: names("Description DnsConfig"),
			}},
			Read:       Call{Operation: "GetService", With: this, Answer: "Service"},
			Attributes: paths("Arn Id"),
			Remove:     Call{Operation: "DeleteService", With: this},
			Tags:       tags,
		},
	}
	maps.Copy(out["AWS::ServiceDiscovery::PrivateDnsNamespace"].Attributes, paths("HostedZoneId=Properties.DnsProperties.HostedZoneId"))
	return out
}

// sameName is the filter for namespaces with the name, which private ones have in
// small letters.
func sameName(s *Step) any {
	name := s.text("Name")
	if s.text("Vpc") != "" {
		name = strings.ToLower(name)
	}
	return []any{filter("NAME", name)}
}

// within puts the description, or none, into a member.
func within(member string) func(*Step, map[string]any) error {
	return func(s *Step, in map[string]any) error {
		in[member] = map[string]any{"Description": s.text("Description")}
		return nil
	}
}

// changeService says what a service's description and records become; records
// neither come nor go as a whole.
func changeService(s *Step, in map[string]any) error {
	_, had := s.Record.Prior["DnsConfig"]
	c, has := s.Record.Properties["DnsConfig"].(map[string]any)
	if had && !has {
		return general("The DnsConfig of a service cannot be removed.")
	}
	change := map[string]any{"Description": s.text("Description")}
	if has {
		change["DnsConfig"] = map[string]any{"DnsRecords": c["DnsRecords"]}
	}
	in["Service"] = change
	return nil
}
