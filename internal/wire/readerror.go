package wire

import (
	"bytes"
	"encoding/json"
	"encoding/xml"
	"net/http"
	"strings"

	"berth/internal/fault"
)

// DecodeError reads an error answer of any protocol: what a client of ours
// got back.
func DecodeError(status int, header http.Header, body []byte) *fault.Error {
	out := &fault.Error{Class: statusClass(status), Code: shortCode(header.Get("x-amzn-ErrorType")), Message: http.StatusText(status)}
	switch {
	case bytes.HasPrefix(bytes.TrimSpace(body), []byte("<")):
		readXMLError(body, out)
	case header.Get("Content-Type") == "application/cbor":
		var m map[string]any
		if cborDec.Unmarshal(body, &m) == nil {
			readMapError(m, out)
		}
	default:
		var m map[string]any
		if json.Unmarshal(body, &m) == nil {
			readMapError(m, out)
		}
	}
	return out
}

func readMapError(m map[string]any, out *fault.Error) {
	if t, ok := m["__type"].(string); ok {
		out.Code = shortCode(t)
	}
	for _, k := range []string{"message", "Message", "errorMessage"} {
		if t, ok := m[k].(string); ok {
			out.Message = t
		}
	}
}

func readXMLError(body []byte, out *fault.Error) {
	var x struct {
		Code    string `xml:"Code"`
		Message string `xml:"Message"`
		Error   struct {
			Code    string `xml:"Code"`
			Message string `xml:"Message"`
		} `xml:"Error"`
		Errors struct {
			Error struct {
				Code    string `xml:"Code"`
				Message string `xml:"Message"`
			} `xml:"Error"`
		} `xml:"Errors"`
	}
	if xml.Unmarshal(body, &x) != nil {
		return
	}
	for _, c := range [][2]string{{x.Code, x.Message}, {x.Error.Code, x.Error.Message}, {x.Errors.Error.Code, x.Errors.Error.Message}} {
		if c[0] != "" {
			out.Code, out.Message = c[0], c[1]
		}
	}
}

// shortCode drops a namespace before and an address after an error's name.
func shortCode(s string) string {
	s, _, _ = strings.Cut(s, ":")
	return s[strings.LastIndexByte(s, '#')+1:]
}

func statusClass(status int) fault.Class {
	switch status {
	case http.StatusNotFound:
		return fault.NotFound
	case http.StatusForbidden, http.StatusUnauthorized:
		return fault.Denied
	case http.StatusConflict:
		return fault.Conflict
	case http.StatusTooManyRequests:
		return fault.Throttled
	case http.StatusNotImplemented:
		return fault.NotImplemented
	case http.StatusServiceUnavailable, http.StatusBadGateway, http.StatusGatewayTimeout:
		return fault.Unavailable
	}
	if status >= http.StatusInternalServerError {
		return fault.Internal
	}
	return fault.Invalid
}
