package model

import "time"

// The kinds of Cloud Map's namespaces that are built.
const (
	NamespacePrivate = "DNS_PRIVATE"
	NamespaceHTTP    = "HTTP"
)

// Namespace is a namespace of Cloud Map. Key: ID.
type Namespace struct {
	ID   string `json:"id" w:"api/servicediscovery"`
	ARN  string `json:"arn" w:"api/servicediscovery"`
	Name string `json:"name" w:"api/servicediscovery"`
	// HTTPName is what DiscoverInstances calls it by.
	HTTPName    string    `json:"httpName" w:"api/servicediscovery"`
	Kind        string    `json:"kind" w:"api/servicediscovery"`
	Description string    `json:"description,omitempty" w:"api/servicediscovery"`
	VPC         string    `json:"vpc,omitempty" w:"api/servicediscovery"`
	Zone        string    `json:"zone,omitempty" w:"api/servicediscovery"` // id of the hosted zone
	Token       string    `json:"token,omitempty" w:"api/servicediscovery"`
	Operation   string    `json:"operation,omitempty" w:"api/servicediscovery"` // that made it
	Tags        []Tag     `json:"tags,omitempty" w:"api/servicediscovery"`
	CreatedAt   time.Time `json:"createdAt" w:"api/servicediscovery"`
}

// The types of DNS records that are built.
const (
	RecordA   = "A"
	RecordSRV = "SRV"
)

// DiscoveryService is a service of Cloud Map. Key: ID.
type DiscoveryService struct {
	ID          string `json:"id" w:"api/servicediscovery"`
	ARN         string `json:"arn" w:"api/servicediscovery"`
	Name        string `json:"name" w:"api/servicediscovery"`
	Namespace   string `json:"namespace" w:"api/servicediscovery"` // its id
	Description string `json:"description,omitempty" w:"api/servicediscovery"`
	// Weighted services answer with one instance, the others with up to eight.
	Weighted bool              `json:"weighted,omitempty" w:"api/servicediscovery"`
	Records  []DiscoveryRecord `json:"records,omitempty" w:"api/servicediscovery"`
	// CustomHealth says that instances have a health of their own.
	CustomHealth bool      `json:"customHealth,omitempty" w:"api/servicediscovery"`
	Token        string    `json:"token,omitempty" w:"api/servicediscovery"`
	Tags         []Tag     `json:"tags,omitempty" w:"api/servicediscovery"`
	CreatedAt    time.Time `json:"createdAt" w:"api/servicediscovery"`
}

// DiscoveryRecord is a type of records that a service's instances have.
type DiscoveryRecord struct {
	Type string `json:"type"`
	TTL  int64  `json:"ttl"` // seconds
}

// DiscoveryInstance is an instance that somebody registered. Key: service and id.
type DiscoveryInstance struct {
	Service    string            `json:"service" w:"api/servicediscovery"` // id
	ID         string            `json:"id" w:"api/servicediscovery"`
	Attributes map[string]string `json:"attributes,omitempty" w:"api/servicediscovery"`
	Unhealthy  bool              `json:"unhealthy,omitempty" w:"api/servicediscovery"`
	Token      string            `json:"token,omitempty" w:"api/servicediscovery"`
}

// Health is what was last said of the instance's health.
func (i DiscoveryInstance) Health() Health {
	if i.Unhealthy {
		return Unhealthy
	}
	return Healthy
}

// DiscoveryOperation is an operation of Cloud Map, which has ended. Key: ID.
type DiscoveryOperation struct {
	ID        string    `json:"id" w:"api/servicediscovery"`
	Kind      string    `json:"kind" w:"api/servicediscovery"`
	Namespace string    `json:"namespace,omitempty" w:"api/servicediscovery"`
	Service   string    `json:"service,omitempty" w:"api/servicediscovery"`
	Instance  string    `json:"instance,omitempty" w:"api/servicediscovery"`
	CreatedAt time.Time `json:"createdAt" w:"api/servicediscovery"`
}
