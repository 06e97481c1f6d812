package mirror

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"io/fs"
	"net/http"
	"strconv"
	"strings"

	"berth/internal/fault"
	"berth/internal/ident"
	"berth/internal/lang/reference"
	"berth/internal/registry"
)

// Registry is the parameter of a request's address that says whose image it is
// for, as containerd's mirrors have it.
const Registry = registry.Namespace

// requested reads whose image a request of the distribution API is for, and
// what of it: "manifests" or "blobs"; other parts are "".
func requested(r *http.Request) (ref reference.Ref, what, id string, err error) {
	path := strings.TrimPrefix(r.URL.Path, "/v2/")
	name := path
	for _, w := range []string{"manifests", "blobs"} {
		if i := strings.LastIndex(path, "/"+w+"/"); i >= 0 {
			name, what, id = path[:i], w, path[i+len(w)+2:]
			break
		}
	}
	text := r.URL.Query().Get(Registry) + "/" + name
	switch {
	case what == "manifests" && !strings.Contains(id, ":"):
		text += ":" + id
	case what == "manifests":
		text += "@" + id
	}
	ref, err = reference.Parse(text)
	return ref, what, id, err
}

// Repository is whose image a request is for, REGISTRY/REPOSITORY; "" if it is
// for none.
func Repository(r *http.Request) string {
	ref, what, _, err := requested(r)
	if err != nil || what == "" {
		return ""
	}
	return ref.Name()
}

// ServeHTTP answers an agent's pull. Who may ask was found out before.
func (m *Mirror) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		fail(w, http.StatusMethodNotAllowed, "UNSUPPORTED", "The operation is unsupported.")
		return
	}
	if r.URL.Path == "/v2/" || r.URL.Path == "/v2" {
		w.WriteHeader(http.StatusOK)
		return
	}
	ref, what, id, err := requested(r)
	login, unread := loginOf(r)
	switch err = errors.Join(err, unread); {
	case err != nil:
		fail(w, http.StatusBadRequest, "NAME_INVALID", fault.MessageOf(err))
	case what == "manifests":
		m.serveManifest(w, r, m.wants(ref, login))
	case what == "blobs":
		m.serveBlob(w, r, m.wants(ref, login), id)
	default:
		fail(w, http.StatusNotFound, "UNSUPPORTED", "The operation is unsupported.")
	}
}

func (m *Mirror) serveManifest(w http.ResponseWriter, r *http.Request, ref wanted) {
	got, err := m.manifest(r.Context(), ref)
	if err != nil {
		m.failWith(w, err)
		return
	}
	h := w.Header()
	h.Set("Content-Type", got.MediaType)
	h.Set("Docker-Content-Digest", got.Digest)
	h.Set("Content-Length", strconv.Itoa(len(got.Body)))
	w.WriteHeader(http.StatusOK)
	if r.Method == http.MethodGet {
		_, _ = w.Write(got.Body) // the agent may have gone
	}
}

// serveBlob answers at once, and sends the blob when it is here whole: a
// large one takes longer than an agent waits for an answer's head.
func (m *Mirror) serveBlob(w http.ResponseWriter, r *http.Request, ref wanted, digest string) {
	part, err := m.part(ref, digest)
	if own := (wanted{Ref: ref.Ref}); err != nil && ref.whose != "" {
		ref = own
		part, err = m.part(ref, digest)
	}
	if err != nil {
		m.failWith(w, err)
		return
	}
	h := w.Header()
	h.Set("Content-Type", "application/octet-stream")
	h.Set("Docker-Content-Digest", digest)
	h.Set("Content-Length", strconv.FormatInt(part.Size, 10))
	w.WriteHeader(http.StatusOK)
	if r.Method == http.MethodHead {
		return
	}
	_ = http.NewResponseController(w).Flush() // a writer that cannot is not waited for
	if err := m.sendBlob(r.Context(), w, ref, part); err != nil {
		if !errors.Is(err, errGone) {
			m.Log.Warn("a layer cannot be served", "image", ref.Name(), "digest", digest, "error", err)
		}
		panic(http.ErrAbortHandler) // the head is sent: only a broken connection says so
	}
}

func (m *Mirror) sendBlob(ctx context.Context, w io.Writer, ref wanted, part registry.Named) error {
	if err := m.blob(ctx, ref, part); err != nil {
		return err
	}
	f, _, err := m.store.Blob(repo(ref), part.Digest)
	if err != nil {
		return err
	}
	defer func() { _ = f.Close() }()
	_, err = io.Copy(w, f)
	if read := new(fs.PathError); err != nil && !errors.As(err, &read) {
		return errGone
	}
	return err
}

// errGone says that whoever is sent something has gone: an agent that has the
// layer already asks for it only to see that it may, and does not read it.
var errGone = errors.New("the agent has gone")

// statuses of what goes wrong, with the codes of the distribution API.
var statuses = map[fault.Class]struct {
	status int
	code   string
}{
	fault.NotFound:       {http.StatusNotFound, "MANIFEST_UNKNOWN"},
	fault.Invalid:        {http.StatusBadRequest, "MANIFEST_INVALID"},
	fault.NotImplemented: {http.StatusBadRequest, "UNSUPPORTED"},
	fault.Denied:         {http.StatusForbidden, "DENIED"},
	fault.Throttled:      {http.StatusTooManyRequests, "TOOMANYREQUESTS"},
	fault.Unavailable:    {http.StatusServiceUnavailable, "UNAVAILABLE"},
}

func (m *Mirror) failWith(w http.ResponseWriter, err error) {
	if s, ok := statuses[fault.ClassOf(err)]; ok {
		fail(w, s.status, s.code, fault.MessageOf(err))
		return
	}
	m.Log.Error("an image cannot be served", "error", err)
	fail(w, http.StatusInternalServerError, "UNKNOWN", "unknown error")
}

func fail(w http.ResponseWriter, status int, code, message string) {
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	w.WriteHeader(status)
	type entry struct {
		Code    string `json:"code"`
		Message string `json:"message"`
	}
	_ = json.NewEncoder(w).Encode(map[string][]entry{"errors": {{code, message}}}) // the agent may have gone
}

// anything lets a push make whatever repository it names.
type anything struct{}

func (anything) Repository(context.Context, registry.Repo) (registry.Settings, error) {
	return registry.Settings{}, nil
}

func (anything) Allow(context.Context, ident.Principal, string, registry.Repo) error { return nil }

// pushServer takes what the user pushes under a registry's name.
func (m *Mirror) pushServer() http.Handler {
	return registry.NewServer(registry.ServerDeps{
		Store: m.store, Directory: anything{}, Clock: m.Real, Log: m.Log, Open: func(*http.Request) bool { return true },
		Account: func(r *http.Request) string { return r.URL.Query().Get(Registry) },
	})
}

// Push answers a push, or what a client of one asks, under a registry's name.
// From then on the name means what was pushed.
func (m *Mirror) Push(w http.ResponseWriter, r *http.Request) {
	r = r.Clone(r.Context())
	r.Header.Del("Authorization") // who may reach this needs none
	if r.URL.Path == "/v2/" || r.URL.Path == "/v2" {
		m.push.ServeHTTP(w, r)
		return
	}
	ref, what, id, err := requested(r)
	if err == nil && !strings.HasPrefix(r.URL.Path, "/v2/"+ref.Repository+"/") || ref.Registry != r.URL.Query().Get(Registry) {
		err = fault.New(fault.Invalid, "", "an image is pushed under its name in full, %s", ref.Name())
	}
	if err != nil {
		fail(w, http.StatusBadRequest, "NAME_INVALID", fault.MessageOf(err))
		return
	}
	m.mu.Lock()
	m.pushed, m.bytes = m.Real.Now(), -1
	m.mu.Unlock()
	if r.Method == http.MethodPut && what == "manifests" {
		m.pushManifest(w, r, ref, id)
		return
	}
	m.push.ServeHTTP(w, r)
}

// pushManifest answers when the name means what was pushed.
func (m *Mirror) pushManifest(w http.ResponseWriter, r *http.Request, ref reference.Ref, id string) {
	m.gate.RLock()
	defer m.gate.RUnlock()
	held := answer{header: w.Header(), code: http.StatusOK}
	m.push.ServeHTTP(&held, r)
	if held.code == http.StatusCreated {
		if err := m.notePushed(ref, id); err != nil {
			m.failWith(w, err)
			return
		}
	}
	w.WriteHeader(held.code)
	_, _ = w.Write(held.body.Bytes()) // the client may have gone
}

// notePushed records what a push has put under a reference.
func (m *Mirror) notePushed(ref reference.Ref, id string) error {
	r := wanted{Ref: ref}
	got, err := m.store.Manifest(repo(r), id)
	if err != nil {
		return err
	}
	return m.write(r, record{Ref: ref.String(), Digest: got.Digest, Pushed: true, Used: m.Real.Now()})
}

// answer holds a short answer back.
type answer struct {
	header http.Header
	code   int
	body   bytes.Buffer
}

// Header implements http.ResponseWriter.
func (a *answer) Header() http.Header { return a.header }

// WriteHeader implements http.ResponseWriter.
func (a *answer) WriteHeader(code int) { a.code = code }

// Write implements http.ResponseWriter.
func (a *answer) Write(p []byte) (int, error) { return a.body.Write(p) }
