package balancer

import (
	"errors"
	"io"
	"net"
	"net/netip"
	"os"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"
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
	busy   *atomic.Bool
	client netip.AddrPort
	local  netip.AddrPort
	lb     *balancerRuntime // that the connection is counted for
	born   time.Time

	buf         []byte
	r, w        int // unread part of buf
	out         []byte
	req, res    head
	asked       asked
	readUntil   time.Time // deadlines in force
	writeUntil  time.Time
	served      int
	requestSize int // bytes of the request head
}

var sessions = sync.Pool{New: func() any {
	return &session{buf: make([]byte, 8<<10), out: make([]byte, 0, 8<<10)}
}}

// serve speaks with one client until either side ends it.
func (b *Balancer) serve(s *socket, c net.Conn, busy *atomic.Bool) {
	sn := sessions.Get().(*session)
	sn.b, sn.s, sn.c, sn.busy = b, s, c, busy
	sn.client, sn.local = addrOf(c.RemoteAddr()), addrOf(c.LocalAddr())
	sn.tcp, _ = c.(*net.TCPConn)
	sn.born = b.deps.Real.Now()
	defer sn.recycle()
	if sn.begin() {
		for sn.one() {
		}
	}
	if sn.lb != nil {
		sn.lb.stats.active.Add(-1)
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
	if !sn.bind.anyTLS {
		return true
	}
	_ = sn.c.SetDeadline(sn.b.deps.Real.Now().Add(10 * time.Second))
	c, err := sn.bind.secure(sn.b.ctx, sn.c)
	if err != nil {
		sn.bind.list[0].lb.stats.tlsErrors.Add(1)
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

// one serves one request; false ends the connection.
func (sn *session) one() bool {
	n, err := sn.readHead()
	if err != nil {
		sn.refuse(err)
		return false
	}
	sn.busy.Store(true)
	defer sn.busy.Store(false)
	sn.bind = sn.s.binding.Load()
	raw := sn.buf[sn.r : sn.r+n]
	sn.r += n
	sn.requestSize = n
	if err := sn.req.parseRequest(raw); err != nil {
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
	for {
		if n := headEnd(sn.buf[sn.r:sn.w], from-sn.r); n > 0 {
			return n, nil
		}
		from = sn.w
		if sn.w-sn.r >= maxRequest {
			return 0, errTooLong
		}
		from -= sn.room()
		sn.until(sn.b.deps.Real.Now())
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

// room makes sure that there is space to read into; it returns how far the
// unread bytes have moved.
func (sn *session) room() int {
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
	code := 400
	switch {
	case errors.Is(err, io.EOF), isClosed(err):
		return
	case isTimeout(err):
		code = 408
	case errors.Is(err, errURITooBig):
		code = 414
	case errors.Is(err, errEncoding):
		code = 501
	case errors.Is(err, errVersion):
		code = 505
	case errors.Is(err, errMalformed), errors.Is(err, errTooLong):
	default:
		return // the connection broke
	}
	if len(sn.bind.list) == 0 {
		return
	}
	sn.answer(sn.bind.list[0].lb, errorPage(code), false)
}

// answer writes an answer of our own; it reports whether the connection may
// be used again.
func (sn *session) answer(lb *balancerRuntime, o own, keep bool) bool {
	keep = keep && sn.req.keepAlive && sn.skipBody() && !sn.s.ends()
	isHead := string(sn.req.method) == "HEAD"
	sn.out = o.appendTo(sn.out[:0], sn.b.dateHeader(sn.b.deps.Real.Now()), keep, isHead)
	if lb != nil {
		lb.stats.answered(o.code)
		lb.stats.bytes.Add(uint64(len(sn.out) + sn.requestSize))
	}
	_, err := sn.c.Write(sn.out)
	if err == nil && !keep {
		sn.linger()
	}
	return keep && err == nil
}

// skipBody passes over a request body that is already here; a larger one
// ends the connection.
func (sn *session) skipBody() bool {
	switch sn.req.framing {
	case bodyLength:
		if int64(sn.w-sn.r) < sn.req.length {
			return false
		}
		sn.r += int(sn.req.length)
	case bodyChunked:
		var c chunks
		n, done, err := c.scan(sn.buf[sn.r:sn.w], nil)
		sn.r += n
		return done && err == nil
	default:
	}
	return true
}

// linger ends our side and reads what the client still sends for a moment:
// closing with unread bytes would reset the connection and could take the
// answer with it.
func (sn *session) linger() {
	if sn.tcp == nil || sn.req.framing == bodyNone {
		return
	}
	_ = sn.tcp.CloseWrite()
	_ = sn.c.SetReadDeadline(sn.b.deps.Real.Now().Add(time.Second))
	for range 64 {
		if _, err := sn.c.Read(sn.buf); err != nil {
			return
		}
	}
}

// handle finds the rule that a request meets and does what it says.
func (sn *session) handle() bool {
	sn.served++
	l, ok := sn.locate()
	if !ok {
		return false
	}
	st := l.lb.stats
	if sn.lb == nil {
		sn.lb = l.lb
		st.newConns.Add(1)
		st.active.Add(1)
	}
	st.requests.Add(1)
	if string(sn.req.method) == "TRACE" {
		return sn.answer(l.lb, errorPage(405), true)
	}
	for i, r := range l.rules {
		if r.meets(&sn.asked) {
			st.evaluations.Add(uint64(i))
			return sn.act(l, r)
		}
	}
	return sn.answer(l.lb, errorPage(500), true)
}

func (sn *session) act(l *listener, r *rule) bool {
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
		return sn.answer(l.lb, own{code: r.fixed.Status, contentType: ct, body: r.fixed.Body}, true)
	case r.redirect != nil:
		l.lb.stats.redirects.Add(1)
		proto, host := "HTTP", sn.asked.host
		if sn.secure {
			proto = "HTTPS"
		}
		loc := r.redirect.expand(&sn.asked, proto, host, strconv.Itoa(l.port))
		return sn.answer(l.lb, own{code: r.redirect.Status, contentType: "text/html", location: loc, body: page(r.redirect.Status)}, true)
	default:
		return sn.answer(l.lb, errorPage(500), true)
	}
}

// locate reads host and path of the request and finds its listener; if it
// cannot, it has answered.
func (sn *session) locate() (*listener, bool) {
	h, a := &sn.req, &sn.asked
	*a = asked{h: h, client: sn.client.Addr(), pairs: a.pairs[:0]}
	target := string(h.target)
	host := h.host
	if len(target) > 0 && target[0] != '/' && target != "*" {
		_, rest, ok := strings.Cut(target, "://")
		if !ok {
			return nil, sn.answer(nil, errorPage(400), false)
		}
		i := strings.IndexAny(rest, "/?")
		if i < 0 {
			i = len(rest)
		}
		host, target = []byte(rest[:i]), rest[i:]
		if target == "" || target[0] == '?' {
			target = "/" + target
		}
		h.target, h.host = []byte(target), host
	}
	if host == nil && h.minor == 1 {
		return nil, sn.answer(nil, errorPage(400), false)
	}
	a.path, a.query, _ = strings.Cut(target, "?")
	a.host = hostName(host)
	l := sn.bind.find(a.host)
	if l == nil {
		return nil, sn.answer(nil, sn.unknownHost(), false)
	}
	return l, true
}

// unknownHost says which load balancers answer on a port that several share.
func (sn *session) unknownHost() own {
	var names []string
	for _, l := range sn.bind.list {
		names = append(names, "http://"+l.lb.cfg.Host+":"+strconv.Itoa(l.port)+"/")
	}
	return own{code: 404, contentType: "text/plain; charset=utf-8", body: "Several load balancers share this port, and none is called " +
		strconv.Quote(sn.asked.host) + ". These answer here:\n" + strings.Join(names, "\n") + "\n"}
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
