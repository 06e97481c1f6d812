package balancer

import (
	"errors"
	"io"
	"net"
	"sync"
	"sync/atomic"
	"time"
)

// tunnel joins the two connections after 101: WebSocket and the like.
func (ex *exchange) tunnel(n, got int) bool {
	defer ex.drop()
	ex.out = ex.appendResponse(ex.out[:0], true, false)
	ex.out = append(ex.out, ex.u.buf[n:got]...)
	if ex.send(ex.out) != nil {
		return false
	}
	_ = ex.c.SetWriteDeadline(time.Time{}) // from now on silence alone ends it
	early := 0
	if ex.r < ex.w {
		if _, err := ex.u.Write(ex.buf[ex.r:ex.w]); err != nil {
			return false
		}
		early = ex.w - ex.r
		ex.r = ex.w
	}
	var last, moved atomic.Int64
	touch := func(n int) {
		last.Store(ex.b.deps.Real.Now().UnixNano())
		moved.Add(int64(n))
	}
	touch(len(ex.out) + ex.requestSize + early)
	var wg sync.WaitGroup
	wg.Go(func() { ex.pump(ex.u.Conn, ex.c, &last, touch) })
	ex.pump(ex.c, ex.u.Conn, &last, touch)
	wg.Wait()
	ex.l.lb.stats.bytes.Add(uint64(moved.Load()))
	return false
}

// pump copies one direction until it ends; silence in both directions for an
// idle timeout ends it too.
func (ex *exchange) pump(dst, src net.Conn, last *atomic.Int64, touch func(int)) {
	buf := *(upstreamBuffers.Get().(*[]byte))
	defer upstreamBuffers.Put(&buf)
	idle := ex.idleTimeout()
	for {
		_ = src.SetReadDeadline(ex.b.deps.Real.Now().Add(idle))
		n, err := src.Read(buf)
		if n > 0 {
			touch(n)
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
