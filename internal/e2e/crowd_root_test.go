//go:build root

package e2e_test

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"syscall"
	"testing"

	"berth/internal/await"
)

// crowd is who is connected to an address: idle ones, each of which was served
// once, and one in ten more in the middle of a request.
type crowd struct {
	t    *testing.T
	addr string
	all  []net.Conn
}

// come lets the crowd connect. whole is a request, half the beginning of one.
func (c *crowd) come(idle int, whole, half string) {
	c.t.Helper()
	for i := range idle + idle/10 {
		conn, err := (&net.Dialer{}).DialContext(await.Context(c.t), "tcp", c.addr)
		if err != nil {
			c.t.Fatalf("connection %d to %s: %v", i, c.addr, err)
		}
		c.all = append(c.all, conn)
		_ = conn.SetDeadline(await.Deadline(c.t))
		if i >= idle {
			_, err = io.WriteString(conn, half)
		} else {
			err = served(conn, whole)
		}
		if err != nil {
			c.t.Fatalf("connection %d to %s: %v", i, c.addr, err)
		}
	}
}

func (c *crowd) leave() {
	for _, conn := range c.all {
		_ = conn.Close()
	}
}

// served makes one request and reads the answer to its end.
func served(c net.Conn, whole string) error {
	if _, err := io.WriteString(c, whole); err != nil {
		return err
	}
	res, err := http.ReadResponse(bufio.NewReader(c), nil)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	if _, err := io.Copy(io.Discard, res.Body); err != nil || res.StatusCode != http.StatusOK {
		return fmt.Errorf("%s %w", res.Status, err)
	}
	return nil
}

// idleClients is how many a machine can have that lets a process open so many
// files: the API's process keeps some for the networks and for itself.
func idleClients(t *testing.T) int {
	t.Helper()
	var l syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &l); err != nil {
		t.Fatal(err)
	}
	return int(min(10_000, (l.Cur*56/100-100)*10/11))
}

// Ten thousand clients who say nothing more and a thousand in the middle of a
// request, at the API and then at the edge, have their places, and others are
// served beside them. With fewer open files allowed there are fewer.
func TestRootACrowdHindersNobody(t *testing.T) {
	h := deployed(t)
	n := idleClients(t)
	t.Logf("%d are idle, %d slow", n, n/10)
	host, target := hostOf(h.url)
	const call = "POST / HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/x-amz-json-1.1\r\n" +
		"X-Amz-Target: AmazonEC2ContainerServiceV20141113.ListClusters\r\n"
	page := "GET /json HTTP/1.1\r\nHost: " + host + "\r\n"
	for _, c := range []struct{ addr, whole, half string }{
		{h.addr, call + "Content-Length: 2\r\n\r\n{}", call + "Content-Length: 100\r\n\r\n{"},
		{strings.TrimPrefix(target, "http://"), page + "\r\n", page + "X-Half: "},
	} {
		all := &crowd{t: t, addr: c.addr}
		all.come(n, c.whole, c.half)
		for i := range 50 {
			h.ecs("ListClusters", map[string]any{})
			if _, _, err := ask(&http.Client{Transport: &http.Transport{DisableKeepAlives: true}}, host, target+"/json"); err != nil {
				t.Errorf("page %d beside a crowd at %s: %v", i, c.addr, err)
			}
		}
		all.leave()
	}
}
