package front_test

import (
	"bytes"
	"net/http"
	"net/http/httptest"
	"net/url"
	"testing"

	"berth/internal/front"
)

// FuzzRequest holds that whatever a client asks of the APIs, as a stranger and
// as one of this machine, the fault is never ours.
func FuzzRequest(f *testing.F) {
	f.Add("POST", "/", "X-Amz-Target", "AmazonEC2ContainerServiceV20141113.CreateCluster", "", []byte(`{"clusterName":"c"}`))
	f.Add("POST", "/", "Content-Type", "application/x-www-form-urlencoded", "", []byte("Action=DescribeVpcs&Version=2016-11-15&VpcId.1=a"))
	f.Add("GET", "/?Action=GetRole&Version=2010-05-08&RoleName=r", "", "", "", []byte{})
	f.Add("POST", "/service/GraniteServiceVersion20100801/operation/DescribeAlarms", "Content-Type", "application/cbor", "", []byte("\xa0"))
	f.Add("POST", "/2015-03-31/functions/f/invocations", "X-Amz-Invocation-Type", "Event", "gzip", []byte("\x1f\x8b\x08"))
	f.Add(
		"GET", "/", "Authorization", "AWS4-HMAC-SHA256 Credential=a/20261123/r/ecs/aws4_request, SignedHeaders=host, Signature=00", "", []byte{},
	)
	f.Add("OPTIONS", "/", "Origin", "http://localhost:3000", "", []byte{})
	h, _, _ := newFront(f)
	handlers := []http.Handler{
		h.Handler(front.Listener{}), h.Handler(front.Listener{Strict: true}), h.Handler(front.Listener{Guard: &front.Guard{}}),
	}
	f.Fuzz(func(t *testing.T, method, path, name, value, encoding string, body []byte) {
		u, err := url.Parse(path)
		if err != nil {
			return
		}
		for _, h := range handlers {
			r := httptest.NewRequest(http.MethodGet, "/", bytes.NewReader(body))
			r.Method, r.URL = method, u
			r.Header.Set("Content-Encoding", encoding)
			r.Header.Set(name, value)
			w := httptest.NewRecorder()
			h.ServeHTTP(w, r)
			if w.Code >= 500 && w.Code != http.StatusNotImplemented {
				t.Errorf("%s %s: %d %s", method, path, w.Code, w.Body)
			}
		}
	})
}
