package http1

import "bytes"

// Chunks follows a chunked body through a stream of bytes and finds its end.
// The zero value stands before the first chunk.
type Chunks struct {
	state chunkState
	left  int64 // of the chunk's data
	line  int   // length of the current line
	size  int64 // of the size being read
	digit bool  // a digit of the size was seen
	quiet bool  // in the extension of a size line, or past a trailer line's start
	cr    bool  // the byte before was a carriage return
}

type chunkState uint8

const (
	inSize chunkState = iota
	inData
	inDataEnd
	inTrailer
	chunksDone
)

// Scan takes p and returns how many of its bytes belong to the body. Data
// bytes are handed to keep if it is not nil.
func (c *Chunks) Scan(p []byte, keep func([]byte)) (n int, done bool, err error) {
	for n < len(p) && c.state != chunksDone {
		switch c.state {
		case inData:
			take := int(min(c.left, int64(len(p)-n)))
			if keep != nil {
				keep(p[n : n+take])
			}
			c.left -= int64(take)
			n += take
			if c.left == 0 {
				c.state = inDataEnd
			}
		default:
			if err := c.byte(p[n]); err != nil {
				return n, false, err
			}
			n++
		}
	}
	return n, c.state == chunksDone, nil
}

func (c *Chunks) byte(b byte) error {
	c.line++
	if c.line > MaxLine {
		return ErrTooLong
	}
	switch c.state {
	case inSize:
		return c.sizeByte(b)
	case inDataEnd:
		if b != "\r\n"[(c.line-1)%2] || c.line > 2 {
			return ErrMalformed
		}
		if b == '\n' {
			*c = Chunks{}
		}
	case inTrailer:
		// The trailer ends with a line of nothing but CRLF.
		switch {
		case b == '\n' && !c.cr:
			return ErrMalformed
		case b == '\n' && !c.quiet:
			c.state = chunksDone
		case b == '\n':
			*c = Chunks{state: inTrailer}
		case c.cr:
			return ErrMalformed
		case b == '\r':
			c.cr = true
		default:
			c.quiet = true
		}
	default:
	}
	return nil
}

func (c *Chunks) sizeByte(b byte) error {
	// Bare line ends are refused: what we and the target took for the end of
	// a line must never differ.
	if (b == '\n') != c.cr {
		return ErrMalformed
	}
	if b == '\n' {
		if !c.digit {
			return ErrMalformed
		}
		if c.size == 0 {
			*c = Chunks{state: inTrailer}
			return nil
		}
		*c = Chunks{state: inData, left: c.size}
		return nil
	}
	if b == '\r' {
		c.cr = true
		return nil
	}
	if c.quiet {
		return nil
	}
	d := bytes.IndexByte([]byte("0123456789abcdef"), b|0x20)
	switch {
	case b == ';' || b == ' ' || b == '\t':
		c.quiet = true
	case d < 0 || (b < '0' || b > '9') && b < 'A':
		return ErrMalformed
	case c.size > 1<<50:
		return ErrMalformed
	default:
		c.size, c.digit = c.size<<4|int64(d), true
	}
	return nil
}
