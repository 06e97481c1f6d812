package ec2

import (
	"reflect"
	"slices"
)

// arnKinds are the request members that name resources, and their part of an
// ARN.
var arnKinds = map[string]string{
	"VpcId": "vpc", "SubnetId": "subnet", "GroupId": "security-group", "RouteTableId": "route-table", "InternetGatewayId": "internet-gateway",
	"NatGatewayId": "natgateway", "AllocationId": "elastic-ip", "VpcEndpointId": "vpc-endpoint", "VpcEndpointIds": "vpc-endpoint",
	"NetworkInterfaceId": "network-interface", "InstanceIds": "instance",
}

// Resources names the ARNs that a call is about, for IAM. What only lists, or
// makes something from nothing, is about all ("*").
func (a *API) Resources(op string, in any) []string {
	out := []string{}
	v := reflect.Indirect(reflect.ValueOf(in))
	if v.Kind() != reflect.Struct || len(op) > 8 && op[:8] == "Describe" {
		return []string{"*"}
	}
	for i := range v.NumField() {
		kind, ok := arnKinds[v.Type().Field(i).Name]
		if !ok {
			continue
		}
		switch f := v.Field(i).Interface().(type) {
		case *string:
			if f != nil {
				out = append(out, a.arn(kind+"/"+*f))
			}
		case []string:
			for _, id := range f {
				out = append(out, a.arn(kind+"/"+id))
			}
		}
	}
	if len(out) == 0 {
		return []string{"*"}
	}
	slices.Sort(out)
	return out
}
