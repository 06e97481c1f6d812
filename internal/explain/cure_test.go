package explain_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"berth/internal/explain"
	"berth/internal/model"
	"berth/internal/state"
	"berth/internal/store"
)

var now = time.Date(2026, 1, 1, 1, 0, 0, 0, time.UTC)

// world is a VPC with an instance whose agent waits, and the endpoints named.
func world(t *testing.T, endpoints []string, more ...func(*store.Tx) error) *state.DB {
	t.Helper()
	db, err := state.Open(t.Context(), store.NewMemory(), false)
	if err != nil {
		t.Fatal(err)
	}
	out := model.SecurityRule{ID: "sgr-1", Egress: true, Protocol: "-1", FromPort: -1, ToPort: -1, CIDR: "0.0.0.0/0"}
	writes := []func(*store.Tx) error{
		put(state.VPCs, model.VPC{
			ID: "vpc-1", CIDR: "10.0.0.0/16", DNSSupport: true, DNSHostnames: true, MainRouteTable: "rtb-1", DefaultGroup: "sg-1",
		}),
		put(state.Subnets, model.Subnet{ID: "subnet-1", VPC: "vpc-1", CIDR: "10.0.0.0/24", AvailabilityZone: "ap-northeast-1a"}),
		put(state.RouteTables, model.RouteTable{ID: "rtb-1", VPC: "vpc-1"}),
		put(state.SecurityGroups, model.SecurityGroup{ID: "sg-node", VPC: "vpc-1", Rules: []model.SecurityRule{out}}),
		put(state.SecurityGroups, model.SecurityGroup{ID: "sg-closed", VPC: "vpc-1"}),
		put(state.SecurityGroups, model.SecurityGroup{
			ID: "sg-open", VPC: "vpc-1", Rules: []model.SecurityRule{{ID: "sgr-2", Protocol: "tcp", FromPort: 443, ToPort: 443, Group: "sg-node"}},
		}),
		put(state.NetworkInterfaces, model.NetworkInterface{
			ID: "eni-1", Kind: "instance", Owner: "i-1", VPC: "vpc-1", Subnet: "subnet-1", AvailabilityZone: "ap-northeast-1a", IP: "10.0.0.4",
			SecurityGroups: []string{"sg-node"},
		}),
		put(state.Clusters, model.Cluster{Name: "c", Status: model.ClusterActive}),
		put(state.CapacityProviders, model.CapacityProvider{Name: "cp", Cluster: "c", InfrastructureRoleARN: "arn:aws:iam::1:role/infra"}),
	}
	for i, name := range endpoints {
		group := "sg-open"
		if rest, ok := strings.CutPrefix(name, "closed:"); ok {
			name, group = rest, "sg-closed"
		}
		id := "vpce-" + name
		writes = append(writes,
			put(state.VPCEndpoints, model.VPCEndpoint{
				ID: id, VPC: "vpc-1", Type: "Interface", PrivateDNS: true, ServiceName: "com.amazonaws.ap-northeast-1." + name,
				State: model.EndpointAvailable,
			}),
			put(state.NetworkInterfaces, model.NetworkInterface{
				ID: "eni-" + name, Kind: "endpoint", Owner: id, VPC: "vpc-1", Subnet: "subnet-1", IP: "10.0.0." + string(rune('5'+i)),
				SecurityGroups: []string{group},
			}))
	}
	err = db.Update(t.Context(), "test", func(tx *store.Tx) error {
		for _, w := range append(writes, more...) {
			if err := w(tx); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return db
}

type putter[T any] interface {
	Put(tx *store.Tx, v T) error
}

func put[T any](table putter[T], v T) func(*store.Tx) error {
	return func(tx *store.Tx) error { return table.Put(tx, v) }
}

func instance(status string) func(*store.Tx) error {
	return put(state.Instances, model.Instance{
		ID: "i-1", ARN: "ci-1", Cluster: "c", CapacityProvider: "cp", ENI: "eni-1", Subnet: "subnet-1", AvailabilityZone: "ap-northeast-1a",
		State: model.InstanceRunning, Goal: model.GoalRun, Status: model.ContainerInstanceStatus(status), ProfileARN: "profile",
		SecurityGroups: []string{"sg-node"}, LaunchedAt: now.Add(-time.Hour), WantedAt: now.Add(-time.Hour),
	})
}

func cure(t *testing.T, db *state.DB, id string) string {
	t.Helper()
	a, ok := explain.Find(db.View(), id, now)
	if !ok {
		t.Fatalf("%s is not found", id)
	}
	return a.Cure
}

// A task of Fargate asks for itself, and its interface is gone when it is asked
// why it ended.
func TestWhyATaskOfFargateCannotPull(t *testing.T) {
	const timeout = "CannotPullContainerError: failed to resolve ref docker.io/library/nginx:latest: dial tcp 203.0.113.9:443: i/o timeout"
	gateway := func(tx *store.Tx) error {
		return errors.Join(
			state.InternetGateways.Put(tx, model.InternetGateway{ID: "igw-1", VPC: "vpc-1"}),
			state.RouteTables.Put(tx, model.RouteTable{ID: "rtb-1", VPC: "vpc-1", Routes: []model.Route{
				{Destination: "0.0.0.0/0", Target: "igw-1"},
			}}),
		)
	}
	for _, c := range []struct {
		why, reason, image string
		public             bool
		more               func(*store.Tx) error
		want               string
	}{
		{
			"no route", timeout, "nginx", false, nil,
			"task abcd1234 cannot pull docker.io/library/nginx:latest because it has no way to the Internet: route table rtb-1 has no route " +
				"0.0.0.0/0: add one to a NAT gateway; VPC vpc-1 has no internet gateway either",
		},
		{"no route and an address", timeout, "nginx", true, nil, "route table rtb-1 has no route 0.0.0.0/0: add one to an internet gateway"},
		{"no address", timeout, "nginx", false, gateway, "let it have a public address (MapPublicIpOnLaunch of its subnet, assignPublicIp)"},
		{"a way out", timeout, "nginx", true, gateway, "did not reach a service in time, but would now"},
		{
			"ECR", "ResourceInitializationError: i/o timeout, connection issue", "1.dkr.ecr.r.amazonaws.com/hello", false, nil,
			"task abcd1234 does not reach ecr.api, ecr.dkr, logs, secretsmanager, ssm because the VPC has no endpoint for it",
		},
	} {
		more := []func(*store.Tx) error{
			put(state.SecurityGroups, model.SecurityGroup{ID: "sg-1", VPC: "vpc-1", Rules: []model.SecurityRule{
				{ID: "sgr-9", Egress: true, Protocol: "-1", FromPort: -1, ToPort: -1, CIDR: "0.0.0.0/0"},
			}}),
			put(state.TaskDefinitions, model.TaskDefinition{ARN: "td", Containers: []model.ContainerDefinition{
				{Name: "web", Image: c.image, Credentials: "hub", Secrets: []model.KeyValue{{Name: "A", Value: "/a"}}},
			}}),
			put(state.Tasks, model.Task{
				ARN: "arn:aws:ecs:r:1:task/c/abcd1234", ID: "abcd1234", Cluster: "c", LaunchType: model.LaunchFargate, TaskDefinition: "td",
				Subnet: "subnet-1", AvailabilityZone: "ap-northeast-1a", Network: model.NetworkConfiguration{AssignPublicIP: c.public},
				LastStatus: model.TaskStopped, DesiredStatus: model.TaskStopped, StopCode: "TaskFailedToStart", StoppedReason: c.reason,
			}),
		}
		if c.more != nil {
			more = append(more, c.more)
		}
		if got := cure(t, world(t, nil, more...), "abcd1234"); !strings.Contains(got, c.want) {
			t.Errorf("%s: %q is not in %q", c.why, c.want, got)
		}
	}
}

// Proves: MI69
func TestWhyAnAgentDoesNotCome(t *testing.T) {
	role := []func(*store.Tx) error{
		put(state.InstanceProfiles, model.InstanceProfile{Name: "p", ARN: "profile", Roles: []string{"ecsInstanceRole"}}),
		put(state.Roles, model.Role{Name: "ecsInstanceRole", ARN: "arn:aws:iam::1:role/ecsInstanceRole"}),
		func(tx *store.Tx) error {
			return state.Note(tx, now, model.Decision{
				By: "access", Subject: "arn:aws:iam::1:role/ecsInstanceRole", Verb: "denied",
				Facts: map[string]string{"action": "ecs:RegisterContainerInstance"},
			})
		},
	}
	for name, c := range map[string]struct {
		endpoints []string
		status    string
		more      []func(*store.Tx) error
		want      []string
	}{
		"no ecs-agent endpoint": {
			[]string{"ecs", "ecs-telemetry"}, "ACTIVE", nil,
			[]string{
				"i-1 does not reach ecs-agent because the VPC has no endpoint for it",
				"create the interface endpoint com.amazonaws.ap-northeast-1.ecs-agent",
			},
		},
		"no endpoint at all": {
			nil, "", nil, []string{"ecs, ecs-agent, ecs-telemetry", "com.amazonaws.ap-northeast-1.ecs, com.amazonaws.ap-northeast-1.ecs-agent"},
		},
		"a closed security group": {
			[]string{"closed:ecs", "ecs-agent", "ecs-telemetry"}, "", nil,
			[]string{
				"does not reach ecs because no ingress rule of sg-closed lets tcp 443 in from 10.0.0.4: let the endpoint's group admit tcp 443 " +
					"from sg-node",
			},
		},
		"a role without rights": {
			[]string{"ecs", "ecs-agent", "ecs-telemetry"}, "", role,
			[]string{"ecsInstanceRole may not ecs:RegisterContainerInstance: attach AmazonECSInstanceRolePolicyForManagedInstances"},
		},
		"a slow one": {[]string{"ecs", "ecs-agent", "ecs-telemetry"}, "", nil, []string{"should come by itself"}},
	} {
		db := world(
			t, c.endpoints,
			append(
				c.more, instance(c.status),
				put(state.Tasks, model.Task{
					ARN: "arn:aws:ecs:r:1:task/c/abcd1234", ID: "abcd1234", Cluster: "c", LastStatus: model.TaskProvisioning,
					DesiredStatus: model.TaskRunning,
				}),
			)...,
		)
		for _, id := range []string{"i-1", "abcd1234"} {
			got := cure(t, db, id)
			for _, want := range c.want {
				if !strings.Contains(got, want) {
					t.Errorf("%s: %s: no %q in %q", name, id, want, got)
				}
			}
		}
	}
}

func TestWhyNothingIsLaunched(t *testing.T) {
	refused := func(who, action, on string) model.Cause {
		return model.Cause{Code: "UnauthorizedOperation", Facts: map[string]string{
			model.FactPrincipal: who, model.FactAction: action, model.FactResource: on,
		}}
	}
	const infra = "arn:aws:sts::1:assumed-role/infra/ECSManagedInstances"
	for _, c := range []struct {
		failure model.Cause
		want    string
	}{
		{
			refused(infra, "iam:PassRole", "arn:aws:iam::1:role/foo"),
			"role infra may not pass the instance role foo, since AWS's policy covers names that begin with ecsInstanceRole: rename",
		},
		{
			refused(infra, "ec2:CreateFleet", "arn:aws:ec2:r:1:fleet/*"),
			"role infra may not ec2:CreateFleet: attach AmazonECSInfrastructureRolePolicyForManagedInstances",
		},
		{refused("ecs.amazonaws.com", "sts:AssumeRole", "arn:aws:iam::1:role/infra"), "let role infra trust ecs.amazonaws.com"},
		{model.Cause{Code: "InvalidParameterValue", Facts: map[string]string{model.FactProfile: "p"}}, "put a role into the instance profile"},
		{model.Cause{Code: "MaxSpotInstanceCountExceeded"}, "a quota of the account is used up"},
		{model.Cause{Code: "InsufficientInstanceCapacity"}, "allow more instance types or zones"},
		{
			model.Cause{Code: "InsufficientInstanceCapacity", Facts: map[string]string{model.FactHost: "24105"}},
			"start the server with --overcommit",
		},
	} {
		db := world(t, nil,
			put(state.CapacityProviders, model.CapacityProvider{
				Name: "cp", Cluster: "c", InfrastructureRoleARN: "arn:aws:iam::1:role/infra",
				LastFailure: "no", FailureCause: c.failure, LastFailureAt: now,
			}),
			put(state.Tasks, model.Task{
				ARN: "arn:aws:ecs:r:1:task/c/abcd1234", ID: "abcd1234", Cluster: "c", Service: "svc", LastStatus: model.TaskProvisioning,
				DesiredStatus: model.TaskRunning,
			}),
			put(state.Services, model.Service{ARN: "svc", Name: "web", Cluster: "c", Status: model.ServiceActive, DesiredCount: 1}))
		for _, id := range []string{"abcd1234", "web"} {
			if got := cure(t, db, id); !strings.Contains(got, c.want) {
				t.Errorf("%s: %q is not in %q", id, c.want, got)
			}
		}
	}
}

func TestWhyATaskEnded(t *testing.T) {
	def := model.TaskDefinition{
		ARN: "td",
		Containers: []model.ContainerDefinition{
			{Name: "web", Image: "1.dkr.ecr.r.amazonaws.com/hello:nope", LogOptions: map[string]string{"awslogs-group": "/no/such"}},
		},
	}
	foreign := model.TaskDefinition{ARN: "td", Containers: []model.ContainerDefinition{{Name: "web", Image: "nginx"}}}
	for _, c := range []struct{ code, reason, want string }{
		{
			"TaskFailedToStart", "CannotPullContainerError: failed to resolve ref: NAME_UNKNOWN: The repository with name 'hello' does not exist",
			"berth image push hello:nope SOURCE",
		},
		{
			"TaskFailedToStart",
			"CannotPullContainerError: The task can't pull. User: arn:aws:sts::1:assumed-role/exec/x is not authorized to perform: " +
				"ecr:GetAuthorizationToken because",
			"role exec may not ecr:GetAuthorizationToken: attach AmazonECSTaskExecutionRolePolicy",
		},
		{
			"TaskFailedToStart",
			"CannotPullContainerError: ref pull has been retried 1 time(s): failed to extract layer sha256:1: write /x: no space left on device: unknown",
			"raise storageSizeGiB of the capacity provider",
		},
		{
			"TaskFailedToStart", "ResourceInitializationError: The specified log group does not exist.",
			"the log group /no/such does not exist: create it",
		},
		{
			"TaskFailedToStart", "ResourceInitializationError: dial tcp 203.0.113.17:443: i/o timeout",
			"i-1 does not reach ecr.api, ecr.dkr, logs because the VPC has no endpoint",
		},
		{
			"TaskFailedToStart",
			"CannotPullContainerError: pull image manifest has been retried 5 time(s): failed to resolve ref docker.io/library/nginx:latest: " +
				"failed to do request: dial tcp 203.0.113.9:443: i/o timeout",
			"i-1 cannot pull docker.io/library/nginx:latest because it has no way to the Internet: route table rtb-1 has no route 0.0.0.0/0: " +
				"add one to a NAT gateway; VPC vpc-1 has no internet gateway either",
		},
		{"TaskFailedToStart", "CannotStartContainerError: exec: no such file", "check entryPoint and command"},
		{"EssentialContainerExited", "Essential container in task exited", "berth logs abcd1234"},
		{
			"ServiceSchedulerInitiated", "Task failed ELB health checks in (target-group tg)",
			"asks for /up on the registered port and wants 200 within 5 s",
		},
	} {
		ran := def
		if strings.Contains(c.reason, "docker.io") {
			ran = foreign
		}
		db := world(t, nil, instance("ACTIVE"), put(state.TaskDefinitions, ran),
			put(state.TargetGroups, model.TargetGroup{ARN: "tg", HealthPath: "/up", HealthPort: "traffic-port", Matcher: "200", HealthTimeout: 5}),
			put(state.Tasks, model.Task{
				ARN: "arn:aws:ecs:r:1:task/c/abcd1234", ID: "abcd1234", Cluster: "c", Service: "svc", Instance: "ci-1", TaskDefinition: "td",
				LastStatus: model.TaskStopped, DesiredStatus: model.TaskStopped, StopCode: c.code, StoppedReason: c.reason,
				StopCause:     map[string]string{"ServiceSchedulerInitiated": model.CauseUnhealthy}[c.code],
				LoadBalancers: []model.ServiceLoadBalancer{{TargetGroupARN: "tg"}}, StoppingAt: now,
			}),
			put(state.Services, model.Service{ARN: "svc", Name: "web", Cluster: "c", Status: model.ServiceActive, DesiredCount: 1}))
		for _, id := range []string{"abcd1234", "web"} {
			if got := cure(t, db, id); !strings.Contains(got, c.want) {
				t.Errorf("%s: %s: %q is not in %q", c.reason, id, c.want, got)
			}
		}
	}
}

func TestWhyADeploymentWasGivenUp(t *testing.T) {
	db := world(t, nil,
		put(state.Services, model.Service{ARN: "svc", Name: "web", Cluster: "c", Status: model.ServiceActive, DesiredCount: 1}),
		put(state.ServiceDeployments, model.ServiceDeployment{
			ARN: "d", Service: "svc", Status: model.DeploymentRollbackSuccessful, StatusReason: "tasks failed to start.",
			RollbackReason: "tasks failed to start.", Target: "new",
		}),
		put(state.Tasks, model.Task{
			ARN: "task/good", ID: "good", Service: "svc", Revision: "old", LastStatus: model.TaskRunning, DesiredStatus: model.TaskRunning,
		}),
		put(state.Tasks, model.Task{
			ARN: "task/bad", ID: "bad", Service: "svc", Revision: "new", LastStatus: model.TaskStopped, DesiredStatus: model.TaskStopped,
			StoppedReason: "CannotStartContainerError: exec", StoppingAt: now,
		}))
	if got := cure(t, db, "web"); !strings.Contains(got, "check entryPoint and command") {
		t.Error(got)
	}
}

func TestATaskThatIsForgottenIsStillExplained(t *testing.T) {
	db := world(t, nil,
		put(state.Services, model.Service{ARN: "svc", Name: "web", Cluster: "c", Status: model.ServiceActive, DesiredCount: 1}),
		func(tx *store.Tx) error {
			return state.Note(tx, now, model.Decision{
				By: "dispatch", Subject: "task/c/abcd1234", Service: "svc", Verb: "state",
				Facts: map[string]string{"stoppedReason": "CannotStartContainerError: exec"},
			})
		})
	if got := cure(t, db, "web"); !strings.Contains(got, "check entryPoint and command") {
		t.Error(got)
	}
}

func TestWhyAHookFailed(t *testing.T) {
	for _, c := range []struct {
		cause model.Cause
		want  string
	}{
		{model.Cause{Code: model.CauseAssumeRole}, "let role hook of the hook trust ecs.amazonaws.com"},
		{model.Cause{Code: model.CauseNoFunction}, "the function check of the hook does not exist"},
		{model.Cause{Code: model.CauseInvoke}, "allow role hook lambda:InvokeFunction on function check"},
		{
			model.Cause{Facts: map[string]string{model.FactEnded: "ValueError: boom"}},
			"the hook's function ended with ValueError: boom: berth logs check",
		},
		{model.Cause{}, "did not return {\"hookStatus\": \"SUCCEEDED\"}: berth logs check"},
	} {
		db := world(t, nil,
			put(state.Services, model.Service{ARN: "svc", Name: "web", Cluster: "c", Status: model.ServiceActive}),
			put(state.ServiceDeployments, model.ServiceDeployment{
				ARN: "d", Service: "svc", Status: model.DeploymentRollbackSuccessful, StatusReason: "rolled back",
				Hooks: []model.HookRun{
					{
						Stage: model.StagePreScaleUp, Status: model.HookFailed, TargetARN: "arn:aws:lambda:r:1:function:check",
						RoleARN: "arn:aws:iam::1:role/hook", Reason: "it failed", Cause: c.cause,
					},
				},
			}))
		if got := cure(t, db, "web"); !strings.Contains(got, c.want) {
			t.Errorf("%+v: %q is not in %q", c.cause, c.want, got)
		}
	}
}

func TestWhyAStackWasRolledBack(t *testing.T) {
	old := put(state.Stacks, model.Stack{ID: "stack/old", Name: "web", Status: model.StackDeleteComplete, CreatedAt: now.Add(-time.Hour)})
	made := put(state.Stacks, model.Stack{ID: "stack/new", Name: "web", Status: model.StackRollbackComplete, CreatedAt: now, Started: now})
	event := func(typ, lacks string) func(*store.Tx) error {
		return put(state.StackEvents, model.StackEvent{
			Stack: "stack/new", Seq: 1, LogicalID: "It", Type: typ, PhysicalID: "arn:aws:ecs:r:1:service/c/s", Status: model.ResourceCreateFailed,
			Reason: "it failed", Cause: model.Cause{Facts: map[string]string{model.FactLacks: lacks}}, At: now,
		})
	}
	noted := func(verb string, facts map[string]string) func(*store.Tx) error {
		return func(tx *store.Tx) error {
			return state.Note(tx, now, model.Decision{By: "controllers/service", Subject: "d", Service: "s", Verb: verb, Facts: facts})
		}
	}
	for want, more := range map[string][]func(*store.Tx) error{
		"widen vCpuCount": {event("AWS::ECS::CapacityProvider", model.LacksTypes)},
		"berth logs check": {
			event("AWS::ECS::Service", ""),
			noted("hook", map[string]string{
				model.FactHook: "arn:aws:lambda:r:1:function:check", model.FactStatus: "FAILED", model.FactWhy: "it returned FAILED",
			}),
			noted("rollback", nil),
		},
	} {
		if got := cure(t, world(t, nil, append(more, old, made)...), "web"); !strings.Contains(got, want) {
			t.Errorf("%q is not in %q", want, got)
		}
	}
}

// A machine that is bought for another task meanwhile is no answer to the one
// for which none may be.
func TestATooLargeTaskIsExplainedWhileOthersGetMachines(t *testing.T) {
	const task = "arn:aws:ecs:r:1:task/c/abcd1234"
	for bought, stands := range map[string]bool{"arn:aws:ecs:r:1:task/c/another": true, task: false} {
		db := world(t, nil,
			put(state.Tasks, model.Task{ARN: task, ID: "abcd1234", Cluster: "c", LastStatus: "PROVISIONING", DesiredStatus: "RUNNING"}),
			put(state.Instances, model.Instance{
				ID: "i-2", ARN: "ci-2", Cluster: "c", State: "pending", Goal: "RUN", WantedAt: now, For: []string{bought},
			}),
			func(tx *store.Tx) error {
				return state.Note(tx, now.Add(-time.Second), model.Decision{
					By: "controllers/capacity", Subject: task, Verb: "refused", Reason: "No instance type of capacity provider cp can hold the task",
				})
			})
		if got := cure(t, db, "abcd1234"); strings.Contains(got, "raise vCpuCount") != stands {
			t.Errorf("bought for %s: %q", bought, got)
		}
	}
}
