package wire

import (
	"net/http"
	"net/url"
	"reflect"
	"strings"

	"berth/internal/fault"
)

// Protocol is one of AWS's ways to put a call into HTTP.
type Protocol int

// The protocols.
const (
	JSON     Protocol = iota // awsJson 1.0 and 1.1: X-Amz-Target and a JSON body
	Query                    // a form in, XML out
	EC2                      // EC2's own form of Query
	RESTJSON                 // method, path, headers and a JSON body
	RESTXML                  // method, path, headers and an XML body
	CBOR                     // RPC v2: /service/S/operation/O and a CBOR body
)

var protocolNames = map[string]Protocol{
	"json": JSON, "query": Query, "ec2": EC2, "rest-json": RESTJSON, "rest-xml": RESTXML, "smithy-rpc-v2-cbor": CBOR,
}

// String names the protocol as models do.
func (p Protocol) String() string {
	for n, q := range protocolNames {
		if p == q {
			return n
		}
	}
	return "unknown"
}

// Protocol is the service's preferred protocol.
func (s *Service) Protocol() Protocol { return protocolNames[s.Protocols[0]] }

// Speaks reports whether the service's model lists the protocol.
func (s *Service) Speaks(p Protocol) bool {
	for _, n := range s.Protocols {
		if protocolNames[n] == p {
			return true
		}
	}
	return false
}

// Request is what a decoder needs of an HTTP request.
type Request struct {
	Body   []byte
	Form   url.Values        // Query and EC2: body and query string
	Labels map[string]string // REST: what the path's labels stand for
	Query  url.Values        // REST
	Header http.Header       // REST
}

// Response is an answer before it is written.
type Response struct {
	Status int
	Header http.Header
	Body   []byte
}

// Decode reads a request into a new input. unknown lists the members that the
// model does not have, by path.
func (o *Operation) Decode(p Protocol, r *Request) (in any, unknown []string, err error) {
	in = o.New()
	d := &filler{op: o, protocol: p}
	switch p {
	case JSON:
		err = d.json(o.Input(), in, r.Body)
	case Query, EC2:
		err = d.form(o.Input(), in, r.Form)
	case RESTJSON, RESTXML:
		err = d.rest(o.Input(), in, r)
	case CBOR:
		err = d.cbor(o.Input(), in, r.Body)
	default:
		err = fault.New(fault.Internal, "InternalFailure", "no such protocol")
	}
	if err != nil {
		return nil, nil, err
	}
	return in, d.unknown, nil
}

// Encode writes an output.
func (o *Operation) Encode(p Protocol, out any, requestID string) (*Response, error) {
	r := &Response{Status: http.StatusOK, Header: http.Header{}}
	r.Header.Set("x-amzn-RequestId", requestID)
	if o.lists() {
		fillLists(reflect.ValueOf(out))
	}
	switch p {
	case JSON:
		o.encodeJSON(r, out)
	case Query:
		o.encodeQuery(r, out, requestID)
	case EC2:
		o.encodeEC2(r, out, requestID)
	case RESTJSON, RESTXML:
		o.encodeREST(p, r, out)
	case CBOR:
		if err := o.encodeCBOR(r, out); err != nil {
			return nil, err
		}
	default:
		return nil, fault.New(fault.Internal, "InternalFailure", "no such protocol")
	}
	return r, nil
}

// lists reports whether the operation answers what there is of something. Its
// answer then has every list, also an empty one, as AWS's have; an operation
// on one thing leaves out what the thing does not have.
func (o *Operation) lists() bool {
	for _, verb := range []string{"List", "Batch", "Filter", "RunTask", "StartTask"} {
		if strings.HasPrefix(o.Name, verb) {
			return true
		}
	}
	several := strings.HasSuffix(o.Name, "s") || strings.HasSuffix(o.Name, "Health") || strings.HasSuffix(o.Name, "Data")
	return several && (strings.HasPrefix(o.Name, "Describe") || strings.HasPrefix(o.Name, "Get"))
}

// fillLists makes the nil lists of an output empty ones.
func fillLists(v reflect.Value) {
	if v = reflect.Indirect(v); v.Kind() != reflect.Struct {
		return
	}
	for i := range v.NumField() {
		if f := v.Field(i); f.Kind() == reflect.Slice && f.Type().Elem().Kind() != reflect.Uint8 && f.IsNil() && f.CanSet() {
			f.Set(reflect.MakeSlice(f.Type(), 0, 0))
		}
	}
}
