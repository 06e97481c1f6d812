package front

import (
	"net/http"
	"net/url"
	"slices"
	"strings"

	"berth/internal/fault"
	"berth/internal/wire"
)

// target is the operation that a request is for, and how it is put.
type target struct {
	served   *served
	service  *wire.Service
	op       *wire.Operation
	protocol wire.Protocol
	form     url.Values
	labels   map[string]string
	none     bool // the request does not look like an API call
	inForm   bool // the body, a form, names the operation
}

// nobody stands for the service of a request whose service is not known, so
// that its error has the shape that the caller expects.
var nobody = wire.NewService(wire.Description{Name: "unknown", Protocols: []string{"json"}})

// fallbackTarget guesses the protocol of a request before anything is known.
func fallbackTarget(r *http.Request) target {
	t := target{service: nobody, protocol: wire.RESTJSON}
	switch {
	case r.Header.Get("X-Amz-Target") != "":
		t.protocol = wire.JSON
	case isForm(r) || r.URL.Query().Has("Action"):
		t.protocol = wire.Query
	case r.Header.Get("smithy-protocol") != "":
		t.protocol = wire.CBOR
	}
	return t
}

func isForm(r *http.Request) bool {
	return strings.HasPrefix(r.Header.Get("Content-Type"), "application/x-www-form-urlencoded")
}

// resolve finds the operation. Its error is kept until the caller is known.
func (x *exchange) resolve(sig *wire.Signature, find func(*wire.Signature) error) error {
	err := find(sig)
	if err == nil && x.to.op != nil && !x.l.serves(x.to.service.Name) {
		err = fault.New(fault.NotFound, "InvalidAction", "The VPC endpoint %s does not serve %s.", x.l.Endpoint, x.to.service.Title)
	}
	if x.to.op != nil {
		x.call.Service, x.call.Operation = x.to.service.Name, x.to.op.Name
	}
	return err
}

// findHead finds the operation by the request's head. Of a form it finds the
// service that was signed for: its operation is in the body.
func (x *exchange) findHead(sig *wire.Signature) error {
	r := x.r
	switch {
	case r.Header.Get("X-Amz-Target") != "":
		return x.findTarget(r.Header.Get("X-Amz-Target"))
	case strings.HasPrefix(r.URL.Path, "/service/"):
		return x.findRPC(r.URL.Path)
	case isForm(r):
		x.to.inForm = true
		x.signedFor(sig)
		return nil
	case r.URL.Query().Has("Action"):
		return x.findAction(r.URL.Query(), sig)
	}
	return x.findPath(sig)
}

func (x *exchange) direct(r *served, p wire.Protocol) {
	x.to.served, x.to.service, x.to.protocol = r, r.Meta, p
}

func (x *exchange) findTarget(header string) error {
	x.to.protocol = wire.JSON
	dot := max(strings.LastIndexByte(header, '.'), 0) // CloudTrail's prefix has dots of its own
	prefix, name := header[:dot], strings.TrimPrefix(header[dot:], ".")
	for _, r := range x.f.services {
		if r.Meta.TargetPrefix == prefix && prefix != "" {
			x.direct(r, wire.JSON)
			return x.named(name)
		}
	}
	return fault.New(fault.NotImplemented, "NotImplemented", "%s is not implemented by Berth: it has no service %s", name, prefix)
}

func (x *exchange) findRPC(path string) error {
	x.to.protocol = wire.CBOR
	p := strings.Split(strings.Trim(path, "/"), "/")
	if len(p) != 4 || p[2] != "operation" {
		return fault.New(fault.NotFound, "InvalidAction", "No operation at %s", path)
	}
	for _, r := range x.f.services {
		if r.Meta.TargetPrefix == p[1] && r.Meta.Speaks(wire.CBOR) {
			x.direct(r, wire.CBOR)
			return x.named(p[3])
		}
	}
	return fault.New(fault.NotImplemented, "NotImplemented", "%s is not implemented by Berth: it has no service %s", p[3], p[1])
}

// signedFor takes the service of the signature's scope for the request's.
func (x *exchange) signedFor(sig *wire.Signature) {
	if sig == nil {
		return
	}
	for _, r := range x.f.services {
		if p, ok := formProtocol(r.Meta); ok && r.Meta.SigningName == sig.Service {
			x.direct(r, p)
		}
	}
}

// formProtocol is the one of its protocols in which a service takes forms.
func formProtocol(s *wire.Service) (wire.Protocol, bool) {
	if s.Speaks(wire.EC2) {
		return wire.EC2, true
	}
	return wire.Query, s.Speaks(wire.Query)
}

// findForm finds the operation by the Action in the body or the query string.
func (x *exchange) findForm(sig *wire.Signature) error {
	v := x.r.URL.Query()
	body, err := x.plainBody()
	if err != nil {
		return err
	}
	more, err := url.ParseQuery(string(body))
	if err != nil {
		return fault.New(fault.Invalid, "MalformedQueryString", "The query string contains a syntax error")
	}
	for k, vals := range more {
		v[k] = append(v[k], vals...)
	}
	if !v.Has("Action") {
		return x.findPath(sig)
	}
	return x.findAction(v, sig)
}

func (x *exchange) findAction(form url.Values, sig *wire.Signature) error {
	x.to.protocol, x.to.form = wire.Query, form
	name, version := form.Get("Action"), form.Get("Version")
	for _, r := range x.f.services {
		p, ok := formProtocol(r.Meta)
		if !ok {
			continue
		}
		if version == r.Meta.Version || version == "" && sig != nil && sig.Service == r.Meta.SigningName {
			x.direct(r, p)
			return x.named(name)
		}
	}
	scope := ""
	if sig != nil {
		scope = " of " + sig.Service
	}
	return fault.New(fault.NotImplemented, "NotImplemented", "%s (version %s%s) is not implemented by Berth", name, version, scope)
}

func (x *exchange) findPath(sig *wire.Signature) error {
	x.to.protocol = wire.RESTJSON
	for _, r := range x.f.services {
		if !r.Meta.Speaks(wire.RESTJSON) && !r.Meta.Speaks(wire.RESTXML) {
			continue
		}
		if op, labels := r.Meta.Route(x.r.Method, x.r.URL.EscapedPath(), x.r.URL.Query()); op != nil {
			x.direct(r, r.Meta.Protocol())
			x.to.op, x.to.labels = op, labels
			return nil
		}
	}
	if sig != nil {
		return fault.New(fault.NotImplemented, "NotImplemented", "%s %s of %s is not implemented by Berth", x.r.Method, x.r.URL.Path, sig.Service)
	}
	x.to.none = true
	return fault.New(fault.NotFound, "InvalidAction", "There is no operation at %s %s", x.r.Method, x.r.URL.Path)
}

// named finds the operation of the service by its name.
func (x *exchange) named(name string) error {
	if x.to.op = x.to.service.Operation(name); x.to.op != nil {
		return nil
	}
	return fault.New(fault.Invalid, "InvalidAction", "Could not find operation %s for version %s", name, x.to.service.Version)
}

func (r *served) open(op string) bool { return slices.Contains(r.Open, op) }
