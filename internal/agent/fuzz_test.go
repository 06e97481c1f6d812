package agent_test

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"testing"

	"berth/internal/agent"
)

// FuzzLogLines holds that the lines of a container's log are read to their end
// whatever they are.
func FuzzLogLines(f *testing.F) {
	f.Add([]byte(`{"t":"2026-01-01T00:00:00Z","m":"hello"}`+"\n"), int64(0))
	f.Add([]byte("{\"t\":1}\n\nno JSON\n{\"m\":\"half"), int64(3))
	path := filepath.Join(f.TempDir(), "log")
	f.Fuzz(func(t *testing.T, b []byte, at int64) {
		if err := os.WriteFile(path, b, 0o600); err != nil {
			t.Fatal(err)
		}
		tail := agent.NewTail(path, max(at, 0))
		defer tail.Close()
		if _, err := tail.Lines(); err != nil {
			t.Fatal(err)
		}
		if more, err := tail.Lines(); err != nil || len(more) > 0 && len(b) < 1<<20 {
			t.Errorf("a second look finds %q, %v", more, err)
		}
	})
}

// FuzzMetadata holds that whatever a container asks of its task's metadata,
// the fault is never ours, and it gets no keys but its own.
func FuzzMetadata(f *testing.F) {
	f.Add("GET", "/v4/id/task")
	f.Add("GET", "/v3/id/stats")
	f.Add("GET", "/v2/credentials/id")
	f.Add("PUT", "//v4//task/stats")
	h := agent.NoTasks()
	f.Fuzz(func(t *testing.T, method, path string) {
		u, err := url.Parse(path)
		if err != nil {
			return
		}
		r := httptest.NewRequest(http.MethodGet, "/", nil)
		r.Method, r.URL = method, u
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		if w.Code < 400 || w.Code >= 500 {
			t.Errorf("%s %s: %d %s", method, path, w.Code, w.Body)
		}
	})
}
