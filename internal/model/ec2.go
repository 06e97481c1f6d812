package model

import "time"

// VPC is a virtual private cloud. Key: ID. Every VPC has a main route table,
// a default security group and a default network ACL, made with it.
type VPC struct {
	ID             string    `json:"id" w:"api/ec2"`
	CIDR           string    `json:"cidr" w:"api/ec2"`
	DNSSupport     bool      `json:"dnsSupport" w:"api/ec2"`
	DNSHostnames   bool      `json:"dnsHostnames" w:"api/ec2"`
	Default        bool      `json:"default,omitempty" w:"api/ec2"`
	Tenancy        string    `json:"tenancy" w:"api/ec2"`
	MainRouteTable string    `json:"mainRouteTable" w:"api/ec2"`
	DefaultGroup   string    `json:"defaultGroup" w:"api/ec2"`
	DefaultACL     string    `json:"defaultAcl" w:"api/ec2"`
	DHCPOptions    string    `json:"dhcpOptions,omitempty" w:"api/ec2"`
	Tags           []Tag     `json:"tags,omitempty" w:"api/ec2"`
	CreatedAt      time.Time `json:"createdAt" w:"api/ec2"`
}

// Subnet is a part of a VPC in one zone. Key: ID.
type Subnet struct {
	ID                  string    `json:"id" w:"api/ec2"`
	VPC                 string    `json:"vpc" w:"api/ec2"`
	CIDR                string    `json:"cidr" w:"api/ec2"`
	AvailabilityZone    string    `json:"availabilityZone" w:"api/ec2"`
	AvailabilityZoneID  string    `json:"availabilityZoneId" w:"api/ec2"`
	MapPublicIPOnLaunch bool      `json:"mapPublicIpOnLaunch" w:"api/ec2"`
	Tags                []Tag     `json:"tags,omitempty" w:"api/ec2"`
	CreatedAt           time.Time `json:"createdAt" w:"api/ec2"`
}

// InternetGateway joins a VPC to the Internet. Key: ID.
type InternetGateway struct {
	ID   string `json:"id" w:"api/ec2"`
	VPC  string `json:"vpc,omitempty" w:"api/ec2"` // "" while detached
	Tags []Tag  `json:"tags,omitempty" w:"api/ec2"`
}

// NATState is where a NAT gateway is in its life.
type NATState string

// The states of a NAT gateway.
const (
	NATPending   NATState = "pending"
	NATAvailable NATState = "available"
	NATDeleting  NATState = "deleting"
	NATDeleted   NATState = "deleted"
)

// NATGateway translates addresses for private subnets. Key: ID.
type NATGateway struct {
	ID         string    `json:"id" w:"api/ec2"`
	VPC        string    `json:"vpc" w:"api/ec2"`
	Subnet     string    `json:"subnet" w:"api/ec2"`
	Allocation string    `json:"allocation,omitempty" w:"api/ec2"`
	ENI        string    `json:"eni" w:"api/ec2"` // drawn by the call; controllers/network makes the interface under it
	State      NATState  `json:"state" w:"api/ec2,controllers/network"`
	Tags       []Tag     `json:"tags,omitempty" w:"api/ec2"`
	CreatedAt  time.Time `json:"createdAt" w:"api/ec2"`
	DeletedAt  time.Time `json:"deletedAt,omitzero" w:"api/ec2"` // when its deletion was asked for
}

// Address is an Elastic IP. Key: AllocationID.
type Address struct {
	AllocationID  string `json:"allocationId" w:"api/ec2"`
	PublicIP      string `json:"publicIp" w:"api/ec2"`
	AssociationID string `json:"associationId,omitempty" w:"api/ec2"`
	ENI           string `json:"eni,omitempty" w:"api/ec2"`
	Tags          []Tag  `json:"tags,omitempty" w:"api/ec2"`
}

// Route is one route. Target is "local", igw-…, nat-…, eni-… or vpce-…;
// Destination is a CIDR or a prefix list id (pl-…).
type Route struct {
	Destination string `json:"destination"`
	Target      string `json:"target"`
	Origin      string `json:"origin"` // CreateRouteTable, CreateRoute
}

// RouteAssociation ties a subnet to a route table.
type RouteAssociation struct {
	ID     string `json:"id"`
	Subnet string `json:"subnet,omitempty"`
	Main   bool   `json:"main,omitempty"`
}

// RouteTable is a route table. Key: ID.
type RouteTable struct {
	ID           string             `json:"id" w:"api/ec2"`
	VPC          string             `json:"vpc" w:"api/ec2"`
	Routes       []Route            `json:"routes" w:"api/ec2"`
	Associations []RouteAssociation `json:"associations,omitempty" w:"api/ec2"`
	Tags         []Tag              `json:"tags,omitempty" w:"api/ec2"`
}

// SecurityRule is one rule of a security group: exactly one of CIDR, CIDR6,
// Group, PrefixList says who. Protocol is tcp, udp, icmp, a number, or -1.
type SecurityRule struct {
	ID          string `json:"id"` // sgr-…
	Egress      bool   `json:"egress,omitempty"`
	Protocol    string `json:"protocol"`
	FromPort    int64  `json:"fromPort"` // -1 with protocol -1
	ToPort      int64  `json:"toPort"`
	CIDR        string `json:"cidr,omitempty"`
	CIDR6       string `json:"cidr6,omitempty"`
	Group       string `json:"group,omitempty"`
	PrefixList  string `json:"prefixList,omitempty"`
	Description string `json:"description,omitempty"`
	Tags        []Tag  `json:"tags,omitempty"`
}

// SecurityGroup is a security group. Key: ID.
type SecurityGroup struct {
	ID          string         `json:"id" w:"api/ec2"`
	Name        string         `json:"name" w:"api/ec2"`
	Description string         `json:"description" w:"api/ec2"`
	VPC         string         `json:"vpc" w:"api/ec2"`
	Rules       []SecurityRule `json:"rules,omitempty" w:"api/ec2"`
	Tags        []Tag          `json:"tags,omitempty" w:"api/ec2"`
}

// EndpointState is where a VPC endpoint is in its life.
type EndpointState string

// The states of a VPC endpoint.
const (
	EndpointPending   EndpointState = "pending"
	EndpointAvailable EndpointState = "available"
	EndpointDeleting  EndpointState = "deleting"
)

// VPCEndpoint is an interface or gateway endpoint. Key: ID.
type VPCEndpoint struct {
	ID             string        `json:"id" w:"api/ec2"`
	VPC            string        `json:"vpc" w:"api/ec2"`
	Type           string        `json:"type" w:"api/ec2"`        // Interface, Gateway
	ServiceName    string        `json:"serviceName" w:"api/ec2"` // com.amazonaws.REGION.SERVICE
	Subnets        []string      `json:"subnets,omitempty" w:"api/ec2"`
	SecurityGroups []string      `json:"securityGroups,omitempty" w:"api/ec2"`
	RouteTables    []string      `json:"routeTables,omitempty" w:"api/ec2"`
	PrivateDNS     bool          `json:"privateDns,omitempty" w:"api/ec2"`
	Policy         string        `json:"policy,omitempty" w:"api/ec2"`
	State          EndpointState `json:"state" w:"api/ec2,controllers/network"`
	Tags           []Tag         `json:"tags,omitempty" w:"api/ec2"`
	CreatedAt      time.Time     `json:"createdAt" w:"api/ec2"`
}

// InterfaceState is where a network interface is in its life: pending is not yet in the
// kernel, available is programmed; the API shows in-use when its owner uses it.
type InterfaceState string

// The states of a network interface.
const (
	InterfacePending   InterfaceState = "pending"
	InterfaceAvailable InterfaceState = "available"
	InterfaceInUse     InterfaceState = "in-use"
	InterfaceDeleting  InterfaceState = "deleting"
)

// NetworkInterface is an ENI: of an instance, a task, a load balancer node, a
// VPC endpoint or a NAT gateway. Key: ID. Only controllers/network makes and
// removes them; each is a network namespace of its own on the host.
type NetworkInterface struct {
	ID               string         `json:"id" w:"controllers/network"`
	Kind             string         `json:"kind" w:"controllers/network"`  // instance, task, loadbalancer, endpoint, nat
	Owner            string         `json:"owner" w:"controllers/network"` // i-…, task ARN, load balancer ARN, vpce-…, nat-…
	VPC              string         `json:"vpc" w:"controllers/network"`
	Subnet           string         `json:"subnet" w:"controllers/network"`
	AvailabilityZone string         `json:"availabilityZone" w:"controllers/network"`
	IP               string         `json:"ip" w:"controllers/network"`
	MAC              string         `json:"mac" w:"controllers/network"`
	PublicIP         string         `json:"publicIp,omitempty" w:"controllers/network"`
	SecurityGroups   []string       `json:"securityGroups" w:"controllers/network"`
	Description      string         `json:"description,omitempty" w:"controllers/network"`
	State            InterfaceState `json:"state" w:"controllers/network"`
	CreatedAt        time.Time      `json:"createdAt" w:"controllers/network"`
}
