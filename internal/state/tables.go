package state

import (
	"fmt"
	"strconv"

	"berth/internal/model"
	"berth/internal/store"
)

func table[T any](name string, key func(T) string, indexes ...store.Index[T]) *store.Table[T] {
	t := store.NewTable(name, model.Clone[T], key, indexes...)
	return t
}

// The tables. Each says its key and its indexes; model says who writes what.
var (
	Clusters = table(
		"cluster", func(c model.Cluster) string { return c.Name }, store.By("arn", func(c model.Cluster) string { return c.ARN }),
	)
	CapacityProviders = table("capacityprovider", func(c model.CapacityProvider) string { return c.Name },
		store.By("cluster", func(c model.CapacityProvider) string { return c.Cluster }))
	// TaskDefinitions are found by family and revision.
	TaskDefinitions = table("taskdefinition", func(d model.TaskDefinition) string { return d.ARN },
		store.By("revision", func(d model.TaskDefinition) string { return RevisionOf(d.Family, d.Revision) }))
	Services = table("service", func(s model.Service) string { return s.ARN },
		store.By("cluster", func(s model.Service) string { return s.Cluster }),
		store.By("name", func(s model.Service) string { return s.Cluster + "/" + s.Name }))
	ServiceRevisions = table("servicerevision", func(r model.ServiceRevision) string { return r.ARN },
		store.By("service", func(r model.ServiceRevision) string { return r.Service }))
	ServiceDeployments = table("servicedeployment", func(d model.ServiceDeployment) string { return d.ARN },
		store.By("service", func(d model.ServiceDeployment) string { return d.Service }))
	Tasks = table("task", func(t model.Task) string { return t.ARN },
		store.By("cluster", func(t model.Task) string { return t.Cluster }),
		store.By("service", func(t model.Task) string { return t.Service }),
		store.By("instance", func(t model.Task) string { return t.Instance }),
		store.By("status", func(t model.Task) string { return string(t.LastStatus) }),
		store.By("dropped", dropped),
		store.By("attachment", func(t model.Task) string { return t.AttachmentID }),
		store.By("id", func(t model.Task) string { return t.ID }))
	Instances = table("instance", func(i model.Instance) string { return i.ID },
		// Who asks for a cluster's container instances does not see slices of
		// Fargate; who asks for what a provider has bought sees managed ones only.
		store.By("cluster", registered),
		store.By("slices", func(i model.Instance) string { return of(i, model.KindSlice, i.Cluster) }),
		store.By("provider", func(i model.Instance) string { return of(i, "", i.CapacityProvider) }),
		store.By("arn", func(i model.Instance) string { return i.ARN }),
		store.By("group", func(i model.Instance) string { return i.Group }),
		store.By("state", func(i model.Instance) string { return string(i.State) }))

	VPCs    = table("vpc", func(v model.VPC) string { return v.ID })
	Subnets = table(
		"subnet", func(s model.Subnet) string { return s.ID }, store.By("vpc", func(s model.Subnet) string { return s.VPC }),
	)
	InternetGateways = table(
		"internetgateway", func(g model.InternetGateway) string { return g.ID },
		store.By("vpc", func(g model.InternetGateway) string { return g.VPC }),
	)
	NATGateways = table(
		"natgateway", func(g model.NATGateway) string { return g.ID }, store.By("vpc", func(g model.NATGateway) string { return g.VPC }),
	)
	Addresses   = table("address", func(a model.Address) string { return a.AllocationID })
	RouteTables = table(
		"routetable", func(r model.RouteTable) string { return r.ID }, store.By("vpc", func(r model.RouteTable) string { return r.VPC }),
	)
	SecurityGroups = table(
		"securitygroup", func(g model.SecurityGroup) string { return g.ID }, store.By("vpc", func(g model.SecurityGroup) string { return g.VPC }),
	)
	VPCEndpoints = table(
		"vpcendpoint", func(e model.VPCEndpoint) string { return e.ID }, store.By("vpc", func(e model.VPCEndpoint) string { return e.VPC }),
	)
	// NetworkInterfaces are found by VPC, subnet and owner.
	NetworkInterfaces = table("networkinterface", func(n model.NetworkInterface) string { return n.ID },
		store.By("vpc", func(n model.NetworkInterface) string { return n.VPC }),
		store.By("subnet", func(n model.NetworkInterface) string { return n.Subnet }),
		store.By("owner", func(n model.NetworkInterface) string { return n.Owner }))

	LoadBalancers = table("loadbalancer", func(l model.LoadBalancer) string { return l.ARN },
		store.By("name", func(l model.LoadBalancer) string { return l.Name }))
	Listeners = table("listener", func(l model.Listener) string { return l.ARN },
		store.By("loadbalancer", func(l model.Listener) string { return l.LoadBalancer }))
	ListenerRules = table("listenerrule", func(r model.ListenerRule) string { return r.ARN },
		store.By("listener", func(r model.ListenerRule) string { return r.Listener }))
	TargetGroups = table("targetgroup", func(g model.TargetGroup) string { return g.ARN },
		store.By("name", func(g model.TargetGroup) string { return g.Name }))
	Targets = table("target", func(t model.Target) string { return TargetKey(t.Group, t.ID, t.Port) },
		store.By("group", func(t model.Target) string { return t.Group }),
		store.By("task", func(t model.Target) string { return t.Task }))

	Roles            = table("role", func(r model.Role) string { return r.Name }, store.By("arn", func(r model.Role) string { return r.ARN }))
	InstanceProfiles = table(
		"instanceprofile", func(p model.InstanceProfile) string { return p.Name },
		store.By("arn", func(p model.InstanceProfile) string { return p.ARN }),
	)
	Users      = table("user", func(u model.User) string { return u.Name }, store.By("arn", func(u model.User) string { return u.ARN }))
	Groups     = table("group", func(g model.Group) string { return g.Name })
	AccessKeys = table("accesskey", func(k model.AccessKey) string { return k.ID },
		store.By("user", func(k model.AccessKey) string { return model.KeyOwner(k.User) }))
	Policies    = table("policy", func(p model.Policy) string { return p.ARN })
	Credentials = table("credential", func(c model.Credential) string { return c.AccessKeyID },
		store.By("for", func(c model.Credential) string { return c.For }))

	Stacks = table("stack", func(s model.Stack) string { return s.ID },
		store.By("name", func(s model.Stack) string { return s.Name }))
	StackResources = table("stackresource", func(r model.StackResource) string { return r.Stack + "|" + r.LogicalID },
		store.By("stack", func(r model.StackResource) string { return r.Stack }))
	StackEvents = table("stackevent", func(e model.StackEvent) string { return fmt.Sprintf("%s|%010d", e.Stack, e.Seq) },
		store.By("stack", func(e model.StackEvent) string { return e.Stack }))
	StackSignals = table("stacksignal", func(s model.StackSignal) string {
		return s.Stack + "|" + s.LogicalID + "|" + s.Act + "|" + s.UniqueID
	}, store.By("stack", func(s model.StackSignal) string { return s.Stack }))
	ChangeSets = table("changeset", func(c model.ChangeSet) string { return c.ID },
		store.By("stack", func(c model.ChangeSet) string { return c.Stack }))
	Exports = table("export", func(e model.Export) string { return e.Name },
		store.By("stack", func(e model.Export) string { return e.Stack }))

	Functions = table(
		"function", func(f model.Function) string { return f.Name }, store.By("arn", func(f model.Function) string { return f.ARN }),
	)
	LogGroups = table("loggroup", func(g model.LogGroup) string { return g.Name })
	// Alarms are found by the scaling policies that their actions name, too.
	Alarms = table("alarm", func(a model.Alarm) string { return a.Name }, store.Index[model.Alarm]{
		Name: "policy", Values: model.Alarm.Policies,
	})
	ScalableTargets = table("scalabletarget", model.ScalableTarget.Key)
	ScalingPolicies = table(
		"scalingpolicy", func(p model.ScalingPolicy) string { return p.ARN },
		store.By("target", func(p model.ScalingPolicy) string { return p.Target }),
	)
	ScheduledActions = table(
		"scheduledaction", func(a model.ScheduledAction) string { return a.ARN },
		store.By("target", func(a model.ScheduledAction) string { return a.Target }),
	)
	ScalingActivities = table(
		"scalingactivity", func(a model.ScalingActivity) string { return a.ID },
		store.By("target", func(a model.ScalingActivity) string { return a.Target }),
	)
	LaunchTemplates = table("launchtemplate", func(t model.LaunchTemplate) string { return t.ID },
		store.By("name", func(t model.LaunchTemplate) string { return t.Name }))
	LaunchConfigurations = table("launchconfiguration", func(c model.LaunchConfiguration) string { return c.Name })
	AutoScalingGroups    = table("autoscalinggroup", func(g model.AutoScalingGroup) string { return g.Name })
	GroupActivities      = table("groupactivity", func(a model.GroupActivity) string { return a.ID },
		store.By("group", func(a model.GroupActivity) string { return a.Group }))
	Repositories = table("repository", func(r model.Repository) string { return r.Name })
	Parameters   = table("parameter", func(p model.Parameter) string { return p.Name },
		store.By("tier", func(p model.Parameter) string { return p.Newest().Tier }))
	Secrets = table("secret", func(s model.Secret) string { return s.Name },
		store.By("deleted", func(s model.Secret) string { return strconv.FormatBool(!s.DeletedAt.IsZero()) }))
	Namespaces = table("namespace", func(n model.Namespace) string { return n.ID },
		store.By("vpc", func(n model.Namespace) string { return n.VPC }))
	DiscoveryServices = table("discoveryservice", func(s model.DiscoveryService) string { return s.ID },
		store.By("namespace", func(s model.DiscoveryService) string { return s.Namespace }))
	DiscoveryInstances = table("discoveryinstance",
		func(i model.DiscoveryInstance) string { return DiscoveryInstanceKey(i.Service, i.ID) },
		store.By("service", func(i model.DiscoveryInstance) string { return i.Service }))
	DiscoveryOperations = table("discoveryoperation", func(o model.DiscoveryOperation) string { return o.ID })
	PullThroughRules    = table("pullthroughrule", func(r model.PullThroughRule) string { return r.Prefix })

	// Decisions are what explain, events and the console read.
	Decisions = table("decision", func(d model.Decision) string { return fmt.Sprintf("%016d", d.Seq) },
		store.By("subject", func(d model.Decision) string { return d.Subject }))
	// Settings are the few values of the server itself (clock, account settings).
	Settings = table("setting", func(s Setting) string { return s.Name })
)

// Setting is one value of the server itself.
type Setting struct {
	Name  string `json:"name"`
	Value string `json:"value"`
}

// Unplaced is the cluster of a task that has no instance and may still get one,
// or is to be told that it gets none; "" of all others.
func Unplaced(t model.Task) string {
	if t.LastStatus != model.TaskProvisioning || t.Instance != "" {
		return ""
	}
	return t.Cluster
}

// dropped is the cluster of an unplaced task that was told to stop; "" of all
// others.
func dropped(t model.Task) string {
	if t.DesiredStatus != model.TaskStopped {
		return ""
	}
	return Unplaced(t)
}

// RevisionOf is the value under which a revision of a family is found; those
// of one family sort as their numbers do.
func RevisionOf(family string, revision int64) string {
	return fmt.Sprintf("%s:%010d", family, revision)
}

// TargetKey is the key of a registered target.
func TargetKey(group, id string, port int64) string {
	return group + "|" + id + "|" + strconv.FormatInt(port, 10)
}

// DiscoveryInstanceKey is the key of an instance of Cloud Map.
func DiscoveryInstanceKey(service, id string) string { return service + "|" + id }

// defs lists all tables.
func defs() []store.Def {
	return []store.Def{
		Clusters, CapacityProviders, TaskDefinitions, Services, ServiceRevisions, ServiceDeployments, Tasks, Instances,
		VPCs, Subnets, InternetGateways, NATGateways, Addresses, RouteTables, SecurityGroups, VPCEndpoints, NetworkInterfaces,
		LoadBalancers, Listeners, ListenerRules, TargetGroups, Targets,
		Roles, InstanceProfiles, Users, Groups, AccessKeys, Policies, Credentials,
		Stacks, StackResources, StackEvents, StackSignals, ChangeSets, Exports,
		Functions, LogGroups, Alarms, ScalableTargets, ScalingPolicies, ScheduledActions, ScalingActivities, Repositories,
		PullThroughRules, Secrets, Parameters,
		Namespaces, DiscoveryServices, DiscoveryInstances, DiscoveryOperations,
		LaunchTemplates, LaunchConfigurations, AutoScalingGroups, GroupActivities,
		Decisions, Settings,
	}
}

// registered is the cluster of an instance that is, or is to be, a container
// instance.
func registered(i model.Instance) string {
	if i.Kind == model.KindSlice {
		return ""
	}
	return i.Cluster
}

// of is a key of the instances of one kind.
func of(i model.Instance, kind model.InstanceKind, key string) string {
	if i.Kind != kind {
		return ""
	}
	return key
}
