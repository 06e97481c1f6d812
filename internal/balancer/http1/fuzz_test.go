package http1_test

import (
	"bufio"
	"bytes"
	"io"
	"net/http"
	"net/http/httputil"
	"net/netip"
	"strings"
	"testing"

	"berth/internal/balancer/http1"
)

// parse reads the head at the beginning of b; ok is false if it is refused or
// not complete.
func parse(b []byte) (h http1.Head, size int, ok bool) {
	n, err := http1.HeadEnd(b, 0)
	if err != nil || n == 0 || h.ParseRequest(b[:n]) != nil {
		return h, 0, false
	}
	return h, n, true
}

// dechunk reads a chunked body in pieces of a size; it returns the data, how
// many bytes the body took, and whether it ended.
func dechunk(b []byte, piece int) (data []byte, size int, done bool, err error) {
	var c http1.Chunks
	for size < len(b) && !done && err == nil {
		var n int
		n, done, err = c.Scan(b[size:min(size+max(piece, 1), len(b))], func(p []byte) { data = append(data, p...) })
		size += n
	}
	return data, size, done, err
}

// FuzzRequest holds the parser against net/http: a request that both take
// must have the same body, or a client could smuggle one past the other. What
// we send on in its place must be read by net/http, with that body and host.
func FuzzRequest(f *testing.F) {
	f.Add([]byte("GET / HTTP/1.1\r\nHost: x\r\n\r\n"))
	f.Add([]byte("POST /a?b HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhello"))
	f.Add([]byte("POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n"))
	f.Add([]byte("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nContent-Length: 5\r\n\r\nhello"))
	f.Add([]byte("GET http://y/ HTTP/1.0\r\nConnection: close, a\r\nTransfer-Encoding: chunked\r\n\r\n"))
	f.Add([]byte("GET / HTTP/1.1\r\nHost: x\r\nUpgrade: h2c\r\nConnection: Upgrade, HTTP2-Settings\r\nHTTP2-Settings: AA\r\n\r\n"))
	f.Fuzz(func(t *testing.T, b []byte) {
		h, _, ok := parse(b)
		if !ok {
			return
		}
		text := string(h.Method) + string(h.Host)
		if h.Class == http1.Compliant {
			text += string(h.Target)
		}
		if strings.ContainsAny(text, "\r\n\x00 ") || bytes.ContainsAny(h.Target, "\n") {
			t.Fatalf("control characters got through: %q %q %q", h.Method, h.Target, h.Host)
		}
		if r, err := http.ReadRequest(bufio.NewReader(bytes.NewReader(b))); err == nil && !sameBody(r, &h) {
			t.Fatalf("net/http reads length %d, encoding %v; we read %+v", r.ContentLength, r.TransferEncoding, h)
		}
		if h.TakeAbsolute() != nil || len(h.Host) == 0 {
			return
		}
		w := http1.Forwarding{Port: 80, Client: netip.MustParseAddrPort("192.0.2.1:1234")}
		sent := w.AppendRequest(nil, &h)
		r, err := http.ReadRequest(bufio.NewReader(bytes.NewReader(sent)))
		if err != nil {
			return // stricter about a field's value or the target
		}
		if !sameBody(r, &h) || len(r.Header.Values("Content-Length")) > 1 {
			t.Fatalf("of what we send on net/http reads length %d, encoding %v; it is %q", r.ContentLength, r.TransferEncoding, sent)
		}
		if strings.EqualFold(r.Header.Get("Upgrade"), "h2c") {
			t.Fatalf("an upgrade to HTTP/2 is sent on: %q", sent)
		}
	})
}

func sameBody(r *http.Request, h *http1.Head) bool {
	chunked := h.Framing == http1.Chunked
	return len(r.TransferEncoding) > 0 == chunked && (chunked || r.ContentLength == max(h.Length, 0))
}

// FuzzChunks holds the chunk reader against net/http: whatever the pieces, a
// body that we take whole has the same data there.
func FuzzChunks(f *testing.F) {
	f.Add([]byte("5\r\nhello\r\n0\r\n\r\n"), 1)
	f.Add([]byte("5;a=b\r\nhello\r\nA\r\n0123456789\r\n0\r\nT: x\r\n\r\nnext"), 3)
	f.Fuzz(func(t *testing.T, b []byte, piece int) {
		data, size, done, err := dechunk(b, piece)
		whole, size2, done2, err2 := dechunk(b, len(b)+1)
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

// FuzzResponse: a target cannot make the parser fall over, and what we send on
// is read by net/http with the same status and length.
func FuzzResponse(f *testing.F) {
	f.Add([]byte("HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nx"))
	f.Add([]byte("HTTP/1.1 101 \r\nUpgrade: a\r\nConnection: upgrade\r\n\r\n"))
	f.Add([]byte("HTTP/1.0 200 OK\n\nx"))
	f.Fuzz(func(t *testing.T, b []byte) {
		n, err := http1.HeadEnd(b, 0)
		var h http1.Head
		if err != nil || n == 0 || h.ParseResponse(b[:n], []byte("GET")) != nil {
			return
		}
		sent := http1.AppendConnection(h.AppendResponse(nil, false), false)
		r, err := http.ReadResponse(bufio.NewReader(bytes.NewReader(sent)), nil)
		if err != nil {
			return
		}
		_ = r.Body.Close()
		if r.StatusCode != h.Status || h.Framing == http1.ByLength && r.ContentLength != h.Length {
			t.Fatalf("net/http reads %d with length %d; we sent %q", r.StatusCode, r.ContentLength, sent)
		}
	})
}
