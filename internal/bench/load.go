package main

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"strconv"
	"sync/atomic"
	"time"
)

// target answers every request with the same KiB, as cheaply as it can. It
// takes a head to arrive in one piece, as those that ask here send it.
func target(ctx context.Context) (address string, stop func(), err error) {
	l, err := (&net.ListenConfig{}).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return "", nil, err
	}
	answer := fmt.Appendf(nil, "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 1024\r\n\r\n%01024d", 0)
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer c.Close()
				buf := make([]byte, 8192)
				for {
					if n, err := c.Read(buf); err != nil || !bytes.HasSuffix(buf[:n], []byte("\r\n\r\n")) {
						return
					}
					if _, err := c.Write(answer); err != nil {
						return
					}
				}
			}()
		}
	}()
	return l.Addr().String(), func() { _ = l.Close() }, nil
}

// ask sends the requests in turn, again and again, over several connections
// that it keeps, and counts the answers with status 200.
func ask(ctx context.Context, address string, requests [][]byte, conns int, d time.Duration) (int64, error) {
	ctx, cancel := context.WithTimeout(ctx, d)
	defer cancel()
	var done atomic.Int64
	errs := make(chan error, conns)
	for range conns {
		go func() { errs <- askOver(ctx, address, requests, &done) }()
	}
	var err error
	for range conns {
		if e := <-errs; e != nil {
			err = e
		}
	}
	return done.Load(), err
}

func askOver(ctx context.Context, address string, requests [][]byte, done *atomic.Int64) error {
	c, err := (&net.Dialer{}).DialContext(ctx, "tcp", address)
	if err != nil {
		return err
	}
	defer c.Close()
	br := bufio.NewReaderSize(c, 8192)
	for ctx.Err() == nil {
		if _, err := c.Write(requests[done.Load()%int64(len(requests))]); err != nil {
			return err
		}
		if err := answer(br); err != nil {
			return err
		}
		done.Add(1)
	}
	return nil
}

// answer reads one answer of known length.
func answer(br *bufio.Reader) error {
	status, err := br.ReadSlice('\n')
	if err != nil {
		return err
	}
	ok, said := bytes.Contains(status, []byte(" 200")), string(bytes.TrimSpace(status))
	length := int64(-1)
	for {
		line, err := br.ReadSlice('\n')
		if err != nil {
			return err
		}
		if len(line) <= 2 {
			break
		}
		if k, v, found := bytes.Cut(line, []byte(":")); found && bytes.EqualFold(k, []byte("Content-Length")) {
			if length, err = strconv.ParseInt(string(bytes.TrimSpace(v)), 10, 64); err != nil {
				return err
			}
		}
	}
	if length < 0 {
		return fmt.Errorf("an answer without a length: %s", said)
	}
	if !ok {
		b, _ := io.ReadAll(io.LimitReader(br, length))
		return fmt.Errorf("%s: %s", said, b)
	}
	_, err = io.CopyN(io.Discard, br, length)
	return err
}
