package wire_test

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"berth/internal/wire"
	"berth/internal/wire/shape/cloudwatch"
	"berth/internal/wire/shape/ec2"
	"berth/internal/wire/shape/ecs"
	"berth/internal/wire/shape/elbv2"
	"berth/internal/wire/shape/lambda"
)

// use runs what follows a decode: nothing in it may panic.
func use(t *testing.T, op *wire.Operation, p wire.Protocol, r *wire.Request) {
	t.Helper()
	in, _, err := op.Decode(p, r)
	if err != nil {
		op.Service.EncodeError(p, err, "id")
		return
	}
	if err := op.Validate(in); err != nil {
		op.Service.EncodeError(p, err, "id")
	}
	if _, err := op.FromMap(op.InputMap(in)); err != nil {
		t.Errorf("an input does not survive a map: %v", err)
	}
}

func FuzzJSON(f *testing.F) {
	f.Add([]byte(`{"serviceName":"s","desiredCount":3,"loadBalancers":[{"containerPort":80}]}`))
	f.Add([]byte(`{"deploymentConfiguration":{"lifecycleHooks":[{"hookDetails":{"a":[1,2.5e300,null]}}]},"tags":[null]}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		use(t, ecs.Meta.Operation("CreateService"), wire.JSON, &wire.Request{Body: b})
	})
}

func FuzzCBOR(f *testing.F) {
	f.Add([]byte("\xa1\x69Namespace\x61n"))
	f.Add([]byte("\xa1\x69StartTime\xc1\xfb\x41\xda\xc0\xf9\xd7\x90\x00\x00"))
	f.Fuzz(func(t *testing.T, b []byte) {
		use(t, cloudwatch.Meta.Operation("GetMetricData"), wire.CBOR, &wire.Request{Body: b})
	})
}

func FuzzForms(f *testing.F) {
	f.Add("Name=a&Conditions.member.1.Values.member.2=x&Tags=")
	f.Add("TagSpecification.1.Tag.1.Key=a&Priority=x&A.B.C.1.1.1=2")
	f.Fuzz(func(t *testing.T, s string) {
		v, err := url.ParseQuery(s)
		if err != nil {
			return
		}
		use(t, elbv2.Meta.Operation("CreateRule"), wire.Query, &wire.Request{Form: v})
		use(t, ec2.Meta.Operation("RunInstances"), wire.EC2, &wire.Request{Form: v})
	})
}

func FuzzREST(f *testing.F) {
	f.Add("/2015-03-31/functions/f/policy", "Qualifier=1", []byte(`{"StatementId":"s","Action":"a"}`))
	f.Add("/2015-03-31/functions", "", []byte(`<CreateFunctionRequest><Code><ZipFile>AA==</ZipFile></Code></CreateFunctionRequest>`))
	f.Fuzz(func(t *testing.T, path, query string, b []byte) {
		q, err := url.ParseQuery(query)
		if err != nil {
			return
		}
		if op, labels := lambda.Meta.Route(http.MethodPost, path, q); op != nil && op.Built() {
			use(t, op, wire.RESTJSON, &wire.Request{Body: b, Labels: labels, Query: q, Header: http.Header{}})
			use(t, op, wire.RESTXML, &wire.Request{Body: b, Labels: labels, Query: q, Header: http.Header{}})
		}
	})
}

func FuzzSignature(f *testing.F) {
	f.Add("AWS4-HMAC-SHA256 Credential=a/20261123/r/s/aws4_request, SignedHeaders=host, Signature=00", "20261123T071230Z", "a=1")
	f.Fuzz(func(_ *testing.T, auth, date, query string) {
		r := httptest.NewRequest(http.MethodPost, "/", strings.NewReader(""))
		r.Header.Set("Authorization", auth)
		r.Header.Set("X-Amz-Date", date)
		r.URL.RawQuery = query
		if s, err := wire.ReadSignature(r); err == nil && s != nil {
			_ = s.Verify(r, nil, "secret")
		}
	})
}

func FuzzErrorAnswers(f *testing.F) {
	f.Add([]byte(`{"__type":"a#B","message":"m"}`), "application/json")
	f.Add([]byte(`<ErrorResponse><Error><Code>C</Code></Error></ErrorResponse>`), "text/xml")
	f.Add([]byte("\xa1\x66__type\x61a"), "application/cbor")
	f.Fuzz(func(_ *testing.T, b []byte, ct string) {
		_ = wire.DecodeError(400, http.Header{"Content-Type": {ct}}, b)
	})
}
