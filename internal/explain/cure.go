package explain

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"berth/internal/lang/reference"
	"berth/internal/model"
	"berth/internal/state"
	"berth/internal/store"
	"berth/internal/vpc"
)

// Each cure names what is wrong and what puts it right in one sentence.

// denial words a refusal of IAM, "" if the cause is none; policy is what AWS
// offers for such a role.
func denial(facts map[string]string, policy string) string {
	role, ok := assumed(facts[model.FactPrincipal])
	if action := facts[model.FactAction]; ok && action != "" {
		return fmt.Sprintf("role %s may not %s: attach %s to it, or allow the action in a policy of its own", role, action, policy)
	}
	return ""
}

// assumed is the role of a session's ARN.
func assumed(arn string) (role string, ok bool) {
	_, path, ok := strings.Cut(arn, ":assumed-role/")
	role, _, _ = strings.Cut(path, "/")
	return role, ok
}

// launchCure says what lets a capacity provider launch again.
func launchCure(v store.Reader, cp model.CapacityProvider) string {
	code, facts := cp.FailureCause.Code, cp.FailureCause.Facts
	switch {
	case facts[model.FactAction] == "iam:PassRole":
		return fmt.Sprintf(
			"role %s may not pass the instance role %s, since AWS's policy covers names that begin with ecsInstanceRole: rename the instance "+
				"role, or allow iam:PassRole on it",
			short(cp.InfrastructureRoleARN), short(facts[model.FactResource]),
		)
	case facts[model.FactAction] == "sts:AssumeRole":
		return "let role " + short(facts[model.FactResource]) + " trust " + facts[model.FactPrincipal] + " (its AssumeRolePolicyDocument)"
	case facts[model.FactAction] != "":
		return denial(facts, "AmazonECSInfrastructureRolePolicyForManagedInstances")
	case facts[model.FactProfile] != "":
		return "put a role into the instance profile " + cp.InstanceProfileARN
	case facts[model.FactHost] != "":
		return "this machine is smaller than the instance type: ask for less in the task definition, allow smaller types, or start the server " +
			"with --overcommit"
	case code == "InsufficientInstanceCapacity" || code == "UnfulfillableCapacity":
		return "it tries its other zones at once, and one that refused after five minutes with another type if there is one: allow more " +
			"instance types or zones in the capacity provider"
	case strings.Contains(code, "LimitExceeded") || strings.Contains(code, "CountExceeded"):
		return "a quota of the account is used up: raise it, or end what uses it; it tries again every five minutes"
	default:
		return ""
	}
}

// agentCure says why an instance's agent does not come, and what lets it.
func agentCure(v store.Reader, in model.Instance) string {
	if unreached(v, in, "ecs", "ecs-agent") != "" {
		return unreached(v, in, agentServices...)
	}
	if d, ok := denied(v, in); ok {
		needs := "AmazonECSInstanceRolePolicyForManagedInstances"
		if in.Kind == model.KindEC2 {
			needs = instancePolicy
		}
		return fmt.Sprintf("the instance role %s may not %s: attach %s to it", short(d.Subject), d.Facts["action"], needs)
	}
	return "the agent of " + in.ID + " reaches ecs and ecs-agent and nothing was denied to it: it should come by itself, else see the " +
		"agent's log in the instance's folder"
}

// denied is the last call that an instance's role was refused.
func denied(v store.Reader, in model.Instance) (model.Decision, bool) {
	profile, _ := state.InstanceProfiles.One(v, "arn", in.ProfileARN)
	for _, name := range profile.Roles {
		role, _ := state.Roles.Get(v, name)
		for _, d := range slices.Backward(history(v, role.ARN)) {
			if d.Verb == "denied" && d.At.After(in.WantedAt) && (d.Facts["principal"] == "" || strings.HasSuffix(d.Facts["principal"], in.ID)) {
				return d, true
			}
		}
	}
	return model.Decision{}, false
}

// unreached says which services an instance does not reach, by the rule or
// route that stops it, and what opens the way; "" if it reaches all.
func unreached(v store.Reader, in model.Instance, services ...string) string {
	if _, ok := state.Subnets.Get(v, in.Subnet); !ok {
		return "its subnet " + in.Subnet + " is gone: give the capacity provider subnets that exist"
	}
	return unreachedFrom(networks(v, in.AvailabilityZone), in, services...)
}

// unreachedFrom is unreached among networks as they are given.
func unreachedFrom(s vpc.Snapshot, in model.Instance, services ...string) string {
	var order []string
	lacks := map[string][]string{}
	for _, c := range vpc.Calls(s, in.ENI, services...) {
		if c.Path.Open {
			continue
		}
		why := stopped(s, c, in)
		if lacks[why] == nil {
			order = append(order, why)
		}
		lacks[why] = append(lacks[why], c.Service)
	}
	var out []string
	for _, why := range order {
		out = append(
			out,
			strings.ReplaceAll(
				in.ID+" does not reach "+strings.Join(lacks[why], ", ")+" because "+why, "SERVICE",
				"com.amazonaws."+s.Region+"."+strings.Join(lacks[why], ", com.amazonaws."+s.Region+"."),
			),
		)
	}
	return strings.Join(out, "; ")
}

// stopped says why a call does not arrive, and the cure.
func stopped(s vpc.Snapshot, c vpc.Call, in model.Instance) string {
	last, code := stop(c.Path), stopCode(c.Path)
	groups := strings.Join(in.SecurityGroups, " or ")
	switch {
	case code == vpc.NoIngress:
		return last + ": let the endpoint's group admit tcp 443 from " + groups
	case code == vpc.NoEgress:
		return last + ": let " + groups + " out to tcp 443"
	case code == vpc.NoDNS:
		return last + ": turn on enableDnsSupport and enableDnsHostnames"
	case c.Endpoint != "":
		return last
	case c.Service == "s3":
		return last + ": create the gateway endpoint SERVICE for that table, or a route to the Internet"
	case unnamed(s, c, in):
		return "the endpoint of that service has no private DNS name in the VPC: turn on PrivateDnsEnabled, enableDnsSupport and " +
			"enableDnsHostnames"
	case code == vpc.NoRoute:
		table := c.Path.Steps[len(c.Path.Steps)-1].Subject
		return "the VPC has no endpoint for it and route table " + table + " has no route to the Internet: create the interface endpoint " +
			"SERVICE with private DNS"
	default:
		return last + ": create the interface endpoint SERVICE with private DNS, or mend the route to the Internet"
	}
}

// unnamed says that the VPC has an endpoint of a service whose name leads
// elsewhere.
func unnamed(s vpc.Snapshot, c vpc.Call, in model.Instance) bool {
	i := slices.IndexFunc(s.Subnets, func(n model.Subnet) bool { return n.ID == in.Subnet })
	return i >= 0 && slices.ContainsFunc(s.Endpoints, func(e model.VPCEndpoint) bool {
		return e.VPC == s.Subnets[i].VPC && e.Type == "Interface" && e.State != model.EndpointDeleting &&
			strings.HasSuffix(e.ServiceName, "."+s.Region+"."+c.Service)
	})
}

// stoppedCure says what keeps the next task from ending as this one did.
func stoppedCure(v store.Reader, t model.Task) (cure, log string) {
	said := agentSaid(t)
	def, _ := state.TaskDefinitions.Get(v, t.TaskDefinition)
	switch {
	case said.action != "":
		facts := map[string]string{model.FactPrincipal: said.principal, model.FactAction: said.action}
		return denial(facts, "AmazonECSTaskExecutionRolePolicy"), ""
	case said.assume:
		return "let role " + short(def.ExecutionRoleARN) + " trust ecs-tasks.amazonaws.com", ""
	case said.noLogGroup:
		return "the log group " + logGroup(def) + " does not exist: create it (aws logs create-log-group), or set awslogs-create-group", ""
	case said.noPull && said.full:
		return "the image is larger than what is free of its instance's data volume: raise storageSizeGiB of the capacity provider, or make the " +
			"image smaller", ""
	case said.noPull && registryCure(v, t, said.text, def) != "":
		return registryCure(v, t, said.text, def), ""
	case said.noImage:
		return "the image is not in the registry: berth image push " + image(said.text, def) + " SOURCE", ""
	case said.late:
		return first(reachCure(v, t), "its instance did not reach a service in time, but would now: the next task should start"), ""
	case said.memory:
		return "a container wanted more memory than it may have: raise the memory of the task definition", ""
	case t.StopCause == model.CauseUnhealthy:
		for _, arn := range t.TargetGroups() {
			if g, ok := state.TargetGroups.Get(v, arn); ok {
				return healthCure(g, t.ARN)
			}
		}
		return "", ""
	case said.noStart:
		return "the container's command does not start: check entryPoint and command of the task definition against what is in the image", ""
	case t.StopCode == "EssentialContainerExited":
		return "an essential container ended by itself: berth logs " + t.ID + " shows its last words", t.ID
	default:
		return "", ""
	}
}

// caller is who calls for a task, and among what: its instance or, on Fargate,
// the task itself, whose interface is gone when it has stopped. One that would
// be made in its place stands in for it.
func caller(v store.Reader, t model.Task) (model.Instance, vpc.Snapshot, bool) {
	s := networks(v, t.AvailabilityZone)
	if t.LaunchType != model.LaunchFargate && !model.IsFargate(t.CapacityProvider) {
		in, ok := state.Instances.One(v, "arn", t.Instance)
		return in, s, ok
	}
	subnet, ok := state.Subnets.Get(v, t.Subnet)
	net, err := netip.ParsePrefix(subnet.CIDR)
	if !ok || err != nil {
		return model.Instance{}, s, false
	}
	in := model.Instance{
		ID: "task " + t.ID, ENI: t.ENI, Subnet: subnet.ID, AvailabilityZone: t.AvailabilityZone, SecurityGroups: t.Network.SecurityGroups,
	}
	if _, there := state.NetworkInterfaces.Get(v, t.ENI); there {
		return in, s, true
	}
	if vpcOf, _ := state.VPCs.Get(v, subnet.VPC); len(in.SecurityGroups) == 0 {
		in.SecurityGroups = []string{vpcOf.DefaultGroup}
	}
	n := model.NetworkInterface{
		ID: first(t.ENI, "eni"), Kind: "task", Owner: t.ARN, VPC: subnet.VPC, Subnet: subnet.ID, AvailabilityZone: t.AvailabilityZone,
		IP: vpc.Offset(net, vpc.Size(net)-2).String(), SecurityGroups: in.SecurityGroups,
	}
	if t.Network.AssignPublicIP {
		n.PublicIP = vpc.Offset(vpc.PublicPool, 1).String()
	}
	in.ENI, s.Interfaces = n.ID, append(s.Interfaces, n)
	return in, s, true
}

// reachCure asks what the task's caller reaches now.
func reachCure(v store.Reader, t model.Task) string {
	in, s, ok := caller(v, t)
	if !ok {
		return ""
	}
	services := taskServices
	d, _ := state.TaskDefinitions.Get(v, t.TaskDefinition)
	return unreachedFrom(s, in, append(slices.Clone(services), secretServices(d)...)...)
}

// secretServices are those that a definition's secrets and logins come from.
func secretServices(d model.TaskDefinition) (out []string) {
	add := func(service string) {
		if !slices.Contains(out, service) {
			out = append(out, service)
		}
	}
	for _, c := range d.Containers {
		if c.Credentials != "" {
			add("secretsmanager")
		}
		for _, s := range c.Secrets {
			if strings.HasPrefix(s.Value, "arn:") && strings.Contains(s.Value, ":secretsmanager:") {
				add("secretsmanager")
			} else {
				add("ssm")
			}
		}
	}
	return out
}

// registryCure says what lets a task's caller reach the registry of an image
// that it could not pull and that is not ECR's; "" if it does.
func registryCure(v store.Reader, t model.Task, said string, d model.TaskDefinition) string {
	image, foreign := refused(said, d)
	in, s, ok := caller(v, t)
	if !foreign || !ok {
		return ""
	}
	way := vpc.WayOut(s, in.ENI)
	if way.Open {
		return ""
	}
	return fmt.Sprintf("%s cannot pull %s because it has no way to the Internet: %s", in.ID, image, way.Lacks)
}

// refused is the first image that is told of and is not ECR's.
func refused(said string, d model.TaskDefinition) (image string, ok bool) {
	for _, c := range d.Containers {
		r, err := reference.Parse(c.Image)
		if err != nil || !strings.Contains(said, r.Name()) && !strings.Contains(said, c.Image) {
			continue
		}
		if _, _, ecr := r.ECR(); !ecr {
			return r.String(), true
		}
	}
	return "", false
}

func logGroup(d model.TaskDefinition) string {
	for _, c := range d.Containers {
		if g := c.LogOptions["awslogs-group"]; g != "" {
			return g
		}
	}
	return "of the task definition"
}

// image is REPO:TAG of the container whose image a reason names.
func image(reason string, d model.TaskDefinition) string {
	for _, c := range d.Containers {
		if strings.Contains(reason, c.Image) || len(d.Containers) == 1 {
			_, name, ok := strings.Cut(c.Image, "/")
			if ok {
				return name
			}
			return c.Image
		}
	}
	return "REPO:TAG"
}

// healthCure says what a health check asks of a target.
func healthCure(g model.TargetGroup, task string) (cure, log string) {
	port := "port " + g.HealthPort
	if g.HealthPort == "" || g.HealthPort == "traffic-port" {
		port = "the registered port"
	}
	cure = fmt.Sprintf(
		"the load balancer asks for %s on %s and wants %s within %d s: let the container listen there, and its security group admit the load "+
			"balancer's",
		first(g.HealthPath, "a connection"), port, first(g.Matcher, "an answer"), g.HealthTimeout,
	)
	if task != "" {
		log = short(task)
		cure += " (berth logs " + log + ")"
	}
	return cure, log
}

// registerCure says why a task that runs is in no target group.
func registerCure(v store.Reader, t model.Task) string {
	s, _ := state.Services.Get(v, t.Service)
	for _, e := range s.Events {
		if e.Cause.Code == model.CauseRegister {
			return denial(e.Cause.Facts, "AmazonECSInfrastructureRolePolicyForLoadBalancers")
		}
	}
	return ""
}

// hookCure says what a lifecycle hook that failed wants.
func hookCure(h model.HookRun) (cure, log string) {
	name := function(h)
	switch {
	case h.TargetType == "PAUSE":
		return "nobody answered, or somebody said ROLLBACK: aws ecs continue-service-deployment lets a paused one go on", ""
	case h.Cause.Code == model.CauseAssumeRole:
		return "let role " + short(h.RoleARN) + " of the hook trust ecs.amazonaws.com", ""
	case h.Cause.Code == model.CauseNoFunction:
		return "the function " + name + " of the hook does not exist: create it, or take the hook out of the service's deploymentConfiguration", ""
	case h.Cause.Code == model.CauseInvoke:
		return fmt.Sprintf("allow role %s lambda:InvokeFunction on function %s", short(h.RoleARN), name), ""
	}
	if ended := h.Cause.Facts[model.FactEnded]; ended != "" {
		return fmt.Sprintf(
			"the hook's function ended with %s: berth logs %s shows where; it must return {\"hookStatus\": \"SUCCEEDED\"}", ended, name,
		), name
	}
	return fmt.Sprintf("the hook did not return {\"hookStatus\": \"SUCCEEDED\"}: berth logs %s shows why", name), name
}
