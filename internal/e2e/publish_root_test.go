//go:build root

package e2e_test

import (
	"bufio"
	"io"
	"net"
	"net/netip"
	"os"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"berth/internal/await"
	"berth/internal/kernel"
)

// raw sends bytes from the other machine and reads what comes; "nothing" is no
// answer.
func (x *team) raw(at, text string) string {
	x.t.Helper()
	inside, err := kernel.OpenNetns(x.spaces.Path("client"))
	if err != nil {
		x.t.Fatal(err)
	}
	defer inside.Close()
	c, err := inside.DialContext(await.Context(x.t), "tcp", at)
	if err != nil {
		return "nothing"
	}
	defer c.Close()
	_ = c.SetDeadline(await.Deadline(x.t))
	if _, err := io.WriteString(c, text); err != nil {
		return "nothing"
	}
	all, _ := io.ReadAll(c)
	if len(all) == 0 {
		return "nothing"
	}
	return string(all)
}

// listened are the addresses beside loopback at which a process of the server's
// machine listens.
func (x *team) listened() (out []string) {
	x.t.Helper()
	text, err := os.ReadFile("/proc/" + strconv.Itoa(x.pid()) + "/net/tcp")
	if err != nil {
		x.t.Fatal(err)
	}
	const listens = "0A"
	for line := range strings.Lines(string(text)) {
		f := strings.Fields(line)
		if len(f) < 4 || f[3] != listens {
			continue
		}
		at, err := strconv.ParseUint(f[1][:8], 16, 32)
		port, err2 := strconv.ParseUint(f[1][9:], 16, 16)
		if err != nil || err2 != nil {
			x.t.Fatal(line)
		}
		a := netip.AddrFrom4([4]byte{byte(at), byte(at >> 8), byte(at >> 16), byte(at >> 24)})
		if !a.IsLoopback() {
			out = append(out, netip.AddrPortFrom(a, uint16(port)).String())
		}
	}
	return out
}

// TestRootWhoComesToPublishedAddresses attacks load balancers from another machine,
// by the address that the server's machine publishes: by the names of those that
// do not let it in, or that are internal, or of this machine; by what else listens
// there; by many connections and slow ones.
func TestRootWhoComesToPublishedAddresses(t *testing.T) {
	x := newTeam(t, "--publish", serverAddress)
	const at = serverAddress + ":8080"
	open, openHost := x.balancer("web", "Scheme=internet-facing", "here")
	shut, shutHost := x.balancer("shut", "Scheme=internet-facing", "hidden")
	inner, innerHost := x.balancer("inner", "Scheme=internal", "hidden")
	x.rule(open, "AuthorizeSecurityGroupIngress", clientAddress+"/32", 8080)
	x.rule(shut, "AuthorizeSecurityGroupIngress", "192.0.2.9/32", 8080)
	x.rule(inner, "AuthorizeSecurityGroupIngress", clientAddress+"/32", 8080)
	get := func(target, host string) string {
		return x.raw(at, "GET "+target+" HTTP/1.1\r\nHost: "+host+"\r\nConnection: close\r\n\r\n")
	}
	x.await("the page is there", func() bool { return strings.Contains(get("/", openHost), "here") })
	attacks := map[string]string{
		"a name that lets others in":    get("/", shutHost),
		"in capitals, with a port":      get("/", strings.ToUpper(shutHost)+":8080"),
		"with a dot":                    get("/", shutHost+"."),
		"an internal one":               get("/", innerHost),
		"by an absolute target":         get("http://"+shutHost+"/", openHost),
		"internal by absolute target":   get("http://"+innerHost+"/", openHost),
		"two names":                     get("/", openHost+"\r\nHost: "+shutHost),
		"by the forwarded name":         get("/", openHost+"\r\nX-Forwarded-Host: "+shutHost+"\r\nX-Forwarded-For: 192.0.2.9"),
		"this machine":                  get("/", "localhost"),
		"an address of loopback":        get("/", "127.0.0.1:4566"),
		"the API by its name":           get("/?Action=DescribeVpcs&Version=2016-11-15", "ec2.us-east-1.amazonaws.com"),
		"no such name":                  get("/", "nobody.test"),
		"a second request of another's": x.raw(at, "GET / HTTP/1.1\r\nHost: "+openHost+"\r\n\r\nGET / HTTP/1.1\r\nHost: "+shutHost+"\r\n\r\n"),
	}
	for name, got := range attacks {
		for _, secret := range []string{"hidden", shutHost + ":", innerHost + ":", "DescribeVpcsResponse"} {
			if strings.Contains(got, secret) {
				t.Errorf("%s: %q in %s", name, secret, got)
			}
		}
	}
	if got := x.raw(serverAddress+":4566", "GET /_berth/health HTTP/1.1\r\nHost: localhost\r\n\r\n"); strings.Contains(got, "region") {
		t.Errorf("the API without TLS says %s", got)
	}
	for _, there := range x.listened() {
		if there != at && there != "0.0.0.0:4566" {
			t.Errorf("something else listens at %s", there)
		}
	}
	x.crowdAt(at, openHost)
}

// crowdAt holds idle and slow connections to an address while its page is read.
func (x *team) crowdAt(at, host string) {
	x.t.Helper()
	inside, err := kernel.OpenNetns(x.spaces.Path("client"))
	if err != nil {
		x.t.Fatal(err)
	}
	defer inside.Close()
	var all []net.Conn
	defer func() {
		for _, c := range all {
			_ = c.Close()
		}
	}()
	for i := range 1000 {
		c, err := inside.DialContext(await.Context(x.t), "tcp", at)
		if err != nil {
			x.t.Fatal(err)
		}
		if all = append(all, c); i%2 == 0 {
			_, _ = io.WriteString(c, "GET / HTTP/1.1\r\nHost: "+host+"\r\nX-Slow")
		}
	}
	c, err := inside.DialContext(await.Context(x.t), "tcp", at)
	if err != nil {
		x.t.Fatal(err)
	}
	defer c.Close()
	_ = c.SetDeadline(await.Deadline(x.t))
	_, _ = io.WriteString(c, "GET / HTTP/1.1\r\nHost: "+host+"\r\nConnection: close\r\n\r\n")
	if first, err := bufio.NewReader(c).ReadString('\n'); !regexp.MustCompile(`^HTTP/1.1 200 `).MatchString(first) {
		x.t.Errorf("beside a crowd: %q, %v", first, err)
	}
}
