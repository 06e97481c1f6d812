package ec2_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"berth/internal/api/apitest"
	"berth/internal/fault"
	"berth/internal/model"
	"berth/internal/model/catalog"
	"berth/internal/state"
)

// putNetworks puts two VPCs: one with all that calls may meet in it, and one
// whose parts do not belong to the first.
func putNetworks(w *apitest.World) {
	apitest.Put(w, state.VPCs, model.VPC{ID: "vpc-v", CIDR: "10.0.0.0/16", DNSSupport: true, DNSHostnames: true,
		DefaultGroup: "sg-default"},
		model.VPC{ID: "vpc-w", CIDR: "10.1.0.0/16", DefaultGroup: "sg-w"})
	apitest.Put(w, state.Subnets, model.Subnet{ID: "subnet-a", VPC: "vpc-v", CIDR: "10.0.0.0/24", AvailabilityZone: "us-east-1a"},
		model.Subnet{ID: "subnet-b", VPC: "vpc-v", CIDR: "10.0.1.0/24", AvailabilityZone: "us-east-1a"},
		model.Subnet{ID: "subnet-w", VPC: "vpc-w", CIDR: "10.1.0.0/24", AvailabilityZone: "us-east-1a"})
	apitest.Put(w, state.InternetGateways, model.InternetGateway{ID: "igw-v", VPC: "vpc-v"},
		model.InternetGateway{ID: "igw-w", VPC: "vpc-w"}, model.InternetGateway{ID: "igw-free"})
	apitest.Put(w, state.NATGateways, model.NATGateway{ID: "nat-w", VPC: "vpc-w", Subnet: "subnet-w", State: "available"})
	apitest.Put(w, state.NetworkInterfaces, model.NetworkInterface{ID: "eni-v", VPC: "vpc-v", Subnet: "subnet-a"},
		model.NetworkInterface{ID: "eni-w", VPC: "vpc-w", Subnet: "subnet-w"})
	local := model.Route{Destination: "10.0.0.0/16", Target: "local", Origin: "CreateRouteTable"}
	apitest.Put(w, state.RouteTables, model.RouteTable{
		ID: "rtb-main", VPC: "vpc-v", Routes: []model.Route{local}, Associations: []model.RouteAssociation{{ID: "rtbassoc-main",
			Main: true}},
	}, model.RouteTable{
		ID: "rtb-v", VPC: "vpc-v", Routes: []model.Route{local, {Destination: "0.0.0.0/0", Target: "igw-v", Origin: "CreateRoute"}},
		Associations: []model.RouteAssociation{{ID: "rtbassoc-a", Subnet: "subnet-a"}},
	}, model.RouteTable{ID: "rtb-w", VPC: "vpc-w"})
	apitest.Put(w, state.Addresses, many(250, func(i int) model.Address {
		return model.Address{AllocationID: fmt.Sprint("eipalloc-", i), PublicIP: fmt.Sprint("198.51.100.", i+5)}
	})...)
	apitest.Put(w, state.Addresses, model.Address{AllocationID: "eipalloc-used", PublicIP: "198.51.100.1", AssociationID: "a",
		ENI: "eni-v"})
	apitest.Put(w, state.Instances, model.Instance{ID: "i-1", State: "running"})
	putGroups(w)
	putEndpoints(w)
	putTemplates(w)
}

func putTemplates(w *apitest.World) {
	versions := many(10_000, func(i int) model.LaunchTemplateVersion {
		return model.LaunchTemplateVersion{Number: int64(i + 1), Data: "{}"}
	})
	apitest.Put(w, state.LaunchTemplates, model.LaunchTemplate{
		ID: "lt-00000001", Name: "hosts", Default: 1, Latest: 1, Versions: versions[:1],
	}, model.LaunchTemplate{ID: "lt-00000002", Name: "full", Default: 1, Latest: 10_000, Versions: versions})
	apitest.Put(w, state.Instances, model.Instance{
		ID: "i-00000002", Kind: model.KindEC2, State: "running", Launch: &model.Launch{Protected: true},
	})
}

// launchRows are the errors of launch templates and launches. AMI is an image of
// x86_64, ARM one of arm64.
const launchRows = `
	CreateLaunchTemplate InvalidLaunchTemplateName.AlreadyExistsException LaunchTemplateName=hosts LaunchTemplateData={}
	CreateLaunchTemplate InvalidLaunchTemplateName.MalformedException LaunchTemplateName=a.b# LaunchTemplateData={}
	CreateLaunchTemplate InvalidParameterValue LaunchTemplateName=abc LaunchTemplateData={"TagSpecifications":[{"ResourceType":"instance","Tags":[{"Key":""}]}]}
	CreateLaunchTemplateVersion InvalidLaunchTemplateId.NotFound LaunchTemplateId=lt-0000dead LaunchTemplateData={}
	CreateLaunchTemplateVersion InvalidLaunchTemplateName.NotFoundException LaunchTemplateName=dead LaunchTemplateData={}
	CreateLaunchTemplateVersion InvalidLaunchTemplateId.VersionNotFound LaunchTemplateName=hosts SourceVersion=7 LaunchTemplateData={}
	CreateLaunchTemplateVersion VersionLimitExceeded LaunchTemplateName=full LaunchTemplateData={}
	CreateLaunchTemplateVersion MissingParameter LaunchTemplateData={}
	DeleteLaunchTemplate InvalidLaunchTemplateId.NotFound LaunchTemplateId=lt-0000dead
	DeleteLaunchTemplate InvalidLaunchTemplateName.NotFoundException LaunchTemplateName=dead
	DeleteLaunchTemplate MissingParameter
	DeleteLaunchTemplateVersions InvalidLaunchTemplateId.NotFound LaunchTemplateId=lt-0000dead Versions=["1"]
	DeleteLaunchTemplateVersions InvalidLaunchTemplateName.NotFoundException LaunchTemplateName=dead Versions=["1"]
	DeleteLaunchTemplateVersions MissingParameter Versions=["1"]
	DescribeImages InvalidAMIID.NotFound ImageIds=["ami-0000dead"]
	DescribeImages InvalidAMIID.Malformed ImageIds=["dead"]
	DescribeImages InvalidParameterValue NextToken=made-up
	DescribeLaunchTemplateVersions InvalidLaunchTemplateId.NotFound LaunchTemplateId=lt-0000dead
	DescribeLaunchTemplateVersions InvalidLaunchTemplateName.NotFoundException LaunchTemplateName=dead
	DescribeLaunchTemplateVersions InvalidLaunchTemplateId.VersionNotFound LaunchTemplateName=hosts Versions=["7"]
	DescribeLaunchTemplateVersions MissingParameter
	DescribeLaunchTemplateVersions InvalidParameterValue LaunchTemplateName=hosts NextToken=made-up
	DescribeLaunchTemplates InvalidLaunchTemplateId.NotFound LaunchTemplateIds=["lt-0000dead"]
	DescribeLaunchTemplates InvalidLaunchTemplateName.NotFoundException LaunchTemplateNames=["dead"]
	DescribeLaunchTemplates InvalidParameterValue NextToken=made-up
	ModifyLaunchTemplate InvalidLaunchTemplateId.NotFound LaunchTemplateId=lt-0000dead DefaultVersion=1
	ModifyLaunchTemplate InvalidLaunchTemplateName.NotFoundException LaunchTemplateName=dead DefaultVersion=1
	ModifyLaunchTemplate InvalidLaunchTemplateId.VersionNotFound LaunchTemplateName=hosts DefaultVersion=7
	ModifyLaunchTemplate MissingParameter LaunchTemplateName=hosts
	RunInstances MissingParameter MinCount=1 MaxCount=1
	RunInstances InvalidAMIID.NotFound MinCount=1 MaxCount=1 ImageId=ami-0000dead
	RunInstances InvalidParameterValue MinCount=2 MaxCount=1 ImageId=AMI
	RunInstances InvalidParameterValue MinCount=1 MaxCount=1 ImageId=ARM InstanceType=t3.large
	RunInstances InvalidParameterValue MinCount=1 MaxCount=1 ImageId=AMI InstanceType=t3.none
	RunInstances InvalidParameterCombination MinCount=1 MaxCount=1 ImageId=AMI InstanceType=t3.large SecurityGroupIds=["sg-web"] NetworkInterfaces=[{"DeviceIndex":0}]
	RunInstances InvalidSubnetID.NotFound MinCount=1 MaxCount=1 ImageId=AMI InstanceType=t3.large SubnetId=subnet-0000dead
	RunInstances InvalidGroup.NotFound MinCount=1 MaxCount=1 ImageId=AMI InstanceType=t3.large SubnetId=subnet-a SecurityGroupIds=["sg-0000dead"]
	RunInstances InvalidKeyPair.NotFound MinCount=1 MaxCount=1 ImageId=AMI InstanceType=t3.large SubnetId=subnet-a KeyName=mine
	RunInstances InvalidLaunchTemplateId.NotFound MinCount=1 MaxCount=1 LaunchTemplate={"LaunchTemplateId":"lt-0000dead"}
	RunInstances InvalidLaunchTemplateName.NotFoundException MinCount=1 MaxCount=1 LaunchTemplate={"LaunchTemplateName":"dead"}
	RunInstances InvalidLaunchTemplateId.VersionNotFound MinCount=1 MaxCount=1 LaunchTemplate={"LaunchTemplateName":"hosts","Version":"7"}
	RunInstances InstanceLimitExceeded MinCount=1 MaxCount=1000
	RunInstances Unsupported MinCount=1 MaxCount=1 ImageId=AMI InstanceType=g4dn.xlarge
	TerminateInstances OperationNotPermitted InstanceIds=["i-00000002"]
	TerminateInstances MissingParameter
`

func putGroups(w *apitest.World) {
	open := func(i int) model.SecurityRule {
		return model.SecurityRule{ID: fmt.Sprintf("sgr-%08d", i), Protocol: "tcp", FromPort: int64(i), ToPort: int64(i), CIDR: "0.0.0.0/0"}
	}
	apitest.Put(w, state.SecurityGroups, model.SecurityGroup{ID: "sg-default", Name: "default", VPC: "vpc-v"},
		model.SecurityGroup{ID: "sg-web", Name: "web", VPC: "vpc-v", Rules: []model.SecurityRule{open(80), open(443)}},
		model.SecurityGroup{ID: "sg-full", Name: "full", VPC: "vpc-v", Rules: many(60, open)},
		model.SecurityGroup{ID: "sg-w", Name: "w", VPC: "vpc-w", Rules: []model.SecurityRule{{ID: "sgr-w", Egress: true,
			Group: "sg-web"}}})
}

func putEndpoints(w *apitest.World) {
	apitest.Put(w, state.VPCEndpoints, model.VPCEndpoint{
		ID: "vpce-i", VPC: "vpc-v", Type: "Interface", ServiceName: "com.amazonaws.us-east-1.ecs", Subnets: []string{"subnet-a"},
		SecurityGroups: []string{"sg-web"}, PrivateDNS: true, State: model.EndpointAvailable,
	}, model.VPCEndpoint{
		ID: "vpce-g", VPC: "vpc-v", Type: "Gateway", ServiceName: "com.amazonaws.us-east-1.s3", State: model.EndpointAvailable,
	})
	w.Must("ec2", "CreateVpcEndpoint", apitest.In{
		"VpcId": "vpc-v", "ServiceName": "com.amazonaws.us-east-1.s3", "RouteTableIds": []any{"rtb-main"},
	})
}

func many[T any](n int, of func(int) T) (all []T) {
	for i := range n {
		all = append(all, of(i))
	}
	return all
}

// An id of another form is refused as that before anything is looked for, with
// the code that AWS has for its kind, by every operation that takes one.
func TestIDsOfAnotherFormAreMalformed(t *testing.T) {
	w := apitest.NewWorld(t)
	putNetworks(w)
	for row := range strings.Lines(malformed) {
		f := strings.Fields(row)
		if len(f) == 0 {
			continue
		}
		prefix, code, operation := f[0], f[1], f[2]
		for _, id := range []string{
			"lost", prefix + "-lost", prefix + "-0000DEAD", prefix + "-0000dea", prefix + "-0000dead0000dead", "x" + prefix + "-0000dead",
		} {
			var in apitest.In
			if err := json.Unmarshal([]byte(strings.ReplaceAll(f[3], "ID", id)), &in); err != nil {
				t.Fatal(row, err)
			}
			_, err := w.Invoke(t.Context(), "ec2", operation, in)
			if want := `Invalid id: "` + id + `" (expecting "` + prefix + `-...")`; fault.CodeOf(err) != code || fault.MessageOf(err) != want {
				t.Errorf("%s of %s: %v", operation, id, err)
			}
		}
	}
}

// malformed are calls with an ID, the beginning that it should have, and the
// code if it has another.
const malformed = `
	vpc InvalidVpcID.Malformed DescribeVpcs {"VpcIds":["ID"]}
	vpc InvalidVpcID.Malformed DescribeVpcs {"VpcIds":["vpc-0000dead","ID"]}
	vpc InvalidVpcID.Malformed DeleteVpc {"VpcId":"ID"}
	vpc InvalidVpcID.Malformed CreateSubnet {"VpcId":"ID","CidrBlock":"10.0.2.0/24"}
	vpc InvalidVpcID.Malformed AttachInternetGateway {"VpcId":"ID","InternetGatewayId":"igw-free"}
	subnet InvalidSubnetID.Malformed DescribeSubnets {"SubnetIds":["ID"]}
	subnet InvalidSubnetID.Malformed DeleteSubnet {"SubnetId":"ID"}
	subnet InvalidSubnetID.Malformed CreateNatGateway {"SubnetId":"ID","AllocationId":"eipalloc-1"}
	subnet InvalidSubnetID.Malformed ModifyVpcEndpoint {"VpcEndpointId":"vpce-i","AddSubnetIds":["ID"]}
	igw InvalidInternetGatewayId.Malformed DescribeInternetGateways {"InternetGatewayIds":["ID"]}
	igw InvalidInternetGatewayId.Malformed DeleteInternetGateway {"InternetGatewayId":"ID"}
	nat NatGatewayMalformed DescribeNatGateways {"NatGatewayIds":["ID"]}
	nat NatGatewayMalformed DeleteNatGateway {"NatGatewayId":"ID"}
	nat NatGatewayMalformed CreateRoute {"RouteTableId":"rtb-v","DestinationCidrBlock":"1.0.0.0/8","NatGatewayId":"ID"}
	rtb InvalidRouteTableId.Malformed DescribeRouteTables {"RouteTableIds":["ID"]}
	rtb InvalidRouteTableId.Malformed DeleteRouteTable {"RouteTableId":"ID"}
	rtb InvalidRouteTableId.Malformed CreateVpcEndpoint {"VpcId":"vpc-v","ServiceName":"com.amazonaws.us-east-1.s3","RouteTableIds":["ID"]}
	sg InvalidGroupId.Malformed DescribeSecurityGroups {"GroupIds":["ID"]}
	sg InvalidGroupId.Malformed DeleteSecurityGroup {"GroupId":"ID"}
	sg InvalidGroupId.Malformed ModifyVpcEndpoint {"VpcEndpointId":"vpce-i","AddSecurityGroupIds":["ID"]}
	sgr InvalidSecurityGroupRuleId.Malformed DescribeSecurityGroupRules {"SecurityGroupRuleIds":["ID"]}
	sgr InvalidSecurityGroupRuleId.Malformed RevokeSecurityGroupIngress {"GroupId":"sg-web","SecurityGroupRuleIds":["ID"]}
	vpce InvalidVpcEndpointId.Malformed DescribeVpcEndpoints {"VpcEndpointIds":["ID"]}
	vpce InvalidVpcEndpointId.Malformed ModifyVpcEndpoint {"VpcEndpointId":"ID"}
	acl InvalidNetworkAclId.Malformed DescribeNetworkAcls {"NetworkAclIds":["ID"]}
	dopt InvalidDhcpOptionsId.Malformed DescribeDhcpOptions {"DhcpOptionsIds":["ID"]}
	eni InvalidNetworkInterfaceId.Malformed DescribeNetworkInterfaces {"NetworkInterfaceIds":["ID"]}
	eni InvalidNetworkInterfaceId.Malformed DescribeNetworkInterfaceAttribute {"NetworkInterfaceId":"ID","Attribute":"groupSet"}
	eni InvalidNetworkInterfaceId.Malformed CreateRoute {"RouteTableId":"rtb-v","DestinationCidrBlock":"1.0.0.0/8","NetworkInterfaceId":"ID"}
	i InvalidInstanceID.Malformed DescribeInstances {"InstanceIds":["ID"]}
	i InvalidInstanceID.Malformed DescribeInstanceStatus {"InstanceIds":["ID"]}
	i InvalidInstanceID.Malformed TerminateInstances {"InstanceIds":["ID"]}
	pl InvalidPrefixListId.Malformed DescribePrefixLists {"PrefixListIds":["ID"]}
	pl InvalidPrefixListId.Malformed GetManagedPrefixListEntries {"PrefixListId":"ID"}
	pcx InvalidVpcPeeringConnectionId.Malformed DescribeVpcPeeringConnections {"VpcPeeringConnectionIds":["ID"]}
	eigw InvalidEgressOnlyInternetGatewayId.Malformed DescribeEgressOnlyInternetGateways {"EgressOnlyInternetGatewayIds":["ID"]}
`

func TestErrorsAreAsListed(t *testing.T) {
	w := apitest.NewWorld(t)
	putNetworks(w)
	egress := `[{"IpProtocol":"-1","IpRanges":[` + strings.TrimSuffix(strings.Repeat(`{"CidrIp":"10.0.0.0/8"},`, 61), ",") + `]}]`
	apitest.Errors(t, w, "ec2", strings.NewReplacer(
		"FILTER", `Filters=[{"Name":"lost","Values":["x"]}]`, "MANY", apitest.Tags(51, "Key", "Value"),
		"SERVICE/", "com.amazonaws.us-east-1.", "PERMIT", `IpPermissions=[{"IpProtocol":"tcp","FromPort":`,
		"ANY", `"IpRanges":[{"CidrIp":"0.0.0.0/0"}]}]`, "EGRESS", "IpPermissions="+egress,
		"BOTH", `{"VCpuCount":{"Min":1},"MemoryMiB":{"Min":1},"AllowedInstanceTypes":["m*"],"ExcludedInstanceTypes":["t*"]}`,
		"NARROW", `"{\"Version\":\"2012-10-17\",\"Statement\":[{\"Effect\":\"Deny\",\"Principal\":\"*\",\"Action\":\"*\",\"Resource\":\"*\"}]}"`,
		"=AMI", "="+catalog.Images("us-east-1")[1].ID, "=ARM", "="+catalog.Images("us-east-1")[2].ID,
	).Replace(networkErrors+routeErrors+groupErrors+endpointErrors+otherErrors+launchRows))
}

const networkErrors = `
	CreateVpc InvalidVpc.Range CidrBlock=10.0.0.0/8
	CreateVpc InvalidParameterValue CidrBlock=lost
	CreateVpc MissingParameter
	CreateVpc NotImplemented CidrBlock=10.2.0.0/16 InstanceTenancy=dedicated
	CreateDefaultSubnet DefaultVpcDoesNotExist AvailabilityZone=us-east-1a
	CreateSecurityGroup VPCIdNotSpecified GroupName=new Description=x
	CreateDefaultVpc -
	CreateDefaultVpc DefaultVpcAlreadyExists
	CreateDefaultSubnet DefaultSubnetAlreadyExistsInAvailabilityZone AvailabilityZone=us-east-1a
	CreateDefaultSubnet InvalidParameterValue AvailabilityZone=us-east-1z
	DescribeVpcs InvalidVpcID.NotFound VpcIds=["vpc-0000dead"]
	DescribeVpcs InvalidParameterValue FILTER
	DeleteVpc InvalidVpcID.NotFound VpcId=vpc-0000dead
	DeleteVpc DependencyViolation VpcId=vpc-v
	DescribeVpcAttribute InvalidVpcID.NotFound VpcId=vpc-0000dead Attribute=enableDnsSupport
	DescribeVpcAttribute InvalidParameterValue VpcId=vpc-v Attribute=lost
	DescribeVpcAttribute MissingParameter VpcId=vpc-v
	ModifyVpcAttribute InvalidVpcID.NotFound VpcId=vpc-0000dead EnableDnsSupport={"Value":true}
	ModifyVpcAttribute InvalidParameterCombination VpcId=vpc-v
	CreateSubnet InvalidVpcID.NotFound VpcId=vpc-0000dead CidrBlock=10.0.2.0/24
	CreateSubnet InvalidSubnet.Range VpcId=vpc-v CidrBlock=10.9.0.0/24
	CreateSubnet InvalidSubnet.Conflict VpcId=vpc-v CidrBlock=10.0.0.0/24
	CreateSubnet InvalidParameterValue VpcId=vpc-v CidrBlock=10.0.2.0/24 AvailabilityZone=lost
	CreateSubnet MissingParameter VpcId=vpc-v
	DescribeSubnets InvalidSubnetID.NotFound SubnetIds=["subnet-0000dead"]
	DescribeSubnets InvalidParameterValue FILTER
	DeleteSubnet InvalidSubnetID.NotFound SubnetId=subnet-0000dead
	DeleteSubnet DependencyViolation SubnetId=subnet-a
	ModifySubnetAttribute InvalidSubnetID.NotFound SubnetId=subnet-0000dead MapPublicIpOnLaunch={"Value":true}
	ModifySubnetAttribute InvalidParameterCombination SubnetId=subnet-a
	CreateInternetGateway InvalidParameterValue TagSpecifications=[{"ResourceType":"vpc"}]
	DescribeInternetGateways InvalidInternetGatewayID.NotFound InternetGatewayIds=["igw-0000dead"]
	DescribeInternetGateways InvalidParameterValue FILTER
	AttachInternetGateway InvalidInternetGatewayID.NotFound InternetGatewayId=igw-0000dead VpcId=vpc-v
	AttachInternetGateway InvalidVpcID.NotFound InternetGatewayId=igw-free VpcId=vpc-0000dead
	AttachInternetGateway Resource.AlreadyAssociated InternetGatewayId=igw-v VpcId=vpc-v
	AttachInternetGateway InvalidParameterValue InternetGatewayId=igw-free VpcId=vpc-v
	DetachInternetGateway InvalidInternetGatewayID.NotFound InternetGatewayId=igw-0000dead VpcId=vpc-v
	DetachInternetGateway InvalidVpcID.NotFound InternetGatewayId=igw-v VpcId=vpc-0000dead
	DetachInternetGateway Gateway.NotAttached InternetGatewayId=igw-free VpcId=vpc-v
	DetachInternetGateway DependencyViolation InternetGatewayId=igw-v VpcId=vpc-v
	DeleteInternetGateway InvalidInternetGatewayID.NotFound InternetGatewayId=igw-0000dead
	DeleteInternetGateway DependencyViolation InternetGatewayId=igw-v
	DescribeNetworkAcls InvalidNetworkAclID.NotFound NetworkAclIds=["acl-0000dead"]
	DescribeNetworkAcls InvalidParameterValue FILTER
	DescribeDhcpOptions InvalidDhcpOptionID.NotFound DhcpOptionsIds=["dopt-0000dead"]
	DescribeDhcpOptions InvalidParameterValue FILTER
	DescribeVpcPeeringConnections InvalidVpcPeeringConnectionID.NotFound VpcPeeringConnectionIds=["pcx-0000dead"]
	DescribeVpcPeeringConnections InvalidParameterValue NextToken=made-up
	DescribeEgressOnlyInternetGateways InvalidEgressOnlyInternetGatewayId.NotFound EgressOnlyInternetGatewayIds=["eigw-0000dead"]
	DescribeEgressOnlyInternetGateways InvalidParameterValue NextToken=made-up
	DescribeNetworkInterfaces InvalidNetworkInterfaceID.NotFound NetworkInterfaceIds=["eni-0000dead"]
	DescribeNetworkInterfaces InvalidParameterValue FILTER
	DescribeNetworkInterfaceAttribute InvalidNetworkInterfaceID.NotFound NetworkInterfaceId=eni-0000dead Attribute=groupSet
	DescribeNetworkInterfaceAttribute InvalidParameterValue NetworkInterfaceId=eni-v Attribute=lost
`

const routeErrors = `
	AllocateAddress InvalidParameterValue Domain=standard
	DescribeAddresses InvalidAllocationID.NotFound AllocationIds=["eipalloc-lost"]
	DescribeAddresses InvalidAddress.NotFound PublicIps=["192.0.2.1"]
	DescribeAddresses InvalidParameterValue FILTER
	DescribeAddressesAttribute InvalidAllocationID.NotFound AllocationIds=["eipalloc-lost"]
	DescribeAddressesAttribute InvalidParameterValue NextToken=made-up
	ReleaseAddress InvalidAllocationID.NotFound AllocationId=eipalloc-lost
	ReleaseAddress InvalidIPAddress.InUse AllocationId=eipalloc-used
	ReleaseAddress MissingParameter
	AssociateAddress InvalidAllocationID.NotFound AllocationId=eipalloc-lost NetworkInterfaceId=eni-v
	AssociateAddress InvalidNetworkInterfaceID.NotFound AllocationId=eipalloc-1 NetworkInterfaceId=eni-0000dead
	AssociateAddress Resource.AlreadyAssociated AllocationId=eipalloc-used NetworkInterfaceId=eni-w
	AssociateAddress MissingParameter AllocationId=eipalloc-1
	DisassociateAddress InvalidAssociationID.NotFound AssociationId=eipassoc-lost
	CreateNatGateway InvalidSubnetID.NotFound SubnetId=subnet-0000dead AllocationId=eipalloc-1
	CreateNatGateway InvalidAllocationID.NotFound SubnetId=subnet-a AllocationId=eipalloc-lost
	CreateNatGateway Resource.AlreadyAssociated SubnetId=subnet-a AllocationId=eipalloc-used
	CreateNatGateway MissingParameter SubnetId=subnet-a
	CreateNatGateway InvalidParameterCombination SubnetId=subnet-a AllocationId=eipalloc-1 ConnectivityType=private
	DescribeNatGateways NatGatewayNotFound NatGatewayIds=["nat-0000dead"]
	DescribeNatGateways InvalidParameterValue Filter=[{"Name":"lost","Values":["x"]}]
	DeleteNatGateway NatGatewayNotFound NatGatewayId=nat-0000dead
	CreateRouteTable InvalidVpcID.NotFound VpcId=vpc-0000dead
	DescribeRouteTables InvalidRouteTableID.NotFound RouteTableIds=["rtb-0000dead"]
	DescribeRouteTables InvalidParameterValue FILTER
	DeleteRouteTable InvalidRouteTableID.NotFound RouteTableId=rtb-0000dead
	DeleteRouteTable DependencyViolation RouteTableId=rtb-v
	AssociateRouteTable InvalidRouteTableID.NotFound RouteTableId=rtb-0000dead SubnetId=subnet-a
	AssociateRouteTable InvalidSubnetID.NotFound RouteTableId=rtb-v SubnetId=subnet-0000dead
	AssociateRouteTable Resource.AlreadyAssociated RouteTableId=rtb-main SubnetId=subnet-a
	AssociateRouteTable InvalidParameterValue RouteTableId=rtb-w SubnetId=subnet-a
	DisassociateRouteTable InvalidAssociationID.NotFound AssociationId=rtbassoc-lost
	DisassociateRouteTable InvalidParameterValue AssociationId=rtbassoc-main
	ReplaceRouteTableAssociation InvalidAssociationID.NotFound AssociationId=rtbassoc-lost RouteTableId=rtb-v
	ReplaceRouteTableAssociation InvalidRouteTableID.NotFound AssociationId=rtbassoc-a RouteTableId=rtb-0000dead
	ReplaceRouteTableAssociation InvalidParameterValue AssociationId=rtbassoc-a RouteTableId=rtb-w
	CreateRoute RouteAlreadyExists RouteTableId=rtb-v DestinationCidrBlock=10.0.0.0/16 GatewayId=igw-v
	CreateRoute InvalidGatewayID.NotFound RouteTableId=rtb-v DestinationCidrBlock=1.0.0.0/8 GatewayId=igw-0000dead
	CreateRoute InvalidNatGatewayID.NotFound RouteTableId=rtb-v DestinationCidrBlock=1.0.0.0/8 NatGatewayId=nat-0000dead
	CreateRoute InvalidNetworkInterfaceID.NotFound RouteTableId=rtb-v DestinationCidrBlock=1.0.0.0/8 NetworkInterfaceId=eni-0000dead
	CreateRoute InvalidRouteTableID.NotFound RouteTableId=rtb-0000dead DestinationCidrBlock=1.0.0.0/8 GatewayId=igw-v
	CreateRoute InvalidParameterValue RouteTableId=rtb-v DestinationCidrBlock=lost GatewayId=igw-v
	CreateRoute InvalidParameterValue RouteTableId=rtb-v DestinationCidrBlock=1.0.0.0/8 GatewayId=igw-w
	CreateRoute InvalidParameterValue RouteTableId=rtb-v DestinationCidrBlock=1.0.0.0/8 NatGatewayId=nat-w
	CreateRoute InvalidParameterValue RouteTableId=rtb-v DestinationCidrBlock=1.0.0.0/8 NetworkInterfaceId=eni-w
	CreateRoute InvalidParameterCombination RouteTableId=rtb-v DestinationCidrBlock=1.0.0.0/8 GatewayId=igw-v NatGatewayId=nat-w
	CreateRoute MissingParameter RouteTableId=rtb-v DestinationCidrBlock=1.0.0.0/8
	CreateRoute MissingParameter RouteTableId=rtb-v GatewayId=igw-v
	ReplaceRoute InvalidGatewayID.NotFound RouteTableId=rtb-v DestinationCidrBlock=0.0.0.0/0 GatewayId=igw-0000dead
	ReplaceRoute InvalidNatGatewayID.NotFound RouteTableId=rtb-v DestinationCidrBlock=0.0.0.0/0 NatGatewayId=nat-0000dead
	ReplaceRoute InvalidNetworkInterfaceID.NotFound RouteTableId=rtb-v DestinationCidrBlock=0.0.0.0/0 NetworkInterfaceId=eni-0000dead
	ReplaceRoute InvalidRouteTableID.NotFound RouteTableId=rtb-0000dead DestinationCidrBlock=0.0.0.0/0 GatewayId=igw-v
	ReplaceRoute InvalidParameterValue RouteTableId=rtb-v DestinationCidrBlock=1.0.0.0/8 GatewayId=igw-v
	ReplaceRoute InvalidParameterCombination RouteTableId=rtb-v DestinationCidrBlock=0.0.0.0/0 GatewayId=igw-v NatGatewayId=nat-w
	ReplaceRoute MissingParameter RouteTableId=rtb-v DestinationCidrBlock=0.0.0.0/0
	DeleteRoute InvalidRouteTableID.NotFound RouteTableId=rtb-0000dead DestinationCidrBlock=0.0.0.0/0
	DeleteRoute InvalidRoute.NotFound RouteTableId=rtb-v DestinationCidrBlock=1.0.0.0/8
	DeleteRoute InvalidParameterValue RouteTableId=rtb-v DestinationCidrBlock=10.0.0.0/16
	DeleteRoute MissingParameter RouteTableId=rtb-v
	AllocateAddress -
	AllocateAddress -
	AllocateAddress -
	AllocateAddress AddressLimitExceeded
`

const groupErrors = `
	CreateSecurityGroup InvalidGroup.Duplicate VpcId=vpc-v GroupName=web Description=x
	CreateSecurityGroup InvalidVpcID.NotFound VpcId=vpc-0000dead GroupName=new Description=x
	CreateSecurityGroup InvalidParameterValue VpcId=vpc-v GroupName=sg-new Description=x
	CreateSecurityGroup MissingParameter VpcId=vpc-v GroupName=new
	DescribeSecurityGroups InvalidGroup.NotFound GroupIds=["sg-0000dead"]
	DescribeSecurityGroups InvalidGroup.NotFound GroupNames=["lost"]
	DescribeSecurityGroups InvalidParameterValue FILTER
	GetSecurityGroupsForVpc InvalidVpcID.NotFound VpcId=vpc-0000dead
	GetSecurityGroupsForVpc InvalidParameterValue VpcId=vpc-v FILTER
	DescribeSecurityGroupReferences InvalidGroup.NotFound GroupId=["sg-0000dead"]
	DescribeStaleSecurityGroups InvalidVpcID.NotFound VpcId=vpc-0000dead
	DescribeStaleSecurityGroups InvalidParameterValue VpcId=vpc-v NextToken=made-up
	DeleteSecurityGroup InvalidGroup.NotFound GroupId=sg-0000dead
	DeleteSecurityGroup DependencyViolation GroupId=sg-web
	DeleteSecurityGroup CannotDelete GroupId=sg-default
	AuthorizeSecurityGroupIngress InvalidGroup.NotFound GroupId=sg-0000dead PERMIT1,"ToPort":1,ANY
	AuthorizeSecurityGroupIngress InvalidPermission.Duplicate GroupId=sg-web PERMIT80,"ToPort":80,ANY
	AuthorizeSecurityGroupIngress InvalidParameterValue GroupId=sg-web PERMIT9,"ToPort":8,ANY
	AuthorizeSecurityGroupIngress RulesPerSecurityGroupLimitExceeded GroupId=sg-full PERMIT99,"ToPort":99,ANY
	AuthorizeSecurityGroupIngress MissingParameter GroupId=sg-web
	AuthorizeSecurityGroupEgress InvalidGroup.NotFound GroupId=sg-0000dead PERMIT1,"ToPort":1,ANY
	AuthorizeSecurityGroupEgress - GroupId=sg-web PERMIT1,"ToPort":1,ANY
	AuthorizeSecurityGroupEgress InvalidPermission.Duplicate GroupId=sg-web PERMIT1,"ToPort":1,ANY
	AuthorizeSecurityGroupEgress InvalidParameterValue GroupId=sg-web IpPermissions=[{"IpProtocol":"lost"}]
	AuthorizeSecurityGroupEgress RulesPerSecurityGroupLimitExceeded GroupId=sg-default EGRESS
	AuthorizeSecurityGroupEgress MissingParameter GroupId=sg-web
	RevokeSecurityGroupIngress InvalidGroup.NotFound GroupId=sg-0000dead PERMIT1,"ToPort":1,ANY
	RevokeSecurityGroupIngress InvalidPermission.NotFound GroupId=sg-web PERMIT1,"ToPort":1,ANY
	RevokeSecurityGroupIngress InvalidSecurityGroupRuleId.NotFound GroupId=sg-web SecurityGroupRuleIds=["sgr-0000dead"]
	RevokeSecurityGroupIngress InvalidParameterValue GroupId=sg-web PERMIT9,"ToPort":8,ANY
	RevokeSecurityGroupIngress MissingParameter GroupId=sg-web
	RevokeSecurityGroupEgress InvalidGroup.NotFound GroupId=sg-0000dead PERMIT1,"ToPort":1,ANY
	RevokeSecurityGroupEgress InvalidPermission.NotFound GroupId=sg-web PERMIT2,"ToPort":2,ANY
	RevokeSecurityGroupEgress InvalidSecurityGroupRuleId.NotFound GroupId=sg-web SecurityGroupRuleIds=["sgr-00000080"]
	RevokeSecurityGroupEgress InvalidParameterValue GroupId=sg-web PERMIT9,"ToPort":8,ANY
	RevokeSecurityGroupEgress MissingParameter GroupId=sg-web
	DescribeSecurityGroupRules InvalidSecurityGroupRuleId.NotFound SecurityGroupRuleIds=["sgr-0000dead"]
	DescribeSecurityGroupRules InvalidParameterValue FILTER
	ModifySecurityGroupRules InvalidGroup.NotFound GroupId=sg-0000dead SecurityGroupRules=[{"SecurityGroupRuleId":"sgr-00000080"}]
	ModifySecurityGroupRules InvalidSecurityGroupRuleId.NotFound GroupId=sg-web SecurityGroupRules=[{"SecurityGroupRuleId":"sgr-0000dead"}]
	ModifySecurityGroupRules InvalidParameterValue GroupId=sg-web SecurityGroupRules=[{"SecurityGroupRuleId":"sgr-00000080","SecurityGroupRule":{"IpProtocol":"lost","CidrIpv4":"0.0.0.0/0"}}]
	ModifySecurityGroupRules InvalidPermission.Duplicate GroupId=sg-web SecurityGroupRules=[{"SecurityGroupRuleId":"sgr-00000080","SecurityGroupRule":{"IpProtocol":"tcp","FromPort":443,"ToPort":443,"CidrIpv4":"0.0.0.0/0"}}]
	ModifySecurityGroupRules MissingParameter GroupId=sg-web SecurityGroupRules=[{"SecurityGroupRuleId":"sgr-00000080"}]
	UpdateSecurityGroupRuleDescriptionsIngress InvalidGroup.NotFound GroupId=sg-0000dead PERMIT1,"ToPort":1,ANY
	UpdateSecurityGroupRuleDescriptionsIngress InvalidPermission.NotFound GroupId=sg-web PERMIT1,"ToPort":1,ANY
	UpdateSecurityGroupRuleDescriptionsIngress InvalidSecurityGroupRuleId.NotFound GroupId=sg-web SecurityGroupRuleDescriptions=[{"SecurityGroupRuleId":"sgr-0000dead"}]
	UpdateSecurityGroupRuleDescriptionsIngress InvalidParameterValue GroupId=sg-web PERMIT9,"ToPort":8,ANY
	UpdateSecurityGroupRuleDescriptionsIngress MissingParameter GroupId=sg-web
	UpdateSecurityGroupRuleDescriptionsEgress InvalidGroup.NotFound GroupId=sg-0000dead PERMIT1,"ToPort":1,ANY
	UpdateSecurityGroupRuleDescriptionsEgress InvalidPermission.NotFound GroupId=sg-web PERMIT2,"ToPort":2,ANY
	UpdateSecurityGroupRuleDescriptionsEgress InvalidSecurityGroupRuleId.NotFound GroupId=sg-web SecurityGroupRuleDescriptions=[{"SecurityGroupRuleId":"sgr-00000080"}]
	UpdateSecurityGroupRuleDescriptionsEgress InvalidParameterValue GroupId=sg-web PERMIT9,"ToPort":8,ANY
	UpdateSecurityGroupRuleDescriptionsEgress MissingParameter GroupId=sg-web
`

const endpointErrors = `
	CreateVpcEndpoint InvalidServiceName VpcId=vpc-v ServiceName=SERVICE/lost
	CreateVpcEndpoint InvalidVpcID.NotFound VpcId=vpc-0000dead ServiceName=SERVICE/s3
	CreateVpcEndpoint InvalidSubnetID.NotFound VpcId=vpc-v ServiceName=SERVICE/logs VpcEndpointType=Interface SubnetIds=["subnet-0000dead"]
	CreateVpcEndpoint InvalidGroup.NotFound VpcId=vpc-v ServiceName=SERVICE/logs VpcEndpointType=Interface SecurityGroupIds=["sg-0000dead"]
	CreateVpcEndpoint InvalidRouteTableID.NotFound VpcId=vpc-v ServiceName=SERVICE/s3 RouteTableIds=["rtb-0000dead"]
	CreateVpcEndpoint InvalidParameter VpcId=vpc-v ServiceName=SERVICE/s3 RouteTableIds=["rtb-w"]
	CreateVpcEndpoint InvalidParameter VpcId=vpc-v ServiceName=SERVICE/logs
	CreateVpcEndpoint InvalidParameter VpcId=vpc-v ServiceName=SERVICE/ecs VpcEndpointType=Interface
	CreateVpcEndpoint InvalidParameter VpcId=vpc-w ServiceName=SERVICE/ecs VpcEndpointType=Interface
	CreateVpcEndpoint DuplicateSubnetsInSameZone VpcId=vpc-v ServiceName=SERVICE/logs VpcEndpointType=Interface SubnetIds=["subnet-a","subnet-b"]
	CreateVpcEndpoint RouteAlreadyExists VpcId=vpc-v ServiceName=SERVICE/s3 RouteTableIds=["rtb-main"]
	CreateVpcEndpoint InvalidPolicyDocument VpcId=vpc-v ServiceName=SERVICE/s3 PolicyDocument=lost
	CreateVpcEndpoint MissingParameter VpcId=vpc-v
	CreateVpcEndpoint NotImplemented VpcId=vpc-v ServiceName=SERVICE/s3 VpcEndpointType=GatewayLoadBalancer
	CreateVpcEndpoint NotImplemented VpcId=vpc-v ServiceName=SERVICE/s3 PolicyDocument=NARROW
	DescribeVpcEndpoints InvalidVpcEndpointId.NotFound VpcEndpointIds=["vpce-0000dead"]
	DescribeVpcEndpoints InvalidParameterValue FILTER
	ModifyVpcEndpoint InvalidVpcEndpointId.NotFound VpcEndpointId=vpce-0000dead
	ModifyVpcEndpoint InvalidSubnetID.NotFound VpcEndpointId=vpce-i AddSubnetIds=["subnet-0000dead"]
	ModifyVpcEndpoint InvalidGroup.NotFound VpcEndpointId=vpce-i AddSecurityGroupIds=["sg-0000dead"]
	ModifyVpcEndpoint InvalidRouteTableID.NotFound VpcEndpointId=vpce-g AddRouteTableIds=["rtb-0000dead"]
	ModifyVpcEndpoint InvalidParameter VpcEndpointId=vpce-g AddSubnetIds=["subnet-a"]
	ModifyVpcEndpoint DuplicateSubnetsInSameZone VpcEndpointId=vpce-i AddSubnetIds=["subnet-b"]
	ModifyVpcEndpoint RouteAlreadyExists VpcEndpointId=vpce-g AddRouteTableIds=["rtb-main"]
	ModifyVpcEndpoint InvalidPolicyDocument VpcEndpointId=vpce-g PolicyDocument=lost
	ModifyVpcEndpoint NotImplemented VpcEndpointId=vpce-g PolicyDocument=NARROW
	DeleteVpcEndpoints MissingParameter VpcEndpointIds=[]
	DescribeVpcEndpointServices InvalidServiceName ServiceNames=["lost"]
	DescribeVpcEndpointServices InvalidParameterValue FILTER
	DescribePrefixLists InvalidPrefixListID.NotFound PrefixListIds=["pl-0000dead"]
	DescribePrefixLists InvalidParameterValue FILTER
	DescribeManagedPrefixLists InvalidPrefixListID.NotFound PrefixListIds=["pl-0000dead"]
	DescribeManagedPrefixLists InvalidParameterValue FILTER
	GetManagedPrefixListEntries InvalidPrefixListID.NotFound PrefixListId=pl-0000dead
`

const otherErrors = `
	ModifyManagedResourceVisibility MissingParameter
	DescribeInstances InvalidInstanceID.NotFound InstanceIds=["i-0000dead"]
	DescribeInstances InvalidParameterValue FILTER
	DescribeInstanceStatus InvalidInstanceID.NotFound InstanceIds=["i-0000dead"]
	DescribeInstanceStatus InvalidParameterValue FILTER
	DescribeInstanceAttribute InvalidInstanceID.NotFound InstanceId=i-0000dead Attribute=instanceType
	GetConsoleOutput InvalidInstanceID.NotFound InstanceId=i-0000dead
	DescribeInstanceAttribute InvalidParameterValue InstanceId=i-1 Attribute=lost
	DescribeIamInstanceProfileAssociations InvalidAssociationID.NotFound AssociationIds=["iip-assoc-lost"]
	DescribeIamInstanceProfileAssociations InvalidParameterValue FILTER
	TerminateInstances InvalidInstanceID.NotFound InstanceIds=["i-0000dead"]
	TerminateInstances OperationNotPermitted InstanceIds=["i-1"]
	StopInstances InvalidInstanceID.NotFound InstanceIds=["i-0000dead"]
	StopInstances OperationNotPermitted InstanceIds=["i-1"]
	StartInstances InvalidInstanceID.NotFound InstanceIds=["i-0000dead"]
	StartInstances OperationNotPermitted InstanceIds=["i-1"]
	RebootInstances InvalidInstanceID.NotFound InstanceIds=["i-0000dead"]
	RebootInstances OperationNotPermitted InstanceIds=["i-1"]
	DescribeKeyPairs InvalidKeyPair.NotFound KeyNames=["lost"]
	CreateTags InvalidVpcID.NotFound Resources=["vpc-0000dead"] Tags=[{"Key":"a","Value":"b"}]
	CreateTags InvalidID Resources=["lost"] Tags=[{"Key":"a","Value":"b"}]
	CreateTags InvalidParameterValue Resources=["vpc-v"] Tags=[{"Key":"aws:a","Value":"b"}]
	CreateTags TagLimitExceeded Resources=["vpc-v"] Tags=MANY
	CreateTags MissingParameter Resources=[] Tags=[{"Key":"a","Value":"b"}]
	DeleteTags InvalidVpcID.NotFound Resources=["vpc-0000dead"]
	DeleteTags InvalidID Resources=["lost"]
	DeleteTags MissingParameter Resources=[]
	DescribeTags InvalidParameterValue FILTER
	DescribeInstanceTypes InvalidInstanceType InstanceTypes=["x9.huge"]
	DescribeInstanceTypes InvalidParameterValue FILTER
	DescribeInstanceTypeOfferings InvalidParameterValue LocationType=lost
	GetInstanceTypesFromInstanceRequirements MissingParameter ArchitectureTypes=["x86_64"] VirtualizationTypes=["hvm"] InstanceRequirements={"VCpuCount":{"Min":1}}
	GetInstanceTypesFromInstanceRequirements InvalidParameterCombination ArchitectureTypes=["x86_64"] VirtualizationTypes=["hvm"] InstanceRequirements=BOTH
	GetInstanceTypesFromInstanceRequirements InvalidParameterValue ArchitectureTypes=["x86_64"] VirtualizationTypes=["hvm"] InstanceRequirements={"VCpuCount":{"Min":1},"MemoryMiB":{"Min":1}} NextToken=made-up
	DescribeSpotPriceHistory InvalidParameterValue FILTER
	DescribeAvailabilityZones InvalidParameterValue ZoneNames=["lost"]
	DescribeAvailabilityZones NotImplemented AllAvailabilityZones=true
	DescribeRegions InvalidParameterValue RegionNames=["lost"]
	DescribeAccountAttributes InvalidParameterValue AttributeNames=["lost"]
`
