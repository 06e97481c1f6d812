package balancer

import (
	"bytes"
	"net/http"
	"time"

	"berth/internal/balancer/http1"
)

// Names of the cookies that keep a client with its group and its target. Each
// has a twin for cross-origin requests.
const (
	cookieGroup  = "AWSALBTG"
	cookieTarget = "AWSALB"
	cookieApp    = "AWSALBAPP-0"
)

func (ex *exchange) appendCookies(out []byte) []byte {
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
	case ex.setsAppCookie():
		out = ex.appendCookie(out, cookieApp, ex.t.token, now.Add(ex.g.cfg.CookieFor))
	}
	return out
}

// setsAppCookie reports whether the target has set the application's cookie
// that stickiness follows.
func (ex *exchange) setsAppCookie() bool {
	if ex.g.cfg.Cookie != "app_cookie" {
		return false
	}
	for i := range ex.res.Fields {
		f := &ex.res.Fields[i]
		if f.Kind == http1.KindSetCookie && bytes.HasPrefix(f.Value, []byte(ex.g.cfg.CookieName+"=")) {
			return true
		}
	}
	return false
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
func readCookies(h *http1.Head) (group, target, app string) {
	for _, f := range h.Fields {
		if f.Kind != http1.KindCookie {
			continue
		}
		for one := range bytes.SplitSeq(f.Value, []byte(";")) {
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
