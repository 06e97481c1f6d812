package balancer

import (
	"sync/atomic"
	"time"

	"berth/internal/balancer/http1"
)

// uploaded is how much of the request's body has gone to the target.
func (ex *exchange) uploaded() int64 {
	if ex.upload == nil {
		return int64(ex.body)
	}
	return ex.upload.bytes.Load()
}

// upload carries the rest of a request's body to the target while the answer
// is awaited.
type upload struct {
	ex        *exchange
	ended     chan struct{}
	bytes     atomic.Int64
	reading   atomic.Bool // the client is waited for, not the target
	err       error       // either side's; valid once ended
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
	var c http1.Chunks
	left := ex.req.Length
	for {
		p := ex.buf[ex.r:ex.w]
		n, done := len(p), false
		if ex.req.Framing == http1.Chunked {
			if n, done, up.err = c.Scan(p, nil); up.err != nil {
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
		up.reading.Store(true)
		m, err := ex.c.Read(ex.buf)
		up.reading.Store(false)
		ex.w = m
		if m == 0 && err != nil {
			up.err, up.clientErr = err, err
			return
		}
	}
}
