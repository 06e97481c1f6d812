package front

import (
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"berth/internal/fault"
)

// Guard keeps the pages that a user's browser shows from calling a listener
// that takes every caller for the account's root. A browser says which page a
// request is from (Origin, Sec-Fetch-Site), and a page whose own name was made
// to lead here has that name as Host. Clients that are no browsers send none
// of these and the Host that they were told to call.
type Guard struct {
	// Hosts are names of this machine beside localhost and its addresses.
	Hosts []string
	// Origins are those of pages that may call, as browsers write them:
	// http://localhost:3000.
	Origins []string
}

// awsNames end the names of AWS's own endpoints, which lead here where a user
// says so, and which nobody else can make to.
var awsNames = []string{".amazonaws.com", ".amazonaws.com.cn", ".api.aws"}

// check refuses a request that is a page's. The text says what to do about it.
func (g *Guard) check(r *http.Request) error {
	if g == nil {
		return nil
	}
	if !g.named(hostOf(r.Host)) && !cameTo(r, hostOf(r.Host)) {
		return fault.New(
			fault.Denied, "AccessDenied", "Host %.100q is not this server's: call it as localhost or 127.0.0.1, or start it with --allow-host NAME", r.Host,
		)
	}
	origin := r.Header.Get("Origin")
	if slices.Contains(g.Origins, origin) && origin != "" {
		return nil
	}
	site := r.Header.Get("Sec-Fetch-Site")
	if origin != "" && !sameOrigin(origin, r) || site != "" && site != "same-origin" && site != "none" {
		return fault.New(
			fault.Denied, "AccessDenied",
			"Pages of other sites (origin %.100q) may not call this server: start it with --allow-origin ORIGIN for those that may", origin,
		)
	}
	return nil
}

// named reports whether a name is one that this machine is called by.
func (g *Guard) named(host string) bool {
	host = strings.ToLower(strings.TrimSuffix(host, "."))
	if ip := net.ParseIP(strings.Trim(host, "[]")); ip != nil && ip.IsLoopback() {
		return true
	}
	ends := func(end string) bool { return strings.HasSuffix(host, end) }
	return host == "" || host == "localhost" || ends(".localhost") || slices.ContainsFunc(awsNames, ends) || slices.Contains(g.Hosts, host)
}

// cameTo reports whether a host is the address that the request came to, which
// no page can make its own name's.
func cameTo(r *http.Request, host string) bool {
	local, ok := r.Context().Value(http.LocalAddrContextKey).(net.Addr)
	return ok && host != "" && hostOf(local.String()) == strings.Trim(host, "[]")
}

// hostOf is a Host header or an address without its port.
func hostOf(header string) string {
	if h, _, err := net.SplitHostPort(header); err == nil {
		return h
	}
	return header
}

func sameOrigin(origin string, r *http.Request) bool {
	u, err := url.Parse(origin)
	return err == nil && u.Host != "" && strings.EqualFold(u.Host, r.Host)
}

// allow tells the browser of a page that may call that it may, and answers the
// question that it asks before (CORS preflight). It reports whether that was
// all.
func (g *Guard) allow(w http.ResponseWriter, r *http.Request) bool {
	origin := r.Header.Get("Origin")
	if g == nil || origin == "" || !slices.Contains(g.Origins, origin) {
		return false
	}
	h := w.Header()
	h.Set("Access-Control-Allow-Origin", origin)
	h.Add("Vary", "Origin")
	h.Set("Access-Control-Expose-Headers", "*, x-amzn-RequestId, x-amzn-ErrorType")
	if r.Method != http.MethodOptions || r.Header.Get("Access-Control-Request-Method") == "" {
		return false
	}
	h.Set("Access-Control-Allow-Methods", "GET, HEAD, POST, PUT, PATCH, DELETE")
	h.Set("Access-Control-Allow-Headers", r.Header.Get("Access-Control-Request-Headers"))
	w.WriteHeader(http.StatusNoContent)
	return true
}
