package userland

import (
	"bytes"
	"compress/gzip"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"mime"
	"mime/multipart"
	"mime/quotedprintable"
	"net/mail"
	"net/textproto"
	"strings"
)

// part is one piece of user data.
type part struct {
	name    string // of its file, part-001
	kind    string // text/x-shellscript, text/cloud-boothook, or what else cloud-init knows
	content []byte
}

// The kinds that are run; cloud-init runs the second before all others.
const (
	kindScript   = "text/x-shellscript"
	kindBoothook = "text/cloud-boothook"
	kindUnknown  = "text/x-not-multipart"
)

// starts are the first characters by which cloud-init knows a kind.
var starts = []struct{ text, kind string }{
	{"#!", kindScript},
	{"#cloud-boothook", kindBoothook},
	{"#cloud-config-archive", "text/cloud-config-archive"},
	{"#cloud-config-jsonp", "text/cloud-config-jsonp"},
	{"#cloud-config", "text/cloud-config"},
	{"#include-once", "text/x-include-once-url"},
	{"#include", "text/x-include-url"},
	{"#part-handler", "text/part-handler"},
	{"#upstart-job", "text/upstart-job"},
	{"## template: jinja", "text/jinja2"},
}

// mostData bounds user data that are unpacked, and mostParts their number.
const (
	mostData  = 8 << 20
	mostParts = 100
	mostDepth = 8
)

// parse takes user data apart as cloud-init does: gzip, MIME archives with
// archives in them, and single texts that say by their beginning what they are.
func parse(data []byte) ([]part, error) {
	p := &parser{}
	if err := p.add("", data, 0); err != nil {
		return nil, err
	}
	return p.parts, nil
}

type parser struct {
	parts []part
	size  int
}

// add takes one piece in, of the kind that its archive says, if any.
func (p *parser) add(kind string, data []byte, depth int) error {
	if depth > mostDepth || len(p.parts) >= mostParts {
		return fmt.Errorf("user data have more than %d parts, or are nested more than %d times", mostParts, mostDepth)
	}
	data, err := gunzip(data, mostData-p.size)
	if err != nil {
		return err
	}
	if strings.HasPrefix(kind, "multipart/") || kind == "" && isArchive(data) {
		return p.archive(data, depth)
	}
	if kind == "" || kind == "text/plain" {
		kind = kindOf(data)
	}
	p.size += len(data)
	p.parts = append(p.parts, part{fmt.Sprintf("part-%03d", len(p.parts)+1), kind, data})
	return nil
}

func gunzip(data []byte, most int) ([]byte, error) {
	if !bytes.HasPrefix(data, []byte{0x1f, 0x8b}) {
		return data, nil
	}
	z, err := gzip.NewReader(bytes.NewReader(data))
	if err != nil {
		return nil, fmt.Errorf("read gzip in user data: %w", err)
	}
	out, err := io.ReadAll(io.LimitReader(z, int64(most)+1))
	if err == nil && len(out) > most {
		err = fmt.Errorf("user data unpack to more than %d bytes", mostData)
	}
	return out, err
}

func isArchive(data []byte) bool {
	head, _, _ := strings.Cut(strings.TrimLeft(string(data[:min(len(data), 512)]), "\r\n"), "\n")
	name, _, ok := strings.Cut(head, ":")
	return ok && (strings.EqualFold(name, "content-type") || strings.EqualFold(name, "mime-version"))
}

func kindOf(data []byte) string {
	text := string(bytes.TrimLeft(data[:min(len(data), 512)], " \t\r\n"))
	for _, s := range starts {
		if strings.HasPrefix(text, s.text) {
			return s.kind
		}
	}
	return kindUnknown
}

// archive reads a MIME message.
func (p *parser) archive(data []byte, depth int) error {
	m, err := mail.ReadMessage(bytes.NewReader(bytes.TrimLeft(data, "\r\n")))
	if err != nil {
		return fmt.Errorf("read the MIME message of user data: %w", err)
	}
	kind, values, err := mime.ParseMediaType(m.Header.Get("Content-Type"))
	if err != nil || !strings.HasPrefix(kind, "multipart/") {
		body, err := decoded(textproto.MIMEHeader(m.Header), m.Body)
		if err != nil {
			return err
		}
		return p.add(single(kind), body, depth+1)
	}
	r := multipart.NewReader(m.Body, values["boundary"])
	for {
		next, err := r.NextRawPart()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("read the MIME message of user data: %w", err)
		}
		if err := p.piece(next, depth+1); err != nil {
			return err
		}
	}
}

// single is the kind of a message that is no archive.
func single(kind string) string {
	if kind == "" {
		return "text/plain"
	}
	return kind
}

func (p *parser) piece(m *multipart.Part, depth int) error {
	kind, _, err := mime.ParseMediaType(m.Header.Get("Content-Type"))
	if err != nil {
		kind = "text/plain"
	}
	body, err := decoded(m.Header, m)
	if err != nil {
		return err
	}
	if strings.HasPrefix(kind, "multipart/") { // its headers are those of the archive in it
		body = append([]byte("Content-Type: "+m.Header.Get("Content-Type")+"\r\n\r\n"), body...)
	}
	return p.add(kind, body, depth)
}

// decoded reads a body in the encoding that its header names.
func decoded(h textproto.MIMEHeader, body io.Reader) ([]byte, error) {
	switch strings.ToLower(strings.TrimSpace(h.Get("Content-Transfer-Encoding"))) {
	case "base64":
		body = base64.NewDecoder(base64.StdEncoding, body)
	case "quoted-printable":
		body = quotedprintable.NewReader(body)
	}
	out, err := io.ReadAll(io.LimitReader(body, mostData))
	if err != nil {
		return nil, fmt.Errorf("decode a part of user data: %w", err)
	}
	return out, nil
}
