package http1

import (
	"bytes"
	"net/http"
	"net/netip"
)

// Forwarding is what a load balancer says to a target about a request and
// whoever sent it.
type Forwarding struct {
	// ForwardedFor says what becomes of X-Forwarded-For: append, preserve or
	// remove.
	ForwardedFor string
	// ClientPort adds the client's port to X-Forwarded-For.
	ClientPort bool
	// PreserveHost leaves the Host header as the client sent it.
	PreserveHost bool
	// DropInvalid removes fields with names that are not letters, digits and
	// hyphens.
	DropInvalid bool
	Secure      bool // the client speaks TLS
	Port        int  // of the listener
	Client      netip.AddrPort
	Local       netip.Addr // that the client connected to
	// Second and Trace make a trace id.
	Second uint32
	Trace  [24]byte // hexadecimal digits

	// Dropped says that AppendRequest has removed an invalid field.
	Dropped bool
}

// AppendRequest writes the head that the target gets.
func (w *Forwarding) AppendRequest(out []byte, h *Head) []byte {
	out = append(append(append(append(out, h.Method...), ' '), h.Target...), " HTTP/1.1\r\n"...)
	out = w.appendForwardedFor(out, h)
	if w.Secure {
		out = append(out, "X-Forwarded-Proto: https\r\nX-Forwarded-Port: "...)
	} else {
		out = append(out, "X-Forwarded-Proto: http\r\nX-Forwarded-Port: "...)
	}
	out = appendInt(out, w.Port)
	out = append(out, "\r\nHost: "...)
	out = w.appendHost(out, h)
	out = append(out, "\r\n"...)
	out = w.appendTrace(out, h)
	out = w.appendFields(out, h)
	if h.Upgrade {
		out = append(out, "Connection: Upgrade\r\n"...)
	}
	return append(out, "\r\n"...)
}

// appendFields writes the client's fields but those that are the proxy's own.
func (w *Forwarding) appendFields(out []byte, h *Head) []byte {
	length, chunked := false, false
	for i := range h.Fields {
		f := &h.Fields[i]
		switch f.Kind {
		case KindPlain:
			if h.special && h.listed(f.Name) {
				continue
			}
			if w.DropInvalid && !plainName(f.Name) {
				w.Dropped = true
				continue
			}
		case KindCookie, KindExpect:
		case KindLength:
			if h.Framing == Chunked || length {
				continue
			}
			length = true
		case KindEncoding:
			if chunked {
				continue
			}
			chunked = true
		case KindUpgrade:
			if !h.Upgrade {
				continue
			}
		default:
			continue
		}
		out = appendField(out, f.Name, f.Value)
	}
	return out
}

func appendField(out, name, value []byte) []byte {
	out = append(out, name...)
	out = append(out, ": "...)
	out = append(out, value...)
	return append(out, "\r\n"...)
}

func (w *Forwarding) appendForwardedFor(out []byte, h *Head) []byte {
	if w.ForwardedFor == "remove" {
		return out
	}
	had := false
	for i := range h.Fields {
		f := &h.Fields[i]
		if f.Kind != KindForwardedFor {
			continue
		}
		if !had {
			out = append(out, "X-Forwarded-For: "...)
		} else {
			out = append(out, ", "...)
		}
		had = true
		out = append(out, f.Value...)
	}
	if w.ForwardedFor == "preserve" {
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
	if a := w.Client.Addr(); a.IsValid() {
		out = a.AppendTo(out)
	}
	if w.ClientPort {
		out = appendInt(append(out, ':'), int(w.Client.Port()))
	}
	return append(out, "\r\n"...)
}

// appendHost writes the client's Host, with the listener's port where that is
// not the usual one, unless the header is to be preserved.
func (w *Forwarding) appendHost(out []byte, h *Head) []byte {
	host := h.Host
	if len(host) == 0 {
		host = w.Local.AppendTo(nil)
	}
	out = append(out, host...)
	if w.PreserveHost || w.Port == 80 || w.Port == 443 || len(host) == 0 {
		return out
	}
	if i := bytes.LastIndexByte(host, ':'); i >= 0 && host[len(host)-1] != ']' {
		return out
	}
	return appendInt(append(out, ':'), w.Port)
}

// appendTrace adds X-Amzn-Trace-Id: Root if there is none, else Self before
// what is there.
func (w *Forwarding) appendTrace(out []byte, h *Head) []byte {
	var old []byte
	for i := range h.Fields {
		if h.Fields[i].Kind == KindTrace {
			old = h.Fields[i].Value
		}
	}
	word := "X-Amzn-Trace-Id: Root=1-"
	if bytes.Contains(old, []byte("Root=")) {
		word = "X-Amzn-Trace-Id: Self=1-"
	}
	out = append(out, word...)
	for shift := 28; shift >= 0; shift -= 4 {
		out = append(out, "0123456789abcdef"[w.Second>>shift&15])
	}
	out = append(append(out, '-'), w.Trace[:]...)
	if len(old) > 0 {
		out = append(append(out, ';'), old...)
	}
	return append(out, "\r\n"...)
}

// Hops counts the addresses in the X-Forwarded-For fields.
func (h *Head) Hops() int {
	n := 0
	for i := range h.Fields {
		if h.Fields[i].Kind == KindForwardedFor {
			n += bytes.Count(h.Fields[i].Value, []byte(",")) + 1
		}
	}
	return n
}

// AppendResponse writes the head that the client gets, without the Connection
// field and the empty line. dechunk is for a client that knows no chunks.
func (h *Head) AppendResponse(out []byte, dechunk bool) []byte {
	out = append(out, "HTTP/1.1 "...)
	out = appendInt(out, h.Status)
	out = append(append(append(out, ' '), h.Reason...), "\r\n"...)
	length := false
	for i := range h.Fields {
		f := &h.Fields[i]
		switch f.Kind {
		case KindConnection, KindHop:
			continue
		case KindUpgrade:
			if h.Status != http.StatusSwitchingProtocols {
				continue
			}
		case KindEncoding:
			if dechunk {
				continue
			}
		case KindLength:
			if h.Framing == Chunked || length {
				continue
			}
			length = true
		case KindPlain:
			if h.special && h.listed(f.Name) {
				continue
			}
		default:
		}
		out = appendField(out, f.Name, f.Value)
	}
	return out
}
