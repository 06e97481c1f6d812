package balancer

// ParsedRequest is what the parser makes of a request, for fuzzing it against
// net/http.
type ParsedRequest struct {
	Method, Target, Host string
	Length               int64
	Chunked, Ambiguous   bool
	Size                 int // of the head
}

// ParseRequest reads the head at the beginning of b; ok is false if it is
// refused or not complete.
func ParseRequest(b []byte) (p ParsedRequest, ok bool) {
	n := headEnd(b, 0)
	var h head
	if n == 0 || h.parseRequest(b[:n]) != nil {
		return p, false
	}
	return ParsedRequest{
		Method: string(h.method), Target: string(h.target), Host: string(h.host), Length: h.length,
		Chunked: h.framing == bodyChunked, Ambiguous: h.ambiguous, Size: n,
	}, true
}

// Dechunk reads a chunked body in pieces of a size; it returns the data, how
// many bytes the body took, and whether it ended.
func Dechunk(b []byte, piece int) (data []byte, size int, done bool, err error) {
	var c chunks
	for size < len(b) && !done && err == nil {
		var n int
		n, done, err = c.scan(b[size:min(size+max(piece, 1), len(b))], func(p []byte) { data = append(data, p...) })
		size += n
	}
	return data, size, done, err
}

// ParseResponse reports whether a response head is taken.
func ParseResponse(b []byte) bool {
	n := headEnd(b, 0)
	var h head
	return n > 0 && h.parseResponse(b[:n], []byte("GET")) == nil
}

// Glob matches a pattern with * and ?.
func Glob(pattern, s string) bool { return glob(pattern, s) }
