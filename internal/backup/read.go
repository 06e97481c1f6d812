package backup

import (
	"archive/tar"
	"crypto/sha256"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"path"
	"strings"

	"github.com/klauspost/compress/zstd"

	"berth/internal/fault"
)

// Backup is a file that was looked at and is whole.
type Backup struct {
	r    io.ReaderAt
	from int64 // of the compressed tar
	to   int64
	// Header says what it is of.
	Header Header
}

// Sink is handed what a backup has, in its order. Bytes are only valid during
// the call.
type Sink struct {
	Pair func(set string, key, value []byte) error
	File func(name string, size int64, body io.Reader) error
	// Progress, if set, is told how much of the backup was read, again and again.
	Progress func(done, total int64)
}

// Open looks whether a file is a whole backup that this berth reads. The error
// is fault.Invalid and says what is wrong.
func Open(r io.ReaderAt, size int64, progress func(done, total int64)) (*Backup, error) {
	first := make([]byte, len("berth backup 1000000\n"))
	n, err := r.ReadAt(first, 0)
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, err
	}
	line, _, ok := strings.Cut(string(first[:n]), "\n")
	var format int
	if _, err := fmt.Sscanf(line+"\n", lead, &format); err != nil || !ok || fmt.Sprintf(lead, format) != line+"\n" {
		return nil, fault.New(fault.Invalid, "", "it is no backup of Berth, or its first bytes were changed")
	}
	if format > Format || format < 1 {
		return nil, fault.New(
			fault.Invalid, "", "it has format %d and this berth reads formats up to %d: take the berth that wrote it or a newer one", format, Format,
		)
	}
	b := &Backup{r: r, from: int64(len(line) + 1), to: size - int64(len(fmt.Sprintf(tail, 0)))}
	if err := b.check(size, progress); err != nil {
		return nil, err
	}
	err = b.each(Sink{}, func(h Header) error {
		b.Header = h
		return errEnough
	})
	if !errors.Is(err, errEnough) {
		return nil, errors.Join(fault.New(fault.Invalid, "", "it has no header"), err)
	}
	return b, nil
}

// check holds the whole file against its last line.
func (b *Backup) check(size int64, progress func(done, total int64)) error {
	cut := fault.New(fault.Invalid, "", "it was cut, or its end was changed: the last line with its checksum is missing after %d bytes", size)
	if b.to < b.from {
		return cut
	}
	last := make([]byte, size-b.to)
	if _, err := b.r.ReadAt(last, b.to); err != nil && !errors.Is(err, io.EOF) {
		return err
	}
	var want []byte
	if _, err := fmt.Sscanf(string(last), "end of backup, sha256 %x\n", &want); err != nil || fmt.Sprintf(tail, want) != string(last) {
		return cut
	}
	sum := sha256.New()
	if _, err := io.Copy(sum, told(io.NewSectionReader(b.r, 0, b.to), b.to, progress)); err != nil {
		return err
	}
	if string(sum.Sum(nil)) == string(want) {
		return nil
	}
	return fault.New(fault.Invalid, "", "it was changed: its checksum is %x and should be %x%s", sum.Sum(nil), want, b.where())
}

// where says which part of a changed backup no longer reads.
func (b *Backup) where() string {
	at := "its header"
	err := b.each(Sink{
		Pair: func(set string, _, _ []byte) error { at = set; return nil },
		File: func(name string, _ int64, body io.Reader) error {
			at = name
			_, err := io.Copy(io.Discard, body)
			return err
		},
	}, func(Header) error { return nil })
	if err == nil {
		return ""
	}
	return fmt.Sprintf(" (in or after %s: %v)", at, err)
}

// told has progress told of what is read.
func told(r io.Reader, total int64, progress func(done, total int64)) io.Reader {
	if progress == nil {
		return r
	}
	return &counted{r: r, total: total, progress: progress}
}

type counted struct {
	r           io.Reader
	done, total int64
	progress    func(done, total int64)
}

// Read implements io.Reader.
func (c *counted) Read(p []byte) (int, error) {
	n, err := c.r.Read(p)
	c.done += int64(n)
	c.progress(c.done, c.total)
	return n, err
}

var errEnough = errors.New("enough")

// Read hands on all that the backup has.
func (b *Backup) Read(s Sink) error { return b.each(s, func(Header) error { return nil }) }

func (b *Backup) each(s Sink, header func(Header) error) error {
	z, err := zstd.NewReader(
		told(io.NewSectionReader(b.r, b.from, b.to-b.from), b.to-b.from, s.Progress), zstd.WithDecoderConcurrency(1),
		zstd.WithDecoderMaxWindow(window), zstd.WithDecoderLowmem(true),
	)
	if err != nil {
		return err
	}
	defer z.Close()
	t := tar.NewReader(z)
	for n := 0; ; n++ {
		h, err := t.Next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err == nil {
			err = entry(t, h, n == 0, s, header)
		}
		if err != nil {
			return err
		}
	}
}

// entry reads one entry of the tar; the first is the header.
func entry(t *tar.Reader, h *tar.Header, first bool, s Sink, header func(Header) error) error {
	set, pairs := strings.CutPrefix(h.Name, pairsDir)
	file, isFile := strings.CutPrefix(h.Name, filesDir)
	switch {
	case h.Typeflag != tar.TypeReg:
		return fault.New(fault.Invalid, "", "%q is no file", h.Name)
	case first != (h.Name == headerName):
		return fault.New(fault.Invalid, "", "it does not begin with its header")
	case first:
		var v Header
		if err := json.NewDecoder(io.LimitReader(t, piece)).Decode(&v); err != nil {
			return fault.Wrap(fault.Invalid, err, "its header cannot be read")
		}
		return header(v)
	case pairs:
		return eachPair(t, h.Size, path.Dir(set), s)
	case isFile && sound(file):
		return s.File(file, h.Size, t)
	default:
		return fault.New(fault.Invalid, "", "%q is no part of a backup", h.Name)
	}
}

func eachPair(r io.Reader, size int64, set string, s Sink) error {
	if size > maxPiece {
		return fault.New(fault.Invalid, "", "a piece of %s has %d bytes", set, size)
	}
	buf, err := io.ReadAll(r)
	for err == nil && len(buf) > 0 {
		var key, value []byte
		if key, buf, err = part(buf); err == nil {
			value, buf, err = part(buf)
		}
		if err == nil {
			err = s.Pair(set, key, value)
		}
	}
	return err
}

func part(b []byte) (value, rest []byte, err error) {
	n, used := binary.Uvarint(b)
	if used <= 0 || n > uint64(len(b)-used) {
		return nil, nil, fault.New(fault.Invalid, "", "a record is longer than its piece")
	}
	b = b[used:]
	return b[:n], b[n:], nil
}
