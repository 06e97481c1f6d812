package explain

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	"berth/internal/model"
	"berth/internal/state"
	"berth/internal/store"
	"berth/internal/vpc"
)

// Each cure names what is wrong and what puts it right in one sentence.

// refused matches the refusals of IAM: who may not do what.
var refused = regexp.MustCompile(`assumed-role/([^/]+)/\S+ is not authorized to perform: (\S+)`)

// untrusted matches a service that a role does not trust.
var untrusted = regexp.MustCompile(`User: (\S+) is not authorized to perform: sts:AssumeRole on resource: \S+role/(\S+)`)

// denial words a refusal of IAM; policy is what AWS offers for such a role.
func denial(text, policy string) string {
	m := refused.FindStringSubmatch(text)
	if m == nil {
		return ""
	}
	return fmt.Sprintf("role %s may not %s: attach %s to it, or allow the action in a policy of its own", m[1], m[2], policy)
}

// launchCure says what lets a capacity provider launch again.
func launchCure(v store.Reader, cp model.CapacityProvider) string {
	text := cp.LastFailure
	switch {
	case strings.Contains(text, "iam:PassRole"):
		role := text[strings.LastIndex(text, "role/")+1:]
		role, _, _ = strings.Cut(strings.TrimPrefix(role, "ole/"), " ")
		return fmt.Sprintf(
			"role %s may not pass the instance role %s, since AWS's policy covers names that begin with ecsInstanceRole: rename the instance "+
				"role, or allow iam:PassRole on it",
			short(cp.InfrastructureRoleARN), role,
		)
	case untrusted.MatchString(text):
		m := untrusted.FindStringSubmatch(text)
		return "let role " + m[2] + " trust " + m[1] + " (its AssumeRolePolicyDocument)"
	case refused.MatchString(text):
		return denial(text, "AmazonECSInfrastructureRolePolicyForManagedInstances")
	case strings.Contains(text, "instance profile") || strings.Contains(text, "Instance Profile"):
		return "put a role into the instance profile " + cp.InstanceProfileARN
	case strings.Contains(text, "this host has"):
		return "this machine is smaller than the instance type: ask for less in the task definition, allow smaller types, or start the server " +
			"with --overcommit"
	case strings.Contains(text, "InsufficientInstanceCapacity") || strings.Contains(text, "UnfulfillableCapacity"):
		return "it tries its other zones at once, and one that refused after five minutes with another type if there is one: allow more " +
			"instance types or zones in the capacity provider"
	case strings.Contains(text, "LimitExceeded") || strings.Contains(text, "CountExceeded"):
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
		return fmt.Sprintf(
			"the instance role %s may not %s: attach AmazonECSInstanceRolePolicyForManagedInstances to it", short(d.Subject), d.Facts["action"],
		)
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
	s := networks(v, in.AvailabilityZone)
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
	last := stop(c.Path)
	groups := strings.Join(in.SecurityGroups, " or ")
	switch {
	case strings.HasPrefix(last, "no ingress rule"):
		return last + ": let the endpoint's group admit tcp 443 from " + groups
	case strings.HasPrefix(last, "no egress rule"):
		return last + ": let " + groups + " out to tcp 443"
	case strings.Contains(last, "DNS support off"):
		return last + ": turn on enableDnsSupport and enableDnsHostnames"
	case c.Endpoint != "":
		return last
	case c.Service == "s3":
		return last + ": create the gateway endpoint SERVICE for that table, or a route to the Internet"
	case unnamed(s, c, in):
		return "the endpoint of that service has no private DNS name in the VPC: turn on PrivateDnsEnabled, enableDnsSupport and " +
			"enableDnsHostnames"
	case strings.Contains(last, "has no route"):
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
func stoppedCure(v store.Reader, t model.Task) string {
	all := t.StoppedReason
	for _, c := range t.Containers {
		all += " " + c.Reason
	}
	def, _ := state.TaskDefinitions.Get(v, t.TaskDefinition)
	switch {
	case refused.MatchString(all):
		return denial(all, "AmazonECSTaskExecutionRolePolicy")
	case strings.Contains(all, "unable to assume the role"):
		return "let role " + short(def.ExecutionRoleARN) + " trust ecs-tasks.amazonaws.com"
	case strings.Contains(all, "log group does not exist"):
		return "the log group " + logGroup(def) + " does not exist: create it (aws logs create-log-group), or set awslogs-create-group"
	case strings.Contains(all, "CannotPullContainer") && (strings.Contains(all, "UNKNOWN") || strings.Contains(all, "not found")):
		return "the image is not in the registry: berth image push " + image(all, def) + " SOURCE"
	case strings.Contains(all, "timeout") || strings.Contains(all, "connection issue"):
		return first(reachCure(v, t), "its instance did not reach a service in time, but would now: the next task should start")
	case strings.Contains(all, "OutOfMemory"):
		return "a container wanted more memory than it may have: raise the memory of the task definition"
	case strings.Contains(all, "ELB health checks"):
		for _, arn := range t.TargetGroups() {
			if g, ok := state.TargetGroups.Get(v, arn); ok {
				return healthCure(g, t.ARN)
			}
		}
		return ""
	case strings.Contains(all, "CannotStartContainer"), strings.Contains(all, "CannotCreateContainer"):
		return "the container's command does not start: check entryPoint and command of the task definition against what is in the image"
	case t.StopCode == "EssentialContainerExited":
		return "an essential container ended by itself: berth logs " + t.ID + " shows its last words"
	default:
		return ""
	}
}

// reachCure asks what the task's instance reaches now.
func reachCure(v store.Reader, t model.Task) string {
	in, ok := state.Instances.One(v, "arn", t.Instance)
	if !ok {
		return ""
	}
	return unreached(v, in, taskServices...)
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
func healthCure(g model.TargetGroup, task string) string {
	port := "port " + g.HealthPort
	if g.HealthPort == "" || g.HealthPort == "traffic-port" {
		port = "the registered port"
	}
	cure := fmt.Sprintf(
		"the load balancer asks for %s on %s and wants %s within %d s: let the container listen there, and its security group admit the load "+
			"balancer's",
		first(g.HealthPath, "a connection"), port, first(g.Matcher, "an answer"), g.HealthTimeout,
	)
	if task != "" {
		cure += " (berth logs " + short(task) + ")"
	}
	return cure
}

// registerCure says why a task that runs is in no target group.
func registerCure(v store.Reader, t model.Task) string {
	s, _ := state.Services.Get(v, t.Service)
	for _, e := range s.Events {
		if strings.Contains(e.Message, "failed to register targets") {
			return denial(e.Message, "AmazonECSInfrastructureRolePolicyForLoadBalancers")
		}
	}
	return ""
}

// hookCure says what a lifecycle hook that failed wants.
func hookCure(v store.Reader, d model.ServiceDeployment, h model.HookRun) string {
	name := function(h)
	switch {
	case h.TargetType == "PAUSE":
		return "nobody answered, or somebody said ROLLBACK: aws ecs continue-service-deployment lets a paused one go on"
	case strings.Contains(h.Reason, "unable to assume role"):
		return "let role " + short(h.RoleARN) + " of the hook trust ecs.amazonaws.com"
	case strings.Contains(h.Reason, "Function not found"):
		return "the function " + name + " of the hook does not exist: create it, or take the hook out of the service's deploymentConfiguration"
	case strings.Contains(h.Reason, "unable to invoke"):
		return fmt.Sprintf("allow role %s lambda:InvokeFunction on function %s", short(h.RoleARN), name)
	}
	for _, n := range slices.Backward(history(v, d.ARN)) {
		if _, ended, ok := strings.Cut(n.Reason, "the function ended with "); n.Verb == "hook" && ok {
			return fmt.Sprintf(
				"the hook's function ended with %s: berth logs %s shows where; it must return {\"hookStatus\": \"SUCCEEDED\"}", ended, name,
			)
		}
	}
	return fmt.Sprintf("the hook did not return {\"hookStatus\": \"SUCCEEDED\"}: berth logs %s shows why", name)
}
