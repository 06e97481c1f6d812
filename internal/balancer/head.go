package balancer

import (
	"bytes"
	"errors"
)

// Limits of a request that AWS documents (deployments facts 4.4).
const (
	maxLine     = 16 << 10
	maxRequest  = 64 << 10
	maxResponse = 32 << 10
)

var (
	errMalformed = errors.New("malformed message")
	errTooLong   = errors.New("line too long")
	errEncoding  = errors.New("unknown transfer encoding")
	errVersion   = errors.New("unknown version")
	errURITooBig = errors.New("request target too long")
)

// framing says how a body ends.
type framing uint8

const (
	bodyNone framing = iota
	bodyLength
	bodyChunked
	bodyUntilClose
)

// kind marks the fields that a proxy treats specially.
type kind uint8

const (
	kindPlain kind = iota
	kindHost
	kindConnection
	kindLength
	kindEncoding
	kindUpgrade
	kindExpect
	kindHop // other hop-by-hop fields
	kindForwardedFor
	kindForwardedProto
	kindForwardedPort
	kindTrace
	kindCookie
	kindSetCookie
	kindDropped
)

// field is one header field; both slices point into the read buffer.
type field struct {
	name, value []byte
	kind        kind
}

// head is a parsed request or response head. It is reused from message to
// message, and its slices are valid until the buffer is filled again.
type head struct {
	method, target, version []byte // of a request
	status                  int    // of a response
	reason                  []byte
	fields                  []field
	host                    []byte
	minor                   byte // HTTP/1.minor
	framing                 framing
	length                  int64
	keepAlive               bool
	upgrade                 bool
	expect                  bool
	ambiguous               bool // both a length and an encoding: close after it
	special                 bool // Connection names fields that must go
}

// headEnd finds the length of a head including its empty line, searching from
// the given offset; 0 if it is not complete.
func headEnd(b []byte, from int) int {
	if i := bytes.Index(b[max(0, from-3):], crlfcrlf); i >= 0 {
		return max(0, from-3) + i + 4
	}
	return 0
}

var crlfcrlf = []byte("\r\n\r\n")

func (h *head) reset() {
	f := h.fields[:0]
	*h = head{fields: f, length: -1}
}

// parseRequest reads a request head of exactly b.
func (h *head) parseRequest(b []byte) error {
	h.reset()
	line, rest, err := cutLine(b)
	if err != nil {
		return err
	}
	i := bytes.IndexByte(line, ' ')
	j := bytes.LastIndexByte(line, ' ')
	if i <= 0 || j <= i+1 {
		return errMalformed
	}
	h.method, h.target, h.version = line[:i], line[i+1:j], line[j+1:]
	if len(line) > maxLine {
		return errURITooBig
	}
	if !isToken(h.method) || !cleanTarget(h.target) {
		return errMalformed
	}
	if err := h.readVersion(h.version); err != nil {
		return err
	}
	if err := h.readFields(rest); err != nil {
		return err
	}
	return h.frameRequest()
}

// parseResponse reads a response head of exactly b, for a request with the
// given method.
func (h *head) parseResponse(b []byte, method []byte) error {
	h.reset()
	line, rest, err := cutLine(b)
	if err != nil {
		return err
	}
	if len(line) < 12 || line[8] != ' ' {
		return errMalformed
	}
	if err := h.readVersion(line[:8]); err != nil {
		return err
	}
	for _, c := range line[9:12] {
		if c < '0' || c > '9' {
			return errMalformed
		}
		h.status = h.status*10 + int(c-'0')
	}
	if len(line) > 12 {
		if line[12] != ' ' {
			return errMalformed
		}
		h.reason = line[13:]
	}
	if h.status < 100 {
		return errMalformed
	}
	if err := h.readFields(rest); err != nil {
		return err
	}
	return h.frameResponse(method)
}

func (h *head) readVersion(v []byte) error {
	if len(v) != 8 || string(v[:5]) != "HTTP/" || v[6] != '.' {
		return errMalformed
	}
	if v[5] != '1' || v[7] < '0' || v[7] > '1' {
		return errVersion
	}
	h.minor = v[7] - '0'
	h.keepAlive = h.minor == 1
	return nil
}

// cutLine takes one line without its CRLF.
func cutLine(b []byte) (line, rest []byte, err error) {
	i := bytes.IndexByte(b, '\n')
	if i < 1 || b[i-1] != '\r' {
		return nil, nil, errMalformed
	}
	return b[:i-1], b[i+1:], nil
}

func (h *head) readFields(b []byte) error {
	for {
		line, rest, err := cutLine(b)
		if err != nil {
			return err
		}
		if len(line) == 0 {
			return nil
		}
		if len(line) > maxLine {
			return errTooLong
		}
		i := bytes.IndexByte(line, ':')
		if i <= 0 || !isToken(line[:i]) {
			return errMalformed
		}
		f := field{name: line[:i], value: bytes.Trim(line[i+1:], " \t")}
		if bytes.IndexByte(f.value, 0) >= 0 || bytes.IndexByte(f.value, '\r') >= 0 {
			return errMalformed
		}
		f.kind = kindOf(f.name)
		h.fields = append(h.fields, f)
		if f.kind != kindPlain {
			if err := h.note(&h.fields[len(h.fields)-1]); err != nil {
				return err
			}
		}
		b = rest
	}
}

// note takes in what a special field says of the message.
func (h *head) note(f *field) error {
	switch f.kind {
	case kindHost:
		if h.host != nil {
			return errMalformed
		}
		h.host = f.value
	case kindConnection:
		h.connection(f.value)
	case kindLength:
		n, ok := parseLength(f.value)
		if !ok || h.length >= 0 && h.length != n {
			return errMalformed
		}
		h.length = n
	case kindEncoding:
		if !equalFold(f.value, "chunked") || h.framing == bodyChunked {
			return errEncoding
		}
		h.framing = bodyChunked
	case kindExpect:
		h.expect = equalFold(f.value, "100-continue")
	default:
	}
	return nil
}

func (h *head) connection(v []byte) {
	for len(v) > 0 {
		var one []byte
		if i := bytes.IndexByte(v, ','); i >= 0 {
			one, v = bytes.Trim(v[:i], " \t"), v[i+1:]
		} else {
			one, v = bytes.Trim(v, " \t"), nil
		}
		switch {
		case equalFold(one, "close"):
			h.keepAlive = false
		case equalFold(one, "keep-alive"):
			h.keepAlive = true
		case equalFold(one, "upgrade"):
			h.upgrade = true
		case len(one) > 0:
			h.special = true
		}
	}
}

// listed reports whether a Connection field names the field.
func (h *head) listed(name []byte) bool {
	for _, f := range h.fields {
		if f.kind != kindConnection {
			continue
		}
		for one := range bytes.SplitSeq(f.value, []byte(",")) {
			if bytes.EqualFold(bytes.Trim(one, " \t"), name) {
				return true
			}
		}
	}
	return false
}

func (h *head) frameRequest() error {
	switch {
	case h.framing == bodyChunked:
		if h.minor == 0 {
			return errMalformed
		}
		h.ambiguous = h.length >= 0
		h.length = -1
	case h.length > 0:
		h.framing = bodyLength
	}
	if h.upgrade {
		h.upgrade = h.find("upgrade") != nil
	}
	return nil
}

func (h *head) frameResponse(method []byte) error {
	switch {
	case h.status < 200 || h.status == 204 || h.status == 304 || string(method) == "HEAD":
		h.framing = bodyNone
	case h.framing == bodyChunked:
		h.ambiguous = h.length >= 0
		h.length = -1
	case h.length == 0:
		h.framing = bodyNone
	case h.length > 0:
		h.framing = bodyLength
	default:
		h.framing = bodyUntilClose
		h.keepAlive = false
	}
	return nil
}

// find returns the value of the first field with this lower-case name.
func (h *head) find(name string) []byte {
	for _, f := range h.fields {
		if equalFold(f.name, name) {
			return f.value
		}
	}
	return nil
}

func parseLength(b []byte) (int64, bool) {
	if len(b) == 0 || len(b) > 18 {
		return 0, false
	}
	var n int64
	for _, c := range b {
		if c < '0' || c > '9' {
			return 0, false
		}
		n = n*10 + int64(c-'0')
	}
	return n, true
}

// equalFold compares with a lower-case ASCII string.
func equalFold(b []byte, lower string) bool {
	if len(b) != len(lower) {
		return false
	}
	for i, c := range b {
		if c >= 'A' && c <= 'Z' {
			c += 'a' - 'A'
		}
		if c != lower[i] {
			return false
		}
	}
	return true
}

func kindOf(name []byte) kind {
	switch len(name) {
	case 2:
		return ifFold(name, "te", kindHop)
	case 4:
		return ifFold(name, "host", kindHost)
	case 6:
		if equalFold(name, "cookie") {
			return kindCookie
		}
		return ifFold(name, "expect", kindExpect)
	case 7:
		return ifFold(name, "upgrade", kindUpgrade)
	case 10:
		if equalFold(name, "connection") {
			return kindConnection
		}
		if equalFold(name, "keep-alive") {
			return kindHop
		}
		return ifFold(name, "set-cookie", kindSetCookie)
	case 14:
		return ifFold(name, "content-length", kindLength)
	case 15:
		if equalFold(name, "x-amzn-trace-id") {
			return kindTrace
		}
		return ifFold(name, "x-forwarded-for", kindForwardedFor)
	case 16:
		if equalFold(name, "x-forwarded-port") {
			return kindForwardedPort
		}
		return ifFold(name, "proxy-connection", kindHop)
	case 17:
		if equalFold(name, "transfer-encoding") {
			return kindEncoding
		}
		return ifFold(name, "x-forwarded-proto", kindForwardedProto)
	default:
		return kindPlain
	}
}

func ifFold(b []byte, lower string, k kind) kind {
	if equalFold(b, lower) {
		return k
	}
	return kindPlain
}

// tokenChars are the characters of a method or a field name (RFC 9110 5.6.2).
var tokenChars = func() (t [256]bool) {
	for _, c := range "!#$%&'*+-.^_`|~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz" {
		t[c] = true
	}
	return t
}()

func isToken(b []byte) bool {
	for _, c := range b {
		if !tokenChars[c] {
			return false
		}
	}
	return len(b) > 0
}

func cleanTarget(b []byte) bool {
	for _, c := range b {
		if c <= ' ' || c == 0x7f {
			return false
		}
	}
	return len(b) > 0
}

// plainName reports whether a field name is letters, digits and hyphens only,
// which is what ALB calls valid.
func plainName(b []byte) bool {
	for _, c := range b {
		if c != '-' && (c < '0' || c > '9') && (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') {
			return false
		}
	}
	return true
}
