package balancer_test

import (
	"bufio"
	"bytes"
	"io"
	"net/http"
	"net/http/httputil"
	"regexp"
	"strings"
	"testing"

	"berth/internal/balancer"
)

// FuzzRequest holds the parser against net/http: a request that both take
// must have the same body, or a client could smuggle one past the other.
func FuzzRequest(f *testing.F) {
	f.Add([]byte("GET / HTTP/1.1\r\nHost: x\r\n\r\n"))
	f.Add([]byte("POST /a?b HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhello"))
	f.Add([]byte("POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n"))
	f.Add([]byte("GET http://y/ HTTP/1.0\r\nConnection: close, a\r\nTransfer-Encoding: chunked\r\n\r\n"))
	f.Fuzz(func(t *testing.T, b []byte) {
		p, ok := balancer.ParseRequest(b)
		if !ok {
			return
		}
		if strings.ContainsAny(p.Method+p.Target+p.Host, "\r\n\x00 ") && !strings.Contains(p.Host, " ") {
			t.Fatalf("control characters got through: %+v", p)
		}
		r, err := http.ReadRequest(bufio.NewReader(bytes.NewReader(b)))
		if err != nil {
			return
		}
		if len(r.TransferEncoding) > 0 != p.Chunked || !p.Chunked && r.ContentLength != max(p.Length, 0) {
			t.Fatalf("net/http reads length %d, encoding %v; we read %+v", r.ContentLength, r.TransferEncoding, p)
		}
	})
}

// FuzzChunks holds the chunk reader against net/http: whatever the pieces, a
// body that we take whole has the same data there.
func FuzzChunks(f *testing.F) {
	f.Add([]byte("5\r\nhello\r\n0\r\n\r\n"), 1)
	f.Add([]byte("5;a=b\r\nhello\r\nA\r\n0123456789\r\n0\r\nT: x\r\n\r\nnext"), 3)
	f.Fuzz(func(t *testing.T, b []byte, piece int) {
		data, size, done, err := balancer.Dechunk(b, piece)
		whole, size2, done2, err2 := balancer.Dechunk(b, len(b)+1)
		if !bytes.Equal(data, whole) && err == nil && err2 == nil || done != done2 || done && size != size2 {
			t.Fatalf("in pieces of %d: %q %d %v %v; at once: %q %d %v %v", piece, data, size, done, err, whole, size2, done2, err2)
		}
		if !done || err != nil {
			return
		}
		theirs, err := io.ReadAll(httputil.NewChunkedReader(bytes.NewReader(b[:size])))
		if err == nil && !bytes.Equal(theirs, data) {
			t.Fatalf("net/http reads %q, we read %q", theirs, data)
		}
	})
}

// FuzzResponse: a target cannot make the parser fall over.
func FuzzResponse(f *testing.F) {
	f.Add([]byte("HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nx"))
	f.Add([]byte("HTTP/1.1 101 \r\nUpgrade: a\r\nConnection: upgrade\r\n\r\n"))
	f.Fuzz(func(_ *testing.T, b []byte) { balancer.ParseResponse(b) })
}

// FuzzGlob holds wildcards against regular expressions.
func FuzzGlob(f *testing.F) {
	f.Add("/a/*/c?", "/a/b/b/cd")
	f.Add("*.example.com", "api.example.com")
	f.Fuzz(func(t *testing.T, pattern, s string) {
		if len(pattern) > 40 || len(s) > 200 {
			return
		}
		re, err := regexp.Compile("^(?s:" + strings.NewReplacer(`\*`, ".*", `\?`, ".").Replace(regexp.QuoteMeta(pattern)) + ")$")
		for _, x := range pattern + s {
			if x > 127 {
				return // ours are bytes, theirs are characters
			}
		}
		if err != nil {
			return
		}
		if got := balancer.Glob(pattern, s); got != re.MatchString(s) {
			t.Fatalf("%q on %q: %v", pattern, s, got)
		}
	})
}
