package balancer

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

// reserve picks a target and counts the request in. A target may begin to drain
// between the two: since the count goes up before the look, either we see
// that it drains, or whoever waits for it to be idle sees the count.
func (ex *exchange) reserve(sticky string) bool {
	for range 4 {
		t := ex.g.pick(sticky, ex.b.deps.Clock.Now, ex.b.draw)
		if t == nil {
			return false
		}
		t.inflight.Add(1)
		if !t.drains.Load() {
			ex.t = t
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

// changeTarget gives a request that waited for a connection to another target if
// its own is being deregistered by now: nothing of it was sent.
func (ex *exchange) changeTarget() bool {
	old := ex.t
	if !old.drains.Load() {
		return false
	}
	ex.g = old.group.Load()
	if !ex.reserve("") {
		return false
	}
	ex.release(old)
	return true
}
