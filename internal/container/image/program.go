package image

import (
	"bytes"
	"cmp"
	"context"
	"debug/elf"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
	"github.com/google/go-containerregistry/pkg/v1/types"

	"berth/internal/fault"
)

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
	img, err := oneLayer([]file{{name: name, mode: 0o755, data: data}}, "/"+name, o)
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
	program, err := mainProgram(dir, programs)
	if err != nil {
		return nil, err
	}
	if err := checkStatic(filepath.Join(dir, program), o); err != nil {
		return nil, err
	}
	img, err := oneLayer(files, "/"+program, o)
	return &Source{Image: img, Kind: KindBinary}, err
}

func mainProgram(dir string, programs []string) (string, error) {
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
			return fault.New(
				fault.Invalid, "", "%s is dynamically linked: an image of it alone could not run (for Go, build with CGO_ENABLED=0)", path,
			)
		}
	}
	want := map[string]elf.Machine{"amd64": elf.EM_X86_64, "arm64": elf.EM_AARCH64}[platform(o.Architecture).Architecture]
	if want != 0 && f.Machine != want {
		return fault.New(fault.Invalid, "", "%s is a program for %s, not for %s", path, f.Machine, platform(o.Architecture).Architecture)
	}
	return nil
}

// oneLayer makes an image of one layer. Besides the files it has what programs
// expect of a system: a user table and a place for temporary files.
func oneLayer(files []file, program string, o SourceOptions) (v1.Image, error) {
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
