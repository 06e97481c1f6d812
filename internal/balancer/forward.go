package balancer

import (
	"bytes"
	"context"
	"errors"
	"net"
	"net/http"
	"strconv"
	"sync"
	"syscall"
	"time"

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
}

// forward sends the request to a target and its answer to the client; it
// reports whether the connection may be used again.
func (sn *session) forward(l *listener, f *forward) bool {
	ex := &exchange{session: sn, l: l}
	var sticky string
	ex.g, sticky = ex.choose(f)
	if ex.g == nil {
		return sn.answer(l.lb, errorPage(503), true)
	}
	if ex.g.cfg.Version != "HTTP1" && ex.g.cfg.Version != "" {
		// An HTTP/1.1 request cannot go to a group that speaks HTTP/2.
		return sn.answer(l.lb, errorPage(464), true)
	}
	if l.lb.cfg.ForwardedFor != "remove" && tooManyHops(&sn.req) {
		return sn.answer(l.lb, errorPage(463), true)
	}
	if !ex.take(sticky) {
		// A request that was held up while the rules moved on knows only the
		// group that they moved away from.
		if b := sn.s.binding.Load(); b != sn.bind {
			sn.bind = b
			return sn.handle()
		}
		return sn.answer(l.lb, errorPage(503), true)
	}
	defer ex.leave()
	return ex.run()
}

// run connects, sends, receives.
func (ex *exchange) run() bool {
	now := ex.b.deps.Real.Now()
	ex.g.stats.requests.Add(1)
	whole := ex.wholeRequest()
	ex.out = ex.appendRequest(ex.out[:0], now)
	if whole >= 0 {
		ex.out = append(ex.out, ex.buf[ex.r:ex.r+whole]...)
		ex.r += whole
		ex.req.framing = bodyNone // it is taken
	}
	for attempt := 0; ; attempt++ {
		if code := ex.connect(now, attempt > 0); code != 0 {
			if ex.elsewhere() {
				attempt = -1
				continue
			}
			if b := ex.s.binding.Load(); whole == 0 && ex.t.drains.Load() && b != ex.bind {
				ex.bind = b // the rules may know other groups by now
				return ex.handle()
			}
			return ex.fail(code)
		}
		again, keep := ex.try(whole >= 0)
		if !again {
			return keep
		}
	}
}

func (ex *exchange) wholeRequest() int {
	switch ex.req.framing {
	case bodyLength:
		if int64(ex.w-ex.r) >= ex.req.length {
			return int(ex.req.length)
		}
		return -1
	case bodyChunked:
		var c chunks
		if n, done, err := c.scan(ex.buf[ex.r:ex.w], nil); done && err == nil {
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
		ex.u = ex.t.take(n.cfg.ID, now)
	}
	if ex.u == nil {
		ctx, cancel := context.WithTimeout(ex.b.ctx, connectTimeout)
		u, err := ex.t.dial(ctx, n, now)
		cancel()
		if err != nil {
			ex.g.stats.connErrors.Add(1)
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
		n, got, err = ex.readResponse()
	}
	if err != nil {
		if ex.u.reused && got == 0 && whole && repeatable(ex.req.method) && !isTimeout(err) {
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

// readResponse reads the answer's head into u.buf and parses it; interim
// answers go to the client. It returns the head's length and what is in the
// buffer.
func (ex *exchange) readResponse() (n, got int, err error) {
	u := ex.u
	for {
		from := 0
		for {
			if n = headEnd(u.buf[:got], from); n > 0 {
				break
			}
			from = got
			if got == len(u.buf) {
				if got >= maxResponse {
					return 0, got, errTooLong
				}
				u.buf = append(u.buf, make([]byte, len(u.buf))...)
			}
			m, err := u.Read(u.buf[got:])
			got += m
			if m == 0 && err != nil {
				return 0, got, err
			}
		}
		if n > maxResponse {
			return 0, got, errTooLong
		}
		if err := ex.res.parseResponse(u.buf[:n], ex.req.method); err != nil {
			return 0, got, err
		}
		if ex.res.status >= 200 || ex.res.status == http.StatusSwitchingProtocols {
			return n, got, nil
		}
		if ex.req.minor == 1 {
			if _, err := ex.c.Write(u.buf[:n]); err != nil {
				return 0, got, errClient
			}
		}
		got = copy(u.buf, u.buf[n:got])
	}
}

var errClient = errors.New("the client went away")

// broken answers for a target that did not.
func (ex *exchange) broken(err error) bool {
	if up := ex.upload; up != nil {
		up.stop()
		if up.clientErr != nil {
			ex.drop()
			if isTimeout(up.clientErr) {
				return ex.answer(ex.l.lb, errorPage(408), false)
			}
			ex.l.lb.stats.clientGone.Add(1)
			ex.l.lb.stats.answered(460)
			return false
		}
	}
	ex.drop()
	switch {
	case errors.Is(err, errClient):
		ex.l.lb.stats.clientGone.Add(1)
		return false
	case isTimeout(err):
		return ex.fail(504)
	default:
		return ex.fail(502)
	}
}

func (ex *exchange) fail(code int) bool {
	return ex.answer(ex.l.lb, errorPage(code), ex.upload == nil)
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

// quiet reports whether an idle connection is still open and has nothing to
// say.
func quiet(c net.Conn) bool {
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

func pause(ctx context.Context, real clock.Clock) error {
	return clock.Sleep(ctx, real, 50*time.Millisecond)
}

func tooManyHops(h *head) bool {
	n := 0
	for _, f := range h.fields {
		if f.kind == kindForwardedFor {
			n += bytes.Count(f.value, []byte(",")) + 1
		}
	}
	return n > 30
}

func appendInt(b []byte, n int) []byte { return strconv.AppendInt(b, int64(n), 10) }
