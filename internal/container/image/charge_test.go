package image_test

import (
	"archive/tar"
	"bytes"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/tarball"

	"berth/internal/container/image"
	"berth/internal/fault"
)

// volume is an owner's of so many bytes.
type volume struct {
	t    *testing.T
	dir  string
	size int64
}

// taken is what is set aside on the volume.
func (v volume) taken() (n int64) {
	v.t.Helper()
	files, err := os.ReadDir(v.dir)
	if err != nil {
		v.t.Fatal(err)
	}
	for _, f := range files {
		info, err := f.Info()
		if err != nil {
			v.t.Fatal(err)
		}
		n += info.Size()
	}
	return n
}

func (v volume) allocate(f *os.File, size int64) error {
	info, err := f.Stat()
	if err != nil {
		return err
	}
	if v.taken()-info.Size()+size > v.size {
		return syscall.ENOSPC
	}
	return f.Truncate(size)
}

func charged(t *testing.T, dir, owner string, size int64) (*image.Store, volume) {
	t.Helper()
	v := volume{t, filepath.Join(t.TempDir(), "layers"), size}
	s, err := image.Open(image.Deps{Dir: dir, Owner: owner, Clock: fast(t), Charge: v.dir})
	if err != nil {
		t.Fatal(err)
	}
	image.SetAllocate(s, v.allocate)
	return s, v
}

func imageOf(t *testing.T, layers ...v1.Layer) v1.Image {
	t.Helper()
	img, err := mutate.AppendLayers(empty.Image, layers...)
	if err != nil {
		t.Fatal(err)
	}
	return img
}

func big(t *testing.T, name string, size int) v1.Layer {
	return layerOf(t, entry{name: name, body: strings.Repeat("x", size)})
}

// Owners share a layer's folder, and each one's volume has it; images of one
// owner share what is set aside, and the last gives it back.
func TestImagesAreCountedAgainstTheirOwnersVolume(t *testing.T) {
	host, _, _ := serve(t)
	base := big(t, "base", 3<<20)
	push(t, host+"/a:v1", imageOf(t, base, big(t, "a", 1<<20)))
	push(t, host+"/b:v1", imageOf(t, base, big(t, "b", 2<<20)))
	dir := t.TempDir()
	for _, owner := range []string{"i-1", "i-2"} {
		s, v := charged(t, dir, owner, 1<<30)
		for _, step := range []struct {
			pull, remove string
			mib          int64
		}{{pull: "/a:v1", mib: 4}, {pull: "/a:v1", mib: 4}, {pull: "/b:v1", mib: 6}, {remove: "/a:v1", mib: 5}, {remove: "/b:v1"}} {
			if step.pull != "" {
				if _, err := s.Pull(t.Context(), host+step.pull, image.PullOptions{}); err != nil {
					t.Fatal(err)
				}
			} else if err := s.Remove(host + step.remove); err != nil {
				t.Fatal(err)
			}
			if got := v.taken() >> 20; got != step.mib {
				t.Errorf("%s %+v: %d MiB", owner, step, got)
			}
		}
	}
}

func TestAnImageThatDoesNotFitIsNotPulled(t *testing.T) {
	host, _, _ := serve(t)
	push(t, host+"/big:v1", imageOf(t, big(t, "small", 1<<10), big(t, "usr/share/file", 8<<20)))
	dir := t.TempDir()
	want := regexp.MustCompile(`^ref pull has been retried 1 time\(s\): failed to extract layer sha256:[0-9a-f]{64}: ` +
		`write( /usr/share/file)?: no space left on device: unknown$`)
	refused := func(owner string) {
		t.Helper()
		s, v := charged(t, dir, owner, 4<<20)
		_, err := s.Pull(t.Context(), host+"/big:v1", image.PullOptions{})
		if fault.CodeOf(err) != image.PullCode || !want.MatchString(fault.MessageOf(err)) {
			t.Errorf("%s: %s: %v", owner, fault.CodeOf(err), err)
		}
		if n := v.taken(); n != 0 {
			t.Errorf("%s: %d bytes are still set aside", owner, n)
		}
	}
	refused("i-first")
	if left, _ := filepath.Glob(filepath.Join(dir, "layers", "*.new")); len(left) != 0 {
		t.Errorf("left: %v", left)
	}
	s, v := charged(t, dir, "i-large", 1<<30)
	if _, err := s.Pull(t.Context(), host+"/big:v1", image.PullOptions{}); err != nil || v.taken() < 8<<20 {
		t.Errorf("%d bytes are set aside, %v", v.taken(), err)
	}
	refused("i-third") // the layers are there now, and are beyond its volume
}

// What a process left in the middle of a pull is given back by the next, and
// what an older version pulled is counted.
func TestAStoreBeginsWithWhatItsOwnerHas(t *testing.T) {
	host, _, _ := serve(t)
	push(t, host+"/a:v1", imageOf(t, big(t, "a", 1<<20)))
	dir := t.TempDir()
	if _, err := open(t, dir, "i-1").Pull(t.Context(), host+"/a:v1", image.PullOptions{}); err != nil {
		t.Fatal(err)
	}
	if err := os.RemoveAll(filepath.Join(dir, "sizes")); err != nil {
		t.Fatal(err)
	}
	v := volume{t: t, dir: t.TempDir()}
	if err := os.WriteFile(filepath.Join(v.dir, strings.Repeat("0", 64)), make([]byte, 4<<20), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := image.Open(image.Deps{Dir: dir, Owner: "i-1", Clock: fast(t), Charge: v.dir}); err != nil {
		t.Fatal(err)
	}
	if got := v.taken() >> 20; got != 1 {
		t.Errorf("%d MiB", got)
	}
}

// sparse is an archive of one file that is all hole, of so many bytes, as GNU
// tar writes it in PAX's form.
func sparse(t *testing.T, size int64) []byte {
	var records string
	for _, r := range []string{
		"GNU.sparse.major=0", "GNU.sparse.minor=1", "GNU.sparse.name=hole", "GNU.sparse.numblocks=1",
		fmt.Sprintf("GNU.sparse.size=%d", size), fmt.Sprintf("GNU.sparse.map=%d,0", size),
	} {
		records += fmt.Sprintf("%d %s\n", len(r)+4, r) // two digits, a space and the line's end
	}
	x := archive(t, entry{name: "x", kind: tar.TypeXHeader + 1, body: records}) // a type that the writer knows no better
	return append(header(x[:1024], tar.TypeXHeader), archive(t, entry{name: "GNUSparseFile.0/hole"})...)
}

// header is an archive's first entry with another type.
func header(b []byte, kind byte) []byte {
	b[156] = kind
	copy(b[148:156], "        ")
	sum := 0
	for _, c := range b[:512] {
		sum += int(c)
	}
	copy(b[148:], fmt.Sprintf("%06o\x00 ", sum))
	return b
}

// An archive of 3 KB unpacks to 8 GiB: the volume ends it, and so does the
// look at the host's disk, which saw the archive's bytes only.
func TestAHoleIsCountedAsWhatItUnpacksTo(t *testing.T) {
	data := sparse(t, 8<<30)
	l, err := tarball.LayerFromOpener(func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(data)), nil })
	if err != nil {
		t.Fatal(err)
	}
	host, _, _ := serve(t)
	push(t, host+"/hole:v1", imageOf(t, l))
	s, _ := charged(t, t.TempDir(), "i-1", 16<<20)
	_, err = s.Pull(t.Context(), host+"/hole:v1", image.PullOptions{})
	if !strings.Contains(fmt.Sprint(err), "write /hole: no space left on device") {
		t.Error(err)
	}
	full := func(r io.Reader) io.Reader { return &ending{r: r, left: 16 << 20} }
	s, err = image.Open(image.Deps{Dir: t.TempDir(), Owner: "i-1", Clock: fast(t), Spare: full})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.Pull(t.Context(), host+"/hole:v1", image.PullOptions{}); !strings.Contains(fmt.Sprint(err), "the disk is full") {
		t.Error(err)
	}
}

// ending passes on so many bytes.
type ending struct {
	r    io.Reader
	left int
}

func (e *ending) Read(p []byte) (int, error) {
	if e.left -= len(p); e.left < 0 {
		return 0, fault.New(fault.Invalid, "", "the disk is full")
	}
	return e.r.Read(p)
}

// A name of a million folders would cost the walk to each of them.
func TestANameIsAsLongAsThePathsOfLinux(t *testing.T) {
	err := image.Unpack(t.Context(), bytes.NewReader(archive(t, entry{name: strings.Repeat("a/", 1<<16) + "b"})), t.TempDir())
	if err == nil || !strings.Contains(err.Error(), "file name too long") {
		t.Error(err)
	}
}
