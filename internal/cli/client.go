package cli

import (
	"bytes"
	"context"
	"encoding/json"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"berth/internal/fault"
)

// client speaks the AWS APIs of a Berth server, as any other client would.
type client struct {
	base   string // http://127.0.0.1:4566
	region string
	now    health // as it was when the server was found
	http   *http.Client
}

// service says how one AWS service is spoken to.
type service struct {
	signing, version, target, jsonVersion string
	bare                                  bool // its answers have no frame
}

var services = map[string]service{
	"ecs":            {signing: "ecs", target: "AmazonEC2ContainerServiceV20141113", jsonVersion: "1.1"},
	"logs":           {signing: "logs", target: "Logs_20140328", jsonVersion: "1.1"},
	"cloudformation": {signing: "cloudformation", version: "2010-05-15"},
	"elbv2":          {signing: "elasticloadbalancing", version: "2015-12-01"},
	"sts":            {signing: "sts", version: "2011-06-15"},
	"ec2":            {signing: "ec2", version: "2016-11-15", bare: true},
}

// call makes one AWS call. Answers are maps of member names, lists and strings
// (query services answer strings only).
func (c *client) call(ctx context.Context, svc, op string, in map[string]any) (map[string]any, error) {
	s, ok := services[svc]
	if !ok {
		return nil, fmt.Errorf("no client for service %s", svc)
	}
	var body []byte
	h := http.Header{}
	if s.target != "" {
		b, err := json.Marshal(in)
		if err != nil {
			return nil, err
		}
		body = b
		h.Set("Content-Type", "application/x-amz-json-"+s.jsonVersion)
		h.Set("X-Amz-Target", s.target+"."+op)
	} else {
		v := url.Values{"Action": {op}, "Version": {s.version}}
		flatten(v, "", in)
		body = []byte(v.Encode())
		h.Set("Content-Type", "application/x-www-form-urlencoded; charset=utf-8")
	}
	h.Set("X-Amz-Date", "20260101T000000Z")
	// The server is on loopback and takes any credentials; the scope tells
	// the service and the Region.
	h.Set(
		"Authorization",
		fmt.Sprintf("AWS4-HMAC-SHA256 Credential=berth/20260101/%s/%s/aws4_request, SignedHeaders=host, Signature=0", c.region, s.signing),
	)
	res, err := c.do(ctx, http.MethodPost, "/", h, body)
	if err != nil {
		return nil, err
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	if err != nil {
		return nil, err
	}
	if s.target != "" {
		out := map[string]any{}
		d := json.NewDecoder(bytes.NewReader(b))
		d.UseNumber()
		if err := d.Decode(&out); err != nil && len(b) > 0 {
			return nil, fmt.Errorf("%s %s: %s: %s", svc, op, res.Status, b)
		}
		if res.StatusCode >= 300 {
			code := str(out, "__type")
			return nil, fault.New(fault.Invalid, code[strings.LastIndexByte(code, '#')+1:], "%s", first(str(out, "message"), str(out, "Message")))
		}
		return out, nil
	}
	out, err := parseXML(b)
	if err != nil {
		return nil, fmt.Errorf("%s %s: %s: %s", svc, op, res.Status, b)
	}
	if res.StatusCode >= 300 {
		e := sub(out, "Error")
		if s.bare {
			e = sub(sub(out, "Errors"), "Error")
		}
		return nil, fault.New(fault.Invalid, str(e, "Code"), "%s", str(e, "Message"))
	}
	if s.bare {
		return out, nil
	}
	return sub(out, op+"Result"), nil
}

func (c *client) do(ctx context.Context, method, path string, h http.Header, body []byte) (*http.Response, error) {
	req, err := http.NewRequestWithContext(ctx, method, c.base+path, bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	for k, v := range h {
		req.Header[k] = v
	}
	res, err := c.http.Do(req)
	if err != nil && ctx.Err() == nil && c.region != "" { // it did answer before
		return nil, fmt.Errorf("the server at %s is gone: %w\n  what it ran goes on; `berth server` takes it up again", c.base, err)
	}
	return res, err
}

// SessionFile is where in its data folder a server writes the token that calls
// of SessionHeader carry which change something beside AWS's APIs.
const (
	SessionFile   = "session"
	SessionHeader = "Berth-Session"
)

// errAnswer is an answer that says no.
var errAnswer = errors.New("")

// own calls one of Berth's own paths and decodes its JSON answer.
func (c *client) own(ctx context.Context, method, path string, in, out any) error {
	res, err := c.send(ctx, method, path, in)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	if err != nil {
		return err
	}
	if res.StatusCode >= 300 {
		return fmt.Errorf("%s%w", strings.TrimSpace(string(b)), errAnswer)
	}
	if out == nil {
		return nil
	}
	return json.Unmarshal(b, out)
}

// send calls one of Berth's own paths, with the session's token where something
// is changed.
func (c *client) send(ctx context.Context, method, path string, in any) (*http.Response, error) {
	var body []byte
	if in != nil {
		b, err := json.Marshal(in)
		if err != nil {
			return nil, err
		}
		body = b
	}
	h := http.Header{"Content-Type": {"application/json"}}
	if method != http.MethodGet {
		token, err := os.ReadFile(filepath.Join(c.now.Data, SessionFile))
		if errors.Is(err, os.ErrPermission) {
			return nil, fmt.Errorf("the server in %s runs as another user, who alone may do this\n  try it with sudo", c.now.Data)
		}
		h.Set(SessionHeader, strings.TrimSpace(string(token))) // without one the server says what it wants
	}
	return c.do(ctx, method, path, h, body)
}

// health asks whether a server answers.
type health struct {
	Status  string    `json:"status"`
	Region  string    `json:"region"`
	Account string    `json:"account"`
	Data    string    `json:"data"`
	Version string    `json:"version"`
	PID     int       `json:"pid"`
	Now     time.Time `json:"now"`
	Speed   float64   `json:"speed"`
	// Lacks are sentences about what the host cannot keep apart.
	Lacks []string `json:"lacks"`
	// Internet says what leaves this machine: off, images or on.
	Internet string `json:"internet"`
}

func (c *client) health(ctx context.Context) (health, error) {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	var h health
	err := c.own(ctx, http.MethodGet, "/_berth/health", nil, &h)
	return h, err
}

// flatten writes a value in the form of the query protocol.
func flatten(v url.Values, prefix string, x any) {
	switch x := x.(type) {
	case map[string]any:
		for k, y := range x {
			if prefix != "" {
				k = prefix + "." + k
			}
			flatten(v, k, y)
		}
	case []any:
		for i, y := range x {
			flatten(v, prefix+".member."+strconv.Itoa(i+1), y)
		}
	case []string:
		for i, y := range x {
			v.Set(prefix+".member."+strconv.Itoa(i+1), y)
		}
	case nil:
	default:
		v.Set(prefix, fmt.Sprint(x))
	}
}

// parseXML turns an answer of the query protocol into maps, lists and strings.
func parseXML(b []byte) (map[string]any, error) {
	d := xml.NewDecoder(bytes.NewReader(b))
	for {
		tok, err := d.Token()
		if err != nil {
			return nil, err
		}
		if s, ok := tok.(xml.StartElement); ok {
			v, err := element(d, s)
			if err != nil {
				return nil, err
			}
			m, _ := v.(map[string]any)
			return m, nil
		}
	}
}

func element(d *xml.Decoder, start xml.StartElement) (any, error) {
	m := map[string]any{}
	var list []any
	var text strings.Builder
	for {
		tok, err := d.Token()
		if err != nil {
			return nil, err
		}
		switch t := tok.(type) {
		case xml.CharData:
			text.Write(t)
		case xml.StartElement:
			v, err := element(d, t)
			if err != nil {
				return nil, err
			}
			if t.Name.Local == "member" {
				list = append(list, v)
			} else {
				m[t.Name.Local] = v
			}
		case xml.EndElement:
			switch {
			case t.Name != start.Name:
				return nil, errors.New("unbalanced answer")
			case list != nil:
				return list, nil
			case len(m) > 0:
				return m, nil
			default:
				return strings.TrimSpace(text.String()), nil
			}
		}
	}
}

func sub(m map[string]any, key string) map[string]any {
	v, _ := m[key].(map[string]any)
	return v
}

func list(m map[string]any, key string) []map[string]any {
	l, _ := m[key].([]any)
	var out []map[string]any
	for _, x := range l {
		if y, ok := x.(map[string]any); ok {
			out = append(out, y)
		}
	}
	return out
}

func strs(m map[string]any, key string) []string {
	l, _ := m[key].([]any)
	var out []string
	for _, x := range l {
		out = append(out, fmt.Sprint(x))
	}
	return out
}

func str(m map[string]any, key string) string {
	switch v := m[key].(type) {
	case nil:
		return ""
	case string:
		return v
	default:
		return fmt.Sprint(v)
	}
}

func num(m map[string]any, key string) int {
	f, _ := strconv.ParseFloat(str(m, key), 64)
	return int(f)
}

func first(ss ...string) string {
	if i := slices.IndexFunc(ss, func(s string) bool { return s != "" }); i >= 0 {
		return ss[i]
	}
	return ""
}
