package function_test

import (
	"archive/zip"
	"bytes"
	"context"
	"strings"
	"sync"
	"testing"

	"berth/internal/function"
	"berth/internal/model"
)

// logs keeps what was logged.
type logs struct {
	mu     sync.Mutex
	events []string
	group  string
}

func (l *logs) Append(_ context.Context, _ model.Function, group, _ string, events []function.LogEvent) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.group = group
	for _, e := range events {
		l.events = append(l.events, e.Message)
	}
	return nil
}

func (l *logs) text() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return strings.Join(l.events, "\n")
}

type identity struct{}

func (identity) Credentials(context.Context, model.Function) (function.Credentials, error) {
	return function.Credentials{AccessKeyID: "ASIAX", Secret: "s", Token: "t"}, nil
}

// pack makes a deployment package.
func pack(t *testing.T, files map[string]string) []byte {
	t.Helper()
	var buf bytes.Buffer
	w := zip.NewWriter(&buf)
	for name, text := range files {
		h := &zip.FileHeader{Name: name, Method: zip.Deflate}
		if name == "bootstrap" {
			h.SetMode(0o755)
		}
		f, err := w.CreateHeader(h)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := f.Write([]byte(text)); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return buf.Bytes()
}

func contains(t *testing.T, what, text string, wants ...string) {
	t.Helper()
	for _, w := range wants {
		if !strings.Contains(text, w) {
			t.Errorf("%s lacks %q:\n%s", what, w, text)
		}
	}
}
