package stack_test

import (
	"context"

	"berth/internal/access"
	aasapi "berth/internal/api/applicationautoscaling"
	asapi "berth/internal/api/autoscaling"
	cwapi "berth/internal/api/cloudwatch"
	ec2api "berth/internal/api/ec2"
	ecrapi "berth/internal/api/ecr"
	ecsapi "berth/internal/api/ecs"
	elbapi "berth/internal/api/elbv2"
	iamapi "berth/internal/api/iam"
	lambdaapi "berth/internal/api/lambda"
	logsapi "berth/internal/api/logs"
	secretsapi "berth/internal/api/secretsmanager"
	mapapi "berth/internal/api/servicediscovery"
	ssmapi "berth/internal/api/ssm"
	"berth/internal/function"
	"berth/internal/ident"
	"berth/internal/registry"
	"berth/internal/series"
	"berth/internal/wire"
	aasshape "berth/internal/wire/shape/applicationautoscaling"
	asshape "berth/internal/wire/shape/autoscaling"
	cwshape "berth/internal/wire/shape/cloudwatch"
	ec2shape "berth/internal/wire/shape/ec2"
	ecrshape "berth/internal/wire/shape/ecr"
	ecsshape "berth/internal/wire/shape/ecs"
	elbshape "berth/internal/wire/shape/elbv2"
	iamshape "berth/internal/wire/shape/iam"
	lambdashape "berth/internal/wire/shape/lambda"
	logsshape "berth/internal/wire/shape/logs"
	secretsshape "berth/internal/wire/shape/secretsmanager"
	mapshape "berth/internal/wire/shape/servicediscovery"
	ssmshape "berth/internal/wire/shape/ssm"
)

// services are the APIs that stacks call, all of them the real ones.
func services(h *fixture, acc *access.Access) map[string]service {
	code, err := function.OpenStore(h.t.TempDir())
	if err != nil {
		h.t.Fatal(err)
	}
	images, err := registry.Open(registry.Deps{Dir: h.t.TempDir(), Clock: h.clock, IDs: h.ids})
	if err != nil {
		h.t.Fatal(err)
	}
	data, err := series.Memory()
	if err != nil {
		h.t.Fatal(err)
	}
	h.t.Cleanup(func() { _ = data.Close() })
	functions := &function.Sim{IDs: h.ids, Handle: h.provided}
	return map[string]service{
		"ec2":                  {ec2shape.Meta, ec2api.New(ec2api.Deps{DB: h.db, Clock: h.clock, IDs: h.ids, Place: place})},
		"ecs":                  {ecsshape.Meta, ecsapi.New(ecsapi.Deps{DB: h.db, Clock: h.clock, IDs: h.ids, Place: place})},
		"elasticloadbalancing": {elbshape.Meta, elbapi.New(elbapi.Deps{DB: h.db, Clock: h.clock, IDs: h.ids, Place: place})},
		"iam":                  {iamshape.Meta, iamapi.New(iamapi.Deps{DB: h.db, Clock: h.clock, IDs: h.ids, Place: place, Access: acc})},
		"lambda": {lambdashape.Meta, lambdaapi.New(lambdaapi.Deps{
			DB: h.db, Clock: h.clock, IDs: h.ids, Place: place, Access: acc, Functions: functions, Code: code,
			Events: &function.Queue{Driver: functions, Clock: h.clock},
		})},
		"logs": {logsshape.Meta, logsapi.New(logsapi.Deps{DB: h.db, Clock: h.clock, Place: place, Series: data})},
		"application-autoscaling": {aasshape.Meta, aasapi.New(aasapi.Deps{
			DB: h.db, Clock: h.clock, IDs: h.ids, Place: place, As: h.as, Access: acc,
		})},
		"ecr":              {ecrshape.Meta, ecrapi.New(ecrapi.Deps{DB: h.db, Clock: h.clock, IDs: h.ids, Place: place, Images: images})},
		"autoscaling":      {asshape.Meta, asapi.New(asapi.Deps{DB: h.db, Clock: h.clock, IDs: h.ids, Place: place, As: h.as})},
		"ssm":              {ssmshape.Meta, ssmapi.New(ssmapi.Deps{DB: h.db, Clock: h.clock, IDs: h.ids, Place: place})},
		"servicediscovery": {mapshape.Meta, mapapi.New(mapapi.Deps{DB: h.db, Clock: h.clock, IDs: h.ids, Place: place})},
		"secretsmanager": {
			secretsshape.Meta, secretsapi.New(secretsapi.Deps{DB: h.db, Clock: h.clock, IDs: h.ids, Place: place}),
		},
		"monitoring": {cwshape.Meta, cwapi.New(cwapi.Deps{DB: h.db, Clock: h.clock, Place: place, Series: data})},
	}
}

// as is how one API calls another: no call of the stack's.
func (h *fixture) as(who ident.Principal) wire.Caller {
	return wire.CallerFunc(func(ctx context.Context, o *wire.Operation, in any) (any, error) {
		call := wire.Call{Principal: who, At: h.clock.Now(), Source: who.Service}
		return o.Call(wire.WithCall(ctx, call), h.services[o.Service.Name].impl, in)
	})
}
