package front_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"
	"testing"

	"berth/internal/front"
	"berth/internal/ident"
)

// endless is a body without end that counts what was read of it.
type endless struct{ read int }

func (e *endless) Read(p []byte) (int, error) {
	e.read += len(p)
	return len(p), nil
}

func packed(t *testing.T, text string) io.Reader {
	t.Helper()
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	if _, err := io.WriteString(z, text); err != nil {
		t.Fatal(err)
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return &b
}

// zeros are so many, packed.
func zeros(t *testing.T, n int64) io.Reader {
	t.Helper()
	var b bytes.Buffer
	z, err := gzip.NewWriterLevel(&b, gzip.BestSpeed)
	if err == nil {
		_, err = io.CopyN(z, &endless{}, n)
	}
	if err == nil {
		err = z.Close()
	}
	if err != nil {
		t.Fatal(err)
	}
	return &b
}

// worst are bodies that cost as much as can be for their bytes, a protocol
// each: too many bytes, too many values, too deep, too well packed.
func worst(t *testing.T) map[string]*http.Request {
	t.Helper()
	post := func(path string, body io.Reader, headers ...string) *http.Request {
		r := httptest.NewRequest(http.MethodPost, path, body)
		for i := 0; i < len(headers); i += 2 {
			r.Header.Set(headers[i], headers[i+1])
		}
		return r
	}
	const (
		rpc    = "/service/GraniteServiceVersion20100801/operation/DescribeAlarms"
		invoke = "/2015-03-31/functions/f/invocations"
		form   = "application/x-www-form-urlencoded"
		large  = 8 << 20
		usual  = 1 << 20
	)
	of := func(unit string, n int) string { return strings.Repeat(unit, n/len(unit)) }
	ecs := func(body io.Reader, headers ...string) *http.Request {
		return post("/", body, append(headers, "X-Amz-Target", "AmazonEC2ContainerServiceV20141113.CreateCluster")...)
	}
	vpcs := func(members string) *http.Request {
		return post("/", strings.NewReader("Action=DescribeVpcs&Version=2016-11-15&"+members), "Content-Type", form)
	}
	return map[string]*http.Request{
		"JSON, bytes":           ecs(strings.NewReader(of(" ", large))),
		"JSON, packed":          ecs(packed(t, `{"tags":[`+of("{},", large)+"{}]}"), "Content-Encoding", "gzip"),
		"JSON, values":          ecs(strings.NewReader(`{"tags":[` + of("1,", 900_000) + "1]}")),
		"JSON, objects":         ecs(strings.NewReader(`{"tags":[` + of("{},", 700_000) + "{}]}")),
		"JSON, unknown members": ecs(strings.NewReader(`{"tags":[` + of(`{"":1},`, 1_000_000) + "{}]}")),
		"JSON, depth":           ecs(strings.NewReader(of("[", usual))),
		"form, bytes":           post("/", strings.NewReader("Action=GetRole&Version=2010-05-08&RoleName="+of("r", large)), "Content-Type", form),
		"form, packed": post(
			"/", packed(t, "Action=GetRole&Version=2010-05-08&"+of("a&", large)), "Content-Type", form, "Content-Encoding", "gzip",
		),
		"form, names":  vpcs(numbered("VpcId.", usual-100)),
		"form, odd":    vpcs(numbered("Filter.1.", usual-100)),
		"CBOR, bytes":  post(rpc, strings.NewReader(of("\xa0", large))),
		"CBOR, values": post(rpc, strings.NewReader("\xbf\x6aAlarmNames\x9f"+of("\xa0", usual-100)+"\xff\xff")),
		"CBOR, packed": post(rpc, packed(t, "\xbf\x6aAlarmNames\x9f"+of("\xa0", large)+"\xff\xff"), "Content-Encoding", "gzip"),
		"CBOR, depth":  post(rpc, strings.NewReader(of("\x81", usual))),
		"REST, bytes":  post(invoke, strings.NewReader(of("1", large))),
		"REST, packed": post(invoke, packed(t, of("1", large)), "Content-Encoding", "gzip"),
	}
}

// numbered is a form with as many names of one prefix as fit in n bytes.
func numbered(prefix string, n int) string {
	var b strings.Builder
	for i := 1; b.Len() < n-20; i++ {
		b.WriteString(prefix)
		for d := i; d > 0; d /= 10 {
			b.WriteByte(byte('0' + d%10))
		}
		b.WriteString("=&")
	}
	return b.String()
}

// TestTheWorstBodiesAreBounded sends what costs most of each protocol: it is
// refused, and what it cost is bounded.
func TestTheWorstBodiesAreBounded(t *testing.T) { // alone: it measures what the process allocates
	f, _, _ := newFront(t)
	h := f.Handler(front.Listener{})
	const most = 320 << 20
	all := worst(t)
	all["REST, packed a thousand times"] = httptest.NewRequest(http.MethodPost, "/2015-03-31/functions/f/invocations", zeros(t, 384<<20))
	all["REST, packed a thousand times"].Header.Set("Content-Encoding", "gzip")
	for name, r := range all {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		status, got := do(h, r)
		runtime.ReadMemStats(&after)
		if status/100 != 4 && status != http.StatusNotImplemented {
			t.Errorf("%s: %d %.200s", name, status, got)
		}
		if cost := after.TotalAlloc - before.TotalAlloc; cost > most {
			t.Errorf("%s: %d MiB were allocated, want at most %d", name, cost>>20, most>>20)
		} else {
			t.Logf("%-22s %d, %d MiB: %.90s", name, status, cost>>20, got)
		}
	}
}

func TestABodyWithoutEndIsNotRead(t *testing.T) {
	t.Parallel()
	f, _, _ := newFront(t)
	for path, want := range map[string]string{
		"/":                                   "Request must be smaller than 1048576 bytes",
		"/2015-03-31/functions/f/invocations": "Request must be smaller than 6291456 bytes for the InvokeFunction operation",
	} {
		e := &endless{}
		r := httptest.NewRequest(http.MethodPost, path, e)
		r.ContentLength = -1
		if path == "/" {
			r.Header.Set("X-Amz-Target", "AmazonEC2ContainerServiceV20141113.CreateCluster")
		}
		status, got := do(f.Handler(front.Listener{}), r)
		if status != http.StatusRequestEntityTooLarge || !strings.Contains(got, want) {
			t.Errorf("%s: %d %s", path, status, got)
		}
		if e.read > 16<<20 {
			t.Errorf("%s: %d MiB were read", path, e.read>>20)
		}
	}
}

// TestNothingIsReadOfAStranger holds that who is not known is refused by the
// head of the request alone.
func TestNothingIsReadOfAStranger(t *testing.T) {
	t.Parallel()
	f, _, _ := newFront(t)
	h := f.Handler(front.Listener{Strict: true})
	for name, key := range map[string]ident.Key{
		"unsigned": {}, "unknown key": {ID: "AKIASTRANGER", Secret: "s"}, "key that ended": {ID: "ASIAGONE", Secret: "s"},
	} {
		e := &endless{}
		r := target("", "CreateCluster")
		if key.ID != "" {
			sign(r, "", key, place.Region)
		}
		r.Body, r.ContentLength = io.NopCloser(e), -1
		if status, got := do(h, r); status != http.StatusBadRequest {
			t.Errorf("%s: %d %s", name, status, got)
		}
		if e.read > 0 {
			t.Errorf("%s: %d bytes were read", name, e.read)
		}
	}
	// A body that is not what was signed is not unpacked.
	r := sign(target("", "CreateCluster"), "", ident.Key{ID: "ASIAKNOWN", Secret: "s", Token: "t"}, place.Region)
	r.Body, r.ContentLength = io.NopCloser(strings.NewReader("no gzip")), -1
	r.Header.Set("Content-Encoding", "gzip")
	if status, got := do(h, r); status != http.StatusBadRequest || !strings.Contains(got, "InvalidSignatureException") {
		t.Errorf("another body: %d %s", status, got)
	}
}

// leaving is a body whose sender goes as soon as it was read.
type leaving struct {
	io.Reader
	leave func()
}

func (l leaving) Read(p []byte) (int, error) {
	n, err := l.Reader.Read(p)
	if err != nil {
		l.leave()
	}
	return n, err
}

// Whoever has gone when their body is there is not worked for: not even what
// they sent is unpacked.
func TestNothingIsReadForWhoHasGone(t *testing.T) {
	for name, r := range worst(t) {
		f, _, _ := newFront(t)
		ctx, leave := context.WithCancel(t.Context())
		r = r.WithContext(ctx)
		r.Body = io.NopCloser(leaving{io.LimitReader(r.Body, 1<<19), leave})
		r.ContentLength = -1
		w := httptest.NewRecorder()
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		f.Handler(front.Listener{}).ServeHTTP(w, r)
		runtime.ReadMemStats(&after)
		if w.Code != http.StatusServiceUnavailable {
			t.Errorf("%s: %d %s", name, w.Code, w.Body)
		}
		if took := after.TotalAlloc - before.TotalAlloc; took > 16<<20 {
			t.Errorf("%s: took %d MiB", name, took>>20)
		}
	}
}
