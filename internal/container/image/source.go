package image

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"

	"github.com/google/go-containerregistry/pkg/authn"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/tarball"

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
		img, err := oneLayer([]file{{name: name, mode: 0o755, data: data}}, "/"+name, o)
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
	img, err := remote.Image(
		r, remote.WithContext(ctx), remote.WithTransport(rt), remote.WithAuthFromKeychain(keychain),
		remote.WithPlatform(platform(o.Architecture)),
	)
	if err != nil {
		return nil, fault.Wrap(faultClass(err), err, "find image %s", ref)
	}
	return &Source{Image: img, Kind: KindRegistry}, nil
}
