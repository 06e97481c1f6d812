package balancer

import (
	"errors"
	"io"
	"net"
	"sync"
)

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
