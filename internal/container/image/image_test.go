package image_test

import (
	"archive/tar"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-containerregistry/pkg/compression"
	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/registry"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/layout"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
	"github.com/google/go-containerregistry/pkg/v1/types"

	"berth/internal/clock"
	"berth/internal/container/image"
	"berth/internal/fault"
)

// fast is a clock on which back-off costs nothing.
func fast(t *testing.T) clock.Clock {
	return clock.NewRunning(t.Context(), clock.Real(t.Context()).Now(), 1000)
}

func open(t *testing.T, dir, owner string) *image.Store {
	t.Helper()
	s, err := image.Open(image.Deps{Dir: dir, Owner: owner, Clock: fast(t)})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

type entry struct {
	name, body, link string
	kind             byte
	mode             int64
}

func layerOf(t *testing.T, entries ...entry) v1.Layer {
	t.Helper()
	data := archive(t, entries...)
	l, err := tarball.LayerFromOpener(func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(data)), nil })
	if err != nil {
		t.Fatal(err)
	}
	return l
}

func archive(t testing.TB, entries ...entry) []byte {
	t.Helper()
	var buf bytes.Buffer
	w := tar.NewWriter(&buf)
	for _, e := range entries {
		if e.kind == 0 {
			e.kind = tar.TypeReg
		}
		if e.mode == 0 {
			e.mode = 0o644
		}
		h := &tar.Header{
			Name: e.name, Size: int64(len(e.body)), Linkname: e.link, Typeflag: e.kind, Mode: e.mode, Uid: os.Getuid(), Gid: os.Getgid(),
		}
		if err := w.WriteHeader(h); err != nil {
			t.Fatal(err)
		}
		if _, err := io.WriteString(w, e.body); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return buf.Bytes()
}

// serve is a registry that counts what is asked of it.
func serve(t *testing.T) (host string, blobs *atomic.Int64, broken *atomic.Int64) {
	t.Helper()
	blobs, broken = &atomic.Int64{}, &atomic.Int64{}
	h := registry.New(registry.Logger(log.New(io.Discard, "", 0)))
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodGet && strings.Contains(r.URL.Path, "/blobs/") {
			blobs.Add(1)
		}
		if r.Method != http.MethodPut && broken.Load() > 0 {
			broken.Add(-1)
			w.WriteHeader(http.StatusServiceUnavailable)
			return
		}
		h.ServeHTTP(w, r)
	}))
	t.Cleanup(srv.Close)
	return strings.TrimPrefix(srv.URL, "http://"), blobs, broken
}

func push(t *testing.T, ref string, img v1.Image) string {
	t.Helper()
	r, err := name.ParseReference(ref)
	if err != nil {
		t.Fatal(err)
	}
	if err := remote.Write(r, img); err != nil {
		t.Fatal(err)
	}
	d, err := img.Digest()
	if err != nil {
		t.Fatal(err)
	}
	return d.String()
}

func twoLayers(t *testing.T) v1.Image {
	t.Helper()
	img, err := mutate.AppendLayers(empty.Image,
		layerOf(t, entry{name: "bin/", kind: tar.TypeDir, mode: 0o755}, entry{name: "bin/app", body: "one", mode: 0o4755}, entry{
			name: "gone", body: "x",
		}),
		layerOf(t, entry{name: "etc/x", body: "y"}, entry{name: "etc/y", kind: tar.TypeLink, link: "etc/x"}, entry{
			name: "etc/z", kind: tar.TypeSymlink, link: "../../../outside",
		}))
	if err != nil {
		t.Fatal(err)
	}
	img, err = mutate.ConfigFile(img, withPlatform(t, img))
	if err != nil {
		t.Fatal(err)
	}
	img, err = mutate.Config(img, v1.Config{
		Entrypoint: []string{"/bin/app"}, Cmd: []string{"serve"}, Env: []string{"A=b"}, User: "alice", StopSignal: "SIGINT",
		ExposedPorts: map[string]struct{}{"80/tcp": {}},
	})
	if err != nil {
		t.Fatal(err)
	}
	return img
}

// Proves: MI42
func TestPullUnpacksAndShares(t *testing.T) {
	host, blobs, _ := serve(t)
	digest := push(t, host+"/web:v1", twoLayers(t))
	dir := t.TempDir()
	first := open(t, dir, "i-1")
	img, err := first.Pull(t.Context(), host+"/web:v1", image.PullOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if img.Digest != digest || len(img.Layers) != 2 || !strings.HasPrefix(img.ID, "sha256:") {
		t.Errorf("image: %+v", img)
	}
	want := image.Config{
		Entrypoint: []string{"/bin/app"}, Cmd: []string{"serve"}, Env: []string{"A=b"}, User: "alice", StopSignal: "SIGINT",
		ExposedPorts: []string{"80/tcp"},
	}
	if d := cmp.Diff(want, img.Config); d != "" {
		t.Error(d)
	}
	if info, err := os.Stat(filepath.Join(img.Layers[0], "bin/app")); err != nil || info.Mode() != 0o755|os.ModeSetuid {
		t.Errorf("bin/app: %v, %v", info.Mode(), err)
	}
	if link, err := os.Readlink(filepath.Join(img.Layers[1], "etc/z")); err != nil || link != "../../../outside" {
		t.Errorf("etc/z: %s, %v", link, err)
	}

	before := blobs.Load()
	if _, err := first.Pull(t.Context(), host+"/web:v1", image.PullOptions{}); err != nil {
		t.Fatal(err)
	}
	if n := blobs.Load() - before; n > 1 { // the configuration
		t.Errorf("a second pull asked for %d blobs", n)
	}
	before = blobs.Load()
	if _, err := open(t, dir, "i-2").Pull(t.Context(), host+"/web:v1", image.PullOptions{}); err != nil {
		t.Fatal(err)
	}
	if n := blobs.Load() - before; n != 3 {
		t.Errorf("another owner asked for %d blobs, want the configuration and both layers", n)
	}
	if got, err := first.Get(host + "/web:v1"); err != nil || got.Digest != digest {
		t.Errorf("get: %+v, %v", got, err)
	}
}

// A layer may be compressed by zstd, or not at all, whatever its media type is
// called.
func TestLayersAreUnpackedHoweverTheyAreCompressed(t *testing.T) {
	host, _, _ := serve(t)
	data := archive(t, entry{name: "etc/x", body: "y"})
	opener := func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(data)), nil }
	for how, options := range map[string][]tarball.LayerOption{
		"zstd": {tarball.WithCompression(compression.ZStd), tarball.WithMediaType(types.OCILayerZStd)},
		"none": {tarball.WithCompression(compression.None), tarball.WithMediaType(types.OCIUncompressedLayer)},
		"gzip": {tarball.WithMediaType(types.OCILayer)},
	} {
		l, err := tarball.LayerFromOpener(opener, options...)
		if err != nil {
			t.Fatal(err)
		}
		img, err := mutate.AppendLayers(mutate.MediaType(empty.Image, types.OCIManifestSchema1), l)
		if err == nil {
			img, err = mutate.ConfigFile(img, withPlatform(t, img))
		}
		if err != nil {
			t.Fatal(err)
		}
		push(t, host+"/web:"+how, img)
		got, err := open(t, t.TempDir(), "i-1").Pull(t.Context(), host+"/web:"+how, image.PullOptions{})
		if err != nil {
			t.Errorf("%s: %v", how, err)
			continue
		}
		if b, err := os.ReadFile(filepath.Join(got.Layers[0], "etc/x")); err != nil || string(b) != "y" {
			t.Errorf("%s: %q, %v", how, b, err)
		}
	}
}

func withPlatform(t *testing.T, img v1.Image) *v1.ConfigFile {
	t.Helper()
	c, err := img.ConfigFile()
	if err != nil {
		t.Fatal(err)
	}
	c = c.DeepCopy()
	c.Architecture, c.OS = runtime.GOARCH, "linux"
	return c
}

func TestCollectKeepsWhatAnyOwnerHas(t *testing.T) {
	host, _, _ := serve(t)
	push(t, host+"/web:v1", twoLayers(t))
	dir := t.TempDir()
	for _, owner := range []string{"i-1", "i-2"} {
		if _, err := open(t, dir, owner).Pull(t.Context(), host+"/web:v1", image.PullOptions{}); err != nil {
			t.Fatal(err)
		}
	}
	for _, c := range []struct {
		owner string
		want  int
	}{{"i-1", 0}, {"i-2", 2}} {
		if err := image.Forget(dir, c.owner); err != nil {
			t.Fatal(err)
		}
		if n, err := image.Collect(t.Context(), dir, fast(t)); err != nil || n != c.want {
			t.Errorf("after %s went: %d layers removed, want %d (%v)", c.owner, n, c.want, err)
		}
	}
}

func TestErrorsAreWordedAsECSWordsThem(t *testing.T) {
	host, _, broken := serve(t)
	push(t, host+"/web:v1", twoLayers(t))
	s := open(t, t.TempDir(), "i-1")
	refused := &http.Transport{DialContext: func(context.Context, string, string) (net.Conn, error) {
		return nil, errors.New("dial tcp 10.0.2.5:443: i/o timeout")
	}}
	denied := roundTrip(func(r *http.Request) (*http.Response, error) {
		return &http.Response{StatusCode: http.StatusForbidden, Body: http.NoBody, Request: r, Header: http.Header{}}, nil
	})
	for _, c := range []struct {
		ref   string
		o     image.PullOptions
		class fault.Class
		want  string
	}{
		{
			host + "/web:none", image.PullOptions{}, fault.NotFound,
			"pull image manifest has been retried 1 time(s): failed to resolve ref " + host + "/web:none: ",
		},
		{
			host + "/web:v1", image.PullOptions{Transport: refused}, fault.Unavailable,
			"pull image manifest has been retried 5 time(s): failed to resolve ref " + host + "/web:v1: ",
		},
		{
			host + "/web:v1", image.PullOptions{Transport: denied}, fault.Denied,
			"The task can't pull the image. Check that the role has the permissions",
		},
		{
			host + "/web:v1", image.PullOptions{Architecture: "s390x"}, fault.Invalid, "ref pull has been retried 1 time(s): image operating system",
		},
		{"x/UPPER", image.PullOptions{}, fault.Invalid, "failed to resolve ref x/UPPER: invalid reference format: repository name (x/UPPER) must be lowercase"},
	} {
		_, err := s.Pull(t.Context(), c.ref, c.o)
		if fault.ClassOf(err) != c.class || fault.CodeOf(err) != image.PullCode || !strings.HasPrefix(fault.MessageOf(err), c.want) {
			t.Errorf("%s: %v %s: %v", c.ref, fault.ClassOf(err), fault.CodeOf(err), err)
		}
	}
	broken.Store(3)
	if _, err := s.Pull(t.Context(), host+"/web:v1", image.PullOptions{}); err != nil {
		t.Errorf("a registry that was ill for a while: %v", err)
	}
}

type roundTrip func(*http.Request) (*http.Response, error)

func (f roundTrip) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

func TestALayerThatIsNotWhatItsConfigurationSaysIsRefused(t *testing.T) {
	host, _, _ := serve(t)
	img := twoLayers(t)
	c, err := img.ConfigFile()
	if err != nil {
		t.Fatal(err)
	}
	c = c.DeepCopy()
	c.RootFS.DiffIDs[1].Hex = strings.Repeat("0", 64)
	img, err = mutate.ConfigFile(img, c)
	if err != nil {
		t.Fatal(err)
	}
	push(t, host+"/web:bad", img)
	dir := t.TempDir()
	_, err = open(t, dir, "i-1").Pull(t.Context(), host+"/web:bad", image.PullOptions{})
	if fault.CodeOf(err) != image.PullCode {
		t.Errorf("pull: %v", err)
	}
	if left, _ := filepath.Glob(filepath.Join(dir, "layers", "0000*")); len(left) != 0 {
		t.Errorf("left: %v", left)
	}
}

func TestUnpackStaysInside(t *testing.T) {
	for name, entries := range map[string][]entry{
		"dots":              {{name: "../../evil", body: "x"}},
		"absolute":          {{name: "/evil", body: "x"}},
		"through a link":    {{name: "l", kind: tar.TypeSymlink, link: "/tmp"}, {name: "l/evil", body: "x"}},
		"through dots":      {{name: "l", kind: tar.TypeSymlink, link: "../.."}, {name: "l/evil", body: "x"}},
		"hard link outside": {{name: "h", kind: tar.TypeLink, link: "../../../../etc/passwd"}},
		"whiteout of dots":  {{name: ".wh...", body: ""}},
		"link over folder": {
			{name: "d/", kind: tar.TypeDir, mode: 0o755}, {name: "d", kind: tar.TypeSymlink, link: "/"}, {name: "d/evil", body: "x"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			top := t.TempDir()
			dir := filepath.Join(top, "a", "b")
			if err := os.MkdirAll(dir, 0o755); err != nil {
				t.Fatal(err)
			}
			_ = image.Unpack(t.Context(), bytes.NewReader(archive(t, entries...)), dir)
			err := filepath.WalkDir(top, func(p string, _ os.DirEntry, err error) error {
				if filepath.Base(p) == "evil" && !strings.HasPrefix(p, dir+"/") {
					t.Errorf("wrote %s", p)
				}
				return err
			})
			if err != nil {
				t.Fatal(err)
			}
			if _, err := os.Stat("/tmp/evil"); err == nil {
				t.Error("wrote /tmp/evil")
			}
		})
	}
}

// TestLinksInALayerLeadFromItsRoot has files below links of the same layer, as
// distributions and builders make them.
func TestLinksInALayerLeadFromItsRoot(t *testing.T) {
	top := t.TempDir()
	dir := filepath.Join(top, "layer")
	if err := os.Mkdir(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	data := archive(t,
		entry{name: "lib", kind: tar.TypeSymlink, link: "/usr/lib"}, entry{name: "lib/a", body: "a"},
		entry{name: "run", kind: tar.TypeSymlink, link: "var/run"}, entry{name: "var/run", kind: tar.TypeSymlink, link: "../../../run2"},
		entry{name: "run/b", body: "b"}, entry{name: "lib/sub/", kind: tar.TypeDir, mode: 0o700}, entry{name: "lib/.wh.gone"},
		entry{name: "hard", kind: tar.TypeLink, link: "/lib/a"}, entry{name: "chain", kind: tar.TypeSymlink, link: "/lib/sub"},
		entry{name: "chain/c", body: "c"}, entry{name: "lib", kind: tar.TypeDir, mode: 0o755}, entry{name: "lib/d", body: "d"},
		entry{name: "etc/abs", kind: tar.TypeSymlink, link: "/usr/lib"}, entry{name: "etc/abs/e", body: "e"})
	if err := image.Unpack(t.Context(), bytes.NewReader(data), dir); err != nil && os.Geteuid() == 0 {
		t.Fatal(err)
	}
	for name, want := range map[string]string{
		"usr/lib/a": "a", "run2/b": "b", "hard": "a", "usr/lib/sub/c": "c", "lib/d": "d", "usr/lib/e": "e",
	} {
		if got, err := os.ReadFile(filepath.Join(dir, name)); string(got) != want {
			t.Errorf("%s: %q, %v", name, got, err)
		}
	}
	if all, _ := os.ReadDir(top); len(all) != 1 {
		t.Errorf("written beside the layer: %v", all)
	}
	loop := archive(t,
		entry{name: "x", kind: tar.TypeSymlink, link: "y"}, entry{name: "y", kind: tar.TypeSymlink, link: "/x"}, entry{name: "x/f"})
	if err := image.Unpack(t.Context(), bytes.NewReader(loop), dir); !errors.Is(err, syscall.ELOOP) {
		t.Errorf("a circle of links: %v", err)
	}
}

func TestWhiteoutsBecomeWhatOverlayfsReads(t *testing.T) {
	dir := t.TempDir()
	data := archive(t, entry{name: "d/", kind: tar.TypeDir, mode: 0o750}, entry{name: "d/.wh..wh..opq"}, entry{name: "d/.wh.old"}, entry{
		name: "pipe", kind: tar.TypeFifo,
	})
	if err := image.Unpack(t.Context(), bytes.NewReader(data), dir); err != nil {
		if os.Geteuid() != 0 {
			t.Skipf("skipped: needs root on this file system: %v", err)
		}
		t.Fatal(err)
	}
	var st syscall.Stat_t
	if err := syscall.Stat(filepath.Join(dir, "d/old"), &st); err != nil || st.Mode&syscall.S_IFMT != syscall.S_IFCHR || st.Rdev != 0 {
		t.Errorf("whiteout: mode %o, device %d, %v", st.Mode, st.Rdev, err)
	}
	attribute := "trusted.overlay.opaque"
	if os.Geteuid() != 0 {
		attribute = "user.overlay.opaque"
	}
	value := make([]byte, 8)
	if n, err := syscall.Getxattr(filepath.Join(dir, "d"), attribute, value); err != nil || string(value[:n]) != "y" {
		t.Errorf("opaque: %q, %v", value, err)
	}
	if info, err := os.Stat(filepath.Join(dir, "d")); err != nil || info.Mode().Perm() != 0o750 {
		t.Errorf("folder: %v, %v", info, err)
	}
}

// FuzzUnpack holds that nothing is written beside a layer's folder. What is
// unpacked has little space: an archive of holes would be written for hours.
func FuzzUnpack(f *testing.F) {
	f.Add([]byte("not an archive"))
	for _, entries := range [][]entry{
		{{name: "d/", kind: tar.TypeDir}, {name: "d/f", body: "text"}, {name: "l", kind: tar.TypeSymlink, link: "/d/../.."}, {name: "l/up"}},
		{{name: "a"}, {name: "b", kind: tar.TypeLink, link: "a"}, {name: "a/../../c"}, {name: "d/.wh.e"}, {name: "d/.wh..wh..opq"}},
	} {
		f.Add(archive(f, entries...))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		top := t.TempDir()
		dir := filepath.Join(top, "layer")
		if err := os.Mkdir(dir, 0o755); err != nil {
			t.Fatal(err)
		}
		_ = image.UnpackInto(t.Context(), bytes.NewReader(data), dir, 1<<20)
		if all, err := os.ReadDir(top); err != nil || len(all) != 1 {
			t.Errorf("written beside the layer: %v, %v", all, err)
		}
	})
}

// FuzzParseRef holds that a reference that is accepted names the same image when
// it is written out in full.
func FuzzParseRef(f *testing.F) {
	f.Add("nginx")
	f.Add("000000000000.dkr.ecr.eu-west-1.amazonaws.com/team/web:v1")
	f.Add("localhost:5000/web@sha256:0000000000000000000000000000000000000000000000000000000000000000")
	f.Fuzz(func(t *testing.T, s string) {
		ref, err := image.ParseRef(s, false)
		if err != nil {
			return
		}
		again, err := image.ParseRef(ref.Name(), false)
		if err != nil || again.Name() != ref.Name() {
			t.Errorf("%q is %s, which is %v, %v", s, ref.Name(), again, err)
		}
	})
}

func TestFromSource(t *testing.T) {
	dir := t.TempDir()
	pkg := filepath.Join(dir, "web")
	write(t, filepath.Join(pkg, "go.mod"), "module example.test/web\n\ngo 1.24\n")
	write(t, filepath.Join(pkg, "main.go"), "package main\n\nfunc main() { println(\"hi\") }\n")
	fromGo := source(t, pkg, image.KindGo)
	again := source(t, pkg, image.KindGo)
	if a, b := digest(t, fromGo), digest(t, again); a != b {
		t.Errorf("the same program gave %s and %s", a, b)
	}

	bin := filepath.Join(dir, "folder")
	if err := os.MkdirAll(filepath.Join(bin, "static"), 0o755); err != nil {
		t.Fatal(err)
	}
	build := exec.Command("go", "build", "-o", filepath.Join(bin, "server"), ".")
	build.Dir, build.Env = pkg, append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	write(t, filepath.Join(bin, "static", "page.html"), "<p>hi</p>")
	fromBin := source(t, bin, image.KindBinary)
	c, err := fromBin.ConfigFile()
	if err != nil || c.Config.Entrypoint[0] != "/server" {
		t.Errorf("entrypoint: %+v, %v", c, err)
	}

	lay := filepath.Join(dir, "layout")
	p, err := layout.Write(lay, empty.Index)
	if err == nil {
		err = p.AppendImage(fromBin, layout.WithPlatform(v1.Platform{OS: "linux", Architecture: c.Architecture}))
	}
	if err != nil {
		t.Fatal(err)
	}
	if got := digest(t, source(t, lay, image.KindLayout)); got != digest(t, fromBin) {
		t.Errorf("layout: %s", got)
	}
	packed := filepath.Join(dir, "layout.tar")
	if out, err := exec.Command("tar", "-C", lay, "-cf", packed, ".").CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	if got := digest(t, source(t, packed, image.KindLayout)); got != digest(t, fromBin) {
		t.Errorf("layout archive: %s", got)
	}

	saved := filepath.Join(dir, "saved.tar")
	tag, err := name.NewTag("web:v1")
	if err == nil {
		err = tarball.WriteToFile(saved, tag, fromBin)
	}
	if err != nil {
		t.Fatal(err)
	}
	source(t, saved, image.KindArchive)

	pipe := filepath.Join(dir, "pipe")
	if err := syscall.Mkfifo(pipe, 0o600); err != nil {
		t.Fatal(err)
	}
	go func() {
		data, _ := os.ReadFile(saved)
		_ = os.WriteFile(pipe, data, 0o600)
	}()
	source(t, pipe, image.KindArchive)

	host, _, _ := serve(t)
	want := push(t, host+"/x:y", fromBin)
	if got := digest(t, source(t, host+"/x:y", image.KindRegistry)); got != want {
		t.Errorf("registry: %s", got)
	}

	for _, bad := range []string{"./missing", filepath.Join(dir, "web", "main.go"), t.TempDir()} {
		if _, err := image.FromSource(t.Context(), bad, image.SourceOptions{}); err == nil {
			t.Errorf("%s was taken", bad)
		}
	}
}

func source(t *testing.T, path, kind string) v1.Image {
	t.Helper()
	s, err := image.FromSource(t.Context(), path, image.SourceOptions{})
	if err != nil {
		t.Fatalf("%s: %v", path, err)
	}
	t.Cleanup(func() { _ = s.Close() })
	if s.Kind != kind {
		t.Errorf("%s is a %s", path, s.Kind)
	}
	return s.Image
}

func digest(t *testing.T, img v1.Image) string {
	t.Helper()
	d, err := img.Digest()
	if err != nil {
		t.Fatal(err)
	}
	return d.String()
}

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, fmt.Append(nil, text), 0o644); err != nil {
		t.Fatal(err)
	}
}
