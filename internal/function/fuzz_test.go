package function

import (
	"bytes"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// FuzzRuntimeAPI holds that whatever the code of a function asks of its
// runtime, at most its own call is answered, once, and the fault is never ours.
func FuzzRuntimeAPI(f *testing.F) {
	f.Add("POST", "/2018-06-01/runtime/invocation/id/response", "", []byte("{}"))
	f.Add("POST", "/2018-06-01/runtime/invocation/id/error", "Runtime.Error", []byte(`{"errorType":"E"}`))
	f.Add("POST", "/2018-06-01/runtime/init/error", "", []byte("x"))
	f.Add("GET", "/2018-06-01/runtime/invocation/next", "", []byte{})
	f.Add("GET", "/2018-06-01/extension/register", "", []byte{})
	f.Fuzz(func(t *testing.T, method, path, kind string, body []byte) {
		u, err := url.Parse(path)
		if err != nil {
			return
		}
		a, c := newRuntimeAPI(), &call{id: "id", done: make(chan answer, 1)}
		a.work <- c
		next := httptest.NewRequest(http.MethodGet, apiBase+"invocation/next", nil)
		a.ServeHTTP(httptest.NewRecorder(), next)
		for range 2 {
			a.work = make(chan *call, 1)
			a.work <- c // so that a runtime that asks again does not wait
			r := httptest.NewRequest(http.MethodPost, "/", bytes.NewReader(body))
			r.Method, r.URL = method, u
			r.Header.Set("Lambda-Runtime-Function-Error-Type", kind)
			w := httptest.NewRecorder()
			a.ServeHTTP(w, r)
			if w.Code >= 500 {
				t.Errorf("%s %s: %d %s", method, path, w.Code, w.Body)
			}
		}
		_ = kindOf(body)
		if len(c.done) > 0 && !strings.Contains(u.Path, "/id/") {
			t.Errorf("%s %s answers the call", method, path)
		}
	})
}

// FuzzOutput holds that a function's output is read whole whatever it is, and
// that no line has a mark in it that ends a call.
func FuzzOutput(f *testing.F) {
	f.Add([]byte(`{"m":"hello"}` + "\n" + `{"m":"` + mark + `id"}` + "\n"))
	f.Add([]byte("no JSON\n{\"m\":1}\n\n{"))
	path := filepath.Join(f.TempDir(), "log")
	f.Fuzz(func(t *testing.T, b []byte) {
		if err := os.WriteFile(path, b, 0o600); err != nil {
			t.Fatal(err)
		}
		o := newOutput(path)
		defer o.close()
		for _, line := range o.lines() {
			if strings.Contains(line, mark) {
				t.Errorf("%q has a mark", line)
			}
		}
		if len(o.marks) > maxMarks {
			t.Errorf("%d marks are kept", len(o.marks))
		}
	})
}

// Marks that no call of ours has are not kept: a function may write as many as
// it likes.
func TestAFunctionsMarksAreBounded(t *testing.T) {
	path := filepath.Join(t.TempDir(), "log")
	var b bytes.Buffer
	for i := range 10 * maxMarks {
		fmt.Fprintf(&b, "{\"m\":\"\\u001e%d\"}\n", i)
	}
	b.WriteString("{\"m\":\"\\u001emine\"}\n{\"m\":\"\\u001emine\"}\n")
	if err := os.WriteFile(path, b.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
	o := newOutput(path)
	defer o.close()
	o.lines()
	if n := len(o.marks); n > maxMarks || !o.complete("mine") || len(o.marks) > 0 {
		t.Errorf("%d marks are kept, and %d of calls before one that is complete", n, len(o.marks))
	}
}
