package handler_test

import (
	"maps"
	"slices"
	"strings"
	"testing"

	"berth/internal/controllers/stack/handler"
	"berth/internal/lang/template"
	"berth/internal/wire"
	aas "berth/internal/wire/shape/applicationautoscaling"
	"berth/internal/wire/shape/autoscaling"
	"berth/internal/wire/shape/cloudwatch"
	"berth/internal/wire/shape/ec2"
	"berth/internal/wire/shape/ecr"
	"berth/internal/wire/shape/ecs"
	"berth/internal/wire/shape/elbv2"
	"berth/internal/wire/shape/iam"
	"berth/internal/wire/shape/lambda"
	"berth/internal/wire/shape/logs"
	"berth/internal/wire/shape/secretsmanager"
	"berth/internal/wire/shape/servicediscovery"
	"berth/internal/wire/shape/ssm"
)

var services = map[string]*wire.Service{
	"ec2": ec2.Meta, "ecs": ecs.Meta, "elasticloadbalancing": elbv2.Meta, "iam": iam.Meta, "lambda": lambda.Meta, "logs": logs.Meta,
	"application-autoscaling": aas.Meta, "ecr": ecr.Meta, "monitoring": cloudwatch.Meta,
	"autoscaling": autoscaling.Meta, "secretsmanager": secretsmanager.Meta, "ssm": ssm.Meta,
	"servicediscovery": servicediscovery.Meta,
}

// each runs a test for every declared type.
func each(t *testing.T, test func(*testing.T, *handler.Type, *template.Type)) {
	t.Helper()
	for _, name := range slices.Sorted(maps.Keys(handler.Types())) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			schema, ok := template.TypeOf(name)
			if !ok {
				t.Fatalf("built.txt does not name %s", name)
			}
			test(t, handler.Types()[name], schema)
		})
	}
}

// made are the properties that creating carries.
func made(d *handler.Type) []string {
	return slices.Concat(d.Make.Members, d.Make.Carries, []string{d.Name.Property})
}

// changed are the properties whose change is made, or refused.
func changed(d *handler.Type) []string {
	out := slices.Concat(slices.Collect(maps.Keys(d.Refuse)), slices.Collect(maps.Keys(d.Unsent)))
	for _, c := range d.Changes {
		out = slices.Concat(out, c.Members, c.When, slices.Collect(maps.Keys(c.Differ)))
	}
	for _, s := range d.Sets {
		out = append(out, s.Property)
	}
	return out
}

// Every property that templates may use goes somewhere, and every one that may
// change goes into an update.
func TestEveryPropertyIsDeclared(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, d *handler.Type, schema *template.Type) {
		all := append(slices.Concat(made(d), changed(d)), schema.TagProperty)
		for _, p := range schema.Built() {
			if !slices.Contains(all, p) {
				t.Errorf("no call carries %s", p)
			}
			_, mutable := schema.Updatable(p, nil)
			if mutable && p != schema.TagProperty && !slices.Contains(changed(d), p) {
				t.Errorf("no update carries %s", p)
			}
		}
		for _, p := range all {
			if p != "" && !slices.Contains(schema.Built(), p) {
				t.Errorf("%s is declared and not in built.txt", p)
			}
		}
	})
}

// What no update can change is in no update.
func TestNoUpdateDeclaresWhatIsCreateOnly(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, d *handler.Type, schema *template.Type) {
		for _, p := range changed(d) {
			if _, mutable := schema.Updatable(p, nil); !mutable {
				t.Errorf("%s is create-only or read-only and in an update", p)
			}
		}
	})
}

// unanswered are attributes of what is not built.
var unanswered = map[string]string{
	"AWS::Lambda::Function SnapStartResponse":  "SnapStart is not built",
	"AWS::EC2::Subnet BlockPublicAccessStates": "blocking public access is not built",
	"AWS::EC2::NatGateway AutoProvisionZones":  "regional NAT gateways are not built",
	"AWS::EC2::NatGateway AutoScalingIps":      "regional NAT gateways are not built",
	"AWS::EC2::NatGateway RouteTableId":        "regional NAT gateways are not built",
}

// Every attribute that templates may ask for is learnt, or is a property.
func TestEveryAttributeIsLearnt(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, d *handler.Type, schema *template.Type) {
		known := slices.Collect(maps.Keys(d.Attributes))
		for p := range schema.Properties {
			if !slices.Contains(schema.ReadOnly, p) {
				known = append(known, p)
			}
		}
		for _, look := range d.Also {
			known = slices.AppendSeq(known, maps.Keys(look.Attributes))
		}
		for _, name := range schema.GetAtt {
			head, _, _ := strings.Cut(name, ".")
			if _, why := unanswered[schema.Name+" "+head]; !why && !slices.Contains(known, head) {
				t.Errorf("nothing answers Fn::GetAtt %s", name)
			}
		}
	})
}

// Every member that a call carries is one that the API's operation has, at any
// depth: of an update, what is left when the create-only parts are taken out.
func TestTheAPIsHaveEveryMember(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, d *handler.Type, schema *template.Type) {
		check := func(c handler.Call, update bool) {
			if c.Operation == "" {
				return
			}
			op := services[d.Service].Operation(c.Operation)
			if op == nil || !op.Built() {
				t.Errorf("%s has no operation %s", d.Service, c.Operation)
				return
			}
			w := walker{t: t, style: d.Style, schema: schema, update: update}
			for _, p := range c.Members {
				if _, mutable := schema.Updatable(p, nil); (mutable || !update) && c.Prepare == nil {
					w.member(op.Input(), c.Operation, p, member(d.Style, c, p), schema.Properties[p], d.Convert[p] != nil)
				}
			}
			for name := range c.With {
				if find(op.Input(), name) == nil {
					t.Errorf("%s has no member %s", c.Operation, name)
				}
			}
		}
		check(d.Make, false)
		check(d.Read, false)
		check(d.Remove, false)
		for _, c := range d.Changes {
			check(c.Call, true)
			if c.Without != nil {
				check(*c.Without, true)
			}
		}
		for _, s := range d.Sets {
			check(s.Add, true)
			check(s.Remove, true)
		}
		for _, l := range d.Also {
			check(l.Call, false)
		}
		for _, op := range []string{d.Tags.Add, d.Tags.Remove} {
			if op != "" && services[d.Service].Operation(op) == nil {
				t.Errorf("%s has no operation %s", d.Service, op)
			}
		}
	})
}

func member(s handler.Style, c handler.Call, p string) string {
	if m, ok := c.As[p]; ok {
		return m
	}
	return s.Member(p)
}

// walker follows a property's schema and an API's shape side by side.
type walker struct {
	t      *testing.T
	style  handler.Style
	schema *template.Type
	update bool
}

func (w walker) member(in *wire.Shape, operation, path, name string, s *template.Schema, converted bool) {
	m := find(in, name)
	if m == nil {
		w.t.Errorf("%s has no member %s (%s)", operation, name, path)
		return
	}
	if !converted {
		w.value(m, operation, path, s)
	}
}

func (w walker) value(in *wire.Shape, operation, path string, s *template.Schema) {
	s = w.schema.Resolve(s)
	if s == nil {
		return
	}
	if in.Kind == wire.List && s.Items != nil {
		w.value(in.Elem.Shape, operation, path, s.Items)
		return
	}
	if in.Kind != wire.Structure {
		return
	}
	for _, k := range slices.Sorted(maps.Keys(s.Properties)) {
		if below := path + "." + k; w.schema.IsBuilt(below) && (!w.update || w.schema.IsUpdatable(below)) {
			w.member(in, operation, below, w.style.Member(k), s.Properties[k], false)
		}
	}
}

func find(in *wire.Shape, name string) *wire.Shape {
	for i := range in.Members {
		if in.Members[i].Name == name {
			return in.Members[i].Shape
		}
	}
	return nil
}
