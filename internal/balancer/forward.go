package balancer

import (
	"context"
	"errors"
	"maps"
	"net"
	"net/http"
	"slices"
	"sync"
	"syscall"
	"time"

	"berth/internal/balancer/http1"
	"berth/internal/clock"
)

// connectTimeout is how long ALB waits for a connection to a target.
const connectTimeout = 10 * time.Second

var upstreamBuffers = sync.Pool{New: func() any { b := make([]byte, 16<<10); return &b }}

// exchange is one request on its way to a target and back.
type exchange struct {
	*session
	l        *listener
	g        *group
	t        *target
	u        *upstream
	groupTok string // of the AWSALBTG cookie to set
	stickFor time.Duration
	sent     time.Time
	upload   *upload // of the rest of the body, if it is not all here
	body     int     // bytes of it that came with the head
	written  bool    // out holds what the target gets
}

// forward sends the request to a target and its answer to the client. keep
// says whether the connection may be used again; moved, that nothing was sent
// and the rules know other groups by now.
func (sn *session) forward(l *listener, f *forward) (keep, moved bool) {
	ex := &exchange{session: sn, l: l}
	var sticky string
	ex.g, sticky = ex.choose(f)
	if ex.g == nil {
		return sn.answer(l.lb, http1.ErrorPage(503), true), false
	}
	if ex.g.cfg.Version != "HTTP1" && ex.g.cfg.Version != "" {
		// An HTTP/1.1 request cannot go to a group that speaks HTTP/2.
		return sn.answer(l.lb, http1.ErrorPage(464), true), false
	}
	if l.lb.cfg.ForwardedFor != "remove" && sn.req.Hops() > maxHops {
		return sn.answer(l.lb, http1.ErrorPage(463), true), false
	}
	if !ex.reserve(sticky) {
		// A request that was held up while the rules moved on knows only the
		// group that they moved away from.
		if sn.rulesMoved() {
			return false, true
		}
		return sn.answer(l.lb, http1.ErrorPage(503), true), false
	}
	defer ex.leave()
	return ex.run()
}

// maxHops is the number of addresses in X-Forwarded-For beyond which ALB
// refuses a request.
const maxHops = 30

// rulesMoved takes the configuration in force; it reports whether that is
// another one.
func (sn *session) rulesMoved() bool {
	b := sn.s.binding.Load()
	moved := b != sn.bind
	sn.bind = b
	return moved
}

// run connects, sends, receives.
func (ex *exchange) run() (keep, moved bool) {
	now := ex.b.deps.Real.Now()
	whole := ex.wholeRequest()
	for attempt := 0; ; attempt++ {
		if code := ex.connect(now, attempt > 0); code != 0 {
			if ex.changeTarget() {
				attempt = -1
				continue
			}
			if (!ex.written || whole == 0) && ex.t.drains.Load() && ex.rulesMoved() {
				return false, true
			}
			ex.countRouted()
			return ex.fail(code), false
		}
		ex.countRouted()
		if !ex.written {
			ex.writeRequest(now, whole)
		}
		again, keep := ex.try(whole >= 0)
		if !again {
			return keep, false
		}
	}
}

// countRouted counts the request for the target group that it goes to in the
// end: once, however often it was given another target before.
func (ex *exchange) countRouted() {
	if ex.counted {
		return
	}
	ex.counted = true
	ex.l.lb.stats.requests.Add(1)
	ex.g.stats.requests.Add(1)
	if r := ex.g.ready.Load(); r != nil && r.failOpen {
		ex.g.stats.unhealthyRouted.Add(1)
	}
}

// writeRequest prepares what the target gets: the head, and the body if all
// of it is here.
func (ex *exchange) writeRequest(now time.Time, whole int) {
	lb := &ex.l.lb.cfg
	w := http1.Forwarding{
		ForwardedFor: lb.ForwardedFor, ClientPort: lb.ClientPort, PreserveHost: lb.PreserveHost, DropInvalid: lb.DropInvalidHeaders,
		Secure: ex.secure, Port: ex.l.port, Client: ex.client, Local: ex.local.Addr(), Second: uint32(now.Unix()), Trace: ex.b.drawTrace(),
	}
	ex.written = true
	ex.out = w.AppendRequest(ex.out[:0], &ex.req)
	if w.Dropped {
		ex.l.lb.stats.dropped.Add(1)
	}
	if whole >= 0 {
		ex.out = append(ex.out, ex.buf[ex.r:ex.r+whole]...)
		ex.r += whole
		ex.body = whole
		ex.req.Framing = http1.NoBody // it is taken
	}
}

// wholeRequest is the length of the body if all of it is in the buffer, or -1.
func (ex *exchange) wholeRequest() int {
	switch ex.req.Framing {
	case http1.ByLength:
		if int64(ex.w-ex.r) >= ex.req.Length {
			return int(ex.req.Length)
		}
		return -1
	case http1.Chunked:
		var c http1.Chunks
		if n, done, err := c.Scan(ex.buf[ex.r:ex.w], nil); done && err == nil {
			return n
		}
		return -1
	default:
		return 0
	}
}

// connect gets a connection to the target; a code is the answer if there is
// none.
func (ex *exchange) connect(now time.Time, fresh bool) int {
	n := ex.l.lb.anyNode()
	if ex.s.key.node != "" {
		n = ex.s.node
	}
	if n == nil {
		return 503
	}
	ex.u = nil
	if !fresh {
		ex.u = ex.t.takeIdle(n.cfg.ID, now)
	}
	if ex.u == nil {
		if !ex.b.takePlace() {
			return 503
		}
		ctx, cancel := context.WithTimeout(ex.b.ctx, connectTimeout)
		u, err := ex.t.dial(ctx, n, now, ex.l.lb.stats, ex.b.deps.Places)
		cancel()
		if err != nil {
			if !errors.Is(err, context.Canceled) { // we gave it up ourselves, for another target
				ex.g.stats.connErrors.Add(1)
			}
			if isTimeout(err) || errors.Is(err, context.DeadlineExceeded) {
				return 504
			}
			return 502
		}
		ex.u = u
	}
	if ex.u.buf == nil {
		ex.u.buf = *(upstreamBuffers.Get().(*[]byte))
	}
	return 0
}

// takePlace takes a place for a connection to a target: where there is none,
// connections that nobody uses make some.
func (b *Balancer) takePlace() bool {
	if b.deps.Places.Serve() {
		return true
	}
	b.mu.Lock()
	all := slices.Collect(maps.Values(b.targets))
	b.mu.Unlock()
	for _, t := range all {
		t.closeAllIdle()
	}
	return b.deps.Places.Serve()
}

// try makes one attempt on ex.u. again asks for another one on a new
// connection, which is safe only if this one was kept open from before, died
// without a byte of an answer, and the request may be repeated.
func (ex *exchange) try(whole bool) (again, keep bool) {
	ex.sent = ex.b.deps.Real.Now()
	ex.wait(ex.sent)
	_, err := ex.u.Write(ex.out)
	if err == nil && !whole {
		ex.upload = ex.startUpload()
	}
	var n, got int
	if err == nil || !ex.u.reused {
		// A target may answer, and then close, without reading the request.
		ex.known.awaits.Store(ex.u)
		n, got, err = ex.readResponse()
		if ex.known.awaits.Swap(nil) == nil {
			return false, ex.broken(errClient)
		}
	}
	if err != nil {
		if ex.u.reused && got == 0 && whole && repeatable(ex.req.Method) && !isTimeout(err) {
			ex.drop()
			return true, false
		}
		return false, ex.broken(err)
	}
	return false, ex.respond(n, got)
}

func repeatable(method []byte) bool {
	switch string(method) {
	case "GET", "HEAD", "OPTIONS", "PUT", "DELETE":
		return true
	default:
		return false
	}
}

// wait allows the target one idle timeout, and up to an eighth of it more.
func (ex *exchange) wait(now time.Time) {
	d := ex.idleTimeout()
	if want := now.Add(d); ex.u.until.Before(want) {
		ex.u.until = want.Add(min(d/8, time.Second))
		_ = ex.u.SetReadDeadline(ex.u.until)
	}
}

// read reads from the target, which is not silent while the request's body is
// still on its way to it.
func (ex *exchange) read(p []byte) (int, error) {
	for {
		n, err := ex.u.Read(p)
		if n > 0 || err == nil || !isTimeout(err) || !ex.upload.goesOn() {
			return n, err
		}
	}
}

// readResponse reads the answer's head into u.buf and parses it; interim
// answers go to the client. It returns the head's length and what is in the
// buffer.
func (ex *exchange) readResponse() (n, got int, err error) {
	u := ex.u
	for {
		from := 0
		for {
			if n, err = http1.HeadEnd(u.buf[:got], from); err != nil {
				return 0, got, err
			}
			if n > 0 {
				break
			}
			from = got
			if got == len(u.buf) {
				if got >= http1.MaxResponse {
					return 0, got, http1.ErrTooLong
				}
				u.buf = append(u.buf, make([]byte, len(u.buf))...)
			}
			m, err := ex.read(u.buf[got:])
			got += m
			if m == 0 && err != nil {
				return 0, got, err
			}
		}
		if n > http1.MaxResponse {
			return 0, got, http1.ErrTooLong
		}
		if err := ex.res.ParseResponse(u.buf[:n], ex.req.Method); err != nil {
			return 0, got, err
		}
		switch {
		case ex.res.Status >= 200:
			return n, got, nil
		case ex.res.Status == http.StatusSwitchingProtocols:
			if !ex.req.Upgrade {
				return 0, got, http1.ErrMalformed // nobody asked for it
			}
			return n, got, nil
		}
		if ex.req.Minor == 1 {
			if ex.send(u.buf[:n]) != nil {
				return 0, got, errClient
			}
			ex.l.lb.stats.bytes.Add(uint64(n))
		}
		got = copy(u.buf, u.buf[n:got])
	}
}

var errClient = errors.New("the client went away")

// broken answers for a target that did not.
func (ex *exchange) broken(err error) bool {
	if up := ex.upload; up != nil {
		late := isTimeout(err) && up.awaitsClient()
		up.stop()
		if late || up.clientErr != nil {
			ex.drop()
			return ex.endUpload(late)
		}
	}
	ex.drop()
	switch {
	case errors.Is(err, errClient):
		ex.l.lb.stats.answered(460)
		return false
	case isTimeout(err):
		return ex.fail(504)
	default:
		return ex.fail(502)
	}
}

// endUpload answers a client whose body fell silent, which the timeout of the
// answer may tell first, or is malformed; others are gone.
func (ex *exchange) endUpload(late bool) bool {
	code := http1.Refusal(ex.upload.clientErr)
	switch {
	case code != 0:
		ex.l.lb.stats.ambiguous.Add(1)
	case late || isTimeout(ex.upload.clientErr):
		code = http.StatusRequestTimeout
	default:
		ex.l.lb.stats.answered(460)
		return false
	}
	return ex.answer(ex.l.lb, http1.ErrorPage(code), false)
}

func (ex *exchange) fail(code int) bool {
	ex.l.lb.stats.bytes.Add(uint64(ex.uploaded()))
	return ex.answer(ex.l.lb, http1.ErrorPage(code), ex.upload == nil)
}

func (ex *exchange) drop() {
	if ex.u == nil {
		return
	}
	ex.recycleBuffer()
	ex.t.drop(ex.u)
	ex.u = nil
}

func (ex *exchange) recycleBuffer() {
	if b := ex.u.buf; b != nil && cap(b) <= 32<<10 {
		ex.u.buf = nil
		upstreamBuffers.Put(&b)
	}
}

// isIdle reports whether an idle connection is still open and has nothing to
// say.
func isIdle(c net.Conn) bool {
	sc, ok := c.(syscall.Conn)
	if !ok {
		return true
	}
	raw, err := sc.SyscallConn()
	if err != nil {
		return false
	}
	alive := false
	err = raw.Read(func(fd uintptr) bool {
		var one [1]byte
		_, _, rerr := syscall.Recvfrom(int(fd), one[:], syscall.MSG_PEEK|syscall.MSG_DONTWAIT)
		alive = errors.Is(rerr, syscall.EAGAIN)
		return true
	})
	return err == nil && alive
}

// isGone reports whether a client has closed its connection, with nothing more
// to say.
func isGone(c net.Conn) bool {
	sc, ok := c.(syscall.Conn)
	if !ok {
		return false
	}
	raw, err := sc.SyscallConn()
	if err != nil {
		return true
	}
	gone := false
	err = raw.Control(func(fd uintptr) {
		var one [1]byte
		n, _, rerr := syscall.Recvfrom(int(fd), one[:], syscall.MSG_PEEK|syscall.MSG_DONTWAIT)
		gone = rerr == nil && n == 0 || errors.Is(rerr, syscall.ECONNRESET)
	})
	return err != nil || gone
}

func pause(ctx context.Context, real clock.Clock) error {
	return clock.Sleep(ctx, real, 50*time.Millisecond)
}
