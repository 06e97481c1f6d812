package balancer

import (
	"net/http"
	"strconv"
	"time"
)

// dateLine is a Date header, made once a second.
type dateLine struct {
	second int64
	text   string
}

func (b *Balancer) dateHeader(now time.Time) string {
	d := b.date.Load()
	if d == nil || d.second != now.Unix() {
		d = &dateLine{now.Unix(), "Date: " + now.UTC().Format(http.TimeFormat) + "\r\n"}
		b.date.Store(d)
	}
	return d.text
}

// statusTitle is the title of a page, in the words that ALB uses.
func statusTitle(code int) string {
	switch code {
	case 405:
		return "405 Not Allowed"
	case 408:
		return "408 Request Time-out"
	case 414:
		return "414 Request-URI Too Large"
	case 463:
		return "463"
	case 464:
		return "464"
	case 503:
		return "503 Service Temporarily Unavailable"
	case 504:
		return "504 Gateway Time-out"
	default:
		return strconv.Itoa(code) + " " + http.StatusText(code)
	}
}

func page(code int) string {
	t := statusTitle(code)
	return "<html>\r\n<head><title>" + t + "</title></head>\r\n<body>\r\n<center><h1>" + t + "</h1></center>\r\n</body>\r\n</html>\r\n"
}

// own is an answer of the load balancer's own.
type own struct {
	code        int
	contentType string
	location    string
	body        string
}

// appendTo writes the answer. A HEAD request gets no body.
func (o own) appendTo(out []byte, date string, keep, head bool) []byte {
	out = append(out, "HTTP/1.1 "...)
	out = strconv.AppendInt(out, int64(o.code), 10)
	out = append(out, ' ')
	out = append(out, http.StatusText(o.code)...)
	out = append(out, "\r\nServer: awselb/2.0\r\n"...)
	out = append(out, date...)
	if o.contentType != "" {
		out = append(append(append(out, "Content-Type: "...), o.contentType...), "\r\n"...)
	}
	out = append(out, "Content-Length: "...)
	out = strconv.AppendInt(out, int64(len(o.body)), 10)
	if o.location != "" {
		out = append(append(out, "\r\nLocation: "...), o.location...)
	}
	if keep {
		out = append(out, "\r\nConnection: keep-alive\r\n\r\n"...)
	} else {
		out = append(out, "\r\nConnection: close\r\n\r\n"...)
	}
	if head {
		return out
	}
	return append(out, o.body...)
}

func errorPage(code int) own { return own{code: code, contentType: "text/html", body: page(code)} }
