package balancer

import (
	"errors"
	"io"
	"net"
	"net/http"
	"time"

	"berth/internal/balancer/http1"
)

// respond passes the answer on, whose head is the first n of got bytes in the
// buffer.
func (ex *exchange) respond(n, got int) bool {
	now := ex.b.deps.Real.Now()
	ex.g.stats.answered(ex.res.Status, now.Sub(ex.sent))
	if ex.res.Status == http.StatusSwitchingProtocols {
		return ex.tunnel(n, got)
	}
	keep := ex.req.KeepAlive && !ex.alone && !ex.s.ends() && !ex.pastKeepAlive(now)
	dechunk := ex.res.Framing == http1.Chunked && ex.req.Minor == 0
	if dechunk || ex.res.Framing == http1.UntilClose {
		keep = false
	}
	if up := ex.upload; up != nil && !up.finished() {
		keep = false
	}
	ex.out = ex.appendResponse(ex.out[:0], keep, dechunk)
	d := delivery{exchange: ex, dechunk: dechunk, left: ex.res.Length}
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
	if err == nil && d.clean && ex.res.KeepAlive && ex.res.Class < http1.Ambiguous && !ex.alone {
		ex.recycleBuffer()
		ex.t.putIdle(ex.u, now)
		if !keep && ex.upload != nil {
			ex.readOut()
		}
		return keep
	}
	ex.drop()
	if err == nil && !keep && ex.upload != nil {
		ex.readOut()
	}
	return err == nil && keep
}

// appendResponse writes the head that the client gets.
func (ex *exchange) appendResponse(out []byte, keep, dechunk bool) []byte {
	out = ex.appendCookies(ex.res.AppendResponse(out, dechunk))
	if ex.res.Status == http.StatusSwitchingProtocols {
		return append(out, "Connection: upgrade\r\n\r\n"...)
	}
	return http1.AppendConnection(out, keep)
}

// pastKeepAlive reports whether the client's connection has lived long enough.
func (ex *exchange) pastKeepAlive(now time.Time) bool {
	d := ex.l.lb.cfg.KeepAlive
	return d > 0 && now.Sub(ex.born) > d
}

// delivery carries an answer's body to the client.
type delivery struct {
	*exchange
	dechunk bool
	chunks  http1.Chunks
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
	switch d.res.Framing {
	case http1.NoBody:
		d.done, d.clean = true, len(p) == 0
		return out
	case http1.ByLength:
		take := min(d.left, int64(len(p)))
		d.left -= take
		if d.left == 0 {
			d.done, d.clean = true, take == int64(len(p))
		}
		return append(out, p[:take]...)
	case http1.Chunked:
		var keep func([]byte)
		start := len(out)
		if d.dechunk {
			keep = func(b []byte) { out = append(out, b...) }
		}
		n, done, err := d.chunks.Scan(p, keep)
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
		if d.res.Framing == http1.ByLength && d.tcp != nil && d.left >= spliceFrom {
			if src, ok := d.u.Conn.(*net.TCPConn); ok {
				return d.splice(src)
			}
		}
		d.wait(d.b.deps.Real.Now())
		n, err := d.read(d.u.buf)
		if n == 0 && err != nil {
			if d.res.Framing == http1.UntilClose && errors.Is(err, io.EOF) {
				return nil
			}
			return err
		}
		d.out = d.consume(d.out[:0], d.u.buf[:n])
	}
}

func (d *delivery) write(p []byte) error {
	if d.send(p) != nil {
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
