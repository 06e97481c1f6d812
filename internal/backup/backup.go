// Package backup is the form of a backup: a file with the records and files of a
// data folder, compressed, with a number for its form and checksums. It knows
// nothing of what they mean.
//
// A backup is a line that says what it is, a tar in one zstd frame, and a line
// with the SHA-256 of all before it. Of the tar the first entry is the Header;
// then come sets of pairs, in pieces of about a MiB, and files. It is written
// from beginning to end, so that it can be sent while it is made, and read with
// little memory however long it is. What is read may come from anywhere: it is
// refused before the first pair is handed on if it was cut or changed.
package backup

import (
	"archive/tar"
	"crypto/sha256"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"hash"
	"io"
	"path"
	"time"

	"github.com/klauspost/compress/zstd"

	"berth/internal/fault"
)

// Format is the number of the form that is written.
const Format = 1

// lead and tail are the lines around the tar.
const (
	lead = "berth backup %d\n"
	tail = "end of backup, sha256 %064x\n"
)

// Sizes in bytes: of a piece of pairs, of the longest one that is read, and of
// the window that the tar is compressed in.
const (
	piece    = 1 << 20
	maxPiece = 64 << 20
	window   = 4 << 20
)

// Header says what a backup is of.
type Header struct {
	Version  string    `json:"version"` // of the berth that wrote it
	At       time.Time `json:"at"`
	Region   string    `json:"region"`
	Account  string    `json:"account"`
	State    int       `json:"stateFormat"`
	Revision int64     `json:"revision"` // of the state
}

const (
	headerName = "header.json"
	pairsDir   = "pairs/"
	filesDir   = "files/"
)

// Writer writes one backup. It is not safe for concurrent use.
type Writer struct {
	out  io.Writer
	sum  hash.Hash
	zip  *zstd.Encoder
	tar  *tar.Writer
	made int // pieces
}

// NewWriter begins a backup.
func NewWriter(out io.Writer, h Header) (*Writer, error) {
	w := &Writer{out: out, sum: sha256.New()}
	both := io.MultiWriter(out, w.sum)
	if _, err := fmt.Fprintf(both, lead, Format); err != nil {
		return nil, err
	}
	var err error
	if w.zip, err = zstd.NewWriter(both, zstd.WithEncoderConcurrency(1), zstd.WithWindowSize(window), zstd.WithEncoderCRC(true)); err != nil {
		return nil, err
	}
	w.tar = tar.NewWriter(w.zip)
	text, err := json.Marshal(h)
	if err != nil {
		return nil, err
	}
	return w, w.entry(headerName, text)
}

func (w *Writer) entry(name string, body []byte) error {
	if err := w.tar.WriteHeader(&tar.Header{Name: name, Size: int64(len(body)), Mode: 0o600, Format: tar.FormatPAX}); err != nil {
		return err
	}
	_, err := w.tar.Write(body)
	return err
}

// Pairs adds a set of pairs, which all puts one after the other.
func (w *Writer) Pairs(set string, all func(put func(key, value []byte) error) error) error {
	var buf []byte
	flush := func() error {
		if len(buf) == 0 {
			return nil
		}
		w.made++
		err := w.entry(fmt.Sprintf("%s%s/%08d", pairsDir, set, w.made), buf)
		buf = buf[:0]
		return err
	}
	err := all(func(key, value []byte) error {
		if len(key)+len(value) > maxPiece/2 {
			return fault.New(fault.Invalid, "", "a record of %s has %d bytes", set, len(value))
		}
		buf = appendPart(appendPart(buf, key), value)
		if len(buf) < piece {
			return nil
		}
		return flush()
	})
	if err != nil {
		return err
	}
	return flush()
}

func appendPart(b, part []byte) []byte {
	return append(binary.AppendUvarint(b, uint64(len(part))), part...)
}

// File adds a file of that many bytes.
func (w *Writer) File(name string, size int64, body io.Reader) error {
	if !sound(name) {
		return fault.New(fault.Invalid, "", "%q is no name for a file of a backup", name)
	}
	if err := w.tar.WriteHeader(&tar.Header{Name: filesDir + name, Size: size, Mode: 0o600, Format: tar.FormatPAX}); err != nil {
		return err
	}
	_, err := io.CopyN(w.tar, body, size)
	return err
}

// Close ends the backup. One that was not closed is none.
func (w *Writer) Close() error {
	if err := w.tar.Close(); err != nil {
		return err
	}
	if err := w.zip.Close(); err != nil {
		return err
	}
	_, err := fmt.Fprintf(w.out, tail, w.sum.Sum(nil))
	return err
}

// Abandon lets go of what a backup that is not to be closed holds.
func (w *Writer) Abandon() { w.zip.Reset(io.Discard); _ = w.zip.Close() }

// sound names lead to a place below a folder.
func sound(name string) bool {
	return name != "" && len(name) < 4096 && path.IsAbs("/"+name) && path.Clean("/"+name) == "/"+name
}
