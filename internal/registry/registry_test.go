package registry_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-containerregistry/pkg/authn"
	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/random"
	"github.com/google/go-containerregistry/pkg/v1/remote"

	"berth/internal/clock"
	"berth/internal/container/image"
	"berth/internal/fault"
	"berth/internal/ident"
	"berth/internal/registry"
)

var place = ident.Place{Partition: "aws", Region: "eu-west-3", Account: "123456789012"}

type directory map[string]registry.Settings

func (d directory) Repository(_ context.Context, r registry.Repo) (registry.Settings, error) {
	s, ok := d[r.Name]
	if !ok || r.Account != place.Account {
		return s, fault.New(
			fault.NotFound, "RepositoryNotFoundException", "The repository with name '%s' does not exist in the registry with id '%s'", r.Name,
			r.Account,
		)
	}
	return s, nil
}

func (d directory) Allow(_ context.Context, p ident.Principal, action string, r registry.Repo) error {
	if p.Root || p.Role == "writer of web" && r.Name == "web" {
		return nil
	}
	if p.Role == "reader" && (action == "ecr:BatchGetImage" || action == "ecr:GetDownloadUrlForLayer") {
		return nil
	}
	return fault.New(fault.Denied, "AccessDeniedException", "User: %s is not authorized to perform: %s", p.ARN, action)
}

type lab struct {
	dir    string
	clock  *clock.Stepped
	store  *registry.Store
	tokens *registry.Tokens
	deps   registry.ServerDeps
}

func newLab(t testing.TB, dir string) *lab {
	t.Helper()
	c := clock.NewStepped(time.Now())
	ids := ident.Crypto()
	s, err := registry.Open(registry.Deps{Dir: dir, Clock: c, IDs: ids})
	if err != nil {
		t.Fatal(err)
	}
	tokens, err := registry.OpenTokens(dir, ids)
	if err != nil {
		t.Fatal(err)
	}
	return &lab{dir, c, s, tokens, registry.ServerDeps{
		Store: s, Tokens: tokens, Place: place, Clock: c,
		Directory: directory{"web": {}, "other": {}, "frozen": {Immutable: true}, "team/api": {}},
	}}
}

// serve returns the host of a server.
func (l *lab) serve(t *testing.T) string {
	t.Helper()
	srv := httptest.NewServer(registry.NewServer(l.deps))
	t.Cleanup(srv.Close)
	return strings.TrimPrefix(srv.URL, "http://")
}

func ref(t *testing.T, s string) name.Reference {
	t.Helper()
	r, err := name.ParseReference(s, name.Insecure)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func randomImage(t *testing.T) v1.Image {
	t.Helper()
	img, err := random.Image(3000, 2)
	if err != nil {
		t.Fatal(err)
	}
	return img
}

func digestOf(t *testing.T, img interface{ Digest() (v1.Hash, error) }) string {
	t.Helper()
	d, err := img.Digest()
	if err != nil {
		t.Fatal(err)
	}
	return d.String()
}

func TestAPushedImageOutlivesARestart(t *testing.T) {
	dir := t.TempDir()
	host := newLab(t, dir).serve(t)
	img := randomImage(t)
	if err := remote.Write(ref(t, host+"/team/api:v1"), img); err != nil {
		t.Fatal(err)
	}
	index, err := random.Index(1000, 1, 2)
	if err != nil {
		t.Fatal(err)
	}
	if err := remote.WriteIndex(ref(t, host+"/web:multi"), index); err != nil {
		t.Fatal(err)
	}

	host = newLab(t, dir).serve(t)
	got, err := remote.Image(ref(t, host+"/team/api:v1"))
	if err != nil {
		t.Fatal(err)
	}
	if digestOf(t, got) != digestOf(t, img) {
		t.Errorf("pulled %s, pushed %s", digestOf(t, got), digestOf(t, img))
	}
	layers, err := got.Layers()
	if err != nil {
		t.Fatal(err)
	}
	for _, l := range layers {
		r, err := l.Uncompressed() // checks the digest
		if err != nil {
			t.Fatal(err)
		}
		if _, err := io.Copy(io.Discard, r); err != nil {
			t.Error(err)
		}
	}
	if i, err := remote.Index(ref(t, host+"/web:multi")); err != nil || digestOf(t, i) != digestOf(t, index) {
		t.Errorf("index: %v", err)
	}
	if tags, err := remote.List(ref(t, host+"/web").Context()); err != nil || strings.Join(tags, ",") != "multi" {
		t.Errorf("tags: %v, %v", tags, err)
	}
}

// call makes a plain request.
func call(t *testing.T, method, address string, body []byte, header ...string) *http.Response {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, address, bytes.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i+1 < len(header); i += 2 {
		if header[i] == "Host" {
			req.Host = header[i+1]
		}
		req.Header.Set(header[i], header[i+1])
	}
	resp, err := (&http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}).Do(req)
	if err != nil {
		t.Fatal(err)
	}
	data, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	_ = resp.Body.Close()
	resp.Body = io.NopCloser(bytes.NewReader(data))
	return resp
}

func text(resp *http.Response) string {
	data, _ := io.ReadAll(resp.Body)
	return string(data)
}

func sum(data []byte) string {
	s := sha256.Sum256(data)
	return "sha256:" + hex.EncodeToString(s[:])
}

func TestAnUploadGoesOnAfterARestart(t *testing.T) {
	dir := t.TempDir()
	data := bytes.Repeat([]byte("0123456789"), 1000)
	base := "http://" + newLab(t, dir).serve(t)
	where := call(t, "POST", base+"/v2/web/blobs/uploads/", nil).Header.Get("Location")
	if r := call(t, "PATCH", base+where, data[:4000], "Content-Range", "0-3999"); r.StatusCode != http.StatusAccepted ||
		r.Header.Get("Range") != "0-3999" {
		t.Errorf("first part: %d %s", r.StatusCode, r.Header.Get("Range"))
	}

	base = "http://" + newLab(t, dir).serve(t)
	if r := call(t, "GET", base+where, nil); r.StatusCode != http.StatusNoContent || r.Header.Get("Range") != "0-3999" {
		t.Errorf("after the restart: %d %s", r.StatusCode, r.Header.Get("Range"))
	}
	if r := call(t, "PATCH", base+where, data[5000:], "Content-Range", "5000-9999"); r.StatusCode != http.StatusRequestedRangeNotSatisfiable {
		t.Errorf("a part with a gap: %d", r.StatusCode)
	}
	if r := call(t, "PUT", base+where+"?digest="+sum([]byte("x")), data[4000:]); r.StatusCode != http.StatusBadRequest ||
		!strings.Contains(text(r), "DIGEST_INVALID") {
		t.Errorf("a wrong digest: %d", r.StatusCode)
	}
	if r := call(t, "PUT", base+where+"?digest="+sum(data), nil); r.StatusCode != http.StatusCreated {
		t.Errorf("finish: %d %s", r.StatusCode, text(r))
	}
	if r := call(t, "GET", base+"/v2/web/blobs/"+sum(data), nil, "Range", "bytes=10-19"); r.StatusCode != http.StatusPartialContent ||
		text(r) != "0123456789" {
		t.Errorf("range: %d", r.StatusCode)
	}
	if r := call(t, "HEAD", base+"/v2/web/blobs/"+sum(data), nil); r.StatusCode != http.StatusOK || r.ContentLength != 10000 {
		t.Errorf("head: %d %d", r.StatusCode, r.ContentLength)
	}
	if r := call(t, "HEAD", base+"/v2/other/blobs/"+sum(data), nil); r.StatusCode != http.StatusNotFound {
		t.Errorf("a repository shows another's blob: %d", r.StatusCode)
	}
	if r := call(t, "POST", base+"/v2/other/blobs/uploads/?from=web&mount="+sum(data), nil); r.StatusCode != http.StatusCreated {
		t.Errorf("mount: %d", r.StatusCode)
	}
	if r := call(t, "HEAD", base+"/v2/other/blobs/"+sum(data), nil); r.StatusCode != http.StatusOK {
		t.Errorf("after the mount: %d", r.StatusCode)
	}
	small := []byte("all at once")
	if r := call(t, "POST", base+"/v2/web/blobs/uploads/?digest="+sum(small), small); r.StatusCode != http.StatusCreated {
		t.Errorf("monolithic: %d", r.StatusCode)
	}
	where = call(t, "POST", base+"/v2/web/blobs/uploads/", nil).Header.Get("Location")
	if r := call(t, "GET", base+strings.Replace(where, "/web/", "/other/", 1), nil); r.StatusCode != http.StatusNotFound {
		t.Errorf("another repository's upload: %d", r.StatusCode)
	}
	if r := call(t, "DELETE", base+where, nil); r.StatusCode != http.StatusNoContent {
		t.Errorf("cancel: %d", r.StatusCode)
	}
	if left, _ := os.ReadDir(filepath.Join(dir, "uploads")); len(left) != 0 {
		t.Errorf("uploads left: %v", left)
	}
}

// TestUploadsAreBounded holds ECR's limit of a layer, and that no upload takes the
// last of the disk.
func TestUploadsAreBounded(t *testing.T) {
	dir := t.TempDir()
	l := newLab(t, dir)
	web := registry.Repo{Account: place.Account, Name: "web"}
	id, err := l.store.StartUpload(web)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(filepath.Join(dir, "uploads", id), registry.MaxLayer); err != nil {
		t.Fatal(err)
	}
	if n, err := l.store.Append(web, id, registry.MaxLayer, strings.NewReader("")); err != nil || n != registry.MaxLayer {
		t.Errorf("a layer of the largest size: %d, %v", n, err)
	}
	host := "http://" + l.serve(t)
	if r := call(t, "PATCH", host+"/v2/web/blobs/uploads/"+id, []byte("x")); r.StatusCode != http.StatusRequestEntityTooLarge {
		t.Errorf("a byte more: %d %s", r.StatusCode, text(r))
	}
	if _, err := l.store.UploadSize(web, id); !fault.Is(err, fault.NotFound) {
		t.Errorf("the upload is there still: %v", err)
	}
	l.store.Spare = func(io.Reader) io.Reader { return iotest.ErrReader(fault.New(fault.Unavailable, "", "nearly full")) }
	r := call(t, "POST", host+"/v2/web/blobs/uploads/?digest="+sum([]byte("x")), []byte("x"))
	if got := text(r); r.StatusCode != http.StatusServiceUnavailable || !strings.Contains(got, "nearly full") {
		t.Errorf("on a full disk: %d %s", r.StatusCode, got)
	}
}

// TestUnfinishedUploadsAreBounded holds how many uploads there may be, how much
// they have together, and that they go a day after their last part; a store that
// is opened again counts what is there.
func TestUnfinishedUploadsAreBounded(t *testing.T) {
	dir := t.TempDir()
	l := newLab(t, dir)
	web := registry.Repo{Account: place.Account, Name: "web"}
	for n := range 2 {
		id, err := l.store.StartUpload(web)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.Truncate(filepath.Join(dir, "uploads", id), registry.MaxLayer-int64(n)); err != nil {
			t.Fatal(err)
		}
	}
	l = newLab(t, dir)
	last, err := l.store.StartUpload(web)
	if err != nil {
		t.Fatal(err)
	}
	host := "http://" + l.serve(t)
	for body, want := range map[string]int{"xx": http.StatusTooManyRequests, "x": http.StatusAccepted} {
		if r := call(t, "PATCH", host+"/v2/web/blobs/uploads/"+last, []byte(body)); r.StatusCode != want {
			t.Errorf("%d bytes: %d %s", len(body), r.StatusCode, text(r))
		}
	}
	if err := l.store.CancelUpload(web, last); err != nil {
		t.Fatal(err)
	}
	for n := range 997 { // as StartUpload leaves them, and not synced
		for name, body := range map[string]string{"": "", ".repo": `{"Account":"` + place.Account + `","Name":"web"}`} {
			name = fmt.Sprintf("00000000-0000-0000-0000-%012d", n) + name
			if err := os.WriteFile(filepath.Join(dir, "uploads", name), []byte(body), 0o600); err != nil {
				t.Fatal(err)
			}
		}
	}
	l = newLab(t, dir)
	host = "http://" + l.serve(t)
	if last, err = l.store.StartUpload(web); err != nil {
		t.Fatal(err)
	}
	if r := call(t, "POST", host+"/v2/web/blobs/uploads/", nil); r.StatusCode != http.StatusTooManyRequests {
		t.Errorf("one more: %d %s", r.StatusCode, text(r))
	}
	old := l.store.Real.Now().Add(-25 * time.Hour)
	for _, name := range []string{last, last + ".repo"} {
		if err := os.Chtimes(filepath.Join(dir, "uploads", name), old, old); err != nil {
			t.Fatal(err)
		}
	}
	if n, err := l.store.Collect(t.Context()); err != nil || n != 2 {
		t.Errorf("collected %d files: %v", n, err)
	}
	if r := call(t, "POST", host+"/v2/web/blobs/uploads/", nil); r.StatusCode != http.StatusAccepted {
		t.Errorf("after an old one went: %d %s", r.StatusCode, text(r))
	}
}

func TestErrorsAreInTheRegistrysShapeAndECRsWords(t *testing.T) {
	l := newLab(t, t.TempDir())
	base := "http://" + l.serve(t)
	if err := remote.Write(ref(t, strings.TrimPrefix(base, "http://")+"/frozen:v1"), randomImage(t)); err != nil {
		t.Fatal(err)
	}
	missing := []byte(`{"schemaVersion":2,"config":{"digest":"` + sum([]byte("no")) + `"},"layers":[]}`)
	blob := []byte("{}")
	call(t, "POST", base+"/v2/frozen/blobs/uploads/?digest="+sum(blob), blob)
	other := []byte(`{"schemaVersion":2,"config":{"digest":"` + sum(blob) + `"},"layers":[]}`)
	for _, c := range []struct {
		method, path string
		body         []byte
		status       int
		want         string
	}{
		{
			"POST", "/v2/none/blobs/uploads/", nil, 404,
			`{"code":"NAME_UNKNOWN","message":"The repository with name 'none' does not exist in the registry with id '123456789012'"}`,
		},
		{"GET", "/v2/web/manifests/v9", nil, 404, `MANIFEST_UNKNOWN`},
		{"GET", "/v2/web/blobs/sha256:zz", nil, 400, `DIGEST_INVALID`},
		{"GET", "/v2/web/blobs/" + sum(nil), nil, 404, `BLOB_UNKNOWN`},
		{"PUT", "/v2/web/manifests/v1", missing, 400, `MANIFEST_BLOB_UNKNOWN`},
		{"PUT", "/v2/web/manifests/v1", []byte("hm"), 400, `MANIFEST_INVALID`},
		{
			"PUT", "/v2/frozen/manifests/v1", other, 400,
			`TAG_INVALID","message":"The image tag 'v1' already exists in the 'frozen' repository and cannot be overwritten because the tag is immutable.`,
		},
		{"PUT", "/v2/frozen/manifests/v2", other, 201, ``},
		{"PUT", "/v2/frozen/manifests/v2", other, 201, ``},
		{"PUT", "/v2/frozen/manifests/" + sum(nil), other, 400, `DIGEST_INVALID`},
		{"GET", "/v2/UP/manifests/v1", nil, 400, `NAME_INVALID`},
		{"GET", "/v2/../../etc/manifests/v1", nil, 0, ``},
		{"GET", "/v2/_catalog", nil, 404, `UNSUPPORTED`},
		{"POST", "/v2/web/tags/list", nil, 405, `UNSUPPORTED`},
	} {
		r := call(t, c.method, base+c.path, c.body)
		if got := text(r); c.status != 0 && r.StatusCode != c.status || !strings.Contains(got, c.want) {
			t.Errorf("%s %s: %d %s", c.method, c.path, r.StatusCode, got)
		}
	}
	if r := call(t, "GET", base+"/v2/web/manifests/v1", nil, "Host", "999999999999.dkr.ecr.eu-west-3.amazonaws.com"); r.StatusCode != 404 ||
		!strings.Contains(text(r), "999999999999") {
		t.Errorf("another account: %d", r.StatusCode)
	}
}

func TestTokensAndPermissionsCount(t *testing.T) {
	l := newLab(t, t.TempDir())
	img := randomImage(t)
	if err := remote.Write(ref(t, l.serve(t)+"/web:v1"), img); err != nil {
		t.Fatal(err)
	}
	l.deps.Open = func(*http.Request) bool { return false }
	host := l.serve(t)
	r := call(t, "GET", "http://"+host+"/v2/", nil)
	if r.StatusCode != 401 || !strings.HasPrefix(r.Header.Get("WWW-Authenticate"), "Basic realm=") {
		t.Errorf("without a password: %d %s", r.StatusCode, r.Header.Get("WWW-Authenticate"))
	}
	password, _, err := l.tokens.Issue(ident.Principal{Role: "reader", ARN: "arn:aws:sts::123456789012:assumed-role/reader/x"}, l.clock.Now())
	if err != nil {
		t.Fatal(err)
	}
	auth := func(p string) remote.Option { return remote.WithAuth(&authn.Basic{Username: "AWS", Password: p}) }
	if _, err := remote.Image(ref(t, host+"/web:v1"), auth(password)); err != nil {
		t.Errorf("pull: %v", err)
	}
	if err := remote.Write(ref(t, host+"/web:v2"), randomImage(t), auth(password)); err == nil ||
		!strings.Contains(err.Error(), "not authorized to perform: ecr:InitiateLayerUpload") {
		t.Errorf("push by a reader: %v", err)
	}
	if _, err := remote.Image(ref(t, host+"/web:v1"), auth(password+"x")); err == nil {
		t.Error("a forged password was taken")
	}
	l.clock.Advance(registry.TokenLife + time.Second)
	if _, err := remote.Image(ref(t, host+"/web:v1"), auth(password)); err == nil || !strings.Contains(err.Error(), "token has expired") {
		t.Errorf("an old password: %v", err)
	}
}

func TestLayersComeFromTheBucketWhenAskedTo(t *testing.T) {
	l := newLab(t, t.TempDir())
	img := randomImage(t)
	host := l.serve(t)
	if err := remote.Write(ref(t, host+"/web:v1"), img); err != nil {
		t.Fatal(err)
	}
	l.deps.Redirect = func(*http.Request) bool { return true }
	host = l.serve(t)
	layers, err := img.Layers()
	if err != nil {
		t.Fatal(err)
	}
	r := call(t, "GET", "http://"+host+"/v2/web/blobs/"+digestOf(t, layers[0]), nil)
	where, err := url.Parse(r.Header.Get("Location"))
	if err != nil || r.StatusCode != http.StatusTemporaryRedirect ||
		where.Host != "prod-eu-west-3-starport-layer-bucket.s3.eu-west-3.amazonaws.com" {
		t.Fatalf("redirect: %d %s", r.StatusCode, where)
	}
	fetch := func() *http.Response {
		return call(t, "GET", "http://"+host+where.RequestURI(), nil, "Host", where.Host)
	}
	if r := fetch(); r.StatusCode != 200 || sum([]byte(text(r))) != digestOf(t, layers[0]) {
		t.Errorf("bucket: %d", r.StatusCode)
	}
	if r := call(t, "GET", "http://"+host+where.Path+"?expires=99999999999&signature=x", nil, "Host", where.Host); r.StatusCode != 403 {
		t.Errorf("an unsigned address: %d", r.StatusCode)
	}
	l.clock.Advance(2 * time.Hour)
	if r := fetch(); r.StatusCode != 403 {
		t.Errorf("an old address: %d", r.StatusCode)
	}
}

func TestDeletingAndCollecting(t *testing.T) {
	l := newLab(t, t.TempDir())
	host := l.serve(t)
	repo := registry.Repo{Account: place.Account, Name: "web"}
	img := randomImage(t)
	for _, tag := range []string{"a", "b"} {
		if err := remote.Write(ref(t, host+"/web:"+tag), img); err != nil {
			t.Fatal(err)
		}
	}
	images, err := l.store.Images(repo)
	if err != nil || len(images) != 1 || strings.Join(images[0].Tags, ",") != "a,b" || images[0].Size == 0 {
		t.Fatalf("images: %+v, %v", images, err)
	}
	if _, err := l.store.DeleteTag(repo, "a"); err != nil {
		t.Error(err)
	}
	if _, err := l.store.Manifest(repo, images[0].Digest); err != nil {
		t.Errorf("an image with another tag went: %v", err)
	}
	if _, err := l.store.DeleteTag(repo, "b"); err != nil {
		t.Error(err)
	}
	if _, err := l.store.Manifest(repo, images[0].Digest); !fault.Is(err, fault.NotFound) {
		t.Errorf("the image stayed without a tag: %v", err)
	}
	if n, err := l.store.Collect(t.Context()); err != nil || n != 0 {
		t.Errorf("collected at once: %d, %v", n, err)
	}
	keep := randomImage(t)
	if err := remote.Write(ref(t, host+"/other:keep"), keep); err != nil {
		t.Fatal(err)
	}
	l.clock.Advance(48 * time.Hour)
	if n, err := l.store.Collect(t.Context()); err != nil || n == 0 {
		t.Errorf("collected: %d, %v", n, err)
	}
	if got, err := remote.Image(ref(t, host+"/other:keep")); err != nil || got == nil {
		t.Errorf("a used image was collected: %v", err)
	} else if layers, err := got.Layers(); err != nil || len(layers) != 2 {
		t.Errorf("layers: %v", err)
	}
	index := mutate.AppendManifests(empty.Index, mutate.IndexAddendum{Add: keep})
	if err := remote.WriteIndex(ref(t, host+"/other:list"), index); err != nil {
		t.Fatal(err)
	}
	if _, err := l.store.DeleteManifest(
		registry.Repo{Account: place.Account, Name: "other"}, digestOf(t, keep),
	); fault.CodeOf(err) != "ImageReferencedByManifestList" {
		t.Errorf("an image of a list: %v", err)
	}
}

func TestACacheTakesAManifestBeforeItsLayers(t *testing.T) {
	l := newLab(t, t.TempDir())
	r := registry.Repo{Account: "ghcr.io", Name: "x/web"}
	layer := sum([]byte("layer"))
	layers := `{"schemaVersion":2,"mediaType":%q,"config":{"digest":%q,"size":5},"layers":[{"digest":%q,"size":7,"urls":["u"]}]}`
	body := fmt.Appendf(nil, layers, registry.OCIManifest, layer, layer)
	if _, err := l.store.PutManifest(r, body, registry.PutOptions{Tag: "v1"}); fault.CodeOf(err) != "LayersNotFoundException" {
		t.Errorf("%v", err)
	}
	img, err := l.store.PutManifest(r, body, registry.PutOptions{Tag: "v1", Partial: true})
	if err != nil {
		t.Fatal(err)
	}
	list := fmt.Appendf(nil, `{"schemaVersion":2,"mediaType":%q,"manifests":[{"digest":%q,"size":5}]}`, registry.OCIIndex, img.Digest)
	if _, err := l.store.PutManifest(r, list, registry.PutOptions{}); err != nil {
		t.Fatal(err)
	}
	if in, err := l.store.ListOf(r, img.Digest); err != nil || in != sum(list) {
		t.Errorf("it is in the list %q, %v", in, err)
	}
	for id, want := range map[string]registry.Parts{
		"v1": {Blobs: []registry.Named{{Digest: layer, Size: 5}, {Digest: layer, Size: 7, Foreign: true}}}, sum(list): {
			Manifests: []registry.Named{{Digest: img.Digest, Size: 5}},
		},
	} {
		m, err := l.store.Manifest(r, id)
		if err != nil {
			t.Fatal(err)
		}
		if parts, err := m.Read(); err != nil || !cmp.Equal(parts, want) {
			t.Errorf("%s: %+v, %v", id, parts, err)
		}
	}
	if repos, err := l.store.Repos(); err != nil || !slices.Contains(repos, r) {
		t.Errorf("%v, %v", repos, err)
	}
	before, err := l.store.Bytes()
	if err != nil || before < int64(len(body)+len(list)) {
		t.Errorf("%d bytes, %v", before, err)
	}
	for _, d := range []string{sum(list), img.Digest} {
		if _, err := l.store.DeleteManifest(r, d); err != nil {
			t.Fatal(err)
		}
	}
	if n, err := l.store.CollectBefore(t.Context(), time.Unix(1<<33, 0)); err != nil || n == 0 {
		t.Errorf("collected %d, %v", n, err)
	}
	if after, err := l.store.Bytes(); err != nil || after != 0 {
		t.Errorf("%d bytes are left, %v", after, err)
	}
}

func TestTagsArePaged(t *testing.T) {
	l := newLab(t, t.TempDir())
	host := l.serve(t)
	img := randomImage(t)
	for i := range 5 {
		if err := remote.Write(ref(t, fmt.Sprintf("%s/web:t%d", host, i)), img); err != nil {
			t.Fatal(err)
		}
	}
	tags, err := remote.List(ref(t, host+"/web").Context(), remote.WithPageSize(2))
	if err != nil || strings.Join(tags, ",") != "t0,t1,t2,t3,t4" {
		t.Errorf("tags: %v, %v", tags, err)
	}
	if r := call(t, "GET", "http://"+host+"/v2/web/tags/list?n=2", nil); !strings.Contains(r.Header.Get("Link"), `n=2`) {
		t.Errorf("link: %s", r.Header.Get("Link"))
	}
}

func TestPushCreatesTheRepository(t *testing.T) {
	l := newLab(t, t.TempDir())
	created := directory{}
	l.deps.Directory = created
	reg := registry.NewServer(l.deps)
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if reg.Serves(r) {
			reg.ServeHTTP(w, r)
			return
		}
		var in struct{ RepositoryName string }
		_ = json.NewDecoder(r.Body).Decode(&in)
		created[in.RepositoryName] = registry.Settings{}
		_, _ = io.WriteString(w, "{}")
	}))
	defer srv.Close()
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "main.go"), []byte("package main\n\nfunc main() {}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "go.mod"), []byte("module example.test/x\n\ngo 1.24\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	var last int64
	got, err := registry.Push(t.Context(), registry.PushOptions{
		Endpoint: srv.URL, Repo: "new/app", Source: dir, Progress: func(done, _ int64) { last = done },
	})
	if err != nil {
		t.Fatal(err)
	}
	m, err := l.store.Manifest(registry.Repo{Account: place.Account, Name: "new/app"}, "latest")
	if err != nil || m.Digest != got.Digest || last == 0 || got.Size == 0 {
		t.Errorf("pushed %+v, there is %s, progress %d, %v", got, m.Digest, last, err)
	}
}

// TestDockerPush needs a Docker engine; elsewhere the same calls are made by
// the other tests.
func TestDockerPush(t *testing.T) {
	if out, err := exec.CommandContext(t.Context(), "docker", "info").CombinedOutput(); err != nil {
		t.Skipf("skipped: no Docker engine answers: %.80s", out)
	}
	host := newLab(t, t.TempDir()).serve(t)
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "Dockerfile"), []byte("FROM scratch\nCOPY Dockerfile /\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	image := host + "/web:docker"
	for _, args := range [][]string{{"build", "-t", image, dir}, {"push", image}, {"rmi", image}} {
		if out, err := exec.CommandContext(t.Context(), "docker", args...).CombinedOutput(); err != nil {
			t.Fatalf("docker %v: %v: %s", args, err, out)
		}
	}
	if _, err := remote.Image(ref(t, image)); err != nil {
		t.Error(err)
	}
}

func TestRepositoryNames(t *testing.T) {
	for name, want := range map[string]bool{
		"web": true, "team/web": true, "a1": true, "my-app.v2_x": true, "a--b": true, "a__b": true, "a/b/c": true,
		"a": false, "": false, "/a": false, "a/": false, "a//b": false, "A": false, "-a": false, "a-": false, "a..b": false,
		"a___b": false, "a.-b": false, "../etc": false, "_layers": false, "a/_tags": false, strings.Repeat("x", 257): false,
	} {
		if got := registry.CheckName(name); got != want {
			t.Errorf("%q: %v", name, got)
		}
	}
}

// inVPC sends every name to the server, except those that are cut off.
type inVPC struct {
	host string
	cut  string
}

func (v inVPC) RoundTrip(r *http.Request) (*http.Response, error) {
	if v.cut != "" && strings.Contains(r.URL.Host, v.cut) {
		return nil, fmt.Errorf("dial tcp 203.0.113.7:443: i/o timeout")
	}
	to := r.Clone(r.Context())
	to.Host, to.URL.Host, to.URL.Scheme = r.URL.Host, v.host, "http"
	return http.DefaultTransport.RoundTrip(to)
}

func TestAnInstancePullsThroughItsEndpoints(t *testing.T) {
	l := newLab(t, t.TempDir())
	img := randomImage(t)
	if err := remote.Write(ref(t, l.serve(t)+"/web:v1"), img); err != nil {
		t.Fatal(err)
	}
	l.deps.Open = func(*http.Request) bool { return false }
	l.deps.Redirect = func(*http.Request) bool { return true }
	host := l.serve(t)
	password, _, err := l.tokens.Issue(ident.Principal{Role: "reader"}, l.clock.Now())
	if err != nil {
		t.Fatal(err)
	}
	store, err := image.Open(image.Deps{Dir: t.TempDir(), Owner: "i-1", Clock: clock.NewRunning(t.Context(), time.Now(), 1000)})
	if err != nil {
		t.Fatal(err)
	}
	name := registry.Host(place) + "/web:v1"
	o := image.PullOptions{Username: "AWS", Password: password, Transport: inVPC{host, "starport-layer-bucket"}}
	_, err = store.Pull(t.Context(), name, o)
	if fault.CodeOf(err) != image.PullCode || !strings.Contains(fault.MessageOf(err), "ref pull has been retried 5 time(s): failed to copy") ||
		!strings.Contains(fault.MessageOf(err), "i/o timeout") {
		t.Errorf("without a way to the bucket: %v", err)
	}
	o.Transport = inVPC{host: host}
	got, err := store.Pull(t.Context(), name, o)
	if err != nil || got.Digest != digestOf(t, img) || len(got.Layers) != 2 {
		t.Fatalf("pull: %+v, %v", got, err)
	}
	o.Password = ""
	o.Username = ""
	if _, err := store.Pull(t.Context(), name, o); fault.ClassOf(err) != fault.Denied ||
		!strings.HasPrefix(fault.MessageOf(err), "The task can't pull the image.") {
		t.Errorf("without credentials: %v", err)
	}
	o.Username, o.Password = "AWS", password
	if _, err := store.Pull(t.Context(), registry.Host(place)+"/none:v1", o); fault.ClassOf(err) != fault.NotFound ||
		!strings.Contains(err.Error(), "The repository with name 'none' does not exist") {
		t.Errorf("no repository: %v", err)
	}
}
