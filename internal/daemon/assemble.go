package daemon

import (
	"context"
	"log/slog"
	"net/http"

	"berth/internal/access"
	aas "berth/internal/api/applicationautoscaling"
	"berth/internal/api/autoscaling"
	"berth/internal/api/cloudformation"
	"berth/internal/api/cloudtrail"
	"berth/internal/api/cloudwatch"
	"berth/internal/api/ec2"
	"berth/internal/api/ecr"
	"berth/internal/api/ecs"
	"berth/internal/api/elbv2"
	"berth/internal/api/iam"
	"berth/internal/api/lambda"
	"berth/internal/api/logs"
	"berth/internal/api/secretsmanager"
	"berth/internal/api/servicediscovery"
	"berth/internal/api/ssm"
	"berth/internal/api/sts"
	"berth/internal/audit"
	"berth/internal/clock"
	"berth/internal/control"
	"berth/internal/controllers/capacity"
	"berth/internal/controllers/fargate"
	"berth/internal/controllers/group"
	"berth/internal/controllers/instance"
	functions "berth/internal/controllers/lambda"
	"berth/internal/controllers/network"
	"berth/internal/controllers/reaper"
	"berth/internal/controllers/reservation"
	"berth/internal/controllers/resolve"
	"berth/internal/controllers/scaling"
	"berth/internal/controllers/service"
	"berth/internal/controllers/stack"
	"berth/internal/controllers/task"
	"berth/internal/controllers/traffic"
	"berth/internal/dispatch"
	"berth/internal/front"
	"berth/internal/function"
	"berth/internal/ident"
	"berth/internal/machine"
	"berth/internal/meter"
	"berth/internal/model/catalog"
	"berth/internal/registry"
	"berth/internal/series"
	"berth/internal/state"
	"berth/internal/wire"
	saas "berth/internal/wire/shape/applicationautoscaling"
	sautoscaling "berth/internal/wire/shape/autoscaling"
	scloudformation "berth/internal/wire/shape/cloudformation"
	scloudtrail "berth/internal/wire/shape/cloudtrail"
	scloudwatch "berth/internal/wire/shape/cloudwatch"
	sec2 "berth/internal/wire/shape/ec2"
	secr "berth/internal/wire/shape/ecr"
	secs "berth/internal/wire/shape/ecs"
	selbv2 "berth/internal/wire/shape/elbv2"
	siam "berth/internal/wire/shape/iam"
	slambda "berth/internal/wire/shape/lambda"
	slogs "berth/internal/wire/shape/logs"
	ssecretsmanager "berth/internal/wire/shape/secretsmanager"
	sservicediscovery "berth/internal/wire/shape/servicediscovery"
	sssm "berth/internal/wire/shape/ssm"
	ssts "berth/internal/wire/shape/sts"
)

// Core is what every System stands on.
type Core struct {
	DB *state.DB
	// Clock is the control plane's time; Real is the machine's. A simulated
	// world has one for both.
	Clock, Real clock.Clock
	IDs         *ident.Source
	Place       ident.Place
	Log         *slog.Logger
}

// Drivers do what controllers decide: real ones, or their simulated twins.
type Drivers struct {
	Machines machine.Driver
	Network  network.Driver
	Edge     traffic.Edge
	// Names and Endpoints answer inside the networks; nil where nothing does.
	Names     resolve.Names
	Endpoints resolve.Endpoints
	Series    *series.Store
	Functions function.Driver
	Code      *function.Store
	Images    *registry.Store
	Tokens    *registry.Tokens
	// CABundle is the PEM of the authority that signs the endpoints.
	CABundle []byte
	// HostAddress is where load balancers answer on the host.
	HostAddress string
	// Published are more addresses of the host where they answer.
	Published []string
	// Architectures, MostVCPU and MostMemoryMiB bound what machines may be.
	Architectures           []string
	MostVCPU, MostMemoryMiB int64
	// Redirect says which requests for layers go to the bucket instead.
	Redirect func(*http.Request) bool
	// OpenRegistry says which requests to the registry need no password; nil:
	// those from loopback.
	OpenRegistry func(*http.Request) bool
	// Upstream reaches the registries of pull through cache rules; nil: none is
	// asked.
	Upstream ecr.Upstream
	// Audit is the log of calls; nil: none is kept.
	Audit *audit.Log
	// More makes further controllers, such as simulated agents.
	More func(*System) []control.Controller
}

// System is everything that decides and answers, assembled and not yet running.
type System struct {
	Core
	Engine   *control.Engine
	Front    *front.Front
	Gateway  *dispatch.Gateway
	Access   *access.Access
	Registry *registry.Server
	// Answers takes what custom resources' functions put to S3.
	Answers *cloudformation.Answers

	rehearsing bool // it is a stage, which has no further one
}

// later is the way to our own APIs for those who are made before the Front.
type later struct{ f *front.Front }

// As is Front.As.
func (l *later) As(p ident.Principal) wire.Caller { return l.f.As(p) }

// Invoke implements control.Invoker.
func (l *later) Invoke(ctx context.Context, as ident.Principal, svc, op string, in map[string]any) (map[string]any, error) {
	return l.f.Invoke(ctx, as, svc, op, in)
}

// Assemble builds the system. The order of the controllers is the order in which the
// simulator runs them: from what is asked for to what is.
func Assemble(_ context.Context, c Core, h Drivers) (*System, error) {
	sys := &System{Core: c}
	invoke := &later{}
	sys.Engine = control.New(c.DB, c.Clock, c.Log)
	jobs := sys.Engine.Jobs()
	sys.Access = access.New(access.Deps{DB: c.DB, Clock: c.Clock, IDs: c.IDs, Place: c.Place})
	usage := meter.New(meter.Deps{DB: c.DB, Real: c.Real, Series: h.Series})
	sys.Gateway = dispatch.New(dispatch.Deps{
		DB: c.DB, Clock: c.Clock, Real: c.Real, IDs: c.IDs, Place: c.Place, Minter: sys.Access, Access: sys.Access, Log: c.Log,
		Metrics:      usage,
		Authenticate: func(r *http.Request) (ident.Principal, error) { return invoke.f.Authenticate(r) },
	})
	var zones []string
	for _, z := range catalog.Zones(c.Place.Region) {
		zones = append(zones, z.Name)
	}

	var err error
	if invoke.f, err = front.New(front.Deps{
		Services: sys.services(h, zones, invoke), Place: c.Place, Clock: c.Clock, Real: c.Real, IDs: c.IDs, Keys: sys.Access,
		Auth: sys.Access, Audit: h.Audit, Log: c.Log,
	}); err != nil {
		return nil, err
	}
	sys.Front = invoke.f

	sys.Engine.Add(
		stack.New(stack.Deps{
			DB: c.DB, Invoke: invoke, Access: sys.Access, Jobs: jobs, IDs: c.IDs, Place: c.Place, Zones: zones, Log: c.Log,
		}),
		service.New(service.Deps{DB: c.DB, IDs: c.IDs, As: invoke.As, Access: sys.Access, Jobs: jobs}),
		task.New(task.Deps{DB: c.DB, IDs: c.IDs, Place: c.Place, Log: c.Log}),
		sys.capacity(h),
		reservation.New(reservation.Deps{DB: c.DB, Place: c.Place, Series: h.Series, As: invoke.As, Log: c.Log}),
		group.New(group.Deps{DB: c.DB, IDs: c.IDs, Place: c.Place, Series: h.Series, As: invoke.As, Log: c.Log}),
		network.New(network.Deps{DB: c.DB, IDs: c.IDs, Place: c.Place, Jobs: jobs, Driver: h.Network, Log: c.Log}),
		instance.New(instance.Deps{
			DB: c.DB, Driver: h.Machines, Access: sys.Access, Minter: sys.Access, Jobs: jobs, IDs: c.IDs, Place: c.Place, CABundle: h.CABundle,
			Log: c.Log,
		}),
		fargate.Controller{DB: c.DB},
		dispatch.Controller{DB: c.DB},
		functions.New(functions.Deps{DB: c.DB, Functions: h.Functions}),
		traffic.New(traffic.Deps{
			DB: c.DB, Edge: h.Edge, Access: sys.Access, IDs: c.IDs, Log: c.Log, HostAddress: h.HostAddress, Published: h.Published, Jobs: jobs,
			Metrics: h.Series.In("AWS/ApplicationELB"),
		}),
		usage,
		scaling.New(scaling.Deps{DB: c.DB, Series: h.Series, As: invoke.As, IDs: c.IDs, Place: c.Place}),
		reaper.New(reaper.Deps{DB: c.DB}),
	)
	if h.Names != nil {
		sys.Engine.Add(resolve.New(resolve.Deps{DB: c.DB, Place: c.Place, Jobs: jobs, Names: h.Names, Endpoints: h.Endpoints, Log: c.Log}))
	}
	if h.More != nil {
		sys.Engine.Add(h.More(sys)...)
	}
	return sys, nil
}

func (sys *System) capacity(h Drivers) capacity.Controller {
	return capacity.New(capacity.Deps{
		DB: sys.DB, IDs: sys.IDs, Place: sys.Place, Architectures: h.Architectures, MostVCPU: h.MostVCPU, MostMemoryMiB: h.MostMemoryMiB,
		Log: sys.Log,
	})
}

// services lists the services that answer.
func (sys *System) services(h Drivers, zones []string, invoke *later) []front.Service {
	c := sys.Core
	cfn := cloudformation.New(cloudformation.Deps{
		DB: c.DB, Clock: c.Clock, IDs: c.IDs, Place: c.Place, Zones: zones, Access: sys.Access, Rehearse: sys.rehearse(h, zones),
	})
	sys.Answers = &cloudformation.Answers{API: cfn}
	iamAPI := iam.New(iam.Deps{DB: c.DB, Clock: c.Clock, IDs: c.IDs, Place: c.Place, Access: sys.Access})
	stsAPI := sts.New(sts.Deps{DB: c.DB, Clock: c.Clock, Place: c.Place, Access: sys.Access})
	ecsAPI := ecs.New(ecs.Deps{DB: c.DB, Clock: c.Clock, IDs: c.IDs, Place: c.Place, Gateway: sys.Gateway, Architectures: h.Architectures})
	sys.Registry = registry.NewServer(registry.ServerDeps{
		Store: h.Images, Directory: ecr.Directory{DB: c.DB, Place: c.Place, Access: sys.Access}, Tokens: h.Tokens, Place: c.Place, Clock: c.Clock,
		Log: c.Log, Redirect: h.Redirect, Open: h.OpenRegistry,
	})
	ecrAPI := ecr.New(ecr.Deps{
		DB: c.DB, Clock: c.Clock, IDs: c.IDs, Place: c.Place, Images: h.Images, Tokens: h.Tokens, LayerURL: sys.Registry.LayerURL,
		Access: sys.Access, Upstream: h.Upstream,
	})
	sys.Registry.Through = ecrAPI.Through
	ec2API := ec2.New(ec2.Deps{DB: c.DB, Clock: c.Clock, IDs: c.IDs, Place: c.Place, Access: sys.Access, Consoles: h.Machines})
	logsAPI := logs.New(logs.Deps{DB: c.DB, Clock: c.Clock, Real: c.Real, Place: c.Place, Series: h.Series})
	lambdaAPI := lambda.New(lambda.Deps{
		DB: c.DB, Clock: c.Clock, IDs: c.IDs, Place: c.Place, Access: sys.Access, Functions: h.Functions, Code: h.Code,
		Events: &function.Queue{Driver: h.Functions, Clock: c.Real, Log: c.Log}, Architecture: architecture(),
	})
	watch := cloudwatch.New(cloudwatch.Deps{DB: c.DB, Clock: c.Clock, Real: c.Real, Place: c.Place, Series: h.Series})
	scaleAPI := aas.New(aas.Deps{DB: c.DB, Clock: c.Clock, IDs: c.IDs, Place: c.Place, As: invoke.As, Access: sys.Access})
	secretsAPI := secretsmanager.New(secretsmanager.Deps{DB: c.DB, Clock: c.Clock, IDs: c.IDs, Place: c.Place})
	discoveryAPI := servicediscovery.New(servicediscovery.Deps{DB: c.DB, Clock: c.Clock, IDs: c.IDs, Place: c.Place})
	ssmAPI := ssm.New(ssm.Deps{DB: c.DB, Clock: c.Clock, IDs: c.IDs, Place: c.Place})
	return []front.Service{
		{Meta: saas.Meta, API: scaleAPI, Fields: aas.Fields, Resources: aas.Resources, Finders: scaleAPI.Finders()},
		{
			Meta: sautoscaling.Meta, API: autoscaling.New(autoscaling.Deps{DB: c.DB, Clock: c.Clock, IDs: c.IDs, Place: c.Place, As: invoke.As}),
			Fields: autoscaling.Fields, Resources: autoscaling.Resources,
		},
		{Meta: scloudformation.Meta, API: cfn, Fields: cloudformation.Fields, Resources: cloudformation.Resources, Finders: cfn.Finders()},
		{
			Meta: scloudtrail.Meta, API: cloudtrail.New(cloudtrail.Deps{Clock: c.Clock, Log: h.Audit}), Fields: cloudtrail.Fields,
			Resources: cloudtrail.Resources,
		},
		{Meta: scloudwatch.Meta, API: watch, Fields: cloudwatch.Fields, Resources: cloudwatch.Resources},
		{Meta: sec2.Meta, API: ec2API, Fields: ec2.Fields, Resources: ec2.Resources},
		{Meta: secr.Meta, API: ecrAPI, Fields: ecr.Fields, Resources: ecr.Resources},
		{Meta: secs.Meta, API: ecsAPI, Fields: ecs.Fields, Resources: ecs.Resources, Finders: ecsAPI.Finders()},
		{
			Meta: selbv2.Meta, API: elbv2.New(elbv2.Deps{DB: c.DB, Clock: c.Clock, IDs: c.IDs, Place: c.Place}), Fields: elbv2.Fields,
			Resources: elbv2.Resources,
		},
		{Meta: siam.Meta, API: iamAPI, Fields: iam.Fields, Resources: iam.Resources, Finders: iamAPI.Finders()},
		{Meta: slambda.Meta, API: lambdaAPI, Fields: lambda.Fields, Resources: lambda.Resources, Finders: lambdaAPI.Finders()},
		{Meta: slogs.Meta, API: logsAPI, Fields: logs.Fields, Resources: logs.Resources, Finders: logsAPI.Finders()},
		{
			Meta: ssecretsmanager.Meta, API: secretsAPI, Fields: secretsmanager.Fields, Resources: secretsmanager.Resources,
			Finders: secretsAPI.Finders(),
		},
		{
			Meta: sservicediscovery.Meta, API: discoveryAPI, Fields: servicediscovery.Fields, Resources: servicediscovery.Resources,
			Finders: discoveryAPI.Finders(),
		},
		{Meta: sssm.Meta, API: ssmAPI, Fields: ssm.Fields, Resources: ssm.Resources, Finders: ssmAPI.Finders()},
		{Meta: ssts.Meta, API: stsAPI, Fields: sts.Fields, Resources: sts.Resources, Open: sts.Open},
	}
}

// WakeTraffic tells the controller of load balancers that the data plane has news.
func (sys *System) WakeTraffic() { sys.Engine.Kick("controllers/traffic", traffic.KeyEdge) }
