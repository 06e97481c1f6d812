package registry

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"strings"

	"berth/internal/clock"
	"berth/internal/fault"
	"berth/internal/ident"
)

// Directory says which repositories there are.
type Directory interface {
	// Repository finds one; fault.NotFound with ECR's text if there is none.
	Repository(ctx context.Context, r Repo) (Settings, error)
	// Allow evaluates IAM; the error is fault.Denied with AWS's text.
	Allow(ctx context.Context, p ident.Principal, action string, r Repo) error
}

// Settings are what the data plane must know of a repository.
type Settings struct{ Immutable bool }

// ServerDeps are what a Server is made of.
type ServerDeps struct {
	Store     *Store
	Directory Directory
	Tokens    *Tokens
	Place     ident.Place
	Clock     clock.Clock
	Log       *slog.Logger
	// Open says which requests need no password and are the account's root;
	// nil is those from a loopback address.
	Open func(*http.Request) bool
	// Account says whose repositories a request is for; nil reads the host's name.
	Account func(*http.Request) string
	// Redirect says which requests for blobs are sent on to the layer bucket,
	// as AWS does; nil is none.
	Redirect func(*http.Request) bool
	// Through is asked before a manifest is looked for: it may bring it, and make
	// the repository. nil is nobody.
	Through func(ctx context.Context, who ident.Principal, r Repo, reference string) error
}

// Server speaks the OCI distribution API under /v2/, and serves layers as the
// bucket does that ECR redirects to.
type Server struct{ ServerDeps }

var _ http.Handler = (*Server)(nil)

// NewServer returns a server.
func NewServer(d ServerDeps) *Server {
	if d.Open == nil {
		d.Open = fromLoopback
	}
	if d.Account == nil {
		d.Account = func(r *http.Request) string { return accountOf(r, d.Place) }
	}
	if d.Redirect == nil {
		d.Redirect = func(*http.Request) bool { return false }
	}
	if d.Log == nil {
		d.Log = slog.New(slog.DiscardHandler)
	}
	return &Server{d}
}

func fromLoopback(r *http.Request) bool {
	host, _, err := net.SplitHostPort(r.RemoteAddr)
	return err == nil && net.ParseIP(host).IsLoopback()
}

// Host is the name of an account's registry.
func Host(p ident.Place) string {
	return p.Account + ".dkr.ecr." + p.Region + ".amazonaws.com"
}

// BucketHost is the name of the bucket that layers come from.
func BucketHost(p ident.Place) string {
	return "prod-" + p.Region + "-starport-layer-bucket.s3." + p.Region + ".amazonaws.com"
}

// Serves reports whether a request is for the registry: by path, or by the
// name of the layer bucket.
func (s *Server) Serves(r *http.Request) bool {
	return r.URL.Path == "/v2" || strings.HasPrefix(r.URL.Path, "/v2/") || s.isBucket(r)
}

func (s *Server) isBucket(r *http.Request) bool { return hostname(r) == BucketHost(s.Place) }

func hostname(r *http.Request) string {
	if h, _, err := net.SplitHostPort(r.Host); err == nil {
		return h
	}
	return r.Host
}

// accountOf is the one that the Host names (ACCOUNT.dkr.ecr… or
// ACCOUNT.dkr-ecr…), or our own.
func accountOf(r *http.Request, p ident.Place) string {
	account, rest, _ := strings.Cut(hostname(r), ".")
	if strings.HasPrefix(rest, "dkr.ecr.") || strings.HasPrefix(rest, "dkr-ecr.") {
		return account
	}
	return p.Account
}

// route reads a path of the distribution API. Repository names may hold
// slashes, so it is read from the end.
func route(path string) (name, reference string, call func(*exchange)) {
	parts := strings.Split(strings.TrimPrefix(path, "/v2/"), "/")
	n := len(parts)
	cut := func(k int) string { return strings.Join(parts[:n-k], "/") }
	switch {
	case n > 3 && parts[n-3] == "blobs" && parts[n-2] == "uploads" && parts[n-1] == "":
		return cut(3), "", (*exchange).startUpload
	case n > 3 && parts[n-3] == "blobs" && parts[n-2] == "uploads":
		return cut(3), parts[n-1], (*exchange).upload
	case n > 2 && parts[n-2] == "blobs" && parts[n-1] == "uploads":
		return cut(2), "", (*exchange).startUpload
	case n > 2 && parts[n-2] == "blobs":
		return cut(2), parts[n-1], (*exchange).blob
	case n > 2 && parts[n-2] == "manifests":
		return cut(2), parts[n-1], (*exchange).manifest
	case n > 2 && parts[n-2] == "tags" && parts[n-1] == "list":
		return cut(2), "", (*exchange).tags
	case n > 2 && parts[n-2] == "referrers":
		return cut(2), parts[n-1], (*exchange).referrers
	}
	return "", "", nil
}

// exchange is one request.
type exchange struct {
	*Server
	w         http.ResponseWriter
	r         *http.Request
	who       ident.Principal
	repo      Repo
	settings  Settings
	reference string // digest, tag or upload id
}

// ServeHTTP answers one request.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if s.isBucket(r) {
		s.bucket(w, r)
		return
	}
	x := &exchange{Server: s, w: w, r: r}
	w.Header().Set("Docker-Distribution-Api-Version", "registry/2.0")
	if err := x.authenticate(); err != nil {
		x.challenge(err)
		return
	}
	if r.URL.Path == "/v2" || r.URL.Path == "/v2/" {
		w.WriteHeader(http.StatusOK)
		return
	}
	name, reference, call := route(r.URL.Path)
	if call == nil {
		x.fail(http.StatusNotFound, "UNSUPPORTED", "The operation is unsupported.")
		return
	}
	if !CheckName(name) {
		x.fail(http.StatusBadRequest, "NAME_INVALID", "invalid repository name")
		return
	}
	x.repo, x.reference = Repo{s.Account(r), name}, reference
	if err := x.bring(); err != nil {
		x.failWith(err)
		return
	}
	settings, err := s.Directory.Repository(r.Context(), x.repo)
	if err != nil {
		x.failWith(err)
		return
	}
	x.settings = settings
	call(x)
}

// bring has what a pull asks for come from another registry, if it is that one's.
func (x *exchange) bring() error {
	pull := x.r.Method == http.MethodGet || x.r.Method == http.MethodHead
	if x.Through == nil || !pull || !strings.HasSuffix(x.r.URL.Path, "/manifests/"+x.reference) {
		return nil
	}
	if !isTag(x.reference) && !isDigest(x.reference) {
		return nil
	}
	return x.Through(x.r.Context(), x.who, x.repo, x.reference)
}

// authenticate finds out who asks. On loopback anybody is the root, and a
// password from GetAuthorizationToken still means whom it names.
func (x *exchange) authenticate() error {
	_, password, ok := x.r.BasicAuth()
	open := x.Open(x.r)
	if ok {
		who, err := x.Tokens.Check(password, x.Clock.Now())
		if err == nil {
			x.who = who
			return nil
		}
		if !open {
			return err
		}
	}
	if !open {
		return fault.New(fault.Denied, "", "no basic auth credentials")
	}
	x.who = ident.Root(x.Place)
	return nil
}

func (x *exchange) challenge(err error) {
	x.w.Header().Set("WWW-Authenticate", `Basic realm="https://`+Host(x.Place)+`/",service="ecr.amazonaws.com"`)
	x.fail(http.StatusUnauthorized, "UNAUTHORIZED", fault.MessageOf(err))
}

// allow answers 403 and is false when IAM says no.
func (x *exchange) allow(actions ...string) bool {
	for _, a := range actions {
		if err := x.Directory.Allow(x.r.Context(), x.who, a, x.repo); err != nil {
			x.failWith(err)
			return false
		}
	}
	return true
}

func (x *exchange) fail(status int, code, message string) {
	x.w.Header().Set("Content-Type", "application/json; charset=utf-8")
	x.w.WriteHeader(status)
	type entry struct {
		Code    string `json:"code"`
		Message string `json:"message"`
	}
	_ = json.NewEncoder(x.w).Encode(map[string][]entry{"errors": {{code, message}}})
}

// Refuse answers a request of the distribution API with an error.
func Refuse(w http.ResponseWriter, err error) { (&exchange{w: w}).failWith(err) }

// ociErrors gives the API's codes in the words of the distribution API.
var ociErrors = map[string]struct {
	code   string
	status int
}{
	"RepositoryNotFoundException":       {"NAME_UNKNOWN", http.StatusNotFound},
	"ImageNotFoundException":            {"MANIFEST_UNKNOWN", http.StatusNotFound},
	"UploadNotFoundException":           {"BLOB_UPLOAD_UNKNOWN", http.StatusNotFound},
	"InvalidLayerException":             {"DIGEST_INVALID", http.StatusBadRequest},
	"InvalidLayerPartException":         {"BLOB_UPLOAD_INVALID", http.StatusRequestedRangeNotSatisfiable},
	"LimitExceededException":            {"SIZE_INVALID", http.StatusRequestEntityTooLarge},
	"LayersNotFoundException":           {"MANIFEST_BLOB_UNKNOWN", http.StatusBadRequest},
	"ReferencedImagesNotFoundException": {"MANIFEST_BLOB_UNKNOWN", http.StatusBadRequest},
	"ImageTagAlreadyExistsException":    {"TAG_INVALID", http.StatusBadRequest},
	"ImageDigestDoesNotMatchException":  {"DIGEST_INVALID", http.StatusBadRequest},
	"InvalidParameterException":         {"MANIFEST_INVALID", http.StatusBadRequest},
	"ImageReferencedByManifestList":     {"DENIED", http.StatusConflict},
}

func (x *exchange) failWith(err error) {
	if e, ok := ociErrors[fault.CodeOf(err)]; ok {
		x.fail(e.status, e.code, fault.MessageOf(err))
		return
	}
	switch fault.ClassOf(err) {
	case fault.Denied:
		x.fail(http.StatusForbidden, "DENIED", fault.MessageOf(err))
	case fault.Throttled:
		x.fail(http.StatusTooManyRequests, "TOOMANYREQUESTS", fault.MessageOf(err))
	case fault.Unavailable:
		x.fail(http.StatusServiceUnavailable, "UNAVAILABLE", fault.MessageOf(err))
	case fault.NotFound:
		x.fail(http.StatusNotFound, "BLOB_UNKNOWN", fault.MessageOf(err))
	case fault.Invalid:
		x.fail(http.StatusBadRequest, "DIGEST_INVALID", fault.MessageOf(err))
	default:
		x.Log.ErrorContext(x.r.Context(), "registry request failed", "method", x.r.Method, "path", x.r.URL.Path, "error", err)
		x.fail(http.StatusInternalServerError, "UNKNOWN", "unknown error")
	}
}

func (x *exchange) refuse() {
	x.fail(http.StatusMethodNotAllowed, "UNSUPPORTED", "The operation is unsupported.")
}

func (x *exchange) blob() {
	switch x.r.Method {
	case http.MethodGet, http.MethodHead:
		if !x.allow("ecr:GetDownloadUrlForLayer") {
			return
		}
	default:
		x.refuse()
		return
	}
	if x.r.Method == http.MethodGet && x.Redirect(x.r) {
		if _, ok := x.Store.HasBlob(x.repo, x.reference); ok {
			http.Redirect(x.w, x.r, x.LayerURL(x.repo, x.reference), http.StatusTemporaryRedirect)
			return
		}
	}
	x.serveBlob(x.w, x.r, x.repo, x.reference, x.failWith)
}

// LayerURL is the address of a layer in the bucket, good for an hour.
func (s *Server) LayerURL(r Repo, digest string) string {
	path := "/" + url.PathEscape(r.Account+"/"+r.Name) + "/" + digest
	return "https://" + BucketHost(s.Place) + s.Tokens.signPath(path, s.Clock.Now())
}

// bucket serves a layer by a signed address.
func (s *Server) bucket(w http.ResponseWriter, r *http.Request) {
	deny := func(error) {
		http.Error(w, "<Error><Code>AccessDenied</Code><Message>Access Denied</Message></Error>", http.StatusForbidden)
	}
	path, q := r.URL.EscapedPath(), r.URL.Query()
	f := strings.Split(path, "/")
	if len(f) != 3 || !s.Tokens.checkPath(path, q.Get("expires"), q.Get("signature"), s.Clock.Now()) {
		deny(nil)
		return
	}
	repo, err := url.PathUnescape(f[1])
	account, name, ok := strings.Cut(repo, "/")
	if err != nil || !ok || !CheckName(name) {
		deny(nil)
		return
	}
	s.serveBlob(w, r, Repo{account, name}, f[2], deny)
}

func (s *Server) serveBlob(w http.ResponseWriter, r *http.Request, repo Repo, digest string, fail func(error)) {
	f, _, err := s.Store.Blob(repo, digest)
	if err != nil {
		fail(err)
		return
	}
	defer func() { _ = f.Close() }()
	info, err := f.Stat()
	if err != nil {
		fail(err)
		return
	}
	h := w.Header()
	h.Set("Content-Type", "application/octet-stream")
	h.Set("Docker-Content-Digest", digest)
	h.Set("ETag", `"`+digest+`"`)
	http.ServeContent(w, r, "", info.ModTime(), f) // ranges, HEAD and conditions
}

func (x *exchange) json(v any) {
	h := x.w.Header()
	h.Set("Content-Type", cmp.Or(h.Get("Content-Type"), "application/json; charset=utf-8"))
	if err := json.NewEncoder(x.w).Encode(v); err != nil && !errors.Is(err, net.ErrClosed) {
		x.Log.WarnContext(x.r.Context(), "registry answer broke off", "error", err)
	}
}
