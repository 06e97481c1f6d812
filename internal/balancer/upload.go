package balancer

import (
	"sync"
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
	writing   atomic.Bool // the target is waited for, not the client
	err       error       // either side's; valid once ended
	clientErr error

	mu     sync.Mutex
	moved  time.Time // when the target was last given something
	broken bool      // run has ended with an error, and set the target's deadline
}

func (ex *exchange) startUpload() *upload {
	up := &upload{ex: ex, ended: make(chan struct{}), moved: ex.sent}
	ex.b.work.Go(func() {
		defer close(up.ended)
		up.run()
		if up.err != nil {
			up.giveUp()
		}
	})
	return up
}

// giveUp wakes the reader of the answer; a target that has answered already is
// read out all the same.
func (up *upload) giveUp() {
	up.mu.Lock()
	defer up.mu.Unlock()
	up.broken = true
	_ = up.ex.u.SetReadDeadline(up.ex.b.deps.Real.Now().Add(lateAnswer))
}

// goesOn allows the target an idle timeout from the last byte of the body that
// it was given; false says that this is over. A nil upload has no such byte.
func (up *upload) goesOn() bool {
	if up == nil {
		return false
	}
	up.mu.Lock()
	defer up.mu.Unlock()
	now, end := up.ex.b.deps.Real.Now(), up.moved.Add(up.ex.idleTimeout())
	if up.broken || !now.Before(end) {
		return false
	}
	up.ex.u.until = end
	_ = up.ex.u.SetReadDeadline(end)
	return true
}

// gave notes that the target was given n bytes.
func (up *upload) gave(n int) {
	up.bytes.Add(int64(n))
	up.mu.Lock()
	defer up.mu.Unlock()
	up.moved = up.ex.b.deps.Real.Now()
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

// awaitsClient reports whether the rest of the body has not come: a target that
// waits for it cannot answer, however long that takes.
func (up *upload) awaitsClient() bool {
	select {
	case <-up.ended:
		return isTimeout(up.clientErr)
	default:
		return !up.writing.Load()
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
	if isTimeout(up.clientErr) {
		up.clientErr = nil // it is our own deadline
	}
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
			up.writing.Store(true)
			if _, up.err = ex.u.Write(p[:n]); up.err != nil {
				return
			}
			up.gave(n)
			ex.r += n
		}
		if done {
			return
		}
		ex.r, ex.w = 0, 0
		ex.until(ex.b.deps.Real.Now())
		up.writing.Store(false)
		m, err := ex.c.Read(ex.buf)
		ex.w = m
		if m == 0 && err != nil {
			up.err, up.clientErr = err, err
			return
		}
	}
}
