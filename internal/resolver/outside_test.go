package resolver_test

import (
	"fmt"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/miekg/dns"

	"berth/internal/resolver"
	"berth/internal/testport"
)

// host is the host's resolver: it knows one name, a long one, and notes what it is
// asked. The file names it.
func host(t *testing.T, asked *questions) (file, port string) {
	t.Helper()
	port = strconv.Itoa(testport.Free(t))
	packets, err := net.ListenPacket("udp4", net.JoinHostPort("127.0.0.1", port))
	if err != nil {
		t.Fatal(err)
	}
	streams, err := net.Listen("tcp4", packets.LocalAddr().String())
	if err != nil {
		t.Fatal(err)
	}
	h := dns.HandlerFunc(func(w dns.ResponseWriter, q *dns.Msg) {
		m := new(dns.Msg)
		m.SetReply(q)
		_, udp := w.RemoteAddr().(*net.UDPAddr)
		asked.add(fmt.Sprint(q.Question[0].Name, " ", udp))
		switch q.Question[0].Name {
		case "web.example.":
			m.Answer = []dns.RR{&dns.A{Hdr: dns.RR_Header{Name: "web.example.", Rrtype: dns.TypeA, Class: dns.ClassINET}, A: net.IPv4(8, 8, 8, 8)}}
		case "long.example.":
			for i := range 200 {
				m.Answer = append(m.Answer, &dns.A{
					Hdr: dns.RR_Header{Name: "long.example.", Rrtype: dns.TypeA, Class: dns.ClassINET}, A: net.IPv4(8, 8, 8, byte(i)),
				})
			}
			if udp {
				m.Truncate(dns.MinMsgSize)
			}
		default:
			m.Rcode = dns.RcodeNameError
		}
		_ = w.WriteMsg(m)
	})
	for _, s := range []*dns.Server{{PacketConn: packets, Handler: h}, {Listener: streams, Handler: h}} {
		started := make(chan struct{})
		s.NotifyStartedFunc = func() { close(started) }
		go func() { _ = s.ActivateAndServe() }()
		<-started
		t.Cleanup(func() { _ = s.Shutdown() })
	}
	file = filepath.Join(t.TempDir(), "resolv.conf")
	if err := os.WriteFile(file, []byte("nameserver 127.0.0.1\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	return file, port
}

// questions are what a resolver was asked, by whichever goroutine.
type questions struct {
	mu  sync.Mutex
	all []string
}

func (q *questions) add(text string) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.all = append(q.all, text)
}

func (q *questions) String() string {
	q.mu.Lock()
	defer q.mu.Unlock()
	return strings.Join(q.all, ",")
}

// A name of the outside is answered by the host's resolver, whatever it says; the
// names of AWS, of the VPC and of this machine never get that far.
func TestNamesOfTheOutsideAreTheHostsAffair(t *testing.T) {
	var asked questions
	file, port := host(t, &asked)
	z := resolver.Zone{
		Names:   map[string][]netip.Addr{"s3.us-east-1.amazonaws.com": {netip.MustParseAddr("203.0.113.15")}},
		Domains: []string{"shop.example"},
	}
	for _, c := range []struct {
		name    string
		rcode   int
		answers int
	}{
		{"web.example.", dns.RcodeSuccess, 1}, {"long.example.", dns.RcodeSuccess, 200}, {"none.example.", dns.RcodeNameError, 0},
		{"s3.us-east-1.amazonaws.com.", dns.RcodeSuccess, 1}, {"sqs.us-east-1.amazonaws.com.", dns.RcodeNameError, 0},
		{"lost.shop.example.", dns.RcodeNameError, 0},
		{"db.", dns.RcodeNameError, 0}, {"printer.local.", dns.RcodeNameError, 0}, {"ip-10-9-9-9.ec2.internal.", dns.RcodeNameError, 0},
	} {
		m := resolver.Serve(&z, file, port, c.name)
		if m.Rcode != c.rcode || len(m.Answer) != c.answers {
			t.Errorf("%s: code %d, %d answers", c.name, m.Rcode, len(m.Answer))
		}
	}
	want := "web.example. true,long.example. true,long.example. false,none.example. true"
	if got := asked.String(); got != want {
		t.Errorf("asked: %s", got)
	}
	if m := resolver.Serve(&z, "", port, "web.example."); m.Rcode != dns.RcodeNameError {
		t.Errorf("without an outside: %d", m.Rcode)
	}
	if m := resolver.Serve(&z, file+".none", port, "web.example."); m.Rcode != dns.RcodeServerFailure {
		t.Errorf("without a file: %d", m.Rcode)
	}
}
