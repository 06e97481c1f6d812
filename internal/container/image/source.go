package image

import (
	"archive/tar"
	"bytes"
	"cmp"
	"compress/gzip"
	"context"
	"debug/elf"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"

	"github.com/google/go-containerregistry/pkg/authn"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/layout"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
	"github.com/google/go-containerregistry/pkg/v1/types"

	"berth/internal/fault"
)

// The kinds of source.
const (
	KindGo       = "Go main package"
	KindBinary   = "folder with a static binary"
	KindLayout   = "OCI layout"
	KindArchive  = "docker save archive"
	KindRegistry = "remote reference"
)

// SourceOptions say how to read a source.
type SourceOptions struct {
	// Architecture is GOARCH's name; "" is this machine's.
	Architecture string
	// Transport reaches remote references; nil is http.DefaultTransport.
	Transport http.RoundTripper
	// Keychain finds credentials for remote references; nil is the user's
	// Docker configuration.
	Keychain authn.Keychain
	// Output hears what the Go compiler says; may be nil.
	Output io.Writer
}

// Source is an image that was made or opened. It reads from its source until
// it is closed.
type Source struct {
	Image v1.Image
	Kind  string
	close func() error
}

// Close takes away what was made for reading.
func (s *Source) Close() error {
	if s.close == nil {
		return nil
	}
	return s.close()
}

// FromSource makes an image of a Go main package (a folder with Go files or an
// import path), a folder with one static binary (or the binary itself), an
// OCI layout (folder or archive), an archive of docker save, or what a
// registry has.
func FromSource(ctx context.Context, source string, o SourceOptions) (*Source, error) {
	info, err := os.Stat(source)
	switch {
	case err == nil && info.IsDir():
		return fromFolder(ctx, source, o)
	case err == nil && !info.Mode().IsRegular():
		return fromPipe(source, o)
	case err == nil:
		return fromFile(source, o)
	case strings.HasPrefix(source, ".") || strings.HasPrefix(source, "/"):
		return nil, fault.New(fault.NotFound, "", "%s: no such file or folder", source)
	}
	return fromRegistry(ctx, source, o)
}

func fromFolder(ctx context.Context, dir string, o SourceOptions) (*Source, error) {
	if exists(filepath.Join(dir, "oci-layout")) {
		return fromLayout(dir, o)
	}
	if files, _ := filepath.Glob(filepath.Join(dir, "*.go")); len(files) > 0 {
		return fromGo(ctx, dir, o)
	}
	return fromBinaries(dir, o)
}

// fromPipe keeps what comes (docker save | berth image push web /dev/stdin) in
// a file: an archive is read more than once.
func fromPipe(path string, o SourceOptions) (*Source, error) {
	in, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", path, err)
	}
	defer func() { _ = in.Close() }()
	dir, err := os.MkdirTemp("", "berth-image-")
	if err != nil {
		return nil, fmt.Errorf("make folder for archive: %w", err)
	}
	clean := func() error { return os.RemoveAll(dir) }
	file := filepath.Join(dir, "image.tar")
	out, err := os.Create(file)
	if err == nil {
		_, err = io.Copy(out, in)
		err = errors.Join(err, out.Close())
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("read %s: %w", path, err), clean())
	}
	s, err := fromFile(file, o)
	if err != nil {
		return nil, errors.Join(err, clean())
	}
	inner := s.close
	s.close = func() error {
		if inner != nil {
			return errors.Join(inner(), clean())
		}
		return clean()
	}
	return s, nil
}

func fromFile(path string, o SourceOptions) (*Source, error) {
	if isELF(path) {
		data, err := os.ReadFile(path)
		if err != nil {
			return nil, fmt.Errorf("read %s: %w", path, err)
		}
		if err := checkStatic(path, o); err != nil {
			return nil, err
		}
		name := filepath.Base(path)
		img, err := build([]file{{name: name, mode: 0o755, data: data}}, "/"+name, o)
		return &Source{Image: img, Kind: KindBinary}, err
	}
	names, err := tarNames(path)
	if err != nil {
		return nil, fault.Wrap(fault.Invalid, err, "%s is neither a program nor an image archive", path)
	}
	switch {
	case names["manifest.json"]:
		img, err := tarball.ImageFromPath(path, nil)
		if err != nil {
			return nil, fault.Wrap(fault.Invalid, err, "read docker save archive %s", path)
		}
		return &Source{Image: img, Kind: KindArchive}, nil
	case names["oci-layout"]:
		return fromLayoutArchive(path, o)
	default:
		return nil, fault.New(fault.Invalid, "", "%s has neither manifest.json (docker save) nor oci-layout in it", path)
	}
}

// openTar opens an archive that may be compressed.
func openTar(path string) (*tar.Reader, io.Closer, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, nil, err
	}
	magic := make([]byte, 2)
	_, _ = f.ReadAt(magic, 0)
	if !bytes.Equal(magic, []byte{0x1f, 0x8b}) {
		return tar.NewReader(f), f, nil
	}
	z, err := gzip.NewReader(f)
	if err != nil {
		return nil, nil, errors.Join(err, f.Close())
	}
	return tar.NewReader(z), f, nil
}

func tarNames(path string) (map[string]bool, error) {
	tr, c, err := openTar(path)
	if err != nil {
		return nil, err
	}
	defer func() { _ = c.Close() }()
	names := map[string]bool{}
	for {
		h, err := tr.Next()
		if errors.Is(err, io.EOF) && len(names) > 0 {
			return names, nil
		}
		if err != nil {
			return nil, err
		}
		names[strings.TrimPrefix(h.Name, "./")] = true
	}
}

func fromLayoutArchive(path string, o SourceOptions) (*Source, error) {
	dir, err := os.MkdirTemp("", "berth-image-")
	if err != nil {
		return nil, fmt.Errorf("make folder for archive: %w", err)
	}
	clean := func() error { return os.RemoveAll(dir) }
	if err := extract(path, dir); err != nil {
		return nil, errors.Join(fault.Wrap(fault.Invalid, err, "read OCI archive %s", path), clean())
	}
	s, err := fromLayout(dir, o)
	if err != nil {
		return nil, errors.Join(err, clean())
	}
	s.close = clean
	return s, nil
}

// extract writes the archive's plain files; an OCI layout has no others.
func extract(path, dir string) error {
	tr, c, err := openTar(path)
	if err != nil {
		return err
	}
	defer func() { _ = c.Close() }()
	root, err := os.OpenRoot(dir)
	if err != nil {
		return err
	}
	defer func() { _ = root.Close() }()
	for {
		h, err := tr.Next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		if h.Typeflag != tar.TypeReg {
			continue
		}
		if err := extractOne(root, h, tr); err != nil {
			return err
		}
	}
}

func extractOne(root *os.Root, h *tar.Header, r io.Reader) error {
	if err := root.MkdirAll(filepath.Dir(h.Name), 0o755); err != nil {
		return err
	}
	f, err := root.Create(h.Name)
	if err != nil {
		return err
	}
	_, err = io.Copy(f, r)
	return errors.Join(err, f.Close())
}

func fromLayout(dir string, o SourceOptions) (*Source, error) {
	index, err := layout.ImageIndexFromPath(dir)
	if err != nil {
		return nil, fault.Wrap(fault.Invalid, err, "read OCI layout %s", dir)
	}
	img, err := pick(index, platform(o.Architecture))
	if err != nil {
		return nil, fault.Wrap(fault.Invalid, err, "read OCI layout %s", dir)
	}
	return &Source{Image: img, Kind: KindLayout}, nil
}

// pick finds the image for the platform, in lists of lists too.
func pick(index v1.ImageIndex, p v1.Platform) (v1.Image, error) {
	m, err := index.IndexManifest()
	if err != nil {
		return nil, err
	}
	var others []string
	for _, d := range m.Manifests {
		switch {
		case d.MediaType.IsIndex():
			inner, err := index.ImageIndex(d.Digest)
			if err != nil {
				return nil, err
			}
			if img, err := pick(inner, p); err == nil {
				return img, nil
			}
		case d.MediaType.IsImage() && (d.Platform == nil || d.Platform.Satisfies(p)):
			img, err := index.Image(d.Digest)
			if err != nil {
				return nil, err
			}
			if c, err := img.ConfigFile(); err == nil && (c.Architecture == "" || c.Architecture == p.Architecture) {
				return img, nil
			}
		}
		if d.Platform != nil {
			others = append(others, d.Platform.String())
		}
	}
	return nil, fmt.Errorf("no image for %s (there are: %s)", p.String(), strings.Join(others, ", "))
}

func fromRegistry(ctx context.Context, ref string, o SourceOptions) (*Source, error) {
	r, err := ParseRef(ref, false)
	if err != nil {
		return nil, fault.New(fault.Invalid, "", "%q is neither a file, a folder nor an image reference", ref)
	}
	keychain := o.Keychain
	if keychain == nil {
		keychain = authn.DefaultKeychain
	}
	rt := o.Transport
	if rt == nil {
		rt = http.DefaultTransport
	}
	img, err := remote.Image(r, remote.WithContext(ctx), remote.WithTransport(rt), remote.WithAuthFromKeychain(keychain), remote.WithPlatform(platform(o.Architecture)))
	if err != nil {
		return nil, fault.Wrap(faultClass(err), err, "find image %s", ref)
	}
	return &Source{Image: img, Kind: KindRegistry}, nil
}

// fromGo compiles a static program and puts it alone into an image.
func fromGo(ctx context.Context, dir string, o SourceOptions) (*Source, error) {
	arch := platform(o.Architecture).Architecture
	list := exec.CommandContext(ctx, "go", "list", "-json=Name,ImportPath", ".")
	list.Dir = dir
	out, err := list.Output()
	var pkg struct{ Name, ImportPath string }
	if err == nil {
		err = json.Unmarshal(out, &pkg)
	}
	if err != nil {
		return nil, fault.Wrap(fault.Invalid, withStderr(err), "read the Go package in %s", dir)
	}
	if pkg.Name != "main" {
		return nil, fault.New(fault.Invalid, "", "%s is package %s: an image needs a main package", dir, pkg.Name)
	}
	tmp, err := os.MkdirTemp("", "berth-build-")
	if err != nil {
		return nil, fmt.Errorf("make folder for the program: %w", err)
	}
	defer func() { _ = os.RemoveAll(tmp) }()
	name := filepath.Base(pkg.ImportPath)
	program := filepath.Join(tmp, "program")
	var said bytes.Buffer
	cmd := exec.CommandContext(ctx, "go", "build", "-ldflags=-s -w", "-o", program, ".")
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GOOS=linux", "GOARCH="+arch)
	cmd.Stdout, cmd.Stderr = &said, &said
	if o.Output != nil {
		cmd.Stderr = io.MultiWriter(&said, o.Output)
	}
	if err := cmd.Run(); err != nil {
		return nil, fault.Wrap(fault.Invalid, fmt.Errorf("%w: %s", err, said.Bytes()), "build %s", pkg.ImportPath)
	}
	data, err := os.ReadFile(program)
	if err != nil {
		return nil, fmt.Errorf("read the program: %w", err)
	}
	img, err := build([]file{{name: name, mode: 0o755, data: data}}, "/"+name, o)
	return &Source{Image: img, Kind: KindGo}, err
}

func withStderr(err error) error {
	var e *exec.ExitError
	if errors.As(err, &e) && len(e.Stderr) > 0 {
		return fmt.Errorf("%w: %s", err, bytes.TrimSpace(e.Stderr))
	}
	return err
}

// fromBinaries puts a whole folder into an image; its one program is started.
func fromBinaries(dir string, o SourceOptions) (*Source, error) {
	files, err := readTree(dir)
	if err != nil {
		return nil, err
	}
	var programs []string
	for _, f := range files {
		if !f.dir && f.link == "" && f.mode&0o111 != 0 && isELF(filepath.Join(dir, f.name)) {
			programs = append(programs, f.name)
		}
	}
	program, err := choose(dir, programs)
	if err != nil {
		return nil, err
	}
	if err := checkStatic(filepath.Join(dir, program), o); err != nil {
		return nil, err
	}
	img, err := build(files, "/"+program, o)
	return &Source{Image: img, Kind: KindBinary}, err
}

func choose(dir string, programs []string) (string, error) {
	abs, err := filepath.Abs(dir)
	if err != nil {
		return "", err
	}
	likely := slices.DeleteFunc(slices.Clone(programs), func(p string) bool {
		return !slices.Contains([]string{filepath.Base(abs), "app", "server", "main", "bootstrap"}, filepath.Base(p))
	})
	switch {
	case len(programs) == 1:
		return programs[0], nil
	case len(likely) == 1:
		return likely[0], nil
	case len(programs) == 0:
		return "", fault.New(fault.Invalid, "", "%s has no Go files, no OCI layout and no executable program in it", dir)
	default:
		return "", fault.New(fault.Invalid, "", "%s has several programs (%s): name the one to start app", dir, strings.Join(programs, ", "))
	}
}

func isELF(path string) bool {
	f, err := elf.Open(path)
	if err != nil {
		return false
	}
	_ = f.Close()
	return true
}

// checkStatic refuses a program that would need files that the image does
// not have, or another machine.
func checkStatic(path string, o SourceOptions) error {
	f, err := elf.Open(path)
	if err != nil {
		return fault.Wrap(fault.Invalid, err, "read program %s", path)
	}
	defer func() { _ = f.Close() }()
	for _, p := range f.Progs {
		if p.Type == elf.PT_INTERP {
			return fault.New(fault.Invalid, "", "%s is dynamically linked: an image of it alone could not run (for Go, build with CGO_ENABLED=0)", path)
		}
	}
	want := map[string]elf.Machine{"amd64": elf.EM_X86_64, "arm64": elf.EM_AARCH64}[platform(o.Architecture).Architecture]
	if want != 0 && f.Machine != want {
		return fault.New(fault.Invalid, "", "%s is a program for %s, not for %s", path, f.Machine, platform(o.Architecture).Architecture)
	}
	return nil
}

// build makes an image of one layer. Besides the files it has what programs
// expect of a system: a user table and a place for temporary files.
func build(files []file, program string, o SourceOptions) (v1.Image, error) {
	base := []file{
		{name: "etc", mode: 0o755, dir: true},
		{name: "etc/group", mode: 0o644, data: []byte("root:x:0:\nnonroot:x:65532:\n")},
		{name: "etc/passwd", mode: 0o644, data: []byte("root:x:0:0:root:/root:/sbin/nologin\nnonroot:x:65532:65532:nonroot:/:/sbin/nologin\n")},
		{name: "tmp", mode: 0o1777, dir: true},
	}
	for _, b := range base {
		if !slices.ContainsFunc(files, func(f file) bool { return f.name == b.name }) {
			files = append(files, b)
		}
	}
	slices.SortFunc(files, func(a, b file) int { return cmp.Compare(a.name, b.name) })
	var buf bytes.Buffer
	if err := archive(&buf, files); err != nil {
		return nil, err
	}
	layer, err := tarball.LayerFromOpener(func() (io.ReadCloser, error) {
		return io.NopCloser(bytes.NewReader(buf.Bytes())), nil
	}, tarball.WithCompressedCaching, tarball.WithMediaType(types.OCILayer))
	if err != nil {
		return nil, fmt.Errorf("make layer: %w", err)
	}
	img := mutate.ConfigMediaType(mutate.MediaType(empty.Image, types.OCIManifestSchema1), types.OCIConfigJSON)
	img, err = mutate.Append(img, mutate.Addendum{Layer: layer, History: v1.History{CreatedBy: "berth"}})
	if err != nil {
		return nil, fmt.Errorf("make image: %w", err)
	}
	img, err = mutate.ConfigFile(img, configFor(img, program, o))
	if err != nil {
		return nil, fmt.Errorf("make image: %w", err)
	}
	return img, nil
}

func configFor(img v1.Image, program string, o SourceOptions) *v1.ConfigFile {
	c, err := img.ConfigFile()
	if err != nil {
		c = &v1.ConfigFile{}
	}
	c = c.DeepCopy()
	c.OS, c.Architecture = "linux", cmp.Or(o.Architecture, runtime.GOARCH)
	c.Config.Entrypoint = []string{program}
	c.Config.WorkingDir = "/"
	c.Config.Env = []string{"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"}
	return c
}
