package balancer

import (
	"bytes"
	"context"
	"errors"
	"io"
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

// choose draws a group by weight, or keeps the client with the one its cookie
// names. The second result is the token of a target's cookie, if any.
func (ex *exchange) choose(f *forward) (*group, string) {
	var tg, target, app string
	if f.sticky > 0 || ex.l.anySticky(f) {
		tg, target, app = readCookies(&ex.req)
	}
	var g *group
	if f.sticky > 0 && len(f.choices) > 1 {
		for _, c := range f.choices {
			if tg == c.token && c.weight > 0 {
				g = c.g
				ex.groupTok = c.token
			}
		}
	}
	if g == nil {
		var c choice
		if c = f.draw(ex.b); c.g == nil {
			return nil, ""
		}
		g = c.g
		if f.sticky > 0 && len(f.choices) > 1 {
			ex.groupTok = c.token
		}
	}
	ex.stickFor = f.sticky
	switch g.cfg.Cookie {
	case "lb_cookie":
		return g, target
	case "app_cookie":
		return g, app
	default:
		return g, ""
	}
}

func (l *listener) anySticky(f *forward) bool {
	for _, c := range f.choices {
		if c.g.cfg.Cookie != "" {
			return true
		}
	}
	return false
}

func (f *forward) draw(b *Balancer) choice {
	switch {
	case f.total == 0:
		return choice{}
	case len(f.choices) == 1:
		return f.choices[0]
	}
	n := b.draw() % f.total
	for _, c := range f.choices {
		if n < c.weight {
			return c
		}
		n -= c.weight
	}
	return choice{}
}

// take picks a target and counts the request in. A target may begin to drain
// between the two: since the count goes up before the look, either we see
// that it drains, or whoever waits for it to be idle sees the count.
func (ex *exchange) take(sticky string) bool {
	for range 4 {
		t := ex.g.pick(sticky, ex.b.deps.Clock.Now, ex.b.draw)
		if t == nil {
			return false
		}
		t.inflight.Add(1)
		if !t.drains.Load() {
			ex.t = t
			if r := ex.g.ready.Load(); r != nil && r.failOpen {
				ex.g.stats.unhealthyRouted.Add(1)
			}
			return true
		}
		ex.release(t)
		ex.g = t.group.Load()
	}
	return false
}

func (ex *exchange) leave() { ex.release(ex.t) }

func (ex *exchange) release(t *target) {
	if t.inflight.Add(-1) == 0 && t.drains.Load() {
		ex.b.changed()
	}
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

// elsewhere gives a request that waited for a connection to another target if
// its own is being deregistered by now: nothing of it was sent.
func (ex *exchange) elsewhere() bool {
	old := ex.t
	if !old.drains.Load() {
		return false
	}
	ex.g = old.group.Load()
	if !ex.take("") {
		return false
	}
	ex.release(old)
	return true
}

// wholeRequest is the length of the body if all of it is in the buffer, or -1.
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

// respond passes the answer on, whose head is the first n of got bytes in the
// buffer.
func (ex *exchange) respond(n, got int) bool {
	now := ex.b.deps.Real.Now()
	ex.g.stats.answered(ex.res.status, now.Sub(ex.sent))
	if ex.res.status == http.StatusSwitchingProtocols {
		return ex.tunnel(n, got)
	}
	keep := ex.req.keepAlive && !ex.req.ambiguous && !ex.s.ends() && !ex.worn(now)
	dechunk := ex.res.framing == bodyChunked && ex.req.minor == 0
	if dechunk || ex.res.framing == bodyUntilClose {
		keep = false
	}
	if up := ex.upload; up != nil && !up.finished() {
		keep = false
	}
	ex.out = ex.appendResponse(ex.out[:0], keep, dechunk)
	d := delivery{exchange: ex, dechunk: dechunk, left: ex.res.length}
	d.start(ex.u.buf[n:got])
	err := d.finish()
	ex.l.lb.stats.bytes.Add(uint64(d.total) + uint64(ex.requestSize) + uint64(ex.uploaded()))
	if up := ex.upload; up != nil {
		keep = up.finished() && keep
		up.stop()
		if up.err != nil {
			keep, d.clean = false, false
		}
	}
	if err == nil && d.clean && ex.res.keepAlive && !ex.res.ambiguous {
		ex.recycleBuffer()
		ex.t.give(ex.u, now)
		if !keep && ex.upload != nil {
			ex.linger()
		}
		return keep
	}
	ex.drop()
	if err == nil && !keep && ex.upload != nil {
		ex.linger()
	}
	return err == nil && keep
}

// worn reports whether the client's connection has lived long enough.
func (ex *exchange) worn(now time.Time) bool {
	d := ex.l.lb.cfg.KeepAlive
	return d > 0 && now.Sub(ex.born) > d
}

func (ex *exchange) uploaded() int64 {
	if ex.upload == nil {
		return max(ex.req.length, 0)
	}
	return ex.upload.bytes.Load()
}

// delivery carries an answer's body to the client.
type delivery struct {
	*exchange
	dechunk bool
	chunks  chunks
	left    int64 // of a body with a length
	total   int64
	done    bool
	clean   bool // the target's connection stands after the answer
	bad     error
}

// start takes the part of the body that came with the head; it goes out in
// one write with our head.
func (d *delivery) start(p []byte) {
	d.out = d.consume(d.out, p)
}

// consume takes bytes from the target and appends what the client gets.
func (d *delivery) consume(out, p []byte) []byte {
	switch d.res.framing {
	case bodyNone:
		d.done, d.clean = true, len(p) == 0
		return out
	case bodyLength:
		take := min(d.left, int64(len(p)))
		d.left -= take
		if d.left == 0 {
			d.done, d.clean = true, take == int64(len(p))
		}
		return append(out, p[:take]...)
	case bodyChunked:
		var keep func([]byte)
		start := len(out)
		if d.dechunk {
			keep = func(b []byte) { out = append(out, b...) }
		}
		n, done, err := d.chunks.scan(p, keep)
		if !d.dechunk {
			out = append(out[:start], p[:n]...)
		}
		d.bad = err
		if done {
			d.done, d.clean = true, n == len(p)
		}
		return out
	default:
		return append(out, p...)
	}
}

// finish writes what start has prepared and then the rest of the body.
func (d *delivery) finish() error {
	for {
		if len(d.out) > 0 {
			d.total += int64(len(d.out))
			if err := d.write(d.out); err != nil {
				return err
			}
		}
		if d.bad != nil {
			return d.bad
		}
		if d.done {
			return nil
		}
		if d.res.framing == bodyLength && d.tcp != nil && d.left >= spliceFrom {
			if src, ok := d.u.Conn.(*net.TCPConn); ok {
				return d.splice(src)
			}
		}
		d.wait(d.b.deps.Real.Now())
		n, err := d.u.Read(d.u.buf)
		if n == 0 && err != nil {
			if d.res.framing == bodyUntilClose && errors.Is(err, io.EOF) {
				return nil
			}
			return err
		}
		d.out = d.consume(d.out[:0], d.u.buf[:n])
	}
}

func (d *delivery) write(p []byte) error {
	now, idle := d.b.deps.Real.Now(), d.idleTimeout()
	if want := now.Add(idle); d.writeUntil.Before(want) {
		d.writeUntil = want.Add(min(idle/8, time.Second))
		_ = d.c.SetWriteDeadline(d.writeUntil)
	}
	if _, err := d.c.Write(p); err != nil {
		d.l.lb.stats.clientGone.Add(1)
		return errClient
	}
	return nil
}

// spliceFrom is the length of a body's rest from which the kernel copies it.
const spliceFrom = 16 << 10

// splice lets the kernel move the rest of the body from socket to socket. A
// deadline only ends it if nothing moved before it.
func (d *delivery) splice(src *net.TCPConn) error {
	for d.left > 0 {
		now := d.b.deps.Real.Now()
		d.wait(now)
		d.writeUntil = now.Add(d.idleTimeout())
		_ = d.c.SetWriteDeadline(d.writeUntil)
		n, err := d.tcp.ReadFrom(&io.LimitedReader{R: src, N: min(d.left, 4<<20)})
		d.left -= n
		d.total += n
		switch {
		case err == nil && n == 0:
			return io.ErrUnexpectedEOF
		case err != nil && !(isTimeout(err) && n > 0):
			return err
		}
	}
	d.done, d.clean = true, true
	return nil
}

// upload carries the rest of a request's body to the target while the answer
// is awaited.
type upload struct {
	ex        *exchange
	ended     chan struct{}
	bytes     counter
	err       error // either side's; valid once ended
	clientErr error
}

func (ex *exchange) startUpload() *upload {
	up := &upload{ex: ex, ended: make(chan struct{})}
	ex.b.work.Go(func() {
		defer close(up.ended)
		up.run()
		if up.err != nil {
			// Wake the reader of the answer; a target that has answered
			// already is read out all the same.
			_ = ex.u.SetReadDeadline(ex.b.deps.Real.Now().Add(lateAnswer))
		}
	})
	return up
}

// lateAnswer is how long an answer may still come after the request's body
// broke off: a target that refuses a large body answers and closes.
const lateAnswer = 200 * time.Millisecond

func (up *upload) finished() bool {
	select {
	case <-up.ended:
		return up.err == nil
	default:
		return false
	}
}

// stop ends the copying and waits for it.
func (up *upload) stop() {
	select {
	case <-up.ended:
		return
	default:
	}
	past := up.ex.b.deps.Real.Now().Add(-time.Second)
	up.ex.readUntil = past
	_ = up.ex.c.SetReadDeadline(past)
	_ = up.ex.u.SetWriteDeadline(past)
	<-up.ended
	up.clientErr = nil
	if up.err == nil {
		// It had just been done: the connection may carry other requests.
		_ = up.ex.u.SetWriteDeadline(time.Time{})
	}
}

// run copies. It is the only reader of the client meanwhile.
func (up *upload) run() {
	ex := up.ex
	var c chunks
	left := ex.req.length
	for {
		p := ex.buf[ex.r:ex.w]
		n, done := len(p), false
		if ex.req.framing == bodyChunked {
			if n, done, up.err = c.scan(p, nil); up.err != nil {
				up.clientErr = up.err
				return
			}
		} else {
			n = int(min(left, int64(n)))
			left -= int64(n)
			done = left == 0
		}
		if n > 0 {
			if _, up.err = ex.u.Write(p[:n]); up.err != nil {
				return
			}
			up.bytes.Add(int64(n))
			ex.r += n
		}
		if done {
			return
		}
		ex.r, ex.w = 0, 0
		ex.until(ex.b.deps.Real.Now())
		m, err := ex.c.Read(ex.buf)
		ex.w = m
		if m == 0 && err != nil {
			up.err, up.clientErr = err, err
			return
		}
	}
}

// tunnel joins the two connections after 101: WebSocket and the like.
func (ex *exchange) tunnel(n, got int) bool {
	defer ex.drop()
	ex.out = ex.appendResponse(ex.out[:0], true, false)
	ex.out = append(ex.out, ex.u.buf[n:got]...)
	if _, err := ex.c.Write(ex.out); err != nil {
		return false
	}
	if ex.r < ex.w {
		if _, err := ex.u.Write(ex.buf[ex.r:ex.w]); err != nil {
			return false
		}
		ex.r = ex.w
	}
	var last counter
	touch := func() { last.Store(ex.b.deps.Real.Now().UnixNano()) }
	touch()
	var wg sync.WaitGroup
	wg.Go(func() { ex.pump(ex.u.Conn, ex.c, &last, touch) })
	ex.pump(ex.c, ex.u.Conn, &last, touch)
	wg.Wait()
	return false
}

// pump copies one direction until it ends; silence in both directions for an
// idle timeout ends it too.
func (ex *exchange) pump(dst, src net.Conn, last *counter, touch func()) {
	buf := *(upstreamBuffers.Get().(*[]byte))
	defer upstreamBuffers.Put(&buf)
	idle := ex.idleTimeout()
	for {
		_ = src.SetReadDeadline(ex.b.deps.Real.Now().Add(idle))
		n, err := src.Read(buf)
		if n > 0 {
			touch()
			if _, werr := dst.Write(buf[:n]); werr != nil {
				err = werr
			}
		}
		switch {
		case err == nil:
		case isTimeout(err) && ex.b.deps.Real.Now().UnixNano()-last.Load() < int64(idle):
		case errors.Is(err, io.EOF):
			if w, ok := dst.(interface{ CloseWrite() error }); ok {
				_ = w.CloseWrite()
			}
			return
		default:
			_ = dst.Close()
			_ = src.Close()
			return
		}
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
