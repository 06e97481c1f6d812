// Package image brings container images to a machine, and makes them.
//
// A Store pulls references from registries and unpacks each layer once, into
// a folder named by its diffID that all instances of a data folder share; an
// owner (an instance) keeps a record of the images that it pulled, so that
// "pulled" means pulled by this instance, and a layer goes when no owner's
// image has it any more. Each owner's volume is charged for all layers of its
// images, as if it had a copy. FromSource makes images from a Go main package, a
// folder with a static binary, an OCI layout, a docker-save archive or a
// remote reference. The package runs nothing and knows no tasks. Stores are
// safe for concurrent use, also by several processes.
package image

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"time"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"

	"berth/internal/clock"
	"berth/internal/fault"
	"berth/internal/lang/reference"
)

// Config is what an image says about its containers.
type Config struct {
	Entrypoint   []string `json:"entrypoint,omitempty"`
	Cmd          []string `json:"cmd,omitempty"`
	Env          []string `json:"env,omitempty"`
	User         string   `json:"user,omitempty"`
	WorkingDir   string   `json:"workingDir,omitempty"`
	StopSignal   string   `json:"stopSignal,omitempty"`
	Volumes      []string `json:"volumes,omitempty"`
	ExposedPorts []string `json:"exposedPorts,omitempty"` // "8080/tcp"
	Labels       []string `json:"labels,omitempty"`       // KEY=VALUE
}

// Image is an unpacked image.
type Image struct {
	Ref    string `json:"ref"`
	Digest string `json:"digest"` // sha256:… of the manifest that the reference names
	ID     string `json:"id"`     // sha256:… of the configuration, as Docker's image id
	// Layers are the unpacked folders, lowest first.
	Layers   []string  `json:"layers"`
	Config   Config    `json:"config"`
	Size     int64     `json:"size"` // compressed
	PulledAt time.Time `json:"pulledAt"`
}

// Deps are what a Store is made of.
type Deps struct {
	Dir   string // shared by all owners
	Owner string // who pulls: an instance id
	Clock clock.Clock
	// Spare, if set, passes on what layers unpack to as long as the disk has space for it.
	Spare func(io.Reader) io.Reader
	// Charge, if set, is a folder on the owner's own volume: what its images
	// unpack to is set aside there, and a pull that does not fit fails.
	Charge string
	Log    *slog.Logger
}

// Store holds unpacked images.
type Store struct {
	Deps
	charge *charge
}

// PullOptions say how to reach the registry.
type PullOptions struct {
	// Transport reaches the registry and whatever it redirects to; nil is
	// http.DefaultTransport.
	Transport          http.RoundTripper
	Username, Password string
	// Insecure speaks plain HTTP (registries on loopback always do).
	Insecure bool
	// Architecture is GOARCH's name; "" is this machine's.
	Architecture string
	// Attempts bounds the tries of what may pass; 0 is 5, as ECS's agent.
	Attempts int
	// Progress hears of each layer that has come; may be nil.
	Progress func(done, total int)
}

// Open returns a store on a folder.
func Open(d Deps) (*Store, error) {
	if d.Log == nil {
		d.Log = slog.New(slog.DiscardHandler)
	}
	if d.Spare == nil {
		d.Spare = func(r io.Reader) io.Reader { return r }
	}
	if d.Owner == "" || strings.ContainsAny(d.Owner, "/.") {
		return nil, fault.New(fault.Invalid, "", "owner %q of images is not valid", d.Owner)
	}
	dir, err := filepath.Abs(d.Dir)
	if err != nil {
		return nil, fmt.Errorf("resolve %s: %w", d.Dir, err)
	}
	d.Dir = dir
	s := &Store{Deps: d}
	for _, p := range []string{s.layers(), s.locks(), s.owned(), s.sizes()} {
		if err := os.MkdirAll(p, 0o755); err != nil {
			return nil, fmt.Errorf("make folder of images: %w", err)
		}
	}
	if s.charge, err = newCharge(d.Charge); err != nil {
		return nil, err
	}
	return s, s.begin()
}

func (s *Store) layers() string { return filepath.Join(s.Dir, "layers") }
func (s *Store) locks() string  { return filepath.Join(s.Dir, "locks") }
func (s *Store) owned() string  { return filepath.Join(s.Dir, "owners", s.Owner) }

func (s *Store) layer(diffID v1.Hash) string { return filepath.Join(s.layers(), diffID.Hex) }

// ParseRef reads a reference as Docker does: "nginx" is
// docker.io/library/nginx:latest.
func ParseRef(ref string, insecure bool) (name.Reference, error) {
	r, err := reference.Parse(ref)
	if err != nil {
		return nil, err
	}
	var opts []name.Option
	if insecure {
		opts = append(opts, name.Insecure)
	}
	registry, err := name.NewRegistry(r.Registry, opts...)
	if err != nil {
		return nil, fault.Wrap(fault.Invalid, err, "invalid reference format")
	}
	repo := registry.Repo(r.Repository)
	if r.Digest != "" {
		return repo.Digest(r.Digest), nil
	}
	return repo.Tag(r.Tag), nil
}

// Get returns an image that this owner has pulled by that reference.
func (s *Store) Get(ref string) (Image, error) {
	i, err := readRecord(filepath.Join(s.owned(), recordName(ref)))
	if errors.Is(err, os.ErrNotExist) {
		return Image{}, fault.New(fault.NotFound, "", "no image %s", ref)
	}
	return i, err
}

// List returns the owner's images in the order of their references.
func (s *Store) List() ([]Image, error) { return readOwner(s.owned()) }

func readOwner(dir string) ([]Image, error) {
	files, err := filepath.Glob(filepath.Join(dir, "*.json"))
	if err != nil {
		return nil, fmt.Errorf("list images: %w", err)
	}
	var out []Image
	for _, f := range files {
		i, err := readRecord(f)
		if errors.Is(err, os.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, err
		}
		out = append(out, i)
	}
	slices.SortFunc(out, func(a, b Image) int { return cmp.Compare(a.Ref, b.Ref) })
	return out, nil
}

func readRecord(file string) (Image, error) {
	var i Image
	data, err := os.ReadFile(file)
	if err == nil {
		err = json.Unmarshal(data, &i)
	}
	if err != nil {
		return i, fmt.Errorf("read image record: %w", err)
	}
	return i, nil
}

func (s *Store) record(i Image) error {
	data, err := json.Marshal(i)
	if err != nil {
		return fmt.Errorf("encode image record: %w", err)
	}
	return replaceFile(filepath.Join(s.owned(), recordName(i.Ref)), data)
}

// Remove forgets one image of this owner; its layers go with Collect.
func (s *Store) Remove(ref string) error {
	had, _ := s.Get(ref) // one that cannot be read has no layers
	err := os.Remove(filepath.Join(s.owned(), recordName(ref)))
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("remove image record: %w", err)
	}
	mine, err := s.mine()
	if err != nil {
		return err
	}
	s.charge.drop(had.Layers, mine)
	return nil
}

func configOf(c *v1.ConfigFile) Config {
	out := Config{
		Entrypoint: c.Config.Entrypoint, Cmd: c.Config.Cmd, Env: c.Config.Env, User: c.Config.User,
		WorkingDir: c.Config.WorkingDir, StopSignal: c.Config.StopSignal,
	}
	for k, v := range c.Config.Labels {
		out.Labels = append(out.Labels, k+"="+v)
	}
	for k := range c.Config.Volumes {
		out.Volumes = append(out.Volumes, k)
	}
	for k := range c.Config.ExposedPorts {
		out.ExposedPorts = append(out.ExposedPorts, k)
	}
	slices.Sort(out.Labels)
	slices.Sort(out.Volumes)
	slices.Sort(out.ExposedPorts)
	return out
}

func platform(arch string) v1.Platform {
	return v1.Platform{OS: "linux", Architecture: cmp.Or(arch, runtime.GOARCH)}
}

// Forget drops all images of an owner that is gone for good.
func Forget(dir, owner string) error {
	if owner == "" || strings.ContainsAny(owner, "/.") {
		return fault.New(fault.Invalid, "", "owner %q of images is not valid", owner)
	}
	if err := os.RemoveAll(filepath.Join(dir, "owners", owner)); err != nil {
		return fmt.Errorf("forget images of %s: %w", owner, err)
	}
	return nil
}

// Collect removes the layers that no owner's image has. It waits for pulls
// that are under way, and they for it.
func Collect(ctx context.Context, dir string, c clock.Clock) (removed int, err error) {
	release, err := lockFile(ctx, filepath.Join(dir, "locks", "all"), true, c)
	if err != nil {
		return 0, err
	}
	defer release()
	used := map[string]bool{}
	owners, err := filepath.Glob(filepath.Join(dir, "owners", "*"))
	if err != nil {
		return 0, fmt.Errorf("list owners of images: %w", err)
	}
	for _, o := range owners {
		images, err := readOwner(o)
		if err != nil {
			return 0, err
		}
		for _, i := range images {
			for _, l := range i.Layers {
				used[filepath.Base(l)] = true
			}
		}
	}
	entries, err := os.ReadDir(filepath.Join(dir, "layers"))
	if err != nil {
		return 0, fmt.Errorf("list layers: %w", err)
	}
	for _, e := range entries {
		if used[e.Name()] {
			continue
		}
		if err := os.RemoveAll(filepath.Join(dir, "layers", e.Name())); err != nil {
			return removed, fmt.Errorf("remove layer: %w", err)
		}
		_ = os.Remove(filepath.Join(dir, "sizes", e.Name())) // it is measured again if need be
		removed++
	}
	return removed, nil
}
