package stack

import (
	"fmt"
	"slices"
	"strings"

	"berth/internal/lang/template"
	"berth/internal/model"
	"berth/internal/model/catalog"
	"berth/internal/state"
)

// plan is the order of a template's resources: what each waits for when it is
// made, and what each must be gone before when it is deleted.
type plan struct {
	order []string
	make  map[string][]string
	undo  map[string][]string // what to record as a resource's DependsOn
}

// Types whose order AWS leaves to the template's author, and which templates
// that work on AWS get right by luck (an attachment is made faster than a
// load balancer: docs/facts/deployments.md D137). We keep the order ourselves.
var (
	gateway = "AWS::EC2::VPCGatewayAttachment"
	// reach is what lets instances and tasks talk to the control plane: it
	// must outlive them, or they cannot be told to stop.
	reach = []string{
		gateway, "AWS::EC2::Route", "AWS::EC2::SubnetRouteTableAssociation", "AWS::EC2::VPCEndpoint", "AWS::EC2::NatGateway",
		"AWS::EC2::SecurityGroupIngress", "AWS::EC2::SecurityGroupEgress", "AWS::IAM::Policy", "AWS::IAM::ManagedPolicy", "AWS::IAM::RolePolicy",
	}
	// rights are what roles get beside themselves: a custom resource's function
	// may need them when it is made and when it is deleted.
	rights = []string{"AWS::IAM::Policy", "AWS::IAM::ManagedPolicy", "AWS::IAM::RolePolicy"}
)

// early lists types that a resource should wait for without saying so.
func early(r template.Resource, props map[string]any) []string {
	if template.IsCustom(r.Type) {
		return rights
	}
	switch r.Type {
	case "AWS::EC2::Route":
		if props["GatewayId"] != nil {
			return []string{gateway}
		}
	case "AWS::ElasticLoadBalancingV2::LoadBalancer":
		if props["Scheme"] != "internal" {
			return []string{gateway}
		}
	case "AWS::EC2::NatGateway", "AWS::EC2::EIP":
		return []string{gateway}
	case "AWS::AutoScaling::AutoScalingGroup", "AWS::EC2::Instance":
		// Instances call home when they start: by a way that is there by then.
		return reach
	case "AWS::ECS::Service":
		return []string{"AWS::ECS::ClusterCapacityProviderAssociations", "AWS::IAM::Policy", "AWS::IAM::ManagedPolicy", "AWS::IAM::RolePolicy"}
	}
	return nil
}

// late lists types that must be deleted after a resource.
func late(kind string) []string {
	if template.IsCustom(kind) {
		return slices.Concat(rights, reach)
	}
	switch kind {
	case "AWS::ECS::Service", "AWS::ECS::CapacityProvider", "AWS::ECS::ClusterCapacityProviderAssociations",
		"AWS::AutoScaling::AutoScalingGroup", "AWS::EC2::Instance":
		return reach
	case "AWS::ElasticLoadBalancingV2::ListenerRule", "AWS::ElasticLoadBalancingV2::Listener":
		// After a blue/green deployment a rule forwards to the alternate
		// group as well, which no template says.
		return []string{"AWS::ElasticLoadBalancingV2::TargetGroup"}
	}
	return nil
}

func newPlan(b *template.Bound) (*plan, error) {
	p := &plan{make: map[string][]string{}}
	byType := map[string][]string{}
	for _, r := range b.Active() {
		p.make[r.ID] = slices.Clone(b.DependsOn(r.ID))
		byType[r.Type] = append(byType[r.Type], r.ID)
	}
	for _, r := range b.Active() {
		props, err := b.Properties(r.ID, template.Nothing)
		if err != nil {
			return nil, err
		}
		soften(p.make, r.ID, early(r, props), byType)
	}
	ids := make([]string, 0, len(p.make))
	for _, r := range b.Active() {
		ids = append(ids, r.ID)
	}
	p.order, _ = template.Sort(ids, p.make)
	p.undo = copied(p.make)
	for _, r := range b.Active() {
		soften(p.undo, r.ID, late(r.Type), byType)
	}
	return p, nil
}

func copied(m map[string][]string) map[string][]string {
	out := make(map[string][]string, len(m))
	for k, v := range m {
		out[k] = slices.Clone(v)
	}
	return out
}

// soften adds edges from id to all resources of some types, unless that
// would close a circle.
func soften(edges map[string][]string, id string, types []string, byType map[string][]string) {
	for _, kind := range types {
		for _, other := range byType[kind] {
			if other != id && !slices.Contains(edges[id], other) && !template.Reaches(other, id, edges) {
				edges[id] = append(edges[id], other)
			}
		}
	}
}

// target is the template that a stack goes towards: the new one, or when
// rolling back, the one before.
func (r *run) target() (body string, params []model.StackParameter) {
	if r.stack.Status.UpdateRollback() {
		return r.stack.Previous, r.stack.PreviousParameters
	}
	return r.stack.Template, r.stack.Parameters
}

// bind reads the target. Reading is kept between two looks at a stack.
func (r *run) bind() (*template.Bound, *plan, error) {
	body, params := r.target()
	key := fmt.Sprintf("%d %t %d", r.operation, r.stack.Status.UpdateRollback(), len(body))
	r.mu.Lock()
	c, ok := r.Controller.bound[r.stack.ID]
	r.mu.Unlock()
	if ok && c.key == key {
		return c.bound, c.plan, nil
	}
	b, err := r.read(body, params)
	if err != nil {
		return nil, nil, err
	}
	p, err := newPlan(b)
	if err != nil {
		return nil, nil, err
	}
	r.mu.Lock()
	r.Controller.bound[r.stack.ID] = cached{key: key, plan: p, bound: b}
	r.mu.Unlock()
	return b, p, nil
}

func (r *run) read(body string, params []model.StackParameter) (*template.Bound, error) {
	tpl, err := template.Parse(body)
	if err != nil {
		return nil, err
	}
	given, kept := map[string]string{}, map[string]string{}
	for _, p := range params {
		given[p.Key] = p.Value
		if p.Resolved != "" && kept[p.Value] == "" || p.Resolved != p.Value {
			kept[p.Value] = p.Resolved
		}
	}
	suffix := "amazonaws.com"
	if strings.HasPrefix(r.Place.Partition, "aws-cn") {
		suffix = "amazonaws.com.cn"
	}
	return tpl.Bind(template.Inputs{
		Place: template.Place{Partition: r.Place.Partition, Region: r.Place.Region, Account: r.Place.Account, URLSuffix: suffix,
			Zones: r.Zones},
		StackName: r.stack.Name, StackID: r.stack.ID, Parameters: given,
		Public: func(name string) (string, bool) { return catalog.Public(r.Place.Region, name) },
		Stored: func(name string) (string, error) { return kept[name], nil }, // as the request found it
		Import: func(name string) (string, bool) {
			e, ok := state.Exports.Get(r.DB.View(), name)
			return e.Value, ok && e.Stack != r.stack.ID
		},
	})
}

// look answers Ref and Fn::GetAtt from what exists.
func (r *run) look(id, attribute string) (any, bool) {
	rec := r.recs[id]
	if rec == nil || rec.PhysicalID == "" {
		return nil, false
	}
	if attribute == "" {
		return rec.PhysicalID, true
	}
	if v, ok := rec.Attributes[attribute]; ok {
		return v, true
	}
	if template.IsCustom(rec.Type) {
		return nil, false // what it has are its provider's answers alone
	}
	v, ok := rec.Properties[attribute]
	return v, ok
}

// dependents tells which of the given resources still need id.
func (r *run) dependents(id string, among []string) bool {
	return slices.ContainsFunc(among, func(other string) bool {
		rec := r.recs[other]
		return other != id && rec != nil && slices.Contains(rec.DependsOn, id)
	})
}
