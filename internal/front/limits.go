package front

import (
	"bytes"
	"compress/gzip"
	"io"
	"strings"

	"berth/internal/fault"
)

// usualBody is how many bytes a request's body may have, as sent and unpacked,
// where AWS documents no other number. PutMetricData's is documented to be
// this one (CloudWatch quotas: "1 MB for HTTP POST requests").
const usualBody = 1 << 20

// limits are the operations with another number of bytes. Lambda's stand in
// its refusals; PutImage's and UploadLayerPart's follow from the largest
// manifest (4 MiB) and layer part (20 MiB in base64) of the ECR quotas;
// PutLogEvents' from its batch of 1 MiB, each byte of which JSON may escape
// with six.
var limits = map[string]int64{
	"lambda:CreateFunction":      70_167_211,
	"lambda:UpdateFunctionCode":  70_167_211,
	"lambda:PublishLayerVersion": 70_167_211,
	"lambda:Invoke":              6_291_456,
	"logs:PutLogEvents":          6 << 20,
	"ecr:PutImage":               6 << 20,
	"ecr:UploadLayerPart":        28 << 20,
}

// together bounds the bytes of all larger bodies that are held at a time.
const together = 1 << 30

// limit is how many bytes the request's body may have.
func (t target) limit() int64 {
	if t.op != nil {
		if n, ok := limits[t.service.Name+":"+t.op.Name]; ok {
			return n
		}
	}
	return usualBody
}

// tooLarge refuses a body in Lambda's words, which name the limit.
func (t target) tooLarge() error {
	of := ""
	if t.op != nil {
		_, name, _ := strings.Cut(Action(t.op), ":")
		of = " for the " + name + " operation"
	}
	return fault.New(fault.Invalid, "RequestEntityTooLarge", "Request must be smaller than %d bytes%s", t.limit(), of)
}

// readBody reads the body as it was sent, which the signature covers. Larger
// ones wait until others are released.
func (x *exchange) readBody() (release func(), err error) {
	release = func() {}
	limit := x.to.limit()
	if x.r.ContentLength > limit {
		return release, x.to.tooLarge()
	}
	if n := x.large(); n > 0 {
		if err := x.f.large.Acquire(x.r.Context(), n); err != nil {
			return release, fault.Wrap(fault.Unavailable, err, "")
		}
		release = func() { x.f.large.Release(n) }
	}
	var b bytes.Buffer
	b.Grow(int(max(0, x.r.ContentLength)) + bytes.MinRead)
	n, err := b.ReadFrom(io.LimitReader(x.r.Body, limit+1))
	switch {
	case n > limit:
		return release, x.to.tooLarge()
	case err != nil:
		return release, fault.New(fault.Invalid, "SerializationException", "The request could not be read: %v", err)
	}
	x.body = b.Bytes()
	return release, gone(x.r.Context())
}

// large is how many bytes a larger body may take; 0 of a usual one.
func (x *exchange) large() int64 {
	n := x.r.ContentLength
	if n < 0 {
		n = x.to.limit()
	}
	if n <= usualBody {
		return 0
	}
	return n
}

// plainBody is the body after its Content-Encoding. It is bounded like the
// body: what is packed well is not larger for it.
func (x *exchange) plainBody() ([]byte, error) {
	if x.r.Header.Get("Content-Encoding") != "gzip" {
		return x.body, nil
	}
	z, err := gzip.NewReader(bytes.NewReader(x.body))
	if err != nil {
		return nil, fault.New(fault.Invalid, "SerializationException", "The body is not gzip: %v", err)
	}
	b, err := io.ReadAll(io.LimitReader(z, x.to.limit()+1))
	switch {
	case err != nil:
		return nil, fault.New(fault.Invalid, "SerializationException", "The body is not gzip: %v", err)
	case int64(len(b)) > x.to.limit():
		return nil, x.to.tooLarge()
	}
	return b, nil
}
