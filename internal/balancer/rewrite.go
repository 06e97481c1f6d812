package balancer

import (
	"bytes"
	"net/http"
	"sync/atomic"
	"time"
)

type counter = atomic.Int64

// appendRequest writes the head that the target gets.
func (ex *exchange) appendRequest(out []byte, now time.Time) []byte {
	h, lb := &ex.req, &ex.l.lb.cfg
	out = append(append(append(append(out, h.method...), ' '), h.target...), " HTTP/1.1\r\n"...)
	out = ex.appendForwardedFor(out)
	if ex.secure {
		out = append(out, "X-Forwarded-Proto: https\r\nX-Forwarded-Port: "...)
	} else {
		out = append(out, "X-Forwarded-Proto: http\r\nX-Forwarded-Port: "...)
	}
	out = appendInt(out, ex.l.port)
	out = append(out, "\r\nHost: "...)
	out = ex.appendHost(out)
	out = append(out, "\r\n"...)
	out = ex.appendTrace(out, now)
	for i := range h.fields {
		f := &h.fields[i]
		switch f.kind {
		case kindPlain:
			if h.special && h.listed(f.name) || lb.DropInvalidHeaders && !plainName(f.name) {
				continue
			}
		case kindCookie, kindExpect:
		case kindLength:
			if h.framing == bodyChunked {
				continue
			}
		case kindEncoding:
		case kindUpgrade:
			if !h.upgrade {
				continue
			}
		default:
			continue
		}
		out = appendField(out, f.name, f.value)
	}
	if h.upgrade {
		out = append(out, "Connection: Upgrade\r\n"...)
	}
	return append(out, "\r\n"...)
}

func appendField(out, name, value []byte) []byte {
	out = append(out, name...)
	out = append(out, ": "...)
	out = append(out, value...)
	return append(out, "\r\n"...)
}

func (ex *exchange) appendForwardedFor(out []byte) []byte {
	lb := &ex.l.lb.cfg
	if lb.ForwardedFor == "remove" {
		return out
	}
	had := false
	for i := range ex.req.fields {
		f := &ex.req.fields[i]
		if f.kind != kindForwardedFor {
			continue
		}
		if !had {
			out = append(out, "X-Forwarded-For: "...)
		} else {
			out = append(out, ", "...)
		}
		had = true
		out = append(out, f.value...)
	}
	if lb.ForwardedFor == "preserve" {
		if had {
			out = append(out, "\r\n"...)
		}
		return out
	}
	if had {
		out = append(out, ", "...)
	} else {
		out = append(out, "X-Forwarded-For: "...)
	}
	if a := ex.client.Addr(); a.IsValid() {
		out = a.AppendTo(out)
	}
	if lb.ClientPort {
		out = appendInt(append(out, ':'), int(ex.client.Port()))
	}
	return append(out, "\r\n"...)
}

// appendHost writes the client's Host, with the listener's port where that is
// not the usual one, unless the header is to be preserved.
func (ex *exchange) appendHost(out []byte) []byte {
	host := ex.req.host
	if len(host) == 0 {
		host = ex.local.Addr().AppendTo(nil)
	}
	out = append(out, host...)
	if ex.l.lb.cfg.PreserveHost || ex.l.port == 80 || ex.l.port == 443 {
		return out
	}
	if i := bytes.LastIndexByte(host, ':'); i >= 0 && host[len(host)-1] != ']' {
		return out
	}
	return appendInt(append(out, ':'), ex.l.port)
}

// appendTrace adds X-Amzn-Trace-Id: Root if there is none, else Self before
// what is there.
func (ex *exchange) appendTrace(out []byte, now time.Time) []byte {
	var old []byte
	for i := range ex.req.fields {
		if ex.req.fields[i].kind == kindTrace {
			old = ex.req.fields[i].value
		}
	}
	word := "X-Amzn-Trace-Id: Root=1-"
	if bytes.Contains(old, []byte("Root=")) {
		word = "X-Amzn-Trace-Id: Self=1-"
	}
	out = append(out, word...)
	s := uint32(now.Unix())
	for shift := 28; shift >= 0; shift -= 4 {
		out = append(out, "0123456789abcdef"[s>>shift&15])
	}
	out = ex.b.drawTrace(append(out, '-'))
	if len(old) > 0 {
		out = append(append(out, ';'), old...)
	}
	return append(out, "\r\n"...)
}

// appendResponse writes the head that the client gets.
func (ex *exchange) appendResponse(out []byte, keep, dechunk bool) []byte {
	h := &ex.res
	out = append(out, "HTTP/1.1 "...)
	out = appendInt(out, h.status)
	out = append(append(append(out, ' '), h.reason...), "\r\n"...)
	app := false
	for i := range h.fields {
		f := &h.fields[i]
		switch f.kind {
		case kindConnection, kindHop:
			continue
		case kindUpgrade:
			if h.status != http.StatusSwitchingProtocols {
				continue
			}
		case kindEncoding:
			if dechunk {
				continue
			}
		case kindLength:
			if h.framing == bodyChunked {
				continue
			}
		case kindSetCookie:
			app = app || ex.g.cfg.Cookie == "app_cookie" && bytes.HasPrefix(f.value, []byte(ex.g.cfg.CookieName+"="))
		case kindPlain:
			if h.special && h.listed(f.name) {
				continue
			}
		default:
		}
		out = appendField(out, f.name, f.value)
	}
	out = ex.appendCookies(out, app)
	switch {
	case h.status == http.StatusSwitchingProtocols:
		out = append(out, "Connection: upgrade\r\n\r\n"...)
	case keep:
		out = append(out, "Connection: keep-alive\r\n\r\n"...)
	default:
		out = append(out, "Connection: close\r\n\r\n"...)
	}
	return out
}

// Names of the cookies that keep a client with its group and its target. Each
// has a twin for cross-origin requests.
const (
	cookieGroup  = "AWSALBTG"
	cookieTarget = "AWSALB"
	cookieApp    = "AWSALBAPP-0"
)

func (ex *exchange) appendCookies(out []byte, app bool) []byte {
	if ex.groupTok == "" && ex.g.cfg.Cookie == "" {
		return out
	}
	now := ex.b.deps.Clock.Now()
	if ex.groupTok != "" {
		out = ex.appendCookie(out, cookieGroup, ex.groupTok, now.Add(ex.stickFor))
	}
	switch {
	case ex.g.cfg.Cookie == "lb_cookie":
		out = ex.appendCookie(out, cookieTarget, ex.t.token, now.Add(ex.g.cfg.CookieFor))
	case app:
		out = ex.appendCookie(out, cookieApp, ex.t.token, now.Add(ex.g.cfg.CookieFor))
	}
	return out
}

func (ex *exchange) appendCookie(out []byte, name, value string, until time.Time) []byte {
	expires := until.UTC().Format(http.TimeFormat)
	out = append(out, "Set-Cookie: "+name+"="+value+"; Expires="+expires+"; Path=/\r\n"...)
	if name == cookieApp {
		return out
	}
	out = append(out, "Set-Cookie: "+name+"CORS="+value+"; Expires="+expires+"; Path=/; SameSite=None"...)
	if ex.secure {
		out = append(out, "; Secure"...)
	}
	return append(out, "\r\n"...)
}

// readCookies finds the stickiness cookies of a request.
func readCookies(h *head) (group, target, app string) {
	for _, f := range h.fields {
		if f.kind != kindCookie {
			continue
		}
		for one := range bytes.SplitSeq(f.value, []byte(";")) {
			k, v, _ := bytes.Cut(bytes.TrimSpace(one), []byte("="))
			switch string(k) {
			case cookieGroup, cookieGroup + "CORS":
				group = string(v)
			case cookieTarget, cookieTarget + "CORS":
				target = string(v)
			case cookieApp:
				app = string(v)
			}
		}
	}
	return group, target, app
}
