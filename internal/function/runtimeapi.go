package function

import (
	"encoding/json"
	"io"
	"net/http"
	"strconv"
	"strings"
	"sync"
)

// maxPayload is Lambda's limit for a synchronous answer.
const maxPayload = 6<<20 + 100

// runtimeAPI is the HTTP service that one environment's runtime asks for
// work. It holds one call at a time.
type runtimeAPI struct {
	work  chan *call
	ready chan struct{} // closed when the runtime first asks for work
	// initFailed hears of a runtime that could not load the function.
	initFailed chan []byte

	once sync.Once
	mu   sync.Mutex
	now  *call
}

// call is one invocation under way.
type call struct {
	id, arn, context, trace string
	payload                 []byte
	deadline                int64 // milliseconds since 1970
	done                    chan answer
}

// answer is what the runtime said.
type answer struct {
	payload []byte
	failed  bool
	kind    string // error type
}

func newRuntimeAPI() *runtimeAPI {
	return &runtimeAPI{work: make(chan *call, 1), ready: make(chan struct{}), initFailed: make(chan []byte, 1)}
}

const apiBase = "/2018-06-01/runtime/"

// ServeHTTP answers one request of the runtime.
func (a *runtimeAPI) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	rest, ok := strings.CutPrefix(r.URL.Path, apiBase)
	parts := strings.Split(rest, "/")
	switch {
	case !ok:
		refuse(w, http.StatusNotFound, "InvalidPath", "no such path")
	case r.Method == http.MethodGet && rest == "invocation/next":
		a.next(w, r)
	case r.Method == http.MethodPost && rest == "init/error":
		body, _ := io.ReadAll(io.LimitReader(r.Body, maxPayload))
		select {
		case a.initFailed <- body:
		default:
		}
		accept(w)
	case r.Method == http.MethodPost && len(parts) == 3 && parts[0] == "invocation" && parts[2] == "response":
		a.finish(w, r, parts[1], false)
	case r.Method == http.MethodPost && len(parts) == 3 && parts[0] == "invocation" && parts[2] == "error":
		a.finish(w, r, parts[1], true)
	default:
		refuse(w, http.StatusNotFound, "InvalidPath", "no such path")
	}
}

func (a *runtimeAPI) next(w http.ResponseWriter, r *http.Request) {
	a.once.Do(func() { close(a.ready) })
	var c *call
	select {
	case c = <-a.work:
	case <-r.Context().Done():
		return
	}
	a.mu.Lock()
	a.now = c
	a.mu.Unlock()
	h := w.Header()
	h.Set("Content-Type", "application/json")
	h.Set("Lambda-Runtime-Aws-Request-Id", c.id)
	h.Set("Lambda-Runtime-Deadline-Ms", strconv.FormatInt(c.deadline, 10))
	h.Set("Lambda-Runtime-Invoked-Function-Arn", c.arn)
	if c.trace != "" {
		h.Set("Lambda-Runtime-Trace-Id", c.trace)
	}
	if c.context != "" {
		h.Set("Lambda-Runtime-Client-Context", c.context)
	}
	_, _ = w.Write(c.payload)
}

func (a *runtimeAPI) finish(w http.ResponseWriter, r *http.Request, id string, failed bool) {
	body, err := io.ReadAll(io.LimitReader(r.Body, maxPayload+1))
	a.mu.Lock()
	c := a.now
	if c == nil || c.id != id {
		a.mu.Unlock()
		refuse(w, http.StatusBadRequest, "InvalidRequestID", "Invalid request ID")
		return
	}
	a.now = nil
	a.mu.Unlock()
	switch {
	case err != nil:
		c.done <- answer{payload: errorPayload("Runtime.ClientError", err.Error()), failed: true, kind: "Runtime.ClientError"}
		refuse(w, http.StatusBadRequest, "InvalidPayload", "the body could not be read")
	case len(body) > maxPayload:
		c.done <- answer{
			payload: errorPayload("Function.ResponseSizeTooLarge", "Response payload size exceeded maximum allowed payload size (6291556 bytes)."),
			failed:  true, kind: "Function.ResponseSizeTooLarge",
		}
		refuse(w, http.StatusRequestEntityTooLarge, "RequestEntityTooLarge", "Exceeded maximum allowed payload size (6291556 bytes).")
	default:
		c.done <- answer{payload: body, failed: failed, kind: r.Header.Get("Lambda-Runtime-Function-Error-Type")}
		accept(w)
	}
}

func accept(w http.ResponseWriter) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(http.StatusAccepted)
	_, _ = io.WriteString(w, `{"status":"OK"}`)
}

func refuse(w http.ResponseWriter, status int, kind, message string) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_, _ = w.Write(errorPayload(kind, message))
}

// errorPayload is how Lambda writes an error of its own.
func errorPayload(kind, message string) []byte {
	body, err := json.Marshal(struct {
		ErrorType    string `json:"errorType"`
		ErrorMessage string `json:"errorMessage"`
	}{kind, message})
	if err != nil {
		return []byte(`{"errorType":"` + kind + `"}`)
	}
	return body
}
