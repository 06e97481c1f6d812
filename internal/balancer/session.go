package balancer

import (
	"cmp"
	"errors"
	"io"
	"net"
	"net/http"
	"net/netip"
	"os"
	"strconv"
	"strings"
	"sync"
	"time"

	"berth/internal/balancer/http1"
)

// session is one client connection. Its buffers are reused from connection to
// connection.
type session struct {
	b      *Balancer
	s      *socket
	bind   *binding
	c      net.Conn
	tcp    *net.TCPConn // for splice; nil under TLS
	secure bool
	known  *client
	client netip.AddrPort
	local  netip.AddrPort
	lb     *balancerRuntime // that the connection is counted for
	born   time.Time

	buf         []byte
	r, w        int // unread part of buf
	out         []byte
	req, res    http1.Head
	input       conditionInput
	readUntil   time.Time // deadlines in force
	writeUntil  time.Time
	served      int
	requestSize int  // bytes of the request head
	counted     bool // the request is, as one that has a target
	refused     bool // a head is, and what follows it is not read
	alone       bool // the request is, on both of its connections: they end with it
}

var sessions = sync.Pool{New: func() any {
	return &session{buf: make([]byte, 8<<10), out: make([]byte, 0, 8<<10)}
}}

// serve speaks with one client until either side ends it.
func (b *Balancer) serve(s *socket, c net.Conn, known *client) {
	sn := sessions.Get().(*session)
	sn.b, sn.s, sn.c, sn.known = b, s, c, known
	sn.client, sn.local = addrPort(c.RemoteAddr()), addrPort(c.LocalAddr())
	sn.tcp, _ = c.(*net.TCPConn)
	sn.born = b.deps.Real.Now()
	defer sn.recycle()
	if sn.begin() {
		for sn.serveOne() {
		}
	}
	if sn.lb != nil {
		sn.lb.stats.closed()
	}
}

func (sn *session) recycle() {
	if cap(sn.buf) > 32<<10 || cap(sn.out) > 32<<10 {
		return
	}
	*sn = session{buf: sn.buf, out: sn.out[:0], req: sn.req, res: sn.res}
	sessions.Put(sn)
}

// begin does TLS, where the listener asks for it.
func (sn *session) begin() bool {
	sn.bind = sn.s.binding.Load()
	if !sn.bind.admits(sn.client.Addr()) {
		return sn.reset()
	}
	if len(sn.bind.list) == 1 {
		sn.belongsTo(sn.bind.list[0].lb)
	}
	if !sn.bind.anyTLS {
		return true
	}
	_ = sn.c.SetDeadline(sn.b.deps.Real.Now().Add(10 * time.Second))
	c, err := sn.bind.secure(sn.b.ctx, sn.c)
	if err != nil {
		if lb := sn.owner(); lb != nil {
			lb.stats.tlsErrors.Add(1)
		}
		return false
	}
	_ = sn.c.SetDeadline(time.Time{})
	if c != sn.c {
		sn.c, sn.tcp = c, nil
		_, plain := c.(peeked)
		sn.secure = !plain
	}
	return true
}

// reset ends the connection of a client that security groups keep out, without
// a word.
func (sn *session) reset() bool {
	if sn.tcp != nil {
		_ = sn.tcp.SetLinger(0)
	}
	return false
}

// belongsTo counts the connection for its load balancer, once. Which one that
// is shows with the first request where several share a port.
func (sn *session) belongsTo(lb *balancerRuntime) {
	if sn.lb == nil {
		sn.lb = lb
		lb.stats.opened()
	}
}

// owner is the load balancer that answers what no listener was found for; nil
// if several share the port and none is meant.
func (sn *session) owner() *balancerRuntime {
	switch {
	case sn.lb != nil:
		return sn.lb
	case len(sn.bind.list) == 1:
		return sn.bind.list[0].lb
	default:
		return nil
	}
}

func (sn *session) idleTimeout() time.Duration {
	if len(sn.bind.list) > 0 {
		if d := sn.bind.list[0].lb.cfg.IdleTimeout; d > 0 {
			return d
		}
	}
	return time.Minute
}

// until keeps a read deadline ahead without a system call for each request.
func (sn *session) until(now time.Time) {
	d := sn.idleTimeout()
	slack := min(d/8, time.Second)
	if want := now.Add(d); sn.readUntil.Before(want) {
		sn.readUntil = want.Add(slack)
		_ = sn.c.SetReadDeadline(sn.readUntil)
	}
}

// serveOne serves one request; false ends the connection.
func (sn *session) serveOne() bool {
	n, err := sn.readHead()
	if err != nil {
		sn.refuse(err)
		return false
	}
	sn.known.busy.Store(true)
	defer sn.known.busy.Store(false)
	sn.bind = sn.s.binding.Load()
	raw := sn.buf[sn.r : sn.r+n]
	sn.r += n
	sn.requestSize = n
	if err := sn.req.ParseRequest(raw); err != nil {
		sn.refuse(err)
		return false
	}
	return sn.handle() && !sn.s.closing.Load()
}

// readHead fills the buffer until it holds a whole head and returns its
// length.
func (sn *session) readHead() (int, error) {
	if sn.r == sn.w {
		sn.r, sn.w = 0, 0
	}
	from := sn.r
	var began time.Time // of a head that is not whole
	for {
		if n, err := http1.HeadEnd(sn.buf[sn.r:sn.w], from-sn.r); n > 0 || err != nil {
			return n, err
		}
		from = sn.w
		if sn.w-sn.r >= http1.MaxRequest {
			return 0, http1.ErrTooLong
		}
		from -= sn.makeSpace()
		now := sn.b.deps.Real.Now()
		if sn.w == sn.r {
			sn.until(now)
		} else if began = cmp.Or(began, now); !sn.headUntil(began, now) {
			return 0, os.ErrDeadlineExceeded
		}
		n, err := sn.c.Read(sn.buf[sn.w:])
		sn.w += n
		if err != nil && n == 0 {
			if sn.w == sn.r && (errors.Is(err, io.EOF) || isTimeout(err) || sn.served > 0) {
				return 0, io.EOF // between two requests
			}
			return 0, err
		}
	}
}

// headUntil bounds the wait for the rest of a head that began at a moment: one
// idle timeout, however slowly its bytes come. False: it is over.
func (sn *session) headUntil(began, now time.Time) bool {
	end := began.Add(sn.idleTimeout())
	if sn.readUntil != end {
		sn.readUntil = end
		_ = sn.c.SetReadDeadline(end)
	}
	return now.Before(end)
}

// makeSpace makes sure that there is space to read into; it returns how far the
// unread bytes have moved.
func (sn *session) makeSpace() int {
	if sn.w < len(sn.buf) {
		return 0
	}
	if sn.r > 0 {
		moved := sn.r
		copy(sn.buf, sn.buf[sn.r:sn.w])
		sn.r, sn.w = 0, sn.w-moved
		return moved
	}
	sn.buf = append(sn.buf, make([]byte, len(sn.buf))...)
	return 0
}

// refuse answers a head that could not be read, where an answer is due.
func (sn *session) refuse(err error) {
	if errors.Is(err, io.EOF) || isClosed(err) {
		return
	}
	code := http1.Refusal(err)
	if isTimeout(err) {
		code = http.StatusRequestTimeout
	}
	if code == 0 || len(sn.bind.list) == 0 {
		return // the connection broke
	}
	lb := sn.owner()
	if lb != nil && code == http.StatusBadRequest {
		lb.stats.ambiguous.Add(1)
	}
	sn.refused = true
	sn.answer(lb, http1.ErrorPage(code), false)
}

// answer writes an answer of our own; it reports whether the connection may
// be used again.
func (sn *session) answer(lb *balancerRuntime, o http1.Answer, keep bool) bool {
	keep = keep && sn.req.KeepAlive && !sn.alone && sn.skipBody() && !sn.s.ends()
	isHead := string(sn.req.Method) == "HEAD"
	sn.out = o.AppendTo(sn.out[:0], sn.b.dateHeader(sn.b.deps.Real.Now()), keep, isHead)
	if lb != nil {
		lb.stats.answered(o.Code)
		lb.stats.bytes.Add(uint64(len(sn.out) + sn.requestSize))
	}
	err := sn.send(sn.out)
	if err == nil && !keep {
		sn.readOut()
	}
	return keep && err == nil
}

// send writes to the client, who has an idle timeout from now to take it,
// whatever was sent on this connection before.
func (sn *session) send(p []byte) error {
	now, idle := sn.b.deps.Real.Now(), sn.idleTimeout()
	if want := now.Add(idle); sn.writeUntil.Before(want) {
		sn.writeUntil = want.Add(min(idle/8, time.Second))
		_ = sn.c.SetWriteDeadline(sn.writeUntil)
	}
	_, err := sn.c.Write(p)
	return err
}

// skipBody passes over a request body that is already here; a larger one
// ends the connection.
func (sn *session) skipBody() bool {
	switch sn.req.Framing {
	case http1.ByLength:
		if int64(sn.w-sn.r) < sn.req.Length {
			return false
		}
		sn.r += int(sn.req.Length)
		sn.requestSize += int(sn.req.Length)
	case http1.Chunked:
		var c http1.Chunks
		n, done, err := c.Scan(sn.buf[sn.r:sn.w], nil)
		sn.r += n
		sn.requestSize += n
		return done && err == nil
	default:
	}
	return true
}

// readOut ends our side and reads what the client still sends for a moment:
// closing with unread bytes would reset the connection and could take the
// answer with it.
func (sn *session) readOut() {
	side, ok := sn.c.(interface{ CloseWrite() error })
	if !ok || !sn.refused && sn.req.Framing == http1.NoBody {
		return
	}
	_ = side.CloseWrite()
	_ = sn.c.SetReadDeadline(sn.b.deps.Real.Now().Add(time.Second))
	for range 64 {
		if _, err := sn.c.Read(sn.buf); err != nil {
			return
		}
	}
}

// handle finds the rule that a request meets and does what it says. It looks
// again if the rules moved on before the request had a target; whatever is
// counted is counted for the rule that is in the end carried out.
func (sn *session) handle() bool {
	sn.served++
	sn.counted, sn.alone = false, false
	for first := true; ; first = false {
		l, ok := sn.locate()
		if !ok {
			return false
		}
		sn.belongsTo(l.lb)
		if first && !sn.mitigate(l.lb) {
			return false
		}
		if string(sn.req.Method) == "TRACE" {
			return sn.answer(l.lb, http1.ErrorPage(405), true)
		}
		keep, moved := sn.route(l)
		if !moved {
			return keep
		}
	}
}

// mitigate treats a request that is not compliant as the load balancer's mode
// says (docs/facts/deployments.md D127); if it is blocked, it has answered.
func (sn *session) mitigate(lb *balancerRuntime) bool {
	if sn.req.Class == http1.Compliant {
		return true
	}
	lb.stats.ambiguous.Add(1)
	blocked, alone := lb.cfg.Desync.verdict(sn.req.Class)
	sn.alone, sn.refused = alone, blocked
	if blocked {
		sn.answer(lb, http1.ErrorPage(http.StatusBadRequest), false)
	}
	return !blocked
}

// route does what the first rule says that the request meets; moved asks for
// another look, since the rules have changed meanwhile.
func (sn *session) route(l *listener) (keep, moved bool) {
	for i, r := range l.rules {
		if !r.matches(&sn.input) {
			continue
		}
		if keep, moved = sn.act(l, r); !moved {
			l.lb.stats.evaluated(i, r)
		}
		return keep, moved
	}
	return sn.answer(l.lb, http1.ErrorPage(500), true), false
}

func (sn *session) act(l *listener, r *rule) (keep, moved bool) {
	switch {
	case r.forward != nil:
		return sn.forward(l, r.forward)
	case r.fixed != nil:
		l.lb.stats.fixed.Add(1)
		ct := r.fixed.ContentType
		if ct == "" {
			ct = "text/plain; charset=utf-8"
		} else if strings.HasPrefix(ct, "text/") || ct == "application/json" || ct == "application/javascript" {
			ct += "; charset=utf-8"
		}
		return sn.answer(l.lb, http1.Answer{Code: r.fixed.Status, ContentType: ct, Body: r.fixed.Body}, true), false
	case r.redirect != nil:
		l.lb.stats.redirects.Add(1)
		proto, host := "HTTP", sn.input.host
		if sn.secure {
			proto = "HTTPS"
		}
		loc := r.redirect.expand(&sn.input, proto, host, strconv.Itoa(l.port))
		return sn.answer(
			l.lb, http1.Answer{Code: r.redirect.Status, ContentType: "text/html", Location: loc, Body: http1.Page(r.redirect.Status)}, true,
		), false
	default:
		return sn.answer(l.lb, http1.ErrorPage(500), true), false
	}
}

// locate reads host and path of the request and finds its listener; if it
// cannot, it has answered.
func (sn *session) locate() (*listener, bool) {
	h, a := &sn.req, &sn.input
	*a = conditionInput{h: h, client: sn.client.Addr(), pairs: a.pairs[:0]}
	if err := h.TakeAbsolute(); err != nil || h.Host == nil && h.Minor == 1 {
		return nil, sn.answer(sn.owner(), http1.ErrorPage(400), false)
	}
	a.path, a.query, _ = strings.Cut(string(h.Target), "?")
	a.host = hostName(h.Host)
	l := sn.bind.find(a.host)
	if l == nil {
		return nil, sn.answer(nil, sn.unknownHost(), false)
	}
	if sn.bind.mustAsk() && !l.lb.cfg.Admits(sn.client.Addr(), l.port) {
		return nil, sn.reset()
	}
	return l, true
}

// unknownHost says which load balancers answer where somebody asked for none of
// them.
func (sn *session) unknownHost() http1.Answer {
	var names []string
	for _, l := range sn.bind.list {
		if sn.bind.guarded && !l.lb.cfg.Admits(sn.client.Addr(), l.port) {
			continue
		}
		names = append(names, "http://"+l.lb.cfg.Host+":"+strconv.Itoa(l.port)+"/")
	}
	return http1.Answer{Code: 404, ContentType: "text/plain; charset=utf-8", Body: "No load balancer that answers here is " +
		"called " + strconv.Quote(sn.input.host) + "; an internal one answers inside its VPC alone. These answer here:\n" +
		strings.Join(names, "\n") + "\n"}
}

// hostName is a host without its port, in lower case.
func hostName(b []byte) string {
	if i := strings.LastIndexByte(string(b), ':'); i >= 0 && (len(b) == 0 || b[len(b)-1] != ']') {
		b = b[:i]
	}
	for _, c := range b {
		if c >= 'A' && c <= 'Z' {
			return strings.ToLower(string(b))
		}
	}
	return string(b)
}

func isTimeout(err error) bool {
	var t net.Error
	return errors.Is(err, os.ErrDeadlineExceeded) || errors.As(err, &t) && t.Timeout()
}

func isClosed(err error) bool { return errors.Is(err, net.ErrClosed) }
