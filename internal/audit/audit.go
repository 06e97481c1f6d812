// Package audit keeps who called what: a record of each call in CloudTrail's
// shape, one a line, in files of a folder of its own. The newest files are kept,
// the oldest is removed when there are too many, so that the log never takes more
// than its share of the disk. What a caller passed and got is kept as CloudTrail
// keeps it, cut to a size; secrets are not in it.
//
// It owns its folder. All methods are safe for concurrent use, and what was
// appended survives the process.
package audit

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"berth/internal/ident"
)

// Event is a call.
type Event struct {
	ID, RequestID   string
	At              time.Time
	Source, Name    string // ecs.amazonaws.com, RunTask
	Region, Account string
	Principal       ident.Principal
	AccessKey       string
	From, Agent     string
	Code, Message   string // of a refusal
	ReadOnly        bool
	Resources       []string // ARNs
	Parameters      map[string]any
	// Answer is what a call returned that changes something; nil: none.
	Answer map[string]any
	// By is the AWS service that called for the principal, as
	// cloudformation.amazonaws.com; "": it called itself.
	By string
}

// Record is an event in CloudTrail's shape.
type Record struct {
	Version           string         `json:"eventVersion"`
	User              Identity       `json:"userIdentity"`
	Time              time.Time      `json:"eventTime"`
	Source            string         `json:"eventSource"`
	Name              string         `json:"eventName"`
	Region            string         `json:"awsRegion"`
	SourceIP          string         `json:"sourceIPAddress"`
	Agent             string         `json:"userAgent"`
	Code              string         `json:"errorCode,omitempty"`
	Message           string         `json:"errorMessage,omitempty"`
	RequestParameters map[string]any `json:"requestParameters"`
	ResponseElements  map[string]any `json:"responseElements"`
	RequestID         string         `json:"requestID"`
	EventID           string         `json:"eventID"`
	ReadOnly          bool           `json:"readOnly"`
	Resources         []Resource     `json:"resources,omitempty"`
	Type              string         `json:"eventType"`
	Management        bool           `json:"managementEvent"`
	Recipient         string         `json:"recipientAccountId"`
	Category          string         `json:"eventCategory"`
}

// Identity is who called.
type Identity struct {
	Type        string `json:"type"`
	PrincipalID string `json:"principalId,omitempty"`
	ARN         string `json:"arn"`
	Account     string `json:"accountId"`
	AccessKey   string `json:"accessKeyId,omitempty"`
	UserName    string `json:"userName,omitempty"`
	InvokedBy   string `json:"invokedBy,omitempty"`
}

// Resource is what a call was about.
type Resource struct {
	ARN     string `json:"ARN"`
	Account string `json:"accountId"`
}

// Limits of the log: the bytes of a file, and how many are kept.
const (
	mostBytes = 8 << 20
	mostFiles = 8
)

// mostText is how much of a text of the caller's is kept.
const mostText = 256

// Log is the audit log of a folder.
type Log struct {
	dir   string
	mu    sync.Mutex
	file  *os.File
	size  int64
	last  string   // the sum of the newest line
	torn  bool     // a line was not written to its end
	names []string // of all files, oldest first
	most  int64
}

// Open opens the log of a folder, or makes one. A line that a killed process left
// unfinished is ended.
func Open(dir string) (*Log, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("audit log: %w", err)
	}
	names, err := filepath.Glob(filepath.Join(dir, "*.jsonl"))
	if err != nil {
		return nil, fmt.Errorf("audit log: %w", err)
	}
	slices.Sort(names)
	l := &Log{dir: dir, names: names, most: mostBytes}
	if len(names) == 0 {
		return l, l.rotate()
	}
	return l, l.resume(names[len(names)-1])
}

func (l *Log) resume(name string) (err error) {
	if l.file, err = os.OpenFile(name, os.O_WRONLY|os.O_APPEND, 0o600); err != nil {
		return fmt.Errorf("audit log: %w", err)
	}
	b, err := os.ReadFile(name)
	if err == nil && len(b) > 0 && b[len(b)-1] != '\n' {
		_, err = l.file.WriteString("\n")
	}
	l.size, l.last = int64(len(b))+1, lastSum(b)
	if err != nil {
		return fmt.Errorf("audit log: %w", err)
	}
	return nil
}

// rotate begins a new file, and removes the oldest if there are too many.
func (l *Log) rotate() error {
	next := 1
	if n := len(l.names); n > 0 {
		if _, err := fmt.Sscanf(filepath.Base(l.names[n-1]), "%d.jsonl", &next); err != nil {
			return fmt.Errorf("audit log: %s: %w", l.names[n-1], err)
		}
		next++
	}
	name := filepath.Join(l.dir, nameOf(next))
	f, err := os.OpenFile(name, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		return fmt.Errorf("audit log: %w", err)
	}
	if l.file != nil {
		err = l.file.Close()
	}
	l.file, l.size, l.names = f, 0, append(l.names, name)
	for len(l.names) > mostFiles {
		err = errors.Join(err, os.Remove(l.names[0]))
		l.names = l.names[1:]
	}
	return err
}

// Append writes an event.
func (l *Log) Append(e Event) error {
	b, err := json.Marshal(e.record())
	if err != nil {
		return fmt.Errorf("audit log: %w", err)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.size+int64(len(b)) > l.most {
		if err := l.rotate(); err != nil {
			return err
		}
	}
	sum := sumAfter(l.last, b)
	line := slices.Concat([]byte(sum+" "), b, []byte{'\n'})
	if l.torn {
		line = slices.Concat([]byte{'\n'}, line)
	}
	n, err := l.file.Write(line)
	l.size += int64(n)
	if l.torn = l.torn || n > 0; err != nil {
		return fmt.Errorf("audit log: %w", err)
	}
	l.last, l.torn = sum, false
	return nil
}

// Close closes the log.
func (l *Log) Close() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.file.Close()
}

// record is the event in CloudTrail's shape.
func (e Event) record() Record {
	r := Record{
		Version: "1.11", User: e.identity(), Time: e.At.UTC().Truncate(time.Second), Source: e.Source, Name: e.Name, Region: e.Region,
		SourceIP: e.From, Agent: cut(e.Agent), Code: e.Code, Message: cut(e.Message), RequestParameters: shown(e.Parameters, requests),
		RequestID: e.RequestID, EventID: e.ID, ReadOnly: e.ReadOnly, Type: "AwsApiCall", Management: true,
		Recipient: e.Account, Category: "Management",
	}
	if !e.ReadOnly && e.Code == "" {
		r.ResponseElements = shown(e.Answer, answers)
	}
	if e.By != "" {
		r.SourceIP, r.Agent = e.By, e.By
	}
	for _, arn := range e.Resources {
		if a, ok := ident.ParseARN(arn); ok {
			r.Resources = append(r.Resources, Resource{ARN: cut(arn), Account: a.Account})
		}
	}
	return r
}

func (e Event) identity() Identity {
	id := Identity{Type: "AssumedRole", ARN: e.Principal.ARN, Account: e.Principal.Account, AccessKey: e.AccessKey, InvokedBy: e.By}
	switch user := e.Principal.UserName(); {
	case e.Principal.Root:
		id.Type, id.PrincipalID = "Root", e.Principal.Account
	case user != "":
		id.Type, id.UserName = "IAMUser", user
	}
	return id
}

func cut(s string) string {
	if len(s) > mostText {
		return strings.ToValidUTF8(s[:mostText], "") + "…"
	}
	return s
}

// Lookup gives events to see, the newest first, until it returns false.
func (l *Log) Lookup(see func(r Record, line string) bool) error {
	l.mu.Lock()
	names := slices.Clone(l.names)
	l.mu.Unlock()
	for _, name := range slices.Backward(names) {
		b, err := os.ReadFile(name)
		if errors.Is(err, os.ErrNotExist) { // it was the oldest
			return nil
		}
		if err != nil {
			return fmt.Errorf("audit log: %w", err)
		}
		for _, line := range slices.Backward(bytes.Split(b, []byte{'\n'})) {
			var r Record
			_, line = split(line)
			if json.Unmarshal(line, &r) == nil && r.EventID != "" && !see(r, string(line)) {
				return nil
			}
		}
	}
	return nil
}
