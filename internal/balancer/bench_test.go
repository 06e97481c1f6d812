package balancer_test

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"strconv"
	"syscall"
	"testing"
	"time"

	"berth/internal/balancer"
)

// The benchmarks compare this data plane with net/http/httputil.ReverseProxy
// in one run: 1 KiB keep-alive answers over 16 connections. The client and
// the target are as lean as they can be and are taken off with the direct
// run, since all are in one process: compare cpu-µs/op of Balancer and
// ReverseProxy less that of Direct. The budget is 75 µs of CPU a request.
func BenchmarkDirect(b *testing.B) { bench(b, leanTarget(b)) }

func BenchmarkBalancer(b *testing.B) {
	r := newRig(b)
	r.group("g", leanTarget(b))
	r.rules(
		balancer.Rule{
			ID: "1", Conditions: []balancer.Condition{{Field: "host-header", Values: []string{"*.example.com"}}}, Action: fixed(404, ""),
		},
		balancer.Rule{
			ID: "2", Conditions: []balancer.Condition{{Field: "path-pattern", Values: []string{"/*"}}},
			Action: to(balancer.Weight{Group: "g", Weight: 1}),
		},
	)
	r.set()
	bench(b, "127.0.0.1:"+strconv.Itoa(r.port))
}

func BenchmarkReverseProxy(b *testing.B) {
	u, _ := url.Parse("http://" + leanTarget(b))
	tr := &http.Transport{MaxIdleConnsPerHost: 64, DisableCompression: true}
	p := &httputil.ReverseProxy{Transport: tr, Rewrite: func(pr *httputil.ProxyRequest) {
		pr.SetURL(u)
		pr.SetXForwarded()
	}}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	srv := &http.Server{Handler: p, ReadHeaderTimeout: time.Minute}
	go func() { _ = srv.Serve(l) }()
	b.Cleanup(func() { _ = srv.Close() })
	bench(b, l.Addr().String())
}

// leanTarget answers every head with the same bytes.
func leanTarget(b *testing.B) string {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = l.Close() })
	answer := fmt.Appendf(
		nil, "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nDate: Sat, 01 Aug 2026 00:00:00 GMT\r\nContent-Length: 1024\r\n\r\n%01024d", 0,
	)
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer c.Close()
				buf := make([]byte, 4096)
				for {
					if n, err := c.Read(buf); err != nil || n < 4 {
						return
					}
					if _, err := c.Write(answer); err != nil {
						return
					}
				}
			}()
		}
	}()
	return l.Addr().String()
}

func bench(b *testing.B, addr string) {
	b.Helper()
	const conns = 16
	b.ReportAllocs()
	b.ResetTimer()
	before := cpu()
	done := make(chan error, conns)
	for i := range conns {
		n := b.N / conns
		if i == 0 {
			n += b.N % conns
		}
		go func() { done <- ask(addr, n) }()
	}
	for range conns {
		if err := <-done; err != nil {
			b.Error(err)
		}
	}
	b.ReportMetric(float64((cpu()-before).Microseconds())/float64(b.N), "cpu-µs/op")
}

func ask(addr string, n int) error {
	c, err := net.Dial("tcp", addr)
	if err != nil {
		return err
	}
	defer c.Close()
	br := bufio.NewReaderSize(c, 4096)
	req := []byte("GET /index.html HTTP/1.1\r\nHost: web.test\r\nUser-Agent: bench\r\nAccept: */*\r\n\r\n")
	for range n {
		if _, err := c.Write(req); err != nil {
			return err
		}
		for {
			line, err := br.ReadSlice('\n')
			if err != nil {
				return err
			}
			if len(line) <= 2 {
				break
			}
		}
		if _, err := io.CopyN(io.Discard, br, 1024); err != nil {
			return err
		}
	}
	return nil
}

func cpu() time.Duration {
	var u syscall.Rusage
	_ = syscall.Getrusage(syscall.RUSAGE_SELF, &u)
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
