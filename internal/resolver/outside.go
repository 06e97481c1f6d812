package resolver

import (
	"net"
	"strings"

	"github.com/miekg/dns"
)

// outside is the host's resolver: a file like resolv.conf, and the port.
type outside struct{ file, port string }

// ours are domains that the outside is never asked about: what AWS has and Berth
// has not would lead to AWS itself, and the others mean something on one machine or
// in one network only.
var ours = []string{"amazonaws.com", "api.aws", "internal", "local", "localhost", "home.arpa", "in-addr.arpa", "ip6.arpa"}

// isOutside reports whether a question is one for the Internet's names.
func isOutside(q dns.Question) bool {
	name := strings.ToLower(strings.TrimSuffix(q.Name, "."))
	if q.Qclass != dns.ClassINET || !strings.Contains(name, ".") {
		return false
	}
	for _, d := range ours {
		if name == d || strings.HasSuffix(name, "."+d) {
			return false
		}
	}
	return true
}

// pass has the host's resolvers answer the question of m, one after the other.
// None that answers is a failure of the server's, as a stub expects it.
func (o outside) pass(m *dns.Msg) {
	m.Rcode = dns.RcodeServerFailure
	c, err := dns.ClientConfigFromFile(o.file)
	if err != nil {
		return
	}
	q := new(dns.Msg)
	q.SetQuestion(m.Question[0].Name, m.Question[0].Qtype)
	q.SetEdns0(dns.DefaultMsgSize, false)
	for _, s := range c.Servers {
		if a, err := ask(q, net.JoinHostPort(s, o.port)); err == nil {
			m.Rcode, m.Answer, m.Ns = a.Rcode, a.Answer, a.Ns
			return
		}
	}
}

// ask asks one server, by TCP if the answer is too long for UDP.
func ask(q *dns.Msg, server string) (*dns.Msg, error) {
	a, _, err := (&dns.Client{Net: "udp"}).Exchange(q, server)
	if err == nil && a.Truncated {
		a, _, err = (&dns.Client{Net: "tcp"}).Exchange(q, server)
	}
	return a, err
}
