package http1

import (
	"errors"
	"net/http"
	"strconv"
)

// Refusal is the status that answers a head which could not be parsed; 0 if
// the error is none of this package's.
func Refusal(err error) int {
	switch {
	case errors.Is(err, ErrTargetTooLong):
		return http.StatusRequestURITooLong
	case errors.Is(err, ErrEncoding):
		return http.StatusNotImplemented
	case errors.Is(err, ErrVersion):
		return http.StatusHTTPVersionNotSupported
	case errors.Is(err, ErrMalformed), errors.Is(err, ErrTooLong):
		return http.StatusBadRequest
	default:
		return 0
	}
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

// Page is the HTML that a load balancer shows with a status.
func Page(code int) string {
	t := statusTitle(code)
	return "<html>\r\n<head><title>" + t + "</title></head>\r\n<body>\r\n<center><h1>" + t + "</h1></center>\r\n</body>\r\n</html>\r\n"
}

// Answer is an answer of the load balancer's own.
type Answer struct {
	Code        int
	ContentType string
	Location    string
	Body        string
}

// ErrorPage is the answer that shows a status.
func ErrorPage(code int) Answer {
	return Answer{Code: code, ContentType: "text/html", Body: Page(code)}
}

// AppendTo writes the answer with a whole Date line. A HEAD request gets no
// body.
func (a Answer) AppendTo(out []byte, date string, keep, head bool) []byte {
	out = append(out, "HTTP/1.1 "...)
	out = appendInt(out, a.Code)
	out = append(out, ' ')
	out = append(out, http.StatusText(a.Code)...)
	out = append(out, "\r\nServer: awselb/2.0\r\n"...)
	out = append(out, date...)
	if a.ContentType != "" {
		out = append(append(append(out, "Content-Type: "...), a.ContentType...), "\r\n"...)
	}
	out = append(out, "Content-Length: "...)
	out = appendInt(out, len(a.Body))
	if a.Location != "" {
		out = append(append(out, "\r\nLocation: "...), a.Location...)
	}
	out = AppendConnection(append(out, "\r\n"...), keep)
	if head {
		return out
	}
	return append(out, a.Body...)
}

// AppendConnection ends a response head: it says whether the connection may
// carry another request.
func AppendConnection(out []byte, keep bool) []byte {
	if keep {
		return append(out, "Connection: keep-alive\r\n\r\n"...)
	}
	return append(out, "Connection: close\r\n\r\n"...)
}

func appendInt(b []byte, n int) []byte { return strconv.AppendInt(b, int64(n), 10) }
